#include "engine.h"

#include "crc.h"
#include "hw.h"

#include <string.h>

#define SR_BUSY 1
#define SR_ENABLED 2

#define OP_BLOCK_32K 0x52
#define OP_CHIP_ERASE 0xc7
#define OP_SECTOR 0x20
#define OP_BLOCK_64K 0xd8

/* Design limits: several times the worst of the data sheets. */
enum { PROGRAM_MS = 500, SECTOR_MS = 1500, BLOCK_MS = 6000, CHIP_MS = 250000 };

/* How long to sleep before the flash is asked again whether it is ready. Hardly
 * any chip programs 64 bytes in less than the first. */
enum { PROGRAM_FIRST_US = 100, PROGRAM_REST_US = 10, ERASE_REST_US = 200 };

#define SECTORS_64K 16
#define SECTORS_32K 8
/* One block erase takes as long as this many sector erases (W25Q32JV: 45, 120
 * and 150 ms). */
#define WORTH_64K 4
#define WORTH_32K 3

void engine_open(struct engine *e, struct link *l, struct engine_buffers *b)
{
	memset(e, 0, sizeof *e);
	e->link = l;
	e->z.owner = e;
	e->z.literal = &b->literal;
	e->z.distance = &b->distance;
	e->unit[0].data = b->unit[0];
	e->unit[1].data = b->unit[1];
}

void engine_reset(struct engine *e, uint16_t seq)
{
	e->erased = e->end = e->block_end = e->todo = e->written = e->unit_floor = 0;
	e->unit[0].full = e->unit[1].full = false;
	e->fill = e->drain = e->programmed = 0;
	e->done = seq;
	e->error = WIRE_OK;
	e->error_seq = 0;
	e->error_addr = 0;
	e->abort = false;
}

static void engine_fail(struct engine *e, enum wire_status code, uint32_t addr, uint16_t seq)
{
	if (e->error)
		return;
	e->error = (uint8_t)code;
	e->error_addr = addr;
	e->error_seq = seq;
	e->link->status_due = true;
}

bool engine_is_idle(const struct engine *e)
{
	if (e->busy)
		return false;
	return e->error ||
		(!e->unit[0].full && !e->unit[1].full && !e->todo && e->erased >= e->end);
}

static void flash_started(struct engine *e, bool erasing, uint32_t addr, uint32_t limit_ms)
{
	e->busy = true;
	e->erasing = erasing;
	e->rest_us = erasing ? ERASE_REST_US : PROGRAM_FIRST_US;
	e->busy_since = hw_ms();
	e->busy_limit = limit_ms;
	e->busy_addr = e->where = addr;
}

static bool flash_enabled(struct engine *e, uint32_t addr)
{
	hw_flash_enable();
	if (hw_flash_status() & SR_ENABLED)
		return true;
	engine_fail(e, WIRE_E_PROTECTED, addr, e->done);
	return false;
}

/* Offset of the first byte of `n` that is not blank, n when all are. */
static uint32_t blank_until(uint32_t addr, uint32_t n)
{
	uint32_t words[HW_READ_MAX / 4], at, i;

	for (at = 0; at < n; at += HW_READ_MAX) {
		hw_flash_read(addr + at, words, HW_READ_MAX);
		for (i = 0; i < HW_READ_MAX / 4; i++)
			if (words[i] != ~0u)
				return at + i * 4;
	}
	return n;
}

/* ---- erasing ---- */

static uint32_t block_sectors(const struct engine *e)
{
	uint32_t left = (e->end - e->erased) / WIRE_SECTOR, first = e->erased / WIRE_SECTOR;

	if ((e->erase_sizes & WIRE_ERASE_64K) && first % SECTORS_64K == 0 && left >= SECTORS_64K)
		return SECTORS_64K;
	if ((e->erase_sizes & WIRE_ERASE_32K) && first % SECTORS_32K == 0 && left >= SECTORS_32K)
		return SECTORS_32K;
	return 1;
}

/* Which sectors of the next block are not blank. */
static void erase_plan(struct engine *e)
{
	uint32_t n = block_sectors(e), i;

	e->block = e->erased;
	e->block_end = e->erased + n * WIRE_SECTOR;
	for (i = 0; i < n; i++) {
		if (blank_until(e->block + i * WIRE_SECTOR, WIRE_SECTOR) < WIRE_SECTOR)
			e->todo |= 1u << i;
		link_poll(e->link);
	}
	if (!e->todo)
		e->erased = e->where = e->block_end;
}

static uint32_t bits_set(uint32_t v)
{
	uint32_t n = 0;

	for (; v; v &= v - 1)
		n++;
	return n;
}

static void erase_start(struct engine *e, uint8_t opcode, uint32_t addr, uint32_t limit_ms)
{
	const struct hw_spi t = { .opcode = opcode, .addr_bytes = 3, .addr = addr };
	uint32_t none[1];

	if (!flash_enabled(e, addr))
		return;
	hw_spi(&t, none);
	e->erases++;
	flash_started(e, true, addr, limit_ms);
}

static void erase_step(struct engine *e)
{
	uint32_t sectors, n, first = 0;

	if (!e->todo) {
		erase_plan(e);
		return;
	}
	sectors = (e->block_end - e->block) / WIRE_SECTOR;
	n = bits_set(e->todo);
	while (!(e->todo & 1u << first))
		first++;
	e->check = e->block + first * WIRE_SECTOR;
	if (sectors == SECTORS_64K ? n >= WORTH_64K : sectors == SECTORS_32K && n >= WORTH_32K) {
		e->todo = 0;
		e->erased_after = e->block_end;
		erase_start(e, sectors == SECTORS_64K ? OP_BLOCK_64K : OP_BLOCK_32K, e->block,
			    BLOCK_MS);
		return;
	}
	e->todo &= e->todo - 1;
	/* Whatever lies between two sectors that need it is blank already. */
	e->erased = e->check;
	e->erased_after = e->todo ? e->check + WIRE_SECTOR : e->block_end;
	erase_start(e, OP_SECTOR, e->check, SECTOR_MS);
}

/* A protected chip takes the command and does nothing. */
static void erase_finished(struct engine *e)
{
	if (e->erased_after > e->check && blank_until(e->check, WIRE_SECTOR) < WIRE_SECTOR) {
		engine_fail(e, WIRE_E_PROTECTED, e->check, e->done);
		return;
	}
	e->erased = e->where = e->erased_after;
}

/* ---- programming ---- */

static bool all_ones(const uint32_t *words, uint32_t bytes)
{
	uint32_t all = ~0u, i;

	for (i = 0; i < bytes / 4; i++)
		all &= words[i];
	return all == ~0u;
}

/* Reads the unit back. */
static void unit_compare(struct engine *e, const struct engine_unit *u)
{
	uint32_t words[HW_READ_MAX / 4], at, n;

	for (at = 0; at < u->len; at += n) {
		n = u->len - at < HW_READ_MAX ? u->len - at : HW_READ_MAX;
		hw_flash_read(u->addr + at, words, n);
		if (memcmp(words, u->data + at, n) != 0) {
			engine_fail(e, WIRE_E_VERIFY, u->addr + at, u->seq);
			return;
		}
		if (at % 1024 == 0)
			link_poll(e->link);
	}
}

static void unit_finished(struct engine *e, struct engine_unit *u)
{
	unit_compare(e, u);
	if (e->error)
		return;
	e->written = e->where = u->addr + u->len;
	e->done = u->after;
	u->full = false;
	e->programmed = 0;
	e->drain ^= 1;
	e->link->status_due = true;
}

/* Starts the next piece that is not blank. Pieces do not cross a page. */
static void program_step(struct engine *e, struct engine_unit *u)
{
	uint32_t addr, n;
	const uint32_t *words;

	while (e->programmed < u->len) {
		addr = u->addr + e->programmed;
		words = (const uint32_t *)(const void *)(u->data + e->programmed);
		n = HW_PROGRAM_MAX - addr % HW_PROGRAM_MAX;
		if (n > u->len - e->programmed)
			n = u->len - e->programmed;
		e->programmed += n;
		if (all_ones(words, n))
			continue;
		if (!flash_enabled(e, addr))
			return;
		hw_flash_program(addr, words, n);
		flash_started(e, false, addr, PROGRAM_MS);
		return;
	}
	unit_finished(e, u);
}

void engine_step(struct engine *e)
{
	struct engine_unit *u = &e->unit[e->drain];

	if (e->busy) {
		if (hw_flash_status() & SR_BUSY) {
			if (hw_ms() - e->busy_since > e->busy_limit)
				engine_fail(e, WIRE_E_TIMEOUT, e->busy_addr, e->done);
			return;
		}
		e->busy = false;
		if (e->erasing)
			erase_finished(e);
	}
	if (e->error || e->abort)
		return;
	if (u->full && u->addr + u->len <= e->erased)
		program_step(e, u);
	else if (e->todo || e->erased < e->end)
		erase_step(e);
}

void engine_rest(struct engine *e)
{
	const struct link_slot *s = link_front(e->link);

	if (e->link->queries || e->link->status_due)
		return;
	if (s && (e->error || (s->f.op == WIRE_DATA && !e->unit[e->fill].full)))
		return;
	if (e->busy) {
		hw_rest(e->rest_us);
		e->rest_us = e->erasing ? ERASE_REST_US : PROGRAM_REST_US;
	} else if (engine_is_idle(e) && !s)
		hw_rest(0);
}

/* ---- unpacking ---- */

/* Waits for the next frame of the unit and points z at its payload. */
static bool piece_next(struct engine *e)
{
	struct link_slot *s;

	if (e->piece_last)
		return false;
	link_pop(e->link);
	while (!(s = link_front(e->link))) {
		e->idle(e);
		if (e->abort)
			return false;
		engine_rest(e);
	}
	if (s->f.op != WIRE_DATA || s->f.addr != e->piece_addr || (s->f.flags & WIRE_FIRST))
		return false;
	e->piece_last = s->f.flags & WIRE_LAST;
	e->z.in = s->data;
	e->z.in_end = s->data + s->f.bytes;
	return true;
}

static bool unpack_more(struct inflate *z)
{
	struct engine *e = z->owner;

	e->idle(e);
	if (e->abort)
		return false;
	while (z->in == z->in_end)
		if (!piece_next(e))
			return false;
	return true;
}

static int32_t unpack_stored(struct engine *e, uint8_t *out)
{
	uint32_t at = 0, n;

	while (e->z.in < e->z.in_end || unpack_more(&e->z)) {
		n = (uint32_t)(e->z.in_end - e->z.in);
		if (n > WIRE_UNIT_MAX - at)
			return -1;
		memcpy(out + at, e->z.in, n);
		at += n;
		e->z.in += n;
	}
	return (int32_t)at;
}

static enum wire_status unit_check(const struct engine *e, const struct link_frame *f)
{
	if (!(f->flags & WIRE_FIRST) || f->bytes < 4)
		return WIRE_E_DATA;
	if (f->len == 0 || f->len > WIRE_UNIT_MAX || f->addr % 4 || f->len % 4)
		return WIRE_E_RANGE;
	if (f->addr < e->unit_floor || f->addr > e->end || f->len > e->end - f->addr)
		return WIRE_E_ORDER;
	return WIRE_OK;
}

/* The unit that starts with frame f, whose payload is still in its slot. */
static void unit_unpack(struct engine *e, struct link_slot *s, struct engine_unit *u)
{
	const struct link_frame f = s->f;
	uint32_t crc = *(const uint32_t *)(const void *)s->data;
	int32_t n;

	e->piece_last = f.flags & WIRE_LAST;
	e->piece_addr = f.addr;
	e->z.more = unpack_more;
	e->z.in = s->data + 4;
	e->z.in_end = s->data + f.bytes;
	e->unpacking = true;
	n = f.flags & WIRE_DEFLATED ? inflate_run(&e->z, u->data, f.len) :
		unpack_stored(e, u->data);
	e->unpacking = false;
	if (e->abort)
		return;
	if (n != (int32_t)f.len || !e->piece_last || ~crc_run(~0u, u->data, f.len) != crc) {
		engine_fail(e, WIRE_E_DATA, f.addr, f.seq);
		return;
	}
	link_pop(e->link);
	u->addr = f.addr;
	u->len = f.len;
	u->seq = f.seq;
	u->after = e->link->base;
	u->full = true;
	e->unit_floor = f.addr + f.len;
	e->fill ^= 1;
}

static void take_unit(struct engine *e, struct link_slot *s)
{
	struct engine_unit *u = &e->unit[e->fill];
	enum wire_status st = unit_check(e, &s->f);

	if (st != WIRE_OK)
		engine_fail(e, st, s->f.addr, s->f.seq);
	else if (!u->full)
		unit_unpack(e, s, u);
}

/* ---- the other queued commands; the engine is idle ---- */

static enum wire_status begin(struct engine *e, const struct link_frame *f)
{
	if (f->addr % WIRE_SECTOR || f->len % WIRE_SECTOR || f->addr > WIRE_FLASH_MAX ||
	    f->len > WIRE_FLASH_MAX - f->addr)
		return WIRE_E_RANGE;
	e->erased = e->written = e->unit_floor = f->addr;
	e->end = f->addr + f->len;
	e->erase_sizes = f->flags;
	if (f->flags & WIRE_ERASED)
		e->erased = e->end;
	return WIRE_OK;
}

static enum wire_status chip_erase(struct engine *e)
{
	const struct hw_spi t = { .opcode = OP_CHIP_ERASE };
	uint32_t none[1];

	if (!flash_enabled(e, 0))
		return WIRE_E_PROTECTED;
	hw_spi(&t, none);
	e->erases++;
	e->erased_after = e->erased = e->end = e->check = 0;
	flash_started(e, true, 0, CHIP_MS);
	return WIRE_OK;
}

static void take_other(struct engine *e, const struct link_slot *s)
{
	enum wire_status st = WIRE_OK;

	if (s->f.op == WIRE_BEGIN)
		st = begin(e, &s->f);
	else if (s->f.op == WIRE_CHIP_ERASE)
		st = chip_erase(e);
	else if (s->f.op != WIRE_BARRIER)
		st = WIRE_E_REQUEST;
	if (st != WIRE_OK) {
		engine_fail(e, st, s->f.addr, s->f.seq);
		return;
	}
	link_pop(e->link);
	e->done = e->link->base;
	e->link->status_due = true;
}

void engine_turn(struct engine *e)
{
	struct link_slot *s = link_front(e->link);

	if (!s)
		return;
	if (e->error)
		link_pop(e->link);
	else if (s->f.op == WIRE_DATA)
		take_unit(e, s);
	else if (engine_is_idle(e))
		take_other(e, s);
}
