--- Draws a flash map in a terminal. Pure.
-- @module moonflash.map_text
local flash_map <const> = require "moonflash.flash_map"
local numbers <const> = require "moonflash.numbers"
local style <const> = require "moonflash.style"

local map_text = {}

local COLUMNS <const>, NARROW <const> = 64, 32
local LABEL <const> = 10                 -- "0x000000  "
local GROUP <const> = 16

-- A cell by its state, with colours: the character, and whether it stands on the
-- region's colour. `plain` is for one colour, nil = the region's letter.
local LOOKS <const> = {
  used    = { utf8 = "█", ascii = "#", plain = nil },
  write   = { utf8 = "▲", ascii = "W", behind = true, plain = "^" },
  erase   = { utf8 = "▽", ascii = "E", plain = "v" },
  unknown = { utf8 = "?", ascii = "?", plain = "?" },
  blank   = { utf8 = "·", ascii = ".", plain = "." },
}

-- How a cell is drawn: the character, the colour (nil without colours), and
-- whether it stands on that colour.
local function cell_look(paint, cell)
  local look, region = LOOKS[cell.state], style.region(cell.region)
  if not paint.colour then return look.plain or region.letter end
  return paint.utf8 and look.utf8 or look.ascii, region.index, look.behind
end

-- Neighbours of one colour are painted at once.
local function draw_row(paint, cells, first, columns)
  local out, run, colour, behind = { paint:paint("dim", numbers.hex(cells[first].addr)), "  " }
  local function flush()
    if run then out[#out + 1] = colour and paint:tint(colour, run, behind) or run end
  end
  for i = first, math.min(first + columns - 1, #cells) do
    local shown, index, on = cell_look(paint, cells[i])
    local gap = i > first and (i - first) % GROUP == 0
    if gap or not run or index ~= colour or on ~= behind then
      flush()
      if gap then out[#out + 1] = " " end
      run, colour, behind = "", index, on
    end
    run = run .. shown
  end
  flush()
  return table.concat(out)
end

local function meter(paint, row, width)
  local share = flash_map.used_bytes(row) / row.size
  local full = math.floor(share * width + 0.5)
  if share > 0 then full = math.max(full, 1) end
  local on, off = paint.utf8 and "█" or "#", paint.utf8 and "░" or "."
  return paint:tint(style.region(row.name).index, on:rep(full)) .. paint:paint("dim",
    off:rep(width - full))
end

local function mark_of(paint, name)
  local region = style.region(name)
  return paint:tint(region.index, paint.colour and paint.utf8 and "■" or region.letter)
end

local function change_text(row)
  local pieces = {}
  if row.write > 0 then pieces[1] = ("write %d KB"):format(row.write * 4) end
  if row.erase > 0 then pieces[#pieces + 1] = ("erase %d KB"):format(row.erase * 4) end
  return #pieces > 0 and "  " .. table.concat(pieces, ", ") or ""
end

local function legend(paint, row)
  return ("%s %-13s %s  %8s  %s %3d %%%s"):format(mark_of(paint, row.name), row.name,
    numbers.range_text(row.addr, row.size), numbers.size_text(row.size), meter(paint, row, 10),
    numbers.percent(flash_map.used_bytes(row), row.size), change_text(row))
end

local KEYS <const> = { { "used", "in use" }, { "blank", "blank" }, { "write", "to write" },
  { "erase", "to erase" }, { "unknown", "not known" } }

-- What the characters mean, as far as they occur.
local function key_line(paint, model)
  local out = {}
  for _, key in ipairs(KEYS) do
    local look = LOOKS[key[1]]
    local shown = not paint.colour and (look.plain or "letter")
      or paint.utf8 and look.utf8 or look.ascii
    if model.totals[key[1]] > 0 then out[#out + 1] = shown .. " " .. key[2] end
  end
  return table.concat(out, "   ")
end

--- Draws a map.
-- @tparam table model from @{moonflash.flash_map.new}
-- @tparam style paint
-- @tparam[opt=80] integer width columns of the terminal
-- @treturn {string,...} lines
function map_text.draw(model, paint, width)
  width = width or 80
  local columns = width >= LABEL + COLUMNS + COLUMNS // GROUP - 1 and COLUMNS or NARROW
  local cells, cell_bytes = flash_map.cells(model)
  local lines = { paint:paint("strong", model.title) }
  if model.subtitle then lines[#lines + 1] = paint:paint("dim", model.subtitle) end
  lines[#lines + 1] = ""
  for first = 1, #cells, columns do lines[#lines + 1] = draw_row(paint, cells, first, columns) end
  lines[#lines + 1] = paint:paint("dim", ("%scell %s   %s"):format((" "):rep(LABEL),
    numbers.size_text(cell_bytes), key_line(paint, model)))
  lines[#lines + 1] = ""
  for _, row in ipairs(model.regions) do lines[#lines + 1] = legend(paint, row) end
  lines[#lines + 1] = ""
  lines[#lines + 1] = flash_map.summary(model)
  return lines
end

return map_text
