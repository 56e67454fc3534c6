--- Take an ESP8266 image apart. Never raises on bad bytes: what is wrong is
-- listed in the result. Use it through `moonflash.image`. Pure.
-- @module moonflash.image_parse

local crc32 = require "moonflash.crc32"
local foreign = require "moonflash.foreign"
local image_header = require "moonflash.image_header"
local nodemcu = require "moonflash.nodemcu"
local numbers = require "moonflash.numbers"
local partition = require "moonflash.partition"
local text = require "moonflash.text"

local image_parse = {}

local IROM_FLASH <const> = 0x10000     -- where NodeMCU's irom part lies
local MAPPED <const> = 0x40200000      -- flash 0 in the chip's address space
local CHECKSUM_SEED <const> = 0xEF
local MAX_SEGMENTS <const> = 16
local MAX_SEGMENT <const> = 0x1000000

-- Memories of the chip that an image may name: first address, last address.
local memories = {
  { "dport", 0x3FF00000, 0x3FF0000F },
  { "dram", 0x3FFE8000, 0x3FFFBFFF },
  { "rom-data", 0x3FFFC000, 0x3FFFFFFF },
  { "iram", 0x40100000, 0x40107FFF },
  { "iram-cache", 0x40108000, 0x4010FFFF },
  { "irom", 0x40200000, 0x402FFFFF },
}

-- Espressif's second stage boot loaders, by entry and first segment's size.
local boot_loaders = {
  { entry = 0x401000C0, first = 0x330, version = "1.2" },
  { entry = 0x40100438, first = 0x968, version = "1.6" },
  { entry = 0x4010057C, first = 0xA20, version = "1.7" },
}

local function memory_of(addr)
  for _, memory in ipairs(memories) do
    if addr >= memory[2] and addr <= memory[3] then return memory[1], memory[3] end
  end
end

local function problem(part, offset, ...)
  part.problems[#part.problems + 1] = { offset = offset, text = string.format(...) }
end

local function warn(part, offset, ...)
  part.warnings[#part.warnings + 1] = { offset = offset, text = string.format(...) }
end

local function is_filled(bytes, first, last, fill)
  return not bytes:sub(first + 1, last):find("[^" .. fill .. "]")
end

-- XOR of all bytes in a range, eight at a time.
local function xor_range(bytes, first, last)
  local x, unpack = 0, string.unpack
  local whole = first + ((last - first) & ~7)
  for i = first + 1, whole, 8 do x = x ~ unpack("<i8", bytes, i) end
  x = x ~ (x >> 32)
  x = x ~ (x >> 16)
  x = (x ~ (x >> 8)) & 0xFF
  for i = whole + 1, last do x = x ~ bytes:byte(i) end
  return x
end

local function read_header(part, bytes)
  local base = part.offset
  local mode, size_freq, entry = ("<xxBBI4"):unpack(bytes, base + 1)
  for name, value in pairs(image_header.decode(mode, size_freq)) do part[name] = value end
  part.entry = entry
end

local function check_header(part)
  local base = part.offset
  if not part.mode then warn(part, base + 2, "flash mode %d is unknown", part.mode_code) end
  if not part.freq then
    warn(part, base + 3, "flash frequency code %d is unknown", part.freq_code)
  end
  if not part.size then warn(part, base + 3, "flash size code %d is unknown", part.size_code) end
  local memory = memory_of(part.entry)
  if memory ~= "iram" and memory ~= "iram-cache" then
    warn(part, base + 4, "entry 0x%08x is not in instruction RAM", part.entry)
  end
end

local function check_segment(part, segment)
  local where = ("segment %d at offset 0x%x"):format(segment.index, segment.header_offset)
  local memory, last = memory_of(segment.addr)
  segment.memory = memory or "unknown"
  if not memory then
    problem(part, segment.header_offset, "%s: address 0x%08x is no memory of the ESP8266",
      where, segment.addr)
  elseif memory == "rom-data" or memory == "dport" then
    problem(part, segment.header_offset, "%s: address 0x%08x belongs to the chip itself (%s)",
      where, segment.addr, memory)
  elseif segment.size > 0 and segment.addr + segment.size - 1 > last then
    local into = memory_of(segment.addr + segment.size - 1)
    local report = memory == "iram" and into == "iram-cache" and warn or problem
    report(part, segment.header_offset, "%s: runs past the end of %s", where, memory)
  end
  if segment.size % 4 ~= 0 then
    warn(part, segment.header_offset, "%s: length %d is not a multiple of 4", where, segment.size)
  end
end

-- Reads one segment; nil when there is no way to go on.
local function read_segment(part, bytes, offset, index)
  if offset + 8 > #bytes then
    part.truncated = true
    problem(part, offset, "truncated: the header of segment %d at offset 0x%x needs %s more",
      index, offset, text.count(offset + 8 - #bytes, "byte"))
    return nil
  end
  local addr, size = ("<I4I4"):unpack(bytes, offset + 1)
  local segment = { index = index, addr = addr, size = size, offset = offset + 8,
    header_offset = offset }
  if size > MAX_SEGMENT then
    problem(part, offset, "segment %d at offset 0x%x: length 0x%x makes no sense",
      index, offset, size)
    return nil
  end
  check_segment(part, segment)
  if segment.offset + size > #bytes then
    part.truncated = true
    problem(part, #bytes, "truncated: segment %d at offset 0x%x needs %s more",
      index, offset, text.count(segment.offset + size - #bytes, "byte"))
    return nil
  end
  return segment
end

local function read_segments(part, bytes, offset)
  for index = 1, math.min(part.segment_count, MAX_SEGMENTS) do
    local segment = read_segment(part, bytes, offset, index)
    if not segment then return nil end
    part.segments[index] = segment
    offset = segment.offset + segment.size
  end
  return offset
end

local function read_checksum(part, bytes, segments_end)
  local offset = segments_end | 15
  local computed = CHECKSUM_SEED
  for _, segment in ipairs(part.segments) do
    computed = computed ~ xor_range(bytes, segment.offset, segment.offset + segment.size)
  end
  local stored = bytes:byte(offset + 1)
  part.checksum = { stored = stored, computed = computed, ok = stored == computed,
    offset = offset }
  part.used = math.min(offset + 1, #bytes)
  if not stored then
    part.truncated = true
    problem(part, #bytes, "truncated: the checksum at offset 0x%x is missing", offset)
  elseif stored ~= computed then
    problem(part, offset, "checksum at offset 0x%x is 0x%02x, the data give 0x%02x",
      offset, stored, computed)
  end
end

local function new_part(offset)
  return { offset = offset, segments = {}, problems = {}, warnings = {}, used = offset }
end

-- Is a header of so many bytes there?
local function has_header(part, bytes, size)
  local missing = part.offset + size - #bytes
  if missing <= 0 then return true end
  part.truncated = true
  problem(part, #bytes, "truncated: the header at offset 0x%x needs %s more", part.offset,
    text.count(missing, "byte"))
  return false
end

-- A version 1 image at an offset of the file.
local function parse_v1(bytes, base)
  local part = new_part(base)
  part.magic, part.version = 0xE9, 1
  if not has_header(part, bytes, 8) then return part end
  part.segment_count = bytes:byte(base + 2)
  read_header(part, bytes)
  check_header(part)
  if part.segment_count < 1 or part.segment_count > MAX_SEGMENTS then
    problem(part, base + 1, "segment count %d is not 1 to %d", part.segment_count, MAX_SEGMENTS)
    return part
  end
  local segments_end = read_segments(part, bytes, base + 8)
  if segments_end then read_checksum(part, bytes, segments_end) end
  return part
end

local function read_v2_crc(part, bytes)
  local at = part.used
  if at + 4 > #bytes or is_filled(bytes, at, at + 4, "\xff") then
    part.crc = { present = false, offset = at }
    warn(part, at, "no CRC at the end; images of old tools lack it")
    return
  end
  local stored = ("<I4"):unpack(bytes, at + 1)
  local computed = crc32.of_v2_image(bytes:sub(part.offset + 1, at))
  part.crc = { present = true, stored = stored, computed = computed,
    ok = stored == computed, offset = at }
  part.used = at + 4
  if stored ~= computed then
    problem(part, at, "CRC at offset 0x%x is 0x%08x, the data give 0x%08x", at, stored, computed)
  end
end

local function adopt_inner(part, inner)
  part.inner = { offset = inner.offset, mode = inner.mode, freq = inner.freq,
    size = inner.size, entry = inner.entry, segment_count = inner.segment_count }
  part.segments, part.checksum = inner.segments, inner.checksum
  part.segment_count = inner.segment_count
  part.used, part.truncated = inner.used, inner.truncated
  for _, list in ipairs { "problems", "warnings" } do
    table.move(inner[list], 1, #inner[list], #part[list] + 1, part[list])
  end
  if inner.entry and inner.entry ~= part.entry then
    warn(part, inner.offset + 4, "the two headers name different entries")
  end
end

-- A version 2 image at an offset of the file.
local function parse_v2(bytes, base)
  local part = new_part(base)
  part.magic, part.version = 0xEA, 2
  if not has_header(part, bytes, 16) then return part end
  read_header(part, bytes)
  local fixed, irom_addr, irom_size = ("<xBxxxxxxI4I4"):unpack(bytes, base + 1)
  if fixed ~= 4 then problem(part, base + 1, "second byte is 0x%02x, not 0x04", fixed) end
  part.irom = { offset = base + 16, size = irom_size, addr = MAPPED + base + 16,
    stored_addr = irom_addr }
  local inner_at = base + 16 + irom_size
  if inner_at + 8 > #bytes then
    part.truncated = true
    problem(part, #bytes, "truncated: irom at offset 0x%x and the header behind it need %s more",
      base + 16, text.count(inner_at + 8 - #bytes, "byte"))
  elseif bytes:byte(inner_at + 1) ~= 0xE9 then
    problem(part, inner_at, "no inner header at offset 0x%x behind irom", inner_at)
  else
    adopt_inner(part, parse_v1(bytes, inner_at))
    if part.checksum and part.checksum.stored then read_v2_crc(part, bytes) end
  end
  return part
end

local function parse_app(bytes, base)
  local magic = bytes:byte(base + 1)
  if magic == 0xE9 then return parse_v1(bytes, base) end
  if magic == 0xEA then return parse_v2(bytes, base) end
end

-- Move what was found in a part behind the boot loader up into the whole.
local function adopt_app(whole, app)
  whole.app = app
  whole.used = math.max(whole.used, app.used)
  whole.truncated = whole.truncated or app.truncated
  for _, list in ipairs { "problems", "warnings" } do
    table.move(app[list], 1, #app[list], #whole[list] + 1, whole[list])
    app[list] = nil
  end
end

-- eboot's CRC: length at 0x1010, value at 0x1014, both zero while summing.
local function read_eboot_crc(whole, bytes)
  if #bytes < 0x1018 then return end
  local length, stored = ("<I4I4"):unpack(bytes, 0x1011)
  if length < 0x1018 or length > #bytes or length == 0xFFFFFFFF then
    whole.eboot_crc = { present = false, offset = 0x1014 }
    return
  end
  local computed = image_parse.eboot_crc(bytes, length)
  whole.eboot_crc = { present = true, length = length, stored = stored, computed = computed,
    ok = stored == computed, offset = 0x1014 }
  if stored ~= computed then
    warn(whole, 0x1014, "eboot CRC at offset 0x1014 is 0x%08x, the data give 0x%08x; "
      .. "only sketches that check it notice", stored, computed)
  end
end

--- The CRC of an Arduino core file, with its two words taken as zero.
-- @tparam string bytes
-- @tparam integer length how many bytes it covers, at least 0x1018
-- @treturn integer
function image_parse.eboot_crc(bytes, length)
  local crc = crc32.of_eboot(bytes:sub(1, 0x1010))
  crc = crc32.of_eboot(("\0"):rep(8), crc)
  return crc32.of_eboot(bytes:sub(0x1019, length), crc)
end

-- The core's build tool sums the application first and patches the two words of
-- the CRC, which are part of the first segment, afterwards.
local function settle_app_checksum(whole, bytes)
  local sum, crc = whole.app.checksum, whole.eboot_crc
  if not (sum and sum.stored and not sum.ok and crc and crc.present) then return end
  local without = sum.computed ~ xor_range(bytes, 0x1010, 0x1018)
  if without ~= sum.stored and not crc.ok then return end
  sum.ok, sum.computed = true, without
  for i = #whole.problems, 1, -1 do
    if whole.problems[i].offset == sum.offset then table.remove(whole.problems, i) end
  end
end

local function boot_version(whole)
  local first = whole.segments[1]
  for _, known in ipairs(boot_loaders) do
    if first and whole.entry == known.entry and first.size == known.first then
      return known.version
    end
  end
end

local function has_irom_segment(part)
  for _, segment in ipairs(part.segments) do
    if segment.memory == "irom" then return true end
  end
  return false
end

-- A boot loader in the first sector, and what follows it.
local function classify_boot(whole, bytes)
  whole.boot_version = boot_version(whole)
  local magic, second = bytes:byte(0x1001, 0x1002)
  if magic == 0xE1 and second == 1 then
    whole.kind = "rboot"
    local app = parse_app(bytes, 0x2000)
    if app then adopt_app(whole, app) end
  elseif magic == 0xE9 or magic == 0xEA then
    local is_eboot = magic == 0xE9 and whole.entry >= 0x4010E000 and whole.entry <= 0x4010FFFF
    whole.kind = is_eboot and "eboot" or "boot"
    adopt_app(whole, parse_app(bytes, 0x1000))
    if is_eboot then
      read_eboot_crc(whole, bytes)
      settle_app_checksum(whole, bytes)
    end
  elseif whole.boot_version then
    whole.kind = "boot"
  end
  return whole.kind ~= nil
end

local function check_gap(whole, bytes)
  local first, last = whole.used, math.min(#bytes, IROM_FLASH)
  whole.fill = { offset = first, size = last - first,
    blank = is_filled(bytes, first, last, "\xff") }
  -- 0xb000 up is the system area of SDK 3 and of chips read back.
  if not is_filled(bytes, first, math.min(last, 0xB000), "\xff") then
    warn(whole, first, "bytes between 0x%x and 0x%x belong to nothing known", first,
      math.min(last, 0xB000) - 1)
  end
end

local function check_firmware_end(whole, bytes)
  local read = whole.partition
  if not (read and read.firmware_end) then return end
  local missing = read.firmware_end - (#bytes + 0xFFF & ~0xFFF)
  if missing > 0 then
    whole.truncated = true
    problem(whole, #bytes, "truncated: the firmware says it ends at 0x%x, the file ends at 0x%x",
      read.firmware_end, #bytes)
  end
end

local function irom_end(whole, bytes)
  if whole.partition and whole.partition.firmware_end then
    return math.min(#bytes, whole.partition.firmware_end)
  end
  -- A backup of a chip goes on behind the firmware; nothing tells where it ends.
  return #bytes
end

local function classify_aggregated(whole, bytes, opts)
  whole.aggregated = true
  whole.partition = partition.find(bytes)
  whole.nodemcu = nodemcu.identify(bytes, { filename = opts.name, partition = whole.partition })
  whole.kind = whole.nodemcu and "nodemcu" or "combined"
  whole.sdk = whole.nodemcu and whole.nodemcu.sdk or nodemcu.sdk_version(bytes)
  check_gap(whole, bytes)
  check_firmware_end(whole, bytes)
  whole.used = irom_end(whole, bytes)
  whole.irom = { offset = IROM_FLASH, size = whole.used - IROM_FLASH,
    addr = MAPPED + IROM_FLASH }
end

local function is_rtos(whole, bytes)
  return has_irom_segment(whole) or bytes:sub(0x8001, 0x8002) == "\xaa\x50"
end

local function check_rest(whole, bytes)
  local rest = #bytes - whole.used
  if rest <= 0 or not (whole.checksum and whole.checksum.stored) then return end
  if is_filled(bytes, whole.used, #bytes, "\xff") then
    whole.fill = { offset = whole.used, size = rest, blank = true }
  elseif whole.kind == "v1" or whole.kind == "v2" then
    warn(whole, whole.used, "%s follow the image from 0x%x on", text.count(rest, "byte"),
      whole.used)
  end
end

local function classify_v1(whole, bytes, opts)
  local sound = whole.checksum ~= nil
  if sound and whole.used <= 0x1000 and classify_boot(whole, bytes) then return end
  if is_rtos(whole, bytes) then
    whole.kind = "rtos"
  elseif sound and whole.used <= IROM_FLASH and #bytes > IROM_FLASH
    and not is_filled(bytes, IROM_FLASH, #bytes, "\xff") then
    classify_aggregated(whole, bytes, opts)
  else
    whole.kind = "v1"
  end
end

local function looks_foreign(whole, bytes)
  if #whole.problems == 0 then return nil end
  return foreign.esp32_chip(bytes) and foreign.recognise(bytes)
end

-- No magic number: NodeMCU's second file, something foreign, or unknown.
local function parse_other(bytes, opts)
  local whole = new_part(0)
  local read = partition.read(bytes)
  whole.used = #bytes
  whole.foreign = foreign.recognise(bytes)
  if read or not whole.foreign then
    whole.partition = read
    whole.nodemcu = nodemcu.identify(bytes, { filename = opts.name, partition = read })
  end
  if whole.nodemcu then
    whole.kind, whole.foreign = "irom", nil
    whole.irom = { offset = 0, size = #bytes, addr = MAPPED + IROM_FLASH }
    local expected = read and read.firmware_end and read.firmware_end - IROM_FLASH or 0
    if expected > (#bytes + 0xFFF & ~0xFFF) then
      whole.truncated = true
      problem(whole, #bytes, "truncated: the firmware says its irom has 0x%x bytes, "
        .. "the file has 0x%x", expected, #bytes)
    end
  elseif whole.foreign then
    whole.kind = "foreign"
    problem(whole, 0, "this is %s", whole.foreign.name)
  else
    whole.kind = "unknown"
    problem(whole, 0, "no ESP8266 image: starts with %s instead of e9 or ea",
      text.hex_bytes(bytes, 4))
  end
  return whole
end

local kind_names = {
  v1 = "ESP8266 image, version 1 (RAM part)", v2 = "ESP8266 image, version 2",
  nodemcu = "NodeMCU firmware, aggregated", combined = "firmware, aggregated (RAM part and irom)",
  eboot = "Arduino core firmware with eboot", boot = "Espressif boot loader",
  rboot = "rBoot", rtos = "ESP8266_RTOS_SDK image", irom = "NodeMCU irom part (for 0x10000)",
  foreign = "not for the ESP8266", unknown = "unknown",
}

--- Take an image apart.
-- @tparam string bytes the whole file, or flash read from address 0
-- @tparam[opt] table opts `name` = file name (tells integer from float builds)
-- @treturn table see `moonflash.image`
function image_parse.parse(bytes, opts)
  opts = opts or {}
  local magic, whole = bytes:byte(1), nil
  if magic == 0xE9 then
    whole = parse_v1(bytes, 0)
    whole.foreign = looks_foreign(whole, bytes)
    if whole.foreign then
      whole.kind, whole.segments, whole.warnings = "foreign", {}, {}
      whole.problems = { { offset = 0, text = "this is " .. whole.foreign.name } }
    else
      classify_v1(whole, bytes, opts)
    end
  elseif magic == 0xEA and bytes:byte(2) == 4 then
    whole = parse_v2(bytes, 0)
    whole.kind = "v2"
  else
    whole = parse_other(bytes, opts)
  end
  whole.length, whole.name = #bytes, kind_names[whole.kind]
  check_rest(whole, bytes)
  if whole.nodemcu then whole.name = nodemcu.describe(whole.nodemcu) end
  if #bytes > 0x1000000 then
    problem(whole, 0x1000000, "larger than the %s that the ESP8266 can use",
      numbers.size_text(0x1000000))
  end
  return whole
end

return image_parse
