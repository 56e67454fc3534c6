-- UF2: what is read and written again is the same.
local uf2 = require "moonflash.uf2"

local function read(bytes)
  local segments = uf2.parse(bytes)
  if #segments == 0 then return end
  local again = uf2.parse(uf2.build(segments))
  local function flat(list)
    local joined = {}
    for _, s in ipairs(list) do
      local last = joined[#joined]
      if last and last.addr + #last.data == s.addr then last.data = last.data .. s.data
      else joined[#joined + 1] = { addr = s.addr, data = s.data } end
    end
    return joined
  end
  local a, b = flat(segments), flat(again)
  assert(#a == #b, "another number of segments")
  for i, s in ipairs(a) do assert(b[i].addr == s.addr and b[i].data == s.data, "another segment") end
end

-- The magic numbers of each whole block; a length that is one.
local function repair(bytes)
  local blocks = {}
  for at = 1, #bytes - 511, 512 do
    blocks[#blocks + 1] = "UF2\n\x57\x51\x5d\x9e" .. bytes:sub(at + 8, at + 507) .. "\x30\x6f\xb1\x0a"
  end
  return table.concat(blocks)
end

return { read = read, repair = repair,
  words = { "\xed\x61\xab\x7e", "\0\x20\0\0", "\1\0\0\0", "\0\1\0\0", "\xdc\1\0\0" } }
