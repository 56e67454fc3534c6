--- What `doctor` can find wrong with a board, and what cures it. Data only.
--
-- `text` is the cause, `cure` what to do in words, `command` the command that does
-- it. `fix`: the words of that command, where it can be run without asking for
-- more; it never touches the user's files. `ok` marks what is no illness.
-- Sources: the ROM's and SDKs' own messages, NodeMCU's sources, bug reports.
-- @module moonflash.doctor_causes

local FLASH <const> = "moonflash flash FIRMWARE"

return {
  healthy = { ok = true, text = "NodeMCU runs and waits at its Lua prompt",
    cure = "nothing is wrong" },
  running = { ok = true, text = "a firmware runs and prints text", cure = "nothing is wrong",
    command = "moonflash monitor" },
  formatting = { ok = true,
    text = "NodeMCU is making its file system, as it does at its first start",
    cure = "wait, 16 MB take more than a minute; cut no power meanwhile",
    command = "moonflash monitor" },

  -- the radio's data and the SDK's own sectors
  init_data_blank = { text = "the init data sector is blank where the SDK looks for it, so the chip"
    .. " restarts for ever", cure = "write init data",
    command = "moonflash init-data write", fix = { "init-data", "write" } },
  init_data_foreign = { text = "where the SDK looks for its init data lies something else",
    cure = "check the flash size in the boot header, then write init data",
    command = "moonflash init-data write", fix = { "init-data", "write" } },
  init_data_old = { text = "the init data is that of an SDK before 1.4, as an upgrade from NodeMCU"
    .. " 0.9.x leaves it; newer firmware may start with it and never show a prompt",
    cure = "write init data of today", command = "moonflash init-data write",
    fix = { "init-data", "write" } },
  system_param = { text = "the SDK's parameter sectors hold bytes that are not its own",
    cure = "erase them; the SDK makes them anew, saved Wi-Fi settings are lost",
    command = "moonflash erase system-param", fix = { "erase", "system-param" } },
  size_wrong = { text = "the flash size in the boot header is not that of the chip, so the SDK"
    .. " looks for its data in the wrong place", cure = "put the right size into the boot header",
    command = "moonflash doctor --fix" },

  -- partition table, NodeMCU 3
  partition_invalid = { text = "the partition table is refused",
    cure = "flash the firmware again, it brings its own table", command = FLASH },
  partition_size = { text = "the partition table does not fit the flash size in the boot header",
    cure = "put the right size into the boot header", command = "moonflash doctor --fix" },
  flash_too_small = { text = "NodeMCU 3 needs 1 MB of flash; the chip, or the size in its boot"
    .. " header, has less", cure = "put the right size into the boot header; a chip of 512 KB"
    .. " takes NodeMCU 2 or older", command = "moonflash doctor --fix" },

  -- the ROM cannot boot
  flash_blank = { text = "there is no firmware: the flash is blank", cure = "flash a firmware",
    command = FLASH },
  no_image = { text = "no boot image begins at flash address 0",
    cure = "flash a firmware; an own build's 0x00000.bin belongs at 0", command = FLASH },
  image_damaged = { text = "the boot image is damaged: its checksum is wrong",
    cure = "flash the firmware again", command = FLASH },
  checksum = { text = "the ROM finds a wrong checksum: the image at 0 is damaged or no image, or"
    .. " is read in a flash mode that this board cannot do",
    cure = "flash again, with a mode that every board can do", command = FLASH .. " --mode dio" },
  flash_unreadable = { text = "the ROM cannot read the flash: mode or clock too fast for it, a"
    .. " segment that ends behind the flash, bad contacts", cure = "flash again in the slowest mode",
    command = FLASH .. " --mode dout --freq 40m" },
  mode_wrong = { text = "the image in flash is sound, but the ROM cannot read it in the flash mode"
    .. " that the boot header names", cure = "put a mode that works into the boot header",
    command = "moonflash doctor --fix" },
  stuck_after_reset = { text = "the ROM gave up after a reset by software or watchdog, as it does"
    .. " when the flash was busy at that moment, or in another mode",
    cure = "take the power away and give it back; if it stays, flash again", command = FLASH },
  wrong_loader = { text = "this firmware is made for Espressif's boot loader, which is not there;"
    .. " it is no NodeMCU build", cure = "flash a firmware for address 0", command = FLASH },

  -- the firmware crashes or restarts
  exception = { text = "the firmware crashes", cure = "are all parts of the same build? flash the"
    .. " whole firmware on an erased chip", command = FLASH .. " --erase all" },
  exception_varied = { text = "the firmware crashes at another place each time: rather the supply"
    .. " or the flash than the firmware", cure = "give the board a stronger supply and short wires;"
    .. " then flash again", command = FLASH },
  watchdog_loop = { text = "the hardware watchdog resets the chip: the firmware hangs",
    cure = "check the supply; if it stays, flash the whole firmware on an erased chip",
    command = FLASH .. " --erase all" },
  restart_loop = { text = "the firmware restarts itself over and over",
    cure = "see what it says before it does; a Lua program may do that, or init data",
    command = "moonflash monitor --reset" },
  supply = { text = "the chip starts over and over with the mark of a power-on: its supply breaks"
    .. " down", cure = "3.3 V with 300 mA to spare, 10 uF or more at the module, a short USB cable;"
    .. " an adapter's 3.3 V pin is often too weak" },
  reset_line = { text = "something pulls the reset pin again and again",
    cure = "RST wants a pull-up of 10 kOhm and a short wire; a dying supply looks the same" },
  lua_panic = { text = "a Lua program crashes the firmware, most likely init.lua",
    cure = "save the files, then erase the file system; or remove init.lua between two restarts",
    command = "moonflash backup files.mfb --region spiffs && moonflash erase spiffs" },
  lfs_wrong = { text = "the Lua Flash Store holds an image made for another build",
    cure = "make the LFS image with this firmware's luac.cross, or erase the store",
    command = "moonflash erase lfs" },
  silent = { text = "the ROM starts the image, then nothing readable comes",
    cure = "the firmware may be silent, speak at another rate, or hang; flash one that speaks",
    command = FLASH },

  -- straps
  download_mode = { text = "the chip started its serial loader: GPIO0 is low at reset",
    cure = "let GPIO0 go (FLASH button, jumper, a wire to D3) and reset", command = "moonflash run",
    fix = { "run" } },
  strap_gpio15 = { text = "GPIO15 is high at reset: the chip waits for an SDIO host",
    cure = "GPIO15 (D8) must be low at reset: a resistor of 10 kOhm to ground" },
  strap_gpio2 = { text = "GPIO2 is low at reset", cure = "GPIO2 (D4) must be high at reset: take"
    .. " away what is wired to it, or add a pull-up" },

  -- flash chip
  write_protected = { text = "the flash is write protected: writes have no effect",
    cure = "take the protection off", command = "moonflash unprotect", fix = { "unprotect" } },

  -- what was heard
  other_chip = { text = "this board has another chip, not an ESP8266",
    cure = "choose the right port; ESP8266 and ESP8285 only", command = "moonflash ports" },
  noise = { text = "bytes come, but no text at any rate that was tried",
    cure = "a rate of the firmware's own, no common ground, or a crystal of another frequency",
    command = "moonflash monitor --baud RATE" },
  nothing = { text = "nothing was heard", cure = "check power, ground, RX and TX, and the port",
    command = "moonflash doctor --connection" },
}
