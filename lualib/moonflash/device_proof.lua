--- Comparing flash with what should be in it, by whatever the loader offers: hashes
-- of sectors, digests of ranges, or reading.
--
-- @{moonflash.device} offers these as its own methods.
-- @module moonflash.device_proof
local esp <const> = require "esp"

local device_proof = {}

local SECTOR <const> = 0x1000

-- The first address at which two strings differ, as an offset from 0.
local function first_difference(a, b)
  local low, high = 1, math.min(#a, #b)
  while low < high do
    local mid = (low + high) // 2
    if a:sub(low, mid) ~= b:sub(low, mid) then high = mid else low = mid + 1 end
  end
  return low - 1
end

--- Compares flash with what should be there, by the loader's digest or reading
-- it back from the chip.
-- @tparam device dev
-- @tparam integer addr
-- @tparam string data
-- @tparam[opt] function progress bytes compared so far
-- @treturn integer|nil address of the first difference, nil when equal
function device_proof.compare(dev, addr, data, progress)
  if dev.loader.holds and dev.loader:holds(addr, data) then
    if progress then progress(#data) end
    return nil
  end
  local at, differs = 0, nil
  local read = dev.loader.read_once or dev.loader.read
  read(dev.loader, addr, #data, function(s)
    local want = data:sub(at + 1, at + #s)
    if not differs and s ~= want then differs = addr + at + first_difference(s, want) end
    at = at + #s
    if progress then progress(at) end
  end)
  return differs
end

-- Differing runs of two strings of equal length, as { addr, size, name }; runs that
-- are less than a word apart are one.
local function add_differences(list, addr, now, want, name)
  for i = 1, #want do
    if now:byte(i) ~= want:byte(i) then
      local at, last = addr + i - 1, list[#list]
      if last and last.name == name and at - (last.addr + last.size) < 4 then
        last.size = at + 1 - last.addr
      else
        list[#list + 1] = { addr = at, size = 1, name = name }
      end
    end
  end
end

--- Where flash differs from parts: by hashes first, byte by byte where those differ.
-- @tparam device dev
-- @tparam {part,...} list
-- @tparam[opt] function progress bytes compared so far
-- @treturn {table,...} `addr`, `size`, `name`; empty when all is equal
function device_proof.differences(dev, list, progress)
  local hash = dev.loader:hashes(list)
  local found, done = {}, 0
  for _, part in ipairs(list) do
    for at = 0, #part.data - 1, SECTOR do
      local want = part.data:sub(at + 1, at + SECTOR)
      local addr = part.addr + at
      local whole = #want == SECTOR and addr % SECTOR == 0
      local same = hash and whole and hash(addr) == esp.crc32(want)
        or dev.loader.holds and dev.loader:holds(addr, want)
      if not same then
        add_differences(found, addr, dev:read(addr, #want), want, part.name)
      end
      done = done + #want
      if progress then progress(done) end
    end
  end
  return found
end

-- Digests of all sectors of the plan: what told the planner to skip one came over
-- the same line as the rest.
local PROOF_SECTORS <const> = 64
local function by_digests(dev, steps)
  local i = 1
  while i <= #steps.sectors do
    local first, pieces = steps.sectors[i], {}
    repeat
      pieces[#pieces + 1] = steps.sectors[i].data
      i = i + 1
      local next = steps.sectors[i]
    until not next or next.addr ~= first.addr + #pieces * SECTOR or #pieces == PROOF_SECTORS
    local at = device_proof.compare(dev, first.addr, table.concat(pieces))
    if at then return at, first.parts[1] end
  end
end

-- Compares by the loader's hashes what the plan wanted in the sectors it changed.
-- The others were compared before, by the same hashes.
local function by_hashes(dev, steps)
  local changed = {}
  for _, sector in ipairs(steps.sectors) do
    local last = changed[#changed]
    if sector.action ~= "skip" then
      if last and last.addr + last.size == sector.addr then
        last.size = last.size + SECTOR
      else
        changed[#changed + 1] = { addr = sector.addr, size = SECTOR }
      end
    end
  end
  local hash = dev.loader:hashes(changed)
  for _, sector in ipairs(steps.sectors) do
    if sector.action ~= "skip" and hash(sector.addr) ~= esp.crc32(sector.data) then
      return sector.addr, sector.parts[1]
    end
  end
end

local function by_reading(dev, steps, progress)
  local done = 0
  for _, sector in ipairs(steps.sectors) do
    local at = not sector.proven and device_proof.compare(dev, sector.addr, sector.data)
    if at then return at, sector.parts[1] end
    done = done + SECTOR
    if progress then progress(math.min(done, steps.summary.bytes)) end
  end
end

--- How a loader proves what is in flash, for people.
-- @tparam table loader
-- @treturn string
function device_proof.how(loader)
  return loader.has_hashes and "hash of each sector" or loader.digest and "digests of flash"
    or "all of it read back"
end

--- Where flash does not hold what a plan wanted.
-- @tparam device dev
-- @tparam plan steps
-- @tparam[opt] function show makes a progress function of a total, in bytes
-- @treturn integer|nil the first address known to differ, nil when all is as wanted
-- @treturn string the name of the part there
function device_proof.first_wrong(dev, steps, show)
  if dev.loader.has_hashes then return by_hashes(dev, steps) end
  if dev.loader.digest then return by_digests(dev, steps) end
  return by_reading(dev, steps, show and show(steps.summary.bytes))
end

return device_proof
