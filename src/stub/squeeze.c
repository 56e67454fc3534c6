/* squeeze FILE SIZE - packs FILE, filled up with zeros to SIZE bytes, for unpack.c;
 * to the standard output. Runs where the stub is built.
 *
 * Dynamic programming over all positions and distances. At each position the
 * cheapest way there is kept, and for each distance the last way that ended in a
 * match from so far back, and where the literals behind it end: what comes next
 * depends on no more.
 */
#include "unpack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 32768 };

struct step {			/* the last of a way to `to` */
	struct step *before;
	uint32_t to, back, cost;	/* bits */
	enum { LITERALS, AGAIN, NEW } kind;
};

static uint8_t in[MAX], out[2 * MAX];
static struct step *best[MAX + 1], *match[MAX + 1];
static struct step *literals_from[MAX + 1];	/* a match; NULL: no literals yet */
static uint32_t literals_to[MAX + 1];
static uint32_t same[MAX + 1];		/* bytes that are equal so far back, up to here */

static uint32_t number_bits(uint32_t v)
{
	uint32_t n = 1;

	for (; v > 1; v >>= 1)
		n += 2;
	return n;
}

static uint32_t literals_cost(const struct step *before, uint32_t to)
{
	return before->cost + 1 + number_bits(to - before->to) + 8 * (to - before->to);
}

static struct step *step(struct step *before, uint32_t to, uint32_t back, int kind, uint32_t cost)
{
	struct step *s = malloc(sizeof *s);

	if (!s)
		exit(1);
	*s = (struct step){ before, to, back, cost, kind };
	return s;
}

/* The cheapest match that ends at `to` and comes from so far back, NULL if none. */
static struct step *match_to(uint32_t to, uint32_t back)
{
	struct step *from = NULL, *m = literals_from[back];
	uint32_t n, cost = ~0u, far = 1 + number_bits((back - 1) / 256 + 1) + 8, end = literals_to[back];

	for (n = 2; n <= same[back] && to - n > 0; n++)
		if (best[to - n]->cost + far + number_bits(n - 1) < cost) {
			cost = best[to - n]->cost + far + number_bits(n - 1);
			from = best[to - n];
		}
	if (m && to - end <= same[back] &&
	    literals_cost(m, end) + 1 + number_bits(to - end) < cost) {
		from = step(m, end, back, LITERALS, literals_cost(m, end));
		return step(from, to, back, AGAIN, from->cost + 1 + number_bits(to - end));
	}
	return from ? step(from, to, back, NEW, cost) : NULL;
}

static void way_to(uint32_t to)
{
	struct step *last = NULL, *found = NULL;	/* the match before literals; the way */
	uint32_t back;

	for (back = 1; back <= to; back++) {
		struct step *m;

		if (back < to && in[to - 1] == in[to - 1 - back]) {
			same[back]++;
			m = match_to(to, back);
			if (m)
				match[back] = m;
			if (m && (!found || m->cost < found->cost))
				found = m;
			continue;
		}
		same[back] = 0;
		if (!match[back])
			continue;
		literals_from[back] = match[back];
		literals_to[back] = to;
		if (!last || literals_cost(match[back], to) < literals_cost(last, to))
			last = match[back];
	}
	if (last && (!found || literals_cost(last, to) < found->cost))
		found = step(last, to, last->back, LITERALS, literals_cost(last, to));
	best[to] = found;
}

/* ---- writing ---- */

static uint32_t at, bit_at, bit_count;

static void put_bit(uint32_t bit)
{
	if (bit_count++ % 8 == 0)
		bit_at = at++;
	out[bit_at] |= (uint8_t)((bit & 1) << (7 - (bit_count - 1) % 8));
}

static void put_number(uint32_t v)
{
	uint32_t n = 0;

	while (v >> n > 1)
		n++;
	while (n--) {
		put_bit(0);
		put_bit(v >> n);
	}
	put_bit(1);
}

static void put_step(const struct step *s)
{
	uint32_t from = s->before->to, n = s->to - from;

	if (from)		/* the first needs no telling what it is */
		put_bit(s->kind == NEW);
	if (s->kind == NEW)
		put_number((s->back - 1) / 256 + 1);
	if (s->kind == NEW)
		out[at++] = (uint8_t)(s->back - 1);
	put_number(s->kind == NEW ? n - 1 : n);
	if (s->kind == LITERALS) {
		memcpy(out + at, in + from, n);
		at += n;
	}
}

/* The way is known from its end. */
static void put_way(struct step *last)
{
	static const struct step *way[MAX];
	uint32_t n = 0;
	struct step *s;

	for (s = last; s->before; s = s->before)
		way[n++] = s;
	while (n)
		put_step(way[--n]);
}

int main(int argc, char **argv)
{
	static uint8_t back[MAX];
	struct step start = { NULL, 0, 1, 0, AGAIN };
	uint32_t size = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 0) : 0, i;
	FILE *f = size && size <= MAX ? fopen(argv[1], "rb") : NULL;

	if (!f || fread(in, 1, MAX, f) > size - 8)
		return 1;
	best[0] = match[1] = &start;
	for (i = 1; i <= size; i++)
		way_to(i);
	if (best[size]->kind == LITERALS)
		return 1;
	put_way(best[size]);
	unpack_run(out, back, back + size);
	if (memcmp(back, in, size) != 0)
		return 1;
	return fwrite(out, 1, at, stdout) == at ? 0 : 1;
}
