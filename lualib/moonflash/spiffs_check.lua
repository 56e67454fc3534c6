--- SPIFFS: what is wrong with a file system, and putting it right. Pure.
--
-- A problem is `{ kind, text, id, pix, block, name }`; kinds:
--   block      a block's magic is missing or wrong
--   page       lookup page and page header disagree, or a page is half written
--   gap        a free page before one in use, which the firmware skips for ever
--   deletion   a deletion was cut short
--   orphan     pages that belong to a file but are not part of it
--   lost       data pages without any file
--   index      the index of a file names pages beyond its end
--   tail       the last page of a file holds bytes beyond its end
--   truncated  pages of a file are missing: only its first part can be read
--   double     a file has two index headers
--   name       two files of one name, or a name or type that cannot be used
-- Fewer than two free blocks are no damage: the firmware cannot write then,
-- `full` says so.
-- @module moonflash.spiffs_check
local edit <const> = require "moonflash.spiffs_edit"
local errors <const> = require "moonflash.errors"
local format <const> = require "moonflash.spiffs_format"
local reading <const> = require "moonflash.spiffs_read"
local space <const> = require "moonflash.spiffs_space"
local text <const> = require "moonflash.text"

local check = {}

local FREE <const>, DELETED <const>, INDEX <const> = format.FREE, format.DELETED, format.INDEX
local MAX_ROUNDS <const> = 3
-- More damaged files than this are no accident; each costs a walk over all pages.
local MAX_WORK <const> = 1000

local function note(found, kind, fields, why, ...)
  fields.kind, fields.text = kind, why:format(...)
  found.problems[#found.problems + 1] = fields
end

local function quoted(name) return text.escape(name) end

-- One page against its lookup entry. Answers true for a live, sound page.
local function check_page(fs, found, pix)
  local entry = fs.lookup[pix]
  local id, _, flags = format.header(fs.medium:page(pix))
  if entry == FREE then
    if not fs.medium:is_blank(pix) then
      note(found, "page", { pix = pix }, "page %d is called free, but is not blank", pix)
    end
    return false
  elseif entry == DELETED then
    if not format.is_gone(flags) and not fs.medium:is_blank(pix) then
      note(found, "deletion", { pix = pix }, "page %d is deleted in its lookup page only", pix)
    end
    return false
  elseif format.is_gone(flags) then
    note(found, "deletion", { pix = pix }, "page %d is deleted in its header only", pix)
  elseif id ~= entry then
    note(found, "page", { pix = pix }, "page %d says it is of file %d, its lookup page %d", pix,
      id & ~INDEX, entry & ~INDEX)
  elseif not (entry & INDEX ~= 0 and format.is_index or format.is_data)(flags) then
    note(found, "page", { pix = pix }, "page %d was not written completely", pix)
  else
    return true
  end
  return false
end

local function check_gaps(fs, found, block)
  local first, gap = block * fs.geometry.per_block + 1, nil
  for pix = first, first + fs.geometry.entries - 1 do
    if fs.lookup[pix] == FREE then
      gap = gap or pix
    elseif gap then
      note(found, "gap", { block = block },
        "block %d has free pages before used ones", block)
      return
    end
  end
end

-- What lies behind the end of a file must be blank, in its last page and in its
-- index: the firmware writes there when the file grows.
local function check_tail(fs, found, file, last_page)
  local flavour = fs.geometry.flavour
  local total, index_pages = format.pages_of(flavour, file.size)
  local last = index_pages - 1
  local pix = last == 0 and file.header or file.index[last]
  local rest = last_page and -file.size % format.DATA or 0
  if rest > 0 and fs.medium:page(last_page):sub(-rest):find("[^\xff]") then
    note(found, "tail", { id = file.id, name = file.name },
      "%s: its last page goes on behind its end", quoted(file.name))
  end
  if not pix then return end
  local first = format.spans(flavour, last)
  local slots = format.slots(flavour, last, fs.medium:page(pix))
  for i = total - first + 1, #slots do
    if slots[i] ~= FREE then
      note(found, "index", { id = file.id, name = file.name },
        "%s: its index goes on behind its end", quoted(file.name))
      return
    end
  end
end

local function check_file(fs, found, file, used)
  local pages, why = reading.data_pages(fs, file)
  for _, pix in ipairs(pages) do used[pix] = true end
  used[file.header] = true
  local _, index_pages = format.pages_of(fs.geometry.flavour, file.size)
  for index, pix in pairs(file.index) do
    if index < index_pages then used[pix] = true end
  end
  if why then
    note(found, "truncated", { id = file.id, name = file.name },
      "%s: only %d of %d bytes can be read, %s", quoted(file.name),
      math.min(#pages * format.DATA, file.size), file.size, why)
  else
    check_tail(fs, found, file, pages[#pages])
  end
  if file.name == "" or not file.terminated then
    note(found, "name", { id = file.id, name = file.name }, "file %d has no proper name", file.id)
  elseif file.type ~= 1 then
    note(found, "name", { id = file.id, name = file.name }, "%s is no ordinary file",
      quoted(file.name))
  elseif fs.by_name[file.name] ~= file then
    note(found, "name", { id = file.id, name = file.name }, "there are two files %s",
      quoted(file.name))
  end
end

-- Live pages that no file uses.
local function check_rest(fs, found, live, used)
  local rest, by_id = {}, {}
  for _, pix in ipairs(live) do
    if not used[pix] then
      local id = fs.lookup[pix] & ~INDEX
      if not by_id[id] then
        by_id[id] = { id = id, pages = {} }
        rest[#rest + 1] = by_id[id]
      end
      table.insert(by_id[id].pages, pix)
    end
  end
  for _, r in ipairs(rest) do
    local file = fs.files[r.id]
    local _, span, flags = format.header(fs.medium:page(r.pages[1]))
    if file then
      note(found, "orphan", { id = r.id, pages = r.pages, name = file.name },
        "%s has %s outside its index", quoted(file.name), text.count(#r.pages, "stray page"))
    elseif fs.lookup[r.pages[1]] & INDEX ~= 0 and span == 0
      and format.is_being_deleted(flags) then
      note(found, "deletion", { id = r.id, pages = r.pages },
        "the deletion of file %d was cut short", r.id)
    else
      note(found, "lost", { id = r.id, pages = r.pages }, "%s of file %d, which has no header",
        text.count(#r.pages, "page"), r.id)
    end
  end
end

--- Looks at every page.
-- @tparam fs fs
-- @treturn table `problems` (list), `files` (number), `sound` = no problems,
-- `full` = the firmware would have to collect garbage before it can write
function check.run(fs)
  local found = { problems = {}, files = #fs.order }
  for _, block in ipairs(fs.bad_blocks) do
    note(found, "block", { block = block }, "block %d is not marked as part of the file system",
      block)
  end
  local live, used = {}, {}
  for block = 0, fs.geometry.blocks - 1 do
    check_gaps(fs, found, block)
    local first = block * fs.geometry.per_block + 1
    for pix = first, first + fs.geometry.entries - 1 do
      if check_page(fs, found, pix) then live[#live + 1] = pix end
    end
  end
  for _, double in ipairs(fs.doubles) do
    local file = fs.files[double.id]
    note(found, "double", { id = double.id, name = file.name },
      "%s has two index headers", quoted(file.name))
  end
  for _, id in ipairs(fs.order) do check_file(fs, found, fs.files[id], used) end
  check_rest(fs, found, live, used)
  local totals = space.totals(fs)
  found.full = totals.free_blocks < 2
  found.sound = #found.problems == 0
  return found
end

-- The bytes of data pages without a file, from span 0 on; erased bytes at the
-- end are taken for the unused rest of the last page.
local function lost_content(fs, pages)
  local spans, parts = {}, {}
  for _, pix in ipairs(pages) do
    local id, span = format.header(fs.medium:page(pix))
    if id & INDEX == 0 and not spans[span] then spans[span] = pix end
  end
  while spans[#parts] do parts[#parts + 1] = fs.medium:page(spans[#parts]):sub(6) end
  return (table.concat(parts):gsub("\xff+$", ""))
end

local function free_name(taken, wanted)
  local name, n = wanted, 1
  while taken[name] do
    n = n + 1
    local tail = "~" .. n
    name = wanted:sub(1, format.NAME_MAX - #tail) .. tail
  end
  return name
end

-- What is to be written anew: files that a problem names, lost ones.
local function collect_work(fs, found)
  local work, by_id = {}, {}
  for _, problem in ipairs(found.problems) do
    local id = problem.id
    if id and not by_id[id] then
      by_id[id] = { id = id }
      local file = fs.files[id]
      if file then
        by_id[id].name = file.name ~= "" and file.name or "file-" .. id
        by_id[id].bytes = reading.content(fs, file)
      elseif problem.kind == "lost" then
        by_id[id].name, by_id[id].bytes = "lost-" .. id, lost_content(fs, problem.pages)
        if by_id[id].bytes == "" then by_id[id].bytes = nil end
      end
      work[#work + 1] = by_id[id]
    end
  end
  return work
end

local function rewrite(fs, work, result)
  for _, item in ipairs(work) do edit.drop_id(fs, item.id) end
  for _, item in ipairs(work) do
    if item.bytes then
      local name = free_name(fs.by_name, item.name)
      local ok, err = pcall(edit.put, fs, name, item.bytes)
      if ok then
        result.rewritten[#result.rewritten + 1] = name
      elseif errors.is(err, "size") then
        result.dropped[#result.dropped + 1] = name
      else
        error(err, 0)
      end
    end
  end
end

-- Gives up the free pages of a block that lie before its last used one.
local function fill_gaps(fs, block)
  local first, used = block * fs.geometry.per_block + 1, false
  for pix = first + fs.geometry.entries - 1, first, -1 do
    if fs.lookup[pix] ~= FREE then
      used = true
    elseif used then
      space.drop(fs, pix)
    end
  end
end

local function drop_pages(fs, found)
  for _, problem in ipairs(found.problems) do
    if problem.pix then space.drop(fs, problem.pix) end
  end
  for block = 0, fs.geometry.blocks - 1 do fill_gaps(fs, block) end
end

--- Mounts again, after changes that the tables do not follow.
function check.reopen(fs)
  return space.count(reading.mount(fs))
end

-- Everything that can be read, as { name, bytes }, before anything is changed.
local function save_all(fs, work)
  local saved, done, names = {}, {}, {}
  local function save(name, bytes)
    name = free_name(names, name)
    names[name] = true
    saved[#saved + 1] = { name = name, bytes = bytes }
  end
  for _, item in ipairs(work) do done[item.id] = true end
  for _, id in ipairs(fs.order) do
    if not done[id] then save(fs.files[id].name, (reading.content(fs, fs.files[id]))) end
  end
  for _, item in ipairs(work) do
    if item.bytes then save(item.name, item.bytes) end
  end
  return saved
end

-- The last resort: what was saved, in a new file system.
local function rebuild(fs, saved, result)
  for block = 0, fs.geometry.blocks - 1 do space.erase(fs, block) end
  check.reopen(fs)
  result.rebuilt, result.dropped = true, {}
  for _, file in ipairs(saved) do
    local ok, err = pcall(edit.put, fs, file.name, file.bytes)
    if not ok and not errors.is(err, "size") then error(err, 0) end
    if not ok then result.dropped[#result.dropped + 1] = file.name end
  end
end

-- Repairs in place. False when there is no room to do so.
local function repair_in_place(fs, found, work, result)
  local ok, err = pcall(function()
    drop_pages(fs, found)
    check.reopen(fs)
    edit.heal_blocks(fs)
    rewrite(fs, work, result)
  end)
  if not ok and not errors.is(err, "size") then error(err, 0) end
  check.reopen(fs)
  return ok and #result.dropped == 0
end

--- Puts right what `check.run` finds: whole files stay as they are, truncated
-- ones keep what can be read, data without a file become `lost-N`, doubled
-- names get a number.
-- @tparam fs fs
-- @treturn table `problems` (as found first), `rewritten` and `dropped` (names
-- of files; what was dropped did not fit any more), `rebuilt` (true when
-- everything had to be written anew), `left` (problems that remain)
-- @raise `image` when more than 1000 files are damaged
function check.repair(fs)
  local found = check.run(fs)
  local result = { problems = found.problems, rewritten = {}, dropped = {}, rebuilt = false }
  local work = collect_work(fs, found)
  if #work > MAX_WORK then
    errors.raise("image", ("%d files are damaged, too many to repair"):format(#work),
      { hint = "read what can be read and build a new file system of it" })
  end
  local saved, fits, rounds = save_all(fs, work), true, 0
  -- What one round lays open, the next puts right.
  while not found.sound and fits and rounds < MAX_ROUNDS do
    rounds = rounds + 1
    fits = repair_in_place(fs, found, work, result)
    found = check.run(fs)
    work = collect_work(fs, found)
  end
  if not found.sound or not fits then
    rebuild(fs, saved, result)
    found = check.run(check.reopen(fs))
  end
  result.left = found.problems
  return result
end

return check
