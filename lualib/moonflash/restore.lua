--- Putting a backup back: is it for this board, what of it is written. Pure.
-- @module moonflash.restore
local backup <const> = require "moonflash.backup"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local init_data <const> = require "moonflash.init_data"
local layout <const> = require "moonflash.layout"
local numbers <const> = require "moonflash.numbers"
local regions <const> = require "moonflash.regions"
local text <const> = require "moonflash.text"

local restore = {}

local SECTOR <const> = 0x1000

--- What belongs to a board and not to the firmware on it.
restore.OWN = { "rf-cal", "init-data", "system-param" }

--- Wraps the bare bytes of a whole flash so that they can be restored too.
-- @tparam string bytes
-- @treturn backup that knows no chip (`bare` is true)
-- @raise `file` when this cannot be a whole flash
function restore.from_bare(bytes)
  local size = #bytes
  if size < 0x40000 or size & (size - 1) ~= 0 then
    errors.raise("file", ("a file of %s is neither a backup nor a whole flash"):format(
      text.count(size, "byte")),
      { hint = "'moonflash write ADDR FILE' writes a part" })
  end
  local w = backup.writer { { name = "all", addr = 0, size = size } }
  for _, chunk in ipairs(w.chunks) do
    w:add(bytes:sub(chunk.addr + 1, chunk.addr + chunk.size))
  end
  local b = backup.parse((w:finish { chip = { name = "unknown", mac = "unknown" },
    flash = { id = 0, size = size } }))
  b.bare = true
  return b
end

--- How this board differs from the one that a backup is of.
-- @tparam backup b
-- @tparam table chip `chip`, `mac`
-- @tparam table flash `id`, `size`, `name`
-- @treturn {string,...} one line each; empty when it is the same board
function restore.differences(b, chip, flash)
  local of, list = b.meta, {}
  local function differs(what, was, is)
    list[#list + 1] = ("%s: backup of %s, this board %s"):format(what, text.escape(was), is)
  end
  if of.flash.size ~= flash.size then
    differs("flash size", numbers.size_text(of.flash.size), numbers.size_text(flash.size))
  end
  if b.bare then return list end
  if of.chip.name ~= chip.chip then differs("chip", of.chip.name, chip.chip) end
  if of.chip.mac:lower() ~= chip.mac:lower() then differs("MAC", of.chip.mac, chip.mac) end
  if of.flash.id ~= flash.id then
    differs("flash id", ("0x%06x"):format(of.flash.id), ("0x%06x"):format(flash.id))
  end
  return list
end

--- Refuses a backup that is not for this board.
-- @tparam backup b
-- @tparam table chip
-- @tparam table flash
-- @tparam boolean another the user says that it is another board
-- @treturn {string,...} differences that are allowed, to be told
-- @raise `wrong_chip`, `range`
function restore.must_fit(b, chip, flash, another)
  local list = restore.differences(b, chip, flash)
  local last = b.meta.ranges[#b.meta.ranges]
  if last.addr + last.size > flash.size then
    errors.raise("range", ("the backup reaches to %s, this chip has %s of flash"):format(
      numbers.hex(last.addr + last.size), numbers.size_text(flash.size)),
      { hint = "nothing was written; --region restores a part" })
  end
  if #list > 0 and not another then
    errors.raise("wrong_chip", "the backup is of another board; " .. table.concat(list, "; "), {
      hint = "nothing was written; --to-another-board restores it here and keeps this board's"
        .. " own calibration" })
  end
  return list
end

-- The layout that the backup's firmware goes by. Without one, that of the SDK.
local function layout_of(b)
  return b.meta.layout or layout.regions("2.x", b.meta.flash.size)
end

local function region_of(b, name)
  local list = regions.pick(layout_of(b), name)
  if #list == 0 then
    errors.raise("plan", ("the backup's layout has no region '%s'"):format(name))
  end
  return list
end

--- The ranges of a backup to restore.
-- @tparam backup b
-- @tparam {string,...} words as for `regions.parse`; empty = all that is in it
-- @treturn {range,...}
-- @raise `usage`, `plan`, `range` when the backup does not hold them
function restore.ranges(b, words)
  if #words == 0 then return b.meta.ranges end
  local list = {}
  for _, word in ipairs(words) do
    local w = regions.parse(word)
    if w.size == "all" then w.size = b.meta.flash.size - w.addr end
    for _, r in ipairs(w.addr and { w } or region_of(b, w.name)) do list[#list + 1] = r end
  end
  for _, r in ipairs(list) do
    local held = false
    for _, have in ipairs(b.meta.ranges) do
      held = held or r.addr >= have.addr and r.addr + r.size <= have.addr + have.size
    end
    if not held then
      errors.raise("range", ("the backup does not hold %s (%s)"):format(r.name,
        numbers.range_text(r.addr, r.size)),
        { hint = "'moonflash backup check' lists what it holds" })
    end
  end
  return backup.join(list)
end

local function overlaps(a, b) return a.addr < b.addr + b.size and b.addr < a.addr + a.size end

local function healthy(bytes)
  local health = init_data.classify(bytes).health
  return health ~= "blank" and health ~= "foreign"
end

-- What becomes of one of the board's own regions.
local function decide(name, there, here, same_generation, read)
  local in_place = here and here.addr == there.addr and here.size == there.size
  if name == "init-data" then
    local bytes = here and read(here.addr, SECTOR)
    if not bytes or not healthy(bytes) then
      return nil, "this board has no init data of its own: that of the backup is written"
    elseif in_place then
      return { keep = there }, "this board's init data stays"
    end
    return { addr = there.addr, data = bytes, name = name },
      ("this board's init data moves from %s to %s"):format(numbers.hex(here.addr),
      numbers.hex(there.addr))
  elseif in_place and same_generation then
    return { keep = there }, ("this board's %s stays"):format(name)
  end
  return { addr = there.addr, data = ("\xff"):rep(there.size), name = name },
    ("%s becomes blank: the firmware makes it anew"):format(name)
end

--- What a board keeps of its own when it gets the backup of another one.
-- @tparam backup b
-- @tparam {range,...} ranges what is to be restored
-- @tparam table found what `regions.identify` says of the board as it is
-- @tparam function read flash of the board
-- @treturn {range,...} keep: not to be touched
-- @treturn {part,...} own: { addr, data, name } in place of the backup's bytes
-- @treturn {string,...} notes for people
function restore.keep_own(b, ranges, found, read)
  local keep, own, notes = {}, {}, {}
  local old = b.meta.firmware and b.meta.firmware.generation
  local same = found.assumed or not old or found.generation == old
  for _, name in ipairs(restore.OWN) do
    local there = layout.find(layout_of(b), name)
    local here = layout.find(found.regions, name)
    local wanted = false
    for _, r in ipairs(ranges) do wanted = wanted or there and overlaps(r, there) end
    if wanted then
      local what, note = decide(name, there, here, same, read)
      if what and what.keep then keep[#keep + 1] = what.keep end
      if what and what.data then own[#own + 1] = what end
      notes[#notes + 1] = note
    end
  end
  return keep, own, notes
end

local function inside(addr, ranges)
  for _, r in ipairs(ranges) do
    if addr >= r.addr and addr < r.addr + r.size then return true end
  end
  return false
end

-- Calls f(addr, sector) for every sector that is to be in flash afterwards.
local function each_sector(b, ranges, keep, own, f)
  local replaced = {}
  for _, part in ipairs(own) do
    for at = 0, #part.data - 1, SECTOR do
      replaced[part.addr + at] = part.data:sub(at + 1, at + SECTOR)
    end
  end
  b:each(function(base, bytes)
    for at = 0, #bytes - 1, SECTOR do
      local addr = base + at
      if inside(addr, ranges) and not inside(addr, keep) then
        f(addr, replaced[addr] or bytes:sub(at + 1, at + SECTOR))
      end
    end
  end)
end

-- Neighbours become one part.
local function add_sector(parts, addr, data)
  local last = parts[#parts]
  if last and last.addr + #last.pieces * SECTOR == addr then
    last.pieces[#last.pieces + 1] = data
  else
    parts[#parts + 1] = { addr = addr, pieces = { data } }
  end
end

--- What to write: only sectors that are not right already, and always the boot
-- header's, which guards the others.
-- @tparam backup b proven
-- @tparam table what `ranges`, `keep`, `own`
-- @tparam[opt] function hash CRC-32 of what is in flash at a sector's address
-- @treturn {part,...} for `plan.write`
-- @treturn table CRC-32 wanted by sector address
-- @raise `usage` when nothing at all is left to restore
function restore.parts(b, what, hash)
  local parts, want, n = {}, {}, 0
  each_sector(b, what.ranges, what.keep, what.own, function(addr, data)
    n, want[addr] = n + 1, esp.crc32(data)
    if addr == 0 or not hash or hash(addr) ~= want[addr] then add_sector(parts, addr, data) end
  end)
  if n == 0 then
    errors.raise("usage", "nothing is left to restore",
      { hint = "the regions asked for are those that another board keeps" })
  end
  for _, part in ipairs(parts) do
    part.data, part.pieces = table.concat(part.pieces), nil
    part.name = ("backup at %s"):format(numbers.hex(part.addr))
  end
  return parts, want, n
end

return restore
