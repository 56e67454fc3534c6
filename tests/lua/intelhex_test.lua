local lu = require "luaunit"
local intelhex = require "moonflash.intelhex"

TestIntelHex = {}

local EXAMPLE = ":10010000214601360121470136007EFE09D2190140\r\n:00000001FF\r\n"

function TestIntelHex:test_the_well_known_example()
  local s = intelhex.parse(EXAMPLE)
  lu.assertEquals({ #s, s[1].addr, #s[1].data, s[1].data:byte(1, 3) }, { 1, 0x100, 16, 0x21, 0x46, 0x01 })
end

function TestIntelHex:test_build_gives_the_same_text()
  lu.assertEquals(intelhex.build(intelhex.parse(EXAMPLE)), (EXAMPLE:gsub("\r", "")))
end

function TestIntelHex:test_extended_addresses_and_start()
  local s, start = intelhex.parse(":020000044020" .. "9A" .. "\n:0100000055AA\n:0400000540100004A3\n:00000001FF\n", 0x40200000)
  lu.assertEquals(s, { { addr = 0, data = "U" } })
  lu.assertEquals(start, 0x40100004)
  s = intelhex.parse(":020000021000EC\n:0100100055" .. "9A" .. "\n:00000001FF")
  lu.assertEquals(s[1].addr, 0x10010)
end

function TestIntelHex:test_records_in_any_order_are_joined()
  local s = intelhex.parse(":0100010062" .. "9C" .. "\n:0100000061" .. "9E" .. "\n:00000001FF")
  lu.assertEquals(s, { { addr = 0, data = "ab" } })
end

function TestIntelHex:test_damage_is_refused_with_the_line()
  local function fails(words, bytes, base, code)
    local ok, err = pcall(intelhex.parse, bytes, base)
    lu.assertFalse(ok)
    lu.assertEquals(err.code, code or "file")
    lu.assertStrContains(err.message, words)
  end
  fails("line 1: has a wrong checksum", ":10010000214601360121470136007EFE09D2190141\n:00000001FF")
  fails("line 2: the end record is missing", ":0100000061" .. "9E" .. "\n")
  fails("line 1: is no record", "hello")
  fails("line 1: is no record", ":0100")
  fails("line 1: has a wrong length", ":0200000061" .. "9D" .. "\n:00000001FF")
  fails("line 2: follows the end", ":00000001FF\n:00000001FF\n")
  fails("unknown type 9", ":00000009F7\n:00000001FF\n")
  fails("two records for 0x0", ":0100000061" .. "9E" .. "\n:0100000061" .. "9E" .. "\n:00000001FF", 0, "overlap")
  fails("below the base", ":0100000061" .. "9E" .. "\n:00000001FF", 1, "range")
  fails("the end record is missing", "")
end

function TestIntelHex:test_parse_undoes_build()
  local seed = tonumber(os.getenv "SEED") or os.time()
  print("# seed " .. seed)
  math.randomseed(seed)
  for _ = 1, 60 do
    local segments, at = {}, 0
    for i = 1, math.random(1, 4) do
      at = at + math.random(1, 70000)
      local data = {}
      for k = 1, math.random(1, 300) do data[k] = string.char(math.random(0, 255)) end
      segments[i] = { addr = at, data = table.concat(data) }
      at = at + #data
    end
    lu.assertEquals(intelhex.parse(intelhex.build(segments)), segments)
  end
end

function TestIntelHex:test_no_record_crosses_64_KB()
  local segments = { { addr = 0xFFF8, data = ("x"):rep(40) } }
  lu.assertEquals(intelhex.parse(intelhex.build(segments)), segments)
  lu.assertStrContains(intelhex.build(segments), ":08FFF800")
  lu.assertErrorMsgContains("more than 32 bits", intelhex.build, { { addr = 0xFFFFFFFF, data = "xx" } })
end

os.exit(lu.LuaUnit.run())
