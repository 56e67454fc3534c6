-- SPIFFS file systems: found, mounted, read, checked and repaired. The input is a
-- list of changes to a sound one: which one (a byte), then page (2 bytes), offset
-- and length (a byte each) and the new bytes.
local errors = require "moonflash.errors"
local spiffs = require "moonflash.spiffs"

local SIZE <const> = 65536

local files <const> = {
  { name = "init.lua", bytes = "print('hello')\n" },
  { name = "big.bin", bytes = ("0123456789abcdef"):rep(900) },
  { name = "empty", bytes = "" },
  { name = "http/config.json", bytes = ("{\"a\":1}"):rep(150) },
}

local bases = {}
for _, flavour in ipairs { "0.9.5", "1", "2", "3" } do
  for _, block in ipairs { 4096, 8192 } do
    local ok, fs = pcall(spiffs.build, files, { size = SIZE, flavour = flavour, block = block })
    if ok then bases[#bases + 1] = { bytes = fs:bytes(), flavour = flavour, block = block } end
  end
end
bases[#bases + 1] = { bytes = ("\xff"):rep(SIZE), flavour = "3", block = 8192 }
bases[#bases + 1] = { bytes = ("\0"):rep(SIZE), flavour = "2", block = 4096 }

local function expand(input)
  local base = bases[(input:byte(1) or 0) % #bases + 1]
  local bytes, at = base.bytes, 2
  while at + 4 <= #input do
    local page, offset, length = ("<I2BB"):unpack(input, at)
    local new = input:sub(at + 4, at + 3 + length)
    local addr = page * 256 % SIZE + offset
    bytes = (bytes:sub(1, addr) .. new .. bytes:sub(addr + #new + 1)):sub(1, SIZE)
    at = at + 4 + length
  end
  return bytes, base
end

local function attempt(f, ...)
  local ok, answer = pcall(f, ...)
  if not ok and not errors.is(answer) then error(answer, 0) end
  return ok and answer or nil
end

-- Reads all that can be read; repaired, it is sound, and nothing was lost that
-- could be read whole.
local function use(fs, repairs)
  local whole = {}
  for _, file in ipairs(fs:list()) do
    local bytes, why = fs:read(file.name, true)
    if not why and file.name ~= "" then whole[file.name] = bytes end
  end
  fs:space()
  local found = fs:check()
  local lines = {}
  for i, problem in ipairs(found.problems) do lines[i] = problem.text end
  if found.sound then
    for name, bytes in pairs(whole) do assert(fs:read(name) == bytes, "sound and not readable") end
  end
  if repairs then
    local result = attempt(fs.repair, fs)
    assert(not result or #result.left == 0, "not sound after its repair")
    attempt(fs.put, fs, "new.lua", "x = 1")
    attempt(fs.remove, fs, "big.bin")
    assert(not result or fs:check().sound, "not sound after a change")
  end
  return lines
end

local function read(input)
  local bytes, base = expand(input)
  for _, found in ipairs(spiffs.find(bytes)) do use(spiffs.open(bytes, { addr = found.addr })) end
  if spiffs.probe(bytes) then use(spiffs.open(bytes)) end
  return use(spiffs.open(bytes, { flavour = base.flavour, block = base.block }), true)
end

return { read = read, words = { "\xff\xff", "\1\x80", "\0\0\0\4", "\x1f\0\0\4", "\0\0", "init.lua\0" } }
