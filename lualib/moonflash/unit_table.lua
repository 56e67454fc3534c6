--- Data per unit: rows of a CSV or JSON file, found by what a unit is. Pure.
--
-- A CSV file (RFC 4180) names its columns in the first line; a JSON file is a list
-- of objects, or an object of objects whose names are MAC addresses, chip ids or
-- serial numbers.
-- @module moonflash.unit_table
local errors <const> = require "moonflash.errors"
local json <const> = require "dkjson"

local unit_table = {}

--- Columns by which a unit is found, in this order.
unit_table.KEYS = { "mac", "chip_id", "serial" }

local ALIASES <const> = { chipid = "chip_id", ["chip-id"] = "chip_id", ["chip id"] = "chip_id",
  ["serial number"] = "serial", serial_number = "serial" }

local function bad(name, line, message)
  errors.raise("file", ("%s:%d: %s"):format(name, line, message))
end

--- A MAC address, chip id (in hex, or an integer) or serial number in one spelling.
-- @tparam string key "mac", "chip_id" or "serial"
-- @param value
-- @treturn string
function unit_table.normal(key, value)
  local text = tostring(value):match("^%s*(.-)%s*$")
  if key == "mac" then return (text:lower():gsub("[:%-%. ]", "")) end
  if key == "chip_id" then
    if math.type(value) == "integer" then text = ("%x"):format(value) end
    return (text:lower():gsub("^0x", ""):gsub("^0+", ""))
  end
  return text
end

-- ---- CSV ----

-- The fields of the record that starts at `at`; the position behind it.
local function record(text, at, separator, name, line)
  local fields = {}
  while true do
    local field
    if text:sub(at, at) == '"' then
      local pieces, from = {}, at + 1
      while true do
        local quote = text:find('"', from, true) or bad(name, line, "a quote is not closed")
        pieces[#pieces + 1] = text:sub(from, quote - 1)
        at, from = quote + 1, quote + 2
        if text:sub(at, at) ~= '"' then break end
        pieces[#pieces + 1] = '"'
      end
      field = table.concat(pieces)
    else
      local last = text:find("[" .. separator .. "\r\n]", at) or #text + 1
      field = text:sub(at, last - 1)
      at = last
    end
    fields[#fields + 1] = field
    local next_char = text:sub(at, at)
    if next_char == separator then
      at = at + 1
    elseif next_char == "" or next_char == "\n" or next_char == "\r" then
      local _, last = text:find("^\r?\n?", at)
      return fields, last + 1
    else
      bad(name, line, "a quote is followed by text")
    end
  end
end

local function column_name(word)
  word = word:match("^%s*(.-)%s*$"):lower()
  return ALIASES[word] or word:gsub("[%s%-]+", "_")
end

local function columns_of(fields, name)
  local seen = {}
  for i, field in ipairs(fields) do
    fields[i] = column_name(field)
    if fields[i] == "" then bad(name, 1, ("column %d has no name"):format(i)) end
    if seen[fields[i]] then bad(name, 1, ("there are two columns '%s'"):format(fields[i])) end
    seen[fields[i]] = true
  end
  return fields
end

local function from_csv(text, name)
  text = text:gsub("^\xef\xbb\xbf", "")
  local first = text:match("^[^\r\n]*")
  local separator = not first:find(",", 1, true) and first:find(";", 1, true) and ";" or ","
  local rows, at, line, columns = {}, 1, 1, nil
  while at <= #text do
    local fields, after = record(text, at, separator, name, line)
    local empty = #fields == 1 and fields[1] == ""
    if not columns then
      columns = columns_of(fields, name)
    elseif not empty and #fields ~= #columns then
      bad(name, line, ("it has %d fields, the first line names %d"):format(#fields, #columns))
    elseif not empty then
      local row = {}
      for i, column in ipairs(columns) do row[column] = fields[i] end
      rows[#rows + 1] = { values = row, line = line }
    end
    line = line + select(2, text:sub(at, after - 1):gsub("\n", ""))
    at = after
  end
  return rows, columns or {}
end

-- ---- JSON ----

local function from_json(text, name)
  local value, _, why = json.decode(text)
  if type(value) ~= "table" then bad(name, 1, why or "it is neither a list nor an object") end
  local rows, seen, columns = {}, {}, {}
  local function add(key, object)
    if type(object) ~= "table" then bad(name, 1, ("entry %s is no object"):format(key)) end
    local row = {}
    for k, v in pairs(object) do
      row[column_name(tostring(k))] = v
      seen[column_name(tostring(k))] = true
    end
    if type(key) == "string" and not (row.mac or row.chip_id or row.serial) then
      local kind = #unit_table.normal("mac", key) == 12 and key:find("^[%x:%-%.]+$") and "mac"
        or key:find("^0?x?%x%x%x%x%x%x?%x?%x?$") and "chip_id" or "serial"
      row[kind], seen[kind] = key, true
    end
    rows[#rows + 1] = { values = row, line = 1 }
  end
  if #value > 0 then
    for i, object in ipairs(value) do add(i, object) end
  else
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys)
    for _, key in ipairs(keys) do add(key, value[key]) end
  end
  for column in pairs(seen) do columns[#columns + 1] = column end
  table.sort(columns)
  return rows, columns
end

-- ---- any ----

-- Rows by each key column; two rows for one unit are an error.
local function index(rows, name)
  local by = {}
  for _, key in ipairs(unit_table.KEYS) do
    by[key] = {}
    for _, row in ipairs(rows) do
      local value = row.values[key]
      if value ~= nil and value ~= "" then
        local word = unit_table.normal(key, value)
        if key == "mac" and not word:match("^%x%x%x%x%x%x%x%x%x%x%x%x$") then
          bad(name, row.line, ("'%s' is no MAC address"):format(value))
        end
        local other = by[key][word]
        if other then
          bad(name, row.line, ("%s %s is there twice, also in line %d"):format(key, value,
            other.line))
        end
        by[key][word] = row
      end
    end
  end
  return by
end

--- Reads rows.
-- @tparam string text
-- @tparam string name of the file; JSON when it ends in .json
-- @treturn {table,...} `values` by column, `line`
-- @treturn {string,...} columns
-- @raise `file` with the line
function unit_table.rows(text, name)
  if name:lower():match("%.json$") then return from_json(text, name) end
  return from_csv(text, name)
end

--- Reads a file of units.
-- @tparam string text
-- @tparam string name of the file; JSON when it ends in .json
-- @treturn table `rows` ({ values, line }), `columns` (names), `by` (rows by key),
--   `by_serial` (true when some have a serial number)
-- @raise `file` with the line
function unit_table.read(text, name)
  local rows, columns = unit_table.rows(text, name)
  local by, keyed = index(rows, name), false
  for _, column in ipairs(columns) do
    keyed = keyed or by[column] ~= nil
  end
  if not keyed then
    bad(name, 1, "it has no column 'mac', 'chip_id' or 'serial' to know a unit by")
  end
  return { rows = rows, columns = columns, by = by, name = name,
    by_serial = next(by.serial) ~= nil }
end

--- The row of a unit.
-- @tparam table units from @{unit_table.read}
-- @tparam table unit `mac`, `chip_id`, `serial`; what is not known is nil
-- @treturn table|nil values by column
function unit_table.find(units, unit)
  for _, key in ipairs(unit_table.KEYS) do
    local row = unit[key] and units.by[key][unit_table.normal(key, unit[key])]
    if row then return row.values end
  end
end

--- Refuses a unit without a row.
-- @raise `wrong_chip`
function unit_table.none(units, unit)
  errors.raise("wrong_chip", ("%s has no row for this unit (MAC %s, chip id %s%s)"):format(
    units.name, unit.mac, unit.chip_id, unit.serial and ", serial " .. unit.serial or ""),
    { hint = "nothing was written; is it a board of this lot?" })
end

return unit_table
