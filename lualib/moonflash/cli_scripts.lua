--- The commands there are: scripts in the user's directories and in the program.
-- @module moonflash.cli_scripts
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local nearest <const> = require "moonflash.nearest"

local cli_scripts = {}

--- The directories before the embedded files, first one first.
-- @tparam {string,...} extra those of `-L`; `MOONFLASH_PATH` has more
-- @treturn {string,...}
function cli_scripts.user_dirs(extra)
  local dirs = {}
  for _, d in ipairs(extra) do dirs[#dirs + 1] = d end
  for d in (os.getenv("MOONFLASH_PATH") or ""):gmatch("[^:]+") do dirs[#dirs + 1] = d end
  return dirs
end

local function read_file(path)
  local f <close>, why = io.open(path, "rb")
  if not f then return nil, why end
  return f:read("a")
end

--- Makes require look into the user's directories first.
-- @tparam {string,...} dirs
function cli_scripts.add_dirs(dirs)
  if #dirs == 0 then return end
  local path = {}
  for _, d in ipairs(dirs) do
    path[#path + 1] = d .. "/lualib/?.lua"
    path[#path + 1] = d .. "/lualib/?/init.lua"
  end
  path = table.concat(path, ";")
  table.insert(package.searchers, 2, function(name)
    local file, why = package.searchpath(name, path)
    if not file then return why end
    -- named as one of ours: "@" is for files of the user's (see on_count in main.c)
    return assert(load(assert(read_file(file)), "=" .. file, "t")), file
  end)
end

--- The script of a command.
-- @tparam string name
-- @tparam {string,...} dirs
-- @treturn string|nil its text
-- @treturn string its display name
function cli_scripts.find(name, dirs)
  for _, d in ipairs(dirs) do
    local path = ("%s/scripts/%s.lua"):format(d, name)
    local text = read_file(path)
    if text then return text, path end
  end
  local path = ("scripts/%s.lua"):format(name)
  local text = esp.embedded(path)
  return text, path
end

--- Every command there is.
-- @tparam {string,...} dirs directories of `-L` and `MOONFLASH_PATH`
-- @treturn {string=string} summary by name: what the script's first line says of
--   itself, "-- scripts/NAME.lua: SUMMARY"
function cli_scripts.commands(dirs)
  local found = {}
  local function add(name, text)
    found[name] = found[name] or text:match("^%-%-[^\n]-:%s*([^\n]*)") or ""
  end
  local lfs <const> = require "lfs"
  for _, d in ipairs(dirs) do
    local dir = d .. "/scripts"
    if lfs.attributes(dir, "mode") == "directory" then
      for file in lfs.dir(dir) do
        local name = file:match("^(.+)%.lua$")
        if name then add(name, read_file(dir .. "/" .. file) or "") end
      end
    end
  end
  for _, file in ipairs(esp.embedded()) do
    local name = file:match("^scripts/(.+)%.lua$")
    if name then add(name, esp.embedded(file)) end
  end
  return found
end

--- The names of all commands.
-- @tparam table t from @{cli_scripts.commands}
-- @treturn {string,...} sorted
function cli_scripts.names(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys)
  return keys
end

-- What to say to a word that is no command, and is like none.
local function unknown_hint(name)
  if name == "version" then return "moonflash --version" end
  local dashed = name:gsub("_", "-")
  for _, c in ipairs(require("moonflash.esptool_options").COMMANDS) do
    if c.name == dashed then
      return ("'moonflash esptool %s ...' takes esptool's command line"):format(name)
    end
  end
  local mode = require("lfs").attributes(name, "mode")
  if mode == "file" then
    return ("'moonflash flash %s' flashes a firmware, 'moonflash write ADDR %s' any file; a Lua"
      .. " file's name must end in .lua"):format(name, name)
  elseif mode == "directory" then
    return ("it is a folder; a recipe is named: moonflash %s/flash.lua"):format(name:gsub("/$", ""))
  end
  return "'moonflash' alone lists the commands; a Lua file's name must end in .lua"
end

--- Raises for a word that is no command, with what was perhaps meant.
-- @tparam string name
-- @tparam {string,...} dirs
-- @raise `usage`
function cli_scripts.unknown(name, dirs)
  local near = nearest.find(name, cli_scripts.names(cli_scripts.commands(dirs)))
  errors.raise("usage", ("there is no command '%s'"):format(name), {
    hint = #near > 0 and ("did you mean '%s'?"):format(table.concat(near, "' or '"))
      or unknown_hint(name),
  })
end

return cli_scripts
