--- Where `partition` finds a table: on a chip, in a firmware file, in a backup.
--
-- A place is { sector, flash_bytes, what, save(sector) }: the 4096 bytes of the
-- records, what the firmware takes for the size of flash, a name for messages, and
-- how to put a new sector there.
-- @module moonflash.partition_jobs
local backup <const> = require "moonflash.backup"
local backup_jobs <const> = require "moonflash.backup_jobs"
local errors <const> = require "moonflash.errors"
local files <const> = require "moonflash.files"
local image_header <const> = require "moonflash.image_header"
local partition <const> = require "moonflash.partition"
local report <const> = require "moonflash.report"
local numbers <const> = require "moonflash.numbers"
local writer <const> = require "moonflash.writer"

local jobs = {}

-- The size that the boot header names, nil when there is none.
local function header_size(first)
  return first:byte(1) == 0xE9 and image_header.decode(first:byte(3, 4)).size_bytes or nil
end

--- A place in a file: a firmware, the bare bytes of a flash, or a backup.
-- @tparam string path
-- @tparam[opt] integer flash_bytes the size of the chip that a firmware is meant for
-- @treturn place save(sector, path) writes another file
-- @raise `file`
function jobs.in_file(path, flash_bytes)
  local bytes = files.read(path, backup.MAX_BYTES)
  if not backup.is_backup(bytes) then
    return {
      sector = bytes:sub(partition.ADDR + 1, partition.ADDR + partition.SECTOR), what = path,
      flash_bytes = flash_bytes or header_size(bytes) or 0x400000,
      save = function(sector, out)
        -- a file may end inside the sector: the rest of it would only be blank
        local tail = bytes:sub(partition.ADDR + partition.SECTOR + 1)
        if tail == "" then sector = sector:gsub("\xff+$", "") end
        files.write(out, bytes:sub(1, partition.ADDR) .. sector .. tail)
      end,
    }
  end
  local b = backup_jobs.open(path)
  local sector = b:read(partition.ADDR, partition.SECTOR)
  if not sector then
    errors.raise("file", path .. " does not hold the sector of the partition table",
      { hint = "it is at 0x010000" })
  end
  return { sector = sector, what = path,
    flash_bytes = header_size(b:read(0, 0x1000) or "\xff") or b.meta.flash.size,
    save = function(new, out) files.write(out, b:replace(partition.ADDR, new)) end }
end

-- Between erase and write of the sector a chip has no table, and nothing to make one
-- of; a failure there leaves the new sector in a file for the repair.
local function keep_for_repair(dev, sector, e)
  if not errors.is(e) or not e.changed then error(e, 0) end
  local path = ("partition-%s.bin"):format(dev.chip.mac:gsub(":", ""))
  if not pcall(files.write, path, sector) then error(e, 0) end
  error(errors.after_change(e, e.addr, ("the firmware does not start without its table; repair it"
    .. " with: moonflash write 0x%x %s"):format(partition.ADDR, path)), 0)
end

--- The place on a chip.
-- @tparam device dev
-- @tparam[opt] string key of the command that is to change it
-- @treturn place save(sector) writes and proves it; plan(sector) only plans
function jobs.on_chip(dev, key)
  local flash = dev:flash()
  if key then writer.finish(dev, key, report.showing(dev)) end
  if flash.size <= partition.ADDR + partition.SECTOR then
    errors.raise("plan", "this flash is too small for NodeMCU 3")
  end
  local header = header_size(dev:read(0, 0x1000))
  if header and header ~= flash.size then
    report.warn("the boot header says %s of flash, the chip has %s; NodeMCU 3 goes by the header",
      numbers.size_text(header), numbers.size_text(flash.size))
  end
  local place = { sector = dev:read(partition.ADDR, partition.SECTOR), what = "this flash",
    flash_bytes = math.min(header or flash.size, flash.size) }
  local function request(sector)
    return { parts = { { addr = partition.ADDR, data = sector, name = "partition table" } },
      unfinished = key }
  end
  function place.plan(sector) return dev:plan(request(sector)) end
  function place.save(sector)
    local ok, e = pcall(writer.write, dev, request(sector), report.showing(dev))
    if not ok then keep_for_repair(dev, sector, e) end
  end
  return place
end

--- The table of a place.
-- @tparam place place
-- @treturn table result of `partition.read`
-- @treturn {table,...}|nil complete entries; nil when they cannot be
-- @raise `plan` when there is none
function jobs.table_of(place)
  local read, why = partition.read(place.sector)
  if not read then
    errors.raise("plan", ("%s has no partition table (%s)"):format(place.what, why),
      { hint = "NodeMCU has one since version 3; if it was damaged, flash the firmware again" })
  end
  local ok, complete = pcall(partition.complete, read, place.flash_bytes)
  if ok then return read, complete end
  report.warn("the firmware would refuse this table: %s", tostring(complete))
  return read
end

--- The sector with other entries; every other record stays.
-- @treturn string 4096 bytes
function jobs.sector_with(place, read, entries)
  return partition.rewrite(place.sector, entries, read.factory and read.firmware_end or nil)
end

return jobs
