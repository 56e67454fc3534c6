local lu = require "luaunit"
local wiring = require "moonflash.doctor_wiring"

local function banner(cause, mode)
  return ("\r\n ets Jan  8 2013,rst cause:%d, boot mode:(%d,6)\r\n\r\n"):format(cause, mode)
end
local LOAD <const> = "load 0x40100000, len 284, room 16 \r\ntail 12\r\nchksum 0x32\r\ncsum 0x32\r\n"
local APP <const> = "temperature 21.5 C\r\ntemperature 21.6 C\r\n"
local SYNC <const> = "\xc0\0\8\x24\0\0\0\0\0\7\7\x12\x20" .. ("U"):rep(32) .. "\xc0"

local function judge(e)
  local all = { lines = true, run_log = "", loader_log = "", heard = {}, reached = false, port = "/dev/ttyUSB0",
    transport = "usb", other_ports = 0 }
  for k, v in pairs(e) do all[k] = v end
  local found = wiring.judge(all)
  local states = {}
  for _, c in ipairs(found.checks) do
    states[c.name] = c.state
    lu.assertTrue(#c.text > 0)
  end
  if found.verdict ~= "good" then lu.assertTrue(#found.hint > 0) end
  return found, states
end

TestWiring = {}

function TestWiring:test_an_answer_is_good()
  local found, states = judge { reached = true, run_log = banner(2, 3) .. LOAD, loader_log = banner(2, 1) }
  lu.assertEquals({ found.verdict, states["reset line"], states["GPIO0 line"], states["adapter to chip"] },
    { "good", "good", "good", "good" })
end

function TestWiring:test_a_loader_that_does_not_hear_us_is_the_tx_wire()
  local found, states = judge { run_log = banner(2, 3) .. LOAD, loader_log = banner(2, 1) }
  lu.assertEquals({ found.verdict, found.confidence, states["adapter to chip"] }, { "wiring", "certain", "bad" })
  lu.assertStrContains(found.hint, "TX")
end

function TestWiring:test_reset_that_works_without_gpio0_is_the_strap()
  local found, states = judge { run_log = banner(2, 3) .. LOAD, loader_log = banner(2, 3) .. LOAD }
  lu.assertEquals({ found.verdict, states["GPIO0 line"], states["reset line"] }, { "strap", "bad", "good" })
  lu.assertStrContains(found.hint, "DTR")
end

function TestWiring:test_a_program_that_no_reset_touches_is_the_reset_wire()
  local found, states = judge { run_log = APP, loader_log = APP }
  lu.assertEquals({ found.verdict, states["reset line"], states["chip to adapter"] }, { "wiring", "bad", "good" })
  lu.assertStrContains(found.hint, "RTS")
end

function TestWiring:test_a_power_on_alone_does_not_prove_the_reset_line()
  local found, states = judge { run_log = banner(1, 3) .. LOAD .. APP, loader_log = APP }
  lu.assertEquals({ found.verdict, states["reset line"] }, { "strap", "bad" })
end

function TestWiring:test_without_lines_a_program_that_runs_is_the_strap()
  local found, states = judge { lines = false, run_log = APP }
  lu.assertEquals({ found.verdict, states["reset line"], states["GPIO0 line"] }, { "strap", "none", "none" })
end

function TestWiring:test_a_program_heard_at_its_own_rate_is_the_strap_not_the_rate()
  local noise = ("\xf2\x8c\x9e\x80\xfe\x0e\x12\x1f"):rep(4)
  local found, states = judge { lines = false, run_log = noise, loader_log = noise,
    heard = { { bytes = APP, baud = 115200 } } }
  lu.assertEquals({ found.verdict, states["chip to adapter"] }, { "strap", "good" })
end

function TestWiring:test_other_pins_are_the_strap_too()
  local found = judge { run_log = banner(2, 7), loader_log = banner(2, 5) }
  lu.assertEquals({ found.verdict, found.confidence }, { "strap", "certain" })
  lu.assertStrContains(found.hint, "GPIO15")
end

function TestWiring:test_power_that_breaks_down()
  local found = judge { run_log = banner(1, 3):rep(4), loader_log = banner(1, 3):rep(3) }
  lu.assertEquals(found.verdict, "power")
  lu.assertStrContains(found.hint, "3.3 V")
end

function TestWiring:test_an_echo_is_a_wire()
  lu.assertEquals(judge({ heard = { { bytes = SYNC:rep(3), baud = 115200, echo = true } } }).verdict, "wiring")
end

function TestWiring:test_noise_and_damaged_answers_are_the_rate()
  local noise = ("\xf2\x8c\x9e\x80\xfe\x0e\x12\x1f"):rep(4)
  lu.assertEquals(judge({ run_log = noise, loader_log = noise }).verdict, "rate")
  lu.assertEquals(judge({ heard = { { bytes = "\x33\xc0\1\8\2\0\7\7\x12\x20\0\0\xc0", baud = 921600 } } }).verdict, "rate")
end

function TestWiring:test_another_chip_is_the_wrong_port()
  local found = judge { run_log = "ets Jun  8 2016 00:22:57\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n" }
  lu.assertEquals({ found.verdict, found.confidence }, { "port", "certain" })
end

function TestWiring:test_silence_names_the_likeliest_by_what_the_port_is()
  lu.assertEquals(judge({ transport = "native", port = "/dev/ttyS0" }).verdict, "port")
  lu.assertEquals(judge({ transport = "bluetooth" }).verdict, "port")
  lu.assertEquals(judge({ other_ports = 2 }).verdict, "port")
  lu.assertEquals(judge({}).verdict, "wiring")
  lu.assertEquals(judge({ run_log = "\0", loader_log = "\xff" }).verdict, "wiring")
end

os.exit(lu.LuaUnit.run())
