-- scripts/verify.lua: compare files with what is in flash
local cli     <const> = require "moonflash.cli"
local device  <const> = require "moonflash.device"
local errors  <const> = require "moonflash.errors"
local parts   <const> = require "moonflash.parts"
local report  <const> = require "moonflash.report"

local parser = cli.parser("verify", "Compares files with what is in flash.", [[
The header of a boot image at 0x0 is compared as 'write' would have patched it.

examples:
  moonflash verify 0x0 nodemcu.bin]])
parts.add_options(parser)
local opt = cli.parse(parser)

local list = parts.read(opt)
parts.check(list)

local dev <close> = device.open(opt)
parts.patch(list, opt, dev:flash())
parts.must_fit(list, dev:flash())
local total, done = parts.total(list), 0
local progress = report.progress("comparing", total, dev:clock())
for _, part in ipairs(list) do
  local at = dev:compare(part.addr, part.data, function(n) progress(done + n) end)
  if at then
    errors.raise("differs", ("flash differs from %s, first at 0x%06x"):format(part.name, at),
      { addr = at, hint = "nothing was changed; 'moonflash write' would make it equal" })
  end
  done = done + #part.data
end
dev:leave()
report.result { bytes = total, equal = true }
report.ok("%d bytes verified", total)
