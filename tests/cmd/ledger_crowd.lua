-- Many processes that allocate from one ledger at once, some of them killed on the way,
-- and the books that must balance afterwards. Shared by the short and the long test.
local esp = require "esp"
local ledger = require "moonflash.ledger"

local crowd = {}

local FORMAT <const> = "MF-%06d"
local WRITE_MS <const> = 10         -- a chip is written in at most so long

local function mac_of(worker, unit) return ("600194%02x%04x"):format(worker, unit) end

-- A station: reserves, tells, "writes", marks as used, tells. Any step may be its last.
local function work(url, worker, from, till, events)
  local l <close> = ledger.open(url, "station " .. worker)
  for unit = from, till do
    local mac = mac_of(worker, unit)
    local serial = l:reserve("serial", mac, { format = FORMAT })
    local key = l:take("keys", mac).key
    assert(events:write(("R %d %s %s %s\n"):format(unit, mac, serial, key)))
    esp.sleep(math.random(WRITE_MS))
    assert(l:use(mac) >= 0)
    assert(events:write(("U %d %s\n"):format(unit, mac)))
  end
  return 0
end

local function start(self, worker, from)
  local p = assert(esp.process.fork(function(events)
    return work(self.url, worker, from, self.units, events)
  end))
  self.crew[worker] = { process = p, at = from, text = "" }
end

-- A unit's number and key are its own for ever, and nobody else's.
local function told(self, what, mac, text)
  local owner, mine = self.owner[what .. text], self.mine[what .. mac]
  if owner and owner ~= mac then self:wrong("%s %s for %s and %s", what, text, owner, mac) end
  if mine and mine ~= text then self:wrong("%s has %s %s and %s", mac, what, mine, text) end
  self.owner[what .. text], self.mine[what .. mac] = mac, text
end

local function hear(self, member)
  local bytes = member.process:read "events"
  member.text = member.text .. (bytes or "")
  for line in member.text:gmatch "([^\n]*)\n" do
    local kind, unit, mac, serial, key = line:match "^(%u) (%d+) (%S+) ?(%S*) ?(%S*)$"
    member.at = tonumber(unit)
    if kind == "R" then
      told(self, "serial", mac, serial)
      told(self, "key", mac, key)
    else
      self.used[mac], member.at = true, member.at + 1
      self.done = self.done + 1
    end
  end
  member.text = member.text:match "[^\n]*$"
  return bytes ~= nil
end

-- The same unit comes again to a new process, or is put aside and the next one comes.
local function replace(self, worker, member)
  member.process:kill "kill"
  while hear(self, member) do esp.sleep(1) end
  while not member.process:wait() do esp.sleep(1) end
  member.process:close()
  self.kills = self.kills + 1
  local from = member.at
  if math.random(2) == 1 then from, self.aside = from + 1, self.aside + 1 end
  start(self, worker, from)
end

local function step(self)
  local waiting = {}
  for _, member in pairs(self.crew) do waiting[#waiting + 1] = member.process end
  esp.process.poll(waiting, 5)
  for worker, member in pairs(self.crew) do
    if not hear(self, member) then
      local how, code = member.process:wait()
      if how then
        if how ~= "exit" or code ~= 0 then
          self:wrong("station %d: %s %s: %s", worker, how, code, member.process:read "output")
        end
        member.process:close()
        self.crew[worker] = nil
      end
    end
  end
end

local function kill_one(self)
  local alive = {}
  for worker in pairs(self.crew) do alive[#alive + 1] = worker end
  if #alive == 0 then return end
  table.sort(alive)
  local worker = alive[math.random(#alive)]
  replace(self, worker, self.crew[worker])
end

-- What the tables say, against what the stations have told.
local function audit(self)
  local l <close> = ledger.open(self.url)
  local items = l.db:rows "SELECT pool, n, text, state, mac FROM moonflash_items ORDER BY pool, n"
  local counts, by_pool = { free = 0, reserved = 0, used = 0 }, { serial = {}, keys = {} }
  for _, item in ipairs(items) do
    local pool = by_pool[item.pool]
    pool[#pool + 1] = item
    if item.n ~= #pool then self:wrong("%s %d is missing", item.pool, #pool) end
    if item.pool == "serial" and item.text ~= FORMAT:format(item.n) then
      self:wrong("number %d is %s", item.n, item.text)
    end
    local what = item.pool == "serial" and "serial" or "key"
    local text = what == "serial" and item.text or item.text:match '"key":"([^"]*)"'
    local owner = self.owner[what .. text]
    if owner and item.mac ~= (owner:gsub("%x%x", "%0:"):sub(1, -2)) then
      self:wrong("%s was told to %s, the ledger has %s", text, owner, item.mac)
    end
    if owner and self.used[owner] and item.state ~= "used" then
      self:wrong("%s is %s though its unit is written", text, item.state)
    end
    if item.pool == "serial" then counts[item.state] = counts[item.state] + 1 end
  end
  if #by_pool.keys ~= self.keys then self:wrong("%d keys of %d", #by_pool.keys, self.keys) end
  self.counts, self.numbers = counts, #by_pool.serial
  return l
end

-- What broken off runs have left comes back to the next units: no number is lost.
local function reuse(self)
  local l <close> = ledger.open(self.url)
  local left = {}
  for _, item in ipairs(l:reservations { pool = "serial" }) do left[#left + 1] = item.text end
  l:release({}, true)
  for i, text in ipairs(left) do
    local again = l:reserve("serial", ("70000000%04x"):format(i), { format = FORMAT })
    if again ~= text then self:wrong("%s was released, the next unit got %s", text, again) end
  end
  self.reused = #left
end

--- Lets a crowd loose.
-- @tparam table opt `url`, `workers`, `units` (of each worker), `kills`, `seed`
-- @treturn table `problems`, `done`, `kills`, `aside`, `numbers`, `counts`, `seconds`
function crowd.run(opt)
  math.randomseed(opt.seed)
  local self = { url = opt.url, units = opt.units, crew = {}, owner = {}, mine = {}, used = {},
    done = 0, kills = 0, aside = 0, problems = {}, keys = opt.workers * opt.units + opt.kills }
  function self:wrong(...) self.problems[#self.problems + 1] = string.format(...) end
  do
    local l <close> = ledger.open(opt.url)
    local rows = {}
    for i = 1, self.keys do
      rows[i] = { text = ('{"key":"%s"}'):format(esp.sha256("key " .. i)), line = i }
    end
    l:import("keys", rows, "keys")
  end
  local began, every = esp.clock(), opt.workers * opt.units // (opt.kills + 1)
  for worker = 1, opt.workers do start(self, worker, 1) end
  while next(self.crew) do
    step(self)
    while self.kills < opt.kills and self.done > (self.kills + 1) * every do kill_one(self) end
  end
  self.seconds = esp.clock() - began
  audit(self):close()
  if self.counts.used + self.counts.reserved ~= self.numbers then
    self:wrong("%d used and %d reserved of %d numbers", self.counts.used, self.counts.reserved,
      self.numbers)
  end
  if self.counts.used ~= self.done then
    self.late = self.counts.used - self.done     -- killed between the commit and its word
    if self.late < 0 or self.late > self.kills then
      self:wrong("%d are used, %d told so", self.counts.used, self.done)
    end
  end
  reuse(self)
  return self
end

return crowd
