/* Questions to an RFC 2217 server, and waiting for their answers. */
#include "port_remote_impl.h"
#include "port_clock.h"

#define OWING_MS 200u		/* an answer, of a server that owes another one */

int port_remote_fail_gone(struct port *p)
{
	struct remote *r = p->impl;

	if (r->gone == GIO_REMCLOSE)
		return esp_fail(&p->err, ESP_E_GONE, "%s: the server closed the connection",
				p->name);
	return esp_fail(&p->err, ESP_E_GONE, "%s: connection lost: %s", p->name,
			r->g.gensio_err_to_str(r->gone));
}

static void on_answer(struct sergensio *s, int err, unsigned value, void *ctx)
{
	struct remote_ask *a = ctx;

	(void)s;
	a->done = true;
	a->err = err;
	a->value = value;
	if (a->abandoned)
		a->used = false;
}

int port_remote_wait(struct port *p, const bool *flag, uint64_t deadline_us)
{
	struct remote *r = p->impl;
	int rc = port_clock_check(p);

	while (rc == 0 && !*flag) {
		if (r->gone)
			return port_remote_fail_gone(p);
		if (port_clock_now_us() >= deadline_us)
			return 0;
		gio_service(&r->g, r->os, port_clock_slice_ms(deadline_us));
		rc = port_clock_check(p);
	}
	return rc < 0 ? rc : 1;
}

static struct remote_ask *new_ask(struct remote *r)
{
	for (size_t i = 0; i < REMOTE_ASKS_MAX; i++)
		if (!r->asks[i].used) {
			r->asks[i] = (struct remote_ask){ .used = true };
			return &r->asks[i];
		}
	return NULL;
}

int port_remote_ask(struct port *p, remote_question *f, unsigned value, struct remote_ask **out)
{
	struct remote *r = p->impl;
	struct remote_ask *a = new_ask(r);
	int err;

	*out = NULL;
	if (r->gone)
		return port_remote_fail_gone(p);
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
	for (size_t i = 0; i < REMOTE_ASKS_MAX; i++)
		if (r->asks[i].used && r->asks[i].abandoned && r->timeout_ms > OWING_MS)
			return port_clock_deadline_us(OWING_MS);
	return port_clock_deadline_us(r->timeout_ms);
}

int port_remote_answer(struct port *p, struct remote_ask *a, unsigned *value)
{
	struct remote *r = p->impl;
	int rc = port_remote_wait(p, &a->done, answer_deadline(r));

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

int port_remote_ask_and_wait(struct port *p, remote_question *f, unsigned ask_value, unsigned *got)
{
	struct remote_ask *a;
	int rc = port_remote_ask(p, f, ask_value, &a);

	return rc < 0 ? rc : port_remote_answer(p, a, got);
}
