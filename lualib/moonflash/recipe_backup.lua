--- A whole board in a recipe: what of a backup is written when the board has holes
-- to keep and parts of its own. Pure.
-- @module moonflash.recipe_backup
local layout <const> = require "moonflash.layout"
local numbers <const> = require "moonflash.numbers"
local plan <const> = require "moonflash.plan"
local regions <const> = require "moonflash.regions"
local restore <const> = require "moonflash.restore"
local where <const> = require "moonflash.recipe_where"

local recipe_backup = {}

local SECTOR <const> = plan.SECTOR

--- The regions that a backup's firmware goes by.
-- @tparam backup b
-- @tparam table facts of its bytes
-- @treturn {region,...}
function recipe_backup.layout(b, facts)
  return b.meta.layout or facts.regions or layout.regions("2.x", b.meta.flash.size)
end

-- What a named hole means: the board's own, where it has one.
local function own_regions(r, ctx, list)
  local wanted, keep, own = {}, {}, {}
  for _, part in ipairs(list) do
    if part.kind == "hole" and part.region then wanted[part.region] = part end
  end
  if not next(wanted) then return keep, own end
  local b = r.backup.backup
  local there = recipe_backup.layout(b, r.backup_facts)
  local kept, moved = restore.keep_own({ meta = { layout = there, flash = b.meta.flash,
    firmware = b.meta.firmware or { generation = r.generation } } }, b.meta.ranges, ctx.found,
    ctx.read)
  for _, one in ipairs(kept) do
    if wanted[one.name] then keep[#keep + 1] = one end
  end
  for _, one in ipairs(moved) do
    if wanted[one.name] then own[#own + 1] = one end
  end
  for name, part in pairs(wanted) do
    local is_own = false
    for _, word in ipairs(restore.OWN) do is_own = is_own or word == name end
    if not is_own then
      for _, range in ipairs(regions.pick(there, name)) do keep[#keep + 1] = range end
    end
    if #regions.pick(there, name) == 0 then
      where.raise(part.at, "plan", ("the backup's layout has no region '%s'"):format(name))
    end
  end
  return keep, own
end

local function inside(addr, size, ranges)
  for _, range in ipairs(ranges) do
    if addr >= range.addr and addr + size <= range.addr + range.size then return true end
  end
  return false
end

-- A part that begins or ends inside a sector gets the rest of it from the backup.
local function widen(one, b, ranges)
  local first = one.addr // SECTOR * SECTOR
  local last = (one.addr + #one.data + SECTOR - 1) // SECTOR * SECTOR
  if not inside(first, last - first, ranges) then return end
  local before = one.addr > first and b:read(first, one.addr - first) or ""
  local behind = last - one.addr - #one.data
  one.data = before .. one.data .. (behind > 0 and b:read(last - behind, behind) or "")
  one.addr = first
end

--- Adds what is written of the backup.
-- @tparam table r the stage under way: its other parts and holes are there already
-- @tparam table ctx as for `recipe_place.stage`
-- @tparam {part,...} list of the recipe
-- @raise `range` when it does not fit
function recipe_backup.place(r, ctx, list)
  local part = r.backup
  local b = part.backup
  where.within(part.at, restore.must_fit, b, ctx.chip, ctx.flash, true)
  local keep, own = own_regions(r, ctx, list)
  for _, one in ipairs(keep) do
    r.keep[#r.keep + 1] = { addr = one.addr, size = one.size, name = one.name .. " (mf.hole)" }
    r:explain("this board's %s at %s stays", one.name, numbers.hex(one.addr))
  end
  local taken = table.move(r.keep, 1, #r.keep, 1, {})
  for _, one in ipairs(r.parts) do
    if one.data then widen(one, b, b.meta.ranges) end
    local size = one.data and #one.data or one.size
    taken[#taken + 1] = { addr = one.addr, size = (size + SECTOR - 1) // SECTOR * SECTOR }
  end
  for _, one in ipairs(restore.parts(b, { ranges = b.meta.ranges, keep = taken, own = own })) do
    one.name = ("%s from %s"):format(part.path, numbers.hex(one.addr))
    r.parts[#r.parts + 1] = one
  end
end

return recipe_backup
