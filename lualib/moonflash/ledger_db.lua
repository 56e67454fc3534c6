--- A database connection for the ledger: quoting, rows, transactions that are repeated
-- when another process was in the way or the server went away.
--
-- LuaSQL has no bound parameters for these databases. Statements are written with `?`,
-- and every value passes @{db:quote}: nothing else puts values into SQL.
-- @module moonflash.ledger_db
local dialects <const> = require "moonflash.ledger_dialects"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local schema <const> = require "moonflash.ledger_schema"

local db = {}
db.__index = db

-- How long a transaction is tried again, and the longest pause between.
local GIVE_UP_S <const>, LONGEST_PAUSE_MS <const> = 30, 200

local function driver_of(dialect)
  local ok, luasql = pcall(require, "luasql." .. dialect.driver)
  if ok then return luasql[dialect.driver]() end
  errors.raise("io", ("a ledger in %s needs LuaSQL, which is not installed"):format(dialect.name),
    { hint = "on Debian: apt install " .. dialect.package, cause = luasql })
end

-- What the driver says, in one line, without its own name.
local function words(message)
  message = tostring(message):gsub("^LuaSQL: ", ""):gsub("^error [%l ]+%. PostgreSQL: ", "")
  return (message:gsub("%s+$", ""):gsub("%s*[\r\n]+%s*", "; "))
end

local function fail(self, message)
  local code = self.dialect.not_ours and message:find(self.dialect.not_ours, 1, true) and "file"
  errors.raise(code or "io", ("ledger %s: %s"):format(self.shown, words(message)),
    { ledger = true })
end

--- A value as SQL.
-- @param value nil, boolean, number or string
-- @treturn string
-- @raise `argument` for bytes that a text column cannot hold: NUL, invalid UTF-8
function db:quote(value)
  local kind = math.type(value) or type(value)
  if kind == "nil" then return "NULL" end
  if kind == "boolean" then return value and "1" or "0" end
  if kind == "integer" then return ("%d"):format(value) end
  if kind == "float" then
    return value == value and math.abs(value) < math.huge and ("%.17g"):format(value) or "NULL"
  end
  if kind ~= "string" or value:find("\0", 1, true) or not utf8.len(value) then
    errors.raise("argument", "the ledger holds text: UTF-8 without zero bytes", { ledger = true,
      hint = "write bytes as hex or base64" })
  end
  return "'" .. self.conn:escape(value) .. "'"
end

-- Puts values where the `?` are. A statement has none in its own text.
local function fill(self, sql, ...)
  local values, i = table.pack(...), 0
  local filled = sql:gsub("%?", function()
    i = i + 1
    return (self:quote(values[i]))
  end)
  assert(i == values.n, "ledger: values do not match: " .. sql)
  return filled
end

local function run(self, sql, ...)
  local result, message = self.conn:execute(fill(self, sql, ...))
  if not result then fail(self, message) end
  return result
end

--- Runs a statement.
-- @tparam string sql with a `?` for each value
-- @param ... values
-- @treturn integer rows that it changed
function db:execute(sql, ...)
  local result = run(self, sql, ...)
  if type(result) == "number" then return math.tointeger(result) end
  result:close()
  return 0
end

local function converted(row)
  for name, value in pairs(row) do
    if schema.NUMBERS[name] and type(value) == "string" then
      row[name] = math.tointeger(value) or tonumber(value)
    end
  end
  return row
end

--- Runs a query.
-- @param sql,... as for @{db:execute}
-- @treturn {table,...} rows, values by column name
function db:rows(sql, ...)
  local cursor, rows = run(self, sql, ...), {}
  local row = cursor:fetch({}, "a")
  while row do
    rows[#rows + 1] = converted(row)
    row = cursor:fetch({}, "a")
  end
  cursor:close()
  return rows
end

--- The first row of a query, or nil.
function db:one(sql, ...) return self:rows(sql, ...)[1] end

--- The database's time: stations need not agree on theirs.
-- @treturn number seconds since 1970
function db:now() return self:one("SELECT " .. self.dialect.now .. " AS now").now end

local function connect(self)
  local conn, message = self.env:connect(self.where)
  if not conn then fail(self, message) end
  self.conn = conn
  for _, statement in ipairs(self.dialect.setup) do self:execute(statement) end
end

local function is_busy(self, e)
  for _, text in ipairs(self.dialect.busy) do
    if errors.is(e) and e.message:find(text, 1, true) then return true end
  end
  return false
end

-- After a failure: is the connection still there? The server's words are in its
-- language, so it is asked.
local function is_lost(self)
  return not self.conn or not pcall(self.one, self, "SELECT 1 AS count")
end

local function close(self)
  if self.conn then pcall(self.conn.close, self.conn) end
  self.conn = nil
end

-- Calls f until it works, fails for good, or time is up. `again(e)` decides.
local function patiently(f, again)
  local till, pause = esp.clock() + GIVE_UP_S, 5
  while true do
    local result = table.pack(pcall(f))
    if result[1] then return table.unpack(result, 2, result.n) end
    if not again(result[2]) or esp.clock() > till then error(result[2], 0) end
    esp.sleep(math.random(pause))
    pause = math.min(pause * 2, LONGEST_PAUSE_MS)
  end
end

--- Does all of something, or nothing. What is called may run more than once.
-- @tparam function f
-- @return what it returns
function db:transaction(f)
  return patiently(function()
    if not self.conn then connect(self) end
    self:execute(self.dialect.begin)
    local result = table.pack(f())
    self:execute "COMMIT"
    return table.unpack(result, 1, result.n)
  end, function(e)
    if self.conn then pcall(self.execute, self, "ROLLBACK") end
    if is_busy(self, e) then return true end
    if not (errors.is(e) and e.ledger) or not is_lost(self) then return false end
    close(self)
    return self.was_open          -- the first connection is made or refused at once
  end)
end

--- Does something as @{db:transaction}, and takes it back: proves that it could be done.
-- @tparam function f
function db:rehearse(f)
  local done = {}
  local ok, e = pcall(self.transaction, self, function()
    f()
    error(done, 0)
  end)
  if not ok and e ~= done then error(e, 0) end
end

--- Opens a database.
-- @tparam string url
-- @tparam[opt] boolean patient try for a while where it cannot be opened
-- @treturn db close it (`<close>`)
-- @raise `usage` for a URL of none, `io` where it cannot be opened, `file` where the
--   file is something else
function db.open(url, patient)
  local dialect, where = dialects.of(url)
  if not dialect or where == "" then
    errors.raise("usage", ("'%s' names no ledger"):format(dialects.shown(url)),
      { hint = "a file for SQLite, or postgres://USER@HOST/DATABASE" })
  end
  local self = setmetatable({ dialect = dialect, where = where, shown = dialects.shown(url),
    env = driver_of(dialect) }, db)
  local ok, e = pcall(patiently, function() connect(self) end, function(e)
    close(self)
    return is_busy(self, e) or patient and errors.is(e, "io")
  end)
  if not ok then
    self:close()
    error(e, 0)
  end
  self.was_open = true
  return self
end

--- Closes it; may be called twice.
function db:close()
  close(self)
  if self.env then pcall(self.env.close, self.env) end
  self.env = nil
end

db.__close = db.close

return db
