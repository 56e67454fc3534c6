-- Upgrades of simulated chips from end to end; what is in flash afterwards is read
-- from the simulated chip's file by the test itself.
package.path = "tests/cmd/?.lua;tests/lua/?.lua;" .. package.path
local chips = require "nodemcu_chips"
local harness = require "harness"
local init_data = require "moonflash.init_data"
local lu = require "luaunit"
local spiffs = require "moonflash.spiffs"

local MB <const> = 1024 * 1024

TestUpgrade = {}

function TestUpgrade:setUp()
  self.dir = harness.directory()
  self.flash, self.file = self.dir .. "/board.flash", self.dir .. "/new.bin"
  self.backup = self.dir .. "/before.bin"
end

function TestUpgrade:tearDown() harness.remove(self.dir) end

function TestUpgrade:prepare(old, new, size, opts)
  opts = opts or {}
  opts.irom = opts.irom or 0x8000
  local bytes, place = chips.chip(old, size or MB, opts)
  harness.write(self.flash, bytes)
  harness.write(self.file, chips.firmware(new, { seed = 3, irom = 0xA000 }))
  return bytes, place
end

function TestUpgrade:run(...)
  return harness.run("-p", "sim:" .. self.flash, "upgrade", self.file, "--no-watch", ...)
end

function TestUpgrade:upgrade(...)
  local out, err, code = self:run(... or "--no-backup")
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "ok: ")
  return harness.read(self.flash), out, err
end

local function files_at(flash, addr)
  local fs = spiffs.open(flash:sub(addr + 1))
  local list = {}
  for _, file in ipairs(fs:list()) do list[#list + 1] = { name = file.name, bytes = fs:read(file.name) } end
  return list, fs.geometry
end

local function same_files(list)
  lu.assertEquals(#list, #chips.files)
  for _, want in ipairs(chips.files) do
    local found
    for _, file in ipairs(list) do found = file.name == want.name and file.bytes == want.bytes or found end
    lu.assertTrue(found, want.name)
  end
end

local function blank(flash, addr, size)
  return not flash:sub(addr + 1, addr + size):find("[^\xff]")
end

function TestUpgrade:test_0_9_to_2_x_on_512_KB()
  self:prepare("0.9", "2.x", 512 * 1024)
  local flash = self:upgrade()
  local S = 512 * 1024
  lu.assertEquals(flash:byte(4) >> 4, 0)
  lu.assertEquals(flash:sub(S - 0x4000 + 1, S - 0x4000 + 128), init_data.build())
  lu.assertTrue(blank(flash, S - 0x5000, 0x1000) and blank(flash, S - 0x3000, 0x3000))
  same_files((files_at(flash, 0x1A000)))
end

function TestUpgrade:test_0_9_to_3_x_on_4_MB_takes_the_files_along()
  self:prepare("0.9", "3.x", 4 * MB)
  local flash = self:upgrade()
  lu.assertEquals(flash:byte(4) >> 4, 4)
  lu.assertTrue(blank(flash, 0xB000, 0x5000) and blank(flash, 4 * MB - 0x4000, 0x4000))
  local list, geo = files_at(flash, 0x1A000)
  same_files(list)
  lu.assertEquals({ geo.flavour.id, geo.block, geo.size }, { "3", 8192, 0x3FC000 - 0x1A000 })
end

function TestUpgrade:test_2_x_to_3_x_leaves_the_files_untouched()
  local old, place = self:prepare("2.x", "3.x")
  local flash, out, err = self:upgrade()
  lu.assertTrue(flash:sub(place.fs.addr + 1, place.fs.addr + place.fs.size)
    == old:sub(place.fs.addr + 1, place.fs.addr + place.fs.size))
  lu.assertStrContains(err, "stays")
  lu.assertStrContains(out, "3.x")
end

function TestUpgrade:test_3_0_of_2019_to_3_x_moves_system_sectors_and_files()
  self:prepare("3.0-2019", "3.x")
  local flash = self:upgrade()
  lu.assertTrue(blank(flash, 0xB000, 0x5000) and blank(flash, MB - 0x3000, 0x3000))
  same_files((files_at(flash, 0x1A000)))
end

function TestUpgrade:test_3_x_to_3_x_keeps_store_settings_and_system_sectors()
  local old, place = self:prepare("3.x", "3.x", MB, { lfs = 0x10000, fs_addr = 0x60000, fs_size = 0x40000,
    irom = 0xC000 })
  local flash = self:upgrade()
  lu.assertTrue(flash:sub(place.lfs.addr + 1, place.lfs.addr + 0x10000)
    == old:sub(place.lfs.addr + 1, place.lfs.addr + 0x10000))
  lu.assertTrue(flash:sub(0xB001, 0x10000) == old:sub(0xB001, 0x10000))
  lu.assertTrue(flash:sub(0x60001, 0xA0000) == old:sub(0x60001, 0xA0000))
  lu.assertTrue(flash:sub(MB - 0x3000 + 1) == old:sub(MB - 0x3000 + 1))
end

function TestUpgrade:test_the_backup_is_the_chip_as_it_was_and_rollback_puts_it_back()
  local old = self:prepare("1.5.4.1", "3.x", 512 * 1024 * 2)
  local flash = self:upgrade("--backup=" .. self.backup)
  lu.assertFalse(flash == old)
  lu.assertTrue(harness.read(self.backup) == old)
  lu.assertStrMatches(harness.read(self.backup .. ".sha256"), "%x+  before%.bin\n")
  local out, err, code = harness.run("-p", "sim:" .. self.flash, "upgrade", "--rollback", self.backup)
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "as it was")
  lu.assertTrue(harness.read(self.flash) == old)
end

function TestUpgrade:test_a_dry_run_of_a_rollback_changes_nothing()
  self:prepare("2.x", "3.x")
  local flash = self:upgrade("--backup=" .. self.backup)
  local out, err, code = harness.run("-p", "sim:" .. self.flash, "upgrade", "--rollback", self.backup, "-n")
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "ok: nothing was changed")
  lu.assertStrContains(out, "write ")
  lu.assertTrue(harness.read(self.flash) == flash)
  _, err, code = harness.run("-p", "sim:" .. self.flash, "upgrade", "new.bin", "--rollback", self.backup)
  lu.assertEquals(code, 2, err)
  lu.assertTrue(harness.read(self.flash) == flash)
end

function TestUpgrade:test_a_damaged_backup_is_not_put_back()
  local old = self:prepare("2.x", "3.x")
  local flash = self:upgrade("--backup=" .. self.backup)
  harness.write(self.backup, chips.put(old, 0x20000, "x"))
  local _, err, code = harness.run("-p", "sim:" .. self.flash, "upgrade", "--rollback", self.backup)
  lu.assertEquals(code, 6, err)
  lu.assertStrContains(err, "SHA-256")
  lu.assertTrue(harness.read(self.flash) == flash)
end

function TestUpgrade:test_a_backup_of_another_size_is_not_put_back()
  local old = self:prepare("2.x", "3.x")
  harness.write(self.backup, old:sub(1, MB // 2))
  local _, err, code = harness.run("-p", "sim:" .. self.flash, "upgrade", "--rollback", self.backup)
  lu.assertEquals(code, 6, err)
  lu.assertTrue(harness.read(self.flash) == old)
end

function TestUpgrade:test_a_dry_run_changes_nothing_and_makes_no_backup()
  local old = self:prepare("0.9", "2.x")
  local out, err, code = self:run("--dry-run", "--backup", self.backup)
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "nothing was changed")
  lu.assertStrContains(err, "init data v05 goes to 0x0fc000")
  lu.assertTrue(harness.read(self.flash) == old)
  lu.assertNil(io.open(self.backup, "rb"))
end

function TestUpgrade:test_going_back_is_refused_and_leaves_the_chip_alone()
  local old = self:prepare("3.x", "2.x")
  local _, err, code = self:run("--no-backup")
  lu.assertEquals(code, 7, err)
  lu.assertStrContains(err, "--force")
  lu.assertTrue(harness.read(self.flash) == old)
  _, err, code = self:run("--no-backup", "--force")
  lu.assertEquals(code, 0, err)
  same_files((files_at(harness.read(self.flash), 0x30000)))
end

function TestUpgrade:test_files_that_cannot_stay_are_kept_from_harm()
  local old = self:prepare("3.x", "3.x")
  local _, err, code = self:run("--no-backup", "--fs", "keep")
  lu.assertEquals(code, 7, err)
  lu.assertStrContains(err, "--fs move")
  lu.assertTrue(harness.read(self.flash) == old)
end

function TestUpgrade:test_a_second_run_writes_nothing()
  self:prepare("2.x", "3.x")
  local first = self:upgrade()
  local second, out = self:upgrade()
  lu.assertTrue(first == second)
  lu.assertStrContains(out, " 0 sectors written")
end

function TestUpgrade:test_json_tells_the_plan()
  self:prepare("2.x", "3.x")
  local out, err, code = self:run("--no-backup", "--json")
  lu.assertEquals(code, 0, err)
  local dkjson, result = require "dkjson", nil
  for line in out:gmatch("[^\n]+") do
    local event = dkjson.decode(line)
    lu.assertNotNil(event, line)
    if event.event == "result" then result = event end
  end
  lu.assertEquals({ result.plan.from, result.plan.to, result.plan.file_system.action, result.verified },
    { "2.x", "3.x", "keep", true })
end

function TestUpgrade:test_a_power_cut_never_leaves_half_a_firmware_that_boots()
  local old = self:prepare("2.x", "3.x")
  for _, n in ipairs { 1, 12 } do
    harness.write(self.flash, old)
    local _, err, code = harness.run("-p", ("sim:%s?cut=%d"):format(self.flash, n), "upgrade", self.file,
      "--no-watch", "--no-backup")
    lu.assertEquals(code, 8, ("cut %d: %s"):format(n, err))
    local cut = harness.read(self.flash)
    if cut ~= old then lu.assertNotEquals(cut:sub(1, 16), old:sub(1, 16), "cut " .. n) end
    local _, e, c = self:run("--no-backup", "--fs", "move")
    lu.assertEquals(c, 0, e)
    same_files((files_at(harness.read(self.flash), 0x30000)))
  end
end

os.exit(lu.LuaUnit.run())
