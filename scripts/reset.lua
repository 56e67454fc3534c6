-- scripts/reset.lua: reset the chip, into its firmware or its loader
local cli    <const> = require "moonflash.cli"
local console <const> = require "moonflash.console"
local device <const> = require "moonflash.device"
local errors <const> = require "moonflash.errors"
local esp    <const> = require "esp"
local report <const> = require "moonflash.report"
local resets <const> = require "moonflash.resets"

local parser = cli.parser("reset", "Resets the chip by its modem lines.", [[
examples:
  moonflash reset                   start the firmware
  moonflash reset --listen 3        and show what it prints for 3 seconds
  moonflash reset --to loader       wait in the ROM loader]])
parser:option("--to", "where to: firmware or loader"):choices { "firmware", "loader" }
  :default "firmware"
console.add_options(parser)
local opt = cli.parse(parser)

local listen = console.parse_options(opt)
local port <close> = device.open_port(opt)
if not port:info().lines then
  errors.raise("unsupported", port:info().name .. " has no modem lines to reset the chip with",
    { hint = "press the board's reset button" })
end
if listen then errors.check(port:baud(console.BOOT_BAUD)) end
errors.check(esp.reset(port, resets.to_run(opt.before), opt.to == "loader" and "loader" or "run"))
if listen then console.listen(port, listen, console.BOOT_BAUD) end
report.result { to = opt.to }
report.ok("reset into the %s", opt.to)
