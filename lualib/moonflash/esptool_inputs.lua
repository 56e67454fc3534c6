--- The files of a command line as parts of flash: plain, packed with gzip, Intel
-- HEX, UF2.
-- @module moonflash.esptool_inputs
local errors <const> = require "moonflash.errors"
local files <const> = require "moonflash.files"
local gzip <const> = require "moonflash.gzip"
local image <const> = require "moonflash.image"
local intelhex <const> = require "moonflash.intelhex"
local uf2 <const> = require "moonflash.uf2"

local esptool_inputs = {}

-- A packed file is unpacked where only what is in it makes sense; elsewhere it may
-- be data that the firmware unpacks itself.
local function unpack(bytes, addr, name)
  if not gzip.is(bytes) then return bytes end
  local plain = gzip.unpack(bytes, files.MAX_BYTES, name)
  local first = plain:byte()
  return (addr == 0 or first == 0xE9 or first == 0xEA) and plain or bytes
end

local function is_hex(bytes) return bytes:find "^%s*:%x%x%x%x%x%x%x%x" ~= nil end
local function is_uf2(bytes) return bytes:sub(1, 8) == "UF2\n\x57\x51\x5d\x9e" end

local function segments_of(bytes, addr)
  if is_hex(bytes) then return intelhex.parse(bytes) end
  if is_uf2(bytes) then return uf2.parse(bytes) end
  return { { addr = addr, data = bytes } }
end

--- Reads one file.
-- @tparam integer addr where it goes; HEX and UF2 files say that themselves
-- @tparam string path
-- @treturn {part,...} { addr, data, name }
-- @raise `file`, `toobig`
function esptool_inputs.read_one(addr, path)
  local list = segments_of(unpack(files.read(path), addr, path), addr)
  for _, part in ipairs(list) do part.name = path end
  return list
end

--- Reads files.
-- @tparam {table,...} wanted { addr, file }
-- @treturn {part,...}
function esptool_inputs.read(wanted)
  local parts = {}
  for _, w in ipairs(wanted) do
    local list = esptool_inputs.read_one(w.addr, w.file)
    table.move(list, 1, #list, #parts + 1, parts)
  end
  return parts
end

-- What makes no sense in flash, as it is, at any address.
local NEVER <const> = { esp32 = true, elf = true, exe = true, html = true }

--- Refuses what the chip can certainly not use.
-- @tparam {part,...} parts
-- @raise `image`
function esptool_inputs.check(parts)
  for _, part in ipairs(parts) do
    local foreign = image.parse(part.data).foreign
    if foreign and NEVER[foreign.kind] then
      errors.raise("image", ("%s is %s, which the chip cannot use as it is"):format(part.name,
        foreign.name), { hint = (foreign.hint and foreign.hint .. "; " or "")
        .. "--force writes it all the same" })
    end
  end
end

--- Sets mode, clock and size in the header of an image at 0x0.
-- @tparam {part,...} parts
-- @tparam table wanted `mode`, `freq`, `size`: names, or "keep"
-- @tparam table heard `params(bytes 2 and 3)` when the header was changed,
--   `no_image(addr)` when there is none
function esptool_inputs.patch(parts, wanted, heard)
  for _, part in ipairs(parts) do
    if part.addr == 0 then
      local asked = wanted.mode ~= "keep" or wanted.freq ~= "keep" or wanted.size ~= "keep"
      local data, _, reason = image.patch_header(part.data, wanted)
      if reason then
        if asked or part.data:byte() ~= 0xE9 then heard.no_image(part.addr) end
      elseif data ~= part.data then
        heard.params(data:byte(3) << 8 | data:byte(4))
      end
      part.data = data
    end
  end
end

return esptool_inputs
