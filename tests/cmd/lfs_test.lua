-- The command lfs.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local json = require "dkjson"
local lfs = require "lfs"
local lu = require "luaunit"

local DATA <const> = "tests/data/lfs/"
local PACKED <const>, ABSOLUTE <const> = DATA .. "lfs51-float-reloc.img",
  DATA .. "lfs51-float-abs-402a0000.img"
local DUMP <const> = DATA .. "lfs53-reloc.img"

local function good(...)
  local out, err, code = harness.run(...)
  lu.assertEquals(code, 0, err)
  lu.assertStrMatches(out, ".*ok: [^\n]+\n$", nil, nil, out)
  return out, err
end

local function fails(code, needle, ...)
  local out, err, got = harness.run(...)
  lu.assertEquals(got, code, err)
  lu.assertStrContains(err, needle)
  lu.assertNotStrContains(err .. out, "traceback")
  lu.assertNotStrContains(out, "ok:")
  return err
end

TestLfs = {}

function TestLfs:setUp()
  self.dir = harness.directory()
  self.out = self.dir .. "/out.bin"
end

function TestLfs:tearDown() harness.remove(self.dir) end

-- Not firmware, but all that tells which one it is.
function TestLfs:firmware(lua, numbers)
  local path = self.dir .. "/fw.bin"
  harness.write(path, ("\0"):rep(100) .. ("NodeMCU 3.0.0.0 built on nodemcu-build.com\n"
    .. "\tbuild type: %s\n\tbuilt on: 2021-05-03 14:52\n powered by Lua %s on SDK 3.0.1"):format(
    numbers, lua) .. "\0")
  return path
end

function TestLfs:test_info_explains_every_kind()
  local out = good("lfs", "info", PACKED)
  lu.assertStrContains(out, "Lua 5.1 image, relocatable, packed with gzip\n")
  lu.assertStrContains(out, "modules: hello list\n")
  lu.assertStrContains(good("lfs", "info", ABSOLUTE), "absolute for 0x0a0000")
  lu.assertStrContains(good("lfs", "info", DUMP), "Lua 5.3 image, dump")
end

function TestLfs:test_info_as_json()
  local out, _, code = harness.run("lfs", "info", PACKED, "--json")
  lu.assertEquals(code, 0)
  local result = json.decode(out:match '{"event":"result"[^\n]+')
  lu.assertEquals({ result.event, result.lua, result.form, result.number_type, result.size },
    { "result", "5.1", "relocatable", "float", 964 })
  lu.assertEquals(result.modules, { "hello", "list" })
end

function TestLfs:test_relocate_makes_the_compiler_s_own_bytes()
  good("lfs", "relocate", PACKED, "--addr", "0xa0000", "-o", self.out, "--absolute")
  lu.assertTrue(harness.read(self.out) == harness.read(ABSOLUTE))
  good("lfs", "relocate", PACKED, "--addr", "0xa0000", "-o", self.out)
  lu.assertTrue(harness.read(self.out):sub(5) == harness.read(ABSOLUTE):sub(5))
end

function TestLfs:test_relocate_refuses_what_cannot_work_and_writes_nothing()
  fails(6, "sector", "lfs", "relocate", PACKED, "--addr", "0xa0010", "-o", self.out)
  fails(6, "code runs from", "lfs", "relocate", PACKED, "--addr", "1M", "-o", self.out)
  fails(6, "made for", "lfs", "relocate", ABSOLUTE, "--addr", "0xb0000", "-o", self.out)
  fails(6, "file system", "lfs", "relocate", DUMP, "--addr", "0xa0000", "-o", self.out)
  fails(6, "do not fit", "lfs", "relocate", PACKED, "--addr", "0xa0000", "--size", "512", "-o",
    self.out)
  lu.assertNil(lfs.attributes(self.out))
end

function TestLfs:test_a_firmware_that_would_refuse_the_image_is_told()
  good("lfs", "info", PACKED, "--firmware", self:firmware("5.1.4", "float"))
  local err = fails(6, "float firmware, this firmware is integer", "lfs", "info", PACKED,
    "--firmware", self:firmware("5.1.4", "integer"))
  lu.assertStrContains(err, "luac.cross.int")
  fails(6, "Lua 5.3", "lfs", "relocate", PACKED, "--addr", "0xa0000", "-o", self.out,
    "--firmware", self:firmware("5.3.5", "float"))
  good("lfs", "info", DUMP, "--firmware", self:firmware("5.3.5", "float"))
  fails(6, "no NodeMCU", "lfs", "info", PACKED, "--firmware", DUMP)
end

function TestLfs:test_damaged_and_foreign_files_are_named()
  local bytes = harness.read(PACKED)
  local path = self.dir .. "/bad.img"
  harness.write(path, bytes:sub(1, 300))
  fails(6, "gzip data", "lfs", "info", path)
  harness.write(path, "print 'no image'\n")
  fails(6, "text", "lfs", "info", path)
  fails(6, "firmware", "lfs", "info", "examples/hello/hello.bin")
end

os.exit(lu.LuaUnit.run())
