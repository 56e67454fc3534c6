--- Where this program keeps what it remembers: `$XDG_STATE_HOME/moonflash`, which is
-- `~/.local/state/moonflash` by default.
-- @module moonflash.state_files
local lfs <const> = require "lfs"

local state_files = {}

local function base()
  local named = os.getenv "XDG_STATE_HOME"
  if named and named ~= "" then return named end
  local home = os.getenv "HOME"
  return home and home ~= "" and home .. "/.local/state" or nil
end

--- The path of a file there; nil when this user has no such place.
-- @tparam string name
-- @treturn string|nil
function state_files.path(name)
  local folder = base()
  return folder and folder .. "/moonflash/" .. name
end

--- Makes the folders that a path goes through.
-- @tparam string path of a file
-- @treturn boolean whether its folder is there now
function state_files.make_folders(path)
  for at in path:gmatch "()/" do
    if at > 1 then lfs.mkdir(path:sub(1, at - 1)) end
  end
  return lfs.attributes(path:match "^(.*)/" or ".", "mode") == "directory"
end

return state_files
