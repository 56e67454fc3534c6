/* port_remote_impl.h - what the parts of a port behind an RFC 2217 server share:
 * port_remote.c (the port's operations), port_remote_open.c (connection and
 * negotiation), port_remote_ask.c (questions to the server).
 *
 * Layer: port. Private to these three.
 */
#ifndef PORT_REMOTE_IMPL_H
#define PORT_REMOTE_IMPL_H

#include "port.h"
#include "gio.h"
#include "port_remote_url.h"

#define REMOTE_RX_CAP (256u * 1024u)	/* when full the server is left to wait */
#define REMOTE_ASKS_MAX 8

/* A question to the server. It outlives a caller that gave up waiting, as the
 * library still holds its address then. */
struct remote_ask {
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
	struct remote_ask asks[REMOTE_ASKS_MAX];
	size_t rx_at, rx_len;
	uint8_t rx[REMOTE_RX_CAP];
};

/* ---- port_remote.c ---- */

/* What the library calls when something comes in or there is room to write. */
int port_remote_on_event(struct gensio *io, void *ctx, int event, int err, unsigned char *buf,
			 gio_size *len, const char *const *aux);
int port_remote_set_baud(struct port *p, uint32_t baud) __attribute__((warn_unused_result));

/* ---- port_remote_open.c ---- */

/* Connects, has RFC 2217 agreed to and sets up the line. What it has opened is
 * to be closed when it fails, too. */
int port_remote_connect(struct port *p, const struct remote_url *url, uint32_t baud)
	__attribute__((warn_unused_result));

/* ---- port_remote_ask.c ---- */

/* A question of the library's: takes a value, calls back with another. */
typedef int remote_question(struct sergensio *s, unsigned v, gio_ser_done done, void *ctx);

/* Says why the connection has ended; ESP_E_GONE. */
int port_remote_fail_gone(struct port *p);

/* Lets the library work until *flag is up or the deadline is past (0 then). */
int port_remote_wait(struct port *p, const bool *flag, uint64_t deadline_us)
	__attribute__((warn_unused_result));

/* Sends a question. *out is to be waited for by port_remote_answer(). */
int port_remote_ask(struct port *p, remote_question *f, unsigned value, struct remote_ask **out)
	__attribute__((warn_unused_result));

/* Waits for the server's answer, which becomes *value where that is wanted. */
int port_remote_answer(struct port *p, struct remote_ask *a, unsigned *value)
	__attribute__((warn_unused_result));

/* Both. */
int port_remote_ask_and_wait(struct port *p, remote_question *f, unsigned ask_value, unsigned *got)
	__attribute__((warn_unused_result));

#endif
