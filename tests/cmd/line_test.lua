-- Rates that a line does not carry: one that never worked, one that stops to work
-- while the chip is written.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

local SIZE <const> = 0x30000

TestLine = {}

local function random_bytes(n)
  math.randomseed(7)
  local t = {}
  for i = 1, n do t[i] = string.char(math.random(0, 255)) end
  return table.concat(t)
end

function TestLine:setUp()
  self.dir = harness.directory()
  self.bytes = random_bytes(SIZE)
  harness.write(self.dir .. "/data.bin", self.bytes)
end

function TestLine:tearDown() harness.remove(self.dir) end

-- Writes with those options of the simulated chip; returns what was said.
local function write(self, baud, options)
  os.remove(self.dir .. "/board.flash")
  local out, err, code = harness.run("-v", "-b", baud, "-p", ("sim:%s/board.flash?size=1M&slow=0.2&%s")
    :format(self.dir, options), "write", "0x10000", self.dir .. "/data.bin")
  lu.assertEquals(code, 0, err .. out)
  lu.assertEquals(harness.read(self.dir .. "/board.flash"):sub(0x10001, 0x10000 + SIZE), self.bytes)
  return err .. out
end

function TestLine:test_a_rate_that_turns_bad_is_left_within_the_session()
  local said = write(self, "921600", "maxbaud=460800&maxafter=60000")
  lu.assertStrContains(said, "warning: most of what was sent at 921600 baud got lost; went on at 460800")
  lu.assertNotStrContains(said, "trying again")
  lu.assertNotStrContains(said, "connecting again")
end

function TestLine:test_a_rate_that_turns_bad_is_left_for_one_that_carries()
  local said = write(self, "2000000", "maxbaud=230400&maxafter=60000")
  lu.assertStrContains(said, "went on at 230400")
  lu.assertNotStrContains(said, "connecting again")
end

function TestLine:test_a_rate_that_never_worked_is_replaced_by_the_best_below()
  local said = write(self, "2000000", "maxbaud=1000000")
  lu.assertStrContains(said, "warning: 2000000 baud does not work here; going on at 921600")
  lu.assertNotStrContains(said, "connecting again")
end

function TestLine:test_a_line_too_bad_for_the_rom_at_a_high_rate_is_spoken_to_at_a_low_one()
  for _, baud in ipairs { "auto", "921600" } do
    local said = write(self, baud, "maxbaud=500000")
    lu.assertStrContains(said, "stub running, 460800 baud")
  end
end

function TestLine:test_noise_that_every_line_has_does_not_slow_down()
  local said = write(self, "921600", "flip=0.00005&seed=5")
  lu.assertNotStrContains(said, "went on at")
end

os.exit(lu.LuaUnit.run())
