--- Where the parts of a recipe go on a chip. Pure: what is known of the chip comes
-- in as facts, what is to be written goes out as parts for `plan.write`.
--
-- A firmware is placed as `moonflash flash` places it (@{moonflash.upgrade}); the
-- recipe's own partition table, init data, file system and store then take the
-- places that this firmware will look at. Without a firmware in the recipe the one
-- on the chip decides.
-- @module moonflash.recipe_place
local init_data <const> = require "moonflash.init_data"
local layout <const> = require "moonflash.layout"
local numbers <const> = require "moonflash.numbers"
local partition <const> = require "moonflash.partition"
local recipe_backup <const> = require "moonflash.recipe_backup"
local recipe_table <const> = require "moonflash.recipe_table"
local regions <const> = require "moonflash.regions"
local spiffs <const> = require "moonflash.spiffs"
local template <const> = require "moonflash.template"
local text <const> = require "moonflash.text"
local upgrade <const> = require "moonflash.upgrade"
local where <const> = require "moonflash.recipe_where"

local place = {}

local SECTOR <const>, IROM <const>, BLOCK <const> = 0x1000, 0x10000, 0x2000
local FLAVOURS <const> = { ["0.9"] = "0.9.5", ["2.x"] = "3", ["3.0-2019"] = "3", ["3.x"] = "3" }

local function round_up(value, unit) return (value + unit - 1) // unit * unit end

-- The only part of a kind; two of one kind are an error.
local function single(list, kind)
  local found
  for _, part in ipairs(list) do
    if part.kind == kind then
      if found then
        where.raise(part.at, "usage", ("there are two mf.%s, the other at %s"):format(kind,
          found.at or "another line"))
      end
      found = part
    end
  end
  return found
end

-- Where the fill between the two parts of an aggregated file begins; nil without one.
local function fill_of(one, parsed)
  local first = parsed.checksum and round_up(parsed.checksum.offset + 1, SECTOR)
  if one.addr ~= 0 or not one.data or not first or first >= IROM or #one.data <= IROM
    or one.data:sub(first + 1, IROM):find("[^\xff]") then
    return nil
  end
  return first
end

-- The fill gives way to what a recipe puts or keeps there, such as the init data of
-- NodeMCU 3.
local function split_fill(r, addr, size)
  for i, one in ipairs(r.parts) do
    local first = one.fill
    if first and addr < IROM and addr + size > first then
      one.fill = nil
      table.insert(r.parts, i + 1, { addr = IROM, data = one.data:sub(IROM + 1), name = one.name })
      table.insert(r.parts, i + 1, { addr = first, size = IROM - first,
        name = "fill of " .. one.name })
      one.data = one.data:sub(1, first)
      return
    end
  end
end

-- What is known of a stage so far, and what is to be written.
local Result = {}
Result.__index = Result

function Result:explain(...) self.lines[#self.lines + 1] = string.format(...) end
function Result:warn(...) self.warnings[#self.warnings + 1] = string.format(...) end

-- What has data of its own takes its place out of the fill of a firmware.
function Result:add(part)
  if part.data then split_fill(self, part.addr, #part.data) end
  self.parts[#self.parts + 1] = part
end

-- ---- what decides where things are ----

local function is_nodemcu(firmware)
  local found = firmware.parsed.nodemcu
  return found and upgrade.era(found) ~= nil
end

-- The firmware as `flash` and `upgrade` place it.
local function with_firmware(r, ctx, part)
  local firmware = part.firmware
  local options = { mode = ctx.mode or "keep", freq = ctx.freq or "keep", force = true,
    fs = r.spiffs and "erase" or part.files, lfs = r.lfs and "erase" or part.lfs,
    init = part.init, erase_all = part.erase_all, crystal_mhz = ctx.crystal_mhz }
  local make = is_nodemcu(firmware) and upgrade.plan or upgrade.plain
  local p = where.within(part.at, make, ctx.facts, firmware, ctx.flash_bytes, options)
  r.firmware, r.base = firmware, p
  for _, one in ipairs(p.parts) do
    one.fill = fill_of(one, firmware.parsed)
    r.parts[#r.parts + 1] = one
  end
  for _, one in ipairs(p.parts) do
    if one.data and one.addr > 0 then split_fill(r, one.addr, #one.data) end
  end
  for _, one in ipairs(p.keep) do r.keep[#r.keep + 1] = one end
  for _, line in ipairs(p.explain) do
    -- the recipe's own files come instead
    if not (r.spiffs and line:find "^the file system is erased") then r:explain("%s", line) end
  end
  for _, line in ipairs(p.warnings) do r:warn("%s", line) end
  r.nodemcu, r.generation = firmware.parsed.nodemcu, p.generation
  r.firmware_end = p.firmware_end
  if p.table then
    r.entries = {}
    for i, e in ipairs(p.table) do
      r.entries[i] = { type = e.type, name = e.name, addr = e.addr, size = e.size }
    end
  end
end

local function with_chip(r, ctx)
  local facts = ctx.facts
  if facts.blank or not facts.nodemcu then return end
  r.nodemcu, r.generation, r.firmware_end = facts.nodemcu, facts.generation, facts.firmware_end
  r.flash_bytes, r.on_chip = facts.layout_bytes, true
  if facts.partition then r.entries = partition.complete(facts.partition, facts.layout_bytes) end
end

-- What a backup brings decides, as far as it can be told.
local function with_backup(r, ctx, part)
  local facts = ctx.identify(part.backup)
  r.nodemcu, r.generation, r.firmware_end = facts.nodemcu, facts.generation, facts.firmware_end
  r.backup_facts = facts
  if facts.partition then r.entries = partition.complete(facts.partition, facts.layout_bytes) end
end

-- ---- file system ----

-- Place, room and block size where NodeMCU's file system goes.
local function file_system_place(r, ctx)
  if r.entries then
    local entry = partition.entry(r.entries, "spiffs")
    if not entry then
      recipe_table.complete(r)
      entry = partition.entry(r.entries, "spiffs")
    end
    local addr = round_up(entry.addr, BLOCK)
    return addr, (entry.addr + entry.size - addr) // BLOCK * BLOCK
  end
  local fs = r.base and r.base.file_system
  if fs then return fs.addr, fs.area end
  local old = not r.backup_facts and ctx.facts.file_system or r.backup_facts
    and r.backup_facts.file_system
  if old and old.reachable then return old.addr, old.area end
  return layout.new_file_system(r.generation, r.flash_bytes, r.firmware_end)
end

local function flavour_of(r, part)
  if part.generation then return spiffs.flavour(part.generation) end
  local found = r.nodemcu or {}
  local flavour = spiffs.flavour_of { generation = r.generation,
    version = found.version or (found.sdk or ""):match("^[%d.]+"),
    build = (found.build or ""):match("%d%d%d%d%-%d%d%-%d%d") }
  return flavour or spiffs.flavour(FLAVOURS[r.generation] or "3")
end

local function geometry_of(r, ctx, part)
  if not r.generation or part.addr then
    if not (part.addr and part.size) then
      where.raise(part.at, "plan", "mf.spiffs: only NodeMCU tells where its files are",
        'mf.spiffs("lua/", { where = 0x100000, size = "1M" }) tells where')
    end
    local flavour = flavour_of(r, part)
    return part.addr, { size = part.size, flavour = flavour.id,
      block = spiffs.default_block(flavour, part.size) }
  end
  local addr, room = file_system_place(r, ctx)
  local flavour = flavour_of(r, part)
  if not addr or room < 4 * SECTOR then
    where.raise(part.at, "range", ("there is no room for files behind the firmware in %s of flash")
      :format(numbers.size_text(r.flash_bytes)), "a build with fewer modules leaves more")
  elseif part.size and not flavour.magic and part.size ~= room then
    where.raise(part.at, "size", ("this firmware takes all %s for its files"):format(
      numbers.size_text(room)))
  elseif part.size and part.size > room then
    where.raise(part.at, "range", ("mf.spiffs: %s do not fit the %s that there are"):format(
      numbers.size_text(part.size), numbers.size_text(room)))
  end
  -- the firmware goes by the room's size for the block, by the magic for the rest
  local block = r.generation == "0.9" and SECTOR or spiffs.default_block(flavour, room)
  return addr, { size = (part.size or room) // block * block, flavour = flavour.id, block = block }
end

--- The files of a file system for one unit.
-- @tparam part part loaded
-- @tparam table ctx `values`, `unit`
-- @treturn {table,...} `name`, `bytes`
local function files_for(part, ctx)
  local list = {}
  for i, file in ipairs(part.files) do
    local bytes = file.bytes
    if type(bytes) == "function" then bytes = ctx.call(part, bytes) end
    if file.template then bytes = template.fill(bytes, file.path, ctx.values) end
    list[i] = { name = file.name, bytes = bytes }
  end
  return list
end

local function place_files(r, ctx)
  local part = r.spiffs
  if not part then return end
  local addr, geo = geometry_of(r, ctx, part)
  r.file_system = { addr = addr, size = geo.size, files = #part.files }
  local name = ("files of %s"):format(part.paths and table.concat(part.paths, ", ") or "the recipe")
  if ctx.offline then return end
  local fs = where.within(part.at, function() return spiffs.build(files_for(part, ctx), geo) end)
  r:add({ addr = addr, data = fs:bytes(), boot = false, name = name })
  r:explain("a file system of %s with %s goes to %s", numbers.size_text(geo.size),
    text.count(#part.files, "file"), numbers.hex(addr))
end

-- ---- init data ----

local function place_init_data(r, ctx)
  local part = r.init_data
  if not part then return end
  local addr = part.addr
  if not addr and not r.generation then
    where.raise(part.at, "plan", "mf.init_data: only NodeMCU tells where its init data are",
      "mf.init_data { where = 0x3fc000 } tells where")
  end
  addr = addr or layout.init_data_address(r.flash_bytes, r.generation, r.entries)
  local fields = {}
  for name, value in pairs(part.fields) do fields[name] = value end
  if not part.crystal_given and not part.block and ctx.crystal_mhz == 40 then fields.crystal = 0 end
  local data = where.within(part.at, init_data.build, { variant = part.variant, base = part.block,
    fields = fields })
  for i = #r.parts, 1, -1 do
    local one = r.parts[i]
    if one.data and one.addr == addr and one.name:find("^init data") then
      table.remove(r.parts, i)
    end
  end
  r:add({ addr = addr, data = data, name = "init data", own = part.at })
end

-- ---- bytes, files, blank ----

local function region_ranges(r, ctx, part)
  if part.addr then return { { addr = part.addr, size = part.size, name = part.kind } } end
  where.within(part.at, regions.check_name, part.region)
  local list = place.layout(r, ctx)
  local found = list and regions.pick(list, part.region) or {}
  if #found == 0 then
    where.raise(part.at, "plan", ("there is no region '%s' where this recipe leaves the chip")
      :format(part.region), "an address and a size can be given instead")
  end
  return found
end

local function bytes_of(part, ctx)
  local data = part.data
  if type(data) == "function" then
    if ctx.offline then return nil end
    data = ctx.call(part, data)
    if #data == 0 then where.raise(part.at, "script", "the function returned no bytes") end
  end
  if part.template and not ctx.offline then
    data = template.fill(data, part.path or part.name, ctx.values)
  end
  return data
end

local INSIDE <const> = { spiffs = "the file system", irom = "the firmware", lfs = "the store",
  ["rf-cal"] = "what the firmware keeps for itself",
  ["system-param"] = "what the firmware keeps for itself", partition = "the partition table" }

-- Bytes in the middle of what belongs to the firmware will not stay there.
local function check_inside(r, ctx, one)
  local region = r.generation and layout.at(place.layout(r, ctx) or {}, one.addr)
  if region and INSIDE[region.name] and region.addr ~= one.addr then
    r:warn("%s at %s lies inside %s (%s)", one.name, numbers.hex(one.addr), INSIDE[region.name],
      numbers.range_text(region.addr, region.size))
  end
end

local function place_rest(r, ctx, list)
  for _, part in ipairs(list) do
    if part.kind == "file" or part.kind == "bytes" then
      local data = bytes_of(part, ctx)
      if data then
        local one = { addr = part.addr, data = data, name = part.name, own = part.at }
        r:add(one)
        check_inside(r, ctx, one)
      end
    elseif part.kind == "blank" and not (ctx.offline and part.region) then
      for _, range in ipairs(region_ranges(r, ctx, part)) do
        r:add({ addr = range.addr, size = range.size, name = "blank " .. range.name,
          own = part.at or true })
      end
    end
  end
end

-- What a firmware would only like to have blank gives way to a hole.
local function cut_blanks(r, hole)
  split_fill(r, hole.addr, hole.size)
  local list, last = {}, hole.addr + hole.size
  for _, one in ipairs(r.parts) do
    local to = one.size and one.addr + one.size
    if one.data or one.own or to <= hole.addr or one.addr >= last then
      list[#list + 1] = one
    else
      if one.addr < hole.addr then
        list[#list + 1] = { addr = one.addr, size = hole.addr - one.addr, name = one.name }
      end
      if to > last then list[#list + 1] = { addr = last, size = to - last, name = one.name } end
    end
  end
  r.parts = list
end

local function place_holes(r, ctx, list)
  for _, part in ipairs(list) do
    if part.kind == "hole" and not (r.backup and part.region) and not (ctx.offline and part.region)
    then
      for _, range in ipairs(region_ranges(r, ctx, part)) do
        r.keep[#r.keep + 1] = { addr = range.addr, size = range.size,
          name = ("%s (mf.hole)"):format(range.name) }
        cut_blanks(r, range)
      end
    end
  end
end

-- ---- the whole ----

--- The regions of the chip as the recipe leaves it, as far as they are known.
-- @tparam table r from @{place.stage}
-- @tparam table ctx
-- @treturn {region,...}|nil
function place.layout(r, ctx)
  if r.backup_facts then return recipe_backup.layout(r.backup.backup, r.backup_facts) end
  if not r.generation then return nil end
  if r.on_chip then return ctx.facts.regions end
  local fs = r.file_system or r.base and r.base.file_system
  local list = layout.regions(r.generation, r.flash_bytes, r.entries, r.firmware_end)
  if r.entries or not fs or fs.size == 0 then return list end
  local kept = {}
  for _, region in ipairs(list) do
    if region.name ~= "spiffs" and region.name ~= "free" then kept[#kept + 1] = region end
  end
  kept[#kept + 1] = { name = "spiffs", addr = fs.addr, size = fs.size }
  return layout.fill(kept, r.flash_bytes)
end

local function wants_layout(list)
  for _, part in ipairs(list) do
    if part.kind == "spiffs" and not part.addr or part.kind == "init_data" and not part.addr
      or part.kind == "lfs" or part.kind == "partition" or part.region and part.kind ~= "label" then
      return true
    end
  end
  return false
end

--- Does a stage's place in flash depend on what is on the chip now?
-- @tparam {part,...} list
-- @treturn boolean
function place.needs_facts(list)
  return single(list, "firmware") ~= nil or single(list, "backup") ~= nil or wants_layout(list)
end

local function is_partial(list)
  for _, one in ipairs(list) do
    if one.addr % SECTOR ~= 0 then return true end
  end
  return false
end

--- Places the parts of a stage.
-- @tparam {part,...} list loaded, as by `recipe_files.load`
-- @tparam table ctx
--
-- * `flash_bytes`: flash that the firmware may use; `facts`: `identify.flash` of the
--   chip; `found`: `regions.identify` of it, `read`: its flash (with a backup)
-- * `mode`, `freq`, `crystal_mhz`: for the boot header and the init data
-- * `values`: for templates; `call(part, f)`: calls a function of the recipe for the
--   unit
-- * `identify(backup)`: facts of a backup
-- * `offline`: true when there is no chip yet: what depends on it is left out
-- @treturn table for `plan.write`: parts, keep, allow_partial; lines, warnings (what
--   is done and why); base (`upgrade.plan`, nil without a firmware), entries (partition
--   table), file_system { addr, size, files }
-- @raise as the planner and `upgrade.plan`, pointing at lines of the recipe
function place.stage(list, ctx)
  local r = setmetatable({ parts = {}, keep = {}, lines = {}, warnings = {},
    flash_bytes = ctx.flash_bytes }, Result)
  for _, kind in ipairs { "firmware", "init_data", "partition", "spiffs", "lfs", "backup" } do
    r[kind] = single(list, kind)
  end
  local firmware = r.firmware
  r.firmware = nil
  if firmware and r.backup then
    where.raise(r.backup.at, "usage", "a backup has its own firmware: mf.firmware or mf.backup")
  elseif firmware then
    with_firmware(r, ctx, firmware)
  elseif r.backup then
    with_backup(r, ctx, r.backup)
  elseif wants_layout(list) and not ctx.offline then
    with_chip(r, ctx)
  end
  local known = not ctx.offline or firmware
  if known then
    recipe_table.place(r, ctx)
    recipe_table.place_lfs(r)
    place_files(r, ctx)
    place_init_data(r, ctx)
  end
  place_rest(r, ctx, list)
  place_holes(r, ctx, list)
  if r.backup and not ctx.offline then recipe_backup.place(r, ctx, list) end
  r.allow_partial = is_partial(r.parts)
  return r
end

return place
