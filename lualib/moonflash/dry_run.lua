--- How a dry run ends: the sectors that a write would change, and no change.
-- @module moonflash.dry_run
local plan <const> = require "moonflash.plan"
local report <const> = require "moonflash.report"

local dry_run = {}

--- Shows what a write would do, and leaves the chip as it is.
-- @tparam device dev
-- @tparam table request as for `dev:plan`
-- @tparam[opt] table result for programs; the plan of the sectors when not given
function dry_run.finish(dev, request, result)
  local steps = dev:plan(request)
  for _, line in ipairs(plan.describe(steps)) do report.line("%s", line) end
  report.result(result or plan.to_table(steps))
  dev:leave()
  report.ok("nothing was changed")
end

return dry_run
