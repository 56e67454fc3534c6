-- The ledger's pure parts: URLs, values, CSV, imports, yield, timeline, picture.
local csv = require "moonflash.ledger_csv"
local dialects = require "moonflash.ledger_dialects"
local import = require "moonflash.ledger_import"
local ledger_text = require "moonflash.ledger_text"
local lu = require "luaunit"
local schema = require "moonflash.ledger_schema"
local style = require "moonflash.style"
local svg = require "moonflash.ledger_svg"
local timeline = require "moonflash.ledger_timeline"
local values = require "moonflash.ledger_values"
local writes = require "moonflash.ledger_writes"
local yield = require "moonflash.ledger_yield"

local function raises(code, f, ...)
  local ok, e = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertEquals(e.code, code, tostring(e))
  return e
end

TestUrls = {}

function TestUrls:test_a_path_is_sqlite()
  for _, url in ipairs { "line.db", "/var/lib/line.db", "./a/b.db", "sqlite:line.db" } do
    lu.assertEquals(dialects.of(url).name, "SQLite", url)
  end
  lu.assertEquals(select(2, dialects.of "sqlite:/a/b.db"), "/a/b.db")
end

function TestUrls:test_both_spellings_of_postgres()
  for _, scheme in ipairs { "postgres", "postgresql" } do
    local d, where = dialects.of(scheme .. "://u:p@db.example/line")
    lu.assertEquals(d.name, "PostgreSQL")
    lu.assertStrContains(where, "://u:p@db.example/line?connect_timeout=10&")
  end
end

function TestUrls:test_what_the_url_says_itself_goes_before_the_defaults()
  local _, where = dialects.of "postgres://db/line?connect_timeout=3&sslmode=require"
  lu.assertStrContains(where, "?connect_timeout=3&sslmode=require&application_name=")
  lu.assertNotStrContains(where, "connect_timeout=10")
end

function TestUrls:test_other_databases_are_none()
  for _, url in ipairs { "mysql://db/x", "http://db/", "postgres:line" } do
    lu.assertNil(dialects.of(url), url)
  end
end

function TestUrls:test_a_password_is_never_shown()
  lu.assertEquals(dialects.shown "postgres://u:s3cret@db/line", "postgres://u@db/line")
  lu.assertEquals(dialects.shown "postgres://u:s3/cr@et@db/line", "postgres://u@db/line")
  lu.assertEquals(dialects.shown "postgres://db/line?user=u&password=s3cret&x=1",
    "postgres://db/line?user=u&password=...&x=1")
  lu.assertEquals(dialects.shown "line.db", "line.db")
end

TestValues = {}

function TestValues:test_time_as_text_and_back()
  -- date -u -d @1795237429 +%FT%TZ
  lu.assertEquals(values.iso(1795237429), "2026-11-21T05:03:49.000Z")
  lu.assertEquals(values.seconds "2026-11-21T05:03:49.000Z", 1795237429)
  lu.assertEquals(values.iso(951782400.25), "2000-02-29T00:00:00.250Z")
  lu.assertEquals(values.seconds "2000-02-29T00:00:00.250Z", 951782400.25)
  lu.assertNil(values.seconds "yesterday")
end

function TestValues:test_the_last_half_millisecond_makes_no_sixtieth_second()
  lu.assertEquals(values.iso(1795237429.9996), "2026-11-21T05:03:50.000Z")
end

function TestValues:test_points_in_time_as_people_write_them()
  local now = 1795237429
  lu.assertEquals(values.point("2h", now, "--since"), "2026-11-21T03:03:49.000Z")
  lu.assertEquals(values.point("7d", now, "--since"), "2026-11-14T05:03:49.000Z")
  lu.assertEquals(values.point("2026-11-21T05:03:49.000Z", now, "--since"),
    "2026-11-21T05:03:49.000Z")
  local at = os.time { year = 2026, month = 11, day = 21, hour = 6, min = 30, sec = 0 }
  lu.assertEquals(values.point("2026-11-21 06:30", now, "--since"), values.iso(at))
  local day = os.time { year = 2026, month = 11, day = 21, hour = 0 }
  lu.assertEquals(values.point("2026-11-21", now, "--since"), values.iso(day))
  lu.assertStrContains(values.point("today", now, "--since"), "2026-11-2")
end

function TestValues:test_what_is_no_time_is_a_usage_error()
  for _, text in ipairs { "", "soon", "2h30", "2026-13-01", "2026-11-40", "2026-11-21 25:00",
    "2026-11-21 06:30:99", "2026-11-21x", "-2h" } do
    raises("usage", values.point, text, 1795237429, "--since")
  end
end

function TestValues:test_a_mac_address_in_any_spelling()
  for _, mac in ipairs { "60:01:94:a5:b6:9c", "60-01-94-A5-B6-9C", "600194a5b69c",
    "6001.94A5.B69C" } do
    lu.assertEquals(values.mac(mac), "60:01:94:a5:b6:9c")
  end
  for _, mac in ipairs { "", "60:01:94:a5:b6", "60:01:94:a5:b6:9c:00", "60:01:94:a5:b6:9g", 5 } do
    raises("argument", values.mac, mac)
  end
  raises("argument", values.mac, nil)
end

TestWrites = {}

function TestWrites:test_commands_that_write_a_chip()
  for _, c in ipairs { { "write", {} }, { "flash", {} }, { "upgrade", {} }, { "restore", {} },
    { "erase", {} }, { "unprotect", {} }, { "flash.lua", {} }, { "a/b.lua", {} },
    { "fs", { action = "build", output = "chip" } }, { "fs", { action = "put", image = "chip" } },
    { "fs", { action = "check", image = "chip", repair = true } },
    { "lfs", { action = "write" } }, { "init-data", { action = "write" } },
    { "partition", { action = "set" } }, { "doctor", { fix = true } } } do
    lu.assertTrue(writes.will(c[1], c[2]), c[1])
    c[2].dry_run = true
    lu.assertFalse(writes.will(c[1], c[2]), c[1] .. " --dry-run")
  end
end

function TestWrites:test_commands_that_write_none()
  for _, c in ipairs { { "info", {} }, { "read", {} }, { "verify", {} }, { "test", {} },
    { "gang", {} }, { "ledger", {} }, { "fs", { action = "build", output = "a.bin" } },
    { "fs", { action = "ls", image = "chip" } }, { "fs", { action = "put", image = "a.bin" } },
    { "fs", { action = "check", image = "chip" } }, { "lfs", { action = "info" } },
    { "partition", { action = "set", file = "a.bin" } }, { "partition", { action = "show" } },
    { "init-data", { action = "show" } }, { "doctor", {} } } do
    lu.assertFalse(writes.will(c[1], c[2]), c[1])
  end
end

TestFiles = {}

function TestFiles:test_csv_quotes_what_rfc_4180_says()
  lu.assertEquals(csv.encode({ "a", "b" }, { { a = 'say "hi"', b = "x,y" }, { a = "two\nlines" },
    { a = " lead", b = 5 }, { b = 1.5 } }),
    'a,b\r\n"say ""hi""","x,y"\r\n"two\nlines",\r\n" lead",5\r\n,1.500\r\n')
end

function TestFiles:test_csv_that_was_written_is_read_back()
  local rows = { { key = 'a"b,c', note = "x\r\ny" }, { key = "ä;ö", note = "" } }
  local list = import.read(csv.encode({ "key", "note" }, rows), "keys.csv")
  local dkjson = require "dkjson"
  for i, row in ipairs(rows) do lu.assertEquals(dkjson.decode(list[i].text), row) end
end

function TestFiles:test_rows_by_mac_in_any_spelling()
  local list = import.read("mac,token\n60-01-94-A5-B6-9C,t1\n", "t.csv")
  lu.assertTrue(list.by_mac)
  lu.assertEquals(list[1].mac, "60:01:94:a5:b6:9c")
  lu.assertStrContains(list[1].text, '"mac":"60:01:94:a5:b6:9c"')
end

function TestFiles:test_json_rows()
  local list = import.read('[{"key":"k1"},{"key":"k2"}]', "keys.json")
  lu.assertEquals({ list[1].text, list[2].text, list.by_mac }, { '{"key":"k1"}', '{"key":"k2"}',
    false })
end

function TestFiles:test_bad_rows_are_named_by_their_line()
  local cases = {
    { "key\na\nb\na\n", "k.csv:4: the same row is also in line 2" },
    { "mac,k\n60:01:94:a5:b6:9c,1\n600194a5b69c,2\n", "k.csv:3: 60:01:94:a5:b6:9c is also in line 2" },
    { "mac,k\nnobody,1\n", "k.csv:2: 'nobody' is no MAC address" },
    { "mac,k\n,1\n", "k.csv:2: '' is no MAC address" },
    { "key\n\xff\xfe\n", "k.csv:2: it is not UTF-8" },
    { "key\n", "k.csv:1: it has no rows" },
    { "key\na,b\n", "k.csv:2: it has 2 fields" },
    { 'key\n"a\n', "k.csv:2: a quote is not closed" },
  }
  for _, c in ipairs(cases) do
    lu.assertStrContains(raises("file", import.read, c[1], "k.csv").message, c[2])
  end
  local e = raises("file", import.read, "key\na\0b\n", "k.csv")
  lu.assertStrContains(e.message, "k.csv:2: it has a zero byte")
end

TestSchema = {}

function TestSchema:test_every_column_of_a_run_is_made_by_a_migration()
  local made = {}
  for _, statements in ipairs(schema.MIGRATIONS) do
    for _, s in ipairs(statements) do
      if s:find "moonflash_runs" then
        for word in s:gmatch "[%l_][%l%d_]*" do made[word] = true end
      end
    end
  end
  for _, name in ipairs(schema.RUN_COLUMNS) do lu.assertTrue(made[name], name) end
end

local function run(at, result, mac, fields)
  local r = { time = values.iso(at), ended = values.iso(at + 10), seconds = 10.0, result = result,
    mac = mac, station = "bench", port = "/dev/ttyUSB0" }
  for k, v in pairs(fields or {}) do r[k] = v end
  return r
end

local HOUR <const> = os.time { year = 2026, month = 11, day = 21, hour = 6 }

TestYield = {}

function TestYield:test_units_count_once_and_the_first_attempt_decides_the_first_pass()
  local hours, all = yield.hours {
    run(HOUR + 1, "ok", "a"), run(HOUR + 20, "failed", "b"), run(HOUR + 40, "ok", "b"),
    run(HOUR + 60, "failed", "c"),
    run(HOUR + 3600, "ok", "c"), run(HOUR + 3620, "ok", "d", { seconds = 20.0 }),
  }
  lu.assertEquals(#hours, 2)
  lu.assertEquals(hours[1], { hour = "2026-11-21 06:00", runs = 4, ok = 2, failed = 2, units = 3,
    good_units = 2, yield = 2 / 3, first_pass = 1 / 3, mean_seconds = 10.0 })
  lu.assertEquals(hours[2], { hour = "2026-11-21 07:00", runs = 2, ok = 2, failed = 0, units = 2,
    good_units = 2, yield = 1.0, first_pass = 1.0, mean_seconds = 15.0 })
  lu.assertEquals(all, { hour = "all", runs = 6, ok = 4, failed = 2, units = 4, good_units = 4,
    yield = 1.0, first_pass = 0.5, mean_seconds = 12.5 })
end

function TestYield:test_runs_that_met_no_chip_are_no_units()
  local _, all = yield.hours { run(HOUR, "failed", nil) }
  lu.assertEquals({ all.runs, all.units, all.yield }, { 1, 0, nil })
end

TestTimeline = {}

function TestTimeline:test_a_lane_for_each_port_in_natural_order()
  local t = timeline.new { run(HOUR, "ok", "a", { port = "/dev/ttyUSB10" }),
    run(HOUR + 5, "ok", "b", { port = "/dev/ttyUSB9" }), run(HOUR + 6, "failed", "c",
      { station = "annex" }), run(HOUR + 30, "partial", "d", { port = "/dev/ttyUSB9" }) }
  local names = {}
  for i, lane in ipairs(t.lanes) do names[i] = lane.station .. " " .. lane.port .. " " .. lane.ok
    .. "/" .. #lane.bars end
  lu.assertEquals(names, { "annex ttyUSB0 0/1", "bench ttyUSB9 1/2", "bench ttyUSB10 1/1" })
  lu.assertEquals({ t.from, t.till }, { HOUR, HOUR + 40 })
  lu.assertEquals(t.results, { ok = 2, failed = 1, partial = 1 })
  lu.assertAlmostEquals(t.figures.per_hour, 2 * 3600 / 40, 1e-9)
end

function TestTimeline:test_ticks_are_round_local_times()
  for _, c in ipairs { { 8, 1 }, { 95, 10 }, { 3000, 300 }, { 8 * 3600, 3600 }, { 5 * 86400, 43200 } } do
    local ticks = timeline.ticks(HOUR + 3, HOUR + 3 + c[1])
    lu.assertTrue(#ticks >= 2 and #ticks <= 11, "ticks of " .. c[1] .. ": " .. #ticks)
    lu.assertEquals(ticks[2].at - ticks[1].at, c[2])
    local first = os.date("*t", ticks[1].at)
    lu.assertEquals((first.hour * 3600 + first.min * 60 + first.sec) % c[2], 0)
  end
end

function TestTimeline:test_the_last_session_ends_where_nothing_was_done_for_an_hour()
  local runs = { run(HOUR, "ok", "a"), run(HOUR + 7300, "ok", "b"), run(HOUR + 7400, "ok", "c") }
  lu.assertEquals(#timeline.last_session(runs), 2)
  lu.assertEquals(#timeline.last_session { runs[1] }, 1)
  lu.assertEquals(timeline.last_session {}, {})
end

TestPicture = {}

-- Every tag is closed, in order; attributes are quoted; nothing else has a "<".
local function assert_well_formed(xml)
  local stack = {}
  for slash, name, rest in xml:gmatch "<(/?)([%a][%w]*)([^<>]*)>" do
    if slash == "/" then
      lu.assertEquals(table.remove(stack), name)
    elseif rest:sub(-1) ~= "/" then
      stack[#stack + 1] = name
    end
    lu.assertEquals((rest:gsub('%s+[%a][%w:-]*="[^"<]*"', ""):gsub("/$", "")), "")
  end
  lu.assertEquals(#stack, 0)
  lu.assertNil(xml:gsub("</?[%a][^<>]*>", ""):find "[<>]")
end

function TestPicture:test_hostile_names_stay_text()
  local t = timeline.new { run(HOUR, "ok", "60:01:94:00:00:01", { station = '<b>&"\1',
    serial = "</svg>", port = "sim:/x/<y>.flash?size=4M", error = "\xff\xfe<script>" }) }
  local picture = svg.draw(t, "a < b & c")
  assert_well_formed(picture)
  lu.assertStrContains(picture, "&lt;b&gt;&amp;&quot;?")
  lu.assertStrContains(picture, "a &lt; b &amp; c")
  lu.assertNotStrContains(picture, "<script>")
  lu.assertNotNil(utf8.len(picture))
end

function TestPicture:test_a_bar_for_each_run_coloured_by_its_result()
  local runs = {}
  for i, result in ipairs { "ok", "ok", "failed", "partial", "interrupted" } do
    runs[i] = run(HOUR + 30 * i, result, ("60:01:94:00:00:%02x"):format(i))
  end
  local picture = svg.draw(timeline.new(runs))
  assert_well_formed(picture)
  local _, bars = picture:gsub("<title>", "")
  lu.assertEquals(bars, 5)
  local _, green = picture:gsub('height="18" rx="[%d.]+" fill="#2fa36b"', "")
  lu.assertEquals(green, 2)
  for _, words in ipairs { "2 proven", "1 failed, chip unchanged", "1 changed, not proven",
    "1 interrupted", "06:00:30" } do lu.assertStrContains(picture, words) end
end

function TestPicture:test_a_single_run_of_no_length_is_drawn_too()
  assert_well_formed(svg.draw(timeline.new { run(HOUR, "failed", nil, { ended = values.iso(HOUR),
    seconds = 0.0, port = false, station = false }) }))
end

TestLines = {}

function TestLines:test_ports_are_shown_by_what_tells_them_apart()
  lu.assertEquals(ledger_text.port "/dev/ttyUSB0", "ttyUSB0")
  lu.assertEquals(ledger_text.port "sim:/tmp/a/board1.flash?size=4M", "board1.flash")
  lu.assertEquals(ledger_text.port "rfc2217://rack:4001", "rack:4001")
  lu.assertEquals(ledger_text.port(nil), "")
end

function TestLines:test_control_characters_do_not_reach_the_terminal()
  local lines = ledger_text.runs({ run(HOUR, "failed", "60:01:94:00:00:01", { station = "a\27[2J",
    serial = "s\n1", error = "bad\7" }) }, style.new(false))
  lu.assertEquals(#lines, 1)
  lu.assertNil(lines[1]:find "%c")
  lu.assertStrContains(lines[1], "a?[2J")
end

os.exit(lu.LuaUnit.run())
