local line_decoder = require "moonflash.line_decoder"
local lu = require "luaunit"

local NOISE <const> = "\xf2\x8c\x9e\x80\xfe\x0e\x12\x1f\x82\x9c\x00\xe0\xf3"

local function texts(lines)
  local out = {}
  for i, line in ipairs(lines) do out[i] = line.text end
  return out
end

-- Feeds pieces of a length; gives all lines, those of the flush too.
local function decode(bytes, piece, baud)
  local decoder, all = line_decoder.new(), {}
  for at = 1, #bytes, piece do
    for _, line in ipairs(decoder:feed(bytes:sub(at, at + piece - 1), at, baud or 115200)) do
      all[#all + 1] = line
    end
  end
  for _, line in ipairs(decoder:flush()) do all[#all + 1] = line end
  return all
end

TestLines = {}

function TestLines:test_every_kind_of_line_end_counts_once_however_it_is_cut()
  for piece = 1, 9 do
    lu.assertEquals(texts(decode("a\nbc\r\nd\r\r\ne\rf\n\ng", piece)),
      { "a", "bc", "d", "e", "f", "", "g" }, "pieces of " .. piece)
  end
end

function TestLines:test_control_characters_are_escaped()
  lu.assertEquals(texts(decode("\27[2Jevil\7 \\ text is here\n", 3)), { "\\x1b[2Jevil\\x07 \\\\ text is here" })
end

function TestLines:test_noise_is_counted_not_shown()
  local lines = decode(NOISE .. "\n" .. NOISE .. "\r\nhello world\n", 5, 9600)
  lu.assertEquals(texts(lines), { "(26 unreadable bytes at 9600 baud)", "hello world" })
  lu.assertEquals(lines[1].unreadable, 26)
end

function TestLines:test_a_line_that_was_deleted_shows_what_is_left()
  lu.assertEquals(texts(decode("prinz\b \bt(1)\n", 1)), { "print(1)" })
  lu.assertEquals(texts(decode("abcd\b \b\b \bx\n", 2)), { "abx" })
end

function TestLines:test_a_change_of_rate_ends_the_line()
  local decoder = line_decoder.new()
  lu.assertEquals(decoder:feed("half a li", 10, 74880), {})
  local lines = decoder:feed("whole\n", 20, 115200)
  lu.assertEquals(texts(lines), { "half a li", "whole" })
  lu.assertEquals({ lines[1].baud, lines[1].time, lines[2].baud, lines[2].time }, { 74880, 10, 115200, 20 })
end

function TestLines:test_noise_is_told_for_each_rate_apart()
  local decoder = line_decoder.new()
  decoder:feed(NOISE .. "\n", 10, 9600)
  lu.assertEquals(texts(decoder:feed("hello\n", 20, 115200)), { "(13 unreadable bytes at 9600 baud)", "hello" })
  decoder:feed(NOISE .. "\n", 30, 115200)
  lu.assertEquals(texts(decoder:feed(NOISE .. "\n", 40, 74880)), { "(13 unreadable bytes at 115200 baud)" })
end

function TestLines:test_the_rest_is_what_a_prompt_looks_like()
  local decoder = line_decoder.new()
  decoder:feed("ok\r\n> pri", 5, 115200)
  lu.assertEquals({ decoder:rest() }, { "> pri", 5 })
  decoder:feed("\b \b\b \b", 6, 115200)
  lu.assertEquals((decoder:rest()), "> p")
end

function TestLines:test_a_time_is_that_of_the_first_byte()
  local decoder = line_decoder.new()
  decoder:feed("ab", 1500000, 115200)
  local line = decoder:feed("c\n", 2500000, 115200)[1]
  lu.assertEquals(line_decoder.with_time(line, 500000), "[   1.000] abc")
end

function TestLines:test_endless_lines_and_endless_noise_stay_bounded()
  local decoder, longest = line_decoder.new(), 0
  for t = 1, 2000 do
    for _, line in ipairs(decoder:feed(("x"):rep(100), t, 115200)) do longest = math.max(longest, #line.text) end
    lu.assertTrue(#decoder.pending < 2500)
  end
  lu.assertTrue(longest > 2000 and longest < 2500)
  for t = 1, 2000 do
    decoder:feed(NOISE, t, 115200)
    lu.assertTrue(#decoder.pending + decoder.garbage < 5000)
  end
end

function TestLines:test_whatever_comes_only_printable_text_goes_out()
  local seed = tonumber(os.getenv "SEED") or os.time()
  print("# seed " .. seed)
  math.randomseed(seed)
  for _ = 1, 500 do
    local bytes = {}
    for i = 1, math.random(0, 200) do
      bytes[i] = math.random() < 0.6 and string.char(math.random(32, 126)) or string.char(math.random(0, 255))
    end
    bytes = table.concat(bytes)
    for _, line in ipairs(decode(bytes, math.random(1, 40))) do
      lu.assertNil(line.text:find("[^\x20-\x7e]"))
    end
  end
end

os.exit(lu.LuaUnit.run())
