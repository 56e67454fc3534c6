-- `moonflash image` and files in other forms: from an ELF file to flash, packed,
-- joined, taken apart, converted.
package.path = "tests/cmd/?.lua;tests/lua/?.lua;" .. package.path
local elf_writer = require "elf_writer"
local harness = require "harness"
local image = require "moonflash.image"
local lu = require "luaunit"

local dir

local function path(name) return dir .. "/" .. name end
local function read(name) return harness.read(path(name)) end

local function random(n, seed)
  local t, x = {}, seed
  for i = 1, n do
    x = x * 1103515245 + 12345 & 0x7fffffff
    t[i] = string.char(x >> 16 & 255)
  end
  return table.concat(t)
end

local IROM <const> = random(5000, 2)
local BOOT <const> = image.build { entry = 0x40100000, mode = "dio", freq = "40m", size = "1MB",
  segments = { { addr = 0x40100000, data = random(600, 1) } } }
local WHOLE <const> = BOOT .. ("\xff"):rep(0x10000 - #BOOT) .. IROM

local function setup()
  dir = harness.directory()
  harness.write(path "boot.bin", BOOT)
  harness.write(path "irom.bin", IROM)
end

local function teardown() harness.remove(dir) end

local function works(...)
  local out, err, code = harness.run(...)
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "ok:")
  return out, err
end

local function fails(code, text, ...)
  local out, err, got = harness.run(...)
  lu.assertEquals(got, code, err)
  lu.assertStrContains(err, text)
  lu.assertNotStrContains(out .. err, "traceback")
end

local function board() return "sim:" .. path "board.flash" .. "?size=1M" end

local function in_flash(addr, n) return read "board.flash":sub(addr + 1, addr + n) end

TestImage = { setUp = setup, tearDown = teardown }

function TestImage:test_an_elf_file_becomes_what_the_chip_boots()
  harness.write(path "app.elf", elf_writer.write { entry = 0x40100000, sections = {
    { name = ".text", addr = 0x40100000, data = random(64, 3) },
    { name = ".irom0.text", addr = 0x40210000, data = IROM } } })
  local out = works("image", "from-elf", path "app.elf", "-o", path "app-", "--mode", "dio",
    "--size", "1M")
  lu.assertStrContains(out, path "app-0x00000.bin")
  lu.assertEquals(read "app-0x10000.bin", IROM)
  local made = image.parse(read "app-0x00000.bin")
  lu.assertEquals({ made.mode, made.size, #made.problems }, { "dio", "1MB", 0 })
  works("image", "from-elf", path "app.elf", "--version", "2", "-o", path "rom.bin")
  lu.assertEquals(image.parse(read "rom.bin").kind, "v2")
  works("image", "from-elf", path "app.elf", "--version", "3")
  lu.assertEquals(#read "app.bin" % 16, 0)
  fails(6, "no ELF file", "image", "from-elf", path "boot.bin")
  fails(2, "flash mode", "image", "from-elf", path "app.elf", "--mode", "fast")
end

function TestImage:test_halves_are_joined_and_taken_apart_again()
  works("image", "merge", "0x0", path "boot.bin", "0x10000", path "irom.bin", "-o",
    path "all.bin")
  lu.assertEquals(read "all.bin", WHOLE)
  works("image", "split", path "all.bin", "-o", path "part-")
  lu.assertEquals(read "part-0x00000.bin", BOOT)
  lu.assertEquals(read "part-0x10000.bin", IROM)
  local _, err = works("image", "merge", "0x0", path "boot.bin", "-o", path "qio.bin", "--mode",
    "qio", "--pad", "64k")
  lu.assertStrContains(err, "mode dio -> qio")
  lu.assertEquals(read "qio.bin", BOOT:sub(1, 2) .. "\0" .. BOOT:sub(4)
    .. ("\xff"):rep(0x10000 - #BOOT))
  fails(6, "overlaps", "image", "merge", "0", path "boot.bin", "0x10", path "irom.bin", "-o",
    path "x.bin")
  fails(6, "its header cannot be changed", "image", "merge", "0", path "irom.bin", "-o",
    path "x.bin", "--mode", "dio")
  fails(6, "not an aggregated firmware", "image", "split", path "boot.bin", "-o", path "x")
end

function TestImage:test_there_and_back_through_every_form()
  harness.write(path "all.bin", WHOLE)
  works("image", "convert", path "all.bin", path "all.hex")
  works("image", "convert", path "all.hex", path "all.uf2")
  works("image", "convert", path "all.uf2", path "again.bin")
  lu.assertEquals(read "again.bin", WHOLE)
  lu.assertEquals(read "all.hex":sub(1, 16), ":020000040000FA\n")
  lu.assertEquals(read "all.uf2":sub(1, 4), "UF2\n")
  works("image", "convert", "--addr", "0x10000", path "irom.bin", path "irom.hex")
  works("image", "split", path "all.hex", "-o", path "p")
end

function TestImage:test_files_in_pieces_split_into_their_pieces()
  works("image", "merge", "0x0", path "boot.bin", "0x10000", path "irom.bin", "-o",
    path "all.hex")
  works("image", "split", path "all.hex", "-o", path "h-")
  lu.assertEquals(read "h-0x00000.bin", BOOT)
  lu.assertEquals(read "h-0x10000.bin", IROM)
end

TestForms = { setUp = setup, tearDown = teardown }

function TestForms:test_write_and_verify_take_every_form()
  works("image", "merge", "0x0", path "boot.bin", "0x10000", path "irom.bin", "-o",
    path "all.hex")
  works("image", "convert", path "all.hex", path "all.uf2")
  harness.write(path "all.bin", WHOLE)
  harness.shell(("gzip -k %s %s"):format(path "all.bin", path "all.hex"))
  for _, name in ipairs { "all.hex", "all.uf2", "all.bin.gz", "all.hex.gz" } do
    os.remove(path "board.flash")
    works("-p", board(), "write", "0x0", path(name))
    lu.assertEquals(in_flash(0, #BOOT), BOOT, name)
    lu.assertEquals(in_flash(0x10000, #IROM), IROM, name)
    works("-p", board(), "verify", "0x0", path(name))
  end
  fails(2, "says itself that it begins at 0x0", "-p", board(), "write", "0x1000", path "all.hex")
end

function TestForms:test_flash_takes_a_packed_firmware()
  harness.write(path "all.bin", WHOLE)
  harness.shell(("gzip -k %s"):format(path "all.bin"))
  works("image", "info", path "all.bin.gz")
  works("-p", board(), "flash", path "all.bin.gz", "--no-watch")
  lu.assertEquals(in_flash(0x10000, #IROM), IROM)
end

function TestForms:test_damaged_files_leave_the_chip_alone()
  works("-p", board(), "write", "0x0", path "boot.bin")
  local before = read "board.flash"
  harness.shell(("gzip -k %s"):format(path "irom.bin"))
  harness.write(path "cut.gz", read "irom.bin.gz":sub(1, -20))
  fails(6, "damaged or cut off", "-p", board(), "write", "0x0", path "cut.gz")
  harness.write(path "bad.hex", ":0300000061626300\n:00000001FF\n")
  fails(6, "wrong checksum", "-p", board(), "write", "0x0", path "bad.hex")
  harness.shell(("sh -c 'head -c 60000000 /dev/zero | gzip > %s'"):format(path "bomb.gz"))
  fails(6, "holds more than", "-p", board(), "write", "0x0", path "bomb.gz")
  lu.assertEquals(read "board.flash", before)
end

function TestForms:test_a_packed_program_is_loaded_into_ram()
  harness.write(path "hello.bin", harness.read "examples/hello/hello.bin")
  harness.shell(("gzip %s"):format(path "hello.bin"))
  works("-p", board(), "load-ram", path "hello.bin.gz")
end

os.exit(lu.LuaUnit.run())
