-- scripts/erase.lua: erase flash: all of it, a region by its name, or a range
local backup  <const> = require "moonflash.backup"
local cli     <const> = require "moonflash.cli"
local device  <const> = require "moonflash.device"
local erasing <const> = require "moonflash.erasing"
local errors  <const> = require "moonflash.errors"
local esp     <const> = require "esp"
local numbers <const> = require "moonflash.numbers"
local regions <const> = require "moonflash.regions"
local report  <const> = require "moonflash.report"

local parser = cli.parser("erase", "Erases flash and proves that it is blank.", [[
What is erased: all, an address and a size in whole sectors of 4096 bytes, or
regions by name: firmware, rf-cal, init-data, system-param, partition, lfs, spiffs.
Where a region is, is found in the flash itself: its boot header, its partition
table, its firmware. What is blank already is not erased again.

examples:
  moonflash erase all
  moonflash erase spiffs --dry-run
  moonflash erase rf-cal system-param
  moonflash erase 0x3fc000 16k]])
parser:argument("what", "all, ADDR SIZE, or REGION ..."):args "1+"
parser:flag("-n --dry-run", "say what would be erased and how long it takes")
local opt = cli.parse(parser)

-- ADDR SIZE as it always was: sizes may be "all" for the rest.
local function by_address(addr, size)
  if not size then
    errors.raise("usage", "erase needs a size", { hint = "moonflash erase 0x100000 64k" })
  end
  addr = numbers.parse(addr, "address")
  size = numbers.parse(size, "size", { all = "all", min = 1 })
  if addr % 4096 ~= 0 or size ~= "all" and size % 4096 ~= 0 then
    errors.raise("align", "flash is erased in whole sectors of 4096 bytes",
      { hint = "address and size must be multiples of 0x1000" })
  end
  return { { name = "range", addr = addr, size = size } }
end

local wanted = {}
if opt.what[1]:match "^%d%w*$" and #opt.what <= 2 then
  wanted = by_address(opt.what[1], opt.what[2])
else
  for i, word in ipairs(opt.what) do wanted[i] = regions.parse(word) end
end

local dev <close> = device.open(opt)
local read = function(addr, size) return dev:read(addr, size) end
local ranges = backup.join(regions.resolve(wanted, read, dev:flash().size))
local job = erasing.plan(dev, ranges)
for _, r in ipairs(ranges) do
  report.stage("%s %s: %s, %d bytes", opt.dry_run and "would erase" or "erasing", r.name,
    numbers.range_text(r.addr, r.size), r.size)
end
report.stage("about %s%s%s", numbers.time_text(job.seconds),
  job.blank > 0 and (", %d bytes are blank already"):format(job.blank) or "",
  job.whole and ", by the chip's own command for all of it" or "")
local result = { addr = ranges[1].addr, bytes = job.bytes, ranges = ranges,
  blank_already = job.blank, expected_seconds = job.seconds, whole_chip = job.whole or false }
if opt.dry_run then
  dev:leave()
  report.result(result)
  return report.ok("nothing was changed")
end

local started = esp.clock()
erasing.run(dev, job)
dev:leave()
result.seconds = esp.clock() - started
report.result(result)
report.ok("%d bytes erased at 0x%06x", job.bytes, ranges[1].addr)
