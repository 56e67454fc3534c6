--- SPIFFS on a chip: found, read, and written back where it changed.
--
-- A place as @{moonflash.fs_files} has it, with a chip behind it instead of a file.
-- @module moonflash.fs_chip
local device <const> = require "moonflash.device"
local errors <const> = require "moonflash.errors"
local numbers <const> = require "moonflash.numbers"
local regions <const> = require "moonflash.regions"
local report <const> = require "moonflash.report"
local text <const> = require "moonflash.text"
local spiffs <const> = require "moonflash.spiffs"
local writer <const> = require "moonflash.writer"

local fs_chip = {}

--- What stands for "the chip on the port" where a file name is asked for.
fs_chip.WORD = "chip"

-- The flavour that a generation's firmware formats with.
local FLAVOURS <const> = { ["0.9"] = "0.9.5", ["2.x"] = "3", ["3.0-2019"] = "3", ["3.x"] = "3" }

local function find_region(dev)
  local function read(addr, size) return dev:read(addr, size) end
  local list, found = regions.find(read, dev:flash().size, "spiffs")
  return list[1], found
end

local function empty(region, found, opts)
  local flavour = opts.flavour or FLAVOURS[found.generation] or "3"
  local block = opts.block or spiffs.default_block(spiffs.flavour(flavour), region.size)
  local size = region.size // block * block
  return spiffs.build({}, { size = size, flavour = flavour, block = block })
end

--- Opens the file system on the chip.
-- @tparam table opt the global options
-- @tparam[opt] table opts `at`, `flavour`, `block` as for fs_files.open; `create` =
--   make an empty one where there is none; `key` of the command, when it is to change
--   something
-- @treturn table place: `fs`, `addr`, `bytes`, `dev`, `finished` (an interrupted run of
--   the same command was brought to its end)
-- @raise `image` when there is none, and what device.open raises
function fs_chip.open(opt, opts)
  opts = opts or {}
  local dev = device.open(opt)
  local ok, result = pcall(function()
    local finished = opts.key and writer.finish(dev, opts.key, report.showing(dev)) ~= nil
    local region, found = find_region(dev)
    if opts.at then
      region = { addr = opts.at, size = region.addr + region.size - opts.at }
    end
    report.stage("file system region %s", numbers.range_text(region.addr, region.size))
    local bytes = dev:read(region.addr, region.size,
      report.progress("reading", region.size, dev:clock()))
    local there = opts.flavour or spiffs.probe(bytes)
    if not there and not opts.create then
      errors.raise("image", "there is no SPIFFS file system on this chip", { hint =
        "'moonflash fs build FOLDER -o chip' makes one" })
    end
    local fs = there and spiffs.open(bytes, { addr = 0, flavour = opts.flavour,
      block = opts.block }) or empty(region, found, opts)
    return { fs = fs, addr = region.addr, bytes = bytes, dev = dev, size = region.size,
      key = opts.key, finished = finished }
  end)
  if ok then return result end
  dev:close()
  error(result, 0)
end

--- Writes what changed, proves it and leaves the chip.
-- @tparam table place from @{fs_chip.open}
-- @treturn table summary of the write
-- @raise with exit 8 once flash has changed
function fs_chip.save(place)
  local dev = place.dev
  local part = { addr = place.addr, data = place.fs:bytes(), name = "file system", boot = false }
  local summary = writer.write(dev, { parts = { part }, unfinished = place.key },
    report.showing(dev))
  report.stage("%s written, %d as they were", text.count(summary.written, "sector"),
    summary.skipped)
  return summary
end

--- Leaves the chip as --after says and closes the port.
-- @tparam table place
function fs_chip.close(place)
  place.dev:leave()
  place.dev:close()
end

return fs_chip
