/* The port behind an RFC 2217 server, against a server that says anything; and the
 * reading of its URL. The first byte of the input says what the server does of
 * itself: agree to the protocol, answer each question, cut up what it says. Each
 * call ends in time, with an answer or one of the port's errors.
 * fuzz-sources: src/port/port.c src/port/port_remote.c src/port/port_remote_ask.c src/port/port_remote_open.c src/port/port_remote_url.c src/port/gio.c src/port/port_clock.c src/port/port_signal.c src/esp_err.c -ldl -lpthread
 */
#include "../../src/port/gio.h"
#include "../../src/port/port.h"
#include "../../src/port/port_remote_url.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The library forgets what asks a question that was never answered. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libgensio\nleak:sergensio_";
}

int port_serial_open(struct port *p, const char *path, uint32_t baud)
{
	(void)path;
	(void)baud;
	return esp_fail(&p->err, ESP_E_MISSING, "none");
}

int port_sim_open(struct port *p, const char *rest, uint32_t baud)
{
	return port_serial_open(p, rest, baud);
}

enum {
	AGREES = 1, ANSWERS = 2, CUTS = 4, LINGERS = 8,
	/* The library looks for consent to the protocol for 4 s, during which it
	 * does not come back to us while the server has said something else. */
	CONSENT_MS = 4000,
	LIMIT_MS = CONSENT_MS + 4000,
};

struct server {
	int listener;
	const uint8_t *data;
	size_t size;
	uint8_t mood;
};

static void check(int holds)
{
	if (!holds)
		abort();
}

static uint64_t ms_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void say(int fd, const void *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		data = (const uint8_t *)data + n;
		len -= (size_t)n;
	}
}

/* Answers what looks like a question of the client: its code plus 100, same value. */
static void answer(int fd, uint8_t *heard, size_t len)
{
	for (size_t i = 0; i + 4 < len; i++)
		if (heard[i] == 255 && heard[i + 1] == 250 && heard[i + 2] == 44) {
			size_t end = i + 4;

			while (end + 1 < len && !(heard[end] == 255 && heard[end + 1] == 240))
				end++;
			if (end + 1 >= len)
				return;
			heard[i + 3] = (uint8_t)(heard[i + 3] + 100);
			say(fd, heard + i, end + 2 - i);
			i = end + 1;
		}
}

static void hear(int fd, const struct server *s, int ms)
{
	struct pollfd p = { fd, POLLIN, 0 };
	uint8_t heard[2048];
	ssize_t n;

	while (poll(&p, 1, ms) > 0 && (n = recv(fd, heard, sizeof heard, 0)) > 0)
		if (s->mood & ANSWERS)
			answer(fd, heard, (size_t)n);
}

static void *serve(void *arg)
{
	static const uint8_t agreed[] = { 255, 253, 44, 255, 251, 44, 255, 253, 0, 255, 251, 0,
		255, 253, 3, 255, 251, 3 };
	const struct server *s = arg;
	struct pollfd p = { s->listener, POLLIN, 0 };
	size_t piece = s->mood & CUTS ? 7 : s->size, at;
	int fd;

	if (poll(&p, 1, 1000) <= 0)
		return NULL;
	fd = accept(s->listener, NULL, NULL);
	if (s->mood & AGREES)
		say(fd, agreed, sizeof agreed);
	for (at = 0; at < s->size; at += piece) {
		say(fd, s->data + at, s->size - at < piece ? s->size - at : piece);
		hear(fd, s, 1);
	}
	hear(fd, s, s->mood & LINGERS ? 60 : 10);
	close(fd);
	return NULL;
}

/* Whatever is asked of it. */
static void use(struct port *p)
{
	uint8_t buf[256];
	int rc = port_set_lines(p, 1, 0);

	if (rc >= 0)
		rc = port_write(p, "\xff\xff\xc0", 3, 20);
	if (rc >= 0)
		rc = port_set_baud(p, 9600);
	for (int i = 0; rc >= 0 && i < 50; i++) {
		rc = port_read(p, buf, sizeof buf, 1);
		check(rc <= (int)sizeof buf);
	}
	if (rc >= 0)
		rc = port_flush(p);
	if (rc >= 0)
		rc = port_drain(p, 20);
	check(rc >= 0 || p->err.code == rc);
}

/* What is understood fits and is plain. */
static void read_url(const uint8_t *data, size_t size)
{
	struct remote_url url;
	char text[256], stack[REMOTE_STACK_MAX];
	struct port p;

	if (size > sizeof text - 1)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	port_init(&p);
	snprintf(p.name, sizeof p.name, "rfc2217://%s", text);
	if (remote_url_parse(&p, &url, text) >= 0 && remote_url_stack(&p, &url, stack, sizeof stack) >= 0)
		check(strlen(stack) < sizeof stack && url.timeout_ms > 0);
}

static int listen_somewhere(int *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 8) == 0 &&
	      getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	*port = ntohs(at.sin_port);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct server s = { -1, NULL, 0, 0 };
	static int where;
	char url[64];
	struct esp_error err;
	struct gio g;
	struct port p;
	pthread_t thread;
	uint64_t start = ms_now();

	if (size < 1 || size > 4096)
		return 0;
	read_url(data + 1, size - 1);
	if (data[0] & 0x80 || gio_load(&g, &err) < 0)
		return 0;
	if (s.listener < 0)
		s.listener = listen_somewhere(&where);
	s.mood = data[0];
	s.data = data + 1;
	s.size = size - 1;
	check(pthread_create(&thread, NULL, serve, &s) == 0);
	snprintf(url, sizeof url, "rfc2217://127.0.0.1:%d?timeout=0.05", where);
	port_init(&p);
	if (port_open(&p, url, 115200) >= 0)
		use(&p);
	port_close(&p);
	pthread_join(thread, NULL);
	check(ms_now() - start < LIMIT_MS);
	return 0;
}
