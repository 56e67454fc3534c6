/* test_rom_facts_flash.c - what the simulated mask ROM does to flash is what
 * the real one was seen to do: which sectors it erases, how long that takes,
 * what it verifies, and how FLASH_END ends the session.
 */
#include "test_rom_facts.h"

#include "../../src/sim/nor.h"

#define SECTOR 0x1000u
#define MIB (1u << 20)
#define BUSY_TIMEOUT (10 * RIG_S)

static void open_with_flash(struct rig *r, uint32_t bytes)
{
	struct chip_config cfg = rig_config(STRAP_UART);

	cfg.flash_bytes = bytes;
	rig_open(r, &cfg);
	rig_connect_at(r, 115200);
}

static uint8_t *flash(struct rig *r)
{
	uint32_t bytes;

	return chip_flash(r->chip, &bytes);
}

static void fill(struct rig *r, uint8_t value)
{
	uint32_t bytes;
	uint8_t *mem = chip_flash(r->chip, &bytes);

	memset(mem, value, bytes);
}

static bool all(const uint8_t *p, size_t n, uint8_t value)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != value)
			return false;
	}
	return true;
}

/* Exactly [from, to) is blank; the rest is as fill() left it. */
static void assert_only_blank(struct rig *r, uint32_t from, uint32_t to)
{
	uint32_t bytes;
	const uint8_t *mem = chip_flash(r->chip, &bytes);

	for (uint32_t at = 0; at < bytes; at += SECTOR) {
		bool blank = all(mem + at, SECTOR, 0xFF), want = at >= from && at < to;

		if (blank != want)
			fail_msg("sector %06x is %s", (unsigned)at, blank ? "blank" : "not blank");
	}
}

static void begin_ok(struct rig *r, uint32_t size, uint32_t offset)
{
	rig_flash_begin(r, size, (size + 0x3FF) / 0x400, 0x400, offset);
	rig_expect_ok(r, OP_FLASH_BEGIN, BUSY_TIMEOUT);
}

static void begin_fails(struct rig *r, uint32_t size, uint32_t offset)
{
	rig_flash_begin(r, size, (size + 0x3FF) / 0x400, 0x400, offset);
	rig_expect_error(r, OP_FLASH_BEGIN, 6, BUSY_TIMEOUT);
}

/* Writes one block whose checksum is right. */
static void send_block(struct rig *r, uint32_t seq, const uint8_t *data, size_t n)
{
	rig_block(r, OP_FLASH_DATA, seq, data, n, block_sum(data, n));
}

/* -- erasing --------------------------------------------------------------- */

struct erase_case {
	uint32_t size, offset, from, to;
};

static void check_erase(void **state, const struct erase_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct erase_case *c = &cases[i];

		fill(*state, 0);
		begin_ok(*state, c->size, c->offset);
		assert_only_blank(*state, c->from, c->to);
	}
}

static void erase_takes_the_head_twice(void **state)
{
	static const struct erase_case cases[] = {
		{ 0x1000, 0, 0, 0x2000 },
		{ 0x10000, 0, 0, 0x20000 },
		{ 0x20000, 0, 0, 0x30000 },
		{ 0x40000, 0, 0, 0x50000 },
		{ 0x1000, 0x3000, 0x3000, 0x5000 },
		{ 0x8000, 0xC000, 0xC000, 0x18000 },
		{ 0x10000, 0xF000, 0xF000, 0x20000 },
	};

	check_erase(state, cases, sizeof cases / sizeof cases[0]);
}

static void erase_counts_hold_for_the_published_examples(void **state)
{
	static const struct erase_case cases[] = {
		{ 0x21000, 0, 0, 49 * SECTOR },
		{ 0x5000, 0x3000, 0x3000, 0x3000 + 10 * SECTOR },
		{ 0x1000, 0xF000, 0xF000, 0xF000 + 2 * SECTOR },
		{ 0xF000, 0x1000, 0x1000, 0x1000 + 30 * SECTOR },
		{ 0x100000, 0, 0, 272 * SECTOR },
	};

	check_erase(state, cases, sizeof cases / sizeof cases[0]);
}

/* Sizes to ask for so that the wanted sectors, at most one more, are erased. */
static void erase_sizes_of_the_work_around_erase_what_is_wanted(void **state)
{
	static const struct erase_case cases[] = {
		{ 0x1000, 0x0, 0, 2 * SECTOR },
		{ 0x2000, 0x0, 0, 4 * SECTOR },
		{ 0x8000, 0x0, 0, 16 * SECTOR },
		{ 0x9000, 0x0, 0, 18 * SECTOR },
		{ 0x10000, 0x0, 0, 32 * SECTOR },
		{ 0x11000, 0x0, 0, 33 * SECTOR },
		{ 0xF0000, 0x0, 0, 256 * SECTOR },
		{ 0x8000, 0x1000, 0x1000, 0x1000 + 16 * SECTOR },
		{ 0x1000, 0xF000, 0xF000, 0xF000 + 2 * SECTOR },
		{ 0x2000, 0xF000, 0xF000, 0xF000 + 3 * SECTOR },
		{ 0x5B000, 0x10000, 0x10000, 0x10000 + 107 * SECTOR },
		{ 0x2000, 0x3C000, 0x3C000, 0x3C000 + 4 * SECTOR },
		{ 0x1000, 0x3FC000, 0x3FC000, 0x3FC000 + 2 * SECTOR },
		{ 0xA000, 0x7000, 0x7000, 0x7000 + 19 * SECTOR },
	};

	check_erase(state, cases, sizeof cases / sizeof cases[0]);
}

static void the_last_16_sectors_are_erased_singly(void **state)
{
	struct rig *r = *state;
	uint64_t before = chip_nor(r->chip)->stats.erases;

	begin_ok(r, 0x20000, 0);	/* 16 singles, 1 block, 16 singles */
	assert_int_equal(chip_nor(r->chip)->stats.erases - before, 33);
	before = chip_nor(r->chip)->stats.erases;
	begin_ok(r, 0x10000, 0);	/* 16 + 16, no block: `rest > 16` is strict */
	assert_int_equal(chip_nor(r->chip)->stats.erases - before, 32);
}

static void an_odd_size_is_rounded_up_to_sectors(void **state)
{
	static const struct erase_case cases[] = { { 0x1001, 0, 0, 0x4000 }, { 1, 0, 0, 0x2000 } };

	check_erase(state, cases, 2);
}

static void size_0_erases_nothing(void **state)
{
	static const struct erase_case cases[] = { { 0, 0, 0, 0 }, { 0, 0x3FF000, 0, 0 } };

	check_erase(state, cases, 2);
}

static void an_offset_inside_a_sector_is_refused(void **state)
{
	fill(*state, 0);
	begin_fails(*state, 0x1000, 0x800);
	assert_only_blank(*state, 0, 0);
}

static void a_range_beyond_the_tables_size_is_refused(void **state)
{
	fill(*state, 0);
	begin_fails(*state, 0x1000, 0x400000);
	begin_fails(*state, 0x2000, 0x3FF000);
	assert_only_blank(*state, 0, 0);
}

static void near_the_tables_end_the_surplus_fails_after_the_wanted_sectors(void **state)
{
	fill(*state, 0);
	begin_fails(*state, 0x1000, 0x3FF000);
	assert_only_blank(*state, 0x3FF000, 0x400000);
	fill(*state, 0);
	begin_fails(*state, 0x2000, 0x3FE000);
	assert_only_blank(*state, 0x3FE000, 0x400000);
	fill(*state, 0);
	begin_fails(*state, 0x10000, 0x3F0000);
	assert_only_blank(*state, 0x3F0000, 0x400000);
}

static void near_the_tables_end_what_fits_with_its_surplus_works(void **state)
{
	static const struct erase_case cases[] = {
		{ 0x1000, 0x3FE000, 0x3FE000, 0x400000 },
		{ 0x8000, 0x3F0000, 0x3F0000, 0x400000 },
	};

	check_erase(state, cases, 2);
}

static void on_a_smaller_chip_the_surplus_wraps_to_address_0(void **state)
{
	struct rig r;
	const uint8_t *mem;

	(void)state;
	open_with_flash(&r, MIB);
	fill(&r, 0);
	rig_flash_begin(&r, 0x4000, 16, 0x400, 0xFC000);
	rig_expect_hex(&r, "c0 01 02 02 00 07071220 00 00 c0", BUSY_TIMEOUT);
	mem = flash(&r);
	assert_true(all(mem, 0x4000, 0xFF));
	assert_true(all(mem + 0x4000, 0xFC000 - 0x4000, 0));
	assert_true(all(mem + 0xFC000, 0x4000, 0xFF));
	rig_close(&r);
}

static void with_the_right_table_the_surplus_on_a_small_chip_fails(void **state)
{
	static const uint32_t params[6] = { 0, MIB, 0x10000, 0x1000, 0x100, 0xFFFF };
	struct rig r;

	(void)state;
	open_with_flash(&r, MIB);
	fill(&r, 0);
	rig_request(&r, OP_SPI_SET_PARAMS, params, 6);
	rig_expect_ok(&r, OP_SPI_SET_PARAMS, RIG_S);
	begin_fails(&r, 0x4000, 0xFC000);
	assert_only_blank(&r, 0xFC000, MIB);
	rig_close(&r);
}

static void flash_beyond_4_mb_needs_set_params(void **state)
{
	static const uint32_t params[6] = { 0, 16 * MIB, 0x10000, 0x1000, 0x100, 0xFFFF };
	struct rig r;

	(void)state;
	open_with_flash(&r, 16 * MIB);
	fill(&r, 0);
	begin_fails(&r, 0x1000, 0x800000);
	rig_request(&r, OP_SPI_SET_PARAMS, params, 6);
	rig_expect_ok(&r, OP_SPI_SET_PARAMS, RIG_S);
	begin_ok(&r, 0x1000, 0x800000);
	assert_only_blank(&r, 0x800000, 0x802000);
	rig_close(&r);
}

static void flash_begin_answers_when_erased_after_typical_times(void **state)
{
	static const struct { uint32_t size, ms; } times[] = {
		{ 0, 22 }, { 0x1000, 120 }, { 0x4000, 390 }, { 0x10000, 1480 },
		{ 0x20000, 1630 }, { 0x40000, 1930 }, { 0x66000, 1930 },
	};

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		uint64_t us, want = 1000ull * times[i].ms;

		rig_flash_begin(*state, times[i].size, 0, 0x400, 0);
		us = rig_time_answer(*state, BUSY_TIMEOUT);
		rig_expect_ok(*state, OP_FLASH_BEGIN, RIG_S);
		if (us < want * 90 / 100 || us > want * 110 / 100)
			fail_msg("%x: %llu us", (unsigned)times[i].size, (unsigned long long)us);
	}
}

static void flash_begin_turns_cache_off_and_sets_the_plain_read_mode(void **state)
{
	struct rig *r = *state;

	begin_ok(r, 0, 0);
	assert_int_equal(rig_read_reg(r, 0x60000208), 0x00688313);
	assert_int_equal(rig_read_reg(r, 0x3FF0000C) & 0x100, 0);
}

static void a_refused_flash_begin_has_attached_the_flash_already(void **state)
{
	struct rig *r = *state;
	uint64_t before = chip_nor(r->chip)->stats.status_writes;

	rig_flash_begin(r, 0, 0, 0x1801, 0);
	rig_expect_error(r, OP_FLASH_BEGIN, 5, RIG_S);
	assert_int_equal(chip_nor(r->chip)->stats.status_writes - before, 1);
	assert_int_equal(chip_peek(r->chip, 0x60000208), 0x00688313);
}

static void flash_begin_clears_protection_and_quad_enable(void **state)
{
	struct rig *r = *state;
	const struct nor *n;

	begin_ok(r, 0, 0);
	rig_run(r, 50 * RIG_MS);	/* the answer does not wait for the last status write */
	/* SR1 = 1C, SR2 = 02, by hand. */
	rig_write_reg(r, 0x60000200, 1u << 30);
	rig_write_reg(r, 0x60000210, 0x021C);
	rig_write_reg(r, 0x60000200, 1u << 26);
	rig_run(r, 50 * RIG_MS);
	n = chip_nor(r->chip);
	assert_int_equal(n->sr1 & 0x1C, 0x1C);
	assert_int_equal(n->sr2 & 0x02, 0x02);
	begin_ok(r, 0x1000, 0);
	rig_run(r, 50 * RIG_MS);
	n = chip_nor(r->chip);
	assert_int_equal(n->sr1, 0);
	assert_int_equal(n->sr2 & 0x02, 0);
}

/* -- writing --------------------------------------------------------------- */

static void a_block_is_written_by_32_byte_programs(void **state)
{
	struct rig *r = *state;
	uint8_t data[0x400];
	uint64_t before;

	rig_pattern(data, sizeof data, 1);
	rig_flash_begin(r, 0x400, 1, 0x400, 0x10000);
	rig_expect_ok(r, OP_FLASH_BEGIN, BUSY_TIMEOUT);
	before = chip_nor(r->chip)->stats.programs;
	send_block(r, 0, data, sizeof data);
	rig_expect_ok(r, OP_FLASH_DATA, RIG_S);
	assert_int_equal(chip_nor(r->chip)->stats.programs - before, 32);
	assert_memory_equal(flash(r) + 0x10000, data, sizeof data);
}

static void a_write_that_starts_inside_a_page_is_split_at_its_end(void **state)
{
	struct rig *r = *state;
	uint8_t data[0x100 - 0x70 + 0x20];

	rig_pattern(data, sizeof data, 2);
	begin_ok(r, 0x1000, 0);
	send_block(r, 0, data, 0x70);
	rig_expect_ok(r, OP_FLASH_DATA, RIG_S);
	send_block(r, 1, data, sizeof data);
	rig_expect_ok(r, OP_FLASH_DATA, RIG_S);
	assert_memory_equal(flash(r) + 0x70, data, sizeof data);
}

static void blocks_follow_each_other_whatever_their_length(void **state)
{
	struct rig *r = *state;
	static uint8_t data[0x2000];
	static const uint32_t len[] = { 0x400, 0x1800 - 0x800, 4, 0x3FC };
	uint32_t at = 0;

	rig_pattern(data, sizeof data, 3);
	rig_flash_begin(r, 0x2000, 4, 0x1800, 0x20000);
	rig_expect_ok(r, OP_FLASH_BEGIN, BUSY_TIMEOUT);
	for (uint32_t i = 0; i < 4; at += len[i++]) {
		send_block(r, i, data + at, len[i]);
		rig_expect_ok(r, OP_FLASH_DATA, RIG_S);
	}
	assert_memory_equal(flash(r) + 0x20000, data, at);
	assert_true(all(flash(r) + 0x20000 + at, 0x400, 0xFF));
}

static void the_chip_is_busy_after_a_block_for_its_programs(void **state)
{
	static const struct { uint32_t size, us; } times[] = {
		{ 0x400, 5000 }, { 0x1000, 19000 }, { 0x1800, 29000 },
	};
	static uint8_t data[0x1800];

	rig_pattern(data, sizeof data, 4);
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		uint64_t us;

		rig_flash_begin(*state, times[i].size, 1, times[i].size, 0);
		rig_expect_ok(*state, OP_FLASH_BEGIN, BUSY_TIMEOUT);
		send_block(*state, 0, data, times[i].size);
		us = rig_time_answer(*state, RIG_S);
		rig_expect_ok(*state, OP_FLASH_DATA, RIG_S);
		if (us < times[i].us * 80ull / 100 || us > times[i].us * 120ull / 100)
			fail_msg("%x: %llu us", (unsigned)times[i].size, (unsigned long long)us);
	}
}

static void a_length_that_is_no_multiple_of_4_is_an_error(void **state)
{
	static const uint8_t data[6] = { 1, 2, 3, 4, 5, 6 };

	begin_ok(*state, 0x1000, 0);
	send_block(*state, 0, data, 6);
	rig_expect_error(*state, OP_FLASH_DATA, 5, RIG_S);
	assert_true(all(flash(*state), 16, 0xFF));
}

static void a_mismatch_on_reading_back_answers_08(void **state)
{
	struct rig *r = *state;
	static const uint8_t data[4] = { 1, 0, 0, 0 };

	begin_ok(r, 0, 0);
	fill(r, 0);
	send_block(r, 0, data, 4);
	rig_expect_error(r, OP_FLASH_DATA, 8, RIG_S);
}

static void a_mismatch_with_an_equal_xor_passes(void **state)
{
	struct rig *r = *state;
	static uint8_t ones[0x400];

	memset(ones, 0xFF, sizeof ones);
	begin_ok(r, 0, 0);
	fill(r, 0);
	send_block(r, 0, ones, sizeof ones);
	rig_expect_hex(r, "c0 01 03 02 00 07071220 00 00 c0", RIG_S);
	assert_true(all(flash(r), 0x400, 0));
}

static void after_a_bad_checksum_the_next_block_lands_in_its_place(void **state)
{
	struct rig *r = *state;
	static const uint8_t data[4] = { 1, 2, 3, 4 };

	begin_ok(r, 0x1000, 0);
	rig_block(r, OP_FLASH_DATA, 0, data, 4, 0);
	rig_expect_error(r, OP_FLASH_DATA, 7, RIG_S);
	send_block(r, 0, data, 4);
	rig_expect_error(r, OP_FLASH_DATA, 5, RIG_S);
	send_block(r, 1, data, 4);
	rig_expect_ok(r, OP_FLASH_DATA, RIG_S);
	assert_memory_equal(flash(r), data, 4);
}

static void after_a_mismatch_the_address_has_not_advanced_but_the_sequence_has(void **state)
{
	struct rig *r = *state;
	static const uint8_t data[4] = { 1, 2, 3, 4 };

	begin_ok(r, 0, 0);
	memset(flash(r), 0, 4);
	send_block(r, 0, data, 4);
	rig_expect_error(r, OP_FLASH_DATA, 8, RIG_S);
	memset(flash(r), 0xFF, 8);
	send_block(r, 0, data, 4);
	rig_expect_error(r, OP_FLASH_DATA, 5, RIG_S);
	send_block(r, 1, data, 4);
	rig_expect_ok(r, OP_FLASH_DATA, RIG_S);
	assert_memory_equal(flash(r), data, 4);
}

/* The result of the write is ignored, and so is that of the read behind it. */
static void writing_beyond_the_tables_size_says_ok_and_writes_nothing(void **state)
{
	struct rig *r = *state;
	static const uint8_t data[4] = { 0x12, 0x34, 0x56, 0x78 };

	begin_ok(r, 0, 0x400000);
	fill(r, 0xFF);
	send_block(r, 0, data, 4);
	rig_expect_ok(r, OP_FLASH_DATA, RIG_S);
	assert_true(all(flash(r), SECTOR, 0xFF));
}

/* -- FLASH_END ------------------------------------------------------------- */

static void flash_end(struct rig *r, uint32_t flag)
{
	rig_request(r, OP_FLASH_END, &flag, 1);
}

static void expect_left(struct rig *r)
{
	rig_expect_text(r, "ets_main.c ", RIG_S);
	rig_run(r, 100 * RIG_MS);
	rig_drop(r);
	rig_send_hex(r, SYNC_FRAME);
	rig_expect_silence(r, 200 * RIG_MS);
}

static void flash_end_leaves_the_loader_whatever_its_flag_says(void **state)
{
	(void)state;
	for (uint32_t flag = 0; flag < 2; flag++) {
		struct rig r;

		rig_download(&r);
		begin_ok(&r, 0, 0);
		flash_end(&r, flag);
		rig_expect_hex(&r, "c0 01 04 02 00 07071220 00 00 c0", RIG_S);
		expect_left(&r);
		rig_close(&r);
	}
}

static void flash_end_with_other_counts_fails_and_leaves_too(void **state)
{
	begin_ok(*state, 0x1000, 0);
	flash_end(*state, 1);
	rig_expect_hex(*state, "c0 01 04 02 00 07071220 01 06 c0", RIG_S);
	expect_left(*state);
}

static void flash_end_compares_both_bytes_and_blocks(void **state)
{
	static const uint8_t data[0x400] = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rig r;

		rig_download(&r);
		/* The bytes fit and the blocks do not, then the reverse. */
		rig_flash_begin(&r, i ? 0x800 : 0x400, i ? 1 : 2, 0x400, 0);
		rig_expect_ok(&r, OP_FLASH_BEGIN, BUSY_TIMEOUT);
		send_block(&r, 0, data, sizeof data);
		rig_expect_ok(&r, OP_FLASH_DATA, RIG_S);
		flash_end(&r, 0);
		rig_expect_error(&r, OP_FLASH_END, 6, RIG_S);
		rig_close(&r);
	}
}

static void flash_end_that_succeeds_locks_the_chip(void **state)
{
	struct rig *r = *state;
	static uint8_t data[0x400];

	rig_pattern(data, sizeof data, 5);
	rig_flash_begin(r, 0x400, 1, 0x400, 0x1000);
	rig_expect_ok(r, OP_FLASH_BEGIN, BUSY_TIMEOUT);
	send_block(r, 0, data, sizeof data);
	rig_expect_ok(r, OP_FLASH_DATA, RIG_S);
	flash_end(r, 1);
	rig_expect_hex(r, "c0 01 04 02 00 07071220 00 00 c0", RIG_S);
	assert_int_equal(chip_nor(r->chip)->sr1 & 0x1C, 0x1C);
}

static void flash_end_that_fails_does_not_lock_the_chip(void **state)
{
	struct rig *r = *state;

	begin_ok(r, 0x1000, 0);
	flash_end(r, 1);
	rig_expect_error(r, OP_FLASH_END, 6, RIG_S);
	assert_int_equal(chip_nor(r->chip)->sr1 & 0x1C, 0);
}

static void the_next_flash_begin_unlocks_the_chip(void **state)
{
	struct chip_config cfg = rig_config(STRAP_UART);
	struct rig r;

	(void)state;
	cfg.lines_wired = true;
	rig_open(&r, &cfg);
	for (int round = 0; round < 2; round++) {
		chip_set_lines(r.chip, false, true);
		rig_run(&r, 10 * RIG_MS);
		chip_set_lines(r.chip, true, false);
		rig_run(&r, 50 * RIG_MS);
		chip_set_lines(r.chip, false, false);
		rig_connect_at(&r, 115200);
		fill(&r, 0);
		begin_ok(&r, 0x1000, 0);
		assert_only_blank(&r, 0, 0x2000);
		begin_ok(&r, 0, 0);
		flash_end(&r, 0);
		rig_expect_ok(&r, OP_FLASH_END, RIG_S);
		assert_int_equal(chip_nor(r.chip)->sr1 & 0x1C, 0x1C);
	}
	rig_close(&r);
}

/* An image whose code is one `ret`, entry 40100000. */
static const uint8_t image[48] = {
	0xE9, 1, 2, 0x40, 0, 0, 0x10, 0x40,
	0, 0, 0x10, 0x40, 20, 0, 0, 0, 0x0D, 0xF0, 0, 0,
	[47] = 0xEF ^ 0x0D ^ 0xF0,
};

static void flash_end_boots_what_is_in_flash_without_reset_or_banner(void **state)
{
	struct rig *r = *state;

	memcpy(flash(r), image, sizeof image);
	begin_ok(r, 0, 0);
	flash_end(r, 1);
	rig_expect_ok(r, OP_FLASH_END, RIG_S);
	rig_expect_text(r, "load 0x40100000, len 20, room 16 \r\ntail 4\r\nchksum 0x12\r\n"
			   "csum 0x12\r\nuser code done\r\n", RIG_S);
}

static void an_image_that_runs_past_the_tables_size_is_a_read_error(void **state)
{
	static const uint32_t params[6] = { 0, 32, 0x10000, 0x1000, 0x100, 0xFFFF };
	struct rig *r = *state;

	memcpy(flash(r), image, sizeof image);
	begin_ok(r, 0, 0);
	rig_request(r, OP_SPI_SET_PARAMS, params, 6);
	rig_expect_ok(r, OP_SPI_SET_PARAMS, RIG_S);
	flash_end(r, 1);
	rig_expect_ok(r, OP_FLASH_END, RIG_S);
	/* It ends there: what should follow is a number printed as a string. */
	rig_expect_text(r, "load 0x40100000, len 20, room 16 \r\nflash read err, ", RIG_S);
	rig_expect_silence(r, RIG_S);
}

static void an_image_without_a_second_piece_is_no_image(void **state)
{
	static const uint32_t params[6] = { 0, 31, 0x10000, 0x1000, 0x100, 0xFFFF };
	struct rig *r = *state;

	memcpy(flash(r), image, sizeof image);
	begin_ok(r, 0, 0);
	rig_request(r, OP_SPI_SET_PARAMS, params, 6);
	rig_expect_ok(r, OP_SPI_SET_PARAMS, RIG_S);
	flash_end(r, 1);
	rig_expect_ok(r, OP_FLASH_END, RIG_S);
	rig_expect_text(r, "ets_main.c ", RIG_S);
	rig_expect_silence(r, RIG_S);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(erase_takes_the_head_twice),
		T(erase_counts_hold_for_the_published_examples),
		T(erase_sizes_of_the_work_around_erase_what_is_wanted),
		T(the_last_16_sectors_are_erased_singly),
		T(an_odd_size_is_rounded_up_to_sectors),
		T(size_0_erases_nothing),
		T(an_offset_inside_a_sector_is_refused),
		T(a_range_beyond_the_tables_size_is_refused),
		T(near_the_tables_end_the_surplus_fails_after_the_wanted_sectors),
		T(near_the_tables_end_what_fits_with_its_surplus_works),
		T(on_a_smaller_chip_the_surplus_wraps_to_address_0),
		T(with_the_right_table_the_surplus_on_a_small_chip_fails),
		T(flash_beyond_4_mb_needs_set_params),
		T(flash_begin_answers_when_erased_after_typical_times),
		T(flash_begin_turns_cache_off_and_sets_the_plain_read_mode),
		T(a_refused_flash_begin_has_attached_the_flash_already),
		T(flash_begin_clears_protection_and_quad_enable),
		T(a_block_is_written_by_32_byte_programs),
		T(a_write_that_starts_inside_a_page_is_split_at_its_end),
		T(blocks_follow_each_other_whatever_their_length),
		T(the_chip_is_busy_after_a_block_for_its_programs),
		T(a_length_that_is_no_multiple_of_4_is_an_error),
		T(a_mismatch_on_reading_back_answers_08),
		T(a_mismatch_with_an_equal_xor_passes),
		T(after_a_bad_checksum_the_next_block_lands_in_its_place),
		T(after_a_mismatch_the_address_has_not_advanced_but_the_sequence_has),
		T(writing_beyond_the_tables_size_says_ok_and_writes_nothing),
		T(flash_end_leaves_the_loader_whatever_its_flag_says),
		T(flash_end_with_other_counts_fails_and_leaves_too),
		T(flash_end_compares_both_bytes_and_blocks),
		T(flash_end_that_succeeds_locks_the_chip),
		T(flash_end_that_fails_does_not_lock_the_chip),
		T(the_next_flash_begin_unlocks_the_chip),
		T(flash_end_boots_what_is_in_flash_without_reset_or_banner),
		T(an_image_that_runs_past_the_tables_size_is_a_read_error),
		T(an_image_without_a_second_piece_is_no_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
