--- Numbers as people write and read them: addresses, sizes, times, rates. Pure.
-- K and M are 1024 and 1024 * 1024 everywhere, as on flash data sheets.
-- @module moonflash.numbers

local errors = require "moonflash.errors"
local text_of = require "moonflash.text"

local numbers = {}

--- 1024 bytes.
numbers.KiB = 1024
--- 1024 * 1024 bytes.
numbers.MiB = 1024 * 1024

local MAX <const> = 0xFFFFFFFF
local units = { [""] = 1, k = 1024, m = 1024 * 1024 }

local HINT <const> = "write it as 4096, 0x1000, 64k or 4M"

local function bad(what, text, why)
  errors.raise("usage", ("%s: %s %s"):format(what, text_of.quote(text), why), { hint = HINT })
end

-- "12", "5", 1024 -> 12.5 * 1024 when that is a whole number, else nil.
local function scale(whole, fraction, unit)
  local value = math.tointeger(tonumber(whole)) * unit
  if fraction == "" then return value end
  local part = math.tointeger(tonumber(fraction)) * unit
  local ten = math.tointeger(10 ^ #fraction)
  if part % ten ~= 0 then return nil end
  return value + part // ten
end

local function decimal(text, what)
  local whole, point, fraction, suffix = text:match("^(%d+)(%.?)(%d*)%s*(%a*)$")
  if not whole then bad(what, text, "is not a number") end
  local unit = units[suffix:lower():gsub("i?b$", "")]
  if not unit or suffix:lower() == "b" or suffix:lower() == "ib" then
    bad(what, text, ("has an unknown unit %s"):format(text_of.quote(suffix)))
  end
  if point ~= "" and fraction == "" then bad(what, text, "ends in the middle") end
  if #whole > 10 or #fraction > 8 then bad(what, text, "is too large or too long") end
  local value = scale(whole, fraction, unit)
  return value or bad(what, text, "is not a whole number of bytes")
end

local function from_text(text, what)
  local trimmed = text:match("^%s*(.-)%s*$")
  if trimmed == "" then bad(what, text, "is empty") end
  if trimmed:match("^%-") then bad(what, text, "is negative") end
  local digits = trimmed:match("^0[xX](%x+)$")
  if not digits then return decimal(trimmed, what) end
  if #digits:gsub("^0+", "") > 8 then bad(what, text, "is too large") end
  return math.tointeger(tonumber(digits, 16))
end

--- Read an address, a size or a count.
-- Understands 4096, 0x1000, 64k, 4M, 4 MB, 4MiB, 1.5M (exact ones only) and,
-- where allowed, "all". Integers are checked and passed through.
-- @tparam string|integer text what the user wrote
-- @tparam[opt="number"] string what names the value in messages
-- @tparam[opt] table opts `all` = what "all" stands for (any value);
-- `max` = largest accepted value (default 0xFFFFFFFF); `min` = smallest
-- @treturn integer (or opts.all)
-- @raise `usage`
function numbers.parse(text, what, opts)
  what, opts = what or "number", opts or {}
  local value
  if math.type(text) == "integer" then
    value = text
  elseif type(text) == "string" then
    if text:lower() == "all" and opts.all ~= nil then return opts.all end
    value = from_text(text, what)
  else
    value = math.tointeger(text) or bad(what, text, "is not a whole number")
  end
  if value < (opts.min or 0) then
    bad(what, text, value < 0 and "is negative" or ("is below " .. opts.min))
  end
  if value > (opts.max or MAX) then bad(what, text, "is too large") end
  return value
end

--- A size for people: "4 MB", "512 KB", "1000 bytes". Only exact multiples are
-- shortened, so that the text always says the exact size.
-- @tparam integer bytes
function numbers.size_text(bytes)
  if bytes >= numbers.MiB and bytes % numbers.MiB == 0 then
    return ("%d MB"):format(bytes // numbers.MiB)
  elseif bytes >= numbers.KiB and bytes % numbers.KiB == 0 then
    return ("%d KB"):format(bytes // numbers.KiB)
  end
  return bytes == 1 and "1 byte" or ("%d bytes"):format(bytes)
end

--- The first multiple of a unit that is not below a value.
-- @tparam integer value
-- @tparam integer unit
-- @treturn integer
function numbers.round_up(value, unit) return (value + unit - 1) // unit * unit end

--- A flash address: "0x010000"; addresses above 24 bits get 8 digits.
-- @tparam integer addr
function numbers.hex(addr)
  return (addr > 0xFFFFFF and "0x%08x" or "0x%06x"):format(addr)
end

--- A range of addresses, last byte included: "0x010000..0x010fff".
-- @tparam integer addr
-- @tparam integer size in bytes; an empty range shows its address only
function numbers.range_text(addr, size)
  if size == 0 then return numbers.hex(addr) end
  return numbers.hex(addr) .. ".." .. numbers.hex(addr + size - 1)
end

--- A duration: "0.42 s", "12.3 s", "2 min 05 s", "1 h 02 min".
-- @tparam number seconds
function numbers.time_text(seconds)
  if seconds < 0.995 then return ("%.2f s"):format(seconds) end
  if seconds < 59.95 then return ("%.1f s"):format(seconds) end
  local whole = math.floor(seconds + 0.5)
  if whole < 3600 then return ("%d min %02d s"):format(whole // 60, whole % 60) end
  local minutes = (whole + 30) // 60
  return ("%d h %02d min"):format(minutes // 60, minutes % 60)
end

--- A rate: "88.4 KB/s"; "-" when no time has passed.
-- @tparam integer bytes
-- @tparam number seconds
function numbers.rate_text(bytes, seconds)
  if seconds <= 0 then return "-" end
  local rate = bytes / seconds
  if rate < numbers.KiB then return ("%.0f bytes/s"):format(rate) end
  if rate < numbers.MiB then return ("%.1f KB/s"):format(rate / numbers.KiB) end
  return ("%.2f MB/s"):format(rate / numbers.MiB)
end

--- A share in whole per cent, 100 only when all is done.
-- @tparam number done
-- @tparam number total nothing to do counts as 100
-- @treturn integer 0..100
function numbers.percent(done, total)
  if total <= 0 or done >= total then return 100 end
  return math.floor(done * 100 / total)
end

return numbers
