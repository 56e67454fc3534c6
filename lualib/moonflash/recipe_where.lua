--- Where in a recipe something was said, so that errors can point at it.
-- @module moonflash.recipe_where
local errors <const> = require "moonflash.errors"

local where = {}

-- Is this a file of the program itself, embedded or from a directory of the user's?
local function is_ours(source)
  return source:sub(1, 1) == "=" or source:find("lualib/moonflash/[%w_]+%.lua$") ~= nil
end

--- The line of the user's file that is being carried out.
-- @treturn string|nil "flash.lua:12"; nil when no file of the user's is running
function where.caller()
  local confine = package.loaded["moonflash.confine"]
  local there = confine and confine.position()     -- in a process of its own
  if there then return there end
  local level = 2
  while true do
    local info = debug.getinfo(level, "Sl")
    if not info then return nil end
    if info.currentline > 0 and not is_ours(info.source) then
      return ("%s:%d"):format(info.source:gsub("^@", ""), info.currentline)
    end
    level = level + 1
  end
end

-- Does a line give a field of this name?
local function assigned(line, name)
  return line:find("%f[%w_]" .. name .. "%f[^%w_]%s*=") or line:find('%[%s*["\']' .. name
    .. '["\']%s*%]%s*=')
end

--- The line in which a field is given: the first that assigns it, looked for from
-- the line on that assigns the field around it.
-- @tparam string|nil text of the file; nil when it is not known
-- @tparam string file its name
-- @tparam {string,...} names from the outermost field inwards
-- @treturn string "flash.lua:12", or the file's name alone
function where.field(text, file, names)
  if not text then return file end
  local lines, from, found = {}, 1, nil
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  for _, name in ipairs(names) do
    name = tostring(name):gsub("%p", "%%%0")
    for i = from, #lines do
      if assigned(lines[i], name) then
        found, from = i, i
        break
      end
    end
  end
  return found and ("%s:%d"):format(file, found) or file
end

--- Raises an error that says where in the recipe it comes from.
-- @tparam string|nil at from @{where.caller} or @{where.field}
-- @tparam string code
-- @tparam string message
-- @tparam[opt] string hint
function where.raise(at, code, message, hint)
  errors.raise(code, ("%s: %s"):format(at or "recipe", message), { hint = hint })
end

--- Calls a function; errors of ours that it raises get the place in front.
-- @tparam string|nil at
-- @tparam function f
-- @param ... its arguments
-- @return what it returns
function where.within(at, f, ...)
  local result = table.pack(pcall(f, ...))
  if result[1] then return table.unpack(result, 2, result.n) end
  local e = result[2]
  if not errors.is(e) or e.placed or not at then error(e, 0) end
  local placed = errors.new(e.code, ("%s: %s"):format(at, e.message), e)
  placed.placed = true
  error(placed, 0)
end

return where
