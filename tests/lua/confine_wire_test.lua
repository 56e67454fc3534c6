-- Values over the link between a program and a recipe: what goes comes, what is damaged
-- is refused, never more.
local lu = require "luaunit"
local wire = require "moonflash.confine_wire"

local SEED <const> = math.tointeger(tonumber(os.getenv "SEED")) or os.time()

TestWire = {}

local function none() return nil end
local function no_find(letter) error("nothing is called " .. letter, 0) end

local function over(...) return wire.decode(wire.encode(none, ...), no_find) end

function TestWire:test_plain_values_come_as_they_went()
  local values = table.pack(nil, true, false, 0, -1, math.maxinteger, math.mininteger, 0.5, -0.0,
    math.huge, "", "a\0b", ("x"):rep(70000), nil)
  local got = table.pack(over(table.unpack(values, 1, values.n)))
  lu.assertEquals(got.n, values.n)
  for i = 1, values.n do
    lu.assertTrue(rawequal(got[i], values[i]), i)
    lu.assertEquals(math.type(got[i]), math.type(values[i]))
  end
  local nan = over(0 / 0)
  lu.assertTrue(nan ~= nan)
end

function TestWire:test_tables_are_copied_without_metatables()
  local t = setmetatable({ 1, "two", { x = { y = true } }, [2.5] = false }, { __index = error,
    __pairs = error, __len = error })
  local got = over(t)
  lu.assertEquals(got, { 1, "two", { x = { y = true } }, [2.5] = false })
  lu.assertNil(getmetatable(got))
end

function TestWire:test_shared_and_circular_tables_stay_so()
  local shared = { 7 }
  local t = { shared, shared }
  t.self = t
  local got = over(t)
  lu.assertTrue(rawequal(got[1], got[2]))
  lu.assertTrue(rawequal(got.self, got))
end

function TestWire:test_functions_and_objects_go_by_number_and_come_home()
  local f, object = function() end, setmetatable({}, {})
  local function name(v)
    if v == f then return "l", 3 elseif v == object then return "o", 4, "class" end
  end
  local seen = {}
  wire.decode(wire.encode(name, { f }, object), function(letter, id, class)
    seen[#seen + 1] = { letter, id, class }
    return letter .. id
  end)
  lu.assertEquals(seen, { { "l", 3 }, { "o", 4, "class" } })
end

function TestWire:test_what_cannot_go_raises()
  lu.assertErrorMsgContains("a thread cannot leave", wire.encode, none, coroutine.create(print))
  local deep = {}
  for _ = 1, 200 do deep = { deep } end
  lu.assertErrorMsgContains("too deep", wire.encode, none, deep)
end

-- Messages of somebody's who does not keep the rules.
function TestWire:test_a_damaged_message_raises_and_nothing_else()
  for _, bytes in ipairs { "x", "s", "s\255\255\255\255", "s\5\0\0\0abc", "i\1", "{", "{n", "{nt}", "{t", "r\1\0\0\0",
    "r\0\0\0\0", "}", ("{t"):rep(1000), "{d" .. ("<d"):pack(0 / 0) .. "t}", "l\1\0\0\0", "h\9\0\0\0", "o\1\0\0\0\3ab" } do
    lu.assertFalse(pcall(wire.decode, bytes, no_find), ("%q"):format(bytes))
  end
end

function TestWire:test_random_damage_is_survived()
  print("# SEED=" .. SEED)
  math.randomseed(SEED)
  local good = wire.encode(none, "call", 1, { a = { 1, 2, 3 }, b = "text", c = { { true } } }, 2.5, nil)
  for _ = 1, 20000 do
    local bytes = { good:byte(1, -1) }
    for _ = 1, math.random(1, 4) do bytes[math.random(#bytes)] = math.random(0, 255) end
    local s = string.char(table.unpack(bytes)):sub(1, math.random(#bytes))
    local ok, e = pcall(wire.decode, s, no_find)
    lu.assertTrue(ok or type(e) == "string")
  end
end

os.exit(lu.LuaUnit.run())
