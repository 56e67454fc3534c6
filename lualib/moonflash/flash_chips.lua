--- SPI NOR flash chips as found on ESP8266 and ESP8285 boards: who made them,
-- how large they are, how quad mode is enabled, how long things take. Pure.
--
-- An id word is what RDID (9Fh) leaves in the chip's W0 register:
-- manufacturer | memory type << 8 | capacity << 16. Sources: flashrom, OpenOCD,
-- the Arduino core and ESP-IDF agree on ids unless marked.
-- @module moonflash.flash_chips

local flash_chips = {}

local KB <const> = 1024
local MB <const> = 1024 * 1024

--- Makers by first id byte. Codes of other banks collide: 0x20 is XMC as well as
-- ST/Micron, 0x9d ISSI as well as PMC; the parts table knows better.
flash_chips.manufacturers = {
  [0x01] = "Spansion/Cypress", [0x0B] = "XTX", [0x0E] = "Zbit", [0x1C] = "Eon",
  [0x1F] = "Adesto", [0x20] = "XMC", [0x37] = "AMIC", [0x52] = "Alliance", [0x5E] = "Zbit",
  [0x68] = "Boya", [0x85] = "Puya", [0x8C] = "ESMT", [0x9D] = "ISSI", [0xA1] = "Fudan",
  [0xBA] = "Zetta", [0xBF] = "SST", [0xC2] = "Macronix", [0xC8] = "GigaDevice",
  [0xCD] = "Tsingteng", [0xD5] = "Nantronics", [0xE0] = "BergMicro", [0xEF] = "Winbond",
  [0xF8] = "Fidelix",
}

local PARTS <const> = {
  { 0xEF, 0x40, 0x13, 0x18, part = "W25Q40 W25Q80 W25Q16 W25Q32 W25Q64 W25Q128" },
  { 0xEF, 0x60, 0x13, 0x18, part = "W25Q40DW W25Q80DW W25Q16DW W25Q32DW W25Q64DW W25Q128FW",
    note = "1.8 V part, or a 3.3 V part left in QPI mode" },
  { 0xEF, 0x70, 0x15, 0x18, part = "W25Q16JV-M W25Q32JV-M W25Q64JV-M W25Q128JV-M" },
  { 0xEF, 0x30, 0x12, 0x17, part = "W25X20 W25X40 W25X80 W25X16 W25X32 W25X64",
    note = "dual modes only" },
  { 0xC8, 0x40, 0x12, 0x18, part = "GD25Q20 GD25Q40 GD25Q80 GD25Q16 GD25Q32 GD25Q64 GD25Q128" },
  { 0xC8, 0x60, 0x13, 0x18, part = "GD25LQ40 GD25LQ80 GD25LQ16 GD25LQ32 GD25LQ64 GD25LQ128",
    note = "1.8 V part" },
  { 0xC8, 0x65, 0x14, 0x14, part = "GD25WQ80E" },
  { 0xE0, 0x40, 0x13, 0x16, part = "BG25Q40 BG25Q80 BG25Q16 BG25Q32" },
  { 0x1C, 0x30, 0x13, 0x18, part = "EN25Q40 EN25Q80 EN25Q16 EN25Q32 EN25Q64 EN25Q128" },
  { 0x1C, 0x70, 0x15, 0x18, part = "EN25QH16 EN25QH32 EN25QH64 EN25QH128" },
  { 0x1C, 0x31, 0x10, 0x17, part = "EN25F", note = "no quad modes" },
  { 0x1C, 0x38, 0x10, 0x18, part = "EN25S", note = "1.8 V part" },
  { 0x9D, 0x60, 0x15, 0x18, part = "IS25LP016 IS25LP032 IS25LP064 IS25LP128" },
  { 0x9D, 0x70, 0x12, 0x18,
    part = "IS25WP020 IS25WP040 IS25WP080 IS25WP016 IS25WP032 IS25WP064 IS25WP128",
    note = "1.8 V part" },
  { 0x9D, 0x40, 0x13, 0x13, part = "IS25LQ040B" },
  { 0x9D, 0x40, 0x16, 0x16, part = "IS25LQ032" },
  { 0x9D, 0x14, 0x45, 0x45, part = "IS25LQ016", size = 2 * MB },
  { 0xC2, 0x20, 0x13, 0x18, part = "MX25L40 MX25L80 MX25L16 MX25L32 MX25L64 MX25L128" },
  { 0xC2, 0x23, 0x13, 0x15, part = "MX25V4035F MX25V8035F MX25V1635F" },
  { 0xC2, 0x25, 0x15, 0x15, part = "MX25L1635E" },
  { 0xC2, 0x24, 0x15, 0x15, part = "MX25L1635D" },
  { 0xC2, 0x25, 0x34, 0x38,
    part = "MX25U8032E MX25U1635F MX25U3235F MX25U6435F MX25U12835F", note = "1.8 V part" },
  { 0xC2, 0x28, 0x10, 0x17, part = "MX25R512F MX25R1035F MX25R2035F MX25R4035F MX25R8035F "
    .. "MX25R1635F MX25R3235F MX25R6435F" },
  { 0xC2, 0x5E, 0x16, 0x16, part = "MX25L3235D" },
  { 0x85, 0x60, 0x10, 0x18, part = "P25Q05H P25Q10H P25Q20H P25Q40H P25Q80H P25Q16H P25Q32H "
    .. "P25Q64H P25Q128H" },
  { 0x85, 0x40, 0x10, 0x12, part = "P25Q06H P25Q11H P25Q21H" },
  { 0x85, 0x20, 0x15, 0x17, part = "PY25Q16HA PY25Q32HA PY25Q64HA" },
  { 0x20, 0x40, 0x15, 0x18, part = "XM25QH16 XM25QH32 XM25QH64 XM25QH128" },
  { 0x20, 0x70, 0x15, 0x18, part = "XM25QH16A XM25QH32A XM25QH64A XM25QH128A" },
  { 0x20, 0x38, 0x17, 0x17, part = "XM25QU64A", note = "1.8 V part" },
  { 0x20, 0x50, 0x14, 0x16, part = "XM25QU80B XM25QU16C XM25QU32C", note = "1.8 V part" },
  { 0x20, 0xBA, 0x16, 0x18, part = "N25Q032 N25Q064 N25Q128", maker = "Micron" },
  { 0xA1, 0x40, 0x13, 0x18, part = "FM25Q04 FM25Q08 FM25Q16 FM25Q32 FM25Q64 FM25Q128" },
  { 0xA1, 0x31, 0x10, 0x18, part = "FM25F" },
  { 0x68, 0x40, 0x12, 0x18, part = "BY25D20 BY25D40 BY25D80 BY25Q16 BY25Q32 BY25Q64 BY25Q128" },
  { 0x5E, 0x40, 0x15, 0x18, part = "ZB25VQ16 ZB25VQ32 ZB25VQ64 ZB25VQ128" },
  { 0x5E, 0x60, 0x15, 0x18, part = "ZB25VQ16 ZB25VQ32 ZB25VQ64 ZB25VQ128" },
  { 0x0B, 0x40, 0x12, 0x18, part = "XT25F02 XT25F04 XT25F08 XT25F16 XT25F32 XT25F64 XT25F128" },
  { 0x0B, 0x60, 0x14, 0x18, part = "XT25Q08 XT25Q16 XT25Q32 XT25Q64 XT25Q128",
    note = "1.8 V part" },
  { 0x8C, 0x40, 0x15, 0x16, part = "F25L16QA F25L32QA" },
  { 0x8C, 0x41, 0x16, 0x18, part = "F25L32QA-2S F25L64QA-2S F25L128QA-2S" },
  { 0x8C, 0x20, 0x14, 0x14, part = "F25L008A" },
  { 0x8C, 0x20, 0x16, 0x16, part = "F25L32PA" },
  { 0xBA, 0x60, 0x15, 0x15, part = "ZD25Q16" },
  { 0x1F, 0x85, 0x01, 0x01, part = "AT25SF081", size = 1 * MB },
  { 0x1F, 0x86, 0x01, 0x01, part = "AT25SF161", size = 2 * MB },
  { 0x1F, 0x87, 0x01, 0x01, part = "AT25SF321", size = 4 * MB },
}

--- Parts: id bytes as in the data sheet (manufacturer, type, first and last
-- capacity byte); `part` has one name per capacity, separated by blanks, or one
-- for all. `maker` where the code is shared; `size` where the capacity byte does
-- not tell it.
flash_chips.parts = PARTS

-- Makers whose capacity byte says nothing by the common rule.
local odd_makers = { [0x1F] = true, [0xBF] = true }

--- Quad enable, per maker and memory type: where the bit is and how it is set.
-- `register` 1 or 2, `bit` in it; `write`: "01-1" = command 01 with one byte,
-- "01-2" with two bytes (SR1, SR2), "31" = command 31 with SR2; "none" = nothing
-- to set or no quad modes. `rom_keeps` tells whether the bit survives the mask
-- ROM's own mode setup at each boot. The first row that matches counts.
flash_chips.quad_rules = {
  { 0xC2, nil, register = 1, bit = 6, write = "01-1", rom_keeps = false },
  { 0x9D, nil, register = 1, bit = 6, write = "01-1", rom_keeps = false },
  { 0xEF, 0x30, write = "none", quad = false, rom_keeps = true },
  { 0xEF, nil, register = 2, bit = 1, write = "01-2", rom_keeps = true },
  { 0xC8, 0x60, register = 2, bit = 1, write = "01-2", rom_keeps = true },
  { 0xC8, nil, register = 2, bit = 1, write = "31", rom_keeps = true },
  { 0x85, nil, register = 2, bit = 1, write = "01-2", rom_keeps = true },
  { 0x68, nil, register = 2, bit = 1, write = "31", rom_keeps = true },
  { 0x5E, nil, register = 2, bit = 1, write = "31", rom_keeps = true },
  { 0x0B, nil, register = 2, bit = 1, write = "31", rom_keeps = true },
  { 0xBA, nil, register = 2, bit = 1, write = "31", rom_keeps = true },
  { 0x20, 0xBA, write = "none", quad = true, rom_keeps = true },
  { 0x20, 0x38, write = "none", quad = false, rom_keeps = true,
    note = "its bit is only reached in OTP mode" },
  { 0x20, nil, register = 2, bit = 1, write = "31", rom_keeps = true },
  { 0xA1, nil, register = 2, bit = 1, write = "31", rom_keeps = true, note = "QOUT only" },
  { 0x1C, nil, write = "none", quad = false, rom_keeps = true,
    note = "no quad enable bit; use DIO or DOUT" },
  { 0xE0, nil, register = 2, bit = 1, write = "01-2", rom_keeps = true },
}

--- Typical busy times in milliseconds: one page programmed, 4 KiB, 32 KiB and
-- 64 KiB erased, and the whole chip per MB. First the general case.
flash_chips.timings = {
  default = { page = 0.6, sector = 50, block32 = 150, block64 = 200, chip_per_mb = 4000 },
  [0xEF] = { page = 0.5, sector = 45, block32 = 120, block64 = 150, chip_per_mb = 2500 },
  [0xC8] = { page = 0.6, sector = 50, block32 = 150, block64 = 220, chip_per_mb = 3750 },
  [0xC2] = { page = 1.4, sector = 60, block32 = 400, block64 = 850, chip_per_mb = 6250 },
  [0x85] = { page = 2.0, sector = 7, block32 = 7, block64 = 7, chip_per_mb = 2 },
  [0x20] = { page = 0.5, sector = 45, block32 = 150, block64 = 250, chip_per_mb = 4000 },
}

--- Longest times a working chip may take, in milliseconds; the whole chip per MB,
-- but at least and at most as given.
flash_chips.limits = {
  page = 10, status = 100, sector = 1000, block64 = 5000, chip_per_mb = 40000,
  chip_min = 30000, chip_max = 240000,
}

local function bytes_of(id) return id & 0xFF, (id >> 8) & 0xFF, (id >> 16) & 0xFF end

--- Size by the capacity byte alone.
-- @tparam integer capacity third id byte
-- @treturn integer|nil bytes; nil when the byte follows no rule
function flash_chips.size_by_capacity(capacity)
  local exponent
  if capacity >= 0x10 and capacity <= 0x1C then
    exponent = capacity
  elseif capacity >= 0x20 and capacity <= 0x22 then
    exponent = capacity - 0x20 + 0x1A     -- decimal style after 0x19
  elseif capacity >= 0x32 and capacity <= 0x39 then
    exponent = capacity - 0x20
  elseif capacity == 0x3A then
    exponent = 0x1A
  end
  return exponent and 1 << exponent
end

local function name_in(row, capacity)
  local index = 0
  local first
  for name in row.part:gmatch("%S+") do
    first = first or name
    if index == capacity - row[3] then return name end
    index = index + 1
  end
  return first
end

local function find_part(maker, kind, capacity)
  for _, row in ipairs(flash_chips.parts) do
    if row[1] == maker and row[2] == kind and capacity >= row[3] and capacity <= row[4] then
      return row
    end
  end
end

-- Answers that no chip gives: the lines are stuck or the chip sleeps.
local function suspicious(maker, kind, capacity)
  local word = maker | kind << 8 | capacity << 16
  if word == 0 then
    return "all bits are 0: no flash answers, or it has no power"
  elseif word == 0xFFFFFF then
    return "all bits are 1: no flash answers, it sleeps, or its pins are in use"
  elseif maker == 0 or maker == 0xFF then
    return ("no maker has the code 0x%02x: the lines are disturbed"):format(maker)
  elseif maker == kind and kind == capacity then
    return "all bytes are equal: the lines are disturbed"
  end
end

--- Identify a flash chip by its id word.
-- @tparam integer id RDID result, manufacturer in the low byte; bits above 24
-- are ignored
-- @treturn table|nil manufacturer (name or nil), manufacturer_id, device_id
-- (type << 8 | capacity, as other tools print it), part (name or nil), name (both,
-- for people), size_bytes, size_known (false: 4 MB assumed), usable_bytes (at
-- most 16 MB), known (in the parts table), note
-- @treturn string|nil why the id cannot be one
function flash_chips.identify(id)
  local maker, kind, capacity = bytes_of(id)
  local why = suspicious(maker, kind, capacity)
  if why then return nil, why end
  local row = find_part(maker, kind, capacity)
  local size = row and row.size
  if not size and (row or not odd_makers[maker]) then
    size = flash_chips.size_by_capacity(capacity)
  end
  local info = {
    manufacturer = row and row.maker or flash_chips.manufacturers[maker],
    manufacturer_id = maker, device_id = kind << 8 | capacity,
    part = row and name_in(row, capacity), known = row ~= nil,
    size_bytes = size or 4 * MB, size_known = size ~= nil, note = row and row.note,
  }
  info.usable_bytes = math.min(info.size_bytes, 16 * MB)
  info.name = ("%s %s"):format(info.manufacturer or ("maker 0x%02x"):format(maker),
    info.part or ("0x%04x"):format(info.device_id))
  if not size then info.note = "unknown size, 4 MB assumed" end
  if info.size_bytes < 256 * KB then info.note = "too small for an ESP8266 firmware" end
  return info
end

--- How quad mode is enabled on a chip.
-- @tparam integer id id word
-- @treturn table|nil row of `quad_rules`; nil when nothing is known
function flash_chips.quad_rule(id)
  local maker, kind = bytes_of(id)
  for _, row in ipairs(flash_chips.quad_rules) do
    if row[1] == maker and (row[2] == nil or row[2] == kind) then return row end
  end
end

--- Typical busy times of a chip.
-- @tparam[opt] integer id id word
-- @treturn table row of `timings`
function flash_chips.timing(id)
  return id and flash_chips.timings[id & 0xFF] or flash_chips.timings.default
end

return flash_chips
