-- --stub: files that are none are refused before anything is sent; and, with real
-- ones in MOONFLASH_STUB_JSON (paths, colon separated), whole commands.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

local SIZE <const> = 0x100000

TestPublicStub = {}

function TestPublicStub:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
end

function TestPublicStub:tearDown()
  harness.remove(self.dir)
end

function TestPublicStub:file(name, bytes)
  local path = self.dir .. "/" .. name
  harness.write(path, bytes)
  return path
end

function TestPublicStub:test_a_file_that_is_no_stub_is_refused_before_the_port_is_opened()
  local bad = {
    ["not JSON"] = "hello", ["'text' is missing"] = "{}",
    ["not base64"] = '{"text": "AAA*", "text_start": 1074843648}',
    ["outside the RAM"] = '{"text": "AAAA", "text_start": 1073741824, "entry": 1073741824}',
    ["not inside the text"] = '{"text": "AAAA", "text_start": 1074843648, "entry": 4}',
  }
  for why, text in pairs(bad) do
    local path = self:file("stub.json", text)
    local out, err, code = harness.run("-p", "/dev/no-such", "--stub", path, "info")
    lu.assertEquals(code, 6, err)
    lu.assertStrContains(err, path .. ": ")
    lu.assertStrContains(err, why)
    lu.assertStrContains(err, "nothing was sent")
    lu.assertEquals(out, "")
  end
  local _, err, code = harness.run("-p", "/dev/no-such", "--stub", self.dir .. "/none", "info")
  lu.assertEquals(code, 6, err)
end

function TestPublicStub:test_a_stub_and_no_stub_exclude_each_other()
  local path = self:file("stub.json", "{}")
  local _, err, code = harness.run("-p", "sim:", "--no-stub", "--stub", path, "info")
  lu.assertEquals(code, 2)
  lu.assertStrContains(err, "exclude each other")
end

-- A stub that starts and never answers: an endless loop.
function TestPublicStub:test_a_stub_that_does_not_answer_is_an_error_and_not_replaced_by_another()
  local path = self:file("stub.json",
    '{"text": "Bv//AAAA", "text_start": 1074790400, "entry": 1074790400}')
  harness.write(self.flash, ("\xa5"):rep(SIZE))
  local _, err, code = harness.run("-p", "sim:" .. self.flash, "-b", "460800", "--stub", path,
    "write", "0x10000", self:file("part.bin", ("x"):rep(5000)))
  lu.assertEquals(code, 4, err)
  lu.assertStrContains(err, "was loaded and does not answer")
  lu.assertTrue(harness.read(self.flash) == ("\xa5"):rep(SIZE))
end

-- ---- with real stubs ----

local function stubs()
  local list = {}
  for path in (os.getenv("MOONFLASH_STUB_JSON") or ""):gmatch("[^:]+") do
    list[#list + 1] = path
  end
  lu.skipIf(#list == 0, "MOONFLASH_STUB_JSON names no stub files")
  return list
end

local function ok(...)
  local out, err, code = harness.run(...)
  lu.assertEquals(code, 0, err)
  return out, err
end

local function mixed(seed, size)
  local sectors = {}
  for i = 1, size // 0x1000 do
    sectors[i] = (i + seed) % 4 == 0 and ("\xff"):rep(0x1000)
      or (("<I4"):pack(i * 7919 + seed)):rep(0x400)
  end
  return table.concat(sectors)
end

function TestPublicStub:test_real_stubs_write_verify_read_and_erase_at_every_rate()
  local old, new = mixed(1, SIZE), mixed(2, 0x24000)
  local part, copy = self:file("part.bin", new), self.dir .. "/copy.bin"
  for _, stub in ipairs(stubs()) do
    for _, baud in ipairs { "115200", "921600", "1500000" } do
      harness.write(self.flash, old)
      local function run(...)
        return ok("-p", "sim:" .. self.flash, "-b", baud, "--stub", stub, ...)
      end
      lu.assertStrContains(run("--json", "info"), '"loader":"public stub"')
      run("write", "0x21000", part)
      local want = old:sub(1, 0x21000) .. new .. old:sub(0x21000 + #new + 1)
      lu.assertTrue(harness.read(self.flash) == want)
      run("verify", "0x21000", part)
      run("read", "0x20004", "0x11234", copy)
      lu.assertTrue(harness.read(copy) == want:sub(0x20005, 0x20004 + 0x11234))
      run("erase", "0x23000", "0x15000")
      lu.assertTrue(harness.read(self.flash) == want:sub(1, 0x23000) .. ("\xff"):rep(0x15000)
        .. want:sub(0x38001))
      run("erase", "all")
      lu.assertTrue(harness.read(self.flash) == ("\xff"):rep(SIZE))
    end
  end
end

function TestPublicStub:test_real_stubs_reach_what_lies_above_4_MB()
  local part = self:file("part.bin", mixed(2, 0x8000))
  for _, stub in ipairs(stubs()) do
    os.remove(self.flash)
    ok("-p", "sim:" .. self.flash .. "?size=16M", "--stub", stub, "write", "0xff0000", part)
    lu.assertTrue(harness.read(self.flash):sub(0xff0001, 0xff8000) == harness.read(part))
  end
end

function TestPublicStub:test_on_a_bad_line_ok_is_only_said_of_flash_that_is_right()
  local seed = tonumber(os.getenv("SEED")) or 1
  local old, new = mixed(1, SIZE), mixed(2, 0x14000)
  local part = self:file("part.bin", new)
  for _, stub in ipairs(stubs()) do
    for i = seed, seed + 2 do
      harness.write(self.flash, old)
      local _, err, code = harness.run("-p", ("sim:%s?flip=0.00003&seed=%d"):format(self.flash, i),
        "--stub", stub, "write", "0x21000", part)
      local now = harness.read(self.flash)
      local want = old:sub(1, 0x21000) .. new .. old:sub(0x21000 + #new + 1)
      if code == 0 then lu.assertTrue(now == want, ("SEED=%d"):format(i)) end
      if code ~= 0 and code ~= 8 then lu.assertTrue(now == old, err) end
    end
  end
end

-- Firmware with one segment and the checksum that the chip's ROM computes.
local function firmware(seed, size)
  local data, sum = mixed(seed, 0x8000):sub(1, size), 0xEF
  for i = 1, #data do sum = sum ~ data:byte(i) end
  local image = "\xe9\1\2\0" .. ("<I4I4I4"):pack(0x40100004, 0x40100000, #data) .. data
  return image .. ("\0"):rep(15 - #image % 16) .. string.char(sum)
end

function TestPublicStub:test_a_power_cut_in_any_operation_never_leaves_a_mixture_that_boots()
  local old = firmware(1, 0x5000) .. mixed(1, SIZE)
  old = old:sub(1, SIZE)
  local file = self:file("fw.bin", firmware(2, 0x2800))
  local faults = self.dir .. "/faults"
  local url = ("sim:%s?faults=%s"):format(self.flash, faults)
  local function write(stub, fault)
    harness.write(self.flash, old)
    harness.write(faults, fault)
    local _, err, code = harness.run("-p", url, "-b", "921600", "--stub", stub, "--after", "stay",
      "write", "0x0", file)
    return code, err, harness.read(self.flash)
  end
  for _, stub in ipairs(stubs()) do
    local code, err, new = write(stub, "# none\n")
    lu.assertEquals(code, 0, err)
    local last = tonumber(harness.read(faults):match "ops (%d+)")
    lu.assertTrue(last > 50, last)
    for cut = 1, last do
      local now
      code, err, now = write(stub, ("- %s %d n\n"):format(cut % 2 == 0 and "cut" or "cut-after", cut))
      lu.assertTrue(code == 8 or code == 0, ("operation %d: exit %d: %s"):format(cut, code, err))
      lu.assertTrue(now == new or now:byte(1) ~= 0xe9 or cut == 1, "operation " .. cut)
      if code == 0 then lu.assertTrue(now == new) end
    end
  end
end

os.exit(lu.LuaUnit.run())
