--- Recognise files that are no ESP8266 image, and name them. Pure.
-- @module moonflash.foreign

local text = require "moonflash.text"

local foreign = {}

-- Chip ids of the ESP32 family's extended header.
local chip_ids = {
  [0] = "ESP32", [2] = "ESP32-S2", [5] = "ESP32-C3", [9] = "ESP32-S3", [12] = "ESP32-C2",
  [13] = "ESP32-C6", [16] = "ESP32-H2", [18] = "ESP32-P4", [20] = "ESP32-C61",
  [23] = "ESP32-C5",
}

-- Address ranges where ESP32 family segments go: first, last.
local esp32_ranges = {
  { 0x3C000000, 0x3FFFFFFF }, { 0x40000000, 0x40BFFFFF }, { 0x42000000, 0x43FFFFFF },
  { 0x4FF00000, 0x4FFFFFFF }, { 0x50000000, 0x50FFFFFF }, { 0x600FE000, 0x600FFFFF },
}

local function in_esp32_memory(addr, size)
  for _, range in ipairs(esp32_ranges) do
    if addr >= range[1] and addr + size - 1 <= range[2] then return true end
  end
  return false
end

-- Walk the segments of an ESP32 image; they start at 24. True when every
-- header that is inside the file makes sense.
local function esp32_segments_fit(bytes, base, count)
  local offset = base + 24
  for _ = 1, count do
    if offset + 8 > #bytes then return offset > base + 24 end
    local addr, size = ("<I4I4"):unpack(bytes, offset + 1)
    if size > 0x1000000 or not in_esp32_memory(addr, math.max(size, 1)) then return false end
    offset = offset + 8 + size
  end
  return true
end

--- Is there an ESP32 family image at an offset?
-- Only called for when the bytes make no ESP8266 image.
-- @tparam string bytes
-- @tparam[opt=0] integer base
-- @treturn string|nil name of the chip
function foreign.esp32_chip(bytes, base)
  base = base or 0
  if #bytes < base + 32 or bytes:byte(base + 1) ~= 0xE9 then return nil end
  local count = bytes:byte(base + 2)
  local chip = chip_ids[("<I2"):unpack(bytes, base + 13)]
  if not chip or count < 1 or count > 16 then return nil end
  return esp32_segments_fit(bytes, base, count) and chip or nil
end

local function esp32_entry(chip, note)
  return {
    kind = "esp32", chip = chip, name = ("an image for %s%s"):format(chip, note or ""),
    hint = "it cannot run on an ESP8266; use the build for ESP8266",
  }
end

local elf_machines = {
  [94] = "Xtensa", [243] = "RISC-V", [40] = "ARM", [62] = "x86-64", [3] = "x86",
}

local function elf(bytes)
  local machine = #bytes >= 20 and ("<I2"):unpack(bytes, 19) or nil
  local cpu = elf_machines[machine] or "an unknown CPU"
  return {
    kind = "elf", machine = machine, name = ("an ELF file for %s"):format(cpu),
    hint = machine == 94 and "convert it first: moonflash image from-elf" or nil,
  }
end

local function uf2(bytes)
  local family = #bytes >= 32 and ("<I4"):unpack(bytes, 29) or 0
  local for_us = family == 0x7EAB61ED
  return {
    kind = "uf2", family = family,
    name = for_us and "a UF2 file for ESP8266" or ("a UF2 file, family 0x%08x"):format(family),
    hint = not for_us and "it is for another chip" or nil,
  }
end

local starts = {
  { "\x7fELF", elf },
  { "UF2\n", uf2 },
  { "\x1f\x8b\x08", function()
    return { kind = "gzip", name = "a gzip file",
      hint = "unpack it first (NodeMCU's LFS images are gzip files too)" }
  end },
  { "PK\3\4", function()
    return { kind = "zip", name = "a zip archive", hint = "unpack it first" }
  end },
  { "\x1bLua", function()
    return { kind = "luac", name = "compiled Lua",
      hint = "it belongs in the chip's file system" }
  end },
  { "\x27\x05\x19\x56", function()
    return { kind = "uboot", name = "a U-Boot image" }
  end },
  { "MZ", function() return { kind = "exe", name = "a Windows program" } end },
  { "\x89PNG", function() return { kind = "picture", name = "a picture" } end },
}

local function is_intel_hex(bytes)
  return bytes:match("^:%x%x%x%x%x%x%x%x%x%x+%s") ~= nil
end

local function is_blank(bytes, fill) return not bytes:find("[^" .. fill .. "]") end

local function looks_like_lua(bytes)
  local head = bytes:sub(1, 4096)
  if head:match("^#!.-lua") or head:match("^%-%-") then return true end
  if head:match("^#+ ") then return false end                     -- Markdown, maybe with Lua in it
  for _, sign in ipairs { "%f[%w]local%s+[%w_]+%s*[=,\r\n]", "%f[%w]function%f[^%w_][%s%w_.:]*%(",
    "%f[%w]require%s*[%(\"']",
    "%f[%w]print%s*[%(\"']" } do
    if head:match(sign) then return true end
  end
  return false
end

local function from_text(bytes)
  if text.printable_share(bytes:sub(1, 4096)) < 0.97 then return nil end
  if bytes:match("^%s*<[!%a]") then
    return { kind = "html", name = "a web page, not a firmware file",
      hint = "the download did not give the file itself; fetch the raw file" }
  elseif looks_like_lua(bytes) then
    return { kind = "lua", name = "Lua source text",
      hint = "it belongs in the chip's file system, not into flash directly" }
  end
  return { kind = "text", name = "a text file" }
end

-- A merged ESP32 file: blank up to 0x1000 or 0x2000, then the boot loader.
local function merged_esp32(bytes)
  for _, base in ipairs { 0x1000, 0x2000 } do
    if #bytes > base and is_blank(bytes:sub(1, base), "\xff") then
      local chip = foreign.esp32_chip(bytes, base)
      if chip then return esp32_entry(chip, " (whole flash)") end
    end
  end
end

--- Name what a file is when it is no ESP8266 image.
-- @tparam string bytes
-- @treturn table|nil { kind = word, name = text with article, hint = text or
-- nil, ... }; kinds: empty, blank, zeros, esp32, elf, intelhex, uf2, gzip, zip,
-- luac, lfs, lua, html, text, uboot, exe, picture; nil when it is unknown
function foreign.recognise(bytes)
  if bytes == "" then
    return { kind = "empty", name = "an empty file", hint = "fetch or build it again" }
  end
  local chip = foreign.esp32_chip(bytes)
  if chip then return esp32_entry(chip) end
  for _, start in ipairs(starts) do
    if bytes:sub(1, #start[1]) == start[1] then return start[2](bytes) end
  end
  if bytes:match("^[\x50-\x5f]\xa1\xfa\xfa") then
    return { kind = "lfs", name = "a Lua Flash Store image, no firmware",
      hint = "it goes into the LFS partition, not to address 0" }
  end
  if is_intel_hex(bytes) then
    return { kind = "intelhex", name = "an Intel HEX file" }
  end
  local merged = merged_esp32(bytes)
  if merged then return merged end
  if is_blank(bytes, "\xff") then
    return { kind = "blank", name = "blank: every byte is 0xff" }
  elseif is_blank(bytes, "\0") then
    return { kind = "zeros", name = "blank: every byte is 0x00" }
  end
  return from_text(bytes)
end

return foreign
