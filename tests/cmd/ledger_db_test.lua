-- The ledger in SQLite and in PostgreSQL: the same tests on both. The server is the
-- tests' own; without Debian's package its half is skipped. SEED=n repeats the crowd.
package.path = "tests/cmd/?.lua;" .. package.path
local crowd = require "ledger_crowd"
local esp = require "esp"
local harness = require "harness"
local ledger = require "moonflash.ledger"
local lu = require "luaunit"
local postgres = require "postgres"
local schema = require "moonflash.ledger_schema"

local SEED <const> = math.tointeger(tonumber(os.getenv "SEED")) or os.time()
local A <const>, B <const>, C <const> = "60:01:94:00:00:0a", "60:01:94:00:00:0b", "60:01:94:00:00:0c"

local function raises(code, f, ...)
  local ok, e = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertEquals(e.code, code, tostring(e))
  return e
end

local cases = {}

-- ---- numbers ----

function cases:test_numbers_are_handed_out_in_order_and_stay_with_their_unit()
  local l <close> = self:open()
  local opt = { first = 41, format = "MF-%06d" }
  lu.assertEquals({ l:reserve("serial", A, opt) }, { "MF-000041", true })
  lu.assertEquals({ l:reserve("serial", B, opt) }, { "MF-000042", true })
  lu.assertEquals({ l:reserve("serial", "600194-00-00-0A", opt) }, { "MF-000041", false })
  lu.assertEquals({ l:reserve("other", A) }, { "1", true })
  lu.assertEquals(l:use(A), 2)
  lu.assertEquals(l:use(A), 0)
  lu.assertEquals({ l:reserve("serial", A, opt) }, { "MF-000041", false })
  lu.assertEquals({ l:reserve("serial", C, opt) }, { "MF-000043", true })
end

function cases:test_a_number_survives_the_end_of_the_program_that_reserved_it()
  do
    local l <close> = self:open()
    l:reserve("serial", A)
  end
  local l <close> = self:open()
  lu.assertEquals({ l:reserve("serial", B) }, { "2", true })
  lu.assertEquals({ l:reserve("serial", A) }, { "1", false })
end

function cases:test_another_format_does_not_give_a_number_a_second_time()
  local l <close> = self:open()
  lu.assertEquals(l:reserve("serial", A, { format = "%d" }), "1")
  lu.assertEquals(l:reserve("serial", B, { format = "N%d" }), "N2")
  lu.assertEquals(l:reserve("serial", C, { format = "%x" }), "3")
end

function cases:test_a_format_without_a_number_is_refused()
  local l <close> = self:open()
  for _, format in ipairs { "MF", "MF-%s", "%d-%d", "%", "%%d", "%5.2f", "%c" } do
    raises("argument", l.reserve, l, "serial", A, { format = format })
  end
  lu.assertEquals(l:reserve("serial", A, { format = "100%%-%03d" }), "100%-001")
end

-- ---- pools ----

local function rows(...)
  local list = {}
  for i, key in ipairs { ... } do list[i] = { text = ('{"key":"%s"}'):format(key), line = i } end
  return list
end

function cases:test_each_row_of_a_pool_goes_to_one_unit()
  local l <close> = self:open()
  lu.assertEquals(l:import("keys", rows("k1", "k2"), "f"), 2)
  lu.assertEquals({ l:take("keys", A) }, { { key = "k1" }, true })
  lu.assertEquals({ l:take("keys", B) }, { { key = "k2" }, true })
  lu.assertEquals({ l:take("keys", A) }, { { key = "k1" }, false })
  lu.assertStrContains(raises("range", l.take, l, "keys", C).message, "used up")
end

function cases:test_importing_the_same_file_again_adds_only_what_is_new()
  local l <close> = self:open()
  l:import("keys", rows("k1", "k2"), "f")
  l:take("keys", A)
  l:use(A)
  lu.assertEquals(l:import("keys", rows("k2", "k1", "k3"), "f"), 1)
  lu.assertEquals(l:take("keys", B).key, "k2")
  lu.assertEquals(l:take("keys", C).key, "k3")
end

function cases:test_rows_by_mac_go_to_their_unit_alone()
  local l <close> = self:open()
  l:import("tokens", { by_mac = true, { text = '{"t":"b"}', mac = B, line = 1 },
    { text = '{"t":"a"}', mac = A, line = 2 } }, "f")
  lu.assertEquals(l:take("tokens", A), { t = "a" })
  lu.assertStrContains(raises("range", l.take, l, "tokens", C).message, "no row for " .. C)
  local e = raises("file", l.import, l, "tokens", { by_mac = true,
    { text = '{"t":"new"}', mac = C, line = 1 }, { text = '{"t":"x"}', mac = B, line = 2 } }, "f.csv")
  lu.assertStrContains(e.message, "f.csv:2: " .. B)
  raises("range", l.take, l, "tokens", C)           -- nothing of that file is there
end

function cases:test_kinds_of_pools_are_not_mixed()
  local l <close> = self:open()
  l:import("keys", rows("k1"), "f")
  l:reserve("serial", A)
  raises("argument", l.reserve, l, "keys", A)
  raises("argument", l.take, l, "serial", A)
  raises("argument", l.take, l, "nothing", A)
  raises("argument", l.import, l, "serial", rows("x"), "f")
  raises("argument", l.import, l, "keys", { by_mac = true, { text = "{}", mac = A, line = 1 } }, "f")
end

function cases:test_pools_tell_what_is_left()
  local l <close> = self:open()
  l:import("keys", rows("k1", "k2", "k3"), "f")
  l:take("keys", A)
  l:use(A)
  l:take("keys", B)
  l:reserve("serial", B, { first = 7 })
  local p = l:pools()
  lu.assertEquals({ p[1].name, p[1].kind, p[1].used, p[1].reserved, p[1].free },
    { "keys", "rows", 1, 1, 1 })
  lu.assertEquals({ p[2].name, p[2].kind, p[2].next, p[2].reserved }, { "serial", "numbers", 8, 1 })
end

-- ---- release ----

function cases:test_what_is_released_goes_to_the_next_unit()
  local l <close> = self:open()
  l:reserve("serial", A)
  l:reserve("serial", B)
  local list = l:reservations { macs = { [A] = true } }
  lu.assertEquals({ #list, list[1].text, list[1].mac, list[1].station }, { 1, "1", A, "bench" })
  local released, kept = l:release { macs = { [A] = true } }
  lu.assertEquals({ #released, #kept }, { 1, 0 })
  lu.assertEquals({ l:reserve("serial", C) }, { "1", true })
  lu.assertEquals({ l:reserve("serial", A) }, { "3", true })
  lu.assertEquals({ l:reserve("serial", B) }, { "2", false })
end

function cases:test_what_is_used_is_never_released()
  local l <close> = self:open()
  l:reserve("serial", A)
  l:use(A)
  lu.assertEquals({ #l:release({}, true) }, { 0 })
  lu.assertEquals(l:reserve("serial", B), "2")
end

function cases:test_a_number_that_may_be_in_a_chip_is_released_only_by_force()
  local l <close> = self:open()
  l:reserve("serial", A)
  l:record { result = "ok", mac = A, seconds = 5.0 }     -- but the process died before use()
  local released, kept = l:release {}
  lu.assertEquals({ #released, #kept, kept[1].count }, { 0, 1, 1 })
  lu.assertEquals(l:reserve("serial", A), "1")
  released = l:release({}, true)
  lu.assertEquals(#released, 1)
end

function cases:test_a_run_whose_number_was_released_meanwhile_is_told()
  local l <close> = self:open()
  l:reserve("serial", A)
  do
    local other <close> = self:open()
    other:release {}
    other:reserve("serial", B)
  end
  local e = raises("refused_by_policy", l.use, l, A)
  lu.assertEquals(e.exit, 8)
  lu.assertStrContains(e.message, "1 of 'serial' was released")
  lu.assertEquals(l:use(B), 1)
end

function cases:test_only_old_reservations_can_be_asked_for()
  local l <close> = self:open()
  l:reserve("serial", A)
  lu.assertEquals(#l:reservations { before = "2000-01-01T00:00:00.000Z" }, 0)
  lu.assertEquals(#l:reservations { before = "2999-01-01T00:00:00.000Z" }, 1)
end

-- ---- records ----

function cases:test_a_record_comes_back_as_it_went_in()
  local l <close> = self:open()
  l:record { time = "2026-11-21T05:03:49.250Z", seconds = 4.5, station = "bench", operator = "ann",
    port = "/dev/ttyUSB0", chip = "ESP8266EX", mac = "60-01-94-00-00-0A", flash_id = "0x1640ef",
    flash_bytes = 16 * 1024 * 1024, serial = "MF-1", command = "flash", recipe = "a/flash.lua",
    recipe_digest = ("ab"):rep(32), firmware = "NodeMCU 3", version = "0.1.0", result = "partial",
    exit = 8, error = { code = "flash", message = "it is worn", addr = 0xfff000 }, retries = 2,
    bytes = 5000000000, sectors_written = 7, sectors_skipped = 3, baud = 921600, rate = 81234.5,
    warnings = 1, durations = { connect = 0.5 },
    parts = { { name = "a.bin", addr = 0, size = 3, sha256 = ("cd"):rep(32) }, { name = "b.bin",
      addr = 0x10000, size = 4 } } }
  local r = l:history(A)[1]
  lu.assertEquals({ r.time, r.ended, r.seconds }, { "2026-11-21T05:03:49.250Z",
    "2026-11-21T05:03:53.750Z", 4.5 })
  for name, want in pairs { station = "bench", operator = "ann", port = "/dev/ttyUSB0", mac = A,
    chip = "ESP8266EX", flash_id = "0x1640ef", flash_bytes = 16777216, serial = "MF-1",
    command = "flash", recipe = "a/flash.lua", firmware = "NodeMCU 3", result = "partial", exit = 8,
    error_code = "flash", error = "it is worn", addr = 0xfff000, retries = 2, bytes = 5000000000,
    sectors_written = 7, sectors_skipped = 3, baud = 921600, rate = 81234.5, warnings = 1,
    durations = '{"connect":0.5}' } do
    lu.assertEquals(r[name], want, name)
    lu.assertEquals(math.type(r[name]), math.type(want), name)
  end
  lu.assertEquals(#r.parts, 2)
  lu.assertEquals(r.parts[1], { name = "a.bin", addr = 0, size = 3, sha256 = ("cd"):rep(32) })
  lu.assertEquals(r.parts[2].addr, 0x10000)
end

function cases:test_a_record_without_a_time_is_of_now_by_the_databases_clock()
  local l <close> = self:open()
  local now = os.time()
  l:record { result = "ok", seconds = 60.0, mac = A }
  local values = require "moonflash.ledger_values"
  local r = l:runs()[1]
  lu.assertTrue(math.abs(values.seconds(r.ended) - now) < 5, r.ended)
  lu.assertAlmostEquals(values.seconds(r.ended) - values.seconds(r.time), 60, 0.01)
end

function cases:test_the_units_serial_number_is_found()
  local l <close> = self:open()
  l:reserve("serial", A, { format = "MF-%d" })
  l:record { result = "ok", mac = A }
  l:record { result = "ok", mac = B }
  lu.assertEquals(l:history(A)[1].serial, "MF-1")
  lu.assertNil(l:history(B)[1].serial)
  lu.assertEquals(l:find "MF-1", { A })
  lu.assertEquals(l:find(A:upper()), { A })
  lu.assertEquals(l:find "MF-2", {})
end

function cases:test_a_record_that_is_sent_twice_counts_once()
  local l <close> = self:open()
  local r = { uid = l.identity(), result = "ok", mac = A, parts = { { name = "a" } } }
  l:record(r)
  l:record(r)
  lu.assertEquals(#l:history(A), 1)
  lu.assertEquals(#l:history(A)[1].parts, 1)
end

local HOSTILE <const> = {
  "it's", "''", "'; DROP TABLE moonflash_runs; --", "\\", "\\'", "\\\\'; --", "a\\", '"', "`$$", "$1",
  "?", "%s %d %%", "line\nbreak\r\n\ttab", "\27[2J", "ä ö 漢字 \u{1f600}", "E'\\x41'", ("x"):rep(100000),
  "", " ", "NULL", "0", "{{mac}}", "/* */ -- #", "\u{202e}rtl\u{200b}", "$q$;select 1;$q$",
}
local BYTES <const> = { -- no text: kept as escapes
  { "a\0b", "a\\x00b" }, { "\xff\xfe", "\\xff\\xfe" }, { "\xc3", "\\xc3" },
  { "\xed\xa0\x80", "\\xed\\xa0\\x80" }, { "'\0; DROP TABLE x", "'\\x00; DROP TABLE x" },
  { "ok\xf8\x88\x80\x80\x80", "ok\\xf8\\x88\\x80\\x80\\x80" }, { "\xe4'", "\\xe4'" },
}

function cases:test_hostile_text_is_text_in_every_column()
  local l <close> = self:open()
  for i, text in ipairs(HOSTILE) do
    local mac = ("60:01:94:00:01:%02x"):format(i)
    l:record { result = "failed", mac = mac, station = text, operator = text, port = text,
      serial = text, recipe = text, firmware = text, error = text, parts = { { name = text } } }
    local r = l:history(mac)[1]
    for _, name in ipairs { "station", "operator", "port", "serial", "recipe", "firmware", "error" } do
      lu.assertTrue(r[name] == text, ("%s: %q"):format(name, text:sub(1, 60)))
    end
    lu.assertTrue(r.parts[1].name == text)
    lu.assertEquals(#l:runs { serial = text, station = text }, 1, text:sub(1, 60))
    lu.assertEquals(l:find(text)[1], mac)
  end
  lu.assertEquals(#l:runs(), #HOSTILE)
end

function cases:test_bytes_that_are_no_text_are_recorded_as_escapes()
  local l <close> = self:open()
  for i, pair in ipairs(BYTES) do
    local mac = ("60:01:94:00:02:%02x"):format(i)
    l:record { result = "failed", mac = mac, error = pair[1], parts = { { name = pair[1] } } }
    local r = l:history(mac)[1]
    lu.assertEquals({ r.error, r.parts[1].name }, { pair[2], pair[2] })
  end
end

function cases:test_hostile_names_of_pools_and_their_rows()
  local l <close> = self:open()
  for i, name in ipairs(HOSTILE) do
    local mac = ("60:01:94:00:03:%02x"):format(i)
    lu.assertEquals(l:reserve("n" .. name, mac), "1")
    l:import("p" .. name, { { text = require("dkjson").encode { key = name }, line = 1 } }, "f")
    lu.assertEquals(l:take("p" .. name, mac), { key = name })
    lu.assertEquals(l:use(mac), 2)
  end
  for _, pair in ipairs(BYTES) do raises("argument", l.reserve, l, pair[1], A) end
  lu.assertEquals(#l:pools(), 2 * #HOSTILE)
end

function cases:test_numbers_that_are_none_do_not_break_a_record()
  local l <close> = self:open()
  l:record { result = "ok", mac = A, rate = 0 / 0, seconds = 1.0, retries = "3", bytes = "many",
    addr = 1e300, exit = 2.0 }
  local r = l:history(A)[1]
  lu.assertEquals({ r.rate, r.retries, r.bytes, r.addr, r.exit }, { nil, 3, nil, nil, 2 })
end

-- ---- filters ----

function cases:test_filters()
  local l <close> = self:open()
  local function add(hour, fields)
    fields.time = ("2026-11-21T%02d:00:00.000Z"):format(hour)
    l:record(fields)
  end
  add(1, { result = "ok", mac = A, station = "s1", recipe = "x/flash.lua", port = "p1" })
  add(2, { result = "failed", mac = B, station = "s1", recipe = "flash.lua", port = "p2" })
  add(3, { result = "ok", mac = B, station = "s2", recipe = "y/reflash.lua", serial = "n" })
  local function hours(filter)
    local list = {}
    for i, r in ipairs(l:runs(filter)) do list[i] = math.tointeger(tonumber(r.time:sub(12, 13))) end
    lu.assertEquals(l:count(filter), filter.last and 3 or #list)
    return list
  end
  lu.assertEquals(hours {}, { 1, 2, 3 })
  lu.assertEquals(hours { since = "2026-11-21T02:00:00.000Z" }, { 2, 3 })
  lu.assertEquals(hours { ["until"] = "2026-11-21T02:00:00.000Z" }, { 1 })
  lu.assertEquals(hours { result = "ok" }, { 1, 3 })
  lu.assertEquals(hours { result = "ok", mac = B }, { 3 })
  lu.assertEquals(hours { station = "s1" }, { 1, 2 })
  lu.assertEquals(hours { recipe = "flash.lua" }, { 1, 2 })
  lu.assertEquals(hours { recipe = "x/flash.lua" }, { 1 })
  lu.assertEquals(hours { serial = "n" }, { 3 })
  lu.assertEquals(hours { port = "p2" }, { 2 })
  lu.assertEquals(hours { last = 2 }, { 2, 3 })
  local units = l:units()
  lu.assertEquals({ #units, units[1].mac, units[1].count, units[2].mac, units[2].count,
    units[2].result }, { 2, A, 1, B, 2, "ok" })
  lu.assertEquals(#l:yield { station = "s1" }, 2)
end

-- ---- opening ----

function cases:test_many_may_make_the_tables_at_once()
  local children = {}
  for i = 1, 8 do
    children[i] = assert(esp.process.fork(function()
      local l <close> = ledger.open(self.url)
      l:record { result = "ok", mac = ("60:01:94:00:04:%02x"):format(i) }
      return 0
    end))
  end
  for _, child in ipairs(children) do
    while not child:wait() do esp.sleep(2) end
    lu.assertEquals({ child:wait() }, { "exit", 0 }, child:read "output")
    child:close()
  end
  local l <close> = self:open()
  lu.assertEquals(l:count {}, 8)
end

-- The tables as their first version made them, with a row of each.
local function first_version(d)
  for _, statement in ipairs(schema.MIGRATIONS[1]) do
    d:execute((statement:gsub("%$identity", d.dialect.identity)))
  end
  d:execute "UPDATE moonflash_schema SET version = 1"
  d:execute [[INSERT INTO moonflash_runs (uid, time, mac, result) VALUES ('u', '2026-01-01T00:00:00.000Z',
    '60:01:94:00:00:0a', 'ok')]]
  d:execute [[INSERT INTO moonflash_pools (name, kind, next) VALUES ('serial', 'numbers', 5)]]
end

function cases:test_a_ledger_of_the_first_version_becomes_a_new_one_with_all_that_was_in_it()
  local d = require("moonflash.ledger_db").open(self.url)
  first_version(d)
  d:close()
  local l <close> = self:open()
  lu.assertEquals(l.db:one("SELECT version AS version_number FROM moonflash_schema").version_number,
    schema.VERSION)
  lu.assertEquals(l:history(A)[1].result, "ok")
  lu.assertEquals(l:reserve("serial", B), "5")
  l:record { result = "ok", mac = B, baud = 115200 }
  lu.assertEquals(l:history(B)[1].baud, 115200)
end

function cases:test_a_ledger_of_a_newer_program_is_refused_and_left_alone()
  do
    local l <close> = self:open()
    l.db:execute("UPDATE moonflash_schema SET version = ?", schema.VERSION + 1)
  end
  local e = raises("file", ledger.open, self.url)
  lu.assertStrContains(e.message, ("has version %d"):format(schema.VERSION + 1))
end

function cases:test_proving_that_it_can_be_written_writes_nothing()
  local l <close> = self:open()
  l:prove_writable()
  lu.assertEquals({ l:count {}, #l.db:rows "SELECT * FROM moonflash_parts" }, { 0, 0 })
end

function cases:test_a_transaction_that_fails_leaves_nothing()
  local l <close> = self:open()
  local ok = pcall(l.db.transaction, l.db, function()
    l.db:execute "INSERT INTO moonflash_pools (name, kind, next) VALUES ('x', 'numbers', 1)"
    error "no"
  end)
  lu.assertFalse(ok)
  lu.assertEquals(#l:pools(), 0)
  lu.assertEquals(l:reserve("serial", A), "1")
end

-- ---- many processes, some of them killed ----

function cases:test_32_stations_allocate_while_some_are_killed()
  print(("# SEED=%d"):format(SEED))
  local c = crowd.run { url = self.url, workers = 32, units = 5, kills = 24, seed = SEED }
  lu.assertEquals(c.problems, {})
  lu.assertEquals(c.kills, 24)
  lu.assertTrue(c.done >= 32 * 5 - c.aside - c.kills, ("%d done, %d put aside"):format(c.done, c.aside))
  lu.assertTrue(c.numbers <= 32 * 5)
end

-- ---- SQLite ----

TestSqlite = {}
for name, case in pairs(cases) do TestSqlite[name] = case end

function TestSqlite:setUp()
  self.dir = harness.directory()
  self.url = self.dir .. "/line.db"
end

function TestSqlite:tearDown() harness.remove(self.dir) end

function TestSqlite:open() return ledger.open(self.url, "bench") end

function TestSqlite:test_what_is_no_database_is_refused_and_left_alone()
  local words = ("no database at all\n"):rep(100)
  harness.write(self.url, words)
  raises("file", ledger.open, self.url)
  lu.assertEquals(harness.read(self.url), words)
end

function TestSqlite:test_a_folder_that_is_not_there()
  local e = raises("io", ledger.open, self.dir .. "/none/line.db")
  lu.assertStrContains(e.message, "/none/line.db")
end

function TestSqlite:test_a_lock_that_is_never_given_up_is_an_error_and_not_a_wait_for_ever()
  self:open():close()
  local l <close> = self:open()
  l.db.conn:execute "PRAGMA busy_timeout=50"
  local other <close> = require("moonflash.ledger_db").open(self.url)
  other:execute "BEGIN EXCLUSIVE"
  lu.assertStrContains(tostring(select(2, pcall(l.db.execute, l.db, "BEGIN IMMEDIATE"))), "locked")
end

function TestSqlite:test_a_lock_that_is_given_up_is_waited_for()
  self:open():close()
  local child = assert(esp.process.fork(function(events)
    local d <close> = require("moonflash.ledger_db").open(self.url)
    d:execute "BEGIN EXCLUSIVE"
    events:write "locked\n"
    esp.sleep(300)
    d:execute "COMMIT"
    return 0
  end))
  while child:read "events" == "" do esp.sleep(5) end
  local l <close> = self:open()
  l.db.conn:execute "PRAGMA busy_timeout=20"           -- so that waiting is the ledger's own
  lu.assertEquals(l:reserve("serial", A), "1")
  child:close()
end

-- ---- PostgreSQL ----

local server, why

TestPostgres = {}
for name, case in pairs(cases) do TestPostgres[name] = case end

function TestPostgres:setUp()
  if not server and not why then server, why = postgres.start() end
  lu.skipIf(not server, why)
  server:clear()
  self.url = server:url()
end

function TestPostgres:open() return ledger.open(self.url, "bench") end

function TestPostgres:test_a_connection_that_is_cut_is_made_again()
  local l <close> = self:open()
  l:reserve("serial", A)
  server:sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'moonflash'"
  lu.assertEquals({ l:reserve("serial", A) }, { "1", false })
  lu.assertEquals(l:use(A), 1)
end

function TestPostgres:test_a_server_that_dies_and_comes_back_has_lost_nothing_and_is_waited_for()
  local l <close> = self:open()
  l:reserve("serial", A)
  server:kill()
  local late = assert(esp.process.fork(function()
    local other <close> = ledger.open(self.url, nil, true)       -- patient
    return other:reserve("serial", B) == "2" and 0 or 1
  end))
  esp.sleep(100)
  lu.assertNil((late:wait()))
  server:run()
  lu.assertEquals({ l:reserve("serial", A) }, { "1", false })
  while not late:wait() do esp.sleep(5) end
  lu.assertEquals({ late:wait() }, { "exit", 0 }, late:read "output")
  late:close()
end

function TestPostgres:test_a_server_that_is_not_there_is_refused_at_once_and_by_name()
  local began = esp.clock()
  local e = raises("io", ledger.open, "postgres://u:s3cret@/line?host=" .. harness.program .. ".d")
  lu.assertTrue(esp.clock() - began < 5)
  lu.assertNotStrContains(tostring(e), "s3cret")
  lu.assertStrContains(tostring(e), "postgres://u@/line")
end

function TestPostgres:test_a_user_without_the_right_to_write_is_found_out_beforehand()
  self:open():close()
  server:sql [[DO $$ BEGIN CREATE USER reader; EXCEPTION WHEN duplicate_object THEN END $$;
    GRANT USAGE ON SCHEMA public TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader]]
  local l <close> = ledger.open((self.url:gsub("flasher", "reader")))
  lu.assertEquals(l:count {}, 0)
  lu.assertStrContains(raises("io", l.prove_writable, l).message, "permission denied")
end

function TestPostgres:test_a_station_needs_no_right_to_make_tables()
  self:open():close()
  server:sql [[DO $$ BEGIN CREATE USER station; EXCEPTION WHEN duplicate_object THEN END $$;
    GRANT USAGE ON SCHEMA public TO station; GRANT SELECT ON moonflash_schema TO station;
    GRANT SELECT, INSERT ON moonflash_runs, moonflash_parts TO station;
    GRANT SELECT, INSERT, UPDATE ON moonflash_pools, moonflash_items TO station]]
  local l <close> = ledger.open((self.url:gsub("flasher", "station")), "bench")
  l:prove_writable()
  l:import("keys", rows("k1"), "f")
  lu.assertEquals(l:reserve("serial", A), "1")
  lu.assertEquals(l:take("keys", A), { key = "k1" })
  lu.assertEquals(l:use(A), 2)
  l:record { result = "ok", mac = A, parts = { { name = "a" } } }
  l:release({}, true)
  lu.assertEquals(#l:history(A), 1)
end

local code = lu.LuaUnit.run()
if server then server:stop() end
os.exit(code)
