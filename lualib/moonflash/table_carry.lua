--- The partition table that a NodeMCU 3.x image gets when it is flashed over
-- another firmware: the chip's own layout carried over as far as it fits. Pure.
--
-- Firmware as built carries a factory table that it completes at its first start.
-- Flashing it over a chip in use would reset the layout and so lose Lua Flash
-- Store and file system; therefore a complete table is put into the image.
-- @module moonflash.table_carry

local errors = require "moonflash.errors"
local numbers = require "moonflash.numbers"
local partition = require "moonflash.partition"

local table_carry = {}

local MAPPED_END <const> = 0x100000
local SYSTEM <const> = { "rf-cal", "init-data", "system-param" }

-- Records that are the user's settings; others belong to the moment.
local CARRIED <const> = {
  [partition.ids.startup_command] = true, [partition.ids.startup_options] = true,
}

local function copy(entry)
  return entry and { type = entry.type, name = entry.name, addr = entry.addr, size = entry.size }
end

local function find(entries, name) return partition.entry(entries, name) end

local function by_addr(a, b) return a.addr < b.addr end

-- Sets an entry to a place, or adds it.
local function put(entries, name, addr, size)
  local entry = find(entries, name)
  if not entry then
    entry = { type = partition.types[name], name = name }
    entries[#entries + 1] = entry
  end
  entry.addr, entry.size = addr, size
end

local function remove(entries, name)
  for i = #entries, 1, -1 do
    if entries[i].name == name then table.remove(entries, i) end
  end
end

-- Both firmwares keep their system data at the same addresses, as built.
local function same_system(a, b)
  local rf_a, rf_b = find(a, "rf-cal"), find(b, "rf-cal")
  return rf_a and rf_b and rf_a.addr == rf_b.addr
end

local function firmware_end(entries)
  local irom = find(entries, "irom")
  return irom.addr + irom.size
end

-- Where the area ends that file systems may use: at the first system partition
-- behind irom, or at the end of flash.
local function limit_of(entries, flash_bytes)
  local limit, from = flash_bytes, firmware_end(entries)
  for _, name in ipairs(SYSTEM) do
    local entry = find(entries, name)
    if entry and entry.addr >= from then limit = math.min(limit, entry.addr) end
  end
  return limit
end

local function lfs_reason(lfs, entries)
  local first = firmware_end(entries)
  if lfs.addr < first then
    return ("the new firmware reaches to %s, into the Lua Flash Store at %s"):format(
      numbers.hex(first), numbers.hex(lfs.addr))
  elseif lfs.addr + lfs.size > MAPPED_END then
    return "the Lua Flash Store lies beyond the first MB of flash"
  end
end

--- Carry the live partitions of a chip over into the table of a new image.
-- @tparam table fresh the image's own table (`partition.read`), factory or not
-- @tparam table|nil live the chip's entries, complete; nil when it has none
-- @tparam integer flash_bytes
-- @treturn {entry,...} entries for the new image: system partitions and irom are
-- the image's own (the live addresses of system partitions stay where both agree
-- on their kind), Lua Flash Store as on the chip where it fits, no file system yet
-- @treturn table notes: `lfs` = the entry kept or made (nil: none), `lfs_reason`
-- = why the live one cannot stay; `limit` = end of the room for a file system
-- @raise `plan` when the image's own table does not work on this flash
function table_carry.merge(fresh, live, flash_bytes)
  local entries = {}
  for i, entry in ipairs(partition.complete(fresh, flash_bytes)) do entries[i] = copy(entry) end
  remove(entries, "spiffs")
  if live and same_system(fresh.entries, live) then
    for _, name in ipairs(SYSTEM) do
      local entry = find(live, name)
      if entry then put(entries, name, entry.addr, entry.size) end
    end
  end
  local notes = { limit = limit_of(entries, flash_bytes) }
  local lfs = live and find(live, "lfs")
  if lfs and lfs.size > 0 then
    notes.lfs_reason = lfs_reason(lfs, entries)
    local addr = notes.lfs_reason and firmware_end(entries) or lfs.addr
    if addr + lfs.size <= math.min(MAPPED_END, notes.limit) then
      put(entries, "lfs", addr, lfs.size)
    else
      remove(entries, "lfs")
    end
  end
  notes.lfs = find(entries, "lfs")
  table.sort(entries, by_addr)
  return entries, notes
end

--- First address that a file system may have.
-- @tparam {entry,...} entries
-- @treturn integer multiple of 0x2000
function table_carry.spiffs_start(entries)
  local lfs = find(entries, "lfs")
  local last = math.max(firmware_end(entries), lfs and lfs.addr + lfs.size or 0)
  return (last + 0x1FFF) // 0x2000 * 0x2000
end

--- Add the file system's partition and check the whole by the firmware's rules.
-- @tparam {entry,...} entries from `merge`
-- @tparam integer addr
-- @tparam integer size 0 = none
-- @tparam integer flash_bytes
-- @treturn {entry,...} complete and ascending
-- @raise `plan`
function table_carry.finish(entries, addr, size, flash_bytes)
  remove(entries, "spiffs")
  if size > 0 then put(entries, "spiffs", addr, size) end
  table.sort(entries, by_addr)
  return partition.check(entries, flash_bytes)
end

-- The records of a sector that outlive a change of firmware, as a sector.
local function carried_records(sector)
  local kept = {}
  for _, record in ipairs((partition.walk(sector or ""))) do
    if not record.deleted and CARRIED[record.id] then
      kept[#kept + 1] = ("<BBI2"):pack(record.words, record.id, 0) .. record.payload
    end
  end
  local bytes = table.concat(kept)
  return bytes .. ("\xff"):rep(partition.SECTOR - #bytes)
end

--- Put a complete table, and the settings of the live sector, into an image.
-- @tparam string bytes image to be written at 0
-- @tparam {entry,...} entries complete
-- @tparam[opt] string live_sector the chip's sector at 0x10000
-- @treturn string the image with its sector at 0x10000 replaced
-- @raise `plan` when the records do not fit the room that the build leaves
function table_carry.embed(bytes, entries, live_sector)
  local own = bytes:sub(partition.ADDR + 1, partition.ADDR + partition.SECTOR)
  local _, stopped = partition.walk(own)
  if stopped then
    errors.raise("plan", "the image's partition table cannot be replaced: " .. stopped)
  end
  local sector = partition.rewrite(carried_records(live_sector), entries)
  return bytes:sub(1, partition.ADDR) .. sector .. bytes:sub(partition.ADDR + partition.SECTOR + 1)
end

return table_carry
