--- Flash seen through a function that reads it: each page is read once, blank
-- sectors that are known not at all. Pure.
-- @module moonflash.flash_view

local flash_view = {}
flash_view.__index = flash_view

local PAGE <const>, SECTOR <const> = 0x100, 0x1000
local BLANK <const> = ("\xff"):rep(PAGE)

--- A view.
-- @tparam function read `read(addr, size)`, pages only
-- @tparam integer size of the flash
-- @tparam[opt] function blank `blank(sector address)`: true, false, or nil when
-- it is not known
-- @treturn flash_view with `size` and `fetched`, the bytes read so far
function flash_view.new(read, size, blank)
  return setmetatable({ read = read, size = size, blank = blank or function() end, pages = {},
    fetched = 0 }, flash_view)
end

local function page_of(self, index)
  if self.pages[index] then return self.pages[index] end
  if self.blank(index * PAGE // SECTOR * SECTOR) then return BLANK end
end

-- Reads a run of pages that are missing.
local function fetch(self, first, last)
  local bytes = self.read(first * PAGE, (last - first + 1) * PAGE)
  self.fetched = self.fetched + #bytes
  for i = first, last do
    local at = (i - first) * PAGE
    self.pages[i] = bytes:sub(at + 1, at + PAGE)
  end
end

local function fetch_missing(self, first, last)
  local from
  for i = first, last + 1 do
    local missing = i <= last and not page_of(self, i)
    if missing then from = from or i end
    if from and not missing then
      fetch(self, from, i - 1)
      from = nil
    end
  end
end

local function join(self, addr, size)
  local first, last, list = addr // PAGE, (addr + size - 1) // PAGE, {}
  for i = first, last do list[#list + 1] = page_of(self, i) or BLANK end
  local at = addr - first * PAGE
  return table.concat(list):sub(at + 1, at + size)
end

--- Bytes of flash.
-- @tparam integer addr
-- @tparam integer size at least 1; cut at the end of flash
-- @treturn string
function flash_view:get(addr, size)
  size = math.min(size, self.size - addr)
  if size <= 0 then return "" end
  fetch_missing(self, addr // PAGE, (addr + size - 1) // PAGE)
  return join(self, addr, size)
end

--- Bytes as far as they were read; 0xff elsewhere.
-- @treturn string
function flash_view:sparse(addr, size) return join(self, addr, size) end

--- Was all of this range read, or is it known to be blank?
-- @treturn boolean
function flash_view:has(addr, size)
  for i = addr // PAGE, (addr + size - 1) // PAGE do
    if not page_of(self, i) then return false end
  end
  return true
end

--- Is a sector blank? Known, or judged by its first page.
-- @tparam integer addr of a sector
-- @treturn boolean
function flash_view:is_blank(addr)
  local known = self.blank(addr)
  if known ~= nil then return known end
  return self:get(addr, PAGE) == BLANK
end

return flash_view
