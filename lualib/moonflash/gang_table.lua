--- The table of a line of boards, and its words. Pure: slots and widths in, lines
-- out. @{moonflash.gang_display} puts them on the terminal.
-- @module moonflash.gang_table
local numbers <const> = require "moonflash.numbers"
local style <const> = require "moonflash.style"

local gang_table = {}

local GAP <const> = "  "
local BAR_MAX <const>, BAR_MIN <const> = 28, 6
local ROOM_FOR_ALL <const> = 36     -- percent, bar, rate and time
local RATE_AFTER_S <const> = 0.3
local STATE_ROLES <const> = { ok = "ok", failed = "failure", waiting = "dim" }
local PLAIN <const> = style.new(false)

--- Cuts a text in the middle: of a port's name both ends tell something.
-- @tparam string s printable ASCII
-- @tparam integer width at least 5
-- @treturn string
function gang_table.squeeze(s, width)
  if #s <= width then return s end
  local left = (width - 2) // 2
  return s:sub(1, left) .. ".." .. s:sub(#s - (width - 2 - left) + 1)
end

--- A port's name without what a table has no room for: the folder of a simulated
-- board's file, and its options.
-- @tparam string port
-- @treturn string
function gang_table.short_port(port)
  if not port:match "^sim:" then return port end
  return "sim:" .. (port:match "^sim:([^?]*)":match "[^/]*$")
end

local function bar(slot, width, paint)
  local on, off = paint.utf8 and "━" or "#", paint.utf8 and "─" or "."
  local full = math.min(width, width * slot.done // math.max(1, slot.total))
  return paint:paint("bar", on:rep(full)) .. paint:paint("bar_rest", off:rep(width - full))
end

-- A rate of what was only queued so far says nothing.
local function rate(slot)
  if slot.done <= 0 or slot.seconds < RATE_AFTER_S then return "" end
  return numbers.rate_text(slot.done, slot.seconds)
end

local function left(slot)
  if rate(slot) == "" or slot.done >= slot.total then return "" end
  return numbers.time_text((slot.total - slot.done) * slot.seconds / slot.done) .. " left"
end

-- How far a board is, as much of it as there is room for: percent, a bar, rate, time.
local function progress(slot, room, paint)
  local percent = ("%3d %%"):format(numbers.percent(slot.done, slot.total))
  local facts = ("%11s"):format(rate(slot))
  if room >= ROOM_FOR_ALL then facts = facts .. ("%13s"):format(left(slot)) end
  local width = math.min(BAR_MAX, room - #percent - #facts - 1)
  if width < BAR_MIN then return percent:sub(1, room) end
  return percent .. " " .. bar(slot, width, paint) .. facts
end

local function state(slot)
  if slot.state ~= "running" then return slot.state end
  return slot.what or slot.mac and "connected" or "connecting"
end

-- A message without the name of its port, which is said beside it.
local function message(slot)
  local text, prefix = slot.message or "", slot.port .. ": "
  return text:sub(1, #prefix) == prefix and text:sub(#prefix + 1) or text
end

local function result(slot)
  if slot.state == "ok" then
    return numbers.time_text(slot.took) .. (slot.message and ": " .. slot.message or "")
  end
  if slot.state == "failed" then return ("exit %d: %s"):format(slot.exit, message(slot)) end
  return ""
end

-- Columns from left to right; `need`: the order in which they get room. What is left
-- of the line is for progress, then for the result.
local COLUMNS <const> = {
  { title = "PORT", of = function(s) return gang_table.short_port(s.port) end, width = 12,
    most = 24, need = 1 },
  { title = "BOARD", of = function(s) return s.board and tostring(s.board) or "" end, width = 5,
    right = true, need = 4 },
  { title = "MAC", of = function(s) return s.mac or "" end, width = 17, need = 3 },
  { title = "STATE", of = state, width = 10, need = 2,
    role = function(s) return STATE_ROLES[s.state] end },
}
local RESULT_MIN <const> = 24

-- The columns that a width has room for, with their widths; what is left is the
-- result's.
local function choose(slots, width)
  local chosen, used, by_need = {}, 0, {}
  for i, c in ipairs(COLUMNS) do by_need[c.need] = i end
  local port = COLUMNS[1].width
  for _, s in ipairs(slots) do port = math.max(port, #gang_table.short_port(s.port)) end
  local widths = { math.min(port, COLUMNS[1].most, math.max(COLUMNS[1].width, width // 4)) }
  for i = 2, #COLUMNS do widths[i] = COLUMNS[i].width end
  for need = 1, #COLUMNS do
    local i = by_need[need]
    if need <= 2 or used + widths[i] + #GAP <= width - RESULT_MIN then
      chosen[i], used = widths[i], used + widths[i] + #GAP
    end
  end
  return chosen, math.max(0, width - used)
end

local function pad(s, width, right)
  return right and (" "):rep(width - #s) .. s or s .. (" "):rep(width - #s)
end

local function cell(column, slot, width, paint)
  local s = pad(gang_table.squeeze(column.of(slot), width), width, column.right)
  local role = column.role and column.role(slot)
  return role and paint:paint(role, s) or s
end

local function row(slot, widths, rest, paint)
  local cells = {}
  for i, column in ipairs(COLUMNS) do
    if widths[i] then cells[#cells + 1] = cell(column, slot, widths[i], paint) end
  end
  cells[#cells + 1] = slot.what and progress(slot, rest, paint) or result(slot):sub(1, rest)
  return (table.concat(cells, GAP):gsub(" +$", ""))
end

local function heading(widths, paint)
  local cells = {}
  for i, column in ipairs(COLUMNS) do
    if widths[i] then cells[#cells + 1] = pad(column.title, widths[i], column.right) end
  end
  cells[#cells + 1] = "RESULT"
  return paint:paint("dim", table.concat(cells, GAP))
end

-- Rows to show when there is no room for all: those that work, then the failed,
-- then the others; in their order.
local RANK <const> = { running = 1, failed = 2, waiting = 3, ok = 4 }
local function pick(slots, room)
  if #slots <= room then return slots, 0 end
  local order, keep, shown = {}, {}, {}
  for i, s in ipairs(slots) do order[i] = { i = i, rank = RANK[s.state] } end
  table.sort(order, function(a, b)
    if a.rank ~= b.rank then return a.rank < b.rank end
    return a.i < b.i
  end)
  for n = 1, room do keep[order[n].i] = true end
  for i, s in ipairs(slots) do
    if keep[i] then shown[#shown + 1] = s end
  end
  return shown, #slots - #shown
end

--- The line of totals.
-- @tparam table t totals of @{moonflash.gang}
-- @tparam integer running boards on their way
-- @treturn string
function gang_table.totals_line(t, running)
  local parts = { ("%d ok"):format(t.good) }
  if t.failed > 0 then parts[#parts + 1] = ("%d failed"):format(t.failed) end
  if running > 0 then parts[#parts + 1] = ("%d on their way"):format(running) end
  if t.boards > 0 then
    parts[#parts + 1] = ("yield %.1f %%"):format(100 * t.yield)
    parts[#parts + 1] = ("%.0f an hour"):format(t.per_hour)
  end
  if t.hooks_failed > 0 then parts[#parts + 1] = ("%d programs failed"):format(t.hooks_failed) end
  return table.concat(parts, ", ")
end

--- The table.
-- @tparam {slot,...} slots
-- @tparam table totals
-- @tparam integer running
-- @tparam table size `width`, `height` of the terminal
-- @tparam[opt] style paint
-- @treturn {string,...} lines, each narrower than the terminal
function gang_table.render(slots, totals, running, size, paint)
  paint = paint or PLAIN
  local width = math.max(20, size.width - 1)
  local widths, rest = choose(slots, width)
  local shown, hidden = pick(slots, math.max(1, size.height - 4))
  local lines = { heading(widths, paint) }
  for _, slot in ipairs(shown) do lines[#lines + 1] = row(slot, widths, rest, paint) end
  if hidden > 0 then
    lines[#lines + 1] = paint:paint("dim", ("... %d more ports"):format(hidden))
  end
  if #slots == 0 then lines[#lines + 1] = paint:paint("dim", "waiting for boards") end
  lines[#lines + 1] = gang_table.totals_line(totals, running):sub(1, width)
  return lines
end

--- The line that stays when a board has ended.
-- @tparam slot slot
-- @treturn string state, "ok" or "failed"
-- @treturn string the rest
function gang_table.ended_line(slot)
  return slot.state, ("board %d, %s%s: %s"):format(slot.board, gang_table.short_port(slot.port),
    slot.mac and ", " .. slot.mac or "", result(slot))
end

return gang_table
