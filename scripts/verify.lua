-- scripts/verify.lua: compare files with what is in flash
local cli     <const> = require "moonflash.cli"
local device  <const> = require "moonflash.device"
local errors  <const> = require "moonflash.errors"
local numbers <const> = require "moonflash.numbers"
local parts   <const> = require "moonflash.parts"
local report  <const> = require "moonflash.report"
local text    <const> = require "moonflash.text"

local parser = cli.parser("verify", "Compares files with what is in flash.", [[
By the hashes that the stub computes of flash; where they differ the bytes are
read and every differing range is listed. The header of a boot image at 0x0 is
compared as 'moonflash write' with the same options would have patched it.

examples:
  moonflash verify 0x0 nodemcu.bin
  moonflash verify 0x0 0x00000.bin 0x10000 0x10000.bin --mode dio]])
parts.add_options(parser, "compare")
local opt = cli.parse(parser)

local list = parts.read(opt)
parts.check(list, opt.force)

local dev <close> = device.open(opt)
parts.patch(list, opt, dev:flash())
parts.must_fit(list, dev:flash())
local total = parts.total(list)
local differing = dev:differences(list, report.progress("comparing", total, dev:clock()))
dev:leave()
local result = { bytes = total, equal = #differing == 0, differing = differing }
for _, d in ipairs(differing) do
  report.line("%s  %13s %s from %s", numbers.range_text(d.addr, d.size),
    text.count(d.size, "byte"), d.size == 1 and "differs" or "differ", d.name)
end
report.result(result)
if #differing > 0 then
  errors.raise("differs", ("flash differs from %s, first at 0x%06x"):format(differing[1].name,
    differing[1].addr), { hint = "nothing was changed; 'moonflash write' would make it equal" })
end
report.ok("%s verified", text.count(total, "byte"))
