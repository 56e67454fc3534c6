--- What recipes use: `local mf = require "moonflash"`.
--
-- A recipe is a Lua file in a project's repository that returns
-- `mf.recipe{ ... }`; `moonflash flash.lua` carries it out and
-- `moonflash test flash.lua` does so on a simulated board.
-- @module moonflash
local recipe <const> = require "moonflash.recipe"

local mf = {
  --- Sizes in bytes.
  KiB = 1024,
  MiB = 1024 * 1024,
  --- See @{moonflash.recipe.new}.
  recipe = recipe.new,
  --- See @{moonflash.recipe.file}.
  file = recipe.file,
  --- See @{moonflash.recipe.firmware}.
  firmware = recipe.firmware,
  --- See @{moonflash.recipe.bytes}.
  bytes = recipe.bytes,
}

return mf
