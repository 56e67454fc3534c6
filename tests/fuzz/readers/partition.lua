-- The sector with NodeMCU's partition table, and what the user wants changed.
local errors = require "moonflash.errors"
local edit = require "moonflash.partition_edit"
local partition = require "moonflash.partition"

local FLASH <const> = 0x400000
local changes <const> = {
  { lfs_size = 0x10000 }, { lfs_size = 0 }, { lfs_addr = 0x80000, lfs_size = 0x20000 },
  { spiffs_size = "all" }, { spiffs_size = 0x40000, spiffs_addr = 0x180000 }, { spiffs_size = 0 },
}

local function attempt(f, ...)
  local r = table.pack(pcall(f, ...))
  if not r[1] and not errors.is(r[2]) then error(r[2], 0) end
  if r[1] then return table.unpack(r, 2, r.n) end
end

local function same(a, b)
  assert(#a == #b, "another number of entries")
  for i, e in ipairs(a) do
    assert(e.type == b[i].type and e.addr == b[i].addr and e.size == b[i].size, "another entry")
  end
end

-- What is written is what is read.
local function rewrite(bytes, entries, firmware_end)
  local sector = attempt(partition.rewrite, bytes, entries, firmware_end)
  if not sector then return end
  assert(#sector == 4096, "no sector")
  local again = partition.read(sector)
  if again then same(again.entries, entries) end
end

local function read(bytes)
  local found, why = partition.read(bytes)
  local lines = edit.describe_records((partition.walk(bytes)))
  if not found then errors.raise("plan", why) end
  for _, line in ipairs(edit.describe(found.entries)) do lines[#lines + 1] = line end
  rewrite(bytes, found.entries, found.firmware_end)
  local whole = attempt(partition.complete, found, FLASH)
  if whole then attempt(partition.check, whole, FLASH) end
  for _, change in ipairs(changes) do
    local entries, complete = attempt(edit.change, found, change, FLASH)
    if entries then
      for _, note in ipairs(edit.consequences(whole or found.entries, complete)) do
        lines[#lines + 1] = note
      end
      -- What was accepted lies inside the flash, and nothing on anything else.
      for i, a in ipairs(complete) do
        assert(a.addr + a.size <= FLASH, "behind the end of flash")
        for j = 1, i - 1 do
          local b = complete[j]
          assert(a.size == 0 or b.size == 0 or a.addr >= b.addr + b.size
            or b.addr >= a.addr + a.size, "two entries overlap")
        end
      end
      rewrite(bytes, entries, found.firmware_end)
    end
  end
  return lines
end

return { read = read, words = { "\x15\1\0\0", "\x18\1\0\0", "\0\0\x20\x40",
  "\x65\0\0\0", "\4\0\0\0", "\5\0\0\0", "\6\0\0\0", "\x66\0\0\0", "\x67\0\0\0", "\x6a\0\0\0",
  "\xff\xff\xff\xff", "\0\2\0\0" } }
