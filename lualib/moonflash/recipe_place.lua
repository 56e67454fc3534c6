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
local recipe_spiffs <const> = require "moonflash.recipe_spiffs"
local recipe_stage <const> = require "moonflash.recipe_stage"
local recipe_table <const> = require "moonflash.recipe_table"
local regions <const> = require "moonflash.regions"
local template <const> = require "moonflash.template"
local upgrade <const> = require "moonflash.upgrade"
local where <const> = require "moonflash.recipe_where"

local place = {}

local SECTOR <const> = 0x1000

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
  r:add_firmware(p.parts, firmware.parsed)
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

local function place_holes(r, ctx, list)
  for _, part in ipairs(list) do
    if part.kind == "hole" and not (r.backup and part.region) and not (ctx.offline and part.region)
    then
      for _, range in ipairs(region_ranges(r, ctx, part)) do r:keep_hole(range) end
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
  return layout.replace(list, { name = "spiffs", addr = fs.addr, size = fs.size }, r.flash_bytes)
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
-- @treturn recipe_stage for `plan.write`: parts, keep, allow_partial; lines, warnings (what
--   is done and why); base (`upgrade.plan`, nil without a firmware), entries (partition
--   table), file_system { addr, size, files }
-- @raise as the planner and `upgrade.plan`, pointing at lines of the recipe
function place.stage(list, ctx)
  local r = recipe_stage.new(ctx.flash_bytes)
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
    recipe_spiffs.place(r, ctx)
    place_init_data(r, ctx)
  end
  place_rest(r, ctx, list)
  place_holes(r, ctx, list)
  if r.backup and not ctx.offline then recipe_backup.place(r, ctx, list) end
  r.allow_partial = is_partial(r.parts)
  return r
end

return place
