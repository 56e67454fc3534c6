local elf_symbols = require "moonflash.elf_symbols"
local errors = require "moonflash.errors"
local lu = require "luaunit"

local FUNC <const>, NOTYPE <const>, OBJECT <const> = 2, 0, 1

-- An ELF32 file with a symbol table and nothing else; symbols = { name, addr, size, type }.
local function elf(symbols)
  local names, table_bytes = "\0", ("\0"):rep(16)
  for _, s in ipairs(symbols) do
    table_bytes = table_bytes .. ("<I4I4I4BBI2"):pack(#names, s[2], s[3], 0x10 | s[4], 0, 1)
    names = names .. s[1] .. "\0"
  end
  local function section(kind, offset, size, link)
    return ("<I4I4I4I4I4I4I4I4I4I4"):pack(0, kind, 0, 0, offset, size, link, 0, 4, 16)
  end
  local first = 52
  local sections = section(0, 0, 0, 0) .. section(2, first, #table_bytes, 2)
    .. section(3, first + #table_bytes, #names, 0)
  local head = "\x7fELF\1\1\1" .. ("\0"):rep(9) .. ("<I2I2I4I4I4I4I4I2I2I2I2I2I2"):pack(2, 94, 1,
    0x40100000, 0, first + #table_bytes + #names, 0, 52, 0, 0, 40, 3, 0)
  return head .. table_bytes .. names .. sections
end

local SYMBOLS <const> = {
  { "app_main", 0x40201000, 0x40, FUNC }, { "helper", 0x40201040, 0x20, FUNC },
  { "ets_printf", 0x400024cc, 0, NOTYPE }, { "buffer", 0x3ffe8000, 64, OBJECT },
  { ".Ltext", 0x40201010, 0, NOTYPE }, { "start", 0x40100000, 0, NOTYPE },
}

TestNames = {}

function TestNames:test_nearest_function_and_distance()
  local s = elf_symbols.parse(elf(SYMBOLS))
  lu.assertEquals(s.count, 4)
  lu.assertEquals(s:name(0x40201000), "app_main")
  lu.assertEquals(s:name(0x40201014), "app_main+0x14")
  lu.assertEquals(s:name(0x4020105f), "helper+0x1f")
  lu.assertEquals(s:name(0x400024cf), "ets_printf+0x3")
  lu.assertEquals(s:name(0x40100123), "start+0x123")
end

function TestNames:test_no_name_outside_of_a_function()
  local s = elf_symbols.parse(elf(SYMBOLS))
  lu.assertNil(s:name(0x40201060))
  lu.assertNil(s:name(0x40000000))
  lu.assertNil(s:name(0x40120000))
  lu.assertNil(s:name(0))
  lu.assertNil(s:name(0xffffffff))
end

function TestNames:test_a_function_wins_over_a_label_at_its_address()
  local s = elf_symbols.parse(elf { { "label", 0x40201000, 0, NOTYPE }, { "real", 0x40201000, 8, FUNC },
    { "zlabel", 0x40201000, 0, NOTYPE } })
  lu.assertEquals(s:name(0x40201004), "real+0x4")
end

function TestNames:test_a_name_cannot_carry_terminal_commands()
  local s = elf_symbols.parse(elf { { "\27]0;x\7" .. ("n"):rep(500), 0x40201000, 8, FUNC } })
  local name = s:name(0x40201000)
  lu.assertNil(name:find("%c"))
  lu.assertTrue(#name < 200)
end

local function refused(bytes)
  local ok, e = pcall(elf_symbols.parse, bytes)
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "file"), tostring(e))
  return e
end

TestHostile = {}

function TestHostile:test_what_is_no_elf_file_is_refused_in_words()
  lu.assertStrContains(refused("").message, "no ELF")
  lu.assertStrContains(refused("\xe9\3\2\0").message, "no ELF")
  refused("\x7fELF")
  refused("\x7fELF\2\1\1" .. ("\0"):rep(100))
  lu.assertStrContains(refused(elf {}).message, "no symbols")
end

function TestHostile:test_every_truncation_is_refused()
  local bytes = elf(SYMBOLS)
  for n = 0, #bytes - 1 do refused(bytes:sub(1, n)) end
end

-- Whatever is done to the bytes: names, or an error of ours, and soon.
function TestHostile:test_ten_thousand_damaged_files()
  local seed = tonumber(os.getenv "SEED") or os.time()
  print("# seed " .. seed)
  math.randomseed(seed)
  local good, started, parsed = elf(SYMBOLS), os.clock(), 0
  for _ = 1, 10000 do
    local bytes = { good:byte(1, -1) }
    for _ = 1, math.random(1, 6) do
      bytes[math.random(5, #bytes)] = math.random() < 0.3 and 255 or math.random(0, 255)
    end
    local ok, result = pcall(elf_symbols.parse, string.char(table.unpack(bytes)))
    if ok then
      parsed = parsed + 1
      for _, addr in ipairs { 0, 0x40201004, 0x402fffff, 0xffffffff } do result:name(addr) end
    else
      lu.assertTrue(errors.is(result, "file"), tostring(result))
    end
  end
  lu.assertTrue(parsed > 100)
  lu.assertTrue(os.clock() - started < 10)
end

os.exit(lu.LuaUnit.run())
