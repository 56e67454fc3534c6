-- flash.lua: a line that makes door sensors, each with credentials of its own.
local mf = require "moonflash"

return mf.recipe {
  api   = 1,
  about = "Flashes a door sensor: firmware, files with its credentials, serial number, label.",

  params = {
    lot = { type = "string", required = true, pattern = "%d%d%d%d%-%d%d", help = "such as 2024-07" },
    broker = { default = "mqtt.example.net", help = "MQTT broker" },
  },
  variants = {
    production = { flash = { freq = "40m" } },
    bench      = { params = { broker = "192.168.1.10", lot = { default = "0000-00" } } },
  },
  variant = "production",

  units  = "units.csv",                            -- mac,user,password
  serial = { first = 1, format = "DS-%05d" },      -- from the ledger: never twice
  unit   = function(u)
    return { topic = ("doors/%s"):format(u.serial:lower()), key = u.row.password:reverse() }
  end,

  parts = {
    mf.firmware "firmware/",
    mf.spiffs("lua/", { templates = { "config.json" }, size = "256k" }),
    -- 32 bytes for a boot-time check, where no file system will ever be
    mf.bytes(0x100000, function(u) return ("%-32s"):format("unit " .. u.serial) end, "unit mark"),
    mf.label("labels/{{serial}}.txt", "Door sensor {{serial}}\nMAC {{mac}}\nlot {{lot}}\n"),
    mf.label("made.csv", "{{serial}},{{mac}},{{lot}}\n", { append = true }),
  },

  after = function(dev)
    dev:expect("\n> ", 20)
    dev:send '=flash(0x100000)'
    dev:expect("unit " .. dev.unit.serial, 2)
  end,
  on_error = function(dev, message) dev:log("put %s aside: %s", dev.mac, message) end,

  test = {
    { name = "the first unit", params = { lot = "2024-07" }, board = { mac = "60:01:94:00:00:01" },
      expect = function(t)
        t:expect_file("config.json", [[
{
  "user": "sensor-a",
  "password": "p\"q{1}",
  "topic": "doors/ds-00001",
  "broker": "mqtt.example.net"
}
]])
        t:expect_written("labels/DS-00001.txt",
          "Door sensor DS-00001\nMAC 60:01:94:00:00:01\nlot 2024-07\n")
        t:run_again()
        t:expect_written("made.csv", ("DS-00001,60:01:94:00:00:01,2024-07\n"):rep(2))
      end },
    { name = "the second unit", params = { lot = "2024-07" }, board = { mac = "60:01:94:00:00:02" },
      expect = function(t) t:expect_bytes(0x100000, "unit DS-00002") end },
    { name = "on the bench", variant = "bench", board = { mac = "60:01:94:00:00:03" },
      expect = function(t)
        t:expect(t:file_text("config.json"):find("192.168.1.10", 1, true), "the bench's broker")
      end },
    { name = "a board that nobody ordered", params = { lot = "2024-07" },
      board = { mac = "60:01:94:99:99:99" }, fails = "units.csv has no row for this unit" },
    { name = "the number after it", params = { lot = "2024-07" }, board = { mac = "60:01:94:a5:b6:9c" },
      expect = function(t) t:expect_bytes(0x100000, "unit DS-00004") end },
    { name = "a lot that is none", params = { lot = "july" }, fails = "--lot: 'july'" },
  },
}
