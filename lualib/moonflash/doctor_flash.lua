--- What a chip's flash says about why the board does not run, and both witnesses,
-- log and flash, put together. Pure.
--
-- `look` is what was read of a chip:
--
-- * `size` (bytes, by the flash id), `chip` ("ESP8266EX", ...), `protected`
-- * `facts`: `identify.flash`
-- * `boot`: `image.parse` of the first 64 KB, or nil when there is no image at 0
-- * `quad`: `flash_chips.quad_rule`
-- * `init_at_end`: is there init data where the chip's real size wants it?
-- @module moonflash.doctor_flash

local doctor = require "moonflash.doctor"
local errors = require "moonflash.errors"
local numbers = require "moonflash.numbers"
local partition = require "moonflash.partition"

local doctor_flash = {}

local diagnosis <const> = doctor.diagnosis
local MIN_3X <const> = 0x100000

local function of_image(look)
  if look.facts.blank then
    return diagnosis("flash_blank", "certain", "flash is blank from 0x000000 on")
  elseif not look.facts.header then
    return diagnosis("no_image", "certain", "the byte at 0x000000 is not 0xe9")
  end
  local sum = look.boot and look.boot.checksum
  if sum and sum.ok then return nil end
  return diagnosis("image_damaged", "certain", sum and ("checksum 0x%02x, should be 0x%02x")
    :format(sum.stored, sum.computed) or "its segments do not end within 64 KB")
end

-- Modes in which no board of this kind boots for sure.
local function mode_cannot_work(look)
  local mode = look.facts.header.mode
  if not mode then return "the boot header's mode means nothing" end
  if look.chip:match("^ESP8285") and mode ~= "dout" then
    return ("mode %s; an ESP8285 boots in mode dout only"):format(mode)
  end
  local quad = mode == "qio" or mode == "qout"
  if quad and (not look.quad or look.quad.quad == false or not look.quad.rom_keeps) then
    return ("mode %s, which the boot ROM cannot set up for this flash chip"):format(mode)
  end
end

-- The next mode to try.
local function calmer_mode(look)
  local mode = look.facts.header.mode
  if look.chip:match("^ESP8285") or mode == "dio" then return "dout" end
  return mode ~= "dout" and "dio" or nil
end

local function wrong_mode(look, confidence, evidence)
  local mode = calmer_mode(look)
  if not mode then return diagnosis("flash_unreadable", "likely", evidence) end
  local d = diagnosis("mode_wrong", confidence, evidence)
  d.header = { mode = mode }
  return d
end

local function wrong_size(look, id, confidence, evidence)
  local d = diagnosis(id, confidence, evidence)
  if look.facts.header and look.facts.header.size_bytes ~= look.size then
    d.header = { size = look.size }
  end
  return d
end

local function size_evidence(look)
  return ("the boot header says %s, the chip has %s"):format(look.facts.header.size or "nothing",
    numbers.size_text(look.size))
end

local function is_3(facts)
  return facts.generation == "3.x" or facts.generation == "3.0-2019"
end

-- A size that is wrong matters when it is too large, or nobody corrects it.
local function of_size(look)
  local facts = look.facts
  local header = facts.header
  if not header or header.size_bytes == look.size then return nil end
  local believed = facts.believed_bytes or header.size_bytes or 0
  if is_3(facts) and believed < MIN_3X then
    return wrong_size(look, "flash_too_small", "certain", size_evidence(look))
  elseif believed == look.size then
    return nil
  elseif not header.size_bytes or believed > look.size then
    return wrong_size(look, "size_wrong", "likely", size_evidence(look))
  end
end

local function of_init_data(look)
  local init = look.facts.init_data
  if not init or look.facts.generation == "0.9" and init.health ~= "foreign" then return nil end
  local evidence = ("%s: %s"):format(numbers.hex(init.addr), init.text)
  if init.health == "old" then return diagnosis("init_data_old", "likely", evidence) end
  if init.health == "foreign" and look.facts.generation ~= "0.9" then
    return diagnosis("init_data_foreign", "likely", evidence)
  end
end

local function of_table(look)
  local facts = look.facts
  if is_3(facts) and not facts.partition then
    return diagnosis("partition_invalid", "certain", "there is no partition table at 0x010000")
  elseif not facts.partition then
    return nil
  end
  local ok, e = pcall(partition.complete, facts.partition, facts.believed_bytes or look.size)
  if ok and not facts.partition.factory then
    ok, e = pcall(partition.check, facts.partition.entries, facts.believed_bytes or look.size)
  end
  if not ok then
    return diagnosis("partition_invalid", "certain", errors.wrap(e).message)
  end
end

local function of_lfs(look)
  local lfs = look.facts.lfs
  if lfs and (lfs.state == "foreign" or lfs.state == "too long" or lfs.state == "interrupted") then
    return diagnosis("lfs_wrong", "likely", ("%s: %s"):format(numbers.hex(lfs.addr), lfs.state))
  end
end

local function of_mode(look)
  local why = look.facts.header and mode_cannot_work(look)
  return why and wrong_mode(look, "likely", why) or nil
end

local LOOKS <const> = { of_image, of_mode, of_size, of_table, of_init_data, of_lfs }

--- What flash alone says is wrong.
-- @tparam table look
-- @treturn {diagnosis,...} perhaps none; `header` = { mode or size } is what to put
-- into the boot header
function doctor_flash.examine(look)
  local list = {}
  for _, check in ipairs(LOOKS) do
    local d = check(look)
    if d then list[#list + 1] = d end
    if d and check == of_image then break end
  end
  if look.protected then
    list[#list + 1] = diagnosis("write_protected", "certain", "its status register says so")
  end
  return list
end

local function index(list)
  local ids = {}
  for _, d in ipairs(list) do ids[d.id] = d end
  return ids
end

local NOT_BOOTED <const> = { checksum = true, flash_unreadable = true, no_image = true,
  flash_blank = true, stuck_after_reset = true }

-- The ROM could not load the image: flash tells whether it is the image's fault.
local function refine_boot(d, look, seen)
  for _, id in ipairs { "flash_blank", "no_image", "image_damaged" } do
    if seen[id] then return seen[id] end
  end
  if d.id == "stuck_after_reset" then return d end
  local why = mode_cannot_work(look)
  return wrong_mode(look, why and "certain" or "likely", (why or ("mode %s, and the image is sound")
    :format(look.facts.header.mode or "unknown")) .. "; the ROM says: " .. (d.evidence or d.id))
end

-- The SDK does not find its init data: is it elsewhere, because the size is wrong?
local function refine_init_data(d, look)
  local facts = look.facts
  local header = facts.header
  if header and header.size_bytes ~= look.size and not facts.partition then
    local inside = facts.init_data and facts.init_data.addr < (facts.firmware_end or 0)
    if look.init_at_end or inside or d.id == "init_data_foreign" then
      return wrong_size(look, "size_wrong", "certain", size_evidence(look) .. "; " .. d.evidence)
    end
  end
  local init = facts.init_data
  if init and (init.health == "blank" or init.health == "foreign") then
    d.confidence = "certain"
    d.evidence = ("%s; %s: %s"):format(d.evidence, numbers.hex(init.addr), init.text)
  end
  return d
end

local function refine_size(d, look)
  local header = look.facts.header
  if not header or header.size_bytes == look.size then
    if d.id == "flash_too_small" and look.size < MIN_3X then
      d.cure, d.command = "use a build of NodeMCU 2.2 or 1.5.4.1", "moonflash flash FIRMWARE"
    end
    return d
  end
  return wrong_size(look, d.id == "system_param" and "size_wrong" or d.id, "certain",
    size_evidence(look) .. "; " .. (d.evidence or ""))
end

local REFINE <const> = {
  init_data_blank = refine_init_data, init_data_foreign = refine_init_data,
  system_param = refine_size, flash_too_small = refine_size, partition_size = refine_size,
}

-- What flash shows explains a log that only says that nothing came.
local EXPLAINS_SILENCE <const> = { init_data_old = true, init_data_foreign = true,
  size_wrong = true, partition_invalid = true, flash_too_small = true, mode_wrong = true,
  image_damaged = true, flash_blank = true, no_image = true }
local UNCLEAR <const> = { silent = true, noise = true, nothing = true, watchdog_loop = true,
  restart_loop = true, exception = true, exception_varied = true }

local function combine_one(d, look, seen)
  if d.id == "nothing" then
    return diagnosis("download_mode", "likely", "nothing is heard, and the loader answers")
  end
  if NOT_BOOTED[d.id] then return refine_boot(d, look, seen) end
  if REFINE[d.id] then return REFINE[d.id](d, look) end
  return d
end

-- Flash's findings that make a difference to a board that runs.
local ALSO_WHEN_WELL <const> = { write_protected = true }

--- Log and flash together.
-- @tparam {diagnosis,...} found by `doctor.from_log`
-- @tparam table look
-- @treturn {diagnosis,...} the weightiest first
function doctor_flash.combine(found, look)
  local by_flash = doctor_flash.examine(look)
  local seen, list = index(by_flash), {}
  local function add(d)
    for _, known in ipairs(list) do
      if known.id == d.id then return end
    end
    list[#list + 1] = d
  end
  local well, unclear = found[1] and found[1].ok, found[1] and UNCLEAR[found[1].id]
  for _, d in ipairs(by_flash) do
    if unclear and EXPLAINS_SILENCE[d.id] then add(d) end
  end
  for _, d in ipairs(found) do add(combine_one(d, look, seen)) end
  for _, d in ipairs(by_flash) do
    if not well or ALSO_WHEN_WELL[d.id] then add(d) end
  end
  return list
end

return doctor_flash
