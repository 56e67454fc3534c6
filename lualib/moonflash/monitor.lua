--- The console of `moonflash monitor`: what the chip prints, the keys, the log.
-- @module moonflash.monitor
local console <const> = require "moonflash.console"
local device <const> = require "moonflash.device"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local exception <const> = require "moonflash.exception"
local line_decoder <const> = require "moonflash.line_decoder"
local rate_finder <const> = require "moonflash.rate_finder"
local report <const> = require "moonflash.report"
local resets <const> = require "moonflash.resets"

local monitor = {}
monitor.__index = monitor

local FOREVER <const> = 1000000000      -- seconds
local IDLE_US <const> = 200000          -- unreadable bytes are told when so much is quiet
local PACE_MS <const> = 20
local CTRL_L <const>, CTRL_R <const>, QUIT <const> = "\x0c", "\x12", "\x1d"
local KEYS_HELP <const> = "Ctrl-] ends, Ctrl-R resets the chip, Ctrl-L resets it into its loader"

-- The terminal's own line: what has been shown of a line that is not complete yet.
local function show_rest(self, rest)
  if not self.keys then return end
  local same = 0
  while same < #rest and rest:byte(same + 1) == self.shown:byte(same + 1) do same = same + 1 end
  io.stdout:write(("\b \b"):rep(#self.shown - same), rest:sub(same + 1))
  io.stdout:flush()
  self.shown = rest
end

local function stamped(self, line)
  return self.opt.timestamps and line_decoder.with_time(line, self.start) or line.text
end

local function to_log(self, words)
  if not self.log then return end
  local ok, why = self.log:write(words, "\n")
  ok = ok and self.log:flush()
  if not ok then errors.raise("disk", ("%s: %s"):format(self.opt.log, why or "cannot write")) end
end

local function put_line(self, words, line)
  to_log(self, words)
  report.event("console", { text = line.text, time = (line.time - self.start) / 1e6,
    baud = line.baud, unreadable = line.unreadable })
  if self.keys then
    show_rest(self, words)
    self.shown = ""
    io.stdout:write "\n"
    io.stdout:flush()
  else
    report.line("%s", words)
  end
end

-- What we add to the chip's words begins with an arrow.
local function put_remark(self, words)
  to_log(self, "--> " .. words)
  report.event("remark", { text = words })
  report.line("--> %s", words)
end

-- Crashes are printed over two lines: the cause, then the registers.
local function explain(self, line)
  self.recent = ((self.recent or "") .. "\n" .. line.raw):sub(-1000)
  local crashes = line.raw:find("epc1=0x", 1, true) and exception.find(self.recent) or {}
  local crash = crashes[#crashes]
  if crash and crash.epc1 then
    for _, words in ipairs(exception.explain(crash, self.symbols)) do put_remark(self, words) end
    self.recent = ""
  elseif self.symbols then
    for _, words in ipairs(exception.resolve(line.raw, self.symbols)) do put_remark(self, words) end
  end
end

local function put_lines(self, lines)
  for _, line in ipairs(lines) do
    put_line(self, stamped(self, line), line)
    explain(self, line)
  end
end

local function reset(self, purpose)
  local strategy = purpose == "run" and resets.to_run(self.opt.before)
    or resets.parse(self.opt.before or "nodemcu")
  put_lines(self, self.decoder:flush())
  self.port:baud(self.finder:restarted())
  errors.check(esp.reset(self.port, strategy, purpose))
end

local KEY_ACTIONS <const> = {
  [CTRL_R] = function(self) reset(self, "run") end,
  [CTRL_L] = function(self) reset(self, "loader") end,
}

-- What was typed: our keys do something, the rest goes to the chip.
local function take_keys(self, typed)
  for plain, key in typed:gmatch("([^\x0c\x12\x1d]*)([\x0c\x12\x1d]?)") do
    if plain ~= "" then errors.check(self.port:write(plain)) end
    if key == QUIT then return true end
    if key ~= "" then KEY_ACTIONS[key](self) end
  end
end

local function read_keys(self)
  if not self.keys then return false end
  -- a simulated chip's time would fly while a person thinks
  local typed, message, code = self.keys:read(self.port:info().virtual and PACE_MS or 0)
  if not typed then
    if code == "gone" then return true end
    errors.raise(code, message)
  end
  return take_keys(self, typed)
end

local function seen_what_was_wanted(self, bytes)
  if not self.opt.expect then return false end
  self.heard = (self.heard .. bytes):sub(-65536)
  self.found = self.heard:find(self.opt.expect, 1, true) ~= nil
  return self.found
end

local function take_bytes(self, bytes, baud, now)
  if bytes ~= "" then self.last = now end
  put_lines(self, self.decoder:feed(bytes, now, baud))
  local rest, began = self.decoder:rest()
  if rest ~= "" or self.shown ~= "" then
    show_rest(self, rest == "" and "" or stamped(self, { text = rest, time = began }))
  elseif now - self.last > IDLE_US and self.decoder.garbage > 0 then
    put_lines(self, self.decoder:flush())
  end
  if baud ~= self.told_baud and self.finder.proven[baud] and self.shown == "" then
    self.told_baud = baud
    report.stage("%d baud", baud)
  end
  return seen_what_was_wanted(self, bytes) or read_keys(self)
end

local function new_finder(opt)
  local baud = opt.baud ~= "auto" and math.tointeger(tonumber(opt.baud)) or nil
  if not baud then return rate_finder.new { baud = opt.reset and console.BOOT_BAUD or nil } end
  -- the ROM's text is still followed when the chip restarts
  local finder = rate_finder.new { baud = opt.reset and console.BOOT_BAUD or baud, home = baud,
    rates = { baud, console.BOOT_BAUD } }
  return finder
end

local function open_log(path)
  if not path then return nil end
  local f, why = io.open(path, "ab")
  if not f then errors.raise("disk", ("cannot write the log: %s"):format(why)) end
  return f
end

--- Opens the port, the log and the keyboard.
-- @tparam table opt global options, and `timestamps`, `log` (a path), `expect`
-- (plain text), `reset`
-- @tparam[opt] table symbols from `elf_symbols.parse`
-- @treturn monitor close it (`<close>`)
-- @raise port errors, `disk`
function monitor.open(opt, symbols)
  local self = setmetatable({ opt = opt, symbols = symbols, decoder = line_decoder.new(),
    finder = new_finder(opt), shown = "", heard = "", last = 0 }, monitor)
  self.log = open_log(opt.log)
  self.port = device.open_port(opt)
  self.start = self.port:now()
  if esp.terminal(0) and esp.terminal(1) and not opt.json then
    self.keys = errors.check(esp.keyboard())
    report.stage("%s", KEYS_HELP)
  end
  return self
end

--- Shows the console until the time is over, `expect` was seen, or a key ends it.
-- @tparam[opt] number seconds
-- @treturn boolean whether what was expected was seen
function monitor:run(seconds)
  if self.opt.reset then reset(self, "run") end
  console.follow(self.port, self.finder, seconds or FOREVER, function(...)
    return take_bytes(self, ...)
  end)
  put_lines(self, self.decoder:flush())
  return self.found or false
end

--- Gives everything back: the terminal as it was, the port, the log.
function monitor:close()
  if self.keys then self.keys:close() end
  if self.port then self.port:close() end
  if self.log then self.log:close() end
  self.keys, self.port, self.log = nil, nil, nil
end

function monitor:__close() self:close() end

return monitor
