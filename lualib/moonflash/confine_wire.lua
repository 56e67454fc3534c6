--- Values as bytes, between a program and the recipe that it keeps in a process of
-- its own. Pure; both ends load it.
--
-- Plain values and tables of them are copied, without metatables; shared and circular
-- tables stay so. What is not plain (functions, objects) goes as a number that its
-- owner gave it. What is read was written by somebody else: nothing of it is trusted.
-- @module moonflash.confine_wire
local wire = {}

--- Deepest table in a table.
wire.DEPTH = 100

-- Locals all of them: over there somebody may change the globals.
local pack <const>, unpack <const> = string.pack, string.unpack
local concat <const>, spread <const>, kind <const> = table.concat, table.unpack, math.type
local error <const>, next <const>, select <const>, type <const> = error, next, select, type

-- How a value is written: a letter, then
--   n nil  t true  f false  i integer  d float  s string
--   { key value ... }   r the n-th table of this message again
--   l, o a function, an object of the sender, with its number (an object with its
--   class); h something of the receiver's coming home, by the receiver's number
local put

local function put_table(out, t, state, depth)
  if state.seen[t] then
    out[#out + 1] = pack("<c1I4", "r", state.seen[t])
    return
  end
  if depth > wire.DEPTH then error("tables too deep in each other", 0) end
  state.count = state.count + 1
  state.seen[t] = state.count
  out[#out + 1] = "{"
  for k, v in next, t do
    put(out, k, state, depth + 1)
    put(out, v, state, depth + 1)
  end
  out[#out + 1] = "}"
end

local WRITE <const> = {
  ["nil"] = function() return "n" end,
  boolean = function(v) return v and "t" or "f" end,
  number = function(v)
    if kind(v) == "integer" then return pack("<c1i8", "i", v) end
    return pack("<c1d", "d", v)
  end,
  string = function(v) return pack("<c1s4", "s", v) end,
}

function put(out, v, state, depth)
  local write = WRITE[type(v)]
  if write then
    out[#out + 1] = write(v)
    return
  end
  local letter, id, class = state.name(v)
  if letter == "o" then
    out[#out + 1] = pack("<c1I4s1", "o", id, class)
  elseif letter then
    out[#out + 1] = pack("<c1I4", letter, id)
  elseif type(v) == "table" then
    put_table(out, v, state, depth)
  else
    error(("a %s cannot leave the recipe"):format(type(v)), 0)
  end
end

--- Writes values.
-- @tparam function name what is not plain: name(value) -> "l", number | "h", number |
--   "o", number, class | nil for a table that is to be copied
-- @param ... the values
-- @treturn string
-- @raise a string, for a value that cannot go
function wire.encode(name, ...)
  local out, state = {}, { name = name, seen = {}, count = 0 }
  for i = 1, select("#", ...) do put(out, (select(i, ...)), state, 1) end
  return concat(out)
end

local function damaged() error("damaged message", 0) end

local get

local function get_table(s, at, state, depth)
  if depth > wire.DEPTH then damaged() end
  local t = {}
  state.tables[#state.tables + 1] = t
  while s:sub(at, at) ~= "}" do
    local k, v
    k, at = get(s, at, state, depth + 1)
    v, at = get(s, at, state, depth + 1)
    if k == nil or k ~= k then damaged() end
    t[k] = v
  end
  return t, at + 1
end

local READ <const> = {
  n = function(_, at) return nil, at end,
  t = function(_, at) return true, at end,
  f = function(_, at) return false, at end,
  i = function(s, at) return unpack("<i8", s, at) end,
  d = function(s, at) return unpack("<d", s, at) end,
  s = function(s, at) return unpack("<s4", s, at) end,
  r = function(s, at, state)
    local i, after = unpack("<I4", s, at)
    return state.tables[i] or damaged(), after
  end,
  l = function(s, at, state)
    local id, after = unpack("<I4", s, at)
    return state.find("l", id), after
  end,
  h = function(s, at, state)
    local id, after = unpack("<I4", s, at)
    return state.find("h", id), after
  end,
  o = function(s, at, state)
    local id, class, after = unpack("<I4s1", s, at)
    return state.find("o", id, class), after
  end,
}

function get(s, at, state, depth)
  local letter = s:sub(at, at)
  if letter == "{" then return get_table(s, at + 1, state, depth) end
  local read = READ[letter] or damaged()
  return read(s, at + 1, state)
end

--- Reads values.
-- @tparam string s
-- @tparam function find what is not plain: find(letter, number, class) -> value; raises
--   for what there is not
-- @return the values
-- @raise a string when the message is damaged
function wire.decode(s, find)
  local values, n, at, state = {}, 0, 1, { find = find, tables = {} }
  while at <= #s do
    n = n + 1
    values[n], at = get(s, at, state, 1)
  end
  return spread(values, 1, n)
end

return wire
