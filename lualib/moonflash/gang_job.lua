--- A command made ready once and carried out by many processes.
--
-- The command runs up to the place where it asks for its board: by then its
-- options are parsed, its files read, checked and laid out. There it is held. Each
-- process that is forked from here goes on from the same place with a port of its
-- own, and shares the memory of all that was prepared.
-- @module moonflash.gang_job
local cli <const> = require "moonflash.cli"
local device <const> = require "moonflash.device"
local errors <const> = require "moonflash.errors"
local report <const> = require "moonflash.report"

local gang_job = {}
gang_job.__index = gang_job

-- Commands that make no sense for many boards at a time, and why.
local NOT_MANY <const> = {
  gang = "a gang of gangs is none", sim = "it works on no board", test = "it works on no board",
  monitor = "it shows one board's console", doctor = "it asks you about one board",
  read = "every board would write the same file", backup = "every board would write the same file",
}

local function check_command(name)
  local why = NOT_MANY[name]
  if why then errors.raise("usage", ("'%s' is not for a gang: %s"):format(name, why)) end
end

local function check_words(words)
  for _, word in ipairs(words) do
    if word:match "^%-%-backup" or word:match "^%-%-rollback" then
      errors.raise("usage", ("%s names one file for all boards"):format(word:match "^[^=]*"),
        { hint = "without it each board's backup gets a name with its MAC" })
    end
    if word:match "^%-p" or word:match "^%-%-port%f[=\0]" then
      errors.raise("usage", "a gang has many ports", { hint = "name them with --ports" })
    end
  end
end

-- Holds the command at its first device.open(), which goes on with the port that
-- resume() brings.
local function hold_at_the_board()
  local open, open_to_run = device.open, device.open_to_run
  local function held(go_on)
    return function(opt, ...)
      opt.port = coroutine.yield(opt)
      device.open, device.open_to_run = open, open_to_run
      return go_on(opt, ...)
    end
  end
  device.open, device.open_to_run = held(open), held(open_to_run)
end

--- Prepares a command.
-- @tparam string name of a command or Lua file
-- @tparam {string,...} before global options that were given before it
-- @tparam {string,...} rest its arguments
-- @treturn job with `name`, and `options`, those of the command
-- @raise whatever the command raises before it asks for a board; `usage`
function gang_job.prepare(name, before, rest)
  check_command(name)
  check_words(before)
  check_words(rest)
  local job = setmetatable({ name = name, open = device.open }, gang_job)
  hold_at_the_board()
  job.thread = coroutine.create(function()
    return xpcall(cli.run, cli.on_error, name, before, rest)
  end)
  local _, ok, e = assert(coroutine.resume(job.thread))
  if coroutine.status(job.thread) == "suspended" then
    job.options = ok
    return job
  end
  if not ok then error(e, 0) end
  errors.raise("usage", ("'%s' has not asked for a board"):format(name),
    { hint = "a gang is for flash, write, upgrade, restore, erase and recipes" })
end

--- Waits until the next board answers on a port, in a process of its own.
-- @tparam string port
-- @tparam string|nil last what the board before is known by
-- @treturn integer exit code: 0 when it is there
function gang_job:await(port, last)
  report.to(function() end)
  device.open = self.open
  return require("moonflash.gang_swap").wait(self.options, port, last)
end

--- Carries the command out, in a process of its own, once.
-- @tparam string port
-- @tparam function sink gets each event as a line
-- @treturn integer exit code
function gang_job:run(port, sink)
  report.to(sink)
  local _, ok, e = assert(coroutine.resume(self.thread, port))
  if ok then return math.type(e) == "integer" and e or 0 end
  report.failure(e)
  return errors.exit_code(e)
end

return gang_job
