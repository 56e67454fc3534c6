-- What a chip says: shown, searched for boot messages, crashes and rates.
local boot_messages = require "moonflash.boot_messages"
local boot_watch = require "moonflash.boot_watch"
local exception = require "moonflash.exception"
local heard = require "moonflash.heard"
local line_decoder = require "moonflash.line_decoder"
local nodemcu = require "moonflash.nodemcu"
local rate_finder = require "moonflash.rate_finder"
local text = require "moonflash.text"

-- Lines come out the same in whichever pieces the bytes came.
local function decode(bytes, piece)
  local decoder, lines = line_decoder.new(), {}
  for at = 1, #bytes, piece do
    for _, line in ipairs(decoder:feed(bytes:sub(at, at + piece - 1), at, 115200)) do
      lines[#lines + 1] = line_decoder.with_time(line, 0)
    end
    decoder:rest()
  end
  for _, line in ipairs(decoder:flush()) do lines[#lines + 1] = line.text end
  return lines
end

local function rates(bytes)
  local finder = rate_finder.new {}
  for at = 1, #bytes, 100 do finder:feed(bytes:sub(at, at + 99), at * 1000) end
  rate_finder.judge(bytes)
end

local function crashes(bytes)
  local list, lines = exception.find(bytes), {}
  exception.same(list)
  for _, e in ipairs(list) do
    for _, line in ipairs(exception.explain(e)) do lines[#lines + 1] = line end
  end
  return lines
end

-- An escaped text is one line of printable characters, and can be undone.
local function escape(bytes)
  local safe = text.escape(bytes)
  local back = safe:gsub("\\(x?)(.)(%x?)", function(x, a, b)
    if x == "x" then return string.char(tonumber(a .. b, 16)) end
    return ({ r = "\r", n = "\n", t = "\t", ["\\"] = "\\" })[a] .. b
  end)
  assert(back == bytes, "the escaped text cannot be undone")
  return safe
end

local function read(bytes)
  local lines = decode(bytes, 7)
  table.move(crashes(bytes), 1, #lines, #lines + 1, lines)
  decode(bytes, 1)
  boot_messages.banner(bytes)
  for _, row in ipairs(boot_messages.find(bytes)) do lines[#lines + 1] = row.text end
  local v = boot_watch.judge(bytes)
  lines[#lines + 1] = v.text
  lines[#lines + 1] = heard.verdict { { bytes = bytes, baud = 115200, sent = bytes:sub(1, 20) } }.message
  local found = nodemcu.identify(bytes)
  if found then lines[#lines + 1] = nodemcu.describe(found) end
  lines[#lines + 1] = escape(bytes:sub(1, 1000))
  rates(bytes)
  return lines
end

return { read = read, words = { "\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n",
  "Fatal exception (29):\nepc1=0x40201234, ", "Exception (28):", "excvaddr=0x", "waiting for host",
  "NodeMCU 3.0.0.0 built", "powered by Lua 5.1.4 on SDK ", "> ", "\27[2J", "\b \b", "csum 0x5a\r\n",
  "Formatting file system", "branch: ", "modules: a,b", "\x07\x07\x12\x20", "\xc0\1\x08" } }
