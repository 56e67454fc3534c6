local lu = require "luaunit"
local crc32 = require "moonflash.crc32"

TestCrc32 = {}

function TestCrc32:test_published_vectors()
  lu.assertEquals(crc32.of "123456789", 0xCBF43926)
  lu.assertEquals(crc32.of "\0", 0xD202EF8D)
  lu.assertEquals(crc32.of "", 0)
  lu.assertEquals(crc32.of_v2_image "123456789", 0x340BC6D9)
  lu.assertEquals(crc32.of_v2_image "\0", 0x2DFD1072)
  lu.assertEquals(crc32.of_eboot "123456789", 0x0376E6E7)
end

function TestCrc32:test_the_v2_word_adds_one_when_the_top_bit_is_clear()
  local found
  for b = 0, 255 do
    local bytes = string.char(b)
    local c = crc32.of(bytes)
    if c & 0x80000000 == 0 then
      found = true
      lu.assertEquals(crc32.of_v2_image(bytes), c + 1)
    end
  end
  lu.assertTrue(found)
end

function TestCrc32:test_all_lengths_agree_with_the_bitwise_definition()
  local function slow(bytes)
    local c = 0xFFFFFFFF
    for i = 1, #bytes do
      c = c ~ bytes:byte(i)
      for _ = 1, 8 do c = (c >> 1) ~ (c & 1) * 0xEDB88320 end
    end
    return c ~ 0xFFFFFFFF
  end
  local bytes = ""
  for n = 0, 40 do
    lu.assertEquals(crc32.of(bytes), slow(bytes))
    bytes = bytes .. string.char(n * 37 & 0xFF)
  end
end

function TestCrc32:test_goes_on_from_an_earlier_result()
  local bytes = ("The quick brown fox"):rep(9)
  for cut = 0, 9 do
    lu.assertEquals(crc32.of(bytes:sub(cut + 1), crc32.of(bytes:sub(1, cut))), crc32.of(bytes))
    lu.assertEquals(crc32.of_eboot(bytes:sub(cut + 1), crc32.of_eboot(bytes:sub(1, cut))),
      crc32.of_eboot(bytes))
  end
end

os.exit(lu.LuaUnit.run())
