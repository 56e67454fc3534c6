--- The ledger: a record of every run that wrote a chip, and the numbers and keys that
-- units got. In a SQLite file, or in a PostgreSQL database that stations share.
--
--     local l <close> = ledger.open "postgres://flasher@db/production"
--     local serial = l:reserve("serial", mac, { format = "MF-%06d" })
--     -- ... write it, prove it ...
--     l:use(mac)
-- @module moonflash.ledger
local db <const> = require "moonflash.ledger_db"
local errors <const> = require "moonflash.errors"
local items <const> = require "moonflash.ledger_items"
local runs <const> = require "moonflash.ledger_runs"
local schema <const> = require "moonflash.ledger_schema"
local values <const> = require "moonflash.ledger_values"
local yield <const> = require "moonflash.ledger_yield"

local ledger = {}
ledger.__index = ledger

local function version_of(d)
  if not d:one(d.dialect.has_table, "moonflash_schema") then return 0 end
  return d:one("SELECT version AS version_number FROM moonflash_schema").version_number
end

local function migrate(d)
  if version_of(d) == schema.VERSION then return end
  d:transaction(function()
    if d.dialect.lock_schema then d:one(d.dialect.lock_schema) end
    for version = version_of(d) + 1, schema.VERSION do
      for _, statement in ipairs(schema.MIGRATIONS[version]) do
        d:execute((statement:gsub("%$identity", d.dialect.identity)))
      end
      d:execute("UPDATE moonflash_schema SET version = ?", version)
    end
  end)
end

local function must_know(d)
  local found = version_of(d)
  if found > schema.VERSION then
    errors.raise("file", ("ledger %s has version %d; this program knows %d"):format(d.shown,
      found, schema.VERSION), { hint = "use a newer moonflash" })
  end
end

--- Opens a ledger; makes its tables in an empty database.
-- @tparam string url a file (PATH or sqlite:PATH), or postgres://USER:PW@HOST/DATABASE
-- @tparam[opt] string station noted with what is reserved
-- @tparam[opt] boolean patient wait for a server that does not answer now
-- @treturn ledger close it (`<close>`)
-- @raise `usage`, `io`, `file`
function ledger.open(url, station, patient)
  local d = db.open(url, patient)
  local ok, e = pcall(function()
    must_know(d)
    migrate(d)
  end)
  if not ok then
    d:close()
    error(e, 0)
  end
  return setmetatable({ db = d, station = station, reserved = {} }, ledger)
end

-- Notes what this run has reserved, so that @{ledger:use} can tell if it was released.
local function note(self, mac, pool, text)
  mac = values.mac(mac)
  self.reserved[mac] = self.reserved[mac] or {}
  self.reserved[mac][pool] = text
end

--- Reserves a number for a unit: its own again when it has one, else the next one.
-- @tparam string name of the counter, such as "serial"
-- @tparam string mac
-- @tparam[opt] table opt `first` = 1, `format` = "%d", such as "MF-%06d"
-- @treturn string
-- @treturn boolean false when the unit had it already
function ledger:reserve(name, mac, opt)
  opt = opt or {}
  local text, fresh = items.reserve(self.db, name, mac, { first = opt.first, format = opt.format,
    station = self.station })
  note(self, mac, name, text)
  return text, fresh
end

--- Reserves a row of an imported pool for a unit.
-- @tparam string pool
-- @tparam string mac
-- @treturn table the row, values by column name
-- @treturn boolean false when the unit had it already
-- @raise `range` when none is left, or none is for this unit
function ledger:take(pool, mac)
  local dkjson <const> = require "dkjson"
  local text, fresh = items.take(self.db, pool, mac, self.station)
  note(self, mac, pool, text)
  return dkjson.decode(text, 1, nil, nil, nil), fresh       -- without the metatables of dkjson
end

--- The unit was written and proven: what it has reserved is used.
-- @tparam string mac
-- @treturn integer how many items
-- @raise `refused_by_policy` with exit 8 when it was released meanwhile
function ledger:use(mac) return items.use(self.db, mac, self.reserved[values.mac(mac)]) end

--- Adds rows to a pool. See @{moonflash.ledger_import.read} for `rows`.
-- @treturn integer how many are new
function ledger:import(pool, rows, file) return items.import(self.db, pool, rows, file) end

--- Every pool: `name`, `kind`, `next`, `free`, `reserved`, `used`.
function ledger:pools() return items.pools(self.db) end

--- Reservations that nothing came of. See @{moonflash.ledger_items.reservations}.
function ledger:reservations(filter) return items.reservations(self.db, filter) end

--- Takes reservations back. See @{moonflash.ledger_items.release}.
function ledger:release(filter, force) return items.release(self.db, filter, force) end

--- Numbers and rows that a unit has. See @{moonflash.ledger_items.of_unit}.
function ledger:items(mac) return items.of_unit(self.db, mac) end

--- The units that a MAC address or a serial number means.
-- @tparam string word
-- @treturn {string,...} MAC addresses
function ledger:find(word)
  local ok, mac = pcall(values.mac, word)
  if ok then return { mac } end
  local seen, macs = {}, items.owners(self.db, word)
  for _, m in ipairs(macs) do seen[m] = true end
  for _, run in ipairs(runs.list(self.db, { serial = word })) do
    if run.mac and not seen[run.mac] then seen[run.mac], macs[#macs + 1] = true, run.mac end
  end
  return macs
end

--- Records a run. See @{moonflash.ledger_runs.add}.
-- @tparam table record
function ledger:record(record) return runs.add(self.db, record) end

--- An identity for a record that may be sent twice.
ledger.identity = runs.identity

--- Proves that a record could be written now, without writing one.
-- @raise `io`
function ledger:prove_writable() return runs.prove_writable(self.db) end

--- Runs that a filter lets through, oldest first. See @{moonflash.ledger_runs.list}.
function ledger:runs(filter) return runs.list(self.db, filter or {}) end

--- How many runs a filter lets through.
function ledger:count(filter) return runs.count(self.db, filter or {}) end

--- Units: the last run of each, with `count` of them.
-- @tparam[opt] table filter as for @{ledger:runs}
-- @treturn {run,...}
function ledger:units(filter) return runs.units(self.db, filter or {}) end

--- All runs of a unit, oldest first, with their parts.
-- @tparam string mac
-- @treturn {run,...}
function ledger:history(mac) return runs.history(self.db, values.mac(mac)) end

--- Yield by the hour. See @{moonflash.ledger_yield.hours}.
-- @tparam[opt] table filter as for @{ledger:runs}
-- @treturn {hour,...}
function ledger:yield(filter) return yield.hours(self:runs(filter)) end

--- The database's time, in seconds since 1970.
function ledger:now() return self.db:now() end

--- Closes it; may be called twice.
function ledger:close() self.db:close() end

ledger.__close = ledger.close

return ledger
