local lu = require "luaunit"
local numbers = require "moonflash.numbers"
local errors = require "moonflash.errors"

TestParse = {}

function TestParse:test_reads_what_people_write()
  for text, value in pairs {
    ["4096"] = 4096, ["0x1000"] = 4096, ["0X1000"] = 4096, ["64k"] = 65536,
    ["64K"] = 65536, ["4M"] = 4194304, ["4 MB"] = 4194304, ["4MiB"] = 4194304,
    ["512KB"] = 524288, ["1.5M"] = 1572864, ["0.5k"] = 512, ["0"] = 0,
    ["0xffffffff"] = 0xFFFFFFFF, [" 12 "] = 12, ["0x00000000001"] = 1,
    ["007"] = 7,
  } do
    lu.assertEquals(numbers.parse(text), value, text)
    lu.assertEquals(math.type(numbers.parse(text)), "integer")
  end
end

function TestParse:test_passes_integers_and_whole_floats()
  lu.assertEquals(numbers.parse(4096), 4096)
  lu.assertEquals(math.type(numbers.parse(4096.0)), "integer")
end

function TestParse:test_refuses_everything_else_with_a_hint()
  for _, text in ipairs {
    "", " ", "-1", "-0x10", "1.3k", "0.0001k", "1.", ".5k", "4G", "abc", "0x", "0xg", "0x1k",
    "1e3", "12 34", "4MM", "5b", "0x100000000", "4294967296", "99999999999", "all",
    "1.123456789M", "+5", "5 ib", "4097M", 1.5, -1, 0 / 0, 1 << 32, true, {},
  } do
    local ok, err = pcall(numbers.parse, text, "size")
    lu.assertFalse(ok, tostring(text))
    lu.assertTrue(errors.is(err, "usage"), tostring(text) .. ": " .. tostring(err))
    lu.assertStrContains(err.message, "size: ")
    lu.assertStrContains(err.hint, "0x1000")
  end
  lu.assertFalse((pcall(numbers.parse, nil)))
end

function TestParse:test_all_is_accepted_only_where_allowed()
  lu.assertEquals(numbers.parse("all", "size", { all = 99 }), 99)
  lu.assertEquals(numbers.parse("ALL", "size", { all = "all" }), "all")
  lu.assertFalse((pcall(numbers.parse, "all", "size", {})))
end

function TestParse:test_keeps_to_the_given_limits()
  lu.assertEquals(numbers.parse("10", "n", { min = 10, max = 10 }), 10)
  lu.assertErrorMsgContains("is below 10", numbers.parse, "9", "n", { min = 10 })
  lu.assertErrorMsgContains("is too large", numbers.parse, "11", "n", { max = 10 })
end

TestFormat = {}

function TestFormat:test_sizes_are_exact()
  for bytes, text in pairs {
    [0] = "0 bytes", [1] = "1 byte", [1000] = "1000 bytes", [4096] = "4 KB",
    [524288] = "512 KB", [4194304] = "4 MB", [1572864] = "1536 KB", [1025] = "1025 bytes",
  } do
    lu.assertEquals(numbers.size_text(bytes), text)
  end
end

function TestFormat:test_size_texts_read_back_as_the_same_size()
  for shift = 10, 24 do
    local bytes = 3 << shift
    lu.assertEquals(numbers.parse(numbers.size_text(bytes)), bytes)
  end
end

function TestFormat:test_addresses_have_six_digits_or_eight()
  lu.assertEquals(numbers.hex(0x10000), "0x010000")
  lu.assertEquals(numbers.hex(0x40100000), "0x40100000")
  lu.assertEquals(numbers.range_text(0x10000, 0x1000), "0x010000..0x010fff")
  lu.assertEquals(numbers.range_text(0x10000, 0), "0x010000")
end

function TestFormat:test_times_never_show_sixty_seconds()
  for seconds, text in pairs {
    [0] = "0.00 s", [0.42] = "0.42 s", [0.999] = "1.0 s", [12.34] = "12.3 s",
    [59.99] = "1 min 00 s", [125] = "2 min 05 s", [119.7] = "2 min 00 s",
    [3599.9] = "1 h 00 min", [3720] = "1 h 02 min",
  } do
    lu.assertEquals(numbers.time_text(seconds), text)
  end
end

function TestFormat:test_rates()
  lu.assertEquals(numbers.rate_text(1024 * 88, 1), "88.0 KB/s")
  lu.assertEquals(numbers.rate_text(500, 1), "500 bytes/s")
  lu.assertEquals(numbers.rate_text(3 << 20, 2), "1.50 MB/s")
  lu.assertEquals(numbers.rate_text(1, 0), "-")
end

function TestFormat:test_a_hundred_per_cent_means_done()
  lu.assertEquals(numbers.percent(999, 1000), 99)
  lu.assertEquals(numbers.percent(1000, 1000), 100)
  lu.assertEquals(numbers.percent(0, 0), 100)
end

os.exit(lu.LuaUnit.run())
