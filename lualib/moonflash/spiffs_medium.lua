--- The bytes under a file system, changed as NOR flash allows. Pure.
--
-- A source is a string, or `{ size = bytes, read = function(addr, size),
-- write = function(addr, bytes, change) }` (a region of a chip; addresses from
-- its start). Nothing is written before `commit`; then only sectors that differ
-- are.
-- @module moonflash.spiffs_medium
local medium = {}
medium.__index = medium

local PAGE <const>, SECTOR <const> = 256, 4096
local BLANK <const> = ("\xff"):rep(PAGE)

--- Wraps a source.
-- @tparam string|table source
-- @tparam[opt] integer grain bytes that are read at once from a chip, a power of
-- two of at least 256
-- @treturn medium
function medium.new(source, grain)
  if type(source) == "string" then
    local bytes = source
    source = { size = #bytes, bytes = bytes,
      read = function(addr, size) return bytes:sub(addr + 1, addr + size) end }
    grain = PAGE
  end
  return setmetatable({ source = source, size = source.size, grain = grain or SECTOR,
    original = {}, pages = {}, dirty = {} }, medium)
end

local function fetch(self, pix)
  local per = self.grain // PAGE
  local first = pix // per * per
  local addr = first * PAGE
  local bytes = self.source.read(addr, math.min(self.grain, self.size - addr))
  for i = 0, #bytes // PAGE - 1 do
    self.original[first + i] = bytes:sub(i * PAGE + 1, i * PAGE + PAGE)
  end
  return self.original[pix]
end

--- A page, as it is now.
-- @tparam integer pix page number
-- @treturn string 256 bytes
function medium:page(pix)
  return self.pages[pix] or self.original[pix] or fetch(self, pix)
end

--- Bytes within one page.
function medium:read(addr, size)
  local at = addr % PAGE
  return self:page(addr // PAGE):sub(at + 1, at + size)
end

--- A 16-bit word, little-endian, within one page.
-- @tparam integer addr
-- @treturn integer
function medium:word(addr)
  return (("<I2"):unpack(self:page(addr // PAGE), addr % PAGE + 1))
end

local function only_clears(old, new)
  for i = 1, #old do
    if new:byte(i) & ~old:byte(i) ~= 0 then return false end
  end
  return true
end

--- Overwrites bytes within one page without regard for what flash allows: for
-- building images.
function medium:poke(addr, bytes)
  local pix, at = addr // PAGE, addr % PAGE
  local page = self:page(pix)
  self.pages[pix] = page:sub(1, at) .. bytes .. page:sub(at + #bytes + 1)
  self.dirty[addr // SECTOR] = true
end

--- Programs bytes within one page: bits go from 1 to 0 only.
-- @raise a plain error when a bit would have to be set: a fault of the caller
function medium:program(addr, bytes)
  local old = self:read(addr, #bytes)
  if old ~= BLANK:sub(1, #bytes) and not only_clears(old, bytes) then
    error(("spiffs: bits at 0x%x cannot be set without erasing"):format(addr), 2)
  end
  self:poke(addr, bytes)
end

--- Erases whole sectors.
function medium:erase(addr, size)
  for pix = addr // PAGE, (addr + size) // PAGE - 1 do
    self:page(pix)
    self.pages[pix] = BLANK
  end
  for sector = addr // SECTOR, (addr + size - 1) // SECTOR do self.dirty[sector] = true end
end

--- Does a page hold nothing but 0xff?
-- @tparam integer pix number of the page
-- @treturn boolean
function medium:is_blank(pix) return self:page(pix) == BLANK end

local function sector(self, number, now)
  local parts, per = {}, SECTOR // PAGE
  for i = 0, per - 1 do
    local pix = number * per + i
    parts[i + 1] = now and self:page(pix) or self.original[pix] or fetch(self, pix)
  end
  return table.concat(parts)
end

--- The sectors that differ from the source.
-- @treturn {table,...} ascending: `addr`, `old`, `new` (4096 bytes each),
-- `erase` = false when programming alone makes new of old
function medium:changes()
  local list, sectors = {}, {}
  for number in pairs(self.dirty) do sectors[#sectors + 1] = number end
  table.sort(sectors)
  for _, number in ipairs(sectors) do
    local old, new = sector(self, number, false), sector(self, number, true)
    if old ~= new then
      list[#list + 1] = { addr = number * SECTOR, old = old, new = new,
        erase = not only_clears(old, new) }
    end
  end
  return list
end

--- Writes what changed to the source, sector by sector; each sector once.
-- @treturn {table,...} the changes
function medium:commit()
  local changes = self:changes()
  for _, change in ipairs(changes) do
    self.source.write(change.addr, change.new, change)
  end
  for pix, page in pairs(self.pages) do self.original[pix] = page end
  self.pages, self.dirty = {}, {}
  return changes
end

--- Everything, as it is now.
-- @treturn string
function medium:bytes()
  local parts = {}
  for pix = 0, self.size // PAGE - 1 do parts[#parts + 1] = self:page(pix) end
  return table.concat(parts)
end

return medium
