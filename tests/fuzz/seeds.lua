-- Writes the first inputs of the readers' corpora: build/moonflash --allow=all tests/fuzz/seeds.lua [DIR]
-- (default tests/corpus). Small sound files of every kind, made of the formats'
-- documented fields; what fuzzing finds is added beside them.
package.path = "tests/lua/?.lua;" .. package.path
local backup = require "moonflash.backup"
local chips = require "nodemcu_chips"
local elf_writer = require "elf_writer"
local esp = require "esp"
local image = require "moonflash.image"
local init_data = require "moonflash.init_data"
local intelhex = require "moonflash.intelhex"
local lfs = require "lfs"
local partition = require "moonflash.partition"
local uf2 = require "moonflash.uf2"

local root = arg[1] or "tests/corpus"

local function read(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read "a"
end

local function put(reader, name, bytes)
  lfs.mkdir(root .. "/" .. reader)
  local f <close> = assert(io.open(("%s/%s/%s"):format(root, reader, name), "wb"))
  assert(f:write(bytes))
end

-- ---- image ----
local IRAM <const> = { addr = 0x40100000, data = ("\x12\xc1\xf0\x09"):rep(8) }
local DRAM <const> = { addr = 0x3FFE8000, data = "moonflash" }
local v1 = image.build { entry = 0x40100000, mode = "dio", freq = "40m", size = "4MB",
  segments = { IRAM, DRAM } }
put("image", "v1", v1)
put("image", "v1-cut", v1:sub(1, 40))
put("image", "v1-wrong-sum", v1:sub(1, -2) .. string.char(v1:byte(-1) ~ 1))
put("image", "v2", image.build { entry = 0x40100000, segments = { IRAM }, irom = ("code"):rep(8) })
put("image", "esp32", "\xe9\1\2\x20" .. ("<I4"):pack(0x40080000) .. "\xee\0\0\0\5\0"
  .. ("\0"):rep(10) .. ("<I4I4"):pack(0x3FC80000, 16) .. ("\0"):rep(24))
put("image", "rboot", v1 .. ("\xff"):rep(0x1000 - #v1) .. "\xe1\1" .. ("\0"):rep(30))
put("image", "boot", v1 .. ("\xff"):rep(0x1000 - #v1) .. v1)
local eboot = image.build { entry = 0x4010F000, segments = { { addr = 0x4010F000, data = "boot" } } }
put("image", "eboot", eboot .. ("\xff"):rep(0x1000 - #eboot) .. v1)
for name, start in pairs { elf = "\x7fELF\1\1\1", gzip = "\x1f\x8b\x08", zip = "PK\3\4",
  luac = "\x1bLua\x53", lfs = "\x50\xa1\xfa\xfa", text = "-- init.lua\n", html = "<html>",
  uf2 = "UF2\n", hex = ":0000000000\n" } do
  put("image", "foreign-" .. name, start .. ("\0"):rep(name == "text" and 0 or 40))
end

-- ---- elf: header, null section, symbol table, its strings ----
local names = "\0app_main\0loop\0"
local function symbol(name, addr, size, info)
  return ("<I4I4I4BBI2"):pack(name, addr, size, info, 0, 1)
end
local symbols = symbol(0, 0, 0, 0) .. symbol(1, 0x40201230, 32, 2) .. symbol(10, 0x40100000, 0, 0)
local function section(kind, offset, size, link)
  return ("<I4I4I4I4I4I4I4I4I4I4"):pack(0, kind, 0, 0, offset, size, link, 0, 0, 0)
end
local at = 52
local elf = "\x7fELF\1\1\1" .. ("\0"):rep(9) .. ("<I2I2I4I4I4I4I4I2I2I2I2I2I2"):pack(2, 94, 1,
  0x40100000, 0, at + #symbols + #names, 0, 52, 32, 0, 40, 3, 2) .. symbols .. names
  .. section(0, 0, 0, 0) .. section(2, at, #symbols, 2) .. section(3, at + #symbols, #names, 0)
put("elf", "two-symbols", elf)
put("elf", "cut", elf:sub(1, -10))

-- ---- images of ELF files, packed files, command lines of esptool ----
put("elf_image", "three-sections", elf_writer.write { entry = 0x40100004, sections = {
  { name = ".text", addr = 0x40100000, data = ("\0"):rep(64) },
  { name = ".data", addr = 0x3FFE8000, data = "abc" },
  { name = ".irom0.text", addr = 0x40210000, data = ("i"):rep(20) } } })
put("elf_image", "empty", elf_writer.write { entry = 0, sections = {} })
local hello <const> = "\x1f\x8b\8\0\0\0\0\0\0\3" .. esp.deflate("hello", 1)
  .. ("<I4I4"):pack(esp.crc32("hello"), 5)
put("gzip", "one", hello)
put("gzip", "two", hello .. hello)
put("gzip", "cut", hello:sub(1, -3))
put("esptool", "write", "--port\n/dev/ttyUSB0\n-b460800\nwrite_flash\n-fm\ndio\n0x0\na.bin\n")
put("esptool", "diff", "write-flash\n0\na\n--diff-with\nskip\n--flash-size=detect\n-zp\n")
put("esptool", "config", "[esptool]\nconnect_attempts = 3\ncustom_reset_sequence = D0|R1|W0.1\n")

-- ---- hex, uf2 ----
put("intelhex", "two-areas", intelhex.build { { addr = 0xFFF8, data = ("x"):rep(20) },
  { addr = 0x40100000, data = "abc" } })
put("intelhex", "segmented", ":020000021000EC\r\n:03000000616263D7\r\n:0400000540100004A3\r\n:00000001FF\r\n")
put("intelhex", "no-end", ":03000000616263D7\n")
put("uf2", "two-blocks", uf2.build { { addr = 0, data = ("u"):rep(300) } })
put("uf2", "other-family", (uf2.build { { addr = 0x1000, data = "u" } }):gsub("\xed\x61\xab\x7e",
  "\x1c\x5f\x21\xb0"))

-- ---- changes to sound file systems and flashes ----
for base = 0, 9 do put("spiffs", "sound-" .. base, string.char(base)) end
put("spiffs", "no-magic", "\0" .. ("<I2BB"):pack(0, 0xFC, 2) .. "\0\0")
put("spiffs", "lookup-freed", "\3" .. ("<I2BB"):pack(0, 0, 8) .. ("\xff"):rep(8))
put("spiffs", "header-doubled", "\3" .. ("<I2BB"):pack(0, 6, 2) .. "\1\x80")
for base = 0, #chips.order do put("firmware", "sound-" .. base, string.char(base)) end
put("firmware", "table-damaged", "\6" .. ("<I2BB"):pack(16, 0, 4) .. "\1\2\3\4")

-- ---- LFS ----
for _, name in ipairs { "lfs51-float-reloc.img", "lfs51-float-reloc.raw", "lfs53-reloc.img",
  "lfs51-float-abs-402a0000.img" } do
  put("lfs", name:gsub("%.", "-"), read("tests/data/lfs/" .. name))
end

-- ---- partition sector: factory, live with records before it ----
local function sector(bytes) return bytes .. ("\xff"):rep(64) end
for _, era in ipairs { "3.0-2019", "3.x" } do
  local factory = chips.firmware(era, { irom = 0x8000 }):sub(0x10001, 0x10100)
  put("partition", "factory-" .. era, factory)
  local live = chips.chip(era, 0x400000, { irom = 0x8000, lfs = 0x10000 }):sub(0x10001, 0x10180)
  put("partition", "live-" .. era, live)
end
put("partition", "start-up-command", sector("\2\5\0\0print(1)" .. partition.encode {
  { name = "firmware", addr = 0, size = 0xB000 } }))
put("partition", "blank", sector "")

-- ---- backups ----
local SECTORS <const> = { ("\xe9"):rep(0x1000), ("\xff"):rep(0x1000) }
local w = backup.writer { { name = "firmware", addr = 0, size = 0x1000 },
  { name = "irom", addr = 0x10000, size = 0x1000 } }
for _, bytes in ipairs(SECTORS) do w:add(bytes) end
local file = w:finish { created = "2024-01-01T00:00:00Z", program = "moonflash",
  chip = { name = "ESP8266EX", mac = "60:01:94:a5:b6:9c", chip_id = 1, crystal_mhz = 26 },
  flash = { id = 0x164020, size = 0x400000, name = "W25Q32" },
  firmware = { text = "NodeMCU 3", generation = "3.x" },
  layout = { { name = "init-data", addr = 0xF000, size = 0x1000 } } }
put("backup", "archive", file)
put("backup", "archive-cut", file:sub(1, -30))
local zip = require "moonflash.zip"
local entries = zip.entries(file)
put("backup", "manifest", zip.read(file, entries[#entries]))
put("backup", "manifest-of-another-version", '{"format":"moonflash-backup","version":"\\u001b[2J"}')

-- ---- init data, typed and in files ----
for _, variant in ipairs(init_data.variants) do
  put("init_data", variant.id, init_data.build { variant = variant.id })
end
put("init_data", "inside", ("x"):rep(50) .. init_data.build {})
put("init_data", "fields", "=vdd33_const=255\ntarget_power=82,78,74,68,64,56\ncrystal=1\n")

-- ---- stubs of others ----
put("public_stub", "small", '{"text":"EsHwCRLB8Ak=","text_start":1074843648,"entry":1074843652,'
  .. '"data":"AAAAAA==","data_start":1073643520,"bss_start":1073643600}')
put("public_stub", "absurd-size", '{"text":"AAAA","text_start":1e300,"entry":-1}')
put("public_stub", "nested", ("["):rep(2000))

-- ---- what chips say ----
local BOOT <const> = "\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\n"
put("log", "boot", BOOT .. "load 0x40100000, len 284, room 16 \r\ntail 12\r\nchksum 0x5a\r\ncsum 0x5a\r\n"
  .. "\r\nNodeMCU 3.0.0.0 built with Docker\r\n\tbranch: dev\r\n> ")
put("log", "crash", BOOT .. "Fatal exception 29(StoreProhibitedCause):\nepc1=0x4000df64, epc2=0x00000000,"
  .. " epc3=0x00000000, excvaddr=0x00000004, depc=0x00000000\n")
put("log", "arduino-crash", "Exception (28):\nepc1=0x40201234 epc2=0x00000000 epc3=0x00000000 "
  .. "excvaddr=0x00000000 depc=0x00000000\n\n>>>stack>>>\n3fffff20:  40201234 00000000\n")
put("log", "many-crashes", ("exception (0)"):rep(40))
put("log", "colours", "\27[2J\27]0;title\7text\r\n\b \b\b \babc\b \bd\n")
put("log", "noise", esp.inflate(esp.deflate(chips.noise(600, 3)), 600))
put("log", "waiting", "waiting for host\r\n" .. ("U"):rep(100))
put("log", "deleted", ("a\b \b"):rep(200) .. "\n")

-- ---- words ----
for name, words in pairs { sizes = "4M\n", range = "0x10000..0x1ffff\n", plus = "0x1000+64k",
  pair = "0x00000.bin\n0x10000.bin\n", whole = "nodemcu-release-float.bin\nREADME",
  lua = "sk:send('a')\nsk:send('b') --[[ x ]]\n", comment = ("--[=["):rep(100) } do
  put("words", name, words)
end

-- ---- RFC 2217: IAC DO/WILL COM-PORT, then answers or questions ----
local IAC <const>, SB <const>, SE <const>, COM <const> = "\255", "\250", "\240", "\44"
local function control(code, value) return IAC .. SB .. COM .. string.char(code) .. value .. IAC .. SE end
local AGREED <const> = "\255\253\44\255\251\44\255\253\0\255\251\0"
local ANSWERS <const> = control(101, "\0\1\194\0") .. control(102, "\8") .. control(103, "\1")
  .. control(104, "\1") .. control(105, "\8") .. control(112, "\1")
put("rfc2217_client", "agrees-and-answers", "\3" .. "hello")
put("rfc2217_client", "agrees-and-talks", "\11" .. BOOT .. control(107, "\176"))
put("rfc2217_client", "answers-of-its-own", "\9" .. ANSWERS)
put("rfc2217_client", "in-pieces", "\15" .. AGREED .. ANSWERS .. "\255\255data")
put("rfc2217_client", "endless-subnegotiation", "\1" .. IAC .. SB .. COM .. ("\101"):rep(3000))
put("rfc2217_client", "options-without-end", "\0" .. ("\255\253\1\255\251\99\255\254\44"):rep(200))
put("rfc2217_client", "url", "\128" .. "[::1]:4000?timeout=2.5&user=me")
put("rfc2217_client", "url-of-a-library-string", "\128" .. "host(a=b),tcp:4000?ca=,&timeout=1e9")
put("rfc2217_server", "asks-everything", AGREED .. control(1, "\0\1\194\0") .. control(2, "\8")
  .. control(3, "\1") .. control(4, "\1") .. control(5, "\8") .. control(5, "\11") .. control(5, "\5")
  .. control(12, "\3") .. control(0, "name") .. control(10, "\255\255") .. control(11, "\255") .. "data\255\255")
put("rfc2217_server", "absurd-values", AGREED .. control(1, "\255\255\255\255\255\255\255\255")
  .. control(1, "") .. control(5, ("\7"):rep(100)) .. control(200, "x") .. IAC .. SB)
put("rfc2217_server", "data-only", ("moonflash"):rep(100))

-- ---- what stands beside recipes, and esptool's words ----
put("units", "csv", "mac,ssid,key\r\n60:01:94:a5:b6:9c,\"home, \"\"two\"\"\",x\r\n")
put("units", "json", 'J[{"mac":"60:01:94:a5:b6:9c","ssid":"home"}]')
put("units", "nested", "J" .. ("["):rep(3000))
put("units", "template", "wifi.sta.config { ssid = '{{ssid}}' } {{ 1 }} {{")
put("esptool", "write", "--port\n/dev/ttyUSB0\nwrite_flash\n-fm\ndio\n0x0\na.bin\n")
put("esptool", "config", "[esptool]\ntimeout = 3\nopen_port_attempts = 2\n")
local plain = ("moonflash "):rep(30)
put("gzip", "small", "\x1f\x8b\x08\0\0\0\0\0\0\3" .. esp.deflate(plain)
  .. ("<I4I4"):pack(esp.crc32(plain), #plain))
put("gzip", "name-without-end", "\x1f\x8b\x08\x08\0\0\0\0\0\3name")
