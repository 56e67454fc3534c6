--- SPIFFS, the file system of NodeMCU: read, build, change, check and repair it
-- in an image or in a region of a chip.
--
--     local fs = spiffs.open(bytes)
--     fs:put("init.lua", source)
--     files.write("fs.img", fs:bytes())
--
-- On a chip, `source` is `{ size, read = function(addr, size), write =
-- function(addr, bytes, change) }`, addresses from the start of the region.
-- Nothing is written before `fs:commit()`, which writes the sectors that differ
-- and no others. Limits: names of at most 31 bytes ('/' is an ordinary
-- character), files and file system below 16 MB. Pure.
-- @module moonflash.spiffs
local build <const> = require "moonflash.spiffs_build"
local check <const> = require "moonflash.spiffs_check"
local edit <const> = require "moonflash.spiffs_edit"
local errors <const> = require "moonflash.errors"
local format <const> = require "moonflash.spiffs_format"
local medium <const> = require "moonflash.spiffs_medium"
local reading <const> = require "moonflash.spiffs_read"
local space <const> = require "moonflash.spiffs_space"
local text <const> = require "moonflash.text"

local spiffs = {
  flavours = format.flavours, flavour = format.flavour, flavour_of = format.flavour_of,
  geometry = format.geometry, default_block = format.default_block, format = build.format,
  NAME_MAX = format.NAME_MAX,
}

local methods = {}
local meta = { __index = methods, __name = "moonflash.spiffs" }

--- Which file system is at the start of the source?
-- @tparam string|table source
-- @treturn table|nil geometry: flavour, size, block, blocks, entries, pages
function spiffs.probe(source)
  return reading.probe(medium.new(source))
end

--- Every file system with a magic in the source, such as a backup of a chip.
-- @tparam string|table source
-- @treturn {table,...} `addr`, `geometry`; ascending
function spiffs.find(source)
  return reading.find(medium.new(source))
end

-- What of a source lies behind an address.
local function from(source, addr)
  if addr == 0 then return source end
  if type(source) == "string" then return source:sub(addr + 1) end
  return { size = source.size - addr,
    read = function(at, n) return source.read(addr + at, n) end,
    write = function(at, bytes, change) return source.write(addr + at, bytes, change) end }
end

local function geometry_of(m, opts)
  if opts.geometry then return opts.geometry end
  if not opts.flavour then return reading.probe(m) end
  local flavour = format.flavour(opts.flavour)
  local block = opts.block or format.default_block(flavour, m.size)
  return format.geometry { flavour = flavour, size = m.size // block * block, block = block,
    found = true }
end

--- Opens a file system.
-- @tparam string|table source bytes, or a chip's region
-- @tparam[opt] table opts `addr` = where it starts in the source; `geometry`, or
-- `flavour` (and `block`), when it cannot tell itself: without them it is
-- recognised; `grain` = bytes read at once from a chip (default 4096)
-- @treturn fs
-- @raise `image` when there is none
function spiffs.open(source, opts)
  opts = opts or {}
  local m = medium.new(from(source, opts.addr or 0), opts.grain)
  local geo = geometry_of(m, opts)
  if not geo then
    errors.raise("image", "there is no SPIFFS file system",
      { hint = "one without a magic and without files (NodeMCU before 1.5.4.1) cannot be"
        .. " recognised: name its generation" })
  end
  if geo.size > m.size then
    errors.raise("image", ("a file system of %d bytes does not lie in %d"):format(geo.size, m.size))
  end
  m.size = geo.size
  return setmetatable(check.reopen { medium = m, geometry = geo }, meta)
end

--- Builds a file system of files.
-- @tparam {table,...} files `name`, `bytes`; in this order
-- @tparam table given as for `spiffs.geometry`; `compact` = true leaves no
-- deleted pages behind, even where NodeMCU's own tool would
-- @treturn fs
-- @treturn boolean whether NodeMCU's own tool would make the same bytes
-- @raise `argument` (a name), `size`
function spiffs.build(files, given)
  local fs, same = build.image(files, format.geometry(given), given)
  return setmetatable(fs, meta), same
end

--- The files, by name.
-- @treturn {table,...} `name`, `size`, `id`
function methods:list()
  local list = {}
  for _, id in ipairs(self.order) do
    local file = self.files[id]
    list[#list + 1] = { name = file.name, size = file.size, id = id }
  end
  table.sort(list, function(a, b)
    if a.name ~= b.name then return a.name < b.name end
    return a.id < b.id
  end)
  return list
end

--- Is there a file of this name?
function methods:has(name) return self.by_name[name] ~= nil end

--- The content of a file.
-- @tparam string name
-- @tparam[opt] boolean partial what can be read of a damaged file is wanted too
-- @treturn string
-- @treturn string|nil with `partial`: why it is not all
-- @raise `file` when there is none; `image` when it is damaged
function methods:read(name, partial)
  local file = reading.need(self, name)
  local bytes, why = reading.content(self, file)
  if why and not partial then
    errors.raise("image", ("%s is damaged: %s"):format(text.escape(name), why),
      { hint = "'fs check' tells more" })
  end
  return bytes, why
end

--- Writes a file; see `spiffs_edit.put`.
methods.put = edit.put
--- Deletes a file; see `spiffs_edit.remove`.
methods.remove = edit.remove
--- Renames a file; see `spiffs_edit.rename`.
methods.rename = edit.rename
--- Looks for damage; see `spiffs_check.run`.
methods.check = check.run
--- Repairs damage; see `spiffs_check.repair`.
methods.repair = check.repair

--- How full it is.
-- @treturn table `total` and `used` bytes as the firmware's `file.fsinfo` counts
-- them; `pages` used, `usable_pages`, `deleted_pages`; `free_blocks`;
-- `largest` = bytes of the largest new file that fits, nil when none does
function methods:space()
  local totals, usable = space.totals(self), format.usable_pages(self.geometry)
  return { total = (usable + 1) * format.DATA, used = totals.live * format.DATA,
    pages = totals.live, usable_pages = usable, deleted_pages = totals.deleted,
    free_blocks = totals.free_blocks,
    largest = format.largest_file(self.geometry.flavour, usable - totals.live) }
end

--- All bytes, as they are now.
-- @treturn string
function methods:bytes() return self.medium:bytes() end

--- Sectors that differ from the source; see `spiffs_medium:changes`.
function methods:changes() return self.medium:changes() end

--- Writes what changed to the source's `write`.
-- @treturn {table,...} the changed sectors
function methods:commit() return self.medium:commit() end

return spiffs
