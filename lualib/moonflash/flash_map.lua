--- A picture of flash as numbers: which sector belongs to what, and what is, or
-- will be, in it. Pure; @{moonflash.map_text} and @{moonflash.map_svg} draw it.
-- @module moonflash.flash_map
local layout <const> = require "moonflash.layout"
local numbers <const> = require "moonflash.numbers"

local flash_map = {}

local SECTOR <const> = 0x1000
local GRID_CELLS <const> = 1024      -- cells of a picture at most

--- What a sector can be, the more telling first: a cell that stands for several
-- sectors shows the first of these that one of them is.
flash_map.STATES = { "write", "erase", "used", "unknown", "blank" }

local function region_rows(regions, states)
  local rows = {}
  for _, r in ipairs(regions) do
    local row = { name = r.name, addr = r.addr, size = r.size, used = 0, write = 0, erase = 0,
      unknown = 0, blank = 0 }
    for sector = r.addr // SECTOR, (r.addr + r.size - 1) // SECTOR do
      local state = states[sector + 1]
      row[state] = row[state] + 1
    end
    rows[#rows + 1] = row
  end
  return rows
end

local function totals(rows)
  local sum = { used = 0, write = 0, erase = 0, unknown = 0, blank = 0 }
  for _, row in ipairs(rows) do
    for state in pairs(sum) do sum[state] = sum[state] + row[state] end
  end
  return sum
end

--- The regions to draw: those of the layout where it is known, else the firmware
-- as far as it reaches.
-- @tparam table facts from `identify.flash`
-- @treturn {region,...} ascending, without gaps
function flash_map.regions(facts)
  if facts.regions then return facts.regions end
  local list, last = {}, facts.firmware_end
  if last and not facts.blank then
    last = math.min((last + SECTOR - 1) // SECTOR * SECTOR, facts.flash_bytes)
    list[1] = { name = "firmware", addr = 0, size = last }
  end
  return layout.fill(list, facts.flash_bytes)
end

--- Makes the model of a picture.
-- @tparam table source
--
-- * `title`, `subtitle`: lines above it
-- * `size`: bytes of flash
-- * `regions`: ascending, without gaps (@{flash_map.regions})
-- * `state(addr)`: one of @{flash_map.STATES} for the sector at addr
-- @treturn table `title`, `subtitle`, `size`, `sectors` (a state each), `regions`
--   ({ name, addr, size, used, write, erase, unknown, blank }: counts of sectors),
--   `totals` of the same, `planned` (true when something would change)
function flash_map.new(source)
  local sectors = {}
  for i = 1, source.size // SECTOR do sectors[i] = source.state((i - 1) * SECTOR) end
  local rows = region_rows(source.regions, sectors)
  local sum = totals(rows)
  return { title = source.title, subtitle = source.subtitle, size = source.size,
    sectors = sectors, regions = rows, totals = sum, planned = sum.write + sum.erase > 0 }
end

local function telling(states, first, last)
  local seen = {}
  for i = first, last do seen[states[i]] = true end
  for _, state in ipairs(flash_map.STATES) do
    if seen[state] then return state end
  end
end

local function region_index(regions, addr, from)
  local i = from
  while regions[i + 1] and regions[i + 1].addr <= addr do i = i + 1 end
  return i
end

--- The cells of a picture: so many sectors each that all fit.
-- @tparam table model from @{flash_map.new}
-- @treturn {table,...} { addr, region (name), state }
-- @treturn integer bytes of a cell
function flash_map.cells(model)
  local per_cell = math.max(1, #model.sectors // GRID_CELLS)
  local cells, at = {}, 1
  for first = 1, #model.sectors, per_cell do
    local last = math.min(first + per_cell - 1, #model.sectors)
    local addr = (first - 1) * SECTOR
    at = region_index(model.regions, addr, at)
    cells[#cells + 1] = { addr = addr, region = model.regions[at].name,
      state = telling(model.sectors, first, last) }
  end
  return cells, per_cell * SECTOR
end

--- Bytes of a region that are not blank, after the plan when there is one.
-- @tparam table row of `model.regions`, or `model.totals`
-- @treturn integer
function flash_map.used_bytes(row) return (row.used + row.write + row.unknown) * SECTOR end

--- The line below a picture.
-- @tparam table model
-- @treturn string
function flash_map.summary(model)
  local sum, pieces = model.totals, {}
  local used = flash_map.used_bytes(sum)
  pieces[1] = ("%s of %s in use (%d %%)"):format(numbers.size_text(used),
    numbers.size_text(model.size), numbers.percent(used, model.size))
  if sum.write > 0 then
    pieces[#pieces + 1] = ("%s to write"):format(numbers.size_text(sum.write * SECTOR))
  end
  if sum.erase > 0 then
    pieces[#pieces + 1] = ("%s to erase"):format(numbers.size_text(sum.erase * SECTOR))
  end
  if sum.unknown > 0 then
    pieces[#pieces + 1] = ("%s not known"):format(numbers.size_text(sum.unknown * SECTOR))
  end
  return table.concat(pieces, ", ")
end

--- The model as plain data for JSON: regions and counts, no cells.
-- @tparam table model
-- @treturn table
function flash_map.to_table(model)
  local regions = {}
  for i, r in ipairs(model.regions) do
    regions[i] = { name = r.name, addr = r.addr, size = r.size, used_bytes = flash_map.used_bytes(r),
      write_bytes = r.write * SECTOR, erase_bytes = r.erase * SECTOR }
  end
  return { title = model.title, size = model.size, regions = regions,
    used_bytes = flash_map.used_bytes(model.totals) }
end

return flash_map
