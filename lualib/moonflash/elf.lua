--- What a linker put into an ELF file: the bytes and where in the chip's memory
-- they belong. Pure.
--
-- Source: the System V ABI's ELF32 tables. A file is believed in nothing: each
-- offset is checked before it is used. Names of code are in
-- @{moonflash.elf_symbols}.
-- @module moonflash.elf
local errors <const> = require "moonflash.errors"

local elf = {}

local XTENSA <const> = 94
local TABLE_MAX <const> = 1024          -- entries of a table, far above any linker's
local BYTES_MAX <const> = 0x1000000

--- The most bytes that an ELF file may have: debugging information is many times
-- what the chip gets.
elf.MAX_BYTES = 0x8000000

local PT_LOAD <const> = 1

-- Section types with bytes for the chip.
local LOADED <const> = { [1] = "PROGBITS", [14] = "INIT_ARRAY", [15] = "FINI_ARRAY",
  [16] = "PREINIT_ARRAY" }

local function bad(why, hint)
  errors.raise("file", "the ELF file " .. why,
    { hint = hint or "it is the .elf that the linker made" })
end

--- Is this an ELF file?
-- @tparam string bytes
-- @treturn boolean
function elf.is(bytes)
  return bytes:sub(1, 4) == "\x7fELF"
end

local function read_header(bytes)
  if not elf.is(bytes) then errors.raise("file", "this is no ELF file") end
  if #bytes < 52 then bad "is cut off" end
  if bytes:byte(5) ~= 1 or bytes:byte(6) ~= 1 then bad "is not for a 32-bit little-endian chip" end
  local machine = ("<I2"):unpack(bytes, 19)
  if machine ~= XTENSA then
    bad(("is for another machine (number %d)"):format(machine),
      "the ESP8266 is an Xtensa, number 94: compile with xtensa-lx106-elf-gcc")
  end
  local entry, ph, sh = ("<I4I4I4"):unpack(bytes, 25)
  local ph_size, ph_count, sh_size, sh_count, names = ("<I2I2I2I2I2"):unpack(bytes, 43)
  return { entry = entry, names = names,
    programs = { at = ph, size = ph_size, count = ph_count, least = 32, what = "segments" },
    sections = { at = sh, size = sh_size, count = sh_count, least = 40, what = "sections" } }
end

-- The offset of each entry of a table.
local function entries(bytes, t)
  local list = {}
  if t.count == 0 or t.at == 0 then return list end
  if t.count > TABLE_MAX then bad(("says it has %d %s"):format(t.count, t.what)) end
  if t.size < t.least or t.at + t.size * t.count > #bytes then
    bad(("is damaged: its table of %s is cut off"):format(t.what))
  end
  for i = 0, t.count - 1 do list[i + 1] = t.at + i * t.size end
  return list
end

local function take(bytes, offset, size, what)
  if offset + size > #bytes then bad(("is damaged: %s is cut off"):format(what)) end
  return bytes:sub(offset + 1, offset + size)
end

local function name_at(bytes, strings, offset)
  if not strings or offset >= strings.size then return "" end
  return bytes:sub(strings.offset + offset + 1, strings.offset + strings.size):match "^[^%z]*"
end

local function read_sections(bytes, header)
  local all, list = {}, {}
  for i, at in ipairs(entries(bytes, header.sections)) do
    local name, kind, _, addr, offset, size = ("<I4I4I4I4I4I4"):unpack(bytes, at + 1)
    all[i] = { name = name, kind = kind, addr = addr, offset = offset, size = size }
  end
  local strings = all[header.names + 1]
  for i, s in ipairs(all) do
    if LOADED[s.kind] and s.addr ~= 0 and s.size > 0 then
      list[#list + 1] = { addr = s.addr, name = name_at(bytes, strings, s.name),
        data = take(bytes, s.offset, s.size, ("section %d"):format(i - 1)) }
    end
  end
  return list
end

local function read_segments(bytes, header)
  local list = {}
  for i, at in ipairs(entries(bytes, header.programs)) do
    local kind, offset, _, addr, size = ("<I4I4I4I4I4"):unpack(bytes, at + 1)
    if kind == PT_LOAD and addr ~= 0 and size > 0 then
      list[#list + 1] = { addr = addr, name = ("segment %d"):format(i - 1),
        data = take(bytes, offset, size, ("segment %d"):format(i - 1)) }
    end
  end
  return list
end

local function check_total(list)
  local total = 0
  for _, s in ipairs(list) do total = total + #s.data end
  if total > BYTES_MAX then bad "holds more than 16 MB" end
  return list
end

--- Reads a file.
-- @tparam string bytes
-- @treturn table `entry`; `sections` and `segments`: { { addr, data, name }, ... }
--   those with bytes for the chip, in the file's order
-- @raise `file` when it is no ELF file, for another machine, or damaged
function elf.parse(bytes)
  local header = read_header(bytes)
  return { entry = header.entry, sections = check_total(read_sections(bytes, header)),
    segments = check_total(read_segments(bytes, header)) }
end

return elf
