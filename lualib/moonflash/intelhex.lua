--- Intel HEX files, read and written. Pure.
-- Addresses in the file are flash addresses; files linked for the mapped window
-- (0x40200000 up) can be moved with `base`.
-- @module moonflash.intelhex

local errors = require "moonflash.errors"

local intelhex = {}

local MAX_BYTES <const> = 0x1000000
local DATA <const>, END <const>, SEGMENT <const>, LINEAR <const> = 0, 1, 2, 4
local START_SEGMENT <const>, START_LINEAR <const> = 3, 5

local function bad(line, why)
  errors.raise("file", ("Intel HEX: line %d: %s"):format(line, why), { line = line })
end

-- One record: its type, 16-bit address and data.
local function decode_record(text, line)
  local digits = text:match("^:(%x+)$")
  if not digits or #digits % 2 ~= 0 or #digits < 10 then bad(line, "is no record") end
  local bytes = digits:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)
  local count, addr, kind = (">BI2B"):unpack(bytes)
  if #bytes ~= count + 5 then bad(line, "has a wrong length") end
  local sum = 0
  for i = 1, #bytes do sum = sum + bytes:byte(i) end
  if sum & 0xFF ~= 0 then bad(line, "has a wrong checksum") end
  return kind, addr, bytes:sub(5, -2)
end

local function upper_of(kind, data, line)
  if #data ~= 2 then bad(line, "has a wrong length") end
  local value = (">I2"):unpack(data)
  return kind == SEGMENT and value << 4 or value << 16
end

local function add(pieces, addr, data)
  local last = pieces[#pieces]
  if last and last.addr + last.size == addr then
    last[#last + 1], last.size = data, last.size + #data
  elseif #data > 0 then
    pieces[#pieces + 1] = { addr = addr, size = #data, data }
  end
end

-- Joins what lies side by side, after sorting; refuses what is given twice.
local function join(pieces)
  table.sort(pieces, function(a, b) return a.addr < b.addr end)
  local segments = {}
  for _, piece in ipairs(pieces) do
    local last = segments[#segments]
    if last and last.addr + last.size > piece.addr then
      errors.raise("overlap", ("Intel HEX: two records for 0x%x"):format(piece.addr),
        { addr = piece.addr })
    elseif last and last.addr + last.size == piece.addr then
      table.move(piece, 1, #piece, #last + 1, last)
      last.size = last.size + piece.size
    else
      segments[#segments + 1] = piece
    end
  end
  for i, segment in ipairs(segments) do
    segments[i] = { addr = segment.addr, data = table.concat(segment) }
  end
  return segments
end

--- Read a file.
-- @tparam string bytes
-- @tparam[opt=0] integer base subtracted from every address
-- @treturn {segment,...} { addr, data } ascending, neighbours joined
-- @treturn integer|nil start address, when the file names one
-- @raise `file` naming the line; `overlap`; `range` for addresses below base;
-- `toobig` above 16 MB of data
function intelhex.parse(bytes, base)
  local pieces, upper, total, line, ended, start = {}, 0, 0, 0, false, nil
  for text in bytes:gmatch("[^\r\n]+") do
    line = line + 1
    if ended then bad(line, "follows the end record") end
    local kind, low, data = decode_record(text:match("^%s*(.-)%s*$"), line)
    if kind == DATA then
      local addr = upper + low - (base or 0)
      if addr < 0 then
        errors.raise("range", ("Intel HEX: line %d lies below the base"):format(line))
      end
      total = total + #data
      if total > MAX_BYTES then errors.raise("toobig", "Intel HEX: more than 16 MB of data") end
      add(pieces, addr, data)
    elseif kind == SEGMENT or kind == LINEAR then
      upper = upper_of(kind, data, line)
    elseif kind == START_LINEAR and #data == 4 then
      start = (">I4"):unpack(data)
    elseif kind == END then
      ended = true
    elseif kind ~= START_SEGMENT then
      bad(line, ("has the unknown type %d"):format(kind))
    end
  end
  if not ended then bad(line + 1, "the end record is missing; the file is cut off") end
  return join(pieces), start
end

local function encode_record(kind, addr, data)
  local bytes = (">BI2B"):pack(#data, addr, kind) .. data
  local sum = 0
  for i = 1, #bytes do sum = sum + bytes:byte(i) end
  return ":" .. (bytes .. string.char(-sum & 0xFF)):gsub(".", function(c)
    return ("%02X"):format(c:byte())
  end) .. "\n"
end

-- A file that stays below 64 KB needs no upper half of addresses at all.
local function is_far(segments)
  for _, s in ipairs(segments) do
    if s.addr + #s.data > 0x10000 then return true end
  end
  return false
end

--- Write a file: records of 16 bytes, extended linear addresses.
-- @tparam {segment,...} segments { addr, data }
-- @treturn string
-- @raise `range` beyond 32 bits
function intelhex.build(segments)
  local lines, upper = {}, is_far(segments) and -1 or 0
  for _, segment in ipairs(segments) do
    if segment.addr < 0 or segment.addr + #segment.data > 1 << 32 then
      errors.raise("range", "Intel HEX: an address has more than 32 bits")
    end
    local at = 0
    while at < #segment.data do
      local addr = segment.addr + at
      if addr >> 16 ~= upper then
        upper = addr >> 16
        lines[#lines + 1] = encode_record(LINEAR, 0, (">I2"):pack(upper))
      end
      -- A record never crosses a 64 KB border: its address has 16 bits.
      local size = math.min(16, 0x10000 - (addr & 0xFFFF), #segment.data - at)
      lines[#lines + 1] = encode_record(DATA, addr & 0xFFFF, segment.data:sub(at + 1, at + size))
      at = at + size
    end
  end
  lines[#lines + 1] = encode_record(END, 0, "")
  return table.concat(lines)
end

return intelhex
