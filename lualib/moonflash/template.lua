--- Texts with values in them: `{{ssid}}`. Pure.
--
-- `{{name}}` is replaced by the value; `{{name|json}}` by a JSON value, `{{name|lua}}`
-- by a Lua one (texts get their quotes), `{{name|hex}}` by the bytes in hex. `{{{{`
-- stands for `{{`. A name that has no value is an error: nothing is filled in by
-- chance.
-- @module moonflash.template
local errors <const> = require "moonflash.errors"
local nearest <const> = require "moonflash.nearest"
local names_of <const> = require("moonflash.text").names

local template = {}

local function lua_text(text)
  return '"' .. text:gsub('[%c"\\\127-\255]', function(c)
    return c == '"' and '\\"' or c == "\\" and "\\\\" or ("\\%03d"):format(c:byte())
  end) .. '"'
end

local JSON_ESCAPES <const> = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t" }

local function json_text(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    return JSON_ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function quoted(quote)
  return function(value)
    return type(value) == "string" and quote(value) or tostring(value)
  end
end

local FILTERS <const> = {
  json = quoted(json_text), lua = quoted(lua_text),
  hex = function(value)
    return (tostring(value):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
  end,
}

local function line_of(text, position)
  local _, before = text:sub(1, position):gsub("\n", "")
  return before + 1
end

local function bad(text, position, name, message, hint)
  errors.raise("file", ("%s:%d: %s"):format(name, line_of(text, position), message),
    { hint = hint })
end

-- Calls f(text) for what is between placeholders and f(nil, value, filter, at) for
-- each of them.
local function each(text, name, f)
  local at = 1
  while true do
    local first = text:find("{{", at, true)
    if not first then break end
    f(text:sub(at, first - 1))
    if text:sub(first, first + 3) == "{{{{" then
      f "{{"
      at = first + 4
    else
      local _, last = text:find("}}", first, true)
      local inside = last and text:sub(first + 2, last - 2)
      local word, filter = (inside or ""):match("^%s*([%a_][%w_]*)%s*|?%s*(%a*)%s*$")
      if not word then
        bad(text, first, name, "'{{' begins nothing that can be filled in",
          "{{name}}; {{{{ stands for {{ itself")
      elseif filter ~= "" and not FILTERS[filter] then
        bad(text, first, name, ("there is no way '%s' to write a value"):format(filter),
          nearest.hint(filter, names_of(FILTERS), "json, lua or hex"))
      end
      f(nil, word, filter ~= "" and filter or nil, first)
      at = last + 1
    end
  end
  f(text:sub(at))
end

--- The names that a text wants to have filled in.
-- @tparam string text
-- @tparam string name for messages
-- @treturn {table,...} `name`, `line`
-- @raise `file` for what is no placeholder
function template.names(text, name)
  local list = {}
  each(text, name, function(plain, word, _, at)
    if not plain then list[#list + 1] = { name = word, line = line_of(text, at) } end
  end)
  return list
end

--- Refuses names that will have no value.
-- @tparam string text
-- @tparam string name for messages
-- @tparam table known names that will have a value: { name = true }
-- @raise `file`
function template.check(text, name, known)
  for _, wanted in ipairs(template.names(text, name)) do
    if not known[wanted.name] then
      errors.raise("file", ("%s:%d: there is no value for {{%s}}"):format(name, wanted.line,
        wanted.name), { hint = nearest.hint(wanted.name, names_of(known), "values are "
        .. table.concat(names_of(known), ", ")) })
    end
  end
end

local function is_value(value)
  local kind = type(value)
  return kind == "string" or kind == "number" or kind == "boolean"
end

--- Fills in.
-- @tparam string text
-- @tparam string name of the text, for messages
-- @tparam table values
-- @treturn string
-- @raise `file` when a value is missing or is none
function template.fill(text, name, values)
  local pieces = {}
  each(text, name, function(plain, word, filter, at)
    if plain then
      pieces[#pieces + 1] = plain
      return
    end
    local value = values[word]
    if value == nil then
      bad(text, at, name, ("there is no value for {{%s}}"):format(word),
        nearest.hint(word, names_of(values), "values are " .. table.concat(names_of(values), ", ")))
    elseif not is_value(value) then
      bad(text, at, name, ("the value for {{%s}} is a %s"):format(word, type(value)))
    end
    pieces[#pieces + 1] = filter and FILTERS[filter](value) or tostring(value)
  end)
  return table.concat(pieces)
end

--- Does a name match one of the patterns, in which `*` stands for anything?
-- @tparam string name
-- @tparam {string,...} patterns
-- @treturn boolean
function template.matches(name, patterns)
  for _, pattern in ipairs(patterns) do
    local lua = pattern:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*")
    if name:match("^" .. lua .. "$") then return true end
  end
  return false
end

return template
