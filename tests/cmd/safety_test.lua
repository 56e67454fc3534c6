-- What is always on, whatever the command: the lock, the whole plan before the first
-- erase, whole files or none, the boot sector first and last, an end that is said.
-- Flash and what the simulated chip counted are read by the test itself.
package.path = "tests/cmd/?.lua;tests/lua/?.lua;" .. package.path
local boards = require "boards"
local chips = require "nodemcu_chips"
local harness = require "harness"
local lfs = require "lfs"
local lu = require "luaunit"

local KB <const>, SECTOR <const> = 1024, 0x1000
local SMALL <const>, MIB <const> = 512 * KB, 1024 * KB

TestSafety = {}

function TestSafety:setUp()
  self.dir = harness.directory()
  self:board(chips.put(chips.noise(SMALL, 3), 0, ("\xe9\1\2\0"):rep(4)))
end

function TestSafety:tearDown() harness.remove(self.dir) end

function TestSafety:path(name) return self.dir .. "/" .. name end

function TestSafety:file(name, bytes)
  harness.write(self:path(name), bytes)
  return self:path(name)
end

function TestSafety:board(bytes)
  self.before = bytes
  self:file("flash", bytes)
end

function TestSafety:now() return harness.read(self:path "flash") end

-- Runs in the test's own directory, with a list of faults; `shell` goes before it.
function TestSafety:run(options, args, shell)
  if lfs.attributes(self:path "flash", "size") ~= #self.before then self:board(self.before) end
  self:file("faults", options.faults or "# none\n")
  local words = { "cd", harness.quote(self.dir), "&&", shell or "", "HOME=. XDG_STATE_HOME=. exec",
    harness.quote(lfs.currentdir and harness.program:sub(1, 1) ~= "/" and lfs.currentdir() .. "/"
      .. harness.program or harness.program), "-p",
    harness.quote("sim:flash?faults=faults" .. (options.url or "")), "--after", "stay" }
  for _, a in ipairs(args) do words[#words + 1] = harness.quote(a) end
  return harness.shell("( " .. table.concat(words, " ") .. (options.output or "") .. " )")
end

-- Erases and programs that the chip has taken, over all openings of its port.
function TestSafety:operations()
  local n = 0
  for ops in harness.read(self:path "faults"):gmatch "# sent %d+ received %d+ ops (%d+)" do
    n = n + math.tointeger(ops)
  end
  return n
end

function TestSafety:refused(exit, needle, args, options, shell)
  local out, err, code = self:run(options or {}, args, shell)
  local what = table.concat(args, " ") .. ": " .. err .. out
  lu.assertEquals(code, exit, what)
  lu.assertStrMatches(err, "(.-)moonflash: .*" .. needle .. ".*", nil, nil, what)
  if exit ~= 6 then lu.assertStrContains(err, "\nhint: ", false, false, what) end
  lu.assertNotStrContains(out, "ok:")
  lu.assertEquals(self:operations(), 0, what)
  lu.assertTrue(self:now() == self.before, what)
  return err
end

-- Firmware with one segment; the size of flash in its header by a code.
local function firmware(bytes, seed)
  local data, sum = chips.noise(bytes, seed), 0xEF
  for i = 1, #data do sum = sum ~ data:byte(i) end
  local image = "\xe9\1\2\0" .. ("<I4I4I4"):pack(0x40100004, 0x40100000, #data) .. data
  return image .. ("\0"):rep(15 - #image % 16) .. string.char(sum)
end

-- ---- the lock ----

local WRITING <const> = {
  { "write", "0x10000", "data.bin" }, { "flash", "nodemcu.bin", "--no-watch" },
  { "upgrade", "nodemcu.bin", "--no-watch", "--no-backup" }, { "erase", "0x10000", "4k" },
  { "erase", "all" }, { "init-data", "write" }, { "unprotect" }, { "restore", "whole.bin" },
  { "partition", "set", "--lfs-size", "64k" }, { "fs", "put", "chip", "data.bin" },
  { "fs", "rm", "chip", "data.bin" }, { "fs", "build", "folder", "-o", "chip" },
  { "lfs", "write", "store.img" }, { "flash.lua" },
}

function TestSafety:inputs()
  self:file("data.bin", chips.noise(5000, 4))
  self:file("nodemcu.bin", chips.firmware("2.x", { seed = 3, irom = 0x6000 }))
  self:file("whole.bin", chips.noise(SMALL, 5))
  self:file("store.img", harness.read "tests/data/lfs/lfs51-float-reloc.img")
  self:file("flash.lua", 'local mf = require "moonflash"\n'
    .. 'return mf.recipe { api = 1, parts = { mf.file(0x20000, "data.bin") } }\n')
  lfs.mkdir(self:path "folder")
  self:file("folder/a.lua", "return 1\n")
end

function TestSafety:test_no_command_touches_a_chip_that_another_program_holds()
  self:inputs()
  for _, args in ipairs(WRITING) do
    local out, err, code = self:run({}, args, "exec 9<flash; flock 9;")
    lu.assertEquals(code, 3, table.concat(args, " ") .. err .. out)
    lu.assertStrContains(err, "another simulated chip uses this flash")
    lu.assertTrue(self:now() == self.before)
  end
end

function TestSafety:test_no_command_touches_a_chip_that_is_no_esp8266()
  self:inputs()
  for _, args in ipairs(WRITING) do
    self:refused(5, "ESP32", args, { url = "&chip=esp32" })
  end
end

-- ---- the whole plan before the first erase ----

function TestSafety:test_a_part_that_cannot_be_written_stops_those_before_it()
  self:inputs()
  local fw = self:file("fw.bin", firmware(0x2000, 7))
  self:refused(6, "behind this chip", { "write", "0x0", fw, "0x7f000", "data.bin" })
  self:refused(6, "overlap", { "write", "0x0", fw, "0x1000", "data.bin" })
  self:refused(6, "multiple of 4", { "write", "0x0", fw, "0x20002", "data.bin" })
  self:refused(6, "behind this chip", { "write", "0x0", fw, "0x7f000", "data.bin", "--force" })
  self:refused(6, "outside", { "erase", "0x7f000", "64k" })
end

function TestSafety:test_a_recipe_is_checked_whole()
  self:inputs()
  for _, second in ipairs { '0x7f000, "data.bin"', '0x10800, "data.bin"' } do
    self:file("flash.lua", 'local mf = require "moonflash"\nreturn mf.recipe { api = 1, parts = {'
      .. ' mf.file(0x10000, "data.bin"), mf.file(' .. second .. ") } }\n")
    local out, err, code = self:run({}, { "flash.lua" })
    lu.assertEquals(code, 6, err .. out)
    lu.assertEquals(self:operations(), 0)
    lu.assertTrue(self:now() == self.before)
  end
end

function TestSafety:test_a_backup_of_another_size_is_refused()
  self:file("whole.bin", chips.noise(MIB, 5))
  local _, err, code = self:run({}, { "restore", "whole.bin" })
  lu.assertTrue(code >= 5 and code <= 7, err)
  lu.assertEquals(self:operations(), 0)
  lu.assertTrue(self:now() == self.before)
end

function TestSafety:test_files_that_do_not_fit_into_the_file_system_change_nothing()
  self:board((chips.chip("2.x", SMALL, { irom = 0x8000 })))
  self:file("big.bin", chips.noise(0x70000, 6))
  self:refused(6, "", { "fs", "put", "chip", "big.bin" })
  lfs.mkdir(self:path "big")
  self:file("big/big.bin", chips.noise(0x70000, 6))
  self:refused(6, "", { "fs", "build", "big", "-o", "chip" })
end

-- ---- what is refused ----

local function esp32_image()
  return "\xe9\1\2\0" .. ("<I4"):pack(0x40080000) .. "\xee\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
    .. ("<I4I4"):pack(0x3ffb0000, 16) .. ("\0"):rep(200)
end

function TestSafety:test_an_image_for_an_esp32_is_refused()
  local file = self:file("esp32.bin", esp32_image())
  self:refused(6, "", { "write", "0x0", file })
  self:refused(6, "", { "flash", file, "--no-watch" })
end

function TestSafety:test_an_image_larger_than_the_flash_is_refused()
  local file = self:file("large.bin", firmware(0x8000, 1) .. chips.noise(SMALL, 2))
  self:refused(6, "behind this chip", { "write", "0x0", file })
  local nodemcu = self:file("nodemcu.bin", chips.firmware("2.x", { seed = 3, irom = 0x78000 }))
  local _, err, code = self:run({}, { "flash", nodemcu, "--no-watch" })
  lu.assertTrue(code == 6 or code == 7, err)
  lu.assertTrue(self:now() == self.before)
end

function TestSafety:test_nodemcu_3_is_refused_on_512_kb()
  local file = self:file("nodemcu.bin", chips.firmware("3.x", { seed = 3, irom = 0x6000 }))
  for _, command in ipairs { "flash", "upgrade" } do
    local _, err, code = self:run({}, { command, file, "--no-watch" })
    lu.assertTrue(code == 6 or code == 7, err)
    lu.assertStrContains(err, "1 MB")
    lu.assertTrue(self:now() == self.before)
  end
end

function TestSafety:test_files_that_are_to_be_kept_are_not_written_over()
  self:board((chips.chip("2.x", SMALL, { irom = 0x8000 })))
  local file = self:file("nodemcu.bin", chips.firmware("2.x", { seed = 3, irom = 0x20000 }))
  local _, err, code = self:run({}, { "flash", file, "--fs", "keep", "--no-watch" })
  lu.assertTrue(code == 6 or code == 7, err)
  lu.assertEquals(self:operations(), 0)
  lu.assertTrue(self:now() == self.before)
end

function TestSafety:test_a_mode_that_the_board_cannot_read_is_not_left_in_the_header()
  self:board(("\xff"):rep(SMALL))
  local file = self:file("nodemcu.bin", chips.firmware("2.x", { seed = 3, irom = 0x6000 }))
  local out, err, code = self:run({ url = "&badmode=qio,qout" }, { "flash", file, "--mode", "qio",
    "--no-watch" })
  lu.assertEquals(code, 0, err .. out)
  lu.assertStrContains(err, "reads wrong in mode qio")
  lu.assertEquals(self:now():byte(3), 2, "dio")
  out, err, code = self:run({ url = "&badmode=qio,qout,dio" }, { "flash", file, "--no-watch" })
  lu.assertEquals(code, 0, err .. out)
  lu.assertEquals(self:now():byte(3), 3, "dout")
end

function TestSafety:test_force_overrides_the_check_it_names_and_no_other()
  self:inputs()
  local elf = self:file("a.elf", "\127ELF\1\1\1" .. chips.noise(3000, 9))
  self:refused(6, "ELF", { "write", "0x10000", elf })
  local out, err, code = self:run({}, { "write", "0x10000", elf, "--force" })
  lu.assertEquals(code, 0, err .. out)
  lu.assertStrContains(err, "because of --force")
  self.before = self:now()
  self:refused(6, "behind this chip", { "write", "0x7f800", elf, "--force" })
  self:refused(5, "ESP32", { "write", "0x10000", elf, "--force" }, { url = "&chip=esp32" })
  self:board((chips.chip("2.x", SMALL, { irom = 0x8000 })))
  local three = self:file("three.bin", chips.firmware("3.x", { seed = 3, irom = 0x6000 }))
  self:refused(6, "1 MB", { "upgrade", three, "--force", "--no-backup", "--no-watch" })
end

function TestSafety:test_a_flash_that_does_not_answer_was_not_changed()
  self:file("data.bin", chips.noise(5000, 4))
  for _, loader in ipairs { "-q", "--no-stub" } do
    self:refused(5, "", { "write", "0x10000", "data.bin", loader }, { url = "&id=FFFFFF" })
  end
end

function TestSafety:test_a_chip_smaller_than_its_id_says_is_found_out()
  self:file("data.bin", chips.noise(5000, 4))
  self:refused(5, "repeats itself after 512 KB", { "write", "0x10000", "data.bin" },
    { url = "&id=EF4015" })
  self:board(("\xff"):rep(SMALL))
  for _, loader in ipairs { "-q", "--no-stub" } do
    local out, err, code = self:run({ url = "&id=EF4015" }, { "write", "0x10000", "data.bin",
      loader })
    lu.assertEquals(code, 8, err .. out)
    lu.assertStrContains(err, "repeats itself after 512 KB")
    self:board(("\xff"):rep(SMALL))
  end
end

-- ---- files on this machine ----

-- Commands that make a file, with the file; `changes` = only the file is made.
local MAKING <const> = {
  { "read", "0x0", "64k", "out.bin" }, { "backup", "out.mfb", file = "out.mfb" },
  { "backup", "out.bin" }, { "fs", "build", "folder", "-o", "out.bin", "--size", "192k" },
  { "upgrade", "nodemcu.bin", "--backup", "out.bin", "--no-watch" },
  { "partition", "set", "three.bin", "-o", "out.bin", "--lfs-size", "64k" },
  { "fs", "get", "chip", "big.bin", "-o", "out.bin" },
}

function TestSafety:test_a_full_disk_leaves_the_old_file_and_the_chip_as_they_were()
  self:board((chips.chip("2.x", SMALL, { irom = 0x8000,
    files = { { name = "big.bin", bytes = chips.noise(20000, 8) } } })))
  self:inputs()
  self:file("three.bin", chips.firmware("3.x", { seed = 3, irom = 0x6000 }))
  for _, args in ipairs(MAKING) do
    local file = args.file or "out.bin"
    self:file(file, "old")
    local err = self:refused(9, "", args, {}, "ulimit -f 4;")
    lu.assertStrContains(err, file)
    lu.assertEquals(harness.read(self:path(file)), "old")
    lu.assertNil(lfs.attributes(self:path(file .. ".part")))
    os.remove(self:path(file))
    self:refused(9, "", args, {}, "ulimit -f 4;")
    lu.assertNil(lfs.attributes(self:path(file)), table.concat(args, " "))
  end
end

function TestSafety:test_a_device_or_a_link_is_not_replaced_by_a_file()
  self:file("out.bin", "old")
  os.execute("cd " .. harness.quote(self.dir) .. " && ln -s out.bin link && mkfifo pipe")
  local out, err, code = self:run({}, { "read", "0x0", "4k", "link" })
  lu.assertEquals(code, 0, err .. out)
  lu.assertEquals(lfs.symlinkattributes(self:path "link", "mode"), "link")
  lu.assertEquals(harness.read(self:path "out.bin"), self.before:sub(1, SECTOR))
  out, err, code = self:run({}, { "read", "0x0", "4k", "pipe" }, "{ cat pipe >got & }; ")
  lu.assertEquals(code, 0, err .. out)
  lu.assertEquals(lfs.attributes(self:path "pipe", "mode"), "named pipe")
  local _, _, full = self:run({}, { "read", "0x0", "4k", "/dev/full" })
  lu.assertEquals(full, 9)
  lu.assertEquals(lfs.attributes("/dev/full", "mode"), "char device")
end

function TestSafety:test_a_result_that_nobody_gets_is_a_failure()
  self:file("data.bin", chips.noise(5000, 4))
  local _, err, code = self:run({ output = " >/dev/full" }, { "info" })
  lu.assertEquals(code, 0 + 9, err)
  _, err, code = self:run({ output = " >/dev/full" }, { "write", "0x10000", "data.bin" })
  lu.assertEquals(code, 8, err)
  lu.assertStrContains(err, "proven")
end

function TestSafety:test_a_backup_is_not_replaced_by_one_of_the_chip_as_it_is_now()
  self:board((chips.chip("2.x", SMALL, { irom = 0x8000 })))
  local old = self.before
  self:inputs()
  local args = { "upgrade", "nodemcu.bin", "--backup", "b.bin", "--no-watch" }
  for n = 1, 2 do
    local out, err, code = self:run({}, args)
    lu.assertEquals(code, 0, err .. out)
    lu.assertTrue(harness.read(self:path "b.bin") == old, "run " .. n)
  end
  lu.assertNotNil(lfs.attributes(self:path "b-2.bin"))
end

-- ---- boot sector first and last ----

function TestSafety:test_nothing_boots_between_the_first_operation_and_the_last()
  local old, new = firmware(0x3000, 11), firmware(0x3800, 12)
  self:board(chips.put(chips.noise(SMALL, 3), 0, old))
  self:file("fw.bin", new)
  self:file("whole.bin", chips.put(self.before, 0, new))
  self:file("nodemcu.bin", chips.firmware("2.x", { seed = 3, irom = 0x4000 }))
  for _, args in ipairs { { "write", "0x0", "fw.bin" }, { "restore", "whole.bin" },
    { "flash", "nodemcu.bin", "--no-watch" } } do
    self:board(self.before)
    local out, err, code = self:run({}, args)
    lu.assertEquals(code, 0, err .. out)
    local n = self:operations()
    lu.assertTrue(n > 20, n)
    for _, at in ipairs { 1, 2, n // 2, n - 20, n - 1 } do
      self:board(self.before)
      out, err, code = self:run({ faults = ("- cut-after %d n\n"):format(at) }, args)
      lu.assertEquals(code, 8, err .. out)
      lu.assertEquals(self:now():sub(1, 1), "\xff",
        ("%s: operation %d of %d"):format(args[1], at, n))
      if at == 1 then lu.assertTrue(self:now():sub(SECTOR + 1) == self.before:sub(SECTOR + 1)) end
    end
  end
end

-- What is programmed while the power fails becomes anything between.
function TestSafety:test_power_that_fails_in_the_last_word_leaves_the_header_whole_or_none()
  local new = firmware(0x3800, 12)
  self:board(chips.put(chips.noise(SMALL, 3), 0, firmware(0x3000, 11)))
  self:file("fw.bin", new)
  local out, err, code = self:run({}, { "write", "0x0", "fw.bin" })
  lu.assertEquals(code, 0, err .. out)
  local last = self:operations()
  for seed = 1, 16 do
    self:board(self.before)
    out, err, code = self:run({ faults = ("- cut %d n\n"):format(last), url = "&seed=" .. seed },
      { "write", "0x0", "fw.bin" })
    lu.assertEquals(code, 8, err .. out)
    local word = self:now():sub(1, 4)
    lu.assertTrue(word:byte() ~= 0xE9 or word == new:sub(1, 4), ("seed %d: %q"):format(seed, word))
  end
end

-- ---- interruption ----

function TestSafety:test_ctrl_c_says_that_it_was_and_how_to_go_on()
  self:inputs()
  for _, signal in ipairs { 2, 15, 1 } do
    self:board(self.before)
    local out, err, code = self:run({ faults = ("- signal-op 9 %d\n"):format(signal) },
      { "write", "0x10000", "data.bin" })
    lu.assertEquals(code, 130, err .. out)
    lu.assertStrContains(err, "interrupted")
    lu.assertStrMatches(err, "(.-)\nhint: [^\n]*run the same command again.*", nil, nil, err)
    out, err, code = self:run({}, { "write", "0x10000", "data.bin" })
    lu.assertEquals(code, 0, err .. out)
  end
end

function TestSafety:test_an_interrupt_before_anything_changed_leaves_all_as_it_was()
  self:inputs()
  for _, args in ipairs(WRITING) do
    local out, err, code = self:run({ faults = "- signal 3000 2\n" }, args)
    lu.assertEquals(code, 130, table.concat(args, " ") .. err .. out)
    lu.assertStrContains(err, "hint: ")
    lu.assertTrue(self:now() == self.before)
  end
end

-- ---- work that was interrupted ----

function TestSafety:test_what_lay_beside_a_part_survives_a_power_cut_and_a_kill()
  self:file("data.bin", chips.noise(600, 4))
  local want = chips.put(self.before, 0x10004, chips.noise(600, 4))
  for _, row in ipairs { { "- cut-after 1 n\n", "-q" }, { "- cut 1 n\n", "-q" },
    { "- cut 5 n\n", "-q" }, { "- signal-op 3 9\n", "-q" },
    { "- signal-op 3 9\n", "--no-stub" } } do
    local args = { "write", "0x10004", "data.bin", "-b", "921600", row[2] }
    self:board(self.before)
    local _, err, code = self:run({ faults = row[1] }, args)
    lu.assertNotEquals(code, 0, err)
    lu.assertFalse(self:now() == self.before)
    local out
    out, err, code = self:run({}, args)
    lu.assertEquals(code, 0, err .. out)
    if row[2] ~= "-q" then lu.assertStrContains(err, "interrupted: finishing it first") end
    lu.assertTrue(self:now() == want, row[1] .. row[2])
  end
end

function TestSafety:test_what_lies_beside_a_part_survives_where_fast_reads_go_wrong()
  self:file("data.bin", chips.noise(600, 4))
  local out, err, code = self:run({ url = "&badmode=fast" }, { "write", "0x10004", "data.bin" })
  lu.assertEquals(code, 0, err .. out)
  lu.assertTrue(self:now() == chips.put(self.before, 0x10004, chips.noise(600, 4)))
end

function TestSafety:test_what_was_interrupted_is_not_finished_on_a_chip_that_was_changed_since()
  for _, row in ipairs { { 30000, "-q", "-q" }, { 600, "-q", "-q" }, { 600, "-q", "--no-stub" },
    { 600, "--no-stub", "-q" }, { 600, "--no-stub", "--no-stub" } } do
    local what = table.concat(row, " ")
    self:board(chips.noise(SMALL, 3))
    self:file("data.bin", chips.noise(row[1], 4))
    local _, err, code = self:run({ faults = "- signal-op 2 9\n" }, { "write", "0x10004",
      "data.bin", "-b", "921600", row[2] })
    lu.assertNotEquals(code, 0, what .. err)
    self:board(chips.noise(SMALL, 99))
    local out
    out, err, code = self:run({}, { "write", "0x10004", "data.bin", "-b", "921600", row[3] })
    lu.assertEquals(code, 0, what .. err .. out)
    lu.assertNotStrContains(err, "finishing")
    lu.assertTrue(self:now() == chips.put(self.before, 0x10004, chips.noise(row[1], 4)), what)
  end
end

function TestSafety:test_an_interruption_while_the_chip_is_looked_at_is_just_that()
  for at = 2000, 3200, 80 do
    local out, err, code = self:run({ faults = ("- signal %d 2\n"):format(at) },
      { "erase", "0x20000", "0x1000", "--no-stub", "-b", "921600" })
    lu.assertEquals(code, 130, at .. err .. out)
    lu.assertStrContains(err, "interrupted")
  end
end

function TestSafety:test_another_write_ends_what_was_unfinished()
  self:file("data.bin", chips.noise(600, 4))
  self:run({ faults = "- cut-after 1 n\n" }, { "write", "0x10004", "data.bin" })
  local function logs()
    local n = 0
    for name in lfs.dir(self:path "moonflash/unfinished") do n = n + (name:find "^%." and 0 or 1) end
    return n
  end
  lu.assertEquals(logs(), 1)
  local _, err, code = self:run({}, { "erase", "0x20000", "4k" })
  lu.assertEquals(code, 0, err)
  lu.assertEquals(logs(), 0)
end

function TestSafety:test_no_room_to_remember_the_work_is_an_error_before_it()
  self:file("data.bin", chips.noise(30000, 4))
  self:refused(9, "interrupted", { "write", "0x10004", "data.bin" }, {}, "ulimit -f 8;")
end

-- ---- every exit code ----

function TestSafety:test_every_exit_code_is_produced_as_documented()
  self:inputs()
  self:file("raises.lua", "error 'no'\n")
  local rows = {
    { 0, {}, { "write", "0x10000", "data.bin" } },
    { 1, {}, { "raises.lua" } },
    { 2, {}, { "write", "0x10000" } },
    { 3, { faults = "1 unplug 1 1\n" }, { "write", "0x10000", "data.bin" } },
    { 4, { url = "&die=1" }, { "write", "0x10000", "data.bin" } },
    { 5, { url = "&chip=esp32" }, { "write", "0x10000", "data.bin" } },
    { 6, {}, { "write", "0x10000", "missing.bin" } },
    { 7, {}, { "upgrade", "old.bin", "--no-backup", "--no-watch" } },
    { 8, { url = "&stuck=17" }, { "write", "0x10000", "data.bin" } },
    { 9, {}, { "read", "0x0", "64k", "out.bin" }, "ulimit -f 4;" },
    { 130, { faults = "- signal-op 3 2\n" }, { "write", "0x20000", "data.bin" } },
  }
  self:file("old.bin", chips.firmware("0.9", { seed = 3, irom = 0x6000 }))
  for _, row in ipairs(rows) do
    self:board(row[1] == 7 and (chips.chip("2.x", SMALL, { irom = 0x8000 }))
      or chips.noise(SMALL, 3))
    local out, err, code = self:run(row[2], row[3], row[4])
    lu.assertEquals(code, row[1], err .. out)
    lu.assertEquals(out:find "ok: " ~= nil, code == 0)
    lu.assertEquals(err:find "moonflash: " ~= nil, code ~= 0)
    if code ~= 0 and code ~= 8 and code ~= 130 then
      lu.assertTrue(self:now() == self.before, row[1])
    end
  end
end

os.exit(lu.LuaUnit.run())
