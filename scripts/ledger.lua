-- scripts/ledger.lua: what was flashed on which chip; serial numbers and keys
local cli  <const> = require "moonflash.cli"
local jobs <const> = require "moonflash.ledger_jobs"

local parser = cli.parser("ledger", "Shows what was flashed on which chip; serial numbers, keys.", [[
A ledger is a SQLite file, or a PostgreSQL database that stations share. Every command
that writes a chip adds a row to the one that --ledger or MOONFLASH_LEDGER names.

Times are 30m, 8h or 7d ago, today, 2026-11-21 or '2026-11-21 06:00'.

examples:
  moonflash ledger --ledger line.db
  moonflash ledger --since 8h --result failed
  moonflash ledger --recipe flash.lua --csv runs.csv
  moonflash ledger --since today --svg today.svg
  moonflash ledger unit 60:01:94:a5:b6:9c          (or a serial number)
  moonflash ledger yield --since 7d
  moonflash ledger import keys.csv --pool keys   (a column 'mac' makes rows by unit)
  moonflash ledger release --older 1d]])
parser:require_command(false):command_target("action")
parser:option("--since", "runs from then on"):argname "TIME"
parser:option("--until", "runs before then"):argname "TIME"
parser:option("--result", "ok, failed, partial or interrupted")
parser:option("--mac", "runs of this chip")
parser:option("--serial", "runs of the unit with this serial number"):target "of_serial"
parser:option("--recipe", "runs of this recipe, or of this file name in any folder")
  :argname "FILE"
parser:option("--limit", "the newest so many, or all (default: 50)"):argname "N"
parser:option("--csv", "write the runs to FILE"):argname "FILE"
parser:option("--svg", "draw the runs' timeline; without a filter that of the last session")
  :argname "FILE"
parser:option("--title", "of the picture"):argname "TEXT"
parser:command("list", "the runs; this is what 'moonflash ledger' does")
parser:command("unit", "one unit's history"):argument("unit", "MAC address or serial number")
parser:command("yield", "good units by the hour")
parser:command("pools", "serial numbers and pools, and what is left of them")
local import = parser:command("import", "add rows to a pool")
import:argument("file", "CSV or JSON")
import:option("--pool", "its name"):count(1):argname "NAME"
local release = parser:command("release", "reservations that nothing came of: list, take back")
release:argument("macs", "units"):args "*"
release:option("--older", "those from before then"):argname "TIME"
release:flag("--all", "all of them")
release:option("--pool", "of this pool only"):argname "NAME"
release:flag("--force", "also of units with a good run since")
parser:command("add", "records that were kept in a file when the ledger was not there")
  :argument("file", "moonflash-unrecorded.jsonl")
local opt = cli.parse(parser)
opt.at_station = opt.station

local ledger <close> = jobs.open(opt)
jobs[opt.action or "list"](ledger, opt)
