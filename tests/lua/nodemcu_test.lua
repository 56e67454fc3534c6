local lu = require "luaunit"
local nodemcu = require "moonflash.nodemcu"
local partition = require "moonflash.partition"

local function flash(...) return "\xE9\3\0\0" .. ("\0junk\xff"):rep(50) .. table.concat({ ... }) end

TestIdentify = {}

function TestIdentify:test_0_9_2_with_its_own_spelling()
  local f = nodemcu.identify(flash("\nNodeMcu 0.9.2 build 20141219  powered by Lua 5.1.4\0",
    "SDK ver: %s compiled @ %s %s\0", "0.9.4\0Dec 19 2014\0"))
  lu.assertEquals({ f.version, f.build, f.lua, f.sdk, f.sdk_date, f.generation },
    { "0.9.2", "20141219", "5.1.4", "0.9.4", "Dec 19 2014", "0.9" })
end

function TestIdentify:test_0_9_5_and_the_number_type_from_the_file_name()
  local f = nodemcu.identify(flash "\nNodeMCU 0.9.5 build 20150318  powered by Lua 5.1.4\0",
    { filename = "nodemcu_integer_0.9.5_20150318.bin" })
  lu.assertEquals({ f.version, f.number_type, f.generation }, { "0.9.5", "integer", "0.9" })
end

function TestIdentify:test_1_5_4_1_belongs_to_the_newer_layout()
  local f = nodemcu.identify(flash(
    "\nNodeMCU 1.5.4.1 build unspecified powered by Lua 5.1.4 on SDK 1.5.4.1(39cb9a32)\0"))
  lu.assertEquals({ f.version, f.build, f.sdk, f.generation },
    { "1.5.4.1", "unspecified", "1.5.4.1(39cb9a32)", "2.x" })
end

function TestIdentify:test_a_1_4_build_belongs_to_the_older_layout()
  local f = nodemcu.identify(flash(
    "\nNodeMCU 1.4.0 build 2016 powered by Lua 5.1.4 on SDK 1.4.0\0"))
  lu.assertEquals({ f.version, f.generation }, { "1.4.0", "0.9" })
end

function TestIdentify:test_2_2_finds_the_sdk_value_elsewhere()
  local f = nodemcu.identify(flash(
    "\r\nNodeMCU 2.2.0.0 build 20190805 powered by Lua 5.1.4 on SDK \0",
    "2.2.1(6ab97e9)\0SDK ver: %s compiled @ Jun  7 2018 13:59:14\0",
    "rf_cal[0] !=0x05,is 0x%02X\0"))
  lu.assertEquals({ f.version, f.sdk, f.sdk_date, f.generation },
    { "2.2.0.0", "2.2.1(6ab97e9)", "Jun  7 2018 13:59:14", "2.x" })
end

function TestIdentify:test_the_date_of_a_build_is_named_without_the_words_before_it()
  local f = nodemcu.identify(flash "\nNodeMCU 2.2.0.0 build created on 2018-08-07 15:58 powered by Lua 5.1.4 on SDK 2.2.1\0")
  lu.assertEquals(f.build, "2018-08-07 15:58")
end

function TestIdentify:test_a_cloud_build_without_version_number()
  local f = nodemcu.identify(flash("NodeMCU custom build by frightanic.com\n\tbranch: master\n"
    .. "\tcommit: 5073c199c01d4d7bbbcd0ae1f761ecc4687f7217\n\tSSL: false\n"
    .. "\tmodules: adc,bit,file,gpio,net,node\n build \tbuilt on: 2018-05-03 14:52\n"
    .. " powered by Lua 5.1.4 on SDK 2.2.1(cfd48f3)\0"))
  lu.assertNil(f.version)
  lu.assertEquals({ f.branch, f.ssl, f.build, f.provider, f.generation, #f.modules },
    { "master", "false", "2018-05-03 14:52", "nodemcu-build.com", "2.x", 6 })
  lu.assertEquals(f.modules[6], "node")
end

local BANNER_3 = "\nNodeMCU 3.0.0.0 built on nodemcu-build.com provided by frightanic.com\n"
  .. "\tbranch: release\n\tcommit: 136e09739b835d6dcdf04034141d70ab755468c6\n"
  .. "\trelease: 3.0.0-release_20210201\n\trelease DTS: 202102010145\n\tSSL: false\n"
  .. "\tbuild type: float\n\tLFS: 0x0 bytes total capacity\n\tmodules: file,gpio,net\n"
  .. " build 2021-05-03 14:52 powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\n\0"

function TestIdentify:test_3_0_tells_everything_in_its_banner()
  local f = nodemcu.identify(flash(BANNER_3))
  lu.assertEquals({ f.version, f.release, f.release_dts, f.number_type, f.lfs_bytes, f.build,
    f.sdk, f.generation },
    { "3.0.0.0", "3.0.0-release_20210201", "202102010145", "float", 0, "2021-05-03 14:52",
      "3.0.1-dev(fce080e)", "3.x" })
  lu.assertEquals(nodemcu.describe(f), "NodeMCU 3.0.0.0 (3.0.0-release_20210201), "
    .. "SDK 3.0.1-dev(fce080e), float, built 2021-05-03 14:52")
end

function TestIdentify:test_the_table_tells_early_3_0_from_later()
  for cal, generation in pairs { [0xB000] = "3.0-2019", [0xD000] = "3.x" } do
    local record = partition.encode({
      { name = "firmware", addr = 0, size = 0xB000 }, { name = "rf-cal", addr = cal, size = 0x1000 },
      { name = "init-data", addr = cal + 0x1000, size = 0x1000 },
      { name = "irom", addr = 0x10000, size = 0 }, { name = "system-param", addr = 0, size = 0x3000 },
    }, 0x90000)
    local low = flash(BANNER_3)
    local f = nodemcu.identify(low .. ("\xff"):rep(0x10000 - #low) .. record .. ("\xff"):rep(0x2000))
    lu.assertEquals(f.generation, generation)
    lu.assertEquals(f.partition.firmware_end, 0x90000)
  end
end

function TestIdentify:test_other_firmware_is_not_nodemcu()
  lu.assertNil(nodemcu.identify "")
  lu.assertNil(nodemcu.identify(flash "AT version:1.2.0.0(Jul  1 2016 20:04:45)\0"))
  lu.assertNil(nodemcu.identify(flash "connect to NodeMCU please\0NodeMCU-"))
end

function TestIdentify:test_the_sdk_of_other_firmware_is_found()
  local v, date = nodemcu.sdk_version("SDK ver: %s compiled @ Jun  7 2018 13:59:14\0" .. "2.2.1(6ab97e9)\0")
  lu.assertEquals({ v, date }, { "2.2.1(6ab97e9)", "Jun  7 2018 13:59:14" })
  lu.assertEquals(nodemcu.sdk_version "sdk ver\0 9.9.9-dev(abcdef0)", "9.9.9-dev(abcdef0)")
  lu.assertNil(nodemcu.sdk_version "2.2.1(6ab97e9)")
end

function TestIdentify:test_control_bytes_in_a_banner_do_not_get_out()
  local f = nodemcu.identify(flash "NodeMCU 3.0.0.0 x\n\tbranch: \27[2Jevil\n build \7 powered by Lua 5.1.4 on SDK \155x\0")
  lu.assertEquals({ f.branch, f.build, f.sdk }, { "\\x1b[2Jevil", "\\x07", "\\x9bx" })
end

os.exit(lu.LuaUnit.run())
