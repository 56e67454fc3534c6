local lu = require "luaunit"
local errors = require "moonflash.errors"

TestErrors = {}

local function caught(f, ...)
  local ok, err = pcall(f, ...)
  lu.assertFalse(ok)
  return err
end

function TestErrors:test_a_raised_error_carries_its_fields()
  local err = caught(errors.raise, "gone", "unplugged", { addr = 0x12000, hint = "again" })
  lu.assertTrue(errors.is(err))
  lu.assertTrue(errors.is(err, "gone"))
  lu.assertFalse(errors.is(err, "busy"))
  lu.assertEquals({ err.message, err.addr, err.hint }, { "unplugged", 0x12000, "again" })
  lu.assertEquals(tostring(err), "unplugged (at 0x012000)")
end

function TestErrors:test_an_error_without_address_prints_its_message_only()
  lu.assertEquals(tostring(errors.new("io", "disk trouble")), "disk trouble")
end

function TestErrors:test_an_unknown_code_is_a_mistake_of_the_caller()
  lu.assertStrContains(caught(errors.raise, "nonsense", "x"), "no such code")
  lu.assertStrContains(caught(errors.raise, "io", nil), "no message")
end

function TestErrors:test_check_passes_good_values_through()
  local a, b, c = errors.check("v", 2, "w")
  lu.assertEquals({ a, b, c }, { "v", 2, "w" })
end

function TestErrors:test_check_raises_what_c_returned()
  local fields = { hint = "h" }
  local err = caught(errors.check, nil, "held by 12", "busy", fields)
  lu.assertEquals({ err.code, err.message, err.hint }, { "busy", "held by 12", "h" })
  lu.assertEquals(fields, { hint = "h" })
end

function TestErrors:test_check_understands_the_io_library()
  local err = caught(function() errors.check(io.open("/no/such/file")) end)
  lu.assertEquals(err.code, "file")
  lu.assertEquals(caught(errors.check, nil, "full", 28).code, "disk")
  lu.assertEquals(caught(errors.check, nil, "odd", 5).code, "io")
end

function TestErrors:test_check_keeps_an_unknown_word()
  local err = caught(errors.check, nil, "m", "whatever")
  lu.assertEquals({ err.code, err.word }, { "script", "whatever" })
  lu.assertEquals(caught(errors.check, false).code, "script")
end

function TestErrors:test_exit_codes_are_those_of_the_manual()
  local expected = {
    usage = 2, missing = 3, busy = 3, access = 3, gone = 3, port = 3, timeout = 4,
    protocol = 4, wrong_chip = 5, file = 6, image = 6, plan = 6, range = 6,
    overlap = 6, align = 6, size = 6, refused_by_policy = 7, chip_changed = 8,
    io = 9, disk = 9, interrupted = 130, script = 1,
  }
  for code, exit in pairs(expected) do
    lu.assertEquals(errors.exit_code(errors.new(code, "m")), exit, code)
  end
  lu.assertEquals(errors.exit_code("a plain string"), 1)
  lu.assertEquals(errors.exit_code(errors.new("gone", "m", { exit = 8 })), 8)
end

function TestErrors:test_the_interpreters_own_want_of_memory_is_one_of_the_machine()
  lu.assertTrue(errors.is(errors.wrap("not enough memory"), "nomem"))
  lu.assertEquals(errors.exit_code("not enough memory"), 9)
end

function TestErrors:test_every_code_has_a_legal_exit_code_and_a_text()
  for code, entry in pairs(errors.codes) do
    lu.assertTrue(entry.exit == 130 or (entry.exit >= 1 and entry.exit <= 9), code)
    lu.assertTrue(#entry.text > 0, code)
  end
end

function TestErrors:test_every_word_of_the_c_side_is_known()
  for word in ("timeout gone busy access missing protocol refused toobig io nomem "
    .. "unsupported argument closed interrupted flash"):gmatch("%a+") do
    lu.assertNotNil(errors.codes[word], word)
  end
end

function TestErrors:test_a_failure_after_a_change_exits_with_8()
  local before = errors.new("timeout", "no answer", { hint = "old" })
  local err = errors.after_change(before, 0x3000, "run it again")
  lu.assertEquals({ err.code, err.addr, err.hint }, { "timeout", 0x3000, "run it again" })
  lu.assertEquals(errors.exit_code(err), 8)
  lu.assertEquals(errors.exit_code(before), 4)
  lu.assertEquals(errors.exit_code(errors.after_change(errors.new("interrupted", "x"))), 130)
end

function TestErrors:test_wrap_keeps_ours_and_adopts_others()
  local ours = errors.new("io", "x")
  lu.assertIs(errors.wrap(ours), ours)
  local err = errors.wrap("a.lua:3: boom")
  lu.assertEquals({ err.code, err.message }, { "script", "a.lua:3: boom" })
end

function TestErrors:test_the_sections_that_say_more_are_in_the_readme()
  local f <close> = assert(io.open "README.md")
  local anchors = {}
  for heading in f:read "a":gmatch "\n#+ ([^\n]+)" do
    anchors[heading:lower():gsub("[^%w %-]", ""):gsub(" ", "-")] = true
  end
  local seen = 0
  for code, row in pairs(errors.codes) do
    if row.see then
      lu.assertTrue(anchors[row.see], code .. " names README.md#" .. row.see)
      seen = seen + 1
    end
  end
  lu.assertTrue(seen > 5)
end

os.exit(lu.LuaUnit.run())
