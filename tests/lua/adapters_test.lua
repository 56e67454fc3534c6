-- The memory of adapters. The folder comes from the environment, so each test is a
-- process of its own.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

TestAdapters = {}

function TestAdapters:setUp()
  self.dir = harness.directory()
end

function TestAdapters:tearDown()
  harness.remove(self.dir)
end

function TestAdapters:run(code, folder)
  local out, err, exit = harness.shell(("XDG_STATE_HOME=%s %s -e %s"):format(
    harness.quote(folder or self.dir), harness.quote(harness.program),
    harness.quote("local a = require 'moonflash.adapters' " .. code)))
  lu.assertEquals(exit, 0, err)
  return out
end

function TestAdapters:test_a_rate_is_remembered_between_runs()
  lu.assertEquals(self:run "print(a.rate(a.key('/dev/ttyUSB0', 'A50285BI')))", "nil\n")
  self:run "a.remember(a.key('/dev/ttyUSB0', 'A50285BI'), 460800)"
  lu.assertEquals(self:run "print(a.rate(a.key('/dev/ttyUSB7', 'A50285BI')))", "460800\n")
  lu.assertEquals(self:run "print(a.rate(a.key('/dev/ttyUSB0')))", "nil\n")
  self:run "a.remember(a.key('/dev/ttyUSB0'), 115200) a.remember('serial A50285BI', 921600)"
  lu.assertEquals(self:run "print(a.rate('serial A50285BI'), a.rate('/dev/ttyUSB0'))",
    "921600\t115200\n")
end

function TestAdapters:test_simulated_and_remote_ports_are_no_adapters()
  lu.assertEquals(self:run [[print(a.key('sim:x'), a.key('rfc2217://h:1', 's'))]], "nil\tnil\n")
  self:run "a.remember(nil, 115200)"
end

function TestAdapters:test_a_damaged_or_forbidden_file_is_as_good_as_none()
  os.execute("mkdir -p " .. self.dir .. "/moonflash")
  for _, text in ipairs { "", "{", "[1,2]", '{"serial x": 7}', '{"serial x": {"baud": "fast"}}',
    '{"serial x": {"baud": -1}}', '{"serial x": {"baud": 99999999}}' } do
    harness.write(self.dir .. "/moonflash/adapters.json", text)
    lu.assertEquals(self:run "print(a.rate('serial x'))", "nil\n", text)
  end
  self:run("a.remember('serial x', 115200)", "/proc/nowhere")
end

os.exit(lu.LuaUnit.run())
