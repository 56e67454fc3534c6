--- Which ports a gang works on: what `--ports` says, and what is plugged in now.
--
-- Parsing and matching are pure; @{gang_ports.present} looks at the machine.
-- @module moonflash.gang_ports
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local lfs <const> = require "lfs"

local gang_ports = {}

local MAX_PORTS <const> = 256

local GLOB <const> = { ["*"] = "[^/]*", ["?"] = "[^/]" }

-- A Lua pattern for a glob: * and ? stop at slashes, [...] and [!...] are sets.
local function glob_pattern(glob)
  local pieces, i = { "^" }, 1
  while i <= #glob do
    local no, set = glob:match("^%[(!?)([^%]]+)%]", i)
    local c = glob:sub(i, i)
    pieces[#pieces + 1] = set and ("[%s%s]"):format(no == "!" and "^" or "",
        (set:gsub("%%", "%%%%")))
      or GLOB[c] or c:gsub("%W", "%%%0")
    i = i + (set and #set + #no + 2 or 1)
  end
  return table.concat(pieces) .. "$"
end

local function range_of(first, last)
  local low, high = math.tointeger(tonumber(first)), math.tointeger(tonumber(last))
  if not (low and high) or high < low or high - low >= MAX_PORTS then
    errors.raise("usage", ("--ports: {%s..%s} is no range of numbers"):format(first, last),
      { hint = "the smaller number first, at most 256 ports: board{1..16}.flash" })
  end
  return { low = low, n = high - low + 1,
    format = first:match "^0" and "%0" .. #first .. "d" or "%d" }
end

--- Writes out number ranges: "a{1..3}" is a1, a2, a3. A leading zero keeps the
-- width: "{01..12}". Several ranges in one text count together.
-- @tparam string text
-- @treturn {string,...}
-- @raise `usage` for what is no range, and ranges of different lengths
function gang_ports.expand(text)
  local ranges, list = {}, {}
  for first, last in text:gmatch "{(%d+)%.%.(%d+)}" do
    ranges[#ranges + 1] = range_of(first, last)
    if ranges[#ranges].n ~= ranges[1].n then
      errors.raise("usage", ("--ports: the ranges in '%s' are not of one length"):format(text))
    end
  end
  if #ranges == 0 then return { text } end
  for n = 0, ranges[1].n - 1 do
    local i = 0
    list[n + 1] = text:gsub("{%d+%.%.%d+}", function()
      i = i + 1
      return ranges[i].format:format(ranges[i].low + n)
    end)
  end
  return list
end

-- Usable once and always there: nobody tells when the board behind it changes.
local function permanent(item)
  return item:match "^sim:" or item:match "^rfc2217://"
end

local function hex16(text)
  return text:match "^%x%x?%x?%x?$" and tonumber(text, 16)
end

local KINDS <const> = {}

function KINDS.usb(value)
  local vid, pid = value:match "^(%x+):(%x+)$"
  if not vid then vid = value end
  local spec = { kind = "usb", vid = hex16(vid), pid = pid and hex16(pid) }
  return spec.vid and (not pid or spec.pid) and spec, "vendor and product in hex: usb:10c4:ea60"
end

function KINDS.serial(value)
  return value ~= "" and { kind = "serial", pattern = glob_pattern(value) },
    "a serial number: serial:A5069RR4"
end

function KINDS.hub(value)
  return value:match "^%d+%-%d[%d.]*$" and { kind = "hub", at = value },
    "a USB position as 'moonflash ports' shows it: hub:1-2.3"
end

-- Simulated boards get a MAC each, always the same for the same name, since boards
-- with one MAC cannot be told apart.
local function with_mac(item)
  if not item:match "^sim:" or item:match "[?&]mac=" then return item end
  local n = esp.crc32(item)
  return ("%s%smac=60:01:94:%02x:%02x:%02x"):format(item, item:find("?", 1, true) and "&" or "?",
    n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff)
end

local function parse_item(item)
  if item == "all" then return { kind = "all" } end
  if permanent(item) then return { kind = "name", name = item, permanent = true } end
  local kind, value = item:match "^(%a+):(.*)$"
  if KINDS[kind] then
    local spec, hint = KINDS[kind](value)
    if spec then return spec end
    errors.raise("usage", ("--ports: '%s' is no %s"):format(item, kind), { hint = hint })
  end
  if item:find "^[/.]" then
    if item:find "[*?%[]" then
      return { kind = "glob", folder = item:match "^(.*)/", pattern = glob_pattern(item) }
    end
    return { kind = "name", name = item }
  end
  errors.raise("usage", ("--ports: '%s' names no port"):format(item), { hint = "a path,"
    .. " '/dev/ttyUSB*', usb:10c4:ea60, serial:A5069RR4, hub:1-2.3, all, sim:board{1..4}.flash" })
end

--- Reads what `--ports` says.
-- @tparam string text items between commas; of several simulated boards each gets a
--   MAC of its own where none is given
-- @treturn {spec,...} `kind` and what belongs to it
-- @raise `usage`
function gang_ports.parse(text)
  local specs = {}
  for item in text:gmatch "[^,]+" do
    for _, one in ipairs(gang_ports.expand(item)) do specs[#specs + 1] = parse_item(one) end
  end
  if #specs == 0 then
    errors.raise("usage", "--ports names no port", { hint = "--ports all" })
  end
  if #specs > 1 then
    for _, spec in ipairs(specs) do spec.name = spec.name and with_mac(spec.name) end
  end
  if #specs > MAX_PORTS then
    errors.raise("usage", ("--ports: more than %d"):format(MAX_PORTS))
  end
  return specs
end

local MATCH <const> = {
  all = function(p) return p.transport == "usb" end,
  usb = function(p, s) return p.vid == s.vid and (not s.pid or p.pid == s.pid) end,
  serial = function(p, s) return p.serial and p.serial:find(s.pattern) ~= nil end,
  hub = function(p, s)
    return p.position and (p.position == s.at or p.position:sub(1, #s.at + 1) == s.at .. ".")
  end,
}

--- Is a serial port meant?
-- @tparam table spec of `gang_ports.parse`, not of kind name or glob
-- @tparam table port as of `esp.ports`, with `position`
-- @treturn boolean
function gang_ports.matches(spec, port)
  return MATCH[spec.kind](port, spec) and true or false
end

--- The USB position of a serial port, from the link that sysfs has for it.
-- @tparam string link e.g. ".../usb1/1-2/1-2.3/1-2.3:1.0/ttyUSB0/tty/ttyUSB0"
-- @treturn string|nil "1-2.3"
function gang_ports.position_of(link)
  return link:match ".*/(%d+%-%d[%d.]*):%d+%.%d+/"
end

--- Where a serial port is plugged in, as the kernel numbers hubs and sockets.
-- @tparam string name "/dev/ttyUSB0"
-- @treturn string|nil nil for what is not on USB
function gang_ports.position(name)
  local base = name:match "^/dev/([^/]+)$"
  local link = base and lfs.symlinkattributes("/sys/class/tty/" .. base, "target")
  return link and gang_ports.position_of(link)
end

local function in_folder(spec, add)
  if lfs.attributes(spec.folder, "mode") ~= "directory" then return end
  local names = {}
  for name in lfs.dir(spec.folder) do
    local path = spec.folder .. "/" .. name
    if name:sub(1, 1) ~= "." and path:find(spec.pattern)
      and lfs.attributes(path, "mode") == "char device" then
      names[#names + 1] = path
    end
  end
  table.sort(names)
  for _, path in ipairs(names) do add(path) end
end

-- The serial ports of this machine, asked for once a look.
local function lister()
  local list
  return function()
    if not list then
      list = errors.check(esp.ports())
      for _, p in ipairs(list) do p.position = gang_ports.position(p.name) end
    end
    return list
  end
end

--- The ports that are there now.
-- @tparam {spec,...} specs
-- @treturn {table,...} `name`, `permanent`, in the order of the specs, each once
function gang_ports.present(specs)
  local found, known, ports = {}, {}, lister()
  local function add(name, spec)
    if known[name] then return end
    known[name] = true
    found[#found + 1] = { name = name, permanent = spec and spec.permanent }
  end
  for _, spec in ipairs(specs) do
    if spec.kind == "name" then
      if spec.permanent or lfs.attributes(spec.name, "mode") then add(spec.name, spec) end
    elseif spec.kind == "glob" then
      in_folder(spec, add)
    else
      for _, p in ipairs(ports()) do
        if gang_ports.matches(spec, p) then add(p.name) end
      end
    end
  end
  return found
end

--- The ports that are named one by one, there or not: each has its place from the
-- beginning.
-- @tparam {spec,...} specs
-- @treturn {string,...}
function gang_ports.named(specs)
  local list = {}
  for _, spec in ipairs(specs) do
    if spec.kind == "name" then list[#list + 1] = spec.name end
  end
  return list
end

return gang_ports
