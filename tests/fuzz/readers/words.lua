-- What is typed where numbers and regions are meant, and files whose names are asked.
local foreign = require "moonflash.foreign"
local firmware_files = require "moonflash.firmware_files"
local numbers = require "moonflash.numbers"
local old_lua = require "moonflash.old_lua"
local regions = require "moonflash.regions"
local errors = require "moonflash.errors"
local flash_mode = require "moonflash.flash_mode"
local text = require "moonflash.text"

local function attempt(lines, f, ...)
  local ok, e = pcall(f, ...)
  if ok then return e end
  if not errors.is(e) then error(e, 0) end
  lines[#lines + 1] = text.escape(e.message)
end

local function read(bytes)
  local lines = {}
  local word = bytes:match "^[^\n]*"
  local value = attempt(lines, numbers.parse, word, "size", { all = "all" })
  assert(value == nil or value == "all" or math.type(value) == "integer" and value >= 0,
    "no number")
  attempt(lines, regions.parse, word)
  attempt(lines, flash_mode.parse, word)
  firmware_files.address_of(word)
  local names = {}
  for name in bytes:gmatch "[^\n]+" do names[#names + 1] = name end
  attempt(lines, firmware_files.choose, names, "folder")
  local found = foreign.recognise(bytes)
  if found then lines[#lines + 1] = found.name end
  for _, hit in ipairs(old_lua.scan(bytes)) do lines[#lines + 1] = hit.text end
  return lines
end

return { read = read, words = { "0x", "64k", "4M", "all", "..", "+", "0x00000.bin", "0x10000.bin",
  "nodemcu-", ".bin", ":send(", ":on(\"sent\"", "--[[", "]]", "--[==[", "sk:send('a')\n" } }
