--- What a recipe may do with the program's objects: for each class, the methods that it
-- may call and the fields that it may read. What is not listed is not there.
--
-- A class is known by the name or the identity of its metatable. A new one may say it
-- itself: `__recipes = { methods = "a b", fields = "c" }` in the metatable; fields "*" are
-- all, `computed` asks __index too.
-- @module moonflash.confine_surface
local surface = {}

local function set(words)
  local s = {}
  for word in words:gmatch("%S+") do s[word] = true end
  return s
end

-- Methods of the bindings: they take plain values and reach only their own port.
local BY_NAME <const> = {
  ["esp.port"] = { methods = "read write drain flush baud lines set_break sleep now info close" },
  ["esp.rom"] = { methods = "connect sync heard is_stub inverted change_baud read_reg read_regs"
    .. " write_reg load_ram run boot flash_id flash_status flash_write_status spi flash_params"
    .. " flash_erase flash_write_begin flash_write_block flash_read command send_frame frame"
    .. " start_stub close" },
  ["esp.stub"] = { methods = "hello set_baud ping run counters info hashes mode_works digest read"
    .. " spi write_status flash_reset mem_read mem_write write_begin write_unit write_end erase"
    .. " erase_chip state reset close" },
  ["esp.sim"] = { methods = "port now run power is_on peek poke flash set_flash flash_size stats"
    .. " sector_erases page_programs cpu" },
  ["moonflash.board"] = { methods = "flash info read peek start expect match send log show refuse",
    fields = "chip mac unit params variant port_name" },
  ["moonflash.part"] = { fields = "*" },
  ["moonflash.error"] = { fields = "code message hint addr" },
}

-- The modules whose table is the metatable of their objects, if they are loaded at all.
local BY_MODULE <const> = {
  ["moonflash.device"] = { methods = "flash read compare differences send start expect",
    fields = "chip changed port running" },
  ["moonflash.board_test"] = { methods = "flash expect expect_bytes expect_region expect_blank"
    .. " expect_console put put_file put_firmware put_files file_text expect_file"
    .. " expect_no_file written expect_written run_again read_file", fields = "error summary" },
  ["moonflash.recipe"] = {},
}

local cache = setmetatable({}, { __mode = "k" })

local function class(name, spec)
  return { name = name, methods = set(spec.methods or ""), fields = set(spec.fields or ""),
    computed = spec.computed, made = {} }
end

local function find(meta)
  local declared = rawget(meta, "__recipes")
  local name = rawget(meta, "__name")
  if declared then return class(type(name) == "string" and name or "object", declared) end
  if BY_NAME[name] then return class(name, BY_NAME[name]) end
  for module, spec in pairs(BY_MODULE) do
    if package.loaded[module] == meta then return class(module, spec) end
  end
  return class("object", {})
end

--- The class of an object.
-- @param object a table with a metatable, or a userdata
-- @treturn table `name`, `methods`, `fields` (sets)
function surface.of(object)
  local meta = debug.getmetatable(object) or {}      -- a plain table of its own making is none
  cache[meta] = cache[meta] or find(meta)
  return cache[meta]
end

-- Patterns of a recipe's are matched where it runs: they may take for ever.
local function by_its_own(pattern)
  if type(pattern) ~= "table" or type(pattern.find) ~= "function" then
    error("a pattern is wanted", 0)
  end
  return { find = pattern.find, text = tostring(pattern.text) }
end

-- What stands in front of a method: its arguments, made harmless.
local function expect(self, pattern, ...) return self:expect(by_its_own(pattern), ...) end
local function match(self, pattern, ...) return self:match(by_its_own(pattern), ...) end
local function log(self, format, ...)
  local line = select("#", ...) > 0 and format:format(...) or tostring(format)
  return self:log("%s", (line:gsub("%c", "?")))
end
local INSTEAD <const> = {
  ["moonflash.device"] = { expect = expect },
  ["moonflash.board"] = { expect = expect, match = match, log = log },
}

-- A method for recipes: its object is really one of that class, whatever is passed.
local function method(c, key)
  local act = INSTEAD[c.name] and INSTEAD[c.name][key]
    or function(self, ...) return self[key](self, ...) end
  return function(self, ...)
    local kind = type(self)
    if (kind ~= "table" and kind ~= "userdata") or surface.of(self) ~= c then
      error(("'%s' is called with a colon"):format(key), 0)
    end
    return act(self, ...)
  end
end

--- What a recipe sees under a name in an object.
-- @param object
-- @tparam string key
-- @return a function to call with the object, or a plain value; nil
function surface.index(object, key)
  local kind = type(object)
  if kind ~= "table" and kind ~= "userdata" then return nil end
  local c = surface.of(object)
  if c.methods[key] then
    c.made[key] = c.made[key] or method(c, key)
    return c.made[key]
  end
  if kind == "table" and (c.fields[key] or c.fields["*"]) then
    local value = rawget(object, key)
    if value == nil and c.computed then value = object[key] end
    return type(value) ~= "function" and value or nil
  end
end

return surface
