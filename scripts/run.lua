-- scripts/run.lua: start the flashed firmware and show what it prints
local cli     <const> = require "moonflash.cli"
local console <const> = require "moonflash.console"
local device  <const> = require "moonflash.device"
local report  <const> = require "moonflash.report"

local parser = cli.parser("run", "Starts the flashed firmware.", [[
With modem lines by a reset; without them by telling the loader to boot.

examples:
  moonflash run
  moonflash run --listen 3@115200]])
console.add_options(parser)
local opt = cli.parse(parser)

local listen = console.parse_options(opt)
local dev <close> = device.open_to_run(opt)
if listen then console.listen(dev.port, listen, console.BOOT_BAUD) end
report.result { started = true }
report.ok("the firmware was started")
