--- The hands of `doctor`: resetting, listening, looking into flash, applying a cure.
-- What it all means is decided in `doctor`, `doctor_flash` and `doctor_wiring`.
-- @module moonflash.doctor_board
local boot_messages <const> = require "moonflash.boot_messages"
local cli <const> = require "moonflash.cli"
local connection <const> = require "moonflash.connection"
local console <const> = require "moonflash.console"
local device <const> = require "moonflash.device"
local doctor <const> = require "moonflash.doctor"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local flash_chips <const> = require "moonflash.flash_chips"
local flashing <const> = require "moonflash.flashing"
local image <const> = require "moonflash.image"
local image_header <const> = require "moonflash.image_header"
local init_data <const> = require "moonflash.init_data"
local protection <const> = require "moonflash.protection"
local rate_finder <const> = require "moonflash.rate_finder"
local report <const> = require "moonflash.report"
local resets <const> = require "moonflash.resets"
local writer <const> = require "moonflash.writer"

local doctor_board = {}

local LOOK_US <const> = 100000          -- so often the log is judged while it grows
local POKE_S <const> = 0.5
local BOOT_S <const> = 0.6
local HEAD <const> = 0x10000
-- Twelve times 0x55, by which firmware with automatic rate measures ours.
local AUTOBAUD <const> = ("U"):rep(12) .. "\n"

-- What a log says so far; whether nothing that may still come would change that; and
-- whether listening once more, at a rate that is known by now, could tell more.
local function judge(bytes, own)
  local log = doctor.read(bytes)
  local first = doctor.from_log(log, { resets = own })[1]
  local settled = first.id == "healthy" or not first.ok and first.confidence == "certain"
  local whole = settled and (first.id ~= "healthy" or log.nodemcu ~= nil or not log.banner)
  return first, settled or log.restarts - own >= 4, whole
end

-- Listens for so long, or until all is clear; adds to what was heard before.
local function listen_on(port, finder, seconds, before, own)
  local pieces, looked = { before }, 0
  console.follow(port, finder, seconds, function(s, _, now)
    if s == "" or now - looked < LOOK_US then
      pieces[#pieces + 1] = s
      return false
    end
    looked = now
    pieces = { table.concat(pieces) .. s }
    local _, enough = judge(pieces[1], own)
    return enough
  end)
  return table.concat(pieces)
end

local function restart(port, opt)
  errors.check(port:baud(console.BOOT_BAUD))
  errors.check(port:flush())
  errors.check(esp.reset(port, resets.to_run(opt.before), "run"))
end

-- Asks for a prompt. Too few edges for the ROM's loader to measure a rate by, so
-- a chip that waits there is not spoilt; the line of U only where a program runs.
local function poke(port, bytes, home)
  local banner = boot_messages.banner(bytes)
  if banner and banner.mode.loader then return bytes end
  for _, baud in ipairs { home or 115200, home and 115200 or 9600 } do
    errors.check(port:baud(baud))
    for _, line in ipairs { "\n", bytes ~= "" and AUTOBAUD or nil } do
      errors.check(port:write(line))
      local s = ""
      console.follow(port, rate_finder.new { baud = baud, fixed = true }, POKE_S,
        function(piece) s = s .. piece end)
      if s:find("> $") and rate_finder.readable(s) >= 0.9 then return bytes .. "\n" .. s end
    end
  end
  return bytes
end

-- Rates to try after a log that tells nothing: that of most firmware and the old one.
local GUESSES <const> = { 115200, 9600 }
local GUESS_S <const> = 2
local UNCLEAR <const> = { silent = true, noise = true, restart_loop = true, reset_line = true,
  supply = true, nothing = true }

-- Starts the board again, now that the console's rate is known or guessed and nothing
-- need be lost in finding it.
local function listen_again(port, opt, baud, seconds, before, own)
  restart(port, opt)
  local bytes = before .. "\n" .. console.boot_text(port)
  return listen_on(port, rate_finder.new { baud = baud, home = baud }, seconds, bytes, own)
end

local function listen_with_resets(port, opt, seconds)
  restart(port, opt)
  local finder = rate_finder.new { baud = console.BOOT_BAUD, stay = true }
  local own, bytes = 1, listen_on(port, finder, seconds, "", 1)
  local first, _, whole = judge(bytes, own)
  if whole then return bytes, own, finder.home end
  if finder.home then
    return listen_again(port, opt, finder.home, seconds, bytes, 2), 2, finder.home
  end
  for _, baud in ipairs(GUESSES) do
    if not UNCLEAR[first.id] then break end
    own = own + 1
    bytes = listen_again(port, opt, baud, math.min(seconds, GUESS_S), bytes, own)
    first = judge(bytes, own)
  end
  return bytes, own, nil
end

--- Hears what the board says when it starts.
-- @param port an `esp` port
-- @tparam table opt global options
-- @tparam number seconds
-- @treturn string bytes
-- @treturn integer how many starts in it are ours
function doctor_board.listen(port, opt, seconds)
  local bytes, own, home
  if port:info().lines and opt.before ~= "none" then
    bytes, own, home = listen_with_resets(port, opt, seconds)
  else
    local finder = rate_finder.new { baud = console.BOOT_BAUD, stay = true }
    bytes, own = listen_on(port, finder, seconds, "", 1), 1
    home = finder.home
  end
  local first, settled = judge(bytes, own)
  if not settled and UNCLEAR[first.id] then bytes = poke(port, bytes, home) end
  return bytes, own
end

--- Reads what the diagnosis wants to know of the flash.
-- @tparam device dev
-- @treturn table `look` of `doctor_flash`
function doctor_board.look(dev)
  local flash = dev:flash()
  local status = dev.loader:status()
  local facts = flashing.identify(dev)
  local health = init_data.classify(dev:read(flash.size - 0x4000, init_data.SIZE)).health
  return { size = flash.size, chip = dev.chip.chip, facts = facts,
    protected = protection.is_on(flash.id, status), quad = flash_chips.quad_rule(flash.id),
    boot = facts.header and image.parse(dev:read(0, HEAD)) or nil,
    init_at_end = health ~= "blank" and health ~= "foreign" }
end

-- Hears what a reset into the firmware or into the loader brings, at the ROM's rate.
local function boot_log(port, opt, purpose)
  local strategy = opt.before and resets.parse(opt.before) or "nodemcu"
  if purpose == "run" then strategy = resets.to_run(opt.before) end
  errors.check(port:baud(console.BOOT_BAUD))
  errors.check(port:flush())
  if port:info().lines and opt.before ~= "none" then
    errors.check(esp.reset(port, strategy, purpose))
  end
  local s = ""
  console.follow(port, rate_finder.new { baud = console.BOOT_BAUD, fixed = true }, BOOT_S,
    function(piece) s = s .. piece end)
  return s
end

local function transport_of(name)
  local transport, others = nil, 0
  for _, p in ipairs(name:match("^/dev/") and esp.ports() or {}) do
    if p.name == name then transport = p.transport else others = others + 1 end
  end
  return transport, others
end

--- Tries the lines one by one.
-- @param port an `esp` port
-- @tparam table opt global options
-- @treturn table evidence for `doctor_wiring.judge`
function doctor_board.try_lines(port, opt)
  local e = { lines = port:info().lines and opt.before ~= "none", port = port:info().name }
  e.transport, e.other_ports = transport_of(e.port)
  e.run_log = boot_log(port, opt, "run")
  e.loader_log = boot_log(port, opt, "loader")
  local rom = esp.rom(port)
  errors.check(port:baud(connection.start_baud(opt)))
  local reset = opt.before and resets.parse(opt.before) or e.lines and "nodemcu" or "none"
  local ok, message, code = rom:connect { reset = reset }
  e.reached = ok and true or false
  if not ok and code ~= "timeout" then errors.raise(code, message) end
  e.heard = { rom:heard() }
  return e
end

-- The global options of this run, for another command.
local function global_words(opt, port_name)
  local words = { "-p", port_name, "--baud", opt.baud }
  for _, dir in ipairs(opt.dirs or {}) do table.move({ "-L", dir }, 1, 2, #words + 1, words) end
  if opt.before then table.move({ "--before", opt.before }, 1, 2, #words + 1, words) end
  for _, flag in ipairs { "no_stub", "json", "trace", "quiet", "verbose" } do
    if opt[flag] then words[#words + 1] = "--" .. flag:gsub("_", "-") end
  end
  return words
end

-- Changes two bytes of the boot header; all else in that sector stays.
local function fix_header(d, opt)
  local dev <close> = device.open(opt)
  dev:flash()
  local head = dev:read(0, 4)
  local mode, size_freq = image_header.change(head:byte(3), head:byte(4), d.header)
  local s = writer.write(dev, { allow_partial = true, parts = { { addr = 0, name = "boot header",
    data = head:sub(1, 2) .. string.char(mode, size_freq) } },
    old = { [0] = dev:read(0, 0x1000) } })
  dev:leave()
  return s.written > 0
end

--- What the cure of a diagnosis would be, in words; nil when it has none that can be
-- applied without the user.
-- @tparam table d diagnosis
-- @treturn string|nil
function doctor_board.cure_text(d)
  if d.header and d.header.mode then
    return ("put flash mode %s into the boot header"):format(d.header.mode)
  elseif d.header then
    return ("put the flash size %s into the boot header"):format(
      image_header.sizes[image_header.size_code(d.header.size)].name)
  end
  return d.fix and d.command
end

--- Applies the cure.
-- @tparam table d diagnosis
-- @tparam table opt global options
-- @raise what the cure raises
function doctor_board.cure(d, opt)
  if d.header then return fix_header(d, opt) end
  local words = global_words(opt, connection.choose_port(opt))
  local code = cli.main(table.move(d.fix, 1, #d.fix, #words + 1, words))
  report.setup(opt)
  if code ~= 0 then
    errors.raise("script", ("'%s' failed"):format(d.command), { exit = code })
  end
end

return doctor_board
