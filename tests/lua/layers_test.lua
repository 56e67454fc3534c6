-- Arrows point down only: which folder of src may include which, and which Lua
-- module may require which kind.
local lfs = require "lfs"
local lu = require "luaunit"

-- Folder -> folders whose headers it may include, besides its own and src/*.h.
local ALLOWED <const> = {
  ["src"] = { "src/lua", "src/port" },            -- main.c
  ["src/lua"] = { "src/loader", "src/port", "src/serve", "src/sim", "src/stub" },
  ["src/serve"] = { "src/sim", "src/port" },
  ["src/loader"] = { "src/port", "src/stub/wire.h" },
  ["src/port"] = { "src/sim" },
  ["src/sim"] = {},
  ["src/stub"] = { "src/loader/slip.h" },
}

-- Pure modules say so in their first comment: bytes and tables in, bytes and tables
-- out. They may require each other, and these.
local ALSO_PURE <const> = { dkjson = true, ["moonflash.resets"] = true, ["moonflash.recipe_where"] = true,
  ["moonflash.doctor_causes"] = true }

-- Of `esp` only what computes: digests, compression.
local COMPUTES <const> = { backup = true, restore = true, zip = true }

-- Modules of which much depends on their being pure.
local MUST_BE_PURE <const> = { "plan", "image", "image_parse", "image_build", "image_header",
  "layout", "partition", "init_data", "chip_id", "flash_chips", "nodemcu", "foreign", "heard",
  "boot_messages", "numbers", "text", "crc32", "intelhex", "uf2", "identify", "upgrade", "spiffs",
  "lfs_image", "doctor", "flash_map" }

-- Programs that run while building, on their own.
local TOOLS <const> = { ["src/stub/squeeze.c"] = true }

TestLayers = {}

local function read(path)
  local f <close> = assert(io.open(path))
  return f:read("a")
end

local function normalise(path)
  local out = {}
  for part in path:gmatch("[^/]+") do
    if part == ".." then out[#out] = nil elseif part ~= "." then out[#out + 1] = part end
  end
  return table.concat(out, "/")
end

local function allowed(folder, target)
  local target_folder = target:match("^(.*)/[^/]*$")
  if target_folder == folder or target_folder == "src" then return true end
  for _, a in ipairs(ALLOWED[folder]) do
    if a == target_folder or a == target then return true end
  end
  return false
end

function TestLayers:test_includes_point_down()
  local seen = 0
  for folder in pairs(ALLOWED) do
    for file in lfs.dir(folder) do
      if file:match("%.[ch]$") then
        for inc in read(folder .. "/" .. file):gmatch('#include "([^"]+)"') do
          local target = normalise(folder .. "/" .. inc)
          if not lfs.attributes(target) then target = normalise("src/" .. inc) end
          lu.assertTrue(allowed(folder, target), folder .. "/" .. file .. " includes " .. target)
          seen = seen + 1
        end
      end
    end
  end
  lu.assertTrue(seen > 100)
end

local function holds_code(folder)
  for file in lfs.dir(folder) do
    if file:match("%.[ch]$") then return true end
  end
  return false
end

function TestLayers:test_every_folder_of_src_has_its_place()
  for entry in lfs.dir("src") do
    if entry:sub(1, 1) ~= "." and lfs.attributes("src/" .. entry, "mode") == "directory"
      and holds_code("src/" .. entry) then
      lu.assertNotNil(ALLOWED["src/" .. entry], "src/" .. entry .. " is in no layer")
    end
  end
end

function TestLayers:test_nobody_below_main_prints_or_exits()
  for folder in pairs(ALLOWED) do
    for file in lfs.dir(folder) do
      if file:match("%.c$") and folder ~= "src" and folder ~= "src/lua"
        and not TOOLS[folder .. "/" .. file] then
        local text = read(folder .. "/" .. file)
        lu.assertNil(text:match("[%s(]printf%s*%("), folder .. "/" .. file .. " prints")
        lu.assertNil(text:match("[%s(]exit%s*%("), folder .. "/" .. file .. " exits")
      end
    end
  end
end

local function is_pure(text)
  return text:match "^.-\nlocal ":find "%f[%w]Pure%f[%W]" ~= nil
end

function TestLayers:test_pure_modules_touch_no_port_and_no_file()
  local texts, pure = {}, {}
  for file in lfs.dir "lualib/moonflash" do
    local name = file:match "^(.+)%.lua$"
    if name then texts[name] = read("lualib/moonflash/" .. file) end
  end
  for name, text in pairs(texts) do pure["moonflash." .. name] = is_pure(text) or nil end
  for _, name in ipairs(MUST_BE_PURE) do lu.assertTrue(pure["moonflash." .. name], name) end
  for name, text in pairs(texts) do
    for module in text:gmatch 'require%s*%(?"([^"]+)"' do
      if pure["moonflash." .. name] and not (module == "esp" and COMPUTES[name])
        and name ~= "template_project" then     -- it holds the text of a recipe
        lu.assertTrue(pure[module] or ALSO_PURE[module], name .. " requires " .. module)
      end
    end
  end
end

os.exit(lu.LuaUnit.run())
