--- esptool's commands on the chip itself: who it is, its memory, its programs.
-- @module moonflash.esptool_memory
local chip <const> = require "moonflash.esptool_chip"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local file_formats <const> = require "moonflash.file_formats"
local files <const> = require "moonflash.files"
local image <const> = require "moonflash.image"

local esptool_memory = {}

local PIECE <const> = 4096
local DUMP_MAX <const> = 0x1000000

esptool_memory["read-mac"] = function(job)
  local dev <close> = chip.open(job, true)
  job:say("mac", dev.chip.mac)
  chip.leave(job, dev)
end

esptool_memory["chip-id"] = function(job)
  local dev <close> = chip.open(job, true)
  job:say("chip_id", dev.chip.chip_id)
  chip.leave(job, dev)
end

-- ---- words ----

-- An access that is not to a word, or to where nothing is, hangs the chip.
local function check_word(addr, size)
  if addr % 4 ~= 0 or size % 4 ~= 0 then
    errors.raise("usage", ("0x%x is no address of a word"):format(addr),
      { hint = "addresses and sizes are multiples of 4" })
  elseif addr < 0x20000000 or addr + size > 0x100000000 then
    errors.raise("usage", ("there is nothing at address 0x%08x"):format(addr),
      { hint = "an access there would hang the chip's loader" })
  end
end

esptool_memory["read-mem"] = function(job)
  local addr = job.opt.address
  check_word(addr, 4)
  local dev <close> = chip.open(job, true)
  job:say("word", addr, errors.check(dev.rom:read_reg(addr)))
  chip.leave(job, dev)
end

esptool_memory["write-mem"] = function(job)
  local opt = job.opt
  check_word(opt.address, 4)
  local dev <close> = chip.open(job, true)
  errors.check(dev.rom:write_reg(opt.address, opt.value, opt.mask))
  job:say("wrote_word", opt.value, opt.mask, opt.address)
  chip.leave(job, dev)
end

-- A piece of memory: by the stub at once, through the ROM word by word.
local function read_memory(dev, addr, size)
  if dev.loader.stub then return errors.check(dev.loader.stub:mem_read(addr, size)) end
  local list = {}
  for i = 0, size // 4 - 1 do
    list[i + 1] = ("<I4"):pack(errors.check(dev.rom:read_reg(addr + i * 4)))
  end
  return table.concat(list)
end

esptool_memory["dump-mem"] = function(job)
  local opt = job.opt
  local size = opt.size + -opt.size % 4
  check_word(opt.address, size)
  if size == 0 or size > DUMP_MAX then
    errors.raise("usage", ("%d bytes cannot be dumped"):format(opt.size))
  end
  files.check_writable(opt.filename)
  local dev <close> = chip.open(job)
  local pieces, started = {}, esp.clock()
  for at = 0, size - 1, PIECE do
    pieces[#pieces + 1] = read_memory(dev, opt.address + at, math.min(PIECE, size - at))
  end
  files.write(opt.filename, table.concat(pieces):sub(1, opt.size))
  local seconds = esp.clock() - started
  if job.form == "five" then
    job:say("dumped", opt.size, opt.address, seconds, opt.size / 125 / math.max(seconds, 1e-6),
      opt.filename)
  else
    job:say("dumped", opt.size)
  end
  chip.leave(job, dev)
end

-- ---- programs ----

local function check_ram(img, name)
  image.check(img, name)
  for i, s in ipairs(img.segments) do
    if s.addr >= 0x40200000 or s.addr < 0x3ffe8000 then
      errors.raise("image", ("%s: segment %d belongs to 0x%08x, which is not RAM"):format(name, i,
        s.addr), { hint = "this image is meant for flash: write-flash 0x0 FILE" })
    end
  end
end

esptool_memory["load-ram"] = function(job)
  local path = job.opt.filename
  local bytes = file_formats.read(0, path)[1].data
  local img = image.parse(bytes)
  check_ram(img, path)
  local dev <close> = chip.open(job, true)
  job:say("ram_boot", path)
  for _, s in ipairs(img.segments) do
    errors.check(dev.rom:load_ram(s.addr, bytes:sub(s.offset + 1, s.offset + s.size)))
    job:say("downloading", s.size, s.addr)
  end
  errors.check(dev.rom:run(img.entry))
  if job.form == "five" then
    job:say("ram_done", #img.segments, path, img.entry)
  else
    job:say("ram_done", img.entry)
  end
  job:say "exiting"
end

esptool_memory["run"] = function(job)
  local dev <close> = chip.open(job, true)
  chip.leave(job, dev)
end

return esptool_memory
