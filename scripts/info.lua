-- scripts/info.lua: which chip is on the port, and what is in its flash
local cli      <const> = require "moonflash.cli"
local device   <const> = require "moonflash.device"
local numbers  <const> = require "moonflash.numbers"
local report   <const> = require "moonflash.report"

local parser = cli.parser("info", "Says which chip is on the port, and what is in its flash.", [[
Reads what it takes to tell: chip, flash, the firmware and its version, where it
keeps things, the state of its init data, how full its file system is.

examples:
  moonflash info
  moonflash info --chip
  moonflash info -p sim: --json]])
parser:flag("--chip", "the chip and its flash alone, nothing of what is in it")
parser:flag("--deep", "look through the firmware also without the stub: takes minutes then")
local opt = cli.parse(parser)

local dev <close> = device.open(opt)
-- loaded while the chip is already connected: the first byte goes out sooner
local describe <const> = require "moonflash.identify_text"
local flashing <const> = require "moonflash.flashing"
local chip, flash = dev.chip, dev:flash()
local facts = not opt.chip and flashing.identify(dev, { usage = true,
  deep = opt.deep or dev.loader.has_hashes or false })
dev:leave()

local function row(name, format, ...) report.line("%-12s " .. format, name, ...) end
row("chip", "%s", chip.chip)
row("MAC", "%s (access point %s)", chip.mac, chip.softap_mac)
row("chip id", "0x%08x", chip.chip_id)
row("crystal", "%d MHz", chip.crystal.mhz)
row("flash", "%s, %s %s (id 0x%06x)", numbers.size_text(flash.size),
  flash.manufacturer or "unknown maker", flash.part or "unknown part", flash.id)
row("flash status", "SR1 0x%02x, SR2 0x%02x%s", flash.status[1], flash.status[2],
  flash.status[1] & 0x1c ~= 0 and ", write protected" or "")
for _, r in ipairs(facts and describe.rows(facts) or {}) do row(r[1], "%s", r[2]) end
if chip.crystal.warning then report.warn("%s", chip.crystal.warning) end
for _, line in ipairs(facts and facts.warnings or {}) do report.warn("%s", line) end
local result = facts and describe.to_table(facts) or {}
result.chip, result.mac, result.softap_mac, result.chip_id = chip.chip, chip.mac,
  chip.softap_mac, chip.chip_id
result.crystal_mhz, result.loader = chip.crystal.mhz, dev.loader.name
result.flash = { size = flash.size, id = flash.id, manufacturer = flash.manufacturer,
  part = flash.part, status = flash.status }
report.result(result)
