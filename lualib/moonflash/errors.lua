--- Error tables: what failed, where, what to do next, and the exit code.
-- Inside lualib every failure is raised as such a table, so workflows read
-- straight down. Pure.
--
-- Fields of an error: `code` (stable lower-case word), `message` (one line for
-- people), and where known `hint`, `addr` (flash address), `cause` (the error
-- underneath), `exit` (exit code, when it is not the usual one of the code).
-- @module moonflash.errors

local errors = {}

local meta = { __name = "moonflash.error" }

--- Every code with its exit code and meaning, the hint that an error gets which
-- has none of its own, and the section of README that says more (`see`); the only
-- such list in Lua.
-- The words of C's `esp_err_name` are among them.
errors.codes = {
  script            = { exit = 1, text = "the script itself failed" },
  closed            = { exit = 1, text = "the handle was already closed" },
  usage             = { exit = 2, text = "the command was asked for wrongly" },
  argument          = { exit = 2, text = "an argument is out of its range" },
  missing           = { exit = 3, text = "no such port", see = "no-port" },
  busy              = { exit = 3, text = "somebody else holds the port", see = "port-in-use" },
  access            = { exit = 3, text = "the system refuses us the port", see = "no-permission" },
  gone              = { exit = 3, text = "the port vanished", see = "a-line-that-fails",
    hint = "check cable and plug, then run the same command again" },
  port              = { exit = 3, text = "the port cannot be used" },
  unsupported       = { exit = 3, text = "this port or loader cannot do that" },
  timeout           = { exit = 4, text = "the chip did not answer in time", see = "no-answer",
    hint = "check the supply and the wiring; try a lower --baud" },
  protocol          = { exit = 4, text = "the answer breaks the protocol", see = "a-line-that-fails",
    hint = "check cable and ground; try a lower --baud" },
  refused           = { exit = 4, text = "the loader answered with an error",
    hint = "run it again with --trace to see what was asked" },
  wrong_chip        = { exit = 5, text = "not the chip or board that is wanted" },
  file              = { exit = 6, text = "a file cannot be used" },
  image             = { exit = 6, text = "an image is damaged or foreign" },
  plan              = { exit = 6, text = "the plan cannot be carried out" },
  range             = { exit = 6, text = "does not fit where it should go" },
  overlap           = { exit = 6, text = "two parts claim the same bytes" },
  align             = { exit = 6, text = "an address is not aligned" },
  size              = { exit = 6, text = "a size is wrong" },
  toobig            = { exit = 6, text = "larger than any limit allows" },
  refused_by_policy = { exit = 7, text = "possible, but not allowed or not safe" },
  differs           = { exit = 6, text = "flash does not hold what the files say" },
  chip_changed      = { exit = 8, text = "the chip was changed, but is not proven",
    see = "flash-differs-after-writing" },
  flash             = { exit = 8, text = "the flash does not do as told",
    see = "flash-differs-after-writing" },
  io                = { exit = 9, text = "the system reported an I/O error" },
  disk              = { exit = 9, text = "the disk is full or read-only" },
  nomem             = { exit = 9, text = "out of memory" },
  interrupted       = { exit = 130, text = "the user asked us to stop",
    hint = "run the same command again" },
}

-- What io.open and friends return as third value: errno of the system.
local errno_codes = {
  [1] = "file", [2] = "file", [13] = "file", [20] = "file", [21] = "file",
  [12] = "nomem", [27] = "disk", [28] = "disk", [30] = "disk", [122] = "disk",
}

function meta.__tostring(err)
  if not err.addr then return err.message end
  return ("%s (at 0x%06x)"):format(err.message, err.addr)
end

--- Make an error table without raising it.
-- @tparam string code a key of `errors.codes`
-- @tparam string message one line, no full stop
-- @tparam[opt] table fields copied into the error: hint, addr, cause, exit, ...
-- @treturn table the error
-- @raise a plain error when `code` is none of ours, or there is no message
function errors.new(code, message, fields)
  if not errors.codes[code] then
    error("errors: no such code: " .. tostring(code), 2)
  end
  if type(message) ~= "string" then error("errors: no message for " .. code, 2) end
  local err = {}
  for name, value in pairs(fields or {}) do err[name] = value end
  err.code, err.message = code, message
  err.hint = err.hint or errors.codes[code].hint
  return setmetatable(err, meta)
end

--- Make an error table and raise it; parameters as `errors.new`.
function errors.raise(code, message, fields)
  error(errors.new(code, message, fields), 0)
end

--- Turn the `nil, message, code` of a C function into a raise.
-- On success all values are passed through. A numeric code is taken as the
-- system's errno, as the io library returns it; an unknown word becomes
-- `script`, with the word kept in `fields.word`.
-- @param value first result; nil or false means failure
-- @param message second result
-- @param code third result
-- @tparam[opt] table fields as for `errors.new`
-- @return value, message, code when value is neither nil nor false
function errors.check(value, message, code, fields)
  if value then return value, message, code end
  local extra = {}
  for name, field in pairs(fields or {}) do extra[name] = field end
  if math.type(code) == "integer" then
    extra.errno, code = code, errno_codes[code] or "io"
  elseif not errors.codes[code] then
    extra.word, code = code, "script"
  end
  errors.raise(code, tostring(message or "failed without a message"), extra)
end

--- Is this one of our errors (and, if given, of that code)?
-- @treturn boolean
function errors.is(err, code)
  return getmetatable(err) == meta and (code == nil or err.code == code)
end

-- What Lua itself raises when there is no memory, word for word.
local OUT_OF_MEMORY <const> = "not enough memory"

--- Make one of our errors of whatever was caught.
-- @param caught an error table (returned as it is), or any other value
-- @treturn table an error; foreign values become code `script`, Lua's own error
-- for want of memory `nomem`
function errors.wrap(caught)
  if errors.is(caught) then return caught end
  if caught == OUT_OF_MEMORY then return errors.new("nomem", "out of memory") end
  local message = type(caught) == "table" and caught.message
  return errors.new("script", type(message) == "string" and message or tostring(caught),
    { cause = caught })
end

--- The same failure, happening after flash was changed: exit code 8.
-- Interrupted stays 130. Keeps code, message and cause.
-- @param err error table or caught value
-- @tparam[opt] integer addr first address not proven
-- @tparam[opt] string hint how to repair
-- @treturn table a new error
function errors.after_change(err, addr, hint)
  err = errors.wrap(err)
  local copy = errors.new(err.code, err.message, err)
  if err.code ~= "interrupted" then copy.exit = 8 end
  copy.changed = true
  copy.addr = addr or err.addr
  copy.hint = hint or err.hint
  return copy
end

--- The exit code of the process for an error.
-- @param err error table or any caught value
-- @treturn integer 1..9 or 130
function errors.exit_code(err)
  err = errors.wrap(err)
  return err.exit or errors.codes[err.code].exit
end

return errors
