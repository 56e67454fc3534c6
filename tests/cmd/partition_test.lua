-- The partition table of NodeMCU 3 end to end: on a chip, in a file, in a backup.
package.path = "tests/cmd/?.lua;" .. package.path
local boards = require "boards"
local harness = require "harness"
local lfs = require "lfs"
local lu = require "luaunit"
local partition = require "moonflash.partition"

local good, bad, put = boards.good, boards.bad, boards.put
local SIZE <const>, AT <const> = 0x400000, 0x10000
local STARTED <const> = boards.nodemcu3(SIZE, 1, true)
local FRESH <const> = boards.nodemcu3(SIZE, 1, false)

TestPartition = {}

function TestPartition:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
  harness.write(self.flash, STARTED)
  self.port = "sim:" .. self.flash
end

function TestPartition:tearDown() harness.remove(self.dir) end

function TestPartition:now() return harness.read(self.flash) end

-- The live table in flash contents, judged by its bytes: { [type] = "addr+size" }.
local function table_in(bytes)
  local at, live = AT + 1, nil
  while bytes:byte(at + 1) ~= 0xFF do
    local words, id = bytes:byte(at, at + 1)
    if id == 1 then live = { at + 4, words } end
    at = at + 4 + 4 * words
  end
  local found = {}
  for i = 0, live[2] - 1, 3 do
    local kind, addr, size = ("<I4I4I4"):unpack(bytes, live[1] + 4 * i)
    found[kind] = ("%x+%x"):format(addr, size)
  end
  return found
end

local function outside_the_sector(bytes) return bytes:sub(1, AT) .. bytes:sub(AT + 0x1001) end

function TestPartition:test_show_a_chip_that_has_started()
  local out = good("-p", self.port, "partition", "show")
  for _, text in ipairs { "complete table", "spiffs", "0x040000..0x3fcfff", "start-up command",
    "superseded", "checked the init data" } do
    lu.assertStrContains(out, text)
  end
  boards.same(self:now(), STARTED)
end

function TestPartition:test_show_what_the_firmware_makes_of_a_fresh_one()
  harness.write(self.flash, FRESH)
  local e = boards.events((good("--json", "-p", self.port, "partition", "show")))
  lu.assertTrue(e.result.factory)
  lu.assertEquals(e.result.firmware_end, 0x40000)
  local spiffs = partition.entry(e.result.complete, "spiffs")
  lu.assertEquals({ spiffs.addr, spiffs.size }, { 0x40000, 0x3BD000 })
end

function TestPartition:test_set_changes_the_table_and_keeps_all_else()
  local _, err = good("-p", self.port, "partition", "set", "--lfs-size", "128k")
  lu.assertStrContains(err, "the file system moves")
  local now = self:now()
  boards.same(outside_the_sector(now), outside_the_sector(STARTED))
  local t = table_in(now)
  lu.assertEquals({ t[103], t[106], t[6] }, { "40000+20000", "60000+39d000", "3fd000+3000" })
  local sector = now:sub(AT + 1, AT + 0x1000)
  lu.assertStrContains(sector, "dofile()")
  lu.assertTrue(partition.read(sector).init_data_checked)
  lu.assertStrContains(good("-p", self.port, "partition", "show"), "128 KB")
end

function TestPartition:test_set_twice_is_once()
  good("-p", self.port, "partition", "set", "--lfs-size", "64k", "--spiffs-size", "1M")
  local once = self:now()
  good("-p", self.port, "partition", "set", "--lfs-size", "64k", "--spiffs-size", "1M")
  boards.same(self:now(), once)
  lu.assertEquals(table_in(once)[106], "100000+100000")
end

function TestPartition:test_set_through_the_chips_own_loader()
  good("-p", self.port, "--no-stub", "-b", "921600", "partition", "set", "--lfs-size", "64k")
  lu.assertEquals(table_in(self:now())[103], "40000+10000")
end

function TestPartition:test_a_dry_run_changes_nothing()
  local out = good("-p", self.port, "partition", "set", "--lfs-size", "128k", "--dry-run")
  lu.assertStrContains(out, "0x040000..0x05ffff")
  boards.same(self:now(), STARTED)
end

function TestPartition:test_a_firmware_file_keeps_its_factory_table_open()
  local fw, out = self.dir .. "/fw.bin", self.dir .. "/out.bin"
  harness.write(fw, FRESH:sub(1, 0x40000))
  good("partition", "set", fw, "-o", out, "--lfs-size", "64k")
  local bytes = harness.read(out)
  lu.assertEquals(#bytes, 0x40000)
  boards.same(outside_the_sector(bytes), outside_the_sector(FRESH:sub(1, 0x40000)))
  local t = table_in(bytes)
  lu.assertEquals({ t[103], t[106], t[0] }, { "0+10000", "0+ffffffff", "40240000+0" })
  boards.same(harness.read(fw), FRESH:sub(1, 0x40000))
end

function TestPartition:test_a_backup_is_changed_and_stays_sound()
  local b, out = self.dir .. "/board.mfb", self.dir .. "/new.mfb"
  good("-p", self.port, "backup", b)
  good("partition", "set", b, "-o", out, "--spiffs-addr", "0x200000", "--spiffs-size", "1M")
  good("backup", "check", out)
  good("-p", self.port, "restore", out)
  boards.same(outside_the_sector(self:now()), outside_the_sector(STARTED))
  lu.assertEquals(table_in(self:now())[106], "200000+100000")
end

function TestPartition:test_a_header_that_says_less_than_the_chip_limits_the_table()
  harness.write(self.flash, put(STARTED, 3, "\x20"))
  local err = bad(6, "1 MB", "-p", self.port, "partition", "set", "--spiffs-size", "all")
  lu.assertStrContains(err, "boot header says 1 MB")
  boards.same(self:now(), put(STARTED, 3, "\x20"))
end

function TestPartition:test_impossible_tables_are_refused_before_anything_is_written()
  for _, words in ipairs { { "--lfs-size", "1M" }, { "--spiffs-size", "8M" },
    { "--spiffs-addr", "0x30000" }, { "--spiffs-addr", "0x3fd000" }, { "--lfs-size", "100" },
    { "--lfs-addr", "0x50000" } } do
    local out, err, code = harness.run("-p", self.port, "partition", "set", table.unpack(words))
    lu.assertTrue(code == 6 or code == 2, err)
    lu.assertStrContains(err, "moonflash: ")
    lu.assertNotStrContains(out, "ok:")
    boards.same(self:now(), STARTED)
  end
end

function TestPartition:test_bad_requests()
  bad(2, "nothing to change", "-p", self.port, "partition", "set")
  bad(2, "%-o", "partition", "set", self.flash, "--lfs-size", "64k")
  bad(2, "%-o", "-p", self.port, "partition", "set", "-o", self.dir .. "/x", "--lfs-size", "64k")
  bad(6, "no%-such", "partition", "show", self.dir .. "/no-such.bin")
  harness.write(self.dir .. "/two.bin", boards.nodemcu2(0x80000, 1))
  bad(6, "no partition table", "partition", "show", self.dir .. "/two.bin")
  harness.write(self.dir .. "/short.bin", "abc")
  bad(6, "no partition table", "partition", "show", self.dir .. "/short.bin")
  boards.same(self:now(), STARTED)
end

function TestPartition:test_a_cut_names_the_exact_repair_and_the_repair_works()
  local err, _, code
  _, err, code = harness.shell(("cd %s && %s -p %s partition set --lfs-size 64k"):format(
    harness.quote(self.dir), harness.quote(harness.program), harness.quote(self.port .. "?cut=2")))
  lu.assertEquals(code, 8, err)
  local file = err:match("moonflash write 0x10000 (%S+)")
  lu.assertNotNil(file, err)
  lu.assertNotNil(lfs.attributes(self.dir .. "/" .. file))
  good("-p", self.port, "write", "0x10000", self.dir .. "/" .. file)
  lu.assertEquals(table_in(self:now())[103], "40000+10000")
  boards.same(outside_the_sector(self:now()), outside_the_sector(STARTED))
end

os.exit(lu.LuaUnit.run())
