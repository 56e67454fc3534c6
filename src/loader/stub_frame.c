#include "stub_impl.h"

#include "../bytes.h"

#include <libdeflate.h>
#include <string.h>

enum {
	ASKS_MAX = 12,
	BACKLOG_MAX = 65536,	/* bytes that may have waited for us on the way here */
};

size_t stub_frame_put(uint8_t *to, const struct stub_frame *f)
{
	size_t n = WIRE_HEADER + f->bytes;

	to[WIRE_OP] = f->op;
	to[WIRE_FLAGS] = f->flags;
	put_le16(to + WIRE_SEQ, f->seq);
	put_le32(to + WIRE_ADDR, f->addr);
	put_le32(to + WIRE_LEN, f->len);
	if (f->bytes)
		memcpy(to + WIRE_HEADER, f->data, f->bytes);
	put_le32(to + n, libdeflate_crc32(0, to, n));
	return n + WIRE_CRC;
}

int stub_frame_get(struct stub_frame *f, const uint8_t *buf, size_t len)
{
	if (len < WIRE_HEADER + WIRE_CRC)
		return ESP_E_PROTO;
	if (get_le32(buf + len - WIRE_CRC) != libdeflate_crc32(0, buf, len - WIRE_CRC))
		return ESP_E_PROTO;
	f->op = buf[WIRE_OP];
	f->flags = buf[WIRE_FLAGS];
	f->seq = get_le16(buf + WIRE_SEQ);
	f->addr = get_le32(buf + WIRE_ADDR);
	f->len = get_le32(buf + WIRE_LEN);
	f->data = buf + WIRE_HEADER;
	f->bytes = len - WIRE_HEADER - WIRE_CRC;
	return 0;
}

uint32_t stub_wire_ms(const struct stub *s, uint64_t n)
{
	return (uint32_t)(n * 10000 / (s->port->baud ? s->port->baud : 1)) + 1;
}

int stub_step(struct stub *s, const struct stub_progress *p, uint32_t done, uint32_t total)
{
	if (!p || !p->step || p->step(p->ctx, done, total) >= 0)
		return 0;
	return esp_fail(&s->err, ESP_E_INTERRUPTED, "stopped by the caller");
}

int stub_frame_send(struct stub *s, const uint8_t *frame, size_t bytes)
{
	int n = slip_encode(s->wire, sizeof s->wire, frame, bytes);
	int rc;

	if (n < 0)
		return esp_fail(&s->err, n, "a frame of %zu bytes is too long", bytes);
	s->counters.sent_bytes += (uint64_t)n;
	rc = port_write(s->port, s->wire, (size_t)n, 2 * stub_wire_ms(s, 65536) + 1000);
	return rc < 0 ? esp_pass(&s->err, &s->port->err) : n;
}

static int fill(struct stub *s, uint32_t timeout_ms)
{
	int n = port_read(s->port, s->in, sizeof s->in, timeout_ms);

	if (n < 0)
		return esp_pass(&s->err, &s->port->err);
	s->in_pos = 0;
	s->in_len = (size_t)n;
	s->counters.received_bytes += (uint64_t)n;
	return n;
}

/* The next good frame in what was read; 0 when it is used up. */
static int next_frame(struct stub *s, struct stub_frame *f)
{
	while (s->in_pos < s->in_len) {
		int rc = slip_feed(&s->slip, s->in[s->in_pos++]);

		if (rc == 0)
			continue;
		if (rc > 0 && stub_frame_get(f, s->slip.buf, s->slip.len) == 0)
			return 1;
		s->counters.bad++;
	}
	return 0;
}

int stub_frame_receive(struct stub *s, struct stub_frame *f, uint32_t timeout_ms)
{
	uint64_t end = port_now_us(s->port) + (uint64_t)timeout_ms * 1000, now;
	size_t late = 0;
	int rc;

	while (!next_frame(s, f)) {
		now = port_now_us(s->port);
		rc = fill(s, now < end ? (uint32_t)((end - now + 999) / 1000) : 0);
		if (rc < 0)
			return rc;
		if (port_now_us(s->port) < end)
			continue;
		/* What came in time may wait still, as we may have been late to look;
		 * noise without end is no reason to stay. */
		late += (size_t)rc;
		if (rc == 0 || late > BACKLOG_MAX)
			return 0;
	}
	s->heard_us = port_now_us(s->port);
	if (f->op == (WIRE_STATUS | WIRE_REPLY))
		stub_window_status(s, f);
	return 1;
}

int stub_query_send(struct stub *s, const struct stub_query *q, int tag)
{
	uint8_t buf[WIRE_HEADER + WIRE_BODY_MAX + WIRE_CRC];
	struct stub_frame f = { q->op, q->flags, (uint16_t)tag, q->addr, q->len, q->body,
		q->bytes };
	int rc;

	if (q->bytes > WIRE_BODY_MAX)
		return esp_fail(&s->err, ESP_E_TOOBIG, "a query of %zu bytes", q->bytes);
	if (tag < 0) {
		f.seq = ++s->tag;
		s->counters.queries++;
	} else {
		s->counters.repeated++;
	}
	rc = stub_frame_send(s, buf, stub_frame_put(buf, &f));
	return rc < 0 ? rc : f.seq;
}

const char *stub_status_text(uint8_t status)
{
	static const char *const text[] = {
		[WIRE_OK] = "no error",
		[WIRE_E_REQUEST] = "the stub does not know that request",
		[WIRE_E_RANGE] = "address or length out of range",
		[WIRE_E_ORDER] = "unit outside its range or out of order",
		[WIRE_E_TIMEOUT] = "the flash stays busy",
		[WIRE_E_VERIFY] = "flash reads back different from what was written",
		[WIRE_E_PROTECTED] = "the flash ignores writes (write protected?)",
		[WIRE_E_DATA] = "data damaged on the way to the flash",
		[WIRE_E_BUSY] = "the stub is busy",
	};

	return status < sizeof text / sizeof *text ? text[status] : "unknown error of the stub";
}

int stub_refused(struct stub *s, uint8_t status, uint32_t addr)
{
	bool flash = status >= WIRE_E_TIMEOUT && status <= WIRE_E_PROTECTED;

	s->refusal = status;
	s->refusal_addr = addr;
	return esp_fail(&s->err, flash ? ESP_E_FLASH : ESP_E_REFUSED, "%s at 0x%06x",
			stub_status_text(status), addr);
}

/* Waits for the reply to one sending, which STATUS frames prolong until limit_us.
 * 1 = came, 0 = did not. */
static int await(struct stub *s, const struct stub_query *q, int tag, uint64_t limit_us,
		 struct stub_frame *reply)
{
	uint64_t end, now;
	uint32_t wait_ms = q->wait_ms + stub_wire_ms(s, 2 * (q->bytes + q->len % 8192) + 256);
	int rc;

	end = port_now_us(s->port) + (uint64_t)wait_ms * 1000;
	while ((now = port_now_us(s->port)) < end) {
		rc = stub_frame_receive(s, reply, (uint32_t)((end - now + 999) / 1000));
		if (rc <= 0)
			return rc;
		if (reply->op == (q->op | WIRE_REPLY) && reply->seq == (uint16_t)tag)
			return 1;
		now = port_now_us(s->port);
		if (reply->op == (WIRE_STATUS | WIRE_REPLY) && now < limit_us)
			end = now + (uint64_t)wait_ms * 1000;
	}
	return 0;
}

int stub_ask(struct stub *s, const struct stub_query *q, struct stub_frame *reply)
{
	uint64_t limit_us = port_now_us(s->port) + q->limit_ms * 1000ull;
	int tag = -1, rc, tries;

	for (tries = 0; tries < ASKS_MAX; tries++) {
		tag = stub_query_send(s, q, tag);
		if (tag < 0)
			return tag;
		rc = await(s, q, tag, limit_us, reply);
		if (rc < 0)
			return rc;
		if (rc && reply->flags != WIRE_OK)
			return stub_refused(s, reply->flags, reply->addr);
		if (rc)
			return 0;
	}
	return esp_fail(&s->err, ESP_E_TIMEOUT, "%s: the stub does not answer", s->port->name);
}
