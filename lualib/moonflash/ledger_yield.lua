--- Yield: how many units an hour, how many of them at the first attempt. Pure.
-- @module moonflash.ledger_yield
local values <const> = require "moonflash.ledger_values"

local yield = {}

local function hour_of(iso)
  local seconds = math.floor(values.seconds(iso) or 0)
  return os.date("%Y-%m-%d %H:00", seconds)
end

local function new_hour(name)
  return { hour = name, runs = 0, ok = 0, failed = 0, units = 0, good_units = 0, first = 0,
    seconds = 0, timed = 0, seen = {}, good = {} }
end

-- A unit's first run in the list decides whether it counts as good at first.
local function add(hour, run, known)
  local good = run.result == "ok"
  hour.runs, hour.ok = hour.runs + 1, hour.ok + (good and 1 or 0)
  hour.failed = hour.runs - hour.ok
  if good and run.seconds then
    hour.seconds, hour.timed = hour.seconds + run.seconds, hour.timed + 1
  end
  if not run.mac then return end
  if not hour.seen[run.mac] then hour.seen[run.mac], hour.units = true, hour.units + 1 end
  if good and not hour.good[run.mac] then
    hour.good[run.mac], hour.good_units = true, hour.good_units + 1
  end
  if not known[run.mac] then
    known[run.mac] = true
    hour.new = (hour.new or 0) + 1
    if good then hour.first = hour.first + 1 end
  end
end

local function finish(hour)
  hour.yield = hour.units > 0 and hour.good_units / hour.units or nil
  hour.first_pass = hour.new and hour.first / hour.new or nil
  hour.mean_seconds = hour.timed > 0 and hour.seconds / hour.timed or nil
  hour.seen, hour.good, hour.seconds, hour.timed, hour.first, hour.new = nil, nil, nil, nil, nil, nil
  return hour
end

--- Yield by the hour of the station's day.
-- @tparam {run,...} runs oldest first
-- @treturn {table,...} by hour: `hour` ("2026-11-21 05:00", local), `runs`, `ok`, `failed`,
--   `units` (different MACs), `good_units` (those with a good run in this hour), `yield`
--   (0..1 of units), `first_pass` (0..1 of the units that are new in this hour: good at
--   the first attempt), `mean_seconds` of good runs; nil where there are none
-- @treturn table the same of all hours together; `hour` is "all"
function yield.hours(runs)
  local list, all, known, known_by_all = {}, new_hour "all", {}, {}
  for _, run in ipairs(runs) do
    local name, last = hour_of(run.time), list[#list]
    if not last or last.hour ~= name then
      last = new_hour(name)
      list[#list + 1] = last
    end
    add(last, run, known)
    add(all, run, known_by_all)
  end
  for _, hour in ipairs(list) do finish(hour) end
  return list, finish(all)
end

return yield
