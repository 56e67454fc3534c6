-- A short form of the campaigns, so that the long one is never a surprise.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

TestSoak = {}

local function soak(kind, n)
  local out, err, code = harness.run("--allow=all", "tests/soak/soak.lua", kind, n,
    os.getenv("SEED") or tostring(os.time()))
  lu.assertEquals(code, 0, out .. err)
  lu.assertStrContains(out, " 0 WRONG")
end

function TestSoak:test_noise_never_corrupts() soak("noise", 15) end
function TestSoak:test_a_power_cut_never_mixes_images_and_is_repaired() soak("cut", 6) end
function TestSoak:test_a_power_cut_under_the_rom_loader_leaves_what_cells_can_hold() soak("romcut", 4) end
function TestSoak:test_unplugging_is_repaired() soak("unplug", 6) end

os.exit(lu.LuaUnit.run())
