--- Which chip is it? Identity from register words. Pure.
-- @module moonflash.chip_id

local chip_id = {}

--- Address of the word that tells the families apart.
chip_id.MAGIC_ADDR = 0x40001000
local EFUSE_ADDRS <const> = { 0x3FF00050, 0x3FF00054, 0x3FF00058, 0x3FF0005C }
--- Addresses of the four eFuse words.
chip_id.EFUSE_ADDRS = EFUSE_ADDRS
--- Address of UART0's divider, for the crystal.
chip_id.CLKDIV_ADDR = 0x60000014

--- Chip names by the word at 0x40001000.
chip_id.magics = {
  [0xFFF0C101] = "ESP8266", [0x00F01D83] = "ESP32", [0x000007C6] = "ESP32-S2",
  [0x00000009] = "ESP32-S3", [0xEB004136] = "ESP32-S3",
  [0x6921506F] = "ESP32-C3", [0x1B31506F] = "ESP32-C3", [0x4881606F] = "ESP32-C3",
  [0x4361606F] = "ESP32-C3",
  [0x6F51306F] = "ESP32-C2", [0x7C41A06F] = "ESP32-C2", [0x0C21E06F] = "ESP32-C2",
  [0x2CE0806F] = "ESP32-C6", [0x0DA1806F] = "ESP32-C6",
  [0xD7B73E80] = "ESP32-H2", [0xCA26CC22] = "ESP32-H2",
  [0x1101406F] = "ESP32-C5", [0x5FD1406F] = "ESP32-C5", [0x7211606F] = "ESP32-C61",
}

--- Name of the chip family, ESP8285 counting as ESP8266.
-- @tparam integer word read from `MAGIC_ADDR`
-- @treturn string|nil "ESP8266", "ESP32", ...
function chip_id.by_magic(word) return chip_id.magics[word & 0xFFFFFFFF] end

local function bit(word, n) return (word >> n) & 1 end

-- Package flash by the bits a (w0.4), b (w3.25), d (w3.27), c (w3.26).
local package_sizes = {
  ["1000"] = 0x100000, ["1001"] = 0x200000, ["0100"] = 0x200000, ["0101"] = 0x400000,
}

local part_names = {
  [0x100000] = { [0] = "ESP8285N08", "ESP8285H08" },
  [0x200000] = { [0] = "ESP8285N16", "ESP8285H16" },
}

local function is_esp8285(w0, w2) return bit(w0, 4) == 1 or bit(w2, 16) == 1 end

local function package_flash(w0, w3)
  local key = ("%d%d%d%d"):format(bit(w0, 4), bit(w3, 25), bit(w3, 27), bit(w3, 26))
  return package_sizes[key]
end

-- First three bytes of the MAC. Chips of early lots do not store them.
local function maker_bytes(w1, w3)
  if w3 & 0xFFFFFF ~= 0 then return w3 >> 16 & 0xFF, w3 >> 8 & 0xFF, w3 & 0xFF end
  local selector = w1 >> 16 & 0xFF
  if selector == 0 then return 0x18, 0xFE, 0x34 end
  if selector == 1 then return 0xAC, 0xD0, 0x74 end
  return nil
end

local function mac_text(bytes)
  return ("%02x:%02x:%02x:%02x:%02x:%02x"):format(table.unpack(bytes))
end

local function mac_of(w0, w1, w3)
  local a, b, c = maker_bytes(w1, w3)
  if not a then return nil end
  return { a, b, c, w1 >> 8 & 0xFF, w1 & 0xFF, w0 >> 24 & 0xFF }
end

--- Identity from the four eFuse words. Layout published by Espressif staff and
-- confirmed by their tools for MAC and chip type.
-- @tparam integer w0 at 0x3ff00050
-- @tparam integer w1 at 0x3ff00054
-- @tparam integer w2 at 0x3ff00058
-- @tparam integer w3 at 0x3ff0005c
-- @treturn table chip ("ESP8266EX", "ESP8285N08", "ESP8285H16", "ESP8285", ...),
-- esp8285 (boolean), package_flash_bytes (nil when there is none or it is not
-- known), mac and softap_mac ("18:fe:34:..", "unknown" when the words name no
-- maker), mac_bytes and softap_mac_bytes (six integers, nil when unknown),
-- chip_id (as the SDK reports it), high_temperature (boolean)
function chip_id.from_efuse(w0, w1, w2, w3)
  local small = is_esp8285(w0, w2)
  local size = small and package_flash(w0, w3) or nil
  local names = part_names[size]
  local mac = mac_of(w0, w1, w3)
  local softap = mac and { mac[1] | 2, table.unpack(mac, 2) }
  return {
    chip = not small and "ESP8266EX" or names and names[bit(w0, 5)] or "ESP8285",
    esp8285 = small, package_flash_bytes = size,
    high_temperature = bit(w0, 5) == 1,
    mac_bytes = mac, mac = mac and mac_text(mac) or "unknown",
    softap_mac_bytes = softap, softap_mac = softap and mac_text(softap) or "unknown",
    chip_id = w0 >> 24 & 0xFF | (w1 & 0xFFFFFF) << 8,
  }
end

--- Crystal frequency from the divider that auto-baud found.
-- The boot PLL gives the UART twice the crystal; 24 MHz is not told from 26.
-- @tparam integer baud rate we talk at
-- @tparam integer clkdiv word read from `CLKDIV_ADDR`
-- @treturn table mhz (26 or 40), estimate_hz, warning (text or nil)
function chip_id.crystal(baud, clkdiv)
  local estimate = baud * (clkdiv & 0xFFFFF) // 2
  local mhz = estimate > 33000000 and 40 or 26
  local result = { mhz = mhz, estimate_hz = estimate }
  if math.abs(estimate - mhz * 1000000) > 1000000 then
    result.warning = ("the crystal seems to have %.1f MHz, neither 26 nor 40; the adapter's "
      .. "baud rate may be off"):format(estimate / 1e6)
  end
  return result
end

return chip_id
