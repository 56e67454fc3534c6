--- Testing a recipe or any Lua file on a simulated board: `moonflash test`.
--
-- What is expected is said in Lua, in the recipe's `test.expect(t)` or in a file
-- of its own; the flash is looked at directly, not through the chip.
-- @module moonflash.board_test
local console <const> = require "moonflash.console"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local files <const> = require "moonflash.files"
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
-- @treturn board_test
function board_test.new(file, options, folder)
  return setmetatable({ file = file, options = options, folder = folder, results = {} },
    board_test)
end

-- Notes one result as a line of TAP.
local function note(self, ok, what, why)
  self.results[#self.results + 1] = { ok = ok, what = what, why = why }
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
  return note(self, not at, what or ("%d bytes at 0x%06x"):format(#bytes, addr),
    at and ("first difference at 0x%06x"):format(addr + at))
end

--- Expects a file's bytes at an address. Bytes 2 and 3 of a boot image at 0x0,
-- which hold mode, clock and size, may differ.
-- @tparam integer addr
-- @tparam string path relative to the recipe
-- @treturn boolean
function board_test:expect_region(addr, path)
  local bytes = files.read(path:sub(1, 1) == "/" and path or self.folder .. path)
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
  return note(self, found ~= nil, ("the console says %q"):format(pattern),
    not found and "heard: " .. text.shorten(text.escape(heard), 300))
end

--- Expects anything.
-- @param ok
-- @tparam string what
-- @treturn boolean
function board_test:expect(ok, what)
  return note(self, ok and true or false, what, not ok and "it is not so")
end

--- The results as TAP, and how many failed.
-- @treturn {string,...} lines
-- @treturn integer
function board_test:tap()
  local lines, failed = { ("1..%d"):format(#self.results) }, 0
  for i, r in ipairs(self.results) do
    lines[#lines + 1] = ("%sok %d - %s"):format(r.ok and "" or "not ", i, r.what)
    if not r.ok then
      failed = failed + 1
      lines[#lines + 1] = "# " .. r.why
    end
  end
  return lines, failed
end

return board_test
