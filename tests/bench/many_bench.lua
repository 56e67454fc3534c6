-- Many boards at once: `moonflash gang` on sixteen paced simulated boards at 921600
-- baud against one, against separate runs, and without the chips' own cost; memory of
-- a board's process.
-- Usage: moonflash --allow=all tests/bench/many_bench.lua [BOARDS]
local dkjson <const> = require "dkjson"
local esp <const> = require "esp"

local PROGRAM <const> = assert(os.getenv("MOONFLASH"), "MOONFLASH names the program")
local BOARDS <const> = math.tointeger(tonumber(arg[1] or 16))
local BYTES <const> = 0x60000
local APART <const> = math.min(BOARDS, 4)      -- with their chips in processes of their own

local function quote(s) return "'" .. s:gsub("'", "'\\''") .. "'" end

local dir <const> = os.tmpname()
os.remove(dir)
os.execute("mkdir -p " .. dir)
local file <const> = dir .. "/data.bin"
do
  local f <close> = assert(io.open(PROGRAM, "rb"))
  f:seek("set", 0x8000)
  local out <close> = assert(io.open(file, "wb"))
  out:write(f:read(BYTES))
end

local function fresh() os.execute("rm -f " .. dir .. "/*.flash") end

local function proven(n)
  for i = 1, n do
    local f <close> = assert(io.open(("%s/%d.flash"):format(dir, i), "rb"))
    f:seek("set", 0x10000)
    local want <close> = assert(io.open(file, "rb"))
    assert(f:read(BYTES) == want:read "a", "board " .. i .. " differs")
  end
end

-- Kilobytes of a process by a field of smaps_rollup; nil when it has ended.
local function memory(pid, field)
  local f <close> = io.open(("/proc/%d/smaps_rollup"):format(pid))
  local text = f and f:read "a" or ""
  return math.tointeger(tonumber(text:match(field .. ":%s+(%d+)")))
end

-- Runs shell lines; returns seconds, seconds of processor, and what `each` got to see:
-- the events that came.
local function run(lines, each)
  local t = esp.clock()
  local p <close> = assert(esp.process.spawn { "sh", "-c", lines .. "\ntimes" })
  local text, said = "", ""
  while true do
    esp.process.poll({ p }, 1000)
    local s = p:read "output"
    if not s then break end
    text = text .. s
    for line in text:gmatch "([^\n]*)\n" do
      local e = line:match "^{" and dkjson.decode(line)
      if e and each then each(e) end
      if not e then said = said .. line .. "\n" end
      assert(not (e and e.event == "board_end" and not e.good), line)
    end
    text = text:match "[^\n]*$"
  end
  t = esp.clock() - t
  local m, s, m2, s2 = said:match "\n(%d+)m([%d.]+)s (%d+)m([%d.]+)s\n$"
  assert(m, said)
  return t, m * 60 + s + m2 * 60 + s2
end

local function gang(ports, more)
  return ("%s gang --json -b 921600 --ports %s write 0x10000 %s %s"):format(PROGRAM, quote(ports), file,
    more or "")
end

local function sims(n) return ("sim:%s/{1..%d}.flash?size=4M&pace=real"):format(dir, n) end

local function row(what, seconds, cpu, more)
  print(("%-44s %6.2f s, %5.2f s of processor%s"):format(what, seconds, cpu, more or ""))
end

-- The most memory that the processes of every fourth board had, and a function that
-- looks at them.
local function watcher()
  local peak, pids = { Private_Dirty = 0, Private_Clean = 0, Rss = 0 }, {}
  return peak, function(e)
    if e.event == "board_start" then pids[e.board] = e.pid end
    if e.event ~= "progress" or e.board % 4 ~= 1 then return end
    for field in pairs(peak) do
      peak[field] = math.max(peak[field], memory(pids[e.board], field) or 0)
    end
  end
end

-- ---- time and processor, simulated chips included

fresh()
local one, one_cpu = run(gang(sims(1)))
proven(1)
row("one board", one, one_cpu)
fresh()
local with_chip, look = watcher()
local all, all_cpu = run(gang(sims(BOARDS)), look)
proven(BOARDS)
row(("%d boards, a gang"):format(BOARDS), all, all_cpu, (", %.2f x the time of one"):format(all / one))
fresh()
local lines = {}
for i = 1, BOARDS do
  lines[i] = ("(%s -q -b 921600 -p 'sim:%s/%d.flash?size=4M&pace=real' write 0x10000 %s || echo failed) &"):format(
    PROGRAM, dir, i, file)
end
local apart, apart_cpu = run(table.concat(lines, "\n") .. "\nwait")
proven(BOARDS)
row(("%d boards, separate runs of write"):format(BOARDS), apart, apart_cpu)

-- ---- without the chips: they live in processes of their own, behind pseudo-terminals

fresh()
local chips = {}
for i = 1, APART do
  chips[i] = assert(esp.process.spawn { PROGRAM, "sim", ("%s/%d.flash?size=4M"):format(dir, i), "--pty",
    ("%s/pty%d"):format(dir, i) })
end
local lfs <const> = require "lfs"
for i = 1, APART do
  while not lfs.attributes(("%s/pty%d"):format(dir, i)) do esp.sleep(10) end
end
local without, look_again = watcher()
local host, host_cpu = run(gang(("%s/pty{1..%d}"):format(dir, APART), "--before none --once"), look_again)
for _, chip in ipairs(chips) do chip:close() end
proven(APART)
row(("%d boards, chips not counted"):format(APART), host, host_cpu,
  (", %.3f s a board"):format(host_cpu / APART))
for what, peak in pairs { ["its chip included"] = with_chip, ["chip not counted"] = without } do
  print(("memory of a board's process, %s: %.1f MB, %.1f MB of it not shared"):format(what,
    peak.Rss / 1024, (peak.Private_Dirty + peak.Private_Clean) / 1024))
end
os.execute("rm -rf " .. dir)
