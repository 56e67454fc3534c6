--- Where the regions of a chip are, found from what is in its flash now.
--
-- Reads as little as it can: the boot header and the partition table tell NodeMCU
-- 3.x; only what depends on the generation before that needs the firmware itself
-- to be searched. Pure: flash comes in through a function.
-- @module moonflash.regions
local errors <const> = require "moonflash.errors"
local image_header <const> = require "moonflash.image_header"
local init_data <const> = require "moonflash.init_data"
local layout <const> = require "moonflash.layout"
local nodemcu <const> = require "moonflash.nodemcu"
local numbers <const> = require "moonflash.numbers"
local partition <const> = require "moonflash.partition"

local regions = {}

local SECTOR <const> = 0x1000
local MAPPED <const> = 0x100000
local BLANK <const> = ("\xff"):rep(SECTOR)
local SPIFFS_MAGIC <const>, SPIFFS_MAGIC_AT <const> = 0x0429, 0xFC

--- The names by which regions can be asked for.
regions.names = { "firmware", "rf-cal", "init-data", "system-param", "partition", "lfs", "spiffs" }

-- What is one thing to the user and several regions to the layout.
local MEMBERS <const> = { firmware = { firmware = true, irom = true, partition = true } }

-- These are at the same address in every generation without a partition table.
local FROM_END <const> = { ["init-data"] = true, ["system-param"] = true }

-- A reader that keeps sectors it has seen, and asks for neighbours at once.
local function cached(read)
  local known = {}
  local function fetch(from, to)
    if from == to then return end
    local bytes = read(from, to - from)
    for at = from, to - 1, SECTOR do
      known[at] = bytes:sub(at - from + 1, at - from + SECTOR)
    end
  end
  return function(addr, size)
    local first, last = addr // SECTOR * SECTOR, (addr + size - 1) // SECTOR * SECTOR
    local pieces, missing = {}, first
    for at = first, last, SECTOR do
      if known[at] then
        fetch(missing, at)
        missing = at + SECTOR
      end
    end
    fetch(missing, last + SECTOR)
    for at = first, last, SECTOR do pieces[#pieces + 1] = known[at] end
    return table.concat(pieces):sub(addr % SECTOR + 1, addr % SECTOR + size)
  end
end

-- The boot header's fields, nil when there is none.
local function header_of(read)
  local first = read(0, 4)
  return first:byte(1) == 0xE9 and image_header.decode(first:byte(3, 4)) or nil
end

-- What the firmware takes for the size of flash: the header's, as far as it
-- makes sense. Builds up to 1.5.1 meant 8 and 16 MB by the codes 5 and 6.
local function believed_size(header, flash_size, generation)
  local code = header and header.size_code
  local size = header and header.size_bytes or flash_size
  if generation == "0.9" and (code == 5 or code == 6) and flash_size >= 0x800000 then
    size = code == 5 and 0x800000 or 0x1000000
  end
  return math.min(size, flash_size)
end

-- Blocks of a file system by the magic of its first three; nil when there is none.
-- The two ways in which firmware counts down from the number of blocks.
local function spiffs_blocks(read, addr, block, limit)
  if addr + 3 * block > limit then return nil end
  local c = {}
  for i = 0, 2 do
    c[i] = ("<I2"):unpack(read(addr + i * block + SPIFFS_MAGIC_AT, 2)) ~ SPIFFS_MAGIC
  end
  local first, second = c[0] - c[1], c[1] - c[2]
  local good = first == 1 and (second == 1 or second == 2)
  if good and c[0] >= 3 and addr + c[0] * block <= limit then return c[0] end
end

local function find_spiffs(read, flash_size, firmware_end)
  for _, addr in ipairs(layout.file_system_candidates(flash_size, firmware_end)) do
    for _, block in ipairs { 0x2000, 0x1000 } do
      local blocks = spiffs_blocks(read, addr, block, flash_size - 0x5000)
      if blocks then return { name = "spiffs", addr = addr, size = blocks * block } end
    end
  end
end

-- The end of firmware without a table: the first blank sector, or the first block
-- of a file system, behind the start of the code that runs from flash.
local function end_of_firmware(read, limit)
  for addr = 0x10000, limit - 1, SECTOR do
    if read(addr, SECTOR) == BLANK then return addr end
    if addr > 0x10000 and (spiffs_blocks(read, addr, 0x2000, limit)
      or spiffs_blocks(read, addr, 0x1000, limit)) then
      return addr
    end
  end
  return limit
end

local function describe(found, generation)
  if found then return nodemcu.describe(found) end
  return generation == "erased" and "no firmware" or "unknown firmware"
end

local function with_table(found, read)
  found.generation = partition.entry(found.table.entries, "rf-cal").addr == 0xB000
    and "3.0-2019" or "3.x"
  found.regions = layout.regions(found.generation, found.believed, found.table)
  found.read = read
  return found
end

-- A file system that is there is where it is, not where a new one would be.
local function with_spiffs(list, spiffs, flash_size)
  local kept = {}
  for _, r in ipairs(list) do
    if r.name ~= "free" and r.name ~= "spiffs" then kept[#kept + 1] = r end
  end
  kept[#kept + 1] = spiffs
  table.sort(kept, function(a, b) return a.addr < b.addr end)
  local all, at = {}, 0
  for _, r in ipairs(kept) do
    if r.addr > at then all[#all + 1] = { name = "free", addr = at, size = r.addr - at } end
    all[#all + 1] = r
    at = r.addr + r.size
  end
  if at < flash_size then all[#all + 1] = { name = "free", addr = at, size = flash_size - at } end
  return all
end

local function without_table(found, read, flash_size)
  local what = found.header and nodemcu.identify(read(0, math.min(MAPPED, flash_size)))
  found.assumed = not (what and what.generation)
  found.generation = what and what.generation or "2.x"
  found.text = what and nodemcu.describe(what) or found.header and "unknown firmware"
    or "no firmware"
  found.nodemcu = what ~= nil
  if found.generation:find "^3" then     -- its table is gone: only the old places are known
    found.generation, found.assumed = "2.x", true
  end
  found.believed = believed_size(found.header, flash_size, found.generation)
  local limit = math.min(MAPPED, found.believed - 0x5000)
  found.firmware_end = found.header and end_of_firmware(read, limit) or nil
  found.regions = layout.regions(found.generation, found.believed, nil, found.firmware_end)
  local spiffs = found.generation == "2.x" and found.firmware_end
    and find_spiffs(read, found.believed, found.firmware_end)
  if spiffs then
    found.spiffs_found = true
    found.regions = with_spiffs(found.regions, spiffs, found.believed)
  end
  return found
end

--- What is known without searching the firmware.
-- @tparam function read flash: read(addr, size) -> bytes
-- @tparam integer flash_size
-- @treturn table { header, believed (flash size by the header), table (result of
-- `partition.read`, or nil), and with a table all of @{regions.identify} }
function regions.quick(read, flash_size)
  read = cached(read)
  local found = { header = header_of(read), flash_size = flash_size }
  found.believed = believed_size(found.header, flash_size)
  local sector = flash_size > partition.ADDR and found.header
    and read(partition.ADDR, partition.SECTOR)
  found.table = sector and partition.read(sector) or nil
  found.read = read
  if found.table then
    found.text, found.nodemcu = "NodeMCU 3", true
    return with_table(found, read)
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
  if not found.table then return without_table(found, found.read, flash_size) end
  local what = nodemcu.identify(found.read(0, math.min(MAPPED, flash_size)),
    { partition = found.table })
  found.text = what and describe(what) or found.text
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
  if not found.table and FROM_END[name] then
    found.regions = layout.regions("2.x", found.believed)
    found.text = found.header and "no partition table" or "no firmware"
  elseif not found.table then
    found = without_table(found, found.read, flash_size)
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
