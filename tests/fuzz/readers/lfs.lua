-- Lua Flash Store images, packed or not, of both Luas, in a file and in flash.
local dkjson = require "dkjson"
local errors = require "moonflash.errors"
local esp = require "esp"
local lfs_image = require "moonflash.lfs_image"

local ADDR <const> = 0xA0000

-- Given its place an image says the same as before.
local function relocate(img)
  if img.form ~= "relocatable" then return end
  local placed = lfs_image.relocate(img, ADDR)
  assert(#placed == img.size, "another size")
  local there = assert(lfs_image.in_flash(placed .. ("\xff"):rep(-#placed % 4096)))
  assert(there.addr == ADDR, "another place")
  for i, name in ipairs(img.modules or {}) do
    assert(there.modules[i] == name, "another module")
  end
end

local function read(bytes)
  lfs_image.in_flash(bytes)
  local img = lfs_image.read(bytes, esp.inflate)
  local lines = lfs_image.describe(img)
  assert(dkjson.encode(lfs_image.to_table(img)))
  local ok, e = pcall(lfs_image.for_region, img, { addr = ADDR, size = 0x10000 })
  if not ok and not errors.is(e) then error(e, 0) end
  relocate(img)
  return lines
end

return { read = read, words = { "\x50\xa1\xfa\xfa", "\x54\xa1\xfa\xfa", "\x1bLua\x53\x0b",
  "\x19ss", "\x19pr", "\x1f\x8b\x08", "\x08\0\0\0", "\0\0\x2a\x40" } }
