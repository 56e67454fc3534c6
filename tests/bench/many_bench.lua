-- Sixteen paced simulated boards flashed at once, a process each, at 921600 baud,
-- against one alone: wall time, processor time and memory of a process.
local esp <const> = require "esp"

local PROGRAM <const> = assert(os.getenv("MOONFLASH"), "MOONFLASH names the program")
local BOARDS <const> = 16

local function quote(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

local dir <const> = os.tmpname()
os.remove(dir)
os.execute("mkdir -p " .. dir)
local file <const> = dir .. "/data.bin"
do
  local f <close> = assert(io.open(PROGRAM, "rb"))
  f:seek("set", 0x8000)
  local out <close> = assert(io.open(file, "wb"))
  out:write(f:read(0x60000))
end

local function command(i)
  return ("%s -q -b 921600 -p %s write 0x10000 %s >/dev/null 2>&1"):format(PROGRAM,
    quote(("sim:%s/%d.flash?size=4M&pace=real"):format(dir, i)), file)
end

local function flash(n)
  local lines = {}
  for i = 1, n do lines[i] = ("(%s || echo failed) &"):format(command(i)) end
  os.execute("rm -f " .. dir .. "/*.flash")
  local t = esp.clock()
  local p <close> = assert(io.popen("sh -c " .. quote(table.concat(lines, "\n") .. "\nwait; times")))
  local said = p:read("a")
  assert(not said:find("failed"), said)
  local m, s, m2, s2 = said:match("\n(%d+)m([%d.]+)s (%d+)m([%d.]+)s")
  return esp.clock() - t, m * 60 + s + m2 * 60 + s2
end

local function memory_kb()
  local p <close> = assert(io.popen(("sh -c '%s & pid=$!; peak=0; while kill -0 $pid 2>/dev/null;"
    .. " do now=$(sed -n \"s/VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p\" /proc/$pid/status 2>/dev/null);"
    .. " [ -n \"$now\" ] && peak=$now; sleep 0.02; done; echo $peak'"):format(
    command(99):gsub("'", '"'))))
  return math.tointeger(tonumber(p:read("a")))
end

local one, one_cpu = flash(1)
local all, all_cpu = flash(BOARDS)
print(("one board      %6.2f s, %5.2f s of processor"):format(one, one_cpu))
print(("%d boards      %6.2f s, %5.2f s of processor, %.2f x the time of one, simulated chips"
  .. " included"):format(BOARDS, all, all_cpu, all / one))
local kb = memory_kb()
if kb then print(("memory         %6.1f MB at most, a process with its simulated chip"):format(kb / 1024)) end
os.execute("rm -rf " .. dir)
