#include "serve.h"
#include "serve_impl.h"

#include "../port/port.h"
#include "../port/port_clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BAUD 115200

/* A chip that fell behind by more (the machine is too slow) does not try to
 * make it up: its clock is late from then on. */
#define BEHIND_MAX_US 200000u
/* Longest stretch that a chip lives at once, so that the client is heard. */
#define STRETCH_US 20000u

/* How long to wait for the client between two looks at the chip. What the chip
 * sends is that much late; so often it costs a look when nothing happens. */
enum {
	WAIT_BUSY_MS = 1,	/* the latency of a good USB bridge */
	WAIT_IDLE_MS = 50,
	BUSY_US = 2000000,	/* this long after something happened */
	HOLD_LINES_MS = 300,
};

void serve_init(struct serve *s)
{
	memset(s, 0, sizeof *s);
}

void serve_catch_up(struct serve *s)
{
	struct serve_impl *i = s->impl;
	uint64_t due = port_clock_now_us() - i->wall_start_us;
	uint64_t now = chip_now_us(i->chip);

	if (due > now + BEHIND_MAX_US) {
		i->wall_start_us += due - now - BEHIND_MAX_US;
		due = now + BEHIND_MAX_US;
	}
	while (now < due) {
		now = due - now > STRETCH_US ? now + STRETCH_US : due;
		chip_run(i->chip, now, false);
	}
}

static void note_activity(struct serve *s)
{
	s->impl->active_us = port_clock_now_us();
}

static void drop_front(struct serve_bytes *b, size_t n)
{
	b->len -= n;
	memmove(b->data, b->data + n, b->len);
}

static void feed_chip(struct serve *s)
{
	struct serve_impl *i = s->impl;

	if (i->in.len > 0)
		drop_front(&i->in, chip_receive(i->chip, i->in.data, i->in.len));
}

size_t serve_take(struct serve *s, const uint8_t *buf, size_t len)
{
	struct serve_impl *i = s->impl;
	size_t room = sizeof i->in.data - i->in.len;

	serve_catch_up(s);
	if (len > room)
		len = room;
	memcpy(i->in.data + i->in.len, buf, len);
	i->in.len += len;
	feed_chip(s);
	note_activity(s);
	return len;
}

/* Without a client, or with one that does not read, bytes are lost as behind
 * any UART. */
static void collect(struct serve *s)
{
	struct serve_impl *i = s->impl;
	uint8_t lost[256];
	size_t n;

	n = chip_sent(i->chip, i->out.data + i->out.len, sizeof i->out.data - i->out.len);
	i->out.len += n;
	if (n > 0)
		note_activity(s);
	while (i->out.len == sizeof i->out.data && chip_sent(i->chip, lost, sizeof lost) > 0)
		;
	if (!i->client)
		i->out.len = 0;
	if (i->out.len > 0)
		drop_front(&i->out, i->kind->send(s, i->out.data, i->out.len));
}

/* From "reset" to "reset released, GPIO0 low" a client that can only set one
 * line at a time passes through "both asserted", which lets the chip run. On a
 * wire that takes a microsecond, and the capacitor on RST bridges it; over a
 * network it takes tens of milliseconds. So that state waits for the next one. */
static bool is_on_the_way(const struct serve_impl *i, bool dtr, bool rts)
{
	return !i->dtr && i->rts && dtr && rts;
}

void serve_set_lines(struct serve *s, bool dtr, bool rts)
{
	struct serve_impl *i = s->impl;

	serve_catch_up(s);
	i->lines_due_us = is_on_the_way(i, dtr, rts) ? port_clock_deadline_us(HOLD_LINES_MS) : 0;
	i->dtr = dtr;
	i->rts = rts;
	if (!i->lines_due_us)
		chip_set_lines(i->chip, dtr, rts);
	note_activity(s);
}

/* The client meant it. */
static void settle_lines(struct serve *s)
{
	struct serve_impl *i = s->impl;

	if (!i->lines_due_us || port_clock_now_us() < i->lines_due_us)
		return;
	i->lines_due_us = 0;
	chip_set_lines(i->chip, i->dtr, i->rts);
}

void serve_set_break(struct serve *s, bool on)
{
	serve_catch_up(s);
	s->impl->breaking = on;
	chip_set_break(s->impl->chip, on);
	note_activity(s);
}

void serve_set_baud(struct serve *s, uint32_t baud)
{
	serve_catch_up(s);
	s->impl->baud = baud;
	chip_set_host_baud(s->impl->chip, baud);
	note_activity(s);
}

void serve_set_client(struct serve *s, bool here)
{
	struct serve_impl *i = s->impl;

	if (i->client == here)
		return;
	i->client = here;
	i->in.len = i->out.len = 0;
	if (!here) {
		serve_set_lines(s, false, false);
		serve_set_break(s, false);
	}
	note_activity(s);
}

bool serve_has_client(const struct serve *s)
{
	return s->impl && s->impl->client;
}

static const struct serve_kind *find_kind(const char *where, const char **rest)
{
	static const struct serve_kind *const kinds[] = { &serve_net_kind, &serve_pty_kind };
	size_t n;

	for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
		n = strlen(kinds[k]->scheme);
		if (strncmp(where, kinds[k]->scheme, n) != 0 || (where[n] && where[n] != ':'))
			continue;
		*rest = where[n] ? where + n + 1 : "";
		return kinds[k];
	}
	return NULL;
}

int serve_open(struct serve *s, struct chip *chip, const char *where)
{
	const char *rest = NULL;
	const struct serve_kind *kind = find_kind(where, &rest);
	int rc;

	if (!kind)
		return esp_fail(&s->err, ESP_E_ARGUMENT,
				"%s: wanted rfc2217:HOST:PORT or pty[:LINK]", where);
	s->impl = calloc(1, sizeof *s->impl);
	if (!s->impl)
		return esp_fail(&s->err, ESP_E_NOMEM, "out of memory");
	s->impl->kind = kind;
	s->impl->chip = chip;
	s->impl->wall_start_us = port_clock_now_us() - chip_now_us(chip);
	atomic_store(&s->stop, false);
	rc = kind->open(s, rest);
	if (rc < 0) {
		serve_close(s);
		return rc;
	}
	serve_set_baud(s, FIRST_BAUD);
	return 0;
}

void serve_close(struct serve *s)
{
	if (!s->impl)
		return;
	s->impl->kind->close(s);
	free(s->impl);
	s->impl = NULL;
}

void serve_stop(struct serve *s)
{
	atomic_store(&s->stop, true);
}

static int wait_ms(const struct serve *s)
{
	const struct serve_impl *i = s->impl;

	if (i->in.len > 0 || i->out.len > 0)
		return WAIT_BUSY_MS;
	return port_clock_now_us() - i->active_us < BUSY_US ? WAIT_BUSY_MS : WAIT_IDLE_MS;
}

static void serve_one(struct serve *s, uint64_t deadline_us)
{
	while (!atomic_load(&s->stop) && !port_interrupted && port_clock_now_us() < deadline_us) {
		serve_catch_up(s);
		settle_lines(s);
		feed_chip(s);
		collect(s);
		s->impl->kind->wait(s, wait_ms(s));
	}
}

struct worker {
	pthread_t thread;
	struct serve *s;
	uint64_t deadline_us;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	serve_one(w->s, w->deadline_us);
	return NULL;
}

int serve_run(struct serve *const *list, size_t n, uint32_t for_ms)
{
	uint64_t deadline = for_ms ? port_clock_deadline_us(for_ms) : UINT64_MAX;
	struct worker *workers = calloc(n ? n : 1, sizeof *workers);
	size_t started = 1;
	int rc = 0;

	if (!workers)
		return ESP_E_NOMEM;
	for (; rc == 0 && started < n; started++) {
		workers[started] = (struct worker){ .s = list[started], .deadline_us = deadline };
		rc = pthread_create(&workers[started].thread, NULL, work, &workers[started]);
	}
	if (rc != 0) {
		started--;
		for (size_t i = 1; i < started; i++)
			serve_stop(list[i]);
	} else if (n > 0) {
		serve_one(list[0], deadline);
	}
	for (size_t i = 1; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	free(workers);
	if (rc != 0)
		return esp_fail(&list[0]->err, ESP_E_NOMEM, "no thread for another server");
	return port_interrupted ? ESP_E_INTERRUPTED : 0;
}
