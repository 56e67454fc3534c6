--- What the messages of a starting chip mean. Pure.
-- ROM strings checked in the ROM itself; SDK and NodeMCU strings in published
-- builds; causes and cures from their bug reports.
-- @module moonflash.boot_messages

local boot_messages = {}

--- Reset causes as the ROM prints them.
boot_messages.reset_causes = {
  [0] = "none", [1] = "power on", [2] = "reset pin", [3] = "software",
  [4] = "hardware watchdog", [5] = "wake from deep sleep", [6] = "wake from deep sleep",
}

--- Boot modes by the banner's first number: the pins GPIO15, GPIO0, GPIO2 at
-- reset. `loader` = the ROM's serial loader runs.
boot_messages.boot_modes = {
  [0] = { text = "GPIO0 and GPIO2 were low", hint = "GPIO2 must be high at reset" },
  [1] = { text = "serial loader", loader = true },
  [2] = { text = "GPIO2 was low", hint = "GPIO2 must be high at reset" },
  [3] = { text = "boot from flash" },
  [4] = { text = "GPIO15 was high", hint = "GPIO15 must be low at reset" },
  [5] = { text = "GPIO15 was high", hint = "GPIO15 must be low at reset" },
  [6] = { text = "GPIO15 was high", hint = "GPIO15 must be low at reset" },
  [7] = { text = "GPIO15 was high", hint = "GPIO15 must be low at reset" },
}

--- Messages in order of weight: the first one found explains the most.
-- `pattern` is a Lua pattern; `bad` = false marks what is normal.
boot_messages.messages = {
  { id = "init_data_blank", pattern = "rf_cal%[0%] !=0x05,is 0x[fF][fF]", bad = true,
    text = "the init data sector is blank where the SDK looks for it",
    hint = "write init data: moonflash init-data" },
  { id = "init_data_foreign", pattern = "rf_cal%[0%] !=0x05,is 0x%x%x", bad = true,
    text = "the init data sector holds something else",
    hint = "check the flash size in the boot header, then write init data" },
  { id = "system_param", pattern = "system param error%f[^%w,]", bad = true,
    text = "the SDK's parameter sectors hold foreign bytes",
    hint = "check the flash size in the boot header; erase the last sectors of flash" },
  { id = "partition_invalid", pattern = "Invalid system partition table", bad = true,
    text = "the SDK refuses the partition table", hint = "flash the firmware again" },
  { id = "partition_alignment", pattern = "Partition %d+ invalid alignment", bad = true,
    text = "the partition table is not aligned", hint = "flash the firmware again" },
  { id = "partition_invalid", pattern = "ota[12] partition error", bad = true,
    text = "the SDK refuses the partition table", hint = "flash the firmware again" },
  { id = "partition_invalid", pattern = "system param partition error", bad = true,
    text = "the SDK refuses the partition table", hint = "flash the firmware again" },
  { id = "partition_invalid", pattern = "please check partition type", bad = true,
    text = "the SDK refuses the partition table", hint = "flash the firmware again" },
  { id = "partition_size", pattern = "partition table size is larger than flash size", bad = true,
    text = "the partition table does not fit the flash size in the boot header",
    hint = "set the right flash size in the boot header" },
  { id = "flash_too_small", pattern = "Flash size %(%d+%) too small to support NodeMCU", bad = true,
    text = "the flash, or the size in the boot header, is too small for NodeMCU 3",
    hint = "set the flash size in the boot header; a 512 KB chip needs NodeMCU 2 or older" },
  { id = "checksum", pattern = "csum err", bad = true,
    text = "the ROM finds a damaged image at address 0, or reads it in the wrong mode",
    hint = "flash again with mode dio or dout" },
  { id = "flash_read", pattern = "flash read err", bad = true,
    text = "the ROM cannot read the flash",
    hint = "try mode dout and 40m; check the flash id and the wiring" },
  { id = "flash_blank", pattern = "load 0x00000000, len 0", bad = true,
    text = "there is no firmware at address 0", hint = "flash a firmware at 0x0" },
  { id = "flash_blank", pattern = "load 0xffffffff", bad = true,
    text = "there is no firmware at address 0", hint = "flash a firmware at 0x0" },
  { id = "exception", pattern = "Fatal exception ?%(?%d+", bad = true,
    text = "the firmware crashes",
    hint = "are all parts of the same build? erase and flash the whole firmware" },
  { id = "lua_panic", pattern = "PANIC: unprotected error", bad = true,
    text = "a Lua program crashes the firmware, most likely init.lua",
    hint = "remove init.lua, or erase the file system" },
  { id = "wrong_loader", pattern = "need boot 1%.4%+", bad = true,
    text = "this firmware needs Espressif's boot loader",
    hint = "it is no NodeMCU build; check the file" },
  { id = "watchdog", pattern = "wdt reset", bad = true,
    text = "the watchdog resets the chip: the firmware hangs, or the supply is weak",
    hint = "check the supply; erase and flash again" },
  { id = "no_image", pattern = "ets_main%.c", bad = true,
    text = "the ROM finds nothing to boot at address 0",
    hint = "flash a firmware at 0x0, with mode dio or dout" },
  { id = "waiting_for_host", pattern = "waiting for host", bad = true,
    text = "the chip waits for an SDIO host", hint = "GPIO15 must be low at reset" },
  { id = "lfs_signature", pattern = "Flash sig not correct", bad = true,
    text = "the Lua Flash Store holds an image of another build",
    hint = "build the LFS image for this firmware" },
  { id = "lfs_signature", pattern = "Flash size check failed", bad = true,
    text = "the Lua Flash Store holds an image of another build",
    hint = "build the LFS image for this firmware" },
  { id = "formatting", pattern = "Formatting file system", bad = false,
    text = "the firmware formats its file system", hint = "wait, it may take a minute" },
  { id = "no_init_lua", pattern = "cannot open init%.lua", bad = false,
    text = "NodeMCU runs and has no init.lua" },
}

--- Decode the ROM's start banner.
-- @tparam string bytes
-- @treturn table|nil { cause, cause_text, first, second, mode (row of
-- `boot_modes`), count of banners }; the last banner counts
function boot_messages.banner(bytes)
  local found
  local count = 0
  for cause, first, second in
    bytes:gmatch("rst cause:(%d%d?), boot mode:%((%d%d?),(%d%d?)%)") do
    count = count + 1
    found = { cause = math.tointeger(tonumber(cause)), first = math.tointeger(tonumber(first)),
      second = math.tointeger(tonumber(second)) }
  end
  if not found then return nil end
  found.count = count
  found.cause_text = boot_messages.reset_causes[found.cause] or "unknown"
  found.mode = boot_messages.boot_modes[found.first] or { text = "unknown" }
  return found
end

--- Find what a log says.
-- @tparam string bytes
-- @treturn {row,...} rows of `messages`, each id once, weightiest first
function boot_messages.find(bytes)
  local found, seen = {}, {}
  for _, row in ipairs(boot_messages.messages) do
    if not seen[row.id] and bytes:find(row.pattern) then
      seen[row.id] = true
      found[#found + 1] = row
    end
  end
  return found
end

return boot_messages
