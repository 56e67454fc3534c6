-- scripts/erase.lua: erase flash, all of it or a range
local cli     <const> = require "moonflash.cli"
local device  <const> = require "moonflash.device"
local errors  <const> = require "moonflash.errors"
local numbers <const> = require "moonflash.numbers"
local report  <const> = require "moonflash.report"

local parser = cli.parser("erase", "Erases flash: all of it, or whole sectors of 4096 bytes.", [[
examples:
  moonflash erase all
  moonflash erase 0x3fc000 16k]])
parser:argument("addr", "first address, a multiple of 4096, or all")
parser:argument("size", "bytes, a multiple of 4096, or all for the rest"):args "?"
local opt = cli.parse(parser)

local addr = numbers.parse(opt.addr, "address", { all = "all" })
local size = addr == "all" and "all" or opt.size and
  numbers.parse(opt.size, "size", { all = "all", min = 1 })
if not size then
  errors.raise("usage", "erase needs a size", { hint = "moonflash erase 0x100000 64k" })
end
if addr == "all" then addr = 0 end
if addr % 4096 ~= 0 or size ~= "all" and size % 4096 ~= 0 then
  errors.raise("align", "flash is erased in whole sectors of 4096 bytes",
    { hint = "address and size must be multiples of 0x1000" })
end

local dev <close> = device.open(opt)
local flash = dev:flash()
if size == "all" then size = flash.size - addr end
if size <= 0 or addr + size > flash.size then
  errors.raise("range", ("%s is outside this chip's %s of flash"):format(
    numbers.range_text(addr, math.max(size, 0)), numbers.size_text(flash.size)))
end
report.stage("erasing %s, about %s", numbers.range_text(addr, size),
  numbers.time_text(dev:erase_seconds(size)))
dev:erase(addr, size, report.progress("erasing", size, dev:clock()))
dev:leave()
report.result { addr = addr, bytes = size }
report.ok("%d bytes erased at 0x%06x", size, addr)
