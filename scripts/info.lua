-- scripts/info.lua: which chip and which flash are on the port
local cli     <const> = require "moonflash.cli"
local device  <const> = require "moonflash.device"
local header_of <const> = require("moonflash.image_header").decode
local numbers <const> = require "moonflash.numbers"
local report  <const> = require "moonflash.report"

local parser = cli.parser("info", "Says which chip and which flash are on the port.", [[
examples:
  moonflash info
  moonflash info -p sim:
  moonflash info --json]])
local opt = cli.parse(parser)

local dev <close> = device.open(opt)
local chip, flash = dev.chip, dev:flash()
local first = dev:read(0, 4)
local header = first:byte(1) == 0xe9 and header_of(first:byte(3, 4))
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
row("boot header", "%s", header and ("%s, %s, %s"):format(header.mode or "unknown mode",
  header.freq or "unknown clock", header.size or "unknown size") or "none: flash begins with no image")
if chip.crystal.warning then report.warn("%s", chip.crystal.warning) end
if header and header.size_bytes and header.size_bytes ~= flash.size then
  report.warn("the boot header says %s of flash, the chip has %s", header.size,
    numbers.size_text(flash.size))
end
report.result {
  chip = chip.chip, mac = chip.mac, softap_mac = chip.softap_mac, chip_id = chip.chip_id,
  crystal_mhz = chip.crystal.mhz, loader = dev.loader.name,
  flash = { size = flash.size, id = flash.id, manufacturer = flash.manufacturer,
            part = flash.part, status = flash.status },
  header = header and { mode = header.mode, freq = header.freq, size = header.size } or nil,
}
