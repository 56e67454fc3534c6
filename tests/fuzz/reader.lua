-- What every reader is held to, whatever it reads. Called with the name of a file
-- in tests/fuzz/readers, which returns
--   read(bytes)      the code under test; its answer is not looked at
--   repair(bytes)    optional: the same with check sums and lengths put right
--   words            optional: what chance would not find
--   exits            optional: exit codes that its errors may have (default: 6)
-- `read` may return a list of lines, which must be fit for a terminal.
local errors = require "moonflash.errors"

local name = ...
local reader = dofile(("tests/fuzz/readers/%s.lua"):format(name))

local allowed = {}
for _, exit in ipairs(reader.exits or { 6 }) do allowed[exit] = true end

-- Nothing that a terminal takes for a command, and no novel.
local function check_text(what, text)
  if type(text) ~= "string" then error(("%s is a %s"):format(what, type(text)), 0) end
  if text:find "[\0-\x1f\x7f]" then
    error(("%s has control characters: %q"):format(what, text), 0)
  elseif #text > 100000 then
    error(("%s has %d bytes"):format(what, #text), 0)
  end
end

-- The error is kept as it is; a foreign one gets its traceback.
local function caught(e)
  return errors.is(e) and e or debug.traceback("no error of ours: " .. tostring(e), 2)
end

local function judge(e)
  if not errors.is(e) then error(e, 0) end
  -- The message may quote a file: what is printed of it is escaped (report.lua).
  if type(e.message) ~= "string" then error("an error without a message", 0) end
  if e.hint ~= nil then check_text("the hint", e.hint) end
  local exit = errors.exit_code(e)
  if not allowed[exit] then
    error(("exit code %d for: %s"):format(exit, tostring(e)), 0)
  end
end

local function run(bytes)
  local ok, answer = xpcall(reader.read, caught, bytes)
  if not ok then return judge(answer) end
  for i, line in ipairs(answer or {}) do check_text("line " .. i, line) end
end

return { run = run, repair = reader.repair, words = reader.words or {} }
