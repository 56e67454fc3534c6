-- flash.lua: NodeMCU, its Lua Flash Store, and files.
local mf = require "moonflash"

return mf.recipe {
  api   = 1,
  about = "NodeMCU with the application in the Lua Flash Store.",

  parts = function(p)
    return {
      mf.firmware "firmware/",
      -- This build has no store of its own: the partition table gets one of this size.
      mf.partition { lfs = p.store },
      mf.lfs "lfs.img",             -- luac.cross -f -o lfs.img lfs/*.lua
      mf.spiffs("lua/", { size = p.files }),
    }
  end,
  params = {
    store = { default = "64k", help = "size of the Lua Flash Store" },
    files = { default = "256k", help = "size of the file system" },
  },

  test = {
    { name = "store and files", board = { size = "4M" },
      expect = function(t)
        t:expect_bytes(0x14000, ("<I4I4"):pack(0xfafaa154, 964), "the store behind the firmware")
        t:expect_file("init.lua")
        local sector = t:flash(0x10000, 0x1000)
        t:expect(sector:find(("<I4I4I4"):pack(103, 0x14000, 0x10000), 1, true), "its partition")
        t:expect(sector:find(("<I4I4"):pack(106, 0x24000), 1, true), "the files' partition behind it")
      end },
    { name = "the smallest store, more files", params = { store = "0x1000", files = "512k" },
      board = { size = "1M" }, expect = function(t) t:expect_file("init.lua") end },
    { name = "a store outside the mapped part of flash", params = { store = "1M" },
      fails = "first MB of flash" },
    { name = "files that do not fit", board = { size = "1M" }, params = { files = "2M" },
      fails = "do not fit" },
  },
}
