--- Boards that change behind an adapter that stays: asks again and again who is there.
--
-- Nothing tells when a board is taken out of a fixture, so the loader is called: when
-- another board answers, or one after none had, the next board is there.
-- @module moonflash.gang_swap
local device <const> = require "moonflash.device"
local errors <const> = require "moonflash.errors"
local esp <const> = require "esp"

local gang_swap = {}

local EVERY_MS <const> = 1000

-- What the next board's own failure will tell, once.
local TELLING <const> = { wrong_chip = true, access = true, argument = true, unsupported = true }

--- What a board that has ended is known by.
-- @tparam slot slot
-- @treturn string|nil nil when there was none
function gang_swap.key(slot)
  return slot.mac or slot.code
end

--- Is the next board there? Pure.
-- @tparam table state `last`: what the board before is known by; `absent`: nothing
--   has answered since; kept from call to call
-- @tparam string|nil mac of the board that answered
-- @tparam table|nil e why none did
-- @treturn boolean
function gang_swap.judge(state, mac, e)
  local key = mac or e and TELLING[e.code] and e.code
  if key then return state.absent or key ~= state.last end
  state.absent = state.absent or e.code ~= "busy"
  return false
end

-- One question: the MAC of who answers, or why nobody does.
local function ask(opt)
  local ok, dev = pcall(device.open, opt, true)
  if not ok then
    if errors.is(dev, "interrupted") then error(dev, 0) end
    return nil, errors.wrap(dev)
  end
  local mac = dev.chip.mac
  pcall(dev.leave, dev)
  dev:close()
  return mac
end

--- Waits for the next board, in a process of its own.
-- @tparam table options of the gang's command
-- @tparam string port
-- @tparam string|nil last from @{gang_swap.key}
-- @treturn integer exit code 0
function gang_swap.wait(options, port, last)
  local opt = setmetatable({ port = port, attempts = 1, wait = "0", no_stub = true },
    { __index = options })
  local state = { last = last, absent = last == nil }
  while not gang_swap.judge(state, ask(opt)) do esp.sleep(EVERY_MS) end
  return 0
end

return gang_swap
