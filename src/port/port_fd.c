#include "port_fd.h"
#include "port_clock.h"
#include "port_holder.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel's own terminal settings: unlike those of <termios.h> (the two
 * cannot be included together) they hold any rate, not a list of constants. */
#include <asm/termbits.h>
#include <linux/serial.h>
#include <sys/ioctl.h>

#define DRAIN_POLL_MS 1
#define CLOSE_DRAIN_MS 100

static int fd_of(const struct port *p)
{
	return ((const struct port_fd *)p->impl)->fd;
}

static int fail_errno(struct port *p, const char *doing, int error)
{
	switch (error) {
	case EIO:
	case ENODEV:
	case ENXIO:
	case EPIPE:
	case ENOENT:	/* some USB drivers, after the unplug */
	case ESHUTDOWN:
	case EPROTO:	/* a USB transfer to a device that left */
		return esp_fail(&p->err, ESP_E_GONE, "%s: the device is gone", p->name);
	}
	return esp_fail(&p->err, ESP_E_IO, "%s: %s: %s", p->name, doing, strerror(error));
}

/* Waits one slice for events. Returns them, 0 on none, or an error. */
static int wait_for(struct port *p, short events, uint64_t deadline_us)
{
	struct pollfd pfd = { fd_of(p), events, 0 };
	int n = poll(&pfd, 1, port_clock_slice_ms(deadline_us));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : fail_errno(p, "wait", errno);
	if (n > 0 && (pfd.revents & POLLNVAL))
		return fail_errno(p, "wait", EBADF);
	return n > 0 ? pfd.revents : 0;
}

static bool is_transient(int error)
{
	return error == EINTR || error == EAGAIN || error == EWOULDBLOCK;
}

int port_fd_read(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
{
	uint64_t deadline = port_clock_deadline_us(timeout_ms);
	ssize_t n;
	int rc;

	while ((rc = port_clock_check(p)) == 0) {
		/* Once more after the deadline: a late wake-up loses no bytes. */
		bool last = port_clock_now_us() >= deadline;

		rc = wait_for(p, POLLIN, deadline);
		if (rc < 0)
			return rc;
		if (rc > 0) {
			/* Also on a hang-up: what came before it is still there. */
			n = read(fd_of(p), buf, cap);
			if (n > 0 || cap == 0)
				return (int)n;
			if (n == 0)
				return fail_errno(p, "read", EIO);
			if (!is_transient(errno))
				return fail_errno(p, "read", errno);
		}
		if (last)
			return 0;
	}
	return rc;
}

/* Writes what the system takes now; 0 when that is nothing. */
static ssize_t write_some(struct port *p, const uint8_t *buf, size_t len)
{
	ssize_t n = write(fd_of(p), buf, len);

	if (n >= 0)
		return n;
	return is_transient(errno) ? 0 : fail_errno(p, "write", errno);
}

int port_fd_write(struct port *p, const void *buf, size_t len, uint32_t timeout_ms)
{
	uint64_t deadline = port_clock_deadline_us(timeout_ms);
	const uint8_t *at = buf;
	size_t left = len;
	ssize_t n;
	int rc;

	while (left > 0) {
		rc = port_clock_check(p);
		if (rc < 0)
			return rc;
		n = write_some(p, at, left);
		if (n < 0)
			return (int)n;
		at += n;
		left -= (size_t)n;
		if (left > 0 && port_clock_now_us() >= deadline)
			return esp_fail(&p->err, ESP_E_TIMEOUT,
					"%s: took only %zu of %zu bytes in %u ms", p->name,
					len - left, len, timeout_ms);
		if (n == 0 && (rc = wait_for(p, POLLOUT, deadline)) < 0)
			return rc;
		if (n == 0 && (rc & (POLLHUP | POLLERR)))
			return fail_errno(p, "write", EIO);
	}
	return 0;
}

int port_fd_drain(struct port *p, uint32_t timeout_ms)
{
	uint64_t deadline = port_clock_deadline_us(timeout_ms);
	int queued, rc;

	/* tcdrain() alone has no deadline. With nothing left in the driver's
	 * queue it waits only for the adapter's own small buffer. */
	for (;;) {
		if (ioctl(fd_of(p), TIOCOUTQ, &queued) < 0)
			return fail_errno(p, "drain", errno);
		if (queued == 0)
			break;
		if (port_clock_now_us() >= deadline)
			return esp_fail(&p->err, ESP_E_TIMEOUT, "%s: %d bytes not sent in %u ms",
					p->name, queued, timeout_ms);
		rc = port_clock_sleep(p, DRAIN_POLL_MS);
		if (rc < 0)
			return rc;
	}
	if (ioctl(fd_of(p), TCSBRK, 1) < 0 && !is_transient(errno))
		return fail_errno(p, "drain", errno);
	return port_clock_check(p);
}

int port_fd_flush(struct port *p)
{
	if (ioctl(fd_of(p), TCFLSH, TCIFLUSH) < 0)
		return fail_errno(p, "flush", errno);
	return 0;
}

int port_fd_set_lines(struct port *p, int dtr, int rts)
{
	int lines, changed;

	if (ioctl(fd_of(p), TIOCMGET, &lines) < 0)
		return fail_errno(p, "read modem lines", errno);
	changed = lines;
	if (dtr != PORT_LINE_KEEP)
		changed = dtr ? changed | TIOCM_DTR : changed & ~TIOCM_DTR;
	if (rts != PORT_LINE_KEEP)
		changed = rts ? changed | TIOCM_RTS : changed & ~TIOCM_RTS;
	if (ioctl(fd_of(p), TIOCMSET, &changed) < 0)
		return fail_errno(p, "set modem lines", errno);
	return 0;
}

int port_fd_set_break(struct port *p, bool on)
{
	if (ioctl(fd_of(p), on ? TIOCSBRK : TIOCCBRK) < 0 && errno != ENOTTY)
		return fail_errno(p, "break", errno);
	return 0;
}

static bool is_near(uint32_t got, uint32_t want)
{
	uint64_t off = got > want ? got - want : want - got;

	return off * 100 <= (uint64_t)want * 3;
}

static void put_baud(struct termios2 *t, uint32_t baud)
{
	t->c_cflag &= ~(unsigned)(CBAUD | (CBAUD << IBSHIFT));
	t->c_cflag |= BOTHER | (unsigned)BOTHER << IBSHIFT;
	t->c_ispeed = t->c_ospeed = baud;
}

int port_fd_set_baud(struct port *p, uint32_t baud)
{
	struct termios2 before, now;

	if (ioctl(fd_of(p), TCGETS2, &before) < 0)
		return fail_errno(p, "read settings", errno);
	now = before;
	put_baud(&now, baud);
	if (ioctl(fd_of(p), TCSETS2, &now) < 0) {
		if (errno != EINVAL)
			return fail_errno(p, "set rate", errno);
		return esp_fail(&p->err, ESP_E_UNSUPPORTED, "%s: refuses %u baud", p->name, baud);
	}
	if (ioctl(fd_of(p), TCGETS2, &now) < 0)
		return fail_errno(p, "read settings", errno);
	if (is_near(now.c_ospeed, baud))
		return 0;
	ioctl(fd_of(p), TCSETS2, &before);
	return esp_fail(&p->err, ESP_E_UNSUPPORTED, "%s: asked for %u baud, the adapter set %u",
			p->name, baud, now.c_ospeed);
}

int port_fd_make_raw(struct port *p)
{
	struct port_fd *d = p->impl;
	struct termios2 t;

	if (ioctl(d->fd, TCGETS2, &t) < 0)
		return fail_errno(p, "read settings", errno);
	if (!d->found) {
		d->found = malloc(sizeof t);
		if (!d->found)
			return esp_fail(&p->err, ESP_E_NOMEM, "out of memory");
		memcpy(d->found, &t, sizeof t);
	}
	t.c_iflag = IGNBRK;
	t.c_oflag = 0;
	t.c_lflag = 0;
	t.c_cflag &= ~(unsigned)(CSIZE | PARENB | PARODD | CMSPAR | CSTOPB | CRTSCTS | HUPCL);
	t.c_cflag |= CS8 | CREAD | CLOCAL;
	/* One byte at least: with 0 an empty queue would look like a hang-up. */
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	if (ioctl(d->fd, TCSETS2, &t) < 0)
		return fail_errno(p, "set up", errno);
	return 0;
}

void port_fd_restore(struct port *p)
{
	struct port_fd *d = p->impl;
	struct termios2 *t = d->found;
	struct esp_error failure = p->err;	/* why we close is not to be lost */

	if (!t)
		return;
	/* At the old rate the last bytes would leave garbled. */
	port_fd_drain(p, CLOSE_DRAIN_MS);
	p->err = failure;
	t->c_cflag &= ~(unsigned)HUPCL;
	ioctl(d->fd, TCSETS2, t);
	free(t);
	d->found = NULL;
}

void port_fd_low_latency(struct port *p)
{
	struct serial_struct s;

	memset(&s, 0, sizeof s);
	if (ioctl(fd_of(p), TIOCGSERIAL, &s) < 0 || (s.flags & ASYNC_LOW_LATENCY))
		return;
	s.flags |= ASYNC_LOW_LATENCY;
	ioctl(fd_of(p), TIOCSSERIAL, &s);
}

static int fail_busy(struct port *p, const char *path)
{
	struct port_holder h;

	if (!port_holder_find(&h, path))
		return esp_fail(&p->err, ESP_E_BUSY, "%s: in use by another program", p->name);
	if (h.self)
		return esp_fail(&p->err, ESP_E_BUSY, "%s: this program has it open already",
				p->name);
	return esp_fail(&p->err, ESP_E_BUSY, "%s: in use by process %ld (%s)", p->name,
			(long)h.pid, h.command);
}

static int fail_access(struct port *p, const char *path)
{
	struct stat st;
	struct group *g;

	if (stat(path, &st) != 0)
		return esp_fail(&p->err, ESP_E_ACCESS, "%s: permission denied", p->name);
	g = getgrgid(st.st_gid);
	if (!g)
		return esp_fail(&p->err, ESP_E_ACCESS,
				"%s: permission denied; it belongs to group %ld (mode %04o)",
				p->name, (long)st.st_gid, st.st_mode & 07777u);
	return esp_fail(&p->err, ESP_E_ACCESS,
			"%s: permission denied; it belongs to group %s (mode %04o)", p->name,
			g->gr_name, st.st_mode & 07777u);
}

int port_fd_fail_open(struct port *p, const char *path, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG:
		return esp_fail(&p->err, ESP_E_MISSING, "%s: no such port", p->name);
	case ENODEV:
	case ENXIO:
		return esp_fail(&p->err, ESP_E_MISSING, "%s: no device behind this port", p->name);
	case EACCES:
	case EPERM:
		return fail_access(p, path);
	case EBUSY:
	case EWOULDBLOCK:	/* the lock */
		return fail_busy(p, path);
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return esp_fail(&p->err, ESP_E_NOMEM, "%s: %s", p->name, strerror(error));
	case EIO:		/* a pseudo-terminal whose other side is closed */
		return esp_fail(&p->err, ESP_E_GONE, "%s: nobody at the other side", p->name);
	}
	return esp_fail(&p->err, ESP_E_IO, "%s: %s", p->name, strerror(error));
}
