--- Reaching the chip: which port, which reset, at which rate, and who answers.
--
-- Everything that happens before flash is looked at; @{moonflash.device} is what
-- workflows use.
-- @module moonflash.connection
local adapters <const> = require "moonflash.adapters"
local chip_id <const> = require "moonflash.chip_id"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local report <const> = require "moonflash.report"
local resets <const> = require "moonflash.resets"
local rom_loader <const> = require "moonflash.rom_loader"
local stub_loader <const> = require "moonflash.stub_loader"

local connection = {}

local CONNECT_BAUD <const> = 115200
local ROM_BAUD_MAX <const> = 921600
local QUICK_ATTEMPTS <const> = 2

--- The rate at which the ROM is spoken to: its auto-baud follows whatever comes
-- first. It keeps up with 921600 and not with much more (reference: ROM, auto-baud),
-- so that is tried first, and 115200 when it finds no answer.
function connection.start_baud(opt)
  local rate = math.tointeger(tonumber(opt.baud))
  return rate and math.min(rate, ROM_BAUD_MAX) or CONNECT_BAUD
end

local function list_names(list)
  local names = {}
  for i, p in ipairs(list) do names[i] = p.name end
  return table.concat(names, ", ")
end

-- Somebody at a terminal can be asked.
local function is_interactive(opt)
  return not opt.json and not opt.quiet and esp.terminal(0) and esp.terminal(2) and true or false
end

local function ask(question)
  io.stderr:write(question)
  return io.read "l"
end

--- The port to use: the one named, or the only candidate there is.
-- A port that was not chosen is never opened.
-- @tparam table opt `port`
-- @treturn string its name
-- @raise `missing`, `usage`
function connection.choose_port(opt)
  if opt.port then return opt.port end
  local first_contact <const> = require "moonflash.first_contact"
  return first_contact.choose(errors.check(esp.ports()), is_interactive(opt) and ask or nil)
end

local PORT_HINTS <const> = {
  access = function(message)
    if message:find "^rfc2217s?:" then
      return "ca=FILE in the port's URL names whom to believe, cert=FILE and key=FILE who you are,"
        .. " user=NAME with MOONFLASH_PASSWORD logs in"
    end
    local group = message:match("group (%S+)")
    return ("add yourself to the group that owns it: sudo usermod -aG %s $USER, then log in"
      .. " again"):format(group or "dialout")
  end,
  busy = function() return "close the other program (a serial monitor, ModemManager, brltty)" end,
  missing = function(message)
    if message:find "^%a[%w]+:" or not message:find "no such port" then return nil end
    local list = esp.ports()
    if not list or #list == 0 then return "there are no serial ports now; is it plugged in?" end
    return "ports there are: " .. list_names(list)
  end,
}

local SERVER_HINT <const> = "somebody took the connection: is it an RFC 2217 server? a slow one"
  .. " gets more time with ?timeout=SECONDS in the port's URL"
PORT_HINTS.timeout = function() return SERVER_HINT end
PORT_HINTS.protocol = PORT_HINTS.timeout

-- Only a port behind a network can be there and not answer.
local OPEN_EXITS <const> = { argument = 2, timeout = 4, protocol = 4 }

--- Opens the port that an option table names, with errors as hints.
-- @tparam table opt `port`, `baud`, `trace`
-- @return an `esp` port
-- @raise port errors, exit 3; `timeout`, `protocol` (4) of a server that is none
function connection.open_port(opt)
  local name = connection.choose_port(opt)
  local port, message, code = esp.open(name, connection.start_baud(opt))
  if port then
    if opt.trace then esp.trace(port) end
    return port
  end
  local hint = PORT_HINTS[code]
  errors.raise(code, message, { hint = hint and hint(message), exit = OPEN_EXITS[code] or 3 })
end

-- Resets into the firmware and listens at the two rates a boot log may have.
local function listen(port, found)
  if not port:info().lines then return end
  for _, baud in ipairs { 74880, 115200 } do
    if not port:baud(baud) then return end
    port:flush()
    if not esp.reset(port, "nodemcu", "run") then return end
    local pieces, till = {}, port:now() + 600000
    while port:now() < till do
      local s = port:read(4096, 100)
      if not s then return end
      pieces[#pieces + 1] = s
    end
    found[#found + 1] = { baud = baud, bytes = table.concat(pieces) }
  end
end

-- Says why nothing answered, from what was on the line meanwhile.
local function no_answer(port, rom, message)
  local found = { rom:heard() }
  listen(port, found)
  local verdict = require("moonflash.heard").verdict(found)
  if not message:find(verdict.message, 1, true) then
    message = message .. ": " .. verdict.message
  end
  errors.raise("timeout", message, { hint = verdict.hint, final = true })
end

-- Waits for somebody to start the loader by hand, where that can be.
local function wait_for_hand(port, rom, opt)
  local first_contact <const> = require "moonflash.first_contact"
  local seconds = first_contact.patience(opt, is_interactive(opt))
  if seconds == 0 then return false end
  return first_contact.by_hand(seconds, function()
    return rom:connect { reset = "none", attempts = 1 }
  end, function() return port:now() / 1e6 end)
end

-- Sets a rate. A server that does not answer now would not at the next rate either.
local function set_baud(port, baud)
  local ok, message, code = port:baud(baud)
  if code == "timeout" then errors.raise(code, message, { hint = SERVER_HINT, final = true }) end
  return ok, message, code
end

local function connect(port, opt)
  local rom = esp.rom(port)
  local reset = resets.parse(opt.before or (port:info().lines and "nodemcu" or "none"))
  local try_fast = opt.baud == "auto" and not opt.no_stub and not opt.rom_baud
  if try_fast and set_baud(port, ROM_BAUD_MAX) then
    if rom:connect { reset = reset, attempts = QUICK_ATTEMPTS } then return rom end
  end
  errors.check(set_baud(port, opt.rom_baud or connection.start_baud(opt)))
  local ok, message, code = rom:connect { reset = reset, attempts = opt.attempts }
  if ok then return rom end
  if code == "timeout" then
    if wait_for_hand(port, rom, opt) then return rom end
    no_answer(port, rom, message)
  end
  errors.raise(code, message, { exit = code == "argument" and 2 or nil })
end

-- Words of the chip, read until two readings agree: replies of the ROM carry no
-- checksum.
local function sure_words(rom, addrs)
  local last
  for _ = 1, 5 do
    local words = errors.check(rom:read_regs(addrs))
    local text = table.concat(words, ",")
    if text == last then return words end
    last = text
  end
  errors.raise("protocol", "reading the chip's registers gives another answer each time", {
    hint = "check cable and ground; try a lower --baud" })
end

local function check_chip(word)
  local name = chip_id.by_magic(word)
  if name == "ESP8266" then return end
  errors.raise("wrong_chip", name and ("this chip is an %s, not an ESP8266"):format(name)
    or ("this chip is unknown (magic word 0x%08x), not an ESP8266"):format(word), {
    hint = "nothing was written; moonflash flashes ESP8266 and ESP8285 only",
  })
end

-- Magic word, the eFuse's four words, the UART's divider.
local IDENTITY <const> = { chip_id.MAGIC_ADDR, chip_id.EFUSE_ADDRS[1], chip_id.EFUSE_ADDRS[2],
  chip_id.EFUSE_ADDRS[3], chip_id.EFUSE_ADDRS[4], chip_id.CLKDIV_ADDR }

local function identify(rom, port)
  local words = sure_words(rom, IDENTITY)
  check_chip(words[1])
  local chip = chip_id.from_efuse(table.unpack(words, 2, 5))
  chip.crystal = chip_id.crystal(port:baud(), words[6] & 0xfffff)
  return chip
end

-- Errors of a bad line, after which connecting again may help.
local LINE_TROUBLE <const> = { timeout = true, protocol = true, refused = true }
local TRIES <const> = 4

local function is_line_trouble(e)
  return errors.is(e) and LINE_TROUBLE[e.code] and not e.final
end

-- The next attempts speak to the ROM at a rate that every line carries; what the stub
-- may go up to stays.
local function slower_rom(dev)
  dev.opt = setmetatable({ rom_baud = CONNECT_BAUD }, { __index = dev.opt })
end

-- What answers the first question and no other for so long is no chip on a bad line.
local PATIENCE_US <const> = 5000000

local function connect_and_identify(dev)
  local asked = 0
  for try = 1, TRIES do
    local since
    local ok, e = pcall(function()
      dev.rom = connect(dev.port, dev.opt)
      since = dev.port:now()
      dev.chip = identify(dev.rom, dev.port)
    end)
    if ok then return end
    if since then asked = asked + dev.port:now() - since end
    if try == TRIES or asked > PATIENCE_US or not is_line_trouble(e) then error(e, 0) end
    report.detail("%s; connecting again", tostring(e))
    if dev.port:baud() > CONNECT_BAUD and not dev.opt.rom_baud then
      slower_rom(dev)
      asked = 0
    end
  end
end

local function slower(dev)
  dev.opt = setmetatable({ baud = tostring(CONNECT_BAUD) }, { __index = dev.opt })
end

--- The stub that `--stub` names, read and checked before the port is opened.
-- @tparam table opt `stub`
-- @treturn table|nil from `public_stub.parse`; nil when none was asked for
-- @raise `file`
function connection.public_stub(opt)
  if not opt.stub then return nil end
  local files <const> = require "moonflash.files"
  return require("moonflash.public_stub").parse(files.read(opt.stub), opt.stub)
end

-- Ours, or the one that was asked for.
local function load_stub(dev)
  if dev.public_stub then
    local loader <const> = require "moonflash.public_stub_loader"
    return loader.start(dev.rom, dev.port, dev.public_stub, dev.opt.baud)
  end
  return stub_loader.start(dev.rom, dev.port, dev.opt.baud, dev.adapter)
end

-- The stub, if need be at a lower rate; the ROM alone when ours does not start.
local function start_stub(dev)
  for try = 1, TRIES do
    local ok, e = pcall(load_stub, dev)
    if ok then
      report.detail("stub running, %d baud", dev.port:baud())
      return e
    end
    if not is_line_trouble(e) and not errors.is(e, "unsupported") then error(e, 0) end
    if try == TRIES then
      if dev.public_stub then error(e, 0) end
      report.warn("the stub did not start (%s); using the chip's own loader: slower, without"
        .. " hashes", tostring(e))
    end
    if try == 2 then slower(dev) end
    connect_and_identify(dev)
  end
  return rom_loader.new(dev.rom)
end

-- The serial number of the USB adapter behind a device path, if it has one.
local function usb_serial_of(name)
  if not name:match("^/dev/") or name:match("^/dev/pts/") then return nil end
  for _, p in ipairs(esp.ports() or {}) do
    if p.name == name then return p.serial end
  end
end

--- Connects and identifies the chip, and starts the loader.
-- @tparam table dev `port`, `opt`, perhaps `public_stub`; gets `rom`, `chip`, `loader`
-- @tparam[opt] boolean rom_only leave the chip in its ROM loader
-- @raise `timeout` (exit 4), `wrong_chip` (5), port errors (3)
function connection.establish(dev, rom_only)
  connect_and_identify(dev)
  dev.usb_serial = dev.usb_serial or usb_serial_of(dev.port_name)
  dev.adapter = adapters.key(dev.port_name, dev.usb_serial)
  dev.loader = (rom_only or dev.opt.no_stub) and rom_loader.new(dev.rom) or start_stub(dev)
end

return connection
