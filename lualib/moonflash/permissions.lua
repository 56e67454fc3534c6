--- What a recipe may do on this machine.
--
-- A recipe is somebody's code. It reads below its own folder, talks to the chip on
-- the port that was chosen, and nothing else; the user lifts each limit by name with
-- `--allow` (`permissions.WORDS`). Code of ours that works for a recipe takes one of
-- these objects and does everything on this machine through it. Refusals have code
-- `refused_by_policy` (exit 7) and name the flag that would lift them.
--
-- Whoever carries a recipe out never loads its Lua code, nor files that it names, with
-- `load`: @{moonflash.confine} does, in a process of its own.
-- @module moonflash.permissions
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local files <const> = require "moonflash.files"
local lfs <const> = require "lfs"
local numbers <const> = require "moonflash.numbers"
local text <const> = require "moonflash.text"

local permissions = {}
permissions.__index = permissions

--- What `--allow` takes: word, argument, meaning.
permissions.WORDS = {
  { "read", "DIR", "read files below DIR, hidden ones too" },
  { "write", "DIR", "write files below DIR" },
  { "exec", nil, "start programs" },
  { "env", "NAME", "read the environment variable NAME" },
  { "ports", nil, "open other serial ports and simulated chips with files" },
  { "net", nil, "open ports in the network" },
  { "memory", "SIZE", "use so much memory (default 256M)" },
  { "time", "SECONDS", "compute for so long (default 60; 0: for ever)" },
  { "all", nil, "everything: the file is a program of your own" },
}

local MEMORY <const>, SECONDS <const> = 256 * 1024 * 1024, 60

local function words_text()
  local words = {}
  for i, w in ipairs(permissions.WORDS) do words[i] = w[1] .. (w[2] and "=" .. w[2] or "") end
  return table.concat(words, ", ")
end

local function find_word(name, value)
  for _, w in ipairs(permissions.WORDS) do
    if w[1] == name and (w[2] ~= nil) == (value ~= nil) then return w end
  end
  errors.raise("usage", ("--allow: there is no '%s'"):format(name .. (value and "=" .. value or "")),
    { hint = words_text() })
end

-- ---- folders that were granted ----

-- A path of the command line without links and dots, and as it was written.
local function place(path)
  local real = esp.real_path(path)
  if not real or lfs.attributes(real, "mode") ~= "directory" then return nil end
  local written = path:sub(1, 1) == "/" and path or lfs.currentdir() .. "/" .. path
  return { real = real, written = (written:gsub("/+$", "")),
    folder = errors.check(esp.folder(real)) }
end

local function granted_place(word, path)
  return place(path) or errors.raise("usage", ("--allow=%s=%s: there is no such folder"):format(
    word, path))
end

-- What is left of a path below a folder; nil when it is not below.
local function rest_below(folder, path)
  if folder == "/" then return path:sub(2) end
  if path == folder then return "." end
  if path:sub(1, #folder + 1) == folder .. "/" then return path:sub(#folder + 2) end
end

local function seconds(text)
  local n = text:match("^%d+%.?%d*$") and tonumber(text)
  if n and n <= 1000000 then return n end
  errors.raise("usage", ("--allow=time=%s: seconds are wanted"):format(text))
end

local GRANT <const> = {
  read = function(self, dir) table.insert(self.reads, granted_place("read", dir)) end,
  write = function(self, dir) table.insert(self.writes, granted_place("write", dir)) end,
  env = function(self, name) self.names[name] = true end,
  memory = function(self, size) self.memory = numbers.parse(size, "--allow=memory", { min = 1 << 20 }) end,
  time = function(self, text) self.seconds = seconds(text) end,
}

local function grant(self, word)
  local name, value = word:match("^(%l+)=(.+)$")
  name = find_word(name or word, value)[1]
  local act = GRANT[name]
  if act then act(self, value) else self.granted[name] = true end
end

--- Permissions of a recipe.
-- @tparam table t `folder` of the recipe ("" or with its slash), `allow` = the words
--   given with `--allow`, `port` = the chosen port (or a function that says it)
-- @treturn permissions with `folder`; `memory` (bytes) and `seconds` that its process has
-- @raise `usage`
function permissions.new(t)
  local self = setmetatable({ folder = t.folder or "", granted = {}, names = {}, reads = {},
    writes = {}, seen = {}, chosen = t.port, memory = MEMORY, seconds = SECONDS }, permissions)
  for _, words in ipairs(t.allow or {}) do
    for word in words:gmatch("[^,]+") do grant(self, word) end
  end
  return self
end

--- Permissions of our own scripts: everything.
-- @tparam string folder that relative names start from
-- @treturn permissions
function permissions.trusted(folder)
  return permissions.new { folder = folder, allow = { "all" } }
end

--- Is everything allowed?
function permissions:is_trusted() return self.granted.all == true end

--- Refuses something.
-- @tparam string what "start programs"
-- @tparam string flag the word of `--allow` that would lift it
-- @raise `refused_by_policy`
function permissions.refuse(what, flag)
  errors.raise("refused_by_policy", "a recipe may not " .. what,
    { hint = ("if you trust it, --allow=%s lets it"):format(flag) })
end

-- ---- reading ----

-- Names that no file has: an empty one, one with a byte that ends it for the system.
local function check_name(path)
  if type(path) ~= "string" or path == "" or path:find("\0", 1, true) then
    errors.raise("file", ("%s is no file name"):format(type(path) == "string"
      and text.quote(path) or "a " .. type(path)))
  end
end

local function is_hidden(path)
  for part in path:gmatch("[^/]+") do
    if part:sub(1, 1) == "." and part ~= "." and part ~= ".." then return true end
  end
end

local function own(self)
  local dir = self.folder == "" and "." or self.folder
  self.own = self.own or place(dir) or errors.raise("file", ("there is no folder %s"):format(dir))
  return self.own
end

local function absolute(self, path)
  return path:sub(1, 1) == "/" and path or own(self).real .. "/" .. path
end

-- The name in messages and in the lock: without "./" and doubled slashes.
local function clean(path)
  path = path:gsub("/+", "/"):gsub("/%.%f[/\0]", "")
  repeat
    local n
    path, n = path:gsub("^%./", "")
  until n == 0
  return #path > 1 and path:gsub("/$", "") or path
end

-- "examples/hello" for "examples/recipe/../hello".
local function shorten(path)
  repeat
    local n
    path, n = path:gsub("[^/]+/%.%./", function(pair)
      if pair:sub(1, 3) ~= "../" then return "" end
    end, 1)
  until n == 0 or path:find("^%.%./")
  return clean(path)
end

local function refuse_reading(self, path, why)
  local dir = clean(path):match("^(.*)/[^/]*$") or "."
  if dir:sub(1, 1) ~= "/" then dir = shorten(self.folder .. dir) end
  permissions.refuse(("read %s: %s"):format(path, why), "read=" .. dir)
end

-- Calls a folder's method with a name below it: first below the recipe's own folder,
-- then below those that were granted.
local function below(self, path, method, ...)
  check_name(path)
  local rest = path
  if path:sub(1, 1) == "/" then rest = rest_below(own(self).real, path) end
  local why = "it is outside the recipe's folder"
  if rest and not is_hidden(rest) then
    local value, message, word = own(self).folder[method](own(self).folder, rest, ...)
    if value ~= nil or word ~= "outside" then return value, message, word end
  elseif rest then
    why = "it is hidden"
  end
  local real = #self.reads > 0 and esp.real_path(absolute(self, path))
  for _, dir in ipairs(self.reads) do
    local inside = real and rest_below(dir.real, real)
    if inside then return dir.folder[method](dir.folder, inside, ...) end
  end
  refuse_reading(self, path, why)
end

local WHY <const> = { absent = "there is no %s", kind = "%s is no file" }

local function no_file(path, message, word)
  local why = WHY[word]
  errors.raise(word == "io" and "io" or "file", why and why:format(path)
    or ("cannot read %s: %s"):format(path, message))
end

-- Notes what was read, and refuses what a lock says otherwise.
local function note(self, path, digest)
  local wanted = self.locked and self.locked[path]
  if self.locked and wanted ~= digest then
    errors.raise("refused_by_policy", ("%s %s"):format(path, wanted
      and "is not what moonflash.lock says" or "is not in moonflash.lock"), { hint =
      "if that is meant, write the lock again: moonflash lock" })
  end
  self.seen[path] = digest
end

--- Notes a file that the user named: the recipe itself.
-- @tparam string name in its folder
-- @tparam string bytes
-- @raise `refused_by_policy` when the lock has another
function permissions:pin(name, bytes) note(self, clean(name), esp.sha256(bytes)) end

local function read_trusted(self, path, max)
  return files.read(path:sub(1, 1) == "/" and path or self.folder .. path, max)
end

local function read_below(self, path, max)
  local bytes, message, word = below(self, path, "read", max)
  if not bytes then no_file(path, message, word) end
  if #bytes > max then
    errors.raise("toobig", path .. " is longer than 16 MB, the most that a chip can hold")
  end
  return bytes
end

--- Reads a file.
-- @tparam string path relative to the recipe's folder; also the name of a built-in file
-- @tparam[opt] boolean may_be_empty
-- @treturn string its bytes
-- @raise `file`, `toobig`, `refused_by_policy`
function permissions:read(path, may_be_empty)
  check_name(path)
  local bytes = files.builtin(path)
  if bytes then return bytes end
  if self.granted.all and not (may_be_empty and self:kind(path) == "file") then
    bytes = read_trusted(self, path)
  else
    bytes = read_below(self, path, files.MAX_BYTES)
  end
  if bytes == "" and not may_be_empty then
    errors.raise("file", path .. " is empty", { hint = "nothing was written" })
  end
  note(self, clean(path), esp.sha256(bytes))
  return bytes
end

--- What a name stands for.
-- @tparam string path
-- @treturn string|nil "file", "directory", "other"; nil when there is nothing
-- @treturn integer|nil bytes
-- @raise `refused_by_policy`
function permissions:kind(path)
  check_name(path)
  if self.granted.all then
    local a = lfs.attributes(path:sub(1, 1) == "/" and path or self.folder .. path)
    if not a then return nil end
    return (a.mode == "file" or a.mode == "directory") and a.mode or "other", a.size
  end
  local kind, size = below(self, path, "kind")
  if kind then return kind, size end
  return nil
end

local function names(self, path)
  local list, message, word
  if self.granted.all then
    list, message, word = errors.check(esp.folder(path:sub(1, 1) == "/" and path
      or self.folder .. path)):names(".")
  else
    list, message, word = below(self, path, "names")
  end
  if list then return list end
  if word == "absent" then errors.raise("file", ("there is no folder %s"):format(path)) end
  errors.raise("file", ("cannot read %s: %s"):format(path, message))
end

--- What is in a folder.
-- @tparam string path relative to the recipe's folder
-- @treturn {table,...} `name`, `kind` ("file", "directory", "other"), `size`, sorted by
--   name; hidden ones are left out
-- @raise `file`, `refused_by_policy` (also for a link that leads out of the folder)
function permissions:list(path)
  check_name(path)
  local list, lines = {}, {}
  for _, name in ipairs(names(self, path)) do
    if name:sub(1, 1) ~= "." then
      local kind, size = self:kind(path .. "/" .. name)
      if kind then list[#list + 1] = { name = name, kind = kind, size = size } end
    end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  for i, entry in ipairs(list) do lines[i] = ("%s %s\n"):format(entry.kind, entry.name) end
  note(self, clean(path) .. "/", esp.sha256(table.concat(lines)))
  return list
end

-- ---- writing ----

-- Takes "." and ".." out of an absolute path, by its letters.
local function lexical(path)
  local parts = {}
  for part in path:gmatch("[^/]+") do
    if part == ".." then parts[#parts] = nil elseif part ~= "." then parts[#parts + 1] = part end
  end
  return "/" .. table.concat(parts, "/")
end

local function write_below(self, path, method, bytes)
  check_name(path)
  if self.granted.all then
    local dir = errors.check(esp.folder("/"))
    errors.check(dir[method](dir, lexical(absolute(self, path)):sub(2), bytes))
    return
  end
  local full = lexical(absolute(self, path))
  for _, dir in ipairs(self.writes) do
    local rest = rest_below(dir.real, full) or rest_below(dir.written, full)
    if rest then
      local ok, message, word = dir.folder[method](dir.folder, rest, bytes)
      if ok then return end
      if word ~= "outside" then
        errors.raise(word == "io" and "io" or "file", ("cannot write %s: %s"):format(path, message))
      end
    end
  end
  self:may_write(path, true)
end

--- May a file be written? Asked before long work begins.
-- @tparam string path
-- @tparam[opt] boolean refused it is known that it may not: only raise
-- @raise `refused_by_policy`
function permissions:may_write(path, refused)
  check_name(path)
  if not refused then
    if self.granted.all then return end
    local full = lexical(absolute(self, path))
    for _, dir in ipairs(self.writes) do
      if rest_below(dir.real, full) or rest_below(dir.written, full) then return end
    end
  end
  permissions.refuse("write " .. path, "write=" .. (clean(path:sub(1, 1) == "/" and path
    or self.folder .. path):match("^(.*)/[^/]*$") or "."))
end

--- Writes a file, whole or not at all. Folders on the way are made.
-- @tparam string path relative to the recipe's folder, below an allowed `write=DIR`
-- @tparam string bytes
-- @raise `refused_by_policy`, `io`, `file`
function permissions:write(path, bytes) write_below(self, path, "write", bytes) end

--- Adds to a file.
-- @tparam string path
-- @tparam string bytes
-- @raise as `permissions:write`
function permissions:append(path, bytes) write_below(self, path, "append", bytes) end

-- ---- the rest of the machine ----

--- An environment variable.
-- @tparam string name
-- @treturn string|nil
-- @raise `refused_by_policy`
function permissions:env(name)
  name = tostring(name)
  if self.granted.all or self.names[name] then return os.getenv(name) end
  permissions.refuse("read the environment variable " .. name, "env=" .. name)
end

--- May programs be started?
-- @treturn boolean
function permissions:may_exec() return self.granted.all or self.granted.exec or false end

--- Starts a program in the recipe's folder and waits for it. No shell looks at its words.
-- @tparam {string,...} argv program and arguments
-- @treturn integer exit code
-- @treturn string what it printed
-- @raise `refused_by_policy`, `io`, `interrupted`
function permissions:exec(argv)
  if not self:may_exec() then permissions.refuse("start " .. tostring(argv[1]), "exec") end
  return errors.check(esp.exec(argv, self.folder))
end

local function chosen(self)
  if type(self.chosen) == "function" then self.chosen = self.chosen() end
  return self.chosen
end

local function same_port(a, b)
  if not a or a == b then return a == b end
  local real = esp.real_path(a)
  return real ~= nil and real == esp.real_path(b)
end

-- A simulated chip that has no file on this machine.
local function is_harmless(name)
  return name:match("^sim:%??[%w=&.:,-]*$") ~= nil and not name:find("rom=", 1, true)
    and not name:find("faults=", 1, true) and name:match("^sim:[^?]+") == nil
end

--- May a port be opened? The chosen one, and simulated chips without a file.
-- @tparam string name
-- @raise `refused_by_policy`
function permissions:port(name)
  if type(name) ~= "string" then errors.raise("usage", "a port has a name") end
  if self.granted.all or is_harmless(name) or same_port(chosen(self), name) then return end
  local flag = name:find("^%w+:[^?]*//") and "net" or "ports"
  if not self.granted[flag] then permissions.refuse("open the port " .. name, flag) end
end

--- What a recipe says of the simulated board that it is tested on, without what would
-- read or write files.
-- @tparam table|nil options
-- @treturn table a copy
-- @raise `usage`, `refused_by_policy`
function permissions:board(options)
  local known, copy = {}, {}
  for _, o in ipairs(esp.sim_options()) do known[o.name] = o.form end
  for name, value in pairs(options or {}) do
    if not known[name] then
      errors.raise("usage", ("test.board: there is no '%s'"):format(tostring(name)),
        { hint = "'moonflash sim --help' lists what a board can be told" })
    end
    if not self.granted.all and (known[name] == "FILE" or not tostring(value):match("^[%w.:,-]+$")) then
      permissions.refuse(("give its board %s = %s"):format(name, tostring(value)), "all")
    end
    copy[name] = value
  end
  return copy
end

--- Everything read so far: files with the digest of their bytes, folders (with a slash
-- at the end) with that of their list.
-- @treturn {table,...} `path`, `sha256`, sorted by path
function permissions:used()
  local list = {}
  for path, digest in pairs(self.seen) do list[#list + 1] = { path = path, sha256 = digest } end
  table.sort(list, function(a, b) return a.path < b.path end)
  return list
end

return permissions
