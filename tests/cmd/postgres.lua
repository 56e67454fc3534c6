-- A PostgreSQL server of the tests' own: data in a temporary directory, reached by a
-- socket there, run by an ordinary user since it refuses root.
local esp = require "esp"
local harness = require "harness"
local lfs = require "lfs"

local postgres = {}
postgres.__index = postgres

local NOBODY <const> = 65534

local function binaries()
  local dir = "/usr/lib/postgresql"
  if lfs.attributes(dir, "mode") ~= "directory" then return nil end
  local found
  for version in lfs.dir(dir) do
    if lfs.attributes(dir .. "/" .. version .. "/bin/postgres", "mode") == "file"
      and (not found or tonumber(version) > tonumber(found)) then found = version end
  end
  return found and dir .. "/" .. found .. "/bin/"
end

-- The words of a command, as an ordinary user.
local function words(self, list)
  local all = self.is_root and { "setpriv", "--reuid", tostring(NOBODY), "--regid",
    tostring(NOBODY), "--clear-groups" } or {}
  return table.move(list, 1, #list, #all + 1, all)
end

local function shell(self, list)
  local quoted = {}
  for i, word in ipairs(words(self, list)) do quoted[i] = harness.quote(word) end
  local out, err, code = harness.shell("cd " .. harness.quote(self.dir) .. " && LC_ALL=C "
    .. table.concat(quoted, " "))
  assert(code == 0, out .. err)
end

--- Starts a server.
-- @treturn server|nil
-- @treturn string why there is none
function postgres.start()
  local bin = binaries()
  if not bin then return nil, "PostgreSQL is not installed (apt install postgresql)" end
  local self = setmetatable({ bin = bin, dir = harness.directory() }, postgres)
  self.is_root = harness.shell "id -u":match "^0" ~= nil
  if self.is_root then os.execute(("chown %d:%d %s"):format(NOBODY, NOBODY, self.dir)) end
  shell(self, { bin .. "initdb", "-D", self.dir .. "/data", "-A", "trust", "-U", "flasher", "-E",
    "UTF8", "--locale=C", "--no-sync" })
  self:run()
  return self
end

--- Runs it, after start() or kill().
function postgres:run()
  local list = words(self, { self.bin .. "postgres", "-D", self.dir .. "/data", "-k", self.dir,
    "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=80" })
  -- what it says goes into a file: a pipe that nobody reads would stop it
  local log = self.dir .. ".log"
  self.process = assert(esp.process.spawn { "sh", "-c", 'exec "$@" >>"$0" 2>&1', log,
    table.unpack(list) })
  local till = esp.clock() + 30
  repeat
    local _, _, code = harness.shell(("%spg_isready -q -h %s -U flasher -d postgres"):format(self.bin,
      self.dir))
    if code == 0 then return end
    esp.sleep(30)
  until esp.clock() > till
  error("PostgreSQL does not start: " .. harness.read(log))
end

--- Kills it as a power cut would, as far as this process goes.
function postgres:kill()
  self.process:kill "kill"
  while not self.process:wait() do esp.sleep(10) end
  self.process:close()
end

--- A database's URL.
-- @tparam[opt="postgres"] string name
function postgres:url(name)
  return ("postgres://flasher@/%s?host=%s"):format(name or "postgres", self.dir)
end

--- Sends SQL past the program under test; returns what psql prints, a row a line.
function postgres:sql(statement)
  local out, err, code = harness.shell(("%spsql -q -At -h %s -U flasher -d postgres -c %s"):format(
    self.bin, self.dir, harness.quote(statement)))
  assert(code == 0, err)
  return out
end

--- An empty database.
function postgres:clear()
  self:sql "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
end

function postgres:stop()
  if self.process then self:kill() end
  harness.remove(self.dir)
  os.remove(self.dir .. ".log")
end

return postgres
