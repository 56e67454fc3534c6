-- The oracle is tested too: bugs planted on purpose, each of which the campaign must
-- find within a bounded number of runs. A bug is a change of one file of the library
-- or of a script, in a directory that `-L` puts before what is built in.
-- Usage: moonflash --allow=all tests/soak/planted.lua [quick|all|NAME] [SEED]
package.path = "tests/soak/?.lua;" .. package.path
local campaign = require "campaign"
local esp = require "esp"
local lfs = require "lfs"
local runs = require "runs"

local MOST <const> = 1000       -- runs within which a bug must show

-- name, file, what is there, what the bug makes of it, jobs on which to look for it;
-- `quick` = found within a few runs.
local BUGS <const> = {
  { "skip the verification", "lualib/moonflash/device.lua",
    "function device:prove(steps, show)\n", "function device:prove(steps, show)\n  do return end\n",
    "write-data", loader = "rom" },
  { "swap two sectors", "lualib/moonflash/plan.lua",
    "  if #result.needs == 0 then\n    judge(", "  local s = result.sectors\n"
    .. "  if #s > 2 then s[2].data, s[3].data = s[3].data, s[2].data end\n"
    .. "  if #result.needs == 0 then\n    judge(", "write-data", quick = true },
  { "write the boot sector first", "lualib/moonflash/stub_loader.lua",
    "  if boot then errors.check(self.stub:write_begin(0, SECTOR)) end\n",
    "  if boot then write_boot(self, plan.sectors[1]) finish(self) end\n", "write-full,write-boot" },
  { "drop the last sector", "lualib/moonflash/plan.lua",
    "  for _, sector in ipairs(result.sectors) do set_data(",
    "  result.sectors[#result.sectors] = nil\n  for _, sector in ipairs(result.sectors) do set_data(",
    "write-data", quick = true },
  { "end a byte early", "lualib/moonflash/plan.lua",
    "      local last = math.min(last_of(part), addr + SECTOR - 1)\n",
    "      local last = math.min(last_of(part) - 1, addr + SECTOR - 1)\n", "recipe", quick = true },
  { "exit 0 on failure", "lualib/moonflash/cli.lua",
    "    code = errors.exit_code(result)\n", "    code = 0\n", "write-data", quick = true },
  { "believe that what was interrupted is there", "lualib/moonflash/writer.lua",
    "  return request, writer.write(dev, request, show)\n",
    "  require('moonflash.unfinished').forget(dev.chip.mac)\n"
    .. "  return request, { bytes = 0, written = 0, skipped = 0, seconds = 0, proof = '' }\n",
    "fs-rm,flash-over" },
  { "remember nothing of what is interrupted", "lualib/moonflash/unfinished.lua",
    "  if not path or steps:is_empty() then return end\n", "  do return end\n",
    "partition,write-boot" },
  { "erase a sector too many", "lualib/moonflash/stub_loader.lua",
    "self.stub:write_begin(range.addr, range.size, range.blank)",
    "self.stub:write_begin(range.addr, range.size + SECTOR)", "write-data",
    quick = true },
  { "say ok before it is", "scripts/write.lua", "local s = writer.write(",
    "report.ok('done')\nlocal s = writer.write(", "write-data", quick = true },
  { "lose the bytes beside a part", "lualib/moonflash/plan.lua",
    "sector.data = compose(sector, old or BLANK_SECTOR)", "sector.data = compose(sector, BLANK_SECTOR)",
    "write-boot", quick = true },
  { "an interrupt is a good end", "lualib/moonflash/cli.lua",
    "    code = errors.exit_code(result)\n",
    "    code = errors.exit_code(result)\n    if code == 130 then code = 0 end\n", "write-data" },
  { "a failure after a change keeps its exit code", "lualib/moonflash/errors.lua",
    "  if err.code ~= \"interrupted\" then copy.exit = 8 end\n", "", "write-data" },
  { "no word of how to repair it", "lualib/moonflash/errors.lua",
    "  copy.hint = hint or err.hint\n", "  copy.hint = nil\n", "write-data" },
  { "leave a sector out of an erase", "scripts/erase.lua",
    "local job = erasing.plan(dev, ranges)\n",
    "ranges[1].size = ranges[1].size - 4096\nlocal job = erasing.plan(dev, ranges)\n",
    "erase-range", quick = true },
  { "say that the protection is off", "scripts/unprotect.lua",
    "if on and not opt.dry_run then after = clear(dev, id, before) end\n", "", "unprotect",
    quick = true },
  { "replace a backup by one of a changed chip", "lualib/moonflash/flashing.lua",
    "  path = free_name(path, bytes)\n", "", "upgrade-move" },
}

local function read(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read "a"
end

-- A directory with the one file that has the bug.
local function plant(bug)
  local dir, text = runs.directory(), read(bug[2])
  local from, to = text:find(bug[3], 1, true)
  assert(from, bug[2] .. " has changed: plant '" .. bug[1] .. "' anew")
  local path = dir .. "/" .. bug[2]
  for at in bug[2]:gmatch "()/" do lfs.mkdir(dir .. "/" .. bug[2]:sub(1, at - 1)) end
  runs.write(path, text:sub(1, from - 1) .. bug[4] .. text:sub(to + 1))
  return dir
end

local function names(list)
  local t = {}
  for name in list:gmatch "[^,]+" do t[#t + 1] = name end
  return t
end

local function hunt(bug, seed)
  local dir = plant(bug)
  local started = esp.clock()
  local stats = campaign.run { n = MOST, seed = seed, names = names(bug[5]), stop = true,
    loader = bug.loader, extra = { program = { "-L", dir } } }
  runs.remove(dir)
  local caught = stats.wrong > 0
  print(("%s %-48s %s"):format(caught and "caught" or "MISSED", bug[1], caught
    and ("run %d, %.1f s: %s"):format(stats.runs, esp.clock() - started,
      (stats.first:match "^[^\n]*"):sub(1, 90)) or ("not in %d runs"):format(stats.runs)))
  io.stdout:flush()
  return caught
end

local which = arg[1] or "all"
local seed = math.tointeger(tonumber(arg[2] or os.getenv "SEED" or 1))
local missed, tried = 0, 0
for _, bug in ipairs(BUGS) do
  if which == "all" or which == "quick" and bug.quick or which == bug[1] then
    tried = tried + 1
    if not hunt(bug, seed) then missed = missed + 1 end
  end
end
print(("%d bugs planted, %d missed, seed %d"):format(tried, missed, seed))
if missed > 0 or tried == 0 then os.exit(1) end
