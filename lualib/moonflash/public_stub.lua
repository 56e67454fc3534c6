--- Flasher stubs in the public JSON format: read and checked. Pure.
--
-- An object with `text` and `data` (base64), `text_start`, `data_start` and
-- `entry` (addresses in the chip's RAM). Other fields (`bss_start`, `plugins`)
-- are for whoever makes or extends the stub: loading needs none of them.
-- @module moonflash.public_stub
local base64 <const> = require "moonflash.base64"
local dkjson <const> = require "dkjson"
local errors <const> = require "moonflash.errors"

local public_stub = {}

--- No stub file is longer: the chip's RAM as base64 has less.
public_stub.MAX_BYTES = 512 * 1024

-- Where text and data may go: RAM that the ROM's loader leaves alone. From
-- 0x3fffa000 on it receives packets; ours are short, and what lies behind them is
-- free (reference: ROM loader, memory in use).
local PACKETS_END <const> = 0x3fffa000 + 0x480
local TEXT_RAM <const> = { { 0x40100000, 0x40110000 } }
local DATA_RAM <const> = { { 0x3ffe8000, 0x3fffa000 }, { PACKETS_END, 0x3fffc000 } }

local function bad(name, message, ...)
  errors.raise("file", name .. ": " .. message:format(...), { hint = "a stub file is JSON with"
    .. " text, text_start, data, data_start and entry for ESP8266; nothing was sent" })
end

local function address(name, object, key)
  local n = object[key]
  n = type(n) == "number" and math.tointeger(n)
  if not n or n < 0 or n > 0xffffffff then bad(name, "'%s' is no address", key) end
  return n
end

local function fits(segment, ram)
  for _, r in ipairs(ram) do
    if segment.addr >= r[1] and segment.addr + #segment.data <= r[2] then return true end
  end
end

-- One segment, padded to whole words: instruction RAM takes nothing else.
local function segment(name, object, key, ram)
  if type(object[key]) ~= "string" then bad(name, "'%s' is missing", key) end
  local bytes, why = base64.decode(object[key])
  if not bytes then bad(name, "'%s' is not base64: %s", key, why) end
  local start = address(name, object, key .. "_start")
  if start % 4 ~= 0 then
    bad(name, "'%s_start' 0x%08x is not a multiple of 4", key, start)
  end
  local s = { addr = start, data = bytes .. ("\0"):rep(-#bytes % 4) }
  if not fits(s, ram) then
    bad(name, "'%s' of %d bytes at 0x%08x is outside the RAM that is free for it", key, #bytes,
      s.addr)
  end
  return s
end

--- Reads a stub from JSON text.
-- @tparam string json
-- @tparam string name of its file, for messages
-- @treturn table `{ segments = { { addr, data }, ... }, entry }`, text first
-- @raise `file` when anything is missing or makes no sense
function public_stub.parse(json, name)
  if #json > public_stub.MAX_BYTES then bad(name, "%d bytes are too many for a stub", #json) end
  local ok, object, _, why = pcall(dkjson.decode, json, 1, nil, nil, nil)
  if not ok or type(object) ~= "table" then
    bad(name, "not JSON%s", ok and why and ": " .. why:gsub("%s+", " ") or "")
  end
  local text = segment(name, object, "text", TEXT_RAM)
  if #text.data == 0 then bad(name, "'text' is empty") end
  local entry = address(name, object, "entry")
  if entry < text.addr or entry >= text.addr + #text.data then
    bad(name, "'entry' 0x%08x is not inside the text", entry)
  end
  local segments = { text }
  if object.data ~= nil or object.data_start ~= nil then
    local data = segment(name, object, "data", DATA_RAM)
    if #data.data > 0 then segments[2] = data end
  end
  return { segments = segments, entry = entry }
end

return public_stub
