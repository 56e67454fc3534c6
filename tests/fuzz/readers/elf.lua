-- ELF files, for images and for the names of their symbols.
local elf_image = require "moonflash.elf_image"
local errors = require "moonflash.errors"
local image = require "moonflash.image"
local elf_symbols = require "moonflash.elf_symbols"
local exception = require "moonflash.exception"
local foreign = require "moonflash.foreign"

local function no_digest() return ("0"):rep(64) end

-- Each version of image that it makes is sound.
local function build(bytes)
  for version = 1, 3 do
    local ok, files = pcall(elf_image.build, bytes, { version = version, sha256 = no_digest })
    if not ok and not errors.is(files) then error(files, 0) end
    if ok and version == 1 then
      local parsed = image.parse(files[1].bytes)
      if parsed.problems[1] then error(parsed.problems[1].text, 0) end
    end
  end
end

local function read(bytes)
  foreign.recognise(bytes)
  build(bytes)
  local symbols = elf_symbols.parse(bytes)
  local lines = exception.resolve("epc1=0x40201234 40100004 402ffffc 40000000", symbols)
  for _, addr in ipairs { 0, 0x40000000, 0x40201234, 0x402FFFFF, 0xFFFFFFFF } do
    lines[#lines + 1] = symbols:name(addr)
  end
  return lines
end

return { read = read, words = { "\x7fELF\1\1\1", "\0\0\0\x40", "\2\0\0\0", "\3\0\0\0",
  "\x28\0", "\x34\0\0\0" } }
