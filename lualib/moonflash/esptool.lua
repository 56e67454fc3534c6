--- esptool's command line over our own workflows: for scripts and Makefiles that
-- call esptool.
--
-- The same commands, options, environment, configuration file and exit codes, and
-- the same lines where scripts look for them. The work behind is that of our other
-- commands: planned before it begins, proven after it.
-- @module moonflash.esptool
local config <const> = require "moonflash.esptool_config"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local line <const> = require "moonflash.esptool_line"
local options <const> = require "moonflash.esptool_options"
local report <const> = require "moonflash.report"
local text <const> = require "moonflash.text"
local words <const> = require "moonflash.esptool_words"

local esptool = {}

local EXIT_SCRIPT <const>, EXIT_FATAL <const> = 1, 2

-- Which module has a command.
local HOME <const> = {
  ["write-flash"] = "flash", ["read-flash"] = "flash", ["verify-flash"] = "flash",
  ["erase-flash"] = "flash", ["erase-region"] = "flash", ["flash-id"] = "flash",
  ["read-flash-status"] = "flash", ["write-flash-status"] = "flash",
  ["read-flash-sfdp"] = "flash",
  ["read-mac"] = "memory", ["chip-id"] = "memory", ["read-mem"] = "memory",
  ["write-mem"] = "memory", ["dump-mem"] = "memory", ["load-ram"] = "memory", run = "memory",
  ["image-info"] = "files", elf2image = "files", ["merge-bin"] = "files",
  ["make-image"] = "files", version = "files",
}

-- ---- what is said ----

local Job <const> = {}
Job.__index = Job

--- Prints a line by its name; nothing with --silent, nothing where this way of
-- speaking has no such line.
function Job:say(name, ...)
  local said = not self.opt.silent and words.line(self.form, name, ...)
  if not said then return end
  if self.line_open then io.stdout:write "\n" end
  self.line_open = false
  print(said)
  io.stdout:flush()
end

--- Prints a line as it is; nothing with --silent.
function Job:print(said)
  if not self.opt.silent then print(said) end
end

--- Prints a line of progress: drawn anew on a terminal, a line of its own in a log.
-- @tparam string name
-- @tparam boolean last
-- @param ... the line's places
function Job:progress(name, last, ...)
  if self.opt.silent or self.opt["no-progress"] then return end
  local said = words.line(self.form, name, ...)
  if self.terminal then
    io.stdout:write("\r", said, "\27[K", last and "\n" or "")
    self.line_open = not last
  else
    print(said)
  end
  io.stdout:flush()
end

local function read_text(path)
  local f <close> = io.open(path, "rb")
  return f and f:read(1 << 20)
end

local function read_arguments(path)
  return read_text(path) or errors.raise("usage", ("@%s: cannot be read"):format(path))
end

local function show_help(name)
  for _, row in ipairs(options.help(name)) do print(row) end
end

local function new_job(parsed, defaults)
  return setmetatable({ opt = parsed.opt, form = parsed.form, env = os.getenv,
    terminal = esp.terminal(1), default_port = defaults.port,
    default_baud = defaults.baud ~= "auto" and defaults.baud or nil }, Job)
end

local function run(state, args, program, defaults)
  local parsed = line.parse(line.expand(args, read_arguments), os.getenv, program)
  if parsed.opt.help or not parsed.command then
    show_help(parsed.command)
    return parsed.opt.help and 0 or parsed.form == "classic" and 1 or EXIT_FATAL
  end
  local job = new_job(parsed, defaults)
  state.form = job.form
  report.setup { quiet = true, silent = job.opt.silent }
  local unknown, file
  job.config, file, unknown = config.find(os.getenv, read_text)
  job:say("program", words.VERSION[job.form], esp.version)
  if unknown[1] then
    report.warn("%s: %s means nothing here", file, table.concat(unknown, ", "))
  end
  local home = require("moonflash.esptool_" .. HOME[parsed.command])
  require("moonflash.esptool_chip").check(job)
  return home[parsed.command](job)
end

-- Up to version 4 the last words went to standard output.
local function failure(form, e)
  local out = form == "classic" and io.stdout or io.stderr
  local said = text.escape(tostring(e))
  out:write(words.line(form, "fatal", said), "\n")
  if e.hint then io.stderr:write("hint: ", e.hint, "\n") end
  io.stdout:flush()
end

local function on_error(e)
  if errors.is(e) then return e end
  local wrapped = errors.wrap(e)
  wrapped.traceback = debug.traceback("", 2)
  return wrapped
end

--- Runs a command line.
-- @tparam {string,...} args what stands behind the program's name
-- @tparam[opt="esptool"] string program the name it was called by
-- @tparam[opt] table defaults `port` and `baud` where the line says nothing
-- @treturn integer exit code: 0; 2 for whatever went wrong; 1 for an error in here
function esptool.main(args, program, defaults)
  local state = { form = (program or "esptool"):match "%.py$" and "classic" or "five" }
  local ok, result = xpcall(run, on_error, state, args, program or "esptool", defaults or {})
  if ok then return result or 0 end
  failure(state.form, result)
  if result.traceback then
    if os.getenv "MOONFLASH_TRACEBACK" then io.stderr:write(result.traceback, "\n") end
    return EXIT_SCRIPT
  end
  return EXIT_FATAL
end

return esptool
