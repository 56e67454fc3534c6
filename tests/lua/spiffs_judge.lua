-- An independent reader of SPIFFS images for the tests: it shares no code with
-- the library, and is strict where the library is lenient. Knows the layout from
-- the format's description alone.
local judge = {}

local layouts = {
  ["3"] = { 8, 12, 13, 46, 8 }, ["2"] = { 8, 12, 13, 46, 8 }, ["1"] = { 5, 9, 10, 42, 5 },
  ["0.9.6"] = { 7, 11, 12, 44, 6 }, ["0.9.5"] = { 6, 10, 12, 44, 6 },
}

local function u16(s, at) return s:byte(at + 1) + 256 * s:byte(at + 2) end

local function magic(flavour, n, b)
  if flavour == "3" then return 0x0429 ~ (n - b) end
  local skew = { [0] = 0, 1, 3 }
  if flavour == "2" then return 0x0429 ~ ((n - (skew[b] or 4 * b)) % 0x10000) end
end

local function page_number(block, per, i) return block * per + i + 1 end

-- Lookup entries of object pages, and the rules that hold for them.
local function entries_of(image, flavour, block_bytes)
  local per, blocks = block_bytes // 256, #image // block_bytes
  local entries, free_blocks = {}, 0
  for b = 0, blocks - 1 do
    local base = b * block_bytes
    local found = u16(image, base + 0xFC)
    local expected = magic(flavour, blocks, b) or found
    assert(found == expected, ("magic of block %d is %04x"):format(b, found))
    local free = 0
    for i = 0, per - 2 do
      local e = u16(image, base + 2 * i)
      entries[page_number(b, per, i)] = e
      assert(e == 0xFFFF or free == 0,
        ("block %d: page %d is used behind a free one"):format(b, i))
      if e == 0xFFFF then free = free + 1 end
    end
    if free == per - 1 then free_blocks = free_blocks + 1 end
  end
  return entries, free_blocks
end

-- Live pages by id and span; every header must agree with its lookup entry.
local function sort_pages(image, entries)
  local index, data = {}, {}
  for pix, e in pairs(entries) do
    local page = image:sub(pix * 256 + 1, pix * 256 + 256)
    local flags = page:byte(5)
    if e == 0xFFFF then
      assert(page == ("\xff"):rep(256), ("page %d is free and not blank"):format(pix))
    elseif e == 0 then
      assert(flags & 0x80 == 0 or page == ("\xff"):rep(256),
        ("page %d is deleted, its header is not"):format(pix))
    else
      assert(u16(page, 0) == e, ("page %d has another id"):format(pix))
      assert(flags & 0x87 == (e >= 0x8000 and 0x80 or 0x84),
        ("page %d: flags %02x"):format(pix, flags))
      local id, to = e % 0x8000, e >= 0x8000 and index or data
      local span = u16(page, 2)
      to[id] = to[id] or {}
      assert(not to[id][span], ("two pages of file %d span %d"):format(id, span))
      to[id][span] = page
      to[id][-1 - span] = pix
    end
  end
  return index, data
end

local function count(t)
  local n = 0
  for key in pairs(t or {}) do if key >= 0 then n = n + 1 end end
  return n
end

local function content(layout, id, index, data)
  local head = index[0]
  assert(head, "no header for file " .. id)
  local size = ("<I4"):unpack(head, layout[1] + 1)
  if size == 0xFFFFFFFF then size = 0 end
  assert(head:byte(layout[2] + 1) == 1, "not a file")
  local name = ("z"):unpack(head, layout[3] + 1)
  assert(#name > 0 and #name <= 31, "bad name")
  local numbers = {}
  for span = 0, count(index) - 1 do
    local page = assert(index[span], "index page missing")
    for at = span == 0 and layout[4] or layout[5], 254, 2 do
      numbers[#numbers + 1] = u16(page, at)
    end
  end
  local parts, total = {}, (size + 250) // 251
  for span = 0, total - 1 do
    assert(numbers[span + 1] == data[-1 - span], ("%s: wrong page for span %d"):format(name, span))
    parts[#parts + 1] = data[span]:sub(6)
  end
  for i = total + 1, #numbers do assert(numbers[i] == 0xFFFF, name .. ": index too long") end
  assert(count(data) == total, name .. ": stray data pages")
  local bytes = table.concat(parts)
  assert(bytes:sub(size + 1) == ("\xff"):rep(#bytes - size), name .. ": rest not blank")
  return name, bytes:sub(1, size)
end

--- Reads an image that must be perfectly sound.
-- @return { name = content }
-- @return number of blocks that are wholly free
function judge.read(image, flavour, block_bytes)
  local entries, free_blocks = entries_of(image, flavour, block_bytes)
  local index, data = sort_pages(image, entries)
  local files = {}
  for id, pages in pairs(index) do
    local name, bytes = content(layouts[flavour], id, pages, data[id] or {})
    assert(not files[name], "two files " .. name)
    files[name] = bytes
    data[id] = nil
  end
  assert(next(data) == nil, "data pages without a file")
  return files, free_blocks
end

--- No bit of `new` is set that is clear in `old`, except in erased sectors.
function judge.nor_legal(old, new)
  for i = 1, #old do
    if new:byte(i) & ~old:byte(i) ~= 0 then return false end
  end
  return true
end

return judge
