--- Which wire, strap, rate or supply keeps us from the chip: judged by what was
-- heard while its lines were tried one by one. Pure.
-- @module moonflash.doctor_wiring

local boot_messages = require "moonflash.boot_messages"
local doctor = require "moonflash.doctor"
local heard = require "moonflash.heard"
local rate_finder = require "moonflash.rate_finder"

local doctor_wiring = {}

local GLITCH <const> = 4
local RESET_PIN <const> = 2         -- as the ROM's banner names the cause

local function verdict(kind, confidence, text, hint)
  return { verdict = kind, confidence = confidence, text = text, hint = hint }
end

local function check(name, state, text) return { name = name, state = state, text = text } end

-- Does anything that makes sense arrive?
local function check_rx(e, kind)
  local all = e.run_log .. e.loader_log
  if e.reached then return check("chip to adapter", "good", "the loader's answers arrive") end
  if kind == "running_app" or kind == "boot_log" or boot_messages.banner(all) or #all >= 12 and rate_finder.readable(all) >= 0.9 then
    return check("chip to adapter", "good", "the chip's text arrives")
  elseif all == "" then
    return check("chip to adapter", "unknown", "nothing arrives")
  end
  return check("chip to adapter", "unknown", "bytes arrive that are no text")
end

-- Does the line that resets do so? Then the ROM's banner follows it; the banner of a
-- power-on alone proves nothing.
local function check_reset(e)
  if not e.lines then return check("reset line", "none", "this port has no modem lines") end
  local first, second = boot_messages.banner(e.run_log), boot_messages.banner(e.loader_log)
  if second or first and first.cause == RESET_PIN then
    return check("reset line", "good", "the chip starts when RTS says so")
  end
  return check("reset line", e.run_log ~= "" and "bad" or "unknown",
    "RTS is moved and no start is heard")
end

local function check_gpio0(e)
  if not e.lines then return check("GPIO0 line", "none", "this port has no modem lines") end
  local banner = boot_messages.banner(e.loader_log)
  if not banner then return check("GPIO0 line", "unknown", "no start was heard") end
  if banner.mode.loader then
    return check("GPIO0 line", "good", "the chip starts its loader when DTR says so")
  end
  return check("GPIO0 line", "bad", ("with DTR asserted the chip starts in mode %d: %s")
    :format(banner.first, banner.mode.text))
end

local function in_loader(e)
  local banner = boot_messages.banner(e.loader_log) or boot_messages.banner(e.run_log)
  return banner and banner.mode.loader
end

local function check_tx(e)
  if e.reached then return check("adapter to chip", "good", "the loader answers") end
  if in_loader(e) then
    return check("adapter to chip", "bad", "the chip is in its loader and does not answer")
  end
  return check("adapter to chip", "unknown", "the chip was not in its loader")
end

-- What the bytes themselves say, whatever the lines do.
local function by_kind(e, kind)
  if kind.kind == "other_chip" then
    return verdict("port", "certain", kind.message, "choose the port of an ESP8266 board;"
      .. " 'moonflash ports' lists them")
  elseif kind.kind == "echo" then
    return verdict("wiring", "certain", kind.message, kind.hint)
  elseif kind.kind == "loader" then
    return verdict("rate", "likely", kind.message, kind.hint)
  end
  local log = doctor.read(e.run_log .. "\n" .. e.loader_log)
  local found = doctor.from_log(log, { resets = e.lines and 2 or 1 })[1]
  if found.id == "supply" or found.id == "reset_line" then
    return verdict("power", found.confidence, found.text, found.cure)
  elseif found.id:find("^strap_") then
    return verdict("strap", "certain", found.text, found.cure)
  end
end

local function silence(e)
  if e.transport == "native" or e.transport == "bluetooth" then
    return verdict("port", "likely", ("nothing is heard, and %s is no USB adapter"):format(e.port),
      "'moonflash ports' lists the ports; name the board's with -p")
  elseif (e.other_ports or 0) > 0 then
    return verdict("port", "guess", "nothing is heard here, and there are other ports",
      "is it this one? 'moonflash ports' lists them; then check power, ground, RX and TX")
  end
  return verdict("wiring", "guess", "nothing at all is heard: no power, or a wire is missing",
    "check in this order: does a LED glow, is ground connected, are RX and TX crossed; without"
    .. " reset lines press the reset button while this runs")
end

local function by_lines(e, states)
  local banner = boot_messages.banner(e.loader_log) or boot_messages.banner(e.run_log)
  if states["adapter to chip"] == "bad" then
    return verdict("wiring", "certain", "the chip is in its loader, but does not hear us",
      "check the wire from the adapter's TX to the chip's RX (GPIO3), and the adapter's level")
  elseif states["GPIO0 line"] == "bad" then
    return verdict("strap", "certain", "reset works, but GPIO0 is not pulled low with it",
      "check the wire from DTR to GPIO0; or hold the FLASH button (GPIO0 to ground) while this"
      .. " program resets the chip")
  elseif banner and banner.first == 3 then
    return verdict("strap", "certain", "the chip starts from flash: GPIO0 was not low at reset",
      "hold the FLASH button (GPIO0 to ground), press reset, let both go, and try again")
  elseif states["reset line"] == "bad" and states["chip to adapter"] == "good" then
    return verdict("wiring", "likely", "a program runs, and the reset line does not reach the chip",
      "check the wire from RTS to RST, try --before classic, ck or wifio; or press reset with"
      .. " GPIO0 low by hand")
  elseif states["chip to adapter"] == "good" then
    return verdict("strap", "likely", "a program runs instead of the loader",
      "hold the FLASH button (GPIO0 to ground), press reset, and try again")
  end
end

-- A few bytes come of a line that moves, not of a chip.
local function without_glitch(item)
  return #item.bytes >= GLITCH and item or { bytes = "", baud = item.baud }
end

local function all_heard(e)
  local list = {}
  for _, item in ipairs(e.heard or {}) do list[#list + 1] = without_glitch(item) end
  list[#list + 1] = without_glitch { bytes = e.run_log, baud = 74880 }
  list[#list + 1] = without_glitch { bytes = e.loader_log, baud = 74880 }
  return list
end

--- What keeps us from the chip.
-- @tparam table e
--
-- * `lines`: the port has modem lines
-- * `run_log`: heard after a reset into the firmware (or without one)
-- * `loader_log`: heard at the ROM's rate after a reset into the loader
-- * `heard`: list for `heard.verdict`, of the attempts to reach the loader
-- * `reached`: the loader answered
-- * `port`, `transport` ("usb", "native", "bluetooth"), `other_ports` (how many)
-- @treturn table verdict ("good", "wiring", "power", "strap", "rate", "port"),
-- confidence, text, hint, checks = { { name, state ("good", "bad", "unknown",
-- "none"), text }, ... }
function doctor_wiring.judge(e)
  local kind = heard.verdict(all_heard(e))
  local checks, states = { check_rx(e, kind.kind), check_reset(e), check_gpio0(e), check_tx(e) }, {}
  for _, c in ipairs(checks) do states[c.name] = c.state end
  local found
  if e.reached then
    found = verdict("good", "certain", "the loader answers: port, wires and supply are good")
  else
    found = by_kind(e, kind) or by_lines(e, states) or kind.kind == "silence" and silence(e)
      or verdict("rate", "likely", kind.message, kind.hint)
  end
  found.checks = checks
  return found
end

return doctor_wiring
