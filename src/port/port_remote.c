/* A serial port behind an RFC 2217 server: rfc2217://host:port[?options], see
 * port_remote_url.h.
 *
 * The library gensio (gio.h) speaks telnet and the protocol; here its events
 * become the calls of a port. Options of the line are asked for once, when the
 * port is opened, and never again: servers are slow at it. What must have
 * happened at the server before the next step (a rate, a line, a purge) waits
 * for the server's answer, because the caller's pauses count from there. */
#include "port.h"
#include "gio.h"
#include "port_clock.h"
#include "port_remote_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RX_CAP (256u * 1024u)	/* when full the server is left to wait */
#define OWING_MS 200u		/* an answer, of a server that owes another one */
#define CLOSE_MS 500u
#define ASKS_MAX 8

/* A question to the server. It outlives a caller that gave up waiting, as the
 * library still holds its address then. */
struct ask {
	bool used, done, abandoned;
	int err;
	unsigned value;
};

struct remote {
	struct gio g;
	struct gensio_os_funcs *os;
	struct gensio *io;
	struct sergensio *serial;
	uint32_t timeout_ms;
	uint64_t limit_us;	/* while opening: when all of it must be done; else 0 */
	bool opened, closed, can_write;
	int open_err;		/* enum gio_error of the connection attempt */
	int gone;		/* enum gio_error that ended the connection, 0 while it lives */
	uint64_t wire_us;	/* when the last byte written will have left the far UART */
	struct ask asks[ASKS_MAX];
	size_t rx_at, rx_len;
	uint8_t rx[RX_CAP];
};

static int fail_gone(struct port *p)
{
	struct remote *r = p->impl;

	if (r->gone == GIO_REMCLOSE)
		return esp_fail(&p->err, ESP_E_GONE, "%s: the server closed the connection",
				p->name);
	return esp_fail(&p->err, ESP_E_GONE, "%s: connection lost: %s", p->name,
			r->g.gensio_err_to_str(r->gone));
}

static size_t take_bytes(struct remote *r, const uint8_t *buf, size_t len)
{
	size_t room = RX_CAP - r->rx_len;
	size_t end = (r->rx_at + r->rx_len) % RX_CAP;
	size_t n = len < room ? len : room;
	size_t first = n < RX_CAP - end ? n : RX_CAP - end;

	memcpy(r->rx + end, buf, first);
	memcpy(r->rx, buf + first, n - first);
	r->rx_len += n;
	return n;
}

static int on_event(struct gensio *io, void *ctx, int event, int err, unsigned char *buf,
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
		if (r->rx_len == RX_CAP)
			r->g.gensio_set_read_callback_enable(io, false);
		return 0;
	case GIO_EV_WRITE_READY:
		r->can_write = true;
		r->g.gensio_set_write_callback_enable(io, false);
		return 0;
	}
	return GIO_NOTSUP;
}

static void on_open(struct gensio *io, int err, void *ctx)
{
	struct remote *r = ctx;

	(void)io;
	r->opened = true;
	r->open_err = err;
}

static void on_close(struct gensio *io, void *ctx)
{
	struct remote *r = ctx;

	(void)io;
	r->closed = true;
}

static void on_answer(struct sergensio *s, int err, unsigned value, void *ctx)
{
	struct ask *a = ctx;

	(void)s;
	a->done = true;
	a->err = err;
	a->value = value;
	if (a->abandoned)
		a->used = false;
}

/* Lets the library work until *flag is up or the deadline is past (0 then). */
static int wait_flag(struct port *p, const bool *flag, uint64_t deadline_us)
{
	struct remote *r = p->impl;
	int rc = port_clock_check(p);

	while (rc == 0 && !*flag) {
		if (r->gone)
			return fail_gone(p);
		if (port_clock_now_us() >= deadline_us)
			return 0;
		gio_service(&r->g, r->os, port_clock_slice_ms(deadline_us));
		rc = port_clock_check(p);
	}
	return rc < 0 ? rc : 1;
}

static struct ask *new_ask(struct remote *r)
{
	for (size_t i = 0; i < ASKS_MAX; i++)
		if (!r->asks[i].used) {
			r->asks[i] = (struct ask){ .used = true };
			return &r->asks[i];
		}
	return NULL;
}

typedef int ask_function(struct sergensio *s, unsigned v, gio_ser_done done, void *ctx);

/* Sends a question. *out is to be waited for by answer(). */
static int ask(struct port *p, ask_function *f, unsigned value, struct ask **out)
{
	struct remote *r = p->impl;
	struct ask *a = new_ask(r);
	int err;

	*out = NULL;
	if (r->gone)
		return fail_gone(p);
	if (!a)
		return esp_fail(&p->err, ESP_E_TIMEOUT, "%s: the server does not answer", p->name);
	err = f(r->serial, value, on_answer, a);
	if (err) {
		a->used = false;
		return esp_fail(&p->err, ESP_E_UNSUPPORTED, "%s: no RFC 2217 control: %s", p->name,
				r->g.gensio_err_to_str(err));
	}
	*out = a;
	return 0;
}

/* A server that owes an answer already gets little time for the next one: else
 * one that never answers would cost the whole limit at every single question. */
static uint64_t answer_deadline(const struct remote *r)
{
	if (r->limit_us)
		return r->limit_us;
	for (size_t i = 0; i < ASKS_MAX; i++)
		if (r->asks[i].used && r->asks[i].abandoned && r->timeout_ms > OWING_MS)
			return port_clock_deadline_us(OWING_MS);
	return port_clock_deadline_us(r->timeout_ms);
}

/* Waits for the server's answer, which becomes *value where that is wanted. */
static int answer(struct port *p, struct ask *a, unsigned *value)
{
	struct remote *r = p->impl;
	int rc = wait_flag(p, &a->done, answer_deadline(r));

	if (rc <= 0) {
		a->abandoned = true;
		return rc < 0 ? rc : esp_fail(&p->err, ESP_E_TIMEOUT,
					      "%s: no answer from the server in %u ms", p->name,
					      r->timeout_ms);
	}
	a->used = false;
	if (a->err == GIO_TIMEDOUT)
		return esp_fail(&p->err, ESP_E_TIMEOUT, "%s: no answer from the server", p->name);
	if (a->err)
		return esp_fail(&p->err, ESP_E_IO, "%s: %s", p->name,
				r->g.gensio_err_to_str(a->err));
	if (value)
		*value = a->value;
	return 0;
}

static int ask_and_wait(struct port *p, ask_function *f, unsigned ask_value, unsigned *got)
{
	struct ask *a;
	int rc = ask(p, f, ask_value, &a);

	return rc < 0 ? rc : answer(p, a, got);
}

/* A round trip: what was sent before has reached the server's port then. It
 * asks for the rate that is set already, which every server understands. */
static int fence(struct port *p)
{
	struct remote *r = p->impl;

	return ask_and_wait(p, r->g.sergensio_baud, p->baud, NULL);
}

static size_t give_bytes(struct remote *r, uint8_t *buf, size_t cap)
{
	size_t n = r->rx_len < cap ? r->rx_len : cap;
	size_t first = n < RX_CAP - r->rx_at ? n : RX_CAP - r->rx_at;

	memcpy(buf, r->rx + r->rx_at, first);
	memcpy(buf + first, r->rx, n - first);
	r->rx_at = (r->rx_at + n) % RX_CAP;
	if (r->rx_len == RX_CAP && n > 0 && !r->gone)
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
			return fail_gone(p);
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
	return wait_flag(p, &r->can_write, deadline);
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
			return fail_gone(p);
		n = gio_write(&r->g, r->io, at, left);
		if (n < 0) {
			r->gone = GIO_REMCLOSE;
			return fail_gone(p);
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
		return fail_gone(p);
	r->rx_at = r->rx_len = 0;
	r->g.gensio_set_read_callback_enable(r->io, true);
	r->g.sergensio_flush(r->serial, GIO_FLUSH_RECEIVED);
	rc = fence(p);
	r->rx_at = r->rx_len = 0;	/* what was under way */
	return rc;
}

static int remote_set_baud(struct port *p, uint32_t baud)
{
	struct remote *r = p->impl;
	unsigned got = 0;
	int rc = ask_and_wait(p, r->g.sergensio_baud, baud, &got);
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
	struct ask *a = NULL, *b = NULL;
	int rc = 0, rc2 = 0;

	if (dtr != PORT_LINE_KEEP)
		rc = ask(p, r->g.sergensio_dtr, dtr ? GIO_ON : GIO_OFF, &a);
	if (rc == 0 && rts != PORT_LINE_KEEP)
		rc = ask(p, r->g.sergensio_rts, rts ? GIO_ON : GIO_OFF, &b);
	if (a)
		rc2 = answer(p, a, NULL);
	if (b && rc2 == 0)
		rc2 = answer(p, b, NULL);
	else if (b)
		b->abandoned = true;
	return rc < 0 ? rc : rc2;
}

static int remote_set_break(struct port *p, bool on)
{
	struct remote *r = p->impl;

	return ask_and_wait(p, r->g.sergensio_sbreak, on ? GIO_ON : GIO_OFF, NULL);
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
	.set_baud = remote_set_baud,
	.set_lines = remote_set_lines,
	.set_break = remote_set_break,
	.sleep = remote_sleep,
	.now_us = port_clock_port_now_us,
	.close = remote_close,
};

static int fail_connect(struct port *p, int err)
{
	struct remote *r = p->impl;

	if (err >= GIO_NAME_FIRST && err <= GIO_NAME_LAST)
		return esp_fail(&p->err, ESP_E_MISSING, "%s: no such host", p->name);
	switch (err) {
	case GIO_NOMEM:
		return esp_fail(&p->err, ESP_E_NOMEM, "out of memory");
	case GIO_CONNREFUSE:
		return esp_fail(&p->err, ESP_E_MISSING, "%s: connection refused", p->name);
	case GIO_NOTFOUND:
	case GIO_HOSTDOWN:
		return esp_fail(&p->err, ESP_E_MISSING, "%s: %s", p->name,
				r->g.gensio_err_to_str(err));
	case GIO_TIMEDOUT:
		return esp_fail(&p->err, ESP_E_TIMEOUT, "%s: no answer", p->name);
	case GIO_KEYNOTFOUND:
	case GIO_CERTREVOKED:
	case GIO_CERTEXPIRED:
	case GIO_KEYINVALID:
	case GIO_NOCERT:
	case GIO_CERTINVALID:
	case GIO_CERTNOTFOUND:
	case GIO_AUTHREJECT:
		return esp_fail(&p->err, ESP_E_ACCESS, "%s: %s", p->name,
				r->g.gensio_err_to_str(err));
	case GIO_REMCLOSE:
		return esp_fail(&p->err, ESP_E_GONE, "%s: the server closed the connection",
				p->name);
	}
	return esp_fail(&p->err, ESP_E_IO, "%s: %s", p->name, r->g.gensio_err_to_str(err));
}

static int start_library(struct port *p, const struct remote_url *url)
{
	struct remote *r = p->impl;
	char str[REMOTE_STACK_MAX];
	int err;

	if (gio_load(&r->g, &p->err) < 0)
		return p->err.code;
	if (r->g.gensio_unix_funcs_alloc(NULL, 0, &r->os) != 0 || !r->os)
		return esp_fail(&p->err, ESP_E_NOMEM, "out of memory");
	err = remote_url_stack(p, url, str, sizeof str);
	if (err < 0)
		return err;
	err = r->g.str_to_gensio(str, r->os, on_event, r, &r->io);
	return err ? fail_connect(p, err) : 0;
}

static int connect_to(struct port *p)
{
	struct remote *r = p->impl;
	int rc = r->g.gensio_open(r->io, on_open, r);

	if (rc)
		return fail_connect(p, rc);
	rc = wait_flag(p, &r->opened, r->limit_us);
	if (rc == 0)
		return esp_fail(&p->err, ESP_E_TIMEOUT, "%s: no answer in %u ms", p->name,
				r->timeout_ms);
	if (rc < 0)
		return rc;
	if (r->open_err)
		return fail_connect(p, r->open_err);
	r->serial = r->g.gensio_to_sergensio(r->io);
	if (!r->serial)
		return esp_fail(&p->err, ESP_E_PROTO, "%s: no RFC 2217", p->name);
	r->g.gensio_set_read_callback_enable(r->io, true);
	return 0;
}

/* The library opens when the server has said anything about RFC 2217, or, after
 * 4 s, nothing. The consent that counts may come later: until then a question
 * is refused by the library itself. */
static int ask_first(struct port *p, ask_function *f, unsigned value, struct ask **out)
{
	struct remote *r = p->impl;
	int rc = ask(p, f, value, out);

	while (rc == ESP_E_UNSUPPORTED && port_clock_now_us() < r->limit_us) {
		gio_service(&r->g, r->os, port_clock_slice_ms(r->limit_us));
		rc = port_clock_check(p);
		if (rc == 0)
			rc = ask(p, f, value, out);
	}
	if (rc == ESP_E_UNSUPPORTED)
		return esp_fail(&p->err, ESP_E_PROTO,
				"%s: the server does not agree to RFC 2217", p->name);
	return rc;
}

/* 8N1, no flow control; all asked in one go. DTR and RTS stay as the server has
 * them. */
static int set_up_line(struct port *p, uint32_t baud)
{
	struct remote *r = p->impl;
	const struct {
		ask_function *f;
		unsigned value;
	} line[] = {
		{ r->g.sergensio_datasize, 8 },
		{ r->g.sergensio_parity, GIO_PARITY_NONE },
		{ r->g.sergensio_stopbits, 1 },
		{ r->g.sergensio_flowcontrol, GIO_FLOW_NONE },
	};
	enum { LINES = sizeof line / sizeof line[0] };
	struct ask *asked[LINES];
	int rc = ask_first(p, line[0].f, line[0].value, &asked[0]);
	int n;

	for (n = 1; rc == 0 && n < LINES; n++)
		rc = ask(p, line[n].f, line[n].value, &asked[n]);
	for (int i = 0; rc == 0 && i < n; i++)
		rc = answer(p, asked[i], NULL);
	return rc < 0 ? rc : remote_set_baud(p, baud);
}

static int open_remote(struct port *p, const struct remote_url *url, uint32_t baud)
{
	struct remote *r = p->impl;
	int rc;

	r->limit_us = port_clock_deadline_us(url->timeout_ms);
	rc = start_library(p, url);
	if (rc == 0)
		rc = connect_to(p);
	if (rc == 0)
		rc = set_up_line(p, baud);
	r->limit_us = 0;
	return rc;
}

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
	rc = open_remote(p, &url, baud);
	if (rc < 0)
		remote_close(p);
	else
		p->ops = &remote_ops;
	return rc;
}
