/* A chip behind a pseudo-terminal. The client's rate is seen, its modem lines
 * do not exist. */
#include "serve_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <asm/termbits.h>
#include <sys/ioctl.h>

struct way {
	int master;
	char path[64];
	char link[SERVE_WHERE_MAX];	/* "" when there is none */
};

/* Nothing is translated or echoed, not even before a client has set it up. */
static int make_raw(int fd)
{
	struct termios2 t;

	if (ioctl(fd, TCGETS2, &t) < 0)
		return -1;
	t.c_iflag = IGNBRK;
	t.c_oflag = 0;
	t.c_lflag = 0;
	t.c_cflag = (t.c_cflag & ~(unsigned)(CSIZE | PARENB | CBAUD)) | CS8 | CREAD | CLOCAL |
		    B115200;
	return ioctl(fd, TCSETS2, &t);
}

/* Only a client that comes and goes makes the hang-up that tells whether one is
 * there; before the first it would be missing. */
static void be_first_client(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
}

static int open_master(struct serve *s, struct way *w)
{
	w->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (w->master < 0 || grantpt(w->master) < 0 || unlockpt(w->master) < 0 ||
	    ptsname_r(w->master, w->path, sizeof w->path) != 0 || make_raw(w->master) < 0)
		return esp_fail(&s->err, ESP_E_IO, "no pseudo-terminal: %s", strerror(errno));
	be_first_client(w->path);
	return 0;
}

/* A link that is there already is replaced, anything else is not. */
static int make_link(struct serve *s, struct way *w, const char *link)
{
	struct stat st;

	if (strlen(link) >= sizeof w->link)
		return esp_fail(&s->err, ESP_E_ARGUMENT, "the name of the link is too long");
	if (lstat(link, &st) == 0 && S_ISLNK(st.st_mode))
		unlink(link);
	if (symlink(w->path, link) < 0)
		return esp_fail(&s->err, errno == EACCES ? ESP_E_ACCESS : ESP_E_IO, "%s: %s", link,
				strerror(errno));
	snprintf(w->link, sizeof w->link, "%s", link);
	return 0;
}

static int pty_open(struct serve *s, const char *rest)
{
	struct way *w = calloc(1, sizeof *w);
	int rc;

	if (!w)
		return esp_fail(&s->err, ESP_E_NOMEM, "out of memory");
	w->master = -1;
	s->impl->way = w;
	rc = open_master(s, w);
	if (rc == 0 && *rest)
		rc = make_link(s, w, rest);
	snprintf(s->where, sizeof s->where, "%s", *rest ? rest : w->path);
	return rc;
}

static void look_at_rate(struct serve *s, int fd)
{
	struct termios2 t;

	if (ioctl(fd, TCGETS2, &t) == 0 && t.c_ospeed > 0 && t.c_ospeed != s->impl->baud)
		serve_set_baud(s, t.c_ospeed);
}

static void read_client(struct serve *s, int fd)
{
	size_t room = sizeof s->impl->in.data - s->impl->in.len;
	uint8_t buf[4096];
	ssize_t n = read(fd, buf, room < sizeof buf ? room : sizeof buf);

	if (n > 0)
		serve_take(s, buf, (size_t)n);
}

static void pause_ms(int ms)
{
	struct timespec ts = { 0, (long)ms * 1000000 };

	nanosleep(&ts, NULL);
}

/* A terminal without a client reports its hang-up again and again, so there
 * nothing can be waited for but time. */
static void pty_wait(struct serve *s, int ms)
{
	struct way *w = s->impl->way;
	bool full = s->impl->in.len == sizeof s->impl->in.data;
	struct pollfd pfd = { w->master, full ? 0 : POLLIN, 0 };

	poll(&pfd, 1, s->impl->client ? ms : 0);
	look_at_rate(s, w->master);
	if (pfd.revents & POLLIN)
		read_client(s, w->master);
	serve_set_client(s, !(pfd.revents & POLLHUP));
	if (pfd.revents & POLLHUP || full)
		pause_ms(ms);
}

static size_t pty_send(struct serve *s, const uint8_t *buf, size_t len)
{
	struct way *w = s->impl->way;
	ssize_t n = write(w->master, buf, len);

	return n > 0 ? (size_t)n : 0;
}

/* The link may be another server's by now. */
static void remove_link(const struct way *w)
{
	char to[sizeof w->path];
	ssize_t n = readlink(w->link, to, sizeof to - 1);

	if (n < 0)
		return;
	to[n] = '\0';
	if (strcmp(to, w->path) == 0)
		unlink(w->link);
}

static void pty_close(struct serve *s)
{
	struct way *w = s->impl->way;

	if (!w)
		return;
	if (w->link[0])
		remove_link(w);
	if (w->master >= 0)
		close(w->master);
	free(w);
}

const struct serve_kind serve_pty_kind = {
	"pty", pty_open, pty_wait, pty_send, pty_close,
};
