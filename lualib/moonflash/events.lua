--- The event stream of `--json`: its JSON Schema, and a checker for it.
--
-- The checker knows the part of JSON Schema that the schema uses, and raises on any
-- other keyword, so that nothing goes unchecked in silence.
-- @module moonflash.events
local dkjson <const> = require "dkjson"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"

local events = {}

local FILE <const> = "lualib/moonflash/events.schema.json"

--- The schema's text.
-- @tparam[opt] {string,...} dirs look there first, as `-L` says
-- @treturn string JSON
function events.schema_text(dirs)
  for _, dir in ipairs(dirs or {}) do
    local f <close> = io.open(dir .. "/" .. FILE, "rb")
    if f then return f:read "a" end
  end
  return esp.embedded(FILE)
end

--- Reads a schema.
-- @tparam string text JSON
-- @treturn table
function events.parse(text)
  local schema, _, why = dkjson.decode(text, 1, dkjson.null)
  if not schema then errors.raise("script", "the schema is no JSON: " .. why) end
  return schema
end

-- ---- checking

local function kind_of(value)
  if value == dkjson.null then return "null" end
  if type(value) ~= "table" then return math.type(value) or type(value) end
  local meta = getmetatable(value)
  return meta and meta.__jsontype or (#value > 0 or next(value) == nil) and "array" or "object"
end

local function is_of(kind, value)
  local is = kind_of(value)
  if kind == "number" then return is == "integer" or is == "float" end
  if kind == "integer" and is == "float" then return value % 1 == 0 end
  if kind == "object" and is == "array" then return next(value) == nil end   -- Lua's {}
  return is == kind
end

local function among(list, value)
  for _, v in ipairs(list) do
    if v == value then return true end
  end
  return false
end

local check           -- forward: check(schema, value, at, root) -> nil, or what is wrong

-- A keyword's check gets what stands behind it, the value, where that is, the whole
-- schema and the schema that the keyword stands in.
local KEYWORDS <const> = {}

function KEYWORDS.type(want, value, at)
  local list = type(want) == "table" and want or { want }
  for _, kind in ipairs(list) do
    if is_of(kind, value) then return nil end
  end
  return ("%s is %s, not %s"):format(at, kind_of(value), table.concat(list, " or "))
end

KEYWORDS["const"] = function(want, value, at)
  return value ~= want and ("%s is '%s', not '%s'"):format(at, tostring(value), want) or nil
end

function KEYWORDS.enum(list, value, at)
  return not among(list, value) and ("%s is '%s', which is not allowed"):format(at, tostring(value))
    or nil
end

function KEYWORDS.minimum(least, value, at)
  return type(value) == "number" and not (value >= least)
    and ("%s is %s, less than %s"):format(at, value, least) or nil
end

function KEYWORDS.minLength(least, value, at)
  return type(value) == "string" and #value < least and at .. " is too short" or nil
end

function KEYWORDS.maxLength(most, value, at)
  return type(value) == "string" and #value > most and at .. " is too long" or nil
end

function KEYWORDS.required(names, value, at)
  for _, name in ipairs(names) do
    if type(value) == "table" and value[name] == nil then
      return ("%s has no '%s'"):format(at, name)
    end
  end
end

function KEYWORDS.properties(by_name, value, at, root)
  if type(value) ~= "table" then return nil end
  for name, schema in pairs(by_name) do
    if value[name] ~= nil then
      local why = check(schema, value[name], at .. "." .. name, root)
      if why then return why end
    end
  end
end

function KEYWORDS.additionalProperties(allowed, value, at, _, schema)
  if allowed or type(value) ~= "table" then return nil end
  for name in pairs(value) do
    if not (schema.properties or {})[name] then
      return ("%s has '%s', which the schema does not know"):format(at, tostring(name))
    end
  end
end

function KEYWORDS.items(schema, value, at, root)
  for i, item in ipairs(type(value) == "table" and value or {}) do
    local why = check(schema, item, ("%s[%d]"):format(at, i), root)
    if why then return why end
  end
end

KEYWORDS["$ref"] = function(ref, value, at, root)
  return check(root["$defs"][ref:match "^#/%$defs/(.+)$"], value, at, root)
end

-- Exactly one must fit. When none does, the complaint of the one that got past the
-- event's name says most.
function KEYWORDS.oneOf(list, value, at, root)
  local fits, complaint = 0, nil
  for _, schema in ipairs(list) do
    local why = check(schema, value, at, root)
    if not why then fits = fits + 1 end
    if why and not why:find(".event is", 1, true) then complaint = complaint or why end
  end
  if fits == 1 then return nil end
  return fits > 1 and at .. " is of several kinds" or complaint
    or ("%s: there is no event '%s'"):format(at, tostring(type(value) == "table" and value.event))
end

local SAYS_NOTHING <const> = { ["$schema"] = true, ["$defs"] = true, title = true,
  description = true }

-- The event's name first: its complaint tells kinds apart.
local ORDER <const> = { "$ref", "type", "const", "enum", "minimum", "minLength", "maxLength",
  "properties", "required", "additionalProperties", "items", "oneOf" }

function check(schema, value, at, root)
  for keyword in pairs(schema) do
    if not KEYWORDS[keyword] and not SAYS_NOTHING[keyword] then
      error("events: the checker does not know the keyword " .. keyword, 0)
    end
  end
  local event = (schema.properties or {}).event
  local why = event and type(value) == "table" and check(event, value.event, at .. ".event", root)
  if why then return why end
  for _, keyword in ipairs(ORDER) do
    if schema[keyword] ~= nil then
      why = KEYWORDS[keyword](schema[keyword], value, at, root, schema)
      if why then return why end
    end
  end
end

--- Checks a value against a schema.
-- @tparam table schema from @{events.parse}
-- @param value as dkjson decodes it, null being `dkjson.null`
-- @treturn string|nil what is wrong; nil when nothing is
function events.check(schema, value)
  return check(schema, value, "event", schema)
end

--- Checks a whole stream: every line, and that `start` comes first and once.
-- @tparam table schema
-- @tparam string text what a run with `--json` printed
-- @treturn {string,...} what is wrong; empty when nothing is
function events.check_stream(schema, text)
  local problems, n = {}, 0
  for line in text:gmatch "([^\n]*)\n?" do
    if line ~= "" then
      n = n + 1
      local value, _, why = dkjson.decode(line, 1, dkjson.null)
      if value ~= nil then why = events.check(schema, value) end
      if not why and (value.event == "start") ~= (n == 1) then
        why = n == 1 and "the first event is not start" or "start comes again"
      end
      if why then problems[#problems + 1] = ("line %d: %s"):format(n, why) end
    end
  end
  return problems
end

-- ---- for people

local function type_text(schema, root)
  if schema["$ref"] then return type_text(root["$defs"][schema["$ref"]:match "[^/]+$"], root) end
  local kind = schema.type or (schema.enum and "one of " .. table.concat(schema.enum, ", "))
    or tostring(schema.const)
  return type(kind) == "table" and table.concat(kind, " or ") or kind
end

local function text_of(schema, root)
  if schema["$ref"] then return text_of(root["$defs"][schema["$ref"]:match "[^/]+$"], root) end
  return schema.description or ""
end

local function fields_of(kind)
  local names, required = {}, {}
  for _, name in ipairs(kind.required) do required[name] = true end
  for name in pairs(kind.properties) do
    if name ~= "event" then names[#names + 1] = name end
  end
  table.sort(names, function(a, b)
    if required[a] ~= required[b] then return required[a] or false end
    return a < b
  end)
  return names, required
end

--- Describes kinds of events, with their fields; those with * are always there.
-- @tparam table schema
-- @tparam[opt] string only this kind
-- @treturn {string,...} lines; none when there is no such kind
function events.describe(schema, only)
  local lines = {}
  for _, ref in ipairs(schema.oneOf) do
    local name = ref["$ref"]:match "[^/]+$"
    local kind = schema["$defs"][name]
    if not only or only == name then
      lines[#lines + 1] = ("%s: %s"):format(name, kind.description)
      local names, required = fields_of(kind)
      for _, field in ipairs(names) do
        local f = kind.properties[field]
        lines[#lines + 1] = ("  %-18s %-16s %s"):format(field .. (required[field] and "*" or ""),
          type_text(f, schema), text_of(f, schema))
      end
    end
  end
  return lines
end

return events
