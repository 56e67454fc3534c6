--- The unit that is being flashed: who it is, its row, its serial number, and the
-- values that templates get.
-- @module moonflash.recipe_unit
local errors <const> = require "moonflash.errors"
local unit_table <const> = require "moonflash.unit_table"
local where <const> = require "moonflash.recipe_where"

local recipe_unit = {}

--- Names that every unit has a value for.
recipe_unit.ALWAYS = { "mac", "mac_plain", "chip_id", "chip", "variant" }

local DEFAULT_FORMAT <const> = "%06d"

--- Reads the table of units that a recipe names.
-- @tparam table d description
-- @tparam table folder permissions
-- @tparam table source for the line
-- @tparam[opt] string path of another file, given on the command line
-- @treturn table|nil from `unit_table.read`
-- @raise `file`
function recipe_unit.read(d, folder, source, path)
  local named = type(d.units) == "string" and d.units or type(d.units) == "table" and d.units.file
  path = path or named
  if not path then return nil end
  return where.within(where.field(source.text, source.file, { "units" }), function()
    return unit_table.read(folder:read(path), path)
  end)
end

--- What a recipe needs a ledger for; nil when it needs none.
function recipe_unit.needs_ledger(d, opt)
  if d.serial and not opt.serial then return "serial numbers" end
  if type(d.units) == "table" and d.units.pool then return "a pool" end
end

--- The names that templates of this recipe may use, before there is a unit; nil when
-- only its `unit` function knows.
-- @tparam table d description
-- @tparam table params values by name
-- @tparam table|nil units
-- @treturn table|nil { name = true }
function recipe_unit.names(d, params, units)
  if d.unit or type(d.units) == "table" and d.units.pool then return nil end
  local names = {}
  for _, name in ipairs(recipe_unit.ALWAYS) do names[name] = true end
  for name in pairs(params) do names[name] = true end
  for _, column in ipairs(units and units.columns or {}) do names[column] = true end
  if d.serial then names.serial = true end
  return names
end

local function take_serial(u, d, ledger, opt)
  if opt.serial then
    u.serial = opt.serial
  elseif d.serial and opt.dry_run then
    u.serial = (d.serial.format or DEFAULT_FORMAT):format(d.serial.first or 1)
  elseif d.serial then
    u.serial, u.serial_is_new = ledger:reserve(d.serial.name or "serial", u.mac,
      { first = d.serial.first or 1, format = d.serial.format or DEFAULT_FORMAT })
  end
end

-- Stands for a row that a dry run does not take.
local any_row <const> = { __index = function(_, name)
  return type(name) == "string" and ("(%s)"):format(name) or nil
end }

local function take_from_pool(u, pool, ledger, opt)
  if opt.dry_run then
    u.row = setmetatable({}, any_row)
  else
    u.row, u.row_is_new = ledger:take(pool, u.mac)
  end
end

-- A unit that is not of this lot must not use up a serial number; one that is known by
-- its number must have it first.
local function take_row_and_serial(u, d, units, ledger, opt)
  local pool = type(d.units) == "table" and d.units.pool
  u.row = units and unit_table.find(units, u)
  if units and not u.row and not units.by_serial then unit_table.none(units, u) end
  if pool then take_from_pool(u, pool, ledger, opt) end
  take_serial(u, d, ledger, opt)
  if units and not u.row then u.row = unit_table.find(units, u) or unit_table.none(units, u) end
  local told = u.row and u.row.serial
  if not u.serial and told and told ~= "" then u.serial = tostring(told) end
end

--- Finds out who the unit is.
-- @tparam table d description
-- @tparam table chip of the device
-- @tparam table given `units`, `ledger`, `params`, `variant`, `board` (`recipe_dev`)
-- @tparam table opt `serial`, `dry_run`
-- @treturn table u: `mac`, `chip_id` (hex), `chip`, `serial`, `row`, `params`
-- @treturn table values for templates
-- @raise `wrong_chip` when it has no row; what the recipe's function raises
function recipe_unit.identify(d, chip, given, opt)
  local u = { mac = chip.mac, chip_id = ("%06x"):format(chip.chip_id), chip = chip.chip,
    params = given.params, variant = given.variant }
  take_row_and_serial(u, d, given.units, given.ledger, opt)
  local values = {}
  for name, value in pairs(given.params) do values[name] = value end
  for name, value in pairs(u.row or {}) do values[name] = value end
  values.mac, values.chip_id, values.chip = u.mac, u.chip_id, u.chip
  values.mac_plain, values.variant = u.mac:gsub(":", ""), given.variant
  values.serial = u.serial
  if getmetatable(u.row or {}) == any_row then setmetatable(values, any_row) end
  if d.unit then
    local result = d.unit(u, given.board)
    if type(result) ~= "table" then
      errors.raise("script", ("the recipe's function 'unit' returned a %s, not a table"):format(
        type(result)), { hint = "unit = function(u) return { name = value } end" })
    end
    for name, value in pairs(result) do values[name] = value end
  end
  return u, values
end

return recipe_unit
