--- Where a chip's file system is, and where a firmware will look for one. Pure.
-- Rules of nodemcu-firmware's app/platform and app/spiffs, per generation.
-- @module moonflash.spiffs_find

local layout = require "moonflash.layout"
local numbers = require "moonflash.numbers"
local partition = require "moonflash.partition"
local spiffs = require "moonflash.spiffs"
local spiffs_format = require "moonflash.spiffs_format"
local spiffs_medium = require "moonflash.spiffs_medium"
local spiffs_read = require "moonflash.spiffs_read"

local spiffs_find = {}

local PAGE <const>, SECTOR <const> = 0x100, 0x1000
local IROM <const> = 0x10000
local OLD_ALIGN <const> = 0x4000      -- 0.9.5 to 1.5.1 start at such an address
local SEARCH_END <const> = 0x180000   -- no firmware looks further than this

local round_up <const> = numbers.round_up

-- A part of the flash as a medium for the file system code.
local function part_medium(view, addr, size)
  return spiffs_medium.new({ size = size,
    read = function(at, n) return view:get(addr + at, n) end }, PAGE)
end

-- Do the first blocks' magics fit together? Looks at three pages at most, which
-- tells nearly all other contents apart.
local function has_magics(view, addr, block)
  local words = {}
  for i = 0, 2 do
    local word = view:get(addr + i * block + 0xFC, 2)
    if #word < 2 then return false end
    words[i + 1] = ("<I2"):unpack(word)
  end
  return spiffs_format.count_blocks("linear", words) ~= nil
    or spiffs_format.count_blocks("skewed", words) ~= nil
end

-- The file system with a magic that starts at an address.
local function magic_at(view, addr)
  if not (has_magics(view, addr, 0x2000) or has_magics(view, addr, 0x1000)) then return nil end
  local geo = spiffs_read.probe(part_medium(view, addr, view.size - addr))
  return geo and geo.flavour.magic and geo or nil
end

local function describe(addr, geo, area, reachable, confidence)
  return { addr = addr, size = geo.size, area = area, flavour = geo.flavour.id,
    block = geo.block, blocks = geo.blocks, reachable = reachable, confidence = confidence }
end

--- The addresses at which a generation looks for its file system, in its order.
-- @tparam string generation
-- @tparam integer flash_bytes as the firmware believes
-- @tparam integer firmware_end
-- @tparam[opt] {entry,...} entries complete partition table of 3.x
-- @treturn {integer,...}
function spiffs_find.candidates(generation, flash_bytes, firmware_end, entries)
  if entries then
    local entry = partition.entry(entries, "spiffs")
    return entry and entry.size > 0 and { round_up(entry.addr, 0x2000) } or {}
  elseif generation == "2.x" then
    return layout.file_system_candidates(flash_bytes, firmware_end)
  elseif generation == "0.9" then
    return { round_up(round_up(firmware_end, SECTOR), OLD_ALIGN) }
  end
  local addr = layout.new_file_system(generation, flash_bytes, firmware_end)
  return addr and { addr } or {}
end

--- The area that a file system may fill from an address on.
-- @treturn integer bytes; 0 when there is none
function spiffs_find.area(generation, flash_bytes, addr, entries)
  local last = flash_bytes - ({ ["0.9"] = 0x4000, ["2.x"] = 0x5000, ["3.x"] = 0x3000,
    ["3.0-2019"] = 0 })[generation]
  local entry = entries and partition.entry(entries, "spiffs")
  if entry then last = math.min(last, entry.addr + entry.size) end
  local unit = generation == "0.9" and 0x1000 or 0x2000
  return math.max(0, (last - addr) // unit * unit)
end

-- File systems without magic start where the firmware's end is rounded to.
local function without_magic(view, facts)
  local size = facts.layout_bytes
  local addr = spiffs_find.candidates("0.9", size, facts.firmware_end)[1]
  local area = spiffs_find.area("0.9", size, addr)
  if area < 4 * SECTOR then return nil end
  local geo = spiffs_read.probe(part_medium(view, addr, area))
  if geo and not geo.flavour.magic then return describe(addr, geo, area, true, "likely") end
end

--- Does a sector begin with a lookup page of a file system of 4096-byte blocks
-- without magic? At most 15 entries, then blank but for the erase count.
-- @tparam flash_view view
-- @tparam integer addr of a sector
-- @treturn boolean
function spiffs_find.is_lookup(view, addr)
  local page = view:get(addr, PAGE)
  return page:sub(31, 254) == ("\xff"):rep(224)
end

local function first_magic(view, first, last, step)
  for addr = first, last, step do
    if not view:is_blank(addr) then
      local geo = magic_at(view, addr)
      if geo then return addr, geo end
    end
  end
end

-- Any file system with a magic, wherever it is.
local function anywhere(view)
  local last = math.min(view.size, SEARCH_END)
  local addr, geo = first_magic(view, 2 * IROM, last - IROM, IROM)
  if not addr then addr, geo = first_magic(view, IROM + 0x2000, last - 0x2000, 0x2000) end
  return addr, geo
end

-- The rest of a file system looks like a whole one from any block on: the start
-- is the lowest address at which it does.
local function back_to_start(view, addr, geo)
  while addr - geo.block > IROM do
    local before = magic_at(view, addr - geo.block)
    -- a blank block before the start would do as one whose erasing was cut short
    local erased = view:get(addr - geo.block + 0xFC, 2) == "\xff\xff"
    if not before or erased or before.block ~= geo.block or before.flavour ~= geo.flavour
      or before.blocks ~= geo.blocks + 1 then
      break
    end
    addr, geo = addr - geo.block, before
  end
  return addr, geo
end

-- Where 2.x keeps its files. Small chips have them right behind the firmware, so
-- that contents alone do not tell where one ends and the other begins.
local function of_2x(view, facts)
  local generation, size, last = facts.generation, facts.layout_bytes, facts.firmware_end
  local addr, geo
  if size - 0x5000 < 700000 then addr, geo = first_magic(view, IROM + 0x2000, last, 0x2000) end
  for _, start in ipairs(addr and {} or spiffs_find.candidates(generation, size, last)) do
    geo = start < view.size and magic_at(view, start)
    if geo then
      addr, geo = back_to_start(view, start, geo)
      break
    end
  end
  local certain = addr ~= nil
  if not addr then addr, geo = anywhere(view) end
  if not addr then return nil end
  local reachable = certain or addr <= last      -- no gap between firmware and file system
  return describe(addr, geo, spiffs_find.area(generation, size, addr), reachable,
    certain and "certain" or reachable and "likely" or "guess")
end

local function entries_of(facts)
  local read = facts.partition
  if not read then return nil end
  if not read.factory then return read.entries end
  local ok, entries = pcall(partition.complete, read, facts.layout_bytes)
  return ok and entries or {}
end

--- The file system that is installed on a chip.
-- @tparam flash_view view
-- @tparam table facts generation, layout_bytes, firmware_end, partition
-- @treturn table|nil addr; size; area (what the firmware could use there);
-- flavour (id of `spiffs_format.flavours`); block; blocks; reachable (false: the
-- firmware does not look there); confidence
function spiffs_find.installed(view, facts)
  local generation, size = facts.generation, facts.layout_bytes
  if generation == "0.9" then return without_magic(view, facts) end
  if generation == "2.x" then return of_2x(view, facts) end
  local entries = entries_of(facts)
  for _, addr in ipairs(spiffs_find.candidates(generation, size, facts.firmware_end, entries)) do
    local geo = addr < view.size and magic_at(view, addr)
    if geo then
      return describe(addr, geo, spiffs_find.area(generation, size, addr, entries), true, "certain")
    end
  end
end

--- Opens a file system for reading.
-- @tparam flash_view view
-- @tparam table found from `installed`
-- @treturn fs as `spiffs.open`
function spiffs_find.open(view, found)
  local geo = spiffs.geometry { size = found.size, block = found.block, flavour = found.flavour,
    found = true }
  return spiffs.open({ size = found.size,
    read = function(at, n) return view:get(found.addr + at, n) end },
    { geometry = geo, grain = PAGE })
end

--- Counts files and pages; sets `files`, `used`, `total` (bytes) of a file
-- system found.
function spiffs_find.usage(view, found)
  local fs = spiffs_find.open(view, found)
  local space = fs:space()
  found.files, found.used, found.total = #fs:list(), space.used, space.total
end

--- Does a file system with a magic start here?
-- @tparam flash_view view
-- @tparam integer addr
-- @treturn table|nil its geometry
spiffs_find.magic_at = magic_at

return spiffs_find
