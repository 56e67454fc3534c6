--- Recipes made of recipes: what one that includes another, or a variant, changes.
-- Pure.
--
-- The rules, in this order, for each field of the later one:
--
-- * `parts`: a part takes the place of the earlier one of the same kind (firmware,
--   init data, partition table, file system, Lua Flash Store, backup), address
--   (`mf.file`, `mf.bytes`), region or label file; what has no counterpart is added
--   behind. Functions of the parameters are called first.
-- * `before`, `after`, `on_error` and `steps`: the earlier one's are called, then the
--   later one's
-- * `flash`, `params`, `variants`, `serial`: field by field, the later one wins
-- * anything else: the later one wins
-- @module moonflash.recipe_merge
local parts <const> = require "moonflash.recipe_parts"

local merge = {}

local function both(first, second)
  if not first or not second then return first or second end
  return function(...)
    first(...)
    return second(...)
  end
end

local function by_field(first, second)
  local all = {}
  for k, v in pairs(first or {}) do all[k] = v end
  for k, v in pairs(second or {}) do all[k] = v end
  return all
end

local function hooks(first, second)
  local all = by_field(first)
  for name, f in pairs(second or {}) do all[name] = both(all[name], f) end
  return all
end

-- A parameter may be its default alone.
local function param_table(value)
  if type(value) == "table" then return value end
  return { default = value }
end

local function params(first, second)
  local all = by_field(first)
  for name, p in pairs(second or {}) do
    if all[name] == nil then
      all[name] = p
    else
      local merged = by_field(param_table(all[name]), param_table(p))
      -- a default makes what was required no longer so, and the other way round
      if param_table(p).default ~= nil then merged.required = nil end
      if param_table(p).required then merged.default = nil end
      if type(all[name]) ~= "table" and not merged.type then
        merged.type = math.type(all[name]) == "float" and "number" or math.type(all[name])
          or type(all[name])
      end
      all[name] = merged
    end
  end
  return all
end

local function part_list(value, p)
  if type(value) == "function" then return value(p) end
  return value or {}
end

local function join_parts(first, second)
  local list, place = {}, {}
  for _, part in ipairs(first) do
    list[#list + 1] = part
    if parts.is(part) then place[parts.key(part)] = #list end
  end
  for _, part in ipairs(second) do
    local at = parts.is(part) and place[parts.key(part)]
    if at then
      list[at] = part
    else
      list[#list + 1] = part
    end
  end
  return list
end

local function all_parts(first, second)
  if not first or not second then return first or second end
  if type(first) == "table" and type(second) == "table" then return join_parts(first, second) end
  return function(p) return join_parts(part_list(first, p), part_list(second, p)) end
end

local HOW <const> = { parts = all_parts, before = both, after = both, on_error = both,
  steps = hooks, flash = by_field, params = params, serial = by_field }

function HOW.variants(first, second)
  local all = by_field(first)
  for name, v in pairs(second or {}) do
    all[name] = all[name] and merge.two(all[name], v) or v
  end
  return all
end

--- Merges two descriptions.
-- @tparam table first the included recipe, or the recipe itself
-- @tparam table second the one that includes it, or the variant
-- @treturn table a new description
function merge.two(first, second)
  local all = {}
  for name, value in pairs(first) do all[name] = value end
  for name, value in pairs(second) do
    all[name] = HOW[name] and HOW[name](all[name], value) or value
  end
  return all
end

return merge
