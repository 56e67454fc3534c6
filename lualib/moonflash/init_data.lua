--- esp_init_data_default: the 128 bytes that set up the radio. Pure.
-- All variants share one body and differ in eleven bytes. Sources: the SDKs'
-- files and NodeMCU's history; byte meanings from Espressif's public guide.
-- @module moonflash.init_data

local errors = require "moonflash.errors"
local text = require "moonflash.text"

local init_data = {}

--- Bytes of the block; the rest of its sector stays blank.
init_data.SIZE = 128

local BODY <const> = ([[
05 00 04 02 05 05 05 02 05 00 04 05 05 04 05 05
04 FE FD FF F0 F0 F0 E0 E0 E0 E1 0A FF FF F8 00
F8 F8 52 4E 4A 44 40 38 00 00 01 01 02 03 04 05
01 00 00 00 00 00 02 00 00 00 00 00 00 00 00 00
E1 0A 00 00 00 00 00 00 00 00 01 93 43 00 00 00
00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00]]):gsub("(%x%x)%s*", function(h)
  return string.char(tonumber(h, 16))
end)

local POWER_V08 <const> = { 0x4E, 0x4A, 0x46, 0x40, 0x3C, 0x38 }

-- Adds the transmit power levels of version 08, bytes 34 to 39.
local function with_power(bytes)
  for i, value in ipairs(POWER_V08) do bytes[33 + i] = value end
  return bytes
end

--- Variants, oldest first: `id`, `text`, and the bytes by index in which they
-- differ from the oldest. `old` marks those that newer SDKs start badly with.
init_data.variants = {
  { id = "i0", text = "SDK 0.9.x", old = true, bytes = {} },
  { id = "i0-vdd", text = "NodeMCU 1.4.0", old = true, bytes = { [107] = 0xFF } },
  { id = "i1", text = "SDK 1.2.0", old = true, bytes = { [112] = 3 } },
  { id = "i2", text = "SDK 1.4.0", bytes = { [112] = 3, [114] = 2 } },
  { id = "i3", text = "SDK 1.5.2 to 1.5.4", bytes = { [112] = 3, [114] = 1 } },
  { id = "v05", text = "SDK 1.5.4.1 and later, version 05", bytes = { [114] = 1 } },
  { id = "v08", text = "SDK 2.2.0 and later, version 08",
    bytes = with_power { [1] = 8, [114] = 1 } },
  { id = "v08-vdd", text = "version 08, supply measured",
    bytes = with_power { [1] = 8, [107] = 0xFF, [114] = 1 } },
  { id = "arduino", text = "Arduino core", bytes = with_power { [1] = 8, [107] = 33, [114] = 1 } },
}

--- Fields with a public meaning: name, index of the first byte (from 0), number
-- of bytes (default 1), `signed`, the values allowed (`min`, `max` or `values`).
init_data.fields = {
  { name = "check", index = 0, values = { 5 }, text = "must be 5" },
  { name = "version", index = 1, text = "0 in version 05, 8 in version 08" },
  { name = "spur_freq", index = 26, text = "spur frequency = this / spur_freq_div" },
  { name = "spur_freq_div", index = 27, text = "see spur_freq" },
  { name = "target_power", index = 34, count = 6, min = 0, max = 82,
    text = "the six power levels, in quarter dBm" },
  { name = "power_index", index = 40, count = 8, min = 0, max = 5,
    text = "which level each of MCS 0 to 7 uses" },
  { name = "crystal", index = 48, values = { 0, 1, 2 }, text = "0: 40 MHz, 1: 26 MHz, 2: 24 MHz" },
  { name = "sdio", index = 50, values = { 0, 1, 2 }, text = "SDIO output edge" },
  { name = "bluetooth", index = 51, values = { 0, 1, 2, 3 }, text = "coexistence pins" },
  { name = "bluetooth_protocol", index = 52, min = 0, max = 5, text = "coexistence wiring" },
  { name = "antenna", index = 53, values = { 0, 1, 2, 3 }, text = "antenna diversity" },
  { name = "share_crystal", index = 55, values = { 0, 1, 2, 3 },
    text = "crystal shared with others" },
  { name = "low_power", index = 93, values = { 0, 1 }, text = "low power mode" },
  { name = "low_power_stage", index = 94, text = "RF attenuation code in low power mode" },
  { name = "low_power_attenuation", index = 95, min = 0, max = 24, text = "in quarter dB" },
  { name = "power_11b", index = 96, values = { 0, 1 }, text = "1: 802.11b has its own power" },
  { name = "power_11b_slow", index = 97, min = 0, max = 5, text = "level for 1 and 2 Mbit/s" },
  { name = "power_11b_fast", index = 98, min = 0, max = 5, text = "level for 5.5 and 11 Mbit/s" },
  { name = "vdd33", index = 107,
    text = "255: the ADC measures the supply; 18 to 36: supply in 0.1 V, the ADC pin is free" },
  { name = "calibration_interval", index = 108, text = "wake-ups without RF calibration" },
  { name = "freq_correct", index = 112, values = { 0, 1, 3, 5, 7 }, text = "frequency correction" },
  { name = "freq_offset", index = 113, signed = true, min = -128, max = 127, text = "in 8 kHz" },
  { name = "rf_calibration", index = 114, values = { 0, 1, 2, 3 },
    text = "0, 2: none, 1: transmit power, 3: all" },
}

local field_by_name = {}
for _, field in ipairs(init_data.fields) do field_by_name[field.name] = field end

local function patch(bytes, changes)
  return (bytes:gsub("()(.)", function(position, c)
    local value = changes[position - 1]
    return value and string.char(value) or c
  end))
end

local function find_variant(id)
  for _, variant in ipairs(init_data.variants) do
    if variant.id == id then return variant end
  end
  errors.raise("usage", ("init data: there is no variant %s"):format(text.quote(id)),
    { hint = "v05 and v08 are the usual ones" })
end

local function check_value(field, value)
  local good = math.type(value) == "integer" and value >= (field.min or 0)
    and value <= (field.max or 255)
  if good and field.values then
    good = false
    for _, allowed in ipairs(field.values) do good = good or allowed == value end
  end
  if not good then
    errors.raise("usage", ("init data: %s cannot be %s"):format(field.name, tostring(value)),
      { hint = field.text })
  end
  return value & 0xFF
end

local function field_changes(fields)
  local changes = {}
  for name, value in pairs(fields) do
    local field = field_by_name[name]
    if not field then
      errors.raise("usage", ("init data: there is no field %s"):format(text.quote(name)))
    end
    local count = field.count or 1
    if count == 1 then value = { value } end
    if type(value) ~= "table" or #value ~= count then
      errors.raise("usage", ("init data: %s needs %d values"):format(name, count))
    end
    for i = 1, count do changes[field.index + i - 1] = check_value(field, value[i]) end
  end
  return changes
end

--- Build a block.
-- @tparam[opt] table request `variant` (id, default "v05"), `fields` = { name =
-- value or list of values }, or `base` = 128 bytes to start from instead
-- @treturn string 128 bytes
-- @raise `usage` for unknown names and values out of range, `size` for a base of
-- another length
function init_data.build(request)
  request = request or {}
  local bytes = request.base
  if bytes and #bytes ~= init_data.SIZE then
    errors.raise("size", ("init data has 128 bytes, not %d"):format(#bytes))
  end
  bytes = bytes or patch(BODY, find_variant(request.variant or "v05").bytes)
  return patch(bytes, field_changes(request.fields or {}))
end

--- Read all fields.
-- @tparam string bytes at least 128
-- @treturn table { name = value or list of values }
-- @raise `size`
function init_data.decode(bytes)
  if #bytes < init_data.SIZE then
    errors.raise("size", ("init data has 128 bytes, not %d"):format(#bytes))
  end
  local values = {}
  for _, field in ipairs(init_data.fields) do
    local list = {}
    for i = 1, field.count or 1 do
      local format = field.signed and "i1" or "B"
      list[i] = (format):unpack(bytes, field.index + i)
    end
    values[field.name] = field.count and list or list[1]
  end
  return values
end

-- Bytes that users and the firmware itself set: supply measurement, crystal.
local function neutral(bytes) return patch(bytes, { [48] = 1, [107] = 0 }) end

local function match_variant(bytes)
  for _, variant in ipairs(init_data.variants) do
    if bytes == patch(BODY, variant.bytes) then return variant, true end
  end
  for _, variant in ipairs(init_data.variants) do
    if neutral(bytes) == neutral(patch(BODY, variant.bytes)) then return variant, false end
  end
end

local function health_of(variant)
  if not variant then return "custom", "valid, but no published variant" end
  if variant.old then
    return "old", ("from %s; firmware on SDK 1.4 and later may not start with it")
      :format(variant.text)
  end
  return "good", variant.text
end

--- What is this block?
-- @tparam string bytes 128 bytes or the whole sector
-- @treturn table health = "good", "old" (works with old SDKs only), "custom"
-- (valid, but changed), "blank" or "foreign"; text; variant (row of `variants`,
-- nil for custom, blank, foreign); exact (false when only the crystal or the
-- supply byte differ); version (byte 1); vdd33; crystal
function init_data.classify(bytes)
  if #bytes < init_data.SIZE then
    return { health = "foreign", text = "only " .. text.count(#bytes, "byte") }
  end
  bytes = bytes:sub(1, init_data.SIZE)
  if not bytes:find("[^\xff]") then
    return { health = "blank", text = "blank; SDK 1.5.4.1 and later do not start like this" }
  elseif bytes:byte(1) ~= 5 then
    return { health = "foreign",
      text = ("first byte is 0x%02x, not 0x05: no init data"):format(bytes:byte(1)) }
  end
  local variant, exact = match_variant(bytes)
  local health, text = health_of(variant)
  return { health = health, text = text, variant = variant, exact = exact or false,
    version = bytes:byte(2), vdd33 = bytes:byte(108), crystal = bytes:byte(49) }
end

--- Find blocks inside other bytes, such as the copies in a firmware.
-- @tparam string bytes
-- @treturn {integer,...} offsets
function init_data.find(bytes)
  local offsets, at = {}, 1
  while true do
    local found = bytes:find("\x05[\x00\x08]\x04\x02\x05\x05\x05\x02\x05\x00\x04\x05", at)
    if not found or found + init_data.SIZE - 1 > #bytes then return offsets end
    offsets[#offsets + 1] = found - 1
    at = found + 1
  end
end

return init_data
