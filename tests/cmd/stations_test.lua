-- The example of many stations: three stations, twelve boards, one PostgreSQL. What the
-- boards got is read from their flash files here.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"
local postgres = require "postgres"

local PLACE <const>, LENGTH <const> = 0x100000, #"TS-000001 " + 32

TestStations = {}

local server, why = postgres.start()
if server and harness.shell "command -v parallel" == "" then
  server:stop()
  server, why = nil, "GNU parallel is not installed (apt install parallel)"
end

function TestStations:setUp()
  lu.skipIf(not server, why)
  server:clear()
  self.dir = harness.directory()
end

function TestStations:tearDown()
  if self.dir then harness.remove(self.dir) end
end

-- Runs the example; returns what each board has, by board.
function TestStations:run_all()
  local out, err, code = harness.shell(("env -u MOONFLASH_PORT MOONFLASH=%s MOONFLASH_LEDGER=%s"
    .. " HOME=%s sh examples/stations/run.sh %s"):format(harness.quote(harness.program),
    harness.quote(server:url()), self.dir, self.dir))
  lu.assertEquals(code, 0, err .. out)
  local boards, seen = {}, {}
  for station = 1, 3 do
    for board = 1, 4 do
      local name = ("station%d-board%d"):format(station, board)
      local text = harness.read(self.dir .. "/" .. name .. ".flash"):sub(PLACE + 1, PLACE + LENGTH)
      local serial, key = text:match "^(TS%-%d%d%d%d%d%d) (%x+)$"
      lu.assertNotNil(serial, text)
      lu.assertNil(seen[serial] or seen[key], text)
      seen[serial], seen[key], boards[name] = true, true, text
    end
  end
  for n = 1, 12 do lu.assertTrue(seen[("TS-%06d"):format(n)]) end
  return boards, out
end

function TestStations:test_each_of_twelve_boards_has_a_number_and_a_key_of_its_own_also_when_it_comes_again()
  local first, out = self:run_all()
  lu.assertStrContains(out, "12 runs: 12 ok")
  lu.assertStrContains(harness.read(self.dir .. "/line.svg"), "TS-000012")
  local again
  again, out = self:run_all()
  lu.assertEquals(again, first)
  lu.assertStrContains(out, "24 runs: 24 ok")
  lu.assertStrContains(out, "0 rows new in pool 'keys', 20 there already")
  for _, station in ipairs { "bench-1", "bench-2", "bench-3" } do
    lu.assertEquals(server:sql(("SELECT count(*), count(DISTINCT mac), count(DISTINCT serial) FROM"
      .. " moonflash_runs WHERE result = 'ok' AND station = '%s'"):format(station)), "8|4|4\n")
  end
end

function TestStations:test_the_recipe_is_tried_without_a_ledger()
  local out, err, code = harness.run("test", "examples/stations/flash.lua")
  lu.assertEquals(code, 0, err .. out)
end

local code = lu.LuaUnit.run()
if server then server:stop() end
os.exit(code)
