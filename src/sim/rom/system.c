/* system.c - interrupts, exceptions, time, watchdog and resets.
 *
 * Layer: inside the simulated chip. Knows nothing of UART, SPI or loaders.
 */
#include "rom.h"

#define DEFAULT_MHZ 80		/* wrong with a 26 MHz crystal, as in the original */
#define WDT_KEY 0x73
#define WDT_IRQ 8
#define INTERRUPTS 14

/* Sets what the original copies from its data section. System RAM is zero. */
void rom_init_vars(void)
{
	for (int i = 0; i < 64; i++) {
		rom_exc_table[i] = rom_exc_unhandled;
		rom_exc_handlers[i] = rom_exc_none;
	}
	rom_exc_table[4] = rom_int_dispatch;
	for (int n = 0; n < 15; n++) {
		rom_int_table[14 - n].fn = rom_int_none;
		rom_int_table[14 - n].arg = (void *)n;
	}
	rom_int_vpri = 0xFFFFFFFF;
	rom_cpu_mhz = DEFAULT_MHZ;
	rom_wdt.mode = -1;
	rom_wdt.first = 6;
	rom_wdt.second = 12;
	rom_flash_chip = &rom_flash_record;
	SPIParamCfg(0x001640EF, 0x400000, 0x10000, 0x1000, 0x100, 0xFFFF);
}

/* Installs fn (NULL = none) for an EXCCAUSE; returns the handler before. */
exc_handler *_xtos_set_exception_handler(int cause, exc_handler *fn)
{
	exc_handler *old;

	if ((unsigned)cause >= 64)
		return NULL;
	old = rom_exc_handlers[cause];
	if (!fn)
		fn = rom_exc_none;
	rom_exc_handlers[cause] = fn;
	rom_exc_table[cause] = fn == rom_exc_none ? rom_exc_unhandled : rom_exc_call_c;
	return old == rom_exc_none ? NULL : old;
}

/* Installs fn (NULL = none) for an interrupt; returns the handler before. */
isr_handler *ets_isr_attach(int n, isr_handler *fn, void *arg)
{
	isr_handler *old;

	if ((unsigned)n >= INTERRUPTS)
		return NULL;
	old = rom_int_table[14 - n].fn;
	rom_int_table[14 - n].fn = fn ? fn : rom_int_none;
	rom_int_table[14 - n].arg = fn ? arg : (void *)n;
	return old == rom_int_none ? NULL : old;
}

static uint32_t lock(void)
{
	uint32_t ps;

	__asm__ volatile("rsil %0, 3" : "=a"(ps) : : "memory");
	return ps;
}

static void unlock(uint32_t ps)
{
	__asm__ volatile("wsr %0, ps\n\trsync" : : "a"(ps) : "memory");
}

static void set_enabled(uint32_t bits)
{
	rom_int_enabled = bits;
	bits &= rom_int_vpri;
	__asm__ volatile("wsr %0, intenable\n\trsync" : : "a"(bits));
}

void ets_isr_mask(uint32_t bits)
{
	uint32_t ps = lock();

	set_enabled(rom_int_enabled & ~bits);
	unlock(ps);
}

void ets_isr_unmask(uint32_t bits)
{
	uint32_t ps = lock();

	set_enabled(rom_int_enabled | bits);
	unlock(ps);
}

void ets_intr_lock(void)
{
	__asm__ volatile("rsil a2, 3" : : : "a2", "memory");
}

void ets_intr_unlock(void)
{
	__asm__ volatile("rsil a2, 0" : : : "a2", "memory");
}

/* Waits us x the clock that rom_cpu_mhz believes in. */
void ets_delay_us(uint32_t us)
{
	uint32_t start = ccount(), ticks = us * rom_cpu_mhz;

	while (ccount() - start < ticks)
		;
}

void ets_update_cpu_frequency(uint32_t mhz)
{
	rom_cpu_mhz = mhz;
}

uint32_t ets_get_cpu_frequency(void)
{
	return rom_cpu_mhz;
}

void ets_set_user_start(void *entry)
{
	rom_user_start = (uint32_t)entry;
}

/* The reset comes a little after the write, so this returns. */
void software_reset(void)
{
	RTC_CTL |= 1u << 31;
}

/* 1 power, 2 pin, 3 software, 4 watchdog, 5 timer wake-up, 6 power-on wake-up;
 * the hardware's 5 is told apart by the wake-up cause. */
int rtc_get_reset_reason(void)
{
	uint32_t cause = RTC_RESET_CAUSE & 0xF;

	if (cause == 5) {
		uint32_t wake = RTC_WAKE_CAUSE >> 8 & 0x3F;

		cause = wake == 1 ? 6 : wake == 8 ? 5 : 0;
	}
	RTC_RESET_CTL &= ~(1u << 21);
	return (int)cause;
}

/* Stages last 2^n units; callers say 3, 6 or 12 (seconds, roughly). Nothing
 * else is understood, and the watchdog bites at once. */
static uint32_t wdt_exponent(uint32_t seconds)
{
	return seconds == 3 ? 11 : seconds == 6 ? 12 : seconds == 12 ? 13 : 0;
}

static void wdt_isr(void *arg)
{
	(void)arg;
	if (WDT_STAGE == 1)
		WDT_ACK = WDT_KEY;
}

/* An even mode interrupts after `first` and resets as much later; an odd one
 * resets after `second`. Mode 0 starts what the registers hold. */
void ets_wdt_enable(int mode, int first, int second)
{
	rom_wdt.mode = mode;
	rom_wdt.first = (uint32_t)first;
	rom_wdt.second = (uint32_t)second;
	WDT_CTL &= ~1u;
	if (mode & 1) {
		WDT_CTL = 0x3C;
		WDT_OP = wdt_exponent(rom_wdt.second);
	} else if (mode) {
		WDT_CTL = 0x38;
		WDT_OP = WDT_OP_ND = wdt_exponent(rom_wdt.first);
		ets_isr_unmask(1u << WDT_IRQ);
	}
	WDT_CTL |= 1;
}

/* Returns the mode that was on, for ets_wdt_restore(); -1 after reset. */
int ets_wdt_disable(void)
{
	int old = rom_wdt.mode;

	WDT_CTL &= ~1u;
	WDT_FEED = WDT_KEY;
	rom_wdt.mode = 0;
	return old;
}

void ets_wdt_restore(int mode)
{
	if (mode)
		ets_wdt_enable(mode, (int)rom_wdt.first, (int)rom_wdt.second);
}

void ets_wdt_init(void)
{
	WDT_CTL &= ~1u;
	ets_isr_attach(WDT_IRQ, wdt_isr, NULL);
	DPORT_EDGE_INT |= 1;
}

uint32_t xthal_get_ccount(void)
{
	return ccount();
}

void xthal_set_ccompare(int n, uint32_t v)
{
	if (n == 0)
		__asm__ volatile("wsr %0, ccompare0\n\tesync" : : "a"(v));
}

/* The analog registers (PLL among them) hang off a bus that only the simulated
 * chip models in this form: one word holds block, host, register and value. */
#define I2C_WRITE REG(0x60000D10)
#define I2C_READ REG(0x60000D14)

static uint32_t i2c_word(uint8_t block, uint8_t host, uint8_t reg)
{
	return (uint32_t)block << 24 | (uint32_t)host << 16 | (uint32_t)reg << 8;
}

void rom_i2c_writeReg(uint8_t block, uint8_t host, uint8_t reg, uint8_t value)
{
	I2C_WRITE = i2c_word(block, host, reg) | value;
}

uint8_t rom_i2c_readReg(uint8_t block, uint8_t host, uint8_t reg)
{
	I2C_READ = i2c_word(block, host, reg);
	return (uint8_t)I2C_READ;
}
