-- The loader against a stub that is played here: what the public protocol does with
-- flash, and one command of it damaged on its way.
local errors = require "moonflash.errors"
local esp = require "esp"
local lu = require "luaunit"
local loader = require "moonflash.public_stub_loader"
local plan = require "moonflash.plan"

local SECTOR <const>, SIZE <const> = 0x1000, 0x40000

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

COMMANDS[0x12] = function(self)
  local s = self.session
  local bytes = esp.inflate(table.concat(s.packed), 1 << 20, "zlib")
  put(self, s.addr, ("\xff"):rep((s.size + SECTOR - 1) // SECTOR * SECTOR))
  put(self, s.addr, bytes:sub(1, s.size))
  self.flash = self.flash:sub(1, SIZE)
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
  put(self, w[1], ("\xff"):rep(math.min(w[2], SIZE - w[1])))
  return 0, ""
end

COMMANDS[0xd2] = function(self, w)
  self.reading = { addr = w[1], left = w[2], block = w[3], got = 0 }
  return 0, ""
end

function Stub:command(c)
  self.log[#self.log + 1] = c.op
  local words = table.move(c.words or {}, 1, 6, 1, {})
  if self.damage then self.damage(c.op, words) end
  return COMMANDS[c.op](self, words, c.data)
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
    baud = function() return 115200 end } }, loader)
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
