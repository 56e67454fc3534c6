local boot_watch = require "moonflash.boot_watch"
local lu = require "luaunit"

local ROM <const> = "\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\n"
  .. "load 0x40100000, len 26044, room 16 \r\ntail 12\r\nchksum 0x3a\r\n"
  .. "ho 0 tail 12 room 4\r\nload 0x3ffe8000, len 60, room 12 \r\ntail 0\r\nchksum 0x52\r\ncsum 0x52\r\n"
local BANNER <const> = "\r\nNodeMCU 2.2.0.0 build 20190805 powered by Lua 5.1.4 on SDK 2.2.1(6ab97e9)\r\n"
local PROMPT <const> = "lua: cannot open init.lua\r\n> "

local function state(...) return boot_watch.judge(table.concat { ... }).state end

TestJudge = {}

function TestJudge:test_the_prompt_is_success_and_names_the_firmware()
  local v = boot_watch.judge(ROM .. "\x8c\xe2\x12" .. BANNER .. PROMPT)
  lu.assertEquals({ v.state, v.final, v.restarts }, { "prompt", true, 1 })
  lu.assertStrContains(v.nodemcu, "NodeMCU 2.2.0.0")
end

function TestJudge:test_a_program_that_speaks_is_running()
  lu.assertEquals(state(ROM, "\r\nhello from moonflash: ESP8266 firmware\r\ncount 1\r\n"), "running")
end

function TestJudge:test_the_rom_alone_is_loading_and_nothing_is_silence()
  lu.assertEquals(state(ROM), "loading")
  lu.assertEquals(state(ROM, "\xf0\x80\x91\xff\x00\x12\x80\xaa\xbb\xcc\xdd\xee\x99"), "loading")
  lu.assertEquals(state(""), "silent")
  lu.assertEquals(state("\xf0\x80\x91\xff\x00\x12"), "noise")
end

function TestJudge:test_known_complaints_are_bad_at_once()
  for line, id in pairs {
    ["rf_cal[0] !=0x05,is 0xFF\r\n"] = "init_data_blank",
    ["Invalid system partition table\r\n"] = "partition_invalid",
    ["Flash size (524288) too small to support NodeMCU\r\n"] = "flash_too_small",
    ["PANIC: unprotected error in call to Lua API (x)\r\n"] = "lua_panic" } do
    local v = boot_watch.judge(ROM .. line)
    lu.assertEquals({ v.state, v.finding, v.final }, { "bad", id, true }, line)
    lu.assertNotNil(v.hint)
  end
end

function TestJudge:test_a_prompt_after_a_complaint_still_counts()
  lu.assertEquals(state(ROM, "wdt reset\r\n", ROM, BANNER, PROMPT), "prompt")
end

function TestJudge:test_one_stumble_is_waited_out_two_are_not()
  lu.assertEquals(state(ROM, "Fatal exception (0): \r\n"), "loading")
  local v = boot_watch.judge((ROM .. "Fatal exception (0): \r\n"):rep(2))
  lu.assertEquals({ v.state, v.finding }, { "bad", "exception" })
  lu.assertEquals(state((" ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\ncsum err\r\nets_main.c \r\n"):rep(2)), "bad")
end

function TestJudge:test_a_loop_of_silent_restarts_is_bad()
  lu.assertEquals(state(ROM:rep(3)), "loading")
  lu.assertEquals(state(ROM:rep(5)), "bad")
end

function TestJudge:test_the_serial_loader_is_not_a_start()
  lu.assertEquals(state(" ets Jan  8 2013,rst cause:2, boot mode:(1,6)\r\n"), "bad")
end

function TestJudge:test_formatting_is_waited_for()
  lu.assertEquals(state(ROM, "Formatting file system. Please wait...\r\n"), "formatting")
  lu.assertEquals(state(ROM, "Formatting file system. Please wait...\r\n", BANNER, PROMPT), "prompt")
end

TestEnough = {}

function TestEnough:test_a_prompt_ends_the_wait_and_time_does()
  lu.assertTrue(boot_watch.enough(ROM .. BANNER .. PROMPT, 0.5, 10))
  lu.assertFalse(boot_watch.enough(ROM, 9.9, 10) or false)
  lu.assertTrue(boot_watch.enough(ROM, 10, 10))
end

function TestEnough:test_where_no_prompt_is_to_come_text_will_do()
  local log = ROM .. "\r\nhello from a program\r\n"
  lu.assertFalse(boot_watch.enough(log, 1, 10))
  lu.assertTrue(boot_watch.enough(log, 1, 10, "text"))
end

function TestEnough:test_formatting_extends_the_time()
  local log = ROM .. "Formatting file system. Please wait...\r\n"
  lu.assertFalse(boot_watch.enough(log, 60, 10))
  lu.assertTrue(boot_watch.enough(log, 90, 10))
end

-- A console that is heard in small pieces, as they come from a port.
function TestEnough:test_a_log_heard_byte_by_byte_ends_with_its_prompt()
  local log, heard = ROM .. BANNER .. PROMPT .. "more that nobody waits for", ""
  for i = 1, #log do
    heard = log:sub(1, i)
    if boot_watch.enough(heard, i / 1000, 10) then break end
  end
  lu.assertEquals(heard, ROM .. BANNER .. PROMPT)
end

TestBaud = {}

function TestBaud:test_old_builds_speak_at_9600()
  lu.assertEquals(boot_watch.baud("0.9", "0.9.5"), 9600)
  lu.assertEquals(boot_watch.baud("0.9", "1.5.1"), 115200)
  lu.assertEquals(boot_watch.baud("2.x"), 115200)
  lu.assertEquals(boot_watch.baud(nil), 115200)
end

os.exit(lu.LuaUnit.run())
