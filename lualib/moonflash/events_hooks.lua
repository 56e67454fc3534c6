--- Programs of the user's that are run when something has happened:
-- `--exec-on done='lpr label.txt'`.
--
-- Words are split as a shell does it, with quotes and backslashes, and nothing
-- else of a shell: who wants one says `sh -c '...'`. The program gets the event as
-- JSON on standard input and its plain fields as MOONFLASH_ variables. What it does
-- changes nothing of what happened to the chip: a failure is told and counted.
-- @module moonflash.events_hooks
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local report <const> = require "moonflash.report"
local text <const> = require "moonflash.text"

local events_hooks = {}

local LIMIT_S <const> = 60
local KEEP <const> = 4096

local ON <const> = { start = true, done = true, failed = true }

-- Variables that already mean something else to this program.
local TAKEN <const> = { MOONFLASH_PATH = true, MOONFLASH_BAUD = true }

--- Splits a command line into words: '...' and "..." hold words together, a
-- backslash takes what follows as it is.
-- @tparam string line
-- @treturn {string,...}|nil nil when a quote has no end
function events_hooks.words(line)
  local words, word, quote, i = {}, nil, nil, 1
  while i <= #line do
    local c = line:sub(i, i)
    if c == "\\" and quote ~= "'" then
      i = i + 1
      word = (word or "") .. line:sub(i, i)
    elseif quote then
      if c == quote then quote = nil else word = word .. c end
    elseif c == "'" or c == '"' then
      quote, word = c, word or ""
    elseif c:match "%s" then
      words[#words + 1], word = word, nil
    else
      word = (word or "") .. c
    end
    i = i + 1
  end
  words[#words + 1] = word
  return not quote and words or nil
end

--- Reads what `--exec-on` says.
-- @tparam {string,...}|nil specs "EVENT=PROGRAM ARGS"
-- @treturn {hook,...} `on`, `words`
-- @raise `usage`
function events_hooks.parse(specs)
  local list = {}
  for i, spec in ipairs(specs or {}) do
    local on, line = spec:match "^(%a+)=(.*)$"
    if not ON[on] then
      errors.raise("usage", ("--exec-on: '%s' names no event"):format(spec),
        { hint = "start, done or failed: --exec-on done='lpr label.txt'" })
    end
    local words = events_hooks.words(line)
    if not words or #words == 0 then
      errors.raise("usage", ("--exec-on %s: '%s' is no command line"):format(on, line),
        { hint = words and "name a program" or "a quote has no end" })
    end
    list[i] = { on = on, words = words }
  end
  return list
end

local function add_variables(env, t)
  for name, value in pairs(t) do
    local variable = "MOONFLASH_" .. tostring(name):upper()
    if type(value) ~= "table" and not TAKEN[variable] and variable:match "^[%w_]+$" then
      env[variable] = text.escape(tostring(value))
    end
  end
end

--- The environment that tells of an event: its plain fields, and those of its
-- result.
-- @tparam table event
-- @treturn table strings by name
function events_hooks.environment(event)
  local env = {}
  add_variables(env, event.result or {})
  add_variables(env, event)
  return env
end

--- A result without what only an event has.
-- @tparam table|nil result
-- @treturn table|nil
function events_hooks.plain_result(result)
  if not result then return nil end
  local copy = {}
  for k, v in pairs(result) do copy[k] = v end
  copy.event, copy.port, copy.board, copy.time = nil, nil, nil, nil
  return copy
end

local run = {}
run.__index = run

--- Starts a hook's program.
-- @tparam hook hook
-- @tparam table event
-- @treturn run look at it with run:poll()
function events_hooks.start(hook, event)
  local argv = table.move(hook.words, 1, #hook.words, 1, {})
  argv.env = events_hooks.environment(event)
  argv.input = require("dkjson").encode(event) .. "\n"
  local process, why = esp.process.spawn(argv)
  return setmetatable({ hook = hook, process = process, why = why, said = "",
    began = esp.clock() }, run)
end

local function read_output(self)
  repeat
    local s = self.process:read "output"
    self.said = (self.said .. (s or "")):sub(-KEEP)
  until not s or s == ""
end

local function outcome(self, exit, why)
  return { on = self.hook.on, program = self.hook.words[1], exit = exit, good = exit == 0,
    message = why, seconds = esp.clock() - self.began }
end

--- How a program is doing.
-- @treturn table|nil nil while it runs; `on`, `program`, `exit`, `good`, `message`,
--   `seconds`
function run:poll()
  if not self.process then return outcome(self, 127, self.why) end
  local how, number = self.process:wait()
  read_output(self)
  if not how then
    if esp.clock() - self.began < LIMIT_S then return nil end
    self.process:close()
    return outcome(self, 124, ("stopped after %d s"):format(LIMIT_S))
  end
  self.process:close()
  if how == "signal" then
    return outcome(self, 128 + number, ("killed by signal %d"):format(number))
  end
  local last = number ~= 0 and self.said:match "([^\n]*%S[^\n]*)%s*$"
  return outcome(self, number, last and text.escape(last) or nil)
end

--- Ends a program that still runs.
function run:close()
  if self.process then self.process:close() end
end

function run:__close() self:close() end

--- What to say of a program that failed.
-- @tparam table result of run:poll()
-- @treturn string
function events_hooks.complaint(result)
  return ("the program for '%s' failed: %s: exit %d%s"):format(result.on, result.program,
    result.exit, result.message and ", " .. result.message or "")
end

local function carry_out(hook, event)
  local r <close> = events_hooks.start(hook, event)
  local result = r:poll()
  while not result do
    esp.process.poll({ r.process }, 50)
    result = r:poll()
  end
  return result
end

-- ---- for a run with one board

local state = { hooks = {}, about = {} }

local function fire(on, fields)
  for _, hook in ipairs(state.hooks) do
    if hook.on == on then
      local event = { event = on, command = state.command }
      for k, v in pairs(state.about) do event[k] = v end
      for k, v in pairs(fields or {}) do event[k] = v end
      local ok, result = pcall(carry_out, hook, event)
      if not ok then
        result = { on = on, program = hook.words[1], exit = 130, good = false,
          message = tostring(result) }
      end
      report.event("hook", result)
      if not result.good then report.warn("%s", events_hooks.complaint(result)) end
    end
  end
end

local LISTEN <const> = {}

function LISTEN.chip(e)
  state.about.mac, state.about.chip, state.about.port = e.mac, e.chip, e.port
  if not state.began then
    state.began = true
    fire("start")
  end
end

function LISTEN.result(e) state.about.result = events_hooks.plain_result(e) end
function LISTEN.ok(e) state.about.message = e.message end

--- Sets hooks up for the rest of this run.
-- @tparam {string,...}|nil specs of `--exec-on`; nil: others take care of them
-- @tparam[opt] string command
-- @raise `usage`
function events_hooks.setup(specs, command)
  state.hooks, state.command = events_hooks.parse(specs), command
  if #state.hooks == 0 or state.listening then return end
  state.listening = true
  report.listen(function(name, fields)
    if LISTEN[name] then LISTEN[name](fields) end
  end)
end

--- The run has ended.
-- @tparam integer exit its exit code
-- @param[opt] e what was raised
function events_hooks.finish(exit, e)
  if #state.hooks == 0 then return end
  if exit == 0 then return fire("done", { exit = 0 }) end
  e = e and errors.wrap(e) or {}
  fire("failed", { message = e.code and tostring(e), hint = e.hint, code = e.code, addr = e.addr,
    exit = exit, changed = e.changed })
end

return events_hooks
