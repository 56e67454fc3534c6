--- The two CRC-32 that ESP8266 files use, in plain Lua. Pure.
-- Both use polynomial 0x04C11DB7: the common one (zlib, version 2 images) bit
-- reflected, eboot's most significant bit first.
-- @module moonflash.crc32

local crc32 = {}

local unpack = string.unpack

-- Tables for four bytes at a time: tables[k][b] is the CRC of byte b followed
-- by k zero bytes.
local function make_tables(first, shift)
  local tables = { [0] = first }
  for k = 1, 3 do
    tables[k] = {}
    for b = 0, 255 do tables[k][b] = shift(tables[k - 1][b], first) end
  end
  return tables
end

local function reflected_tables()
  local first = {}
  for b = 0, 255 do
    local c = b
    for _ = 1, 8 do c = (c >> 1) ~ (c & 1) * 0xEDB88320 end
    first[b] = c
  end
  return make_tables(first, function(c, t) return (c >> 8) ~ t[c & 0xFF] end)
end

local function msb_tables()
  local first = {}
  for b = 0, 255 do
    local c = b << 24
    for _ = 1, 8 do c = ((c << 1) & 0xFFFFFFFF) ~ (c >> 31) * 0x04C11DB7 end
    first[b] = c
  end
  return make_tables(first, function(c, t)
    return ((c << 8) & 0xFFFFFFFF) ~ t[c >> 24]
  end)
end

-- Built on first use: a program that needs no CRC should not pay for them.
local reflected, msb

--- The common CRC-32 (zlib, PNG, gzip).
-- @tparam string bytes
-- @tparam[opt=0] integer crc result for what came before, to go on from there
-- @treturn integer 0..0xFFFFFFFF
function crc32.of(bytes, crc)
  reflected = reflected or reflected_tables()
  local t0, t1, t2, t3 = reflected[0], reflected[1], reflected[2], reflected[3]
  local c = (crc or 0) ~ 0xFFFFFFFF
  local whole = #bytes & ~3
  for i = 1, whole, 4 do
    c = c ~ unpack("<I4", bytes, i)
    c = t3[c & 0xFF] ~ t2[(c >> 8) & 0xFF] ~ t1[(c >> 16) & 0xFF] ~ t0[c >> 24]
  end
  for i = whole + 1, #bytes do c = (c >> 8) ~ t0[(c ~ bytes:byte(i)) & 0xFF] end
  return c ~ 0xFFFFFFFF
end

--- The CRC word at the end of a version 2 image: the common CRC, inverted when
-- its top bit is set, else plus one.
-- @tparam string bytes everything before the word
-- @treturn integer
function crc32.of_v2_image(bytes)
  local c = crc32.of(bytes)
  if c & 0x80000000 ~= 0 then return c ~ 0xFFFFFFFF end
  return c + 1
end

--- The CRC of eboot files: most significant bit first, start 0xFFFFFFFF, no
-- final inversion.
-- @tparam string bytes
-- @tparam[opt=0xFFFFFFFF] integer crc result for what came before
-- @treturn integer 0..0xFFFFFFFF
function crc32.of_eboot(bytes, crc)
  msb = msb or msb_tables()
  local t0, t1, t2, t3 = msb[0], msb[1], msb[2], msb[3]
  local c = crc or 0xFFFFFFFF
  local whole = #bytes & ~3
  for i = 1, whole, 4 do
    c = c ~ unpack(">I4", bytes, i)
    c = t3[c >> 24] ~ t2[(c >> 16) & 0xFF] ~ t1[(c >> 8) & 0xFF] ~ t0[c & 0xFF]
  end
  for i = whole + 1, #bytes do
    c = ((c << 8) & 0xFFFFFFFF) ~ t0[(c >> 24) ~ bytes:byte(i)]
  end
  return c
end

return crc32
