--- Which flash mode goes into the boot header. Pure.
--
-- `auto`, the default, in this order:
--
-- 1. An ESP8285 gets dout: its flash is inside and has no other pins that work.
-- 2. What the image says stays when it needs no more than the four lines that
--    every module has (dio, dout).
-- 3. A quad mode stays when the flash is known to take it at every boot, and the
--    chip itself has read its flash in that mode, bit for bit. Without that proof
--    it becomes dio: a little slower, and it boots.
-- 4. After writing, the mode that went in is tried on the chip where the loader
--    can; a mode that reads wrong bytes gives way to the next more careful one.
--
-- A mode that the user names is used as named; what looks wrong is said.
-- @module moonflash.flash_mode

local errors = require "moonflash.errors"
local image_header = require "moonflash.image_header"

local flash_mode = {}

local QUAD <const> = { qio = true, qout = true }

-- What to try when a mode reads wrong bytes.
local NEXT <const> = { qio = "dio", qout = "dio", dio = "dout" }

--- Check a `--mode` argument.
-- @tparam string word auto, keep, qio, qout, dio or dout
-- @treturn string in lower case
-- @raise `usage`
function flash_mode.parse(word)
  word = word:lower()
  if word == "auto" or word == "keep" then return word end
  image_header.mode_code(word)
  return word
end

-- The flash of an ESP8285 is inside the package.
local function is_8285(facts) return (facts.chip or ""):match("^ESP8285") ~= nil end

-- Why quad modes cannot work on this flash, or nil.
local function against_quad(rule)
  if not rule then return "nothing is known of quad modes on this flash chip" end
  if rule.quad == false then return "this flash chip has no quad mode that the ROM can set" end
  if not rule.rom_keeps then
    return "the boot ROM clears this flash chip's quad enable bit at every start"
  end
end

local function warnings_for(mode, facts)
  local list = {}
  if is_8285(facts) and mode ~= "dout" then
    list[1] = ("an ESP8285 boots in mode dout only, not in %s"):format(mode)
  elseif QUAD[mode] and against_quad(facts.quad_rule) then
    list[1] = ("mode %s may not boot: %s"):format(mode, against_quad(facts.quad_rule))
  end
  return list
end

local function automatic(facts)
  local image = facts.image_mode or "unknown"
  if is_8285(facts) then return "dout", "the chip is an ESP8285" end
  if image == "dio" or image == "dout" then return image, "as the image says" end
  if not QUAD[image] then return "dio", "the image names no mode" end
  local why = against_quad(facts.quad_rule)
  if not why and facts.can_probe then
    return image, "as the image says, to be proven on the chip"
  end
  return "dio", why or ("%s cannot be proven with this loader"):format(image)
end

--- Choose the mode for the boot header.
-- @tparam table facts `asked` (from `parse`), `image_mode` (nil when its code
-- means nothing), `chip` ("ESP8266EX", "ESP8285H16", ...), `quad_rule` (from
-- `flash_chips.quad_rule`), `can_probe` (the loader can try modes)
-- @treturn table mode ("keep" leaves the header alone); why; changes (boolean);
-- probe (boolean: try it after writing); warnings (list of lines)
function flash_mode.choose(facts)
  local asked = facts.asked
  if asked == "keep" then
    return { mode = "keep", why = "kept as asked", changes = false, probe = false,
      warnings = facts.image_mode and warnings_for(facts.image_mode, facts) or {} }
  elseif asked ~= "auto" then
    return { mode = asked, why = "as asked", changes = asked ~= facts.image_mode,
      probe = facts.can_probe or false,
      warnings = warnings_for(asked, facts) }
  end
  local mode, why = automatic(facts)
  return { mode = mode, why = why, changes = mode ~= facts.image_mode,
    probe = facts.can_probe or false, warnings = {} }
end

--- The mode that works, tried from the one that was written downwards.
-- @tparam string mode what the header says now
-- @tparam function works of a mode: true, false, or nil when it cannot be told
-- @treturn string mode to use: the first that works; the same one when nothing
-- can be told
-- @treturn {string,...} modes that failed
-- @raise `flash` when not even dout reads right
function flash_mode.settle(mode, works)
  local failed = {}
  while mode do
    if works(mode) ~= false then return mode, failed end
    failed[#failed + 1] = mode
    mode = NEXT[mode]
  end
  errors.raise("flash", "flash reads differently in every mode, even the slowest",
    { hint = "check the supply and the flash pins GPIO6 to GPIO11" })
end

return flash_mode
