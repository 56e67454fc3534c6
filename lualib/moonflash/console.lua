--- The chip's console: listening to what the firmware prints.
-- @module moonflash.console
local errors <const> = require "moonflash.errors"
local report <const> = require "moonflash.report"
local text <const> = require "moonflash.text"

local console = {}

local DEFAULT_BAUD <const> = 115200
local PIECE_MS <const>, FOLLOW_MS <const> = 50, 20
local KEEP <const>, SHOWN <const> = 65536, 300
local BOOT_QUIET_US <const> = 200000

--- Rate of the boot ROM's text with the usual crystal of 26 MHz.
console.BOOT_BAUD = 74880

--- Adds `--listen SECONDS[@BAUD]` to a command.
-- @tparam table parser
function console.add_options(parser)
  parser:option("--listen", "show what the chip prints for so long; BAUD is 115200 if not said")
    :argname "SECONDS[@BAUD]"
end

--- Reads what `--listen` says.
-- @tparam table opt
-- @treturn table|nil `{ seconds, baud }`
-- @raise `usage`
function console.parse_options(opt)
  if not opt.listen then return nil end
  local seconds, baud = opt.listen:match("^([%d.]+)@?(%d*)$")
  seconds = tonumber(seconds)
  if not seconds or seconds > 3600 then
    errors.raise("usage", ("--listen: '%s' is no time"):format(opt.listen),
      { hint = "seconds, with the rate if it is not 115200: 3 or 2.5@74880" })
  end
  return { seconds = seconds, baud = math.tointeger(tonumber(baud)) or DEFAULT_BAUD }
end

-- The boot ROM's text comes at its own rate. It ends with the checksum of the
-- image, or where it gives up; from there on the firmware speaks.
local function boot_is_over(text)
  return text:find("\ncsum 0x%x%x\r?\n") or text:find("ets_main%.c")
    or text:find("user code done")
end

-- Reads the boot text until it is over or nothing comes for a while.
local function read_boot(port, baud)
  errors.check(port:baud(baud))
  local boot, quiet_since = "", port:now()
  while port:now() - quiet_since < BOOT_QUIET_US and not boot_is_over(boot) do
    local s = errors.check(port:read(1, 20))
    if #s > 0 then quiet_since = port:now() end
    boot = boot .. s
  end
  return boot
end

--- Listens and follows the chip from rate to rate.
-- @param port an `esp` port
-- @tparam rate_finder finder says at which rate to listen
-- @tparam number seconds on the port's clock
-- @tparam function sink `sink(bytes, baud, time_us)`, with "" too while nothing
--   comes; true ends it
function console.follow(port, finder, seconds, sink)
  local till = port:now() + math.floor(seconds * 1e6)
  errors.check(port:baud(finder.baud))
  while port:now() < till do
    local s, baud = errors.check(port:read(4096, FOLLOW_MS)), finder.baud
    local now = port:now()
    local next_baud = finder:feed(s, now)
    if sink(s, baud, now) then return end
    if next_baud then errors.check(port:baud(next_baud)) end
  end
end

--- Listens to a chip that is being reset: its ROM's text, up to where the firmware
-- takes over.
-- @param port an `esp` port
-- @tparam[opt=74880] integer boot_baud
-- @treturn string what was heard
function console.boot_text(port, boot_baud)
  return read_boot(port, boot_baud or console.BOOT_BAUD)
end

-- What was heard behind the last text that was expected, by port.
local unread = setmetatable({}, { __mode = "k" })

-- Where a match ends, and its captures or all of it.
local function by_pattern(pattern)
  return function(heard)
    local _, last = heard:find(pattern)
    if last then return last, heard:match(pattern) end
  end
end

--- Waits until the chip prints something. What it prints behind that is kept for
-- the next call.
-- @param port an `esp` port, at the console's rate
-- @tparam string|table pattern a Lua pattern: `"\n> $"`, `"heap: (%d+)"`; or `text` and
--   `find(heard)`, which returns where a match ends and what is to be returned
-- @tparam[opt=10] number seconds on the port's clock
-- @treturn string,... the pattern's captures, or all that matched
-- @raise `timeout`, with what was heard instead
function console.expect(port, pattern, seconds)
  local find = type(pattern) == "table" and pattern.find or by_pattern(pattern)
  local heard = unread[port] or ""
  local till = port:now() + math.floor((seconds or 10) * 1e6)
  while true do
    local found = table.pack(find(heard))
    if found[1] then
      unread[port] = heard:sub(found[1] + 1)
      return table.unpack(found, 2, found.n)
    end
    unread[port] = heard
    if port:now() >= till then
      errors.raise("timeout", ('"%s" was not heard within %g s'):format(text.escape(
        type(pattern) == "table" and pattern.text or pattern), seconds or 10), { see = false,
        hint = "heard instead: " .. (heard == "" and "nothing"
          or text.escape(heard:sub(-SHOWN)):sub(-SHOWN)) })
    end
    heard = (heard .. errors.check(port:read(4096, FOLLOW_MS))):sub(-KEEP)
  end
end

--- Adds to what @{expect} looks through.
-- @param port an `esp` port
-- @tparam string bytes heard in another way
function console.heard(port, bytes)
  unread[port] = ((unread[port] or "") .. bytes):sub(-KEEP)
end

--- Sends text to the chip's console.
-- @param port an `esp` port
-- @tparam string bytes a line for the Lua prompt ends with "\n"
function console.send(port, bytes)
  errors.check(port:write(bytes))
  errors.check(port:drain())
end

--- Collects what the chip prints.
-- @param port an `esp` port
-- @tparam table listen from `console.parse_options`
-- @tparam[opt] integer boot_baud rate of the boot ROM's text, when the chip is
--   being reset at this moment: 74880, or 115200 with a 40 MHz crystal
-- @tparam[opt] function seen gets all that was heard after each piece; true ends it
-- @treturn string what was heard, as it came
function console.capture(port, listen, boot_baud, seen)
  local till = port:now() + math.floor(listen.seconds * 1e6)
  local heard = boot_baud and read_boot(port, boot_baud) or ""
  local enough = seen and seen(heard)
  errors.check(port:baud(listen.baud))
  while not enough and port:now() < till do
    local s = errors.check(port:read(4096, PIECE_MS))
    heard = heard .. s
    enough = seen and #s > 0 and seen(heard)
  end
  return heard
end

--- Shows whole lines of what is heard, once each.
-- @treturn function `show(heard, all)`: heard is everything so far; `all`: the
-- unfinished line at its end, too
function console.line_shower()
  local shown = 0
  return function(heard, all)
    while true do
      local first, last = heard:find("\r?\n", shown + 1)
      if not first then break end
      console.show(heard:sub(shown + 1, first - 1))
      shown = last
    end
    if all and shown < #heard then console.show(heard:sub(shown + 1)) end
  end
end

--- Shows what the chip prints, line by line, control characters escaped.
-- @param port an `esp` port
-- @tparam table listen from `console.parse_options`
-- @tparam[opt] integer boot_baud as for @{console.capture}
-- @treturn string what was heard, as it came
function console.listen(port, listen, boot_baud)
  local show = console.line_shower()
  local heard = console.capture(port, listen, boot_baud, function(s) show(s) end)
  show(heard, true)
  return heard
end

--- Shows one line of the chip's.
-- @tparam string line
function console.show(line)
  report.event("console", { text = text.escape(line) })
  report.line("| %s", text.escape(line))
end

return console
