-- Judges one run by what is in flash and what was said. Reads the flash file
-- itself and never asks the program.
local judge = {}

local SECTOR <const> = 0x1000

-- The first address where two flash contents differ outside of ranges, or nil.
local function differs_outside(before, after, ranges)
  if before == after then return nil end
  local inside = {}
  for _, r in ipairs(ranges) do
    for sector = r.addr // SECTOR, (r.addr + r.size - 1) // SECTOR do inside[sector] = true end
  end
  for sector = 0, #before // SECTOR - 1 do
    local at = sector * SECTOR
    if not inside[sector] and before:sub(at + 1, at + SECTOR) ~= after:sub(at + 1, at + SECTOR) then
      return at
    end
  end
end

local function first_difference(a, b)
  if #a ~= #b then return math.min(#a, #b) end
  for at = 0, #a - 1, SECTOR do
    if a:sub(at + 1, at + SECTOR) ~= b:sub(at + 1, at + SECTOR) then
      local i = at + 1
      while a:byte(i) == b:byte(i) do i = i + 1 end
      return i - 1
    end
  end
end

local QIO <const>, DOUT <const> = 0, 3

-- On a board that cannot read in some modes the boot header has one that works.
local function with_mode_of(want, flash)
  local mode = flash:byte(3)
  if mode < QIO or mode > DOUT then return flash end
  return flash:sub(1, 2) .. want:sub(3, 3) .. flash:sub(4)
end

--- What is wrong with flash that should be right, or nil.
function judge.wrong(job, flash)
  if job.want and flash ~= job.want then
    return ("flash is wrong at 0x%06x"):format(first_difference(flash, job.want))
  end
  return job.right and job.right(flash)
end

-- Whether the chip's ROM would start what is at 0: magic, segments in their places,
-- and the checksum that the ROM computes of them.
local function boots(flash)
  local magic, count = flash:byte(1, 2)
  if magic ~= 0xE9 or count == 0 or count > 16 then return false end
  local at, sum = 9, 0xEF
  for _ = 1, count do
    local _, size = ("<I4I4"):unpack(flash, at)
    if size > 0x10000 then return false end
    for i = at + 8, at + 7 + size do sum = sum ~ flash:byte(i) end
    at = at + 8 + size
  end
  return flash:byte(at + 15 - (at - 1) % 16) == sum
end

local function in_ranges(flash, ranges)
  local pieces = {}
  for i, r in ipairs(ranges) do pieces[i] = flash:sub(r.addr + 1, r.addr + r.size) end
  return table.concat(pieces)
end

-- Half old, half new, and the ROM starts it: the one thing that must never be.
local function is_mixed(job, before, after)
  local want = job.want or job.baseline
  if not job.boot or not want or not boots(after) then return false end
  local now = in_ranges(after, job.ranges)
  return now ~= in_ranges(before, job.ranges) and now ~= in_ranges(want, job.ranges)
end

local function said(run, needle) return (run.out .. run.err):find(needle, 1, true) end

-- What every run must keep to, whatever its end.
local function manners(run)
  if said(run, "stack traceback") then return "a traceback" end
  if (run.out .. run.err):find "[%z\1-\8\11\12\14-\31]" then return "control characters" end
  local ok = run.out:find "^ok: " or run.out:find "\nok: "
  if run.code == 0 and not ok then return "exit 0 without ok:" end
  if run.code ~= 0 and ok then return "ok: and exit " .. run.code end
  if run.code ~= 0 and not run.err:find "moonflash: [^\n]" then return "no message" end
  -- a wrong option or file is named; what to do about it is plain
  if run.code ~= 0 and run.code ~= 2 and run.code ~= 6 and not run.err:find "\nhint: [^\n]" then
    return "no hint"
  end
  if run.err:find "%.lua:%d+:" then return "an error of our own" end
end

local REPAIRS <const> = { "again", "unprotect", "supply", "flash chip", "rollback", "compare",
  "restore", "moonflash" }

local function names_a_repair(run)
  local hint = run.err:match "\nhint: ([^\n]*)" or ""
  for _, word in ipairs(REPAIRS) do
    if hint:find(word, 1, true) then return true end
  end
end

--- Judges a run with faults.
-- @tparam table job
-- @tparam table run `code` (or "killed", "hang"), `out`, `err`, `before`, `after`,
--   `allowed` ({ [code] = true }), `status` (register bits afterwards)
-- @treturn string|nil what is wrong
function judge.run(job, run)
  if run.code == "hang" then return "it hangs" end
  local want = job.want or job.baseline
  want = want or job.firmware
  if run.bad_modes and job.boot and want and run.after ~= run.before and boots(run.after) then
    run = setmetatable({ after = with_mode_of(want, run.after) }, { __index = run })
  end
  if run.false_size then return judge.of_a_liar(run) end
  local at = differs_outside(run.before, run.after, job.ranges)
  if at then return ("flash outside the plan changed at 0x%06x"):format(at) end
  if is_mixed(job, run.before, run.after) then return "half old and half new, and it boots" end
  if run.code == "killed" then return nil end
  local bad = manners(run)
  if bad and not (run.code == 130 and run.insists and bad:find "^no ") then return bad end
  if run.code == 0 then return judge.good(job, run) end
  if not run.allowed[run.code] then return "exit " .. run.code end
  if run.code ~= 8 and run.code ~= 130 and run.after ~= run.before then
    return ("exit %d and flash changed"):format(run.code)
  end
  if run.code == 8 and run.operations == 0 and not job.status and run.undisturbed then
    return "exit 8 and nothing was done to the flash"
  end
  if run.code == 8 and not names_a_repair(run) then return "no way to repair it is named" end
end

-- A chip whose id says another size: too large shows as soon as something was
-- written, too small never does.
function judge.of_a_liar(run)
  if run.code == "killed" then return nil end
  local bad = manners(run)
  if bad and not (run.code == 130 and run.insists) then return bad end
  if run.code == 0 or run.code == 8 or run.code == 130 then return nil end
  return run.after ~= run.before and ("exit %d and flash changed"):format(run.code)
    or not run.allowed[run.code] and "exit " .. run.code or nil
end

--- Judges a run that should have succeeded.
function judge.good(job, run)
  local bad = manners(run)
  if bad then return bad end
  if run.code ~= 0 then return "exit " .. tostring(run.code) end
  -- no block protection left (BP, SEC, TB, CMP), and nothing set for ever (LB)
  if job.status and run.status and run.status & (0x7C | 0x7800) ~= 0 then
    return ("status registers %06x"):format(run.status)
  end
  return judge.wrong(job, run.after)
end

return judge
