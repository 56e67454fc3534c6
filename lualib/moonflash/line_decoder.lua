--- From bytes as a port gives them to lines that are safe to show. Pure.
--
-- Control characters are escaped, what is no text at all is counted instead of
-- shown, and each line knows when it began and at which rate it was heard.
-- @module moonflash.line_decoder

local rate_finder = require "moonflash.rate_finder"
local text = require "moonflash.text"

local line_decoder = {}
line_decoder.__index = line_decoder

local LINE_MAX <const> = 2048       -- a line without an end is cut here
local GARBAGE_MAX <const> = 512     -- so many unreadable bytes are said in one go
local SHORT <const> = 4

--- A decoder.
-- @treturn line_decoder
function line_decoder.new()
  return setmetatable({ pending = "", garbage = 0 }, line_decoder)
end

-- What a terminal would show of a line in which the other side deleted characters.
local function without_deleted(bytes)
  local n
  repeat
    bytes, n = bytes:gsub("[^\b]\b \b", "", 1)
  until n == 0
  return bytes
end

local function is_unreadable(self, bytes)
  if #bytes < SHORT then return self.garbage > 0 and bytes ~= "" end
  return rate_finder.readable(bytes) < 0.5
end

local function garbage_line(self)
  local n = self.garbage
  self.garbage = 0
  return { text = ("(%s at %d baud)"):format(text.count(n, "unreadable byte"), self.garbage_baud),
    raw = "", time = self.garbage_time, baud = self.garbage_baud, unreadable = n }
end

-- A line is complete: it joins the unreadable ones, or ends them.
local function finish(self, out)
  local bytes = self.pending
  self.pending = ""
  if is_unreadable(self, bytes) then
    if self.garbage == 0 then self.garbage_time, self.garbage_baud = self.time, self.baud end
    self.garbage = self.garbage + #bytes
    if self.garbage >= GARBAGE_MAX then out[#out + 1] = garbage_line(self) end
    return
  end
  if self.garbage > 0 then
    out[#out + 1] = garbage_line(self)
    if bytes == "" then return end
  end
  out[#out + 1] = { text = text.escape(without_deleted(bytes)), raw = bytes, time = self.time,
    baud = self.baud }
end

local function add(self, piece, time_us)
  if self.pending == "" then self.time = time_us end
  self.pending = self.pending .. piece
end

--- Takes bytes and gives the lines that they complete. CR LF, LF, and a CR that no
-- LF follows end a line.
-- @tparam string bytes
-- @tparam integer time_us when they came
-- @tparam integer baud at which rate
-- @treturn {table,...} { text (escaped), raw, time (microseconds, of its first
-- byte), baud, unreadable (number of bytes, when it stands for such) }
function line_decoder:feed(bytes, time_us, baud)
  local out = {}
  if self.baud and baud ~= self.baud then
    if self.pending ~= "" then finish(self, out) end
    if self.garbage > 0 then out[#out + 1] = garbage_line(self) end
    self.after_cr = false
  end
  self.baud = baud
  for chunk, stop in bytes:gmatch("([^\r\n]*)([\r\n]?)") do
    if self.after_cr and (chunk ~= "" or stop == "\n") then
      if self.pending == "" then self.time = time_us end
      finish(self, out)
      self.after_cr = false
      if chunk == "" then goto continue end
    end
    if chunk ~= "" then add(self, chunk, time_us) end
    if stop == "\r" then
      if self.pending == "" and not self.after_cr then self.time = time_us end
      self.after_cr = true
    elseif stop == "\n" then
      if self.pending == "" then self.time = time_us end
      finish(self, out)
    end
    if #self.pending >= LINE_MAX then finish(self, out) end
    ::continue::
  end
  return out
end

--- The line that has begun and not ended, escaped; "" when it is not readable yet.
-- @treturn string
-- @treturn integer|nil when it began, in microseconds
function line_decoder:rest()
  if self.pending == "" or is_unreadable(self, self.pending) then return "" end
  return text.escape(without_deleted(self.pending)), self.time
end

--- Ends the line that has begun.
-- @treturn {table,...} as @{line_decoder:feed}
function line_decoder:flush()
  local out = {}
  if self.pending ~= "" then finish(self, out) end
  if self.garbage > 0 then out[#out + 1] = garbage_line(self) end
  self.after_cr = false
  return out
end

--- A line with the time at which it began, in seconds.
-- @tparam table line from @{line_decoder:feed}
-- @tparam integer start_us what counts as 0
-- @treturn string "[   1.234] text"
function line_decoder.with_time(line, start_us)
  return ("[%8.3f] %s"):format(((line.time or start_us) - start_us) / 1e6, line.text)
end

return line_decoder
