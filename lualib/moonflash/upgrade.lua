--- From whatever is on a chip to a NodeMCU firmware that starts there: what to
-- write, what to erase, what to keep, and why. Pure.
-- @module moonflash.upgrade

local errors = require "moonflash.errors"
local fs_move = require "moonflash.fs_move"
local image = require "moonflash.image"
local init_data = require "moonflash.init_data"
local layout = require "moonflash.layout"
local numbers = require "moonflash.numbers"
local partition = require "moonflash.partition"
local spiffs = require "moonflash.spiffs"
local spiffs_find = require "moonflash.spiffs_find"
local table_carry = require "moonflash.table_carry"
local upgrade_rules = require "moonflash.upgrade_rules"

local upgrade = {}

local SECTOR <const>, IROM <const> = 0x1000, 0x10000

--- See @{moonflash.upgrade_rules}.
upgrade.rule, upgrade.era, upgrade.downgrade = upgrade_rules.rule, upgrade_rules.era,
  upgrade_rules.downgrade

-- What is on the chip, as a word of `rules`.
local function era_on_chip(facts)
  if facts.blank then return "erased", "an erased chip" end
  local era = facts.nodemcu and upgrade.era(facts.nodemcu)
  if era then return era.id, facts.firmware.name end
  return "other", facts.firmware.name
end

local round_up <const> = numbers.round_up

--- Where a firmware ends in flash.
-- @tparam table parsed result of `image.parse` of an aggregated file
-- @treturn integer address of the first free sector
function upgrade.firmware_end(parsed)
  local read = parsed.partition
  local last = read and read.firmware_end or parsed.irom and parsed.irom.offset + parsed.irom.size
    or parsed.used
  return round_up(last, SECTOR)
end

-- The smallest flash on which a firmware of this generation and length runs.
local function least_flash(generation, last)
  for _, size in ipairs { 0x40000, 0x80000, 0x100000, 0x200000, 0x400000 } do
    local ok = pcall(layout.check_flash, generation, size)
    local reserve = ({ ["0.9"] = 0x4000, ["2.x"] = 0x5000, ["3.x"] = 0x3000 })[generation] or 0
    if ok and last <= size - reserve then return size end
  end
end

--- Raise when a firmware does not fit a flash, saying what would.
-- @tparam table new `generation`, `last` (`firmware_end`), `name`
-- @tparam integer flash_bytes
-- @raise `size`
function upgrade.check_room(new, flash_bytes)
  layout.check_flash(new.generation, flash_bytes)
  local least = least_flash(new.generation, new.last)
  if least and least <= flash_bytes then return end
  errors.raise("size", ("%s reaches to %s and needs %s of flash, this chip has %s"):format(new.name,
    numbers.hex(new.last), least and numbers.size_text(least) or "more than any chip maps",
    numbers.size_text(flash_bytes)), {
    hint = ("a build with fewer modules, at most %s long, fits"):format(
      numbers.size_text(flash_bytes - 0x5000)) })
end

local function area_of(name, flash_bytes)
  local area = upgrade_rules.areas[name]
  return { addr = area.at or flash_bytes - area.from_end, size = area.size, name = area.text }
end

-- A plan under way: what was decided so far.
local function new_plan(facts, firmware, flash_bytes, options)
  local parsed = firmware.parsed
  local found = parsed.nodemcu
  local era = found and upgrade.era(found)
  if not era then
    errors.raise("image", firmware.name .. " is no NodeMCU firmware that can be told apart", {
      hint = "'moonflash write' writes anything" })
  end
  local from, old_text = era_on_chip(facts)
  if options.erase_all then from = "erased" end
  local p = { facts = facts, options = options, flash_bytes = flash_bytes, found = found,
    era = era.id, generation = era.generation, from = from, old_text = old_text,
    rule = upgrade.rule(from, era.id), last = upgrade.firmware_end(parsed), name = firmware.name,
    bytes = firmware.bytes, explain = {}, warnings = {}, parts = {}, blank = {}, keep = {},
    low_end = parsed.checksum and parsed.checksum.offset + 1 }
  p.moved = facts.generation ~= nil and facts.layout_bytes ~= flash_bytes
  return p
end

local function explain(p, ...) p.explain[#p.explain + 1] = string.format(...) end

local function check_direction(p)
  local why = upgrade.downgrade(p.from, p.era)
  if not why then return end
  p.downgrade = true
  if not p.options.force then
    errors.raise("refused_by_policy", why, { hint = "--force does it all the same" })
  end
  p.warnings[#p.warnings + 1] = why
end

-- The chip's own partitions, complete; nil without.
local function live_entries(p)
  local read = p.facts.partition
  if not read or p.options.erase_all then return nil end
  local ok, entries = pcall(partition.complete, read, p.facts.layout_bytes)
  return ok and entries or nil
end

local function same_number_type(lfs, found)
  local theirs = found.number_type
  return not lfs.number_type or not theirs or lfs.number_type:sub(1, #theirs) == theirs
end

-- Why the Lua Flash Store on the chip would not work with the new firmware.
local function against_lfs(p, lfs, reason)
  if not p.table then return "the new firmware has no partition for it" end
  if not (p.facts.partition and p.notes.lfs) then
    return "the old firmware had it built in, the new one has a partition for it"
  elseif reason then
    return reason
  elseif not same_number_type(lfs, p.found) then
    return ("it was made for a build with %s numbers, the new firmware has %s"):format(
      lfs.number_type, p.found.number_type)
  end
end

local function plan_lfs(p)
  local lfs = not p.options.erase_all and p.facts.lfs or nil
  p.lfs = { action = "none" }
  if not lfs or lfs.state == "empty" then return end
  local why = against_lfs(p, lfs, p.notes and p.notes.lfs_reason)
  if not why and p.options.lfs ~= "erase" then
    p.lfs = { action = "keep", addr = lfs.addr, size = lfs.size }
    p.keep[#p.keep + 1] = { addr = lfs.addr, size = lfs.size, name = "the Lua Flash Store" }
    explain(p, "the Lua Flash Store at %s stays", numbers.hex(lfs.addr))
    return
  elseif why and p.options.lfs == "keep" and lfs.state == "valid" then
    errors.raise("refused_by_policy", "the Lua Flash Store cannot be kept: " .. why,
      { hint = "--lfs erase gives it up; load its image again afterwards" })
  end
  p.lfs = { action = "erase", addr = lfs.addr, size = lfs.size, why = why or "as asked" }
  if lfs.addr >= p.last then
    p.blank[#p.blank + 1] = { addr = lfs.addr, size = lfs.size, name = "Lua Flash Store" }
  end
  explain(p, "the Lua Flash Store is given up: %s", p.lfs.why)
  if p.options.lfs == nil then p.warnings[#p.warnings + 1] = p.explain[#p.explain] end
end

-- The image's own partitions with the chip's in them.
local function plan_table(p)
  local fresh = p.generation:find("^3") and partition.find(p.bytes)
  if not fresh then return end
  p.fresh, p.live = fresh, live_entries(p)
  p.table, p.notes = table_carry.merge(fresh, p.live, p.flash_bytes)
end

-- Cloud builds of 2.x state no version of their own; their SDK's is the same.
local function flavour_id(found)
  local flavour = spiffs.flavour_of { generation = found.generation,
    version = found.version or (found.sdk or ""):match("^[%d.]+"),
    build = (found.build or ""):match("%d%d%d%d%-%d%d%-%d%d") }
  return flavour and flavour.id or nil
end

-- Where and how the new firmware looks for files.
local function fs_target(p)
  local g, size = p.generation, p.flash_bytes
  local target = { first = p.last, flavour = flavour_id(p.found), formats = g ~= "0.9",
    exact = g == "0.9", blank_chip = p.from == "erased" }
  if p.table then
    target.first, target.limit = table_carry.spiffs_start(p.table), p.notes.limit // 0x2000 * 0x2000
    target.new_start = target.first
    local live = p.live and partition.entry(p.live, "spiffs")
    if live and live.addr >= target.first and live.addr % 0x2000 == 0 then
      target.new_start = live.addr
    end
    target.block_of = function(bytes) return bytes >= 0x8000 and 0x2000 or 0x1000 end
    return target
  end
  target.starts = spiffs_find.candidates(g, size, p.last)
  target.new_start = layout.new_file_system(g, size, p.last) or size
  target.limit = size - (g == "0.9" and 0x4000 or 0x5000)
  return target
end

local function blank_all(p, ranges, name)
  for _, range in ipairs(ranges) do
    p.blank[#p.blank + 1] = { addr = range.addr, size = range.size, name = name }
  end
end

local function plan_files(p)
  local old = not p.options.erase_all and p.facts.file_system or nil
  local fs = fs_move.decide(p.facts.view, old, fs_target(p), p.options.fs or "try")
  p.file_system = fs
  explain(p, "%s", fs_move.describe(fs))
  if fs.action == "lost" then p.warnings[#p.warnings + 1] = fs_move.describe(fs) end
  if fs.action == "keep" then
    p.keep[#p.keep + 1] = { addr = fs.addr, size = fs.size, name = "the file system" }
  elseif fs.data then
    p.parts[#p.parts + 1] = { addr = fs.addr, data = fs.data, name = "file system", boot = false }
  end
  blank_all(p, fs.wipe, "old file system")
end

-- Does the image's own table do, or does the chip need one of its own in it?
local function needs_table(p)
  return p.live ~= nil or p.file_system.action == "keep" or p.file_system.data ~= nil
end

local function finish_table(p)
  if not p.table or not needs_table(p) then return end
  local fs = p.file_system
  local room = p.notes.limit - fs.addr
  local live = p.live and partition.entry(p.live, "spiffs")
  -- a file system that the user made smaller than its room stays that size
  if live and live.addr == fs.addr then room = math.min(room, live.size) end
  if live == nil and p.live and fs.action == "none" then room = 0 end
  p.table = table_carry.finish(p.table, fs.addr, room, p.flash_bytes)
  local sector = p.live and p.facts.view:get(partition.ADDR, partition.SECTOR) or nil
  p.bytes = table_carry.embed(p.bytes, p.table, sector)
  explain(p, "the partition table in the image is replaced: %s", p.live
    and "the chip's own layout is carried over" or "it names the place of the files")
end

-- Blocks whose supply byte is the choice of a firmware, not of the user.
local OWN_VDD <const> = { ["i0-vdd"] = true, arduino = true }

-- Init data for the new firmware; what the user set on the chip is kept.
local function init_fields(p)
  local fields = {}
  local old = p.facts.init_data
  if old and old.health ~= "blank" and old.health ~= "foreign" then
    if not OWN_VDD[old.variant] then fields.vdd33 = old.vdd33 end
    if old.crystal <= 2 then fields.crystal = old.crystal end
  end
  if p.options.crystal_mhz == 40 then fields.crystal = 0 end
  return fields
end

local function default_variant(era)
  return ({ ["0.9"] = "i0", ["1.4"] = "i2" })[era] or "v05"
end

-- Is what lies where the new firmware looks good enough for it?
local function init_data_serves(p, addr)
  if p.facts.blank or p.options.erase_all then return false end
  local health = init_data.classify(p.facts.view:get(addr, init_data.SIZE)).health
  return health == "good" or health == "custom" or health == "old" and p.era == "0.9"
end

local function plan_init_data(p)
  local addr = layout.init_data_address(p.flash_bytes, p.generation, p.table)
  local variant = p.options.init or p.rule.init
  local erased = p.moved
  for _, range in ipairs(p.blank) do
    erased = erased or addr >= range.addr and addr < range.addr + range.size
  end
  if not variant and not p.table and (erased or not init_data_serves(p, addr)) then
    variant = default_variant(p.era)
  end
  p.init_data = { addr = addr, variant = variant, action = variant and "write" or "none" }
  if not variant then return end
  p.parts[#p.parts + 1] = { addr = addr, name = "init data " .. variant,
    data = init_data.build { variant = variant, fields = init_fields(p) } }
  explain(p, "init data %s goes to %s", variant, numbers.hex(addr))
end

local function plan_system_sectors(p)
  local names = {}
  for _, name in ipairs(p.rule.erase) do names[name] = true end
  -- with another flash size the system data lies elsewhere: nothing of it is there yet
  if p.moved and not p.table then names.tail = true end
  for _, name in ipairs { "low", "tail", "params", "rf-cal" } do
    local covered = name ~= "low" and names.tail and name ~= "tail"
    if names[name] and not covered and not (name == "rf-cal" and p.from == "erased") then
      local area = area_of(name, p.flash_bytes)
      p.blank[#p.blank + 1] = area
      explain(p, "%s (%s) become blank", area.name, numbers.range_text(area.addr, area.size))
    end
  end
  if p.options.erase_all then
    p.blank[#p.blank + 1] = { addr = 0, size = p.flash_bytes, name = "all of flash" }
    explain(p, "all of flash is erased")
  end
end

-- An aggregated file is fill between its two parts, where NodeMCU 3 keeps its
-- system sectors. When those stay, the fill is not written; when init data goes
-- there, the fill around it is blank.
local function add_firmware(p, bytes)
  local low_end = p.low_end and round_up(p.low_end, SECTOR)
  local stays = p.live and #p.rule.erase == 0 and low_end and low_end <= 0xB000
  local init = p.init_data       -- none with firmware that is not NodeMCU
  local init_at = init and init.action == "write" and init.addr
  if not stays and not (init_at and low_end and init_at >= low_end and init_at < IROM) then
    p.parts[#p.parts + 1] = { addr = 0, data = bytes, name = p.name }
    return
  end
  p.parts[#p.parts + 1] = { addr = 0, data = bytes:sub(1, p.low_end), name = p.name }
  p.parts[#p.parts + 1] = { addr = IROM, data = bytes:sub(IROM + 1), name = p.name }
  if stays then
    explain(p, "the system sectors below %s stay", numbers.hex(IROM))
  else
    p.blank[#p.blank + 1] = { addr = low_end, size = IROM - low_end, name = "fill of " .. p.name }
  end
end

-- The firmware itself comes last: by then its partition table is settled.
local function plan_firmware(p)
  local patched, changes = image.patch_header(p.bytes, { size = p.flash_bytes,
    mode = p.options.mode or "keep", freq = p.options.freq or "keep" })
  add_firmware(p, patched)
  p.header_changes = changes
  for _, change in ipairs(changes) do
    explain(p, "boot header: flash %s %s -> %s", change.field, change.from, change.to)
  end
end

local function all_parts(p)
  local list = table.move(p.parts, 1, #p.parts, 1, {})
  for _, range in ipairs(p.blank) do list[#list + 1] = range end
  return list
end

--- Plan an upgrade.
-- @tparam table facts of the chip: `identify.flash`
-- @tparam table firmware of the file: `firmware_files.join`
-- @tparam integer flash_bytes size by the flash id
-- @tparam[opt] table options
--
-- * `fs`: "keep", "move", "erase", or "try" (default; see `fs_move.decide`)
-- * `lfs`: "keep" refuses what would lose a valid Lua Flash Store, "erase" gives
--   it up; nil keeps it where it can be kept
-- * `force`: going back to an older firmware is not refused
-- * `erase_all`: nothing on the chip is kept
-- * `mode`, `freq`: for the boot header, default "keep"
-- * `init`: variant of init data, whatever the rules say
-- * `crystal_mhz`: 40 sets the init data's crystal
-- @treturn table parts (for `plan.write`; ranges to be blank have a size and no
-- data), keep (for `plan.write`), from and era (words of `rules`), old_text,
-- generation, downgrade, file_system (`fs_move.decide`), lfs, init_data, table
-- (entries, 3.x), header_changes, explain (lines), warnings (lines), flash_bytes
-- @raise `image` (no NodeMCU), `size` (does not fit; what would), `plan`,
-- `refused_by_policy`
function upgrade.plan(facts, firmware, flash_bytes, options)
  local p = new_plan(facts, firmware, flash_bytes, options or {})
  upgrade.check_room(p, flash_bytes)
  check_direction(p)
  explain(p, "from %s to %s", p.old_text, upgrade_rules.text(p.era))
  plan_table(p)
  plan_lfs(p)
  plan_files(p)
  finish_table(p)
  plan_system_sectors(p)
  plan_init_data(p)
  plan_firmware(p)
  return { parts = all_parts(p), keep = p.keep, from = p.from, era = p.era,
    old_text = p.old_text, generation = p.generation, downgrade = p.downgrade or false,
    file_system = p.file_system, lfs = p.lfs, init_data = p.init_data, table = p.table,
    header_changes = p.header_changes, explain = p.explain, warnings = p.warnings,
    flash_bytes = flash_bytes, firmware_end = p.last }
end

--- Plan to write a firmware that is not NodeMCU: it alone, at 0.
-- @tparam table facts as for `plan`
-- @tparam table firmware as for `plan`
-- @tparam integer flash_bytes
-- @tparam[opt] table options of those for `plan`: `mode`, `freq`, `erase_all`
-- @treturn table as `plan`, without what belongs to NodeMCU
-- @raise `range` when it does not fit
function upgrade.plain(facts, firmware, flash_bytes, options)
  local _, old_text = era_on_chip(facts)
  local p = { facts = facts, options = options or {}, flash_bytes = flash_bytes, parts = {},
    blank = {}, explain = {}, warnings = {}, bytes = firmware.bytes, name = firmware.name }
  if #firmware.bytes > flash_bytes then
    errors.raise("range", ("%s has %d bytes, this chip has %s of flash"):format(firmware.name,
      #firmware.bytes, numbers.size_text(flash_bytes)))
  end
  explain(p, "from %s to %s", old_text, firmware.parsed.name)
  if p.options.erase_all then
    p.blank[1] = { addr = 0, size = flash_bytes, name = "all of flash" }
    explain(p, "all of flash is erased")
  end
  plan_firmware(p)
  return { parts = all_parts(p), keep = {}, old_text = old_text, downgrade = false,
    explain = p.explain, warnings = p.warnings, header_changes = p.header_changes,
    flash_bytes = flash_bytes }
end

--- The plan as plain data for JSON: no flash contents.
-- @tparam table p from `plan`
-- @treturn table
function upgrade.to_table(p)
  local fs = p.file_system or {}
  local copy = { from = p.from, to = p.era, generation = p.generation, downgrade = p.downgrade,
    explain = p.explain, warnings = p.warnings, init_data = p.init_data, lfs = p.lfs,
    file_system = { action = fs.action, addr = fs.addr, size = fs.size, why = fs.why,
      files = fs.files }, table = p.table, parts = {}, keep = p.keep }
  for i, part in ipairs(p.parts) do
    copy.parts[i] = { addr = part.addr, size = part.size or #part.data, name = part.name,
      blank = part.data == nil }
  end
  return copy
end

return upgrade
