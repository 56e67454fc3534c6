--- The files of a recipe: read, checked for themselves, understood.
--
-- Files come in through `folder`, an object with `read(path)`, `list(path)` and
-- `kind(path)` as @{moonflash.permissions} has it; what was read is in the part afterwards.
-- @module moonflash.recipe_files
local backup <const> = require "moonflash.backup"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local files <const> = require "moonflash.files"
local firmware_files <const> = require "moonflash.firmware_files"
local init_options <const> = require "moonflash.init_options"
local lfs_image <const> = require "moonflash.lfs_image"
local parts <const> = require "moonflash.recipe_parts"
local restore <const> = require "moonflash.restore"
local spiffs <const> = require "moonflash.spiffs"
local template <const> = require "moonflash.template"
local where <const> = require "moonflash.recipe_where"

local recipe_files = {}

-- Folders deeper than this are a circle of links: names have 31 characters.
local MAX_DEPTH <const> = 16

-- A file that may be a built-in one, and may be gzipped.
local function read(folder, path)
  local bytes = files.builtin(path) or folder:read(path)
  if bytes == "" then
    errors.raise("file", path .. " is empty", { hint = "nothing was written" })
  end
  if bytes:sub(1, 3) ~= "\x1f\x8b\x08" then return bytes end
  local plain, why = esp.inflate(bytes, files.MAX_BYTES, "gzip")
  if not plain then errors.raise("file", ("%s: %s"):format(path, why)) end
  return plain
end

local function is_folder(folder, path) return folder:kind(path) == "directory" end

local LOAD <const> = {}

-- ---- firmware ----

function LOAD.firmware(part, folder)
  local names = part.paths
  if #names == 1 and is_folder(folder, names[1]) then
    local found, base = {}, names[1]:gsub("/+$", "")
    for _, e in ipairs(folder:list(base)) do
      if e.kind == "file" then found[#found + 1] = e.name end
    end
    names = {}
    for i, name in ipairs(firmware_files.choose(found, base)) do names[i] = base .. "/" .. name end
  end
  local list = {}
  for i, name in ipairs(names) do list[i] = { name = name, data = read(folder, name) } end
  return { firmware = firmware_files.join(list) }
end

-- ---- file system ----

local function walk(folder, path, prefix, list, depth)
  if depth > MAX_DEPTH then errors.raise("file", path .. " is too deep a folder") end
  for _, e in ipairs(folder:list(path)) do
    local full = path .. "/" .. e.name
    if e.name:sub(1, 1) == "." then
      -- hidden files are not for the chip
    elseif e.kind == "directory" then
      walk(folder, full, prefix .. e.name .. "/", list, depth + 1)
    elseif e.kind == "file" then
      list[#list + 1] = { name = prefix .. e.name, path = full,
        bytes = e.size == 0 and "" or folder:read(full) }
    else
      errors.raise("file", full .. " is neither a file nor a folder")
    end
  end
end

local function gather(part, folder)
  local list = {}
  for _, path in ipairs(part.paths or {}) do
    local base = path:gsub("(.)/+$", "%1")
    if is_folder(folder, base) then
      walk(folder, base, "", list, 1)
    else
      list[#list + 1] = { name = base:match("[^/]+$"), bytes = folder:read(base), path = base }
    end
  end
  local given = {}
  for name in pairs(part.given or {}) do given[#given + 1] = name end
  table.sort(given)
  for _, name in ipairs(given) do
    list[#list + 1] = { name = name, bytes = part.given[name], path = name }
  end
  return list
end

local function check_names(list)
  local seen = {}
  for _, file in ipairs(list) do
    if #file.name > spiffs.NAME_MAX then
      errors.raise("file", ("%s: a name in SPIFFS has at most %d bytes, this one %d"):format(
        file.name, spiffs.NAME_MAX, #file.name))
    elseif seen[file.name] then
      errors.raise("file", ("%s and %s are one file in SPIFFS, %s"):format(seen[file.name],
        file.path, file.name))
    end
    seen[file.name] = file.path
  end
end

local function mark_templates(part, list)
  local used = {}
  for _, file in ipairs(list) do
    for _, pattern in ipairs(part.templates) do
      if template.matches(file.name, { pattern }) then
        file.template, used[pattern] = true, true
        if type(file.bytes) == "string" then template.names(file.bytes, file.path) end
      end
    end
  end
  for _, pattern in ipairs(part.templates) do
    if not used[pattern] then
      errors.raise("file", ("mf.spiffs: no file is called '%s', which is to be a template"):format(
        pattern))
    end
  end
end

function LOAD.spiffs(part, folder)
  local list = gather(part, folder)
  check_names(list)
  mark_templates(part, list)
  return { files = list }
end

-- ---- others ----

function LOAD.init_data(part, folder)
  return part.file and { block = init_options.block(read(folder, part.file), part.file) } or {}
end

function LOAD.lfs(part, folder)
  local image = lfs_image.read(folder:read(part.path), esp.inflate)
  if image.form == "dump" then
    errors.raise("image", part.path .. " is for Lua 5.3: the firmware itself makes the store of it",
      { hint = "put the file into the folder of mf.spiffs and call node.LFS.reload" })
  end
  return { image = image }
end

function LOAD.file(part, folder)
  local data = read(folder, part.path)
  if part.template then template.names(data, part.path) end
  return { data = data }
end

function LOAD.bytes(part)
  if part.template and type(part.data) == "string" then template.names(part.data, part.name) end
  return {}
end

function LOAD.backup(part, folder)
  local bytes = read(folder, part.path)
  local b = backup.is_backup(bytes) and backup.parse(bytes) or restore.from_bare(bytes)
  b:check()
  return { backup = b }
end

function LOAD.label(part)
  template.names(part.path, part.path)
  template.names(part.text, part.path)
  return {}
end

--- Reads what a part names.
-- @tparam part part
-- @tparam table folder
-- @treturn part a new one: firmware `firmware` (as `firmware_files.join`), spiffs
--   `files` ({ name, bytes, path, template }), lfs `image`, file `data`, backup
--   `backup`, init_data `block` (nil unless a file was named)
-- @raise `file`, `image`, ..., pointing at the part's line
function recipe_files.load(part, folder)
  local loader = LOAD[part.kind]
  if not loader then return part end
  return parts.with(part, where.within(part.at, loader, part, folder))
end

--- The names that a part's templates want.
-- @tparam part part loaded
-- @tparam table known names that will have a value
-- @raise `file`, with the line of the template
function recipe_files.check_templates(part, known)
  for _, file in ipairs(part.files or {}) do
    if file.template and type(file.bytes) == "string" then
      template.check(file.bytes, file.path, known)
    end
  end
  if part.template and type(part.data) == "string" then
    template.check(part.data, part.path or part.name, known)
  end
  if part.kind == "label" then
    template.check(part.path, part.path, known)
    template.check(part.text, part.path, known)
  end
end

return recipe_files
