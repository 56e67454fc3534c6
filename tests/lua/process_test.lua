-- The binding to processes: children of the program and other programs.
local esp = require "esp"
local lu = require "luaunit"
local process = esp.process

TestProcess = {}

-- All that a process writes until it ends: output, events, how, number.
local function all(p)
  local out, events = {}, {}
  local function take(list, stream)
    local s = p:read(stream)
    list[#list + 1] = s
    return s ~= nil
  end
  while true do
    local more_out, more_events = take(out, "output"), take(events, "events")
    if not (more_out or more_events) then break end
    process.poll({ p }, 1000)
  end
  local till = esp.clock() + 5
  while not p:wait() and esp.clock() < till do esp.sleep(1) end
  return table.concat(out), table.concat(events), p:wait()
end

local function zombies()
  local f <close> = io.popen("ps -o stat= --ppid " .. TestProcess.self)
  local _, n = f:read("a"):gsub("Z", "")
  return n
end

function TestProcess:setUp()
  local f <close> = io.open("/proc/self/stat")
  TestProcess.self = f:read("n")
end

function TestProcess:test_a_child_sends_events_prints_and_ends_with_its_code()
  local p = assert(process.fork(function(events)
    events:write("one\n")
    print("said")
    io.stderr:write("and cried\n")
    events:write(("x"):rep(200000))
    return 7
  end))
  local out, events, how, code = all(p)
  lu.assertEquals(out, "said\nand cried\n")
  lu.assertEquals(events, "one\n" .. ("x"):rep(200000))
  lu.assertEquals({ how, code }, { "exit", 7 })
end

function TestProcess:test_an_error_in_a_child_stays_there_and_is_told()
  local p = assert(process.fork(function() error("no luck", 0) end))
  local out, _, how, code = all(p)
  lu.assertEquals(out, "no luck\n")
  lu.assertEquals({ how, code }, { "exit", 1 })
end

function TestProcess:test_a_child_sees_what_was_there_and_changes_nothing_of_it()
  local t = { 1 }
  local p = assert(process.fork(function() t[1] = t[1] + 1 return t[1] end))
  local _, _, _, code = all(p)
  lu.assertEquals({ code, t[1] }, { 2, 1 })
end

function TestProcess:test_a_child_has_no_input_and_what_is_buffered_is_written_once()
  local p = assert(process.fork(function() return io.read("a") == "" and 3 or 4 end))
  local _, _, _, code = all(p)
  lu.assertEquals(code, 3)
end

function TestProcess:test_a_killed_child_says_by_which_signal()
  local p = assert(process.fork(function() while true do esp.sleep(1000) end end))
  lu.assertNil(p:wait())
  lu.assertTrue(p:kill("kill"))
  local _, _, how, number = all(p)
  lu.assertEquals({ how, number }, { "signal", 9 })
  lu.assertFalse(p:kill("kill"))
end

function TestProcess:test_sigterm_interrupts_lua_in_a_child()
  esp.on_interrupt("stopped")
  local p = assert(process.fork(function(events)
    events:write("here")
    while true do end
  end))
  process.poll({ p }, 5000)
  p:kill("term")
  local out, events, how, code = all(p)
  lu.assertEquals({ events, how, code }, { "here", "exit", 1 })
  lu.assertStrContains(out, "stopped")
end

function TestProcess:test_closing_kills_and_leaves_no_zombie()
  do
    local p <close> = assert(process.fork(function() while true do esp.sleep(1000) end end))
    lu.assertNil(p:wait())
  end
  local q = assert(process.spawn { "sleep", "100" })
  q:close()
  q:close()
  q = nil
  lu.assertEquals(zombies(), 0)
end

function TestProcess:test_a_sibling_may_close_its_copy_and_kills_nobody()
  local first <close> = assert(process.fork(function() while true do esp.sleep(1000) end end))
  local second = assert(process.fork(function()
    local killed = first:kill("kill")
    first:close()
    return killed and 1 or 0
  end))
  local _, _, _, code = all(second)
  lu.assertEquals(code, 0)
  lu.assertNil(first:wait())
end

function TestProcess:test_a_program_gets_words_environment_and_input_and_no_shell()
  local p = assert(process.spawn { "sh", "-c", 'echo "$1|$COLOUR|$HOME"; cat; exit 5', "x",
    "$(echo no) *", env = { COLOUR = "red and blue" }, input = "line\n" })
  local out, _, how, code = all(p)
  lu.assertEquals(out, "$(echo no) *|red and blue|" .. os.getenv("HOME") .. "\nline\n")
  lu.assertEquals({ how, code }, { "exit", 5 })
end

function TestProcess:test_a_variable_that_was_there_is_replaced_not_doubled()
  local p = assert(process.spawn { "env", env = { HOME = "/elsewhere" } })
  local out = all(p)
  local _, n = ("\n" .. out):gsub("\nHOME=", "")
  lu.assertEquals(n, 1)
  lu.assertStrContains(out, "HOME=/elsewhere\n")
end

function TestProcess:test_a_program_that_there_is_not_is_an_error_at_once()
  local p, message, code = process.spawn { "/no/such/program" }
  lu.assertNil(p)
  lu.assertEquals({ message, code }, { "/no/such/program: No such file or directory", "missing" })
  lu.assertEquals(zombies(), 0)
end

function TestProcess:test_a_program_inherits_no_descriptor_and_no_ignored_signal()
  local f <close> = assert(io.open("/dev/null"))   -- Lua's files are not close-on-exec
  local first <close> = assert(process.fork(function() while true do esp.sleep(1000) end end))
  local signals <close> = assert(process.signals())
  local out = all(assert(process.spawn { "sh", "-c", "ls /proc/$$/fd" }))
  lu.assertEquals(out, "0\n1\n2\n")
  out = all(assert(process.spawn { "grep", "-E", "Sig(Blk|Ign)", "/proc/self/status" }))
  lu.assertStrContains(out, "SigBlk:\t0000000000000000")
  -- what whoever started the tests ignores (SIGQUIT in the background) is not ours
  local ignored, ours = tonumber(out:match("SigIgn:\t(%x+)"), 16), 0
  for _, signal in ipairs { 1, 2, 13, 14, 15, 25 } do ours = ours | 1 << signal - 1 end
  lu.assertEquals(ignored & ours, 0)
end

function TestProcess:test_input_larger_than_a_pipe_that_nobody_reads_blocks_nothing()
  local p = assert(process.spawn { "true", input = ("x"):rep(1 << 20) })
  local _, _, how, code = all(p)
  lu.assertEquals({ how, code }, { "exit", 0 })
end

function TestProcess:test_signals_are_taken_when_asked_for_and_given_back()
  local signals = assert(process.signals())
  for _, name in ipairs { "INT", "TERM" } do   -- os.execute would ignore SIGINT meanwhile
    io.popen(("kill -%s %d"):format(name, TestProcess.self)):close()
  end
  lu.assertEquals(process.poll({ signals }, 1000), 1)
  local taken = { signals:take(), (signals:take()) }
  table.sort(taken)
  lu.assertEquals(taken, { 2, 15 })
  lu.assertNil(signals:take())
  signals:close()
end

function TestProcess:test_a_child_ends_when_its_parent_is_killed()
  local grandchild
  local p = assert(process.fork(function(events)
    local q = assert(process.fork(function() while true do end end))
    events:write(tostring(q:pid()))
    while true do esp.sleep(1000) end
  end))
  process.poll({ p }, 5000)
  grandchild = p:read("events")
  p:close()
  local till = esp.clock() + 5
  local function alive()
    local f <close> = io.open("/proc/" .. grandchild .. "/stat")
    return f and not f:read("a"):find(" Z ")
  end
  while alive() and esp.clock() < till do esp.sleep(10) end
  lu.assertFalse(alive() or false)
end

function TestProcess:test_misuse_raises()
  lu.assertErrorMsgContains("function", process.fork, 1)
  lu.assertErrorMsgContains("words", process.spawn, {})
  lu.assertErrorMsgContains("words are strings", process.spawn, { "echo", 1 })
  lu.assertErrorMsgContains("out of range", process.poll, {}, -1)
end

os.exit(lu.LuaUnit.run())
