#include "unpack.h"

struct bits {
	const uint8_t *in;
	uint32_t left;		/* of the byte under way, and behind them a 1 */
};

static uint32_t bit(struct bits *b)
{
	b->left <<= 1;
	if (!(b->left & 0xff))
		b->left = (uint32_t)*b->in++ << 1 | 1;
	return b->left >> 8 & 1;
}

static uint32_t number(struct bits *b)
{
	uint32_t v = 1;

	while (!bit(b))
		v = v << 1 | bit(b);
	return v;
}

void unpack_run(const uint8_t *in, uint8_t *out, const uint8_t *end)
{
	struct bits b = { in, 0x80 };
	uint32_t n, back = 1, fresh = 0;

	while (out < end) {
		if (!fresh) {
			for (n = number(&b); n; n--)
				*out++ = *b.in++;
			fresh = bit(&b);
		}
		if (fresh)
			back = ((number(&b) - 1) << 8 | *b.in++) + 1;
		for (n = number(&b) + fresh; n; n--, out++)
			*out = *(out - back);
		fresh = bit(&b);
	}
}
