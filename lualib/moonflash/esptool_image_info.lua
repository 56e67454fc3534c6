--- What esptool's image-info says of an image, in its older and its newer form. Pure.
-- @module moonflash.esptool_image_info
local errors <const> = require "moonflash.errors"

local esptool_image_info = {}

-- Memories by esptool's names; what is not listed has none.
local MEMORY <const> = { dram = "DRAM", iram = "IRAM", irom = "IROM", dport = "DPORT",
  ["rom-data"] = "DRAM" }

local function check(parsed)
  if parsed.foreign then
    errors.raise("image", "This is " .. parsed.foreign.name, { hint = parsed.foreign.hint })
  elseif not parsed.magic then
    errors.raise("image", "This is not a valid image: " .. parsed.problems[1].text)
  elseif parsed.truncated or not parsed.checksum then
    errors.raise("image", parsed.problems[1].text)
  end
end

-- Segments with the mapped one of a version 2 image before them.
local function rows_of(parsed)
  local rows = {}
  if parsed.magic == 0xEA then
    rows[1] = { size = parsed.irom.size, addr = parsed.irom.stored_addr or 0,
      at = parsed.irom.offset - 8, memory = "" }
  end
  for _, s in ipairs(parsed.segments) do
    rows[#rows + 1] = { size = s.size, addr = s.addr, at = s.header_offset,
      memory = MEMORY[s.memory] or "" }
  end
  return rows
end

local function checksum_text(sum, format)
  local stored = format:format(sum.stored)
  return sum.ok and stored .. " (valid)"
    or ("%s (invalid - calculated %s)"):format(stored, format:format(sum.computed))
end

local function older(parsed, rows, add)
  add("File size: %d (bytes)", parsed.length)
  add("Image version: %d", parsed.magic == 0xEA and 2 or 1)
  add("Entry point: %08x", parsed.entry)
  add("%d segments", #rows)
  add("")
  for i, r in ipairs(rows) do
    add("Segment %d: len 0x%05x load 0x%08x file_offs 0x%08x [%s]", i, r.size, r.addr, r.at,
      r.memory)
  end
  add("Checksum: %s", checksum_text(parsed.checksum, "%02x"))
end

local function heading(add, text)
  add("")
  add("%s", text)
  add(("="):rep(20))
end

local function newer(parsed, rows, add)
  add("Image size: %d bytes", parsed.length)
  heading(add, "ESP8266 Image Header")
  add("Image version: %d", parsed.magic == 0xEA and 2 or 1)
  add("Entry point: 0x%08x", parsed.entry)
  add("Segments: %d", #rows)
  add("Flash size: %s", parsed.size or ("unknown (0x%02x)"):format(parsed.size_code))
  add("Flash freq: %s", parsed.freq or ("unknown (0x%02x)"):format(parsed.freq_code))
  add("Flash mode: %s", parsed.mode and parsed.mode:upper()
    or ("unknown (0x%02x)"):format(parsed.mode_code))
  heading(add, "Segments Information")
  add("Segment   Length   Load addr   File offs  Memory types")
  add("-------  -------  ----------  ----------  ------------")
  for i, r in ipairs(rows) do
    add("%7d  0x%05x  0x%08x  0x%08x  %s", i - 1, r.size, r.addr, r.at, r.memory)
  end
  heading(add, "ESP8266 Image Footer")
  add("Checksum: %s", checksum_text(parsed.checksum, "0x%02x"))
end

--- The lines.
-- @tparam table parsed from `image.parse`
-- @tparam boolean new the form of version 5
-- @treturn {string,...}
-- @raise `image` for what is no image of this chip, or is cut off
function esptool_image_info.lines(parsed, new)
  check(parsed)
  local lines = {}
  local function add(...) lines[#lines + 1] = string.format(...) end
  (new and newer or older)(parsed, rows_of(parsed), add)
  return lines
end

return esptool_image_info
