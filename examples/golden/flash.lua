-- flash.lua: copies of a golden board; each board keeps what was measured on it.
local mf = require "moonflash"

return mf.recipe {
  api   = 1,
  about = "Puts the golden board's flash on this one and keeps its own calibration.",

  parts = {
    mf.backup "golden.mfb",
    -- This board's own, where it has them; the golden board's only for want of any.
    mf.hole "rf-cal",
    mf.hole "init-data",
    mf.hole "system-param",
    mf.label("copies.csv", "{{mac}}\n", { append = true }),
  },
  after = function(dev) dev:expect("\n> ", 20) end,

  test = {
    { name = "a board with a calibration of its own", board = { size = "1M" },
      given = function(t)
        t:put_firmware "firmware"
        t:put(0xd000, "my own calibration")
        t:put(0xf000, t:read_file "init_data.bin")
        t:put(0xfd000, "my own Wi-Fi")
      end,
      expect = function(t)
        t:expect_bytes(0xd000, "my own calibration")
        t:expect_bytes(0xf000, t:read_file "init_data.bin")
        t:expect_bytes(0xfd000, "my own Wi-Fi")
        t:expect_file("init.lua", 'print("copied from the golden board")\n')
        t:expect_console("NodeMCU 3.0.0.0", 2)
      end },
    { name = "a board without", board = { size = "1M" },
      expect = function(t)
        t:expect_bytes(0xf000, "\x05\x08", "the golden board's init data")
        t:expect_blank(0xd000, 0x1000)
        t:expect_blank(0xfd000, 0x1000)
        t:expect_file("init.lua")
      end },
    { name = "a board that is too small", board = { size = "512K" }, fails = "this chip has 512 KB" },
  },
}
