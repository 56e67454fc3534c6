-- Pieces of flash as one file: raw, Intel HEX, UF2.
local esp = require "esp"
local intelhex = require "moonflash.intelhex"
local lu = require "luaunit"
local merge = require "moonflash.image_merge"
local uf2 = require "moonflash.uf2"

local A <const> = { addr = 0x1000, data = ("a"):rep(10), name = "a.bin" }
local B <const> = { addr = 0x1010, data = ("b"):rep(1000), name = "b.bin" }

TestRaw = {}

function TestRaw:test_gaps_are_blank_and_order_does_not_matter()
  local want <const> = ("\xff"):rep(0x1000) .. A.data .. ("\xff"):rep(6) .. B.data
  lu.assertEquals(merge.build({ A, B }, { format = "raw" }), want)
  lu.assertEquals(merge.build({ B, A }, { format = "raw" }), want)
end

function TestRaw:test_it_may_begin_elsewhere_and_reach_to_a_size()
  local bytes = merge.build({ A }, { format = "raw", target = 0x1000, pad_to = 0x2000 })
  lu.assertEquals(bytes, A.data .. ("\xff"):rep(0x1000 - 10))
  lu.assertErrorMsgContains("before the target offset 0x1001", merge.build, { A },
    { format = "raw", target = 0x1001 })
  lu.assertErrorMsgContains("behind the size of 0x1000", merge.build, { A },
    { format = "raw", pad_to = 0x1000 })
end

function TestRaw:test_pieces_over_one_another_are_refused()
  local over = { addr = 0x1009, data = "x", name = "c.bin" }
  local ok, e = pcall(merge.build, { A, over }, { format = "raw" })
  lu.assertFalse(ok)
  lu.assertEquals(e.code, "overlap")
  lu.assertStrContains(e.message, "c.bin at 0x1009 overlaps with a.bin")
  over.addr = 0x100a
  lu.assertEquals(#merge.build({ A, over }, { format = "raw", target = 0x1000 }), 11)
end

function TestRaw:test_an_address_far_behind_any_flash_is_refused()
  lu.assertErrorMsgContains("far behind any flash", merge.build,
    { { addr = 0xfffffff0, data = "x", name = "f" } }, { format = "raw" })
end

function TestRaw:test_sizes_by_name()
  lu.assertEquals(merge.size_of "256KB", 0x40000)
  lu.assertEquals(merge.size_of "2MB-c1", 0x200000)
end

TestHex = {}

function TestHex:test_gaps_stay_gaps()
  local text = merge.build({ B, A }, { format = "hex" })
  lu.assertEquals(intelhex.parse(text), { { addr = A.addr, data = A.data },
    { addr = B.addr, data = B.data } })
end

function TestHex:test_upper_addresses_are_named_from_the_start_when_there_are_any()
  lu.assertEquals(merge.build({ { addr = 0, data = "abc" } }, { format = "hex" }),
    ":03000000616263D7\n:00000001FF\n")
  lu.assertEquals(merge.build({ { addr = 0, data = "abc" }, { addr = 0x10000, data = "d" } },
    { format = "hex" }), ":020000040000FA\n:03000000616263D7\n:020000040001F9\n:01000000649B\n"
    .. ":00000001FF\n")
end

TestUf2 = {}

local function block(bytes, i) return bytes:sub((i - 1) * 512 + 1, i * 512) end

function TestUf2:test_blocks_are_numbered_file_by_file_and_hold_all_they_can()
  local bytes = merge.build({ B, A }, { format = "uf2" })
  lu.assertEquals(#bytes, 4 * 512)
  local seen = {}
  for i = 1, 4 do seen[i] = { ("<I4I4I4I4I4I4"):unpack(block(bytes, i), 9) } end
  for _, fields in ipairs(seen) do fields[7] = nil end
  lu.assertEquals(seen, { { 0x2000, 0x1000, 10, 0, 1, 0x7EAB61ED },
    { 0x2000, 0x1010, 476, 0, 3, 0x7EAB61ED }, { 0x2000, 0x1010 + 476, 476, 1, 3, 0x7EAB61ED },
    { 0x2000, 0x1010 + 952, 48, 2, 3, 0x7EAB61ED } })
end

function TestUf2:test_every_block_may_carry_the_digest_of_its_payload()
  local bytes = merge.build({ A, B }, { format = "uf2", md5 = esp.md5 })
  local first = block(bytes, 1)
  lu.assertEquals(("<I4"):unpack(first, 9), 0x6000)
  local addr, size = ("<I4I4"):unpack(first, 33 + 10)
  lu.assertEquals({ addr, size }, { 0x1000, 10 })
  local digest = first:sub(33 + 18, 33 + 33):gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end)
  lu.assertEquals(digest, "e09c80c42fda55f9d992e59ca6b3307d")   -- md5 of aaaaaaaaaa
  lu.assertEquals(("<I4"):unpack(block(bytes, 2), 17), 452)     -- 476 less 24
end

function TestUf2:test_what_is_read_back_is_what_was_written()
  for _, opts in ipairs { { format = "uf2" }, { format = "uf2", md5 = esp.md5 },
    { format = "uf2", chunk = 256 }, { format = "uf2", chunk = 4, md5 = esp.md5 } } do
    lu.assertEquals(uf2.parse(merge.build({ B, A }, opts)), { { addr = A.addr, data = A.data },
      { addr = B.addr, data = B.data } })
  end
end

function TestUf2:test_a_series_must_be_whole_before_the_next_begins()
  local bytes = merge.build({ A, B }, { format = "uf2" })
  local one, two, three, four = block(bytes, 1), block(bytes, 2), block(bytes, 3), block(bytes, 4)
  lu.assertErrorMsgContains("is missing", uf2.parse, one .. two .. three)
  lu.assertErrorMsgContains("in a series of 3", uf2.parse, two .. one .. three .. four)
  lu.assertEquals(#uf2.parse(four .. two .. three .. one), 2)
end

function TestUf2:test_blocks_that_cannot_be_are_refused()
  for _, chunk in ipairs { 0, 3, 454, 480, -4 } do
    lu.assertErrorMsgContains("a block are not possible", merge.build, { A },
      { format = "uf2", chunk = chunk, md5 = esp.md5 })
  end
end

os.exit(lu.LuaUnit.run())
