--- Between SPIFFS and the files of this machine: folders that become images,
-- images and backups that are opened and saved.
-- @module moonflash.fs_files
local errors <const> = require "moonflash.errors"
local files <const> = require "moonflash.files"
local lfs <const> = require "lfs"
local numbers <const> = require "moonflash.numbers"
local spiffs <const> = require "moonflash.spiffs"
local text <const> = require "moonflash.text"

local fs_files = {}

-- Folders deeper than this are a circle of links: names have 31 characters.
local MAX_DEPTH <const> = 16

-- Unlike other input, a file for the file system may be empty.
local function read(path)
  local mode, size = lfs.attributes(path, "mode"), lfs.attributes(path, "size")
  if mode == "file" and size == 0 then return "" end
  return files.read(path)
end

local function sorted_entries(path)
  local names = {}
  for name in lfs.dir(path) do
    if name:sub(1, 1) ~= "." then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function collect(path, prefix, list, depth)
  if depth > MAX_DEPTH then errors.raise("file", path .. " is too deep a folder") end
  for _, name in ipairs(sorted_entries(path)) do
    local full, mode = path .. "/" .. name, lfs.attributes(path .. "/" .. name, "mode")
    if mode == "directory" then
      collect(full, prefix .. name .. "/", list, depth + 1)
    elseif mode == "file" then
      list[#list + 1] = { name = prefix .. name, bytes = read(full), path = full }
    else
      errors.raise("file", full .. " is neither a file nor a folder")
    end
  end
  return list
end

--- The files in a folder and in those below it, sorted by name; hidden ones
-- (with a dot in front) are left out.
-- @tparam string path
-- @treturn {table,...} `name` (with '/' between folders), `bytes`, `path`
-- @raise `file`, `toobig`
function fs_files.folder(path)
  local mode = lfs.attributes(path, "mode")
  if not mode then
    errors.raise("file", ("there is no folder %s"):format(path))
  elseif mode ~= "directory" then
    errors.raise("file", path .. " is a file, not a folder")
  end
  return collect(path, "", {}, 1)
end

--- The files that a list of paths names; a folder stands for what is in it.
-- @tparam {string,...} paths
-- @tparam[opt=""] string prefix goes before every name
-- @treturn {table,...} as `folder`; a file's name is that without its folder
-- @raise `file`, `toobig`
function fs_files.gather(paths, prefix)
  local list = {}
  for _, path in ipairs(paths) do
    if lfs.attributes(path, "mode") == "directory" then
      collect(path, prefix or "", list, 1)
    else
      local name = path:match("([^/]+)$") or path
      list[#list + 1] = { name = (prefix or "") .. name, bytes = read(path), path = path }
    end
  end
  return list
end

local function search(path, bytes)
  local found = spiffs.find(bytes)
  if #found == 1 then return found[1].addr end
  if #found == 0 then
    errors.raise("image", ("there is no SPIFFS file system in %s"):format(path), { hint =
      "an empty one of NodeMCU before 1.5.4.1 cannot be recognised: give --generation" })
  end
  local places = {}
  for i, f in ipairs(found) do places[i] = numbers.hex(f.addr) end
  errors.raise("usage", ("there are several file systems in %s"):format(path),
    { hint = "--at " .. table.concat(places, " or ") })
end

--- Opens the file system in an image, or in a backup of a chip.
-- @tparam string path
-- @tparam[opt] table opts `at` = its address in the file (default: it is the
-- whole file, or the only one in it); `flavour`, `block` when it cannot be
-- recognised
-- @treturn table place: `fs`, `addr`, `bytes` (of the file), `path`
-- @raise `file`, `image`, `usage`
function fs_files.open(path, opts)
  opts = opts or {}
  local bytes = files.read(path)
  local addr = opts.at
  if addr and addr >= #bytes then
    errors.raise("range", ("%s ends before %s"):format(path, numbers.hex(addr)))
  end
  if not addr then
    addr = (opts.flavour or spiffs.probe(bytes)) and 0 or search(path, bytes)
  end
  local fs = spiffs.open(bytes, { addr = addr, flavour = opts.flavour, block = opts.block })
  return { fs = fs, addr = addr, bytes = bytes, path = path }
end

--- Saves what was changed, in the file that was opened or in another.
-- @tparam table place from `open`
-- @tparam[opt] string path
-- @raise `io`, `disk`
function fs_files.save(place, path)
  local new = place.fs:bytes()
  local all = place.bytes:sub(1, place.addr) .. new .. place.bytes:sub(place.addr + #new + 1)
  if path or all ~= place.bytes then files.write(path or place.path, all) end
end

--- A name for a file on this machine: nothing that leads out of a folder.
-- @tparam string name in the file system
-- @treturn string
-- @raise `file` when it cannot be
function fs_files.host_name(name)
  local parts = {}
  for part in name:gmatch("[^/]+") do
    if part == ".." or part:find("[%c\\]") then
      errors.raise("file", ("a file called %s is not written here"):format(text.escape(name)),
        { hint = "'fs get IMG NAME -o FILE' writes it under another name" })
    end
    if part ~= "." then parts[#parts + 1] = part end
  end
  if #parts == 0 then
    errors.raise("file", ("a file called %s has no name for this machine"):format(text.quote(name)))
  end
  return table.concat(parts, "/")
end

local function make_folders(path)
  local at = path:sub(1, 1) == "/" and "" or nil
  for part in path:gmatch("([^/]+)/") do
    at = at and at .. "/" .. part or part
    if lfs.attributes(at, "mode") == nil then errors.check(lfs.mkdir(at)) end
  end
end

--- Writes every file into a folder, with the folders that their names speak of.
-- All names are checked first.
-- @tparam fs fs
-- @tparam string folder made if it is not there
-- @treturn {table,...} `name`, `path`, `size`, `damaged` (why, if it is)
-- @raise `file`, `io`
function fs_files.extract(fs, folder)
  local list = fs:list()
  for _, file in ipairs(list) do
    file.path = folder .. "/" .. fs_files.host_name(file.name)
  end
  make_folders(folder .. "/")
  for _, file in ipairs(list) do
    local bytes, why = fs:read(file.name, true)
    make_folders(file.path)
    files.write(file.path, bytes)
    file.damaged = why
  end
  return list
end

return fs_files
