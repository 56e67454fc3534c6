#include "serve.h"
#include "serve_impl.h"

#include "../port/port.h"
#include "../port/port_clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BAUD 115200

/* How long to wait for the client between two looks at the board. What it
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

/* Remembers that the board failed; serve_one() ends then. */
static int check(struct serve *s, int rc)
{
	if (rc < 0 && !s->impl->failed)
		s->impl->failed = rc;
	return rc;
}

void serve_catch_up(struct serve *s)
{
	check(s, s->impl->ops->live(s));
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

static void feed_board(struct serve *s)
{
	struct serve_impl *i = s->impl;
	int n;

	if (i->in.len == 0 || i->failed)
		return;
	n = check(s, i->ops->receive(s, i->in.data, i->in.len));
	if (n > 0)
		drop_front(&i->in, (size_t)n);
}

/* Bytes of the board, 0 when it has none or failed. */
static size_t board_sent(struct serve *s, uint8_t *buf, size_t cap)
{
	int n = s->impl->failed || cap == 0 ? 0 : check(s, s->impl->ops->sent(s, buf, cap));

	return n > 0 ? (size_t)n : 0;
}

void serve_drop_sent(struct serve *s)
{
	uint8_t lost[256];

	serve_catch_up(s);
	while (board_sent(s, lost, sizeof lost) > 0)
		;
	s->impl->out.len = 0;
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
	feed_board(s);
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

	n = board_sent(s, i->out.data + i->out.len, sizeof i->out.data - i->out.len);
	i->out.len += n;
	if (n > 0)
		note_activity(s);
	while (i->out.len == sizeof i->out.data && board_sent(s, lost, sizeof lost) > 0)
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
		check(s, i->ops->set_lines(s, dtr, rts));
	note_activity(s);
}

/* The client meant it. */
static void settle_lines(struct serve *s)
{
	struct serve_impl *i = s->impl;

	if (!i->lines_due_us || port_clock_now_us() < i->lines_due_us)
		return;
	i->lines_due_us = 0;
	check(s, i->ops->set_lines(s, i->dtr, i->rts));
}

void serve_set_break(struct serve *s, bool on)
{
	serve_catch_up(s);
	s->impl->breaking = on;
	check(s, s->impl->ops->set_break(s, on));
	note_activity(s);
}

void serve_set_baud(struct serve *s, uint32_t baud)
{
	serve_catch_up(s);
	s->impl->baud = baud;
	check(s, s->impl->ops->set_baud(s, baud));
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

int serve_open_board(struct serve *s, const struct serve_board *ops, void *board,
		     uint64_t wall_start_us, const char *where)
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
	s->impl->ops = ops;
	s->impl->board = board;
	s->impl->wall_start_us = wall_start_us;
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
	while (!atomic_load(&s->stop) && !port_interrupted && !s->impl->failed &&
	       port_clock_now_us() < deadline_us) {
		serve_catch_up(s);
		settle_lines(s);
		feed_board(s);
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

/* A board that failed: its error, with the text at the first server. */
static int first_failure(struct serve *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!list[i]->impl->failed)
			continue;
		list[0]->err = list[i]->err;
		return list[i]->impl->failed;
	}
	return 0;
}

int serve_run(struct serve *const *list, size_t n, uint32_t for_ms)
{
	uint64_t deadline = for_ms ? port_clock_deadline_us(for_ms) : UINT64_MAX;
	struct worker *workers = calloc(n ? n : 1, sizeof *workers);
	size_t started = 1;
	int rc = 0;

	if (!workers)
		return esp_fail(&list[0]->err, ESP_E_NOMEM, "out of memory");
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
	if (port_interrupted && n > 0)
		return esp_fail(&list[0]->err, ESP_E_INTERRUPTED, "interrupted");
	return first_failure(list, n);
}
