--- What recipes use: `local mf = require "moonflash"`.
--
-- A recipe is a Lua file in a project's repository that returns
-- `mf.recipe{ ... }`; `moonflash flash.lua` carries it out and
-- `moonflash test flash.lua` does so on a simulated board.
-- @module moonflash
local parts <const> = require "moonflash.recipe_parts"
local recipe <const> = require "moonflash.recipe"

local mf = {
  --- Sizes in bytes.
  KiB = 1024,
  MiB = 1024 * 1024,
  --- The version of this interface; a recipe says `api = 1`.
  API = recipe.API,
  --- See @{moonflash.recipe.new}.
  recipe = recipe.new,
}

-- The parts: @{moonflash.recipe_parts}.
for _, name in ipairs { "firmware", "init_data", "partition", "spiffs", "lfs", "file", "bytes",
  "blank", "hole", "backup", "label" } do
  mf[name] = parts[name]
end

return mf
