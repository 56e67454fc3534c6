--- Files on this machine, with errors in the user's words.
-- @module moonflash.files
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local lfs <const> = require "lfs"

local files = {}

--- No firmware file of this chip is larger than its largest flash.
files.MAX_BYTES = 16 * 1024 * 1024

local SECTOR <const> = 4096

local function init_data(variant)
  return require("moonflash.init_data").build { variant = variant }
end

local function blank() return ("\xff"):rep(SECTOR) end

-- Files that need not be on disk. The INTERNAL:// names are those of an older
-- flasher for this firmware, whose users have them in their notes.
local BUILTIN <const> = {
  ["builtin:init-data"] = function() return init_data "v05" end,
  ["builtin:init-data-v08"] = function() return init_data "v08" end,
  ["builtin:blank"] = blank,
  ["internal://default"] = function() return init_data "v05" end,
  ["internal://blank"] = blank,
}

local BUILTIN_HINT <const> = "there are builtin:init-data, builtin:init-data-v08 and builtin:blank"

--- The bytes of a built-in file.
-- @tparam string path `builtin:NAME`, or `INTERNAL://DEFAULT`, `INTERNAL://BLANK`
-- @treturn string|nil nil when the path names a file on disk
-- @raise `file` for a built-in name that there is not
function files.builtin(path)
  local word = path:lower()
  local make = BUILTIN[word]
  if make then return make() end
  if word:find("^builtin:") or word:find("^internal://") then
    errors.raise("file", ("there is no built-in file '%s'"):format(path), { hint = BUILTIN_HINT })
  end
end

local function read_disk(path, max)
  local mode = lfs.attributes(path, "mode")
  if mode == "directory" then
    errors.raise("file", path .. " is a folder, not a file")
  end
  local f <close>, why, errno = io.open(path, "rb")
  if not f then errors.check(nil, "cannot open " .. why, errno) end
  local size = lfs.attributes(path, "size")
  if mode == "file" and size > max then
    errors.raise("toobig", ("%s has %d bytes; no chip has more than 16 MB of flash"):format(
      path, size))
  end
  local bytes = f:read(max + 1)
  if not bytes or #bytes == 0 then
    errors.raise("file", path .. " is empty", { hint = "nothing was written" })
  end
  if #bytes > max then
    errors.raise("toobig", path .. " is longer than 16 MB, the most that a chip can hold")
  end
  return bytes
end

--- Reads a whole file.
-- @tparam string path of a file on disk, or the name of a built-in one
-- @tparam[opt=MAX_BYTES] integer max the most that it may have
-- @treturn string its bytes, never empty
-- @raise `file` when it is missing, unreadable, empty or a folder; `toobig`
function files.read(path, max)
  return files.builtin(path) or read_disk(path, max or files.MAX_BYTES)
end

--- Reads a firmware file, unpacked when it was packed with gzip.
-- @tparam string path as for @{files.read}
-- @tparam[opt=MAX_BYTES] integer max the most that it may have, unpacked too
-- @treturn string its bytes, never empty
-- @treturn boolean whether it was packed
-- @raise `file`, `toobig`
function files.firmware(path, max)
  local gzip <const> = require "moonflash.gzip"
  local bytes = files.read(path, max)
  if not gzip.is(bytes) then return bytes, false end
  return gzip.unpack(bytes, max or files.MAX_BYTES, path), true
end

--- Checks that a file can be made before long work begins.
-- @tparam string path
-- @raise `file` when its folder is missing or not writable, or path is a folder
function files.check_writable(path)
  if lfs.attributes(path, "mode") == "directory" then
    errors.raise("file", path .. " is a folder, not a file")
  end
  local kind = lfs.attributes(path, "mode")
  if kind and kind ~= "file" then return end     -- a device or a pipe: it shows when it is written
  -- not the name that it is written under: another program may be writing there
  local try = path .. ".try"
  local there = lfs.attributes(try, "mode")
  local f, why, errno = io.open(try, "ab")
  if not f then
    errors.check(nil, ("cannot create %s: %s"):format(path, why:sub(#try + 3)), errno)
  end
  f:close()
  if not there then os.remove(try) end
end

--- Writes a file so that a good one is never replaced by half of a new one.
-- @tparam string path
-- @tparam string bytes
-- @raise `io`
function files.write(path, bytes)
  local ok, message, code = esp.write_file(path, bytes)
  errors.check(ok, message, code, { hint = "make room or name another place; a file that was"
    .. " there already is as it was" })
end

return files
