-- Seeded trouble, thousands of times: noise on the line, power cuts, unplugging.
-- The oracle reads the board's flash file itself and never asks the program.
-- Usage: moonflash tests/soak/soak.lua [noise|none|cut|romcut|unplug|all] [N] [SEED] [-v]
local device <const> = require "moonflash.device"
local errors <const> = require "moonflash.errors"
local esp    <const> = require "esp"
local image  <const> = require "moonflash.image"
local report <const> = require "moonflash.report"
local writer <const> = require "moonflash.writer"

local KIND <const> = arg[1] or "all"
local RUNS <const> = math.tointeger(tonumber(arg[2])) or 20
local SEED <const> = math.tointeger(tonumber(arg[3])) or os.time()
local VERBOSE <const> = arg[4] == "-v"

local FLASH_BYTES <const> = 0x80000
local SECTOR <const> = 0x1000
local BLANK <const> = ("\xff"):rep(SECTOR)

report.setup { silent = not VERBOSE, verbose = VERBOSE }

local function read(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read("a")
end

local function write(path, bytes)
  local f <close> = assert(io.open(path, "wb"))
  f:write(bytes)
end

-- A firmware of real code, different in its first and some other sectors by `tag`.
local CODE <const> = read(arg[-1] or os.getenv("MOONFLASH") or "/proc/self/exe")
local function firmware(tag, size)
  local at = 0x10000 + tag * 0x3000
  local iram = CODE:sub(at + 1, at + 0x4000)
  local low = image.build { entry = 0x40100000, mode = "dio", freq = "40m", size = "512KB",
    segments = { { addr = 0x40100000, data = iram }, { addr = 0x3ffe8000,
      data = CODE:sub(at + 0x4001, at + size - 0x100) } } }
  return low
end

-- "old", "new", "nothing" when it would not boot, else "MIXED".
local function boots(flash, old, new)
  if flash:byte(1) ~= 0xe9 then return "nothing" end
  if flash:sub(1, #new) == new then return "new" end
  if flash:sub(1, #old) == old then return "old" end
  return #image.parse(flash).problems > 0 and "nothing" or "MIXED"
end

local function attempt(url, bytes, no_stub)
  local ok, e = pcall(function()
    local dev <close> = device.open { port = url, baud = "921600", after = "stay",
      no_stub = no_stub }
    local started = dev.port:now()
    local summary = writer.write(dev, { parts = { { addr = 0, data = bytes, name = "firmware" } } })
    summary.seconds = (dev.port:now() - started) / 1e6
    summary.resent = dev.loader.stub and dev.loader.stub:counters().resent or 0
    return summary
  end)
  if ok then return e end
  return nil, errors.wrap(e)
end

local function sectors_wrong(flash, bytes)
  local n = 0
  for at = 0, #bytes - 1, SECTOR do
    local want = bytes:sub(at + 1, at + SECTOR)
    want = want .. BLANK:sub(#want + 1)
    if flash:sub(at + 1, at + SECTOR) ~= want then n = n + 1 end
  end
  return n
end

local stats <const> = { runs = 0, first = 0, failed = 0, retries = 0, wrong = 0, resent = 0,
  seconds = 0 }

local function bad(seed, kind, what)
  stats.wrong = stats.wrong + 1
  print(("WRONG: %s (repeat: soak.lua %s 1 %d -v)"):format(what, kind, seed))
end

local function check_outside(before, after, bytes, seed, kind)
  local last = (#bytes + SECTOR - 1) // SECTOR * SECTOR
  if before:sub(last + 1) ~= after:sub(last + 1) then
    bad(seed, kind, "flash outside the planned sectors changed")
  end
end

-- What NOR cells can do: become 1 in a sector that is being erased, become 0 where
-- a 0 is being programmed, or stay. Both are in the plan, so a 0 must have been
-- there before or be wanted.
local function check_physics(before, after, bytes, seed, kind)
  for at = 1, #bytes do
    local zero_without_reason = ~after:byte(at) & before:byte(at) & bytes:byte(at)
    if zero_without_reason & 0xff ~= 0 then
      return bad(seed, kind, ("a cell at 0x%06x is 0 and nobody wrote that"):format(at - 1))
    end
  end
end

-- One board: old firmware, trouble while the new one is written, the same command
-- again without trouble.
local function one(kind, seed, options)
  math.randomseed(seed)
  local path = os.tmpname()
  local by_rom = kind == "romcut"
  local old, new = firmware(1, by_rom and 0x5000 or 0x9000), firmware(2, by_rom and 0x5000 or 0x9000)
  local before = old .. CODE:sub(1, FLASH_BYTES - #old)
  write(path, before)
  local summary, e = attempt(("sim:%s?seed=%d&%s"):format(path, seed & 0x7fffffff, options()), new,
    by_rom)
  local flash = read(path)
  stats.runs = stats.runs + 1
  check_outside(before, flash, new, seed, kind)
  check_physics(before, flash, new, seed, kind)
  if summary then
    stats.first = stats.first + 1
    stats.retries = stats.retries + summary.retries
    stats.resent = stats.resent + summary.resent
    stats.seconds = stats.seconds + summary.seconds
    if sectors_wrong(flash, new) > 0 then bad(seed, kind, "it said ok and flash is wrong") end
  else
    stats.failed = stats.failed + 1
    if boots(flash, old, new) == "MIXED" then bad(seed, kind, "a mixed image boots") end
    if not e.hint then bad(seed, kind, "no hint: " .. tostring(e)) end
    if e.code == "script" then bad(seed, kind, "an error of our own: " .. tostring(e)) end
    local changed = flash ~= before
    if changed and errors.exit_code(e) ~= 8 then
      bad(seed, kind, ("flash changed, exit code %d: %s"):format(errors.exit_code(e), tostring(e)))
    end
    local need = sectors_wrong(flash, new)
    summary, e = attempt("sim:" .. path, new)
    if not summary then
      bad(seed, kind, "the same command again fails: " .. tostring(e))
    else
      -- the boot sector is rewritten whenever anything that boots is
      if summary.written > need + 1 then
        bad(seed, kind, ("%d sectors written where %d were wrong"):format(summary.written, need))
      end
      if sectors_wrong(read(path), new) > 0 then bad(seed, kind, "flash is wrong after repair") end
    end
  end
  os.remove(path)
end

local KINDS <const> = {
  noise = function()
    local what = ({ "flip", "lose", "dup" })[math.random(3)]
    return ("%s=%.7f"):format(what, 1 / 20000)
  end,
  cut = function()
    return ("cut=%d&cutwhen=%s"):format(math.random(1, 160),
      ({ "before", "during", "after" })[math.random(3)])
  end,
  romcut = function()   -- 32-byte programs, so many more operations
    return ("cut=%d&cutwhen=%s"):format(math.random(1, 700),
      ({ "before", "during", "after" })[math.random(3)])
  end,
  none = function() return "flip=0" end,
  unplug = function() return ("unplug=%d"):format(math.random(50, 60000)) end,
}

local started <const> = esp.clock()
for _, kind in ipairs(KIND == "all" and { "noise", "cut", "romcut", "unplug" } or { KIND }) do
  for k in pairs(stats) do stats[k] = 0 end
  local t = esp.clock()
  for i = 1, RUNS do one(kind, SEED + i - 1, KINDS[kind]) end
  print(("%-7s %5d runs: %5d verified at once (%d attempts more, %d frames sent again, %.2f s each on"
    .. " the chip's clock), %5d failed and were repaired, %d WRONG  (seed %d, %.1f s)"):format(kind,
    stats.runs, stats.first, stats.retries, stats.resent, stats.seconds / math.max(stats.first, 1),
    stats.failed, stats.wrong, SEED, esp.clock() - t))
  if stats.wrong > 0 then os.exit(1) end
end
