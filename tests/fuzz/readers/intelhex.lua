-- Intel HEX: what is read and written again is the same.
local intelhex = require "moonflash.intelhex"

local function read(bytes)
  local segments = intelhex.parse(bytes)
  local again = intelhex.parse(intelhex.build(segments))
  assert(#again == #segments, "another number of segments")
  for i, s in ipairs(segments) do
    assert(again[i].addr == s.addr and again[i].data == s.data, "another segment")
  end
end

-- Right check sums at the end of each line.
local function repair(bytes)
  return (bytes:gsub(":([%x]+)", function(digits)
    if #digits < 4 or #digits % 2 == 1 then return nil end
    local sum = 0
    for byte in digits:sub(1, -3):gmatch "%x%x" do sum = sum + tonumber(byte, 16) end
    local count = #digits // 2 - 5
    if count >= 0 and count < 256 then
      sum = sum - tonumber(digits:sub(1, 2), 16) + count
      digits = ("%02X"):format(count) .. digits:sub(3)
    end
    return ":" .. digits:sub(1, -3) .. ("%02X"):format(-sum & 0xFF)
  end))
end

return { read = read, repair = repair, words = { ":00000001FF", ":020000040001F9",
  ":020000021000EC", ":0400000540100004A3", "\r\n", "FFFF", "0000" } }
