--- How a command's help looks: its own options first, the global ones named in a line.
--
-- argparse writes the text; this gives it our spellings (`-m, --mode MODE`, small
-- headings) and keeps what every command has out of the way of what this one has.
-- @module moonflash.cli_help
local cli_help = {}

local WIDTH <const> = 80

-- What an option or argument takes: "<mode>" is written MODE.
local function shown(argument)
  return (argument:gsub("<([%w_-]+)>", string.upper))
end

-- "-m, --mode MODE": the short spelling first, the argument once.
local function label(option)
  local names = {}
  for i, alias in ipairs(option._public_aliases) do names[i] = alias end
  table.sort(names, function(a, b) return #a < #b end)
  local words = option:_get_argument_list()
  table.insert(words, 1, table.concat(names, ", "))
  return { shown(table.concat(words, " ")) }
end

-- Hides options, or shows them again. Returns whether they were hidden before.
local function hide(options, hidden)
  local before = options[1] and options[1]._hidden
  for _, option in ipairs(options) do option._hidden = hidden end
  return before
end

-- Lines of at most so many columns.
local function wrap(words, columns)
  local lines = {}
  for _, word in ipairs(words) do
    local line = lines[#lines]
    if line and #line + 1 + #word <= columns then
      lines[#lines] = line .. " " .. word
    else
      lines[#lines + 1] = word
    end
  end
  return lines
end

local function words_of(text)
  local words = {}
  for word in text:gmatch "%S+" do words[#words + 1] = word end
  return words
end

--- Prose filled to the width; indented lines and headings above them stay as they are.
-- @tparam string text
-- @treturn string
function cli_help.fill(text)
  local out, prose = {}, {}
  local function flush()
    for _, line in ipairs(wrap(words_of(table.concat(prose, " ")), WIDTH)) do out[#out + 1] = line end
    prose = {}
  end
  for line in (text .. "\n"):gmatch "(.-)\n" do
    if line == "" or line:match "^%s" then
      flush()
      out[#out + 1] = line
    else
      prose[#prose + 1] = line
    end
  end
  flush()
  return table.concat(out, "\n")
end

--- A row of a table of options: what it is, and its text in a column of its own.
-- @tparam string name
-- @tparam string text
-- @tparam integer column where the text begins
-- @treturn string one or more lines
function cli_help.row(name, text, column)
  local lines = wrap(words_of(text), WIDTH - column)
  local gap = (" "):rep(column)
  local first = #name > column - 3 and ("  %s\n%s"):format(name, gap)
    or ("  %s%s"):format(name, gap:sub(#name + 3))
  return first .. table.concat(lines, "\n" .. gap)
end

-- "-p URL, -b RATE, ..."
local function list(options)
  local words = {}
  for i, option in ipairs(options) do
    local argument = option:_get_argument_list()[1]
    words[i] = option._name .. (argument and " " .. argument or "") .. (i < #options and "," or "")
  end
  return "   " .. table.concat(wrap(words, WIDTH - 3), "\n   ")
end

local function usage(parser, options)
  local before = hide(options, true)
  local text = getmetatable(parser).__index.get_usage(parser)
  hide(options, before)
  return (shown(text):gsub("^Usage:", "usage:"))
end

local function help(parser, options)
  local epilog = parser._epilog and cli_help.fill(parser._epilog)
  if #options > 0 then
    epilog = ("global options, explained by 'moonflash --help':\n%s%s"):format(list(options),
      epilog and "\n\n" .. epilog or "")
  end
  local before, plain = hide(options, true), parser._epilog
  parser._epilog = nil
  local text = getmetatable(parser).__index.get_help(parser)
  parser._epilog = plain
  hide(options, before)
  text = text:gsub("\n\n(%u)([%l ]+:\n   )", function(first, rest)
    return "\n\n" .. first:lower() .. rest
  end)
  return text .. (epilog and "\n\n" .. epilog or "")
end

--- Gives a parser, and those of its subcommands, their look.
-- @tparam table parser an argparse parser with all its options
-- @tparam {table,...} globals its options that every command has
-- @tparam[opt] boolean inner it is a subcommand's
function cli_help.dress(parser, globals, inner)
  parser:usage_max_width(WIDTH):help_max_width(WIDTH)
  for _, option in ipairs(parser._options) do
    option._get_label_lines = label
    if option._name == "-h" then
      option:description "show this help"
      if inner or #globals > 0 then option._get_usage = function() return "[global options]" end end
    end
  end
  for _, argument in ipairs(parser._arguments) do
    argument._get_label_lines = function(a)
      return { type(a._argname) == "string" and a._argname or shown(a:_get_default_argname()) }
    end
  end
  parser.get_usage = function(self) return usage(self, globals) end
  parser.get_help = function(self) return help(self, globals) end
  for _, command in ipairs(parser._commands) do cli_help.dress(command, {}, true) end
end

return cli_help
