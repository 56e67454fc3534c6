#include "query.h"

#include "crc.h"
#include "hw.h"
#include "pack.h"

#include <stddef.h>
#include <string.h>

#define HEARTBEAT_MS 100
#define HASHES_MAX 32
#define WAIT_REST_US 100
#define BLANK_RUN_MAX 0x40000u	/* so that the host hears something meanwhile */

static void service_flash(struct query *q);

static void reply(struct query *q, const struct link_frame *to, uint32_t flags,
		  const void *payload, uint32_t bytes)
{
	struct link_frame f = *to;

	f.op |= WIRE_REPLY;
	f.flags = (uint8_t)flags;
	f.bytes = bytes;
	link_send(&q->link, &f, payload);
}

struct state {
	uint32_t have;
	uint16_t limit, done;
	uint32_t erased, written;
	uint16_t echo, error_seq;
	uint8_t error, busy;
	uint16_t bad;
	uint32_t error_addr;
	uint16_t erases;
};
_Static_assert(offsetof(struct state, limit) == WIRE_STATE_LIMIT &&
	       offsetof(struct state, done) == WIRE_STATE_DONE &&
	       offsetof(struct state, erased) == WIRE_STATE_ERASED &&
	       offsetof(struct state, written) == WIRE_STATE_WRITTEN &&
	       offsetof(struct state, echo) == WIRE_STATE_ECHO &&
	       offsetof(struct state, error_seq) == WIRE_STATE_ERROR_SEQ &&
	       offsetof(struct state, error) == WIRE_STATE_ERROR &&
	       offsetof(struct state, busy) == WIRE_STATE_BUSY &&
	       offsetof(struct state, bad) == WIRE_STATE_BAD &&
	       offsetof(struct state, error_addr) == WIRE_STATE_ERROR_ADDR &&
	       offsetof(struct state, erases) + 2 == WIRE_STATE_SIZE, "the state as on the wire");

static void send_status(struct query *q)
{
	const struct engine *e = &q->engine;
	const struct state s = {
		link_have(&q->link), (uint16_t)(q->link.base + WIRE_WINDOW), e->done,
		e->erased, e->written, q->link.echo, e->error_seq, e->error,
		!engine_is_idle(e), q->link.bad, e->error_addr, e->erases };
	struct link_frame f = { WIRE_STATUS | WIRE_REPLY, WIRE_OK, q->link.next, e->where, 0,
		WIRE_STATE_SIZE };

	q->link.status_due = false;
	q->link.news = 0;
	q->status_at = hw_ms();
	link_send(&q->link, &f, &s);
}

/* ---- identity ---- */

static void hello(struct query *q, struct link_query *a)
{
	/* WIRE_HELLO_*, in words */
	const uint32_t p[WIRE_HELLO_SIZE / 4] = { WIRE_VERSION | WIRE_WINDOW << 16,
		WIRE_HAS_DEFLATE | WIRE_HAS_LZ | WIRE_HAS_MD5 | WIRE_HAS_PLL | WIRE_HAS_MODES |
		WIRE_HAS_RUN, WIRE_DATA_MAX | WIRE_REPLY_MAX << 16, WIRE_UNIT_MAX,
		hw_uart_divisor() };

	reply(q, &a->f, WIRE_OK, p, sizeof p);
}

static void ping(struct query *q, struct link_query *a)
{
	reply(q, &a->f, WIRE_OK, a->body, a->f.bytes);
}

/* The reply goes out at the old rate. Whoever asked proves the new one by a
 * good frame, or the old one comes back. */
static void baud(struct query *q, struct link_query *a)
{
	uint32_t start, good;

	if (a->f.bytes != 8 || a->body[0] == 0 || a->body[1] == 0) {
		reply(q, &a->f, WIRE_E_REQUEST, NULL, 0);
		return;
	}
	reply(q, &a->f, WIRE_OK, NULL, 0);
	hw_tx_flush();
	good = q->link.good;
	hw_baud(a->body[0], a->body[1], a->f.flags);
	for (start = hw_ms(); hw_ms() - start < WIRE_BAUD_TRIAL_MS; link_poll(&q->link)) {
		if (q->link.good != good)
			return;
		hw_rest(WAIT_REST_US);
	}
	hw_baud_undo();
}

static void flash_ask(uint8_t *to, uint8_t opcode, uint8_t dummy_bits, uint32_t in)
{
	const struct hw_spi t = { .opcode = opcode, .dummy_bits = dummy_bits, .in = (uint8_t)in };
	uint32_t words[HW_PROGRAM_MAX / 4];

	hw_spi(&t, words);
	memcpy(to, words, in);
}

static void info(struct query *q, struct link_query *a)
{
	uint8_t p[WIRE_INFO_SIZE] = { 0 };
	uint32_t at;

	flash_ask(p + WIRE_INFO_JEDEC, 0x9f, 0, 3);
	flash_ask(p + WIRE_INFO_SR, 0x05, 0, 1);
	flash_ask(p + WIRE_INFO_SR + 1, 0x35, 0, 1);
	flash_ask(p + WIRE_INFO_SR + 2, 0x15, 0, 1);
	flash_ask(p + WIRE_INFO_UID, 0x4b, 32, 16);
	for (at = 0; at < 256; at += 64) {
		const struct hw_spi t = { .opcode = 0x5a, .addr_bytes = 3, .addr = at,
			.dummy_bits = 8, .in = 64 };
		uint32_t words[16];

		hw_spi(&t, words);
		memcpy(p + WIRE_INFO_SFDP + at, words, 64);
	}
	reply(q, &a->f, WIRE_OK, p, sizeof p);
}

/* ---- reading flash ---- */

static bool range_ok(const struct link_frame *f)
{
	return f->len > 0 && f->addr < WIRE_FLASH_MAX && f->len <= WIRE_FLASH_MAX - f->addr;
}

/* Reads any number of bytes to a word-aligned place with room for whole words. */
static void flash_get(uint32_t addr, uint8_t *to, uint32_t n)
{
	uint32_t part;

	for (; n; n -= part, addr += part, to += part) {
		part = n < HW_READ_MAX ? n : HW_READ_MAX;
		hw_flash_read(addr, (uint32_t *)(void *)to, part);
	}
}

static uint32_t sector_crc(struct query *q, uint32_t addr, uint32_t n)
{
	uint32_t words[HW_READ_MAX / 4], crc = ~0u, part;

	for (; n; n -= part, addr += part) {
		part = n < HW_READ_MAX ? n : HW_READ_MAX;
		hw_flash_read(addr, words, part);
		crc = crc_run(crc, words, part);
	}
	service_flash(q);
	return ~crc;
}

static void hash(struct query *q, struct link_query *a)
{
	struct link_frame f = a->f;
	uint32_t addr = f.addr, left = f.len, n, part;
	uint32_t p[HASHES_MAX];

	if (!range_ok(&f) || f.flags >= WIRE_MODES) {
		reply(q, &f, WIRE_E_RANGE, NULL, 0);
		return;
	}
	hw_read_mode(f.flags);
	do {
		f.addr = addr;
		for (n = 0; n < HASHES_MAX && left; n++, addr += part, left -= part) {
			part = left < WIRE_SECTOR ? left : WIRE_SECTOR;
			p[n] = sector_crc(q, addr, part);
		}
		f.len = addr - f.addr;
		reply(q, &f, left ? 0u : WIRE_STREAM_LAST, p, n * 4);
	} while (left && !q->engine.abort);
	hw_read_mode(WIRE_MODE_SLOW);
}

static void digest(struct query *q, struct link_query *a)
{
	uint32_t addr = a->f.addr, left = a->f.len, n, crc = ~0u;
	uint8_t *buf = q->engine.unit[0].data;
	uint32_t p[5];
	struct hw_md5 md5;

	if (!range_ok(&a->f)) {
		reply(q, &a->f, WIRE_E_RANGE, NULL, 0);
		return;
	}
	hw_md5_init(&md5);
	for (; left && !q->engine.abort; left -= n, addr += n) {
		n = left < WIRE_SECTOR ? left : WIRE_SECTOR;
		flash_get(addr, buf, n);
		crc = crc_run(crc, buf, n);
		hw_md5_update(&md5, buf, n);
		q->engine.where = addr;
		service_flash(q);
	}
	p[0] = ~crc;
	hw_md5_final((uint8_t *)(p + 1), &md5);
	reply(q, &a->f, left ? WIRE_E_BUSY : WIRE_OK, p, sizeof p);
}

static bool blank(const uint8_t *p, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n && p[i] == 0xff; i++)
		;
	return i == n;
}

/* How many bytes from addr on are blank, by whole chunks; the first chunk is in
 * buf, and the first one that is not blank is there afterwards. */
static uint32_t blank_run(struct query *q, uint32_t addr, uint32_t left, uint32_t chunk)
{
	uint8_t *buf = q->engine.unit[0].data;
	uint32_t run = 0, n = left < chunk ? left : chunk;

	while (n && run < BLANK_RUN_MAX && blank(buf, n)) {
		run += n;
		service_flash(q);
		n = left - run < chunk ? left - run : chunk;
		flash_get(addr + run, buf, n);
	}
	return run;
}

static uint32_t read_chunk(struct query *q, struct link_frame *f, uint32_t left, uint32_t chunk)
{
	uint8_t *buf = q->engine.unit[0].data, *out = q->engine.unit[1].data;
	uint16_t *heads = (uint16_t *)(void *)(out + WIRE_UNIT_MAX / 2);
	uint32_t n = left < chunk ? left : chunk, run, size;

	flash_get(f->addr, buf, n);
	run = blank_run(q, f->addr, left, chunk);
	f->len = run ? run : n;
	f->flags = left == f->len ? WIRE_STREAM_LAST : 0;
	if (run) {
		reply(q, f, f->flags | WIRE_PACK_BLANK, NULL, 0);
		return run;
	}
	size = pack_run(buf, n, out, n, heads);
	if (size)
		reply(q, f, f->flags | WIRE_PACK_LZ, out, size);
	else
		reply(q, f, f->flags | WIRE_PACK_RAW, buf, n);
	return n;
}

static void read_range(struct query *q, struct link_query *a)
{
	struct link_frame f = a->f;
	uint32_t left = f.len, log2 = f.flags, n;
	uint8_t why = WIRE_E_RANGE;

	if (!range_ok(&f) || log2 < 8 || log2 > 12) {
		reply(q, &f, WIRE_PACK_ERROR | WIRE_STREAM_LAST, &why, 1);
		return;
	}
	for (; left && !q->engine.abort; left -= n, f.addr += n) {
		n = read_chunk(q, &f, left, 1u << log2);
		service_flash(q);
	}
}

/* ---- memory and anything else ---- */

static void mem_read(struct query *q, struct link_query *a)
{
	uint32_t *p = (uint32_t *)(void *)q->engine.unit[0].data;
	uint32_t i;

	if (a->f.addr % 4 || a->f.len % 4 || a->f.len > WIRE_DATA_MAX) {
		reply(q, &a->f, WIRE_E_RANGE, NULL, 0);
		return;
	}
	for (i = 0; i < a->f.len; i += 4)
		p[i / 4] = hw_word(a->f.addr + i);
	reply(q, &a->f, WIRE_OK, p, a->f.len);
}

static void mem_write(struct query *q, struct link_query *a)
{
	uint32_t i;

	if (a->f.addr % 4 || a->f.bytes % 4) {
		reply(q, &a->f, WIRE_E_RANGE, NULL, 0);
		return;
	}
	for (i = 0; i < a->f.bytes; i += 4)
		hw_set_word(a->f.addr + i, a->body[i / 4]);
	reply(q, &a->f, WIRE_OK, NULL, 0);
}

static enum wire_status flash_wait(struct query *q, uint32_t ms)
{
	uint32_t start = hw_ms();

	while (hw_flash_status() & 1) {
		if (hw_ms() - start >= ms)
			return WIRE_E_TIMEOUT;
		service_flash(q);
		hw_rest(WAIT_REST_US);
	}
	return WIRE_OK;
}

static void spi(struct query *q, struct link_query *a)
{
	const uint8_t *b = (const uint8_t *)a->body;
	uint32_t words[WIRE_SPI_DATA_MAX / 4];
	struct hw_spi before = { .opcode = b[WIRE_SPI_BEFORE] }, t = {
		.opcode = b[WIRE_SPI_OPCODE], .addr_bytes = b[WIRE_SPI_ADDR_BYTES],
		.dummy_bits = b[WIRE_SPI_DUMMY_BITS], .in = b[WIRE_SPI_IN],
		.out = (uint8_t)(a->f.bytes - WIRE_SPI_HEADER), .addr = a->f.addr };
	enum wire_status st = WIRE_OK;

	if (a->f.bytes < WIRE_SPI_HEADER || t.out > WIRE_SPI_DATA_MAX ||
	    t.in > WIRE_SPI_DATA_MAX || t.addr_bytes > 3) {
		reply(q, &a->f, WIRE_E_REQUEST, NULL, 0);
		return;
	}
	memcpy(words, b + WIRE_SPI_HEADER, t.out);
	if (before.opcode)
		hw_spi(&before, words + WIRE_SPI_DATA_MAX / 4);
	hw_spi(&t, words);
	if (a->f.len)
		st = flash_wait(q, a->f.len);
	reply(q, &a->f, st, words, t.in);
}

static void run(struct query *q, struct link_query *a)
{
	reply(q, &a->f, a->f.flags <= WIRE_RUN_ADDR ? WIRE_OK : WIRE_E_REQUEST, NULL, 0);
	hw_tx_flush();
	if (a->f.flags <= WIRE_RUN_ADDR)
		hw_leave(a->f.flags, a->f.addr);
}

static void reset(struct query *q, struct link_query *a)
{
	uint16_t seq = (uint16_t)a->f.addr;

	link_restart(&q->link, seq);
	engine_reset(&q->engine, seq);
	reply(q, &a->f, q->engine.busy ? WIRE_E_TIMEOUT : WIRE_OK, NULL, 0);
}

/* ---- which query goes where ---- */

static const struct {
	void (*answer)(struct query *q, struct link_query *a);
	bool free;		/* of the flash and of the engine's buffers */
} queries[] = {
	[WIRE_HELLO] = { hello, true }, [WIRE_PING] = { ping, true },
	[WIRE_BAUD] = { baud, true }, [WIRE_INFO] = { info, false },
	[WIRE_HASH] = { hash, false }, [WIRE_DIGEST] = { digest, false },
	[WIRE_READ] = { read_range, false }, [WIRE_MEM_READ] = { mem_read, false },
	[WIRE_MEM_WRITE] = { mem_write, true }, [WIRE_SPI] = { spi, false },
	[WIRE_RUN] = { run, false }, [WIRE_RESET] = { reset, true },
};

static void answer(struct query *q, struct link_query *a, bool unpacking)
{
	uint32_t op = a->f.op;

	if (op >= sizeof queries / sizeof *queries || !queries[op].answer)
		reply(q, &a->f, WIRE_E_REQUEST, NULL, 0);
	else if (!queries[op].free && (unpacking || !engine_is_idle(&q->engine)))
		reply(q, &a->f, WIRE_E_BUSY, NULL, 0);
	else
		queries[op].answer(q, a);
}

/* RESET is not refused: it stops what goes on, and is answered when the flash
 * is ready or will not be. */
static bool reset_must_wait(struct query *q, bool unpacking)
{
	q->engine.abort = true;
	if (unpacking)
		return true;
	return q->engine.busy && q->engine.error != WIRE_E_TIMEOUT;
}

static bool reset_asked(const struct link *l)
{
	uint32_t i;

	for (i = 0; i < l->queries; i++)
		if (l->query[i].f.op == WIRE_RESET)
			return true;
	return false;
}

/* While a query is answered, or between. */
static void service_flash(struct query *q)
{
	link_poll(&q->link);
	if (reset_asked(&q->link))
		q->engine.abort = true;
	if (!engine_is_idle(&q->engine) || q->inside || link_front(&q->link))
		if (hw_ms() - q->status_at >= HEARTBEAT_MS)
			q->link.status_due = true;
	if (q->link.status_due)
		send_status(q);
}

static void query_turn(struct query *q)
{
	struct link_query *a = &q->link.query[0];
	bool unpacking = q->engine.unpacking;

	if (!q->link.queries || q->inside)
		return;
	if (a->f.op == WIRE_RESET && reset_must_wait(q, unpacking))
		return;
	q->inside = true;
	answer(q, a, unpacking);
	q->inside = false;
	link_query_done(&q->link);
}

void query_service(struct query *q)
{
	service_flash(q);
	engine_step(&q->engine);
	query_turn(q);
}

static void service_from_engine(struct engine *e)
{
	query_service((struct query *)e);
}

void query_open(struct query *q, struct query_buffers *b)
{
	struct link_query first = { .f = { .op = WIRE_HELLO } };

	link_open(&q->link, b->slot);
	engine_open(&q->engine, &q->link, &b->engine);
	q->engine.idle = service_from_engine;
	q->inside = false;
	q->status_at = 0;
	hello(q, &first);
}
