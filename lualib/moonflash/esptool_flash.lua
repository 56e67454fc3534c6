--- esptool's commands on flash, over our own workflows.
--
-- All the files of a `write-flash` are one plan: what is in flash already is not
-- sent again, the boot sector comes last, and everything is proven by hashes of
-- flash; a later file does not find the chip half done.
-- @module moonflash.esptool_flash
local chip <const> = require "moonflash.esptool_chip"
local erasing <const> = require "moonflash.erasing"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local files <const> = require "moonflash.files"
local image_header <const> = require "moonflash.image_header"
local inputs <const> = require "moonflash.esptool_inputs"
local parts <const> = require "moonflash.parts"
local plan <const> = require "moonflash.plan"
local proven <const> = require "moonflash.proven"
local text <const> = require "moonflash.text"
local words <const> = require "moonflash.esptool_words"
local writer <const> = require "moonflash.writer"

local esptool_flash = {}

local SECTOR <const> = 0x1000
local LEVEL <const> = 6               -- of the compression that is spoken of

local function size_name(bytes)
  return bytes >= 0x100000 and ("%dMB"):format(bytes // 0x100000)
    or ("%dKB"):format(bytes // 1024)
end

local function rate_text(bytes, seconds)
  return seconds > 0 and bytes * 8 / seconds / 1000 or 0
end

-- The header's fields as asked for; a size that is detected needs the chip.
local function header_of(opt, flash)
  local size = opt["flash-size"] or "keep"
  if size == "detect" then size = flash and size_name(flash.size) or "keep" end
  return { mode = opt["flash-mode"] or "keep", freq = opt["flash-freq"] or "keep", size = size }
end

-- Prepares files for the flash that is there.
local function prepare(job, list, flash)
  local opt = job.opt
  job:say "configuring"
  if opt["flash-size"] == "detect" then job:say("detected", size_name(flash.size)) end
  inputs.patch(list, header_of(opt, flash), {
    params = function(bytes) job:say("params", bytes) end,
    no_image = function(addr) job:say("no_image", addr) end,
  })
  parts.must_fit(list, flash)
end

-- A line of progress, only when the per cent change: version 5 draws a bar, the ones
-- before it show `at` or how much there is already.
local function show_progress(job, state, name, at, first, done, total)
  local percent = 100 * done // total
  if percent == state.shown then return end
  state.shown = percent
  if job.form == "five" then
    job:progress(name, done >= total, at, words.bar(done, total), percent + 0.0, done, total)
  else
    job:progress(name, done >= total, first, percent)
  end
end

-- ---- write-flash ----

local function say_erased(job, list)
  for _, p in ipairs(list) do
    job:say("will_erase", p.addr // SECTOR * SECTOR, p.addr + #p.data - 1 | SECTOR - 1)
  end
end

-- Progress of all parts as one: the address that is being written. Blank pages
-- are not sent, so the end is said by `finish`.
local function writing(job)
  local state = { total = 1, addr = 0 }
  local function show(done)
    show_progress(job, state, "writing", state.addr, state.addr, done, state.total)
  end
  return function(total)
    state.total = math.max(total, 1)
    return function(done, addr)
      state.addr = addr or state.addr
      show(done)
    end
  end, function() show(state.total) end
end

local function compressed_bytes(job, part)
  local opt = job.opt
  if opt["no-compress"] or opt["no-stub"] and not opt.compress then return nil end
  local packed = #esp.deflate(part.data, LEVEL, "zlib")
  -- version 5 does not speak of what grows by it
  return (packed < #part.data or job.form == "classic") and packed or nil
end

-- What was written, file by file: the time of all is shared by their sizes.
local function say_written(job, list, seconds)
  local total = parts.total(list)
  for _, p in ipairs(list) do
    local share = seconds * #p.data / total
    local packed = compressed_bytes(job, p)
    if packed then
      job:say("compressed", #p.data, packed)
      job:say("wrote_compressed", #p.data, packed, p.addr, share, rate_text(#p.data, share))
    else
      job:say("wrote", #p.data, p.addr, share, rate_text(#p.data, share))
    end
    job:say "verifying"
    job:say "verified"
  end
end

-- Every file that is named beside the others must be there, though what is in
-- flash itself is compared: that takes no old file, and trusts none.
local function check_old_files(opt)
  for _, name in ipairs(opt["diff-with"] or {}) do
    if name ~= "skip" then files.read(name) end
  end
end

local function already_there(job, dev, list)
  if not (job.opt["skip-flashed"] or job.opt["diff-with"]) then return false end
  job:say "comparing"
  if #dev:differences(list) > 0 then return false end
  for _, p in ipairs(list) do job:say("already", p.name, p.addr) end
  return true
end

local function erase_all(job, dev)
  local flash = dev:flash()
  job:say "erasing"
  local started = esp.clock()
  erasing.run(dev, erasing.plan(dev, { { addr = 0, size = flash.size } }))
  job:say("erased", esp.clock() - started)
end

local function write(job, dev, list)
  local request = { parts = list, allow_partial = parts.is_partial(list) }
  say_erased(job, list)
  local started = esp.clock()
  local begin, finish = writing(job)
  writer.write(dev, request, { writing = begin })
  finish()
  say_written(job, list, esp.clock() - started)
end

esptool_flash["write-flash"] = function(job)
  local opt = job.opt
  check_old_files(opt)
  local list = inputs.read(opt.pairs)
  if not opt.force then inputs.check(list) end
  image_header.change(0, 0, header_of(opt))
  plan.write { parts = list, flash_bytes = files.MAX_BYTES, allow_partial = parts.is_partial(list) }

  local dev <close> = chip.open(job)
  prepare(job, list, dev:flash())
  if opt["erase-all"] then erase_all(job, dev) end
  if not already_there(job, dev, list) then write(job, dev, list) end
  job:say "leaving"
  chip.leave(job, dev)
end

-- ---- read-flash ----

-- The size that an option names, "all" for the rest, when it is within the flash.
local function size_within(flash, opt)
  local size = opt.size == "all" and flash.size - opt.address or opt.size
  if size <= 0 or opt.address + size > flash.size then
    errors.raise("range", ("0x%x and %s are not within %s of flash"):format(opt.address,
      text.count(math.max(size, 0), "byte"), size_name(flash.size)))
  end
  return size
end

local function reading(job, addr, size)
  local state = {}
  return function(done)
    show_progress(job, state, "reading", addr + done, done, done, size)
  end
end

-- Reads so that what arrives is what is there, at any address.
local function read_proven(job, dev, addr, size)
  local first = addr // SECTOR * SECTOR
  local whole = (addr + size - 1 | SECTOR - 1) + 1 - first
  local read = proven.reader(dev, { { addr = first, size = whole } })
  local bytes = read(first, whole, reading(job, first, whole))
  return bytes:sub(addr - first + 1, addr - first + size)
end

esptool_flash["read-flash"] = function(job)
  local opt = job.opt
  files.check_writable(opt.filename)
  local dev <close> = chip.open(job)
  local size = size_within(dev:flash(), opt)
  job:say "configuring"
  local started = esp.clock()
  local bytes = read_proven(job, dev, opt.address, size)
  files.write(opt.filename, bytes)
  local seconds = esp.clock() - started
  job:say("read", #bytes, opt.address, seconds, rate_text(#bytes, seconds), opt.filename)
  chip.leave(job, dev)
end

-- ---- verify-flash ----

local function list_differences(job, dev, part)
  local now, bytes, at = dev:read(part.addr, #part.data), {}, nil
  for i = 1, #now do
    local a, b = now:byte(i), part.data:byte(i)
    if a ~= b then
      at = at or part.addr + i - 1
      bytes[#bytes + 1] = { part.addr + i - 1, a, b }
    end
  end
  job:say("verify_list", #bytes, at)
  for _, b in ipairs(bytes) do job:say("verify_byte", table.unpack(b)) end
end

-- True when flash holds the part.
local function verify(job, dev, part)
  job:say("verify", #part.data, #part.data, part.addr, part.name)
  local same = #dev:differences { part } == 0
  if same then
    job:say "verify_ok"
  elseif job.opt.diff then
    list_differences(job, dev, part)
  else
    job:say "verify_bad"
  end
  return same
end

esptool_flash["verify-flash"] = function(job)
  local list = inputs.read(job.opt.pairs)
  image_header.change(0, 0, header_of(job.opt))
  local dev <close> = chip.open(job)
  prepare(job, list, dev:flash())
  local all = true
  for _, part in ipairs(list) do all = verify(job, dev, part) and all end
  chip.leave(job, dev)
  if not all then errors.raise("differs", words.line(job.form, "verify_failed")) end
end

-- ---- erasing ----

esptool_flash["erase-flash"] = function(job)
  local dev <close> = chip.open(job)
  erase_all(job, dev)
  chip.leave(job, dev)
end

local function check_aligned(what, number)
  if number % SECTOR == 0 then return end
  errors.raise("align", ("%s must be a multiple of %d."):format(what, SECTOR))
end

esptool_flash["erase-region"] = function(job)
  local opt = job.opt
  check_aligned("Offset to erase from", opt.address)
  if opt.size ~= "all" then check_aligned("Size of data to erase", opt.size) end
  local dev <close> = chip.open(job)
  local size = size_within(dev:flash(), opt)
  job:say "erasing_region"
  local started = esp.clock()
  erasing.run(dev, erasing.plan(dev, { { addr = opt.address, size = size } }))
  job:say("region_erased", esp.clock() - started)
  chip.leave(job, dev)
end

-- ---- the flash chip ----

esptool_flash["flash-id"] = function(job)
  local dev <close> = chip.open(job)
  local flash = dev:flash()
  job:say "flash_heading"
  job:say("manufacturer", flash.id & 0xFF)
  job:say("device", flash.id >> 8 & 0xFF, flash.id >> 16 & 0xFF)
  job:say("flash_size", size_name(flash.size))
  chip.leave(job, dev)
end

-- Reads one status register as often as it takes to come the same twice.
local function status_of(dev, count)
  local last
  for _ = 1, 5 do
    local status = dev.loader:status()
    local value = 0
    for n = count, 1, -1 do value = value << 8 | status[n] end
    if value == last then return value end
    last = value
  end
  errors.raise("protocol", "the status registers do not read the same twice",
    { hint = "check the supply and the wiring of the flash" })
end

esptool_flash["read-flash-status"] = function(job)
  local count = job.opt.bytes or 2
  local dev <close> = chip.open(job)
  dev:flash()
  job:say("status", status_of(dev, count))
  chip.leave(job, dev)
end

local VOLATILE_ENABLE <const> = 0x50

-- The commands for a value of so many bytes: with two, chips differ in which form
-- they take, so both are sent.
local function status_writes(value, count)
  local low = string.char(value & 0xFF)
  if count == 1 then return { { 0x01, low } } end
  local second = string.char(value >> 8 & 0xFF)
  if count == 2 then return { { 0x01, low .. second }, { 0x31, second } } end
  return { { 0x01, low }, { 0x31, second }, { 0x11, string.char(value >> 16 & 0xFF) } }
end

-- After 0x06 the bits last, after 0x50 until power is cut.
local function write_status(dev, command, lasting)
  if lasting then return dev.loader:write_status(command[1], command[2]) end
  local stub = dev.loader.stub
  if stub then
    errors.check(stub:spi { before = VOLATILE_ENABLE, op = command[1], out = command[2] })
  else
    errors.check(dev.rom:spi { op = VOLATILE_ENABLE })
    errors.check(dev.rom:spi { op = command[1], out = command[2] })
  end
end

esptool_flash["write-flash-status"] = function(job)
  local opt = job.opt
  local count = opt.bytes or 2
  if opt.value >> count * 8 ~= 0 then
    errors.raise("usage", ("0x%x needs more than %s"):format(opt.value, text.count(count, "byte")))
  end
  local dev <close> = chip.open(job)
  dev:flash()
  job:say("status_before", count * 2, status_of(dev, count))
  job:say("status_set", count * 2, opt.value)
  for _, command in ipairs(status_writes(opt.value, count)) do
    write_status(dev, command, opt["non-volatile"])
  end
  job:say("status_after", count * 2, status_of(dev, count))
  chip.leave(job, dev)
end

local READ_SFDP <const>, SFDP_DUMMY <const> = 0x5A, 8

local function sfdp_bytes(dev, addr, size)
  if dev.loader.stub then
    return errors.check(dev.loader.stub:spi { op = READ_SFDP, addr = addr, addr_bytes = 3,
      dummy_bits = SFDP_DUMMY, read = size })
  end
  return errors.check(dev.rom:spi { op = READ_SFDP, addr = addr, addr_bits = 24,
    dummy_bits = SFDP_DUMMY, read = size })
end

local SFDP_MAX <const> = 64

esptool_flash["read-flash-sfdp"] = function(job)
  local opt = job.opt
  local five = job.form == "five"
  if opt.bytes < 1 or opt.bytes > SFDP_MAX or opt.address > 0xFFFFFF then
    errors.raise("usage", ("1 to %d bytes of SFDP can be read at once"):format(SFDP_MAX))
  end
  local dev <close> = chip.open(job)
  dev:flash()
  local bytes = sfdp_bytes(dev, opt.address, opt.bytes)
  local text = bytes:gsub(".", function(c)
    return (five and "0x%02x " or "%02x "):format(c:byte())
  end)
  job:say("sfdp", opt.address, opt.address + opt.bytes - 1, five and text or text:sub(1, -2))
  chip.leave(job, dev)
end

return esptool_flash
