-- The stream of --json: what every command really prints, held against the schema.
package.path = "tests/cmd/?.lua;" .. package.path
local boards = require "boards"
local events = require "moonflash.events"
local harness = require "harness"
local lfs = require "lfs"
local lu = require "luaunit"

TestEvents = {}

local SIZE <const> = 0x100000
local HELP <const> = "a new event or field belongs in lualib/moonflash/events.schema.json"

function TestEvents:setUp()
  self.dir = harness.directory()
  self.schema = events.parse(events.schema_text { "." })
end

function TestEvents:tearDown()
  harness.remove(self.dir)
end

function TestEvents:put(name, bytes)
  harness.write(self.dir .. "/" .. name, bytes)
  return self.dir .. "/" .. name
end

local function sim(path, more)
  return "sim:" .. path .. "?size=1M" .. (more or "")
end

-- Runs a command with --json and checks its stream; returns its last event's name,
-- the exit code, all of the stream.
function TestEvents:run(...)
  local out, err, code = harness.run("--json", ...)
  local what = table.concat({ ... }, " ")
  lu.assertNotStrContains(err, "traceback")
  lu.assertNotEquals(out, "", what .. ": " .. err)
  local problems = events.check_stream(self.schema, out)
  if problems[1] then
    lu.fail(("%s: %s (%d in all)\n%s\n%s"):format(what, problems[1], #problems, HELP, out:sub(1, 600)))
  end
  return out:match '.*"event":"([%w_]+)"', code, out
end

-- All of these are to succeed.
function TestEvents:all(list)
  for _, words in ipairs(list) do
    local last, code, out = self:run(table.unpack(words))
    lu.assertEquals(code, 0, table.concat(words, " ") .. out)
    lu.assertEquals(last, "ok", table.concat(words, " "))
  end
end

function TestEvents:test_reading_and_writing()
  local flash = self.dir .. "/board.flash"
  local port, data = sim(flash), self:put("data.bin", boards.noise(9000, 3))
  self:all {
    { "ports" }, { "events", "ok" }, { "events", "--schema" },
    { "-p", port, "write", "0x10000", data },
    { "-p", port, "write", "0x10000", data, "--dry-run" },
    { "-p", port, "--no-stub", "write", "0x40000", "examples/hello/hello.bin" },
    { "-p", port, "write", "0x0", "examples/hello/hello.bin", "--listen", "0.5" },
    { "-p", port, "read", "0x10000", "8k", self.dir .. "/out.bin" },
    { "-p", port, "verify", "0x0", "examples/hello/hello.bin" },
    { "-p", port, "peek", "0x60000200" }, { "-p", port, "poke", "0x3ffe8000", "1" },
    { "-p", port, "reset" }, { "-p", port, "run", "--listen", "0.5" },
    { "-p", port, "load-ram", "examples/hello/hello.bin" }, { "-p", port, "unprotect" },
    { "-p", port, "erase", "0x10000", "64k", "--dry-run" },
    { "-p", port, "erase", "0x10000", "64k" }, { "-p", port, "erase", "all" },
    { "sim", "--rfc2217", "0", "--seconds", "0.05" },
    { "-p", port, "monitor", "--reset", "--seconds", "0.3" },
    { "image", "convert", "examples/hello/hello.bin", self.dir .. "/h.uf2" },
    { "image", "merge", "0x0", "examples/hello/hello.bin", "-o", self.dir .. "/m.bin" },
  }
end

function TestEvents:test_a_firmwares_parts()
  local v2 = self:put("v2.flash", boards.nodemcu2(SIZE, 1))
  local v3 = self:put("v3.flash", boards.nodemcu3(SIZE, 2, true))
  local fw = self:put("fw3.bin", boards.nodemcu3(SIZE, 5):sub(1, 0x40000))
  local backup = self.dir .. "/b.mfb"
  local lfs_image <const> = "tests/data/lfs/lfs51-float-reloc.img"
  self:all {
    { "image", "info", fw }, { "image", "info", "examples/hello/hello.bin" }, { "image", "info", v2 },
    { "-p", sim(v2), "info" }, { "-p", sim(v3), "info" }, { "-p", sim(v2), "map" },
    { "-p", sim(v2), "backup", backup }, { "backup", "check", backup },
    { "backup", "unpack", backup, self.dir .. "/raw.bin" },
    { "-p", sim(v2), "restore", backup, "--dry-run" }, { "-p", sim(v2), "restore", backup },
    { "-p", sim(v2), "init-data", "show" }, { "-p", sim(v2), "init-data", "write", "--dry-run" },
    { "-p", sim(v2), "init-data", "write", "--keep", "--field", "vdd33=33" },
    { "init-data", "build", self.dir .. "/init.bin" },
    { "-p", sim(v3), "partition", "show" }, { "partition", "show", fw },
    { "-p", sim(v3), "partition", "set", "--lfs-size", "128k", "--dry-run" },
    { "-p", sim(v3), "partition", "set", "--lfs-size", "128k" },
    { "lfs", "info", lfs_image }, { "-p", sim(v3), "lfs", "write", lfs_image },
    { "-p", sim(v2), "upgrade", fw, "--dry-run" },
    { "-p", sim(v2), "upgrade", fw, "--backup", self.dir .. "/before.bin", "--no-watch" },
    { "-p", sim(v2), "upgrade", "--rollback", self.dir .. "/before.bin", "--no-watch" },
    { "-p", sim(self.dir .. "/blank.flash"), "flash", fw, "--no-watch" },
  }
end

function TestEvents:test_file_systems()
  local folder, img = self.dir .. "/lua", self.dir .. "/fs.img"
  lfs.mkdir(folder)
  self:put("lua/init.lua", "print(1)\n")
  local data = self:put("data.txt", "moon")
  local v3 = self:put("v3.flash", boards.nodemcu3(SIZE, 2, true))
  self:all {
    { "fs", "build", folder, "-o", img, "--size", "192k" }, { "fs", "ls", img },
    { "fs", "put", img, data }, { "fs", "get", img, "data.txt", "-o", self.dir .. "/got" },
    { "fs", "get", img, "--all", "-o", self.dir .. "/all" }, { "fs", "rm", img, "data.txt" },
    { "fs", "check", img }, { "fs", "check", "--repair", img }, { "fs", "scan", img },
    { "-p", sim(v3), "fs", "build", folder, "-o", "chip" }, { "-p", sim(v3), "fs", "ls", "chip" },
  }
end

function TestEvents:test_recipes_and_gangs()
  self:put("data.bin", boards.noise(5000, 3))
  local recipe = self:put("flash.lua", [[local mf = require 'moonflash'
    print "hello"
    return mf.recipe { api = 1, parts = { mf.file(0x20000, 'data.bin') },
      test = { expect = function(t) t:expect_region(0x20000, 'data.bin') end } }]])
  local port = sim(self.dir .. "/board.flash")
  self:all { { "-p", port, recipe }, { "-p", port, recipe, "--dry-run" }, { "test", recipe },
    { "gang", recipe, "--ports", sim(self.dir .. "/board{1..2}.flash"), "--exec-on", "done=true" } }
  local last, code = self:run("gang", recipe, "--ports", port .. ",sim:?die=1")
  lu.assertEquals({ last, code }, { "error", 4 })
end

function TestEvents:test_failures()
  local blank, data = sim(self.dir .. "/b.flash"), self:put("data.bin", boards.noise(40000, 3))
  for words, want in pairs {
    [{ "frobnicate" }] = 2, [{ "write" }] = 2, [{ "write", "--frob" }] = 2,
    [{ "-p", blank, "write", "0x0", "/no/such/file" }] = 6,
    [{ "-p", "/dev/no-such-port", "info" }] = 3, [{ "-p", "sim:?die=1", "info" }] = 4,
    [{ "-p", "sim:?chip=esp32", "info" }] = 5, [{ "image", "info", data }] = 6,
    [{ "-p", blank .. "&stuck=20", "write", "0x10000", data }] = 8,
    [{ "-p", blank, "verify", "0x80000", data }] = 6,
  } do
    local last, code, out = self:run(table.unpack(words))
    lu.assertEquals({ last, code }, { "error", want }, table.concat(words, " ") .. out)
  end
end

function TestEvents:test_programs_that_are_run_on_events()
  local port = sim(self.dir .. "/b.flash")
  local _, code, out = self:run("-p", port, "info", "--exec-on", "done=false", "--exec-on",
    "start=/no/such/program", "--exec-on", "failed=true")
  lu.assertEquals(code, 0)
  lu.assertStrContains(out, '"event":"hook","exit":1,"good":false,"on":"done"')
  lu.assertStrContains(out, '"event":"hook","exit":127,"good":false')
  lu.assertNotStrContains(out, '"on":"failed"')
  _, code, out = self:run("-p", "sim:?die=1", "info", "--exec-on", "failed=true")
  lu.assertEquals(code, 4)
  lu.assertStrContains(out, '"good":true,"on":"failed"')
end

function TestEvents:test_a_recorded_stream_can_be_checked()
  local _, _, out = self:run("ports")
  local log = self:put("log.jsonl", out)
  self:all { { "events", "--check", log } }
  harness.write(log, out .. '{"event":"ok"}\n{"event":"nonsense"}\n')
  local said, err, code = harness.run("events", "--check", log)
  lu.assertEquals(code, 6, err)
  lu.assertStrContains(said, "event has no 'message'")
  lu.assertStrContains(said, "there is no event 'nonsense'")
end

function TestEvents:test_the_kinds_are_described()
  local out = boards.good("events", "progress")
  lu.assertStrContains(out, "seconds*")
  boards.bad(2, "no event 'x'", "events", "x")
end

os.exit(lu.LuaUnit.run())
