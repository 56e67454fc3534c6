--- Flash work through somebody's stub in the public format (@{moonflash.public_stub}).
--
-- Offers what every loader offers (@{moonflash.rom_loader}, @{moonflash.stub_loader}).
-- Its commands have no checksum beside that of a block's data, and a block is not
-- repeatable: a lost answer leaves open where the next one goes. So whatever
-- changes flash is sent once, and any failure ends the run; @{moonflash.writer}
-- then starts the stub anew and plans again. And every command that changes flash
-- is laid out so that a damaged address or size shows: ranges begin and end with
-- sectors that must change, and sizes are checked by the stub or by looking at
-- what lies behind.
-- @module moonflash.public_stub_loader
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local flash_chips <const> = require "moonflash.flash_chips"
local report <const> = require "moonflash.report"
local rom_loader <const> = require "moonflash.rom_loader"

-- Status registers and `hashes` (none) are as without a stub.
local public_stub_loader = setmetatable({ reads_are_proven = true, read_once = false },
  { __index = rom_loader })
public_stub_loader.__index = public_stub_loader

local SECTOR <const> = 0x1000
local OP <const> = { MEM_BEGIN = 0x05, MEM_END = 0x06, MEM_DATA = 0x07, SPI_SET_PARAMS = 0x0b,
  SPI_ATTACH = 0x0d, CHANGE_BAUDRATE = 0x0f, DEFL_BEGIN = 0x10, DEFL_DATA = 0x11,
  DEFL_END = 0x12, MD5 = 0x13, ERASE_FLASH = 0xd0, ERASE_REGION = 0xd1, READ_FLASH = 0xd2,
  RUN_USER_CODE = 0xd3 }

-- Status bytes that stubs add to the ROM's (reference: stub status byte).
local STATUS <const> = { c0 = "bad data length", c1 = "bad checksum", c2 = "bad block size",
  c3 = "it does not have this command", c4 = "the flash operation failed",
  c5 = "the flash does not unlock", c6 = "not in flash mode", c7 = "damaged compressed data",
  c8 = "data are missing", c9 = "too many data", ff = "it does not have this command" }

-- Milliseconds that erasing, or erasing and writing, may take (reference: time-outs).
local function work_ms(size) return 3000 + size * 40 // 1000 end
local function digest_ms(size) return 3000 + size * 8 // 1000 end

-- One command; value and data of the reply.
local function ask(self, op, words, more)
  more = more or {}
  local value, data, code = self.rom:command { op = OP[op], words = words, data = more.data,
    timeout_ms = more.timeout_ms }
  if value then return value, data end
  local status = code == "refused" and data:match("status (%x%x)$")
  local why = STATUS[status] and ("refused: %s (%s)"):format(STATUS[status], status) or data
  errors.raise(code, ("the stub: %s: %s"):format(op, why))
end

-- Meets the stub again. The first SYNC may be lost: it ends a read in progress. And
-- a damaged question may have asked for more than was meant, which takes a while.
local SYNCS <const> = 40
local function in_step(self)
  for _ = 1, SYNCS do
    if self.rom:sync() then return end
  end
  errors.raise("timeout", "the stub does not answer any more")
end

-- Questions change nothing, so they may be repeated.
local QUESTIONS <const> = 5
local LINE <const> = { timeout = true, protocol = true, refused = true }

local function patiently(self, times, question)
  for try = 1, times do
    local ok, answer = pcall(question)
    if ok then return answer end
    if try == times or not errors.is(answer) or not LINE[answer.code] then error(answer, 0) end
    in_step(self)
  end
end

-- ---- start ----

-- Short, to stay clear of what is loaded behind the ROM's packet buffer.
local LOAD_BLOCK <const> = 0x400

local function load_block(self, addr, data)
  patiently(self, 10, function()
    ask(self, "MEM_BEGIN", { #data, 1, LOAD_BLOCK, addr })
    ask(self, "MEM_DATA", { #data, 0, 0, 0 }, { data = data })
  end)
end

local function words_at(addr, n)
  local addrs = {}
  for i = 1, n do addrs[i] = addr + 4 * (i - 1) end
  return addrs
end

-- The ROM's checksum is one byte over the data alone; code that erases flash must
-- be exactly right.
local function load_checked(self, addr, data)
  for _ = 1, 3 do
    load_block(self, addr, data)
    local words = words_at(addr, #data // 4)
    local there = ("<" .. ("I4"):rep(#words)):pack(table.unpack(errors.check(
      self.rom:read_regs(words))))
    if there == data then return end
  end
  errors.raise("protocol", ("RAM at 0x%08x does not hold what was loaded"):format(addr))
end

local function run(self, entry)
  self.rom:command { op = OP.MEM_END, words = { 0, entry }, timeout_ms = 200 }
  local hello = self.rom:frame(1000)
  for _ = 1, 3 do
    if self.rom:sync() and self.rom:is_stub() then return end
  end
  errors.raise("timeout", hello == "OHAI" and "the stub says hello and no more"
    or "the stub was loaded and does not answer")
end

--- Goes on at another rate.
-- @tparam integer baud
function public_stub_loader:change_baud(baud)
  local now = self.port:baud()
  if baud == now then return end
  ask(self, "CHANGE_BAUDRATE", { baud, now })
  errors.check(self.port:baud(baud))
  errors.check(self.port:sleep(50))
  in_step(self)
end

-- Tells the ROM the flash chip's size, with reading back: some stubs go through the
-- ROM's functions, which refuse what is behind the end that they know.
local function prepare_rom(rom)
  local id = rom:flash_id()
  local info = id and flash_chips.identify(id)
  if info then rom:flash_params(info.size_bytes) end
end

--- Loads a stub through the ROM and goes to the working rate.
-- @param rom a connected `esp.rom`
-- @param port its port
-- @tparam table stub from `public_stub.parse`
-- @tparam string baud a rate; "auto" stays at the one that the ROM was reached with
-- @treturn table the loader
-- @raise `timeout` when it does not start
function public_stub_loader.start(rom, port, stub, baud)
  local self = setmetatable({ rom = rom, port = port, name = "public stub" }, public_stub_loader)
  prepare_rom(rom)
  for _, s in ipairs(stub.segments) do
    for at = 1, #s.data, LOAD_BLOCK do
      load_checked(self, s.addr + at - 1, s.data:sub(at, at + LOAD_BLOCK - 1))
    end
  end
  run(self, stub.entry)
  if baud ~= "auto" then self:change_baud(math.tointeger(tonumber(baud))) end
  patiently(self, QUESTIONS, function() ask(self, "SPI_ATTACH", { 0 }) end)
  return self
end

-- ---- digests and reading ----

--- MD5 of a range of flash, computed by the chip.
-- @tparam integer addr
-- @tparam integer size
-- @treturn string 32 hex digits, as `esp.md5` gives them
function public_stub_loader:digest(addr, size)
  return patiently(self, QUESTIONS, function()
    local _, digest = ask(self, "MD5", { addr, size, 0, 0 }, { timeout_ms = digest_ms(size) })
    if #digest ~= 16 then errors.raise("protocol", "the stub: that is no MD5") end
    return (digest:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
  end)
end

--- Whether flash holds these bytes, by digest. Data of one value are asked for
-- twice: they lie in many places, and a damaged question may ask for another.
-- @tparam integer addr
-- @tparam string data
-- @treturn boolean
function public_stub_loader:holds(addr, data)
  local want = esp.md5(data)
  local uniform = data == data:sub(1, 1):rep(#data)
  return self:digest(addr, #data) == want and (not uniform or self:digest(addr, #data) == want)
end

--- Digests of the whole sectors that parts lie in, for planning.
-- @tparam {part,...} parts `{ addr, data or size }`
-- @treturn function MD5 of the sector at an address
function public_stub_loader:digests(parts)
  local known = {}
  for _, part in ipairs(parts) do
    local last = part.addr + (part.data and #part.data or part.size) - 1
    for at = part.addr // SECTOR * SECTOR, last, SECTOR do
      known[at] = known[at] or self:digest(at, SECTOR)
    end
  end
  return function(addr) return known[addr] end
end

local READ_PIECE <const>, READ_FRAME <const> = 0x10000, 0x1000
-- A piece that does not come whole is asked for so often, and for so long.
local READ_TRIES <const>, READ_PATIENCE_US <const> = 20, 12000000

-- One transfer: each frame is acknowledged with the number of bytes so far, and
-- one frame is under way at a time; at the end comes the MD5 of all.
local function read_piece(self, addr, size)
  local pieces, got = {}, 0
  local frame_ms = 3000 + (2 * READ_FRAME + 2) * 10000 // self.port:baud()
  ask(self, "READ_FLASH", { addr, size, READ_FRAME, 1 })
  while got < size do
    local s = errors.check(self.rom:frame(frame_ms))
    if #s ~= math.min(READ_FRAME, size - got) then
      errors.raise("protocol", "the stub: a frame has another length than it should")
    end
    got = got + #s
    pieces[#pieces + 1] = s
    errors.check(self.rom:send_frame(("<I4"):pack(got)))
  end
  errors.check(self.rom:frame(frame_ms))
  return table.concat(pieces)
end

--- Reads flash. Each piece is compared with its digest, asked for on its own: the
-- one at the end of a transfer says nothing of the address that arrived.
-- @tparam integer addr
-- @tparam integer size
-- @tparam function sink called with each piece, in order
function public_stub_loader:read(addr, size, sink)
  local at, most, failures, since = 0, READ_PIECE, 0, self.port:now()
  while at < size do
    local n = math.min(most, size - at)
    local ok, s = pcall(read_piece, self, addr + at, n)
    if ok and esp.md5(s) == self:digest(addr + at, n) then
      sink(s)
      at, failures, since = at + n, 0, self.port:now()
    else
      failures = failures + 1
      if not ok and not (errors.is(s) and LINE[s.code]) then error(s, 0) end
      if failures == READ_TRIES or self.port:now() - since > READ_PATIENCE_US then
        error(ok and errors.new("protocol", "what arrives is not what the flash holds") or s, 0)
      end
      most = math.max(SECTOR, most // 4)
      in_step(self)
    end
  end
end

-- ---- the flash chip ----

--- Reads what identifies the flash chip.
-- @treturn table `{ id, status }`
function public_stub_loader:flash_facts()
  return patiently(self, QUESTIONS, function() return rom_loader.flash_facts(self) end)
end

-- The size that the ROM takes every chip for; stubs know no less.
local KNOWN_SIZE <const> = 0x400000

--- Tells the stub the flash chip's size where it could not do without: where a stub
-- keeps the geometry is its own affair, so whether it arrived cannot be read back.
-- Ranges are checked when they are planned.
-- @tparam integer size_bytes
function public_stub_loader:set_flash_size(size_bytes)
  self.flash_bytes = size_bytes
  if size_bytes <= KNOWN_SIZE then return end
  patiently(self, QUESTIONS, function()
    ask(self, "SPI_SET_PARAMS", { 0, size_bytes, 0x10000, 0x1000, 0x100, 0xffff })
  end)
end

-- ---- erasing ----

local BLOCK <const> = 0x10000
local BLANK_MD5 <const> = setmetatable({}, { __index = function(t, size)
  t[size] = esp.md5(("\xff"):rep(size))
  return t[size]
end })

local function is_blank(self, addr, size)
  return self:digest(addr, size) == BLANK_MD5[size]
end

-- Address of the first or last sector in [from, to) that is not blank, or nil.
local function first_used(self, from, to)
  while from < to do
    local size = math.min(BLOCK - from % BLOCK, to - from)
    if not is_blank(self, from, size) then
      for at = from, from + size - 1, SECTOR do
        if size == SECTOR or not is_blank(self, at, SECTOR) then return at end
      end
    end
    from = from + size
  end
end

local function last_used(self, from, to)
  for at = to - SECTOR, from, -SECTOR do
    if not is_blank(self, at, SECTOR) then return at end
  end
end

-- Erases a range whose first and last sector are not blank. If another address
-- arrives than was sent, one of them stays; if a larger size does, what is used
-- next behind the range goes.
local function erase_used(self, addr, size)
  local behind = first_used(self, addr + size, self.flash_bytes)
  local before = behind and self:digest(behind, SECTOR)
  ask(self, "ERASE_REGION", { addr, size }, { timeout_ms = work_ms(size) })
  if not is_blank(self, addr, size) then
    errors.raise("chip_changed", "flash is not blank after erasing", { addr = addr })
  end
  if behind and self:digest(behind, SECTOR) ~= before then
    errors.raise("chip_changed", "more was erased than was asked for", { addr = behind,
      final = true, hint = "a command was damaged on its way: restore that sector from a backup" })
  end
end

local CHIP_MS <const> = 240000

--- Erases whole sectors; what is blank already is not erased again.
-- @tparam integer addr
-- @tparam integer size
-- @tparam[opt] function progress bytes erased so far
function public_stub_loader:erase(addr, size, progress)
  if addr == 0 and size == self.flash_bytes then
    ask(self, "ERASE_FLASH", nil, { timeout_ms = CHIP_MS })
    if progress then progress(size) end
    return
  end
  local at, last = addr, addr + size
  while at < last do
    local to = math.min((at // BLOCK + 1) * BLOCK, last)
    local first = first_used(self, at, to)
    if first then erase_used(self, first, last_used(self, first, to) + SECTOR - first) end
    at = to
    if progress then progress(at - addr) end
  end
end

-- ---- writing ----

local SESSION <const>, DATA_BLOCK <const> = 0x40000, 0x4000

-- Writes whole sectors; the stub erases on its way. Its END tells when the size
-- was not the one that was sent, its digest whether all is where it should be.
local function write_session(self, addr, data, count)
  local packed = esp.deflate(data, 9, "zlib")
  local blocks = (#packed + DATA_BLOCK - 1) // DATA_BLOCK
  local ms = work_ms(#data + BLOCK)
  ask(self, "DEFL_BEGIN", { #data, blocks, DATA_BLOCK, addr }, { timeout_ms = ms })
  for seq = 0, blocks - 1 do
    local block = packed:sub(seq * DATA_BLOCK + 1, (seq + 1) * DATA_BLOCK)
    ask(self, "DEFL_DATA", { #block, seq, 0, 0 }, { data = block, timeout_ms = ms })
    count(math.min(#data, #data * (seq + 1) // blocks), addr)
  end
  ask(self, "DEFL_END", { 1 }, { timeout_ms = ms })
  if self:digest(addr, #data) ~= esp.md5(data) then
    errors.raise("flash", "flash does not hold what was written", { addr = addr })
  end
end

-- Runs of sectors with the same action, ascending, cut where a session ends;
-- sector 0 is left out.
local function runs_of(sectors)
  local runs = {}
  for _, s in ipairs(sectors) do
    local last = runs[#runs]
    if s.addr > 0 and s.action ~= "skip" then
      if not last or last.action ~= s.action or last.to ~= s.addr or s.addr % SESSION == 0 then
        last = { addr = s.addr, action = s.action, pieces = {} }
        runs[#runs + 1] = last
      end
      last.pieces[#last.pieces + 1] = s.data
      last.to = s.addr + SECTOR
    end
  end
  return runs
end

-- The byte without which the chip's ROM starts nothing. A stub's own commands erase
-- whole sectors before they write, so it goes to the flash chip itself, through the
-- SPI controller's registers; twice does no harm.
local MAGIC <const> = 1
local SPI <const> = { PROGRAM = 0x02, READ_STATUS = 0x05, WRITE_ENABLE = 0x06 }
local BUSY <const>, ENABLED <const>, POLLS <const> = 0x01, 0x02, 200

local function spi(self, t)
  t.checked = true
  return errors.check(self.rom:spi(t))
end

local function status(self) return spi(self, { op = SPI.READ_STATUS, read = 1 }):byte() end

local function wait_idle(self)
  for _ = 1, POLLS do
    if status(self) & BUSY == 0 then return end
  end
  errors.raise("flash", "the flash chip stays busy after a byte was programmed", { addr = 0 })
end

local function program_magic(self, byte)
  spi(self, { op = SPI.WRITE_ENABLE })
  if status(self) & (BUSY | ENABLED) ~= ENABLED then
    errors.raise("protocol", "the flash chip did not take write enable")
  end
  spi(self, { op = SPI.PROGRAM, addr = 0, out = byte })
  wait_idle(self)
end

-- Writes the boot sector without its first byte, proves it, and then that byte: the
-- image is there with the last thing that is programmed, or not at all.
local function write_boot(self, data, count)
  local magic = data:sub(1, MAGIC)
  write_session(self, 0, ("\xff"):rep(MAGIC) .. data:sub(MAGIC + 1), count)
  if magic == "\xff" then return end
  patiently(self, QUESTIONS, function() program_magic(self, magic) end)
  if not self:holds(0, data) then
    errors.raise("flash", "flash does not take the first byte of the image", { addr = 0 })
  end
end

--- Carries out a plan: the boot sector is erased first and written last, its first
-- byte after all else is proven.
-- @tparam plan plan
-- @tparam[opt] function progress bytes programmed so far, and the address
-- @raise `flash` with `addr` where flash does not take what it should; what a bad
--   line brings, with nothing sent twice
function public_stub_loader:run(plan, progress)
  local done = 0
  local function count(n, addr)
    if progress then progress(done + n, addr) end
  end
  local boot = plan.sectors[1]
  if boot.addr ~= 0 or boot.action == "skip" then boot = nil end
  if boot then self:erase(0, SECTOR) end
  for _, r in ipairs(runs_of(plan.sectors)) do
    if r.action == "erase" then
      self:erase(r.addr, r.to - r.addr)
    else
      write_session(self, r.addr, table.concat(r.pieces), count)
      done = done + r.to - r.addr
    end
  end
  if boot and boot.action == "write" then write_boot(self, boot.data, count) end
end

--- Leaves the stub for the flashed firmware without a reset, where it can do that.
function public_stub_loader:boot()
  self.rom:command { op = OP.RUN_USER_CODE, timeout_ms = 100 }
  if self.rom:sync() and self.rom:is_stub() then
    report.warn("this stub cannot start the firmware: reset the board")
  end
end

return public_stub_loader
