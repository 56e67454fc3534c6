-- File systems and the Lua Flash Store on a chip: found by what the firmware is,
-- changed where they differ.
package.path = "tests/cmd/?.lua;" .. package.path
local boards = require "boards"
local harness = require "harness"
local lu = require "luaunit"

TestFsChip = {}

function TestFsChip:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
  self.port = "sim:" .. self.flash
  self.before = boards.nodemcu2(0x200000, 7)
  harness.write(self.flash, self.before)
  self.lua = self.dir .. "/lua"
  assert(require("lfs").mkdir(self.lua))
  harness.write(self.lua .. "/init.lua", 'print("hello")\n')
  harness.write(self.lua .. "/data.bin", boards.noise(5000, 3))
end

function TestFsChip:tearDown()
  harness.remove(self.dir)
end

function TestFsChip:test_a_folder_becomes_the_file_system_and_comes_back()
  boards.good("-p", self.port, "fs", "build", self.lua, "-o", "chip")
  local out = boards.good("-p", self.port, "fs", "ls", "chip")
  lu.assertStrContains(out, "5000  data.bin")
  boards.good("-p", self.port, "fs", "get", "chip", "data.bin", "-o", self.dir .. "/back")
  lu.assertEquals(harness.read(self.dir .. "/back"), boards.noise(5000, 3))
  -- the same bytes as another reader finds in the flash file
  lu.assertStrContains(boards.good("fs", "ls", self.flash), "init.lua")
end

function TestFsChip:test_only_the_file_system_changes_and_only_the_sectors_needed()
  boards.good("-p", self.port, "fs", "build", self.lua, "-o", "chip")
  local after = harness.read(self.flash)
  local first
  for at = 0, #after - 1, 4096 do
    if after:sub(at + 1, at + 4096) ~= self.before:sub(at + 1, at + 4096) then
      first = first or at
    end
  end
  lu.assertTrue(first >= 0x20000, "first change at " .. first)
  harness.write(self.dir .. "/one.lua", "return 1\n")
  local out = boards.good("--json", "-p", self.port, "fs", "put", "chip", self.dir .. "/one.lua")
  local result = boards.events(out).result
  lu.assertTrue(result.sectors_written <= 4, result.sectors_written)
end

function TestFsChip:test_put_makes_a_file_system_where_there_is_none()
  boards.good("-p", self.port, "fs", "put", "chip", self.lua .. "/init.lua")
  lu.assertStrContains(boards.good("-p", self.port, "fs", "check", "chip"), "1 file, no damage")
  boards.good("-p", self.port, "fs", "rm", "chip", "init.lua")
  lu.assertStrContains(boards.good("-p", self.port, "fs", "ls", "chip"), "0 files")
end

function TestFsChip:test_old_lua_is_pointed_at()
  harness.write(self.lua .. "/init.lua", "c:send('a')\nc:send('b')\n")
  boards.good("-p", self.port, "fs", "build", self.lua, "-o", "chip")
  local out = boards.good("fs", "scan", self.flash)
  lu.assertStrContains(out, "init.lua:2: c:send again")
end

function TestFsChip:test_no_file_system_is_said_so()
  boards.bad(6, "no SPIFFS", "-p", self.port, "fs", "ls", "chip")
  lu.assertEquals(harness.read(self.flash), self.before)
end

function TestFsChip:test_a_store_is_refused_where_there_is_none()
  boards.bad(6, "", "-p", self.port, "lfs", "write", "tests/data/lfs/lfs51-float-reloc.img")
  lu.assertEquals(harness.read(self.flash), self.before)
end

function TestFsChip:test_an_image_goes_into_the_store_of_the_partition_table()
  harness.write(self.flash, boards.nodemcu3(0x400000, 5, true))
  boards.good("-p", self.port, "partition", "set", "--lfs-size", "64k")
  local read = boards.good("--json", "-p", self.port, "partition", "show")
  local addr
  for _, p in ipairs(boards.events(read).result.partitions or boards.events(read).result.entries) do
    if p.name:lower():find("lfs") then addr = p.addr end
  end
  lu.assertNotNil(addr, read)
  boards.good("-p", self.port, "lfs", "write", "tests/data/lfs/lfs51-float-reloc.img")
  local out = self.dir .. "/placed"
  boards.good("lfs", "relocate", "tests/data/lfs/lfs51-float-reloc.img", "--addr",
    ("0x%x"):format(addr), "-o", out)
  local placed = harness.read(out)
  lu.assertEquals(harness.read(self.flash):sub(addr + 1, addr + #placed), placed)
end

function TestFsChip:test_a_missing_compiler_is_named()
  boards.bad(6, "no%-such%-luac", "-p", self.port, "lfs", "write", self.lua, "--luac",
    "no-such-luac")
end

os.exit(lu.LuaUnit.run())
