-- scripts/esptool.lua: the commands and options of esptool, for scripts that call it
local cli     <const> = require "moonflash.cli"
local esptool <const> = require "moonflash.esptool"

-- its command line is not like ours, so it is not read by our parser
return esptool.main({ ... }, cli.program, cli.options)
