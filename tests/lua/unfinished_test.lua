-- What is remembered of a plan that was begun, when it is found again, and when it
-- is dropped because flash is something else now. Flash is a string here.
local esp = require "esp"
local lfs = require "lfs"
local lu = require "luaunit"
local plan = require "moonflash.plan"
local unfinished = require "moonflash.unfinished"

local SECTOR <const>, SIZE <const> = 0x1000, 0x80000
local KEY <const> = unfinished.key("test", "one")

local function noise(n, seed)
  local words = {}
  for i = 1, n // 4 do words[i] = ("<I4"):pack(i * 2654435761 + seed * 40503 & 0xffffffff) end
  return table.concat(words)
end

local function put(flash, addr, bytes)
  return flash:sub(1, addr) .. bytes .. flash:sub(addr + #bytes + 1)
end

-- Loaders: with hashes as our stub, with digests as others, with nothing as the ROM.
local HASHED <const> = { stub = "hashes", public = "digests", rom = "none" }
local HASH <const> = { hashes = esp.crc32, digests = esp.md5 }

local function device(flash, loader, mac)
  local dev = { flash_bytes = SIZE, bytes = flash, reads = 0,
    chip = { mac = mac or "60:01:94:00:00:01" }, loader = { hashes = function() end } }
  local how = HASHED[loader or "stub"]
  local function hashes()
    return function(addr) return HASH[how](dev.bytes:sub(addr + 1, addr + SECTOR)) end
  end
  if HASH[how] then dev.loader[how] = hashes end
  dev.port = { info = function() return { kind = "serial", name = "/dev/ttyUSB0" } end }
  function dev:flash() return { size = self.flash_bytes } end
  function dev:read(addr, size)
    self.reads = self.reads + 1
    return self.bytes:sub(addr + 1, addr + size)
  end
  dev.hash_function, dev.hashes = HASH[how] or esp.crc32, HASH[how] and hashes() or nil
  return dev
end

local function planned(dev, parts, more)
  local request = { parts = parts, flash_bytes = SIZE, crc32 = dev.hash_function,
    hashes = dev.hashes, unfinished = KEY, allow_partial = true, old = {} }
  for name, value in pairs(more or {}) do request[name] = value end
  local steps = plan.write(request)
  for _, need in ipairs(steps.needs) do request.old[need.addr] = dev:read(need.addr, SECTOR) end
  return #steps.needs > 0 and plan.fill(steps, request.old) or steps
end

local function begin(dev, parts, read_crc, more)
  local steps = planned(dev, parts, more)
  unfinished.begin(unfinished.board(dev), steps, read_crc)
  return steps
end

TestUnfinished = {}

function TestUnfinished:setUp()
  self.old = noise(SIZE, 1)
  unfinished.forget(unfinished.board(device(self.old)))
end
TestUnfinished.tearDown = TestUnfinished.setUp

-- What is found when flash is `now`, by the loader named; a map of address to data.
local function found(now, loader, key)
  local request = unfinished.find(device(now, loader), key or KEY)
  if not request then return nil end
  local flash = now
  for _, part in ipairs(request.parts) do flash = put(flash, part.addr, part.data) end
  return flash, request
end

local PARTIAL <const> = { { addr = 0x10004, data = noise(600, 2), name = "part" } }

-- ---- it is found ----

function TestUnfinished:test_what_was_begun_is_found_with_what_lay_beside_it()
  for loader in pairs(HASHED) do
    local dev = device(self.old, loader)
    begin(dev, PARTIAL)
    local want = put(self.old, 0x10004, PARTIAL[1].data)
    for finder in pairs(HASHED) do
      for _, now in ipairs { self.old, want, put(self.old, 0x10000, ("\xff"):rep(SECTOR)) } do
        local flash, request = found(now, finder)
        lu.assertTrue(flash == want, loader .. " " .. finder)
        lu.assertEquals({ #request.parts, request.parts[1].addr, request.unfinished },
          { 1, 0x10000, KEY })
      end
    end
    unfinished.forget(unfinished.board(dev))
  end
end

function TestUnfinished:test_the_sectors_of_one_run_are_one_part_and_say_whether_they_boot()
  begin(device(self.old), { { addr = 0, data = noise(0x2000, 3), name = "a" },
    { addr = 0x9000, data = noise(SECTOR, 3), name = "b" } })
  local _, request = found(self.old)
  lu.assertEquals({ #request.parts, request.parts[1].addr, #request.parts[1].data,
    request.parts[2].addr }, { 2, 0, 0x2000, 0x9000 })
  lu.assertTrue(request.parts[1].boot and request.parts[2].boot)
end

function TestUnfinished:test_what_is_already_right_is_not_remembered()
  begin(device(self.old), { { addr = 0x8000, name = "a",
    data = self.old:sub(0x8001, 0x9000) .. noise(SECTOR, 5) } })
  local _, request = found(self.old)
  lu.assertEquals({ #request.parts, request.parts[1].addr }, { 1, 0x9000 })
end

function TestUnfinished:test_a_sector_torn_by_the_power_is_no_reason_to_drop_it()
  local torn = {}
  begin(device(self.old), PARTIAL)
  local old = self.old:sub(0x10001, 0x11000)
  local new = put(old, 4, PARTIAL[1].data)
  torn.program = new:sub(1, 300) .. ("\xff"):rep(SECTOR - 300)
  torn.erase = old:gsub(".", function(c) return string.char(c:byte() | 0x55) end)
  torn.over = new:gsub(".", function(c) return string.char(c:byte() | 0x0f) end)
  for how, sector in pairs(torn) do
    for finder in pairs(HASHED) do
      lu.assertTrue(found(put(self.old, 0x10000, sector), finder)
        == put(self.old, 0x10004, PARTIAL[1].data), how .. finder)
    end
  end
end

function TestUnfinished:test_a_torn_erase_of_a_whole_block_is_no_reason_to_drop_it()
  for _, row in ipairs { { 0x10000, 16 }, { 0x18000, 8 } } do
    local addr, sectors = row[1], row[2]
    begin(device(self.old), { { addr = addr, data = noise(sectors * SECTOR, 6), name = "a" } })
    local torn = self.old:sub(addr + 1, addr + sectors * SECTOR):gsub(".", function(c)
      return string.char(c:byte() | 0xa5)
    end)
    lu.assertNotNil(found(put(self.old, addr, torn)))
    unfinished.forget(unfinished.board(device(self.old)))
  end
end

function TestUnfinished:test_going_on_does_not_replace_what_was_remembered_first()
  local dev = device(self.old)
  begin(dev, PARTIAL)
  dev.bytes = put(self.old, 0x10000, ("\xff"):rep(SECTOR))
  begin(dev, PARTIAL)     -- what lay beside is gone by now
  lu.assertTrue(found(dev.bytes) == put(self.old, 0x10004, PARTIAL[1].data))
end

-- ---- it is not found ----

function TestUnfinished:test_it_belongs_to_one_command_and_one_board()
  begin(device(self.old), PARTIAL)
  lu.assertNil((found(self.old, "stub", unfinished.key("test", "two"))))
  lu.assertNil(unfinished.find(device(self.old, "stub", "60:01:94:00:00:02"), KEY))
end

function TestUnfinished:test_flash_that_is_too_small_for_it_is_another_chips()
  begin(device(self.old), PARTIAL)
  local other = device(self.old)
  other.flash_bytes = PARTIAL[1].addr
  lu.assertNil(unfinished.find(other, KEY))
  lu.assertNil((found(self.old)))     -- it is dropped then
end

function TestUnfinished:test_a_chip_that_gave_a_wrong_size_at_first_is_the_same_one()
  begin(device(self.old), PARTIAL)
  local other = device(self.old)
  other.flash_bytes = 2 * SIZE
  lu.assertNotNil(unfinished.find(other, KEY))
end

function TestUnfinished:test_one_sector_that_somebody_else_has_written_is_not_written_over()
  for loader in pairs(HASHED) do
    for finder in pairs(HASHED) do
      begin(device(self.old, loader), PARTIAL)
      lu.assertNil((found(put(self.old, 0x10000, noise(SECTOR, 9)), finder)), loader .. finder)
      lu.assertNil((found(self.old, finder)), "it is dropped")
    end
  end
end

-- A plan of whole sectors made of what was read: files that are moved, a table.
function TestUnfinished:test_whole_sectors_that_somebody_else_has_written_are_not_written_over()
  local parts = { { addr = 0x11000, data = noise(0x7000, 7), name = "files" } }
  local other = put(self.old, 0x11000, noise(0x7000, 8))
  for loader in pairs(HASHED) do
    for finder in pairs(HASHED) do
      begin(device(self.old, loader), parts, function(addr)
        return esp.crc32(self.old:sub(addr + 1, addr + SECTOR))
      end)
      lu.assertNotNil((found(self.old, finder)))
      lu.assertNil((found(other, finder)), loader .. finder)
    end
  end
end

function TestUnfinished:test_sectors_that_flash_did_not_take_are_not_somebody_elses()
  local parts = { { addr = 0x11000, data = noise(0x7000, 7), name = "files" } }
  local other = put(self.old, 0x11000, noise(0x7000, 8))
  for finder in pairs(HASHED) do
    local dev = device(self.old, "stub")
    begin(dev, parts)
    unfinished.note_mismatch(unfinished.board(dev))
    lu.assertTrue(found(other, finder) == put(self.old, 0x11000, parts[1].data), finder)
    unfinished.forget(unfinished.board(dev))
  end
end

function TestUnfinished:test_sectors_that_nobody_has_looked_at_are_simply_written()
  local parts = { { addr = 0x11000, data = noise(0x7000, 7), name = "a file" } }
  local dev = device(self.old, "rom")
  begin(dev, parts)
  lu.assertTrue(found(noise(SIZE, 8), "rom") == put(noise(SIZE, 8), 0x11000, parts[1].data))
end

function TestUnfinished:test_an_erase_or_a_good_end_forgets_it()
  local dev = device(self.old)
  begin(dev, PARTIAL)
  unfinished.forget(unfinished.board(dev))
  lu.assertNil((found(self.old)))
end

local function path_of(dev)
  return os.getenv "XDG_STATE_HOME" .. "/moonflash/unfinished/" .. unfinished.board(dev)
end

function TestUnfinished:test_a_damaged_file_is_none()
  local dev = device(self.old)
  begin(dev, PARTIAL)
  local f <close> = assert(io.open(path_of(dev), "rb"))
  local good = f:read "a"
  for _, bad in ipairs { "", "\n", "{}\n", good:sub(1, -2), good .. "x", good:sub(1, -2) .. "x",
    "[]\n" .. good:match "\n(.*)", (good:gsub('"version":1', '"version":9')) } do
    local out <close> = assert(io.open(path_of(dev), "wb"))
    out:write(bad)
    out:close()
    lu.assertNil((found(self.old)), bad:sub(1, 60))
  end
end

-- ---- names ----

function TestUnfinished:test_keys_differ_wherever_a_word_does()
  local keys, n = {}, 0
  for _, words in ipairs { { "a", "b" }, { "ab" }, { "a", "b", "" }, { "a", nil, "b" }, { "a" },
    { "a", true }, { "a", "true", 1 }, { "1:a" }, { "a,1:b" } } do
    local key = unfinished.key(table.unpack(words, 1, 3))
    lu.assertNil(keys[key])
    keys[key], n = true, n + 1
  end
  lu.assertEquals(n, 9)
  lu.assertEquals(unfinished.key("a", 1), unfinished.key("a", 1))
end

function TestUnfinished:test_simulated_boards_are_told_apart_by_their_file()
  local function board(name)
    local dev = device(self.old)
    dev.port = { info = function() return { kind = "sim", name = name } end }
    return unfinished.board(dev)
  end
  lu.assertEquals(board "sim:a.flash?size=4M", board("sim:" .. lfs.currentdir() .. "/a.flash"))
  lu.assertNotEquals(board "sim:a.flash", board "sim:b.flash")
  lu.assertEquals(unfinished.board(device(self.old)), "600194000001")
end

os.exit(lu.LuaUnit.run())
