-- What the tests of identification and upgrade share: firmware files and whole
-- flash contents as each generation of NodeMCU leaves them, made of the markers
-- by which they are known. Not NodeMCU itself: nothing here runs.
local image = require "moonflash.image"
local init_data = require "moonflash.init_data"
local partition = require "moonflash.partition"
local spiffs = require "moonflash.spiffs"

local chips = {}

local MB <const> = 0x100000

-- Every era with what its builds say and where it keeps things; sizes from the
-- end of flash or from its start.
chips.eras = {
  ["0.9"] = { banner = "\nNodeMCU 0.9.5 build 20150318  powered by Lua 5.1.4\0", low = true,
    sdk = "SDK ver: %s compiled @ %s %s\0\0000.9.5\0Jan 30 2015\0Self adjust flash size.\0",
    mode = "qio", init = "i0", flavour = "0.9.5", reserve = 0x4000 },
  ["1.4"] = { banner = "\nNodeMCU 1.4.0 build 20151006  powered by Lua 5.1.4\0", low = true,
    sdk = "SDK ver: %s compiled @ Sep 18 2015\0\0001.4.0\0Self adjust flash size.\0",
    mode = "qio", init = "i0-vdd", flavour = "1", reserve = 0x4000 },
  ["1.5"] = { banner = "\nNodeMCU 1.5.1 build unspecified powered by Lua 5.1.4 on SDK 1.5.1(e67da894)\0",
    sdk = "Self adjust flash size.\0", mode = "qio", init = "i3", flavour = "1", reserve = 0x4000 },
  ["1.5.4.1"] = { banner = "\nNodeMCU 1.5.4.1 build unspecified powered by Lua 5.1.4 on SDK 1.5.4.1(39cb9a32)\0",
    sdk = "SDK ver: %s compiled @ Jul  1 2016 20:04:35\0rf_cal[0] !=0x05,is 0x%02X\0Self adjust flash size.\0",
    mode = "qio", init = "v05", flavour = "2", reserve = 0x5000 },
  ["2.x"] = { banner = "\nNodeMCU 2.2.0.0 build 20190805 powered by Lua 5.1.4 on SDK \0",
    sdk = "2.2.1(6ab97e9)\0SDK ver: %s compiled @ Jun  7 2018 13:59:14\0rf_cal[0] !=0x05,is 0x%02X\0"
      .. "Self adjust flash size. 0x%x (ROM) -> 0x%x (Detected)\0",
    mode = "dio", init = "v05", flavour = "3", reserve = 0x5000 },
  ["3.0-2019"] = { banner = "\nNodeMCU 3.0.0.0 \n\tbranch: release\n\trelease: 3.0-master_20190907\n"
      .. "\tSSL: false\n\tbuild type: float\n\tLFS: 0x0 bytes total capacity\n\tmodules: file,gpio,net\n"
      .. " build 2019-09-07 10:00 powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\n\0",
    sdk = "Writing Init Data to 0x%08x\n\0rf_cal[0] !=0x05,is 0x%02X\0", mode = "dio", init = "v05",
    flavour = "3", reserve = 0, cal = 0xB000, phy = 0xC000, params = 0xD000 },
  ["3.x"] = { banner = "\nNodeMCU 3.0.0.0 built on nodemcu-build.com provided by frightanic.com\n"
      .. "\tbranch: release\n\trelease: 3.0.0-release_20210201\n\tSSL: false\n\tbuild type: float\n"
      .. "\tLFS: 0x0 bytes total capacity\n\tmodules: file,gpio,net\n"
      .. " build 2021-05-03 14:52 powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\n\0",
    sdk = "Writing Init Data to 0x%08x\n\0rf_cal[0] !=0x05,is 0x%02X\0", mode = "dio", init = "v05",
    flavour = "3", reserve = 0x3000, cal = 0xD000, phy = 0xF000, params = nil },
}

chips.order = { "0.9", "1.4", "1.5", "1.5.4.1", "2.x", "3.0-2019", "3.x" }
chips.sizes = { 0x80000, MB, 2 * MB, 4 * MB, 8 * MB, 16 * MB }
chips.size_codes = { [0x80000] = 0, [MB] = 2, [2 * MB] = 3, [4 * MB] = 4, [8 * MB] = 8,
  [16 * MB] = 9 }

local function is_3(era) return era:sub(1, 1) == "3" end
chips.is_3 = is_3

-- Bytes that look like code: never blank, the same for the same seed.
local noises = {}

function chips.noise(size, seed)
  local key = size << 16 | (seed or 1)
  if noises[key] then return noises[key] end
  local x, list = seed or 1, {}
  for i = 1, (size + 1023) // 1024 do
    local words = {}
    for j = 1, 256 do
      x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
      words[j] = ("<I4"):pack(x)
    end
    list[i] = table.concat(words)
  end
  noises[key] = table.concat(list):sub(1, size)
  return noises[key]
end

-- The factory table of a 3.x build.
local function factory_table(def, last, lfs_size)
  local list = {
    { name = "firmware", addr = 0, size = 0xB000 },
    { name = "rf-cal", addr = def.cal, size = 0x1000 },
    { name = "init-data", addr = def.phy, size = 0x1000 },
  }
  if def.params then list[4] = { name = "system-param", addr = def.params, size = 0x3000 } end
  list[#list + 1] = { name = "irom", addr = 0x10000, size = 0 }
  list[#list + 1] = { name = "lfs", addr = 0, size = lfs_size or 0 }
  list[#list + 1] = { name = "spiffs", addr = 0, size = partition.REST }
  if not def.params then list[#list + 1] = { name = "system-param", addr = 0, size = 0x3000 } end
  local bytes = partition.encode(list, last)
  return bytes .. ("\xff"):rep(0x1000 - #bytes)
end

local firmwares = {}

--- A firmware file: aggregated, header as built (no size in it).
-- `irom` = bytes of irom, `seed` tells builds apart, `lfs_size` (3.x), `banner`.
function chips.firmware(era, opts)
  opts = opts or {}
  local key = table.concat({ era, opts.irom or 0, opts.seed or 0, opts.lfs_size or 0,
    opts.mode or "", opts.banner or "" }, "|")
  firmwares[key] = firmwares[key] or chips.build_firmware(era, opts)
  return firmwares[key]
end

function chips.build_firmware(era, opts)
  local def = chips.eras[era]
  local size = opts.irom or 0x28000
  local text = (opts.banner or def.banner) .. def.sdk
  local low = chips.noise(0x2000, opts.seed or 7) .. (def.low and text or "")
  local boot = image.build { entry = 0x40100004, mode = opts.mode or def.mode, size = "512KB",
    segments = { { addr = 0x40100000, data = low } } }
  local irom = chips.noise(size - #text, (opts.seed or 7) + 99) .. text
  if is_3(era) then
    irom = factory_table(def, 0x10000 + (size + 0xFFF) // 0x1000 * 0x1000, opts.lfs_size)
      .. irom:sub(0x1001)
  elseif def.low then
    irom = chips.noise(size, (opts.seed or 7) + 99)
  end
  return boot .. ("\xff"):rep(0x10000 - #boot) .. irom
end

local function put(flash, addr, bytes)
  return flash:sub(1, addr) .. bytes .. flash:sub(addr + #bytes + 1)
end
chips.put = put

local function round_up(value, unit) return (value + unit - 1) // unit * unit end

-- Where this era makes its file system: written down from the documents, not
-- asked of the code under test.
function chips.fs_place(era, size, last)
  local def = chips.eras[era]
  local limit = size - def.reserve
  local start
  if is_3(era) then
    start = round_up(last, 0x2000)
  elseif def.reserve == 0x4000 then
    start = round_up(last, 0x4000)
    return start, limit - start
  elseif limit >= 700000 then
    start = round_up(last + 0x10000, 0x10000)
    if limit - start < 400000 then start = round_up(last + 0x8000, 0x2000) end
  else
    start = round_up(last, 0x2000)
  end
  return start, (limit - start) // 0x2000 * 0x2000
end

--- The files on a chip.
chips.files = { { name = "init.lua", bytes = "print('hello')\n" },
  { name = "http/config.json", bytes = ("{\"a\":1}"):rep(150) } }

local function live_sector(era, size, factory, fs_addr, fs_size, lfs)
  local read = partition.read(factory)
  local def = chips.eras[era]
  local last = round_up(read.firmware_end, 0x2000)
  local list = {
    { name = "firmware", addr = 0, size = 0xB000 },
    { name = "rf-cal", addr = def.cal, size = 0x1000 },
    { name = "init-data", addr = def.phy, size = 0x1000 },
  }
  if def.params then list[4] = { name = "system-param", addr = def.params, size = 0x3000 } end
  list[#list + 1] = { name = "irom", addr = 0x10000, size = last - 0x10000 }
  if lfs then list[#list + 1] = { name = "lfs", addr = lfs.addr, size = lfs.size } end
  list[#list + 1] = { name = "spiffs", addr = fs_addr, size = fs_size }
  if not def.params then
    list[#list + 1] = { name = "system-param", addr = size - 0x3000, size = 0x3000 }
  end
  -- as the firmware does it: the first record deleted in place, the new one behind
  local words = factory:byte(1)
  local bytes = factory:sub(1, 1) .. "\0" .. factory:sub(3, 4 + 4 * words)
    .. partition.encode(list) .. "\0\2\0\0"
  return bytes .. ("\xff"):rep(0x1000 - #bytes)
end

--- The LFS region's first bytes and some contents: float, Lua 5.1, at its place.
function chips.lfs_image(size)
  return ("<I4I4I4I4I4I4I4I4"):pack(0xFAFAA154, 0x1800, 0x40280100, 0x40280020, 4, 8, 0, 0)
    .. chips.noise(size - 32, 77)
end

--- Whole flash contents of a chip that has run this era for a while.
-- `files` (default `chips.files`; false = blank file system), `irom`, `seed`, `lfs`
-- (size of a Lua Flash Store with contents), `fs_addr`, `fs_size`, `startup` (a
-- start-up command, 3.x). Returns the bytes and where things are.
function chips.chip(era, size, opts)
  opts = opts or {}
  local def = chips.eras[era]
  local fw = chips.firmware(era, { irom = opts.irom, seed = opts.seed })
  local code = chips.size_codes[size]
  if def.reserve == 0x4000 and size > 4 * MB then code = size == 8 * MB and 5 or 6 end
  fw = fw:sub(1, 3) .. string.char(code << 4 | fw:byte(4) & 15) .. fw:sub(5)
  local last = round_up(#fw, 0x1000)
  local place = { last = last }
  if opts.lfs then
    place.lfs = { addr = round_up(last, 0x2000), size = opts.lfs }
  end
  local fs_addr, fs_size = chips.fs_place(era, size, place.lfs and place.lfs.addr + opts.lfs or last)
  fs_addr, fs_size = opts.fs_addr or fs_addr, opts.fs_size or fs_size
  if is_3(era) then
    fw = put(fw, 0x10000, live_sector(era, size, fw:sub(0x10001, 0x11000), fs_addr, fs_size,
      place.lfs))
  end
  local flash = fw .. ("\xff"):rep(size - #fw)
  place.cal = def.cal or def.reserve == 0x5000 and size - 0x5000 or nil
  place.phy, place.params = def.phy or size - 0x4000, def.params or size - 0x3000
  if place.cal then flash = put(flash, place.cal, chips.noise(0x200, 31)) end
  flash = put(flash, place.phy, init_data.build { variant = def.init })
  flash = put(flash, place.params, chips.noise(0x1000, 41) .. chips.noise(0x1000, 42)
    .. chips.noise(0x400, 43))
  if place.lfs then flash = put(flash, place.lfs.addr, chips.lfs_image(place.lfs.size)) end
  if opts.files ~= false then
    local geo = spiffs.geometry { size = fs_size // 0x1000 * 0x1000, flavour = def.flavour,
      block = def.reserve == 0x4000 and 0x1000 or fs_size < 0x8000 and 0x1000 or 0x2000 }
    flash = put(flash, fs_addr, spiffs.build(opts.files or chips.files, geo):bytes())
    place.fs = { addr = fs_addr, size = geo.size }
  end
  return flash, place
end

return chips
