/* How a port behind an RFC 2217 server opens: connection, consent, line. */
#include "port_remote_impl.h"
#include "port_clock.h"

static void on_open(struct gensio *io, int err, void *ctx)
{
	struct remote *r = ctx;

	(void)io;
	r->opened = true;
	r->open_err = err;
}

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
	err = r->g.str_to_gensio(str, r->os, port_remote_on_event, r, &r->io);
	return err ? fail_connect(p, err) : 0;
}

static int connect_to(struct port *p)
{
	struct remote *r = p->impl;
	int rc = r->g.gensio_open(r->io, on_open, r);

	if (rc)
		return fail_connect(p, rc);
	rc = port_remote_wait(p, &r->opened, r->limit_us);
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
static int ask_first(struct port *p, remote_question *f, unsigned value, struct remote_ask **out)
{
	struct remote *r = p->impl;
	int rc = port_remote_ask(p, f, value, out);

	while (rc == ESP_E_UNSUPPORTED && port_clock_now_us() < r->limit_us) {
		gio_service(&r->g, r->os, port_clock_slice_ms(r->limit_us));
		rc = port_clock_check(p);
		if (rc == 0)
			rc = port_remote_ask(p, f, value, out);
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
		remote_question *f;
		unsigned value;
	} line[] = {
		{ r->g.sergensio_datasize, 8 },
		{ r->g.sergensio_parity, GIO_PARITY_NONE },
		{ r->g.sergensio_stopbits, 1 },
		{ r->g.sergensio_flowcontrol, GIO_FLOW_NONE },
	};
	enum { LINES = sizeof line / sizeof line[0] };
	struct remote_ask *asked[LINES];
	int rc = ask_first(p, line[0].f, line[0].value, &asked[0]);
	int n;

	for (n = 1; rc == 0 && n < LINES; n++)
		rc = port_remote_ask(p, line[n].f, line[n].value, &asked[n]);
	for (int i = 0; rc == 0 && i < n; i++)
		rc = port_remote_answer(p, asked[i], NULL);
	return rc < 0 ? rc : port_remote_set_baud(p, baud);
}

int port_remote_connect(struct port *p, const struct remote_url *url, uint32_t baud)
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
