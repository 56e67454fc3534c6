--- SPIFFS on flash, as NodeMCU uses it: flavours, geometry, pages. Pure.
--
-- Everything is little-endian, a page has 256 bytes. The first page of a block
-- is its lookup page (one 16-bit object id per following page, then at 0xFC a
-- magic and at 0xFE the block's erase count); the others are object pages with
-- a header of five bytes. Pages are counted from 0 over the whole file system,
-- lookup pages included: such a number is called `pix`. Source: the struct
-- definitions of nodemcu-firmware's tags, images made with its own tool.
-- @module moonflash.spiffs_format
local errors <const> = require "moonflash.errors"
local numbers <const> = require "moonflash.numbers"
local text <const> = require "moonflash.text"

local format = {}

--- Bytes of a page: NodeMCU has never built it otherwise.
format.PAGE = 256
--- Bytes of a file in one data page.
format.DATA = 251
--- Longest file name, in bytes.
format.NAME_MAX = 31
--- Lookup entry of a page that was never written.
format.FREE = 0xFFFF
--- Lookup entry of a page that was deleted.
format.DELETED = 0x0000
--- Bit of an id that marks an index page.
format.INDEX = 0x8000
--- A size that was never set: an empty file.
format.NO_SIZE = 0xFFFFFFFF

local PAGE <const>, DATA <const>, FREE <const> = format.PAGE, format.DATA, format.FREE
local MAGIC_AT <const>, COUNT_AT <const> = 0xFC, 0xFE
-- Low half of 0x20140529, XOR the page size.
local MAGIC <const> = 0x0529 ~ 0x0100
-- Page numbers have 16 bits.
local MAX_PAGES <const> = 0xFFFF

-- Flags of a page header, active low.
local USED <const>, FINAL <const>, INDEX_PAGE <const> = 0x01, 0x02, 0x04
local BEING_DELETED <const>, GONE <const> = 0x40, 0x80
--- Flags of a data page that is complete.
format.DATA_FLAGS = 0xFF & ~(USED | FINAL)
--- Flags of an index page that is complete.
format.INDEX_FLAGS = 0xFF & ~(USED | FINAL | INDEX_PAGE)
--- What a deletion clears.
format.DELETE_MASK = 0xFF & ~(USED | GONE)

--- Every flavour of the format, newest first. `size_at` .. `index_at` are
-- offsets in an index header page, `more_at` that of the page numbers in
-- further index pages. `padding` is what NodeMCU's tool leaves in the byte
-- before `index_at`; it means nothing.
format.flavours = {
  { id = "3", magic = "linear", text = "NodeMCU 2.1.0 of August 2017 and later, 3.x",
    size_at = 8, type_at = 12, name_at = 13, index_at = 46, more_at = 8, padding = 0x56 },
  { id = "2", magic = "skewed", text = "NodeMCU 1.5.4.1-final, 2.0.0, 2.1.0 before August 2017",
    size_at = 8, type_at = 12, name_at = 13, index_at = 46, more_at = 8, padding = 0x55 },
  { id = "1", text = "NodeMCU 1.4.0 to 1.5.1",
    size_at = 5, type_at = 9, name_at = 10, index_at = 42, more_at = 5 },
  { id = "0.9.6", text = "NodeMCU 0.9.6", no_counts = true,
    size_at = 7, type_at = 11, name_at = 12, index_at = 44, more_at = 6 },
  { id = "0.9.5", text = "NodeMCU 0.9.5", no_counts = true,
    size_at = 6, type_at = 10, name_at = 12, index_at = 44, more_at = 6 },
}
for _, flavour in ipairs(format.flavours) do
  flavour.header_slots = (PAGE - flavour.index_at) // 2
  flavour.more_slots = (PAGE - flavour.more_at) // 2
end

local aliases = {
  ["3.x"] = "3", ["3.0"] = "3", ["3.0-2019"] = "3", ["2.1"] = "3", ["2.2"] = "3",
  ["2.0"] = "2", ["1.5.4.1"] = "2", ["1.5"] = "1", ["1.4"] = "1", ["1.x"] = "1",
  ["0.9"] = "0.9.5",
}

--- The flavour of a name: an id, or a NodeMCU version that stands for one.
-- @tparam string name "3", "2", "1", "0.9.6", "0.9.5", "3.x", "2.2", "2.0", ...
-- @treturn table a row of `flavours`
-- @raise `usage`
function format.flavour(name)
  local id = aliases[name] or name
  for _, flavour in ipairs(format.flavours) do
    if flavour.id == id then return flavour end
  end
  errors.raise("usage", ("there is no SPIFFS generation %s"):format(text.quote(name)), { hint =
    "3 (NodeMCU 2.1 to 3.x), 2 (1.5.4.1 to 2.0), 1 (1.4 to 1.5.1), 0.9.6 or 0.9.5" })
end

-- The scheme changed on 2016-10-25 and back on 2017-05-21, in builds of `dev`;
-- 1.5.4.1-final stays with what it had in between.
local function flavour_2x(version, day)
  if version:match("^1%.5%.4%.1") then
    return day and day < "2016-10-25" and "3" or "2"
  elseif version:match("^2%.0") then
    return "2"
  elseif version:match("^2%.1") then
    return day and (day < "2017-05-21" and "2" or "3") or nil
  end
  return version:match("^2%.[2-9]") and "3" or nil
end

--- The flavour that a firmware reads and writes.
-- @tparam table found result of `nodemcu.identify`
-- @treturn table|nil a row of `flavours`; nil when the firmware does not tell
function format.flavour_of(found)
  local version, id = found.version or "", nil
  if found.generation == "3.x" or found.generation == "3.0-2019" then
    id = "3"
  elseif found.generation == "2.x" then
    id = flavour_2x(version, (found.build or ""):match("^(%d%d%d%d%-%d%d%-%d%d)"))
  elseif version:match("^1%.[45]") then
    id = "1"
  elseif version:match("^0%.9%.[56]") then
    id = version:match("^0%.9%.[56]")
  end
  return id and format.flavour(id) or nil
end

--- The block size that firmware takes for a file system of this size.
-- @tparam table flavour
-- @tparam integer size in bytes
-- @treturn integer 8192 or 4096
function format.default_block(flavour, size)
  return flavour.magic and size >= 4 * 8192 and 8192 or 4096
end

--- The geometry of a file system.
-- @tparam table given `size` in bytes; `flavour` (row or name, default "3");
-- `block` (4096, 8192; default what the firmware would take); `found` = true for
-- a file system that exists: those of three blocks are mounted, not made
-- @treturn table flavour, size, block, blocks, entries (object pages of a
-- block), per_block (pages), pages
-- @raise `usage`, `size`
function format.geometry(given)
  local flavour = given.flavour or "3"
  if type(flavour) ~= "table" then flavour = format.flavour(flavour) end
  local size = given.size
  local block = given.block or format.default_block(flavour, size)
  if block ~= 4096 and block ~= 8192 then
    errors.raise("size", ("a SPIFFS block has 4096 or 8192 bytes, not %d"):format(block))
  elseif size < (given.found and 3 or 4) * block then
    errors.raise("size", ("a file system has at least 4 blocks: %d bytes, not %d"):format(
      4 * block, size), { hint = size < 4096 and "write 192k for 192 KB" or nil })
  elseif size % block ~= 0 then
    errors.raise("size", ("%s is not a whole number of blocks of %d bytes"):format(
      numbers.size_text(size), block),
      { hint = ("the nearest below is %d"):format(size // block * block) })
  elseif size // PAGE > MAX_PAGES then
    errors.raise("size", "a file system of NodeMCU is smaller than 16 MB")
  end
  local per_block = block // PAGE
  return { flavour = flavour, size = size, block = block, blocks = size // block,
    per_block = per_block, entries = per_block - 1, pages = size // PAGE }
end

--- Pages that files may take: two blocks stay free for collecting garbage.
-- @tparam table geo geometry
function format.usable_pages(geo) return (geo.blocks - 2) * geo.entries end

--- The magic of a block.
-- @tparam table geo
-- @tparam integer block from 0
-- @treturn integer|nil nil in flavours without
function format.magic(geo, block)
  local back
  if geo.flavour.magic == "linear" then
    back = block
  elseif geo.flavour.magic == "skewed" then
    back = block < 2 and block or block == 2 and 3 or 4 * block
  else
    return nil
  end
  return MAGIC ~ ((geo.blocks - back) & 0xFFFF)
end

--- How many blocks the magics of blocks 0 to 2 speak of. One of the three may
-- be blank, as after an interrupted erase.
-- @tparam string scheme "linear" or "skewed"
-- @tparam {integer,...} magics of blocks 0, 1, 2
-- @treturn integer|nil number of blocks
function format.count_blocks(scheme, magics)
  local c = {}
  for i = 1, 3 do c[i] = magics[i] ~= FREE and magics[i] ~ MAGIC or nil end
  local second = scheme == "linear" and 1 or 2
  local count
  if c[1] and c[2] and c[3] then
    count = c[1] - c[2] == 1 and c[2] - c[3] == second and c[1]
  elseif not c[1] and c[2] and c[3] then
    count = c[2] - c[3] == second and c[2] + 1
  elseif not c[2] and c[1] and c[3] then
    count = c[1] - c[3] == 1 + second and c[1]
  elseif not c[3] and c[1] and c[2] then
    count = c[1] - c[2] == 1 and c[1]
  end
  return count and count >= 3 and count or nil
end

--- Address of a block's magic.
-- @tparam table geo
-- @tparam integer block
function format.magic_addr(geo, block) return block * geo.block + MAGIC_AT end

--- Address of a block's erase count.
-- @tparam table geo
-- @tparam integer block
function format.count_addr(geo, block) return block * geo.block + COUNT_AT end

--- Address of the lookup entry of a page.
function format.entry_addr(geo, pix)
  return pix // geo.per_block * geo.block + (pix % geo.per_block - 1) * 2
end

--- Can files' pages lie here? (Not a lookup page, not outside.)
function format.is_object_page(geo, pix)
  return pix < geo.pages and pix % geo.per_block ~= 0
end

--- First bytes of an erased block.
-- @tparam table geo
-- @tparam integer block
-- @tparam[opt] integer count erase count; nil leaves it blank
-- @treturn string four bytes, for `magic_addr`
function format.block_tail(geo, block, count)
  return ("<I2I2"):pack(format.magic(geo, block) or FREE, count or FREE)
end

--- Read a page's header.
-- @tparam string page
-- @treturn integer id with `INDEX` in index pages
-- @treturn integer span
-- @treturn integer flags
function format.header(page)
  local id, span, flags = ("<I2I2B"):unpack(page)
  return id, span, flags
end

--- Are these the flags of a data page that is complete and not deleted?
-- @tparam integer flags
-- @treturn boolean
function format.is_data(flags) return flags & (GONE | INDEX_PAGE | FINAL | USED) == 0x84 end

--- Are these the flags of an index page that is complete and not deleted?
-- @tparam integer flags
-- @treturn boolean
function format.is_index(flags) return flags & (GONE | INDEX_PAGE | FINAL | USED) == 0x80 end

--- Has this page been deleted?
-- @tparam integer flags
-- @treturn boolean
function format.is_gone(flags) return flags & GONE == 0 end

--- Has a deletion of this index header's file begun? It may have been cut short.
-- @tparam integer flags
-- @treturn boolean
function format.is_being_deleted(flags) return flags & BEING_DELETED == 0 end

--- Number of data pages of a file, and of index pages for so many.
-- @tparam table flavour
-- @tparam integer size in bytes
-- @treturn integer data pages
-- @treturn integer index pages, the header included
function format.pages_of(flavour, size)
  local data = (size + DATA - 1) // DATA
  if data <= flavour.header_slots then return data, 1 end
  return data, 1 + (data - flavour.header_slots + flavour.more_slots - 1) // flavour.more_slots
end

--- The greatest file that so many pages hold.
-- @tparam table flavour
-- @tparam integer pages data and index
-- @treturn integer|nil bytes; nil when not even an empty file fits
function format.largest_file(flavour, pages)
  if pages < 1 then return nil end
  local rest = pages - 1 - flavour.header_slots
  if rest <= 0 then return (pages - 1) * DATA end
  local more = (rest + flavour.more_slots) // (flavour.more_slots + 1)
  return (pages - 1 - more) * DATA
end

--- Which index page, and which slot of it, names the data page of a span.
-- @tparam table flavour
-- @tparam integer span from 0
-- @treturn integer index page, 0 = the header
-- @treturn integer offset of the slot in that page
function format.slot(flavour, span)
  if span < flavour.header_slots then return 0, flavour.index_at + 2 * span end
  span = span - flavour.header_slots
  return 1 + span // flavour.more_slots, flavour.more_at + 2 * (span % flavour.more_slots)
end

--- The spans that an index page covers: first, and how many.
function format.spans(flavour, index)
  if index == 0 then return 0, flavour.header_slots end
  return flavour.header_slots + (index - 1) * flavour.more_slots, flavour.more_slots
end

--- All slots of an index page.
-- @treturn {integer,...} page numbers, `FREE` where none
function format.slots(flavour, index, page)
  local _, count = format.spans(flavour, index)
  local at = (index == 0 and flavour.index_at or flavour.more_at) + 1
  local list = { ("<" .. ("I2"):rep(count)):unpack(page, at) }
  list[count + 1] = nil     -- unpack's last result: where it stopped
  return list
end

--- What an index header says.
-- @tparam table flavour
-- @tparam string page
-- @treturn table size (0 when never set), sized (false when never set), type,
-- name, terminated (false when the name has no end)
function format.read_index_header(flavour, page)
  local size = ("<I4"):unpack(page, flavour.size_at + 1)
  local field = page:sub(flavour.name_at + 1, flavour.name_at + format.NAME_MAX + 1)
  local name = field:match("^[^%z]*")
  return { size = size == format.NO_SIZE and 0 or size, sized = size ~= format.NO_SIZE,
    type = page:byte(flavour.type_at + 1), name = name:sub(1, format.NAME_MAX),
    terminated = #name < #field }
end

local function place(page, at, bytes)
  return page:sub(1, at) .. bytes .. page:sub(at + #bytes + 1)
end

--- Bytes put into a page in place of its own.
-- @tparam string page
-- @tparam integer at offset of the first one
-- @tparam string bytes
-- @treturn string
-- @function format.place
format.place = place

--- Build an index page.
-- @tparam table flavour
-- @tparam integer id without `INDEX`
-- @tparam integer index number of the index page
-- @tparam {integer,...} slots page numbers from the page's first slot on
-- @tparam[opt] table file `name`, `size` (nil = never set), `type`; for index 0
-- @treturn string 256 bytes
function format.index_page(flavour, id, index, slots, file)
  local list = {}
  for i, pix in ipairs(slots) do list[i] = ("<I2"):pack(pix) end
  local page = ("<I2I2B"):pack(id | format.INDEX, index, format.INDEX_FLAGS)
  if index > 0 then
    page = page .. ("\xff"):rep(flavour.more_at - #page)
  else
    page = page .. ("\0"):rep(flavour.index_at - #page)
    page = place(page, flavour.size_at, ("<I4"):pack(file.size or format.NO_SIZE))
    page = place(page, flavour.type_at, string.char(file.type or 1))
    page = place(page, flavour.name_at, file.name)
    if flavour.padding then
      page = place(page, flavour.index_at - 1, string.char(flavour.padding))
    end
  end
  page = page .. table.concat(list)
  return page .. ("\xff"):rep(PAGE - #page)
end

--- Build a data page.
-- @tparam integer id
-- @tparam integer span
-- @tparam string content at most 251 bytes
-- @treturn string 256 bytes
function format.data_page(id, span, content)
  return ("<I2I2B"):pack(id, span, format.DATA_FLAGS) .. content
    .. ("\xff"):rep(DATA - #content)
end

--- Check a file name.
-- @tparam string name
-- @treturn string name
-- @raise `argument`
function format.check_name(name)
  if name == "" then
    errors.raise("argument", "a file on the chip needs a name")
  elseif name:find("%z") then
    errors.raise("argument", "a file name cannot hold a zero byte")
  elseif #name > format.NAME_MAX then
    errors.raise("argument", ("the name %s has %d characters, SPIFFS takes %d"):format(
      name, #name, format.NAME_MAX), { hint = "the folder counts too: rename the file or"
      .. " put it nearer to the top" })
  end
  return name
end

return format
