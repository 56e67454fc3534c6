/* What is served is a simulated chip. It lives in the wall clock's time. */
#include "serve_impl.h"

#include "../port/port_clock.h"
#include "../sim/chip.h"

/* A chip that fell behind by more (the machine is too slow) does not try to
 * make it up: its clock is late from then on. */
#define BEHIND_MAX_US 200000u
/* Longest stretch that a chip lives at once, so that the client is heard. */
#define STRETCH_US 20000u

static int live(struct serve *s)
{
	struct serve_impl *i = s->impl;
	struct chip *chip = i->board;
	uint64_t due = port_clock_now_us() - i->wall_start_us;
	uint64_t now = chip_now_us(chip);

	if (due > now + BEHIND_MAX_US) {
		i->wall_start_us += due - now - BEHIND_MAX_US;
		due = now + BEHIND_MAX_US;
	}
	while (now < due) {
		now = due - now > STRETCH_US ? now + STRETCH_US : due;
		chip_run(chip, now, false);
	}
	return 0;
}

static int receive(struct serve *s, const uint8_t *buf, size_t len)
{
	return (int)chip_receive(s->impl->board, buf, len);
}

static int sent(struct serve *s, uint8_t *buf, size_t cap)
{
	return (int)chip_sent(s->impl->board, buf, cap);
}

static int set_lines(struct serve *s, bool dtr, bool rts)
{
	chip_set_lines(s->impl->board, dtr, rts);
	return 0;
}

static int set_break(struct serve *s, bool on)
{
	chip_set_break(s->impl->board, on);
	return 0;
}

static int set_baud(struct serve *s, uint32_t baud)
{
	chip_set_host_baud(s->impl->board, baud);
	return 0;
}

static const struct serve_board chip_board = {
	.name = "moonflash simulated ESP8266",
	.live = live,
	.receive = receive,
	.sent = sent,
	.set_lines = set_lines,
	.set_break = set_break,
	.set_baud = set_baud,
};

int serve_open(struct serve *s, struct chip *chip, const char *where)
{
	return serve_open_board(s, &chip_board, chip, port_clock_now_us() - chip_now_us(chip),
				where);
}
