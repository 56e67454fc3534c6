-- Every way from one NodeMCU to another on every size of flash. What must be in
-- flash afterwards is written down here from the documents, not asked of the code
-- under test.
package.path = "tests/lua/?.lua;" .. package.path
local chips = require "nodemcu_chips"
local errors = require "moonflash.errors"
local firmware_files = require "moonflash.firmware_files"
local identify = require "moonflash.identify"
local image = require "moonflash.image"
local init_data = require "moonflash.init_data"
local lu = require "luaunit"
local partition = require "moonflash.partition"
local spiffs = require "moonflash.spiffs"
local upgrade = require "moonflash.upgrade"

local KB <const>, MB <const> = 1024, 1024 * 1024
local BLANK_SECTOR <const> = ("\xff"):rep(0x1000)

local function facts_of(bytes)
  return identify.backup(bytes, { blank = function(addr)
    return bytes:sub(addr + 1, addr + 0x1000) == BLANK_SECTOR
  end })
end

local function file_of(bytes, name)
  return firmware_files.join { { name = name or "new.bin", data = bytes } }
end

local function plan_of(old, new, size, options)
  options = options or {}
  if options.force == nil then options.force = true end
  return upgrade.plan(type(old) == "string" and facts_of(old) or old, file_of(new), size, options)
end

-- Flash as it is when the plan was carried out: blank ranges, then data; the rest
-- as it was. Whole sectors that data ends in become blank behind it.
local function after(old, p)
  local layers = {}
  for _, part in ipairs(p.parts) do
    if not part.data then layers[#layers + 1] = { part.addr, part.addr + part.size } end
  end
  for _, part in ipairs(p.parts) do
    if part.data then
      local data = part.data .. ("\xff"):rep(-#part.data % 0x1000)
      layers[#layers + 1] = { part.addr, part.addr + #data, data }
    end
  end
  return function(addr, size)
    local bytes = old:sub(addr + 1, addr + size)
    for _, layer in ipairs(layers) do
      local at, to = math.max(layer[1], addr), math.min(layer[2], addr + size)
      if at < to then
        local new = layer[3] and layer[3]:sub(at - layer[1] + 1, to - layer[1])
          or ("\xff"):rep(to - at)
        bytes = bytes:sub(1, at - addr) .. new .. bytes:sub(to - addr + 1)
      end
    end
    return bytes
  end
end

local function is_blank(bytes) return not bytes:find("[^\xff]") end

local function other_firmware()
  local low = image.build { entry = 0x40100004, mode = "dio", segments = {
    { addr = 0x40100000, data = chips.noise(0x2000, 5) } } }
  return low .. ("\xff"):rep(0x10000 - #low) .. chips.noise(0x30000, 9)
    .. "AT version:1.2.0.0(Jul  1 2016 20:04:45)\0"
end

TestRules = {}

-- Rows: on the chip; columns: new. i0, i2, v05 = init data written; - = none;
-- t = the five sectors at the end blank, r = RF calibration, p = three sectors of
-- parameters, l = 0xB000 to 0xFFFF.
local MATRIX <const> = [[
            0.9   1.4   1.5   1.5.4.1 2.x   3.0-2019 3.x
erased      i0    i2    v05   v05     v05   -        -
other       i0lt  v05lt v05lt v05lt   v05lt -lt      -lt
0.9         -     v05t  v05t  v05t    v05t  -lt      -lt
1.4         i0t   -     -     v05t    v05t  -lt      -lt
1.5         i0t   -     -     v05t    v05t  -lt      -lt
1.5.4.1     i0t   v05t  v05t  -r      -r    -lt      -lt
2.x         i0t   v05t  v05t  -r      -r    -lt      -lt
3.0-2019    i0t   v05t  v05t  v05t    v05t  -        -lp
3.x         i0t   v05t  v05t  v05t    v05t  -lp      -
]]

local LETTERS <const> = { low = "l", tail = "t", ["rf-cal"] = "r", params = "p" }

local function cell(rule)
  local letters = {}
  for i, name in ipairs(rule.erase) do letters[i] = LETTERS[name] end
  return (rule.init or "-") .. table.concat(letters)
end

function TestRules:test_every_pair_does_what_the_documents_say()
  local lines = {}
  for line in MATRIX:gmatch("[^\n]+") do lines[#lines + 1] = line end
  local columns = {}
  for word in lines[1]:gmatch("%S+") do columns[#columns + 1] = word end
  lu.assertEquals(#columns, 7)
  for i = 2, #lines do
    local from, rest = lines[i]:match("^(%S+)%s+(.*)$")
    local n = 0
    for want in rest:gmatch("%S+") do
      n = n + 1
      lu.assertEquals(cell(upgrade.rule(from, columns[n])), want, from .. " -> " .. columns[n])
    end
    lu.assertEquals(n, 7)
  end
  lu.assertEquals(#lines, 10)
end

function TestRules:test_going_back_is_known_for_what_it_is()
  for i, from in ipairs(chips.order) do
    for j, to in ipairs(chips.order) do
      lu.assertEquals(upgrade.downgrade(from, to) ~= nil, i > j, from .. " -> " .. to)
    end
    lu.assertNil(upgrade.downgrade("erased", from))
    lu.assertNil(upgrade.downgrade("other", from))
  end
end

-- ---- all pairs on all sizes ----

local RANK <const> = {}
for i, era in ipairs(chips.order) do RANK[era] = i end

-- What the new firmware will see as its init data.
local function expected_init(from, to, size)
  local same = ({ ["0.9"] = { ["0.9"] = 1 }, ["1.4"] = { ["1.5"] = 1 }, ["1.5"] = { ["1.4"] = 1, ["1.5"] = 1 },
    ["1.5.4.1"] = { ["1.5.4.1"] = 1, ["2.x"] = 1 }, ["2.x"] = { ["1.5.4.1"] = 1, ["2.x"] = 1 } })[from]
  if to == "0.9" then return init_data.build { variant = "i0" } end
  if from == "1.4" and (to == "1.4" or to == "1.5") then
    -- what 1.4 wrote itself is too old for its own SDK
    return init_data.build { variant = to == "1.4" and "i2" or "v05" }
  end
  if same and same[to] then return init_data.build { variant = chips.eras[from].init } end
  if from == "erased" and to == "1.4" then return init_data.build { variant = "i2" } end
  return init_data.build { variant = "v05" }
end

local function check_header(read, new, size, label)
  local head = read(0, 16)
  lu.assertEquals(head:byte(4) >> 4, chips.size_codes[size], label)
  lu.assertEquals(head:byte(4) & 15, new:byte(4) & 15, label)
  lu.assertEquals(head:sub(1, 3), new:sub(1, 3), label)
end

local function check_firmware(read, new, to, label)
  local got = read(0, #new)
  lu.assertTrue(got:sub(5, 0xB000) == new:sub(5, 0xB000), label .. ": RAM part")
  local from = chips.is_3(to) and 0x11001 or 0x10001
  lu.assertTrue(got:sub(from) == new:sub(from), label .. ": irom")
end

local function check_system_2x(read, from, to, size, label)
  lu.assertEquals(read(size - 0x4000, 128), expected_init(from, to, size), label .. ": init data")
  lu.assertTrue(is_blank(read(size - 0x4000 + 128, 0x1000 - 128)), label .. ": init sector")
  if chips.eras[to].reserve == 0x5000 then
    lu.assertTrue(is_blank(read(size - 0x5000, 0x1000)), label .. ": RF calibration")
  end
  local rule = upgrade.rule(from, to)
  local params = read(size - 0x3000, 0x3000)
  if cell(rule):find("t") or from == "erased" then
    lu.assertTrue(is_blank(params), label .. ": parameters")
  else
    lu.assertEquals(params:sub(1, 0x1000), chips.noise(0x1000, 41), label .. ": parameters")
  end
end

-- The entries of the last table record, by type, read by hand.
local function read_table(sector)
  local at, found = 1, nil
  while at + 4 <= #sector and sector:byte(at + 1) ~= 0xFF do
    local words, id = sector:byte(at, at + 1)
    if id == 1 then found = sector:sub(at + 4, at + 3 + 4 * words) end
    at = at + 4 + 4 * words
  end
  local list, last = {}, 0
  for i = 1, #found - 11, 12 do
    local kind, addr, size = ("<I4I4I4"):unpack(found, i)
    list[kind] = { addr = addr, size = size }
    list[#list + 1] = { kind = kind, addr = addr, size = size }
    if kind ~= 0 and addr >= last and size ~= 0xFFFFFFFF then last = addr + size end
  end
  return list
end

local function check_table(list, size, label)
  local last = 0
  for _, e in ipairs(list) do
    lu.assertTrue(e.addr >= last and e.addr % 0x1000 == 0 and e.size % 0x1000 == 0
      and e.addr + e.size <= size, ("%s: entry %d at 0x%x"):format(label, e.kind, e.addr))
    last = e.addr + e.size
  end
end

local function check_system_3x(read, from, to, size, label)
  local def = chips.eras[to]
  local cal, phy = read(def.cal, 0x1000), read(def.phy, 0x1000)
  if from == to then
    lu.assertEquals(cal:sub(1, 0x200), chips.noise(0x200, 31), label)
    lu.assertEquals(phy:sub(1, 128), init_data.build { variant = "v05" }, label)
    return
  end
  lu.assertTrue(is_blank(cal) and is_blank(phy), label .. ": system sectors")
  local params = def.params or size - 0x3000
  lu.assertTrue(is_blank(read(params, 0x3000)), label .. ": parameters")
end

-- Where the new firmware will look for files, by the documents.
local function find_files(read, to, size, last)
  local def = chips.eras[to]
  local source = { size = size, read = read }
  local function at(addr)
    local ok, fs = pcall(spiffs.open, source, { addr = addr, grain = 256 })
    return ok and fs.geometry.flavour.id == def.flavour and fs or nil, addr
  end
  if chips.is_3(to) then return at(read_table(read(0x10000, 0x1000))[0x6A].addr) end
  if def.reserve == 0x4000 then
    local start = (last + 0x3FFF) // 0x4000 * 0x4000
    local fs = spiffs.open({ size = size - 0x4000 - start,
      read = function(a, n) return read(start + a, n) end }, { flavour = def.flavour, grain = 256 })
    return fs, start
  end
  if size - 0x5000 >= 700000 then
    for i = 0, 7 do
      local fs, addr = at((last + i * 0x10000 + 0xFFFF) // 0x10000 * 0x10000)
      if fs then return fs, addr end
    end
  end
  for i = 0, 7 do
    local fs, addr = at((last + i * 0x2000 + 0x1FFF) // 0x2000 * 0x2000)
    if fs then return fs, addr end
  end
end

local function check_files(fs, label)
  lu.assertNotNil(fs, label .. ": no file system")
  lu.assertEquals(#fs:list(), #chips.files, label)
  for _, file in ipairs(chips.files) do
    lu.assertEquals(fs:read(file.name), file.bytes, label .. ": " .. file.name)
  end
end

local function check(old, from, to, size, options, with_files)
  local label = ("%s -> %s on %d KB"):format(from, to, size // KB)
  local new = chips.firmware(to, { seed = 3, irom = 0x2A000 })
  local ok, p = pcall(plan_of, old.facts, new, size, options)
  if chips.is_3(to) and size < MB then
    lu.assertFalse(ok, label)
    lu.assertTrue(errors.is(p, "size"), label)
    return 0
  end
  lu.assertTrue(ok, label .. ": " .. tostring(p))
  lu.assertEquals({ p.from, p.era, p.downgrade }, { from, to, (RANK[from] or 0) > RANK[to] }, label)
  local read = after(old.bytes, p)
  check_header(read, new, size, label)
  check_firmware(read, new, to, label)
  if chips.is_3(to) then
    check_system_3x(read, from, to, size, label)
    local list = read_table(read(0x10000, 0x1000))
    if not list[0] then check_table(list, size, label) end
  else
    check_system_2x(read, from, to, size, label)
  end
  if with_files then check_files(find_files(read, to, size, 0x3A000), label) end
  return 1
end

local function each(list, run)
  local n = 0
  for _, from in ipairs(list) do
    for _, to in ipairs(chips.order) do n = n + run(from, to) end
  end
  return n
end

local function old_chip(from, size, files)
  local bytes
  if from == "erased" then
    bytes = ("\xff"):rep(size)
  elseif from == "other" then
    bytes = other_firmware()
    bytes = bytes .. ("\xff"):rep(size - #bytes - 0x5000) .. chips.noise(0x5000, 3)
  else
    bytes = chips.chip(from, size, { files = files })
  end
  return { bytes = bytes, facts = facts_of(bytes) }
end

TestAllPairs = {}

local function run_size(size, files, options)
  local froms = { "erased", "other" }
  for _, era in ipairs(chips.order) do
    if not (chips.is_3(era) and size < MB) then froms[#froms + 1] = era end
  end
  local cache, n = {}, 0
  for _, from in ipairs(froms) do
    cache[from] = old_chip(from, size, files)
    local has_files = files ~= false and RANK[from] ~= nil
    n = n + each({ from }, function(f, to)
      return check(cache[from], f, to, size, options and options() or { fs = "move" }, has_files)
    end)
    cache[from] = nil
  end
  return n
end

function TestAllPairs:test_512_KB_with_files()
  lu.assertEquals(run_size(512 * KB), 7 * 5)
end

function TestAllPairs:test_1_MB_with_files()
  lu.assertEquals(run_size(MB), 9 * 7)
end

for _, megabytes in ipairs { 2, 4, 8, 16 } do
  TestAllPairs[("test_%d_MB_without_files"):format(megabytes)] = function()
    lu.assertEquals(run_size(megabytes * MB, false), 9 * 7)
  end
end

function TestAllPairs:test_4_MB_with_files()
  for _, pair in ipairs { { "0.9", "3.x" }, { "1.5", "2.x" }, { "1.5.4.1", "3.x" }, { "2.x", "3.x" },
    { "3.0-2019", "3.x" }, { "3.x", "3.x" }, { "3.x", "2.x" } } do
    check(old_chip(pair[1], 4 * MB), pair[1], pair[2], 4 * MB, { fs = "move" }, true)
  end
end

-- ---- single decisions ----

TestFiles = {}

function TestFiles:test_files_that_the_new_firmware_finds_are_not_touched()
  local old, place = chips.chip("2.x", 4 * MB)
  for _, to in ipairs { "2.x", "3.0-2019", "3.x" } do
    local p = plan_of(old, chips.firmware(to, { seed = 3 }), 4 * MB, { fs = "keep" })
    lu.assertEquals({ p.file_system.action, p.file_system.addr }, { "keep", place.fs.addr }, to)
    local read = after(old, p)
    lu.assertTrue(read(place.fs.addr, place.fs.size)
      == old:sub(place.fs.addr + 1, place.fs.addr + place.fs.size), to)
    lu.assertEquals(p.keep[1].addr, place.fs.addr)
  end
end

function TestFiles:test_keep_refuses_what_cannot_stay_and_says_why()
  local ok, e = pcall(plan_of, (chips.chip("3.x", MB)), chips.firmware("3.x", { irom = 0x30000 }), MB,
    { fs = "keep" })
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "refused_by_policy"))
  lu.assertStrContains(e.message, "0x040000")
  lu.assertStrContains(e.hint, "--fs move")
end

function TestFiles:test_try_leaves_files_that_cannot_stay_and_warns()
  local p = plan_of((chips.chip("1.5.4.1", MB)), chips.firmware("2.x"), MB, { fs = "try" })
  lu.assertEquals(p.file_system.action, "lost")
  lu.assertStrContains(p.warnings[1], "old files")
end

function TestFiles:test_erase_leaves_nothing_that_could_be_taken_for_files()
  for _, pair in ipairs { { "2.x", "2.x" }, { "2.x", "0.9" }, { "0.9", "2.x" }, { "3.x", "3.x" } } do
    local old, place = chips.chip(pair[1], MB)
    local p = plan_of(old, chips.firmware(pair[2], { irom = 0x28000 }), MB, { fs = "erase" })
    local read = after(old, p)
    lu.assertEquals(p.file_system.action, "erase")
    lu.assertTrue(is_blank(read(place.fs.addr + 0x8000, place.fs.size - 0x8000 - 0x5000)), pair[1])
    if pair[2] == "0.9" then
      lu.assertTrue(is_blank(read(0x38000, MB - 0x4000 - 0x38000)), "0.9 never formats")
    end
  end
end

-- The rest of a file system looks like a whole one from any of its blocks on, and
-- a longer firmware may uncover such a place before the new one.
function TestFiles:test_no_part_of_the_old_files_is_taken_for_a_file_system()
  local old = chips.chip("2.x", 4 * MB, { fs_addr = 0x50000, fs_size = 0x300000 })
  local new = chips.firmware("2.x", { seed = 3, irom = 0x48000 })
  for _, mode in ipairs { "move", "erase", "try" } do
    local p = plan_of(old, new, 4 * MB, { fs = mode })
    local fs, addr = find_files(after(old, p), "2.x", 4 * MB, 0x58000)
    if mode == "move" then
      lu.assertEquals({ p.file_system.action, addr }, { "copy", p.file_system.addr })
      check_files(fs, mode)
    else
      lu.assertTrue(fs == nil, mode)     -- a failure would print all of it
    end
  end
end

function TestFiles:test_files_that_do_not_fit_are_refused()
  local big = { { name = "big", bytes = chips.noise(500000, 1) } }
  local old = chips.chip("0.9", MB, { files = big })
  local ok, e = pcall(plan_of, old, chips.firmware("2.x", { irom = 0xA0000 }), MB, { fs = "move" })
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "refused_by_policy"), tostring(e))
  lu.assertStrContains(e.hint, "--fs erase")
end

function TestFiles:test_a_cloud_build_without_a_version_is_known_by_its_sdk()
  local banner = "NodeMCU custom build by frightanic.com\n\tbranch: master\n\tSSL: false\n"
    .. " build \tbuilt on: 2018-08-07 15:58\n powered by Lua 5.1.4 on SDK 2.2.1(cfd48f3)\0"
  local p = plan_of((chips.chip("0.9", MB)), chips.firmware("2.x", { banner = banner }), MB, { fs = "move" })
  lu.assertEquals(p.file_system.action, "rebuild")
end

TestTable = {}

local function entry(p, name) return partition.entry(p.table, name) end

function TestTable:test_a_layout_that_the_user_made_is_carried_over()
  local old, place = chips.chip("3.x", 4 * MB, { lfs = 0x20000, fs_addr = 0x100000,
    fs_size = 0x80000 })
  local p = plan_of(old, chips.firmware("3.x", { seed = 3 }), 4 * MB, { fs = "keep", lfs = "keep" })
  lu.assertEquals({ entry(p, "lfs").addr, entry(p, "lfs").size }, { place.lfs.addr, 0x20000 })
  lu.assertEquals({ entry(p, "spiffs").addr, entry(p, "spiffs").size }, { 0x100000, 0x80000 })
  lu.assertEquals({ p.lfs.action, p.file_system.action }, { "keep", "keep" })
  local read = after(old, p)
  lu.assertTrue(read(place.lfs.addr, 0x20000) == old:sub(place.lfs.addr + 1, place.lfs.addr + 0x20000))
end

function TestTable:test_settings_of_the_user_survive_others_do_not()
  local old = chips.chip("3.x", MB)
  local records = ("<BBI2"):pack(2, 5, 0) .. "print(1)" .. ("<BBI2"):pack(1, 6, 0) .. "\2\0\0\0"
    .. ("<BBI2"):pack(1, 4, 0) .. "x\0\0\0"
  local sector = old:sub(0x10001, 0x11000)
  local at = sector:find("\0\2\0\0\xff\xff\xff\xff", 1, true)
  old = chips.put(old, 0x10000 + at + 3, records)
  local p = plan_of(old, chips.firmware("3.x", { seed = 3 }), MB, { fs = "move" })
  local ids = {}
  for _, record in ipairs((partition.walk(after(old, p)(0x10000, 0x1000)))) do ids[#ids + 1] = record.id end
  lu.assertEquals(ids, { 5, 6, 1 })
end

function TestTable:test_a_fresh_chip_gets_the_builds_own_table()
  local new = chips.firmware("3.x")
  local p = plan_of(("\xff"):rep(MB), new, MB)
  lu.assertTrue(after(("\xff"):rep(MB), p)(0x10000, 0x1000) == new:sub(0x10001, 0x11000))
end

function TestTable:test_a_store_in_the_way_of_a_longer_firmware_is_refused_or_given_up()
  local old = chips.chip("3.x", MB, { lfs = 0x10000 })
  local new = chips.firmware("3.x", { irom = 0x30000 })
  local ok, e = pcall(plan_of, old, new, MB, { fs = "move", lfs = "keep" })
  lu.assertFalse(ok)
  lu.assertStrContains(e.message, "Lua Flash Store")
  local p = plan_of(old, new, MB, { fs = "move", lfs = "erase" })
  lu.assertEquals(p.lfs.action, "erase")
  lu.assertEquals({ entry(p, "lfs").addr, entry(p, "lfs").size }, { 0x40000, 0x10000 })
  check_files(find_files(after(old, p), "3.x", MB, 0x40000), "behind the store")
end

function TestTable:test_a_store_of_other_numbers_is_refused()
  local old = chips.chip("3.x", MB, { lfs = 0x10000 })
  local banner = chips.eras["3.x"].banner:gsub("float", "integer")
  local ok, e = pcall(plan_of, old, chips.firmware("3.x", { banner = banner }), MB,
    { fs = "move", lfs = "keep" })
  lu.assertFalse(ok)
  lu.assertStrContains(e.message, "float")
  lu.assertStrContains(e.message, "integer")
end

TestRefusals = {}

function TestRefusals:test_going_back_needs_force()
  local old = chips.chip("3.x", MB)
  local ok, e = pcall(plan_of, old, chips.firmware("2.x"), MB, { fs = "move", force = false })
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "refused_by_policy"))
  lu.assertStrContains(e.message, "older")
  lu.assertStrContains(e.hint, "--force")
end

function TestRefusals:test_a_firmware_too_long_for_the_flash_says_what_would_do()
  local ok, e = pcall(plan_of, ("\xff"):rep(512 * KB), chips.firmware("2.x", { irom = 0x70000 }), 512 * KB)
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "size"))
  lu.assertStrContains(e.message, "1 MB")
  ok, e = pcall(plan_of, ("\xff"):rep(512 * KB), chips.firmware("3.x"), 512 * KB)
  lu.assertFalse(ok)
  lu.assertStrContains(e.hint, "2.2")
end

function TestRefusals:test_other_firmware_is_no_upgrade()
  local ok, e = pcall(plan_of, ("\xff"):rep(MB), other_firmware(), MB)
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "image"))
end

TestInitData = {}

function TestInitData:test_what_the_user_set_is_kept_when_init_data_is_written_anew()
  local old = chips.chip("1.5", MB)
  old = chips.put(old, MB - 0x4000, init_data.build { variant = "i3",
    fields = { vdd33 = 255, crystal = 0 } })
  local p = plan_of(old, chips.firmware("2.x"), MB, { fs = "move" })
  local got = init_data.decode(after(old, p)(MB - 0x4000, 128))
  lu.assertEquals({ got.vdd33, got.crystal, got.freq_correct }, { 255, 0, 0 })
end

function TestInitData:test_damaged_init_data_is_made_good_even_when_nothing_else_changes()
  for _, bad in ipairs { ("\xff"):rep(128), chips.noise(128, 1) } do
    local old = chips.put((chips.chip("2.x", MB)), MB - 0x4000, bad)
    local p = plan_of(old, chips.firmware("2.x", { seed = 3 }), MB, { fs = "keep" })
    lu.assertEquals(after(old, p)(MB - 0x4000, 128), init_data.build())
  end
end

function TestInitData:test_a_40_MHz_crystal_is_told_to_the_firmware()
  local p = plan_of(("\xff"):rep(MB), chips.firmware("2.x"), MB, { crystal_mhz = 40 })
  lu.assertEquals(init_data.decode(after(("\xff"):rep(MB), p)(MB - 0x4000, 128)).crystal, 0)
end

-- Firmware that believed in less flash than there is keeps its system data in the
-- middle of it; the new one looks at the real end, where anything may lie.
function TestInitData:test_a_corrected_flash_size_moves_the_system_data()
  local old = chips.chip("2.x", 512 * KB)
  old = old .. chips.noise(MB - #old, 13)
  local p = plan_of(old, chips.firmware("2.x", { seed = 3 }), MB, { fs = "move" })
  local read = after(old, p)
  lu.assertEquals(read(MB - 0x4000, 128), init_data.build())
  lu.assertTrue(is_blank(read(MB - 0x3000, 0x3000)))
  lu.assertTrue(is_blank(read(MB - 0x5000, 0x1000)))
end

os.exit(lu.LuaUnit.run())
