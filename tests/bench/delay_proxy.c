/* delay_proxy - a TCP connection that takes its time.
 *
 * Usage: delay_proxy TARGET_PORT DELAY_MS
 * Listens on a free port of 127.0.0.1, prints its number, and passes one client
 * after another through to 127.0.0.1:TARGET_PORT. Every byte arrives DELAY_MS
 * later, in each direction, as on a long line: nothing is slowed down otherwise.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIECE 4096
#define PIECES 1024	/* on their way in one direction at most */

struct piece {
	uint64_t due_us;
	size_t len, at;
	uint8_t data[PIECE];
};

struct way {
	int from, to;
	unsigned first, count;
	struct piece pieces[PIECES];
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int set_up(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

static int dial(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		die("connect");
	return set_up(fd);
}

/* Takes one piece in; false when the sender has closed. */
static int take(struct way *w, uint64_t delay_us)
{
	struct piece *p = &w->pieces[(w->first + w->count) % PIECES];
	ssize_t n = read(w->from, p->data, sizeof p->data);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	p->len = (size_t)n;
	p->at = 0;
	p->due_us = now_us() + delay_us;
	w->count += n > 0;
	return n > 0;
}

/* Passes on what is due; false when the receiver has gone. */
static int give(struct way *w)
{
	while (w->count > 0 && w->pieces[w->first].due_us <= now_us()) {
		struct piece *p = &w->pieces[w->first];
		ssize_t n = write(w->to, p->data + p->at, p->len - p->at);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		p->at += (size_t)n;
		if (p->at < p->len)
			return 1;
		w->first = (w->first + 1) % PIECES;
		w->count--;
	}
	return 1;
}

static int wait_ms(const struct way *ways)
{
	uint64_t due = UINT64_MAX, now = now_us();
	int i;

	for (i = 0; i < 2; i++)
		if (ways[i].count > 0 && ways[i].pieces[ways[i].first].due_us < due)
			due = ways[i].pieces[ways[i].first].due_us;
	if (due == UINT64_MAX)
		return -1;
	return due <= now ? 1 : (int)((due - now + 999) / 1000);
}

static void pass(int client, int server, uint64_t delay_us)
{
	static struct way ways[2];
	int alive = 1, i;

	memset(ways, 0, sizeof ways);
	ways[0].from = ways[1].to = client;
	ways[0].to = ways[1].from = server;
	while (alive) {
		struct pollfd p[2] = { { client, 0, 0 }, { server, 0, 0 } };

		for (i = 0; i < 2; i++)
			p[i].events = ways[i].count < PIECES ? POLLIN : 0;
		poll(p, 2, wait_ms(ways));
		for (i = 0; i < 2 && alive; i++) {
			if (p[i].revents & (POLLIN | POLLHUP | POLLERR))
				alive = take(&ways[i], delay_us);
			alive = alive && give(&ways[i]);
		}
	}
	close(client);
	close(server);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (argc != 3) {
		fprintf(stderr, "usage: delay_proxy TARGET_PORT DELAY_MS\n");
		return 2;
	}
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4) < 0
	    || getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		die("listen");
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client < 0)
			die("accept");
		pass(set_up(client), dial((uint16_t)atoi(argv[1])),
		     (uint64_t)atoi(argv[2]) * 1000u);
	}
}
