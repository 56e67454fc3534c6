-- scripts/write.lua: write files to flash addresses, and prove it
local cli     <const> = require "moonflash.cli"
local console <const> = require "moonflash.console"
local device  <const> = require "moonflash.device"
local dry_run <const> = require "moonflash.dry_run"
local esp     <const> = require "esp"
local parts   <const> = require "moonflash.parts"
local plan    <const> = require "moonflash.plan"
local report  <const> = require "moonflash.report"
local writer  <const> = require "moonflash.writer"

local parser = cli.parser("write", "Writes files to flash and proves it by reading back.", [[
Everything is checked before the first erase. A boot image at 0x0 gets the size
of the flash that was found into its header; mode and clock stay as they are
unless asked. Its first sector is erased first and written last, so an
interrupted write never boots half an image.
A file may be packed with gzip, or be Intel HEX or UF2, which say themselves where
they go: write 0x0 in front of those.

examples:
  moonflash write 0x0 nodemcu.bin
  moonflash write 0x0 0x00000.bin 0x10000 0x10000.bin --mode dio
  moonflash write 0x0 nodemcu.bin 0x3fc000 init.bin --listen 5
  moonflash -p sim:board.flash write 0x0 examples/hello/hello.bin --dry-run]])
parts.add_options(parser, "write")
parser:flag("--full", "write also what is there already")
parser:flag("-n --dry-run", "print the plan and change nothing")
console.add_options(parser)
local opt = cli.parse(parser)

local listen = console.parse_options(opt)
local list = parts.read(opt)
parts.check(list, opt.force)
plan.write { parts = list, flash_bytes = parts.largest(opt),
  allow_partial = parts.is_partial(list) }
local key = parts.key("write", list)    -- of the files as they are

local dev <close> = device.open(opt)
local flash = dev:flash()
parts.must_fit(list, flash)
parts.patch(list, opt, flash)
local request = { parts = list, full = opt.full, allow_partial = parts.is_partial(list),
  unfinished = key }
if opt.dry_run then return dry_run.finish(dev, request) end

local started = esp.clock()
if key then writer.finish(dev, key, report.showing(dev)) end
local s = writer.write(dev, request, report.showing(dev))
dev:leave(listen)
report.result { bytes = s.bytes, sectors_written = s.written, sectors_skipped = s.skipped,
  sectors_erased = s.erased, seconds = esp.clock() - started, retries = s.retries,
  verified = true }
report.written(s)
