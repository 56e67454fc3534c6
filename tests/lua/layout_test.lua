local lu = require "luaunit"
local layout = require "moonflash.layout"
local partition = require "moonflash.partition"
local nodemcu = require "moonflash.nodemcu"

local KB, MB = 1024, 1024 * 1024
local SIZES = { 256 * KB, 512 * KB, MB, 2 * MB, 4 * MB, 8 * MB, 16 * MB }

local function at(regions, name)
  local r = layout.find(regions, name)
  return r and { r.addr, r.size }
end

TestAddresses = {}

function TestAddresses:test_init_data_up_to_2_x()
  for _, g in ipairs { "0.9", "2.x" } do
    for size, addr in pairs { [256 * KB] = 0x3C000, [512 * KB] = 0x7C000, [MB] = 0xFC000,
      [2 * MB] = 0x1FC000, [4 * MB] = 0x3FC000, [8 * MB] = 0x7FC000, [16 * MB] = 0xFFC000 } do
      lu.assertEquals(layout.init_data_address(size, g), addr)
    end
  end
end

function TestAddresses:test_init_data_of_3_x_lies_low()
  lu.assertEquals(layout.init_data_address(4 * MB, "3.x"), 0xF000)
  lu.assertEquals(layout.init_data_address(4 * MB, "3.0-2019"), 0xC000)
end

function TestAddresses:test_the_chips_own_table_wins()
  local t = { { name = "init-data", addr = 0x3FC000, size = 0x1000 } }
  lu.assertEquals(layout.init_data_address(4 * MB, "3.x", t), 0x3FC000)
  lu.assertEquals(layout.init_data_address(4 * MB, "3.x", { entries = t }), 0x3FC000)
  lu.assertEquals(layout.init_data_address(4 * MB, "3.x", {}), 0xF000)
  lu.assertEquals(layout.init_data_address(MB, "2.x", t), 0xFC000)
end

function TestAddresses:test_rf_calibration()
  lu.assertEquals(layout.rf_cal_address(4 * MB, "2.x"), 0x3FB000)
  lu.assertEquals(layout.rf_cal_address(4 * MB, "3.x"), 0xD000)
  lu.assertNil(layout.rf_cal_address(4 * MB, "0.9"))
end

function TestAddresses:test_unknown_generations_and_sizes_are_refused()
  lu.assertErrorMsgContains("no NodeMCU generation", layout.init_data_address, MB, "4.x")
  lu.assertErrorMsgContains("no NodeMCU generation", layout.regions, nil, MB)
  for _, size in ipairs { 0, -1, 1000, 1 << 25, 1.5 } do
    lu.assertErrorMsgContains("no flash of this size", layout.init_data_address, size, "2.x")
  end
end

TestRegions = {}

function TestRegions:test_every_generation_and_size_is_covered_without_gaps()
  for _, g in ipairs(nodemcu.generations) do
    for _, size in ipairs(SIZES) do
      for _, firmware_end in ipairs { false, 0x40000, 0x73764, 0x9D000, 0xF0000 } do
        local old = g.id == "0.9" or g.id == "2.x"
        if (old or size >= MB) and (firmware_end or 0) < size - 0x5000 then
          local pos = 0
          for _, r in ipairs(layout.regions(g.id, size, nil, firmware_end or nil)) do
            lu.assertEquals(r.addr, pos, g.id .. " " .. r.name)
            lu.assertTrue(r.size > 0 and r.size % 0x1000 == 0)
            lu.assertTrue(#r.note > 0)
            pos = r.addr + r.size
          end
          lu.assertEquals(pos, size)
        end
      end
    end
  end
end

function TestRegions:test_1_5_4_1_on_4_MB()
  local r = layout.regions("2.x", 4 * MB, nil, 472932)
  lu.assertEquals(at(r, "irom"), { 0x10000, 0x64000 })
  lu.assertEquals(at(r, "spiffs"), { 0x90000, 0x36A000 })
  lu.assertEquals(at(r, "rf-cal"), { 0x3FB000, 0x1000 })
  lu.assertEquals(at(r, "system-param"), { 0x3FD000, 0x3000 })
end

function TestRegions:test_3_0_on_4_MB_as_published()
  local factory = partition.encode({
    { name = "firmware", addr = 0, size = 0xB000 }, { name = "rf-cal", addr = 0xD000, size = 0x1000 },
    { name = "init-data", addr = 0xF000, size = 0x1000 }, { name = "irom", addr = 0x10000, size = 0 },
    { name = "lfs", addr = 0, size = 0 }, { name = "spiffs", addr = 0, size = partition.REST },
    { name = "system-param", addr = 0, size = 0x3000 } }, 0x9D000)
  local read = partition.read(factory .. ("\xff"):rep(0x1000 - #factory))
  local with_table = layout.regions("3.x", 4 * MB, read)
  lu.assertEquals(at(with_table, "spiffs"), { 0x9E000, 0x35F000 })
  lu.assertEquals(at(with_table, "partition"), { 0x10000, 0x1000 })
  lu.assertEquals(at(with_table, "irom"), { 0x11000, 0x8D000 })
  lu.assertEquals(layout.at(with_table, 0xB000).name, "free")
  local without = layout.regions("3.x", 4 * MB, nil, 0x9D000)
  lu.assertEquals(at(without, "spiffs"), { 0x9E000, 0x35E000 })
  for _, name in ipairs { "rf-cal", "init-data", "system-param" } do
    lu.assertEquals(at(without, name), at(with_table, name))
  end
end

function TestRegions:test_a_table_of_nonsense_gives_only_what_lies_in_flash()
  local r = layout.regions("3.x", MB, { { name = "spiffs", addr = 0xF0000, size = 0xFFFFFFFF },
    { name = "lfs", addr = 0xFFFF0000, size = 0x1000 } })
  lu.assertEquals(at(r, "spiffs"), { 0xF0000, 0x10000 })
  lu.assertNil(layout.find(r, "lfs"))
end

function TestRegions:test_3_x_refuses_small_flash()
  lu.assertErrorMsgContains("NodeMCU 3 needs 1 MB", layout.regions, "3.x", 512 * KB)
  layout.check_flash("2.x", 512 * KB)
end

TestFileSystem = {}

function TestFileSystem:test_new_file_systems()
  lu.assertEquals({ layout.new_file_system("2.x", 512 * KB, 0x6D000) }, { 0x6E000, 0xC000 })
  lu.assertEquals({ layout.new_file_system("0.9", 512 * KB, 0x5E000) }, { 0x60000, 0x1C000 })
  lu.assertEquals({ layout.new_file_system("2.x", 512 * KB, 0x7B000) }, {})
end

function TestFileSystem:test_a_big_build_on_1_MB_starts_closer()
  -- Less than 400000 bytes would be left behind the next 64 KB boundary.
  local start = layout.new_file_system("2.x", MB, 0x9D000)
  lu.assertEquals(start, 0xA6000)
end

function TestFileSystem:test_candidates_are_searched_coarse_first()
  local list = layout.file_system_candidates(4 * MB, 0x73764)
  lu.assertEquals(#list, 16)
  lu.assertEquals({ list[1], list[2], list[9], list[10] }, { 0x80000, 0x90000, 0x74000, 0x76000 })
  lu.assertEquals(#layout.file_system_candidates(512 * KB, 0x60000), 8)
end

TestStale = {}

function TestStale:test_what_an_upgrade_leaves_behind()
  lu.assertEquals(layout.stale_regions("2.x", "2.x", MB), {})
  local s = layout.stale_regions("0.9", "2.x", 4 * MB)
  lu.assertEquals({ #s, s[1].addr, s[1].size }, { 1, 0x3FB000, 0x5000 })
  s = layout.stale_regions("2.x", "3.x", 4 * MB)
  lu.assertEquals({ s[1].addr, s[1].size, s[2].addr }, { 0xB000, 0x5000, 0x3FB000 })
  lu.assertErrorMsgContains("needs 1 MB", layout.stale_regions, nil, "3.x", 512 * KB)
end

os.exit(lu.LuaUnit.run())
