-- irom.lua: make the part at 0x10000 that a NodeMCU build has, as far as it is known
-- by: the factory's partition table, and texts. No code: the stand-in runs in RAM.
--
--   lua5.4 irom.lua OUT nodemcu-3|nodemcu-0.9.5 SIZE GREETING_FILE
local out, role, size, data = arg[1], arg[2], math.tointeger(arg[3]), arg[4]

local IROM <const>, MAPPED <const>, REST <const> = 0x10000, 0x40200000, 0xFFFFFFFF

-- Type, address, size; what is 0 the firmware fills in at its first start. The last
-- entry is the end of the firmware.
local TABLE <const> = {
  { 101, 0, 0xB000 },             -- first image
  { 4, 0xD000, 0x1000 },          -- RF calibration
  { 5, 0xF000, 0x1000 },          -- init data
  { 102, IROM, 0 },               -- this part
  { 103, 0, 0 },                  -- Lua Flash Store: none
  { 106, 0, REST },               -- file system: all that is left
  { 6, 0, 0x3000 },               -- system parameters
  { 0, MAPPED + IROM + size, 0 },
}

local function partition_table()
  local words = {}
  for i, e in ipairs(TABLE) do words[i] = string.pack("<I4I4I4", e[1], e[2], e[3]) end
  local payload = table.concat(words)
  local record = string.pack("<BBI2", #payload // 4, 1, 0) .. payload
  return record .. ("\xff"):rep(0x1000 - #record)
end

-- Bytes that are never blank, the same for every build.
local function filler(n)
  local x, words = 1, {}
  for i = 1, (n + 3) // 4 do
    x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
    words[i] = string.pack("<I4", x)
  end
  return table.concat(words):sub(1, n)
end

local f <close> = assert(io.open(data, "rb"))
local texts = f:read("a")
local head = role == "nodemcu-3" and partition_table() or ""
local bytes = head .. texts
if role == "nodemcu-3" then bytes = bytes .. "Writing Init Data to 0x%08x\n\0" end
local o <close> = assert(io.open(out, "wb"))
assert(o:write(bytes .. filler(size - #bytes)))
