--- What is in a chip's flash: which firmware, its layout, the state of its init
-- data, file system and Lua Flash Store. Reads as little as it can. Pure.
--
-- Flash comes in through a function; the same identification serves a chip, a
-- backup and a file. What is not certain says so: `certain` rests on a structure
-- that only this can have made, `likely` on text or on where the firmware would
-- look, `guess` on what is left.
-- @module moonflash.identify

local flash_view = require "moonflash.flash_view"
local image_header = require "moonflash.image_header"
local image_parse = require "moonflash.image_parse"
local init_data = require "moonflash.init_data"
local layout = require "moonflash.layout"
local nodemcu = require "moonflash.nodemcu"
local numbers = require "moonflash.numbers"
local partition = require "moonflash.partition"
local spiffs_find = require "moonflash.spiffs_find"

local identify = {}

local SECTOR <const> = 0x1000
local IROM <const> = 0x10000
local MAPPED_END <const> = 0x100000     -- firmware ends below
local WINDOW <const> = 0x10000          -- searched at once
local OVERLAP <const> = 0x800           -- longest text that may lie across two windows

-- Firmware other than NodeMCU, the more special ones first: text that only it
-- has, and where its version is.
local others = {
  { id = "tasmota", name = "Tasmota", sign = "Tasmota", version = "Tasmota (%d+%.%d+[%d.]*)" },
  { id = "esphome", name = "ESPHome", sign = "ESPHome version",
    version = "ESPHome version (%d+%.%d+[%d.]*)" },
  { id = "espeasy", name = "ESP Easy", sign = "ESP Easy" },
  { id = "wled", name = "WLED", sign = "WLED-AP" },
  { id = "micropython", name = "MicroPython", sign = "MicroPython ",
    version = "MicroPython v?(%d+%.%d+[%d.]*)" },
  { id = "espruino", name = "Espruino", sign = "espruino.com" },
  { id = "at", name = "Espressif AT firmware", sign = "AT version:",
    version = "AT version:(%d+%.%d+[%d.]*)" },
}

local by_kind = {
  eboot = { id = "arduino", name = "a program made with the Arduino core" },
  rtos = { id = "rtos", name = "a program made with ESP8266_RTOS_SDK" },
  rboot = { id = "rboot", name = "a program started by rBoot" },
  boot = { id = "sdk", name = "a program with Espressif's boot loader" },
  v1 = { id = "ram", name = "a program that runs in RAM alone" },
  combined = { id = "sdk", name = "a program made with Espressif's SDK" },
  v2 = { id = "sdk", name = "an application without its boot loader" },
}

local function warn(facts, ...) facts.warnings[#facts.warnings + 1] = string.format(...) end

local function read_header(view, facts)
  local head = view:get(0, 16)
  if head:byte(1) ~= 0xE9 and head:byte(1) ~= 0xEA then return false end
  facts.header = image_header.decode(head:byte(3, 4))
  return true
end

-- Where an image ends, by its segments' headers alone.
local function image_end(view, base)
  local count, offset = view:get(base, 8):byte(2) or 0, base + 8
  for _ = 1, math.min(count, 16) do
    if offset + 8 > math.min(MAPPED_END, view.size) then break end
    local _, size = ("<I4I4"):unpack(view:get(offset, 8))
    offset = offset + 8 + size
  end
  return math.min((offset | 15) + 1, MAPPED_END, view.size)
end

-- Reads as much of the image at 0, and of one behind a boot loader, as it takes
-- to tell its kind.
local function read_boot_image(view)
  local last = image_end(view, 0)
  view:get(0, math.min(last, IROM))
  if last > SECTOR or view.size < 0x3000 then return last end
  local magic = view:get(SECTOR, 16):byte(1)
  view:get(2 * SECTOR, 16)
  if magic == 0xE9 then return image_end(view, SECTOR) end
  return last
end

-- Blank flash: nothing at 0, and nothing where anything else would be.
local function is_blank_chip(view, flash_bytes)
  for _, addr in ipairs { 0, SECTOR, IROM, IROM + SECTOR, flash_bytes - 0x5000,
    flash_bytes - 0x4000, flash_bytes - 0x3000, flash_bytes - SECTOR } do
    if not view:is_blank(addr) then return false end
  end
  return true
end

-- Where firmware ends that is written from IROM on without a gap.
local function first_blank(view)
  for addr = IROM, math.min(MAPPED_END, view.size) - SECTOR, SECTOR do
    if view:is_blank(addr) then return addr end
  end
  return math.min(MAPPED_END, view.size)
end

-- The same, less a file system without magic right behind it.
local function firmware_sectors(view)
  local addr = math.min(first_blank(view), view.size - 0x4000)
  while addr - SECTOR > IROM and spiffs_find.is_lookup(view, addr - SECTOR) do
    addr = addr - SECTOR
  end
  return addr
end

-- The last sector with contents below an address.
local function contents_below(view, addr)
  while addr > IROM and view:is_blank(addr - SECTOR) do addr = addr - SECTOR end
  return addr
end

local function other_firmware(bytes)
  for _, other in ipairs(others) do
    if bytes:find(other.sign, 1, true) then
      return { id = other.id, name = other.name,
        version = other.version and bytes:match(other.version) or nil, confidence = "likely" }
    end
  end
end

-- Looks through firmware from its end, where its texts are, until it is known.
local function search(view, low_end, first, last, table_read)
  local gathered, found, other = view:get(0, math.min(low_end, IROM)), nil, nil
  local head = gathered
  found, other = nodemcu.identify(head, { partition = table_read }), other_firmware(head)
  local at = last
  while at > first and not (found and found.sdk and (found.version or found.banner) or other) do
    local from = math.max(first, at - WINDOW)
    gathered = view:get(from, at - from) .. gathered:sub(#head + 1)
    gathered = head .. gathered
    local window = gathered:sub(1, #head + at - from + OVERLAP)
    other = not found and other_firmware(window) or nil
    found = nodemcu.identify(found and gathered or window, { partition = table_read })
    at = from
  end
  return found, other, gathered
end

-- The range that may hold text of a firmware of this kind.
local function text_range(view, kind, low_end, table_read)
  if table_read then
    local irom = partition.entry(table_read.entries, "irom")
    local last = table_read.firmware_end
      or irom and irom.size > 0 and irom.addr + irom.size or MAPPED_END
    return IROM, math.min(last, view.size, MAPPED_END)
  elseif kind == "nodemcu" or kind == "combined" then
    return IROM, firmware_sectors(view)
  end
  return math.min(low_end, SECTOR), low_end
end

local function find_firmware(view, facts, deep)
  local low_end = read_boot_image(view)
  local table_read = view.size > IROM and partition.read(view:get(IROM, SECTOR)) or nil
  facts.partition = table_read
  local parsed = image_parse.parse(view:sparse(0, math.min(view.size, MAPPED_END)))
  facts.kind = parsed.kind
  local first, last = text_range(view, parsed.kind, low_end, table_read)
  facts.firmware_end = last
  local found, other
  if deep then
    found, other, view.text = search(view, low_end, first, last, table_read)
  elseif table_read then
    found = nodemcu.identify(view:get(0, low_end), { partition = table_read })
  end
  facts.nodemcu = found
  if found then
    facts.generation = found.generation
    return { id = "nodemcu", name = nodemcu.describe(found), version = found.version,
      confidence = (found.banner or table_read) and "certain" or "likely" }
  end
  local firmware = other or by_kind[parsed.kind]
  if not firmware then
    return { id = "unknown", name = "unknown firmware", confidence = "guess" }
  end
  firmware.sdk = deep and view.text and nodemcu.sdk_version(view.text) or nil
  return { id = firmware.id, name = firmware.name, version = firmware.version,
    sdk = firmware.sdk, confidence = deep and (firmware.confidence or "likely") or "guess" }
end

-- Firmware up to 2.x corrects a wrong size at its first start. Until then the
-- header says one thing and flash will be used by another; init data tells which.
local function corrects_size(view, facts)
  local believed, real = facts.believed_bytes, facts.flash_bytes
  if facts.partition or believed >= real then return false end
  if facts.firmware_end > believed - 0x5000 then return true end
  local function healthy(size)
    local health = init_data.classify(view:get(size - 0x4000, init_data.SIZE)).health
    return health ~= "blank" and health ~= "foreign"
  end
  return healthy(real) and not healthy(believed)
end

-- The flash size that the installed firmware goes by. Builds of NodeMCU up to
-- 1.5.1 wrote code 5 for 8 MB and 6 for 16 MB.
local function believed_size(facts)
  local header = facts.header
  if facts.generation == "0.9" and header.size_code == 5 and facts.flash_bytes >= 0x800000 then
    return 0x800000
  elseif facts.generation == "0.9" and header.size_code == 6
    and facts.flash_bytes >= 0x1000000 then
    return 0x1000000
  end
  return header.size_bytes or facts.flash_bytes
end

local function check_sizes(facts)
  local header, real = facts.header, facts.flash_bytes
  if not header.size_bytes then
    warn(facts, "the boot header's flash size code %d means nothing", header.size_code)
  elseif facts.believed_bytes > real then
    warn(facts, "the boot header says %s of flash, the chip has %s: the firmware uses flash that"
      .. " is not there", header.size, numbers.size_text(real))
  elseif facts.believed_bytes < real then
    warn(facts, "the boot header says %s of flash, the chip has %s: %s", header.size,
      numbers.size_text(real), facts.layout_bytes == real and "the firmware corrects it at its"
      .. " next start" or "the rest lies idle")
  end
end

local function check_init_data(view, facts)
  local at = layout.init_data_address(facts.layout_bytes, facts.generation, facts.partition)
  if at + init_data.SIZE > view.size then return end
  local found = init_data.classify(view:get(at, init_data.SIZE))
  facts.init_data = { addr = at, health = found.health, text = found.text, version = found.version,
    variant = found.variant and found.variant.id or nil, vdd33 = found.vdd33,
    crystal = found.crystal, confidence = found.health == "foreign" and "likely" or "certain" }
  local needs = facts.generation ~= "0.9"
  if found.health == "blank" and needs then
    facts.init_data.note = "the firmware writes its own at the next start, unless it is NodeMCU"
      .. " 1.5.4.1 of before December 2016"
  elseif found.health == "foreign" or found.health == "old" and needs then
    warn(facts, "init data at %s: %s", numbers.hex(at), found.text)
  end
end

local lfs_signs = {
  [0x50] = { "float (unpacked)", false }, [0x52] = { "integer", false },
  [0x54] = { "float", false },
}

-- What the first bytes of a Lua Flash Store say.
local function read_lfs(view, addr, size)
  local lfs = { addr = addr, size = size, state = "empty", confidence = "certain" }
  local sign, bytes = ("<I4I4"):unpack(view:get(addr, 8))
  if sign == 0xFFFFFFFF or sign == 0 then return lfs end
  lfs.state = "foreign"
  if sign & 0xFFFFF000 ~= 0xFAFAA000 then return lfs end
  local flags = lfs_signs[sign & 0xF6]
  lfs.lua = ({ [0x100] = "5.1", [0x200] = "5.3" })[sign & 0xF00]
  if not (flags and lfs.lua) then return lfs end
  lfs.number_type, lfs.bytes = lfs.lua == "5.1" and flags[1] or nil, bytes
  lfs.state = sign & 8 ~= 0 and "interrupted" or bytes > size and "too long" or "valid"
  return lfs
end

-- In 2.x the store is a reserved tail of irom, known by its signature alone.
local function find_lfs_2x(view, facts)
  for addr = IROM + SECTOR, facts.firmware_end - SECTOR, SECTOR do
    if view:has(addr, 8) then
      local lfs = read_lfs(view, addr, facts.firmware_end - addr)
      if lfs.state == "valid" or lfs.state == "interrupted" then
        lfs.confidence = "likely"
        return lfs
      end
    end
  end
end

local function check_lfs(view, facts)
  local entry = facts.partition and partition.entry(facts.partition.entries, "lfs")
  if entry and not facts.partition.factory and entry.size > 0
    and entry.addr + entry.size <= view.size then
    facts.lfs = read_lfs(view, entry.addr, entry.size)
  elseif facts.generation == "2.x" then
    facts.lfs = find_lfs_2x(view, facts)
  end
  if facts.lfs and facts.lfs.state ~= "valid" and facts.lfs.state ~= "empty" then
    warn(facts, "the Lua Flash Store at %s is %s", numbers.hex(facts.lfs.addr), facts.lfs.state)
  end
end

local function find_regions(facts)
  local ok, regions = pcall(layout.regions, facts.generation, facts.layout_bytes, facts.partition,
    facts.firmware_end)
  if not ok then
    warn(facts, "%s", tostring(regions))
    return
  end
  if facts.file_system then
    regions = layout.replace(regions, { name = "spiffs", addr = facts.file_system.addr,
      size = facts.file_system.size, note = "file system" }, facts.flash_bytes)
  end
  facts.regions = layout.fill(regions, facts.flash_bytes)
end

local function check_file_system(view, facts, usage)
  local fs = spiffs_find.installed(view, facts)
  facts.file_system = fs
  if not fs then return end
  if facts.generation ~= "3.x" and facts.generation ~= "3.0-2019" and fs.addr > IROM then
    facts.firmware_end = contents_below(view, math.min(facts.firmware_end, fs.addr))
  end
  if usage then spiffs_find.usage(view, fs) end
end

local function look_at_nodemcu(view, facts, opts)
  local real = facts.flash_bytes
  facts.believed_bytes = believed_size(facts)
  facts.layout_bytes = math.min(facts.believed_bytes, real)
  if corrects_size(view, facts) then facts.layout_bytes = real end
  check_sizes(facts)
  check_init_data(view, facts)
  check_file_system(view, facts, opts.usage)
  check_lfs(view, facts)
  find_regions(facts)
end

--- Identify what is in flash.
-- @tparam function read `read(addr, size)` gives so many bytes
-- @tparam integer flash_bytes size of the chip, or of the backup
-- @tparam[opt] table opts `blank(addr)`: is the sector at addr known to be blank
-- (true, false, nil); `deep` = false leaves out the search through the firmware's
-- text (slow through a loader without compression); `usage` = true counts the
-- files; `deep` = true is the default
-- @treturn table flash_bytes; blank (true for an erased chip); header (nil, or
-- mode, freq, size, size_bytes, ...); firmware = { id, name, version, sdk,
-- confidence } with id nodemcu, at, arduino, tasmota, esphome, espeasy, wled,
-- micropython, espruino, rtos, rboot, sdk, ram, blank or unknown; kind (of
-- `image.parse`); warnings; view (to read more); and for NodeMCU
--
-- * `nodemcu` (as `nodemcu.identify`), `generation`, `partition`
-- * `believed_bytes`: flash size that the firmware goes by
-- * `firmware_end`: flash address behind its last sector
-- * `init_data` = { addr, health, text, variant, note, confidence }
-- * `file_system` = { addr, size, area, flavour, block, blocks, reachable,
--   confidence; with `usage` files, used, total }
-- * `lfs` = { addr, size, state ("empty", "valid", "interrupted", "foreign",
--   "too long"), lua, number_type, bytes, confidence }
-- * `regions` as `layout.regions`, of the whole chip
function identify.flash(read, flash_bytes, opts)
  opts = opts or {}
  local view = flash_view.new(read, flash_bytes, opts.blank)
  local facts = { flash_bytes = flash_bytes, warnings = {}, view = view }
  if read_header(view, facts) then
    facts.firmware = find_firmware(view, facts, opts.deep ~= false)
    if facts.generation then look_at_nodemcu(view, facts, opts) end
  elseif is_blank_chip(view, flash_bytes) then
    facts.blank = true
    facts.firmware = { id = "blank", name = "none: the flash is blank", confidence = "likely" }
  else
    facts.firmware = { id = "unknown", name = "none that boots: no image at address 0",
      confidence = "certain" }
  end
  return facts
end

--- Identify a backup of a whole chip.
-- @tparam string bytes
-- @tparam[opt] table opts as `identify.flash`
-- @return as `identify.flash`
function identify.backup(bytes, opts)
  return identify.flash(function(addr, size) return bytes:sub(addr + 1, addr + size) end, #bytes,
    opts)
end

return identify
