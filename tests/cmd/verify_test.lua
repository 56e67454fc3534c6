-- verify: what is equal, what differs and where, and what write patched.
package.path = "tests/cmd/?.lua;" .. package.path
local boards = require "boards"
local harness = require "harness"
local lu = require "luaunit"

local HELLO <const> = "examples/hello/hello.bin"

TestVerify = {}

function TestVerify:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
  self.port = "sim:" .. self.flash
  self.file = self.dir .. "/data.bin"
  harness.write(self.flash, ("\xff"):rep(0x100000))
  harness.write(self.file, boards.noise(10000, 1))
  boards.good("-p", self.port, "write", "0x0", HELLO, "0x20000", self.file)
end

function TestVerify:tearDown()
  harness.remove(self.dir)
end

function TestVerify:spoil(addr, bytes)
  local flash = harness.read(self.flash)
  harness.write(self.flash, flash:sub(1, addr) .. bytes .. flash:sub(addr + #bytes + 1))
end

function TestVerify:test_what_was_written_is_verified_patched_header_included()
  -- hello says 4 MB in its header, the chip has 1 MB: write patched that
  lu.assertNotEquals(harness.read(self.flash):byte(4), harness.read(HELLO):byte(4))
  local out = boards.good("-p", self.port, "verify", "0x0", HELLO, "0x20000", self.file)
  lu.assertStrContains(out, "ok: 10384 bytes verified")
  boards.good("-p", self.port, "--no-stub", "verify", "0x0", HELLO)
end

function TestVerify:test_every_differing_range_is_listed()
  local byte = boards.noise(10000, 1)
  self:spoil(0x20010, string.char(byte:byte(0x11) ~ 1, byte:byte(0x12) ~ 2))
  self:spoil(0x22003, string.char(byte:byte(0x2004) ~ 4))
  local before = harness.read(self.flash)
  local err, out = boards.bad(6, "first at 0x020010", "-p", self.port, "verify", "0x20000",
    self.file)
  lu.assertStrContains(out, "0x020010..0x020011")
  lu.assertStrContains(out, "0x022003..0x022003")
  lu.assertStrContains(err, "hint: nothing was changed")
  lu.assertEquals(harness.read(self.flash), before)
end

function TestVerify:test_the_last_byte_counts()
  self:spoil(0x20000 + 9999, string.char(boards.noise(10000, 1):byte(10000) ~ 0x80))
  boards.bad(6, "0x02270f", "-p", self.port, "verify", "0x20000", self.file)
end

function TestVerify:test_differences_as_json()
  self:spoil(0x20000, "\0")
  local _, out = boards.bad(6, "", "--json", "-p", self.port, "verify", "0x20000", self.file)
  local result = boards.events(out).result
  lu.assertFalse(result.equal)
  lu.assertEquals(result.differing[1].addr, 0x20000)
end

os.exit(lu.LuaUnit.run())
