/* A board behind an RFC 2217 server. Telnet and the protocol are gensio's (see
 * port/gio.h); what a client asks for is done to the board and confirmed. */
#include "serve_impl.h"

#include "../port/gio.h"
#include "../port/port.h"
#include "../port/port_clock.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLOSE_MS 300u

/* What the modem would say: clear to send, data set ready, carrier. */
#define MODEM_STATE 0xb0u

#define LEAVING_MAX 8

struct way {
	struct gio g;
	struct gensio_os_funcs *os;
	struct gensio_accepter *acc;
	struct gensio *io;		/* the client, NULL when there is none */
	struct sergensio *serial;
	struct gensio *leaving[LEAVING_MAX];	/* hung up, not yet closed */
	bool reading, acc_down;
};

static struct way *way_of(struct serve *s)
{
	return s->impl->way;
}

static void forget(struct way *w, const struct gensio *io)
{
	for (size_t i = 0; i < LEAVING_MAX; i++)
		if (w->leaving[i] == io)
			w->leaving[i] = NULL;
}

/* The library frees itself from the connection after this returns. */
static void on_closed(struct gensio *io, void *ctx)
{
	struct way *w = way_of(ctx);

	forget(w, io);
	w->g.gensio_free(io);
}

/* For a client that takes nothing more and so would never be closed. */
static void end_by_force(struct way *w, struct gensio *io)
{
	forget(w, io);
	w->g.gensio_disable(io);
	w->g.gensio_free(io);
}

static void hang_up(struct serve *s, struct gensio *io)
{
	struct way *w = way_of(s);
	size_t i = 0;

	while (i < LEAVING_MAX - 1 && w->leaving[i])
		i++;
	if (w->leaving[i])
		end_by_force(w, w->leaving[i]);
	w->leaving[i] = io;
	if (w->g.gensio_close(io, on_closed, s) != 0)
		end_by_force(w, io);
}

static bool is_anyone_leaving(const struct way *w)
{
	for (size_t i = 0; i < LEAVING_MAX; i++)
		if (w->leaving[i])
			return true;
	return false;
}

static void drop_client(struct serve *s)
{
	struct way *w = way_of(s);
	struct gensio *io = w->io;

	if (!io)
		return;
	w->io = NULL;
	w->serial = NULL;
	serve_set_client(s, false);
	hang_up(s, io);
}

static void set_reading(struct serve *s, bool on)
{
	struct way *w = way_of(s);

	if (!w->io || w->reading == on)
		return;
	w->reading = on;
	w->g.gensio_set_read_callback_enable(w->io, on);
}

static int on_data(struct serve *s, int err, const uint8_t *buf, gio_size *len)
{
	if (err) {
		drop_client(s);
		return 0;
	}
	*len = serve_take(s, buf, *len);
	if (s->impl->in.len == sizeof s->impl->in.data)
		set_reading(s, false);
	return 0;
}

static void on_baud(struct serve *s, unsigned asked)
{
	struct way *w = way_of(s);

	if (asked > 0 && asked <= PORT_MAX_BAUD)
		serve_set_baud(s, asked);
	w->g.sergensio_baud(w->serial, s->impl->baud, NULL, NULL);
}

static unsigned as_switch(bool on)
{
	return on ? GIO_ON : GIO_OFF;
}

static void on_lines(struct serve *s, int event, unsigned asked)
{
	struct way *w = way_of(s);
	struct serve_impl *i = s->impl;
	bool is_dtr = event == GIO_EV_SER_DTR;
	bool on = asked == GIO_ON;

	if (asked != GIO_ASK)
		serve_set_lines(s, is_dtr ? on : i->dtr, is_dtr ? i->rts : on);
	if (is_dtr)
		w->g.sergensio_dtr(w->serial, as_switch(i->dtr), NULL, NULL);
	else
		w->g.sergensio_rts(w->serial, as_switch(i->rts), NULL, NULL);
}

static void on_break(struct serve *s, unsigned asked)
{
	struct way *w = way_of(s);

	if (asked != GIO_ASK)
		serve_set_break(s, asked == GIO_ON);
	w->g.sergensio_sbreak(w->serial, as_switch(s->impl->breaking), NULL, NULL);
}

/* "Received" is what the board sent and the client has not got yet. */
static void on_flush(struct serve *s, unsigned what)
{
	struct way *w = way_of(s);

	if (what & GIO_FLUSH_RECEIVED)
		serve_drop_sent(s);
	if (what & GIO_FLUSH_TO_SEND)
		s->impl->in.len = 0;
	w->g.sergensio_flush(w->serial, what);
}

/* The line is 8N1 without flow control whatever is asked; the answer says so. */
static int on_control(struct serve *s, int event, unsigned asked)
{
	struct way *w = way_of(s);
	struct sergensio *ser = w->serial;

	switch (event) {
	case GIO_EV_SER_BAUD: on_baud(s, asked); return 0;
	case GIO_EV_SER_DTR:
	case GIO_EV_SER_RTS: on_lines(s, event, asked); return 0;
	case GIO_EV_SER_SBREAK: on_break(s, asked); return 0;
	case GIO_EV_SER_FLUSH: on_flush(s, asked); return 0;
	case GIO_EV_SER_DATASIZE: w->g.sergensio_datasize(ser, 8, NULL, NULL); return 0;
	case GIO_EV_SER_PARITY: w->g.sergensio_parity(ser, GIO_PARITY_NONE, NULL, NULL); return 0;
	case GIO_EV_SER_STOPBITS: w->g.sergensio_stopbits(ser, 1, NULL, NULL); return 0;
	case GIO_EV_SER_FLOWCONTROL:
		w->g.sergensio_flowcontrol(ser, GIO_FLOW_NONE, NULL, NULL);
		return 0;
	case GIO_EV_SER_IFLOWCONTROL:
		w->g.sergensio_iflowcontrol(ser, GIO_FLOW_NONE, NULL, NULL);
		return 0;
	case GIO_EV_SER_MODEMSTATE: w->g.sergensio_modemstate(ser, MODEM_STATE); return 0;
	case GIO_EV_SER_LINESTATE: w->g.sergensio_linestate(ser, 0); return 0;
	case GIO_EV_SER_SIGNATURE:
		w->g.sergensio_signature(ser, s->impl->ops->name, strlen(s->impl->ops->name),
					 NULL, NULL);
		return 0;
	}
	return GIO_NOTSUP;
}

static int on_event(struct gensio *io, void *ctx, int event, int err, unsigned char *buf,
		    gio_size *len, const char *const *aux)
{
	struct serve *s = ctx;
	struct way *w = way_of(s);
	unsigned value = 0;

	(void)aux;
	if (io != w->io)	/* one that is being hung up */
		return event == GIO_EV_READ || event == GIO_EV_WRITE_READY ? 0 : GIO_NOTSUP;
	if (event == GIO_EV_READ)
		return on_data(s, err, buf, len);
	if (event == GIO_EV_WRITE_READY) {
		w->g.gensio_set_write_callback_enable(io, false);
		return 0;
	}
	if (!w->serial)
		return GIO_NOTSUP;
	if (buf && len && *len == sizeof value && event != GIO_EV_SER_SIGNATURE)
		memcpy(&value, buf, sizeof value);
	return on_control(s, event, value);
}

/* A second client is turned away: a serial port has one user. */
static int on_accept(struct gensio_accepter *acc, void *ctx, int event, void *data)
{
	struct serve *s = ctx;
	struct way *w = way_of(s);

	(void)acc;
	if (event != GIO_ACC_EV_NEW_CONNECTION)
		return GIO_NOTSUP;
	if (w->io) {
		hang_up(s, data);
		return 0;
	}
	w->io = data;
	w->serial = w->g.gensio_to_sergensio(data);
	w->g.gensio_set_callback(data, on_event, s);
	w->reading = false;
	set_reading(s, true);
	serve_set_client(s, true);
	return 0;
}

/* Only what names, addresses and numbers consist of: the library reads a string
 * in which commas and brackets have a meaning. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr(".-_:%/+@~", *text))
			return false;
	return true;
}

struct address {
	char text[SERVE_WHERE_MAX];
	const char *host, *port;
	const char *cert, *key, *ca;	/* NULL when there is none */
};

/* "cert=FILE&key=FILE&ca=FILE" */
static int parse_options(struct serve *s, struct address *a, char *options)
{
	struct { const char *name; const char **to; } files[] = {
		{ "cert=", &a->cert }, { "key=", &a->key }, { "ca=", &a->ca },
	};
	char *save = NULL, *o = strtok_r(options, "&", &save);
	size_t k;

	for (; o; o = strtok_r(NULL, "&", &save)) {
		for (k = 0; k < 3 && strncmp(o, files[k].name, strlen(files[k].name)) != 0; k++)
			;
		if (k == 3 || !is_plain(o + strlen(files[k].name)))
			return esp_fail(&s->err, ESP_E_ARGUMENT,
					"%s: wanted cert=FILE, key=FILE or ca=FILE", o);
		*files[k].to = o + strlen(files[k].name);
	}
	if (!a->cert || !a->key)
		return esp_fail(&s->err, ESP_E_ARGUMENT, "TLS needs cert=FILE and key=FILE");
	return 0;
}

/* "HOST:PORT", the host "" or "*" for every address of this machine, an IPv6
 * one in []. */
static int parse_address(struct serve *s, struct address *a, const char *rest)
{
	char *colon, *end, *options;
	size_t n;

	memset(a, 0, sizeof *a);
	snprintf(a->text, sizeof a->text, "%s", rest);
	options = strchr(a->text, '?');
	if (options)
		*options++ = '\0';
	colon = strrchr(a->text, ':');
	a->host = a->text;
	a->port = colon ? colon + 1 : "";
	if (colon)
		*colon = '\0';
	n = strlen(a->text);
	if (n > 2 && a->text[0] == '[' && a->text[n - 1] == ']') {
		a->text[n - 1] = '\0';
		a->host++;
	}
	if (strcmp(a->host, "*") == 0)
		a->host = "";
	if (!colon || !is_plain(a->host) || !isdigit((unsigned char)*a->port) ||
	    strtoul(a->port, &end, 10) > 65535 || *end)
		return esp_fail(&s->err, ESP_E_ARGUMENT, "rfc2217:%s: wanted rfc2217:HOST:PORT",
				rest);
	return options ? parse_options(s, a, options) : 0;
}

static int fail_listen(struct serve *s, const struct address *a, int err)
{
	int code = err == GIO_ADDRINUSE ? ESP_E_BUSY : err == GIO_PERM ? ESP_E_ACCESS :
		   err == GIO_NOMEM ? ESP_E_NOMEM :
		   err >= GIO_NAME_FIRST && err <= GIO_NAME_LAST ? ESP_E_MISSING : ESP_E_IO;

	return esp_fail(&s->err, code, "cannot listen at %s:%s: %s", a->host, a->port,
			way_of(s)->g.gensio_err_to_str(err));
}

/* Port 0 became a number of the system's choice. */
static void say_where(struct serve *s, const struct address *a)
{
	struct way *w = way_of(s);
	const char *host = *a->host ? a->host : "localhost";
	char port[16] = "0";
	gio_size len = sizeof port;

	if (w->g.gensio_acc_control(w->acc, GIO_DEPTH_FIRST, true, GIO_ACC_CONTROL_LPORT, port,
				    &len) != 0)
		snprintf(port, sizeof port, "%s", a->port);
	snprintf(s->where, sizeof s->where, strchr(host, ':') ? "%s://[%s]:%s" : "%s://%s:%s",
		 a->cert ? "rfc2217s" : "rfc2217", host, port);
}

static int listen_at(struct serve *s, const struct address *a)
{
	struct way *w = way_of(s);
	char str[2 * SERVE_WHERE_MAX + 128], tls[SERVE_WHERE_MAX + 64] = "";
	int err;

	if (a->cert)
		snprintf(tls, sizeof tls, "ssl(cert=%s,key=%s%s%s),", a->cert, a->key,
			 a->ca ? ",clientauth,CA=" : "", a->ca ? a->ca : "");
	snprintf(str, sizeof str, "telnet(rfc2217=true),%stcp(nodelay=true,reuseaddr=true),%s%s%s",
		 tls, a->host, *a->host ? "," : "", a->port);
	err = w->g.str_to_gensio_accepter(str, w->os, on_accept, s, &w->acc);
	if (!err)
		err = w->g.gensio_acc_startup(w->acc);
	if (err)
		return fail_listen(s, a, err);
	say_where(s, a);
	return 0;
}

static int net_open(struct serve *s, const char *rest)
{
	struct address a;
	struct way *w;
	int rc = parse_address(s, &a, rest);

	if (rc < 0)
		return rc;
	w = calloc(1, sizeof *w);
	if (!w)
		return esp_fail(&s->err, ESP_E_NOMEM, "out of memory");
	s->impl->way = w;
	rc = gio_load(&w->g, &s->err);
	if (rc < 0)
		return rc;
	if (w->g.gensio_unix_funcs_alloc(NULL, 0, &w->os) != 0 || !w->os)
		return esp_fail(&s->err, ESP_E_NOMEM, "out of memory");
	return listen_at(s, &a);
}

static void net_wait(struct serve *s, int ms)
{
	struct way *w = way_of(s);

	if (s->impl->in.len < sizeof s->impl->in.data / 2)
		set_reading(s, true);
	gio_service(&w->g, w->os, ms);
}

static size_t net_send(struct serve *s, const uint8_t *buf, size_t len)
{
	struct way *w = way_of(s);
	long n = w->io ? gio_write(&w->g, w->io, buf, len) : -1;

	if (n >= 0)
		return (size_t)n;
	drop_client(s);
	return 0;
}

static void on_down(struct gensio_accepter *acc, void *ctx)
{
	(void)acc;
	way_of(ctx)->acc_down = true;
}

static void net_close(struct serve *s)
{
	struct way *w = way_of(s);
	uint64_t deadline = port_clock_deadline_us(CLOSE_MS);

	if (!w)
		return;
	drop_client(s);
	if (w->acc) {
		if (w->g.gensio_acc_shutdown(w->acc, on_down, s) != 0)
			w->acc_down = true;
		while ((!w->acc_down || is_anyone_leaving(w)) && port_clock_now_us() < deadline)
			gio_service(&w->g, w->os, port_clock_slice_ms(deadline));
		for (size_t i = 0; i < LEAVING_MAX; i++)
			if (w->leaving[i])
				end_by_force(w, w->leaving[i]);
		w->g.gensio_acc_free(w->acc);
	}
	if (w->os) {
		gio_service(&w->g, w->os, 0);	/* what the freeing left to do */
		gio_service(&w->g, w->os, 0);
		w->g.gensio_os_funcs_free(w->os);
	}
	free(w);
}

const struct serve_kind serve_net_kind = {
	"rfc2217", net_open, net_wait, net_send, net_close,
};
