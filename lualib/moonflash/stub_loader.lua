--- Flash work through our stub in the chip's RAM: fast, hashed, repeatable.
--
-- Offers what every loader offers (@{moonflash.rom_loader} is the other one).
-- @module moonflash.stub_loader
local adapters <const> = require "moonflash.adapters"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local report <const> = require "moonflash.report"

local stub_loader = {}
stub_loader.__index = stub_loader

local SECTOR <const> = 0x1000
local READ_PIECE <const> = 0x40000

-- Rates to try, fastest first; the first that carries the test pattern stays.
local LADDER <const> = { 2000000, 1500000, 921600, 460800, 230400 }

-- Rates to which a line that turns bad may be followed down within the session.
local SLOWER <const> = { 1500000, 921600, 460800, 230400, 115200, 57600 }

-- Alternating bits, long runs and the framing bytes: what a marginal line garbles.
local PATTERN <const> = ("U\xaa\x00\xff\xc0\xdb\x0f\xf0"):rep(10)

local function try_rate(self, baud)
  local ok, message, code = self.stub:set_baud(baud, self.clocks)
  if not ok and code ~= "unsupported" then errors.raise(code, message) end
  if not ok then return false end
  if self.stub:ping(PATTERN) then return true end
  self.stub:set_baud(self.start_baud, "as they are")
  return false
end

-- The rate at which the stub is loaded: most adapters carry it, and where it does
-- not work the chip goes on at the rate before.
local LOAD_BAUD <const> = 921600

local function load_rate(baud, adapter)
  return math.tointeger(tonumber(baud)) or math.min(adapters.rate(adapter) or LOAD_BAUD, LOAD_BAUD)
end

-- Goes to the fastest rate that carries the pattern, of those at most so fast.
local function climb(self, most, known)
  for _, rate in ipairs(LADDER) do
    if rate ~= known and rate < most and try_rate(self, rate) then return end
  end
end

-- Goes to the rate asked for, or else to the best below it.
local function choose_rate(self, baud)
  local asked = math.tointeger(tonumber(baud))
  local known = asked or adapters.rate(self.adapter)
  if known and try_rate(self, known) then return end
  climb(self, asked or math.huge, known)
  if asked then report.warn("%d baud does not work here; going on at %d", asked, self.port:baud()) end
  adapters.remember(self.adapter, self.port:baud())
end

-- Hash of the first sector. The stub begins with a slow flash clock and plain reads.
-- Where fast ones go wrong it must not go on to them: what is read, and kept beside a
-- part or taken for a table, would be wrong without anybody noticing.
local function boot_hash(self)
  local crcs = self.stub:hashes(0, SECTOR)
  return crcs and crcs[1]
end

--- Loads the stub through the ROM and goes to the working rate.
-- @param rom a connected `esp.rom`
-- @param port its port
-- @tparam string baud "auto" or a rate
-- @tparam[opt] string adapter its key, see @{moonflash.adapters}
-- @treturn table the loader
-- @raise what `esp.stub` says when it does not start
function stub_loader.start(rom, port, baud, adapter)
  local self = setmetatable({ rom = rom, port = port, name = "stub",
    has_hashes = true, clocks = "fast" }, stub_loader)
  self.stub = errors.check(esp.stub(rom, load_rate(baud, adapter)))
  self.adapter, self.start_baud = adapter, port:baud()
  local plain = boot_hash(self)
  choose_rate(self, baud)
  if plain and boot_hash(self) ~= plain then self:careful() end
  self.rate = port:baud()
  self.stub:allow_slower(SLOWER)
  return self
end

-- Says so when the rate went down by itself, and remembers it.
local function note_rate(self)
  local baud = self.port:baud()
  if baud >= self.rate then return end
  report.warn("most of what was sent at %d baud got lost; went on at %d", self.rate, baud)
  adapters.remember(self.adapter, baud)
  self.rate = baud
end

--- Reads what identifies the flash chip.
-- @treturn table `{ id, status, uid, sfdp }`
function stub_loader:flash_facts()
  local info = errors.check(self.stub:info())
  if info.id == 0 or info.id == 0xffffff then
    errors.check(self.stub:flash_reset())
    info = errors.check(self.stub:info())
  end
  return info
end

--- Reads the flash chip's status registers.
-- @treturn {integer,...} SR1, SR2, SR3
function stub_loader:status()
  return errors.check(self.stub:info()).status
end

--- Writes status registers, after write enable, and waits.
-- @tparam integer op 0x01, 0x31 or 0x11
-- @tparam string bytes one, or two with 0x01
function stub_loader:write_status(op, bytes)
  errors.check(self.stub:write_status(op, bytes))
end

--- The stub goes by absolute addresses and needs no size.
function stub_loader:set_flash_size()
end

--- Hashes of the sectors that parts lie in.
-- @tparam {part,...} list `{ addr, data or size }`
-- @treturn function CRC-32 of the sector at an address, nil where not known
function stub_loader:hashes(list)
  local known = {}
  for _, part in ipairs(list) do
    local first = part.addr // SECTOR * SECTOR
    local last = part.addr + (part.data and #part.data or part.size) - 1
    local size = (last // SECTOR + 1) * SECTOR - first
    for i, crc in ipairs(errors.check(self.stub:hashes(first, size))) do
      known[first + (i - 1) * SECTOR] = crc
    end
  end
  note_rate(self)
  return function(addr) return known[addr] end
end

--- Reads flash.
-- @tparam integer addr
-- @tparam integer size
-- @tparam function sink called with each piece, in order
function stub_loader:read(addr, size, sink)
  local at = 0
  while at < size do
    local n = math.min(READ_PIECE, size - at)
    sink(errors.check(self.stub:read(addr + at, n)))
    at = at + n
  end
  note_rate(self)
end

--- Erases whole sectors; what is blank already is not erased again.
-- @tparam integer addr
-- @tparam integer size
-- @tparam[opt] function progress bytes erased so far
function stub_loader:erase(addr, size, progress)
  errors.check(self.stub:erase(addr, size, progress))
end

-- Runs of changed sectors, ascending, as { addr, size, blank = no erase is due };
-- sector 0 stands alone because it comes first and last.
local function ranges_of(plan)
  local ranges = {}
  for _, s in ipairs(plan.sectors) do
    local last = ranges[#ranges]
    if s.action ~= "skip" then
      if last and last.addr > 0 and last.addr + last.size == s.addr then
        last.size, last.blank = last.size + SECTOR, last.blank and s.erase == false
      else
        ranges[#ranges + 1] = { addr = s.addr, size = SECTOR, blank = s.erase == false }
      end
    end
  end
  return ranges
end

local function write_units(self, plan, range, count)
  for _, step in ipairs(plan.steps) do
    if step.op == "program" and step.addr >= range.addr and step.addr < range.addr + range.size then
      errors.check(self.stub:write_unit(step.addr, step.data))
      count(step)
    end
  end
end

-- The byte without which the chip's ROM starts nothing, and the word that it is in.
local MAGIC <const>, WORD <const> = 1, 4

-- Writes the boot sector, after all else, and its first byte after the rest of it: the
-- image is there with the last thing that is programmed, or not at all. (The image's
-- checksum has eight bits: of a header and half a sector one in 256 would start.) The
-- other bytes of that word are programmed again as they are: power that fails then
-- finds them whole, and a chip that does not AND what it programs is told them.
local function write_boot(self, sector)
  errors.check(self.stub:write_begin(0, SECTOR))
  if sector.action ~= "write" then return end
  errors.check(self.stub:write_unit(0, ("\xff"):rep(MAGIC) .. sector.data:sub(MAGIC + 1)))
  errors.check(self.stub:write_begin(0, SECTOR, true))
  errors.check(self.stub:write_unit(0, sector.data:sub(1, WORD)))
end

local function finish(self)
  local ok, message, code, addr = self.stub:write_end()
  note_rate(self)
  if not ok then errors.raise(code, message, { addr = addr }) end
end

--- Carries out a plan.
-- @tparam plan plan
-- @tparam[opt] function progress bytes programmed so far, and the address
-- @raise `flash` with `addr` where flash does not take what it should
function stub_loader:run(plan, progress)
  local done = 0
  local function count(step)
    done = done + step.size
    if progress then progress(done, step.addr) end
  end
  local ranges = ranges_of(plan)
  local boot = ranges[1] and ranges[1].addr == 0
  if boot then errors.check(self.stub:write_begin(0, SECTOR)) end
  for _, range in ipairs(ranges) do
    if range.addr > 0 then
      errors.check(self.stub:write_begin(range.addr, range.size, range.blank))
      write_units(self, plan, range, count)
    end
  end
  finish(self)
  if not boot then return end
  write_boot(self, plan.sectors[1])
  finish(self)
  count { addr = 0, size = SECTOR }
end

--- Works with a slow flash clock from now on, for boards on which flash reads wrong.
function stub_loader:careful()
  self.clocks = "double"
  errors.check(self.stub:set_baud(self.port:baud(), self.clocks))
end

--- Leaves the stub for the flashed firmware without a reset.
function stub_loader:boot()
  errors.check(self.stub:run("flash"))
end

return stub_loader
