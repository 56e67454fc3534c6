local exception = require "moonflash.exception"
local lu = require "luaunit"

local REGISTERS <const> = "epc1=0x4022a1b4, epc2=0x00000000, epc3=0x40000f68, excvaddr=0x00000010, depc=0x00000000\r\n"

TestFind = {}

function TestFind:test_the_roms_the_sdks_and_arduinos_form()
  for _, head in ipairs { "Fatal exception (28): \r\n", "Fatal exception 28(LoadProhibitedCause):\r\n",
    "Exception (28):\r\n" } do
    local e = exception.find("x\r\n" .. head .. REGISTERS)[1]
    lu.assertEquals({ e.cause, e.epc1, e.epc2, e.epc3, e.excvaddr, e.depc, e.name },
      { 28, 0x4022a1b4, 0, 0x40000f68, 0x10, 0, "load prohibited" }, head)
  end
end

function TestFind:test_several_with_their_own_registers()
  local list = exception.find("Fatal exception (0): \r\n" .. "Fatal exception (9): \r\n" .. REGISTERS)
  lu.assertEquals({ #list, list[1].cause, list[1].epc1, list[2].cause, list[2].epc1 },
    { 2, 0, nil, 9, 0x4022a1b4 })
end

function TestFind:test_cut_off_and_odd_registers()
  lu.assertNil(exception.find("Fatal exception (28): \r\nepc1=0x")[1].epc1)
  lu.assertNil(exception.find("Fatal exception (28): \r\nepc1=0x123456789a")[1].epc1)
  lu.assertEquals(exception.find("exceptional text (28) without one"), {})
  lu.assertEquals(exception.find "", {})
end

function TestFind:test_the_same_crash_or_another_one()
  local a, b = { cause = 28, epc1 = 1 }, { cause = 28, epc1 = 2 }
  lu.assertNil(exception.same { a })
  lu.assertTrue(exception.same { a, a, a })
  lu.assertFalse(exception.same { a, a, b })
end

TestExplain = {}

function TestExplain:test_words_for_cause_place_and_address()
  local lines = table.concat(exception.explain(exception.find("Fatal exception (28): \r\n" .. REGISTERS)[1]), "\n")
  lu.assertStrContains(lines, "exception 28, load prohibited: a read from an address where nothing is")
  lu.assertStrContains(lines, "the code was at 0x4022a1b4 (flash at 0x02a1b4)")
  lu.assertStrContains(lines, "it wanted 0x00000010 (next to address 0: a null pointer)")
end

function TestExplain:test_an_illegal_instruction_wants_no_address()
  local lines = exception.explain { cause = 0, epc1 = 0x40100020, excvaddr = 0 }
  lu.assertEquals(#lines, 2)
  lu.assertStrContains(lines[2], "instruction RAM")
end

function TestExplain:test_every_cause_of_the_cpu_has_words_and_others_do_not_fail()
  for cause = 0, 63 do
    lu.assertTrue(#exception.explain(exception.find("Exception (" .. cause .. "):\n" .. REGISTERS)[1])[1] > 12)
  end
end

function TestExplain:test_places()
  for addr, place in pairs { [0x40000f68] = "boot ROM", [0x3FFE8000] = "data RAM", [0x402FFFFF] = "0x0fffff",
    [0x60000300] = "peripherals", [0x12345678] = "nothing known" } do
    lu.assertStrContains(exception.place(addr), place)
  end
end

function TestExplain:test_names_of_symbols_are_added()
  local symbols = { name = function(_, addr) return addr == 0x4022a1b4 and "app_main+0x14" or nil end }
  lu.assertStrContains(exception.explain({ cause = 0, epc1 = 0x4022a1b4 }, symbols)[2], "app_main+0x14")
  lu.assertEquals(exception.resolve("3ffffd80:  4022a1b4 00000000 4022a1b4 40100000 a4022a1b4", symbols),
    { "0x4022a1b4 = app_main+0x14" })
end

os.exit(lu.LuaUnit.run())
