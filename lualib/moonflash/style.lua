--- Colours for a terminal: only there, only where they help. Pure.
--
-- `NO_COLOR` (no-color.org), `--color auto|always|never` and `TERM=dumb` decide;
-- @{style.decide} takes them as plain values. Roles name what a text is, the one
-- table here says how that looks.
-- @module moonflash.style
local style = {}
style.__index = style

-- SGR parameters. 16 colours where these do, since every terminal has them.
local ROLES <const> = {
  ok = "32;1", warning = "33;1", failure = "31;1", hint = "36", dim = "2", strong = "1",
  bar = "36", bar_rest = "2",
}

--- Flash regions: an index of the 256 colours, the same as RGB, and a letter for
-- where there are no colours. One table for terminal and picture.
style.REGIONS = {
  ["firmware"]     = { index = 33,  rgb = "#2f7df6", letter = "F" },
  ["irom"]         = { index = 39,  rgb = "#22b3f0", letter = "I" },
  ["partition"]    = { index = 214, rgb = "#f5a524", letter = "P" },
  ["rf-cal"]       = { index = 178, rgb = "#c9a400", letter = "C" },
  ["init-data"]    = { index = 141, rgb = "#9b7bf5", letter = "D" },
  ["system-param"] = { index = 204, rgb = "#ee5d92", letter = "W" },
  ["lfs"]          = { index = 37,  rgb = "#0f9f9a", letter = "L" },
  ["spiffs"]       = { index = 71,  rgb = "#4ca64c", letter = "S" },
  ["free"]         = { index = 245, rgb = "#8a8f98", letter = "x" },
}

--- A region with a name of somebody's own partition table.
style.OTHER_REGION = { index = 173, rgb = "#d0804f", letter = "O" }

--- How a region looks.
-- @tparam string name
-- @treturn table `index` (of 256 colours), `rgb`, `letter`
function style.region(name) return style.REGIONS[name] or style.OTHER_REGION end

--- Whether colours are wanted.
-- @tparam string|nil asked auto, always or never
-- @tparam boolean terminal does the text go to one
-- @tparam table env `NO_COLOR`, `TERM` as the environment has them
-- @treturn boolean
function style.decide(asked, terminal, env)
  if asked == "always" then return true end
  if asked == "never" or (env.NO_COLOR or "") ~= "" or env.TERM == "dumb" then return false end
  return terminal and true or false
end

--- Whether a locale's text may hold more than ASCII.
-- @tparam table env `LC_ALL`, `LC_CTYPE`, `LANG`
-- @treturn boolean
function style.is_utf8(env)
  for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
    local value = env[name]
    if value and value ~= "" then return value:upper():find "UTF%-?8" ~= nil end
  end
  return false
end

--- A painter.
-- @tparam boolean colour
-- @tparam[opt] boolean utf8
-- @treturn style `colour`, `utf8`
function style.new(colour, utf8)
  return setmetatable({ colour = colour, utf8 = utf8 or false }, style)
end

local function sgr(codes, text) return ("\27[%sm%s\27[0m"):format(codes, text) end

--- Paints a text by its role.
-- @tparam string role ok, warning, failure, hint, dim, strong, bar, bar_rest
-- @tparam string text printable
-- @treturn string the same text where there are no colours
function style:paint(role, text)
  return self.colour and text ~= "" and sgr(ROLES[role], text) or text
end

--- Paints a text with one of the 256 colours.
-- @tparam integer index
-- @tparam string text
-- @tparam[opt] boolean behind colour the background, with dark text on it
-- @treturn string
function style:tint(index, text, behind)
  if not self.colour or text == "" then return text end
  return sgr((behind and "30;48;5;%d" or "38;5;%d"):format(index), text)
end

return style
