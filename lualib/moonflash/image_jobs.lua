--- What `moonflash image` does with firmware files beside explaining them: makes
-- them of ELF files, joins, takes apart, and changes their form.
-- @module moonflash.image_jobs
local elf_image <const> = require "moonflash.elf_image"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local file_formats <const> = require "moonflash.file_formats"
local files <const> = require "moonflash.files"
local image <const> = require "moonflash.image"
local merge <const> = require "moonflash.image_merge"
local numbers <const> = require "moonflash.numbers"
local parts <const> = require "moonflash.parts"
local report <const> = require "moonflash.report"
local text <const> = require "moonflash.text"

local image_jobs = {}

local BY_ENDING <const> = { bin = "raw", hex = "hex", ihex = "hex", uf2 = "uf2" }

--- The form that a file is to have: as asked, else by its name.
-- @tparam string path
-- @tparam[opt] string asked raw, hex or uf2
-- @treturn string
function image_jobs.format_of(path, asked)
  return asked or BY_ENDING[(path:match "%.(%w+)$" or ""):lower()] or "raw"
end

local function written(path, bytes)
  files.write(path, bytes)
  report.line("%-10s %s", path, numbers.size_text(#bytes))
  return { file = path, bytes = #bytes, sha256 = esp.sha256(bytes) }
end

-- The folder of a name that several names are made of.
local function check_outputs(names)
  for _, name in ipairs(names) do files.check_writable(name) end
end

-- Mode, clock and size of the boot image among parts, as asked for.
local function patch(list, opt)
  for _, part in ipairs(list) do
    if part.addr == 0 then
      local data, changes, reason = image.patch_header(part.data, { mode = opt.mode,
        freq = opt.freq, size = opt.size })
      if reason and (opt.mode or opt.freq or opt.size) then
        errors.raise("image", ("%s: %s, so its header cannot be changed"):format(part.name, reason))
      end
      part.data = data
      for _, c in ipairs(changes) do
        report.stage("%s: %s %s -> %s", part.name, c.field, c.from, c.to)
      end
    end
  end
end

--- `from-elf`: the image, or version 1's two files.
function image_jobs.from_elf(opt)
  local version = math.tointeger(tonumber(opt.version))
  local made = elf_image.build(files.firmware(opt.file, elf_image.MAX_BYTES), { version = version,
    mode = opt.mode, freq = opt.freq, size = opt.size, use_segments = opt.segments,
    sha256 = esp.sha256 })
  local names, results = {}, {}
  for i, file in ipairs(made) do
    names[i] = elf_image.name(file, version, opt.file, opt.output)
  end
  check_outputs(names)
  for i, file in ipairs(made) do
    results[i] = written(names[i], file.bytes)
    results[i].addr = file.addr
  end
  report.result { files = results, version = version }
  report.ok("made of %s", opt.file)
end

--- `merge`: several files as one.
function image_jobs.merge(opt)
  local list = parts.read_pairs(opt.pairs)
  files.check_writable(opt.output)
  patch(list, opt)
  local format = image_jobs.format_of(opt.output, opt.format)
  local target = opt.offset and numbers.parse(opt.offset, "--offset") or 0
  local bytes = merge.build(list, { format = format, target = target,
    pad_to = opt.pad and merge.size_of(opt.pad), md5 = opt.md5 and esp.md5 or nil,
    chunk = opt.chunk and numbers.parse(opt.chunk, "--chunk") or not opt.md5 and 256 or nil })
  local result = written(opt.output, bytes)
  result.format, result.addr = format, target
  report.result(result)
  report.ok("%s in %s%s", text.count(#list, "piece"), opt.output, format == "raw"
    and (", for 0x%06x"):format(target) or "")
end

-- The pieces of a file: of HEX and UF2 as they are, of a joined firmware both halves.
local function pieces_of(path)
  local list = file_formats.read(0, path)
  if #list > 1 then return list end
  local low, irom = image.split(list[1].data)
  return { { addr = 0, data = low }, { addr = 0x10000, data = irom } }
end

--- `split`: one file as several, named by their addresses.
function image_jobs.split(opt)
  local list, names, results = pieces_of(opt.file), {}, {}
  for i, part in ipairs(list) do
    names[i] = ("%s0x%05x.bin"):format(opt.output or "", part.addr)
  end
  check_outputs(names)
  for i, part in ipairs(list) do
    results[i] = written(names[i], part.data)
    results[i].addr = part.addr
  end
  report.result { files = results }
  report.ok("%s is %d files now", opt.file, #list)
end

--- `convert`: another form of the same bytes.
function image_jobs.convert(opt)
  local addr = opt.addr and numbers.parse(opt.addr, "--addr") or nil
  local list = file_formats.read(addr or 0, opt.file)
  files.check_writable(opt.output)
  local format = image_jobs.format_of(opt.output, opt.format)
  local bytes = merge.build(list, { format = format, target = format == "raw" and list[1].addr,
    chunk = 256 })
  local result = written(opt.output, bytes)
  result.format, result.addr = format, list[1].addr
  report.result(result)
  report.ok("%s as %s in %s, from 0x%06x on", opt.file, format, opt.output, list[1].addr)
end

return image_jobs
