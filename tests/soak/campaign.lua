-- The fault campaign: every command that writes, on boards where things go wrong at
-- moments that a seed chooses.
-- Usage: moonflash tests/soak/campaign.lua [N [SEED [JOB[,JOB...]]]] [-v]
-- A failure prints the seed, and the fewest faults with which it still fails.
package.path = "tests/soak/?.lua;" .. package.path
local esp = require "esp"
local jobs = require "jobs"
local judge = require "judge"
local runs = require "runs"
local schedule = require "schedule"

local campaign = {}

-- The stub is what nearly everybody has; the chip's own loader is the slower way.
local LOADERS <const> = {
  stub = { "-b", "921600" }, rom = { "--no-stub", "-b", "921600" }, auto = {},
}

local function loader_of(seed, slow)
  local n = slow and seed % 64 or seed % 8
  return n == 0 and "rom" or n == 1 and "auto" or "stub"
end

-- A job made ready: its files in a directory, and one run without faults by each
-- loader, which must be right and tells how many bytes and operations there are.
local function ready(root, name)
  local job = jobs[name]()
  job.name, job.dir, job.facts = name, root .. "/" .. name, {}
  job.by_rom = setmetatable({ ranges = job.rom_ranges or job.ranges }, { __index = job })
  assert(require("lfs").mkdir(job.dir))
  runs.prepare(job.dir, job)
  return job
end

local function options_of(job, more)
  local list = {}
  if job.status then list[1] = ("sr=%06x"):format(job.status) end
  if more ~= "" then list[#list + 1] = more end
  return table.concat(list, "&")
end

-- One run: flash as given, faults as given.
local function run(job, flash, faults, options, loader, extra)
  runs.write(job.dir .. "/flash", flash)
  runs.write(job.dir .. "/faults", faults)
  local r = runs.run(job.dir, { args = job.args, options = options_of(job, options),
    loader = LOADERS[loader], program = extra and extra.program, binary = extra and extra.binary })
  r.before, r.status = flash, r.counters.status
  return r
end

local function clean(job)
  if job.keeps then
    os.remove(job.dir .. "/" .. job.keeps)
    os.remove(job.dir .. "/" .. job.keeps .. ".sha256")
  end
  os.execute("rm -rf '" .. job.dir .. "/moonflash'")
end

-- Of the job by a loader, without faults: { sent, received, ops, ... }.
local function facts_of(job, loader, extra)
  local facts = job.facts[loader]
  if facts then return facts end
  clean(job)
  local r = run(job, job.before, "# none\n", "", loader, extra)
  if job.as_baseline and not job.baseline then job.baseline = r.after end
  r.allowed = {}
  local wrong = judge.good(job, r) or judge.run(loader == "rom" and job.by_rom or job, r)
  if wrong then
    return nil, ("%s by %s, without faults: %s\n%s"):format(job.name, loader, wrong, r.err)
  end
  if job.as_baseline and job.baseline ~= r.after then
    return nil, ("%s by %s: another result than by another loader"):format(job.name, loader)
  end
  facts = r.counters
  facts.before, facts.ranges, facts.flash = job.before, job.ranges, #job.before
  job.facts[loader] = facts
  return facts
end

-- The command again, without faults, on what the first run has left.
local function again(job, r, loader, extra)
  local keep = job.status
  if job.status and r.status then job.status = r.status end
  local second = run(job, r.after, "# none\n", "", loader, extra)
  job.status = keep
  local wrong = judge.good(job, second)
  if wrong and job.can_roll_back and r.err:find "%-%-rollback" or wrong and job.can_roll_back
    and r.code == "killed" then
    return nil
  end
  return wrong and ("the same command again: %s: %s"):format(wrong, second.err:match "moonflash: [^\n]*"
    or ""), second
end

--- Runs a schedule and judges it.
-- @treturn string|nil what is wrong
-- @treturn table the run
function campaign.try(job, s, loader, extra)
  clean(job)
  local faults, options = schedule.render(s)
  local r = run(job, job.before, faults, options, loader, extra)
  r.insists = schedule.insists(s)
  r.allowed, r.bad_modes = schedule.may_end(s), options:find("badmode", 1, true)
  r.false_size, r.undisturbed = schedule.false_size(s), schedule.undisturbed(s)
  local wrong = judge.run(loader == "rom" and job.by_rom or job, r)
  if wrong or r.code == 0 then return wrong, r end
  return again(job, r, loader, extra), r
end

-- ---- counting ----

local function count(stats, r, s)
  local ending = r.code == "killed" and "killed" or tostring(r.code)
  stats.endings[ending] = (stats.endings[ending] or 0) + 1
  local row = stats.kinds[s.kind] or {}
  stats.kinds[s.kind] = row
  row[ending] = (row[ending] or 0) + 1
  stats.faults = stats.faults + #s.items
end

local function report(job, s, loader, wrong, r)
  print(("WRONG: %s: %s\n  SEED=%d JOB=%s loader %s, fewest faults: %s"):format(job.name, wrong,
    s.seed, job.name, loader, schedule.text(s)))
  print("  exit " .. tostring(r.code) .. "\n  " .. r.err:sub(-600):gsub("\n", "\n  "))
  io.stdout:flush()
end

--- Runs n schedules over jobs, one after another.
-- @tparam table options `n`, `seed`, `names`, `extra` (for planted bugs), `verbose`,
--   `stop` (at the first failure), `every` (say how far it is)
-- @treturn table stats
function campaign.run(options)
  local root = runs.directory()
  local stats = { runs = 0, wrong = 0, faults = 0, endings = {}, kinds = {}, jobs = {} }
  local list, started = {}, esp.clock()
  for i, name in ipairs(options.names) do list[i] = ready(root, name) end
  for i = 0, options.n - 1 do
    local seed = options.seed + i
    local job = list[seed % #list + 1]
    local loader = options.loader or loader_of(seed // #list, job.slow)
    local facts, bad = facts_of(job, loader, options.extra)
    local s = facts and schedule.of(seed, facts) or { seed = seed, items = {}, kind = "none" }
    local wrong, r = bad, nil
    if facts then wrong, r = campaign.try(job, s, loader, options.extra) end
    stats.runs = stats.runs + 1
    stats.jobs[job.name] = (stats.jobs[job.name] or 0) + 1
    if r then count(stats, r, s) end
    if options.verbose then
      print(("%d %s %s: %s -> %s"):format(seed, job.name, loader, schedule.text(s),
        r and tostring(r.code) or "?"))
    end
    if wrong then
      stats.wrong = stats.wrong + 1
      if options.stop then
        stats.first = wrong
        break
      end
      if r then
        local less = schedule.shrink(s, function(x)
          return campaign.try(job, x, loader, options.extra) ~= nil
        end)
        wrong, r = campaign.try(job, less, loader, options.extra)
        report(job, less, loader, wrong or "(not every time)", r)
      else
        print("WRONG: " .. wrong)
      end
    end
    if options.every and (i + 1) % options.every == 0 then
      print(("%d schedules, %d wrong, %.0f s"):format(i + 1, stats.wrong, esp.clock() - started))
      io.stdout:flush()
    end
  end
  stats.seconds = esp.clock() - started
  runs.remove(root)
  return stats
end

local function line_of(t)
  local keys, words = {}, {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys)
  for i, k in ipairs(keys) do words[i] = ("%s %d"):format(k, t[k]) end
  return table.concat(words, ", ")
end

--- Prints what was counted.
function campaign.show(stats, seed)
  print(("%d schedules with %d faults, %d WRONG, seed %d, %.1f s"):format(stats.runs, stats.faults,
    stats.wrong, seed, stats.seconds))
  print("endings: " .. line_of(stats.endings))
  print("commands: " .. line_of(stats.jobs))
  local kinds = {}
  for kind in pairs(stats.kinds) do kinds[#kinds + 1] = kind end
  table.sort(kinds)
  for _, kind in ipairs(kinds) do print(("  %-11s %s"):format(kind, line_of(stats.kinds[kind]))) end
end

-- An argument that is not given or empty is none.
local function given(i) return arg[i] ~= "" and arg[i] or nil end

local function main()
  local n = math.tointeger(tonumber(given(1) or 100))
  local seed = math.tointeger(tonumber(given(2) or os.getenv "SEED" or os.time()))
  local names = {}
  for name in (given(3) or table.concat(jobs.names, ",")):gmatch "[^,]+" do
    names[#names + 1] = assert(jobs[name] and name, "there is no job " .. name)
  end
  local stats = campaign.run { n = n, seed = seed, names = names, verbose = arg[4] == "-v",
    every = n >= 1000 and 500 or nil }
  campaign.show(stats, seed)
  if stats.wrong > 0 then os.exit(1) end
end

if arg[0] and arg[0]:find "campaign%.lua$" then main() end

return campaign
