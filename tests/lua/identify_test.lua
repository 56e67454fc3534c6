package.path = "tests/lua/?.lua;" .. package.path
local chips = require "nodemcu_chips"
local flash_view = require "moonflash.flash_view"
local identify = require "moonflash.identify"
local identify_text = require "moonflash.identify_text"
local image = require "moonflash.image"
local init_data = require "moonflash.init_data"
local lu = require "luaunit"

local KB <const>, MB <const> = 1024, 1024 * 1024
local BLANK <const> = ("\xff"):rep(0x1000)

local function look(bytes, opts)
  opts = opts or { usage = true }
  if opts.hashes ~= false then
    opts.blank = function(addr) return bytes:sub(addr + 1, addr + 0x1000) == BLANK end
  end
  return identify.backup(bytes, opts)
end

TestGenerations = {}

-- Whatever a generation leaves in flash is found again, on every size.
for _, era in ipairs(chips.order) do
  TestGenerations["test_a_chip_that_ran_" .. era:gsub("[.-]", "_")] = function()
    for _, size in ipairs(chips.sizes) do
      local large = size >= 8 * MB and not ({ ["0.9"] = 1, ["2.x"] = 1, ["3.x"] = 1 })[era]
      if (size >= MB or not chips.is_3(era)) and not large then
        local bytes, place = chips.chip(era, size)
        local facts = look(bytes)
        local label = ("%s on %d KB"):format(era, size // KB)
        local def = chips.eras[era]
        lu.assertEquals(facts.firmware.id, "nodemcu", label)
        lu.assertEquals(facts.generation, era:match("^1%.[45]$") and "0.9" or era:match("^1")
          and "2.x" or era, label)
        lu.assertEquals(facts.believed_bytes, size, label)
        lu.assertEquals(facts.firmware_end, place.last, label)
        lu.assertEquals({ facts.init_data.addr, facts.init_data.variant }, { place.phy, def.init },
          label)
        local fs = facts.file_system
        lu.assertEquals({ fs.addr, fs.size, fs.flavour, fs.files, fs.reachable },
          { place.fs.addr, place.fs.size, def.flavour, 2, true }, label)
        lu.assertTrue(fs.used > 1050 and fs.used < 3000, label)
        lu.assertEquals(facts.warnings, {}, label)
      end
    end
  end
end

function TestGenerations:test_the_regions_cover_the_chip_without_gaps()
  for _, era in ipairs(chips.order) do
    local bytes = chips.chip(era, 4 * MB)
    local at = 0
    for _, r in ipairs(look(bytes).regions) do
      lu.assertEquals(r.addr, at, era .. " " .. r.name)
      at = at + r.size
    end
    lu.assertEquals(at, 4 * MB, era)
  end
end

function TestGenerations:test_files_right_behind_the_firmware_do_not_hide_its_end()
  for _, era in ipairs { "1.5", "1.5.4.1", "2.x" } do
    local bytes, place = chips.chip(era, 512 * KB)
    lu.assertEquals(look(bytes).firmware_end, place.last, era)
    lu.assertEquals(look(bytes).file_system.addr, place.last, era)
  end
end

-- The rest of a file system looks like a whole one; the true start is found.
function TestGenerations:test_the_start_of_files_is_found_not_their_middle()
  local bytes = chips.chip("2.x", 4 * MB, { fs_addr = 0x38000, fs_size = 0x300000 })
  local fs = look(bytes).file_system
  lu.assertEquals({ fs.addr, fs.size, fs.files }, { 0x38000, 0x300000, 2 })
end

TestHealth = {}

function TestHealth:test_a_header_of_another_size_is_told()
  local bytes = chips.chip("2.x", MB) .. ("\xff"):rep(3 * MB)
  local facts = look(bytes)
  lu.assertEquals({ facts.believed_bytes, facts.layout_bytes }, { MB, MB })
  lu.assertStrContains(facts.warnings[1], "1MB")
  lu.assertEquals(facts.init_data.variant, "v05")
end

function TestHealth:test_a_header_larger_than_the_chip_is_told()
  local bytes = chips.chip("2.x", 4 * MB):sub(1, MB)
  lu.assertStrContains(look(bytes).warnings[1], "not there")
end

function TestHealth:test_a_size_that_the_firmware_will_correct_is_no_alarm()
  local new = chips.firmware("2.x", { irom = 0x6F000 })
  local facts = look(new .. ("\xff"):rep(4 * MB - #new))
  lu.assertEquals(facts.layout_bytes, 4 * MB)
  lu.assertStrContains(facts.warnings[1], "corrects")
  lu.assertEquals(#facts.warnings, 1)
  lu.assertEquals(facts.init_data.health, "blank")
end

function TestHealth:test_init_data_blank_old_and_overwritten()
  local bytes = chips.chip("2.x", MB)
  local function with(block) return look(chips.put(bytes, MB - 0x4000, block)) end
  lu.assertEquals(with(("\xff"):rep(128)).init_data.health, "blank")
  local old = with(init_data.build { variant = "i0" })
  lu.assertEquals({ old.init_data.health, #old.warnings }, { "old", 1 })
  local foreign = with(chips.noise(128, 4))
  lu.assertEquals({ foreign.init_data.health, #foreign.warnings }, { "foreign", 1 })
end

function TestHealth:test_the_lua_flash_store()
  local bytes, place = chips.chip("3.x", MB, { lfs = 0x10000 })
  local lfs = look(bytes).lfs
  lu.assertEquals({ lfs.addr, lfs.size, lfs.state, lfs.lua, lfs.number_type, lfs.bytes },
    { place.lfs.addr, 0x10000, "valid", "5.1", "float", 0x1800 })
  for sign, state in pairs { [0xFAFAA15C] = "interrupted", [0xFFFFFFFF] = "empty", [0] = "empty",
    [0x12345678] = "foreign" } do
    local changed = chips.put(bytes, place.lfs.addr, ("<I4"):pack(sign))
    lu.assertEquals(look(changed).lfs.state, state)
  end
  local long = chips.put(bytes, place.lfs.addr + 4, ("<I4"):pack(0x10004))
  lu.assertEquals(look(long).lfs.state, "too long")
end

function TestHealth:test_a_chip_without_files()
  for _, era in ipairs(chips.order) do
    lu.assertNil(look((chips.chip(era, MB, { files = false }))).file_system, era)
  end
end

TestOthers = {}

local function boot(data, entry)
  return image.build { entry = entry or 0x40100004, segments = { { addr = 0x40100000, data = data } } }
end

local function aggregated(text)
  local low = boot(chips.noise(0x2000, 1))
  return low .. ("\xff"):rep(0x10000 - #low) .. chips.noise(0x30000, 2) .. text .. chips.noise(0x300, 3)
end

local function on_chip(bytes) return look(bytes .. ("\xff"):rep(MB - #bytes)) end

function TestOthers:test_known_names()
  for text, id in pairs { ["AT version:1.7.4.0(May 11 2020 19:13:04)\0"] = "at",
    ["MicroPython v1.19.1 on 2022-06-18; ESP module with ESP8266\0"] = "micropython",
    ["Project tasmota Tasmota 9.5.0(tasmota)\0"] = "tasmota",
    ["[C][app:031] ESPHome version 2023.5.0 compiled on\0"] = "esphome" } do
    local facts = on_chip(aggregated(text))
    lu.assertEquals(facts.firmware.id, id)
    lu.assertNotNil(facts.firmware.version, id)
    lu.assertNil(facts.generation)
    lu.assertNil(facts.regions)
  end
end

function TestOthers:test_an_unnamed_sdk_program_shows_its_sdk()
  local facts = on_chip(aggregated("SDK ver: %s compiled @ Jun  7 2018 13:59:14\0002.2.1(6ab97e9)\0"))
  lu.assertEquals({ facts.firmware.id, facts.firmware.sdk }, { "sdk", "2.2.1(6ab97e9)" })
end

function TestOthers:test_an_arduino_program()
  local eboot = image.build { entry = 0x4010f29c, segments = { { addr = 0x4010f000, data = chips.noise(0x560, 1) } } }
  local app = image.build { entry = 0x401000e0, segments = {
    { addr = 0x40201010, data = chips.noise(0x20000, 2) }, { addr = 0x40100000, data = chips.noise(0x4000, 3) } } }
  local facts = on_chip(eboot .. ("\xff"):rep(0x1000 - #eboot) .. app)
  lu.assertEquals({ facts.kind, facts.firmware.id }, { "eboot", "arduino" })
end

function TestOthers:test_blank_and_strange_flash()
  local facts = look(("\xff"):rep(MB))
  lu.assertTrue(facts.blank)
  lu.assertEquals(facts.firmware.id, "blank")
  facts = look(chips.noise(MB, 9))
  lu.assertEquals({ facts.blank, facts.firmware.id }, { nil, "unknown" })
  facts = look(("\xff"):rep(0x10000) .. chips.noise(0x10000, 9) .. ("\xff"):rep(MB - 0x20000))
  lu.assertNil(facts.blank)
end

-- Nothing in flash makes it fail: every claim of the bytes is checked.
function TestOthers:test_damaged_flash_never_raises()
  local seed = tonumber(os.getenv "SEED") or os.time()
  print("# SEED=" .. seed)
  math.randomseed(seed)
  for _, era in ipairs(chips.order) do
    local bytes = chips.chip(era, MB)
    for _ = 1, 6 do
      local bad = bytes
      for _ = 1, 3 do
        local addr = ({ 0, 0x8, 0x10000, 0x38000, 0x50000, MB - 0x5000 })[math.random(6)] + math.random(0, 300)
        bad = chips.put(bad, addr, chips.noise(math.random(1, 64), math.random(1, 99999)))
      end
      local ok, e = pcall(look, bad)
      lu.assertTrue(ok, era .. ": " .. tostring(e))
      identify_text.rows(e)
      identify_text.to_table(e)
    end
  end
end

TestEconomy = {}

function TestEconomy:test_no_more_is_read_than_it_takes()
  for era, limit in pairs { ["0.9"] = 60 * KB, ["2.x"] = 200 * KB, ["3.x"] = 200 * KB } do
    local bytes = chips.chip(era, 4 * MB, { irom = 0x70000 })
    local facts = look(bytes, {})
    lu.assertTrue(facts.view.fetched < limit, ("%s: %d bytes read"):format(era, facts.view.fetched))
  end
end

function TestEconomy:test_a_shallow_look_at_3_x_reads_little_and_tells_the_layout()
  local bytes = chips.chip("3.x", 4 * MB)
  local facts = look(bytes, { deep = false })
  lu.assertEquals({ facts.generation, facts.nodemcu.version }, { "3.x", nil })
  lu.assertNotNil(facts.file_system)
  lu.assertTrue(facts.view.fetched < 150 * KB, facts.view.fetched)
end

function TestEconomy:test_without_hashes_the_same_is_found()
  for _, era in ipairs(chips.order) do
    local bytes = chips.chip(era, MB)
    local a, b = look(bytes), look(bytes, { usage = true, hashes = false })
    lu.assertEquals(identify_text.to_table(a), identify_text.to_table(b), era)
  end
end

TestView = {}

function TestView:test_each_page_is_read_once_and_neighbours_together()
  local calls = {}
  local bytes = chips.noise(0x4000, 1)
  local view = flash_view.new(function(addr, size)
    calls[#calls + 1] = { addr, size }
    return bytes:sub(addr + 1, addr + size)
  end, #bytes, function(addr) return addr == 0x1000 end)
  lu.assertEquals(view:get(0x10, 4), bytes:sub(0x11, 0x14))
  lu.assertEquals(view:get(0, 0x3000):sub(1, 0x1000), bytes:sub(1, 0x1000))
  lu.assertEquals(view:get(0x1000, 0x1000), ("\xff"):rep(0x1000))
  lu.assertEquals(calls, { { 0, 0x100 }, { 0x100, 0xF00 }, { 0x2000, 0x1000 } })
  lu.assertEquals({ view:has(0x2800, 0x100), view:has(0x3000, 1) }, { true, false })
  lu.assertEquals(view:get(0x3FFE, 10), bytes:sub(0x3FFF))
  lu.assertEquals(view:get(0x4000, 10), "")
end

TestText = {}

function TestText:test_rows_say_what_matters()
  local text = {}
  for _, row in ipairs(identify_text.rows(look((chips.chip("3.x", 4 * MB, { lfs = 0x10000 }))))) do
    text[#text + 1] = row[1] .. ": " .. row[2]
  end
  text = table.concat(text, "\n")
  for _, needle in ipairs { "dio, 40m, 4MB", "NodeMCU 3.0.0.0", "file, gpio, net", "Lua: 5.1.4, float",
    "init data: at 0x00f000", "2 files", "LFS: at 0x038000, 64 KB: Lua 5.1 float", "0x010000..0x010fff  partition" } do
    lu.assertStrContains(text, needle)
  end
end

os.exit(lu.LuaUnit.run())
