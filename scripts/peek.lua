-- scripts/peek.lua: read words of the chip's memory or registers
local cli     <const> = require "moonflash.cli"
local device  <const> = require "moonflash.device"
local errors  <const> = require "moonflash.errors"
local numbers <const> = require "moonflash.numbers"
local report  <const> = require "moonflash.report"

local parser = cli.parser("peek", "Reads 32-bit words of memory or registers.", [[
examples:
  moonflash peek 0x3ff00050 4       the eFuse words
  moonflash peek 0x60000014         UART 0 divider]])
parser:argument("addr", "address, a multiple of 4")
parser:argument("count", "how many words"):default("1")
local opt = cli.parse(parser)

local addr  = numbers.parse(opt.addr, "address")
local count = numbers.parse(opt.count, "count", { min = 1, max = 4096 })
if addr % 4 ~= 0 then
  errors.raise("usage", ("address 0x%x is not a multiple of 4"):format(addr),
    { hint = "the chip's loader hangs when asked for an unaligned word" })
end
if addr < 0x20000000 or addr + count * 4 > 0x100000000 then
  errors.raise("usage", ("there is nothing at address 0x%08x"):format(addr),
    { hint = "reading there would hang the chip's loader; memory begins at 0x3ff00000" })
end

local dev <close> = device.open(opt, true)
local words = {}
for i = 1, count do
  words[i] = errors.check(dev.rom:read_reg(addr + (i - 1) * 4))
  report.line("0x%08x: 0x%08x", addr + (i - 1) * 4, words[i])
end
report.result { addr = addr, words = words }
dev:leave()
