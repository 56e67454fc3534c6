-- image.lua: make the image that the ESP8266's boot ROM loads from flash offset 0.
--
--   lua5.4 image.lua OUT ENTRY ADDRESS FILE [ADDRESS FILE ...]
--
-- Header: magic, number of segments, flash mode, flash size and clock, entry.
-- Each segment: address, length, data. Zeros follow up to the last byte of a
-- 16-byte line, which holds the xor of all data.

local MAGIC <const>, DIO <const>, SIZE_4M_40MHZ <const> = 0xE9, 2, 0x40
local SUM_SEED <const>, LINE <const> = 0xEF, 16

local function read(path)
  local f <close> = assert(io.open(path, "rb"))
  local data = assert(f:read("a"))
  return data .. ("\0"):rep(-#data % 4)
end

local function xor(data, sum)
  for i = 1, #data do sum = sum ~ data:byte(i) end
  return sum
end

local out, entry = arg[1], math.tointeger(arg[2])
local sum, parts = SUM_SEED, {}
for i = 3, #arg, 2 do
  local data = read(arg[i + 1])
  parts[#parts + 1] = string.pack("<I4s4", math.tointeger(arg[i]), data)
  sum = xor(data, sum)
end
local image = string.pack("<BBBBI4", MAGIC, #parts, DIO, SIZE_4M_40MHZ, entry) .. table.concat(parts)
image = image .. ("\0"):rep(LINE - 1 - #image % LINE) .. string.char(sum)

local f <close> = assert(io.open(out, "wb"))
assert(f:write(image))
