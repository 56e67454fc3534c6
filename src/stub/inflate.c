#include "inflate.h"

#include <string.h>

/* All failures end in -1: a stream is right or it is not. */

static void fill(struct inflate *z, uint32_t need)
{
	while (z->count < need) {
		uint32_t byte = 0;

		if (z->in < z->in_end || z->more(z))
			byte = *z->in++;
		else
			z->missing++;
		z->bits |= byte << z->count;
		z->count += 8;
	}
}

static uint32_t take(struct inflate *z, uint32_t n)
{
	uint32_t v;

	fill(z, n);
	v = z->bits & ((1u << n) - 1);
	z->bits >>= n;
	z->count -= n;
	return v;
}

static uint32_t reverse(uint32_t code, uint32_t length)
{
	uint32_t r = 0;

	for (; length; length--, code >>= 1)
		r = r << 1 | (code & 1);
	return r;
}

/* Makes the decoding tables from code lengths. More codes than there is room
 * for are an error; unused room is not: it decodes to -1. */
static int build(struct inflate_code *h, const uint8_t *length, uint32_t n)
{
	uint16_t place[16];
	uint32_t i, len, code = 0, at = 0;

	memset(h, 0, sizeof *h);
	for (i = 0; i < n; i++)
		h->count[length[i]]++;
	h->count[0] = 0;
	for (len = 1; len < 16; len++) {
		place[len] = (uint16_t)at;
		at += h->count[len];
	}
	for (i = 0; i < n; i++)
		if (length[i])
			h->symbol[place[length[i]]++] = (uint16_t)i;
	for (len = 1, at = 0; len < 16; len++, code <<= 1) {
		for (i = 0; i < h->count[len]; i++, code++, at++) {
			uint32_t k = reverse(code, len);

			if (code >> len)
				return -1;
			for (; len <= INFLATE_FAST && k < 1 << INFLATE_FAST; k += 1u << len)
				h->fast[k] = (uint16_t)(h->symbol[at] << 4 | len);
		}
	}
	return 0;
}

/* A code longer than the fast table: walk the lengths. */
static int symbol_slow(struct inflate *z, const struct inflate_code *h)
{
	uint32_t bits = z->bits, len, at = 0;
	uint32_t code = 0, first = 0;

	for (len = 1; len < 16; len++, bits >>= 1) {
		code |= bits & 1;
		if (code - first < h->count[len]) {
			z->bits >>= len;
			z->count -= len;
			return h->symbol[at + code - first];
		}
		at += h->count[len];
		first = (first + h->count[len]) << 1;
		code <<= 1;
	}
	return -1;
}

static inline int symbol(struct inflate *z, const struct inflate_code *h)
{
	uint32_t entry;

	if (z->count < 15)
		fill(z, 15);
	entry = h->fast[z->bits & ((1 << INFLATE_FAST) - 1)];
	if (!entry)
		return symbol_slow(z, h);
	z->bits >>= entry & 15;
	z->count -= entry & 15;
	return (int)(entry >> 4);
}

static int fixed_codes(struct inflate *z)
{
	uint8_t length[288];

	memset(length, 8, 144);
	memset(length + 144, 9, 112);
	memset(length + 256, 7, 24);
	memset(length + 280, 8, 8);
	if (build(z->literal, length, 288) < 0)
		return -1;
	memset(length, 5, 30);
	return build(z->distance, length, 30);
}

/* Code lengths, themselves coded (RFC 1951, 3.2.7). */
static int read_lengths(struct inflate *z, uint8_t *length, uint32_t total)
{
	uint32_t i = 0, repeat;
	uint8_t value;

	while (i < total) {
		int s = symbol(z, z->distance);

		if (s < 0 || (s == 16 && i == 0))
			return -1;
		if (s < 16) {
			length[i++] = (uint8_t)s;
			continue;
		}
		value = s == 16 ? length[i - 1] : 0;
		repeat = s == 16 ? 3 + take(z, 2) : s == 17 ? 3 + take(z, 3) : 11 + take(z, 7);
		if (repeat > total - i)
			return -1;
		memset(length + i, value, repeat);
		i += repeat;
	}
	return 0;
}

static int dynamic_codes(struct inflate *z)
{
	static const uint8_t order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3,
		13, 2, 14, 1, 15 };
	uint8_t length[288 + 32] = { 0 };
	uint32_t literals = take(z, 5) + 257, distances = take(z, 5) + 1;
	uint32_t i, n = take(z, 4) + 4;

	for (i = 0; i < n; i++)
		length[order[i]] = (uint8_t)take(z, 3);
	if (literals > 286 || build(z->distance, length, 19) < 0)
		return -1;
	if (read_lengths(z, length, literals + distances) < 0)
		return -1;
	if (build(z->literal, length, literals) < 0)
		return -1;
	return build(z->distance, length + literals, distances);
}

/* Lengths and distances grow the same way: `per` symbols for each extra bit. */
static uint32_t extra(struct inflate *z, uint32_t s, uint32_t shift)
{
	uint32_t bits;

	if (s < 2u << shift)
		return s;
	bits = (s >> shift) - 1;
	return (((1u << shift) | (s & ((1u << shift) - 1))) << bits) + take(z, bits);
}

static int32_t copy_match(struct inflate *z, uint8_t *out, uint32_t at, uint32_t room, int s)
{
	uint32_t n = s == 285 ? 258 : 3 + extra(z, (uint32_t)s - 257, 2), back;
	int d = symbol(z, z->distance);
	uint8_t *to = out + at, *end;

	if (s > 285 || d < 0 || d > 29)
		return -1;
	back = 1 + extra(z, (uint32_t)d, 1);
	if (back > at || n > room - at)
		return -1;
	for (end = to + n; to < end; to++)
		*to = *(to - back);
	return (int32_t)n;
}

static int32_t coded_block(struct inflate *z, uint8_t *out, uint32_t at, uint32_t room)
{
	uint32_t steps = 0;

	for (;;) {
		int s = symbol(z, z->literal);
		int32_t n;

		if (s < 0 || z->missing > 4)
			return -1;
		if (s == 256)
			return (int32_t)at;
		if ((++steps & 63) == 0 && z->in < z->in_end && !z->more(z))
			return -1;
		if (s < 256) {
			if (at == room)
				return -1;
			out[at++] = (uint8_t)s;
			continue;
		}
		n = copy_match(z, out, at, room, s);
		if (n < 0)
			return -1;
		at += (uint32_t)n;
	}
}

static int32_t stored_block(struct inflate *z, uint8_t *out, uint32_t at, uint32_t room)
{
	uint32_t n;

	take(z, z->count & 7);
	n = take(z, 16);
	if (take(z, 16) != (n ^ 0xffff) || n > room - at)
		return -1;
	while (n--)
		out[at++] = (uint8_t)take(z, 8);
	return (int32_t)at;
}

static int32_t block(struct inflate *z, uint8_t *out, uint32_t at, uint32_t room)
{
	uint32_t type = take(z, 2);

	if (type == 0)
		return stored_block(z, out, at, room);
	if (type == 3 || (type == 1 ? fixed_codes(z) : dynamic_codes(z)) < 0)
		return -1;
	return coded_block(z, out, at, room);
}

int32_t inflate_run(struct inflate *z, uint8_t *out, uint32_t room)
{
	int32_t at = 0;
	uint32_t last;

	z->bits = z->count = z->missing = 0;
	do {
		last = take(z, 1);
		at = block(z, out, (uint32_t)at, room);
		if (at < 0 || z->missing * 8 > z->count)
			return -1;
	} while (!last);
	return at;
}
