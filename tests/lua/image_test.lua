local lu = require "luaunit"
local image = require "moonflash.image"
local crc32 = require "moonflash.crc32"
local partition = require "moonflash.partition"

local seed = tonumber(os.getenv "SEED") or os.time()
math.randomseed(seed)

local function hex(s)
  return (s:gsub("%s+", ""):gsub("..", function(h) return string.char(tonumber(h, 16)) end))
end

local MINIMAL = hex [[E9 01 02 40 00 00 10 40 00 00 10 40 04 00 00 00
  01 02 03 04 00 00 00 00 00 00 00 00 00 00 00 EB]]

local function bytes_of(n)
  local t = {}
  for i = 1, n do t[i] = string.char(math.random(0, 255)) end
  return table.concat(t)
end

local function small(extra)
  local request = { entry = 0x40100004, mode = "dio", freq = "40m", size = "1MB", segments = {
    { addr = 0x40100000, data = ("code"):rep(300) }, { addr = 0x3FFE8000, data = ("data"):rep(50) },
    { addr = 0x3FFE80C8, data = ("ro  "):rep(20) } } }
  for k, v in pairs(extra or {}) do request[k] = v end
  return image.build(request)
end

local function factory(firmware_end)
  return partition.encode({
    { name = "firmware", addr = 0, size = 0xB000 }, { name = "rf-cal", addr = 0xD000, size = 0x1000 },
    { name = "init-data", addr = 0xF000, size = 0x1000 }, { name = "irom", addr = 0x10000, size = 0 },
    { name = "spiffs", addr = 0, size = partition.REST },
    { name = "system-param", addr = 0, size = 0x3000 } }, firmware_end)
end

local BANNER = "\nNodeMCU 3.0.0.0 x\n\tbuild type: float\n\tmodules: file,gpio\n build 2021 "
  .. "powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\n\0"

local function nodemcu_image()
  local irom = factory(0x20000) .. ("\xff"):rep(0x1000) .. BANNER
  irom = irom .. ("i"):rep(0x10000 - #irom)
  return image.aggregate(small(), irom)
end

local function arduino_image()
  local eboot = image.build { entry = 0x4010F490, size = "4MB", mode = "dio",
    segments = { { addr = 0x4010F000, data = ("boot"):rep(100) } } }
  local app = image.build { entry = 0x401000F0, mode = "dio", segments = {
    { addr = 0x40201010, data = ("\0"):rep(8) .. ("irom"):rep(5000) },
    { addr = 0x40100000, data = ("iram"):rep(100) }, { addr = 0x3FFE8000, data = "data" } } }
  local bytes = eboot .. ("\xaa"):rep(0x1000 - #eboot) .. app
  local crc = crc32.of_eboot(bytes)
  return bytes:sub(1, 0x1010) .. ("<I4I4"):pack(#bytes, crc) .. bytes:sub(0x1019)
end

local function check_fails(bytes, ...)
  local ok, err = pcall(image.check, image.parse(bytes), "fw.bin")
  lu.assertFalse(ok)
  lu.assertEquals(err.code, "image")
  for _, words in ipairs { ... } do lu.assertStrContains(err.message, words) end
  return err
end

TestV1 = {}

function TestV1:test_the_minimal_image_of_the_format_description()
  local p = image.check(image.parse(MINIMAL))
  lu.assertEquals({ p.kind, p.mode, p.freq, p.size, p.entry, p.used, p.length },
    { "v1", "dio", "40m", "4MB", 0x40100000, 32, 32 })
  lu.assertEquals(p.segments, { { index = 1, addr = 0x40100000, size = 4, offset = 16,
    header_offset = 8, memory = "iram" } })
  lu.assertEquals(p.checksum, { stored = 0xEB, computed = 0xEB, ok = true, offset = 31 })
  lu.assertEquals({ p.warnings, p.problems }, { {}, {} })
end

function TestV1:test_build_gives_the_bytes_of_the_format_description()
  lu.assertEquals(image.build { entry = 0x40100000, mode = "dio", size = "4MB", freq = "40m",
    segments = { { addr = 0x40100000, data = "\1\2\3\4" } } }, MINIMAL)
end

function TestV1:test_segments_ending_on_16_get_a_whole_footer()
  local bytes = image.build { entry = 0x40100000,
    segments = { { addr = 0x40100000, data = ("x"):rep(16) } } }
  lu.assertEquals(#bytes, 48)
  lu.assertEquals(image.parse(bytes).checksum.offset, 47)
end

function TestV1:test_the_boot_loaders_are_known_by_entry_and_segments()
  for version, b in pairs {
    ["1.7"] = { 0x4010057C, 4080, { { 0x40100000, 0xA20 }, { 0x3FFE8000, 0x2FC }, { 0x3FFE82FC, 0x2A4 } } },
    ["1.6"] = { 0x40100438, 3856, { { 0x40100000, 0x968 }, { 0x3FFE8000, 0x308 }, { 0x3FFE8310, 0x278 } } },
    ["1.2"] = { 0x401000C0, 1936, { { 0x40100000, 0x330 }, { 0x3FFE8000, 0x314 }, { 0x3FFE8314, 0x120 } } },
  } do
    local segments = {}
    for i, s in ipairs(b[3]) do segments[i] = { addr = s[1], data = ("z"):rep(s[2]) } end
    local bytes = image.build { entry = b[1], segments = segments }
    lu.assertEquals(#bytes, b[2])
    local p = image.check(image.parse(bytes))
    lu.assertEquals({ p.kind, p.boot_version }, { "boot", version })
  end
end

function TestV1:test_a_flipped_byte_is_found_and_located()
  local bytes = MINIMAL:sub(1, 17) .. "\xff" .. MINIMAL:sub(19)
  local err = check_fails(bytes, "fw.bin: checksum at offset 0x1f is 0xeb", "data give 0x16")
  lu.assertEquals(err.offset, 31)
end

function TestV1:test_every_truncation_says_what_is_missing()
  local whole = small()
  for n = 1, #whole - 1 do
    local p = image.parse(whole:sub(1, n))
    lu.assertTrue(p.truncated, n)
    check_fails(whole:sub(1, n), "truncated")
  end
  check_fails(whole:sub(1, 1000), "segment 1 at offset 0x8 needs 216 bytes more")
  check_fails(whole:sub(1, #whole - 1), "the checksum at offset")
  check_fails(whole:sub(1, 1218), "the header of segment 2 at offset 0x4c0 needs 6 bytes more")
end

function TestV1:test_bad_counts_addresses_and_lengths_are_named()
  check_fails("\xE9\0" .. MINIMAL:sub(3), "segment count 0")
  check_fails("\xE9\17" .. MINIMAL:sub(3), "segment count 17")
  local function with(addr, size) return MINIMAL:sub(1, 8) .. ("<I4I4"):pack(addr, size) .. MINIMAL:sub(17) end
  check_fails(with(0x20000000, 4), "0x20000000 is no memory of the ESP8266")
  check_fails(with(0x3FFFC000, 4), "belongs to the chip itself")
  check_fails(with(0x3FFFBFFE, 4), "runs past the end of dram")
  check_fails(with(0x40100000, 0xFFFFFFFF), "makes no sense")
end

function TestV1:test_odd_header_values_only_warn()
  local p = image.check(image.parse(MINIMAL:sub(1, 2) .. "\x09\x73" .. MINIMAL:sub(5)))
  lu.assertEquals(#p.warnings, 3)
  lu.assertEquals({ p.mode, p.freq, p.size }, {})
  p = image.check(image.parse(MINIMAL:sub(1, 4) .. "\0\0\x20\x40" .. MINIMAL:sub(9)))
  lu.assertStrContains(p.warnings[1].text, "entry 0x40200000 is not in instruction RAM")
end

function TestV1:test_what_follows_is_reported_unless_blank()
  lu.assertStrContains(image.parse(MINIMAL .. "tail").warnings[1].text, "4 bytes follow")
  local p = image.parse(MINIMAL .. ("\xff"):rep(100))
  lu.assertEquals({ #p.warnings, p.fill.size, p.used }, { 0, 100, 32 })
end

TestV2 = {}

local function v2() return small { irom = ("irom"):rep(33) } end

function TestV2:test_a_version_2_image_is_read_with_its_crc()
  local p = image.check(image.parse(v2()))
  lu.assertEquals({ p.kind, p.irom.size, p.irom.offset, p.irom.addr, #p.segments, p.used == p.length },
    { "v2", 144, 16, 0x40200010, 3, true })
  lu.assertTrue(p.crc.ok)
  lu.assertTrue(p.checksum.ok)
  lu.assertEquals(p.checksum.offset % 16, 15)
  lu.assertEquals({ p.mode, p.inner.mode, p.inner.entry }, { "dio", "dio", 0x40100004 })
end

function TestV2:test_damage_in_irom_shows_in_the_crc_only()
  local bytes = v2()
  local bad = bytes:sub(1, 20) .. "X" .. bytes:sub(22)
  check_fails(bad, "CRC at offset")
  lu.assertTrue(image.parse(bad).checksum.ok)
end

function TestV2:test_an_old_image_without_crc_only_warns()
  local p = image.check(image.parse(v2():sub(1, -5)))
  lu.assertFalse(p.crc.present)
  lu.assertStrContains(p.warnings[1].text, "no CRC")
end

function TestV2:test_a_wrong_irom_length_is_caught()
  local bytes = v2()
  check_fails(bytes:sub(1, 12) .. ("<I4"):pack(64) .. bytes:sub(17), "no inner header at offset 0x50")
  check_fails(bytes:sub(1, 12) .. ("<I4"):pack(0xFFFFFFF0) .. bytes:sub(17), "truncated: irom")
  check_fails("\xEA\4\0", "truncated: the header")
end

TestKinds = {}

function TestKinds:test_an_aggregated_nodemcu_file()
  local p = image.check(image.parse(nodemcu_image()))
  lu.assertEquals({ p.kind, p.nodemcu.generation, p.irom.offset, p.irom.size, p.used },
    { "nodemcu", "3.x", 0x10000, 0x10000, 0x20000 })
  lu.assertEquals({ p.fill.blank, p.fill.offset, p.partition.firmware_end },
    { true, image.parse(small()).used, 0x20000 })
  lu.assertEquals(p.warnings, {})
end

function TestKinds:test_a_truncated_nodemcu_3_file_is_caught_by_its_own_table()
  local whole = nodemcu_image()
  check_fails(whole:sub(1, 0x1E800), "truncated: the firmware says it ends at 0x20000",
    "the file ends at 0x1e800")
  image.check(image.parse(whole:sub(1, 0x1F801)))   -- only the last sector's padding is missing
end

function TestKinds:test_other_aggregated_firmware()
  local p = image.check(image.parse(image.aggregate(small(), "SDK ver: %s\0" .. "2.0.0(656edbf)\0 xx")))
  lu.assertEquals({ p.kind, p.sdk, p.aggregated }, { "combined", "2.0.0(656edbf)", true })
end

function TestKinds:test_strange_bytes_in_the_gap_are_reported()
  local whole = nodemcu_image()
  local p = image.parse(whole:sub(1, 0x8000) .. "x" .. whole:sub(0x8002))
  lu.assertStrContains(p.warnings[1].text, "belong to nothing known")
  p = image.parse(whole:sub(1, 0xC000) .. "x" .. whole:sub(0xC002))
  lu.assertEquals(p.warnings, {})
end

function TestKinds:test_the_second_nodemcu_file_alone()
  local irom = nodemcu_image():sub(0x10001)
  local p = image.check(image.parse(irom))
  lu.assertEquals({ p.kind, p.nodemcu.version, p.irom.size }, { "irom", "3.0.0.0", 0x10000 })
  check_fails(irom:sub(1, 0x8000), "truncated: the firmware says its irom has 0x10000 bytes")
end

function TestKinds:test_an_arduino_file()
  local p = image.check(image.parse(arduino_image()))
  lu.assertEquals({ p.kind, p.app.offset, #p.app.segments, p.app.segments[1].memory, p.eboot_crc.ok },
    { "eboot", 0x1000, 3, "irom", true })
  lu.assertEquals(p.used, p.length)
  check_fails(arduino_image():sub(1, 0x2000), "truncated: segment 1 at offset 0x1008 needs")
end

function TestKinds:test_an_arduino_file_damaged_inside_is_refused()
  local bytes = arduino_image()
  check_fails(bytes:sub(1, 0x2000) .. "X" .. bytes:sub(0x2002), "checksum at offset")
end

function TestKinds:test_a_boot_loader_with_user1_behind_it()
  local boot = image.build { entry = 0x4010057C, segments = { { addr = 0x40100000, data = ("b"):rep(0xA20) } } }
  local bytes = boot .. ("\xff"):rep(0x1000 - #boot) .. v2()
  local p = image.check(image.parse(bytes))
  lu.assertEquals({ p.kind, p.boot_version, p.app.version, p.app.irom.addr }, { "boot", "1.7", 2, 0x40201010 })
  lu.assertTrue(p.app.crc.ok)
end

function TestKinds:test_rboot_and_rtos()
  local low = small()
  local p = image.parse(low .. ("\xff"):rep(0x1000 - #low) .. "\xE1\1\0\0" .. ("\xff"):rep(0xFFC) .. v2())
  lu.assertEquals({ p.kind, p.app.offset }, { "rboot", 0x2000 })
  p = image.check(image.parse(small { segments = { { addr = 0x40210010, data = "irom" },
    { addr = 0x40100000, data = "iram" } } }))
  lu.assertEquals(p.kind, "rtos")
end

function TestKinds:test_foreign_files_are_refused_by_name()
  local err = check_fails("\x7fELF" .. ("\0"):rep(14) .. "\94\0", "fw.bin: this is an ELF file for Xtensa")
  lu.assertStrContains(err.hint, "from-elf")
  check_fails("", "this is an empty file")
  check_fails(("\xff"):rep(4096), "this is blank")
  check_fails("print('x')", "this is Lua source text")
  check_fails("\1\2\3\4\5\6\7\8", "no ESP8266 image: starts with 01 02 03 04 ...")
  check_fails("\xEA\5xxxx", "no ESP8266 image")
end

function TestKinds:test_an_esp32_image_is_refused_by_name()
  local bytes = ("<BBBBI4"):pack(0xE9, 1, 2, 0x20, 0x40080400)
    .. hex "EE 00 00 00 09 00 00 00 00 00 00 00 00 00 00 01"
    .. ("<I4I4"):pack(0x3FC90000, 16) .. ("x"):rep(16) .. ("\0"):rep(16)
  check_fails(bytes, "this is an image for ESP32-S3")
  lu.assertEquals(image.parse(bytes).kind, "foreign")
end

TestPatch = {}

function TestPatch:test_sets_only_what_is_asked_for()
  local bytes, changes = image.patch_header(MINIMAL, { size = "1MB", mode = "keep" })
  lu.assertEquals(bytes, MINIMAL:sub(1, 3) .. "\x20" .. MINIMAL:sub(5))
  lu.assertEquals(changes, { { field = "size", from = "4MB", to = "1MB" } })
  bytes, changes = image.patch_header(MINIMAL, { mode = "dout", freq = "80m", size = 0x1000000 })
  lu.assertEquals(bytes:sub(3, 4), "\x03\x9F")
  lu.assertEquals(#changes, 3)
  image.check(image.parse(bytes))
end

function TestPatch:test_nothing_to_do_gives_the_same_bytes()
  local bytes, changes, reason = image.patch_header(MINIMAL, { mode = "dio" })
  lu.assertEquals({ bytes, #changes, reason }, { MINIMAL, 0, nil })
end

function TestPatch:test_damaged_and_foreign_files_are_left_alone()
  for _, bytes in ipairs { "", "abc", MINIMAL:sub(1, 20), MINIMAL:sub(1, -2) .. "x", v2(),
    ("\xff"):rep(64) } do
    local same, changes, reason = image.patch_header(bytes, { mode = "dout" })
    lu.assertEquals(same, bytes)
    lu.assertEquals(changes, {})
    lu.assertTrue(#reason > 0)
  end
end

function TestPatch:test_unknown_names_are_refused()
  lu.assertErrorMsgContains("flash mode", image.patch_header, MINIMAL, { mode = "fast" })
end

function TestPatch:test_the_eboot_crc_follows_only_if_it_was_right()
  local bytes = arduino_image()
  local patched = image.patch_header(bytes, { mode = "dout" })
  lu.assertTrue(image.parse(patched).eboot_crc.ok)
  lu.assertNotEquals(patched, bytes)
  local stale = bytes:sub(1, 0x1014) .. "abcd" .. bytes:sub(0x1019)
  patched = image.patch_header(stale, { mode = "dout" })
  lu.assertEquals(patched, stale:sub(1, 2) .. "\3" .. stale:sub(4))
  local p = image.check(image.parse(patched))   -- stale, but the application is sound
  lu.assertEquals({ p.eboot_crc.ok, p.app.checksum.ok }, { false, true })
end

TestBuild = {}

function TestBuild:test_bad_requests_raise()
  for _, r in ipairs { {}, { entry = 1, segments = {} }, { segments = { { addr = 1, data = "" } } },
    { entry = 1, segments = { { data = "x" } } }, { entry = 1, segments = { { addr = 1 } } } } do
    local ok, err = pcall(image.build, r)
    lu.assertFalse(ok)
    lu.assertEquals(err.code, "image")
  end
  lu.assertErrorMsgContains("no sound image", image.aggregate, "junk", "x")
  lu.assertErrorMsgContains("reaches into", image.aggregate, small { segments = {
    { addr = 0x40100000, data = ("x"):rep(0x8000) }, { addr = 0x3FFE8000, data = ("x"):rep(0x8000) } } }, "x")
  lu.assertErrorMsgContains("not an aggregated", image.split, MINIMAL)
end

function TestBuild:test_split_undoes_aggregate()
  local low, irom = image.split(nodemcu_image())
  lu.assertEquals(low, small())
  lu.assertEquals(image.aggregate(low, irom), nodemcu_image())
end

function TestBuild:test_parse_finds_again_what_build_was_given()
  print("# seed " .. seed)
  local modes, freqs = { "qio", "qout", "dio", "dout" }, { "20m", "26m", "40m", "80m" }
  for _ = 1, 400 do
    local request = { entry = 0x40100000 + math.random(0, 0x1FFF) * 4, mode = modes[math.random(4)],
      freq = freqs[math.random(4)], size = ({ "512KB", "4MB", "16MB", "2MB-c1" })[math.random(4)], segments = {} }
    for i = 1, math.random(1, 16) do
      local base = math.random(2) == 1 and 0x40100000 or 0x3FFE8000
      request.segments[i] = { addr = base + math.random(0, 1000) * 4, data = bytes_of(math.random(0, 60)) }
    end
    if math.random(3) == 1 then request.irom = bytes_of(math.random(0, 200)) end
    local p = image.check(image.parse(image.build(request)))
    lu.assertEquals(p.kind, request.irom and "v2" or "v1")
    lu.assertEquals({ p.mode, p.freq, p.size, p.entry, p.used },
      { request.mode, request.freq, request.size, request.entry, p.length })
    local bytes = image.build(request)
    for i, s in ipairs(request.segments) do
      local found = p.segments[i]
      lu.assertEquals(found.addr, s.addr)
      lu.assertEquals(bytes:sub(found.offset + 1, found.offset + found.size),
        s.data .. ("\0"):rep(-#s.data % 4))
    end
  end
end

function TestBuild:test_every_single_byte_of_the_data_is_covered_by_a_check()
  local bytes = v2()
  for i = 17, #bytes do
    local b = bytes:byte(i) ~ (1 << math.random(0, 7))
    local p = image.parse(bytes:sub(1, i - 1) .. string.char(b) .. bytes:sub(i + 1))
    lu.assertTrue(#p.problems > 0, i)
  end
end

TestHostile = {}

function TestHostile:test_no_bytes_make_parse_raise_or_hang()
  local samples = { MINIMAL, v2(), arduino_image():sub(1, 0x1200), small() }
  local start = os.clock()
  for _ = 1, 3000 do
    local bytes
    if math.random(2) == 1 then
      bytes = ({ "\xE9", "\xEA\4", "", "\xE9\1" })[math.random(4)] .. bytes_of(math.random(0, 100))
    else
      bytes = samples[math.random(#samples)]
      for _ = 1, math.random(1, 6) do
        local i = math.random(1, math.min(#bytes, 64))
        bytes = bytes:sub(1, i - 1) .. bytes_of(1) .. bytes:sub(i + 1)
      end
      bytes = bytes:sub(1, math.random(1, #bytes))
    end
    local p = image.parse(bytes)
    lu.assertNotNil(p.kind)
    for _, s in ipairs(p.segments) do lu.assertTrue(s.offset + s.size <= #bytes) end
    lu.assertTrue(p.used <= #bytes)
    lu.assertTrue(#image.describe(p) > 0)
    image.to_table(p)
    image.patch_header(bytes, { mode = "dio" })
  end
  lu.assertTrue(os.clock() - start < 20)
end

function TestHostile:test_broken_aggregated_files_never_raise()
  local whole = nodemcu_image()
  for _ = 1, 60 do
    local i = math.random(0x10001, 0x10100)
    local p = image.parse(whole:sub(1, i - 1) .. bytes_of(math.random(1, 30)) .. whole:sub(i + 30))
    lu.assertNotNil(p.kind)
    image.describe(p)
  end
end

TestDescribe = {}

function TestDescribe:test_lines_for_people()
  local lines = image.describe(image.parse(nodemcu_image()))
  local all = table.concat(lines, "\n")
  for _, words in ipairs { "NodeMCU 3.0.0.0", "flash mode dio, 40 MHz, size 1MB", "entry 0x40100004",
    "segment 1   0x40100000     1200 bytes  iram", "irom        0x40210000", "checksum 0x", " ok",
    "modules file, gpio", "generation 3.x", "partition   spiffs       0x000000  all that is left" } do
    lu.assertStrContains(all, words)
  end
  lu.assertNil(all:find("[^\x20-\x7e\n]"))
end

function TestDescribe:test_problems_are_shown()
  lu.assertStrContains(table.concat(image.describe(image.parse(small():sub(1, 500))), "\n"),
    "PROBLEM: truncated")
  lu.assertStrContains(image.describe(image.parse "")[1], "an empty file, 0 bytes")
end

function TestDescribe:test_the_table_for_json_holds_only_plain_text()
  local function walk(value)
    if type(value) == "table" then
      for k, v in pairs(value) do walk(k) walk(v) end
    elseif type(value) == "string" then
      lu.assertNil(value:find("[^\x20-\x7e]"))
    else
      lu.assertTrue(type(value) == "number" or type(value) == "boolean")
    end
  end
  for _, bytes in ipairs { nodemcu_image(), arduino_image(), v2(), "", "\x7fELF" } do
    walk(image.to_table(image.parse(bytes)))
  end
end

os.exit(lu.LuaUnit.run())
