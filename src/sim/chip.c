#include "chip.h"

#include "chip_impl.h"
#include "efuse.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLL_REG = 1, PLL_FOR_40 = 0x08, PLL_FOR_26 = 0x88, PLL2_FOR_26 = 0x91,
	MHZ_26 = 26000000, TICKS_PER_CYCLE_80 = 26 };

uint64_t chip_now(const struct chip *c)
{
	return c->base_tick + (c->cpu.cycles - c->base_cycle) * c->cpu_ticks;
}

uint64_t chip_now_us(const struct chip *c)
{
	return chip_now(c) / TICKS_PER_US;
}

/* The PLL makes the crystal's frequency times 2 or, set for a 26 MHz crystal,
 * times 80/26; that is what the APB runs at. */
static uint32_t apb_ticks(const struct chip *c)
{
	bool for_26 = c->analog[PLL_REG] == PLL_FOR_26 && c->analog[PLL_REG + 1] == PLL2_FOR_26;
	uint32_t crystal_mhz = c->cfg.crystal_hz / 1000000;

	if (!for_26)
		return TICKS_PER_US / (2 * crystal_mhz);
	return TICKS_PER_CYCLE_80 * 26 / crystal_mhz;
}

void chip_clock_changed(struct chip *c)
{
	uint64_t now = chip_now(c);
	uint32_t apb = apb_ticks(c);

	c->base_tick = now;
	c->base_cycle = c->cpu.cycles;
	c->cpu_ticks = c->dport[DPORT_CPU_X2 / 4] & 1 ? apb / 2 : apb;
	cpu_yield(&c->cpu);	/* the slice's end is another cycle now */
	if (apb == c->apb_ticks)
		return;
	c->apb_ticks = apb;
	for (unsigned i = 0; i < 2; i++) {
		uart_set_clock(&c->uart[i], now, apb);
		timer_set_clock(&c->frc[i], now, apb);
		c->spi[i].clock_ticks = apb;
	}
}

/* Resets all that the RST pin resets. Memory keeps its contents. */
static void reset(struct chip *c, enum rtc_cause cause)
{
	bool pin = cause == RTC_CAUSE_POWER || cause == RTC_CAUSE_PIN;
	uint64_t now;

	memset(c->apb, 0, sizeof c->apb);
	memset(c->dport, 0, 0x400);
	memset(c->analog, 0, sizeof c->analog);
	c->analog[PLL_REG] = PLL_FOR_40;
	chip_clock_changed(c);
	now = chip_now(c);
	for (unsigned i = 0; i < 2; i++) {
		uart_reset(&c->uart[i], now, c->apb_ticks);
		timer_reset(&c->frc[i], i == 0, now, c->apb_ticks);
		spi_reset(&c->spi[i], c->apb_ticks);
	}
	gpio_reset(&c->gpio, pin);
	rtc_reset(&c->rtc, cause);
	if (cause != RTC_CAUSE_SOFTWARE)	/* firmware's watchdog survives its restart */
		wdt_reset(&c->wdt);
	cpu_reset(&c->cpu);
	chip_map_update(c);
	chip_update_irqs(c);
	c->resets++;
}

static void fill_random(struct chip *c, uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 4 <= n; i += 4) {
		uint32_t v = rng_next(&c->rng);

		memcpy(p + i, &v, 4);
	}
}

static void power_on(struct chip *c)
{
	c->on = true;
	c->dead = false;
	c->resets = 0;
	fill_random(c, c->dram, CHIP_DRAM_BYTES);
	fill_random(c, c->iram, CHIP_IRAM_BYTES);
	for (unsigned i = 0; i < 2; i++)
		c->uart[i].lost = 0;
	nor_power_on(&c->nor);
	gpio_init(&c->gpio);
	gpio_drive(&c->gpio, GPIO_0,
		   c->cfg.lines_wired ? board_gpio0(&c->board) : c->cfg.strap != 1);
	rtc_init(&c->rtc);
	reset(c, RTC_CAUSE_POWER);
}

static void power_off(struct chip *c)
{
	c->on = false;
	nor_power_off(&c->nor, chip_now(c));
	for (unsigned i = 0; i < 2; i++)
		c->uart[i].tx.count = 0;
	timer_reset(&c->frc[0], true, chip_now(c), c->apb_ticks);
	timer_reset(&c->frc[1], false, chip_now(c), c->apb_ticks);
	wdt_reset(&c->wdt);
}

void chip_power(struct chip *c, bool on)
{
	if (on && !c->on)
		power_on(c);
	else if (!on && c->on)
		power_off(c);
}

bool chip_is_on(const struct chip *c)
{
	return c->on;
}

static uint32_t default_id(const struct chip_config *cfg, uint32_t bytes)
{
	uint32_t capacity = (uint32_t)__builtin_ctz(bytes);

	/* ESP8285: PUYA in the package; else a Winbond W25Q. */
	return cfg->esp8285 ? 0x6085 | capacity << 16 : 0x40EF | capacity << 16;
}

static int open_flash(struct chip *c, struct esp_error *err)
{
	uint32_t bytes = c->cfg.flash_bytes;
	struct nor_config n = { .scale = c->cfg.erase_scale, .seed = c->cfg.seed };
	int rc = flash_file_open(&c->file, c->cfg.flash_path, bytes, err);

	if (rc < 0)
		return rc;
	n.mem = c->file.mem;
	n.bytes = c->file.bytes;
	n.jedec_id = c->cfg.jedec_id ? c->cfg.jedec_id : default_id(&c->cfg, n.bytes);
	for (unsigned i = 0; i < sizeof n.uid; i++)
		n.uid[i] = c->cfg.mac[i % 6] ^ (uint8_t)(0x5A + i);
	n.stuck_sector = c->cfg.stuck_sector;
	n.locked = c->cfg.write_protect;
	n.lie = c->cfg.lie;
	n.cut_op = c->cfg.power_cut_op;
	n.cut_when = c->cfg.power_cut_when;
	n.status = c->cfg.status;
	n.bad_modes = c->cfg.bad_modes;
	n.faults = c->faults.count ? &c->faults : NULL;
	if (nor_open(&c->nor, &n) < 0)
		return esp_fail(err, ESP_E_NOMEM, "no memory for a simulated flash chip");
	return 0;
}

static int open_parts(struct chip *c, struct esp_error *err)
{
	int rc = chip_map_open(c, err);

	if (rc >= 0)
		rc = faults_open(&c->faults, c->cfg.faults_path, err);
	if (rc >= 0 && c->faults.gone)
		rc = esp_fail(err, ESP_E_MISSING, "the simulated port is unplugged");
	if (rc >= 0)
		rc = open_flash(c, err);
	if (rc < 0)
		return rc;
	c->bus.io_read = chip_io_read;
	c->bus.io_write = chip_io_write;
	c->bus.io = c;
	if (cpu_open(&c->cpu, &c->bus) < 0)
		return esp_fail(err, ESP_E_NOMEM, "no memory for a simulated CPU");
	return 0;
}

struct chip *chip_open(const struct chip_config *cfg, struct esp_error *err)
{
	struct chip *c = calloc(1, sizeof *c);

	if (!c) {
		esp_fail(err, ESP_E_NOMEM, "no memory for a simulated chip");
		return NULL;
	}
	c->cfg = *cfg;
	c->file.fd = -1;
	c->cpu_ticks = 1;
	c->stale_at = TICKS_NEVER;
	c->base_tick = TICKS_PER_US;	/* time 0 means "never was" to some devices */
	if (open_parts(c, err) < 0) {
		chip_close(c);
		return NULL;
	}
	rng_init(&c->rng, cfg->seed, 4);
	efuse_words(c->efuse, cfg->mac, cfg->esp8285 ? c->file.bytes : 0);
	c->spi[0].nor = &c->nor;
	uart_init(&c->uart[0]);
	uart_init(&c->uart[1]);
	board_init(&c->board, cfg);
	host_init(&c->host, cfg, chip_now(c));
	c->host.at = &c->faults;
	power_on(c);
	if (c->faults.off)
		power_off(c);
	return c;
}

struct faults *chip_faults(struct chip *c)
{
	return &c->faults;
}

static void note_counters(struct chip *c)
{
	const struct nor *n = &c->nor;
	char line[160];

	snprintf(line, sizeof line, "# sent %llu received %llu ops %llu erases %llu programs %llu"
		 " resets %llu status %02x%02x%02x", (unsigned long long)c->host.sent,
		 (unsigned long long)c->host.received, (unsigned long long)n->ops,
		 (unsigned long long)n->stats.erases, (unsigned long long)n->stats.programs,
		 (unsigned long long)c->resets, n->nv_sr3, n->nv_sr2, n->nv_sr1);
	faults_note(&c->faults, line);
}

void chip_close(struct chip *c)
{
	if (!c)
		return;
	if (c->on)
		power_off(c);
	note_counters(c);
	faults_close(&c->faults);
	cpu_close(&c->cpu);
	nor_close(&c->nor);
	flash_file_close(&c->file);
	chip_map_close(c);
	free(c);
}

static bool is_halted(const struct chip *c)
{
	return !c->on || c->dead || c->board.rst_low;
}

static void skip_to(struct chip *c, uint64_t tick)
{
	uint64_t now = chip_now(c);

	if (tick > now)
		cpu_skip(&c->cpu, (tick - now + c->cpu_ticks - 1) / c->cpu_ticks);
}

/* Whether something that the CPU has read has changed since without an event.
 * The loop that read it is not over then, though it looked idle: it must run
 * once more. */
static bool saw_the_past(struct chip *c)
{
	bool past = c->stale_at <= chip_now(c);

	if (past)
		c->stale_at = TICKS_NEVER;
	return past;
}

/* When something may come to the CPU's notice, at the latest. */
static uint64_t next_news(struct chip *c)
{
	uint64_t until = ticks_min(c->limit, chip_next_event(c)), timer = cpu_next_timer(&c->cpu);

	if (timer == UINT64_MAX || timer <= c->cpu.cycles)
		return until;
	return ticks_min(until, chip_now(c) + (timer - c->cpu.cycles) * c->cpu_ticks);
}

/* Leaps over rounds of an idle loop, but no part of one: what comes after
 * happens when it would have. */
static void skip_rounds(struct chip *c)
{
	uint64_t now = chip_now(c), until, period = c->cpu.poll_period;

	if (saw_the_past(c))
		return;
	until = ticks_min(next_news(c), c->stale_at);
	if (until > now)
		cpu_skip(&c->cpu, (until - now) / c->cpu_ticks / period * period);
}

/* Runs the CPU until the limit or until it stops for a reason of its own. */
static void run_slice(struct chip *c)
{
	uint64_t cycles = (c->limit - chip_now(c) + c->cpu_ticks - 1) / c->cpu_ticks;

	switch (cpu_run(&c->cpu, c->cpu.cycles + cycles)) {
	case CPU_STOP_WAIT: skip_to(c, next_news(c)); break;
	case CPU_STOP_POLL: skip_rounds(c); break;
	default:
		cpu_skip(&c->cpu, c->skip_cycles);
	}
	c->skip_cycles = 0;
}

static void check_die(struct chip *c)
{
	uint64_t n = c->cfg.die_after_bytes;

	if (!n || c->dead || c->host.sent + c->host.received < n)
		return;
	c->dead = true;
	c->uart[0].tx.count = 0;
}

/* Faults that come after so many bytes on the wire. */
static void check_faults(struct chip *c)
{
	uint64_t n = c->host.sent + c->host.received;
	const struct fault *x;

	if (!c->faults.count)
		return;
	x = faults_due(&c->faults, FAULT_SIGNAL, n);
	if (x) {
		if (x->arg == SIGKILL)
			note_counters(c);
		raise((int)x->arg);
	}
	if (c->on && !c->dead && faults_due(&c->faults, FAULT_RESET, n))
		reset(c, RTC_CAUSE_PIN);
}

/* Brings all devices to now; resets and power failures happen here. */
static void settle(struct chip *c)
{
	chip_run_devices(c);
	check_die(c);
	check_faults(c);
	if (c->nor.power_lost && c->on)
		power_off(c);
	if (board_run(&c->board, chip_now(c)) && c->on)
		reset(c, RTC_CAUSE_PIN);
	if (c->rtc.reset_wanted && c->on)
		reset(c, RTC_CAUSE_SOFTWARE);
	if (c->wdt.bites && c->on)
		reset(c, RTC_CAUSE_WATCHDOG);
}

void chip_run(struct chip *c, uint64_t time_us, bool stop_on_tx)
{
	uint64_t target = time_us * TICKS_PER_US, now;

	for (;;) {
		settle(c);
		now = chip_now(c);
		if (now >= target || (stop_on_tx && c->host.rx_count))
			return;
		c->limit = ticks_min(target, chip_next_event(c));
		if (c->limit <= now)
			c->limit = now + c->cpu_ticks;
		if (is_halted(c))
			skip_to(c, c->limit);
		else
			run_slice(c);
	}
}

size_t chip_receive(struct chip *c, const uint8_t *buf, size_t len)
{
	size_t n = host_queue(&c->host, chip_now(c), buf, len);

	settle(c);
	return n;
}

size_t chip_sent(struct chip *c, uint8_t *buf, size_t cap)
{
	settle(c);
	return host_take(&c->host, buf, cap);
}

bool chip_wire_idle(const struct chip *c)
{
	return c->host.tx_count == 0 && c->uart[0].in.busy_until <= chip_now(c);
}

void chip_set_host_baud(struct chip *c, uint32_t baud)
{
	host_set_baud(&c->host, baud);
}

void chip_set_lines(struct chip *c, bool dtr, bool rts)
{
	bool was_low = c->board.rst_low;

	board_set_lines(&c->board, chip_now(c), dtr, rts);
	if (c->board.wired)
		gpio_drive(&c->gpio, GPIO_0, board_gpio0(&c->board));
	if (c->board.rst_low && !was_low && c->on)
		reset(c, RTC_CAUSE_PIN);
	chip_update_irqs(c);
}

void chip_set_break(struct chip *c, bool on)
{
	uint64_t now = chip_now(c);

	if (on)
		wire_begin_break(&c->uart[0].in, now);
	else
		wire_end_break(&c->uart[0].in, now);
	board_set_break(&c->board, on);
	if (c->board.wired)
		gpio_drive(&c->gpio, GPIO_0, board_gpio0(&c->board));
	settle(c);
}
