-- Whole commands on the paced simulated chip, each as a ratio to the wire limit:
-- bytes that had to travel x 10 / baud. Flash busy times are a W25Q32's.
-- Usage: moonflash tests/bench/flash_bench.lua [BAUD,... [LATENCY_MS,...]]
local esp    <const> = require "esp"
local image  <const> = require "moonflash.image"

local PROGRAM <const> = assert(os.getenv("MOONFLASH"), "MOONFLASH names the program")
local UNIT <const> = 16384

local function read(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read("a")
end

local function write(path, bytes)
  local f <close> = assert(io.open(path, "wb"))
  f:write(bytes)
end

-- A firmware file of real machine code: what IMAGE names, else an aggregated image
-- (RAM part, fill, irom) made of this program's own code.
local function make_image()
  local given = os.getenv("IMAGE")
  if given then return read(given) end
  local code = read(PROGRAM)
  local at = 0x8000
  local function take(n)
    at = at + n
    return code:sub(at - n + 1, at)
  end
  local low = image.build { entry = 0x40100004, mode = "dio", freq = "40m", size = "4MB",
    segments = { { addr = 0x40100000, data = take(0x6c00) }, { addr = 0x3ffe8000,
      data = take(0x800) } } }
  return image.aggregate(low, take(0x61000))
end

-- Bytes that have to travel: the units that are not blank, deflated each.
local function travel(bytes)
  local n = 0
  for at = 1, #bytes, UNIT do
    local unit = bytes:sub(at, at + UNIT - 1)
    if unit:find("[^\xff]") then n = n + math.min(#unit, #esp.deflate(unit)) end
  end
  return n
end

local function run(args)
  local t = esp.clock()
  local ok = os.execute(("%s %s >%s 2>&1"):format(PROGRAM, args, "/tmp/bench.out"))
  t = esp.clock() - t
  assert(ok, args .. ":\n" .. read("/tmp/bench.out"))
  return t
end

local function row(what, seconds, limit, goal)
  print(("%-48s %7.2f s  wire %6.2f s  ratio %5.2f  over wire %5.2f s%s"):format(what, seconds,
    limit, seconds / limit, seconds - limit, goal and ("   goal %5.2f s %s"):format(goal,
    seconds <= goal and "met" or "MISSED") or ""))
end

local function list(text, default)
  local t = {}
  for n in (text or default):gmatch("%d+") do t[#t + 1] = math.tointeger(n) end
  return t
end

local bytes <const> = make_image()
local file <const>, flash <const> = os.tmpname(), os.tmpname()
write(file, bytes)
local wire <const> = travel(bytes)
print(("image of %d bytes, %d to travel (%.0f %%)"):format(#bytes, wire, 100 * wire / #bytes))

for _, latency in ipairs(list(arg[2], "1,16")) do
  for _, baud in ipairs(list(arg[1], "115200,460800,921600,2000000")) do
    local board = ("-q -b %d -p 'sim:%s?size=4M&pace=real&latency=%d'"):format(baud, flash, latency)
    local limit = wire * 10 / baud
    local name = ("%d baud, %d ms: "):format(baud, latency)
    os.remove(flash)
    row(name .. "first flash", run(board .. " write 0x0 " .. file), limit,
      latency == 1 and limit * 1.10 + 0.6 or limit * 1.15 + 0.8)
    row(name .. "the same again", run(board .. " write 0x0 " .. file), limit)
    local changed = bytes:sub(1, 0x20000) .. ("changed!"):rep(512) .. bytes:sub(0x21001)
    write(file, changed)
    row(name .. "one sector changed", run(board .. " write 0x0 " .. file), limit, 1.2)
    write(file, bytes)
    row(name .. "read 4 MB", run(board .. " read 0 all " .. file .. ".back"), limit,
      baud == 921600 and 8 or nil)
    assert(read(file .. ".back"):sub(0x20001, 0x20008) == "changed!")
  end
end
for _, f in ipairs { file, flash, file .. ".back" } do os.remove(f) end
