--- The part of the ZIP format that backups are made of: entries behind each
-- other, stored or deflated, nothing between them, one directory at the end.
--
-- Any archive tool reads what is written here. The reader takes only archives
-- of exactly this form: it makes every header anew from what it understood and
-- compares, so a damaged byte in a header is found as one in the data is. Pure.
-- @module moonflash.zip
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"

local zip = {}

local LOCAL <const> = "PK\3\4"
local CENTRAL <const> = "PK\1\2"
local VERSION <const> = 20                -- 2.0: the first with deflate
local STORED <const>, DEFLATED <const> = 0, 8
local DOS_DATE <const> = 0x0021           -- 1 January 1980: the same input, the same bytes
local MAX_ENTRIES <const> = 8192
local MAX_NAME <const> = 64

local writer = {}
writer.__index = writer

-- Version, flags, method, time, date, CRC, sizes, lengths of name and extra.
local function common(e)
  return ("<I2I2I2I2I2I4I4I4I2I2"):pack(VERSION, 0, e.method, 0, DOS_DATE, e.crc, e.packed_size,
    e.size, #e.name, 0)
end

local function local_header(e) return LOCAL .. common(e) .. e.name end

local function central_header(e)
  return CENTRAL .. ("<I2"):pack(VERSION) .. common(e) .. ("<I2I2I2I4I4"):pack(0, 0, 0, 0, e.at)
    .. e.name
end

local function directory(entries, at)
  local headers = {}
  for i, e in ipairs(entries) do headers[i] = central_header(e) end
  headers = table.concat(headers)
  return headers .. "PK\5\6" .. ("<I2I2I2I2I4I4I2"):pack(0, 0, #entries, #entries, #headers, at, 0)
end

--- Starts an archive.
-- @treturn writer with `add(name, bytes)` and `finish()`
function zip.writer()
  return setmetatable({ entries = {}, pieces = {}, at = 0 }, writer)
end

local function put(self, piece)
  self.pieces[#self.pieces + 1] = piece
  self.at = self.at + #piece
end

--- Adds an entry; its bytes are compressed where that makes them fewer.
-- @tparam string name
-- @tparam string bytes
-- @tparam[opt=9] integer level of compression, 0 to 12
function writer:add(name, bytes, level)
  assert(#name <= MAX_NAME and #self.entries < MAX_ENTRIES)
  local packed = esp.deflate(bytes, level or 9)
  local smaller = #packed < #bytes
  local e = { name = name, at = self.at, size = #bytes, crc = esp.crc32(bytes),
    method = smaller and DEFLATED or STORED, packed_size = smaller and #packed or #bytes }
  self.entries[#self.entries + 1] = e
  put(self, local_header(e))
  put(self, smaller and packed or bytes)
end

--- Ends the archive.
-- @treturn string all of it
function writer:finish()
  put(self, directory(self.entries, self.at))
  return table.concat(self.pieces)
end

local function damaged(why) errors.raise("file", why) end

-- The entry whose local header is at `at`, and where the next one begins.
local function read_entry(bytes, at)
  if #bytes < at + 30 then damaged "the archive is cut off" end
  local _, _, method, _, _, crc, packed_size, size, name_size =
    ("<I2I2I2I2I2I4I4I4I2"):unpack(bytes, at + 5)
  local from = at + 30 + name_size
  if name_size > MAX_NAME or from + packed_size > #bytes then damaged "the archive is cut off" end
  local e = { name = bytes:sub(at + 31, from), at = at, method = method, crc = crc,
    packed_size = packed_size, size = size, from = from }
  if method ~= STORED and method ~= DEFLATED or method == STORED and size ~= packed_size then
    damaged "the archive uses a form that backups do not have"
  end
  if bytes:sub(at + 1, from) ~= local_header(e) then
    damaged(("the archive is damaged at byte %d"):format(at))
  end
  return e, from + packed_size
end

--- Reads the headers of an archive.
-- @tparam string bytes all of it
-- @treturn {table,...} entries { name, size, packed_size, crc, method, from }
-- @raise `file` when it is not of this form, cut off or damaged
function zip.entries(bytes)
  local entries, at = {}, 0
  while bytes:sub(at + 1, at + 4) == LOCAL do
    if #entries == MAX_ENTRIES then damaged "the archive has too many entries" end
    entries[#entries + 1], at = read_entry(bytes, at)
  end
  if bytes:sub(at + 1) ~= directory(entries, at) then
    damaged(at + 4 > #bytes and "the archive is cut off"
      or ("the archive's directory at byte %d is damaged or cut off"):format(at))
  end
  return entries
end

--- The bytes of an entry, proven by its CRC-32.
-- @tparam string bytes the archive
-- @tparam table e from @{zip.entries}
-- @treturn string
-- @raise `file` when they are damaged
function zip.read(bytes, e)
  local packed = bytes:sub(e.from + 1, e.from + e.packed_size)
  local data = packed
  if e.method == DEFLATED then
    data = esp.inflate(packed, math.max(1, e.size))
  end
  if not data or #data ~= e.size or esp.crc32(data) ~= e.crc then
    damaged(("%s in the archive is damaged"):format(e.name))
  end
  return data
end

return zip
