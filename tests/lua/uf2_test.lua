local lu = require "luaunit"
local uf2 = require "moonflash.uf2"

local function fails(words, bytes, code)
  local ok, err = pcall(uf2.parse, bytes)
  lu.assertFalse(ok)
  lu.assertEquals(err.code, code or "file")
  lu.assertStrContains(err.message, words)
end

local function block(bytes, i) return bytes:sub((i - 1) * 512 + 1, i * 512) end

TestUf2 = {}

function TestUf2:test_the_layout_of_a_block()
  local b = uf2.build { { addr = 0x1000, data = "abc" } }
  lu.assertEquals(#b, 512)
  lu.assertEquals(b:sub(1, 8), "UF2\n\x57\x51\x5D\x9E")
  lu.assertEquals({ ("<I4I4I4I4I4I4"):unpack(b, 9) }, { 0x2000, 0x1000, 3, 0, 1, 0x7EAB61ED, 33 })
  lu.assertEquals(b:sub(33, 36), "abc\0")
  lu.assertEquals(b:sub(-4), "\x30\x6F\xB1\x0A")
end

function TestUf2:test_parse_undoes_build()
  local segments = { { addr = 0, data = ("boot"):rep(200) }, { addr = 0x10000, data = ("i"):rep(1000) } }
  lu.assertEquals(uf2.parse(uf2.build(segments)), segments)
end

function TestUf2:test_blocks_may_come_in_any_order()
  local b = uf2.build { { addr = 0, data = ("a"):rep(256) }, { addr = 0x1000, data = "b" } }
  lu.assertEquals(uf2.parse(block(b, 2) .. block(b, 1)),
    { { addr = 0, data = ("a"):rep(256) }, { addr = 0x1000, data = "b" } })
end

function TestUf2:test_other_families_are_skipped()
  local b = uf2.build { { addr = 0, data = "x" } }
  local other = b:sub(1, 28) .. "\1\2\3\4" .. b:sub(33)
  lu.assertEquals(uf2.parse(b .. other), { { addr = 0, data = "x" } })
  fails("no block for the ESP8266", other)
end

function TestUf2:test_damage_is_refused()
  local b = uf2.build { { addr = 0, data = ("a"):rep(700) } }
  fails("no whole number of blocks", b:sub(1, 600))
  fails("no whole number", "")
  fails("belongs to a longer file", block(b, 1))
  fails("block 1 is no UF2 block", block(b, 1) .. "x" .. block(b, 2):sub(2) .. block(b, 3))
  fails("block 0 is no UF2 block", b:sub(1, 511) .. "x" .. b:sub(513))
  fails("comes twice", block(b, 1) .. block(b, 1) .. block(b, 3))
  fails("has too many bytes", b:sub(1, 16) .. ("<I4"):pack(477) .. b:sub(21, 512))
  local moved = block(b, 2):sub(1, 12) .. ("<I4"):pack(4) .. block(b, 2):sub(17)
  fails("two blocks for", block(b, 1) .. moved .. block(b, 3), "overlap")
  fails("missing", block(b, 1) .. block(b, 3) .. block(b, 2):sub(1, 28) .. "\0\0\0\0" .. block(b, 2):sub(33))
end

function TestUf2:test_nothing_to_write_is_refused()
  lu.assertErrorMsgContains("nothing", uf2.build, {})
  lu.assertErrorMsgContains("32 bits", uf2.build, { { addr = -1, data = "x" } })
end

os.exit(lu.LuaUnit.run())
