-- Parameters, variants, units, serial numbers, labels, hooks and stages of recipes, as a
-- user runs them.
package.path = "tests/cmd/?.lua;" .. package.path
local dkjson = require "dkjson"
local harness = require "harness"
local lfs = require "lfs"
local lu = require "luaunit"

TestUnits = {}

function TestUnits:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
  harness.state = self.dir .. "/state"
end

function TestUnits:tearDown() harness.remove(self.dir) end

function TestUnits:file(name, text) harness.write(self.dir .. "/" .. name, text) end

function TestUnits:recipe(body)
  self:file("flash.lua", "local mf = require 'moonflash'\nreturn mf.recipe { api = 1,\n" .. body .. " }\n")
end

-- Options of the board before "--", as in { "mac=...", "--", ... }.
function TestUnits:run(board, ...)
  return harness.run("-p", ("sim:%s?size=512K%s"):format(self.flash, board and "&" .. board or ""),
    self.dir .. "/flash.lua", ...)
end

function TestUnits:good(board, ...)
  local out, err, code = self:run(board, ...)
  lu.assertEquals(code, 0, err)
  return harness.read(self.flash), out, err
end

function TestUnits:refused(exit, needle, ...)
  local out, err, code = self:run(nil, ...)
  lu.assertStrContains(err, needle)
  lu.assertEquals(code, exit, err)
  lu.assertNotStrContains(out, "ok:")
  lu.assertNotStrContains(err, "traceback")
  return err
end

local function at(flash, addr, size) return flash:sub(addr + 1, addr + size) end

-- ---- parameters and variants ----

function TestUnits:test_parameters_are_options_and_parts_may_depend_on_them()
  self:recipe [[about = "Puts words into flash.", params = { word = { required = true, help = "a word" },
    times = 2, place = { choices = { "here", "there" }, default = "here" }, extra = false },
    parts = function(p) return { mf.bytes(p.place == "here" and 0x1000 or 0x2000,
      p.word:rep(p.times)), p.extra and mf.bytes(0x3000, "extra") or nil } end]]
  lu.assertEquals(at(self:good(nil, "--word", "ab"), 0x1000, 4), "abab")
  local flash = self:good(nil, "--word=cd", "--times", "3", "--place", "there", "--extra")
  lu.assertEquals(at(flash, 0x2000, 6), "cdcdcd")
  lu.assertEquals(at(flash, 0x3000, 5), "extra")
  self:refused(2, "--word is needed")
  self:refused(2, "did you mean 'there'", "--word", "x", "--place", "ther")
  self:refused(2, "unknown option '--tmes'", "--word", "x", "--tmes", "3")
  self:refused(2, "--times: 'many' is no whole number", "--word", "x", "--times", "many")
  local out = harness.run(self.dir .. "/flash.lua", "--help")
  for _, text in ipairs { "Puts words into flash.", "--word TEXT", "a word (required)",
    "--times N", "(default: 2)", "--place here|there", "--dry-run" } do
    lu.assertStrContains(out, text)
  end
end

function TestUnits:test_variants_change_a_recipe_by_name()
  self:recipe [[params = { word = "base" }, parts = function(p) return { mf.bytes(0x1000, p.word) } end,
    variants = { dev = { params = { word = "devel" } }, production = { parts = { mf.bytes(0x1000, "prod") } } }]]
  self:refused(2, "--variant dev or --variant production")
  self:refused(2, "did you mean 'dev'", "--variant", "dve")
  lu.assertEquals(at(self:good(nil, "--variant", "dev"), 0x1000, 5), "devel")
  lu.assertEquals(at(self:good(nil, "--variant=dev", "--word", "cli"), 0x1000, 3), "cli")
  lu.assertEquals(at(self:good(nil, "--variant", "production"), 0x1000, 4), "prod")
  local out = harness.run(self.dir .. "/flash.lua", "--help")
  lu.assertStrContains(out, "dev|production")
end

function TestUnits:test_an_included_recipe_is_changed_by_the_one_that_includes_it()
  self:file("base.lua", [[local mf = require "moonflash"
return mf.recipe { api = 1, params = { word = "base" },
  parts = function(p) return { mf.bytes(0x1000, p.word), mf.bytes(0x2000, "kept") } end,
  before = function(dev) dev:log("base was asked first") end }]])
  self:recipe [[include = "base.lua", params = { word = "mine" }, parts = { mf.bytes(0x3000, "more") },
    before = function(dev) dev:log("then this one") end]]
  local flash, _, err = self:good()
  lu.assertEquals(at(flash, 0x1000, 4) .. at(flash, 0x2000, 4) .. at(flash, 0x3000, 4), "minekeptmore")
  lu.assertStrContains(err, "base was asked first\nthen this one")
  self:file("base.lua", "return mf.recipe { }")
  self:refused(1, "base.lua:1")
  self:file("base.lua", "local mf = require 'moonflash'\nreturn mf.recipe { api = 1,\n colour = 1, parts = {} }")
  self:refused(2, "base.lua:3: a recipe has no field 'colour'")
end

-- ---- units ----

local UNITS <const> = "mac,chip_id,serial,key\n60:01:94:00:00:01,,,one\n,0a0b0c,,two\n,,S-3,three\n"

function TestUnits:test_a_row_is_found_by_mac_chip_id_or_serial_number()
  self:file("units.csv", UNITS)
  self:recipe [[units = "units.csv", parts = { mf.bytes(0x1000, function(u) return u.row.key end),
    mf.bytes(0x2000, "{{key}}/{{mac}}/{{chip_id}}", { template = true }) }]]
  local flash = self:good "mac=60:01:94:00:00:01"
  lu.assertEquals(at(flash, 0x1000, 3), "one")
  lu.assertEquals(at(flash, 0x2000, 28), "one/60:01:94:00:00:01/000001")
  lu.assertEquals(at(self:good "mac=60:01:94:0a:0b:0c", 0x1000, 3), "two")
  lu.assertEquals(at(self:good(nil, "--serial", "S-3"), 0x1000, 5), "three")
  local before = harness.read(self.flash)
  self:refused(5, "units.csv has no row for this unit (MAC 60:01:94:a5:b6:9c, chip id a5b69c)")
  lu.assertTrue(harness.read(self.flash) == before)
  self:file("others.json", '{"60:01:94:a5:b6:9c": {"key": "json"}}')
  lu.assertEquals(at(self:good(nil, "--units", "others.json"), 0x1000, 4), "json")
end

function TestUnits:test_a_wrong_table_is_refused_before_connecting()
  self:file("units.csv", "mac,key\nfoo,1\n")
  self:recipe 'units = "units.csv", parts = { mf.bytes(0x1000, "{{key}}", { template = true }) }'
  local err = self:refused(6, "flash.lua:3: units.csv:2: 'foo' is no MAC address")
  lu.assertNotStrContains(err, "ESP8266EX")
  self:file("units.csv", "mac,kee\n60:01:94:a5:b6:9c,1\n")
  err = self:refused(6, "there is no value for {{key}}")
  lu.assertStrContains(err, "did you mean 'kee'")
  lu.assertNotStrContains(err, "ESP8266EX")
  self:recipe 'units = "missing.csv", parts = { mf.bytes(0x1000, "x") }'
  self:refused(6, "missing.csv")
end

function TestUnits:test_the_recipes_own_function_makes_values_too()
  self:recipe [[unit = function(u, dev) return { word = u.mac:sub(-2) .. dev:flash().size } end,
    parts = { mf.bytes(0x1000, "{{word}}", { template = true }) }]]
  lu.assertEquals(at(self:good(), 0x1000, 8), "9c524288")
  self:recipe [[unit = function(u) return "x" end, parts = { mf.bytes(0x1000, "y") }]]
  self:refused(1, "'unit' returned a string, not a table")
  self:recipe [[unit = function(u) return {} end,
    parts = { mf.bytes(0x1000, "{{word}}", { template = true, name = "mark" }) }]]
  self:refused(6, "mark:1: there is no value for {{word}}")
end

-- ---- serial numbers and labels ----

function TestUnits:test_serial_numbers_come_from_the_ledger_and_stay_with_the_unit()
  self:recipe [[serial = { first = 41, format = "X-%03d" },
    parts = { mf.bytes(0x1000, "{{serial}}", { template = true }) }]]
  local ledger = self.dir .. "/line.db"
  self:refused(2, "flash.lua:3: serial numbers come from the ledger")
  lu.assertEquals(at(self:good("mac=60:01:94:00:00:01", "--ledger", ledger), 0x1000, 5), "X-041")
  lu.assertEquals(at(self:good("mac=60:01:94:00:00:02", "--ledger", ledger), 0x1000, 5), "X-042")
  lu.assertEquals(at(self:good("mac=60:01:94:00:00:01", "--ledger", ledger), 0x1000, 5), "X-041")
  lu.assertEquals(at(self:good("mac=60:01:94:00:00:03", "--serial", "X-007"), 0x1000, 5), "X-007")
  local _, out, err = self:good("mac=60:01:94:00:00:04", "--ledger", ledger, "--dry-run")
  lu.assertStrContains(out, "nothing was changed")
  lu.assertEquals(at(self:good("mac=60:01:94:00:00:05", "--ledger", ledger), 0x1000, 5), "X-043", err)
end

function TestUnits:test_a_serial_number_is_used_once_the_write_is_proven()
  self:recipe [[serial = { format = "N%d" }, params = { bad = false }, parts = { mf.bytes(0x1000, "x") },
    steps = { planned = function(dev) if dev.params.bad then error("no") end end }]]
  local ledger = self.dir .. "/line.db"
  self:good("mac=60:01:94:00:00:01", "--ledger", ledger)
  local _, _, code = self:run("mac=60:01:94:00:00:02", "--ledger", ledger, "--bad")
  lu.assertEquals(code, 1)
  local out = harness.run("ledger", "release", "--ledger", ledger)
  lu.assertStrContains(out, "60:01:94:00:00:02")
  lu.assertNotStrContains(out, "60:01:94:00:00:01")
end

function TestUnits:test_a_unit_that_is_refused_uses_up_no_serial_number()
  self:file("units.csv", "mac\n60:01:94:00:00:01\n60:01:94:00:00:02\n")
  self:recipe [[units = "units.csv", serial = { format = "%d" },
    parts = { mf.bytes(0x1000, "{{serial}}", { template = true }) }]]
  local ledger = self.dir .. "/line.db"
  self:good("mac=60:01:94:00:00:01", "--ledger", ledger)
  self:refused(5, "no row", "--ledger", ledger)
  lu.assertEquals(at(self:good("mac=60:01:94:00:00:02", "--ledger", ledger), 0x1000, 1), "2")
end

function TestUnits:test_a_label_needs_permission_before_the_chip_is_touched()
  self:recipe [[params = { lot = "7" }, parts = { mf.bytes(0x1000, "x"),
    mf.label("labels/{{mac_plain}}.txt", "{{mac}} lot {{lot}}\n"),
    mf.label("all.csv", "{{mac}}\n", { append = true }) }]]
  local err = self:refused(7, "may not write labels/")
  lu.assertNotStrContains(err, "ESP8266EX")
  local allow = "--allow=write=" .. self.dir
  self:good(nil, allow)
  self:good(nil, allow)
  lu.assertEquals(harness.read(self.dir .. "/labels/600194a5b69c.txt"), "60:01:94:a5:b6:9c lot 7\n")
  lu.assertEquals(harness.read(self.dir .. "/all.csv"), ("60:01:94:a5:b6:9c\n"):rep(2))
end

function TestUnits:test_no_value_leads_a_label_into_another_folder()
  self:file("units.csv", "mac,name\n60:01:94:a5:b6:9c,../../evil\n")
  self:recipe [[units = "units.csv", parts = { mf.bytes(0x1000, "x"), mf.label("l/{{name}}.txt", "x") }]]
  self:refused(8, "no file can be called", "--allow=write=" .. self.dir)
  lu.assertNil(lfs.attributes(self.dir .. "/evil.txt"))
end

function TestUnits:test_no_label_for_a_unit_that_failed()
  self:recipe [[parts = { mf.bytes(0x1000, "x"), mf.label("label.txt", "good") },
    after = function(dev) dev:refuse("it does not work") end]]
  self:refused(8, "it does not work", "--allow=write=" .. self.dir)
  lu.assertNil(lfs.attributes(self.dir .. "/label.txt"))
end

-- ---- hooks, steps, stages ----

function TestUnits:test_hooks_are_called_in_their_order_with_the_board()
  self:file("hello.bin", harness.read "examples/hello/hello.bin")
  self:recipe [[parts = { mf.file(0, "hello.bin") },
    before = function(dev) dev:log("before %s %s", dev.mac, dev.unit) end,
    steps = {
      connected = function(dev) dev:log("connected %s", dev.unit.chip_id) end,
      planned = function(dev, stage, rows) dev:log("planned %s %s", #rows, rows[1].action) end,
      written = function(dev) dev:log("written %02x", dev:read(0, 1):byte()) end,
      booted = function(dev) dev:log("booted") end,
    },
    after = function(dev) dev:log("after %s", dev:match("count (%d+)", 3)) end]]
  local _, _, err = self:good()
  local at_last = 0
  for _, line in ipairs { "before 60:01:94:a5:b6:9c nil", "connected a5b69c", "planned 1 write",
    "written e9", "booted", "after 1" } do
    local found = err:find(line, at_last + 1, true)
    lu.assertNotNil(found, line .. " is not in:\n" .. err)
    at_last = found
  end
end

function TestUnits:test_every_step_is_an_event()
  self:recipe [[parts = { mf.bytes(0x1000, "x") }, serial = { format = "%d" }]]
  local _, out = self:good(nil, "--json", "--serial", "77")
  local steps = {}
  for line in out:gmatch("[^\n]+") do
    local e = dkjson.decode(line)
    if e.event == "step" then
      steps[#steps + 1] = e.step
      if e.step == "planned" then
        lu.assertEquals(e.regions[1], { action = "write", addr = 0x1000, name = "bytes", size = 1 })
      elseif e.step == "written" then
        lu.assertEquals(e.serial, "77")
      end
    end
  end
  lu.assertEquals(table.concat(steps, " "), "checked connected unit planned written done")
end

function TestUnits:test_every_event_is_as_the_schema_says()
  local events = require "moonflash.events"
  local schema = events.parse(events.schema_text { "." })
  local function holds(...)
    local out = harness.run("--json", ...)
    lu.assertStrContains(out, '"event":"ok"')
    lu.assertEquals(events.check_stream(schema, out), {})
  end
  self:recipe [[parts = { mf.bytes(0x1000, "x"), mf.label("l.txt", "x") }, variants = { a = {} },
    variant = "a", test = { expect = function(t) t:expect_bytes(0x1000, "x") end }]]
  holds("-p", "sim:" .. self.flash, self.dir .. "/flash.lua", "--allow=write=" .. self.dir)
  holds("-p", "sim:" .. self.flash, self.dir .. "/flash.lua", "--dry-run")
  holds("test", self.dir .. "/flash.lua")
  holds("init", self.dir .. "/new")
  holds("-p", "sim:" .. self.dir .. "/p.flash", "examples/plain/flash.lua")
end

function TestUnits:test_many_boards_at_once_each_get_their_own()
  self:file("units.csv", "mac,key\n60:01:94:00:00:01,one\n60:01:94:00:00:02,two\n60:01:94:00:00:03,three\n")
  self:recipe [[units = "units.csv", serial = { format = "S%d" },
    parts = { mf.bytes(0x1000, function(u) return u.row.key .. " " .. u.serial end) },
    after = function(dev) dev:log("%s has %s", dev.mac, dev.unit.row.key) end]]
  local ports = {}
  for i = 1, 3 do
    ports[i] = ("sim:%s/%d.flash?size=512K&mac=60:01:94:00:00:0%d"):format(self.dir, i, i)
  end
  local _, err, code = harness.run("gang", "--once", "--ports", table.concat(ports, ","), "--ledger",
    self.dir .. "/line.db", self.dir .. "/flash.lua")
  lu.assertEquals(code, 0, err)
  local seen = {}
  for i, word in ipairs { "one", "two", "three" } do
    local text = harness.read(("%s/%d.flash"):format(self.dir, i)):sub(0x1001, 0x1020)
    local serial = text:match("^" .. word .. " (S[123])\xff")
    lu.assertNotNil(serial, text)
    seen[serial] = true
  end
  lu.assertEquals(seen, { S1 = true, S2 = true, S3 = true })
end

function TestUnits:test_on_error_hears_what_failed_and_cannot_hide_it()
  self:recipe [[parts = { mf.bytes(0x1000, "x") },
    after = function(dev) dev:expect("never said", 0.2) end,
    on_error = function(dev, message) dev:log("heard: %s", message) error("and more") end]]
  local err = self:refused(8, "heard: \"never said\" was not heard")
  lu.assertStrContains(err, "warning: on_error: ")
end

function TestUnits:test_the_boards_loader_is_gone_once_the_firmware_runs()
  self:file("hello.bin", harness.read "examples/hello/hello.bin")
  self:recipe [[parts = { mf.file(0, "hello.bin") },
    after = function(dev) dev:expect("hello from moonflash", 3)
      dev:read(0, 4) end]]
  self:refused(8, "dev:read needs the loader")
end

function TestUnits:test_words_of_memory_can_be_read_in_a_hook()
  self:recipe [[parts = { mf.bytes(0x1000, "x") },
    before = function(dev) dev:log("%08x", dev:peek(0x40001000)) end]]
  local _, _, err = self:good()
  lu.assertStrContains(err, "fff0c101")
end

function TestUnits:test_stages_share_a_connection_and_all_are_checked_first()
  self:file("hello.bin", harness.read "examples/hello/hello.bin")
  self:recipe [[stages = {
      { name = "one", parts = { mf.file(0, "hello.bin") },
        after = function(dev) dev:log("stage one: %s", dev:match("count %d", 3)) end },
      { name = "two", parts = { mf.bytes(0x1000, "two") } } },
    after = function(dev) dev:log("all done") end]]
  local flash, out, err = self:good()
  lu.assertStrContains(err, "stage one: count 1")
  lu.assertStrContains(err, "all done")
  lu.assertEquals(at(flash, 0x1000, 3), "two")
  lu.assertEquals(flash:byte(1), 0xE9)
  lu.assertStrContains(out, "387 bytes verified")
  self:recipe [[stages = { { name = "one", parts = { mf.bytes(0x1000, "first") } },
      { name = "two", parts = { mf.bytes(0x7f000, ("x"):rep(5000)) } } }]]
  self:refused(6, "behind this chip's 512 KB of flash")
  lu.assertEquals(at(harness.read(self.flash), 0x1000, 3), "two")
end

function TestUnits:test_a_failed_stage_ends_the_run()
  self:file("hello.bin", harness.read "examples/hello/hello.bin")
  self:recipe [[stages = {
      { name = "one", parts = { mf.file(0, "hello.bin") },
        after = function(dev) dev:expect("verdict", 0.3) end },
      { name = "two", parts = { mf.bytes(0x1000, "two") } } }]]
  self:refused(8, "\"verdict\" was not heard within 0.3 s")
  lu.assertEquals(at(harness.read(self.flash), 0x1000, 3), "\xff\xff\xff")
end

function TestUnits:test_a_dry_run_changes_nothing_and_shows_the_regions()
  self:recipe [[parts = { mf.bytes(0x1000, "x"), mf.hole(0x2000, 0x1000) },
    steps = { written = function() error("not reached") end }, after = function() error("nor this") end]]
  local flash, out = self:good(nil, "--dry-run")
  lu.assertNil(flash:find("[^\xff]"))
  lu.assertStrContains(out, "0x001000..0x001000  write")
  lu.assertStrContains(out, "0x002000..0x002fff  keep")
  lu.assertStrContains(out, "ok: nothing was changed")
end

-- ---- tests of recipes ----

function TestUnits:test_several_tests_with_parameters_and_refusals()
  self:recipe [[params = { word = "a" }, parts = function(p) return { mf.bytes(0x1000, p.word),
      mf.label("l.txt", "{{word}}") } end,
    before = function(dev) if dev.params.word == "no" then dev:refuse("not that word") end end,
    test = { { name = "first", board = { size = "512K" }, given = function(t) t:put(0x2000, "old") end,
        expect = function(t) t:expect_bytes(0x1000, "a") t:expect_bytes(0x2000, "old")
          t:expect_written("l.txt", "a") end },
      { name = "second", params = { word = "bc" }, board = { size = "512K" },
        expect = function(t) t:expect_bytes(0x1000, "bc") end },
      { name = "third", params = { word = "no" }, board = { size = "512K" }, fails = "not that word" },
      { name = "fourth", board = { size = "512K" }, fails = "something else" },
      { name = "fifth", params = { word = "late" }, board = { size = "512K" }, fails = "too late" } },
    after = function(dev) if dev.params.word == "late" then dev:refuse("too late") end end]]
  local out, err, code = harness.run("test", self.dir .. "/flash.lua")
  lu.assertEquals(code, 1, err)
  for _, line in ipairs { "ok 1 - first: 1 byte at 0x001000", "ok 4 - second: 2 bytes at 0x001000",
    "ok 5 - third: it refuses: not that word", "ok 6 - third: flash is as it was",
    "not ok 7 - fourth: it refuses: something else", "ok 8 - fifth: it refuses: too late",
    "not ok 9 - fifth: flash is as it was" } do
    lu.assertStrContains(out, line)
  end
  out, err, code = harness.run("test", self.dir .. "/flash.lua", "--only", "second", "--word", "zz")
  lu.assertEquals(code, 1, err)
  lu.assertStrContains(out, "not ok 1 - second")
  _, err, code = harness.run("test", self.dir .. "/flash.lua", "--only", "sixth")
  lu.assertEquals(code, 2, err)
end

-- ---- a new project ----

function TestUnits:test_a_new_project_is_tested_as_soon_as_it_has_a_firmware()
  local project = self.dir .. "/thermometer"
  local out, err, code = harness.run("init", project)
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "wrote  flash.lua")
  _, err, code = harness.run("test", project .. "/flash.lua")
  lu.assertEquals(code, 6, err)
  lu.assertStrContains(err, ": firmware has no firmware")
  for _, name in ipairs { "0x00000.bin", "0x10000.bin" } do
    harness.write(project .. "/firmware/" .. name, harness.read("examples/plain/firmware/" .. name))
  end
  out, err, code = harness.run("test", project .. "/flash.lua")
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "ok: 2 expectations hold")
end

function TestUnits:test_init_overwrites_nothing()
  self:file("flash.lua", "mine")
  self:file(".gitignore", "build/")
  local out, err, code = harness.run("init", self.dir .. "/")
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "kept   flash.lua")
  lu.assertEquals(harness.read(self.dir .. "/flash.lua"), "mine")
  lu.assertEquals(harness.read(self.dir .. "/.gitignore"):sub(1, 7), "build/\n")
  local text = harness.read(self.dir .. "/FLASHING.md")
  out = harness.run("init", self.dir)
  lu.assertStrContains(out, "ok: nothing was missing")
  lu.assertEquals(harness.read(self.dir .. "/FLASHING.md"), text)
  _, err, code = harness.run("init", self.dir .. "/flash.lua")
  lu.assertEquals(code, 2)
  lu.assertStrContains(err, "is a file")
end

os.exit(lu.LuaUnit.run())
