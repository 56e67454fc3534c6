-- scripts/sim.lua: a simulated chip for other programs
local cli    <const> = require "moonflash.cli"
local console <const> = require "moonflash.console"
local errors <const> = require "moonflash.errors"
local esp    <const> = require "esp"
local report <const> = require "moonflash.report"

local function option_help()
  local lines = { "options of a chip, as in sim:FILE?NAME=VALUE&NAME=VALUE:" }
  for _, o in ipairs(esp.sim_options()) do
    lines[#lines + 1] = ("  %-10s %-14s %s"):format(o.name, o.form, o.help)
  end
  return table.concat(lines, "\n")
end

local FAULTS <const> = [[
A file for faults= has a fault a line, "- KIND N [ARG]"; the "-" becomes "x" when it
has happened, so that each comes once though the port is opened again. N counts
bytes or flash operations since the port was opened.
  flip-in, lose-in, dup-in      the bytes N to N+ARG-1 towards the chip; ARG 1
  flip-out, lose-out, dup-out   ... from the chip
  reset N                       the chip restarts by itself after N bytes
  unplug N [K]                  the port is gone after N bytes, for K openings (n: all)
  cut N [K]                     power fails in operation N, for K openings (n: all)
  cut-before, cut-after         ... before, after that operation
  lie N [ARG]                   ARG operations from N on do nothing
  signal N SIG                  this program gets signal SIG after N bytes
  signal-op N SIG               ... in flash operation N
  id N ID                       from the N-th question on the flash id is ID
                                (maker | type << 8 | capacity << 16)
  stuck0, stuck1 ADDR BITS      these bits of a cell stay 0 (1)]]

local parser = cli.parser("sim", "Simulates an ESP8266 that other programs can open.", [[
Runs until Ctrl-C. FILE keeps the flash and is made when it is missing; several
chips are several FILEs, on consecutive TCP ports. What is wired to DTR and RTS
works over RFC 2217; a pseudo-terminal has no such lines, so there the chip
waits in its loader.

examples:
  moonflash sim board.flash --rfc2217 4000
  esptool --port rfc2217://localhost:4000 flash_id     (in another terminal)
  moonflash sim 'board.flash?size=1M&chip=esp8285' --pty /tmp/board
  moonflash sim board.flash --boot                      (run it, console here)

]] .. option_help() .. "\n\n" .. FAULTS)
parser:argument("chips", "the chips; none: a blank 4 MB chip that is forgotten"):args "*"
  :argname "FILE[?OPTIONS]"
parser:option("--rfc2217", "serve by RFC 2217 on [HOST:]PORT (0: any free port)")
  :argname "[HOST:]PORT"
parser:option("--pty", "serve as a pseudo-terminal, with a symbolic link LINK to it")
  :argname "LINK"
parser:flag("--boot", "let it run its flash and show its console here")
parser:option("--seconds", "stop after so long"):argname "N"
local opt = cli.parse(parser)

local seconds = opt.seconds and (tonumber(opt.seconds) or
  errors.raise("usage", ("--seconds: '%s' is no time"):format(opt.seconds)))
if not (opt.rfc2217 or opt.pty or opt.boot) then
  errors.raise("usage", "how should the chip be reached?",
    { hint = "--rfc2217 4000, --pty /tmp/board or --boot" })
end
local chips = #opt.chips > 0 and opt.chips or { "" }

local function open(spec, extra)
  local joint = spec:find("?", 1, true) and "&" or "?"
  local port, message, code = esp.open("sim:" .. spec .. joint .. extra)
  return errors.check(port, message, code)
end

-- Where the i-th chip is offered: the next TCP port, the link with a number.
local function where(i)
  if opt.pty then return "pty:" .. opt.pty .. (i > 1 and tostring(i) or "") end
  local host, number = opt.rfc2217:match("^(.-):?(%d+)$")
  number = math.tointeger(tonumber(number))
  if not number or number > 65535 then
    errors.raise("usage", ("'%s' is no TCP port"):format(opt.rfc2217))
  end
  return ("rfc2217:%s:%d"):format(host == "" and "127.0.0.1" or host,
    number == 0 and 0 or number + i - 1)
end

local function serve()
  local list, ports = {}, {}
  for i, spec in ipairs(chips) do
    ports[i] = open(spec, opt.pty and "wiring=none&strap=1" or "")
    list[i] = { esp.sim_of(ports[i]), where(i) }
  end
  local ok, message, code = esp.serve(list, seconds and math.floor(seconds * 1000) or 0,
    function(addresses)
      for i, address in ipairs(addresses) do
        report.line("%s: %s", chips[i] == "" and "blank chip" or chips[i], address)
        report.event("serving", { chip = chips[i], address = address })
      end
      io.stdout:flush()
    end)
  for _, port in ipairs(ports) do port:close() end
  if not ok and code ~= "interrupted" then errors.raise(code, message) end
end

local function boot()
  local port <close> = open(chips[1], "wiring=none&strap=3&pace=real")
  errors.check(port:baud(console.BOOT_BAUD))
  console.listen(port, { seconds = seconds or 1e9, baud = 115200 }, console.BOOT_BAUD)
end

if opt.boot then boot() else serve() end
report.result { chips = chips }
