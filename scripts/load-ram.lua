-- scripts/load-ram.lua: load an image into RAM and run it
local cli     <const> = require "moonflash.cli"
local console <const> = require "moonflash.console"
local device  <const> = require "moonflash.device"
local errors  <const> = require "moonflash.errors"
local files   <const> = require "moonflash.files"
local image   <const> = require "moonflash.image"
local report  <const> = require "moonflash.report"

local parser = cli.parser("load-ram", "Loads a firmware image into RAM and runs it.", [[
Flash is not touched; the next reset forgets the program.

examples:
  moonflash load-ram test.bin --listen 3]])
parser:argument("file", "a version 1 image whose segments all lie in RAM")
console.add_options(parser)
local opt = cli.parse(parser)

local listen = console.parse_options(opt)
local bytes = files.firmware(opt.file)
local img = image.parse(bytes)
image.check(img, opt.file)
for i, s in ipairs(img.segments) do
  if s.addr >= 0x40200000 or s.addr < 0x3ffe8000 then
    errors.raise("image", ("%s: segment %d belongs to 0x%08x, which is not RAM"):format(
      opt.file, i, s.addr), { hint = "this image is meant for flash: moonflash write 0x0 FILE" })
  end
end

local dev <close> = device.open(opt, true)
for _, s in ipairs(img.segments) do
  report.stage("%d bytes to 0x%08x", s.size, s.addr)
  errors.check(dev.rom:load_ram(s.addr, bytes:sub(s.offset + 1, s.offset + s.size)))
end
errors.check(dev.rom:run(img.entry))
if listen then console.listen(dev.port, listen) end
report.result { entry = img.entry, segments = #img.segments }
report.ok("running at 0x%08x", img.entry)
