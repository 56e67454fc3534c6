--- What a recipe may say, and that it says no more. Pure.
-- @module moonflash.recipe_schema
local flash_mode <const> = require "moonflash.flash_mode"
local image_header <const> = require "moonflash.image_header"
local nearest <const> = require "moonflash.nearest"
local parts <const> = require "moonflash.recipe_parts"
local names_of <const> = require("moonflash.text").names
local where <const> = require "moonflash.recipe_where"

local schema = {}

--- The version of what is described here; a recipe says which one it was written for.
schema.API = 1

-- Fields that a stage has; a recipe without stages is its only one.
local STAGE <const> = { name = "string", flash = "table", parts = "table function",
  before = "function", after = "function", on_error = "function", steps = "table" }

-- What a variant may say beside these.
local VARIANT <const> = { about = "string", chip = "string", params = "table", stages = "table",
  unit = "function", units = "string table", serial = "table" }

local RECIPE <const> = { api = "number", include = "string table", variants = "table",
  variant = "string", test = "table" }

for name, want in pairs(STAGE) do VARIANT[name] = want end
for name, want in pairs(VARIANT) do RECIPE[name] = want end

local FLASH <const> = { mode = "string", freq = "string", size = "string number" }
local SERIAL <const> = { first = "number", format = "string", name = "string" }
local UNITS <const> = { file = "string", pool = "string" }

--- The moments at which a hook of `steps` is called.
schema.STEPS = { connected = "function", planned = "function", written = "function",
  booted = "function" }

local TEST <const> = { name = "string", board = "table", params = "table", variant = "string",
  given = "function", expect = "function", fails = "string", pools = "table",
  serial = "string" }

-- A table under check: who it is for messages, and where its fields are.
local Context = {}
Context.__index = Context

function Context:bad(names, message, hint)
  local path = table.move(names, 1, #names, #self.path + 1, table.move(self.path, 1, #self.path,
    1, {}))
  where.raise(where.field(self.text, self.file, path), "usage", message, hint)
end

function Context:inside(name)
  local path = table.move(self.path, 1, #self.path, 1, {})
  path[#path + 1] = name
  return setmetatable({ text = self.text, file = self.file, path = path }, Context)
end

local function has_word(words, word)
  return words:find("%f[%w]" .. word .. "%f[^%w]") ~= nil
end

local function fields(context, t, allowed, what)
  for name, value in pairs(t) do
    local want = type(name) == "string" and allowed[name]
    if not want then
      context:bad({ name }, ("%s has no field '%s'"):format(what, tostring(name)),
        nearest.hint(tostring(name), names_of(allowed), "fields are "
          .. table.concat(names_of(allowed), ", ")))
    elseif not has_word(want, type(value)) then
      context:bad({ name }, ("'%s' is a %s, not a %s"):format(name, type(value),
        want:gsub(" ", " or a ")))
    end
  end
end

local function check_parts(context, list)
  for i, part in ipairs(list) do
    if not parts.is(part) then
      context:bad({ "parts" }, ("part %d is none, but a %s"):format(i, type(part)),
        "parts are made by mf.firmware, mf.spiffs, mf.file, mf.bytes ...")
    end
  end
  for key in pairs(list) do
    if math.type(key) ~= "integer" or key < 1 or key > #list then
      context:bad({ "parts" }, ("parts are a list; '%s' is no place in it"):format(tostring(key)))
    end
  end
end

--- Checks a list of parts, from a recipe or from its function.
-- @tparam table list
-- @tparam table source `file`, `text` of the recipe
-- @raise `usage`
function schema.parts(list, source)
  local context = setmetatable({ path = {}, text = source.text, file = source.file }, Context)
  if type(list) ~= "table" or parts.is(list) then
    context:bad({ "parts" }, ("the function of the parts returned a %s, not a list"):format(
      parts.is(list) and "part" or type(list)))
  end
  check_parts(context, list)
end

local function check_flash(context, flash)
  fields(context, flash, FLASH, "flash")
  for name, check in pairs {
    mode = flash_mode.parse,
    freq = function(word) image_header.change(0, 0, { freq = word }) end,
    size = function(word)
      if word ~= "detect" and word ~= "keep" then image_header.size_code(word) end
    end,
  } do
    local ok, e = pcall(check, flash[name] or name == "mode" and "keep" or name == "freq" and "keep"
      or "detect")
    if not ok then context:bad({ name }, tostring(e), type(e) == "table" and e.hint or nil) end
  end
end

local function check_stage(context, s)
  if type(s.parts) == "table" then check_parts(context, s.parts) end
  if s.flash then check_flash(context:inside "flash", s.flash) end
  if s.steps then fields(context:inside "steps", s.steps, schema.STEPS, "steps") end
end

local function check_stages(context, stages)
  for i, s in ipairs(stages) do
    if type(s) ~= "table" then
      context:bad({ "stages" }, ("stage %d is a %s, not a table"):format(i, type(s)))
    end
    fields(context:inside "stages", s, STAGE, "a stage")
    check_stage(context:inside "stages", s)
    if not s.parts then context:bad({ "stages" }, ("stage %d has no parts"):format(i)) end
  end
  if #stages == 0 then context:bad({ "stages" }, "there are no stages in it") end
end

local function check_units(context, d)
  if type(d.units) == "table" then
    fields(context:inside "units", d.units, UNITS, "units")
    if (d.units.file == nil) == (d.units.pool == nil) then
      context:bad({ "units" }, "units come from a file or from a pool of the ledger",
        'units = "units.csv", or units = { pool = "keys" }')
    end
  end
  if not d.serial then return end
  fields(context:inside "serial", d.serial, SERIAL, "serial")
  local ok = pcall(string.format, d.serial.format or "%d", 1)
  if not ok or not (d.serial.format or "%d"):find("%%0?%d*[dxX]") then
    context:bad({ "serial", "format" }, ("'%s' formats no number"):format(d.serial.format),
      'serial = { first = 1, format = "MF-%06d" }')
  elseif d.serial.first and math.type(d.serial.first) ~= "integer" then
    context:bad({ "serial", "first" }, "'first' is not a whole number")
  end
end

local function check_tests(context, test)
  local list = #test > 0 and test or { test }
  for _, t in ipairs(list) do
    if type(t) ~= "table" then
      context:bad({ "test" }, ("a test is a %s, not a table"):format(type(t)))
    end
    fields(context:inside "test", t, TEST, "a test")
  end
end

local CHIPS <const> = { esp8266 = true, esp8285 = true }

local function check_common(context, d)
  check_stage(context, d)
  if d.stages then check_stages(context, d.stages) end
  check_units(context, d)
  if d.chip and not CHIPS[d.chip] then
    context:bad({ "chip" }, ("there is no chip '%s'"):format(d.chip), "esp8266 or esp8285")
  end
end

local function check_api(context, d)
  if d.api == schema.API then return end
  context:bad({ "api" }, d.api and ("it is written for api = %s, this program knows %d"):format(
    d.api, schema.API) or "it does not say for which api it is written", "begin it with api = 1")
end

--- Checks what a recipe says by itself.
-- @tparam table d the description
-- @tparam table source `file`, `text` (nil when it is not known)
-- @raise `usage`, pointing at the line
function schema.recipe(d, source)
  local context = setmetatable({ path = {}, text = source.text, file = source.file }, Context)
  check_api(context, d)
  fields(context, d, RECIPE, "a recipe")
  check_common(context, d)
  for name, variant in pairs(d.variants or {}) do
    local inside = context:inside "variants"
    if type(name) ~= "string" or type(variant) ~= "table" then
      inside:bad({ name }, ("variant '%s' is a %s, not a table"):format(tostring(name),
        type(variant)))
    end
    fields(inside:inside(name), variant, VARIANT, ("variant '%s'"):format(name))
    check_common(inside:inside(name), variant)
  end
  if d.test then check_tests(context, d.test) end
end

--- Refuses what only shows once includes and variants are merged.
-- @tparam table d the description
-- @tparam table source
-- @raise `usage`
function schema.whole(d, source)
  local context = setmetatable({ path = {}, text = source.text, file = source.file }, Context)
  if d.stages and d.parts then
    context:bad({ "stages" }, "it has parts and stages", "parts belong into a stage then")
  elseif not d.stages and (not d.parts or type(d.parts) == "table" and #d.parts == 0) then
    context:bad({ "parts" }, "it has no parts")
  end
end

--- The line of a parameter.
-- @treturn function of a name
function schema.at_param(source)
  return function(name)
    return where.field(source.text, source.file, { "params", name })
  end
end

return schema
