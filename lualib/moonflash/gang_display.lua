--- What a gang shows while it works: a table that is drawn anew in its place on a
-- terminal, else a line for what happens; nothing of it with --json.
-- @module moonflash.gang_display
local esp <const> = require "esp"
local gang_table <const> = require "moonflash.gang_table"
local report <const> = require "moonflash.report"

local gang_display = {}
gang_display.__index = gang_display

local FRAME_S <const> = 0.1
-- DEC private modes: the cursor (25), and a frame shown as one (2026; terminals that
-- do not know it ignore it).
local HIDE <const>, SHOW <const> = "\27[?25l", "\27[?25h"
local BEGIN <const>, END <const> = "\27[?2026h", "\27[?2026l"

--- Makes a display.
-- @tparam table opt the global options
-- @treturn gang_display close it (`<close>`): the cursor comes back
function gang_display.new(opt)
  local table_wanted = not opt.json and not opt.quiet and os.getenv "TERM" ~= "dumb"
    and esp.terminal(2)
  return setmetatable({ opt = opt, live = table_wanted and true or false, drawn = 0, next = 0,
    paint = report.style(2) }, gang_display)
end

-- Takes the table away, so that a line can be printed where it was.
local function lift(self)
  if self.drawn == 0 then return end
  io.stderr:write(("\27[%dF\27[J"):format(self.drawn))
  self.drawn = 0
end

local function out(self, line)
  lift(self)
  report.line("%s", line)
  io.stdout:flush()
  self.next = 0
end

local function err(self, line)
  if self.opt.json then return end
  lift(self)
  io.stderr:write(line, "\n")
  self.next = 0
end

--- Draws the table, at most ten times a second.
-- @tparam gang line
-- @tparam number now
function gang_display:draw(line, now)
  if not self.live or now < self.next then return end
  self.next = now + FRAME_S
  local width, height = esp.terminal(2)
  if not width then return end
  local rows = gang_table.render(line.slots, line:totals(now), line.running,
    { width = width, height = height }, self.paint)
  local frame = { BEGIN, HIDE }
  if self.drawn > 0 and self.width == width then
    frame[#frame + 1] = ("\27[%dF"):format(self.drawn)   -- else the lines have moved: anew
  end
  for _, row in ipairs(rows) do frame[#frame + 1] = row .. "\27[K\n" end
  frame[#frame + 1] = "\27[J" .. END
  io.stderr:write(table.concat(frame))
  self.drawn, self.width = #rows, width
end

--- A board has begun.
function gang_display:started(slot)
  if self.live or self.opt.quiet then return end
  err(self, ("board %d, %s: started"):format(slot.board, gang_table.short_port(slot.port)))
end

--- A board has ended.
function gang_display:ended(slot, good)
  local state, rest = gang_table.ended_line(slot)
  if good and self.opt.quiet then return end
  out(self, report.style():paint(good and "ok" or "failure", state) .. ": " .. rest)
  if slot.hint and not good then
    err(self, self.paint:paint("hint", "hint:") .. " " .. slot.hint)
  end
end

--- A warning of a board.
function gang_display:warn(slot, message)
  err(self, ("%s board %d, %s: %s"):format(self.paint:paint("warning", "warning:"), slot.board,
    gang_table.short_port(slot.port), message))
end

--- What a recipe printed itself.
function gang_display:output(slot, text)
  if not self.opt.quiet then err(self, ("board %d, %s: %s"):format(slot.board,
    gang_table.short_port(slot.port), text)) end
end

--- A step of a board; with --verbose.
function gang_display:detail(slot, message)
  if self.opt.verbose then self:output(slot, message) end
end

--- Something about the line itself.
function gang_display:say(message)
  err(self, message)
end

--- Draws a last time and gives the terminal back.
-- @tparam gang line
-- @tparam number now
function gang_display:finish(line, now)
  self.next = 0
  self:draw(line, now)
  self.drawn = 0
end

function gang_display:__close()
  if self.live then io.stderr:write(SHOW) end
end

return gang_display
