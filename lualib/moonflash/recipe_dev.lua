--- What the hooks of a recipe get of the board: a small surface that stays.
--
-- * `dev.mac`, `dev.chip` (a table: `chip` = "ESP8266EX", `mac`, `chip_id`, `crystal`),
--   `dev.unit` (what @{moonflash.recipe_unit} knows), `dev.params`, `dev.variant`
-- * the functions below; those that need the loader fail once the firmware runs
-- @module moonflash.recipe_dev
local console <const> = require "moonflash.console"
local errors <const> = require "moonflash.errors"
local flashing <const> = require "moonflash.flashing"
local report <const> = require "moonflash.report"

local recipe_dev = {}

local methods = {}

-- The device behind each, out of reach of the recipe.
local behind = setmetatable({}, { __mode = "k" })

local meta = { __index = methods, __name = "moonflash.board", __metatable = false }

local function raw(dev)
  return behind[dev] or error("the board's functions are called with a colon: dev:expect(...)", 3)
end

local function in_loader(dev, what)
  local d = raw(dev)
  if d.loader then return d end
  errors.raise("script", ("dev:%s needs the loader, and the firmware runs"):format(what),
    { hint = "call it before dev:start, dev:expect or dev:send" })
end

--- Makes one.
-- @tparam device device
-- @tparam table facts `unit`, `params`, `variant`
-- @treturn dev
function recipe_dev.new(device, facts)
  local dev = setmetatable({ chip = device.chip, mac = device.chip.mac, unit = facts.unit,
    params = facts.params, variant = facts.variant, port_name = device.port_name }, meta)
  behind[dev] = device
  return dev
end

--- The flash chip.
-- @treturn table `id`, `size` (bytes), `manufacturer`, `part`
function methods:flash() return in_loader(self, "flash"):flash() end

--- What is on the chip now.
-- @treturn table `firmware` ({ id, name, version }), `generation`, `blank`,
--   `file_system`, `init_data`, `warnings`
function methods:info()
  local facts = flashing.identify(in_loader(self, "info"), { usage = true })
  return { blank = facts.blank or false, firmware = facts.firmware, nodemcu = facts.nodemcu,
    generation = facts.generation, file_system = facts.file_system, init_data = facts.init_data,
    lfs = facts.lfs, warnings = facts.warnings, regions = facts.regions }
end

--- Reads flash.
-- @tparam integer addr
-- @tparam integer size
-- @treturn string
function methods:read(addr, size) return in_loader(self, "read"):read(addr, size) end

--- Reads a word of memory or of a register.
-- @tparam integer addr a multiple of 4
-- @treturn integer
function methods:peek(addr)
  local d = in_loader(self, "peek")
  if math.type(addr) ~= "integer" or addr % 4 ~= 0 then
    errors.raise("script", ("dev:peek: %s is not the address of a word"):format(tostring(addr)))
  end
  local stub = d.loader.stub
  if stub then return (("<I4"):unpack(errors.check(stub:mem_read(addr, 4)))) end
  return (errors.check(d.rom:read_reg(addr)))
end

--- Starts the firmware; flash work is over then, for this stage.
-- @tparam[opt=115200] integer baud of its console
function methods:start(baud)
  local d = raw(self)
  if not d.running then d:start(baud) end
end

--- Waits until the firmware prints a text; starts it when it does not run yet.
-- @tparam string text as it is: `"> "`
-- @tparam[opt=10] number seconds
-- @tparam[opt=115200] integer baud
-- @raise `timeout`, with what was heard instead
function methods:expect(text, seconds, baud)
  if type(text) == "table" then text = text.text end       -- from a process of its own
  text = tostring(text)
  raw(self):expect({ text = text, find = function(heard)
    local _, last = heard:find(text, 1, true)
    return last
  end }, seconds, baud)
end

local function by_pattern(pattern)
  return function(heard)
    local first, last = heard:find(pattern)
    if not first then return nil end
    local captures = table.pack(heard:match(pattern))
    return last, table.unpack(captures, 1, captures.n)
  end
end

--- Waits until the firmware prints a line that a Lua pattern matches. Whole lines only:
-- `"heap (%d+)"` does not take the first digit for the number.
-- @tparam string pattern
-- @tparam[opt=10] number seconds
-- @tparam[opt=115200] integer baud
-- @treturn string,... its captures, or all that matched
-- @raise `timeout`, with what was heard instead
function methods:match(pattern, seconds, baud)
  local find = type(pattern) == "table" and pattern.find or by_pattern(tostring(pattern))
  return raw(self):expect({ text = type(pattern) == "table" and pattern.text or pattern,
    find = function(heard) return find(heard:match("^.*\n") or "") end }, seconds, baud)
end

--- Sends a line to the firmware's console; starts it when it does not run yet.
-- @tparam string line "\n" is added unless it ends in one
function methods:send(line)
  if line:sub(-1) ~= "\n" then line = line .. "\n" end
  raw(self):send(line)
end

--- Says something.
-- @tparam string format as string.format
function methods:log(format, ...)
  raw(self)
  report.stage("%s", select("#", ...) > 0 and format:format(...) or format)
end

--- Shows a line as one of the chip's.
methods.show = function(_, line) console.show(line) end

--- Ends the recipe: this is not the board that it is for (exit 5; 8 once it has
-- changed).
-- @tparam string message
-- @tparam[opt] string hint
function methods:refuse(message, hint)
  raw(self)
  errors.raise("wrong_chip", tostring(message), { hint = hint })
end

return recipe_dev
