-- Firmware files of every kind but whole flash contents.
local dkjson = require "dkjson"
local errors = require "moonflash.errors"
local firmware_files = require "moonflash.firmware_files"
local image = require "moonflash.image"

local function same(a, b, what) if a ~= b then error(what .. " is not the same", 0) end end

-- A sound version 1 image is built anew from what was understood of it.
local function rebuild(bytes, parsed)
  if parsed.kind ~= "v1" or #parsed.problems > 0 then return end
  local request = { entry = parsed.entry, segments = {} }
  for i, s in ipairs(parsed.segments) do
    request.segments[i] = { addr = s.addr, data = bytes:sub(s.offset + 1, s.offset + s.size) }
  end
  local again = image.parse(image.build(request))
  same(again.entry, parsed.entry, "entry")
  for i, s in ipairs(again.segments) do
    local size = parsed.segments[i].size
    same(s.addr, parsed.segments[i].addr, "address")
    same(s.size, (size + 3) // 4 * 4, "size")
  end
end

-- Whatever can be patched keeps all bytes but two (and the CRC of one kind).
local function patch(bytes)
  local patched, changes, why = image.patch_header(bytes, { mode = "dout", freq = "80m" })
  same(#patched, #bytes, "length")
  if why or #changes == 0 then return same(patched, bytes, "unpatched") end
  local parsed = image.parse(patched)
  same(parsed.mode, "dout", "mode")
  same(parsed.freq, "80m", "frequency")
end

local function read(bytes)
  local parsed = image.parse(bytes, { name = "a.bin" })
  local lines = image.describe(parsed)
  assert(dkjson.encode(image.to_table(parsed)))
  patch(bytes)
  rebuild(bytes, parsed)
  if parsed.aggregated then
    local low, irom = image.split(bytes)
    same(image.aggregate(low, irom):sub(0x10001), irom, "irom")
  end
  local ok, e = pcall(firmware_files.join, { { name = "a.bin", data = bytes } })
  if not ok and not errors.is(e) then error(e, 0) end
  image.check(parsed, "a.bin")
  return lines
end

-- The sum behind the last segment, as far as the segments lie inside.
local function repair(bytes)
  if #bytes < 16 then return bytes end
  local at = bytes:byte(1) == 0xEA and 16 + (("<I4"):unpack(bytes, 13)) or 0
  if #bytes < at + 8 or bytes:byte(at + 1) ~= 0xE9 then return bytes end
  local offset, sum = at + 8, 0xEF
  for _ = 1, math.min(bytes:byte(at + 2), 16) do
    if offset + 8 > #bytes then return bytes end
    local size = ("<I4"):unpack(bytes, offset + 5)
    if offset + 8 + size > #bytes then return bytes end
    for i = offset + 9, offset + 8 + size do sum = sum ~ bytes:byte(i) end
    offset = offset + 8 + size
  end
  local place = offset | 15
  return bytes:sub(1, offset) .. ("\0"):rep(place - offset)
    .. string.char(sum) .. bytes:sub(place + 2)
end

return { read = read, repair = repair,
  words = { "\xe9", "\xea\4", "\0\0\x10\x40", "\0\x80\xfe\x3f", "\0\0\x20\x40", "\x7fELF",
    "UF2\n", "\x50\xa1\xfa\xfa", "PK\3\4", "\x1bLua" } }
