#include "board.h"

#include "ticks.h"

#include <string.h>

/* RST rises late because of the capacitor on it, which is what lets a host
 * that changes its lines one after the other pull GPIO0 low in time. */
enum { RISE_TICKS = 1000 * TICKS_PER_US, PULSE_TICKS = 10000 * TICKS_PER_US };

void board_init(struct board *b, const struct chip_config *cfg)
{
	memset(b, 0, sizeof *b);
	b->wired = cfg->lines_wired;
	b->wiring = cfg->wiring;
	b->rise_at = TICKS_NEVER;
}

static void drive_reset(struct board *b, uint64_t now, bool low)
{
	if (low) {
		b->rst_low = true;
		b->rise_at = TICKS_NEVER;
	} else if (b->rst_low && b->rise_at == TICKS_NEVER) {
		b->rise_at = now + RISE_TICKS;
	}
}

void board_set_lines(struct board *b, uint64_t now, bool dtr, bool rts)
{
	bool dtr_falls = dtr && !b->dtr;

	b->dtr = dtr;
	b->rts = rts;
	if (!b->wired)
		return;
	if (b->wiring == CHIP_WIRING_NODEMCU)
		drive_reset(b, now, rts && !dtr);
	else if (b->wiring == CHIP_WIRING_DIRECT)
		drive_reset(b, now, rts);
	else if (dtr_falls) {
		b->rst_low = true;
		b->rise_at = now + PULSE_TICKS;
	}
}

void board_set_break(struct board *b, bool on)
{
	b->brk = on;
}

bool board_gpio0(const struct board *b)
{
	switch (b->wiring) {
	case CHIP_WIRING_NODEMCU: return !(b->dtr && !b->rts);
	case CHIP_WIRING_DIRECT: return !b->dtr;
	default: return !b->brk;
	}
}

bool board_run(struct board *b, uint64_t now)
{
	if (now < b->rise_at)
		return false;
	b->rise_at = TICKS_NEVER;
	b->rst_low = false;
	return true;
}
