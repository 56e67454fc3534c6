--- Which file goes where, when a user names a firmware: one aggregated file, the
-- pair that a build leaves behind, or the folder with the pair. Pure.
--
-- The pair is named by address, `0x00000.bin` and `0x10000.bin`; one alone is
-- half a firmware, and both must come from the same build. Contents decide where
-- names say nothing, and contents win over names that say something wrong.
-- @module moonflash.firmware_files

local errors = require "moonflash.errors"
local image = require "moonflash.image"

local firmware_files = {}

local IROM <const> = 0x10000

local function base_name(path) return path:match("[^/\\]+$") or path end

--- The flash address that a file's name states.
-- @tparam string path `.../0x10000.bin`, also `0X00000.BIN`
-- @treturn integer|nil
function firmware_files.address_of(path)
  local digits = base_name(path):match("^0[xX](%x+)%.[bB][iI][nN]$")
  return digits and #digits <= 8 and tonumber(digits, 16) or nil
end

--- The address that was meant by one that no NodeMCU build uses: zeros too many
-- or too few, a slip of one digit.
-- @tparam integer addr
-- @treturn integer|nil 0 or 0x10000
function firmware_files.meant_address(addr)
  if addr == 0 or addr == IROM then return addr end
  local digits = ("%x"):format(addr):gsub("0", "")
  return digits == "1" and IROM or nil
end

local function refuse_address(path, addr)
  local meant = firmware_files.meant_address(addr)
  errors.raise("plan", ("%s: no part of a NodeMCU firmware goes to 0x%05x"):format(path, addr), {
    hint = meant and ("did you mean 0x%05x.bin? 'moonflash write' takes any address"):format(meant)
      or "the parts are 0x00000.bin and 0x10000.bin; 'moonflash write' takes any address",
  })
end

local function is_part(name)
  local addr = firmware_files.address_of(name)
  return addr == 0 or addr == IROM
end

-- Names in a folder that could each be a whole firmware.
local function whole_firmware(names)
  local list = {}
  for _, name in ipairs(names) do
    local lower = name:lower()
    if lower:match("^nodemcu[-_].*%.bin$") and not lower:match("_lfs") then
      list[#list + 1] = name
    end
  end
  return list
end

--- Choose the firmware among the names in a folder.
-- @tparam {string,...} names
-- @tparam string folder for messages
-- @treturn {string,...} one name or the two of the pair
-- @raise `file` when there is none, one of the pair is missing, or several could
-- be meant; `plan` for a name that is a slip of the pen
function firmware_files.choose(names, folder)
  local sorted = table.move(names, 1, #names, 1, {})
  table.sort(sorted)
  local pair = {}
  for _, name in ipairs(sorted) do
    local addr = firmware_files.address_of(name)
    if is_part(name) then
      pair[#pair + 1] = name
    elseif addr and firmware_files.meant_address(addr) then
      refuse_address(folder .. "/" .. name, addr)
    end
  end
  if #pair == 2 then return pair end
  local whole = whole_firmware(sorted)
  if #pair == 0 and #whole == 1 then return whole end
  local what = #pair == 1 and ("%s has %s, but not the other half"):format(folder, pair[1])
    or #whole > 1 and ("%s has several firmware files: %s"):format(folder,
      table.concat(whole, ", "))
    or folder .. " has no firmware"
  errors.raise("file", what, {
    hint = "a build leaves 0x00000.bin and 0x10000.bin, or one nodemcu-*.bin; name the file",
  })
end

local function is_boot_image(data)
  local parsed = image.parse(data)
  return data:byte(1) == 0xE9 and parsed.checksum ~= nil and parsed.kind ~= "foreign", parsed
end

-- Gives each file of a pair its address: by name, by content where the name says
-- nothing.
local function place(list)
  for _, file in ipairs(list) do
    local addr = firmware_files.address_of(file.name)
    if addr and addr ~= 0 and addr ~= IROM then refuse_address(file.name, addr) end
    local boots = is_boot_image(file.data)
    if addr == 0 and not boots then
      image.check(image.parse(file.data), file.name)
      errors.raise("image", file.name .. ": no image that boots, in spite of its name")
    elseif addr == IROM and boots then
      errors.raise("image", file.name .. ": holds an image that boots, which belongs to 0x00000",
        { hint = "were the two files renamed, or is this an aggregated one?" })
    end
    file.addr = addr or boots and 0 or IROM
  end
end

local function join(list)
  place(list)
  local low, irom = list[1], list[2]
  if low.addr > irom.addr then low, irom = irom, low end
  if low.addr == irom.addr then
    errors.raise("overlap", ("%s and %s both belong to 0x%05x"):format(low.name, irom.name,
      low.addr), { hint = "a firmware is one aggregated file, or 0x00000.bin and 0x10000.bin" })
  end
  local parsed = image.check(image.parse(low.data), low.name)
  if parsed.aggregated then
    errors.raise("overlap", ("%s is a whole firmware, %s is not needed"):format(low.name,
      irom.name), { hint = "give the aggregated file alone" })
  end
  return image.aggregate(low.data, irom.data), { low, irom }
end

-- A lone part at 0 that needs the other half: NodeMCU's, which has code mapped
-- from flash. A complete program that lives in RAM alone has its entry point's
-- code and nothing else; only the name tells them apart.
local function check_alone(file, parsed)
  local addr = firmware_files.address_of(file.name)
  if addr == 0 and not parsed.aggregated and parsed.kind == "v1" then
    errors.raise("file", file.name .. " is half a firmware: 0x10000.bin of the same build"
      .. " belongs to it", { hint = "name both files, or the folder that they are in" })
  elseif addr == IROM or parsed.kind == "irom" then
    errors.raise("file", file.name .. " is half a firmware: 0x00000.bin of the same build"
      .. " belongs to it", { hint = "name both files, or the folder that they are in" })
  elseif addr and addr ~= 0 then
    refuse_address(file.name, addr)
  elseif parsed.kind == "v2" then
    errors.raise("image", file.name .. " needs Espressif's boot loader at 0x0 before it",
      { hint = "write both: moonflash write 0x0 boot.bin 0x1000 " .. base_name(file.name) })
  end
end

--- Make one firmware of the files named.
-- @tparam {{name,data},...} list one or two files
-- @treturn table `bytes` to be written at 0; `parsed` of them (`image.parse`);
-- `name` for messages; `files` = { { name, addr, size }, ... }
-- @raise `usage` for more than two files, `file`, `image`, `overlap`, `plan`
function firmware_files.join(list)
  if #list < 1 or #list > 2 then
    errors.raise("usage", ("a firmware is one file or two, not %d"):format(#list),
      { hint = "moonflash write takes any number, with addresses" })
  end
  local name = base_name(list[1].name)
  if #list == 1 then
    local file = list[1]
    local parsed = image.parse(file.data, { name = name })
    check_alone(file, parsed)
    image.check(parsed, file.name)
    return { bytes = file.data, parsed = parsed, name = name,
      files = { { name = file.name, addr = 0, size = #file.data } } }
  end
  local bytes, ordered = join(list)
  local parsed = image.check(image.parse(bytes), ordered[2].name)
  local files = {}
  for i, file in ipairs(ordered) do
    files[i] = { name = file.name, addr = file.addr, size = #file.data }
  end
  return { bytes = bytes, parsed = parsed, files = files,
    name = base_name(ordered[1].name) .. " + " .. base_name(ordered[2].name) }
end

return firmware_files
