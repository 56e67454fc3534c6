/* rfc2217_peer.h - an RFC 2217 server for tests, in a process of its own, that
 * echoes data, notes what it is asked and misbehaves when told. Its telnet is
 * written from RFC 854 and RFC 2217 alone, so that it is an independent judge
 * of the client. */
#ifndef RFC2217_PEER_H
#define RFC2217_PEER_H

#include "port_pty.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { IAC = 255, DONT = 254, DO = 253, WONT = 252, WILL = 251, SB = 250, SE = 240, COM_PORT = 44 };

/* Codes of RFC 2217; the server's answer is the code plus 100. */
enum { SET_BAUD = 1, SET_DATASIZE, SET_PARITY, SET_STOPSIZE, SET_CONTROL, PURGE = 12 };

enum peer_mood {
	PEER_GOOD,
	PEER_SILENT,		/* accepts and says nothing at all */
	PEER_REFUSES,		/* DONT COM-PORT */
	PEER_MUTE,		/* agrees, then answers no question */
	PEER_DRIPS,		/* one byte of its greeting a second */
	PEER_OTHER_RATE,	/* sets 9600 whatever it is asked */
	PEER_CLOSES,		/* hangs up at the first data byte */
	PEER_CLOSES_AT_ONCE,
	PEER_DEAF,		/* reads nothing once 921600 baud are set */
	PEER_MAD,		/* greets with endless and broken options */
	PEER_FLOOD,		/* sends data without end */
	PEER_CHATTY,		/* its board talks before the negotiation is over */
	PEER_OFFERS,		/* says WILL COM-PORT at once, agrees only later */
	PEER_SLOW,		/* each answer takes 300 ms */
};

struct peer_notes {
	volatile uint32_t baud, bauds;
	volatile int datasize, parity, stopsize, flow;
	volatile int purges, data;
	volatile int controls;
	volatile uint8_t control[64];	/* SET_CONTROL values 4 and up, in order */
	volatile uint32_t at_ms[64];
};

struct peer {
	int port;
	pid_t pid;
	struct peer_notes *notes;
};

struct peer_state {
	int fd;
	enum peer_mood mood;
	struct peer_notes *n;
	uint8_t cmd[64];
	size_t len;		/* of cmd */
	int in;			/* 0 data, 1 after IAC, 2 after WILL.., 3 in SB, 4 IAC in SB */
	uint8_t verb;
};

static inline void peer_send(struct peer_state *s, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = send(s->fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			_exit(0);
		p += n;
		len -= (size_t)n;
	}
}

static inline void peer_answer(struct peer_state *s, uint8_t code, const uint8_t *val, size_t len)
{
	uint8_t out[64] = { IAC, SB, COM_PORT, (uint8_t)(code + 100) };
	size_t n = 4;

	for (size_t i = 0; i < len; i++) {
		out[n++] = val[i];
		if (val[i] == IAC)
			out[n++] = IAC;
	}
	out[n++] = IAC;
	out[n++] = SE;
	peer_send(s, out, n);
}

static inline void peer_control(struct peer_notes *n, uint8_t v)
{
	if (v <= 3)
		n->flow = v;
	if (v < 4 || n->controls >= 64)
		return;
	n->at_ms[n->controls] = (uint32_t)ms_now();
	n->control[n->controls++] = v;
}

static inline void peer_option(struct peer_state *s)
{
	static const uint8_t low_rate[] = { 0, 0, 0x25, 0x80 };	/* 9600 */
	const uint8_t *v = s->cmd + 2;

	if (s->mood == PEER_SLOW)
		nap_ms(300);
	if (s->mood == PEER_MUTE || s->len < 3 || s->cmd[0] != COM_PORT)
		return;
	switch (s->cmd[1]) {
	case SET_BAUD:
		s->n->baud = (uint32_t)v[0] << 24 | v[1] << 16 | v[2] << 8 | v[3];
		s->n->bauds++;
		if (s->mood == PEER_OTHER_RATE)
			v = low_rate;
		peer_answer(s, SET_BAUD, v, 4);
		if (s->mood == PEER_DEAF && s->n->baud == 921600)
			for (;;)
				pause();
		return;
	case SET_DATASIZE: s->n->datasize = v[0]; break;
	case SET_PARITY: s->n->parity = v[0]; break;
	case SET_STOPSIZE: s->n->stopsize = v[0]; break;
	case SET_CONTROL: peer_control(s->n, v[0]); break;
	case PURGE: s->n->purges++; break;
	}
	peer_answer(s, s->cmd[1], v, 1);
}

static inline void peer_verb(struct peer_state *s, uint8_t option)
{
	uint8_t out[3] = { IAC, 0, option };

	if (s->verb == WILL && (s->mood == PEER_OFFERS || s->mood == PEER_CHATTY))
		nap_ms(200);
	if (s->verb == WILL)
		out[1] = option == COM_PORT && s->mood != PEER_REFUSES ? DO : DONT;
	else if (s->verb == DO)
		out[1] = option == 0 ? WILL : WONT;
	else
		return;
	if (option == COM_PORT || option == 0)
		peer_send(s, out, 3);
}

static inline void peer_data(struct peer_state *s, uint8_t b)
{
	uint8_t twice[2] = { b, b };

	s->n->data++;
	if (s->mood == PEER_CLOSES)
		_exit(0);
	peer_send(s, twice, b == IAC ? 2 : 1);
}

static inline void peer_feed(struct peer_state *s, uint8_t b)
{
	switch (s->in) {
	case 0:
		if (b == IAC)
			s->in = 1;
		else
			peer_data(s, b);
		return;
	case 1:
		s->in = b == SB ? 3 : b >= WILL && b <= DONT ? 2 : 0;
		s->verb = b;
		s->len = 0;
		if (b == IAC)
			peer_data(s, b);
		return;
	case 2:
		s->in = 0;
		peer_verb(s, b);
		return;
	case 3:
		if (b == IAC)
			s->in = 4;
		else if (s->len < sizeof s->cmd)
			s->cmd[s->len++] = b;
		return;
	default:
		s->in = b == IAC ? 3 : 0;
		if (b == IAC && s->len < sizeof s->cmd)
			s->cmd[s->len++] = b;
		else if (b == SE)
			peer_option(s);
	}
}

static inline void peer_mad(struct peer_state *s)
{
	uint8_t junk[600];

	for (int i = 0; i < 200; i++) {
		memset(junk, i, sizeof junk);
		junk[0] = IAC;
		junk[1] = SB;
		junk[2] = i % 3 ? COM_PORT : (uint8_t)i;
		junk[3] = (uint8_t)(i * 7);
		junk[598] = IAC;
		junk[599] = i % 5 ? SE : 7;
		peer_send(s, junk, i % 2 ? sizeof junk : (size_t)(i % 9));
		peer_send(s, "\377\373\001\377\374\001\377\375\042\377\376\042\377\360\377\361", 16);
	}
}

static inline void peer_serve(int fd, enum peer_mood mood, struct peer_notes *n)
{
	struct peer_state s = { .fd = fd, .mood = mood, .n = n };
	static const uint8_t hello[] = { IAC, DO, COM_PORT, IAC, WILL, 0, IAC, DO, 0 };
	uint8_t buf[4096];
	ssize_t got;

	if (mood == PEER_CLOSES_AT_ONCE)
		return;
	for (size_t i = 0; mood == PEER_DRIPS; i++) {
		peer_send(&s, hello + i % 3, 1);
		nap_ms(1000);
	}
	while (mood == PEER_SILENT)
		pause();
	if (mood == PEER_OFFERS)
		peer_send(&s, (uint8_t[]){ IAC, WILL, COM_PORT }, 3);
	if (mood == PEER_CHATTY)
		peer_send(&s, "ets Jan  8 2013,rst cause:2\r\n", 29);
	if (mood == PEER_MAD)
		peer_mad(&s);
	memset(buf, 0xa5, sizeof buf);
	while ((got = recv(fd, buf, sizeof buf, 0)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			peer_feed(&s, buf[i]);
		while (mood == PEER_FLOOD && n->flow == 1 && n->bauds)
			peer_send(&s, buf, sizeof buf);
	}
}

static inline void peer_start(struct peer *p, enum peer_mood mood)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, c;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	p->port = ntohs(at.sin_port);
	p->notes = mmap(NULL, sizeof *p->notes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(p->notes != MAP_FAILED);
	p->pid = fork();
	if (p->pid == 0) {
		alarm(30);
		c = accept(fd, NULL, NULL);
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		peer_serve(c, mood, p->notes);
		_exit(0);
	}
	close(fd);
}

static inline void peer_stop(struct peer *p)
{
	if (p->pid <= 0)
		return;
	kill(p->pid, SIGKILL);
	child_code(p->pid);
	munmap(p->notes, sizeof *p->notes);
	p->pid = 0;
}

#endif
