-- esptool's words (a line each) and its configuration file (behind a '[').
local errors = require "moonflash.errors"
local esptool_config = require "moonflash.esptool_config"
local esptool_line = require "moonflash.esptool_line"

local function read(bytes)
  if bytes:sub(1, 1) == "[" then
    esptool_config.parse(bytes, "esptool.cfg")
    return
  end
  local words = {}
  for word in bytes:gmatch "[^\n]+" do words[#words + 1] = word end
  local expanded = esptool_line.expand(words, function() return bytes:sub(1, 100) end)
  esptool_line.parse(expanded, function() return nil end, "esptool.py")
end

return { read = read, exits = { 2, 6, 7 }, words = { "--port\n", "--baud\n", "write_flash\n",
  "0x0\n", "--chip\nesp8266\n", "image_info\n", "read_flash\n", "-fm\n", "--before\n", "@x\n", "elf2image\n",
  "[esptool]\n", "timeout = 3\n", "merge_bin\n", "-o\n" } }
