-- Templates: what is filled in, and what is refused.
local lu = require "luaunit"
local errors = require "moonflash.errors"
local project = require "moonflash.template_project"
local template = require "moonflash.template"

TestTemplate = {}

local function fails(f, ...)
  local ok, e = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "file"), tostring(e))
  return e
end

function TestTemplate:test_values_take_the_place_of_their_names()
  lu.assertEquals(template.fill("a={{a}} b={{ b }}{{a}}", "f", { a = "x", b = 7 }), "a=x b=7x")
  lu.assertEquals(template.fill("{{flag}}", "f", { flag = false }), "false")
  lu.assertEquals(template.fill("nothing { } to }} do", "f", {}), "nothing { } to }} do")
end

function TestTemplate:test_four_braces_stand_for_two()
  lu.assertEquals(template.fill("{{{{a}} {{a}}", "f", { a = 1 }), "{{a}} 1")
end

function TestTemplate:test_a_value_is_not_filled_in_again()
  lu.assertEquals(template.fill("{{a}}", "f", { a = "{{b}}" }), "{{b}}")
end

function TestTemplate:test_lua_values_are_what_lua_reads_back()
  for _, value in ipairs { 'a"b\\c', "line\nnext\0end\r\xff", "", "it's" } do
    local text = template.fill("return {{v|lua}}", "f", { v = value })
    lu.assertEquals(load(text)(), value)
    lu.assertNil(text:find("[%c\x80-\xff]"))
  end
  lu.assertEquals(load(template.fill("return {{v|lua}}", "f", { v = 12 }))(), 12)
end

function TestTemplate:test_json_values_are_what_json_reads_back()
  local json = require "dkjson"
  for _, value in ipairs { 'a"b\\c', "tab\tline\nnext\r\1", "Grüße" } do
    lu.assertEquals(json.decode(template.fill("[{{v|json}}]", "f", { v = value }))[1], value)
  end
  lu.assertEquals(template.fill("{{v|json}}", "f", { v = true }), "true")
  lu.assertEquals(template.fill("{{v|hex}}", "f", { v = "\0\xffA" }), "00ff41")
end

function TestTemplate:test_a_name_without_a_value_is_refused_with_its_line_and_a_near_one()
  local e = fails(template.fill, "one\ntwo {{sid}}\n", "config.json", { ssid = "x" })
  lu.assertStrContains(e.message, "config.json:2: there is no value for {{sid}}")
  lu.assertStrContains(e.hint, "ssid")
  e = fails(template.check, "\n\n{{pasword}}", "c.lua", { password = true })
  lu.assertStrContains(e.message, "c.lua:3")
  lu.assertStrContains(e.hint, "password")
  template.check("{{password}}", "c.lua", { password = true })
end

function TestTemplate:test_what_is_no_placeholder_is_refused()
  for _, text in ipairs { "{{", "{{}}", "{{a", "{{a b}}", "{{1}}", "{{a|base64}}", "{{a|}x}" } do
    fails(template.fill, text, "f", { a = 1 })
  end
  fails(template.fill, "{{a}}", "f", { a = {} })
end

function TestTemplate:test_patterns_of_names()
  lu.assertTrue(template.matches("config.json", { "*.json" }))
  lu.assertTrue(template.matches("http/index.html", { "x", "http/*" }))
  lu.assertFalse(template.matches("config_json", { "*.json" }))
  lu.assertFalse(template.matches("aconfig.json", { "config.json" }))
  lu.assertTrue(template.matches("a[1]-%+.lua", { "a[1]-%+.lua" }))
end

TestProject = {}

function TestProject:test_the_recipe_of_a_new_project_is_lua_whatever_its_name_is()
  for _, name in ipairs { "thermometer", 'a "quoted" name', "a\\b]]", "--" } do
    local files = project.files(name)
    local paths = {}
    for _, file in ipairs(files) do
      paths[#paths + 1] = file.path
      if file.path == "flash.lua" then lu.assertNotNil(load(file.text), name) end
    end
    lu.assertEquals(paths, { "flash.lua", "lua/init.lua", "firmware/README.md", "FLASHING.md" })
  end
end

function TestProject:test_gitignore_gets_what_it_lacks()
  local all = project.ignore(nil)
  lu.assertStrContains(all, "*.flash\n")
  lu.assertEquals(project.ignore(all), "")
  lu.assertEquals(project.ignore("build\n*.mfb\n*.flash\n"), "")
  lu.assertEquals(project.ignore("build"):sub(1, 1), "\n")
  lu.assertStrContains(project.ignore("*.mfb\n"), "*.flash")
  lu.assertNotStrContains(project.ignore("*.mfb\n"), "*.mfb")
end

os.exit(lu.LuaUnit.run())
