/* A terminal that is no serial device: the pseudo-terminal of socat or of a
 * remote-serial tool. libserialport refuses these, as they are not in sysfs. */
#include "port.h"
#include "port_clock.h"
#include "port_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A pseudo-terminal has no wire: whoever is behind it may look at the rate. */
static int tty_set_baud(struct port *p, uint32_t baud)
{
	int rc = port_fd_set_baud(p, baud);

	return rc == ESP_E_UNSUPPORTED ? 0 : rc;
}

static int tty_set_lines(struct port *p, int dtr, int rts)
{
	(void)p;
	(void)dtr;
	(void)rts;
	return 0;
}

static int tty_set_break(struct port *p, bool on)
{
	(void)p;
	(void)on;
	return 0;
}

static void tty_close(struct port *p)
{
	struct port_fd *d = p->impl;

	if (d->fd >= 0) {
		port_fd_restore(p);
		ioctl(d->fd, TIOCNXCL);
		close(d->fd);
	}
	free(d);
	p->impl = NULL;
}

static const struct port_ops tty_ops = {
	.kind = "tty",
	.features = 0,
	.read = port_fd_read,
	.write = port_fd_write,
	.drain = port_fd_drain,
	.flush = port_fd_flush,
	.set_baud = tty_set_baud,
	.set_lines = tty_set_lines,
	.set_break = tty_set_break,
	.sleep = port_clock_sleep,
	.now_us = port_clock_port_now_us,
	.close = tty_close,
};

/* Without a word to the terminal: it is somebody else's, whose TIOCEXCL a close
 * by tty_close() would undo. */
static void let_go(struct port_fd *d)
{
	close(d->fd);
	d->fd = -1;
}

/* Opens for this process alone. The lock comes first: TIOCEXCL keeps out
 * programs that do not lock, but not those that opened before it. */
static int open_exclusive(struct port *p, const char *path)
{
	struct port_fd *d = p->impl;
	int error;

	d->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (d->fd < 0)
		return port_fd_fail_open(p, path, errno);
	if (!isatty(d->fd)) {
		let_go(d);
		return esp_fail(&p->err, ESP_E_ARGUMENT, "%s: is not a serial port", p->name);
	}
	if (flock(d->fd, LOCK_EX | LOCK_NB) < 0) {
		error = errno;
		let_go(d);
		return port_fd_fail_open(p, path, error);
	}
	ioctl(d->fd, TIOCEXCL);
	return 0;
}

int port_tty_open(struct port *p, const char *path, uint32_t baud)
{
	struct port_fd *d = calloc(1, sizeof *d);
	int rc;

	if (!d)
		return esp_fail(&p->err, ESP_E_NOMEM, "out of memory");
	d->fd = -1;
	p->impl = d;
	rc = open_exclusive(p, path);
	if (rc == 0)
		rc = port_fd_make_raw(p);
	if (rc == 0)
		rc = tty_set_baud(p, baud);
	if (rc == 0)
		rc = port_fd_flush(p);
	if (rc < 0) {
		tty_close(p);
		return rc;
	}
	p->ops = &tty_ops;
	p->baud = baud;
	return 0;
}
