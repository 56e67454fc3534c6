-- Data per unit as CSV or JSON (behind a 'J'), texts with values in them, locks.
local errors = require "moonflash.errors"
local lock = require "moonflash.lock"
local template = require "moonflash.template"
local unit_table = require "moonflash.unit_table"

local function attempt(f, ...)
  local ok, answer = pcall(f, ...)
  if not ok and not errors.is(answer) then error(answer, 0) end
  return ok and answer or nil
end

local function read(bytes)
  local names = attempt(template.names, bytes, "a.lua")
  if names then
    attempt(template.fill, bytes, "a.lua", { ssid = "{{x}}", password = "%1", mac = 5 })
    attempt(template.check, bytes, "a.lua", { ssid = true })
  end
  template.matches(bytes:sub(1, 20), { bytes:sub(1, 20), "*" .. bytes:sub(1, 5) .. "*" })
  local sections = attempt(lock.parse, bytes, "moonflash.lock")
  if sections then assert(lock.parse(lock.format(sections), "moonflash.lock")) end
  local json = bytes:sub(1, 1) == "J"
  local units = unit_table.read(json and bytes:sub(2) or bytes, json and "u.json" or "u.csv")
  unit_table.find(units, { mac = "60:01:94:a5:b6:9c", chip_id = 0xa5b69c })
end

return { read = read, exits = { 2, 5, 6 }, words = { "mac,ssid\n60:01:94:a5:b6:9c,home\n",
  "chip_id,x\n00a5b69c,1\n", 'J[{"mac":"60:01:94:a5:b6:9c","ssid":"x"}]', "{{ssid}}", "{{", "}}", '"', '""',
  ",", "serial", ("0"):rep(64), "[recipe]\n" } }
