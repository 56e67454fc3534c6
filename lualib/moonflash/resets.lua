--- Reset strategies as users write them.
--
-- A name (`nodemcu`, `classic`, `ck`, `wifio`, `dtr`, `none`), a sequence in the
-- form of esptool's configuration file (`D0|R1|W0.1|D1|R0|W0.05|D0`), or in Lua a
-- table of steps: `{ { dtr = true, rts = false }, { wait_ms = 100 }, ... }`.
-- @module moonflash.resets
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"

local resets = {}

local DEFAULT <const> = "nodemcu"

-- A token's first letter and what it means; `B` is a break, in milliseconds.
local TOKENS <const> = {
  D = function(arg) return arg:match("^[01]$") and { dtr = arg == "1" } end,
  R = function(arg) return arg:match("^[01]$") and { rts = arg == "1" } end,
  U = function(arg)
    local dtr, rts = arg:match("^([01]),([01])$")
    return dtr and { dtr = dtr == "1", rts = rts == "1" }
  end,
  W = function(arg)
    local seconds = tonumber(arg)
    return seconds and seconds >= 0 and seconds <= 10
      and { wait_ms = math.floor(seconds * 1000 + 0.5) }
  end,
  B = function(arg)
    local ms = math.tointeger(tonumber(arg))
    return ms and ms >= 0 and ms <= 10000 and { break_ms = ms }
  end,
}

local function names()
  local seen, list = {}, {}
  for _, r in ipairs(esp.resets()) do
    if not seen[r.name] then list[#list + 1] = r.name end
    seen[r.name] = true
  end
  return list, seen
end

--- The steps of a written sequence.
-- @tparam string text `D0|R1|W0.1|...`
-- @treturn table steps
-- @raise `usage`
function resets.steps(text)
  local steps = {}
  for token in text:gmatch("[^|]+") do
    local make = TOKENS[token:sub(1, 1)]
    local step = make and make(token:sub(2))
    if not step then
      errors.raise("usage", ("'%s' in '%s' is no reset step"):format(token, text), { hint =
        "D0 D1 R0 R1 set a line, U1,0 both, W0.1 waits seconds, B250 sends a break of ms" })
    end
    steps[#steps + 1] = step
  end
  return steps
end

--- What `--before` says.
-- @tparam string|table what a name, a sequence or a table of steps
-- @treturn string|table as rom:connect{ reset = ... } takes it
-- @raise `usage`
function resets.parse(what)
  if type(what) == "table" then return what end
  local list, known = names()
  if known[what] then return what end
  if what:find("|", 1, true) then return resets.steps(what) end
  errors.raise("usage", ("there is no reset strategy '%s'"):format(what), {
    hint = "one of " .. table.concat(list, ", ") .. ", or steps such as 'D0|R1|W0.1|D1|R0|W0.05|D0'",
  })
end

--- The strategy that lets the firmware run, for the wiring that `--before` names.
-- @tparam string|table|nil before
-- @treturn string
function resets.to_run(before)
  local _, known = names()
  return known[before] and before or DEFAULT
end

return resets
