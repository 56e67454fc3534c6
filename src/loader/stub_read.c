/* Streams of the flash's contents: hashes and packed chunks. Frames say what
 * they are about, so what is missing at the end is asked for again. */
#include "stub_impl.h"

#include "../bytes.h"

#include <string.h>

enum {
	READ_ASK_MAX = 0x20000,		/* one query; so often the line is judged */
	READ_CHUNK = 256,		/* what READ is kept account by */
	QUERIES = 4,			/* as many as the stub keeps */
	BETWEEN_FRAMES_MS = 400,	/* the chip reads 128 KiB meanwhile */
	ROUNDS_EMPTY_MAX = 10,
	EMPTY_MS = 9000,		/* the same in time: frames came, with nothing new */
	POOR_ROUNDS = 2,
};

/* A range in equal chunks, and which of them are here. */
struct stream {
	uint32_t addr, len, chunk, chunks, missing;
	struct stub_query query;
	/* Looks at one frame and keeps it: 0, or -1 when it is not believable. */
	int (*take)(struct stub *s, struct stream *st, const struct stub_frame *f);
	void *to;
	const struct stub_progress *progress;
	uint32_t good, bad;		/* frames of this round */
};

static bool is_here(const struct stub *s, uint32_t i)
{
	return s->have[i / 8] >> (i % 8) & 1;
}

static void stream_init(struct stub *s, struct stream *st)
{
	st->chunks = st->missing = (st->len + st->chunk - 1) / st->chunk;
	memset(s->have, 0, (st->chunks + 7) / 8);
}

/* Notes [addr, addr + len) as received; -1 when that is no part of the stream
 * in whole chunks. */
static int stream_note(struct stub *s, struct stream *st, uint32_t addr, uint32_t len)
{
	uint32_t off = addr - st->addr, i;

	if (addr < st->addr || off >= st->len || len == 0 || len > st->len - off ||
	    off % st->chunk || (len % st->chunk && off + len != st->len))
		return -1;
	for (i = off / st->chunk; i < (off + len + st->chunk - 1) / st->chunk; i++) {
		st->missing -= !is_here(s, i);
		s->have[i / 8] |= (uint8_t)(1 << i % 8);
	}
	return 0;
}

/* The first run of missing chunks from chunk `i` on goes into the query. Returns
 * the chunk behind it, or 0 when nothing is missing there. */
static uint32_t stream_gap(const struct stub *s, struct stream *st, uint32_t i)
{
	uint32_t n = 0, off;

	while (i < st->chunks && is_here(s, i))
		i++;
	while (i + n < st->chunks && !is_here(s, i + n) && n < READ_ASK_MAX / st->chunk)
		n++;
	off = i * st->chunk;
	st->query.addr = st->addr + off;
	st->query.len = n * st->chunk < st->len - off ? n * st->chunk : st->len - off;
	return n ? i + n : 0;
}

/* Asks for the first few gaps. Returns the number of queries; *tag is the first
 * one's. */
static int stream_ask(struct stub *s, struct stream *st, uint16_t *tag)
{
	uint32_t next = 0;
	int n, rc;

	/* What writing learned about the line holds for reading. */
	while (s->chunk_log2 > STUB_CHUNK_LOG2_MIN && s->piece < s->hello.data_max &&
	       1u << s->chunk_log2 > 2 * s->piece)
		s->chunk_log2--;
	if (st->query.op == WIRE_READ)
		st->query.flags = s->chunk_log2;
	*tag = (uint16_t)(s->tag + 1);
	for (n = 0; n < QUERIES; n++) {
		next = stream_gap(s, st, next);
		if (!next)
			break;
		rc = stub_query_send(s, &st->query, -1);
		if (rc < 0)
			return rc;
	}
	return n;
}

static int stream_frame(struct stub *s, struct stream *st, const struct stub_frame *f)
{
	uint32_t left = st->missing * st->chunk;

	if (st->take(s, st, f) < 0) {
		st->bad++;
		s->counters.bad++;
		return 0;
	}
	st->good++;
	return stub_step(s, st->progress, left < st->len ? st->len - left : 0, st->len);
}

/* Asks and takes what comes, until the last end mark or until nothing comes. */
static int stream_round(struct stub *s, struct stream *st)
{
	uint32_t wait_ms = BETWEEN_FRAMES_MS + stub_wire_ms(s, 2 * STUB_FRAME_MAX);
	uint64_t useful_us = port_now_us(s->port), bad = s->counters.bad;
	uint32_t missing = st->missing;
	uint16_t tag, which;
	int n = stream_ask(s, st, &tag), rc = n;
	struct stub_frame f;

	st->good = 0;
	while (rc >= 0 && port_now_us(s->port) - useful_us < STUB_SILENCE_MS * 1000ull) {
		rc = stub_frame_receive(s, &f, wait_ms);
		if (rc <= 0)
			break;
		which = (uint16_t)(f.seq - tag);
		if (f.op != (st->query.op | WIRE_REPLY) || which >= n)
			continue;
		rc = stream_frame(s, st, &f);
		if (st->missing < missing)
			useful_us = port_now_us(s->port);
		missing = st->missing;
		if ((f.flags & WIRE_STREAM_LAST) && which == n - 1)
			break;
	}
	st->bad = (uint32_t)(s->counters.bad - bad);
	return rc < 0 ? rc : 0;
}

/* A line that damages long frames gets shorter ones. */
static void adapt(struct stub *s, const struct stream *st)
{
	if (st->query.op != WIRE_READ)
		return;
	if (st->bad * 4 > st->good && s->chunk_log2 > STUB_CHUNK_LOG2_MIN)
		s->chunk_log2--;
	else if (st->bad == 0 && st->good >= 16 && s->chunk_log2 < STUB_CHUNK_LOG2_MAX)
		s->chunk_log2++;
}

/* After two rounds of which most was lost: it is the rate. */
static int judge_rate(struct stub *s, const struct stream *st, int *poor)
{
	int rc;

	*poor = st->bad > st->good ? *poor + 1 : 0;
	if (*poor < POOR_ROUNDS)
		return 0;
	*poor = 0;
	rc = stub_slow_down(s);
	return rc < 0 ? rc : 0;
}

/* Rounds in a row that brought nothing new. */
struct vain {
	int rounds;
	uint64_t time_us;
};

static bool is_vain(struct vain *v, bool brought, uint64_t time_us)
{
	v->rounds = brought ? 0 : v->rounds + 1;
	v->time_us = brought ? 0 : v->time_us + time_us;
	return v->rounds == ROUNDS_EMPTY_MAX || v->time_us > EMPTY_MS * 1000ull;
}

static int stream_run(struct stub *s, struct stream *st)
{
	struct vain vain = { 0, 0 };
	int poor = 0, rc;

	for (stream_init(s, st); st->missing; adapt(s, st)) {
		uint64_t start = port_now_us(s->port), end;
		uint32_t missing = st->missing;

		s->refusal = WIRE_OK;
		rc = stream_round(s, st);
		end = port_now_us(s->port);
		if (rc < 0)
			return rc;
		if (s->refusal)
			return stub_refused(s, s->refusal, st->addr);
		rc = judge_rate(s, st, &poor);
		if (rc < 0)
			return rc;
		if (is_vain(&vain, st->missing < missing, end - start))
			return esp_fail(&s->err, ESP_E_TIMEOUT, "%s: nothing comes from 0x%06x",
					s->port->name, st->query.addr);
	}
	return 0;
}

static int range_check(struct stub *s, uint32_t addr, uint32_t len)
{
	if (addr >= WIRE_FLASH_MAX || len > WIRE_FLASH_MAX - addr)
		return esp_fail(&s->err, ESP_E_ARGUMENT, "0x%06x + 0x%x is outside any flash",
				addr, len);
	return 0;
}

/* ---- hashes ---- */

static int take_hashes(struct stub *s, struct stream *st, const struct stub_frame *f)
{
	uint32_t *crc = st->to;
	uint32_t i, n = (uint32_t)(f->bytes / 4);

	if (f->bytes == 0 && f->flags) {
		s->refusal = f->flags;
		return -1;
	}
	if (f->bytes % 4 || n != (f->len + WIRE_SECTOR - 1) / WIRE_SECTOR ||
	    stream_note(s, st, f->addr, f->len) < 0)
		return -1;
	for (i = 0; i < n; i++)
		crc[(f->addr - st->addr) / WIRE_SECTOR + i] = get_le32(f->data + i * 4);
	return 0;
}

int stub_hashes_mode(struct stub *s, uint32_t addr, uint32_t len, uint32_t *crc,
		     enum wire_mode mode)
{
	struct stream st = { .addr = addr, .len = len, .chunk = WIRE_SECTOR, .to = crc,
		.query = { .op = WIRE_HASH, .flags = (uint8_t)mode }, .take = take_hashes };
	int rc = range_check(s, addr, len);

	return rc < 0 ? rc : stream_run(s, &st);
}

int stub_hashes(struct stub *s, uint32_t addr, uint32_t len, uint32_t *crc)
{
	return stub_hashes_mode(s, addr, len, crc, WIRE_MODE_SLOW);
}

int stub_mode_works(struct stub *s, uint32_t addr, uint32_t len, enum wire_mode mode)
{
	uint32_t slow[64], other[64];
	int rc;

	if (len == 0 || len > 64 * WIRE_SECTOR)
		return esp_fail(&s->err, ESP_E_ARGUMENT, "mode test of %u bytes", len);
	rc = stub_hashes(s, addr, len, slow);
	if (rc >= 0)
		rc = stub_hashes_mode(s, addr, len, other, mode);
	if (rc < 0)
		return rc;
	return memcmp(slow, other, (len + WIRE_SECTOR - 1) / WIRE_SECTOR * 4) == 0;
}

/* ---- reading ---- */

/* A length that goes on in bytes as long as they are 255. -1 at the end. */
static int64_t unpack_length(const uint8_t **in, const uint8_t *end, uint32_t n)
{
	uint64_t sum = n;
	uint8_t byte;

	if (n < 15)
		return n;
	do {
		if (*in == end)
			return -1;
		byte = *(*in)++;
		sum += byte;
	} while (byte == 255);
	return (int64_t)sum;
}

int stub_unpack(const uint8_t *in, size_t len, uint8_t *out, size_t n)
{
	const uint8_t *end = in + len;
	size_t at = 0, back;
	int64_t count;

	while (in < end) {
		uint8_t token = *in++;

		count = unpack_length(&in, end, token >> 4);
		if (count < 0 || count > end - in || (size_t)count > n - at)
			return -1;
		memcpy(out + at, in, (size_t)count);
		at += (size_t)count;
		in += count;
		if (in == end)
			break;
		if (end - in < 2)
			return -1;
		back = get_le16(in);
		in += 2;
		count = unpack_length(&in, end, token & 15);
		if (count < 0 || back == 0 || back > at || (size_t)count + 4 > n - at)
			return -1;
		for (count += 4; count; count--, at++)
			out[at] = out[at - back];
	}
	return at == n ? 0 : -1;
}

static int take_chunk(struct stub *s, struct stream *st, const struct stub_frame *f)
{
	uint8_t *to = st->to;
	uint32_t off = f->addr - st->addr;

	if ((f->flags & WIRE_PACK_ERROR) && f->bytes == 1) {
		s->refusal = f->data[0];
		return -1;
	}
	if (f->addr < st->addr || off >= st->len || f->len > st->len - off)
		return -1;
	switch (f->flags & ~WIRE_STREAM_LAST) {
	case WIRE_PACK_BLANK:
		memset(to + off, 0xff, f->len);
		break;
	case WIRE_PACK_RAW:
		if (f->bytes != f->len)
			return -1;
		memcpy(to + off, f->data, f->len);
		break;
	case WIRE_PACK_LZ:
		if (stub_unpack(f->data, f->bytes, to + off, f->len) < 0)
			return -1;
		break;
	default:
		return -1;
	}
	return stream_note(s, st, f->addr, f->len);
}

int stub_read(struct stub *s, uint32_t addr, void *buf, uint32_t len,
	      const struct stub_progress *progress)
{
	struct stream st = { .addr = addr, .len = len, .chunk = READ_CHUNK, .to = buf,
		.query = { .op = WIRE_READ }, .take = take_chunk,
		.progress = progress };
	int rc = range_check(s, addr, len);

	return rc < 0 ? rc : stream_run(s, &st);
}
