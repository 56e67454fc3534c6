/* port_fd.h - reading, writing and setting up a terminal by its descriptor.
 *
 * Layer: port, private to it: what a serial device and a pseudo-terminal have
 * in common. Every function below with a struct port first expects p->impl to
 * begin with a struct port_fd. Knows nothing of how the device was opened.
 */
#ifndef PORT_FD_H
#define PORT_FD_H

#include "port.h"

struct port_fd {
	int fd;			/* non-blocking; -1 while closed */
	void *found;		/* the settings to put back, NULL when unknown */
};

/* As in struct port_ops. End of file, a hang-up and the errors by which Linux
 * tells that a device went away are ESP_E_GONE. */
int port_fd_read(struct port *p, void *buf, size_t cap, uint32_t timeout_ms);
int port_fd_write(struct port *p, const void *buf, size_t len, uint32_t timeout_ms);
int port_fd_drain(struct port *p, uint32_t timeout_ms);
int port_fd_flush(struct port *p);
int port_fd_set_lines(struct port *p, int dtr, int rts);
int port_fd_set_break(struct port *p, bool on);

/* Sets the rate and reads it back. ESP_E_UNSUPPORTED, with the old rate put
 * back, when the device took another that is more than 3 % off: beyond that a
 * UART misreads the last bits of a byte. */
int port_fd_set_baud(struct port *p, uint32_t baud);

/* Raw bytes, 8N1, no flow control, modem lines ignored on input and left alone
 * by the last close (HUPCL off: no reset of the board when we leave). What was
 * set before is kept for port_fd_restore(). */
int port_fd_make_raw(struct port *p);

/* Puts the settings back that port_fd_make_raw() found, but for HUPCL. Safe
 * when it was not called, and twice. */
void port_fd_restore(struct port *p);

/* Turns off the timer by which some drivers collect bytes (up to 16 ms on
 * FTDI). Refused without privilege on some systems: that is no error. */
void port_fd_low_latency(struct port *p);

/* Fails with what errno says of an attempt to open p->name:
 * ESP_E_MISSING, ESP_E_ACCESS (names the group that owns the node),
 * ESP_E_BUSY (names the process that holds it) or ESP_E_IO. */
int port_fd_fail_open(struct port *p, const char *path, int error);

#endif
