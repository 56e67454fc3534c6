-- Many boards at once: the whole command, on simulated boards that fail in every way.
package.path = "tests/cmd/?.lua;" .. package.path
local boards = require "boards"
local dkjson = require "dkjson"
local esp = require "esp"
local harness = require "harness"
local lfs = require "lfs"
local lu = require "luaunit"

TestGang = {}

local SIZE <const> = 0x80000
local BYTES <const> = boards.noise(20000, 7)
local ADDR <const> = 0x10000

-- A command that misbehaves as the name of its board says.
local NAUGHTY <const> = [[
-- scripts/naughty.lua: goes wrong in its process
local cli <const>, device <const> = require "moonflash.cli", require "moonflash.device"
local writer <const> = require "moonflash.writer"
local opt <const> = cli.parse(cli.parser("naughty", "Goes wrong."))
local f <const> = io.open "/proc/self/stat"
local dev <close> = device.open(opt)
if opt.port:find "late" then
  writer.write(dev, { parts = { { addr = 0x1000, data = ("x"):rep(4096), name = "x" } } })
end
local pid <const> = io.open("/proc/self/stat"):read "n"
if opt.port:find "killed" then os.execute("kill -KILL " .. pid) end
if opt.port:find "stopped" then os.execute("kill -STOP " .. pid) end
if opt.port:find "endless" then while true do end end
if opt.port:find "prints" then while true do print(("x"):rep(200)) end end
if opt.port:find "raises" then error "a bug" end
if opt.port:find "leaves" then os.exit(7) end
require "moonflash.report".ok("nothing")
]]

function TestGang:setUp()
  self.dir = harness.directory()
  harness.write(self.dir .. "/data.bin", BYTES)
  self.data = self.dir .. "/data.bin"
end

function TestGang:tearDown()
  harness.remove(self.dir)
end

function TestGang:sim(name, more)
  return ("sim:%s/%s.flash?size=512K%s"):format(self.dir, name, more or "")
end

function TestGang:flash(name)
  return harness.read(("%s/%s.flash"):format(self.dir, name))
end

local WANT <const> = boards.flash(SIZE, { [ADDR] = BYTES })

-- All events of a gang, and the boards' ends by what follows the folder in the port.
function TestGang:gang(ports, ...)
  local out, err, code = harness.run("-L", self.dir, "gang", "--json", "--ports", table.concat(ports, ","), ...)
  lu.assertNotStrContains(err .. out, "traceback")
  local list, ends = {}, {}
  for line in out:gmatch "[^\n]+" do
    local e = assert(dkjson.decode(line), line)
    list[#list + 1] = e
    if e.event == "board_end" then ends[e.port:match "([^/]*)%.flash" or e.port] = e end
  end
  return ends, code, list, err
end

-- ---- a gang that runs beside the test

-- Starts one; :wait(kind) goes on when such an event has come, :finish() to its end.
function TestGang:start(ports, ...)
  local words = { harness.program, "gang", "--json", "--ports", table.concat(ports, ","), ... }
  local g = { p = assert(esp.process.spawn(words)), text = "", events = {} }
  local function more()
    esp.process.poll({ g.p }, 100)
    local s = g.p:read "output"
    g.text = g.text .. (s or "")
    for line in g.text:gmatch "([^\n]*)\n" do g.events[#g.events + 1] = dkjson.decode(line) end
    g.text = g.text:match "[^\n]*$"
    return s ~= nil
  end
  function g:wait(kind, n)
    local till = esp.clock() + 20
    while true do
      local seen = 0
      for _, e in ipairs(self.events) do
        if e.event == kind then
          seen = seen + 1
          if seen == (n or 1) then return e end
        end
      end
      assert(esp.clock() < till and more(), "no " .. kind .. " came")
    end
  end
  function g:finish()
    while more() do end
    local how, code
    repeat how, code = self.p:wait() until how or esp.sleep(5)
    lu.assertEquals(how, "exit")
    return code
  end
  function g:signal(name) os.execute(("kill -%s %d"):format(name, self.p:pid())) end
  return g
end

local function alive(pid)
  local f <close> = io.open(("/proc/%d/stat"):format(pid))
  return f ~= nil and not f:read("a"):find("%) Z ")
end

-- ---- the tests

function TestGang:test_six_boards_are_written_at_once_and_each_is_proven()
  local out, err, code = harness.run("gang", "write", "0x10000", self.data, "--ports",
    self:sim("b{1..6}", "&mac=60:01:94:00:00:{11..16}"))
  lu.assertEquals(code, 0, err)
  for i = 1, 6 do boards.same(self:flash("b" .. i), WANT) end
  for i = 1, 6 do lu.assertStrContains(out, "60:01:94:00:00:1" .. i) end
  lu.assertStrContains(out, "ok: 6 boards, 6 ok, yield 100.0 %")
end

function TestGang:test_whatever_becomes_of_a_board_touches_no_other()
  local faults = { none = "&die=1", esp32 = "&chip=esp32", unplugged = "&unplug=15000",
    stuck = "&stuck=18", protected = "&protect=1", cut = "&cut=6" }
  local ports = { self:sim "good1" }
  for name, option in pairs(faults) do ports[#ports + 1] = self:sim(name, option) end
  ports[#ports + 1] = self:sim("noisy", "&flip=0.0005&lose=0.0002&seed=3")
  ports[#ports + 1] = self:sim "good2"
  local ends, code = self:gang(ports, "write", "0x10000", self.data)
  for name, exit in pairs { good1 = 0, good2 = 0, noisy = 0, none = 4, esp32 = 5, stuck = 8,
    protected = 8, cut = 8 } do
    lu.assertEquals({ name, ends[name].exit, ends[name].good }, { name, exit, exit == 0 })
  end
  lu.assertFalse(ends.unplugged.good)
  for _, name in ipairs { "good1", "good2", "noisy" } do boards.same(self:flash(name), WANT, name) end
  for _, name in ipairs { "none", "esp32" } do
    boards.same(self:flash(name), ("\xff"):rep(SIZE), name)
    lu.assertFalse(ends[name].changed)
  end
  lu.assertTrue(ends.stuck.changed)
  lu.assertEquals(code, 8)      -- they are not alike, and chips are changed and not proven
end

function TestGang:naughty(names, ...)
  lfs.mkdir(self.dir .. "/scripts")
  harness.write(self.dir .. "/scripts/naughty.lua", NAUGHTY)
  local ports = {}
  for i, name in ipairs(names) do ports[i] = self:sim(name) end
  return self:gang(ports, "naughty", ...)
end

function TestGang:test_a_process_that_dies_is_told_and_touches_no_other()
  local ends, code = self:naughty { "killed", "late-killed", "raises", "leaves", "good" }
  for name, want in pairs { killed = { 1, "killed (signal 9)" }, ["late-killed"] = { 8, "killed" },
    raises = { 1, "a bug" }, leaves = { 7, "exit 7 and no word" }, good = { 0, "nothing" } } do
    lu.assertEquals({ name, ends[name].exit }, { name, want[1] })
    lu.assertStrContains(ends[name].message, want[2])
  end
  lu.assertTrue(ends["late-killed"].changed)
  lu.assertStrContains(ends["late-killed"].hint, "not proven")
  lu.assertFalse(ends.killed.changed)
  lu.assertEquals(code, 8)
end

function TestGang:test_a_process_that_hangs_is_stopped()
  local ends, code = self:naughty({ "stopped", "endless", "prints" }, "--timeout", "0.6")
  for _, name in ipairs { "stopped", "endless", "prints" } do
    lu.assertEquals({ name, ends[name].exit }, { name, 1 })
    lu.assertStrContains(ends[name].message, "no sign of life for 0.6 s")
  end
  lu.assertEquals(code, 1)
end

function TestGang:test_failures_that_are_alike_give_their_exit_code()
  local _, code = self:gang({ self:sim("a", "&chip=esp32"), self:sim "b", self:sim("c", "&chip=esp32") },
    "write", "0x10000", self.data)
  lu.assertEquals(code, 5)
end

function TestGang:test_the_line_stops_after_failures_in_a_row()
  local ends, code, list = self:gang({ self:sim("a", "&chip=esp32"), self:sim("b", "&chip=esp32"),
    self:sim "c", self:sim "d" }, "--at-once", "1", "--stop-after", "2", "write", "0x10000", self.data)
  lu.assertNotNil(ends.b)
  lu.assertNil(ends.c)
  lu.assertEquals(code, 5)
  lu.assertStrContains(list[#list].message, "stopped after 2 failures in a row")
end

function TestGang:test_a_count_of_good_boards_ends_the_line()
  local ends, code = self:gang({ self:sim("bad", "&chip=esp32"), self:sim "a", self:sim "b",
    self:sim "c" }, "--at-once", "1", "--count", "2", "write", "0x10000", self.data)
  lu.assertEquals({ ends.a.good, ends.b.good, ends.c == nil, code }, { true, true, true, 5 })
end

function TestGang:test_all_get_the_files_as_they_were_at_the_start()
  local ends = self:gang({ self:sim "a", self:sim "b" }, "--at-once", "1", "write", "0x10000",
    self.data, "--exec-on", ("done=sh -c 'echo other > %s'"):format(self.data))
  lu.assertTrue(ends.b.good)
  lu.assertEquals(harness.read(self.data), "other\n")
  boards.same(self:flash "b", WANT)
end

function TestGang:test_a_recipes_units_differ()
  harness.write(self.dir .. "/flash.lua", [[local mf = require "moonflash"
    return mf.recipe { api = 1, parts = { mf.file(0x10000, "data.bin"),
      mf.bytes(0x40000, function(u) return "unit-" .. u.mac:sub(-2) end, "tag") } }
  ]])
  local ends, code = self:gang({ self:sim("b{1..3}", "&mac=60:01:94:00:00:{11..13}") },
    self.dir .. "/flash.lua")
  lu.assertEquals({ code, ends.b3.good }, { 0, true })
  for i = 1, 3 do
    boards.same(self:flash("b" .. i), boards.put(WANT, 0x40000, "unit-1" .. i))
  end
end

function TestGang:test_programs_get_each_boards_event()
  local log = self.dir .. "/log"
  local ends, code, list = self:gang({ self:sim("good", "&mac=60:01:94:00:00:11"),
    self:sim("bad", "&chip=esp32") }, "write", "0x10000", self.data,
    "--exec-on", ("done=sh -c 'cat >> %s; echo $MOONFLASH_MAC $MOONFLASH_BYTES >> %s; exit 3'"):format(
    log, log), "--exec-on", ("failed=sh -c 'echo $MOONFLASH_EXIT $MOONFLASH_CODE >> %s'"):format(log))
  lu.assertEquals({ ends.good.exit, ends.bad.exit, code }, { 0, 5, 5 })
  local said = harness.read(log)
  lu.assertStrContains(said, "60:01:94:00:00:11 20000\n")
  lu.assertStrContains(said, '"event":"done"')
  lu.assertStrContains(said, "5 wrong_chip\n")
  local totals = list[#list - 1]
  lu.assertEquals({ totals.event, totals.hooks_failed, totals.good }, { "result", 1, 1 })
end

-- A board behind a pseudo-terminal: plugged in while its process lives.
function TestGang:plug(name)
  local link = self.dir .. "/board"
  local p = assert(esp.process.spawn { harness.program, "sim", ("%s/%s.flash?size=512K"):format(
    self.dir, name), "--pty", link })
  return p
end

function TestGang:test_the_next_board_on_a_port_starts_when_it_is_plugged_in()
  local g = self:start({ self.dir .. "/boar*" }, "--before", "none", "--count", "2", "write",
    "0x10000", self.data)
  local first = self:plug "first"
  lu.assertTrue(g:wait("board_end", 1).good)
  esp.sleep(300)                                 -- it stays, and is not written again
  first:close()
  os.remove(self.dir .. "/board")
  g:wait "unplugged"
  local second = self:plug "second"
  lu.assertTrue(g:wait("board_end", 2).good)
  lu.assertEquals(g:finish(), 0)
  second:close()
  local starts = 0
  for _, e in ipairs(g.events) do starts = starts + (e.event == "board_start" and 1 or 0) end
  lu.assertEquals(starts, 2)
  boards.same(self:flash "first", WANT)
  boards.same(self:flash "second", WANT)
end

-- A board behind an adapter that stays: reached over TCP. Returns its process, port.
function TestGang:fixture(name, mac, port)
  local p = assert(esp.process.spawn { harness.program, "sim", ("%s/%s.flash?size=512K&mac=%s"):format(
    self.dir, name, mac), "--rfc2217", tostring(port) })
  local said = ""
  repeat
    esp.process.poll({ p }, 5000)
    said = said .. assert(p:read "output")
  until said:find ":%d+\n"
  return p, said:match ":(%d+)\n"
end

function TestGang:test_the_next_board_behind_an_adapter_that_stays_starts_with_swap()
  local first, port = self:fixture("first", "60:01:94:00:00:11", 0)
  local g = self:start({ "rfc2217://127.0.0.1:" .. port }, "--swap", "--count", "2", "write", "0x10000",
    self.data)
  lu.assertEquals(g:wait("board_end", 1).mac, "60:01:94:00:00:11")
  esp.sleep(1200)                                -- it stays, is asked, and is not written again
  first:close()
  local second = self:fixture("second", "60:01:94:00:00:12", port)
  local e = g:wait("board_end", 2)
  lu.assertEquals(e.mac, "60:01:94:00:00:12", e.message)
  lu.assertEquals(g:finish(), 0)
  second:close()
  boards.same(self:flash "first", WANT)
  boards.same(self:flash "second", WANT)
end

function TestGang:test_ctrl_c_lets_boards_finish_and_ends_the_line()
  local g = self:start({ self:sim("a", "&pace=real"), self.dir .. "/none*" }, "-b", "230400", "write",
    "0x10000", self.data)
  g:wait "chip"
  g:signal "INT"
  lu.assertEquals(g:finish(), 0)
  boards.same(self:flash "a", WANT)
end

function TestGang:test_a_second_ctrl_c_stops_boards_safely()
  local g = self:start({ self:sim("a", "&pace=real") }, "-b", "115200", "write", "0x10000", self.data)
  g:wait "changing"
  g:signal "INT"
  esp.sleep(150)
  g:signal "INT"
  lu.assertEquals(g:finish(), 130)
  local e = g:wait "board_end"
  lu.assertEquals({ e.good, e.changed, e.code }, { false, true, "interrupted" })
end

function TestGang:test_ctrl_c_before_the_first_board()
  local g = self:start({ self.dir .. "/none*" }, "write", "0x10000", self.data)
  esp.sleep(300)
  g:signal "INT"
  lu.assertEquals(g:finish(), 130)
end

function TestGang:test_no_board_goes_on_when_the_gang_is_killed()
  local g = self:start({ self:sim("a", "&pace=real") }, "-b", "115200", "write", "0x10000", self.data)
  local pid = g:wait("board_start").pid
  g:wait "changing"
  lu.assertTrue(alive(pid))
  g:signal "KILL"
  local till = esp.clock() + 5
  while alive(pid) and esp.clock() < till do esp.sleep(20) end
  lu.assertFalse(alive(pid))
end

function TestGang:test_a_table_on_a_terminal_that_is_left_as_it_was()
  local script = self.dir .. "/run.sh"
  harness.write(script, ("stty cols 70 rows 20\n%s gang write 0x10000 %s --ports %s\n"):format(
    harness.program, self.data, harness.quote(self:sim("b{1..2}", "&pace=real"))))
  local out = harness.shell(("timeout 20 socat -t5 - EXEC:'sh %s',pty,setsid,ctty,stderr"):format(script))
  lu.assertStrContains(out, "PORT ")
  lu.assertStrContains(out, "sim:b1.flash")
  lu.assertStrContains(out, "2 ok, yield 100.0 %")
  local hidden, shown = out:match ".*()\27%[%?25l", out:match ".*()\27%[%?25h"
  lu.assertTrue(hidden < shown)
  for frame in out:gmatch "\27%[%?2026h(.-)\27%[%?2026l" do
    for line in frame:gmatch "[^\r\n]+" do
      local plain = line:gsub("\27%[[?%d;]*%a", ""):gsub("[\x80-\xbf]", "")
      lu.assertTrue(#plain < 70, plain)
    end
  end
end

function TestGang:test_bad_input_is_refused_before_any_board()
  for words, want in pairs {
    [{ "write", "0x10000", self.data }] = { 2, "needs %-%-ports" },
    [{ "--ports", "all" }] = { 2, "needs a command" },
    [{ "--ports", "nonsense", "write", "0x0", self.data }] = { 2, "names no port" },
    [{ "--ports", "sim:{3..1}", "write", "0x0", self.data }] = { 2, "no range" },
    [{ "--ports", "usb:zz", "write", "0x0", self.data }] = { 2, "no usb" },
    [{ "--ports", "sim:", "--count", "x", "write" }] = { 2, "%-%-count" },
    [{ "--ports", "sim:", "write", "0x10000", "/no/file" }] = { 6, "cannot open" },
    [{ "--ports", "sim:", "write", "0x10000", self.data, "--frob" }] = { 2, "frob" },
    [{ "--ports", "sim:", "frobnicate" }] = { 2, "no command" },
    [{ "--ports", "sim:", "--once", "--swap", "write" }] = { 2, "exclude each other" },
    [{ "--ports", "sim:", "gang", "write" }] = { 2, "not for a gang" },
    [{ "--ports", "sim:", "read", "0", "4k", "x" }] = { 2, "same file" },
    [{ "--ports", "sim:", "ports" }] = { 2, "has not asked for a board" },
    [{ "--ports", "sim:", "-p", "sim:", "write", "0x0", self.data }] = { 2, "many ports" },
    [{ "--ports", "sim:", "write", "0x0", self.data, "--port=sim:" }] = { 2, "many ports" },
    [{ "--ports", "sim:", "upgrade", self.data, "--backup", "x" }] = { 2, "one file for all" },
    [{ "--ports", "sim:", "--exec-on", "x=y", "write", "0x0", self.data }] = { 2, "names no event" },
    [{ "--ports", "/dev/no-such", "--once", "write", "0x10000", self.data }] = { 3, "no such port" },
    [{ "--ports", "usb:ffff:ffff", "--once", "write", "0x10000", self.data }] = { 3, "no port is" },
  } do
    boards.bad(want[1], want[2], "gang", table.unpack(words))
  end
end

function TestGang:test_help_of_the_gang_and_of_its_command()
  lu.assertStrContains(boards.good("gang", "--help"), "--stop-after")
  lu.assertStrContains(boards.good("gang", "write", "--ports", "sim:", "--help"), "ADDR FILE")
end

os.exit(lu.LuaUnit.run())
