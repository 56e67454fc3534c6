--- Runs a line of boards: looks for ports, starts a process for each board, hears
-- what they say, stops those that hang. What is to be done when, decides
-- @{moonflash.gang}; what is shown, the display.
-- @module moonflash.gang_run
local dkjson <const> = require "dkjson"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local gang_ports <const> = require "moonflash.gang_ports"
local hooks <const> = require "moonflash.events_hooks"
local report <const> = require "moonflash.report"
local swap <const> = require "moonflash.gang_swap"
local text <const> = require "moonflash.text"

local gang_run = {}
gang_run.__index = gang_run

local LOOK_S <const>, FRAME_MS <const> = 0.2, 100
local GRACE_S <const> = 3        -- at most, between asking a process to end and killing it
local LINE_MAX <const> = 1 << 20 -- an event that is longer is none
local READS <const> = 16         -- of a stream in a turn, 64 KiB each

--- Makes a run.
-- @tparam table parts `line` (@{moonflash.gang}), `job` (@{moonflash.gang_job}),
--   `specs` (@{moonflash.gang_ports}), `hooks` (@{moonflash.events_hooks}), `display`
-- @treturn gang_run
function gang_run.new(parts)
  return setmetatable({ line = parts.line, job = parts.job, specs = parts.specs,
    hooks = parts.hooks, display = parts.display, live = {}, running_hooks = {}, watchers = {},
    next_look = 0 },
    gang_run)
end

-- An event of the stream with --json: which board it is of, and when it was.
local function tell(self, slot, event, fields)
  local all = {}
  for k, v in pairs(fields or {}) do all[k] = v end
  all.event = nil
  all.port, all.board = slot.port, slot.board
  all.time = esp.clock() - self.line.started
  report.event(event, all)
end

-- ---- programs that are run when something happens

local function start_hooks(self, on, slot, fields)
  for _, hook in ipairs(self.hooks) do
    if hook.on == on then
      local event = { event = on, command = self.job.name, port = slot.port, board = slot.board,
        mac = slot.mac, chip = slot.chip }
      for k, v in pairs(fields or {}) do event[k] = v end
      self.running_hooks[#self.running_hooks + 1] = { slot = slot, run = hooks.start(hook, event) }
    end
  end
end

local function look_at_hooks(self)
  local left = {}
  for _, h in ipairs(self.running_hooks) do
    local result = h.run:poll()
    if not result then
      left[#left + 1] = h
    else
      tell(self, h.slot, "hook", result)
      if not result.good then
        self.line.hooks_failed = self.line.hooks_failed + 1
        self.display:warn(h.slot, hooks.complaint(result))
      end
    end
  end
  self.running_hooks = left
end

-- ---- a board's process

local function end_board(self, slot, how, number)
  self.live[slot] = nil
  local good = self.line:finish(slot, how, number, esp.clock())
  tell(self, slot, "board_end", { mac = slot.mac, good = good, exit = slot.exit,
    message = slot.message, hint = slot.hint, code = slot.code, changed = slot.changed or false,
    seconds = slot.took })
  self.display:ended(slot, good)
  start_hooks(self, good and "done" or "failed", slot, { exit = slot.exit, message = slot.message,
    hint = slot.hint, code = slot.code, changed = slot.changed, seconds = slot.took,
    result = hooks.plain_result(slot.result) })
end

-- Forks: what the child inherits of its siblings it closes. nil, why when there can be
-- no more processes.
local function fork(self, live)
  local confine = package.loaded["moonflash.confine"]    -- only where a recipe is confined
  local twins = confine and confine.twins()
  local process, why = esp.process.fork(function(events)
    if confine then confine.adopt(twins) end
    self.signals:close()
    for _, other in pairs(self.live) do other.process:close() end
    for _, w in pairs(self.watchers) do w:close() end
    for _, h in ipairs(self.running_hooks) do h.run:close() end
    return live(events)
  end)
  if confine then confine.leave(twins) end
  return process, why
end

local function start_board(self, slot)
  local now = esp.clock()
  self.line:start(slot, now)
  local process, why = fork(self, function(events)
    return self.job:run(slot.port, function(s) events:write(s) end)
  end)
  self.display:started(slot)
  if not process then
    self.line:event(slot, { event = "error", code = "io", exit = 9, message = why }, now)
    return end_board(self, slot, "exit", 9)
  end
  self.live[slot] = { process = process, events = "", output = "" }
  tell(self, slot, "board_start", { pid = process:pid() })
end

local HEARD <const> = {}

function HEARD.chip(self, slot, e)
  start_hooks(self, "start", slot, { chip = e.chip })
  local twin = self.line:twin_of(slot)
  if not twin then return end
  local message = ("board %d has the same MAC; what is kept by MAC (ledger, unfinished"
    .. " work) may mix them up"):format(twin.board)
  tell(self, slot, "warning", { message = message })
  self.display:warn(slot, message)
end

function HEARD.stage(self, slot, e) self.display:detail(slot, e.message) end

function HEARD.output(self, slot, e)
  for s in e.text:gmatch "[^\n]+" do self.display:output(slot, text.escape(s)) end
end

function HEARD.warning(self, slot, e) self.display:warn(slot, e.message) end

local function take_event(self, slot, s)
  local event = dkjson.decode(s)
  if type(event) ~= "table" or type(event.event) ~= "string" then return end
  self.line:event(slot, event, esp.clock())
  tell(self, slot, event.event, event)
  if HEARD[event.event] then HEARD[event.event](self, slot, event) end
end

-- What a recipe prints itself.
local function take_output(self, slot, s)
  if s:match "%S" then slot.said = text.escape(s) end
  tell(self, slot, "output", { text = text.escape(s) })
  self.display:output(slot, text.escape(s))
end

-- Reads what has come of a stream, line by line; `last` takes a last line without
-- its end too. One that writes without an end keeps nobody waiting.
local function drain(self, slot, live, stream, take, last)
  for _ = 1, READS do
    local s = live.process:read(stream)
    if not s or s == "" then break end
    live[stream] = live[stream] .. s
    for whole in live[stream]:gmatch "([^\n]*)\n" do take(self, slot, whole) end
    live[stream] = live[stream]:match "[^\n]*$"
    if #live[stream] > LINE_MAX then live[stream] = "" end
  end
  if last and live[stream] ~= "" then take(self, slot, live[stream]) end
end

local function hear(self)
  for _, slot in ipairs(self.line.slots) do
    local live = self.live[slot]
    if live then
      local how, number = live.process:wait()    -- before the last read: nothing is missed
      drain(self, slot, live, "events", take_event, how)
      drain(self, slot, live, "output", take_output, how)
      if how then
        live.process:close()
        end_board(self, slot, how, number)
      end
    end
  end
end

-- Asks a process to end, and kills it when it does not.
local function stop_board(self, slot, now)
  local live = self.live[slot]
  if not live.asked then
    live.asked = now
    live.process:kill "term"
  elseif now - live.asked > math.min(GRACE_S, self.line.opt.timeout) then
    live.process:kill "kill"
  end
end

local function watch(self, now)
  for _, slot in ipairs(self.line:overdue(now)) do
    slot.killed = slot.killed
      or ("no sign of life for %g s; its process was stopped"):format(self.line.opt.timeout)
    stop_board(self, slot, now)
  end
  for slot, live in pairs(self.live) do
    if live.asked then stop_board(self, slot, now) end
  end
end

-- ---- boards that change behind ports that stay

local function await_boards(self)
  for _, slot in ipairs(self.line:unwatched()) do
    local last = swap.key(slot)
    local w = fork(self, function() return self.job:await(slot.port, last) end)
    self.watchers[slot], slot.watched = w, w and true or nil
  end
  for slot, w in pairs(self.watchers) do
    local how, number = w:wait()
    if how or not slot.since or self.line:closing() then
      w:close()
      self.watchers[slot], slot.watched = nil, nil
      if how == "exit" and number == 0 and slot.since then slot.fresh = true end
    end
  end
end

-- ---- the line

local function look(self, now)
  if now < self.next_look then return end
  self.next_look = now + LOOK_S
  local plugged, unplugged = self.line:look(gang_ports.present(self.specs), now)
  for _, slot in ipairs(plugged) do tell(self, { port = slot.port }, "plugged") end
  for _, slot in ipairs(unplugged) do tell(self, { port = slot.port }, "unplugged") end
end

local STOPS <const> = {
  "no more boards are started; those on their way are finished (once more: stop them)",
  "stopping the boards on their way (once more: kill them)",
  "killing what still runs",
}

local function take_signals(self, now)
  while self.signals:take() do
    local n = math.min((self.line.stopping or 0) + 1, #STOPS)
    self.line.stopping = n
    self.display:say(STOPS[n])
    for slot, live in pairs(self.live) do
      if n == 2 then stop_board(self, slot, now) end
      if n == 3 then live.process:kill "kill" end
    end
  end
end

local function wait(self)
  local list = { self.signals }
  for _, live in pairs(self.live) do list[#list + 1] = live.process end
  for _, h in ipairs(self.running_hooks) do list[#list + 1] = h.run.process end
  for _, w in pairs(self.watchers) do list[#list + 1] = w end
  esp.process.poll(list, FRAME_MS)
end

local function step(self)
  local now = esp.clock()
  look(self, now)
  take_signals(self, now)
  if self.line.opt.swap then await_boards(self) end
  local slot = self.line:next(now)
  while slot do
    start_board(self, slot)
    slot = self.line:next(now)
  end
  wait(self)
  hear(self)
  look_at_hooks(self)
  watch(self, esp.clock())
  self.display:draw(self.line, esp.clock())
end

--- Runs the line to its end. Whatever happens, no process is left behind.
function gang_run:run()
  local signals <close> = errors.check(esp.process.signals())
  local _ <close> = setmetatable({}, { __close = function()
    for _, live in pairs(self.live) do live.process:close() end
    for _, h in ipairs(self.running_hooks) do h.run:close() end
    for _, w in pairs(self.watchers) do w:close() end
  end })
  self.signals = signals
  repeat step(self) until self.line:is_over() and #self.running_hooks == 0
end

return gang_run
