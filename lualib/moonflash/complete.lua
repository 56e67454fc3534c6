--- Completion of command lines, for any shell: what may come next.
--
-- The shells ask the program itself (`moonflash complete -- WORDS`), so commands
-- from `-L`, plugged-in ports and a recipe's own options are completed as they
-- are now.
-- @module moonflash.complete
local cli <const> = require "moonflash.cli"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"

local complete = {}

--- Instead of candidates: names of files.
complete.FILES = ":files"

-- Values of options that are words from a list, by the option's long spelling.
local VALUES <const> = {
  ["--before"] = { "nodemcu", "classic", "ck", "wifio", "dtr", "none" },
  ["--after"] = { "run", "stay", "none" },
  ["--baud"] = { "auto", "115200", "230400", "460800", "921600", "2000000" },
  ["--color"] = { "auto", "always", "never" },
  ["--mode"] = { "keep", "auto", "qio", "qout", "dio", "dout" },
  ["--freq"] = { "keep", "20m", "26m", "40m", "80m" },
  ["--size"] = { "detect", "keep", "512k", "1M", "2M", "4M", "8M", "16M" },
  ["--region"] = { "all", "firmware", "rf-cal", "init-data", "system-param", "partition", "lfs",
    "spiffs" },
}

-- Words that a command's arguments may be, besides files and commands of its own.
local ARGUMENTS <const> = {
  erase = VALUES["--region"], backup = { "check", "unpack" }, complete = { "bash", "zsh", "fish" },
}

local function port_names()
  local names = { "sim:" }
  for _, p in ipairs(esp.ports() or {}) do names[#names + 1] = p.name end
  return names
end

--- The parser of a command, without running the command.
-- @tparam string name a command, or a recipe's file
-- @treturn table|nil an argparse parser
function complete.parser(name)
  local parse, captured = cli.parse, nil
  cli.parse = function(parser)
    captured = parser
    error(errors.new("interrupted", "only the parser was wanted"), 0)
  end
  pcall(cli.run, name, {}, {})
  cli.parse = parse
  return captured
end

local function find_option(parser, word)
  for _, option in ipairs(parser and parser._options or {}) do
    for _, alias in ipairs(option._aliases) do
      if alias == word then return option end
    end
  end
end

-- The spelling that says most.
local function spelling(option)
  local longest = ""
  for _, alias in ipairs(option._aliases) do
    if #alias > #longest then longest = alias end
  end
  return longest
end

local function takes_value(option) return option and option._maxargs and option._maxargs > 0 end

-- Spelling, and whether a value follows, of each global option.
local function globals()
  local list = {}
  for _, g in ipairs(cli.GLOBALS) do
    local aliases = {}
    for word in g[1]:gmatch "%S+" do aliases[#aliases + 1] = word end
    list[#list + 1] = { _aliases = aliases, _maxargs = g[2] and 1 or 0, _argname = g[2] }
  end
  return { _options = list }
end

-- The command among the words before the cursor, and its place.
local function find_command(words)
  local known, i = globals(), 1
  while i < #words do
    local word = words[i]
    if word:sub(1, 1) ~= "-" then return word, i end
    i = i + (takes_value(find_option(known, word)) and 2 or 1)
  end
end

local function values_of(option)
  local long = spelling(option)
  if long == "--port" then return port_names() end
  if option._choices then return option._choices end
  return VALUES[long] or { complete.FILES }
end

local function options_of(parser)
  local list = {}
  for _, option in ipairs(parser._options) do
    if not option._hidden then list[#list + 1] = spelling(option) end
  end
  return list
end

local function command_names()
  local names = { complete.FILES }         -- a recipe is a file
  for name in pairs(cli.commands(cli.dirs or {})) do names[#names + 1] = name end
  return names
end

local function arguments_of(name, parser)
  local list = { complete.FILES }
  for _, command in ipairs(parser and parser._commands or {}) do list[#list + 1] = command._name end
  for _, word in ipairs(ARGUMENTS[name] or {}) do list[#list + 1] = word end
  for _, argument in ipairs(parser and parser._arguments or {}) do
    for _, choice in ipairs(argument._choices or {}) do list[#list + 1] = choice end
  end
  return list
end

local function offer(words)
  local current, before = words[#words], words[#words - 1]
  local name, at = find_command(words)
  local parser = name and complete.parser(name) or globals()
  local option = before and (not at or at < #words) and find_option(parser, before)
  if takes_value(option) then return values_of(option) end
  if current:sub(1, 1) == "-" then return options_of(parser) end
  return name and arguments_of(name, parser) or command_names()
end

--- What the last word may become.
-- @tparam {string,...} words of the command line behind the program's name; the
--   last one is what is being typed, perhaps ""
-- @treturn {string,...} sorted; @{complete.FILES} first where names of files fit too
function complete.candidates(words)
  local current, list, seen = words[#words] or "", {}, {}
  for _, word in ipairs(offer(#words > 0 and words or { "" })) do
    local fits = word == complete.FILES or word:sub(1, #current) == current
    if fits and not seen[word] then list[#list + 1] = word end
    seen[word] = true
  end
  table.sort(list)
  for i, word in ipairs(list) do
    if word == complete.FILES then table.insert(list, 1, table.remove(list, i)) end
  end
  return list
end

--- What a shell has to be told, by its name.
complete.SHELLS = {
  bash = [=[
# Completion of moonflash for bash.
_moonflash() {
	local line=${COMP_LINE:0:COMP_POINT} word cur words
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	cur=${words[-1]}
	COMPREPLY=()
	while IFS= read -r word; do
		if [[ $word == :files ]]; then
			compopt -o filenames 2>/dev/null
			mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
		elif [[ $cur == *:* ]]; then
			COMPREPLY+=("${word#"${cur%"${cur##*:}"}"}")
		else
			COMPREPLY+=("$word")
		fi
	done < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _moonflash moonflash
]=],
  zsh = [=[
#compdef moonflash
# Completion of moonflash for zsh.
_moonflash() {
	local -a found
	found=("${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ $found[1] == :files ]]; then
		shift found
		_files
	fi
	[[ -n "$found" ]] && compadd -a found
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
	_moonflash "$@"
else
	compdef _moonflash moonflash
fi
]=],
  fish = [=[
# Completion of moonflash for fish.
function __moonflash_complete
	set -l words (commandline -opc)
	set -l current (commandline -ct)
	for word in ($words[1] complete -- $words[2..] $current 2>/dev/null)
		if test "$word" = :files
			__fish_complete_path $current
		else
			echo $word
		end
	end
end
complete -c moonflash -f -a '(__moonflash_complete)'
]=],
}

return complete
