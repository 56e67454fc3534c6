--- What was learnt of each adapter: the fastest rate that worked on it.
--
-- Kept in `$XDG_STATE_HOME/moonflash/adapters.json` (`~/.local/state` by default).
-- Losing the file costs a second at the next connection and nothing else, so
-- trouble with it is never an error.
-- @module moonflash.adapters
local esp <const> = require "esp"
local state_files <const> = require "moonflash.state_files"

local adapters = {}

local function file_name()
  return state_files.path "adapters.json"
end

local function load_all()
  local name = file_name()
  local f <close> = name and io.open(name, "rb") or nil
  -- it raises where brackets are nested too deeply
  local ok, all = pcall(require("dkjson").decode, f and f:read(65536) or "")
  return ok and type(all) == "table" and all or {}
end

--- The key of an adapter: its serial number where it has one, else its path. Ports
-- that are no adapters have none.
-- @tparam string name of the port
-- @tparam[opt] string serial
-- @treturn string|nil
function adapters.key(name, serial)
  if not name:match("^/dev/") then return nil end
  return serial and serial ~= "" and "serial " .. serial or name
end

--- The rate that worked last.
-- @tparam string|nil key
-- @treturn integer|nil
function adapters.rate(key)
  local entry = key and load_all()[key]
  local rate = type(entry) == "table" and math.tointeger(entry.baud)
  return rate and rate > 0 and rate <= 4000000 and rate or nil
end

--- Remembers a rate.
-- @tparam string|nil key
-- @tparam integer baud
function adapters.remember(key, baud)
  local name = file_name()
  if not key or not name or adapters.rate(key) == baud then return end
  local all = load_all()
  all[key] = { baud = baud }
  state_files.make_folders(name)
  esp.write_file(name, require("dkjson").encode(all, { indent = true }) .. "\n")
end

return adapters
