--- Several pieces of flash as one file: raw, Intel HEX or UF2. Pure.
-- @module moonflash.image_merge
local errors <const> = require "moonflash.errors"
local intelhex <const> = require "moonflash.intelhex"
local numbers <const> = require "moonflash.numbers"
local uf2 <const> = require "moonflash.uf2"

local image_merge = {}

local MAX <const> = 0x8000000          -- more than any flash of the family

--- A size as option values name it.
-- @tparam string text "4MB", "2MB-c1", "512k"
-- @treturn integer bytes
function image_merge.size_of(text)
  return numbers.parse((text:gsub("%-c1$", "")), "size")
end

-- Ascending, none over another, none before the target.
local function in_order(parts, target)
  local list = table.move(parts, 1, #parts, 1, {})
  table.sort(list, function(a, b) return a.addr < b.addr end)
  local last_end, last = target, nil
  for _, p in ipairs(list) do
    if p.addr < target then
      errors.raise("range", ("%s at 0x%x lies before the target offset 0x%x"):format(p.name, p.addr,
        target))
    elseif p.addr < last_end then
      errors.raise("overlap", ("%s at 0x%x overlaps with %s"):format(p.name, p.addr, last.name))
    end
    last_end, last = p.addr + #p.data, p
    if last_end > MAX then
      errors.raise("range", ("%s at 0x%x ends far behind any flash"):format(p.name, p.addr))
    end
  end
  return list
end

local function fill(to, from) return ("\xff"):rep(to - from) end

local FORMAT <const> = {}

function FORMAT.raw(list, opts)
  local out, at = {}, opts.target
  for _, p in ipairs(list) do
    out[#out + 1] = fill(p.addr, at)
    out[#out + 1] = p.data
    at = p.addr + #p.data
  end
  if opts.pad_to then
    if at > opts.pad_to then
      errors.raise("toobig", ("the files end at 0x%x, behind the size of 0x%x to pad to"):format(at,
        opts.pad_to))
    end
    out[#out + 1] = fill(opts.pad_to, at)
  end
  return table.concat(out)
end

function FORMAT.hex(list) return intelhex.build(list) end

function FORMAT.uf2(list, opts)
  return uf2.build(list, { chunk = opts.chunk, md5 = opts.md5, numbering = "by file" })
end

--- Joins parts.
-- @tparam {part,...} parts { addr, data, name } in any order
-- @tparam table opts `format` raw, hex or uf2; `target` (default 0) where in flash a
--   raw file begins; `pad_to` size of flash that a raw file is to reach; for UF2:
--   `chunk` bytes a block, `md5` function(bytes) -> 32 hex digits
-- @treturn string
-- @raise `overlap`, `range`, `toobig`, `size`, `usage`
function image_merge.build(parts, opts)
  local target = opts.target or 0
  return FORMAT[opts.format](in_order(parts, target), { target = target, pad_to = opts.pad_to,
    chunk = opts.chunk, md5 = opts.md5 })
end

return image_merge
