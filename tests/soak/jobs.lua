-- What the campaign does to boards: each command that writes, with flash contents
-- before, the sectors that it may touch, and what must be in flash when it is done.
-- All of that is known from facts, or from a second reader of the format; what the
-- program says is not asked.
package.path = "tests/lua/?.lua;" .. package.path
local chips = require "nodemcu_chips"
local judge = require "spiffs_judge"

local jobs = {}

local KB <const>, SECTOR <const> = 1024, 0x1000
local SMALL <const>, MIB <const> = 512 * KB, 1024 * KB

local put <const> = chips.put

local function words(...) return ("<" .. ("I4"):rep(select("#", ...))):pack(...) end

-- A boot image with one segment: header, segment, padding, checksum.
-- `size_code` is the high nibble of byte 3: 0 = 512 KB, 2 = 1 MB.
local function firmware(bytes, seed, size_code)
  local data, sum = chips.noise(bytes // 4 * 4, seed), 0xEF
  for i = 1, #data do sum = sum ~ data:byte(i) end
  local image = "\xe9\1\2" .. string.char(size_code << 4) .. words(0x40100004, 0x40100000, #data)
    .. data
  return image .. ("\0"):rep(15 - #image % 16) .. string.char(sum)
end

-- A flash full of old things: nothing is blank, so whatever is lost shows.
local function full_flash(size, seed, old)
  return put(chips.noise(size, seed), 0, old)
end

local function range(addr, size)
  local first = addr // SECTOR * SECTOR
  return { addr = first, size = (addr + size + SECTOR - 1) // SECTOR * SECTOR - first }
end

-- ---- write ----

-- What is behind a part in its last sector becomes blank, unless a part begins
-- inside a sector: then all that lies beside stays.
local function write_parts(flash, parts, keep)
  local ranges = {}
  for i, part in ipairs(parts) do
    flash = put(flash, part.addr, part.data .. (keep and "" or ("\xff"):rep(-#part.data % SECTOR)))
    ranges[i] = range(part.addr, #part.data)
  end
  return flash, ranges
end

jobs["write-boot"] = function()
  local before = full_flash(MIB, 11, firmware(0x3000, 1, 2))
  local new, beside = firmware(0x4800, 2, 0), chips.noise(5000, 3)
  local want, ranges = write_parts(before, {
    { addr = 0, data = put(new, 3, "\x20") }, { addr = 0x40124, data = beside } }, true)
  return { args = { "write", "0x0", "fw.bin", "0x40124", "beside.bin" }, before = before,
    files = { ["fw.bin"] = new, ["beside.bin"] = beside }, want = want, ranges = ranges,
    boot = true }
end

jobs["write-data"] = function()
  local before = full_flash(SMALL, 12, firmware(0x3000, 1, 0))
  local data = chips.noise(0x8000, 5) .. ("\xff"):rep(0x1800) .. ("lua"):rep(0x2000)
  local want, ranges = write_parts(before, { { addr = 0x10000, data = data } })
  return { args = { "write", "0x10000", "data.bin" }, before = before,
    files = { ["data.bin"] = data }, want = want, ranges = ranges }
end

jobs["write-full"] = function()
  local new = firmware(0x2800, 2, 0)
  local before = put(full_flash(SMALL, 13, firmware(0x2800, 1, 0)), 0x2000, new:sub(0x2001))
  local want, ranges = write_parts(before, { { addr = 0, data = new } })
  return { args = { "write", "0x0", "fw.bin", "--full" }, before = before,
    files = { ["fw.bin"] = new }, want = want, ranges = ranges, boot = true }
end

-- ---- recipe ----

local RECIPE <const> = [[
local mf = require "moonflash"
return mf.recipe {
  api = 1,
  parts = { mf.file(0x0, "fw.bin"), mf.file(0x20000, "data.bin") },
}
]]

jobs.recipe = function()
  local before = full_flash(SMALL, 14, firmware(0x3000, 1, 0))
  local new, data = firmware(0x2400, 6, 0), chips.noise(0x2345, 7)
  local want, ranges = write_parts(before, { { addr = 0, data = new },
    { addr = 0x20000, data = data } })
  return { args = { "flash.lua" }, before = before, want = want, ranges = ranges, boot = true,
    files = { ["flash.lua"] = RECIPE, ["fw.bin"] = new, ["data.bin"] = data } }
end

-- ---- restore ----

jobs.restore = function()
  local want = full_flash(SMALL, 15, firmware(0x3000, 1, 0))
  local before = put(put(want, 0, firmware(0x3000, 2, 0)), 0x31000, chips.noise(0x7000, 8))
  before = put(before, 0x7F000, ("\xff"):rep(SECTOR))
  return { args = { "restore", "board.mfb" }, before = before, want = want, boot = true,
    ranges = { { addr = 0, size = 0x4000 }, { addr = 0x31000, size = 0x7000 },
      { addr = 0x7F000, size = SECTOR } }, files = {},
    prepare = { flash = want, args = { "backup", "board.mfb" } }, slow = true,
    -- the chip's own loader has no hashes: all is written
    rom_ranges = { { addr = 0, size = SMALL } } }
end

-- ---- erase ----

jobs["erase-range"] = function()
  local before = full_flash(SMALL, 16, firmware(0x3000, 1, 0))
  return { args = { "erase", "0x20000", "0x15000" }, before = before,
    want = put(before, 0x20000, ("\xff"):rep(0x15000)), files = {},
    ranges = { { addr = 0x20000, size = 0x15000 } } }
end

jobs["erase-all"] = function()
  return { args = { "erase", "all" }, before = full_flash(SMALL, 17, firmware(0x3000, 1, 0)),
    want = ("\xff"):rep(SMALL), ranges = { { addr = 0, size = SMALL } }, files = {}, slow = true }
end

-- ---- init data ----

jobs["init-data"] = function()
  local before, place = chips.chip("2.x", SMALL, { irom = 0x8000 })
  before = put(before, place.phy, chips.noise(SECTOR, 18))
  local block = require("moonflash.init_data").build {}
  return { args = { "init-data", "write" }, before = before, want = put(before, place.phy,
    block .. ("\xff"):rep(SECTOR - #block)),
    ranges = { { addr = place.phy, size = SECTOR } }, files = {} }
end

-- ---- file systems: any layout will do, the files must be right ----

local function all_files(extra, without)
  local files = {}
  for _, f in ipairs(chips.files) do
    if f.name ~= without then files[f.name] = f.bytes end
  end
  for name, bytes in pairs(extra or {}) do files[name] = bytes end
  return files
end

local function same_files(got, want)
  for name, bytes in pairs(want) do
    if not got[name] then return name .. " is not there" end
    if got[name] ~= bytes then return name .. " is not as it was" end
  end
  for name in pairs(got) do
    if not want[name] then return name .. " should not be there" end
  end
end

local function fs_right(place, want)
  return function(flash)
    local image = flash:sub(place.fs.addr + 1, place.fs.addr + place.fs.size)
    local ok, got = pcall(judge.read, image, "3", 0x2000)
    if not ok then return "the file system is damaged: " .. tostring(got) end
    return same_files(got, want)
  end
end

local function fs_job(args, files, extra, without)
  local before, place = chips.chip("3.x", MIB, { irom = 0x6000, fs_addr = 0x40000,
    fs_size = 0x10000 })
  return { args = args, before = before, files = files, ranges = { place.fs }, slow = true,
    right = fs_right(place, extra and all_files(extra, without)
      or all_files(nil, without)) }
end

jobs["fs-put"] = function()
  local new = chips.noise(3000, 21)
  return fs_job({ "fs", "put", "chip", "new.lua" }, { ["new.lua"] = new }, { ["new.lua"] = new })
end

jobs["fs-rm"] = function()
  return fs_job({ "fs", "rm", "chip", "http/config.json" }, {}, nil, "http/config.json")
end

jobs["fs-build"] = function()
  local files = { ["lua/one.lua"] = "return 1\n", ["lua/two.bin"] = chips.noise(7000, 22) }
  local job = fs_job({ "fs", "build", "lua", "-o", "chip" }, files)
  job.right = fs_right({ fs = job.ranges[1] }, { ["one.lua"] = files["lua/one.lua"],
    ["two.bin"] = files["lua/two.bin"] })
  job.folders = { "lua" }
  return job
end

-- ---- partition table ----

-- The live record of the sector at 0x10000, { type = "addr+size" }, or nil.
local function live_table(flash)
  local at, live = 0x10001, nil
  while at < 0x11000 and flash:byte(at + 1) ~= 0xFF do
    local count, id = flash:byte(at, at + 1)
    if id == 1 then live = { at + 4, count } end
    at = at + 4 + 4 * count
  end
  if not live then return nil end
  local found = {}
  for i = 0, live[2] - 1, 3 do
    local kind, addr, size = ("<I4I4I4"):unpack(flash, live[1] + 4 * i)
    found[kind] = ("%x+%x"):format(addr, size)
  end
  return found
end

local SPIFFS_TYPE <const> = 106

jobs.partition = function()
  local before = chips.chip("3.x", MIB, { irom = 0xA000, fs_addr = 0x60000, fs_size = 0x40000 })
  local old = live_table(before)
  return { args = { "partition", "set", "--spiffs-addr", "0x70000", "--spiffs-size", "0x30000" },
    before = before, files = {}, ranges = { { addr = 0x10000, size = SECTOR } },
    right = function(flash)
      local new = live_table(flash)
      if not new then return "there is no partition table" end
      if new[SPIFFS_TYPE] ~= "70000+30000" then return "SPIFFS at " .. new[SPIFFS_TYPE] end
      for kind, place in pairs(old) do
        if kind ~= SPIFFS_TYPE and new[kind] ~= place then
          return ("type %d at %s, not %s"):format(kind, new[kind], place)
        end
      end
    end }
end

-- ---- Lua Flash Store: luac.cross itself made the file for this address ----

local function read(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read "a"
end

jobs.lfs = function()
  local before, place = chips.chip("3.x", MIB, { irom = 0xC000, lfs = 0x10000, fs_addr = 0x60000,
    fs_size = 0x40000 })
  return { args = { "lfs", "write", "store.img" }, before = before,
    files = { ["store.img"] = read "tests/data/lfs/lfs51-float-reloc.img" },
    ranges = { { addr = place.lfs.addr, size = SECTOR } }, as_baseline = true, slow = true }
end

-- ---- firmware ----

local function with_size(fw, code) return put(fw, 3, string.char(code << 4 | fw:byte(4) & 15)) end

local function firmware_at_0(want, more)
  return function(flash)
    if flash:sub(1, #want) ~= want then return "the firmware is not in flash" end
    return more and more(flash)
  end
end

jobs["flash-blank"] = function()
  local fw = chips.firmware("2.x", { seed = 3, irom = 0x6000 })
  local init = require("moonflash.init_data").build {}
  local before = ("\xff"):rep(SMALL)
  local want = put(put(before, 0, with_size(fw, 0)), 0x7C000, init)
  return { args = { "flash", "fw.bin", "--no-watch" }, before = before,
    files = { ["fw.bin"] = fw }, want = want, boot = true, slow = true,
    ranges = { range(0, #fw), { addr = 0x7B000, size = 0x5000 } } }
end

jobs["flash-over"] = function()
  local before, place = chips.chip("2.x", SMALL, { irom = 0x8000 })
  local fw = chips.firmware("2.x", { seed = 3, irom = 0x6000 })
  return { args = { "flash", "fw.bin", "--no-watch" }, before = before, boot = true,
    files = { ["fw.bin"] = fw }, ranges = { { addr = 0, size = 0x18000 },
      { addr = 0x7B000, size = 0x5000 } }, as_baseline = true, slow = true,
    right = firmware_at_0(with_size(fw, 0), fs_right(place, all_files())) }
end

jobs["flash-erase-all"] = function()
  local before = chips.chip("2.x", SMALL, { irom = 0x8000 })
  local fw = chips.firmware("2.x", { seed = 3, irom = 0x4000 })
  local init = require("moonflash.init_data").build {}
  return { args = { "flash", "fw.bin", "--erase", "all", "--no-watch" }, before = before,
    files = { ["fw.bin"] = fw }, boot = true, ranges = { { addr = 0, size = SMALL } }, slow = true,
    want = put(put(("\xff"):rep(SMALL), 0, with_size(fw, 0)), 0x7C000, init) }
end

jobs["upgrade-stay"] = function()
  local before, place = chips.chip("2.x", MIB, { irom = 0x8000 })
  local fw = chips.firmware("3.x", { seed = 3, irom = 0xA000 })
  return { args = { "upgrade", "fw.bin", "--no-watch", "--no-backup" }, before = before,
    files = { ["fw.bin"] = fw }, boot = true, as_baseline = true, slow = true,
    ranges = { { addr = 0, size = place.fs.addr }, { addr = MIB - 0x5000, size = 0x5000 } },
    right = fs_right(place, all_files()) }
end

jobs["upgrade-move"] = function()
  local before = chips.chip("0.9", SMALL, { irom = 0x8000 })
  local fw = chips.firmware("2.x", { seed = 3, irom = 0xA000 })
  local place = { fs = { addr = 0x1A000, size = 0x60000 } }
  return { args = { "upgrade", "fw.bin", "--no-watch", "--backup", "before.bin" },
    before = before, files = { ["fw.bin"] = fw }, boot = true,
    ranges = { { addr = 0, size = SMALL } },
    right = firmware_at_0(with_size(fw, 0), fs_right(place, all_files())),
    firmware = with_size(fw, 0), keeps = "before.bin", can_roll_back = true, slow = true }
end

-- ---- write protection: in the flash chip's registers, not in its cells ----

jobs.unprotect = function()
  local before = full_flash(SMALL, 19, firmware(0x1000, 1, 0))
  return { args = { "unprotect" }, before = before, want = before, ranges = {}, files = {},
    status = 0x00021C }
end

jobs.names = {}
for name, make in pairs(jobs) do
  if type(make) == "function" then jobs.names[#jobs.names + 1] = name end
end
table.sort(jobs.names)

return jobs
