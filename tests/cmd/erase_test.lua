-- Erasing end to end: all of it, regions by name, ranges.
package.path = "tests/cmd/?.lua;" .. package.path
local boards = require "boards"
local harness = require "harness"
local lu = require "luaunit"

local good, bad = boards.good, boards.bad
local SIZE <const> = 0x100000
local BOARD <const> = boards.nodemcu2(SIZE, 1)

TestErase = {}

function TestErase:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
  harness.write(self.flash, BOARD)
  self.port = "sim:" .. self.flash
end

function TestErase:tearDown() harness.remove(self.dir) end

function TestErase:now() return harness.read(self.flash) end

local function blank(bytes, addr, size) return boards.put(bytes, addr, ("\xff"):rep(size)) end

function TestErase:test_all()
  local _, err = good("-p", self.port, "erase", "all")
  lu.assertStrContains(err, "about ")
  boards.same(self:now(), ("\xff"):rep(SIZE))
end

function TestErase:test_all_by_the_command_for_the_whole_chip_where_that_is_faster()
  harness.write(self.flash, boards.noise(SIZE, 5))
  local e = boards.events((good("--json", "-p", self.port .. "?id=856014", "erase", "all")))
  lu.assertTrue(e.result.whole_chip)
  boards.same(self:now(), ("\xff"):rep(SIZE))
end

function TestErase:test_regions_by_name()
  local want = BOARD
  for name, range in pairs { ["rf-cal"] = { SIZE - 0x5000, 0x1000 },
    ["init-data"] = { SIZE - 0x4000, 0x1000 }, ["system-param"] = { SIZE - 0x3000, 0x3000 } } do
    good("-p", self.port, "erase", name)
    want = blank(want, range[1], range[2])
    boards.same(self:now(), want, name)
  end
  good("-p", self.port, "erase", "firmware")
  boards.same(self:now(), ("\xff"):rep(SIZE))
end

function TestErase:test_several_names_at_once()
  good("-p", self.port, "erase", "rf-cal", "system-param")
  boards.same(self:now(), blank(blank(BOARD, SIZE - 0x5000, 0x1000), SIZE - 0x3000, 0x3000))
end

function TestErase:test_regions_of_generation_3_come_from_its_table()
  local board = boards.nodemcu3(0x400000, 1, true)
  board = boards.put(board, 0x200000, boards.noise(0x3000, 8))
  harness.write(self.flash, board)
  good("-p", self.port, "erase", "spiffs")
  board = blank(board, 0x40000, 0x3BD000)
  boards.same(self:now(), board)
  good("-p", self.port, "erase", "init-data")
  boards.same(self:now(), blank(board, 0xF000, 0x1000))
  bad(6, "no region 'lfs'", "-p", self.port, "erase", "lfs")
end

function TestErase:test_an_address_and_a_size_and_a_range()
  good("-p", self.port, "erase", "0x11000", "8k")
  boards.same(self:now(), blank(BOARD, 0x11000, 0x2000))
  good("-p", self.port, "erase", "0x13000..0x13fff")
  boards.same(self:now(), blank(BOARD, 0x11000, 0x3000))
  good("-p", self.port, "erase", "0xf0000", "all")
  boards.same(self:now(), blank(blank(BOARD, 0x11000, 0x3000), 0xF0000, 0x10000))
end

function TestErase:test_through_the_chips_own_loader()
  good("-p", self.port, "--no-stub", "-b", "921600", "erase", "system-param")
  boards.same(self:now(), blank(BOARD, SIZE - 0x3000, 0x3000))
end

function TestErase:test_a_dry_run_says_the_time_and_changes_nothing()
  local out, err = good("-p", self.port, "erase", "all", "--dry-run")
  lu.assertStrContains(err, "would erase")
  lu.assertStrContains(err, "about ")
  lu.assertStrContains(out, "nothing was changed")
  boards.same(self:now(), BOARD)
  local e = boards.events((good("--json", "-p", self.port, "erase", "rf-cal", "-n")))
  lu.assertEquals(e.result.bytes, 0x1000)
  lu.assertTrue(e.result.expected_seconds > 0)
end

function TestErase:test_protected_flash_is_told_and_never_called_erased()
  local err = bad(8, "ignores writes", "-p", self.port .. "?protect=1", "erase", "all")
  lu.assertStrContains(err, "unprotect")
  boards.same(self:now(), BOARD)
end

function TestErase:test_a_sector_that_stays_is_named()
  local err = bad(8, "", "-p", self.port .. "?stuck=18", "erase", "0x10000", "64k")
  lu.assertStrContains(err, "0x012000")
end

-- Erases with one fault; exit code, what was said, and what the chip counted.
function TestErase:with_fault(fault, loader, ...)
  harness.write(self.flash, BOARD)
  local faults = self.dir .. "/faults"
  harness.write(faults, fault .. "\n")
  local out, err, code = harness.run("-p", self.port .. "?faults=" .. faults, loader, "-b",
    "921600", "--after", "stay", "erase", ...)
  lu.assertNotStrContains(out .. err, "stack traceback")
  lu.assertEquals(out:find "ok: " ~= nil, code == 0)
  local sent, received, ops = harness.read(faults):match "# sent (%d+) received (%d+) ops (%d+)"
  return code, err, { bytes = sent + received, ops = tonumber(ops) }
end

-- Unplugged and back: at some bytes before the erase, in it, and while it is proven.
function TestErase:unplugged(loader, size, distances)
  local want = blank(BOARD, 0x10000, size)
  local _, _, all = self:with_fault("# none", loader, "0x10000", size)
  local good_ends = 0
  for _, from_end in ipairs(distances) do
    local code, err = self:with_fault(("- unplug %d 1"):format(all.bytes - from_end), loader,
      "0x10000", size)
    lu.assertTrue(code == 0 or code == 3, err)
    boards.same(self:now(), code == 0 and want or BOARD)
    good_ends = good_ends + (code == 0 and 1 or 0)
  end
  lu.assertTrue(good_ends >= 3, good_ends)
  for at = 1, all.ops do
    local code, err = self:with_fault(("- cut %d 0"):format(at), loader, "0x10000", size)
    lu.assertEquals(code, 0, err)
    boards.same(self:now(), want, "operation " .. at)
  end
end

function TestErase:test_a_port_that_comes_back_is_waited_for_and_the_erase_goes_on()
  self:unplugged("-v", 0x13000, { 3000, 500, 200, 150, 100, 50, 10 })
end

function TestErase:test_without_the_stub_it_goes_on_too()
  self:unplugged("--no-stub", 0x2000, { 60000, 10000, 1000, 100 })
end

function TestErase:test_the_erase_of_a_whole_chip_goes_on_too()
  for _, fault in ipairs { "# none", "- cut 1 0" } do
    lu.assertEquals((self:with_fault(fault, "-v", "all")), 0)
    boards.same(self:now(), ("\xff"):rep(SIZE))
  end
end

function TestErase:test_a_chip_that_stays_away_is_said_to_have_changed()
  local code, err = self:with_fault("- cut 2 n", "-v", "0x10000", "0x15000")
  lu.assertEquals(code, 8, err)
  lu.assertStrContains(err, "run the same command again")
end

function TestErase:test_bad_requests_change_nothing()
  bad(2, "spifs", "-p", self.port, "erase", "spifs")
  bad(2, "size", "-p", self.port, "erase", "0x1000")
  bad(6, "sectors", "-p", self.port, "erase", "0x1001", "4k")
  bad(6, "sectors", "-p", self.port, "erase", "0x1000..0x1ffe")
  bad(6, "outside", "-p", self.port, "erase", "0xff000", "8k")
  bad(6, "no region 'partition'", "-p", self.port, "erase", "partition")
  bad(2, "", "-p", self.port, "erase")
  boards.same(self:now(), BOARD)
end

os.exit(lu.LuaUnit.run())
