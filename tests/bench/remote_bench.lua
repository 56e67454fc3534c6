-- Flashing over a network: a paced simulated chip behind RFC 2217, with a line
-- between that delays every byte, each way. Ratio to the wire limit, which is that
-- of the serial line at the far end: bytes that had to travel x 10 / baud.
-- Usage: moonflash tests/bench/remote_bench.lua DELAY_PROXY [BAUD,... [DELAY_MS,...]]
local esp <const> = require "esp"

local PROGRAM <const> = assert(os.getenv("MOONFLASH"), "MOONFLASH names the program")
local PROXY <const> = assert(arg[1], "the delaying proxy")
local UNIT <const>, SIZE <const> = 16384, 462848

local function read(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read("a")
end

local function write(path, bytes)
  local f <close> = assert(io.open(path, "wb"))
  f:write(bytes)
end

local function list(text, default)
  local t = {}
  for n in (text or default):gmatch "%d+" do t[#t + 1] = math.tointeger(n) end
  return t
end

-- Machine code, which compresses as firmware does.
local bytes <const> = read(PROGRAM):sub(0x10001, 0x10000 + SIZE)
local wire = 0
for at = 1, #bytes, UNIT do wire = wire + #esp.deflate(bytes:sub(at, at + UNIT - 1)) end

local file <const>, flash <const>, out <const> = os.tmpname(), os.tmpname(), os.tmpname()
os.remove(flash)
write(file, bytes)

-- Starts a program in the background; returns its process id and the first line
-- of its output that a pattern finds.
local function start(command, pattern)
  write(out, "")
  os.execute(("%s >%s 2>&1 & echo $! >%s.pid"):format(command, out, out))
  local pid = read(out .. ".pid"):match "%d+"
  for _ = 1, 200 do
    local found = read(out):match(pattern)
    if found then return pid, found end
    os.execute "sleep 0.02"
  end
  error(command .. " did not start: " .. read(out))
end

local function flash_once(tcp, baud)
  local log = out .. ".log"
  local t = esp.clock()
  local ok = os.execute(("%s -q -b %d -p rfc2217://127.0.0.1:%s write --full 0x10000 %s >%s 2>&1")
    :format(PROGRAM, baud, tcp, file, log))
  t = esp.clock() - t
  assert(ok, read(log))
  return t
end

local board <const>, far <const> = start(("%s sim '%s?size=4M' --rfc2217 0"):format(PROGRAM, flash),
  "rfc2217://127%.0%.0%.1:(%d+)")
print(("%d bytes, %d to travel (%.0f %%)"):format(#bytes, wire, 100 * wire / #bytes))
for _, baud in ipairs(list(arg[2], "115200,921600")) do
  for _, delay in ipairs(list(arg[3], "0,5,20")) do
    local proxy, near = start(("%s %s %d"):format(PROXY, far, delay), "(%d+)\n")
    local seconds, limit = flash_once(near, baud), wire * 10 / baud
    print(("%-28s %7.2f s  wire %6.2f s  ratio %5.2f  over wire %5.2f s"):format(
      ("%d baud, %d ms each way"):format(baud, delay), seconds, limit, seconds / limit,
      seconds - limit))
    os.execute("kill " .. proxy)
  end
end
os.execute("kill " .. board)
for _, path in ipairs { file, flash, out, out .. ".pid", out .. ".log" } do os.remove(path) end
