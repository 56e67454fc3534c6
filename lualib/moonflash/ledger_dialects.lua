--- What SQLite and PostgreSQL say differently, one row each; everything else of the
-- ledger is SQL that both understand. Pure.
-- @module moonflash.ledger_dialects
local dialects = {}

-- Seconds that a writer waits for another one.
local PATIENCE_MS <const> = 15000

--- SQLite, a file that the stations of one machine share.
--
-- The fields of a dialect: `name` for people; `driver` (LuaSQL's module, after
-- `luasql.`) and the Debian `package` that has it; `begin` of a transaction that
-- writes; `setup`, statements for a new connection; `identity`, the type of a column
-- that counts by itself; `now`, seconds since 1970; `has_table`, a query by a table's
-- name; `lock_schema`, a statement that keeps others from changing tables, or nil;
-- `for_update`, the end of a query whose rows are changed next; `busy`, words of the
-- errors after which another attempt makes sense; `not_ours`, of the error for a file
-- that is no database; `url_defaults`, options where a URL does not give them.
dialects.sqlite = {
  name = "SQLite", driver = "sqlite3", package = "lua-sql-sqlite3",
  -- takes the write lock at once: a lock that is upgraded later can only fail
  begin = "BEGIN IMMEDIATE",
  -- FULL: a number that was handed out survives a power cut of this machine
  setup = { ("PRAGMA busy_timeout=%d"):format(PATIENCE_MS), "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON" },
  identity = "INTEGER PRIMARY KEY AUTOINCREMENT",
  now = "(julianday('now') - 2440587.5) * 86400.0",
  has_table = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ?",
  lock_schema = nil,                        -- BEGIN IMMEDIATE has locked all of it
  for_update = "",
  -- the library's own words; it does not translate them
  busy = { "database is locked", "database table is locked", "database schema is locked" },
  not_ours = "file is not a database",
}

--- PostgreSQL, a server that many machines share; the same fields.
dialects.postgres = {
  name = "PostgreSQL", driver = "postgres", package = "lua-sql-postgres",
  begin = "BEGIN ISOLATION LEVEL READ COMMITTED",
  setup = { "SET client_encoding TO 'UTF8'", "SET standard_conforming_strings TO on",
    ("SET lock_timeout TO %d"):format(PATIENCE_MS), "SET synchronous_commit TO on" },
  identity = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
  now = "extract(epoch from clock_timestamp())",
  has_table = "SELECT relname AS name FROM pg_class WHERE oid = to_regclass(?)",
  lock_schema = "SELECT pg_advisory_xact_lock(7305804402)",   -- "moonf": any number of our own
  for_update = " FOR UPDATE",
  busy = {},                                -- its words are translated; see ledger_db
  -- what a URL says itself goes before these
  url_defaults = { "connect_timeout=10", "application_name=moonflash",
    "tcp_user_timeout=20000" },
}

--- Which database a URL names.
-- @tparam string url PATH, sqlite:PATH, postgres://... or postgresql://...
-- @treturn table|nil a row of this module; nil when it is none of these
-- @treturn string where: the path, or what the driver connects to
function dialects.of(url)
  local scheme, rest = url:match "^(%a[%w+.-]+):(.*)$"
  if not scheme then return dialects.sqlite, url end
  if scheme == "sqlite" then return dialects.sqlite, rest end
  if scheme ~= "postgres" and scheme ~= "postgresql" or rest:sub(1, 2) ~= "//" then return nil end
  for _, default in ipairs(dialects.postgres.url_defaults) do
    local name = default:match "^[%w_]+"
    if not url:find("[?&]" .. name .. "=") then
      url = url .. (url:find("?", 1, true) and "&" or "?") .. default
    end
  end
  return dialects.postgres, url
end

--- A URL that may be shown: without its password.
-- @tparam string url
-- @treturn string
function dialects.shown(url)
  -- up to the last @: better too little is shown than a piece of a password
  return (url:gsub("^(%a+://[^/@:]*):.*@", "%1@"):gsub("([?&]password=)[^&]*", "%1..."))
end

return dialects
