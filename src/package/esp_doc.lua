-- Makes the text of LDoc's page on the module `esp` out of the comments in src/lua:
-- each function of Lua has one, "esp.name(arguments) -> results: what it does".
-- A function without one is an error. Usage: moonflash esp_doc.lua FILE.c ... > esp.lua

local HEAD <const> = [[
--- The C side: ports, the chip's ROM loader, our stub, the simulated chip, bytes.
--
-- Misuse raises an error. What the world refuses is returned as `nil, message, code`,
-- where code is a word such as `timeout`; README lists them under "Error kinds".
-- Types are written as methods: `port:read` is a method of what `esp.open` returns.
-- @module esp
]]

local function read(path)
  local f <close> = assert(io.open(path))
  return f:read "a"
end

-- The comment as lines without its stars.
local function lines_of(comment)
  local list = {}
  for line in (comment .. "\n"):gmatch "(.-)\n" do
    list[#list + 1] = line:gsub("^%s*%*?%s?", ""):gsub("%s+$", "")
  end
  return list
end

-- "esp.open(url [, baud]) -> port | nil, message, code: what" is the signature and
-- what it does; the signature may go on over several lines.
local function split(text)
  local what, rest = text:match "^(.-[%)}%w\"]):%s+(%l.*)$"
  if what then return what, rest end
  return text, ""
end

local function entry(comment)
  local text = table.concat(lines_of(comment), " "):gsub("%s+", " ")
  local name = text:match "^([%w_.:]+)"
  return name, split(text)
end

local function documented(text, found)
  for comment in text:gmatch "/%*%s*(%l[%w_.]*[.:][%l%d_.]+[%(%{:\"].-)%*/" do
    local name, signature, what = entry(comment)
    found[#found + 1] = { name = name, signature = signature, what = what }
  end
end

local function registered(text, names)
  for name in text:gmatch '{ "(%l[%l%d_]+)", l_[%l%d_]+ }' do names[#names + 1] = name end
end

local found, names = {}, {}
for _, path in ipairs(arg) do
  local text = read(path)
  documented(text, found)
  registered(text, names)
end

local known = {}
for _, f in ipairs(found) do known[f.name:match "[%w_]+$"] = true end
for _, name in ipairs(names) do
  assert(known[name], "no comment says what " .. name .. " does")
end

table.sort(found, function(a, b)
  local module_a, module_b = a.name:find "^esp", b.name:find "^esp"
  if (module_a == nil) ~= (module_b == nil) then return module_a ~= nil end
  return a.name < b.name
end)
-- What is neither the module's nor a method is between parts of the program.
local function is_public(f) return f.name:find "^esp%." or f.name:find "^%l+:" end

-- One sentence: what it does, or what it gives.
local function summary(f)
  local what = f.what ~= "" and f.what or f.signature:match "%->%s*(.*)$"
  if not what then return f.name end
  return (f.what == "" and "Returns " or "") .. (f.what == "" and what or what:gsub("^%l", string.upper))
end

local function markup(s) return (s:gsub("@", "&#64;")) end
io.write(HEAD, "\nlocal esp = {}\n")
for _, f in ipairs(found) do
  if is_public(f) then io.write(("\n--- %s\n--\n-- `%s`\n-- @function %s\n"):format(
    markup(summary(f)), markup(f.signature), f.name)) end
end
io.write "\nreturn esp\n"
