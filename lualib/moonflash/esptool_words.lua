--- The lines that esptool prints and that scripts look for. Pure.
--
-- Two ways of speaking: "classic", as versions 2 to 4 do, whose commands are
-- written with `_`, and "five", as version 5 does. A line that one of them does
-- not have is `false` there. Which lines there are, and their wording, is what
-- users' scripts depend on; how the work behind them is done is not.
-- @module moonflash.esptool_words

local esptool_words = {}

--- The versions whose commands and options are understood, by way of speaking.
esptool_words.VERSION = { classic = "4.12.0", five = "5.3.1" }

local COLUMN <const> = { classic = 1, five = 2 }

--- Every line: name, classic, five.
esptool_words.LINES = {
  program = { "esptool.py v%s (moonflash %s)", "esptool v%s (moonflash %s)" },
  -- connecting
  port = { "Serial port %s", "Serial port %s:" },
  connecting = { "Connecting....", "Connecting...." },
  detecting = { "Detecting chip type... ESP8266", "Detecting chip type... ESP8266" },
  connected = { false, "Connected to ESP8266 on %s:" },
  chip = { "Chip is %s", "Chip type:          %s" },
  features = { "Features: %s", "Features:           %s" },
  crystal = { "Crystal is %dMHz", "Crystal frequency:  %dMHz" },
  mac = { "MAC: %s", "MAC:                %s" },
  uploading = { "Uploading stub...", "\nUploading stub flasher..." },
  running = { "Running stub...", "Running stub flasher..." },
  stub_runs = { "Stub running...", "Stub flasher running." },
  baud = { "Changing baud rate to %d", "Changing baud rate to %d..." },
  baud_changed = { "Changed.", "Changed." },
  rom_baud = { "WARNING: ROM doesn't support changing baud rate. Keeping initial baud rate %d",
    "Warning: ROM doesn't support changing baud rate. Keeping initial baud rate %d." },
  -- flash
  configuring = { "Configuring flash size...", "\nConfiguring flash size..." },
  detected = { "Auto-detected Flash size: %s", "Auto-detected flash size: %s" },
  flash_heading = { false, "\nFlash Memory Information:\n=========================" },
  manufacturer = { "Manufacturer: %02x", "Manufacturer: %02x" },
  device = { "Device: %02x%02x", "Device: %02x%02x" },
  flash_size = { "Detected flash size: %s", "Detected flash size: %s" },
  params = { "Flash params set to 0x%04x", "Flash parameters set to 0x%04x." },
  no_image = { "Warning: Image file at 0x%x doesn't look like an image file, so not changing any"
    .. " flash settings.", "Warning: Image file at 0x%x doesn't look like an image file, so not"
    .. " changing any flash settings." },
  will_erase = { "Flash will be erased from 0x%08x to 0x%08x...",
    "Flash will be erased from 0x%08x to 0x%08x..." },
  compressed = { "Compressed %d bytes to %d...", "Compressed %d bytes to %d..." },
  writing = { "Writing at 0x%08x... (%d %%)", "Writing at 0x%08x [%s] %5.1f%% %d/%d bytes..." },
  wrote = { "Wrote %d bytes at 0x%08x in %.1f seconds (effective %.1f kbit/s)...",
    "Wrote %d bytes at 0x%08x in %.1f seconds (%.1f kbit/s)." },
  wrote_compressed = {
    "Wrote %d bytes (%d compressed) at 0x%08x in %.1f seconds (effective %.1f kbit/s)...",
    "Wrote %d bytes (%d compressed) at 0x%08x in %.1f seconds (%.1f kbit/s)." },
  verifying = { false, "Verifying written data..." },
  verified = { "Hash of data verified.", "Hash of data verified." },
  comparing = { "Comparing flash contents against new data...",
    "Comparing flash contents against new data..." },
  already = { "'%s' at 0x%08x already in flash, skipping write.",
    "'%s' at 0x%08x already in flash, skipping write." },
  leaving = { "\nLeaving...", false },
  reading = { "%d (%d %%)", "Reading from 0x%08x [%s] %5.1f%% %d/%d bytes..." },
  read = { "Read %d bytes at 0x%08x in %.1f seconds (%.1f kbit/s)...",
    "Read %d bytes from 0x%08x in %.1f seconds (%.1f kbit/s) to '%s'." },
  erasing = { "Erasing flash (this may take a while)...",
    "Erasing flash memory (this may take a while)..." },
  erased = { "Chip erase completed successfully in %.1f seconds.",
    "Flash memory erased successfully in %.1f seconds." },
  erasing_region = { "Erasing region (may be slow depending on size)...",
    "Erasing flash memory region (this may take a while depending on size)..." },
  region_erased = { "Erase completed successfully in %.1f seconds.",
    "Flash memory region erased successfully in %.1f seconds." },
  verify = { "Verifying 0x%x (%d) bytes @ 0x%08x in flash against %s...",
    "Verifying 0x%x (%d) bytes at 0x%08x in flash against '%s'..." },
  verify_ok = { "-- verify OK (digest matched)", "Verification successful (digest matched)." },
  verify_bad = { "-- verify FAILED (digest mismatch)", "Verification failed (digest mismatch)." },
  verify_list = { "-- verify FAILED: %d differences, first @ 0x%08x",
    "Verification failed: %d differences, first at 0x%08x:" },
  verify_byte = { "   %08x %02x %02x", "   0x%08x %02x %02x" },
  verify_failed = { "Verify failed.", "Verification failed." },
  status = { "Status value: 0x%04x", "Flash memory status: 0x%04x" },
  status_before = { "Initial flash status: 0x%0*x", "Initial flash memory status: 0x%0*x" },
  status_set = { "Setting flash status: 0x%0*x", "Setting flash memory status: 0x%0*x" },
  status_after = { "After flash status:   0x%0*x", "After flash memory status:   0x%0*x" },
  sfdp = { "SFDP[%d..%d]: %s", "Flash memory SFDP[%d..%d]: %s" },
  -- chip
  chip_id = { "Chip ID: 0x%08x", "Chip ID: 0x%08x" },
  -- memory
  word = { "0x%08x = 0x%08x", "0x%08x = 0x%08x" },
  wrote_word = { "Wrote %08x, mask %08x to %08x", "Wrote 0x%08x with mask 0x%08x to 0x%08x." },
  dumped = { "Read %d bytes\nDone!", "Dumped %d bytes from 0x%08x in %.1f seconds (%.1f kbit/s)"
    .. " to '%s'." },
  ram_boot = { "RAM boot...", "Loading '%s' to RAM..." },
  downloading = { "Downloading %d bytes at %08x... done!", "Downloading %d bytes at 0x%08x" },
  ram_done = { "All segments done, executing at %08x",
    "Loaded %d segments from '%s' to RAM, executing at 0x%08x." },
  exiting = { "Exiting immediately.", "\nExiting immediately." },
  -- leaving
  hard_reset = { "Hard resetting via RTS pin...", "\nHard resetting via RTS pin..." },
  custom_reset = { "Hard resetting with the custom reset sequence...",
    "\nHard resetting with a custom reset sequence..." },
  soft_reset = { "Soft resetting...", "\nSoft resetting..." },
  staying = { "Staying in bootloader.", "\nStaying in bootloader." },
  -- files
  fatal = { "\nA fatal error occurred: %s", "\nA fatal error occurred: %s" },
  creating = { "Creating esp8266 image...", "Creating ESP8266 image..." },
  created = { "Successfully created esp8266 image.", "Successfully created ESP8266 image." },
  merged = { "Wrote 0x%x bytes to file %s, ready to flash to offset 0x%x",
    "Wrote 0x%x bytes to file '%s', ready to flash to offset 0x%x." },
  adding = { "Adding %s at 0x%x", "Adding %s at 0x%x" },
  merged_uf2 = { "Wrote 0x%x bytes to file %s, ready to be flashed with any ESP USB Bridge",
    "Wrote 0x%x bytes to file '%s', ready to be flashed with any ESP USB Bridge." },
}

--- A line.
-- @tparam string form "classic" or "five"
-- @tparam string name a key of `LINES`
-- @param ... what the line's places take
-- @treturn string|nil nil when this way of speaking has no such line
function esptool_words.line(form, name, ...)
  local text = esptool_words.LINES[name][COLUMN[form]]
  if not text then return nil end
  local values = { ... }
  -- %0*x: as many digits as the value before it says
  text = text:gsub("%%0%*x", function()
    return "%0" .. table.remove(values, 1) .. "x"
  end)
  return text:format(table.unpack(values))
end

local BAR <const> = 30

--- The bar of version 5.
-- @tparam integer done
-- @tparam integer total
-- @treturn string 30 columns
function esptool_words.bar(done, total)
  local full = total > 0 and BAR * done // total or BAR
  if full >= BAR then return ("="):rep(BAR) end
  return ("="):rep(full) .. ">" .. (" "):rep(BAR - full - 1)
end

return esptool_words
