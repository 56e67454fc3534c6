--- Running a recipe in a process of its own, which can do nothing but compute and ask.
--
-- The recipe's Lua code never runs in this state. What it returns comes over a link:
-- plain values as copies, its functions as functions that run over there. What it gets
-- from us are plain copies, functions and objects that it can only call
-- (@{moonflash.confine_surface}). Every request is checked here against the recipe's
-- @{moonflash.permissions}, so it makes no difference what the code over there does to
-- its own Lua.
-- @module moonflash.confine
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local report <const> = require "moonflash.report"
local surface <const> = require "moonflash.confine_surface"
local text <const> = require "moonflash.text"
local wire <const> = require "moonflash.confine_wire"

local confine = {}

local guest = {}
guest.__index = guest

-- Most that one run may be handed, and what this state may grow to meanwhile.
local OBJECTS_MAX <const>, PORTS_MAX <const> = 20000, 16
local MEMORY <const> = 1 << 30
local TEXT_MAX <const> = 4000

-- Where the recipe was when it last asked for something; by whom.
local position

--- The line of the recipe that is being carried out.
-- @treturn string|nil "flash.lua:12"
function confine.position() return position end

-- ---- what goes over the link by number ----

local function export(self, value)
  if self.number[value] then return self.number[value] end
  if #self.exported >= OBJECTS_MAX then
    errors.raise("refused_by_policy", "a recipe may not use so many of the program's objects",
      { hint = "--allow=all runs it as a program of your own" })
  end
  self.exported[#self.exported + 1] = value
  self.number[value] = #self.exported
  return #self.exported
end

local function namer(self)
  return function(value)
    local kind = type(value)
    if kind == "function" then
      if self.guest_number[value] then return "h", self.guest_number[value] end
      return "l", export(self, value)
    elseif kind == "userdata" or kind == "table" and debug.getmetatable(value) then
      return "o", export(self, value), surface.of(value).name
    elseif kind ~= "table" then
      error(("a %s cannot go to a recipe"):format(kind), 0)
    end
  end
end

local function finder(self)
  return function(letter, id)
    if letter == "h" then return self.exported[id] or error("damaged message", 0) end
    if letter ~= "l" then error("damaged message", 0) end
    local f = self.functions[id]
    if not f then
      f = function(...) return self:call(id, ...) end
      self.functions[id], self.guest_number[f] = f, id
    end
    return f
  end
end

-- ---- errors ----

-- What only we can know.
local NEVER <const> = { interrupted = true, chip_changed = true, flash = true }

local function bounded(s)
  return type(s) == "string" and text.shorten(s, TEXT_MAX) or nil
end

-- What a recipe prints is shown as text: no byte of it reaches the terminal as a command.
local function printable(s)
  return (s:gsub("[\0-\x08\x0b-\x1f\x7f]", function(c)
    return ("\\x%02x"):format(c:byte())
  end):gsub("\xc2([\x80-\x9f])", function(c) return ("\\u00%02x"):format(c:byte()) end))
end

local ENDED <const> = {
  nomem = { "it needs more memory than the %s it may use", "--allow=memory=1G gives it more" },
  time = { "it computed for more than %s", "--allow=time=600 gives it more" },
}

local function ended(self, message, code)
  if code == "interrupted" then return errors.new("interrupted", "interrupted") end
  local known = ENDED[code]
  if not known then return errors.new("script", "the recipe: " .. message) end
  local limit = code == "time" and ("%g s"):format(self.permissions.seconds)
    or ("%d MB"):format(self.permissions.memory >> 20)
  return errors.new("refused_by_policy", "the recipe was stopped: " .. known[1]:format(limit),
    { hint = known[2] })
end

-- What the recipe raised, as an error of ours. One of ours that only went through it
-- stays what it was.
local function import_error(self, e)
  if type(e) ~= "table" then e = {} end
  local known = math.type(e.id) == "integer" and self.exported[e.id]
  if errors.is(known) then return known end
  if e.nomem then return ended(self, "", "nomem") end
  local code = errors.codes[e.code] and not NEVER[e.code] and e.code or "script"
  local err = errors.new(code, printable(bounded(e.message)
    or "the recipe failed without a message"), { hint = e.hint and printable(bounded(e.hint)) })
  err.traceback = e.traceback and text.escape(bounded(e.traceback) or "", { newlines = true })
  return err
end

local function say(self, ...)
  errors.check(self.link:send(wire.encode(self.name, ...)))
end

local function say_error(self, e)
  if not errors.is(e) then e = errors.wrap(e) end
  say(self, "raise", export(self, e), e.code, e.message, e.hint, e.addr)
end

-- ---- calls, both ways: whoever waits for an answer serves meanwhile ----

-- The recipe has no say in what a signal does: nothing goes back to it.
local function must_stop(e) return errors.is(e, "interrupted") end

local function stop(self, e)
  self.link:close()
  error(e, 0)
end

local function answer(self, ok, ...)
  if ok then
    local sent, why = pcall(say, self, "return", ...)
    if sent then return end
    if must_stop(why) then stop(self, why) end
    return say_error(self, why)
  end
  if must_stop((...)) then stop(self, (...)) end
  say_error(self, (...))
end

local function serve(self, id, at, ...)
  local f = self.exported[id]
  if type(f) ~= "function" then error("damaged message", 0) end
  local before = position
  position = type(at) == "string" and bounded(at) or nil
  local result = table.pack(pcall(f, ...))
  position = before
  answer(self, table.unpack(result, 1, result.n))
end

local function take(self, kind, a, ...)
  if kind == "call" then
    serve(self, a, ...)
  elseif kind == "return" then
    return true, table.pack(a, ...)
  elseif kind == "raise" then
    error(import_error(self, a), 0)
  else
    error("damaged message", 0)
  end
end

local function receive(self)
  local bytes, message, code = self.link:receive()
  if not bytes then error(ended(self, message, code), 0) end
  return bytes
end

local function wait(self)
  while true do
    local done, values = take(self, wire.decode(receive(self), self.find))
    if done then return table.unpack(values, 1, values.n) end
  end
end

--- Calls a function that the recipe has given out by its number.
-- @tparam integer id
-- @param ... what crosses the wall: @{moonflash.confine_wire}
-- @return what it returns
-- @raise as the function does
function guest:call(id, ...)
  say(self, "call", id, ...)
  return wait(self)
end

--- Ends the recipe's process. What it left behind (functions) can be called no more.
function guest:close() self.link:close() end
guest.__close = guest.close

-- ---- what it may ask for ----

local function need_text(s)
  return type(s) == "string" and s or errors.raise("usage", "a text is wanted")
end

local MODULE <const> = "^[%w_]+[%w_.]*$"

-- The text of one of the program's modules, from the user's directories first.
local function program_module(name)
  if not name:match("^moonflash[.%w_]*$") and name ~= "argparse" and name ~= "dkjson" then return end
  local file = name:gsub("%.", "/")
  for _, dir in ipairs(package.loaded["moonflash.cli"].dirs or {}) do
    local f <close> = io.open(("%s/lualib/%s.lua"):format(dir, file), "rb")
    if f then return f:read("a"), "=lualib/" .. file .. ".lua" end
  end
  for _, form in ipairs { "lualib/%s.lua", "third/%s.lua" } do
    local path = form:format(file)
    local bytes = esp.embedded(path)
    if bytes then return bytes, "=" .. path end
  end
end

local function project_module(p, name, path)
  for template in need_text(path):gmatch("[^;]+") do
    local file = template:gsub("%?", (name:gsub("%.", "/")))
    if p:kind(file) == "file" then return p:read(file, true), "@" .. p.folder .. file, file end
  end
  errors.raise("script", ("module '%s' not found"):format(name), {
    hint = "a recipe's own modules are below its folder; those of this machine need --allow=all" })
end

local function module(p, name, path)
  if not need_text(name):match(MODULE) then
    errors.raise("script", ("'%s' is no module name"):format(name))
  end
  local source, chunkname = program_module(name)
  if source then return source, chunkname, chunkname:sub(2) end
  return project_module(p, name, path)
end

local function date(format, time)
  format = format or "%c"
  if #need_text(format) > 256 then errors.raise("usage", "a long date") end
  return os.date(format, time)
end

local function services_of(p)
  return {
    index = surface.index,
    describe = function(object) return surface.of(object).name end,
    module = function(name, path) return module(p, name, path) end,
    surface = function() return require "moonflash" end,
    script = function(path) return p:read(path, true) end,
    shown = function(path) return p.folder .. need_text(path) end,
    read = function(path)
      if p:kind(path) ~= "file" then return nil, ("%s: no such file"):format(path) end
      return p:read(path, true)
    end,
    kind = function(path) return p:kind(path) end,
    list = function(path) return p:list(path) end,
    may_write = function(path) p:may_write(path) end,
    write = function(path, bytes) p:write(path, need_text(bytes)) end,
    append = function(path, bytes) p:append(path, need_text(bytes)) end,
    env = function(name) return p:env(name) end,
    may_exec = function() return p:may_exec() end,
    exec = function(argv) return p:exec(argv) end,
    refuse = function(what, flag) p.refuse(need_text(what), need_text(flag)) end,
    print = function(s) report.output(printable(need_text(s))) end,
    complain = function(s) report.output(printable(need_text(s)), true) end,
    date = date,
    time = function(t) return os.time(t) end,
  }
end

-- Simulated chips take memory that nobody counts: only so many at a time.
local function few_ports()
  local open = {}
  return function(port, ...)
    local i = 1
    while open[i] do
      if open[i]:info().open then i = i + 1 else table.remove(open, i) end
    end
    if port and #open >= PORTS_MAX then
      port:close()
      errors.raise("refused_by_policy", "a recipe may not open so many ports at a time",
        { hint = "close those that are done with" })
    end
    open[#open + 1] = port
    return port, ...
  end
end

-- `esp` on the chosen port only.
local function esp_of(p)
  local count = few_ports()
  return {
    open = function(url, baud)
      p:port(url)
      return count(esp.open(url, baud))
    end,
    ports = function()
      if not p.granted.ports then p.refuse("list the ports", "ports") end
      return esp.ports()
    end,
    sim = function(options)
      if type(options) ~= "table" then errors.raise("usage", "esp.sim takes a table") end
      local baud, flash = options.baud, options.flash
      options.baud, options.flash = nil, nil
      local copy = p:board(options)
      if flash ~= nil then p:port("sim:" .. need_text(flash)) end
      copy.baud, copy.flash = baud, flash
      local sim, message, code = esp.sim(copy)
      if sim then count(sim:port()) end
      return sim, message, code
    end,
    rom = esp.rom, reset = esp.reset, resets = esp.resets, stub = esp.stub,
    sim_of = esp.sim_of, sim_options = esp.sim_options,
  }
end

-- ---- starting ----

local function chunk(name)
  local bytes, chunkname = program_module(name)
  return { chunkname, bytes }
end

local function new_guest(p)
  local chunks = { chunk "moonflash.confine_wire", chunk "moonflash.confine_guest_libs",
    chunk "moonflash.confine_guest" }
  local self = setmetatable({ permissions = p, exported = {}, number = {}, functions = {},
    guest_number = {} }, guest)
  self.name, self.find = namer(self), finder(self)
  self.link = errors.check(esp.guest(chunks, p.memory, math.ceil(p.seconds * 1000)))
  return self
end

local function expect_ready(self)
  local word = wire.decode(receive(self), self.find)
  if word ~= "ready" then error("damaged message", 0) end
end

-- Those whose process is there.
local living = {}

local function begin(p)
  esp.limit_memory(MEMORY)
  local self = new_guest(p)
  expect_ready(self)
  living[#living + 1] = self
  self.run = self.find("l", 1)(services_of(p), { esp = esp_of(p) })
  return self
end

--- Runs a Lua file of somebody's. Files with the same permissions run in one process.
-- @tparam string source its text
-- @tparam string path its name, for messages
-- @tparam {string,...} args what it gets as `...` and `arg`
-- @tparam permissions p
-- @return what it returns: copies, functions that run over there, and our own objects
-- @raise what it raises; `refused_by_policy`
function confine.run(source, path, args, p)
  p.guest = p.guest or begin(p)
  return p.guest.run(source, "@" .. path, args)
end

--- Before this process is forked: every recipe's process twice, so that both of ours
-- have one of their own.
-- @treturn table for @{adopt} in the new process and @{leave} in this one
-- @raise `io`, `gone`
function confine.twins()
  local links = {}
  for i, self in ipairs(living) do links[i] = errors.check(self.link:twin()) end
  return links
end

--- In the new process: takes its twins.
function confine.adopt(twins)
  for i, self in ipairs(living) do
    self.link:forget()
    self.link = twins[i]
  end
end

--- In the old process: the twins are the new one's.
function confine.leave(twins)
  for _, link in ipairs(twins) do link:forget() end
end

return confine
