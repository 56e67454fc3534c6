--- The ledger's tables, by version, and how an older one becomes the newest. Pure.
--
-- A migration that was released is never changed; a new one is added behind it.
-- `$identity` is what the dialect calls a column that counts up by itself.
-- @module moonflash.ledger_schema
local schema = {}

--- Statements that bring version n - 1 to n.
schema.MIGRATIONS = {
  {
    [[CREATE TABLE moonflash_schema (version INTEGER NOT NULL)]],
    [[INSERT INTO moonflash_schema (version) VALUES (0)]],
    -- one row for each run of a command that writes a chip; time is when it began, UTC
    [[CREATE TABLE moonflash_runs (
      id $identity, uid TEXT NOT NULL UNIQUE, time TEXT NOT NULL, seconds DOUBLE PRECISION,
      station TEXT, operator TEXT, port TEXT, chip TEXT, mac TEXT, flash_id TEXT,
      flash_bytes BIGINT, serial TEXT, command TEXT, recipe TEXT, recipe_digest TEXT,
      firmware TEXT, version TEXT, result TEXT NOT NULL, exit INTEGER, error_code TEXT,
      error TEXT, addr BIGINT, retries INTEGER, bytes BIGINT, sectors_written INTEGER,
      sectors_skipped INTEGER, durations TEXT)]],
    [[CREATE INDEX moonflash_runs_mac ON moonflash_runs (mac)]],
    [[CREATE INDEX moonflash_runs_time ON moonflash_runs (time)]],
    [[CREATE TABLE moonflash_parts (
      run BIGINT NOT NULL REFERENCES moonflash_runs (id), n INTEGER NOT NULL, name TEXT,
      addr BIGINT, size BIGINT, sha256 TEXT, PRIMARY KEY (run, n))]],
    -- kind: 'numbers' are made on demand, 'rows' were imported, 'macs' too and each is
    -- for one unit
    [[CREATE TABLE moonflash_pools (
      name TEXT PRIMARY KEY, kind TEXT NOT NULL, next BIGINT NOT NULL)]],
    -- state: 'free', 'reserved' for the unit mac, 'used' by it; n counts within the pool
    [[CREATE TABLE moonflash_items (
      pool TEXT NOT NULL REFERENCES moonflash_pools (name), n BIGINT NOT NULL,
      text TEXT NOT NULL, digest TEXT NOT NULL, for_mac TEXT, state TEXT NOT NULL, mac TEXT,
      station TEXT, reserved_at TEXT, used_at TEXT, PRIMARY KEY (pool, n), UNIQUE (pool, digest),
      UNIQUE (pool, mac), UNIQUE (pool, for_mac))]],
    [[CREATE INDEX moonflash_items_state ON moonflash_items (pool, state, n)]],
    [[CREATE INDEX moonflash_items_mac ON moonflash_items (mac)]],
  },
  {
    [[ALTER TABLE moonflash_runs ADD COLUMN ended TEXT]],
    [[ALTER TABLE moonflash_runs ADD COLUMN baud INTEGER]],
    [[ALTER TABLE moonflash_runs ADD COLUMN rate DOUBLE PRECISION]],
    [[ALTER TABLE moonflash_runs ADD COLUMN warnings INTEGER]],
    [[CREATE INDEX moonflash_runs_serial ON moonflash_runs (serial)]],
  },
}

--- The version that this program writes.
schema.VERSION = #schema.MIGRATIONS

-- Columns that hold numbers, and the largest that PostgreSQL takes for each.
local KINDS <const> = {
  [0x7fffffff] = "version_number exit retries sectors_written sectors_skipped baud warnings",
  [math.maxinteger] = "id run n next addr size flash_bytes bytes count",
  [math.huge] = "seconds rate now",
}

--- The largest number of each column that holds some: PostgreSQL's driver hands
-- everything out as text.
schema.NUMBERS = {}
for largest, names in pairs(KINDS) do
  for name in names:gmatch "%S+" do schema.NUMBERS[name] = largest end
end

--- The columns of a run that are copied from a record.
schema.RUN_COLUMNS = { "uid", "time", "ended", "seconds", "station", "operator", "port", "chip", "mac",
  "flash_id", "flash_bytes", "serial", "command", "recipe", "recipe_digest", "firmware",
  "version", "result", "exit", "error_code", "error", "addr", "retries", "bytes",
  "sectors_written", "sectors_skipped", "durations", "baud", "rate", "warnings" }

return schema
