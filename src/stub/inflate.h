/* inflate.h - raw deflate (RFC 1951) whose window is the output itself.
 *
 * Layer: stub, bottom. Input comes piece by piece from a callback.
 */
#ifndef STUB_INFLATE_H
#define STUB_INFLATE_H

#include <stdbool.h>
#include <stdint.h>

#define INFLATE_FAST 9		/* bits decoded by one table look-up */

struct inflate_code {
	uint16_t fast[1 << INFLATE_FAST];	/* symbol << 4 | length, 0 = longer */
	uint16_t count[16];			/* codes of each length */
	uint16_t symbol[288];			/* in order of their codes */
};

struct inflate {
	const uint8_t *in, *in_end;
	/* Sets in and in_end to the next piece; false when there is none. It
	 * is also called, every now and then, with in < in_end: then it only
	 * lets other work go on. */
	bool (*more)(struct inflate *z);
	uint32_t bits, count;		/* not yet used, lowest first */
	uint32_t missing;		/* zero bytes made up behind the end */
	struct inflate_code *literal, *distance;	/* work space */
	void *owner;			/* for `more` */
};

/* Inflates one stream into out[0 .. room). Returns the number of bytes, or -1
 * when the stream is wrong, ends early or does not fit. The caller has
 * set in, in_end, more and the work space. */
int32_t inflate_run(struct inflate *z, uint8_t *out, uint32_t room);

#endif
