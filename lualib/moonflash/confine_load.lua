--- Loading somebody's Lua file, with the permissions that the command line gives it.
--
-- The file that the user names gets permissions of its own; what it includes from its
-- own folder shares them, and their process.
-- @module moonflash.confine_load
local errors <const> = require "moonflash.errors"
local permissions <const> = require "moonflash.permissions"

local confine_load = {}

local function all_of(args, ...)
  local values = {}
  for i, word in ipairs(args) do
    for _, option in ipairs { ... } do
      local long = option:sub(1, 2) == "--" and option .. "=" or option
      if word == option then
        values[#values + 1] = args[i + 1]
      elseif word:sub(1, #long) == long and #word > #long then
        values[#values + 1] = word:sub(#long + 1)
      end
    end
  end
  return values
end

local function has(args, option)
  for _, word in ipairs(args) do
    if word == option then return true end
  end
end

-- The port that the user chose, or the only one that there is.
local function chosen_port(args)
  local named = all_of(args, "--port", "-p")
  if #named > 0 or os.getenv("MOONFLASH_PORT") then
    return named[#named] or os.getenv("MOONFLASH_PORT")
  end
  return function()
    local ok, name = pcall(require("moonflash.connection").choose_port, {})
    return ok and name or nil
  end
end

--- The permissions that a command line gives a file.
-- @tparam string path of the file
-- @tparam {string,...} args the command's, not yet parsed
-- @treturn permissions
-- @raise `usage`; `refused_by_policy` when it is to be locked and is not
function confine_load.permissions(path, args)
  local p = permissions.new { folder = path:match("^.*/") or "", allow = all_of(args, "--allow"),
    port = chosen_port(args) }
  if has(args, "--locked") then require("moonflash.lock").apply(p, path) end
  return p
end

local function read_file(path)
  local f <close>, why = io.open(path, "rb")
  local source = f and f:read("a")
  if not source then
    errors.raise("file", ("cannot read %s"):format(why or path .. ": it is a folder"))
  end
  return source
end

local function without_shebang(source) return (source:gsub("^#[^\n]*", "", 1)) end

-- A program of the user's own runs in this state.
local function run_trusted(source, path, rest)
  rest[0] = path
  _G.arg = rest
  local f, why = load(without_shebang(source), "@" .. path, "t", _G)
  if not f then errors.raise("script", why, { hint = "the file is not valid Lua 5.4" }) end
  return f(table.unpack(rest))
end

--- Runs a file.
-- @tparam string path
-- @tparam {string,...} rest its arguments
-- @tparam permissions p
-- @tparam[opt] boolean named by the user: it may lie anywhere; else p must allow it
-- @return what it returns
function confine_load.run(path, rest, p, named)
  local name = path:sub(#p.folder + 1)
  local source = named and read_file(path) or p:read(name)
  if named then p:pin(name, source) end
  if p:is_trusted() then return run_trusted(source, path, rest) end
  rest[0] = path
  return require("moonflash.confine").run(without_shebang(source), path, rest, p)
end

--- Whether a path names a file that lies directly in the folder of permissions.
function confine_load.is_beside(path, p)
  return path:sub(1, #p.folder) == p.folder and not path:find("/", #p.folder + 1, true)
end

return confine_load
