-- flash.lua: NodeMCU and the project's Lua files, in one go.
local mf = require "moonflash"

return mf.recipe {
  api   = 1,
  about = "Puts NodeMCU and the thermometer's Lua files on a board.",

  params = {
    boot_seconds = { default = 20, min = 1, max = 120, help = "how long to wait for the prompt" },
  },

  parts = {
    mf.firmware "firmware/",        -- the two files that a build leaves behind
    mf.init_data { adc = "vdd" },   -- the ADC measures the supply
    mf.spiffs "lua/",
  },

  before = function(dev)
    if dev:flash().size < 1 * mf.MiB then dev:refuse "the thermometer needs a board with 1 MB" end
  end,
  after = function(dev) dev:expect("\n> ", dev.params.boot_seconds) end,

  test = {
    { name = "a board from the shop", board = { size = "1M" },
      expect = function(t)
        t:expect_file("init.lua")
        t:expect_file("config.json", '{"every_s": 60}\n')
        t:expect(t:flash(0xf000, 1) == "\x05" and t:flash(0xf000 + 107, 1) == "\xff",
          "init data where NodeMCU 3 has them, measuring the supply")
        t:expect_console("NodeMCU 3.0.0.0", 2)
        t:expect(t:run_again().written == 0, "a second time there is nothing to write")
      end },
    { name = "a small board", board = { size = "512K" }, fails = "needs a board with 1 MB" },
  },
}
