-- SPIFFS: damage is found, named and repaired; nothing hangs or loses more.
package.path = "tests/lua/?.lua;" .. package.path
local errors = require "moonflash.errors"
local format = require "moonflash.spiffs_format"
local judge = require "spiffs_judge"
local lu = require "luaunit"
local spiffs = require "moonflash.spiffs"

local seed <const> = tonumber(os.getenv "SEED") or os.time()
print("# seed " .. seed)
math.randomseed(seed)

local function random_bytes(n)
  local t = {}
  for i = 1, n do t[i] = string.char(math.random(0, 255)) end
  return table.concat(t)
end

-- A compact image of three files: a (600 bytes: pages 1 header, 2..4 data),
-- b (100: 5, 6), big (30000: header 7, then data, a second index page).
local A <const>, B <const> = random_bytes(600), random_bytes(100)
local BIG <const> = random_bytes(30000)
local function sample()
  return spiffs.build({ { name = "a", bytes = A }, { name = "b", bytes = B },
    { name = "big", bytes = BIG } }, { size = 65536, block = 4096, compact = true }):bytes()
end

local function poke(image, at, bytes)
  return image:sub(1, at) .. bytes .. image:sub(at + #bytes + 1)
end
local function entry_at(pix) return pix // 16 * 4096 + (pix % 16 - 1) * 2 end
local function page_at(pix) return pix * 256 end

local function kinds(found)
  local set = {}
  for _, problem in ipairs(found.problems) do
    set[problem.kind] = true
    lu.assertTrue(#problem.text > 10)
  end
  local list = {}
  for kind in pairs(set) do list[#list + 1] = kind end
  table.sort(list)
  return table.concat(list, " ")
end

-- Damages the sample, expects these kinds, repairs, and answers the files.
local function damaged(expected, damage)
  local fs = spiffs.open(damage(sample()), { geometry = spiffs.geometry {
    size = 65536, block = 4096 } })
  lu.assertEquals(kinds(fs:check()), expected)
  local result = fs:repair()
  lu.assertEquals(result.left, {})
  lu.assertEquals(result.dropped, {})
  lu.assertFalse(result.rebuilt)
  lu.assertTrue(fs:check().sound)
  return judge.read(fs:bytes(), "3", 4096), fs, result
end

TestDamage = {}

function TestDamage:test_a_sound_image_has_no_problems_and_repair_changes_nothing()
  local fs = spiffs.open(sample())
  lu.assertTrue(fs:check().sound)
  lu.assertEquals(fs:repair().rewritten, {})
  lu.assertEquals(fs:changes(), {})
end

function TestDamage:test_a_missing_magic()
  local files = damaged("block", function(i) return poke(i, 2 * 4096 + 0xFC, "\xff\xff") end)
  lu.assertTrue(files.a == A and files.b == B and files.big == BIG)
end

function TestDamage:test_a_data_page_of_another_id_truncates_its_file()
  local files = damaged("orphan page truncated", function(i)
    return poke(i, page_at(3), "\9\0")
  end)
  lu.assertEquals(files.a, A:sub(1, 251))
  lu.assertTrue(files.b == B and files.big == BIG)
end

function TestDamage:test_a_deleted_data_page_truncates_its_file_and_leaves_the_rest_over()
  local files = damaged("orphan truncated", function(i)
    return poke(poke(i, entry_at(3), "\0\0"), page_at(3) + 4, "\x7c")
  end)
  lu.assertEquals(files.a, A:sub(1, 251))
end

function TestDamage:test_an_index_that_points_astray_truncates_its_file()
  for _, pix in ipairs { 0, 16, 6, 255, 256, 0xFFFE, 0xFFFF } do
    local files = damaged("orphan truncated", function(i)
      return poke(i, page_at(1) + 46 + 2, ("<I2"):pack(pix))
    end)
    lu.assertEquals(files.a, A:sub(1, 251))
    lu.assertEquals(files.b, B)
  end
end

function TestDamage:test_a_missing_second_index_page_truncates_its_file_there()
  local fs = spiffs.open(sample())
  local pix = fs.files[3].index[1]
  local files = damaged("orphan truncated", function(i)
    return poke(poke(i, entry_at(pix), "\0\0"), page_at(pix) + 4, "\x78")
  end)
  lu.assertTrue(files.big == BIG:sub(1, 105 * 251))
end

function TestDamage:test_a_size_beyond_the_pages_is_cut_to_what_is_there()
  for _, size in ipairs { 604 + 200, 100000, 0x7FFFFFFF, 0xFFFFFFFE } do
    local files = damaged("truncated", function(i)
      return poke(i, page_at(1) + 8, ("<I4"):pack(size))
    end)
    lu.assertEquals(files.a:sub(1, 600), A)
    lu.assertTrue(#files.a <= 753)
  end
end

function TestDamage:test_a_size_below_the_pages_leaves_pages_over()
  local files = damaged("index orphan tail", function(i)
    return poke(i, page_at(1) + 8, ("<I4"):pack(300))
  end)
  lu.assertEquals(files.a, A:sub(1, 300))
end

function TestDamage:test_a_lost_header_makes_a_lost_file()
  local files = damaged("lost", function(i)
    return poke(poke(i, entry_at(1), "\0\0"), page_at(1) + 4, "\x78")
  end)
  lu.assertNil(files.a)
  lu.assertEquals(files["lost-1"], (A:gsub("\xff+$", "")))
  lu.assertTrue(files.big == BIG)
end

function TestDamage:test_an_interrupted_deletion_is_finished()
  local files, fs = damaged("deletion", function(i) return poke(i, page_at(1) + 4, "\xb8") end)
  lu.assertNil(files.a)
  lu.assertEquals(#fs:list(), 2)
end

function TestDamage:test_a_page_deleted_in_one_place_only()
  local files = damaged("deletion orphan truncated", function(i)
    return poke(i, page_at(3) + 4, "\x7c")
  end)
  lu.assertEquals(files.a, A:sub(1, 251))
  -- and the other way round
  files = damaged("deletion orphan truncated", function(i)
    return poke(i, entry_at(3), "\0\0")
  end)
  lu.assertEquals(files.a, A:sub(1, 251))
end

function TestDamage:test_two_headers_of_one_file_leave_the_better_one()
  local fs = spiffs.open(sample())
  local free = 200
  local old = fs.medium:page(1)
  for _, case in ipairs { { 2, "the first" }, { 250, "the second" } } do
    -- a second header that names no page: the first stands; then the first is bad
    local empty = format.place(old, 46, ("\xff"):rep(210))
    local files = damaged("double gap orphan", function(i)
      i = poke(i, page_at(case[1] == 2 and free or 1), empty)
      if case[1] == 250 then i = poke(i, page_at(free), old) end
      return poke(i, entry_at(free), "\1\x80")
    end)
    lu.assertEquals(files.a, A, case[2])
  end
end

function TestDamage:test_two_files_of_one_name_get_two_names()
  local files = damaged("name", function(i) return poke(i, page_at(5) + 13, "a\0") end)
  lu.assertEquals({ files.a, files["a~2"], files.b }, { A, B, nil })
end

function TestDamage:test_names_and_types_that_cannot_be_used()
  local files = damaged("name", function(i) return poke(i, page_at(5) + 13, "\0") end)
  lu.assertEquals(files["file-2"], B)
  files = damaged("name", function(i) return poke(i, page_at(5) + 13, ("n"):rep(32)) end)
  lu.assertEquals(files[("n"):rep(31)], B)
  files = damaged("name", function(i) return poke(i, page_at(5) + 12, "\2") end)
  lu.assertEquals(files.b, B)
end

function TestDamage:test_writing_on_a_free_page_and_a_gap()
  local files = damaged("page", function(i) return poke(i, page_at(200) + 100, "x") end)
  lu.assertTrue(files.big == BIG)
  files = damaged("gap", function(i)
    return poke(poke(i, entry_at(203), "\0\0"), page_at(203) + 4, "\x7c")
  end)
  lu.assertTrue(files.big == BIG)
end

function TestDamage:test_bytes_behind_the_end_of_a_file()
  local files = damaged("tail", function(i) return poke(i, page_at(6) + 5 + 100, "x") end)
  lu.assertEquals(files.b, B)
end

function TestDamage:test_a_full_image_that_cannot_be_repaired_in_place_is_rebuilt_whole()
  local geometry = { size = 65536, block = 4096, compact = true }
  local bytes = random_bytes(spiffs.build({}, geometry):space().largest - 2000)
  local image = spiffs.build({ { name = "b", bytes = B }, { name = "a", bytes = bytes } },
    geometry):bytes()
  -- no block is free any more, one has lost its magic, and a name is there twice
  for pix = 192, 255 do
    if pix % 16 ~= 0 then image = poke(image, page_at(pix) + 200, "\0") end
  end
  image = poke(image, page_at(1) + 13, "a")
  local fs = spiffs.open(poke(image, 3 * 4096 + 0xFC, "\0\0"))
  local result = fs:repair()
  lu.assertTrue(result.rebuilt)
  lu.assertEquals({ result.left, result.dropped }, { {}, {} })
  local files = judge.read(fs:bytes(), "3", 4096)
  lu.assertEquals({ files.a ~= nil, files["a~2"] ~= nil }, { true, true })
  lu.assertEquals(#files.a + #files["a~2"], #B + #bytes)
end

TestHostile = {}

-- Base images of every flavour, some edited so that deleted pages lie about.
local function bases()
  local list = {}
  for _, flavour in ipairs(spiffs.flavours) do
    local files = {}
    for k = 1, math.random(3, 10) do
      files[k] = { name = "f" .. k, bytes = random_bytes(math.random(0, k == 1 and 28000 or 2000)) }
    end
    local fs = spiffs.build(files, { size = 65536, flavour = flavour, block = 4096 })
    for k = 1, 4 do fs:put("f" .. k, random_bytes(700)) end
    list[#list + 1] = { flavour = flavour, bytes = fs:bytes() }
  end
  return list
end

local function flip(image, flips)
  local bytes = {}
  for i = 1, #image, 4096 do table.move({ image:byte(i, i + 4095) }, 1, 4096, i, bytes) end
  for _ = 1, flips do
    local at = math.random(0, #image - 1)
    local where = math.random(3)
    if where == 1 then at = at // 4096 * 4096 + math.random(0, 40) end
    if where == 2 then at = at // 256 * 256 + math.random(0, 60) end
    bytes[at + 1] = math.random() < 0.3 and 0 or math.random(0, 255)
  end
  local parts = {}
  for i = 1, #bytes, 4096 do
    parts[#parts + 1] = string.char(table.unpack(bytes, i, math.min(i + 4095, #bytes)))
  end
  return table.concat(parts)
end

-- Runs a step under an instruction count: a hang becomes a failure.
local function bounded(f, ...)
  local args = table.pack(...)
  debug.sethook(function() error("too long: " .. debug.traceback(), 0) end, "", 60000000)
  local ok, result = xpcall(function() return f(table.unpack(args)) end, function(err)
    return errors.is(err) and err or debug.traceback(tostring(err))
  end)
  debug.sethook()
  return ok, result
end

local function look(image, opts)
  local ok, fs = bounded(spiffs.open, image, opts)
  if not ok then
    lu.assertTrue(errors.is(fs), tostring(fs))
    return "refused"
  end
  local good = {}
  for _, file in ipairs(fs:list()) do
    local read, bytes = bounded(fs.read, fs, file.name)
    if read then good[file.name] = bytes else lu.assertTrue(errors.is(bytes), tostring(bytes)) end
  end
  local sound = select(2, bounded(fs.check, fs)).sound
  local repaired, result = bounded(fs.repair, fs)
  lu.assertTrue(repaired, tostring(result))
  lu.assertEquals(result.left, {})
  local files = judge.read(fs:bytes(), fs.geometry.flavour.id, fs.geometry.block)
  if #result.dropped == 0 then
    for name, bytes in pairs(good) do
      lu.assertTrue(name == "" or files[name] == bytes, "repair lost " .. name)
    end
  end
  return sound and "sound" or result.rebuilt and "rebuilt" or "repaired"
end

function TestHostile:test_random_damage_ends_in_an_error_or_a_repaired_image()
  local list, seen = bases(), {}
  for _ = 1, 400 do
    local base = list[math.random(#list)]
    local image = flip(base.bytes, ({ 1, 3, 20, 300 })[math.random(4)])
    local opts = not base.flavour.magic and { flavour = base.flavour.id } or nil
    local how = look(image, opts)
    seen[how] = (seen[how] or 0) + 1
  end
  lu.assertTrue((seen.repaired or 0) > 60)
end

function TestHostile:test_editing_a_damaged_image_ends_in_an_error_or_a_written_file()
  local list = bases()
  for _ = 1, 200 do
    local base = list[math.random(#list)]
    local opts = not base.flavour.magic and { flavour = base.flavour.id } or nil
    local image = flip(base.bytes, ({ 1, 20, 300 })[math.random(3)])
    local opened, fs = bounded(spiffs.open, image, opts)
    if opened then
      for k = 1, 12 do
        local name, bytes = "n" .. k % 5, random_bytes(math.random(0, 4000))
        local ok, err = bounded(fs.put, fs, name, bytes)
        lu.assertTrue(ok or errors.is(err), tostring(err))
        if ok then lu.assertTrue(fs:read(name) == bytes) end
        ok, err = bounded(fs.remove, fs, "f" .. k)
        lu.assertTrue(ok or errors.is(err), tostring(err))
      end
    end
  end
end

function TestHostile:test_random_bytes_are_looked_at_without_harm()
  for _ = 1, 100 do
    local noise = random_bytes(math.random(0, 300)):rep(math.random(1, 400))
    look(noise, nil)
    if #noise >= 16384 then
      local flavour = ({ "1", "0.9.5", "3", "2" })[math.random(4)]
      look(noise:sub(1, #noise // 4096 * 4096), { flavour = flavour })
    end
  end
end

function TestHostile:test_a_large_image_of_nothing_but_headers_ends_soon()
  local geo = spiffs.geometry { size = 4 * 1024 * 1024 }
  for _, same in ipairs { true, false } do
    local parts = {}
    for block = 0, geo.blocks - 1 do
      local entries, pages = {}, {}
      for i = 1, geo.entries do
        local id = same and 1 or (block * geo.entries + i) % 0x7FFE + 1
        entries[i] = ("<I2"):pack(id | 0x8000)
        pages[i] = format.index_page(geo.flavour, id, 0, {}, { name = "x", size = 3000000 })
      end
      parts[#parts + 1] = table.concat(entries) .. ("\xff"):rep(0xFC - 2 * geo.entries)
        .. format.block_tail(geo, block, 0) .. table.concat(pages)
    end
    local ok, fs = bounded(spiffs.open, table.concat(parts))
    lu.assertTrue(ok, tostring(fs))
    lu.assertEquals(#fs:list(), same and 1 or geo.blocks * geo.entries)
    lu.assertFalse(select(2, bounded(fs.check, fs)).sound)
    local repaired, err = bounded(fs.repair, fs)
    lu.assertTrue(repaired or errors.is(err, "image"), tostring(err))
  end
end

os.exit(lu.LuaUnit.run())
