-- esptool's configuration file, as its documentation describes it.
local config = require "moonflash.esptool_config"
local lu = require "luaunit"

TestParse = {}

function TestParse:test_the_documented_sample()
  local values, unknown = config.parse([[
# esptool.cfg file to configure internal settings of esptool
[esptool]
chip_erase_timeout = 140
serial_write_timeout = 8.5
connect_attempts = 7
write_block_attempts = 2
reset_delay = 0.75
# Overriding the default reset sequence to work in an abnormal environment (prolonged delay):
custom_reset_sequence = D0|R1|W1.3|D1|R0|W0.5|D0
]], "esptool.cfg")
  lu.assertEquals(unknown, {})
  lu.assertEquals(values.connect_attempts, 7)
  lu.assertEquals(values.reset_delay, 0.75)
  lu.assertEquals(values.custom_reset_sequence, { { dtr = false }, { rts = true },
    { wait_ms = 1300 }, { dtr = true }, { rts = false }, { wait_ms = 500 }, { dtr = false } })
end

function TestParse:test_both_lines_at_once_and_the_hard_reset()
  local values = config.parse("[esptool]\ncustom_hard_reset_sequence = R1|W0.1|U0,0\n", "f")
  lu.assertEquals(values.custom_hard_reset_sequence, { { rts = true }, { wait_ms = 100 },
    { dtr = false, rts = false } })
  values = config.parse("[esptool]\ncustom_hard_reset_sequence = R1\n", "f")
  lu.assertEquals(values.custom_hard_reset_sequence, { { rts = true } })
end

function TestParse:test_other_sections_and_comments_are_nothing_to_us()
  local values, unknown = config.parse("[metadata]\nname = x\n; no\n[esptool]\n# timeout = 1\n"
    .. "timeout: 2\nTimeOut_of_mind = 3\n[tox]\ntimeout = 9\n", "setup.cfg")
  lu.assertEquals(values, { timeout = 2 })
  lu.assertEquals(unknown, { "timeout_of_mind" })
end

function TestParse:test_a_file_without_the_section_is_none()
  lu.assertNil((config.parse("[metadata]\nconnect_attempts = 3\n", "setup.cfg")))
end

function TestParse:test_values_that_make_no_sense_are_refused_with_file_and_key()
  lu.assertErrorMsgContains("f: connect_attempts: 'many' is not a whole number", config.parse,
    "[esptool]\nconnect_attempts = many\n", "f")
  lu.assertErrorMsgContains("f: reset_delay: 'x' is not a number", config.parse,
    "[esptool]\nreset_delay = x\n", "f")
  lu.assertErrorMsgContains("is no reset step", config.parse,
    "[esptool]\ncustom_reset_sequence = D0|X1\n", "f")
end

TestFind = {}

local function find(env, disk)
  local asked = {}
  local values, path = config.find(function(name) return env[name] end, function(name)
    asked[#asked + 1] = name
    return disk[name]
  end)
  return values, path, asked
end

local function with(n) return ("[esptool]\nconnect_attempts = %d\n"):format(n) end

function TestFind:test_the_order_of_places()
  local disk = { ["esptool.cfg"] = with(1), ["setup.cfg"] = with(2), ["tox.ini"] = with(3),
    ["/home/u/.config/esptool/esptool.cfg"] = with(4), ["/home/u/esptool.cfg"] = with(5),
    ["/else/mine.cfg"] = with(6) }
  local env <const> = { HOME = "/home/u", ESPTOOL_CFGFILE = "/else/mine.cfg" }
  for _, expected in ipairs { { 6, "/else/mine.cfg" }, { 1, "esptool.cfg" }, { 2, "setup.cfg" },
    { 3, "tox.ini" }, { 4, "/home/u/.config/esptool/esptool.cfg" },
    { 5, "/home/u/esptool.cfg" } } do
    local values, path = find(env, disk)
    lu.assertEquals({ values.connect_attempts, path }, expected)
    disk[path], env.ESPTOOL_CFGFILE = nil, nil
  end
  local values, path = find(env, disk)
  lu.assertEquals({ values, path }, { {}, nil })
end

function TestFind:test_a_file_that_was_named_must_be_there_and_be_one()
  lu.assertErrorMsgContains("gone.cfg cannot be read", find, { ESPTOOL_CFGFILE = "gone.cfg" }, {})
  lu.assertErrorMsgContains("x.cfg has no section [esptool]", find, { ESPTOOL_CFGFILE = "x.cfg" },
    { ["x.cfg"] = "[other]\n" })
end

function TestFind:test_a_file_without_the_section_is_passed_over()
  local _, path = find({}, { ["esptool.cfg"] = "[other]\n", ["tox.ini"] = with(3) })
  lu.assertEquals(path, "tox.ini")
end

os.exit(lu.LuaUnit.run())
