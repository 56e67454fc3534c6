-- Lua Flash Store images: samples made by NodeMCU's own compiler.
local errors = require "moonflash.errors"
local esp = require "esp"
local lfs_image = require "moonflash.lfs_image"
local lu = require "luaunit"

local DATA <const> = "tests/data/lfs/"
local ADDR <const> = 0xA0000

local function read(name)
  local f <close> = assert(io.open(DATA .. name, "rb"))
  return f:read("a")
end

local PACKED <const>, RAW <const> = read "lfs51-float-reloc.img", read "lfs51-float-reloc.raw"
local ABSOLUTE <const>, DUMP <const> = read "lfs51-float-abs-402a0000.img", read "lfs53-reloc.img"

local function refused(code, f, ...)
  local ok, err = pcall(f, ...)
  lu.assertFalse(ok, "nothing was raised")
  lu.assertTrue(errors.is(err, code), tostring(err and err.code or err) .. ": " .. tostring(err))
  return tostring(err)
end

local function poke(bytes, at, new) return bytes:sub(1, at) .. new .. bytes:sub(at + #new + 1) end
local function word(value) return ("<I4"):pack(value) end

TestRead = {}

function TestRead:test_a_packed_relocatable_image()
  local img = lfs_image.read(PACKED, esp.inflate)
  lu.assertEquals({ img.lua, img.form, img.number_type, img.packing },
    { "5.1", "relocatable", "float", "gzip" })
  lu.assertEquals({ img.size, img.strings, img.addr }, { 964, 12, nil })
  lu.assertEquals(img.modules, { "hello", "list" })
  lu.assertEquals(img.bytes .. img.bitmap, RAW)
end

function TestRead:test_the_same_unpacked_and_packed_otherwise()
  lu.assertEquals(lfs_image.read(RAW).modules, { "hello", "list" })
  -- zlib: header, deflate, Adler-32 of the plain bytes
  local a, b = 1, 0
  for i = 1, #RAW do
    a = (a + RAW:byte(i)) % 65521
    b = (b + a) % 65521
  end
  local zlib = "\x78\x9c" .. esp.deflate(RAW) .. (">I4"):pack(b << 16 | a)
  local img = lfs_image.read(zlib, esp.inflate)
  lu.assertEquals({ img.packing, img.size }, { "zlib", 964 })
  refused("image", lfs_image.read, zlib)
end

function TestRead:test_an_absolute_image_tells_its_address()
  local img = lfs_image.read(ABSOLUTE)
  lu.assertEquals({ img.form, img.addr, img.size }, { "absolute", ADDR, 964 })
  lu.assertEquals(img.modules, { "hello", "list" })
  lu.assertEquals(lfs_image.read(ABSOLUTE .. ("\xff"):rep(100)).size, 964)
  refused("image", lfs_image.read, ABSOLUTE .. "x")
end

function TestRead:test_a_dump_of_lua_53()
  local img = lfs_image.read(DUMP)
  lu.assertEquals({ img.lua, img.form, img.number_type }, { "5.3", "dump", "32-bit" })
  lu.assertEquals(img.modules, { "hello", "list" })
  lu.assertEquals(img.strings, 9)
  lu.assertTrue(img.build_time > 1500000000)
end

function TestRead:test_both_samples_say_when_they_were_made()
  lu.assertTrue(lfs_image.read(RAW).build_time > 1500000000)
  lu.assertStrContains(table.concat(lfs_image.describe(lfs_image.read(RAW)), "\n"), "made: 20")
end

function TestRead:test_other_files_are_named()
  for bytes, needle in pairs {
    ["\x1bLua\x51\0\1\4" .. ("\0"):rep(40)] = "compiled Lua",
    ["\x1bLua\x53\x0a" .. ("\0"):rep(40)] = "compiled Lua",
    ["print 'hello' -- some source text\nreturn 1\n"] = "text",
    ["\xe9\3\2\0" .. ("\0"):rep(60)] = "firmware",
    [("\xff"):rep(64)] = "none", [""] = "none", ["\x54\xa1\xfa\xfa"] = "none",
    [word(0xFAFAA254) .. ("\0"):rep(60)] = "version 2",
  } do
    lu.assertStrContains(refused("image", lfs_image.read, bytes), needle)
  end
end

function TestRead:test_every_cut_of_a_file_is_refused()
  for _, whole in ipairs { RAW, ABSOLUTE } do
    for n = 0, #whole - 1 do refused("image", lfs_image.read, whole:sub(1, n)) end
  end
  for n = 0, #PACKED - 1 do refused("image", lfs_image.read, PACKED:sub(1, n), esp.inflate) end
  for n = 0, #DUMP - 1 do refused("image", lfs_image.read, DUMP:sub(1, n)) end
  refused("image", lfs_image.read, DUMP .. "\0")
end

function TestRead:test_a_flipped_bit_in_the_packed_file_never_changes_what_is_read()
  local accepted = 0
  for at = 10, #PACKED - 1 do
    local byte = string.char(PACKED:byte(at + 1) ~ 1 << at % 8)
    local ok, img = pcall(lfs_image.read, poke(PACKED, at, byte), esp.inflate)
    if ok then
      -- a few bits of a deflate stream mean nothing
      lu.assertEquals(img.bytes .. img.bitmap, RAW)
      accepted = accepted + 1
    else
      lu.assertTrue(errors.is(img, "image"), tostring(img))
    end
  end
  lu.assertTrue(accepted < #PACKED // 20, "accepted: " .. accepted)
end

function TestRead:test_damaged_headers_and_tables()
  for at, value in pairs { [4] = 960, [8] = 0x100000, [12] = 9, [16] = 11, [20] = 24 } do
    refused("image", lfs_image.read, poke(RAW, at, word(value)))
  end
  -- a chain of strings that bites its tail, an address that leads outside
  refused("image", lfs_image.read, poke(RAW, 0x18 * 4, word(0x18)))
  refused("image", lfs_image.read, poke(RAW, 8 * 4, word(0xF1)))
  refused("image", lfs_image.read, RAW .. "\0\0\0\0")
  -- a bit of the bitmap behind the last word
  refused("image", lfs_image.read, poke(RAW, #RAW - 1, "\x80"))
  lu.assertStrContains(refused("image", lfs_image.read, poke(RAW, 0, word(0xFAFAA15C))),
    "interrupted")
end

function TestRead:test_a_circle_of_strings_ends_though_the_header_allows_billions()
  -- the number of strings at 16; the first string of the first used slot names itself
  local bad = poke(RAW, 16, "\xff\xff\xff\x7f")
  local ok, e = pcall(lfs_image.read, bad)
  lu.assertFalse(ok)
  lu.assertEquals(e.code, "image")
end

function TestRead:test_random_damage_never_does_worse_than_an_error()
  local seed = tonumber(os.getenv "SEED") or os.time()
  print("# seed " .. seed)
  math.randomseed(seed)
  for _ = 1, 4000 do
    local whole = ({ RAW, ABSOLUTE, DUMP })[math.random(3)]
    for _ = 1, math.random(4) do
      local at = math.random(0, math.random() < 0.5 and 40 or #whole - 1)
      whole = poke(whole, at, string.char(math.random(0, 255)))
    end
    local ok, err = pcall(function()
      local img = lfs_image.read(whole)
      lfs_image.describe(img)
      lfs_image.to_table(img)
      return img.form == "relocatable" and lfs_image.relocate(img, ADDR)
    end)
    lu.assertTrue(ok or errors.is(err), tostring(err))
    lfs_image.in_flash(whole)
  end
end

TestRelocate = {}

function TestRelocate:test_makes_the_compiler_s_own_absolute_image()
  local img = lfs_image.read(PACKED, esp.inflate)
  lu.assertEquals(lfs_image.relocate(img, ADDR, { absolute = true }), ABSOLUTE)
end

function TestRelocate:test_leaves_the_flag_clear_as_the_firmware_does()
  local bytes = lfs_image.relocate(lfs_image.read(RAW), ADDR)
  lu.assertEquals(bytes:sub(1, 4), "\x54\xa1\xfa\xfa")
  lu.assertEquals(bytes:sub(5), ABSOLUTE:sub(5))
  lu.assertEquals(lfs_image.relocate(lfs_image.read(bytes), ADDR), bytes)
end

function TestRelocate:test_another_address_moves_exactly_the_marked_words()
  local other = 0x7B000
  local bytes = lfs_image.relocate(lfs_image.read(RAW), other, { absolute = true })
  for at = 1, #bytes, 4 do
    local a, b = ("<I4"):unpack(ABSOLUTE, at), ("<I4"):unpack(bytes, at)
    local marked = RAW:byte(964 + (at // 4) // 8 + 1) >> (at // 4) % 8 & 1 == 1
    lu.assertEquals(a - b, marked and ADDR - other or 0)
  end
  lu.assertEquals(lfs_image.read(bytes).addr, other)
end

function TestRelocate:test_places_that_cannot_be()
  local img = lfs_image.read(RAW)
  refused("align", lfs_image.relocate, img, ADDR + 4)
  refused("range", lfs_image.relocate, img, 0x100000)
  refused("range", lfs_image.relocate, img, 0)
  lfs_image.relocate(img, 0xFF000)
  lu.assertStrContains(refused("image", lfs_image.relocate, lfs_image.read(ABSOLUTE), 0x90000),
    "made for 0x0a0000")
  refused("image", lfs_image.relocate, lfs_image.read(DUMP), ADDR)
end

function TestRelocate:test_a_region_gets_whole_sectors_or_a_clear_refusal()
  local img = lfs_image.read(RAW)
  local bytes = lfs_image.for_region(img, { addr = ADDR, size = 0x10000 })
  lu.assertEquals(#bytes, 4096)
  lu.assertEquals(bytes:sub(5, 964), ABSOLUTE:sub(5))
  lu.assertEquals(bytes:sub(965), ("\xff"):rep(4096 - 964))
  refused("range", lfs_image.for_region, img, { addr = ADDR, size = 0 })
  refused("range", lfs_image.for_region, img, { addr = ADDR, size = 960 })
  refused("image", lfs_image.for_region, lfs_image.read(DUMP), { addr = ADDR, size = 0x10000 })
end

TestFirmware = {}

function TestFirmware:test_a_mismatch_of_numbers_or_of_lua_is_refused()
  local float, dump = lfs_image.read(RAW), lfs_image.read(DUMP)
  lu.assertTrue(lfs_image.check_firmware(float, { lua = "5.1.4", number_type = "float" }))
  lu.assertFalse(lfs_image.check_firmware(float, { lua = "5.1.4" }))
  lu.assertFalse(lfs_image.check_firmware(float, {}))
  lu.assertTrue(lfs_image.check_firmware(dump, { lua = "5.3.5", number_type = "float" }))
  lu.assertStrContains(refused("image", lfs_image.check_firmware, float,
    { lua = "5.1.4", number_type = "integer" }), "float")
  lu.assertStrContains(refused("image", lfs_image.check_firmware, float, { lua = "5.3.5" }),
    "Lua 5.3")
  refused("image", lfs_image.check_firmware, dump, { lua = "5.1.4" })
end

TestFlash = {}

function TestFlash:test_tells_what_a_region_holds()
  local img = lfs_image.in_flash(ABSOLUTE .. ("\0old"):rep(1000))
  lu.assertEquals({ img.addr, img.modules }, { ADDR, { "hello", "list" } })
  for _, blank in ipairs { ("\xff"):rep(4096), ("\0"):rep(4096), "" } do
    lu.assertEquals({ lfs_image.in_flash(blank) }, { nil, "blank" })
  end
  lu.assertEquals(select(2, lfs_image.in_flash(("code"):rep(1024))),
    "the region holds something else")
  local _, why = lfs_image.in_flash(poke(ABSOLUTE, 0, "\x5d"))
  lu.assertStrContains(why, "interrupted")
  local store = lfs_image.in_flash(word(0xFAFAA250) .. word(5000) .. ("\0"):rep(40))
  lu.assertEquals({ store.lua, store.size }, { "5.3", 5000 })
end

os.exit(lu.LuaUnit.run())
