--- Draws a flash map as an SVG picture. Pure.
-- @module moonflash.map_svg
local flash_map <const> = require "moonflash.flash_map"
local numbers <const> = require "moonflash.numbers"
local style <const> = require "moonflash.style"

local map_svg = {}

local COLUMNS <const>, GROUP <const> = 64, 16
local CELL <const>, GAP <const>, GROUP_GAP <const> = 10, 2, 6
local MARGIN <const>, LABEL <const> = 28, 74
local ROW <const> = 25                      -- a line of the legend
local WIDTH <const> = MARGIN * 2 + LABEL + COLUMNS * (CELL + GAP) + 3 * GROUP_GAP
local INK <const>, FAINT <const>, PAPER <const>, LINE <const> = "#1d2430", "#6b7380", "#ffffff",
  "#e4e7ec"

local ESCAPES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

--- Text for SVG.
-- @tparam string s
-- @treturn string
function map_svg.escape(s)
  return (s:gsub('[&<>"]', ESCAPES):gsub("[%c\x7f-\xff]", "?"))
end

local function text(out, x, y, s, attributes)
  out[#out + 1] = ('<text x="%g" y="%g" %s>%s</text>'):format(x, y, attributes or "",
    map_svg.escape(s))
end

local function rect(out, x, y, w, h, attributes)
  out[#out + 1] = ('<rect x="%g" y="%g" width="%g" height="%g" %s/>'):format(x, y, w, h, attributes)
end

-- How a sector looks: attributes of its square, given the region's colour.
local LOOKS <const> = {
  used = 'rx="2" fill="%s"',
  blank = 'rx="2" fill="%s" fill-opacity="0.16"',
  unknown = 'rx="2" fill="%s" fill-opacity="0.45"',
  write = 'rx="2" fill="%s" stroke="#1d2430" stroke-width="1.6"',
  erase = 'rx="2" fill="#ffffff" stroke="%s" stroke-width="1.6" stroke-dasharray="2 1.4"',
}

local function cell_x(column)
  return MARGIN + LABEL + column * (CELL + GAP) + column // GROUP * GROUP_GAP
end

local function draw_grid(out, model, top)
  local cells, cell_bytes = flash_map.cells(model)
  for i, cell in ipairs(cells) do
    local column, row = (i - 1) % COLUMNS, (i - 1) // COLUMNS
    local y = top + row * (CELL + GAP + 2)
    if column == 0 then
      text(out, MARGIN, y + CELL - 1, numbers.hex(cell.addr), 'class="mono"')
    end
    rect(out, cell_x(column), y, CELL, CELL, LOOKS[cell.state]:format(
      style.region(cell.region).rgb))
  end
  return top + ((#cells - 1) // COLUMNS + 1) * (CELL + GAP + 2), cell_bytes
end

local COLUMNS_X <const> = { name = 22, range = 150, size = 390, bar = 410, share = 690, change = 705 }
local BAR <const> = 236

local function change_text(row)
  local pieces = {}
  if row.write > 0 then pieces[1] = ("write %d KB"):format(row.write * 4) end
  if row.erase > 0 then pieces[#pieces + 1] = ("erase %d KB"):format(row.erase * 4) end
  return table.concat(pieces, ", ")
end

local function draw_region(out, row, y)
  local rgb, x = style.region(row.name).rgb, MARGIN
  local share = flash_map.used_bytes(row) / row.size
  rect(out, x, y - 11, 13, 13, ('rx="3" fill="%s"'):format(rgb))
  text(out, x + COLUMNS_X.name, y, row.name, 'class="name"')
  text(out, x + COLUMNS_X.range, y, numbers.range_text(row.addr, row.size), 'class="mono"')
  text(out, x + COLUMNS_X.size, y, numbers.size_text(row.size), 'class="small" text-anchor="end"')
  rect(out, x + COLUMNS_X.bar, y - 9, BAR, 9, ('rx="4.5" fill="%s" fill-opacity="0.16"'):format(rgb))
  if share > 0 then
    rect(out, x + COLUMNS_X.bar, y - 9, math.max(9, BAR * share), 9, ('rx="4.5" fill="%s"')
      :format(rgb))
  end
  text(out, x + COLUMNS_X.share, y, ("%d %%"):format(numbers.percent(flash_map.used_bytes(row),
    row.size)), 'class="small" text-anchor="end"')
  text(out, x + COLUMNS_X.change, y, change_text(row), 'class="change"')
end

local KEYS <const> = { { "used", "in use" }, { "blank", "blank" }, { "write", "to write" },
  { "erase", "to erase" }, { "unknown", "not known" } }

local function draw_keys(out, model, y, cell_bytes)
  local x = cell_x(0)
  for _, key in ipairs(KEYS) do
    if model.totals[key[1]] > 0 then
      rect(out, x, y - 9, CELL, CELL, LOOKS[key[1]]:format(style.REGIONS.firmware.rgb))
      text(out, x + CELL + 6, y, key[2], 'class="small"')
      x = x + 32 + #key[2] * 7
    end
  end
  text(out, WIDTH - MARGIN, y, "one square is " .. numbers.size_text(cell_bytes),
    'class="small" text-anchor="end"')
end

local STYLE <const> = ([[<style>
text{font-family:"DejaVu Sans","Segoe UI",Helvetica,Arial,sans-serif;fill:INK;font-size:13px}
.title{font-size:19px;font-weight:600}.small{font-size:12px;fill:FAINT}
.mono{font-family:"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:11px;fill:FAINT}
.name{font-weight:600}.change{font-size:12px;fill:#c2410c;font-weight:600}
</style>]]):gsub("INK", INK):gsub("FAINT", FAINT)

--- Draws a map.
-- @tparam table model from @{moonflash.flash_map.new}
-- @treturn string an SVG document
function map_svg.draw(model)
  local out = {}
  text(out, MARGIN, 44, model.title, 'class="title"')
  if model.subtitle then text(out, MARGIN, 66, model.subtitle, 'class="small"') end
  local bottom, cell_bytes = draw_grid(out, model, 88)
  draw_keys(out, model, bottom + 20, cell_bytes)
  local y = bottom + 44
  out[#out + 1] = ('<path d="M%d %gH%d" stroke="%s"/>'):format(MARGIN, y, WIDTH - MARGIN, LINE)
  y = y + 28
  for _, row in ipairs(model.regions) do
    draw_region(out, row, y)
    y = y + ROW
  end
  text(out, MARGIN, y + 10, flash_map.summary(model), 'class="small"')
  local height = y + 32
  return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%g" viewBox="0 0 %d %g">\n')
    :format(WIDTH, height, WIDTH, height) .. STYLE
    .. ('\n<rect x="0.5" y="0.5" width="%d" height="%g" rx="14" fill="%s" stroke="%s"/>\n'):format(
      WIDTH - 1, height - 1, PAPER, LINE) .. table.concat(out, "\n") .. "\n</svg>\n"
end

return map_svg
