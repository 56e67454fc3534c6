--- What a flash map can be drawn of: a chip, what a write would make of it, a
-- firmware image, a backup.
-- @module moonflash.map_sources
local backup <const> = require "moonflash.backup"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local files <const> = require "moonflash.files"
local flash_map <const> = require "moonflash.flash_map"
local identify <const> = require "moonflash.identify"
local image_header <const> = require "moonflash.image_header"
local numbers <const> = require "moonflash.numbers"
local parts <const> = require "moonflash.parts"
local report <const> = require "moonflash.report"
local text <const> = require "moonflash.text"

local map_sources = {}

local SECTOR <const>, PAGE <const> = 0x1000, 0x100
local BLANK <const> = ("\xff"):rep(SECTOR)
local BLANK_PAGE <const> = ("\xff"):rep(PAGE)
local BLANK_HASH <const> = esp.crc32(BLANK)

local function firmware_text(facts)
  local firmware = facts.firmware
  return firmware.name .. (not facts.nodemcu and firmware.version and " " .. firmware.version or "")
end

local function model(title, facts, state)
  return flash_map.new { title = title, subtitle = firmware_text(facts), size = facts.flash_bytes,
    regions = flash_map.regions(facts), state = state }
end

-- read(addr, size) and is_blank(addr) of a chip; is_blank is nil without hashes.
local function chip_access(dev)
  local size = dev:flash().size
  local hash = dev.loader:hashes { { addr = 0, size = size } }
  return function(addr, n) return dev:read(addr, n) end,
    hash and function(addr) return hash(addr) == BLANK_HASH end or nil
end

-- Without hashes a sector is what was read of it: to read all would take minutes.
local function state_by_view(view, addr)
  local whole = true
  for at = addr, addr + SECTOR - 1, PAGE do
    if not view:has(at, PAGE) then
      whole = false
    elseif view:get(at, PAGE) ~= BLANK_PAGE then
      return "used"
    end
  end
  return whole and "blank" or "unknown"
end

local function identify_chip(dev, read, is_blank)
  if not is_blank then
    report.warn("this loader has no hashes: what was not read is drawn as not known")
  end
  return identify.flash(read, dev:flash().size, { blank = is_blank, deep = is_blank ~= nil })
end

local function chip_title(dev)
  local flash = dev:flash()
  return ("%s of flash on %s, %s"):format(numbers.size_text(flash.size), dev.chip.mac,
    flash.part or dev.chip.chip)
end

--- The map of a chip.
-- @tparam device dev
-- @treturn table model of @{moonflash.flash_map}
function map_sources.chip(dev)
  local read, is_blank = chip_access(dev)
  local facts = identify_chip(dev, read, is_blank)
  return model(chip_title(dev), facts, function(addr)
    if not is_blank then return state_by_view(facts.view, addr) end
    return is_blank(addr) and "blank" or "used"
  end)
end

-- Flash as it will be: the plan's sectors, what is there elsewhere.
local function planned_access(read, is_blank, by_addr)
  local function sector(addr)
    local planned = by_addr[addr]
    if planned then return planned.data end
    return is_blank and is_blank(addr) and BLANK or read(addr, SECTOR)
  end
  return function(addr, size)
    local pieces = {}
    for at = addr // SECTOR * SECTOR, addr + size - 1, SECTOR do pieces[#pieces + 1] = sector(at) end
    local skip = addr % SECTOR
    return table.concat(pieces):sub(skip + 1, skip + size)
  end, is_blank and function(addr)
    if by_addr[addr] then return by_addr[addr].data == BLANK end
    return is_blank(addr)
  end
end

--- The map of what a write would make of a chip.
-- @tparam device dev
-- @tparam table opt `pairs`, `mode`, `freq`, `size`, `force` as for `write`
-- @tparam {part,...} list from @{moonflash.parts.read}, checked
-- @treturn table model
function map_sources.planned(dev, opt, list)
  parts.must_fit(list, dev:flash())
  parts.patch(list, opt, dev:flash())
  local steps = dev:plan { parts = list, allow_partial = parts.is_partial(list) }
  local by_addr = {}
  for _, sector in ipairs(steps.sectors) do by_addr[sector.addr] = sector end
  local now, is_blank_now = chip_access(dev)
  local read, is_blank = planned_access(now, is_blank_now, by_addr)
  local facts = identify_chip(dev, read, is_blank)
  return model(chip_title(dev) .. ", as planned", facts, function(addr)
    local planned = by_addr[addr]
    if planned and planned.action ~= "skip" then return planned.action end
    if not is_blank then return state_by_view(facts.view, addr) end
    return is_blank(addr) and "blank" or "used"
  end)
end

local function from_backup(path, bytes)
  local b = backup.parse(bytes)
  local held = {}
  b:each(function(addr, data)
    for at = 0, #data - 1, SECTOR do held[addr + at] = data:sub(at + 1, at + SECTOR) end
  end)
  local function read(addr, size)
    local pieces = {}
    for at = addr // SECTOR * SECTOR, addr + size - 1, SECTOR do
      pieces[#pieces + 1] = held[at] or BLANK
    end
    local skip = addr % SECTOR
    return table.concat(pieces):sub(skip + 1, skip + size)
  end
  local facts = identify.flash(read, b.meta.flash.size)
  local title = ("%s: backup of %s"):format(path, text.escape(b.meta.chip.mac))
  return model(title, facts, function(addr)
    local sector = held[addr]
    if not sector then return "unknown" end
    return sector == BLANK and "blank" or "used"
  end)
end

-- The flash a bare file is meant for: what its header says, else the smallest
-- that holds it.
local function flash_for(bytes)
  local size = 0x80000
  if bytes:byte(1) == 0xE9 and #bytes >= 4 then
    size = image_header.decode(bytes:byte(3, 4)).size_bytes or size
  end
  while size < #bytes do size = size * 2 end
  return size
end

local function from_image(path, bytes)
  local size = flash_for(bytes)
  local padded = bytes .. ("\xff"):rep(size - #bytes)
  local facts = identify.backup(padded)
  if facts.firmware.id == "unknown" and bytes:byte(1) ~= 0xE9 then
    errors.raise("image", path .. " is neither a firmware image nor a backup of flash", {
      hint = "'moonflash image info FILE' says what it is" })
  end
  return model(("%s: %s in %s of flash"):format(path, numbers.size_text(#bytes),
    numbers.size_text(size)), facts, function(addr)
    return padded:sub(addr + 1, addr + SECTOR) == BLANK and "blank" or "used"
  end)
end

--- The map of a file: a firmware image, bare bytes of flash, or a backup.
-- @tparam string path
-- @treturn table model
-- @raise `file`, `image`, `toobig`
function map_sources.file(path)
  local bytes = files.firmware(path)
  if backup.is_backup(bytes) then return from_backup(path, bytes) end
  return from_image(path, bytes)
end

return map_sources
