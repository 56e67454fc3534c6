/* engine.h - executes the queue: inflates units while the flash erases and
 * programs, and nobody waits for anybody.
 *
 * Layer: stub, above link and hw. Knows nothing of queries.
 */
#ifndef STUB_ENGINE_H
#define STUB_ENGINE_H

#include "inflate.h"
#include "link.h"

struct engine_unit {
	bool full;
	uint16_t seq, after;	/* its first frame; the frame behind its last */
	uint32_t addr, len;
	uint8_t *data;		/* WIRE_UNIT_MAX bytes, aligned to words */
};

struct engine {
	struct inflate z;
	struct link *link;
	void (*idle)(struct engine *e);	/* called while a unit is unpacked */

	/* The range of BEGIN: erased below `erased`; the sectors of `todo`, a
	 * bit each from `block` on, are to be erased next. */
	uint32_t erased, end, block, block_end, todo;
	uint8_t erase_sizes;	/* WIRE_ERASE_* */

	/* The command that the flash is busy with. */
	bool busy, erasing;
	uint32_t busy_since, busy_limit, busy_addr;
	uint32_t rest_us;	/* until it is asked whether it is ready */
	uint32_t erased_after;	/* what `erased` becomes when it is done */
	uint32_t check;		/* a sector that was not blank before */
	uint16_t erases;

	struct engine_unit unit[2];
	uint32_t fill, drain;	/* which one is unpacked into, programmed from */
	uint32_t programmed;	/* bytes of unit[drain] */
	uint32_t unit_floor;	/* units below this address were had already */
	uint32_t written;
	uint16_t done;

	uint8_t error;		/* enum wire_status; the first one stays */
	uint16_t error_seq;
	uint32_t error_addr;

	bool unpacking;		/* inside a unit's bytes */
	bool abort;		/* set by others: stop as soon as possible */
	bool piece_last;	/* the frame that z reads from ends the unit */
	uint32_t piece_addr;
	uint32_t where;		/* for STATUS */
};

/* The big things, kept out of the structs so that their fields stay within
 * reach of the chip's load and store instructions. */
struct engine_buffers {
	struct inflate_code literal, distance;
	uint8_t unit[2][WIRE_UNIT_MAX] __attribute__((aligned(4)));
};

void engine_open(struct engine *e, struct link *l, struct engine_buffers *b);
/* Empties everything; only while the flash is not busy. */
void engine_reset(struct engine *e, uint16_t seq);
/* One step of the flash; never waits. */
void engine_step(struct engine *e);
/* Takes the next queued command, unpacking a unit if it is one. */
void engine_turn(struct engine *e);
/* Sleeps when there is nothing to do until a byte comes or the flash is ready. */
void engine_rest(struct engine *e);
/* Nothing queued here is unfinished and the flash is ready. */
bool engine_is_idle(const struct engine *e);

#endif
