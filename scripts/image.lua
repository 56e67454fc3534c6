-- scripts/image.lua: explain a firmware image
local cli    <const> = require "moonflash.cli"
local files  <const> = require "moonflash.files"
local image  <const> = require "moonflash.image"
local numbers <const> = require "moonflash.numbers"
local report <const> = require "moonflash.report"

local parser = cli.parser("image", "Explains a firmware image.", [[
examples:
  moonflash image info nodemcu-release-12-modules-float.bin
  moonflash image info backup.bin           (a whole flash: files and init data too)
  moonflash image info 0x00000.bin --json]])
parser:require_command(true):command_target("action")
parser:command("info", "what is in a file: header, segments, checksum, which firmware")
  :argument("file", "the image")
local opt = cli.parse(parser)

local bytes = files.read(opt.file)
local img = image.parse(bytes)
for _, line in ipairs(image.describe(img)) do report.line("%s", line) end
local result = image.to_table(img)

-- a file as large as a flash chip is what was read from one: all that is on it counts
local is_dump = #bytes >= 0x80000 and #bytes & #bytes - 1 == 0
if is_dump then
  local describe <const> = require "moonflash.identify_text"
  local facts = require("moonflash.identify").backup(bytes)
  report.line("contents of a whole flash of %s:", numbers.size_text(#bytes))
  for _, r in ipairs(describe.rows(facts)) do report.line("%-12s %s", r[1], r[2]) end
  result.flash = describe.to_table(facts)
end
report.result(result)
image.check(img, opt.file)
report.ok("%s is a sound image for this chip", opt.file)
