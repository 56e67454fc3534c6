-- The first code in a recipe's process. It makes the world that a recipe sees: Lua's
-- own harmless functions, `require`, and stand-ins that ask the program at the other
-- end of the link (moonflash.confine), which decides. Nothing here guards anything:
-- what could do harm is not in this process.
local link <const>, load_wire <const>, load_libs <const> = ...
local wire <const> = load_wire()
local G <const> = _G
local real_load <const>, real_setmetatable <const> = load, setmetatable
local error <const>, pcall <const>, xpcall <const> = error, pcall, xpcall
local select <const>, tostring <const>, type <const> = select, tostring, type
local rawget <const>, next <const> = rawget, next
local pack <const>, unpack <const>, concat <const> = table.pack, table.unpack, table.concat
local getmetatable <const> = getmetatable

-- ---- what goes over the link by number ----

local weak_keys <const>, weak_values <const> = { __mode = "k" }, { __mode = "v" }
local own, own_id = {}, real_setmetatable({}, weak_keys)       -- functions of the recipe's
local theirs = real_setmetatable({}, weak_values)              -- stand-ins by number
local their_id = real_setmetatable({}, weak_keys)
local error_id = real_setmetatable({}, weak_keys)              -- errors that came over

local function name(v)
  if their_id[v] then return "h", their_id[v] end
  if type(v) ~= "function" then return nil end
  if not own_id[v] then
    own[#own + 1] = v
    own_id[v] = #own
  end
  return "l", own_id[v]
end

local call, stand_in

local function find(letter, id, class)
  if letter == "h" then return own[id] end
  local v = theirs[id]
  if not v then
    v = letter == "o" and stand_in(class) or function(...) return call(id, ...) end
    theirs[id], their_id[v] = v, id
  end
  return v
end

local function say(...) link.send(wire.encode(name, ...)) end

-- ---- errors ----

local error_meta <const> = { __name = "moonflash.error", __tostring = function(e)
  return e.addr and ("%s (at 0x%06x)"):format(e.message, e.addr) or e.message end }

local function import_error(id, code, message, hint, addr)
  if not code then return message end
  local e = real_setmetatable({ code = code, message = message, hint = hint, addr = addr },
    error_meta)
  error_id[e] = id
  return e
end

local function text(v)
  if type(v) == "string" then return v end
  local ok, s = pcall(tostring, v)
  return ok and s or "an error that cannot be shown"
end

local function export_error(e)
  local traceback = link.traceback()
  if error_id[e] then return { id = error_id[e] } end
  if type(e) ~= "table" then return { message = text(e), traceback = traceback } end
  local message, code, hint = rawget(e, "message"), rawget(e, "code"), rawget(e, "hint")
  return { message = type(message) == "string" and message or text(e), traceback = traceback,
    code = type(code) == "string" and code or nil, hint = type(hint) == "string" and hint or nil }
end

-- ---- calls, both ways: whoever waits for an answer serves meanwhile ----

local function answer(ok, ...)
  if not ok then
    local e = ...       -- without memory no handler has seen it
    return say("raise", type(e) == "table" and e or { message = text(e), nomem = true })
  end
  local sent, why = pcall(say, "return", ...)
  if not sent then say("raise", { message = text(why) }) end
end

local function serve(f, ...) answer(xpcall(f, export_error, ...)) end

local function take(kind, a, ...)
  if kind == "call" then
    serve(own[a], ...)
  elseif kind == "return" then
    return true, pack(a, ...)
  else
    error(import_error(a, ...), 0)
  end
end

local function wait()
  while true do
    local done, values = take(wire.decode(link.receive(), find))
    if done then return unpack(values, 1, values.n) end
  end
end

function call(id, ...)
  say("call", id, link.where() or false, ...)
  return wait()
end

-- ---- objects of the program ----

local index, describe
local classes = {}

-- Patterns are matched here, in the recipe's own time.
local function matcher(pattern)
  return { text = pattern, find = function(heard)
    local found = pack(heard:find(pattern))
    if not found[1] then return nil end
    if found.n == 2 then return found[2], heard:sub(found[1], found[2]) end
    return unpack(found, 2, found.n)
  end }
end

local function class_meta(class)
  local methods = {}
  local meta = { __name = class, __metatable = false }
  function meta.__index(self, key)
    if methods[key] then return methods[key] end
    local value = index(self, key)
    if type(value) ~= "function" then return value end
    methods[key] = value
    if (key == "expect" or key == "match")
      and (class == "moonflash.device" or class == "moonflash.board") then
      methods[key] = function(object, pattern, ...)
        return value(object, matcher(tostring(pattern)), ...)
      end
    end
    return methods[key]
  end
  function meta.__newindex(_, key)
    error(("'%s' cannot be set: this belongs to the program, not to the recipe"):format(
      tostring(key)), 2)
  end
  function meta.__tostring(self) return describe(self) end
  function meta.__close(self) return self:close() end
  return meta
end

function stand_in(class)
  classes[class] = classes[class] or class_meta(class)
  return real_setmetatable({}, classes[class])
end

-- ---- Lua, without what a recipe may not have ----

local function no_code(what)
  return function() error("a recipe may not " .. what, 2) end
end

local function join(piece)
  local pieces = {}
  for s in piece do
    if s == "" then break end
    pieces[#pieces + 1] = s
  end
  return concat(pieces)
end

function G.load(chunk, chunkname, mode, ...)
  if type(chunk) == "function" then chunk = join(chunk) end
  if type(chunk) ~= "string" then error("load takes a string or a function", 2) end
  if mode ~= nil and not text(mode):find("t", 1, true) then
    return nil, "attempt to load a text chunk (mode is '" .. text(mode) .. "')"
  end
  return real_load(chunk, chunkname or "=(load)", "t", ...)
end

function G.setmetatable(t, meta)
  if type(meta) == "table" and rawget(meta, "__gc") ~= nil then
    error("a recipe may not use __gc", 2)
  end
  return real_setmetatable(t, meta)
end

G.string.dump = no_code "make bytecode"
getmetatable("").__metatable = false
G.debug = { traceback = function(message, level)
  if message ~= nil and type(message) ~= "string" then return message end
  return link.traceback(message)
end }

-- ---- require ----

local function make_require(services)
  local loaded = { _G = G, string = string, table = table, math = math, utf8 = utf8,
    coroutine = coroutine, debug = G.debug, io = G.io, os = G.os }
  local preload, loading = {}, {}
  local package = { loaded = loaded, preload = preload, path = "?.lua;?/init.lua", cpath = "",
    config = "/\n;\n?\n!\n-\n", loadlib = function() services.refuse("load programs", "all") end }

  local function load_module(module)
    if preload[module] then return preload[module](module, ":preload:") end
    local source, chunkname, file = services.module(module, package.path)
    local f, why = real_load(source, chunkname, "t", G)
    if not f then error(why, 0) end
    return f(module, file)
  end

  function G.require(module)
    if loaded[module] ~= nil then return loaded[module] end
    if loading[module] then error(("modules require each other: '%s'"):format(module), 2) end
    loading[module] = true
    local ok, value = pcall(load_module, module)
    loading[module] = nil
    if not ok then error(value, 0) end
    if loaded[module] == nil then loaded[module] = value == nil and true or value end
    return loaded[module]
  end

  local function file_chunk(path, env)
    return real_load(services.script(path), "@" .. services.shown(path), "t", env or G)
  end
  function G.loadfile(path, _, ...) return file_chunk(path, ...) end
  function G.dofile(path)
    local f, why = file_chunk(path)
    if not f then error(why, 0) end
    return f()
  end

  loaded.package, G.package = package, package
  return package
end

local function make_print(services)
  function G.print(...)
    local words = pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    services.print(concat(words, "\t") .. "\n")
  end
end

local function copy(from, to)
  for k, v in next, from do to[k] = v end
  return to
end

-- Makes the world; returns what runs a file in it.
local function start(services, modules)
  index, describe = services.index, services.describe
  local libs = load_libs()(services, link)
  G.io, G.os = libs.io, libs.os
  make_print(services)
  local package = make_require(services)
  package.loaded.lfs = libs.lfs
  package.loaded.esp = copy(modules.esp, link.esp)
  package.preload.moonflash = services.surface
  return function(source, chunkname, args)
    G.arg = args
    local f, why = real_load(source, chunkname, "t", G)
    if not f then
      error({ code = "script", message = why, hint = "the file is not valid Lua 5.4" })
    end
    return f(unpack(args))
  end
end

own[1], own_id[start] = start, 1
link.send(wire.encode(name, "ready"))
wait()
