-- scripts/events.lua: what --json prints: every event with its fields
local cli    <const> = require "moonflash.cli"
local errors <const> = require "moonflash.errors"
local events <const> = require "moonflash.events"
local files  <const> = require "moonflash.files"
local report <const> = require "moonflash.report"

local parser = cli.parser("events", "Tells what the event stream of --json consists of.", [[
Every command takes --json: standard output then carries one JSON object a line. The
first is "start" with the version of the schema, the last "ok" or "error".

examples:
  moonflash events                          (all kinds, with their fields)
  moonflash events progress
  moonflash events --schema > events.schema.json
  moonflash events --check log.jsonl        (does a recorded stream keep to it?)]])
parser:argument("kind", "only this kind of event"):args "?"
parser:flag("--schema", "print the JSON Schema")
parser:option("--check", "check a recorded stream"):argname "FILE"
local opt = cli.parse(parser)

local SHOWN <const> = 20                -- problems of a stream

local text = events.schema_text(cli.dirs)
local schema = events.parse(text)

if opt.check then
  local problems = events.check_stream(schema, files.read(opt.check))
  for i = 1, math.min(#problems, SHOWN) do report.line("%s", problems[i]) end
  if #problems > SHOWN then report.line("... and %d more", #problems - SHOWN) end
  report.result { file = opt.check, problems = problems }
  if #problems > 0 then
    errors.raise("file", ("%s: %s not as the schema says"):format(opt.check,
      #problems == 1 and "1 line is" or #problems .. " lines are"))
  end
  return report.ok("%s keeps to the schema", opt.check)
end

if opt.schema then
  report.line("%s", (text:gsub("\n$", "")))
  return report.event("schema", { schema = schema })
end

local lines = events.describe(schema, opt.kind)
if #lines == 0 then
  errors.raise("usage", ("there is no event '%s'"):format(opt.kind),
    { hint = "'moonflash events' lists all" })
end
for _, line in ipairs(lines) do report.line("%s", line) end
report.result { count = #schema.oneOf }
