--- What becomes of the files when the firmware changes: they stay, move or are
-- built anew in the format and place that the new firmware expects. Pure.
-- @module moonflash.fs_move

local errors = require "moonflash.errors"
local numbers = require "moonflash.numbers"
local spiffs = require "moonflash.spiffs"
local spiffs_find = require "moonflash.spiffs_find"
local text = require "moonflash.text"

local fs_move = {}

local BLOCK <const> = 0x2000
local MIN_BLOCKS <const> = 4
local SHADOW <const> = 0x6000       -- three blocks, by which a file system is recognised

local function contains(list, value)
  for _, v in ipairs(list) do
    if v == value then return true end
  end
  return false
end

-- Why the new firmware would not find the files where they are, or nil.
local function against_staying(old, target)
  if target.flavour and old.flavour ~= target.flavour then
    return ("the new firmware reads another format (%s)"):format(
      spiffs.flavour(target.flavour).text)
  elseif old.addr < target.first then
    return ("the new firmware reaches to %s, the files begin at %s"):format(
      numbers.hex(target.first), numbers.hex(old.addr))
  elseif old.addr + old.size > target.limit then
    return "the file system reaches into the new firmware's system data"
  elseif target.starts and not contains(target.starts, old.addr) then
    return ("the new firmware does not look at %s"):format(numbers.hex(old.addr))
  elseif not target.starts and old.addr % BLOCK ~= 0 then
    return "the file system does not begin at a multiple of 0x2000"
  elseif target.exact and old.area ~= target.limit - old.addr then
    return "the new firmware takes the file system for one of another size"
  elseif target.block_of and target.block_of(target.limit - old.addr) ~= old.block then
    return ("the new firmware expects blocks of %d bytes there"):format(
      target.block_of(target.limit - old.addr))
  end
end

-- What the firmware would find before it comes to `addr`. The rest of a file
-- system from any of its blocks on looks like a whole one, so a start inside the
-- old one counts too. Two of the three blocks that are looked at must be blank to
-- hide it.
local function shadows(view, target, addr)
  local list = {}
  for _, start in ipairs(target.starts or { target.new_start }) do
    if start == addr then break end
    if start >= target.first and spiffs_find.magic_at(view, start) then
      list[#list + 1] = { addr = start, size = SHADOW }
    end
  end
  return list
end

-- Does hiding those shadows harm the file system that is to stay?
local function harms(list, old)
  for _, range in ipairs(list) do
    if range.addr >= old.addr and range.addr < old.addr + old.size then return true end
    if range.addr < old.addr and range.addr + BLOCK >= old.addr then return true end
    if range.addr < old.addr then range.size = math.min(range.size, old.addr - range.addr) end
  end
  return false
end

local function append(list, more) return table.move(more, 1, #more, #list + 1, list) end

-- What must be blank so that the firmware finds the new place, not the old one.
local function hide(view, old, target)
  return append({ { addr = old.addr, size = math.min(old.size, 4 * old.block) } },
    shadows(view, target, target.new_start))
end

local function whole(part) return { { addr = part.addr, size = part.size } } end

local function room_for(target)
  local size = (target.limit - target.new_start) // BLOCK * BLOCK
  return size >= MIN_BLOCKS * BLOCK and size or 0
end

local function copied(view, old, target, why)
  local size = room_for(target)
  if target.flavour ~= old.flavour or not spiffs.flavour(old.flavour).magic
    or old.size > size or target.block_of and target.block_of(size) ~= old.block then
    return nil
  end
  return { action = "copy", addr = target.new_start, size = old.size, area = size, why = why,
    data = view:get(old.addr, old.size), wipe = hide(view, old, target) }
end

local function read_all(view, old)
  local fs = spiffs_find.open(view, old)
  local list = {}
  for _, file in ipairs(fs:list()) do
    list[#list + 1] = { name = file.name, bytes = fs:read(file.name) }
  end
  return list
end

local function rebuilt(view, old, target, why)
  local size = room_for(target)
  if not target.flavour then
    return nil, "which file system format the new firmware reads is not known"
  elseif size == 0 then
    return nil, "there is no room for a file system behind the new firmware"
  end
  local ok, fs, files = pcall(function()
    local list = read_all(view, old)
    return spiffs.build(list, { size = size, flavour = target.flavour,
      block = target.block_of and target.block_of(size) or nil, compact = true }), list
  end)
  if not ok then return nil, tostring(fs) end
  return { action = "rebuild", addr = target.new_start, size = size, area = size, why = why,
    files = #files, data = fs:bytes(), wipe = hide(view, old, target) }
end

local function refuse(why, hint)
  errors.raise("refused_by_policy", "the files on the chip cannot be kept: " .. why,
    { hint = hint })
end

-- Versions that never format by themselves take what is there for their files.
local function fresh_area(view, target)
  local size = room_for(target)
  if size == 0 then return {} end
  if target.formats then
    return shadows(view, target)
  end
  return { { addr = target.new_start, size = target.limit - target.new_start } }
end

local function erased(view, old, target)
  return { action = "erase", addr = target.new_start, size = 0, area = room_for(target),
    why = "as asked; the firmware makes a new one",
    wipe = append(old and whole(old) or {}, fresh_area(view, target)) }
end

local function lost(view, target, why)
  return { action = "lost", addr = target.new_start, size = 0, area = room_for(target), why = why,
    wipe = fresh_area(view, target) }
end

local function nothing(view, target)
  return { action = "none", addr = target.new_start, size = 0, area = room_for(target),
    why = "there is no file system on the chip",
    wipe = target.blank_chip and {} or fresh_area(view, target) }
end

--- Decide.
-- @tparam flash_view view the flash as it is
-- @tparam table|nil old the installed file system (`spiffs_find.installed`)
-- @tparam table target `first` (where the firmware ends), `limit` (end of the
-- room), `new_start` (where the firmware would make a new one), `starts` (where it
-- looks, in order; nil = where we tell it), `flavour` (id; nil = not known),
-- `block_of` (block size that it expects for a size; nil = any), `exact` (it
-- cannot tell the size), `formats` (it makes a new one by itself), `blank_chip`
-- @tparam string mode "keep" (in place or not at all), "move" (in place, else
-- copied or rebuilt), "erase", or "try" (in place, else left alone)
-- @treturn table action ("none", "keep", "copy", "rebuild", "erase", "lost"),
-- addr, size, area (what the firmware may use from addr on), data (copy, rebuild),
-- files (rebuild), wipe (ranges to be blank), why
-- @raise `refused_by_policy` when the files cannot be had as asked
function fs_move.decide(view, old, target, mode)
  if mode == "erase" then return erased(view, old, target) end
  if not old then return nothing(view, target) end
  local why, hidden = against_staying(old, target), nil
  if not why then
    hidden = shadows(view, target, old.addr)
    why = harms(hidden, old) and "the new firmware would take the middle of the file system for"
      .. " its start" or nil
  end
  if not why then
    return { action = "keep", addr = old.addr, size = old.size, area = target.limit - old.addr,
      why = "the new firmware finds it there", wipe = hidden }
  elseif mode == "keep" then
    refuse(why, "--fs move takes the files along, --fs erase gives them up")
  elseif mode == "try" then
    return lost(view, target, why)
  end
  local moved = copied(view, old, target, why)
  local problem
  if not moved then moved, problem = rebuilt(view, old, target, why) end
  if not moved then
    refuse(("%s; %s"):format(why, problem), "--fs erase gives them up; make a backup first")
  end
  return moved
end

--- One line of what happens to the files.
-- @tparam table plan from `decide`
-- @treturn string
function fs_move.describe(plan)
  local at = numbers.hex(plan.addr)
  if plan.action == "keep" then
    return ("the file system at %s stays: %s"):format(at, plan.why)
  elseif plan.action == "copy" then
    return ("the file system moves to %s as it is: %s"):format(at, plan.why)
  elseif plan.action == "rebuild" then
    return ("a file system is built at %s with the %s of the old one: %s"):format(at,
      text.count(plan.files, "file"), plan.why)
  elseif plan.action == "erase" then
    return "the file system is erased: " .. plan.why
  elseif plan.action == "lost" then
    return "the new firmware will not see the old files: " .. plan.why
  end
  return plan.why
end

return fs_move
