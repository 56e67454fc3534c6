--- What a mistyped word may have been meant to be. Pure.
-- @module moonflash.nearest
local nearest = {}

-- How many edits (insert, delete, replace, swap neighbours) lead from a to b.
local function distance(a, b)
  local rows = { [0] = {} }
  for j = 0, #b do rows[0][j] = j end
  for i = 1, #a do
    rows[i] = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local d = math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1,
        rows[i - 1][j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        d = math.min(d, rows[i - 2][j - 2] + 1)
      end
      rows[i][j] = d
    end
  end
  return rows[#a][#b]
end

--- The names nearest to a mistyped one.
-- @tparam string word what was typed
-- @tparam {string,...} names what there is
-- @treturn {string,...} near ones, nearest first; may be empty
function nearest.find(word, names)
  local near = {}
  for _, name in ipairs(names) do
    local d = distance(word, name)
    if d <= math.max(1, #name // 3) then near[#near + 1] = { d, name } end
  end
  table.sort(near, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
  for i, n in ipairs(near) do near[i] = n[2] end
  return near
end

--- The hint for a word that there is not.
-- @tparam string word what was typed
-- @tparam {string,...} names what there is
-- @tparam[opt] string otherwise the hint when nothing is near
-- @treturn string|nil "did you mean 'x'?"
function nearest.hint(word, names, otherwise)
  local near = nearest.find(word, names)
  if #near == 0 then return otherwise end
  return ("did you mean '%s'?"):format(table.concat(near, "' or '"))
end

return nearest
