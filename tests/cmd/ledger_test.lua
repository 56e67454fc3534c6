-- The ledger end to end: what commands record, serial numbers in recipes, looking at it.
-- What it holds is read with LuaSQL here, not with the code under test.
package.path = "tests/cmd/?.lua;" .. package.path
local boards = require "boards"
local dkjson = require "dkjson"
local esp = require "esp"
local harness = require "harness"
local lu = require "luaunit"
local sqlite3 = require "luasql.sqlite3"

local good, bad = boards.good, boards.bad
local SIZE <const> = 0x100000
local BOARD <const> = boards.nodemcu2(SIZE, 1)
local MAC <const> = "60:01:94:a5:b6:9c"      -- the simulated chip's own

TestLedger = {}

function TestLedger:setUp()
  self.dir = harness.directory()
  self.flash, self.url = self.dir .. "/board.flash", self.dir .. "/line.db"
  harness.write(self.flash, BOARD)
  self.port = "sim:" .. self.flash
  harness.state = self.dir .. "/state"
end

function TestLedger:tearDown() harness.remove(self.dir) end

function TestLedger:sql(statement)
  local env <close> = setmetatable({ e = sqlite3.sqlite3() }, { __close = function(t) t.e:close() end })
  local conn = assert(env.e:connect(self.url))
  local cursor, rows = assert(conn:execute(statement)), {}
  if type(cursor) ~= "number" then
    local row = cursor:fetch({}, "a")
    while row do
      rows[#rows + 1] = row
      row = cursor:fetch({}, "a")
    end
    cursor:close()
  end
  conn:close()
  return rows
end

function TestLedger:runs() return self:sql "SELECT * FROM moonflash_runs ORDER BY id" end

function TestLedger:file(name, bytes)
  harness.write(self.dir .. "/" .. name, bytes)
  return self.dir .. "/" .. name
end

-- Runs a command on the board with the ledger.
function TestLedger:with(...) return "-p", self.port, "--ledger", self.url, ... end

-- ---- what is recorded ----

function TestLedger:test_a_write_is_recorded_with_its_parts_and_digests()
  local a, b = self:file("a.bin", boards.noise(5000, 7)), self:file("b.bin", boards.noise(300, 8))
  good(self:with("--station", "bench 1", "--operator", "ann", "write", "0x10000", a, "0x80000", b))
  local runs = self:runs()
  lu.assertEquals(#runs, 1)
  local r = runs[1]
  for name, want in pairs { result = "ok", exit = 0, command = "write", station = "bench 1",
    operator = "ann", chip = "ESP8266EX", mac = MAC, port = self.port, flash_bytes = SIZE,
    bytes = 5300, sectors_written = 3, sectors_skipped = 0, retries = 0, version = esp.version } do
    lu.assertEquals(r[name], want, name)
  end
  lu.assertStrMatches(r.flash_id, "0x%x%x%x%x%x%x")
  lu.assertStrMatches(r.time, "%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ")
  lu.assertTrue(r.ended > r.time and r.seconds > 0)
  local spent = dkjson.decode(r.durations)
  lu.assertTrue(spent.connect > 0 and spent.writing > 0)
  lu.assertNil(r.error)
  local parts = self:sql "SELECT * FROM moonflash_parts ORDER BY n"
  for i, file in ipairs { a, b } do
    local digest = harness.shell("sha256sum " .. file):match "^%x+"
    lu.assertEquals({ parts[i].run, parts[i].n, parts[i].name, parts[i].addr, parts[i].size,
      parts[i].sha256 }, { r.id, i, file, i == 1 and 0x10000 or 0x80000, #harness.read(file), digest })
  end
end

function TestLedger:test_station_and_operator_have_defaults()
  local a = self:file("a.bin", "x")
  local host = harness.shell "uname -n":match "^%S+"
  local _, err, code = harness.shell(("env LOGNAME=bea MOONFLASH_LEDGER=%s %s -p %s write 0x10000 %s")
    :format(self.url, harness.program, self.port, a))
  lu.assertEquals(code, 0, err)
  harness.shell(("env MOONFLASH_STATION=s2 MOONFLASH_OPERATOR=carl MOONFLASH_LEDGER=%s %s -p %s"
    .. " write 0x10000 %s"):format(self.url, harness.program, self.port, a))
  local runs = self:runs()
  lu.assertEquals({ runs[1].station, runs[1].operator }, { host, "bea" })
  lu.assertEquals({ runs[2].station, runs[2].operator }, { "s2", "carl" })
end

function TestLedger:test_the_firmware_is_recorded_by_name()
  local image = self:file("nodemcu.bin", BOARD:sub(1, 0x41000))
  good(self:with("write", "0x0", image))
  lu.assertStrContains(self:runs()[1].firmware, "NodeMCU 2.2.0.0")
end

function TestLedger:test_every_command_that_writes_is_recorded()
  local backup = self.dir .. "/board.mfb"
  good("-p", self.port, "backup", backup)
  local folder = self.dir .. "/files"
  assert(require("lfs").mkdir(folder))
  harness.write(folder .. "/init.lua", "print(1)\n")
  local recipe = self:file("r.lua", [[local mf = require "moonflash"
    return mf.recipe { api = 1, parts = { mf.bytes(0x90000, "recipe") } }]])
  local commands = { { "erase", "0x80000", "4k" }, { "restore", backup },
    { "init-data", "write", "--variant", "v05" }, { "fs", "build", folder, "-o", "chip" },
    { "fs", "rm", "chip", "init.lua" }, { "unprotect" }, { recipe },
    { "write", "0x10000", folder .. "/init.lua" } }
  for i, command in ipairs(commands) do
    good(self:with(table.unpack(command)))
    local runs = self:runs()
    lu.assertEquals(#runs, i, command[1])
    lu.assertEquals({ runs[i].command, runs[i].result, runs[i].mac }, { command[1], "ok", MAC })
  end
  local r = self:runs()[7]
  lu.assertEquals({ r.recipe, r.recipe_digest }, { recipe, harness.shell("sha256sum " .. recipe):match
    "^%x+" })
end

function TestLedger:test_commands_that_write_nothing_leave_the_ledger_alone()
  local a = self:file("a.bin", "x")
  local image = self.dir .. "/fs.bin"
  for _, command in ipairs { { "info" }, { "read", "0", "4k", self.dir .. "/out" },
    { "write", "0x10000", a, "--dry-run" }, { "erase", "all", "-n" }, { "fs", "ls", "chip" },
    { "init-data", "show" }, { "reset" } } do
    harness.run(self:with(table.unpack(command)))
  end
  local folder = self.dir .. "/files"
  assert(require("lfs").mkdir(folder))
  harness.write(folder .. "/init.lua", "print(1)\n")
  good("--ledger", self.url, "fs", "build", folder, "--size", "128k", "-o", image)
  lu.assertNil(io.open(self.url))
end

function TestLedger:test_what_is_wrong_before_a_port_is_opened_is_no_run()
  bad(6, "cannot open", self:with("write", "0x0", self.dir .. "/none.bin"))
  bad(2, "is not a number", self:with("write", "zero", self.flash))
  lu.assertEquals(#self:runs(), 0)
end

-- ---- failures ----

function TestLedger:test_a_port_that_is_not_there_is_a_failed_run()
  bad(3, "no such port", "-p", "/dev/ttyNONE", "--ledger", self.url, "erase", "all")
  local r = self:runs()[1]
  lu.assertEquals({ r.result, r.exit, r.error_code, r.port, r.mac, r.command },
    { "failed", 3, "missing", "/dev/ttyNONE", nil, "erase" })
  lu.assertStrContains(r.error, "no such port")
end

function TestLedger:test_a_chip_that_is_changed_and_not_proven_is_a_partial_run()
  self.port = self.port .. "?die=150000"
  local a = self:file("a.bin", boards.noise(0x40000, 9))
  bad(8, "", self:with("--no-stub", "write", "0x10000", a))
  local r = self:runs()[1]
  lu.assertEquals({ r.result, r.exit, r.mac }, { "partial", 8, MAC })
  lu.assertNotNil(r.error)
end

function TestLedger:test_ctrl_c_is_recorded()
  local faults = self:file("faults", "- signal-op 5 2\n")
  self.port = self.port .. "?faults=" .. faults
  local a = self:file("a.bin", boards.noise(0x40000, 9))
  local _, err, code = harness.run(self:with("write", "0x10000", a))
  lu.assertEquals(code, 130, err)
  local r = self:runs()[1]
  lu.assertEquals({ r.result, r.exit, r.error_code, r.mac }, { "interrupted", 130, "interrupted", MAC })
end

-- ---- a ledger that cannot be used ----

function TestLedger:test_a_ledger_that_cannot_be_opened_is_refused_before_anything_is_written()
  local a = self:file("a.bin", boards.noise(5000, 7))
  for _, c in ipairs { { 9, self.dir .. "/none/line.db", "unable to open" },
    { 2, "mysql://db/x", "names no ledger" }, { 6, self.flash, "not a database" },
    { 9, "postgres://u:s3cret@/x?host=" .. self.dir, "postgres://u@/x" },
    { 2, "sqlite:", "names no ledger" } } do
    local err = bad(c[1], c[3], "-p", self.port, "--ledger", c[2], "write", "0x10000", a)
    lu.assertNotStrContains(err, "s3cret")
    lu.assertNotStrContains(err, "ESP8266")        -- the port was not even opened
  end
  boards.same(harness.read(self.flash), BOARD)
end

function TestLedger:test_a_ledger_that_takes_no_records_is_refused_before_anything_is_written()
  local a = self:file("a.bin", boards.noise(5000, 7))
  good("--ledger", self.url, "ledger")
  self:sql [[CREATE TRIGGER full BEFORE INSERT ON moonflash_runs
    BEGIN SELECT RAISE(ABORT, 'disk is full'); END]]
  bad(9, "disk is full", self:with("write", "0x10000", a))
  boards.same(harness.read(self.flash), BOARD)
end

function TestLedger:test_without_luasql_the_package_is_named()
  local out, err, code = harness.shell(("env LUA_CPATH_5_4=/none/?.so %s --ledger %s ledger"):format(
    harness.program, self.url))
  lu.assertEquals(code, 9, out)
  lu.assertStrContains(err, "apt install lua-sql-sqlite3")
end

-- Records of runs that met a chip fail; the trial record before them does not.
function TestLedger:break_at_the_end()
  good("--ledger", self.url, "ledger")
  self:sql [[CREATE TRIGGER broken BEFORE INSERT ON moonflash_runs WHEN NEW.mac IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'the disk broke'); END]]
end

function TestLedger:in_dir(...)
  local words = { "cd", harness.quote(self.dir), "&& XDG_STATE_HOME=state",
    harness.quote(harness.program) }
  for _, word in ipairs { ... } do words[#words + 1] = harness.quote(word) end
  return harness.shell(table.concat(words, " "))
end

function TestLedger:test_a_record_that_fails_at_the_end_hides_no_result_and_is_not_lost()
  self:break_at_the_end()
  local a = self:file("a.bin", boards.noise(5000, 7))
  local out, err, code = self:in_dir(self:with("write", "0x10000", a))
  lu.assertEquals(code, 8)
  lu.assertStrContains(out, "ok: 5000 bytes verified")
  lu.assertStrContains(err, "the chip is written and proven, but the run is not in the ledger")
  lu.assertStrContains(err, "the disk broke")
  lu.assertStrContains(err, "moonflash ledger add moonflash-unrecorded.jsonl")
  lu.assertEquals(#self:runs(), 0)
  self:sql "DROP TRIGGER broken"
  for _ = 1, 2 do          -- a second time changes nothing
    _, err, code = self:in_dir("--ledger", self.url, "ledger", "add", "moonflash-unrecorded.jsonl")
    lu.assertEquals(code, 0, err)
    local runs = self:runs()
    lu.assertEquals({ #runs, runs[1].result, runs[1].mac, runs[1].bytes }, { 1, "ok", MAC, 5000 })
    lu.assertEquals(#self:sql "SELECT * FROM moonflash_parts", 1)
  end
end

function TestLedger:test_a_failed_run_keeps_its_exit_code_when_its_record_fails()
  self:break_at_the_end()
  self.port = self.port .. "?die=150000"
  local a = self:file("a.bin", boards.noise(0x40000, 9))
  local _, err, code = self:in_dir(self:with("--no-stub", "write", "0x10000", a))
  lu.assertEquals(code, 8)
  lu.assertStrContains(err, "warning: this run is not in the ledger")
  local record = dkjson.decode(harness.read(self.dir .. "/moonflash-unrecorded.jsonl"))
  lu.assertEquals({ record.result, record.exit, record.mac }, { "partial", 8, MAC })
end

function TestLedger:test_what_is_no_record_is_not_added()
  bad(6, "bad.jsonl:2: this is no record", "--ledger", self.url, "ledger", "add",
    self:file("bad.jsonl", '{"uid":"1","result":"ok"}\n{"x":1}\n'))
end

-- ---- serial numbers in recipes ----

-- The sector of the serial number does not change: the chip is not proven.
local WORN <const> = "&stuck=144"

local SERIAL <const> = [[local mf = require "moonflash"
return mf.recipe { api = 1, serial = { first = 7, format = "MF-%05d" },
  parts = { mf.bytes(0x90000, function(u) return u.serial end, "serial") } }]]

function TestLedger:board(mac, more)
  local flash = self.dir .. "/" .. mac .. ".flash"
  if not io.open(flash) then harness.write(flash, BOARD) end
  return ("sim:%s?mac=%s%s"):format(flash, mac, more or ""), flash
end

function TestLedger:flash_serial(mac, more, want)
  local port, flash = self:board(mac, more)
  local recipe = self:file("serial.lua", SERIAL)
  local out, err, code = harness.run("-p", port, "--ledger", self.url, recipe)
  lu.assertEquals(code, want or 0, err .. out)
  return harness.read(flash):sub(0x90001, 0x90008), err
end

function TestLedger:test_each_unit_gets_its_number_and_finds_it_again()
  lu.assertEquals(self:flash_serial "60:01:94:00:00:01", "MF-00007")
  lu.assertEquals(self:flash_serial "60:01:94:00:00:02", "MF-00008")
  lu.assertEquals(self:flash_serial "60:01:94:00:00:01", "MF-00007")
  local runs = self:runs()
  lu.assertEquals({ runs[1].serial, runs[2].serial, runs[3].serial },
    { "MF-00007", "MF-00008", "MF-00007" })
  for _, item in ipairs(self:sql "SELECT * FROM moonflash_items") do
    lu.assertEquals(item.state, "used")
  end
end

function TestLedger:test_a_run_that_breaks_off_neither_loses_its_number_nor_gives_it_away()
  self:flash_serial("60:01:94:00:00:01", WORN, 8)
  local item = self:sql "SELECT * FROM moonflash_items"[1]
  lu.assertEquals({ item.text, item.state, item.mac }, { "MF-00007", "reserved", "60:01:94:00:00:01" })
  lu.assertEquals(self:flash_serial "60:01:94:00:00:02", "MF-00008")
  local out = good("--ledger", self.url, "ledger", "release")
  lu.assertStrContains(out, "MF-00007")
  lu.assertNotStrContains(out, "MF-00008")
  lu.assertEquals(self:flash_serial "60:01:94:00:00:01", "MF-00007")
  lu.assertEquals(self:sql "SELECT * FROM moonflash_items"[1].state, "used")
end

function TestLedger:test_a_released_number_goes_to_the_next_unit()
  self:flash_serial("60:01:94:00:00:01", WORN, 8)
  good("--ledger", self.url, "ledger", "release", "60-01-94-00-00-01")
  lu.assertEquals(self:flash_serial "60:01:94:00:00:02", "MF-00007")
  lu.assertEquals(self:flash_serial "60:01:94:00:00:01", "MF-00008")
end

function TestLedger:test_a_gang_records_each_board()
  local recipe = self:file("serial.lua", SERIAL)
  local ports = {}
  for i = 1, 4 do ports[i] = self:board(("60:01:94:00:00:%02x"):format(i)) end
  good("--ledger", self.url, "gang", recipe, "--ports", table.concat(ports, ","), "--once")
  local runs = self:runs()
  lu.assertEquals(#runs, 4)
  local serials, written = {}, {}
  for i, r in ipairs(runs) do
    lu.assertEquals(r.result, "ok")
    serials[i] = r.serial
    written[i] = harness.read(self.dir .. "/" .. r.mac .. ".flash"):sub(0x90001, 0x90008)
  end
  lu.assertEquals(written, serials)
  table.sort(serials)
  lu.assertEquals(serials, { "MF-00007", "MF-00008", "MF-00009", "MF-00010" })
end

function TestLedger:test_boards_of_a_gang_that_come_one_after_the_other_are_not_mixed_up()
  local recipe = self:file("serial.lua", SERIAL)
  local ports = {}
  for i = 1, 3 do ports[i] = self:board(("60:01:94:00:00:%02x"):format(i), i == 1 and WORN or "") end
  local _, err, code = harness.run("--ledger", self.url, "--json", "gang", recipe, "--ports",
    table.concat(ports, ","), "--once", "--at-once", "1")
  lu.assertEquals(code, 8, err)
  local runs = self:runs()
  lu.assertEquals({ runs[1].result, runs[2].result, runs[3].result }, { "partial", "ok", "ok" })
  lu.assertNotNil(runs[1].warnings)
  for i = 2, 3 do
    local r = runs[i]
    lu.assertNil(r.warnings)
    lu.assertEquals({ r.mac, r.serial, r.port }, { ("60:01:94:00:00:%02x"):format(i),
      ("MF-%05d"):format(6 + i), ports[i] })
    lu.assertTrue(r.time >= runs[i - 1].time)
    lu.assertEquals(#self:sql("SELECT * FROM moonflash_parts WHERE run = " .. r.id), 1)
  end
end

function TestLedger:test_a_program_of_the_users_own_is_recorded_when_it_changes_flash()
  local file = self:file("own.lua", [[local cli = require "moonflash.cli"
    local dev <close> = require("moonflash.device").open(cli.options)
    dev:erase(0x10000, 0x1000)]])
  local _, err, code = harness.run("--allow=all", "-p", self.port, "--ledger", self.dir .. "/no/x.db",
    file)
  lu.assertEquals(code, 9, err)
  boards.same(harness.read(self.flash), BOARD)
  good("--allow=all", self:with(file))
  lu.assertEquals({ #self:runs(), self:runs()[1].command, self:runs()[1].result }, { 1, file, "ok" })
end

function TestLedger:test_a_pool_gives_each_unit_its_key()
  local keys = self:file("keys.csv", 'key,note\r\n"k,1",a\r\nk2,"b ""x"""\r\n')
  good("--ledger", self.url, "ledger", "import", keys, "--pool", "keys")
  local recipe = self:file("keys.lua", [[local mf = require "moonflash"
    return mf.recipe { api = 1, units = { pool = "keys" }, parts = { mf.bytes(0x90000,
      function(u) return ("%-8s"):format(u.row.key) end, "key") } }]])
  for i, want in ipairs { "k,1     ", "k2      " } do
    local port, flash = self:board(("60:01:94:00:00:%02x"):format(i))
    good("-p", port, "--ledger", self.url, recipe)
    lu.assertEquals(harness.read(flash):sub(0x90001, 0x90008), want)
  end
  local port, flash = self:board "60:01:94:00:00:03"
  bad(6, "used up", "-p", port, "--ledger", self.url, recipe)
  boards.same(harness.read(flash), BOARD)
end

function TestLedger:test_tests_of_a_recipe_use_no_number_of_the_ledger()
  local recipe = self:file("serial.lua", SERIAL)
  good("--ledger", self.url, "test", recipe)
  lu.assertNil(io.open(self.url))
end

function TestLedger:test_a_recipe_does_not_reach_the_ledger_by_itself()
  local recipe = self:file("evil.lua", ([[local mf = require "moonflash"
    local ok, e = pcall(function()
      local l = require("moonflash.ledger").open(%q)
      l:reserve("serial", "60:01:94:00:00:66")
    end)
    return mf.recipe { api = 1, parts = { mf.bytes(0x90000, ok and "reached it" or "refused") } }]])
    :format(self.url))
  good("--ledger", self.url, "ledger")
  harness.run(self:with(recipe))
  lu.assertEquals(#self:sql "SELECT * FROM moonflash_items", 0)
  lu.assertNotStrContains(harness.read(self.flash), "reached it")
end

-- ---- looking at it ----

-- Four runs: three units that are good, on two stations, and no chip at all.
function TestLedger:fill()
  local l <close> = require("moonflash.ledger").open(self.url)
  for i = 1, 3 do
    l:record { result = "ok", exit = 0, station = "s" .. i % 2, mac = ("60:01:94:00:00:%02x"):format(i),
      port = "/dev/ttyUSB" .. i, command = "write", seconds = 2.5, firmware = "NodeMCU 3" }
  end
  l:record { result = "failed", exit = 3, station = "s1", port = "/dev/ttyNONE", command = "erase",
    error = "/dev/ttyNONE: no such port", error_code = "missing", seconds = 0.0 }
end

function TestLedger:ledger(...) return good("--ledger", self.url, "ledger", ...) end

function TestLedger:test_the_list_and_its_filters()
  self:fill()
  lu.assertStrContains(self:ledger(), "ok: 4 runs: 3 ok, 1 failed")
  for _, c in ipairs { { 1, "--result", "failed" }, { 3, "--result", "ok" }, { 3, "--station", "s1" },
    { 1, "--mac", "600194000002" }, { 4, "--since", "1h" }, { 0, "--until", "1h" },
    { 4, "--since", "today", "--until", "2999-01-01" }, { 0, "--serial", "MF" },
    { 2, "--limit", "2" }, { 4, "--limit", "all" }, { 2, "--station", "s1", "--result", "ok" } } do
    local out = self:ledger(table.unpack(c, 2))
    lu.assertStrContains(out, ("ok: %d run%s"):format(c[1], c[1] == 1 and "" or "s"))
  end
  lu.assertStrContains(self:ledger("--limit", "2"), "the last of 4")
  bad(2, "there is no 'good'", "--ledger", self.url, "ledger", "--result", "good")
  bad(2, "is no time", "--ledger", self.url, "ledger", "--since", "soon")
  bad(2, "is no MAC address", "--ledger", self.url, "ledger", "--mac", "soon")
  bad(2, "which ledger", "ledger")
end

function TestLedger:test_json_has_an_event_for_each_run()
  self:fill()
  local count = 0
  for line in self:ledger "--json":gmatch "[^\n]+" do
    local e = dkjson.decode(line)
    if e.event == "run" then
      count = count + 1
      lu.assertNotNil(e.time and e.result and e.station)
    end
  end
  lu.assertEquals(count, 4)
end

function TestLedger:test_every_event_keeps_to_the_schema()
  local events = require "moonflash.events"
  local known = events.parse(events.schema_text())
  self:fill()
  self:flash_serial("60:01:94:00:00:01", WORN, 8)
  local keys = self:file("keys.json", '[{"key":"a"}]')
  for _, words in ipairs { {}, { "unit", "60:01:94:00:00:01" }, { "yield" }, { "pools" },
    { "import", keys, "--pool", "keys" }, { "release" }, { "release", "--older", "1h" },
    { "release", "--all" }, { "--svg", self.dir .. "/x.svg" } } do
    lu.assertEquals(events.check_stream(known, (self:ledger("--json", table.unpack(words)))), {})
  end
end

function TestLedger:test_csv_and_picture()
  self:fill()
  self:ledger("--csv", self.dir .. "/runs.csv", "--station", "s1")
  local lines = {}
  for line in harness.read(self.dir .. "/runs.csv"):gmatch "([^\r\n]*)\r\n" do lines[#lines + 1] = line end
  lu.assertEquals(#lines, 4)
  lu.assertStrContains(lines[1], "id,uid,time,ended,seconds,station,operator,port,chip,mac,")
  lu.assertStrContains(lines[4], "no such port")
  lu.assertEquals(self:ledger("-q", "--csv", "-", "--station", "s1"),
    harness.read(self.dir .. "/runs.csv"))
  self:ledger("--svg", self.dir .. "/runs.svg", "--title", "Lot <7>")
  local picture = harness.read(self.dir .. "/runs.svg")
  lu.assertStrContains(picture, "Lot &lt;7&gt;")
  lu.assertEquals(select(2, picture:gsub("<title>", "")), 4)
  bad(6, "no runs to draw", "--ledger", self.url, "ledger", "--svg", self.dir .. "/x.svg", "--until",
    "1h")
end

function TestLedger:test_a_unit_by_mac_and_by_serial_number()
  self:flash_serial "60:01:94:00:00:01"
  for _, word in ipairs { "60-01-94-00-00-01", "MF-00007" } do
    local out = self:ledger("unit", word)
    lu.assertStrContains(out, "60:01:94:00:00:01")
    lu.assertStrContains(out, "serial: MF-00007, used")
    lu.assertStrContains(out, "0x090000")
    lu.assertStrContains(out, "ok: 1 run")
  end
  bad(6, "knows no unit", "--ledger", self.url, "ledger", "unit", "MF-00099")
  bad(6, "knows no unit", "--ledger", self.url, "ledger", "unit", "60:01:94:00:00:99")
end

function TestLedger:test_yield_and_pools()
  self:fill()
  local out = self:ledger "yield"
  lu.assertStrContains(out, "100.0 %")
  local e = boards.events((good("--json", "--ledger", self.url, "ledger", "yield")))
  lu.assertEquals({ e.result.all.runs, e.result.all.units, e.result.all.good_units }, { 4, 3, 3 })
  self:ledger("import", self:file("keys.json", '[{"key":"a"},{"key":"b"}]'), "--pool", "keys")
  out = self:ledger("import", self:file("more.json", '[{"key":"b"},{"key":"c"}]'), "--pool", "keys")
  lu.assertStrContains(out, "1 row new in pool 'keys', 1 there already")
  lu.assertStrMatches(self:ledger "pools", "(.-)keys +rows +0 +0 +3\n(.*)")
end

function TestLedger:test_release_asks_which_and_spares_what_may_be_in_a_chip()
  self:flash_serial("60:01:94:00:00:01", WORN, 8)
  self:flash_serial("60:01:94:00:00:02", WORN, 8)
  local a = self:file("a.bin", "x")
  good("-p", self:board "60:01:94:00:00:02", "--ledger", self.url, "write", "0x10000", a)
  local out = self:ledger("release", "--older", "1h")
  lu.assertStrContains(out, "0 reservations released")
  local err = bad(7, "1 reservation not released", "--ledger", self.url, "ledger", "release", "--all")
  lu.assertStrContains(err, "MF-00008 of 'serial' stays with 60:01:94:00:00:02")
  local items = self:sql "SELECT state FROM moonflash_items ORDER BY n"
  lu.assertEquals({ items[1].state, items[2].state }, { "free", "reserved" })
  self:ledger("release", "--all", "--force")
  lu.assertEquals(self:sql "SELECT state FROM moonflash_items ORDER BY n"[2].state, "free")
end

os.exit(lu.LuaUnit.run())
