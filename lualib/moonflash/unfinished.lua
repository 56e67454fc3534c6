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
local BLANK <const> = ("\xff"):rep(SECTOR)

-- The hashes that a log may have: those of our stub, or of somebody else's.
local HASHES <const> = { crc32 = esp.crc32, md5 = esp.md5 }

-- While sectors are erased and programmed one after another, only so many can be
-- neither old nor new nor blank: those of one erase (a whole block of 64 or 32 KiB
-- where all of it is to be changed) and of one program. More, and somebody else has
-- written there since.
local BLOCKS <const>, TORN <const> = { 16, 8 }, 2

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

-- What a sector holds now, as far as anybody has looked: by the loader's hashes, as it
-- was read to keep what lies beside a part, or as `read_crc` has it.
local function old_hashes(request, algorithm, read_crc)
  local hashes = type(request.hashes) == "function" and request.hashes or function() end
  return function(addr)
    local old = request.old and request.old[addr]
    return hashes(addr) or old and HASHES[algorithm](old)
      or algorithm == "crc32" and read_crc and read_crc(addr) or nil
  end
end

-- How many bytes at the beginning and at the end of a sector stay what they are.
local function kept_bytes(steps, addr)
  local first, last = SECTOR, 0
  for _, part in ipairs(steps.parts) do
    if part.addr < addr + SECTOR and part.addr + #part.data > addr then
      first = math.min(first, math.max(part.addr - addr, 0))
      last = math.max(last, math.min(part.addr + #part.data - addr, SECTOR))
    end
  end
  return first, SECTOR - last
end

local function changed_sectors(steps, algorithm, read_crc)
  local list, pieces = {}, {}
  local request, hash = steps.request, HASHES[algorithm]
  local old = old_hashes(request, algorithm, read_crc)
  for _, s in ipairs(steps.sectors) do
    if s.action ~= "skip" then
      local entry = { addr = s.addr, new = hash(s.data), old = old(s.addr) }
      if request.old and request.old[s.addr] then
        entry.head, entry.tail = kept_bytes(steps, s.addr)
      end
      list[#list + 1], pieces[#pieces + 1] = entry, s.data
    end
  end
  return list, table.concat(pieces)
end

--- Remembers a plan that is about to be carried out.
-- @tparam string board from `unfinished.board`
-- @tparam plan steps whose request has `unfinished`, the key of the command
-- @tparam[opt] function read_crc CRC-32 of the sector at an address, where it was read
-- @raise `disk` when there is no room
function unfinished.begin(board, steps, read_crc)
  local key = steps.request.unfinished
  local path = path_of(board)
  if not path or steps:is_empty() then return end
  local log = load(board)
  if log and log.key == key then return end   -- going on with it: what was first counts
  local algorithm = steps.request.crc32 == esp.md5 and "md5" or "crc32"
  local sectors, data = changed_sectors(steps, algorithm, read_crc)
  if not state_files.make_folders(path) then return end
  local head = require("dkjson").encode { version = VERSION, key = key, sectors = sectors,
    algorithm = algorithm, sha256 = esp.sha256(data) }
  local ok, why = esp.write_file(path, head .. "\n" .. data)
  if not ok then
    errors.raise("disk", ("cannot keep what is about to be written, for the case that it is"
      .. " interrupted: %s"):format(why), { hint = "make room; nothing was changed" })
  end
end

--- Notes that flash did not hold what was written: however many sectors are neither
-- old nor new nor blank from now on, it is not somebody else who wrote them.
-- @tparam string board from `unfinished.board`
function unfinished.note_mismatch(board)
  local log = load(board)
  if not log or log.mismatch then return end
  local data <const> = log.data
  log.data, log.mismatch = nil, true
  esp.write_file(path_of(board), require("dkjson").encode(log) .. "\n" .. data)
end

--- Forgets what was unfinished on a chip.
-- @tparam string board from `unfinished.board`
function unfinished.forget(board)
  local path = path_of(board)
  if path then os.remove(path) end
end

-- Whether all of one block of so many sectors is to be changed.
local function covers_block(log, sectors)
  local run, before = 0, nil
  for _, s in ipairs(log.sectors) do
    local begins = s.addr % (sectors * SECTOR) == 0 or s.addr - SECTOR ~= before
    run, before = begins and 1 or run + 1, s.addr
    if run == sectors and (s.addr + SECTOR) % (sectors * SECTOR) == 0 then return true end
  end
  return false
end

-- The most sectors that can be neither old nor new nor blank.
local function most_torn(log)
  for _, sectors in ipairs(BLOCKS) do
    if covers_block(log, sectors) then return sectors + TORN end
  end
  return TORN
end

-- Whether the bits that are 1 in `bytes` are 1 in `now`, too: erasing sets bits, and
-- programming clears only those that are to be 0.
local function has_bits(now, bytes)
  for i = 1, #bytes do
    if now:byte(i) & bytes:byte(i) ~= bytes:byte(i) then return false end
  end
  return true
end

-- Whether what is beside a part can still be what it was: whatever an interruption
-- has left of a sector, no bit of what is kept was ever cleared.
local function keeps(s, now, new)
  if not s.head then return true end
  return has_bits(now:sub(1, s.head), new:sub(1, s.head))
    and has_bits(now:sub(SECTOR + 1 - s.tail), new:sub(SECTOR + 1 - s.tail))
end

-- The hash of what a sector holds now: from the loader where it has such hashes, else
-- of what is read.
local function hashes_now(dev, log, parts)
  local loader <const>, algorithm <const> = dev.loader, log.algorithm or "crc32"
  local hash
  if algorithm == "crc32" then
    hash = loader:hashes(parts)
  elseif loader.digests then
    hash = loader:digests(parts)
  end
  return hash or function(addr) return HASHES[algorithm](dev:read(addr, SECTOR)) end,
    HASHES[algorithm](BLANK)
end

-- Whether flash can be what an interrupted run of this log has left.
local function fits(dev, log, parts)
  local torn, most = 0, log.mismatch and math.huge or most_torn(log)
  local hash, blank = hashes_now(dev, log, parts)
  for i, s in ipairs(log.sectors) do
    local now = s.old and hash(s.addr)
    if s.old and now ~= s.new and now ~= s.old and now ~= blank then
      torn = torn + 1
      local new = log.data:sub((i - 1) * SECTOR + 1, i * SECTOR)
      if torn > most or not keeps(s, dev:read(s.addr, SECTOR), new) then return false end
    end
  end
  return true
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
  local parts = parts_of(log)
  local lies_inside = log.sectors[#log.sectors].addr + SECTOR <= dev:flash().size
  if not lies_inside or not fits(dev, log, parts) then   -- else it is another chip
    unfinished.forget(board)
    return nil
  end
  return { parts = parts, unfinished = key }
end

return unfinished
