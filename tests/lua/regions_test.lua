local errors = require "moonflash.errors"
local identify = require "moonflash.identify"
local init_data = require "moonflash.init_data"
local layout = require "moonflash.layout"
local lu = require "luaunit"
local partition = require "moonflash.partition"
local regions = require "moonflash.regions"

local BLANK <const> = "\xff"

-- Flash of a size with pieces at addresses: { [addr] = bytes }.
local function flash(size, pieces)
  local addrs, out, at = {}, {}, 0
  for addr in pairs(pieces) do addrs[#addrs + 1] = addr end
  table.sort(addrs)
  for _, addr in ipairs(addrs) do
    out[#out + 1] = BLANK:rep(addr - at) .. pieces[addr]
    at = addr + #pieces[addr]
  end
  out[#out + 1] = BLANK:rep(size - at)
  local bytes = table.concat(out)
  assert(#bytes == size)
  return function(addr, n) return bytes:sub(addr + 1, addr + n) end, bytes
end

-- A boot image of one segment: an even number of equal bytes, so that the checksum is
-- its first value.
local function header(code)
  return "\xe9\1\2" .. string.char(code << 4)
    .. ("<I4I4I4"):pack(0x40100000, 0x40100000, 0x2000) .. ("\1"):rep(0x2000)
    .. ("\0"):rep(15) .. "\xef"
end

-- What the irom part of builds says; n bytes of it.
local function irom(n, ...)
  local text = table.concat({ ... }, "\0") .. "\0"
  return text .. ("\x5a"):rep(n - #text)
end

local V2 <const> = "\nNodeMCU 2.2.0.0 build 20190805 powered by Lua 5.1.4 on SDK 2.2.1(6ab97e9)"
local V09 <const> = "\nNodeMCU 0.9.5 build 20150318  powered by Lua 5.1.4"

local FACTORY <const> = {
  { name = "firmware", addr = 0, size = 0xB000 }, { name = "rf-cal", addr = 0xD000, size = 0x1000 },
  { name = "init-data", addr = 0xF000, size = 0x1000 }, { name = "irom", addr = 0x10000, size = 0 },
  { name = "lfs", addr = 0, size = 0x10000 },
  { name = "spiffs", addr = 0, size = partition.REST },
  { name = "system-param", addr = 0, size = 0x3000 },
}

local function ranges_text(list)
  local words = {}
  for i, r in ipairs(list) do words[i] = ("%x+%x"):format(r.addr, r.size) end
  return table.concat(words, " ")
end

local function find(read, size, name) return ranges_text((regions.find(read, size, name))) end

-- Blocks with the magics of a file system of n blocks.
local function spiffs(n, block)
  local out = {}
  for b = 0, n - 1 do
    out[#out + 1] = BLANK:rep(0xFC) .. ("<I2"):pack((0x0429 ~ (n - b)) & 0xFFFF) .. "\0\0"
      .. BLANK:rep(block - 0x100)
  end
  return table.concat(out)
end

TestRegions = {}

function TestRegions:test_a_table_of_3_tells_every_region()
  local read = flash(0x400000, { [0] = header(4),
    [0x10000] = partition.encode(FACTORY, 0x9D000) .. ("\x5a"):rep(0x100) })
  lu.assertEquals(find(read, 0x400000, "rf-cal"), "d000+1000")
  lu.assertEquals(find(read, 0x400000, "init-data"), "f000+1000")
  lu.assertEquals(find(read, 0x400000, "system-param"), "3fd000+3000")
  lu.assertEquals(find(read, 0x400000, "lfs"), "9e000+10000")
  lu.assertEquals(find(read, 0x400000, "spiffs"), "ae000+34f000")
  lu.assertEquals(find(read, 0x400000, "firmware"), "0+b000 10000+1000 11000+8d000")
end

function TestRegions:test_the_header_not_the_chip_decides_where_the_end_is()
  local read = flash(0x400000, { [0] = header(2), [0x10000] = irom(0x5000, V2) })
  lu.assertEquals(find(read, 0x400000, "init-data"), "fc000+1000")
  lu.assertEquals(find(read, 0x400000, "system-param"), "fd000+3000")
  lu.assertEquals(find(read, 0x400000, "rf-cal"), "fb000+1000")
end

-- Written with "keep" by another tool: the firmware corrects the size when it starts
-- for the first time. What 512 KB would have at their end is in the middle of it.
function TestRegions:test_a_firmware_longer_than_its_header_says_has_its_regions_at_the_chips_end()
  local read, bytes = flash(0x400000, { [0] = header(0), [0x10000] = irom(0x94000, V2) })
  for name, at in pairs { ["rf-cal"] = "3fb000+1000", ["init-data"] = "3fc000+1000",
    ["system-param"] = "3fd000+3000", firmware = "0+10000 10000+94000" } do
    lu.assertEquals(find(read, 0x400000, name), at)
  end
  local addr = regions.find(read, 0x400000, "spiffs")[1].addr
  lu.assertTrue(addr >= 0xa4000)
  lu.assertEquals(regions.plain(regions.identify(read, 0x400000).regions),
    regions.plain(identify.backup(bytes).regions))
end

function TestRegions:test_a_file_system_that_the_firmware_does_not_look_for_is_not_its_own()
  local read = flash(0x400000, { [0] = header(4), [0x10000] = irom(0x20000, V2),
    [0x150000] = spiffs(30, 0x2000) })
  lu.assertEquals(regions.find(read, 0x400000, "spiffs")[1].addr, 0x40000)
end

function TestRegions:test_a_header_larger_than_the_chip_does_not_lead_outside()
  local read = flash(0x100000, { [0] = header(4), [0x10000] = irom(0x5000, V2) })
  lu.assertEquals(find(read, 0x100000, "init-data"), "fc000+1000")
end

function TestRegions:test_without_firmware_the_size_of_the_chip_decides()
  local read = flash(0x200000, {})
  lu.assertEquals(find(read, 0x200000, "init-data"), "1fc000+1000")
  for _, name in ipairs { "spiffs", "firmware", "lfs", "partition" } do
    lu.assertErrorMsgContains("no region '" .. name, regions.find, read, 0x200000, name)
  end
end

function TestRegions:test_the_sizes_5_and_6_of_old_builds_are_8_and_16_MB_on_such_chips()
  local read = flash(0x800000, { [0] = header(5), [0x10000] = irom(0x5000, V09) })
  local found = regions.identify(read, 0x800000)
  lu.assertEquals(found.generation, "0.9")
  lu.assertEquals(found.believed, 0x800000)
  read = flash(0x800000, { [0] = header(5), [0x10000] = irom(0x5000, V2) })
  lu.assertEquals(regions.identify(read, 0x800000).believed, 0x200000)
end

function TestRegions:test_0_9_has_no_rf_cal()
  local read = flash(0x80000, { [0] = header(0), [0x10000] = irom(0x5000, V09) })
  lu.assertErrorMsgContains("no region 'rf-cal'", regions.find, read, 0x80000, "rf-cal")
  lu.assertEquals(find(read, 0x80000, "init-data"), "7c000+1000")
end

function TestRegions:test_a_file_system_is_found_by_its_magic()
  local read = flash(0x400000, { [0] = header(4), [0x10000] = irom(0x60000, V2),
    [0x80000] = spiffs(100, 0x2000) })
  lu.assertEquals(find(read, 0x400000, "spiffs"), "80000+c8000")
  local found = regions.identify(read, 0x400000)
  lu.assertTrue(found.spiffs_found)
  lu.assertEquals(found.firmware_end, 0x70000)
  local at = 0
  for _, r in ipairs(found.regions) do
    lu.assertEquals(r.addr, at)
    at = r.addr + r.size
  end
  lu.assertEquals(at, 0x400000)
end

function TestRegions:test_a_file_system_right_behind_the_firmware_ends_it()
  local read = flash(0x80000, { [0] = header(0), [0x10000] = irom(0x50000, V2),
    [0x60000] = spiffs(13, 0x2000) })
  lu.assertEquals(find(read, 0x80000, "spiffs"), "60000+1a000")
  lu.assertEquals(find(read, 0x80000, "firmware"), "0+10000 10000+50000")
end

function TestRegions:test_where_there_is_none_a_new_one_would_be()
  local read = flash(0x400000, { [0] = header(4), [0x10000] = irom(0x60000, V2) })
  local addr, size = layout.new_file_system("2.x", 0x400000, 0x70000)
  lu.assertEquals(find(read, 0x400000, "spiffs"), ("%x+%x"):format(addr, size))
end

function TestRegions:test_any_flash_is_identified_or_refused_with_an_error_of_ours()
  local seed = math.tointeger(tonumber(os.getenv "SEED" or os.time()))
  print("# SEED=" .. seed)
  math.randomseed(seed)
  local _, good = flash(0x80000, { [0] = header(0),
    [0x10000] = partition.encode(FACTORY, 0x40000) .. irom(0x5000, V2) })
  for _ = 1, 300 do
    local bytes = good
    for _ = 1, math.random(1, 8) do
      local at = math.random(0, 1) == 0 and math.random(1, 16) or math.random(0x10001, 0x10080)
      bytes = bytes:sub(1, at - 1) .. string.char(math.random(0, 255)) .. bytes:sub(at + 1)
    end
    local function read(addr, n) return bytes:sub(addr + 1, addr + n) end
    local ok, e = pcall(regions.identify, read, #bytes)
    lu.assertTrue(ok or errors.is(e), tostring(e))
    for _, name in ipairs(regions.names) do
      ok, e = pcall(regions.find, read, #bytes, name)
      lu.assertTrue(ok or errors.is(e), tostring(e))
      for _, r in ipairs(ok and e or {}) do
        lu.assertTrue(r.addr >= 0 and r.size > 0 and r.addr + r.size <= #bytes)
      end
    end
  end
end

function TestRegions:test_quick_answers_read_little()
  local total = 0
  local inner = flash(0x400000, { [0] = header(4), [0x10000] = irom(0x60000, V2) })
  local function read(addr, n)
    total = total + n
    return inner(addr, n)
  end
  regions.find(read, 0x400000, "init-data")
  lu.assertTrue(total <= 0x2000)
end

function TestRegions:test_init_data_is_classified_in_place()
  local read = flash(0x80000, { [0x7C000] = init_data.build { variant = "v08" } })
  lu.assertEquals(regions.init_data(read, 0x7C000).variant.id, "v08")
end

TestWords = {}

function TestWords:test_ranges_by_size_and_by_last_byte()
  lu.assertEquals(regions.parse "0x10000+64k", { name = "0x10000+64k", addr = 0x10000, size = 0x10000 })
  lu.assertEquals(regions.parse "0x10000..0x1ffff".size, 0x10000)
  lu.assertEquals(regions.parse "0x10000+all".size, "all")
  lu.assertEquals(regions.parse "all", { name = "all", addr = 0, size = "all" })
  lu.assertEquals(regions.parse "spiffs", { name = "spiffs" })
end

function TestWords:test_bad_words_are_refused()
  for _, word in ipairs { "", "spifs", "0x10", "0x1001+4k", "0x1000+5", "0x2000..0x1fff", "0x1000..0x1ffe",
    "0x1000-0x2000", "1+", "+1", "zz+4k", "0x1000+0" } do
    local ok, e = pcall(regions.parse, word)
    lu.assertFalse(ok, word)
    lu.assertTrue(e.code == "usage" or e.code == "align", word)
  end
end

function TestWords:test_what_lies_outside_the_flash_is_refused()
  local read = flash(0x80000, {})
  lu.assertErrorMsgContains("outside", regions.resolve, { regions.parse "0x7f000+8k" }, read, 0x80000)
  lu.assertErrorMsgContains("outside", regions.resolve, { regions.parse "0x80000+all" }, read, 0x80000)
  lu.assertEquals(regions.resolve({ regions.parse "0x7f000+all" }, read, 0x80000)[1].size, 0x1000)
end

os.exit(lu.LuaUnit.run())
