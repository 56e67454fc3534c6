-- Stubs of others, in JSON.
local public_stub = require "moonflash.public_stub"

local function inside(s, first, last) return s.addr >= first and s.addr + #s.data <= last end

local function read(bytes)
  local stub = public_stub.parse(bytes, "stub.json")
  for _, s in ipairs(stub.segments) do
    assert(#s.data % 4 == 0 and s.addr % 4 == 0, "no whole words")
    assert(inside(s, 0x40100000, 0x40110000) or inside(s, 0x3ffe8000, 0x3fffa000)
      or inside(s, 0x3fffa480, 0x3fffc000), "outside the RAM")
  end
  assert(stub.entry >= 0x40100000 and stub.entry < 0x40110000, "the entry is outside")
end

return { read = read, words = { '"text":', '"text_start":', '"data":', '"data_start":', '"entry":',
  "1074843648", "1073643520", "AAAA", "AA==", "1e3", "null", "[[[[", "{", "}", "\\u0000" } }
