--- What the ledger holds, in lines for people. Pure.
-- @module moonflash.ledger_text
local text <const> = require "moonflash.text"
local values <const> = require "moonflash.ledger_values"

local ledger_text = {}

local ROLES <const> = { ok = "ok", failed = "warning", partial = "failure",
  interrupted = "warning" }

--- A port's name without what is the same for all.
-- @tparam string|nil port
-- @treturn string "ttyUSB0"
function ledger_text.port(port)
  if not port then return "" end
  return (port:gsub("%?.*$", ""):gsub("^%l[%w+.-]*:/?/?", ""):match "([^/]+)$") or port
end

--- What was done: the recipe's file name, or the command.
function ledger_text.what(run)
  return run.recipe and run.recipe:match "([^/]+)$" or run.command or ""
end

local function seconds(s) return s and ("%.1f s"):format(s) or "" end

local function outcome(run) return run.error or run.firmware or "" end

-- Lines of columns, each as wide as its widest cell; the last one as it comes.
local function aligned(rows, paint)
  local width, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      width[i] = math.max(width[i] or 0, utf8.len(cell) or #cell)
    end
  end
  for n, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local pad = i == #row and 0 or width[i] - (utf8.len(cell) or #cell)
      cells[#cells + 1] = width[i] > 0 and (paint and paint(n, i, cell) or cell) .. (" "):rep(pad)
        or nil
    end
    lines[n] = (table.concat(cells, "  "):gsub("%s+$", ""))
  end
  return lines
end

-- Printable, at most so long.
local function shown(s, max)
  s = (s or ""):gsub("[%c\x7f]", "?")
  if max and (utf8.len(s) or #s) > max then s = s:sub(1, utf8.offset(s, max - 2) - 1) .. "..." end
  return s
end

--- Runs, a line each.
-- @tparam {run,...} runs
-- @tparam style style
-- @treturn {string,...}
function ledger_text.runs(runs, style)
  local rows = {}
  for i, run in ipairs(runs) do
    rows[i] = { values.shown(run.time), run.result, shown(run.station, 16),
      shown(ledger_text.port(run.port), 24), run.mac or "", shown(run.serial, 20),
      shown(ledger_text.what(run), 20), seconds(run.seconds), shown(outcome(run), 64) }
  end
  return aligned(rows, function(n, i, cell)
    return i == 2 and style:paint(ROLES[runs[n].result] or "failure", cell) or cell
  end)
end

local function percent(share) return share and ("%.1f %%"):format(share * 100) or "" end

--- Yield, a line for each hour and one for all.
-- @tparam {table,...} hours of @{moonflash.ledger_yield.hours}
-- @tparam table all
-- @treturn {string,...}
function ledger_text.hours(hours, all)
  local rows = { { "hour", "runs", "ok", "units", "good units", "yield", "first pass", "mean time" } }
  local function add(h)
    rows[#rows + 1] = { h.hour, tostring(h.runs), tostring(h.ok), tostring(h.units),
      tostring(h.good_units), percent(h.yield), percent(h.first_pass), seconds(h.mean_seconds) }
  end
  for _, h in ipairs(hours) do add(h) end
  add(all)
  return aligned(rows)
end

local KINDS <const> = { numbers = "numbers", rows = "rows", macs = "rows by MAC" }

--- Pools, a line each.
-- @tparam {pool,...} pools
-- @treturn {string,...}
function ledger_text.pools(pools)
  local rows = { { "pool", "holds", "used", "reserved", "left" } }
  for _, p in ipairs(pools) do
    local left = p.kind == "numbers" and ("%d, then %d and up"):format(p.free, p.next)
      or tostring(p.free)
    rows[#rows + 1] = { shown(p.name), KINDS[p.kind], tostring(p.used), tostring(p.reserved), left }
  end
  return aligned(rows)
end

--- Reservations, a line each.
-- @tparam {item,...} list
-- @tparam style style
-- @treturn {string,...}
function ledger_text.reservations(list, style)
  local rows = {}
  for i, item in ipairs(list) do
    rows[i] = { shown(item.pool), item.mac, values.shown(item.reserved_at), shown(item.station),
      shown(item.text, 40), item.count > 0 and "a good run since" or "" }
  end
  return aligned(rows, function(_, i, cell)
    return i == 6 and style:paint("warning", cell) or cell
  end)
end

local function add_parts(lines, run)
  for _, part in ipairs(run.parts) do
    lines[#lines + 1] = ("    0x%06x  %7d bytes  %s  %s"):format(part.addr or 0, part.size or 0,
      (part.sha256 or ""):sub(1, 16), shown(part.name))
  end
end

--- A unit's history.
-- @tparam string mac
-- @tparam {run,...} runs with their parts
-- @tparam {item,...} items that it has
-- @tparam style style
-- @treturn {string,...}
function ledger_text.unit(mac, runs, items, style)
  local lines = { style:paint("strong", mac) }
  for _, item in ipairs(items) do
    lines[#lines + 1] = ("  %s: %s, %s"):format(shown(item.pool), shown(item.text, 60), item.state)
  end
  for i, line in ipairs(ledger_text.runs(runs, style)) do
    lines[#lines + 1] = "  " .. line
    add_parts(lines, runs[i])
  end
  return lines
end

--- How many runs of which result: "12 runs: 11 ok, 1 failed".
-- @tparam {run,...} runs
-- @treturn string
function ledger_text.totals(runs)
  local count, pieces = {}, {}
  for _, run in ipairs(runs) do count[run.result] = (count[run.result] or 0) + 1 end
  for _, result in ipairs { "ok", "failed", "partial", "interrupted" } do
    if count[result] then pieces[#pieces + 1] = ("%d %s"):format(count[result], result) end
  end
  return text.count(#runs, "run") .. (#pieces > 0 and ": " .. table.concat(pieces, ", ") or "")
end

return ledger_text
