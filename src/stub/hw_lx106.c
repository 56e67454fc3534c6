/* The registers and ROM functions of the ESP8266 behind hw.h. Addresses and
 * bits: reference, registers. */
#include "hw.h"

#include "wire.h"

#include <stddef.h>

#define REG(addr) (*(volatile uint32_t *)(addr))

/* ---- ROM, at the addresses that stub.ld gives ---- */

typedef void (*rom_handler)(void *arg);
rom_handler ets_isr_attach(int number, rom_handler f, void *arg);
void ets_isr_mask(uint32_t bits);
void ets_isr_unmask(uint32_t bits);
void ets_set_user_start(void *start);
void ets_update_cpu_frequency(uint32_t mhz);
int rom_i2c_readReg(int block, int host, int reg);
void rom_i2c_writeReg(int block, int host, int reg, int value);
void SelectSpiFunction(void);
void MD5Init(void *ctx);
void MD5Update(void *ctx, const void *p, uint32_t n);
void MD5Final(uint8_t *digest, void *ctx);

#define ROM_BOOT_FLASH 0x400010a8u

/* ---- UART ---- */

#define UART(off) REG(0x60000000 + (off))
enum { FIFO = 0x00, INT_RAW = 0x04, INT_ST = 0x08, INT_ENA = 0x0c, INT_CLR = 0x10,
	CLKDIV = 0x14, STATUS = 0x1c, CONF1 = 0x24 };
enum { RX_FULL = 1 << 0, TX_EMPTY = 1 << 1, RX_OVERFLOW = 1 << 4, RX_TIMEOUT = 1 << 8 };

#define UART_INT 5
#define TIMER_INT 6		/* CCOMPARE0 */
#define UART_ARG REG(0x3fffc254)	/* handler record: what ROM passes to it */
#define FIFO_SIZE 126
#define RX_THRESHOLD 40		/* leaves 88 bytes of the FIFO for latency */
#define TX_THRESHOLD 24
#define TIMEOUT_CHARS 2

/* What the ROM sets after a reset: 74880 baud with a 26 MHz crystal, 115200 with
 * 40. Firmware that sets no rate of its own relies on it. */
#define ROM_DIVISOR 694

#define RING 4096		/* filled by the ISR, emptied by the main loop */

/* The bytes are volatile too: each must be in its place before `head` says so,
 * because the ISR may come between. */
struct ring {
	volatile uint32_t head, tail;
	volatile uint8_t byte[RING];
};

static struct {
	struct ring rx, tx;
	volatile bool tx_on;
	rom_handler old_isr, old_timer;
	uint32_t old_arg, old_conf1, old_ctrl;
	uint32_t apb_hz, divisor;	/* the ones before the last hw_baud */
	bool pll, was_pll, doubled, was_doubled, flash_fast;
	int pll_reg[2];
	uint32_t per_ms, last, ms;
} hw;

static uint32_t ticks(void)
{
	uint32_t t;

	__asm__ volatile("rsr %0, ccount" : "=r"(t));
	return t;
}

uint32_t hw_ms(void)
{
	uint32_t now = ticks();

	while (now - hw.last >= hw.per_ms) {
		hw.last += hw.per_ms;
		hw.ms++;
	}
	return hw.ms;
}

/* Writing CCOMPARE takes the interrupt back; the next one is 2^32 cycles away. */
static void timer_isr(void *arg)
{
	uint32_t t;

	(void)arg;
	__asm__ volatile("rsr %0, ccompare0\n\twsr %0, ccompare0" : "=r"(t));
}

/* Interrupts are off between the look at the ring and waiti, which lets them in:
 * a byte that comes between the two wakes it. */
void hw_rest(uint32_t us)
{
	uint32_t t;

	__asm__ volatile("rsil %0, 1" : "=r"(t) : : "memory");
	if (us)
		__asm__ volatile("wsr %0, ccompare0" : : "r"(ticks() + (us * hw.per_ms >> 10)));
	if (hw.rx.head == hw.rx.tail)
		__asm__ volatile("waiti 0" : : : "memory");
	else
		__asm__ volatile("rsil %0, 0" : "=r"(t) : : "memory");
}

static void isr_send(void)
{
	uint32_t room = FIFO_SIZE - (UART(STATUS) >> 16 & 0xff), tail = hw.tx.tail;

	for (; room && tail != hw.tx.head; room--)
		UART(FIFO) = hw.tx.byte[tail++ % RING];
	hw.tx.tail = tail;
	if (tail == hw.tx.head) {
		hw.tx_on = false;
		UART(INT_ENA) = RX_FULL | RX_TIMEOUT;
	}
}

static void isr(void *arg)
{
	uint32_t why = UART(INT_ST), n = UART(STATUS) & 0xff, head = hw.rx.head;

	(void)arg;
	while (n--)
		hw.rx.byte[head++ % RING] = (uint8_t)UART(FIFO);
	hw.rx.head = head;
	if (why & TX_EMPTY)
		isr_send();
	UART(INT_CLR) = why;
}

int hw_rx(void)
{
	uint32_t tail = hw.rx.tail;
	uint8_t byte;

	if (tail == hw.rx.head)
		return -1;
	byte = hw.rx.byte[tail % RING];
	hw.rx.tail = tail + 1;
	return byte;
}

void hw_tx(uint8_t byte)
{
	uint32_t head = hw.tx.head;

	while (head - hw.tx.tail == RING)
		hw_rest(0);
	hw.tx.byte[head % RING] = byte;
	hw.tx.head = head + 1;
	if (!hw.tx_on) {
		hw.tx_on = true;
		UART(INT_ENA) = RX_FULL | RX_TIMEOUT | TX_EMPTY;
	}
}

static void wait_ticks(uint32_t n)
{
	uint32_t start = ticks();

	while (ticks() - start < n)
		;
}

void hw_tx_flush(void)
{
	while (hw.tx.tail != hw.tx.head || (UART(STATUS) >> 16 & 0xff))
		;
	wait_ticks(UART(CLKDIV) * 2 * 12);	/* the last byte, CPU at most doubled */
}

uint32_t hw_uart_divisor(void)
{
	return UART(CLKDIV);
}

/* ---- clocks ---- */

#define CPU_DOUBLE REG(0x3ff00014)
enum { PLL_BLOCK = 103, PLL_HOST = 4 };
enum { SLOW_HZ = 52000000, FAST_HZ = 80000000 };

static void pll_set(bool on)
{
	if (on == hw.pll)
		return;
	if (on) {
		hw.pll_reg[0] = rom_i2c_readReg(PLL_BLOCK, PLL_HOST, 1);
		hw.pll_reg[1] = rom_i2c_readReg(PLL_BLOCK, PLL_HOST, 2);
	}
	rom_i2c_writeReg(PLL_BLOCK, PLL_HOST, 1, on ? 0x88 : hw.pll_reg[0]);
	rom_i2c_writeReg(PLL_BLOCK, PLL_HOST, 2, on ? 0x91 : hw.pll_reg[1]);
	hw.pll = on;
}

static void clocks_set(uint32_t apb_hz, bool pll, bool doubled)
{
	pll_set(pll);
	CPU_DOUBLE = doubled ? CPU_DOUBLE | 1 : CPU_DOUBLE & ~1u;
	hw.doubled = doubled;
	hw.per_ms = (apb_hz / 1000) << doubled;
	hw.last = ticks();
	ets_update_cpu_frequency((apb_hz / 1000000) << doubled);
}

/* ROM start leaves 52 MHz with a 26 MHz crystal and 80 MHz with a 40 MHz one;
 * the divisor that belongs to a known rate tells which. */
void hw_baud(uint32_t new_baud, uint32_t old_baud, unsigned clocks)
{
	uint32_t hz = UART(CLKDIV) * old_baud < (SLOW_HZ + FAST_HZ) / 2 ? SLOW_HZ : FAST_HZ;
	bool pll = hw.pll || ((clocks & WIRE_CLOCK_PLL) && hz == SLOW_HZ);

	hw.apb_hz = hz;
	hw.divisor = UART(CLKDIV);
	hw.was_pll = hw.pll;
	hw.was_doubled = hw.doubled;
	if (pll)
		hz = FAST_HZ;
	clocks_set(hz, pll, clocks & WIRE_CLOCK_DOUBLE);
	UART(CLKDIV) = (hz + new_baud / 2) / new_baud;
	hw.flash_fast = clocks & WIRE_CLOCK_FLASH;
	hw_read_mode(WIRE_MODE_SLOW);
}

void hw_baud_undo(void)
{
	clocks_set(hw.apb_hz, hw.was_pll, hw.was_doubled);
	UART(CLKDIV) = hw.divisor;
}

/* ---- flash ---- */

#define SPI(off) REG(0x60000200 + (off))
enum { CMD = 0x00, ADDR = 0x04, CTRL = 0x08, RD_STATUS = 0x10, USER = 0x1c, USER1 = 0x20,
	USER2 = 0x24, W0 = 0x40 };
enum { CMD_READ = 1u << 31, CMD_WREN = 1 << 30, CMD_RDSR = 1 << 27, CMD_PP = 1 << 25,
	CMD_USR = 1 << 18 };
enum { USER_COMMAND = 1u << 31, USER_ADDR = 1 << 30, USER_DUMMY = 1 << 29,
	USER_MISO = 1 << 28, USER_MOSI = 1 << 27, USER_FLASH = 1 << 2 };
/* WP high, shared bus, RESANDRES, as ROM sets them; and its divider for 26 MHz
 * of 80 (or 17 of 52), below every chip's limit for plain reads. The other one
 * is for 40 MHz: the limit of fast reads and of all else is higher than that. */
#define CTRL_BASE 0x00288202
#define CTRL_40MHZ 0x00288101
#define CTRL_FAST_READ 0x00002000

static void spi_go(uint32_t command)
{
	SPI(CMD) = command;
	while (SPI(CMD))
		;
}

static void spi_put(const uint32_t *words, uint32_t bytes)
{
	uint32_t i;

	for (i = 0; i < bytes; i += 4)
		SPI(W0 + i) = *words++;
}

static void spi_get(uint32_t *words, uint32_t bytes)
{
	uint32_t i;

	for (i = 0; i < bytes; i += 4)
		*words++ = SPI(W0 + i);
}

void hw_spi(const struct hw_spi *t, uint32_t *data)
{
	uint32_t user = SPI(USER), user2 = SPI(USER2);

	SPI(USER) = USER_COMMAND | USER_FLASH | (t->addr_bytes ? USER_ADDR : 0) |
		(t->dummy_bits ? USER_DUMMY : 0) | (t->in ? USER_MISO : 0) |
		(t->out ? USER_MOSI : 0);
	SPI(USER1) = ((t->addr_bytes * 8u - 1) & 0x3f) << 26 | ((t->out * 8u - 1) & 0x1ff) << 17 |
		((t->in * 8u - 1) & 0x1ff) << 8 | ((t->dummy_bits - 1u) & 0xff);
	SPI(USER2) = 7u << 28 | t->opcode;
	SPI(ADDR) = t->addr << (32 - t->addr_bytes * 8) % 32;
	spi_put(data, t->out);
	spi_go(CMD_USR);
	spi_get(data, t->in);
	SPI(USER) = user;
	SPI(USER2) = user2;
}

void hw_read_mode(unsigned mode)
{
	static const uint32_t bits[WIRE_MODES] = { 0x01002000, 0x00102000, 0x00802000,
		0x00006000, 0x00002000, 0 };

	SPI(CTRL) = hw.flash_fast && mode == WIRE_MODE_SLOW ? CTRL_40MHZ | CTRL_FAST_READ :
		CTRL_BASE | bits[mode];
}

void hw_flash_read(uint32_t addr, uint32_t *data, uint32_t bytes)
{
	SPI(ADDR) = addr | bytes << 24;
	spi_go(CMD_READ);
	spi_get(data, bytes);
}

void hw_flash_program(uint32_t addr, const uint32_t *data, uint32_t bytes)
{
	spi_put(data, bytes);
	SPI(ADDR) = addr | bytes << 24;
	spi_go(CMD_PP);
}

void hw_flash_enable(void)
{
	spi_go(CMD_WREN);
}

uint8_t hw_flash_status(void)
{
	SPI(RD_STATUS) = 0;
	spi_go(CMD_RDSR);
	return (uint8_t)SPI(RD_STATUS);
}

/* ---- the rest ---- */

uint32_t hw_word(uint32_t addr)
{
	return REG(addr);
}

void hw_set_word(uint32_t addr, uint32_t value)
{
	REG(addr) = value;
}

void hw_md5_init(struct hw_md5 *m)
{
	MD5Init(m);
}

void hw_md5_update(struct hw_md5 *m, const void *p, uint32_t n)
{
	MD5Update(m, p, n);
}

void hw_md5_final(uint8_t digest[16], struct hw_md5 *m)
{
	MD5Final(digest, m);
}

/* ---- coming and going ---- */

/* The loader's stack pointer: the ROM code that boots from flash goes on with
 * it, so it is kept where nothing is initialised later. */
extern uint32_t hw_stack __attribute__((section(".data"), externally_visible));
uint32_t hw_stack;

__asm__(".section .text.entry, \"ax\"\n"
	"	.literal_position\n"
	"	.global hw_entry\n"
	"	.align 4\n"
	"hw_entry:\n"
	"	movi a2, hw_stack\n"
	"	s32i a1, a2, 0\n"
	"	j stub_main\n"
	"	.previous\n");

static __attribute__((noreturn)) void jump(uint32_t addr)
{
	__asm__ volatile("mov a1, %0\n\tjx %1" : : "r"(hw_stack), "r"(addr));
	__builtin_unreachable();
}

#define WDT_CTL REG(0x60000900)
#define WDT_FEED REG(0x60000914)
#define RTC_CONTROL REG(0x60000700)

void hw_open(void)
{
	WDT_CTL &= ~1u;
	WDT_FEED = 0x73;
	hw.rx.head = hw.rx.tail = hw.tx.head = hw.tx.tail = 0;
	hw.tx_on = hw.pll = hw.doubled = hw.flash_fast = false;
	hw.per_ms = FAST_HZ / 1000;
	hw.last = ticks();
	hw.ms = 0;
	SelectSpiFunction();
	hw.old_ctrl = SPI(CTRL);
	hw_read_mode(WIRE_MODE_SLOW);
	ets_isr_mask(1 << UART_INT);
	hw.old_timer = ets_isr_attach(TIMER_INT, timer_isr, NULL);
	hw.old_arg = UART_ARG;
	hw.old_isr = ets_isr_attach(UART_INT, isr, NULL);
	hw.old_conf1 = UART(CONF1);
	UART(CONF1) = RX_THRESHOLD | TX_THRESHOLD << 8 | TIMEOUT_CHARS << 24 | 1u << 31;
	UART(INT_CLR) = 0xffff;
	UART(INT_ENA) = RX_FULL | RX_TIMEOUT;
	ets_isr_unmask(1 << UART_INT | 1 << TIMER_INT);
}

void hw_leave(unsigned how, uint32_t addr)
{
	if (how == WIRE_RUN_RESET) {
		RTC_CONTROL |= 1u << 31;
		for (;;)
			;
	}
	ets_isr_mask(1 << UART_INT | 1 << TIMER_INT);
	ets_isr_attach(TIMER_INT, hw.old_timer, NULL);
	ets_isr_attach(UART_INT, hw.old_isr, (void *)hw.old_arg);
	clocks_set(hw.pll ? SLOW_HZ : FAST_HZ, false, false);
	ets_update_cpu_frequency(FAST_HZ / 1000000);	/* as the ROM has it, right or wrong */
	UART(CLKDIV) = ROM_DIVISOR;
	UART(CONF1) = hw.old_conf1;
	UART(INT_ENA) = RX_FULL;
	SPI(CTRL) = hw.old_ctrl;
	ets_set_user_start(NULL);
	jump(how == WIRE_RUN_FLASH ? ROM_BOOT_FLASH : addr);
}
