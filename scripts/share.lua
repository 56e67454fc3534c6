-- scripts/share.lua: lend a port of this machine to another one
local cli        <const> = require "moonflash.cli"
local connection <const> = require "moonflash.connection"
local errors     <const> = require "moonflash.errors"
local esp        <const> = require "esp"
local report     <const> = require "moonflash.report"

local parser = cli.parser("share", "Lends a port of this machine to another one, by RFC 2217.", [[
One user at a time; a second one is turned away. The other machine's moonflash,
esptool or any program that knows RFC 2217 resets and flashes as if the board
were plugged in there. Runs until Ctrl-C, or until the board is unplugged.

Whoever reaches the TCP port can flash the board: it is offered to this machine
only unless an address is named. With --cert and --key the line is encrypted,
with --ca only holders of a certificate that one signed get in.

examples:
  moonflash share /dev/ttyUSB0 0.0.0.0:4000
  moonflash -p rfc2217://bench7:4000 info               (on the other machine)
  moonflash share /dev/ttyUSB0 :4000 --cert me.pem --key me.key --ca lab.pem
  moonflash -p 'rfc2217s://bench7:4000?ca=lab.pem' info]])
parser:argument("shared", "the port, unless -p names it"):args "?"
parser:argument("where", "[HOST:]PORT to listen at; 0 is any free port"):args "?"
parser:option("--cert", "certificate of this server, PEM"):argname "FILE"
parser:option("--key", "its private key, PEM"):argname "FILE"
parser:option("--ca", "let in who has a certificate that this one signed"):argname "FILE"
parser:option("--seconds", "stop after so long"):argname "N"
local opt = cli.parse(parser)

-- With -p the only argument is where to listen.
if opt.port and opt.shared and not opt.where then
  opt.where, opt.shared = opt.shared, nil
end
local seconds = opt.seconds and (tonumber(opt.seconds) or
  errors.raise("usage", ("--seconds: '%s' is no time"):format(opt.seconds)))
if not (opt.cert or opt.key) and opt.ca or not opt.cert ~= not opt.key then
  errors.raise("usage", "--cert and --key go together, and --ca needs them")
end
opt.where = opt.where or "4000"
local host, number = opt.where:match "^(.-):?(%d+)$"
if not number then errors.raise("usage", ("'%s' is no TCP port"):format(opt.where)) end

local where = ("rfc2217:%s:%s"):format(host == "" and not opt.where:find "^:" and "127.0.0.1"
  or host, number)
if opt.cert then
  where = ("%s?cert=%s&key=%s%s"):format(where, opt.cert, opt.key,
    opt.ca and "&ca=" .. opt.ca or "")
end
opt.port = opt.shared or opt.port
local port <close> = connection.open_port(opt)
local ok, message, code = esp.serve({ { port, where } }, seconds and math.floor(seconds * 1000)
  or 0, function(addresses)
    report.line("%s is shared at %s", port:info().name, addresses[1])
    io.stdout:flush()
    report.event("serving", { port = port:info().name, address = addresses[1] })
  end)
if not ok and code ~= "interrupted" then errors.raise(code, message) end
report.ok("no longer shared")
