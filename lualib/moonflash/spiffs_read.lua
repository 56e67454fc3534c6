--- SPIFFS: recognising, mounting and reading a file system. Pure.
--
-- What is read is hostile: every loop is bounded by the number of pages, and
-- nothing that a page says is used before it was checked.
-- @module moonflash.spiffs_read
local errors <const> = require "moonflash.errors"
local format <const> = require "moonflash.spiffs_format"
local text <const> = require "moonflash.text"

local reading = {}

local FREE <const>, DELETED <const>, INDEX <const> = format.FREE, format.DELETED, format.INDEX
local DATA <const>, PAGE <const> = format.DATA, format.PAGE
local MAX_DOUBLES <const> = 32

local function magics(medium, addr, block)
  local list = {}
  for i = 0, 2 do
    local at = addr + i * block + 0xFC
    if at + 4 > medium.size then return nil end
    list[i + 1] = medium:word(at)
  end
  return list
end

-- How many blocks do not carry the magic that they should.
local function wrong_magics(medium, addr, geo)
  local wrong = 0
  for block = 0, geo.blocks - 1 do
    local word = medium:word(addr + format.magic_addr(geo, block))
    if word ~= format.magic(geo, block) then wrong = wrong + 1 end
  end
  return wrong
end

-- The file system with a magic that starts at an address, if there is one. The
-- first two magics are the same in both schemes; the most of them decide.
local function with_magic(medium, addr)
  local best, least
  for _, block in ipairs { 8192, 4096 } do
    local words = magics(medium, addr, block)
    for _, flavour in ipairs(words and format.flavours or {}) do
      local count = flavour.magic and format.count_blocks(flavour.magic, words)
      if count and count * block <= medium.size - addr then
        local geo = format.geometry { flavour = flavour, size = count * block, block = block,
          found = true }
        local wrong = wrong_magics(medium, addr, geo)
        if wrong <= count // 2 and wrong < (least or math.huge) then
          best, least = geo, wrong
        end
      end
    end
  end
  return best
end

-- Do these pages look like an index header of the flavour?
local function fits(flavour, page)
  local file = format.read_index_header(flavour, page)
  return file.type == 1 and file.terminated and file.name:match("^[\x20-\x7e]+$")
    and page:sub(flavour.name_at + #file.name + 2, flavour.name_at + 32):match("^%z*$") ~= nil
end

-- Counts live index headers per flavour without magic; one whose lookup entry
-- and header disagree is a sign that this is no file system at all.
local function vote(medium, geo, first)
  local votes, wrong, seen = {}, 0, 0
  for pix = 0, geo.pages - 1 do
    if format.is_object_page(geo, pix) and seen < 64 then
      local entry = medium:word(first + format.entry_addr(geo, pix))
      if entry ~= FREE and entry ~= DELETED and entry & INDEX ~= 0 then
        local page = medium:page(first // PAGE + pix)
        local id, span, flags = format.header(page)
        seen = seen + 1
        if id ~= entry or not format.is_index(flags) then
          wrong = wrong + 1
        elseif span == 0 then
          for _, flavour in ipairs(format.flavours) do
            if not flavour.magic and fits(flavour, page) then
              votes[flavour.id] = (votes[flavour.id] or 0) + 1
            end
          end
        end
      end
    end
  end
  return votes, wrong
end

local function without_magic(medium, addr)
  local size = (medium.size - addr) // 4096 * 4096
  if size < 4 * 4096 or size // PAGE > 0xFFFF then return nil end
  local geo = format.geometry { flavour = "1", size = size, block = 4096, found = true }
  local votes, wrong = vote(medium, geo, addr)
  local best
  for _, flavour in ipairs(format.flavours) do
    local n = votes[flavour.id]
    if n and n > wrong and (not best or n > votes[best.id]) then best = flavour end
  end
  if not best then return nil end
  return format.geometry { flavour = best, size = size, block = 4096, found = true }
end

--- Finds out which file system starts at an address.
-- A flavour without magic is recognised by its files alone, and taken to fill
-- the medium to its end.
-- @tparam medium medium
-- @tparam[opt=0] integer addr
-- @treturn table|nil geometry
function reading.probe(medium, addr)
  addr = addr or 0
  return with_magic(medium, addr) or without_magic(medium, addr)
end

--- All file systems with a magic, in a backup of a whole chip for instance.
-- @tparam medium medium
-- @treturn {table,...} `addr`, `geometry`
function reading.find(medium)
  local list, addr = {}, 0
  while addr + 3 * 4096 <= medium.size do
    -- A blank sector before a file system could be its first block, too.
    local blank = medium:word(addr + 0xFC) == FREE
    local geo = not blank and with_magic(medium, addr)
    if geo then list[#list + 1] = { addr = addr, geometry = geo } end
    addr = addr + (geo and geo.size or 4096)
  end
  return list
end

-- One lookup page: entries of its block.
local function read_lookup(fs, block)
  local geo = fs.geometry
  local page = fs.medium:page(block * geo.per_block)
  local entries = { ("<" .. ("I2"):rep(geo.entries)):unpack(page) }
  for i = 1, geo.entries do fs.lookup[block * geo.per_block + i] = entries[i] end
  local count = fs.medium:word(format.count_addr(geo, block))
  if count ~= FREE and count > fs.erase_count then fs.erase_count = count end
  local magic = format.magic(geo, block)
  if magic and magic ~= fs.medium:word(format.magic_addr(geo, block)) then
    fs.bad_blocks[#fs.bad_blocks + 1] = block
  end
end

--- Is the page that an index slot names really this span of this file?
-- @treturn boolean
function reading.owns(fs, id, span, pix)
  if not format.is_object_page(fs.geometry, pix) or fs.lookup[pix] ~= id then return false end
  local page_id, page_span, flags = format.header(fs.medium:page(pix))
  return page_id == id and page_span == span and format.is_data(flags)
end

--- The page numbers of a file's data, and what is wrong with them.
-- @tparam fs fs
-- @tparam table file
-- @treturn {integer,...} page of span 0, 1, ...; ends at the first bad one
-- @treturn string|nil why it ended early
function reading.data_pages(fs, file)
  local flavour, pages = fs.geometry.flavour, {}
  local total = format.pages_of(flavour, file.size)
  local index, slots, first
  -- The size may lie; the first page that is not the file's own ends this.
  while #pages < total do
    local span = #pages
    local wanted = format.slot(flavour, span)
    if wanted ~= index then
      local pix = wanted == 0 and file.header or file.index[wanted]
      if not pix then return pages, ("index page %d is missing"):format(wanted) end
      index, first = wanted, (format.spans(flavour, wanted))
      slots = format.slots(flavour, index, fs.medium:page(pix))
    end
    local pix = slots[span - first + 1]
    if not reading.owns(fs, file.id, span, pix) then
      return pages, ("the page of byte %d is missing"):format(span * DATA)
    end
    pages[span + 1] = pix
  end
  return pages
end

--- The content of a file, as far as it can be read.
-- @treturn string
-- @treturn string|nil why it is not all
function reading.content(fs, file)
  local pages, why = reading.data_pages(fs, file)
  local parts = {}
  for i, pix in ipairs(pages) do parts[i] = fs.medium:page(pix):sub(6) end
  return table.concat(parts):sub(1, file.size), why
end

local function new_file(flavour, id, pix, page)
  local file = format.read_index_header(flavour, page)
  file.id, file.header, file.index = id, pix, {}
  return file
end

-- Two live headers of one id: an update was cut short. The one whose data
-- check out stands; of two such the longer file.
local function better(fs, a, b)
  local _, bad_a = reading.content(fs, a)
  local _, bad_b = reading.content(fs, b)
  if (bad_a == nil) ~= (bad_b == nil) then return bad_a == nil and a or b end
  return b.size > a.size and b or a
end

local function add_header(fs, id, pix, page)
  local file = new_file(fs.geometry.flavour, id, pix, page)
  local other = fs.files[id]
  if not other then
    fs.files[id] = file
    fs.order[#fs.order + 1] = id
    return
  end
  fs.doubles[#fs.doubles + 1] = { id = id, file, other }
end

local function settle_doubles(fs)
  for i, double in ipairs(fs.doubles) do
    -- More than a few are no interrupted update but malice: the first stands.
    if i > MAX_DOUBLES then return end
    local kept = fs.files[double.id]
    local other = double[1]
    other.index = kept.index
    fs.files[double.id] = better(fs, kept, other)
  end
end

-- Reads the header of every index page that the lookup pages name.
local function read_index_pages(fs)
  local more = {}
  for pix = 0, fs.geometry.pages - 1 do
    local entry = fs.lookup[pix]
    if entry and entry ~= FREE and entry & INDEX ~= 0 then
      local page = fs.medium:page(pix)
      local id, span, flags = format.header(page)
      if id == entry and format.is_index(flags) then
        if span > 0 then
          more[#more + 1] = { id & ~INDEX, span, pix }
        elseif not format.is_being_deleted(flags) then
          add_header(fs, id & ~INDEX, pix, page)
        end
      end
    end
  end
  for _, m in ipairs(more) do
    local file = fs.files[m[1]]
    if file and not file.index[m[2]] then file.index[m[2]] = m[3] end
  end
end

--- Reads what is needed to work with a file system: lookup pages and headers.
-- @tparam table fs with `medium` and `geometry`; gets `lookup` (page -> id),
-- `files` (id -> file), `order` (ids as found), `by_name`, `bad_blocks`,
-- `erase_count`
-- @treturn table fs
function reading.mount(fs)
  fs.lookup, fs.files, fs.order, fs.by_name = {}, {}, {}, {}
  fs.bad_blocks, fs.doubles, fs.erase_count = {}, {}, 0
  for block = 0, fs.geometry.blocks - 1 do read_lookup(fs, block) end
  read_index_pages(fs)
  settle_doubles(fs)
  for _, id in ipairs(fs.order) do
    local file = fs.files[id]
    -- Of two files with one name the firmware opens the first that it finds.
    fs.by_name[file.name] = fs.by_name[file.name] or file
  end
  return fs
end

--- The file of a name.
-- @raise `file`
function reading.need(fs, name)
  local file = fs.by_name[name]
  if file then return file end
  errors.raise("file", ("there is no file %s in the file system"):format(text.escape(name)))
end

return reading
