--- What `identify` found, in lines for people and as plain data. Pure.
-- @module moonflash.identify_text

local numbers = require "moonflash.numbers"
local spiffs = require "moonflash.spiffs"
local text = require "moonflash.text"

local identify_text = {}

local function at(addr) return "at " .. numbers.hex(addr) end

-- How sure we are, where we are not certain.
local function sure(thing)
  return thing.confidence == "certain" and "" or (" (%s)"):format(thing.confidence)
end

local function firmware_lines(add, facts)
  local firmware, found = facts.firmware, facts.nodemcu
  add("firmware", "%s%s%s", firmware.name,
    not found and firmware.version and " " .. firmware.version or "", sure(firmware))
  if not found then
    if firmware.sdk then add("SDK", "%s", firmware.sdk) end
    return
  end
  if found.modules then add("modules", "%s", table.concat(found.modules, ", ")) end
  if found.ssl then add("SSL", "%s", found.ssl == "true" and "yes" or "no") end
  if found.lua then add("Lua", "%s%s", found.lua, found.number_type and ", " .. found.number_type
    or "") end
  if found.commit then add("commit", "%s of %s", found.commit, found.branch or "?") end
end

local function init_lines(add, init)
  if not init then return end
  add("init data", "%s: %s%s", at(init.addr), init.text, init.note and "; " .. init.note or "")
end

local function fs_lines(add, facts)
  local fs = facts.file_system
  if not fs then
    if facts.generation then add("file system", "none") end
    return
  end
  add("file system", "SPIFFS %s, %s, format of %s%s", at(fs.addr), numbers.size_text(fs.size),
    spiffs.flavour(fs.flavour).text, sure(fs))
  if fs.files then
    add("", "%s, %d of %d bytes used (%d %%)", text.count(fs.files, "file"), fs.used, fs.total,
      numbers.percent(fs.used, fs.total))
  end
  if not fs.reachable then add("", "the firmware does not look for it there") end
end

local function lfs_lines(add, lfs)
  if not lfs then return end
  local state = lfs.state == "valid" and ("Lua %s%s, %d bytes"):format(lfs.lua,
    lfs.number_type and " " .. lfs.number_type or "", lfs.bytes) or lfs.state
  add("LFS", "%s, %s: %s", at(lfs.addr), numbers.size_text(lfs.size), state)
end

local function region_lines(add, regions)
  for i, r in ipairs(regions or {}) do
    add(i == 1 and "layout" or "", "%s  %-12s %s", numbers.range_text(r.addr, r.size), r.name,
      r.note or "")
  end
end

--- Describe for people.
-- @tparam table facts from `identify.flash`
-- @treturn {{name,text},...} rows; the name is empty where a row goes on
function identify_text.rows(facts)
  local rows = {}
  local function add(name, ...) rows[#rows + 1] = { name, string.format(...) } end
  local h = facts.header
  add("boot header", "%s", h and ("%s, %s, %s"):format(h.mode or "unknown mode",
    h.freq or "unknown clock", h.size or "unknown size") or "none: flash begins with no image")
  firmware_lines(add, facts)
  init_lines(add, facts.init_data)
  fs_lines(add, facts)
  lfs_lines(add, facts.lfs)
  region_lines(add, facts.regions)
  return rows
end

local function copy(t, keys)
  if not t then return nil end
  local c = {}
  for _, key in ipairs(keys) do c[key] = t[key] end
  return c
end

local function copy_all(list, keys)
  if not list then return nil end
  local c = {}
  for i, t in ipairs(list) do c[i] = copy(t, keys) end
  return c
end

local NODEMCU <const> = { "version", "release", "build", "branch", "commit", "ssl", "number_type",
  "lua", "sdk", "sdk_date", "modules", "provider", "generation", "lfs_bytes" }

--- As plain data for JSON.
-- @tparam table facts from `identify.flash`
-- @treturn table
function identify_text.to_table(facts)
  return {
    firmware = copy(facts.firmware, { "id", "name", "version", "sdk", "confidence" }),
    header = copy(facts.header, { "mode", "freq", "size", "size_bytes" }),
    nodemcu = copy(facts.nodemcu, NODEMCU), generation = facts.generation,
    believed_bytes = facts.believed_bytes, firmware_end = facts.firmware_end,
    init_data = facts.init_data, file_system = facts.file_system, lfs = facts.lfs,
    partitions = facts.partition and copy_all(facts.partition.entries, { "name", "addr", "size" }),
    regions = copy_all(facts.regions, { "name", "addr", "size" }), warnings = facts.warnings,
  }
end

return identify_text
