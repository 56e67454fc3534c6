-- Where the parts of a recipe land on chips of every generation. Flash is prepared and
-- read by the test itself; places come from the documents, not from the code under test.
package.path = "tests/cmd/?.lua;tests/lua/?.lua;" .. package.path
local chips = require "nodemcu_chips"
local harness = require "harness"
local init_data = require "moonflash.init_data"
local lfs = require "lfs"
local lu = require "luaunit"
local spiffs = require "moonflash.spiffs"

local KB <const>, MB <const> = 1024, 1024 * 1024
local ENTRY <const> = "<I4I4I4"

TestParts = {}

function TestParts:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
  harness.state = self.dir .. "/state"
  lfs.mkdir(self.dir .. "/lua")
  harness.write(self.dir .. "/lua/init.lua", "print('from the recipe')\n")
  harness.write(self.dir .. "/lua/empty.txt", "")
end

function TestParts:tearDown() harness.remove(self.dir) end

function TestParts:board(bytes) harness.write(self.flash, bytes) end

function TestParts:firmware(era, opts)
  opts = opts or {}
  opts.irom, opts.seed = opts.irom or 0xA000, opts.seed or 3
  harness.write(self.dir .. "/fw.bin", chips.firmware(era, opts))
end

function TestParts:recipe(body)
  harness.write(self.dir .. "/flash.lua", "local mf = require 'moonflash'\nreturn mf.recipe { api = 1,\n"
    .. body .. " }\n")
end

function TestParts:run(...)
  return harness.run("-p", "sim:" .. self.flash, self.dir .. "/flash.lua", ...)
end

function TestParts:good(body, ...)
  self:recipe(body)
  local out, err, code = self:run(...)
  lu.assertEquals(code, 0, err)
  return harness.read(self.flash), out, err
end

function TestParts:refused(exit, needle, body, ...)
  self:recipe(body)
  local before = harness.read(self.flash)
  local out, err, code = self:run(...)
  lu.assertStrContains(err, needle)
  lu.assertEquals(code, exit, err)
  lu.assertNotStrContains(out, "ok:")
  lu.assertNotStrContains(err, "traceback")
  lu.assertTrue(harness.read(self.flash) == before, "flash was changed")
  return err
end

local function files_at(flash, addr, flavour, size)
  local fs = spiffs.open(flash:sub(addr + 1, size and addr + size or nil), flavour and
    { flavour = flavour, block = 0x1000 } or nil)
  lu.assertEquals(fs:read("init.lua"), "print('from the recipe')\n")
  lu.assertEquals(fs:read("empty.txt"), "")
  return fs
end

-- ---- files ----

function TestParts:test_files_go_where_each_generation_looks_for_them()
  for _, era in ipairs { "0.9", "2.x", "3.x" } do
    for _, size in ipairs(era == "2.x" and { MB, 4 * MB } or { MB }) do
      self:board(("\xff"):rep(size))
      self:firmware(era)
      local flash = self:good [[parts = { mf.firmware "fw.bin", mf.spiffs "lua/" }]]
      local last = 0x10000 + 0xA000
      local addr, room = chips.fs_place(era, size, last)
      local fs = files_at(flash, addr, era == "0.9" and "0.9.5" or nil, room)
      lu.assertEquals(fs.geometry.size, room, era)
    end
  end
end

function TestParts:test_files_of_a_chip_are_replaced_by_the_recipes()
  for _, era in ipairs { "2.x", "3.x" } do
    self:board((chips.chip(era, MB, { irom = 0x8000 })))
    self:firmware(era)
    local flash = self:good [[parts = { mf.firmware "fw.bin", mf.spiffs "lua/" }]]
    local fs = files_at(flash, (chips.fs_place(era, MB, 0x1A000)))
    lu.assertFalse(fs:has("http/config.json"))
  end
end

function TestParts:test_without_a_firmware_the_one_on_the_chip_decides()
  for _, era in ipairs { "0.9", "2.x", "3.x" } do
    local old, place = chips.chip(era, MB, { irom = 0x8000 })
    self:board(old)
    local flash = self:good [[parts = { mf.spiffs "lua/" }]]
    files_at(flash, place.fs.addr, era == "0.9" and "0.9.5" or nil, place.fs.size)
    lu.assertTrue(flash:sub(1, place.fs.addr) == old:sub(1, place.fs.addr))
  end
end

function TestParts:test_files_smaller_than_the_room_leave_the_rest_alone()
  self:board(("\xff"):rep(4 * MB))
  self:firmware "3.x"
  local flash = self:good [[parts = { mf.firmware "fw.bin", mf.spiffs("lua/", { size = "256k" }),
    mf.bytes(0x200000, "mine") }]]
  lu.assertEquals(files_at(flash, 0x1A000).geometry.size, 256 * KB)
  lu.assertNotNil(flash:sub(0x10001, 0x11000):find(ENTRY:pack(106, 0x1A000, 256 * KB), 1, true))
  lu.assertEquals(flash:sub(0x200001, 0x200004), "mine")
end

function TestParts:test_files_too_large_for_the_chip_are_refused()
  self:board(("\xff"):rep(MB))
  self:firmware "3.x"
  self:refused(6, "flash.lua:3: mf.spiffs: 2 MB do not fit",
    [[parts = { mf.firmware "fw.bin", mf.spiffs("lua/", { size = "2M" }) }]])
  harness.write(self.dir .. "/lua/big.bin", ("x"):rep(900 * KB))
  self:refused(6, "flash.lua:3:", [[parts = { mf.firmware "fw.bin", mf.spiffs "lua/" }]])
end

function TestParts:test_other_firmware_does_not_tell_where_its_files_are()
  self:board(("\xff"):rep(MB))
  harness.write(self.dir .. "/hello.bin", harness.read("examples/hello/hello.bin"))
  self:refused(6, "flash.lua:3: mf.spiffs: only NodeMCU tells",
    [[parts = { mf.firmware "hello.bin", mf.spiffs "lua/" }]])
  local flash = self:good [[parts = { mf.firmware "hello.bin",
    mf.spiffs("lua/", { where = 0x80000, size = "128k" }) }]]
  files_at(flash, 0x80000)
end

function TestParts:test_names_and_templates_are_checked_before_the_chip_is_touched()
  self:firmware "3.x"
  harness.write(self.dir .. "/lua/" .. ("n"):rep(32), "")
  self:board(("\xff"):rep(MB))
  local err = self:refused(6, "at most 31 bytes", [[parts = { mf.firmware "fw.bin", mf.spiffs "lua/" }]])
  lu.assertNotStrContains(err, "ESP8266EX")
  os.remove(self.dir .. "/lua/" .. ("n"):rep(32))
  harness.write(self.dir .. "/lua/c.json", "\n{{sid}}")
  err = self:refused(6, "lua/c.json:2: there is no value for {{sid}}", [[params = { ssid = "x" },
    parts = { mf.firmware "fw.bin", mf.spiffs("lua/", { templates = { "*.json" } }) }]])
  lu.assertStrContains(err, "did you mean 'ssid'")
  lu.assertNotStrContains(err, "ESP8266EX")
  self:refused(6, "no file is called '*.txt.in'",
    [[parts = { mf.firmware "fw.bin", mf.spiffs("lua/", { templates = { "*.txt.in" } }) }]])
end

-- ---- partition table and store ----

function TestParts:store(name)
  harness.write(self.dir .. "/lfs.img", harness.read("tests/data/lfs/" .. (name
    or "lfs51-float-reloc.img")))
end

function TestParts:test_a_store_is_made_behind_the_firmware_and_the_files_behind_it()
  self:board(("\xff"):rep(MB))
  self:firmware "3.x"
  self:store()
  local flash = self:good [[parts = { mf.firmware "fw.bin", mf.lfs "lfs.img", mf.spiffs "lua/" }]]
  local sector = flash:sub(0x10001, 0x11000)
  lu.assertNotNil(sector:find(ENTRY:pack(103, 0x1A000, 0x10000), 1, true))
  lu.assertNotNil(sector:find(ENTRY:pack(106, 0x2A000, 0xFD000 - 0x2A000), 1, true))
  files_at(flash, 0x2A000)
  -- the image given its place: every marked word is an address behind 0x40200000 + 0x1a000
  local raw = harness.read("tests/data/lfs/lfs51-float-reloc.raw")
  lu.assertEquals(("<I4"):unpack(flash, 0x1A000 + 1), ("<I4"):unpack(raw))
  lu.assertEquals(("<I4"):unpack(flash, 0x1A000 + 9), ("<I4"):unpack(raw, 9) * 4 + 0x4021A000)
end

function TestParts:test_a_partition_as_asked_for()
  self:board(("\xff"):rep(2 * MB))
  self:firmware "3.x"
  self:store()
  local flash = self:good [[parts = { mf.firmware "fw.bin", mf.lfs "lfs.img", mf.spiffs "lua/",
    mf.partition { lfs = "128k", lfs_addr = 0x20000, spiffs = "512k", spiffs_addr = 0x100000 } }]]
  local sector = flash:sub(0x10001, 0x11000)
  lu.assertNotNil(sector:find(ENTRY:pack(103, 0x20000, 0x20000), 1, true))
  lu.assertNotNil(sector:find(ENTRY:pack(106, 0x100000, 0x80000), 1, true))
  lu.assertEquals(flash:sub(0x20001, 0x20004), "\x54\xa1\xfa\xfa")
  files_at(flash, 0x100000)
end

function TestParts:test_a_table_on_the_chip_is_changed_in_place()
  local old, place = chips.chip("3.x", MB, { irom = 0xA000 })
  self:board(old)
  self:store()
  local flash = self:good [[parts = { mf.partition { lfs = "64k", spiffs = "all" },
    mf.lfs "lfs.img", mf.spiffs "lua/" }]]
  lu.assertNotNil(flash:sub(0x10001, 0x11000):find(ENTRY:pack(103, 0x1A000, 0x10000), 1, true))
  lu.assertEquals(flash:sub(0x1A001, 0x1A004), "\x54\xa1\xfa\xfa")
  files_at(flash, 0x2A000)
  lu.assertEquals(place.fs.addr, 0x1A000)
  lu.assertTrue(flash:sub(1, 0x10000) == old:sub(1, 0x10000))
  lu.assertTrue(flash:sub(0x11001, 0x1A000) == old:sub(0x11001, 0x1A000))
end

function TestParts:test_stores_that_cannot_work_are_refused()
  self:board(("\xff"):rep(4 * MB))
  self:firmware "3.x"
  self:store()
  self:refused(6, "flash.lua:3: lfs.img takes 964 bytes, more than 100",
    [[parts = { mf.firmware "fw.bin", mf.lfs("lfs.img", { size = 100 }) }]])
  self:refused(6, "only the first MB of flash is mapped",
    [[parts = { mf.firmware "fw.bin", mf.lfs "lfs.img", mf.partition { lfs = "2M" } }]])
  self:refused(6, "flash.lua:3: LFS (0x0f8000..0x107fff) must end below 0x100000",
    [[parts = { mf.firmware "fw.bin", mf.lfs "lfs.img",mf.partition { lfs = "64k", lfs_addr = 0xf8000 } }]])
  self:store "lfs53-reloc.img"
  self:refused(6, "flash.lua:3: lfs.img is for Lua 5.3",
    [[parts = { mf.firmware "fw.bin", mf.lfs "lfs.img" }]])
  self:store()
  self:firmware("3.x", { banner = (chips.eras["3.x"].banner:gsub("build type: float",
    "build type: integer")) })
  local err = self:refused(6, "it is for float firmware, this firmware is integer",
    [[parts = { mf.firmware "fw.bin", mf.lfs "lfs.img" }]])
  lu.assertNotStrContains(err, "ESP8266EX")       -- known before connecting
  self:firmware "2.x"
  self:refused(6, "flash.lua:3: mf.lfs needs a partition table",
    [[parts = { mf.firmware "fw.bin", mf.lfs "lfs.img" }]])
  self:refused(6, "flash.lua:3: mf.partition needs a partition table",
    [[parts = { mf.firmware "fw.bin", mf.partition { spiffs = "1M" } }]])
end

function TestParts:test_files_that_would_be_lost_by_a_new_table_are_not()
  local old = chips.chip("3.x", 4 * MB, { irom = 0xA000 })
  self:board(old)
  self:firmware "3.x"
  self:refused(7, "would not find them", [[parts = { mf.firmware "fw.bin",
    mf.partition { spiffs_addr = 0x200000, spiffs = "1M" } }]])
end

function TestParts:test_writing_twice_writes_nothing_the_second_time()
  for _, era in ipairs { "0.9", "2.x", "3.x" } do
    self:board(("\xff"):rep(MB))
    self:firmware(era)
    local body = [[parts = { mf.firmware "fw.bin", mf.init_data { adc = "vdd" }, mf.spiffs "lua/" }]]
    local first = self:good(body)
    local second, out = self:good(body)
    lu.assertStrContains(out, " 0 sectors written")
    lu.assertTrue(first == second)
  end
end

function TestParts:test_records_that_the_firmware_added_to_its_table_stay()
  local old = chips.chip("3.x", MB, { irom = 0xA000 })
  self:board(old)
  self:firmware("3.x", { seed = 7 })
  local flash = self:good [[parts = { mf.firmware "fw.bin", mf.spiffs "lua/" }]]
  lu.assertTrue(flash:sub(0x10001, 0x11000) == old:sub(0x10001, 0x11000))
  files_at(flash, 0x1A000)
end

-- ---- init data ----

function TestParts:test_init_data_go_where_each_generation_looks_for_them()
  for era, addr in pairs { ["0.9"] = MB - 0x4000, ["2.x"] = MB - 0x4000, ["3.x"] = 0xF000,
    ["3.0-2019"] = 0xC000 } do
    self:board(("\xff"):rep(MB))
    self:firmware(era)
    local flash = self:good [[parts = { mf.firmware "fw.bin",
      mf.init_data { variant = "v08", supply = 3.3, fields = { freq_offset = -3 } } }]]
    lu.assertEquals(flash:sub(addr + 1, addr + 128), init_data.build { variant = "v08",
      fields = { vdd33 = 33, freq_offset = -3 } }, era)
    lu.assertNil(flash:sub(addr + 129, addr + 0x1000):find("[^\xff]"))
  end
end

function TestParts:test_init_data_for_the_firmware_on_the_chip()
  local old = chips.chip("3.x", MB, { irom = 0xA000 })
  self:board(old)
  local flash = self:good [[parts = { mf.init_data { adc = "vdd" } }]]
  lu.assertEquals(flash:byte(0xF000 + 108), 255)
  lu.assertTrue(flash:sub(1, 0xF000) == old:sub(1, 0xF000))
  lu.assertTrue(flash:sub(0x10001) == old:sub(0x10001))
end

function TestParts:test_another_variant_of_init_data_with_a_firmware()
  self:board(("\xff"):rep(MB))
  self:firmware "3.x"
  local flash = self:good [[parts = { mf.firmware("fw.bin", { init = "v08" }) }]]
  lu.assertEquals(flash:sub(0xF001, 0xF080), init_data.build { variant = "v08" })
end

function TestParts:test_wrong_init_data_are_refused_with_their_line()
  self:board(("\xff"):rep(MB))
  self:firmware "3.x"
  self:refused(2, "flash.lua:4:", "parts = { mf.firmware 'fw.bin',\n mf.init_data { fields = { vdd = 1 } } }")
  self:refused(6, "flash.lua:3: ", "parts = { mf.init_data { file = 'flash.lua', where = 0xfc000 } }")
  self:refused(6, "only NodeMCU tells where its init data are", "parts = { mf.init_data {} }")
end

-- ---- firmware ----

function TestParts:test_a_gzipped_firmware_and_a_folder_are_what_they_hold()
  local bytes = chips.firmware("3.x", { irom = 0xA000, seed = 3 })
  harness.write(self.dir .. "/fw.bin", bytes)
  os.execute("gzip -k " .. harness.quote(self.dir .. "/fw.bin"))
  lfs.mkdir(self.dir .. "/bin")
  harness.write(self.dir .. "/bin/0x10000.bin", bytes:sub(0x10001))
  local low = bytes:sub(1, 0x10000):find("\xff+$") - 1
  harness.write(self.dir .. "/bin/0x00000.bin", bytes:sub(1, low))
  for _, name in ipairs { '"fw.bin.gz"', '"bin/"', '{ "bin/0x10000.bin", "bin/0x00000.bin" }' } do
    self:board(("\xff"):rep(MB))
    local flash = self:good(("parts = { mf.firmware(%s) }"):format(name))
    lu.assertTrue(flash:sub(5, low) == bytes:sub(5, low))
    lu.assertTrue(flash:sub(0x10001, #bytes) == bytes:sub(0x10001))
    lu.assertEquals(flash:byte(4), 0x20)            -- 1 MB, 40 MHz
  end
end

function TestParts:test_files_on_the_chip_are_kept_moved_or_refused_as_asked()
  local old, place = chips.chip("0.9", MB, { irom = 0x8000 })
  self:board(old)
  self:firmware "3.x"
  self:refused(7, "cannot be kept", [[parts = { mf.firmware("fw.bin", { files = "keep" }) }]])
  local flash = self:good [[parts = { mf.firmware("fw.bin", { files = "move" }) }]]
  local fs = spiffs.open(flash:sub(0x1A001, 0xFD000))
  lu.assertEquals(fs:read("init.lua"), chips.files[1].bytes)
  lu.assertEquals(place.fs.addr, 0x18000)
end

function TestParts:test_the_flash_size_that_a_recipe_names_counts()
  self:board(("\xff"):rep(4 * MB))
  self:firmware "2.x"
  local flash = self:good [[flash = { size = "1M", freq = "80m" },
    parts = { mf.firmware "fw.bin", mf.spiffs "lua/" }]]
  lu.assertEquals(flash:byte(4), 0x2F)
  lu.assertEquals(flash:sub(MB - 0x4000 + 1, MB - 0x4000 + 128), init_data.build())
  files_at(flash, (chips.fs_place("2.x", MB, 0x1A000)))
  self:board(("\xff"):rep(MB))
  self:refused(6, "the recipe says 4M of flash, this chip has 1 MB", [[flash = { size = "4M" },
    parts = { mf.firmware "fw.bin" }]])
end

function TestParts:test_files_being_moved_survive_a_power_cut()
  local old = chips.chip("0.9", 512 * KB, { irom = 0x8000 })
  self:firmware("2.x", { irom = 0x8000 })
  self:recipe [[parts = { mf.firmware("fw.bin", { files = "move" }) }]]
  local home = "env -u XDG_STATE_HOME HOME=" .. harness.quote(self.dir) .. " "
  local function run(fault)
    return harness.shell(("%s%s -p %s %s"):format(home, harness.quote(harness.program),
      harness.quote("sim:" .. self.flash .. fault), harness.quote(self.dir .. "/flash.lua")))
  end
  for _, n in ipairs { 3, 40, 90 } do
    self:board(old)
    local _, err, code = run(("?cut=%d"):format(n))
    lu.assertEquals(code, 8, err)
    _, err, code = run ""
    lu.assertEquals(code, 0, err)
    lu.assertStrContains(err, "an earlier run of this command was interrupted")
    local fs = spiffs.open(harness.read(self.flash):sub((chips.fs_place("2.x", 512 * KB, 0x18000)) + 1))
    lu.assertEquals(fs:read("init.lua"), chips.files[1].bytes)
    lu.assertEquals(fs:read("http/config.json"), chips.files[2].bytes)
  end
end

-- ---- overlaps, holes, blanks ----

function TestParts:test_overlaps_are_refused_before_connecting()
  self:firmware "3.x"
  self:board(("\xff"):rep(MB))
  local err = self:refused(6, "overlap", [[parts = { mf.firmware "fw.bin", mf.bytes(0x11000, "x") }]])
  lu.assertNotStrContains(err, "ESP8266EX")
  err = self:refused(6, "overlap", [[parts = { mf.bytes(0x1000, ("x"):rep(5000)), mf.bytes(0x2000, "x") }]])
  lu.assertNotStrContains(err, "ESP8266EX")
  self:refused(2, "there are two mf.firmware", [[parts = { mf.firmware "fw.bin", mf.firmware "fw.bin" }]])
end

function TestParts:test_what_is_to_be_kept_is_not_touched()
  local old = chips.chip("2.x", MB, { irom = 0xA000 })
  self:board(old)
  self:firmware "2.x"
  -- the same generation would like to blank the RF calibration: a hole forbids it
  local flash = self:good [[parts = { mf.firmware "fw.bin", mf.hole "rf-cal", mf.hole(0xf0000, 0x1000) }]]
  lu.assertTrue(flash:sub(0xFB001, 0xFC000) == old:sub(0xFB001, 0xFC000))
  lu.assertNotNil(flash:sub(0xFB001, 0xFC000):find("[^\xff]"))
  self:board(old)
  self:refused(7, "mf.hole", [[parts = { mf.bytes(0xfc000, "x"), mf.hole(0xfc000, 0x1000) }]])
  self:refused(7, "mf.hole", [[parts = { mf.init_data {}, mf.hole "init-data" }]])
  self:refused(2, "no region 'wifi'", [[parts = { mf.bytes(0x1000, "x"), mf.hole "wifi" }]])
end

function TestParts:test_blank_flash_by_address_and_by_name()
  local old = chips.chip("3.x", MB, { irom = 0xA000 })
  self:board(old)
  local flash = self:good [[parts = { mf.blank "system-param", mf.blank(0xd000, 0x1000) }]]
  lu.assertNil(flash:sub(MB - 0x3000 + 1):find("[^\xff]"))
  lu.assertNil(flash:sub(0xD001, 0xE000):find("[^\xff]"))
  lu.assertTrue(flash:sub(0xE001, MB - 0x3000) == old:sub(0xE001, MB - 0x3000))
end

-- ---- backups ----

function TestParts:test_a_bare_flash_with_bytes_and_files_of_its_own()
  local golden = chips.chip("3.x", MB, { irom = 0xA000 })
  harness.write(self.dir .. "/golden.bin", golden)
  local own = chips.chip("3.x", MB, { irom = 0x9000, seed = 5 })
  own = chips.put(own, 0xD000, "calibration of this board")
  own = chips.put(own, 0xF000, init_data.build { variant = "v08", fields = { vdd33 = 33 } })
  self:board(own)
  local flash = self:good [[parts = { mf.backup "golden.bin", mf.hole "init-data", mf.hole "rf-cal",
    mf.bytes(0x18004, "serial"), mf.spiffs "lua/" }]]
  lu.assertTrue(flash:sub(0xF001, 0x10000) == own:sub(0xF001, 0x10000))
  lu.assertTrue(flash:sub(0xD001, 0xE000) == own:sub(0xD001, 0xE000))
  lu.assertEquals(flash:sub(0x18005, 0x1800A), "serial")
  lu.assertTrue(flash:sub(0x18001, 0x18004) == golden:sub(0x18001, 0x18004))
  lu.assertTrue(flash:sub(0x1800B, 0x1A000) == golden:sub(0x1800B, 0x1A000))
  lu.assertTrue(flash:sub(0x10001, 0x18000) == golden:sub(0x10001, 0x18000))
  files_at(flash, 0x1A000)
  lu.assertTrue(flash:sub(MB - 0x3000 + 1) == golden:sub(MB - 0x3000 + 1))
end

function TestParts:test_a_backup_and_a_firmware_exclude_each_other()
  harness.write(self.dir .. "/golden.bin", ("\xff"):rep(MB))
  self:firmware "3.x"
  self:board(("\xff"):rep(MB))
  self:refused(2, "mf.firmware or mf.backup", [[parts = { mf.firmware "fw.bin", mf.backup "golden.bin" }]])
  harness.write(self.dir .. "/golden.bin", "not a flash")
  self:refused(6, "flash.lua:3:", [[parts = { mf.backup "golden.bin" }]])
end

os.exit(lu.LuaUnit.run())
