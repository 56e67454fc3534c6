-- How help texts are filled and laid out.
local cli_help = require "moonflash.cli_help"
local lu = require "luaunit"

TestHelp = {}

function TestHelp:test_prose_is_filled_and_indented_lines_stay()
  local text = ("word "):rep(30) .. "\nend.\n\nexamples:\n  moonflash  x   y\n  moonflash z"
  local filled = cli_help.fill(text)
  for line in filled:gmatch "[^\n]+" do lu.assertTrue(#line <= 80, line) end
  lu.assertStrContains(filled, "word end.\n\nexamples:\n  moonflash  x   y\n  moonflash z")
  local _, words = filled:gsub("word", "")
  lu.assertEquals(words, 30)
end

function TestHelp:test_text_that_fits_is_as_it_was()
  local text = "One.\n\nexamples:\n  a\n  b"
  lu.assertEquals(cli_help.fill(text), text)
end

function TestHelp:test_rows_have_their_text_in_a_column_of_its_own()
  lu.assertEquals(cli_help.row("-q", "only errors", 10), "  -q      only errors")
  lu.assertEquals(cli_help.row("--a-long-name", "x", 10), "  --a-long-name\n          x")
  local row = cli_help.row("-q", ("word "):rep(40), 10)
  lu.assertStrContains(row, "\n          word")
  for line in row:gmatch "[^\n]+" do lu.assertTrue(#line <= 80, line) end
end

os.exit(lu.LuaUnit.run())
