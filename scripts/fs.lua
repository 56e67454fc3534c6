-- scripts/fs.lua: build and change SPIFFS file systems, in images and on chips
local cli      <const> = require "moonflash.cli"
local errors   <const> = require "moonflash.errors"
local fs_chip  <const> = require "moonflash.fs_chip"
local files    <const> = require "moonflash.files"
local fs_files <const> = require "moonflash.fs_files"
local numbers  <const> = require "moonflash.numbers"
local old_lua  <const> = require "moonflash.old_lua"
local report   <const> = require "moonflash.report"
local spiffs   <const> = require "moonflash.spiffs"
local text     <const> = require "moonflash.text"
local unfinished <const> = require "moonflash.unfinished"

local parser = cli.parser("fs", "Builds, reads and changes SPIFFS file systems, in images and on chips.", [[
An image is a file that 'moonflash write' puts on a chip, a backup of a whole chip
with one file system in it, or the word chip: the one on the port. Names have at most 31 characters; a '/' in them is one
of these. Changed images are replaced only when they are complete.

examples:
  moonflash fs build lua/ -o fs.img --size 192k
  moonflash fs build lua/ -o fs.img --size 1M --generation 1.5
  moonflash fs ls fs.img
  moonflash fs get fs.img init.lua
  moonflash fs get backup.bin --all -o files/
  moonflash fs put fs.img init.lua http/ --prefix lua/
  moonflash fs check fs.img --repair
  moonflash fs scan backup.bin
  moonflash fs ls chip -p /dev/ttyUSB0
  moonflash fs put chip init.lua
  moonflash fs build lua/ -o chip]])
parser:require_command(true):command_target("action")

local function command(name, help, ...)
  local c = parser:command(name, help)
  for _, argument in ipairs { ... } do c:argument(argument) end
  c:option("--generation", "NodeMCU that uses it: 3 (2.1 to 3.x), 2 (1.5.4.1, 2.0), 1 (1.4 to"
    .. " 1.5.1), 0.9.6 or 0.9.5"):argname "N"
  c:option("--block", "size of its blocks, 4k or 8k"):argname "SIZE"
  return c
end

local function image_command(name, help, ...)
  local c = command(name, help, "image", ...)
  c:option("--at", "where it lies in a backup"):argname "ADDR"
  return c
end

local build = command("build", "make an image of a folder", "folder")
build:option("-o --output", "the image"):argname "FILE":count(1)
build:option("--size", "size of the file system; a chip's is known"):argname "SIZE"
build:flag("--compact", "no deleted pages, even where NodeMCU's own tool leaves some")
image_command("ls", "list files and space")
local get = image_command("get", "copy a file out of an image")
get:argument("name", "its name in the image"):args "?"
get:flag("--all", "every file; -o names the folder")
get:option("-o --output", "where to (default: its own name, here)"):argname "FILE"
local put = image_command("put", "copy files or folders into an image")
put:argument("files", "what to copy"):args "+"
put:option("--as", "the name in the image, for a single file"):argname "NAME"
put:option("--prefix", "goes before every name"):argname "TEXT"
image_command("rm", "delete files"):argument("names", "names in the image"):args "+"
image_command("mv", "rename a file", "name", "new_name")
image_command("scan", "look for Lua that newer firmware runs differently")
image_command("check", "look for damage"):flag("--repair", "and put it right")
local opt = cli.parse(parser)

local block = opt.block and numbers.parse(opt.block, "--block")
local flavour = opt.generation and spiffs.flavour(opt.generation).id

local chip   -- the place on a chip that is open

-- What a command does to a chip, for the case that it is interrupted.
local function key(list)
  local words = { "fs", opt.action, opt.at or "", flavour or "", block or "",
    opt.new_name or opt.repair or "" }
  for _, file in ipairs(list or {}) do
    words[#words + 1] = file.name .. "\0" .. file.bytes
  end
  return unfinished.key(table.unpack(words))
end

local function open(change)
  if opt.image == fs_chip.WORD then
    local place = fs_chip.open(opt, { at = opt.at and numbers.parse(opt.at, "--at"),
      flavour = flavour, block = block, create = opt.action == "put", key = change })
    chip = place
    return place, place.fs
  end
  local place = fs_files.open(opt.image, { at = opt.at and numbers.parse(opt.at, "--at"),
    flavour = flavour, block = block })
  if place.addr > 0 then report.stage("file system at %s", numbers.hex(place.addr)) end
  return place, place.fs
end

local function summary(fs)
  local geo, space = fs.geometry, fs:space()
  return { generation = geo.flavour.id, size = geo.size, block = geo.block, files = #fs:list(),
    total = space.total, used = space.used, largest = space.largest }
end

local function print_list(list)
  for _, file in ipairs(list) do report.line("%8d  %s", file.size, text.escape(file.name)) end
end

local function save(place, fields)
  if place == chip then
    fields.sectors_written = fs_chip.save(place).written
  else
    fs_files.save(place)
  end
  for key, value in pairs(summary(place.fs)) do fields[key] = value end
  report.result(fields)
end

local actions = {}

-- A folder onto the chip: a new file system in the place of the old one.
local function build_on_chip()
  local list = fs_files.folder(opt.folder)
  local place = fs_chip.open(opt, { flavour = flavour, block = block, create = true,
    key = key(list) })
  chip = place
  local geo = place.fs.geometry
  place.fs = spiffs.build(list, { size = geo.size, flavour = geo.flavour, block = geo.block,
    compact = opt.compact })
  print_list(place.fs:list())
  save(place, { addr = place.addr })
  report.ok("%s on the chip at %s", text.count(#list, "file"), numbers.hex(place.addr))
end

function actions.build()
  if opt.output == fs_chip.WORD then return build_on_chip() end
  if not opt.size then
    errors.raise("usage", "fs build needs --size for an image", { hint = "--size 192k" })
  end
  local geo = spiffs.geometry { size = numbers.parse(opt.size, "--size"), flavour = flavour,
    block = block }
  local list = fs_files.folder(opt.folder)
  files.check_writable(opt.output)
  local fs, same = spiffs.build(list, { size = geo.size, flavour = geo.flavour,
    block = geo.block, compact = opt.compact })
  if geo.block ~= spiffs.default_block(geo.flavour, geo.size) then
    report.warn("NodeMCU 3 mounts a file system of this size only with blocks of %d bytes",
      spiffs.default_block(geo.flavour, geo.size))
  end
  files.write(opt.output, fs:bytes())
  print_list(fs:list())
  local result = summary(fs)
  result.file, result.as_nodemcu_tool = opt.output, same
  report.result(result)
  report.ok("%s in %s, for %s", text.count(#list, "file"), opt.output, geo.flavour.text)
end

function actions.ls()
  local place, fs = open()
  local list, s = fs:list(), summary(fs)
  print_list(list)
  report.line("%s, %d of %d bytes used; %s, blocks of %d, for %s", text.count(#list, "file"),
    s.used, s.total, numbers.size_text(s.size), s.block, fs.geometry.flavour.text)
  s.addr, s.list = place.addr, {}
  for i, file in ipairs(list) do
    s.list[i] = { name = text.escape(file.name), size = file.size }
  end
  report.result(s)
end

local function get_all(fs)
  if not opt.output then
    errors.raise("usage", "fs get --all needs -o: the folder for the files")
  end
  local list, damaged = fs_files.extract(fs, opt.output), 0
  for _, file in ipairs(list) do
    report.line("%8d  %s", file.size, file.path)
    if file.damaged then
      report.warn("%s is damaged, only its first part was copied", text.escape(file.name))
      damaged = damaged + 1
    end
  end
  report.result { folder = opt.output, files = #list, damaged = damaged }
  if damaged > 0 then
    errors.raise("image", ("%s damaged"):format(text.count(damaged, "file")))
  end
  report.ok("%s in %s", text.count(#list, "file"), opt.output)
end

function actions.get()
  if not opt.all == not opt.name then
    errors.raise("usage", "fs get takes the name of a file, or --all")
  end
  local _, fs = open()
  if opt.all then return get_all(fs) end
  local bytes = fs:read(opt.name)
  local path = opt.output or fs_files.host_name(opt.name):match("([^/]+)$")
  files.write(path, bytes)
  report.result { name = opt.name, file = path, bytes = #bytes }
  report.ok("%s in %s", text.count(#bytes, "byte"), path)
end

function actions.put()
  local list = fs_files.gather(opt.files, opt.prefix)
  if opt.as then
    if #list ~= 1 then errors.raise("usage", "--as goes with one file") end
    list[1].name = (opt.prefix or "") .. opt.as
  end
  local place, fs = open(key(list))
  local written = 0
  for _, file in ipairs(list) do
    local new = fs:put(file.name, file.bytes)
    written = written + (new and 1 or 0)
    report.line("%8d  %s%s", #file.bytes, text.escape(file.name), new and "" or " (as it was)")
  end
  save(place, { written = written, same = #list - written })
  report.ok("%s written, %d as they were", text.count(written, "file"), #list - written)
end

local function as_files(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = { name = name, bytes = "" } end
  return list
end

function actions.rm()
  local place, fs = open(key(as_files(opt.names)))
  for _, name in ipairs(opt.names) do
    if not place.finished or fs:has(name) then fs:remove(name) end
  end
  save(place, { removed = #opt.names })
  report.ok("%s deleted", text.count(#opt.names, "file"))
end

function actions.mv()
  local place, fs = open(key(as_files { opt.name }))
  if not place.finished or fs:has(opt.name) then fs:rename(opt.name, opt.new_name) end
  save(place, { name = opt.name, new_name = opt.new_name })
  report.ok("%s is %s now", text.escape(opt.name), text.escape(opt.new_name))
end

function actions.scan()
  local _, fs = open()
  local list = {}
  for _, file in ipairs(fs:list()) do
    for _, f in ipairs(file.name:match("%.lua$") and old_lua.scan(fs:read(file.name)) or {}) do
      list[#list + 1] = { name = text.escape(file.name), line = f.line, text = f.text }
      report.line("%s:%d: %s", text.escape(file.name), f.line, f.text)
    end
  end
  report.result { findings = #list > 0 and list or nil, count = #list }
  report.ok("%s to look at before an upgrade", text.count(#list, "place"))
end

local function list_problems(problems)
  local list = {}
  for i, problem in ipairs(problems) do
    report.line("%-10s %s", problem.kind, problem.text)
    list[i] = { kind = problem.kind, text = problem.text }
  end
  return list
end

local function repair(place, fs)
  local result = fs:repair()
  for _, name in ipairs(result.rewritten) do report.line("rewritten  %s", text.escape(name)) end
  for _, name in ipairs(result.dropped) do
    report.warn("%s did not fit any more", text.escape(name))
  end
  save(place, { problems = #result.problems, left = #result.left, rebuilt = result.rebuilt,
    rewritten = #result.rewritten, dropped = #result.dropped })
  if #result.left > 0 or #result.dropped > 0 then
    errors.raise("image", ("%s could not be repaired whole"):format(opt.image))
  end
  report.ok("%s repaired", text.count(#result.problems, "problem"))
end

function actions.check()
  local place, fs = open(opt.repair and key())
  local found = fs:check()
  local list = list_problems(found.problems)
  if found.full then report.warn("it is full: the firmware can write nothing more") end
  if found.sound then
    report.result { problems = list, files = found.files, sound = true }
    return report.ok("%s, no damage", text.count(found.files, "file"))
  end
  if opt.repair then return repair(place, fs) end
  report.result { problems = list, files = found.files, sound = false }
  errors.raise("image", ("%s in %s"):format(text.count(#list, "problem"), opt.image),
    { hint = "--repair puts it right, as far as that is possible" })
end

local ok, e = pcall(actions[opt.action])
if chip then pcall(fs_chip.close, chip) end
if not ok then error(e, 0) end
