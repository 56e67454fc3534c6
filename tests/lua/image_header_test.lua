local lu = require "luaunit"
local header = require "moonflash.image_header"

TestHeader = {}

function TestHeader:test_every_name_goes_there_and_back()
  for code, name in pairs(header.modes) do
    lu.assertEquals(header.mode_code(name:upper()), code)
  end
  for code, name in pairs(header.freqs) do
    lu.assertEquals(header.freq_code(name), code)
  end
  for code, entry in pairs(header.sizes) do
    lu.assertEquals(header.size_code(entry.name), code)
  end
end

function TestHeader:test_the_codes_of_the_format()
  lu.assertEquals({ header.mode_code "qio", header.mode_code "qout", header.mode_code "dio",
    header.mode_code "dout" }, { 0, 1, 2, 3 })
  lu.assertEquals({ header.freq_code "40m", header.freq_code "26m", header.freq_code "20MHz",
    header.freq_code "80" }, { 0, 1, 2, 15 })
  for size, code in pairs { [0x80000] = 0, [0x40000] = 1, [0x100000] = 2, [0x200000] = 3,
    [0x400000] = 4, [0x800000] = 8, [0x1000000] = 9, [0x2000000] = 9,
    ["4M"] = 4, ["512k"] = 0, ["4MB-c1"] = 6, ["2mb-C1"] = 5 } do
    lu.assertEquals(header.size_code(size), code, size)
  end
end

function TestHeader:test_unknown_names_are_refused_with_the_choices()
  for _, case in ipairs {
    { header.mode_code, "spi" }, { header.mode_code, nil }, { header.freq_code, "60m" },
    { header.freq_code, "m" }, { header.size_code, "3MB" }, { header.size_code, 12345 },
    { header.size_code, 0 }, { header.size_code, "7" }, { header.size_code, 0x3000000 },
  } do
    local ok, err = pcall(case[1], case[2])
    lu.assertFalse(ok)
    lu.assertEquals(err.code, "usage")
    lu.assertNotNil(err.hint)
  end
end

function TestHeader:test_change_keeps_what_is_not_asked_for()
  lu.assertEquals({ header.change(2, 0x4F, {}) }, { 2, 0x4F })
  lu.assertEquals({ header.change(2, 0x4F, { mode = "keep", size = "keep" }) }, { 2, 0x4F })
  lu.assertEquals({ header.change(2, 0x4F, { mode = "dout" }) }, { 3, 0x4F })
  lu.assertEquals({ header.change(2, 0x4F, { freq = "40m" }) }, { 2, 0x40 })
  lu.assertEquals({ header.change(2, 0x4F, { size = "1MB" }) }, { 2, 0x2F })
end

function TestHeader:test_decode_names_nothing_that_has_no_meaning()
  local d = header.decode(2, 0x40)
  lu.assertEquals({ d.mode, d.freq, d.size, d.size_bytes }, { "dio", "40m", "4MB", 0x400000 })
  d = header.decode(9, 0x73)
  lu.assertEquals({ d.mode, d.freq, d.size, d.mode_code, d.freq_code, d.size_code },
    { nil, nil, nil, 9, 3, 7 })
end

os.exit(lu.LuaUnit.run())
