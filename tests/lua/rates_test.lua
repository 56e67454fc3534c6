-- At every rate that ROM and stub are used at, what travels arrives: whole blocks
-- for the ROM's loader, single answers of the stub.
local lu = require "luaunit"
local esp = require "esp"

local SEED <const> = math.tointeger(tonumber(os.getenv "SEED" or os.time()))
local PING <const>, FIRST_DIVISOR <const>, LAST_DIVISOR <const> = 2, 76, 100
local STEPS <const> = { { "pll", 1 }, { "double", 5 } } -- clocks, every n-th divisor

local function random_bytes(n)
  local t = {}
  for i = 1, n do
    t[i] = string.char(math.random(0, 255))
  end
  return table.concat(t)
end

local function loader()
  local port = assert(esp.open("sim:?latency=0", 115200))
  local rom = esp.rom(port)
  assert(rom:connect { reset = "nodemcu" })
  return port, rom
end

local ESCAPES <const> = { ["\xC0"] = "\xDB\xDC", ["\xDB"] = "\xDB\xDD" }
local UNESCAPES <const> = { ["\xDB\xDC"] = "\xC0", ["\xDB\xDD"] = "\xDB" }

local function frame(op, seq, body)
  local plain = string.pack("<BBI2I4I4", op, 0, seq, 0, 0) .. body
  plain = plain .. string.pack("<I4", esp.crc32(plain))
  return "\xC0" .. plain:gsub("[\xC0\xDB]", ESCAPES) .. "\xC0"
end

--- All that comes until the line is silent, by hand: the library would ask again.
local function all_of(port)
  local got = ""
  repeat
    local more = port:read(1000, 3)
    got = got .. more
  until more == ""
  return got
end

local function body_of(raw)
  local plain = raw:gsub("\xC0", ""):gsub("\xDB.", UNESCAPES)
  return plain:sub(13, -5), plain:sub(1, -5), string.unpack("<I4", plain, #plain - 3)
end

TestRates = {}

function TestRates:setUp()
  print("# SEED=" .. SEED)
  math.randomseed(SEED)
end

function TestRates:test_the_rom_takes_every_block_at_every_rate()
  for _, baud in ipairs { 115200, 230400, 460800, 921600, 1500000 } do
    local port, rom = loader()
    if baud ~= 115200 then
      assert(rom:change_baud(baud))
    end
    assert(rom:flash_params(4 << 20))
    assert(rom:flash_write_begin(0, 0x10000))
    for i = 0, 63 do
      local ok, message = rom:flash_write_block(random_bytes(1024))
      lu.assertTrue(ok, ("block %d at %d baud: %s"):format(i, baud, message))
    end
    port:close()
  end
end

local function each_ping_is_whole(port, baud)
  for seq = 1, 8 do
    local body = random_bytes(60)
    port:write(frame(PING, seq, body))
    port:drain()
    local got, covered, crc = body_of(all_of(port))
    lu.assertEquals(got, body, "at " .. baud)
    lu.assertEquals(crc, esp.crc32(covered), "at " .. baud)
  end
end

function TestRates:test_the_stub_answers_without_an_error_at_every_divisor()
  for _, s in ipairs(STEPS) do
    local clocks, step = s[1], s[2]
    for divisor = FIRST_DIVISOR, LAST_DIVISOR, step do
      local port, rom = loader()
      assert(rom:change_baud(921600))
      local stub = assert(esp.stub(rom))
      local baud = 80000000 // divisor
      lu.assertTrue(stub:set_baud(baud, clocks))
      lu.assertEquals(port:baud(), baud)
      each_ping_is_whole(port, baud)
      port:close()
    end
  end
end

os.exit(lu.LuaUnit.run())
