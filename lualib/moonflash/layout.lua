--- What lies where in flash, per NodeMCU generation and flash size. Pure.
-- Generations are those of `nodemcu.generations`. From 3.0 on the chip's own
-- partition table decides; the rows here are what the builds start with.
-- Source: nodemcu-firmware app/platform, app/user, ld of the tags; the table of
-- a published build.
-- @module moonflash.layout

local errors = require "moonflash.errors"
local numbers = require "moonflash.numbers"
local partition = require "moonflash.partition"
local text = require "moonflash.text"

local layout = {}

local IROM <const> = 0x10000
local SECTOR <const> = 0x1000
local MAPPED_END <const> = 0x100000     -- only the first MB is mapped

-- The one table. `at` counts from flash 0, `from_end` from the end of flash.
-- `fs_end` is how much of the end of flash the file system leaves alone;
-- `irom_max` is the linker's limit, `first_image` the room for the part at 0,
-- `min_flash` what the firmware insists on.
local generations = {
  ["0.9"] = {
    first_image = 0x10000, irom_max = 0x80000, fs_end = 0x4000, fs = "0.9",
    { name = "init-data", from_end = 0x4000, size = 0x1000 },
    { name = "system-param", from_end = 0x3000, size = 0x3000 },
  },
  ["2.x"] = {
    first_image = 0x10000, irom_max = 0xE0000, fs_end = 0x5000, fs = "2.x",
    { name = "rf-cal", from_end = 0x5000, size = 0x1000 },
    { name = "init-data", from_end = 0x4000, size = 0x1000 },
    { name = "system-param", from_end = 0x3000, size = 0x3000 },
  },
  ["3.0-2019"] = {
    first_image = 0xB000, irom_max = 0xE0000, fs_end = 0, fs = "3.x",
    min_flash = 0x100000, table = true,
    { name = "rf-cal", at = 0xB000, size = 0x1000 },
    { name = "init-data", at = 0xC000, size = 0x1000 },
    { name = "system-param", at = 0xD000, size = 0x3000 },
    { name = "partition", at = 0x10000, size = 0x1000 },
  },
  ["3.x"] = {
    first_image = 0xB000, irom_max = 0xE0000, fs_end = 0x3000, fs = "3.x",
    min_flash = 0x100000, table = true,
    { name = "rf-cal", at = 0xD000, size = 0x1000 },
    { name = "init-data", at = 0xF000, size = 0x1000 },
    { name = "partition", at = 0x10000, size = 0x1000 },
    { name = "system-param", from_end = 0x3000, size = 0x3000 },
  },
}

local notes = {
  ["firmware"] = "boot header and RAM part",
  ["irom"] = "code run from flash",
  ["partition"] = "partition table and start-up records",
  ["rf-cal"] = "RF calibration, rebuilt when blank",
  ["init-data"] = "radio set-up, 128 bytes",
  ["system-param"] = "saved Wi-Fi and system parameters",
  ["lfs"] = "Lua Flash Store",
  ["spiffs"] = "file system",
  ["free"] = "not used",
}

local round_up <const> = numbers.round_up

local function check_size(flash_bytes)
  if math.type(flash_bytes) == "integer" and flash_bytes >= 0x40000
    and flash_bytes <= 0x1000000 and flash_bytes % 0x40000 == 0 then
    return
  end
  errors.raise("size", "layout: no flash of this size: " .. tostring(flash_bytes))
end

-- The row of a generation; raises `usage` for an unknown one.
local function row_of(generation)
  return generations[generation]
    or errors.raise("usage", ("there is no NodeMCU generation %s"):format(text.quote(generation)),
      { hint = "one of 0.9, 2.x, 3.0-2019, 3.x" })
end

local function entries_of(given)
  if not given then return nil end
  return given.entries or given
end

local function addr_of(area, flash_bytes)
  return area.at or flash_bytes - area.from_end
end

local function region(name, addr, size)
  return { name = name, addr = addr, size = size, note = notes[name] }
end

-- Where firmware of 1.5.4.1 to 2.2 makes a new file system.
local function spiffs_2x(first_free, limit)
  if limit >= 700000 then
    local start = round_up(first_free + 0x10000, 0x10000)
    if limit - start < 400000 then start = round_up(first_free + 0x8000, 0x2000) end
    return start, 0x2000
  end
  return round_up(first_free, 0x2000), 0x2000
end

local function spiffs_09(first_free) return round_up(first_free, 0x4000), 0x1000 end

-- First sector of the file system and its size, when none exists yet.
local function new_spiffs(row, flash_bytes, firmware_end)
  local first_free, limit = round_up(firmware_end, SECTOR), flash_bytes - row.fs_end
  local start, block
  if row.fs == "0.9" then
    start, block = spiffs_09(first_free)
  elseif row.fs == "2.x" then
    start, block = spiffs_2x(first_free, limit)
  else
    start, block = round_up(first_free, 0x2000), 0x2000
  end
  local size = (limit - start) // block * block
  if size > 0 then return start, size end
end

local function by_addr(a, b) return a.addr < b.addr end

-- Cuts what the firmware does not use into regions of their own.
local function add_free(regions, flash_bytes)
  table.sort(regions, by_addr)
  local all, at = {}, 0
  for _, r in ipairs(regions) do
    if r.addr > at then all[#all + 1] = region("free", at, r.addr - at) end
    all[#all + 1] = r
    at = math.max(at, r.addr + r.size)
  end
  if at < flash_bytes then all[#all + 1] = region("free", at, flash_bytes - at) end
  return all
end

local function from_row(row, flash_bytes, firmware_end)
  local list = { region("firmware", 0, row.first_image) }
  local low = flash_bytes
  for _, area in ipairs(row) do
    local addr = addr_of(area, flash_bytes)
    list[#list + 1] = region(area.name, addr, area.size)
    if addr > IROM then low = math.min(low, addr) end
  end
  local irom_at = row.table and IROM + SECTOR or IROM
  local limit = math.min(low, MAPPED_END, IROM + row.irom_max)
  local irom_end = firmware_end and math.min(round_up(firmware_end, SECTOR), low) or limit
  if irom_end > irom_at then list[#list + 1] = region("irom", irom_at, irom_end - irom_at) end
  if firmware_end then
    local start, size = new_spiffs(row, flash_bytes, firmware_end)
    if start then list[#list + 1] = region("spiffs", start, size) end
  end
  return list
end

-- A partition table may hold nonsense; only what lies in flash becomes a region.
local function from_table(entries, flash_bytes)
  local list = {}
  for _, entry in ipairs(entries) do
    local addr, size = entry.addr, math.min(entry.size, flash_bytes - entry.addr)
    if entry.name == "irom" and addr == IROM and size > SECTOR then
      list[#list + 1] = region("partition", IROM, SECTOR)
      addr, size = addr + SECTOR, size - SECTOR
    end
    if size > 0 then list[#list + 1] = region(entry.name, addr, size) end
  end
  return list
end

--- All regions of a chip, ascending, without gaps.
-- @tparam string generation as `nodemcu.identify` tells it
-- @tparam integer flash_bytes what the firmware believes the size to be, that
-- is: what the boot header says
-- @tparam[opt] table given a complete partition table (from `partition.read` or
-- `partition.complete`); a factory table is completed first
-- @tparam[opt] integer firmware_end flash address behind irom; without it the
-- irom region is as large as it may become, and no file system is shown
-- @treturn {region,...} { name, addr, size, note }; names: firmware, irom,
-- partition, rf-cal, init-data, system-param, lfs, spiffs, free (and the names of
-- other partition types)
-- @raise `usage`, `size`, `plan` (a factory table that cannot be completed)
function layout.regions(generation, flash_bytes, given, firmware_end)
  local row = row_of(generation)
  check_size(flash_bytes)
  layout.check_flash(generation, flash_bytes)
  local list
  if given and row.table then
    local entries = given.factory and partition.complete(given, flash_bytes) or entries_of(given)
    list = from_table(entries, flash_bytes)
  else
    list = from_row(row, flash_bytes, firmware_end)
  end
  return add_free(list, flash_bytes)
end

--- Sort regions and fill the gaps between them with free ones.
-- @tparam {region,...} regions none of them free
-- @tparam integer flash_bytes
-- @treturn {region,...}
function layout.fill(regions, flash_bytes) return add_free(regions, flash_bytes) end

--- Regions with one in place of those of its name, the gaps filled anew.
-- @tparam {region,...} regions
-- @tparam region found
-- @tparam integer flash_bytes
-- @treturn {region,...}
function layout.replace(regions, found, flash_bytes)
  local list = {}
  for _, r in ipairs(regions) do
    if r.name ~= found.name and r.name ~= "free" then list[#list + 1] = r end
  end
  list[#list + 1] = found
  return add_free(list, flash_bytes)
end

--- The region of a name.
-- @tparam {region,...} regions
-- @tparam string name
-- @treturn table|nil
function layout.find(regions, name)
  for _, r in ipairs(regions) do
    if r.name == name then return r end
  end
end

--- The region in which an address lies.
-- @treturn table|nil
function layout.at(regions, addr)
  for _, r in ipairs(regions) do
    if addr >= r.addr and addr < r.addr + r.size then return r end
  end
end

--- Raise when a generation does not run on a flash of this size.
-- @raise `size`, `usage`
function layout.check_flash(generation, flash_bytes)
  local least = row_of(generation).min_flash
  if least and flash_bytes < least then
    errors.raise("size", ("NodeMCU 3 needs %s of flash, this is %s"):format(
      numbers.size_text(least), numbers.size_text(flash_bytes)),
      { hint = "use a build of NodeMCU 2.2 or 1.5.4.1" })
  end
end

local function address(name, flash_bytes, generation, given)
  local row = row_of(generation)
  check_size(flash_bytes)
  local entry = row.table and given and partition.entry(entries_of(given), name)
  if entry and entry.addr ~= 0 then return entry.addr end
  for _, area in ipairs(row) do
    if area.name == name then return addr_of(area, flash_bytes) end
  end
end

--- Where the firmware looks for its init data.
-- @tparam integer flash_bytes
-- @tparam string generation
-- @tparam[opt] table given partition table (any form)
-- @treturn integer flash address
-- @raise `usage`, `size`
function layout.init_data_address(flash_bytes, generation, given)
  return address("init-data", flash_bytes, generation, given)
end

--- Where the firmware keeps its RF calibration.
-- @treturn integer|nil flash address; nil in generation 0.9, which has none
-- @raise `usage`, `size`
function layout.rf_cal_address(flash_bytes, generation, given)
  return address("rf-cal", flash_bytes, generation, given)
end

--- Where firmware without an existing file system will make one.
-- @tparam string generation
-- @tparam integer flash_bytes
-- @tparam integer firmware_end flash address behind irom
-- @treturn integer|nil address, nil when nothing is left
-- @treturn integer|nil size in bytes
-- @raise `usage`, `size`
function layout.new_file_system(generation, flash_bytes, firmware_end)
  local row = row_of(generation)
  check_size(flash_bytes)
  return new_spiffs(row, flash_bytes, firmware_end)
end

--- Addresses at which firmware of 1.5.4.1 to 2.2 looks for an existing file
-- system, in its order.
-- @tparam integer flash_bytes
-- @tparam integer firmware_end
-- @treturn {integer,...}
function layout.file_system_candidates(flash_bytes, firmware_end)
  local list, first = {}, round_up(firmware_end, SECTOR)
  if flash_bytes - 0x5000 >= 700000 then
    for i = 0, 7 do list[#list + 1] = round_up(first + i * 0x10000, 0x10000) end
  end
  for i = 0, 7 do list[#list + 1] = round_up(first + i * 0x2000, 0x2000) end
  return list
end

--- Regions that a change of generation makes stale: erase them, so that the new
-- firmware does not take old bytes for its own.
-- @tparam string|nil old generation; nil = erased or not known
-- @tparam string new generation
-- @tparam integer flash_bytes
-- @treturn {region,...} whole sectors, to be blank
-- @raise `usage`, `size`
function layout.stale_regions(old, new, flash_bytes)
  check_size(flash_bytes)
  layout.check_flash(new, flash_bytes)
  if old == new then return {} end
  local stale = {}
  if generations[new].table then stale[1] = region("low system data", 0xB000, 0x5000) end
  stale[#stale + 1] = region("system data", flash_bytes - 0x5000, 0x5000)
  return stale
end

return layout
