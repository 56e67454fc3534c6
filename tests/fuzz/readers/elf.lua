-- ELF files, for the names of their symbols.
local elf_symbols = require "moonflash.elf_symbols"
local exception = require "moonflash.exception"
local foreign = require "moonflash.foreign"

local function read(bytes)
  foreign.recognise(bytes)
  local symbols = elf_symbols.parse(bytes)
  local lines = exception.resolve("epc1=0x40201234 40100004 402ffffc 40000000", symbols)
  for _, addr in ipairs { 0, 0x40000000, 0x40201234, 0x402FFFFF, 0xFFFFFFFF } do
    lines[#lines + 1] = symbols:name(addr)
  end
  return lines
end

return { read = read, words = { "\x7fELF\1\1\1", "\0\0\0\x40", "\2\0\0\0", "\3\0\0\0",
  "\x28\0", "\x34\0\0\0" } }
