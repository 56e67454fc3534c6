--- Lua Flash Store images of Lua 5.3: a dump that the firmware turns into a
-- store. Numbers are written in groups of seven bits, highest first; where a
-- type goes with them, the first byte has it in bits 4 to 6. Source:
-- nodemcu-firmware app/lua53/ldump.c. Pure.
-- @module moonflash.lfs_dump
local errors <const> = require "moonflash.errors"
local text <const> = require "moonflash.text"

local lfs_dump = {}

local FORMAT <const> = 11               -- ordinary compiled Lua 5.3 has 10
local NIL <const>, BOOLEAN <const>, FLOAT <const>, POSITIVE <const>, NEGATIVE <const>,
  SHORT <const>, LONG <const> = 0, 1, 2, 3, 4, 5, 6
local MAX_DEPTH <const> = 100

local function bad(message, hint)
  errors.raise("image", "LFS image: " .. message, { hint = hint })
end

-- A reader of the bytes: `at` is how many were taken.
local reader = {}
reader.__index = reader

function reader:take(count)
  if count > #self.bytes - self.at then bad "it is cut off" end
  local piece = self.bytes:sub(self.at + 1, self.at + count)
  self.at = self.at + count
  return piece
end

function reader:byte() return self:take(1):byte() end

function reader:expect(literal, what)
  if self:take(#literal) ~= literal then bad(what) end
end

-- A number whose first byte has so many bits of it; answers the bits above, too.
function reader:number(bits)
  local first = self:byte()
  local value, kind = first & ((1 << bits) - 1), (first & 0x7F) >> bits
  local more, groups = first & 0x80 ~= 0, 0
  while more do
    groups = groups + 1
    if groups > 9 then bad "it holds a number that is too large" end
    local byte = self:byte()
    value, more = value << 7 | byte & 0x7F, byte & 0x80 ~= 0
  end
  return value, kind
end

-- How many of something follow, each of at least so many bytes.
function reader:count(least)
  local n = self:number(7)
  if n < 0 or n > (#self.bytes - self.at) // least then bad "it is cut off" end
  return n
end

-- A string, which is the number of one in the list.
function reader:reference()
  local _, kind = self:number(4)
  if kind ~= SHORT and kind ~= LONG then bad "it names a string in a wrong way" end
end

function reader:constant()
  local mark = self.at
  local value, kind = self:number(4)
  if kind == FLOAT then
    self.at = mark + 1
    self:take(self.number_bytes)
  elseif kind ~= NIL and kind ~= BOOLEAN and kind ~= POSITIVE and kind ~= NEGATIVE
    and kind ~= SHORT and kind ~= LONG then
    bad "it holds a constant of an unknown type"
  end
  return value, kind
end

function reader:upvalues()
  local named = self:byte() ~= 0
  for _ = 1, self:count(2) do
    if named then self:reference() end
    self:take(2)
  end
end

function reader:debug()
  self:take(self:count(1))
  for _ = 1, self:count(3) do
    self:reference()
    self:number(7)
    self:number(7)
  end
end

-- One function: source, first and last line, parameters, inner functions, code,
-- constants, upvalues, line numbers.
function reader:func(depth)
  if depth > MAX_DEPTH then bad "its functions are nested too deeply" end
  self:reference()
  self:number(7)
  self:number(7)
  self:take(3)
  for _ = 1, self:count(1) do self:func(depth + 1) end
  self:take(4 * self:count(4))
  for _ = 1, self:count(1) do self:constant() end
  self:upvalues()
  self:debug()
end

function reader:string_list()
  for _ = 1, 3 do self:number(7) end    -- longest, number of short, of long ones
  local list = {}
  for i = 1, self:count(1) do
    local length, kind = self:number(4)
    if kind ~= SHORT and kind ~= LONG or length < 1 then
      bad(("its string %d is damaged"):format(i))
    end
    list[i] = self:take(length - 1)
  end
  return list
end

-- At the end stand the modules' names, and the time of the build.
function reader:names(strings)
  local names, time = {}, nil
  for _ = 1, self:count(1) do
    local value, kind = self:constant()
    if kind == POSITIVE then
      time = value
    elseif strings[value] then
      names[#names + 1] = text.escape(strings[value])
    end
  end
  return names, time
end

function reader:header()
  self:expect("\x1bLua\x53" .. string.char(FORMAT) .. "\x19\x93\r\n\x1a\n",
    "its header is damaged")
  local int, instruction, integer, number = self:take(4):byte(1, 4)
  if int ~= 4 or instruction ~= 4 or integer ~= number or integer ~= 4 and integer ~= 8 then
    bad("it was made for a machine with other numbers",
      "use the luac.cross of the firmware's own build")
  end
  self.number_bytes = number
  self:byte()
  local sample = self:take(number)
  if (number == 4 and "<f" or "<d"):unpack(sample) ~= 370.5 then bad "its header is damaged" end
end

--- Is this a dump for the store?
function lfs_dump.is_one(bytes)
  return bytes:sub(1, 5) == "\x1bLua\x53" and bytes:byte(6) == FORMAT
end

--- Reads a dump through to its last byte.
-- @tparam string bytes
-- @treturn table as `lfs_image.read`
-- @raise `image`
function lfs_dump.read(bytes)
  local r = setmetatable({ bytes = bytes, at = 0 }, reader)
  r:header()
  r:number(4)                           -- seed of the string hashes
  r:expect("\x19ss", "its list of strings is missing")
  local strings = r:string_list()
  r:expect("\x19pr", "its functions are missing")
  for _ = 1, r:count(1) do r:func(1) end
  local names, time = r:names(strings)
  if r.at ~= #bytes then bad(("there is more behind its end: %s"):format(text.count(#bytes - r.at, "byte"))) end
  return { lua = "5.3", form = "dump",
    number_type = r.number_bytes == 8 and "64-bit" or "32-bit", size = #bytes, bytes = bytes, strings = #strings, modules = names, build_time = time }
end

return lfs_dump
