--- What a command says while it works: stages, progress, the result.
--
-- Results go to standard output, everything about the way there to standard
-- error, so that `moonflash read ... | tool` works. With `--json` standard
-- output carries one event per line instead: `start`, `stage`, `progress`,
-- `warning`, `result`, `error`.
-- @module moonflash.report
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local numbers <const> = require "moonflash.numbers"
local text <const> = require "moonflash.text"

local report = {}

local state = { json = false, quiet = false, verbose = false, width = false, open_line = false }

--- Takes the global options that concern output.
-- @tparam table opt with `json`, `quiet`, `verbose`; `silent` says nothing at all
function report.setup(opt)
  state.json, state.quiet, state.verbose = opt.json, opt.quiet or opt.silent, opt.verbose
  state.silent = opt.silent
  state.width = not opt.json and not opt.quiet and esp.terminal(2)
end

local function close_line()
  if state.open_line then io.stderr:write("\n") end
  state.open_line = false
end

-- Every key of a table and of those in it, sorted: the same run prints the same
-- bytes.
local function keys_of(t, seen)
  for k, v in pairs(t) do
    if type(k) == "string" then seen[k] = true end
    if type(v) == "table" then keys_of(v, seen) end
  end
  return seen
end

local function key_order(event)
  local keys = {}
  for k in pairs(keys_of(event, {})) do
    if k ~= "event" then keys[#keys + 1] = k end
  end
  table.sort(keys)
  table.insert(keys, 1, "event")
  return keys
end

--- Writes one JSON event; nothing without `--json`.
-- @tparam string name the event's name
-- @tparam[opt] table fields more fields
function report.event(name, fields)
  if not state.json then return end
  local dkjson <const> = require "dkjson"
  local event = { event = name }
  for k, v in pairs(fields or {}) do event[k] = v end
  print((dkjson.encode(event, { keyorder = key_order(event) })))
  io.stdout:flush()
end

local function say(line)
  if state.json or state.quiet then return end
  close_line()
  io.stderr:write(line, "\n")
end

--- Says which step begins.
-- @tparam string format as string.format
-- @param ... its arguments
function report.stage(format, ...)
  local line = format:format(...)
  say(line)
  report.event("stage", { message = line })
end

--- Says something only with `--verbose`.
function report.detail(format, ...)
  if state.verbose then say("  " .. format:format(...)) end
end

--- Warns; shown with `--quiet` too.
function report.warn(format, ...)
  local line = format:format(...)
  report.event("warning", { message = line })
  if state.json or state.silent then return end
  close_line()
  io.stderr:write("warning: ", line, "\n")
end

local function bar(p, done, seconds)
  local head = ("%s %3d%% "):format(p.what, numbers.percent(done, p.total))
  local left = done > 0 and (p.total - done) * seconds / done or 0
  local tail = (" %s, %s left"):format(numbers.rate_text(done, seconds), numbers.time_text(left))
  local room = math.max(0, math.min(40, state.width - #head - #tail - 3))
  local full = room * done // p.total
  return ("%s[%s%s]%s"):format(head, ("#"):rep(full), ("."):rep(room - full), tail)
end

local function show(p, done, now)
  local seconds = now - p.start
  report.event("progress", { what = p.what, done = done, total = p.total, seconds = seconds })
  if state.json or state.quiet then return end
  if state.width then
    io.stderr:write("\r", bar(p, done, seconds), "\27[K")
    state.open_line = true
  else
    io.stderr:write(("%s %d%% (%d of %d bytes, %s)\n"):format(p.what,
      numbers.percent(done, p.total), done, p.total, numbers.rate_text(done, seconds)))
  end
end

--- Starts a progress display.
-- @tparam string what what is being done, e.g. "writing"
-- @tparam integer total bytes
-- @tparam[opt] function clock seconds; the port's clock, so that a simulated
--   chip's rates mean something
-- @treturn function call it with the bytes done so far
function report.progress(what, total, clock)
  clock = clock or esp.clock
  local p = { what = what, total = math.max(total, 1), start = clock() }
  local next_show, step = 0, state.width and 0 or p.total // 10
  return function(done)
    local now = clock()
    local wall = esp.clock()
    if done < p.total and (state.width and wall < next_show or not state.width and done < step) then
      return
    end
    next_show = wall + 0.1
    while step <= done and not state.width do step = step + math.max(1, p.total // 10) end
    show(p, done, now)
    if done >= p.total then close_line() end
  end
end

--- The progress displays of a write, as @{moonflash.writer} takes them.
-- @tparam device dev
-- @treturn table `writing`, `verifying`
function report.showing(dev)
  local function show(what)
    return function(total) return report.progress(what, total, dev:clock()) end
  end
  return { writing = show "writing", verifying = show "verifying" }
end

--- A line of a result, on standard output; not with `--json`.
function report.line(format, ...)
  if state.json then return end
  close_line()
  print(select("#", ...) > 0 and format:format(...) or format)
end

--- The result as a table: printed as an event with `--json`, else left to the
-- lines that the command prints.
-- @tparam table fields plain values only
function report.result(fields)
  report.event("result", fields)
end

--- The last line of a good run.
function report.ok(format, ...)
  report.event("ok", { message = format:format(...) })
  report.line("ok: " .. format, ...)
end

--- The last words of a failed run, on standard error.
-- @param e what was raised: an error table, or anything
function report.failure(e)
  e = errors.wrap(e)
  local message = text.escape(tostring(e))
  report.event("error", {
    code = e.code, message = message, hint = e.hint, addr = e.addr, exit = errors.exit_code(e),
  })
  close_line()
  io.stderr:write("moonflash: ", message, "\n")
  if e.hint then io.stderr:write("hint: ", e.hint, "\n") end
  if e.traceback and state.verbose then io.stderr:write(e.traceback, "\n") end
end

return report
