local lu = require "luaunit"
local foreign = require "moonflash.foreign"

local function kind(bytes) return (foreign.recognise(bytes) or {}).kind end

-- An ESP32 image: common header, extended header, one segment.
local function esp32(chip_id, addr, count)
  return ("<BBBBI4"):pack(0xE9, count or 1, 2, 0x20, 0x40080400)
    .. ("<BBBBI2BBBBBBBBBB"):pack(0xEE, 0, 0, 0, chip_id, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
    .. ("<I4I4"):pack(addr, 16) .. ("x"):rep(16) .. ("\0"):rep(15) .. "\1"
end

TestForeign = {}

function TestForeign:test_names_common_wrong_files()
  for expected, bytes in pairs {
    empty = "", blank = ("\xff"):rep(100), zeros = ("\0"):rep(100), elf = "\x7fELF\1\1\1",
    uf2 = "UF2\n\x57\x51\x5d\x9e", gzip = "\x1f\x8b\x08\0", zip = "PK\3\4", luac = "\x1bLuaQ",
    intelhex = ":10010000214601360121470136007EFE09D2190140\r\n", lfs = "\x54\xa1\xfa\xfa",
    lua = "-- init.lua\nprint('hello')\n", html = "<!DOCTYPE html><html>", text = "just some words\n",
    exe = "MZ\x90\0", picture = "\x89PNG\r\n",
  } do
    lu.assertEquals(kind(bytes), expected)
  end
  lu.assertEquals(kind "local x = 1\nreturn x", "lua")
  lu.assertEquals(kind "# A note\n\n```lua\nprint 'x'\n```\n", "text")
  lu.assertEquals(kind "the local folder has no function\n", "text")
  lu.assertEquals(kind "function f(x) end\n", "lua")
  lu.assertNil(foreign.recognise "\1\2\3\4\5\6")
end

function TestForeign:test_every_name_reads_as_a_sentence_part()
  lu.assertEquals(foreign.recognise("\x7fELF" .. ("\0"):rep(14) .. "\94\0").name, "an ELF file for Xtensa")
  lu.assertStrContains(foreign.recognise("\x7fELF" .. ("\0"):rep(14) .. "\94\0").hint, "from-elf")
  lu.assertNil(foreign.recognise("\x7fELF" .. ("\0"):rep(14) .. "\243\0").hint)
  local uf2 = "UF2\n" .. ("\0"):rep(24) .. ("<I4"):pack(0x7EAB61ED)
  lu.assertEquals(foreign.recognise(uf2).name, "a UF2 file for ESP8266")
end

function TestForeign:test_the_esp32_family_is_told_by_chip_id()
  for id, name in pairs { [0] = "ESP32", [5] = "ESP32-C3", [9] = "ESP32-S3" } do
    local addr = id == 5 and 0x3FC80000 or 0x3FFB0000
    lu.assertEquals(foreign.recognise(esp32(id, addr)).chip, name)
  end
  lu.assertNil(foreign.esp32_chip(esp32(7, 0x3FFB0000)))
  lu.assertNil(foreign.esp32_chip(esp32(0, 0x10000000)))
  lu.assertNil(foreign.esp32_chip(esp32(0, 0x3FFB0000, 17)))
  lu.assertNil(foreign.esp32_chip "\xE9\1\2\3")
end

function TestForeign:test_a_merged_esp32_file_is_recognised()
  local f = foreign.recognise(("\xff"):rep(0x1000) .. esp32(0, 0x3FFB0000))
  lu.assertEquals({ f.kind, f.chip }, { "esp32", "ESP32" })
end

os.exit(lu.LuaUnit.run())
