-- scripts/flash.lua: flash a firmware, with all that belongs to it
local cli      <const> = require "moonflash.cli"
local device   <const> = require "moonflash.device"
local dry_run  <const> = require "moonflash.dry_run"
local esp      <const> = require "esp"
local flashing <const> = require "moonflash.flashing"
local report   <const> = require "moonflash.report"
local upgrade  <const> = require "moonflash.upgrade"
local writer   <const> = require "moonflash.writer"

local parser = cli.parser("flash", "Flashes a firmware, with all that belongs to it.", [[
FILE is an aggregated NodeMCU binary, a folder with 0x00000.bin and 0x10000.bin, or
these two files. The size of the flash that was found goes into the boot header.
For NodeMCU, init data and system sectors are made right for its version and files
on the chip stay when the new firmware will find them; a partition table in use
(NodeMCU 3) is carried over. Other firmware for address 0x0 is written as it is.

Flash mode auto: dout for an ESP8285; what the image says when that is dio or dout;
qio and qout only where the flash chip is known to take them and the chip has proven
it after writing, else dio.

At the end the chip starts, and its console is watched for the Lua prompt.

examples:
  moonflash flash nodemcu-release-12-modules-float.bin
  moonflash flash bin/
  moonflash flash 0x00000.bin 0x10000.bin --mode dout
  moonflash flash nodemcu.bin --erase all --no-watch
  moonflash flash nodemcu.bin --dry-run]])
flashing.add_options(parser)
parser:option("--erase", "what is erased first: smart (what the new firmware needs), all")
  :choices { "smart", "all" }:default "smart"
local opt = cli.parse(parser)

flashing.check_options(opt)
local firmware = flashing.read_firmware(opt.files)

local dev <close> = device.open(opt)
local choice = flashing.choose_mode(dev, firmware, opt)
local done, key = flashing.finish(dev, "flash", opt, firmware, choice)
if done then return end
local facts = flashing.identify(dev)
local p = flashing.plan(facts, firmware, { mode = choice.mode, freq = opt.freq, force = true,
  fs = opt.fs, lfs = opt.lfs, init = opt.init, erase_all = opt.erase == "all",
  crystal_mhz = dev.chip.crystal.mhz })
local request = { parts = p.parts, keep = p.keep, full = opt.full, unfinished = key }
flashing.show_plan(p)
if opt.dry_run then return dry_run.finish(dev, request, upgrade.to_table(p)) end

local started = esp.clock()
local s = writer.write(dev, request, report.showing(dev))
local mode, proven = flashing.prove_mode(dev, p, choice)
local boot = flashing.leave(dev, opt, firmware)
report.result { bytes = s.bytes, sectors_written = s.written, sectors_skipped = s.skipped,
  seconds = esp.clock() - started, retries = s.retries, verified = true, mode = mode,
  mode_proven = proven, plan = upgrade.to_table(p), boot = boot }
report.written(s, nil, boot and boot.text)
