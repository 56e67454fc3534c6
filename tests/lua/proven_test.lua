local errors = require "moonflash.errors"
local esp = require "esp"
local lu = require "luaunit"
local proven = require "moonflash.proven"

local FLASH <const> = ("a"):rep(0x1000) .. ("b"):rep(0x1000)
local RANGES <const> = { { addr = 0, size = 0x2000 } }

-- A device whose n-th read comes back damaged when bad(n) says so.
local function device(has_hashes, bad)
  local dev = { reads = 0, loader = { has_hashes = has_hashes } }
  function dev.read(_, addr, size)
    dev.reads = dev.reads + 1
    local bytes = FLASH:sub(addr + 1, addr + size)
    if not bad(dev.reads) then return bytes end
    return bytes:sub(1, -2) .. string.char(dev.reads)
  end
  function dev.loader.hashes()
    return function(addr) return esp.crc32(FLASH:sub(addr + 1, addr + 0x1000)) end
  end
  return dev
end

TestProven = {}

function TestProven:test_with_hashes_one_good_read_is_enough_and_a_bad_one_is_repeated()
  local dev = device(true, function() return false end)
  lu.assertTrue(proven.reader(dev, RANGES)(0, 0x2000) == FLASH)
  lu.assertEquals(dev.reads, 1)
  dev = device(true, function(n) return n < 3 end)
  lu.assertTrue(proven.reader(dev, RANGES)(0, 0x2000) == FLASH)
  lu.assertEquals(dev.reads, 3)
end

function TestProven:test_without_hashes_the_same_must_come_twice()
  local dev = device(false, function() return false end)
  lu.assertTrue(proven.reader(dev, RANGES)(0, 0x2000) == FLASH)
  lu.assertEquals(dev.reads, 2)
  dev = device(false, function(n) return n == 1 end)
  lu.assertTrue(proven.reader(dev, RANGES)(0, 0x2000) == FLASH)
  lu.assertEquals(dev.reads, 3)
end

function TestProven:test_flash_that_never_reads_right_is_an_error_that_names_the_place()
  for _, has_hashes in ipairs { true, false } do
    local ok, e = pcall(proven.reader(device(has_hashes, function() return true end), RANGES), 0,
      0x2000)
    lu.assertFalse(ok)
    lu.assertTrue(errors.is(e, "protocol"))
    lu.assertEquals(e.addr, has_hashes and 0x1000 or 0)
  end
end

function TestProven:test_a_range_within_sectors_is_proven_with_its_sectors()
  local dev, seen = device(true, function(n) return n == 1 end), {}
  function dev.flash() return { size = 0x2000 } end
  local bytes = proven.read(dev, 0xff0, 0x20, function(done) seen[#seen + 1] = done end)
  lu.assertEquals(bytes, ("a"):rep(16) .. ("b"):rep(16))
  lu.assertEquals(dev.reads, 2)
  for _, done in ipairs(seen) do lu.assertTrue(done >= 0 and done <= 0x20) end
end

function TestProven:test_without_hashes_once_is_enough_for_who_asks_for_it()
  local dev = device(false, function() return true end)
  function dev.flash() return { size = 0x2000 } end
  lu.assertEquals(#proven.read(dev, 0, 0x2000, nil, true), 0x2000)
  lu.assertEquals(dev.reads, 1)
end

function TestProven:test_the_first_sector_that_differs_is_found()
  local dev = device(true, function() return false end)
  local function want(addr) return esp.crc32(FLASH:sub(addr + 1, addr + 0x1000)) end
  lu.assertNil(proven.first_difference(dev, RANGES, want))
  lu.assertEquals(proven.first_difference(dev, RANGES, function(addr)
    return addr == 0x1000 and 1 or nil
  end), 0x1000)
end

os.exit(lu.LuaUnit.run())
