-- flash.lua: first a firmware that tests the board, then, if it passed, the product.
local mf = require "moonflash"

return mf.recipe {
  api   = 1,
  about = "Tests a board with a firmware made for that, then flashes the product.",

  params = { seconds = { default = 10, help = "how long the self-test may take" } },

  stages = {
    { name  = "self-test",
      parts = { mf.firmware "selftest.bin" },
      after = function(dev)
        local verdict = dev:match("verdict (%u+)", dev.params.seconds)
        dev:log("self-test: %s", verdict)
        if verdict ~= "PASS" then
          dev:refuse("the board failed its self-test", "put it aside; the test firmware is on it")
        end
      end },
    { name  = "product",
      parts = { mf.firmware("product/", { erase = "all" }), mf.spiffs("lua/", { size = "256k" }) },
      after = function(dev) dev:expect("\n> ", 20) end },
  },

  test = {
    { name = "a good board", board = { size = "2M" },
      expect = function(t)
        t:expect_file("init.lua")
        t:expect_console("NodeMCU 3.0.0.0", 2)
      end },
    { name = "a bad board", board = { size = "1M" }, fails = "the board failed its self-test",
      expect = function(t)
        t:expect_console("verdict FAIL", 2)
        t:expect(not t:flash(0x10000, 0x1000):find("[^\xff]"), "no product on it")
      end },
  },
}
