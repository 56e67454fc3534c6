local lu = require "luaunit"
local plan = require "moonflash.plan"
local crc32 = require "moonflash.crc32"
local flash_chips = require "moonflash.flash_chips"

local seed = tonumber(os.getenv "SEED") or os.time()
math.randomseed(seed)

local SECTOR, PAGE = 0x1000, 0x100
local MB = 1024 * 1024

-- NOR flash by the book: an erase sets a sector to ff, programming only clears
-- bits. It refuses what a plan must never ask for.
local function nor(contents)
  local self = { sectors = {}, erased = {}, programmed = {}, log = {} }
  for i = 0, #contents // SECTOR - 1 do
    self.sectors[i] = contents:sub(i * SECTOR + 1, (i + 1) * SECTOR)
  end
  function self.run(step)
    self.log[#self.log + 1] = step
    if step.op == "erase" then
      assert(step.addr % SECTOR == 0 and step.size % SECTOR == 0 and step.size > 0)
      for i = step.addr // SECTOR, (step.addr + step.size) // SECTOR - 1 do
        assert(self.sectors[i], "erase outside flash")
        assert(not self.erased[i], "sector erased twice")
        assert(not self.programmed[i], "erased after programming")
        self.erased[i] = true
        self.sectors[i] = ("\xff"):rep(SECTOR)
      end
      return
    end
    assert(step.op == "program" and step.addr % PAGE == 0 and step.size % PAGE == 0)
    assert(#step.data == step.size and step.size > 0)
    for at = 0, step.size - 1, PAGE do
      local i, offset = (step.addr + at) // SECTOR, (step.addr + at) % SECTOR
      local sector = assert(self.sectors[i], "program outside flash")
      local old = sector:sub(offset + 1, offset + PAGE)
      assert(old == ("\xff"):rep(PAGE), "programmed twice or without erase")
      local new = step.data:sub(at + 1, at + PAGE)
      assert(new ~= old, "a blank page was programmed")
      self.programmed[i] = true
      self.sectors[i] = sector:sub(1, offset) .. new .. sector:sub(offset + PAGE + 1)
    end
  end
  function self.bytes()
    return table.concat(self.sectors, "", 0, #contents // SECTOR - 1)
  end
  return self
end

local function fails(code, request, ...)
  local ok, err = pcall(plan.write, request)
  lu.assertFalse(ok)
  lu.assertEquals(err.code, code)
  for _, words in ipairs { ... } do lu.assertStrContains(err.message, words) end
  return err
end

local function part(addr, data, name) return { addr = addr, data = data, name = name } end

TestChecks = {}

function TestChecks:test_overlapping_parts_are_both_named()
  fails("overlap", { flash_bytes = MB, parts = { part(0x1000, ("b"):rep(16), "b.bin"),
    part(0, ("a"):rep(0x1001), "a.bin") } },
    "a.bin (0x000000..0x001000) and b.bin (0x001000..0x00100f) overlap")
  plan.write { flash_bytes = MB, parts = { part(0x1000, "b"), part(0, ("a"):rep(0x1000)) } }
end

function TestChecks:test_a_part_inside_another_is_an_overlap()
  fails("overlap", { flash_bytes = MB, parts = { part(0, ("a"):rep(0x8000), "big"),
    part(0x2000, "x", "small") } })
end

function TestChecks:test_a_part_that_does_not_fit_says_by_how_much()
  local err = fails("range", { flash_bytes = 0x80000, parts = {
    part(0x7F000, ("x"):rep(0x1003), "fw.bin") } }, "fw.bin", "3 bytes too many", "512 KB of flash")
  lu.assertEquals(err.over, 3)
  fails("range", { flash_bytes = 0x80000, parts = { part(0x7F000, ("x"):rep(0x1001)) } }, "1 byte too many")
  plan.write { flash_bytes = 0x80000, parts = { part(0x7F000, ("x"):rep(0x1000)) } }
  fails("range", { flash_bytes = MB, parts = { part(0x7FFFFFFFFFFFF000, "x") } })
end

function TestChecks:test_addresses_must_be_aligned()
  fails("align", { flash_bytes = MB, parts = { part(2, "x") }, allow_partial = true }, "multiple of 4")
  local err = fails("align", { flash_bytes = MB, parts = { part(0x1004, "x") } }, "start of a sector")
  lu.assertStrContains(err.hint, "0x001000")
  lu.assertEquals(#plan.write { flash_bytes = MB, parts = { part(0x1004, "x") },
    allow_partial = true }.needs, 1)
end

function TestChecks:test_the_hint_names_the_words_on_both_sides()
  local err = fails("align", { flash_bytes = MB, parts = { part(0x1006, "x") }, allow_partial = true })
  lu.assertStrContains(err.hint, "0x001004 or 0x001008")
end

function TestChecks:test_kept_regions_are_protected_by_whole_sectors()
  local keep = { { addr = 0xFC000, size = 0x1000, name = "init-data" } }
  fails("refused_by_policy", { flash_bytes = MB, keep = keep, parts = {
    part(0xF0000, ("x"):rep(0xC001), "fs.img") } }, "fs.img", "init-data", "0x0fc000..0x0fcfff")
  plan.write { flash_bytes = MB, keep = keep, parts = { part(0xF0000, ("x"):rep(0xC000)) } }
  plan.write { flash_bytes = MB, keep = keep, parts = { part(0xFD000, "x") } }
  fails("refused_by_policy", { flash_bytes = MB, keep = { { addr = 0xFC080, size = 16 } },
    parts = { part(0xFC000, "x") } }, "a region")
  fails("refused_by_policy", { flash_bytes = MB, keep = { { addr = 0xFBFFF, size = 1 } },
    parts = { part(0xFB000, "x") } }, "a region")
  fails("refused_by_policy", { flash_bytes = MB, keep = keep, parts = { part(0xFC000, "x") } })
end

function TestChecks:test_the_largest_flash_and_the_most_parts()
  local MAX = 16 * MB
  lu.assertEquals(plan.SECTOR, 4096)
  lu.assertEquals(plan.PAGE, 256)
  plan.write { flash_bytes = MAX, parts = { part(MAX - SECTOR, "x") } }
  lu.assertEquals(plan.write { flash_bytes = MAX, parts = { { addr = 0, size = MAX } } }.summary.blanked, 4096)
  fails("size", { flash_bytes = MAX + SECTOR, parts = {} }, "flash size")
  fails("size", { flash_bytes = MAX, parts = { { addr = 0, size = MAX + 1 } } }, "sensible size")
  fails("size", { flash_bytes = MAX, parts = { { addr = 0, size = -1 } } }, "sensible size")
  fails("size", { flash_bytes = MAX, parts = { { addr = 0, size = 0 } } }, "nothing to write")
  local many = {}
  for i = 1, 256 do many[i] = part((i - 1) * SECTOR, "x") end
  lu.assertEquals(plan.write({ flash_bytes = MAX, parts = many }).summary.written, 256)
end

function TestChecks:test_nonsense_is_refused()
  fails("size", { flash_bytes = MB, parts = { part(0, "") } }, "nothing to write")
  fails("size", { flash_bytes = MB, parts = { { addr = 0 } } }, "part 1")
  fails("range", { flash_bytes = MB, parts = { part(-4096, "x") } })
  fails("range", { flash_bytes = MB, parts = { part(1.5, "x") } })
  fails("size", { flash_bytes = 0, parts = {} })
  fails("size", { flash_bytes = 1000, parts = {} })
  fails("size", { flash_bytes = 1 << 30, parts = {} })
  for _, unit in ipairs { 100, 0, -256, 512.0, "256" } do
    fails("plan", { flash_bytes = MB, parts = { part(0, "x") }, unit = unit }, "unit")
  end
  local many = {}
  for i = 1, 257 do many[i] = part(0, "x") end
  fails("plan", { flash_bytes = MB, parts = many }, "more than 256")
end

TestSteps = {}

local function ops(p)
  local list = {}
  for i, s in ipairs(p.steps) do list[i] = ("%s %x+%x"):format(s.op, s.addr, s.size) end
  return table.concat(list, ", ")
end

function TestSteps:test_the_boot_sector_is_erased_first_and_written_last()
  local p = plan.write { flash_bytes = MB, parts = { part(0, ("x"):rep(0x2800)) } }
  lu.assertEquals(ops(p), "erase 0+1000, erase 1000+2000, program 1000+1800, program 100+f00, program 0+100")
  lu.assertTrue(p:touches_boot())
end

function TestSteps:test_blank_pages_are_not_programmed()
  local data = ("x"):rep(0x100) .. ("\xff"):rep(0x300) .. "y" .. ("\xff"):rep(0xBFF)
  local p = plan.write { flash_bytes = MB, parts = { part(0x1000, data) } }
  lu.assertEquals(ops(p), "erase 1000+1000, program 1000+100, program 1400+100")
  lu.assertEquals(p.summary.bytes_to_send, 0x200)
end

function TestSteps:test_a_blank_part_is_erased_only()
  local p = plan.write { flash_bytes = MB, parts = { { addr = 0x3000, size = 0x2000, name = "fs" } } }
  lu.assertEquals(ops(p), "erase 3000+2000")
  lu.assertEquals(p.summary.blanked, 2)
  lu.assertStrContains(plan.describe(p)[1], "blank fs")
end

function TestSteps:test_blank_regions_give_way_to_data()
  local p = plan.write { flash_bytes = MB, parts = { { addr = 0xB000, size = 0x5000, name = "system" },
    part(0x8000, ("x"):rep(0x4000), "fw"), { addr = 0xC000, size = 0x1000, name = "again" } } }
  lu.assertEquals(ops(p), "erase 8000+8000, program 8000+4000")
  local shown = {}
  for i, q in ipairs(p.parts) do shown[i] = ("%s %x+%x"):format(q.name, q.addr, #q.data) end
  lu.assertEquals(shown, { "fw 8000+4000", "system c000+4000" })
  lu.assertEquals(#plan.write { flash_bytes = MB, parts = { { addr = 0, size = 0x1000 },
    part(0, ("x"):rep(0x1000)) } }.parts, 1)
end

function TestSteps:test_a_single_byte_of_data_stays_in_a_blank_region()
  local p = plan.write { flash_bytes = MB, parts = { { addr = 0x1000, size = 0x1000, name = "fs" },
    part(0x1000, "x", "mark") } }
  lu.assertEquals(ops(p), "erase 1000+1000, program 1000+100")
  lu.assertEquals(p.sectors[1].data, "x" .. ("\xff"):rep(0xFFF))
  lu.assertEquals(p.sectors[1].parts, { "mark", "fs" })
  lu.assertEquals(p.summary.bytes, 0x1000)
end

function TestSteps:test_program_steps_keep_to_the_unit()
  local p = plan.write { flash_bytes = MB, unit = 0x800, parts = { part(0x10000, ("x"):rep(0x1800)) } }
  lu.assertEquals(ops(p), "erase 10000+2000, program 10000+800, program 10800+800, program 11000+800")
end

function TestSteps:test_blocks_follow_each_other()
  local p = plan.write { flash_bytes = MB, parts = { part(0x1F000, ("x"):rep(0x2000)) } }
  lu.assertEquals(ops(p), "erase 1f000+1000, program 1f000+1000, erase 20000+1000, program 20000+1000")
end

function TestSteps:test_nothing_asked_is_nothing_done()
  local p = plan.write { flash_bytes = MB, parts = {} }
  lu.assertEquals(p.steps, {})
  lu.assertTrue(p:is_empty())
  lu.assertFalse(p:touches_boot())
end

function TestSteps:test_erase_plans()
  local p = plan.erase { flash_bytes = MB, regions = { { addr = 0, size = 0x3000 } } }
  lu.assertEquals(ops(p), "erase 0+1000, erase 1000+2000")
  lu.assertErrorMsgContains("region: 100 bytes are not whole sectors", plan.erase,
    { flash_bytes = MB, regions = { { addr = 0, size = 100 } } })
  lu.assertErrorMsgContains("log: 4097 bytes are not whole sectors", plan.erase,
    { flash_bytes = MB, regions = { { addr = 0, size = 4097, name = "log" } } })
end

TestHashes = {}

local function hashes_of(bytes)
  local list = {}
  for at = 1, #bytes, SECTOR do list[#list + 1] = crc32.of(bytes:sub(at, at + SECTOR - 1)) end
  return list
end

local OLD = ("o"):rep(0x4000) .. ("\xff"):rep(0xC000)

function TestHashes:test_unchanged_flash_needs_nothing()
  local p = plan.write { flash_bytes = 0x10000, hashes = hashes_of(OLD), parts = { part(0, OLD) } }
  lu.assertTrue(p:is_empty())
  lu.assertEquals(p.summary, { sectors = 16, erased = 0, written = 0, blanked = 0, skipped = 16,
    bytes = 0x10000, bytes_to_send = 0, steps = 0 })
  p = plan.write { flash_bytes = 0x10000, hashes = hashes_of(OLD), full = true, parts = { part(0, OLD) } }
  lu.assertEquals(p.summary.erased, 16)
end

function TestHashes:test_one_changed_sector_takes_the_boot_sector_along()
  local new = OLD:sub(1, 0x2000) .. "N" .. OLD:sub(0x2002)
  local p = plan.write { flash_bytes = 0x10000, hashes = hashes_of(OLD), parts = { part(0, new) } }
  lu.assertEquals(ops(p), "erase 0+1000, erase 2000+1000, program 2000+1000, program 100+f00, program 0+100")
end

function TestHashes:test_data_that_does_not_boot_leaves_the_boot_sector_alone()
  local p = plan.write { flash_bytes = 0x10000, hashes = hashes_of(OLD), parts = {
    part(0, OLD:sub(1, 0x4000)), { addr = 0x8000, data = "files", boot = false } } }
  lu.assertEquals(ops(p), "program 8000+100")
end

function TestHashes:test_blank_sectors_are_not_erased()
  local p = plan.write { flash_bytes = 0x10000, hashes = hashes_of(OLD), parts = { part(0x5000, "x") } }
  lu.assertEquals(ops(p), "program 5000+100")
end

function TestHashes:test_hashes_may_come_from_a_function_and_be_missing()
  local asked = {}
  local p = plan.write { flash_bytes = 0x10000, parts = { part(0x1000, OLD:sub(1, 0x2000)) },
    hashes = function(addr)
      asked[#asked + 1] = addr
      if addr == 0x1000 then return crc32.of(OLD:sub(1, SECTOR)) end
    end }
  lu.assertEquals(asked, { 0x1000, 0x2000 })
  lu.assertEquals(ops(p), "erase 2000+1000, program 2000+1000")
end

function TestHashes:test_another_hash_function_is_used()
  local calls = 0
  local function sum(s) calls = calls + 1 return #s + s:byte(1) end
  local p = plan.write { flash_bytes = 0x10000, crc32 = sum, hashes = { SECTOR + 0x61 },
    parts = { part(0, ("a"):rep(SECTOR)) } }
  lu.assertTrue(p:is_empty())
  lu.assertTrue(calls > 0)
end

TestPartial = {}

function TestPartial:test_old_bytes_are_asked_for_and_preserved()
  local request = { flash_bytes = 0x10000, allow_partial = true, parts = {
    part(0x1004, "HEAD"), part(0x1010, "TAIL"), part(0x3000, ("f"):rep(SECTOR)) } }
  local p = plan.write(request)
  lu.assertEquals({ p.needs, p.steps }, { { { addr = 0x1000, size = SECTOR } }, {} })
  lu.assertFalse(p:is_empty())
  lu.assertStrContains(plan.describe(p)[4], "1 sector must be read first")
  local full = plan.fill(p, { [0x1000] = ("o"):rep(SECTOR) })
  lu.assertEquals(full.sectors[1].data,
    "ooooHEADooooooooTAIL" .. ("o"):rep(SECTOR - 20))
  lu.assertEquals(ops(full), "erase 1000+1000, erase 3000+1000, program 1000+1000, program 3000+1000")
end

function TestPartial:test_the_last_byte_of_a_sector_is_preserved()
  local p = plan.write { flash_bytes = 0x10000, allow_partial = true,
    parts = { part(0x1000, ("n"):rep(4095)) } }
  lu.assertEquals(#p.needs, 1)
  p = plan.fill(p, { [0x1000] = ("o"):rep(SECTOR) })
  lu.assertEquals(p.sectors[1].data, ("n"):rep(4095) .. "o")
end

function TestPartial:test_missing_or_short_old_bytes_are_refused()
  local p = plan.write { flash_bytes = 0x10000, allow_partial = true, parts = { part(4, "x") } }
  lu.assertErrorMsgContains("are missing", plan.fill, p, {})
  lu.assertErrorMsgContains("3 old bytes", plan.fill, p, { [0] = "abc" })
end

TestText = {}

function TestText:test_description_and_table()
  local p = plan.write { flash_bytes = MB, parts = { part(0, ("x"):rep(0x1800), "fw.bin") } }
  lu.assertEquals(plan.describe(p), { "write fw.bin: 0x000000..0x0017ff, 6144 bytes",
    "2 sectors: 2 erased, 2 written, 0 already right, 6144 bytes to send",
    "the boot header is erased first and written last" })
  local t = plan.to_table(p)
  lu.assertEquals(t.parts, { { addr = 0, size = 0x1800, name = "fw.bin", blank = false } })
  lu.assertNil(t.steps[3].data)
  lu.assertEquals(t.summary.sectors, 2)
end

function TestText:test_estimate_grows_with_the_work()
  local p = plan.write { flash_bytes = MB, parts = { part(0, ("x"):rep(0x10000)) } }
  local timing = flash_chips.timing(0x1640EF)
  local slow, fast = plan.estimate(p, timing, 115200), plan.estimate(p, timing, 921600)
  lu.assertTrue(slow > fast and fast > 0.045 * 16)
  lu.assertAlmostEquals(slow, 65536 * 10 / 115200 + 0.72, 0.01)
end

-- 16 sectors at 50 ms, 64 KiB of ten bits a byte, or 256 pages at 2 ms.
function TestText:test_the_slower_of_line_and_flash_counts()
  local p = plan.write { flash_bytes = MB, parts = { part(0, ("x"):rep(0x10000)) } }
  local timing = { sector = 50, page = 2 }
  lu.assertAlmostEquals(plan.estimate(p, timing, 100000), 0.8 + 6.5536, 1e-9)
  lu.assertAlmostEquals(plan.estimate(p, timing, 100000, 0.5), 0.8 + 3.2768, 1e-9)
  lu.assertAlmostEquals(plan.estimate(p, timing, 4000000), 0.8 + 0.512, 1e-9)
end

TestProperties = {}

local FLASH = 9 * SECTOR
local fillers = { "\xff", "\0", "z", "q" }

local function random_flash()
  local t = {}
  for i = 1, FLASH // SECTOR do t[i] = fillers[math.random(4)]:rep(SECTOR) end
  return table.concat(t)
end

-- Parts that do not overlap, of lengths that like the edges of sectors.
local function random_parts(partial)
  local parts, at = {}, 0
  for _ = 1, math.random(0, 5) do
    at = at + math.random(0, 3) * SECTOR
    if partial then at = at + math.random(0, 40) * 4 else at = (at + SECTOR - 1) // SECTOR * SECTOR end
    local size = ({ math.random(1, 300), math.random(1, 3) * SECTOR,
      math.random(1, 3) * SECTOR + math.random(-2, 2) })[math.random(3)]
    if at + size > FLASH then break end
    local data = fillers[math.random(4)]:rep(size - 1) .. string.char(math.random(0, 255))
    local kind = math.random(8)
    parts[#parts + 1] = { addr = at, data = kind ~= 1 and data or nil, size = kind == 1 and size or nil,
      boot = kind ~= 2 or nil }
    at = (at + size + 3) // 4 * 4
  end
  if math.random(4) == 1 then
    parts[#parts + 1] = { addr = math.random(0, 4) * SECTOR, size = math.random(1, 4) * SECTOR }
  end
  for i = #parts, 2, -1 do
    local j = math.random(i)
    parts[i], parts[j] = parts[j], parts[i]
  end
  return parts
end

-- What flash should hold, computed the simple way.
local function wanted(old, parts, partial)
  local touched = {}
  local new = old
  for _, p in ipairs(parts) do
    local size = p.size or #p.data
    for i = p.addr // SECTOR, (p.addr + size - 1) // SECTOR do touched[i] = true end
  end
  if not partial then
    for i in pairs(touched) do
      new = new:sub(1, i * SECTOR) .. ("\xff"):rep(SECTOR) .. new:sub((i + 1) * SECTOR + 1)
    end
  end
  for pass = 1, 2 do   -- data goes over blank regions, whatever their order
    for _, p in ipairs(parts) do
      if (p.data ~= nil) == (pass == 2) then
        local data = p.data or ("\xff"):rep(p.size)
        new = new:sub(1, p.addr) .. data .. new:sub(p.addr + #data + 1)
      end
    end
  end
  return new, touched
end

local function check_order(chip, p)
  local first, last
  for i, step in ipairs(chip.log) do
    if step.addr < SECTOR and step.addr + step.size > 0 then
      first = first or i
      last = i
      assert(step.addr + step.size <= SECTOR, "the boot sector shares a step")
    end
  end
  if not first then return end
  if chip.log[first].op == "erase" then assert(first == 1, "sector 0 is not first") end
  if p.sectors[1].action == "write" then
    assert(last == #chip.log, "sector 0 is not last")
    for i = first + 1, #chip.log do
      if chip.log[i].addr < SECTOR then
        for j = i, #chip.log do assert(chip.log[j].addr < SECTOR) end
        break
      end
    end
  end
end

local function one_case()
  local partial = math.random(3) == 1
  local old, parts = random_flash(), random_parts(partial)
  local request = { flash_bytes = FLASH, parts = parts, allow_partial = partial,
    unit = PAGE * math.random(1, 64), full = math.random(6) == 1,
    -- A cheap hash that tells the test's sectors apart as well as a CRC does.
    crc32 = function(s) return s end }
  local known = math.random(2) == 1
  if known then
    request.hashes = function(addr)
      if addr // SECTOR % 7 ~= 3 then return old:sub(addr + 1, addr + SECTOR) end
    end
  end
  local p = plan.write(request)
  if #p.needs > 0 then
    local bytes = {}
    for _, need in ipairs(p.needs) do bytes[need.addr] = old:sub(need.addr + 1, need.addr + need.size) end
    p = plan.fill(p, bytes)
  end
  local expected, touched = wanted(old, parts, partial)
  local chip = nor(old)
  for _, step in ipairs(p.steps) do chip.run(step) end
  assert(chip.bytes() == expected, "flash differs from what was wanted")
  for i in pairs(chip.erased) do assert(touched[i], "a foreign sector was erased") end
  for i in pairs(chip.programmed) do assert(touched[i], "a foreign sector was programmed") end
  check_order(chip, p)
  if known and not request.full and expected == old and #p.steps > 0 then
    -- Only sectors whose hash is not known may be written without need.
    local unknown = false
    for i in pairs(touched) do unknown = unknown or i % 7 == 3 end
    assert(unknown, "work without need")
  end
end

function TestProperties:test_20000_random_plans_reach_exactly_what_was_wanted()
  print("# seed " .. seed)
  for i = 1, tonumber(os.getenv "ROUNDS") or 20000 do
    local ok, err = pcall(one_case)
    if not ok then lu.fail(("case %d of seed %d: %s"):format(i, seed, tostring(err))) end
  end
end

-- A cut after any number of steps leaves the old flash, the new one, or nothing
-- that boots.
function TestProperties:test_a_cut_after_any_step_never_leaves_a_mixture()
  local function boots(bytes) return bytes:byte(1) == 0xE9 end
  for _ = 1, 200 do
    local old = "\xE9" .. random_flash():sub(2)
    local new = "\xE9" .. random_flash():sub(2, math.random(1, 8) * SECTOR - math.random(0, 300))
    local request = { flash_bytes = FLASH, parts = { part(0, new) }, unit = 0x800,
      crc32 = function(s) return s end }
    if math.random(2) == 1 then
      request.hashes = function(addr) return old:sub(addr + 1, addr + SECTOR) end
    end
    local p = plan.write(request)
    local final = new .. ("\xff"):rep(-#new % SECTOR) .. old:sub(#new + (-#new % SECTOR) + 1)
    for cut = 0, #p.steps do
      local chip = nor(old)
      for i = 1, cut do chip.run(p.steps[i]) end
      local bytes = chip.bytes()
      local whole = bytes == old or bytes == final
      lu.assertTrue(whole or not boots(bytes))
    end
  end
end

os.exit(lu.LuaUnit.run())
