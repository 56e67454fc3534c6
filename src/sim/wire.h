/* wire.h - one serial line: the waveform that a sender puts on it, and a
 * receiver that samples it at a rate of its own.
 *
 * Layer: sim. Knows no registers and no FIFOs. The two ends need not agree:
 * a receiver at the wrong rate gets the bytes that a real one would get.
 */
#ifndef SIM_WIRE_H
#define SIM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_KEEP 16		/* characters remembered; a receiver lags one at most */

/* A character on the line: nbits levels from bit 0 of pattern up, each
 * bit_ticks long (start bit first). */
struct wire_char {
	uint64_t start, bit_ticks;
	uint32_t pattern;
	uint32_t nbits;
};

struct wire {
	struct wire_char ch[WIRE_KEEP];
	uint64_t pushed;	/* ch[(pushed - 1) % WIRE_KEEP] is the newest */
	uint64_t busy_until;	/* end of the newest character */
	bool broken;		/* the newest is a break that has not ended */
};

struct wire_format {
	uint8_t data_bits;	/* 5..8 */
	bool parity, odd;
	uint8_t stop_bits;	/* 1 or 2 */
};

/* What a receiver made of a character. */
enum wire_flags { WIRE_FRAMING = 1, WIRE_PARITY = 2, WIRE_BREAK = 4 };

struct wire_receiver {
	struct wire_format format;
	uint64_t bit_ticks;	/* its own bit time; taken over at the next start bit */
	uint64_t from;		/* looks for a start bit from here on */
	uint64_t start, bit;	/* of the character being sampled; start NEVER = idle */
	uint32_t sampled, levels;
	bool want_high;		/* after a framing error: the line must rise first */
};

/* The line idles high. */
void wire_init(struct wire *w);

/* Puts a character on the line at `at`, not before the one before has ended. */
void wire_send(struct wire *w, uint64_t at, uint8_t byte, const struct wire_format *f,
	       uint64_t bit_ticks);

/* Pulls the line low at `now` until wire_end_break(). Cuts short what is
 * being sent. */
void wire_begin_break(struct wire *w, uint64_t now);
void wire_end_break(struct wire *w, uint64_t now);

bool wire_level(const struct wire *w, uint64_t at);
/* The next change of level after `after` that is known; false when none is. */
bool wire_edge(const struct wire *w, uint64_t after, uint64_t *at, bool *level);

void wire_receiver_init(struct wire_receiver *r, uint64_t now);

/* When the receiver will have a character, as far as the line is known. */
uint64_t wire_receiver_next(struct wire_receiver *r, const struct wire *w);

/* Samples up to `now`. Returns 1 when a character is complete (byte and flags
 * are set, *at = when), 0 when there is none yet. Call again until 0. */
int wire_receive(struct wire_receiver *r, const struct wire *w, uint64_t now, uint8_t *byte,
		 unsigned *flags, uint64_t *at);

#endif
