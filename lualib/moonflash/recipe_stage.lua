--- What a stage of a recipe writes, while its parts are being placed. Pure.
--
-- An aggregated firmware has a fill of 0xff between its two parts. It is written with
-- the rest as long as nothing else wants its place.
-- @module moonflash.recipe_stage
local numbers <const> = require "moonflash.numbers"

local recipe_stage = {}
recipe_stage.__index = recipe_stage

local SECTOR <const>, IROM <const> = 0x1000, 0x10000

local round_up <const> = numbers.round_up

--- An empty stage.
-- @tparam integer flash_bytes flash that the firmware may use
-- @treturn recipe_stage parts, keep (for `plan.write`); lines, warnings (what is done
-- and why); what is found out on the way becomes further fields
function recipe_stage.new(flash_bytes)
  return setmetatable({ parts = {}, keep = {}, lines = {}, warnings = {},
    flash_bytes = flash_bytes }, recipe_stage)
end

--- Says what is done, as `string.format`.
function recipe_stage:explain(...) self.lines[#self.lines + 1] = string.format(...) end

--- Warns, as `string.format`.
function recipe_stage:warn(...) self.warnings[#self.warnings + 1] = string.format(...) end

--- Makes room in a fill for what a recipe puts or keeps there, such as the init data
-- of NodeMCU 3.
-- @tparam integer addr
-- @tparam integer size
function recipe_stage:split_fill(addr, size)
  for i, one in ipairs(self.parts) do
    local first = one.fill
    if first and addr < IROM and addr + size > first then
      one.fill = nil
      table.insert(self.parts, i + 1, { addr = IROM, data = one.data:sub(IROM + 1),
        name = one.name })
      table.insert(self.parts, i + 1, { addr = first, size = IROM - first,
        name = "fill of " .. one.name })
      one.data = one.data:sub(1, first)
      return
    end
  end
end

--- Adds a part; what has data of its own takes its place out of the fill of a firmware.
-- @tparam part part addr, data or size, name
function recipe_stage:add(part)
  if part.data then self:split_fill(part.addr, #part.data) end
  self.parts[#self.parts + 1] = part
end

-- Where the fill between the two parts of an aggregated file begins; nil without one.
local function fill_of(one, parsed)
  local first = parsed.checksum and round_up(parsed.checksum.offset + 1, SECTOR)
  if one.addr ~= 0 or not one.data or not first or first >= IROM or #one.data <= IROM
    or one.data:sub(first + 1, IROM):find("[^\xff]") then
    return nil
  end
  return first
end

--- Adds the parts of a firmware, whose own data take their places out of its fill.
-- @tparam {part,...} parts of `upgrade.plan`
-- @tparam table parsed of `image.parse`
function recipe_stage:add_firmware(parts, parsed)
  for _, one in ipairs(parts) do
    one.fill = fill_of(one, parsed)
    self.parts[#self.parts + 1] = one
  end
  for _, one in ipairs(parts) do
    if one.data and one.addr > 0 then self:split_fill(one.addr, #one.data) end
  end
end

--- Keeps a range: what a firmware would only like to have blank gives way.
-- @tparam range hole addr, size, name
function recipe_stage:keep_hole(hole)
  self.keep[#self.keep + 1] = { addr = hole.addr, size = hole.size,
    name = ("%s (mf.hole)"):format(hole.name) }
  self:split_fill(hole.addr, hole.size)
  local list, last = {}, hole.addr + hole.size
  for _, one in ipairs(self.parts) do
    local to = one.size and one.addr + one.size
    if one.data or one.own or to <= hole.addr or one.addr >= last then
      list[#list + 1] = one
    else
      if one.addr < hole.addr then
        list[#list + 1] = { addr = one.addr, size = hole.addr - one.addr, name = one.name }
      end
      if to > last then list[#list + 1] = { addr = last, size = to - last, name = one.name } end
    end
  end
  self.parts = list
end

return recipe_stage
