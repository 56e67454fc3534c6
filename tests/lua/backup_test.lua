local backup = require "moonflash.backup"
local errors = require "moonflash.errors"
local esp = require "esp"
local json = require "dkjson"
local lu = require "luaunit"
local restore = require "moonflash.restore"
local zip = require "moonflash.zip"

local SEED <const> = math.tointeger(tonumber(os.getenv "SEED" or os.time()))
local META <const> = {
  created = "2024-05-01T10:00:00Z", program = "moonflash test",
  chip = { name = "ESP8266EX", mac = "60:01:94:a5:b6:9c", chip_id = 1, crystal_mhz = 26 },
  flash = { id = 0x1440ef, size = 0x100000, name = "Winbond W25Q80" },
  firmware = { text = "NodeMCU 2.2.0.0", generation = "2.x" },
  layout = {
    { name = "firmware", addr = 0, size = 0x10000 }, { name = "irom", addr = 0x10000, size = 0x4000 },
    { name = "spiffs", addr = 0x14000, size = 0xE6000 }, { name = "rf-cal", addr = 0xFB000, size = 0x1000 },
    { name = "init-data", addr = 0xFC000, size = 0x1000 },
    { name = "system-param", addr = 0xFD000, size = 0x3000 },
  },
}

local function noise(n, seed)
  local pieces = {}
  for i = 1, n // 32 do
    pieces[i] = esp.sha256(("%d %d"):format(seed, i)):gsub("..", function(h)
      return string.char(tonumber(h, 16))
    end)
  end
  return table.concat(pieces)
end

local FLASH <const> = noise(0x8000, 1) .. ("\xff"):rep(0xF0000) .. noise(0x8000, 2)

local function build(ranges, meta)
  local w = backup.writer(ranges)
  for _, c in ipairs(w.chunks) do w:add(FLASH:sub(c.addr + 1, c.addr + c.size)) end
  return w:finish(meta or META)
end

local function whole() return build { { name = "all", addr = 0, size = 0x100000 } } end

local function bytes_of(b)
  local pieces = {}
  b:each(function(_, bytes) pieces[#pieces + 1] = bytes end)
  return table.concat(pieces)
end

-- The archive with another backup.json, made by f(manifest) or given as text.
local function with_manifest(bytes, f)
  local w = zip.writer()
  for _, e in ipairs(zip.entries(bytes)) do
    local data = zip.read(bytes, e)
    if e.name == "backup.json" then
      local m = json.decode(data)
      data = type(f) == "string" and f or json.encode(f(m) or m)
    end
    w:add(e.name, data)
  end
  return w:finish()
end

local function refused(bytes, pattern)
  local ok, e = pcall(function() return backup.parse(bytes):check() end)
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "file"), tostring(e))
  lu.assertStrMatches(tostring(e), ".*" .. (pattern or "") .. ".*")
end

TestContainer = {}

function TestContainer:test_a_whole_flash_comes_out_as_it_went_in()
  local bytes, sum = whole()
  local b = backup.parse(bytes):check()
  lu.assertTrue(bytes_of(b) == FLASH)
  lu.assertEquals(sum, esp.sha256(FLASH))
  lu.assertEquals(b.meta.sha256, sum)
  lu.assertEquals(b.meta.chip, META.chip)
  lu.assertEquals(b:size(), 0x100000)
  lu.assertEquals(#b.meta.chunks, 16)
  lu.assertTrue(#bytes < 0x12000)
end

function TestContainer:test_regions_come_out_as_they_went_in()
  local b = backup.parse(build { { name = "a", addr = 0x1000, size = 0x2000 },
    { name = "b", addr = 0xFB000, size = 0x5000 } }):check()
  lu.assertTrue(b:read(0x1000, 0x2000) == FLASH:sub(0x1001, 0x3000))
  lu.assertTrue(b:read(0xFFFF0, 16) == FLASH:sub(-16))
  lu.assertNil(b:read(0, 16))
  lu.assertNil(b:read(0x2FF0, 32))
end

function TestContainer:test_read_crosses_chunks()
  local b = backup.parse((whole()))
  lu.assertTrue(b:read(0x7FF0, 0x20000) == FLASH:sub(0x7FF1, 0x27FF0))
end

function TestContainer:test_joined_ranges_ascend_and_do_not_overlap()
  lu.assertEquals(backup.join { { name = "b", addr = 0x3000, size = 0x2000 },
    { name = "a", addr = 0, size = 0x1000 }, { name = "c", addr = 0x4000, size = 0x4000 } },
    { { name = "a", addr = 0, size = 0x1000 }, { name = "b+c", addr = 0x3000, size = 0x5000 } })
end

function TestContainer:test_replaced_bytes_are_there_and_the_others_too()
  local b = backup.parse((whole()))
  local new = backup.parse(b:replace(0xFFF0, ("x"):rep(32))):check()
  lu.assertTrue(bytes_of(new) == FLASH:sub(1, 0xFFF0) .. ("x"):rep(32) .. FLASH:sub(0x10011))
  lu.assertEquals(new.meta.chip, META.chip)
  lu.assertErrorMsgContains("does not hold", b.replace, b, 0xFFFF0, ("x"):rep(32))
end

function TestContainer:test_describe_names_chip_and_ranges()
  local text = table.concat(backup.parse((whole())):describe(), "\n")
  lu.assertStrContains(text, "60:01:94:a5:b6:9c")
  lu.assertStrContains(text, "0x000000..0x0fffff")
  lu.assertStrContains(text, "NodeMCU 2.2.0.0")
end

function TestContainer:test_what_is_no_backup_is_refused()
  for _, bytes in ipairs { "", "PK", "PK\3\4", "\xe9\3\0\0", FLASH, ("PK\3\4"):rep(100) } do
    refused(bytes)
  end
  local other = zip.writer()
  other:add("readme.txt", "an archive of something else")
  refused(other:finish(), "backup.json")
  refused(zip.writer():finish())
end

function TestContainer:test_another_version_is_refused_by_name()
  refused(with_manifest((whole()), function(m) m.version = 2 end), "version 2")
end

function TestContainer:test_every_lie_in_the_manifest_is_refused()
  local lies = {
    function(m) m.format = "zip" end, function(m) m.chip = nil end, function(m) m.chip.mac = {} end,
    function(m) m.chip.mac = ("x"):rep(1000) end, function(m) m.flash = 5 end,
    function(m) m.flash.size = -4096 end, function(m) m.flash.size = 4097 end,
    function(m) m.flash.size = 0x80000 end, function(m) m.flash.id = "x" end,
    function(m) m.ranges = nil end, function(m) m.ranges = {} end, function(m) m.ranges = "all" end,
    function(m) m.ranges[1].size = 0x200000 end, function(m) m.ranges[1].size = 0x7FFFFFFFFFFFF000 end,
    function(m) m.ranges[1].addr = -0x1000 end, function(m) m.ranges[1].addr = 0x1000 end,
    function(m) m.ranges[1].addr = 0.5 end, function(m) m.ranges[1].name = nil end,
    function(m) m.ranges[2] = m.ranges[1] end, function(m) m.chunks[3] = nil end,
    function(m) m.chunks[3].sha256 = 7 end, function(m) m.chunks[3].sha256 = ("0"):rep(64) end,
    function(m) m.chunks[3].addr = 0 end, function(m) m.chunks = nil end,
    function(m) m.sha256 = nil end, function(m) m.sha256 = ("0"):rep(64) end,
    function(m) m.layout = { 5 } end, function(m) m.layout[1].size = 0 end,
    function(m) m.layout = { { name = "x", addr = 0, size = 2 ^ 40 } } end,
    function(m) m.firmware = "NodeMCU" end, function(m) m.firmware.generation = {} end,
    function(m) m.created = 5 end,
    "", "{", "[[[[", "null", "5", ("["):rep(100000), "\0\0\0", '{"format":"moonflash-backup"}',
  }
  local bytes = whole()
  for _, lie in ipairs(lies) do refused(with_manifest(bytes, lie)) end
end

function TestContainer:test_entries_in_another_order_or_missing_are_refused()
  local bytes = whole()
  local entries = zip.entries(bytes)
  local swapped, fewer = zip.writer(), zip.writer()
  for i, e in ipairs(entries) do
    local other = entries[i == 1 and 16 or i == 16 and 1 or i]
    swapped:add(other.name, zip.read(bytes, other))
    if i ~= 5 then fewer:add(e.name, zip.read(bytes, e)) end
  end
  refused(swapped:finish(), "does not hold")
  refused(fewer:finish(), "does not hold")
end

function TestContainer:test_swapped_contents_are_found_by_their_digests()
  local bytes = whole()
  local entries = zip.entries(bytes)
  local w = zip.writer()
  for i, e in ipairs(entries) do
    w:add(e.name, zip.read(bytes, entries[i == 1 and 2 or i == 2 and 1 or i]))
  end
  refused(w:finish(), "digest")
end

-- Random damage: flips, cuts, insertions, copies, zeroes, header fields. Either it
-- is refused with an error of ours, or the flash bytes are proven to be the same.
function TestContainer:test_10000_damaged_files_are_refused_or_prove_equal()
  print("# SEED=" .. SEED)
  math.randomseed(SEED)
  local good = build { { name = "a", addr = 0x6000, size = 0x3000 },
    { name = "b", addr = 0xF7000, size = 0x2000 } }
  local want, meta = bytes_of(backup.parse(good)), backup.parse(good).meta
  local function somewhere(n) return math.random(1, n) end
  local damage = {
    function(s)
      local at = somewhere(#s)
      return s:sub(1, at - 1) .. string.char(s:byte(at) ~ 1 << math.random(0, 7)) .. s:sub(at + 1)
    end,
    function(s) return s:sub(1, somewhere(#s) - 1) end,
    function(s) return s:sub(somewhere(#s)) end,
    function(s)
      local at = somewhere(#s)
      return s:sub(1, at) .. string.char(math.random(0, 255)) .. s:sub(at + 1)
    end,
    function(s)
      local at, n = somewhere(#s), math.random(1, 64)
      return s:sub(1, at - 1) .. s:sub(at + n)
    end,
    function(s)
      local at, n = somewhere(#s), math.random(1, 64)
      return s:sub(1, at - 1) .. ("\0"):rep(math.min(n, #s - at + 1)) .. s:sub(at + n)
    end,
    function(s)
      local at, from, n = somewhere(#s - 64), somewhere(#s - 64), math.random(1, 64)
      return s:sub(1, at - 1) .. s:sub(from, from + n - 1) .. s:sub(at + n)
    end,
    function(s)     -- a length in some local header becomes extreme
      local heads = {}
      for at in s:gmatch "()PK\3\4" do heads[#heads + 1] = at end
      local at = (heads[1] and heads[math.random(#heads)] or 1) + math.random(4, 26)
      return s:sub(1, at - 1) .. ("\xff"):rep(4) .. s:sub(at + 4)
    end,
  }
  local refusals, equal = 0, 0
  for _ = 1, 10000 do
    local bad = good
    for _ = 1, math.random(1, 3) do
      if #bad > 100 then bad = damage[math.random(#damage)](bad) end
    end
    local ok, result = pcall(function() return backup.parse(bad):check() end)
    if ok then
      lu.assertTrue(bytes_of(result) == want)
      lu.assertEquals(result.meta, meta)
      equal = equal + 1
    else
      lu.assertTrue(errors.is(result, "file"), tostring(result))
      refusals = refusals + 1
    end
  end
  print(("# %d refused, %d proven equal"):format(refusals, equal))
  lu.assertTrue(refusals > 9000)
end

TestRestorePlan = {}

local CHIP <const> = { chip = "ESP8266EX", mac = "60:01:94:A5:B6:9C" }
local CHIP_FLASH <const> = { id = 0x1440ef, size = 0x100000 }

function TestRestorePlan:test_the_same_board_has_no_differences()
  lu.assertEquals(restore.differences(backup.parse((whole())), CHIP, CHIP_FLASH), {})
end

function TestRestorePlan:test_another_board_is_refused_with_every_difference_named()
  local b = backup.parse((whole()))
  local ok, e = pcall(restore.must_fit, b, { chip = "ESP8285", mac = "00:00:00:00:00:01" },
    { id = 0x1640c8, size = 0x400000 })
  lu.assertFalse(ok)
  lu.assertEquals(e.code, "wrong_chip")
  for _, word in ipairs { "MAC", "flash size", "flash id", "chip: ", "ESP8285" } do
    lu.assertStrContains(e.message, word)
  end
  lu.assertStrContains(e.hint, "--to-another-board")
  lu.assertEquals(#restore.must_fit(b, CHIP, { id = 1, size = 0x400000 }, true), 2)
end

function TestRestorePlan:test_a_smaller_flash_is_refused_even_for_another_board()
  lu.assertErrorMsgContains("reaches to", restore.must_fit, backup.parse((whole())), CHIP,
    { id = 1, size = 0x80000 }, true)
end

function TestRestorePlan:test_bare_bytes_know_only_their_size()
  local b = restore.from_bare(FLASH)
  lu.assertEquals(restore.differences(b, CHIP, CHIP_FLASH), {})
  lu.assertEquals(#restore.differences(b, CHIP, { id = 0, size = 0x400000 }), 1)
  lu.assertErrorMsgContains("whole flash", restore.from_bare, FLASH:sub(1, -2))
  lu.assertErrorMsgContains("whole flash", restore.from_bare, "abc")
end

function TestRestorePlan:test_only_sectors_that_differ_are_written_and_always_the_first()
  local b = backup.parse((whole()))
  local all = { ranges = b.meta.ranges, keep = {}, own = {} }
  local function hash(addr)
    local crc = esp.crc32(FLASH:sub(addr + 1, addr + 0x1000))
    return addr == 0x5000 and crc ~ 1 or crc
  end
  local parts, want, n = restore.parts(b, all, hash)
  lu.assertEquals(#parts, 2)
  lu.assertEquals({ parts[1].addr, #parts[1].data }, { 0, 0x1000 })
  lu.assertEquals({ parts[2].addr, #parts[2].data }, { 0x5000, 0x1000 })
  lu.assertEquals(n, 256)
  lu.assertEquals(want[0x5000], esp.crc32(FLASH:sub(0x5001, 0x6000)))
  lu.assertEquals(#restore.parts(b, all, nil), 1)
end

function TestRestorePlan:test_regions_of_a_restore_come_from_the_backups_layout()
  local b = backup.parse((whole()))
  lu.assertEquals(restore.ranges(b, { "init-data" }),
    { { name = "init-data", addr = 0xFC000, size = 0x1000 } })
  lu.assertEquals(restore.ranges(b, { "firmware" })[1].size, 0x14000)
  lu.assertErrorMsgContains("no region 'lfs'", restore.ranges, b, { "lfs" })
  lu.assertErrorMsgContains("there is no region", restore.ranges, b, { "spifs" })
  local part = backup.parse(build { { name = "a", addr = 0, size = 0x1000 } })
  lu.assertErrorMsgContains("does not hold", restore.ranges, part, { "init-data" })
end

local function board(bytes)
  return function(addr, size) return bytes:sub(addr + 1, addr + size) end
end

function TestRestorePlan:test_another_board_keeps_its_calibration_in_place()
  local b = backup.parse((whole()))
  local init = require("moonflash.init_data").build {}
  local own = ("\xff"):rep(0xFC000) .. init .. ("\xff"):rep(0x3F80)
  local keep, moved = restore.keep_own(b, b.meta.ranges,
    { generation = "2.x", regions = META.layout }, board(own))
  lu.assertEquals(#keep, 3)
  lu.assertEquals(moved, {})
  local _, want = restore.parts(b, { ranges = b.meta.ranges, keep = keep, own = moved })
  lu.assertNil(want[0xFB000])
  lu.assertNil(want[0xFC000])
  lu.assertNil(want[0xFF000])
  lu.assertNotNil(want[0xFA000])
end

function TestRestorePlan:test_a_board_of_another_layout_takes_its_init_data_along()
  local b = backup.parse((whole()))
  local init = require("moonflash.init_data").build { fields = { vdd33 = 255 } }
  local own = ("\xff"):rep(0xF000) .. init .. ("\xff"):rep(0xF0F80)
  local keep, moved = restore.keep_own(b, b.meta.ranges, { generation = "3.x", regions = {
    { name = "rf-cal", addr = 0xD000, size = 0x1000 },
    { name = "init-data", addr = 0xF000, size = 0x1000 },
    { name = "system-param", addr = 0xFD000, size = 0x3000 } } }, board(own))
  lu.assertEquals(keep, {})
  local by_name = {}
  for _, part in ipairs(moved) do by_name[part.name] = part end
  lu.assertEquals(by_name["init-data"].data:sub(1, 128), init)
  lu.assertEquals(by_name["init-data"].addr, 0xFC000)
  lu.assertEquals(by_name["system-param"].data, ("\xff"):rep(0x3000))
  lu.assertEquals(by_name["rf-cal"].data, ("\xff"):rep(0x1000))
end

function TestRestorePlan:test_a_board_without_init_data_gets_that_of_the_backup()
  local b = backup.parse((whole()))
  local keep, _, notes = restore.keep_own(b, b.meta.ranges,
    { assumed = true, generation = "2.x", regions = META.layout }, board(("\xff"):rep(0x100000)))
  lu.assertEquals(#keep, 2)
  lu.assertStrContains(table.concat(notes, "\n"), "no init data of its own")
end

function TestRestorePlan:test_nothing_left_is_said()
  local b = backup.parse((whole()))
  local r = { { name = "rf-cal", addr = 0xFB000, size = 0x1000 } }
  lu.assertErrorMsgContains("nothing is left", restore.parts, b, { ranges = r, keep = r, own = {} })
end

os.exit(lu.LuaUnit.run())
