--- Where the regions of a chip are, found from what is in its flash now.
--
-- Reads as little as it can: the boot header and the partition table tell NodeMCU
-- 3.x; only what depends on the generation before that needs the firmware itself
-- to be searched, which @{moonflash.identify} does. Pure: flash comes in through a
-- function.
-- @module moonflash.regions
local errors <const> = require "moonflash.errors"
local flash_view <const> = require "moonflash.flash_view"
local identify <const> = require "moonflash.identify"
local image_header <const> = require "moonflash.image_header"
local init_data <const> = require "moonflash.init_data"
local layout <const> = require "moonflash.layout"
local numbers <const> = require "moonflash.numbers"
local partition <const> = require "moonflash.partition"
local spiffs_find <const> = require "moonflash.spiffs_find"

local regions = {}

local SECTOR <const> = 0x1000
local IROM <const>, MAPPED <const> = 0x10000, 0x100000

--- The names by which regions can be asked for.
regions.names = { "firmware", "rf-cal", "init-data", "system-param", "partition", "lfs", "spiffs" }

-- What is one thing to the user and several regions to the layout.
local MEMBERS <const> = { firmware = { firmware = true, irom = true, partition = true } }

-- These are at the same address in every generation without a partition table, once
-- the firmware goes by the size that the chip has.
local FROM_END <const> = { ["init-data"] = true, ["system-param"] = true }

-- The boot header's fields, nil when there is none.
local function header_of(view)
  local first = view:get(0, 4)
  return first:byte(1) == 0xE9 and image_header.decode(first:byte(3, 4)) or nil
end

-- What the firmware takes for the size of flash: the header's, as far as it
-- makes sense.
local function believed_size(header, flash_size)
  return math.min(header and header.size_bytes or flash_size, flash_size)
end

local function with_table(found)
  found.generation = partition.entry(found.table.entries, "rf-cal").addr == 0xB000
    and "3.0-2019" or "3.x"
  found.regions = layout.regions(found.generation, found.believed, found.table)
  return found
end

-- A file system that the firmware uses is where it is, not where a new one would be.
local function file_system_of(found, facts)
  local fs = facts.file_system
  if found.assumed then
    fs = spiffs_find.installed(facts.view, { generation = found.generation,
      layout_bytes = found.believed, firmware_end = found.firmware_end })
  end
  return fs and fs.reachable and fs or nil
end

-- Firmware without a table, as `identify.flash` understands it. Of what it does not
-- know, and of 3.x whose table is gone, the SDK's places are assumed.
local function with_firmware(found, facts)
  local generation = facts.generation
  found.assumed = not generation or generation:find "^3" ~= nil
  found.generation = found.assumed and "2.x" or generation
  found.text, found.nodemcu = facts.firmware.name, facts.nodemcu ~= nil
  if not found.assumed then found.believed = facts.layout_bytes end
  found.firmware_end = math.min(math.max(numbers.round_up(facts.firmware_end, SECTOR), IROM),
    MAPPED, found.believed - 0x5000)
  found.regions = layout.regions(found.generation, found.believed, nil, found.firmware_end)
  local fs = file_system_of(found, facts)
  if fs then
    found.spiffs_found = true
    found.regions = layout.replace(found.regions, { name = "spiffs", addr = fs.addr,
      size = fs.size }, found.believed)
  end
  return found
end

local function without_table(found, read)
  if found.header then return with_firmware(found, identify.flash(read, found.flash_size)) end
  found.generation, found.assumed = "2.x", true
  found.text, found.nodemcu = "no firmware", false
  found.regions = layout.regions("2.x", found.believed)
  return found
end

--- What is known without searching the firmware.
-- @tparam function read flash: read(addr, size) -> bytes
-- @tparam integer flash_size
-- @treturn table { header, believed (flash size by the header), table (result of
-- `partition.read`, or nil), and with a table all of @{regions.identify} }
function regions.quick(read, flash_size)
  local view = flash_view.new(read, flash_size)
  local found = { header = header_of(view), flash_size = flash_size }
  found.believed = believed_size(found.header, flash_size)
  local sector = flash_size > partition.ADDR and found.header
    and view:get(partition.ADDR, partition.SECTOR)
  found.table = sector and partition.read(sector) or nil
  if found.table then
    found.text, found.nodemcu = "NodeMCU 3", true
    return with_table(found)
  end
  return found
end

--- All that is known of what lies where.
-- @tparam function read flash: read(addr, size) -> bytes
-- @tparam integer flash_size
-- @treturn table { generation, assumed (true when nothing proves it), text,
-- nodemcu (boolean), believed, header, table, firmware_end, spiffs_found,
-- regions (as `layout.regions`) }
-- @raise `plan` when a partition table contradicts itself
function regions.identify(read, flash_size)
  local found = regions.quick(read, flash_size)
  if not found.table then return without_table(found, read) end
  found.text = identify.flash(read, flash_size).firmware.name
  return found
end

--- The ranges of a name in a list of regions.
-- @tparam {region,...} list
-- @tparam string name one of `regions.names`; firmware is several regions
-- @treturn {range,...} { name, addr, size }; may be empty
function regions.pick(list, name)
  local members, out = MEMBERS[name], {}
  for _, r in ipairs(list) do
    if r.name == name or members and members[r.name] then
      out[#out + 1] = { name = name, addr = r.addr, size = r.size }
    end
  end
  return out
end

local function none(name, found)
  local hint = "'moonflash partition show' and 'moonflash info' tell what there is"
  if name == "lfs" and not found.table then
    hint = "NodeMCU before 3 keeps its store inside the firmware"
  elseif name == "rf-cal" and found.generation == "0.9" then
    hint = "NodeMCU before 1.5.4.1 has no such region"
  end
  errors.raise("plan", ("there is no region '%s' in this flash (%s)"):format(name,
    found.text or "not searched"), { hint = hint })
end

--- The ranges of a region by its name.
-- @tparam function read flash
-- @tparam integer flash_size
-- @tparam string name one of `regions.names`
-- @treturn {range,...} { name, addr, size }, whole sectors, ascending
-- @treturn table what was identified, for messages
-- @raise `usage` for an unknown name, `plan` when this flash has no such region
function regions.find(read, flash_size, name)
  regions.check_name(name)
  local found = regions.quick(read, flash_size)
  if not found.table and FROM_END[name] and found.believed == flash_size then
    found.regions = layout.regions("2.x", found.believed)
    found.text = found.header and "no partition table" or "no firmware"
  elseif not found.table then
    found = without_table(found, read)
    if not found.header and name ~= "rf-cal" then none(name, found) end
  end
  local list = regions.pick(found.regions, name)
  if #list == 0 then none(name, found) end
  return list, found
end

--- Raises when there is no region of that name at all.
-- @raise `usage`
function regions.check_name(name)
  for _, known in ipairs(regions.names) do
    if known == name then return name end
  end
  errors.raise("usage", ("there is no region '%s'"):format(name),
    { hint = "regions are " .. table.concat(regions.names, ", ") })
end

--- Understands a word that names flash: a region, `all`, ADDR+SIZE or FROM..TO.
-- @tparam string word
-- @treturn table { name } or { name, addr, size }; size "all" = to the end
-- @raise `usage`, `align`
function regions.parse(word)
  if word == "all" then return { name = "all", addr = 0, size = "all" } end
  local first, sign, second = word:match("^(%w+)([+.]%.?)(%w+)$")
  if not first then return { name = regions.check_name(word) } end
  local addr = numbers.parse(first, "address")
  local size = second == "all" and "all"
    or numbers.parse(second, sign == "+" and "size" or "address")
  if sign ~= "+" and size ~= "all" then size = size + 1 - addr end
  if addr % SECTOR ~= 0 or size ~= "all" and (size <= 0 or size % SECTOR ~= 0) then
    errors.raise("align", ("%s: flash is handled in whole sectors of 4096 bytes"):format(word),
      { hint = "0x10000+64k, or 0x10000..0x1ffff with the last byte included" })
  end
  return { name = word, addr = addr, size = size }
end

--- The ranges that words of @{regions.parse} stand for on a chip.
-- @tparam {table,...} words
-- @tparam function read flash
-- @tparam integer flash_size
-- @treturn {range,...}
-- @raise as @{regions.find}; `range`
function regions.resolve(words, read, flash_size)
  local list = {}
  for _, word in ipairs(words) do
    if word.addr then
      local size = word.size == "all" and flash_size - word.addr or word.size
      if size <= 0 or word.addr + size > flash_size then
        errors.raise("range", ("%s is outside this chip's %s of flash"):format(word.name,
          numbers.size_text(flash_size)))
      end
      list[#list + 1] = { name = word.name, addr = word.addr, size = size }
    else
      for _, r in ipairs((regions.find(read, flash_size, word.name))) do list[#list + 1] = r end
    end
  end
  return list
end

--- Regions as plain data: names, addresses and sizes only.
function regions.plain(list)
  local out = {}
  for i, r in ipairs(list) do out[i] = { name = r.name, addr = r.addr, size = r.size } end
  return out
end

--- Is there init data at an address that firmware starts with?
-- @tparam function read flash
-- @tparam integer addr
-- @treturn table as `init_data.classify`
function regions.init_data(read, addr)
  return init_data.classify(read(addr, init_data.SIZE))
end

return regions
