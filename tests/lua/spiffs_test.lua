-- SPIFFS: recognising, reading and building images.
package.path = "tests/lua/?.lua;" .. package.path
local lu = require "luaunit"
local judge = require "spiffs_judge"
local spiffs = require "moonflash.spiffs"

local DATA <const> = "tests/data/spiffs/"

local function read(name)
  local f <close> = assert(io.open(DATA .. name, "rb"))
  return f:read("a")
end

local function input(name, as) return { name = as or name, bytes = read("input/" .. name) } end

local SAMPLE <const> = { input "init.lua", input("config.json", "http/config.json"),
  input "big.bin" }

local function code_of(f, ...)
  local ok, err = pcall(f, ...)
  lu.assertFalse(ok, "no error was raised")
  lu.assertEquals(type(err), "table", tostring(err))
  return err.code, err.message
end

local function random_bytes(n)
  local t = {}
  for i = 1, n do t[i] = string.char(math.random(0, 255)) end
  return table.concat(t)
end

TestSamples = {}

function TestSamples:test_recognises_both_flavours_with_magic_and_their_geometry()
  for name, expected in pairs {
    ["nodemcu3-8k-192k.img"] = { "3", 8192, 24 },
    ["nodemcu154-8k-192k.img"] = { "2", 8192, 24 },
    ["nodemcu3-4k-64k-deleted.img"] = { "3", 4096, 16 },
  } do
    local geo = spiffs.probe(read(name))
    lu.assertEquals({ geo.flavour.id, geo.block, geo.blocks }, expected, name)
    lu.assertEquals(geo.size, expected[2] * expected[3])
  end
end

function TestSamples:test_reads_what_nodemcu_s_tool_wrote()
  for _, name in ipairs { "nodemcu3-8k-192k.img", "nodemcu154-8k-192k.img" } do
    local fs = spiffs.open(read(name))
    local list = fs:list()
    lu.assertEquals({ list[1].name, list[2].name, list[3].name },
      { "big.bin", "http/config.json", "init.lua" })
    lu.assertEquals({ list[1].size, list[2].size, list[3].size }, { 61440, 503, 86 })
    for _, file in ipairs(SAMPLE) do lu.assertTrue(fs:read(file.name) == file.bytes) end
    lu.assertEquals(fs:check(), { problems = {}, files = 3, sound = true, full = false })
  end
end

function TestSamples:test_a_file_of_exactly_one_page_and_a_deleted_one()
  local fs = spiffs.open(read "nodemcu3-4k-64k-deleted.img")
  lu.assertEquals(#fs:list(), 2)
  lu.assertEquals(fs:read "exact.txt", read "input/exact.txt")
  lu.assertFalse(fs:has "config.json")
  lu.assertEquals(code_of(fs.read, fs, "config.json"), "file")
end

function TestSamples:test_space_is_counted_as_the_firmware_counts_it()
  local space = spiffs.open(read "nodemcu3-8k-192k.img"):space()
  lu.assertEquals({ space.total, space.used }, { 171433, 63754 })
  space = spiffs.open(read "nodemcu3-4k-64k-deleted.img"):space()
  lu.assertEquals({ space.total, space.used, space.deleted_pages }, { 52961, 1004, 4 })
end

function TestSamples:test_a_cut_off_or_foreign_image_is_no_file_system()
  local image = read "nodemcu3-8k-192k.img"
  for _, bytes in ipairs { image:sub(1, 8192 * 23), image:sub(4097), "", "abc",
    ("\xff"):rep(65536), ("\0"):rep(65536), read "input/big.bin" } do
    lu.assertNil(spiffs.probe(bytes))
    lu.assertEquals(code_of(spiffs.open, bytes), "image")
  end
end

function TestSamples:test_one_of_the_first_magics_may_be_blank()
  for _, name in ipairs { "nodemcu3-8k-192k.img", "nodemcu154-8k-192k.img" } do
    local image = read(name)
    for block = 0, 2 do
      local at = block * 8192 + 0xFC
      local broken = image:sub(1, at) .. "\xff\xff" .. image:sub(at + 3)
      local geo = spiffs.probe(broken)
      lu.assertEquals({ geo.flavour.id, geo.blocks },
        { name:match "154" and "2" or "3", 24 })
      lu.assertEquals(spiffs.open(broken):check().problems[1].kind, "block")
    end
  end
end

function TestSamples:test_finds_file_systems_inside_a_backup()
  local one, two = read "nodemcu3-4k-64k-deleted.img", read "nodemcu154-8k-192k.img"
  local backup = ("\xff"):rep(0x7000) .. one .. random_bytes(0x2000) .. two .. ("\0"):rep(5000)
  local found = spiffs.find(backup)
  lu.assertEquals(#found, 2)
  lu.assertEquals({ found[1].addr, found[1].geometry.size }, { 0x7000, 65536 })
  lu.assertEquals({ found[2].addr, found[2].geometry.flavour.id }, { 0x19000, "2" })
  local fs = spiffs.open(backup, { addr = 0x19000 })
  lu.assertEquals(fs:read "init.lua", SAMPLE[1].bytes)
  lu.assertEquals(#fs:bytes(), 196608)
end

TestBuild = {}

function TestBuild:test_makes_the_very_bytes_of_nodemcu_s_tool()
  for _, case in ipairs { { "3", "nodemcu3-8k-192k.img" }, { "2", "nodemcu154-8k-192k.img" } } do
    local fs, same = spiffs.build(SAMPLE, { size = 196608, flavour = case[1] })
    lu.assertTrue(same)
    lu.assertTrue(fs:bytes() == read(case[2]), case[2])
  end
end

function TestBuild:test_deleting_in_a_built_image_ends_where_the_tool_s_does()
  local fs = spiffs.build({ SAMPLE[1], input "config.json", input "exact.txt" },
    { size = 65536, block = 4096 })
  fs:remove "config.json"
  -- The tool sets the flags of deleted pages, flash can only clear them.
  local cleared = read "nodemcu3-4k-64k-deleted.img":gsub("()\x7e", function(at)
    local pix = (at - 5) // 256
    if (at - 5) % 256 == 0 and pix >= 3 and pix <= 6 then return pix == 3 and "\x78" or "\x7c" end
  end)
  lu.assertTrue(fs:bytes() == cleared)
end

function TestBuild:test_every_flavour_reads_back_by_an_independent_reader()
  for _, flavour in ipairs(spiffs.flavours) do
    for _, compact in ipairs { false, true } do
      local size, block = 196608, spiffs.default_block(flavour, 196608)
      local fs, same = spiffs.build(SAMPLE, { size = size, flavour = flavour, compact = compact })
      lu.assertEquals(same, not compact)
      local files = judge.read(fs:bytes(), flavour.id, block)
      for _, file in ipairs(SAMPLE) do lu.assertTrue(files[file.name] == file.bytes) end
      lu.assertEquals(fs:space().deleted_pages, compact and 0 or 5)
      local again = spiffs.open(fs:bytes())
      lu.assertEquals(again.geometry.flavour.id, flavour.id)
      lu.assertTrue(again:check().sound)
    end
  end
end

function TestBuild:test_sizes_around_every_boundary_of_pages_and_index_pages()
  for _, flavour in ipairs(spiffs.flavours) do
    local first = flavour.header_slots * 251
    local second = first + flavour.more_slots * 251
    local files = {}
    for _, n in ipairs { 0, 1, 250, 251, 252, 502, 16384, 16385, first - 1, first, first + 1,
      second, second + 1 } do
      files[#files + 1] = { name = "f" .. n, bytes = random_bytes(n) }
    end
    for _, compact in ipairs { false, true } do
      local fs = spiffs.build(files, { size = 0x60000, flavour = flavour, compact = compact })
      local found = judge.read(fs:bytes(), flavour.id, fs.geometry.block)
      for _, file in ipairs(files) do
        lu.assertTrue(found[file.name] == file.bytes, flavour.id .. " " .. file.name)
      end
    end
  end
end

function TestBuild:test_fills_an_image_to_the_last_page_and_not_beyond()
  local geometry = { size = 65536, block = 4096 }
  local largest = spiffs.build({}, geometry):space().largest
  local fs = spiffs.build({ { name = "a", bytes = random_bytes(largest) } }, geometry)
  lu.assertEquals(#judge.read(fs:bytes(), "3", 4096).a, largest)
  lu.assertNil(fs:space().largest)
  lu.assertEquals(fs:space().free_blocks, 2)
  local code, message = code_of(spiffs.build,
    { { name = "a", bytes = random_bytes(largest + 1) } }, geometry)
  lu.assertEquals(code, "size")
  lu.assertStrContains(message, "has 210")
end

function TestBuild:test_names_that_the_chip_cannot_hold_are_refused()
  local ok = ("x"):rep(31)
  lu.assertTrue(spiffs.build({ { name = ok, bytes = "" } }, { size = 65536 }):has(ok))
  for _, name in ipairs { "", ok .. "x", "a\0b" } do
    lu.assertEquals(code_of(spiffs.build, { { name = name, bytes = "" } }, { size = 65536 }),
      "argument")
  end
  lu.assertEquals(code_of(spiffs.build, { { name = "a", bytes = "" }, { name = "a", bytes = "" } },
    { size = 65536 }), "argument")
end

function TestBuild:test_geometries_that_cannot_be_are_refused()
  for _, given in ipairs { { size = 8192 }, { size = 12288 }, { size = 65536 + 1 },
    { size = 65536, block = 512 }, { size = 3 * 8192, block = 8192 }, { size = 1 << 24 } } do
    lu.assertEquals(code_of(spiffs.build, {}, given), "size")
  end
  lu.assertEquals(code_of(spiffs.build, {}, { size = 65536, flavour = "7" }), "usage")
end

function TestBuild:test_blocks_are_as_large_as_the_firmware_would_take_them()
  local v3, v1 = spiffs.flavour "3.x", spiffs.flavour "1.5"
  lu.assertEquals(spiffs.default_block(v3, 0x8000), 8192)
  lu.assertEquals(spiffs.default_block(v3, 0x7000), 4096)
  lu.assertEquals(spiffs.default_block(v1, 0x100000), 4096)
end

TestFlavour = {}

function TestFlavour:test_a_firmware_s_version_and_day_tell_which_flavour_it_mounts()
  for _, case in ipairs {
    { "3.x", "3.0.0.0", nil, "3" }, { "3.0-2019", nil, nil, "3" },
    { "2.x", "2.2.1", "2019-01-01 10:00", "3" }, { "2.x", "2.0.0", nil, "2" },
    { "2.x", "2.1.0", "2017-08-20 10:00", "3" }, { "2.x", "2.1.0", "2017-04-01 10:00", "2" },
    { "2.x", "2.1.0", nil, nil }, { "2.x", "1.5.4.1", "2016-08-20 10:00", "3" },
    { "2.x", "1.5.4.1", "2019-08-20 10:00", "2" }, { "0.9", "1.5.1", nil, "1" },
    { "0.9", "0.9.6", nil, "0.9.6" }, { "0.9", "0.9.5", nil, "0.9.5" }, { nil, nil, nil, nil },
  } do
    local flavour = spiffs.flavour_of { generation = case[1], version = case[2], build = case[3] }
    lu.assertEquals(flavour and flavour.id, case[4], tostring(case[2]))
  end
end

TestOldFlavours = {}

function TestOldFlavours:test_without_magic_only_files_tell_and_a_blank_one_must_be_named()
  for _, id in ipairs { "1", "0.9.6", "0.9.5" } do
    local empty = spiffs.build({}, { size = 65536, flavour = id }):bytes()
    lu.assertNil(spiffs.probe(empty))
    local fs = spiffs.open(empty, { flavour = id })
    fs:put("init.lua", "print(1)")
    lu.assertEquals(spiffs.probe(fs:bytes()).flavour.id, id)
    lu.assertEquals(judge.read(fs:bytes(), id, 4096), { ["init.lua"] = "print(1)" })
  end
end

os.exit(lu.LuaUnit.run())
