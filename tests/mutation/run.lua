-- Would the tests notice? Puts one small mistake at a time into a copy of the tree,
-- runs the tests that concern that file, and counts the mistakes that they miss.
-- Usage: MOONFLASH=program moonflash --allow=all tests/mutation/run.lua DIR [N [SEED]] [-- FILE...]
-- DIR takes the copy; N mistakes of each file, drawn by SEED (default: all).
package.path = "tests/mutation/?.lua;" .. package.path
local equivalent = require "equivalent"
local mutants = require "mutants"

-- Which tests concern which file.
local SUBJECTS <const> = {
  { file = "lualib/moonflash/plan.lua", tests = { "tests/lua/plan_test.lua" } },
  { file = "src/loader/slip.c", tests = { "test_slip" } },
  { file = "src/loader/rom.c", tests = { "test_rom", "test_rom_stub", "test_spi" } },
  { file = "src/loader/flash_rom.c", tests = { "test_flash_rom", "test_rom" } },
  { file = "src/loader/spi.c", tests = { "test_spi" } },
}
local BUILD <const> = "make -s BUILD=b O=-O1 WARN='-w -g0'"
local COMPILE <const> = "cc -std=gnu11 -O1 -w -D_GNU_SOURCE -Isrc -c -o b/mutant.o %s"
local LINK <const> = "cc -o b/mutant b/tests/c/%s.o b/mutant.o b/all.a b/embed.o -lcmocka -lserialport "
  .. "-ldeflate -lmd -lm -ldl -lpthread"
-- What a test gets: 20 seconds, 4 GB, one seed, few random rounds.
local LIMITED <const> = "ulimit -v 4000000; SEED=%d ROUNDS=300 timeout -k 1 20 "

local function read(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read("a")
end

local function write(path, bytes)
  local f <close> = assert(io.open(path, "wb"))
  f:write(bytes)
end

local function shell(command, ...)
  local ok, _, code = os.execute("exec > /dev/null 2>&1; " .. command:format(...))
  return ok, code
end

-- Does a test pass? "killed", "late" when it did not end in time, else nil.
local function verdict(ok, code)
  if not ok then return (code == 124 or code == 137) and "late" or "killed" end
end

local function parse(words)
  local opt = { files = {}, numbers = {} }
  local list = opt.numbers
  opt.dir = assert(words[1], "which directory takes the copy?")
  for i = 2, #words do
    if words[i] == "--" then list = opt.files else list[#list + 1] = words[i] end
  end
  opt.n = tonumber(opt.numbers[1])
  opt.seed = tonumber(opt.numbers[2]) or os.time()
  return opt
end

-- The judges answer "killed" or "late" (both: the tests notice), "survived", "invalid"
-- (does not compile) or "same" (the compiler makes the same code of it).
local function judge_lua(opt, subject, text)
  if not load(text, "=mutant") then return "invalid" end
  for _, test in ipairs(subject.tests) do
    local answer = verdict(shell("cd %s/tree && " .. LIMITED .. "%s --allow=all -L . %s", opt.dir,
      opt.seed, opt.program, test))
    if answer then return answer end
  end
  return "survived"
end

local function judge_c(opt, subject)
  local function run(...) return shell("cd " .. opt.dir .. "/tree && " .. ...) end
  if not run(COMPILE:format(subject.file)) then return "invalid" end
  if read(opt.dir .. "/tree/b/mutant.o") == subject.object then return "same" end
  for _, test in ipairs(subject.tests) do
    if not run(LINK:format(test)) then return "invalid" end
    local answer = verdict(run((LIMITED .. "b/mutant"):format(opt.seed)))
    if answer then return answer end
  end
  return "survived"
end

-- The tests, and the rest of the program as an archive to link with.
local function prepare_c(opt, subject)
  local objects = {}
  for i, test in ipairs(subject.tests) do objects[i] = ("b/tests/c/%s.o"):format(test) end
  assert(shell("cd %s/tree && %s b/moonflash %s && rm -f b/src/main.o b/all.a && "
    .. "ar rcs b/all.a $(find b/src -name '*.o')", opt.dir, BUILD, table.concat(objects, " ")),
    "the tree does not build")
end

-- Without any mistake all must be well, or nothing can be said.
local function prepare(opt, subject)
  subject.text = read(opt.dir .. "/tree/" .. subject.file)
  subject.language = subject.file:match("%.(%w+)$")
  subject.judge = judge_lua
  if subject.language == "c" then
    subject.judge = judge_c
    prepare_c(opt, subject)
  end
  local answer = subject.judge(opt, subject, subject.text)
  assert(answer == "survived", subject.file .. ": the tests fail as it is: " .. answer)
  if subject.language == "c" then subject.object = read(opt.dir .. "/tree/b/mutant.o") end
end

local function drawn(list, opt)
  if not opt.n or opt.n >= #list then return list end
  math.randomseed(opt.seed)
  for i = 1, opt.n do
    local j = math.random(i, #list)
    list[i], list[j] = list[j], list[i]
  end
  return table.move(list, 1, opt.n, 1, {})
end

-- Those that change nothing anybody could notice are written down with the reason.
local function is_equivalent(subject, m)
  for _, e in ipairs(equivalent[subject.file] or {}) do
    if e[1] == m.was and e[2] == m.becomes then return true end
  end
  return false
end

local function run(opt, subject)
  local count = { killed = 0, late = 0, survived = 0, invalid = 0, same = 0, equivalent = 0 }
  for _, m in ipairs(drawn(mutants.of(subject.text, subject.language), opt)) do
    local answer = "equivalent"
    if not is_equivalent(subject, m) then
      local text = mutants.apply(subject.text, m)
      write(opt.dir .. "/tree/" .. subject.file, text)
      answer = subject.judge(opt, subject, text)
    end
    count[answer] = count[answer] + 1
    if answer == "late" then count.killed = count.killed + 1 end
    if answer == "survived" then
      print(("%s:%d: %s\n    survives as: %s"):format(subject.file, m.line, m.was, m.becomes))
    end
  end
  write(opt.dir .. "/tree/" .. subject.file, subject.text)
  return count
end

local function is_wanted(opt, subject)
  if #opt.files == 0 then return true end
  for _, file in ipairs(opt.files) do
    if file == subject.file then return true end
  end
  return false
end

io.stdout:setvbuf("line")
local opt = parse(arg)
opt.program = assert(os.getenv "MOONFLASH", "MOONFLASH names the program")
assert(shell("rm -rf %s/tree && mkdir -p %s/tree && cp -r Makefile src lualib scripts tests %s/tree",
  opt.dir, opt.dir, opt.dir))
print("# seed " .. opt.seed)
local rows, killed, survived = {}, 0, 0
for _, subject in ipairs(SUBJECTS) do
  if is_wanted(opt, subject) then
    prepare(opt, subject)
    local c = run(opt, subject)
    killed, survived = killed + c.killed, survived + c.survived
    rows[#rows + 1] = ("%-28s %6d %8d %6.1f %%   %d killed by the clock; %d equivalent, %d compile to "
      .. "the same, %d not at all"):format(subject.file, c.killed, c.survived,
      100 * c.killed / (c.killed + c.survived), c.late, c.equivalent, c.same, c.invalid)
  end
end
print(("%-28s %6s %8s %8s"):format("file", "killed", "survived", "score"))
for _, row in ipairs(rows) do print(row) end
print(("%-28s %6d %8d %6.1f %%"):format("all", killed, survived, 100 * killed / (killed + survived)))
