-- Runs the program on a board whose flash is a file, with faults, and looks at
-- what came of it.
local lfs = require "lfs"

local runs = {}

-- What no run may need: time of the CPU, more than twice what the longest ones take,
-- and of the clock, for those that wait (30 s for a port) on a busy machine.
local CPU_SECONDS <const>, SECONDS <const> = 100, 400

-- The program that runs this, or the one that MOONFLASH names.
local function program()
  local named = os.getenv "MOONFLASH"
  if not named then return lfs.symlinkattributes("/proc/self/exe", "target") end
  return named:sub(1, 1) == "/" and named or lfs.currentdir() .. "/" .. named
end
runs.program = program()

local function read(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read "a"
end
runs.read = read

local function write(path, bytes)
  local f <close> = assert(io.open(path, "wb"))
  assert(f:write(bytes))
end
runs.write = write

--- A fresh directory, in memory where there is such a place.
function runs.directory()
  local name = os.tmpname()
  os.remove(name)
  if lfs.attributes("/dev/shm", "mode") == "directory" then
    name = "/dev/shm/" .. name:match "[^/]+$"
  end
  assert(lfs.mkdir(name))
  return name
end

function runs.remove(dir) os.execute("rm -rf '" .. dir .. "'") end

--- Puts a job's files into its directory.
function runs.prepare(dir, job)
  for _, folder in ipairs(job.folders or {}) do lfs.mkdir(dir .. "/" .. folder) end
  for name, bytes in pairs(job.files) do write(dir .. "/" .. name, bytes) end
  if job.prepare then
    write(dir .. "/flash", job.prepare.flash)
    write(dir .. "/faults", "# none\n")
    local run = runs.run(dir, { args = job.prepare.args, options = "", loader = {} })
    assert(run.code == 0, run.err)
  end
end

local function quote(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

-- What the chip wrote of itself into the fault list when it was closed, last line.
local function counters(text)
  local last
  for line in text:gmatch "# sent [^\n]*" do last = line end
  local found = {}
  for name, value in (last or ""):gmatch "(%l+) (%x+)" do
    found[name] = tonumber(value, name == "status" and 16 or 10)
  end
  return found
end

-- Erases and programs that the chip took, over all openings of its port.
local function operations(text)
  local n = 0
  for ops in text:gmatch "\n# sent %d+ received %d+ ops (%d+)" do n = n + math.tointeger(ops) end
  return n
end

local function shell_code(how, code)
  if how == "signal" then return "killed" end
  if code == 124 or code == 152 then return "hang" end    -- of timeout(1), SIGXCPU
  if code == 137 then return "killed" end
  return code
end

--- Runs a command in a directory with `flash` and `faults` in it.
-- @tparam string dir
-- @tparam table what `args`, `options` (of the chip's URL), `loader` (more
--   arguments), `program` (arguments before all others)
-- @treturn table `code`, `out`, `err`, `after`, `counters`, `operations`
function runs.run(dir, what)
  local words = {}
  local options = "faults=faults" .. (what.options ~= "" and "&" .. what.options or "")
  for _, list in ipairs { what.program or {}, { "-p", "sim:flash?" .. options, "--after", "stay" },
    what.loader, what.args } do
    for _, w in ipairs(list) do words[#words + 1] = quote(w) end
  end
  local script = ("cd %s && ulimit -t %d && HOME=. XDG_STATE_HOME=. exec timeout %d %s %s >out 2>err"
    .. " </dev/null"):format(quote(dir), CPU_SECONDS, SECONDS, quote(what.binary or runs.program),
      table.concat(words, " "))
  local _, how, code = os.execute(script)
  local notes = read(dir .. "/faults")
  return { code = shell_code(how, code), operations = operations(notes), out = read(dir .. "/out"), err = read(dir .. "/err"),
    after = read(dir .. "/flash"), counters = counters(notes) }
end

return runs
