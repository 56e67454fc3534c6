-- Stand-ins in a recipe's process for io, os and lfs: whole files that the program
-- hands out or takes, as far as the recipe may. Returns a function of the program's
-- services.
local SMALL <const> = 1

-- ---- files ----

local file = { __name = "FILE*" }
file.__index = file

local function mode_of(mode)
  mode = mode or "r"
  if not mode:match("^[rwa]%+?b?$") then error("invalid mode", 3) end
  if mode:find("+", 1, true) then error("a recipe reads files or writes them, not both", 3) end
  return mode:sub(1, 1)
end

local READ <const> = {
  a = function(f)
    local s = f.bytes:sub(f.at)
    f.at = #f.bytes + 1
    return s
  end,
  l = function(f, keep)
    if f.at > #f.bytes then return nil end
    local stop = f.bytes:find("\n", f.at, true)
    local line = f.bytes:sub(f.at, (stop or #f.bytes + 1) - 1)
    f.at = (stop or #f.bytes) + 1
    return keep and stop and line .. "\n" or line
  end,
  n = function(f)
    local word, after = f.bytes:match("^%s*([-+]?[%w.]+)()", f.at)
    local n = tonumber(word)
    if n then f.at = after end
    return n
  end,
}
READ.L = function(f) return READ.l(f, true) end

local function read_bytes(f, n)
  if n > 0 and f.at > #f.bytes then return nil end
  local s = f.bytes:sub(f.at, f.at + n - 1)
  f.at = f.at + #s
  return s
end

local function read_one(f, what)
  if math.type(what) == "integer" then return read_bytes(f, what) end
  local read = READ[tostring(what):gsub("^%*", ""):sub(1, SMALL)]
  return (read or error("invalid format", 4))(f)
end

function file:read(...)
  if not self.bytes then error("the file is not open for reading", 2) end
  local n = select("#", ...)
  if n == 0 then return read_one(self, "l") end
  local values = {}
  for i = 1, n do
    values[i] = read_one(self, (select(i, ...)))
    if values[i] == nil then return table.unpack(values, 1, i) end
  end
  return table.unpack(values, 1, n)
end

function file:lines(...)
  local what = table.pack(...)
  return function() return self:read(table.unpack(what, 1, what.n)) end
end

function file:write(...)
  if not self.sink then error("the file is not open for writing", 2) end
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    if type(v) ~= "string" and type(v) ~= "number" then
      error(("bad argument #%d to 'write' (string expected, got %s)"):format(i, type(v)), 2)
    end
    self.sink(tostring(v))
  end
  return self
end

function file:seek(whence, offset)
  if not self.bytes then return nil, "a file that is being written has no position" end
  local from = ({ set = 0, cur = self.at - 1, ["end"] = #self.bytes })[whence or "cur"]
  local at = (from or error("invalid option", 2)) + (offset or 0)
  if at < 0 then return nil, "Invalid argument", 22 end
  self.at = at + 1
  return at
end

function file:setvbuf() return true end
function file:flush() return self end

function file:close()
  local finish = self.finish
  self.finish, self.bytes, self.sink, self.closed = nil, nil, nil, true
  if finish then finish() end
  return true
end

function file:__close() if not self.closed then self:close() end end
function file:__tostring() return self.closed and "file (closed)" or "file (recipe)" end

local function to_write(put)
  local pieces = {}
  return setmetatable({ sink = function(s) pieces[#pieces + 1] = s end,
    finish = function() put(table.concat(pieces)) end }, file)
end

local function to_read(bytes) return setmetatable({ bytes = bytes, at = 1 }, file) end

local function make_io(services)
  local io = {}
  local function out(stream) return setmetatable({ sink = function(s) services[stream](s) end }, file) end
  io.stdout, io.stderr, io.stdin = out "print", out "complain", to_read ""

  function io.open(path, mode)
    mode = mode_of(mode)
    if mode == "r" then
      local bytes, why = services.read(path)
      if not bytes then return nil, why, 2 end
      return to_read(bytes)
    end
    services.may_write(path)
    return to_write(function(bytes) services[mode == "w" and "write" or "append"](path, bytes) end)
  end

  function io.lines(path, ...)
    if not path then return io.stdin:lines(...) end
    local f, why = io.open(path)
    if not f then error(why, 2) end
    return f:lines(...)
  end

  function io.popen(command, mode)
    if mode == "w" then services.refuse("write to other programs", "all") end
    local code, output = services.exec({ "sh", "-c", command })
    local f = to_read(output)
    f.close = function() return code == 0 or nil, "exit", code end
    return f
  end

  function io.write(...) return io.stdout:write(...) end
  function io.read(...) return io.stdin:read(...) end
  function io.output() return io.stdout end
  function io.input() return io.stdin end
  function io.type(f)
    if getmetatable(f) ~= file then return nil end
    return f.closed and "closed file" or "file"
  end
  function io.close(f) return (f or io.stdout):close() end
  function io.tmpfile() services.refuse("make temporary files", "all") end
  return io
end

-- ---- the system ----

local function make_os(services, link)
  local function refused(what, flag)
    return function() services.refuse(what, flag) end
  end
  return {
    time = services.time, date = services.date, getenv = services.env, clock = link.cpu,
    difftime = function(a, b) return a - (b or 0) end,
    execute = function(command)
      if command == nil then return services.may_exec() end
      local code, output = services.exec({ "sh", "-c", command })
      services.print(output)
      return code == 0 or nil, "exit", code
    end,
    exit = refused("end the program", "all"),
    remove = refused("remove files", "all"),
    rename = refused("rename files", "all"),
    tmpname = refused("make temporary files", "all"),
    setlocale = refused("change the program's language", "all"),
  }
end

local function make_lfs(services)
  local lfs = { _VERSION = "lfs for recipes" }
  function lfs.attributes(path, want)
    local kind, size = services.kind(path)
    if not kind then return nil, ("there is no %s"):format(path), 2 end
    local all = { mode = kind, size = size }
    if type(want) == "string" then return all[want] end
    return all
  end
  lfs.symlinkattributes = lfs.attributes
  function lfs.dir(path)
    local list, i = services.list(path), 0
    return function()
      i = i + 1
      return list[i] and list[i].name
    end
  end
  function lfs.currentdir() return "." end
  for _, name in ipairs { "mkdir", "rmdir", "chdir", "link", "touch", "lock", "unlock",
    "lock_dir", "setmode" } do
    lfs[name] = function() services.refuse("call lfs." .. name, "all") end
  end
  return lfs
end

return function(services, link)
  return { io = make_io(services), os = make_os(services, link), lfs = make_lfs(services) }
end
