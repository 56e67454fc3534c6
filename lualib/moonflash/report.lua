--- What a command says while it works: stages, progress, the result.
--
-- Results go to standard output, everything about the way there to standard
-- error, so that `moonflash read ... | tool` works. With `--json` standard
-- output carries one event per line instead: @{moonflash.events} has the list.
-- @module moonflash.report
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local numbers <const> = require "moonflash.numbers"
local progress <const> = require "moonflash.progress"
local style <const> = require "moonflash.style"
local text <const> = require "moonflash.text"

local report = {}

local state = { json = false, quiet = false, verbose = false, width = false, open_line = false,
  out = style.new(false), err = style.new(false), listeners = {} }

--- The version of the event stream, in its first event.
report.EVENTS = 1

local ENV <const> = { "NO_COLOR", "TERM", "LC_ALL", "LC_CTYPE", "LANG" }

-- How text to a file descriptor looks: 1 standard output, 2 standard error.
local function painter(fd, asked)
  local env = {}
  for _, name in ipairs(ENV) do env[name] = os.getenv(name) end
  return style.new(style.decide(asked, esp.terminal(fd), env), style.is_utf8(env))
end

--- Takes the global options that concern output.
-- @tparam table opt with `json`, `quiet`, `verbose`, `color`; `silent` says nothing at all
function report.setup(opt)
  state.json, state.quiet, state.verbose = opt.json, opt.quiet or opt.silent, opt.verbose
  state.silent = opt.silent
  state.width = not opt.json and not opt.quiet and esp.terminal(2)
  state.out, state.err = painter(1, opt.color), painter(2, opt.color)
end

--- Names the command that the first event tells of.
-- @tparam string command
function report.begin(command)
  state.command = state.command or command
end

--- Hears every event, with `--json` and without.
-- @tparam function listener gets the event's name and fields
-- @tparam[opt] boolean stays hears those after @{report.to}, too
function report.listen(listener, stays)
  state.listeners[#state.listeners + 1] = { hear = listener, stays = stays }
end

--- Tells listeners something that is no event for others, such as bytes.
-- @tparam string name
-- @tparam table fields
function report.note(name, fields)
  for _, listener in ipairs(state.listeners) do listener.hear(name, fields) end
end

--- Sends events to a function, and nothing to standard output and error: this
-- process goes on as a part of another's run.
-- @tparam function sink gets each event as a line
function report.to(sink)
  state.json, state.sink, state.width, state.started = true, sink, false, true
  local staying = {}
  for _, listener in ipairs(state.listeners) do
    if listener.stays then staying[#staying + 1] = listener end
  end
  state.listeners = staying
end

--- How text looks: a @{moonflash.style}.
-- @tparam[opt=1] integer fd 1 standard output, 2 standard error
function report.style(fd) return fd == 2 and state.err or state.out end

-- To standard output, and on to its reader. A reader that has gone has heard enough;
-- any other trouble is remembered.
local function put(...)
  local ok, why = io.stdout:write(...)
  if ok then ok, why = io.stdout:flush() end
  if not ok and not tostring(why):find "Broken pipe" then state.lost = state.lost or why end
end

--- What kept results from reaching their reader.
-- @treturn string|nil
function report.lost() return state.lost end

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

local function write_event(name, fields)
  local dkjson <const> = require "dkjson"
  local event = { event = name }
  for k, v in pairs(fields or {}) do event[k] = v end
  local line = dkjson.encode(event, { keyorder = key_order(event) }) .. "\n"
  if state.sink then return state.sink(line) end
  put(line)
end

--- Says that the chip changes from here on: whatever fails later, that is so. Who
-- listens may still object (raise) to `will_change`.
-- @tparam[opt=true] boolean real false takes it back: the chip was simulated, for a test
function report.chip_changes(real)
  if real ~= false then report.note("will_change", {}) end
  state.chip_changed = real ~= false
end

--- Whether this run has changed a chip.
function report.chip_has_changed() return state.chip_changed == true end

--- Writes one JSON event; nothing without `--json`. The first of a run is `start`.
-- @tparam string name the event's name
-- @tparam[opt] table fields more fields
function report.event(name, fields)
  report.note(name, fields or {})
  if not state.json then return end
  if not state.started then
    state.started = true
    write_event("start", { version = report.EVENTS, program = "moonflash " .. esp.version,
      command = state.command })
  end
  if name == "ok" or name == "error" then state.ended = true end
  write_event(name, fields)
end

--- Ends the stream of a run that went well and has said no last word: a reader can
-- tell a whole stream from one that was cut off.
function report.finish()
  if state.json and state.started and not state.ended and not state.sink then
    report.event("ok", { message = "done" })
  end
end

-- What is shown may hold names out of files and recipes: of all control characters only
-- line ends, tabs and our own colours reach the terminal.
local CONTROL <const> = "[\0-\8\11-\31\127]"
local function shown(line)
  if not line:find(CONTROL) then return line end
  return (line:gsub("[\1\2]", text.escape):gsub("\27(%[[%d;]*m)", "\1%1"):gsub(
    "[\0\2-\8\11-\31\127]", text.escape):gsub("\1", "\27"))
end

local function say(line)
  if state.json or state.quiet then return end
  close_line()
  io.stderr:write(shown(line), "\n")
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
  io.stderr:write(state.err:paint("warning", "warning:"), " ", shown(line), "\n")
end

local LOG_EVERY_S <const> = 10    -- between lines of progress where they stay

local function show(p, done, now, wall)
  local seconds = now - p.start
  report.event("progress", { what = p.what, done = done, total = p.total, seconds = seconds })
  if state.json or state.quiet then return end
  local at = { what = p.what, done = done, total = p.total, seconds = seconds,
    sent = p.sent and p.sent() - p.sent_before }
  if state.width then
    io.stderr:write("\r", progress.bar(at, state.width, state.err), "\27[K")
    state.open_line = true
  elseif done >= p.total or wall >= p.next_line then
    io.stderr:write(progress.line(at), "\n")
    p.next_line = wall + LOG_EVERY_S
  end
end

--- Starts a progress display.
-- @tparam string what what is being done, e.g. "writing"
-- @tparam integer total bytes
-- @tparam[opt] function clock seconds; the port's clock, so that a simulated
--   chip's rates mean something
-- @tparam[opt] function sent bytes that went over the wire so far
-- @treturn function call it with the bytes done so far
function report.progress(what, total, clock, sent)
  clock = clock or esp.clock
  local p = { what = what, total = math.max(total, 1), start = clock(), sent = sent,
    sent_before = sent and sent() or 0, next_line = esp.clock() + LOG_EVERY_S }
  local next_show = 0
  return function(done)
    local wall = esp.clock()
    if done < p.total and wall < next_show then return end
    next_show = wall + 0.1
    show(p, done, clock(), wall)
    if done >= p.total then close_line() end
  end
end

--- The progress displays of a write, as @{moonflash.writer} takes them.
-- @tparam device dev
-- @treturn table `writing`, `verifying`
function report.showing(dev)
  local function sent() return dev.port:info().sent_bytes end
  return {
    writing = function(total) return report.progress("writing", total, dev:clock(), sent) end,
    verifying = function(total) return report.progress("verifying", total, dev:clock()) end,
  }
end

--- A line of a result, on standard output; not with `--json`.
function report.line(format, ...)
  if state.json then return end
  close_line()
  put(shown(select("#", ...) > 0 and format:format(...) or format), "\n")
end

--- What a recipe prints; an event with `--json`.
-- @tparam string s text, with its line ends
-- @tparam[opt] boolean err it goes to standard error
function report.output(s, err)
  report.event("output", { text = s, stderr = err })
  if state.json then return end
  close_line()
  local stream = err and io.stderr or io.stdout
  stream:write(s)
end

--- The result as a table: printed as an event with `--json`, else left to the
-- lines that the command prints.
-- @tparam table fields plain values only
function report.result(fields)
  report.event("result", fields)
end

--- What runs now is a step of something larger, which has the last word itself.
-- @tparam boolean on
function report.inside(on) state.inside = on end

--- The last line of a good run.
function report.ok(format, ...)
  if state.inside then return report.stage(format, ...) end
  report.event("ok", { message = format:format(...) })
  report.line("%s " .. format, state.out:paint("ok", "ok:"), ...)
end

--- The last line of a good write.
-- @tparam table s summary of @{moonflash.writer.write}: `bytes`, `written`, `skipped`,
--   `seconds`, `proof`
-- @tparam[opt] string before what was written, for people
-- @tparam[opt] string after what came of it
function report.written(s, before, after)
  report.ok("%s%s verified, %s written, %d already there, %s at %s (%s)%s",
    before and before .. ": " or "", text.count(s.bytes, "byte"),
    text.count(s.written, "sector"), s.skipped, numbers.time_text(s.seconds),
    numbers.rate_text(s.bytes, s.seconds), s.proof, after and "; " .. after or "")
end

--- The last words of a failed run, on standard error.
-- @param e what was raised: an error table, or anything
function report.failure(e)
  e = errors.wrap(e)
  local message = text.escape(tostring(e), { shown = true })
  report.event("error", {
    code = e.code, message = message, hint = e.hint, addr = e.addr, exit = errors.exit_code(e),
    changed = e.changed,
  })
  if state.sink then return end
  close_line()
  io.stderr:write(state.err:paint("failure", "moonflash:"), " ", message, "\n")
  if e.hint then
    io.stderr:write(state.err:paint("hint", "hint:"), " ",
      text.escape(e.hint, { newlines = true, shown = true }), "\n")
  end
  local see = e.see ~= false and errors.codes[e.code] and errors.codes[e.code].see
  if see and not state.quiet then
    io.stderr:write(state.err:paint("dim", ("see:  README.md#%s"):format(see)), "\n")
  end
  if e.traceback and state.verbose then io.stderr:write(e.traceback, "\n") end
end

return report
