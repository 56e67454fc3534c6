-- Data per unit: CSV as RFC 4180 has it, JSON, and finding a unit's row.
local lu = require "luaunit"
local errors = require "moonflash.errors"
local units = require "moonflash.unit_table"

TestUnits = {}

local function refused(text, name, needle)
  local ok, e = pcall(units.read, text, name or "u.csv")
  lu.assertFalse(ok, "accepted: " .. text)
  lu.assertTrue(errors.is(e, "file"), tostring(e))
  lu.assertStrContains(e.message, needle)
end

function TestUnits:test_fields_quotes_and_line_ends()
  local t = units.read('mac,"key, or so",note\r\n60:01:94:00:00:01,"a,b\n""c""",\n\n'
    .. '600194000002,plain,last', "u.csv")
  lu.assertEquals(#t.rows, 2)
  lu.assertEquals(t.columns, { "mac", "key,_or_so", "note" })
  lu.assertEquals(t.rows[1].values["key,_or_so"], 'a,b\n"c"')
  lu.assertEquals(t.rows[1].values.note, "")
  lu.assertEquals(t.rows[2].values.note, "last")
  lu.assertEquals(t.rows[2].line, 5)
end

function TestUnits:test_semicolons_and_a_byte_order_mark_of_a_spreadsheet()
  local t = units.read("\xef\xbb\xbfMAC;Serial Number\r\n60-01-94-00-00-0A;7\r\n", "u.csv")
  lu.assertEquals(units.find(t, { mac = "60:01:94:00:00:0a" }).serial, "7")
end

function TestUnits:test_a_unit_is_found_however_its_mac_is_written()
  for _, written in ipairs { "60:01:94:a5:b6:9c", "60-01-94-A5-B6-9C", "600194a5b69c",
    "6001.94a5.b69c", " 60:01:94:A5:b6:9C " } do
    local t = units.read("mac,v\n" .. written .. ",yes\n", "u.csv")
    lu.assertEquals(units.find(t, { mac = "60:01:94:a5:b6:9c" }).v, "yes")
    lu.assertNil(units.find(t, { mac = "60:01:94:a5:b6:9d" }))
  end
end

function TestUnits:test_a_unit_is_found_by_chip_id_or_serial_number()
  local t = units.read("chipid,v\n0x00A5B69C,by id\n", "u.csv")
  lu.assertEquals(units.find(t, { mac = "x", chip_id = "a5b69c" }).v, "by id")
  t = units.read("serial,v\nMF-000007,by serial\n", "u.csv")
  lu.assertTrue(t.by_serial)
  lu.assertEquals(units.find(t, { mac = "x", chip_id = "1", serial = "MF-000007" }).v, "by serial")
  lu.assertNil(units.find(t, { mac = "x", chip_id = "1" }))
end

function TestUnits:test_the_mac_counts_before_the_serial_number()
  local t = units.read("mac,serial,v\n,S1,by serial\n60:01:94:00:00:01,,by mac\n", "u.csv")
  lu.assertEquals(units.find(t, { mac = "60:01:94:00:00:01", serial = "S1" }).v, "by mac")
end

function TestUnits:test_json_lists_and_objects()
  local list = units.read('[{"mac": "60:01:94:00:00:01", "port": 1883}]', "u.json")
  lu.assertEquals(units.find(list, { mac = "60:01:94:00:00:01" }).port, 1883)
  local keyed = units.read('{"60:01:94:00:00:02": {"v": "m"}, "MF-7": {"v": "s"}, '
    .. '"a5b69c": {"v": "c"}}', "U.JSON")
  lu.assertEquals(units.find(keyed, { mac = "60:01:94:00:00:02" }).v, "m")
  lu.assertEquals(units.find(keyed, { serial = "MF-7" }).v, "s")
  lu.assertEquals(units.find(keyed, { chip_id = "a5b69c" }).v, "c")
  lu.assertEquals(units.find(units.read('[{"chip_id": 10860188}]', "u.json"),
    { chip_id = "a5b69c" }).chip_id, 10860188)      -- 0xa5b69c
end

function TestUnits:test_what_cannot_be_meant_is_refused_with_its_line()
  refused("mac,a\n60:01:94:00:00:01\n", nil, "u.csv:2: it has 1 fields, the first line names 2")
  refused('mac,a\n60:01:94:00:00:01,"open\n', nil, "a quote is not closed")
  refused('mac,a\n60:01:94:00:00:01,"a"b\n', nil, "u.csv:2: a quote is followed by text")
  refused("mac\n60:01:94:00:00:01\n600194000001\n", nil, "u.csv:3: mac 600194000001 is there twice")
  refused("mac\nfoo\n", nil, "u.csv:2: 'foo' is no MAC address")
  refused("mac,a,a\n", nil, "two columns 'a'")
  refused("mac,\n", nil, "column 2 has no name")
  refused("name,key\nx,y\n", nil, "no column 'mac', 'chip_id' or 'serial'")
  refused("", nil, "no column")
  refused("{", "u.json", "u.json:1")
  refused("[1]", "u.json", "entry 1 is no object")
end

function TestUnits:test_a_unit_without_a_row_is_not_the_board_that_is_wanted()
  local t = units.read("mac\n60:01:94:00:00:01\n", "u.csv")
  local ok, e = pcall(units.none, t, { mac = "60:01:94:00:00:02", chip_id = "2" })
  lu.assertFalse(ok)
  lu.assertTrue(errors.is(e, "wrong_chip"))
  lu.assertStrContains(e.message, "60:01:94:00:00:02")
end

os.exit(lu.LuaUnit.run())
