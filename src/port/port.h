/* port.h - a byte stream with modem lines, and its clock.
 *
 * Layer: port. A port is a serial device, a pseudo-terminal, an RFC 2217
 * server or a simulated chip; nobody above this header can tell which.
 * Knows nothing of SLIP, loaders or chips.
 *
 * Time comes from the port too: a simulated chip that runs as fast as it can
 * has a clock of its own, so everybody above asks port_now_us() and waits with
 * port_sleep() or a read's time-out, and never looks at another clock.
 */
#ifndef PORT_H
#define PORT_H

#include "../esp_err.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_NAME_MAX 192
#define PORT_MAX_BAUD 8000000u
#define PORT_LINE_KEEP (-1)	/* port_set_lines: leave that line as it is */

struct port;

/* Set by a signal handler to make every port operation that waits, and every
 * one that starts, end with ESP_E_INTERRUPTED. Whoever set up the handler
 * clears it. Defined in port_signal.c. */
extern volatile sig_atomic_t port_interrupted;

/* Its value once the script that runs has heard of it, so that it hears it once
 * and can say what has happened. */
#define PORT_INTERRUPT_TOLD 2

/* What a kind of port provides. All but close may fail: < 0 is an enum esp_err
 * with its text in p->err. A kind that cannot do a thing (modem lines on a
 * pseudo-terminal) does nothing and answers 0; `features` says so. */
struct port_ops {
	const char *kind;	/* "serial", "tty", "sim", "rfc2217" */
	unsigned features;	/* enum port_feature */
	/* Reads what is there, waiting at most timeout_ms for the first byte.
	 * Returns the number of bytes, 0 when none came. */
	int (*read)(struct port *p, void *buf, size_t cap, uint32_t timeout_ms);
	/* Hands all of buf to the system, waiting at most timeout_ms. */
	int (*write)(struct port *p, const void *buf, size_t len, uint32_t timeout_ms);
	/* Waits until all that was written is on the wire, at most timeout_ms. */
	int (*drain)(struct port *p, uint32_t timeout_ms);
	/* Drops what was received and not yet read. */
	int (*flush)(struct port *p);
	int (*set_baud)(struct port *p, uint32_t baud);
	/* 1 asserts (pulls the wire low), 0 releases, PORT_LINE_KEEP leaves.
	 * Both lines change in one system call where that is possible. */
	int (*set_lines)(struct port *p, int dtr, int rts);
	int (*set_break)(struct port *p, bool on);
	int (*sleep)(struct port *p, uint32_t ms);
	uint64_t (*now_us)(struct port *p);
	void (*close)(struct port *p);	/* frees p->impl; called once */
};

enum port_feature {
	PORT_HAS_LINES = 1,	/* DTR and RTS do something */
	PORT_HAS_BAUD = 2,	/* the rate means something */
	PORT_IS_VIRTUAL = 4,	/* its clock is not the wall clock's */
};

/* What a trace sees. `data` is NULL for all but PORT_EV_RX and PORT_EV_TX. */
enum port_event_kind { PORT_EV_RX, PORT_EV_TX, PORT_EV_LINES, PORT_EV_BAUD,
	PORT_EV_BREAK, PORT_EV_FLUSH };

struct port_event {
	enum port_event_kind kind;
	uint64_t time_us;
	const uint8_t *data;
	size_t len;
	int a, b;		/* dtr, rts / baud, 0 / on, 0 */
};

struct port {
	const struct port_ops *ops;	/* NULL while closed */
	void *impl;			/* the kind's own state */
	struct esp_error err;
	uint32_t baud;
	uint64_t sent_bytes, received_bytes;	/* since it was opened */
	char name[PORT_NAME_MAX];	/* the URL or path it was opened by */
	void (*trace)(void *ctx, const struct port_event *ev);
	void *trace_ctx;
};

/* Makes p a closed port; no resources. Every other call is safe after it. */
void port_init(struct port *p);

/* Opens what url names: "sim:...", "rfc2217://host:port" or a device path.
 * ESP_E_MISSING, ESP_E_BUSY, ESP_E_ACCESS, ESP_E_ARGUMENT (bad URL option,
 * rate out of range), ESP_E_IO, ESP_E_NOMEM. */
int port_open(struct port *p, const char *url, uint32_t baud)
	__attribute__((warn_unused_result));

/* Closes; does nothing on a closed port. */
void port_close(struct port *p);
bool port_is_open(const struct port *p);
bool port_has(const struct port *p, enum port_feature f);

/* The operations of struct port_ops, traced; ESP_E_CLOSED on a closed port. */
int port_read(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
	__attribute__((warn_unused_result));
int port_write(struct port *p, const void *buf, size_t len, uint32_t timeout_ms)
	__attribute__((warn_unused_result));
int port_drain(struct port *p, uint32_t timeout_ms);
int port_flush(struct port *p);
int port_set_baud(struct port *p, uint32_t baud) __attribute__((warn_unused_result));
int port_set_lines(struct port *p, int dtr, int rts);
int port_set_break(struct port *p, bool on);
int port_sleep(struct port *p, uint32_t ms);
uint64_t port_now_us(struct port *p);

/* How the kinds open; used by port.c's table and by tests. Each fills ops,
 * impl on success and leaves the port closed on failure. `rest` is the URL
 * behind its scheme ("sim:" ...), the whole path for a device. */
int port_serial_open(struct port *p, const char *path, uint32_t baud);
int port_tty_open(struct port *p, const char *path, uint32_t baud);
int port_sim_open(struct port *p, const char *rest, uint32_t baud);
int port_remote_open(struct port *p, const char *rest, uint32_t baud);

/* A serial port of this machine, as port_list() finds it. Strings are empty
 * and numbers -1 when the system does not say. */
struct port_info {
	char name[PORT_NAME_MAX];
	char description[128];
	char transport[16];		/* "usb", "native", "bluetooth" */
	int vid, pid;
	char manufacturer[128], product[128], serial[128];
};

/* Lists at most cap ports; returns how many there are, which may be more. */
int port_list(struct port_info *out, size_t cap, struct esp_error *err);

#endif
