-- scripts/doctor.lua: why does the board not run? names the cause and the cure
local cli     <const> = require "moonflash.cli"
local board   <const> = require "moonflash.doctor_board"
local device  <const> = require "moonflash.device"
local doctor  <const> = require "moonflash.doctor"
local errors  <const> = require "moonflash.errors"
local files   <const> = require "moonflash.files"
local flash_judge <const> = require "moonflash.doctor_flash"
local report  <const> = require "moonflash.report"
local text    <const> = require "moonflash.text"
local wiring  <const> = require "moonflash.doctor_wiring"

local parser = cli.parser("doctor", "Says why a board does not run, and what cures it.", [[
Resets the board, listens at the ROM's rate and at the console's, then looks into
flash: boot header, image, init data, partition table, write protection. Each cause
comes with how sure it is and with the command that cures it. Nothing is changed
without --fix, which says what it does first and never erases files of yours; a fix
of the boot header rewrites the first sector of flash.

Boards without reset wires: press the reset button when asked. For the look into
flash hold GPIO0 low; without it the log alone is judged.

examples:
  moonflash doctor
  moonflash doctor --fix
  moonflash doctor --connection            which wire, strap, rate or supply is it?
  moonflash doctor --transcript boot.log   judge a saved log, no board needed
  moonflash doctor --json --seconds 10]])
parser:option("--seconds", "listen so long after each reset"):argname "N":default "3"
parser:option("--transcript", "judge this saved log instead of a board"):argname "FILE"
parser:option("--save", "save what was heard, as it came"):argname "FILE"
parser:flag("--connection", "try reset, GPIO0 and both data wires one by one")
parser:flag("--no-flash", "listen only; leave the loader and the flash alone")
parser:flag("--fix", "apply the cure of the first cause, then listen again")
local opt = cli.parse(parser)
local seconds = tonumber(opt.seconds)
if not seconds or seconds <= 0 or seconds > 3600 then
  errors.raise("usage", ("--seconds: '%s' is no time"):format(opt.seconds))
end
if opt.transcript and (opt.fix or opt.connection or opt.save) then
  errors.raise("usage", "--transcript judges a file alone: no --fix, --connection or --save")
end

local function show(list, notes)
  for i, d in ipairs(list) do
    report.line("%s%s (%s)", i == 1 and "" or "also: ", d.text, d.confidence)
    if d.evidence then report.line("  because: %s", d.evidence) end
    if not d.ok then report.line("  cure: %s", d.cure) end
    if d.command and not d.ok then report.line("  command: %s", d.command) end
  end
  for _, line in ipairs(notes) do report.line("note: %s", line) end
end

local function finish(list, notes, more)
  show(list, notes)
  local result = { diagnoses = list, notes = notes, healthy = list[1].ok }
  for k, v in pairs(more) do result[k] = v end
  report.result(result)
  report.ok("diagnosis: %s (%s)", list[1].id, list[1].confidence)
end

local function listen()
  local port <close> = device.open_port(opt)
  report.stage(port:info().lines and opt.before ~= "none" and "resetting the board and listening"
    or "listening; press the board's reset button now")
  return board.listen(port, opt, seconds)
end

-- A loader that cannot be reached is no failure as long as something was heard.
local function look(heard)
  local ok, result = pcall(function()
    local dev <close> = device.open(opt)
    local found = board.look(dev)
    dev:leave()
    return found
  end)
  if ok then return result end
  if errors.is(result, "interrupted") or heard == "" then error(result, 0) end
  return nil, errors.wrap(result)
end

local function examine()
  local heard, own = listen()
  if opt.save then files.write(opt.save, heard) end
  local log = doctor.read(heard)
  local list, notes = doctor.from_log(log, { resets = own }), doctor.notes(log)
  local more = { log = text.escape(heard) }
  if not opt.no_flash then
    local seen, why = look(heard)
    if seen then
      list = flash_judge.combine(list, seen)
      notes[#notes + 1] = "in flash: " .. seen.facts.firmware.name
      table.move(seen.facts.warnings, 1, #seen.facts.warnings, #notes + 1, notes)
      more.flash = { size = seen.size, firmware = seen.facts.firmware, blank = seen.facts.blank,
        protected = seen.protected, header = seen.facts.header }
    else
      notes[#notes + 1] = ("the flash was not looked at: %s"):format(why.message)
    end
  end
  return list, notes, more
end

local function connection()
  local port <close> = device.open_port(opt)
  report.stage "trying the lines one by one"
  local found = wiring.judge(board.try_lines(port, opt))
  for _, c in ipairs(found.checks) do
    report.line("%-16s %-8s %s", c.name, c.state, c.text)
  end
  report.line("%s: %s (%s)", found.verdict, found.text, found.confidence)
  if found.hint then report.line("  hint: %s", found.hint) end
  report.result { connection = found }
  report.ok("connection: %s", found.verdict)
end

-- Applies the first cure that can be applied, then looks whether it helped.
local function fix(list)
  for _, d in ipairs(list) do
    local cure = board.cure_text(d)
    if cure and not d.ok and d.confidence ~= "guess" then
      report.stage("%s", d.text)
      report.stage("fixing: %s", cure)
      board.cure(d, opt)
      return d.id, cure
    end
  end
  report.warn("there is no cure that can be applied without you")
end

if opt.transcript then
  local log = doctor.read(files.read(opt.transcript))
  return finish(doctor.from_log(log), doctor.notes(log), { transcript = opt.transcript })
elseif opt.connection then
  return connection()
end
local list, notes, more = examine()
if opt.fix and not list[#list].ok then       -- what is no illness comes first
  local id, cure = fix(list)
  if id then
    list, notes, more = examine()
    more.fixed, more.cure = id, cure
  end
end
finish(list, notes, more)
