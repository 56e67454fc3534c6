--- Parameters of a recipe: what a user may say on the command line. Pure.
--
--     params = { ssid = { type = "string", required = true, help = "Wi-Fi name" },
--                boards = 4, keep_files = false }
--
-- A parameter is a table, or its default alone, whose type is then the parameter's.
-- `ssid` is the option `--ssid`, `keep_files` is `--keep-files`.
-- @module moonflash.recipe_params
local errors <const> = require "moonflash.errors"
local nearest <const> = require "moonflash.nearest"
local numbers <const> = require "moonflash.numbers"
local names_of <const> = require("moonflash.text").names
local where <const> = require "moonflash.recipe_where"

local params = {}

local FIELDS <const> = { type = "string", default = "any", help = "string", choices = "table",
  required = "boolean", pattern = "string", min = "number", max = "number" }
local TYPES <const> = { "string", "integer", "number", "boolean", "choice", "file" }

--- The option of a parameter.
-- @tparam string name
-- @treturn string "--keep-files"
function params.option(name) return "--" .. name:gsub("_", "-") end

local function type_of(value)
  if math.type(value) == "integer" then return "integer" end
  return ({ string = "string", number = "number", boolean = "boolean" })[type(value)]
end

local function as_table(value, bad)
  if type(value) == "table" then return value end
  local kind = type_of(value)
  if not kind then bad(("is a %s, not a table or a default"):format(type(value))) end
  return { default = value, type = kind }
end

local function check_fields(p, bad)
  for name, value in pairs(p) do
    local want = FIELDS[name]
    if not want then
      bad(("has no field '%s'"):format(tostring(name)), nearest.hint(tostring(name),
        names_of(FIELDS), "fields are " .. table.concat(names_of(FIELDS), ", ")))
    elseif want ~= "any" and type(value) ~= want then
      bad(("'%s' is a %s, not a %s"):format(name, type(value), want))
    end
  end
end

local function check_type(p, bad)
  p.type = p.type or p.choices and "choice" or p.default ~= nil and type_of(p.default) or "string"
  for _, known in ipairs(TYPES) do
    if p.type == known then return end
  end
  bad(("has no type '%s'"):format(p.type), nearest.hint(p.type, TYPES, "one of "
    .. table.concat(TYPES, ", ")))
end

local function check_choices(p, bad)
  if (p.type == "choice") ~= (p.choices ~= nil) then
    bad "has a type \"choice\" without 'choices', or the other way round"
  elseif p.choices and #p.choices == 0 then
    bad "has no choices"
  end
  for i, word in ipairs(p.choices or {}) do
    if type(word) ~= "string" then
      bad(("has a choice that is a %s, not a string"):format(type(word)), "choice " .. i)
    end
  end
end

local READ <const> = {}

function READ.string(p, text) return text end

function READ.file(p, text)
  if text == "" then return nil, "is no file name" end
  return text
end

function READ.integer(p, text)
  local value = math.tointeger(text) or math.tointeger(tonumber(text))
  if value then return value end
  local ok, n = pcall(numbers.parse, text)
  if not ok then return nil, "is no whole number" end
  return n
end

function READ.number(p, text)
  local value = tonumber(text)
  if not value or value ~= value then return nil, "is no number" end
  return value
end

local WORDS <const> = { yes = true, ["true"] = true, on = true, ["1"] = true, no = false,
  ["false"] = false, off = false, ["0"] = false }

function READ.boolean(p, text)
  local value = WORDS[text:lower()]
  if value == nil then return nil, "is neither yes nor no" end
  return value
end

function READ.choice(p, text)
  for _, word in ipairs(p.choices) do
    if word == text then return text end
  end
  return nil, "is none of " .. table.concat(p.choices, ", "), nearest.hint(text, p.choices)
end

-- Why a value is outside what the parameter allows.
local function outside(p, value)
  if p.min and type(value) == "number" and value < p.min then
    return ("is below %s"):format(p.min)
  elseif p.max and type(value) == "number" and value > p.max then
    return ("is above %s"):format(p.max)
  elseif p.pattern and type(value) == "string" then
    local first, last = value:find(p.pattern)
    if first ~= 1 or last ~= #value then
      return "is not what is wanted: " .. (p.help or p.pattern)
    end
  end
end

--- Reads a value of a parameter.
-- @tparam table p
-- @tparam string text
-- @return the value; nil, why, hint when it is none
function params.read(p, text)
  local value, why, hint = READ[p.type](p, text)
  if value == nil then return nil, why, hint end
  why = outside(p, value)
  if why then return nil, why end
  return value
end

local function check_default(p, bad)
  if p.default == nil then return end
  if p.required then bad "is required and has a default" end
  local value, why = params.read(p, tostring(p.default))
  if value == nil then bad(("has a default, %s, that %s"):format(tostring(p.default), why)) end
  p.default = value
end

local function check_bounds(p, bad)
  if p.pattern and not pcall(string.find, "", p.pattern) then
    bad(("has a pattern that is none: %s"):format(p.pattern))
  end
end

--- Checks the parameters of a recipe and fills in what is not said.
-- @tparam table|nil given
-- @tparam table taken options that a recipe has anyway: name = true
-- @tparam function at gives the line of a parameter's field: at(name, field)
-- @treturn {param,...} sorted by name: `name`, `option`, `type`, `default`, ...
-- @raise `usage`
function params.check(given, taken, at)
  local list = {}
  for _, name in ipairs(names_of(given or {})) do
    local function bad(message, hint)
      where.raise(at(name), "usage", ("parameter '%s' %s"):format(tostring(name), message), hint)
    end
    if type(name) ~= "string" or not name:match("^%l[%w_]*$") then
      bad "needs a name of lower-case letters, digits and _"
    elseif taken[params.option(name)] then
      bad(("cannot be: %s is an option of every recipe"):format(params.option(name)))
    end
    local p = {}
    for k, v in pairs(as_table(given[name], bad)) do p[k] = v end
    check_fields(p, bad)
    check_type(p, bad)
    check_choices(p, bad)
    check_bounds(p, bad)
    check_default(p, bad)
    p.name, p.option = name, params.option(name)
    list[#list + 1] = p
  end
  return list
end

local ARGNAMES <const> = { string = "TEXT", integer = "N", number = "X", boolean = "yes|no",
  file = "FILE" }

-- "Wi-Fi name (required)", "boards (default: 4)".
local function help_of(p)
  local notes = {}
  if p.required then notes[1] = "required" end
  if p.default ~= nil then
    local shown = p.default
    if type(shown) == "boolean" then shown = shown and "yes" or "no" end
    notes[#notes + 1] = "default: " .. tostring(shown)
  end
  return (p.help or ""):gsub("%c", " ") .. (#notes > 0 and ("%s(%s)"):format(p.help and " " or "",
    table.concat(notes, ", ")) or "")
end

--- Adds the parameters to a command line.
-- @tparam {param,...} list from @{params.check}
-- @tparam table parser of argparse
function params.add_options(list, parser)
  local options = {}
  for i, p in ipairs(list) do
    options[i] = parser:option(p.option, help_of(p)):target("param " .. p.name)
      :argname(p.choices and table.concat(p.choices, "|") or ARGNAMES[p.type])
    if p.type == "boolean" then options[i]:args("?") end
  end
  if #options > 0 then parser:group("Options of this recipe", table.unpack(options)) end
end

local function text_of(value)
  -- argparse gives a list for an option whose argument may be left out
  if type(value) == "table" then return value[1] or "yes" end
  return value
end

--- The values of the parameters.
-- @tparam {param,...} list from @{params.check}
-- @tparam table opt options as parsed, or values by name with `direct`
-- @tparam[opt] boolean direct
-- @treturn table values by name
-- @raise `usage`
function params.values(list, opt, direct)
  local values = {}
  for _, p in ipairs(list) do
    local text = text_of(opt[direct and p.name or "param " .. p.name])
    if text ~= nil then
      local value, why, hint = params.read(p, tostring(text))
      if value == nil then
        errors.raise("usage", ("%s: '%s' %s"):format(p.option, tostring(text), why),
          { hint = hint })
      end
      values[p.name] = value
    elseif p.required then
      errors.raise("usage", p.option .. " is needed", { hint = ("%s %s%s"):format(p.option,
        p.choices and p.choices[1] or ARGNAMES[p.type], p.help and ": " .. p.help or "") })
    else
      values[p.name] = p.default
    end
  end
  return values
end

return params
