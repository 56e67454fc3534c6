/* Gets the stub into the chip: the ROM loads a first stage of some hundred
 * bytes, which changes the rate and takes the rest (stub/first.c). */
#include "stub_impl.h"

#include "../bytes.h"
#include "../embed.h"

#include <libdeflate.h>
#include <string.h>

enum {
	BLOCK_BYTES = 4 + 4 * WIRE_FIRST_WORDS,
	ANSWER_BYTES = 16,
	ANSWER_MS = 40,		/* beside time on the wire */
	ASKS_MAX = 12,		/* in a row without any answer */
	ROUNDS_MAX = 60,
};

/* stub.bin, taken apart. Block i of the text or, behind it, of the data. */
struct blob {
	const uint8_t *first, *text, *data;
	uint32_t first_addr, first_size, first_entry;
	uint32_t text_addr, text_size, data_addr, data_size, entry;
	uint32_t text_blocks, blocks;
};

static uint32_t blocks_of(uint32_t bytes)
{
	return (bytes + WIRE_FIRST_DATA - 1) / WIRE_FIRST_DATA;
}

static int blob_open(struct stub *s, struct blob *b)
{
	const struct embed_file *f = embed_find("src/stub/stub.bin");
	const uint8_t *p = f ? (const uint8_t *)f->start : NULL;
	uint64_t size = f ? (uint64_t)(f->end - f->start) : 0;

	if (size < WIRE_BLOB_HEADER)
		return esp_fail(&s->err, ESP_E_MISSING, "this program was built without its stub");
	b->entry = get_le32(p + WIRE_BLOB_ENTRY);
	b->text_addr = get_le32(p + WIRE_BLOB_TEXT_ADDR);
	b->text_size = get_le32(p + WIRE_BLOB_TEXT_SIZE);
	b->data_addr = get_le32(p + WIRE_BLOB_DATA_ADDR);
	b->data_size = get_le32(p + WIRE_BLOB_DATA_SIZE);
	b->first_addr = get_le32(p + WIRE_BLOB_FIRST_ADDR);
	b->first_size = get_le32(p + WIRE_BLOB_FIRST_SIZE);
	b->first_entry = get_le32(p + WIRE_BLOB_FIRST_ENTRY);
	if (get_le32(p) != WIRE_BLOB_WORD || b->first_size < 8 || b->first_size > ROM_BLOCK_MAX ||
	    size != (uint64_t)WIRE_BLOB_HEADER + b->first_size + b->text_size + b->data_size)
		return esp_fail(&s->err, ESP_E_PROTO, "the stub inside this program is damaged");
	b->first = p + WIRE_BLOB_HEADER;
	b->text = b->first + b->first_size;
	b->data = b->text + b->text_size;
	b->text_blocks = blocks_of(b->text_size);
	b->blocks = b->text_blocks + blocks_of(b->data_size);
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

	put_le32(block, WIRE_FIRST_WORD);
	put_le32(block + 4, index);
	put_le32(block + 8, addr);
	if (n)
		memcpy(block + 12, data, n < WIRE_FIRST_DATA ? n : WIRE_FIRST_DATA);
	put_le32(block + BLOCK_BYTES - 4, libdeflate_crc32(0, block + 4, BLOCK_BYTES - 8));
	s->counters.sent_bytes += sizeof block;
	if (port_write(s->port, block, sizeof block, 2000) < 0)
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
		off = (i < b->text_blocks ? i : i - b->text_blocks) * WIRE_FIRST_DATA;
		if (i < b->text_blocks)
			rc = send_block(s, i, b->text_addr + off, b->text + off,
					b->text_size - off);
		else
			rc = send_block(s, i, b->data_addr + off, b->data + off,
					b->data_size - off);
	}
	return rc;
}

/* Whether p[0 .. ANSWER_BYTES) is an answer. */
static bool is_answer(const uint8_t *p, uint64_t *have)
{
	if (get_le32(p) != WIRE_FIRST_WORD || get_le32(p + 12) != libdeflate_crc32(0, p + 4, 8))
		return false;
	*have = get_le32(p + 4) | (uint64_t)get_le32(p + 8) << 32;
	return true;
}

/* Asks and waits for one answer: 1, or 0 when none came. */
static int ask_first(struct stub *s, uint64_t *have)
{
	uint8_t window[ANSWER_BYTES] = { 0 }, byte;
	uint64_t end;
	int rc = send_block(s, WIRE_FIRST_ASK, 0, NULL, 0);

	if (rc < 0)
		return rc;
	end = port_now_us(s->port) + 1000ull * (ANSWER_MS + stub_wire_ms(s, 2 * BLOCK_BYTES));
	while (port_now_us(s->port) < end) {
		rc = port_read(s->port, &byte, 1, ANSWER_MS);
		if (rc < 0)
			return esp_pass(&s->err, &s->port->err);
		if (rc == 0)
			continue;
		memmove(window, window + 1, ANSWER_BYTES - 1);
		window[ANSWER_BYTES - 1] = byte;
		if (is_answer(window, have))
			return 1;
	}
	return 0;
}

/* Until all blocks are there. The first question only finds out that the chip
 * hears us at the new rate. */
static int load_rest(struct stub *s, const struct blob *b)
{
	uint64_t all = b->blocks == 64 ? ~0ull : (1ull << b->blocks) - 1, have = 0;
	int silent = 0, round, rc;

	for (round = 0; round < ROUNDS_MAX && silent < ASKS_MAX; round++) {
		rc = ask_first(s, &have);
		if (rc < 0)
			return rc;
		silent = rc ? 0 : silent + 1;
		if (rc && (have & all) == all)
			return 0;
		if (rc && (rc = send_missing(s, b, have)) < 0)
			return rc;
	}
	return esp_fail(&s->err, ESP_E_TIMEOUT, "%s: the stub does not load at %u baud",
			s->port->name, s->port->baud);
}

int stub_boot(struct stub *s, struct rom *rom, uint32_t baud)
{
	struct blob b;
	int rc = blob_open(s, &b);

	if (rc >= 0)
		rc = run_first(s, rom, &b, baud);
	if (rc >= 0)
		rc = load_rest(s, &b);
	/* Three times, because nobody answers: what comes to the stub itself is
	 * noise to it. */
	for (int i = 0; i < 3 && rc >= 0; i++)
		rc = send_block(s, WIRE_FIRST_RUN, b.entry, NULL, 0);
	s->in_pos = s->in_len = 0;
	return rc;
}
