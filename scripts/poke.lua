-- scripts/poke.lua: write a word of the chip's memory or registers
local cli     <const> = require "moonflash.cli"
local device  <const> = require "moonflash.device"
local errors  <const> = require "moonflash.errors"
local numbers <const> = require "moonflash.numbers"
local report  <const> = require "moonflash.report"

local parser = cli.parser("poke", "Writes a 32-bit word of memory or a register.", [[
The value's bits under MASK replace those there; the default mask is all ones.

examples:
  moonflash poke 0x3ffe8000 0x12345678 --after stay
  moonflash poke 0x60000304 1 1]])
parser:argument("addr", "address, a multiple of 4")
parser:argument("value", "the word")
parser:argument("mask", "which bits to change"):default("0xffffffff")
local opt = cli.parse(parser)

local addr  = numbers.parse(opt.addr, "address")
local value = numbers.parse(opt.value, "value")
local mask  = numbers.parse(opt.mask, "mask")
if addr % 4 ~= 0 or addr < 0x20000000 then
  errors.raise("usage", ("0x%x is no address of a word"):format(addr),
    { hint = "a multiple of 4, from 0x3ff00000 on; anything else hangs the chip's loader" })
end

local dev <close> = device.open(opt, true)
errors.check(dev.rom:write_reg(addr, value, mask))
local now = errors.check(dev.rom:read_reg(addr))
report.line("0x%08x: 0x%08x", addr, now)
report.result { addr = addr, value = now }
dev:leave()
