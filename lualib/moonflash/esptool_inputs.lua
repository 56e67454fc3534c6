--- The files of an esptool command line as parts of flash.
-- @module moonflash.esptool_inputs
local errors <const> = require "moonflash.errors"
local file_formats <const> = require "moonflash.file_formats"
local image <const> = require "moonflash.image"

local esptool_inputs = {}

--- Reads files. The address beside a HEX or UF2 file means nothing.
-- @tparam {table,...} wanted { addr, file }
-- @treturn {part,...}
function esptool_inputs.read(wanted)
  local parts = {}
  for _, w in ipairs(wanted) do
    local list = file_formats.read(w.addr, w.file, true)
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
