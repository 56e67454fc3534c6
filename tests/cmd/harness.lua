-- What tests of whole commands share: running the program, boards on file.
local lfs = require "lfs"

local harness = {}

harness.program = assert(os.getenv("MOONFLASH"), "MOONFLASH names the program under test")

local function quote(s)
  return "'" .. tostring(s):gsub("'", "'\\''") .. "'"
end

--- Runs a shell command; returns stdout, stderr, exit code.
function harness.shell(command)
  local out, err = os.tmpname(), os.tmpname()
  local _, how, code = os.execute(("%s >%s 2>%s </dev/null"):format(command, out, err))
  local function take(path)
    local f <close> = assert(io.open(path, "rb"))
    os.remove(path)
    return f:read("a")
  end
  return take(out), take(err), how == "exit" and code or 128 + code
end

--- The folder in which the program remembers what it remembers of boards: one for
-- each test program, so that those that run at the same time know nothing of each other.
harness.state = os.tmpname()
os.remove(harness.state)
local exit = os.exit
os.exit = function(...)       -- luacheck: ignore
  os.execute("rm -rf " .. quote(harness.state))
  exit(...)
end

--- Runs moonflash with the arguments given; returns stdout, stderr, exit code.
function harness.run(...)
  local words = { "env", "-u", "MOONFLASH_PORT", "-u", "MOONFLASH_BAUD", "-u", "MOONFLASH_LEDGER" }
  if harness.state then words[#words + 1] = quote("XDG_STATE_HOME=" .. harness.state) end
  words[#words + 1] = quote(harness.program)
  for _, a in ipairs { ... } do words[#words + 1] = quote(a) end
  return harness.shell(table.concat(words, " "))
end

--- A fresh directory; harness.remove() takes it away again.
function harness.directory()
  local path = os.tmpname()
  os.remove(path)
  assert(lfs.mkdir(path))
  return path
end

function harness.remove(path)
  os.execute("rm -rf " .. quote(path))
end

function harness.read(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read("a")
end

function harness.write(path, bytes)
  local f <close> = assert(io.open(path, "wb"))
  assert(f:write(bytes))
end

harness.quote = quote

return harness
