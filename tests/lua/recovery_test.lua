-- What is tried again, how often, and what it ends with. The device is played.
local errors = require "moonflash.errors"
local lu = require "luaunit"
local recovery = require "moonflash.recovery"

require("moonflash.report").setup { silent = true }

TestRecovery = {}

-- A device that notes how it was connected again; `away`: what it raises instead.
local function device(away)
  local dev = { log = {} }
  function dev.lower_baud() return 57600 end
  function dev:reconnect(_, baud)
    if away then error(away, 0) end
    self.log[#self.log + 1] = baud or "same"
  end
  return dev
end

-- Work that fails n times with an error of a code.
local function failing(n, code, fields)
  local times = 0
  return function()
    times = times + 1
    if times <= n then errors.raise(code, "played", fields) end
  end, function() return times end
end

function TestRecovery:test_a_port_that_was_gone_is_opened_again_at_the_same_rate()
  for _, code in ipairs { "gone", "io" } do
    local dev, work = device(), failing(5, code)
    recovery.carry_out(dev, work)
    lu.assertEquals(dev.log, { "same", "same", "same", "same", "same" })
  end
end

function TestRecovery:test_a_bad_line_is_tried_at_a_lower_rate()
  for _, code in ipairs { "timeout", "protocol", "refused" } do
    local dev, work = device(), failing(4, code)
    recovery.carry_out(dev, work)
    lu.assertEquals(dev.log, { 57600, 57600, 57600, 57600 })
  end
end

function TestRecovery:test_patience_ends()
  for code, most in pairs { gone = 6, timeout = 5 } do
    local dev, work, times = device(), failing(99, code)
    local ok, e = pcall(recovery.carry_out, dev, work)
    lu.assertFalse(ok)
    lu.assertTrue(errors.is(e, code))
    lu.assertEquals(times(), most)
  end
end

function TestRecovery:test_what_connecting_again_does_not_cure_is_reported_at_once()
  local final, times_of_final = failing(1, "timeout", { final = true })
  for _, row in ipairs { { failing(1, "chip_changed") }, { failing(1, "interrupted") },
    { failing(1, "wrong_chip") }, { final, times_of_final } } do
    local dev = device()
    lu.assertFalse((pcall(recovery.carry_out, dev, row[1])))
    lu.assertEquals({ row[2](), dev.log }, { 1, {} })
  end
  local ok, e = pcall(recovery.carry_out, device(), function() error("a bug", 0) end)
  lu.assertEquals({ ok, e }, { false, "a bug" })
end

function TestRecovery:test_a_port_that_stays_away_is_exit_3_and_8_when_the_chip_has_changed()
  local dev = device(errors.new("gone", "played"))
  local _, e = pcall(recovery.carry_out, dev, (failing(1, "gone")))
  lu.assertEquals(errors.exit_code(e), 3)
  dev.changed = true
  _, e = pcall(recovery.carry_out, dev, (failing(1, "gone", { addr = 0x2000, hint = "repair" })))
  lu.assertEquals({ errors.exit_code(e), e.addr, e.hint }, { 8, 0x2000, "repair" })
end

os.exit(lu.LuaUnit.run())
