-- esptool's commands on the simulated chip: the lines that scripts look for, the
-- files, the bytes in flash, the exit codes. What is expected here is esptool's
-- documented behaviour and what its versions 2.8 to 5 print.
package.path = "tests/cmd/?.lua;tests/lua/?.lua;" .. package.path
local elf_writer = require "elf_writer"
local esp = require "esp"
local harness = require "harness"
local image = require "moonflash.image"
local lu = require "luaunit"

local FLASH <const> = 0x100000
local MAC <const> = "60:01:94:a5:b6:9c"

local dir, board

local function path(name) return dir .. "/" .. name end
local function port() return ("sim:%s?size=1M"):format(path "board.flash") end

local function random(n, seed)
  local t, x = {}, seed
  for i = 1, n do
    x = x * 1103515245 + 12345 & 0x7fffffff
    t[i] = string.char(x >> 16 & 255)
  end
  return table.concat(t)
end

-- Boots, prints nothing, and has a header to change.
local BOOT <const> = image.build { entry = 0x40100000, mode = "qio", freq = "40m", size = "512KB",
  segments = { { addr = 0x40100000, data = random(600, 1) } } }
local DATA <const> = random(20000, 2)

local function setup()
  dir = harness.directory()
  board = path "board.flash"
  harness.write(board, ("\xff"):rep(FLASH))
  harness.write(path "boot.bin", BOOT)
  harness.write(path "data.bin", DATA)
end

local function teardown() harness.remove(dir) end

local function in_flash(addr, n) return harness.read(board):sub(addr + 1, addr + n) end

local function put(addr, bytes)
  local all = harness.read(board)
  harness.write(board, all:sub(1, addr) .. bytes .. all:sub(addr + #bytes + 1))
end

-- Runs `moonflash esptool`, with a port and 921600 baud.
local function esptool(...)
  return harness.run("esptool", "-p", port(), "-b", "921600", ...)
end

-- The same by a link of esptool's name, from within the folder; ENV before it.
local function by_name(name, env, words)
  local link = path(name)
  os.remove(link)
  harness.shell(("ln -s %s %s"):format(harness.quote(harness.program), harness.quote(link)))
  return harness.shell(("cd %s && env -u MOONFLASH_PORT -u MOONFLASH_BAUD %s ./%s %s"):format(
    harness.quote(dir), env, name, words))
end

-- Each line must be there, in this order.
local function says(out, lines)
  local at = 1
  for _, line in ipairs(lines) do
    local first, last = ("\n" .. out):find("\n" .. line .. "\n", at, true)
    lu.assertNotNil(first, ("no line %q, or not in its place, in:\n%s"):format(line, out))
    at = last
  end
end

local function works(code, err, out)
  lu.assertEquals(code, 0, (err or "") .. (out or ""))
end

TestMakefile = { setUp = setup, tearDown = teardown }

function TestMakefile:test_the_usual_line_works_as_it_is()
  local out, err, code = by_name("esptool.py", "", ("--port '%s' --baud 921600 write_flash -fm dio"
    .. " 0x00000 boot.bin 0x10000 data.bin"):format(port()))
  works(code, err, out)
  says(out, { "Serial port " .. port(), "Connecting....", "Detecting chip type... ESP8266",
    "Chip is ESP8266EX", "Features: WiFi", "Crystal is 26MHz", "MAC: " .. MAC, "Uploading stub...",
    "Running stub...", "Stub running...", "Changing baud rate to 921600", "Changed.",
    "Configuring flash size...", "Flash params set to 0x0200",
    "Flash will be erased from 0x00000000 to 0x00000fff...",
    "Flash will be erased from 0x00010000 to 0x00014fff...", "Hash of data verified.",
    "Hash of data verified.", "Leaving...", "Hard resetting via RTS pin..." })
  lu.assertStrContains(out, "(100 %)")
  lu.assertStrMatches(out:match "Wrote 20000 [^\n]+",
    "Wrote 20000 bytes %(%d+ compressed%) at 0x00010000 in %d+%.%d seconds"
    .. " %(effective %d+%.%d kbit/s%)%.%.%.")
  lu.assertEquals(in_flash(0, #BOOT), BOOT:sub(1, 2) .. "\2" .. BOOT:sub(4))
  lu.assertEquals(in_flash(0x10000, #DATA), DATA)
  lu.assertEquals(in_flash(0x10000 + #DATA, 480), ("\xff"):rep(480))
end

function TestMakefile:test_environment_argument_file_and_configuration()
  harness.write(path "args.txt", "--flash_mode dout\n0x0 boot.bin\n")
  local out, err, code = by_name("esptool", ("ESPTOOL_PORT='%s' ESPTOOL_CHIP=esp8266"
    .. " ESPTOOL_FS=1MB ESPTOOL_AFTER=no_reset"):format(port()), "write_flash @args.txt")
  works(code, err, out)
  says(out, { "Chip is ESP8266EX", "Flash params set to 0x0320", "Staying in bootloader." })
  lu.assertNil(out:find("Detecting chip type", 1, true))
  lu.assertEquals(in_flash(2, 2), "\3\x20")
  -- a sequence that never pulls GPIO0 down leaves the chip running its flash
  harness.write(path "esptool.cfg", "[esptool]\ncustom_reset_sequence = R1|W0.1|R0\n"
    .. "connect_attempts = 1\n")
  out, err, code = by_name("esptool", "", ("-p '%s' flash-id"):format(port()))
  lu.assertEquals(code, 2)
  lu.assertStrContains(err, "A fatal error occurred: ")
  lu.assertStrContains(err, "in 1 attempts")
  harness.write(path "esptool.cfg", "[esptool]\ncustom_reset_sequence = D0|R1|W0.1|D1|R0|W0.05|D0\n"
    .. "custom_hard_reset_sequence = R1|W0.1|R0\n")
  out, err, code = by_name("esptool", "", ("-p '%s' flash-id"):format(port()))
  works(code, err, out)
  says(out, { "Hard resetting with a custom reset sequence..." })
end

TestFive = { setUp = setup, tearDown = teardown }

function TestFive:test_version_5_is_answered_in_its_own_words()
  local out, err, code = esptool("write-flash", "--flash-size", "detect", "0x0", path "boot.bin")
  works(code, err, out)
  says(out, { "Connected to ESP8266 on " .. port() .. ":", "Chip type:          ESP8266EX",
    "Crystal frequency:  26MHz", "MAC:                " .. MAC, "Stub flasher running.",
    "Configuring flash size...", "Auto-detected flash size: 1MB",
    "Flash parameters set to 0x0020.", "Flash will be erased from 0x00000000 to 0x00000fff...",
    "Verifying written data...", "Hash of data verified.", "Hard resetting via RTS pin..." })
  lu.assertStrContains(out, "[==============================] 100.0%")
  lu.assertNil(out:find("Leaving", 1, true))
end

function TestFive:test_silent_says_nothing_but_errors()
  local out, err, code = esptool("--silent", "write-flash", "0x0", path "boot.bin")
  lu.assertEquals({ out, err, code }, { "", "", 0 })
  out, err, code = esptool("-s", "read-flash", "0", "2M", path "x.bin")
  lu.assertEquals({ out, code }, { "", 2 })
  lu.assertStrContains(err, "A fatal error occurred: ")
end

TestFlash = { setUp = setup, tearDown = teardown }

function TestFlash:test_flash_id()
  local out, err, code = esptool("flash_id")
  works(code, err, out)
  says(out, { "Manufacturer: ef", "Device: 4014", "Detected flash size: 1MB",
    "Hard resetting via RTS pin..." })
end

function TestFlash:test_read_flash_at_any_address()
  put(0x1000, DATA)
  local out, err, code = esptool("read_flash", "0x1003", "9001", path "back.bin")
  works(code, err, out)
  lu.assertEquals(harness.read(path "back.bin"), DATA:sub(4, 9004))
  lu.assertStrContains(out, "(100 %)")
  lu.assertStrMatches(out:match "Read [^\n]+",
    "Read 9001 bytes at 0x00001003 in %d+%.%d seconds %(%d+%.%d kbit/s%)%.%.%.")
  out, err, code = esptool("read-flash", "0xff000", "ALL", path "back.bin")
  works(code, err, out)
  lu.assertEquals(harness.read(path "back.bin"), ("\xff"):rep(0x1000))
end

function TestFlash:test_verify_flash_tells_equal_from_different()
  put(0x10000, DATA)
  local out, err, code = esptool("verify_flash", "0x10000", path "data.bin")
  works(code, err, out)
  says(out, { "Verifying 0x4e20 (20000) bytes @ 0x00010000 in flash against " .. path "data.bin"
    .. "...", "-- verify OK (digest matched)" })
  put(0x10064, "XY")
  out, _, code = esptool("verify_flash", "0x10000", path "data.bin")
  lu.assertEquals(code, 2)
  says(out, { "-- verify FAILED (digest mismatch)", "A fatal error occurred: Verify failed." })
  out, err, code = esptool("verify-flash", "--diff", "0x10000", path "data.bin")
  lu.assertEquals(code, 2)
  says(out, { "Verification failed: 2 differences, first at 0x00010064:",
    ("   0x00010064 58 %02x"):format(DATA:byte(0x65)),
    ("   0x00010065 59 %02x"):format(DATA:byte(0x66)) })
  says(err, { "A fatal error occurred: Verification failed." })
end

function TestFlash:test_erase_flash_and_erase_region()
  put(0, DATA)
  local out, err, code = esptool("erase_region", "0x1000", "4k")
  works(code, err, out)
  says(out, { "Erasing region (may be slow depending on size)..." })
  lu.assertStrContains(out, "Erase completed successfully in ")
  lu.assertEquals(in_flash(0, 0x3000), DATA:sub(1, 0x1000) .. ("\xff"):rep(0x1000)
    .. DATA:sub(0x2001, 0x3000))
  out, _, code = esptool("erase_region", "0x1001", "4k")
  lu.assertEquals(code, 2)
  says(out, { "A fatal error occurred: Offset to erase from must be a multiple of 4096." })
  out, err, code = esptool("erase_flash")
  works(code, err, out)
  says(out, { "Erasing flash (this may take a while)..." })
  lu.assertStrContains(out, "Chip erase completed successfully in ")
  lu.assertEquals(harness.read(board), ("\xff"):rep(FLASH))
end

function TestFlash:test_erase_all_before_writing()
  put(0x80000, DATA)
  local out, err, code = esptool("write_flash", "--erase-all", "-u", "0", path "boot.bin")
  works(code, err, out)
  says(out, { "Erasing flash (this may take a while)...", "Hash of data verified." })
  lu.assertNil(out:find("compressed", 1, true))
  lu.assertEquals(harness.read(board), BOOT .. ("\xff"):rep(FLASH - #BOOT))
end

function TestFlash:test_what_is_in_flash_already_is_skipped_when_asked()
  put(0, BOOT)
  local out, err, code = esptool("write-flash", "--skip-flashed", "0", path "boot.bin")
  works(code, err, out)
  says(out, { "Comparing flash contents against new data...",
    ("'%s' at 0x00000000 already in flash, skipping write."):format(path "boot.bin") })
  harness.write(path "old.bin", BOOT)
  local new = BOOT:sub(1, 20) .. "new" .. BOOT:sub(24)
  harness.write(path "new.bin", new)
  out, err, code = esptool("write-flash", "0x40000", path "new.bin", "--diff-with", path "old.bin")
  works(code, err, out)
  lu.assertEquals(in_flash(0x40000, #new), new)
  _, err, code = esptool("write-flash", "0", path "new.bin", "--diff-with", path "gone.bin")
  lu.assertEquals(code, 2)
  lu.assertStrContains(err, "gone.bin")
end

function TestFlash:test_no_stub_and_baud_rates_that_the_rom_does_not_change()
  local out, err, code = esptool("--no-stub", "write_flash", "0", path "boot.bin")
  works(code, err, out)
  lu.assertNil(out:find("stub", 1, true))
  says(out, { "Hash of data verified." })
  lu.assertEquals(in_flash(0, #BOOT), BOOT)
end

function TestFlash:test_bytes_beside_a_file_are_kept()
  put(0x20000, DATA)
  local _, err, code = esptool("write_flash", "0x20010", path "boot.bin")
  works(code, err)
  lu.assertEquals(in_flash(0x20000, 16) .. in_flash(0x20010 + #BOOT, 64),
    DATA:sub(1, 16) .. DATA:sub(17 + #BOOT, 80 + #BOOT))
end

function TestFlash:test_a_file_that_is_no_image_may_go_to_0()
  local out, err, code = esptool("write_flash", "-fm", "dio", "0", path "data.bin")
  works(code, err, out)
  says(out, { "Warning: Image file at 0x0 doesn't look like an image file, so not changing any"
    .. " flash settings." })
  lu.assertEquals(in_flash(0, #DATA), DATA)
end

function TestFlash:test_what_the_chip_cannot_use_is_refused_without_force()
  harness.write(path "a.elf", elf_writer.write { entry = 1, sections = {} })
  local before = harness.read(board)
  local out, _, code = esptool("write_flash", "0", path "a.elf")
  lu.assertEquals(code, 2)
  lu.assertStrContains(out, "A fatal error occurred: ")
  lu.assertStrContains(out, "ELF file")
  lu.assertEquals(harness.read(board), before)
  _, _, code = esptool("write_flash", "--force", "0", path "a.elf")
  lu.assertEquals(code, 0)
end

function TestFlash:test_status_registers_and_sfdp()
  local out, err, code = esptool("read_flash_status", "--bytes", "1")
  works(code, err, out)
  says(out, { "Status value: 0x0000" })
  out, err, code = esptool("write_flash_status", "--bytes", "1", "--non-volatile", "0x1c")
  works(code, err, out)
  says(out, { "Initial flash status: 0x00", "Setting flash status: 0x1c",
    "After flash status:   0x1c" })
  out, err, code = esptool("write-flash-status", "--bytes", "2", "--non-volatile", "0")
  works(code, err, out)
  says(out, { "After flash memory status:   0x0000" })
  out, err, code = esptool("read_flash_sfdp", "0", "4")
  works(code, err, out)
  says(out, { "SFDP[0..3]: 53 46 44 50" })
end

TestChip = { setUp = setup, tearDown = teardown }

function TestChip:test_who_it_is()
  local out, err, code = esptool("read_mac")
  works(code, err, out)
  local _, times = out:gsub("\nMAC: " .. MAC, "")
  lu.assertEquals(times, 2)
  out, err, code = esptool("chip_id")
  works(code, err, out)
  says(out, { "Chip ID: 0x00a5b69c" })
end

function TestChip:test_memory()
  local out, err, code = esptool("read_mem", "0x3ff00050")
  works(code, err, out)
  says(out, { "0x3ff00050 = 0x9c8f0000" })
  out, err, code = esptool("write_mem", "0x3ffe8000", "0x12345678")
  works(code, err, out)
  says(out, { "Wrote 12345678, mask ffffffff to 3ffe8000" })
  out, err, code = esptool("dump_mem", "0x40000000", "1k", path "rom.bin")
  works(code, err, out)
  says(out, { "Read 1024 bytes", "Done!" })
  local rom = harness.read(path "rom.bin")
  lu.assertEquals(#rom, 1024)
  out, err, code = harness.run("-p", port(), "peek", "0x40000010")
  works(code, err)
  lu.assertEquals(out:match "0x40000010: 0x(%x+)", ("%08x"):format(("<I4"):unpack(rom, 17)))
  _, err, code = esptool("read-mem", "0x3ff00051")
  lu.assertEquals(code, 2)
  lu.assertStrContains(err, "no address of a word")
end

function TestChip:test_programs()
  local out, err, code = esptool("run")
  works(code, err, out)
  out, err, code = harness.run("esptool", "-p", port(), "load_ram", "examples/hello/hello.bin")
  works(code, err, out)
  says(out, { "RAM boot...", "Downloading 284 bytes at 40100000... done!",
    "All segments done, executing at 40100000", "Exiting immediately." })
end

function TestChip:test_the_embedded_flash_of_an_esp8285_is_named()
  local out, err, code = harness.run("esptool", "-p", "sim:?chip=esp8285&size=1M", "flash_id")
  works(code, err, out)
  lu.assertStrContains(out, "Chip is ESP8285")
  says(out, { "Features: WiFi, Embedded Flash", "Detected flash size: 1MB" })
end

-- A chip that stays as it is left, without lines for a reset.
local function with_chip(test)
  local link = path "tty"
  local sim = assert(io.popen(("sh -c 'echo $$; exec %s sim \"%s?size=1M\" --pty %s --seconds 60'")
    :format(harness.program, board, link)))
  local pid = sim:read "l"
  local ok, e = pcall(function()
    lu.assertStrContains(sim:read "l", link)
    test(function(...)
      local out, err, code = harness.run("esptool", "-p", link, "--before", "no_reset", "--after",
        "no_reset", ...)
      works(code, err, out)
      says(out, { "Staying in bootloader." })
      return out
    end)
  end)
  harness.shell("kill " .. pid)
  sim:close()
  if not ok then error(e, 0) end
end

function TestChip:test_runs_without_a_reset_find_the_chip_as_the_last_one_left_it()
  with_chip(function(run)
    run("write_mem", "0x3ffe8100", "0x12345678")
    run("write_mem", "0x3ffe8100", "0xffffffff", "0x0000ff00")
    says(run("read_mem", "0x3ffe8100"), { "0x3ffe8100 = 0x1234ff78" })
    run("-b", "460800", "write_flash", "0x10000", path "data.bin")   -- leaves the stub again
    run("-b", "460800", "verify_flash", "0x10000", path "data.bin")
    run("flash_id")
  end)
end

TestFiles = { setUp = setup, tearDown = teardown }

local function on_files(...) return harness.run("esptool", "--chip", "esp8266", ...) end

function TestFiles:test_image_info_in_its_older_and_newer_form()
  local out, err, code = on_files("image_info", path "boot.bin")
  works(code, err, out)
  local length = #BOOT
  says(out, { ("File size: %d (bytes)"):format(length), "Image version: 1", "Entry point: 40100000",
    "1 segments", "Segment 1: len 0x00258 load 0x40100000 file_offs 0x00000008 [IRAM]",
    ("Checksum: %02x (valid)"):format(BOOT:byte(-1)) })
  local newer = on_files("image_info", "--version", "2", path "boot.bin")
  out, err, code = on_files("image-info", path "boot.bin")
  works(code, err, out)
  says(out, { ("Image size: %d bytes"):format(length), "ESP8266 Image Header", "Image version: 1",
    "Entry point: 0x40100000", "Segments: 1", "Flash size: 512KB", "Flash freq: 40m",
    "Flash mode: QIO", "      0  0x00258  0x40100000  0x00000008  IRAM", "ESP8266 Image Footer",
    ("Checksum: 0x%02x (valid)"):format(BOOT:byte(-1)) })
  lu.assertEquals(newer:match "\n(Image size.*)", out:match "\n(Image size.*)")
  out, _, code = on_files("image_info", path "data.bin")
  lu.assertEquals(code, 2)
  lu.assertStrContains(out, "A fatal error occurred: This is not a valid image")
end

function TestFiles:test_elf2image_makes_the_files_that_build_scripts_expect()
  harness.write(path "app.elf", elf_writer.write { entry = 0x40100000, sections = {
    { name = ".text", addr = 0x40100000, data = random(64, 3) },
    { name = ".irom0.text", addr = 0x40210000, data = random(40, 4) } } })
  local out, err, code = on_files("elf2image", path "app.elf")
  works(code, err, out)
  lu.assertEquals(harness.read(path "app.elf-0x10000.bin"), random(40, 4))
  lu.assertEquals(#image.parse(harness.read(path "app.elf-0x00000.bin")).problems, 0)
  for _, spelling in ipairs { "--flash_mode", "--flash-mode" } do
    out, err, code = on_files("elf2image", "--version=2", spelling, "dio", "-o", path "rom.bin",
      path "app.elf")
    works(code, err, out)
    local made = image.parse(harness.read(path "rom.bin"))
    lu.assertEquals({ made.kind, made.mode, made.crc.ok, #made.problems }, { "v2", "dio", true, 0 })
  end
  out, err, code = on_files("elf2image", "-e", "3", path "app.elf")
  works(code, err, out)
  local bytes = harness.read(path "app.bin")
  lu.assertEquals(esp.sha256(bytes:sub(1, -33)), (bytes:sub(-32):gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end)))
end

function TestFiles:test_merge_bin_in_every_format_and_back_into_flash()
  for format, line in pairs { raw = "ready to flash to offset 0x0",
    hex = "ready to flash to offset 0x0", uf2 = "ready to be flashed with any ESP USB Bridge" } do
    local file = path("all." .. format)
    local out, err, code = on_files("merge_bin", "-o", file, "-f", format, "-fm", "dio", "0",
      path "boot.bin", "0x10000", path "data.bin")
    works(code, err, out)
    says(out, { ("Wrote 0x%x bytes to file %s, %s"):format(#harness.read(file), file, line) })
    put(0, ("\xff"):rep(0x20000))
    -- the address beside a HEX or UF2 file means nothing to esptool
    out, err, code = esptool("write_flash", format == "raw" and "0x0" or "0x5000", file)
    works(code, err, out)
    lu.assertEquals(in_flash(0, #BOOT), BOOT:sub(1, 2) .. "\2" .. BOOT:sub(4), format)
    lu.assertEquals(in_flash(0x10000, #DATA), DATA, format)
  end
  local out, err, code = on_files("merge-bin", "-o", path "m.bin", "--pad-to-size", "256KB",
    "--target-offset", "0x1000", "0x2000", path "boot.bin")
  works(code, err, out)
  lu.assertEquals(harness.read(path "m.bin"), ("\xff"):rep(0x1000) .. BOOT
    .. ("\xff"):rep(0x40000 - 0x2000 - #BOOT))
end

function TestFiles:test_a_packed_firmware_is_unpacked_and_packed_data_is_not()
  harness.shell(("gzip -k %s %s"):format(path "boot.bin", path "data.bin"))
  os.rename(path "data.bin.gz", path "page.gz")
  local packed = harness.read(path "page.gz")
  local out, err, code = esptool("write_flash", "0", path "boot.bin.gz", "0x10000", path "page.gz")
  works(code, err, out)
  lu.assertEquals(in_flash(0, #BOOT), BOOT)
  lu.assertEquals(in_flash(0x10000, #packed), packed)
end

function TestFiles:test_version()
  local out, _, code = by_name("esptool.py", "", "version")
  lu.assertEquals(code, 0)
  lu.assertStrMatches(out, "esptool%.py v4%.%d+%.%d+ %(moonflash [%d.]+%)\n4%.%d+%.%d+\n")
  out = by_name("esptool", "", "version")
  lu.assertStrMatches(out, "esptool v5%.%d+%.%d+ %(moonflash [%d.]+%)\n5%.%d+%.%d+\n")
end

TestExits = { setUp = setup, tearDown = teardown }

function TestExits:test_wrong_use_and_fatal_errors_are_2()
  for _, words in ipairs {
    { "flash-id", "--chip", "esp32" }, { "no-such-command" }, { "write-flash", "0" },
    { "write-flash", "0", path "gone.bin" }, { "write-flash", "0xff000", path "data.bin" },
    { "write-flash", "-z", "-u", "0", path "boot.bin" }, { "get-security-info" },
    { "--before", "usb-reset", "flash-id" }, { "--after", "watchdog-reset", "flash-id" },
    { "flash-id", "-p", "/dev/there-is-none" }, { "erase-region", "0", "2M" },
    { "write-flash", "--encrypt", "0", path "boot.bin" },
  } do
    local _, err, code = esptool(table.unpack(words))
    lu.assertEquals(code, 2, table.concat(words, " ") .. "\n" .. err)
    lu.assertStrContains(err, "A fatal error occurred: ")
    lu.assertNil(err:find("traceback", 1, true))
  end
  lu.assertEquals(harness.read(board), ("\xff"):rep(FLASH))
end

function TestExits:test_a_chip_that_does_not_answer_is_2()
  local _, err, code = harness.run("esptool", "-p", port() .. "&strap=3&wiring=none",
    "--connect-attempts", "1", "flash-id")
  lu.assertEquals(code, 2)
  lu.assertStrContains(err, "no answer from the chip's loader in 1 attempts")
end

function TestExits:test_flash_that_does_not_take_what_is_written_is_2()
  local out, err, code = harness.run("esptool", "-p", port() .. "&stuck=16", "write_flash",
    "0x10000", path "data.bin")
  lu.assertEquals(code, 2, err)
  lu.assertStrContains(out, "Flash will be erased from 0x00010000")
  lu.assertStrMatches(out:match "\nA fatal error occurred: [^\n]*", ".*0x01000.*")
  lu.assertNil(out:find("Hash of data verified", 1, true))
end

function TestExits:test_help_is_0_and_no_command_is_not()
  for _, words in ipairs { { "--help" }, { "write_flash", "-h" } } do
    local out, _, code = harness.run("esptool", table.unpack(words))
    lu.assertEquals(code, 0)
    lu.assertStrContains(out, "usage: esptool")
  end
  local out, _, code = harness.run "esptool"
  lu.assertEquals(code, 2)
  lu.assertStrContains(out, "usage: esptool")
end

os.exit(lu.LuaUnit.run())
