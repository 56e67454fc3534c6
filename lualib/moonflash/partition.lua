--- The partition table of NodeMCU 3.x: reading, completing, writing.
-- It lives in the sector at flash 0x10000, a chain of records without a magic
-- number: one word {length in words, id, 0, 0}, then the payload. Updates are
-- appended, superseded records get id 0. Source: nodemcu-firmware
-- app/platform/common.h, platform.c, user_main.c. Pure.
--
-- An entry is { type = integer, name = word, addr = bytes, size = bytes }.
-- @module moonflash.partition

local errors = require "moonflash.errors"
local numbers = require "moonflash.numbers"

local partition = {}

--- Flash address of the sector that holds the records.
partition.ADDR = 0x10000
--- Bytes in that sector.
partition.SECTOR = 0x1000
--- Size that stands for "all that is left" in a factory table.
partition.REST = 0xFFFFFFFF

local MAX_WORDS <const> = 64
local MAPPED <const> = 0x40200000   -- flash 0 in the chip's address space
local FILE_SYSTEM_ALIGN <const> = 0x2000

--- Record ids.
partition.ids = {
  deleted = 0x00, table = 0x01, init_data_checked = 0x02, reflash = 0x03,
  lfs_file = 0x04, startup_command = 0x05, startup_options = 0x06, free = 0xFF,
}

--- Entry types by name.
partition.types = {
  ["end"] = 0, ["rf-cal"] = 4, ["init-data"] = 5, ["system-param"] = 6,
  ["firmware"] = 101, ["irom"] = 102, ["lfs"] = 103, ["lfs1"] = 104,
  ["tls-cert"] = 105, ["spiffs"] = 106, ["spiffs1"] = 107,
}

local type_names = {}
for name, number in pairs(partition.types) do type_names[number] = name end

--- Walk the record chain.
-- @tparam string sector its bytes (a longer string is read up to 4096)
-- @treturn {table,...} records { offset, id, words, payload, deleted } in order;
-- offsets from the start of the sector
-- @treturn string|nil why the walk stopped early; nil at a proper end
function partition.walk(sector)
  local records, offset = {}, 0
  local limit = math.min(#sector, partition.SECTOR)
  while offset + 4 <= limit do
    local words, id, zero = ("<BBI2"):unpack(sector, offset + 1)
    if id == partition.ids.free then return records end
    if zero ~= 0 then return records, ("no record at offset 0x%x"):format(offset) end
    if words > MAX_WORDS then
      return records, ("record at offset 0x%x is too long"):format(offset)
    end
    if offset + 4 + 4 * words > limit then
      return records, ("record at offset 0x%x is cut off"):format(offset)
    end
    records[#records + 1] = {
      offset = offset, id = id, words = words, deleted = id == partition.ids.deleted,
      payload = sector:sub(offset + 5, offset + 4 + 4 * words),
    }
    offset = offset + 4 + 4 * words
  end
  return records, limit == partition.SECTOR and "the sector is full" or "the data ends"
end

--- Decode the payload of a table record.
-- @tparam string payload
-- @treturn {table,...} entries, without the end marker
-- @treturn integer|nil firmware_end flash offset from the end marker of a
-- factory table
function partition.decode(payload)
  local entries, firmware_end = {}, nil
  for offset = 1, #payload - 11, 12 do
    local kind, addr, size = ("<I4I4I4"):unpack(payload, offset)
    if kind == 0 then
      if addr >= MAPPED then firmware_end = addr - MAPPED end
      break
    end
    entries[#entries + 1] = {
      type = kind, name = type_names[kind] or ("type-%d"):format(kind),
      addr = addr, size = size,
    }
  end
  return entries, firmware_end
end

-- Is this payload a table, and not some code that happens to look like a record?
local function is_table(record)
  if record.words % 3 ~= 0 or record.words > 60 then return false end
  local entries = partition.decode(record.payload)
  local seen = {}
  for _, entry in ipairs(entries) do seen[entry.type] = true end
  local first = entries[1]
  return first ~= nil and first.type == 101 and first.addr == 0
    and seen[4] and seen[5] and seen[6] and seen[102] or false
end

--- Read the live partition table of a sector.
-- @tparam string sector bytes at flash 0x10000, as many as there are
-- @treturn table|nil { entries, factory = true while the firmware has not yet
-- completed it, firmware_end (factory only), offset, records,
-- init_data_checked }; nil when there is none
-- @treturn string|nil why there is none
function partition.read(sector)
  local records, stopped = partition.walk(sector)
  local found
  for _, record in ipairs(records) do
    if record.id == partition.ids.table and is_table(record) then found = record end
  end
  if not found then return nil, stopped or "no record at 0x010000 is one" end
  local entries, firmware_end = partition.decode(found.payload)
  local result = {
    entries = entries, firmware_end = firmware_end, factory = firmware_end ~= nil,
    offset = found.offset, records = records, init_data_checked = false,
  }
  for _, record in ipairs(records) do
    if record.id == partition.ids.init_data_checked then result.init_data_checked = true end
  end
  return result
end

--- Read the table out of a firmware image or flash backup that starts at 0.
-- @tparam string bytes
-- @return as `partition.read`
function partition.find(bytes)
  if #bytes < partition.ADDR + 4 then return nil, "the data ends before 0x010000" end
  return partition.read(bytes:sub(partition.ADDR + 1, partition.ADDR + partition.SECTOR))
end

--- The entry of a name, or nil.
-- @tparam {table,...} entries
-- @tparam string name key of `partition.types`
function partition.entry(entries, name)
  for _, entry in ipairs(entries) do
    if entry.name == name then return entry end
  end
end

--- Encode a table record: header and payload.
-- @tparam {table,...} entries with `type` or `name`, `addr`, `size`
-- @tparam[opt] integer firmware_end adds the end marker of a factory table
-- @treturn string
-- @raise `plan` for an unknown name or too many entries, `range` for a number
-- that is no 32-bit word
function partition.encode(entries, firmware_end)
  local words = {}
  local function add(value)
    if math.type(value) ~= "integer" or value < 0 or value > 0xFFFFFFFF then
      errors.raise("range", "partition table: no 32-bit number: " .. tostring(value))
    end
    words[#words + 1] = ("<I4"):pack(value)
  end
  for _, entry in ipairs(entries) do
    local kind = entry.type or partition.types[entry.name]
    if not kind then
      errors.raise("plan", "partition table: unknown entry " .. tostring(entry.name))
    end
    add(kind) add(entry.addr) add(entry.size)
  end
  if firmware_end then add(0) add(MAPPED + firmware_end) add(0) end
  if #words > 60 then
    errors.raise("plan", "partition table: more entries than the firmware reads",
      { hint = "at most 20 entries, the end marker included" })
  end
  return ("<BBI2"):pack(#words, partition.ids.table, 0) .. table.concat(words)
end

--- Build the whole sector anew: live records other than the table first, then
-- the table, the rest blank; what the firmware does when its sector is full.
-- @tparam string sector old bytes
-- @tparam {table,...} entries
-- @tparam[opt] integer firmware_end as for `partition.encode`
-- @treturn string 4096 bytes
-- @raise `plan` when the records do not fit
function partition.rewrite(sector, entries, firmware_end)
  local parts = {}
  for _, record in ipairs((partition.walk(sector))) do
    if not record.deleted and record.id ~= partition.ids.table then
      parts[#parts + 1] = ("<BBI2"):pack(record.words, record.id, 0) .. record.payload
    end
  end
  parts[#parts + 1] = partition.encode(entries, firmware_end)
  local bytes = table.concat(parts)
  if #bytes > partition.SECTOR then
    errors.raise("plan", "partition table: the records do not fit their sector")
  end
  return bytes .. ("\xff"):rep(partition.SECTOR - #bytes)
end

local round_up <const> = numbers.round_up

-- What one factory entry becomes; `last` is where the one before it ends.
local function complete(entry, last, firmware_end, limit)
  local addr, size = entry.addr, entry.size
  if entry.name == "irom" and size == 0 then
    size = round_up(firmware_end - addr, FILE_SYSTEM_ALIGN)
  elseif entry.name == "lfs" then
    size = round_up(size, FILE_SYSTEM_ALIGN)
    if addr == 0 then addr = last end
  elseif entry.name == "spiffs" and size == partition.REST then
    if addr == 0 then addr = last end
    size = limit - last
  elseif entry.name == "spiffs" and size > 0 then
    if addr < last then addr = 0 end
    if addr == 0 then addr = size <= limit - 0x100000 and 0x100000 or last end
  elseif entry.name == "system-param" and addr == 0 then
    addr, size = limit, 0x3000
  end
  return { type = entry.type, name = entry.name, addr = addr, size = size }
end

--- What the firmware makes of a factory table at its first start.
-- A complete table is returned as it is.
-- @tparam table read result of `partition.read`
-- @tparam integer flash_bytes size that the image header names
-- @treturn {table,...} complete entries
-- @raise `plan` when the firmware would refuse the result (alignment, overlap,
-- end of flash)
function partition.complete(read, flash_bytes)
  if not read.factory then return read.entries end
  local param = partition.entry(read.entries, "system-param")
  -- The builds of 2019 and early 2020 keep the parameters below 0x10000.
  local behind = param and param.addr == 0 and 0x3000 or 0
  local limit, last, entries = flash_bytes - behind, 0, {}
  for _, entry in ipairs(read.entries) do
    local done = complete(entry, last, read.firmware_end, limit)
    if done.size ~= 0 then
      entries[#entries + 1] = done
      last = done.addr + done.size
    end
  end
  return partition.check(entries, flash_bytes)
end

--- Check a complete table by the firmware's rules.
-- @tparam {table,...} entries in the order of the table
-- @tparam integer flash_bytes
-- @return entries
-- @raise `plan`, saying which entry breaks which rule
function partition.check(entries, flash_bytes)
  local last = 0
  for _, entry in ipairs(entries) do
    local where = ("partition %s at %s"):format(entry.name, numbers.hex(entry.addr))
    if entry.addr % 0x1000 ~= 0 or entry.size % 0x1000 ~= 0 then
      errors.raise("plan", where .. " is not made of whole sectors", { addr = entry.addr })
    elseif entry.addr < last then
      errors.raise("plan", where .. " overlaps the one before it", { addr = entry.addr })
    elseif entry.size < 0 or entry.addr + entry.size > flash_bytes then
      errors.raise("plan", ("%s ends beyond the %s of flash")
        :format(where, numbers.size_text(flash_bytes)), { addr = entry.addr })
    end
    last = entry.addr + entry.size
  end
  return entries
end

return partition
