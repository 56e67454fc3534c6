/* Changing the rate while the stub runs: upwards with a test, downwards on a line
 * that damages most of what it carries. */
#include "stub_impl.h"

#include "../bytes.h"

#include <string.h>

enum {
	PINGS = 3, PING_TRIES = 6, PING_MS = 60,
	SETTLE_MS = 2,		/* the chip changes its divisor in microseconds */
	REPLY_MS = 40,
	MOVES_MAX = 16,		/* attempts to tell the chip */
};

static int ping_once(struct stub *s, const void *data, size_t len)
{
	struct stub_query q = { .op = WIRE_PING, .body = data, .bytes = len, .wait_ms = PING_MS };
	struct stub_frame f;
	uint64_t end = port_now_us(s->port) + 1000ull * (PING_MS + stub_wire_ms(s, 4 * len + 64));
	int tag = stub_query_send(s, &q, -1), rc;

	if (tag < 0)
		return tag;
	while (port_now_us(s->port) < end) {
		rc = stub_frame_receive(s, &f, PING_MS);
		if (rc < 0)
			return rc;
		if (rc && f.op == (WIRE_PING | WIRE_REPLY) && f.seq == (uint16_t)tag)
			return f.bytes == len && memcmp(f.data, data, len) == 0;
	}
	return 0;
}

/* Echoes of the PINGS queries from tag `first` on, which are on their way. */
static int count_echoes(struct stub *s, uint16_t first, const void *data, size_t len)
{
	uint64_t end = port_now_us(s->port) +
		1000ull * (PING_MS + stub_wire_ms(s, 2 * PINGS * (len + 32)));
	struct stub_frame f;
	int good = 0, rc;

	while (good < PINGS && port_now_us(s->port) < end) {
		rc = stub_frame_receive(s, &f, PING_MS);
		if (rc < 0)
			return rc;
		good += rc && f.op == (WIRE_PING | WIRE_REPLY) &&
			(uint16_t)(f.seq - first) < PINGS && f.bytes == len &&
			memcmp(f.data, data, len) == 0;
	}
	return good;
}

/* All bit patterns at the new rate: edges, long levels, bytes that SLIP escapes;
 * one behind the other, so that latency counts once. Returns how many of
 * PING_TRIES came back. */
static int echo_test(struct stub *s)
{
	uint8_t pattern[64];
	struct stub_query q = { .op = WIRE_PING, .body = pattern, .bytes = sizeof pattern };
	int good = 0, sent, first, rc = 0, i;
	size_t k;

	for (k = 0; k < sizeof pattern; k++)
		pattern[k] = (uint8_t)(k % 4 == 0 ? 0x55 : k % 4 == 1 ? 0 : k % 4 == 2 ? 0xff :
				       k * 37);
	for (sent = 0; sent < PING_TRIES && good < PINGS && rc >= 0; sent += PINGS) {
		for (i = 0, first = s->tag + 1; i < PINGS && rc >= 0; i++)
			rc = stub_query_send(s, &q, -1);
		if (rc >= 0)
			rc = count_echoes(s, (uint16_t)first, pattern, sizeof pattern);
		good += rc > 0 ? rc : 0;
	}
	return rc < 0 ? rc : good;
}

static int port_baud(struct stub *s, uint32_t baud)
{
	if (port_set_baud(s->port, baud) < 0)
		return esp_pass(&s->err, &s->port->err);
	port_sleep(s->port, SETTLE_MS);
	return 0;
}

/* Asks the chip once to change its rate: 1 when it says that it will, 0 when
 * nothing is heard of it. */
static int ask_baud(struct stub *s, uint32_t baud, int *tag)
{
	uint8_t body[8];
	struct stub_query q = { .op = WIRE_BAUD, .flags = s->clocks, .body = body, .bytes = 8 };
	struct stub_frame f;
	uint64_t end;
	int rc;

	put_le32(body, baud);
	put_le32(body + 4, s->port->baud);
	rc = *tag = stub_query_send(s, &q, *tag);
	if (rc >= 0 && port_drain(s->port, stub_wire_ms(s, 65536) + 1000) < 0)
		rc = esp_pass(&s->err, &s->port->err);
	for (end = port_now_us(s->port) + REPLY_MS * 1000; rc >= 0 && port_now_us(s->port) < end; ) {
		rc = stub_frame_receive(s, &f, REPLY_MS);
		if (rc > 0 && f.op == (WIRE_BAUD | WIRE_REPLY) && f.seq == (uint16_t)*tag)
			return 1;
	}
	return rc < 0 ? rc : 0;
}

/* Brings both sides to `to` when the chip is there or at `from`, at which frames
 * get lost. Whether its answer came or not: only an echo at `to` tells where
 * it is. Without one it goes back to `from` by itself, and all begins anew.
 * Returns 1, or 0 when it is nowhere. */
static int move_to(struct stub *s, uint32_t from, uint32_t to, bool asked)
{
	int tag = -1, i, k, rc = 0;

	for (i = 0; i < MOVES_MAX && rc == 0; i++, asked = false) {
		if (!asked && ((rc = port_baud(s, from)) < 0 || (rc = ask_baud(s, to, &tag)) < 0))
			break;
		rc = port_baud(s, to);
		for (k = 0; k < PINGS && rc == 0; k++)
			rc = ping_once(s, "here", 4);
	}
	return rc;
}

/* The new rate does not work: back to the old one. */
static int baud_back(struct stub *s, uint32_t old, uint32_t baud)
{
	int rc = move_to(s, baud, old, true);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return esp_fail(&s->err, ESP_E_TIMEOUT, "%s: lost the stub at %u baud",
				s->port->name, baud);
	return esp_fail(&s->err, ESP_E_UNSUPPORTED, "%s: %u baud does not work, staying at %u",
			s->port->name, baud, old);
}

int stub_set_baud(struct stub *s, uint32_t baud, unsigned clocks)
{
	uint32_t old = s->port->baud;
	struct stub_query q = { .op = WIRE_BAUD, .flags = (uint8_t)clocks, .bytes = 8,
		.wait_ms = 100 };
	struct stub_frame f;
	uint8_t body[8];
	int rc;

	if (baud == 0 || baud > PORT_MAX_BAUD)
		return esp_fail(&s->err, ESP_E_ARGUMENT, "cannot do %u baud", baud);
	put_le32(body, baud);
	put_le32(body + 4, old);
	q.body = body;
	rc = stub_ask(s, &q, &f);
	if (rc < 0)
		return rc;
	if (port_baud(s, baud) < 0) {
		struct esp_error why = s->err;

		baud_back(s, old, baud);
		return esp_pass(&s->err, &why);
	}
	rc = echo_test(s);
	if (rc >= 0 && rc < PINGS)
		return baud_back(s, old, baud);
	s->clocks = (uint8_t)clocks;
	return rc < 0 ? rc : 0;
}

/* ---- downwards ---- */

void stub_allow_slower(struct stub *s, const uint32_t *rate, size_t n)
{
	s->slower_count = n < STUB_RATES_MAX ? n : STUB_RATES_MAX;
	memcpy(s->slower, rate, s->slower_count * sizeof *rate);
}

static uint32_t next_slower(const struct stub *s)
{
	size_t i;

	for (i = 0; i < s->slower_count; i++)
		if (s->slower[i] < s->port->baud)
			return s->slower[i];
	return 0;
}

/* One step down, and further while the echo says that the line is as bad there. */
int stub_slow_down(struct stub *s)
{
	uint32_t from, to;
	int rc = 0, good = 0, moved = 0;

	while (rc >= 0 && good < PINGS && (to = next_slower(s)) != 0) {
		from = s->port->baud;
		rc = move_to(s, from, to, false);
		if (rc == 0)
			return esp_fail(&s->err, ESP_E_TIMEOUT,
					"%s: lost the stub on the way from %u to %u baud",
					s->port->name, from, to);
		if (rc < 0)
			break;
		moved = 1;
		s->counters.slowed++;
		rc = good = echo_test(s);
	}
	return rc < 0 ? rc : moved;
}
