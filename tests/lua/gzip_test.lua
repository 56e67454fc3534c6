-- gzip files, RFC 1952: members, their damage, and files that grow too much. The
-- packed bytes were made by gzip 1.12.
local gzip = require "moonflash.gzip"
local lu = require "luaunit"

local function hex(text)
  return (text:gsub("%s", ""):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

-- printf hello | gzip -n
local HELLO <const> = hex "1f8b0800000000000003cb48cdc9c9070086a6103605000000"
-- printf world | gzip -n
local WORLD <const> = hex "1f8b08000000000000032bcf2fca4901004311773a05000000"
-- head -c 100000 /dev/zero | gzip -9n
local ZEROS <const> = hex("1f8b0800000000000203edc13101000000c2a0f54f6d0d0fa0" .. ("00"):rep(96)
  .. "8057037d9511d4a0860100")
-- printf '' | gzip -n
local NOTHING <const> = hex "1f8b080000000000000303000000000000000000"

TestGzip = {}

local function fails(code, text, ...)
  local ok, e = pcall(gzip.unpack, ...)
  lu.assertFalse(ok)
  lu.assertEquals(e.code, code)
  lu.assertStrContains(e.message, text)
end

function TestGzip:test_a_file_is_known_by_its_first_bytes()
  lu.assertTrue(gzip.is(HELLO))
  lu.assertFalse(gzip.is "\xe9\1")
  lu.assertFalse(gzip.is "\x1f\x8b")
end

function TestGzip:test_one_member_and_several()
  lu.assertEquals(gzip.unpack(HELLO, 100, "f"), "hello")
  lu.assertEquals(gzip.unpack(HELLO .. WORLD .. HELLO, 100, "f"), "helloworldhello")
  lu.assertEquals(gzip.unpack(HELLO .. ("\0"):rep(512), 100, "f"), "hello")
end

function TestGzip:test_the_limit_is_kept_by_all_members_together()
  lu.assertEquals(gzip.unpack(HELLO, 5, "f"), "hello")
  fails("toobig", "holds more than 4 bytes", HELLO, 4, "f")
  lu.assertEquals(#gzip.unpack(HELLO .. WORLD, 10, "f"), 10)
  fails("toobig", "holds more than 9 bytes", HELLO .. WORLD, 9, "f")
end

function TestGzip:test_a_file_that_was_cut_anywhere_is_refused()
  for n = 3, #HELLO - 1 do fails("file", "f: this gzip file is", HELLO:sub(1, n), 100, "f") end
end

function TestGzip:test_every_flipped_bit_behind_the_header_is_found()
  for at = 11, #HELLO do
    for bit = 0, 7 do
      local byte = string.char(HELLO:byte(at) ~ 1 << bit)
      local ok, e = pcall(gzip.unpack, HELLO:sub(1, at - 1) .. byte .. HELLO:sub(at + 1), 100, "f")
      lu.assertFalse(ok and e ~= "hello", ("byte %d bit %d"):format(at, bit))
    end
  end
end

function TestGzip:test_what_stands_behind_a_member_is_refused()
  fails("file", "something else behind it", HELLO .. "x", 100, "f")
  fails("file", "is cut off", HELLO .. WORLD:sub(1, 12), 100, "f")
end

function TestGzip:test_a_small_file_cannot_fill_the_memory()
  lu.assertEquals(gzip.unpack(ZEROS, 100000, "f"), ("\0"):rep(100000))
  fails("toobig", "holds more than 99999 bytes", ZEROS, 99999, "f")
  fails("toobig", "holds more than 1000 bytes", ZEROS:rep(50), 1000, "f")
end

function TestGzip:test_a_file_with_nothing_in_it_is_refused()
  fails("file", "is empty", NOTHING, 100, "f")
end

os.exit(lu.LuaUnit.run())
