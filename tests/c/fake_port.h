/* fake_port.h - a port for tests: a script on one side, a virtual clock, and a
 * record of all that was done to it.
 *
 * Nothing takes wall-clock time. Bytes that the test queues arrive at the time
 * that it says; a read waits by moving the clock. Included by one .c per test
 * program, so everything is static inline.
 */
#ifndef FAKE_PORT_H
#define FAKE_PORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/port/port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FAKE_NO_B (-9)

enum { FAKE_QUEUE = 4096, FAKE_TX_MAX = 1 << 20, FAKE_LOG_MAX = 8192, FAKE_CHUNK = 128 };

struct fake_chunk {
	uint64_t at_us;
	size_t len;
	uint8_t bytes[FAKE_CHUNK];
	unsigned tag;			/* handed to on_taken when it was read */
};

struct fake_port {
	struct port port;
	uint64_t now_us;
	/* towards the host */
	struct fake_chunk *queue;	/* ring, in order of arrival */
	size_t first, n;
	size_t read_max;		/* bytes per read at most; 0 = as many as asked for */
	uint8_t babble;			/* when babbling: this byte comes without end */
	bool babbling;
	const uint8_t *babble_text;	/* ... or this text, again and again */
	size_t babble_len, babble_pos;
	uint64_t babble_from_us;
	/* from the host */
	uint8_t *tx;			/* all that was written */
	size_t tx_len;
	char log[FAKE_LOG_MAX];		/* "lines 0 1;" "baud 9600;" "break 1;" "sleep 50;" ... */
	int dtr, rts;
	/* hooks of a model on top; may be NULL */
	void (*on_write)(struct fake_port *f, const uint8_t *bytes, size_t len);
	void (*on_lines)(struct fake_port *f);
	void (*on_taken)(struct fake_port *f, unsigned tag);
	void *ctx;
	/* failures: the n-th call from now on fails (1 = the next); 0 = never */
	unsigned fail_read, fail_write, fail_lines, fail_baud, fail_flush;
	unsigned flushes, reads;
	uint64_t bytes_read;
};

static inline struct fake_port *fake_of(struct port *p)
{
	return p->impl;
}

static inline void fake_log(struct fake_port *f, const char *what, int a, int b)
{
	size_t n = strlen(f->log);

	snprintf(f->log + n, sizeof f->log - n, b == FAKE_NO_B ? "%s %d;" : "%s %d %d;", what, a, b);
}

static inline bool fake_fails(unsigned *countdown)
{
	return *countdown && --*countdown == 0;
}

static inline int fake_gone(struct port *p)
{
	return esp_fail(&p->err, ESP_E_GONE, "fake: unplugged");
}

/* len bytes arrive `after_us` from now, in one piece. */
static inline void fake_arrive(struct fake_port *f, uint64_t after_us, const void *bytes,
			       size_t len, unsigned tag)
{
	const uint8_t *p = bytes;

	while (len > 0) {
		size_t part = len < FAKE_CHUNK ? len : FAKE_CHUNK;
		struct fake_chunk *c = &f->queue[(f->first + f->n) % FAKE_QUEUE];

		assert_true(f->n < FAKE_QUEUE);
		c->at_us = f->now_us + after_us;
		c->len = part;
		c->tag = part == len ? tag : 0;
		memcpy(c->bytes, p, part);
		f->n++;
		p += part;
		len -= part;
	}
}

static inline size_t fake_take(struct fake_port *f, uint8_t *buf, size_t cap)
{
	struct fake_chunk *c = &f->queue[f->first];
	size_t n = c->len < cap ? c->len : cap;
	unsigned tag = c->tag;

	memcpy(buf, c->bytes, n);
	memmove(c->bytes, c->bytes + n, c->len - n);
	c->len -= n;
	if (c->len == 0) {
		f->first = (f->first + 1) % FAKE_QUEUE;
		f->n--;
		if (f->on_taken && tag)
			f->on_taken(f, tag);
	}
	return n;
}

/* A babbler fills the wire at the port's rate. */
static inline int fake_babble(struct fake_port *f, uint8_t *buf, size_t cap, uint32_t timeout_ms)
{
	uint64_t us = 10000000 / f->port.baud + 1, until = f->now_us + timeout_ms * 1000ull;
	uint64_t waiting = (f->now_us - f->babble_from_us) / us;
	size_t n = waiting < cap ? waiting : cap;

	if (n == 0) {
		if (f->now_us + 20 * us > until) {
			f->now_us = until;
			return 0;
		}
		f->now_us += 20 * us;
		n = 20 < cap ? 20 : cap;
	}
	f->babble_from_us += n * us;
	for (size_t i = 0; i < n; i++)
		buf[i] = f->babble_len ? f->babble_text[f->babble_pos++ % f->babble_len]
				       : f->babble;
	return (int)n;
}

static inline int fake_read(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
{
	struct fake_port *f = fake_of(p);
	uint64_t until = f->now_us + timeout_ms * 1000ull;
	int n;

	f->reads++;
	if (fake_fails(&f->fail_read))
		return fake_gone(p);
	if (f->read_max && cap > f->read_max)
		cap = f->read_max;
	if (f->babbling) {
		n = fake_babble(f, buf, cap, timeout_ms);
		f->bytes_read += (uint64_t)n;
		return n;
	}
	if (f->n == 0 || f->queue[f->first].at_us > until) {
		f->now_us = until;
		return 0;
	}
	if (f->queue[f->first].at_us > f->now_us)
		f->now_us = f->queue[f->first].at_us;
	n = (int)fake_take(f, buf, cap);
	f->bytes_read += (uint64_t)n;
	return n;
}

static inline int fake_write(struct port *p, const void *buf, size_t len, uint32_t timeout_ms)
{
	struct fake_port *f = fake_of(p);

	(void)timeout_ms;
	if (fake_fails(&f->fail_write))
		return fake_gone(p);
	if (f->tx_len + len <= FAKE_TX_MAX) {
		memcpy(f->tx + f->tx_len, buf, len);
		f->tx_len += len;
	}
	if (f->on_write)
		f->on_write(f, buf, len);
	return (int)len;
}

static inline int fake_drain(struct port *p, uint32_t timeout_ms)
{
	(void)p;
	(void)timeout_ms;
	return 0;
}

static inline int fake_flush(struct port *p)
{
	struct fake_port *f = fake_of(p);

	f->flushes++;
	if (fake_fails(&f->fail_flush))
		return fake_gone(p);
	f->babble_from_us = f->now_us;
	while (f->n > 0 && f->queue[f->first].at_us <= f->now_us) {
		uint8_t sink[FAKE_CHUNK];

		fake_take(f, sink, sizeof sink);
	}
	return 0;
}

static inline int fake_set_baud(struct port *p, uint32_t baud)
{
	struct fake_port *f = fake_of(p);

	fake_log(f, "baud", (int)baud, FAKE_NO_B);
	return fake_fails(&f->fail_baud) ? fake_gone(p) : 0;
}

static inline int fake_set_lines(struct port *p, int dtr, int rts)
{
	struct fake_port *f = fake_of(p);

	fake_log(f, "lines", dtr, rts);
	if (fake_fails(&f->fail_lines))
		return fake_gone(p);
	if (dtr != PORT_LINE_KEEP)
		f->dtr = dtr;
	if (rts != PORT_LINE_KEEP)
		f->rts = rts;
	if (f->on_lines)
		f->on_lines(f);
	return 0;
}

static inline int fake_set_break(struct port *p, bool on)
{
	fake_log(fake_of(p), "break", on, FAKE_NO_B);
	return 0;
}

static inline int fake_sleep(struct port *p, uint32_t ms)
{
	struct fake_port *f = fake_of(p);

	fake_log(f, "sleep", (int)ms, FAKE_NO_B);
	f->now_us += ms * 1000ull;
	return 0;
}

static inline uint64_t fake_now(struct port *p)
{
	return fake_of(p)->now_us;
}

static inline void fake_close(struct port *p)
{
	(void)p;
}

static inline struct fake_port *fake_new(void)
{
	static const struct port_ops ops = {
		"fake", PORT_HAS_LINES | PORT_HAS_BAUD | PORT_IS_VIRTUAL, fake_read, fake_write,
		fake_drain, fake_flush, fake_set_baud, fake_set_lines, fake_set_break,
		fake_sleep, fake_now, fake_close,
	};
	struct fake_port *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->queue = calloc(FAKE_QUEUE, sizeof *f->queue);
	f->tx = malloc(FAKE_TX_MAX);
	assert_non_null(f->queue);
	assert_non_null(f->tx);
	port_init(&f->port);
	f->port.ops = &ops;
	f->port.impl = f;
	f->port.baud = 115200;
	f->now_us = 1000000;
	snprintf(f->port.name, sizeof f->port.name, "fake");
	return f;
}

static inline void fake_free(struct fake_port *f)
{
	free(f->queue);
	free(f->tx);
	free(f);
}

/* The seed of this run: of the environment, else of the clock; printed. */
static inline unsigned fake_seed(void)
{
	const char *s = getenv("SEED");
	struct timespec ts;
	unsigned seed;

	timespec_get(&ts, TIME_UTC);
	seed = s ? (unsigned)strtoul(s, NULL, 0) : (unsigned)ts.tv_nsec ^ (unsigned)ts.tv_sec;
	printf("# SEED=%u\n", seed);
	srand(seed);
	return seed;
}

#endif
