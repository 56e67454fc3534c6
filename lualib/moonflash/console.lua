--- The chip's console: listening to what the firmware prints.
-- @module moonflash.console
local errors <const> = require "moonflash.errors"
local report <const> = require "moonflash.report"
local text <const> = require "moonflash.text"

local console = {}

local DEFAULT_BAUD <const> = 115200
local PIECE_MS <const> = 50

--- Adds `--listen SECONDS[@BAUD]` to a command.
-- @tparam table parser
function console.add_options(parser)
  parser:option("--listen", "show what the chip prints for so long; BAUD is 115200 if not said")
    :argname "SECONDS[@BAUD]"
end

--- Reads what `--listen` says.
-- @tparam table opt
-- @treturn table|nil `{ seconds, baud }`
-- @raise `usage`
function console.parse_options(opt)
  if not opt.listen then return nil end
  local seconds, baud = opt.listen:match("^([%d.]+)@?(%d*)$")
  seconds = tonumber(seconds)
  if not seconds or seconds > 3600 then
    errors.raise("usage", ("--listen: '%s' is no time"):format(opt.listen),
      { hint = "seconds, with the rate if it is not 115200: 3 or 2.5@74880" })
  end
  return { seconds = seconds, baud = math.tointeger(tonumber(baud)) or DEFAULT_BAUD }
end

--- Shows what the chip prints, control characters escaped.
-- @param port an `esp` port
-- @tparam table listen from @{console.parse_options}
-- @treturn string what was heard, as it came
function console.listen(port, listen)
  errors.check(port:baud(listen.baud))
  local heard, shown = {}, ""
  local till = port:now() + math.floor(listen.seconds * 1e6)
  while port:now() < till do
    local s = errors.check(port:read(4096, PIECE_MS))
    heard[#heard + 1] = s
    shown = shown .. s
    for line in shown:gmatch("(.-)\r?\n") do console.show(line) end
    shown = shown:match("[^\n]*$")
  end
  if shown ~= "" then console.show(shown) end
  return table.concat(heard)
end

--- Shows one line of the chip's.
-- @tparam string line
function console.show(line)
  report.event("console", { text = text.escape(line) })
  report.line("| %s", text.escape(line))
end

return console
