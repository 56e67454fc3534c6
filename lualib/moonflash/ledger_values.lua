--- Values as the ledger keeps them, and as people write them: points in time (UTC, ISO
-- 8601, milliseconds, so that text order is time order), MAC addresses. Pure.
-- @module moonflash.ledger_values
local errors <const> = require "moonflash.errors"

local values = {}

--- Seconds since 1970 as text.
-- @tparam number seconds
-- @treturn string "2026-11-21T04:53:49.250Z"
function values.iso(seconds)
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
function values.seconds(iso)
  local y, mo, d, h, mi, s = iso:match "^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d%.?%d*)Z$"
  if not y then return nil end
  local function int(v) return math.tointeger(tonumber(v)) end
  return days(int(y), int(mo), int(d)) * 86400 + int(h) * 3600 + int(mi) * 60 + tonumber(s)
end

local UNITS <const> = { s = 1, m = 60, h = 3600, d = 86400, w = 604800 }

local function clock_time(text)
  if text == "" then return 0, 0, 0 end
  local h, m, s = text:match "^[ T](%d%d?):(%d%d)(.*)$"
  s = h and (s == "" and "0" or s:match "^:(%d%d)$")
  if not s or tonumber(h) > 23 or tonumber(m) > 59 or tonumber(s) > 59 then return nil end
  return tonumber(h), tonumber(m), tonumber(s)
end

local function local_time(text)
  local y, mo, d, rest = text:match "^(%d%d%d%d)-(%d%d)-(%d%d)(.*)$"
  if not y then return nil end
  local h, mi, s = clock_time(rest)
  local date = { year = tonumber(y), month = tonumber(mo), day = tonumber(d), hour = h, min = mi,
    sec = s }
  if not h or date.month < 1 or date.month > 12 or date.day < 1 or date.day > 31 then return nil end
  return os.time(date)
end

--- A point in time as people write it: "2h" ago (s, m, h, d, w), "today", a local date
-- with or without a time of day, or UTC with a Z behind it.
-- @tparam string text
-- @tparam number now seconds since 1970
-- @tparam string what names the option in messages
-- @treturn string as the ledger keeps it
-- @raise `usage`
function values.point(text, now, what)
  local count, unit = text:match "^(%d+)(%l)$"
  local seconds
  if UNITS[unit] then
    seconds = now - tonumber(count) * UNITS[unit]
  elseif text == "today" then
    seconds = local_time(os.date("%Y-%m-%d", math.floor(now)))
  else
    seconds = values.seconds(text) or local_time(text)
  end
  if seconds then return values.iso(seconds) end
  errors.raise("usage", ("%s: '%s' is no time"):format(what, text),
    { hint = "30m, 8h, 7d, today, 2026-11-21 or '2026-11-21 06:00'" })
end

--- A point in time for people: local, "2026-11-21 05:53:49".
-- @tparam string|nil iso
-- @treturn string "" for nil
function values.shown(iso)
  local seconds = iso and values.seconds(iso)
  return seconds and os.date("%Y-%m-%d %H:%M:%S", math.floor(seconds)) or ""
end

--- A MAC address as the ledger keeps it.
-- @tparam string mac with colons, dashes or nothing between
-- @treturn string "60:01:94:a5:b6:9c"
-- @raise `argument`
function values.mac(mac)
  local digits = type(mac) == "string" and mac:lower():gsub("[:%-. ]", "") or ""
  if not digits:match(("^" .. ("%x"):rep(12) .. "$")) then
    errors.raise("argument", ("'%s' is no MAC address"):format(tostring(mac)),
      { hint = "written like 60:01:94:a5:b6:9c" })
  end
  return (digits:gsub("%x%x", "%0:"):sub(1, -2))
end

return values
