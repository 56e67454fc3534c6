--- UF2 files, read and written, for the ESP8266's family. Pure.
-- Blocks of 512 bytes: 32 header, 476 data (256 used here), 4 end; format as
-- published by Microsoft.
-- @module uf2

local errors = require "moonflash.errors"

local uf2 = {}

--- Family id of the ESP8266.
uf2.FAMILY = 0x7EAB61ED

local BLOCK <const>, PAYLOAD <const>, DATA_MAX <const> = 512, 256, 476
local MAGIC1 <const>, MAGIC2 <const>, MAGIC_END <const> = 0x0A324655, 0x9E5D5157, 0x0AB16F30
local NOT_MAIN <const>, HAS_FAMILY <const> = 0x1, 0x2000
local HEADER <const> = "<I4I4I4I4I4I4I4I4"

local function bad(index, why)
  errors.raise("file", ("UF2: block %d %s"):format(index, why), { offset = index * BLOCK })
end

local function decode_block(bytes, index)
  local offset = index * BLOCK
  local m1, m2, flags, addr, size, number, count, family = (HEADER):unpack(bytes, offset + 1)
  if m1 ~= MAGIC1 or m2 ~= MAGIC2 or ("<I4"):unpack(bytes, offset + 509) ~= MAGIC_END then
    bad(index, "is no UF2 block")
  end
  if size > DATA_MAX then bad(index, "has too many bytes") end
  return { flags = flags, addr = addr, number = number, count = count,
    family = flags & HAS_FAMILY ~= 0 and family or nil,
    data = bytes:sub(offset + 33, offset + 32 + size) }
end

local function add(segments, block)
  local last = segments[#segments]
  if last and last.addr + last.size == block.addr then
    last[#last + 1], last.size = block.data, last.size + #block.data
  else
    segments[#segments + 1] = { addr = block.addr, size = #block.data, block.data }
  end
end

-- Every block once, and all of them.
local function check_complete(seen, count, found)
  if found == 0 then errors.raise("file", "UF2: no block for the ESP8266") end
  for number = 0, count - 1 do
    if not seen[number] then
      errors.raise("file", ("UF2: block %d of %d is missing"):format(number, count))
    end
  end
end

local function finish(segments)
  table.sort(segments, function(a, b) return a.addr < b.addr end)
  local last_end = 0
  for i, segment in ipairs(segments) do
    if segment.addr < last_end then
      errors.raise("overlap", ("UF2: two blocks for 0x%x"):format(segment.addr),
        { addr = segment.addr })
    end
    last_end = segment.addr + segment.size
    segments[i] = { addr = segment.addr, data = table.concat(segment) }
  end
  return segments
end

--- Read a file. Blocks of other families in it are skipped.
-- @tparam string bytes
-- @treturn {segment,...} { addr, data } ascending
-- @raise `file` for broken, missing or foreign blocks, `overlap`, `toobig`
function uf2.parse(bytes)
  if #bytes == 0 or #bytes % BLOCK ~= 0 then
    errors.raise("file", ("UF2: %d bytes are no whole number of blocks"):format(#bytes))
  elseif #bytes > 0x2000000 then
    errors.raise("toobig", "UF2: larger than any ESP8266 flash needs")
  end
  local segments, seen, count, found = {}, {}, 0, 0
  for index = 0, #bytes // BLOCK - 1 do
    local block = decode_block(bytes, index)
    if block.family == uf2.FAMILY and block.flags & NOT_MAIN == 0 then
      if seen[block.number] then bad(index, "comes twice") end
      if block.count > #bytes // BLOCK then
        bad(index, "belongs to a longer file: this one is cut off")
      end
      seen[block.number], count, found = true, block.count, found + 1
      if #block.data > 0 then add(segments, block) end
    end
  end
  check_complete(seen, count, found)
  return finish(segments)
end

local function encode_block(addr, data, number, count)
  return (HEADER):pack(MAGIC1, MAGIC2, HAS_FAMILY, addr, #data, number, count, uf2.FAMILY)
    .. data .. ("\0"):rep(DATA_MAX - #data) .. ("<I4"):pack(MAGIC_END)
end

--- Write a file: 256 bytes a block.
-- @tparam {segment,...} segments { addr, data }
-- @treturn string
-- @raise `range` beyond 32 bits, `size` when there is nothing to write
function uf2.build(segments)
  local pieces = {}
  for _, segment in ipairs(segments) do
    if segment.addr < 0 or segment.addr + #segment.data > 1 << 32 then
      errors.raise("range", "UF2: an address has more than 32 bits")
    end
    for at = 0, #segment.data - 1, PAYLOAD do
      pieces[#pieces + 1] = { segment.addr + at, segment.data:sub(at + 1, at + PAYLOAD) }
    end
  end
  if #pieces == 0 then errors.raise("size", "UF2: nothing to write") end
  for i, piece in ipairs(pieces) do pieces[i] = encode_block(piece[1], piece[2], i - 1, #pieces) end
  return table.concat(pieces)
end

return uf2
