local lu = require "luaunit"
local old_lua = require "moonflash.old_lua"

TestOldLua = {}

local function lines(source)
  local list = {}
  for i, f in ipairs(old_lua.scan(source)) do list[i] = f.line end
  return list
end

function TestOldLua:test_sends_in_a_row_are_found()
  lu.assertEquals(lines [[
srv:listen(80, function(conn)
  conn:send("HTTP/1.0 200 OK\r\n")
  conn:send("\r\n")
  conn : send (body)
end)]], { 3, 4 })
end

function TestOldLua:test_one_send_or_a_sent_handler_is_fine()
  lu.assertEquals(lines 'conn:send("a")', {})
  lu.assertEquals(lines 'conn:on("sent", next) conn:send("a")\nconn:send("b")', {})
  lu.assertEquals(lines 'conn:send("a", function() more() end)\nconn:send("b")', {})
  lu.assertEquals(lines 'a:send("a")\nb:send("b")', {})
end

function TestOldLua:test_comments_do_not_count()
  lu.assertEquals(lines 'c:send("a") -- c:send("b")\n--[[\nc:send("c")\n]]\nprint(1)', {})
end

function TestOldLua:test_any_bytes_are_survived()
  math.randomseed(5)
  for _ = 1, 500 do
    local bytes = {}
    for i = 1, math.random(0, 300) do bytes[i] = string.char(math.random(0, 255)) end
    old_lua.scan(table.concat(bytes))
  end
end

os.exit(lu.LuaUnit.run())
