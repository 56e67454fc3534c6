-- The command line's contract.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

TestCommandLine = {}

function TestCommandLine:setUp()
  self.dir = harness.directory()
end

function TestCommandLine:tearDown()
  harness.remove(self.dir)
end

local function good(...)
  local out, err, code = harness.run(...)
  lu.assertEquals(code, 0, err)
  return out, err
end

function TestCommandLine:test_version()
  lu.assertStrMatches(good("--version"), "moonflash %d+%.%d+%.%d+\n")
end

function TestCommandLine:test_no_arguments_print_help_with_every_command()
  local out = good()
  for _, name in ipairs { "ports", "info", "write", "image", "run", "reset", "peek", "poke",
    "load-ram" } do
    lu.assertStrContains(out, "\n  " .. name)
  end
  lu.assertEquals(good("--help"), out)
end

function TestCommandLine:test_every_command_has_help_with_an_example()
  for name in good():match("commands:(.-)\n\n"):gmatch("\n  (%S+)") do
    local out = good(name, "--help")
    lu.assertStrContains(out, "moonflash " .. name)
    lu.assertStrContains(out, "example")
    lu.assertStrContains(out, name == "esptool" and "--port" or "global options")
    lu.assertEquals((good("help", name)), out)
    lu.assertEquals((good("--help", name)), out)
    for line in (out .. "\n"):gmatch "(.-)\n" do lu.assertTrue(#line <= 90, line) end
  end
end

function TestCommandLine:test_a_command_explains_its_own_options_and_names_the_global_ones()
  local out = good("write", "--help")
  lu.assertStrContains(out, "usage: moonflash write [global options] [--mode MODE]")
  lu.assertStrContains(out, "\n   -m, --mode MODE       flash mode")
  local own, rest = out:match "(.-)\nglobal options, explained by 'moonflash %-%-help':\n(.*)"
  lu.assertNotStrContains(own, "--ledger")
  for _, g in ipairs { "-p URL,", "--after RESET,", "-q,", "--version" } do
    lu.assertStrContains(rest, g)
  end
end

function TestCommandLine:test_help_of_a_subcommand()
  local out = good("fs", "build", "--help")
  lu.assertStrContains(out, "usage: moonflash fs build ")
  lu.assertStrContains(out, "\n   -o, --output FILE ")
end

function TestCommandLine:test_general_help_fits_a_terminal_of_80_columns()
  for line in good():gmatch "[^\n]+" do lu.assertTrue(#line <= 80, line) end
end

function TestCommandLine:test_code_from_the_command_line()
  lu.assertEquals(good("-e", "print(6 * 7)"), "42\n")
end

function TestCommandLine:test_a_lua_file_is_a_command_and_gets_its_arguments()
  harness.write(self.dir .. "/a.lua", "#!/usr/bin/env moonflash\nprint(arg[0], arg[1], ...)\n")
  lu.assertEquals(good(self.dir .. "/a.lua", "x", "y"), self.dir .. "/a.lua\tx\tx\ty\n")
end

function TestCommandLine:test_modules_are_there_for_every_script()
  harness.write(self.dir .. "/a.lua", [[
    local lfs, esp, json = require "lfs", require "esp", require "dkjson"
    local args, plan = require "argparse", require "moonflash.plan"
    print(type(lfs.dir), type(esp.open), type(json.encode), type(args), type(plan.write))]])
  lu.assertEquals(good(self.dir .. "/a.lua"), "function\tfunction\tfunction\ttable\tfunction\n")
end

function TestCommandLine:test_the_binary_alone_in_another_directory_works()
  os.execute(("cp %s %s/mf"):format(harness.quote(harness.program), harness.quote(self.dir)))
  local out, err, code = harness.shell(("cd %s && env -i ./mf image info %s"):format(
    harness.quote(self.dir), harness.quote(require("lfs").currentdir() ..
    "/examples/hello/hello.bin")))
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "checksum")
end

function TestCommandLine:test_a_directory_in_front_adds_and_replaces_commands_and_modules()
  os.execute(("mkdir -p %s/scripts %s/lualib/moonflash"):format(self.dir, self.dir))
  harness.write(self.dir .. "/scripts/hi.lua", "-- scripts/hi.lua: say hi\nprint('hi')\n")
  harness.write(self.dir .. "/scripts/ports.lua",
    "-- scripts/ports.lua: mine\nprint((require('moonflash.plan')))\n")
  harness.write(self.dir .. "/lualib/moonflash/plan.lua", "return 'my plan'\n")
  lu.assertEquals(good("-L", self.dir, "hi"), "hi\n")
  lu.assertEquals(good("-L", self.dir, "ports"), "my plan\n")
  local out, err = harness.shell(("MOONFLASH_PATH=%s %s hi"):format(self.dir, harness.program))
  lu.assertEquals(out, "hi\n", err)
end

function TestCommandLine:test_global_options_before_and_after_the_command()
  local a = good("-p", "sim:", "info", "--json")
  local b = good("--json", "info", "-p", "sim:")
  lu.assertEquals(a, b)
  lu.assertStrContains(a, '"mac"')
end

function TestCommandLine:test_port_and_rate_from_the_environment()
  local out, err, code = harness.shell(("MOONFLASH_PORT=sim: MOONFLASH_BAUD=57600 %s info")
    :format(harness.program))
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "MAC")
end

function TestCommandLine:test_trace_shows_frames_on_standard_error()
  local _, err = good("-p", "sim:", "--trace", "peek", "0x3ff00050")
  lu.assertStrContains(err, "READ_REG")
end

function TestCommandLine:test_each_json_line_is_an_event()
  local out = good("--json", "-p", "sim:", "info")
  for line in out:gmatch("[^\n]+") do
    local event = assert(require("dkjson").decode(line))
    lu.assertIsString(event.event)
  end
end

os.exit(lu.LuaUnit.run())
