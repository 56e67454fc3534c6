/* stub_schedule.h - seeded frames for the stub: right ones, wrong ones, mutated
 * ones and noise, as bytes for the line.
 *
 * Included by one .c per program. What would end the session (RUN, BAUD), or
 * would reach memory by request (MEM_READ, MEM_WRITE), comes only with a CRC
 * that is wrong.
 */
#ifndef STUB_SCHEDULE_H
#define STUB_SCHEDULE_H

#include "../../src/bytes.h"
#include "../../src/loader/slip.h"
#include "../../src/loader/stub_impl.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEDULE_FLASH = 256 * 1024, SCHEDULE_BYTES = 8192 };

struct schedule {
	uint64_t seed;
	uint16_t next;		/* the sequence number that fits, as far as is known */
	uint32_t begun, end;	/* range of the last BEGIN */
	struct libdeflate_compressor *packer;
};

static uint32_t schedule_random(struct schedule *s, uint32_t n)
{
	s->seed = s->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(s->seed >> 33) % n;
}

static bool one_in(struct schedule *s, uint32_t n)
{
	return schedule_random(s, n) == 0;
}

/* Mostly inside the flash, sometimes anything. */
static uint32_t schedule_addr(struct schedule *s)
{
	if (one_in(s, 12))
		return schedule_random(s, 0x7fffffff) * 2 + schedule_random(s, 2);
	return schedule_random(s, SCHEDULE_FLASH / 256) * 256 + (one_in(s, 4) ? schedule_random(s, 256) : 0);
}

static uint32_t schedule_len(struct schedule *s)
{
	switch (schedule_random(s, 8)) {
	case 0: return 0x1000000 + schedule_random(s, 0x70000000);	/* refused */
	case 1: return schedule_random(s, 5);
	case 2: return schedule_random(s, 0x8000);
	default: return schedule_random(s, 4096);
	}
}

static void schedule_payload(struct schedule *s, uint8_t *to, size_t n)
{
	bool text = one_in(s, 2);
	size_t i;

	for (i = 0; i < n; i++)
		to[i] = text ? (uint8_t)"stub frames"[schedule_random(s, 11)] :
			(uint8_t)schedule_random(s, 256);
}

static void make_query(struct schedule *s, struct stub_frame *f, uint8_t *payload)
{
	static const uint8_t op[] = { WIRE_HELLO, WIRE_PING, WIRE_HASH, WIRE_DIGEST, WIRE_READ,
		WIRE_SPI, WIRE_STATUS, WIRE_RESET };
	static const uint8_t harmless[] = { 0x05, 0x9f, 0x03, 0x06, 0x04, 0x5a };

	f->op = one_in(s, 20) ? (uint8_t)(0x0e + schedule_random(s, 0x32)) :
		op[schedule_random(s, sizeof op)];
	f->flags = (uint8_t)(f->op == WIRE_READ ? 7 + schedule_random(s, 7) :
			     schedule_random(s, one_in(s, 8) ? 256 : 7));
	/* A chip without its quad bit reads something in quad modes, nobody knows what. */
	if (f->op == WIRE_HASH && f->flags < WIRE_MODE_DIO)
		f->flags += WIRE_MODE_DIO;
	f->seq = (uint16_t)schedule_random(s, 65536);
	f->addr = f->op == WIRE_RESET ? schedule_random(s, 65536) : schedule_addr(s);
	f->len = schedule_len(s);
	f->bytes = one_in(s, 3) ? schedule_random(s, WIRE_BODY_MAX + 30) : 0;
	schedule_payload(s, payload, f->bytes);
	if (f->op == WIRE_RESET)
		s->next = (uint16_t)f->addr;
	if (f->op != WIRE_SPI)
		return;
	f->len = schedule_random(s, 3);		/* ms that it waits for the flash */
	f->bytes = WIRE_SPI_HEADER + schedule_random(s, 80);
	schedule_payload(s, payload, f->bytes < 160 ? f->bytes : 160);
	payload[WIRE_SPI_OPCODE] = harmless[schedule_random(s, sizeof harmless)];
	payload[WIRE_SPI_ADDR_BYTES] %= 6;
	payload[WIRE_SPI_DUMMY_BITS] = (uint8_t)(schedule_random(s, 3) * 8);
	payload[WIRE_SPI_IN] %= 70;
	payload[WIRE_SPI_BEFORE] = one_in(s, 2) ? 0x06 : 0;
}

/* A whole unit in one frame, right or nearly so. */
static void make_unit(struct schedule *s, struct stub_frame *f, uint8_t *payload)
{
	uint8_t plain[900];
	size_t n = 4 * (1 + schedule_random(s, sizeof plain / 4)), packed = 0;

	f->op = WIRE_DATA;
	f->flags = WIRE_FIRST | WIRE_LAST;
	f->addr = s->begun + (one_in(s, 4) ? schedule_random(s, 0x4000) & ~3u : 0);
	f->len = (uint32_t)n;
	schedule_payload(s, plain, n);
	put_le32(payload, libdeflate_crc32(0, plain, n));
	if (one_in(s, 2))
		packed = libdeflate_deflate_compress(s->packer, plain, n, payload + 4, 1000);
	if (packed)
		f->flags |= WIRE_DEFLATED;
	else
		memcpy(payload + 4, plain, n);
	f->bytes = 4 + (packed ? packed : n);
	if (one_in(s, 8))
		f->len = 4 * schedule_random(s, 300);	/* not what is inside */
	s->begun = f->addr + f->len;
	if (one_in(s, 6))
		payload[schedule_random(s, (uint32_t)f->bytes)] ^= 1u << schedule_random(s, 8);
}

static void make_queued(struct schedule *s, struct stub_frame *f, uint8_t *payload)
{
	static const uint8_t op[] = { WIRE_BEGIN, WIRE_DATA, WIRE_DATA, WIRE_BARRIER, WIRE_CHIP_ERASE };

	f->op = one_in(s, 30) ? (uint8_t)(WIRE_QUEUED + schedule_random(s, 64)) :
		op[schedule_random(s, one_in(s, 20) ? 5 : 4)];
	f->flags = (uint8_t)schedule_random(s, 8);
	f->addr = schedule_addr(s);
	f->len = schedule_len(s);
	f->bytes = f->op == WIRE_DATA ? schedule_random(s, WIRE_DATA_MAX + 40) : 0;
	schedule_payload(s, payload, f->bytes);
	if (f->op == WIRE_BEGIN && !one_in(s, 6)) {
		f->addr = schedule_random(s, 32) * WIRE_SECTOR;
		f->len = (1 + schedule_random(s, 8)) * WIRE_SECTOR;
		s->begun = f->addr;
	}
	if (!one_in(s, 3) && f->op == WIRE_DATA)
		make_unit(s, f, payload);
	f->seq = (uint16_t)(s->next + (one_in(s, 6) ? schedule_random(s, 40) - 8 : 0));
	if (f->seq == s->next)
		s->next++;
}

/* A frame that does not end in time. */
static size_t put_flood(struct schedule *s, uint8_t *to)
{
	size_t n = WIRE_HEADER + schedule_random(s, SCHEDULE_BYTES - WIRE_HEADER - 2), i;

	to[0] = WIRE_END;
	for (i = 1; i < n; i++)
		to[i] = (uint8_t)(1 + schedule_random(s, 0xba));
	to[1] = (uint8_t)(one_in(s, 2) ? WIRE_DATA : WIRE_PING);
	put_le16(to + 1 + WIRE_SEQ, (uint16_t)(s->next + schedule_random(s, 30)));
	to[n] = WIRE_END;
	return n + 1;
}

static size_t put_noise(struct schedule *s, uint8_t *to)
{
	size_t n = 1 + schedule_random(s, one_in(s, 50) ? 4000 : 60), i;
	static const uint8_t special[] = { WIRE_END, WIRE_ESC, WIRE_ESC_END, WIRE_ESC_ESC };

	for (i = 0; i < n; i++)
		to[i] = one_in(s, 6) ? special[schedule_random(s, 4)] :
			(uint8_t)schedule_random(s, 256);
	return n;
}

/* Damages a frame behind its CRC's back, or, with `right`, in a way that the CRC
 * agrees to: lengths, flags and payload. */
static size_t mutate(struct schedule *s, uint8_t *frame, size_t n, bool right)
{
	uint32_t i;

	for (i = 1 + schedule_random(s, 4); i; i--)
		frame[(right ? 1 : 0) + schedule_random(s, (uint32_t)n - (right ? 1 : 0))] =
			(uint8_t)schedule_random(s, 256);
	if (one_in(s, 4))
		n = schedule_random(s, (uint32_t)n + 1);
	if (!right || n < WIRE_HEADER + WIRE_CRC)
		return n;
	if (frame[WIRE_OP] == WIRE_HASH && frame[WIRE_FLAGS] < WIRE_MODE_DIO)
		frame[WIRE_FLAGS] += WIRE_MODE_DIO;
	/* a stream of many megabytes takes too long to be worth it */
	if (get_le32(frame + WIRE_LEN) > 0x10000)
		put_le32(frame + WIRE_LEN, get_le32(frame + WIRE_LEN) | 0x40000000);
	put_le32(frame + n - WIRE_CRC, libdeflate_crc32(0, frame, n - WIRE_CRC));
	return n;
}

/* The next bytes for the line: at most SCHEDULE_BYTES. */
static size_t schedule_next(struct schedule *s, uint8_t *to)
{
	static uint8_t payload[2048], frame[2200];
	struct stub_frame f = { .data = payload };
	size_t n;
	int wire;

	if (one_in(s, 100))
		return put_flood(s, to);
	if (one_in(s, 8))
		return put_noise(s, to);
	if (one_in(s, 2))
		make_query(s, &f, payload);
	else
		make_queued(s, &f, payload);
	n = stub_frame_put(frame, &f);
	if (one_in(s, 5))
		n = mutate(s, frame, n, f.op != WIRE_SPI && f.op != WIRE_RESET && one_in(s, 2));
	wire = slip_encode(to, SCHEDULE_BYTES, frame, n);
	return wire < 0 ? 0 : (size_t)wire;
}

#endif
