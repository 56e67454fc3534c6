-- scripts/lfs.lua: explain and place Lua Flash Store images
local cli       <const> = require "moonflash.cli"
local device    <const> = require "moonflash.device"
local errors    <const> = require "moonflash.errors"
local esp       <const> = require "esp"
local files     <const> = require "moonflash.files"
local identify  <const> = require "moonflash.identify"
local lfs_image <const> = require "moonflash.lfs_image"
local luac      <const> = require "moonflash.luac"
local nodemcu   <const> = require "moonflash.nodemcu"
local numbers   <const> = require "moonflash.numbers"
local regions   <const> = require "moonflash.regions"
local report    <const> = require "moonflash.report"
local writer    <const> = require "moonflash.writer"

local parser = cli.parser("lfs", "Explains and places images of the Lua Flash Store.", [[
luac.cross -f makes such images of Lua files. One for Lua 5.1 is written to the
store's partition, after it was given that address; one for Lua 5.3 goes into the
file system, and the firmware itself makes the store of it.

examples:
  moonflash lfs info lfs.img
  moonflash lfs info lfs.img --firmware nodemcu-release-12-modules-float.bin
  moonflash lfs relocate lfs.img --addr 0x9e000 -o lfs-0x9e000.bin
  moonflash lfs write lfs.img     (place and size from the partition table)
  moonflash lfs write lua/        (calls luac.cross on the files there)]])
parser:require_command(true):command_target("action")
local info = parser:command("info", "what is in an image; all of it is checked")
local place = parser:command("relocate", "make what 'moonflash write' puts at an address")
local write = parser:command("write", "put it into the store of the chip on the port")
write:flag("-n --dry-run", "say what would be written and change nothing")
write:option("--luac", "the compiler, when the file is a folder of Lua files"):argname "PROGRAM"
  :default "luac.cross"
for _, command in ipairs { info, place, write } do
  command:argument("file", "the image, compressed or not")
  command:option("--firmware", "the firmware that is to run it; refused when it cannot")
    :argname "FILE"
end
place:option("--addr", "flash address of the store"):argname "ADDR":count(1)
place:option("--size", "size of the store's partition"):argname "SIZE"
place:option("-o --output", "where to"):argname "FILE":count(1)
place:flag("--absolute", "mark it as made for its address, as luac.cross -a does")
local opt = cli.parse(parser)

local source = opt.action == "write" and luac.image(opt.file, opt.luac) or opt.file
local img = lfs_image.read(files.read(source), esp.inflate)
if source ~= opt.file then os.remove(source) end

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

-- The store's region and the firmware are those of the chip.
function actions.write()
  local dev <close> = device.open(opt)
  local function read(addr, size) return dev:read(addr, size) end
  local region = regions.find(read, dev:flash().size, "lfs")[1]
  report.stage("store at %s", numbers.range_text(region.addr, region.size))
  local found = identify.flash(read, dev:flash().size).nodemcu
  if found and not lfs_image.check_firmware(img, found) then
    report.warn "the firmware on the chip does not tell all that matters"
  end
  local part = { addr = region.addr, data = lfs_image.for_region(img, region), boot = false,
    name = opt.file }
  if opt.dry_run then
    report.line("%d bytes for %s", #part.data, numbers.range_text(part.addr, #part.data))
    dev:leave()
    return report.ok("nothing was changed")
  end
  local s = writer.write(dev, { parts = { part } }, report.showing(dev))
  dev:leave()
  report.result { addr = part.addr, bytes = s.bytes, sectors_written = s.written }
  report.ok("%d bytes verified at %s", s.bytes, numbers.hex(part.addr))
end

actions[opt.action]()
