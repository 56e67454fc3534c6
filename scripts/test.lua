-- scripts/test.lua: try a recipe on a simulated board
local board_test <const> = require "moonflash.board_test"
local cli     <const> = require "moonflash.cli"
local command <const> = require "moonflash.recipe_command"
local errors  <const> = require "moonflash.errors"
local report  <const> = require "moonflash.report"
local text       <const> = require "moonflash.text"
local trial   <const> = require "moonflash.recipe_trial"

local parser = cli.parser("test", "Runs a recipe on a simulated board and checks what it left.", [[
The board is described in the recipe (test.board) and with --board; what must be
true afterwards in the recipe (test.expect) or in a file given with --expect,
which gets the same object. A recipe may have several tests. The recipe's own
options are taken too. The report is TAP.

examples:
  moonflash test flash.lua
  moonflash test flash.lua --board size=1M,chip=esp8285
  moonflash test flash.lua --variant production --ssid factory
  moonflash test flash.lua --board flip=0.0001,seed=7 --keep board.flash]])
parser:argument("recipe", "a Lua file that returns mf.recipe{...}")
parser:option("--board", "options of the board, as 'moonflash sim --help' lists them")
  :argname "NAME=VALUE,..."
parser:option("--expect", "a Lua file of expectations"):argname "FILE.lua"
parser:option("--keep", "keep the board's flash in FILE"):argname "FILE"
parser:option("--only", "run the tests whose name has this in it"):argname "TEXT"

local subject = command.open_for_test(cli.args, parser)
local opt = subject:parse(parser)
local board = {}
for name, value in (opt.board or ""):gmatch("([^,=]+)=([^,]*)") do board[name] = value end

local tests = subject:tests(opt)
if opt.expect then
  local expect = cli.load_file(opt.expect)
  if type(expect) ~= "function" then
    errors.raise("script", opt.expect .. " returns no function",
      { hint = "return function(t) t:expect_blank(0, 4096) end" })
  end
  for _, test in ipairs(tests) do test.expect = expect end
end

local results, ledger = {}, trial.ledger()
for i, test in ipairs(tests) do
  local name = test.name or #tests > 1 and ("test %d"):format(i) or nil
  if name then report.stage("test: %s", name) end
  local flash = opt.keep and #tests == 1 and opt.keep or os.tmpname()
  if flash ~= opt.keep then os.remove(flash) end
  report.inside(true)
  local ok, found = pcall(subject.try, subject, test, { opt = opt, file = flash, board = board,
    ledger = ledger, prefix = name })
  report.inside(false)
  report.chip_changes(false)     -- no chip but a simulated one, which ends here
  if flash ~= opt.keep then os.remove(flash) end
  if not ok then error(found, 0) end
  table.move(found, 1, #found, #results + 1, results)
end

local lines, failed = board_test.tap(results)
for _, line in ipairs(lines) do report.line("%s", line) end
report.result { expectations = #results, failed = failed }
if failed > 0 then
  errors.raise("script", ("%d of %d expectations failed"):format(failed, #results))
end
report.ok("%s", #results == 1 and "1 expectation holds" or #results .. " expectations hold")
