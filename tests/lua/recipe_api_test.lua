-- Every public name of the recipe interface is in the man page and in the examples'
-- README, and in an example or a test that uses it.
local lfs = require "lfs"
local lu = require "luaunit"

TestRecipeInterface = {}

local function read(path)
  local f <close> = assert(io.open(path))
  return f:read "a"
end

-- All recipes of the examples and all tests of recipes.
local function uses()
  local list = {}
  for folder in lfs.dir "examples" do
    local path = ("examples/%s/flash.lua"):format(folder)
    if lfs.attributes(path) then list[#list + 1] = read(path) end
  end
  for _, name in ipairs { "recipe", "recipe_parts", "recipe_units", "escape" } do
    list[#list + 1] = read(("tests/cmd/%s_test.lua"):format(name))
  end
  return table.concat(list)
end

-- "NAME:METHOD" of each method that a module's source defines for others.
local function methods(path, object, name)
  local list = {}
  for method in read(path):gmatch("\n" .. "function " .. object .. ":(%l[%w_]*)") do
    list[#list + 1] = name .. ":" .. method
  end
  return list
end

local function public()
  local list = methods("lualib/moonflash/recipe_dev.lua", "methods", "dev")
  table.move(methods("lualib/moonflash/board_test.lua", "board_test", "t"), 1, 99, #list + 1, list)
  list[#list + 1], list[#list + 2] = "dev:show", "t:run_again"
  for name, value in pairs(require "moonflash") do
    if type(value) == "function" then list[#list + 1] = "mf." .. name end
  end
  return list
end

function TestRecipeInterface:test_every_name_is_documented_and_used()
  local texts = { ["the man page"] = read "src/package/moonflash-recipe.5.scd",
    ["examples/README.md"] = read "examples/README.md", ["an example or a test"] = uses() }
  local names = public()
  lu.assertTrue(#names > 35, #names)
  for _, name in ipairs(names) do
    for where, text in pairs(texts) do
      lu.assertNotNil(text:find(name .. "%f[^%w_]"), name .. " is not in " .. where)
    end
  end
end

os.exit(lu.LuaUnit.run())
