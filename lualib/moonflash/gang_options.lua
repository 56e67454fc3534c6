--- The command line of `gang`, and the words for how a line ended.
-- @module moonflash.gang_options
local cli <const> = require "moonflash.cli"
local errors <const> = require "moonflash.errors"
local gang_table <const> = require "moonflash.gang_table"

local gang_options = {}

-- gang's own options; all others are the command's. true: takes an argument.
local OWN <const> = { ["--ports"] = true, ["--count"] = true, ["--once"] = false,
  ["--swap"] = false, ["--stop-after"] = true, ["--at-once"] = true, ["--timeout"] = true, ["--exec-on"] = true }

-- Global options that gang looks at too.
local SHARED <const> = { ["--json"] = false, ["-q"] = false, ["--quiet"] = false, ["-v"] = false,
  ["--verbose"] = false, ["--color"] = true }

local HELP <const> = [[
Each board gets a process of its own, so that what happens to one touches no other.
The command's files are read, checked and laid out once, before the first board. A
board starts as soon as it is plugged in; when it is done and unplugged, the next
one on that port starts. Ctrl-C ends the line: no more boards are started, those on
their way are finished; a second Ctrl-C stops them safely.

In a fixture the adapter stays and boards change behind it, which nobody can see. With
--swap a port whose board is done asks every second who is there (that resets the
board), and starts when another one answers, or one after none had.

What --ports takes, several between commas:
  all                    every USB serial port
  usb:10c4:ea60          every adapter of this vendor and product
  serial:A5069RR4        the adapter with this serial number; * and ? are allowed
  hub:1-2.3              what is plugged in there, or in a hub there
  /dev/ttyUSB0           a path; '/dev/ttyUSB*'
  rfc2217://host:{4000..4007}, 'sim:board{1..16}.flash?size=4M'

Options of gang may stand anywhere; all others are the command's. The exit code is 0
when every board is good; that of the failures when they are alike; else 8 when a
chip is changed and not proven; else the highest.

examples:
  moonflash gang flash.lua --ports all
  moonflash gang flash nodemcu.bin --ports usb:10c4:ea60 --count 100 --stop-after 3
  moonflash gang write 0x0 a.bin 0x10000 b.bin --ports '/dev/ttyUSB*' --once
  moonflash gang upgrade nodemcu.bin --ports hub:1-2 --exec-on done='lpr label.txt'
  moonflash gang flash.lua --ports serial:FIXTURE* --swap
  moonflash gang flash.lua --ports 'sim:board{1..16}.flash?size=4M' --json]]

local function make_parser()
  local parser = cli.parser("gang", "Flashes many boards at once, as they are plugged in.", HELP)
  parser:argument("command", "a command or a recipe, with its arguments"):args "*"
  parser:option("--ports", "which ports, see below"):argname "WHAT"
  parser:option("--count", "end after N good boards"):argname "N"
  parser:flag("--once", "only the boards that are there now")
  parser:flag("--swap", "boards change behind adapters that stay: ask for the next one")
  parser:option("--stop-after", "end after N failures in a row"):argname "N"
  parser:option("--at-once", "at most N boards at a time"):argname "N"
  parser:option("--timeout", "stop a board that gives no sign of life for so long"):default "120"
    :argname "SECONDS"
  return parser
end

-- Takes the options of a table out of words; where both want one it stays, too.
local function take(words)
  local mine, others, i = {}, {}, 1
  while i <= #words do
    local word = words[i]
    local flag = word:match "^(%-%-[%w-]+)=" or word
    local joint = flag ~= word
    local own, shared = OWN[flag] ~= nil, SHARED[flag] ~= nil
    local n = (own and OWN[flag] or shared and SHARED[flag]) and not joint and 2 or 1
    for k = i, math.min(i + n - 1, #words) do
      if own or shared then mine[#mine + 1] = words[k] end
      if not own then others[#others + 1] = words[k] end
    end
    i = i + n
  end
  return mine, others
end

local function number(opt, key, least, integer)
  local text = opt[key]
  if not text then return nil end
  local n = tonumber(text)
  if integer then n = math.tointeger(n) end
  if not n or n < least or n > 1e6 then
    errors.raise("usage", ("--%s: '%s' is no %s"):format(key:gsub("_", "-"), text,
      integer and "number of boards" or "time"))
  end
  return n
end

local function wants_help(words)
  for _, word in ipairs(words) do
    if word == "-h" or word == "--help" then return true end
  end
end

--- Parses the command line.
-- @tparam {string,...} args
-- @treturn table gang's options
-- @treturn string the command's name
-- @treturn {string,...} global options before it
-- @treturn {string,...} its arguments
-- @raise `usage`
function gang_options.parse(args)
  local mine, others = take(args)
  local before, name, rest = cli.split(others)
  if wants_help(before) then mine[#mine + 1] = "--help" end
  if wants_help(rest) then cli.run(name, before, rest) end     -- the command's own help
  cli.args = mine
  local opt = cli.parse(make_parser())
  if not name then
    errors.raise("usage", "gang needs a command or a recipe",
      { hint = "moonflash gang flash nodemcu.bin --ports all" })
  end
  if not opt.ports then
    errors.raise("usage", "gang needs --ports", { hint = "--ports all, or see 'gang --help'" })
  end
  if opt.once and opt.swap then
    errors.raise("usage", "--once and --swap exclude each other")
  end
  opt.count, opt.stop_after = number(opt, "count", 1, true), number(opt, "stop_after", 1, true)
  opt.at_once, opt.timeout = number(opt, "at_once", 1, true), number(opt, "timeout", 0.1)
  return opt, name, before, rest
end

--- The options as @{moonflash.gang} takes them.
-- @tparam table opt
-- @tparam {spec,...} specs
-- @treturn table
function gang_options.for_line(opt, specs)
  local waits = opt.swap
  for _, spec in ipairs(specs) do waits = waits or not spec.permanent end
  return { count = opt.count, once = opt.once, stop_after = opt.stop_after, at_once = opt.at_once,
    timeout = opt.timeout, waits = waits, swap = opt.swap }
end

--- With --once, what is named must be there.
-- @raise `missing`
function gang_options.must_be_there(opt, specs, present)
  if not opt.once then return end
  local there = {}
  for _, p in ipairs(present) do there[p.name] = true end
  for _, spec in ipairs(specs) do
    if spec.kind == "name" and not there[spec.name] then
      errors.raise("missing", spec.name .. ": there is no such port", { hint = "'moonflash ports'"
        .. " lists all" })
    end
  end
  if #present == 0 then
    errors.raise("missing", "no port is there that --ports names",
      { hint = "'moonflash ports' lists all; without --once boards are waited for" })
  end
end

local CODES <const> = { [1] = "script", [2] = "usage", [3] = "port", [4] = "timeout",
  [5] = "wrong_chip", [6] = "file", [7] = "refused_by_policy", [8] = "chip_changed", [9] = "io",
  [130] = "interrupted" }

local function by_exit(exits)
  local list = {}
  for _, e in ipairs(exits) do list[#list + 1] = ("%d with exit %d"):format(e.boards, e.exit) end
  return table.concat(list, ", ")
end

--- The last line of a good run.
-- @tparam table totals
-- @treturn string
function gang_options.summary(totals)
  return ("%d board%s, %s"):format(totals.boards, totals.boards == 1 and "" or "s",
    gang_table.totals_line(totals, 0))
end

--- Why a line is no success.
-- @tparam gang line
-- @tparam table totals
-- @treturn table|nil `code`, `message`, `exit`, `hint`; nil when every board is good
function gang_options.why_it_failed(line, totals)
  local exit = line:exit_code()
  if totals.boards == 0 and line.stopping then
    return { code = "interrupted", message = "stopped before the first board", exit = 130,
      hint = "nothing was changed" }
  end
  if exit == 0 then return nil end
  local stopped = line:closing() == "failures" and ("stopped after %d failures in a row: "):format(
    line.in_a_row) or ""
  return { code = CODES[exit] or "script", exit = exit, message = ("%s%s (%s)"):format(stopped,
    gang_options.summary(totals), by_exit(totals.exits)),
    hint = "the failed boards are named above; flash them again" }
end

return gang_options
