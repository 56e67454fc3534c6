-- The loader against a stub that is played here: what the public protocol does with
-- flash, and one command of it damaged on its way.
local errors = require "moonflash.errors"
local esp = require "esp"
local lu = require "luaunit"
local loader = require "moonflash.public_stub_loader"
local plan = require "moonflash.plan"

local SECTOR <const>, PAGE <const>, SIZE <const> = 0x1000, 0x100, 0x40000
local BLANK <const> = ("\xff"):rep(SECTOR)

local Stub = {}
Stub.__index = Stub

local function put(self, addr, bytes)
  self.flash = self.flash:sub(1, addr) .. bytes .. self.flash:sub(addr + #bytes + 1)
end

local REFUSE <const> = function(code) return nil, "played refused: status " .. code, "refused" end

local COMMANDS <const> = {}

COMMANDS[0x10] = function(self, w)
  self.session = { size = w[1], addr = w[4], packed = {} }
  return 0, ""
end

COMMANDS[0x11] = function(self, w, data)
  if #data ~= w[1] or #data > 0x4000 then return REFUSE "c0" end
  self.session.packed[#self.session.packed + 1] = data
  return 0, ""
end

-- What the flash chip does: whole sectors become FF, bits become 0. Operation `cut` is
-- the one in which the power fails, at half of it.
local function operate(self, addr, bytes)
  self.operations = (self.operations or 0) + 1
  if self.off then return end
  if self.operations == self.cut then
    self.off, bytes = true, bytes:sub(1, #bytes // 2)
  end
  if addr < SIZE then put(self, addr, bytes) end
end

local function erase_sectors(self, addr, size)
  for at = addr, math.min(addr + size, SIZE) - 1, SECTOR do operate(self, at, BLANK) end
end

local function program(self, addr, bytes)
  local now, left = self.flash:sub(addr + 1, addr + #bytes), {}
  for i = 1, #now do left[i] = string.char(now:byte(i) & bytes:byte(i)) end
  operate(self, addr, table.concat(left))
end

COMMANDS[0x12] = function(self)
  local s = self.session
  local bytes = esp.inflate(table.concat(s.packed), 1 << 20, "zlib")
  erase_sectors(self, s.addr // SECTOR * SECTOR, (s.size + SECTOR - 1) // SECTOR * SECTOR)
  for at = 0, math.min(#bytes, s.size) - 1, PAGE do
    program(self, s.addr + at, bytes:sub(at + 1, math.min(at + PAGE, s.size)))
  end
  if #bytes ~= s.size then return REFUSE(#bytes < s.size and "c8" or "c9") end
  return 0, ""
end

COMMANDS[0x13] = function(self, w)
  return 0, (esp.md5(self.flash:sub(w[1] + 1, w[1] + w[2])):gsub("..", function(h)
    return string.char(tonumber(h, 16))
  end))
end

COMMANDS[0xd0] = function(self)
  self.flash = ("\xff"):rep(SIZE)
  return 0, ""
end

COMMANDS[0xd1] = function(self, w)
  if w[1] % SECTOR ~= 0 or w[2] % SECTOR ~= 0 then return REFUSE "32" end
  erase_sectors(self, w[1], w[2])
  return 0, ""
end

COMMANDS[0xd2] = function(self, w)
  self.reading = { addr = w[1], left = w[2], block = w[3], got = 0 }
  return 0, ""
end

-- The flash chip through the controller's registers: it obeys a write enabled before.
function Stub:spi(t)
  if self.off then return nil, "played without power", "gone" end
  if self.damage_spi then self.damage_spi(t) end
  if t.op == 0x06 then self.enabled = true end
  if t.op == 0x02 and self.enabled then
    self.enabled = false
    program(self, t.addr, t.out)
  end
  return t.op == 0x05 and (self.enabled and "\x02" or "\0") or ""
end

function Stub:command(c)
  if self.off then return nil, "played without power", "gone" end
  self.log[#self.log + 1] = c.op
  local words = table.move(c.words or {}, 1, 6, 1, {})
  if self.damage then self.damage(c.op, words) end
  local value, data, code = COMMANDS[c.op](self, words, c.data)
  if self.off then return nil, "played without power", "gone" end
  return value, data, code
end

function Stub:frame()
  local r = self.reading
  if r.left == 0 then return ("\0"):rep(16) end
  if r.got ~= r.acknowledged and r.got > 0 then return nil, "no frame", "timeout" end
  local n = math.min(r.block, r.left)
  local s = self.flash:sub(r.addr + r.got + 1, r.addr + r.got + n)
  r.left, r.got = r.left - n, r.got + n
  return self.garble and self.garble(s) or s
end

function Stub:send_frame(s)
  self.reading.acknowledged = ("<I4"):unpack(s)
  return true
end

function Stub:sync() return true end

local function mixed(seed)
  local sectors = {}
  for i = 1, SIZE // SECTOR do
    sectors[i] = (i + seed) % 4 == 0 and ("\xff"):rep(SECTOR)
      or (("<I4"):pack(i * 7919 + seed)):rep(SECTOR // 4)
  end
  return table.concat(sectors)
end

local function connected(flash)
  local stub = setmetatable({ flash = flash or mixed(1), log = {} }, Stub)
  local self = setmetatable({ rom = stub, flash_bytes = SIZE, port = {
    baud = function() return 115200 end, now = function() return 0 end } }, loader)
  return self, stub
end

local function planned(self, addr, data)
  local part = { addr = addr, data = data, name = "part" }
  return plan.write { parts = { part }, flash_bytes = SIZE, hashes = self:digests { part },
    crc32 = esp.md5 }
end

TestPublicStubLoader = {}

function TestPublicStubLoader:test_a_plan_is_carried_out_and_nothing_else()
  local self, stub = connected()
  local old, data = stub.flash, mixed(2):sub(1, 0x15000)
  self:run(planned(self, 0x8000, data))
  lu.assertTrue(stub.flash == old:sub(1, 0x8000) .. data .. old:sub(0x8000 + #data + 1))
  lu.assertTrue(self:holds(0x8000, data))
  lu.assertFalse(self:holds(0x9000, data))
end

function TestPublicStubLoader:test_what_is_there_already_is_not_written_again()
  local self, stub = connected()
  self:run(planned(self, 0x8000, stub.flash:sub(0x8001, 0x20000)))
  for _, op in ipairs(stub.log) do lu.assertEquals(op, 0x13) end
end

function TestPublicStubLoader:test_the_boot_sector_is_erased_first_and_written_last()
  local self, stub = connected()
  local steps, changes = planned(self, 0, mixed(2)), {}
  function stub.damage(op, w)
    if op == 0xd1 then changes[#changes + 1] = ("erase %x"):format(w[1]) end
    if op == 0x10 then changes[#changes + 1] = ("write %x"):format(w[4]) end
  end
  self:run(steps)
  lu.assertTrue(stub.flash == mixed(2))
  lu.assertEquals({ changes[1], changes[#changes] }, { "erase 0", "write 0" })
end

local function image(seed)
  return "\xe9" .. mixed(seed):sub(2)
end

function TestPublicStubLoader:test_a_power_cut_in_any_operation_leaves_the_old_image_or_the_new_or_none()
  local old, new = image(1), image(2):sub(1, 5 * SECTOR)
  local self, stub = connected(old)
  self:run(planned(self, 0, new))
  lu.assertTrue(stub.flash == new .. old:sub(#new + 1))
  local last = stub.operations
  lu.assertTrue(last > 4 * 17, last)     -- an erase and 16 pages of all but one
  for cut = 1, last do
    self, stub = connected(old)
    local steps = planned(self, 0, new)
    stub.cut = cut
    local ok, e = pcall(self.run, self, steps)
    lu.assertFalse(ok)
    lu.assertTrue(errors.is(e, "gone"))
    lu.assertNotEquals(stub.flash:byte(1), 0xe9, "operation " .. cut)
  end
end

function TestPublicStubLoader:test_the_first_byte_of_an_image_is_written_when_all_else_is_proven()
  local self, stub = connected(image(1))
  local new, at_last = image(2), nil
  function stub.damage_spi(t)
    if t.op == 0x02 then at_last = { t.addr, t.out, stub.flash } end
  end
  self:run(planned(self, 0, new))
  lu.assertTrue(stub.flash == new)
  lu.assertEquals({ at_last[1], at_last[2] }, { 0, "\xe9" })
  lu.assertTrue(at_last[3] == "\xff" .. new:sub(2))
  local steps = planned(self, 0, image(3))
  at_last = nil
  function stub.damage(op, w)     -- what is for one place goes to another
    if op == 0x10 and w[4] > 0x20000 then w[4] = w[4] - SECTOR end
  end
  lu.assertFalse((pcall(self.run, self, steps)))
  lu.assertNil(at_last)
end

function TestPublicStubLoader:test_a_first_byte_that_does_not_arrive_is_an_error()
  local self, stub = connected(image(1))
  function stub.damage_spi(t)
    if t.op == 0x02 then t.op = 0x00 end
  end
  local ok, e = pcall(self.run, self, planned(self, 0, image(2)))
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "flash"))
  lu.assertEquals(e.addr, 0)
end

function TestPublicStubLoader:test_erasing_leaves_what_is_blank_alone_and_proves_the_rest()
  local self, stub = connected()
  local old = stub.flash
  self:erase(0x3000, 0x12000)
  lu.assertTrue(stub.flash == old:sub(1, 0x3000) .. ("\xff"):rep(0x12000) .. old:sub(0x15001))
  stub.log = {}
  self:erase(0x3000, 0x12000)
  for _, op in ipairs(stub.log) do lu.assertEquals(op, 0x13) end
end

function TestPublicStubLoader:test_all_is_erased_by_the_chips_own_command()
  local self, stub = connected()
  self:erase(0, SIZE)
  lu.assertEquals(stub.log, { 0xd0 })
  lu.assertTrue(stub.flash == ("\xff"):rep(SIZE))
end

-- Every bit of the size and the address, one after the other: either the call fails,
-- or flash is right to the last byte. where: the numbers of those words.
local function damaged_everywhere(op, where, action, want)
  local old, failed = mixed(1), 0
  for _, word in ipairs(where) do
    for bit = 0, 31 do
      local self, stub = connected(old)
      local once = true
      function stub.damage(o, w)
        if o ~= op or not once then return end
        once, w[word] = false, w[word] ~ (1 << bit)
        w[where.addr] = w[where.addr] % SIZE
        w[where.size] = math.min(w[where.size], SIZE)
      end
      if pcall(action, self) then
        lu.assertTrue(stub.flash == want(old), ("op %02x word %d bit %d"):format(op, word, bit))
      else
        failed = failed + 1
      end
    end
  end
  lu.assertTrue(failed > 20)
end

function TestPublicStubLoader:test_no_single_damaged_bit_of_a_write_goes_unnoticed()
  local data = mixed(2):sub(0x1001, 0x9000)
  damaged_everywhere(0x10, { 1, 4, size = 1, addr = 4 }, function(self) self:run(planned(self, 0x11000, data)) end,
    function(old) return old:sub(1, 0x11000) .. data .. old:sub(0x11000 + #data + 1) end)
end

function TestPublicStubLoader:test_no_single_damaged_bit_of_an_erase_goes_unnoticed()
  damaged_everywhere(0xd1, { 1, 2, size = 2, addr = 1 }, function(self) self:erase(0x11000, 0x8000) end, function(old)
    return old:sub(1, 0x11000) .. ("\xff"):rep(0x8000) .. old:sub(0x19001)
  end)
end

function TestPublicStubLoader:test_a_refused_block_ends_the_run_and_is_not_sent_again()
  local self, stub = connected()
  local steps, blocks = planned(self, 0x8000, mixed(2):sub(1, 0x8000)), 0
  function stub.damage(op, w)
    if op == 0x11 then blocks, w[1] = blocks + 1, w[1] + 4 end
  end
  local ok, e = pcall(self.run, self, steps)
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "refused"))
  lu.assertStrContains(e.message, "bad data length")
  lu.assertEquals(blocks, 1)
end

local function read(self, addr, size)
  local pieces = {}
  self:read(addr, size, function(s) pieces[#pieces + 1] = s end)
  return table.concat(pieces)
end

function TestPublicStubLoader:test_reading_repeats_until_it_is_right()
  local self, stub = connected()
  lu.assertTrue(read(self, 0x1234, 0x15678) == stub.flash:sub(0x1235, 0x1234 + 0x15678))
  local n = 0
  function stub.garble(s)
    n = n + 1
    if n % 5 == 0 then return s:sub(1, 100) .. "?" .. s:sub(102) end
    if n % 7 == 0 then return s:sub(2) end
    return s
  end
  lu.assertTrue(read(self, 0x1234, 0x15678) == stub.flash:sub(0x1235, 0x1234 + 0x15678))
  lu.assertTrue(n > 30)
end

function TestPublicStubLoader:test_a_damaged_question_for_flash_does_not_give_other_flash()
  local self, stub = connected()
  local once = true
  function stub.damage(op, w)
    if op == 0xd2 and once then once, w[1] = false, w[1] ~ 0x1000 end
  end
  lu.assertTrue(read(self, 0x8000, 0x4000) == stub.flash:sub(0x8001, 0xc000))
  stub.garble = function(s) return "?" .. s:sub(2) end
  local ok, e = pcall(read, self, 0, 0x4000)
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "protocol"))
end

os.exit(lu.LuaUnit.run())
