--- Why flash does not hold what was written: unstable reads, protection, a stuck
-- cell, or a chip that is smaller than it says.
-- @module moonflash.diagnosis

local text <const> = require "moonflash.text"

local diagnosis = {}

local SECTOR <const> = 0x1000
local BLANK <const> = ("\xff"):rep(SECTOR)
local BP_BITS <const> = 0x1c
local MOST <const> = 4               -- sectors looked for

-- The sectors of a plan that do not hold what they should.
local function wrong_sectors(dev, steps)
  local wrong = {}
  for _, sector in ipairs(steps.sectors) do
    if sector.action ~= "skip" then
      local now = dev:read(sector.addr, SECTOR)
      if now ~= sector.data then wrong[#wrong + 1] = { sector = sector, now = now } end
    end
    if #wrong == MOST then break end
  end
  return wrong
end

-- Whether two addresses of the chip are the same cells.
local function is_alias(dev, steps, sector)
  for _, other in ipairs(steps.sectors) do
    if other.addr ~= sector.addr and other.data ~= BLANK
      and (other.addr - sector.addr) % 0x40000 == 0
      and dev:read(sector.addr, SECTOR) == other.data then
      return other.addr
    end
  end
end

-- One row per cause, most telling first: the test, its words, whether writing
-- once more makes no sense.
local CAUSES <const> = {
  { function(dev, w) return dev:read(w.sector.addr, SECTOR) ~= w.now end,
    "reading twice gives two answers: supply or wiring", false },
  { function(dev) return (dev.loader:flash_facts().status[1] or 0) & BP_BITS ~= 0 end,
    "the flash chip is write protected; 'moonflash unprotect' clears that", true },
  { function(dev, w, steps) return is_alias(dev, steps, w.sector) end,
    "its contents appear at another address: the chip is smaller than its id says", true },
  { function(_, w) return w.now == BLANK end,
    "it stays blank: programming has no effect there", false },
}

--- Says why flash differs after a write.
-- @tparam device dev
-- @tparam plan steps what was to be done
-- @treturn string the cause in words, with the sectors
-- @treturn boolean whether another attempt makes no sense
function diagnosis.of_mismatch(dev, steps)
  local wrong = wrong_sectors(dev, steps)
  if #wrong == 0 then return "reading it once more finds it right: supply or wiring", false end
  local where = ("%s from 0x%06x on"):format(#wrong == MOST and MOST .. " or more sectors"
    or text.count(#wrong, "sector"), wrong[1].sector.addr)
  for _, row in ipairs(CAUSES) do
    if row[1](dev, wrong[1], steps) then return ("%s (%s)"):format(row[2], where), row[3] end
  end
  return ("cells that do not take what is written (%s)"):format(where), false
end

local PROBE <const> = 4 * SECTOR

-- Hashes of the first sectors from an address on; nil when two are the same, for
-- then finding them elsewhere proves nothing.
local function probe(loader, addr)
  local hash = loader:hashes { { addr = addr, size = PROBE } }
  local list, seen = {}, {}
  for at = 0, PROBE - 1, SECTOR do
    local h = hash(addr + at)
    if seen[h] then return nil end
    seen[h] = true
    list[#list + 1] = h
  end
  return table.concat(list, ",")
end

--- Whether a chip shows at half of its size what is at its start: then it is
-- smaller than its id says. Flash that is blank or uniform tells nothing.
-- @tparam device dev
-- @tparam integer size_bytes by its id
-- @treturn integer|nil the real size, nil when nothing speaks against the id
-- @treturn boolean whether flash told: false when it is blank or uniform
function diagnosis.wraps_at(dev, size_bytes)
  local first = dev.loader.has_hashes and probe(dev.loader, 0)
  if not first then return nil, false end
  local real
  local half = size_bytes // 2
  while half >= 0x40000 and probe(dev.loader, half) == first do
    real, half = half, half // 2
  end
  return real, true
end

local SMALLEST <const> = 0x40000
local PROBE_BYTES <const> = 0x40

-- What tells a sector's contents from others: its hash, or by a loader without
-- hashes its first bytes that are not blank in `like`.
local function signature(dev, addr, like)
  local hash = dev.loader:hashes { { addr = addr, size = SECTOR } }
  if hash then return hash(addr) end
  local at = (like:find("[^\xff]") or 1) - 1
  at = math.min(at // PROBE_BYTES * PROBE_BYTES, SECTOR - PROBE_BYTES)
  return dev:read(addr + at, PROBE_BYTES)
end

local function first_written(steps, from)
  for _, sector in ipairs(steps.sectors) do
    if sector.action == "write" and sector.addr >= from then return sector end
  end
end

local function in_plan(steps, addr)
  for _, sector in ipairs(steps.sectors) do
    if sector.addr == addr then return true end
  end
end

--- What lies where a sector that will be written would show up again if the chip were
-- smaller than it says. To be compared after the write: what changes there was not
-- meant. Where flash was blank nothing could be told before.
-- @tparam device dev
-- @tparam plan steps
-- @treturn {table,...} `size`, `addr`, `before`, `like`
function diagnosis.alias_probe(dev, steps)
  local list, size = {}, dev:flash().size
  local sector = first_written(steps, size // 2) or first_written(steps, 0)
  local real = size // 2
  while sector and real >= SMALLEST do
    local addr = sector.addr ~ real
    if not in_plan(steps, addr) then
      list[#list + 1] = { size = real, addr = addr, like = sector.data,
        before = signature(dev, addr, sector.data) }
    end
    real = real // 2
  end
  return list
end

--- Whether such a place has changed.
-- @tparam device dev
-- @tparam {table,...} list from `alias_probe`
-- @treturn integer|nil the chip's real size
function diagnosis.changed_alias(dev, list)
  local real
  for _, probe in ipairs(list or {}) do
    if signature(dev, probe.addr, probe.like) ~= probe.before then real = probe.size end
  end
  return real
end

return diagnosis
