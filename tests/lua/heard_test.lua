local lu = require "luaunit"
local heard = require "moonflash.heard"

local BANNER = "\r\n ets Jan  8 2013,rst cause:2, boot mode:(%d,6)\r\n\r\n"
local SYNC = "\xc0\0\8\x24\0\0\0\0\0\7\7\x12\x20" .. ("U"):rep(32) .. "\xc0"

local function verdict(bytes, baud, extra)
  local item = { bytes = bytes, baud = baud or 115200 }
  for k, v in pairs(extra or {}) do item[k] = v end
  local v = heard.verdict { item }
  lu.assertTrue(#v.message > 0 and #v.hint > 0)
  lu.assertNil(v.text:find("[^\x20-\x7e\n\t]"))
  lu.assertNil(v.rank)
  return v
end

TestHeard = {}

function TestHeard:test_silence()
  lu.assertEquals(heard.verdict({}).kind, "silence")
  lu.assertEquals(verdict("").kind, "silence")
end

function TestHeard:test_a_start_from_flash_blames_gpio0()
  local v = verdict(BANNER:format(3) .. "load 0x40100000, len 27440, room 16 \r\n", 74880)
  lu.assertEquals({ v.kind, v.baud, v.banner.first }, { "boot_log", 74880, 3 })
  lu.assertStrContains(v.message, "GPIO0 was not low")
  lu.assertStrContains(v.text, "ets Jan  8 2013,rst cause:2")
end

function TestHeard:test_a_loader_that_does_not_hear_us_blames_the_tx_wire()
  local v = verdict(BANNER:format(1), 74880)
  lu.assertStrContains(v.message, "does not hear us")
  lu.assertStrContains(v.hint, "TX")
end

function TestHeard:test_wrong_straps_name_the_pin()
  lu.assertStrContains(verdict(BANNER:format(7), 74880).hint, "GPIO15")
  lu.assertStrContains(verdict(BANNER:format(0), 74880).hint, "GPIO2")
end

function TestHeard:test_a_boot_loop_is_counted_and_explained()
  local v = verdict((BANNER:format(3) .. "rf_cal[0] !=0x05,is 0xFF\r\n"):rep(4), 74880)
  lu.assertEquals(v.kind, "boot_log")
  lu.assertStrContains(v.message, "over and over (4 times")
  lu.assertStrContains(v.message, "init data sector is blank")
  lu.assertEquals(v.findings[1].id, "init_data_blank")
end

function TestHeard:test_waiting_for_a_host()
  local v = verdict("waiting for host\r\n", 74880)
  lu.assertEquals(v.kind, "boot_log")
  lu.assertStrContains(v.message, "SDIO host")
end

function TestHeard:test_our_own_bytes_are_an_echo()
  lu.assertEquals(verdict(SYNC:rep(3)).kind, "echo")
  lu.assertEquals(verdict("hello loader", 9600, { sent = "hello loader" }).kind, "echo")
  lu.assertEquals(verdict("\x81\x02", 9600, { echo = true }).kind, "echo")
end

function TestHeard:test_an_echo_is_not_mixed_into_what_the_chip_said()
  local v = verdict(SYNC .. "\r\n> ")
  lu.assertEquals(v.kind, "running_app")
  lu.assertNil(v.text:find("UUUU", 1, true))
end

function TestHeard:test_an_answer_of_the_loader_is_no_echo()
  local v = verdict("\x33\xc0\1\8\2\0\7\7\x12\x20\0\0\xc0")
  lu.assertEquals(v.kind, "loader")
  lu.assertEquals(verdict("\xc0OHAI\xc0").kind, "loader")
end

function TestHeard:test_a_nodemcu_prompt_or_banner_is_a_running_program()
  lu.assertEquals(verdict("\r\n> ").kind, "running_app")
  local v = verdict("\r\nNodeMCU 2.2.0.0 build 20190805 powered by Lua 5.1.4 on SDK 2.2.1(6ab97e9)\r\n> ")
  lu.assertEquals(v.kind, "running_app")
  lu.assertStrContains(v.message, "NodeMCU 2.2.0.0")
  lu.assertStrContains(v.message, "115200 baud")
  lu.assertEquals(verdict("temperature: 21.5 C\r\ntemperature: 21.6 C\r\n", 9600).kind, "running_app")
end

function TestHeard:test_noise_is_garbage()
  local bytes = "\xf2\x8c\x9e\x80\xfe\x0e\x12\x1f\x82\x9c\x00\xe0\xf3"
  lu.assertEquals(verdict(bytes).kind, "garbage")
  lu.assertStrContains(verdict(bytes).text, "\\xf2")
end

function TestHeard:test_esp32_boards_are_named()
  local v = verdict("ets Jun  8 2016 00:22:57\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n")
  lu.assertEquals({ v.kind, v.chip }, { "other_chip", "ESP32" })
  v = verdict("ESP-ROM:esp32c3-api1-20210207\r\nBuild:Feb  7 2021\r\nrst:0x1 (POWERON),boot:0xc\r\n")
  lu.assertEquals(v.chip, "ESP32-C3")
end

function TestHeard:test_the_most_telling_rate_wins()
  local v = heard.verdict {
    { baud = 115200, bytes = "\xf2\x8c\x9e\x80\xfe\x0e\x12" },
    { baud = 74880, bytes = BANNER:format(3) }, { baud = 9600, bytes = "" } }
  lu.assertEquals({ v.kind, v.baud }, { "boot_log", 74880 })
end

function TestHeard:test_terminal_escapes_never_get_through()
  lu.assertStrContains(verdict("\27]0;evil\7 hello hello hello hello").text, "\\x1b]0;evil\\x07")
end

function TestHeard:test_random_bytes_always_get_a_verdict()
  local seed = tonumber(os.getenv "SEED") or os.time()
  print("# seed " .. seed)
  math.randomseed(seed)
  for _ = 1, 2000 do
    local t = {}
    for i = 1, math.random(0, 60) do t[i] = string.char(math.random(0, 255)) end
    verdict(table.concat(t), 115200, { sent = table.concat(t, "", 1, math.random(0, #t)) })
  end
  lu.assertTrue(#verdict(("x"):rep(100000)).text <= 600)
end

os.exit(lu.LuaUnit.run())
