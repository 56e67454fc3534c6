-- Init data end to end.
package.path = "tests/cmd/?.lua;" .. package.path
local boards = require "boards"
local harness = require "harness"
local init_data = require "moonflash.init_data"
local lfs = require "lfs"
local lu = require "luaunit"

local good, bad, put = boards.good, boards.bad, boards.put
local SIZE <const> = 0x100000
local AT <const> = SIZE - 0x4000
local BOARD <const> = boards.nodemcu2(SIZE, 1)
local V05 <const>, V08 <const> = init_data.build {}, init_data.build { variant = "v08" }

TestInitData = {}

function TestInitData:setUp()
  self.dir = harness.directory()
  self.flash = self.dir .. "/board.flash"
  harness.write(self.flash, BOARD)
  self.port = "sim:" .. self.flash
end

function TestInitData:tearDown() harness.remove(self.dir) end

function TestInitData:now() return harness.read(self.flash) end

-- Flash with a block in the sector, the rest of it blank.
local function with(bytes, addr, block)
  return put(bytes, addr, block .. ("\xff"):rep(0x1000 - #block))
end

function TestInitData:test_show_names_every_field_and_the_variant()
  local out = good("-p", self.port, "init-data", "show")
  for _, text in ipairs { "0x0fc000", "v05", "good", "vdd33_const", "82,78,74,68,64,56",
    "crystal_26m_en", "rf_cal_use_flash" } do
    lu.assertStrContains(out, text)
  end
  local e = boards.events((good("--json", "-p", self.port, "init-data", "show")))
  lu.assertEquals(e.result.variant, "v05")
  lu.assertEquals(e.result.addr, AT)
  boards.same(self:now(), BOARD)
end

function TestInitData:test_write_puts_v05_where_the_firmware_looks()
  harness.write(self.flash, with(BOARD, AT, "\0\0\0"))
  good("-p", self.port, "init-data", "write")
  boards.same(self:now(), with(BOARD, AT, V05))
end

function TestInitData:test_variants_and_fields()
  good("-p", self.port, "init-data", "write", "--variant", "v08", "--field", "vdd33_const=255",
    "--field", "target_power=80,78,74,68,64,56")
  local want = put(put(V08, 107, "\xff"), 34, "\x50\x4e\x4a\x44\x40\x38")
  boards.same(self:now(), with(BOARD, AT, want))
end

function TestInitData:test_keep_changes_only_what_is_named()
  harness.write(self.flash, with(BOARD, AT, put(V08, 34, "\x20")))
  good("-p", self.port, "init-data", "write", "--keep", "--field", "crystal=0")
  boards.same(self:now(), with(BOARD, AT, put(put(V08, 34, "\x20"), 48, "\0")))
end

function TestInitData:test_the_measured_crystal_counts()
  good("-p", self.port .. "?crystal=40", "init-data", "write")
  boards.same(self:now(), with(BOARD, AT, put(V05, 48, "\0")))
end

function TestInitData:test_generation_3_has_it_where_its_table_says()
  local board = boards.nodemcu3(SIZE, 1, true)
  harness.write(self.flash, board)
  good("-p", self.port, "init-data", "write", "--variant", "v08")
  boards.same(self:now(), with(board, 0xF000, V08))
end

function TestInitData:test_a_blank_chip_gets_it_by_its_size()
  for size, addr in pairs { [0x80000] = 0x7C000, [0x400000] = 0x3FC000 } do
    local blank = ("\xff"):rep(size)
    harness.write(self.flash, blank)
    good("-p", self.port, "init-data", "write")
    boards.same(self:now(), with(blank, addr, V05))
  end
end

function TestInitData:test_files_and_built_in_ones()
  local file = self.dir .. "/init.bin"
  good("init-data", "build", file, "--variant", "v08", "--field", "vdd33=30")
  lu.assertEquals(harness.read(file), put(V08, 107, "\30"))
  lu.assertStrContains(good("init-data", "show", file), "v08")
  good("-p", self.port, "init-data", "write", file)
  boards.same(self:now(), with(BOARD, AT, put(V08, 107, "\30")))
  good("-p", self.port, "init-data", "write", "INTERNAL://DEFAULT")
  boards.same(self:now(), with(BOARD, AT, V05))
end

function TestInitData:test_write_and_verify_take_built_in_files_too()
  good("-p", self.port, "write", "0xfc000", "builtin:init-data-v08", "0xfe000", "INTERNAL://BLANK")
  local want = put(put(BOARD, AT, V08), 0xFE000, ("\xff"):rep(0x1000))
  boards.same(self:now(), want)
  good("-p", self.port, "verify", "0xfc000", "builtin:init-data-v08", "0xfe000", "builtin:blank")
  bad(6, "builtin:fw", "-p", self.port, "write", "0xfc000", "builtin:fw")
end

function TestInitData:test_another_address()
  good("-p", self.port, "init-data", "write", "--addr", "0x80000")
  boards.same(self:now(), with(BOARD, 0x80000, V05))
  bad(6, "sector", "-p", self.port, "init-data", "write", "--addr", "0x80010")
  bad(6, "", "-p", self.port, "init-data", "write", "--addr", "0x100000")
end

function TestInitData:test_a_dry_run_changes_nothing()
  good("-p", self.port, "init-data", "write", "--variant", "v08", "--dry-run")
  boards.same(self:now(), BOARD)
end

function TestInitData:test_bad_requests_change_nothing()
  local junk = self.dir .. "/junk.bin"
  harness.write(junk, ("\0"):rep(128))
  bad(6, "no init data", "-p", self.port, "init-data", "write", junk)
  bad(6, "no init data", "-p", self.port, "init-data", "write", "builtin:blank")
  harness.write(junk, V05:sub(1, 100))
  bad(6, "128", "-p", self.port, "init-data", "write", junk)
  bad(6, "none.bin", "-p", self.port, "init-data", "write", self.dir .. "/none.bin")
  bad(2, "colour", "-p", self.port, "init-data", "write", "--field", "colour=1")
  bad(2, "crystal", "-p", self.port, "init-data", "write", "--field", "crystal=9")
  bad(2, "v99", "-p", self.port, "init-data", "write", "--variant", "v99")
  bad(2, "choose one", "-p", self.port, "init-data", "write", "--keep", "--variant", "v08")
  boards.same(self:now(), BOARD)
  harness.write(self.flash, with(BOARD, AT, ""))
  bad(6, "blank", "-p", self.port, "init-data", "write", "--keep", "--field", "vdd33=255")
  bad(9, "none", "init-data", "build", self.dir .. "/none/x.bin")
  lu.assertNil(lfs.attributes(self.dir .. "/none"))
end

os.exit(lu.LuaUnit.run())
