--- What a recipe may do on this machine.
--
-- A recipe is somebody's code. It reads below its own folder, talks to the chip on
-- the port that was chosen, and nothing else; the user lifts each limit by name with
-- `--allow`:
--
--     read=DIR    read below DIR too          write=DIR   write below DIR
--     exec        start programs              env=NAME    read an environment variable
--     ports       use other ports             net         use ports in the network
--     all         everything: the file runs as a program of the user's own
--
-- Code of ours that works for a recipe takes one of these objects and does everything
-- on this machine through it. Refusals have code `refused_by_policy` (exit 7) and name
-- the flag that would lift them.
-- @module moonflash.permissions
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local files <const> = require "moonflash.files"
local lfs <const> = require "lfs"

local permissions = {}
permissions.__index = permissions

local WORDS <const> = { exec = "flag", net = "flag", ports = "flag", all = "flag",
  read = "folder", write = "folder", env = "name" }

local function usage(word)
  errors.raise("usage", ("--allow: there is no '%s'"):format(word),
    { hint = "exec, read=DIR, write=DIR, env=NAME, net, ports, all" })
end

-- { exec = true, read = { "../data" }, ... } of the words of `--allow`.
local function parse(list)
  local granted = { read = {}, write = {}, env = {} }
  for _, words in ipairs(list or {}) do
    for word in words:gmatch("[^,]+") do
      local name, value = word:match("^(%l+)=(.+)$")
      local kind = WORDS[name or word]
      if not kind or (kind == "flag") ~= (name == nil) then usage(word) end
      if kind == "flag" then granted[word] = true
      else table.insert(granted[name], value) end
    end
  end
  return granted
end

--- Permissions of a recipe.
-- @tparam table t `folder` of the recipe ("" or with its slash), `allow` = the words
--   given with `--allow`, `port` = the chosen port
-- @treturn permissions
-- @raise `usage`
function permissions.new(t)
  return setmetatable({ folder = t.folder or "", granted = parse(t.allow), chosen = t.port,
    seen = {} }, permissions)
end

--- Permissions of our own scripts: everything.
-- @tparam string folder that relative names start from
function permissions.trusted(folder)
  return permissions.new { folder = folder, allow = { "all" } }
end

local function refuse(message, flag)
  errors.raise("refused_by_policy", "a recipe may not " .. message,
    { hint = ("if you trust it, --allow=%s allows that"):format(flag) })
end

local function outside(path)
  local depth = 0
  if path:sub(1, 1) == "/" then return true end
  for part in path:gmatch("[^/]+") do
    depth = depth + (part == ".." and -1 or part == "." and 0 or 1)
    if depth < 0 then return true end
  end
end

local function place(self, path, flag)
  if not self.granted.all and outside(path) then
    refuse(("use %s: it is outside its folder"):format(path), flag .. "=DIR")
  end
  return path:sub(1, 1) == "/" and path or self.folder .. path
end

--- Reads a file.
-- @tparam string path relative to the recipe's folder; also the name of a built-in file
-- @treturn string its bytes
-- @raise `file`, `toobig`, `refused_by_policy`
function permissions:read(path)
  local bytes = files.builtin(path)
  if bytes then return bytes end
  bytes = files.read(place(self, path, "read"))
  self.seen[path] = esp.sha256(bytes)
  return bytes
end

--- What is in a folder.
-- @tparam string path relative to the recipe's folder
-- @treturn {table,...} `name`, `kind` ("file", "directory"), `size`, sorted by name;
--   hidden ones are left out
-- @raise `file`, `refused_by_policy`
function permissions:list(path)
  local full, list = place(self, path, "read"), {}
  if lfs.attributes(full, "mode") ~= "directory" then
    errors.raise("file", ("there is no folder %s"):format(path))
  end
  for name in lfs.dir(full) do
    local a = name:sub(1, 1) ~= "." and lfs.attributes(full .. "/" .. name)
    if a then list[#list + 1] = { name = name, kind = a.mode, size = a.size } end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

--- What a name stands for.
-- @tparam string path
-- @treturn string|nil "file", "directory", nil when there is nothing
function permissions:kind(path)
  local mode = lfs.attributes(place(self, path, "read"), "mode")
  return mode
end

--- Writes a file, whole or not at all.
-- @tparam string path relative to the recipe's folder, below an allowed `write=DIR`
-- @tparam string bytes
function permissions:write(path, bytes)
  if not self.granted.all and #self.granted.write == 0 then
    refuse("write " .. path, "write=DIR")
  end
  files.write(place(self, path, "write"), bytes)
end

--- Adds to a file.
-- @param path,bytes as for @{permissions:write}
function permissions:append(path, bytes)
  if not self.granted.all and #self.granted.write == 0 then
    refuse("write " .. path, "write=DIR")
  end
  local f <close>, why, errno = io.open(place(self, path, "write"), "ab")
  if not f then errors.check(nil, "cannot open " .. why, errno) end
  errors.check(f:write(bytes))
end

--- An environment variable.
-- @tparam string name
-- @treturn string|nil
function permissions:env(name)
  if self.granted.all then return os.getenv(name) end
  for _, granted in ipairs(self.granted.env) do
    if granted == name then return os.getenv(name) end
  end
  refuse("read the environment variable " .. name, "env=" .. name)
end

--- Starts a program and waits for it.
-- @tparam {string,...} argv program and arguments; no shell looks at them
-- @treturn integer exit code
-- @treturn string what it printed
function permissions:exec(argv)
  if not (self.granted.exec or self.granted.all) then
    refuse("start " .. tostring(argv[1]), "exec")
  end
  local words = {}
  for i, word in ipairs(argv) do words[i] = "'" .. word:gsub("'", "'\\''") .. "'" end
  local f = errors.check(io.popen(table.concat(words, " ") .. " 2>&1"))
  local out = f:read("a")
  local _, _, code = f:close()
  return code, out
end

--- May a port be opened?
-- @tparam string name
-- @raise `refused_by_policy`
function permissions:port(name)
  if name == self.chosen or self.granted.ports or self.granted.all then return end
  refuse("open the port " .. name, "ports")
end

--- Every file read so far.
-- @treturn {table,...} `path`, `sha256`, sorted by path
function permissions:used()
  local list = {}
  for path, digest in pairs(self.seen) do list[#list + 1] = { path = path, sha256 = digest } end
  table.sort(list, function(a, b) return a.path < b.path end)
  return list
end

return permissions
