-- The simulated chip for Lua and for other programs.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local esp = require "esp"
local lu = require "luaunit"

TestSim = {}

function TestSim:setUp()
  self.dir = harness.directory()
end

function TestSim:tearDown()
  harness.remove(self.dir)
end

local function connected(options)
  local sim = assert(esp.sim(options or {}))
  local rom = esp.rom(sim:port())
  assert(rom:connect { reset = "nodemcu" })
  return sim, rom
end

function TestSim:test_a_chip_can_be_looked_into_while_it_lives()
  local sim, rom = connected { size = "1M", mac = "5C:CF:7F:01:02:03" }
  lu.assertEquals(sim:flash_size(), 0x100000)
  lu.assertEquals(sim:peek(0x40001000), 0xfff0c101)
  lu.assertEquals({ sim:peek(0x3ff00050, 2) }, rom:read_regs { 0x3ff00050, 0x3ff00054 })
  lu.assertTrue(sim:poke(0x3ffe8000, 0x12345678))
  lu.assertEquals(rom:read_reg(0x3ffe8000), 0x12345678)
  lu.assertFalse(sim:poke(0x40001000, 1))
  assert(rom:write_reg(0x3ffe8004, 77))
  lu.assertEquals(sim:peek(0x3ffe8004), 77)
  local cpu = sim:cpu()
  lu.assertEquals(#cpu.a, 16)
  lu.assertEquals(cpu.pc >> 16, 0x4000)   -- the ROM's loader
end

function TestSim:test_flash_is_seen_and_set_directly_and_operations_are_counted()
  local sim, rom = connected { size = "1M" }
  sim:set_flash(0x1000, "old contents")
  lu.assertEquals(sim:flash(0x1000, 12), "old contents")
  assert(rom:flash_params(0x100000))
  assert(rom:flash_erase(0x1000, 0x1000))
  assert(rom:flash_write_begin(0x1000, 1024))
  assert(rom:flash_write_block(("new!"):rep(256)))
  lu.assertEquals(sim:flash(0x1000, 1025), ("new!"):rep(256) .. "\xff")
  lu.assertEquals(sim:sector_erases()[2], 1)
  lu.assertEquals(sim:sector_erases()[3], 0)
  local programs = sim:page_programs()
  lu.assertEquals({ programs[16], programs[17], programs[20], programs[21] }, { 0, 8, 8, 0 })
  local stats = sim:stats()
  lu.assertEquals(stats.erases, 1)
  lu.assertEquals(stats.overwrites, 0)
  lu.assertEquals(stats.busy_commands, 0)
  lu.assertEquals(stats.uart_lost, 0)
end

function TestSim:test_programming_without_erasing_is_counted_as_what_it_is()
  local sim, rom = connected { size = "1M" }
  sim:set_flash(0, ("\0"):rep(0x1000))
  assert(rom:flash_params(0x100000))
  assert(rom:flash_write_begin(0, 1024))
  rom:flash_write_block(("\xff\0"):rep(512))
  lu.assertTrue(sim:stats().overwrites > 0)
end

function TestSim:test_power_and_time()
  local sim = connected()
  local before = sim:now()
  sim:run(1500)
  lu.assertEquals(sim:now() - before, 1500000)
  sim:power(false)
  lu.assertFalse(sim:is_on())
  sim:power(true)
  lu.assertTrue(sim:is_on())
end

function TestSim:test_a_closed_port_takes_its_chip_along()
  local sim = connected()
  sim:port():close()
  lu.assertErrorMsgContains("closed", sim.now, sim)
end

function TestSim:test_bad_options_are_named()
  local sim, message, code = esp.sim { colour = "red" }
  lu.assertNil(sim)
  lu.assertStrContains(message, "colour")
  lu.assertEquals(code, "argument")
end

function TestSim:test_options_may_be_booleans_and_of_any_length()
  local sim = assert(esp.sim { size = "512K", protect = true, strap = 1, seed = 7 })
  lu.assertEquals(sim:flash_size(), 0x80000)
  for _, size in ipairs { ("4"):rep(1100), ("4"):rep(30000), ("&"):rep(2000) } do
    local none, message, code = esp.sim { size = size, strap = 1 }
    lu.assertNil(none)
    lu.assertStrContains(message, "longer")
    lu.assertEquals(code, "argument")
  end
end

function TestSim:test_several_boards_in_one_process_do_not_touch_each_other()
  local chips = {}
  for i = 1, 8 do
    chips[i] = connected { size = "512K", mac = ("5C:CF:7F:00:00:%02X"):format(i) }
    chips[i]:set_flash(0, ("board %d"):format(i))
  end
  for i = 1, 8 do
    lu.assertEquals(chips[i]:flash(0, 7), ("board %d"):format(i))
    lu.assertEquals(chips[i]:peek(0x3ff00050) >> 24, i)
  end
end

-- Starts `moonflash sim ...` for some seconds; returns its first lines.
function TestSim:serve(seconds, lines, ...)
  local words = { harness.quote(harness.program), "sim", "--seconds", tostring(seconds) }
  for _, a in ipairs { ... } do words[#words + 1] = harness.quote(a) end
  local p = assert(io.popen(table.concat(words, " ") .. " 2>&1"))
  local got = {}
  for i = 1, lines do got[i] = p:read("l") end
  return got, p
end

function TestSim:test_other_programs_reach_it_by_rfc_2217()
  local flash = self.dir .. "/board.flash"
  local got, p = self:serve(8, 1, flash .. "?size=1M", "--rfc2217", "0")
  local url = got[1]:match("rfc2217://%S+")
  lu.assertNotNil(url, got[1])
  local out, err, code = harness.run("-p", url, "write", "0x0", "examples/hello/hello.bin")
  if err:find("libgensio", 1, true) then p:close() lu.skip("libgensio is not installed") end
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "ok: 384 bytes verified")
  p:close()
  local written = harness.read(flash)
  lu.assertEquals(written:sub(5, 384), harness.read("examples/hello/hello.bin"):sub(5))
end

function TestSim:test_other_programs_reach_two_of_them_as_pseudo_terminals()
  local link = self.dir .. "/tty"
  local got, p = self:serve(8, 2, self.dir .. "/a.flash?size=1M",
    self.dir .. "/b.flash?size=512K", "--pty", link)
  lu.assertStrContains(got[1], link)
  lu.assertStrContains(got[2], link .. "2")
  local out, err, code = harness.run("-p", link, "info")
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "1 MB")
  out, err, code = harness.run("-p", link .. "2", "info")
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "512 KB")
  p:close()
end

function TestSim:test_boot_shows_the_console_of_what_is_in_flash()
  local flash = self.dir .. "/board.flash"
  local _, err, code = harness.run("-p", "sim:" .. flash .. "?size=1M", "write", "0x0",
    "examples/hello/hello.bin")
  lu.assertEquals(code, 0, err)
  local out
  out, err, code = harness.run("sim", flash, "--boot", "--seconds", "3")
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "boot mode:(3,")
  lu.assertStrContains(out, "| hello from moonflash")
  lu.assertStrContains(out, "| count 1")
end

os.exit(lu.LuaUnit.run())
