#include "chip_impl.h"

#include <string.h>

/* Exceptions of accesses to region 0 (reference: registers 1). */
enum { LOAD_PROHIBITED = 28, STORE_PROHIBITED = 29, REGION_0_END = 0x20000000 };

/* Blocks on the APB, by address bits 15..8. UART1 shares its page with nothing. */
enum apb_page {
	PAGE_UART0 = 0x00, PAGE_HSPI = 0x01, PAGE_SPI0 = 0x02, PAGE_GPIO = 0x03,
	PAGE_FRC = 0x06, PAGE_RTC = 0x07, PAGE_IOMUX = 0x08, PAGE_WDT = 0x09,
	PAGE_ANALOG = 0x0D, PAGE_UART1 = 0x0F, PAGE_RTC_MEM = 0x10, PAGE_RTC_MEM_END = 0x14,
};
enum {
	ANALOG_WRITE = 0x10, ANALOG_READ = 0x14,
	ANALOG_PLL = 103, ANALOG_HOST = 4, ANALOG_REAL_WRITE = 1 << 24,
	ANALOG_REAL_BUSY = 1 << 25,
	WDEV_UART_INT = 0x20020, WDEV_RANDOM = 0x20E44,
	FLASH_STATUS_OPCODE = 0x05,
};

/* The analog bus. Our ROM writes block << 24 | host << 16 | reg << 8 | value to
 * +10 to set, and without a value to +14 to ask, and reads the answer there.
 * A dump of the real ROM has another form, unconfirmed: block | reg << 8 |
 * value << 16, bit 24 to write, at +4 * host; read back there, bit 25 busy. */
static void write_analog_real(struct chip *c, uint32_t v)
{
	uint8_t reg = (uint8_t)(v >> 8);

	if ((v & 0xFF) != ANALOG_PLL)
		return;
	if (v & ANALOG_REAL_WRITE) {
		c->analog[reg] = (uint8_t)(v >> 16);
		chip_clock_changed(c);
	}
	c->apb[(PAGE_ANALOG << 8 | ANALOG_WRITE) / 4] =
		(v & 0xFFFF) | (uint32_t)c->analog[reg] << 16;
}

static void write_analog(struct chip *c, uint32_t off, uint32_t v)
{
	bool pll = v >> 24 == ANALOG_PLL && (v >> 16 & 0xFF) == ANALOG_HOST;
	uint8_t reg = (uint8_t)(v >> 8);

	if (off == ANALOG_READ) {
		c->analog_answer = pll ? c->analog[reg] : 0;
	} else if (off == ANALOG_WRITE && pll) {
		c->analog[reg] = (uint8_t)v;
		chip_clock_changed(c);
	} else if (off == ANALOG_WRITE) {
		write_analog_real(c, v);
	}
}

static uint32_t read_apb(struct chip *c, uint32_t off)
{
	uint64_t now = chip_now(c);
	uint32_t in = off & 0xFF;

	switch (off >> 8) {
	case PAGE_UART0: return uart_read(&c->uart[0], now, in, c->peeking);
	case PAGE_UART1: return uart_read(&c->uart[1], now, in, c->peeking);
	case PAGE_SPI0: return spi_read(&c->spi[0], now, in);
	case PAGE_HSPI: return spi_read(&c->spi[1], now, in);
	case PAGE_GPIO: return gpio_read(&c->gpio, in);
	case PAGE_FRC: return timer_read(&c->frc[in >= 0x20], now, in & 0x1F);
	case PAGE_RTC: return rtc_read(&c->rtc, now, in);
	case PAGE_WDT: return wdt_read(&c->wdt, now, in);
	case PAGE_ANALOG:
		return in == ANALOG_READ ? c->analog_answer :
		       c->apb[off / 4] & ~(uint32_t)ANALOG_REAL_BUSY;
	default: break;
	}
	if (off >> 8 >= PAGE_RTC_MEM && off >> 8 < PAGE_RTC_MEM_END)
		return c->rtc.mem[(off - (PAGE_RTC_MEM << 8)) / 4];
	return c->apb[off / 4];
}

/* When the level on RXD changes: a UART's status and what its auto-baud unit
 * counts follow it between the events. */
static uint64_t next_edge(const struct uart *u, uint64_t now)
{
	uint64_t at;
	bool level;

	return wire_edge(&u->in, now, &at, &level) ? at : TICKS_NEVER;
}

static bool shows_levels(uint32_t in)
{
	return in == UART_STATUS || (in >= UART_LOWPULSE && in <= UART_PULSE_NUM);
}

/* Remembers when what the CPU reads now will change without an event. */
static void note_read(struct chip *c, uint32_t addr)
{
	uint64_t now = chip_now(c), at;
	uint32_t page = (addr - APB_BASE) >> 8;

	for (unsigned i = 0; i < 2; i++)
		c->stale_at = ticks_min(c->stale_at, spi_next(&c->spi[i], now));
	if ((page != PAGE_UART0 && page != PAGE_UART1) || !shows_levels(addr & 0xFF))
		return;
	at = next_edge(&c->uart[page == PAGE_UART1], now);
	c->stale_at = ticks_min(c->stale_at, at);
}

static uint32_t read_cache_control(const struct chip *c)
{
	uint32_t v = c->dport[DPORT_CACHE / 4] & ~(uint32_t)(CACHE_FLUSHED | CACHE_SPI_BUSY);

	if (v & CACHE_FLUSH)
		v |= CACHE_FLUSHED;
	return spi_is_busy(&c->spi[0], chip_now(c)) ? v | CACHE_SPI_BUSY : v;
}

static uint32_t read_dport(struct chip *c, uint32_t off)
{
	uint64_t now = chip_now(c);

	switch (off) {
	case DPORT_CACHE: return read_cache_control(c);
	case DPORT_SPI_INT:
		return (uint32_t)spi_irq(&c->spi[0], now) << 4 |
		       (uint32_t)spi_irq(&c->spi[1], now) << 7;
	case WDEV_UART_INT:
		return (uint32_t)uart_irq(&c->uart[0]) | (uint32_t)uart_irq(&c->uart[1]) << 2;
	case WDEV_RANDOM: return c->peeking ? 0 : rng_next(&c->rng);
	default: break;
	}
	if (off >= DPORT_EFUSE && off < DPORT_EFUSE + 16)
		return c->efuse[(off - DPORT_EFUSE) / 4];
	return c->dport[off / 4];
}

/* Whether a read takes something away or sees what moves by itself, so that a
 * loop of such reads is not idle. */
static bool read_has_effect(const struct chip *c, uint32_t addr)
{
	switch (addr) {
	case APB_BASE + (PAGE_UART0 << 8) + UART_FIFO_REG: return c->uart[0].rx.count;
	case APB_BASE + (PAGE_UART1 << 8) + UART_FIFO_REG: return c->uart[1].rx.count;
	case DPORT_BASE + WDEV_RANDOM: return true;
	default: break;
	}
	addr = (addr - APB_BASE) >> 8;
	return addr == PAGE_FRC || addr == PAGE_RTC || addr == PAGE_WDT;
}

/* The CPU asks something to which the answer stays the same until then. When it
 * has asked four times with equal registers at equal distance it does nothing
 * else, so whole rounds may be leapt over: their cycles, 0 when there are none. */
static uint64_t poll_rounds(struct chip *c, struct chip_poll *p, uint64_t until)
{
	const struct cpu *cpu = &c->cpu;
	uint64_t now = chip_now(c), period = cpu->cycles - p->cycles, rounds;
	bool same = p->pc == cpu->pc && p->period == period && p->effects == cpu->side_effects &&
		p->sar == cpu->sar && p->ps == cpu->ps &&
		memcmp(p->a, cpu->a, sizeof p->a) == 0;

	p->same = same ? p->same + 1 : 0;
	p->period = period;
	p->cycles = cpu->cycles;
	if (!same) {
		p->pc = cpu->pc;
		p->effects = cpu->side_effects;
		p->sar = cpu->sar;
		p->ps = cpu->ps;
		memcpy(p->a, cpu->a, sizeof p->a);
	}
	until = ticks_min(c->limit, until);
	if (p->same < 3 || until <= now || period == 0)
		return 0;
	rounds = (until - now) / c->cpu_ticks / period;
	if (rounds < 2)
		return 0;
	p->cycles += (rounds - 1) * period;
	return (rounds - 1) * period;
}

/* The CPU waits for the flash's SPI controller. */
static void skip_spi_wait(struct chip *c, uint32_t off)
{
	uint64_t cycles;

	if (off != (PAGE_SPI0 << 8) + SPI_CMD || !spi_is_busy(&c->spi[0], chip_now(c)))
		return;
	cycles = poll_rounds(c, &c->spi_poll, c->spi[0].busy_until);
	if (cycles)
		cpu_skip(&c->cpu, cycles);
}

int chip_io_read(void *io, uint32_t addr, uint32_t *value)
{
	struct chip *c = io;

	*value = 0;
	if (addr < REGION_0_END)
		return LOAD_PROHIBITED;
	if (!c->peeking && read_has_effect(c, addr))
		cpu_effect(&c->cpu);
	if (!c->peeking)
		note_read(c, addr);
	if (addr - APB_BASE < APB_BYTES) {
		*value = read_apb(c, addr - APB_BASE);
		if (!c->peeking)
			skip_spi_wait(c, addr - APB_BASE);
		if (!c->peeking && (addr & 0xFF00) != PAGE_SPI0 << 8)
			chip_update_irqs(c);
	} else if (addr - DPORT_BASE < DPORT_BYTES) {
		*value = read_dport(c, addr - DPORT_BASE);
	} else if (addr - CHIP_IRAM >= CHIP_IRAM_BYTES) {
		c->stray += !c->peeking;
	}
	return 0;
}

static bool asks_flash_status(const struct spi *s, uint32_t cmd)
{
	if (cmd & SPI_RDSR)
		return true;
	return (cmd & SPI_USR) && (s->reg[SPI_USER2 / 4] & 0xFF) == FLASH_STATUS_OPCODE;
}

/* The CPU asks for the flash's status. */
static void skip_flash_poll(struct chip *c)
{
	if (!nor_is_busy(&c->nor, chip_now(c)))
		return;
	c->skip_cycles = poll_rounds(c, &c->flash_poll, nor_next(&c->nor));
	if (c->skip_cycles)
		cpu_yield(&c->cpu);
}

static void write_spi0(struct chip *c, uint64_t now, uint32_t off, uint32_t v)
{
	bool worked = spi_mode_works(&c->spi[0]);

	spi_write(&c->spi[0], now, off, v);
	if (off == SPI_CMD && asks_flash_status(&c->spi[0], v))
		skip_flash_poll(c);
	if ((off == SPI_CMD || off == SPI_CTRL) && worked != spi_mode_works(&c->spi[0]))
		chip_map_update(c);
	if (c->nor.power_lost)
		cpu_yield(&c->cpu);
}

static void write_apb(struct chip *c, uint32_t off, uint32_t v)
{
	uint64_t now = chip_now(c);
	uint32_t in = off & 0xFF;

	c->apb[off / 4] = v;
	switch (off >> 8) {
	case PAGE_UART0: uart_write(&c->uart[0], now, in, v); break;
	case PAGE_UART1: uart_write(&c->uart[1], now, in, v); break;
	case PAGE_SPI0: write_spi0(c, now, in, v); break;
	case PAGE_HSPI: spi_write(&c->spi[1], now, in, v); break;
	case PAGE_GPIO: gpio_write(&c->gpio, in, v); break;
	case PAGE_FRC: timer_write(&c->frc[in >= 0x20], now, in & 0x1F, v); break;
	case PAGE_RTC: rtc_write(&c->rtc, in, v); break;
	case PAGE_WDT: wdt_write(&c->wdt, now, in, v); break;
	case PAGE_ANALOG: write_analog(c, in, v); break;
	default: break;
	}
	if (off >> 8 >= PAGE_RTC_MEM && off >> 8 < PAGE_RTC_MEM_END)
		c->rtc.mem[(off - (PAGE_RTC_MEM << 8)) / 4] = v;
}

static void write_dport(struct chip *c, uint32_t off, uint32_t v)
{
	uint32_t was = c->dport[off / 4];

	c->dport[off / 4] = v;
	switch (off) {
	case DPORT_CPU_X2: chip_clock_changed(c); break;
	case DPORT_CACHE:
		if ((was ^ v) & ~(uint32_t)(CACHE_FLUSH | CACHE_FLUSHED | CACHE_SPI_BUSY))
			chip_map_update(c);
		else if (v & ~was & CACHE_FLUSH)
			cpu_flush(&c->cpu);
		break;
	case DPORT_BANKS:
		if ((was ^ v) & (BANKS_LOW | BANKS_HIGH))
			chip_map_update(c);
		break;
	default: break;
	}
}

/* Whether a write changes anything: not the same value into plain storage, the
 * feeding of a watchdog that is off, or the question whether the flash is
 * still busy, which it is (and the wiping of the register that its answer goes
 * to, which the real ROM does before it asks). */
static bool write_has_effect(struct chip *c, uint32_t addr, uint32_t value)
{
	uint32_t off = addr - APB_BASE;

	if (addr - DPORT_BASE < DPORT_BYTES)
		return c->dport[(addr - DPORT_BASE) / 4] != value;
	if (off >> 8 == PAGE_IOMUX)
		return c->apb[off / 4] != value;
	if (off >> 8 == PAGE_WDT)
		return c->wdt.due != TICKS_NEVER || (off & 0xFF) < 0x14;
	return !(off >> 8 == PAGE_SPI0 && nor_is_busy(&c->nor, chip_now(c)) &&
		 ((off & 0xFF) == SPI_RD_STATUS ||
		  ((off & 0xFF) == SPI_CMD && asks_flash_status(&c->spi[0], value))));
}

/* A write to a device may bring the next event forward, raise or lower an
 * interrupt or ask for a reset. Plain storage and the data words of the SPI
 * controllers, which are most of the writes, do none of it. */
static bool needs_attention(uint32_t addr)
{
	uint32_t off = addr - APB_BASE;

	if (addr - DPORT_BASE < DPORT_BYTES)
		return addr - DPORT_BASE == DPORT_CPU_X2;
	return off >> 8 != PAGE_SPI0 || (off & 0xFF) == SPI_CMD || (off & 0xFF) == SPI_SLAVE;
}

int chip_io_write(void *io, uint32_t addr, uint32_t value)
{
	struct chip *c = io;

	if (addr < REGION_0_END)
		return STORE_PROHIBITED;
	if (write_has_effect(c, addr, value))
		cpu_effect(&c->cpu);
	if (addr - APB_BASE < APB_BYTES)
		write_apb(c, addr - APB_BASE, value);
	else if (addr - DPORT_BASE < DPORT_BYTES)
		write_dport(c, addr - DPORT_BASE, value);
	else if (addr - CHIP_IRAM >= CHIP_IRAM_BYTES)
		c->stray++;
	if (!needs_attention(addr))
		return 0;
	chip_update_irqs(c);
	if (c->rtc.reset_wanted || chip_next_event(c) < c->limit)
		cpu_yield(&c->cpu);
	return 0;
}

static uint32_t irq_lines(const struct chip *c)
{
	uint64_t now = chip_now(c);
	bool spi = spi_irq(&c->spi[0], now) || spi_irq(&c->spi[1], now);
	bool uart = uart_irq(&c->uart[0]) || uart_irq(&c->uart[1]);

	return (uint32_t)spi << IRQ_SPI | (uint32_t)gpio_irq(&c->gpio) << IRQ_GPIO |
	       (uint32_t)uart << IRQ_UART | (uint32_t)wdt_irq(&c->wdt) << IRQ_WDT |
	       (uint32_t)c->frc[0].pending << IRQ_FRC1 | (uint32_t)c->frc[1].pending << IRQ_FRC2;
}

void chip_update_irqs(struct chip *c)
{
	uint32_t lines = irq_lines(c), changed = lines ^ c->cpu.lines;

	for (; changed; changed &= changed - 1) {
		unsigned number = (unsigned)__builtin_ctz(changed);

		cpu_irq(&c->cpu, number, lines >> number & 1);
	}
}

void chip_run_devices(struct chip *c)
{
	uint64_t now = chip_now(c);

	uart_run(&c->uart[0], now);
	uart_run(&c->uart[1], now);
	host_run(&c->host, now, &c->uart[0].in, &c->uart[0].out);
	nor_run(&c->nor, now);
	if (c->nor.array.generation != c->nor_generation) {
		c->nor_generation = c->nor.array.generation;
		if (c->dport[DPORT_CACHE / 4] & CACHE_ENABLE)
			cpu_flush(&c->cpu);
	}
	/* An edge each time, whether the last one was acknowledged or not. */
	for (unsigned i = 0; i < 2; i++)
		if (timer_run(&c->frc[i], now))
			cpu_irq(&c->cpu, IRQ_FRC1 + i, false);
	wdt_run(&c->wdt, now);
	chip_update_irqs(c);
}

/* The end of a transaction is an event only when it interrupts. */
static uint64_t next_done_irq(const struct spi *s, uint64_t now)
{
	return spi_is_busy(s, now) && spi_irq(s, s->busy_until) ? s->busy_until : TICKS_NEVER;
}

uint64_t chip_next_event(struct chip *c)
{
	uint64_t t = host_next(&c->host, &c->uart[0].in, &c->uart[0].out);

	t = ticks_min(t, uart_next(&c->uart[0]));
	t = ticks_min(t, uart_next(&c->uart[1]));
	t = ticks_min(t, c->frc[0].hit_at);
	t = ticks_min(t, c->frc[1].hit_at);
	t = ticks_min(t, c->wdt.due);
	t = ticks_min(t, c->board.rise_at);
	for (unsigned i = 0; i < 2; i++)
		t = ticks_min(t, next_done_irq(&c->spi[i], chip_now(c)));
	return ticks_min(t, nor_next(&c->nor));
}
