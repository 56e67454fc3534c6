--- Files that were packed with gzip, RFC 1952.
--
-- How long the unpacked file may become is given, so that a small file cannot
-- fill the memory.
-- @module moonflash.gzip
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"

local gzip = {}

local SHORTEST <const> = 18           -- header, empty block, checksum, length

--- Is this a gzip file?
-- @tparam string bytes
-- @treturn boolean
function gzip.is(bytes)
  return bytes:sub(1, 3) == "\x1f\x8b\x08"
end

local function bad(name, why)
  errors.raise("file", ("%s: this gzip file %s"):format(name, why),
    { hint = "pack it again, or give the file that is in it" })
end

local function too_big(name, max)
  errors.raise("toobig", ("%s: holds more than %d bytes"):format(name, max))
end

-- The bytes of one member, at most `room` of them, and what is left of the file.
local function member(bytes, room, name)
  local out, used, code = esp.inflate(bytes, room + 1, "gzip")
  if not out then
    if code == "toobig" then return nil end
    bad(name, #bytes < SHORTEST and "is cut off" or "is damaged or cut off")
  end
  if #out > room then return nil end
  return out, bytes:sub(used + 1)
end

--- Unpacks.
-- @tparam string bytes
-- @tparam integer max the most that may come out
-- @tparam string name of the file, for messages
-- @treturn string what was packed: all members of the file, one behind the other
-- @raise `file` when it is damaged, cut off or empty, `toobig`
function gzip.unpack(bytes, max, name)
  local pieces, total, rest = {}, 0, bytes
  repeat
    local piece, left = member(rest, max - total, name)
    if not piece then too_big(name, max) end
    pieces[#pieces + 1], total, rest = piece, total + #piece, left
  until not gzip.is(rest)
  if rest:find "[^%z]" then bad(name, "has something else behind it") end
  if total == 0 then bad(name, "is empty") end
  return table.concat(pieces)
end

return gzip
