local base64 = require "moonflash.base64"
local lu = require "luaunit"

TestBase64 = {}

-- RFC 4648, section 10.
function TestBase64:test_the_vectors_of_the_standard_decode()
  local vectors = { [""] = "", ["Zg=="] = "f", ["Zm8="] = "fo", ["Zm9v"] = "foo",
    ["Zm9vYg=="] = "foob", ["Zm9vYmE="] = "fooba", ["Zm9vYmFy"] = "foobar" }
  for text, bytes in pairs(vectors) do lu.assertEquals(base64.decode(text), bytes) end
end

function TestBase64:test_every_byte_value_and_letter_decodes()
  local all = {}
  for i = 0, 255 do all[#all + 1] = string.char(i) end
  all = table.concat(all)
  local text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7"
    .. "PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6"
    .. "e3x9fn+AgYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpaanqKmqq6ytrq+wsbKztLW2t7i5"
    .. "uru8vb6/wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v8PHy8/T19vf4"
    .. "+fr7/P3+/w=="
  lu.assertEquals(base64.decode(text), all)
end

function TestBase64:test_what_is_not_base64_is_refused_with_a_reason()
  local bad = { ["Zm9v\n"] = "characters", ["Zm9-"] = "characters", ["Zg=a"] = "characters",
    ["Zm9"] = "length", ["Zg="] = "length", ["Z==="] = "length", ["===="] = "length",
    ["Zh=="] = "bits", ["Zm9="] = "bits" }
  for text, why in pairs(bad) do
    local bytes, message = base64.decode(text)
    lu.assertNil(bytes, text)
    lu.assertStrContains(message, why)
  end
end

os.exit(lu.LuaUnit.run())
