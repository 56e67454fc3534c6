-- The parts of `flash` that deal with a device, against a scripted one.
local flashing = require "moonflash.flashing"
local image = require "moonflash.image"
local lu = require "luaunit"
local report = require "moonflash.report"

report.setup { quiet = true }

local IMAGE <const> = image.build { entry = 0x40100004, mode = "qio", size = "512KB",
  segments = { { addr = 0x40100000, data = ("abcd"):rep(2000) } } }

-- A device whose flash reads right in some modes only; `written` collects writes.
local function fake_device(works)
  local dev = { written = {}, tried = {}, commands = {} }
  local stub = {}
  function stub.mode_works(_, _, _, mode)
    dev.tried[#dev.tried + 1] = mode
    return works[mode]
  end
  function stub.spi(_, t)
    dev.commands[#dev.commands + 1] = t.op
    return t.read and "\0" or ""
  end
  dev.loader = { stub = stub }
  function dev.flash() return { id = 0x1640EF } end
  function dev.clock() return os.clock end
  function dev.plan(_, request)
    return { summary = { bytes = 0, written = 1, skipped = 0 }, request = request }
  end
  function dev.run(_, steps) dev.written[#dev.written + 1] = steps.request.parts end
  function dev.prove() end
  function dev.proof() return "MD5" end
  return dev
end

local function prove(works, choice)
  local dev = fake_device(works)
  local p = { parts = { { addr = 0, data = IMAGE, name = "a.bin" } } }
  local mode, proven = flashing.prove_mode(dev, p, choice or { probe = true })
  return dev, mode, proven
end

TestMode = {}

function TestMode:test_a_mode_that_reads_right_is_left_alone()
  local dev, mode, proven = prove { qio = true }
  lu.assertEquals({ mode, proven, #dev.written, dev.tried }, { "qio", true, 0, { "qio" } })
end

function TestMode:test_quad_enable_is_set_before_a_quad_mode_is_tried()
  local dev = prove { qio = true }
  lu.assertEquals(dev.commands, { 0x05, 0x35, 0x01 })
end

function TestMode:test_a_mode_that_reads_wrong_is_replaced_in_the_boot_sector_alone()
  local dev, mode, proven = prove { qio = false, dio = false, dout = true }
  lu.assertEquals({ mode, proven, #dev.written }, { "dout", true, 1 })
  local part = dev.written[1][1]
  lu.assertEquals({ part.addr, #part.data, part.data:byte(3) }, { 0, 0x1000, 3 })
  lu.assertEquals(part.data:sub(4), IMAGE:sub(4, 0x1000))
end

function TestMode:test_what_cannot_be_told_is_no_proof()
  local dev, mode, proven = prove {}
  lu.assertEquals({ mode, proven, #dev.written }, { "qio", false, 0 })
  dev, mode, proven = prove({ qio = false }, { probe = false })
  lu.assertEquals({ mode, proven, #dev.tried }, { "qio", false, 0 })
end

local ROM <const> = " ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\n"
  .. "load 0x40100000, len 26044, room 16 \r\ncsum 0x52\r\n"

-- A console that speaks its pieces at their times (ms since the reset) at one rate;
-- at another rate they are noise.
local function fake_console(pieces)
  local dev = { opt = { after = "run" }, chip = { crystal = { mhz = 26 } }, bauds = {} }
  local now, at, baud, start = 0, 1, 115200, nil
  local port = {}
  function port.info() return { lines = true } end
  function port.now() return now end
  function port.baud(_, rate)
    baud = rate
    dev.bauds[#dev.bauds + 1] = rate
    return rate
  end
  local pending = ""
  function port.read(_, n, ms)
    if pending == "" and pieces[at] and start and now - start >= pieces[at][1] * 1000 then
      pending = baud == pieces[at][3] and pieces[at][2] or pieces[at][2]:gsub("%g", "\x9c")
      at = at + 1
    end
    if pending == "" then
      now = now + ms * 1000
      return ""
    end
    local s = pending:sub(1, n)
    pending = pending:sub(n + 1)
    now = now + 100
    return s
  end
  dev.port = port
  function dev.leave() start = now end
  function dev.seconds() return (now - start) / 1e6 end
  return dev
end

local function watch(pieces, found, limit)
  local dev = fake_console(pieces)
  return flashing.leave(dev, { after = "run", watch = limit or 15 }, { parsed = { nodemcu = found } }), dev
end

TestWatch = {}

local BANNER <const> = "\r\nNodeMCU 2.2.0.0 build 20190805 powered by Lua 5.1.4 on SDK 2.2.1(6ab97e9)\r\n"

function TestWatch:test_the_prompt_ends_it()
  local v, dev = watch({ { 10, ROM, 74880 }, { 400, BANNER .. "lua: cannot open init.lua\r\n> ", 115200 } },
    { generation = "2.x" })
  lu.assertEquals(v.state, "prompt")
  lu.assertTrue(dev.seconds() < 1)
  lu.assertEquals(dev.bauds, { 74880, 74880, 115200 })
end

function TestWatch:test_old_firmware_is_listened_to_at_its_rate()
  local v = watch({ { 10, ROM, 74880 }, { 400, "\r\nNodeMCU 0.9.5 build 20150318  powered by Lua 5.1.4\r\n> ",
    9600 } }, { generation = "0.9", version = "0.9.5" })
  lu.assertEquals(v.state, "prompt")
end

function TestWatch:test_a_complaint_ends_it_with_its_cure()
  local v, dev = watch({ { 10, ROM .. "rf_cal[0] !=0x05,is 0xFF\r\n", 74880 } }, { generation = "2.x" })
  lu.assertEquals({ v.state, v.finding }, { "bad", "init_data_blank" })
  lu.assertTrue(dev.seconds() < 16)
end

function TestWatch:test_formatting_is_waited_for_beyond_the_time_asked_for()
  local v, dev = watch({ { 10, ROM, 74880 }, { 500, "Formatting file system. Please wait...\r\n", 115200 },
    { 40000, BANNER .. "> ", 115200 } }, { generation = "3.x" }, 5)
  lu.assertEquals(v.state, "prompt")
  lu.assertTrue(dev.seconds() > 39 and dev.seconds() < 42)
end

function TestWatch:test_silence_ends_with_the_time()
  local v, dev = watch({}, { generation = "2.x" }, 3)
  lu.assertEquals(v.state, "silent")
  lu.assertTrue(dev.seconds() < 4)
end

function TestWatch:test_a_program_without_prompt_is_heard_for_a_line()
  local v, dev = watch({ { 10, ROM, 74880 }, { 300, "hello from a program\r\n", 115200 } }, nil, 15)
  lu.assertEquals(v.state, "running")
  lu.assertTrue(dev.seconds() < 1)
end

function TestWatch:test_nobody_listens_when_not_asked()
  local dev = fake_console {}
  lu.assertNil(flashing.leave(dev, { after = "run", no_watch = true, watch = 15 }, { parsed = {} }))
end

os.exit(lu.LuaUnit.run())
