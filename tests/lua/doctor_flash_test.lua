package.path = "tests/lua/?.lua;" .. package.path
local chips = require "nodemcu_chips"
local doctor = require "moonflash.doctor"
local doctor_flash = require "moonflash.doctor_flash"
local flash_chips = require "moonflash.flash_chips"
local identify = require "moonflash.identify"
local image = require "moonflash.image"
local init_data = require "moonflash.init_data"
local lu = require "luaunit"

local MB <const> = 0x100000
local BOOT <const> = "\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\nload 0x40100000, len 8192, room 16 \r\n"
  .. "tail 0\r\nchksum 0x3a\r\ncsum 0x3a\r\n"
local WINBOND <const> = 0x1640EF

-- What the doctor would have read of a chip with these contents.
local function look_at(flash, extra)
  local l = { size = #flash, chip = "ESP8266EX", facts = identify.backup(flash), protected = false,
    quad = flash_chips.quad_rule(WINBOND), boot = flash:byte(1) == 0xE9 and image.parse(flash:sub(1, 0x10000)) or nil }
  local health = init_data.classify(flash:sub(#flash - 0x3FFF, #flash - 0x3F00)).health
  l.init_at_end = health ~= "blank" and health ~= "foreign"
  for k, v in pairs(extra or {}) do l[k] = v end
  return l
end

local function both(log, flash, extra)
  return doctor_flash.combine(doctor.from_log(doctor.read(log)), look_at(flash, extra))
end

local function ids(list)
  local out = {}
  for i, d in ipairs(list) do out[i] = d.id end
  return out
end

TestExamine = {}

-- No firmware that is as it should be is called ill.
function TestExamine:test_every_healthy_generation_and_size_passes()
  local seen = 0
  for _, era in ipairs(chips.order) do
    for _, size in ipairs { MB, 4 * MB, 16 * MB } do
      local flash = chips.chip(era, size, { files = false })
      lu.assertEquals(ids(doctor_flash.examine(look_at(flash))), {}, era .. " " .. size)
      seen = seen + 1
    end
  end
  lu.assertTrue(seen >= 21)
end

function TestExamine:test_blank_foreign_and_damaged_flash()
  lu.assertEquals(ids(doctor_flash.examine(look_at(("\xff"):rep(MB)))), { "flash_blank" })
  lu.assertEquals(ids(doctor_flash.examine(look_at(("\x12"):rep(MB)))), { "no_image" })
  local flash = chips.chip("2.x", MB, { files = false })
  local list = doctor_flash.examine(look_at(chips.put(flash, 0x100, "\x5a\xa5\x01")))
  lu.assertEquals({ list[1].id, list[1].confidence }, { "image_damaged", "certain" })
end

function TestExamine:test_old_init_data_under_newer_firmware()
  for _, era in ipairs { "1.5.4.1", "2.x", "3.x" } do
    local flash, place = chips.chip(era, 4 * MB, { files = false })
    local list = doctor_flash.examine(look_at(chips.put(flash, place.phy, init_data.build { variant = "i0" })))
    lu.assertEquals(ids(list), { "init_data_old" }, era)
  end
  local flash, place = chips.chip("0.9", 4 * MB, { files = false })
  lu.assertEquals(doctor_flash.examine(look_at(chips.put(flash, place.phy, init_data.build { variant = "i0" }))), {})
end

function TestExamine:test_foreign_bytes_where_init_data_belongs()
  local flash, place = chips.chip("2.x", 4 * MB, { files = false })
  local list = doctor_flash.examine(look_at(chips.put(flash, place.phy, ("\x33"):rep(128))))
  lu.assertEquals(ids(list), { "init_data_foreign" })
  lu.assertStrContains(list[1].evidence, "0x3fc000")
end

function TestExamine:test_a_header_that_names_more_flash_than_there_is()
  local flash = chips.chip("2.x", MB, { files = false })
  local list = doctor_flash.examine(look_at(chips.put(flash, 3, "\x40")))
  lu.assertEquals(list[1].id, "size_wrong")
  lu.assertEquals(list[1].header, { size = MB })
end

function TestExamine:test_nodemcu_3_with_a_header_below_one_megabyte()
  local flash = chips.chip("3.x", 4 * MB, { files = false })
  local list = doctor_flash.examine(look_at(chips.put(flash, 3, "\0")))
  lu.assertEquals(list[1].id, "flash_too_small")
  lu.assertEquals(list[1].header, { size = 4 * MB })
end

function TestExamine:test_a_partition_table_that_contradicts_itself()
  local flash = chips.chip("3.x", 4 * MB, { files = false })
  local first = ("<I4I4"):pack(4, 0xD000)
  local at = flash:find(first, 0x10065, true)
  lu.assertNotNil(at)
  local list = doctor_flash.examine(look_at(chips.put(flash, at + 3, ("<I4"):pack(0xD123))))
  lu.assertEquals(list[1].id, "partition_invalid")
  lu.assertStrContains(list[1].evidence, "0x00d123")
end

function TestExamine:test_modes_that_cannot_work()
  local flash = chips.chip("2.x", 4 * MB, { files = false })
  local list = doctor_flash.examine(look_at(flash, { chip = "ESP8285H16" }))
  lu.assertEquals({ list[1].id, list[1].header.mode }, { "mode_wrong", "dout" })
  list = doctor_flash.examine(look_at(chips.put(flash, 2, "\0"), { quad = false }))
  lu.assertEquals({ list[1].id, list[1].header.mode }, { "mode_wrong", "dio" })
end

function TestExamine:test_write_protection()
  local flash = chips.chip("2.x", 4 * MB, { files = false })
  lu.assertEquals(ids(doctor_flash.examine(look_at(flash, { protected = true }))), { "write_protected" })
end

TestCombine = {}

function TestCombine:test_a_healthy_board_stays_so_whatever_lies_idle_in_flash()
  local flash, place = chips.chip("2.x", 4 * MB, { files = false })
  local list = both(BOOT .. "\r\n> ", chips.put(flash, place.phy, init_data.build { variant = "i0" }), { protected = true })
  lu.assertEquals(ids(list), { "healthy", "write_protected" })
end

function TestCombine:test_what_the_rom_refuses_is_told_apart_by_flash()
  local log = BOOT:gsub("csum 0x3a", "csum 0x77") .. "csum err\r\nets_main.c \r\n"
  local flash = chips.chip("2.x", 4 * MB, { files = false })
  local list = both(log, flash)
  lu.assertEquals({ list[1].id, list[1].confidence, list[1].header.mode }, { "mode_wrong", "likely", "dout" })
  list = both(log, chips.put(flash, 2, "\0"), { quad = false })
  lu.assertEquals({ list[1].id, list[1].confidence, list[1].header.mode }, { "mode_wrong", "certain", "dio" })
  list = both(log, chips.put(flash, 2, "\3"))
  lu.assertEquals({ list[1].id, list[1].header }, { "flash_unreadable", nil })
  lu.assertEquals(both(log, chips.put(flash, 0x100, "\x5a\xa5\x01"))[1].id, "image_damaged")
  lu.assertEquals(both(log, ("\xff"):rep(MB))[1].id, "flash_blank")
end

function TestCombine:test_rf_cal_is_a_wrong_size_when_init_data_lies_at_the_real_end()
  local flash = chips.put((chips.chip("2.x", 4 * MB, { files = false })), 3, "\x20")
  local list = both(BOOT .. "rf_cal[0] !=0x05,is 0xFF\r\n", flash)
  lu.assertEquals({ list[1].id, list[1].header.size }, { "size_wrong", 4 * MB })
end

function TestCombine:test_rf_cal_is_blank_init_data_otherwise()
  local flash, place = chips.chip("2.x", 4 * MB, { files = false })
  local list = both(BOOT .. "rf_cal[0] !=0x05,is 0xFF\r\n", chips.put(flash, place.phy, ("\xff"):rep(128)))
  lu.assertEquals({ list[1].id, list[1].confidence }, { "init_data_blank", "certain" })
  lu.assertStrContains(list[1].evidence, "0x3fc000")
end

function TestCombine:test_foreign_parameters_with_a_wrong_size_are_a_wrong_size()
  local flash = chips.chip("2.x", 4 * MB, { files = false })
  local log = BOOT .. "system param error\r\nff 00\r\n"
  lu.assertEquals(both(log, flash)[1].id, "system_param")
  lu.assertEquals(both(log, chips.put(flash, 3, "\x20"))[1].id, "size_wrong")
end

function TestCombine:test_old_init_data_explains_silence()
  local flash, place = chips.chip("2.x", 4 * MB, { files = false })
  local list = both(BOOT, chips.put(flash, place.phy, init_data.build { variant = "i0" }))
  lu.assertEquals(ids(list), { "init_data_old", "silent" })
end

function TestCombine:test_a_silent_chip_whose_flash_can_be_read_waits_in_its_loader()
  local flash = chips.chip("2.x", 4 * MB, { files = false })
  lu.assertEquals(both("", flash)[1].id, "download_mode")
  lu.assertEquals(both("", ("\xff"):rep(MB))[1].id, "flash_blank")
end

function TestCombine:test_a_chip_of_512_kb_gets_no_header_but_another_firmware()
  local flash = chips.chip("2.x", 0x80000, { files = false })
  local list = both(BOOT .. "Flash size (524288) too small to support NodeMCU\r\n", flash)
  lu.assertEquals({ list[1].id, list[1].header }, { "flash_too_small", nil })
  lu.assertStrContains(list[1].cure, "2.2")
end

function TestCombine:test_any_log_with_any_flash_gives_a_list()
  local seed = tonumber(os.getenv "SEED") or os.time()
  print("# seed " .. seed)
  math.randomseed(seed)
  local base = chips.chip("3.x", MB, { files = false })
  local logs = { "", BOOT, BOOT .. "rf_cal[0] !=0x05,is 0x00\r\n", BOOT .. "csum err\r\nets_main.c ", "\r\n> ",
    BOOT .. "system param error\r\n", BOOT .. "Flash size (1) too small to support NodeMCU" }
  for _ = 1, 60 do
    local flash = base
    for _ = 1, math.random(1, 4) do
      local at = ({ 0, 2, 0x10000, 0x10064, 0xF000, MB - 0x4000 })[math.random(6)] + math.random(0, 8)
      flash = chips.put(flash, at, string.char(math.random(0, 255)):rep(math.random(1, 8)))
    end
    local list = both(logs[math.random(#logs)], flash)
    lu.assertTrue(#list >= 1)
    for _, d in ipairs(list) do lu.assertNil((d.evidence or ""):find("%c")) end
  end
end

os.exit(lu.LuaUnit.run())
