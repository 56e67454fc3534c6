--- What `flash` and `upgrade` share on the way between files, plans and a chip.
-- @module moonflash.flashing
local backup_jobs <const> = require "moonflash.backup_jobs"
local boot_watch <const> = require "moonflash.boot_watch"
local console <const> = require "moonflash.console"
local dry_run <const> = require "moonflash.dry_run"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local files <const> = require "moonflash.files"
local firmware_files <const> = require "moonflash.firmware_files"
local flash_chips <const> = require "moonflash.flash_chips"
local flash_mode <const> = require "moonflash.flash_mode"
local identify <const> = require "moonflash.identify"
local image <const> = require "moonflash.image"
local image_header <const> = require "moonflash.image_header"
local lfs <const> = require "lfs"
local nodemcu <const> = require "moonflash.nodemcu"
local numbers <const> = require "moonflash.numbers"
local report <const> = require "moonflash.report"
local unfinished <const> = require "moonflash.unfinished"
local upgrade <const> = require "moonflash.upgrade"
local writer <const> = require "moonflash.writer"

local flashing = {}

local SECTOR <const> = 0x1000
local BLANK_HASH <const> = esp.crc32(("\xff"):rep(SECTOR))
local MAPPED_END <const> = 0x100000
local PROBE <const> = 0x4000            -- bytes of the firmware read to try a mode
local FORMATTING <const> = 90           -- seconds that NodeMCU may format its flash

--- Adds the options that both commands have.
-- @tparam table parser
function flashing.add_options(parser)
  parser:argument("files", "a firmware file, a folder, or 0x00000.bin and 0x10000.bin"):args "0-2"
    :argname "FILE"
  parser:option("--mode -m", "flash mode in the boot header: auto, keep, qio, qout, dio, dout")
    :default "auto"
  parser:option("--freq -f", "flash clock in the boot header: keep, 20m, 26m, 40m, 80m")
    :default "keep"
  parser:option("--fs", "the files on the chip: keep (in place or not at all), move (along, if"
    .. " they cannot stay), erase"):choices { "keep", "move", "erase" }
  parser:option("--lfs", "the Lua Flash Store: keep (or refuse), erase"):choices { "keep", "erase" }
  parser:option("--init", "init data to write whatever the rules say: v05, v08, i0, i2, i3")
    :argname "VARIANT"
  parser:option("--watch", "listen so long for the Lua prompt at the end"):argname "SECONDS"
    :default "15"
  parser:flag("--no-watch", "do not listen at the end")
  parser:flag("--full", "write also what is there already")
  parser:flag("-n --dry-run", "print the plan and change nothing")
  parser:flag("--force", "do also what is refused otherwise, such as going back")
end

--- Checks the options before anything else happens.
-- @tparam table opt
-- @raise `usage`
function flashing.check_options(opt)
  opt.mode = flash_mode.parse(opt.mode)
  image_header.change(0, 0, { freq = opt.freq })
  opt.watch = tonumber(opt.watch)
  if not opt.watch or opt.watch < 0 or opt.watch > 3600 then
    errors.raise("usage", "--watch needs seconds, at most 3600", { hint = "--watch 30" })
  end
end

local function names_in(folder)
  local names = {}
  for name in lfs.dir(folder) do
    if lfs.attributes(folder .. "/" .. name, "mode") == "file" then names[#names + 1] = name end
  end
  return names
end

--- Reads the firmware that the arguments name.
-- @tparam {string,...} paths a file, a folder, or the two files of a build
-- @treturn table as `firmware_files.join`
-- @raise `file`, `image`, ...
function flashing.read_firmware(paths)
  if #paths == 0 then
    errors.raise("usage", "no firmware given", { hint = "a file, a folder, or two files" })
  end
  if #paths == 1 and lfs.attributes(paths[1], "mode") == "directory" then
    local folder, list = paths[1], {}
    for i, name in ipairs(firmware_files.choose(names_in(folder), folder)) do
      list[i] = folder .. "/" .. name
    end
    paths = list
  end
  local list = {}
  for i, path in ipairs(paths) do list[i] = { name = path, data = (files.firmware(path)) } end
  local firmware = firmware_files.join(list)
  for _, w in ipairs(firmware.parsed.warnings) do report.warn("%s: %s", firmware.name, w.text) end
  if firmware.parsed.nodemcu then
    report.stage("%s: %s", firmware.name, nodemcu.describe(firmware.parsed.nodemcu))
  else
    report.stage("%s: %s", firmware.name, firmware.parsed.name)
  end
  return firmware
end

-- Which sectors are blank, as far as the loader has hashes: all that firmware may
-- use, and the system sectors at the end.
local function blank_map(dev, size)
  local ranges = { { addr = 0, size = math.min(size, MAPPED_END) } }
  if size > MAPPED_END then ranges[2] = { addr = size - 0x5000, size = 0x5000 } end
  local hash = dev.loader:hashes(ranges)
  return function(addr)
    local value = hash and hash(addr)
    if value == nil then return nil end
    return value == BLANK_HASH
  end
end

--- Size of flash that firmware can use.
-- @tparam device dev
-- @treturn integer bytes
function flashing.usable(dev) return math.min(dev:flash().size, files.MAX_BYTES) end

--- Identifies what is on the chip.
-- @tparam device dev
-- @tparam[opt] table opts `usage`, `deep` as for `identify.flash`
-- @treturn table facts
function flashing.identify(dev, opts)
  opts = opts or {}
  local size = flashing.usable(dev)
  return identify.flash(function(addr, n) return dev:read(addr, n) end, size,
    { usage = opts.usage, deep = opts.deep, blank = blank_map(dev, size) })
end

--- Chooses the flash mode, and says what looks wrong with it.
-- @tparam device dev
-- @tparam table firmware
-- @tparam table opt `mode`
-- @treturn table as `flash_mode.choose`
function flashing.choose_mode(dev, firmware, opt)
  local choice = flash_mode.choose { asked = opt.mode, image_mode = firmware.parsed.mode,
    chip = dev.chip.chip, quad_rule = flash_chips.quad_rule(dev:flash().id),
    can_probe = dev.loader.stub ~= nil }
  for _, line in ipairs(choice.warnings) do report.warn("%s", line) end
  if choice.changes then
    report.stage("flash mode %s instead of %s: %s", choice.mode, firmware.parsed.mode or "none",
      choice.why)
  end
  return choice
end

--- The plan for a firmware: NodeMCU with all that belongs to it, another firmware
-- as it is.
-- @tparam table facts from `identify`
-- @tparam table firmware
-- @tparam table options for `upgrade.plan`
-- @treturn table as `upgrade.plan`
function flashing.plan(facts, firmware, options)
  local found = firmware.parsed.nodemcu
  if found and upgrade.era(found) then
    return upgrade.plan(facts, firmware, facts.flash_bytes, options)
  end
  return upgrade.plain(facts, firmware, facts.flash_bytes, options)
end

--- Shows a plan: what it warns of, what it does and why.
-- @tparam table p
function flashing.show_plan(p)
  for _, line in ipairs(p.warnings) do report.warn("%s", line) end
  for _, line in ipairs(p.explain) do report.stage("- %s", line) end
end

-- Sets quad enable until the next power-up, as the boot ROM sets it at each start.
local function enable_quad(stub, rule)
  if not rule or rule.register ~= 2 then return end
  local sr1 = stub:spi { op = 0x05, read = 1 }
  local sr2 = stub:spi { op = 0x35, read = 1 }
  if not sr1 or not sr2 or sr2:byte() & 1 << rule.bit ~= 0 then return end
  stub:spi { op = 0x01, before = 0x50, out = sr1 .. string.char(sr2:byte() | 1 << rule.bit),
    ready_ms = 100 }
end

-- true, false, or nil when the chip cannot tell.
local function mode_works(dev, mode, size)
  local stub = dev.loader.stub
  if mode == "qio" or mode == "qout" then
    enable_quad(stub, flash_chips.quad_rule(dev:flash().id))
  end
  local works = stub:mode_works(0, math.min(size, PROBE), mode)
  return works
end

local function boot_part(p)
  for _, part in ipairs(p.parts) do
    if part.addr == 0 and part.data then return part end
  end
end

--- Tries the mode that was written; puts a more careful one into the header when
-- flash reads wrong in it.
-- @tparam device dev
-- @tparam table p the plan that was carried out
-- @tparam table choice from `choose_mode`
-- @treturn string|nil the mode in the header now
-- @treturn boolean proven
function flashing.prove_mode(dev, p, choice)
  local part = boot_part(p)
  local mode = image.modes[part.data:byte(3)]
  if not choice.probe or not mode then return mode, false end
  local told
  local settled, failed = flash_mode.settle(mode, function(m)
    local works = mode_works(dev, m, #part.data)
    told = works
    return works
  end)
  if settled == mode then return mode, told == true end
  report.warn("flash reads wrong in mode %s; the boot header gets %s",
    table.concat(failed, " and "), settled)
  local head = image.patch_header(part.data, { mode = settled }):sub(1, SECTOR)
  writer.write(dev, { parts = { { addr = 0, data = head, name = part.name } } },
    report.showing(dev))
  return settled, told == true
end

local function boot_rate(dev)
  return dev.chip.crystal.mhz == 40 and 115200 or console.BOOT_BAUD
end

-- Listens from the reset on; longer while NodeMCU formats.
local function hear(dev, baud, limit, want)
  local port, show, before = dev.port, console.line_shower(), ""
  local start = port:now()
  local function seen(heard)
    heard = before .. heard
    show(heard)
    return boot_watch.enough(heard, (port:now() - start) / 1e6, FORMATTING, want)
  end
  before = console.capture(port, { seconds = limit, baud = baud }, boot_rate(dev), seen)
  if boot_watch.judge(before).state == "formatting" then
    before = before .. console.capture(port, { seconds = FORMATTING - limit, baud = baud }, nil,
      seen)
  end
  show(before, true)
  return before
end

--- Leaves the chip and watches it start, as the options say.
-- @tparam device dev
-- @tparam table opt `watch`, `no_watch`
-- @tparam table firmware
-- @treturn table|nil verdict of `boot_watch.judge`; nil when nobody listened
function flashing.leave(dev, opt, firmware)
  if opt.no_watch or opt.watch == 0 or opt.after ~= "run" then
    dev:leave()
    return nil
  end
  local found = firmware.parsed.nodemcu or {}
  if dev.port:info().lines then errors.check(dev.port:baud(boot_rate(dev))) end
  dev:leave()
  local verdict = boot_watch.judge(hear(dev, boot_watch.baud(found.generation, found.version),
    opt.watch, not firmware.parsed.nodemcu and "text" or "prompt"))
  if verdict.state == "prompt" or verdict.state == "running" then
    report.stage("%s", verdict.text)
  else
    report.warn("%s%s", verdict.text, verdict.hint and "; " .. verdict.hint or "")
  end
  return verdict
end

--- Finishes an earlier run of the same command that was interrupted: what it had
-- found in flash before is no longer there to be found.
-- @tparam device dev
-- @tparam string command
-- @tparam table opt
-- @tparam table firmware
-- @tparam table choice from `choose_mode`
-- @treturn boolean true when all is done; else
-- @treturn string the key for a request's `unfinished`
function flashing.finish(dev, command, opt, firmware, choice)
  -- where things belong depends on the size, and a chip may have given a wrong one
  local key = unfinished.key(command, dev:flash().size, firmware.bytes, choice.mode, opt.freq,
    opt.fs, opt.lfs, opt.init, opt.erase, opt.force)
  if opt.dry_run then return false, key end
  local done, s = writer.finish(dev, key, report.showing(dev))
  if not done then return false, key end
  if boot_part(done) then flashing.prove_mode(dev, done, choice) end
  local boot = flashing.leave(dev, opt, firmware)
  report.result { bytes = s.bytes, sectors_written = s.written, sectors_skipped = s.skipped,
    retries = s.retries, verified = true, finished = true, boot = boot }
  report.written(s, "what was interrupted is finished", boot and boot.text)
  return true
end

local function holds_something_else(path, bytes)
  local size = lfs.attributes(path, "size")
  if lfs.attributes(path, "mode") ~= "file" or size == 0 then return false end
  return size ~= #bytes or files.read(path) ~= bytes
end

-- A backup that is there already may be all that is left of a flash that was changed
-- since, by the same command perhaps: it stays, and this one gets a number.
local function free_name(path, bytes)
  local stem, ending = path:match "^(.-)(%.[^./]*)$"
  local name, n = path, 1
  while holds_something_else(name, bytes) do
    n = n + 1
    name = ("%s-%d%s"):format(stem or path, n, ending or "")
  end
  if name ~= path then
    report.warn("%s holds another backup, which stays; this one is %s", path, name)
  end
  return name
end

--- Saves the whole flash as bare bytes, with its SHA-256 beside it.
-- @tparam device dev
-- @tparam string path
-- @treturn string the bytes
-- @treturn string SHA-256
-- @treturn string the name of the file: path, with a number when that is taken
function flashing.backup(dev, path)
  local size = dev:flash().size
  local bytes, sum = backup_jobs.read(dev, { { name = "all", addr = 0, size = size } }, true)
  path = free_name(path, bytes)
  files.write(path, bytes)
  files.write(path .. ".sha256", ("%s  %s\n"):format(sum, path:match("[^/]+$")))
  report.stage("backup: %s, %s", path, numbers.size_text(#bytes))
  return bytes, sum, path
end

--- Reads a backup made by `backup` and checks its digest.
-- @tparam string path
-- @treturn string
-- @raise `file`
function flashing.read_backup(path)
  local bytes = files.read(path)
  if not lfs.attributes(path .. ".sha256") then
    report.warn("%s.sha256 is not there: the backup is taken as it is", path)
    return bytes
  end
  local sum = files.read(path .. ".sha256"):match("^(%x+)")
  if sum ~= esp.sha256(bytes) then
    errors.raise("file", path .. " is not what was saved: its SHA-256 differs",
      { hint = "nothing was written" })
  end
  return bytes
end

--- Puts a backup back.
-- @tparam table opt `rollback`, `full`, `dry_run` and the global options
-- @tparam function open opens the device
function flashing.rollback(opt, open)
  if #opt.files > 0 then
    errors.raise("usage", "--rollback takes no firmware", { hint = "it puts the backup back" })
  end
  local bytes = flashing.read_backup(opt.rollback)
  local dev <close> = open(opt)
  local size = dev:flash().size
  if #bytes ~= size then
    errors.raise("size", ("%s is of a flash of %s, this chip has %s"):format(opt.rollback,
      numbers.size_text(#bytes), numbers.size_text(size)), { hint = "nothing was written" })
  end
  local request = { parts = { { addr = 0, data = bytes, name = opt.rollback } }, full = opt.full }
  if opt.dry_run then return dry_run.finish(dev, request) end
  local s = writer.write(dev, request, report.showing(dev))
  dev:leave()
  report.result { bytes = #bytes, sectors_written = s.written, sectors_skipped = s.skipped,
    verified = true }
  report.ok("%d bytes verified: the chip is as it was when %s was made", #bytes, opt.rollback)
end

return flashing
