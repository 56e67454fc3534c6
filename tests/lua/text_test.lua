local lu = require "luaunit"
local text = require "moonflash.text"

TestText = {}

function TestText:test_no_control_byte_survives_escaping()
  local all = {}
  for b = 0, 255 do all[#all + 1] = string.char(b) end
  local shown = text.escape(table.concat(all))
  lu.assertNil(shown:find("[^\x20-\x7e]"))
  lu.assertEquals(text.escape("\27[31mred\7\r\n"), "\\x1b[31mred\\x07\\r\\n")
  lu.assertEquals(text.escape("a\\b\x9b"), "a\\\\b\\x9b")
end

function TestText:test_escaping_is_reversible()
  local names = { r = "\r", n = "\n", t = "\t", ["\\"] = "\\" }
  local seen = {}
  for b = 0, 255 do seen[#seen + 1] = string.char(b, 92, 255 - b) end
  local bytes = table.concat(seen)
  local back = text.escape(bytes):gsub("\\(.)(%x?%x?)", function(c, digits)
    if c == "x" then return string.char(tonumber(digits, 16)) end
    return names[c] .. digits
  end)
  lu.assertEquals(back, bytes)
end

function TestText:test_newlines_are_kept_when_asked()
  lu.assertEquals(text.escape("a\r\nb\tc\27\r", { newlines = true }), "a\nb\tc\\x1b\\r")
end

function TestText:test_lines_end_in_any_way()
  lu.assertEquals(text.lines("a\r\nb\nc\rd"), { "a", "b", "c", "d" })
  lu.assertEquals(text.lines("a\n\nb\n"), { "a", "", "b" })
  lu.assertEquals(text.lines(""), {})
  lu.assertEquals(text.lines("\r\n"), { "" })
end

function TestText:test_a_text_with_escaped_parts_is_not_escaped_twice()
  lu.assertEquals(text.escape("heard \\r\\n and \27", { shown = true }), "heard \\r\\n and \\x1b")
  lu.assertEquals(text.escape("a\\x1b\n\27", { shown = true, newlines = true }), "a\\x1b\n\\x1b")
end

function TestText:test_printable_share()
  lu.assertEquals(text.printable_share(""), 0)
  lu.assertEquals(text.printable_share("ab\r\n"), 1)
  lu.assertEquals(text.printable_share("a\0"), 0.5)
end

function TestText:test_small_helpers()
  lu.assertEquals(text.shorten("abcdefgh", 8), "abcdefgh")
  lu.assertEquals(text.shorten("abcdefghi", 8), "abcde...")
  lu.assertEquals(text.quote("a\27b"), "'a\\x1bb'")
  lu.assertEquals(text.count(1, "sector"), "1 sector")
  lu.assertEquals(text.count(0, "sector"), "0 sectors")
  lu.assertEquals(text.hex_bytes("\1\2\255"), "01 02 ff")
  lu.assertEquals(text.hex_bytes("\1\2\255", 2), "01 02 ...")
  lu.assertEquals(text.hex_bytes(""), "")
end

os.exit(lu.LuaUnit.run())
