--- How progress looks: a bar where the line can be drawn anew, a plain line in a
-- log. Pure.
--
-- Progress is a table: `what` is being done, `done` and `total` in bytes,
-- `seconds` since it began, and `sent`, the bytes that went over the wire for it,
-- where that is known.
-- @module moonflash.progress
local numbers <const> = require "moonflash.numbers"

local progress = {}

local NAME <const> = 10               -- columns for what is done
local BAR_MAX <const>, BAR_MIN <const> = 28, 6

local function amount(done, total)
  if total < numbers.KiB then return ("%d of %d bytes"):format(done, total) end
  return ("%d of %d KB"):format(done // numbers.KiB, total // numbers.KiB)
end

-- The share of the bytes that had to travel: compression and blank runs.
local function sent_text(p)
  if not p.sent or p.sent <= 0 or p.done <= 0 then return nil end
  return ("sent %d %%"):format(math.floor(100 * p.sent / p.done + 0.5))
end

-- What is said behind the bar, the more important first: a narrow terminal shows
-- the first ones only.
local function facts_of(p)
  local over = p.done >= p.total
  local left = p.done > 0 and (p.total - p.done) * p.seconds / p.done or 0
  return {
    numbers.rate_text(p.done, p.seconds),
    over and "in " .. numbers.time_text(p.seconds) or numbers.time_text(left) .. " left",
    amount(p.done, p.total),
    sent_text(p),
  }
end

local function join(facts, room)
  local line = ""
  for _, fact in ipairs(facts) do
    local longer = line .. "  " .. fact
    if #longer > room then break end
    line = longer
  end
  return line
end

local function draw(paint, full, width)
  local on, off = paint.utf8 and "━" or "#", paint.utf8 and "─" or "."
  return paint:paint("bar", on:rep(full)) .. paint:paint("bar_rest", off:rep(width - full))
end

--- One line that is drawn anew.
-- @tparam table p progress
-- @tparam integer width columns of the terminal
-- @tparam style paint
-- @treturn string at most width - 1 columns
function progress.bar(p, width, paint)
  local percent = numbers.percent(p.done, p.total)
  local head, tail = ("%-" .. NAME .. "s "):format(p.what), (" %3d %%"):format(percent)
  local facts = join(facts_of(p), width - 1 - #head - #tail - BAR_MIN)
  local room = math.min(BAR_MAX, width - 1 - #head - #tail - #facts)
  if room < BAR_MIN then return (head .. tail):sub(1, math.max(0, width - 1)) end
  return head .. draw(paint, room * p.done // p.total, room) .. tail .. facts
end

--- A line for a log.
-- @tparam table p progress
-- @treturn string
function progress.line(p)
  return ("%s %d %%%s"):format(p.what, numbers.percent(p.done, p.total), join(facts_of(p), 200))
end

return progress
