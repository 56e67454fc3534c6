--- Names of addresses from an ELF file: its symbol table, nothing else. Pure.
-- Source: the System V ABI's ELF32 tables. A file is believed in nothing: each
-- offset is checked before it is used.
-- @module moonflash.elf_symbols

local errors = require "moonflash.errors"
local text = require "moonflash.text"

local elf_symbols = {}
elf_symbols.__index = elf_symbols

local SECTIONS_MAX <const>, SYMBOLS_MAX <const> = 1024, 500000
local NAME_MAX <const> = 160
local REACH <const> = 0x10000           -- a function is not longer than that
local SHT_SYMTAB <const>, SHT_STRTAB <const> = 2, 3
local STT_NOTYPE <const>, STT_FUNC <const> = 0, 2
local CODE_FIRST <const>, CODE_END <const> = 0x40000000, 0x40300000

local function bad(why)
  errors.raise("file", "the ELF file is damaged: " .. why,
    { hint = "it is the .elf from which the firmware was made" })
end

-- ELF32, little endian; the machine is not looked at, addresses tell enough.
local function read_header(bytes)
  if bytes:sub(1, 4) ~= "\x7fELF" then
    errors.raise("file", "this is no ELF file", { hint = "the build leaves one beside the .bin" })
  end
  if #bytes < 52 or bytes:byte(5) ~= 1 or bytes:byte(6) ~= 1 then
    errors.raise("file", "this is no ELF file of a 32-bit little-endian chip")
  end
  local offset = ("<I4"):unpack(bytes, 33)
  local size, count = ("<I2I2"):unpack(bytes, 47)
  if count > SECTIONS_MAX then bad(("%d sections"):format(count)) end
  if size < 40 or offset + size * count > #bytes then bad "its section table is cut off" end
  return offset, size, count
end

local function read_sections(bytes)
  local offset, size, count = read_header(bytes)
  local list = {}
  for i = 0, count - 1 do
    local kind, _, _, at, length, link = ("<I4I4I4I4I4I4"):unpack(bytes, offset + i * size + 5)
    list[i] = { kind = kind, offset = at, size = length, link = link }
  end
  return list, count
end

local function inside(bytes, section)
  return section and section.offset + section.size <= #bytes
end

local function name_at(bytes, strings, offset)
  if offset >= strings.size then return nil end
  local first = strings.offset + offset + 1
  local limit = math.min(first + NAME_MAX - 1, strings.offset + strings.size)
  local name = bytes:sub(first, limit):match("^[^%z]*")
  return name ~= "" and name:sub(1, 1) ~= "." and text.escape(name) or nil
end

local function add_symbols(out, bytes, symtab, strings)
  local count = symtab.size // 16
  if count > SYMBOLS_MAX then bad(("%d symbols"):format(count)) end
  for i = 0, count - 1 do
    local name, value, size, info = ("<I4I4I4B"):unpack(bytes, symtab.offset + i * 16 + 1)
    local kind = info & 15
    if (kind == STT_FUNC or kind == STT_NOTYPE) and value >= CODE_FIRST and value < CODE_END then
      local word = name_at(bytes, strings, name)
      if word then
        out[#out + 1] = { addr = value, size = size, name = word, func = kind == STT_FUNC }
      end
    end
  end
end

-- By address; of several at one address a function goes last, which is the one
-- that a search from above finds.
local function before(a, b)
  if a.addr ~= b.addr then return a.addr < b.addr end
  if a.func ~= b.func then return b.func end
  return a.name > b.name
end

--- The names of code in an ELF file.
-- @tparam string bytes the whole file
-- @treturn table with method `name`, and `count`
-- @raise `file` when it is no ELF file, is damaged or has no symbols
function elf_symbols.parse(bytes)
  local sections, count = read_sections(bytes)
  local list = {}
  for i = 0, count - 1 do
    local section = sections[i]
    local strings = section.kind == SHT_SYMTAB and sections[section.link] or nil
    if section.kind == SHT_SYMTAB then
      if not inside(bytes, section) then bad "its symbol table is cut off" end
      if not inside(bytes, strings) or strings.kind ~= SHT_STRTAB then bad "it has no names" end
      add_symbols(list, bytes, section, strings)
    end
  end
  if #list == 0 then
    errors.raise("file", "the ELF file has no symbols of code",
      { hint = "it was stripped; use the one that the linker made" })
  end
  table.sort(list, before)
  return setmetatable({ list = list, count = #list }, elf_symbols)
end

--- The name of an address: the nearest symbol at or below it, and the distance.
-- @tparam integer addr
-- @treturn string|nil "app_main+0x14"; nil when nothing is near
function elf_symbols:name(addr)
  local list, low, high = self.list, 1, self.count
  if addr < list[1].addr then return nil end
  while low < high do
    local mid = (low + high + 1) // 2
    if list[mid].addr <= addr then low = mid else high = mid - 1 end
  end
  local symbol = list[low]
  local distance = addr - symbol.addr
  if distance >= (symbol.size > 0 and symbol.size or REACH) then return nil end
  return distance == 0 and symbol.name or ("%s+0x%x"):format(symbol.name, distance)
end

return elf_symbols
