--- moonflash.lock: the digests of a recipe and of every file it uses.
--
-- The file lies beside the recipe and has a section for each recipe of its folder, a
-- line for each file, all sorted, so that it stays the same when nothing changes and
-- two people's changes to it merge:
--
--     return {
--       ["flash.lua"] = {
--         ["build/nodemcu.bin"] = "5f2d...",
--         ["flash.lua"] = "03ba...",
--         ["lua/"] = "77c1...",
--       },
--     }
--
-- A name with a slash at its end is a folder, whose digest is that of its list. The
-- text is read as text; nothing in it is run.
-- @module moonflash.lock
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local files <const> = require "moonflash.files"
local lfs <const> = require "lfs"
local names_of <const> = require("moonflash.text").names

local lock = {}

--- The file's name.
lock.NAME = "moonflash.lock"

local HEAD <const> = "-- What recipes used when they were locked; 'moonflash lock RECIPE' writes it.\n"

-- Names go between quotes: what would end them, and what no line can hold, as %XX.
local function quote(name)
  return (name:gsub('[%c"\\%%\x7f]', function(c) return ("%%%02x"):format(c:byte()) end))
end

local function unquote(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- The text of a lock.
-- @tparam table sections { recipe = { path = digest } }
-- @treturn string
function lock.format(sections)
  local out = { HEAD, "return {\n" }
  for _, recipe in ipairs(names_of(sections)) do
    out[#out + 1] = ('  ["%s"] = {\n'):format(quote(recipe))
    for _, path in ipairs(names_of(sections[recipe])) do
      out[#out + 1] = ('    ["%s"] = "%s",\n'):format(quote(path), sections[recipe][path])
    end
    out[#out + 1] = "  },\n"
  end
  out[#out + 1] = "}\n"
  return table.concat(out)
end

--- Reads the text of a lock.
-- @tparam string text
-- @tparam[opt] string name of the file, for messages
-- @treturn table sections
-- @raise `file`, with the line that is wrong
function lock.parse(text, name)
  local sections, section, number = {}, nil, 0
  for line in text:gmatch("([^\n]*)\n?") do
    number = number + 1
    local recipe = line:match('^  %["([^"]*)"%] = {$')
    local path, digest = line:match('^    %["([^"]*)"%] = "(%x+)",$')
    if recipe and not section then
      section = {}
      sections[unquote(recipe)] = section
    elseif path and section and #digest == 64 then
      section[unquote(path)] = digest
    elseif line == "  }," then
      section = nil
    elseif not (line == "" or line:match("^%-%-") or line == "return {" or line == "}") then
      errors.raise("file", ("%s:%d: this is no line of a lock"):format(name or lock.NAME, number),
        { hint = "write it again: moonflash lock RECIPE" })
    end
  end
  return sections
end

local function place(p) return p.folder .. lock.NAME end

local function read(p)
  if not lfs.attributes(place(p), "mode") then return nil end
  return lock.parse(files.read(place(p)), place(p))
end

local function missing(p, recipe, what)
  errors.raise("refused_by_policy", what, { hint = ("moonflash lock %s writes it"):format(
    p.folder .. recipe) })
end

--- Holds permissions to the lock: every file that it names is compared now, and every
-- one that is read later must be in it.
-- @tparam permissions p
-- @tparam string path of the recipe
-- @raise `refused_by_policy`, naming the file that differs
function lock.apply(p, path)
  local recipe = path:sub(#p.folder + 1)
  local sections = read(p) or missing(p, recipe, ("there is no %s"):format(place(p)))
  local section = sections[recipe]
    or missing(p, recipe, ("%s says nothing of %s"):format(place(p), recipe))
  if not section[recipe] then
    missing(p, recipe, ("%s does not hold %s itself"):format(place(p), recipe))
  end
  p.locked = section
  for _, name in ipairs(names_of(section)) do
    local folder = name:match("^(.*)/$")
    local kind = p:kind(folder or name)
    if kind ~= (folder and "directory" or "file") then
      errors.raise("refused_by_policy", ("%s is in %s and missing here"):format(name, place(p)))
    end
    if folder then p:list(folder) else p:read(name, true) end
  end
end

--- Writes what was used.
-- @tparam permissions p
-- @tparam string path of the recipe
-- @treturn integer files and folders in it
-- @treturn boolean whether the file changed
function lock.write(p, path)
  local recipe = path:sub(#p.folder + 1)
  local sections = read(p) or {}
  local section, n = {}, 0
  for _, used in ipairs(p:used()) do
    section[used.path] = used.sha256
    n = n + 1
  end
  sections[recipe] = section
  local text = lock.format(sections)
  if lfs.attributes(place(p), "mode") and files.read(place(p)) == text then return n, false end
  errors.check(esp.write_file(place(p), text))
  return n, true
end

return lock
