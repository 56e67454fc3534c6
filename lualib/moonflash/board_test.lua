--- Testing a recipe or any Lua file on a simulated board: `moonflash test`.
--
-- What is expected is said in Lua, in the recipe's `test.expect(t)` or in a file
-- of its own; the flash is looked at directly, not through the chip.
-- @module moonflash.board_test
local console <const> = require "moonflash.console"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local files <const> = require "moonflash.files"
local identify <const> = require "moonflash.identify"
local lfs <const> = require "lfs"
local spiffs <const> = require "moonflash.spiffs"
local spiffs_find <const> = require "moonflash.spiffs_find"
local text <const> = require "moonflash.text"

local board_test = {}
board_test.__index = board_test

--- The simulated board's URL.
-- @tparam string file that keeps its flash
-- @tparam table options of the board: `size`, `chip`, `mac`, faults ...
-- @treturn string "sim:..."
function board_test.url(file, options)
  local words = {}
  for name, value in pairs(options) do
    words[#words + 1] = ("%s=%s"):format(name, value == true and 1 or value)
  end
  table.sort(words)
  return ("sim:%s?%s"):format(file, table.concat(words, "&"))
end

--- Begins a test.
-- @tparam string file the board's flash
-- @tparam table options of the board
-- @tparam string folder that file names in expectations are relative to
-- @tparam[opt] table given `read(path)`: reads a file of the recipe; `labels`: files
--   that the recipe wrote, by name; `prefix` of what is expected
-- @treturn board_test
function board_test.new(file, options, folder, given)
  given = given or {}
  return setmetatable({ file = file, options = options, folder = folder, results = {},
    labels = given.labels or {}, prefix = given.prefix, reader = given.read or function(path)
      return files.read(path:sub(1, 1) == "/" and path or folder .. path)
    end }, board_test)
end

-- Notes one result as a line of TAP.
local function note(self, ok, what, why)
  self.results[#self.results + 1] = { ok = ok, why = why,
    what = (self.prefix and self.prefix .. ": " or "") .. what }
  return ok
end

--- The bytes in flash.
-- @tparam integer addr
-- @tparam integer size
-- @treturn string
function board_test:flash(addr, size)
  local f <close> = assert(io.open(self.file, "rb"))
  f:seek("set", addr)
  return f:read(size) or ""
end

local function first_difference(a, b)
  for i = 1, math.max(#a, #b) do
    if a:byte(i) ~= b:byte(i) then return i - 1 end
  end
end

--- Expects bytes at an address.
-- @tparam integer addr
-- @tparam string bytes
-- @tparam[opt] string what for the report
-- @treturn boolean
function board_test:expect_bytes(addr, bytes, what)
  local at = first_difference(self:flash(addr, #bytes), bytes)
  return note(self, not at, what or ("%s at 0x%06x"):format(text.count(#bytes, "byte"), addr),
    at and ("first difference at 0x%06x"):format(addr + at))
end

--- The bytes of a file of the recipe.
-- @tparam string path relative to the recipe
-- @treturn string
function board_test:read_file(path) return self.reader(path) end

--- Expects a file's bytes at an address. Bytes 2 and 3 of a boot image at 0x0,
-- which hold mode, clock and size, may differ.
-- @tparam integer addr
-- @tparam string path relative to the recipe
-- @treturn boolean
function board_test:expect_region(addr, path)
  local bytes = self:read_file(path)
  if addr == 0 and bytes:byte(1) == 0xe9 then
    bytes = bytes:sub(1, 2) .. self:flash(2, 2) .. bytes:sub(5)
  end
  return self:expect_bytes(addr, bytes, ("%s at 0x%06x"):format(path, addr))
end

--- Expects erased flash.
-- @tparam integer addr
-- @tparam integer size
-- @treturn boolean
function board_test:expect_blank(addr, size)
  return self:expect_bytes(addr, ("\xff"):rep(size), ("blank 0x%06x..0x%06x"):format(addr,
    addr + size - 1))
end

--- Boots the board and expects text on its console.
-- @tparam string pattern plain text
-- @tparam[opt=5] number seconds on the board's clock
-- @tparam[opt=115200] integer baud
-- @treturn boolean
function board_test:expect_console(pattern, seconds, baud)
  local options = {}
  for k, v in pairs(self.options) do options[k] = v end
  options.wiring, options.strap = "none", 3
  local port <close> = errors.check(esp.open(board_test.url(self.file, options),
    console.BOOT_BAUD))
  local heard = console.capture(port, { seconds = seconds or 5, baud = baud or 115200 },
    console.BOOT_BAUD, function(s) return s:find(pattern, 1, true) end)
  local found = heard:find(pattern, 1, true)
  return note(self, found ~= nil, ('the console says "%s"'):format(text.escape(pattern)),
    not found and "heard: " .. text.shorten(text.escape(heard), 300))
end

--- Expects anything.
-- @param ok
-- @tparam string what
-- @treturn boolean
function board_test:expect(ok, what)
  return note(self, ok and true or false, what, not ok and "it is not so")
end

-- ---- what was on the board before ----

--- Puts bytes into the board's flash; for `given`.
-- @tparam integer addr
-- @tparam string bytes
function board_test:put(addr, bytes)
  local f <close> = assert(io.open(self.file, "r+b"))
  f:seek("set", addr)
  assert(f:write(bytes))
end

--- Puts a file into the board's flash; for `given`.
-- @tparam integer addr
-- @tparam string path relative to the recipe
function board_test:put_file(addr, path)
  self:put(addr, self:read_file(path))
end

--- Puts a firmware where `moonflash flash` would: a folder of two files too.
-- @tparam string path relative to the recipe
function board_test:put_firmware(path)
  for _, addr in ipairs { 0, 0x10000 } do
    self:put_file(addr, ("%s/0x%05x.bin"):format(path, addr))
  end
end

--- Puts a file system into the board's flash; for `given`.
-- @tparam integer addr
-- @tparam integer size
-- @tparam table files text by name
-- @tparam[opt="3"] string generation of NodeMCU: "0.9.5", "2", "3" ...
function board_test:put_files(addr, size, files, generation)
  local list = {}
  for name, bytes in pairs(files) do list[#list + 1] = { name = name, bytes = bytes } end
  table.sort(list, function(a, b) return a.name < b.name end)
  local flavour = spiffs.flavour(generation or "3")
  self:put(addr, spiffs.build(list, { size = size, flavour = flavour.id,
    block = spiffs.default_block(flavour, size) }):bytes())
end

-- ---- what is on it now ----

local function file_system(self)
  local size = lfs.attributes(self.file, "size")
  local facts = identify.flash(function(addr, n) return self:flash(addr, n) end, size)
  if facts.file_system then return spiffs_find.open(facts.view, facts.file_system) end
  local bytes = self:flash(0, size)
  local found = spiffs.find(bytes)[1]
  return found and spiffs.open(bytes, { addr = found.addr })
end

--- The text of a file on the board, nil when it is not there.
-- @tparam string name
-- @treturn string|nil
function board_test:file_text(name)
  local fs = file_system(self)
  return fs and fs:has(name) and fs:read(name) or nil
end

--- Expects a file in the board's file system.
-- @tparam string name
-- @tparam[opt] string bytes what is in it
-- @treturn boolean
function board_test:expect_file(name, bytes)
  local text_now = self:file_text(name)
  local why = not text_now and "it is not there"
    or bytes and text_now ~= bytes and ('it holds "%s"'):format(
      text.shorten(text.escape(text_now), 200)) or nil
  return note(self, not why, "the file " .. name, why)
end

--- Expects that there is no file of a name on the board.
-- @tparam string name
-- @treturn boolean
function board_test:expect_no_file(name)
  return note(self, not self:file_text(name), "no file " .. name, "it is there")
end

--- A file that the recipe wrote on this machine (in a test, into memory).
-- @tparam string path
-- @treturn string|nil
function board_test:written(path) return self.labels[path] end

--- Expects a file that the recipe wrote on this machine.
-- @tparam string path
-- @tparam string bytes
-- @treturn boolean
function board_test:expect_written(path, bytes)
  local have = self.labels[path]
  return note(self, have == bytes, "it wrote " .. path, have and ('it holds "%s"'):format(
    text.shorten(text.escape(have), 200)) or "it did not")
end

--- Results as TAP, and how many failed.
-- @tparam {table,...} results of one test or of several
-- @treturn {string,...} lines
-- @treturn integer
function board_test.tap(results)
  local lines, failed = { ("1..%d"):format(#results) }, 0
  for i, r in ipairs(results) do
    lines[#lines + 1] = ("%sok %d - %s"):format(r.ok and "" or "not ", i,
      (r.what:gsub("%c+", " ")))
    if not r.ok then
      failed = failed + 1
      lines[#lines + 1] = "# " .. r.why
    end
  end
  return lines, failed
end

return board_test
