--- What changing from one NodeMCU to another calls for: eras, what becomes stale
-- between them, and the rules. Pure.
--
-- An era is a group of versions that treat init data and system sectors alike;
-- several eras make a generation (`nodemcu.generations`), which is a flash layout.
-- @module moonflash.upgrade_rules

local upgrade_rules = {}

--- Eras, oldest first: `id`, `generation`, `text`.
upgrade_rules.eras = {
  { id = "0.9", generation = "0.9", text = "NodeMCU 0.9.x" },
  { id = "1.4", generation = "0.9", text = "NodeMCU 1.4" },
  { id = "1.5", generation = "0.9", text = "NodeMCU 1.5.0 and 1.5.1" },
  { id = "1.5.4.1", generation = "2.x", text = "NodeMCU 1.5.4.1" },
  { id = "2.x", generation = "2.x", text = "NodeMCU 2" },
  { id = "3.0-2019", generation = "3.0-2019", text = "NodeMCU 3.0 before September 2020" },
  { id = "3.x", generation = "3.x", text = "NodeMCU 3" },
}

local rank, era_by_id = {}, {}
for i, era in ipairs(upgrade_rules.eras) do rank[era.id], era_by_id[era.id] = i, era end

--- Areas that a change makes stale, by name: first address from the start or from
-- the end of flash, and size.
upgrade_rules.areas = {
  low = { at = 0xB000, size = 0x5000, text = "system sectors below 0x10000" },
  tail = { from_end = 0x5000, size = 0x5000, text = "system sectors at the end of flash" },
  params = { from_end = 0x3000, size = 0x3000, text = "system parameters" },
  ["rf-cal"] = { from_end = 0x5000, size = 0x1000, text = "RF calibration" },
}

--- What to do by the era on the chip ("erased", "other" = not NodeMCU) and that of
-- the new firmware. The first row that names both counts. `erase`: names of areas;
-- `init`: variant of init data to write, nil = the firmware brings its own or what
-- is there stays. Source: the SDKs' release notes, NodeMCU's sources and reports.
upgrade_rules.rules = {
  { from = { "erased" }, to = { "0.9" }, erase = {}, init = "i0" },
  { from = { "erased" }, to = { "1.4" }, erase = {}, init = "i2" },
  -- mandatory for 1.5.4.1 of before December 2016, harmless for the others
  { from = { "erased" }, to = { "1.5", "1.5.4.1", "2.x" }, erase = {}, init = "v05" },
  { from = { "erased" }, to = { "3.0-2019", "3.x" }, erase = {} },

  { from = { "other" }, to = { "0.9" }, erase = { "low", "tail" }, init = "i0" },
  { from = { "other" }, to = { "1.4", "1.5", "1.5.4.1", "2.x" }, erase = { "low", "tail" },
    init = "v05" },
  { from = { "other" }, to = { "3.0-2019", "3.x" }, erase = { "low", "tail" } },

  { from = { "0.9" }, to = { "0.9" }, erase = {} },
  -- SDK 1.4 and later read bytes of the init data that older files have wrong
  { from = { "0.9" }, to = { "1.4", "1.5", "1.5.4.1", "2.x" }, erase = { "tail" }, init = "v05" },
  { from = { "1.4", "1.5" }, to = { "1.4", "1.5" }, erase = {} },
  -- 1.5.4.1 brought a fifth sector, RF_CAL, and refuses blank init data
  { from = { "1.4", "1.5" }, to = { "1.5.4.1", "2.x" }, erase = { "tail" }, init = "v05" },
  { from = { "1.5.4.1", "2.x" }, to = { "1.5.4.1", "2.x" }, erase = { "rf-cal" } },
  { from = { "0.9", "1.4", "1.5", "1.5.4.1", "2.x" }, to = { "3.0-2019", "3.x" },
    erase = { "low", "tail" } },
  { from = { "3.0-2019" }, to = { "3.0-2019" }, erase = {} },
  { from = { "3.x" }, to = { "3.x" }, erase = {} },
  { from = { "3.0-2019" }, to = { "3.x" }, erase = { "low", "params" } },

  -- backwards
  { from = { "3.x" }, to = { "3.0-2019" }, erase = { "low", "params" } },
  { from = { "1.4", "1.5", "1.5.4.1", "2.x", "3.0-2019", "3.x" }, to = { "0.9" },
    erase = { "tail" }, init = "i0" },
  { from = { "1.5.4.1", "2.x", "3.0-2019", "3.x" }, to = { "1.4", "1.5", "1.5.4.1", "2.x" },
    erase = { "tail" }, init = "v05" },
}

local function has(list, value)
  for _, v in ipairs(list) do
    if v == value then return true end
  end
  return false
end

--- The row of `rules` for a change.
-- @tparam string from an era, "erased" or "other"
-- @tparam string to an era
-- @treturn table row
function upgrade_rules.rule(from, to)
  for _, row in ipairs(upgrade_rules.rules) do
    if has(row.from, from) and has(row.to, to) then return row end
  end
  error(("upgrade: no rule from %s to %s"):format(from, to))
end

local function era_of_old(version, sdk)
  local text = version or sdk or ""
  if text:match("^1%.4") then return "1.4" end
  if text:match("^1%.5") or text:match("^1%.") then return "1.5" end
  return "0.9"
end

--- The era of a firmware.
-- @tparam table found result of `nodemcu.identify`
-- @treturn table|nil row of `eras`; nil when the generation is not known
function upgrade_rules.era(found)
  local generation = found.generation
  if generation == "0.9" then return era_by_id[era_of_old(found.version, found.sdk)] end
  if generation == "2.x" then
    local old = (found.version or found.sdk or ""):match("^1%.5%.4")
    return era_by_id[old and "1.5.4.1" or "2.x"]
  end
  return generation and era_by_id[generation] or nil
end

--- What going back to an older firmware means.
-- @tparam string from era on the chip
-- @tparam string to era of the file
-- @treturn string|nil why it is going back; nil when it is not
function upgrade_rules.downgrade(from, to)
  if not rank[from] or rank[from] <= rank[to] then return nil end
  return ("%s is older than what is on the chip (%s): saved Wi-Fi settings are lost, and files"
    .. " written by the newer firmware may not be readable"):format(era_by_id[to].text,
    era_by_id[from].text)
end

--- What an era is called.
-- @tparam string id of the era
-- @treturn string
function upgrade_rules.text(id) return era_by_id[id].text end

return upgrade_rules
