/* Gets the stub into the chip: the ROM loads a first stage of some hundred
 * bytes, which changes the rate and takes the rest (stub/first.c). */
#include "stub_impl.h"

#include "../bytes.h"
#include "../embed.h"

#include <libdeflate.h>
#include <string.h>

enum {
	BLOCK_BYTES = 4 + 4 * WIRE_FIRST_WORDS,
	CONTROL_BYTES = 16,	/* of a block without data */
	ANSWER_BYTES = 20,
	ANSWER_MS = 40,		/* beside time on the wire */
	ASKS_MAX = 12,		/* in a row without any answer */
	VAIN_MAX = 24,		/* the same without a new block there */
	TRIAL_ASKS = 4,		/* the same at a rate that may not work */
	BACK_MS = 300,		/* of silence: the chip is back at the old rate */
	ROUNDS_MAX = 60,
	JUDGED_BLOCKS = 8,	/* fewer say nothing about the line */
};

/* stub.bin, taken apart. */
struct blob {
	const uint8_t *first, *packed;
	uint32_t first_addr, first_size, first_entry;
	uint32_t packed_addr, packed_size, entry, blocks;
};

static int blob_open(struct stub *s, struct blob *b)
{
	const struct embed_file *f = embed_find("src/stub/stub.bin");
	const uint8_t *p = f ? (const uint8_t *)f->start : NULL;
	uint64_t size = f ? (uint64_t)(f->end - f->start) : 0;

	if (size < WIRE_BLOB_HEADER)
		return esp_fail(&s->err, ESP_E_MISSING, "this program was built without its stub");
	b->entry = get_le32(p + WIRE_BLOB_ENTRY);
	b->first_addr = get_le32(p + WIRE_BLOB_FIRST_ADDR);
	b->first_size = get_le32(p + WIRE_BLOB_FIRST_SIZE);
	b->first_entry = get_le32(p + WIRE_BLOB_FIRST_ENTRY);
	b->packed_addr = get_le32(p + WIRE_BLOB_PACKED_ADDR);
	if (get_le32(p) != WIRE_BLOB_WORD || b->first_size < 8 || b->first_size > ROM_BLOCK_MAX ||
	    size <= (uint64_t)WIRE_BLOB_HEADER + b->first_size || size > WIRE_FIRST_IMAGE)
		return esp_fail(&s->err, ESP_E_PROTO, "the stub inside this program is damaged");
	b->first = p + WIRE_BLOB_HEADER;
	b->packed = b->first + b->first_size;
	b->packed_size = (uint32_t)size - WIRE_BLOB_HEADER - b->first_size;
	b->blocks = (b->packed_size + WIRE_FIRST_DATA - 1) / WIRE_FIRST_DATA;
	return b->blocks <= WIRE_FIRST_BLOCKS ? 0 :
		esp_fail(&s->err, ESP_E_TOOBIG, "the stub has %u blocks", b->blocks);
}

/* ---- the first stage, by the ROM ---- */

static int run_first(struct stub *s, struct rom *rom, const struct blob *b, uint32_t baud)
{
	uint8_t code[ROM_BLOCK_MAX];
	int rc;

	memcpy(code, b->first, b->first_size);
	put_le32(code, s->port->baud);
	put_le32(code + 4, baud);
	rc = rom_load_ram(rom, b->first_addr, code, b->first_size);
	if (rc >= 0)
		rc = rom_run(rom, b->first_entry);
	if (rc < 0)
		return esp_pass(&s->err, &rom->err);
	if (baud != s->port->baud && port_set_baud(s->port, baud) < 0)
		return esp_pass(&s->err, &s->port->err);
	return 0;
}

/* ---- blocks ---- */

static int send_block(struct stub *s, uint32_t index, uint32_t addr, const uint8_t *data,
		      uint32_t n)
{
	uint8_t block[BLOCK_BYTES] = { 0 };
	size_t size = index & WIRE_FIRST_CONTROL ? CONTROL_BYTES : BLOCK_BYTES;

	put_le32(block, WIRE_FIRST_WORD);
	put_le32(block + 4, index);
	put_le32(block + 8, addr);
	if (n)
		memcpy(block + 12, data, n < WIRE_FIRST_DATA ? n : WIRE_FIRST_DATA);
	put_le32(block + size - 4, libdeflate_crc32(0, block + 4, size - 8));
	s->counters.sent_bytes += size;
	if (port_write(s->port, block, size, 2000) < 0)
		return esp_pass(&s->err, &s->port->err);
	return 0;
}

static int send_missing(struct stub *s, const struct blob *b, uint64_t have)
{
	uint32_t i, off;
	int rc = 0;

	for (i = 0; i < b->blocks && rc >= 0; i++) {
		if (have >> i & 1)
			continue;
		off = i * WIRE_FIRST_DATA;
		rc = send_block(s, i, b->packed_addr + off, b->packed + off, b->packed_size - off);
	}
	return rc;
}

/* Whether p[0 .. ANSWER_BYTES) is the answer to the question with that tag. The
 * first stage also says once by itself, with tag 0, that it has nothing. */
static bool is_answer(const uint8_t *p, uint32_t tag, uint64_t *have)
{
	uint32_t its = get_le32(p + 4);

	if (get_le32(p) != WIRE_FIRST_WORD || (its != tag && (its || tag != 1)) ||
	    get_le32(p + 16) != libdeflate_crc32(0, p + 4, 12))
		return false;
	*have = get_le32(p + 8) | (uint64_t)get_le32(p + 12) << 32;
	return true;
}

/* Asks and waits for the answer, beside the time that `before` bytes on their way
 * take: 1, or 0 when it did not come. */
static int ask_first(struct stub *s, uint32_t tag, uint32_t before, uint64_t *have)
{
	uint8_t window[ANSWER_BYTES] = { 0 }, byte;
	uint64_t end;
	int rc = send_block(s, WIRE_FIRST_ASK, tag, NULL, 0);

	if (rc < 0)
		return rc;
	end = port_now_us(s->port) + 1000ull *
		(ANSWER_MS + stub_wire_ms(s, before + CONTROL_BYTES + ANSWER_BYTES));
	while (port_now_us(s->port) < end) {
		rc = port_read(s->port, &byte, 1, ANSWER_MS);
		if (rc < 0)
			return esp_pass(&s->err, &s->port->err);
		if (rc == 0)
			continue;
		memmove(window, window + 1, ANSWER_BYTES - 1);
		window[ANSWER_BYTES - 1] = byte;
		if (is_answer(window, tag, have))
			return 1;
	}
	return 0;
}

/* The new rate does not work: the chip goes back to the old one, and so do we. */
static int back_to(struct stub *s, uint32_t baud)
{
	if (s->port->baud == baud)
		return 0;
	port_sleep(s->port, BACK_MS + stub_wire_ms(s, BLOCK_BYTES * WIRE_FIRST_BLOCKS));
	if (port_set_baud(s->port, baud) < 0)
		return esp_pass(&s->err, &s->port->err);
	port_flush(s->port);
	return 0;
}

/* Most of what was sent did not arrive. */
static bool is_poor(uint32_t sent, uint64_t missing)
{
	return sent >= JUDGED_BLOCKS && (uint32_t)__builtin_popcountll(missing) * 2 > sent;
}

/* Until all blocks are there. A rate that stays silent, or at which more than half
 * of the blocks get lost, is given up for the old one. */
static int load_rest(struct stub *s, const struct blob *b, uint32_t old_baud)
{
	uint64_t all = b->blocks == 64 ? ~0ull : (1ull << b->blocks) - 1, have = 0, best = 0;
	uint32_t tag, sent = 0;
	int silent = 0, vain = 0, rc;

	for (tag = 1; tag < ROUNDS_MAX && silent < ASKS_MAX && vain < VAIN_MAX; tag++) {
		rc = ask_first(s, tag, sent * BLOCK_BYTES, &have);
		if (rc < 0)
			return rc;
		silent = rc ? 0 : silent + 1;
		vain = have & ~best ? 0 : vain + 1;
		best |= have;
		if (rc && (have & all) == all)
			return 0;
		if (silent == TRIAL_ASKS || (rc && is_poor(sent, ~have & all))) {
			rc = back_to(s, old_baud);
			sent = 0;
		} else if (rc) {
			sent = (uint32_t)__builtin_popcountll(~have & all);
			rc = send_missing(s, b, have);
		}
		if (rc < 0)
			return rc;
	}
	return esp_fail(&s->err, ESP_E_TIMEOUT, "%s: the stub does not load at %u baud",
			s->port->name, s->port->baud);
}

int stub_boot(struct stub *s, struct rom *rom, uint32_t baud)
{
	uint32_t old_baud = s->port->baud;
	struct blob b;
	int rc = blob_open(s, &b);

	if (rc >= 0)
		rc = run_first(s, rom, &b, baud);
	if (rc >= 0)
		rc = load_rest(s, &b, old_baud);
	/* Three times, because nobody answers: what comes to the stub itself is
	 * noise to it. */
	for (int i = 0; i < 3 && rc >= 0; i++)
		rc = send_block(s, WIRE_FIRST_RUN, b.entry, NULL, 0);
	s->in_pos = s->in_len = 0;
	return rc;
}
