--- Finding the rate at which a chip speaks from what its bytes look like, and
-- following it: the boot ROM speaks at 74880 baud, the firmware at its own rate,
-- and a chip that restarts goes from one to the other and back. Pure: bytes and
-- times in, rates out.
--
-- Text heard at a wrong rate is some bytes of noise of which about four in ten
-- happen to be printable; text heard at the right one is printable nearly
-- throughout. That difference shows within a dozen bytes.
-- @module moonflash.rate_finder

local rate_finder = {}
rate_finder.__index = rate_finder

local RATES <const> = { 115200, 9600, 74880, 57600, 230400, 460800, 921600 }

--- Rates to try, the likely ones first: NodeMCU since 1.5.1 and the Arduino core,
-- NodeMCU before, the boot ROM and SDKs that were told nothing, then what custom
-- builds use.
rate_finder.RATES = RATES

--- The boot ROM's rate with the usual crystal of 26 MHz.
rate_finder.BOOT_BAUD = 74880

local TAIL <const> = 16             -- judged are the last bytes
local GOOD_BYTES <const>, GOOD <const> = 12, 0.9
local BAD_BYTES <const>, BAD <const> = 8, 0.7
local BOOT_QUIET_US <const> = 250000
local FLIPS_MAX <const> = 2         -- between boot rate and console without any text

-- Texts that are no accident however short they are.
local KNOWN <const> = { "rst cause:", "\r\n> $", "NodeM[cC][uU] ", "load 0x%x%x%x%x", "csum 0x%x%x",
  "rf_cal%[0%]" }

--- Share of bytes that belong to text: printable ASCII, line ends, tabs, the
-- escapes of colours, and well-formed UTF-8.
-- @tparam string bytes
-- @treturn number 0 to 1; 0 for an empty string
function rate_finder.readable(bytes)
  if bytes == "" then return 0 end
  local rest = bytes:gsub("[\x20-\x7e\r\n\t]+", ""):gsub("[\xe1-\xef][\x80-\xbf][\x80-\xbf]", "")
    :gsub("[\xc2-\xdf][\x80-\xbf]", ""):gsub("\27", "")
  return 1 - #rest / #bytes
end

--- Judge bytes heard at one rate.
-- @tparam string bytes the most recent ones
-- @treturn string "good", "bad" or "unsure"
function rate_finder.judge(bytes)
  local tail = bytes:sub(-TAIL)
  local share = rate_finder.readable(tail)
  if #tail >= BAD_BYTES and share < BAD then return "bad" end
  if #tail >= GOOD_BYTES and share >= GOOD then return "good" end
  for _, pattern in ipairs(KNOWN) do
    if share >= GOOD and bytes:find(pattern) then return "good" end
  end
  return "unsure"
end

--- A finder.
-- @tparam[opt] table opts `baud` = rate at the start (default the first one);
-- `rates` = candidates; `boot_baud`; `home` = the console's rate when it is known;
-- `fixed` = true never changes the rate; `stay` = true stays at the ROM's rate after
-- its log for as long as there is text: the SDK's first messages come at that rate
-- @treturn rate_finder with `baud` (listen at this rate), `home` (the rate of the
-- firmware's text once it was heard, else nil) and `proven` ({ [rate] = true })
function rate_finder.new(opts)
  opts = opts or {}
  local self = setmetatable({ rates = opts.rates or rate_finder.RATES, home = opts.home,
    boot_baud = opts.boot_baud or rate_finder.BOOT_BAUD, fixed = opts.fixed,
    stay = opts.stay, proven = {}, tried = {}, window = "", flips = 0, last = 0 }, rate_finder)
  self.baud = opts.baud or self.rates[1]
  return self
end

local function switch(self, baud)
  if baud == self.baud then return nil end
  self.baud, self.window = baud, ""
  return baud
end

-- The next candidate not tried since text was last heard; all over again when
-- there is none left.
local function next_candidate(self)
  self.tried[self.baud] = true
  for _ = 1, 2 do
    for _, baud in ipairs(self.rates) do
      if not self.tried[baud] then return baud end
    end
    self.tried = { [self.baud] = true }
  end
  return self.baud
end

-- A chip that spoke and speaks no more has restarted, or its ROM has finished.
local function leave(self)
  if self.home and self.flips < FLIPS_MAX then
    if self.baud == self.home then
      self.flips = self.flips + 1
      -- left the ROM's rate too early: next time its text is followed to the end
      self.stay = self.stay or self.guessed
      return self.boot_baud
    elseif self.baud == self.boot_baud then
      return self.home
    end
  end
  self.home = nil
  return next_candidate(self)
end

local function note_good(self)
  self.proven[self.baud] = true
  self.tried, self.flips = {}, 0
  if self.baud ~= self.boot_baud then self.home, self.guessed = self.baud, nil end
end

-- The ROM has accepted the image: the next word is the firmware's. When the two sums
-- differ the ROM has more to say.
local function rom_is_done(self)
  local sum, stored = self.window:match("chksum (0x%x%x)\r?\ncsum (0x%x%x)\r?\n$")
  return sum ~= nil and sum == stored
end

--- Takes what was heard at the present rate.
-- @tparam string bytes may be empty: time has passed
-- @tparam integer now_us
-- @treturn integer|nil the rate to listen at from now on, when it changes
function rate_finder:feed(bytes, now_us)
  if self.fixed then return nil end
  if bytes == "" then
    local quiet = now_us - self.last > BOOT_QUIET_US
    if quiet and self.home and self.baud == self.boot_baud then return switch(self, self.home) end
    return nil
  end
  self.last = now_us
  self.window = (self.window .. bytes):sub(-4 * TAIL)
  local verdict = rate_finder.judge(self.window)
  if verdict == "good" then note_good(self) end
  if verdict == "bad" then return switch(self, leave(self)) end
  if self.baud == self.boot_baud and not self.stay and rom_is_done(self) then
    self.home, self.guessed = self.home or self.rates[1], true
    return switch(self, self.home)
  end
  return nil
end

--- The chip is being reset now: its ROM is next.
-- @treturn integer the rate to listen at
function rate_finder:restarted()
  if self.fixed then return self.baud end
  self.baud, self.window, self.flips = self.boot_baud, "", 0
  return self.baud
end

return rate_finder
