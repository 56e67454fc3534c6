-- scripts/map.lua: draw what is in flash, of a chip, a file or a plan
local cli     <const> = require "moonflash.cli"
local device  <const> = require "moonflash.device"
local esp     <const> = require "esp"
local files   <const> = require "moonflash.files"
local parts   <const> = require "moonflash.parts"
local plan    <const> = require "moonflash.plan"
local report  <const> = require "moonflash.report"
local sources <const> = require "moonflash.map_sources"

local parser = cli.parser("map", "Draws what is in flash: regions, used and blank sectors.", [[
Without a file it draws the chip. With one it draws a firmware image, bare flash
contents or a backup. With addresses and files it draws what 'moonflash write'
would make of the chip, and changes nothing.

examples:
  moonflash map
  moonflash map nodemcu.bin
  moonflash map board.mfb --svg map.svg
  moonflash map 0x0 nodemcu.bin 0x3fc000 init.bin]])
parts.add_options(parser, "draw")
parser:option("--svg", "draw a picture into this file too"):argname "FILE"
local opt = cli.parse(parser)

local function draw(model)
  local text <const> = require "moonflash.map_text"
  for _, line in ipairs(text.draw(model, report.style(), esp.terminal(1) or 80)) do
    report.line("%s", line)
  end
  local flash_map <const> = require "moonflash.flash_map"
  report.result(flash_map.to_table(model))
  if not opt.svg then return end
  local svg <const> = require "moonflash.map_svg"
  files.write(opt.svg, svg.draw(model))
  report.stage("picture in %s", opt.svg)
end

if opt.svg then files.check_writable(opt.svg) end
if #opt.pairs == 1 then return draw(sources.file(opt.pairs[1])) end

local list = #opt.pairs > 0 and parts.read(opt)
if list then
  parts.check(list, opt.force)
  plan.write { parts = list, flash_bytes = parts.largest(opt),
    allow_partial = parts.is_partial(list) }
end
local dev <close> = device.open(opt)
local model = list and sources.planned(dev, opt, list) or sources.chip(dev)
dev:leave()
draw(model)
