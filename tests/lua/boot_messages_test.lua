local lu = require "luaunit"
local messages = require "moonflash.boot_messages"

TestBanner = {}

function TestBanner:test_the_roms_own_bytes()
  local b = messages.banner "\r\n ets Jan  8 2013,rst cause:2, boot mode:(1,6)\r\n\r\n"
  lu.assertEquals({ b.cause, b.cause_text, b.first, b.second, b.count, b.mode.loader },
    { 2, "reset pin", 1, 6, 1, true })
end

function TestBanner:test_the_last_of_many_counts()
  local b = messages.banner(("ets Jan  8 2013,rst cause:4, boot mode:(3,6)\r\nwdt reset\r\n"):rep(3)
    .. " ets Jan  8 2013,rst cause:1, boot mode:(7,7)\r\n")
  lu.assertEquals({ b.count, b.cause, b.first }, { 4, 1, 7 })
  lu.assertStrContains(b.mode.hint, "GPIO15")
end

function TestBanner:test_no_banner()
  lu.assertNil(messages.banner "")
  lu.assertNil(messages.banner "rst cause:2")
  lu.assertEquals(messages.banner("rst cause:9, boot mode:(9,9)").mode.text, "unknown")
end

TestFind = {}

function TestFind:test_known_messages()
  for line, id in pairs {
    ["rf_cal[0] !=0x05,is 0xFF"] = "init_data_blank", ["rf_cal[0] !=0x05,is 0x1A"] = "init_data_foreign",
    ["csum err\r\nets_main.c "] = "checksum", ["ets_main.c "] = "no_image",
    ["flash read err, 0"] = "flash_read", ["load 0xffffffff, len -1, room 16"] = "flash_blank",
    ["Fatal exception (0): "] = "exception", ["wdt reset"] = "watchdog",
    ["Flash size (524288) too small to support NodeMCU"] = "flash_too_small",
    ["system param error\r\nff 12"] = "system_param", ["waiting for host"] = "waiting_for_host",
    ["lua: cannot open init.lua"] = "no_init_lua", ["Partition 3 invalid alignment"] = "partition_alignment",
  } do
    lu.assertEquals(messages.find(line)[1].id, id, line)
  end
  lu.assertEquals(messages.find "boot not set\r\nota1 not set\r\n", {})
end

function TestFind:test_a_blank_sector_is_not_reported_twice_over()
  local found = messages.find "rf_cal[0] !=0x05,is 0xFF\r\nload 0x00000000, len 0 load 0xffffffff"
  local ids = {}
  for _, row in ipairs(found) do
    lu.assertNil(ids[row.id])
    ids[row.id] = true
  end
  lu.assertEquals(found[1].id, "init_data_blank")
end

function TestFind:test_every_bad_message_has_a_cure()
  for _, row in ipairs(messages.messages) do
    lu.assertTrue(#row.text > 0)
    if row.bad then lu.assertTrue(#row.hint > 0, row.id) end
  end
end

os.exit(lu.LuaUnit.run())
