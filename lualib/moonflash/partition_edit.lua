--- Changing the partition table of NodeMCU 3.x: where LFS and SPIFFS lie. Pure.
--
-- A factory table (in a firmware file, or on a chip that has not started yet) keeps
-- its open values, and the firmware completes it at its first start. A complete
-- table gets the values that node.setpartitiontable would give it.
-- @module moonflash.partition_edit
local errors <const> = require "moonflash.errors"
local numbers <const> = require "moonflash.numbers"
local partition <const> = require "moonflash.partition"

local edit = {}

local SECTOR <const>, UNIT <const> = 0x1000, 0x2000
--- Only the first MiB of flash is mapped, so LFS must end below.
edit.MAPPED = 0x100000
-- Where the firmware puts a file system whose size alone was given.
local SPIFFS_HOME <const> = 0x100000

local round_up <const> = numbers.round_up

local function copy_of(entries)
  local list = {}
  for i, e in ipairs(entries) do
    list[i] = { type = e.type, name = e.name, addr = e.addr, size = e.size }
  end
  return list
end

local function index_of(entries, name)
  for i, e in ipairs(entries) do
    if e.name == name then return i end
  end
end

local function remove(entries, name)
  local i = index_of(entries, name)
  if i then table.remove(entries, i) end
end

-- The entry of a name, made behind another one when it is missing.
local function entry(entries, name, behind)
  local i = index_of(entries, name)
  if not i then
    i = (index_of(entries, behind) or #entries) + 1
    table.insert(entries, i, { type = partition.types[name], name = name, addr = 0, size = 0 })
  end
  return entries[i]
end

--- Reads the options of `partition set`.
-- @tparam table opt lfs_size, lfs_addr, spiffs_size, spiffs_addr: text, absent = as it is
-- @treturn table integers; spiffs_size may be "all"
-- @raise `usage`, `align`
function edit.options(opt)
  local change, any = {}, false
  for _, name in ipairs { "lfs_size", "lfs_addr", "spiffs_size", "spiffs_addr" } do
    if opt[name] then
      local value = numbers.parse(opt[name], "--" .. name:gsub("_", "-"),
        name == "spiffs_size" and { all = "all" } or nil)
      if value ~= "all" and value % SECTOR ~= 0 then
        errors.raise("align", ("--%s: %s is not made of whole sectors"):format(
          name:gsub("_", "-"), opt[name]), { hint = "a multiple of 0x1000, better of 0x2000" })
      end
      change[name], any = value, true
    end
  end
  if not any then
    errors.raise("usage", "partition set: nothing to change",
      { hint = "--lfs-size, --lfs-addr, --spiffs-size, --spiffs-addr" })
  end
  return change
end

-- Where the entry before this one ends.
local function end_before(entries, e)
  local last = 0
  for _, other in ipairs(entries) do
    if other == e then return last end
    last = other.addr + other.size
  end
  return last
end

-- The first address behind the file system: the parameters', or the end of flash.
local function limit_of(entries, flash_bytes)
  local param = partition.entry(entries, "system-param")
  return param and param.addr >= SPIFFS_HOME // 2 and param.addr or flash_bytes
end

local function set_lfs(entries, change)
  if not (change.lfs_size or change.lfs_addr) then return end
  if change.lfs_size == 0 then return remove(entries, "lfs") end
  local lfs = entry(entries, "lfs", "irom")
  if lfs.size == 0 and not change.lfs_size then
    errors.raise("usage", "there is no LFS yet: --lfs-size is needed too")
  end
  lfs.size = change.lfs_size or lfs.size
  local least = round_up(end_before(entries, lfs), UNIT)
  lfs.addr = change.lfs_addr or math.max(lfs.addr, least)
end

local function set_spiffs(entries, change, flash_bytes)
  if change.spiffs_size == 0 then return remove(entries, "spiffs") end
  local i = index_of(entries, "spiffs")
  if not i and not (change.spiffs_size or change.spiffs_addr) then return end
  local spiffs = entry(entries, "spiffs", index_of(entries, "lfs") and "lfs" or "irom")
  local least, limit = end_before(entries, spiffs), limit_of(entries, flash_bytes)
  local asked, old_end = change.spiffs_size, spiffs.addr + spiffs.size
  if change.spiffs_addr then
    spiffs.addr = change.spiffs_addr
  elseif asked and asked ~= "all" then
    spiffs.addr = SPIFFS_HOME >= least and asked <= limit - SPIFFS_HOME and SPIFFS_HOME or least
  elseif spiffs.addr < least or asked == "all" then
    spiffs.addr = least
  end
  if asked and asked ~= "all" then
    spiffs.size = asked
  else
    spiffs.size = (asked == "all" or old_end <= spiffs.addr) and limit - spiffs.addr
      or old_end - spiffs.addr
  end
end

-- Open values stay open: the firmware fills them in.
local function change_factory(entries, change)
  if change.lfs_size or change.lfs_addr then
    local lfs = entry(entries, "lfs", "irom")
    lfs.size, lfs.addr = change.lfs_size or lfs.size, change.lfs_addr or lfs.addr
  end
  if change.spiffs_size or change.spiffs_addr then
    local spiffs = entry(entries, "spiffs", "lfs")
    if change.spiffs_size == "all" then spiffs.size = partition.REST
    elseif change.spiffs_size then spiffs.size = change.spiffs_size end
    spiffs.addr = change.spiffs_addr or spiffs.addr
  end
end

-- What the firmware itself does not check.
local function check(entries, flash_bytes)
  local lfs = partition.entry(entries, "lfs")
  if lfs and lfs.addr + lfs.size > edit.MAPPED then
    errors.raise("plan", ("LFS (%s) must end below 0x100000: only the first MB of flash is mapped")
      :format(numbers.range_text(lfs.addr, lfs.size)), { addr = lfs.addr })
  end
  local spiffs, limit = partition.entry(entries, "spiffs"), limit_of(entries, flash_bytes)
  if spiffs and spiffs.size <= 0 then
    errors.raise("plan", ("no room for SPIFFS at %s"):format(numbers.hex(spiffs.addr)),
      { addr = spiffs.addr })
  elseif spiffs and spiffs.addr + spiffs.size > limit then
    errors.raise("plan", ("SPIFFS (%s) reaches into the system parameters at %s"):format(
      numbers.range_text(spiffs.addr, spiffs.size), numbers.hex(limit)), { addr = spiffs.addr })
  end
  return partition.check(entries, flash_bytes)
end

--- Changes a table.
-- @tparam table read result of `partition.read`
-- @tparam table change from @{edit.options}
-- @tparam integer flash_bytes what the firmware takes for the size of flash
-- @treturn {table,...} entries to be written (a factory table stays one)
-- @treturn {table,...} complete entries, as the firmware will use them
-- @raise `plan`, `usage`
function edit.change(read, change, flash_bytes)
  local entries = copy_of(read.entries)
  if read.factory then
    change_factory(entries, change)
    local complete = partition.complete({ entries = entries, factory = true,
      firmware_end = read.firmware_end }, flash_bytes)
    return entries, check(complete, flash_bytes)
  end
  set_lfs(entries, change)
  set_spiffs(entries, change, flash_bytes)
  return entries, check(entries, flash_bytes)
end

local WHAT <const> = { lfs = "the Lua Flash Store", spiffs = "the file system" }

--- Which of the values asked for the firmware's documentation advises against.
-- @tparam table change from @{edit.options}
-- @treturn {string,...} for people
function edit.advice(change)
  local notes = {}
  for _, name in ipairs { "lfs_size", "lfs_addr", "spiffs_size", "spiffs_addr" } do
    local value = change[name]
    if math.type(value) == "integer" and value % UNIT ~= 0 then
      notes[#notes + 1] = ("--%s: the firmware asks for multiples of 8 KB"):format(
        (name:gsub("_", "-")))
    end
  end
  return notes
end

--- What a change of a table in use means for what is in flash.
-- @tparam {table,...} old complete entries
-- @tparam {table,...} new complete entries
-- @treturn {string,...} for people
function edit.consequences(old, new)
  local notes = {}
  for _, name in ipairs { "lfs", "spiffs" } do
    local a, b, what = partition.entry(old, name), partition.entry(new, name), WHAT[name]
    if a and not b then
      notes[#notes + 1] = what .. " goes; its bytes stay in flash"
    elseif a and b and a.addr ~= b.addr then
      notes[#notes + 1] = ("%s moves from %s to %s: what is in it will not be found"):format(what,
        numbers.hex(a.addr), numbers.hex(b.addr))
    elseif a and b and b.size < a.size then
      notes[#notes + 1] = ("%s shrinks from %s to %s"):format(what, numbers.size_text(a.size),
        numbers.size_text(b.size))
    end
  end
  return notes
end

local function size_text(entry_)
  if entry_.size == partition.REST then return "all that is left" end
  if entry_.size == 0 then return "set at the first start" end
  return numbers.size_text(entry_.size)
end

--- Entries for people.
-- @tparam {table,...} entries
-- @treturn {string,...}
function edit.describe(entries)
  local lines = {}
  for i, e in ipairs(entries) do
    local range = (e.addr == 0 and e.name ~= "firmware") and "set at the first start"
      or (e.size == 0 or e.size == partition.REST) and numbers.hex(e.addr)
      or numbers.range_text(e.addr, e.size)
    lines[i] = ("  %-12s %-22s  %s"):format(e.name, range, size_text(e))
  end
  return lines
end

local record_texts = {
  [partition.ids.deleted] = "superseded record",
  [partition.ids.table] = "partition table",
  [partition.ids.init_data_checked] = "the firmware has checked the init data",
  [partition.ids.reflash] = "reflash request",
  [partition.ids.lfs_file] = "LFS image to load at the next start",
  [partition.ids.startup_command] = "start-up command",
  [partition.ids.startup_options] = "start-up options",
}

--- The records of the sector, for people.
-- @tparam {table,...} records from `partition.walk`
-- @treturn {string,...}
function edit.describe_records(records)
  local lines = {}
  for i, r in ipairs(records) do
    lines[i] = ("  0x%03x %s, %d bytes"):format(r.offset,
      record_texts[r.id] or ("record 0x%02x"):format(r.id), 4 + #r.payload)
  end
  return lines
end

return edit
