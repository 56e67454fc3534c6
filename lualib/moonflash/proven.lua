--- Reading flash so that what arrives is what is there.
--
-- With hashes every sector read is compared with the one that the stub computed
-- beside the flash. The chip's own loader has none, and nothing on its way is
-- checked: with it everything is read until it comes the same twice.
-- @module moonflash.proven
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"

local proven = {}

local SECTOR <const> = 0x1000
local TRIES <const> = 3

-- The address of the first sector whose hash is another one, or nil.
local function first_wrong(hash, addr, bytes)
  for i, crc in ipairs(esp.sector_crcs(bytes, SECTOR)) do
    local at = addr + (i - 1) * SECTOR
    if hash(at) ~= crc then return at end
  end
end

local function unstable(addr)
  errors.raise("protocol", "flash does not read the same twice", { addr = addr,
    hint = "check the supply and the wiring of the flash, try a lower --baud" })
end

local function by_hashes(dev, hash)
  return function(addr, size, progress)
    local wrong
    for _ = 1, TRIES do
      local bytes = dev:read(addr, size, progress)
      wrong = first_wrong(hash, addr, bytes)
      if not wrong then return bytes end
    end
    unstable(wrong)
  end
end

local function by_reading_twice(dev)
  return function(addr, size, progress)
    local before = dev:read(addr, size, progress)
    for _ = 2, TRIES do
      local again = dev:read(addr, size)
      if again == before then return again end
      before = again
    end
    unstable(addr)
  end
end

--- A function that reads flash and proves what it read.
-- @tparam device dev
-- @tparam {range,...} ranges { addr, size } whole sectors: what will be read
-- @treturn function read(addr, size [, progress]) -> bytes; raises `protocol`
function proven.reader(dev, ranges)
  if dev.loader.has_hashes then return by_hashes(dev, dev.loader:hashes(ranges)) end
  if dev.loader.reads_are_proven then
    return function(...) return dev:read(...) end
  end
  return by_reading_twice(dev)
end

--- Reads any range and proves it.
-- @tparam device dev
-- @tparam integer addr
-- @tparam integer size
-- @tparam[opt] function progress bytes read so far
-- @tparam[opt] boolean once read once where the loader has no hashes
-- @treturn string
-- @raise `protocol`
function proven.read(dev, addr, size, progress, once)
  if once and not dev.loader.has_hashes then return dev:read(addr, size, progress) end
  local first = addr // SECTOR * SECTOR
  local last = math.min((addr + size + SECTOR - 1) // SECTOR * SECTOR, dev:flash().size)
  local whole = { addr = first, size = last - first }
  local read = proven.reader(dev, { whole })
  local bytes = read(whole.addr, whole.size, progress and function(done)
    progress(math.max(0, math.min(size, done - (addr - first))))
  end)
  return bytes:sub(addr - first + 1, addr - first + size)
end

--- Compares a loader's hashes with those that are wanted.
-- @tparam device dev whose loader has hashes
-- @tparam {range,...} ranges
-- @tparam function want CRC-32 wanted at a sector's address; nil = any
-- @treturn integer|nil address of the first sector that is another one
function proven.first_difference(dev, ranges, want)
  local hash = dev.loader:hashes(ranges)
  for _, r in ipairs(ranges) do
    for at = r.addr, r.addr + r.size - 1, SECTOR do
      local crc = want(at)
      if crc and hash(at) ~= crc then return at end
    end
  end
end

return proven
