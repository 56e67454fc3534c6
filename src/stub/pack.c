#include "pack.h"

#include "../bytes.h"

#include <string.h>

#define MATCH_MIN 4
/* The format's end rules: no match starts in the last 12 bytes or reaches into
 * the last 5. */
#define TAIL_START 12
#define TAIL 5

struct packer {
	const uint8_t *in;
	uint8_t *out, *end;
};

static void put_length(struct packer *p, uint32_t n)
{
	for (; n >= 255; n -= 255)
		*p->out++ = 255;
	*p->out++ = (uint8_t)n;
}

/* Literals, then a match of `match` bytes from `back` bytes ago (0: none).
 * Returns -1 when there is no room. */
static int put_sequence(struct packer *p, const uint8_t *literal, uint32_t n, uint32_t back,
			uint32_t match)
{
	uint32_t more = back ? match - MATCH_MIN : 0;

	if ((uint32_t)(p->end - p->out) < n + n / 255 + more / 255 + 6)
		return -1;
	*p->out++ = (uint8_t)((n < 15 ? n : 15) << 4 | (more < 15 ? more : 15));
	if (n >= 15)
		put_length(p, n - 15);
	memcpy(p->out, literal, n);
	p->out += n;
	if (!back)
		return 0;
	put_le16(p->out, (uint16_t)back);
	p->out += 2;
	if (more >= 15)
		put_length(p, more - 15);
	return 0;
}

static uint32_t match_length(const uint8_t *a, const uint8_t *b, const uint8_t *limit)
{
	const uint8_t *start = b;

	while (b < limit && *a == *b)
		a++, b++;
	return (uint32_t)(b - start);
}

uint32_t pack_run(const uint8_t *in, uint32_t n, uint8_t *out, uint32_t room,
		  uint16_t heads[PACK_HEADS])
{
	struct packer p = { in, out, out + room };
	uint32_t at = 0, anchor = 0;

	memset(heads, 0, PACK_HEADS * sizeof *heads);
	while (at + TAIL_START < n) {
		uint32_t word = get_le32(in + at);
		uint16_t *head = &heads[word * 2654435761u >> 22];
		uint32_t from = *head, length;

		*head = (uint16_t)at;
		if (from >= at || get_le32(in + from) != word) {
			at++;
			continue;
		}
		length = match_length(in + from, in + at, in + n - TAIL);
		if (put_sequence(&p, in + anchor, at - anchor, at - from, length) < 0)
			return 0;
		at += length;
		anchor = at;
	}
	if (put_sequence(&p, in + anchor, n - anchor, 0, 0) < 0)
		return 0;
	return (uint32_t)(p.out - out);
}
