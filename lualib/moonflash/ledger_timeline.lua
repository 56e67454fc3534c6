--- The timeline of a run of units: a lane per port, bars per unit, ticks, figures. Pure.
-- @module moonflash.ledger_timeline
local ledger_text <const> = require "moonflash.ledger_text"
local values <const> = require "moonflash.ledger_values"
local yield <const> = require "moonflash.ledger_yield"

local timeline = {}

local STEPS <const> = { 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400,
  604800 }
local MOST_TICKS <const> = 10
local SESSION_GAP_S <const> = 3600

--- The last session: runs without a pause of more than an hour between.
-- @tparam {run,...} runs oldest first
-- @treturn {run,...}
function timeline.last_session(runs)
  local first = #runs
  while first > 1 and values.seconds(runs[first].time) - values.seconds(runs[first - 1].time)
    <= SESSION_GAP_S do first = first - 1 end
  return table.move(runs, first, #runs, 1, {})
end

-- "ttyUSB2" before "ttyUSB10": digits count as numbers.
local function natural(s)
  return (s:lower():gsub("%d+", function(d) return ("%012d"):format(tonumber(d) % 10 ^ 12 // 1 | 0) end))
end

local function lane_of(lanes, by_key, run)
  local station, port = run.station or "", ledger_text.port(run.port)
  local key = station .. "\0" .. port
  if not by_key[key] then
    by_key[key] = { station = station, port = port, bars = {}, ok = 0, sort = natural(station)
      .. "\0" .. natural(port) }
    lanes[#lanes + 1] = by_key[key]
  end
  return by_key[key]
end

local function add_bar(lane, run)
  local from = values.seconds(run.time)
  local bar = { from = from, till = math.max(values.seconds(run.ended or run.time) or from, from),
    result = run.result, run = run }
  lane.bars[#lane.bars + 1] = bar
  if run.result == "ok" then lane.ok = lane.ok + 1 end
  return bar
end

--- Seconds that local time is ahead of UTC at a point in time.
local function zone(at)
  local t = os.date("!*t", math.floor(at))
  t.isdst = nil
  local shown = os.date("*t", math.floor(at))
  t.isdst = shown.isdst
  return os.time(shown) - os.time(t)
end

local function format_of(step)
  return step < 60 and "%H:%M:%S" or step < 86400 and "%H:%M" or "%d %b"
end

--- Ticks of a time axis, at round local times.
-- @tparam number from seconds since 1970
-- @tparam number till
-- @treturn {table,...} `at`, `label`
function timeline.ticks(from, till)
  local step = STEPS[#STEPS]
  for i = #STEPS, 1, -1 do
    if (till - from) / STEPS[i] <= MOST_TICKS then step = STEPS[i] end
  end
  local ticks, offset = {}, zone(from)
  local at = math.ceil((from + offset) / step) * step - offset
  while at <= till do
    ticks[#ticks + 1] = { at = at, label = os.date(format_of(step), math.floor(at)) }
    at = at + step
  end
  return ticks
end

local function figures(runs, span)
  local _, all = yield.hours(runs)
  return { runs = all.runs, ok = all.ok, units = all.units, good_units = all.good_units,
    yield = all.yield, first_pass = all.first_pass, mean_seconds = all.mean_seconds,
    per_hour = span > 0 and all.good_units * 3600 / span or 0 }
end

--- Makes a timeline.
-- @tparam {run,...} runs oldest first, at least one
-- @treturn table `from`, `till` (seconds since 1970), `lanes` ({ station, port, bars, ok }),
--   `ticks`, `results` (counts), `figures`
function timeline.new(runs)
  local t = { lanes = {}, results = {}, from = math.huge, till = -math.huge }
  local by_key = {}
  for _, run in ipairs(runs) do
    local bar = add_bar(lane_of(t.lanes, by_key, run), run)
    t.from, t.till = math.min(t.from, bar.from), math.max(t.till, bar.till)
    t.results[run.result] = (t.results[run.result] or 0) + 1
  end
  table.sort(t.lanes, function(a, b) return a.sort < b.sort end)
  t.figures = figures(runs, t.till - t.from)
  t.till = math.max(t.till, t.from + 1)
  t.ticks = timeline.ticks(t.from, t.till)
  return t
end

return timeline
