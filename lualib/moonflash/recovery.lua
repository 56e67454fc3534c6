--- Getting over trouble with the line, for work that can be begun again.
-- @module moonflash.recovery
local errors <const> = require "moonflash.errors"
local report <const> = require "moonflash.report"

local recovery = {}

-- What kind of trouble an error is; none when connecting again makes no sense.
local KINDS <const> = { gone = "gone", io = "gone", timeout = "line", protocol = "line",
  refused = "line" }

--- How often each kind of trouble is worked around before it is reported.
-- @treturn table a fresh one, to be counted down
function recovery.patience()
  return { gone = 5, line = 4 }
end

--- What kind of trouble with the line an error is.
-- @param e whatever was caught
-- @treturn string|nil `gone`, `line`
function recovery.kind(e)
  return errors.is(e) and not e.final and KINDS[e.code] or nil
end

local OVER <const> = {}

function OVER.gone(dev, e)
  report.warn("%s; waiting for it to come back", e.message)
  dev:reconnect(e)
end

function OVER.line(dev, e)
  report.warn("%s; trying again at a lower rate", e.message)
  dev:reconnect(e, dev:lower_baud())
end

--- Connects again, to the same chip.
-- @tparam device dev
-- @tparam table e the error
-- @tparam string kind from @{recovery.kind}
-- @raise when the port does not come back, `wrong_chip` when another chip does
function recovery.reconnect(dev, e, kind)
  OVER[kind](dev, e)
end

--- The failure to go on, for a chip that has perhaps changed: with the first trouble's
-- address and repair.
-- @param why what was caught
-- @tparam device dev
-- @tparam table e the first trouble
function recovery.failed(why, dev, e)
  error(dev.changed and errors.after_change(why, e.addr, e.hint) or why, 0)
end

--- Does work that may be begun again until it is done, or patience is at its end.
-- @tparam device dev
-- @tparam function work
-- @raise what it raises, with what the chip is left with
function recovery.carry_out(dev, work)
  local left = recovery.patience()
  while true do
    local ok, e = pcall(work)
    if ok then return end
    local kind = recovery.kind(e)
    if not kind or left[kind] == 0 then error(e, 0) end
    left[kind] = left[kind] - 1
    local again, why = pcall(recovery.reconnect, dev, e, kind)
    if not again then recovery.failed(why, dev, e) end
  end
end

return recovery
