local lu = require "luaunit"
local protection = require "moonflash.protection"

local WINBOND <const>, GIGA <const>, MACRONIX <const> = 0x1640EF, 0x1640C8, 0x1620C2
local ISSI <const>, EON <const>, PUYA <const> = 0x1660 << 8 | 0x9D, 0x16301C, 0x166085
local UNKNOWN <const> = 0x164077
local ALL <const> = { WINBOND, GIGA, MACRONIX, ISSI, EON, PUYA, UNKNOWN }

TestProtection = {}

function TestProtection:test_block_protection_and_its_lock_go()
  lu.assertEquals(protection.target(WINBOND, { 0xFC, 0x41, 0x04 }), { 0, 0, 0 })
  lu.assertTrue(protection.is_on(WINBOND, { 0x1C, 0, 0 }))
  lu.assertTrue(protection.is_on(WINBOND, { 0, 0x40, 0 }))
  lu.assertTrue(protection.is_on(WINBOND, { 0, 0, 0x04 }))
  lu.assertFalse(protection.is_on(WINBOND, { 0x00, 0x02, 0x60 }))
end

function TestProtection:test_busy_and_latch_bits_are_no_protection()
  lu.assertFalse(protection.is_on(WINBOND, { 0x03, 0x80, 0 }))
end

function TestProtection:test_quad_enable_stays_wherever_the_maker_keeps_it()
  lu.assertEquals(protection.target(WINBOND, { 0x9C, 0x02, 0 })[2], 0x02)
  lu.assertEquals(protection.target(GIGA, { 0x9C, 0x42, 0xFF })[2], 0x02)
  lu.assertEquals(protection.target(MACRONIX, { 0xDC, 0xFF, 0xFF }), { 0x40 })
  lu.assertEquals(protection.target(ISSI, { 0xDC, 0, 0 }), { 0x40 })
  lu.assertEquals(protection.target(EON, { 0x5C, 0xFF, 0xFF }), { 0x40 })
end

-- Over every value of both registers: what can be set only once is written as it
-- was read, quad enable too, and no bit is ever set that was not.
function TestProtection:test_lock_bits_never_change_and_no_bit_is_ever_set()
  for _, id in ipairs(ALL) do
    for sr2 = 0, 255 do
      for _, sr1 in ipairs { 0, 0x1C, 0x40, 0x5C, 0x9C, 0xFF } do
        local t = protection.target(id, { sr1, sr2, 0x64 })
        lu.assertEquals(t[1] & ~sr1, 0)
        if t[2] then
          lu.assertEquals(t[2] & ~sr2, 0)
          lu.assertEquals(t[2] & 0x3A, sr2 & 0x3A)
        end
        lu.assertEquals((t[3] or 0x60) & 0x60, 0x60)
        for _, attempt in ipairs(protection.attempts(id, { sr1, sr2, 0x64 })) do
          for _, c in ipairs(attempt) do
            local second = c.op == 0x31 and c.bytes:byte(1) or c.bytes:byte(2)
            if second then lu.assertEquals(second, t[2]) end
          end
        end
      end
    end
  end
end

function TestProtection:test_each_makers_own_form_comes_first()
  local function first(id, sr2)
    local words = {}
    for i, c in ipairs(protection.attempts(id, { 0x1C, sr2, 0 })[1]) do
      words[i] = ("%02x/%d"):format(c.op, #c.bytes)
    end
    return table.concat(words, " ")
  end
  lu.assertEquals(first(WINBOND, 2), "01/2")
  lu.assertEquals(first(PUYA, 2), "01/2")
  lu.assertEquals(first(GIGA, 2), "01/1 31/1")
  lu.assertEquals(first(MACRONIX, 0xFF), "01/1")
  lu.assertEquals(first(ISSI, 0), "01/1")
  lu.assertEquals(#protection.attempts(WINBOND, { 0x1C, 0, 0 }), 2)
  lu.assertEquals(#protection.attempts(MACRONIX, { 0x1C, 0xFF, 0xFF }), 1)
end

function TestProtection:test_a_register_that_reads_all_ones_is_not_there()
  lu.assertNil(protection.target(WINBOND, { 0x1C, 0xFF, 0xFF })[2])
  lu.assertFalse(protection.registers(UNKNOWN, { 0, 0xFF, 0xFF }).has_sr2)
end

function TestProtection:test_why_it_is_locked()
  lu.assertStrContains(protection.why_locked { 0x80, 0 }, "WP#")
  lu.assertStrContains(protection.why_locked { 0x80, 1 }, "for ever")
  lu.assertStrContains(protection.why_locked { 0, 1 }, "cut the power")
  lu.assertStrContains(protection.why_locked { 0x1C, 0xFF }, "ignores")
end

os.exit(lu.LuaUnit.run())
