--- Crashes of the CPU as the chip prints them, and what they mean. Pure.
-- Causes as the Xtensa documentation and the ROM have them; places by the chip's
-- memory map.
-- @module moonflash.exception

local exception = {}

--- What the CPU complained about, and what usually is behind it.
exception.causes = {
  [0] = { "illegal instruction", "code that is none: a jump into data, parts of two builds, or a"
    .. " wrong flash mode" },
  [1] = { "syscall", "an instruction that firmware does not use: parts of two builds" },
  [2] = { "instruction fetch error", "a jump to an address where no code can be" },
  [3] = { "load/store error", "a byte access to memory that takes whole words only (instruction"
    .. " RAM or flash)" },
  [4] = { "level 1 interrupt", "an interrupt taken for an error" },
  [5] = { "alloca", "an instruction that firmware does not use: parts of two builds" },
  [6] = { "division by zero", "a division by zero, or an assertion that failed" },
  [8] = { "privileged instruction", "code that is none" },
  [9] = { "unaligned access", "a word at an address that is no multiple of 4: mostly a spoilt"
    .. " pointer" },
  [12] = { "instruction data error", "a jump to an address where no code can be" },
  [13] = { "load/store data error", "an access to an address where nothing is" },
  [14] = { "instruction address error", "a jump to an address where no code can be" },
  [15] = { "load/store address error", "an access to an address where nothing is" },
  [20] = { "instruction fetch prohibited", "a jump to an address where no code is: a null or"
    .. " spoilt function pointer" },
  [28] = { "load prohibited", "a read from an address where nothing is: a null or spoilt pointer" },
  [29] = { "store prohibited", "a write to an address where nothing is: a null or spoilt pointer" },
}

local places = {
  { 0x00000000, 0x00010000, "next to address 0: a null pointer" },
  { 0x3FFE8000, 0x3FFFC000, "data RAM" }, { 0x3FFFC000, 0x40000000, "system RAM" },
  { 0x40000000, 0x40010000, "the boot ROM" }, { 0x40100000, 0x40110000, "instruction RAM" },
  { 0x60000000, 0x60002000, "the peripherals" },
}

--- What is at an address of the chip.
-- @tparam integer addr
-- @treturn string
function exception.place(addr)
  if addr >= 0x40200000 and addr < 0x40300000 then
    return ("flash at 0x%06x"):format(addr - 0x40200000)
  end
  for _, p in ipairs(places) do
    if addr >= p[1] and addr < p[2] then return p[3] end
  end
  return "nothing known"
end

local REGISTERS <const> = { "epc1", "epc2", "epc3", "excvaddr", "depc" }
local REPORT_MAX <const> = 400      -- the registers follow within so many characters

-- The registers that are printed behind the cause.
local function registers_after(log, at)
  local near = log:sub(at, at + REPORT_MAX)
  local found = {}
  for _, name in ipairs(REGISTERS) do
    local digits = near:match("%f[%w]" .. name .. "=0x(%x+)")
    if digits and #digits <= 8 then found[name] = math.tointeger(tonumber(digits, 16)) end
  end
  return found
end

--- Every crash in a log: the ROM's and the SDK's form, and the Arduino core's.
-- @tparam string log
-- @treturn {table,...} { cause, name, text, epc1, epc2, epc3, excvaddr, depc } in
-- order; a register that was not printed is nil
function exception.find(log)
  local list, at = {}, 1
  while true do
    local first, last, cause = log:find("xception ?%(?(%d%d?)%f[%D]", at)
    if not first then return list end
    local following = log:find("xception ?%(?%d", last + 1)
    local e = registers_after(log:sub(1, following and following - 1 or nil), last)
    e.cause = math.tointeger(tonumber(cause))
    local known = exception.causes[e.cause] or { "cause " .. cause, "not documented" }
    e.name, e.text = known[1], known[2]
    list[#list + 1] = e
    at = last + 1
  end
end

local function at_text(addr, symbols)
  local name = symbols and symbols:name(addr)
  return ("0x%08x (%s%s)"):format(addr, exception.place(addr), name and ", " .. name or "")
end

--- A crash in words.
-- @tparam table e from @{exception.find}
-- @tparam[opt] table symbols from `elf_symbols.parse`
-- @treturn {string,...} lines
function exception.explain(e, symbols)
  local lines = { ("exception %d, %s: %s"):format(e.cause, e.name, e.text) }
  if e.epc1 then lines[#lines + 1] = "the code was at " .. at_text(e.epc1, symbols) end
  local memory = e.cause == 3 or e.cause == 9 or e.cause == 13 or e.cause >= 15
  if e.excvaddr and memory then
    lines[#lines + 1] = "it wanted " .. at_text(e.excvaddr, symbols)
  end
  return lines
end

--- Whether several crashes are one and the same: then it is the firmware, else
-- rather the supply or a flash that reads differently each time.
-- @tparam {table,...} list from @{exception.find}
-- @treturn boolean|nil nil when there are fewer than two
function exception.same(list)
  if #list < 2 then return nil end
  for i = 2, #list do
    if list[i].cause ~= list[1].cause or list[i].epc1 ~= list[1].epc1 then return false end
  end
  return true
end

--- The addresses of code in a line, with their names: registers, stack dumps.
-- @tparam string line
-- @tparam table symbols from `elf_symbols.parse`
-- @treturn {string,...} "0x40201234 = app_main+0x14", each address once
function exception.resolve(line, symbols)
  local out, seen = {}, {}
  for digits in line:gmatch("%f[%x](4[0-2]%x%x%x%x%x%x)%f[^%x]") do
    local addr = math.tointeger(tonumber(digits, 16))
    local name = not seen[addr] and symbols:name(addr)
    seen[addr] = true
    if name then out[#out + 1] = ("0x%08x = %s"):format(addr, name) end
  end
  return out
end

return exception
