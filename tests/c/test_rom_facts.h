/* test_rom_facts.h - a simulated chip on the bench, spoken to in raw bytes.
 *
 * For test_rom_facts_*.c. Shares nothing with the host's loader code: what
 * goes over the wire is written down here or in the tests, as it was observed
 * on the real ROM.
 */
#ifndef TEST_ROM_FACTS_H
#define TEST_ROM_FACTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/sim/chip.h"

#define RIG_RX_MAX 262144u
#define RIG_MS 1000u
#define RIG_S 1000000u
#define STRAP_UART 1
#define STRAP_FLASH 3

enum { OP_FLASH_BEGIN = 2, OP_FLASH_DATA, OP_FLASH_END, OP_MEM_BEGIN, OP_MEM_END, OP_MEM_DATA,
	OP_SYNC, OP_WRITE_REG, OP_READ_REG, OP_SPI_SET_PARAMS };

struct rig {
	struct chip *chip;
	uint8_t *rx;		/* received and not taken yet */
	size_t n;
};

/* MOONFLASH_ROM names a dump of a real mask ROM: the same facts must hold. */
static inline struct chip_config rig_config(int strap)
{
	struct chip_config cfg;
	const char *rom = getenv("MOONFLASH_ROM");

	chip_config_init(&cfg);
	if (rom)
		snprintf(cfg.rom_path, sizeof cfg.rom_path, "%s", rom);
	cfg.lines_wired = false;
	cfg.strap = strap;
	return cfg;
}

static inline void rig_open(struct rig *r, const struct chip_config *cfg)
{
	struct esp_error err = { 0 };

	r->rx = calloc(1, RIG_RX_MAX);
	r->n = 0;
	r->chip = chip_open(cfg, &err);
	if (!r->chip)
		fail_msg("chip_open: %s", err.text);
	chip_set_host_baud(r->chip, 115200);
}

static inline void rig_close(struct rig *r)
{
	chip_close(r->chip);
	free(r->rx);
	r->rx = NULL;
}

static inline void rig_collect(struct rig *r)
{
	size_t got;

	while ((got = chip_sent(r->chip, r->rx + r->n, RIG_RX_MAX - r->n)) > 0)
		r->n += got;
	assert_true(r->n < RIG_RX_MAX);
}

/* Lets us microseconds pass. */
static inline void rig_run(struct rig *r, uint64_t us)
{
	chip_run(r->chip, chip_now_us(r->chip) + us, false);
	rig_collect(r);
}

static inline void rig_drop(struct rig *r)
{
	rig_collect(r);
	r->n = 0;
}

/* Takes the first n received bytes away. */
static inline void rig_take(struct rig *r, size_t n)
{
	memmove(r->rx, r->rx + n, r->n - n);
	r->n -= n;
}

/* Waits until at least n bytes are there; returns how many there are. */
static inline size_t rig_wait(struct rig *r, size_t n, uint64_t timeout_us)
{
	uint64_t end = chip_now_us(r->chip) + timeout_us;

	rig_collect(r);
	while (r->n < n && chip_now_us(r->chip) < end) {
		chip_run(r->chip, end, true);
		rig_collect(r);
	}
	return r->n;
}

static inline void rig_send(struct rig *r, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len) {
		size_t k = chip_receive(r->chip, p, len);

		p += k;
		len -= k;
		if (len)
			rig_run(r, RIG_MS);
	}
}

static inline int rig_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Two digits a byte, blanks anywhere between bytes. */
static inline size_t rig_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (; *hex; hex++) {
		if (isspace((unsigned char)*hex))
			continue;
		out[n++] = (uint8_t)(rig_digit(hex[0]) << 4 | rig_digit(hex[1]));
		hex++;
	}
	return n;
}

static inline void rig_send_hex(struct rig *r, const char *hex)
{
	uint8_t buf[512];

	rig_send(r, buf, rig_hex(hex, buf));
}

/* The chip's next bytes are exactly these. */
static inline void rig_expect(struct rig *r, const void *want, size_t n, uint64_t timeout_us)
{
	rig_wait(r, n, timeout_us);
	if (r->n < n || memcmp(r->rx, want, n) != 0) {
		fprintf(stderr, "# got %zu bytes:", r->n);
		for (size_t i = 0; i < r->n && i < 64; i++)
			fprintf(stderr, " %02x", r->rx[i]);
		fprintf(stderr, "\n# wanted:");
		for (size_t i = 0; i < n && i < 64; i++)
			fprintf(stderr, " %02x", ((const uint8_t *)want)[i]);
		fprintf(stderr, "\n");
	}
	assert_true(r->n >= n);
	assert_memory_equal(r->rx, want, n);
	rig_take(r, n);
}

static inline void rig_expect_hex(struct rig *r, const char *hex, uint64_t timeout_us)
{
	uint8_t buf[512];

	rig_expect(r, buf, rig_hex(hex, buf), timeout_us);
}

static inline void rig_expect_text(struct rig *r, const char *text, uint64_t timeout_us)
{
	rig_expect(r, text, strlen(text), timeout_us);
}

static inline void rig_expect_silence(struct rig *r, uint64_t us)
{
	rig_run(r, us);
	if (r->n)
		fprintf(stderr, "# %zu bytes, first %02x\n", r->n, r->rx[0]);
	assert_int_equal(r->n, 0);
}

/* A request as it looks on the wire. */
struct frame {
	uint8_t byte[2 * (8 + 16 + 0x4000) + 2];
	size_t n;
};

static inline void frame_put(struct frame *f, uint8_t b)
{
	if (b == 0xC0 || b == 0xDB) {
		f->byte[f->n++] = 0xDB;
		b = b == 0xC0 ? 0xDC : 0xDD;
	}
	f->byte[f->n++] = b;
}

static inline void frame_words(struct frame *f, const uint32_t *w, size_t n)
{
	for (size_t i = 0; i < 4 * n; i++)
		frame_put(f, (uint8_t)(w[i / 4] >> 8 * (i % 4)));
}

static inline void frame_open(struct frame *f, uint8_t op, size_t len, uint32_t check)
{
	f->n = 0;
	f->byte[f->n++] = 0xC0;
	frame_put(f, 0);
	frame_put(f, op);
	frame_put(f, (uint8_t)len);
	frame_put(f, (uint8_t)(len >> 8));
	frame_words(f, &check, 1);
}

static inline void frame_close(struct frame *f)
{
	f->byte[f->n++] = 0xC0;
}

static inline void rig_request(struct rig *r, uint8_t op, const uint32_t *w, size_t words)
{
	struct frame f;

	frame_open(&f, op, 4 * words, 0);
	frame_words(&f, w, words);
	frame_close(&f);
	rig_send(r, f.byte, f.n);
}

static inline uint8_t block_sum(const uint8_t *p, size_t n)
{
	uint8_t sum = 0xEF;

	while (n--)
		sum ^= *p++;
	return sum;
}

/* A data block with a checksum of the caller's. */
static inline void rig_block(struct rig *r, uint8_t op, uint32_t seq, const uint8_t *data,
			     size_t n, uint32_t check)
{
	const uint32_t head[4] = { (uint32_t)n, seq, 0, 0 };
	static struct frame f;

	frame_open(&f, op, n + 16, check);
	frame_words(&f, head, 4);
	for (size_t i = 0; i < n; i++)
		frame_put(&f, data[i]);
	frame_close(&f);
	rig_send(r, f.byte, f.n);
}

struct answer {
	uint8_t direction, op, status, error;
	uint16_t len;
	uint32_t value;
};

/* The next frame from the chip, which must be an answer of ten bytes. */
static inline struct answer rig_answer(struct rig *r, uint64_t timeout_us)
{
	uint64_t end = chip_now_us(r->chip) + timeout_us;
	uint8_t b[10];
	size_t n = 0, at = 1;

	for (;;) {
		uint64_t now = chip_now_us(r->chip);

		if (rig_wait(r, at + 1, end > now ? end - now : 0) < at + 1)
			fail_msg("no answer after %zu bytes", r->n);
		assert_int_equal(r->rx[0], 0xC0);
		if (r->rx[at] == 0xC0)
			break;
		assert_true(n < sizeof b);
		if (r->rx[at] == 0xDB) {
			rig_wait(r, at + 2, 2 * RIG_MS);
			at++;
			b[n++] = r->rx[at] == 0xDC ? 0xC0 : 0xDB;
		} else {
			b[n++] = r->rx[at];
		}
		at++;
	}
	assert_int_equal(n, sizeof b);
	rig_take(r, at + 1);
	return (struct answer){ b[0], b[1], b[8], b[9], (uint16_t)(b[2] | b[3] << 8),
		b[4] | (uint32_t)b[5] << 8 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 24 };
}

/* The next answer is for this op, and says all is well. */
static inline void rig_expect_ok(struct rig *r, uint8_t op, uint64_t timeout_us)
{
	struct answer a = rig_answer(r, timeout_us);

	assert_int_equal(a.direction, 1);
	assert_int_equal(a.op, op);
	assert_int_equal(a.len, 2);
	assert_int_equal(a.status, 0);
}

static inline void rig_expect_error(struct rig *r, uint8_t op, uint8_t error, uint64_t timeout_us)
{
	struct answer a = rig_answer(r, timeout_us);

	assert_int_equal(a.op, op);
	assert_int_equal(a.status, 1);
	assert_int_equal(a.error, error);
}

static inline uint32_t rig_read_reg(struct rig *r, uint32_t addr)
{
	struct answer a;

	rig_request(r, OP_READ_REG, &addr, 1);
	a = rig_answer(r, RIG_S);
	assert_int_equal(a.op, OP_READ_REG);
	assert_int_equal(a.status, 0);
	return a.value;
}

static inline void rig_write_reg(struct rig *r, uint32_t addr, uint32_t value)
{
	const uint32_t w[4] = { addr, value, 0xFFFFFFFF, 0 };

	rig_request(r, OP_WRITE_REG, w, 4);
	rig_expect_ok(r, OP_WRITE_REG, RIG_S);
}

#define SYNC_FRAME "c0 00 08 24 00 00 00 00 00 07 07 12 20" \
	"55555555 55555555 55555555 55555555 55555555 55555555 55555555 55555555 c0"
#define SYNC_ANSWER "c0 01 08 02 00 07071220 00 00 c0"

static inline void rig_expect_sync(struct rig *r)
{
	for (int i = 0; i < 8; i++)
		rig_expect_hex(r, SYNC_ANSWER, 100 * RIG_MS);
}

/* From reset to a loader that has answered SYNC, at that rate. */
static inline void rig_connect_at(struct rig *r, uint32_t baud)
{
	chip_set_host_baud(r->chip, baud);
	rig_run(r, 20 * RIG_MS);
	rig_drop(r);
	rig_send_hex(r, SYNC_FRAME);
	rig_run(r, 20 * RIG_MS + 600000000ull / baud);
	rig_drop(r);
	rig_send_hex(r, SYNC_FRAME);
	for (int i = 0; i < 8; i++)
		rig_expect_hex(r, SYNC_ANSWER, 100 * RIG_MS + 600000000ull / baud);
}

static inline void rig_download(struct rig *r)
{
	struct chip_config cfg = rig_config(STRAP_UART);

	rig_open(r, &cfg);
	rig_connect_at(r, 115200);
}

/* cmocka's setup and teardown: a connected loader. */
static inline int rig_setup(void **state)
{
	static struct rig rig;

	rig_download(&rig);
	*state = &rig;
	return 0;
}

static inline int rig_teardown(void **state)
{
	rig_close(*state);
	return 0;
}

/* Bytes that look random and are the same every time. */
static inline void rig_pattern(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		p[i] = (uint8_t)(seed >> 24);
	}
}

/* One block of that size, at most. */
static inline void rig_mem_begin(struct rig *r, uint32_t block, uint32_t addr)
{
	const uint32_t w[4] = { block, 1, block, addr };

	rig_request(r, OP_MEM_BEGIN, w, 4);
}

static inline void rig_flash_begin(struct rig *r, uint32_t size, uint32_t blocks, uint32_t block,
				   uint32_t offset)
{
	const uint32_t w[4] = { size, blocks, block, offset };

	rig_request(r, OP_FLASH_BEGIN, w, 4);
}

/* How long it takes from the last byte of the request to the first of the answer. */
static inline uint64_t rig_time_answer(struct rig *r, uint64_t timeout_us)
{
	uint64_t start;

	while (!chip_wire_idle(r->chip))
		rig_run(r, 10);
	start = chip_now_us(r->chip);
	rig_wait(r, 1, timeout_us);
	return chip_now_us(r->chip) - start;
}

/* Loads words to addr, and runs entry when it is not 0. */
static inline void rig_load(struct rig *r, uint32_t addr, const uint8_t *code, size_t n)
{
	const uint32_t w[4] = { (uint32_t)n, 1, 0x1800, addr };

	rig_request(r, OP_MEM_BEGIN, w, 4);
	rig_expect_ok(r, OP_MEM_BEGIN, RIG_S);
	rig_block(r, OP_MEM_DATA, 0, code, n, block_sum(code, n));
	rig_expect_ok(r, OP_MEM_DATA, 2 * RIG_S);
}

static inline void rig_enter(struct rig *r, uint32_t entry)
{
	const uint32_t w[2] = { 0, entry };

	rig_request(r, OP_MEM_END, w, 2);
	rig_expect_ok(r, OP_MEM_END, RIG_S);
}

#endif
