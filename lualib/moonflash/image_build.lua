--- Put ESP8266 images together and change their headers. Use it through
-- `moonflash.image`. Pure.
-- @module moonflash.image_build

local crc32 = require "moonflash.crc32"
local errors = require "moonflash.errors"
local image_header = require "moonflash.image_header"
local image_parse = require "moonflash.image_parse"
local numbers = require "moonflash.numbers"

local image_build = {}

local function pad(data, unit, fill)
  return data .. fill:rep(-#data % unit)
end

local function check_request(request)
  local segments = request.segments or {}
  if #segments < 1 or #segments > 16 then
    errors.raise("image", ("an image has 1 to 16 segments, not %d"):format(#segments))
  end
  if math.type(request.entry) ~= "integer" then
    errors.raise("image", "an image needs an entry address")
  end
  for i, segment in ipairs(segments) do
    if math.type(segment.addr) ~= "integer" or type(segment.data) ~= "string" then
      errors.raise("image", ("segment %d needs an address and data"):format(i))
    end
  end
end

-- XOR of all bytes, eight at a time.
local function xor_of(data)
  local x = 0
  for i = 1, #data - 7, 8 do x = x ~ ("<i8"):unpack(data, i) end
  x = x ~ (x >> 32)
  x = x ~ (x >> 16)
  x = (x ~ (x >> 8)) & 0xFF
  for i = #data - #data % 8 + 1, #data do x = x ~ data:byte(i) end
  return x
end

-- Bytes 2 and 3. The second stage loader of ESP8266_RTOS_SDK, which loads version 3,
-- reads sizes as the ESP32 does: from 1 MB = 0 on, each code the double.
local function header_bytes(request)
  if request.version ~= 3 then return image_header.change(0, 0, request) end
  local mode, size_freq = image_header.change(0, 0, { mode = request.mode, freq = request.freq })
  local bytes = numbers.parse(request.size or "1MB", "flash size")
  local code = 0
  while 0x100000 << code < bytes do code = code + 1 end
  if 0x100000 << code ~= bytes or code > 7 then
    errors.raise("usage", ("flash size: '%s' is none of a version 3 image"):format(request.size),
      { hint = "1MB to 128MB in powers of two" })
  end
  return mode, code << 4 | size_freq & 15
end

-- The E9 part, placed at `base` of the file: its checksum goes by file position.
local function build_v1(request, base)
  local mode, size_freq = header_bytes(request)
  local parts = { ("<BBBBI4"):pack(0xE9, #request.segments, mode, size_freq, request.entry) }
  local position, sum = base + 8, 0xEF
  for _, segment in ipairs(request.segments) do
    local data = pad(segment.data, 4, "\0")
    parts[#parts + 1] = ("<I4I4"):pack(segment.addr, #data) .. data
    position = position + 8 + #data
    sum = sum ~ xor_of(data)
  end
  parts[#parts + 1] = ("\0"):rep((position | 15) - position) .. string.char(sum)
  return table.concat(parts)
end

--- Build an image.
-- @tparam table request `entry`; `segments` = { { addr, data }, ... }, data are
-- padded with zeros to a multiple of 4; `mode`, `freq`, `size` as names (default
-- codes 0); `irom` = string makes a version 2 image; `version` = 3 one for
-- ESP8266_RTOS_SDK, whose segments may lie in mapped flash too and behind which its
-- SHA-256 goes: `sha256` = function of bytes, 64 hex digits
-- @treturn string
-- @raise `image` when it would be no image, `usage` for unknown names
function image_build.build(request)
  check_request(request)
  if request.version == 3 then
    local body = build_v1(request, 0)
    return body .. request.sha256(body):gsub("%x%x", function(h)
      return string.char(tonumber(h, 16))
    end)
  end
  if not request.irom then return build_v1(request, 0) end
  local irom = pad(request.irom, 16, "\0")
  local mode, size_freq = image_header.change(0, 0, request)
  local head = ("<BBBBI4I4I4"):pack(0xEA, 4, mode, size_freq, request.entry, 0, #irom)
  local body = head .. irom
  body = body .. build_v1(request, #body)
  return body .. ("<I4"):pack(crc32.of_v2_image(body))
end

--- Join NodeMCU's two files into one to be written at 0.
-- @tparam string low contents of 0x00000.bin
-- @tparam string irom contents of 0x10000.bin
-- @treturn string
-- @raise `image` when `low` is no image or too long
function image_build.aggregate(low, irom)
  local parsed = image_parse.parse(low)
  if parsed.kind ~= "v1" or #parsed.problems > 0 then
    errors.raise("image", "the part for 0x00000 is no sound image")
  elseif #low > 0x10000 then
    errors.raise("image", "the part for 0x00000 reaches into the one for 0x10000")
  end
  return low .. ("\xff"):rep(0x10000 - #low) .. irom
end

--- Take an aggregated file apart again.
-- @tparam string bytes
-- @treturn string the RAM part, without the fill
-- @treturn string the irom part
-- @raise `image` when it is not aggregated
function image_build.split(bytes)
  local parsed = image_parse.parse(bytes)
  if not parsed.aggregated then
    errors.raise("image", "not an aggregated firmware file: " .. parsed.name)
  end
  return bytes:sub(1, parsed.checksum.offset + 1), bytes:sub(0x10001)
end

local function describe_changes(parsed, mode, size_freq)
  local new, changes = image_header.decode(mode, size_freq), {}
  for _, field in ipairs { "mode", "freq", "size" } do
    local before, after = parsed[field .. "_code"], new[field .. "_code"]
    if before ~= after then
      changes[#changes + 1] = { field = field, from = parsed[field] or ("code %d"):format(before),
        to = new[field] or ("code %d"):format(after) }
    end
  end
  return changes
end

-- Why this image must not be patched, or nil.
local function unpatchable(parsed)
  if parsed.magic ~= 0xE9 or parsed.kind == "foreign" then
    return "no version 1 image at its start"
  elseif not (parsed.checksum and parsed.checksum.ok) then
    return "the image at its start is damaged"
  end
end

--- Set mode, frequency and size in the header of an image meant for address 0.
-- Everything is kept unless asked for. The image's checksum does not cover these
-- bytes; the CRC of an Arduino core file does, and is made anew if it was right.
-- @tparam string bytes
-- @tparam table wanted mode, freq, size: names as in `image_header`, or "keep"
-- @treturn string the bytes, the same ones if nothing changed
-- @treturn {table,...} changes { field, from, to }
-- @treturn string|nil why the image cannot be patched
-- @raise `usage` for unknown names
function image_build.patch_header(bytes, wanted)
  image_header.change(0, 0, wanted)   -- unknown names are refused for any file
  local parsed = image_parse.parse(bytes)
  local reason = unpatchable(parsed)
  if reason then return bytes, {}, reason end
  local mode, size_freq = image_header.change(bytes:byte(3), bytes:byte(4), wanted)
  local changes = describe_changes(parsed, mode, size_freq)
  if #changes == 0 then return bytes, changes end
  local patched = bytes:sub(1, 2) .. string.char(mode, size_freq) .. bytes:sub(5)
  local crc = parsed.eboot_crc
  if crc and crc.ok then
    local value = image_parse.eboot_crc(patched, crc.length)
    patched = patched:sub(1, 0x1014) .. ("<I4"):pack(value) .. patched:sub(0x1019)
  end
  return patched, changes
end

return image_build
