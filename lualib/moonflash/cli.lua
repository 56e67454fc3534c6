--- The command line: global options, finding the command, help, last words.
--
-- The contract, kept for ever: `moonflash [global options] COMMAND [options]
-- [args]`, global options are accepted after the command too. A command is a
-- script in `scripts/`, embedded in the program or found in a directory that
-- `-L` or `MOONFLASH_PATH` puts in front.
-- @module moonflash.cli
local argparse <const> = require "argparse"
local cli_help <const> = require "moonflash.cli_help"
local cli_scripts <const> = require "moonflash.cli_scripts"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local nearest <const> = require "moonflash.nearest"
local report <const> = require "moonflash.report"

local cli = {}

--- The global options: name, argument, help. One table for the scanner below
-- and for every command's parser.
cli.GLOBALS = {
  { "-p --port", "URL", "port: a device path, sim:[FILE][?OPTIONS] or rfc2217://HOST:PORT"
    .. " (MOONFLASH_PORT)" },
  { "-b --baud", "RATE", "baud rate, or auto (MOONFLASH_BAUD)" },
  { "--before", "RESET", "how to reach the loader: nodemcu, classic, ck, wifio, dtr, none" },
  { "--after", "RESET", "what to do at the end: run (default), stay, none" },
  { "--wait", "SECONDS", "wait so long for a board that is reset by hand" },
  { "--allow", "WHAT", "let a Lua file do more: read=DIR, write=DIR, exec, env=NAME, ports,"
    .. " net, memory=SIZE, time=SECONDS, all; may be repeated" },
  { "--locked", nil, "refuse a recipe that differs from moonflash.lock" },
  { "--no-stub", nil, "use the chip's own ROM loader only" },
  { "--stub", "FILE", "use another flasher stub, a file in the public JSON format" },
  { "--json", nil, "one JSON event per line on standard output" },
  { "--exec-on", "EVENT=PROGRAM", "run a program on start, done or failed; may be repeated" },
  { "--trace", nil, "show every byte on the wire on standard error" },
  { "--ledger", "URL", "record runs here: a file, or postgres://USER@HOST/DATABASE"
    .. " (MOONFLASH_LEDGER)" },
  { "--station", "NAME", "where, for the ledger (MOONFLASH_STATION; default: the host's name)" },
  { "--operator", "NAME", "who, for the ledger (MOONFLASH_OPERATOR; default: the user)" },
  { "--color", "WHEN", "colours: auto (default), always, never; NO_COLOR is obeyed" },
  { "-q --quiet", nil, "only results and errors" },
  { "-v --verbose", nil, "more detail; a traceback for errors in scripts" },
  { "-L", "DIR", "look in DIR/lualib and DIR/scripts before the built-in files" },
  { "-e", "CODE", "run Lua code" },
}

local SHORT_HELP <const> = [[
usage: moonflash [global options] COMMAND [options] [args]
       moonflash [global options] FILE.lua [args]
       moonflash -e CODE

Flashes NodeMCU, and anything else, onto ESP8266 and ESP8285.
]]

local function help_text(dirs)
  local lines = { SHORT_HELP, "commands:" }
  local all = cli_scripts.commands(dirs)
  for _, name in ipairs(cli_scripts.names(all)) do
    lines[#lines + 1] = ("  %-12s %s"):format(name, all[name])
  end
  lines[#lines + 1] = "\nglobal options, before or after the command:"
  for _, g in ipairs(cli.GLOBALS) do
    local names = g[1]:gsub(" ", ", ") .. (g[2] and " " .. g[2] or "")
    lines[#lines + 1] = cli_help.row(names, g[3], 23)
  end
  lines[#lines + 1] = cli_help.row("--version", "print the version", 23)
  lines[#lines + 1] = "\n'moonflash COMMAND --help' explains a command."
  return table.concat(lines, "\n")
end

--- See @{moonflash.cli_scripts.commands}.
cli.commands = cli_scripts.commands

--- See @{moonflash.nearest.find}.
cli.near = nearest.find

-- Which global options take an argument, by each of their spellings.
local function takes_argument()
  local takes = {}
  for _, g in ipairs(cli.GLOBALS) do
    for spelling in g[1]:gmatch("%S+") do takes[spelling] = g[2] ~= nil end
  end
  return takes
end

--- Splits arguments at the command.
-- @tparam {string,...} args
-- @treturn {string,...} options before it
-- @treturn string|nil its name
-- @treturn {string,...} the rest
function cli.split(args)
  local takes = takes_argument()
  local before, i = {}, 1
  while i <= #args do
    local a = args[i]
    if a:sub(1, 1) ~= "-" or a == "-" then break end
    before[#before + 1] = a
    if takes[a] then
      i = i + 1
      before[#before + 1] = args[i]
    end
    i = i + 1
  end
  return before, args[i], table.move(args, i + 1, #args, 1, {})
end

local function add_globals(parser)
  local options = {}
  for _, g in ipairs(cli.GLOBALS) do
    local o
    if g[2] then
      o = parser:option(g[1]):argname(g[2])
      if g[1] == "-L" then o:count("*"):target("dirs") end
      if g[1] == "-e" then o:target("code") end
      if g[1] == "--exec-on" or g[1] == "--allow" then o:count("*") end
    else
      o = parser:flag(g[1])
    end
    options[#options + 1] = o:description(g[3])
  end
  options[#options + 1] = parser:flag("--version"):description("print the version")
    :action(function() print("moonflash " .. esp.version) os.exit(0, true) end)
  return options
end

local function parse_with(parser, args)
  local ok, result = parser:pparse(args)
  if ok then return result end
  local message, near = result:match("^(.-)\n(.*)$")        -- argparse knows near ones
  if near and not near:find "'%-?[^'-][^']+'" and not near:find "'%-%-" then near = nil end
  errors.raise("usage", message or result, {
    hint = near and near:gsub("^D", "d") or ("'%s --help' explains it"):format(parser._name),
  })
end

local WHEN <const> = { auto = true, always = true, never = true }
local AFTER <const> = { run = true, stay = true, none = true }

local MAX_BAUD <const> = 8000000                 -- as src/port/port.h

-- A variable of the environment; an empty one says nothing.
local function variable(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local function check_baud(baud)
  local rate = baud:match("^%d+$") and math.tointeger(tonumber(baud))
  if baud == "auto" or rate and rate > 0 and rate <= MAX_BAUD then return end
  errors.raise("usage", ("'%s' is no baud rate"):format(baud),
    { hint = ("a number up to %d, such as 115200 or 921600, or auto"):format(MAX_BAUD) })
end

-- Environment and defaults behind the global options.
local function settle(opt)
  if opt.port == "" then
    errors.raise("usage", "--port: the name is empty", { hint = "'moonflash ports' lists all" })
  end
  opt.port = opt.port or variable "MOONFLASH_PORT"
  opt.baud = opt.baud or variable "MOONFLASH_BAUD" or "auto"
  check_baud(opt.baud)
  if opt.wait then require("moonflash.first_contact").patience(opt) end
  opt.ledger = opt.ledger or variable "MOONFLASH_LEDGER"
  if opt.ledger == "" then opt.ledger = nil end
  if opt.stub and opt.no_stub then
    errors.raise("usage", "--stub and --no-stub exclude each other")
  end
  if opt.color and not WHEN[opt.color] then
    errors.raise("usage", ("--color: there is no '%s'"):format(opt.color),
      { hint = "auto, always or never" })
  end
  opt.after = opt.after or "run"
  if not AFTER[opt.after] then
    errors.raise("usage", ("--after: there is no '%s'"):format(opt.after),
      { hint = "run, stay or none" })
  end
  return opt
end

--- A parser for a command or recipe, with the global options in it.
-- @tparam string name the command's name
-- @tparam string summary one sentence
-- @tparam[opt] string epilog examples
-- @treturn table an argparse parser; give it to @{cli.parse}
function cli.parser(name, summary, epilog)
  local parser = argparse("moonflash " .. name, summary, epilog)
  parser.globals = add_globals(parser)
  return parser
end

--- Parses the running command's arguments.
-- @tparam table parser from @{cli.parser}
-- @treturn table the options by name, the global ones with their defaults
-- @raise `usage`
function cli.parse(parser)
  cli_help.dress(parser, parser.globals)
  local opt = settle(parse_with(parser, cli.args))
  opt.permissions = cli.permissions
  cli.options = opt
  report.setup(opt)
  if cli.entry then require("moonflash.ledger_run").options(cli.entry, opt) end
  if #opt.exec_on > 0 then require("moonflash.events_hooks").setup(opt.exec_on, cli.command) end
  return opt
end

-- A script of ours may not touch a global that is not there: a misspelt name
-- is an error at once.
local strict = setmetatable({}, {
  __index = function(_, k)
    local v = _G[k]
    if v == nil then error(("undefined global '%s'"):format(k), 2) end
    return v
  end,
  __newindex = function(_, k) error(("assignment to global '%s'"):format(k), 2) end,
})

local function load_text(text, chunkname, env)
  local f, why = load(text, chunkname, "t", env)
  if not f then
    errors.raise("script", why, { hint = "the file is not valid Lua 5.4" })
  end
  return f
end

-- The first file that a command loads, and what lies beside it, share permissions.
local function run_file(path, rest)
  local loading <const> = require "moonflash.confine_load"
  local p = cli.permissions
  if p and loading.is_beside(path, p) then return loading.run(path, rest, p) end
  p = loading.permissions(path, cli.args)
  cli.permissions = cli.permissions or p
  return loading.run(path, rest, p, true)
end

-- A Lua file that returns a recipe wants it carried out.
local function run_recipe(result, path)
  local recipe = package.loaded["moonflash.recipe"]
  if not recipe or not recipe.is(result) then return result end
  require("moonflash.recipe_command").run(result, path)
end

--- Loads a recipe without carrying it out.
-- @tparam string path
-- @treturn recipe|any what the file returns
-- @raise `file`, `script`
function cli.load_file(path)
  return run_file(path, {})
end

local function run_command(name, before, rest)
  local text, path = cli_scripts.find(name, cli.dirs)
  if not text then cli_scripts.unknown(name, cli.dirs) end
  cli.args = table.move(rest, 1, #rest, #before + 1, table.move(before, 1, #before, 1, {}))
  return load_text(text, "=" .. path, strict)(table.unpack(rest))
end

-- The options before the command, as far as they matter before it is known.
local function early(before)
  local parser = argparse("moonflash"):add_help(false)
  add_globals(parser)
  local opt = settle(parse_with(parser, before))
  report.setup(opt)
  return opt
end

-- With directories in front, everything is loaded anew, from there first: this
-- module too.
local function reload(args)
  cli_scripts.add_dirs(cli.dirs)
  for name in pairs(package.loaded) do
    if name:match("^moonflash%f[.\0]") then package.loaded[name] = nil end
  end
  local again = require "moonflash.cli"
  again.reloaded = true
  return again.main(args)
end

local function run_named(name, before, rest)
  if name:match("%.lua$") then
    cli.args = table.move(rest, 1, #rest, #before + 1, table.move(before, 1, #before, 1, {}))
    return run_recipe(run_file(name, rest), name)
  end
  return run_command(name, before, rest)
end

-- Is there a ledger, as far as that is known before the command has parsed its options?
local function uses_ledger(before, rest)
  if os.getenv("MOONFLASH_LEDGER") then return true end
  for _, words in ipairs { before, rest } do
    for _, word in ipairs(words) do
      if word:match("^%-%-ledger") then return true end
    end
  end
  return false
end

-- The one place where runs are recorded: whatever comes of the command, the ledger
-- hears of it.
local function run_recorded(name, before, rest)
  local ledger_run <const> = require "moonflash.ledger_run"
  local entry <const> = ledger_run.begin(name, cli.options)
  cli.entry = entry
  local ok, result = xpcall(run_named, cli.on_error, name, before, rest)
  if ok then
    ledger_run.finish(entry, nil, math.type(result) == "integer" and result or 0)
    return result
  end
  ledger_run.finish(entry, result, errors.exit_code(result))
  error(result, 0)
end

--- Runs a command, or a Lua file.
-- @tparam string name
-- @tparam {string,...} before global options that were given before it
-- @tparam {string,...} rest its arguments
-- @return what it returns
-- @raise whatever it raises
function cli.run(name, before, rest)
  report.begin(name)
  cli.command = name
  if uses_ledger(before, rest) then return run_recorded(name, before, rest) end
  return run_named(name, before, rest)
end

local function wants_help(options)
  for _, o in ipairs(options) do
    if o == "-h" or o == "--help" then return true end
  end
end

local function dispatch(args)
  local before, name, rest = cli.split(args)
  if wants_help(before) and name then
    before, name, rest = {}, "help", { name }      -- --help COMMAND, too
  elseif wants_help(before) or #args == 0 then
    print(help_text(cli_scripts.user_dirs {}))
    return
  end
  local opt = early(before)
  cli.options = opt
  cli.args = before
  cli.dirs = cli_scripts.user_dirs(opt.dirs or {})
  if #cli.dirs > 0 and not cli.reloaded then return reload(args) end
  if opt.code then
    return load_text(opt.code, "=(command line)", _G)(name, table.unpack(rest))
  end
  if not name then
    errors.raise("usage", "no command given", { hint = "'moonflash' alone lists the commands" })
  end
  if name == "help" then
    name, rest = rest[1], { "--help" }
    if not name then print(help_text(cli.dirs)) return end
  end
  return cli.run(name, before, rest)
end

--- What to do with an error where it is caught: its position stays, its traceback
-- only where it was asked for.
-- @param e whatever was raised
-- @treturn table one of ours
function cli.on_error(e)
  local traceback = not errors.is(e) and debug.traceback("", 2) or nil
  e = errors.wrap(e)
  e.traceback = e.traceback or traceback
  -- exits 1 to 7 and 9 promise that nothing was changed, whoever raised what
  local code = errors.exit_code(e)
  if report.chip_has_changed() and code ~= 8 and code ~= 130 then
    return errors.after_change(e, nil, e.hint or "run the same command again")
  end
  return e
end

-- What a command has printed must have reached its reader, or it did not end well.
local function check_output()
  local why = report.lost()
  if why then
    errors.raise("io", "cannot write to standard output: " .. why, { hint =
      report.chip_has_changed() and "what was asked for is in flash and proven" or nil })
  end
end

local ESPTOOL <const> = { esptool = true, ["esptool.py"] = true, ["esptool.exe"] = true }

-- Called by the name of esptool, through a link, the program is that command.
local function by_its_name(args)
  local name = (args[0] or ""):match("[^/\\]*$")
  if not ESPTOOL[name] then return args end
  return table.move(args, 1, #args, 2, { "esptool", program = name })
end

--- Runs the program.
-- @tparam {string,...} args as the C main passes them
-- @treturn integer the exit code
function cli.main(args)
  args = by_its_name(args)
  cli.program = args.program
  esp.on_interrupt(errors.new("interrupted", "interrupted", {
    hint = "run the same command again" }))
  local ok, result = xpcall(function()
    local done = dispatch(args)
    if not done or done == 0 then report.finish() end
    check_output()
    return done
  end, cli.on_error)
  local code = ok and math.type(result) == "integer" and result or 0
  if not ok then
    report.failure(result)
    code = errors.exit_code(result)
  end
  local hooks = package.loaded["moonflash.events_hooks"]
  if hooks then hooks.finish(code, not ok and result or nil) end
  return code
end

return cli
