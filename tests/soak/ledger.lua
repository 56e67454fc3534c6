-- Thousands of allocations by 32 processes at once, some of them killed all the time, in
-- SQLite and in PostgreSQL. Usage: moonflash --allow=all tests/soak/ledger.lua [N] [SEED]
package.path = "tests/cmd/?.lua;" .. package.path
local crowd    <const> = require "ledger_crowd"
local harness  <const> = require "harness"
local postgres <const> = require "postgres"

local N    <const> = math.tointeger(tonumber(arg[1])) or 10000
local SEED <const> = math.tointeger(tonumber(arg[2])) or os.time()
local WORKERS <const> = 32

local wrong = 0

local function run(name, url)
  local c = crowd.run { url = url, workers = WORKERS, units = (N + WORKERS - 1) // WORKERS,
    kills = N // 20, seed = SEED }
  print(("%s: %d units written, %d processes killed, %d units put aside, %d numbers handed out, "
    .. "%d released and given again, %.1f s, %d wrong"):format(name, c.done, c.kills, c.aside,
    c.numbers, c.reused, c.seconds, #c.problems))
  for i = 1, math.min(#c.problems, 20) do print("  " .. c.problems[i]) end
  wrong = wrong + #c.problems
end

print(("SEED=%d"):format(SEED))
local dir = harness.directory()
run("SQLite", dir .. "/line.db")
harness.remove(dir)
local server, why = postgres.start()
if server then
  local ok, e = pcall(run, "PostgreSQL", server:url())
  server:stop()
  if not ok then error(e, 0) end
else
  print("PostgreSQL: skipped: " .. why)
end
os.exit(wrong == 0)
