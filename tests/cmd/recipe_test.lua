-- Recipes, and testing them on a simulated board.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

TestRecipe = {}

function TestRecipe:setUp()
  self.dir = harness.directory()
end

function TestRecipe:tearDown()
  harness.remove(self.dir)
end

function TestRecipe:recipe(text)
  local path = self.dir .. "/flash.lua"
  harness.write(path, "local mf = require 'moonflash'\n" .. text)
  return path
end

function TestRecipe:test_the_example_is_tested_as_its_readme_says()
  local out, err, code = harness.run("test", "examples/recipe/flash.lua")
  lu.assertEquals(code, 0, err)
  for line in harness.read("examples/recipe/README.md"):match("1%.%.4\n(.-)```"):gmatch("[^\n]+") do
    lu.assertStrContains(out, line)
  end
end

function TestRecipe:test_a_recipe_is_carried_out_on_the_port_given()
  harness.write(self.dir .. "/a.bin", ("moon"):rep(2000))
  local path = self:recipe "return mf.recipe { api = 1, parts = { mf.file(0x20000, 'a.bin') } }"
  local flash = self.dir .. "/board.flash"
  local out, err, code = harness.run("-p", "sim:" .. flash .. "?size=1M", path)
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "ok: 8000 bytes verified")
  lu.assertEquals(harness.read(flash):sub(0x20001, 0x20000 + 8000), ("moon"):rep(2000))
end

function TestRecipe:test_before_stops_everything()
  local path = self:recipe [[return mf.recipe { api = 1, parts = { mf.bytes(0, 'abcd') },
    before = function(dev) error("not this board: " .. dev.chip.mac) end }]]
  local flash = self.dir .. "/board.flash"
  local _, err, code = harness.run("-p", "sim:" .. flash .. "?size=1M", path)
  lu.assertEquals(code, 6)   -- 'abcd' at 0x0 is no image: refused even earlier
  path = self:recipe [[return mf.recipe { api = 1, parts = { mf.bytes(0x1000, 'abcd') },
    before = function(dev) error("not this board: " .. dev.chip.mac) end }]]
  _, err, code = harness.run("-p", "sim:" .. flash .. "?size=1M", path)
  lu.assertEquals(code, 1)
  lu.assertStrContains(err, "flash.lua:3: not this board: 60:01:94:a5:b6:9c")
  lu.assertEquals(harness.read(flash), ("\xff"):rep(0x100000))
end

function TestRecipe:test_what_fails_after_the_write_exits_as_a_changed_chip()
  local path = self:recipe [[return mf.recipe { api = 1, parts = { mf.bytes(0x1000, 'abcd') },
    after = function() error("no label printer") end }]]
  local flash = self.dir .. "/board.flash"
  local _, err, code = harness.run("-p", "sim:" .. flash .. "?size=1M", path)
  lu.assertEquals(code, 8)
  lu.assertStrContains(err, "flash.lua:3: no label printer")
  lu.assertStrContains(err, "hint: what was written is in flash and proven")
  lu.assertEquals(harness.read(flash):sub(0x1001, 0x1004), "abcd")
end

function TestRecipe:test_a_bad_recipe_is_refused_with_what_is_wrong()
  for text, want in pairs {
    ["return mf.recipe { parts = { mf.bytes(0x1000, 'a') } }"] = "api",
    ["return mf.recipe { api = 2, parts = { mf.bytes(0x1000, 'a') } }"] = "api = 2",
    ["return mf.recipe { api = 1 }"] = "no parts",
    ["return mf.recipe { api = 1, parts = { 'a.bin' } }"] = "part 1",
    ["return mf.recipe { api = 1, colour = 1, parts = { mf.bytes(0x1000, 'a') } }"] = "colour",
    ["return mf.recipe { api = 1, before = 1, parts = { mf.bytes(0x1000, 'a') } }"] = "before",
  } do
    local _, err, code = harness.run("-p", "sim:", self:recipe(text))
    lu.assertEquals(code, 2, err)
    lu.assertStrContains(err, want)
  end
end

function TestRecipe:test_what_was_heard_instead_is_shown_escaped_once()
  local path = self:recipe [[return mf.recipe { api = 1, parts = { mf.file(0, "hello.bin") },
    after = function(dev) dev:expect("\n> ", 0.3) end }]]
  harness.write(self.dir .. "/hello.bin", harness.read "examples/hello/hello.bin")
  local _, err, code = harness.run("-p", "sim:" .. self.dir .. "/b.flash?size=1M", path)
  lu.assertEquals(code, 8)
  lu.assertStrContains(err, '"\\n> " was not heard within 0.3 s')
  lu.assertStrContains(err, "\\r\\nload 0x40100000")
  lu.assertNotStrContains(err, "\\\\")
  lu.assertNotStrContains(err, "#no-answer")
end

function TestRecipe:test_files_that_are_not_there_and_files_that_were_written()
  local path = self:recipe [[return mf.recipe { api = 1,
    parts = { mf.file(0, "hello.bin"), mf.label("a.txt", "{{mac}}\n") },
    after = function(dev) dev:start(115200) dev:expect "hello from moonflash" end,
    test = { expect = function(t)
      t:expect_no_file("init.lua")
      t:expect(t:written("a.txt") == "60:01:94:a5:b6:9c\n", "the label")
      t:expect(t:written("b.txt") == nil, "no other label")
    end } }]]
  harness.write(self.dir .. "/hello.bin", harness.read "examples/hello/hello.bin")
  local out, err, code = harness.run("test", path)
  lu.assertEquals(code, 0, out .. err)
  lu.assertStrContains(out, "ok 1 - no file init.lua")
  lu.assertStrContains(out, "ok: 3 expectations hold")
end

function TestRecipe:test_failed_expectations_fail_the_test()
  local path = self:recipe [[return mf.recipe { api = 1, parts = { mf.bytes(0x1000, 'abcd') },
    test = { board = { size = "1M" }, expect = function(t)
      t:expect_bytes(0x1000, "abcd")
      t:expect_bytes(0x1000, "abXd")
      t:expect_blank(0x1000, 16)
      t:expect_console("never said", 0.2)
      t:expect(false, "the moon is made of cheese")
    end } }]]
  local out, err, code = harness.run("test", path)
  lu.assertEquals(code, 1)
  lu.assertStrContains(out, "ok 1")
  lu.assertStrContains(out, "not ok 2")
  lu.assertStrContains(out, "first difference at 0x001002")
  lu.assertStrContains(out, "not ok 5")
  lu.assertStrContains(err, "4 of 5 expectations failed")
end

function TestRecipe:test_expectations_in_a_file_of_their_own_and_a_kept_board()
  harness.write(self.dir .. "/expect.lua", "return function(t) t:expect_bytes(0x2000, 'xyz') end")
  local path = self:recipe "return mf.recipe { api = 1, parts = { mf.bytes(0x2000, 'xyz') } }"
  local kept = self.dir .. "/kept.flash"
  local _, err, code = harness.run("test", path, "--expect", self.dir .. "/expect.lua", "--board",
    "size=512K,chip=esp8285,mac=5C:CF:7F:01:02:03", "--keep", kept)
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(err, "5c:cf:7f:01:02:03")
  lu.assertEquals(#harness.read(kept), 512 * 1024)
end

function TestRecipe:test_a_recipe_survives_a_bad_line()
  local _, err, code = harness.run("test", "examples/recipe/flash.lua", "--board",
    "flip=0.0002,lose=0.0001,seed=3")
  lu.assertEquals(code, 0, err)
end

os.exit(lu.LuaUnit.run())
