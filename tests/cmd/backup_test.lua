-- Backup and restore end to end: the test prepares the chip's flash and judges it.
package.path = "tests/cmd/?.lua;" .. package.path
local boards = require "boards"
local esp = require "esp"
local harness = require "harness"
local lfs = require "lfs"
local lu = require "luaunit"

local good, bad, put = boards.good, boards.bad, boards.put
local SIZE <const> = 0x100000
local BOARD <const> = boards.nodemcu2(SIZE, 1)
local OTHER <const> = boards.nodemcu2(SIZE, 50)

TestBackup = {}

function TestBackup:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
  self.file = self.dir .. "/board.mfb"
  harness.write(self.flash, BOARD)
  self.port = "sim:" .. self.flash
end

function TestBackup:tearDown()
  os.execute("chmod -R u+w " .. harness.quote(self.dir))
  harness.remove(self.dir)
end

function TestBackup:now() return harness.read(self.flash) end

function TestBackup:save(...)
  return good("-p", self.port, "backup", self.file, ...)
end

function TestBackup:test_a_backup_of_the_whole_chip_goes_back_onto_a_wiped_one()
  lu.assertStrContains(self:save(), "ok: 1048576 bytes")
  boards.same(self:now(), BOARD)
  harness.write(self.flash, boards.noise(SIZE, 9))
  lu.assertStrContains(good("-p", self.port, "restore", self.file), "ok: 1048576 bytes verified")
  boards.same(self:now(), BOARD)
end

function TestBackup:test_a_second_restore_writes_nothing()
  self:save()
  lu.assertStrContains(good("-p", self.port, "restore", self.file), " 0 sectors written, 256 ")
end

function TestBackup:test_other_tools_read_the_archive()
  self:save()
  local raw, err, code = harness.shell("unzip -p " .. harness.quote(self.file) .. " 'flash/*'")
  lu.assertEquals(code, 0, err)
  boards.same(raw, BOARD)
  local manifest = require("dkjson").decode((harness.shell("unzip -p " .. harness.quote(self.file)
    .. " backup.json")))
  lu.assertEquals(manifest.chip.mac, "60:01:94:a5:b6:9c")
  lu.assertEquals(manifest.sha256, esp.sha256(BOARD))
  lu.assertEquals(manifest.firmware.generation, "2.x")
  lu.assertEquals(manifest.flash.size, SIZE)
end

function TestBackup:test_check_says_what_it_is_of_without_a_chip()
  self:save()
  local out = good("backup", "check", self.file)
  for _, text in ipairs { "60:01:94:a5:b6:9c", "NodeMCU 2.2.0.0", "init-data", "digest" } do
    lu.assertStrContains(out, text)
  end
  local e = boards.events((good("--json", "backup", "check", self.file)))
  lu.assertEquals(e.result.sha256, esp.sha256(BOARD))
  lu.assertTrue(e.result.sound)
end

function TestBackup:test_bare_bytes_by_name_and_by_option_and_out_of_a_backup()
  local raw = self.dir .. "/all.bin"
  good("-p", self.port, "backup", raw)
  boards.same(harness.read(raw), BOARD)
  good("-p", self.port, "backup", "--raw", self.dir .. "/all.dump")
  boards.same(harness.read(self.dir .. "/all.dump"), BOARD)
  self:save()
  good("backup", "unpack", self.file, self.dir .. "/out.bin")
  boards.same(harness.read(self.dir .. "/out.bin"), BOARD)
  harness.write(self.flash, OTHER)
  good("-p", self.port, "restore", raw)
  boards.same(self:now(), BOARD)
end

function TestBackup:test_regions_by_name_and_address_go_back_alone()
  self:save("--region", "init-data", "-r", "0x1000+8k", "-r", "system-param")
  harness.write(self.flash, OTHER)
  good("-p", self.port, "restore", self.file)
  local want = put(put(OTHER, 0x1000, BOARD:sub(0x1001, 0x3000)), SIZE - 0x4000, BOARD:sub(-0x4000))
  boards.same(self:now(), want)
end

function TestBackup:test_one_region_out_of_a_whole_backup()
  self:save()
  harness.write(self.flash, OTHER)
  good("-p", self.port, "restore", self.file, "--region", "rf-cal")
  boards.same(self:now(), put(OTHER, SIZE - 0x5000, BOARD:sub(SIZE - 0x5000 + 1, SIZE - 0x4000)))
end

function TestBackup:test_through_the_chips_own_loader()
  local rom = { "-p", self.port, "--no-stub", "-b", "921600" }
  good(rom[1], rom[2], rom[3], rom[4], rom[5], "backup", self.file, "-r", "0x0+4k",
    "-r", "init-data")
  harness.write(self.flash, OTHER)
  good(rom[1], rom[2], rom[3], rom[4], rom[5], "restore", self.file)
  boards.same(self:now(), put(put(OTHER, 0, BOARD:sub(1, 0x1000)), SIZE - 0x4000,
    BOARD:sub(SIZE - 0x4000 + 1, SIZE - 0x3000)))
end

function TestBackup:test_a_noisy_line_does_not_get_into_a_backup()
  good("-p", self.port .. "?flip=0.0002&seed=3", "-b", "460800", "backup", self.file)
  good("backup", "unpack", self.file, self.dir .. "/out.bin")
  boards.same(harness.read(self.dir .. "/out.bin"), BOARD)
end

function TestBackup:test_another_boards_backup_is_refused_and_the_differences_are_named()
  self:save()
  harness.write(self.flash, OTHER)
  local err = bad(5, "another board", "-p", self.port .. "?mac=60:01:94:00:00:01&id=C84014",
    "restore", self.file)
  for _, text in ipairs { "60:01:94:00:00:01", "flash id", "--to-another-board" } do
    lu.assertStrContains(err, text)
  end
  boards.same(self:now(), OTHER)
end

function TestBackup:test_another_board_gets_all_but_keeps_its_own_calibration()
  self:save()
  local own = put(OTHER, SIZE - 0x4000, require("moonflash.init_data").build {
    fields = { vdd33 = 255 } })
  harness.write(self.flash, own)
  good("-p", self.port .. "?mac=60:01:94:00:00:01", "restore", self.file, "--to-another-board")
  boards.same(self:now(), BOARD:sub(1, SIZE - 0x5000) .. own:sub(SIZE - 0x5000 + 1))
end

function TestBackup:test_another_blank_board_gets_the_backups_init_data()
  self:save()
  harness.write(self.flash, ("\xff"):rep(SIZE))
  local _, err = good("-p", self.port .. "?mac=60:01:94:00:00:01", "restore", self.file,
    "--to-another-board")
  lu.assertStrContains(err, "no init data of its own")
  local want = BOARD:sub(1, SIZE - 0x5000) .. ("\xff"):rep(0x1000)
    .. BOARD:sub(SIZE - 0x4000 + 1, SIZE - 0x3000) .. ("\xff"):rep(0x3000)
  boards.same(self:now(), want)
end

function TestBackup:test_a_larger_chip_takes_it_as_another_board_and_a_smaller_never()
  self:save()
  local large, small = self.dir .. "/large.flash", self.dir .. "/small.flash"
  harness.write(large, ("\xff"):rep(0x200000))
  bad(5, "flash size", "-p", "sim:" .. large, "restore", self.file)
  good("-p", "sim:" .. large, "restore", self.file, "--to-another-board")
  boards.same(harness.read(large):sub(1, 0x10000), BOARD:sub(1, 0x10000))
  harness.write(small, ("\xff"):rep(0x80000))
  bad(6, "512 KB", "-p", "sim:" .. small, "restore", self.file, "--to-another-board")
  boards.same(harness.read(small), ("\xff"):rep(0x80000))
end

function TestBackup:test_a_damaged_or_cut_backup_is_refused_before_the_port_is_opened()
  self:save()
  local bytes = harness.read(self.file)
  local broken = { bytes:sub(1, -2), bytes:sub(1, #bytes // 2), bytes:sub(2), bytes .. "x",
    put(bytes, #bytes // 3, string.char(bytes:byte(#bytes // 3 + 1) ~ 1)), "PK\3\4", "hello" }
  for _, text in ipairs(broken) do
    harness.write(self.file, text)
    bad(6, "", "-p", "/dev/no-such", "restore", self.file)
    bad(6, "", "-p", self.port, "restore", self.file)
    bad(6, "", "backup", "check", self.file)
    bad(6, "", "backup", "unpack", self.file, self.dir .. "/out.bin")
    lu.assertNil(lfs.attributes(self.dir .. "/out.bin"))
  end
  boards.same(self:now(), BOARD)
end

function TestBackup:test_a_missing_or_empty_backup()
  bad(6, "none.mfb", "-p", self.port, "restore", self.dir .. "/none.mfb")
  harness.write(self.file, "")
  bad(6, "empty", "-p", self.port, "restore", self.file)
end

function TestBackup:test_dry_runs_change_nothing()
  lu.assertStrContains(self:save("--dry-run"), "nothing was written")
  lu.assertNil(lfs.attributes(self.file))
  self:save()
  harness.write(self.flash, OTHER)
  lu.assertStrContains(good("-p", self.port, "restore", self.file, "--dry-run"), "nothing was changed")
  boards.same(self:now(), OTHER)
end

function TestBackup:test_events_as_json()
  local e = boards.events((good("--json", "-p", self.port, "backup", self.file)))
  lu.assertEquals(e.result.sha256, esp.sha256(BOARD))
  lu.assertEquals(e.result.bytes, SIZE)
  e = boards.events((good("--json", "-p", self.port, "restore", self.file)))
  lu.assertTrue(e.result.verified)
  lu.assertEquals(e.result.sectors_written, 0)
end

function TestBackup:test_bad_requests()
  bad(2, "spifs", "-p", self.port, "backup", self.file, "-r", "spifs")
  bad(6, "no region 'lfs'", "-p", self.port, "backup", self.file, "-r", "lfs")
  bad(6, "outside", "-p", self.port, "backup", self.file, "-r", "0xff000+8k")
  bad(2, "one range", "-p", self.port, "backup", self.dir .. "/x.bin", "-r", "rf-cal", "-r", "0x0+4k")
  bad(2, "one file", "-p", self.port, "backup", self.file, "second")
  bad(6, "folder", "-p", self.port, "backup", self.dir)
  bad(6, "create", "-p", self.port, "backup", self.dir .. "/none/board.mfb")
  lu.assertNil(lfs.attributes(self.file))
end

function TestBackup:test_an_old_backup_stays_when_the_new_one_cannot_be_made()
  harness.write(self.file, "precious")
  bad(3, "", "-p", self.port .. "?unplug=60000", "backup", self.file)
  lu.assertEquals(harness.read(self.file), "precious")
  lu.assertNil(lfs.attributes(self.file .. ".part"))
end

-- A disk that fills up while the file is written: a tiny limit on file sizes.
function TestBackup:test_a_full_disk_leaves_no_file_and_says_so()
  harness.write(self.flash, boards.noise(SIZE, 3))
  local out, err, code = harness.shell(("ulimit -f 512; trap '' XFSZ; %s -p %s backup %s"):format(
    harness.quote(harness.program), harness.quote(self.port), harness.quote(self.file)))
  lu.assertEquals(code, 9, err .. out)
  lu.assertStrContains(err, "cannot write")
  lu.assertNil(lfs.attributes(self.file))
  lu.assertNil(lfs.attributes(self.file .. ".part"))
end

function TestBackup:test_an_interrupted_restore_is_finished_by_the_next_one()
  self:save()
  harness.write(self.flash, OTHER)
  local _, _, code = harness.run("-p", self.port .. "?cut=7", "restore", self.file)
  lu.assertEquals(code, 8)
  lu.assertNotEquals(self:now():byte(1), 0xE9)
  good("-p", self.port, "restore", self.file)
  boards.same(self:now(), BOARD)
end

os.exit(lu.LuaUnit.run())
