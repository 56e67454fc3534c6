--- The planner: from what should be in flash to ordered steps. Pure.
--
-- The boot header's sector (address 0) is erased first and written last, so a
-- power cut at any step leaves the old firmware, or nothing that boots, or the
-- new firmware, and never a mixture.
--
-- A plan is a table with
--
-- * `steps`: { op = "erase", addr, size } (whole sectors) and { op = "program",
--   addr, size, data } (whole pages, at most `unit` bytes), in the order to run
-- * `sectors`: ascending { addr, action = "write" | "erase" | "skip", data (4096
--   wanted bytes), erase (boolean), parts (names) }
-- * `parts`: what was asked for, ascending; regions to be blank have data of 0xff
-- * `needs`: { { addr, size }, ... } sectors whose old bytes must be read first;
--   when it is not empty `steps` is empty: read them and call `plan.fill`
-- * `summary`: sectors, erased, written, blanked, skipped, bytes (asked for),
--   bytes_to_send (programmed), steps
-- @module moonflash.plan

local crc32 = require "moonflash.crc32"
local errors = require "moonflash.errors"
local numbers = require "moonflash.numbers"
local text = require "moonflash.text"

local plan = {}

--- Bytes of a sector, the least that can be erased, in all flash chips in question.
plan.SECTOR = 0x1000
--- Bytes of a page, the most that is programmed at once.
plan.PAGE = 0x100

local SECTOR <const>, PAGE <const>, BLOCK <const> = 0x1000, 0x100, 0x10000
local UNIT <const> = 0x4000
local MAX_FLASH <const> = 0x1000000
local MAX_PARTS <const> = 256

local BLANK_PAGE <const> = ("\xff"):rep(PAGE)
local BLANK_SECTOR <const> = ("\xff"):rep(SECTOR)

local hex = numbers.hex

local methods = {}
local meta = { __index = methods }

local function check_part(part, index, request)
  local name = part.name or ("part %d"):format(index)
  if math.type(part.addr) ~= "integer" or part.addr < 0 then
    errors.raise("range", ("%s: %s is no flash address"):format(name, tostring(part.addr)))
  end
  local data = part.data
  if not data then
    if math.type(part.size) ~= "integer" or part.size < 0 or part.size > MAX_FLASH then
      errors.raise("size", ("%s: neither data nor a sensible size"):format(name))
    end
    data = ("\xff"):rep(part.size)
  end
  if #data == 0 then errors.raise("size", ("%s: nothing to write"):format(name)) end
  if part.addr % 4 ~= 0 then
    errors.raise("align", ("%s: address %s is not a multiple of 4"):format(name, hex(part.addr)),
      { addr = part.addr, hint = ("flash is written in words: %s or %s"):format(
        hex(part.addr // 4 * 4), hex(part.addr // 4 * 4 + 4)) })
  elseif part.addr % SECTOR ~= 0 and not request.allow_partial then
    errors.raise("align", ("%s: address %s is not at the start of a sector"):format(name,
      hex(part.addr)), { addr = part.addr,
      hint = ("sectors start at multiples of 0x1000, such as %s")
        :format(hex(part.addr // SECTOR * SECTOR)) })
  end
  return { addr = part.addr, data = data, name = name, boot = part.boot ~= false,
    blank = part.data == nil }
end

local function by_addr(a, b) return a.addr < b.addr end

local function last_of(part) return part.addr + #part.data - 1 end

local function check_fit(part, flash_bytes)
  local over = part.addr + #part.data - flash_bytes
  if over <= 0 then return end
  errors.raise("range", ("%s: %s at %s, %s too many for %s of flash"):format(part.name,
    text.count(#part.data, "byte"), hex(part.addr), text.count(over, "byte"),
    numbers.size_text(flash_bytes)), { addr = flash_bytes, over = over })
end

local function check_overlaps(parts)
  for i = 2, #parts do
    local a, b = parts[i - 1], parts[i]
    if last_of(a) >= b.addr then
      errors.raise("overlap", ("%s (%s) and %s (%s) overlap"):format(a.name,
        numbers.range_text(a.addr, #a.data), b.name, numbers.range_text(b.addr, #b.data)),
        { addr = b.addr, parts = { a.name, b.name } })
    end
  end
end

-- What is left of a range [from, to) when the parts' ranges are taken out of it.
local function subtract(from, to, parts)
  local rest = {}
  for _, part in ipairs(parts) do
    if part.addr < to and last_of(part) >= from then
      if part.addr > from then rest[#rest + 1] = { from, part.addr } end
      from = math.max(from, last_of(part) + 1)
    end
  end
  if from < to then rest[#rest + 1] = { from, to } end
  return rest
end

-- Blank regions give way to data (and to blank regions before them): "erase the
-- system area, then write the firmware that covers half of it".
local function give_way(parts)
  local data, blank = {}, {}
  for _, part in ipairs(parts) do
    local list = part.blank and blank or data
    list[#list + 1] = part
  end
  check_overlaps(data)
  for _, part in ipairs(blank) do
    for _, range in ipairs(subtract(part.addr, last_of(part) + 1, data)) do
      data[#data + 1] = { addr = range[1], data = ("\xff"):rep(range[2] - range[1]),
        name = part.name, boot = part.boot, blank = true }
    end
    table.sort(data, by_addr)
  end
  return data
end

-- Whole sectors count: nothing in a sector that is erased is left untouched.
local function check_keep(part, keep)
  local first, last = part.addr // SECTOR * SECTOR, last_of(part) | SECTOR - 1
  for _, region in ipairs(keep) do
    if first < region.addr + region.size and region.addr <= last then
      errors.raise("refused_by_policy", ("%s (%s) would touch %s (%s), which is to be kept"):format(
        part.name, numbers.range_text(part.addr, #part.data), region.name or "a region",
        numbers.range_text(region.addr, region.size)), { addr = math.max(first, region.addr) })
    end
  end
end

local function check_request(request)
  local flash_bytes = request.flash_bytes
  if math.type(flash_bytes) ~= "integer" or flash_bytes <= 0 or flash_bytes % SECTOR ~= 0
    or flash_bytes > MAX_FLASH then
    errors.raise("size", "plan: the flash size is not known or not possible: "
      .. tostring(flash_bytes))
  end
  if #request.parts > MAX_PARTS then
    errors.raise("plan", ("more than %d parts"):format(MAX_PARTS))
  end
  local parts = {}
  for i, part in ipairs(request.parts) do parts[i] = check_part(part, i, request) end
  table.sort(parts, by_addr)
  for _, part in ipairs(parts) do check_fit(part, flash_bytes) end
  parts = give_way(parts)
  for _, part in ipairs(parts) do check_keep(part, request.keep or {}) end
  return parts
end

-- The pieces of parts that lie in each sector, in ascending order.
local function cut_into_sectors(parts)
  local sectors, by_addr = {}, {}
  for _, part in ipairs(parts) do
    for addr = part.addr // SECTOR * SECTOR, last_of(part), SECTOR do
      local sector = by_addr[addr]
      if not sector then
        sector = { addr = addr, pieces = {}, parts = {}, boot = false }
        by_addr[addr], sectors[#sectors + 1] = sector, sector
      end
      local first = math.max(part.addr, addr)
      local last = math.min(last_of(part), addr + SECTOR - 1)
      sector.pieces[#sector.pieces + 1] = { at = first - addr, part = part,
        from = first - part.addr + 1, to = last - part.addr + 1 }
      sector.parts[#sector.parts + 1] = part.name
      sector.boot = sector.boot or part.boot
    end
  end
  return sectors
end

local function covered_bytes(sector)
  local n = 0
  for _, piece in ipairs(sector.pieces) do n = n + piece.to - piece.from + 1 end
  return n
end

-- The 4096 wanted bytes: the pieces over the old bytes (or over blank ones).
local function compose(sector, old)
  local out, at = {}, 0
  for _, piece in ipairs(sector.pieces) do
    out[#out + 1] = old:sub(at + 1, piece.at)
    out[#out + 1] = piece.part.data:sub(piece.from, piece.to)
    at = piece.at + piece.to - piece.from + 1
  end
  out[#out + 1] = old:sub(at + 1)
  return table.concat(out)
end

local function check_old(bytes, addr)
  if bytes and #bytes ~= SECTOR then
    errors.raise("plan", ("plan: %d old bytes given for the sector at %s")
      :format(#bytes, hex(addr)))
  end
  return bytes
end

-- Sets sector.data, or notes that its old bytes are needed.
local function set_data(sector, request, needs)
  local partial = request.allow_partial and covered_bytes(sector) < SECTOR
  local old = partial and check_old((request.old or {})[sector.addr], sector.addr)
  if partial and not old then
    needs[#needs + 1] = { addr = sector.addr, size = SECTOR }
  else
    sector.data = compose(sector, old or BLANK_SECTOR)
  end
end

local function hash_lookup(hashes)
  if not hashes then return function() return nil end end
  if type(hashes) == "function" then return hashes end
  return function(addr) return hashes[addr // SECTOR + 1] end
end

-- What each sector needs, judged by the hash of what is there now.
local function judge(sectors, request)
  local current = hash_lookup(not request.full and request.hashes or nil)
  local hash = request.crc32 or crc32.of
  local blank_hash = request.hashes and hash(BLANK_SECTOR)
  for _, sector in ipairs(sectors) do
    local now = current(sector.addr)
    local blank = sector.data == BLANK_SECTOR
    if now and now == (blank and blank_hash or hash(sector.data)) then
      sector.action, sector.erase = "skip", false
    else
      sector.action = blank and "erase" or "write"
      sector.erase = not (now and now == blank_hash)
    end
  end
end

-- When anything that boots changes, the boot header must not survive it.
local function guard_boot_sector(sectors)
  local first = sectors[1]
  if not first or first.addr ~= 0 or first.action ~= "skip" then return end
  for _, sector in ipairs(sectors) do
    if sector.action ~= "skip" and sector.boot then
      first.action, first.erase = first.data == BLANK_SECTOR and "erase" or "write", true
      return
    end
  end
end

local function add_erase(steps, addr)
  local last = steps[#steps]
  if last and last.op == "erase" and last.addr + last.size == addr and last.addr ~= 0 then
    last.size = last.size + SECTOR
  else
    steps[#steps + 1] = { op = "erase", addr = addr, size = SECTOR }
  end
end

-- Program steps of ascending sectors: pages that are not blank, joined up to the
-- unit's size. Takes the pages at offsets first to last of each sector.
local function add_programs(steps, sectors, unit, first, last)
  local run
  local function finish()
    if not run then return end
    local data = table.concat(run.pages)
    steps[#steps + 1] = { op = "program", addr = run.addr, size = #data, data = data }
    run = nil
  end
  for _, sector in ipairs(sectors) do
    for offset = first or 0, last or SECTOR - 1, PAGE do
      local page = sector.data:sub(offset + 1, offset + PAGE)
      local addr = sector.addr + offset
      local size = run and #run.pages * PAGE
      if run and (run.addr + size ~= addr or size >= unit) then finish() end
      if page ~= BLANK_PAGE then
        run = run or { addr = addr, pages = {} }
        run.pages[#run.pages + 1] = page
      end
    end
  end
  finish()
end

local function in_block(sectors, from)
  local block, group = sectors[from].addr // BLOCK, {}
  local i = from
  while sectors[i] and sectors[i].addr // BLOCK == block do
    group[#group + 1] = sectors[i]
    i = i + 1
  end
  return group, i
end

-- Block by block, so that a cut destroys no more than it must and programming
-- can follow close behind erasing.
local function make_steps(sectors, unit)
  local steps, changed, boot = {}, {}, nil
  for _, sector in ipairs(sectors) do
    if sector.action ~= "skip" then
      if sector.addr == 0 then boot = sector else changed[#changed + 1] = sector end
    end
  end
  if boot and boot.erase then add_erase(steps, 0) end
  local i = 1
  while i <= #changed do
    local group, after = in_block(changed, i)
    local to_program = {}
    for _, sector in ipairs(group) do
      if sector.erase then add_erase(steps, sector.addr) end
      if sector.action == "write" then to_program[#to_program + 1] = sector end
    end
    add_programs(steps, to_program, unit)
    i = after
  end
  if boot and boot.action == "write" then
    add_programs(steps, { boot }, unit, PAGE)
    add_programs(steps, { boot }, unit, 0, PAGE - 1)   -- the header itself: now it boots
  end
  return steps
end

local function summarise(result)
  local s = { sectors = #result.sectors, erased = 0, written = 0, blanked = 0, skipped = 0,
    bytes = 0, steps = #result.steps }
  for _, part in ipairs(result.parts) do s.bytes = s.bytes + #part.data end
  for _, sector in ipairs(result.sectors) do
    if sector.erase then s.erased = s.erased + 1 end
    if sector.action == "write" then s.written = s.written + 1 end
    if sector.action == "erase" then s.blanked = s.blanked + 1 end
    if sector.action == "skip" then s.skipped = s.skipped + 1 end
  end
  s.bytes_to_send = 0
  for _, step in ipairs(result.steps) do
    if step.op == "program" then s.bytes_to_send = s.bytes_to_send + step.size end
  end
  return s
end

local function check_unit(unit)
  if math.type(unit) ~= "integer" or unit < PAGE or unit % PAGE ~= 0 then
    errors.raise("plan", "plan: the unit must be a multiple of a page")
  end
  return unit
end

--- Plan a write that never boots half an image.
-- Without `allow_partial` parts start at sectors, and what their last sector
-- holds behind them becomes blank. With it, all bytes outside the parts are
-- preserved, for which the old bytes of such sectors are needed.
-- @tparam table request
--
-- * `parts`: { { addr, data, name }, ... } in any order; `size` instead of `data`
--   asks for a blank region, which gives way to data; `boot` = false marks data
--   that firmware does not boot from (a file system), so changing it alone leaves
--   sector 0 alone
-- * `flash_bytes`: size of the chip's flash
-- * `keep`: { { addr, size, name }, ... } regions not to be touched
-- * `hashes`: CRC-32 of what is in flash, per 4 KiB sector: an array (first entry
--   = sector 0) or a function of the sector's address; nil = not known
-- * `crc32`: function(bytes) that matches `hashes`; default plain Lua
-- * `full`: true writes also what is there already
-- * `allow_partial`: see above; `old`: { [sector address] = 4096 bytes }
-- * `unit`: longest program step in bytes, default 16384
-- @treturn plan
-- @raise `size`, `align`, `range`, `overlap`, `refused_by_policy`, `plan`
function plan.write(request)
  local parts = check_request(request)
  local unit = check_unit(request.unit or UNIT)
  local result = setmetatable({ parts = parts, sectors = cut_into_sectors(parts), needs = {},
    steps = {}, flash_bytes = request.flash_bytes, request = request }, meta)
  for _, sector in ipairs(result.sectors) do set_data(sector, request, result.needs) end
  if #result.needs == 0 then
    judge(result.sectors, request)
    guard_boot_sector(result.sectors)
    result.steps = make_steps(result.sectors, unit)
  end
  for _, sector in ipairs(result.sectors) do sector.pieces = nil end
  result.summary = summarise(result)
  return result
end

--- Plan again with the old bytes that a plan needs.
-- @tparam plan unfinished whose `needs` is not empty
-- @tparam table old { [sector address] = 4096 bytes }
-- @treturn plan complete
-- @raise as `plan.write`; `plan` when bytes are still missing
function plan.fill(unfinished, old)
  local request = { old = old }
  for name, value in pairs(unfinished.request) do request[name] = request[name] or value end
  local result = plan.write(request)
  if #result.needs > 0 then
    errors.raise("plan", "plan: the old bytes of the sector at "
      .. hex(result.needs[1].addr) .. " are missing", { addr = result.needs[1].addr })
  end
  return result
end

--- Plan to blank regions; the boot sector goes first.
-- @tparam table request `regions` = { { addr, size, name }, ... } of whole sectors,
-- the rest as for `plan.write`
-- @treturn plan
-- @raise as `plan.write`; `align` when a size is not whole sectors
function plan.erase(request)
  local copy = { parts = {} }
  for name, value in pairs(request) do copy[name] = value end
  for i, region in ipairs(request.regions) do
    if math.type(region.size) == "integer" and region.size % SECTOR ~= 0 then
      errors.raise("align", ("%s: %s are not whole sectors"):format(region.name or "region",
        numbers.size_text(region.size)), { addr = region.addr })
    end
    copy.parts[i] = { addr = region.addr, size = region.size, name = region.name }
  end
  return plan.write(copy)
end

--- The bytes of a program step.
-- @tparam table step
-- @treturn string
function methods:data(step) return step.data end

--- Is there nothing to do?
-- @treturn boolean
function methods:is_empty() return #self.steps == 0 and #self.needs == 0 end

--- Does the plan make the chip unbootable while it runs?
-- @treturn boolean
function methods:touches_boot()
  local first = self.sectors[1]
  return first ~= nil and first.addr == 0 and first.action ~= "skip"
end

--- Estimate how long a plan takes.
-- @tparam plan p
-- @tparam table timing row of `flash_chips.timings`
-- @tparam integer baud rate on the line
-- @tparam[opt=1] number ratio bytes on the line per byte programmed (compression)
-- @treturn number seconds, erasing and sending counted one after the other
function plan.estimate(p, timing, baud, ratio)
  local s = p.summary
  local pages = s.bytes_to_send / PAGE
  local flash_ms = s.erased * timing.sector
  local line_ms = s.bytes_to_send * (ratio or 1) * 10000 / baud
  return (flash_ms + math.max(line_ms, pages * timing.page)) / 1000
end

--- Describe a plan for people.
-- @tparam plan p
-- @treturn {string,...} lines
function plan.describe(p)
  local lines = {}
  for _, part in ipairs(p.parts) do
    lines[#lines + 1] = ("%s %s: %s, %s"):format(part.blank and "blank" or "write", part.name,
      numbers.range_text(part.addr, #part.data), text.count(#part.data, "byte"))
  end
  if #p.needs > 0 then
    lines[#lines + 1] = ("%s must be read first"):format(text.count(#p.needs, "sector"))
    return lines
  end
  local s = p.summary
  lines[#lines + 1] = ("%s: %d erased, %d written, %d already right, %s to send"):format(
    text.count(s.sectors, "sector"), s.erased, s.written, s.skipped,
    text.count(s.bytes_to_send, "byte"))
  if p:touches_boot() then
    lines[#lines + 1] = "the boot header is erased first and written last"
  end
  return lines
end

--- A plan as plain data for JSON: no flash contents.
-- @tparam plan p
-- @treturn table parts, steps, needs, summary
function plan.to_table(p)
  local copy = { parts = {}, steps = {}, needs = {}, summary = {} }
  for i, part in ipairs(p.parts) do
    copy.parts[i] = { addr = part.addr, size = #part.data, name = text.escape(part.name),
      blank = part.blank }
  end
  for i, step in ipairs(p.steps) do
    copy.steps[i] = { op = step.op, addr = step.addr, size = step.size }
  end
  for i, need in ipairs(p.needs) do copy.needs[i] = { addr = need.addr, size = need.size } end
  for name, value in pairs(p.summary) do copy.summary[name] = value end
  return copy
end

return plan
