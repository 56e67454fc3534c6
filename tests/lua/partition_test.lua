local lu = require "luaunit"
local partition = require "moonflash.partition"

-- The first bytes at flash 0x10000 of a published 3.0 build (20210201).
local FACTORY = (([[
  18 01 00 00
  65 00 00 00 00 00 00 00 00 B0 00 00   04 00 00 00 00 D0 00 00 00 10 00 00
  05 00 00 00 00 F0 00 00 00 10 00 00   66 00 00 00 00 00 01 00 00 00 00 00
  67 00 00 00 00 00 00 00 00 00 00 00   6A 00 00 00 00 00 00 00 FF FF FF FF
  06 00 00 00 00 00 00 00 00 30 00 00   00 00 00 00 00 D0 29 40 00 00 00 00
]]):gsub("%s+", ""):gsub("..", function(h) return string.char(tonumber(h, 16)) end))

local function sector(bytes) return bytes .. ("\xff"):rep(0x1000 - #bytes) end

local function names(entries)
  local list = {}
  for i, e in ipairs(entries) do list[i] = e.name end
  return table.concat(list, " ")
end

TestRead = {}

function TestRead:test_reads_the_table_of_a_published_build()
  local t = partition.read(sector(FACTORY))
  lu.assertTrue(t.factory)
  lu.assertEquals(t.firmware_end, 0x9D000)
  lu.assertEquals(names(t.entries), "firmware rf-cal init-data irom lfs spiffs system-param")
  lu.assertEquals(t.entries[3], { type = 5, name = "init-data", addr = 0xF000, size = 0x1000 })
  lu.assertEquals(t.offset, 0)
  lu.assertFalse(t.init_data_checked)
end

function TestRead:test_the_live_table_is_found_behind_the_deleted_one()
  local old = "\x18\0\0\0" .. FACTORY:sub(5)
  local done = partition.complete(partition.read(sector(FACTORY)), 0x400000)
  local bytes = old .. partition.encode(done) .. "\0\2\0\0"
  local t = partition.read(sector(bytes))
  lu.assertEquals(t.offset, 0x64)
  lu.assertEquals(bytes:sub(0x65, 0x68), "\x12\1\0\0")
  lu.assertFalse(t.factory)
  lu.assertTrue(t.init_data_checked)
  lu.assertEquals(t.entries, done)
end

function TestRead:test_a_deleted_table_does_not_count_and_the_last_live_one_does()
  local deleted = "\x18\0\0\0" .. FACTORY:sub(5)
  lu.assertNil(partition.read(sector(deleted)))
  lu.assertEquals(partition.read(sector(FACTORY .. FACTORY)).offset, #FACTORY)
end

function TestRead:test_finds_the_table_in_a_whole_image()
  local image = ("\xff"):rep(0x10000) .. sector(FACTORY)
  lu.assertEquals(partition.find(image).firmware_end, 0x9D000)
  lu.assertNil(partition.find(("\xff"):rep(0x10000)))
end

function TestRead:test_code_and_blank_flash_hold_no_table()
  for _, bytes in ipairs {
    sector "", ("\0"):rep(0x1000), "", "abc", sector "\x12\xc1\xf0\xff",
    sector("\x0f\1\0\0" .. ("\x65\0\0\0"):rep(15)), sector "\x18\1\0\0",
    FACTORY:sub(1, 50),
  } do
    local t, why = partition.read(bytes)
    lu.assertNil(t)
    lu.assertTrue(#why > 0)
  end
end

function TestRead:test_random_bytes_neither_raise_nor_loop()
  local seed = tonumber(os.getenv "SEED") or os.time()
  print("# seed " .. seed)
  math.randomseed(seed)
  for _ = 1, 3000 do
    local n, bytes = math.random(0, 300), {}
    for i = 1, n do bytes[i] = string.char(math.random(0, 3) == 0 and math.random(0, 255) or 0) end
    bytes = table.concat(bytes)
    if math.random(2) == 1 then
      local cut = math.random(0, #FACTORY)
      bytes = FACTORY:sub(1, cut) .. bytes
    end
    local records = partition.walk(bytes)
    for _, r in ipairs(records) do lu.assertTrue(r.offset + 4 + 4 * r.words <= #bytes) end
    partition.read(bytes)
    partition.find(("\xff"):rep(0x10000) .. bytes)
  end
end

TestComplete = {}

local function completed(flash_bytes, change)
  local t = partition.read(sector(FACTORY))
  if change then change(t.entries) end
  return partition.complete(t, flash_bytes)
end

function TestComplete:test_does_what_the_firmware_does_on_4_MB()
  local e = completed(0x400000)
  lu.assertEquals(names(e), "firmware rf-cal init-data irom spiffs system-param")
  lu.assertEquals({ partition.entry(e, "irom").addr, partition.entry(e, "irom").size },
    { 0x10000, 0x8E000 })
  lu.assertEquals({ partition.entry(e, "spiffs").addr, partition.entry(e, "spiffs").size },
    { 0x9E000, 0x35F000 })
  lu.assertEquals({ partition.entry(e, "system-param").addr,
    partition.entry(e, "system-param").size }, { 0x3FD000, 0x3000 })
end

function TestComplete:test_lfs_follows_the_firmware_and_is_rounded_up()
  local e = completed(0x400000, function(t) partition.entry(t, "lfs").size = 0x1F000 end)
  lu.assertEquals(partition.entry(e, "lfs"),
    { type = 103, name = "lfs", addr = 0x9E000, size = 0x20000 })
  lu.assertEquals(partition.entry(e, "spiffs").addr, 0xBE000)
end

function TestComplete:test_a_file_system_of_given_size_goes_to_1_MB()
  local function set(t) partition.entry(t, "spiffs").size = 0x100000 end
  lu.assertEquals(partition.entry(completed(0x400000, set), "spiffs").addr, 0x100000)
  local function small(t) partition.entry(t, "spiffs").size = 0x20000 end
  lu.assertEquals(partition.entry(completed(0x100000, small), "spiffs").addr, 0x9E000)
  local function none(t) partition.entry(t, "spiffs").size = 0 end
  lu.assertNil(partition.entry(completed(0x400000, none), "spiffs"))
end

function TestComplete:test_the_first_3_0_builds_use_flash_to_its_end()
  local bytes = partition.encode({
    { name = "firmware", addr = 0, size = 0xB000 }, { name = "rf-cal", addr = 0xB000, size = 0x1000 },
    { name = "init-data", addr = 0xC000, size = 0x1000 },
    { name = "system-param", addr = 0xD000, size = 0x3000 },
    { name = "irom", addr = 0x10000, size = 0 }, { name = "lfs", addr = 0, size = 0 },
    { name = "spiffs", addr = 0, size = partition.REST },
  }, 0x80000)
  local e = partition.complete(partition.read(sector(bytes)), 0x400000)
  local fs = partition.entry(e, "spiffs")
  lu.assertEquals(fs.addr + fs.size, 0x400000)
end

function TestComplete:test_what_the_firmware_would_hang_on_is_refused()
  lu.assertErrorMsgContains("ends beyond the 512 KB of flash", completed, 0x80000)
  lu.assertErrorMsgContains("whole sectors", completed, 0x400000,
    function(t) partition.entry(t, "spiffs").size = 0x1234 end)
  lu.assertErrorMsgContains("overlaps the one before", completed, 0x400000, function(t)
    partition.entry(t, "lfs").size, partition.entry(t, "lfs").addr = 0x2000, 0x10000
  end)
end

TestEncode = {}

function TestEncode:test_encodes_the_published_bytes()
  local t = partition.read(sector(FACTORY))
  lu.assertEquals(partition.encode(t.entries, t.firmware_end), FACTORY)
end

function TestEncode:test_rewrite_keeps_the_other_records()
  local other = "\1\6\0\0\2\0\0\0"
  local t = partition.read(sector(FACTORY))
  local new = partition.rewrite(sector(FACTORY .. "\1\0\0\0abcd" .. other), t.entries, 0x9D000)
  lu.assertEquals(#new, 0x1000)
  lu.assertEquals(new, sector(other .. FACTORY))
end

function TestEncode:test_refuses_what_cannot_be_written()
  lu.assertErrorMsgContains("unknown entry", partition.encode, { { name = "x", addr = 0, size = 0 } })
  lu.assertErrorMsgContains("no 32-bit", partition.encode, { { name = "lfs", addr = -1, size = 0 } })
  local many = {}
  for i = 1, 21 do many[i] = { name = "lfs", addr = 0, size = 0 } end
  lu.assertErrorMsgContains("more entries", partition.encode, many)
  local full = ("\x3f\x05\0\0" .. ("x"):rep(252)):rep(16)
  lu.assertErrorMsgContains("do not fit", partition.rewrite, full, partition.read(sector(FACTORY)).entries)
end

os.exit(lu.LuaUnit.run())
