-- --exec-on: what is split, what a program is told.
local hooks = require "moonflash.events_hooks"
local lu = require "luaunit"

TestHooks = {}

function TestHooks:test_words_are_split_as_a_shell_does_it_and_nothing_else_of_a_shell_is_done()
  for line, want in pairs {
    ["lpr label.txt"] = { "lpr", "label.txt" },
    ["  lpr   'a b'  "] = { "lpr", "a b" },
    [ [[a"b c"d \$x 'it''s' ""]] ] = { "ab cd", "$x", "its", "" },
    [ [["say \"hi\""]] ] = { 'say "hi"' },
    [ [['\n']] ] = { "\\n" },
    ["echo $HOME * `x` | y > z; w"] = { "echo", "$HOME", "*", "`x`", "|", "y", ">", "z;", "w" },
    [""] = {},
  } do
    lu.assertEquals(hooks.words(line), want)
  end
  lu.assertNil(hooks.words "echo 'a")
  lu.assertNil(hooks.words 'echo "a')
end

function TestHooks:test_specs()
  lu.assertEquals(hooks.parse { "done=lpr 'a b'", "failed=x" },
    { { on = "done", words = { "lpr", "a b" } }, { on = "failed", words = { "x" } } })
  lu.assertEquals(hooks.parse(nil), {})
  for spec, why in pairs { ["x=y"] = "names no event", lpr = "names no event", ["done="] = "no command",
    ["done='x"] = "no command", ["=x"] = "names no event" } do
    lu.assertErrorMsgContains(why, hooks.parse, { spec })
  end
end

function TestHooks:test_plain_fields_become_variables_and_dangerous_ones_do_not()
  local env = hooks.environment { event = "done", mac = "60:01", exit = 0, changed = true,
    path = "/x", baud = 9600, message = "a\nb\27[2J", ["a b"] = 1,
    result = { bytes = 5, exit = 99, parts = { 1 } } }
  lu.assertEquals(env, { MOONFLASH_EVENT = "done", MOONFLASH_MAC = "60:01", MOONFLASH_EXIT = "0",
    MOONFLASH_CHANGED = "true", MOONFLASH_BYTES = "5", MOONFLASH_MESSAGE = "a\\nb\\x1b[2J" })
end

os.exit(lu.LuaUnit.run())
