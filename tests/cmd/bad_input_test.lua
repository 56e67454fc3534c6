-- What bad input gets: a message in the user's words, a hint, a documented exit
-- code, and nothing changed. Never a traceback, never silence.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

local HELLO <const> = "examples/hello/hello.bin"

TestBadInput = {}

function TestBadInput:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
  harness.write(self.flash, ("\xa5"):rep(0x100000))
end

function TestBadInput:tearDown()
  harness.remove(self.dir)
end

-- Runs and checks exit code and message; returns stderr.
local function fails(self, code, pattern, ...)
  local out, err, got = harness.run(...)
  lu.assertStrMatches(err, "(.-)moonflash: .*" .. pattern .. ".*", nil, nil, err)
  lu.assertEquals(got, code, err)
  lu.assertNotStrContains(err .. out, "stack traceback")
  lu.assertNotStrContains(out, "ok:")
  lu.assertEquals(harness.read(self.flash), ("\xa5"):rep(0x100000))
  return err, out
end

function TestBadInput:sim()
  return "sim:" .. self.flash
end

function TestBadInput:file(name, bytes)
  local path = self.dir .. "/" .. name
  harness.write(path, bytes)
  return path
end

function TestBadInput:test_no_such_port()
  local err = fails(self, 3, "/dev/no%-such", "-p", "/dev/no-such", "info")
  lu.assertStrContains(err, "hint: ")
end

function TestBadInput:test_a_file_is_no_port()
  fails(self, 2, "not a serial port", "-p", HELLO, "info")
end

-- A pseudo-terminal with a chip behind it for some seconds.
function TestBadInput:pty()
  local link = self.dir .. "/tty"
  local p = assert(io.popen(("%s sim --pty %s --seconds 3 2>&1"):format(
    harness.quote(harness.program), harness.quote(link))))
  lu.assertStrContains(p:read("l"), link)
  return link, p
end

function TestBadInput:test_busy_port_names_the_process_that_has_it()
  local link, chip = self:pty()
  local holder = assert(io.popen(("%s -e %s"):format(harness.quote(harness.program), harness.quote(
    ("local p = assert(require('esp').open('%s')) print('open') io.stdout:flush()"
    .. " require('esp').sleep(2000)"):format(link)))))
  lu.assertEquals(holder:read("l"), "open")
  local err = fails(self, 3, "in use by process %d+ %(.-moonflash", "-p", link, "info")
  lu.assertStrContains(err, "hint: close the other program")
  holder:close()
  chip:close()
end

function TestBadInput:test_no_permission_names_the_group()
  if not os.execute("test $(id -u) -eq 0 && command -v setpriv >/dev/null") then
    lu.skip("needs root and setpriv")
  end
  local link, chip = self:pty()
  os.execute(("chmod 711 %s; chmod 600 $(readlink -f %s)"):format(self.dir, link))
  local program = self.dir .. "/mf"
  os.execute(("cp %s %s && chmod 755 %s"):format(harness.program, program, program))
  local _, err, code = harness.shell(("setpriv --reuid 65534 --regid 65534 --clear-groups %s -p %s"
    .. " info"):format(program, link))
  lu.assertEquals(code, 3, err)
  lu.assertStrMatches(err, ".*permission.*", nil, nil, err)
  lu.assertStrContains(err, "hint: ")
  chip:close()
end

function TestBadInput:test_an_unknown_option_of_the_simulated_chip_lists_the_known_ones()
  local err = fails(self, 2, "colour", "-p", self:sim() .. "?colour=red", "info")
  lu.assertStrContains(err, "size")
end

function TestBadInput:test_no_chip_on_the_line()
  local err = fails(self, 4, "", "-p", self:sim() .. "?wiring=none&strap=3", "info")
  lu.assertStrContains(err, "hint: ")
end

function TestBadInput:test_a_board_without_reset_wires_is_waited_for_when_asked()
  local port = self:sim() .. "?wiring=none&strap=3"
  local err = fails(self, 4, "no answer", "-p", port, "--wait", "2", "info")
  lu.assertStrContains(err, "connect GPIO0")
  lu.assertStrContains(err, "waiting 2 s")
  fails(self, 2, "is no time", "-p", port, "--wait", "soon", "info")
end

function TestBadInput:test_wrong_chip_is_refused_by_name()
  fails(self, 5, "ESP32", "-p", self:sim() .. "?chip=esp32", "write", "0x0", HELLO)
end

function TestBadInput:test_missing_file()
  fails(self, 6, "no%-such.bin", "-p", self:sim(), "write", "0x0", "no-such.bin")
end

function TestBadInput:test_folder_given_as_file()
  fails(self, 6, "folder", "-p", self:sim(), "write", "0x0", self.dir)
end

function TestBadInput:test_empty_file()
  fails(self, 6, "empty", "-p", self:sim(), "write", "0x0", self:file("empty.bin", ""))
end

function TestBadInput:test_file_too_large_for_the_flash()
  fails(self, 6, "behind", "-p", self:sim(), "write", "0xff000",
    self:file("long.bin", ("x"):rep(0x2000)))
end

function TestBadInput:test_overlapping_files()
  fails(self, 6, "overlap", "-p", self:sim(), "write", "0x1000",
    self:file("a.bin", ("a"):rep(0x2000)), "0x2000", self:file("b.bin", "b"))
end

function TestBadInput:test_unaligned_address()
  fails(self, 6, "0x001001", "-p", self:sim(), "write", "0x1001", self:file("a.bin", "abcd"))
end

function TestBadInput:test_truncated_image_says_where()
  local bytes = harness.read(HELLO)
  fails(self, 6, "segment", "-p", self:sim(), "write", "0x0",
    self:file("cut.bin", bytes:sub(1, #bytes // 2)))
end

function TestBadInput:test_damaged_image()
  local bytes = harness.read(HELLO)
  local middle = 0x40
  local bad = bytes:sub(1, middle - 1) .. string.char(bytes:byte(middle) ~ 1)
    .. bytes:sub(middle + 1)
  fails(self, 6, "checksum", "-p", self:sim(), "write", "0x0", self:file("bad.bin", bad))
end

function TestBadInput:test_elf_given_as_image()
  fails(self, 6, "ELF", "-p", self:sim(), "write", "0x0",
    self:file("app.elf", "\x7fELF\1\1\1" .. ("\0"):rep(100)))
end

function TestBadInput:test_address_without_file()
  fails(self, 2, "pairs", "-p", self:sim(), "write", "0x0", HELLO, "0x10000")
end

function TestBadInput:test_unknown_command_suggests_the_near_one()
  local err = fails(self, 2, "wriet", "wriet", "0x0", HELLO)
  lu.assertStrContains(err, "'write'")
end

function TestBadInput:test_unknown_option_names_it()
  fails(self, 2, "%-%-colour", "-p", self:sim(), "info", "--colour")
end

function TestBadInput:test_bad_number()
  fails(self, 2, "0xzz", "-p", self:sim(), "write", "0xzz", HELLO)
  fails(self, 2, "twelve", "-p", self:sim(), "-b", "twelve", "info")
end

function TestBadInput:test_bad_header_words_are_refused_before_the_port_is_opened()
  fails(self, 2, "dual", "-p", "/dev/no-such", "write", "0x0", HELLO, "--mode", "dual")
end

function TestBadInput:test_unaligned_or_unmapped_word()
  fails(self, 2, "multiple of 4", "-p", self:sim(), "peek", "0x3ff00051")
  fails(self, 2, "nothing at", "-p", self:sim(), "peek", "0x1000")
end

function TestBadInput:test_global_options_with_senseless_values()
  for _, words in ipairs { { "-b", "0" }, { "-b", "8000001" }, { "-b", "fast" }, { "--wait", "x" },
    { "--wait", "-1" }, { "-p", "" } } do
    lu.assertStrContains(fails(self, 2, ".", "-p", self:sim(), "info", table.unpack(words)), "hint: ")
  end
end

function TestBadInput:test_words_that_are_no_command_get_a_hint_that_helps()
  for word, hint in pairs { write_flash = "'moonflash esptool write_flash", version = "--version",
    [HELLO] = "moonflash flash " .. HELLO, ["examples/plain"] = "moonflash examples/plain/flash.lua",
    wirte = "did you mean 'write'" } do
    lu.assertStrContains(fails(self, 2, "no command", word), hint)
  end
  lu.assertStrContains(fails(self, 2, "%-%-mdoe", "write", "--mdoe"), "did you mean '--mode'")
  lu.assertStrContains(fails(self, 2, "%-V", "-V"), "--help")
end

function TestBadInput:test_a_file_that_can_be_no_recipe()
  fails(self, 2, "is no recipe", "test", "README.md")
  fails(self, 2, "is no recipe", "lock", "README.md")
end

function TestBadInput:test_no_tcp_port()
  fails(self, 2, "no TCP port", "sim", self.flash, "--rfc2217", "65536")
end

function TestBadInput:test_a_file_that_cannot_be_made_is_called_by_its_own_name()
  local err = fails(self, 6, "none/x.bin", "-p", self:sim(), "read", "0", "4k", self.dir .. "/none/x.bin")
  lu.assertNotStrContains(err, ".part")
end

function TestBadInput:test_script_with_a_syntax_error()
  fails(self, 1, "bad.lua:1", self:file("bad.lua", "local = 1\n"))
end

function TestBadInput:test_script_that_raises()
  fails(self, 1, "boom", self:file("boom.lua", "error('boom')\n"))
  fails(self, 1, "boom", self:file("boom2.lua", "error({ message = 'boom' })\n"))
end

function TestBadInput:test_script_that_is_not_there()
  fails(self, 6, "none.lua", self.dir .. "/none.lua")
end

function TestBadInput:test_code_that_raises()
  fails(self, 1, "boom", "-e", "error('boom')")
end

function TestBadInput:test_error_as_json_event()
  local _, out = fails(self, 6, "empty", "--json", "-p", self:sim(), "write", "0x0",
    self:file("empty.bin", ""))
  local event = require("dkjson").decode(out:match("[^\n]+\n?$"))
  lu.assertEquals(event.event, "error")
  lu.assertEquals(event.code, "file")
  lu.assertEquals(event.exit, 6)
end

os.exit(lu.LuaUnit.run())
