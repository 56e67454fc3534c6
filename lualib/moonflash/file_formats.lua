--- What a file holds for flash: its bytes as they are, packed with gzip, or in the
-- pieces of an Intel HEX or UF2 file.
-- @module moonflash.file_formats
local errors <const> = require "moonflash.errors"
local files <const> = require "moonflash.files"
local gzip <const> = require "moonflash.gzip"
local intelhex <const> = require "moonflash.intelhex"
local uf2 <const> = require "moonflash.uf2"

local file_formats = {}

local HEX_MAX <const> = 3 * files.MAX_BYTES     -- two digits a byte, and the records
local IMAGE <const> = { [0xE9] = true, [0xEA] = true }

-- A packed file is unpacked where only what is in it makes sense: at 0x0, or when
-- a firmware is in it, by its contents or its name. Other packed files are data
-- that the firmware unpacks itself, web pages for instance.
local function unpack(bytes, addr, path)
  if not gzip.is(bytes) then return bytes end
  local plain = gzip.unpack(bytes, HEX_MAX, path)
  local firmware = addr == 0 or IMAGE[plain:byte()] or path:lower():find "%.bin%.gz$"
  return firmware and plain or bytes
end

--- Is this an Intel HEX file?
-- @tparam string bytes
-- @treturn boolean
function file_formats.is_hex(bytes)
  return bytes:find "^%s*:%x%x%x%x%x%x%x%x%x%x+%s" ~= nil
end

--- Is this a UF2 file?
-- @tparam string bytes
-- @treturn boolean
function file_formats.is_uf2(bytes)
  return bytes:sub(1, 8) == "UF2\n\x57\x51\x5d\x9e"
end

-- The pieces that a file names addresses for itself, or nil.
local function own_pieces(bytes)
  if file_formats.is_hex(bytes) then return intelhex.parse(bytes) end
  if file_formats.is_uf2(bytes) then return uf2.parse(bytes) end
end

local function check_size(bytes, path)
  if #bytes > files.MAX_BYTES then
    errors.raise("toobig", ("%s has %d bytes; no chip has more than 16 MB of flash"):format(path,
      #bytes))
  end
end

-- The address beside a file that has its own must not say something else.
local function check_address(addr, list, path)
  if addr == 0 or addr == list[1].addr then return end
  errors.raise("usage", ("%s says itself that it begins at 0x%x, not at 0x%x"):format(path,
    list[1].addr, addr), { hint = "write 0x0 in front of such a file" })
end

--- Reads one file.
-- @tparam integer addr where it goes; HEX and UF2 files say that themselves
-- @tparam string path
-- @tparam[opt] boolean any_address take no notice of addr then, whatever it is
-- @treturn {part,...} { addr, data, name }, the ones of a HEX or UF2 file ascending
-- @raise `file`, `toobig`, `overlap`, `usage`
function file_formats.read(addr, path, any_address)
  local bytes = unpack(files.read(path, HEX_MAX), addr, path)
  local list = own_pieces(bytes)
  if list and #list == 0 then errors.raise("file", path .. " has no data in it") end
  if not list then
    check_size(bytes, path)
    list = { { addr = addr, data = bytes } }
  elseif not any_address then
    check_address(addr, list, path)
  end
  for _, part in ipairs(list) do part.name = path end
  return list
end

return file_formats
