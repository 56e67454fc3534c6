-- `info` on simulated chips with flash as each generation leaves it.
package.path = "tests/cmd/?.lua;tests/lua/?.lua;" .. package.path
local chips = require "nodemcu_chips"
local dkjson = require "dkjson"
local harness = require "harness"
local lu = require "luaunit"

local MB <const> = 1024 * 1024

TestInfo = {}

function TestInfo:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
end

function TestInfo:tearDown() harness.remove(self.dir) end

function TestInfo:info(bytes, ...)
  harness.write(self.flash, bytes)
  local out, err, code = harness.run("-p", "sim:" .. self.flash, "info", ...)
  lu.assertEquals(code, 0, err)
  lu.assertTrue(harness.read(self.flash) == bytes)
  return out, err
end

function TestInfo:json(bytes, ...)
  for line in self:info(bytes, "--json", ...):gmatch("[^\n]+") do
    local event = dkjson.decode(line)
    if event.event == "result" then return event end
  end
end

function TestInfo:test_every_generation_is_told_with_layout_and_files()
  for _, era in ipairs(chips.order) do
    local bytes, place = chips.chip(era, MB, { irom = 0x8000 })
    local r = self:json(bytes)
    lu.assertEquals(r.firmware.id, "nodemcu", era)
    lu.assertEquals(r.generation, ({ ["1.4"] = "0.9", ["1.5"] = "0.9", ["1.5.4.1"] = "2.x" })[era] or era)
    lu.assertEquals({ r.file_system.addr, r.file_system.files }, { place.fs.addr, 2 }, era)
    lu.assertEquals({ r.init_data.addr, r.init_data.variant }, { place.phy, chips.eras[era].init }, era)
    lu.assertEquals(r.regions[1].addr, 0)
    lu.assertEquals({ r.flash.size, r.header.size_bytes, r.chip }, { MB, MB, "ESP8266EX" })
  end
end

function TestInfo:test_people_read_it_as_lines()
  local out = self:info((chips.chip("3.x", MB, { irom = 0x8000, lfs = 0x10000 })))
  for _, needle in ipairs { "firmware     NodeMCU 3.0.0.0", "modules      file, gpio, net",
    "file system  SPIFFS at", "2 files", "LFS          at 0x018000", "partition table" } do
    lu.assertStrContains(out, needle)
  end
end

function TestInfo:test_blank_and_foreign_flash()
  lu.assertEquals(self:json(("\xff"):rep(MB)).firmware.id, "blank")
  lu.assertEquals(self:json(chips.noise(MB, 3)).firmware.id, "unknown")
  lu.assertEquals(self:json(harness.read "examples/hello/hello.bin" .. ("\xff"):rep(MB
    - #harness.read "examples/hello/hello.bin")).firmware.id, "ram")
end

function TestInfo:test_a_wrong_size_in_the_header_is_a_warning()
  local bytes = chips.chip("2.x", 512 * 1024, { irom = 0x8000 })
  local _, err = self:info(bytes .. ("\xff"):rep(512 * 1024))
  lu.assertStrContains(err, "warning: the boot header says 512KB of flash, the chip has 1 MB")
end

function TestInfo:test_the_chip_alone()
  local out = self:info((chips.chip("2.x", MB, { irom = 0x8000 })), "--chip")
  lu.assertStrContains(out, "MAC          60:01:94:a5:b6:9c")
  lu.assertNotStrContains(out, "firmware")
end

function TestInfo:test_without_the_stub_the_layout_is_told_all_the_same()
  local bytes = chips.chip("3.x", MB, { irom = 0x4000, files = false })
  local r = self:json(bytes, "--no-stub")
  lu.assertEquals({ r.generation, r.loader, r.init_data.health }, { "3.x", "ROM", "good" })
end

TestDump = {}

function TestDump:test_image_info_of_a_whole_flash_tells_all_that_is_on_it()
  local harness, boards = require "harness", require "boards"
  local dir = harness.directory()
  local path = dir .. "/backup.bin"
  harness.write(path, boards.nodemcu2(0x200000, 7))
  local out = harness.run("image", "info", path)
  harness.remove(dir)
  lu.assertStrContains(out, "contents of a whole flash of 2 MB")
  lu.assertStrContains(out, "init data")
  lu.assertStrContains(out, "system-param")
end

os.exit(lu.LuaUnit.run())
