-- scripts/init.lua: begin a project with a recipe of its own
local cli     <const> = require "moonflash.cli"
local errors  <const> = require "moonflash.errors"
local files   <const> = require "moonflash.files"
local lfs     <const> = require "lfs"
local project <const> = require "moonflash.template_project"
local report  <const> = require "moonflash.report"

local parser = cli.parser("init", "Writes the files of a new project.", [[
A commented recipe (flash.lua), a first Lua file, a note on flashing with a snippet
for CI, and lines for .gitignore. What is there already stays as it is.

examples:
  moonflash init
  moonflash init thermometer]])
parser:argument("dir", "the project's folder; made when it is not there"):default "."
local opt = cli.parse(parser)

local function make_folder(path)
  if lfs.attributes(path, "mode") then return end
  local above = path:match("^(.+)/[^/]+$")
  if above then make_folder(above) end
  errors.check(lfs.mkdir(path))
end

local dir = opt.dir:gsub("(.)/+$", "%1")
if lfs.attributes(dir, "mode") == "file" then
  errors.raise("usage", dir .. " is a file, not a folder")
end
local here = dir == "." and lfs.currentdir() or dir
local written = {}
for _, file in ipairs(project.files(here:match("[^/]+$") or "this project")) do
  local path = dir .. "/" .. file.path
  if lfs.attributes(path, "mode") then
    report.line("kept   %s", file.path)
  else
    make_folder(path:match("^(.*)/"))
    files.write(path, file.text)
    written[#written + 1] = file.path
    report.line("wrote  %s", file.path)
  end
end

local ignore = dir .. "/.gitignore"
local old = lfs.attributes(ignore, "mode") and lfs.attributes(ignore, "size") > 0
  and files.read(ignore) or nil
local more = project.ignore(old)
if more ~= "" then
  files.write(ignore, (old or "") .. more)
  written[#written + 1] = ".gitignore"
  report.line("%s .gitignore", old and "added to" or "wrote ")
end
report.result { files = written, count = #written }
report.ok(#written > 0 and "put a build of NodeMCU into firmware/, then: moonflash test flash.lua"
  or "nothing was missing")
