-- Files packed with gzip.
local gzip = require "moonflash.gzip"

local MAX <const> = 0x10000

local function read(bytes)
  local plain = gzip.unpack(bytes, MAX, "a.gz")
  assert(#plain > 0 and #plain <= MAX, "nothing, or more than allowed")
end

return { read = read, words = { "\x1f\x8b\x08", "\0\0\0\0", "\xff\xff\xff\xff" } }
