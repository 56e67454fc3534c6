-- scripts/ports.lua: list the serial ports of this machine
local cli    <const> = require "moonflash.cli"
local errors <const> = require "moonflash.errors"
local esp    <const> = require "esp"
local gang_ports <const> = require "moonflash.gang_ports"
local report <const> = require "moonflash.report"

local parser = cli.parser("ports", "Lists the serial ports of this machine.", [[
examples:
  moonflash ports
  moonflash ports --json]])
cli.parse(parser)

local function describe(p)
  local usb = p.vid and ("%04x:%04x"):format(p.vid, p.pid) or "-"
  return ("%-16s %-10s %s%s%s"):format(p.name, usb, p.product or p.description or "",
    p.serial and (" (serial " .. p.serial .. ")") or "", p.position and ", at " .. p.position or "")
end

local ports = errors.check(esp.ports())
for _, p in ipairs(ports) do p.position = gang_ports.position(p.name) end
for _, p in ipairs(ports) do report.line("%s", describe(p)) end
if #ports == 0 then report.line("no serial ports found") end
report.result { ports = #ports > 0 and ports or require("dkjson").null, count = #ports }
