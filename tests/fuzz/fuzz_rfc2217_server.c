/* A port served by RFC 2217 (it echoes), against a client that says anything. The
 * server lives on: after each client it takes the next one.
 * fuzz-sources: src/serve/serve.c src/serve/serve_net.c src/serve/serve_port.c src/serve/serve_pty.c src/port/port.c src/port/gio.c src/port/port_clock.c src/port/port_signal.c src/esp_err.c -ldl -lpthread
 */
#include "../../src/port/gio.h"
#include "../../src/port/port.h"
#include "../../src/serve/serve.h"
#include "../../src/port/port_clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

int port_remote_open(struct port *p, const char *rest, uint32_t baud)
{
	return port_serial_open(p, rest, baud);
}

static void check(int holds)
{
	if (!holds)
		abort();
}

/* ---- the port that is served: what is written comes back ---- */

static struct {
	uint8_t data[65536];
	size_t len;
} wire;

static int wire_read(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
{
	size_t n = wire.len < cap ? wire.len : cap;

	(void)p;
	(void)timeout_ms;
	memcpy(buf, wire.data, n);
	memmove(wire.data, wire.data + n, wire.len - n);
	wire.len -= n;
	return (int)n;
}

static int wire_write(struct port *p, const void *buf, size_t len, uint32_t timeout_ms)
{
	size_t room = sizeof wire.data - wire.len;
	size_t n = len < room ? len : room;

	(void)p;
	(void)timeout_ms;
	memcpy(wire.data + wire.len, buf, n);
	wire.len += n;
	return 0;
}

static int wire_drain(struct port *p, uint32_t timeout_ms)
{
	(void)p;
	(void)timeout_ms;
	return 0;
}

static int wire_flush(struct port *p)
{
	(void)p;
	wire.len = 0;
	return 0;
}

static int wire_set_baud(struct port *p, uint32_t baud)
{
	(void)p;
	check(baud > 0 && baud <= PORT_MAX_BAUD);
	return 0;
}

static int wire_set_lines(struct port *p, int dtr, int rts)
{
	(void)p;
	(void)dtr;
	(void)rts;
	return 0;
}

static int wire_set_break(struct port *p, bool on)
{
	(void)p;
	(void)on;
	return 0;
}

static void wire_close(struct port *p)
{
	(void)p;
}

static const struct port_ops wire_ops = {
	.kind = "wire", .features = PORT_HAS_LINES | PORT_HAS_BAUD,
	.read = wire_read, .write = wire_write, .drain = wire_drain, .flush = wire_flush,
	.set_baud = wire_set_baud, .set_lines = wire_set_lines, .set_break = wire_set_break,
	.sleep = port_clock_sleep, .now_us = port_clock_port_now_us, .close = wire_close,
};

/* ---- serving ---- */

static void *run(void *arg)
{
	struct serve *one = arg;

	check(serve_run(&one, 1, 0) == 0);
	return NULL;
}

/* Starts the server; its TCP port, or 0 without the library. */
static int start(void)
{
	static struct serve serve;
	static struct port port;
	struct esp_error err;
	pthread_t thread;
	struct gio g;

	if (gio_load(&g, &err) < 0)
		return 0;
	port_init(&port);
	port.ops = &wire_ops;
	port.baud = 115200;
	serve_init(&serve);
	check(serve_open_port(&serve, &port, "rfc2217:127.0.0.1:0") == 0);
	check(pthread_create(&thread, NULL, run, &serve) == 0);
	return atoi(strrchr(serve.where, ':') + 1);
}

/* What the server still answers; it ends when nothing came for a while. */
static void listen_to(int fd, int ms)
{
	struct pollfd p = { fd, POLLIN, 0 };
	uint8_t buf[4096];

	for (int i = 0; i < 20 && poll(&p, 1, ms) > 0; i++)
		if (recv(fd, buf, sizeof buf, 0) <= 0)
			return;
}

/* The alarms by which libFuzzer finds out what takes too long interrupt connect(),
 * which goes on all the same. */
static int connect_to(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), err = 0;
	struct pollfd p = { fd, POLLOUT, 0 };
	socklen_t len = sizeof err;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(fd >= 0);
	if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	check(errno == EINTR);
	while (poll(&p, 1, 10000) < 0)
		check(errno == EINTR);
	check(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0 && p.revents);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int port = -1;
	int fd;

	if (port < 0)
		port = start();
	if (port == 0 || size > 4096)
		return 0;
	fd = connect_to(port);
	for (size_t n = 0; n < size; n += 512)
		if (send(fd, data + n, size - n < 512 ? size - n : 512, MSG_NOSIGNAL) < 0)
			break;
	listen_to(fd, 1);
	close(fd);
	return 0;
}
