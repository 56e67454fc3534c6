-- SPIFFS: changing a file system in place, by the rules of flash.
package.path = "tests/lua/?.lua;" .. package.path
local lu = require "luaunit"
local format = require "moonflash.spiffs_format"
local judge = require "spiffs_judge"
local space = require "moonflash.spiffs_space"
local spiffs = require "moonflash.spiffs"

local seed <const> = tonumber(os.getenv "SEED") or os.time()
print("# seed " .. seed)
math.randomseed(seed)

local function random_bytes(n)
  local t = {}
  for i = 1, n do t[i] = string.char(math.random(0, 255)) end
  return table.concat(t)
end

local function code_of(f, ...)
  local ok, err = pcall(f, ...)
  lu.assertFalse(ok, "no error was raised")
  lu.assertEquals(type(err), "table", tostring(err))
  return err.code
end

-- A chip's region: counts what is done to it, refuses what flash cannot do.
local function chip(bytes)
  local self = { size = #bytes, bytes = bytes, writes = {}, reads = 0 }
  function self.read(addr, size)
    assert(addr >= 0 and size > 0 and addr + size <= self.size)
    self.reads = self.reads + size
    return self.bytes:sub(addr + 1, addr + size)
  end
  function self.write(addr, new, change)
    assert(addr % 4096 == 0 and #new == 4096)
    local old = self.bytes:sub(addr + 1, addr + 4096)
    assert(change.old == old and change.new == new and old ~= new)
    assert(change.erase == not judge.nor_legal(old, new))
    self.bytes = self.bytes:sub(1, addr) .. new .. self.bytes:sub(addr + 4097)
    self.writes[#self.writes + 1] = change
  end
  return self
end

local function empty(flavour, size, block)
  return spiffs.build({}, { flavour = flavour, size = size, block = block })
end

TestModel = {}

-- 2500 operations of every kind against a plain table, judged now and then.
local function run_model(flavour, size, block, operations)
  local fs, model, names = empty(flavour, size, block), {}, {}
  for i = 1, 40 do names[i] = ("f%d%s"):format(i, ("x"):rep(math.random(0, 28))) end
  local done = { put = 0, full = 0, remove = 0, rename = 0, missing = 0, taken = 0 }
  local steps = {}
  local function count(what) done[what] = done[what] + 1 end

  function steps.put(name)
    local wild = math.random() < 0.1
    local bytes = random_bytes(wild and math.random(0, size // 2) or math.random(0, 1500))
    local before = fs:bytes()
    local ok, err = pcall(fs.put, fs, name, bytes)
    if ok then
      model[name] = bytes
      count "put"
    else
      lu.assertEquals(type(err) == "table" and err.code, "size", tostring(err))
      lu.assertTrue(before == fs:bytes(), "a file that does not fit changed something")
      count "full"
    end
  end

  function steps.remove(name)
    local ok, err = pcall(fs.remove, fs, name)
    lu.assertEquals(ok, model[name] ~= nil)
    lu.assertTrue(ok or err.code == "file")
    count(ok and "remove" or "missing")
    model[name] = nil
  end

  function steps.rename(name)
    local to = names[math.random(#names)]
    local ok, err = pcall(fs.rename, fs, name, to)
    if ok then
      local bytes = model[name]
      model[name] = nil
      model[to] = bytes
      count "rename"
    else
      local expected = (model[name] == nil or model[to] ~= nil) and "file" or "size"
      lu.assertEquals(type(err) == "table" and err.code, expected, tostring(err))
      count "taken"
    end
  end

  for operation = 1, operations do
    local name, dice = names[math.random(#names)], math.random()
    steps[dice < 0.6 and "put" or dice < 0.9 and "remove" or "rename"](name)
    if model[name] then lu.assertTrue(fs:read(name) == model[name], name) end
    if operation % 50 == 0 then
      local files, free_blocks = judge.read(fs:bytes(), flavour, block)
      for k, v in pairs(files) do lu.assertTrue(model[k] == v, k) end
      for k in pairs(model) do lu.assertNotNil(files[k]) end
      lu.assertTrue(free_blocks >= 2, "the firmware could not write any more")
      lu.assertEquals(fs:check().problems, {})
      -- What the tables say is what a fresh look says.
      lu.assertEquals(spiffs.open(fs:bytes(), { geometry = fs.geometry }):space(), fs:space())
    end
  end
  for what, n in pairs(done) do lu.assertTrue(n > 0, "never happened: " .. what) end
  return done, fs
end

function TestModel:test_10000_operations_agree_with_a_plain_table()
  local _, fs = run_model("3", 65536, 4096, 2500)
  lu.assertTrue(fs.erase_count > 50, "garbage was hardly collected")
  run_model("2", 196608, 8192, 2500)
  run_model("1", 65536, 4096, 2500)
  run_model("0.9.5", 49152, 4096, 1500)
  run_model("0.9.6", 32768, 4096, 1000)
end

TestPut = {}

function TestPut:test_what_is_there_already_is_not_written()
  local fs = empty("3", 65536)
  lu.assertTrue(fs:put("a", "one"))
  local before = fs:bytes()
  lu.assertFalse(fs:put("a", "one"))
  lu.assertTrue(fs:bytes() == before)
  lu.assertTrue(fs:put("a", "two"))
  lu.assertEquals(fs:read "a", "two")
end

function TestPut:test_a_replaced_file_that_fits_only_once_is_replaced_all_the_same()
  local fs = empty("3", 65536, 4096)
  local largest = fs:space().largest
  local first, second = random_bytes(largest), random_bytes(largest)
  fs:put("a", first)
  fs:put("a", second)
  lu.assertTrue(judge.read(fs:bytes(), "3", 4096).a == second)
  lu.assertEquals(code_of(fs.put, fs, "b", ""), "size")
  fs:put("a", "")
  fs:put("b", "x")
  lu.assertEquals(judge.read(fs:bytes(), "3", 4096), { a = "", b = "x" })
end

function TestPut:test_bad_names_are_refused_before_anything_changes()
  local fs = empty("3", 65536)
  local before = fs:bytes()
  for _, name in ipairs { "", ("n"):rep(32), "a\0" } do
    lu.assertEquals(code_of(fs.put, fs, name, "x"), "argument")
  end
  lu.assertTrue(fs:bytes() == before)
end

TestRename = {}

function TestRename:test_the_content_stays_and_the_old_name_is_gone()
  local fs = empty("3", 65536)
  local bytes = random_bytes(40000)
  fs:put("a", bytes)
  fs:rename("a", "http/b")
  lu.assertTrue(judge.read(fs:bytes(), "3", 8192)["http/b"] == bytes)
  lu.assertEquals(code_of(fs.read, fs, "a"), "file")
  fs:put("c", "")
  lu.assertEquals(code_of(fs.rename, fs, "c", "http/b"), "file")
  lu.assertEquals(code_of(fs.rename, fs, "nobody", "d"), "file")
  lu.assertEquals(code_of(fs.rename, fs, "c", ("n"):rep(32)), "argument")
  fs:rename("c", "c")
  lu.assertTrue(fs:has "c")
end

TestChip = {}

function TestChip:test_only_sectors_that_change_are_written_and_without_erase_if_possible()
  local files = {}
  for i = 1, 20 do files[i] = { name = "f" .. i, bytes = random_bytes(2000) } end
  local region = chip(spiffs.build(files, { size = 0x40000 }):bytes())
  local fs = spiffs.open(region)
  fs:put("new.lua", "print(1)")
  lu.assertEquals(#region.writes, 0)
  local changes = fs:commit()
  lu.assertEquals(region.writes, changes)
  lu.assertTrue(#changes <= 2)
  for _, change in ipairs(changes) do lu.assertFalse(change.erase) end
  lu.assertEquals(judge.read(region.bytes, "3", 8192)["new.lua"], "print(1)")
  lu.assertEquals(#fs:commit(), 0)
  -- a deletion clears bits, too
  fs:remove "f3"
  for _, change in ipairs(fs:commit()) do lu.assertFalse(change.erase) end
  lu.assertNil(judge.read(region.bytes, "3", 8192).f3)
end

function TestChip:test_a_sector_that_ends_as_it_began_is_not_written()
  local region = chip(spiffs.build({}, { size = 65536 }):bytes())
  local fs = spiffs.open(region)
  fs.medium:poke(0x3000, "x")
  lu.assertEquals(#fs:changes(), 1)
  fs.medium:poke(0x3000, "\xff")
  lu.assertEquals(fs:commit(), {})
end

function TestChip:test_listing_reads_lookup_pages_and_headers_only()
  local files = {}
  for i = 1, 10 do files[i] = { name = "f" .. i, bytes = random_bytes(3000) } end
  local region = chip(spiffs.build(files, { size = 0x100000 }):bytes())
  lu.assertEquals(#spiffs.open(region, { grain = 256 }):list(), 10)
  -- 128 lookup pages and 10 headers, and what the recognition takes
  lu.assertTrue(region.reads <= 150 * 256, region.reads)
end

function TestChip:test_a_region_inside_a_chip_is_addressed_from_the_chip_s_start()
  local image = spiffs.build({ { name = "a", bytes = "x" } }, { size = 65536 }):bytes()
  local region = chip(("\0"):rep(0x3000) .. image .. ("\0"):rep(0x1000))
  local fs = spiffs.open(region, { addr = 0x3000 })
  fs:put("b", "y")
  fs:commit()
  lu.assertEquals(region.writes[1].addr, 0)
  lu.assertEquals(region.bytes:sub(1, 0x3000), ("\0"):rep(0x3000))
  lu.assertEquals(judge.read(region.bytes:sub(0x3001, -0x1001), "3", 8192), { a = "x", b = "y" })
end

function TestChip:test_collecting_garbage_erases_and_keeps_every_file()
  local region = chip(spiffs.build({ { name = "keep", bytes = random_bytes(9000) } },
    { size = 65536, block = 4096 }):bytes())
  local erased = 0
  for i = 1, 60 do
    local fs = spiffs.open(region)
    fs:put("churn", random_bytes(3000 + i))
    for _, change in ipairs(fs:commit()) do erased = erased + (change.erase and 1 or 0) end
  end
  lu.assertTrue(erased > 0)
  local files = judge.read(region.bytes, "3", 4096)
  lu.assertEquals(#files.keep, 9000)
  lu.assertEquals(#files.churn, 3060)
end

TestDamaged = {}

function TestDamaged:test_an_image_without_two_free_blocks_gets_them_back()
  local fs = empty("3", 65536, 4096)
  fs:put("keep", "me")
  for span = 1, 15 * 15 - 6 do
    space.drop(fs, space.add(fs, format.data_page(77, span, "old")))
  end
  lu.assertTrue(fs:check().full)
  fs:put("new", "one")
  local files, free_blocks = judge.read(fs:bytes(), "3", 4096)
  lu.assertEquals(files, { keep = "me", new = "one" })
  lu.assertTrue(free_blocks >= 2)
end

function TestDamaged:test_a_free_page_that_is_not_blank_is_not_written_on()
  local fs = empty("3", 65536, 4096)
  fs.medium:poke(2 * 256 + 7, "garbage")
  fs:put("a", "hello")
  local files = judge.read(fs:bytes(), "3", 4096)
  lu.assertEquals(files, { a = "hello" })
end

function TestDamaged:test_a_block_without_magic_is_emptied_before_the_firmware_erases_it()
  local image = spiffs.build({ { name = "a", bytes = random_bytes(20000) } },
    { size = 65536, block = 4096 }):bytes()
  local at = 3 * 4096 + 0xFC
  local fs = spiffs.open(image:sub(1, at) .. "\0\0" .. image:sub(at + 3))
  fs:put("b", "x")
  local files = judge.read(fs:bytes(), "3", 4096)
  lu.assertEquals(#files.a, 20000)
  lu.assertEquals(files.b, "x")
end

os.exit(lu.LuaUnit.run())
