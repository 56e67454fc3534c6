--- A line of boards: which port starts its next board, what has come of each,
-- when the line ends. Pure: ports, events and the time come in, decisions go out.
--
-- A slot is a port's place in the line:
-- `port`, `state` (waiting, running, ok, failed), `board` its number, and of the
-- board that is or was on it `mac`, `what`, `done`, `total`, `seconds`, `message`,
-- `hint`, `code`, `exit`, `changed`.
-- @module moonflash.gang
local gang = {}
gang.__index = gang

local SETTLE_S <const> = 0.4     -- a device file gets its owner after it appears

--- Makes a line.
-- @tparam table opt `count` good boards end it; `once`: only the ports of the first
--   look, a board each; `stop_after` failures in a row end it; `at_once`: no more
--   boards at a time; `timeout` seconds without a sign of life; `waits`: boards may
--   come later; `swap`: boards change behind ports that stay
-- @tparam number now seconds, as for all that follows
-- @treturn gang
function gang.new(opt, now)
  return setmetatable({ opt = opt, slots = {}, by_port = {}, ended = {}, boards = 0, running = 0,
    good = 0, failed = 0, in_a_row = 0, hooks_failed = 0, started = now, looks = 0 }, gang)
end

--- A port's place; made when it is new.
-- @tparam string port
-- @treturn slot
function gang:slot(port)
  local slot = self.by_port[port]
  if not slot then
    slot = { port = port, state = "waiting" }
    self.by_port[port], self.slots[#self.slots + 1] = slot, slot
  end
  return slot
end

local function see(self, slot, port, now)
  slot.permanent = port.permanent
  if not slot.since then
    slot.since = self.looks == 1 and now - 2 * SETTLE_S or now
    slot.fresh = slot.state ~= "running" and not self.opt.swap
    return true
  end
end

local function miss(slot)
  if not slot.since then return false end
  slot.since, slot.fresh = nil, nil
  if slot.state == "running" then slot.was_gone = true else slot.state = "waiting" end
  return true
end

--- Takes in which ports are there.
-- @tparam {table,...} present as `gang_ports.present` finds them
-- @tparam number now
-- @treturn {slot,...} ports that were plugged in since the last look
-- @treturn {slot,...} and those that were unplugged
function gang:look(present, now)
  self.looks = self.looks + 1
  local here, plugged, unplugged = {}, {}, {}
  for _, port in ipairs(present) do
    if not (self.opt.once and self.looks > 1 and not self.by_port[port.name]) then
      local slot = self:slot(port.name)
      here[slot] = true
      if see(self, slot, port, now) then plugged[#plugged + 1] = slot end
    end
  end
  for _, slot in ipairs(self.slots) do
    if not here[slot] and miss(slot) then unplugged[#unplugged + 1] = slot end
  end
  return plugged, unplugged
end

--- Why no more boards are started; nil while they are.
-- @treturn string|nil "stopped", "failures", "count"
function gang:closing()
  if self.stopping then return "stopped" end
  local opt = self.opt
  if opt.stop_after and self.in_a_row >= opt.stop_after then return "failures" end
  if opt.count and self.good >= opt.count then return "count" end
end

local function has_room(self)
  local opt = self.opt
  return (not opt.at_once or self.running < opt.at_once)
    and (not opt.count or self.good + self.running < opt.count)
end

--- The next port whose board can start.
-- @tparam number now
-- @treturn slot|nil
function gang:next(now)
  if self:closing() or not has_room(self) then return nil end
  for _, slot in ipairs(self.slots) do
    if slot.fresh and slot.state ~= "running" and now - slot.since >= SETTLE_S then return slot end
  end
end

--- Another board on its way with the same MAC.
-- @tparam slot slot
-- @treturn slot|nil
function gang:twin_of(slot)
  for _, other in ipairs(self.slots) do
    if other ~= slot and other.state == "running" and other.mac and other.mac == slot.mac then
      return other
    end
  end
end

--- Ports on which the next board is to be waited for by asking.
-- @treturn {slot,...}
function gang:unwatched()
  local list = {}
  if not self.opt.swap or self:closing() then return list end
  for _, slot in ipairs(self.slots) do
    if slot.since and slot.state ~= "running" and not slot.fresh and not slot.watched then
      list[#list + 1] = slot
    end
  end
  return list
end

local BOARD_FIELDS <const> = { "mac", "chip", "what", "done", "total", "seconds", "message", "hint",
  "code", "exit", "addr", "changed", "result", "was_gone", "ok_message", "said", "killed" }

--- A slot's board begins.
-- @tparam slot slot
-- @tparam number now
function gang:start(slot, now)
  for _, field in ipairs(BOARD_FIELDS) do slot[field] = nil end
  self.boards, self.running = self.boards + 1, self.running + 1
  slot.board, slot.state, slot.fresh = self.boards, "running", nil
  slot.began, slot.sign = now, now
end

local TAKE <const> = {
  chip = function(slot, e) slot.mac, slot.chip = e.mac, e.chip end,
  progress = function(slot, e)
    slot.what, slot.done, slot.total, slot.seconds = e.what, e.done, e.total, e.seconds
  end,
  changing = function(slot) slot.changed = true end,
  result = function(slot, e) slot.result = e end,
  ok = function(slot, e) slot.ok_message = e.message end,
  error = function(slot, e)
    slot.message, slot.hint, slot.code, slot.exit = e.message, e.hint, e.code, e.exit
    slot.addr, slot.changed = e.addr, slot.changed or e.changed
  end,
}

--- Takes in what a board's process says of it.
-- @tparam slot slot
-- @tparam table event
-- @tparam number now
function gang:event(slot, event, now)
  slot.sign = now
  local take = TAKE[event.event]
  if take then take(slot, event) end
end

local LOST_HINT <const> = "what was written is not proven: flash this board again"

-- How a process ended that could not say it itself.
local function judge_silent_end(slot, how, number)
  slot.message = slot.killed
    or how == "signal" and ("its process was killed (signal %d)"):format(number) or slot.said or ("its process ended with exit %d and no word"):format(number)
  slot.code = slot.changed and "chip_changed" or "script"
  slot.exit = slot.changed and 8 or not slot.killed and how == "exit" and number > 0 and number or 1
  slot.hint = slot.changed and LOST_HINT or nil
end

--- A board's process has ended.
-- @tparam slot slot
-- @tparam string how "exit" or "signal"
-- @tparam integer number
-- @tparam number now
-- @treturn boolean good
function gang:finish(slot, how, number, now)
  local good = how == "exit" and number == 0
  self.running, slot.took = self.running - 1, now - slot.began
  if good then
    slot.state, slot.exit, slot.message = "ok", 0, slot.ok_message
    self.good, self.in_a_row = self.good + 1, 0
  else
    slot.state = "failed"
    if not slot.exit or slot.killed then judge_silent_end(slot, how, number) end
    self.failed, self.in_a_row = self.failed + 1, self.in_a_row + 1
    -- another board was put in while this one was waited for
    slot.fresh = slot.since and slot.code == "wrong_chip" and slot.was_gone or nil
  end
  slot.what = nil
  self.ended[#self.ended + 1] = { board = slot.board, port = slot.port, mac = slot.mac,
    exit = slot.exit, message = slot.message, hint = slot.hint, changed = slot.changed,
    seconds = slot.took }
  return good
end

--- Boards whose process has not given a sign of life for too long.
-- @tparam number now
-- @treturn {slot,...}
function gang:overdue(now)
  local list = {}
  for _, slot in ipairs(self.slots) do
    if slot.state == "running" and now - slot.sign > self.opt.timeout then
      list[#list + 1] = slot
    end
  end
  return list
end

--- Is the line at its end?
-- @treturn boolean
function gang:is_over()
  if self.running > 0 then return false end
  if self:closing() then return true end
  for _, slot in ipairs(self.slots) do
    if slot.fresh then return false end
  end
  return self.opt.once or not self.opt.waits
end

--- The figures of the line so far.
-- @tparam number now
-- @treturn table `boards` that ended, `good`, `failed`, `yield` 0..1, `seconds`,
--   `per_hour`, `different` MACs among the good, `exits` = { { exit, boards }, ... }
function gang:totals(now)
  local n, seconds = #self.ended, now - self.started
  local macs, different, by_exit, exits = {}, 0, {}, {}
  for _, b in ipairs(self.ended) do
    if b.exit == 0 and b.mac and not macs[b.mac] then
      macs[b.mac], different = true, different + 1
    end
    if b.exit ~= 0 then by_exit[b.exit] = (by_exit[b.exit] or 0) + 1 end
  end
  for exit, boards in pairs(by_exit) do exits[#exits + 1] = { exit = exit, boards = boards } end
  table.sort(exits, function(a, b) return a.exit < b.exit end)
  return { boards = n, good = self.good, failed = self.failed, yield = n > 0 and self.good / n or 0,
    seconds = seconds, per_hour = seconds > 0 and self.good * 3600 / seconds or 0,
    different = different, exits = exits, hooks_failed = self.hooks_failed }
end

--- The exit code of the line: 0 when every board is good; that of the failures when
-- they are alike; else 8 when any chip is changed and not proven; else the highest.
-- @treturn integer
function gang:exit_code()
  local highest, unproven = 0, false
  for _, b in ipairs(self.ended) do
    highest = math.max(highest, b.exit)
    unproven = unproven or b.exit == 8 or b.exit ~= 0 and b.changed
  end
  local alike = true
  for _, b in ipairs(self.ended) do
    if b.exit ~= 0 and b.exit ~= highest then alike = false end
  end
  return not alike and unproven and 8 or highest
end

return gang
