--- SPIFFS: making images of files.
--
-- While there is room the result is, byte for byte, what NodeMCU's own tool
-- makes of the same files in the same order. It writes a file in portions of
-- 16 KB, and each portion of a large file leaves a deleted index header behind;
-- where that would not fit, the files are written whole. Pure.
-- @module moonflash.spiffs_build
local check <const> = require "moonflash.spiffs_check"
local edit <const> = require "moonflash.spiffs_edit"
local errors <const> = require "moonflash.errors"
local format <const> = require "moonflash.spiffs_format"
local medium <const> = require "moonflash.spiffs_medium"
local numbers <const> = require "moonflash.numbers"
local space <const> = require "moonflash.spiffs_space"
local text <const> = require "moonflash.text"

local build = {}

local DATA <const>, PAGE <const>, INDEX <const> = format.DATA, format.PAGE, format.INDEX
local PORTION <const> = 16384
-- With so few free blocks, or fewer, the tool collects garbage.
local TOOL_RESERVE <const> = 3

--- An empty file system.
-- @tparam table geo geometry
-- @treturn string
function build.format(geo)
  local parts, count = {}, geo.flavour.no_counts and format.FREE or 0
  for block = 0, geo.blocks - 1 do
    parts[#parts + 1] = ("\xff"):rep(PAGE - 4) .. format.block_tail(geo, block, count)
      .. ("\xff"):rep(geo.block - PAGE)
  end
  return table.concat(parts)
end

local function mount(bytes, geo)
  return check.reopen { medium = medium.new(bytes), geometry = geo }
end

-- Would the tool collect garbage before it writes so many bytes?
local function tool_collects(fs, bytes)
  local totals = space.totals(fs)
  local free = format.usable_pages(fs.geometry) - totals.live - totals.deleted
  return totals.free_blocks <= TOOL_RESERVE or bytes >= free * DATA
end

-- The tool deletes by setting the flags byte, whatever it was.
local function tool_drop(fs, pix)
  space.drop(fs, pix)
  fs.medium:poke(pix * PAGE + 4, string.char(format.DELETE_MASK))
end

-- One file on its way into the image: pages of its index and data so far.
local writer = {}
writer.__index = writer

function writer:header(size)
  return format.index_page(self.flavour, self.id, 0, self.slots[0],
    { name = self.name, size = size })
end

-- Puts down what is known of an index page; the header moves if it has a size.
function writer:flush(index, size)
  local fs = self.fs
  if index > 0 then
    fs.medium:program(self.at[index] * PAGE,
      format.index_page(self.flavour, self.id, index, self.slots[index]))
  end
  local old = self.at[0]
  if self.sized then
    self.at[0] = space.add(fs, self:header(size))
    tool_drop(fs, old)
  else
    fs.medium:program(old * PAGE, self:header(size))
  end
  self.sized = true
end

function writer:data(span, at, piece)
  local fs, index = self.fs, format.slot(self.flavour, span)
  if at > 0 then
    fs.medium:program(self.last * PAGE + 5 + at, piece)
    return
  end
  if not self.at[index] then
    self.at[index], self.slots[index] = space.reserve(fs, self.id | INDEX), {}
  end
  self.last = space.add(fs, format.data_page(self.id, span, piece))
  table.insert(self.slots[index], self.last)
end

-- One portion, from a byte of the file on.
function writer:portion(bytes, first, last)
  local index
  while first < last do
    local span, at = first // DATA, first % DATA
    local here = format.slot(self.flavour, span)
    if index and here ~= index then self:flush(index, first) end
    index = here
    local size = math.min(DATA - at, last - first)
    self:data(span, at, bytes:sub(first + 1, first + size))
    first = first + size
  end
  self:flush(index, last)
end

-- Writes one file as the tool does. False when the tool would collect garbage.
local function put_as_tool(fs, name, bytes)
  if tool_collects(fs, DATA) then return false end
  local id = edit.new_id(fs)
  local w = setmetatable({ fs = fs, flavour = fs.geometry.flavour, id = id, name = name,
    slots = { [0] = {} }, at = { [0] = space.reserve(fs, id | INDEX) }, sized = false }, writer)
  fs.medium:program(w.at[0] * PAGE, w:header(nil))
  for first = 0, #bytes - 1, PORTION do
    local last = math.min(first + PORTION, #bytes)
    if tool_collects(fs, last - first + DATA) then return false end
    w:portion(bytes, first, last)
  end
  edit.add(fs, { id = id, name = name, type = 1, terminated = true, size = #bytes,
    sized = #bytes > 0, header = w.at[0], index = table.move(w.at, 1, #w.at, 1, {}) })
  return true
end

local function try_as_tool(files, geo)
  local fs = mount(build.format(geo), geo)
  for _, file in ipairs(files) do
    if not put_as_tool(fs, file.name, file.bytes) then return nil end
  end
  return fs
end

-- Checks everything before the first byte is made.
local function check_files(files, geo)
  local seen, pages = {}, 0
  for _, file in ipairs(files) do
    format.check_name(file.name)
    if seen[file.name] then
      errors.raise("argument", ("the file %s is there twice"):format(text.escape(file.name)))
    end
    seen[file.name] = true
    local data, index = format.pages_of(geo.flavour, #file.bytes)
    pages = pages + data + index
  end
  local usable = format.usable_pages(geo)
  if pages <= usable then return end
  local blocks = (pages + geo.entries - 1) // geo.entries + 2
  errors.raise("size", ("%s take %d pages, a file system of %s has %d"):format(
    text.count(#files, "file"), pages, numbers.size_text(geo.size), usable),
    { hint = ("it would need %d bytes"):format(blocks * geo.block) })
end

--- Makes an image.
-- @tparam {table,...} files `name`, `bytes`, in the order in which they are
-- written
-- @tparam table geo geometry
-- @tparam[opt] table opts `compact` = true leaves no deleted pages, even where
-- NodeMCU's tool would
-- @treturn fs the mounted file system; `fs.medium:bytes()` is the image
-- @treturn boolean whether it is what NodeMCU's tool would make
-- @raise `argument` (a name), `size` (they do not fit)
function build.image(files, geo, opts)
  check_files(files, geo)
  local fs = not (opts and opts.compact) and try_as_tool(files, geo)
  if fs then return fs, true end
  fs = mount(build.format(geo), geo)
  for _, file in ipairs(files) do edit.put(fs, file.name, file.bytes) end
  return fs, false
end

return build
