-- board.lua: makes the golden board whose backup is golden.mfb.
--
--   moonflash -p sim:golden.flash?size=1M board.lua
--   moonflash -p sim:golden.flash backup golden.mfb
local mf = require "moonflash"

return mf.recipe {
  api   = 1,
  about = "The golden board: set up once, then copied.",
  parts = {
    mf.firmware "firmware/",
    mf.spiffs "lua/",
    mf.init_data { variant = "v08" },
    mf.bytes(0xd000, ("golden board's calibration "):rep(16), "RF calibration"),
    mf.bytes(0xfd000, ("golden board's Wi-Fi "):rep(16), "system parameters"),
  },
  flash = { size = "1M" },
}
