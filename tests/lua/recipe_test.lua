-- What recipes are made of: parts, parameters, merging, the lines in messages.
local lu = require "luaunit"
local cli = require "moonflash.cli"
local errors = require "moonflash.errors"
local merge = require "moonflash.recipe_merge"
local mf = require "moonflash"
local params = require "moonflash.recipe_params"
local parts = require "moonflash.recipe_parts"
local recipe = require "moonflash.recipe"
local where = require "moonflash.recipe_where"

local function refused(code, needle, f, ...)
  local ok, e = pcall(f, ...)
  lu.assertFalse(ok, "accepted, not refused: " .. needle)
  lu.assertTrue(errors.is(e, code), tostring(e))
  lu.assertStrContains(e.message .. " | " .. (e.hint or ""), needle)
  return e
end

TestParts = {}

function TestParts:test_a_part_knows_its_line()
  local line = debug.getinfo(1, "l").currentline + 1
  lu.assertEquals(mf.bytes(0x1000, "x").at, ("tests/lua/recipe_test.lua:%d"):format(line))
  lu.assertStrContains(refused("usage", "size", mf.spiffs, "lua/", { size = "big" }).message,
    "recipe_test.lua:")
end

function TestParts:test_options_that_there_are_not_are_refused_with_a_near_one()
  refused("usage", "did you mean 'templates'", mf.spiffs, "lua/", { template = {} })
  refused("usage", "did you mean 'move'", mf.firmware, "x.bin", { files = "mov" })
  refused("usage", "'size' is a boolean", mf.spiffs, "lua/", { size = true })
  refused("usage", "its options are a string", mf.firmware, "0x00000.bin", "0x10000.bin")
end

function TestParts:test_what_makes_no_sense_is_refused()
  refused("usage", "a file or folder is wanted", mf.firmware, {})
  refused("usage", "a file or folder is wanted", mf.firmware)
  refused("usage", "whole sectors", mf.hole, 0x1001, 0x1000)
  refused("usage", "the name of a region", mf.hole, 0x1000)
  refused("usage", "nothing is said", mf.partition, {})
  refused("usage", "whole sectors", mf.partition, { lfs = 1000 })
  refused("usage", "there are none", mf.bytes, 0x1000, "")
  refused("usage", "bytes are wanted", mf.bytes, 0x1000, 12)
  refused("usage", "1.8 to 3.6", mf.init_data, { supply = 5 })
  refused("usage", "exclude each other", mf.init_data, { supply = 3.3, adc = "vdd" })
  refused("usage", "a text is wanted", mf.label, "x.txt")
  refused("usage", "negative", mf.file, -1, "x.bin")
end

function TestParts:test_init_data_in_the_words_of_people()
  lu.assertEquals(mf.init_data { adc = "vdd" }.fields, { vdd33 = 255 })
  lu.assertEquals(mf.init_data { supply = 3.3 }.fields, { vdd33 = 33 })
  lu.assertEquals(mf.init_data { crystal = 40 }.fields, { crystal = 0 })
  lu.assertEquals(mf.init_data { crystal = 26 }.fields, { crystal = 1 })
end

TestLines = {}

function TestLines:test_a_field_is_found_where_it_is_assigned()
  local text = "return mf.recipe {\n  api = 1, -- colour\n  params = {\n    ssid = {},\n"
    .. "    pin = { tpye = 1 },\n  },\n  ['odd-one'] = 2 }\n"
  lu.assertEquals(where.field(text, "f.lua", { "api" }), "f.lua:2")
  lu.assertEquals(where.field(text, "f.lua", { "params", "pin", "tpye" }), "f.lua:5")
  lu.assertEquals(where.field(text, "f.lua", { "odd-one" }), "f.lua:7")
  lu.assertEquals(where.field(text, "f.lua", { "colour" }), "f.lua")
  lu.assertEquals(where.field(nil, "f.lua", { "api" }), "f.lua")
end

function TestLines:test_an_error_gets_its_place_once()
  local e = refused("file", "f.lua:3: gone", where.within, "f.lua:3", errors.raise, "file", "gone")
  lu.assertEquals(e.message, "f.lua:3: gone")
  e = refused("file", "f.lua:9: gone", where.within, "f.lua:3", where.within, "f.lua:9",
    errors.raise, "file", "gone")
  lu.assertEquals(e.message, "f.lua:9: gone")
end

TestParams = {}

local function check(given) return params.check(given, recipe.OPTIONS, function() return "f.lua:1" end) end

function TestParams:test_a_default_alone_says_the_type()
  local list = check { name = "x", count = 3, level = 0.5, fast = false }
  local types = {}
  for _, p in ipairs(list) do types[p.name] = p.type end
  lu.assertEquals(types, { name = "string", count = "integer", level = "number", fast = "boolean" })
  lu.assertEquals(params.values(list, {}), { name = "x", count = 3, level = 0.5, fast = false })
end

function TestParams:test_values_are_read_by_their_type()
  local list = check { a = { type = "integer", min = 1, max = 70000 }, b = { type = "boolean" },
    c = { choices = { "red", "green" } }, d = { type = "number" },
    e = { pattern = "%x+", type = "string" } }
  local function value(name, text) return params.values(list, { ["param " .. name] = text })[name] end
  lu.assertEquals(value("a", "0x10"), 16)
  lu.assertEquals(value("a", "64k"), 65536)
  lu.assertEquals(value("b", { }), true)
  lu.assertEquals(value("b", { "no" }), false)
  lu.assertEquals(value("c", "green"), "green")
  lu.assertEquals(value("d", "-1.5"), -1.5)
  lu.assertEquals(value("e", "beef"), "beef")
  for name, bad in pairs { a = "70001", b = "maybe", c = "gren", d = "x", e = "beefy" } do
    refused("usage", "--" .. name, value, name, bad)
  end
  refused("usage", "did you mean 'green'", value, "c", "gren")
end

function TestParams:test_what_is_required_is_asked_for()
  local list = check { ssid = { required = true, help = "Wi-Fi name" } }
  refused("usage", "--ssid is needed | --ssid TEXT: Wi-Fi name", params.values, list, {})
end

function TestParams:test_wrong_declarations_are_refused_with_their_line()
  for needle, given in pairs {
    ["did you mean 'default'"] = { a = { defualt = 1 } },
    ["did you mean 'integer'"] = { a = { type = "integr" } },
    ["without 'choices'"] = { a = { type = "choice" } },
    ["has no choices"] = { a = { choices = {} } },
    ["has a default, x, that is no whole number"] = { a = { type = "integer", default = "x" } },
    ["required and has a default"] = { a = { required = true, default = 1 } },
    ["no Lua"] = { a = { pattern = "(" } },
    ["lower-case letters"] = { ["Ssid"] = "x" },
    ["--port is an option of every recipe"] = { port = "x" },
    ["--dry-run is an option"] = { dry_run = true },
    ["a table or a default"] = { a = print },
  } do
    if needle == "no Lua" then needle = "has a pattern that is none" end
    local e = refused("usage", needle, check, given)
    lu.assertStrContains(e.message, "f.lua:1: parameter")
  end
end

function TestParams:test_no_parameter_hides_an_option_of_the_program()
  for _, g in ipairs(cli.GLOBALS) do
    for option in g[1]:gmatch("%-%-[%w-]+") do
      lu.assertTrue(recipe.OPTIONS[option], option .. " could be hidden by a parameter")
    end
  end
end

TestMerge = {}

local function kinds(list)
  local words = {}
  for i, part in ipairs(list) do words[i] = parts.describe(part) end
  return words
end

function TestMerge:test_a_part_takes_the_place_of_its_counterpart()
  local base = { parts = { mf.firmware "old.bin", mf.bytes(0x1000, "a", "one"), mf.spiffs "lua/" } }
  local all = merge.two(base, { parts = { mf.spiffs "other/", mf.bytes(0x1000, "b", "two"),
    mf.bytes(0x2000, "c", "three") } })
  lu.assertEquals(kinds(all.parts), { "mf.firmware old.bin", "mf.bytes two", "mf.spiffs other/",
    "mf.bytes three" })
  lu.assertEquals(kinds(base.parts), { "mf.firmware old.bin", "mf.bytes one", "mf.spiffs lua/" })
end

function TestMerge:test_functions_of_the_parameters_are_merged_when_they_are_known()
  local all = merge.two({ parts = function(p) return { mf.firmware(p.file) } end },
    { parts = { mf.spiffs "lua/" } })
  lu.assertEquals(kinds(all.parts { file = "x.bin" }), { "mf.firmware x.bin", "mf.spiffs lua/" })
end

function TestMerge:test_hooks_of_both_are_called_the_first_one_first()
  local heard = {}
  local function note(word) return function(...) heard[#heard + 1] = word .. (...) end end
  local all = merge.two({ before = note "a", steps = { written = note "c" } },
    { before = note "b", steps = { written = note "d", planned = note "e" } })
  all.before "1"
  all.steps.written "2"
  all.steps.planned "3"
  lu.assertEquals(heard, { "a1", "b1", "c2", "d2", "e3" })
end

function TestMerge:test_parameters_and_flash_are_merged_field_by_field()
  local all = merge.two({ flash = { mode = "dio", size = "4M" }, chip = "esp8266",
    params = { a = { type = "string", required = true, help = "h" }, b = 1 } },
    { flash = { mode = "dout" }, chip = "esp8285", params = { a = "x", b = 2, c = true } })
  lu.assertEquals(all.flash, { mode = "dout", size = "4M" })
  lu.assertEquals(all.chip, "esp8285")
  local list = check(all.params)
  lu.assertEquals(params.values(list, {}), { a = "x", b = 2, c = true })
  lu.assertEquals(list[1].help, "h")
  lu.assertEquals(list[2].type, "integer")
end

TestResolve = {}

local function loader(files)
  return function(path)
    return files[path] or errors.raise("file", "there is no " .. path), "", path
  end
end

local function part() return mf.bytes(0x1000, "x") end

function TestResolve:test_variants_are_chosen_by_name_or_by_default()
  local r = mf.recipe { api = 1, parts = { part() }, variants = { dev = { chip = "esp8285" },
    production = {} } }
  lu.assertEquals(r:resolve({ file = "f.lua" }, loader {}, "dev").description.chip, "esp8285")
  refused("usage", "--variant dev or --variant production", r.resolve, r, { file = "f.lua" }, loader {})
  refused("usage", "did you mean 'dev'", r.resolve, r, { file = "f.lua" }, loader {}, "dve")
  r = mf.recipe { api = 1, parts = { part() }, variant = "dev", variants = { dev = { chip = "esp8285" } } }
  local resolved = r:resolve({ file = "f.lua" }, loader {})
  lu.assertEquals(resolved.variant, "dev")
  lu.assertEquals(resolved.description.chip, "esp8285")
end

function TestResolve:test_an_included_recipe_comes_first_and_its_variants_count()
  local base = mf.recipe { api = 1, parts = { part() }, chip = "esp8285",
    variants = { dev = { params = { a = "dev" } } }, params = { a = "base" } }
  local r = mf.recipe { api = 1, include = "base.lua", params = { b = 1 },
    variants = { dev = { params = { b = 2 } } } }
  local d = r:resolve({ file = "f.lua" }, loader { ["base.lua"] = base }, "dev")
  lu.assertEquals(d.description.chip, "esp8285")
  lu.assertEquals(params.values(d.params, {}), { a = "dev", b = 2 })
end

function TestResolve:test_includes_in_a_circle_or_from_elsewhere_are_refused()
  local a = mf.recipe { api = 1, include = "a.lua", parts = { part() } }
  refused("usage", "include each other", a.resolve, a, { file = "a.lua" }, loader { ["a.lua"] = a })
  local b = mf.recipe { api = 1, include = "../base.lua" }
  refused("usage", "another folder", b.resolve, b, { file = "f.lua" }, loader {})
  local c = mf.recipe { api = 1, include = "c.lua" }
  refused("usage", "returns no recipe", c.resolve, c, { file = "f.lua" }, loader { ["c.lua"] = 7 })
end

function TestResolve:test_wrong_fields_are_refused_with_their_line()
  local function resolve(text)
    local r = load("local mf = require 'moonflash' return " .. text)()
    return r:resolve({ file = "f.lua", text = text }, loader {})
  end
  for text, want in pairs {
    ["mf.recipe {\n api = 1,\n colour = 1, parts = {} }"] = "f.lua:3: a recipe has no field 'colour'",
    ["mf.recipe { api = 1,\n befor = print }"] = "did you mean 'before'",
    ["mf.recipe { api = 1,\n\n parts = 'x' }"] = "f.lua:3: 'parts' is a string, not a table or a function",
    ["mf.recipe { api = 1,\n parts = { 'x' } }"] = "f.lua:2: part 1 is none",
    ["mf.recipe { api = 1,\n parts = { x = 1 } }"] = "'x' is no place",
    ["mf.recipe { api = 1 }"] = "it has no parts",
    ["mf.recipe { api = 2 }"] = "api = 2",
    ["mf.recipe { api = 1, parts = { mf.bytes(4096, 'x') },\n flash = { mode = 'qoi' } }"] = "f.lua:2",
    ["mf.recipe { api = 1, parts = { mf.bytes(4096, 'x') },\n flash = { sise = 1 } }"]
      = "did you mean 'size'",
    ["mf.recipe { api = 1, parts = { mf.bytes(4096, 'x') }, chip = 'esp32' }"] = "no chip 'esp32'",
    ["mf.recipe { api = 1, parts = { mf.bytes(4096, 'x') },\nsteps = { writen = print } }"]
      = "did you mean 'written'",
    ["mf.recipe { api = 1, stages = {} }"] = "no stages",
    ["mf.recipe { api = 1, stages = { { name = 'x' } } }"] = "stage 1 has no parts",
    ["mf.recipe { api = 1, parts = { mf.bytes(4096, 'x') }, stages = { { parts = {} } } }"]
      = "parts and stages",
    ["mf.recipe { api = 1, parts = { mf.bytes(4096, 'x') }, serial = { format = 'S' } }"]
      = "formats no number",
    ["mf.recipe { api = 1, parts = { mf.bytes(4096, 'x') }, units = {} }"] = "a file or from a pool",
    ["mf.recipe { api = 1, parts = { mf.bytes(4096, 'x') }, test = { boards = {} } }"]
      = "did you mean 'board'",
    ["mf.recipe { api = 1, parts = { mf.bytes(4096, 'x') },\n variants = { dev = { tset = {} } } }"]
      = "variant 'dev' has no field 'tset'",
  } do
    refused("usage", want, resolve, text)
  end
end

os.exit(lu.LuaUnit.run())
