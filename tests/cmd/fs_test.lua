-- The command fs, on images and backups.
package.path = "tests/cmd/?.lua;tests/lua/?.lua;" .. package.path
local harness = require "harness"
local json = require "dkjson"
local judge = require "spiffs_judge"
local lfs = require "lfs"
local lu = require "luaunit"

local DATA <const> = "tests/data/spiffs/"

local function good(...)
  local out, err, code = harness.run(...)
  lu.assertEquals(code, 0, err)
  lu.assertStrMatches(out, ".*ok: [^\n]+\n$", nil, nil, out)
  return out, err
end

-- A run that must fail: its code, a part of its message.
local function fails(code, needle, ...)
  local out, err, got = harness.run(...)
  lu.assertEquals(got, code, err)
  lu.assertStrContains(err, "moonflash: ")
  lu.assertStrContains(err, needle)
  lu.assertNotStrContains(err .. out, "traceback")
  lu.assertNotStrContains(out, "ok:")
  return err, out
end

local function result_of(...)
  local out, err, code = harness.run(...)
  lu.assertEquals(code, 0, err)
  for line in out:gmatch "[^\n]+" do
    local event = json.decode(line)
    if event.event == "result" then return event end
  end
  lu.fail("no result: " .. out)
end

TestFs = {}

function TestFs:setUp()
  self.dir = harness.directory()
  self.image = self.dir .. "/fs.img"
  self.lua = self.dir .. "/lua"
  lfs.mkdir(self.lua)
  lfs.mkdir(self.lua .. "/http")
  harness.write(self.lua .. "/init.lua", "print 'hello'\n")
  harness.write(self.lua .. "/http/index.html", ("<p>"):rep(20000))
  harness.write(self.lua .. "/empty", "")
  harness.write(self.lua .. "/.hidden", "x")
end

function TestFs:tearDown() harness.remove(self.dir) end

function TestFs:built(...)
  good("fs", "build", self.lua, "-o", self.image, "--size", "192k", ...)
  return harness.read(self.image)
end

local EXPECTED <const> = { ["init.lua"] = "print 'hello'\n",
  ["http/index.html"] = ("<p>"):rep(20000), empty = "" }

function TestFs:test_build_makes_an_image_of_a_folder_for_every_generation()
  for generation, block in pairs { ["3"] = 8192, ["2"] = 8192, ["1.5"] = 4096, ["0.9.6"] = 4096,
    ["0.9.5"] = 4096 } do
    local bytes = self:built("--generation", generation)
    lu.assertEquals(#bytes, 196608)
    local id = generation == "1.5" and "1" or generation
    lu.assertEquals((judge.read(bytes, id, block)), EXPECTED)
  end
  lu.assertEquals((judge.read(self:built("--block", "4k", "--compact"), "3", 4096)), EXPECTED)
end

function TestFs:test_the_same_folder_gives_the_same_bytes()
  lu.assertTrue(self:built() == self:built())
end

function TestFs:test_ls_lists_names_sizes_and_space()
  self:built()
  local out = harness.run("fs", "ls", self.image)
  lu.assertStrContains(out, "   60000  http/index.html\n")
  lu.assertStrContains(out, "       0  empty\n")
  lu.assertStrContains(out, "3 files, ")
  local result = result_of("--json", "fs", "ls", DATA .. "nodemcu3-8k-192k.img")
  lu.assertEquals({ result.total, result.used, result.block, result.generation, result.files },
    { 171433, 63754, 8192, "3", 3 })
  lu.assertEquals(result.list[2], { name = "http/config.json", size = 503 })
end

function TestFs:test_get_copies_a_file_out_and_all_of_them()
  local image = DATA .. "nodemcu154-8k-192k.img"
  good("fs", "get", image, "big.bin", "-o", self.dir .. "/b")
  lu.assertTrue(harness.read(self.dir .. "/b") == harness.read(DATA .. "input/big.bin"))
  good("fs", "get", image, "--all", "-o", self.dir .. "/out")
  lu.assertEquals(harness.read(self.dir .. "/out/http/config.json"),
    harness.read(DATA .. "input/config.json"))
  fails(6, "no file nobody", "fs", "get", image, "nobody", "-o", self.dir .. "/n")
  lu.assertNil(lfs.attributes(self.dir .. "/n"))
  fails(2, "--all", "fs", "get", image)
  fails(2, "-o", "fs", "get", image, "--all")
end

function TestFs:test_names_that_lead_out_of_the_folder_are_not_written()
  self:built()
  harness.write(self.dir .. "/f", "evil")
  good("fs", "put", self.image, self.dir .. "/f", "--as", "../evil")
  fails(6, "../evil", "fs", "get", self.image, "--all", "-o", self.dir .. "/out")
  lu.assertNil(lfs.attributes(self.dir .. "/evil"))
  lu.assertNil(lfs.attributes(self.dir .. "/out"))
end

function TestFs:test_put_replaces_adds_and_leaves_alone_what_is_there()
  self:built()
  harness.write(self.lua .. "/init.lua", "print 'new'\n")
  local out = good("fs", "put", self.image, self.lua)
  lu.assertStrContains(out, "1 file written, 2 as they were")
  out = good("fs", "put", self.image, self.lua .. "/init.lua", "--as", "start", "--prefix", "x/")
  lu.assertStrContains(out, "x/start")
  local files = judge.read(harness.read(self.image), "3", 8192)
  lu.assertEquals(files["init.lua"], "print 'new'\n")
  lu.assertEquals(files["x/start"], "print 'new'\n")
  local before = harness.read(self.image)
  good("fs", "put", self.image, self.lua)
  lu.assertTrue(harness.read(self.image) == before)
end

function TestFs:test_rm_and_mv()
  self:built()
  good("fs", "mv", self.image, "init.lua", "start.lua")
  good("fs", "rm", self.image, "empty", "http/index.html")
  lu.assertEquals((judge.read(harness.read(self.image), "3", 8192)),
    { ["start.lua"] = "print 'hello'\n" })
end

function TestFs:test_a_failed_change_leaves_the_image_as_it_was()
  local before = self:built()
  harness.write(self.dir .. "/huge", ("x"):rep(200000))
  harness.write(self.dir .. "/" .. ("n"):rep(32), "x")
  fails(6, "does not fit", "fs", "put", self.image, self.lua .. "/init.lua", self.dir .. "/huge")
  fails(2, "32 characters", "fs", "put", self.image, self.dir .. "/" .. ("n"):rep(32))
  fails(6, "no file nobody", "fs", "rm", self.image, "init.lua", "nobody")
  fails(6, "already", "fs", "mv", self.image, "init.lua", "empty")
  fails(2, "--as", "fs", "put", self.image, self.lua, "--as", "one")
  lu.assertTrue(harness.read(self.image) == before)
  lu.assertNil(lfs.attributes(self.image .. ".part"))
end

function TestFs:test_check_names_the_damage_and_repair_puts_it_right()
  good("fs", "check", DATA .. "nodemcu3-8k-192k.img")
  local bytes = self:built()
  -- the entry of a data page of index.html, in the lookup page of block 1
  local broken = bytes:sub(1, 8192) .. "\x77\x77" .. bytes:sub(8195)
  harness.write(self.image, broken)
  local _, out = fails(6, "problems in", "fs", "check", self.image)
  lu.assertStrContains(out, "truncated  http/index.html: only")
  lu.assertTrue(harness.read(self.image) == broken)
  fails(6, "damaged", "fs", "get", self.image, "http/index.html", "-o", self.dir .. "/x")
  fails(6, "1 file damaged", "fs", "get", self.image, "--all", "-o", self.dir .. "/out")
  lu.assertEquals(harness.read(self.dir .. "/out/init.lua"), "print 'hello'\n")
  good("fs", "check", self.image, "--repair")
  good("fs", "check", self.image)
  local files = judge.read(harness.read(self.image), "3", 8192)
  lu.assertEquals(files["init.lua"], "print 'hello'\n")
  lu.assertTrue(#files["http/index.html"] > 5000 and #files["http/index.html"] < 60000)
end

function TestFs:test_a_backup_is_searched_and_changed_in_place()
  local image = self:built()
  local backup = self.dir .. "/backup.bin"
  local head, tail = ("\xa5"):rep(0x91000), ("\xff"):rep(0x5000)
  harness.write(backup, head .. image .. tail)
  local _, err = harness.run("fs", "ls", backup)
  lu.assertStrContains(err, "0x091000")
  good("fs", "rm", backup, "empty")
  local now = harness.read(backup)
  lu.assertEquals(#now, #head + #image + #tail)
  lu.assertTrue(now:sub(1, #head) == head and now:sub(-#tail) == tail)
  lu.assertNil(judge.read(now:sub(#head + 1, -#tail - 1), "3", 8192).empty)
  harness.write(backup, head .. image .. image)
  local hint = fails(2, "several", "fs", "ls", backup)
  lu.assertStrContains(hint, "--at 0x091000 or 0x0c1000")
  local out = harness.run("fs", "ls", backup, "--at", "0xc1000")
  lu.assertStrContains(out, "3 files")
  fails(6, "ends before", "fs", "ls", backup, "--at", "0x400000")
end

function TestFs:test_bad_input_is_named()
  fails(6, "no folder", "fs", "build", self.dir .. "/none", "-o", self.image, "--size", "192k")
  fails(6, "not a folder", "fs", "build", self.lua .. "/init.lua", "-o", self.image,
    "--size", "192k")
  fails(6, "at least 4 blocks", "fs", "build", self.lua, "-o", self.image, "--size", "192")
  fails(6, "blocks of 8192", "fs", "build", self.lua, "-o", self.image, "--size", "100000")
  fails(6, "take", "fs", "build", self.lua, "-o", self.image, "--size", "64k")
  fails(2, "generation", "fs", "build", self.lua, "-o", self.image, "--size", "192k",
    "--generation", "9")
  fails(2, "size", "fs", "build", self.lua, "-o", self.image)
  harness.write(self.lua .. "/http/" .. ("n"):rep(27), "x")
  fails(2, "32 characters", "fs", "build", self.lua, "-o", self.image, "--size", "192k")
  lu.assertNil(lfs.attributes(self.image))
  harness.write(self.image, ("\xff"):rep(65536))
  fails(6, "no SPIFFS", "fs", "ls", self.image)
  fails(6, "cannot open", "fs", "ls", self.dir .. "/none")
end

function TestFs:test_small_blocks_that_nodemcu_3_would_not_mount_are_warned_of()
  local _, err = good("fs", "build", self.lua, "-o", self.image, "--size", "192k", "--block", "4k")
  lu.assertStrContains(err, "warning: NodeMCU 3 mounts")
end

function TestFs:test_results_as_json()
  local result = result_of("fs", "build", self.lua, "-o", self.image, "--size", "192k", "--json")
  lu.assertEquals({ result.files, result.block, result.as_nodemcu_tool }, { 3, 8192, true })
  result = result_of("fs", "put", self.image, self.lua, "--json")
  lu.assertEquals({ result.written, result.same }, { 0, 3 })
  result = result_of("fs", "check", self.image, "--json")
  lu.assertEquals({ result.sound, #result.problems }, { true, 0 })
  result = result_of("fs", "get", self.image, "init.lua", "-o", self.dir .. "/i", "--json")
  lu.assertEquals({ result.name, result.bytes }, { "init.lua", 14 })
end

os.exit(lu.LuaUnit.run())
