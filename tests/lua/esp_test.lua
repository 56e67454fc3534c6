-- The functions in C as a Lua program meets them: a mistake in a call raises and says
-- which argument, what the world refuses comes back as nil, message, code.
local esp = require "esp"
local lu = require "luaunit"

local function raises(words, f, ...)
  local ok, message = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertStrContains(message, words)
end

-- Each row: words of the message, then the arguments.
local function all_raise(f, rows, self)
  for _, row in ipairs(rows) do
    if self then raises(row[1], f, self, table.unpack(row, 2, 5))
    else raises(row[1], f, table.unpack(row, 2, 5)) end
  end
end

local function fails(code, words, result, message, got)
  lu.assertNil(result)
  lu.assertEquals(got, code)
  lu.assertStrContains(message, words)
end

TestCalls = {}

function TestCalls:test_bytes()
  all_raise(esp.sector_crcs, { { "#2", "x", 0 }, { "#2", "x", -1 } })
  all_raise(esp.deflate, { { "#2", "x", -1 }, { "#2", "x", 13 }, { "#3", "x", 1, "rar" } })
  all_raise(esp.inflate, { { "#2", "x", 0 }, { "#2", "x", (64 << 20) + 1 } })
  all_raise(esp.crc32, { { "number", "x", "y" } })
end

function TestCalls:test_time_and_files()
  all_raise(esp.sleep, { { "#1", -1 }, { "#1", 86400001 }, { "number", "soon" } })
  all_raise(esp.limit_memory, { { "#1", -1 } })
  fails("io", "/no/such/folder", esp.write_file("/no/such/folder/file", "x"))
  fails("io", "/dev/full", esp.write_file("/dev/full", "x"))
end

function TestCalls:test_ports()
  all_raise(esp.open, { { "#2", "sim:", 0 }, { "#2", "sim:", -1 }, { "#2", "sim:", 1 << 40 } })
  local port <close> = esp.open("sim:")
  all_raise(port.read, { { "size", 0 }, { "size", -1 }, { "size", 1 << 40 },
    { "milliseconds", 1, -1 }, { "milliseconds", 1, 3600001 } }, port)
  raises("esp.port", port.read, {}, 1)
  lu.assertTrue(port:set_break(true))
  lu.assertTrue(port:set_break(false))
  local before = port:now()
  lu.assertTrue(port:sleep(20))
  lu.assertAlmostEquals(port:now() - before, 20000, 1000)
end

function TestCalls:test_a_closed_port_says_so_whatever_is_asked()
  local port = esp.open("sim:")
  port:close()
  port:close()
  fails("closed", "closed", port:read(1))
  fails("closed", "closed", port:write("x"))
  fails("closed", "closed", port:drain())
  fails("closed", "closed", port:flush())
  fails("closed", "closed", port:baud(9600))
  fails("closed", "closed", port:lines { dtr = true })
  fails("closed", "closed", port:set_break(true))
  fails("closed", "closed", port:sleep(1))
  lu.assertEquals(port:info().kind, "closed")
  lu.assertStrContains(tostring(port), "closed")
  lu.assertEquals(port:now(), 0)
  fails("closed", "closed", esp.rom(port):sync())
end

function TestCalls:test_processes()
  raises("1024", esp.process.spawn, {})
  local many = {}
  for i = 1, 1025 do many[i] = "x" end
  raises("1024", esp.process.spawn, many)
  raises("words are strings", esp.process.spawn, { "true", 1 })
  raises("env", esp.process.spawn, { "true", env = "x" })
  raises("env", esp.process.spawn, { "true", env = { "x" } })
  fails("missing", "no-such-program", esp.process.spawn { "no-such-program" })
  all_raise(esp.process.poll, { { "#2", {}, -1 }, { "#2", {}, 3600001 } })
end

function TestCalls:test_the_simulated_chip()
  all_raise(esp.sim, { { "baud", { baud = 0 } }, { "baud", { baud = -5 } },
    { "baud", { baud = 1 << 40 } }, { "names", { "4M" } } })
  local sim = esp.sim { size = "512K" }
  all_raise(sim.run, { { "milliseconds", -1 }, { "milliseconds", 86400001 } }, sim)
  all_raise(sim.peek, { { "count", 0x40001000, 0 }, { "count", 0x40001000, 201 },
    { "32-bit", -1 } }, sim)
  all_raise(sim.flash, { { "outside", 0x80000, 1 }, { "outside", 0x80001, 0 },
    { "outside", 0, 0x80001 }, { "length", 0, -1 } }, sim)
  all_raise(sim.set_flash, { { "outside", 0x7FFFF, "ab" } }, sim)
  lu.assertEquals(sim:flash(0x80000, 0), "")
  all_raise(esp.serve, { { "servers", {} }, { "#2", { { sim, "pty" } }, -1 },
    { "#2", { { sim, "pty" } }, 1 << 31 } })
  sim:port():close()
  raises("closed", sim.now, sim)
  lu.assertNil(esp.sim_of(sim:port()))
end

function TestCalls:test_resets()
  local port <close> = esp.open("sim:")
  raises("sets dtr, rts", esp.reset, port, { {} })
  raises("too many", esp.reset, port, setmetatable({}, { __len = function() return 1000 end }))
  fails("argument", "no reset sequence 'magic'", esp.reset(port, "magic"))
  lu.assertTrue(esp.reset(port, { { dtr = 0 }, { rts = 1 }, { break_ms = 1 }, { wait_ms = 5 },
    { dtr = 0, rts = 0 } }))
end

TestRom = {}

function TestRom:setUp()
  self.sim = esp.sim { size = "512K" }
  self.rom = esp.rom(self.sim:port())
  lu.assertTrue(self.rom:connect { reset = "nodemcu" })
end

function TestRom:tearDown() self.sim:port():close() end

function TestRom:test_addresses_that_would_hang_the_chip_raise()
  local rom = self.rom
  for _, addr in ipairs { 0, 2, 0x3FF00051, -4, 1 << 32 } do
    raises("#", rom.read_reg, rom, addr)
    raises("#", rom.write_reg, rom, addr, 0)
    raises("#", rom.read_regs, rom, { addr })
  end
  lu.assertEquals(rom:read_reg(0x40001000), 0xFFF0C101)
  lu.assertTrue(rom:write_reg(0x60000340, 0xF0, 0xFF, 10))
  lu.assertEquals(rom:read_reg(0x60000340) & 0xFF, 0xF0)
  lu.assertFalse(rom:is_stub())
end

function TestRom:test_nonsense_raises()
  local rom = self.rom
  raises("attempts", rom.connect, rom, { attempts = -1 })
  fails("argument", "magic", rom:connect { reset = "magic" })
  all_raise(rom.flash_status, { { "1 to 3", 0 }, { "1 to 3", 4 } }, rom)
  all_raise(rom.flash_write_status, { { "byte", 1, 256 } }, rom)
  all_raise(rom.spi, { { "command byte", {} }, { "command byte", { op = -1 } },
    { "command byte", { op = 256 } }, { "64 bytes", { op = 0x9F, read = -1 } },
    { "64 bytes", { op = 0x9F, read = 65 } }, { "64 bytes", { op = 0x9F, dummy_bits = -1 } },
    { "64 bytes", { op = 0x9F, addr_bits = -1 } } }, rom)
  all_raise(rom.command, { { "command byte", {} }, { "command byte", { op = 256 } },
    { "too many words", { op = 10, words = { 1, 2, 3, 4, 5, 6, 7 } } } }, rom)
  all_raise(rom.flash_read, { { "size", 0, 0 }, { "size", 0, -1 }, { "size", 0, 1 << 40 } }, rom)
  raises("flash_write_begin", rom.flash_write_block, rom, "x")
  fails("timeout", "no frame", rom:frame(10))
end

function TestRom:test_the_flash_chip_answers_a_command_of_ones_own()
  self.sim:set_flash(0x123, "here")
  lu.assertEquals(self.rom:spi { op = 0x03, addr = 0x123, read = 4 }, "here")
  lu.assertEquals(#self.rom:spi { op = 0x9F, read = 3 }, 3)
  lu.assertErrorMsgContains("op is out of range", self.rom.spi, self.rom, { op = 1 << 32 | 0x9F })
end

TestStub = {}

function TestStub:setUp()
  self.sim = esp.sim { size = "512K" }
  local rom = esp.rom(self.sim:port())
  lu.assertTrue(rom:connect { reset = "nodemcu" })
  self.rom, self.stub = rom, assert(esp.stub(rom))
end

function TestStub:tearDown() self.sim:port():close() end

function TestStub:test_nonsense_raises()
  local stub = self.stub
  all_raise(esp.stub, { { "#2", self.rom, 0 }, { "#2", self.rom, 1 << 31 } })
  all_raise(esp.share_units, { { "#1", 0 }, { "#1", -1 }, { "#1", (1 << 30) + 1 } })
  local rates = {}
  for i = 1, 100 do rates[i] = 9600 end
  raises("too many rates", stub.allow_slower, stub, rates)
  raises("too long", stub.ping, stub, ("x"):rep(1 << 20))
  for _, method in ipairs { stub.hashes, stub.read } do
    all_raise(method, { { "length", 0, 0 }, { "argument", 0, -1 }, { "argument", 0, 1 << 40 } }, stub)
  end
  all_raise(stub.mem_read, { { "word", 2, 4 }, { "length", 4, 0 }, { "argument", 4, -4 },
    { "length", 4, 3 }, { "length", 4, 0x20004 } }, stub)
  all_raise(stub.mem_write, { { "word", 2, "abcd" }, { "multiple of 4", 4, "abc" } }, stub)
  all_raise(stub.write_unit, { { "length", 0, "" }, { "length", 0, "abc" },
    { "length", 0, ("x"):rep(0x4004) } }, stub)
  all_raise(stub.write_status, { { "status", 0x06, "a" }, { "one or two", 0x01, "" },
    { "one or two", 0x01, "abc" } }, stub)
  all_raise(stub.spi, { { "command bytes", { op = 256 } }, { "op", { op = -1 } },
    { "command bytes", { op = 1, before = 256 } }, { "op", { op = 1 << 32 } } }, stub)
end

function TestStub:test_memory_is_written_and_read_back()
  lu.assertTrue(self.stub:mem_write(0x3FFE8000, "moonfish"))
  lu.assertEquals(self.stub:mem_read(0x3FFE8000, 8), "moonfish")
end

function TestStub:test_what_lies_outside_the_flash_is_no_address()
  fails("argument", "outside", self.stub:read(0x1000000, 4))
  fails("argument", "outside", self.stub:hashes(0xFFF000, 0x2000))
  lu.assertNil((self.stub:write_begin(0x800, 0x1000)))
  lu.assertNil((self.stub:erase(0x1000, 0x800)))
end

function TestStub:test_the_queue_can_be_emptied()
  lu.assertTrue(self.stub:write_begin(0x1000, 0x1000))
  lu.assertTrue(self.stub:reset())
  lu.assertNil(self.stub:state().error)
  lu.assertEquals(self.sim:flash(0x1000, 4), "\xff\xff\xff\xff")
end

function TestStub:test_leaving_runs_what_was_loaded()
  local spin = "\x06\xff\xff\x00"       -- j . (RAM of instructions takes whole words only)
  lu.assertTrue(self.stub:mem_write(0x4010E000, spin))
  lu.assertTrue(self.stub:run(0x4010E000))
  self.sim:run(5)
  lu.assertEquals(self.sim:cpu().pc, 0x4010E000)
end

os.exit(lu.LuaUnit.run())
