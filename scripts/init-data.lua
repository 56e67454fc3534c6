-- scripts/init-data.lua: show, build and write the radio's init data
local cli       <const> = require "moonflash.cli"
local device    <const> = require "moonflash.device"
local errors    <const> = require "moonflash.errors"
local files     <const> = require "moonflash.files"
local init_data <const> = require "moonflash.init_data"
local numbers   <const> = require "moonflash.numbers"
local options   <const> = require "moonflash.init_options"
local plan      <const> = require "moonflash.plan"
local regions   <const> = require "moonflash.regions"
local report    <const> = require "moonflash.report"
local unfinished <const> = require "moonflash.unfinished"
local writer    <const> = require "moonflash.writer"

local parser = cli.parser("init-data", "Shows, builds and writes the radio's init data.", [[
Init data are 128 bytes without which SDK 1.5.4.1 and later do not start. Where
they lie follows from the flash: the partition table of NodeMCU 3, else the flash
size in the boot header; on a chip without firmware, the size of the chip.

examples:
  moonflash init-data show
  moonflash init-data show esp_init_data_default.bin
  moonflash init-data write                  version 05, crystal as measured
  moonflash init-data write --variant v08 --field vdd33_const=255
  moonflash init-data write --keep --field vdd33=33   change what is there
  moonflash init-data write my_init_data.bin
  moonflash init-data build init.bin --field crystal_26m_en=0
  moonflash write 0x3fc000 builtin:init-data      also where a file is taken]])
parser:require_command(true):command_target("action")
local show = parser:command("show", "every field, of the chip's or a file's")
show:argument("file", "128 bytes or a sector"):args "?"
local write = parser:command("write", "write it where the firmware looks for it")
write:argument("file", "take this file's instead of building one"):args "?"
write:flag("--keep", "start from what the chip has, and change only the fields named")
write:option("--addr", "at this address instead"):argname "ADDR"
write:flag("-n --dry-run", "show what would be written")
local build = parser:command("build", "make a file of 128 bytes")
build:argument("file", "where to")
for _, command in ipairs { write, build } do
  command:option("--variant", "v05 (default), v08, or another published one"):argname "ID"
  command:option("--field", "NAME=VALUE; may be repeated"):argname "NAME=VALUE":count "*"
    :target "fields"
end
local opt = cli.parse(parser)

local function print_block(bytes)
  for _, line in ipairs(options.describe(bytes)) do report.line("%s", line) end
end

local function reader(dev)
  return function(addr, size) return dev:read(addr, size) end
end

local function show_file(path)
  local bytes = files.read(path)
  print_block(bytes)
  report.result(options.to_table(bytes))
  local found = init_data.classify(bytes)
  if found.health == "foreign" then errors.raise("file", path .. ": " .. found.text) end
end

local function show_chip()
  local dev <close> = device.open(opt)
  local flash = dev:flash()
  local list, found = regions.find(reader(dev), flash.size, "init-data")
  local bytes = dev:read(list[1].addr, 4096)
  dev:leave()
  report.line("address      %s (%s)", numbers.hex(list[1].addr), found.text)
  print_block(bytes)
  local result = options.to_table(bytes)
  result.addr = list[1].addr
  report.result(result)
end

-- What is to be written, as far as it is known before the chip is.
local function request()
  if opt.file and opt.action == "write" and (opt.keep or opt.variant)
    or opt.keep and opt.variant then
    errors.raise("usage", "a file, --keep and --variant are three ways to begin; choose one")
  end
  local base = opt.action == "write" and opt.file
    and options.block(files.read(opt.file), opt.file) or nil
  local wanted = { variant = opt.variant, fields = options.fields(opt.fields), base = base }
  init_data.build(wanted)
  return wanted
end

-- Version 05 or 08 say 26 MHz; the measured crystal is worth more.
local function measured(wanted, dev)
  if wanted.base or wanted.fields.crystal or dev.chip.crystal.mhz ~= 40 then return end
  wanted.fields.crystal = 0
  report.stage("crystal 40 MHz: field crystal becomes 0")
end

local function where(dev)
  if opt.addr then return numbers.parse(opt.addr, "address"), "as asked" end
  local list, found = regions.find(reader(dev), dev:flash().size, "init-data")
  return list[1].addr, found.text
end

local function write_chip(wanted)
  local dev <close> = device.open(opt)
  local key = unfinished.key("init-data write", opt.addr, opt.keep, init_data.build(wanted))
  if not opt.dry_run then writer.finish(dev, key, report.showing(dev)) end
  local addr, why = where(dev)
  local old = dev:read(addr, init_data.SIZE)
  if opt.keep then wanted.base = options.block(old, "what the chip has") end
  measured(wanted, dev)
  local bytes = init_data.build(wanted)
  local asked = { parts = { { addr = addr, data = bytes, name = "init data" } }, unfinished = key }
  report.stage("init data at %s (%s); there now: %s", numbers.hex(addr), why,
    init_data.classify(old).text)
  if opt.dry_run then
    print_block(bytes)
    report.result(plan.to_table(dev:plan(asked)))
    dev:leave()
    return report.ok("nothing was changed")
  end
  local s = writer.write(dev, asked, report.showing(dev))
  dev:leave()
  local result = options.to_table(bytes)
  result.addr, result.verified, result.changed = addr, true, old ~= bytes
  report.result(result)
  report.ok("init data %s, %s", s.written == 0 and "was there already"
    or "verified", numbers.range_text(addr, #bytes))
end

if opt.action == "show" then
  if opt.file then show_file(opt.file) else show_chip() end
elseif opt.action == "write" then
  if opt.addr and numbers.parse(opt.addr, "address") % 4096 ~= 0 then
    errors.raise("align", "init data begin at a sector", { hint = "a multiple of 0x1000" })
  end
  write_chip(request())
else
  local bytes = init_data.build(request())
  files.write(opt.file, bytes)
  report.result(options.to_table(bytes))
  report.ok("%d bytes in %s", #bytes, opt.file)
end
