-- scripts/restore.lua: put a backup back on the chip it came from
local cli     <const> = require "moonflash.cli"
local console <const> = require "moonflash.console"
local device  <const> = require "moonflash.device"
local dry_run <const> = require "moonflash.dry_run"
local errors  <const> = require "moonflash.errors"
local esp     <const> = require "esp"
local jobs    <const> = require "moonflash.backup_jobs"
local numbers <const> = require "moonflash.numbers"
local proven  <const> = require "moonflash.proven"
local regions <const> = require "moonflash.regions"
local report  <const> = require "moonflash.report"
local restore <const> = require "moonflash.restore"
local writer  <const> = require "moonflash.writer"

local parser = cli.parser("restore", "Puts a backup back on the chip it came from.", [[
Every digest in the file is checked before the chip is touched. Only sectors that
differ are written, the boot header's first erased and last written, and at the end
all of it is compared with what is in flash. The bare bytes of a whole flash are
taken too; they do not tell which chip they are of.

examples:
  moonflash restore board.mfb
  moonflash restore board.mfb --region spiffs
  moonflash restore golden.mfb --to-another-board
  moonflash -p sim:board.flash restore board.mfb --dry-run]])
parser:argument("file", "a backup, or the bare bytes of a whole flash")
parser:option("-r --region", "only this part of it; may be repeated"):argname "REGION"
  :count "*":target "regions"
parser:flag("--to-another-board", "it is of another board: this one keeps its own rf-cal, "
  .. "init-data and system-param"):target "another"
parser:flag("--full", "write also what is there already")
parser:flag("-n --dry-run", "print the plan and change nothing")
console.add_options(parser)
local opt = cli.parse(parser)

local listen = console.parse_options(opt)
local b = jobs.open_any(opt.file)
local what = { ranges = restore.ranges(b, opt.regions), keep = {}, own = {} }

local dev <close> = device.open(opt)
local flash = dev:flash()
local differences = restore.must_fit(b, dev.chip, flash, opt.another)
for _, line in ipairs(differences) do report.warn("%s", line) end
if opt.another then
  local read = function(addr, size) return dev:read(addr, size) end
  local notes
  what.keep, what.own, notes =
    restore.keep_own(b, what.ranges, regions.identify(read, flash.size), read)
  for _, note in ipairs(notes) do report.stage("%s", note) end
end

local hash = not opt.full and dev.loader:hashes(what.ranges) or nil
local parts, want, sectors = restore.parts(b, what, hash)
local request = { parts = parts, keep = what.keep, full = opt.full }
if opt.dry_run then return dry_run.finish(dev, request) end

local started = esp.clock()
local s = writer.write(dev, request, report.showing(dev))
local wrong = dev.loader.has_hashes
  and proven.first_difference(dev, what.ranges, function(addr) return want[addr] end)
if wrong then
  errors.raise("chip_changed", ("flash differs from the backup at %s"):format(numbers.hex(wrong)),
    { addr = wrong, hint = "run the same command again" })
end
dev:leave(listen)
local done = s.written + s.blanked
report.result { bytes = sectors * 4096, sectors_written = done, sectors_skipped = sectors - done,
  kept = #what.keep, differences = differences, seconds = esp.clock() - started, verified = true }
report.written { bytes = sectors * 4096, written = done, skipped = sectors - done,
  seconds = s.seconds, proof = s.proof }
