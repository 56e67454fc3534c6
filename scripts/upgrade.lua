-- scripts/upgrade.lua: bring a chip to another NodeMCU, keeping its files
local cli      <const> = require "moonflash.cli"
local device   <const> = require "moonflash.device"
local dry_run  <const> = require "moonflash.dry_run"
local errors   <const> = require "moonflash.errors"
local esp      <const> = require "esp"
local files    <const> = require "moonflash.files"
local flashing <const> = require "moonflash.flashing"
local identify <const> = require "moonflash.identify"
local report   <const> = require "moonflash.report"
local upgrade  <const> = require "moonflash.upgrade"
local writer   <const> = require "moonflash.writer"

local parser = cli.parser("upgrade", "Brings a chip to another NodeMCU, keeping its files.", [[
Knows from what is in flash which NodeMCU is there, and does what the way to the new
one needs: init data, system sectors, partition table. Files stay in place, or move
(--fs move, the default), also into the format that the new version reads. All of
flash is saved first; --rollback puts that back. Going back to an older version is
refused without --force.

examples:
  moonflash upgrade nodemcu-release-12-modules-float.bin
  moonflash upgrade bin/ --backup before.bin
  moonflash upgrade nodemcu.bin --fs erase --no-backup
  moonflash upgrade nodemcu.bin --dry-run
  moonflash upgrade --rollback before.bin]])
flashing.add_options(parser)
parser:option("--backup", "file for all of flash before (default: moonflash-MAC-TIME.bin)")
  :argname "FILE"
parser:flag("--no-backup", "do not save flash first")
parser:option("--rollback", "put back what --backup has saved"):argname "FILE"
local opt = cli.parse(parser)

flashing.check_options(opt)
if opt.rollback then return flashing.rollback(opt, device.open) end
local firmware = flashing.read_firmware(opt.files)
if opt.backup then files.check_writable(opt.backup) end

local dev <close> = device.open(opt)
local choice = flashing.choose_mode(dev, firmware, opt)
local done, key = flashing.finish(dev, "upgrade", opt, firmware, choice)
if done then return end
local facts, sum, backup
if opt.dry_run or opt.no_backup then
  facts = flashing.identify(dev)
else
  backup = opt.backup or ("moonflash-%s-%s.bin"):format(dev.chip.mac:gsub(":", ""),
    os.date "%Y%m%d-%H%M%S")
  local bytes
  bytes, sum, backup = flashing.backup(dev, backup)
  facts = identify.backup(bytes:sub(1, flashing.usable(dev)))
end
for _, line in ipairs(facts.warnings) do report.warn("%s", line) end
local p = upgrade.plan(facts, firmware, facts.flash_bytes, { mode = choice.mode, freq = opt.freq,
  fs = opt.fs or "move", lfs = opt.lfs or "keep", force = opt.force, init = opt.init,
  crystal_mhz = dev.chip.crystal.mhz })
local request = { parts = p.parts, keep = p.keep, full = opt.full, unfinished = key }
flashing.show_plan(p)
if opt.dry_run then return dry_run.finish(dev, request, upgrade.to_table(p)) end

local started = esp.clock()
local ok, s = pcall(writer.write, dev, request, report.showing(dev))
if not ok then
  if errors.is(s) and backup and s.changed then
    s.hint = ("%s; or go back: moonflash upgrade --rollback %s"):format(s.hint or
      "run the same command again", backup)
  end
  error(s, 0)
end
local mode, proven = flashing.prove_mode(dev, p, choice)
local boot = flashing.leave(dev, opt, firmware)
report.result { bytes = s.bytes, sectors_written = s.written, sectors_skipped = s.skipped,
  seconds = esp.clock() - started, retries = s.retries, verified = true, mode = mode,
  mode_proven = proven, plan = upgrade.to_table(p), boot = boot, backup = backup, sha256 = sum }
report.written(s, p.era, boot and boot.text)
