--- Why does the board not run? Judged by what it prints and by what is in its
-- flash. Pure: a log and facts in, causes out.
--
-- A diagnosis is { id, text, cure, command, fix, ok, confidence, evidence }: the
-- row of `doctor_causes` with how sure it is ("certain": nothing else can have made
-- this; "likely"; "guess") and what it rests on.
-- @module moonflash.doctor

local boot_messages = require "moonflash.boot_messages"
local causes = require "moonflash.doctor_causes"
local exception = require "moonflash.exception"
local nodemcu = require "moonflash.nodemcu"
local numbers = require "moonflash.numbers"
local rate_finder = require "moonflash.rate_finder"
local text = require "moonflash.text"

local doctor = {}

local SPEAKS <const> = 12           -- so much text behind the ROM's log is a program's
local LOOP <const> = 3              -- so many starts that nobody asked for are a loop
local EVIDENCE_MAX <const> = 120

--- Makes a diagnosis.
-- @tparam string id key of `doctor_causes`
-- @tparam string confidence
-- @tparam[opt] string evidence one line
-- @treturn table
function doctor.diagnosis(id, confidence, evidence)
  local cause = assert(causes[id], id)
  return { id = id, text = cause.text, cure = cause.cure, command = cause.command, fix = cause.fix,
    ok = cause.ok or false, confidence = confidence, evidence = evidence }
end
local diagnosis <const> = doctor.diagnosis

local PREFIXES <const> = { "^| ", "^%[ *[%d:.TZ -]+%] ", "^%d%d:%d%d:%d%d[.%d]* %-?>? ?" }

--- A log as it was saved, without what tools put before each line: times in
-- brackets, times of day, and the bar of `--listen`.
-- @tparam string bytes
-- @treturn string
function doctor.clean(bytes)
  local lines, all = {}, bytes:gsub("\r*\n", "\n")
  for line in (all .. "\n"):gmatch("([^\n]*)\n") do
    for _, prefix in ipairs(PREFIXES) do line = line:gsub(prefix, "") end
    lines[#lines + 1] = line
  end
  if all:sub(-1) == "\n" then lines[#lines] = nil end
  return table.concat(lines, "\n") .. (all:sub(-1) == "\n" and "\n" or "")
end

-- The text behind the last banner of the ROM; all of it when there is none.
local function last_start(log)
  local at, last = 1, nil
  while true do
    local first = log:find("rst cause:%d+, boot mode:", at)
    if not first then break end
    last, at = first, first + 1
  end
  return last and log:sub(last) or log
end

-- What the firmware said behind the ROM's log.
local function after_rom(start)
  local _, last = start:find("\ncsum 0x%x%x\n")
  return last and start:sub(last + 1) or start:find("rst cause:") and "" or start
end

local function count(log, pattern)
  local _, n = log:gsub(pattern, "")
  return n
end

local function has_prompt(rest)
  return rest:find("\n> $") or rest:find("\n> \n") or rest:find("^> $") or rest:find("\n>> $")
end

--- Reads a log.
-- @tparam string bytes what was heard, whatever the rates; or a saved log
-- @treturn table text, start (the last start's text), rest (the firmware's part of
-- it), banner (`boot_messages.banner`), restarts, causes (number of starts by
-- reset cause), findings (`boot_messages.find`), exceptions, prompt, nodemcu,
-- loaded (the ROM accepted the image), readable (share of text)
function doctor.read(bytes)
  local log = { text = doctor.clean(bytes) }
  log.start = last_start(log.text)
  log.rest = after_rom(log.start)
  log.banner = boot_messages.banner(log.text)
  log.restarts = log.banner and log.banner.count or 0
  log.causes = {}
  for cause in log.text:gmatch("rst cause:(%d+), boot mode:") do
    cause = math.tointeger(tonumber(cause)) or -1
    log.causes[cause] = (log.causes[cause] or 0) + 1
  end
  log.findings = boot_messages.find(log.text)
  log.exceptions = exception.find(log.text)
  log.prompt = has_prompt(log.rest) and true or false
  log.nodemcu = nodemcu.identify(log.text)
  log.loaded = log.start:find("\ncsum 0x%x%x\n") ~= nil and not log.start:find("csum err", 1, true)
  log.readable = rate_finder.readable(log.rest)
  return log
end

-- The line in which a pattern is found, for people.
local function line_with(log, pattern)
  local first = log.text:find(pattern)
  if not first then return nil end
  local from = first
  while from > 1 and log.text:sub(from - 1, from - 1) ~= "\n" do from = from - 1 end
  return text.shorten(text.escape(log.text:sub(from):match("^[^\n]*")), EVIDENCE_MAX)
end

-- Messages of `boot_messages` by the cause that they tell. `passing`: the chip gets
-- over it by itself when it comes once.
local BY_MESSAGE <const> = {
  init_data_blank = { "init_data_blank", "certain" },
  init_data_foreign = { "init_data_foreign", "certain" },
  system_param = { "system_param", "likely" },
  partition_invalid = { "partition_invalid", "certain" },
  partition_alignment = { "partition_invalid", "certain" },
  partition_size = { "partition_size", "certain" },
  flash_too_small = { "flash_too_small", "certain" },
  checksum = { "checksum", "likely", passing = true },
  flash_read = { "flash_unreadable", "likely", passing = true },
  flash_blank = { "flash_blank", "likely" },
  exception = { "exception", "certain", passing = true },
  lua_panic = { "lua_panic", "likely", passing = true },
  wrong_loader = { "wrong_loader", "certain" },
  watchdog = { "watchdog_loop", "likely", passing = true },
  no_image = { "no_image", "likely", passing = true },
  waiting_for_host = { "strap_gpio15", "certain" },
  lfs_signature = { "lfs_wrong", "certain" },
}

-- A message counts when the last start has it, or when it comes again and again.
local function still_true(log, row)
  return log.start:find(row.pattern) ~= nil or count(log.text, row.pattern) >= 2
end

-- The ROM gave up before it loaded anything, after a reset that was no power-on.
local function gave_up_early(log)
  local start = log.start
  return start:find("ets_main%.c") and not start:find("load 0x", 1, true)
    and not start:find("csum err", 1, true) and (start:find("^rst cause:[34],") ~= nil)
end

local function crash(log)
  local same = exception.same(log.exceptions)
  local e = log.exceptions[#log.exceptions]
  local evidence = e and table.concat(exception.explain(e), "; ")
  return diagnosis(same == false and #log.exceptions >= 3 and "exception_varied" or "exception",
    same == false and "likely" or "certain", evidence)
end

local function watchdog(log, row)
  local resets = log.causes[4] or 0
  if resets < 2 and not log.start:find(row.pattern) then return nil end
  return diagnosis("watchdog_loop", resets >= 2 and "certain" or "guess",
    resets >= 2 and ("%d resets by the watchdog"):format(resets) or line_with(log, row.pattern))
end

local function from_message(log, row)
  local rule = BY_MESSAGE[row.id]
  if not rule or rule.passing and not still_true(log, row) then return nil end
  if row.id == "exception" then return crash(log) end
  if row.id == "watchdog" then return watchdog(log, row) end
  if row.id == "no_image" and gave_up_early(log) then
    return diagnosis("stuck_after_reset", "likely", line_with(log, row.pattern))
  end
  return diagnosis(rule[1], rule[2], line_with(log, row.pattern))
end

local function add(list, found)
  if not found then return end
  for _, d in ipairs(list) do
    if d.id == found.id then return end
  end
  list[#list + 1] = found
end

local function drop(list, ids)
  for i = #list, 1, -1 do
    if ids[list[i].id] then table.remove(list, i) end
  end
end

-- What one cause makes the ROM say besides.
local CONSEQUENCES <const> = {
  { "checksum", { no_image = true } },
  { "flash_unreadable", { no_image = true, checksum = true } },
  { "flash_blank", { no_image = true, checksum = true } },
  { "stuck_after_reset", { watchdog_loop = true } },
  { "init_data_blank", { init_data_foreign = true, watchdog_loop = true, exception = true } },
  { "init_data_foreign", { watchdog_loop = true, exception = true } },
  { "exception", { watchdog_loop = true } }, { "exception_varied", { watchdog_loop = true } },
  { "lua_panic", { watchdog_loop = true } },
}

local function has(list, id)
  for _, d in ipairs(list) do
    if d.id == id then return d end
  end
end

local function without_consequences(list)
  for _, row in ipairs(CONSEQUENCES) do
    if has(list, row[1]) then drop(list, row[2]) end
  end
  return list
end

local function by_strap(log)
  local banner = log.banner
  if not banner or banner.first == 3 then return nil end
  local evidence = line_with(log, "rst cause:%d+, boot mode:%(" .. banner.first)
  if banner.mode.loader then return diagnosis("download_mode", "certain", evidence) end
  return diagnosis(banner.first >= 4 and "strap_gpio15" or "strap_gpio2", "certain", evidence)
end

-- Starts that nobody asked for, by the cause that the ROM names.
local function by_restarts(log, own)
  local extra = log.restarts - own
  if extra < 1 then return nil end
  local power, pin = (log.causes[1] or 0), (log.causes[2] or 0)
  local evidence = ("%d starts, last cause: %s"):format(log.restarts, log.banner.cause_text)
  if power >= 2 and power > own then return diagnosis("supply", "likely", evidence) end
  if log.restarts < LOOP then return nil end
  if pin - own >= 2 then
    -- the ROM calls a restart by the SDK "reset pin" too, but that lets it load first
    local loaded = count(log.text, "\ncsum 0x%x%x\n")
    return diagnosis(loaded >= log.restarts - 1 and "restart_loop" or "reset_line", "likely",
      evidence)
  end
  if (log.causes[4] or 0) >= 2 then return diagnosis("watchdog_loop", "certain", evidence) end
  if (log.causes[3] or 0) >= 2 then return diagnosis("restart_loop", "likely", evidence) end
end

local function other_chip(log)
  local chip = log.text:match("ESP%-ROM:(esp32%w*)")
    or log.text:find("rst:0x%x+ ?%(") and log.text:find("boot:0x%x+") and "esp32"
  return chip and diagnosis("other_chip", "certain", "it names itself " .. chip:upper()) or nil
end

-- The first line that reads like one: the one before may have been cut by a change
-- of rate.
local function first_line(rest)
  for line in rest:gmatch("%S[^\n]*") do
    if #line >= 4 and rate_finder.readable(line) >= 0.95 then
      return text.shorten(text.escape(line), EVIDENCE_MAX)
    end
  end
end

-- What is left to say when nothing complains.
local function by_rest(log)
  if log.prompt then
    return diagnosis("healthy", "certain", log.nodemcu and nodemcu.describe(log.nodemcu)
      or "its prompt was seen")
  elseif log.rest:find("Formatting file system", 1, true) then
    return diagnosis("formatting", "certain", line_with(log, "Formatting file system"))
  elseif #log.rest >= SPEAKS and log.readable >= 0.9 then
    return diagnosis("running", log.nodemcu and "certain" or "likely", first_line(log.rest))
  elseif log.loaded then
    return diagnosis("silent", "guess", line_with(log, "csum 0x%x%x"))
  elseif log.banner and log.banner.first == 3 then
    return diagnosis("silent", "guess", line_with(log, "rst cause:"))
  elseif log.text == "" then
    return diagnosis("nothing", "certain")
  end
  return diagnosis("noise", "likely", text.count(#log.text, "byte"))
end

-- A prompt that came after all the trouble, and nothing bad since.
local function recovered(log, own)
  return log.prompt and log.restarts - own < LOOP
end

--- What a log says is wrong.
-- @tparam table log from @{doctor.read}
-- @tparam[opt] table opts `resets`: how many starts in it were asked for (default 1)
-- @treturn {diagnosis,...} the weightiest first; at least one
function doctor.from_log(log, opts)
  local own = opts and opts.resets or 1
  local foreign = other_chip(log)
  if foreign then return { foreign } end
  local list = {}
  if not recovered(log, own) then
    for _, row in ipairs(log.findings) do add(list, from_message(log, row)) end
    without_consequences(list)
    add(list, by_strap(log))
    if #list == 0 then add(list, by_restarts(log, own)) end
  else
    for _, row in ipairs(log.findings) do
      if row.id == "lfs_signature" or row.id == "lua_panic" then
        add(list, from_message(log, row))
      end
    end
  end
  if #list == 0 then list[1] = by_rest(log) end
  return list
end

local NORMAL <const> = {
  { "RTC MEM CHECK FAIL", "the RTC's memory is empty: normal after power was away" },
  { "use last saved param", "one copy of the SDK's parameters was bad; it took the other" },
  { "boot not set", "'not set' lines are normal for NodeMCU 3" },
  { "No LFS image loaded", "the Lua Flash Store is empty: normal" },
  { "cannot open init.lua", "there is no init.lua: normal on a new file system" },
  { "Self adjust flash size", "the firmware corrects the flash size in the boot header itself" },
  { "Writing Init Data to", "NodeMCU 3 writes its init data itself" },
  { "Formatting file system", "the firmware made its file system" },
}

--- What a log tells besides: reset cause, radio data, messages that look bad and
-- are not.
-- @tparam table log
-- @treturn {string,...}
function doctor.notes(log)
  local notes = {}
  local function note(...) notes[#notes + 1] = string.format(...) end
  if log.banner then
    note("last reset: %s; boot mode %d: %s", log.banner.cause_text, log.banner.first,
      log.banner.mode.text)
  end
  if log.nodemcu and log.nodemcu.banner then note("%s", nodemcu.describe(log.nodemcu)) end
  local sector = log.text:match("rf cal sector: (%d%d?%d?%d?)%f[%D]")
  if sector then
    note("RF calibration is at %s: the firmware takes the flash for %s or has a partition table",
      numbers.hex(tonumber(sector) * 0x1000), numbers.size_text((tonumber(sector) + 5) * 0x1000))
  end
  local rf = {}
  for index, value in log.text:gmatch("rf%[(%d+)%] : (%x%x)") do
    rf[#rf + 1] = ("%s = 0x%s"):format(index, value)
  end
  if #rf > 0 then note("init data in use: byte %s", table.concat(rf, ", ")) end
  for _, row in ipairs(NORMAL) do
    if log.text:find(row[1], 1, true) then note("%s", row[2]) end
  end
  return notes
end

return doctor
