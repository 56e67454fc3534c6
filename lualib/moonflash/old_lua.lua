--- Lua files written for old firmware: what newer firmware runs differently. Pure.
--
-- Reports, changes nothing. The one change that NodeMCU's documentation names:
-- since SDK 1.x `socket:send` is asynchronous, so a second send before the "sent"
-- event loses data.
-- @module moonflash.old_lua

local old_lua = {}

local NAME <const> = "[%a_][%w_]*"

-- Comments and long strings hide code from the patterns below; lines stay lines.
local function strip_comments(source)
  local function blank(s) return (s:gsub("[^\n]", "")) end
  source = source:gsub("%-%-%[(=*)%[.-%]%1%]", blank)
  return (source:gsub("%-%-[^\n]*", ""))
end

--- Looks through one file.
-- @tparam string source
-- @treturn {table,...} `line`, `text`: for each further send on a connection that
--   has no "sent" handler
function old_lua.scan(source)
  local found, seen = {}, {}
  source = strip_comments(source)
  local handled = {}
  for object in source:gmatch("(" .. NAME .. ")%s*:%s*on%s*%(%s*['\"]sent['\"]") do
    handled[object] = true
  end
  local number = 0
  for line in (source .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    for object, args in line:gmatch("(" .. NAME .. ")%s*:%s*send%s*(%b())") do
      local with_callback = args:find("function", 1, true)
      if seen[object] and not handled[object] and not with_callback then
        found[#found + 1] = { line = number, text =
          ("%s:send again before the first is out: sending is asynchronous since 1.4; go on in"
          .. " %s:on(\"sent\", ...)"):format(object, object) }
      end
      seen[object] = not with_callback
    end
  end
  return found
end

return old_lua
