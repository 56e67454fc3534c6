-- flash.lua: boards in the field, from NodeMCU 0.9.5 to 3, with the files they have.
local mf = require "moonflash"

return mf.recipe {
  api   = 1,
  about = "Upgrades the loggers of 2015 and keeps what they have recorded.",

  parts = {
    -- Files are taken along and written anew in the format of the new firmware; when
    -- that cannot be done nothing is changed.
    mf.firmware("firmware/", { files = "move" }),
    mf.label("upgraded.csv", "{{mac}},{{from}},3.0.0\n", { append = true }),
  },

  before = function(dev)
    local now = dev:info()
    if now.blank then dev:refuse "this board is erased: it has no records to keep" end
    if now.firmware.id ~= "nodemcu" then
      dev:refuse(("this is no logger: it runs %s"):format(now.firmware.name))
    end
    dev:log("%s with %d files", now.firmware.name, now.file_system and now.file_system.files or 0)
  end,
  unit  = function(_, dev) return { from = dev:info().nodemcu.version } end,
  after = function(dev) dev:expect("\n> ", 20) end,

  test = {
    { name = "a logger of 2015", board = { size = "1M" },
      given = function(t)
        t:put_firmware "old"
        t:put_files(0x14000, 0xfc000 - 0x14000, { ["init.lua"] = "dofile('log.lua')\n",
          ["records.csv"] = ("2015-06-01,21.5\n"):rep(200) }, "0.9.5")
      end,
      expect = function(t)
        t:expect_file("init.lua", "dofile('log.lua')\n")
        t:expect_file("records.csv", ("2015-06-01,21.5\n"):rep(200))
        t:expect_console("NodeMCU 3.0.0.0", 2)
        t:expect_written("upgraded.csv", "60:01:94:a5:b6:9c,0.9.5,3.0.0\n")
      end },
    { name = "an erased board", fails = "it has no records to keep" },
    { name = "another device", given = function(t) t:put_file(0, "other.bin") end,
      fails = "this is no logger" },
  },
}
