--- Draws a timeline of the ledger as an SVG picture. Pure.
-- @module moonflash.ledger_svg
local ledger_text <const> = require "moonflash.ledger_text"
local text_of <const> = require "moonflash.text"

local svg = {}

local WIDTH <const>, MARGIN <const> = 1200, 32
local LABELS <const>, TOTALS <const> = 172, 92       -- left and right of the lanes
local LANE <const>, BAR <const>, STATION <const> = 30, 18, 26
local LEFT <const>, RIGHT <const> = MARGIN + LABELS, WIDTH - MARGIN - TOTALS
local CARD_TOP <const>, CARD <const> = 88, 62

local INK <const>, FAINT <const>, LINE <const>, PAPER <const>, WASH <const> = "#1d2430", "#6b7380",
  "#e4e7ec", "#ffffff", "#f6f7f9"

-- How results look, in the order of the legend.
local RESULTS <const> = {
  { name = "ok", rgb = "#2fa36b", text = "proven" },
  { name = "failed", rgb = "#e0952f", text = "failed, chip unchanged" },
  { name = "partial", rgb = "#d64545", text = "changed, not proven" },
  { name = "interrupted", rgb = "#8a8f98", text = "interrupted" },
}
local RGB <const> = {}
for _, r in ipairs(RESULTS) do RGB[r.name] = r.rgb end

local ESCAPES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

-- Text for XML: UTF-8 stays, controls cannot be written.
local function escape(s)
  if not utf8.len(s) then s = text_of.escape(s) end
  return (s:gsub("[%c\x7f]", "?"):gsub("\xef\xbf[\xbe\xbf]", "?"):gsub('[&<>"]', ESCAPES))
end

local function put(out, format, ...) out[#out + 1] = format:format(...) end

local function text(out, x, y, class, s, anchor)
  put(out, '<text x="%.1f" y="%.1f" class="%s"%s>%s</text>', x, y, class,
    anchor and (' text-anchor="%s"'):format(anchor) or "", escape(s))
end

local function percent(share) return share and ("%.1f %%"):format(share * 100) or "-" end

local function cards_of(f)
  return {
    { ("%d"):format(f.good_units), f.good_units == 1 and "good unit" or "good units" },
    { ("%d"):format(f.runs), f.runs == 1 and "run" or "runs" },
    { percent(f.yield), "of the units are good" },
    { percent(f.first_pass), "at the first attempt" },
    { f.mean_seconds and ("%.1f s"):format(f.mean_seconds) or "-", "mean of a good run" },
    { ("%.0f"):format(f.per_hour), "good units an hour" },
  }
end

local function draw_cards(out, f)
  local cards, gap = cards_of(f), 12
  local width = (WIDTH - 2 * MARGIN - (#cards - 1) * gap) / #cards
  for i, card in ipairs(cards) do
    local x = MARGIN + (i - 1) * (width + gap)
    put(out, '<rect x="%.1f" y="%d" width="%.1f" height="%d" rx="9" fill="%s"/>', x, CARD_TOP, width,
      CARD, WASH)
    text(out, x + 14, CARD_TOP + 29, "figure", card[1])
    text(out, x + 14, CARD_TOP + 48, "small", card[2])
  end
end

local function axis(t)
  local scale = (RIGHT - LEFT) / (t.till - t.from)
  return function(at) return LEFT + (at - t.from) * scale end
end

-- What the mouse finds: everything about a unit in a few lines.
local function tooltip(run)
  local lines = { ("%s %s"):format(run.serial or "", run.mac or "no chip"):match "^%s*(.*)$",
    ("%s, %s%s"):format(ledger_text.what(run), run.result,
      run.seconds and (", %.1f s"):format(run.seconds) or ""),
    run.error or run.firmware }
  for i, line in ipairs(lines) do lines[i] = escape(line) end
  return table.concat(lines, "\n")
end

-- The unit's name as far as it fits: its serial number, else the end of its MAC.
local function bar_label(run, width)
  for _, name in ipairs { run.serial or "", (run.mac or ""):sub(-8) } do
    if name ~= "" and (utf8.len(name) or #name) * 6.4 + 8 <= width then return name end
  end
end

local function draw_bar(out, bar, x, y)
  local left, width = x(bar.from), math.max(x(bar.till) - x(bar.from) - 1, 2.5)
  put(out, '<g><title>%s</title><rect x="%.2f" y="%.1f" width="%.2f" height="%d" rx="%.1f" fill="%s"/>',
    tooltip(bar.run), left, y + (LANE - BAR) / 2, width, BAR, math.min(4, width / 2),
    RGB[bar.result] or RGB.partial)
  local label = bar_label(bar.run, width)
  if label then text(out, left + width / 2, y + LANE / 2 + 4, "unit", label, "middle") end
  out[#out + 1] = "</g>"
end

local LABEL_CHARS <const> = 22

-- A port's name; of a long one the end, which tells ports apart.
local function lane_label(port)
  local length = utf8.len(port) or #port
  if length <= LABEL_CHARS or not utf8.len(port) then return port ~= "" and port or "-" end
  return "..." .. port:sub(utf8.offset(port, length - LABEL_CHARS + 4))
end

-- Stripes go to the back, so that the grid lies between them and the bars.
local function draw_lane(back, out, lane, x, y, striped)
  if striped then
    put(back, '<rect x="%d" y="%.1f" width="%d" height="%d" rx="5" fill="%s"/>', MARGIN, y,
      WIDTH - 2 * MARGIN, LANE, WASH)
  end
  text(out, MARGIN + 12, y + LANE / 2 + 4, "port", lane_label(lane.port))
  for _, bar in ipairs(lane.bars) do draw_bar(out, bar, x, y) end
  text(out, WIDTH - MARGIN - 12, y + LANE / 2 + 4, "small",
    ("%d of %d"):format(lane.ok, #lane.bars), "end")
end

-- The lanes below their stations' names. Returns where they end.
local function draw_lanes(back, out, t, x, y)
  local station, n = nil, 0
  for _, lane in ipairs(t.lanes) do
    if lane.station ~= station then
      y = y + (station and 8 or 0)
      station, n = lane.station, 0
      text(out, MARGIN, y + STATION - 9, "station", station ~= "" and station or "(no station)")
      y = y + STATION
    end
    n = n + 1
    draw_lane(back, out, lane, x, y, n % 2 == 1)
    y = y + LANE
  end
  return y
end

local function draw_axis(out, t, x, top, bottom)
  for _, tick in ipairs(t.ticks) do
    put(out, '<path d="M%.1f %.1fV%.1f" stroke="%s"/>', x(tick.at), top, bottom, LINE)
    text(out, x(tick.at), bottom + 16, "small", tick.label, "middle")
  end
  put(out, '<path d="M%d %.1fH%d" stroke="%s"/>', LEFT, bottom, RIGHT, FAINT)
end

local function draw_legend(out, t, y)
  local x = MARGIN
  for _, r in ipairs(RESULTS) do
    local count = t.results[r.name]
    if count then
      local words = ("%d %s"):format(count, r.text)
      put(out, '<rect x="%.1f" y="%.1f" width="13" height="13" rx="4" fill="%s"/>', x, y - 11, r.rgb)
      text(out, x + 20, y, "small", words)
      x = x + 20 + #words * 6.6 + 22
    end
  end
end

local STYLE <const> = ([[<style>
text{font-family:"DejaVu Sans","Segoe UI",Helvetica,Arial,sans-serif;fill:INK;font-size:13px}
.title{font-size:20px;font-weight:600}.small{font-size:12px;fill:FAINT}
.figure{font-size:21px;font-weight:600}.station{font-size:13px;font-weight:600}
.port{font-family:"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:11px;fill:FAINT}
.unit{font-family:"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:10px;fill:#fff}
</style>]]):gsub("INK", INK):gsub("FAINT", FAINT)

local function subtitle(t)
  local from, till = math.floor(t.from), math.floor(t.till)
  local day = os.date("%Y-%m-%d", from)
  local format = os.date("%Y-%m-%d", till) == day and "%H:%M:%S" or "%Y-%m-%d %H:%M:%S"
  return ("%s to %s, %s"):format(os.date("%Y-%m-%d %H:%M:%S", from), os.date(format, till),
    text_of.count(#t.lanes, "port"))
end

--- Draws a timeline.
-- @tparam table t from @{moonflash.ledger_timeline.new}
-- @tparam[opt] string title
-- @treturn string an SVG document
function svg.draw(t, title)
  local out, lanes = {}, {}       -- what is behind, and the lanes before it
  local x, top = axis(t), CARD_TOP + CARD + 16
  text(out, MARGIN, 48, "title", title or "Units flashed")
  text(out, MARGIN, 70, "small", subtitle(t))
  draw_cards(out, t.figures)
  local bottom = draw_lanes(out, lanes, t, x, top) + 6
  draw_axis(out, t, x, top + STATION - 4, bottom)
  draw_legend(out, t, bottom + 46)
  local height = bottom + 68
  return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" viewBox="0 0 %d %.0f">\n')
    :format(WIDTH, height, WIDTH, height) .. STYLE
    .. ('\n<rect x="0.5" y="0.5" width="%d" height="%.0f" rx="14" fill="%s" stroke="%s"/>\n'):format(
      WIDTH - 1, height - 1, PAPER, LINE)
    .. table.concat(out, "\n") .. "\n" .. table.concat(lanes, "\n") .. "\n</svg>\n"
end

return svg
