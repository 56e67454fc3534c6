/* What is served is a serial port of this machine, with the board behind it. */
#include "serve_impl.h"

#include "../port/port.h"

/* At most so much is handed to the system at once: while its buffer is full
 * nobody listens to the client. */
#define PIECE 512u
#define WRITE_MS 5000u

static int note(struct serve *s, int rc)
{
	struct port *p = s->impl->board;

	return rc < 0 ? esp_fail(&s->err, rc, "%s", p->err.text) : rc;
}

static int live(struct serve *s)
{
	(void)s;
	return 0;
}

static int receive(struct serve *s, const uint8_t *buf, size_t len)
{
	size_t n = len < PIECE ? len : PIECE;
	int rc = note(s, port_write(s->impl->board, buf, n, WRITE_MS));

	return rc < 0 ? rc : (int)n;
}

static int sent(struct serve *s, uint8_t *buf, size_t cap)
{
	return note(s, port_read(s->impl->board, buf, cap, 0));
}

static int set_lines(struct serve *s, bool dtr, bool rts)
{
	return note(s, port_set_lines(s->impl->board, dtr, rts));
}

static int set_break(struct serve *s, bool on)
{
	return note(s, port_set_break(s->impl->board, on));
}

/* A rate that the port cannot do is refused by keeping the old one: the client
 * hears which one that is. */
static int set_baud(struct serve *s, uint32_t baud)
{
	struct port *p = s->impl->board;
	int rc = port_set_baud(p, baud);

	if (rc == ESP_E_UNSUPPORTED || rc == ESP_E_ARGUMENT) {
		s->impl->baud = p->baud;
		return 0;
	}
	return note(s, rc);
}

static const struct serve_board port_board = {
	.name = "moonflash shared port",
	.live = live,
	.receive = receive,
	.sent = sent,
	.set_lines = set_lines,
	.set_break = set_break,
	.set_baud = set_baud,
};

int serve_open_port(struct serve *s, struct port *port, const char *where)
{
	return serve_open_board(s, &port_board, port, 0, where);
}
