-- Taking write protection off. The simulated chips' status registers are set by the
-- test before the chips are offered to the program as pseudo-terminals, and read by
-- the test afterwards, through a power cycle: what counts is what stays.
package.path = "tests/cmd/?.lua;" .. package.path
local boards = require "boards"
local harness = require "harness"
local lfs = require "lfs"
local lu = require "luaunit"

local good, bad = boards.good, boards.bad
local SIZE <const> = 0x100000

-- Runs in a process of its own: sets status registers, offers the chip for some
-- seconds, then writes down what they are after a power cycle.
local SERVER <const> = [[
local esp = require "esp"
local dir, id, writes, seconds = arg[1], arg[2], arg[3], tonumber(arg[4])
local sim = assert(esp.sim { flash = dir .. "/board.flash", id = id, wiring = "none", strap = 1 })
local function stub()
  assert(sim:port():baud(115200))
  sim:power(false)
  sim:power(true)
  local rom = esp.rom(sim:port())
  assert(rom:connect { reset = "none" })
  return assert(esp.stub(rom))
end
local s = stub()
for op, bytes in writes:gmatch "(%x%x):(%x+)" do
  assert(s:write_status(tonumber(op, 16), (bytes:gsub("%x%x", function(h)
    return string.char(tonumber(h, 16)) end))))
end
assert(sim:port():baud(115200))
sim:power(false)
sim:power(true)
assert(esp.serve({ { sim, "pty:" .. dir .. "/pty" } }, seconds * 1000))
local sr = stub():info().status
local f = io.open(dir .. "/status.part", "w")
f:write(("%02x %02x %02x"):format(sr[1], sr[2], sr[3]))
f:close()
os.rename(dir .. "/status.part", dir .. "/status")
]]

-- Chips with their registers, and the command that each gets. They are there at the
-- same time, because each is there for some seconds.
local CHIPS <const> = {
  winbond = { id = "EF4014", writes = "01:1c42", "unprotect" },
  locked_otp = { id = "EF4014", writes = "01:1c0a", "unprotect" },
  gigadevice = { id = "C84014", writes = "01:9c,31:42", "unprotect" },
  macronix = { id = "C22014", writes = "01:5c", "unprotect" },
  looked_at = { id = "EF4014", writes = "01:1c40", "unprotect", "--dry-run" },
  rom = { id = "EF4014", writes = "01:1c00", "--no-stub", "unprotect" },
}
local SECONDS <const> = 8

local function wait_for(path, log)
  for _ = 1, 1500 do
    if lfs.symlinkattributes(path) then return end
    os.execute "sleep 0.02"
  end
  lu.fail(path .. " does not appear: " .. harness.read(log))
end

-- Runs all of them once; fills in `out`, `err`, `code` and `status`.
local function run_chips()
  if CHIPS.winbond.dir then return end
  for _, chip in pairs(CHIPS) do
    chip.dir = harness.directory()
    harness.write(chip.dir .. "/board.flash", boards.nodemcu2(SIZE, 1))
    harness.write(chip.dir .. "/server.lua", SERVER)
    os.execute(("%s --allow=all %s/server.lua %s %s %s %d >%s/log 2>&1 &"):format(
      harness.quote(harness.program), chip.dir, chip.dir, chip.id, chip.writes, SECONDS, chip.dir))
  end
  for _, chip in pairs(CHIPS) do
    wait_for(chip.dir .. "/pty", chip.dir .. "/log")
    -- not into the firmware: the ROM's own mode set-up at each boot writes these registers
    chip.out, chip.err, chip.code = harness.run("-p", chip.dir .. "/pty", "--after", "stay",
      table.unpack(chip))
  end
  for _, chip in pairs(CHIPS) do
    wait_for(chip.dir .. "/status", chip.dir .. "/log")
    chip.status = harness.read(chip.dir .. "/status")
  end
end

TestChips = {}

function TestChips:setUp() run_chips() end

local function check(name, status, ...)
  local chip = CHIPS[name]
  lu.assertEquals(chip.code, 0, chip.err)
  lu.assertEquals(chip.status:sub(1, #status), status)
  for _, text in ipairs { ... } do lu.assertStrContains(chip.out, text) end
end

function TestChips:test_block_protection_goes_for_good_and_quad_enable_stays()
  check("winbond", "00 02 00", "SR1 0x1c", "CMP", "the write protection is off")
end

function TestChips:test_one_time_lock_bits_are_left_as_they_are()
  check("locked_otp", "00 0a 00", "locked for ever")
end

function TestChips:test_a_maker_that_writes_the_second_register_by_its_own_command()
  check("gigadevice", "00 02 00")
end

function TestChips:test_a_maker_with_quad_enable_in_the_first_register()
  check("macronix", "40", "the write protection is off")
end

function TestChips:test_a_dry_run_explains_and_changes_nothing()
  check("looked_at", "1c 40 00", "block protection", "CMP", "nothing was changed")
end

function TestChips:test_through_the_chips_own_loader()
  check("rom", "00 00 00")
end

TestSim = {}

function TestSim:setUp()
  self.dir = harness.directory()
  harness.write(self.dir .. "/board.flash", boards.nodemcu2(SIZE, 1))
  self.port = "sim:" .. self.dir .. "/board.flash"
end

function TestSim:tearDown() harness.remove(self.dir) end

function TestSim:test_what_is_not_protected_is_not_written()
  local e = boards.events((good("--json", "-p", self.port, "unprotect")))
  lu.assertFalse(e.result.protected)
  lu.assertFalse(e.result.changed)
end

function TestSim:test_a_locked_register_is_explained()
  local port = self.port .. "?protect=1"
  lu.assertStrContains(bad(5, "WP#", "-p", port, "unprotect"), "nothing was changed")
  bad(5, "WP#", "-p", port, "--no-stub", "unprotect")
end

local failures = lu.LuaUnit.run()
for _, chip in pairs(CHIPS) do
  if chip.dir then harness.remove(chip.dir) end
end
os.exit(failures)
