-- Choosing a port, and waiting for a board that is reset by hand.
local errors = require "moonflash.errors"
local first_contact = require "moonflash.first_contact"
local lu = require "luaunit"
local report = require "moonflash.report"

report.setup { silent = true }

local function usb(name) return { name = name, transport = "usb", product = "CP2102" } end
local NATIVE <const> = { name = "/dev/ttyS0", transport = "native" }

local function raised(f, ...)
  local ok, e = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e))
  return e
end

TestChoice = {}

function TestChoice:test_the_only_usb_port_is_the_board()
  lu.assertEquals(first_contact.choose({ NATIVE, usb "/dev/ttyUSB3" }), "/dev/ttyUSB3")
end

function TestChoice:test_several_are_refused_where_nobody_can_be_asked()
  local e = raised(first_contact.choose, { usb "/dev/ttyUSB0", usb "/dev/ttyUSB1" })
  lu.assertEquals(e.code, "usage")
  lu.assertStrContains(e.message, "/dev/ttyUSB0, /dev/ttyUSB1")
end

function TestChoice:test_several_are_asked_for()
  local list = { usb "/dev/ttyUSB0", NATIVE, usb "/dev/ttyUSB1" }
  local asked
  local chosen = first_contact.choose(list, function(question) asked = question return "2" end)
  lu.assertEquals(chosen, "/dev/ttyUSB1")
  lu.assertStrContains(asked, "1-2")
end

function TestChoice:test_an_answer_that_is_no_choice_chooses_nothing()
  local list = { usb "/dev/ttyUSB0", usb "/dev/ttyUSB1" }
  for _, answer in ipairs { "", "0", "3", "yes", "1.5", "-1" } do
    lu.assertEquals(raised(first_contact.choose, list, function() return answer end).code, "usage")
  end
  lu.assertEquals(raised(first_contact.choose, list, function() return nil end).code, "usage")
end

function TestChoice:test_a_native_port_is_never_taken_by_itself()
  local e = raised(first_contact.choose, { NATIVE }, nil, {})
  lu.assertEquals(e.code, "missing")
  lu.assertStrContains(e.hint, "data cable")
  lu.assertNotStrContains(e.hint, "brltty")
end

function TestChoice:test_programs_that_seize_ports_are_named_when_they_run()
  local e = raised(first_contact.choose, {}, nil, { brltty = true, ModemManager = true })
  lu.assertStrContains(e.hint, "brltty takes CH340")
  lu.assertStrContains(e.hint, "ModemManager")
end

TestByHand = {}

-- A clock that goes on a second with every attempt.
local function attempts(answers)
  local n = 0
  return function()
    n = n + 1
    return table.unpack(answers[n] or { nil, "no answer", "timeout" })
  end, function() return n end
end

function TestByHand:test_waits_until_the_loader_answers()
  local attempt, now = attempts { [3] = { true } }
  lu.assertTrue(first_contact.by_hand(10, attempt, now))
  lu.assertEquals(now(), 3)
end

function TestByHand:test_gives_up_when_the_time_is_over()
  local attempt, now = attempts {}
  lu.assertFalse(first_contact.by_hand(5, attempt, now))
  lu.assertEquals(now(), 5)
end

function TestByHand:test_a_port_that_is_gone_is_not_waited_for()
  local attempt, now = attempts { [2] = { nil, "unplugged", "gone" } }
  lu.assertEquals(raised(first_contact.by_hand, 10, attempt, now).code, "gone")
end

function TestByHand:test_nobody_there_means_no_waiting_unless_asked()
  lu.assertEquals(first_contact.patience({}, false), 0)
  lu.assertEquals(first_contact.patience({}, true), 60)
  lu.assertEquals(first_contact.patience({ wait = "5" }, false), 5)
  lu.assertEquals(first_contact.patience({ wait = "0" }, true), 0)
  for _, word in ipairs { "x", "-1", "1e9", "" } do
    lu.assertEquals(raised(first_contact.patience, { wait = word }, true).code, "usage")
  end
end

os.exit(lu.LuaUnit.run())
