--- Which commands write a chip, so that each run of them is a row in the ledger,
-- whatever comes of it. Pure.
-- @module moonflash.ledger_writes
local writes = {}

local function always() return true end

local function fs(opt)
  if opt.action == "build" then return opt.output == "chip" end
  return opt.image == "chip" and (opt.action == "put" or opt.action == "rm" or opt.action == "mv"
    or opt.action == "check" and opt.repair)
end

-- Command -> does it write with these options?
local WRITES <const> = {
  write = always, flash = always, upgrade = always, restore = always, erase = always,
  unprotect = always, fs = fs,
  lfs = function(opt) return opt.action == "write" end,
  ["init-data"] = function(opt) return opt.action == "write" end,
  partition = function(opt) return opt.action == "set" and not opt.file end,
  doctor = function(opt) return opt.fix end,
}

-- Their events tell of boards of others, or of simulated ones that are thrown away.
local NEVER <const> = { test = true, gang = true }

--- Will a command write a chip, as far as its options tell?
-- @tparam string command its name; a Lua file's name stands for a recipe
-- @tparam table opt its options
-- @treturn boolean
function writes.will(command, opt)
  if opt.dry_run then return false end
  local rule = WRITES[command] or command:find "%.lua$" and always
  return rule and rule(opt) and true or false
end

--- Is a command never recorded itself?
-- @tparam string command
-- @treturn boolean
function writes.never(command) return NEVER[command] or false end

return writes
