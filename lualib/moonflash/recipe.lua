--- Recipes: what should be in flash, as a table in a project's repository.
--
--     local mf = require "moonflash"
--     return mf.recipe {
--       api   = 1,
--       flash = { mode = "dio", size = "detect" },
--       parts = { mf.firmware "build/nodemcu.bin", mf.file(0x3fc000, "init.bin") },
--     }
--
-- Everything is read and checked before the chip is touched. File names are
-- relative to the recipe's own folder.
-- @module moonflash.recipe
local device <const> = require "moonflash.device"
local errors <const> = require "moonflash.errors"
local files <const> = require "moonflash.files"
local numbers <const> = require "moonflash.numbers"
local parts <const> = require "moonflash.parts"
local plan <const> = require "moonflash.plan"
local report <const> = require "moonflash.report"
local writer <const> = require "moonflash.writer"

local recipe = {}
recipe.__index = recipe

--- The version of what is described here; a recipe says which one it was written for.
recipe.API = 1

local FIELDS <const> = { api = "number", chip = "string", flash = "table", parts = "table",
  before = "function", after = "function", test = "table" }

local function bad(message, hint)
  errors.raise("usage", "recipe: " .. message, { hint = hint })
end

local function check_fields(r)
  for name, value in pairs(r) do
    local want = FIELDS[name]
    if not want then bad(("there is no field '%s'"):format(tostring(name))) end
    if type(value) ~= want then
      bad(("'%s' is a %s, not a %s"):format(name, type(value), want))
    end
  end
  if r.api ~= recipe.API then
    bad(r.api and ("it is written for api = %s, this program knows %d"):format(r.api, recipe.API)
      or "it does not say for which api it is written", "begin it with api = 1")
  end
  if not r.parts or #r.parts == 0 then bad "it has no parts" end
  for i, part in ipairs(r.parts) do
    if type(part) ~= "table" or not part.addr then
      bad(("part %d is none"):format(i), "use mf.firmware, mf.file or mf.bytes")
    end
  end
end

--- Makes a recipe of its description.
-- @tparam table description
--
-- * `api`: 1
-- * `chip`: "esp8266" (also an ESP8285) or "esp8285"; refused on another
-- * `flash`: `mode`, `freq`, `size` of the boot header, as `moonflash write` takes them
-- * `parts`: what @{firmware}, @{file} and @{bytes} make
-- * `before(dev)`, `after(dev)`: called when connected, and when all is proven;
--   an error in `before` stops everything before the first erase
-- * `test`: `board` = options of the simulated board, `expect(t)` = what must be
--   true afterwards (@{moonflash.board_test})
-- @treturn recipe
-- @raise `usage`
function recipe.new(description)
  if type(description) ~= "table" then bad "mf.recipe takes a table" end
  check_fields(description)
  return setmetatable(description, recipe)
end

--- Whether a value is a recipe.
function recipe.is(value)
  return getmetatable(value) == recipe
end

--- A file at an address.
-- @tparam integer|string addr
-- @tparam string path relative to the recipe
-- @treturn part
function recipe.file(addr, path)
  return { addr = numbers.parse(addr, "address"), path = path, name = path }
end

--- A firmware image, at 0x0: what the chip boots.
-- @tparam string path relative to the recipe
-- @treturn part
function recipe.firmware(path)
  return recipe.file(0, path)
end

--- Bytes at an address.
-- @tparam integer|string addr
-- @tparam string bytes
-- @tparam[opt] string name for messages
-- @treturn part
function recipe.bytes(addr, bytes, name)
  return { addr = numbers.parse(addr, "address"), data = bytes, name = name or "bytes" }
end

local function absolute(folder, path)
  return path:sub(1, 1) == "/" and path or folder .. path
end

--- The parts with their bytes, checked.
-- @tparam string folder of the recipe, with its slash, or ""
-- @treturn {part,...}
function recipe:read(folder)
  local list = {}
  for i, part in ipairs(self.parts) do
    list[i] = { addr = part.addr, name = part.name,
      data = part.data or files.read(absolute(folder, part.path)) }
  end
  parts.check(list)
  return list
end

local function check_chip(self, dev)
  if self.chip == "esp8285" and not dev.chip.chip:match("^ESP8285") then
    errors.raise("wrong_chip", ("the recipe is for an ESP8285, this is an %s"):format(
      dev.chip.chip))
  end
end

--- Carries a recipe out.
-- @tparam table opt the global options, with `dry_run`
-- @tparam string folder of the recipe
-- @treturn table summary of the write
function recipe:run(opt, folder)
  local list = self:read(folder)
  local header = { mode = "keep", freq = "keep", size = "detect" }
  for k, v in pairs(self.flash or {}) do header[k] = v end
  plan.write { parts = list, flash_bytes = parts.largest(header),
    allow_partial = parts.is_partial(list) }
  local dev <close> = device.open(opt)
  check_chip(self, dev)
  local flash = dev:flash()
  parts.must_fit(list, flash)
  parts.patch(list, header, flash)
  if self.before then self.before(dev) end
  local request = { parts = list, allow_partial = parts.is_partial(list) }
  if opt.dry_run then
    for _, line in ipairs(plan.describe(dev:plan(request))) do report.line("%s", line) end
    dev:leave()
    return report.ok("nothing was changed")
  end
  local s = writer.write(dev, request, report.showing(dev))
  if self.after then dev:afterwards(self.after, dev) end
  dev:leave()
  report.result { bytes = s.bytes, sectors_written = s.written, sectors_skipped = s.skipped,
    verified = true }
  report.ok("%d bytes verified, %d sectors written, %d already there", s.bytes, s.written,
    s.skipped)
  return s
end

return recipe
