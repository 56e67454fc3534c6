--- CSV for other programs, as RFC 4180 has it. Pure.
-- @module moonflash.ledger_csv
local csv = {}

local function field(value)
  if value == nil then return "" end
  local text = math.type(value) == "float" and ("%.3f"):format(value) or tostring(value)
  if not text:find '[",\r\n]' and not text:find "^%s" and not text:find "%s$" then return text end
  return '"' .. text:gsub('"', '""') .. '"'
end

--- Writes rows.
-- @tparam {string,...} columns names, the first line
-- @tparam {table,...} rows values by column
-- @treturn string lines that end in CR LF
function csv.encode(columns, rows)
  local lines = {}
  local function add(get)
    local fields = {}
    for i, column in ipairs(columns) do fields[i] = field(get(column)) end
    lines[#lines + 1] = table.concat(fields, ",") .. "\r\n"
  end
  add(function(column) return column end)
  for _, row in ipairs(rows) do add(function(column) return row[column] end) end
  return table.concat(lines)
end

return csv
