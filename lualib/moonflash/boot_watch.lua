--- Does the chip run what was flashed? Judged by what it prints. Pure.
-- @module moonflash.boot_watch

local boot_messages = require "moonflash.boot_messages"
local nodemcu = require "moonflash.nodemcu"
local text = require "moonflash.text"

local boot_watch = {}

-- So much readable text after the ROM's log is a program that speaks.
local SPEAKS <const> = 12
-- So many starts in one log are a loop: NodeMCU itself restarts once or twice when
-- it completes its partition table or corrects the size of its flash.
local LOOP <const> = 5

-- What the firmware printed behind the last log of the ROM.
local function after_rom(bytes)
  local rest = bytes
  local at = 1
  while true do
    local _, last = bytes:find("\ncsum 0x%x%x\r?\n", at)
    if not last then break end
    rest, at = bytes:sub(last + 1), last
  end
  return rest
end

-- Messages that a chip recovers from by itself when they come once.
local PASSING <const> = { watchdog = true, exception = true, no_image = true, checksum = true }

-- The complaint that counts; and whether there is one that may pass.
local function worst_of(findings, restarts)
  local passing = false
  for _, row in ipairs(findings) do
    if row.bad and (not PASSING[row.id] or restarts >= 2) then return row end
    passing = passing or row.bad
  end
  return nil, passing
end

local function verdict(state, message, hint, extra)
  local v = { state = state, text = message, hint = hint }
  for k, value in pairs(extra or {}) do v[k] = value end
  return v
end

local function has_prompt(rest)
  return rest:find("\n> $") or rest:find("\n> [\r\n]") or rest:find("^> $")
end

--- Judge a boot log.
-- @tparam string bytes all that was heard since the reset, the ROM's log first
-- @treturn table state: "prompt" (NodeMCU's Lua prompt was seen), "running" (the
-- ROM booted and a program speaks), "bad" (a known complaint, or a loop of
-- restarts), "formatting" (NodeMCU makes its file system: wait longer),
-- "loading" (the ROM booted, nothing more yet), "noise" (bytes, but no text:
-- another rate) or "silent"; text for people; hint; restarts; nodemcu (when its
-- banner was heard); finding (row of `boot_messages`); final (nothing that may
-- still come would change it for the better)
function boot_watch.judge(bytes)
  if bytes == "" then
    return verdict("silent", "nothing was heard",
      "is it the right port? does RX see the chip's TX?")
  end
  local banner = boot_messages.banner(bytes)
  local restarts = banner and banner.count or 0
  local rest = after_rom(bytes)
  local found = nodemcu.identify(bytes)
  local extra = { restarts = restarts, nodemcu = found and nodemcu.describe(found) or nil }
  if has_prompt(rest) then
    extra.final = true
    return verdict("prompt", "the Lua prompt was seen", nil, extra)
  end
  local bad, stumbled = worst_of(boot_messages.find(bytes), restarts)
  if bad then
    extra.finding, extra.final = bad.id, true
    return verdict("bad", bad.text, bad.hint, extra)
  elseif restarts >= LOOP then
    extra.final = true
    return verdict("bad", ("the chip restarts over and over (%d times)"):format(restarts),
      "check the supply; erase the chip and flash again", extra)
  elseif banner and banner.mode.loader then
    return verdict("bad", "the chip started its serial loader, not its flash",
      "let GPIO0 go and reset", extra)
  elseif rest:find("Formatting file system", 1, true) then
    return verdict("formatting", "NodeMCU formats its file system", "wait, it may take a minute",
      extra)
  end
  local readable = text.printable_share(rest)
  if #rest >= SPEAKS and readable >= 0.9 and not stumbled then
    return verdict("running", "the firmware runs and prints text", nil, extra)
  elseif bytes:find("\ncsum 0x%x%x\r?\n") then
    return verdict("loading", "the ROM booted the image; nothing readable came after that",
      "it may be silent, or speak at another rate: moonflash run --listen 5@RATE", extra)
  end
  return verdict("noise", "bytes were heard, but no text", "the firmware speaks at another rate: "
    .. "moonflash run --listen 5@RATE", extra)
end

--- The console rate of a generation's builds.
-- @tparam string|nil generation
-- @tparam[opt] string version of NodeMCU
-- @treturn integer baud
function boot_watch.baud(generation, version)
  if generation == "0.9" and version ~= "1.5.1" then return 9600 end
  return 115200
end

--- How long to go on listening.
-- @tparam string bytes heard so far
-- @tparam number seconds since the reset
-- @tparam number limit seconds asked for
-- @tparam[opt] string want "text": a line of any program will do; otherwise the
-- Lua prompt is waited for
-- @treturn boolean true when enough was heard: a prompt, a complaint, or the
-- time is up; formatting a file system extends the time to 90 s
function boot_watch.enough(bytes, seconds, limit, want)
  local v = boot_watch.judge(bytes)
  if want == "text" and v.state == "running" and after_rom(bytes):find("%g\r?\n") then
    return true
  end
  if v.state == "formatting" then return seconds >= math.max(limit, 90) end
  return v.final or seconds >= limit
end

return boot_watch
