--- Recipes on simulated boards: what `moonflash test` does for each test.
--
-- A test is a table in the recipe:
--
-- * `name`; `params`, `variant`, `serial`: as on the command line
-- * `board`: options of the simulated board, as `moonflash sim --help` lists them
-- * `given(t)`: puts into flash what was there before
-- * `expect(t)`: says what must be true afterwards (@{moonflash.board_test});
--   `t:run_again()` carries the recipe out once more on the same board
-- * `fails`: text of the error with which the recipe must refuse; flash must be as it
--   was then, unless `expect` says otherwise
-- * `pools`: rows of the ledger's pools by name
--
-- What a recipe writes on this machine goes into memory, and so does the ledger, which
-- all tests of one run share.
-- @module moonflash.recipe_trial
local board_test <const> = require "moonflash.board_test"
local errors <const> = require "moonflash.errors"
local numbers <const> = require "moonflash.numbers"
local recipe_unit <const> = require "moonflash.recipe_unit"

local trial = {}

-- ---- a ledger in memory ----

local ledger = {}
ledger.__index = ledger

function ledger:reserve(name, mac, opt)
  self.numbers[name] = self.numbers[name] or { last = (opt.first or 1) - 1 }
  local known = self.numbers[name]
  local fresh = known[mac] == nil
  if fresh then
    known.last = known.last + 1
    known[mac] = opt.format:format(known.last)
  end
  return known[mac], fresh
end

function ledger:take(pool, mac)
  local rows = self.pools[pool] or errors.raise("file", ("there is no pool '%s'"):format(pool))
  for _, row in ipairs(rows) do
    if self.taken[row] == mac then return row, false end
  end
  for _, row in ipairs(rows) do
    if not self.taken[row] then
      self.taken[row] = mac
      return row, true
    end
  end
  errors.raise("file", ("the pool '%s' is empty"):format(pool))
end

function ledger:use(mac) self.used[mac] = true end

function ledger:record(fields) self.records[#self.records + 1] = fields end

function ledger:close() end

--- A ledger that forgets everything when the program ends.
-- @tparam table pools rows by name
-- @treturn ledger
function trial.ledger(pools)
  return setmetatable({ numbers = {}, pools = pools or {}, taken = {}, used = {}, records = {} },
    ledger)
end

-- ---- files ----

-- The recipe's folder, with what is written going into memory.
local function in_memory(folder, labels)
  return {
    read = function(_, path) return folder:read(path) end,
    list = function(_, path) return folder:list(path) end,
    kind = function(_, path) return folder:kind(path) end,
    write = function(_, path, bytes) labels[path] = bytes end,
    append = function(_, path, bytes) labels[path] = (labels[path] or "") .. bytes end,
  }
end

-- ---- one test ----

local function make_flash(file, size)
  local f <close> = errors.check(io.open(file, "wb"))
  local piece = ("\xff"):rep(0x10000)
  for _ = 1, size // #piece do errors.check(f:write(piece)) end
end

local function board_of(test, extra, folder)
  local board = { size = "4M" }
  for name, value in pairs(folder:board(test.board)) do board[name] = value end
  for name, value in pairs(extra) do board[name] = value end
  return board
end

local function contents(file)
  local f <close> = io.open(file, "rb")
  return f and f:read("a") or nil
end

-- The run failed: is that what was wanted?
local function judge_failure(t, test, e, before)
  if not test.fails then error(e, 0) end
  local message = tostring(errors.wrap(e))
  t:expect(message:find(test.fails, 1, true) ~= nil, ("it refuses: %s"):format(test.fails))
  if not t.results[#t.results].ok then t.results[#t.results].why = "it said: " .. message end
  if not test.expect then
    local now = contents(t.file)
    t:expect(now == before or not before and not now:find("[^\xff]"), "flash is as it was")
  end
  t.error = message
end

--- Runs one test.
-- @tparam recipe recipe
-- @tparam table test
-- @tparam table given `opt` (the command's options), `file` (the board's flash),
--   `board` (options that win over the test's), `folder` (permissions), `base` (its
--   name), `source`, `ledger`, `values`, `variant`, `prefix`
-- @treturn {table,...} results for `board_test.tap`
function trial.run(recipe, test, given)
  local board, labels = board_of(test, given.board, given.folder), {}
  local folder = in_memory(given.folder, labels)
  local t = board_test.new(given.file, board, given.base, { labels = labels,
    prefix = given.prefix, read = function(path) return given.folder:read(path) end })
  if test.given then
    make_flash(given.file, numbers.parse(board.size, "board size"))
    test.given(t)
  end
  local values = {}
  for name, value in pairs(test.params or {}) do values[name] = value end
  for name, value in pairs(given.values or {}) do values[name] = value end
  local opt = setmetatable({ port = board_test.url(given.file, board), values = values,
    variant = given.variant or test.variant, serial = given.opt.serial or test.serial,
    source = given.source, permissions = folder, open_ledger = given.ledger,
    throw_away = true },
    { __index = given.opt })
  for name, rows in pairs(test.pools or {}) do given.ledger.pools[name] = rows end
  function t.run_again() return recipe:run(opt, given.base) end
  local before = test.fails and contents(given.file)
  local ok, result = pcall(recipe.run, recipe, opt, given.base)
  if not ok then
    judge_failure(t, test, result, before)
  elseif test.fails then
    t:expect(false, ("it refuses: %s"):format(test.fails))
  end
  t.summary, t.ledger = ok and result or nil, given.ledger
  if test.expect then test.expect(t) end
  return t.results
end

--- The tests of a recipe.
-- @tparam table description
-- @tparam[opt] string variant only those that are for it, or for any
-- @treturn {test,...} at least one, which may expect nothing
function trial.tests(description, variant)
  local given = description.test or {}
  local list = {}
  for _, test in ipairs(#given > 0 and given or { given }) do
    if not (variant and test.variant and test.variant ~= variant) then list[#list + 1] = test end
  end
  return list
end

--- Does a recipe ask for a ledger?
trial.needs_ledger = recipe_unit.needs_ledger

return trial
