-- `moonflash doctor` on boards that are ill in a known way: simulated chips with
-- contents that a test made, up to what the doctor says and what its cure leaves.
package.path = "tests/cmd/?.lua;" .. package.path
local boards = require "boards"
local harness = require "harness"
local image = require "moonflash.image"
local init_data = require "moonflash.init_data"
local lu = require "luaunit"
local sick = require "sick_boards"

local MB <const> = 0x100000
local NODEMCU <const> = "\r\nNodeMCU 2.2.0.0 build 20190805 powered by Lua 5.1.4 on SDK 2.2.1(6ab97e9)\r\n"

TestDoctor = {}

function TestDoctor:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
end

function TestDoctor:tearDown() harness.remove(self.dir) end

function TestDoctor:board(bytes, size)
  harness.write(self.flash, bytes .. ("\xff"):rep((size or 4 * MB) - #bytes))
end

-- Runs the doctor; returns the first diagnosis, all of the result, stdout.
function TestDoctor:diagnose(query, ...)
  local out = boards.good("--json", "-p", "sim:" .. self.flash .. (query or ""), "doctor",
    "--seconds", "1", ...)
  local result = assert(boards.events(out).result, out)
  return result.diagnoses[1], result, out
end

-- Every message that a firmware prints, printed by a firmware: message, rate, cause.
local MESSAGES <const> = {
  { "rf_cal[0] !=0x05,is 0xFF\r\n", 74880, "init_data_blank", again = true },
  { "rf_cal[0] !=0x05,is 0x1A\r\n", 74880, "init_data_foreign", again = true },
  { "system param error\r\n ff 12 4c 75 61\r\n", 74880, "system_param" },
  { "need boot 1.4+\r\n", 74880, "wrong_loader" },
  { "Flash size (524288) too small to support NodeMCU\r\n", 74880, "flash_too_small" },
  { "Partition 3 invalid alignment\r\n", 74880, "partition_invalid" },
  { "Invalid system partition table\r\n", 74880, "partition_invalid" },
  { "ota1 partition error\r\n", 74880, "partition_invalid" },
  { "--- The partition table size is larger than flash size 0x80000 ---\r\n", 74880, "partition_size" },
  { "waiting for host\r\n", 74880, "strap_gpio15" },
  { "flash read err, 0x00000000\r\nets_main.c \r\n", 74880, "mode_wrong" },
  { "Fatal exception (28): \r\nepc1=0x4022a1b4, epc2=0x00000000, epc3=0x00000000, excvaddr=0x00000000,"
    .. " depc=0x00000000\r\n", 74880, "exception", again = true },
  { "PANIC: unprotected error in call to Lua API (init.lua:3: x)\r\n", 115200, "lua_panic", again = true },
  { "Flash sig not correct\r\n", 115200, "lfs_wrong" },
  { "Flash size check failed\r\n", 115200, "lfs_wrong" },
  { NODEMCU .. "Formatting file system. Please wait...\r\n", 115200, "formatting" },
  { "sensor 1: 21.5 C\r\nsensor 2: 22.0 C\r\n", 9600, "running" },
  { ("sensor 1: 21.5 C\r\n"):rep(8), 57600, "running" },
}

function TestDoctor:test_every_message_of_a_sick_firmware_is_understood_on_the_wire()
  for _, row in ipairs(MESSAGES) do
    local steps = { { "print", row[1] }, { "wait_ms", 30 }, { row.again and "restart" or "stop" } }
    if row[2] ~= 74880 then table.insert(steps, 1, { "rate", row[2] }) end
    self:board(sick.image(steps))
    local d, _, out = self:diagnose()
    lu.assertEquals(d.id, row[3], row[1] .. out:sub(-1500))
  end
end

function TestDoctor:test_a_lua_prompt_is_health_at_both_of_its_rates()
  for _, baud in ipairs { 115200, 9600 } do
    self:board(sick.image { { "rate", baud }, { "wait_ms", 50 }, { "print", NODEMCU .. "lua: cannot open init.lua\r\n" },
      { "shell", "> " } })
    local d, result = self:diagnose()
    lu.assertEquals({ d.id, d.confidence, result.healthy }, { "healthy", "certain", true })
    lu.assertStrContains(d.evidence, "NodeMCU 2.2.0.0")
  end
end

function TestDoctor:test_a_silent_prompt_is_found_by_asking()
  self:board(sick.image { { "rate", 115200 }, { "shell", "> " } })
  lu.assertEquals(self:diagnose("?wiring=none&strap=3", "--no-flash").id, "healthy")
end

function TestDoctor:test_a_real_crash_is_explained()
  self:board(sick.image { { "print", "about to fail\r\n" }, { "crash" } })
  local d = self:diagnose()
  lu.assertEquals(d.id, "exception")
  lu.assertStrContains(d.evidence, "illegal instruction")
  lu.assertStrContains(d.evidence, "instruction RAM")
end

function TestDoctor:test_restarts_without_a_word()
  self:board(sick.image { { "wait_ms", 50 }, { "restart" } })
  local d = self:diagnose()
  lu.assertEquals(d.id, "restart_loop")
end

function TestDoctor:test_the_example_firmware_runs()
  self:board(harness.read "examples/hello/hello.bin")
  local d = self:diagnose()
  lu.assertEquals(d.id, "running")
  lu.assertStrContains(d.evidence, "hello from moonflash")
end

TestFlash = { setUp = TestDoctor.setUp, tearDown = TestDoctor.tearDown, board = TestDoctor.board,
  diagnose = TestDoctor.diagnose }

function TestFlash:test_blank_flash()
  self:board ""
  local d = self:diagnose()
  lu.assertEquals({ d.id, d.confidence }, { "flash_blank", "certain" })
  lu.assertStrContains(d.command, "moonflash flash")
end

function TestFlash:test_no_image_at_0()
  self:board(("\0"):rep(0x2000) .. harness.read "examples/hello/hello.bin")
  lu.assertEquals(self:diagnose().id, "no_image")
end

function TestFlash:test_a_damaged_image_is_told_from_a_wrong_mode()
  local good = harness.read "examples/hello/hello.bin"
  self:board(good:sub(1, 0x40) .. string.char(good:byte(0x41) ~ 1) .. good:sub(0x42))
  local d = self:diagnose()
  lu.assertEquals({ d.id, d.confidence }, { "image_damaged", "certain" })
  lu.assertStrContains(d.evidence, "checksum")
end

function TestFlash:test_a_chip_in_its_loader()
  self:board(harness.read "examples/hello/hello.bin")
  local d = self:diagnose "?wiring=none&strap=1"
  lu.assertEquals(d.id, "download_mode")
  lu.assertStrContains(d.cure, "GPIO0")
end

function TestFlash:test_write_protection_is_named_beside_the_rest()
  self:board(harness.read "examples/hello/hello.bin")
  local _, result = self:diagnose "?protect=1"
  lu.assertEquals(result.diagnoses[1].id, "running")
  lu.assertEquals(result.diagnoses[2].id, "write_protected")
  lu.assertEquals(result.diagnoses[2].command, "moonflash unprotect")
end

function TestFlash:test_a_cure_that_fails_fails_the_doctor_with_its_exit_code()
  self:board(harness.read "examples/hello/hello.bin")
  local err = boards.bad(5, "unprotect' failed", "-p", "sim:" .. self.flash .. "?protect=1", "doctor", "--fix")
  lu.assertStrContains(err, "fixing: moonflash unprotect")
  lu.assertStrContains(err, "WP#")
end

-- An image whose irom part is NodeMCU's by its markers, and which plays steps.
local function nodemcu2(steps, header, size, pieces)
  local all = { [0] = sick.image(steps, header),
    [0x10000] = "\nNodeMCU 2.2.0.0 build 20190805 powered by Lua 5.1.4 on SDK 2.2.1(6ab97e9)\0"
      .. "SDK ver: %s compiled @ Jun  7 2018 13:59:14\0rf_cal[0] !=0x05,is 0x%02X\0" .. boards.noise(0x20000, 1) }
  for addr, bytes in pairs(pieces or {}) do all[addr] = bytes end
  return boards.flash(size, all)
end

local RF_CAL <const> = { { "print", "rf_cal[0] !=0x05,is 0xFF\r\n" }, { "wait_ms", 20 }, { "restart" } }
local QUIET <const> = { { "stop" } }

function TestFlash:test_blank_init_data_is_written_where_the_sdk_looks()
  self:board(nodemcu2(RF_CAL, { size = "4MB" }, 4 * MB), 4 * MB)
  local before = harness.read(self.flash)
  local d = self:diagnose()
  lu.assertEquals({ d.id, d.confidence }, { "init_data_blank", "certain" })
  lu.assertStrContains(d.evidence, "0x3fc000")
  boards.same(harness.read(self.flash), before, "diagnosis alone")
  local _, result = self:diagnose(nil, "--fix")
  lu.assertEquals(result.fixed, "init_data_blank")
  boards.same(harness.read(self.flash), boards.put(before, 0x3FC000, init_data.build {}), "cured")
end

function TestFlash:test_a_wrong_size_in_the_header_is_why_init_data_is_not_found()
  self:board(nodemcu2(RF_CAL, { size = "1MB" }, 4 * MB, { [0x3FC000] = init_data.build {},
    [0xFB000] = boards.noise(0x5000, 5) }), 4 * MB)
  local before = harness.read(self.flash)
  local d = self:diagnose()
  lu.assertEquals({ d.id, d.confidence }, { "size_wrong", "certain" })
  local _, result, out = self:diagnose(nil, "--fix")
  lu.assertEquals(result.fixed, "size_wrong", out)
  lu.assertStrContains(out, "put the flash size 4MB into the boot header")
  boards.same(harness.read(self.flash), boards.put(before, 3, "\x40"), "only the size changed")
end

function TestFlash:test_old_init_data_explains_a_missing_prompt()
  self:board(nodemcu2(QUIET, { size = "4MB" }, 4 * MB, { [0x3FC000] = init_data.build { variant = "i0" } }), 4 * MB)
  local d, result = self:diagnose()
  lu.assertEquals({ d.id, d.command }, { "init_data_old", "moonflash init-data write" })
  lu.assertStrContains(d.text, "upgrade from NodeMCU 0.9.x")
  lu.assertEquals(result.diagnoses[2].id, "silent")
end

function TestFlash:test_a_sound_image_that_the_rom_cannot_read_is_in_the_wrong_mode()
  self:board(sick.image({ { "print", "csum err\r\nets_main.c \r\n" }, { "stop" } }, { mode = "qio" }))
  local before = harness.read(self.flash)
  local d = self:diagnose()
  lu.assertEquals(d.id, "mode_wrong")
  local _, result = self:diagnose(nil, "--fix")
  lu.assertEquals(result.cure, "put flash mode dio into the boot header")
  boards.same(harness.read(self.flash), boards.put(before, 2, "\2"), "only the mode changed")
end

function TestFlash:test_foreign_parameters_are_erased_by_the_cure()
  self:board(nodemcu2({ { "print", "system param error\r\n4c 75\r\n" }, { "stop" } }, { size = "4MB" }, 4 * MB,
    { [0x3FC000] = init_data.build {}, [0x3FD000] = boards.noise(0x3000, 3) }), 4 * MB)
  local before = harness.read(self.flash)
  local _, result = self:diagnose(nil, "--fix")
  lu.assertEquals(result.fixed, "system_param")
  boards.same(harness.read(self.flash), boards.put(before, 0x3FD000, ("\xff"):rep(0x3000)), "erased")
end

function TestFlash:test_a_fix_that_needs_the_user_changes_nothing()
  self:board ""
  local before = harness.read(self.flash)
  local out, err = boards.good("-p", "sim:" .. self.flash, "doctor", "--fix")
  lu.assertStrContains(err, "no cure that can be applied without you")
  lu.assertStrContains(out, "ok: diagnosis: flash_blank")
  boards.same(harness.read(self.flash), before)
end

TestTranscript = { setUp = TestDoctor.setUp, tearDown = TestDoctor.tearDown, board = TestDoctor.board }

function TestTranscript:test_a_saved_log_is_judged_without_a_board()
  local path = self.dir .. "/boot.log"
  harness.write(path, ("[   0.022]  ets Jan  8 2013,rst cause:2, boot mode:(3,6)\n[   0.066] csum 0x32\n"
    .. "[   0.070] rf_cal[0] !=0x05,is 0xFF\n"):rep(3))
  local out = boards.good("doctor", "--transcript", path)
  lu.assertStrContains(out, "moonflash init-data write")
  lu.assertStrContains(out, "ok: diagnosis: init_data_blank (certain)")
end

function TestTranscript:test_what_the_monitor_logs_and_the_doctor_saves_can_be_judged()
  self:board(sick.image(RF_CAL))
  local log, saved = self.dir .. "/m.log", self.dir .. "/d.log"
  boards.good("-p", "sim:" .. self.flash, "monitor", "--reset", "--seconds", "1", "--timestamps", "--log", log)
  boards.good("-p", "sim:" .. self.flash, "doctor", "--save", saved, "--no-flash")
  for _, path in ipairs { log, saved } do
    lu.assertStrContains(boards.good("doctor", "--transcript", path), "init_data_blank")
  end
end

function TestTranscript:test_bad_requests()
  boards.bad(6, "no%-such", "doctor", "--transcript", self.dir .. "/no-such.log")
  boards.bad(2, "transcript", "doctor", "--transcript", "x", "--fix")
  boards.bad(2, "seconds", "doctor", "--seconds", "soon")
  boards.bad(3, "no%-such", "-p", "/dev/no-such", "doctor")
end

function TestTranscript:test_hostile_logs_reach_the_terminal_escaped()
  local path = self.dir .. "/evil.log"
  harness.write(path, " ets Jan  8 2013,rst cause:2, boot mode:(3,6)\n\27]0;evil\7 Invalid system partition table\27[31m\n")
  local out = boards.good("doctor", "--transcript", path)
  lu.assertNil(out:find("[\27\7]"))
  lu.assertStrContains(out, "partition_invalid")
end

TestConnection = { setUp = TestDoctor.setUp, tearDown = TestDoctor.tearDown, board = TestDoctor.board }

function TestConnection:judge(query)
  local out = boards.good("--json", "-p", "sim:" .. self.flash .. query, "doctor", "--connection")
  local c = boards.events(out).result.connection
  local states = {}
  for _, check in ipairs(c.checks) do states[check.name] = check.state end
  return c, states
end

function TestConnection:test_a_good_board_proves_each_wire()
  self:board(harness.read "examples/hello/hello.bin")
  local c, states = self:judge ""
  lu.assertEquals(c.verdict, "good")
  lu.assertEquals(states, { ["chip to adapter"] = "good", ["reset line"] = "good", ["GPIO0 line"] = "good",
    ["adapter to chip"] = "good" })
end

function TestConnection:test_a_program_that_runs_because_gpio0_is_high_is_a_strap()
  self:board(harness.read "examples/hello/hello.bin")
  local c, states = self:judge "?wiring=none&strap=3"
  lu.assertEquals({ c.verdict, states["chip to adapter"], states["reset line"] }, { "strap", "good", "bad" })
  lu.assertStrContains(c.hint, "GPIO0")
end

function TestConnection:test_a_board_held_in_its_loader_needs_no_lines()
  self:board ""
  lu.assertEquals(self:judge("?wiring=none&strap=1").verdict, "good")
end

function TestConnection:test_a_dead_chip_is_a_wire_or_no_power()
  self:board ""
  local c = self:judge "?die=1"
  lu.assertEquals({ c.verdict, c.confidence }, { "wiring", "guess" })
  lu.assertStrContains(c.text, "no power")
end

function TestConnection:test_a_chip_that_goes_deaf_in_its_loader_is_the_tx_wire()
  self:board ""
  local c, states = self:judge "?die=150"
  lu.assertEquals({ c.verdict, states["adapter to chip"] }, { "wiring", "bad" })
  lu.assertStrContains(c.hint, "TX")
end

os.exit(lu.LuaUnit.run())
