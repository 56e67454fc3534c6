--- Carries a write through until it is proven, whatever the line does.
--
-- A write is a plan from the hashes of what is in flash now, so after any
-- trouble the same request is simply planned again: what has arrived is not
-- sent twice, and nothing depends on remembering what was done.
-- @module moonflash.writer
local diagnosis <const> = require "moonflash.diagnosis"
local errors <const> = require "moonflash.errors"
local recovery <const> = require "moonflash.recovery"
local report <const> = require "moonflash.report"
local unfinished <const> = require "moonflash.unfinished"

local writer = {}

-- Flash that does not hold what was written: tried once more.
local MISMATCH <const>, MISMATCHES <const> = { chip_changed = true, flash = true }, 1

local function kind_of(e)
  return errors.is(e) and not e.final and MISMATCH[e.code] and "mismatch" or recovery.kind(e)
end

local function recover(dev, e, kind, steps, last)
  if kind ~= "mismatch" then return recovery.reconnect(dev, e, kind) end
  local cause, final = diagnosis.of_mismatch(dev, steps)
  if final or last then
    errors.raise("flash", ("%s: %s"):format(e.message, cause), { exit = 8, addr = e.addr,
      hint = e.hint, changed = true })
  end
  report.warn("%s: %s; writing once more", e.message, cause)
  if dev.loader.careful then dev.loader:careful() end
end

local function carry_out(dev, steps, show)
  dev:run(steps, show and show.writing)
  dev:prove(steps, show and show.verifying)
end

--- Brings to its end what an earlier run of the same command was interrupted in.
-- To be called before a command looks at flash to see what there is to do.
-- @tparam device dev
-- @tparam string key from @{moonflash.unfinished.key}
-- @tparam[opt] table show as for `write`
-- @treturn table|nil the request that was carried out; nil when nothing was unfinished
function writer.finish(dev, key, show)
  dev:flash()
  local request = unfinished.find(dev, key)
  if not request then return nil end
  report.stage("an earlier run of this command was interrupted: finishing it first")
  return request, writer.write(dev, request, show)
end

--- Writes and proves.
-- @tparam device dev
-- @tparam table request as for @{moonflash.plan.write}; its `old` is kept so that
--   bytes beside a part survive a second attempt; `unfinished`, the key of the command
--   from @{moonflash.unfinished.key}, when the plan depends on what was in flash
-- @tparam[opt] table show `writing`, `verifying`: functions that make a progress
--   function of a total
-- @treturn table summary of the first plan, with `retries`, `seconds` and `proof` (how
--   it was proven)
-- @raise with exit 8 when flash changed and could not be brought to the end
function writer.write(dev, request, show)
  local clock = dev:clock()
  local started = clock()
  local steps = dev:plan(request)
  local summary, left = steps.summary, recovery.patience()
  summary.retries, left.mismatch = 0, MISMATCHES
  while true do
    local ok, e = pcall(carry_out, dev, steps, show)
    if ok then
      if request.unfinished then unfinished.forget(unfinished.board(dev)) end
      summary.seconds, summary.proof = clock() - started, dev:proof()
      return summary
    end
    local kind = kind_of(e)
    if not kind or left[kind] == 0 and kind ~= "mismatch" then error(e, 0) end
    request.full = false  -- what did arrive need not be sent again
    if kind == "mismatch" then unfinished.note_mismatch(unfinished.board(dev)) end
    local again, why = pcall(function()
      recover(dev, e, kind, steps, left[kind] == 0)
      steps = dev:plan(request)
    end)
    if not again then recovery.failed(why, dev, e) end
    left[kind] = left[kind] - 1
    summary.retries = summary.retries + 1
  end
end

return writer
