#include "port.h"

#include <stdio.h>
#include <string.h>

/* A kind of port by the start of its URL. The last one takes whatever is left:
 * a path. */
static const struct {
	const char *scheme;
	int (*open)(struct port *p, const char *rest, uint32_t baud);
} schemes[] = {
	{ "sim:", port_sim_open },
	{ "rfc2217://", port_remote_open },
	{ "rfc2217s://", port_remote_open },
	{ "", port_serial_open },
};

void port_init(struct port *p)
{
	memset(p, 0, sizeof *p);
}

int port_open(struct port *p, const char *url, uint32_t baud)
{
	size_t i = 0;

	if (strlen(url) >= sizeof p->name)
		return esp_fail(&p->err, ESP_E_ARGUMENT, "port name is longer than %d characters",
				PORT_NAME_MAX - 1);
	if (baud == 0 || baud > PORT_MAX_BAUD)
		return esp_fail(&p->err, ESP_E_ARGUMENT, "%s: cannot do %u baud", url, baud);
	snprintf(p->name, sizeof p->name, "%s", url);
	p->baud = baud;
	while (strncmp(url, schemes[i].scheme, strlen(schemes[i].scheme)) != 0)
		i++;
	return schemes[i].open(p, url + strlen(schemes[i].scheme), baud);
}

void port_close(struct port *p)
{
	const struct port_ops *ops = p->ops;

	p->ops = NULL;
	if (ops)
		ops->close(p);
	p->impl = NULL;
}

bool port_is_open(const struct port *p)
{
	return p->ops != NULL;
}

bool port_has(const struct port *p, enum port_feature f)
{
	return p->ops && (p->ops->features & f);
}

static int closed(struct port *p)
{
	return esp_fail(&p->err, ESP_E_CLOSED, "the port is closed");
}

static void trace(struct port *p, enum port_event_kind kind, const void *data, size_t len,
		  int a, int b)
{
	struct port_event ev = { kind, 0, data, len, a, b };

	if (!p->trace)
		return;
	ev.time_us = p->ops->now_us(p);
	p->trace(p->trace_ctx, &ev);
}

int port_read(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
{
	int n;

	if (!p->ops)
		return closed(p);
	n = p->ops->read(p, buf, cap, timeout_ms);
	if (n > 0)
		p->received_bytes += (uint64_t)n;
	if (n > 0)
		trace(p, PORT_EV_RX, buf, (size_t)n, 0, 0);
	return n;
}

int port_write(struct port *p, const void *buf, size_t len, uint32_t timeout_ms)
{
	if (!p->ops)
		return closed(p);
	trace(p, PORT_EV_TX, buf, len, 0, 0);
	p->sent_bytes += len;
	return p->ops->write(p, buf, len, timeout_ms);
}

int port_drain(struct port *p, uint32_t timeout_ms)
{
	return p->ops ? p->ops->drain(p, timeout_ms) : closed(p);
}

int port_flush(struct port *p)
{
	if (!p->ops)
		return closed(p);
	trace(p, PORT_EV_FLUSH, NULL, 0, 0, 0);
	return p->ops->flush(p);
}

int port_set_baud(struct port *p, uint32_t baud)
{
	int rc;

	if (!p->ops)
		return closed(p);
	if (baud == 0 || baud > PORT_MAX_BAUD)
		return esp_fail(&p->err, ESP_E_ARGUMENT, "%s: cannot do %u baud", p->name, baud);
	trace(p, PORT_EV_BAUD, NULL, 0, (int)baud, 0);
	rc = p->ops->set_baud(p, baud);
	if (rc >= 0)
		p->baud = baud;
	return rc;
}

int port_set_lines(struct port *p, int dtr, int rts)
{
	if (!p->ops)
		return closed(p);
	trace(p, PORT_EV_LINES, NULL, 0, dtr, rts);
	return p->ops->set_lines(p, dtr, rts);
}

int port_set_break(struct port *p, bool on)
{
	if (!p->ops)
		return closed(p);
	trace(p, PORT_EV_BREAK, NULL, 0, on, 0);
	return p->ops->set_break(p, on);
}

int port_sleep(struct port *p, uint32_t ms)
{
	return p->ops ? p->ops->sleep(p, ms) : closed(p);
}

uint64_t port_now_us(struct port *p)
{
	return p->ops ? p->ops->now_us(p) : 0;
}
