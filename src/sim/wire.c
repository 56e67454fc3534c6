#include "wire.h"

#include "ticks.h"

#include <string.h>

#define BREAK_TICKS (TICKS_NEVER / 4)	/* a break with no end yet */

void wire_init(struct wire *w)
{
	memset(w, 0, sizeof *w);
}

static bool odd_ones(uint32_t v)
{
	return __builtin_parity(v);
}

static struct wire_char *push(struct wire *w)
{
	return &w->ch[w->pushed++ % WIRE_KEEP];
}

void wire_send(struct wire *w, uint64_t at, uint8_t byte, const struct wire_format *f,
	       uint64_t bit_ticks)
{
	struct wire_char *c = push(w);
	uint32_t data = byte & ((1u << f->data_bits) - 1), n = 1 + f->data_bits;

	c->start = at;
	c->bit_ticks = bit_ticks;
	c->pattern = data << 1;
	if (f->parity)
		c->pattern |= (uint32_t)(odd_ones(data) != f->odd) << n++;
	for (int i = 0; i < f->stop_bits; i++)
		c->pattern |= 1u << n++;
	c->nbits = n;
	w->busy_until = at + n * bit_ticks;
}


static uint64_t end_of(const struct wire_char *c)
{
	return c->start + c->nbits * c->bit_ticks;
}

/* Ends the newest character at `now`, mid-bit when need be: the bits left are
 * those that have begun, the last one a little long. */
static void cut_short(struct wire *w, uint64_t now)
{
	struct wire_char *c = &w->ch[(w->pushed - 1) % WIRE_KEEP];

	if (w->pushed && now < end_of(c))
		c->nbits = (uint32_t)((now - c->start) / c->bit_ticks);
}

void wire_begin_break(struct wire *w, uint64_t now)
{
	struct wire_char *c;

	if (w->broken)
		return;
	cut_short(w, now);
	c = push(w);
	*c = (struct wire_char){ now, BREAK_TICKS, 0, 1 };
	w->busy_until = end_of(c);
	w->broken = true;
}

void wire_end_break(struct wire *w, uint64_t now)
{
	struct wire_char *c = &w->ch[(w->pushed - 1) % WIRE_KEEP];

	if (!w->broken)
		return;
	c->bit_ticks = now > c->start ? now - c->start : 1;
	w->busy_until = end_of(c);
	w->broken = false;
}

/* The i-th newest character, NULL when it is forgotten or never was. */
static const struct wire_char *recent(const struct wire *w, unsigned i)
{
	if (i >= w->pushed || i >= WIRE_KEEP)
		return NULL;
	return &w->ch[(w->pushed - 1 - i) % WIRE_KEEP];
}

bool wire_level(const struct wire *w, uint64_t at)
{
	const struct wire_char *c;

	for (unsigned i = 0; (c = recent(w, i)); i++) {
		if (at < c->start)
			continue;
		if (at >= end_of(c))
			return true;
		return c->pattern >> ((at - c->start) / c->bit_ticks) & 1;
	}
	return true;
}

/* The first change inside c (or at its two ends) after `after`. */
static bool edge_in(const struct wire_char *c, uint64_t after, bool before, uint64_t *at,
		    bool *level)
{
	uint64_t done = after >= c->start ? (after - c->start) / c->bit_ticks + 1 : 0;
	uint32_t i = (uint32_t)done;
	bool last;

	if (done > c->nbits)
		return false;
	last = i ? c->pattern >> (i - 1) & 1 : before;
	for (; i <= c->nbits; i++) {
		bool now = i == c->nbits || (c->pattern >> i & 1);

		if (now == last)
			continue;
		*at = c->start + i * c->bit_ticks;
		*level = now;
		return true;
	}
	return false;
}

bool wire_edge(const struct wire *w, uint64_t after, uint64_t *at, bool *level)
{
	const struct wire_char *c, *next;
	unsigned i = 0;

	while ((c = recent(w, i)) && c->start > after)
		i++;
	for (i += c ? 1 : 0; i-- > 0;) {	/* from the one at `after` to the newest */
		c = recent(w, i);
		next = i ? recent(w, i - 1) : NULL;
		if (!edge_in(c, after, c->start == 0 || wire_level(w, c->start - 1), at, level))
			continue;
		if (*at < end_of(c))
			return true;
		/* The end is an edge unless what follows at once has that level;
		 * the end of a break that lasts is not known. */
		if (next ? next->start > *at || (next->pattern & 1) == *level : !w->broken)
			return true;
	}
	return false;
}

void wire_receiver_init(struct wire_receiver *r, uint64_t now)
{
	r->from = now;
	r->start = TICKS_NEVER;
	r->want_high = false;
}

static void start_at(struct wire_receiver *r, uint64_t at)
{
	r->start = at;
	r->bit = r->bit_ticks;
	r->sampled = r->levels = 0;
}

static uint32_t frame_bits(const struct wire_format *f)
{
	return 1u + f->data_bits + f->parity + 1u;
}

/* The character on the line at `at` or the last one before, and the one after it;
 * either may be NULL. */
static const struct wire_char *char_at(const struct wire *w, uint64_t at,
				       const struct wire_char **next)
{
	const struct wire_char *c;

	*next = NULL;
	for (unsigned i = 0; (c = recent(w, i)) && c->start > at; i++)
		*next = c;
	return c;
}

/* Whether the line is high from `at` to the end of c, and stays so until the
 * next character, which begins with a falling edge. */
static bool is_quiet(const struct wire_char *c, uint64_t at)
{
	uint64_t gone;

	if (!c || at >= end_of(c))
		return true;
	gone = (at - c->start) / c->bit_ticks;
	return c->pattern >> gone == (1u << (c->nbits - gone)) - 1;
}

/* Finds a start bit when idle. */
static void seek(struct wire_receiver *r, const struct wire *w)
{
	const struct wire_char *next;
	uint64_t at = r->from;
	bool level;

	if (r->start != TICKS_NEVER)
		return;
	if (!r->want_high && is_quiet(char_at(w, at, &next), at)) {	/* nearly always */
		if (next)
			start_at(r, next->start);
		return;
	}
	level = wire_level(w, at);
	if (r->want_high && !level) {
		if (!wire_edge(w, at, &at, &level))
			return;
		r->from = at;
	}
	r->want_high = false;
	if (level)	/* idle now: the start bit is the next edge */
		while (level)
			if (!wire_edge(w, at, &at, &level))
				return;
	start_at(r, at);
}

uint64_t wire_receiver_next(struct wire_receiver *r, const struct wire *w)
{
	seek(r, w);
	if (r->start == TICKS_NEVER)
		return TICKS_NEVER;
	return r->start + r->bit * (frame_bits(&r->format) - 1) + r->bit / 2;
}

/* All samples at once: they are the bits of one character when sender and
 * receiver agree so well that none lies in another bit. */
static bool sample_whole(struct wire_receiver *r, const struct wire *w, uint64_t now, uint32_t n)
{
	const struct wire_char *next, *c = char_at(w, r->start, &next);
	uint64_t drift;

	if (r->sampled || !c || c->start != r->start || c->nbits < n ||
	    r->start + r->bit * (n - 1) + r->bit / 2 > now)
		return false;
	drift = r->bit > c->bit_ticks ? r->bit - c->bit_ticks : c->bit_ticks - r->bit;
	if (drift * n + 1 >= c->bit_ticks / 2)
		return false;
	r->levels = c->pattern & ((1u << n) - 1);
	r->sampled = n;
	return true;
}

/* Takes the samples that are due. True when the character is complete. */
static bool sample(struct wire_receiver *r, const struct wire *w, uint64_t now)
{
	uint32_t n = frame_bits(&r->format);

	if (sample_whole(r, w, now, n))
		return true;
	while (r->sampled < n) {
		uint64_t at = r->start + r->bit * r->sampled + r->bit / 2;

		if (at > now)
			return false;
		r->levels |= (uint32_t)wire_level(w, at) << r->sampled++;
		if (r->sampled == 1 && (r->levels & 1)) {	/* a glitch, no start bit */
			r->from = at;
			r->start = TICKS_NEVER;
			return false;
		}
	}
	return true;
}

static unsigned judge(const struct wire_receiver *r)
{
	const struct wire_format *f = &r->format;
	uint32_t n = frame_bits(f);
	uint32_t data = r->levels >> 1 & ((1u << f->data_bits) - 1);
	unsigned flags = 0;

	if (!(r->levels >> (n - 1) & 1))
		flags |= r->levels == 0 ? WIRE_FRAMING | WIRE_BREAK : WIRE_FRAMING;
	if (f->parity && (r->levels >> (1 + f->data_bits) & 1) != (odd_ones(data) != f->odd))
		flags |= WIRE_PARITY;
	return flags;
}

int wire_receive(struct wire_receiver *r, const struct wire *w, uint64_t now, uint8_t *byte,
		 unsigned *flags, uint64_t *at)
{
	for (;;) {
		seek(r, w);
		if (r->start > now)
			return 0;
		if (sample(r, w, now))
			break;
		if (r->start != TICKS_NEVER)
			return 0;
	}
	*at = r->start + r->bit * (frame_bits(&r->format) - 1) + r->bit / 2;
	*byte = (uint8_t)(r->levels >> 1 & ((1u << r->format.data_bits) - 1));
	*flags = judge(r);
	r->from = *at;
	r->want_high = *flags & WIRE_FRAMING;
	r->start = TICKS_NEVER;
	return 1;
}
