--- Lua Flash Store images: compiled Lua that the firmware runs from flash.
--
-- Lua 5.1 (luac.cross -f): a header of 32 bytes, strings, prototypes; addresses
-- are offsets in words, a bitmap behind the image says which words they are, and
-- all of it is gzipped. With -a the addresses are final and nothing is packed.
-- Lua 5.3: a dump that the firmware itself turns into a store; it goes into the
-- file system, not into the partition. (`lfs` is LuaFileSystem, hence the
-- name.) Source: nodemcu-firmware app/lua/lflash.h, luac_cross/lflashimg.c;
-- `lfs_dump` reads those of Lua 5.3. Pure.
-- @module moonflash.lfs_image
local errors <const> = require "moonflash.errors"
local lfs_dump <const> = require "moonflash.lfs_dump"
local numbers <const> = require "moonflash.numbers"
local text <const> = require "moonflash.text"

local lfs_image = {}

local MAPPED <const> = 0x40200000       -- flash 0 in the chip's address space
local MAPPED_END <const> = 0x100000     -- only the first MB is mapped
local SECTOR <const> = 4096
local HEADER <const> = 32
local MAX_BYTES <const> = MAPPED_END + MAPPED_END // 32
local NO_SIGNATURE <const> = 0xFFFFFFFF

-- The signature: 0xFAFAA050, the version << 8, and flags.
local SIGNATURE <const>, SIGNATURE_MASK <const> = 0xFAFAA050, 0xFFFFF0F0
local ABSOLUTE <const>, INTEGER <const>, PACKED <const>, IN_PROGRESS <const> = 1, 2, 4, 8

local function bad(message, hint)
  errors.raise("image", "LFS image: " .. message, { hint = hint })
end

local function u32(bytes, at)
  if at < 0 or at + 4 > #bytes then bad(("it ends before offset 0x%x"):format(at + 4)) end
  return (("<I4"):unpack(bytes, at + 1))
end

-- ---- packing ----

local function is_zlib(bytes)
  local first, second = bytes:byte(1, 2)
  return first == 0x78 and second and (first << 8 | second) % 31 == 0
end

local function packing_of(bytes)
  if bytes:sub(1, 3) == "\x1f\x8b\x08" then return "gzip" end
  if is_zlib(bytes) then return "zlib" end
end

local function unpack_bytes(bytes, inflate)
  local packing = packing_of(bytes)
  if not packing then return bytes end
  if not inflate then bad("it is compressed, and nothing is there to unpack it") end
  local plain, why = inflate(bytes, MAX_BYTES, packing)
  if not plain then bad(("%s data: %s"):format(packing, why), "the file is damaged") end
  return plain, packing
end

-- ---- Lua 5.1 ----

local function bitmap_bytes(size) return (size // 4 + 31) // 32 * 4 end

local function is_address(img, word)
  local bits = img.bitmap and (("<I4"):unpack(img.bitmap, word // 32 * 4 + 1))
  return bits and bits >> (word % 32) & 1 == 1
end

-- Offset in the image that an address word names; nil for NULL.
local function target(img, at)
  local value = u32(img.bytes, at)
  if value == 0 then
    if img.bitmap and is_address(img, at // 4) then
      bad(("its bitmap marks the empty address at 0x%x"):format(at), "the file is damaged")
    end
    return nil
  end
  local offset = img.base and value - img.base or value * 4
  if offset < 0 or offset >= img.size or offset % 4 ~= 0 then
    bad(("the address at 0x%x leads outside"):format(at), "the file is damaged")
  elseif img.bitmap and not is_address(img, at // 4) then
    bad(("its bitmap does not mark the address at 0x%x"):format(at), "the file is damaged")
  end
  return offset
end

-- A string of the image: next, type, hash, length, text.
local function string_at(img, at)
  local length = u32(img.bytes, at + 12)
  if length > img.size - at - 16 then bad(("the string at 0x%x is cut off"):format(at)) end
  for offset = at + 4, at + 15 + length, 4 do
    if is_address(img, offset // 4) then
      bad(("its bitmap takes a part of the string at 0x%x for an address"):format(at))
    end
  end
  return img.bytes:sub(at + 17, at + 16 + length)
end

-- Every string hangs in one chain of the hash table; their number is known.
local function check_strings(img)
  if img.strings > img.size // 16 then
    bad(("its header says %d strings, more than it has room for"):format(img.strings))
  end
  local found = 0
  for slot = 0, img.hash_slots - 1 do
    local at = target(img, HEADER + 4 * slot)
    while at do
      found = found + 1
      if found > img.strings then bad("its table of strings runs in circles") end
      string_at(img, at)
      at = target(img, at)
    end
  end
  if found ~= img.strings then
    bad(("it holds %d strings, its header says %d"):format(found, img.strings))
  end
end

-- Bytes of a constant: value and type, packed or not.
local function constant_bytes(img)
  if img.number_type == "integer" then return 8, 4 end
  return img.packed and 12 or 16, 8
end

local function build_time(img, at)
  if img.number_type == "integer" then return u32(img.bytes, at) end
  u32(img.bytes, at + 4)
  local time = math.tointeger((("<d"):unpack(img.bytes, at + 1)))
  return time and time >= 0 and time <= 0xFFFFFFFF and time or nil
end

-- The main function is a look-up: its constants are the modules' names, and the
-- time of the build. nil when it is anything else.
local function read_modules(img)
  local main = img.main
  local k, names = target(img, main + 8), {}
  local constants, protos = u32(img.bytes, main + 40), u32(img.bytes, main + 48)
  if not k or constants ~= protos + 1 or constants > img.size // 8 then return nil end
  local size, type_at = constant_bytes(img)
  for i = 0, protos - 1 do
    local at = k + i * size
    local name_at = target(img, at)
    -- A constant that is a string has the type of a string.
    local kind = u32(img.bytes, at + type_at)
    if not name_at or kind ~= img.bytes:byte(name_at + 5) then return nil end
    names[#names + 1] = text.escape(string_at(img, name_at))
  end
  return names, build_time(img, k + protos * size)
end

local function check_relocation(img)
  local words = img.size // 4
  for word = 0, #img.bitmap * 8 - 1 do
    if is_address(img, word) then
      if word >= words then bad("its bitmap marks words behind its end") end
      target(img, word * 4)
    end
  end
end

local function check_header(img)
  if img.in_progress then
    bad("its loading was interrupted", "load the image again")
  elseif img.size % 4 ~= 0 or img.size < HEADER then
    bad(("a size of %d bytes cannot be"):format(img.size))
  elseif img.size > #img.bytes then
    bad(("it is cut off: %d of %d bytes"):format(#img.bytes, img.size),
      "copy or download the file again")
  elseif img.hash_slots & (img.hash_slots - 1) ~= 0
    or img.hash_slots * 4 > img.size - HEADER then
    bad("its table of strings has an impossible size")
  end
end

-- Takes the bytes apart: the image itself, its bitmap or its address.
local function split(img, bytes, region)
  local hash = u32(bytes, 12)
  if hash >= MAPPED then
    img.form, img.base = "absolute", hash - HEADER
    img.addr = img.base - MAPPED
    local rest = bytes:sub(img.size + 1)
    if not region and rest:find("[^\xff]") then
      bad(("there is more behind its end: %s"):format(text.count(#rest, "byte")))
    elseif img.addr % SECTOR ~= 0 then
      bad(("0x%06x is no place for it in flash"):format(img.addr))
    end
  else
    img.form = "relocatable"
    local expected = img.size + bitmap_bytes(img.size)
    if #bytes ~= expected then
      bad(("it has %d bytes unpacked, its header asks for %d"):format(#bytes, expected),
        "the file is damaged, or made by a luac.cross for another format")
    elseif hash ~= HEADER // 4 then
      bad("its table of strings is not where it must be")
    end
    img.bitmap = bytes:sub(img.size + 1)
  end
  img.bytes = bytes:sub(1, img.size)
end

local function read_51(bytes, region)
  local signature = u32(bytes, 0)
  local img = {
    lua = "5.1", signature = signature, bytes = bytes,
    number_type = signature & INTEGER ~= 0 and "integer" or "float",
    packed = signature & PACKED ~= 0, in_progress = signature & IN_PROGRESS ~= 0,
    size = u32(bytes, 4), strings = u32(bytes, 16), hash_slots = u32(bytes, 20),
  }
  check_header(img)
  split(img, bytes, region)
  img.main = target(img, 8)
  target(img, 12)
  if not img.main or img.main + 72 > img.size then bad("its main function lies outside") end
  if img.bitmap then check_relocation(img) end
  check_strings(img)
  img.modules, img.build_time = read_modules(img)
  return img
end

-- ---- any ----

local function refuse(bytes)
  if bytes:sub(1, 4) == "\x1bLua" then
    bad("this is compiled Lua, but no image", "luac.cross makes an image with -f")
  elseif bytes:sub(1, 1) == "\xe9" or bytes:sub(1, 1) == "\xea" then
    bad("this is firmware", "'moonflash image info' explains it")
  elseif text.printable_share(bytes:sub(1, 256)) > 0.95 then
    bad("this is text", "luac.cross -f makes an image of Lua sources")
  end
  bad("this is none")
end

--- Reads an image, packed or not, and checks all that can be checked.
-- @tparam string file its bytes
-- @tparam[opt] function inflate `function(bytes, max, "gzip"|"zlib")`, answers
-- the plain bytes or nil and why; must check the check sum, as `esp.inflate` does
-- @treturn table `lua` ("5.1", "5.3"); `form` ("relocatable", "absolute",
-- "dump"); `number_type` ("float", "integer"; in 5.3 "32-bit", "64-bit");
-- `size` in flash (5.3: of the file); `bytes` (the image, without bitmap),
-- `packing` ("gzip", "zlib", nil), `modules` (names, nil when not a look-up),
-- `build_time` (Unix time), `strings` (their number); 5.1 also `signature`,
-- `packed` (constants of 12 bytes), `addr` (flash address, if absolute),
-- `bitmap` (if relocatable)
-- @raise `image`
function lfs_image.read(file, inflate)
  local bytes, packing = unpack_bytes(file, inflate)
  local img
  if lfs_dump.is_one(bytes) then
    img = lfs_dump.read(bytes)
  elseif #bytes >= HEADER and u32(bytes, 0) & SIGNATURE_MASK == SIGNATURE then
    local version = u32(bytes, 0) >> 8 & 0xF
    if version ~= 1 then
      bad(("version %d of the format is not known"):format(version))
    end
    img = read_51(bytes, false)
  else
    refuse(bytes)
  end
  img.packing, img.file_size = packing, #file
  return img
end

--- Reads the store that lies in flash.
-- @tparam string bytes of the region, from its start
-- @treturn table|nil as `lfs_image.read`; `lua` = "5.3" carries `size` only
-- @treturn string|nil why there is none: "blank" or a sentence
function lfs_image.in_flash(bytes)
  local signature = #bytes >= HEADER and u32(bytes, 0) or 0
  if signature == 0 or signature == NO_SIGNATURE then return nil, "blank" end
  if signature & SIGNATURE_MASK ~= SIGNATURE then
    return nil, "the region holds something else"
  end
  if signature >> 8 & 0xF == 2 then
    return { lua = "5.3", form = "absolute", signature = signature, size = u32(bytes, 4) }
  end
  local ok, img = pcall(read_51, bytes, true)
  if not ok then
    if not errors.is(img) then error(img, 0) end
    return nil, img.message
  end
  return img
end

local function check_addr(addr, size)
  if addr % SECTOR ~= 0 then
    errors.raise("align", ("LFS image: 0x%06x is not the start of a sector"):format(addr))
  elseif addr < SECTOR or addr + size > MAPPED_END then
    errors.raise("range", ("LFS image: %s is not in the part of flash that code runs from"):format(
      numbers.range_text(addr, size)), { hint = "the store must end below 0x100000" })
  end
end

--- Gives a relocatable image its place: what the firmware writes when it loads
-- the file itself.
-- @tparam table img from `lfs_image.read`
-- @tparam integer addr flash address of the store's region
-- @tparam[opt] table opts `absolute` = true sets the flag of images with final
-- addresses, as `luac.cross -a` does; the firmware does not care
-- @treturn string `img.size` bytes
-- @raise `image` when it has no addresses to change or others; `align`, `range`
function lfs_image.relocate(img, addr, opts)
  if img.form == "dump" then
    bad("one of Lua 5.3 is placed by the firmware itself",
      "put the file into the file system and call node.LFS.reload")
  end
  check_addr(addr, img.size)
  local signature = opts and opts.absolute and img.signature | ABSOLUTE or img.signature
  if img.form == "absolute" then
    if img.addr ~= addr then
      bad(("it was made for 0x%06x, not for 0x%06x"):format(img.addr, addr),
        "make one without luac.cross's -a; that fits anywhere")
    end
    return ("<I4"):pack(signature) .. img.bytes:sub(5)
  end
  local words, base = {}, MAPPED + addr
  for word = 0, img.size // 4 - 1 do
    local value = u32(img.bytes, word * 4)
    if is_address(img, word) then value = base + 4 * value end
    words[word + 1] = ("<I4"):pack(value)
  end
  words[1] = ("<I4"):pack(signature)
  return table.concat(words)
end

--- What to write into the region of the store.
-- @tparam table img from `lfs_image.read`
-- @tparam table region `addr`, `size` (as in a partition table)
-- @treturn string whole sectors
-- @raise `range` when it does not fit; else as `lfs_image.relocate`
function lfs_image.for_region(img, region)
  if img.form ~= "dump" and img.size > region.size then
    errors.raise("range", ("LFS image: %d bytes do not fit the %s of the store"):format(img.size,
      numbers.size_text(region.size)), { hint = region.size == 0
      and "this firmware has no store: build it with one, or change the partition table"
      or "enlarge the store's partition" })
  end
  local bytes = lfs_image.relocate(img, region.addr)
  return bytes .. ("\xff"):rep(-#bytes % SECTOR)
end

--- Does an image suit a firmware? Only what both tell is compared.
-- @tparam table img from `lfs_image.read`
-- @tparam table found result of `nodemcu.identify`
-- @treturn boolean true when nothing was left open
-- @raise `image` when the firmware would refuse it
function lfs_image.check_firmware(img, found)
  local lua = found.lua and found.lua:match("^(%d+%.%d+)")
  if lua and lua ~= img.lua then
    bad(("it is for Lua %s, the firmware has Lua %s"):format(img.lua, lua),
      "make it with the luac.cross of the firmware's own build")
  end
  local numbers_told = found.number_type and img.lua == "5.1"
  if numbers_told and found.number_type ~= img.number_type then
    bad(("it is for %s firmware, this firmware is %s"):format(img.number_type,
      found.number_type), img.number_type == "integer" and "make it without luac.cross.int"
      or "make it with luac.cross.int")
  end
  return lua ~= nil and (numbers_told or img.lua == "5.3")
end

--- An image in words.
-- @tparam table img from `lfs_image.read`
-- @treturn {string,...} lines
function lfs_image.describe(img)
  local where = img.form == "absolute" and (" for 0x%06x"):format(img.addr) or ""
  local lines = {
    ("Lua %s image, %s%s%s"):format(img.lua, img.form, where,
      img.packing and (", packed with " .. img.packing) or ""),
    ("numbers: %s"):format(img.number_type),
    ("size: %s%s"):format(text.count(img.size, "byte"),
      img.form == "dump" and " (the file; the firmware makes the store of it)" or " in flash"),
  }
  if img.build_time and img.build_time <= 0xFFFFFFFF then
    lines[#lines + 1] = os.date("!made: %Y-%m-%d %H:%M:%S UTC", img.build_time)
  end
  lines[#lines + 1] = img.modules and ("modules: %s"):format(table.concat(img.modules, " "))
    or "modules: not told"
  return lines
end

--- An image as plain data for JSON.
-- @treturn table
function lfs_image.to_table(img)
  return { lua = img.lua, form = img.form, number_type = img.number_type, size = img.size,
    packing = img.packing, addr = img.addr, modules = img.modules, build_time = img.build_time,
    strings = img.strings }
end

return lfs_image
