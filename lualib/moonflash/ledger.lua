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
-- @treturn ledger close it (`<close>`)
-- @raise `usage`, `io`, `file`
function ledger.open(url, station)
  local d = db.open(url)
  local ok, e = pcall(function()
    must_know(d)
    migrate(d)
  end)
  if not ok then
    d:close()
    error(e, 0)
  end
  return setmetatable({ db = d, station = station }, ledger)
end

--- Reserves a number for a unit: its own again when it has one, else the next one.
-- @tparam string name of the counter, such as "serial"
-- @tparam string mac
-- @tparam[opt] table opt `first` = 1, `format` = "%d", such as "MF-%06d"
-- @treturn string
-- @treturn boolean false when the unit had it already
function ledger:reserve(name, mac, opt)
  opt = opt or {}
  return items.reserve(self.db, name, mac, { first = opt.first, format = opt.format,
    station = self.station })
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
  return dkjson.decode(text), fresh
end

--- The unit was written and proven: what it has reserved is used.
-- @tparam string mac
-- @treturn integer how many items
function ledger:use(mac) return items.use(self.db, mac) end

--- Records a run.
-- @tparam table record see @{moonflash.ledger_runs.add}
function ledger:record(record) return runs.add(self.db, record) end

--- Runs that a filter lets through, oldest first.
-- @tparam[opt] table filter see @{moonflash.ledger_runs.list}
-- @treturn {run,...}
function ledger:runs(filter) return runs.list(self.db, filter or {}) end

--- All runs of a unit, oldest first, with their parts.
-- @tparam string mac
-- @treturn {run,...}
function ledger:history(mac) return runs.history(self.db, items.mac(mac)) end

--- Closes it; may be called twice.
function ledger:close() self.db:close() end

ledger.__close = ledger.close

return ledger
