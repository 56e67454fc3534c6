-- scripts/lfs.lua: explain and place Lua Flash Store images
local cli       <const> = require "moonflash.cli"
local errors    <const> = require "moonflash.errors"
local esp       <const> = require "esp"
local files     <const> = require "moonflash.files"
local lfs_image <const> = require "moonflash.lfs_image"
local nodemcu   <const> = require "moonflash.nodemcu"
local numbers   <const> = require "moonflash.numbers"
local report    <const> = require "moonflash.report"

local parser = cli.parser("lfs", "Explains and places images of the Lua Flash Store.", [[
luac.cross -f makes such images of Lua files. One for Lua 5.1 is written to the
store's partition, after it was given that address; one for Lua 5.3 goes into the
file system, and the firmware itself makes the store of it.

examples:
  moonflash lfs info lfs.img
  moonflash lfs info lfs.img --firmware nodemcu-release-12-modules-float.bin
  moonflash lfs relocate lfs.img --addr 0x9e000 -o lfs-0x9e000.bin]])
parser:require_command(true):command_target("action")
local info = parser:command("info", "what is in an image; all of it is checked")
local place = parser:command("relocate", "make what 'moonflash write' puts at an address")
for _, command in ipairs { info, place } do
  command:argument("file", "the image, compressed or not")
  command:option("--firmware", "the firmware that is to run it; refused when it cannot")
    :argname "FILE"
end
place:option("--addr", "flash address of the store"):argname "ADDR":count(1)
place:option("--size", "size of the store's partition"):argname "SIZE"
place:option("-o --output", "where to"):argname "FILE":count(1)
place:flag("--absolute", "mark it as made for its address, as luac.cross -a does")
local opt = cli.parse(parser)

local img = lfs_image.read(files.read(opt.file), esp.inflate)

-- True when the firmware is known to take the image, nil when none was given.
local function check_firmware()
  if not opt.firmware then return nil end
  local found = nodemcu.identify(files.read(opt.firmware), { filename = opt.firmware })
  if not found then errors.raise("image", opt.firmware .. " is no NodeMCU firmware") end
  local sure = lfs_image.check_firmware(img, found)
  if not sure then report.warn("%s does not tell all that matters", opt.firmware) end
  return sure
end

local actions = {}

function actions.info()
  for _, line in ipairs(lfs_image.describe(img)) do report.line("%s", line) end
  local result = lfs_image.to_table(img)
  result.suits_firmware = check_firmware()
  report.result(result)
  report.ok("%s is a sound image%s", opt.file,
    result.suits_firmware and " for this firmware" or "")
end

function actions.relocate()
  check_firmware()
  local addr = numbers.parse(opt.addr, "--addr")
  if opt.size then
    lfs_image.for_region(img, { addr = addr, size = numbers.parse(opt.size, "--size") })
  end
  local bytes = lfs_image.relocate(img, addr, { absolute = opt.absolute })
  files.write(opt.output, bytes)
  report.result { file = opt.output, addr = addr, bytes = #bytes }
  report.ok("%d bytes for %s in %s", #bytes, numbers.range_text(addr, #bytes), opt.output)
end

actions[opt.action]()
