local lu = require "luaunit"
local chip_id = require "moonflash.chip_id"

TestChip = {}

function TestChip:test_magic_words_of_all_chips()
  lu.assertEquals(chip_id.by_magic(0xFFF0C101), "ESP8266")
  lu.assertEquals(chip_id.by_magic(0x00F01D83), "ESP32")
  lu.assertEquals(chip_id.by_magic(9), "ESP32-S3")
  lu.assertEquals(chip_id.by_magic(0x7211606F), "ESP32-C61")
  lu.assertNil(chip_id.by_magic(0))
  lu.assertNil(chip_id.by_magic(0xFFFFFFFF))
  local count = 0
  for _ in pairs(chip_id.magics) do count = count + 1 end
  lu.assertEquals(count, 19)
end

function TestChip:test_the_published_efuse_example()
  local c = chip_id.from_efuse(0x9C000000, 0x0200A5B6, 0x0000B000, 0x00600194)
  lu.assertEquals({ c.chip, c.mac, c.softap_mac, c.chip_id, c.esp8285, c.package_flash_bytes },
    { "ESP8266EX", "60:01:94:a5:b6:9c", "62:01:94:a5:b6:9c", 0x00A5B69C, false, nil })
  lu.assertEquals(c.mac_bytes, { 0x60, 0x01, 0x94, 0xA5, 0xB6, 0x9C })
end

function TestChip:test_makers_that_are_not_stored()
  lu.assertEquals(chip_id.from_efuse(0x9C000000, 0x0201A5B6, 0xB000, 0).mac, "ac:d0:74:a5:b6:9c")
  local c = chip_id.from_efuse(0x9C000000, 0x0200A5B6, 0xB000, 0)
  lu.assertEquals({ c.mac, c.softap_mac }, { "18:fe:34:a5:b6:9c", "1a:fe:34:a5:b6:9c" })
  -- Flash bits alone are no maker.
  lu.assertEquals(chip_id.from_efuse(0x9C000000, 0x0200A5B6, 0, 0x02000000).mac, "18:fe:34:a5:b6:9c")
end

function TestChip:test_an_unknown_maker_is_said_so()
  local c = chip_id.from_efuse(0x9C000000, 0x0205A5B6, 0xB000, 0)
  lu.assertEquals({ c.mac, c.softap_mac, c.mac_bytes }, { "unknown", "unknown", nil })
end

function TestChip:test_esp8285_variants()
  local cases = {
    { 0x10, 0, 0, "ESP8285N08", 0x100000 }, { 0x30, 0, 0, "ESP8285H08", 0x100000 },
    { 0x10, 0, 0x04000000, "ESP8285N16", 0x200000 }, { 0x30, 0, 0x04000000, "ESP8285H16", 0x200000 },
    { 0x00, 0x10000, 0x02000000, "ESP8285N16", 0x200000 },
    { 0x00, 0x10000, 0x06000000, "ESP8285", 0x400000 },
    { 0x10, 0, 0x08000000, "ESP8285", nil }, { 0x00, 0x10000, 0, "ESP8285", nil },
    { 0x00, 0, 0x02000000, "ESP8266EX", nil },
  }
  for _, case in ipairs(cases) do
    local c = chip_id.from_efuse(case[1], 0, case[2], case[3])
    lu.assertEquals({ c.chip, c.package_flash_bytes }, { case[4], case[5] })
  end
end

TestCrystal = {}

function TestCrystal:test_the_measured_divider()
  lu.assertEquals(chip_id.crystal(115200, 452), { mhz = 26, estimate_hz = 26035200 })
  lu.assertEquals(chip_id.crystal(115200, 694).mhz, 40)
  lu.assertNil(chip_id.crystal(115200, 694).warning)
end

function TestCrystal:test_upper_bits_of_the_register_do_not_count()
  lu.assertEquals(chip_id.crystal(115200, 0xFFF00000 | 452).mhz, 26)
end

function TestCrystal:test_a_far_off_estimate_warns()
  lu.assertStrContains(chip_id.crystal(115200, 500).warning, "28.8 MHz")
  lu.assertStrContains(chip_id.crystal(115200, 0).warning, "0.0 MHz")
  lu.assertEquals(chip_id.crystal(74880, 694).mhz, 26)
end

os.exit(lu.LuaUnit.run())
