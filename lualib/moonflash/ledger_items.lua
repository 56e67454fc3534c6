--- Numbers and rows of which each unit gets one: serial numbers, one-time keys, rows by
-- MAC. Handing out takes two steps, so that nothing is given twice and nothing is lost
-- when a run breaks off: reserved for a unit, then used by it. A unit that comes again
-- gets the same again.
-- @module moonflash.ledger_items
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local times <const> = require "moonflash.ledger_times"

local items = {}

--- A MAC address as the ledger keeps it.
-- @tparam string mac with colons, dashes or nothing between
-- @treturn string "60:01:94:a5:b6:9c"
-- @raise `argument`
function items.mac(mac)
  local digits = type(mac) == "string" and mac:lower():gsub("[:%-. ]", "") or ""
  if not digits:match(("^" .. ("%x"):rep(12) .. "$")) then
    errors.raise("argument", ("'%s' is no MAC address"):format(tostring(mac)),
      { hint = "written like 60:01:94:a5:b6:9c" })
  end
  return (digits:gsub("%x%x", "%0:"):sub(1, -2))
end

local function now(db) return times.iso(db:one("SELECT " .. db.dialect.now .. " AS now").now) end

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
    reserved_at = ?, used_at = NULL WHERE pool = ? AND n = ?]], mac, station, now(db), pool, item.n)
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

--- Reserves a number for a unit.
-- @tparam db db
-- @tparam string name of the counter
-- @tparam string mac
-- @tparam table opt `first` (1), `format` ("%d"), `station`
-- @treturn string the number as text
-- @treturn boolean false when it was this unit's already
function items.reserve(db, name, mac, opt)
  mac = items.mac(mac)
  return db:transaction(function()
    local pool = lock_pool(db, name, "numbers", opt.first or 1)
    if pool.kind ~= "numbers" then
      errors.raise("argument", ("'%s' is a pool of imported rows, no counter"):format(name))
    end
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
  mac = items.mac(mac)
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

--- Marks all that a unit has reserved as used.
-- @tparam db db
-- @tparam string mac
-- @treturn integer how many there were
function items.use(db, mac)
  mac = items.mac(mac)
  return db:transaction(function()
    return db:execute([[UPDATE moonflash_items SET state = 'used', used_at = ?
      WHERE mac = ? AND state = 'reserved']], now(db), mac)
  end)
end

return items
