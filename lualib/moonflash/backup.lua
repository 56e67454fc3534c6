--- Backup files: flash contents that know which chip they are from. Pure.
--
-- A backup is a ZIP archive, so any archive tool opens it:
--
-- * `flash/AAAAAAAA.bin`, ascending: at most 64 KiB of flash each, named by their
--   address. `unzip -p FILE 'flash/*'` gives the raw bytes of a whole chip.
-- * `backup.json`, last: what the backup is of
--
-- Fields of `backup.json`: format "moonflash-backup", version 1, created (UTC),
-- program; chip { name, mac, chip_id, crystal_mhz }; flash { id, size, name };
-- firmware { text, generation } and layout { { name, addr, size } ... } as far as
-- they were understood; ranges { { name, addr, size } ... } ascending: what of the
-- flash is in it; chunks { { addr, size, sha256 } ... }: the entries; sha256 of all
-- their bytes, one after the other.
-- @module moonflash.backup
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local json <const> = require "dkjson"
local numbers <const> = require "moonflash.numbers"
local text <const> = require "moonflash.text"
local zip <const> = require "moonflash.zip"

local backup = {}
backup.__index = backup

--- Flash bytes per entry.
backup.CHUNK = 0x10000
--- A backup of the largest flash, all of it incompressible, is shorter.
backup.MAX_BYTES = 18 * 1024 * 1024

local FORMAT <const>, VERSION <const> = "moonflash-backup", 1
local MANIFEST <const> = "backup.json"
local MAX_MANIFEST <const> = 1 << 20
local MAX_FLASH <const> = 1 << 24
local SECTOR <const> = 0x1000
local KEY_ORDER <const> = { "format", "version", "created", "program", "chip", "flash",
  "firmware", "layout", "ranges", "sha256", "chunks", "name", "mac", "id", "addr", "size" }

local function chunk_name(addr) return ("flash/%08x.bin"):format(addr) end

--- Cuts ranges into chunks, at multiples of 64 KiB.
-- @tparam {range,...} ranges { addr, size }
-- @treturn {table,...} { addr, size }
function backup.cut(ranges)
  local chunks = {}
  for _, r in ipairs(ranges) do
    local at, last = r.addr, r.addr + r.size
    while at < last do
      local size = math.min(backup.CHUNK - at % backup.CHUNK, last - at)
      chunks[#chunks + 1] = { addr = at, size = size }
      at = at + size
    end
  end
  return chunks
end

--- Ranges in ascending order, what overlaps or touches joined into one.
-- @tparam {range,...} list { addr, size, name }
-- @treturn {range,...} new tables
function backup.join(list)
  local sorted, joined = table.move(list, 1, #list, 1, {}), {}
  table.sort(sorted, function(a, b) return a.addr < b.addr end)
  for _, r in ipairs(sorted) do
    local last = joined[#joined]
    if last and r.addr <= last.addr + last.size then
      last.size = math.max(last.size, r.addr + r.size - last.addr)
      if r.name ~= last.name then last.name = last.name .. "+" .. r.name end
    else
      joined[#joined + 1] = { name = r.name, addr = r.addr, size = r.size }
    end
  end
  return joined
end

-- ---- writing ----

local writer = {}
writer.__index = writer

--- Starts a backup file. What was added is kept compressed only.
-- @tparam {range,...} ranges { name, addr, size }, ascending (see @{backup.join})
-- @treturn writer with `chunks` { addr, size } to be added in this order
function backup.writer(ranges)
  return setmetatable({ ranges = ranges, chunks = backup.cut(ranges), archive = zip.writer(),
    done = 0, sum = esp.sha256_begin() }, writer)
end

--- Adds the bytes of the next chunk.
-- @tparam string bytes
function writer:add(bytes)
  self.done = self.done + 1
  local chunk = self.chunks[self.done]
  assert(#bytes == chunk.size, "not the size of the chunk")
  chunk.sha256 = esp.sha256(bytes)
  self.sum:add(bytes)
  self.archive:add(chunk_name(chunk.addr), bytes)
end

--- Ends the backup file.
-- @tparam table meta chip, flash, firmware, layout, created, program
-- @treturn string the file
-- @treturn string SHA-256 of the flash bytes
function writer:finish(meta)
  assert(self.done == #self.chunks, "a chunk is missing")
  local manifest = { format = FORMAT, version = VERSION, ranges = self.ranges,
    chunks = self.chunks, sha256 = self.sum:hex() }
  for _, name in ipairs { "created", "program", "chip", "flash", "firmware", "layout" } do
    manifest[name] = meta[name]
  end
  self.archive:add(MANIFEST, json.encode(manifest, { indent = true, keyorder = KEY_ORDER }))
  return self.archive:finish(), manifest.sha256
end

-- ---- reading ----

local function refuse(format, ...)
  errors.raise("file", "the backup is not usable: " .. format:format(...))
end

local function is_text(value, max) return type(value) == "string" and #value <= (max or 200) end

-- Whole sectors inside the largest flash.
local function check_range(r, what, from)
  if type(r) ~= "table" or math.type(r.addr) ~= "integer" or math.type(r.size) ~= "integer"
    or r.addr < from or r.size <= 0 or r.size > MAX_FLASH or r.addr + r.size > MAX_FLASH
    or r.addr % SECTOR ~= 0 or r.size % SECTOR ~= 0 then
    refuse("a %s in it makes no sense", what)
  end
  return r.addr + r.size
end

local function check_list(list, what, check)
  if type(list) ~= "table" then refuse("it has no list of %ss", what) end
  local at = 0
  for _, r in ipairs(list) do at = check(r, what, at) end
  return list
end

local function check_named(r, what, from)
  local last = check_range(r, what, from)
  if not is_text(r.name) then refuse("a %s in it has no name", what) end
  return last
end

-- Chip and flash: what the rest of the program relies on.
local function check_identity(m)
  local chip, flash = m.chip, m.flash
  if type(chip) ~= "table" or not is_text(chip.name) or not is_text(chip.mac) then
    refuse("it does not say which chip it is of")
  end
  if type(flash) ~= "table" or math.type(flash.id) ~= "integer"
    or math.type(flash.size) ~= "integer" or flash.size <= 0 or flash.size % SECTOR ~= 0 then
    refuse("it does not say which flash it is of")
  end
  local firmware = m.firmware
  if firmware ~= nil and (type(firmware) ~= "table" or not is_text(firmware.text, 1000)
    or firmware.generation ~= nil and not is_text(firmware.generation)) then
    refuse("what it says of the firmware makes no sense")
  end
  if m.created ~= nil and not is_text(m.created) then refuse("its date makes no sense") end
end

-- The chunks must be what the ranges are cut into, and the entries must be they.
local function check_chunks(m, entries)
  local want = backup.cut(m.ranges)
  if type(m.chunks) ~= "table" or #m.chunks ~= #want or #entries ~= #want + 1 then
    refuse("it does not hold what it lists")
  end
  for i, w in ipairs(want) do
    local chunk, e = m.chunks[i], entries[i]
    if type(chunk) ~= "table" or chunk.addr ~= w.addr or chunk.size ~= w.size
      or e.name ~= chunk_name(w.addr) or e.size ~= w.size then
      refuse("it does not hold what it lists at %s", numbers.hex(w.addr))
    end
    if not is_text(chunk.sha256, 64) then refuse("a digest is missing") end
  end
end

local function decode(archive, e)
  if not e or e.name ~= MANIFEST or e.size > MAX_MANIFEST then
    refuse("this archive has no %s at its end", MANIFEST)
  end
  local ok, m = pcall(json.decode, zip.read(archive, e))
  if not ok or type(m) ~= "table" then refuse("%s is damaged", MANIFEST) end
  if m.format ~= FORMAT then refuse("%s is of something else", MANIFEST) end
  if m.version ~= VERSION then
    errors.raise("file", ("this backup has version %s, this program reads version %d"):format(
      text.escape(tostring(m.version)), VERSION), { hint = "use a newer moonflash" })
  end
  return m
end

--- Is this a backup file (or at least an archive)?
-- @tparam string bytes
-- @treturn boolean
function backup.is_backup(bytes) return bytes:sub(1, 4) == "PK\3\4" end

--- Understands a backup file; its data are not proven yet.
-- @tparam string bytes
-- @treturn backup with `meta` (the fields of backup.json)
-- @raise `file` when it is none, of another version, cut off or damaged
function backup.parse(bytes)
  if not backup.is_backup(bytes) then refuse("it is no backup file of this program") end
  local entries = zip.entries(bytes)
  local m = decode(bytes, entries[#entries])
  check_identity(m)
  check_list(m.ranges, "range", check_named)
  if #m.ranges == 0 then refuse("it is empty") end
  if m.layout ~= nil then check_list(m.layout, "region", check_named) end
  local last = m.ranges[#m.ranges]
  if last.addr + last.size > m.flash.size then refuse("it is longer than its flash") end
  check_chunks(m, entries)
  return setmetatable({ bytes = bytes, entries = entries, meta = m }, backup)
end

--- How many bytes of flash are in it.
-- @treturn integer
function backup:size()
  local n = 0
  for _, r in ipairs(self.meta.ranges) do n = n + r.size end
  return n
end

--- The bytes of a chunk, proven by its digest.
-- @tparam integer i index in `meta.chunks`
-- @treturn string
-- @raise `file`
function backup:chunk(i)
  local chunk = self.meta.chunks[i]
  local data = zip.read(self.bytes, self.entries[i])
  if esp.sha256(data) ~= chunk.sha256 then
    refuse("the bytes of %s do not match their digest", numbers.range_text(chunk.addr, chunk.size))
  end
  return data
end

--- Calls f(addr, bytes) with every chunk, ascending, one at a time in memory.
-- @raise `file`
function backup:each(f)
  for i, chunk in ipairs(self.meta.chunks) do f(chunk.addr, self:chunk(i)) end
end

--- Proves all bytes, by each chunk's digest and by that of all.
-- @treturn backup itself
-- @raise `file`
function backup:check()
  local sum = esp.sha256_begin()
  self:each(function(_, bytes) sum:add(bytes) end)
  if sum:hex() ~= self.meta.sha256 then refuse("its bytes do not match its digest") end
  return self
end

--- Bytes of flash out of a backup.
-- @tparam integer addr
-- @tparam integer size
-- @treturn string|nil nil when not all of them are in it
function backup:read(addr, size)
  local pieces, at = {}, addr
  for i, chunk in ipairs(self.meta.chunks) do
    if at < addr + size and at >= chunk.addr and at < chunk.addr + chunk.size then
      local to = math.min(addr + size, chunk.addr + chunk.size)
      pieces[#pieces + 1] = self:chunk(i):sub(at - chunk.addr + 1, to - chunk.addr)
      at = to
    end
  end
  return at == addr + size and table.concat(pieces) or nil
end

--- A copy of a backup with other bytes at an address.
-- @tparam integer addr
-- @tparam string bytes all of them must lie in its ranges
-- @treturn string the new file
-- @raise `range`
function backup:replace(addr, bytes)
  if not self:read(addr, #bytes) then
    errors.raise("range", ("the backup does not hold %s"):format(
      numbers.range_text(addr, #bytes)), { addr = addr })
  end
  local copy = backup.writer(self.meta.ranges)
  self:each(function(at, old)
    local from, to = math.max(at, addr), math.min(at + #old, addr + #bytes)
    if from < to then
      old = old:sub(1, from - at) .. bytes:sub(from - addr + 1, to - addr) .. old:sub(to - at + 1)
    end
    copy:add(old)
  end)
  return (copy:finish(self.meta))
end

local function range_line(r)
  return ("  %-12s %s  %s"):format(text.escape(r.name), numbers.range_text(r.addr, r.size),
    numbers.size_text(r.size))
end

--- Describe a backup for people.
-- @treturn {string,...} lines
function backup:describe()
  local m = self.meta
  local lines = {
    ("backup of %s, MAC %s, %s"):format(text.escape(m.chip.name), text.escape(m.chip.mac),
      text.escape(m.created or "no date")),
    ("flash    %s, %s (id 0x%06x)"):format(numbers.size_text(m.flash.size),
      text.escape(tostring(m.flash.name or "unknown")), m.flash.id),
  }
  if m.firmware then lines[#lines + 1] = "firmware " .. text.escape(m.firmware.text) end
  lines[#lines + 1] = ("holds    %d bytes in %d"):format(self:size(), #self.bytes)
  for _, r in ipairs(m.ranges) do lines[#lines + 1] = range_line(r) end
  if m.layout then
    lines[#lines + 1] = "layout"
    for _, r in ipairs(m.layout) do lines[#lines + 1] = range_line(r) end
  end
  return lines
end

return backup
