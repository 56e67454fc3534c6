--- The command line of esptool, versions 2 to 5: which commands and options there
-- are, and what a line of words means. Pure.
--
-- Names are written with `-` here; `_` does as well, as it did until version 4.
-- Which of the two the command was written with decides in which words it is
-- answered (@{moonflash.esptool_words}).
-- @module moonflash.esptool_options
local errors <const> = require "moonflash.errors"
local nearest <const> = require "moonflash.nearest"

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
  return text == "auto" and text or tostring(whole(text, name))
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

local by_name = {}
for _, c in ipairs(esptool_options.COMMANDS) do by_name[c.name] = c end

local function index(options, into)
  for _, o in ipairs(options) do
    into.long[o.name] = o
    if o.short then into.short[o.short] = o end
  end
  return into
end

local function new_index() return { long = {}, short = {} } end

-- ---- @FILE ----

-- Words of a text as a shell splits them: blanks, quotes, backslashes.
local function shell_words(text, name)
  local words, word, quote = {}, nil, nil
  local at = 1
  while at <= #text do
    local c = text:sub(at, at)
    if quote then
      if c == quote then quote = nil
      elseif c == "\\" and quote == '"' and text:sub(at + 1, at + 1):find '["\\]' then
        at = at + 1
        word = word .. text:sub(at, at)
      else word = word .. c end
    elseif c:find "%s" then
      words[#words + 1], word = word, nil
    elseif c == '"' or c == "'" then
      quote, word = c, word or ""
    elseif c == "\\" then
      at = at + 1
      word = (word or "") .. text:sub(at, at)
    elseif c == "#" and not word then
      at = (text:find("\n", at, true) or #text)
    else
      word = (word or "") .. c
    end
    at = at + 1
  end
  if quote then usage("%s: a quote is never closed", name) end
  words[#words + 1] = word
  return words
end

--- Replaces every `@FILE` by the words in that file.
-- @tparam {string,...} args
-- @tparam function read reads a file, raises when it cannot
-- @treturn {string,...}
-- @raise `usage`
function esptool_options.expand(args, read)
  local out = {}
  for _, arg in ipairs(args) do
    local name = arg:match "^@(.+)$"
    if name then
      for _, word in ipairs(shell_words(read(name), name)) do out[#out + 1] = word end
    else
      out[#out + 1] = arg
    end
  end
  return out
end

-- ---- the line ----

local function find_long(indexes, name)
  for _, idx in ipairs(indexes) do
    if idx.long[name] then return idx.long[name] end
  end
  local found, count = nil, 0     -- the beginning of a name does, when only one has it
  for _, idx in ipairs(indexes) do
    for full, o in pairs(idx.long) do
      if full:sub(1, #name) == name then found, count = o, count + 1 end
    end
  end
  if count == 1 and #name >= 3 then return found end
end

local function find_short(indexes, name)
  for _, idx in ipairs(indexes) do
    if idx.short[name] then return idx.short[name] end
  end
end

-- Option, the value written with it, what is left of joined short ones.
local function find_option(indexes, arg)
  local long, rest = arg:match "^%-%-([^=]+)=?(.*)$"
  if long then
    return find_long(indexes, (long:gsub("_", "-"))), arg:find("=", 1, true) and rest or nil
  end
  local word, joined = arg:match "^%-([^=]+)=?(.*)$"
  local o = find_short(indexes, word)
  if o then return o, arg:find("=", 1, true) and joined or nil end
  for n = 2, 1, -1 do
    o = find_short(indexes, word:sub(1, n))
    if o and #word > n then
      if o.kind == "flag" then return o, nil, "-" .. arg:sub(n + 2) end
      return o, arg:sub(n + 2)
    end
  end
end

local function is_option(indexes, arg)
  return arg:match "^%-." and not arg:match "^%-%d" and find_option(indexes, arg) ~= nil
end

local function read_value(o, text)
  if not o.read then return text end
  return o.read(text, o.name)
end

local function unknown_option(indexes, arg, name)
  local names = {}
  for _, idx in ipairs(indexes) do
    for long in pairs(idx.long) do names[#names + 1] = long end
  end
  local near = nearest.find((arg:gsub("^%-+", ""):gsub("=.*", ""):gsub("_", "-")), names)
  errors.raise("usage", ("%sthere is no option '%s'"):format(name and name .. ": " or "", arg),
    { hint = near[1] and ("did you mean --%s?"):format(near[1]) or nil })
end

local Reader <const> = {}
Reader.__index = Reader

-- Words of a list: up to the next option, or as long as they look right; the first
-- one in any case.
function Reader:take_list(o, opt)
  local list = opt[o.name] or {}
  local before = #list
  while self.args[self.at] and not is_option(self.indexes, self.args[self.at])
    and (#list == before or not o.while_match
      or self.args[self.at]:find(o.while_match, 1, true)) do
    list[#list + 1] = read_value(o, self.args[self.at])
    self.at = self.at + 1
  end
  if #list == before then usage("--%s needs a value", o.name) end
  opt[o.name] = list
end

local function store(o, opt, text)
  local read = read_value(o, text)
  if not o.many then
    opt[o.name] = read
    return
  end
  opt[o.name] = opt[o.name] or {}
  table.insert(opt[o.name], read)
end

function Reader:take_option(arg)
  local o, text, rest = find_option(self.indexes, arg)
  if not o then unknown_option(self.indexes, arg, self.command and self.command.name) end
  local opt = self.opt
  if o.kind == "flag" then
    if text then usage("--%s takes no value", o.name) end
    opt[o.name] = true
    if o.read then o.read(nil, o.name) end
    if rest then self:take_option(rest) end
  elseif o.kind == "list" then
    if text then table.insert(self.args, self.at, text) end
    self:take_list(o, opt)
  elseif o.kind == "maybe" then
    local next = text or self.args[self.at]
    local given = next and next:match(o.match)
    if given and not text then self.at = self.at + 1 end
    opt[o.name] = o.read(given and next or "yes", o.name)
  else
    if not text then
      text = self.args[self.at] or usage("--%s needs a value", o.name)
      self.at = self.at + 1
    end
    store(o, opt, text)
  end
end

local function no_such_command(word)
  local names = {}
  for _, c in ipairs(esptool_options.COMMANDS) do names[#names + 1] = c.name end
  local near = nearest.find((word:gsub("_", "-")), names)
  errors.raise("usage", ("there is no command '%s'"):format(word),
    { hint = near[1] and ("did you mean '%s'?"):format(near[1])
      or "'esptool --help' lists the commands" })
end

function Reader:take_command(word)
  local name = word:gsub("_", "-")
  if esptool_options.REFUSED[name] then
    errors.raise("refused_by_policy", ("%s: %s"):format(name, esptool_options.REFUSED[name]))
  end
  self.command = by_name[name] or no_such_command(word)
  self.word = word
  self.indexes = { index(self.command.options, new_index()), self.indexes[1] }
end

-- Reads everything; words that are no options are the command, then its arguments.
function Reader:run()
  while self.args[self.at] do
    local arg = self.args[self.at]
    self.at = self.at + 1
    if arg == "--" and self.command then
      table.move(self.args, self.at, #self.args, #self.words + 1, self.words)
      break
    elseif arg:match "^%-." and not arg:match "^%-%d" then
      self:take_option(arg)
    elseif not self.command then
      self:take_command(arg)
    else
      self.words[#self.words + 1] = arg
    end
  end
end

local function read_pairs(command, words)
  if #words == 0 then usage("%s needs addresses and files", command.name) end
  local list = {}
  for i = 1, #words, 2 do
    local addr = whole(words[i], "address")
    if not words[i + 1] then
      usage("%s: address %s has no file behind it", command.name, words[i])
    end
    list[#list + 1] = { addr = addr, file = words[i + 1] }
  end
  return list
end

local function read_arguments(command, words, opt)
  local arguments = command.arguments or {}
  if arguments == "pairs" then
    opt.pairs = read_pairs(command, words)
    return
  end
  if #words > #arguments then
    usage("%s: '%s' is one word too many", command.name, words[#arguments + 1])
  end
  for i, a in ipairs(arguments) do
    local name, read = a[1], a[2]
    if words[i] then
      opt[name] = read and read(words[i], name) or words[i]
    elseif a.optional then
      opt[name] = a.optional
    else
      usage("%s: the %s is missing", command.name, name)
    end
  end
end

-- What contradicts, what belongs together.
local function check_together(opt)
  if opt.compress and opt["no-compress"] then
    usage "--compress and --no-compress exclude each other"
  elseif (opt["trust-flash-content"] or opt["no-diff-verify"]) and not opt["diff-with"] then
    usage "--trust-flash-content needs --diff-with"
  elseif opt["diff-with"] and opt.pairs and #opt["diff-with"] > #opt.pairs then
    usage "--diff-with names more files than there are to write"
  end
end

-- Environment behind the options, as documented: name of the option, variable.
local ENVIRONMENT <const> = {
  { "chip", "ESPTOOL_CHIP" }, { "port", "ESPTOOL_PORT" }, { "baud", "ESPTOOL_BAUD" },
  { "before", "ESPTOOL_BEFORE" }, { "after", "ESPTOOL_AFTER" },
  { "connect-attempts", "ESPTOOL_CONNECT_ATTEMPTS" },
  { "flash-mode", "ESPTOOL_FM" }, { "flash-freq", "ESPTOOL_FF" }, { "flash-size", "ESPTOOL_FS" },
}

-- What the commands that make a header cannot mean; the variables are set for all.
local NOT_A_VALUE <const> = { keep = true, detect = true }

local function from_environment(opt, indexes, env)
  for _, e in ipairs(ENVIRONMENT) do
    local text, o = env(e[2]), find_long(indexes, e[1])
    if text and text ~= "" and o and o.name == e[1] and opt[e[1]] == nil then
      local ok, result = pcall(read_value, o, text)
      if ok then
        opt[e[1]] = result
      elseif not NOT_A_VALUE[text:lower()] then
        errors.raise(result.code or "usage", ("%s: %s"):format(e[2], tostring(result)))
      end
    end
  end
end

--- Which way of speaking a word asks for.
-- @tparam string word the command as it was written
-- @tparam string program the name that the program was called by
-- @treturn string "classic" (esptool 2 to 4) or "five"
function esptool_options.form(word, program)
  if word:find("_", 1, true) then return "classic" end
  if word:find("-", 1, true) then return "five" end
  return program:match "%.py$" and "classic" or "five"
end

--- Reads a command line.
-- @tparam {string,...} args `@FILE` already expanded
-- @tparam[opt] function env reads an environment variable
-- @tparam[opt] string program the name that the program was called by
-- @treturn table `command` (its name with `-`; nil when there is none), `form`,
--   `opt`: values by the options' names, `pairs` = { { addr, file }, ... }, and
--   the arguments by their names
-- @raise `usage`; `refused_by_policy` for what only other chips have
function esptool_options.parse(args, env, program)
  local reader = setmetatable({ args = table.move(args, 1, #args, 1, {}), at = 1, opt = {},
    words = {}, indexes = { index(esptool_options.GLOBALS, new_index()) } }, Reader)
  reader:run()
  local result = { opt = reader.opt, command = reader.command and reader.command.name,
    form = esptool_options.form(reader.word or "", program or "esptool") }
  if reader.command and not reader.opt.help then
    from_environment(reader.opt, reader.indexes, env or function() end)
    read_arguments(reader.command, reader.words, reader.opt)
    check_together(reader.opt)
  end
  return result
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
  local c = name and by_name[name]
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
