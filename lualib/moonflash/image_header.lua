--- The fields of an ESP8266 image header: bytes 2 and 3 of the file, both ways.
-- Confirmed by running Espressif's boot_v1.7 with every value. Pure.
-- @module moonflash.image_header

local errors = require "moonflash.errors"
local numbers = require "moonflash.numbers"
local text = require "moonflash.text"

local image_header = {}

--- SPI mode names by code (byte 2).
image_header.modes = { [0] = "qio", "qout", "dio", "dout" }

--- SPI clock names by code (low nibble of byte 3).
image_header.freqs = { [0] = "40m", [1] = "26m", [2] = "20m", [15] = "80m" }

--- Flash sizes by code (high nibble of byte 3): name, bytes, and the map that
-- the SDK understands. Code 7 and 10..15 are nothing on the ESP8266.
image_header.sizes = {
  [0] = { name = "512KB", bytes = 0x80000, map = "256+256" },
  [1] = { name = "256KB", bytes = 0x40000, map = "256" },
  [2] = { name = "1MB", bytes = 0x100000, map = "512+512" },
  [3] = { name = "2MB", bytes = 0x200000, map = "512+512" },
  [4] = { name = "4MB", bytes = 0x400000, map = "512+512" },
  [5] = { name = "2MB-c1", bytes = 0x200000, map = "1024+1024" },
  [6] = { name = "4MB-c1", bytes = 0x400000, map = "1024+1024" },
  [8] = { name = "8MB", bytes = 0x800000, map = "1024+1024" },
  [9] = { name = "16MB", bytes = 0x1000000, map = "1024+1024" },
}

local mode_codes, freq_codes, size_codes = {}, {}, {}
for code, name in pairs(image_header.modes) do mode_codes[name] = code end
for code, name in pairs(image_header.freqs) do freq_codes[name] = code end
for code, entry in pairs(image_header.sizes) do size_codes[entry.name:lower()] = code end

local by_bytes = {
  [0x40000] = 1, [0x80000] = 0, [0x100000] = 2, [0x200000] = 3, [0x400000] = 4,
  [0x800000] = 8, [0x1000000] = 9,
}

local function refuse(what, value, hint)
  errors.raise("usage", ("%s is no flash %s"):format(text.quote(value), what),
    { hint = hint })
end

--- Code of a mode name.
-- @tparam string name qio, qout, dio or dout, in any case
-- @treturn integer 0..3
-- @raise `usage`
function image_header.mode_code(name)
  return mode_codes[tostring(name):lower()]
    or refuse("mode", name, "one of qio, qout, dio, dout")
end

--- Code of a clock name.
-- @tparam string name 40m, 26m, 20m or 80m; "40", "40MHz" do as well
-- @treturn integer
-- @raise `usage`
function image_header.freq_code(name)
  local digits = tostring(name):lower():match("^(%d+)m?h?z?$")
  return digits and freq_codes[digits .. "m"]
    or refuse("frequency", name, "one of 20m, 26m, 40m, 80m")
end

--- Code of a flash size.
-- Sizes above 16 MB give the code of 16 MB: the ESP8266 can use no more.
-- @tparam integer|string size bytes, or a name such as "4MB", "2MB-c1", "512k"
-- @treturn integer
-- @raise `usage`
function image_header.size_code(size)
  if type(size) == "string" and size_codes[size:lower()] then
    return size_codes[size:lower()]
  end
  local bytes = numbers.parse(size, "flash size")
  local power_of_two = bytes > 0 and bytes & (bytes - 1) == 0
  if bytes > 0x1000000 and power_of_two then bytes = 0x1000000 end
  return by_bytes[bytes]
    or refuse("size", size, "256KB to 16MB in powers of two, or 2MB-c1, 4MB-c1")
end

--- Understand bytes 2 and 3.
-- @tparam integer mode_byte
-- @tparam integer size_freq_byte
-- @treturn table mode, mode_code, freq, freq_code, size, size_code, size_bytes,
-- map; names are nil where the code means nothing
function image_header.decode(mode_byte, size_freq_byte)
  local entry = image_header.sizes[size_freq_byte >> 4] or {}
  return {
    mode = image_header.modes[mode_byte], mode_code = mode_byte,
    freq = image_header.freqs[size_freq_byte & 15], freq_code = size_freq_byte & 15,
    size = entry.name, size_code = size_freq_byte >> 4, size_bytes = entry.bytes,
    map = entry.map,
  }
end

--- Bytes 2 and 3 after a change.
-- @tparam integer mode_byte old
-- @tparam integer size_freq_byte old
-- @tparam table wanted mode, freq, size; nil or "keep" keeps the old bits
-- @treturn integer,integer new bytes
-- @raise `usage`
function image_header.change(mode_byte, size_freq_byte, wanted)
  local function asked(value) return value ~= nil and value ~= "keep" end
  local freq, size = size_freq_byte & 15, size_freq_byte >> 4
  if asked(wanted.mode) then mode_byte = image_header.mode_code(wanted.mode) end
  if asked(wanted.freq) then freq = image_header.freq_code(wanted.freq) end
  if asked(wanted.size) then size = image_header.size_code(wanted.size) end
  return mode_byte, size << 4 | freq
end

return image_header
