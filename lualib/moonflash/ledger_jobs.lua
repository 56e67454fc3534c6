--- What `moonflash ledger` does, action by action.
-- @module moonflash.ledger_jobs
local errors <const> = require "moonflash.errors"
local files <const> = require "moonflash.files"
local ledger <const> = require "moonflash.ledger"
local ledger_text <const> = require "moonflash.ledger_text"
local report <const> = require "moonflash.report"
local schema <const> = require "moonflash.ledger_schema"
local text <const> = require "moonflash.text"
local values <const> = require "moonflash.ledger_values"
local yield <const> = require "moonflash.ledger_yield"

local jobs = {}

local SHOWN <const> = 50      -- runs in a list that was not asked for more

--- Opens the ledger that the options name.
-- @tparam table opt
-- @treturn ledger
-- @raise `usage` when they name none
function jobs.open(opt)
  if not opt.ledger then
    errors.raise("usage", "which ledger?", { hint = "--ledger FILE or postgres://USER@HOST/DATABASE,"
      .. " or MOONFLASH_LEDGER" })
  end
  return ledger.open(opt.ledger)
end

local RESULTS <const> = { ok = true, failed = true, partial = true, interrupted = true }

--- The filter that options describe.
-- @tparam table opt
-- @tparam ledger l
-- @treturn table for @{moonflash.ledger_runs.list}
-- @raise `usage`
function jobs.filter(opt, l)
  local filter = { station = opt.at_station, serial = opt.of_serial, recipe = opt.recipe,
    result = opt.result }
  if opt.result and not RESULTS[opt.result] then
    errors.raise("usage", ("--result: there is no '%s'"):format(opt.result),
      { hint = "ok, failed, partial or interrupted" })
  end
  for _, name in ipairs { "since", "until" } do
    if opt[name] then filter[name] = values.point(opt[name], l:now(), "--" .. name) end
  end
  if opt.mac then filter.mac = values.mac(opt.mac) end
  return filter
end

local function print_lines(lines)
  for _, line in ipairs(lines) do report.line("%s", line) end
end

local function write(path, bytes)
  if path ~= "-" then return files.write(path, bytes) end
  io.stdout:write(bytes)
end

-- ---- runs ----

local COLUMNS <const> = { "id" }
table.move(schema.RUN_COLUMNS, 1, #schema.RUN_COLUMNS, 2, COLUMNS)

local function export_csv(opt, runs)
  local csv <const> = require "moonflash.ledger_csv"
  write(opt.csv, csv.encode(COLUMNS, runs))
  if opt.csv == "-" then return end
  report.ok("%s in %s", text.count(#runs, "run"), opt.csv)
end

local function draw(opt, runs, filter)
  local timeline <const>, svg <const> = require "moonflash.ledger_timeline",
    require "moonflash.ledger_svg"
  if not next(filter) then runs = timeline.last_session(runs) end
  if #runs == 0 then errors.raise("file", "there are no runs to draw") end
  write(opt.svg, svg.draw(timeline.new(runs), opt.title))
  if opt.svg == "-" then return end
  report.result { file = opt.svg, runs = #runs }
  report.ok("%s in %s", text.count(#runs, "run"), opt.svg)
end

local function limit_of(opt)
  if opt.csv or opt.svg or opt.limit == "all" then return nil end
  if not opt.limit then return not opt.json and SHOWN or nil end
  return require("moonflash.numbers").parse(opt.limit, "--limit", { min = 1 })
end

--- Lists runs, or exports or draws them.
function jobs.list(l, opt)
  local filter = jobs.filter(opt, l)
  filter.last = limit_of(opt)
  local runs = l:runs(filter)
  if opt.csv then return export_csv(opt, runs) end
  if opt.svg then return draw(opt, runs, filter) end
  print_lines(ledger_text.runs(runs, report.style()))
  for _, run in ipairs(runs) do report.event("run", run) end
  local all = l:count(filter)
  report.result { runs = #runs, of = all }
  report.ok("%s%s", ledger_text.totals(runs), #runs < all
    and (", the last of %d; --limit all shows them"):format(all) or "")
end

--- Everything about one unit.
function jobs.unit(l, opt)
  local macs = l:find(opt.unit)
  if #macs == 0 then
    errors.raise("file", ("the ledger knows no unit '%s'"):format(opt.unit),
      { hint = "a MAC address, or a serial number" })
  end
  local count = 0
  for _, mac in ipairs(macs) do
    local runs, items = l:history(mac), l:items(mac)
    if #runs + #items == 0 then
      errors.raise("file", ("the ledger knows no unit %s"):format(mac))
    end
    print_lines(ledger_text.unit(mac, runs, items, report.style()))
    report.result { mac = mac, history = runs, items = items }
    count = count + #runs
  end
  report.ok("%s", text.count(count, "run"))
end

--- Yield by the hour.
function jobs.yield(l, opt)
  local hours, all = yield.hours(l:runs(jobs.filter(opt, l)))
  print_lines(ledger_text.hours(hours, all))
  report.result { hours = hours, all = all }
  report.ok("%s", text.count(#hours, "hour"))
end

-- ---- pools ----

--- Pools and what is left of them.
function jobs.pools(l)
  local pools = l:pools()
  print_lines(ledger_text.pools(pools))
  report.result { pools = pools }
  report.ok("%s", text.count(#pools, "pool"))
end

--- Adds rows of a file to a pool.
function jobs.import(l, opt)
  local import <const> = require "moonflash.ledger_import"
  local rows = import.read(files.read(opt.file), opt.file)
  local new = l:import(opt.pool, rows, opt.file)
  report.result { pool = opt.pool, new = new, known = #rows - new }
  report.ok("%s new in pool '%s', %d there already", text.count(new, "row"), opt.pool, #rows - new)
end

local function selection(l, opt)
  local filter = { pool = opt.pool, before = opt.older and values.point(opt.older, l:now(),
    "--older") }
  if #opt.macs > 0 then
    filter.macs = {}
    for _, mac in ipairs(opt.macs) do filter.macs[values.mac(mac)] = true end
  end
  return filter, opt.all or opt.older or #opt.macs > 0
end

--- Lists reservations that nothing came of; takes back those that are named.
function jobs.release(l, opt)
  local filter, named = selection(l, opt)
  if not named then
    local list = l:reservations(filter)
    print_lines(ledger_text.reservations(list, report.style()))
    report.result { reserved = list }
    return report.ok("%s; name units, --older TIME or --all to release", text.count(#list,
      "reservation"))
  end
  local released, kept = l:release(filter, opt.force)
  print_lines(ledger_text.reservations(released, report.style()))
  for _, item in ipairs(kept) do
    report.warn("%s of '%s' stays with %s: it had a good run since", item.text, item.pool, item.mac)
  end
  report.result { released = released, spared = kept }
  if #kept > 0 then
    errors.raise("refused_by_policy", ("%s not released: the numbers may be in those units"):format(
      text.count(#kept, "reservation")), { hint = "flash them again, which settles it; --force"
      .. " releases them all the same" })
  end
  report.ok("%s released", text.count(#released, "reservation"))
end

--- Adds records that the ledger did not take when their runs ended.
function jobs.add(l, opt)
  local dkjson <const> = require "dkjson"
  local count = 0
  for n, line in ipairs(text.lines(files.read(opt.file))) do
    local record = dkjson.decode(line)
    if type(record) ~= "table" or not record.uid or not record.result then
      errors.raise("file", ("%s:%d: this is no record"):format(opt.file, n))
    end
    l:record(record)
    count = count + 1
  end
  report.result { records = count }
  report.ok("%s in the ledger; %s may be deleted", text.count(count, "record"), opt.file)
end

return jobs
