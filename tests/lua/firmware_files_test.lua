local errors = require "moonflash.errors"
local files = require "moonflash.firmware_files"
local image = require "moonflash.image"
local lu = require "luaunit"

local LOW <const> = image.build { entry = 0x40100004, mode = "qio", segments = {
  { addr = 0x40100000, data = ("\x10\x20\x30\x40"):rep(64) } } }
local IROM <const> = "\nNodeMCU 0.9.5 build 20150318  powered by Lua 5.1.4\0" .. ("\x7a\1"):rep(3000)

local function raised(code, f, ...)
  local ok, e = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, code), tostring(e))
  return e
end

TestNames = {}

function TestNames:test_the_address_is_read_from_the_name()
  for path, addr in pairs { ["bin/0x00000.bin"] = 0, ["C:\\fw\\0x10000.bin"] = 0x10000,
    ["0X10000.BIN"] = 0x10000, ["0x00001.bin"] = 1 } do
    lu.assertEquals(files.address_of(path), addr, path)
  end
  for _, path in ipairs { "nodemcu.bin", "0x.bin", "0x10000.elf", "a0x10000.bin", "10000.bin",
    "0x123456789.bin" } do
    lu.assertNil(files.address_of(path), path)
  end
end

function TestNames:test_a_slip_of_the_pen_means_the_second_part()
  for _, addr in ipairs { 1, 0x10, 0x100, 0x1000, 0x100000 } do
    lu.assertEquals(files.meant_address(addr), 0x10000)
  end
  lu.assertNil(files.meant_address(0x20000))
  lu.assertNil(files.meant_address(0x11000))
end

TestFolder = {}

function TestFolder:test_the_pair_is_taken_and_the_rest_left()
  lu.assertEquals(files.choose({ "0x10000.bin", "blank.bin", "0x00000.bin",
    "esp_init_data_default.bin", "0xa0000-32mb.img" }, "bin"), { "0x00000.bin", "0x10000.bin" })
end

function TestFolder:test_one_aggregated_file_does_as_well()
  lu.assertEquals(files.choose({ "README.md", "nodemcu_float_release_20240101-1200.bin",
    "nodemcu_float_release_20240101-1200.map" }, "bin"), { "nodemcu_float_release_20240101-1200.bin" })
end

function TestFolder:test_half_a_pair_is_refused_and_named()
  local e = raised("file", files.choose, { "0x00000.bin", "nodemcu-a.bin" }, "bin")
  lu.assertStrContains(e.message, "0x00000.bin")
end

function TestFolder:test_several_whole_firmwares_are_not_guessed_between()
  local e = raised("file", files.choose, { "nodemcu-b.bin", "nodemcu-a.bin" }, "bin")
  lu.assertStrContains(e.message, "nodemcu-a.bin, nodemcu-b.bin")
end

function TestFolder:test_a_folder_without_firmware()
  raised("file", files.choose, {}, "bin")
  raised("file", files.choose, { "app.elf", "notes.txt" }, "bin")
end

function TestFolder:test_a_misspelt_address_is_caught_even_beside_a_good_pair()
  local e = raised("plan", files.choose, { "0x00000.bin", "0x00001.bin" }, "bin")
  lu.assertStrContains(e.hint, "0x10000.bin")
end

TestJoin = {}

function TestJoin:test_two_files_in_any_order_make_one()
  local want = LOW .. ("\xff"):rep(0x10000 - #LOW) .. IROM
  for _, list in ipairs {
    { { name = "0x00000.bin", data = LOW }, { name = "0x10000.bin", data = IROM } },
    { { name = "0x10000.bin", data = IROM }, { name = "0x00000.bin", data = LOW } },
    { { name = "irom", data = IROM }, { name = "boot part", data = LOW } } } do
    local fw = files.join(list)
    lu.assertTrue(fw.bytes == want)
    lu.assertEquals({ fw.parsed.kind, fw.parsed.nodemcu.generation }, { "nodemcu", "0.9" })
    lu.assertEquals({ fw.files[1].addr, fw.files[2].addr }, { 0, 0x10000 })
  end
end

function TestJoin:test_one_aggregated_file_stays_as_it_is()
  local bytes = image.aggregate(LOW, IROM)
  local fw = files.join { { name = "/tmp/nodemcu.bin", data = bytes } }
  lu.assertTrue(fw.bytes == bytes)
  lu.assertEquals(fw.name, "nodemcu.bin")
end

function TestJoin:test_a_program_that_needs_no_second_part_may_stand_alone()
  lu.assertEquals(files.join({ { name = "hello.bin", data = LOW } }).parsed.kind, "v1")
end

function TestJoin:test_half_a_firmware_is_refused()
  lu.assertStrContains(raised("file", files.join, { { name = "0x00000.bin", data = LOW } }).message,
    "0x10000.bin")
  for _, name in ipairs { "0x10000.bin", "code.bin" } do
    lu.assertStrContains(raised("file", files.join, { { name = name, data = IROM } }).message,
      "0x00000.bin")
  end
end

function TestJoin:test_contents_that_contradict_their_names()
  local swapped = { { name = "0x00000.bin", data = IROM }, { name = "0x10000.bin", data = LOW } }
  raised("image", files.join, swapped)
  raised("image", files.join, { { name = "0x00000.bin", data = LOW },
    { name = "0x10000.bin", data = LOW } })
end

function TestJoin:test_an_aggregated_file_beside_a_second_part()
  raised("overlap", files.join, { { name = "a.bin", data = image.aggregate(LOW, IROM) },
    { name = "0x10000.bin", data = IROM } })
end

function TestJoin:test_two_that_belong_to_the_same_place()
  raised("overlap", files.join, { { name = "a.bin", data = IROM }, { name = "b.bin", data = IROM } })
end

function TestJoin:test_a_misspelt_address()
  local e = raised("plan", files.join, { { name = "0x00000.bin", data = LOW },
    { name = "0x00001.bin", data = IROM } })
  lu.assertStrContains(e.hint, "0x10000.bin")
end

function TestJoin:test_damaged_and_foreign_files()
  raised("image", files.join, { { name = "a.bin", data = "\x7fELF\1\1\1" .. ("\0"):rep(100) } })
  raised("image", files.join, { { name = "0x00000.bin", data = LOW:sub(1, 100) },
    { name = "0x10000.bin", data = IROM } })
  raised("image", files.join, { { name = "user1.bin", data = image.build { entry = 0x40100004,
    irom = ("x"):rep(64), segments = { { addr = 0x40100000, data = "abcd" } } } } })
end

function TestJoin:test_the_number_of_files()
  raised("usage", files.join, {})
  raised("usage", files.join, { {}, {}, {} })
end

os.exit(lu.LuaUnit.run())
