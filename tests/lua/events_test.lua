-- The schema of the event stream, and the checker that the tests trust.
local dkjson = require "dkjson"
local events = require "moonflash.events"
local lu = require "luaunit"

TestEventsSchema = {}

function TestEventsSchema:setUp()
  self.schema = events.parse(events.schema_text { "." })
end

local function check(schema, json)
  return events.check(schema, dkjson.decode(json, 1, dkjson.null))
end

function TestEventsSchema:test_types_are_told_apart()
  for kind, fits in pairs { integer = "3", number = "2.5", string = '"a"', boolean = "true",
    object = '{"a":1}', array = "[1]", null = "null" } do
    lu.assertNil(check({ type = kind }, fits), kind)
    for other, bad in pairs { integer = '"3"', number = "true", string = "3", boolean = "0",
      object = "[1]", array = '{"a":1}', null = "0" } do
      if other == kind then lu.assertStrContains(check({ type = kind }, bad), "not " .. kind) end
    end
  end
  lu.assertNil(check({ type = "integer" }, "3.0"))
  lu.assertNotNil(check({ type = "integer" }, "3.5"))
  lu.assertNil(check({ type = { "string", "integer" } }, "3"))
  lu.assertNotNil(check({ type = { "string", "integer" } }, "null"))
end

function TestEventsSchema:test_each_keyword_refuses()
  local object = { type = "object", required = { "a" }, additionalProperties = false,
    properties = { a = { enum = { 1, 2 } }, b = { items = { type = "string" } },
      c = { const = "x" }, d = { minimum = 0 }, e = { minLength = 2, maxLength = 3 } } }
  lu.assertNil(check(object, '{"a":2,"b":["x"],"c":"x","d":0,"e":"ab"}'))
  for json, why in pairs { ['{}'] = "no 'a'", ['{"a":3}'] = "not allowed",
    ['{"a":1,"b":["x",2]}'] = "b[2] is integer", ['{"a":1,"c":"y"}'] = "not 'x'",
    ['{"a":1,"d":-1}'] = "less than", ['{"a":1,"e":"a"}'] = "too short",
    ['{"a":1,"e":"abcd"}'] = "too long", ['{"a":1,"z":1}'] = "does not know" } do
    lu.assertStrContains(check(object, json), why)
  end
end

function TestEventsSchema:test_a_keyword_that_is_not_known_is_never_passed_over()
  lu.assertErrorMsgContains("patternProperties", check, { patternProperties = {} }, "{}")
  lu.assertErrorMsgContains("allOf", check, { properties = { a = { allOf = {} } } }, '{"a":1}')
end

function TestEventsSchema:test_exactly_one_kind_must_fit()
  local s = { oneOf = { { type = "integer" }, { type = "number" } } }
  lu.assertStrContains(check(s, "3"), "several kinds")
  lu.assertNil(check(s, "3.5"))
end

function TestEventsSchema:test_every_kind_and_field_is_described_and_every_reference_leads_somewhere()
  local function walk(schema, at)
    if schema["$ref"] then
      lu.assertNotNil(self.schema["$defs"][schema["$ref"]:match "^#/%$defs/(.+)$"], at)
    elseif not schema.const or at:find "version" then
      lu.assertNotNil(schema.description, at)
    end
    for name, field in pairs(schema.properties or {}) do walk(field, at .. "." .. name) end
  end
  for _, ref in ipairs(self.schema.oneOf) do
    local name = ref["$ref"]:match "[^/]+$"
    local kind = self.schema["$defs"][name]
    lu.assertEquals(kind.properties.event.const, name)
    lu.assertEquals(kind.required[1], "event")
    walk(kind, name)
  end
end

function TestEventsSchema:test_real_lines_and_damaged_ones()
  local progress = '{"event":"progress","what":"writing","done":1,"total":2,"seconds":0.5}'
  lu.assertNil(check(self.schema, progress))
  for from, to in pairs { ['"done":1,'] = "", ['"done":1'] = '"done":"1"', ['"total":2'] = '"total":-2',
    ['"what"'] = '"whot"', ['"progress"'] = '"progres"' } do
    lu.assertNotNil(check(self.schema, (progress:gsub(from, to))), to)
  end
end

function TestEventsSchema:test_a_stream_begins_with_its_version_once()
  local start = '{"event":"start","version":1,"program":"moonflash 1"}\n'
  local ok = '{"event":"ok","message":"done"}\n'
  lu.assertEquals(events.check_stream(self.schema, start .. ok), {})
  lu.assertStrContains(events.check_stream(self.schema, ok)[1], "not start")
  lu.assertStrContains(events.check_stream(self.schema, start .. start)[1], "again")
  lu.assertStrContains(events.check_stream(self.schema, start .. "{broken\n")[1], "line 2")
  lu.assertNotEquals(events.check_stream(self.schema, (start:gsub("1", "2"))), {})
end

os.exit(lu.LuaUnit.run())
