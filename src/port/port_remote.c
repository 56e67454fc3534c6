/* A serial port behind an RFC 2217 server: rfc2217://host:port[?options], see
 * port_remote_url.h.
 *
 * The library gensio (gio.h) speaks telnet and the protocol; here its events
 * become the calls of a port. Options of the line are asked for once, when the
 * port is opened, and never again: servers are slow at it. What must have
 * happened at the server before the next step (a rate, a line, a purge) waits
 * for the server's answer, because the caller's pauses count from there. */
#include "port_remote_impl.h"
#include "port_clock.h"

#include <stdlib.h>
#include <string.h>

#define CLOSE_MS 500u

static size_t take_bytes(struct remote *r, const uint8_t *buf, size_t len)
{
	size_t room = REMOTE_RX_CAP - r->rx_len;
	size_t end = (r->rx_at + r->rx_len) % REMOTE_RX_CAP;
	size_t n = len < room ? len : room;
	size_t first = n < REMOTE_RX_CAP - end ? n : REMOTE_RX_CAP - end;

	memcpy(r->rx + end, buf, first);
	memcpy(r->rx, buf + first, n - first);
	r->rx_len += n;
	return n;
}

int port_remote_on_event(struct gensio *io, void *ctx, int event, int err, unsigned char *buf,
			 gio_size *len, const char *const *aux)
{
	struct remote *r = ctx;

	(void)aux;
	switch (event) {
	case GIO_EV_READ:
		if (err) {
			r->gone = err;
			r->g.gensio_set_read_callback_enable(io, false);
			return 0;
		}
		*len = take_bytes(r, buf, *len);
		if (r->rx_len == REMOTE_RX_CAP)
			r->g.gensio_set_read_callback_enable(io, false);
		return 0;
	case GIO_EV_WRITE_READY:
		r->can_write = true;
		r->g.gensio_set_write_callback_enable(io, false);
		return 0;
	}
	return GIO_NOTSUP;
}

static void on_close(struct gensio *io, void *ctx)
{
	struct remote *r = ctx;

	(void)io;
	r->closed = true;
}

/* A round trip: what was sent before has reached the server's port then. It
 * asks for the rate that is set already, which every server understands. */
static int fence(struct port *p)
{
	struct remote *r = p->impl;

	return port_remote_ask_and_wait(p, r->g.sergensio_baud, p->baud, NULL);
}

static size_t give_bytes(struct remote *r, uint8_t *buf, size_t cap)
{
	size_t n = r->rx_len < cap ? r->rx_len : cap;
	size_t first = n < REMOTE_RX_CAP - r->rx_at ? n : REMOTE_RX_CAP - r->rx_at;

	memcpy(buf, r->rx + r->rx_at, first);
	memcpy(buf + first, r->rx, n - first);
	r->rx_at = (r->rx_at + n) % REMOTE_RX_CAP;
	if (r->rx_len == REMOTE_RX_CAP && n > 0 && !r->gone)
		r->g.gensio_set_read_callback_enable(r->io, true);
	r->rx_len -= n;
	return n;
}

static int remote_read(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
{
	struct remote *r = p->impl;
	uint64_t deadline = port_clock_deadline_us(timeout_ms);
	bool last = false;
	int rc;

	while ((rc = port_clock_check(p)) == 0 && r->rx_len == 0) {
		if (r->gone)
			return port_remote_fail_gone(p);
		if (last)
			return 0;
		last = port_clock_now_us() >= deadline;
		gio_service(&r->g, r->os, port_clock_slice_ms(deadline));
	}
	return rc < 0 ? rc : (int)give_bytes(r, buf, cap);
}

/* The far UART sends what it gets one after another: ten bits a byte. */
static void count_wire_time(struct port *p, size_t len)
{
	struct remote *r = p->impl;
	uint64_t now = port_clock_now_us();

	if (r->wire_us < now)
		r->wire_us = now;
	r->wire_us += (uint64_t)len * 10u * 1000000u / p->baud;
}

static int wait_writable(struct port *p, uint64_t deadline)
{
	struct remote *r = p->impl;

	r->can_write = false;
	r->g.gensio_set_write_callback_enable(r->io, true);
	return port_remote_wait(p, &r->can_write, deadline);
}

static int remote_write(struct port *p, const void *buf, size_t len, uint32_t timeout_ms)
{
	struct remote *r = p->impl;
	uint64_t deadline = port_clock_deadline_us(timeout_ms);
	const uint8_t *at = buf;
	size_t left = len;
	int rc = port_clock_check(p);
	long n;

	while (rc >= 0 && left > 0) {
		if (r->gone)
			return port_remote_fail_gone(p);
		n = gio_write(&r->g, r->io, at, left);
		if (n < 0) {
			r->gone = GIO_REMCLOSE;
			return port_remote_fail_gone(p);
		}
		at += n;
		left -= (size_t)n;
		count_wire_time(p, (size_t)n);
		if (left == 0)
			return 0;
		rc = wait_writable(p, deadline);
		if (rc == 0)
			return esp_fail(&p->err, ESP_E_TIMEOUT,
					"%s: took only %zu of %zu bytes in %u ms", p->name,
					len - left, len, timeout_ms);
	}
	return rc < 0 ? rc : 0;
}

static int remote_drain(struct port *p, uint32_t timeout_ms)
{
	struct remote *r = p->impl;
	uint64_t deadline = port_clock_deadline_us(timeout_ms);
	uint64_t now;
	int rc = wait_writable(p, deadline);

	if (rc > 0)
		rc = fence(p);
	else if (rc == 0)
		rc = esp_fail(&p->err, ESP_E_TIMEOUT, "%s: not sent in %u ms", p->name,
			      timeout_ms);
	now = port_clock_now_us();
	if (rc == 0 && r->wire_us > now)
		rc = port_clock_sleep(p, (uint32_t)((r->wire_us - now + 999) / 1000));
	return rc;
}

static int remote_flush(struct port *p)
{
	struct remote *r = p->impl;
	int rc;

	if (r->gone)
		return port_remote_fail_gone(p);
	r->rx_at = r->rx_len = 0;
	r->g.gensio_set_read_callback_enable(r->io, true);
	r->g.sergensio_flush(r->serial, GIO_FLUSH_RECEIVED);
	rc = fence(p);
	r->rx_at = r->rx_len = 0;	/* what was under way */
	return rc;
}

int port_remote_set_baud(struct port *p, uint32_t baud)
{
	struct remote *r = p->impl;
	unsigned got = 0;
	int rc = port_remote_ask_and_wait(p, r->g.sergensio_baud, baud, &got);
	uint64_t off = got > baud ? got - baud : baud - got;

	/* 3 %: as for a port of our own, see port_fd_set_baud(). */
	if (rc == 0 && off * 100 > (uint64_t)baud * 3)
		return esp_fail(&p->err, ESP_E_UNSUPPORTED,
				"%s: asked for %u baud, the server set %u", p->name, baud, got);
	return rc;
}

/* Both questions leave together; the answers are waited for afterwards. */
static int remote_set_lines(struct port *p, int dtr, int rts)
{
	struct remote *r = p->impl;
	struct remote_ask *a = NULL, *b = NULL;
	int rc = 0, rc2 = 0;

	if (dtr != PORT_LINE_KEEP)
		rc = port_remote_ask(p, r->g.sergensio_dtr, dtr ? GIO_ON : GIO_OFF, &a);
	if (rc == 0 && rts != PORT_LINE_KEEP)
		rc = port_remote_ask(p, r->g.sergensio_rts, rts ? GIO_ON : GIO_OFF, &b);
	if (a)
		rc2 = port_remote_answer(p, a, NULL);
	if (b && rc2 == 0)
		rc2 = port_remote_answer(p, b, NULL);
	else if (b)
		b->abandoned = true;
	return rc < 0 ? rc : rc2;
}

static int remote_set_break(struct port *p, bool on)
{
	struct remote *r = p->impl;

	return port_remote_ask_and_wait(p, r->g.sergensio_sbreak, on ? GIO_ON : GIO_OFF, NULL);
}

/* The library goes on working: the server's answers and bytes are taken. */
static int remote_sleep(struct port *p, uint32_t ms)
{
	struct remote *r = p->impl;
	uint64_t until = port_clock_deadline_us(ms);
	int rc;

	while ((rc = port_clock_check(p)) == 0 && port_clock_now_us() < until)
		if (r->gone)
			return port_clock_sleep(p, (uint32_t)port_clock_slice_ms(until));
		else
			gio_service(&r->g, r->os, port_clock_slice_ms(until));
	return rc;
}

/* Gives what was written a moment to leave, then closes in the library's own
 * order: free only when it says closed. A peer that takes nothing more would
 * keep it from ever saying so, therefore the end by force. */
static void close_connection(struct remote *r)
{
	uint64_t deadline = port_clock_deadline_us(CLOSE_MS);

	if (r->opened && !r->open_err && !r->gone) {
		r->can_write = false;
		r->g.gensio_set_write_callback_enable(r->io, true);
		while (!r->can_write && !r->gone && port_clock_now_us() < deadline)
			gio_service(&r->g, r->os, port_clock_slice_ms(deadline));
	}
	if (r->g.gensio_close(r->io, on_close, r) != 0)
		return;
	deadline = port_clock_deadline_us(CLOSE_MS);
	while (!r->closed && port_clock_now_us() < deadline)
		gio_service(&r->g, r->os, port_clock_slice_ms(deadline));
	if (!r->closed)
		r->g.gensio_disable(r->io);
}

static void remote_close(struct port *p)
{
	struct remote *r = p->impl;

	if (r->io) {
		close_connection(r);
		r->g.gensio_free(r->io);
	}
	if (r->os) {
		gio_service(&r->g, r->os, 0);	/* what the freeing left to do */
		r->g.gensio_os_funcs_free(r->os);
	}
	free(r);
	p->impl = NULL;
}

static const struct port_ops remote_ops = {
	.kind = "rfc2217",
	.features = PORT_HAS_LINES | PORT_HAS_BAUD,
	.read = remote_read,
	.write = remote_write,
	.drain = remote_drain,
	.flush = remote_flush,
	.set_baud = port_remote_set_baud,
	.set_lines = remote_set_lines,
	.set_break = remote_set_break,
	.sleep = remote_sleep,
	.now_us = port_clock_port_now_us,
	.close = remote_close,
};

int port_remote_open(struct port *p, const char *rest, uint32_t baud)
{
	struct remote_url url;
	struct remote *r;
	int rc = remote_url_parse(p, &url, rest);

	if (rc < 0)
		return rc;
	r = calloc(1, sizeof *r);
	if (!r)
		return esp_fail(&p->err, ESP_E_NOMEM, "out of memory");
	r->timeout_ms = url.timeout_ms;
	p->impl = r;
	p->baud = baud;
	rc = port_remote_connect(p, &url, baud);
	if (rc < 0)
		remote_close(p);
	else
		p->ops = &remote_ops;
	return rc;
}
