--- Runs: one row for each command that wrote a chip, or tried to.
-- @module moonflash.ledger_runs
local items <const> = require "moonflash.ledger_items"
local schema <const> = require "moonflash.ledger_schema"
local times <const> = require "moonflash.ledger_times"

local runs = {}

-- Text of chips, files and people, as text that any database holds: what is no UTF-8,
-- and zero bytes, become escapes.
local function clean(value)
  if type(value) ~= "string" then return value end
  if utf8.len(value) and not value:find("\0", 1, true) then return value end
  return (value:gsub("[\0\x80-\xff]", function(c) return ("\\x%02x"):format(c:byte()) end))
end

-- An identity of its own, so that a record that is sent twice counts once.
local function identity()
  local f <close> = assert(io.open("/dev/urandom", "rb"))
  return (f:read(16):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function row_of(db, record)
  local row = {}
  for _, name in ipairs(schema.RUN_COLUMNS) do row[name] = clean(record[name]) end
  local e = record.error
  if type(e) == "table" then
    row.error, row.error_code, row.addr = clean(e.message), e.code, e.addr
  end
  row.uid = record.uid or identity()
  row.mac = record.mac and items.mac(record.mac)
  if math.type(record.time) then row.time = times.iso(record.time) end
  row.time = row.time or times.iso(db:one("SELECT " .. db.dialect.now .. " AS now").now)
  if type(record.durations) == "table" then
    row.durations = require("dkjson").encode(record.durations)
  end
  return row
end

local QUESTIONS <const> = ("?, "):rep(#schema.RUN_COLUMNS):sub(1, -3)
local INSERT <const> = ("INSERT INTO moonflash_runs (%s) VALUES (%s) ON CONFLICT (uid) DO NOTHING")
  :format(table.concat(schema.RUN_COLUMNS, ", "), QUESTIONS)

local function insert(db, row, parts)
  local values = {}
  for i, name in ipairs(schema.RUN_COLUMNS) do values[i] = row[name] end
  if db:execute(INSERT, table.unpack(values, 1, #schema.RUN_COLUMNS)) == 0 then return end
  local id = db:one("SELECT id FROM moonflash_runs WHERE uid = ?", row.uid).id
  for i, part in ipairs(parts or {}) do
    db:execute("INSERT INTO moonflash_parts (run, n, name, addr, size, sha256)"
      .. " VALUES (?, ?, ?, ?, ?, ?)", id, i, clean(part.name), part.addr, part.size, part.sha256)
  end
end

--- Records a run.
-- @tparam db db
-- @tparam table record
--
-- * `result`: "ok", "failed" (nothing was changed), "partial", "interrupted"
-- * `time`: when it began, seconds since 1970 or ISO 8601 in UTC; default now
-- * `seconds`, `station`, `operator`, `port`, `chip`, `mac`, `flash_id`, `flash_bytes`,
--   `serial`, `command`, `recipe`, `recipe_digest`, `firmware`, `version`, `exit`,
--   `retries`, `bytes`, `sectors_written`, `sectors_skipped`
-- * `error`: text, or an error of @{moonflash.errors}
-- * `durations`: seconds by what they were spent on
-- * `parts`: { name, addr, size, sha256 }
function runs.add(db, record)
  local row = row_of(db, record)
  db:transaction(function() insert(db, row, record.parts) end)
end

-- Fields of a filter, as SQL.
local FILTERS <const> = {
  since = "time >= ?", till = "time < ?", result = "result = ?", station = "station = ?",
  mac = "mac = ?", serial = "serial = ?", recipe = "recipe = ?", port = "port = ?",
}
local FILTER_NAMES <const> = { "since", "till", "result", "station", "mac", "serial", "recipe",
  "port" }

local function where(filter)
  local conditions, values = {}, {}
  for _, name in ipairs(FILTER_NAMES) do
    if filter[name] then
      conditions[#conditions + 1] = FILTERS[name]
      values[#values + 1] = filter[name]
    end
  end
  if #conditions == 0 then return "", values end
  return " WHERE " .. table.concat(conditions, " AND "), values
end

--- Runs that a filter lets through, oldest first.
-- @tparam db db
-- @tparam table filter `since`, `till` (ISO 8601, UTC), `result`, `station`, `mac`,
--   `serial`, `recipe`, `port`
-- @treturn {run,...}
function runs.list(db, filter)
  local condition, values = where(filter)
  return db:rows("SELECT * FROM moonflash_runs" .. condition .. " ORDER BY time, id",
    table.unpack(values))
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
