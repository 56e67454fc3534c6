--- SPIFFS: free pages, collecting garbage, deleting and moving pages. Pure.
--
-- Within a block pages are taken in ascending order, as the firmware does: it
-- relies on no page being in use behind a free one, and on two blocks that are
-- wholly free.
-- @module moonflash.spiffs_space
local errors <const> = require "moonflash.errors"
local format <const> = require "moonflash.spiffs_format"
local text <const> = require "moonflash.text"

local space = {}

local FREE <const>, DELETED <const>, INDEX <const> = format.FREE, format.DELETED, format.INDEX
local RESERVE <const> = 2

local function pages_of_block(fs, block)
  local first = block * fs.geometry.per_block
  return first + 1, first + fs.geometry.entries
end

-- What a block holds: free pages behind the last used one, deleted, live.
local function census(fs, block)
  local first, last = pages_of_block(fs, block)
  local c = { block = block, first_free = last + 1, free = 0, deleted = 0, live = 0 }
  for pix = last, first, -1 do
    local entry = fs.lookup[pix]
    if entry == FREE and c.first_free == pix + 1 then
      c.first_free, c.free = pix, c.free + 1
    elseif entry == DELETED or entry == FREE then
      c.deleted = c.deleted + 1
    else
      c.live = c.live + 1
    end
  end
  return c
end

local function recount(fs, block)
  fs.blocks[block] = census(fs, block)
end

-- Enters a page in the tables: `ids` counts the live pages of each file.
local function enter(fs, pix, entry)
  local old = fs.lookup[pix]
  if old and old ~= FREE and old ~= DELETED then
    local n = fs.ids[old & ~INDEX] - 1
    fs.ids[old & ~INDEX] = n > 0 and n or nil
  end
  fs.lookup[pix] = entry
  if entry ~= FREE and entry ~= DELETED then
    fs.ids[entry & ~INDEX] = (fs.ids[entry & ~INDEX] or 0) + 1
  end
end

--- Counts all blocks; needed once after mounting.
function space.count(fs)
  fs.blocks, fs.ids = {}, {}
  for block = 0, fs.geometry.blocks - 1 do
    local first, last = pages_of_block(fs, block)
    for pix = first, last do
      local entry = fs.lookup[pix]
      fs.lookup[pix] = nil
      enter(fs, pix, entry)
    end
    recount(fs, block)
  end
  return fs
end

--- Totals over all blocks.
-- @treturn table live, free, deleted (pages), free_blocks
function space.totals(fs)
  local t = { live = 0, free = 0, deleted = 0, free_blocks = 0 }
  for block = 0, fs.geometry.blocks - 1 do
    local c = fs.blocks[block]
    t.live, t.free, t.deleted = t.live + c.live, t.free + c.free, t.deleted + c.deleted
    if c.free == fs.geometry.entries then t.free_blocks = t.free_blocks + 1 end
  end
  return t
end

local function set_entry(fs, pix, id)
  fs.medium:program(format.entry_addr(fs.geometry, pix), ("<I2"):pack(id))
  enter(fs, pix, id)
  local c = fs.blocks[pix // fs.geometry.per_block]
  if id == DELETED then
    c.live, c.deleted = c.live - 1, c.deleted + 1
  else
    c.free, c.live, c.first_free = c.free - 1, c.live + 1, pix + 1
  end
end

--- Takes a page: of a block in use if there is one, else of a free block.
-- @tparam fs fs
-- @tparam integer id for the lookup page, with `INDEX` for an index page
-- @tparam[opt] integer avoid block that is being emptied
-- @treturn integer pix
local function take(fs, id, avoid)
  local entries, fresh = fs.geometry.entries, nil
  for block = 0, fs.geometry.blocks - 1 do
    local c = fs.blocks[block]
    if block ~= avoid and c.free > 0 then
      if c.free < entries then
        set_entry(fs, c.first_free, id)
        return c.first_free - 1
      end
      fresh = fresh or c
    end
  end
  if not fresh then errors.raise("size", "the file system has no free page left") end
  set_entry(fs, fresh.first_free, id)
  return fresh.first_free - 1
end

--- Takes a free page, to be written later.
-- A page that is called free and is not (a write was cut short) is given up.
-- @tparam fs fs
-- @tparam integer id with `INDEX` for an index page
-- @tparam[opt] integer avoid block
-- @treturn integer pix
-- @raise `size` when there is none
function space.reserve(fs, id, avoid)
  local pix = take(fs, id, avoid)
  while not fs.medium:is_blank(pix) do
    space.drop(fs, pix)
    pix = take(fs, id, avoid)
  end
  return pix
end

--- Takes a free page and writes it.
-- @tparam fs fs
-- @tparam string page its header names the id
-- @tparam[opt] integer avoid block
-- @treturn integer pix
function space.add(fs, page, avoid)
  local pix = space.reserve(fs, (format.header(page)), avoid)
  fs.medium:program(pix * format.PAGE, page)
  return pix
end

--- Marks a page deleted: in the lookup page, then in its header.
function space.drop(fs, pix)
  if fs.lookup[pix] == FREE then
    fs.medium:program(format.entry_addr(fs.geometry, pix), "\0\0")
    enter(fs, pix, DELETED)
    recount(fs, pix // fs.geometry.per_block)
  elseif fs.lookup[pix] ~= DELETED then
    set_entry(fs, pix, DELETED)
  end
  local at = pix * format.PAGE + 4
  local flags = fs.medium:read(at, 1):byte()
  fs.medium:program(at, string.char(flags & format.DELETE_MASK))
end

-- Erases a block and writes its magic and its count.
local function erase(fs, block)
  local geo = fs.geometry
  fs.erase_count = fs.erase_count + 1
  if fs.erase_count >= INDEX then fs.erase_count = 0 end
  fs.medium:erase(block * geo.block, geo.block)
  fs.medium:program(format.magic_addr(geo, block),
    format.block_tail(geo, block, fs.erase_count))
  local first, last = pages_of_block(fs, block)
  for pix = first, last do enter(fs, pix, FREE) end
  recount(fs, block)
end

-- Index pages that name pages of this block: key -> { file, index, moves }.
-- Also answers how many of them lie elsewhere.
local function touched(fs, block)
  local first, last = pages_of_block(fs, block)
  local list, outside = {}, 0
  for pix = first, last do
    local entry = fs.lookup[pix]
    local file = entry ~= FREE and entry ~= DELETED and fs.files[entry & ~INDEX]
    if file then
      local _, span = format.header(fs.medium:page(pix))
      local index = entry & INDEX ~= 0 and span or format.slot(fs.geometry.flavour, span)
      local at = index == 0 and file.header or file.index[index]
      local key = file.id << 16 | index
      if at and not list[key] then
        list[key] = { file = file, index = index, at = at, moves = {} }
        list[#list + 1] = list[key]
        if at < first or at > last then outside = outside + 1 end
      end
    end
  end
  return list, outside
end

-- Moves one page out of its block; notes what its index page must say then.
local function move_data(fs, pix, list, block)
  local page = fs.medium:page(pix)
  local id, span = format.header(page)
  local owned = fs.lookup[pix] == id and id & INDEX == 0 and fs.files[id]
  local index, slot = format.slot(fs.geometry.flavour, span)
  local touched_page = owned and list[id << 16 | index]
  if not touched_page then return end
  if fs.medium:word(touched_page.at * format.PAGE + slot) ~= pix then return end
  local new = space.add(fs, page, block)
  touched_page.moves[#touched_page.moves + 1] = { slot, new }
end

local function move_index(fs, entry, block)
  local page = fs.medium:page(entry.at)
  for _, move in ipairs(entry.moves) do
    page = format.place(page, move[1], ("<I2"):pack(move[2]))
  end
  local new = space.add(fs, page, block)
  space.drop(fs, entry.at)
  if entry.index == 0 then
    entry.file.header = new
  else
    entry.file.index[entry.index] = new
  end
end

-- Empties a block and erases it. Pages that no file names are left behind.
-- @raise `size`, before anything is changed, when its pages fit nowhere else
local function collect(fs, block)
  local first, last = pages_of_block(fs, block)
  local list, outside = touched(fs, block)
  local c = fs.blocks[block]
  if c.live + outside > space.totals(fs).free - c.free then
    errors.raise("size", ("block %d cannot be emptied: the file system is full"):format(block))
  end
  for pix = first, last do
    local entry = fs.lookup[pix]
    if entry ~= FREE and entry ~= DELETED and entry & INDEX == 0 then
      move_data(fs, pix, list, block)
    end
  end
  for _, entry in ipairs(list) do
    local here = entry.at >= first and entry.at <= last
    if here or #entry.moves > 0 then move_index(fs, entry, block) end
  end
  erase(fs, block)
end

--- Empties a block and erases it. Pages that no file names are left behind.
-- @tparam fs fs
-- @tparam integer block number
-- @raise `size`, before anything is changed, when its pages fit nowhere else
-- @function space.collect
space.collect = collect

--- Erases a block and writes its magic and its count.
-- @tparam fs fs
-- @tparam integer block number
-- @function space.erase
space.erase = erase

-- Pages that can be taken without touching the reserve.
local function available(fs)
  local t = space.totals(fs)
  local reserve = math.min(RESERVE, t.free_blocks) * fs.geometry.entries
  return t.free - reserve, t
end

-- The block whose collection yields most, and can be done with what is free.
local function candidate(fs, free)
  local best, best_gain
  for block = 0, fs.geometry.blocks - 1 do
    local c = fs.blocks[block]
    if c.deleted > 0 and (not best or c.deleted > best_gain) then
      local _, outside = touched(fs, block)
      local gain = c.deleted - outside
      local fits = c.live + outside <= free - c.free
      if fits and gain > (best_gain or 0) then best, best_gain = block, gain end
    end
  end
  return best
end

-- Writes every file anew, one after the other: what remains when no single
-- block can be emptied with profit.
local function compact(fs, copy)
  local files = {}
  for _, id in ipairs(fs.order) do files[#files + 1] = fs.files[id] end
  local contents = {}
  for i, file in ipairs(files) do contents[i] = copy.content(fs, file) end
  for block = 0, fs.geometry.blocks - 1 do
    if fs.blocks[block].free < fs.geometry.entries then erase(fs, block) end
  end
  for i, file in ipairs(files) do copy.write(fs, file, contents[i]) end
end

--- Makes room for a number of pages.
-- @tparam fs fs
-- @tparam integer pages
-- @tparam table copy functions `content(fs, file)` and `write(fs, file, bytes)`
-- @raise `size` when the live pages leave too few
function space.ensure(fs, pages, copy)
  local left, totals = available(fs)
  if totals.live + pages > format.usable_pages(fs.geometry) then
    errors.raise("size", ("the file system is full: it needs %s and has %d left"):format(
      text.count(pages, "page"), math.max(0, format.usable_pages(fs.geometry) - totals.live)),
      { hint = "remove files or take a larger file system" })
  end
  -- Every round yields a page at least, so this ends.
  while left < pages or totals.free_blocks < RESERVE do
    local block = candidate(fs, totals.free)
    if not block then
      compact(fs, copy)
      return
    end
    collect(fs, block)
    left, totals = available(fs)
  end
end

return space
