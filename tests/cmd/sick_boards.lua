-- Boards that are ill in a chosen way: an image whose code plays a list of steps, so
-- that a simulated chip prints what a real one prints when it is ill, at the rates at
-- which it does.
local image = require "moonflash.image"

local sick = {}

local CODE_ADDR <const>, DATA_ADDR <const> = 0x40100000, 0x3FFE8000
local ENTRY <const> = CODE_ADDR + 0x10

-- The player, position dependent, for the LX106 (-Os -mlongcalls -mtext-section-literals,
-- linked at CODE_ADDR, literals first):
--
--   struct step { uint32_t op, arg; };                    // a list of them at DATA_ADDR
--   static uint32_t ccount(void) { rsr ccount }
--   static void wait_ms(uint32_t ms)
--   { uint32_t t = ccount(); while (ccount() - t < ms * 52000u) ; }
--   static void drain(void) { while (UART0_STATUS >> 16 & 0xFF) ; wait_ms(2); }
--   static void put(uint32_t c) { while ((UART0_STATUS >> 16 & 0xFF) > 100) ; UART0_FIFO = c; }
--   static void print(const char *s) { for (; *s; s++) put((uint8_t)*s); }
--   static void shell(const char *prompt)                 // echoes lines, answers a prompt
--   {
--     for (;;) {
--       uint32_t c;
--       print(prompt);
--       do {
--         while (!(UART0_STATUS & 0xFF)) ;
--         c = UART0_FIFO & 0xFF;
--         if (c != '\n') put(c);
--       } while (c != '\n');
--       put('\r'); put('\n');
--     }
--   }
--   void entry(void)
--   {
--     const struct step *p = (const struct step *)DATA_ADDR;
--     for (;; p++) {
--       if (p->op == 1) { drain(); UART0_CLKDIV = p->arg; }
--       else if (p->op == 2) print((const char *)p->arg);
--       else if (p->op == 3) wait_ms(p->arg);
--       else if (p->op == 4) { drain(); RTC_CTL |= 1u << 31; for (;;) ; }  // software reset
--       else if (p->op == 5) { drain(); asm(".byte 0,0,0"); }              // ill
--       else if (p->op == 6) shell((const char *)p->arg);
--       else for (;;) asm("waiti 2");
--     }
--   }
local PLAYER <const> = [[
0080fe3f14000060000700601c00006012c1f0c26102d26101c1f9ffd1faff02
6103e901280c66120e450f00281cc02000290d862f000000662215e81c060100
850b001bee220e005642ff86290000000066321b40ea0332a659281cb0331130
228230ea034033c02733f6862100000066421dc50a0041e4ff32afffc0200022
2400103301302220c0200022640006ffff66520b101120850800000000061500
66624bd81ccd0dc601000000c50400c2cc01220c005632ff31d5ffc020002803
2020741612ff0c32302201c02000c802c0c074669c0d0cd20502002d0cc50100
46f0ff002d0c450100c6f2ff00000000720046feff8bcc46caff000051c4ff42
a064c0200038053030753734f40c33303301c0200029030df00000003f960100
31bbffc0200028032020755642ff40ea0331faff20ea034022c027b3f60df0]]

local OPS <const> = { rate = 1, print = 2, wait_ms = 3, restart = 4, crash = 5, shell = 6, stop = 0 }

-- Twice the usual crystal.
local CLOCK_HZ <const> = 52000000

local function code()
  local bytes = PLAYER:gsub("%s", ""):gsub("..", function(h) return string.char(tonumber(h, 16)) end)
  return bytes .. ("\0"):rep(-#bytes % 4)
end

-- Steps are { "rate", baud }, { "print", text }, { "wait_ms", n }, { "restart" },
-- { "crash" }, { "shell", prompt }; at the end the chip stops.
local function data(steps)
  local list, texts, first = {}, "", DATA_ADDR + 8 * (#steps + 1)
  for i, step in ipairs(steps) do
    local op, arg = OPS[step[1]], step[2] or 0
    if step[1] == "rate" then arg = CLOCK_HZ // arg end
    if type(arg) == "string" then
      texts, arg = texts .. arg .. "\0", first + #texts
    end
    list[i] = ("<I4I4"):pack(assert(op, step[1]), arg)
  end
  local bytes = table.concat(list) .. ("<I4I4"):pack(0, 0) .. texts
  return bytes .. ("\0"):rep(-#bytes % 4)
end

--- An image that plays steps.
-- @tparam {table,...} steps
-- @tparam[opt] table header `mode`, `freq`, `size`
function sick.image(steps, header)
  header = header or {}
  return image.build { entry = ENTRY, mode = header.mode or "dio", freq = header.freq or "40m",
    size = header.size or "4MB", segments = { { addr = CODE_ADDR, data = code() },
    { addr = DATA_ADDR, data = data(steps) } } }
end

return sick
