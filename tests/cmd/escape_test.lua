-- What recipes of strangers may try, and what comes of it. Each case is a Lua file that
-- runs in a project with a secret beside it; the table says how it must end. Whatever
-- it says: no secret shows up, no file appears or changes, no process stays, and it
-- ends in time.
package.path = "tests/cmd/?.lua;" .. package.path
local esp = require "esp"
local harness = require "harness"
local lu = require "luaunit"

local SECRET <const> = "canary-7d1f"
local SECONDS <const> = 30       -- on a loaded machine; those that are stopped compute for 0.2 s

TestEscape = {}

-- Everything below a folder: kind, size and time of change of each file.
local function snapshot(dir)
  local list = harness.shell(("(find %s -printf '%%P %%y %%s %%T@ %%l\n' | sort)"):format(
    harness.quote(dir)))
  assert(list:find("secret/secret.txt f 11", 1, true), list)
  return list
end

function TestEscape:setUp()
  self.dir = harness.directory()
  os.execute(([[cd %s && mkdir -p secret proj/sub proj/site proj/.git proj/out
    cd proj
    ln -s ../secret/secret.txt link
    ln -s ../secret linkdir
    ln -s linkdir/secret.txt chain
    ln -s %s/secret/secret.txt absolute
    ln -s /proc/self/root procroot
    ln -s ../../secret/secret.txt site/page.html
    ln -s ../secret/other.lua included.lua
    ln -s ../../secret out/away
    ln -s data.bin inside
    mkfifo fifo]]):format(harness.quote(self.dir), self.dir))
  local function put(name, bytes) harness.write(self.dir .. "/" .. name, bytes) end
  put("secret/secret.txt", SECRET)
  put("secret/other.lua", "return '" .. SECRET .. "'")
  put("secret/units.csv", "mac,key\n60:01:94:a5:b6:9c," .. SECRET .. "\n")
  put("proj/.env", SECRET)
  put("proj/.git/config", SECRET)
  put("proj/data.bin", ("data"):rep(1024))
  put("proj/sub/mod.lua", "return { answer = 42 }")
end

function TestEscape:tearDown() harness.remove(self.dir) end

-- Runs one case in a fresh process; how = exit code; text in its output or error.
local function run_case(self, case)
  local name, code, exit, want, options = table.unpack(case)
  options = options or {}
  harness.write(self.dir .. "/proj/flash.lua", code)
  local before, started = snapshot(self.dir), esp.clock()
  local args = { table.unpack(options) }
  args[#args + 1] = options.test and "test" or nil
  args[#args + 1] = self.dir .. "/proj/flash.lua"
  if not options.test then args[#args + 1] = not options.recipe and self.dir or nil end
  args[#args + 1] = options.help and "--help" or nil
  local out, err, got = harness.run(table.unpack(args))
  local all = out .. err
  lu.assertEquals(got, exit, name .. ": " .. all)
  lu.assertStrContains(all, want, false, name)
  lu.assertNil(all:find(SECRET, 1, true), name .. " shows the secret")
  lu.assertNil(all:find("root:", 1, true), name .. " shows /etc/passwd")
  lu.assertNil(all:find("[\0-\8\11-\31\127]"), name .. " sends control characters")
  lu.assertNil(all:find("stack traceback", 1, true), name .. ": " .. all)
  if exit ~= 0 and not options.test then      -- a test's recipe may be well, and its test not
    lu.assertNil(("\n" .. out):find("\nok:", 1, true), name .. " says ok")
  end
  if not options.writes then lu.assertEquals(snapshot(self.dir), before, name .. " changes files") end
  lu.assertTrue(esp.clock() - started < SECONDS, name .. " takes too long")
end

local cases = {}

local function add(list)
  for _, case in ipairs(list) do cases[#cases + 1] = case end
end

local OUTSIDE <const>, LOOP <const> = "a recipe may not read", "while true do end"
local STOP <const> = { "--allow=time=0.2" }

-- ---- files ----

add {
  { "dot dot", "print(io.open('../secret/secret.txt'):read('a'))", 7, OUTSIDE },
  { "absolute path", "print(io.open((...) .. '/secret/secret.txt'):read('a'))", 7, OUTSIDE },
  { "down and up", "print(io.open('sub/../../secret/secret.txt'):read('a'))", 7, OUTSIDE },
  { "many dots", "print(io.open('./././sub/.././../secret/secret.txt'):read('a'))", 7, OUTSIDE },
  { "doubled slashes", "print(io.open('sub//..//..//secret//secret.txt'):read('a'))", 7, OUTSIDE },
  { "up out of a folder that is not there", "print(io.open('no/../../secret/secret.txt'):read('a'))",
    1, "attempt to index a nil value" },
  { "link to a file outside", "print(io.open('link'):read('a'))", 7, OUTSIDE },
  { "link to a folder outside", "print(io.open('linkdir/secret.txt'):read('a'))", 7, OUTSIDE },
  { "through a link and up", "print(io.open('linkdir/../secret/secret.txt'):read('a'))", 7, OUTSIDE },
  { "link to a link", "print(io.open('chain'):read('a'))", 7, OUTSIDE },
  { "absolute link", "print(io.open('absolute'):read('a'))", 7, OUTSIDE },
  { "link to proc root", "print(io.open('procroot/etc/passwd'):read('a'))", 7, OUTSIDE },
  { "proc root", "print(io.open('/proc/self/root' .. (...) .. '/secret/secret.txt'):read('a'))", 7,
    OUTSIDE },
  { "proc cwd", "print(io.open('/proc/self/cwd/../../etc/passwd'):read('a'))", 7, OUTSIDE },
  { "proc fd", "print(io.open('/proc/self/fd/3'):read('a'))", 7, OUTSIDE },
  { "environment by proc", "print(io.open('/proc/self/environ'):read('a'))", 7, OUTSIDE },
  { "memory by proc", "print(io.open('/proc/self/mem'):read('a'))", 7, OUTSIDE },
  { "own folder by its absolute name, then up",
    "print(io.open((...) .. '/proj/../secret/secret.txt'):read('a'))", 7, OUTSIDE },
  { "a name with a NUL", "print(io.open('data.bin\\0/../../secret/secret.txt'):read('a'))", 6,
    "is no file name" },
  { "an empty name", "io.open('')", 6, "is no file name" },
  { "a name that is none", "io.open({})", 6, "is no file name" },
  { "a very long name", "print(io.open(('../'):rep(3000) .. 'etc/passwd'):read('a'))", 1, "nil value" },
  { "hidden file", "print(io.open('.env'):read('a'))", 7, "it is hidden" },
  { "hidden folder", "print(io.open('sub/../.git/config'):read('a'))", 7, "it is hidden" },
  { "named pipe", "print(io.open('fifo'):read('a'))", 1, "attempt to index a nil value" },
  { "device", "print(io.open('/dev/zero'):read(10))", 7, OUTSIDE },
  { "lines of a file outside", "for l in io.lines '../secret/secret.txt' do print(l) end", 7, OUTSIDE },
  { "input redirected", "io.input('../secret/secret.txt') print(io.read('a'))", 0, "\n" },
  { "dofile outside", "print(dofile '../secret/other.lua')", 7, OUTSIDE },
  { "loadfile outside", "print(loadfile '../secret/other.lua')", 7, OUTSIDE },
  { "dofile of a link", "print(dofile 'included.lua')", 7, OUTSIDE },
  { "folder above", "for n in require 'lfs'.dir '..' do print(n) end", 7, OUTSIDE },
  { "root folder", "for n in require 'lfs'.dir '/' do print(n) end", 7, OUTSIDE },
  { "folder with a link that leads out", "for n in require 'lfs'.dir 'site' do print(n) end", 7, OUTSIDE },
  { "does a file exist outside", "print(require 'lfs'.attributes('../secret/secret.txt', 'size'))", 7,
    OUTSIDE },
  { "does another not exist, either", "print(require 'lfs'.attributes('../secret/none'))", 7, OUTSIDE },
  { "chdir", "require 'lfs'.chdir '..' print(io.open('secret/secret.txt'):read('a'))", 7,
    "may not call lfs.chdir" },
  { "touch", "require 'lfs'.touch 'data.bin'", 7, "may not call lfs.touch" },
  { "link made by lfs", "require 'lfs'.link('../secret', 'l', true)", 7, "may not call lfs.link" },
  { "write", "io.open('out.txt', 'w'):write('x'):close()", 7, "may not write out.txt" },
  { "append", "io.open('data.bin', 'a'):write('x')", 7, "may not write data.bin" },
  { "update", "io.open('data.bin', 'r+')", 1, "reads files or writes them" },
  { "write outside", "io.open('../x', 'w')", 7, "may not write ../x" },
  { "remove", "os.remove 'data.bin'", 7, "may not remove files" },
  { "rename", "os.rename('data.bin', 'x')", 7, "may not rename files" },
  { "temporary name", "os.tmpname()", 7, "may not make temporary files" },
  { "temporary file", "io.tmpfile()", 7, "may not make temporary files" },
  { "folder made", "require 'lfs'.mkdir 'x'", 7, "may not call lfs.mkdir" },
  { "the program's way to write", "require 'moonflash.files'.write('x', 'y')", 1, "nil value" },
  { "the program's way to read", "print(require 'moonflash.files'.read('../secret/secret.txt'))", 7,
    OUTSIDE },
  { "trusted permissions of its own",
    "print(require 'moonflash.permissions'.trusted('/'):read('etc/passwd'))", 7, OUTSIDE },
}

-- ---- programs, environment, code ----

add {
  { "os.execute", "os.execute 'touch x'", 7, "--allow=exec" },
  { "io.popen", "print(io.popen('id'):read('a'))", 7, "--allow=exec" },
  { "io.popen to write", "io.popen('sh', 'w')", 7, "may not write to other programs" },
  { "os.exit with success", "os.exit(0)", 7, "may not end the program" },
  { "os.exit in a coroutine", "coroutine.wrap(function() os.exit(true, true) end)()", 7,
    "may not end the program" },
  { "environment", "print(os.getenv 'HOME')", 7, "--allow=env=HOME" },
  { "locale", "os.setlocale 'C'", 7, "language" },
  { "loadlib", "package.loadlib('/lib/x86_64-linux-gnu/libc.so.6', 'system')", 7, "may not load programs" },
  { "a C module of its own", "package.cpath = './?.so' require 'evil'", 1, "module 'evil' not found" },
  { "a C module of the machine", "require 'luasql.sqlite3'", 1, "not found" },
  { "searchers", "table.insert(package.searchers, 1, print)", 1, "nil" },
  { "searchpath", "print(package.searchpath('x', '/etc/?'))", 1, "nil" },
  { "preload", "package.preload.x = function() return io.open '../secret/secret.txt' end require 'x'",
    7, OUTSIDE },
  { "package.path outside", "package.path = '../secret/?.lua' print(require 'other')", 7, OUTSIDE },
  { "absolute package.path", "package.path = (...) .. '/secret/?.lua' print(require 'other')", 7,
    OUTSIDE },
  { "a module's name with dots", "print(require '..secret.other')", 1, "is no module name" },
  { "a module's name with slashes", "print(require '../secret/other')", 1, "is no module name" },
  { "a module that is a link", "print(require 'included')", 7, OUTSIDE },
  { "a module of the program replaced", "package.loaded['moonflash.files'] = nil"
    .. " package.preload['moonflash.files'] = function() return { read = print } end"
    .. " print(require 'moonflash'.recipe)", 0, "function" },
  { "bytecode", "print(load('\\27Lua\\x54\\0\\x19\\x93\\r\\n\\x1a\\n'))", 0,
    "attempt to load a binary chunk" },
  { "bytecode piece by piece", "local t = { '\\27', 'Lua' } local i = 0"
    .. " print(load(function() i = i + 1 return t[i] end))", 0, "attempt to load a binary chunk" },
  { "bytecode asked for", "print(load('\\27Lua', 'x', 'b'))", 0, "nil" },
  { "string.dump", "print(string.dump(function() end))", 1, "may not make bytecode" },
  { "string.dump by a string", "print(('').dump(print))", 1, "may not make bytecode" },
  { "registry", "print(debug.getregistry())", 1, "nil" },
  { "upvalues", "print(debug.getupvalue(require, 1))", 1, "nil" },
  { "debug.setmetatable", "debug.setmetatable('', {})", 1, "nil" },
  { "debug.sethook", "debug.sethook()", 1, "nil" },
  { "debug.getinfo", "debug.getinfo(1)", 1, "nil" },
  { "debug as a module", "require 'debug'.getregistry()", 1, "nil" },
  { "load with an environment", "print(load('return io', 'x', 't', { io = 5 })(),"
    .. " pcall(load('return io.x', 'x', 't', {})))", 0, "5\tfalse" },
  { "the string metatable", "getmetatable('').__index = function() return print end", 1, "boolean" },
  { "string functions replaced", "string.format = os.execute string.rep = error print(1)", 0, "1" },
  { "globals replaced", "error, pcall, type, next, tostring = nil print(#require 'moonflash'.KiB)", 1,
    "attempt to get length" },
  { "confinement from within", "require 'moonflash.confine'.run('', 'x', {}, {})", 1, "nil value" },
  { "the program's esp", "local e = require 'esp' print(e.embedded, e.on_interrupt, e.process, e.exec,"
    .. " e.guest, e.folder, e.limit_memory, e.write_file, e.keyboard, e.serve, e.terminal)", 0,
    ("nil\t"):rep(10) .. "nil" },
}

-- ---- ports ----

add {
  { "another port", "assert(require 'esp'.open '/dev/ttyS0')", 7, "--allow=ports" },
  { "a file as a port", "assert(require 'esp'.open '/etc/passwd')", 7, "--allow=ports" },
  { "the terminal", "assert(require 'esp'.open '/dev/tty')", 7, "--allow=ports" },
  { "a simulated chip in a file", "assert(require 'esp'.open('sim:' .. (...) .. '/x.flash'))", 7,
    "--allow=ports" },
  { "a simulated chip with a ROM", "assert(require 'esp'.open 'sim:?rom=/etc/passwd')", 7,
    "--allow=ports" },
  { "the same, written otherwise", "assert(require 'esp'.open 'sim:?size=1M&%72om=/etc/passwd')", 7,
    "--allow=ports" },
  { "the network", "assert(require 'esp'.open 'rfc2217://127.0.0.1:1')", 7, "--allow=net" },
  { "a port that has no name", "require 'esp'.open(nil)", 2, "a port has a name" },
  { "the list of ports", "require 'esp'.ports()", 7, "--allow=ports" },
  { "esp.sim with a file", "require 'esp'.sim { flash = (...) .. '/x.flash' }", 7, "--allow=ports" },
  { "esp.sim with a ROM", "require 'esp'.sim { rom = '/etc/passwd' }", 7, "rom = /etc/passwd" },
  { "esp.sim with faults from a file", "require 'esp'.sim { faults = '/etc/passwd' }", 7,
    "faults = /etc/passwd" },
  { "esp.sim with more in a value", "require 'esp'.sim { size = '1M&rom=/etc/passwd' }", 7, "size" },
  { "a hundred chips", "local t = {} for i = 1, 100 do t[i] = require 'esp'.sim { size = '16M' } end",
    7, "so many ports" },
  { "the program's device on another port",
    "require 'moonflash.device'.open { port = '/dev/ttyS0', baud = 'auto' }", 7, "--allow=ports" },
  { "a port's methods on something else",
    "local p = require 'esp'.open 'sim:' p.close({}) p.write(io.stdout, 'x')", 1, "with a colon" },
  { "a port's metatable", "local p = require 'esp'.open 'sim:' print(getmetatable(p)) p.read = print",
    1, "belongs to the program" },
}

-- ---- time, memory, errors ----

add {
  { "endless loop", LOOP, 7, "computed for more than 0.2 s", STOP },
  { "endless loop that catches", "while true do pcall(function() " .. LOOP .. " end) end", 7,
    "computed", STOP },
  { "endless loop in a coroutine", "coroutine.wrap(function() " .. LOOP .. " end)()", 7, "computed", STOP },
  { "endless loops of coroutines",
    "while true do pcall(coroutine.wrap(function() " .. LOOP .. " end)) end", 7, "computed", STOP },
  { "bad pattern", "print(('x'):rep(3e4):find('x*x*y'))", 7, "computed", STOP },
  { "worse pattern", "print(('a'):rep(40):match(('a?'):rep(40) .. ('a'):rep(40)))", 7, "computed", STOP },
  { "__close that loops",
    "local x <close> = setmetatable({}, { __close = function() " .. LOOP .. " end })", 7, "computed", STOP },
  { "__gc", "setmetatable({}, { __gc = function() " .. LOOP .. " end })", 1, "may not use __gc" },
  { "__gc put in later", "local m = {} setmetatable({}, m) m.__gc = function() print 'gc' end"
    .. " collectgarbage()", 0, "" },
  { "sort that loops", "table.sort({ 1, 2, 3 }, function() " .. LOOP .. " end)", 7, "computed", STOP },
  { "sort with a bad order", "local t = {} for i = 1, 1000 do t[i] = i end"
    .. " table.sort(t, function() return true end)", 1, "invalid order function" },
  { "__index that loops", "local t = setmetatable({}, {}) getmetatable(t).__index = t print(t.x)", 1,
    "loop" },
  { "load that never ends", "load(function() return ' ' end)", 7, "memory" },
  { "long string", "local s = ('x'):rep(1e9)", 7, "needs more memory than the 256 MB" },
  { "string that doubles", "local s = 'x' while true do s = s .. s end", 7, "memory" },
  { "long table.concat", "table.concat(setmetatable({}, { __index = function() return ('x'):rep(1e6)"
    .. " end }), '', 1, 1e9)", 7, "memory" },
  { "big table", "local t = {} for i = 1, 1e9 do t[i] = i end", 7, "memory" },
  { "many coroutines", "local t = {} for i = 1, 1e7 do t[i] = coroutine.create(print) end", 7, "memory" },
  { "memory within a smaller limit", "local s = ('x'):rep(3e6)", 7, "more memory than the 2 MB",
    { "--allow=memory=2M" } },
  { "deep recursion", "local function f() return 1 + f() end f()", 1, "stack overflow" },
  { "deep recursion in C", "local function f(s) return s:gsub('.', f) end f 'x'", 1, "overflow" },
  { "deep nesting of text", "load(('('):rep(1e5))()", 1, "nil" },
  { "long format", "print(('%99999d'):format(1))", 1, "invalid" },
  { "unpack of too much", "table.unpack({}, 1, 1e8)", 1, "too many results" },
  { "too much at once", "print(('x'):rep(40e6))", 1, "too much at once" },
  { "too deep a table", "local t = {} for i = 1, 1e4 do t = { t } end require 'moonflash'.recipe(t)", 1,
    "too deep" },
  { "too many objects", "for i = 1, 1e6 do require 'moonflash'.bytes(0x1000, 'x') end", 7,
    "so many of the program's objects" },
  { "error whose text loops", "error(setmetatable({}, { __tostring = function() " .. LOOP .. " end }))",
    7, "computed", STOP },
  { "error whose text fails", "error(setmetatable({}, { __tostring = function() error 'x' end }))", 1,
    "cannot be shown" },
  { "error whose text is none", "error(setmetatable({}, { __tostring = function() return {} end }))", 1,
    "cannot be shown" },
  { "error that is nothing", "error()", 1, "nil" },
  { "error with control characters", "error('\\27[2J\\27]0;pwned\\7\\0end', 0)", 1, "\\x1b[2J" },
  { "error of ten megabytes", "error(('x'):rep(1e7), 0)", 1, "xxx..." },
  { "error that says success", "error { code = 'script', message = 'm', exit = 0 }", 1, "m" },
  { "error that says interrupted", "error { code = 'interrupted', message = 'm' }", 1, "m" },
  { "error that says the chip has changed", "error { code = 'chip_changed', message = 'm' }", 1, "m" },
  { "error of an unknown code", "error { code = {}, message = 'm' }", 1, "m" },
  { "error with a hint that has control characters",
    "error { code = 'script', message = 'm', hint = '\\27[2J' }", 1, "\\x1b[2J" },
  { "a refusal made harmless", "local _, e = pcall(os.exit, 0) e.exit, e.code = 0, nil error(e)", 7,
    "may not end the program" },
  { "a handler that raises", "print(xpcall(os.execute, function() error 'x' end, 'touch x'))", 0, "false" },
  { "a handler that loops", "xpcall(os.execute, function() " .. LOOP .. " end, 'x')", 7, "computed", STOP },
  { "a refusal swallowed", "print(pcall(os.execute, 'touch x'))", 0, "false" },
  { "printed control characters", "print '\\27[2Jgone\\7' io.write '\\27]0;t\\7\\n' io.stderr:write '\\27c'"
    .. " print '\\xc2\\x9b31m'", 0, "\\x1b[2Jgone\\x07" },
}

-- ---- what the program does for a recipe ----

local function recipe(fields)
  return "local mf = require 'moonflash' return mf.recipe { api = 1, " .. fields .. " }"
end
local function parts(text) return recipe("parts = { " .. text .. " }") end
local function hook(text) return recipe("parts = { mf.bytes(0x1000, 'abcd') }, " .. text) end
local function test(text) return hook("test = { " .. text .. " }") end
local RUN <const>, TEST <const> = { "-p", "sim:", recipe = true }, { test = true }

add {
  { "part outside", parts "mf.file(0x1000, '../secret/secret.txt')", 7, OUTSIDE, RUN },
  { "part by a link", parts "mf.file(0x1000, 'link')", 7, OUTSIDE, RUN },
  { "part with an absolute path", parts "mf.file(0x1000, '/etc/passwd')", 7, OUTSIDE, RUN },
  { "firmware outside", parts "mf.firmware '../secret/secret.txt'", 7, OUTSIDE, RUN },
  { "firmware in a folder outside", parts "mf.firmware '../secret'", 7, OUTSIDE, RUN },
  { "files by a link to a folder", parts "mf.spiffs('linkdir', { where = 0x100000 })", 7, OUTSIDE, RUN },
  { "files with a link among them", parts "mf.spiffs('site', { where = 0x100000 })", 7, OUTSIDE, RUN },
  { "files above", parts "mf.spiffs('..', { where = 0x100000 })", 7, OUTSIDE, RUN },
  { "hidden files", parts "mf.spiffs('.git', { where = 0x100000 })", 7, "it is hidden", RUN },
  { "init data outside", parts "mf.init_data { file = '../secret/secret.txt', where = 0x3fc000 }", 7,
    OUTSIDE, RUN },
  { "LFS outside", parts "mf.lfs '../secret/secret.txt'", 7, OUTSIDE, RUN },
  { "backup outside", parts "mf.backup '/etc/passwd'", 7, OUTSIDE, RUN },
  { "template outside", parts "mf.file(0x1000, 'link', { template = true })", 7, OUTSIDE, RUN },
  { "units outside", recipe "units = '../secret/units.csv', parts = { mf.bytes(0x1000, '{{key}}', { template = true }) }", 7, OUTSIDE, RUN },
  { "include of a link", recipe "include = 'included.lua'", 7, OUTSIDE, RUN },
  { "include of another folder", recipe "include = '../secret/other.lua'", 2, "another folder", RUN },
  { "label", parts "mf.bytes(0x1000, 'abcd'), mf.label('../label.txt', 'x')", 7, "may not write", RUN },
  { "label where it may write, and up",
    parts "mf.bytes(0x1000, 'abcd'), mf.label('out/../../label.txt', 'x')", 7, "may not write",
    { "-p", "sim:", "--allow=write=DIR/proj/out", recipe = true } },
  { "a part of its own making", parts "{ kind = 'file', addr = 0x1000, path = '../secret/secret.txt' }",
    2, "part", RUN },
  { "a part changed", "local p = require 'moonflash'.file(0x1000, 'data.bin') p.path = '../secret/secret.txt'", 1, "belongs to the program" },
  { "a part changed by rawset", "local mf = require 'moonflash' local p = mf.file(0x1000, 'data.bin') rawset(p, 'path', '../secret/secret.txt') return mf.recipe { api = 1, parts = { p } }", 0,
    "ok: 4096 bytes verified", RUN },
  { "a recipe with a metatable", "local mf = require 'moonflash' return mf.recipe(setmetatable({}, { __index = function() " .. LOOP .. " end }))", 2, "api", RUN },
  { "a path that is an object", parts "mf.file(0x1000, setmetatable({}, { __tostring = error, __concat = error }))", 2, "a file name is wanted", RUN },
  { "a path that is a function", parts "mf.file(0x1000, function() return '/etc/passwd' end)", 2,
    "a file name is wanted", RUN },
  { "a pretended recipe", "return setmetatable({ run = os.exit, api = 1 }, { __name = 'moonflash.recipe' })",
    0, "", RUN },
  { "the library's functions replaced", "local mf = require 'moonflash' mf.recipe = function(t) return t end return mf.recipe { api = 1, parts = { mf.file(0, '/etc/passwd') } }", 0, "", RUN },
  { "a hook of ours", hook "before = os.exit", 7,
    "may not end the program", RUN },
  { "a hook that is a function of the program's",
    hook "before = require 'esp'.open", 2, "a port has a name", RUN },
  { "a hook that yields", hook "before = coroutine.yield", 1,
    "yield", RUN },
  { "a hook that goes to another board", hook "before = function(dev) dev.port_name = '/dev/ttyS0' end", 1, "belongs to the program", RUN },
  { "a hook with another's methods", hook "before = function(dev) dev.flash({ loader = {} }) end", 1, "with a colon", RUN },
  { "a hook that reads out of range", hook "before = function(dev) dev:read(-1, 1e15) end", 1, "", RUN },
  { "a log line with control characters", hook "before = function(dev) dev:log('\\27[2J%s', '\\7') dev:show '\\27c' end", 0, "?[2J?", RUN },
  { "a refusal with control characters", hook "before = function(dev) dev:refuse('\\27[2J', '\\27c') end", 5, "\\x1b[2J", RUN },
  { "a part's name with control characters", parts "mf.bytes(0x1000, 'abcd', '\\27[2J')", 0, "ok:", RUN },
  { "a stage's name with control characters", recipe("stages = { { name = 'a\\27[2Jb', parts = { mf.bytes(0x1000,"
    .. " 'abcd') } }, { name = '\\1\\27c', parts = { mf.bytes(0x2000, 'abcd') } } }"), 0, "ok:", RUN },
  { "a test's name with control characters", test "name = '\\27[2J', expect = function(t) t:expect(true, '\\27c') end",
    0, "ok:", TEST },
  { "help with control characters", hook "about = '\\27[2Jabout', params = { x = { help = '\\27chelp' } }", 0,
    "[2Jabout", { "--quiet", "-b", "auto", recipe = true, help = true } },
  { "a bad pattern on the console", recipe "parts = { mf.bytes(0x1000, ('x'):rep(64)) }, after = function(dev) dev:match(('.-'):rep(30) .. '\\1', 5) end", 8, "", { "-p", "sim:",
    "--allow=time=0.2", recipe = true } },
  { "test: a file outside expected", test "expect = function(t) t:expect_region(0x1000, '../secret/secret.txt') end", 7, OUTSIDE, TEST },
  { "test: a file outside put on the board", test "given = function(t) t:put_file(0, 'link') end", 7, OUTSIDE, TEST },
  { "test: another file as the board", test "expect = function(t) t.put({ file = 'DIR/secret/secret.txt' }, 0, 'overwritten') end", 1, "with a colon",
    TEST },
  { "test: the board's file changed", test "expect = function(t) t.file = 'DIR/secret/secret.txt' end", 1, "belongs to the program", TEST },
  { "test: a board with a ROM", test "board = { rom = '/etc/passwd' }", 7, "rom = /etc/passwd", TEST },
  { "test: a board with more in a value", test "board = { size = '4M&rom=/etc/passwd' }", 7, "size", TEST },
  { "test: an option that is none", test "board = { ['x&rom'] = '/etc/passwd' }", 2, "there is no", TEST },
  { "test: much flash read", test "expect = function(t) t:expect_blank(0, 1e12 // 1) end", 1, "", TEST },
  { "test: a result with a line of its own", test "expect = function(t) t:expect(false, 'x\\nok: all is well') end", 1, "expectations failed", TEST },
}

local function name_of(case) return "test_" .. case[1]:lower():gsub("[^%w]+", "_") end

for _, case in ipairs(cases) do
  local name = name_of(case)
  assert(not TestEscape[name], name)
  TestEscape[name] = function(self)
    local copy = { table.unpack(case) }
    copy[2] = copy[2]:gsub("DIR", self.dir)
    if copy[5] then
      copy[5] = {}
      for k, v in pairs(case[5]) do
        copy[5][k] = type(v) == "string" and v:gsub("DIR", self.dir) or v
      end
    end
    run_case(self, copy)
  end
end

os.exit(lu.LuaUnit.run())
