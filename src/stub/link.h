/* link.h - frames in and out, and the window of queued frames.
 *
 * Layer: stub, above hw. Knows nothing of what the frames mean.
 */
#ifndef STUB_LINK_H
#define STUB_LINK_H

#include "wire.h"

#include <stdbool.h>
#include <stdint.h>

#define LINK_QUERIES 4

/* The header as it is on the wire (the chip is little-endian, link.c asserts
 * the places), and how many bytes of payload came behind it. */
struct link_frame {
	uint8_t op, flags;
	uint16_t seq;
	uint32_t addr, len;
	uint32_t bytes;
};

struct link_slot {
	struct link_frame f;
	bool full;
	uint8_t data[WIRE_DATA_MAX + WIRE_CRC] __attribute__((aligned(4)));
};

struct link_query {
	struct link_frame f;
	uint32_t body[(WIRE_BODY_MAX + WIRE_CRC) / 4];
};

struct link {
	/* The frame that is coming in: its payload goes where it will stay. */
	struct link_frame head;
	uint32_t got;		/* bytes of the frame so far */
	uint32_t crc;
	uint8_t *dest;		/* NULL: nobody wants it */
	uint32_t room;
	bool escaped, broken;

	struct link_slot *slot;	/* WIRE_WINDOW of them */
	uint32_t front;		/* slot of sequence number base */
	uint16_t base;		/* first frame not yet taken */
	uint16_t next;		/* first frame not yet received */

	uint16_t echo, bad, news;	/* news: frames since the last STATUS */
	bool status_due;
	uint32_t good;		/* frames whose CRC was right */
	uint32_t tx_crc;

	/* query[0 .. queries) wait; query[queries] is where the next comes in. Last,
	 * so that the rest is within reach of short instructions. */
	uint32_t queries;
	struct link_query query[LINK_QUERIES + 1];
};

void link_open(struct link *l, struct link_slot *slots);
/* Takes what the UART has received. */
void link_poll(struct link *l);
/* The next frame in sequence, NULL while it is missing; pop when done. */
struct link_slot *link_front(struct link *l);
void link_pop(struct link *l);
/* Drops all queued frames; the next one expected is seq. */
void link_restart(struct link *l, uint16_t seq);
/* Forgets query 0; the others move up. */
void link_query_done(struct link *l);
uint32_t link_have(const struct link *l);	/* WIRE_STATE_HAVE */

/* Sends one frame. */
void link_send(struct link *l, const struct link_frame *f, const void *payload);

#endif
