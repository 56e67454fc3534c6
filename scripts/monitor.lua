-- scripts/monitor.lua: the chip's console, at the rate that it speaks
local cli         <const> = require "moonflash.cli"
local elf_symbols <const> = require "moonflash.elf_symbols"
local errors      <const> = require "moonflash.errors"
local files       <const> = require "moonflash.files"
local monitor     <const> = require "moonflash.monitor"
local report      <const> = require "moonflash.report"
local text        <const> = require "moonflash.text"

local parser = cli.parser("monitor", "Shows the chip's console, at the rate that it speaks.", [[
The rate is found from what is heard (115200, 9600, 74880, 57600, 230400, 460800,
921600), and the ROM's text at 74880 is read in the same session whenever the chip
restarts. --baud names another rate for the firmware. What a chip prints is shown
with control characters escaped; crashes are explained.

In a terminal what is typed goes to the chip: Ctrl-] ends, Ctrl-R resets the chip,
Ctrl-L resets it into its loader. Without one it listens for --seconds.

examples:
  moonflash monitor
  moonflash monitor --reset --timestamps --log boot.log
  moonflash monitor --elf firmware.elf    names for the addresses of a crash
  moonflash monitor --reset --seconds 20 --expect "> "  (exit 0: seen)
  moonflash doctor --transcript boot.log]])
parser:flag("--reset", "reset the chip first")
parser:option("--seconds", "end after so long"):argname "N"
parser:flag("--timestamps", "seconds since the start before each line")
parser:option("--log", "add each line to FILE as well"):argname "FILE"
parser:option("--elf", "the firmware's ELF file: addresses get names"):argname "FILE"
parser:option("--expect", "end when this text is heard; it is a failure when it is not")
  :argname "TEXT"
local opt = cli.parse(parser)

local seconds
if opt.seconds then
  seconds = tonumber(opt.seconds)
  if not seconds or seconds <= 0 or seconds > 1e8 then
    errors.raise("usage", ("--seconds: '%s' is no time"):format(opt.seconds))
  end
end
local symbols = opt.elf and elf_symbols.parse(files.read(opt.elf))

local session <close> = monitor.open(opt, symbols)
local found = session:run(seconds)
report.result { baud = session.finder.home or session.finder.baud, found = found,
  expect = opt.expect }
if opt.expect and not found then
  errors.raise("timeout", ('"%s" was not heard'):format(text.escape(opt.expect)), { see = false,
    hint = "moonflash doctor may know why" })
end
report.stage("%s", found and "heard" or "end")
