-- A schedule: what goes wrong in one run, and when. A seed gives a schedule; a
-- schedule is 0 to 8 faults of `moonflash sim --help`'s list, options of the chip
-- (noise, protection, ...), and the loader. It can be written down and shrunk.
local schedule = {}

-- Exit codes that a kind of trouble may lead to, beside 0.
local MAY_END <const> = {
  ["flip-in"] = "4 8", ["lose-in"] = "4 8", ["dup-in"] = "4 8", ["flip-out"] = "4 8",
  ["lose-out"] = "4 8", ["dup-out"] = "4 8",
  -- after a restart of its own the chip runs its firmware and no longer the loader
  reset = "4 8", unplug = "3 8", cut = "4 8", ["cut-before"] = "4 8", ["cut-after"] = "4 8",
  lie = "8", stuck0 = "8", stuck1 = "8", id = "4 5 6 8",
  signal = "130", ["signal-op"] = "130",
  flip = "4 8", lose = "4 8", dup = "4 8", maxbaud = "4 8", die = "4 8", stuck = "8",
  protect = "5 8", slow = "", badmode = "5 8", wrongid = "5 6 8", alias = "5", none = "",
}

local WEIGHTS <const> = {
  { "none", 2 }, { "flip-in", 6 }, { "lose-in", 6 }, { "dup-in", 6 }, { "flip-out", 6 },
  { "lose-out", 6 }, { "dup-out", 6 }, { "reset", 6 }, { "unplug", 7 }, { "cut", 10 },
  { "cut-before", 3 }, { "cut-after", 3 }, { "lie", 5 }, { "stuck0", 2 }, { "stuck1", 2 },
  { "id", 3 }, { "signal", 10 }, { "signal-op", 8 }, { "flip", 4 }, { "lose", 4 }, { "dup", 3 },
  { "maxbaud", 2 }, { "die", 2 }, { "stuck", 3 }, { "protect", 3 }, { "slow", 3 },
  { "badmode", 2 }, { "wrongid", 2 }, { "alias", 1 },
}

local KILL <const>, INT <const>, TERM <const>, HUP <const> = 9, 2, 15, 1

local function pick(weights)
  local sum = 0
  for _, w in ipairs(weights) do sum = sum + w[2] end
  local at = math.random() * sum
  for _, w in ipairs(weights) do
    at = at - w[2]
    if at < 0 then return w[1] end
  end
  return weights[1][1]
end

-- A moment in 1..n: mostly anywhere, sometimes early, sometimes just past the end.
local function moment(n)
  n = math.max(n, 1)
  local how = math.random()
  if how < 0.2 then return math.max(1, math.floor(n ^ math.random())) end
  if how < 0.25 then return n + math.random(math.max(n // 10, 1)) end
  return math.random(n)
end

local function bytes_at(n) return { moment(n), math.random() < 0.6 and 1 or math.random(2, 40) } end

local function sector_of(facts)
  local r = facts.ranges[math.random(math.max(#facts.ranges, 1))]
  if not r or math.random() < 0.2 then return math.random(0, facts.flash // 4096 - 1) end
  return r.addr // 4096 + math.random(0, r.size // 4096 - 1)
end

-- What cells hold now is what they stay, as far as the bits named go.
local function stuck_bits(facts, value)
  local addr = sector_of(facts) * 4096 + math.random(0, 4095)
  local bit = 1 << math.random(0, 7)
  local byte = facts.before:byte(addr + 1)
  return addr, (value == 0 and ~byte or byte) & bit
end

-- Each kind: what it adds to the fault list, or to the chip's options.
local MAKE <const> = {}

for _, kind in ipairs { "flip", "lose", "dup" } do
  MAKE[kind .. "-in"] = function(facts) return bytes_at(facts.sent) end
  MAKE[kind .. "-out"] = function(facts) return bytes_at(facts.received) end
  MAKE[kind] = function()
    return nil, ("%s=%.7f"):format(kind, 10 ^ (-5 + 2 * math.random()))
  end
end

function MAKE.reset(facts) return { moment(facts.sent + facts.received) } end

function MAKE.unplug(facts)
  return { moment(facts.sent + facts.received), math.random() < 0.01 and "n" or math.random(0, 1) }
end

local function cut(facts) return { moment(facts.ops), pick { { 0, 6 }, { 1, 1 }, { "n", 3 } } } end
MAKE.cut, MAKE["cut-before"], MAKE["cut-after"] = cut, cut, cut

function MAKE.lie(facts)
  if math.random() < 0.3 then return nil, ("lie=%.4f"):format(10 ^ (-3 + 2 * math.random())) end
  return { moment(facts.ops), math.random(1, 4) }
end

function MAKE.signal(facts)
  return { moment(facts.sent + facts.received), pick { { INT, 5 }, { TERM, 2 }, { HUP, 1 },
    { KILL, 5 } } }
end

MAKE["signal-op"] = function(facts)
  return { moment(facts.ops), pick { { INT, 4 }, { TERM, 1 }, { KILL, 5 } } }
end

function MAKE.id() return { math.random(1, 3), pick { { 0xFFFFFF, 3 }, { 0, 2 }, { 0x1540EF, 1 },
  { 0x1240EF, 1 }, { math.random(0, 0xFFFFFF), 1 } } } end

function MAKE.stuck0(facts) return { stuck_bits(facts, 0) } end
function MAKE.stuck1(facts) return { stuck_bits(facts, 1) } end

function MAKE.maxbaud() return nil, "maxbaud=" .. pick { { 57600, 1 }, { 230400, 2 }, { 460800, 2 } } end
function MAKE.die(facts) return nil, "die=" .. moment(facts.sent + facts.received) end
function MAKE.stuck(facts) return nil, "stuck=" .. sector_of(facts) end
function MAKE.protect() return nil, "protect=1" end
function MAKE.slow() return nil, "slow=" .. pick { { 0, 2 }, { 3, 2 }, { 10, 1 } } end
function MAKE.badmode() return nil, "badmode=" .. pick { { "qio", 1 }, { "dio,qio", 1 },
  { "dio,dout,qio,qout,fast", 1 } } end
function MAKE.wrongid() return nil, "id=" .. pick { { "FFFFFF", 1 }, { "000000", 1 },
  { "C84017", 1 }, { "5E4013", 1 }, { "123456", 1 } } end
-- A chip that says it is larger than it is, and repeats itself.
function MAKE.alias(facts) return nil, "id=EF40" .. (facts.flash > 0x80000 and "16" or "15") end
function MAKE.none() return nil end

local function add(s, kind, facts)
  local fault, option = MAKE[kind](facts)
  if not fault and not option then return end
  s.items[#s.items + 1] = { kind = kind, option = option,
    fault = fault and ("- %s %s"):format(kind, table.concat(fault, " ")) }
end

--- The schedule of a seed.
-- @tparam integer seed
-- @tparam table facts of the command without faults: sent, received, ops, ranges,
--   before, flash (bytes)
-- @treturn table `kind` (of its first fault), `items`, `seed`
function schedule.of(seed, facts)
  math.randomseed(seed, 77)
  local s = { seed = seed, kind = pick(WEIGHTS), items = {} }
  add(s, s.kind, facts)
  if s.kind ~= "none" then
    for _ = 1, pick { { 0, 10 }, { 1, 4 }, { 2, 2 }, { math.random(3, 7), 2 } } do
      add(s, pick(WEIGHTS), facts)
    end
    if math.random() < 0.15 then add(s, pick { { "flip", 1 }, { "lose", 1 }, { "dup", 1 } }, facts) end
  end
  return s
end

local function kinds_of(s)
  local kinds = {}
  for _, item in ipairs(s.items) do kinds[item.kind] = item end
  return kinds
end

--- Exit codes that it may end with, beside 0.
-- @treturn table { [code] = true }
function schedule.may_end(s)
  local codes = {}
  for kind in pairs(kinds_of(s)) do
    for code in MAY_END[kind]:gmatch "%d+" do codes[tonumber(code)] = true end
  end
  return codes
end

--- Whether the program gets two signals: the second one ends it at once, without a word.
function schedule.insists(s)
  local n = 0
  for _, item in ipairs(s.items) do
    if item.fault and item.fault:match "^%- signal" and not item.fault:match " 9$" then n = n + 1 end
  end
  return n > 1
end

--- Whether the chip lies about its size, which shows only when something was written.
function schedule.false_size(s)
  local kinds = kinds_of(s)
  return kinds.id or kinds.wrongid or kinds.alias
end

local QUIET <const> = { id = true, wrongid = true, alias = true, badmode = true, slow = true,
  none = true }

--- Whether nothing in it keeps the program from knowing what the chip has done.
function schedule.undisturbed(s)
  for kind in pairs(kinds_of(s)) do
    if not QUIET[kind] then return false end
  end
  return true
end

--- The fault list of `faults=`, and the options of the chip's URL.
function schedule.render(s)
  local faults, options = { "# seed " .. s.seed }, { "seed=" .. (s.seed & 0x7FFFFFFF) }
  for _, item in ipairs(s.items) do
    faults[#faults + 1] = item.fault
    options[#options + 1] = item.option
  end
  return table.concat(faults, "\n") .. "\n", table.concat(options, "&")
end

--- On one line, for people.
function schedule.text(s)
  local list = {}
  for i, item in ipairs(s.items) do list[i] = item.option or item.fault:sub(3) end
  return #list > 0 and table.concat(list, ", ") or "nothing"
end

--- The fewest items with which it still fails.
-- @tparam table s
-- @tparam function fails of a schedule
-- @treturn table a schedule
function schedule.shrink(s, fails)
  local i = 1
  while i <= #s.items do
    local items = table.move(s.items, 1, #s.items, 1, {})
    table.remove(items, i)
    local less = { seed = s.seed, kind = s.kind, items = items }
    if fails(less) then s = less else i = i + 1 end
  end
  return s
end

return schedule
