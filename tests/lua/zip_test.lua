local esp = require "esp"
local lu = require "luaunit"
local zip = require "moonflash.zip"

local function archive()
  local w = zip.writer()
  w:add("a.bin", ("\xff"):rep(5000))
  w:add("b.bin", (esp.sha256("noise"):gsub("..", function(h)
    return string.char(tonumber(h, 16))
  end)))
  w:add("empty", "")
  return w:finish()
end

TestZip = {}

function TestZip:test_what_was_put_in_comes_out()
  local bytes = archive()
  local entries = zip.entries(bytes)
  lu.assertEquals(#entries, 3)
  lu.assertEquals(entries[1].name, "a.bin")
  lu.assertEquals(zip.read(bytes, entries[1]), ("\xff"):rep(5000))
  lu.assertEquals(#zip.read(bytes, entries[2]), 32)
  lu.assertEquals(zip.read(bytes, entries[3]), "")
end

function TestZip:test_what_does_not_shrink_is_stored_and_the_rest_deflated()
  local entries = zip.entries(archive())
  lu.assertEquals({ entries[1].method, entries[2].method, entries[3].method }, { 8, 0, 0 })
  lu.assertTrue(entries[1].packed_size < 100)
end

function TestZip:test_the_same_input_gives_the_same_bytes()
  lu.assertEquals(archive(), archive())
end

function TestZip:test_every_cut_is_refused()
  local bytes = archive()
  for n = 0, #bytes - 1 do
    lu.assertErrorMsgContains("archive", zip.entries, bytes:sub(1, n))
  end
end

function TestZip:test_bytes_behind_the_end_are_refused()
  lu.assertErrorMsgContains("directory", zip.entries, archive() .. "x")
end

-- Every bit of every header counts: an archive is either as written or refused.
function TestZip:test_every_flipped_bit_is_found()
  local bytes = archive()
  local good = zip.entries(bytes)
  for at = 1, #bytes do
    for bit = 0, 7 do
      local bad = bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 1 << bit)
        .. bytes:sub(at + 1)
      local where = ("bit %d of byte %d"):format(bit, at)
      local ok, entries = pcall(zip.entries, bad)
      if ok then lu.assertEquals(#entries, #good, where) end
      for i, e in ipairs(ok and entries or {}) do
        lu.assertEquals(e.name, good[i].name, where)
        local read, data = pcall(zip.read, bad, e)
        lu.assertTrue(not read or data == zip.read(bytes, good[i]), where)
      end
    end
  end
end

os.exit(lu.LuaUnit.run())
