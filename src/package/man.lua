-- Fills what the program knows best into the text of a man page: its commands
-- and global options. Usage: moonflash man.lua PAGE.scd > FILLED.scd
local cli <const> = require "moonflash.cli"

-- scdoc takes _ and * and # as markup.
local function plain(s) return (s:gsub("[_*#\\|]", "\\%0")) end

local function commands()
  local names, lines = {}, {}
  local all = cli.commands {}
  for name in pairs(all) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    lines[#lines + 1] = ("*%s*\n\t%s\n"):format(plain(name), plain(all[name]))
  end
  return table.concat(lines, "\n")
end

local function options()
  local lines = {}
  for _, g in ipairs(cli.GLOBALS) do
    local spellings = {}
    for word in g[1]:gmatch "%S+" do spellings[#spellings + 1] = ("*%s*"):format(word) end
    lines[#lines + 1] = ("%s%s\n\t%s\n"):format(table.concat(spellings, ", "),
      g[2] and (" _%s_"):format(g[2]) or "", plain(g[3]))
  end
  return table.concat(lines, "\n")
end

local f <close> = assert(io.open(arg[1]))
local text = f:read "a":gsub("@COMMANDS@", (commands():gsub("%%", "%%%%")))
io.write((text:gsub("@OPTIONS@", (options():gsub("%%", "%%%%")))))
