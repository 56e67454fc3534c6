-- A short form of the fault campaign, so that the long one is never a surprise, and
-- proof that its oracle sees: SEED=n tests other schedules, `make soak N=10000` many.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

TestSoak = {}

-- Fixed, so that a change that breaks something is what makes this fail.
local SEED <const> = os.getenv "SEED" or "7000"
local SCHEDULES <const> = 30
local JOBS <const> = "write-boot,write-full,recipe,erase-range,init-data,partition,fs-put,flash-blank,"
  .. "upgrade-move,unprotect"

local function soak(file, ...)
  local out, err, code = harness.run("--allow=all", "tests/soak/" .. file, ...)
  lu.assertEquals(code, 0, out .. err)
  return out
end

function TestSoak:test_whatever_goes_wrong_every_run_ends_in_one_of_three_ways_and_is_repaired()
  lu.assertStrContains(soak("campaign.lua", SCHEDULES, SEED, JOBS), " 0 WRONG")
end

function TestSoak:test_bugs_that_are_planted_are_found()
  lu.assertStrContains(soak("planted.lua", "quick", "1"), " 0 missed")
end

os.exit(lu.LuaUnit.run())
