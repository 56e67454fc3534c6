--- ESP8266 firmware images: understand, check, describe, build, patch. Pure.
--
-- `image.parse` gives a table with
--
-- * `kind`: v1 (RAM part alone), v2, nodemcu (aggregated), combined (aggregated,
--   not NodeMCU), eboot (Arduino core), boot (Espressif's boot loader, perhaps
--   with user1 behind it), rboot, rtos, irom (NodeMCU's 0x10000.bin), foreign
--   (`foreign` says what), unknown
-- * `name`: the same for people; `length`: bytes given; `used`: bytes understood
-- * `magic`, `version`, `segment_count`, `entry`; mode, freq, size as names (nil
--   when the code means nothing), `mode_code`, `freq_code`, `size_code`,
--   `size_bytes`, `map`
-- * `segments`: { index, addr, size, offset (of the data), header_offset, memory }
--   with memory dram, iram, iram-cache, irom, rom-data, dport or unknown
-- * `checksum`: { stored, computed, ok, offset }
-- * `irom`: { offset, size, addr } of v2, nodemcu, combined and irom
-- * `inner` (v2): the second header; `crc` (v2): { present, stored, computed, ok,
--   offset }; `eboot_crc`: the same with length
-- * `app`: the image behind a boot loader, shaped like this table
-- * `aggregated`, `fill`, `partition` (NodeMCU 3.x), `nodemcu`, `sdk`,
--   `boot_version`, `truncated`
-- * `problems` and `warnings`: { { text, offset }, ... }; an image with problems
--   must not be flashed
-- @module moonflash.image

local errors = require "moonflash.errors"
local image_build = require "moonflash.image_build"
local image_header = require "moonflash.image_header"
local image_parse = require "moonflash.image_parse"
local nodemcu = require "moonflash.nodemcu"
local numbers = require "moonflash.numbers"
local text = require "moonflash.text"

local image = {
  parse = image_parse.parse,
  build = image_build.build,
  aggregate = image_build.aggregate,
  split = image_build.split,
  patch_header = image_build.patch_header,
  modes = image_header.modes,
  freqs = image_header.freqs,
  sizes = image_header.sizes,
  mode_code = image_header.mode_code,
  freq_code = image_header.freq_code,
  flash_size_code = image_header.size_code,
}

--- Raise unless the image is sound.
-- @tparam table parsed result of `image.parse`
-- @tparam[opt] string name of the file, for the message
-- @return parsed
-- @raise `image`; fields `offset`, `kind`, `problems`
function image.check(parsed, name)
  local first = parsed.problems[1]
  if not first then return parsed end
  local prefix = name and name .. ": " or ""
  local more = #parsed.problems - 1
  local message = prefix .. first.text
  if more > 0 then message = ("%s (and %d more)"):format(message, more) end
  local hint = parsed.foreign and parsed.foreign.hint
    or "the file is damaged or not for the ESP8266; fetch or build it again"
  errors.raise("image", message,
    { offset = first.offset, kind = parsed.kind, problems = parsed.problems, hint = hint })
end

local function header_line(part)
  return ("flash mode %s, %s, size %s"):format(
    part.mode or "code " .. part.mode_code,
    part.freq and part.freq:gsub("m$", " MHz") or "frequency code " .. part.freq_code,
    part.size or "code " .. part.size_code)
end

local function add_part(lines, part)
  local function add(...) lines[#lines + 1] = string.format(...) end
  if part.entry then
    add("%s", header_line(part))
    add("entry 0x%08x", part.entry)
  end
  for _, segment in ipairs(part.segments) do
    add("segment %-2d  0x%08x  %7d bytes  %-10s at offset 0x%06x", segment.index, segment.addr,
      segment.size, segment.memory, segment.offset)
  end
  if part.irom then
    add("irom        0x%08x  %7d bytes  %-10s at offset 0x%06x", part.irom.addr, part.irom.size,
      "irom", part.irom.offset)
  end
  if part.checksum and part.checksum.stored then
    add("checksum 0x%02x %s", part.checksum.stored, part.checksum.ok and "ok" or "WRONG")
  end
  if part.crc and part.crc.present then
    add("CRC 0x%08x %s", part.crc.stored, part.crc.ok and "ok" or "WRONG")
  end
  if part.eboot_crc and part.eboot_crc.present then
    add("eboot CRC 0x%08x %s", part.eboot_crc.stored, part.eboot_crc.ok and "ok" or "WRONG")
  end
end

local function add_nodemcu(lines, found)
  if found.modules then lines[#lines + 1] = "modules " .. table.concat(found.modules, ", ") end
  if found.commit then
    lines[#lines + 1] = ("commit %s of branch %s"):format(found.commit, found.branch or "?")
  end
  lines[#lines + 1] = "generation " .. (found.generation or "unknown")
end

local function add_partitions(lines, read)
  for _, entry in ipairs(read.entries) do
    local size = entry.size == 0xFFFFFFFF and "all that is left" or numbers.size_text(entry.size)
    lines[#lines + 1] = ("partition   %-12s %s  %s"):format(entry.name,
      numbers.hex(entry.addr), size)
  end
end

--- Describe an image for people.
-- @tparam table parsed result of `image.parse`
-- @treturn {string,...} lines
function image.describe(parsed)
  local length = text.count(parsed.length, "byte")
  local lines = { ("%s, %s"):format(parsed.name, length) }
  if parsed.foreign then lines[1] = ("%s, %s"):format(parsed.foreign.name, length) end
  if parsed.boot_version then lines[#lines + 1] = "boot version " .. parsed.boot_version end
  add_part(lines, parsed)
  if parsed.app then
    lines[#lines + 1] = ("application at offset 0x%06x"):format(parsed.app.offset)
    add_part(lines, parsed.app)
  end
  if parsed.sdk and not parsed.nodemcu then lines[#lines + 1] = "SDK " .. parsed.sdk end
  if parsed.nodemcu then add_nodemcu(lines, parsed.nodemcu) end
  if parsed.partition then add_partitions(lines, parsed.partition) end
  for _, warning in ipairs(parsed.warnings) do lines[#lines + 1] = "warning: " .. warning.text end
  for _, found in ipairs(parsed.problems) do lines[#lines + 1] = "PROBLEM: " .. found.text end
  return lines
end

-- Everything but raw payloads and what only repeats other fields.
local hidden = { records = true, banner = true, payload = true }

local function plain(value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, field in pairs(value) do
    if not hidden[key] then copy[key] = plain(field) end
  end
  return copy
end

--- The parsed image as plain data for JSON: no binary strings, no shared tables.
-- @tparam table parsed result of `image.parse`
-- @treturn table
function image.to_table(parsed)
  local copy = plain(parsed)
  if copy.nodemcu then
    copy.nodemcu.text = nodemcu.describe(parsed.nodemcu)
    copy.nodemcu.partition = nil
  end
  return copy
end

return image
