--- What was on the line while nothing answered, and what that means. Pure.
-- @module moonflash.heard

local boot_messages = require "moonflash.boot_messages"
local nodemcu = require "moonflash.nodemcu"
local text = require "moonflash.text"

local heard = {}

-- Payload of SYNC; the ROM answers with its first four bytes only, so more of it
-- is our own echo.
local SYNC <const> = "\x07\x07\x12\x20" .. ("U"):rep(32)
local SYNC_PART <const> = SYNC:sub(1, 8)
local SYNC_ANSWER <const> = "\x01\x08\x02\x00\x07\x07\x12\x20"
local STUB_HELLO <const> = "\xc0OHAI\xc0"

local TEXT_MAX <const> = 600

local function shown(bytes)
  return text.shorten(text.escape(bytes, { newlines = true }), TEXT_MAX)
end

local function without_echo(item)
  local bytes = item.bytes
  local function drop(needle)
    local first, last = bytes:find(needle, 1, true)
    while first do
      bytes = bytes:sub(1, first - 1) .. bytes:sub(last + 1)
      first, last = bytes:find(needle, first, true)
    end
  end
  if item.sent and #item.sent >= 4 then drop(item.sent) end
  drop(SYNC)
  return bytes
end

local function as_loader(item)
  if item.bytes:find(SYNC_ANSWER, 1, true) or item.bytes:find(STUB_HELLO, 1, true) then
    return {
      kind = "loader", rank = 1,
      message = "the loader answers, but its answers arrive damaged or late",
      hint = "try a lower --baud, a shorter cable or another adapter",
    }
  end
end

local function as_other_chip(item)
  local bytes = item.bytes
  local chip = bytes:match("ESP%-ROM:(esp32%w*)")
  if not chip and bytes:find("rst:0x%x+ ?%(") and bytes:find("boot:0x%x+") then chip = "esp32" end
  if not chip then return nil end
  chip = chip:upper():gsub("^ESP32(%w+)$", "ESP32-%1")
  return {
    kind = "other_chip", rank = 2, chip = chip,
    message = ("this board has an %s, not an ESP8266"):format(chip),
    hint = "moonflash flashes ESP8266 and ESP8285 only",
  }
end

-- Why the loader did not answer, from the strap pins that the banner shows.
local function boot_mode_message(banner)
  if banner.mode.loader then
    return "the chip is in its loader, but does not hear us",
      "check the wire from the adapter's TX to the chip's RX, and the common ground"
  elseif banner.first == 3 then
    return "the chip started from flash: GPIO0 was not low at reset",
      "hold GPIO0 low (FLASH button) while it resets, or check the DTR and RTS wiring"
  end
  return ("the chip started in the wrong mode: %s"):format(banner.mode.text), banner.mode.hint
end

local function as_boot_log(item)
  local banner = boot_messages.banner(item.bytes)
  local findings = boot_messages.find(item.bytes)
  local worst = findings[1] and findings[1].bad and findings[1] or nil
  if not banner and not worst then return nil end
  local message, hint
  if banner then
    message, hint = boot_mode_message(banner)
    if banner.count > 1 then
      message = ("the chip restarts over and over (%d times heard, last cause: %s); %s")
        :format(banner.count, banner.cause_text, message)
    end
  else
    message = "the chip runs instead of waiting in its loader"
    hint = "hold GPIO0 low (FLASH button) while it resets"
  end
  if worst then message = ("%s; its log says: %s"):format(message, worst.text) end
  return { kind = "boot_log", rank = 3, message = message, hint = hint, banner = banner,
    findings = findings }
end

local function as_running_app(item, rest)
  local prompt = rest:find("\n>+ $") or rest:find("^>+ $") or rest:find("\n> [\r\n]")
  local found = nodemcu.identify(rest)
  if not (prompt or found or (#rest >= 8 and text.printable_share(rest) >= 0.9)) then return nil end
  local who = found and nodemcu.describe(found) or prompt and "a Lua prompt" or "a program"
  return {
    kind = "running_app", rank = 4, nodemcu = found,
    message = ("%s runs on the chip at %d baud; it is not in its loader")
      :format(who, item.baud or 0),
    hint = "hold GPIO0 low (FLASH button) while it resets, or check the DTR and RTS wiring",
  }
end

local function as_echo(item, rest)
  if not (item.echo or item.bytes:find(SYNC_PART, 1, true) or #rest < #item.bytes) then
    return nil
  end
  return {
    kind = "echo", rank = 5,
    message = "only our own bytes come back: TX and RX are joined, or no chip is behind "
      .. "the adapter",
    hint = "check that RX and TX are crossed and not shorted, and that the chip has power",
  }
end

local function as_garbage()
  return {
    kind = "garbage", rank = 6,
    message = "unreadable bytes: the chip talks at another rate, or the line is disturbed",
    hint = "a running program talks at its own rate; reset with GPIO0 low, try a lower --baud, "
      .. "check the ground wire",
  }
end

local function classify(item)
  if item.bytes == "" then return nil end
  local rest = without_echo(item)
  local verdict = as_loader(item) or as_other_chip(item) or as_boot_log(item)
    or as_running_app(item, rest) or as_echo(item, rest) or as_garbage()
  verdict.baud, verdict.text = item.baud, shown(rest)
  return verdict
end

local function silence()
  return {
    kind = "silence", text = "", message = "nothing at all was heard",
    hint = "check the power, the ground wire, RX and TX (crossed?), and that this is the right "
      .. "port; without reset wires, hold GPIO0 low and press reset now",
  }
end

--- Say what the bytes mean that were heard while connecting failed.
-- @tparam {table,...} list { bytes, baud, sent (bytes that we sent, if known),
-- echo (true when the sender has already seen an echo) }, one per rate listened at
-- @treturn table kind = "silence", "boot_log", "echo", "garbage", "loader",
-- "running_app" or "other_chip"; message (one line); hint; text (what was heard,
-- escaped); baud; and where they apply banner, findings (see `boot_messages`),
-- chip, nodemcu
function heard.verdict(list)
  local best
  for _, item in ipairs(list) do
    local verdict = classify(item)
    if verdict and (not best or verdict.rank < best.rank) then best = verdict end
  end
  best = best or silence()
  best.rank = nil
  return best
end

return heard
