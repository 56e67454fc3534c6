--- The file system that a recipe makes: where it goes, what kind it is. Pure.
-- @module moonflash.recipe_spiffs
local layout <const> = require "moonflash.layout"
local numbers <const> = require "moonflash.numbers"
local partition <const> = require "moonflash.partition"
local recipe_table <const> = require "moonflash.recipe_table"
local spiffs <const> = require "moonflash.spiffs"
local template <const> = require "moonflash.template"
local text <const> = require "moonflash.text"
local where <const> = require "moonflash.recipe_where"

local recipe_spiffs = {}

local SECTOR <const>, BLOCK <const> = 0x1000, 0x2000
-- What a firmware takes that does not tell its version.
local FLAVOURS <const> = { ["0.9"] = "0.9.5", ["2.x"] = "3", ["3.0-2019"] = "3", ["3.x"] = "3" }

local round_up <const> = numbers.round_up

-- Place, room and block size where NodeMCU's file system goes.
local function file_system_place(r, ctx)
  if r.entries then
    local entry = partition.entry(r.entries, "spiffs")
    if not entry then
      recipe_table.complete(r)
      entry = partition.entry(r.entries, "spiffs")
    end
    local addr = round_up(entry.addr, BLOCK)
    return addr, (entry.addr + entry.size - addr) // BLOCK * BLOCK
  end
  local fs = r.base and r.base.file_system
  if fs then return fs.addr, fs.area end
  local old = not r.backup_facts and ctx.facts.file_system or r.backup_facts
    and r.backup_facts.file_system
  if old and old.reachable then return old.addr, old.area end
  return layout.new_file_system(r.generation, r.flash_bytes, r.firmware_end)
end

local function flavour_of(r, part)
  if part.generation then return spiffs.flavour(part.generation) end
  local found = r.nodemcu or {}
  local flavour = spiffs.flavour_of { generation = r.generation,
    version = found.version or (found.sdk or ""):match("^[%d.]+"),
    build = (found.build or ""):match("%d%d%d%d%-%d%d%-%d%d") }
  return flavour or spiffs.flavour(FLAVOURS[r.generation] or "3")
end

local function geometry_of(r, ctx, part)
  if not r.generation or part.addr then
    if not (part.addr and part.size) then
      where.raise(part.at, "plan", "mf.spiffs: only NodeMCU tells where its files are",
        'mf.spiffs("lua/", { where = 0x100000, size = "1M" }) tells where')
    end
    local flavour = flavour_of(r, part)
    return part.addr, { size = part.size, flavour = flavour.id,
      block = spiffs.default_block(flavour, part.size) }
  end
  local addr, room = file_system_place(r, ctx)
  local flavour = flavour_of(r, part)
  if not addr or room < 4 * SECTOR then
    where.raise(part.at, "range", ("there is no room for files behind the firmware in %s of flash")
      :format(numbers.size_text(r.flash_bytes)), "a build with fewer modules leaves more")
  elseif part.size and not flavour.magic and part.size ~= room then
    where.raise(part.at, "size", ("this firmware takes all %s for its files"):format(
      numbers.size_text(room)))
  elseif part.size and part.size > room then
    where.raise(part.at, "range", ("mf.spiffs: %s do not fit the %s that there are"):format(
      numbers.size_text(part.size), numbers.size_text(room)))
  end
  -- the firmware goes by the room's size for the block, by the magic for the rest
  local block = r.generation == "0.9" and SECTOR or spiffs.default_block(flavour, room)
  return addr, { size = (part.size or room) // block * block, flavour = flavour.id, block = block }
end

-- The files of a file system for one unit: a list of { name, bytes }.
local function files_for(part, ctx)
  local list = {}
  for i, file in ipairs(part.files) do
    local bytes = file.bytes
    if type(bytes) == "function" then bytes = ctx.call(part, bytes) end
    if file.template then bytes = template.fill(bytes, file.path, ctx.values) end
    list[i] = { name = file.name, bytes = bytes }
  end
  return list
end

--- Places the file system of a stage, if it has one.
-- @tparam recipe_stage r the stage under way; `file_system` is set
-- @tparam table ctx as for `recipe_place.stage`
-- @raise `plan`, `range`, `size`, pointing at the line of the recipe
function recipe_spiffs.place(r, ctx)
  local part = r.spiffs
  if not part then return end
  local addr, geo = geometry_of(r, ctx, part)
  r.file_system = { addr = addr, size = geo.size, files = #part.files }
  local name = ("files of %s"):format(part.paths and table.concat(part.paths, ", ") or "the recipe")
  if ctx.offline then return end
  local fs = where.within(part.at, function() return spiffs.build(files_for(part, ctx), geo) end)
  r:add({ addr = addr, data = fs:bytes(), boot = false, name = name })
  r:explain("a file system of %s with %s goes to %s", numbers.size_text(geo.size),
    text.count(#part.files, "file"), numbers.hex(addr))
end

return recipe_spiffs
