--- The running command's entry in the ledger: listens to what the command says of
-- itself (@{moonflash.report}), and writes one row when it ends, however it ends.
--
-- A command that will write a chip tries the ledger when its options are known, before
-- the port is touched. Any other tries it when it is about to change flash.
-- @module moonflash.ledger_run
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local ledger <const> = require "moonflash.ledger"
local report <const> = require "moonflash.report"
local writes <const> = require "moonflash.ledger_writes"

local run = {}

-- Where records go that the ledger did not take.
local SPOOL <const> = "moonflash-unrecorded.jsonl"

-- The most parts that a record tells of: a restore has one for each run of sectors.
local MAX_PARTS <const> = 64

local current     -- the run of this process; nil without a ledger

local function first_line(path)
  local f <close> = io.open(path)
  return f and f:read "l"
end

--- The station's name.
-- @tparam table opt
-- @treturn string|nil
function run.station(opt)
  return opt.station or os.getenv "MOONFLASH_STATION" or first_line "/proc/sys/kernel/hostname"
    or os.getenv "HOSTNAME"
end

local function operator_of(opt)
  return opt.operator or os.getenv "MOONFLASH_OPERATOR" or os.getenv "LOGNAME" or os.getenv "USER"
end

-- Proves that a record can be written. The connection is not kept: the run may be long,
-- and it may be forked. What goes wrong here must end the run, no way around it is tried.
local function prove(self)
  local ok, e = pcall(function()
    local l <close> = ledger.open(self.opt.ledger)
    l:prove_writable()
  end)
  self.proven = ok
  if ok then return end
  e = errors.wrap(e)
  e.final, e.hint = true, e.hint or "nothing was written; without --ledger nothing is recorded"
  error(e, 0)
end

-- ---- what the command says ----

local HEAR <const> = {}

-- In a gang, a command is prepared long before its board is there.
function HEAR.opening(self, e)
  self.record.port, self.opened = e.port, true
  if not self.changed then self.started = esp.clock() end
end

function HEAR.chip(self, e)
  local r = self.record
  r.port, r.chip, r.mac, r.baud = e.port, e.chip, e.mac, e.baud
  self.durations.connect = self.durations.connect or esp.clock() - self.started
end

function HEAR.flash(self, e)
  self.record.flash_id, self.record.flash_bytes = ("0x%06x"):format(e.id), e.size
end

function HEAR.will_change(self)
  if not self.proven and not writes.never(self.command) then prove(self) end
  self.changed = true
end

function HEAR.progress(self, e)
  self.durations[e.what] = e.seconds
  if e.what == "writing" and e.done >= e.total and e.seconds > 0 then
    self.record.rate = e.total / e.seconds
  end
end

local RESULT <const> = { "bytes", "sectors_written", "sectors_skipped", "retries", "serial" }

function HEAR.result(self, e)
  for _, name in ipairs(RESULT) do self.record[name] = e[name] or self.record[name] end
end

function HEAR.step(self, e) self.record.serial = e.serial or self.record.serial end

function HEAR.warning(self) self.record.warnings = (self.record.warnings or 0) + 1 end

-- The same part is planned again after trouble, or looked at before it is written.
local function is_known(parts, part)
  for _, known in ipairs(parts) do
    if known.addr == part.addr and known.data == part.data then return true end
  end
  return false
end

function HEAR.parts(self, e)
  for _, part in ipairs(e.parts) do
    if part.data and #self.parts < MAX_PARTS and not is_known(self.parts, part) then
      self.parts[#self.parts + 1] = part
    end
  end
end

-- Until this process opens a port, what is told is of others: a gang's own process
-- passes on what its boards say.
local function listen(name, fields)
  local hear = current and (current.opened or name == "opening") and HEAR[name]
  if hear then hear(current, fields) end
end

-- ---- from the beginning to the end ----

--- A command begins.
-- @tparam string command its name, or a Lua file's
-- @tparam table opt the global options that are known so far
-- @treturn table an entry, for the functions below
function run.begin(command, opt)
  if not current then report.listen(listen, true) end
  current = { command = command, opt = opt, started = esp.clock(), record = {}, parts = {},
    durations = {} }
  return current
end

--- The command's options are known: tries the ledger if it will write a chip.
-- @tparam table entry
-- @tparam table opt
-- @raise what opening it raises
function run.options(entry, opt)
  entry.opt = opt
  if opt.ledger and not entry.proven and writes.will(entry.command, opt) then prove(entry) end
end

local function result_of(e, exit)
  if exit == 0 then return "ok" end
  if exit == 8 then return "partial" end
  return errors.is(e, "interrupted") and "interrupted" or "failed"
end

local function firmware_of(parts)
  for _, part in ipairs(parts) do
    if part.addr == 0 then
      local image <const>, nodemcu <const> = require "moonflash.image", require "moonflash.nodemcu"
      local parsed = image.parse(part.data)
      return parsed.nodemcu and nodemcu.describe(parsed.nodemcu) or parsed.name
    end
  end
end

local function recipe_of(self, r)
  if not self.command:find "%.lua$" then return end
  r.recipe = self.command
  local f <close> = io.open(self.command, "rb")
  r.recipe_digest = f and esp.sha256(f:read "a")
end

local function complete(self, e, exit)
  local r, seconds = self.record, esp.clock() - self.started
  r.seconds, r.durations = seconds, next(self.durations) and self.durations
  r.station, r.operator = run.station(self.opt), operator_of(self.opt)
  r.port = r.port or self.opt.port
  r.command, r.version, r.exit, r.result = self.command, esp.version, exit, result_of(e, exit)
  if e then r.error, r.error_code, r.addr = tostring(e), e.code, e.addr end
  recipe_of(self, r)
  r.firmware, r.parts = firmware_of(self.parts), {}
  for i, part in ipairs(self.parts) do
    r.parts[i] = { name = part.name, addr = part.addr, size = #part.data,
      sha256 = esp.sha256(part.data) }
  end
  return r
end

-- Keeps a record that the ledger did not take. Returns what to do with it.
local function spool(record)
  local dkjson <const>, values <const> = require "dkjson", require "moonflash.ledger_values"
  record.time = values.iso(os.time() - record.seconds)
  local f <close> = io.open(SPOOL, "ab")
  if not (f and f:write(dkjson.encode(record), "\n")) then return "it could not be kept, either" end
  return ("it is kept in %s: moonflash ledger add %s"):format(SPOOL, SPOOL)
end

-- Is there something to record? What fails before a port is opened is no unit's run.
local function counts(self, e)
  return self.opt.ledger and self.proven and self.opened and (e or self.record.chip)
end

--- The command has ended: writes its record.
-- @tparam table entry
-- @tparam[opt] table e the error that it ended with
-- @tparam integer exit its exit code
-- @raise the failure of a record, with exit 8, where the run itself was good
function run.finish(entry, e, exit)
  if not counts(entry, e) then return end
  debug.sethook()                 -- a first Ctrl-C does not stop the record; a second one does
  local record = complete(entry, e, exit)
  local ok, why = pcall(function()
    local l <close> = ledger.open(entry.opt.ledger, nil, true)
    record.uid = l.identity()
    l:record(record)
  end)
  if ok then return end
  local kept = spool(record)
  if e then return report.warn("this run is not in the ledger: %s; %s", tostring(why), kept) end
  errors.raise("io", "the chip is written and proven, but the run is not in the ledger: "
    .. tostring(why), { exit = 8, changed = true, hint = kept })
end

return run
