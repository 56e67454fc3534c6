--- Rows for a pool of the ledger, from a CSV (RFC 4180) or JSON file. Pure.
-- @module moonflash.ledger_import
local dkjson <const> = require "dkjson"
local errors <const> = require "moonflash.errors"
local unit_table <const> = require "moonflash.unit_table"
local values <const> = require "moonflash.ledger_values"

local import = {}

local function bad(name, line, message, hint)
  errors.raise("file", ("%s:%d: %s"):format(name, line, message), { hint = hint })
end

-- A row as the pool keeps it: the same values make the same text.
local function text_of(row, columns, name)
  local text = dkjson.encode(row.values, { keyorder = columns })
  if not utf8.len(text) then
    bad(name, row.line, "it is not UTF-8", "write bytes as hex or base64")
  end
  for _, value in pairs(row.values) do
    if type(value) == "string" and value:find("\0", 1, true) then
      bad(name, row.line, "it has a zero byte", "write bytes as hex or base64")
    end
  end
  return text
end

local function mac_of(row, name)
  local ok, mac = pcall(values.mac, row.values.mac)
  if ok then return mac end
  bad(name, row.line, ("'%s' is no MAC address"):format(tostring(row.values.mac)))
end

local function has(columns, wanted)
  for _, column in ipairs(columns) do
    if column == wanted then return true end
  end
  return false
end

-- Twice the same in one file is a mistake of whoever made it.
local function must_be_new(seen, key, row, name, what)
  if seen[key] then
    bad(name, row.line, ("%s is also in line %d"):format(what, seen[key]), "nothing was imported")
  end
  seen[key] = row.line
end

--- Reads rows.
-- @tparam string text
-- @tparam string name of the file; JSON when it ends in .json
-- @treturn {table,...} `text`, `line`, and `mac` where there is a column of that name;
--   `by_mac` says whether there is
-- @raise `file` with the line
function import.read(text, name)
  local rows, columns = unit_table.rows(text, name)
  if #rows == 0 then bad(name, 1, "it has no rows") end
  table.sort(columns)
  local list, seen = { by_mac = has(columns, "mac") }, {}
  for i, row in ipairs(rows) do
    local mac = list.by_mac and mac_of(row, name) or nil
    row.values.mac = mac
    local item = { text = text_of(row, columns, name), line = row.line, mac = mac }
    must_be_new(seen, item.text, row, name, "the same row")
    if item.mac then must_be_new(seen, item.mac, row, name, item.mac) end
    list[i] = item
  end
  return list
end

return import
