-- Whole flash contents: identified, and their regions found. The input is a list of
-- changes to those of chips that have run for a while: which one (a byte), then a
-- place (2 bytes: sector, 1 byte: 16 bytes in it), length (a byte), new bytes.
package.path = "tests/lua/?.lua;" .. package.path
local chips = require "nodemcu_chips"
local dkjson = require "dkjson"
local errors = require "moonflash.errors"
local identify = require "moonflash.identify"
local identify_text = require "moonflash.identify_text"
local image = require "moonflash.image"
local regions = require "moonflash.regions"

local SIZE <const> = 0x80000
local bases = {}
for i, era in ipairs(chips.order) do
  bases[i] = chips.chip(era, SIZE, { irom = 0x8000, lfs = chips.is_3(era) and 0x4000 or nil })
end
bases[#bases + 1] = ("\xff"):rep(SIZE)

local function expand(input)
  local bytes, at = bases[(input:byte(1) or 0) % #bases + 1], 2
  while at + 4 <= #input do
    local sector, part, length = ("<I2BB"):unpack(input, at)
    local new = input:sub(at + 4, at + 3 + length)
    local addr = (sector * 4096 + part * 16) % SIZE
    bytes = (bytes:sub(1, addr) .. new .. bytes:sub(addr + #new + 1)):sub(1, SIZE)
    at = at + 4 + length
  end
  return bytes
end

local function attempt(f, ...)
  local ok, answer = pcall(f, ...)
  if not ok and not errors.is(answer) then error(answer, 0) end
  return ok and answer or nil
end

local function read(input)
  local bytes = expand(input)
  local facts = identify.backup(bytes)
  local lines = {}
  for _, row in ipairs(identify_text.rows(facts)) do lines[#lines + 1] = row[2] end
  assert(dkjson.encode(identify_text.to_table(facts)))
  local function from(addr, size) return bytes:sub(addr + 1, addr + size) end
  local found = attempt(regions.identify, from, SIZE)
  for _, r in ipairs(found and found.regions or {}) do
    assert(r.addr >= 0 and r.size > 0 and r.addr + r.size <= SIZE, "a region outside the flash")
  end
  for _, name in ipairs(regions.names) do attempt(regions.find, from, SIZE, name) end
  for _, line in ipairs(image.describe(image.parse(bytes))) do lines[#lines + 1] = line end
  return lines
end

return { read = read, words = { "\0\0\0", "\x10\0\0\x15\1\0\0", "\xe9\1\2\x40", "\x7b\0\0",
  "NodeMCU 2.2", "SDK ver: ", "\x54\xa1\xfa\xfa", "\xff\xff\xff\xff" } }
