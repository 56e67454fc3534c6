-- scripts/unprotect.lua: show and take off the flash chip's write protection
local cli        <const> = require "moonflash.cli"
local device     <const> = require "moonflash.device"
local errors     <const> = require "moonflash.errors"
local protection <const> = require "moonflash.protection"
local report     <const> = require "moonflash.report"

local parser = cli.parser("unprotect", "Shows and takes off the flash chip's write protection.", [[
Protected flash ignores erase and program without a word; older tools left such
protection behind. Quad enable and what can be set only once are never changed.
The chip's own loader clears the first status register by itself when it attaches
the flash, so with --no-stub there may be nothing left to show.

examples:
  moonflash unprotect --dry-run     show the status registers
  moonflash unprotect]])
parser:flag("-n --dry-run", "show the status registers and change nothing")
local opt = cli.parse(parser)

local function show(id, status)
  for n, value in ipairs(status) do report.line("SR%d 0x%02x", n, value) end
  for _, bit in ipairs(protection.bits(id, status)) do
    report.line("  SR%d %-8s %d  %s%s", bit.register, bit.name, bit.value, bit.text,
      bit.set and bit.clear and " (will be cleared)" or "")
  end
end

-- Twice the same: a bit read wrongly and written back could be one for ever.
local function read_status(dev)
  for _ = 1, 3 do
    local a, b = dev.loader:status(), dev.loader:status()
    if protection.matches(a, b) then return b end
  end
  errors.raise("protocol", "the status registers do not read the same twice",
    { hint = "check the supply and the wiring of the flash" })
end

local function clear(dev, id, before)
  local target = protection.target(id, before)
  local status = before
  for _, attempt in ipairs(protection.attempts(id, before)) do
    for _, command in ipairs(attempt) do dev.loader:write_status(command.op, command.bytes) end
    status = read_status(dev)
    if protection.matches(status, target) then return status end
  end
  local changed = not protection.matches(status, before)
  errors.raise(changed and "chip_changed" or "flash",
    "the write protection stays: " .. protection.why_locked(status),
    { exit = changed and 8 or 5, hint = changed and "run the same command again"
      or "nothing was changed" })
end

local dev <close> = device.open(opt)
local id = dev:flash().id
local before = read_status(dev)
local on = protection.is_on(id, before)
show(id, before)
local after = before
if on and not opt.dry_run then after = clear(dev, id, before) end
dev:leave()
report.result { protected = on, before = before, after = after, changed = after ~= before,
  target = protection.target(id, before) }
if not on then
  report.ok("the flash is not write protected")
elseif opt.dry_run then
  report.ok("the flash is write protected; nothing was changed")
else
  show(id, after)
  report.ok("the write protection is off")
end
