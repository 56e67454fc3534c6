--- esptool's commands on files: no chip is needed for them.
-- @module moonflash.esptool_files
local elf_image <const> = require "moonflash.elf_image"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local file_formats <const> = require "moonflash.file_formats"
local files <const> = require "moonflash.files"
local image <const> = require "moonflash.image"
local info <const> = require "moonflash.esptool_image_info"
local inputs <const> = require "moonflash.esptool_inputs"
local merge <const> = require "moonflash.image_merge"
local words <const> = require "moonflash.esptool_words"

local esptool_files = {}

esptool_files["version"] = function(job)
  if not job.opt.silent then print(words.VERSION[job.form]) end
end

-- ---- image-info ----

esptool_files["image-info"] = function(job)
  local path = job.opt.filename
  local part = file_formats.read(0, path)[1]
  local parsed = image.parse(part.data)
  -- version 4 spoke as before unless it was told to speak as 5 does
  local newer = job.opt.version == "2" or not job.opt.version and job.form == "five"
  for _, line in ipairs(info.lines(parsed, newer)) do job:print(line) end
end

-- ---- elf2image ----

local function note_ignored(job)
  for _, name in ipairs { "pad-to-size", "min-rev", "min-rev-full", "max-rev-full" } do
    if job.opt[name] then
      job:print(("Note: --%s has no effect on images for the ESP8266."):format(name))
    end
  end
end

esptool_files["elf2image"] = function(job)
  local opt = job.opt
  local version = math.tointeger(tonumber(opt.version or "1"))
  note_ignored(job)
  job:say "creating"
  local made = elf_image.build(files.firmware(opt.filename, elf_image.MAX_BYTES), {
    version = version, mode = opt["flash-mode"], freq = opt["flash-freq"],
    size = opt["flash-size"], use_segments = opt["use-segments"],
    digest_at = opt["elf-sha256-offset"], sha256 = esp.sha256 })
  for _, file in ipairs(made) do
    files.write(elf_image.name(file, version, opt.filename, opt.output), file.bytes)
  end
  job:say "created"
end

-- ---- make-image ----

esptool_files["make-image"] = function(job)
  local opt = job.opt
  local names, addrs = opt.segfile or {}, opt.segaddr or {}
  if #names == 0 then errors.raise("usage", "No segments specified") end
  if #names ~= #addrs then
    errors.raise("usage",
      "Number of specified files does not match number of specified addresses")
  end
  local segments = {}
  for i, name in ipairs(names) do
    segments[i] = { addr = addrs[i], data = files.read(name) }
  end
  job:say "creating"
  files.write(opt.output .. "0x00000.bin",
    image.build { entry = opt.entrypoint or 0, segments = segments })
  job:say "created"
end

-- ---- merge-bin ----

local function patch(job, parts)
  local opt = job.opt
  inputs.patch(parts, { mode = opt["flash-mode"] or "keep", freq = opt["flash-freq"] or "keep",
    size = opt["flash-size"] or "keep" }, {
    params = function(bytes) job:say("params", bytes) end,
    no_image = function(addr) job:say("no_image", addr) end,
  })
end

local SIZE_OPTIONS <const> = { "pad-to-size", "fill-flash-size" }

-- Nil too when the files are longer already: esptool leaves them as they are then.
local function pad_size(job, parts)
  local last = 0
  for _, p in ipairs(parts) do last = math.max(last, p.addr + #p.data) end
  for _, name in ipairs(SIZE_OPTIONS) do
    local size = job.opt[name] and merge.size_of(job.opt[name])
    if size and last <= size then return size end
    if size then
      job:print(("Warning: the files end at 0x%x, behind --%s %s; nothing is padded."):format(last,
        name, job.opt[name]))
    end
  end
end

esptool_files["merge-bin"] = function(job)
  local opt = job.opt
  local format = opt.format or "raw"
  if not opt.output then errors.raise("usage", "merge-bin needs --output FILE") end
  files.check_writable(opt.output)
  local parts = inputs.read(opt.pairs)
  patch(job, parts)
  local target = opt["target-offset"] or 0
  local bytes = merge.build(parts, { format = format, target = target,
    pad_to = pad_size(job, parts),
    chunk = opt["chunk-size"], md5 = not opt["md5-disable"] and esp.md5 or nil })
  files.write(opt.output, bytes)
  if format == "uf2" then
    for _, p in ipairs(parts) do job:say("adding", p.name, p.addr) end
    job:say("merged_uf2", #bytes, opt.output)
  else
    job:say("merged", #bytes, opt.output, target)
  end
end

return esptool_files
