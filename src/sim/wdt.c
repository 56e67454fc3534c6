#include "wdt.h"

#include "ticks.h"

enum { CTL_ENABLE = 1, CTL_RESET_ONLY = 1 << 2, FEED = 0x73 };

/* The stages last 2^n times about 0.8 ms. */
static uint64_t stage_ticks(const struct wdt *w)
{
	uint32_t n = (w->stage ? w->op_nd : w->op) & 0xF;

	return (800ull << n) * TICKS_PER_US;
}

static void restart(struct wdt *w, uint64_t now)
{
	w->fed_at = now;
	w->due = w->ctl & CTL_ENABLE ? now + stage_ticks(w) : TICKS_NEVER;
}

void wdt_reset(struct wdt *w)
{
	*w = (struct wdt){ .due = TICKS_NEVER };
}

uint32_t wdt_read(const struct wdt *w, uint64_t now, uint32_t off)
{
	switch (off) {
	case 0x00: return w->ctl;
	case 0x04: return w->op;
	case 0x08: return w->op_nd;
	case 0x0C: return w->due == TICKS_NEVER ? 0 :
			(uint32_t)((now - w->fed_at) / (800ull * TICKS_PER_US));
	case 0x10: return w->stage;
	default: return 0;
	}
}

void wdt_write(struct wdt *w, uint64_t now, uint32_t off, uint32_t value)
{
	switch (off) {
	case 0x00:
		if ((w->ctl ^ value) & CTL_ENABLE)
			w->stage = 0;
		w->ctl = value;
		break;
	case 0x04: w->op = value; break;
	case 0x08: w->op_nd = value; break;
	case 0x14:
		if (value != FEED)
			return;
		w->stage = 0;
		w->acknowledged = false;
		break;
	case 0x18:
		w->acknowledged |= value == FEED;
		return;
	default: return;
	}
	restart(w, now);
}

void wdt_run(struct wdt *w, uint64_t now)
{
	if (now < w->due)
		return;
	if (w->stage || (w->ctl & CTL_RESET_ONLY)) {
		w->bites = true;
		w->due = TICKS_NEVER;
		return;
	}
	w->stage = 1;
	restart(w, w->due);
}

bool wdt_irq(const struct wdt *w)
{
	return w->stage == 1 && !w->acknowledged;
}
