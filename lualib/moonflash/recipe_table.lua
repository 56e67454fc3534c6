--- The partition table of NodeMCU 3 as a recipe wants it, and the Lua Flash Store in it.
-- Pure.
-- @module moonflash.recipe_table
local errors <const> = require "moonflash.errors"
local lfs_image <const> = require "moonflash.lfs_image"
local numbers <const> = require "moonflash.numbers"
local partition <const> = require "moonflash.partition"
local partition_edit <const> = require "moonflash.partition_edit"
local table_carry <const> = require "moonflash.table_carry"
local where <const> = require "moonflash.recipe_where"

local recipe_table = {}

local SECTOR <const>, IROM <const>, BLOCK <const> = 0x1000, 0x10000, 0x2000
local MAPPED_END <const> = 0x100000
local LFS_STEP <const> = 0x10000

local round_up <const> = numbers.round_up

-- The end of what a file system may use.
local function spiffs_limit(r)
  local limit = r.flash_bytes
  for _, e in ipairs(r.entries) do
    if e.name == "system-param" and e.addr > IROM then limit = math.min(limit, e.addr) end
  end
  return limit
end

--- A table that the firmware would complete itself gets its file system here.
-- @tparam table r the stage under way; its `entries` change
function recipe_table.complete(r)
  if partition.entry(r.entries, "spiffs") then return end
  local start = table_carry.spiffs_start(r.entries)
  r.entries = table_carry.finish(r.entries, start, spiffs_limit(r) - start, r.flash_bytes)
end

local function need_table(r, part, what)
  if r.entries then return end
  where.raise(part.at, "plan", ("%s needs a partition table, which %s has not"):format(what,
    r.firmware and r.firmware.name or "the firmware on the chip"),
    what == "mf.lfs" and "NodeMCU before 3 keeps its store inside the firmware" or nil)
end

local function change_entries(r, part, change)
  recipe_table.complete(r)
  r.entries = where.within(part.at, partition_edit.change, { entries = r.entries }, change,
    r.flash_bytes)
  r.table_changed = true
end

-- Room for the store in the table, made when the firmware has none.
local function make_store(r, part, table_part)
  local entry = partition.entry(r.entries, "lfs")
  local need = part.image.size
  if entry and entry.size >= need and (not part.size or part.size == entry.size) then return end
  local said = table_part and table_part.change.lfs_size
  if said then
    where.raise(part.at, "range", ("%s takes %d bytes, the partition for it has %d"):format(
      part.path, need, said), ("mf.partition { lfs = \"%s\" }"):format(
      numbers.size_text(round_up(need, LFS_STEP)):gsub(" ?KB", "k")))
  elseif r.on_chip or r.backup_facts then
    where.raise(part.at, "range", ("%s takes %d bytes, the store on the chip has %d"):format(
      part.path, need, entry and entry.size or 0), "mf.partition { lfs = ... } makes room for it")
  elseif part.size and part.size < need then
    where.raise(part.at, "range", ("%s takes %d bytes, more than %d"):format(part.path, need,
      part.size))
  end
  change_entries(r, part, { lfs_size = part.size or round_up(need, LFS_STEP) })
end

-- Files that stay must be where the table says.
local function check_kept_files(r)
  local kept = r.base and r.base.file_system
  if not kept or r.spiffs or not r.table_changed then return end
  local entry = partition.entry(r.entries, "spiffs")
  local stays = kept.action == "keep" or kept.data ~= nil
  if stays and not (entry and entry.addr == kept.addr) then
    errors.raise("refused_by_policy", ("the files on the chip are at %s, the new partition table"
      .. " would not find them there"):format(numbers.hex(kept.addr)), { hint =
      'mf.firmware("...", { files = "erase" }) gives them up, mf.spiffs brings others' })
  end
end

local function same_entries(a, b)
  if #a ~= #b then return false end
  for i, e in ipairs(a) do
    if e.type ~= b[i].type or e.addr ~= b[i].addr or e.size ~= b[i].size then return false end
  end
  return true
end

-- The sector on the chip, when its table is the one that is wanted already: with it
-- stay the records that the firmware has added, and nothing is to be written.
local function live_sector(r, ctx)
  local read = ctx.facts.partition
  if not read or read.factory or r.base.from ~= r.base.era then return nil end
  return same_entries(read.entries, r.entries) and ctx.facts.view:get(IROM, SECTOR) or nil
end

-- Puts the table into the firmware, or into the sector on the chip.
local function write_table(r, ctx, part)
  if not r.table_changed then return end
  table.sort(r.entries, function(a, b) return a.addr < b.addr end)
  partition.check(r.entries, r.flash_bytes)
  if r.on_chip then
    local old = ctx.facts.view:get(partition.ADDR, partition.SECTOR)
    r:add({ addr = partition.ADDR, data = partition.rewrite(old, r.entries), boot = false,
      name = "partition table" })
    for _, note in ipairs(partition_edit.consequences(partition.complete(ctx.facts.partition,
      ctx.facts.layout_bytes), r.entries)) do
      r:warn("%s", note)
    end
    return
  end
  for _, one in ipairs(r.parts) do
    local at = one.data and IROM - one.addr
    if at and at >= 0 and at + SECTOR <= #one.data then
      local own = one.data:sub(at + 1, at + SECTOR)
      local _, stopped = partition.walk(own)
      if stopped then
        where.raise(part.at, "plan", "the firmware's partition table cannot be replaced: "
          .. stopped)
      end
      one.data = one.data:sub(1, at) .. (live_sector(r, ctx) or partition.rewrite(own, r.entries))
        .. one.data:sub(at + SECTOR + 1)
    end
  end
  if part.kind ~= "spiffs" then r:explain("the partition table is the recipe's") end
end

-- Without a word of the recipe's on the partition, it is as large as the file system.
local function size_partition(r)
  if r.base and r.entries and (r.spiffs or r.lfs) then
    recipe_table.complete(r)
    r.table_changed = true
  end
  local said = r.partition and (r.partition.change.spiffs_size or r.partition.change.spiffs_addr)
  if r.spiffs and r.spiffs.size and not said and not r.spiffs.addr and not r.on_chip
    and not r.backup_facts and r.entries then
    local entry = partition.entry(r.entries, "spiffs")
    local size = round_up(entry.addr, BLOCK) - entry.addr + round_up(r.spiffs.size, BLOCK)
    if size < entry.size then
      entry.size = size
    end
  end
end

--- Makes the partition table what the recipe says, and puts it where it belongs.
-- @tparam table r the stage under way (`recipe_place.stage`)
-- @tparam table ctx
-- @raise `plan`, `range`, `refused_by_policy`, pointing at lines of the recipe
function recipe_table.place(r, ctx)
  local part = r.partition
  if part then
    need_table(r, part, "mf.partition")
    change_entries(r, part, part.change)
  end
  if r.lfs then
    need_table(r, r.lfs, "mf.lfs")
    make_store(r, r.lfs, part)
  end
  size_partition(r)
  check_kept_files(r)
  write_table(r, ctx, part or r.lfs or r.spiffs)
end

--- Puts the image of the Lua Flash Store into its partition.
-- @tparam table r the stage under way
-- @raise `image`, `range`, pointing at the line of the recipe
function recipe_table.place_lfs(r)
  local part = r.lfs
  if not part then return end
  where.within(part.at, function()
    if r.nodemcu and not lfs_image.check_firmware(part.image, r.nodemcu) then
      r:warn("%s does not tell all that matters for the store", r.firmware and r.firmware.name
        or "the firmware on the chip")
    end
    local entry = partition.entry(r.entries, "lfs")
    if entry.addr + entry.size > MAPPED_END then
      errors.raise("range", ("the store at %s reaches beyond the first MB, which alone is mapped")
        :format(numbers.range_text(entry.addr, entry.size)))
    end
    r:add({ addr = entry.addr, data = lfs_image.for_region(part.image, entry), boot = false,
      name = "LFS " .. part.path })
    if entry.size > part.image.size then
      r:add({ addr = entry.addr, size = entry.size // SECTOR * SECTOR, name = "rest of the store" })
    end
  end)
end

return recipe_table
