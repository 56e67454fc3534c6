#include "port_sim.h"

#include "port_clock.h"

#include "../sim/chip.h"
#include "../sim/fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A USB bridge hands bytes to the host in packets of at most 62 (FTDI; others
 * are alike), when one is full or when its latency timer runs out. */
enum { PACKET = 62, GATHER_MAX = 4096, PACED_LATENCY_US = 1000 };

/* A read that does not wait takes a little time even so, or a host that polls
 * would stop the virtual clock. */
enum { POLL_US = 10 };

struct sim {
	struct chip *chip;
	uint64_t latency_us;
	uint64_t unplug_after, moved;	/* bytes in both directions */
	uint64_t wall_start_us;		/* wall clock minus the chip's, when paced */
	bool paced, unplugged;
	uint8_t gather[GATHER_MAX];	/* in the bridge or ready for the host */
	size_t gathered, ready;		/* the first `ready` may be read */
	uint64_t first_us;		/* when the first byte that is not ready came */
	bool dtr, rts;
};

static struct sim *sim_of(struct port *p)
{
	return p->impl;
}

static uint64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* When paced: the chip lives through the time that the host took outside. */
static void catch_up(struct sim *s)
{
	if (s->paced)
		chip_run(s->chip, wall_us() - s->wall_start_us, false);
}

/* When paced: waits until the wall clock is where the chip is. Returns early
 * on a signal, so that its flag is seen. */
static void wait_for_wall(struct sim *s)
{
	uint64_t due = chip_now_us(s->chip) + s->wall_start_us;
	struct timespec ts = { (time_t)(due / 1000000), (long)(due % 1000000) * 1000 };

	if (s->paced)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void run_to(struct sim *s, uint64_t us)
{
	chip_run(s->chip, us, false);
	wait_for_wall(s);
}

static int check_plugged(struct port *p)
{
	struct sim *s = sim_of(p);

	if (faults_due(chip_faults(s->chip), FAULT_UNPLUG, s->moved))
		s->unplugged = true;
	if (s->unplugged || (s->unplug_after && s->moved >= s->unplug_after))
		return esp_fail(&p->err, ESP_E_GONE, "%s: unplugged", p->name);
	return 0;
}

/* What ends an operation that waits, before it starts and while it does. */
static int check(struct port *p)
{
	int rc = check_plugged(p);

	return rc < 0 ? rc : port_clock_check(p);
}

/* Moves what the chip sent into the bridge and says what of it is ready. */
static void gather(struct sim *s)
{
	uint64_t now = chip_now_us(s->chip);
	size_t n = chip_sent(s->chip, s->gather + s->gathered, sizeof s->gather - s->gathered);

	if (n && s->gathered == s->ready)
		s->first_us = now;
	s->gathered += n;
	if (s->gathered - s->ready >= PACKET) {
		s->ready += (s->gathered - s->ready) / PACKET * PACKET;
		s->first_us = now;
	}
	if (s->gathered > s->ready && now >= s->first_us + s->latency_us)
		s->ready = s->gathered;
}

static size_t take(struct sim *s, void *buf, size_t cap)
{
	size_t n = s->ready < cap ? s->ready : cap;

	memcpy(buf, s->gather, n);
	memmove(s->gather, s->gather + n, s->gathered - n);
	s->gathered -= n;
	s->ready -= n;
	s->moved += n;
	return n;
}

/* Lets the chip live until something is ready or the time is over. Running
 * ahead of the wall clock is safe: the host can do nothing until we return. */
static void wait_ready(struct sim *s, uint64_t deadline)
{
	uint64_t until;

	for (;;) {
		gather(s);
		if (s->ready || chip_now_us(s->chip) >= deadline || port_interrupted)
			return;
		until = s->gathered ? s->first_us + s->latency_us : deadline;
		chip_run(s->chip, until < deadline ? until : deadline, true);
	}
}

static int sim_read(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
{
	struct sim *s = sim_of(p);
	uint64_t wait_us = timeout_ms ? (uint64_t)timeout_ms * 1000 : POLL_US;
	int rc = check(p);

	if (rc < 0)
		return rc;
	catch_up(s);
	wait_ready(s, chip_now_us(s->chip) + wait_us);
	wait_for_wall(s);
	rc = port_clock_check(p);
	return rc < 0 ? rc : (int)take(s, buf, cap);
}

static int sim_write(struct port *p, const void *buf, size_t len, uint32_t timeout_ms)
{
	struct sim *s = sim_of(p);
	const uint8_t *from = buf;
	uint64_t deadline;
	size_t done = 0;

	catch_up(s);
	deadline = chip_now_us(s->chip) + (uint64_t)timeout_ms * 1000;
	for (;;) {
		int rc = check(p);
		size_t n;

		if (rc < 0)
			return rc;
		n = chip_receive(s->chip, from + done, len - done);
		done += n;
		s->moved += n;
		if (done == len)
			return 0;
		if (chip_now_us(s->chip) >= deadline)
			return esp_fail(&p->err, ESP_E_TIMEOUT, "%s: write timed out", p->name);
		run_to(s, chip_now_us(s->chip) + 1000);
	}
}

static int sim_drain(struct port *p, uint32_t timeout_ms)
{
	struct sim *s = sim_of(p);
	uint64_t deadline;

	catch_up(s);
	deadline = chip_now_us(s->chip) + (uint64_t)timeout_ms * 1000;
	while (!chip_wire_idle(s->chip) && !port_interrupted) {
		if (chip_now_us(s->chip) >= deadline)
			return esp_fail(&p->err, ESP_E_TIMEOUT, "%s: drain timed out", p->name);
		run_to(s, chip_now_us(s->chip) + 100);
	}
	return check(p);
}

static int sim_flush(struct port *p)
{
	struct sim *s = sim_of(p);

	catch_up(s);
	do {
		s->gathered = s->ready = 0;
		gather(s);
	} while (s->gathered);
	return check(p);
}

static int sim_set_baud(struct port *p, uint32_t baud)
{
	catch_up(sim_of(p));
	chip_set_host_baud(sim_of(p)->chip, baud);
	return check_plugged(p);
}

static int sim_set_lines(struct port *p, int dtr, int rts)
{
	struct sim *s = sim_of(p);

	catch_up(s);
	if (dtr != PORT_LINE_KEEP)
		s->dtr = dtr != 0;
	if (rts != PORT_LINE_KEEP)
		s->rts = rts != 0;
	chip_set_lines(s->chip, s->dtr, s->rts);
	return check_plugged(p);
}

static int sim_set_break(struct port *p, bool on)
{
	catch_up(sim_of(p));
	chip_set_break(sim_of(p)->chip, on);
	return check_plugged(p);
}

static int sim_sleep(struct port *p, uint32_t ms)
{
	struct sim *s = sim_of(p);

	catch_up(s);
	run_to(s, chip_now_us(s->chip) + (uint64_t)ms * 1000);
	return port_clock_check(p);
}

static uint64_t sim_now_us(struct port *p)
{
	struct sim *s = sim_of(p);

	return s->paced ? wall_us() - s->wall_start_us : chip_now_us(s->chip);
}

static void sim_close(struct port *p)
{
	struct sim *s = sim_of(p);

	chip_close(s->chip);
	free(s);
}

#define SIM_OPS(more) { \
	.kind = "sim", .features = PORT_HAS_LINES | PORT_HAS_BAUD | (more), \
	.read = sim_read, .write = sim_write, .drain = sim_drain, .flush = sim_flush, \
	.set_baud = sim_set_baud, .set_lines = sim_set_lines, .set_break = sim_set_break, \
	.sleep = sim_sleep, .now_us = sim_now_us, .close = sim_close }

static const struct port_ops fast_ops = SIM_OPS(PORT_IS_VIRTUAL);
static const struct port_ops paced_ops = SIM_OPS(0);

/* "[flashfile][?key=value&...]" */
static int parse(const char *rest, struct chip_config *cfg, struct esp_error *err)
{
	size_t n = strcspn(rest, "?");

	chip_config_init(cfg);
	if (n >= sizeof cfg->flash_path)
		return esp_fail(err, ESP_E_ARGUMENT, "sim: the file name is too long");
	memcpy(cfg->flash_path, rest, n);
	return chip_config_parse_query(cfg, rest[n] ? rest + n + 1 : "", err);
}

int port_sim_open(struct port *p, const char *rest, uint32_t baud)
{
	struct chip_config cfg;
	struct sim *s;
	int rc = parse(rest, &cfg, &p->err);

	if (rc < 0)
		return rc;
	s = calloc(1, sizeof *s);
	if (!s)
		return esp_fail(&p->err, ESP_E_NOMEM, "out of memory");
	s->chip = chip_open(&cfg, &p->err);
	if (!s->chip) {
		free(s);
		return p->err.code;
	}
	chip_set_host_baud(s->chip, baud);
	s->paced = cfg.paced;
	s->wall_start_us = wall_us() - chip_now_us(s->chip);
	s->unplug_after = cfg.unplug_after_bytes;
	s->latency_us = cfg.latency_us >= 0 ? (uint64_t)cfg.latency_us :
			cfg.paced ? PACED_LATENCY_US : 0;
	p->impl = s;
	p->ops = cfg.paced ? &paced_ops : &fast_ops;
	return 0;
}

/* The chip behind a simulated port, for tests that look inside; NULL else. */
struct chip *port_sim_chip(struct port *p)
{
	bool sim = p->ops == &fast_ops || p->ops == &paced_ops;

	return sim ? sim_of(p)->chip : NULL;
}
