--- Flash work through the chip's mask ROM alone: the fallback that always works.
--
-- Slower than the stub and without hashes, but it needs nothing on the chip.
-- The same set of functions as every loader has: `read`, `erase`, `program`,
-- `hashes`, `flash_facts`, `change_baud`, `boot`.
-- @module moonflash.rom_loader
local errors <const> = require "moonflash.errors"

local rom_loader = {}
rom_loader.__index = rom_loader

-- 1 KiB blocks: the largest size that the ROM programs while the next one may
-- already be on its way at 115200 (reference: ROM, pipelining).
local BLOCK <const> = 0x400
local SECTOR <const> = 0x1000
local READ <const> = 0x400

--- Wraps a connected `esp.rom`.
-- @param rom from esp.rom(port):connect()
-- @treturn table the loader
function rom_loader.new(rom)
  return setmetatable({ rom = rom, name = "ROM", reads_are_proven = true }, rom_loader)
end

--- Attaches the flash and reads what identifies it.
-- @treturn table `{ id = RDID word, status = { SR1 [, SR2] } }`
-- @raise `flash` when nothing answers
function rom_loader:flash_facts()
  local id = errors.check(self.rom:flash_id())
  local first = errors.check(self.rom:flash_status(1))
  return { id = id, status = { first, errors.check(self.rom:flash_status(2)) } }
end

--- Reads the flash chip's status registers.
-- @treturn {integer,...} SR1, SR2, SR3
function rom_loader:status()
  local status = {}
  for n = 1, 3 do status[n] = errors.check(self.rom:flash_status(n)) end
  return status
end

local STATUS_REGISTER <const> = { [0x01] = 1, [0x31] = 2, [0x11] = 3 }

--- Writes status registers, after write enable, and waits.
-- @tparam integer op 0x01, 0x31 or 0x11
-- @tparam string bytes one, or two with 0x01
-- @raise `flash` when the chip stays busy or does not take it
function rom_loader:write_status(op, bytes)
  errors.check(self.rom:flash_write_status(STATUS_REGISTER[op], bytes:byte(1, 2)))
end

--- Tells the loader the size of the chip; until then it neither erases nor writes.
-- @tparam integer size_bytes
function rom_loader:set_flash_size(size_bytes)
  errors.check(self.rom:flash_params(size_bytes))
end

--- Hashes of sectors: the ROM has none.
-- @treturn nil
function rom_loader:hashes()
  return nil
end

local READINGS <const> = 6

-- The ROM's answers carry no checksum: a piece is right when it comes twice the same.
local function read_surely(rom, addr, size)
  local last
  for _ = 1, READINGS do
    local bytes = errors.check(rom:flash_read(addr, size))
    if bytes == last then return bytes end
    last = bytes
  end
  errors.raise("protocol", "flash does not read the same twice", { addr = addr,
    hint = "check the supply and the wiring of the flash, try a lower --baud" })
end

local function read_once(rom, addr, size)
  return errors.check(rom:flash_read(addr, size))
end

local function read_pieces(self, read, addr, size, sink)
  local at = 0
  while at < size do
    local n = math.min(READ, size - at)
    sink(read(self.rom, addr + at, n))
    at = at + n
  end
end

--- Reads flash, 64 bytes a transaction, through the SPI registers; every piece until
-- it comes twice the same.
-- @tparam integer addr
-- @tparam integer size
-- @tparam function sink called with each piece, in order
function rom_loader:read(addr, size, sink)
  read_pieces(self, read_surely, addr, size, sink)
end

--- The same with one reading: enough to compare with what must be there.
function rom_loader:read_once(addr, size, sink)
  read_pieces(self, read_once, addr, size, sink)
end

--- Erases exactly the sectors of a range.
-- @tparam integer addr multiple of 4096
-- @tparam integer size multiple of 4096
-- @tparam[opt] function progress called with the bytes erased so far
function rom_loader:erase(addr, size, progress)
  local at, step = 0, 0x10000
  while at < size do
    -- up to the next 64 KiB boundary, so that whole blocks stay whole
    local n = math.min(step - (addr + at) % step, size - at)
    errors.check(self.rom:flash_erase(addr + at, n))
    at = at + n
    if progress then progress(at) end
  end
end

--- Programs erased flash.
-- @tparam integer addr multiple of 4
-- @tparam string data padded with FF to a multiple of 4 by us
-- @tparam[opt] function progress called with the bytes written so far
function rom_loader:program(addr, data, progress)
  errors.check(self.rom:flash_write_begin(addr, #data + -#data % 4, BLOCK))
  for at = 1, #data, BLOCK do
    local block = data:sub(at, at + BLOCK - 1)
    block = block .. ("\xff"):rep(-#block % 4)
    errors.check(self.rom:flash_write_block(block))
    if progress then progress(math.min(at + BLOCK - 1, #data)) end
  end
end

-- The steps of a plan with whole sectors to program, because the ROM starts at
-- sectors only: the first page of a sector brings all of it.
local function by_sectors(steps)
  local data_of, done, out = {}, {}, {}
  for _, s in ipairs(steps.sectors) do data_of[s.addr] = s.data end
  for _, step in ipairs(steps.steps) do
    if step.op == "erase" then
      out[#out + 1] = step
    else
      for addr = step.addr // SECTOR * SECTOR, step.addr + step.size - 1, SECTOR do
        local last = out[#out]
        if not done[addr] then
          if last and last.op == "program" and last.addr + last.size == addr then
            last.pieces[#last.pieces + 1] = data_of[addr]
            last.size = last.size + SECTOR
          else
            out[#out + 1] = { op = "program", addr = addr, size = SECTOR,
              pieces = { data_of[addr] } }
          end
        end
        done[addr] = true
      end
    end
  end
  for _, step in ipairs(out) do
    if step.pieces then step.data = table.concat(step.pieces) end
  end
  return out
end

-- The magic byte, without which the chip's ROM starts nothing, comes last; with it, over
-- itself, what is behind it in one small program: power that fails then finds it whole.
local MAGIC <const>, FIRST <const> = 1, 32

local function holds(self, read, sector)
  local pieces = {}
  self[read](self, sector.addr, SECTOR, function(s) pieces[#pieces + 1] = s end)
  return table.concat(pieces) == sector.data
end

-- The boot sector is written when the rest is proven: nothing on the way to the ROM
-- is checked, and an image with a wrong byte behind its first segments would start.
local function prove_rest(self, plan)
  for _, sector in ipairs(plan.sectors) do
    if sector.addr > 0 and sector.action ~= "skip" and not sector.proven then
      if not holds(self, "read_once", sector) and not holds(self, "read", sector) then
        errors.raise("flash", "flash does not read back what was written", { addr = sector.addr })
      end
      sector.proven = true
    end
  end
end

--- Carries out a plan.
-- @tparam plan plan
-- @tparam[opt] function progress bytes programmed so far, and the address
function rom_loader:run(plan, progress)
  local done, steps = 0, by_sectors(plan)
  for i, step in ipairs(steps) do
    if progress then progress(done, step.addr) end
    if i == #steps and step.op == "program" and step.addr == 0 and #step.data == SECTOR then
      prove_rest(self, plan)
      self:program(0, ("\xff"):rep(MAGIC) .. step.data:sub(MAGIC + 1))
      step.data = step.data:sub(1, FIRST)
    end
    if step.op == "erase" then
      self:erase(step.addr, step.size)
    else
      self:program(step.addr, step.data, function(n)
        if progress then progress(done + n, step.addr + n) end
      end)
      done = done + #step.data
    end
  end
end

--- Goes on at another rate.
-- @tparam integer baud
function rom_loader:change_baud(baud)
  errors.check(self.rom:change_baud(baud))
end

--- Leaves the loader for the flashed firmware without a reset.
function rom_loader:boot()
  errors.check(self.rom:boot())
end

return rom_loader
