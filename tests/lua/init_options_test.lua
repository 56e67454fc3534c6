local files = require "moonflash.files"
local init_data = require "moonflash.init_data"
local lu = require "luaunit"
local options = require "moonflash.init_options"

TestOptions = {}

function TestOptions:test_every_documented_name_is_understood()
  local seen = {}
  for long, short in pairs(options.aliases) do
    local field
    for _, f in ipairs(init_data.fields) do field = f.name == short and f or field end
    lu.assertNotNil(field, long)
    seen[short] = true
    local n = field.count or 1
    local value = (field.values and field.values[1] or field.min or 5)
    local fields = options.fields { long .. "=" .. (tostring(value) .. ","):rep(n):sub(1, -2) }
    lu.assertNotNil(fields[short], long)
    init_data.build { fields = fields }
  end
end

function TestOptions:test_values_become_bytes_where_they_belong()
  local block = init_data.build { fields = options.fields { "vdd33_const=255", "crystal=0",
    "force_freq_offset=-2", "target_power_qdb=82,0x4e,74,68,64,56" } }
  lu.assertEquals({ block:byte(108), block:byte(49), block:byte(114) }, { 255, 0, 254 })
  lu.assertEquals({ block:byte(35, 40) }, { 82, 0x4e, 74, 68, 64, 56 })
end

function TestOptions:test_bad_words_are_refused()
  for _, word in ipairs { "", "vdd33", "vdd33=", "=5", "colour=5", "vdd33=1,2", "vdd33=x", "vdd33=-",
    "vdd33=--5" } do
    local ok, e = pcall(options.fields, { word })
    lu.assertFalse(ok, word)
    lu.assertEquals(e.code, "usage", word)
  end
  for _, word in ipairs { "vdd33=256", "crystal=3", "target_power=1,2,3", "check=6" } do
    lu.assertErrorMsgContains("init data", function()
      init_data.build { fields = options.fields { word } }
    end)
  end
end

function TestOptions:test_a_block_may_fill_a_sector_but_nothing_else()
  local block = init_data.build {}
  lu.assertEquals(options.block(block, "f"), block)
  lu.assertEquals(options.block(block .. ("\xff"):rep(3968), "f"), block)
  for _, bytes in ipairs { block:sub(1, 127), block .. "\0", ("\xff"):rep(4096), ("\0"):rep(128) } do
    lu.assertErrorMsgContains("init data", options.block, bytes, "f")
  end
end

function TestOptions:test_a_block_as_text_and_as_data()
  local block = init_data.build { variant = "v08", fields = { vdd33 = 255 } }
  local text = table.concat(options.describe(block), "\n")
  lu.assertStrContains(text, "v08")
  lu.assertStrContains(text, "vdd33_const")
  lu.assertStrContains(text, "78,74,70,64,60,56")
  local t = options.to_table(block)
  lu.assertEquals(t.fields.vdd33, 255)
  lu.assertEquals(#t.hex, 256)
  lu.assertEquals(options.to_table(("\xff"):rep(128)).health, "blank")
  lu.assertNil(options.to_table(("\xff"):rep(128)).fields)
end

TestBuiltin = {}

function TestBuiltin:test_built_in_files_by_new_and_old_names()
  local v05 = init_data.build { variant = "v05" }
  lu.assertEquals(files.read "builtin:init-data", v05)
  lu.assertEquals(files.read "INTERNAL://DEFAULT", v05)
  lu.assertEquals(files.read "builtin:init-data-v08", init_data.build { variant = "v08" })
  lu.assertEquals(files.read "builtin:blank", ("\xff"):rep(4096))
  lu.assertEquals(files.read "INTERNAL://BLANK", ("\xff"):rep(4096))
end

function TestBuiltin:test_an_unknown_built_in_file_is_refused_by_name()
  for _, name in ipairs { "builtin:firmware", "INTERNAL://NODEMCU", "builtin:" } do
    local ok, e = pcall(files.read, name)
    lu.assertFalse(ok)
    lu.assertEquals(e.code, "file")
    lu.assertStrContains(e.hint, "builtin:init-data")
  end
end

os.exit(lu.LuaUnit.run())
