-- scripts/lock.lua: pin a recipe and every file it uses
local cli     <const> = require "moonflash.cli"
local command <const> = require "moonflash.recipe_command"
local lock    <const> = require "moonflash.lock"
local report  <const> = require "moonflash.report"
local run     <const> = require "moonflash.recipe_run"
local text    <const> = require "moonflash.text"

local parser = cli.parser("lock", "Pins a recipe and every file it uses, by SHA-256.", [[
Writes moonflash.lock beside the recipe: a digest of the recipe, of the modules and
recipes it loads, and of every file its parts name, in all variants. Commit it; with
--locked the recipe is refused when anything differs, and when the lock is missing.
Parameters that the recipe requires are needed here too.

examples:
  moonflash lock flash.lua
  moonflash lock flash.lua --ssid any
  moonflash flash.lua --locked -p /dev/ttyUSB0]])
parser:argument("recipe", "a Lua file that returns mf.recipe{...}")

local subject = command.open_for_test(cli.args, parser)
local opt = subject:parse(parser)
for _, resolved in ipairs(subject:every_variant()) do
  run.prepare(resolved, subject:params(resolved, opt), { dry_run = true, serial = opt.serial,
    units = opt.units }, { folder = opt.permissions })
end

local n, changed = lock.write(opt.permissions, subject.path)
report.result { files = n, changed = changed }
report.ok("%s in %s%s", text.count(n, "file"), opt.permissions.folder .. lock.NAME, changed and ""
  or ", as before")
