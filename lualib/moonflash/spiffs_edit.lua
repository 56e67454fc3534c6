--- SPIFFS: writing, deleting and renaming files in an existing file system.
-- Flash rules are kept: bits are only cleared, blocks are erased when garbage
-- is collected and at no other time. Pure: the caller commits.
-- @module moonflash.spiffs_edit
local errors <const> = require "moonflash.errors"
local format <const> = require "moonflash.spiffs_format"
local reading <const> = require "moonflash.spiffs_read"
local space <const> = require "moonflash.spiffs_space"
local text <const> = require "moonflash.text"

local edit = {}

local FREE <const>, DELETED <const>, INDEX <const> = format.FREE, format.DELETED, format.INDEX
local DATA <const> = format.DATA
-- The firmware searches ids with a bitmap of one page.
local BITMAP_IDS <const> = format.PAGE * 8

-- Of a range too wide for its bitmap the firmware takes the first of 256 parts
-- with the fewest files in it, until the range is narrow enough.
local function narrow(fs, low, high)
  while high - low > BITMAP_IDS do
    local part = (high - low) // format.PAGE
    local counts, least = {}, 0
    for i = 0, format.PAGE - 1 do counts[i] = 0 end
    for id in pairs(fs.files) do
      local i = (id - low) // part
      if counts[i] then counts[i] = counts[i] + 1 end
    end
    for i = 1, format.PAGE - 1 do
      if counts[i] < counts[least] then least = i end
    end
    low, high = low + least * part, low + (least + 1) * part
    if counts[least] == 0 then return low, high end
  end
  return low, high
end

--- The id that the firmware would give a new file.
-- @raise `size` when all are taken
function edit.new_id(fs)
  local geo = fs.geometry
  -- Half of all pages; before 1.5.4.1 the lookup pages counted too.
  local pages = geo.flavour.magic and geo.blocks * geo.entries or geo.pages
  local last = math.min(pages // 2 + 1, 0x7FFF)
  for id = narrow(fs, 1, last), last do
    if not fs.ids[id] then return id end
  end
  for id = 1, 0x7FFE do
    if not fs.ids[id] then return id end
  end
  errors.raise("size", "the file system has no file number left")
end

-- Writes all pages of a file; room is there.
local function write_pages(fs, file, bytes)
  local flavour = fs.geometry.flavour
  local total = format.pages_of(flavour, #bytes)
  -- The pages' numbers are known only after they are taken, and the header
  -- comes first as in the firmware: it is taken now and written at the end.
  local pending = { [0] = space.reserve(fs, file.id | INDEX) }
  local slots = { [0] = {} }
  for span = 0, total - 1 do
    local index = format.slot(flavour, span)
    if not pending[index] then
      pending[index], slots[index] = space.reserve(fs, file.id | INDEX), {}
    end
    local page = format.data_page(file.id, span, bytes:sub(span * DATA + 1, span * DATA + DATA))
    slots[index][#slots[index] + 1] = space.add(fs, page)
  end
  file.size, file.sized, file.header, file.index = #bytes, #bytes > 0, pending[0], {}
  for index = 0, #pending do
    local pix = pending[index]
    if index > 0 then file.index[index] = pix end
    local head = index == 0 and { name = file.name, type = file.type,
      size = #bytes > 0 and #bytes or nil } or nil
    fs.medium:program(pix * format.PAGE,
      format.index_page(flavour, file.id, index, slots[index], head))
  end
end

--- How `spiffs_space` writes all files anew.
edit.copy = { content = reading.content, write = write_pages }
local copy <const> = edit.copy

--- Makes a file that was written known.
function edit.add(fs, file)
  fs.files[file.id] = file
  fs.order[#fs.order + 1] = file.id
  fs.by_name[file.name] = file
end

local function forget(fs, file)
  fs.files[file.id] = nil
  for i, id in ipairs(fs.order) do
    if id == file.id then
      table.remove(fs.order, i)
      break
    end
  end
  if fs.by_name[file.name] ~= file then return end
  fs.by_name[file.name] = nil
  for _, id in ipairs(fs.order) do
    if fs.files[id].name == file.name then
      fs.by_name[file.name] = fs.files[id]
      return
    end
  end
end

--- Deletes every page that carries a file's id.
function edit.drop_id(fs, id)
  local pix = 0
  while fs.ids[id] and pix < fs.geometry.pages do
    local entry = fs.lookup[pix]
    if entry and entry ~= FREE and entry ~= DELETED and entry & ~INDEX == id then
      space.drop(fs, pix)
    end
    pix = pix + 1
  end
  if fs.files[id] then forget(fs, fs.files[id]) end
end

--- Empties, erases and marks blocks whose magic is wrong, as the firmware would
-- do with one of them when it mounts, but keeps what is in them.
function edit.heal_blocks(fs)
  for _, block in ipairs(fs.bad_blocks) do space.collect(fs, block) end
  fs.bad_blocks = {}
end

--- Writes a file; one of that name is replaced.
-- @tparam fs fs
-- @tparam string name at most 31 bytes
-- @tparam string bytes content, may be empty
-- @treturn boolean false when exactly this was there already
-- @raise `argument` (the name), `size` (no room; nothing was changed)
function edit.put(fs, name, bytes)
  format.check_name(name)
  local old = fs.by_name[name]
  if old and old.size == #bytes then
    local now, why = reading.content(fs, old)
    if not why and now == bytes then return false end
  end
  local flavour = fs.geometry.flavour
  local data, index = format.pages_of(flavour, #bytes)
  local need, limit = data + index, format.usable_pages(fs.geometry)
  local totals = space.totals(fs)
  local old_pages = old and fs.ids[old.id] or 0
  if totals.live - old_pages + need > limit then
    errors.raise("size", ("%s does not fit: it takes %s, the file system has %d left"):format(
      text.escape(name), text.count(need, "page"), math.max(0, limit - totals.live + old_pages)),
      { hint = "remove files or take a larger file system" })
  end
  edit.heal_blocks(fs)
  -- New before old, so that one of them is whole at any time, if both fit.
  local early = old and totals.live + need > limit
  if early then edit.drop_id(fs, old.id) end
  space.ensure(fs, need, copy)
  local file = { id = edit.new_id(fs), name = name, type = 1, terminated = true }
  write_pages(fs, file, bytes)
  if old and not early then edit.drop_id(fs, old.id) end
  edit.add(fs, file)
  return true
end

--- Deletes a file.
-- @raise `file` when there is none of that name
function edit.remove(fs, name)
  local file = reading.need(fs, name)
  edit.heal_blocks(fs)
  edit.drop_id(fs, file.id)
end

-- Writes a file's index header anew, under another name, to another page.
local function rewrite_header(fs, file, name)
  local flavour = fs.geometry.flavour
  local page = fs.medium:page(file.header)
  page = format.place(page, flavour.name_at, name .. ("\0"):rep(format.NAME_MAX + 1 - #name))
  local old = file.header
  file.header = space.add(fs, page)
  space.drop(fs, old)
  forget(fs, file)
  file.name, file.terminated = name, true
  edit.add(fs, file)
end

--- Gives a file another name: its index header moves to a new page.
-- @raise `file` when there is none of that name, or one of the new name;
-- `argument`, `size`
function edit.rename(fs, name, new_name)
  format.check_name(new_name)
  local file = reading.need(fs, name)
  if name == new_name then return end
  if fs.by_name[new_name] then
    errors.raise("file", ("there is a file %s already"):format(text.escape(new_name)))
  end
  edit.heal_blocks(fs)
  space.ensure(fs, 1, copy)
  rewrite_header(fs, file, new_name)
end

return edit
