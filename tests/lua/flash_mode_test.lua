local errors = require "moonflash.errors"
local flash_chips = require "moonflash.flash_chips"
local flash_mode = require "moonflash.flash_mode"
local lu = require "luaunit"

local WINBOND <const>, MACRONIX <const>, EON <const>, UNKNOWN <const> =
  0x1640EF, 0x1620C2, 0x16301C, 0x1640AB

local function choose(asked, image_mode, id, chip, can_probe)
  return flash_mode.choose { asked = asked, image_mode = image_mode, chip = chip or "ESP8266EX",
    quad_rule = flash_chips.quad_rule(id or WINBOND), can_probe = can_probe ~= false }
end

TestAuto = {}

function TestAuto:test_what_four_lines_can_do_stays_as_the_image_says()
  for _, mode in ipairs { "dio", "dout" } do
    for _, id in ipairs { WINBOND, MACRONIX, EON, UNKNOWN } do
      local got = choose("auto", mode, id)
      lu.assertEquals({ got.mode, got.changes }, { mode, false })
    end
  end
end

function TestAuto:test_an_esp8285_always_gets_dout()
  for _, chip in ipairs { "ESP8285", "ESP8285N08", "ESP8285H16" } do
    for _, mode in ipairs { "qio", "qout", "dio", "dout" } do
      lu.assertEquals(choose("auto", mode, WINBOND, chip).mode, "dout")
    end
  end
end

function TestAuto:test_quad_modes_stay_where_the_chip_will_prove_them()
  local got = choose("auto", "qio", WINBOND)
  lu.assertEquals({ got.mode, got.changes, got.probe }, { "qio", false, true })
end

function TestAuto:test_quad_modes_without_proof_become_dio()
  for _, id in ipairs { MACRONIX, EON, UNKNOWN } do
    lu.assertEquals(choose("auto", "qio", id).mode, "dio")
    lu.assertEquals(choose("auto", "qout", id).mode, "dio")
  end
  local got = choose("auto", "qio", WINBOND, nil, false)
  lu.assertEquals({ got.mode, got.changes, got.probe }, { "dio", true, false })
end

function TestAuto:test_an_image_without_a_mode_gets_dio()
  lu.assertEquals(choose("auto", nil).mode, "dio")
end

TestAsked = {}

function TestAsked:test_a_named_mode_is_used_and_doubts_are_said()
  local got = choose("qio", "dio", MACRONIX)
  lu.assertEquals({ got.mode, got.changes, #got.warnings }, { "qio", true, 1 })
  got = choose("qio", "dio", WINBOND, "ESP8285H08")
  lu.assertStrContains(got.warnings[1], "ESP8285")
  lu.assertEquals(choose("qio", "qio", WINBOND).warnings, {})
  lu.assertEquals(choose("dout", "qio", WINBOND, "ESP8285").warnings, {})
end

function TestAsked:test_keep_keeps_and_doubts_are_said()
  local got = choose("keep", "qio", EON)
  lu.assertEquals({ got.mode, got.changes, got.probe, #got.warnings }, { "keep", false, false, 1 })
end

function TestAsked:test_words()
  lu.assertEquals(flash_mode.parse "DIO", "dio")
  lu.assertEquals(flash_mode.parse "auto", "auto")
  local ok, e = pcall(flash_mode.parse, "dual")
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "usage"))
end

TestSettle = {}

local function tried_by(answers)
  local tried = {}
  return tried, function(mode)
    tried[#tried + 1] = mode
    return answers[mode]
  end
end

function TestSettle:test_a_mode_that_works_stays()
  local tried, works = tried_by { qio = true }
  lu.assertEquals({ flash_mode.settle("qio", works) }, { "qio", {} })
  lu.assertEquals(tried, { "qio" })
end

function TestSettle:test_failing_modes_give_way_one_by_one()
  local tried, works = tried_by { qio = false, dio = false, dout = true }
  lu.assertEquals({ flash_mode.settle("qio", works) }, { "dout", { "qio", "dio" } })
  lu.assertEquals(tried, { "qio", "dio", "dout" })
end

function TestSettle:test_what_cannot_be_told_changes_nothing()
  lu.assertEquals({ flash_mode.settle("qio", function() end) }, { "qio", {} })
end

function TestSettle:test_flash_that_never_reads_right_is_an_error()
  local ok, e = pcall(flash_mode.settle, "dio", function() return false end)
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "flash"))
end

os.exit(lu.LuaUnit.run())
