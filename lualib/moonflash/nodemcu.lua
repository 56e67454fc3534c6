--- Recognise NodeMCU firmware in an image or in flash contents: version, SDK,
-- modules, build, generation. Strings as seen in published builds. Pure.
-- @module moonflash.nodemcu

local partition = require "moonflash.partition"
local text = require "moonflash.text"

local nodemcu = {}

--- Generations by where they keep their system data; oldest first.
-- `layout.lua` has the addresses, keyed by the same words.
nodemcu.generations = {
  { id = "0.9", text = "NodeMCU 0.9.2 to 1.5.1" },
  { id = "2.x", text = "NodeMCU 1.5.4.1 to 2.2.x" },
  { id = "3.0-2019", text = "NodeMCU 3.0 of September 2019 to June 2020" },
  { id = "3.x", text = "NodeMCU 3.0 since September 2020" },
}

-- SDK versions whose string and date have been seen, and what was built on them.
-- Plain versions of 0.9 are too short to search for without their date.
local sdks = {
  { "0.9.4", "Dec 19 2014", "0.9" }, { "0.9.5(b1)", "Dec 25 2014", "0.9" },
  { "0.9.5", "Jan 30 2015", "0.9" }, { "0.9.6(b1)", "Feb 13 2015", "0.9" },
  { "1.5.4(baaeaebb)", "May 17 2016 19:23:54", "0.9" },
  { "1.5.4.1(39cb9a32)", "Jul  1 2016 20:04:35", "2.x" },
  { "2.0.0(656edbf)", "Jul 19 2016 17:58:40", "2.x" },
  { "2.1.0(116b762)", "May  5 2017 16:08:55", "2.x" },
  { "2.2.1(cfd48f3)", "Feb 22 2018 13:36:05", "2.x" },
  { "2.2.1(6ab97e9)", "Jun  7 2018 13:59:14", "2.x" },
  { "3.0.0(d49923c)", "Aug 22 2018 13:50:05", "3.x" },
  { "3.0.1-dev(fce080e)", "Apr 16 2019 15:02:05", "3.x" },
  { "3.0.4(9532ceb)", "May 22 2020 16:26:04", "3.x" },
}

local BANNER_MAX <const> = 2048

local function has(bytes, needle) return bytes:find(needle, 1, true) ~= nil end

-- The banner as the firmware prints it: from its first word to the NUL.
local function find_banner(bytes)
  local at = 1
  while true do
    local start = bytes:find("NodeM", at, true)
    if not start then return nil end
    local banner = bytes:sub(start, start + BANNER_MAX):match("^[^%z]*")
    if banner:match("^NodeM[cC][uU] %d+%.%d+%.") or banner:match("^NodeMCU custom build") then
      return banner, start - 1
    end
    at = start + 5
  end
end

local function find_sdk(bytes)
  for _, sdk in ipairs(sdks) do
    if has(bytes, sdk[1]) and has(bytes, sdk[2]) then return sdk[1], sdk[2] end
  end
  local version = bytes:match("%f[%d](%d%.%d%.%d[%d.]*%(%x%x%x%x%x%x%x+%))")
    or bytes:match("%f[%d](%d%.%d%.%d[%d.]*%-dev%(%x%x%x%x%x%x%x+%))")
  return version, nil
end

local function modules_of(banner)
  local list = {}
  for name in (banner:match("\n\tmodules: ([^\r\n]*)") or ""):gmatch("[%w_]+") do
    list[#list + 1] = name
  end
  return list[1] and list or nil
end

local providers = {
  { "built on nodemcu-build.com", "nodemcu-build.com" },
  { "built with Docker", "docker" },
  { "custom build by frightanic.com", "nodemcu-build.com" },
}

local function provider_of(bytes)
  for _, entry in ipairs(providers) do
    if has(bytes, entry[1]) then return entry[2] end
  end
end

local function number_type(banner, filename)
  local stated = banner:match("\n\tbuild type: (%a+)")
  if stated then return stated end
  local name = (filename or ""):lower()
  return name:match("integer") or name:match("float")
end

-- What the text of a banner says.
local function read_banner(banner)
  local function clean(value) return value and text.escape(text.shorten(value, 120)) end
  local function field(name)
    return clean(banner:match("\n\t" .. name .. ": *([^\r\n]+)"))
  end
  return {
    version = banner:match("^NodeM[cC][uU] ([%d.]*%d)"),
    branch = field "branch", commit = field "commit", release = field "release",
    release_dts = field "release DTS", ssl = field "SSL",
    build = clean(banner:match("\tbuilt on: *([^\r\n]-)%s*[\r\n]")
      or banner:match("build created on ([^\r\n]-)%s+powered by Lua")
      or banner:match("build ([^\r\n]-)%s+powered by Lua")),
    lua = banner:match("powered by Lua ([%d.]+)"),
    sdk = clean(banner:match("on SDK ([^%s%z]+)")),
    lfs_bytes = math.tointeger(tonumber(banner:match("\n\tLFS: (0x%x+) bytes"))),
    modules = modules_of(banner),
  }
end

local function generation_3(table_read)
  local cal = table_read and partition.entry(table_read.entries, "rf-cal")
  return cal and cal.addr == 0xB000 and "3.0-2019" or "3.x"
end

-- Each sign alone decides; the strongest comes first.
local function generation_of(bytes, found, table_read)
  if table_read or has(bytes, "Writing Init Data to 0x") then
    return generation_3(table_read)
  end
  local sdk = (found.sdk or ""):match("^(%d+)%.") or ""
  if sdk == "3" then return "3.x" end
  -- The complaint came with SDK 1.5.4.1, together with the fifth sector.
  if has(bytes, "rf_cal[0] !=0x05,is 0x") then return "2.x" end
  if sdk == "2" or (found.sdk or ""):match("^1%.5%.4%.1") then return "2.x" end
  if sdk == "0" or sdk == "1" then return "0.9" end
  local major, minor, patch, last = (found.version or ""):match("^(%d+)%.?(%d*)%.?(%d*)%.?(%d*)")
  if not major then return nil end
  if major == "3" then return "3.x" end
  if major == "2" then return "2.x" end
  return minor == "5" and patch == "4" and last ~= "" and "2.x" or "0.9"
end

--- Identify NodeMCU firmware.
-- @tparam string bytes a firmware file (aggregated or irom part) or flash read
-- from address 0; more than 1 MB is not searched, firmware ends below
-- @tparam[opt] table opts `filename` (older builds tell integer from float only
-- there); `partition` = result of `partition.read`, when already at hand
-- @treturn table|nil nil when it is not NodeMCU; else generation, version, sdk,
-- sdk_date, build, branch, commit, release, release_dts, ssl ("true"/"false"),
-- number_type ("float"/"integer"), lfs_bytes, modules (list), lua, provider,
-- banner, banner_offset, partition; what is not known is absent
function nodemcu.identify(bytes, opts)
  opts = opts or {}
  if #bytes > 0x100000 then bytes = bytes:sub(1, 0x100000) end
  local table_read = opts.partition or partition.find(bytes)
  local banner, offset = find_banner(bytes)
  local provider = provider_of(bytes)
  if not (banner or table_read or provider or has(bytes, "Self adjust flash size.")) then
    return nil
  end
  local found = read_banner(banner or "")
  found.banner, found.banner_offset, found.provider = banner, offset, provider
  local sdk, date = find_sdk(bytes)
  found.sdk, found.sdk_date = found.sdk or sdk, date
  found.number_type = number_type(banner or "", opts.filename)
  found.partition = table_read or nil
  found.generation = generation_of(bytes, found, table_read)
  return found
end

--- The SDK version string alone, in any NONOS firmware (AT, Tasmota, ...).
-- @tparam string bytes
-- @treturn string|nil version
-- @treturn string|nil date
function nodemcu.sdk_version(bytes)
  if not (has(bytes, "SDK ver:") or has(bytes, "sdk ver")) then return nil end
  return find_sdk(bytes)
end

--- One line for people: "NodeMCU 3.0.0.0, SDK 3.0.1-dev(fce080e), float, built
-- 2021-05-03 14:52".
-- @tparam table found result of `identify`
-- @treturn string
function nodemcu.describe(found)
  local parts = { "NodeMCU" .. (found.version and " " .. found.version or "") }
  if found.release then parts[1] = parts[1] .. " (" .. found.release .. ")" end
  if found.sdk then parts[#parts + 1] = "SDK " .. found.sdk end
  if found.number_type then parts[#parts + 1] = found.number_type end
  if found.build then parts[#parts + 1] = "built " .. found.build end
  return table.concat(parts, ", ")
end

return nodemcu
