local errors = require "moonflash.errors"
local lu = require "luaunit"
local public_stub = require "moonflash.public_stub"

-- A good file, with fields changed: false takes one away.
local FIELDS <const> = { "text", "text_start", "data", "data_start", "entry" }
local function file(changes)
  local f = { text = '"AQIDBAUGBwg="', text_start = 0x4010d000, data = '"CQo="',
    data_start = 0x3fffacac, entry = 0x4010d004 }
  for key, value in pairs(changes or {}) do f[key] = value end
  local list = {}
  for _, key in ipairs(FIELDS) do
    if f[key] then list[#list + 1] = ('"%s": %s'):format(key, f[key]) end
  end
  return "{" .. table.concat(list, ", ") .. ', "bss_start": 1, "plugins": {}}'
end

TestPublicStub = {}

function TestPublicStub:test_a_file_becomes_segments_of_whole_words()
  lu.assertEquals(public_stub.parse(file(), "s.json"), { entry = 0x4010d004, segments = {
    { addr = 0x4010d000, data = "\1\2\3\4\5\6\7\8" },
    { addr = 0x3fffacac, data = "\9\10\0\0" } } })
end

function TestPublicStub:test_data_may_be_missing_or_empty()
  for _, changes in ipairs { { data = false, data_start = false }, { data = '""' } } do
    lu.assertEquals(#public_stub.parse(file(changes), "s.json").segments, 1)
  end
end

local function refused(json, why)
  local ok, e = pcall(public_stub.parse, json, "s.json")
  lu.assertFalse(ok, json:sub(1, 100))
  lu.assertTrue(errors.is(e, "file"), tostring(e))
  lu.assertStrContains(e.message, "s.json: ")
  lu.assertStrContains(e.message, why)
end

function TestPublicStub:test_what_is_not_a_stub_is_refused_with_the_reason()
  refused("", "not JSON")
  refused("\xe9\x00\x01", "not JSON")
  refused("17", "not JSON")
  refused(("["):rep(200000), "not JSON")
  refused((" "):rep(600000), "too many")
  refused("[]", "'text' is missing")
  refused(file { text = false }, "'text' is missing")
  refused(file { text = "17" }, "'text' is missing")
  refused(file { text = '""' }, "'text' is empty")
  refused(file { text = '"AQIDBAUGBw"' }, "'text' is not base64")
  refused(file { data = '"C%o="' }, "'data' is not base64")
  refused(file { data = false }, "'data' is missing")
  refused(file { data_start = false }, "'data_start' is no address")
end

function TestPublicStub:test_addresses_must_be_in_free_ram()
  local outside = "outside the RAM"
  for _, start in ipairs { 0, 0x40000000, 0x400ffffc, 0x4010fffc, 0x40110000, 0xfffffffc } do
    refused(file { text_start = start }, outside)
  end
  -- our packets, the ROM's variables and stack
  for _, start in ipairs { 0x3ffe7ffc, 0x3fff9ffe - 2, 0x3fffa000, 0x3fffa47c, 0x3fffbffc,
    0x3fffc000, 0x3fffff00 } do
    refused(file { data_start = start, data = '"CQoLDAkK"' }, outside)
  end
  refused(file { text = '"' .. ("AAAA"):rep(30000) .. '"' }, outside)
  for _, start in ipairs { -4, 1.5, '"0x4010d000"', "1e300", "4294967296", "true" } do
    refused(file { text_start = start }, "'text_start' is no address")
  end
  refused(file { text_start = 0x4010d002 }, "not a multiple of 4")
  refused(file { data_start = 0x3fffacad }, "not a multiple of 4")
end

function TestPublicStub:test_the_entry_must_lie_in_the_text()
  for _, entry in ipairs { 0x4010cffc, 0x4010d008, 0x3fffacac, 0 } do
    refused(file { entry = entry }, "not inside the text")
  end
  refused(file { entry = false }, "'entry' is no address")
end

os.exit(lu.LuaUnit.run())
