local doctor = require "moonflash.doctor"
local causes = require "moonflash.doctor_causes"
local lu = require "luaunit"

local function banner(cause, mode)
  return ("\r\n ets Jan  8 2013,rst cause:%d, boot mode:(%d,6)\r\n\r\n"):format(cause, mode or 3)
end
local LOAD <const> = "load 0x40100000, len 26044, room 16 \r\ntail 12\r\nchksum 0x3a\r\n"
  .. "load 0x3ffe8000, len 60, room 12 \r\ntail 0\r\nchksum 0x52\r\ncsum 0x52\r\n"
local BOOT <const> = banner(2) .. LOAD
local NODEMCU <const> = "\r\nNodeMCU 2.2.0.0 build 20190805 powered by Lua 5.1.4 on SDK 2.2.1(6ab97e9)\r\n"
local PROMPT <const> = "lua: cannot open init.lua\r\n> "
local NOISE <const> = "\xf2\x8c\x9e\x80\xfe\x0e\x12\x1f\x82\x9c\x00\xe0\xf3\x8c\xe2\x92"
local CRASH <const> = "Fatal exception (28): \r\nepc1=0x4022a1b4, epc2=0x00000000, epc3=0x00000000,"
  .. " excvaddr=0x00000000, depc=0x00000000\r\n"

local function first(log, opts)
  return doctor.from_log(doctor.read(log), opts)[1]
end

TestTable = {}

-- Every row of the table of boot messages: log -> cause -> part of the cure.
local ROWS <const> = {
  -- boot mode and straps
  { BOOT, "silent", "flash one that speaks" },
  { banner(1, 1), "download_mode", "moonflash run" },
  { banner(2, 7) .. "waiting for host\r\n", "strap_gpio15", "GPIO15" },
  { banner(1, 5), "strap_gpio15", "ground" },
  { banner(1, 2), "strap_gpio2", "GPIO2" },
  { "waiting for host\r\n", "strap_gpio15", "GPIO15" },
  -- the ROM cannot boot
  { banner(1) .. "load 0x40100000, len 26044, room 16 \r\ntail 12\r\nchksum 0x3a\r\ncsum 0x52\r\n"
    .. "csum err\r\nets_main.c \r\n", "checksum", "--mode dio" },
  { banner(2) .. "load 0x00000000, len 0, room 16 \r\ntail 0\r\nchksum 0xef\r\ncsum 0x00\r\ncsum err\r\n"
    .. "ets_main.c \r\n", "flash_blank", "moonflash flash" },
  { banner(2) .. "load 0xffffffff, len -1, room 16 \r\n", "flash_blank", "moonflash flash" },
  { banner(2) .. "flash read err, 0x00000000\r\nets_main.c \r\n", "flash_unreadable", "--mode dout" },
  { banner(1) .. "ets_main.c \r\n", "no_image", "moonflash flash" },
  { banner(3) .. "ets_main.c \r\n", "stuck_after_reset", "power" },
  { banner(4) .. "wdt reset\r\nets_main.c \r\n", "stuck_after_reset", "power" },
  -- restarts and crashes
  { BOOT .. (banner(4) .. "wdt reset\r\n" .. LOAD):rep(3), "watchdog_loop", "--erase all" },
  { BOOT .. CRASH, "exception", "same build" },
  { BOOT .. CRASH .. (banner(4) .. LOAD .. CRASH):rep(2), "exception", "same build" },
  { banner(1):rep(3), "supply", "3.3 V" },
  { banner(2):rep(4), "reset_line", "10 kOhm" },
  { BOOT:rep(4), "restart_loop", "moonflash monitor" },
  { BOOT .. (banner(3) .. LOAD):rep(3), "restart_loop", "moonflash monitor" },
  -- the SDK's data
  { (BOOT .. "rf_cal[0] !=0x05,is 0xFF\r\n"):rep(3), "init_data_blank", "moonflash init-data write" },
  { BOOT .. "rf_cal[0] !=0x05,is 0x1A\r\n", "init_data_foreign", "flash size" },
  { BOOT .. "system param error\r\nff 12 34 56\r\n", "system_param", "moonflash erase system-param" },
  { BOOT .. "need boot 1.4+\r\n", "wrong_loader", "address 0" },
  { BOOT .. "Flash size (524288) too small to support NodeMCU\r\n", "flash_too_small", "512 KB" },
  { BOOT .. "Partition 3 invalid alignment\r\n", "partition_invalid", "moonflash flash" },
  { BOOT .. "Invalid system partition table\r\n", "partition_invalid", "moonflash flash" },
  { BOOT .. "ota1 partition error\r\n", "partition_invalid", "moonflash flash" },
  { BOOT .. "system param partition error\r\n", "partition_invalid", "moonflash flash" },
  { BOOT .. "--- The partition table size is larger than flash size 0x80000 ---\r\n", "partition_size",
    "boot header" },
  -- Lua
  { BOOT .. NODEMCU .. "PANIC: unprotected error in call to Lua API (x)\r\n", "lua_panic", "erase spiffs" },
  { BOOT .. "Flash sig not correct\r\n", "lfs_wrong", "erase lfs" },
  { BOOT .. "Flash size check failed\r\n", "lfs_wrong", "erase lfs" },
  -- what is no illness
  { BOOT .. "Formatting file system. Please wait...\r\n", "formatting", "wait" },
  { BOOT .. NODEMCU .. PROMPT, "healthy", "nothing" },
  { BOOT .. "RTC MEM CHECK FAIL!!!\r\n" .. NODEMCU .. PROMPT, "healthy", "nothing" },
  { BOOT .. "system param error, use last saved param!\r\n" .. NODEMCU .. PROMPT, "healthy", "nothing" },
  { BOOT .. "boot not set\r\nota1 not set\r\nota2 not set\r\n" .. NODEMCU .. PROMPT, "healthy", "nothing" },
  { BOOT .. "No LFS image loaded\r\n" .. NODEMCU .. PROMPT, "healthy", "nothing" },
  { BOOT .. "rf cal sector: 1019\r\nrf[112] : 00\r\n" .. NODEMCU .. PROMPT, "healthy", "nothing" },
  { BOOT .. "hello from moonflash: ESP8266 firmware\r\ncount 1\r\n", "running", "nothing" },
  { "\r\n> ", "healthy", "nothing" },
  -- what was heard
  { NOISE:rep(4), "noise", "rate" },
  { "", "nothing", "--connection" },
  { "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n", "other_chip", "right port" },
}

function TestTable:test_every_boot_message_has_its_cause_and_cure()
  for i, row in ipairs(ROWS) do
    local d = first(row[1])
    lu.assertEquals(d.id, row[2], ("row %d: %s"):format(i, row[1]))
    lu.assertStrContains(d.cure .. " " .. (d.command or ""), row[3])
  end
end

function TestTable:test_the_rows_reach_nearly_every_cause()
  local by_log, elsewhere = {}, { size_wrong = 1, init_data_old = 1, image_damaged = 1, mode_wrong = 1,
    write_protected = 1, exception_varied = 1 }
  for _, row in ipairs(ROWS) do by_log[row[2]] = true end
  for id in pairs(causes) do
    lu.assertTrue(by_log[id] or elsewhere[id] ~= nil, id .. " is in no row")
  end
end

function TestTable:test_each_log_is_diagnosed_the_same_from_a_saved_file()
  for i, row in ipairs(ROWS) do
    local stamped = row[1]:gsub("\r", ""):gsub("([^\n]+)", "[   1.234] %1")
    if not row[2]:find "noise" then
      lu.assertEquals(first(stamped).id, row[2], "row " .. i .. ": " .. stamped)
      lu.assertEquals(first((row[1]:gsub("([^\r\n]+)", "| %1"))).id, row[2], "row " .. i)
    end
  end
end

function TestTable:test_every_cause_says_what_to_do()
  for id, cause in pairs(causes) do
    lu.assertTrue(#cause.text > 0 and #cause.cure > 0, id)
    lu.assertFalse(cause.text:sub(-1) == ".", id)
    if cause.fix then lu.assertStrContains(cause.command, cause.fix[1]) end
    if cause.command and not cause.ok then lu.assertStrContains(cause.command, "moonflash ") end
  end
end

-- Only what loses nothing of the user's is run without asking.
function TestTable:test_no_fix_erases_what_belongs_to_the_user()
  for id, cause in pairs(causes) do
    local words = table.concat(cause.fix or {}, " ")
    lu.assertFalse(words:find "spiffs" or words:find "all" or words:find "lfs" or false, id)
  end
end

TestLog = {}

function TestLog:test_a_stumble_that_passed_is_no_illness()
  lu.assertEquals(first(BOOT .. CRASH .. banner(2) .. LOAD .. NODEMCU .. PROMPT).id, "healthy")
  lu.assertEquals(first(banner(4) .. "wdt reset\r\n" .. LOAD .. NODEMCU .. PROMPT).id, "healthy")
end

function TestLog:test_a_stumble_before_a_program_that_runs_is_no_illness()
  local app = "hello from the firmware\r\ncount 1\r\n"
  lu.assertEquals(first(BOOT .. CRASH .. BOOT .. app).id, "running")
  lu.assertEquals(first(banner(1) .. "csum err\r\nets_main.c \r\n" .. BOOT .. app).id, "running")
end

function TestLog:test_a_prompt_between_panics_is_no_health()
  local d = first((BOOT .. NODEMCU .. "> PANIC: unprotected error in call to Lua API (init.lua:1: x)\r\n"):rep(3)
    .. BOOT .. NODEMCU .. "> ")
  lu.assertEquals(d.id, "lua_panic")
end

function TestLog:test_the_same_crash_is_the_firmware_a_wandering_one_the_supply()
  local function at(epc) return banner(4) .. LOAD .. CRASH:gsub("4022a1b4", epc) end
  lu.assertEquals(first(at "40201111" .. at "40201111" .. at "40201111").id, "exception")
  local d = first(at "40201111" .. at "40243210" .. at "40100a00")
  lu.assertEquals({ d.id, d.confidence }, { "exception_varied", "likely" })
end

function TestLog:test_a_crash_is_explained()
  local d = first(BOOT .. CRASH)
  lu.assertStrContains(d.evidence, "exception 28")
  lu.assertStrContains(d.evidence, "0x4022a1b4 (flash at 0x02a1b4)")
  lu.assertStrContains(d.evidence, "null pointer")
end

function TestLog:test_resets_that_were_asked_for_are_no_loop()
  lu.assertEquals(first(BOOT:rep(3), { resets = 3 }).id, "silent")
  lu.assertEquals(first(BOOT:rep(6), { resets = 2 }).id, "restart_loop")
end

function TestLog:test_a_prompt_after_two_starts_of_ours_is_healthy()
  lu.assertEquals(first(BOOT .. NODEMCU .. BOOT .. NODEMCU .. PROMPT, { resets = 2 }).id, "healthy")
end

function TestLog:test_consequences_are_not_listed_beside_their_cause()
  local list = doctor.from_log(doctor.read((BOOT .. "rf_cal[0] !=0x05,is 0xFF\r\n"
    .. banner(4) .. "wdt reset\r\n"):rep(3)))
  lu.assertEquals(#list, 1)
  list = doctor.from_log(doctor.read(banner(1) .. "flash read err, 0\r\ncsum err\r\nets_main.c \r\n"))
  lu.assertEquals(#list, 1)
end

function TestLog:test_what_two_rates_leave_between_the_texts_does_no_harm()
  lu.assertEquals(first(BOOT .. NOISE .. NODEMCU .. PROMPT).id, "healthy")
  lu.assertEquals(first(BOOT .. NOISE).id, "silent")
end

function TestLog:test_notes_say_what_only_looks_bad()
  local notes = table.concat(doctor.notes(doctor.read(BOOT .. "RTC MEM CHECK FAIL!!!\r\n"
    .. "rf cal sector: 1019\r\nrf[112] : 00\r\nrf[114] : 01\r\n" .. NODEMCU .. PROMPT)), "\n")
  lu.assertStrContains(notes, "last reset: reset pin; boot mode 3")
  lu.assertStrContains(notes, "0x3fb000")
  lu.assertStrContains(notes, "4 MB")
  lu.assertStrContains(notes, "112 = 0x00, 114 = 0x01")
  lu.assertStrContains(notes, "normal after power was away")
  lu.assertStrContains(notes, "NodeMCU 2.2.0.0")
end

function TestLog:test_evidence_never_carries_control_characters()
  for _, row in ipairs(ROWS) do
    for _, d in ipairs(doctor.from_log(doctor.read("\27]0;x\7" .. row[1]:gsub("\r\n", "\27[31m\r\n")))) do
      lu.assertNil((d.evidence or ""):find("%c"))
      lu.assertTrue(#(d.evidence or "") <= 400)
    end
  end
end

function TestLog:test_numbers_that_no_rom_prints_do_no_harm()
  local huge = ("9"):rep(400)
  for _, log in ipairs { ("rst cause:%s, boot mode:(%s,%s)\r\n"):format(huge, huge, huge),
    banner(2, 3) .. "rf cal sector: " .. huge .. "\r\n> ", "rf[" .. huge .. "] : 00\r\n",
    "Exception (" .. huge .. "):\r\nepc1=0x" .. huge .. "\r\n", banner(99, 99) } do
    local read = doctor.read(log)
    lu.assertTrue(#doctor.from_log(read) >= 1)
    doctor.notes(read)
  end
end

function TestLog:test_random_logs_always_get_a_diagnosis()
  local seed = tonumber(os.getenv "SEED") or os.time()
  print("# seed " .. seed)
  math.randomseed(seed)
  for _ = 1, 1500 do
    local pieces = {}
    for i = 1, math.random(0, 6) do
      local piece = ROWS[math.random(#ROWS)][1]
      pieces[i] = piece:sub(math.random(#piece + 1), math.random(0, #piece))
        .. string.char(math.random(0, 255)):rep(math.random(0, 3))
    end
    local log = doctor.read(table.concat(pieces))
    local list = doctor.from_log(log, { resets = math.random(0, 3) })
    lu.assertTrue(#list >= 1)
    lu.assertEquals(type(doctor.notes(log)), "table")
  end
end

function TestLog:test_a_long_log_is_read_in_no_time()
  local started = os.clock()
  first((BOOT .. "rf_cal[0] !=0x05,is 0xFF\r\n" .. NOISE):rep(3000))
  first(("x"):rep(1000000))
  lu.assertTrue(os.clock() - started < 3, "took " .. os.clock() - started)
end

os.exit(lu.LuaUnit.run())
