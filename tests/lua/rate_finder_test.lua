local lu = require "luaunit"
local rate_finder = require "moonflash.rate_finder"

local ROM <const> = "\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\n"
  .. "load 0x40100000, len 284, room 16 \r\ntail 12\r\nchksum 0x32\r\ncsum 0x32\r\n"
local APP <const> = "\r\nNodeMCU 2.2.0.0 build 20190805 powered by Lua 5.1.4 on SDK 2.2.1\r\n> "

local function seeded()
  local seed = tonumber(os.getenv "SEED") or os.time()
  print("# seed " .. seed)
  math.randomseed(seed)
end

-- What a UART at one rate receives of text sent at another: samples in the middle of
-- its own bits, from each falling edge on. Worked out here, not by the code under test.
local function received(text, sent_baud, heard_baud)
  if sent_baud == heard_baud then return text end
  local bits = {}
  for i = 1, #text do
    bits[#bits + 1] = 0
    for b = 0, 7 do bits[#bits + 1] = text:byte(i) >> b & 1 end
    bits[#bits + 1] = 1
  end
  local function level(t) return bits[math.floor(t * sent_baud) + 1] or 1 end
  local out, t, last, step = {}, 0, #bits / sent_baud, 1 / heard_baud
  while t < last do
    while t < last and level(t) == 1 do t = t + step / 16 end
    if t >= last then break end
    local byte = 0
    for b = 0, 7 do byte = byte | level(t + (1.5 + b) * step) << b end
    out[#out + 1] = string.char(byte)
    t = t + 9.5 * step
    while t < last and level(t) == 0 do t = t + step / 16 end
  end
  return table.concat(out)
end

-- Plays a program of { rate, text } to a finder, in small pieces, and gives what was
-- heard right and where it ended.
local function play(finder, program)
  local heard, now = {}, 0
  for _, item in ipairs(program) do
    local baud, text = item[1], item[2]
    local at = 1
    while at <= #text do
      local piece = text:sub(at, at + 7)
      if finder.baud == baud then heard[#heard + 1] = piece end
      now = now + #piece * 10 * 1000000 // baud
      finder:feed(received(piece, baud, finder.baud), now)
      at = at + 8
    end
    for _ = 1, (item.quiet or 0) // 20 do
      now = now + 20000
      finder:feed("", now)
    end
  end
  return table.concat(heard), now
end

TestReadable = {}

function TestReadable:test_text_is_readable_noise_is_not()
  lu.assertTrue(rate_finder.readable(ROM) == 1)
  lu.assertTrue(rate_finder.readable("temp 21 \xc2\xb0C, \xe6\xb8\xa9\xe5\xba\xa6 ok") == 1)
  lu.assertTrue(rate_finder.readable("\27[0;32mI (42) boot\27[0m") == 1)
  lu.assertTrue(rate_finder.readable("\xf2\x8c\x9e\x80\xfe\x0e\x12\x1f") < 0.3)
  lu.assertEquals(rate_finder.readable "", 0)
end

function TestReadable:test_every_wrong_pair_of_rates_looks_bad_and_every_right_one_good()
  for _, sent in ipairs(rate_finder.RATES) do
    for _, heard in ipairs(rate_finder.RATES) do
      local bytes = received(ROM .. APP .. APP, sent, heard)
      local bad, good = 0, 0
      for at = 16, #bytes, 4 do
        local verdict = rate_finder.judge(bytes:sub(math.max(1, at - 63), at))
        if verdict == "bad" then bad = bad + 1 elseif verdict == "good" then good = good + 1 end
      end
      if sent == heard then
        lu.assertEquals(bad, 0, sent)
        lu.assertTrue(good > 0)
      elseif #bytes >= 16 then
        lu.assertTrue(bad > 0, ("%d heard at %d: %q"):format(sent, heard, bytes))
      end
    end
  end
end

function TestReadable:test_a_few_bytes_are_no_proof_but_known_texts_are()
  lu.assertEquals(rate_finder.judge "ab", "unsure")
  lu.assertEquals(rate_finder.judge "\xff\x00", "unsure")
  lu.assertEquals(rate_finder.judge "\r\n> ", "good")
end

TestFinder = {}

function TestFinder:test_each_rate_is_found()
  for _, baud in ipairs(rate_finder.RATES) do
    local finder = rate_finder.new()
    local heard = play(finder, { { baud, (APP .. "line of text\r\n"):rep(60) } })
    lu.assertEquals(finder.baud, baud)
    lu.assertStrContains(heard, "NodeMCU 2.2.0.0")
  end
end

function TestFinder:test_the_roms_text_then_the_firmwares()
  for _, baud in ipairs { 115200, 9600, 57600 } do
    local finder = rate_finder.new()
    finder:restarted()
    local heard = play(finder, { { 74880, ROM }, { baud, (APP):rep(8) } })
    lu.assertStrContains(heard, "rst cause:2")
    lu.assertStrContains(heard, "csum 0x32")
    lu.assertEquals({ finder.baud, finder.home }, { baud, baud })
  end
end

function TestFinder:test_at_the_usual_rate_not_a_byte_of_the_banner_is_lost()
  local finder = rate_finder.new()
  finder:restarted()
  local rom = ("x"):rep(-#ROM % 8) .. ROM         -- pieces end where the ROM does
  local heard = play(finder, { { 74880, rom }, { 115200, APP } })
  lu.assertEquals(heard, rom .. APP)
end

function TestFinder:test_a_rom_that_refuses_the_image_is_heard_out()
  local finder = rate_finder.new()
  finder:restarted()
  local log = ROM:gsub("csum 0x32\r\n$", "csum 0x77\r\ncsum err\r\nets_main.c \r\n")
  lu.assertEquals((play(finder, { { 74880, log, quiet = 2000 } })), log)
end

function TestFinder:test_a_restart_is_followed_and_left_again()
  local finder = rate_finder.new { home = 115200 }
  local program = { { 115200, APP, quiet = 100 } }
  for _ = 1, 3 do
    program[#program + 1] = { 74880, ROM .. ROM, quiet = 300 }
    program[#program + 1] = { 115200, APP:rep(3), quiet = 100 }
  end
  local heard = play(finder, program)
  lu.assertEquals(finder.baud, 115200)
  local _, banners = heard:gsub("powered by Lua", "")
  lu.assertTrue(banners >= 7, heard)
  lu.assertStrContains(heard, "rst cause:2")
end

function TestFinder:test_the_sdks_words_at_the_roms_rate_are_heard_when_staying()
  local finder = rate_finder.new { baud = 74880, stay = true }
  local log = (ROM .. "rf_cal[0] !=0x05,is 0xFF\r\n"):rep(3)
  lu.assertEquals((play(finder, { { 74880, log, quiet = 1000 } })), log)
  lu.assertNil(finder.home)
end

function TestFinder:test_a_boot_loop_is_read_whatever_the_first_guess()
  local finder = rate_finder.new()
  local heard = play(finder, { { 74880, (ROM .. "rf_cal[0] !=0x05,is 0xFF\r\n"):rep(12) } })
  lu.assertStrContains(heard, "rf_cal[0] !=0x05,is 0xFF")
end

function TestFinder:test_words_at_the_roms_rate_are_missed_once_at_most()
  local finder = rate_finder.new()
  finder:restarted()
  local rom = ("x"):rep(-#ROM % 8) .. ROM
  local program = {}
  for _ = 1, 4 do
    program[#program + 1] = { 74880, rom }
    program[#program + 1] = { 74880, "rf_cal[0] !=0x05,is 0xFF\r\n", quiet = 40 }
  end
  local _, count = play(finder, program):gsub("rf_cal%[0%] !=0x05,is 0xFF", "")
  lu.assertTrue(count >= 3, count)
end

function TestFinder:test_a_rom_that_falls_silent_is_left_for_the_consoles_rate()
  local finder = rate_finder.new { home = 57600 }
  finder:restarted()
  play(finder, { { 74880, ROM:sub(1, 60), quiet = 400 } })
  lu.assertEquals(finder.baud, 57600)
end

function TestFinder:test_a_fixed_rate_stays()
  local finder = rate_finder.new { baud = 9600, fixed = true }
  play(finder, { { 115200, APP:rep(20) } })
  lu.assertEquals(finder.baud, 9600)
  lu.assertEquals(finder:restarted(), 9600)
end

function TestFinder:test_silence_changes_nothing()
  local finder = rate_finder.new()
  for t = 0, 10000000, 100000 do lu.assertNil(finder:feed("", t)) end
  lu.assertEquals(finder.baud, 115200)
end

function TestFinder:test_a_glitch_in_good_text_changes_nothing()
  local finder = rate_finder.new()
  play(finder, { { 115200, APP } })
  finder:feed("\xff\x00\xfe", 10)
  play(finder, { { 115200, APP } })
  lu.assertEquals(finder.baud, 115200)
end

function TestFinder:test_endless_noise_keeps_memory_and_goes_round_the_rates()
  seeded()
  local finder, seen = rate_finder.new(), {}
  for t = 1, 20000 do
    local piece = {}
    for i = 1, 16 do piece[i] = string.char(math.random(0, 255)) end
    finder:feed(table.concat(piece), t)
    seen[finder.baud] = true
    lu.assertTrue(#finder.window <= 64)
  end
  for _, baud in ipairs(rate_finder.RATES) do lu.assertTrue(seen[baud], baud) end
end

os.exit(lu.LuaUnit.run())
