--- Calling the user's luac.cross, which makes LFS images of Lua files.
-- @module moonflash.luac
local errors <const> = require "moonflash.errors"
local lfs <const> = require "lfs"

local luac = {}

local function quote(s)
  return "'" .. s:gsub("'", "'\\''") .. "'"
end

local function sources(folder)
  local list = {}
  for name in lfs.dir(folder) do
    if name:match("%.lua$") then list[#list + 1] = folder .. "/" .. name end
  end
  table.sort(list)
  return list
end

local function run(program, list, out)
  local words = { quote(program), "-f", "-o", quote(out) }
  for _, path in ipairs(list) do words[#words + 1] = quote(path) end
  local p <close> = assert(io.popen(table.concat(words, " ") .. " 2>&1"))
  local said = p:read("a")
  return p:close(), said
end

--- An LFS image: the file itself, or what the compiler makes of a folder.
-- @tparam string path a file, or a folder of Lua files
-- @tparam string program the compiler
-- @treturn string path of an image; for a folder a temporary file, the caller's
-- @raise `file` with what the compiler said
function luac.image(path, program)
  if lfs.attributes(path, "mode") ~= "directory" then return path end
  local list = sources(path)
  if #list == 0 then errors.raise("file", "there are no Lua files in " .. path) end
  local out = os.tmpname()
  local ok, said = run(program, list, out)
  if ok then return out end
  os.remove(out)
  errors.raise("file", ("%s: %s"):format(program, said:match("[^\n]+") or "failed"), { hint =
    "it comes with NodeMCU's firmware sources; --luac names it" })
end

return luac
