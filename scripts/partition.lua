-- scripts/partition.lua: show and change the partition table of NodeMCU 3
local cli     <const> = require "moonflash.cli"
local device  <const> = require "moonflash.device"
local edit    <const> = require "moonflash.partition_edit"
local errors  <const> = require "moonflash.errors"
local files   <const> = require "moonflash.files"
local jobs    <const> = require "moonflash.partition_jobs"
local numbers <const> = require "moonflash.numbers"
local report  <const> = require "moonflash.report"
local unfinished <const> = require "moonflash.unfinished"

local parser = cli.parser("partition", "Shows and changes the partition table of NodeMCU 3.", [[
The table lies in the sector at 0x10000, which the firmware itself changes: at its
first start it completes the factory table, and later it appends records (init data
checked, start-up command). 'set' keeps all of those. Without a file it works on
the chip; with one on a firmware file, the bare bytes of a flash, or a backup.

examples:
  moonflash partition show
  moonflash partition show nodemcu-release-12-modules-float.bin
  moonflash partition set --lfs-size 128k
  moonflash partition set --spiffs-addr 0x100000 --spiffs-size all --dry-run
  moonflash partition set nodemcu.bin -o with_lfs.bin --lfs-size 128k]])
parser:require_command(true):command_target("action")
local show = parser:command("show", "the table, and what the firmware makes of it")
local set = parser:command("set", "where LFS and SPIFFS lie; what is not named stays")
for _, command in ipairs { show, set } do
  command:argument("file", "a firmware, bare flash, or a backup; none: the chip"):args "?"
  command:option("--flash-size", "size of the chip that a firmware file is meant for")
    :argname "SIZE"
end
set:option("--lfs-size", "0 takes it away"):argname "SIZE"
set:option("--lfs-addr", "default: behind the firmware"):argname "ADDR"
set:option("--spiffs-size", "all: what is left; 0 takes it away"):argname "SIZE"
set:option("--spiffs-addr", "default: 0x100000 if the size fits there, else behind the others")
  :argname "ADDR"
set:option("-o --output", "the file to write, when a file is changed"):argname "FILE"
set:flag("-n --dry-run", "show the new table and change nothing")
local opt = cli.parse(parser)

local function print_lines(lines)
  for _, line in ipairs(lines) do report.line("%s", line) end
end

local function show_place(place)
  local read, complete = jobs.table_of(place)
  report.line(read.factory and "factory table: the firmware completes it at its first start"
    or "complete table")
  print_lines(edit.describe(read.entries))
  if read.factory and complete then
    report.line("with %s of flash it becomes", numbers.size_text(place.flash_bytes))
    print_lines(edit.describe(complete))
  end
  report.line("records in the sector")
  print_lines(edit.describe_records(read.records))
  report.result { factory = read.factory, entries = read.entries, complete = complete,
    firmware_end = read.firmware_end, init_data_checked = read.init_data_checked,
    flash_bytes = place.flash_bytes }
end

local function set_place(place, change, save)
  local read, old = jobs.table_of(place)
  local entries, complete = edit.change(read, change, place.flash_bytes)
  local sector = jobs.sector_with(place, read, entries)
  print_lines(edit.describe(complete))
  for _, note in ipairs(edit.advice(change)) do report.warn("%s", note) end
  for _, note in ipairs(read.factory and {} or edit.consequences(old or {}, complete)) do
    report.warn("%s", note)
  end
  if not opt.dry_run then save(sector) end
  report.result { entries = entries, complete = complete, factory = read.factory,
    changed = sector ~= place.sector, dry_run = opt.dry_run or false }
end

local size = opt.flash_size and numbers.parse(opt.flash_size, "--flash-size",
  { min = 0x80000, max = 0x1000000 })
local change = opt.action == "set" and edit.options(opt)
if change and opt.file and not opt.output and not opt.dry_run then
  errors.raise("usage", "partition set FILE needs -o: the file itself is not changed")
elseif change and opt.output and not opt.file then
  errors.raise("usage", "-o goes with a file to change")
end
if opt.file then
  local place = jobs.in_file(opt.file, size)
  if not change then return show_place(place) end
  if opt.output then files.check_writable(opt.output) end
  set_place(place, change, function(sector) place.save(sector, opt.output) end)
  return report.ok(opt.dry_run and "nothing was changed" or "the new table is in %s", opt.output)
end

local dev <close> = device.open(opt)
local place = jobs.on_chip(dev, change and not opt.dry_run and unfinished.key("partition set",
  opt.lfs_size, opt.lfs_addr, opt.spiffs_size, opt.spiffs_addr) or nil)
if change then
  set_place(place, change, place.save)
else
  show_place(place)
end
dev:leave()
if change then
  report.ok(opt.dry_run and "nothing was changed" or "the new table is in flash, verified")
end
