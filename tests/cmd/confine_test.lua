-- The confinement of recipes: what each --allow lifts, how a runaway is stopped, what
-- is left of the system in its process.
package.path = "tests/cmd/?.lua;" .. package.path
local esp = require "esp"
local harness = require "harness"
local lu = require "luaunit"

TestConfine = {}

function TestConfine:setUp()
  self.dir = harness.directory()
  os.execute(("mkdir -p %s/proj/.pio %s/data %s/out"):format(self.dir, self.dir, self.dir))
  harness.write(self.dir .. "/data/a.txt", "outside")
  harness.write(self.dir .. "/proj/.pio/fw.bin", "hidden")
end

function TestConfine:tearDown() harness.remove(self.dir) end

function TestConfine:file(text, name)
  local path = self.dir .. "/proj/" .. (name or "flash.lua")
  harness.write(path, text)
  return path
end

local function good(...)
  local out, err, code = harness.run(...)
  lu.assertEquals(code, 0, err)
  return out, err
end

-- ---- what is lifted ----

function TestConfine:test_read_lets_it_read_below_one_folder_more()
  local path = self:file "print(io.open('../data/a.txt'):read('a'), require 'lfs'.attributes('../data', 'mode'))"
  lu.assertEquals(good("--allow=read=" .. self.dir .. "/data", path), "outside\tdirectory\n")
  lu.assertEquals(good(path, "--allow", "read=" .. self.dir .. "/data"), "outside\tdirectory\n")
  local _, err, code = harness.run("--allow=read=" .. self.dir .. "/out", path)
  lu.assertEquals(code, 7, err)
  lu.assertStrContains(err, "--allow=read=" .. self.dir .. "/data")
end

function TestConfine:test_what_the_hint_names_is_what_lifts_it()
  local path = self:file "print(io.open('.pio/fw.bin'):read('a'))"
  local _, err, code = harness.run(path)
  lu.assertEquals(code, 7, err)
  local flag = err:match("hint: if you trust it, (%S+) lets it")
  lu.assertEquals(flag, "--allow=read=" .. self.dir .. "/proj/.pio")
  lu.assertEquals(good(flag, path), "hidden\n")
end

function TestConfine:test_a_link_leads_where_reading_was_granted()
  os.execute(("ln -s ../data %s/proj/more"):format(self.dir))
  local path = self:file "print(io.open('more/a.txt'):read('a'))"
  lu.assertEquals(good("--allow=read=" .. self.dir .. "/data", path), "outside\n")
end

function TestConfine:test_write_lets_it_write_below_one_folder()
  local path = self:file [[
    local f = io.open("../out/deep/er/x.txt", "w") f:write("one", 2) f:close()
    f = io.open("../out/log.txt", "a") f:write("a\n") f:close()
    f = io.open("../out/log.txt", "a") f:write("b\n") f:close()]]
  good("--allow=write=" .. self.dir .. "/out", path)
  lu.assertEquals(harness.read(self.dir .. "/out/deep/er/x.txt"), "one2")
  lu.assertEquals(harness.read(self.dir .. "/out/log.txt"), "a\nb\n")
  local _, err, code = harness.run("--allow=write=" .. self.dir .. "/data", path)
  lu.assertEquals(code, 7, err)
end

function TestConfine:test_writing_follows_no_link_out_of_the_granted_folder()
  os.execute(("ln -s ../data %s/out/away; ln -s ../data/a.txt %s/out/file"):format(self.dir, self.dir))
  for _, name in ipairs { "away/x.txt", "away/../x.txt", "away/new/x.txt" } do
    local _, err, code = harness.run("--allow=write=" .. self.dir .. "/out",
      self:file(("io.open('../out/%s', 'w'):write('x'):close()"):format(name)))
    if name == "away/../x.txt" then lu.assertEquals(code, 0, err) else lu.assertEquals(code, 7, name .. err) end
  end
  local _, err, code = harness.run("--allow=write=" .. self.dir .. "/out",
    self:file "io.open('../out/file', 'a'):write('x'):close()")
  lu.assertEquals(code, 7, err)
  -- replacing a link replaces the link, not what it leads to
  good("--allow=write=" .. self.dir .. "/out", self:file "io.open('../out/file', 'w'):write('x'):close()")
  lu.assertEquals(harness.read(self.dir .. "/data/a.txt"), "outside")
  lu.assertEquals((harness.shell("ls " .. self.dir .. "/data")), "a.txt\n")
end

function TestConfine:test_exec_starts_programs_in_its_folder()
  local path = self:file [[
    print(os.execute("exit 3"))
    print(io.popen("pwd; echo no >&2"):read("a"))]]
  lu.assertEquals(good("--allow=exec", path), ("nil\texit\t3\n%s/proj\nno\n\n"):format(
    harness.shell("readlink -f " .. self.dir):gsub("\n", "")))
end

function TestConfine:test_env_lets_it_read_one_variable()
  local path = self:file "print(os.getenv 'LANG_OF_TEST', os.getenv 'HOME')"
  local _, err, code = harness.run("--allow=env=LANG_OF_TEST", path)
  lu.assertEquals(code, 7)
  lu.assertStrContains(err, "variable HOME")
  lu.assertStrContains(good("--allow=env=LANG_OF_TEST,env=HOME", path), "nil\t/")
end

function TestConfine:test_ports_and_net_lift_what_they_say()
  local path = self:file [[print(require "esp".open("sim:" .. ... .. "/x.flash?size=1M"))]]
  lu.assertStrContains(good("--allow=ports", path, self.dir), "esp.port")
  path = self:file [[print(require "esp".open("rfc2217://127.0.0.1:1"))]]
  local _, _, code = harness.run("--allow=ports", path)
  lu.assertEquals(code, 7)
  lu.assertStrContains(good("--allow=net", path), "nil")
end

function TestConfine:test_all_runs_it_as_a_program()
  lu.assertEquals(good("--allow=all", self:file "print(type(debug.getregistry()), #io.open('/etc/passwd'):read(1))"),
    "table\t1\n")
end

function TestConfine:test_a_word_that_is_none_is_wrong_use()
  for _, word in ipairs { "exce", "read", "exec=1", "env", "memory=x", "time=soon", "read=/no/such/folder" } do
    local _, err, code = harness.run("--allow=" .. word, self:file "print 'ran'")
    lu.assertEquals(code, 2, word .. err)
  end
end

function TestConfine:test_the_chosen_port_is_open_to_it()
  local path = self:file [[
    local esp = require "esp"
    local port = assert(esp.open(..., 115200))
    local rom = esp.rom(port)
    assert(rom:connect { reset = "nodemcu" })
    print(("%08x"):format(rom:read_reg(0x40001000)), port:info().kind)
    port:close()]]
  local url = "sim:" .. self.dir .. "/board.flash?size=1M"
  lu.assertEquals(good("-p", url, path, url), "fff0c101\tsim\n")
  lu.assertEquals(good(path, url, "-p", url), "fff0c101\tsim\n")
end

function TestConfine:test_modules_and_data_of_the_project()
  os.execute(("mkdir -p %s/proj/lib/deep"):format(self.dir))
  harness.write(self.dir .. "/proj/lib/deep/init.lua", "return { name = ..., half = require 'lib.half' }")
  harness.write(self.dir .. "/proj/lib/half.lua", "return 21")
  harness.write(self.dir .. "/proj/names.txt", "1 one\n2 two\n")
  local path = self:file [[
    local deep = require "lib.deep"
    print(deep.name, 2 * deep.half, require "lib.deep" == deep)
    for line in io.lines "names.txt" do io.write("[", line, "]") end
    local f <close> = io.open("names.txt")
    print(f:read("n", "l", "L"))
    print(f:seek("set", 2), f:read(3), f:read("a"), f:read("l"))
    print(select("#", pcall(require, "not.there")), dofile("lib/half.lua"), io.open("nothing"))
    print(require("moonflash.numbers").size_text(4096), require("dkjson").encode { 1 })]]
  lu.assertEquals(good(path), "lib.deep\t42\ttrue\n[1 one][2 two]1\t one\t2 two\n\n2\tone\t\n2 two\n\tnil\n"
    .. "2\t21\tnil\tnothing: no such file\t2\n4 KB\t[1]\n")
end

function TestConfine:test_errors_point_at_its_lines()
  local _, err, code = harness.run(self:file "\nlocal mf = require 'moonflash'\n\nmf.bytes('x', 'y')")
  lu.assertEquals(code, 2)
  lu.assertStrContains(err, "flash.lua:4:")
  _, err, code = harness.run("-v", self:file "local function f() error 'deep' end\nf()\n")
  lu.assertEquals(code, 1)
  lu.assertStrContains(err, "flash.lua:1: deep")
  lu.assertStrContains(err, "flash.lua:2: in main chunk")
end

function TestConfine:test_what_it_prints_is_an_event_with_json()
  local out = good("--json", self:file [[print '{"event":"ok"}' io.stderr:write "e\n"]])
  local dkjson = require "dkjson"
  local texts, kinds = {}, {}
  for line in out:gmatch("[^\n]+") do
    local e = dkjson.decode(line)
    kinds[#kinds + 1] = e.event
    if e.event == "output" then texts[#texts + 1] = e.text end
  end
  lu.assertEquals(kinds, { "start", "output", "output", "ok" })     -- the only ok is the program's
  lu.assertEquals(texts, { '{"event":"ok"}\n', "e\n" })
  out = harness.run("--json", self:file [[print "x" os.exit(3)]])
  lu.assertNotStrContains(out, '"event":"ok"')
end

-- ---- stopping ----

local LOOPS <const> = {
  loop = "while true do end",
  catching = "while true do pcall(function() while true do end end) end",
  coroutine = "while true do pcall(coroutine.wrap(function() while true do end end)) end",
  pattern = "print(('x'):rep(3e5):find('x*x*y'))",
  sleeping = "require 'esp'.sleep(86400000)",
  asking = "while true do pcall(io.open, 'x') end",
  error_text = "error(setmetatable({}, { __tostring = function() while true do end end }))",
}

-- Sends a signal once the program runs; its exit code, seconds it took, its words.
local function interrupted(signal, ...)
  local words = {}
  for i, word in ipairs { ... } do words[i] = harness.quote(word) end
  local out = os.tmpname()
  local started = esp.clock()
  local text, _, code = harness.shell(("(%s %s >%s 2>&1 & p=$!; sleep 0.3; kill -%s $p; wait $p; "
    .. "c=$?; cat %s; exit $c)"):format(harness.quote(harness.program), table.concat(words, " "), out,
    signal, out))
  os.remove(out)
  return code, esp.clock() - started - 0.3, text
end

for name, text in pairs(LOOPS) do
  TestConfine["test_a_signal_stops_" .. name] = function(self)
    for _, signal in ipairs { "INT", "TERM" } do
      local code, seconds, err = interrupted(signal, self:file(text))
      lu.assertEquals(code, 130, err)
      lu.assertTrue(seconds < 2, name .. (" took %.1f s"):format(seconds))
      lu.assertStrContains(err, "interrupted")
    end
  end
end

function TestConfine:test_a_signal_stops_a_program_of_the_users_own_that_catches()
  for _, name in ipairs { "loop", "catching", "coroutine", "asking" } do
    local code, seconds, err = interrupted("INT", "--allow=all", self:file(LOOPS[name]))
    lu.assertEquals(code, 130, name .. err)
    lu.assertTrue(seconds < 2, name)
  end
end

function TestConfine:test_interrupted_while_writing_it_ends_as_any_write()
  local path = self:file [[local mf = require "moonflash"
    return mf.recipe { api = 1, parts = { mf.bytes(0x10000, ("\1\2\3"):rep(60000)) },
      after = function() while true do end end }]]
  local board = self.dir .. "/board.flash"
  local code, seconds, err = interrupted("INT", "-p", "sim:" .. board .. "?size=1M&pace=real", path,
    "--no-stub")
  lu.assertEquals(code, 130, err)
  lu.assertTrue(seconds < 4, err)
  lu.assertStrContains(err, "interrupted")
end

function TestConfine:test_its_process_ends_with_the_program()
  local path = self:file "while true do end"
  local left = harness.shell(("(%s %s & p=$!; sleep 0.3; c=$(cat /proc/$p/task/$p/children); kill -KILL $p;"
    .. " sleep 0.3; for x in $c; do test -e /proc/$x && grep State /proc/$x/status; done; echo done)")
    :format(harness.quote(harness.program), harness.quote(path)))
  lu.assertNotStrContains(left, "running")
  lu.assertStrContains(left, "done")
end

-- ---- the process ----

function TestConfine:test_its_process_has_nothing_but_its_link()
  local path = self:file "require 'esp'.sleep(2000)"
  local text = harness.shell(([[(%s %s & p=$!; sleep 0.4; c=$(echo $(cat /proc/$p/task/$p/children))
    grep -E '^(NoNewPrivs|Seccomp):' /proc/$c/status; ls /proc/$c/fd; readlink /proc/$c/fd/0 /proc/$c/fd/1
    readlink /proc/$c/fd/2; grep 'open files' /proc/$c/limits; kill -INT $p)]]):format(
    harness.quote(harness.program), harness.quote(path)))
  if not text:find("Seccomp") then lu.skip("no way to look at another process here") end
  lu.assertStrMatches(text, "NoNewPrivs:%s+1\nSeccomp:%s+2\n0\n1\n2\n3\n/dev/null\n/dev/null\n/dev/null\n"
    .. "Max open files%s+5%s+5%s+files%s+")
end

function TestConfine:test_a_gang_gives_each_board_a_process_of_the_recipes()
  local path = self:file [[local mf, n = require "moonflash", 0
    return mf.recipe { api = 1, parts = { mf.bytes(0x1000, function(u) n = n + 1 return "unit " .. n end) },
      before = function() n = n + 10 end }]]
  local ports = {}
  for i = 1, 3 do ports[i] = ("sim:%s/b%d.flash?size=1M&mac=60:01:94:00:00:0%d"):format(self.dir, i, i) end
  local _, err = good("gang", path, "--once", "--ports", table.concat(ports, ","))
  for i = 1, 3 do
    lu.assertEquals(harness.read(("%s/b%d.flash"):format(self.dir, i)):sub(0x1001, 0x1007), "unit 11", err)
  end
end

os.exit(lu.LuaUnit.run())
