--- Files on this machine, with errors in the user's words.
-- @module moonflash.files
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local lfs <const> = require "lfs"

local files = {}

--- No firmware file of this chip is larger than its largest flash.
files.MAX_BYTES = 16 * 1024 * 1024

--- Reads a whole file.
-- @tparam string path
-- @treturn string its bytes, never empty
-- @raise `file` when it is missing, unreadable, empty or a folder; `toobig`
function files.read(path)
  local mode = lfs.attributes(path, "mode")
  if mode == "directory" then
    errors.raise("file", path .. " is a folder, not a file")
  end
  local f <close>, why, errno = io.open(path, "rb")
  if not f then errors.check(nil, "cannot open " .. why, errno) end
  local size = lfs.attributes(path, "size")
  if mode == "file" and size > files.MAX_BYTES then
    errors.raise("toobig", ("%s has %d bytes; no chip has more than 16 MB of flash"):format(
      path, size))
  end
  local bytes = f:read(files.MAX_BYTES + 1)
  if not bytes or #bytes == 0 then
    errors.raise("file", path .. " is empty", { hint = "nothing was written" })
  end
  if #bytes > files.MAX_BYTES then
    errors.raise("toobig", path .. " is longer than 16 MB, the most that a chip can hold")
  end
  return bytes
end

--- Checks that a file can be made before long work begins.
-- @tparam string path
-- @raise `file` when its folder is missing or not writable, or path is a folder
function files.check_writable(path)
  if lfs.attributes(path, "mode") == "directory" then
    errors.raise("file", path .. " is a folder, not a file")
  end
  local part = path .. ".part"
  local f, why, errno = io.open(part, "wb")
  if not f then errors.check(nil, "cannot create " .. why, errno) end
  f:close()
  os.remove(part)
end

--- Writes a file so that a good one is never replaced by half of a new one.
-- @tparam string path
-- @tparam string bytes
-- @raise `io`
function files.write(path, bytes)
  errors.check(esp.write_file(path, bytes))
end

return files
