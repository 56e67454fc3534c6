--- Firmware images of an ELF file: version 1 (two files), 2 (one for rBoot or
-- Espressif's boot loader) and 3 (ESP8266_RTOS_SDK). Pure.
--
-- What becomes a segment, and in which order, is what SDKs and boot loaders are
-- used to: sections as the linker left them, those that touch joined; mapped code
-- in a file of its own (1), before the rest (2), or as a segment (3).
-- @module moonflash.elf_image
local elf <const> = require "moonflash.elf"
local errors <const> = require "moonflash.errors"
local image_build <const> = require "moonflash.image_build"
local image_parse <const> = require "moonflash.image_parse"

local elf_image = { MAX_BYTES = elf.MAX_BYTES }

local MAPPED <const>, MAPPED_END <const> = 0x40200000, 0x40300000
local PAGE <const> = 0x10000            -- what the RTOS SDK's loader maps at once
local SECTOR <const> = 0x1000
local DIGEST <const> = 32

-- Memories that sections are joined in: first and last address.
local MEMORIES <const> = {
  { 0x3FF00000, 0x3FF0000F }, { 0x3FFE8000, 0x3FFFFFFF }, { 0x40100000, 0x40107FFF },
  { 0x40201010, 0x402E100F },
}

local function memory_of(addr)
  for i, m in ipairs(MEMORIES) do
    if addr >= m[1] and addr <= m[2] then return i end
  end
  return 0
end

local function is_mapped(s) return s.addr >= MAPPED and s.addr < MAPPED_END end

local function check_overlaps(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted, function(a, b) return a.addr < b.addr end)
  for i = 2, #sorted do
    local a, b = sorted[i - 1], sorted[i]
    if a.addr + #a.data > b.addr then
      errors.raise("image", ("%s at 0x%08x and %s at 0x%08x overlap"):format(a.name, a.addr, b.name,
        b.addr), { hint = "the linker script is at fault" })
    end
  end
end

-- Sections padded to words; those joined that touch in one memory.
local function join(list)
  local out = {}
  for _, s in ipairs(list) do
    local data = s.data .. ("\0"):rep(-#s.data % 4)
    local last = out[#out]
    if last and last.addr + #last.data == s.addr and memory_of(last.addr) == memory_of(s.addr) then
      last.data = last.data .. data
    else
      out[#out + 1] = { addr = s.addr, data = data, name = s.name }
    end
  end
  return out
end

local function segments_of(bytes, opts)
  local file = elf.parse(bytes)
  local list = opts.use_segments and file.segments or file.sections
  if #list == 0 then
    errors.raise("image", "the ELF file has nothing that the chip could load",
      { hint = "is it an object file, or was it stripped to its symbols?" })
  end
  check_overlaps(list)
  return join(list), file.entry
end

-- Takes the one segment of mapped code out.
local function split(list)
  local ram, mapped = {}, {}
  for _, s in ipairs(list) do
    local into = is_mapped(s) and mapped or ram
    into[#into + 1] = s
  end
  if #mapped > 1 then
    errors.raise("image", ("the ELF file has %d pieces of code for mapped flash, at 0x%08x and"
      .. " 0x%08x"):format(#mapped, mapped[1].addr, mapped[2].addr),
      { hint = "version 1 and 2 images have room for one" })
  end
  return ram, mapped[1]
end

-- Writes the ELF's digest over 32 zero bytes of the segment in which an offset of
-- the file lies. `at` is where the first segment's header is.
local function place_digest(list, at, offset, digest)
  for _, s in ipairs(list) do
    local first = at + 8
    if offset >= first and offset < first + #s.data then
      local from = offset - first
      if from + DIGEST > #s.data then
        errors.raise("image", ("the digest at 0x%x does not fit into its segment"):format(offset))
      elseif s.data:sub(from + 1, from + DIGEST):find "[^%z]" then
        errors.raise("image", ("there are other bytes than zeros at 0x%x, where the digest is to"
          .. " go"):format(offset))
      end
      s.data = s.data:sub(1, from) .. digest .. s.data:sub(from + DIGEST + 1)
      return
    end
    at = first + #s.data
  end
  errors.raise("image", ("there is no segment at 0x%x, where the digest is to go"):format(offset))
end

local function digest_of(bytes, opts)
  return (opts.sha256(bytes):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

local BUILD <const> = {}

BUILD[1] = function(list, request, opts, elf_bytes)
  local ram, irom = split(list)
  if opts.digest_at then place_digest(ram, 8, opts.digest_at, digest_of(elf_bytes, opts)) end
  request.segments = ram
  local files = { { addr = 0, bytes = image_build.build(request) } }
  if irom then files[2] = { addr = irom.addr - MAPPED, bytes = irom.data } end
  return files
end

BUILD[2] = function(list, request, opts, elf_bytes)
  local ram, irom = split(list)
  if not irom then
    errors.raise("image", "a version 2 image needs code for mapped flash, and this ELF file has"
      .. " none", { hint = "--version 1 makes an image that lives in RAM alone" })
  end
  irom.data = irom.data .. ("\0"):rep(-#irom.data % 16)
  if opts.digest_at then
    local inner = { addr = 0, data = "" }     -- the second header, before the RAM segments
    local all = table.move(ram, 1, #ram, 3, { irom, inner })
    place_digest(all, 8, opts.digest_at, digest_of(elf_bytes, opts))
  end
  request.irom, request.segments = irom.data, ram
  local addr = (irom.addr - MAPPED) // SECTOR * SECTOR
  return { { addr = addr, bytes = image_build.build(request) } }
end

-- Mapped segments first, each kind by its address.
local function in_order(a, b)
  if is_mapped(a) ~= is_mapped(b) then return is_mapped(a) end
  return a.addr < b.addr
end

BUILD[3] = function(list, request, opts, elf_bytes)
  table.sort(list, in_order)
  for i = 2, #list do
    local a, b = list[i - 1], list[i]
    if is_mapped(b) and a.addr // PAGE == b.addr // PAGE then
      errors.raise("image", ("0x%08x and 0x%08x lie in the same 64 KB of mapped flash"):format(
        a.addr, b.addr), { hint = "join the sections in the linker script" })
    end
  end
  if opts.digest_at then place_digest(list, 8, opts.digest_at, digest_of(elf_bytes, opts)) end
  request.segments, request.version, request.sha256 = list, 3, opts.sha256
  return { { bytes = image_build.build(request) } }
end

-- The chip's own ROM starts versions 1 and 2.
local function check_starts(file, version)
  local problem = version < 3 and image_parse.parse(file.bytes).problems[1]
  if problem then
    errors.raise("image", "the chip would not start the image: " .. problem.text,
      { hint = "the linker script is at fault, or the ELF file is another chip's" })
  end
end

--- Makes the image, or the two files, of an ELF file.
-- @tparam string bytes the ELF file
-- @tparam table opts `version` 1, 2 or 3; `mode` (default qio), `freq` (40m), `size`
--   (1MB); `use_segments` = true takes the program headers instead of sections;
--   `sha256` = function(bytes) -> 64 hex digits, for version 3 and `digest_at`, the
--   offset in the image where the ELF file's own digest goes
-- @treturn {file,...} { addr, bytes }: addr is where in flash it belongs, nil where
--   the layout of the SDK's project says that
-- @raise `file`, `image`, `usage`
function elf_image.build(bytes, opts)
  local list, entry = segments_of(bytes, opts)
  local files = BUILD[opts.version](list, { entry = entry, mode = opts.mode or "qio",
    freq = opts.freq or "40m", size = opts.size or "1MB" }, opts, bytes)
  check_starts(files[1], opts.version)
  return files
end

--- The name of one of the files, as other tools name it.
-- @tparam table file from @{elf_image.build}
-- @tparam integer version
-- @tparam string path of the ELF file
-- @tparam[opt] string output what the user wants: a name, or version 1's prefix
-- @treturn string
function elf_image.name(file, version, path, output)
  if version == 1 then return ("%s0x%05x.bin"):format(output or path .. "-", file.addr) end
  if output then return output end
  local stem = path:gsub("%.[^./\\]*$", "")
  return version == 2 and ("%s-0x%05x.bin"):format(stem, file.addr) or stem .. ".bin"
end

return elf_image
