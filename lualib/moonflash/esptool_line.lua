--- What a line of words means to esptool: options, the command, its arguments. Pure.
--
-- Which there are says @{moonflash.esptool_options}.
-- @module moonflash.esptool_line
local errors <const> = require "moonflash.errors"
local nearest <const> = require "moonflash.nearest"
local options <const> = require "moonflash.esptool_options"

local esptool_line = {}

local function usage(format, ...)
  errors.raise("usage", format:format(...))
end

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
function esptool_line.expand(args, read)
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

local LONGEST <const> = 40             -- no name is longer

-- What a word may have been meant to be.
local function near(word, names)
  if #word > LONGEST then return nil end
  return nearest.find(word:gsub("_", "-"), names)[1]
end

local function unknown_option(indexes, arg, name)
  local names = {}
  for _, idx in ipairs(indexes) do
    for long in pairs(idx.long) do names[#names + 1] = long end
  end
  local meant = near(arg:match "^%-*([^=]*)", names)
  errors.raise("usage", ("%sthere is no option '%s'"):format(name and name .. ": " or "", arg),
    { hint = meant and ("did you mean --%s?"):format(meant) })
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
  for _, c in ipairs(options.COMMANDS) do names[#names + 1] = c.name end
  local meant = near(word, names)
  errors.raise("usage", ("there is no command '%s'"):format(word),
    { hint = meant and ("did you mean '%s'?"):format(meant)
      or "'esptool --help' lists the commands" })
end

function Reader:take_command(word)
  local name = word:gsub("_", "-")
  if options.REFUSED[name] then
    errors.raise("refused_by_policy", ("%s: %s"):format(name, options.REFUSED[name]))
  end
  self.command = options.by_name[name] or no_such_command(word)
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
    local addr = options.whole(words[i], "address")
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
function esptool_line.form(word, program)
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
function esptool_line.parse(args, env, program)
  local reader = setmetatable({ args = table.move(args, 1, #args, 1, {}), at = 1, opt = {},
    words = {}, indexes = { index(options.GLOBALS, new_index()) } }, Reader)
  reader:run()
  local result = { opt = reader.opt, command = reader.command and reader.command.name,
    form = esptool_line.form(reader.word or "", program or "esptool") }
  if reader.command and not reader.opt.help then
    from_environment(reader.opt, reader.indexes, env or function() end)
    read_arguments(reader.command, reader.words, reader.opt)
    check_together(reader.opt)
  end
  return result
end

return esptool_line
