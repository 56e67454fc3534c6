local edit = require "moonflash.partition_edit"
local errors = require "moonflash.errors"
local lu = require "luaunit"
local partition = require "moonflash.partition"

local FLASH <const> = 0x400000
local FACTORY <const> = {
  { name = "firmware", addr = 0, size = 0xB000 }, { name = "rf-cal", addr = 0xD000, size = 0x1000 },
  { name = "init-data", addr = 0xF000, size = 0x1000 }, { name = "irom", addr = 0x10000, size = 0 },
  { name = "lfs", addr = 0, size = 0 }, { name = "spiffs", addr = 0, size = partition.REST },
  { name = "system-param", addr = 0, size = 0x3000 },
}

local function sector(bytes) return bytes .. ("\xff"):rep(0x1000 - #bytes) end

local function factory() return partition.read(sector(partition.encode(FACTORY, 0x9D000))) end

-- A chip that has started: the factory record superseded, its init data checked.
local function started()
  local old = partition.encode(FACTORY, 0x9D000)
  local complete = partition.complete(factory(), FLASH)
  return sector("\x18\0\0\0" .. old:sub(5) .. partition.encode(complete) .. "\0\2\0\0"
    .. "\2\5\0\0dofile()")
end

local function place(list, name)
  local e = partition.entry(list, name)
  return e and ("%x+%x"):format(e.addr, e.size)
end

local function change(read, options)
  return edit.change(read, edit.options(options), FLASH)
end

TestEdit = {}

function TestEdit:test_lfs_goes_behind_the_firmware_and_pushes_the_file_system()
  local entries = change(partition.read(started()), { lfs_size = "128k" })
  lu.assertEquals(place(entries, "lfs"), "9e000+20000")
  lu.assertEquals(place(entries, "spiffs"), "be000+33f000")
end

function TestEdit:test_a_file_system_that_need_not_move_stays()
  local first = change(partition.read(started()), { spiffs_addr = "0x200000", spiffs_size = "1M" })
  lu.assertEquals(place(first, "spiffs"), "200000+100000")
  local second = edit.change({ entries = first }, edit.options { lfs_size = "64k" }, FLASH)
  lu.assertEquals(place(second, "spiffs"), "200000+100000")
  lu.assertEquals(place(second, "lfs"), "9e000+10000")
end

function TestEdit:test_a_size_alone_puts_the_file_system_where_the_firmware_would()
  lu.assertEquals(place(change(partition.read(started()), { spiffs_size = "1M" }), "spiffs"),
    "100000+100000")
  lu.assertEquals(place(change(partition.read(started()), { spiffs_size = "0x340000" }), "spiffs"),
    "9e000+340000")
end

function TestEdit:test_all_means_up_to_the_parameters()
  lu.assertEquals(place(change(partition.read(started()),
    { spiffs_addr = "0x200000", spiffs_size = "all" }), "spiffs"), "200000+1fd000")
end

function TestEdit:test_a_size_of_nothing_takes_a_partition_away()
  local entries = change(partition.read(started()), { lfs_size = "64k" })
  entries = edit.change({ entries = entries }, edit.options { lfs_size = "0", spiffs_size = "0" }, FLASH)
  lu.assertNil(place(entries, "lfs"))
  lu.assertNil(place(entries, "spiffs"))
  lu.assertEquals(place(entries, "system-param"), "3fd000+3000")
end

function TestEdit:test_a_factory_table_keeps_its_open_values_and_its_end_marker()
  local read = factory()
  local entries, complete = change(read, { lfs_size = "128k" })
  lu.assertEquals(place(entries, "lfs"), "0+20000")
  lu.assertEquals(place(entries, "spiffs"), "0+ffffffff")
  lu.assertEquals(place(complete, "lfs"), "9e000+20000")
  lu.assertEquals(place(complete, "spiffs"), "be000+33f000")
  local again = partition.read(sector(partition.encode(entries, read.firmware_end)))
  lu.assertTrue(again.factory)
  lu.assertEquals(again.firmware_end, 0x9D000)
end

function TestEdit:test_lfs_must_lie_in_the_mapped_first_MB()
  for _, read in ipairs { factory(), partition.read(started()) } do
    lu.assertErrorMsgContains("first MB", change, read, { lfs_size = "1M" })
    lu.assertErrorMsgContains("first MB", change, read, { lfs_addr = "0xf0000", lfs_size = "0x20000" })
  end
end

function TestEdit:test_what_overlaps_or_does_not_fit_is_refused()
  local read = partition.read(started())
  for _, options in ipairs {
    { lfs_addr = "0x90000", lfs_size = "64k" }, { spiffs_addr = "0x90000" },
    { spiffs_addr = "0x300000", spiffs_size = "1M" }, { spiffs_addr = "0x3fd000" },
    { spiffs_addr = "0x400000", spiffs_size = "all" }, { spiffs_size = "4M" },
    { lfs_addr = "0xa0000" }, { lfs_size = "64k", spiffs_addr = "0x9e000" },
  } do
    local ok, e = pcall(change, read, options)
    lu.assertFalse(ok)
    lu.assertTrue(errors.is(e), tostring(e))
  end
end

function TestEdit:test_options_are_whole_sectors_and_not_none()
  lu.assertErrorMsgContains("whole sectors", edit.options, { lfs_size = "100" })
  lu.assertErrorMsgContains("nothing to change", edit.options, {})
  lu.assertErrorMsgContains("all", edit.options, { lfs_size = "all" })
  lu.assertEquals(edit.options { spiffs_size = "all" }, { spiffs_size = "all" })
  lu.assertEquals(#edit.advice { lfs_size = 0x3000, spiffs_size = "all", spiffs_addr = 0x2000 }, 1)
end

function TestEdit:test_consequences_name_what_moves_shrinks_and_goes()
  local old = partition.read(started()).entries
  local moved = change(partition.read(started()), { lfs_size = "128k" })
  lu.assertStrContains(table.concat(edit.consequences(old, moved)), "the file system moves")
  local shrunk = change(partition.read(started()), { spiffs_addr = "0x9e000", spiffs_size = "1M" })
  lu.assertStrContains(table.concat(edit.consequences(old, shrunk)), "shrinks")
  lu.assertStrContains(table.concat(edit.consequences(old,
    change(partition.read(started()), { spiffs_size = "0" }))), "goes")
  lu.assertEquals(edit.consequences(old, old), {})
end

-- Any wishes: refused by us, or a table that the firmware accepts, with nothing in
-- each other's way and the first MB kept.
function TestEdit:test_any_wish_is_refused_or_gives_a_table_that_fits()
  local seed = math.tointeger(tonumber(os.getenv "SEED" or os.time()))
  print("# SEED=" .. seed)
  math.randomseed(seed)
  local good = 0
  for _ = 1, 5000 do
    local options = {}
    for _, name in ipairs { "lfs_size", "lfs_addr", "spiffs_size", "spiffs_addr" } do
      if math.random() < 0.5 then
        options[name] = math.random() < 0.1 and name == "spiffs_size" and "all"
          or ("0x%x"):format(math.random(0, 0x420) * 0x1000)
      end
    end
    local read = math.random() < 0.5 and factory() or partition.read(started())
    local ok, _, complete = pcall(change, read, options)
    if ok then
      good = good + 1
      local at = 0
      for _, e in ipairs(complete) do
        lu.assertTrue(e.addr >= at and e.addr % 0x1000 == 0)
        at = e.addr + e.size
      end
      lu.assertTrue(at <= FLASH)
      local lfs = partition.entry(complete, "lfs")
      lu.assertTrue(not lfs or lfs.addr + lfs.size <= 0x100000)
      lu.assertTrue(#partition.encode(complete) <= 0x1000)
    else
      lu.assertTrue(errors.is(_), tostring(_))
    end
  end
  lu.assertTrue(good > 200, good)
end

os.exit(lu.LuaUnit.run())
