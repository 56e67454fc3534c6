-- moonflash lock, and recipes that are held to their lock.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

TestLocked = {}

function TestLocked:setUp()
  self.dir = harness.directory()
  os.execute(("mkdir -p %s/lua %s/lib"):format(self.dir, self.dir))
  self:put("a.bin", ("moon"):rep(100))
  self:put("b.bin", ("base"):rep(100))
  self:put("lua/init.lua", "print 'hello'\n")
  self:put("lib/settings.lua", "return { addr = 0x20000 }")
  self:put("base.lua", "local mf = require 'moonflash'\n"
    .. "return mf.recipe { api = 1, parts = { mf.file(0x30000, 'b.bin') } }")
  self:put("flash.lua", [[local mf, settings = require "moonflash", require "lib.settings"
    return mf.recipe { api = 1, include = "base.lua",
      params = { name = { required = true } },
      parts = { mf.spiffs("lua", { where = 0x80000, size = "64k" }) },
      variants = { one = { parts = { mf.file(settings.addr, "a.bin") } },
        two = { parts = { mf.file(settings.addr, "c.bin") } } } }]])
  self:put("c.bin", ("calm"):rep(100))
end

function TestLocked:tearDown() harness.remove(self.dir) end

function TestLocked:put(name, bytes) harness.write(self.dir .. "/" .. name, bytes) end

function TestLocked:lock()
  local out, err, code = harness.run("lock", self.dir .. "/flash.lua", "--name", "x")
  lu.assertEquals(code, 0, err)
  return out
end

function TestLocked:flash(...)
  local _, err, code = harness.run("-p", "sim:", self.dir .. "/flash.lua", "--name", "x", "--variant", "one",
    ...)
  return code, err
end

function TestLocked:test_it_names_every_file_of_every_variant()
  lu.assertStrContains(self:lock(), "ok: 8 files in " .. self.dir .. "/moonflash.lock")
  local text, names = harness.read(self.dir .. "/moonflash.lock"), {}
  for name, digest in text:gmatch('\n    %["(.-)"%] = "(%x+)",') do
    names[#names + 1] = name
    if not name:find("/$") then
      lu.assertEquals(digest .. "  " .. self.dir .. "/" .. name .. "\n",
        (harness.shell("sha256sum " .. self.dir .. "/" .. name)))
    end
  end
  lu.assertEquals(names, { "a.bin", "b.bin", "base.lua", "c.bin", "flash.lua", "lib/settings.lua", "lua/",
    "lua/init.lua" })
end

function TestLocked:test_it_stays_as_it_is_when_nothing_changes()
  self:lock()
  local text = harness.read(self.dir .. "/moonflash.lock")
  lu.assertStrContains(self:lock(), "as before")
  lu.assertEquals(harness.read(self.dir .. "/moonflash.lock"), text)
end

function TestLocked:test_a_second_recipe_of_the_folder_gets_a_section_of_its_own()
  self:lock()
  local text = harness.read(self.dir .. "/moonflash.lock")
  local _, err, code = harness.run("lock", self.dir .. "/base.lua")
  lu.assertEquals(code, 0, err)
  local both = harness.read(self.dir .. "/moonflash.lock")
  lu.assertStrContains(both, text:match('  %["flash.lua"%].*  },\n'))
  lu.assertStrContains(both, '  ["base.lua"] = {\n    ["b.bin"]')
end

function TestLocked:test_what_is_as_it_was_is_carried_out()
  self:lock()
  local code, err = self:flash("--locked")
  lu.assertEquals(code, 0, err)
end

function TestLocked:test_without_a_lock_it_is_refused()
  local code, err = self:flash("--locked")
  lu.assertEquals(code, 7, err)
  lu.assertStrContains(err, "there is no " .. self.dir .. "/moonflash.lock")
  lu.assertStrContains(err, "moonflash lock")
end

function TestLocked:test_whatever_differs_is_named_and_refused()
  self:lock()
  for _, name in ipairs { "a.bin", "b.bin", "base.lua", "lib/settings.lua", "lua/init.lua", "flash.lua", "c.bin" } do
    local before = harness.read(self.dir .. "/" .. name)
    self:put(name, before .. " ")
    local code, err = self:flash("--locked")
    lu.assertEquals(code, 7, name .. err)
    lu.assertStrContains(err, name .. " is not what moonflash.lock says")
    lu.assertEquals((self:flash()), 0, name)
    self:put(name, before)
  end
  self:put("lua/more.lua", "x")
  local code, err = self:flash("--locked")
  lu.assertEquals(code, 7)
  lu.assertStrContains(err, "lua/ is not what")
  os.remove(self.dir .. "/lua/more.lua")
  os.remove(self.dir .. "/c.bin")
  code, err = self:flash("--locked")
  lu.assertEquals(code, 7)
  lu.assertStrContains(err, "c.bin is in")
end

function TestLocked:test_a_file_that_is_in_no_lock_is_refused_when_it_is_read()
  self:lock()
  local text = harness.read(self.dir .. "/moonflash.lock")
  self:put("moonflash.lock", (text:gsub('    %["a.bin"%][^\n]*\n', "")))
  local code, err = self:flash("--locked")
  lu.assertEquals(code, 7)
  lu.assertStrContains(err, "a.bin is not in moonflash.lock")
end

function TestLocked:test_a_damaged_lock_is_named_with_its_line()
  self:lock()
  local text = harness.read(self.dir .. "/moonflash.lock")
  self:put("moonflash.lock", "<<<<<<< mine\n" .. text)
  local code, err = self:flash("--locked")
  lu.assertEquals(code, 6, err)
  lu.assertStrContains(err, "moonflash.lock:1:")
end

os.exit(lu.LuaUnit.run())
