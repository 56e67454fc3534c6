local lu = require "luaunit"
local init_data = require "moonflash.init_data"

local function hex(s)
  return (s:gsub("%s+", ""):gsub("..", function(h) return string.char(tonumber(h, 16)) end))
end

local V05 = hex [[05000402050505020500040505040505 04FEFDFFF0F0F0E0E0E0E10AFFFFF800
F8F8524E4A4440380000010102030405 01000000000002000000000000000000
E10A0000000000000000019343000000 00000000000000000000000000000000
00000000000000000000000000000000 00000100000000000000000000000000]]
local V08 = hex [[05080402050505020500040505040505 04FEFDFFF0F0F0E0E0E0E10AFFFFF800
F8F84E4A46403C380000010102030405 01000000000002000000000000000000
E10A0000000000000000019343000000 00000000000000000000000000000000
00000000000000000000000000000000 00000100000000000000000000000000]]

TestBuild = {}

function TestBuild:test_the_published_files()
  lu.assertEquals(init_data.build(), V05)
  lu.assertEquals(init_data.build { variant = "v08" }, V08)
  lu.assertEquals(init_data.build { variant = "i0" }, V05:sub(1, 114) .. "\0" .. V05:sub(116))
  lu.assertEquals(#V05, init_data.SIZE)
end

function TestBuild:test_every_variant_is_different_and_valid()
  local seen = {}
  for _, v in ipairs(init_data.variants) do
    local bytes = init_data.build { variant = v.id }
    lu.assertEquals({ #bytes, bytes:byte(1) }, { 128, 5 })
    lu.assertNil(seen[bytes], v.id)
    seen[bytes] = v.id
  end
  lu.assertEquals(init_data.build({ variant = "arduino" }):byte(108), 33)
  lu.assertEquals({ init_data.build({ variant = "i2" }):byte(113, 115) }, { 3, 0, 2 })
end

function TestBuild:test_fields_are_set_by_name()
  local bytes = init_data.build { fields = { vdd33 = 255, crystal = 0, freq_offset = -2,
    target_power = { 60, 60, 60, 60, 60, 60 } } }
  lu.assertEquals({ bytes:byte(108), bytes:byte(49), bytes:byte(114), bytes:byte(35), bytes:byte(40) },
    { 255, 0, 254, 60, 60 })
  lu.assertEquals(bytes:sub(1, 34), V05:sub(1, 34))
end

function TestBuild:test_a_chips_own_block_can_be_the_base()
  local base = init_data.build { variant = "v08", fields = { vdd33 = 33 } }
  lu.assertEquals(init_data.build { base = base, fields = { vdd33 = 0 } }, V08)
  lu.assertErrorMsgContains("128 bytes, not 5", init_data.build, { base = "abcde" })
end

function TestBuild:test_bad_names_and_values_are_refused()
  for _, request in ipairs { { variant = "v99" }, { fields = { nonsense = 1 } },
    { fields = { crystal = 3 } }, { fields = { vdd33 = 256 } }, { fields = { vdd33 = -1 } },
    { fields = { check = 0 } }, { fields = { target_power = 60 } }, { fields = { vdd33 = 1.5 } },
    { fields = { target_power = { 1, 2, 3 } } }, { fields = { freq_offset = 128 } } } do
    local ok, err = pcall(init_data.build, request)
    lu.assertFalse(ok)
    lu.assertEquals(err.code, "usage")
  end
end

function TestBuild:test_decode_reads_back_what_build_was_given()
  local fields = { vdd33 = 20, freq_offset = -100, power_index = { 5, 4, 3, 2, 1, 0, 0, 0 }, sdio = 2 }
  local values = init_data.decode(init_data.build { variant = "v08", fields = fields })
  for name, value in pairs(fields) do lu.assertEquals(values[name], value) end
  lu.assertEquals(values.target_power, { 78, 74, 70, 64, 60, 56 })
  lu.assertErrorMsgContains("not 3", init_data.decode, "abc")
end

TestClassify = {}

function TestClassify:test_every_variant_is_known_again()
  for _, v in ipairs(init_data.variants) do
    local c = init_data.classify(init_data.build { variant = v.id } .. ("\xff"):rep(3968))
    lu.assertEquals({ c.variant.id, c.exact, c.health }, { v.id, true, v.old and "old" or "good" })
  end
end

function TestClassify:test_a_changed_supply_or_crystal_byte_is_still_that_variant()
  local c = init_data.classify(init_data.build { variant = "v05", fields = { vdd33 = 255, crystal = 0 } })
  lu.assertEquals({ c.variant.id, c.exact, c.vdd33, c.crystal }, { "v05", false, 255, 0 })
end

function TestClassify:test_other_changes_are_custom()
  local c = init_data.classify(init_data.build { fields = { target_power = { 1, 1, 1, 1, 1, 1 } } })
  lu.assertEquals({ c.health, c.variant }, { "custom", nil })
end

function TestClassify:test_blank_and_foreign_sectors()
  lu.assertEquals(init_data.classify(("\xff"):rep(4096)).health, "blank")
  lu.assertEquals(init_data.classify(("\0"):rep(128)).health, "foreign")
  lu.assertStrContains(init_data.classify(("A"):rep(128)).text, "0x41")
  lu.assertEquals(init_data.classify("").health, "foreign")
end

TestFind = {}

function TestFind:test_copies_inside_a_firmware_are_found()
  local bytes = ("x"):rep(100) .. V05 .. ("y"):rep(50) .. V08 .. V05:sub(1, 60)
  lu.assertEquals(init_data.find(bytes), { 100, 278 })
  lu.assertEquals(init_data.find "", {})
end

os.exit(lu.LuaUnit.run())
