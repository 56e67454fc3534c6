--- UF2 files, read and written, for the ESP8266's family. Pure.
-- Blocks of 512 bytes: 32 header, 476 data (256 used here), 4 end; format as
-- published by Microsoft.
-- @module moonflash.uf2

local errors = require "moonflash.errors"

local uf2 = {}

--- Family id of the ESP8266.
uf2.FAMILY = 0x7EAB61ED

local BLOCK <const>, PAYLOAD <const>, DATA_MAX <const> = 512, 256, 476
local MAGIC1 <const>, MAGIC2 <const>, MAGIC_END <const> = 0x0A324655, 0x9E5D5157, 0x0AB16F30
local NOT_MAIN <const>, HAS_FAMILY <const>, HAS_MD5 <const> = 0x1, 0x2000, 0x4000
local MD5_SIZE <const> = 24            -- address, length, digest
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

-- Blocks are numbered from 0 up to a count, in any order; a file may hold several
-- such series, one behind the other (each of the files it was made of has its own).
local function count_in(series, block, index)
  if not series or series.found == series.count then
    series = { count = block.count, found = 0, seen = {} }
  end
  if block.number >= series.count or block.count ~= series.count then
    bad(index, ("says it is block %d of %d in a series of %d"):format(block.number, block.count,
      series.count))
  end
  if series.seen[block.number] then bad(index, "comes twice") end
  series.seen[block.number], series.found = true, series.found + 1
  return series
end

local function check_complete(series)
  if not series then errors.raise("file", "UF2: no block for the ESP8266") end
  for number = 0, series.count - 1 do
    if not series.seen[number] then
      errors.raise("file", ("UF2: block %d of %d is missing"):format(number, series.count))
    end
  end
end

-- Ascending, neighbours joined, nothing given twice.
local function finish(segments)
  table.sort(segments, function(a, b) return a.addr < b.addr end)
  local out, last = {}, nil
  for _, segment in ipairs(segments) do
    if last and segment.addr < last.addr + last.size then
      errors.raise("overlap", ("UF2: two blocks for 0x%x"):format(segment.addr),
        { addr = segment.addr })
    elseif last and segment.addr == last.addr + last.size then
      table.move(segment, 1, #segment, #last + 1, last)
      last.size = last.size + segment.size
    else
      last = segment
      out[#out + 1] = segment
    end
  end
  for i, segment in ipairs(out) do
    out[i] = { addr = segment.addr, data = table.concat(segment) }
  end
  return out
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
  local segments, series = {}, nil
  for index = 0, #bytes // BLOCK - 1 do
    local block = decode_block(bytes, index)
    if block.family == uf2.FAMILY and block.flags & NOT_MAIN == 0 then
      if block.count > #bytes // BLOCK then
        bad(index, "belongs to a longer file: this one is cut off")
      end
      series = count_in(series, block, index)
      if #block.data > 0 then add(segments, block) end
    end
  end
  check_complete(series)
  return finish(segments)
end

-- The rest of a block's data: zeros, after what tells that the payload is whole.
local function encode_block(addr, data, number, count, md5)
  local flags, proof = HAS_FAMILY, ""
  if md5 then
    flags = flags | HAS_MD5
    proof = ("<I4I4"):pack(addr, #data) .. md5(data):gsub("%x%x", function(h)
      return string.char(tonumber(h, 16))
    end)
  end
  return (HEADER):pack(MAGIC1, MAGIC2, flags, addr, #data, number, count, uf2.FAMILY)
    .. data .. proof .. ("\0"):rep(DATA_MAX - #data - #proof) .. ("<I4"):pack(MAGIC_END)
end

-- Data bytes of a block: a multiple of 4 that leaves room for the digest.
local function chunk_of(opts)
  local max = opts.md5 and DATA_MAX - MD5_SIZE or DATA_MAX
  local chunk = opts.chunk or max
  if chunk < 4 or chunk > max or chunk % 4 ~= 0 then
    errors.raise("usage", ("UF2: %d bytes a block are not possible"):format(chunk),
      { hint = ("a multiple of 4, at most %d"):format(max) })
  end
  return chunk
end

local function pieces_of(segment, chunk)
  local list = {}
  for at = 0, #segment.data - 1, chunk do
    list[#list + 1] = { segment.addr + at, segment.data:sub(at + 1, at + chunk) }
  end
  return list
end

--- Write a file.
-- @tparam {segment,...} segments { addr, data }
-- @tparam[opt] table opts `chunk` bytes a block (default 256, with `md5` given the
--   most there is room for, 452); `md5` = function(bytes) -> 32 hex digits: every
--   block carries its payload's digest; `numbering` = "by file" numbers the blocks
--   of each segment from 0
-- @treturn string
-- @raise `range` beyond 32 bits, `size` when there is nothing to write, `usage`
function uf2.build(segments, opts)
  opts = opts or { chunk = PAYLOAD }
  local chunk, series = chunk_of(opts), {}
  for i, segment in ipairs(segments) do
    if segment.addr < 0 or segment.addr + #segment.data > 1 << 32 then
      errors.raise("range", "UF2: an address has more than 32 bits")
    end
    local into = opts.numbering == "by file" and i or 1
    local list = pieces_of(segment, chunk)
    series[into] = series[into] or {}
    table.move(list, 1, #list, #series[into] + 1, series[into])
  end
  local blocks = {}
  for _, pieces in ipairs(series) do
    for i, piece in ipairs(pieces) do
      blocks[#blocks + 1] = encode_block(piece[1], piece[2], i - 1, #pieces, opts.md5)
    end
  end
  if #blocks == 0 then errors.raise("size", "UF2: nothing to write") end
  return table.concat(blocks)
end

return uf2
