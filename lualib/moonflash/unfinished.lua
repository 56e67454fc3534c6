--- Work that was begun on a chip and not ended, remembered on this machine.
--
-- A plan may depend on what was in flash: the bytes beside a part, the files of a
-- file system, the firmware that was there. When the power fails in the middle, or
-- this program is killed, that is gone, and the same command could only plan
-- something else. So before the first erase the sectors as they are to become are
-- written to `$XDG_STATE_HOME/moonflash/unfinished/MAC` (`~/.local/state` by
-- default), and taken away when they are proven. The same command finds them and
-- brings that work to its end first.
--
-- Without a place for such files there are none; a full disk is an error, before
-- anything was erased.
-- @module moonflash.unfinished
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"
local lfs <const> = require "lfs"
local state_files <const> = require "moonflash.state_files"

local unfinished = {}

local SECTOR <const> = 0x1000
local VERSION <const> = 1
local BLANK_CRC <const> = esp.crc32(("\xff"):rep(SECTOR))

-- While sectors are erased and programmed one after another, only so many can be
-- neither old nor new nor blank: those of one erase and of one program. More, and
-- somebody else has written there since.
local BLOCK_SECTORS <const>, TORN <const> = 16, 2

local function path_of(board)
  return state_files.path("unfinished/" .. board)
end

--- What a board is called here: its MAC. Simulated boards share theirs, and are told
-- apart by the file that keeps their flash.
-- @tparam device dev
-- @treturn string
function unfinished.board(dev)
  local mac, port = dev.chip.mac:gsub(":", ""), dev.port:info()
  local file = port.kind == "sim" and port.name:match "^sim:([^?]*)"
  if not file then return mac end
  if file:sub(1, 1) ~= "/" then file = lfs.currentdir() .. "/" .. file end
  return ("%s-%08x"):format(mac, esp.crc32(file))
end

--- What tells one command from another, whatever the port is called: its name, its
-- options that matter and the contents of its files.
-- @param ... strings, numbers, booleans or nil
-- @treturn string
function unfinished.key(...)
  local words = table.pack(...)
  for i = 1, words.n do
    local word = tostring(words[i])
    words[i] = #word .. ":" .. word
  end
  return esp.sha256(table.concat(words, ","))
end

local function load(board)
  local path = path_of(board)
  local f <close> = path and io.open(path, "rb") or nil
  local text = f and f:read "a"
  local head, data = (text or ""):match "^([^\n]*)\n(.*)$"
  local log = head and require("dkjson").decode(head)
  if type(log) ~= "table" or log.version ~= VERSION or type(log.sectors) ~= "table"
    or esp.sha256(data) ~= log.sha256 or #data ~= #log.sectors * SECTOR then
    return nil
  end
  log.data = data
  return log
end

local function changed_sectors(steps)
  local list, pieces = {}, {}
  local request = steps.request
  local hashes = request.crc32 == esp.crc32 and type(request.hashes) == "function"
    and request.hashes or function() return nil end
  for _, s in ipairs(steps.sectors) do
    if s.action ~= "skip" then
      list[#list + 1] = { addr = s.addr, new = esp.crc32(s.data), old = hashes(s.addr) }
      pieces[#pieces + 1] = s.data
    end
  end
  return list, table.concat(pieces)
end

--- Remembers a plan that is about to be carried out.
-- @tparam string board from `unfinished.board`
-- @tparam plan steps whose request has `unfinished`, the key of the command
-- @raise `disk` when there is no room
function unfinished.begin(board, steps)
  local key = steps.request.unfinished
  local path = path_of(board)
  if not path or steps:is_empty() then return end
  local log = load(board)
  if log and log.key == key then return end   -- going on with it: what was first counts
  local sectors, data = changed_sectors(steps)
  if not state_files.make_folders(path) then return end
  local head = require("dkjson").encode { version = VERSION, key = key, sectors = sectors,
    flash_bytes = steps.flash_bytes, sha256 = esp.sha256(data) }
  local ok, why = esp.write_file(path, head .. "\n" .. data)
  if not ok then
    errors.raise("disk", ("cannot keep what is about to be written, for the case that it is"
      .. " interrupted: %s"):format(why), { hint = "make room; nothing was changed" })
  end
end

--- Forgets what was unfinished on a chip.
-- @tparam string board from `unfinished.board`
function unfinished.forget(board)
  local path = path_of(board)
  if path then os.remove(path) end
end

-- Whether flash can be what an interrupted run of this log has left.
local function fits(log, hash)
  local torn, first, last = 0, log.sectors[1].addr, log.sectors[#log.sectors].addr
  for _, s in ipairs(log.sectors) do
    local now = hash(s.addr)
    if s.old and now ~= s.new and now ~= s.old and now ~= BLANK_CRC then torn = torn + 1 end
  end
  local most = last - first >= 2 * BLOCK_SECTORS * SECTOR and BLOCK_SECTORS + TORN or TORN
  return torn <= most
end

-- Runs of sectors as parts. With the boot sector among them all of it is what boots.
local function parts_of(log)
  local parts, boot = {}, log.sectors[1].addr == 0
  for i, s in ipairs(log.sectors) do
    local bytes = log.data:sub((i - 1) * SECTOR + 1, i * SECTOR)
    local last = parts[#parts]
    if last and last.addr + #last.pieces * SECTOR == s.addr then
      last.pieces[#last.pieces + 1] = bytes
    else
      parts[#parts + 1] = { addr = s.addr, pieces = { bytes }, name = "what was interrupted" }
    end
  end
  for _, part in ipairs(parts) do
    part.data, part.boot = table.concat(part.pieces), boot
  end
  return parts
end

--- The request that brings an interrupted run of the same command to its end.
-- @tparam device dev
-- @tparam string key
-- @treturn table|nil for @{moonflash.writer.write}; nil when there is nothing to end
function unfinished.find(dev, key)
  local board = unfinished.board(dev)
  local log = load(board)
  if not log or log.key ~= key or #log.sectors == 0 then return nil end
  if log.flash_bytes ~= dev:flash().size then
    unfinished.forget(board)   -- another chip, or one that lied about its size
    return nil
  end
  local parts = parts_of(log)
  local hash = dev.loader:hashes(parts)
  if hash and not fits(log, hash) then
    unfinished.forget(board)
    return nil
  end
  return { parts = parts, unfinished = key }
end

return unfinished
