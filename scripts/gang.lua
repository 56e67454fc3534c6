-- scripts/gang.lua: flash many boards at once, as they are plugged in
local cli      <const> = require "moonflash.cli"
local display  <const> = require "moonflash.gang_display"
local errors   <const> = require "moonflash.errors"
local esp      <const> = require "esp"
local gang     <const> = require "moonflash.gang"
local hooks    <const> = require "moonflash.events_hooks"
local job      <const> = require "moonflash.gang_job"
local options  <const> = require "moonflash.gang_options"
local ports    <const> = require "moonflash.gang_ports"
local report   <const> = require "moonflash.report"
local run      <const> = require "moonflash.gang_run"

local opt, name, before, rest = options.parse(cli.args)

local specs = ports.parse(opt.ports)
local programs = hooks.parse(opt.exec_on)
hooks.setup(nil)                       -- they are run for each board, by the line
local prepared = job.prepare(name, before, rest)
errors.check(esp.share_units())        -- what one board's process compresses, all have

local line = gang.new(options.for_line(opt, specs), esp.clock())
for _, port in ipairs(ports.named(specs)) do line:slot(port) end
options.must_be_there(opt, specs, ports.present(specs))

local shown <close> = display.new(opt)
run.new { line = line, job = prepared, specs = specs, hooks = programs, display = shown }:run()
shown:finish(line, esp.clock())

local totals = line:totals(esp.clock())
report.result(totals)
local why = options.why_it_failed(line, totals)
if why then errors.raise(why.code, why.message, why) end
report.ok("%s", options.summary(totals))
