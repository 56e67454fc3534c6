-- The examples, each in a copy of its own folder, with the commands that its README shows:
-- what they print must be what the README says.
package.path = "tests/cmd/?.lua;tests/lua/?.lua;" .. package.path
local harness = require "harness"
local lfs = require "lfs"
local lu = require "luaunit"
local spiffs = require "moonflash.spiffs"

TestExamples = {}

function TestExamples:setUp() self.dir = harness.directory() end
function TestExamples:tearDown() harness.remove(self.dir) end

function TestExamples:copy(name)
  os.execute(("cp -r examples/%s %s/"):format(name, harness.quote(self.dir)))
  return self.dir .. "/" .. name
end

-- Runs a line of a README in a folder; everything that it printed.
local function run_line(folder, line)
  local command = line:gsub("^moonflash ", harness.quote(harness.program) .. " ")
  local out, err, code = harness.shell(("cd %s && env -u MOONFLASH_PORT -u MOONFLASH_BAUD"
    .. " -u MOONFLASH_LEDGER HOME=%s sh -c %s"):format(harness.quote(folder), harness.quote(folder),
    harness.quote(command)))
  return "\n" .. out .. err, code
end

-- Every output line of a README is among what the command above it printed. "..." stands
-- for what differs, or is left out.
local function follow(folder, text)
  local commands, heard = 0, ""
  for block in text:gmatch("```\n(.-)```") do
    for line in block:gmatch("[^\n]+") do
      local command = line:match("^%$ (.*)")
      if command then
        heard = run_line(folder, command)
        commands = commands + 1
      elseif line ~= "..." then
        local want, open = line:gsub(" %.%.%.$", "")
        lu.assertStrContains(heard, "\n" .. want .. (open == 1 and "" or "\n"))
      end
    end
  end
  return commands
end

function TestExamples:example(name, at_least)
  local folder = self:copy(name)
  local commands = follow(folder, harness.read(folder .. "/README.md"))
  lu.assertTrue(commands >= at_least, name .. " shows " .. commands .. " commands")
  return folder
end

local function files_of(flash, addr)
  return spiffs.open(harness.read(flash):sub(addr + 1))
end

function TestExamples:test_plain()
  local folder = self:example("plain", 3)
  local fs = files_of(folder .. "/board.flash", 0x14000)
  for _, name in ipairs { "init.lua", "thermometer.lua", "config.json" } do
    lu.assertEquals(fs:read(name), harness.read("examples/plain/lua/" .. name))
  end
end

function TestExamples:test_store() self:example("store", 3) end

function TestExamples:test_fleet() self:example("fleet", 3) end

function TestExamples:test_factory()
  local folder = self:example("factory", 6)
  lu.assertEquals(harness.read(folder .. "/labels/DS-00001.txt"),
    "Door sensor DS-00001\nMAC 60:01:94:a5:b6:9c\nlot 2024-07\n")
  local config = files_of(folder .. "/board.flash", 0x14000):read("config.json")
  lu.assertStrContains(config, '"user": "sensor-d"')
  lu.assertEquals(harness.read(folder .. "/board.flash"):sub(0x100001, 0x10000D), "unit DS-00001")
end

function TestExamples:test_two_stage()
  local folder = self:example("two-stage", 3)
  lu.assertEquals(files_of(folder .. "/board.flash", 0x14000):read("init.lua"),
    'print("product ready")\n')
  local small = harness.read(folder .. "/small.flash")
  lu.assertNil(small:find("[^\xff]", 0x10001))
end

function TestExamples:test_golden()
  local folder = self:example("golden", 2)
  lu.assertEquals(harness.read(folder .. "/copies.csv"), "60:01:94:a5:b6:9c\n")
  -- the backup is of the board that board.lua makes
  local line = "moonflash -p 'sim:golden.flash?size=1M' board.lua && " .. harness.quote(
    harness.program) .. " backup unpack golden.mfb golden.bin"
  local heard, code = run_line(folder, line)
  lu.assertEquals(code, 0, heard)
  lu.assertTrue(harness.read(folder .. "/golden.flash") == harness.read(folder .. "/golden.bin"))
end

function TestExamples:test_what_the_examples_share_is_the_same_everywhere()
  local function same(a, b)
    lu.assertTrue(harness.read("examples/" .. a) == harness.read("examples/" .. b), a .. ", " .. b)
  end
  for _, folder in ipairs { "store/firmware", "fleet/firmware", "factory/firmware", "golden/firmware",
    "two-stage/product" } do
    same("plain/firmware/0x00000.bin", folder .. "/0x00000.bin")
    same("plain/firmware/0x10000.bin", folder .. "/0x10000.bin")
  end
  same("hello/hello.bin", "recipe/hello.bin")
  same("hello/hello.bin", "fleet/other.bin")
end

function TestExamples:test_every_recipe_is_in_the_list_and_has_a_readme()
  local list = harness.read("examples/README.md")
  for name in lfs.dir("examples") do
    if lfs.attributes("examples/" .. name .. "/flash.lua") then
      lu.assertStrContains(list, ("[%s](%s)"):format(name, name))
      lu.assertNotNil(lfs.attributes("examples/" .. name .. "/README.md"))
    end
  end
end

os.exit(lu.LuaUnit.run())
