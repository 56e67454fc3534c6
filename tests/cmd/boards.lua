-- Boards for tests of whole commands: flash contents made of documented markers,
-- and the program run on a simulated chip whose flash is a file of the test's.
local esp = require "esp"
local harness = require "harness"
local lu = require "luaunit"
local partition = require "moonflash.partition"

local boards = {}

--- n bytes that look like code: the same for the same seed.
function boards.noise(n, seed)
  local pieces = {}
  for i = 1, (n + 31) // 32 do
    pieces[i] = esp.sha256(("%d %d"):format(seed, i)):gsub("..", function(h)
      return string.char(tonumber(h, 16))
    end)
  end
  return table.concat(pieces):sub(1, n)
end

--- Bytes of a flash of a size with pieces at addresses, else blank.
function boards.flash(size, pieces)
  local bytes = ("\xff"):rep(size)
  for addr, piece in pairs(pieces) do
    bytes = bytes:sub(1, addr) .. piece .. bytes:sub(addr + #piece + 1)
  end
  assert(#bytes == size)
  return bytes
end

--- Other bytes at an address.
function boards.put(bytes, addr, piece)
  return bytes:sub(1, addr) .. piece .. bytes:sub(addr + #piece + 1)
end

local CODES <const> = { [0x80000] = 0, [0x100000] = 2, [0x200000] = 3, [0x400000] = 4 }

local function header(size)
  return "\xe9\1\2" .. string.char(CODES[size] << 4) .. "\4\0\x10\x40" .. "\0\0\x10\x40"
    .. "\4\0\0\0" .. "\1\2\3\4" .. ("\0"):rep(11) .. string.char(0xef ~ 1 ~ 2 ~ 3 ~ 4)
end

--- A board with NodeMCU 2.2: firmware, init data, parameters.
function boards.nodemcu2(size, seed)
  local banner = "\nNodeMCU 2.2.0.0 build 20190805 powered by Lua 5.1.4 on SDK 2.2.1(6ab97e9)\0"
  local init = require("moonflash.init_data").build {}
  return boards.flash(size, {
    [0] = header(size) .. boards.noise(0x5000, seed),
    [0x10000] = banner .. boards.noise(0x30000, seed + 1),
    [size - 0x5000] = boards.noise(0x200, seed + 2), [size - 0x4000] = init,
    [size - 0x3000] = boards.noise(0x2000, seed + 3),
  })
end

local FACTORY <const> = {
  { name = "firmware", addr = 0, size = 0xB000 }, { name = "rf-cal", addr = 0xD000, size = 0x1000 },
  { name = "init-data", addr = 0xF000, size = 0x1000 }, { name = "irom", addr = 0x10000, size = 0 },
  { name = "lfs", addr = 0, size = 0 }, { name = "spiffs", addr = 0, size = partition.REST },
  { name = "system-param", addr = 0, size = 0x3000 },
}

--- The sector at 0x10000 as it is in a build of NodeMCU 3, or after its first start.
function boards.table3(size, started)
  local bytes = partition.encode(FACTORY, 0x40000)
  if started then
    local read = partition.read(bytes .. ("\xff"):rep(0x1000 - #bytes))
    bytes = "\x18\0\0\0" .. bytes:sub(5) .. partition.encode(partition.complete(read, size))
      .. "\0\2\0\0" .. "\2\5\0\0dofile()"
  end
  return bytes .. ("\xff"):rep(0x1000 - #bytes)
end

--- A board with NodeMCU 3.
function boards.nodemcu3(size, seed, started)
  return boards.flash(size, {
    [0] = header(size) .. boards.noise(0x5000, seed), [0x10000] = boards.table3(size, started),
    [0x11000] = "NodeMCU 3.0.0.0 \n\trelease: 3.0\0" .. boards.noise(0x2E000, seed + 1),
    [0xF000] = require("moonflash.init_data").build {}, [size - 0x3000] = boards.noise(0x1000, seed),
  })
end

--- Runs a command that is to succeed; returns stdout, stderr.
function boards.good(...)
  local out, err, code = harness.run(...)
  lu.assertEquals(code, 0, err .. out)
  lu.assertNotStrContains(out .. err, "stack traceback")
  return out, err
end

--- Runs a command that is to fail with an exit code and a message; returns stderr, stdout.
function boards.bad(code, pattern, ...)
  local out, err, got = harness.run(...)
  lu.assertEquals(got, code, err .. out)
  lu.assertStrMatches(err, "(.-)moonflash: .*" .. pattern .. ".*", nil, nil, err)
  lu.assertNotStrContains(err .. out, "stack traceback")
  lu.assertNotStrContains(out, "ok:")
  return err, out
end

--- The events of a run with --json, by name: the last of each.
function boards.events(out)
  local events = {}
  for line in out:gmatch("[^\n]+") do
    local e = assert(require("dkjson").decode(line), line)
    events[e.event] = e
  end
  return events
end

--- Compares flash contents without printing megabytes.
function boards.same(got, want, what)
  if got == want then return end
  local at = 1
  while got:byte(at) == want:byte(at) do at = at + 1 end
  lu.fail(("%s: %d and %d bytes, first difference at 0x%x"):format(what or "flash", #got, #want,
    at - 1))
end

return boards
