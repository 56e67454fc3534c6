--- A stage's places in flash as lines for people and as data. Pure.
-- @module moonflash.recipe_map
local numbers <const> = require "moonflash.numbers"
local text <const> = require "moonflash.text"

local map = {}

local function rows_of(parts, keep)
  local rows = {}
  for _, part in ipairs(parts) do
    rows[#rows + 1] = { addr = part.addr, size = part.data and #part.data or part.size,
      action = part.data and "write" or "blank", name = part.name }
  end
  for _, range in ipairs(keep) do
    rows[#rows + 1] = { addr = range.addr, size = range.size, action = "keep", name = range.name }
  end
  return rows
end

local function touched(region, rows)
  for _, row in ipairs(rows) do
    if row.addr < region.addr + region.size and region.addr < row.addr + row.size then
      return true
    end
  end
  return false
end

-- A blank region is shown without what data takes of it.
local function order(a, b)
  if a.addr ~= b.addr then return a.addr < b.addr end
  if a.action ~= b.action then return a.action > b.action end
  return a.size > b.size
end

-- A blank region that data covers, or another blank one, says nothing.
local function hidden(row, rows)
  if row.action ~= "blank" then return false end
  for _, other in ipairs(rows) do
    local covers = other.addr <= row.addr and other.addr + other.size >= row.addr + row.size
    local more = other.action == "write" or other.action == "blank" and other.size > row.size
    if other ~= row and covers and more then return true end
  end
  return false
end

local function without_hidden(rows)
  local seen = {}
  for _, row in ipairs(rows) do
    if not hidden(row, rows) then seen[#seen + 1] = row end
  end
  return seen
end

--- The rows: what is written, blanked and kept, and the regions that none of it
-- touches.
-- @tparam table r from `recipe_place.stage`
-- @tparam {region,...}|nil layout of the chip afterwards
-- @treturn {table,...} `addr`, `size`, `action` ("write", "blank", "keep", "as is"),
--   `name`; ascending
function map.rows(r, layout)
  local rows = without_hidden(rows_of(r.parts, r.keep))
  local untouched = {}
  for _, region in ipairs(layout or {}) do
    if not touched(region, rows) and region.name ~= "free" then
      untouched[#untouched + 1] = { addr = region.addr, size = region.size, action = "as is",
        name = region.name }
    end
  end
  table.move(untouched, 1, #untouched, #rows + 1, rows)
  table.sort(rows, order)
  return rows
end

--- The rows for people.
-- @tparam {table,...} rows
-- @treturn {string,...}
function map.lines(rows)
  local lines = {}
  for i, row in ipairs(rows) do
    lines[i] = ("  %s  %-5s  %9s  %s"):format(numbers.range_text(row.addr, row.size), row.action,
      row.size % 1024 == 0 and numbers.size_text(row.size) or ("%d B"):format(row.size),
      text.shorten(text.escape(row.name), 60))
  end
  return lines
end

return map
