-- Flash maps: the model, its picture in a terminal and as SVG; colours; progress.
local flash_map = require "moonflash.flash_map"
local lu = require "luaunit"
local map_svg = require "moonflash.map_svg"
local map_text = require "moonflash.map_text"
local progress = require "moonflash.progress"
local style = require "moonflash.style"

local REGIONS <const> = {
  { name = "firmware", addr = 0, size = 0x10000 },
  { name = "spiffs", addr = 0x10000, size = 0x70000 },
}

-- 512 KB: sectors 0 and 1 in use, 2 to be written, 3 to be erased, the rest blank.
local function model()
  local states = { [0] = "used", [0x1000] = "used", [0x2000] = "write", [0x3000] = "erase" }
  return flash_map.new { title = "board & <co>", subtitle = "NodeMCU", size = 0x80000,
    regions = REGIONS, state = function(addr) return states[addr] or "blank" end }
end

-- What an SGR sequence adds is not seen.
local function plain(s) return (s:gsub("\27%[[%d;]*m", "")) end

TestMap = {}

function TestMap:test_regions_count_their_sectors()
  local m = model()
  local r = m.regions[1]
  lu.assertEquals({ r.used, r.write, r.erase, r.blank }, { 2, 1, 1, 12 })
  lu.assertEquals(m.regions[2].blank, 0x70)
  lu.assertTrue(m.planned)
  lu.assertEquals(flash_map.summary(m), "12 KB of 512 KB in use (2 %), 4 KB to write, 4 KB to erase")
end

function TestMap:test_a_large_flash_has_cells_of_several_sectors_that_show_the_most_telling()
  local m = flash_map.new { title = "16 MB", size = 0x1000000, state = function(addr)
    return addr == 0x5000 and "used" or addr == 0x9000 and "write" or "blank"
  end, regions = { { name = "free", addr = 0, size = 0x1000000 } } }
  local cells, bytes = flash_map.cells(m)
  lu.assertEquals({ #cells, bytes }, { 1024, 0x4000 })
  lu.assertEquals({ cells[1].state, cells[2].state, cells[3].state, cells[4].state },
    { "blank", "used", "write", "blank" })
end

function TestMap:test_every_cell_is_of_the_region_it_lies_in()
  local cells = flash_map.cells(model())
  lu.assertEquals(#cells, 128)
  lu.assertEquals({ cells[16].region, cells[17].region, cells[128].region },
    { "firmware", "spiffs", "spiffs" })
end

function TestMap:test_firmware_of_others_is_one_region_as_far_as_it_reaches()
  local regions = flash_map.regions { flash_bytes = 0x80000, firmware_end = 0x12345 }
  lu.assertEquals({ regions[1].name, regions[1].size, regions[2].name, regions[2].addr },
    { "firmware", 0x13000, "free", 0x13000 })
end

function TestMap:test_without_colours_cells_are_letters()
  local lines = map_text.draw(model(), style.new(false, true), 80)
  lu.assertEquals(lines[4], "0x000000  FF^v............ ................ ................ "
    .. "................")
  lu.assertEquals(#lines[5], #lines[4])
  lu.assertStrContains(table.concat(lines, "\n"), "write 4 KB, erase 4 KB")
end

function TestMap:test_colours_change_nothing_but_colours_and_no_line_is_too_wide()
  for _, width in ipairs { 40, 60, 80, 200 } do
    for _, utf8_too in ipairs { false, true } do
      local coloured = map_text.draw(model(), style.new(true, utf8_too), width)
      for i, line in ipairs(coloured) do
        lu.assertEquals(line:gsub("\27%[[%d;]*m", ""):find("\27"), nil)
        if i >= 4 and line:find "0x%d%d%d%d%d%d  %S" then
          lu.assertTrue(utf8.len(plain(line)) <= math.max(width, 50), line)
        end
      end
    end
  end
end

function TestMap:test_the_svg_is_well_formed_and_escapes_text()
  local svg = map_svg.draw(model())
  lu.assertStrContains(svg, "board &amp; &lt;co&gt;")
  local depth, squares = 0, 0
  for close, name, rest in svg:gmatch "<(/?)([%a]+)([^>]*)>" do
    if close == "/" then depth = depth - 1 elseif rest:sub(-1) ~= "/" then depth = depth + 1 end
    if name == "rect" and rest:find 'width="10"' then squares = squares + 1 end
  end
  lu.assertEquals(depth, 0)
  lu.assertEquals(squares, 128 + 4)     -- the flash, and the four states that occur below it
end

function TestMap:test_a_name_that_is_no_text_does_not_break_the_svg()
  lu.assertEquals(map_svg.escape('a\0b\27"\xff'), "a?b?&quot;?")
end

TestStyle = {}

function TestStyle:test_colours_are_for_terminals_and_are_refused_by_the_environment()
  lu.assertTrue(style.decide(nil, true, {}))
  lu.assertFalse(style.decide(nil, false, {}))
  lu.assertFalse(style.decide("auto", true, { NO_COLOR = "1" }))
  lu.assertTrue(style.decide("auto", true, { NO_COLOR = "" }))
  lu.assertFalse(style.decide("auto", true, { TERM = "dumb" }))
  lu.assertTrue(style.decide("always", false, { NO_COLOR = "1" }))
  lu.assertFalse(style.decide("never", true, {}))
end

function TestStyle:test_the_first_locale_variable_that_is_set_decides()
  lu.assertTrue(style.is_utf8 { LANG = "en_GB.UTF-8" })
  lu.assertTrue(style.is_utf8 { LC_ALL = "", LC_CTYPE = "C.utf8", LANG = "C" })
  lu.assertFalse(style.is_utf8 { LC_ALL = "C", LANG = "en_GB.UTF-8" })
  lu.assertFalse(style.is_utf8 {})
end

TestProgress = {}

local HALF <const> = { what = "writing", done = 256 * 1024, total = 512 * 1024, seconds = 4,
  sent = 150 * 1024 }

function TestProgress:test_a_bar_says_rate_time_left_amount_and_what_was_sent()
  lu.assertEquals(progress.bar(HALF, 120, style.new(false)), "writing    "
    .. "##############..............  50 %  64.0 KB/s  4.0 s left  256 of 512 KB  sent 59 %")
end

function TestProgress:test_a_bar_never_reaches_the_last_column()
  for width = 1, 130 do
    local line = plain(progress.bar(HALF, width, style.new(true, true)))
    lu.assertTrue(utf8.len(line) < math.max(width, 2), width .. ": " .. line)
  end
end

function TestProgress:test_the_end_says_how_long_it_took()
  local line = progress.line { what = "reading", done = 4096, total = 4096, seconds = 2 }
  lu.assertEquals(line, "reading 100 %  2.0 KB/s  in 2.0 s  4 of 4 KB")
end

os.exit(lu.LuaUnit.run())
