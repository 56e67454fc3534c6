--- A chip as esptool's commands see it: connecting, what is said of it, leaving.
-- @module moonflash.esptool_chip
local device <const> = require "moonflash.device"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local resets <const> = require "moonflash.resets"

local esptool_chip = {}

local DEFAULT_BAUD <const> = "115200"
local CONNECT_MAX <const> = 115200     -- of esptool, before its stub runs
local ENDLESS <const> = 1 << 30
local OPEN_EVERY_MS <const> = 100

-- Which of our resets an esptool word means.
local BEFORE <const> = {
  ["default-reset"] = false, ["no-reset"] = "none",
  -- its stub is not ours; without a reset ours is loaded anew, which takes 0.3 s
  ["no-reset-no-sync"] = "none",
}

local function no_such_reset(option, word, why)
  errors.raise("refused_by_policy", ("--%s %s: %s"):format(option, word, why))
end

-- The wiring that nearly all boards have, with another time for GPIO0 to stay low.
local function with_delay(seconds)
  return resets.steps(("D0|R1|W0.1|D1|R0|W%g|D0"):format(seconds))
end

local function before_of(opt, config)
  local word = opt.before or "default-reset"
  if word == "usb-reset" then
    no_such_reset("before", word, "the ESP8266 has no USB")
  end
  if BEFORE[word] then return BEFORE[word] end
  return config.custom_reset_sequence
    or config.reset_delay and with_delay(config.reset_delay) or nil
end

local function attempts_of(opt, config)
  local n = opt["connect-attempts"] or config.connect_attempts
  if not n then return nil end
  return n > 0 and n or ENDLESS
end

-- Does a port pass every kind of filter, by one value of each kind?
local function passes(port, filters)
  local wanted = {}
  for _, f in ipairs(filters) do
    local text = f.key == "name" and port.name or f.key == "serial" and port.serial
    local hit
    if f.key == "vid" or f.key == "pid" then
      hit = port[f.key] ~= nil and port[f.key] == math.tointeger(tonumber(f.value))
    else
      hit = text ~= nil and text:lower():find(f.value:lower(), 1, true) ~= nil
    end
    wanted[f.key] = wanted[f.key] or hit
  end
  for _, hit in pairs(wanted) do
    if not hit then return false end
  end
  return true
end

--- The ports that filters leave. Pure.
-- @tparam {table,...} ports as esp.ports() lists them
-- @tparam {table,...} filters { key, value }
-- @treturn {string,...} names
function esptool_chip.filter(ports, filters)
  local names = {}
  for _, p in ipairs(ports) do
    if passes(p, filters) then names[#names + 1] = p.name end
  end
  return names
end

local function port_of(opt)
  if opt.port or not opt["port-filter"] then return opt.port end
  local names = esptool_chip.filter(errors.check(esp.ports()), opt["port-filter"])
  if #names == 1 then return names[1] end
  errors.raise(#names == 0 and "missing" or "usage", #names == 0
    and "no port passes --port-filter" or "several ports pass --port-filter: "
    .. table.concat(names, ", "), { hint = "'moonflash ports' lists all; --port names one" })
end

-- Refuses other chips' names.
local function check_chip(opt)
  local word = opt.chip and opt.chip:lower():gsub("-", "") or "auto"
  if word == "auto" or word == "esp8266" then return end
  errors.raise("wrong_chip", ("this program is for the ESP8266 and ESP8285, not for '%s'"):format(
    opt.chip), { hint = "--chip esp8266, or no --chip at all" })
end

--- Checks all global options, before any file is read or port opened.
-- @tparam table job `opt`, `config`
-- @raise `wrong_chip`, `refused_by_policy`
function esptool_chip.check(job)
  check_chip(job.opt)
  before_of(job.opt, job.config)
  if job.opt.after == "watchdog-reset" then
    no_such_reset("after", job.opt.after, "on the ESP8266 the RTS line does it: hard-reset")
  end
end

-- Without a reset the ROM stays at the rate that it measured for the run before.
local function rom_baud(baud, before)
  if before ~= "none" then return nil end
  return math.min(tonumber(baud) or CONNECT_MAX, CONNECT_MAX)
end

local function device_options(job)
  local opt, config = job.opt, job.config
  local before = before_of(opt, config)
  local baud = opt.baud or job.default_baud or DEFAULT_BAUD
  return {
    port = port_of(opt) or job.default_port, baud = baud, before = before,
    rom_baud = rom_baud(baud, before), after = "none", attempts = attempts_of(opt, config),
    no_stub = opt["no-stub"], trace = opt.trace, wait = "0",
  }
end

-- Opens the port, as often as `open_port_attempts` says.
local function open(job, wanted, rom_only)
  local left = job.env "ESPTOOL_OPEN_PORT_ATTEMPTS" or job.config.open_port_attempts
  left = math.tointeger(tonumber(left)) or 1
  if left <= 0 then left = ENDLESS end
  while true do
    local ok, e = pcall(device.open, wanted, rom_only)
    if ok then return e end
    left = left - 1
    local absent = errors.is(e, "missing") or errors.is(e, "busy") or errors.is(e, "access")
    if left <= 0 or not absent or not wanted.port then error(e, 0) end
    esp.sleep(OPEN_EVERY_MS)
  end
end

local function features(job, chip)
  local list = { job.form == "classic" and "WiFi" or "Wi-Fi" }
  if job.form == "five" then list[2] = "160MHz" end
  if chip.chip:match "^ESP8285" then list[#list + 1] = "Embedded Flash" end
  return table.concat(list, ", ")
end

local function introduce(job, dev, wanted)
  local chip, stub = dev.chip, not (job.rom_only or wanted.no_stub)
  if not job.opt.chip or job.opt.chip == "auto" then job:say "detecting" end
  job:say("connected", dev.port_name)
  job:say("chip", chip.chip)
  job:say("features", features(job, chip))
  job:say("crystal", chip.crystal.mhz)
  job:say("mac", chip.mac)
  if dev.loader.has_hashes then
    job:say "uploading"
    job:say "running"
    job:say "stub_runs"
  end
  local rate = tonumber(wanted.baud)
  if rate and rate > 115200 then
    if stub and dev.loader.has_hashes then
      job:say("baud", dev.port:baud())
      job:say "baud_changed"
    elseif dev.port:baud() < rate then
      job:say("rom_baud", dev.port:baud())
    end
  end
end

--- Connects to the chip and says what it is.
-- @tparam table job
-- @tparam[opt] boolean rom_only leave it in its ROM loader
-- @treturn device
function esptool_chip.open(job, rom_only)
  local wanted = device_options(job)
  job.rom_only = rom_only
  if wanted.port then
    job:say("port", wanted.port)
    job:say "connecting"
  end
  local dev = open(job, wanted, rom_only)
  if not wanted.port then job:say("port", dev.port_name) end
  job.connect_without_reset = wanted.before == "none"
  introduce(job, dev, wanted)
  return dev
end

-- Resets by the lines; without a reset before, the loader is asked first, because
-- on such boards the lines may be wired to nothing.
local function hard_reset(job, dev)
  local steps = job.config.custom_hard_reset_sequence
  job:say(steps and "custom_reset" or "hard_reset")
  local lines = dev.port:info().lines
  if job.connect_without_reset or not lines then dev.loader:boot() end
  if lines then
    errors.check(esp.reset(dev.port, steps or resets.to_run(dev.opt.before), "run",
      not steps and dev.rom and dev.rom:inverted() or nil))
  end
end

-- Back into the ROM's loader, which is where a later run without a reset looks.
local function stay(job, dev)
  if dev.loader.stub then dev.loader.stub:run "reset" end
  job:say "staying"
end

local LEAVE <const> = {
  ["hard-reset"] = hard_reset, ["no-reset"] = stay, ["no-reset-stub"] = stay,
  ["soft-reset"] = function(job, dev)
    job:say "soft_reset"
    dev.loader:boot()
  end,
}

--- Leaves the chip as `--after` says. What fails then, after a write, still counts
-- as a chip that was changed.
-- @tparam table job
-- @tparam device dev
function esptool_chip.leave(job, dev)
  dev:afterwards(LEAVE[job.opt.after or "hard-reset"], job, dev)
end


return esptool_chip
