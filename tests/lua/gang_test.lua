-- A line of boards as values: which port starts when, what is counted, how it ends;
-- the ports that --ports names; the table.
local gang = require "moonflash.gang"
local gang_ports = require "moonflash.gang_ports"
local gang_table = require "moonflash.gang_table"
local lu = require "luaunit"
local style = require "moonflash.style"
local swap = require "moonflash.gang_swap"

TestLine = {}

local function here(...)
  local list = {}
  for i, name in ipairs { ... } do
    list[i] = { name = name, permanent = name:find "^sim:" ~= nil }
  end
  return list
end

local function line_of(opt)
  opt.timeout = opt.timeout or 60
  return gang.new(opt, 0)
end

-- Starts the next board, or says that there is none.
local function start(line, now)
  local slot = line:next(now)
  if slot then line:start(slot, now) end
  return slot
end

local function fail(line, slot, exit, now)
  line:event(slot, { event = "error", code = "timeout", exit = exit, message = "no" }, now)
  line:finish(slot, "exit", exit, now)
end

function TestLine:test_what_is_there_at_the_first_look_starts_at_once_what_comes_later_settles_first()
  local line = line_of { waits = true }
  line:look(here "a", 12345.678)                 -- a time that subtraction rounds
  lu.assertEquals(start(line, 12345.678).port, "a")
  line = line_of { waits = true }
  line:look(here "a", 0)
  lu.assertEquals(start(line, 0).port, "a")
  line:look(here("a", "b"), 1)
  lu.assertNil(start(line, 1.1))           -- its device file may still get its owner
  lu.assertEquals(start(line, 1.5).port, "b")
end

function TestLine:test_a_board_that_stays_plugged_in_is_done_once()
  local line = line_of { waits = true }
  line:look(here "a", 0)
  local slot = start(line, 0)
  lu.assertTrue(line:finish(slot, "exit", 0, 5))
  for now = 5, 20 do
    line:look(here "a", now)
    lu.assertNil(start(line, now))
  end
  lu.assertFalse(line:is_over())           -- the next one may come
  local _, gone = line:look(here(), 21)
  lu.assertEquals({ #gone, slot.state }, { 1, "waiting" })
  local come = line:look(here "a", 22)
  lu.assertEquals(#come, 1)
  lu.assertEquals(start(line, 23).board, 2)
end

function TestLine:test_a_port_that_blinks_while_its_board_works_does_not_start_it_again()
  local line = line_of { waits = true }
  line:look(here "a", 0)
  local slot = start(line, 0)
  line:look(here(), 1)
  lu.assertEquals(slot.state, "running")
  line:look(here "a", 2)
  line:finish(slot, "exit", 0, 3)
  line:look(here "a", 4)
  lu.assertNil(start(line, 5))
end

function TestLine:test_another_board_put_in_while_one_was_waited_for_starts()
  local line = line_of { waits = true }
  line:look(here "a", 0)
  local slot = start(line, 0)
  line:look(here(), 1)
  line:look(here "a", 2)
  line:event(slot, { event = "error", code = "wrong_chip", exit = 8, message = "another" }, 3)
  line:finish(slot, "exit", 8, 3)
  lu.assertEquals(start(line, 4).board, 2)
end

function TestLine:test_ports_that_nobody_can_plug_are_done_once_and_the_line_is_over()
  local line = line_of { waits = false }
  line:look(here("sim:a", "sim:b"), 0)
  local a, b = start(line, 0), start(line, 0)
  lu.assertFalse(line:is_over())
  line:finish(a, "exit", 0, 1)
  lu.assertFalse(line:is_over())
  line:finish(b, "exit", 0, 2)
  lu.assertTrue(line:is_over())
end

function TestLine:test_once_takes_what_is_there_and_nothing_that_comes()
  local line = line_of { once = true, waits = true }
  line:look(here "a", 0)
  local slot = start(line, 0)
  line:look(here("a", "b"), 1)
  lu.assertNil(start(line, 2))
  line:finish(slot, "exit", 0, 3)
  lu.assertTrue(line:is_over())
end

function TestLine:test_no_more_than_wanted_are_on_their_way()
  local line = line_of { count = 3, at_once = 2, waits = false }
  line:look(here("sim:a", "sim:b", "sim:c", "sim:d"), 0)
  local a, b = start(line, 0), start(line, 0)
  lu.assertNil(start(line, 0))
  line:finish(a, "exit", 0, 1)
  local c = start(line, 1)
  lu.assertNotNil(c)
  line:finish(b, "exit", 0, 1)
  lu.assertNil(start(line, 1))             -- two good, one on its way: that may be all
  fail(line, c, 4, 2)
  local d = start(line, 2)
  line:finish(d, "exit", 0, 3)
  lu.assertEquals({ line:closing(), line:is_over() }, { "count", true })
end

function TestLine:test_a_good_board_between_failures_starts_the_count_anew()
  local line = line_of { stop_after = 2, waits = true }
  local now = 0
  local function board(exit)
    line:look(here(), now)
    line:look(here "a", now + 1)
    local slot = start(line, now + 2)
    if not slot then return false end
    if exit == 0 then line:finish(slot, "exit", 0, now) else fail(line, slot, exit, now) end
    now = now + 3
    return true
  end
  lu.assertTrue(board(4) and board(0) and board(4))
  lu.assertNil(line:closing())
  lu.assertTrue(board(4))
  lu.assertEquals(line:closing(), "failures")
  lu.assertFalse(board(0))
  lu.assertTrue(line:is_over())
end

function TestLine:test_silence_is_overdue_and_any_event_is_a_sign_of_life()
  local line = line_of { timeout = 10, waits = true }
  line:look(here "a", 0)
  local slot = start(line, 0)
  lu.assertEquals(line:overdue(9), {})
  line:event(slot, { event = "stage", message = "x" }, 9)
  lu.assertEquals(line:overdue(18), {})
  lu.assertEquals(line:overdue(19.5), { slot })
  line:finish(slot, "signal", 9, 20)
  lu.assertEquals(line:overdue(100), {})
end

function TestLine:test_a_process_that_dies_counts_by_whether_its_chip_had_changed()
  local line = line_of { waits = true }
  line:look(here("a", "b"), 0)
  local a, b = start(line, 0), start(line, 0)
  line:event(b, { event = "changing", bytes = 1 }, 1)
  lu.assertFalse(line:finish(a, "signal", 11, 2))
  lu.assertFalse(line:finish(b, "signal", 11, 2))
  lu.assertEquals({ a.exit, b.exit }, { 1, 8 })
  lu.assertStrContains(b.message, "signal 11")
  lu.assertStrContains(b.hint, "not proven")
  lu.assertEquals(line:exit_code(), 8)
end

function TestLine:test_the_next_board_inherits_nothing()
  local line = line_of { waits = true }
  line:look(here "a", 0)
  local slot = start(line, 0)
  line:event(slot, { event = "chip", mac = "aa", chip = "x", loader = "stub" }, 1)
  line:event(slot, { event = "changing", bytes = 1 }, 1)
  fail(line, slot, 8, 2)
  line:look(here(), 3)
  line:look(here "a", 4)
  start(line, 5)
  lu.assertEquals({ slot.mac, slot.changed, slot.exit, slot.message }, {})
  line:finish(slot, "signal", 9, 6)
  lu.assertEquals(slot.exit, 1)
end

function TestLine:test_two_boards_with_one_mac_are_noticed()
  local line = line_of { waits = true }
  line:look(here("a", "b"), 0)
  local a, b = start(line, 0), start(line, 0)
  line:event(a, { event = "chip", mac = "0a" }, 1)
  lu.assertNil(line:twin_of(a))
  line:event(b, { event = "chip", mac = "0a" }, 1)
  lu.assertEquals(line:twin_of(b), a)
  line:finish(a, "exit", 0, 2)
  lu.assertNil(line:twin_of(b))
end

local function line_with(exits)
  local line, names = line_of { waits = false }, {}
  for i in ipairs(exits) do names[i] = "sim:" .. i end
  line:look(here(table.unpack(names)), 0)
  for _, exit in ipairs(exits) do
    local slot = start(line, 0)
    if exit == 0 then line:finish(slot, "exit", 0, 10) else fail(line, slot, exit, 10) end
  end
  return line
end

function TestLine:test_exit_codes()
  for _, case in ipairs { { {}, 0 }, { { 0, 0 }, 0 }, { { 0, 4, 4 }, 4 }, { { 5 }, 5 },
    { { 4, 5 }, 5 }, { { 3, 8, 4 }, 8 }, { { 8, 130 }, 8 }, { { 130, 0 }, 130 }, { { 4, 130 }, 130 } } do
    lu.assertEquals(line_with(case[1]):exit_code(), case[2], table.concat(case[1], " "))
  end
end

function TestLine:test_totals()
  local t = line_with({ 0, 0, 0, 4, 8, 4 }):totals(36)
  lu.assertEquals({ t.boards, t.good, t.failed, t.yield, t.per_hour }, { 6, 3, 3, 0.5, 300 })
  lu.assertEquals(t.exits, { { exit = 4, boards = 2 }, { exit = 8, boards = 1 } })
end

function TestLine:test_with_swap_a_port_is_asked_before_each_of_its_boards()
  local line = line_of { swap = true, waits = true }
  line:look(here "sim:a", 0)
  lu.assertNil(start(line, 5))
  local slot = line:unwatched()[1]
  lu.assertEquals(slot.port, "sim:a")
  slot.watched = true
  lu.assertEquals(line:unwatched(), {})
  slot.watched, slot.fresh = nil, true          -- it has answered
  lu.assertEquals(start(line, 6), slot)
  lu.assertEquals(line:unwatched(), {})
  line:finish(slot, "exit", 0, 7)
  lu.assertEquals(line:unwatched(), { slot })
  lu.assertFalse(line:is_over())
  line.stopping = 1
  lu.assertEquals(line:unwatched(), {})
  lu.assertTrue(line:is_over())
end

TestSwap = {}

-- What is judged of a board A that is done, and of what answers then.
local function judged(last, ...)
  local state = { last = last, absent = last == nil }
  for i, answer in ipairs { ... } do
    local mac = answer:match "^%x%x$"
    if swap.judge(state, mac, not mac and { code = answer } or nil) then return i end
  end
end

function TestSwap:test_who_is_the_next_board()
  lu.assertEquals(judged("0a", "0a", "0a", "0b"), 3)
  lu.assertEquals(judged("0a", "0a", "timeout", "0a"), 3)    -- it was taken out and put in again
  lu.assertEquals(judged("0a", "busy", "0a"), nil)
  lu.assertEquals(judged(nil, "timeout", "missing", "0a"), 3)
  lu.assertEquals(judged("0a", "wrong_chip", "0b"), 1)
  lu.assertEquals(judged("wrong_chip", "wrong_chip", "wrong_chip"), nil)
  lu.assertEquals(judged("wrong_chip", "timeout", "wrong_chip"), 2)
  lu.assertEquals(judged(nil, "access"), 1)                  -- its failure says so, once
  lu.assertEquals(judged("access", "access", "access"), nil)
end

TestPorts = {}

function TestPorts:test_ranges()
  lu.assertEquals(gang_ports.expand "sim:b{1..3}.f", { "sim:b1.f", "sim:b2.f", "sim:b3.f" })
  lu.assertEquals(gang_ports.expand "p{08..10}", { "p08", "p09", "p10" })
  lu.assertEquals(gang_ports.expand "a{1..2}:{11..12}", { "a1:11", "a2:12" })
  lu.assertEquals(gang_ports.expand "/dev/ttyUSB0", { "/dev/ttyUSB0" })
  lu.assertErrorMsgContains("no range", gang_ports.expand, "a{3..1}")
  lu.assertErrorMsgContains("no range", gang_ports.expand, "a{1..999999999999999999999}")
  lu.assertErrorMsgContains("no range", gang_ports.expand, "a{1..1000}")
  lu.assertErrorMsgContains("one length", gang_ports.expand, "a{1..2}{1..3}")
end

local ADAPTERS <const> = {
  { name = "/dev/ttyUSB0", transport = "usb", vid = 0x10c4, pid = 0xea60, serial = "0001",
    position = "1-2.3" },
  { name = "/dev/ttyUSB1", transport = "usb", vid = 0x1a86, pid = 0x7523, position = "1-2.30" },
  { name = "/dev/ttyUSB2", transport = "usb", vid = 0x10c4, pid = 0xea61, serial = "A5069RR4",
    position = "1-2.3.4" },
  { name = "/dev/ttyS0", transport = "native" },
}

local function matching(text)
  local spec, found = gang_ports.parse(text)[1], {}
  for _, p in ipairs(ADAPTERS) do
    if gang_ports.matches(spec, p) then found[#found + 1] = p.name:sub(-1) end
  end
  return table.concat(found)
end

function TestPorts:test_adapters_by_what_they_are_and_where_they_are_plugged_in()
  for text, want in pairs { all = "012", ["usb:10c4:ea60"] = "0", ["usb:10c4"] = "02",
    ["usb:10C4:EA61"] = "2", ["serial:A5069RR4"] = "2", ["serial:A*"] = "2", ["serial:00?1"] = "0",
    ["serial:A5069"] = "", ["hub:1-2.3"] = "02", ["hub:1-2"] = "012", ["hub:1-2.30"] = "1",
    ["hub:1-3"] = "" } do
    lu.assertEquals(matching(text), want, text)
  end
end

function TestPorts:test_the_usb_position_is_read_from_sysfs_links()
  for link, want in pairs {
    ["../../devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2.3/1-2.3:1.0/ttyUSB0/tty/ttyUSB0"] = "1-2.3",
    ["../../devices/pci0000:00/0000:00:14.0/usb3/3-1/3-1:1.0/tty/ttyACM0"] = "3-1",
    ["../../devices/platform/serial8250/tty/ttyS0"] = false,
  } do
    lu.assertEquals(gang_ports.position_of(link) or false, want)
  end
end

function TestPorts:test_several_items_and_bad_ones()
  local specs = gang_ports.parse "/dev/ttyUSB0,all,sim:a{1..2}?size=4M,rfc2217://h:{1..2}"
  lu.assertEquals(#specs, 6)
  lu.assertTrue(specs[3].permanent and specs[6].permanent)
  for text, why in pairs { ttyUSB0 = "names no port", ["usb:"] = "no usb", ["usb:10c4:"] = "no usb",
    ["usb:123456"] = "no usb", ["hub:x"] = "no hub", ["serial:"] = "no serial", [","] = "names no port",
    ["com:3"] = "names no port" } do
    lu.assertErrorMsgContains(why, gang_ports.parse, text)
  end
end

function TestPorts:test_of_several_simulated_boards_each_has_its_mac()
  local seen = {}
  for _, spec in ipairs(gang_ports.parse "sim:b{1..16}.flash?size=4M,sim:x") do
    local mac = spec.name:match "[?&]mac=(60:01:94:%x%x:%x%x:%x%x)$"
    lu.assertNil(seen[mac], spec.name)
    seen[mac] = true
  end
  lu.assertEquals(gang_ports.parse("sim:a,sim:b?mac=1")[2].name, "sim:b?mac=1")
  lu.assertEquals(gang_ports.parse("sim:a")[1].name, "sim:a")
  lu.assertEquals(gang_ports.parse("sim:a,sim:b")[1].name, gang_ports.parse("sim:b,sim:a")[2].name)
end

function TestPorts:test_globs_do_not_cross_folders_and_magic_characters_mean_themselves()
  local spec = gang_ports.parse("/tmp/a.b-c/board[0-9]*")[1]
  lu.assertEquals(spec.folder, "/tmp/a.b-c")
  for path, want in pairs { ["/tmp/a.b-c/board1"] = true, ["/tmp/a.b-c/board1x"] = true,
    ["/tmp/aXb-c/board1"] = false, ["/tmp/a.b-c/board-"] = false, ["/tmp/a.b-c/board"] = false, ["/tmp/a.b-c/board1/x"] = false } do
    lu.assertEquals(path:find(spec.pattern) ~= nil, want, path)
  end
  spec = gang_ports.parse("/d/x[!ab]%?")[1]
  lu.assertEquals({ ("/d/xc%1"):find(spec.pattern) ~= nil, ("/d/xa%1"):find(spec.pattern) ~= nil },
    { true, false })
end

TestTable = {}

local SLOTS <const> = {
  { port = "/dev/ttyUSB0", state = "running", board = 1, mac = "60:01:94:a5:b6:9c", what = "writing",
    done = 50000, total = 100000, seconds = 1 },
  { port = "/dev/ttyUSB1", state = "ok", board = 2, mac = "60:01:94:a5:b6:9d", took = 3.2,
    message = "100 bytes verified" },
  { port = "/dev/serial/by-id/usb-Silicon_Labs_CP2102_0001-if00-port0", state = "failed", board = 3,
    exit = 4, message = "/dev/serial/by-id/usb-Silicon_Labs_CP2102_0001-if00-port0: no answer" },
  { port = "/dev/ttyUSB3", state = "waiting" },
}
local TOTALS <const> = line_with({ 0, 4 }):totals(36)

local function rendered(width, height, paint)
  return gang_table.render(SLOTS, TOTALS, 1, { width = width, height = height }, paint)
end

function TestTable:test_every_row_says_what_it_should()
  local lines = rendered(120, 24)
  lu.assertEquals(#lines, 6)
  for i, want in ipairs { "RESULT", "60:01:94:a5:b6:9c +writing +50 %% #+%.+ +48.8 KB/s +1.0+ s left$",
    "60:01:94:a5:b6:9d +ok +3.2 s: 100 bytes verified$", "failed +exit 4: no answer$",
    "^/dev/ttyUSB3 +waiting$", "^1 ok, 1 failed, 1 on their way, yield 50.0 %%, 100 an hour$" } do
    lu.assertStrContains(lines[i], want, true)
  end
end

function TestTable:test_no_line_is_wider_than_the_terminal_and_state_and_port_are_always_there()
  for width = 20, 150 do
    for _, line in ipairs(rendered(width, 24)) do
      lu.assertTrue(#line < math.max(width, 33), ("%d: %s"):format(width, line))
    end
  end
  local narrow = table.concat(rendered(40, 24), "\n")
  lu.assertStrContains(narrow, "/dev/ttyUSB0  writing")
  lu.assertStrContains(narrow, "failed")
end

function TestTable:test_on_a_low_terminal_those_that_work_and_those_that_failed_are_shown()
  local text = table.concat(rendered(100, 6), "\n")
  lu.assertStrContains(text, "ttyUSB0")
  lu.assertStrContains(text, "failed")
  lu.assertStrContains(text, "2 more ports")
  lu.assertNotStrContains(text, "ttyUSB1")
  lu.assertTrue(#rendered(100, 6) <= 5)
end

function TestTable:test_colours_do_not_move_columns()
  local plain, painted = rendered(100, 24), rendered(100, 24, style.new(true))
  for i, line in ipairs(painted) do
    lu.assertEquals(line:gsub("\27%[[%d;]*m", ""):gsub(" +$", ""), (plain[i]:gsub(" +$", "")))
  end
end

function TestTable:test_a_text_is_cut_in_the_middle()
  lu.assertEquals(gang_table.squeeze("/dev/ttyUSB0", 12), "/dev/ttyUSB0")
  lu.assertEquals(gang_table.squeeze("/dev/serial/by-id/x", 12), "/dev/..-id/x")
  for width = 5, 20 do
    lu.assertEquals(#gang_table.squeeze(("x"):rep(50), width), width)
  end
end

os.exit(lu.LuaUnit.run())
