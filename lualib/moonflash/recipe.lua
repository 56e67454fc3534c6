--- Recipes: what should be in flash, as a table in a project's repository.
--
--     local mf = require "moonflash"
--     return mf.recipe {
--       api   = 1,
--       parts = { mf.firmware "build/nodemcu.bin", mf.spiffs "lua/" },
--     }
--
-- Everything is read and checked before the chip is touched, and laid out and checked
-- again, with what is known of the chip, before its first byte changes. File names are
-- relative to the recipe's own folder.
-- @module moonflash.recipe
local errors <const> = require "moonflash.errors"
local recipe_merge <const> = require "moonflash.recipe_merge"
local recipe_params <const> = require "moonflash.recipe_params"
local recipe_parts <const> = require "moonflash.recipe_parts"
local schema <const> = require "moonflash.recipe_schema"
local names_of <const> = require("moonflash.text").names
local where <const> = require "moonflash.recipe_where"

local recipe = {}
recipe.__index = recipe

--- The version of what is described here; a recipe says which one it was written for.
recipe.API = schema.API

local MAX_INCLUDES <const> = 8

--- Makes a recipe of its description.
-- @tparam table description
--
-- * `api`: 1
-- * `name`, `about`: for people; `about` is in `moonflash flash.lua --help`
-- * `chip`: "esp8266" (also an ESP8285) or "esp8285"; refused on another
-- * `flash`: `mode` ("auto", "keep", "qio", "qout", "dio", "dout"), `freq`, `size`
--   ("detect", "keep", "4M") of the boot header
-- * `parts`: a list of parts (@{moonflash.recipe_parts}), or a function of the
--   parameters that returns one; or `stages`: a list of { name, parts, flash, and
--   hooks }, carried out one after the other on the same connection
-- * `params`: options of the command line (@{moonflash.recipe_params})
-- * `include`: another recipe's file (or several) that this one changes;
--   `variants`: named changes, chosen by `--variant`; `variant`: the one that counts
--   when none is chosen (@{moonflash.recipe_merge} has the rules)
-- * `units`: a CSV or JSON file with a row per unit, or { pool = NAME } of the ledger;
--   `serial`: { first, format } of numbers from the ledger; `unit(u, dev)`: returns
--   values for the templates (@{moonflash.recipe_unit})
-- * `before(dev)`: called when connected; `after(dev)` when all is proven;
--   `on_error(dev, message)` when something fails once the chip is connected;
--   `steps`: { connected, planned, written, booted }, called with `dev`
--   (@{moonflash.recipe_dev}), the stage's name and, for `planned`, the rows of
--   @{moonflash.recipe_map}. An error in `before`, `connected` or `planned` stops
--   everything before the first erase.
-- * `test`: one test or a list of them (@{moonflash.board_test})
-- @treturn recipe
-- @raise `usage`
function recipe.new(description)
  if type(description) ~= "table" or recipe_parts.is(description) then
    where.raise(where.caller(), "usage", "mf.recipe takes a table")
  end
  return setmetatable({ description = description }, recipe)
end

--- Whether a value is a recipe.
function recipe.is(value)
  return getmetatable(value) == recipe
end

local function included(d)
  if type(d.include) == "string" then return { d.include } end
  return d.include or {}
end

local function folder_of(path) return path:match("^.*/") or "" end

local function without(d, name)
  local copy = {}
  for k, v in pairs(d) do copy[k] = v end
  copy[name] = nil
  return copy
end

-- A recipe's description with those that it includes, deepest first.
local function whole(d, source, loader, depth)
  schema.recipe(d, source)
  local all
  for _, path in ipairs(included(d)) do
    local at = where.field(source.text, source.file, { "include" })
    if depth >= MAX_INCLUDES then
      where.raise(at, "usage", "recipes that include each other")
    elseif folder_of(path) ~= "" then
      where.raise(at, "usage", ("'%s' is in another folder, where its file names mean other files")
        :format(path), "an included recipe lies beside the one that includes it")
    end
    local other, text, file = loader(path, at)
    if not recipe.is(other) then
      where.raise(at, "usage", ("%s returns no recipe"):format(path))
    end
    local base = whole(other.description, { file = file, text = text }, loader, depth + 1)
    all = all and recipe_merge.two(all, base) or base
  end
  d = without(d, "include")
  return all and recipe_merge.two(all, d) or d
end

local function choose_variant(d, name, source)
  local names = names_of(d.variants or {})
  name = name or d.variant
  if not name then
    if #names == 0 then return d end
    errors.raise("usage", "the recipe has variants: --variant says which",
      { hint = "--variant " .. table.concat(names, " or --variant ") })
  elseif not (d.variants or {})[name] then
    local nearest <const> = require "moonflash.nearest"
    where.raise(where.field(source.text, source.file, { "variants" }), "usage",
      ("there is no variant '%s'"):format(name), nearest.hint(name, names, #names > 0
        and "variants are " .. table.concat(names, ", ") or "the recipe has no variants"))
  end
  return recipe_merge.two(d, d.variants[name]), name
end

--- The variants of a recipe.
-- @tparam table source as for `recipe:resolve`
-- @tparam function loader as for `recipe:resolve`
-- @treturn {string,...} names
-- @treturn string|nil the one that counts when none is chosen
function recipe:variants(source, loader)
  local d = whole(self.description, source, loader, 0)
  return names_of(d.variants or {}), d.variant
end

--- What a recipe says, with what it includes and the variant chosen.
-- @tparam table source `file` (name for messages), `text` (nil when not known)
-- @tparam function loader reads an included file: loader(path, at) returns what it
--   returns, its text and its name
-- @tparam[opt] string variant
-- @treturn table `description`; `params` (list of @{moonflash.recipe_params});
--   `variant` (name or nil); `about`
-- @raise `usage`, pointing at lines
function recipe:resolve(source, loader, variant)
  local d = whole(self.description, source, loader, 0)
  local name
  d, name = choose_variant(d, variant, source)
  schema.whole(d, source)
  return { description = d, variant = name, source = source,
    params = recipe_params.check(d.params, recipe.OPTIONS, schema.at_param(source)) }
end

--- Options that every recipe has; no parameter may have their names.
recipe.OPTIONS = {}
for _, option in ipairs { "--port", "--baud", "--before", "--after", "--no-stub", "--stub",
  "--json", "--trace", "--quiet", "--verbose", "--version", "--help", "--dry-run", "--variant",
  "--ledger", "--units", "--serial", "--allow", "--board", "--expect", "--keep", "--wait",
  "--operator", "--station", "--full", "--locked", "--ports", "--exec-on", "--color",
  "--only" } do
  recipe.OPTIONS[option] = true
end

--- Carries a recipe out, with the options of a command that parses them itself.
-- @tparam table opt the global options, and those that @{moonflash.recipe_command}
--   parses, if any
-- @tparam string folder of the recipe, with its slash, or ""
-- @treturn table summary
function recipe:run(opt, folder)
  return require("moonflash.recipe_command").run_with(self, opt, folder)
end

return recipe
