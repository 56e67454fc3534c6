#include "link.h"

#include "crc.h"
#include "hw.h"

#include <stddef.h>
#include <string.h>

_Static_assert(offsetof(struct link_frame, flags) == WIRE_FLAGS &&
	       offsetof(struct link_frame, seq) == WIRE_SEQ &&
	       offsetof(struct link_frame, addr) == WIRE_ADDR &&
	       offsetof(struct link_frame, len) == WIRE_LEN &&
	       offsetof(struct link_frame, bytes) == WIRE_HEADER, "the header as on the wire");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers as on the wire");

static void frame_start(struct link *l)
{
	l->got = 0;
	l->crc = ~0u;
	l->dest = NULL;
	l->room = 0;
	l->escaped = l->broken = false;
}

void link_restart(struct link *l, uint16_t seq)
{
	uint32_t i;

	for (i = 0; i < WIRE_WINDOW; i++)
		l->slot[i].full = false;
	l->front = 0;
	l->base = l->next = seq;
	frame_start(l);
	l->broken = true;	/* a frame under way has lost its place */
}

void link_open(struct link *l, struct link_slot *slots)
{
	memset(l, 0, sizeof *l);
	l->slot = slots;
	link_restart(l, 0);
}

static struct link_slot *slot_at(struct link *l, uint16_t distance)
{
	uint32_t i = l->front + distance;

	return &l->slot[i < WIRE_WINDOW ? i : i - WIRE_WINDOW];
}

/* The slot for a sequence number that is wanted, else NULL. */
static struct link_slot *slot_for(struct link *l, uint16_t seq)
{
	uint16_t distance = (uint16_t)(seq - l->base);
	struct link_slot *s;

	if (distance >= WIRE_WINDOW)
		return NULL;
	s = slot_at(l, distance);
	return s->full ? NULL : s;
}

/* The header is complete: where does the payload go? A wrong place does no
 * harm, because only a frame with the right CRC makes a place count. */
static void frame_place(struct link *l)
{
	struct link_slot *s;

	if (!(l->head.op & WIRE_QUEUED)) {
		l->dest = (uint8_t *)l->query[l->queries].body;
		l->room = WIRE_BODY_MAX + WIRE_CRC;
		return;
	}
	s = slot_for(l, l->head.seq);
	l->dest = s ? s->data : NULL;
	l->room = WIRE_DATA_MAX + WIRE_CRC;
}

static void take_queued(struct link *l)
{
	struct link_slot *s = slot_for(l, l->head.seq);
	uint16_t before = l->next;

	if (!s) {		/* a double: the sender lost our answer */
		l->status_due = true;
		return;
	}
	s->f = l->head;
	s->full = true;
	while ((uint16_t)(l->next - l->base) < WIRE_WINDOW &&
	       slot_at(l, (uint16_t)(l->next - l->base))->full)
		l->next++;
	if (s->f.seq != before || ++l->news >= 4)
		l->status_due = true;
}

static void take_query(struct link *l)
{
	struct link_query *q = &l->query[l->queries];
	uint32_t i;

	q->f = l->head;
	if (q->f.op == WIRE_STATUS) {
		l->echo = q->f.seq;
		l->status_due = true;
		return;
	}
	for (i = 0; i < l->queries; i++)
		if (l->query[i].f.seq == q->f.seq && l->query[i].f.op == q->f.op)
			return;		/* asked again while it waits */
	if (l->queries < LINK_QUERIES)
		l->queries++;
}

static void frame_end(struct link *l)
{
	if (l->got == 0)
		return;
	if (l->broken || l->got < WIRE_HEADER + WIRE_CRC || l->crc != WIRE_CRC_RESIDUE) {
		l->bad++;
		l->status_due = true;
		return;
	}
	l->good++;
	l->head.bytes = l->got - WIRE_HEADER - WIRE_CRC;
	if (l->head.op & WIRE_QUEUED)
		take_queued(l);
	else
		take_query(l);
}

static void frame_byte(struct link *l, uint8_t byte)
{
	uint32_t at = l->got++;

	l->crc = crc_byte(l->crc, byte);
	if (at >= WIRE_HEADER) {
		if (at - WIRE_HEADER >= l->room)
			l->broken = true;
		else if (l->dest)
			l->dest[at - WIRE_HEADER] = byte;
		return;
	}
	((uint8_t *)&l->head)[at] = byte;
	if (at == WIRE_HEADER - 1)
		frame_place(l);
}

void link_poll(struct link *l)
{
	int c;

	while ((c = hw_rx()) >= 0) {
		if (c == WIRE_END) {
			frame_end(l);
			frame_start(l);
		} else if (c == WIRE_ESC) {
			l->escaped = true;
		} else if (l->escaped) {
			l->escaped = false;
			frame_byte(l, c == WIRE_ESC_END ? WIRE_END : WIRE_ESC);
		} else {
			frame_byte(l, (uint8_t)c);
		}
	}
}

struct link_slot *link_front(struct link *l)
{
	struct link_slot *s = slot_at(l, 0);

	return s->full ? s : NULL;
}

void link_pop(struct link *l)
{
	slot_at(l, 0)->full = false;
	l->base++;
	if (++l->front == WIRE_WINDOW)
		l->front = 0;
	if (++l->news >= 4)
		l->status_due = true;
}

/* A query that is half received into the last place moves up with the rest. */
void link_query_done(struct link *l)
{
	memmove(&l->query[0], &l->query[1], LINK_QUERIES * sizeof l->query[0]);
	l->queries--;
	if (l->got >= WIRE_HEADER && !(l->head.op & WIRE_QUEUED))
		l->dest = (uint8_t *)l->query[l->queries].body;
}

uint32_t link_have(const struct link *l)
{
	struct link *m = (struct link *)l;
	uint16_t d = (uint16_t)(l->next - l->base + 1);
	uint32_t have = 0, bit;

	for (bit = 1; d < WIRE_WINDOW; d++, bit <<= 1)
		if (slot_at(m, d)->full)
			have |= bit;
	return have;
}

static void send_byte(struct link *l, uint8_t byte)
{
	l->tx_crc = crc_byte(l->tx_crc, byte);
	if (byte == WIRE_END || byte == WIRE_ESC) {
		hw_tx(WIRE_ESC);
		byte = byte == WIRE_END ? WIRE_ESC_END : WIRE_ESC_ESC;
	}
	hw_tx(byte);
}

static void send_bytes(struct link *l, const uint8_t *p, uint32_t n)
{
	while (n--)
		send_byte(l, *p++);
}

void link_send(struct link *l, const struct link_frame *f, const void *payload)
{
	uint32_t crc;

	hw_tx(WIRE_END);
	l->tx_crc = ~0u;
	send_bytes(l, (const uint8_t *)f, WIRE_HEADER);
	send_bytes(l, payload, f->bytes);
	crc = ~l->tx_crc;
	send_bytes(l, (const uint8_t *)&crc, WIRE_CRC);
	hw_tx(WIRE_END);
}
