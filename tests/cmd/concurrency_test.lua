-- Many programs at once: on one port exactly one, on many ports all of them; a port
-- that comes back under another name.
package.path = "tests/cmd/?.lua;" .. package.path
local esp = require "esp"
local harness = require "harness"
local lu = require "luaunit"

local HELLO <const> = "examples/hello/hello.bin"
-- RACES=1000 is the long form.
local RACES <const> = math.tointeger(tonumber(os.getenv "RACES" or 50))
local CHIPS <const> = 20

TestConcurrency = {}

function TestConcurrency:setUp() self.dir = harness.directory() end
function TestConcurrency:tearDown() harness.remove(self.dir) end

-- Starts the program; its end and its words come from finish().
local function start(...)
  return assert(esp.process.spawn { harness.program, ... })
end

-- What it said, its exit code and when it had ended.
local function finish(p)
  local pieces = {}
  while true do
    local bytes = p:read "output"
    if not bytes then break end
    pieces[#pieces + 1] = bytes
    if bytes == "" then esp.sleep(1) end
  end
  local how, code
  repeat how, code = p:wait() until how
  p:close()
  return table.concat(pieces), how == "exit" and code or how .. " " .. code
end

-- A terminal with a chip behind it, for as long as the process lives.
function TestConcurrency:terminal(board)
  local link = self.dir .. "/tty"
  local p = start("sim", board or self.dir .. "/chip.flash", "--pty", link, "--seconds", "120")
  local said = ""
  repeat
    said = said .. assert(p:read "output", said)
    esp.sleep(1)
  until said:find(link, 1, true)
  return link, p
end

-- Opens the port, says so, holds it until the file is there.
local HOLD <const> = [[
local esp, lfs = require "esp", require "lfs"
local p, why, code = esp.open("%s")
print(p and "open" or code .. " " .. why)
io.stdout:flush()
while p and not lfs.attributes("%s") do esp.sleep(1) end
]]

local function first_line(p)
  local said = ""
  repeat
    local bytes = p:read "output"
    said = said .. (bytes or "\n")
    if bytes == "" then esp.sleep(1) end
  until said:find "\n"
  return said:match "^[^\n]*"
end

function TestConcurrency:test_of_two_programs_on_one_port_exactly_one_wins_and_is_named()
  local link, chip = self:terminal()
  for race = 1, RACES do
    local over = ("%s/over-%d"):format(self.dir, race)
    local code = HOLD:format(link, over)
    local a, b = start("-e", code), start("-e", code)
    local said = { first_line(a), first_line(b) }
    local winner, loser, other = a, said[2], said[1]
    if said[1] ~= "open" then winner, loser, other = b, said[1], said[2] end
    lu.assertEquals(other, "open", table.concat(said, " | "))
    lu.assertStrContains(loser, "busy ")
    lu.assertStrContains(loser, ("process %d ("):format(winner:pid()))
    harness.write(over, "")
    finish(a)
    finish(b)
  end
  chip:close()
end

function TestConcurrency:test_the_second_command_is_refused_at_once()
  local link, chip = self:terminal()
  local over = self.dir .. "/over"
  local holder = start("-e", HOLD:format(link, over))
  lu.assertEquals(first_line(holder), "open")
  local since = esp.clock()
  local said, code = finish(start("-p", link, "write", "0x0", HELLO))
  lu.assertEquals(code, 3, said)
  lu.assertStrContains(said, ("process %d ("):format(holder:pid()))
  lu.assertTrue(esp.clock() - since < 2, "not at once")
  harness.write(over, "")
  finish(holder)
  chip:close()
end

function TestConcurrency:test_twenty_programs_on_twenty_chips_do_not_touch_each_other()
  local running, image = {}, harness.read(HELLO)
  for i = 1, CHIPS do
    local flash = ("%s/%d.flash"):format(self.dir, i)
    harness.write(flash, string.char(i):rep(0x80000))
    running[i] = start("-p", ("sim:%s?size=512K"):format(flash), "write", "0x10000", HELLO)
  end
  for i = 1, CHIPS do
    local said, code = finish(running[i])
    lu.assertEquals(code, 0, said)
    local flash = harness.read(("%s/%d.flash"):format(self.dir, i))
    lu.assertEquals(flash:sub(0x10001, 0x10000 + #image), image)
    lu.assertEquals(flash:sub(1, 0x10000), string.char(i):rep(0x10000))
    lu.assertEquals(flash:sub(0x11001), string.char(i):rep(0x80000 - 0x11000))
  end
end

function TestConcurrency:test_two_programs_do_not_share_a_simulated_chip()
  local flash = self.dir .. "/board.flash"
  local over = self.dir .. "/over"
  local port = ("sim:%s?size=512K"):format(flash)
  local holder = start("-e", HOLD:format(port, over))
  lu.assertEquals(first_line(holder), "open")
  local said, code = finish(start("-p", port, "write", "0x0", HELLO))
  lu.assertEquals(code, 3, said)
  lu.assertStrContains(said, "moonflash: ")
  harness.write(over, "")
  finish(holder)
end

function TestConcurrency:test_a_port_under_a_link_that_points_elsewhere_now_is_the_new_one()
  local link, chip = self:terminal()
  local said, code = finish(start("-p", link, "-b", "115200", "info"))
  lu.assertEquals(code, 0, said)
  chip:close()
  said, code = finish(start("-p", link, "info"))
  lu.assertEquals(code, 3, said)
  lu.assertNotStrContains(said, "traceback")
  os.remove(link)
  local _, other = self:terminal()
  said, code = finish(start("-p", link, "-b", "115200", "info"))
  lu.assertEquals(code, 0, said)
  other:close()
end

function TestConcurrency:test_a_port_that_vanishes_in_the_middle_is_reported_as_such()
  local link, chip = self:terminal()
  local reader = start("-p", link, "-b", "115200", "read", "0x0", "all", self.dir .. "/all.bin")
  local said = ""
  repeat
    said = said .. assert(reader:read "output", said)
    esp.sleep(1)
  until said:find "flash"
  esp.sleep(100)
  chip:close()
  local since = esp.clock()
  local rest, code = finish(reader)
  lu.assertEquals(code, 3, said .. rest)
  lu.assertStrContains(rest, "moonflash: ")
  lu.assertTrue(esp.clock() - since < 40, "too long")
  lu.assertNil(io.open(self.dir .. "/all.bin"))
end

-- The same board, plugged in again in the middle of a write: the link leads to
-- another terminal now.
function TestConcurrency:test_a_port_that_comes_back_under_another_name_is_found_again()
  local board, file = self.dir .. "/board.flash", self.dir .. "/noise.bin"
  local bytes = {}
  for i = 1, 40960 do bytes[i] = string.char(math.random(0, 255)) end
  bytes = table.concat(bytes)
  harness.write(board, ("\xff"):rep(0x80000))
  harness.write(file, bytes)
  local link, chip = self:terminal(board)
  local writer = start("-p", link, "-b", "115200", "write", "0x10000", file)
  local said = ""
  repeat
    said = said .. assert(writer:read "output", said)
    esp.sleep(1)
  until harness.read(board):sub(0x10001, 0x10010) == bytes:sub(1, 16)
  chip:close()
  os.remove(link)
  local _, again = self:terminal(board)
  local rest, code = finish(writer)
  lu.assertEquals(code, 0, said .. rest)
  lu.assertStrContains(said .. rest, "waiting for it to come back")
  again:close()
  lu.assertEquals(harness.read(board):sub(0x10001, 0x10000 + #bytes), bytes)
end

-- ---- two writers of one file ----

-- Names in the test's folder that begin so.
function TestConcurrency:beside(name)
  local names = {}
  for entry in require("lfs").dir(self.dir) do
    if entry:sub(1, #name) == name and entry ~= name then names[#names + 1] = entry end
  end
  table.sort(names)
  return names
end

function TestConcurrency:board(letter)
  local path = self.dir .. "/board-" .. letter
  harness.write(path, letter:rep(0x80000))
  return "sim:" .. path
end

function TestConcurrency:test_what_another_program_is_writing_is_left_alone()
  local out, port = self.dir .. "/out.bin", self:board "a"
  for _, words in ipairs { { "read", "0x0", "8k" }, { "backup" } } do
    harness.write(out .. ".part", "half of another's")
    local args = {}
    for i, word in ipairs(words) do args[i] = harness.quote(word) end
    local said, err, code = harness.shell(("( exec 9<>%s.part; flock -n 9 && exec %s -p %s %s %s )")
      :format(out, harness.quote(harness.program), port, table.concat(args, " "), out))
    lu.assertEquals(code, 0, err .. said)
    lu.assertEquals(harness.read(out):sub(1, 0x2000), ("a"):rep(0x2000))
    lu.assertEquals(harness.read(out .. ".part"), "half of another's")
    os.remove(out .. ".part")
    lu.assertEquals(self:beside "out.bin", {})
  end
end

function TestConcurrency:test_what_a_killed_program_has_left_is_taken_over()
  local out = self.dir .. "/out.bin"
  harness.write(out .. ".part", ("left"):rep(0x4000))
  local said, err, code = harness.run("-p", self:board "a", "read", "0x0", "8k", out)
  lu.assertEquals(code, 0, err .. said)
  lu.assertEquals(harness.read(out), ("a"):rep(0x2000))
  lu.assertEquals(self:beside "out.bin", {})
end

function TestConcurrency:test_of_many_writers_of_one_file_each_leaves_a_whole_one()
  local out, running = self.dir .. "/out.bin", {}
  for i = 1, 8 do
    running[i] = start("-q", "-p", self:board(string.char(96 + i)), "read", "0x0", "256k", out)
  end
  for _, p in ipairs(running) do
    local said, code = finish(p)
    lu.assertEquals(code, 0, said)
  end
  local bytes = harness.read(out)
  lu.assertTrue(bytes:find "^[a-h]" and bytes == bytes:sub(1, 1):rep(0x40000), #bytes)
  lu.assertEquals(self:beside "out.bin", {})
end

function TestConcurrency:test_a_file_of_the_users_beside_the_output_stays()
  local out = self.dir .. "/out.bin"
  harness.write(out .. ".try", "precious")
  local said, err, code = harness.run("-p", self:board "a", "read", "0x0", "8k", out)
  lu.assertEquals(code, 0, err .. said)
  lu.assertEquals(harness.read(out .. ".try"), "precious")
end

os.exit(lu.LuaUnit.run())
