/* A serial device, opened by libserialport. It locks, takes the device for
 * this process alone and knows what is a serial port; bytes and settings then
 * go through the descriptor (port_fd.c), because libserialport's own calls have
 * no answer to a signal and change DTR and RTS one by one. */
#include "port.h"
#include "port_clock.h"
#include "port_fd.h"

#include <errno.h>
#include <libserialport.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct serial {
	struct port_fd dev;	/* first: port_fd.c works on it */
	struct sp_port *sp;
};

static void serial_close(struct port *p)
{
	struct serial *s = p->impl;

	if (s->dev.fd >= 0) {
		port_fd_restore(p);
		sp_close(s->sp);
	}
	sp_free_port(s->sp);
	free(s);
	p->impl = NULL;
}

static const struct port_ops serial_ops = {
	.kind = "serial",
	.features = PORT_HAS_LINES | PORT_HAS_BAUD,
	.read = port_fd_read,
	.write = port_fd_write,
	.drain = port_fd_drain,
	.flush = port_fd_flush,
	.set_baud = port_fd_set_baud,
	.set_lines = port_fd_set_lines,
	.set_break = port_fd_set_break,
	.sleep = port_clock_sleep,
	.now_us = port_clock_port_now_us,
	.close = serial_close,
};

static int open_device(struct port *p, const char *path)
{
	struct serial *s = p->impl;
	int rc;

	if (sp_open(s->sp, SP_MODE_READ_WRITE) != SP_OK)
		return port_fd_fail_open(p, path, sp_last_error_code());
	if (sp_get_port_handle(s->sp, &s->dev.fd) != SP_OK) {
		sp_close(s->sp);
		s->dev.fd = -1;
		return esp_fail(&p->err, ESP_E_IO, "%s: no descriptor", p->name);
	}
	rc = port_fd_make_raw(p);
	if (rc == 0)
		rc = port_fd_set_baud(p, p->baud);
	if (rc == 0)
		rc = port_fd_flush(p);
	if (rc == 0)
		port_fd_low_latency(p);
	return rc;
}

/* Takes over sp. */
static int open_known(struct port *p, struct sp_port *sp, const char *path)
{
	struct serial *s = calloc(1, sizeof *s);
	int rc;

	if (!s) {
		sp_free_port(sp);
		return esp_fail(&p->err, ESP_E_NOMEM, "out of memory");
	}
	s->sp = sp;
	s->dev.fd = -1;
	p->impl = s;
	rc = open_device(p, path);
	if (rc < 0)
		serial_close(p);
	else
		p->ops = &serial_ops;
	return rc;
}

/* Is it a device that may be opened to see whether it is a terminal? To open
 * some other devices has effects (a watchdog starts), so the system's word on
 * the node's class is asked first. Pseudo-terminals have none. */
static bool may_be_tty(const struct stat *st)
{
	char link[64], class[256];
	const char *name;
	ssize_t n;

	if (!S_ISCHR(st->st_mode))
		return false;
	snprintf(link, sizeof link, "/sys/dev/char/%u:%u/subsystem", major(st->st_rdev),
		 minor(st->st_rdev));
	n = readlink(link, class, sizeof class - 1);
	if (n < 0)
		return true;
	class[n] = '\0';
	name = strrchr(class, '/');
	return strcmp(name ? name + 1 : class, "tty") == 0;
}

int port_serial_open(struct port *p, const char *path, uint32_t baud)
{
	char real[PATH_MAX];
	struct sp_port *sp;
	struct stat st;

	/* libserialport knows /dev/ttyUSB0 but not the links to it. */
	if (!realpath(path, real) || stat(real, &st) != 0)
		return port_fd_fail_open(p, path, errno);
	if (!may_be_tty(&st))
		return esp_fail(&p->err, ESP_E_ARGUMENT, "%s: is not a serial port", p->name);
	p->baud = baud;
	if (sp_get_port_by_name(real, &sp) == SP_OK)
		return open_known(p, sp, real);
	return port_tty_open(p, real, baud);
}
