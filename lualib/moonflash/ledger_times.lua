--- Points in time as the ledger keeps them: UTC, ISO 8601, milliseconds, so that text
-- order is time order. Pure.
-- @module moonflash.ledger_times
local times = {}

--- Seconds since 1970 as text.
-- @tparam number seconds
-- @treturn string "2026-11-21T04:53:49.250Z"
function times.iso(seconds)
  local ms = math.floor(seconds * 1000 + 0.5)
  return ("%s.%03dZ"):format(os.date("!%Y-%m-%dT%H:%M:%S", ms // 1000), ms % 1000)
end

-- Days since 1970-01-01 of a date of the Gregorian calendar.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day
    - 719469
end

--- Text as seconds since 1970; nil when it is none of ours.
-- @tparam string iso
-- @treturn number|nil
function times.seconds(iso)
  local y, mo, d, h, mi, s = iso:match "^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d%.?%d*)Z$"
  if not y then return nil end
  local function int(v) return math.tointeger(tonumber(v)) end
  return days(int(y), int(mo), int(d)) * 86400 + int(h) * 3600 + int(mi) * 60 + tonumber(s)
end

return times
