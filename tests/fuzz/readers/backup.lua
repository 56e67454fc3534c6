-- Backup files. What does not begin as an archive is the text of backup.json in an
-- archive that holds the two sectors which it may speak of.
local errors = require "moonflash.errors"
local backup = require "moonflash.backup"
local restore = require "moonflash.restore"
local zip = require "moonflash.zip"

local SECTORS <const> = { ("\xe9"):rep(0x1000), ("\xff"):rep(0x1000) }

local function archive(json)
  local w = zip.writer()
  w:add("flash/00000000.bin", SECTORS[1])
  w:add("flash/00010000.bin", SECTORS[2])
  w:add("backup.json", json)
  return w:finish()
end

local function read(bytes)
  if bytes:sub(1, 2) ~= "PK" then bytes = archive(bytes) end
  local b = backup.parse(bytes)
  local lines = b:describe()
  b:check()
  b:read(0, 0x1000)
  for _, words in ipairs { {}, { "init-data" }, { "0x0+0x1000" }, { "all" } } do
    local ok, e = pcall(restore.ranges, b, words)
    if not ok and not errors.is(e) then error(e, 0) end
  end
  for _, line in ipairs(restore.differences(b, { chip = "ESP8266EX", mac = "60:01:94:a5:b6:9c" },
    { id = 0x164020, size = 0x400000 })) do lines[#lines + 1] = line end
  -- The same bytes in the same place make an equal backup.
  local first = b.meta.ranges[1]
  local again = backup.parse(b:replace(first.addr, b:read(first.addr, 0x1000)))
  assert(again:check():read(first.addr, 0x1000) == b:read(first.addr, 0x1000), "other bytes")
  return lines
end

-- Archives that can be taken apart are put together with the right CRCs.
local function repair(bytes)
  if bytes:sub(1, 2) ~= "PK" then return bytes end
  local esp, w, at = require "esp", zip.writer(), 0
  while bytes:sub(at + 1, at + 4) == "PK\3\4" and at + 30 <= #bytes do
    local method, packed, _, name = ("<I2xxxxxxxxI4I4I2"):unpack(bytes, at + 9)
    local from = at + 30 + name
    if name > 64 or from + packed > #bytes then break end
    local data = bytes:sub(from + 1, from + packed)
    w:add(bytes:sub(at + 31, from), method == 8 and esp.inflate(data, 0x10000) or data)
    at = from + packed
  end
  return w:finish()
end

return { read = read, repair = repair, exits = { 2, 6 }, words = { "PK\3\4", "PK\1\2", "PK\5\6",
  '"addr":', '"size":', '"ranges":[', '"chunks":[', "null", "1e308", "-1", "4096", "65536",
  '"layout":[', '"name":', "{}", "[]", '"\\u001b[2J"' } }
