-- `moonflash monitor`, and expect and send for Lua, on simulated chips; the keyboard
-- through a real pseudo-terminal.
package.path = "tests/cmd/?.lua;" .. package.path
local boards = require "boards"
local esp = require "esp"
local harness = require "harness"
local lu = require "luaunit"
local sick = require "sick_boards"

local MB <const> = 0x100000
local BANNER <const> = "\r\nNodeMCU 2.2.0.0 build 20190805 powered by Lua 5.1.4 on SDK 2.2.1(6ab97e9)\r\n"

local Board = {}

function Board:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
end

function Board:tearDown() harness.remove(self.dir) end

function Board:board(bytes) harness.write(self.flash, bytes .. ("\xff"):rep(MB - #bytes)) end

function Board:monitor(...)
  return boards.good("-p", "sim:" .. self.flash, "monitor", ...)
end

TestMonitor = setmetatable({}, { __index = Board })

function TestMonitor:test_the_roms_text_and_the_firmwares_in_one_session_without_a_byte_lost()
  self:board(harness.read "examples/hello/hello.bin")
  local out = self:monitor("--reset", "--seconds", "2")
  lu.assertStrContains(out, "rst cause:2, boot mode:(3,6)\n")
  lu.assertStrMatches(out, ".*\ncsum 0x%x%x\n\nhello from moonflash: ESP8266 firmware [%d.]+\ncount 1\ncount 2\n.*")
end

function TestMonitor:test_each_usual_rate_is_found_by_itself()
  for _, baud in ipairs { 9600, 57600, 115200, 230400, 460800 } do
    local steps = { { "rate", baud } }
    for _ = 1, 30 do
      steps[#steps + 1] = { "print", "the quick brown fox jumps over it\r\n" }
      steps[#steps + 1] = { "wait_ms", 5 }
    end
    self:board(sick.image(steps))
    local out = boards.good("--json", "-p", "sim:" .. self.flash, "monitor", "--reset", "--seconds", "1.5")
    local found = boards.events(out)
    lu.assertEquals(found.result.baud, baud)
    lu.assertStrContains(out, '"text":"the quick brown fox jumps over it"')
  end
end

function TestMonitor:test_a_boot_loop_is_followed_at_the_roms_rate()
  self:board(sick.image { { "print", "rf_cal[0] !=0x05,is 0xFF\r\n" }, { "wait_ms", 10 }, { "restart" } })
  local out = self:monitor("--seconds", "0.8")
  local _, count = out:gsub("rf_cal%[0%] !=0x05,is 0xFF\n", "")
  lu.assertTrue(count >= 4, out)
end

function TestMonitor:test_a_firmware_that_restarts_is_followed_to_and_fro()
  self:board(sick.image { { "rate", 115200 }, { "wait_ms", 20 }, { "print", BANNER .. "going down now\r\n" },
    { "wait_ms", 100 }, { "restart" } })
  local out = self:monitor("-b", "115200", "--reset", "--seconds", "1.2")
  local _, down = out:gsub("going down now\n", "")
  local _, loads = out:gsub("\ncsum 0x%x%x\n", "")
  lu.assertTrue(down >= 4, out)
  lu.assertTrue(loads >= 4, out)
end

function TestMonitor:test_no_control_character_of_the_chip_reaches_the_terminal()
  self:board(sick.image { { "rate", 115200 }, { "wait_ms", 20 },
    { "print", "plain text first\r\n\27]0;evil\7\27[2J and more text behind\r\n" } })
  local log = self.dir .. "/log"
  local out = self:monitor("--reset", "--seconds", "0.5", "--log", log)
  lu.assertStrContains(out, "\\x1b]0;evil\\x07\\x1b[2J and more")
  lu.assertNil((out .. harness.read(log)):find("[\27\7]"))
end

function TestMonitor:test_timestamps_and_log_file()
  self:board(harness.read "examples/hello/hello.bin")
  local log = self.dir .. "/boot.log"
  harness.write(log, "what was there before\n")
  local out = self:monitor("--reset", "--seconds", "2", "--timestamps", "--log", log)
  lu.assertStrMatches(out, ".*%[   0%.%d%d%d%]  ets Jan.*%[   0%.%d%d%d%] count 1\n%[   1%.%d%d%d%] count 2\n.*")
  lu.assertEquals(harness.read(log), "what was there before\n" .. out)
end

function TestMonitor:test_expect_ends_the_session_and_decides_the_exit_code()
  self:board(harness.read "examples/hello/hello.bin")
  lu.assertStrContains(self:monitor("--reset", "--expect", "count 3", "--seconds", "10"), "count 2\n")
  local err = boards.bad(4, "count 30", "-p", "sim:" .. self.flash, "monitor", "--reset", "--seconds", "2",
    "--expect", "count 30")
  lu.assertStrContains(err, "hint: ")
end

function TestMonitor:test_a_crash_is_explained_and_named_from_an_elf_file()
  self:board(sick.image { { "print", "about to crash\r\n" }, { "crash" } })
  local names, value = "\0player\0", ("<I4I4I4BBI2"):pack(1, 0x40100000, 0x200, 0x12, 0, 1)
  local function section(kind, offset, size, link)
    return ("<I4I4I4I4I4I4I4I4I4I4"):pack(0, kind, 0, 0, offset, size, link, 0, 4, 16)
  end
  local elf = "\x7fELF\1\1\1" .. ("\0"):rep(9) .. ("<I2I2I4I4I4I4I4I2I2I2I2I2I2"):pack(2, 94, 1, 0x40100000, 0,
    52 + 16 + #names, 0, 52, 0, 0, 40, 3, 0) .. value .. names .. section(0, 0, 0, 0)
    .. section(2, 52, 16, 2) .. section(3, 68, #names, 0)
  local path = self.dir .. "/fw.elf"
  harness.write(path, elf)
  local out = self:monitor("--reset", "--seconds", "1", "--elf", path)
  lu.assertStrContains(out, "Fatal exception (0):")
  lu.assertStrContains(out, "--> exception 0, illegal instruction")
  lu.assertStrMatches(out, ".*%-%-> the code was at 0x401000%x%x %(instruction RAM, player%+0x%x+%)\n.*")
end

function TestMonitor:test_bad_requests()
  self:board ""
  local port = "sim:" .. self.flash
  boards.bad(2, "seconds", "-p", port, "monitor", "--seconds", "soon")
  boards.bad(6, "no%-such", "-p", port, "monitor", "--elf", "/no-such.elf", "--seconds", "1")
  boards.bad(6, "no ELF", "-p", port, "monitor", "--elf", "examples/hello/hello.bin", "--seconds", "1")
  boards.bad(9, "log", "-p", port, "monitor", "--log", "/no-such-dir/x", "--seconds", "1")
  boards.bad(3, "no%-such", "-p", "/dev/no-such", "monitor", "--seconds", "1")
end

function TestMonitor:test_help_has_examples()
  for _, command in ipairs { "monitor", "doctor" } do
    lu.assertStrContains(boards.good(command, "--help"), "examples:")
  end
end

-- Runs the monitor in a pseudo-terminal; `typed` is { { seconds, keys }, ... }.
TestKeyboard = setmetatable({}, { __index = Board })

function TestKeyboard:type(typed, ...)
  local feed = {}
  for _, item in ipairs(typed) do
    feed[#feed + 1] = ("sleep %g; printf '%s'"):format(item[1], item[2])
  end
  local words = {}
  for _, w in ipairs { harness.program, "-p", "sim:" .. self.flash .. "?pace=real", "monitor", "--seconds", "15", ... } do
    words[#words + 1] = harness.quote(w)
  end
  local script = self.dir .. "/run.sh"
  harness.write(script, "stty sane\n" .. table.concat(words, " ") .. "\necho code $?\nstty -a\n")
  local out = harness.shell(("{ { %s; sleep 0.5; } | timeout 20 socat -t5 - EXEC:%s,pty,setsid,ctty,stderr; }")
    :format(table.concat(feed, "; "), harness.quote("sh " .. script)))
  return (out:gsub("\r", ""))
end

function TestKeyboard:test_what_is_typed_reaches_the_prompt_and_ctrl_bracket_ends()
  self:board(sick.image { { "rate", 115200 }, { "wait_ms", 20 }, { "print", BANNER }, { "shell", "> " } })
  local out = self:type({ { 1.5, "=node.heap()\\n" }, { 1, "\\035" } }, "--reset", "-b", "115200")
  lu.assertStrContains(out, "Ctrl-] ends")
  lu.assertStrContains(out, "> =node.heap()\n> ")
  lu.assertStrContains(out, "code 0")
  lu.assertStrMatches(out, ".*code 0.*\nisig icanon.* echo .*", nil, nil, "the terminal is as it was")
end

function TestKeyboard:test_ctrl_r_resets_and_ctrl_l_goes_to_the_loader()
  self:board(harness.read "examples/hello/hello.bin")
  local out = self:type({ { 0.5, "\\022" }, { 0.5, "\\014" }, { 0.5, "\\035" } }, "-b", "115200")
  lu.assertStrContains(out, "boot mode:(3,6)")
  lu.assertStrContains(out, "hello from moonflash")
  lu.assertStrContains(out, "boot mode:(1,6)")
  lu.assertStrContains(out, "code 0")
end

function TestKeyboard:test_the_terminal_is_restored_when_an_error_ends_the_session()
  self:board(harness.read "examples/hello/hello.bin")
  local out = self:type({ { 0.5, "x" } }, "--expect", "never said", "--seconds", "1")
  lu.assertStrContains(out, "code 4")
  lu.assertStrMatches(out, ".*code 4.*\nisig icanon.* echo .*")
end

-- expect and send for Lua.
TestExpect = setmetatable({}, { __index = Board })

local console = require "moonflash.console"
local errors = require "moonflash.errors"

function TestExpect:test_expect_gives_captures_and_keeps_what_comes_behind()
  self:board(harness.read "examples/hello/hello.bin")
  local port <close> = assert(esp.open("sim:" .. self.flash, 115200))
  assert(esp.reset(port, "nodemcu", "run"))
  lu.assertEquals(console.expect(port, "count (%d+)", 5), "1")
  local first, second = console.expect(port, "count (%d+)%s+count (%d+)", 5)
  lu.assertEquals({ first, second }, { "2", "3" })
end

function TestExpect:test_what_was_heard_instead_is_in_the_hint()
  self:board(harness.read "examples/hello/hello.bin")
  local port <close> = assert(esp.open("sim:" .. self.flash, 115200))
  assert(esp.reset(port, "nodemcu", "run"))
  local ok, e = pcall(console.expect, port, "no such text", 1)
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "timeout"))
  lu.assertStrContains(e.hint, "count 1")
end

function TestExpect:test_send_and_expect_talk_to_a_prompt()
  self:board(sick.image { { "rate", 115200 }, { "wait_ms", 20 }, { "print", BANNER }, { "shell", "> " } })
  local port <close> = assert(esp.open("sim:" .. self.flash, 115200))
  assert(esp.reset(port, "nodemcu", "run"))
  console.expect(port, "> $", 2)
  console.send(port, "print(1)\n")
  lu.assertEquals(console.expect(port, "(print%S+)\r\n> ", 2), "print(1)")
end

-- A recipe's `after`: the device starts the firmware by itself, once.
function TestExpect:test_a_recipe_waits_for_the_firmware_it_flashed()
  self:board ""
  harness.write(self.dir .. "/hello.bin", harness.read "examples/hello/hello.bin")
  local path = self.dir .. "/flash.lua"
  harness.write(path, [[
local mf = require "moonflash"
return mf.recipe { api = 1, parts = { mf.firmware "hello.bin" },
  after = function(dev)
    dev:expect("ets Jan", 5)
    print("seen " .. dev:match("count (%d)", 5))
    dev:send("x\n")
    print("then " .. dev:match("count (%d)", 5))
  end }]])
  local out = boards.good(path, "-p", "sim:" .. self.flash)
  lu.assertStrContains(out, "seen 1\nthen 2\n")
end

function TestExpect:test_a_recipe_fails_when_the_firmware_does_not_say_it()
  self:board ""
  harness.write(self.dir .. "/hello.bin", harness.read "examples/hello/hello.bin")
  local path = self.dir .. "/flash.lua"
  harness.write(path, [[
local mf = require "moonflash"
return mf.recipe { api = 1, parts = { mf.firmware "hello.bin" },
  after = function(dev) dev:expect("> $", 2) end }]])
  -- exit 4 would promise that nothing was changed; the firmware was written
  boards.bad(8, "not heard", path, "-p", "sim:" .. self.flash)
end

os.exit(lu.LuaUnit.run())
