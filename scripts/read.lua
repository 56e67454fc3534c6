-- scripts/read.lua: read flash into a file
local cli     <const> = require "moonflash.cli"
local device  <const> = require "moonflash.device"
local errors  <const> = require "moonflash.errors"
local files   <const> = require "moonflash.files"
local numbers <const> = require "moonflash.numbers"
local proven  <const> = require "moonflash.proven"
local report  <const> = require "moonflash.report"
local esp     <const> = require "esp"
local text    <const> = require "moonflash.text"

local parser = cli.parser("read", "Reads flash into a file.", [[
The file appears only when all of it was read and proven: by the hash of each
sector, or, where the loader has none, by reading it twice.

examples:
  moonflash read 0x0 all backup.bin
  moonflash read 0x3fc000 4k init.bin]])
parser:argument("addr", "first address")
parser:argument("size", "bytes, or all for the rest of the flash")
parser:argument("file", "where to")
parser:flag("--once", "without hashes: read once, in half the time, and prove nothing")
local opt = cli.parse(parser)

local addr = numbers.parse(opt.addr, "address")
local size = numbers.parse(opt.size, "size", { all = "all" })
files.check_writable(opt.file)

local dev <close> = device.open(opt)
local flash = dev:flash()
if size == "all" then size = flash.size - addr end
if size <= 0 or addr + size > flash.size then
  errors.raise("range", ("%s is outside this chip's %s of flash"):format(
    numbers.range_text(addr, math.max(size, 0)), numbers.size_text(flash.size)))
end
local bytes = proven.read(dev, addr, size, report.progress("reading", size, dev:clock()), opt.once)
files.write(opt.file, bytes)
dev:leave()
report.result { file = opt.file, addr = addr, bytes = #bytes, sha256 = esp.sha256(bytes) }
report.ok("%s from 0x%06x in %s", text.count(#bytes, "byte"), addr, opt.file)
