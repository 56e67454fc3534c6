--- The command line of esptool, versions 2 to 5: which commands and options there
-- are, and what their values may be. Pure. @{moonflash.esptool_line} reads lines.
--
-- Names are written with `-` here; `_` does as well, as it did until version 4.
-- Which of the two the command was written with decides in which words it is
-- answered (@{moonflash.esptool_words}).
-- @module moonflash.esptool_options
local errors <const> = require "moonflash.errors"

local esptool_options = {}

local function usage(format, ...)
  errors.raise("usage", format:format(...))
end

-- ---- what a word may be ----

local function one_of(...)
  local list, known = { ... }, {}
  for _, word in ipairs(list) do known[word:lower()] = word end
  return function(text, name)
    return known[text:lower()] or usage("--%s: invalid choice: '%s' (choose from %s)", name,
      text, table.concat(list, ", "))
  end
end

-- The same for words that were written with `_` before.
local function one_word_of(...)
  local read = one_of(...)
  return function(text, name) return read((text:gsub("_", "-")), name) end
end

local function whole(text, name)
  local digits, base = text:match "^0[xX](%x+)$", 16
  if not digits then digits, base = text:match "^0[oO]([0-7]+)$", 8 end
  if not digits then digits, base = text:match "^0[bB]([01]+)$", 2 end
  if not digits then digits, base = text:match "^%d+$", 10 end
  if not digits or #digits > 32 then usage("%s: '%s' is not a number", name, text) end
  return math.tointeger(tonumber(digits, base)) or usage("%s: '%s' is too large", name, text)
end

--- Reads a number: decimal, 0x, 0o or 0b.
esptool_options.whole = whole

local function integer(text, name)
  local negative = text:match "^%-(.*)$"
  return negative and -whole(negative, name) or whole(text, name)
end

local UNITS <const> = { k = 1024, M = 1024 * 1024, kb = 1024, KB = 1024, K = 1024, m = 1024 * 1024,
  MB = 1024 * 1024 }

-- A size in bytes, with k and M.
local function size(text, name)
  local digits, unit = text:match "^(%d+)(%a+)$"
  if unit and UNITS[unit] then return whole(digits, name) * UNITS[unit] end
  return whole(text, name)
end

local function size_or_all(text, name)
  return text:upper() == "ALL" and "all" or size(text, name)
end

local function one_to_three(text, name)
  local n = whole(text, name)
  return n >= 1 and n <= 3 and n or usage("--%s: %s is not 1, 2 or 3", name, text)
end

local function baud(text, name)
  local rate = text == "auto" or whole(text, name)
  if rate == true then return text end
  if rate == 0 or rate > 8000000 then usage("--%s: '%s' is no baud rate", name, text) end
  return tostring(rate)
end

local SIZES <const> = { "256KB", "512KB", "1MB", "2MB", "2MB-c1", "4MB", "4MB-c1", "8MB", "16MB",
  "32MB", "64MB", "128MB" }
-- Up to version 1 sizes were named in megabits.
local MEGABITS <const> = { ["2m"] = "256KB", ["4m"] = "512KB", ["8m"] = "1MB", ["16m"] = "2MB",
  ["32m"] = "4MB", ["16m-c1"] = "2MB-c1", ["32m-c1"] = "4MB-c1" }

local function flash_size(...)
  local list = { ... }
  local read = one_of(table.unpack(table.move(SIZES, 1, #SIZES, #list + 1, list)))
  return function(text, name)
    return MEGABITS[text:lower()] or read(text, name)
  end
end

-- ---- refused, each with its reason ----

local function not_here(why)
  return function(_, name) errors.raise("refused_by_policy", ("--%s: %s"):format(name, why)) end
end

local ESP32_ONLY <const> = "is for the ESP32 and its successors; the ESP8266 has no such thing"

-- ---- options: name, short names, kind, what reads its value ----
-- kinds: flag; value; list (all words up to the next option); maybe (a value that
-- may be missing)

local function flag(name, short) return { name = name, short = short, kind = "flag" } end

local function value(name, short, read)
  return { name = name, short = short, kind = "value", read = read }
end

local function refused_flag(name, short)
  return { name = name, short = short, kind = "flag", read = not_here(ESP32_ONLY) }
end

local function refused_value(name, short)
  return value(name, short, not_here(ESP32_ONLY))
end

local SPI_CONNECTION <const> = refused_value("spi-connection", "sc")
local FREQS <const> = { "80m", "40m", "26m", "20m" }
local MODES <const> = { "qio", "qout", "dio", "dout" }

-- Flash parameters of an image: those that keep what is there, and those that make it.
local PATCH <const> = {
  value("flash-freq", "ff", one_of("keep", table.unpack(FREQS))),
  value("flash-mode", "fm", one_of("keep", table.unpack(MODES))),
  value("flash-size", "fs", flash_size("detect", "keep")),
  SPI_CONNECTION,
}
local PATCH_FILE <const> = { PATCH[1], PATCH[2], value("flash-size", "fs", flash_size("keep")),
  SPI_CONNECTION }
local MAKE <const> = {
  value("flash-freq", "ff", one_of(table.unpack(FREQS))),
  value("flash-mode", "fm", one_of(table.unpack(MODES))),
  value("flash-size", "fs", flash_size()),
  SPI_CONNECTION,
}

local function join(...)
  local all = {}
  for _, list in ipairs { ... } do table.move(list, 1, #list, #all + 1, all) end
  return all
end

--- Options before the command, and after it where the command has none of that name.
esptool_options.GLOBALS = {
  value("chip", "c"), value("port", "p"), value("baud", "b", baud),
  { name = "port-filter", kind = "list", read = function(text, name)
    local key, word = text:match "^(%w+)=(.+)$"
    if not key then usage("--%s: '%s' is not NAME=VALUE", name, text) end
    return { key = one_of("vid", "pid", "name", "serial")(key, name), value = word }
  end, while_match = "=" },
  value("before", nil, one_word_of("default-reset", "usb-reset", "no-reset", "no-reset-no-sync")),
  value("after", "a", one_word_of("hard-reset", "soft-reset", "no-reset", "no-reset-stub",
    "watchdog-reset")),
  flag("no-stub"), flag("trace", "t"), flag("verbose", "v"), flag("silent", "s"),
  { name = "override-vddsdio", kind = "maybe", match = "^[%dO][%.F][%dF]V?$",
    read = not_here(ESP32_ONLY) },
  value("connect-attempts", nil, integer),
  value("stub-version"), flag("help", "h"),
}

local function command(name, about, arguments, ...)
  return { name = name, about = about, arguments = arguments, options = join(...) }
end

local ADDRESS <const> = { "address", whole }
local FILENAME <const> = { "filename" }
local SIZE <const> = { "size", size }

--- The commands: name, what it is for, arguments (a list of names and readers, or
-- "pairs" of address and file), options.
esptool_options.COMMANDS = {
  command("write-flash", "write files to flash, verified", "pairs",
    { flag("erase-all", "e"), flag("no-progress", "p"), flag("verify"),
      refused_flag("encrypt"), { name = "encrypt-files", kind = "list",
        read = not_here(ESP32_ONLY) },
      flag("ignore-flash-encryption-efuse-setting"), flag("ignore-flash-enc-efuse"),
      flag("force"), flag("compress", "z"), flag("no-compress", "u"),
      { name = "diff-with", kind = "list" }, flag("no-diff-verify"), flag("trust-flash-content"),
      flag("skip-flashed", "s") }, PATCH),
  command("read-flash", "read flash into a file",
    { ADDRESS, { "size", size_or_all }, FILENAME },
    { flag("no-progress", "p"), PATCH[3], SPI_CONNECTION }),
  command("verify-flash", "compare files with flash", "pairs",
    { { name = "diff", short = "d", kind = "maybe", match = "^[yn][eo]s?$",
      read = function(text) return text ~= "no" end } }, PATCH),
  command("erase-flash", "erase all of flash", {}, { flag("force"), SPI_CONNECTION }),
  command("erase-region", "erase a part of flash", { ADDRESS, { "size", size_or_all } },
    { flag("force"), SPI_CONNECTION }),
  command("flash-id", "manufacturer and size of the flash chip", {}, { SPI_CONNECTION }),
  command("read-mac", "the chip's MAC address", {}, { SPI_CONNECTION }),
  command("chip-id", "the chip's id", {}, { SPI_CONNECTION }),
  command("image-info", "what is in a firmware file", { FILENAME },
    { value("version", "v", one_of("1", "2")) }),
  command("elf2image", "make a firmware file of an ELF file", { FILENAME },
    { value("output", "o"), value("version", "e", one_of("1", "2", "3")),
      value("min-rev", "r", whole), value("min-rev-full", nil, whole),
      value("max-rev-full", nil, whole), refused_flag("secure-pad"),
      refused_flag("secure-pad-v2"), value("elf-sha256-offset", nil, whole),
      flag("dont-append-digest"), flag("use-segments"), refused_value("flash-mmu-page-size"),
      value("pad-to-size", nil, size), refused_flag("ram-only-header") }, MAKE),
  command("merge-bin", "join files into one", "pairs",
    { value("output", "o"), value("format", "f", one_of("raw", "uf2", "hex")),
      value("chunk-size", nil, whole), flag("md5-disable"), value("target-offset", "t", whole),
      value("pad-to-size", nil, one_of(table.unpack(SIZES))),
      value("fill-flash-size", nil, one_of(table.unpack(SIZES))) }, PATCH_FILE),
  command("make-image", "make a firmware file of raw segments", { { "output" } },
    { { name = "segfile", short = "f", kind = "value", many = true },
      { name = "segaddr", short = "a", kind = "value", many = true, read = whole },
      value("entrypoint", "e", whole) }),
  command("load-ram", "load a firmware file into RAM and run it", { FILENAME }),
  command("dump-mem", "read memory into a file", { ADDRESS, SIZE, FILENAME }),
  command("read-mem", "read a word of memory", { ADDRESS }),
  command("write-mem", "write a word of memory", { ADDRESS, { "value", whole },
    { "mask", whole, optional = 0xFFFFFFFF } }),
  command("run", "start the firmware in flash", {}),
  command("read-flash-status", "read the flash chip's status registers", {},
    { value("bytes", nil, one_to_three), SPI_CONNECTION }),
  command("write-flash-status", "write the flash chip's status registers", { { "value", whole } },
    { value("bytes", nil, one_to_three), flag("non-volatile"), SPI_CONNECTION }),
  command("read-flash-sfdp", "read the flash chip's own description",
    { ADDRESS, { "bytes", whole } }, { SPI_CONNECTION }),
  command("version", "which esptool this stands for", {}),
}

--- Commands that other chips have, with the reason why there are none of them here.
esptool_options.REFUSED = {
  ["get-security-info"] = "the ESP8266 has no security features to tell of",
  ["verify-sdc-certificate"] = "the ESP8266 has no secure debug controller",
  ["read-sdc-chip-info"] = "the ESP8266 has no secure debug controller",
}

--- The commands by their names.
esptool_options.by_name = {}
for _, c in ipairs(esptool_options.COMMANDS) do
  esptool_options.by_name[c.name] = c
end

local function names_of(o)
  local word = { flag = "", value = " VALUE", list = " WORD ...", maybe = " [VALUE]" }
  return ("--%s%s%s"):format(o.name, o.short and ", -" .. o.short or "", word[o.kind])
end

--- The help of a command, or of all.
-- @tparam[opt] string name
-- @treturn {string,...} lines
function esptool_options.help(name)
  local lines = {}
  local function add(...) lines[#lines + 1] = string.format(...) end
  local c = name and esptool_options.by_name[name]
  if not c then
    add("usage: esptool [options] COMMAND [options] [arguments]")
    add("")
    add("moonflash with the commands and options of esptool, versions 2 to 5, as far as the")
    add("ESP8266 has them. Names may be written with - or _.")
    add("")
    add("commands:")
    for _, entry in ipairs(esptool_options.COMMANDS) do
      add("  %-20s %s", entry.name, entry.about)
    end
    add("")
    add("options:")
    for _, o in ipairs(esptool_options.GLOBALS) do add("  %s", names_of(o)) end
    add("")
    add("examples:")
    add("  esptool.py --port /dev/ttyUSB0 --baud 460800 write_flash -fm dio 0x00000 nodemcu.bin")
    add("  moonflash esptool -p sim:board.flash flash-id")
    return lines
  end
  local words = {}
  for _, a in ipairs(c.arguments == "pairs" and {} or c.arguments or {}) do
    words[#words + 1] = a.optional and "[" .. a[1] .. "]" or a[1]
  end
  if c.arguments == "pairs" then words[1] = "ADDRESS FILE [ADDRESS FILE ...]" end
  add("usage: esptool %s [options] %s", c.name, table.concat(words, " "))
  add("")
  add("%s", c.about)
  if #c.options > 0 then add("") add("options:") end
  for _, o in ipairs(c.options) do add("  %s", names_of(o)) end
  return lines
end

return esptool_options
