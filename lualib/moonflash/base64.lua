--- Base64, RFC 4648. Pure.
-- @module moonflash.base64

local base64 = {}

local ALPHABET <const> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local VALUE <const> = {}
for i = 1, #ALPHABET do VALUE[ALPHABET:byte(i)] = i - 1 end

-- The bytes of one group of 2 to 4 letters; bits that no byte uses must be 0.
local function group(letters)
  local n, bits = #letters, 0
  for i = 1, 4 do bits = bits << 6 | (VALUE[letters:byte(i)] or 0) end
  local bytes = (">I3"):pack(bits)
  if bits & (1 << 8 * (4 - n)) - 1 ~= 0 then return nil end
  return bytes:sub(1, n - 1)
end

--- Decodes; strict: no white space, no missing padding, no stray bits.
-- @tparam string text
-- @treturn string|nil the bytes
-- @treturn string|nil what is wrong
function base64.decode(text)
  local letters, padding = text:match("^([%w+/]*)(=*)$")
  if not letters then return nil, "it has characters that are not of base64" end
  if #text % 4 ~= 0 or #padding > 2 then return nil, "its length is not that of base64" end
  local pieces = {}
  for at = 1, #letters, 4 do
    local bytes = group(letters:sub(at, at + 3))
    if not bytes then return nil, "its last letter has bits that belong to no byte" end
    pieces[#pieces + 1] = bytes
  end
  return table.concat(pieces)
end

return base64
