-- scripts/test.lua: try a recipe on a simulated board
local board_test <const> = require "moonflash.board_test"
local cli    <const> = require "moonflash.cli"
local errors <const> = require "moonflash.errors"
local recipe <const> = require "moonflash.recipe"
local report <const> = require "moonflash.report"

local parser = cli.parser("test", "Runs a recipe on a simulated board and checks what it left.", [[
The board is described in the recipe (test.board) and with --board; what must be
true afterwards in the recipe (test.expect) or in a file given with --expect,
which gets the same object. The report is TAP.

examples:
  moonflash test flash.lua
  moonflash test flash.lua --board size=1M,chip=esp8285
  moonflash test flash.lua --board flip=0.0001,seed=7 --keep board.flash]])
parser:argument("recipe", "a Lua file that returns mf.recipe{...}")
parser:option("--board", "options of the board, as 'moonflash sim --help' lists them")
  :argname "NAME=VALUE,..."
parser:option("--expect", "a Lua file of expectations"):argname "FILE.lua"
parser:option("--keep", "keep the board's flash in FILE"):argname "FILE"
local opt = cli.parse(parser)

local subject = cli.load_file(opt.recipe)
if not recipe.is(subject) then
  errors.raise("script", opt.recipe .. " returns no recipe",
    { hint = "end it with return mf.recipe { ... }" })
end
local test = subject.test or {}
local board = { size = "4M" }
for name, value in pairs(test.board or {}) do board[name] = value end
for name, value in (opt.board or ""):gmatch("([^,=]+)=([^,]*)") do board[name] = value end
if opt.expect then
  local t = cli.load_file(opt.expect)
  test = { expect = type(t) == "function" and t or errors.raise("script", opt.expect ..
    " returns no function", { hint = "return function(t) t:expect_blank(0, 4096) end" }) }
end

local flash = opt.keep or os.tmpname()
if not opt.keep then os.remove(flash) end
local folder = opt.recipe:match("^.*/") or ""
local on_board = setmetatable({ port = board_test.url(flash, board) }, { __index = opt })
local t = board_test.new(flash, board, folder)
local ok, e = pcall(subject.run, subject, on_board, folder)
if ok and test.expect then
  ok, e = pcall(test.expect, t)
end
if not opt.keep then os.remove(flash) end
if not ok then error(e, 0) end

local lines, failed = t:tap()
for _, line in ipairs(lines) do report.line("%s", line) end
report.result { expectations = #t.results, failed = failed }
if failed > 0 then
  errors.raise("script", ("%d of %d expectations failed"):format(failed, #t.results))
end
report.ok("%d expectations hold", #t.results)
