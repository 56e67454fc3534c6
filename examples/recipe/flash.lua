-- flash.lua: the whole flashing story of a project, in its repository.
local mf = require "moonflash"

return mf.recipe {
  api   = 1,
  flash = { size = "detect" },
  parts = {
    mf.firmware "hello.bin",
    mf.bytes(0x100000, "settings of this project\n", "settings"),
  },
  before = function(dev) assert(dev:flash().size >= 2 * mf.MiB, "needs a board with 2 MB") end,
  test = {
    board  = { size = "4M" },
    expect = function(t)
      t:expect_region(0, "hello.bin")
      t:expect_bytes(0x100000, "settings of this project\n")
      t:expect_blank(0x200000, 0x1000)
      t:expect_console("hello from moonflash", 2)
    end,
  },
}
