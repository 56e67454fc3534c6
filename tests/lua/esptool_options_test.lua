-- The command line of esptool: both spellings of every command and option. Which
-- there are is written down here from esptool's documentation.
local chip = require "moonflash.esptool_chip"
local line_of = require "moonflash.esptool_line"
local lu = require "luaunit"
local options = require "moonflash.esptool_options"

local function parse(line, env, program)
  local words = {}
  for word in line:gmatch "%S+" do words[#words + 1] = word end
  return line_of.parse(words, function(name) return env and env[name] end, program)
end

local function refuses(code, text, line, env)
  local ok, e = pcall(parse, line, env)
  lu.assertFalse(ok, line)
  lu.assertEquals(e.code, code, line .. ": " .. tostring(e))
  lu.assertStrContains(tostring(e), text)
end

TestCommands = {}

-- Command of version 5, a line that is complete for it.
local COMPLETE <const> = {
  ["write-flash"] = "0 a.bin", ["read-flash"] = "0 0x1000 a.bin", ["verify-flash"] = "0 a.bin",
  ["erase-flash"] = "", ["erase-region"] = "0x1000 0x1000", ["flash-id"] = "",
  ["read-mac"] = "", ["chip-id"] = "", ["image-info"] = "a.bin", ["elf2image"] = "a.elf",
  ["merge-bin"] = "-o b.bin 0 a.bin", ["make-image"] = "-f a -a 0x40100000 out",
  ["load-ram"] = "a.bin", ["dump-mem"] = "0x40000000 64 a.bin", ["read-mem"] = "0x3ff00050",
  ["write-mem"] = "0x60000000 1", ["run"] = "", ["read-flash-status"] = "",
  ["write-flash-status"] = "0", ["read-flash-sfdp"] = "0 4", ["version"] = "",
}

function TestCommands:test_every_command_is_known_in_both_spellings()
  local seen = 0
  for name, rest in pairs(COMPLETE) do
    lu.assertEquals(parse(name .. " " .. rest).command, name)
    local old = name:gsub("-", "_")
    lu.assertEquals(parse(old .. " " .. rest).command, name)
    seen = seen + 1
  end
  lu.assertEquals(#options.COMMANDS, seen)
end

function TestCommands:test_the_spelling_decides_the_way_of_speaking()
  lu.assertEquals(parse("write_flash 0 a").form, "classic")
  lu.assertEquals(parse("write-flash 0 a").form, "five")
  lu.assertEquals(parse("run", nil, "esptool.py").form, "classic")
  lu.assertEquals(parse("run", nil, "esptool").form, "five")
  lu.assertEquals(parse("flash-id", nil, "esptool.py").form, "five")
end

function TestCommands:test_commands_of_other_chips_are_refused_with_a_reason()
  refuses("refused_by_policy", "no security features", "get_security_info")
  refuses("refused_by_policy", "no security features", "get-security-info")
end

function TestCommands:test_an_unknown_command_is_refused_and_the_near_one_named()
  local ok, e = pcall(parse, "write_flsh 0 a")
  lu.assertFalse(ok)
  lu.assertEquals(e.code, "usage")
  lu.assertStrContains(e.hint, "write-flash")
end

function TestCommands:test_every_command_has_help_that_names_its_options()
  for name in pairs(COMPLETE) do
    local text = table.concat(options.help(name), "\n")
    lu.assertStrContains(text, "usage: esptool " .. name)
    lu.assertTrue(parse(name .. " --help").opt.help)
    lu.assertTrue(parse(name .. " -h").opt.help)
  end
  lu.assertStrContains(table.concat(options.help(), "\n"), "example")
  lu.assertStrContains(table.concat(options.help "write-flash", "\n"), "--erase-all, -e")
end

TestGlobals = {}

function TestGlobals:test_before_the_command_after_it_and_with_an_equals_sign()
  for _, line in ipairs {
    "--chip esp8266 --port /dev/ttyUSB0 --baud 460800 flash_id",
    "-c esp8266 -p /dev/ttyUSB0 -b 460800 flash_id",
    "flash_id --chip esp8266 --port /dev/ttyUSB0 --baud 460800",
    "flash-id -p /dev/ttyUSB0 -b 460800 -c esp8266",
    "--chip=esp8266 --port=/dev/ttyUSB0 flash-id --baud=460800",
    "-cesp8266 -p/dev/ttyUSB0 -b460800 flash-id",
  } do
    local opt = parse(line).opt
    lu.assertEquals({ opt.chip, opt.port, opt.baud }, { "esp8266", "/dev/ttyUSB0", "460800" }, line)
  end
end

function TestGlobals:test_resets_in_both_spellings()
  for _, word in ipairs { "default", "no", "usb" } do
    lu.assertEquals(parse("--before " .. word .. "_reset run").opt.before, word .. "-reset")
    lu.assertEquals(parse("--before " .. word .. "-reset run").opt.before, word .. "-reset")
  end
  lu.assertEquals(parse("--before no_reset_no_sync run").opt.before, "no-reset-no-sync")
  for _, word in ipairs { "hard-reset", "soft-reset", "no-reset", "no-reset-stub",
    "watchdog-reset" } do
    lu.assertEquals(parse("--after " .. word .. " run").opt.after, word)
    lu.assertEquals(parse("-a " .. word:gsub("-", "_") .. " run").opt.after, word)
  end
  refuses("usage", "invalid choice: 'maybe'", "--before maybe run")
end

function TestGlobals:test_the_other_options_before_the_command()
  local opt = parse("--no-stub --trace --connect-attempts 3 --silent -v flash-id").opt
  lu.assertEquals({ opt["no-stub"], opt.trace, opt["connect-attempts"], opt.silent, opt.verbose },
    { true, true, 3, true, true })
  lu.assertEquals(parse("-t --connect-attempts -1 run").opt["connect-attempts"], -1)
  refuses("refused_by_policy", "ESP32", "--override-vddsdio 1.8V run")
  refuses("refused_by_policy", "ESP32", "--override-vddsdio run")
end

function TestGlobals:test_port_filters_are_collected()
  local found = parse("--port-filter vid=0x10c4 --port-filter name=ttyUSB flash-id")
  lu.assertEquals(found.command, "flash-id")
  lu.assertEquals(found.opt["port-filter"], { { key = "vid", value = "0x10c4" },
    { key = "name", value = "ttyUSB" } })
  refuses("usage", "invalid choice", "--port-filter colour=red flash-id")
  refuses("usage", "is not NAME=VALUE", "--port-filter=red flash-id")
end

function TestGlobals:test_a_command_has_its_own_p_and_s()
  local opt = parse("write-flash -p -s 0 a.bin").opt
  lu.assertEquals({ opt["no-progress"], opt["skip-flashed"], opt.port, opt.silent },
    { true, true, nil, nil })
  opt = parse("-p PORT -s write-flash -p 0 a.bin").opt
  lu.assertEquals({ opt["no-progress"], opt.port, opt.silent }, { true, "PORT", true })
end

function TestGlobals:test_the_environment_stands_behind_the_options()
  local env <const> = { ESPTOOL_CHIP = "esp8266", ESPTOOL_PORT = "/dev/a", ESPTOOL_BAUD = "230400",
    ESPTOOL_BEFORE = "no_reset", ESPTOOL_AFTER = "no-reset", ESPTOOL_CONNECT_ATTEMPTS = "2",
    ESPTOOL_FM = "dio", ESPTOOL_FF = "80m", ESPTOOL_FS = "4MB" }
  local opt = parse("write_flash 0 a.bin", env).opt
  lu.assertEquals({ opt.chip, opt.port, opt.baud, opt.before, opt.after, opt["connect-attempts"],
    opt["flash-mode"], opt["flash-freq"], opt["flash-size"] },
    { "esp8266", "/dev/a", "230400", "no-reset", "no-reset", 2, "dio", "80m", "4MB" })
  opt = parse("-p /dev/b write_flash -fm qio 0 a.bin", env).opt
  lu.assertEquals({ opt.port, opt["flash-mode"] }, { "/dev/b", "qio" })
  refuses("usage", "ESPTOOL_BAUD", "run", { ESPTOOL_BAUD = "fast" })
  refuses("usage", "no baud rate", "-b 0 run")
  refuses("usage", "no baud rate", "-b 8000001 run")
  -- detect means nothing to elf2image, and is set for write-flash in the same shell
  lu.assertNil(parse("elf2image a.elf", { ESPTOOL_FS = "detect" }).opt["flash-size"])
end

TestWords = {}

function TestWords:test_flash_parameters_in_every_spelling()
  for _, line in ipairs {
    "write_flash -fm dio -ff 40m -fs 4MB 0x00000 x.bin",
    "write_flash --flash_mode dio --flash_freq 40m --flash_size 4MB 0x00000 x.bin",
    "write-flash --flash-mode dio --flash-freq 40m --flash-size 4MB 0x00000 x.bin",
    "write_flash 0x00000 x.bin --flash_mode=DIO --flash_freq=40m --flash_size=4mb",
    "write_flash -fm dio -ff 40m -fs 32m 0x00000 x.bin",
  } do
    local opt = parse(line).opt
    lu.assertEquals({ opt["flash-mode"], opt["flash-freq"], opt["flash-size"] },
      { "dio", "40m", "4MB" }, line)
    lu.assertEquals(opt.pairs, { { addr = 0, file = "x.bin" } })
  end
  refuses("usage", "invalid choice: 'fast'", "write_flash -fm fast 0 a")
  refuses("usage", "invalid choice: '3MB'", "write_flash -fs 3MB 0 a")
  refuses("usage", "invalid choice: 'detect'", "elf2image -fs detect a.elf")
  refuses("usage", "invalid choice: '60m'", "write_flash -ff 60m 0 a")
end

function TestWords:test_sizes_that_detect_or_keep()
  for _, word in ipairs { "detect", "keep" } do
    lu.assertEquals(parse("write-flash -fs " .. word .. " 0 a").opt["flash-size"], word)
    lu.assertEquals(parse("read-flash -fs " .. word .. " 0 1 a").opt["flash-size"], word)
  end
end

function TestWords:test_numbers_in_every_base()
  for _, word in ipairs { "4096", "0x1000", "0X1000", "0o10000", "0b1000000000000" } do
    lu.assertEquals(parse("erase-region " .. word .. " 4k").opt.address, 4096, word)
  end
  refuses("usage", "'12z' is not a number", "erase-region 12z 4k")
  refuses("usage", "is not a number", "write_flash a.bin 0")
end

function TestWords:test_sizes_with_units_and_all()
  for word, bytes in pairs { ["0x2000"] = 8192, ["8192"] = 8192, ["8k"] = 8192, ["1M"] = 1048576,
    ["all"] = "all", ["ALL"] = "all" } do
    lu.assertEquals(parse("read-flash 0 " .. word .. " f").opt.size, bytes, word)
    lu.assertEquals(parse("erase_region 0 " .. word).opt.size, bytes, word)
  end
end

function TestWords:test_write_flash_knows_all_its_options()
  local opt = parse("write-flash -e -z --verify --force -p --ignore-flash-enc-efuse -s"
    .. " 0 a.bin 0x10000 b.bin --diff-with old.bin skip").opt
  for _, name in ipairs { "erase-all", "compress", "verify", "force", "no-progress",
    "ignore-flash-enc-efuse", "skip-flashed" } do
    lu.assertTrue(opt[name], name)
  end
  lu.assertEquals(opt["diff-with"], { "old.bin", "skip" })
  lu.assertEquals(#opt.pairs, 2)
  opt = parse("write_flash --ignore-flash-encryption-efuse-setting -u 0 a.bin").opt
  lu.assertTrue(opt["ignore-flash-encryption-efuse-setting"])
  lu.assertTrue(opt["no-compress"])
  opt = parse("write_flash -zp 0 a.bin").opt
  lu.assertTrue(opt.compress and opt["no-progress"])
end

function TestWords:test_what_contradicts_is_refused()
  refuses("usage", "exclude each other", "write-flash -z -u 0 a")
  refuses("usage", "needs --diff-with", "write-flash --trust-flash-content 0 a")
  refuses("usage", "more files", "write-flash 0 a --diff-with b c")
  refuses("usage", "no file behind it", "write-flash 0 a 0x1000")
  refuses("usage", "needs addresses and files", "write-flash")
  refuses("usage", "one word too many", "flash-id now")
  refuses("usage", "the size is missing", "read-flash 0")
  refuses("usage", "needs a value", "flash-id --port")
  refuses("usage", "takes no value", "write-flash --force=yes 0 a")
  refuses("usage", "there is no option '--flash-mod3'", "write-flash --flash-mod3 dio 0 a")
end

function TestWords:test_the_beginning_of_an_option_will_do_when_only_one_has_it()
  lu.assertTrue(parse("write_flash --no-prog 0 a").opt["no-progress"])
  lu.assertEquals(parse("write_flash --flash_m dio 0 a").opt["flash-mode"], "dio")
  refuses("usage", "there is no option '--flash'", "write_flash --flash dio 0 a")
end

function TestWords:test_options_that_only_other_chips_have_are_refused()
  for _, line in ipairs { "write-flash --encrypt 0 a", "write-flash --encrypt-files 0 a",
    "flash-id --spi-connection HSPI", "flash_id -sc SPI", "elf2image --secure-pad a.elf",
    "elf2image --flash-mmu-page-size 64KB a.elf", "elf2image --ram-only-header a.elf" } do
    refuses("refused_by_policy", "ESP32", line)
  end
end

function TestWords:test_verify_flash_has_two_ways_to_ask_for_differences()
  lu.assertTrue(parse("verify-flash --diff 0 a").opt.diff)
  lu.assertTrue(parse("verify_flash --diff yes 0 a").opt.diff)
  lu.assertTrue(parse("verify_flash -d yes 0 a").opt.diff)
  lu.assertFalse(parse("verify_flash --diff no 0 a").opt.diff)
  lu.assertTrue(parse("verify_flash --diff=yes 0 a").opt.diff)
  lu.assertEquals(parse("verify-flash --diff 0 a").opt.pairs, { { addr = 0, file = "a" } })
end

function TestWords:test_file_commands()
  local opt = parse("elf2image -e 2 -o out.bin --flash_size 1MB --use_segments"
    .. " --elf-sha256-offset 0xb0 --min-rev 0 --dont-append-digest a.elf").opt
  lu.assertEquals({ opt.version, opt.output, opt["flash-size"], opt["use-segments"],
    opt["elf-sha256-offset"], opt.filename }, { "2", "out.bin", "1MB", true, 0xb0, "a.elf" })
  opt = parse("merge_bin --output m.uf2 -f uf2 --chunk-size 256 --md5-disable -t 0x1000"
    .. " 0x1000 a").opt
  lu.assertEquals({ opt.output, opt.format, opt["chunk-size"], opt["md5-disable"],
    opt["target-offset"] }, { "m.uf2", "uf2", 256, true, 0x1000 })
  lu.assertEquals(parse("merge_bin -o m --fill-flash-size 4MB 0 a").opt["fill-flash-size"], "4MB")
  lu.assertEquals(parse("merge-bin -o m --pad-to-size 4MB 0 a").opt["pad-to-size"], "4MB")
  opt = parse("make_image -f a -a 0x40100000 -f b -a 0x3ffe8000 -e 0x40100004 out").opt
  lu.assertEquals({ opt.segfile, opt.segaddr, opt.entrypoint, opt.output },
    { { "a", "b" }, { 0x40100000, 0x3ffe8000 }, 0x40100004, "out" })
end

function TestWords:test_memory_commands()
  local opt = parse("write_mem 0x60000304 1 0xff").opt
  lu.assertEquals({ opt.address, opt.value, opt.mask }, { 0x60000304, 1, 0xff })
  lu.assertEquals(parse("write-mem 0x60000304 1").opt.mask, 0xFFFFFFFF)
  lu.assertEquals(parse("dump_mem 0x40000000 64k rom.bin").opt.size, 65536)
  lu.assertEquals(parse("read_flash_status --bytes 3").opt.bytes, 3)
  refuses("usage", "is not 1, 2 or 3", "read_flash_status --bytes 4")
  opt = parse("write_flash_status --bytes 2 --non-volatile 0x1c").opt
  lu.assertEquals({ opt.bytes, opt["non-volatile"], opt.value }, { 2, true, 0x1c })
end

TestArgumentFiles = {}

local function expand(args, content)
  return line_of.expand(args, function(name)
    lu.assertEquals(name, "flash_args")
    return content
  end)
end

function TestArgumentFiles:test_words_of_a_file_take_its_place()
  lu.assertEquals(expand({ "write_flash", "@flash_args", "-p" },
    "--flash_mode dio --flash_size 4MB\n0x0 boot.bin\n0x10000 app.bin\n"),
    { "write_flash", "--flash_mode", "dio", "--flash_size", "4MB", "0x0", "boot.bin", "0x10000",
      "app.bin", "-p" })
end

function TestArgumentFiles:test_quotes_keep_words_together()
  lu.assertEquals(expand({ "@flash_args" }, [[0 "my file.bin" 1 'it"s' 2 a\ b 3 "say \"x\"" 4 ""]]),
    { "0", "my file.bin", "1", 'it"s', "2", "a b", "3", 'say "x"', "4", "" })
end

function TestArgumentFiles:test_an_open_quote_is_refused()
  lu.assertErrorMsgContains("a quote is never closed", expand, { "@flash_args" }, "0 'a.bin")
end

TestPortFilter = {}

local PORTS <const> = {
  { name = "/dev/ttyUSB0", vid = 0x10c4, pid = 0xea60, serial = "0001" },
  { name = "/dev/ttyUSB1", vid = 0x1a86, pid = 0x7523 },
  { name = "/dev/ttyACM0", vid = 0x303a, pid = 0x1001, serial = "7C:98:D1" },
  { name = "/dev/ttyS0" },
}

local function left(...)
  local filters = {}
  for _, f in ipairs { ... } do
    local key, value = f:match "^(%w+)=(.*)$"
    filters[#filters + 1] = { key = key, value = value }
  end
  return chip.filter(PORTS, filters)
end

function TestPortFilter:test_one_value_of_every_kind_must_fit()
  lu.assertEquals(left "vid=0x10c4", { "/dev/ttyUSB0" })
  lu.assertEquals(left "vid=6790", { "/dev/ttyUSB1" })
  lu.assertEquals(left("vid=0x10c4", "vid=0x1a86"), { "/dev/ttyUSB0", "/dev/ttyUSB1" })
  lu.assertEquals(left("vid=0x10c4", "pid=0x7523"), {})
  lu.assertEquals(left("name=usb", "pid=0x7523"), { "/dev/ttyUSB1" })
  lu.assertEquals(left "serial=98:d1", { "/dev/ttyACM0" })
  lu.assertEquals(left "name=tty", { "/dev/ttyUSB0", "/dev/ttyUSB1", "/dev/ttyACM0",
    "/dev/ttyS0" })
end

os.exit(lu.LuaUnit.run())
