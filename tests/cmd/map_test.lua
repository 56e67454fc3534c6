-- `moonflash map`: a chip, a file, a backup, a plan.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

local HELLO <const> = "examples/hello/hello.bin"

TestMap = {}

function TestMap:setUp()
  self.dir = harness.directory()
  self.board = "sim:" .. self.dir .. "/board.flash?size=1M"
end

function TestMap:tearDown()
  harness.remove(self.dir)
end

-- Flash with hello in sector 0 and something in the last sector.
function TestMap:prepare()
  local hello = harness.read(HELLO)
  local last = ("moon"):rep(1024)
  harness.write(self.dir .. "/board.flash", hello .. ("\xff"):rep(0x100000 - 0x1000 - #hello)
    .. last)
end

function TestMap:map(...)
  local out, err, code = harness.run("-p", self.board, "map", ...)
  lu.assertEquals(code, 0, err)
  return out
end

function TestMap:test_a_chip_shows_what_is_in_use()
  self:prepare()
  local before = harness.read(self.dir .. "/board.flash")
  local out = self:map()
  lu.assertStrContains(out, "1 MB of flash on 60:01:94:a5:b6:9c")
  lu.assertStrContains(out, "\n0x000000  F...")
  lu.assertStrContains(out, ("."):rep(15) .. "x\n")
  lu.assertStrContains(out, "8 KB of 1 MB in use (0 %)")
  lu.assertEquals(harness.read(self.dir .. "/board.flash"), before)
end

function TestMap:test_without_hashes_only_what_was_read_is_known()
  self:prepare()
  local out = self:map("--no-stub")
  lu.assertStrContains(out, "\n0x000000  F?")
  lu.assertStrContains(out, "not known")
end

function TestMap:test_a_plan_shows_what_would_change_and_changes_nothing()
  self:prepare()
  local before = harness.read(self.dir .. "/board.flash")
  harness.write(self.dir .. "/a.bin", ("a"):rep(0x2000))
  harness.write(self.dir .. "/blank.bin", ("\xff"):rep(0x1000))
  local out = self:map("0x4000", self.dir .. "/a.bin", "0xff000", self.dir .. "/blank.bin")
  lu.assertStrContains(out, "\n0x000000  F...^^....")
  lu.assertStrContains(out, ("."):rep(15) .. "v\n")
  lu.assertStrContains(out, "8 KB to write, 4 KB to erase")
  lu.assertEquals(harness.read(self.dir .. "/board.flash"), before)
end

function TestMap:test_an_image_is_drawn_in_the_flash_of_its_header()
  local out, err, code = harness.run("map", HELLO, "--json")
  lu.assertEquals(code, 0, err)
  local map = require "dkjson".decode(out:match '{"event":"result".-\n')
  lu.assertEquals(map.regions[1].name, "firmware")
  lu.assertEquals(map.used_bytes, 0x1000)
end

function TestMap:test_a_backup_shows_what_it_does_not_hold()
  self:prepare()
  local file = self.dir .. "/b.mfb"
  local _, err, code = harness.run("-p", self.board, "backup", file, "--region", "0x0+64k")
  lu.assertEquals(code, 0, err)
  local out = self:map(file)
  lu.assertStrContains(out, "backup of 60:01:94:a5:b6:9c")
  lu.assertStrContains(out, "\n0x000000  F............... ????")
  lu.assertStrContains(out, "960 KB not known")
end

function TestMap:test_a_picture_is_written_too()
  self:map(HELLO, "--svg", self.dir .. "/map.svg")
  lu.assertStrContains(harness.read(self.dir .. "/map.svg"), "</svg>")
end

function TestMap:test_what_is_no_flash_is_refused()
  harness.write(self.dir .. "/x.txt", "hello")
  local _, err, code = harness.run("map", self.dir .. "/x.txt")
  lu.assertEquals(code, 6)
  lu.assertStrContains(err, "is neither a firmware image nor a backup of flash")
  _, _, code = harness.run("map", self.dir .. "/missing.bin")
  lu.assertEquals(code, 6)
  _, _, code = harness.run("map", HELLO, "--svg", self.dir .. "/no/such/map.svg")
  lu.assertNotEquals(code, 0)
end

os.exit(lu.LuaUnit.run())
