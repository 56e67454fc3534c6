--- A recipe as a command: its options, its help, its files.
-- @module moonflash.recipe_command
local cli <const> = require "moonflash.cli"
local errors <const> = require "moonflash.errors"
local files <const> = require "moonflash.files"
local params <const> = require "moonflash.recipe_params"
local permissions <const> = require "moonflash.permissions"
local run <const> = require "moonflash.recipe_run"
local trial <const> = require "moonflash.recipe_trial"
local where <const> = require "moonflash.recipe_where"

local command = {}

--- The folder of a file, with its slash, or "".
function command.folder_of(path) return path:match("^.*/") or "" end

--- Where a recipe comes from.
-- @tparam string path
-- @treturn table `file`, `text`
function command.source(path)
  local ok, text = pcall(files.read, path)
  return { file = path, text = ok and text or nil }
end

--- Reads recipes that a recipe includes.
-- @tparam string folder
-- @treturn function for `recipe:resolve`
function command.loader(folder)
  return function(name, at)
    local path = folder .. name
    return where.within(at, cli.load_file, path), files.read(path), path
  end
end

--- The word behind an option, before the options are parsed.
-- @tparam {string,...} args
-- @tparam string option "--variant"
-- @treturn string|nil
function command.peek(args, option)
  for i, word in ipairs(args) do
    local value = word == option and args[i + 1] or word:sub(1, #option + 1) == option .. "="
      and word:sub(#option + 2)
    if value then return value end
  end
end

--- Adds the options that every recipe has.
-- @tparam table parser
-- @tparam {string,...} variants
-- @tparam string|nil default the variant that counts when none is chosen
-- @tparam table resolved
function command.add_options(parser, variants, default, resolved)
  local d = resolved.description
  if #variants > 0 then
    parser:option("--variant", ("one of the recipe's variants%s"):format(default
      and (" (default: %s)"):format(default) or "")):argname(table.concat(variants, "|"))
  end
  if d.units or d.unit or d.serial then
    parser:option("--units", "the units' data, instead of the recipe's file"):argname("FILE")
    parser:option("--serial", "the serial number of this unit"):argname("TEXT")
  end
  params.add_options(resolved.params, parser)
end

-- What 'moonflash flash.lua --help' says.
local function parser_for(path, recipe, resolved, loader)
  local d = resolved.description
  local about = d.about or d.name or ("Carries out the recipe %s."):format(path)
  local parser = cli.parser(path, (about:gsub("[\0-\8\11-\31\127]", "?")),
    ("example:\n  moonflash %s -p /dev/ttyUSB0"):format(path))
  parser:flag("-n --dry-run", "print the plan and change nothing")
  parser:flag("--full", "write also what is there already")
  local variants, default = recipe:variants(resolved.source, loader)
  command.add_options(parser, variants, default, resolved)
  return parser
end

local function wants_help(args)
  for _, word in ipairs(args) do
    if word == "--help" or word == "-h" then return true end
  end
  return false
end

-- Without a variant there is still a help text.
local function resolve(recipe, source, loader, args)
  local variant = command.peek(args, "--variant")
  if not variant and wants_help(args) then
    local names, default = recipe:variants(source, loader)
    variant = default or names[1]
  end
  return recipe:resolve(source, loader, variant)
end

--- Carries out the recipe that a file returned, with the options of the command line.
-- @tparam recipe recipe
-- @tparam string path of the file
-- @treturn table summary
function command.run(recipe, path)
  local folder, source = command.folder_of(path), command.source(path)
  local loader = command.loader(folder)
  local resolved = resolve(recipe, source, loader, cli.args)
  local opt = cli.parse(parser_for(path, recipe, resolved, loader))
  local job = run.prepare(resolved, params.values(resolved.params, opt), opt,
    { folder = opt.permissions or permissions.trusted(folder) })
  return run.execute(job)
end

-- ---- for `moonflash test` ----

local subject = {}
subject.__index = subject

-- The recipe among the arguments: the first Lua file that is no option's value.
local function recipe_among(args)
  for i, word in ipairs(args) do
    if word:match("%.lua$") and word:sub(1, 1) ~= "-" and args[i - 1] ~= "--expect" then
      return word
    end
  end
end

--- Opens the recipe that is among the arguments, and adds its options to a parser.
-- @tparam {string,...} args
-- @tparam table parser
-- @treturn table subject; without a recipe `subject:parse` will say so
-- @raise `script` when the file is no recipe
function command.open_for_test(args, parser)
  local path = recipe_among(args)
  if not path then return setmetatable({}, subject) end
  local recipe = cli.load_file(path)
  if not require("moonflash.recipe").is(recipe) then
    errors.raise("script", path .. " returns no recipe",
      { hint = "end it with return mf.recipe { ... }" })
  end
  local folder, source = command.folder_of(path), command.source(path)
  local loader = command.loader(folder)
  local variants, default = recipe:variants(source, loader)
  local asked = command.peek(args, "--variant")
  local resolved = recipe:resolve(source, loader, asked or default or variants[1])
  command.add_options(parser, variants, default, resolved)
  return setmetatable({ recipe = recipe, path = path, base = folder, source = source,
    resolved = resolved }, subject)
end

--- Parses the command line of a command that works on a recipe.
-- @tparam table parser with an argument `recipe`
-- @treturn table options
-- @raise `usage` when what was named can be no recipe
function subject:parse(parser)
  local opt = cli.parse(parser)
  if not self.recipe then
    errors.raise("usage", ("%s is no recipe"):format(opt.recipe),
      { hint = "a recipe is a Lua file, its name ends in .lua" })
  end
  return opt
end

--- The tests to run.
-- @tparam table opt `variant`, `only`
-- @treturn {test,...} copies
-- @raise `usage` when none has the name asked for
function subject:tests(opt)
  local list = {}
  for _, test in ipairs(trial.tests(self.resolved.description, opt.variant)) do
    if not opt.only or (test.name or ""):find(opt.only, 1, true) then
      local copy = {}
      for k, v in pairs(test) do copy[k] = v end
      list[#list + 1] = copy
    end
  end
  if #list == 0 then
    errors.raise("usage", opt.only and ("no test is called '%s'"):format(opt.only)
      or "no test is for this variant")
  end
  return list
end

--- What the recipe is in each of its variants, or only as it is.
-- @treturn {table,...} as from `recipe:resolve`
function subject:every_variant()
  local loader, list = command.loader(self.base), {}
  for i, name in ipairs(self.recipe:variants(self.source, loader)) do
    list[i] = self.recipe:resolve(self.source, loader, name)
  end
  return #list > 0 and list or { self.resolved }
end

--- The values of a variant's parameters.
-- @tparam table resolved
-- @tparam table opt options as parsed
-- @treturn table by name
-- @raise `usage`
function subject:params(resolved, opt) return params.values(resolved.params, opt) end

--- Runs one of them.
-- @tparam table test
-- @tparam table given as for `recipe_trial.run`
-- @treturn {table,...} results
function subject:try(test, given)
  local values = {}
  for _, p in ipairs(self.resolved.params) do
    local text = given.opt["param " .. p.name]
    if type(text) == "table" then text = text[1] or "yes" end
    values[p.name] = text
  end
  given.folder = given.opt.permissions or permissions.trusted(self.base)
  given.base, given.source, given.values = self.base, self.source, values
  given.variant = given.opt.variant
  return trial.run(self.recipe, test, given)
end

--- Carries out a recipe with options that somebody else has parsed.
-- @tparam recipe recipe
-- @tparam table opt the global options; `values` (of the parameters, by name),
--   `variant`, `ledger` (a name, or an open one as `open_ledger`), `serial`, `units`,
--   `dry_run`, `source`, `permissions`
-- @tparam string folder
-- @treturn table summary
function command.run_with(recipe, opt, folder)
  local resolved = recipe:resolve(opt.source or { file = "recipe" }, command.loader(folder),
    opt.variant)
  local given = opt.values or {}
  for name in pairs(given) do
    local known = false
    for _, p in ipairs(resolved.params) do known = known or p.name == name end
    if not known then
      errors.raise("usage", ("the recipe has no parameter '%s'"):format(tostring(name)))
    end
  end
  local job = run.prepare(resolved, params.values(resolved.params, given, true), opt,
    { folder = opt.permissions or permissions.trusted(folder), ledger = opt.open_ledger })
  return run.execute(job)
end

return command
