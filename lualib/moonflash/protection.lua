--- Write protection of SPI NOR flash: what the status registers say, and which
-- bytes take the protection off. Pure.
--
-- Older tools left block protection behind (a mode change through the chip's own
-- loader can write 0x1c), and protected flash ignores erase and program without a
-- word. Bits by maker: `flash_chips.quad_rules` and the makers' data sheets.
-- @module moonflash.protection
local flash_chips <const> = require "moonflash.flash_chips"

local protection = {}

local WINBOND <const>, EON <const> = 0xEF, 0x1C

-- SR1: WIP 0, WEL 1, BP 2-4, then what differs by maker, SRP0 7.
local BP <const>, BIT5 <const>, BIT6 <const>, SRP0 <const> = 0x1C, 0x20, 0x40, 0x80
-- SR2: SRP1 0, QE 1, LB 3-5 (one time), CMP 6, SUS 7 (read only).
local SRP1 <const>, SR2_QE <const>, LB <const>, CMP <const> = 0x01, 0x02, 0x38, 0x40
local SR2_READ_ONLY <const> = 0x80
-- SR3 of Winbond: WPS 2.
local WPS <const> = 0x04

--- What is known of a chip's registers.
-- @tparam integer id id word
-- @tparam {integer,...} status SR1, SR2, SR3 as read
-- @treturn table { qe_register, has_sr2, has_sr3, form = "01-1", "01-2" or "31": how
-- the registers are written }
function protection.registers(id, status)
  local maker = id & 0xFF
  local rule = flash_chips.quad_rule(id)
  local form = rule and rule.write or "31"
  local has_sr2 = form ~= "01-1" and maker ~= EON and status[2] ~= nil and status[2] ~= 0xFF
  if form == "none" then form = has_sr2 and "01-2" or "01-1" end
  return { qe_register = rule and rule.register, has_sr2 = has_sr2, form = has_sr2 and form
    or "01-1", has_sr3 = maker == WINBOND and has_sr2 and status[3] ~= nil and status[3] ~= 0xFF,
    keep_bit6 = maker == EON or rule ~= nil and rule.register == 1 }
end

local function row(register, mask, value, name, text)
  return { register = register, mask = mask, name = name, text = text,
    set = value & mask ~= 0, value = (value & mask) // (mask & -mask) }
end

--- The bits that matter, for people.
-- @tparam integer id id word
-- @tparam {integer,...} status SR1, SR2, SR3 as read
-- @treturn {table,...} { register, mask, name, text, set, value, clear = true for
-- those that `unprotect` takes off }
function protection.bits(id, status)
  local regs, sr1, sr2 = protection.registers(id, status), status[1], status[2]
  local list = {
    row(1, BP, sr1, "BP", "block protection: how much is write protected"),
    row(1, BIT5, sr1, "TB/BP3", "which end is protected, or one more bit of BP"),
    row(1, BIT6, sr1, regs.qe_register == 1 and "QE" or "SEC/BP4",
      regs.qe_register == 1 and "quad enable" or "unit of the protection, or one more bit of BP"),
    row(1, SRP0, sr1, "SRP0", "status register locked while the WP# pin is low"),
  }
  list[1].clear, list[2].clear, list[4].clear = true, true, true
  list[3].clear = not regs.keep_bit6
  if regs.has_sr2 then
    list[#list + 1] = row(2, SRP1, sr2, "SRP1", "status register locked until power is cut")
    list[#list].clear = true
    list[#list + 1] = row(2, SR2_QE, sr2, "QE", "quad enable")
    list[#list + 1] = row(2, LB, sr2, "LB", "security registers locked for ever")
    list[#list + 1] = row(2, CMP, sr2, "CMP", "protection inverted: BP 0 protects all")
    list[#list].clear = true
  end
  if regs.has_sr3 then
    list[#list + 1] = row(3, WPS, status[3], "WPS", "each block has a lock of its own")
    list[#list].clear = true
  end
  return list
end

--- What the registers should be without protection. QE, OTP lock bits and all that
-- is not understood stay as they are.
-- @tparam integer id id word
-- @tparam {integer,...} status as read
-- @treturn {integer,...} SR1, SR2, SR3; nil where the chip has no such register
function protection.target(id, status)
  local regs = protection.registers(id, status)
  local clear = { 0x03, SR2_READ_ONLY, 0 }      -- read only bits are written as 0
  for _, bit in ipairs(protection.bits(id, status)) do
    if bit.clear then clear[bit.register] = clear[bit.register] | bit.mask end
  end
  return { status[1] & ~clear[1], regs.has_sr2 and status[2] & ~clear[2] or nil,
    regs.has_sr3 and status[3] & ~clear[3] or nil }
end

--- Do registers as read match what was wanted? Busy, latch and suspend bits do
-- not count.
-- @treturn boolean
function protection.matches(status, target)
  return status[1] & 0xFC == target[1] & 0xFC
    and (not target[2] or status[2] & 0x7F == target[2] & 0x7F)
    and (not target[3] or status[3] == target[3])
end

--- Is anything of the flash protected?
-- @treturn boolean
function protection.is_on(id, status)
  return not protection.matches(status, protection.target(id, status))
end

--- The commands that write a target, in the order to try: the maker's own form
-- first, then the other one.
-- @tparam integer id id word
-- @tparam {integer,...} status as read
-- @treturn {{{op, bytes},...},...} attempts, each a list of commands; after each
-- the registers are to be read again
function protection.attempts(id, status)
  local regs, target = protection.registers(id, status), protection.target(id, status)
  local one = { op = 0x01, bytes = string.char(target[1]) }
  if not regs.has_sr2 then return { { one } } end
  local both = { op = 0x01, bytes = string.char(target[1], target[2]) }
  local second = { op = 0x31, bytes = string.char(target[2]) }
  local joint, apart = { both }, { one, second }
  if target[3] and target[3] ~= status[3] then
    local third = { op = 0x11, bytes = string.char(target[3]) }
    joint[2], apart[3] = third, third
  end
  if regs.form == "31" then return { apart, joint } end
  return { joint, apart }
end

--- Why the registers did not take what was written, in one sentence.
-- @tparam {integer,...} status as read afterwards
-- @treturn string
function protection.why_locked(status)
  local srp1 = status[2] and status[2] ~= 0xFF and status[2] & SRP1 ~= 0
  if srp1 and status[1] & SRP0 ~= 0 then
    return "SRP1 and SRP0 are set: this status register is locked for ever"
  elseif srp1 then
    return "SRP1 is set: cut the power of the board and try again"
  elseif status[1] & SRP0 ~= 0 then
    return "SRP0 is set and the flash chip's WP# pin is low: free GPIO10 (SD3) from what pulls"
      .. " it low"
  end
  return "the flash chip ignores the command"
end

return protection
