--- The files of a write: what goes where, checked before the chip is touched.
--
-- A part is `{ addr, data, name }`: the bytes of one file and their first flash
-- address.
-- @module moonflash.parts
local errors <const> = require "moonflash.errors"
local file_formats <const> = require "moonflash.file_formats"
local files <const> = require "moonflash.files"
local image <const> = require "moonflash.image"
local image_header <const> = require "moonflash.image_header"
local numbers <const> = require "moonflash.numbers"
local report <const> = require "moonflash.report"
local text <const> = require "moonflash.text"
local unfinished <const> = require "moonflash.unfinished"

local parts = {}

local BOOT_ADDR <const> = 0

--- Adds the arguments `ADDR FILE ...` and the header options to a command.
-- @tparam table parser
-- @tparam string verb what the command does with the files
function parts.add_options(parser, verb)
  parser:argument("pairs", "address and file, as often as needed"):args("*")
    :argname "ADDR FILE"
  parser:option("--mode -m", "flash mode in the boot header: keep, qio, qout, dio, dout")
    :default "keep"
  parser:option("--freq -f", "flash clock in the boot header: keep, 20m, 26m, 40m, 80m")
    :default "keep"
  parser:option("--size -s", "flash size in the boot header: detect, keep, 512k to 16M")
    :default "detect"
  parser:flag("--force", verb .. " even what does not look right for this chip")
end

--- Reads files, each after the address where it goes; gzip, Intel HEX and UF2 are
-- understood (@{moonflash.file_formats}).
-- @tparam {string,...} words address, file, address, file ...
-- @treturn {part,...}
-- @raise `usage`, `file`, `toobig`
function parts.read_pairs(words)
  if #words == 0 or #words % 2 ~= 0 then
    errors.raise("usage", "addresses and files come in pairs" .. (#words == 0 and "" or
      "; the last address has no file"),
      { hint = "such as 0x0 a.bin 0x10000 b.bin" })
  end
  local list = {}
  for i = 1, #words, 2 do
    local read = file_formats.read(numbers.parse(words[i], "address"), words[i + 1])
    table.move(read, 1, #read, #list + 1, list)
  end
  return list
end

--- Reads the files named on the command line.
-- @tparam table opt `pairs`
-- @treturn {part,...}
-- @raise `usage`, `file`, `toobig`
function parts.read(opt)
  local list = parts.read_pairs(opt.pairs)
  -- a bad word is refused before the chip is touched
  image_header.change(0, 0, { mode = opt.mode, freq = opt.freq,
    size = opt.size ~= "detect" and opt.size or nil })
  return list
end

-- What must be true of the file at 0x0: it is what the chip boots.
local function check_boot(part, force)
  local img = image.parse(part.data)
  local ok, e = pcall(image.check, img, part.name)
  if not ok then
    if not force then error(e, 0) end
    report.warn("%s; taken because of --force", tostring(e))
  end
  for _, w in ipairs(img.warnings) do report.warn("%s: %s", part.name, w.text) end
  part.image = ok and img or nil
end

-- What no address but 0x0 makes sense of either; other data may be anything.
local NEVER <const> = { esp32 = true, elf = true, intelhex = true, uf2 = true, exe = true,
  html = true, zip = true }

local function check_data(part, force)
  local foreign = image.parse(part.data).foreign
  if not foreign or not NEVER[foreign.kind] then return end
  if force then
    return report.warn("%s: this is %s; taken because of --force", part.name, foreign.name)
  end
  errors.raise("image", ("%s is %s, which the chip cannot use as it is"):format(part.name,
    foreign.name), { hint = foreign.hint or "--force takes it all the same" })
end

--- Checks the files' contents: is it for this chip, is it whole?
-- @tparam {part,...} list
-- @tparam[opt] boolean force warn instead
-- @raise `image`
function parts.check(list, force)
  for _, part in ipairs(list) do
    local check = part.addr == BOOT_ADDR and check_boot or check_data
    check(part, force)
  end
end

--- Patches mode, clock and size of a boot image at 0x0 as asked.
-- @tparam {part,...} list
-- @tparam table opt `mode`, `freq`, `size`
-- @tparam table flash from device:flash()
function parts.patch(list, opt, flash)
  local size = opt.size
  if size == "detect" then size = flash.size end
  for _, part in ipairs(list) do
    if part.addr == BOOT_ADDR and part.image then
      local data = image.patch_header(part.data, { mode = opt.mode, freq = opt.freq, size = size })
      if data ~= part.data then
        local old = image_header.decode(part.data:byte(3, 4))
        local new = image_header.decode(data:byte(3, 4))
        report.stage("boot header: %s %s %s -> %s %s %s", old.mode, old.freq, old.size,
          new.mode, new.freq, new.size)
      end
      part.data = data
    end
  end
end

--- The largest flash that the files may be meant for, known before connecting:
-- what `--size` names, else the largest that the chip can use.
-- @tparam table opt `size`
-- @treturn integer bytes
function parts.largest(opt)
  if opt.size == "detect" or opt.size == "keep" then return files.MAX_BYTES end
  local code = image_header.size_code(opt.size)
  return image_header.sizes[code].bytes
end

--- Whether a part begins inside a sector, so that what is before it must be kept.
-- What its last sector holds behind a part becomes blank otherwise.
-- @tparam {part,...} list
-- @treturn boolean
function parts.is_partial(list)
  for _, part in ipairs(list) do
    if part.addr % 0x1000 ~= 0 then return true end
  end
  return false
end

--- The key under which a write is remembered that keeps what lies beside its parts.
-- @tparam string command
-- @tparam {part,...} list
-- @treturn string|nil nil when nothing of what is in flash is kept
function parts.key(command, list)
  if not parts.is_partial(list) then return nil end
  local words = { command }
  for i, part in ipairs(list) do words[i + 1] = part.addr .. "\0" .. part.data end
  return unfinished.key(table.unpack(words))
end

--- Bytes of all parts.
-- @tparam {part,...} list
-- @treturn integer
function parts.total(list)
  local n = 0
  for _, part in ipairs(list) do n = n + #part.data end
  return n
end

--- Checks that every part fits the flash that is there.
-- @tparam {part,...} list
-- @tparam table flash from device:flash()
-- @raise `range`
function parts.must_fit(list, flash)
  for _, part in ipairs(list) do
    local over = part.addr + #part.data - flash.size
    if over > 0 then
      errors.raise("range", ("%s at 0x%06x ends %s behind this chip's %s of flash"):format(
        part.name, part.addr, text.count(over, "byte"), numbers.size_text(flash.size)),
        { hint = "nothing was written" })
    end
  end
end

return parts
