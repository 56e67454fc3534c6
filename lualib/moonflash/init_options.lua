--- Init data on the command line: field names as they are documented, values as
-- text, a block as lines for people. Pure.
-- @module moonflash.init_options
local errors <const> = require "moonflash.errors"
local init_data <const> = require "moonflash.init_data"
local numbers <const> = require "moonflash.numbers"
local text <const> = require "moonflash.text"

local options = {}

--- Espressif's names of the fields that have shorter ones here.
options.aliases = {
  spur_freq_cfg = "spur_freq", spur_freq_cfg_div = "spur_freq_div",
  target_power_qdb = "target_power", target_power_index_mcs = "power_index",
  crystal_26m_en = "crystal", sdio_configure = "sdio", bt_configure = "bluetooth",
  bt_protocol = "bluetooth_protocol", dual_ant_configure = "antenna",
  share_xtal = "share_crystal", low_power_en = "low_power", lp_rf_stg10 = "low_power_stage",
  lp_bb_att_ext = "low_power_attenuation", pwr_ind_11b_en = "power_11b",
  pwr_ind_11b_0 = "power_11b_slow", pwr_ind_11b_1 = "power_11b_fast", vdd33_const = "vdd33",
  freq_correct_en = "freq_correct", force_freq_offset = "freq_offset",
  rf_cal_use_flash = "rf_calibration",
}

local documented = {}
for long, short in pairs(options.aliases) do documented[short] = long end

local by_name = {}
for _, field in ipairs(init_data.fields) do by_name[field.name] = field end

local function number(word, name)
  local sign, digits = word:match("^%s*(%-?)(%w+)%s*$")
  if not digits then
    errors.raise("usage", ("--field %s: '%s' is not a number"):format(name, word))
  end
  local value = numbers.parse(digits, "--field " .. name)
  return sign == "-" and -value or value
end

local function unknown(name)
  local names = {}
  for _, field in ipairs(init_data.fields) do names[#names + 1] = field.name end
  errors.raise("usage", ("there is no init data field '%s'"):format(name),
    { hint = "fields are " .. table.concat(names, ", ") })
end

--- Reads `NAME=VALUE` words.
-- @tparam {string,...} words values of several bytes have commas: target_power=82,78,...
-- @treturn table for `init_data.build`
-- @raise `usage`
function options.fields(words)
  local fields = {}
  for _, word in ipairs(words) do
    local name, value = word:match("^([%w_]+)=(.+)$")
    if not name then
      errors.raise("usage", ("--field '%s' is not NAME=VALUE"):format(word),
        { hint = "--field vdd33_const=255" })
    end
    local short = options.aliases[name:lower()] or name:lower()
    local field = by_name[short] or unknown(name)
    local list = {}
    for item in value:gmatch("[^,]+") do list[#list + 1] = number(item, name) end
    fields[short] = field.count and list or #list == 1 and list[1]
      or errors.raise("usage", ("--field %s takes one value"):format(name))
  end
  return fields
end

--- A block of 128 bytes out of a file.
-- @tparam string bytes 128 of them, or a sector that is blank behind them
-- @tparam string name for messages
-- @treturn string 128 bytes
-- @raise `file`
function options.block(bytes, name)
  if #bytes < init_data.SIZE or bytes:find("[^\xff]", init_data.SIZE + 1) then
    errors.raise("file", ("%s has %s; init data have 128"):format(name, text.count(#bytes, "byte")))
  end
  local block = bytes:sub(1, init_data.SIZE)
  local found = init_data.classify(block)
  if found.health == "foreign" or found.health == "blank" then
    errors.raise("file", ("%s is no init data: %s"):format(name, found.text))
  end
  return block
end

--- A block for people: what it is, then a line per field.
-- @tparam string bytes at least 128
-- @treturn {string,...}
function options.describe(bytes)
  local found = init_data.classify(bytes)
  local word = found.text:find(found.health, 1, true) == 1 and "" or found.health .. ": "
  local lines = { ("health       %s%s%s"):format(word, found.text,
    found.variant and not found.exact and " (crystal or supply byte changed)" or "") }
  if found.health == "blank" or found.health == "foreign" then return lines end
  lines[#lines + 1] = "variant      " .. (found.variant and found.variant.id or "none published")
  local values = init_data.decode(bytes)
  for _, field in ipairs(init_data.fields) do
    local value = values[field.name]
    lines[#lines + 1] = ("%3d %-22s %-18s %s"):format(field.index,
      documented[field.name] or field.name,
      type(value) == "table" and table.concat(value, ",") or value, field.text)
  end
  return lines
end

--- A block as plain data for JSON.
-- @tparam string bytes at least 128
-- @treturn table health, text, variant, exact, fields, hex
function options.to_table(bytes)
  local found = init_data.classify(bytes)
  local readable = found.health ~= "blank" and found.health ~= "foreign"
  return {
    health = found.health, text = found.text, exact = found.exact,
    variant = found.variant and found.variant.id or nil,
    fields = readable and init_data.decode(bytes) or nil,
    hex = bytes:sub(1, init_data.SIZE):gsub(".", function(c) return ("%02x"):format(c:byte()) end),
  }
end

return options
