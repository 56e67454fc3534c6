local erasing = require "moonflash.erasing"
local lu = require "luaunit"

local W <const> = { sector = 45, block64 = 150, chip_per_mb = 2500 }

TestTimes = {}

function TestTimes:test_whole_blocks_count_as_blocks_and_edges_as_sectors()
  lu.assertAlmostEquals(erasing.seconds({ { addr = 0, size = 0x20000 } }, W), 0.3, 1e-9)
  lu.assertAlmostEquals(erasing.seconds({ { addr = 0xF000, size = 0x12000 } }, W), 0.24, 1e-9)
  lu.assertAlmostEquals(erasing.seconds({ { addr = 0x1000, size = 0x1000 } }, W), 0.045, 1e-9)
end

function TestTimes:test_what_is_blank_takes_no_time()
  local function blank(addr) return addr >= 0x11000 end
  lu.assertAlmostEquals(erasing.seconds({ { addr = 0, size = 0x400000 } }, W, blank), 0.195, 1e-9)
  lu.assertEquals(erasing.seconds({ { addr = 0x20000, size = 0x20000 } }, W, blank), 0)
end

function TestTimes:test_the_whole_chip()
  lu.assertAlmostEquals(erasing.chip_seconds(0x400000, W), 10, 1e-9)
end

os.exit(lu.LuaUnit.run())
