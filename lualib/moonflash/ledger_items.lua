--- Numbers and rows of which each unit gets one: serial numbers, one-time keys, rows by
-- MAC. Handing out takes two steps, so that nothing is given twice and nothing is lost
-- when a run breaks off: reserved for a unit, then used by it. A unit that comes again
-- gets the same again.
-- @module moonflash.ledger_items
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local values <const> = require "moonflash.ledger_values"

local items = {}

-- The pool, locked until the transaction ends; made when there is none and kind is given.
local function lock_pool(db, name, kind, first)
  if kind then
    db:execute([[INSERT INTO moonflash_pools (name, kind, next) VALUES (?, ?, ?)
      ON CONFLICT (name) DO NOTHING]], name, kind, first)
  end
  return db:one("SELECT name, kind, next FROM moonflash_pools WHERE name = ?"
    .. db.dialect.for_update, name)
end

local function own(db, pool, mac)
  return db:one([[SELECT n, text, state FROM moonflash_items WHERE pool = ? AND mac = ?]], pool,
    mac)
end

local function first_free(db, pool, mac)
  return db:one([[SELECT n, text FROM moonflash_items WHERE pool = ? AND state = 'free'
    AND (for_mac IS NULL OR for_mac = ?) ORDER BY n LIMIT 1]], pool, mac)
end

-- The unit's own item, or a free one that becomes its own. Returns nil when none is left.
local function reserve(db, pool, mac, station)
  local item = own(db, pool, mac)
  if item then return item, false end
  item = first_free(db, pool, mac)
  if not item then return nil end
  db:execute([[UPDATE moonflash_items SET state = 'reserved', mac = ?, station = ?,
    reserved_at = ?, used_at = NULL WHERE pool = ? AND n = ?]], mac, station, values.iso(db:now()), pool, item.n)
  return item, true
end

-- The text of a number; a format that cannot tell two numbers apart is refused.
local function numbered(format, n)
  local plain = format:gsub("%%%%", "")
  local _, count = plain:gsub("%%", "")
  if count ~= 1 or not plain:find "%%0?%d?%d?[dxX]" then
    errors.raise("argument", ("'%s' is no format for a number"):format(format),
      { hint = "like MF-%06d: one number in it, decimal (d) or hexadecimal (x, X)" })
  end
  return format:format(n)
end

local function add_item(db, pool, n, text, for_mac)
  return db:execute([[INSERT INTO moonflash_items (pool, n, text, digest, for_mac, state)
    VALUES (?, ?, ?, ?, ?, 'free') ON CONFLICT (pool, digest) DO NOTHING]], pool, n, text,
    esp.sha256(text), for_mac)
end

local function set_next(db, pool, next)
  db:execute("UPDATE moonflash_pools SET next = ? WHERE name = ?", next, pool)
end

local function check_kind(pool, kind)
  if pool.kind == kind then return end
  errors.raise("argument", ("pool '%s' holds %s"):format(pool.name, pool.kind == "numbers"
    and "numbers that are made on demand" or pool.kind == "macs" and "rows by MAC address"
    or "rows for any unit"), { hint = "use a pool of another name" })
end

--- Reserves a number for a unit.
-- @tparam db db
-- @tparam string name of the counter
-- @tparam string mac
-- @tparam table opt `first` (1), `format` ("%d"), `station`
-- @treturn string the number as text
-- @treturn boolean false when it was this unit's already
function items.reserve(db, name, mac, opt)
  mac = values.mac(mac)
  return db:transaction(function()
    local pool = lock_pool(db, name, "numbers", opt.first or 1)
    check_kind(pool, "numbers")
    local item, fresh = reserve(db, name, mac, opt.station)
    while not item do         -- a number of another format may have the same text
      add_item(db, name, pool.next, numbered(opt.format or "%d", pool.next))
      pool.next = pool.next + 1
      set_next(db, name, pool.next)
      item, fresh = reserve(db, name, mac, opt.station)
    end
    return item.text, fresh
  end)
end

--- Reserves a row of an imported pool for a unit.
-- @tparam db db
-- @tparam string name of the pool
-- @tparam string mac
-- @tparam[opt] string station
-- @treturn string the row, as it was imported
-- @treturn boolean false when it was this unit's already
-- @raise `range` when none is left, or none is for this unit
function items.take(db, name, mac, station)
  mac = values.mac(mac)
  return db:transaction(function()
    local pool = lock_pool(db, name)
    if not pool or pool.kind == "numbers" then
      errors.raise("argument", ("the ledger has no pool '%s'"):format(name),
        { hint = ("moonflash ledger import FILE --pool %s"):format(name) })
    end
    local item, fresh = reserve(db, name, mac, station)
    if item then return item.text, fresh end
    errors.raise("range", pool.kind == "macs" and ("pool '%s' has no row for %s"):format(name, mac)
      or ("pool '%s' is used up"):format(name))
  end)
end

-- What was reserved for the unit must be its own still: somebody may have released it.
local function must_own(db, mac, reserved)
  for pool, text in pairs(reserved) do
    local item = own(db, pool, mac)
    if not item or item.text ~= text then
      errors.raise("refused_by_policy", ("%s of '%s' was released while it was written to %s")
        :format(text, pool, mac), { exit = 8, changed = true,
        hint = "another unit may have got it: flash this one again" })
    end
  end
end

--- Marks all that a unit has reserved as used.
-- @tparam db db
-- @tparam string mac
-- @tparam[opt] table reserved text by pool: what this run has reserved for the unit
-- @treturn integer how many there were
-- @raise `refused_by_policy` with exit 8 when some of `reserved` is not its own any more
function items.use(db, mac, reserved)
  mac = values.mac(mac)
  return db:transaction(function()
    local count = db:execute([[UPDATE moonflash_items SET state = 'used', used_at = ?
      WHERE mac = ? AND state = 'reserved']], values.iso(db:now()), mac)
    must_own(db, mac, reserved or {})
    return count
  end)
end

--- What a unit has.
-- @tparam db db
-- @tparam string mac
-- @treturn {item,...} `pool`, `text`, `state`, `station`, `reserved_at`, `used_at`
function items.of_unit(db, mac)
  return db:rows([[SELECT pool, text, state, station, reserved_at, used_at FROM moonflash_items
    WHERE mac = ? ORDER BY pool]], values.mac(mac))
end

--- Whose number or row a text is.
-- @tparam db db
-- @tparam string text
-- @treturn {string,...} MAC addresses
function items.owners(db, text)
  local macs = {}
  for i, row in ipairs(db:rows([[SELECT DISTINCT mac FROM moonflash_items WHERE text = ?
    AND mac IS NOT NULL]], text)) do macs[i] = row.mac end
  return macs
end

--- Every pool, with how much of it is left.
-- @tparam db db
-- @treturn {pool,...} `name`, `kind`, `next`, `free`, `reserved`, `used`
function items.pools(db)
  local list, by_name = db:rows "SELECT name, kind, next FROM moonflash_pools ORDER BY name", {}
  for _, pool in ipairs(list) do
    by_name[pool.name] = pool
    pool.free, pool.reserved, pool.used = 0, 0, 0
  end
  for _, row in ipairs(db:rows [[SELECT pool, state, COUNT(*) AS count FROM moonflash_items
    GROUP BY pool, state]]) do by_name[row.pool][row.state] = row.count end
  return list
end

-- ---- reservations that nothing came of ----

local RESERVED <const> = [[SELECT i.pool, i.n, i.text, i.mac, i.station, i.reserved_at,
  (SELECT COUNT(*) FROM moonflash_runs r WHERE r.mac = i.mac AND r.result = 'ok'
   AND COALESCE(r.ended, r.time) >= i.reserved_at) AS count
  FROM moonflash_items i WHERE i.state = 'reserved' ORDER BY i.pool, i.n]]

--- Reservations that did not become used, in the order of their pools.
-- @tparam db db
-- @tparam[opt] table filter `macs` = { [mac] = true }, `pool`, `before` (ISO 8601: reserved
--   before that)
-- @treturn {item,...} `pool`, `n`, `text`, `mac`, `station`, `reserved_at`; `count`: good
--   runs of that unit since, whose number may be in its flash
function items.reservations(db, filter)
  local list = {}
  filter = filter or {}
  for _, item in ipairs(db:rows(RESERVED)) do
    if (not filter.macs or filter.macs[item.mac]) and (not filter.pool or filter.pool == item.pool)
      and (not filter.before or item.reserved_at < filter.before) then list[#list + 1] = item end
  end
  return list
end

--- Takes reservations back: the next units get what was reserved.
-- @tparam db db
-- @tparam table filter as for @{items.reservations}
-- @tparam[opt] boolean force also those of units that had a good run since
-- @treturn {item,...} released
-- @treturn {item,...} not released, because of a good run
function items.release(db, filter, force)
  return db:transaction(function()
    for _, pool in ipairs(db:rows "SELECT name FROM moonflash_pools ORDER BY name") do
      lock_pool(db, pool.name)
    end
    local released, kept = {}, {}
    for _, item in ipairs(items.reservations(db, filter)) do
      if item.count > 0 and not force then
        kept[#kept + 1] = item
      else
        released[#released + 1] = item
        db:execute([[UPDATE moonflash_items SET state = 'free', mac = NULL, station = NULL,
          reserved_at = NULL WHERE pool = ? AND n = ? AND state = 'reserved']], item.pool, item.n)
      end
    end
    return released, kept
  end)
end

-- ---- importing ----

-- A row of a unit that has another one already is an error, not a second row.
local function import_row(db, pool, row, name)
  if row.mac then
    local old = db:one("SELECT text FROM moonflash_items WHERE pool = ? AND for_mac = ?",
      pool.name, row.mac)
    if old and old.text ~= row.text then
      errors.raise("file", ("%s:%d: %s has another row in pool '%s' already"):format(name, row.line,
        row.mac, pool.name))
    end
  end
  local new = add_item(db, pool.name, pool.next, row.text, row.mac)
  pool.next = pool.next + new
  return new
end

--- Adds rows to a pool; makes it when there is none.
-- @tparam db db
-- @tparam string name of the pool
-- @tparam table rows from @{moonflash.ledger_import.read}
-- @tparam string file for messages
-- @treturn integer how many are new; the others were there already
function items.import(db, name, rows, file)
  return db:transaction(function()
    local kind = rows.by_mac and "macs" or "rows"
    local pool, added = lock_pool(db, name, kind, 1), 0
    check_kind(pool, kind)
    for _, row in ipairs(rows) do added = added + import_row(db, pool, row, file) end
    set_next(db, name, pool.next)
    return added
  end)
end

return items
