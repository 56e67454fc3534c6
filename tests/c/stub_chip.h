/* stub_chip.h - the stub's own C files behind a port, on this machine: the hw
 * seam over a model of a UART line and the simulator's NOR flash.
 *
 * The stub runs as a coroutine in virtual time. Included by one .c per program,
 * everything is static. One chip at a time.
 */
#ifndef STUB_CHIP_H
#define STUB_CHIP_H

#include "../../src/bytes.h"
#include "../../src/port/port.h"
#include "../../src/sim/nor.h"
#include "../../src/sim/ticks.h"

#include "../../src/stub/crc.c"
#include "../../src/stub/engine.c"
#include "../../src/stub/hw.h"
#include "../../src/stub/inflate.c"
#include "../../src/stub/link.c"
#include "../../src/stub/pack.c"
#include "../../src/stub/query.c"

#include <md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

enum { CHIP_QUEUE = 1 << 20, CHIP_STACK = 256 * 1024, CHIP_RAM = 4096,
	CHIP_TX_RING = 4096, CHIP_RX_RING = 4096 + 128 };

struct chip_byte {
	uint64_t at_us;
	uint8_t byte;
};

/* Bytes under way in one direction. */
struct chip_line {
	struct chip_byte *q;
	size_t head, tail;
	uint64_t free_ns;		/* when the line is free for the next byte */
};

static struct {
	struct port port;
	struct query query;
	struct query_buffers buffers;
	struct nor nor;
	uint8_t *mem;
	uint8_t ram[CHIP_RAM];
	uint64_t host_us, chip_us, until_us;
	struct chip_line in, out;
	uint32_t chip_baud, old_baud;
	ucontext_t host, chip;
	uint8_t *stack;
	bool started, left, powered;
	unsigned left_how;
	unsigned mode;
	double flip, lose, dup;		/* per byte, both ways */
	uint32_t seed;
	uint64_t faults, overruns;
	uint32_t drop_frame;		/* the n-th frame from the chip is lost; 0: none */
	uint32_t dup_frame;		/* ... comes twice */
	uint32_t frames;		/* from the chip, since chip_start() */
	uint8_t last[2 * 4200];		/* the bytes of the one under way */
	size_t last_len;
	uint64_t host_stack_size;
	const void *host_stack;
} sc;

static double chip_random(void)
{
	sc.seed ^= sc.seed << 13;
	sc.seed ^= sc.seed >> 17;
	sc.seed ^= sc.seed << 5;
	return sc.seed / 4294967296.0;
}

/* ---- the line ---- */

static void line_add(struct chip_line *l, uint64_t now_us, uint32_t baud, uint8_t byte)
{
	uint64_t now_ns = now_us * 1000;

	if (l->free_ns < now_ns)
		l->free_ns = now_ns;
	l->free_ns += 10000000000ull / baud;
	l->q[l->head++ % CHIP_QUEUE] = (struct chip_byte){ l->free_ns / 1000, byte };
}

static void line_put(struct chip_line *l, uint64_t now_us, uint32_t baud, uint8_t byte)
{
	if (sc.port.baud != sc.chip_baud)
		byte = (uint8_t)(chip_random() * 256);
	if (sc.lose > 0 && chip_random() < sc.lose) {
		sc.faults++;
		return;
	}
	if (sc.flip > 0 && chip_random() < sc.flip) {
		sc.faults++;
		byte ^= (uint8_t)(1 << (int)(chip_random() * 8));
	}
	line_add(l, now_us, baud, byte);
	if (sc.dup > 0 && chip_random() < sc.dup) {
		sc.faults++;
		line_add(l, now_us, baud, byte);
	}
}

/* ---- switching between host and chip ---- */

static void chip_switch(bool to_chip)
{
#ifdef __SANITIZE_ADDRESS__
	void *fake = NULL;

	if (to_chip)
		__sanitizer_start_switch_fiber(&fake, sc.stack, CHIP_STACK);
	else
		__sanitizer_start_switch_fiber(&fake, sc.host_stack, sc.host_stack_size);
	swapcontext(to_chip ? &sc.host : &sc.chip, to_chip ? &sc.chip : &sc.host);
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
#else
	swapcontext(to_chip ? &sc.host : &sc.chip, to_chip ? &sc.chip : &sc.host);
#endif
}

static void chip_spend(uint32_t us)
{
	sc.chip_us += us;
	if (sc.chip_us >= sc.until_us)
		chip_switch(false);
}

static void chip_main(void)
{
#ifdef __SANITIZE_ADDRESS__
	size_t size;

	__sanitizer_finish_switch_fiber(NULL, &sc.host_stack, &size);
	sc.host_stack_size = size;
#endif
	hw_open();
	crc_open();
	query_open(&sc.query, &sc.buffers);
	for (;;) {
		query_service(&sc.query);
		engine_turn(&sc.query.engine);
		engine_rest(&sc.query.engine);
	}
}

/* Lets the chip live until then. A chip without power only ages. */
static void chip_live(uint64_t until_us)
{
	sc.until_us = until_us;
	if (sc.chip_us >= until_us)
		return;
	if (sc.powered && !sc.left)
		chip_switch(true);
	if (sc.nor.power_lost)
		sc.powered = false;
	if (!sc.powered || sc.left)
		sc.chip_us = until_us;
}

static void chip_boot(void)
{
	if (!sc.stack)
		sc.stack = malloc(CHIP_STACK);
	sc.in.head = sc.in.tail = sc.out.head = sc.out.tail = 0;
	sc.left = false;
	sc.powered = true;
	sc.chip_us = sc.host_us;
	getcontext(&sc.chip);
	sc.chip.uc_stack.ss_sp = sc.stack;
	sc.chip.uc_stack.ss_size = CHIP_STACK;
	sc.chip.uc_link = NULL;
	makecontext(&sc.chip, chip_main, 0);
}

/* ---- hw.h ---- */

static uint64_t chip_ticks(void)
{
	return sc.chip_us * TICKS_PER_US;
}

void hw_open(void)
{
}

uint32_t hw_ms(void)
{
	chip_spend(1);
	return (uint32_t)(sc.chip_us / 1000);
}

void hw_rest(uint32_t us)
{
	chip_spend(us && us < 20 ? us : 20);
}

int hw_rx(void)
{
	struct chip_line *l = &sc.in;

	if (l->tail != l->head && l->q[l->tail % CHIP_QUEUE].at_us <= sc.chip_us) {
		size_t last = l->tail + CHIP_RX_RING;

		/* The ring and the FIFO must never have been too small. */
		if (l->head > last && l->q[last % CHIP_QUEUE].at_us <= sc.chip_us)
			sc.overruns++;
		return l->q[l->tail++ % CHIP_QUEUE].byte;
	}
	chip_spend(4);
	return -1;
}

/* Holds a frame back until it is whole, to send it never, once or twice. */
static void frame_fault(uint8_t byte)
{
	uint32_t times, n;
	size_t i;

	if (sc.last_len < sizeof sc.last)
		sc.last[sc.last_len++] = byte;
	if (byte != WIRE_END || sc.last_len < 2)
		return;
	n = ++sc.frames;
	times = n == sc.drop_frame ? 0 : n == sc.dup_frame ? 2 : 1;
	for (; times; times--)
		for (i = 0; i < sc.last_len; i++)
			line_put(&sc.out, sc.chip_us, sc.chip_baud, sc.last[i]);
	sc.last_len = 0;
}

void hw_tx(uint8_t byte)
{
	struct chip_line *l = &sc.out;
	uint64_t ahead_us = 10000000ull / sc.chip_baud * CHIP_TX_RING;

	while (l->free_ns / 1000 > sc.chip_us + ahead_us)
		chip_spend(20);
	if (sc.drop_frame || sc.dup_frame)
		frame_fault(byte);
	else
		line_put(l, sc.chip_us, sc.chip_baud, byte);
}

void hw_tx_flush(void)
{
	while (sc.out.free_ns / 1000 > sc.chip_us)
		chip_spend(10);
}

void hw_baud(uint32_t new_baud, uint32_t old_baud, unsigned clocks)
{
	(void)old_baud;
	(void)clocks;
	sc.old_baud = sc.chip_baud;
	sc.chip_baud = new_baud;
}

void hw_baud_undo(void)
{
	sc.chip_baud = sc.old_baud;
}

uint32_t hw_uart_divisor(void)
{
	return 52000000 / sc.chip_baud;
}

static void chip_transfer(const uint8_t *out, size_t n_out, void *in, size_t n_in)
{
	chip_spend((uint32_t)((n_out + n_in) / 4 + 1));
	nor_run(&sc.nor, chip_ticks());
	nor_transfer(&sc.nor, chip_ticks(), out, n_out, in, n_in);
}

void hw_spi(const struct hw_spi *t, uint32_t *data)
{
	uint8_t out[256] = { t->opcode };
	size_t n = 1, i;

	for (i = t->addr_bytes; i--; )
		out[n++] = (uint8_t)(t->addr >> i * 8);
	n += t->dummy_bits / 8;
	memcpy(out + n, data, t->out);
	chip_transfer(out, n + t->out, data, t->in);
}

void hw_read_mode(unsigned mode)
{
	sc.mode = mode;
}

void hw_flash_read(uint32_t addr, uint32_t *data, uint32_t bytes)
{
	uint8_t out[4] = { 3, (uint8_t)(addr >> 16), (uint8_t)(addr >> 8), (uint8_t)addr };
	uint32_t words[HW_READ_MAX / 4];

	/* The controller copies whole words. */
	chip_transfer(out, 4, words, (bytes + 3) & ~3u);
	memcpy(data, words, (bytes + 3) & ~3u);
	if (sc.mode < WIRE_MODE_DIO && !nor_quad_enabled(&sc.nor))
		memset(data, 0x5a, bytes);
}

void hw_flash_program(uint32_t addr, const uint32_t *data, uint32_t bytes)
{
	uint8_t out[4 + HW_PROGRAM_MAX] = { 2, (uint8_t)(addr >> 16), (uint8_t)(addr >> 8),
		(uint8_t)addr };

	memcpy(out + 4, data, bytes);
	chip_transfer(out, 4 + bytes, NULL, 0);
}

void hw_flash_enable(void)
{
	uint8_t out = 6;

	chip_transfer(&out, 1, NULL, 0);
}

uint8_t hw_flash_status(void)
{
	uint8_t out = 5, in = 0xff;

	chip_transfer(&out, 1, &in, 1);
	return in;
}

uint32_t hw_word(uint32_t addr)
{
	return get_le32(sc.ram + addr % CHIP_RAM);
}

void hw_set_word(uint32_t addr, uint32_t value)
{
	put_le32(sc.ram + addr % CHIP_RAM, value);
}

void hw_md5_init(struct hw_md5 *m)
{
	_Static_assert(sizeof(MD5_CTX) <= sizeof *m, "the ROM's context is as big");
	MD5Init((MD5_CTX *)m);
}

void hw_md5_update(struct hw_md5 *m, const void *p, uint32_t n)
{
	MD5Update((MD5_CTX *)m, p, n);
}

void hw_md5_final(uint8_t digest[16], struct hw_md5 *m)
{
	MD5Final(digest, (MD5_CTX *)m);
}

void hw_leave(unsigned how, uint32_t addr)
{
	(void)addr;
	sc.left = true;
	sc.left_how = how;
	for (;;)
		chip_switch(false);
}

/* ---- the port ---- */

static int chip_read(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
{
	uint64_t end = sc.host_us + timeout_ms * 1000ull;
	struct chip_line *l = &sc.out;
	uint8_t *to = buf;
	size_t n = 0;

	(void)p;
	for (;;) {
		chip_live(sc.host_us);
		while (n < cap && l->tail != l->head &&
		       l->q[l->tail % CHIP_QUEUE].at_us <= sc.host_us)
			to[n++] = l->q[l->tail++ % CHIP_QUEUE].byte;
		if (n || sc.host_us >= end)
			return (int)n;
		sc.host_us = sc.host_us + 250 < end ? sc.host_us + 250 : end;
	}
}

static int chip_write(struct port *p, const void *buf, size_t len, uint32_t timeout_ms)
{
	const uint8_t *from = buf;
	size_t i;

	(void)timeout_ms;
	for (i = 0; i < len; i++)
		line_put(&sc.in, sc.host_us, p->baud, from[i]);
	/* A real system takes some 4 KB and then makes the writer wait. */
	if (sc.in.free_ns / 1000 > sc.host_us + 40000)
		sc.host_us = sc.in.free_ns / 1000 - 40000;
	return (int)len;
}

static int chip_zero(struct port *p, uint32_t ms)
{
	(void)p;
	(void)ms;
	return 0;
}

static int chip_flush_port(struct port *p)
{
	(void)p;
	chip_live(sc.host_us);
	while (sc.out.tail != sc.out.head &&
	       sc.out.q[sc.out.tail % CHIP_QUEUE].at_us <= sc.host_us)
		sc.out.tail++;
	return 0;
}

static int chip_set_baud(struct port *p, uint32_t baud)
{
	(void)p;
	(void)baud;
	chip_live(sc.host_us);
	return 0;
}

static int chip_sleep(struct port *p, uint32_t ms)
{
	(void)p;
	sc.host_us += ms * 1000ull;
	chip_live(sc.host_us);
	return 0;
}

static uint64_t chip_now(struct port *p)
{
	(void)p;
	return sc.host_us;
}

static void chip_gone(struct port *p)
{
	(void)p;
}

static const struct port_ops chip_ops = { "test", PORT_IS_VIRTUAL, chip_read, chip_write,
	chip_zero, chip_flush_port, chip_set_baud, NULL, NULL, chip_sleep, chip_now, chip_gone };

/* A running stub with `bytes` of blank flash, at that rate. */
static void chip_start(uint32_t bytes, uint32_t baud, const struct nor_config *more)
{
	struct nor_config cfg = { .stuck_sector = -1, .scale = 1 };

	if (more)
		cfg = *more;
	if (!sc.in.q) {
		sc.in.q = calloc(CHIP_QUEUE, sizeof *sc.in.q);
		sc.out.q = calloc(CHIP_QUEUE, sizeof *sc.out.q);
	}
	if (!cfg.mem) {
		free(sc.mem);
		sc.mem = malloc(bytes);
		memset(sc.mem, 0xff, bytes);
	}
	cfg.mem = sc.mem;
	cfg.bytes = bytes;
	cfg.jedec_id = 0x1640ef;
	if (nor_open(&sc.nor, &cfg) < 0)
		abort();
	port_init(&sc.port);
	sc.port.ops = &chip_ops;
	sc.port.baud = sc.chip_baud = baud;
	snprintf(sc.port.name, sizeof sc.port.name, "test");
	sc.flip = sc.lose = sc.dup = 0;
	sc.faults = sc.overruns = 0;
	sc.drop_frame = sc.dup_frame = sc.frames = 0;
	sc.last_len = 0;
	sc.mode = WIRE_MODE_SLOW;
	sc.host_us += 1000;
	sc.in.free_ns = sc.out.free_ns = 0;
	chip_boot();
}

static void chip_stop(void)
{
	nor_close(&sc.nor);
	port_close(&sc.port);
}

static void chip_free(void)
{
	free(sc.mem);
	free(sc.stack);
	free(sc.in.q);
	free(sc.out.q);
	sc.mem = sc.stack = NULL;
	sc.in.q = sc.out.q = NULL;
}

#endif
