local lu = require "luaunit"
local chips = require "moonflash.flash_chips"

local MB = 1024 * 1024

TestIdentify = {}

function TestIdentify:test_common_parts()
  for id, expected in pairs {
    [0x1640EF] = { "Winbond", "W25Q32", 4 * MB }, [0x1440C8] = { "GigaDevice", "GD25Q80", MB },
    [0x1340EF] = { "Winbond", "W25Q40", MB // 2 }, [0x1640E0] = { "BergMicro", "BG25Q32", 4 * MB },
    [0x146085] = { "Puya", "P25Q80H", MB }, [0x154068] = { "Boya", "BY25Q16", 2 * MB },
    [0x164020] = { "XMC", "XM25QH32", 4 * MB }, [0x18BA20] = { "Micron", "N25Q128", 16 * MB },
    [0x16605E] = { "Zbit", "ZB25VQ32", 4 * MB }, [0x3425C2] = { "Macronix", "MX25U8032E", MB },
    [0x3825C2] = { "Macronix", "MX25U12835F", 16 * MB }, [0x1240C8] = { "GigaDevice", "GD25Q20", MB // 4 },
    [0x15311C] = { "Eon", "EN25F", 2 * MB }, [0x1728C2] = { "Macronix", "MX25R6435F", 8 * MB },
  } do
    local info = chips.identify(id)
    lu.assertEquals({ info.manufacturer, info.part, info.size_bytes }, expected)
    lu.assertTrue(info.known and info.size_known)
  end
end

function TestIdentify:test_parts_that_break_the_size_rule()
  lu.assertEquals(chips.identify(0x45149D).size_bytes, 2 * MB)
  lu.assertEquals(chips.identify(0x01851F).size_bytes, MB)
  lu.assertEquals(chips.identify(0x01871F).size_bytes, 4 * MB)
  local odd = chips.identify(0x16FF1F)
  lu.assertFalse(odd.size_known)
end

function TestIdentify:test_an_unknown_part_still_has_a_size()
  local info = chips.identify(0x164242)
  lu.assertEquals({ info.known, info.size_known, info.size_bytes, info.manufacturer, info.part, info.name },
    { false, true, 4 * MB, nil, nil, "maker 0x42 0x4216" })
  info = chips.identify(0x7740EF)
  lu.assertEquals({ info.size_known, info.size_bytes, info.note },
    { false, 4 * MB, "unknown size, 4 MB assumed" })
end

function TestIdentify:test_bits_above_24_are_ignored()
  lu.assertEquals(chips.identify(0xAB1640EF), chips.identify(0x1640EF))
  lu.assertEquals(chips.identify(0x1640EF).device_id, 0x4016)
end

function TestIdentify:test_only_16_MB_are_usable()
  lu.assertEquals(chips.identify(0x1940EF).usable_bytes, 16 * MB)
  lu.assertEquals(chips.identify(0x1940EF).size_bytes, 32 * MB)
end

function TestIdentify:test_impossible_ids_are_explained()
  for _, id in ipairs { 0, 0xFFFFFF, 0x164000, 0x1640FF, 0x555555, 0xFF000000 } do
    local info, why = chips.identify(id)
    lu.assertNil(info)
    lu.assertTrue(#why > 10)
  end
end

TestSize = {}

function TestSize:test_capacity_bytes()
  for byte, size in pairs { [0x12] = MB // 4, [0x13] = MB // 2, [0x14] = MB, [0x15] = 2 * MB,
    [0x16] = 4 * MB, [0x17] = 8 * MB, [0x18] = 16 * MB, [0x19] = 32 * MB, [0x1A] = 64 * MB,
    [0x20] = 64 * MB, [0x3A] = 64 * MB, [0x1B] = 128 * MB, [0x21] = 128 * MB, [0x1C] = 256 * MB,
    [0x22] = 256 * MB, [0x32] = MB // 4, [0x36] = 4 * MB, [0x39] = 32 * MB, [0x10] = 65536,
    [0x11] = 131072 } do
    lu.assertEquals(chips.size_by_capacity(byte), size, byte)
  end
  for _, byte in ipairs { 0, 0x0F, 0x1D, 0x23, 0x31, 0x3B, 0xFF } do
    lu.assertNil(chips.size_by_capacity(byte))
  end
end

TestTables = {}

function TestTables:test_every_row_is_complete_and_none_hides_another()
  local seen = {}
  for _, row in ipairs(chips.parts) do
    lu.assertNotNil(row.maker or chips.manufacturers[row[1]])
    local names = select(2, row.part:gsub("%S+", ""))
    lu.assertTrue(names == 1 or names == row[4] - row[3] + 1, row.part)
    for capacity = row[3], row[4] do
      local id = row[1] | row[2] << 8 | capacity << 16
      lu.assertNil(seen[id], row.part)
      seen[id] = true
      local info = chips.identify(id)
      lu.assertTrue(info.known and info.size_known, row.part)
    end
  end
end

function TestTables:test_quad_rules()
  lu.assertEquals({ chips.quad_rule(0x1620C2).register, chips.quad_rule(0x1620C2).bit }, { 1, 6 })
  lu.assertFalse(chips.quad_rule(0x1620C2).rom_keeps)
  lu.assertEquals(chips.quad_rule(0x1640EF).write, "01-2")
  lu.assertEquals(chips.quad_rule(0x1640C8).write, "31")
  lu.assertEquals(chips.quad_rule(0x1660C8).write, "01-2")
  lu.assertEquals(chips.quad_rule(0x16BA20).quad, true)
  lu.assertEquals(chips.quad_rule(0x16301C).quad, false)
  lu.assertNil(chips.quad_rule(0x164242))
  for _, row in ipairs(chips.quad_rules) do
    lu.assertTrue(row.write == "none" and row.quad ~= nil or row.register and row.bit ~= nil)
  end
end

function TestTables:test_timings_stay_below_the_limits()
  for _, row in pairs(chips.timings) do
    lu.assertTrue(row.page < chips.limits.page and row.sector < chips.limits.sector
      and row.block64 < chips.limits.block64 and row.chip_per_mb < chips.limits.chip_per_mb)
  end
  lu.assertIs(chips.timing(), chips.timings.default)
  lu.assertIs(chips.timing(0x146085), chips.timings[0x85])
end

os.exit(lu.LuaUnit.run())
