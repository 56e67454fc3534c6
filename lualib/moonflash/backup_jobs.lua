--- What `backup` does besides parsing its command line.
-- @module moonflash.backup_jobs
local backup <const> = require "moonflash.backup"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local files <const> = require "moonflash.files"
local proven <const> = require "moonflash.proven"
local regions <const> = require "moonflash.regions"
local report <const> = require "moonflash.report"

local jobs = {}

local MAPPED <const> = 0x100000

--- Raises when bare bytes of several ranges are asked for: nothing would tell
-- where each belongs.
-- @raise `usage`
function jobs.must_be_one(ranges, raw)
  if raw and #ranges > 1 then
    errors.raise("usage", ("bare bytes are of one range, these are %d"):format(#ranges),
      { hint = "give the file another name than .bin, or ask for one region" })
  end
end

-- Flash for identification: what was read already, from memory.
local function reader_of(dev, kept)
  return function(addr, size)
    local pieces, at = {}, addr
    while at < addr + size do
      local base = at // backup.CHUNK * backup.CHUNK
      local n = math.min(base + backup.CHUNK, addr + size) - at
      pieces[#pieces + 1] = kept[base] and kept[base]:sub(at - base + 1, at - base + n)
        or dev:read(at, n)
      at = at + n
    end
    return table.concat(pieces)
  end
end

-- What the firmware is and where it keeps things; nothing when that fails, since
-- a backup of something strange is worth as much.
-- To search a firmware that is not being read anyway is too slow without the stub.
local function understand(dev, kept)
  local search = dev.loader.has_hashes or kept[0] ~= nil
  local ok, found = pcall(search and regions.identify or regions.quick, reader_of(dev, kept),
    dev:flash().size)
  if not ok then
    if errors.is(found, "interrupted") or errors.is(found, "gone") then error(found, 0) end
    report.warn("the layout was not understood: %s", tostring(found))
    return nil
  end
  if not found.regions then return nil end
  return { text = found.text, generation = not found.assumed and found.generation or nil },
    regions.plain(found.regions)
end

local function meta_of(dev, kept)
  local chip, flash = dev.chip, dev:flash()
  local firmware, layout = understand(dev, kept)
  return {
    created = os.date "!%Y-%m-%dT%H:%M:%SZ", program = "moonflash " .. esp.version,
    chip = { name = chip.chip, mac = chip.mac, chip_id = chip.chip_id,
      crystal_mhz = chip.crystal.mhz },
    flash = { id = flash.id, size = flash.size, name = flash.name },
    firmware = firmware, layout = layout,
  }
end

local function total_of(ranges)
  local n = 0
  for _, r in ipairs(ranges) do n = n + r.size end
  return n
end

--- Reads ranges of flash into a backup file's bytes, or into bare bytes.
-- At any time one chunk, what is compressed, and the part of flash that tells the
-- firmware are in memory.
-- @tparam device dev
-- @tparam {range,...} ranges from `backup.join`
-- @tparam boolean raw
-- @treturn string the file
-- @treturn string SHA-256 of the flash bytes
-- @treturn integer how many
function jobs.read(dev, ranges, raw)
  local total, done = total_of(ranges), 0
  local read = proven.reader(dev, ranges)
  local progress = report.progress("reading", total, dev:clock())
  local out, kept = raw and {} or backup.writer(ranges), {}
  for _, chunk in ipairs(backup.cut(ranges)) do
    local bytes = read(chunk.addr, chunk.size, function(n) progress(done + n) end)
    done = done + chunk.size
    if raw then out[#out + 1] = bytes else out:add(bytes) end
    if not raw and chunk.addr < MAPPED and chunk.size == backup.CHUNK then
      kept[chunk.addr] = bytes
    end
  end
  if raw then
    out = table.concat(out)
    return out, esp.sha256(out), total
  end
  local bytes, sum = out:finish(meta_of(dev, kept))
  return bytes, sum, total
end

--- Opens a backup file and proves all of it.
-- @tparam string path
-- @tparam[opt] function from_bare makes a backup of bytes that are none
-- @treturn backup
-- @raise `file`
function jobs.open(path, from_bare)
  local bytes = files.read(path, backup.MAX_BYTES)
  local ok, b = pcall(function()
    if from_bare and not backup.is_backup(bytes) then return from_bare(bytes) end
    return backup.parse(bytes):check()
  end)
  if ok then return b end
  if errors.is(b, "file") and not b.hint then
    errors.raise("file", ("%s: %s"):format(path, b.message), { hint = "nothing was changed" })
  end
  error(b, 0)
end

--- Opens a backup file, or the bare bytes of a whole flash.
-- @tparam string path
-- @treturn backup proven
-- @raise `file`
function jobs.open_any(path)
  return jobs.open(path, require("moonflash.restore").from_bare)
end

--- `backup check FILE`
function jobs.check(path)
  local b = jobs.open(path)
  for _, line in ipairs(b:describe()) do report.line("%s", line) end
  local m = b.meta
  report.result { file = path, sound = true, chip = m.chip, flash = m.flash, ranges = m.ranges,
    layout = m.layout, firmware = m.firmware, created = m.created, sha256 = m.sha256,
    bytes = b:size() }
  report.ok("%d bytes of flash, every digest matches", b:size())
end

--- `backup unpack FILE RAW`
function jobs.unpack(path, raw)
  local b = jobs.open(path)
  jobs.must_be_one(b.meta.ranges, true)
  files.check_writable(raw)
  local pieces = {}
  b:each(function(_, bytes) pieces[#pieces + 1] = bytes end)
  files.write(raw, table.concat(pieces))
  report.result { file = raw, bytes = b:size(), addr = b.meta.ranges[1].addr,
    sha256 = b.meta.sha256 }
  report.ok("%d bytes from 0x%06x in %s", b:size(), b.meta.ranges[1].addr, raw)
end

return jobs
