--- esptool's configuration file: `[esptool]` in esptool.cfg, setup.cfg or tox.ini.
-- Pure but for the function that is given for reading files.
--
-- What tunes esptool's own protocol (its timeouts, its blocks) has no counterpart
-- here: it is read, checked and left alone. Resets and patience count.
-- @module moonflash.esptool_config
local errors <const> = require "moonflash.errors"
local resets <const> = require "moonflash.resets"

local esptool_config = {}

local function number(text, name)
  return tonumber(text) or errors.raise("usage", ("%s: '%s' is not a number"):format(name, text))
end

local function integer(text, name)
  return math.tointeger(tonumber(text))
    or errors.raise("usage", ("%s: '%s' is not a whole number"):format(name, text))
end

-- Checks the steps, keeps the text.
local function sequence(text)
  return resets.steps(text)
end

--- Every key there is, and what reads it.
esptool_config.KEYS = {
  timeout = number, chip_erase_timeout = number, max_timeout = number, sync_timeout = number,
  md5_timeout_per_mb = number, erase_region_timeout_per_mb = number,
  erase_write_timeout_per_mb = number, mem_end_rom_timeout = number,
  serial_write_timeout = number, write_block_attempts = integer, reset_delay = number,
  connect_attempts = integer, open_port_attempts = integer,
  custom_reset_sequence = sequence, custom_hard_reset_sequence = sequence,
}

--- Reads a file's text.
-- @tparam string text
-- @tparam string name of the file, for messages
-- @treturn table|nil values by key; nil when there is no section `[esptool]`
-- @treturn {string,...} keys that mean nothing
-- @raise `usage`
function esptool_config.parse(text, name)
  local section, values, unknown = nil, nil, {}
  for line in text:gmatch "[^\r\n]+" do
    local header = line:match "^%s*%[(.-)%]"
    local key, value = line:match "^([%w_]+)%s*[=:]%s*(.-)%s*$"
    if header then
      section = header
      if section == "esptool" then values = values or {} end
    elseif section == "esptool" and key then
      key = key:lower()
      local read = esptool_config.KEYS[key]
      if not read then
        unknown[#unknown + 1] = key
      elseif value ~= "" then
        values[key] = read(value, ("%s: %s"):format(name, key))
      end
    end
  end
  return values, unknown
end

local NAMES <const> = { "esptool.cfg", "setup.cfg", "tox.ini" }

-- Where a file may be: here, the user's configuration, home.
local function folders(env)
  local home = env "HOME" or env "USERPROFILE"
  local list = { "." }
  if home then
    list[2], list[3] = home .. "/.config/esptool", home
  end
  return list
end

--- Finds and reads the configuration.
-- @tparam function env reads an environment variable
-- @tparam function read reads a file: its text, or nil when it is not there
-- @treturn table values by key, empty when there is no file
-- @treturn string|nil the file
-- @treturn {string,...} keys that mean nothing
-- @raise `usage` for a file that ESPTOOL_CFGFILE names and that is none
function esptool_config.find(env, read)
  local named = env "ESPTOOL_CFGFILE"
  if named and named ~= "" then
    local text = read(named)
    local values, unknown = esptool_config.parse(text or "", named)
    if not values then
      errors.raise("usage", ("ESPTOOL_CFGFILE: %s %s"):format(named,
        text and "has no section [esptool]" or "cannot be read"))
    end
    return values, named, unknown
  end
  for _, folder in ipairs(folders(env)) do
    for _, name in ipairs(NAMES) do
      local path = folder == "." and name or folder .. "/" .. name
      local text = read(path)
      local values, unknown = nil, nil
      if text then values, unknown = esptool_config.parse(text, path) end
      if values then return values, path, unknown end
    end
  end
  return {}, nil, {}
end

return esptool_config
