--- A chip we are connected to, with what we know of it.
--
-- What workflows use: connect, look at flash, plan, run, prove, leave.
-- @module moonflash.device
local adapters <const> = require "moonflash.adapters"
local connection <const> = require "moonflash.connection"
local console <const> = require "moonflash.console"
local device_proof <const> = require "moonflash.device_proof"
local diagnosis <const> = require "moonflash.diagnosis"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local flash_chips <const> = require "moonflash.flash_chips"
local numbers <const> = require "moonflash.numbers"
local plan <const> = require "moonflash.plan"
local report <const> = require "moonflash.report"
local resets <const> = require "moonflash.resets"
local unfinished <const> = require "moonflash.unfinished"

local device = {}
device.__index = device

local SECTOR <const> = 0x1000

--- Opens the port that an option table names. See @{moonflash.connection.open_port}.
device.open_port = connection.open_port

--- Connects to the chip on a port.
-- @tparam table opt the global options: `port`, `baud`, `before`, `after`,
--   `no_stub`, `stub`, `trace`
-- @tparam[opt] boolean rom_only leave the chip in its ROM loader, whose registers
--   and RAM are wanted
-- @treturn device with `port`, `rom`, `chip`, `loader`; close it (`<close>`)
-- @raise port errors (exit 3), `timeout` (4), `wrong_chip` (5)
function device.open(opt, rom_only)
  report.note("opening", { port = opt.port })
  local stub = connection.public_stub(opt)
  local port = connection.open_port(opt)
  local dev = setmetatable({ port = port, opt = opt, port_name = port:info().name,
    public_stub = stub }, device)
  local ok, e = pcall(connection.establish, dev, rom_only)
  if not ok then
    port:close()
    error(e, 0)
  end
  report.event("chip", { chip = dev.chip.chip, mac = dev.chip.mac, port = dev.port_name,
    crystal_mhz = dev.chip.crystal.mhz, loader = dev.loader.name, baud = port:baud() })
  report.stage("%s, MAC %s, crystal %d MHz", dev.chip.chip, dev.chip.mac, dev.chip.crystal.mhz)
  return dev
end

-- Rates below which a noisy line may work.
local SLOWER <const> = { 921600, 460800, 230400, 115200, 57600 }

--- The next lower rate, for a line that loses too much.
-- @treturn integer
function device:lower_baud()
  for _, baud in ipairs(SLOWER) do
    if baud < self.port:baud() then return baud end
  end
  return SLOWER[#SLOWER]
end

-- The name the same adapter has now: by its serial number when its path changed.
local function find_again(self)
  if not self.usb_serial then return self.port_name end
  for _, p in ipairs(esp.ports() or {}) do
    if p.serial == self.usb_serial then return p.name end
  end
  return self.port_name
end

local WAIT_FOR_PORT_S <const> = 30

local function open_again(self, cause)
  local till = esp.clock() + WAIT_FOR_PORT_S
  while true do
    local port = esp.open(find_again(self), connection.start_baud(self.opt))
    if port then return port end
    if esp.clock() > till then error(cause, 0) end
    esp.sleep(250)
  end
end

--- Connects again after the line or the port failed, to the same chip.
-- @param cause the error to raise when the port does not come back
-- @tparam[opt] integer baud use this rate from now on
-- @raise `wrong_chip` when another MAC answers; nothing was written to that chip
function device:reconnect(cause, baud)
  if baud then
    self.opt = setmetatable({ baud = tostring(baud) }, { __index = self.opt })
    adapters.remember(self.adapter, baud)
  end
  local mac = self.chip.mac
  self.port:close()
  self.port = open_again(self, cause)
  if self.opt.trace then esp.trace(self.port) end
  connection.establish(self)
  if self.chip.mac ~= mac then
    errors.raise("wrong_chip", ("another chip answers now: MAC %s, not %s"):format(self.chip.mac,
      mac), { exit = self.changed and 8 or 5, hint = "connect the first board again and run the"
      .. " same command" })
  end
  if self.flash_info then
    self.loader:flash_facts()
    self.loader:set_flash_size(self.flash_info.size)
  end
end

--- Opens the port and starts the flashed firmware: by a reset where there are
-- modem lines, else by asking the loader.
-- @tparam table opt the global options
-- @treturn device of which only `port` is of use
function device.open_to_run(opt)
  local port = connection.open_port(opt)
  if not port:info().lines then
    port:close()
    local dev = device.open(opt, true)
    dev.loader:flash_facts()
    dev.loader:boot()
    return dev
  end
  local ok, message, code = esp.reset(port, resets.to_run(opt.before), "run")
  if not ok then
    port:close()
    errors.raise(code, message)
  end
  return setmetatable({ port = port, opt = opt }, device)
end

local FLASH_HINT <const> = "check the supply and the flash pins GPIO6 to GPIO11"

-- A flash chip that does not answer when it is asked who it is was not changed.
local function ask_flash(self)
  local ok, facts = pcall(self.loader.flash_facts, self.loader)
  if ok then return facts end
  if not errors.is(facts, "flash") or self.changed then error(facts, 0) end
  errors.raise("flash", facts.message, { hint = FLASH_HINT, exit = 5 })
end

--- What is known of the flash chip; asks it the first time.
-- @treturn table `{ id, size, manufacturer, part, status }`, size in bytes
-- @raise `flash` when no flash chip answers sensibly
function device:flash()
  if self.flash_info then return self.flash_info end
  local facts = ask_flash(self)
  local info, why = flash_chips.identify(facts.id)
  if not info then
    errors.raise("flash", ("the flash chip's id 0x%06x makes no sense: %s"):format(facts.id, why),
      { hint = FLASH_HINT, exit = 5 })
  end
  info.id, info.status = facts.id, facts.status
  local real, sure = diagnosis.wraps_at(self, info.size_bytes)
  self.size_is_sure = sure
  if real then
    errors.raise("flash", ("the flash chip says %s but repeats itself after %s"):format(
      numbers.size_text(info.size_bytes), numbers.size_text(real)), { exit = 5,
      hint = "it is a smaller chip with a wrong id; nothing was written" })
  end
  info.size = info.size_bytes
  self.loader:set_flash_size(info.size)
  self.flash_info = info
  report.event("flash", { id = info.id, size = info.size, manufacturer = info.manufacturer,
    part = info.part })
  report.stage("flash %s %s, %s", info.manufacturer or "unknown maker",
    info.part or ("id 0x%06x"):format(info.id), numbers.size_text(info.size))
  return info
end

--- Seconds on the port's clock.
-- @treturn function for @{moonflash.report.progress}
function device:clock()
  return function() return self.port:now() / 1e6 end
end

-- Notes what whole sectors hold.
local function remember(self, addr, bytes)
  local first = -addr % SECTOR
  local crcs = self.seen_crcs or {}
  self.seen_crcs = crcs
  for at = first, #bytes - SECTOR, SECTOR do
    crcs[addr + at] = esp.crc32(bytes:sub(at + 1, at + SECTOR))
  end
end

--- Reads flash into memory.
-- @tparam integer addr
-- @tparam integer size
-- @tparam[opt] function progress
-- @treturn string
function device:read(addr, size, progress)
  local pieces, done = {}, 0
  self.loader:read(addr, size, function(s)
    pieces[#pieces + 1] = s
    done = done + #s
    if progress then progress(done) end
  end)
  local bytes = table.concat(pieces)
  if not self.loader.has_hashes then remember(self, addr, bytes) end
  return bytes
end

--- What the sector at an address held when it was read last, since the chip began to
-- change: for loaders that cannot tell by a hash.
-- @tparam integer addr
-- @treturn integer|nil CRC-32
function device:seen(addr)
  return self.seen_crcs and self.seen_crcs[addr]
end

--- Compares flash with what should be there; see @{moonflash.device_proof.compare}.
function device:compare(...)
  return device_proof.compare(self, ...)
end

--- Where flash differs from parts; see @{moonflash.device_proof.differences}.
function device:differences(...)
  return device_proof.differences(self, ...)
end

-- The same failure once the chip has changed: exit 8, and how to repair it.
local function after_change(dev, e, addr)
  local state = dev.boot_sector_touched and "the chip has no bootable image now"
    or "the chip has changed in part"
  return errors.after_change(e, errors.wrap(e).addr or addr,
    state .. "; run the same command again to repair it")
end

--- Plans a write for this chip: with its hashes where the loader has them, and
-- with the old bytes of sectors that are only partly written.
-- @tparam table request as for @{moonflash.plan.write}; `flash_bytes` and `hashes` are filled in
-- @treturn plan
function device:plan(request)
  report.note("parts", { parts = request.parts })
  request.flash_bytes = self:flash().size
  if self.loader.digests then
    -- even if all is to be written: a damaged command shows only where it should
    -- have changed something
    request.full, request.hashes = nil, self.loader:digests(request.parts)
  elseif not request.full then
    request.hashes = self.loader:hashes(request.parts)
  end
  request.crc32 = self.loader.digests and esp.md5 or esp.crc32
  local steps = plan.write(request)
  if #steps.needs == 0 then return steps end
  request.old = request.old or {}
  for _, need in ipairs(steps.needs) do
    request.old[need.addr] = self:read(need.addr, need.size)
  end
  return plan.fill(steps, request.old)
end

local function program_bytes(steps)
  local n = 0
  for _, sector in ipairs(steps.sectors) do
    if sector.action == "write" then n = n + SECTOR end
  end
  return n
end

-- Commands without a checksum may have done something else than was asked,
-- anywhere, when the line fails; not when it is only unplugged.
local function doubt(self, e)
  if self.loader.digest and not (errors.is(e, "gone") or errors.is(e, "io")) then
    self.in_doubt = true
  end
end

--- Notes that the chip changes from now on, for whatever ends this run.
-- @tparam integer bytes that are to be erased or programmed
-- @tparam boolean boot whether the boot sector is among them
function device:will_change(bytes, boot)
  report.chip_changes()
  self.changed, self.boot_sector_touched = true, self.boot_sector_touched or boot
  self.seen_crcs = nil
  esp.note_change()
  report.event("changing", { bytes = bytes })
end

--- Runs a plan: erases and programs.
-- @tparam plan steps from @{device:plan}
-- @tparam[opt] function show makes a progress function of a total, in bytes
-- @raise with exit 8 (or 130) once the first sector was erased
function device:run(steps, show)
  if steps:is_empty() then return end
  if steps.request.unfinished then
    unfinished.begin(unfinished.board(self), steps, function(addr) return self:seen(addr) end)
  else
    unfinished.forget(unfinished.board(self))
  end
  local at
  self.aliases = self.size_is_sure and {} or diagnosis.alias_probe(self, steps)
  self:will_change(program_bytes(steps), steps:touches_boot())
  local progress = show and show(program_bytes(steps))
  local ok, e = pcall(self.loader.run, self.loader, steps, function(done, addr)
    at = addr or at
    if progress then progress(done, at) end
  end)
  if not ok then
    doubt(self, e)
    error(after_change(self, e, at), 0)
  end
end

--- Erases whole sectors.
-- @tparam integer addr
-- @tparam integer size
-- @tparam[opt] function progress
-- @raise with exit 8 (or 130) when some were erased
function device:erase(addr, size, progress)
  local at = 0
  unfinished.forget(unfinished.board(self))
  self:will_change(size, addr == 0)
  local ok, e = pcall(self.loader.erase, self.loader, addr, size, function(n)
    at = n
    if progress then progress(n) end
  end)
  if not ok then
    doubt(self, e)
    error(after_change(self, e, addr + at), 0)
  end
end

--- Raises when something else may have changed than what was asked for.
-- @raise `chip_changed`
function device:must_not_be_in_doubt()
  if not self.in_doubt then return end
  errors.raise("chip_changed", "all that was asked for is in flash and proven, but the line"
    .. " failed on the way and this stub's commands have no checksum: something else may have"
    .. " changed", { final = true, hint = "compare the rest with a backup; without --stub this"
    .. " cannot happen" })
end

--- How this loader proves what is in flash, for people.
-- @treturn string
function device:proof()
  return device_proof.how(self.loader)
end

--- Proves that flash holds what the plan wanted: by hashes that the stub computes
-- of flash, or by reading everything back.
-- @tparam plan steps
-- @tparam[opt] function show makes a progress function of a total, in bytes
-- @raise `chip_changed` (exit 8) with the first unproven address
function device:prove(steps, show)
  local ok, at, name = pcall(device_proof.first_wrong, self, steps, show)
  if not ok then error(after_change(self, at), 0) end
  if at then
    doubt(self)
    errors.raise("chip_changed", ("flash differs from %s at 0x%06x after writing"):format(name,
      at), { addr = at, hint = "run the same command again; if it stays, check the supply and"
      .. " the flash" })
  end
  self.boot_sector_touched = nil
  local real = diagnosis.changed_alias(self, self.aliases)
  if real then
    errors.raise("flash", ("the flash chip says %s but repeats itself after %s: something was"
      .. " written over"):format(numbers.size_text(self.flash_info.size), numbers.size_text(real)),
      { final = true, changed = true, hint = "it is a smaller chip with a wrong id: write again"
        .. " what is meant for one of that size" })
  end
  self:must_not_be_in_doubt()
end

-- The ROM divides as if the crystal had 40 MHz: 115200 baud with such a one,
-- 74880 with the usual 26 MHz.
local function boot_baud(chip)
  return chip and chip.crystal.mhz == 40 and 115200 or console.BOOT_BAUD
end

--- Starts the flashed firmware and goes on as its console. Flash work is over then.
-- @tparam[opt=115200] integer baud of the firmware's console
function device:start(baud)
  local boot = boot_baud(self.chip)
  if self.port:info().lines and self.opt.before ~= "none" then
    errors.check(self.port:baud(boot))
    errors.check(esp.reset(self.port, resets.to_run(self.opt.before), "run",
      self.rom and self.rom:inverted()))
    console.heard(self.port, console.boot_text(self.port, boot))
  else
    self.loader:boot()
  end
  self.running, self.loader = true, nil
  errors.check(self.port:baud(baud or 115200))
end

--- Leaves the firmware that was started and goes back to the loader, on the same
-- port: flash work may go on.
function device:back_to_loader()
  self.running, self.seen_crcs = nil, nil
  errors.check(self.port:baud(connection.start_baud(self.opt)))
  self.port:flush()
  connection.establish(self)
  if self.flash_info then
    self.loader:flash_facts()
    self.loader:set_flash_size(self.flash_info.size)
  end
end

--- Waits until the firmware prints something; starts it when it does not run yet.
-- @tparam string pattern a Lua pattern
-- @tparam[opt=10] number seconds
-- @tparam[opt=115200] integer baud of the firmware's console
-- @treturn string,... the pattern's captures, or all that matched
-- @raise `timeout`, with what was heard instead
function device:expect(pattern, seconds, baud)
  if not self.running then self:start(baud) end
  return console.expect(self.port, pattern, seconds)
end

--- Sends text to the firmware's console; starts it when it does not run yet.
-- @tparam string text a line for the Lua prompt ends with "\n"
function device:send(text)
  if not self.running then self:start() end
  console.send(self.port, text)
end

--- Does something after the last write. What fails then still counts as a changed
-- chip: exit 8 (or 130), though all that was written is proven.
-- @tparam function action
-- @param ... its arguments
-- @return what it returns
function device:afterwards(action, ...)
  local result = table.pack(pcall(action, ...))
  if result[1] then return table.unpack(result, 2, result.n) end
  if not self.changed then error(result[2], 0) end
  local e = errors.wrap(result[2])
  local own = e.hint ~= errors.codes[e.code].hint and e.hint
  error(errors.after_change(e, nil, (own and own .. "; " or "")
    .. "what was written is in flash and proven; only what follows it failed"), 0)
end

local function leave(self, listen)
  if self.opt.after == "run" and not self.running then
    if self.port:info().lines and self.opt.before ~= "none" then
      if listen then errors.check(self.port:baud(boot_baud(self.chip))) end
      errors.check(esp.reset(self.port, resets.to_run(self.opt.before), "run",
        self.rom and self.rom:inverted()))
    else
      self.loader:boot()
    end
  end
  if listen then
    return console.listen(self.port, listen, self.opt.after == "run" and not self.running
      and boot_baud(self.chip))
  end
end

--- Leaves the chip as `--after` says, and shows what it prints then.
-- @tparam[opt] table listen from @{moonflash.console.parse_options}
-- @treturn string|nil what was heard
function device:leave(listen)
  return self:afterwards(leave, self, listen)
end

--- Closes the port. Also called when a `<close>` variable goes.
function device:close()
  self.port:close()
end

function device:__close()
  self:close()
end

return device
