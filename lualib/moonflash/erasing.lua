--- Erasing: how long it takes, which way is the faster, and the proof.
-- @module moonflash.erasing
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local flash_chips <const> = require "moonflash.flash_chips"
local protection <const> = require "moonflash.protection"
local recovery <const> = require "moonflash.recovery"
local report <const> = require "moonflash.report"
local unfinished <const> = require "moonflash.unfinished"

local erasing = {}

local SECTOR <const>, BLOCK <const> = 0x1000, 0x10000
local BLANK <const> = ("\xff"):rep(SECTOR)
local MIB <const> = 1024 * 1024

-- Bytes a second at which the stub looks whether flash is blank, measured.
local LOOK_RATE <const> = 2.4e6

--- How long erasing takes by the typical times of a chip. Pure.
-- Whole blocks of 64 KiB are one command each; what is blank already takes none.
-- @tparam {range,...} ranges { addr, size } whole sectors
-- @tparam table timing row of `flash_chips.timings`
-- @tparam[opt] function is_blank of a sector's address; nil = not known
-- @treturn number seconds
function erasing.seconds(ranges, timing, is_blank)
  local ms = 0
  for _, r in ipairs(ranges) do
    local at, last = r.addr, r.addr + r.size
    while at < last do
      local to = math.min((at // BLOCK + 1) * BLOCK, last)
      local dirty = 0
      for sector = at, to - 1, SECTOR do
        if not (is_blank and is_blank(sector)) then dirty = dirty + 1 end
      end
      local one_by_one = dirty * timing.sector
      ms = ms + (to - at == BLOCK and math.min(one_by_one, timing.block64) or one_by_one)
      at = to
    end
  end
  return ms / 1000
end

--- How long the chip's own command for all of it takes. Pure.
-- @treturn number seconds
function erasing.chip_seconds(flash_size, timing)
  return flash_size * timing.chip_per_mb / MIB / 1000
end

--- Plans an erase: looks what is blank, compares both ways.
-- @tparam device dev
-- @tparam {range,...} ranges ascending, not overlapping
-- @treturn table { ranges, seconds, blank (bytes that are blank already), bytes, whole
-- (true: by the chip erase command) }
function erasing.plan(dev, ranges)
  local flash = dev:flash()
  local timing = flash_chips.timing(flash.id)
  if flash.status and protection.is_on(flash.id, flash.status) then
    report.warn("the flash is write protected, at least in part; 'moonflash unprotect' takes"
      .. " it off")
  end
  local hash = dev.loader:hashes(ranges)
  local crc = esp.crc32(BLANK)
  local is_blank = hash and function(addr) return hash(addr) == crc end
  local job = { ranges = ranges, bytes = 0, blank = 0,
    seconds = erasing.seconds(ranges, timing, is_blank) }
  for _, r in ipairs(ranges) do
    job.bytes = job.bytes + r.size
    for at = r.addr, r.addr + r.size - 1, SECTOR do
      if is_blank and is_blank(at) then job.blank = job.blank + SECTOR end
    end
  end
  if hash and job.blank < job.bytes then job.seconds = job.seconds + job.bytes / LOOK_RATE end
  local whole = erasing.chip_seconds(flash.size, timing)
  if dev.loader.stub and job.bytes == flash.size and whole < job.seconds then
    job.whole, job.seconds = true, whole
  end
  return job
end

-- The chip says nothing of how far it is: shown is the share of the typical time.
local function erase_chip(dev, job, progress)
  unfinished.forget(unfinished.board(dev))
  dev:will_change(job.bytes, true)
  local ok, e = pcall(function()
    errors.check(dev.loader.stub:erase_chip(function(ms)
      progress(math.floor(job.bytes * math.min(0.99, ms / 1000 / job.seconds)))
    end))
  end)
  if not ok then
    error(errors.after_change(e, 0, "the chip has no bootable image now; run the same command"
      .. " again"), 0)
  end
  progress(job.bytes)
end

-- The first address that is not blank, or nil.
local function first_left(dev, ranges)
  local crc = esp.crc32(BLANK)
  local hash = dev.loader:hashes(ranges)
  for _, r in ipairs(ranges) do
    local last = r.addr + r.size
    for at = r.addr, last - 1, hash and SECTOR or BLOCK do
      if hash then
        if hash(at) ~= crc then return at end
      else
        local differs = dev:compare(at, ("\xff"):rep(math.min(BLOCK, last - at)))
        if differs then return differs end
      end
    end
  end
end

local function erase(dev, job)
  local progress = report.progress("erasing", job.bytes, dev:clock())
  if job.whole and dev.loader.stub then return erase_chip(dev, job, progress) end
  local done = 0
  for _, r in ipairs(job.ranges) do
    dev:erase(r.addr, r.size, function(n) progress(done + n) end)
    done = done + r.size
  end
end

local function prove(dev, job)
  local ok, left = pcall(first_left, dev, job.ranges)
  if not ok then error(errors.after_change(left, nil, "run the same command again"), 0) end
  if left then
    errors.raise("chip_changed", ("flash at 0x%06x is not blank after erasing"):format(left), {
      addr = left, hint = "it may be write protected: 'moonflash unprotect' tells" })
  end
  dev:must_not_be_in_doubt()
end

--- Carries out an erase and proves that all is blank. Erasing twice is the same as
-- once, so after trouble with the line it is begun again.
-- @tparam device dev
-- @tparam table job from @{erasing.plan}
-- @raise `chip_changed` (exit 8) where flash does not become blank
function erasing.run(dev, job)
  if job.blank == job.bytes then return end     -- the hashes are the proof
  recovery.carry_out(dev, function()
    erase(dev, job)
    prove(dev, job)
  end)
end

return erasing
