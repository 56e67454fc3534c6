-- scripts/image.lua: explain firmware images, make, join and convert them
local cli    <const> = require "moonflash.cli"
local file_formats <const> = require "moonflash.file_formats"
local image  <const> = require "moonflash.image"
local jobs   <const> = require "moonflash.image_jobs"
local numbers <const> = require "moonflash.numbers"
local report <const> = require "moonflash.report"

local parser = cli.parser("image", "Explains firmware images, makes, joins and converts them.", [[
Files may be packed with gzip. Intel HEX (.hex) and UF2 (.uf2) hold their own
addresses; a name's ending says which form is written.

examples:
  moonflash image info nodemcu-release-12-modules-float.bin
  moonflash image info backup.bin    (a whole flash: files and init data too)
  moonflash image info 0x00000.bin --json
  moonflash image from-elf app.elf -o app- (app-0x00000.bin and app-0x10000.bin)
  moonflash image from-elf app.elf --version 2 -o rom0.bin
  moonflash image merge 0x0 0x00000.bin 0x10000 0x10000.bin -o nodemcu.bin
  moonflash image split nodemcu.bin -o part-
  moonflash image convert nodemcu.bin nodemcu.uf2]])
parser:require_command(true):command_target("action")
parser:command("info", "what is in a file: header, segments, checksum, which firmware")
  :argument("file", "the image")
local elf = parser:command("from-elf", "make an image of what a linker made")
elf:argument("file", "the ELF file")
elf:option("--version", "1: two files, 2: one for rBoot, 3: for ESP8266_RTOS_SDK"):default "1"
  :choices { "1", "2", "3" }
elf:option("-o --output", "the file; the beginning of both names for version 1"):argname "NAME"
elf:flag("--segments", "by the program headers instead of the sections")
local merge = parser:command("merge", "join files into one")
merge:argument("pairs", "address and file, as often as needed"):args("+"):argname "ADDR FILE"
merge:option("-o --output", "the file to write"):argname("FILE"):count(1)
merge:option("--format", "instead of by the file's name"):choices { "raw", "hex", "uf2" }
merge:option("--offset", "where in flash a raw file is to begin (0x0)"):argname "ADDR"
merge:option("--pad", "fill a raw file up to this size of flash"):argname "SIZE"
merge:option("--chunk", "data bytes a UF2 block (256)"):argname "BYTES"
merge:flag("--md5", "UF2 blocks with digests, as Espressif's USB bridge wants them")
for _, command in ipairs { elf, merge } do
  command:option("--mode -m", "flash mode in the boot header: qio, qout, dio, dout")
  command:option("--freq -f", "flash clock in the boot header: 20m, 26m, 40m, 80m")
  command:option("--size -s", "flash size in the boot header: 512k to 16M")
end
local split = parser:command("split", "take a joined file apart")
split:argument("file", "a firmware in one file, Intel HEX or UF2")
split:option("-o --output", "the beginning of the names: NAME0x00000.bin ..."):argname "NAME"
local convert = parser:command("convert", "the same bytes as raw, Intel HEX or UF2")
convert:argument("file", "what to read")
convert:argument("output", "what to write")
convert:option("--format", "instead of by the file's name"):choices { "raw", "hex", "uf2" }
convert:option("--addr", "where a raw file belongs (0x0)"):argname "ADDR"
local opt = cli.parse(parser)

if opt.action ~= "info" then return jobs[opt.action:gsub("-", "_")](opt) end

local bytes = file_formats.read(0, opt.file)[1].data
local img = image.parse(bytes)
for _, line in ipairs(image.describe(img)) do report.line("%s", line) end
local result = image.to_table(img)

-- a file as large as a flash chip is what was read from one: all that is on it counts
local is_dump = #bytes >= 0x80000 and #bytes & #bytes - 1 == 0
if is_dump then
  local describe <const> = require "moonflash.identify_text"
  local facts = require("moonflash.identify").backup(bytes)
  report.line("contents of a whole flash of %s:", numbers.size_text(#bytes))
  for _, r in ipairs(describe.rows(facts)) do report.line("%-12s %s", r[1], r[2]) end
  result.flash = describe.to_table(facts)
end
report.result(result)
image.check(img, opt.file)
report.ok("%s is a sound image for this chip", opt.file)
