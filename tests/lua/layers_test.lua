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

-- Pure modules: bytes and tables in, bytes and tables out.
local PURE <const> = { "plan", "image", "image_parse", "image_build", "image_header", "layout",
  "partition", "init_data", "chip_id", "flash_chips", "nodemcu", "foreign", "heard",
  "boot_messages", "numbers", "text", "errors", "crc32", "intelhex", "uf2" }
local IMPURE <const> = { esp = true, lfs = true, ["moonflash.device"] = true,
  ["moonflash.report"] = true, ["moonflash.cli"] = true, ["moonflash.files"] = true,
  ["moonflash.console"] = true }

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

function TestLayers:test_pure_modules_touch_no_port_and_no_file()
  for _, name in ipairs(PURE) do
    for module in read("lualib/moonflash/" .. name .. ".lua"):gmatch('require%s*%(?"([^"]+)"') do
      lu.assertNil(IMPURE[module], name .. " requires " .. module)
    end
  end
end

os.exit(lu.LuaUnit.run())
