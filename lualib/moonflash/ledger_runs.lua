--- Runs: one row for each command that wrote a chip, or tried to.
-- @module moonflash.ledger_runs
local errors <const> = require "moonflash.errors"
local schema <const> = require "moonflash.ledger_schema"
local values <const> = require "moonflash.ledger_values"

local runs = {}

-- Text of chips, files and people, as text that any database holds: what is no UTF-8,
-- and zero bytes, become escapes.
local function clean(value)
  if value == nil then return nil end
  value = tostring(value)
  if utf8.len(value) and not value:find("\0", 1, true) then return value end
  return (value:gsub("[\0\x80-\xff]", function(c) return ("\\x%02x"):format(c:byte()) end))
end

-- The value of a column: PostgreSQL takes no number for text, nor text for a number, nor
-- one that is too large. What does not fit is not worth the record.
local function column(name, value)
  local largest = schema.NUMBERS[name]
  if not largest then return clean(value) end
  value = tonumber(value)
  if largest ~= math.huge then value = value and math.tointeger(value) end
  return value and math.abs(value) <= largest and value or nil
end

--- An identity for a run, so that a record that is sent twice counts once.
-- @treturn string
function runs.identity()
  local f <close> = assert(io.open("/dev/urandom", "rb"))
  return (f:read(16):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

-- When it began and ended, by the database's clock: stations need not agree on the time.
local function set_times(db, row, record)
  if math.type(record.time) then row.time = values.iso(record.time) end
  local begun = row.time and values.seconds(row.time)
  if row.time and not begun then
    errors.raise("argument", ("'%s' is no time"):format(row.time), { hint = "ISO 8601, in UTC" })
  end
  local seconds = record.seconds or 0
  begun = begun or db:now() - seconds
  row.time, row.ended = values.iso(begun), values.iso(begun + seconds)
end

-- The unit's serial number, where the record does not tell it.
local function serial_of(db, mac)
  local own = mac and db:one([[SELECT text FROM moonflash_items WHERE pool = 'serial'
    AND mac = ?]], mac)
  return own and own.text
end

local function row_of(db, record, uid)
  local row = {}
  for _, name in ipairs(schema.RUN_COLUMNS) do row[name] = column(name, record[name]) end
  local e = record.error
  if type(e) == "table" then
    row.error, row.error_code, row.addr = clean(e.message), clean(e.code), column("addr", e.addr)
  end
  row.uid = uid
  row.mac = record.mac and values.mac(record.mac)
  row.serial = row.serial or serial_of(db, row.mac)
  set_times(db, row, record)
  if type(record.durations) == "table" then
    row.durations = require("dkjson").encode(record.durations)
  end
  return row
end

local QUESTIONS <const> = ("?, "):rep(#schema.RUN_COLUMNS):sub(1, -3)
local INSERT <const> = ("INSERT INTO moonflash_runs (%s) VALUES (%s) ON CONFLICT (uid) DO NOTHING")
  :format(table.concat(schema.RUN_COLUMNS, ", "), QUESTIONS)

local function insert(db, row, parts)
  local fields = {}
  for i, name in ipairs(schema.RUN_COLUMNS) do fields[i] = row[name] end
  if db:execute(INSERT, table.unpack(fields, 1, #schema.RUN_COLUMNS)) == 0 then return end
  local id = db:one("SELECT id FROM moonflash_runs WHERE uid = ?", row.uid).id
  for i, part in ipairs(parts or {}) do
    db:execute("INSERT INTO moonflash_parts (run, n, name, addr, size, sha256)"
      .. " VALUES (?, ?, ?, ?, ?, ?)", id, i, clean(part.name),
      column("addr", part.addr), column("size", part.size), clean(part.sha256))
  end
end

--- Records a run.
-- @tparam db db
-- @tparam table record
--
-- * `result`: "ok", "failed" (nothing was changed), "partial", "interrupted"
-- * `time`: when it began, seconds since 1970 or ISO 8601 in UTC; default: `seconds` ago
--   by the database's clock
-- * `seconds`, `station`, `operator`, `port`, `chip`, `mac`, `flash_id`, `flash_bytes`,
--   `serial`, `command`, `recipe`, `recipe_digest`, `firmware`, `version`, `exit`,
--   `retries`, `bytes`, `sectors_written`, `sectors_skipped`, `baud`, `rate` (bytes of
--   flash a second), `warnings` (how many)
-- * `error`: text, or an error of @{moonflash.errors}
-- * `durations`: seconds by what they were spent on
-- * `parts`: { name, addr, size, sha256 }
function runs.add(db, record)
  local uid = record.uid or runs.identity()
  db:transaction(function() insert(db, row_of(db, record, uid), record.parts) end)
end

--- Proves that a record could be written now, without writing one.
-- @tparam db db
-- @raise `io`
function runs.prove_writable(db)
  db:rehearse(function()
    insert(db, row_of(db, { result = "ok" }, runs.identity()), { { name = "none" } })
  end)
end

-- Fields of a filter, as SQL.
local FILTERS <const> = {
  since = "time >= ?", ["until"] = "time < ?", result = "result = ?", station = "station = ?",
  mac = "mac = ?", serial = "serial = ?", port = "port = ?",
  -- a recipe is named by its path, or the end of it
  recipe = "(recipe = ? OR substr(recipe, length(recipe) - length(?)) = '/' || ?)",
}
local FILTER_NAMES <const> = { "since", "until", "result", "station", "mac", "serial", "recipe",
  "port" }

local function where(filter)
  local conditions, given = {}, {}
  for _, name in ipairs(FILTER_NAMES) do
    if filter[name] then
      conditions[#conditions + 1] = FILTERS[name]
      for _ = 1, select(2, FILTERS[name]:gsub("%?", "")) do given[#given + 1] = filter[name] end
    end
  end
  if #conditions == 0 then return "", given end
  return " WHERE " .. table.concat(conditions, " AND "), given
end

--- Runs that a filter lets through, oldest first.
-- @tparam db db
-- @tparam table filter `since`, `until` (ISO 8601, UTC), `result`, `station`, `mac`,
--   `serial`, `recipe`, `port`; `last`: only so many, the newest
-- @treturn {run,...}
function runs.list(db, filter)
  local condition, given = where(filter)
  local query = "SELECT * FROM moonflash_runs" .. condition
  if not filter.last then
    return db:rows(query .. " ORDER BY time, id", table.unpack(given))
  end
  return db:rows(("SELECT * FROM (%s ORDER BY time DESC, id DESC LIMIT %d) x ORDER BY time, id")
    :format(query, filter.last), table.unpack(given))
end

--- How many runs a filter lets through.
-- @tparam db db
-- @tparam table filter as for @{runs.list}
-- @treturn integer
function runs.count(db, filter)
  local condition, given = where(filter)
  return db:one("SELECT COUNT(*) AS count FROM moonflash_runs" .. condition,
    table.unpack(given)).count
end

--- Units: the last run of each, and how many there were.
-- @tparam db db
-- @tparam table filter as for @{runs.list}
-- @treturn {run,...} with `count`
function runs.units(db, filter)
  local condition, given = where(filter)
  condition = condition == "" and " WHERE mac IS NOT NULL" or condition .. " AND mac IS NOT NULL"
  return db:rows("SELECT r.*, c.count FROM moonflash_runs r JOIN (SELECT MAX(id) AS last,"
    .. " COUNT(*) AS count FROM moonflash_runs" .. condition .. " GROUP BY mac) c"
    .. " ON c.last = r.id ORDER BY r.time, r.id", table.unpack(given))
end

--- All runs of a unit, oldest first, with their parts.
-- @tparam db db
-- @tparam string mac
-- @treturn {run,...}
function runs.history(db, mac)
  local list = runs.list(db, { mac = mac })
  for _, run in ipairs(list) do
    run.parts = db:rows("SELECT name, addr, size, sha256 FROM moonflash_parts WHERE run = ?"
      .. " ORDER BY n", run.id)
  end
  return list
end

return runs
