-- `flash` from end to end on simulated chips; flash is read by the test itself.
package.path = "tests/cmd/?.lua;tests/lua/?.lua;" .. package.path
local chips = require "nodemcu_chips"
local harness = require "harness"
local init_data = require "moonflash.init_data"
local lfs = require "lfs"
local lu = require "luaunit"

local KB <const>, MB <const> = 1024, 1024 * 1024
local HELLO <const> = "examples/hello/hello.bin"
local QIO <const>, DIO <const>, DOUT <const> = 0, 2, 3

TestFlash = {}

function TestFlash:setUp()
  self.dir = harness.directory()
  self.flash, self.file = self.dir .. "/board.flash", self.dir .. "/nodemcu.bin"
end

function TestFlash:tearDown() harness.remove(self.dir) end

function TestFlash:board(bytes) harness.write(self.flash, bytes) end

function TestFlash:firmware(era, opts)
  opts = opts or {}
  opts.irom, opts.seed = opts.irom or 0xA000, opts.seed or 3
  local bytes = chips.firmware(era, opts)
  harness.write(self.file, bytes)
  return bytes
end

-- Runs on a chip with these options; returns flash, stdout, stderr.
function TestFlash:run(url_options, ...)
  local out, err, code = harness.run("-p", "sim:" .. self.flash .. url_options, "flash", ...)
  return out, err, code
end

function TestFlash:good(url_options, ...)
  local out, err, code = self:run(url_options, ...)
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "ok: ")
  return harness.read(self.flash), out, err
end

function TestFlash:refused(exit, needle, ...)
  local before = harness.read(self.flash)
  local out, err, code = self:run("", ...)
  lu.assertEquals(code, exit, err)
  lu.assertStrContains(err, needle)
  lu.assertNotStrContains(out, "ok:")
  lu.assertTrue(harness.read(self.flash) == before)
end

function TestFlash:test_an_aggregated_file_on_an_erased_chip_gets_size_and_init_data()
  self:board(("\xff"):rep(2 * MB))
  local new = self:firmware("2.x")
  local flash = self:good("", self.file, "--no-watch")
  lu.assertEquals(flash:sub(1, 3), new:sub(1, 3))
  lu.assertEquals(flash:byte(4), 0x30)
  lu.assertTrue(flash:sub(5, #new) == new:sub(5))
  lu.assertEquals(flash:sub(2 * MB - 0x4000 + 1, 2 * MB - 0x4000 + 128), init_data.build())
end

-- Where init data goes and what the header says is for the size that was given first.
function TestFlash:test_what_a_wrong_size_began_is_not_finished_on_the_right_one()
  self:board(("\xff"):rep(2 * MB))
  local new = self:firmware("2.x")
  harness.write(self.dir .. "/faults", "- cut 200 n\n")
  local _, err, code = self:run("?id=EF4014&faults=" .. self.dir .. "/faults", self.file,
    "--no-watch", "-b", "921600")
  lu.assertEquals(code, 8, err)
  local flash, out = self:good("", self.file, "--no-watch")
  lu.assertNotStrContains(out, "finished")
  lu.assertEquals(flash:byte(4), 0x30)
  lu.assertTrue(flash:sub(5, #new) == new:sub(5))
end

function TestFlash:test_the_pair_of_a_build_by_folder_and_by_name()
  local new = self:firmware("3.x")
  local folder = self.dir .. "/bin"
  assert(lfs.mkdir(folder))
  harness.write(folder .. "/0x00000.bin", new:sub(1, 0x2080))
  harness.write(folder .. "/0x10000.bin", new:sub(0x10001))
  local low_end = new:sub(1, 0x10000):find("\xff+$") - 1
  harness.write(folder .. "/0x00000.bin", new:sub(1, low_end))
  for _, paths in ipairs { { folder }, { folder .. "/0x10000.bin", folder .. "/0x00000.bin" } } do
    self:board(("\xff"):rep(MB))
    local flash = self:good("", "--no-watch", table.unpack(paths))
    lu.assertTrue(flash:sub(5, #new) == new:sub(5))
    lu.assertEquals(flash:byte(4), 0x20)
  end
end

function TestFlash:test_half_a_firmware_and_misspelt_names_are_refused()
  self:board(("\xff"):rep(MB))
  local new = self:firmware("3.x")
  local low_end = new:sub(1, 0x10000):find("\xff+$") - 1
  harness.write(self.dir .. "/0x00000.bin", new:sub(1, low_end))
  self:refused(6, "0x10000.bin", self.dir .. "/0x00000.bin")
  harness.write(self.dir .. "/0x00001.bin", new:sub(0x10001))
  self:refused(6, "did you mean 0x10000.bin", self.dir .. "/0x00000.bin", self.dir .. "/0x00001.bin")
end

function TestFlash:test_files_stay_when_the_new_firmware_finds_them()
  local old, place = chips.chip("2.x", MB, { irom = 0x8000 })
  self:board(old)
  self:firmware("3.x")
  local flash = self:good("", self.file, "--no-watch")
  lu.assertTrue(flash:sub(place.fs.addr + 1, place.fs.addr + place.fs.size)
    == old:sub(place.fs.addr + 1, place.fs.addr + place.fs.size))
end

function TestFlash:test_a_live_partition_table_is_carried_over()
  local old, place = chips.chip("3.x", MB, { irom = 0xA000, lfs = 0x10000, fs_addr = 0x60000, fs_size = 0x40000 })
  self:board(old)
  self:firmware("3.x")
  local flash = self:good("", self.file, "--no-watch")
  local sector = flash:sub(0x10001, 0x11000)
  lu.assertNotNil(sector:find(("<I4I4I4"):pack(103, place.lfs.addr, 0x10000), 1, true))
  lu.assertNotNil(sector:find(("<I4I4I4"):pack(106, 0x60000, 0x40000), 1, true))
  lu.assertTrue(flash:sub(place.lfs.addr + 1, place.lfs.addr + 0x10000)
    == old:sub(place.lfs.addr + 1, place.lfs.addr + 0x10000))
  lu.assertTrue(flash:sub(0xB001, 0x10000) == old:sub(0xB001, 0x10000))
end

function TestFlash:test_erase_all_leaves_nothing_but_the_firmware()
  self:board((chips.chip("2.x", 512 * KB, { irom = 0x8000 })))
  local new = self:firmware("2.x")
  local flash = self:good("", self.file, "--erase", "all", "--no-watch")
  lu.assertFalse(flash:sub(#new + 1, 0x7C000):find("[^\xff]") ~= nil)
  lu.assertEquals(flash:sub(0x7C001, 0x7C080), init_data.build())
  lu.assertFalse(flash:sub(0x7C081):find("[^\xff]") ~= nil)
end

function TestFlash:test_too_small_a_flash_is_refused_with_what_would_do()
  self:board(("\xff"):rep(512 * KB))
  self:firmware("3.x")
  self:refused(6, "2.2", self.file)
end

function TestFlash:test_other_firmware_is_written_as_it_is_and_seen_to_run()
  self:board((chips.chip("2.x", 512 * KB, { irom = 0x8000 })))
  local out, err, code = self:run("", HELLO, "--watch", "3")
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "hello from moonflash")
  lu.assertStrContains(out, "the firmware runs")
end

function TestFlash:test_a_firmware_that_stays_silent_is_told_apart()
  self:board(("\xff"):rep(512 * KB))
  self:firmware("2.x")
  local out, err, code = self:run("", self.file, "--watch", "1", "--json")
  lu.assertEquals(code, 0, err)
  lu.assertNotStrContains(out, '"state":"prompt"')
  lu.assertNotStrContains(out, '"state":"running"')
  lu.assertStrContains(out, '"state":')
end

-- ---- flash mode ----

function TestFlash:mode_after(url_options, image_mode, ...)
  self:board(("\xff"):rep(512 * KB))
  self:firmware("2.x", { mode = image_mode })
  local flash, out, err = self:good(url_options, self.file, "--no-watch", ...)
  return flash:byte(3), err, out
end

function TestFlash:test_a_quad_mode_that_the_chip_proves_stays()
  lu.assertEquals((self:mode_after("", "qio")), QIO)
  local out, err, code = self:run("", self.file, "--no-watch", "--json")
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, '"mode_proven":true')
end

function TestFlash:test_a_quad_mode_on_a_chip_that_loses_it_becomes_dio()
  local mode, err = self:mode_after("?id=C22013", "qio")
  lu.assertEquals(mode, DIO)
  lu.assertStrContains(err, "quad enable")
end

function TestFlash:test_a_quad_mode_that_cannot_be_proven_becomes_dio()
  self:board(("\xff"):rep(512 * KB))
  self:firmware("2.x", { mode = "qio", irom = 0x1000 })
  local out, err, code = harness.run("-p", "sim:" .. self.flash, "--no-stub", "flash", self.file,
    "--no-watch", "--dry-run")
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(err, "flash mode qio -> dio")
  lu.assertStrContains(out, "nothing was changed")
end

function TestFlash:test_an_esp8285_gets_dout()
  self:board(("\xff"):rep(MB))
  self:firmware("2.x", { mode = "qio" })
  lu.assertEquals(self:good("?chip=esp8285", self.file, "--no-watch"):byte(3), DOUT)
end

function TestFlash:test_a_mode_that_is_asked_for_is_used()
  lu.assertEquals((self:mode_after("", "dio", "--mode", "dout")), DOUT)
  lu.assertEquals((self:mode_after("?id=C22013", "qio", "--mode", "keep")), QIO)
end

-- 0xF000 is inside the file, between its two parts.
function TestFlash:test_init_data_of_nodemcu_3_takes_its_place_out_of_an_aggregated_file()
  local bytes = self:firmware("3.x")
  local flash = self:good("?size=4M", self.file, "--init", "v08", "--no-watch")
  lu.assertEquals(flash:sub(0xF001, 0xF000 + 2), "\5\8")
  lu.assertEquals(flash:sub(0xF081, 0x10000), ("\xff"):rep(0xF80))
  lu.assertTrue(flash:sub(0x11001, #bytes) == bytes:sub(0x11001))
end

function TestFlash:test_bad_options_are_refused_before_the_port_is_opened()
  self:firmware("2.x")
  for _, words in ipairs { { "--mode", "fast" }, { "--freq", "33m" }, { "--watch", "long" }, { "--fs", "lose" } } do
    local _, err, code = harness.run("-p", "/dev/no-such", "flash", self.file, table.unpack(words))
    lu.assertEquals(code, 2, err)
  end
  local _, err, code = harness.run("-p", "/dev/no-such", "flash")
  lu.assertEquals(code, 2, err)
end

os.exit(lu.LuaUnit.run())
