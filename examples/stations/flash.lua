-- flash.lua: a sensor with a serial number and a key of its own, made on many stations.
local mf = require "moonflash"

return mf.recipe {
  api    = 1,
  about  = "Flashes a sensor: firmware, its serial number, its key.",
  serial = { first = 1, format = "TS-%06d" },      -- both from the ledger that all stations
  units  = { pool = "keys" },                      -- share: each is given once
  parts  = {
    mf.firmware "hello.bin",
    mf.bytes(0x100000, function(u) return ("%s %s\n"):format(u.serial, u.row.key) end, "identity"),
  },
  test = {
    board  = { size = "2M" },
    pools  = { keys = { { key = "6f1d" } } },
    expect = function(t) t:expect_bytes(0x100000, "TS-000001 6f1d\n") end,
  },
}
