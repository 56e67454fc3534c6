-- scripts/image.lua: explain a firmware image
local cli    <const> = require "moonflash.cli"
local files  <const> = require "moonflash.files"
local image  <const> = require "moonflash.image"
local report <const> = require "moonflash.report"

local parser = cli.parser("image", "Explains a firmware image.", [[
examples:
  moonflash image info nodemcu-release-12-modules-float.bin
  moonflash image info 0x00000.bin --json]])
parser:require_command(true):command_target("action")
parser:command("info", "what is in a file: header, segments, checksum, which firmware")
  :argument("file", "the image")
local opt = cli.parse(parser)

local img = image.parse(files.read(opt.file))
for _, line in ipairs(image.describe(img)) do report.line("%s", line) end
report.result(image.to_table(img))
image.check(img, opt.file)
report.ok("%s is a sound image for this chip", opt.file)
