-- ELF files to firmware images. The images expected are put together here, field by
-- field, from the documented formats: version 1 of the mask ROM, 2 of boot 1.2 and
-- rBoot, 3 of ESP8266_RTOS_SDK.
package.path = "tests/lua/?.lua;" .. package.path
local elf = require "moonflash.elf"
local elf_image = require "moonflash.elf_image"
local elf_writer = require "elf_writer"
local esp = require "esp"
local lu = require "luaunit"

local ENTRY <const> = 0x40100004

local function bytes(n, seed)
  local t = {}
  for i = 1, n do t[i] = string.char((i * 7 + seed * 31) & 255) end
  return table.concat(t)
end

local TEXT <const>, DATA <const>, RODATA <const>, IROM <const> =
  bytes(100, 1), bytes(33, 2), bytes(17, 3), bytes(250, 4)

local function program(extra)
  local sections = {
    { name = ".data", addr = 0x3ffe8000, data = DATA },
    { name = ".bss", addr = 0x3ffe9000, type = 8, size = 4000 },
    { name = ".text", addr = 0x40100000, data = TEXT },
    { name = ".irom0.text", addr = 0x40210000, data = IROM },
    { name = ".comment", addr = 0, data = "compiler" },
    extra,
  }
  return elf_writer.write { entry = ENTRY, sections = sections }
end

local function build(file, version, opts)
  opts = opts or {}
  opts.version, opts.sha256 = version, esp.sha256
  return elf_image.build(file, opts)
end

local function padded(s, unit) return s .. ("\0"):rep(-#s % unit) end

-- A version 1 image by the document: header, segments, zeros, checksum.
local function v1(mode, size_freq, segments, base)
  local out = ("<BBBBI4"):pack(0xE9, #segments, mode, size_freq, ENTRY)
  local sum = 0xEF
  for _, s in ipairs(segments) do
    out = out .. ("<I4I4"):pack(s[1], #s[2]) .. s[2]
    for i = 1, #s[2] do sum = sum ~ s[2]:byte(i) end
  end
  while (#out + (base or 0)) % 16 ~= 15 do out = out .. "\0" end
  return out .. string.char(sum)
end

local RAM <const> = { { 0x3ffe8000, padded(DATA, 4) }, { 0x40100000, TEXT } }

TestElf = {}

function TestElf:test_sections_with_bytes_for_the_chip_in_the_files_order()
  local file = elf.parse(program())
  lu.assertEquals(file.entry, ENTRY)
  lu.assertEquals(file.sections, { { name = ".data", addr = 0x3ffe8000, data = DATA },
    { name = ".text", addr = 0x40100000, data = TEXT },
    { name = ".irom0.text", addr = 0x40210000, data = IROM } })
end

function TestElf:test_constructors_and_destructors_are_loaded_notes_are_not()
  local sections = {}
  for i, kind in ipairs { 14, 15, 16, 7, 4, 2 } do
    sections[i] = { addr = 0x40100000 + i * 16, data = "1234", type = kind }
  end
  local file = elf.parse(elf_writer.write { entry = 1, sections = sections })
  lu.assertEquals(#file.sections, 3)
end

function TestElf:test_what_is_no_elf_file_for_the_chip_is_refused()
  lu.assertErrorMsgContains("no ELF file", elf.parse, "\xe9\1\2\3")
  lu.assertErrorMsgContains("another machine (number 40)", elf.parse,
    elf_writer.write { entry = 1, machine = 40, sections = {} })
  lu.assertErrorMsgContains("32-bit", elf.parse, (program():gsub("^(....)\1", "%1\2")))
  lu.assertErrorMsgContains("cut off", elf.parse, program():sub(1, 40))
end

function TestElf:test_a_file_that_was_cut_anywhere_is_refused()
  local whole = program()
  for n = 0, #whole - 1 do
    local ok, e = pcall(elf.parse, whole:sub(1, n))
    lu.assertFalse(ok, n)
    lu.assertEquals(e.code, "file", n)
  end
end

function TestElf:test_tables_that_lie_are_refused()
  local whole = program()
  local function with(at, format, value)
    return whole:sub(1, at) .. format:pack(value) .. whole:sub(at + format:packsize() + 1)
  end
  lu.assertErrorMsgContains("60000 sections", elf.parse, with(48, "<I2", 60000))
  lu.assertErrorMsgContains("cut off", elf.parse, with(46, "<I2", 8))
  lu.assertErrorMsgContains("cut off", elf.parse, with(32, "<I4", 0xFFFFFFF0))
  local first_section = ("<I4"):unpack(whole, 33) + 40
  lu.assertErrorMsgContains("section 1 is cut off", elf.parse,
    with(first_section + 20, "<I4", 0x7FFFFFFF))
end

TestVersion1 = {}

function TestVersion1:test_the_ram_part_and_the_mapped_part_are_two_files()
  local files = build(program(), 1)
  lu.assertEquals(#files, 2)
  lu.assertEquals(files[1], { addr = 0, bytes = v1(0, 0x20, RAM) })
  lu.assertEquals(files[2], { addr = 0x10000, bytes = padded(IROM, 4) })
end

function TestVersion1:test_mode_clock_and_size_go_into_the_header()
  local files = build(program(), 1, { mode = "dio", freq = "80m", size = "4MB" })
  lu.assertEquals(files[1].bytes, v1(2, 0x4F, RAM))
end

function TestVersion1:test_sections_that_touch_become_one_segment()
  -- 33 bytes of .data are padded to 36, where .rodata begins
  local files = build(program { name = ".rodata", addr = 0x3ffe8024, data = RODATA }, 1)
  lu.assertEquals(files[1].bytes, v1(0, 0x20, { RAM[1], RAM[2],
    { 0x3ffe8024, padded(RODATA, 4) } }))
  files = build(elf_writer.write { entry = ENTRY, sections = {
    { addr = 0x3ffe8000, data = DATA }, { addr = 0x3ffe8024, data = RODATA } } }, 1)
  lu.assertEquals(files[1].bytes, v1(0, 0x20, { { 0x3ffe8000, padded(DATA, 4)
    .. padded(RODATA, 4) } }))
end

function TestVersion1:test_sections_that_touch_in_two_memories_stay_apart()
  local files = build(elf_writer.write { entry = ENTRY, sections = {
    { addr = 0x40107ff0, data = bytes(16, 1) }, { addr = 0x40108000, data = bytes(16, 2) } } }, 1)
  lu.assertEquals(files[1].bytes:byte(2), 2)
end

function TestVersion1:test_program_headers_instead_of_sections()
  local files = build(program(), 1, { use_segments = true })
  lu.assertEquals(files[1].bytes, v1(0, 0x20, RAM))
  lu.assertEquals(files[2].bytes, padded(IROM, 4))
end

function TestVersion1:test_the_elf_files_digest_goes_where_it_is_wanted()
  local file = elf_writer.write { entry = ENTRY, sections = {
    { addr = 0x40100000, data = ("\0"):rep(64) } } }
  local digest = esp.sha256(file):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)
  local files = build(file, 1, { digest_at = 0x18 })
  lu.assertEquals(files[1].bytes, v1(0, 0x20, { { 0x40100000, ("\0"):rep(8) .. digest
    .. ("\0"):rep(24) } }))
  lu.assertErrorMsgContains("does not fit", build, file, 1, { digest_at = 0x38 })
  lu.assertErrorMsgContains("no segment", build, file, 1, { digest_at = 0x200 })
  lu.assertErrorMsgContains("other bytes than zeros", build, program(), 1, { digest_at = 0x10 })
end

TestVersion2 = {}

-- The CRC word of the document: the CRC-32 inverted when negative, else one more.
local function crc_word(s)
  local crc = esp.crc32(s)
  return ("<I4"):pack(crc & 0x80000000 ~= 0 and crc ~ 0xFFFFFFFF or crc + 1)
end

function TestVersion2:test_the_crc_word_of_the_documents_vectors()
  lu.assertEquals(crc_word "123456789", ("<I4"):pack(0x340BC6D9))
  lu.assertEquals(crc_word "\0", ("<I4"):pack(0x2DFD1072))
end

function TestVersion2:test_mapped_code_lies_before_the_ram_part_and_a_crc_behind_it()
  local files = build(program(), 2, { mode = "dout", freq = "20m", size = "1MB" })
  lu.assertEquals(#files, 1)
  lu.assertEquals(files[1].addr, 0x10000)
  local irom = padded(IROM, 16)
  local body = ("<BBBBI4I4I4"):pack(0xEA, 4, 3, 0x22, ENTRY, 0, #irom) .. irom
  body = body .. v1(3, 0x22, RAM, #body)
  lu.assertEquals(files[1].bytes, body .. crc_word(body))
end

function TestVersion2:test_a_digest_may_lie_in_either_part()
  local file = elf_writer.write { entry = ENTRY, sections = {
    { addr = 0x40210000, data = ("\0"):rep(50) }, { addr = 0x40100000, data = ("\0"):rep(64) } } }
  local digest = esp.sha256(file):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)
  -- 16 bytes of header, 50 of mapped code padded to 64, 8 of header, 8 of a segment's
  for _, at in ipairs { 16, 16 + 64 + 16, 16 + 64 + 16 + 20 } do
    local bytes = build(file, 2, { digest_at = at })[1].bytes
    lu.assertEquals(bytes:sub(at + 1, at + 32), digest, at)
    lu.assertEquals(#bytes, 16 + 64 + 16 + 64 + 16 + 4)
  end
  lu.assertErrorMsgContains("no segment", build, file, 2, { digest_at = 16 + 64 + 12 })
end

function TestVersion2:test_without_mapped_code_there_is_no_such_image()
  lu.assertErrorMsgContains("needs code for mapped flash", build, elf_writer.write { entry = ENTRY,
    sections = { { addr = 0x40100000, data = TEXT } } }, 2)
end

TestVersion3 = {}

local function with_digest(body)
  return body .. esp.sha256(body):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)
end

function TestVersion3:test_mapped_segments_come_first_and_a_sha256_last()
  local files = build(program(), 3)
  lu.assertEquals(files, { { bytes = with_digest(v1(0, 0x00, { { 0x40210000, padded(IROM, 4) },
    RAM[1], RAM[2] })) } })
end

function TestVersion3:test_sizes_are_coded_as_the_esp32s()
  for size, code in pairs { ["1MB"] = 0, ["2MB"] = 1, ["4MB"] = 2, ["8MB"] = 3, ["16MB"] = 4,
    ["32MB"] = 5 } do
    lu.assertEquals(build(program(), 3, { size = size })[1].bytes:byte(4), code << 4, size)
  end
  lu.assertErrorMsgContains("none of a version 3 image", build, program(), 3, { size = "512KB" })
end

function TestVersion3:test_several_mapped_segments_need_pages_of_their_own()
  local far = { addr = 0x40220010, data = RODATA }
  local files = build(program(far), 3)
  lu.assertEquals(files[1].bytes, with_digest(v1(0, 0, { { 0x40210000, padded(IROM, 4) },
    { 0x40220010, padded(RODATA, 4) }, RAM[1], RAM[2] })))
  lu.assertErrorMsgContains("same 64 KB", build, program { addr = 0x40218000, data = RODATA }, 3)
end

TestRefused = {}

function TestRefused:test_two_pieces_of_mapped_code_have_no_place_in_1_and_2()
  for version = 1, 2 do
    lu.assertErrorMsgContains("2 pieces of code for mapped flash", build,
      program { addr = 0x40220010, data = RODATA }, version)
  end
end

function TestRefused:test_sections_over_one_another()
  lu.assertErrorMsgContains("overlap", build, program { addr = 0x40100010, data = "1234",
    name = ".over" }, 1)
end

function TestRefused:test_sections_where_the_chip_has_no_memory()
  for version = 1, 2 do
    lu.assertErrorMsgContains("would not start the image", build,
      program { addr = 0x300, data = "1234", name = ".nowhere" }, version)
  end
end

function TestRefused:test_nothing_to_load_and_too_many_segments()
  lu.assertErrorMsgContains("nothing that the chip could load", build,
    elf_writer.write { entry = 1, sections = { { addr = 0, data = "x" } } }, 1)
  local many = {}
  for i = 1, 17 do many[i] = { addr = 0x40100000 + i * 64, data = "1234" } end
  lu.assertErrorMsgContains("1 to 16 segments, not 17", build,
    elf_writer.write { entry = 1, sections = many }, 1)
end

TestNames = {}

function TestNames:test_the_names_that_build_files_expect()
  local function name(version, addr, output)
    return elf_image.name({ addr = addr }, version, "build/app.elf", output)
  end
  lu.assertEquals(name(1, 0), "build/app.elf-0x00000.bin")
  lu.assertEquals(name(1, 0x10000), "build/app.elf-0x10000.bin")
  lu.assertEquals(name(1, 0x10000, "fw/"), "fw/0x10000.bin")
  lu.assertEquals(name(2, 0x1000), "build/app-0x01000.bin")
  lu.assertEquals(name(2, 0x1000, "rom.bin"), "rom.bin")
  lu.assertEquals(name(3), "build/app.bin")
end

os.exit(lu.LuaUnit.run())
