-- scripts/complete.lua: complete command lines in bash, zsh and fish
local cli      <const> = require "moonflash.cli"
local complete <const> = require "moonflash.complete"
local errors   <const> = require "moonflash.errors"

-- The words of a half-typed command line are no options of this command.
if ... == "--" then
  for _, word in ipairs(complete.candidates { select(2, ...) }) do print(word) end
  return
end

local parser = cli.parser("complete", "Prints what a shell needs to complete command lines.", [[
'make install' and the package put it where the shells look. By hand:

examples:
  moonflash complete bash >> ~/.bashrc
  moonflash complete zsh > ~/.zfunc/_moonflash          (with ~/.zfunc in fpath)
  moonflash complete fish > ~/.config/fish/completions/moonflash.fish]])
parser:argument("shell", "bash, zsh or fish")
local opt = cli.parse(parser)

local text = complete.SHELLS[opt.shell]
if not text then
  errors.raise("usage", ("there is no completion for '%s'"):format(opt.shell),
    { hint = "bash, zsh or fish" })
end
io.write(text)
