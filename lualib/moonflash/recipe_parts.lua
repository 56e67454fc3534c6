--- The parts of a recipe: what its constructors make. Pure.
--
-- A part is a table with a `kind`, what was said of it, and `at`, the line of the
-- recipe that says it. Nothing is read here; @{moonflash.recipe_files} does that.
-- @module moonflash.recipe_parts
local nearest <const> = require "moonflash.nearest"
local numbers <const> = require "moonflash.numbers"
local names_of <const> = require("moonflash.text").names
local where <const> = require "moonflash.recipe_where"

local parts = {}

local meta = { __name = "moonflash.part" }

local function make(kind, fields)
  fields.kind, fields.at = kind, fields.at or where.caller()
  return setmetatable(fields, meta)
end

--- Is a value a part?
function parts.is(value) return getmetatable(value) == meta end

--- A copy of a part with other fields, for the same place in the recipe.
-- @tparam part part
-- @tparam table fields
-- @treturn part
function parts.with(part, fields)
  local copy = {}
  for k, v in pairs(part) do copy[k] = v end
  for k, v in pairs(fields) do copy[k] = v end
  return setmetatable(copy, meta)
end

local function bad(what, message, hint)
  where.raise(where.caller(), "usage", ("%s: %s"):format(what, message), hint)
end

local function kind_of(value)
  if type(value) == "table" and parts.is(value) then return "part" end
  return math.type(value) or type(value)
end

-- Checks options against a schema of name = words for the types that are allowed.
local function check_options(what, given, schema)
  if given == nil then return {} end
  if type(given) ~= "table" or parts.is(given) then
    bad(what, ("its options are a %s, not a table"):format(kind_of(given)))
  end
  for name, value in pairs(given) do
    local want = schema[name]
    if not want then
      bad(what, ("there is no option '%s'"):format(tostring(name)),
        nearest.hint(tostring(name), names_of(schema), "options are "
          .. table.concat(names_of(schema), ", ")))
    elseif not want:find("%f[%w]" .. kind_of(value) .. "%f[^%w]") then
      bad(what, ("'%s' is a %s, not %s"):format(name, kind_of(value), want))
    end
  end
  return given
end

local function one_of(what, name, value, words)
  if value == nil then return nil end
  for _, word in ipairs(words) do
    if value == word then return value end
  end
  bad(what, ("%s: there is no '%s'"):format(name, tostring(value)),
    nearest.hint(tostring(value), words, "one of " .. table.concat(words, ", ")))
end

local function number(what, value, opts)
  return where.within(where.caller(), numbers.parse, value, what, opts)
end

local function path(what, value)
  if type(value) ~= "string" or value == "" then
    bad(what, ("a file name is wanted, not a %s"):format(kind_of(value)))
  end
  return value
end

-- One name or a list of them.
local function paths(what, value)
  if type(value) == "string" then return { path(what, value) } end
  if type(value) ~= "table" or #value == 0 then bad(what, "a file or folder is wanted") end
  local list = {}
  for i, name in ipairs(value) do list[i] = path(what, name) end
  return list
end

local FIRMWARE <const> = { files = "a string", lfs = "a string", erase = "a string",
  init = "a string" }

--- A firmware, placed by what it is: NodeMCU with all that belongs to it, another
-- one at 0x0 as it is.
-- @tparam string|{string,...} file an aggregated file, a folder with the two of a
--   build, the two files, each also gzipped
-- @tparam[opt] table options
--
-- * `files`: what becomes of the files on the chip: "try" (default: they stay where
--   the new firmware finds them), "keep" (or nothing is done), "move" (taken along,
--   converted if need be), "erase". With @{parts.spiffs} it is "erase".
-- * `lfs`: "keep" (or nothing is done), "erase"; default: it stays where it can
-- * `erase`: "smart" (default), "all" of flash
-- * `init`: variant of init data, whatever the rules say
-- @treturn part
function parts.firmware(file, options)
  local o = check_options("mf.firmware", options, FIRMWARE)
  one_of("mf.firmware", "files", o.files, { "try", "keep", "move", "erase" })
  one_of("mf.firmware", "lfs", o.lfs, { "keep", "erase" })
  one_of("mf.firmware", "erase", o.erase, { "smart", "all" })
  return make("firmware", { paths = paths("mf.firmware", file), files = o.files, lfs = o.lfs,
    erase_all = o.erase == "all", init = o.init })
end

local INIT <const> = { variant = "a string", adc = "a string",
  supply = "a number or integer or float", crystal = "an integer", fields = "a table", file = "a string", where = "an integer or string" }

--- Init data for the radio, where the firmware looks for it.
-- @tparam[opt] table options
--
-- * `variant`: "v05" (default), "v08", ...; or `file`: 128 bytes
-- * `adc`: "pin" (it reads the pin) or "vdd" (it measures the supply)
-- * `supply`: volts, 1.8 to 3.6, with `adc = "pin"`
-- * `crystal`: 26 (default: as measured) or 40 MHz
-- * `fields`: others by their names, as `moonflash init-data show` prints them
-- * `where`: flash address, for firmware that is not NodeMCU
-- @treturn part
function parts.init_data(options)
  local o = check_options("mf.init_data", options, INIT)
  one_of("mf.init_data", "adc", o.adc, { "pin", "vdd" })
  one_of("mf.init_data", "crystal", o.crystal, { 26, 40 })
  if o.supply and (o.supply < 1.8 or o.supply > 3.6) then
    bad("mf.init_data", ("supply: %g V is outside 1.8 to 3.6"):format(o.supply))
  elseif o.supply and o.adc == "vdd" then
    bad("mf.init_data", "supply and adc = \"vdd\" exclude each other")
  end
  local fields = {}
  for name, value in pairs(o.fields or {}) do fields[name] = value end
  if o.adc == "vdd" then fields.vdd33 = 255 end
  if o.adc == "pin" then fields.vdd33 = 0 end
  if o.supply then fields.vdd33 = math.floor(o.supply * 10 + 0.5) end
  if o.crystal then fields.crystal = o.crystal == 40 and 0 or 1 end
  return make("init_data", { variant = o.variant, file = o.file, fields = fields,
    crystal_given = o.crystal ~= nil or fields.crystal ~= nil,
    addr = o.where and number("mf.init_data where", o.where) })
end

local PARTITION <const> = { lfs = "a string or integer", lfs_addr = "a string or integer",
  spiffs = "a string or integer", spiffs_addr = "a string or integer" }

--- Sizes and places in the partition table of NodeMCU 3.
-- @tparam table options `lfs`, `spiffs` (sizes; spiffs also "all"), `lfs_addr`,
--   `spiffs_addr`; what is not said stays as the firmware or the chip has it
-- @treturn part
function parts.partition(options)
  local o = check_options("mf.partition", options, PARTITION)
  local change = {}
  for name, key in pairs { lfs = "lfs_size", spiffs = "spiffs_size", lfs_addr = "lfs_addr",
    spiffs_addr = "spiffs_addr" } do
    local value = o[name] and number("mf.partition " .. name, o[name],
      name == "spiffs" and { all = "all" } or nil)
    if math.type(value) == "integer" and value % 0x1000 ~= 0 then
      bad("mf.partition", ("%s: %s is not made of whole sectors"):format(name, o[name]),
        "a multiple of 0x1000, better of 0x2000")
    end
    change[key] = value
  end
  if not next(change) then
    bad("mf.partition", "nothing is said", 'mf.partition { lfs = "64k", spiffs = "1M" }')
  end
  return make("partition", { change = change })
end

local SPIFFS <const> = { templates = "a table", size = "a string or integer",
  where = "a string or integer", generation = "a string", empty = "a boolean" }

--- A file system with the files of a folder, where the firmware looks for it.
-- @tparam string|{string,...} folder or folders and files; a table of name = bytes
--   names files that are not on disk
-- @tparam[opt] table options
--
-- * `templates`: names of files (patterns of `*`) whose `{{name}}` are filled in
-- * `size`: smaller than the room that there is
-- * `where`: flash address, for firmware that is not NodeMCU
-- * `generation`: of the format, for such firmware; default "3"
-- @treturn part
function parts.spiffs(folder, options)
  local o = check_options("mf.spiffs", options, SPIFFS)
  local given, list = nil, nil
  if type(folder) == "table" and #folder == 0 and next(folder) then
    given = {}
    for name, bytes in pairs(folder) do
      if type(name) ~= "string" or type(bytes) ~= "string" and type(bytes) ~= "function" then
        bad("mf.spiffs", "a table of files is { [\"name\"] = \"bytes\", ... }")
      end
      given[name] = bytes
    end
  else
    list = paths("mf.spiffs", folder)
  end
  for i, name in ipairs(o.templates or {}) do path("mf.spiffs templates " .. i, name) end
  return make("spiffs", { paths = list, given = given, templates = o.templates or {},
    size = o.size and number("mf.spiffs size", o.size), generation = o.generation,
    addr = o.where and number("mf.spiffs where", o.where) })
end

--- An image for the Lua Flash Store, where the partition table has it.
-- @tparam string file from luac.cross -f
-- @tparam[opt] table options `size`: of the partition that is made for it when the
--   firmware has none; default: what it needs, in steps of 64 KB
-- @treturn part
function parts.lfs(file, options)
  local o = check_options("mf.lfs", options, { size = "a string or integer" })
  return make("lfs", { path = path("mf.lfs", file),
    size = o.size and number("mf.lfs size", o.size) })
end

--- A file at an address.
-- @tparam integer|string addr
-- @tparam string file
-- @tparam[opt] table options `template` = true fills its `{{name}}` in; `name` for
--   messages
-- @treturn part
function parts.file(addr, file, options)
  local o = check_options("mf.file", options, { template = "a boolean", name = "a string" })
  return make("file", { addr = number("mf.file", addr), path = path("mf.file", file),
    name = o.name or file, template = o.template or false })
end

--- Bytes at an address.
-- @tparam integer|string addr
-- @tparam string|function bytes or a function of the unit that returns them
-- @tparam[opt] string|table options a name for messages, or `name` and `template`
-- @treturn part
function parts.bytes(addr, bytes, options)
  if type(options) == "string" then options = { name = options } end
  local o = check_options("mf.bytes", options, { template = "a boolean", name = "a string" })
  if type(bytes) ~= "string" and type(bytes) ~= "function" then
    bad("mf.bytes", ("bytes are wanted, or a function that returns them, not a %s"):format(
      kind_of(bytes)))
  elseif bytes == "" then
    bad("mf.bytes", "there are none")
  end
  return make("bytes", { addr = number("mf.bytes", addr), data = bytes, name = o.name or "bytes",
    template = o.template or false })
end

-- An address and a size, or the name of a region.
local function place(what, addr, size)
  if size == nil then
    if type(addr) ~= "string" or addr:find("^%d") then
      bad(what, "an address and a size are wanted, or the name of a region")
    end
    return { region = addr }
  end
  local from, bytes = number(what, addr), number(what, size, { min = 1 })
  if from % 0x1000 ~= 0 or bytes % 0x1000 ~= 0 then
    bad(what, ("0x%x, 0x%x: flash is handled in whole sectors of 4096 bytes"):format(from, bytes))
  end
  return { addr = from, size = bytes }
end

--- Flash that must not be touched.
-- @tparam integer|string addr or the name of a region: "init-data", "rf-cal",
--   "system-param", "spiffs", "lfs"
-- @tparam[opt] integer|string size
-- @treturn part
function parts.hole(addr, size) return make("hole", place("mf.hole", addr, size)) end

--- Flash that is to be blank.
-- @tparam integer|string addr as for `mf.hole`
-- @tparam[opt] integer|string size
-- @treturn part
function parts.blank(addr, size) return make("blank", place("mf.blank", addr, size)) end

--- A whole board: a backup, or the bare bytes of a flash. It gives way to the holes
-- and to every other part.
-- @tparam string file
-- @treturn part
function parts.backup(file) return make("backup", { path = path("mf.backup", file) }) end

--- A file about the unit on this machine, written when all else has succeeded.
-- @tparam string file its name; `{{name}}` are filled in
-- @tparam string text what is written; `{{name}}` are filled in
-- @tparam[opt] table options `append` = true adds to the file
-- @treturn part
function parts.label(file, text, options)
  local o = check_options("mf.label", options, { append = "a boolean" })
  if type(text) ~= "string" then bad("mf.label", "a text is wanted behind the file name") end
  return make("label", { path = path("mf.label", file), text = text, append = o.append or false })
end

local SINGLE <const> = { firmware = true, init_data = true, partition = true, spiffs = true,
  lfs = true, backup = true }

--- What two parts have in common when one takes the other's place: the kind, where
-- there is one of it in a recipe; else kind and address, region or file name.
-- @tparam part part
-- @treturn string
function parts.key(part)
  if SINGLE[part.kind] then return part.kind end
  if part.kind == "file" or part.kind == "bytes" then return ("at 0x%x"):format(part.addr) end
  if part.kind == "label" then return "label " .. part.path end
  return ("%s %s"):format(part.kind, part.region or ("0x%x"):format(part.addr))
end

--- A part for people: "mf.spiffs lua/".
-- @tparam part part
-- @treturn string
function parts.describe(part)
  local what = part.path or part.paths and table.concat(part.paths, ", ") or part.region
    or part.name
  return "mf." .. part.kind .. (what and " " .. what or "")
end

return parts
