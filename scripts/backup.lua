-- scripts/backup.lua: save flash in a file that knows which chip it is from
local backup  <const> = require "moonflash.backup"
local cli     <const> = require "moonflash.cli"
local device  <const> = require "moonflash.device"
local errors  <const> = require "moonflash.errors"
local esp     <const> = require "esp"
local files   <const> = require "moonflash.files"
local jobs    <const> = require "moonflash.backup_jobs"
local numbers <const> = require "moonflash.numbers"
local regions <const> = require "moonflash.regions"
local report  <const> = require "moonflash.report"

local parser = cli.parser("backup", "Saves flash in a file that knows which chip it is from.", [[
The file is a ZIP archive with the flash in compressed pieces, a digest of each,
and chip, MAC, flash id and layout. A name that ends in .bin, or --raw, gives the
bare bytes instead. The file appears only when all was read and proven.

REGION is all, firmware, rf-cal, init-data, system-param, partition, lfs, spiffs,
0x10000+64k or 0x10000..0x1ffff.

examples:
  moonflash backup board.mfb
  moonflash backup board.mfb --region init-data --region spiffs
  moonflash backup whole.bin                  bare bytes
  moonflash backup check board.mfb            is the file sound, what is in it
  moonflash backup unpack board.mfb board.bin bare bytes out of a backup
  unzip -p board.mfb 'flash/*' > board.bin    the same without moonflash]])
parser:argument("file", "the backup to make; or check FILE, or unpack FILE RAW"):args "1-3"
  :argname { "FILE|check|unpack", "FILE", "RAW" }:target "words"
parser:option("-r --region", "only this part of flash; may be repeated"):argname "REGION"
  :count "*":target "regions"
parser:flag("--raw", "bare bytes whatever the name says")
parser:flag("-n --dry-run", "say what would be read, and write no file")
local opt = cli.parse(parser)

if opt.words[1] == "check" and #opt.words == 2 then return jobs.check(opt.words[2]) end
if opt.words[1] == "unpack" and #opt.words == 3 then
  return jobs.unpack(opt.words[2], opt.words[3])
end
if #opt.words ~= 1 then
  errors.raise("usage", "backup makes one file", { hint = "backup FILE, backup check FILE,"
    .. " or backup unpack FILE RAW" })
end

local file = opt.words[1]
local raw = opt.raw or file:lower():find "%.bin$" ~= nil
local wanted = {}
for i, word in ipairs(#opt.regions > 0 and opt.regions or { "all" }) do
  wanted[i] = regions.parse(word)
end
if not opt.dry_run then files.check_writable(file) end

local dev <close> = device.open(opt)
local flash = dev:flash()
local read = function(addr, size) return dev:read(addr, size) end
local ranges = backup.join(regions.resolve(wanted, read, flash.size))
jobs.must_be_one(ranges, raw)
if opt.dry_run then
  for _, r in ipairs(ranges) do
    report.line("read %s: %s, %d bytes", r.name, numbers.range_text(r.addr, r.size), r.size)
  end
  dev:leave()
  report.result { ranges = ranges }
  return report.ok("nothing was written")
end

local started = esp.clock()
local bytes, sum, total = jobs.read(dev, ranges, raw)
files.write(file, bytes)
dev:leave()
report.result { file = file, ranges = ranges, bytes = total, file_bytes = #bytes, sha256 = sum,
  seconds = esp.clock() - started }
report.ok("%d bytes of flash in %s (%d bytes)", total, file, #bytes)
