--- The first minute with a board: which port, and how to reach its loader without
-- a circuit that does it.
--
-- A port that was not chosen is never opened and its lines are never moved.
-- @module moonflash.first_contact
local errors <const> = require "moonflash.errors"
local report <const> = require "moonflash.report"

local first_contact = {}

-- Programs that seize serial ports as soon as they appear, by the name that the
-- system's process list has, and what to do about them.
local GRABBERS <const> = {
  { name = "brltty", what = "brltty takes CH340 adapters for Braille displays: sudo apt remove"
    .. " brltty, then plug in again" },
  { name = "ModemManager", what = "ModemManager talks to new ports for some seconds: wait, or"
    .. " sudo systemctl stop ModemManager" },
}

-- The names of running programs, as far as the system tells.
local function running()
  local lfs <const> = require "lfs"
  local names = {}
  if lfs.attributes("/proc", "mode") ~= "directory" then return names end
  for pid in lfs.dir "/proc" do
    local f <close> = pid:match "^%d+$" and io.open(("/proc/%s/comm"):format(pid))
    local name = f and f:read "l"
    if name then names[name] = true end
  end
  return names
end

--- What to look at when there is no port.
-- @tparam {string=boolean} programs names of running programs
-- @treturn string a hint
function first_contact.no_port_hint(programs)
  local pieces = { "is it plugged in with a data cable (many only charge)? does 'lsusb' show"
    .. " 10c4:ea60 (CP210x), 1a86:7523 (CH340) or 0403:6001 (FTDI)? then its driver is missing;"
    .. " 'moonflash ports' lists all ports, -p names one" }
  for _, grabber in ipairs(GRABBERS) do
    if programs[grabber.name] then pieces[#pieces + 1] = grabber.what end
  end
  return table.concat(pieces, "; ")
end

local function names_of(list)
  local names = {}
  for i, p in ipairs(list) do names[i] = p.name end
  return table.concat(names, ", ")
end

local function describe(p)
  return p.product or p.description or "USB"
end

-- Several candidates: the user says which, where there is one to ask.
local function choose_one(usb, ask)
  if ask then
    for i, p in ipairs(usb) do report.stage("%d  %s  %s", i, p.name, describe(p)) end
    local answer = ask(("which port is the board on? 1-%d: "):format(#usb))
    local chosen = usb[math.tointeger(tonumber(answer)) or 0]
    if chosen then return chosen.name end
  end
  errors.raise("usage", "several ports could be the board: " .. names_of(usb), {
    hint = "choose one with -p or MOONFLASH_PORT",
  })
end

--- Chooses the port when none was named: the one USB serial port there is.
-- @tparam {port,...} list as `esp.ports` gives it
-- @tparam[opt] function ask prints a question and returns the answer; nil when
--   nobody is there to answer
-- @tparam[opt] table programs names of running programs; looked up when nil
-- @treturn string the port's name
-- @raise `missing`, `usage`
function first_contact.choose(list, ask, programs)
  local usb = {}
  for _, p in ipairs(list) do
    if p.transport == "usb" then usb[#usb + 1] = p end
  end
  if #usb == 1 then
    report.stage("port %s (%s)", usb[1].name, describe(usb[1]))
    return usb[1].name
  elseif #usb > 1 then
    return choose_one(usb, ask)
  end
  errors.raise("missing", "no port given and no USB serial port found", {
    hint = first_contact.no_port_hint(programs or running()) })
end

--- How long to wait for a board that somebody resets by hand.
-- @tparam table opt `wait`, seconds as text; checked
-- @tparam boolean interactive is somebody there to do it
-- @treturn number seconds, 0 = do not wait
-- @raise `usage`
function first_contact.patience(opt, interactive)
  if not opt.wait then return interactive and 60 or 0 end
  local seconds = tonumber(opt.wait)
  if not seconds or seconds < 0 or seconds > 3600 then
    errors.raise("usage", ("--wait: '%s' is no time"):format(opt.wait),
      { hint = "seconds, up to 3600; 0 does not wait" })
  end
  return seconds
end

local INSTRUCTIONS <const> = {
  "no answer: if this board has no automatic reset, start its loader by hand:",
  "  1. connect GPIO0 (D3, or the FLASH button) to GND and keep it there",
  "  2. connect RST to GND for a moment (or press RESET, or plug the board in again)",
}

--- Tells how to start the loader by hand and waits until it answers.
-- @tparam number seconds how long
-- @tparam function attempt tries once: true, or nil, message, code
-- @tparam function now seconds
-- @treturn boolean whether it answered
-- @raise what is not a missing answer, such as a port that is gone
function first_contact.by_hand(seconds, attempt, now)
  for _, line in ipairs(INSTRUCTIONS) do report.stage("%s", line) end
  report.stage("waiting %g s; Ctrl-C stops", seconds)
  local till = now() + seconds
  repeat
    local ok, message, code = attempt()
    if ok then
      report.stage("the loader answers: GPIO0 may be let go")
      return true
    end
    if code ~= "timeout" and code ~= "protocol" then errors.raise(code, message) end
  until now() >= till
  return false
end

return first_contact
