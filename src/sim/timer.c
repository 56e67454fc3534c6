#include "timer.h"

#include "ticks.h"

enum { CTRL_RELOAD = 1 << 6, CTRL_ENABLE = 1 << 7, CTRL_PENDING = 1 << 8, FRC1_MASK = 0x7FFFFF };

/* Ticks per count. */
static uint64_t step(const struct timer *t)
{
	static const uint32_t prescale[] = { 1, 16, 256, 256 };

	return (uint64_t)prescale[t->ctrl >> 2 & 3] * t->clock_ticks;
}

static uint32_t count_at(const struct timer *t, uint64_t now)
{
	uint32_t moved = 0;

	if (t->ctrl & CTRL_ENABLE)
		moved = (uint32_t)((now - t->base_at) / step(t));
	return t->down ? (t->base - moved) & FRC1_MASK : t->base + moved;
}

/* Counts from the event to the next one, never 0. */
static uint64_t distance(const struct timer *t)
{
	uint32_t d = t->down ? t->base & FRC1_MASK : t->alarm - t->base;

	if (d)
		return d;
	return t->down ? FRC1_MASK + 1ull : 1ull << 32;
}

static void rebase(struct timer *t, uint64_t now, uint32_t count)
{
	t->base = count;
	t->base_at = now;
	t->hit_at = t->ctrl & CTRL_ENABLE ? now + distance(t) * step(t) : TICKS_NEVER;
}

void timer_reset(struct timer *t, bool down, uint64_t now, uint32_t clock_ticks)
{
	*t = (struct timer){ .down = down, .clock_ticks = clock_ticks };
	rebase(t, now, 0);
}

void timer_set_clock(struct timer *t, uint64_t now, uint32_t clock_ticks)
{
	uint32_t count = count_at(t, now);

	t->clock_ticks = clock_ticks;
	rebase(t, now, count);
}

uint32_t timer_read(struct timer *t, uint64_t now, uint32_t off)
{
	timer_run(t, now);
	switch (off) {
	case TIMER_LOAD: return t->load;
	case TIMER_COUNT: return count_at(t, now);
	case TIMER_CTRL: return t->ctrl | (t->pending ? CTRL_PENDING : 0);
	case TIMER_ALARM: return t->alarm;
	default: return 0;
	}
}

void timer_write(struct timer *t, uint64_t now, uint32_t off, uint32_t value)
{
	uint32_t count;

	timer_run(t, now);
	count = count_at(t, now);
	switch (off) {
	case TIMER_LOAD:
		t->load = count = t->down ? value & FRC1_MASK : value;
		break;
	case TIMER_CTRL: t->ctrl = value & ~(uint32_t)CTRL_PENDING; break;
	case TIMER_INT: t->pending = false; return;
	case TIMER_ALARM: t->alarm = value; break;
	default: return;
	}
	rebase(t, now, count);
}

bool timer_run(struct timer *t, uint64_t now)
{
	bool reload = t->ctrl & CTRL_RELOAD;

	if (now < t->hit_at)
		return false;
	t->pending = true;
	/* Whole periods that went by unseen make one interrupt, as one flag does. */
	while (t->hit_at <= now)
		rebase(t, t->hit_at, reload ? t->load : t->down ? 0 : t->alarm);
	return true;
}
