#include "sim/nor.h"

#include "bytes.h"
#include "sim/ticks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 1 << 20 };

/* A chip under test, its cells and its clock. */
struct bench {
	struct nor nor;
	uint8_t *mem;
	uint64_t now;
};

static struct nor_config config(uint8_t *mem)
{
	return (struct nor_config){ .mem = mem, .bytes = SIZE, .jedec_id = 0x1440EF, .scale = 1.0,
		.stuck_sector = -1, .uid = { 1, 2, 3, 4, 5, 6, 7, 8 }, .seed = 1 };
}

static void open_with(struct bench *b, struct nor_config (*change)(struct nor_config))
{
	struct nor_config cfg;

	b->mem = malloc(SIZE);
	assert_non_null(b->mem);
	memset(b->mem, 0xFF, SIZE);
	b->now = 1;
	cfg = config(b->mem);
	if (change)
		cfg = change(cfg);
	assert_int_equal(nor_open(&b->nor, &cfg), 0);
}

static void close_bench(struct bench *b)
{
	nor_close(&b->nor);
	free(b->mem);
}

static void send(struct bench *b, const uint8_t *out, size_t n)
{
	nor_transfer(&b->nor, b->now, out, n, NULL, 0);
}

static void send1(struct bench *b, uint8_t op)
{
	send(b, &op, 1);
}

static uint8_t ask1(struct bench *b, uint8_t op)
{
	uint8_t in;

	nor_transfer(&b->nor, b->now, &op, 1, &in, 1);
	return in;
}

static void send_at(struct bench *b, uint8_t op, uint32_t addr)
{
	uint8_t out[4] = { op, (uint8_t)(addr >> 16), (uint8_t)(addr >> 8), (uint8_t)addr };

	send(b, out, 4);
}

/* Waits until WIP falls; returns the microseconds that took. */
static uint64_t wait_idle(struct bench *b)
{
	uint64_t from = b->now;

	while (!b->nor.power_lost && (ask1(b, 0x05) & NOR_WIP))
		b->now = nor_next(&b->nor);
	return (b->now - from) / TICKS_PER_US;
}

static void start_program(struct bench *b, uint32_t addr, const void *data, size_t n)
{
	uint8_t out[4 + 300] = { 0x02, (uint8_t)(addr >> 16), (uint8_t)(addr >> 8), (uint8_t)addr };

	memcpy(out + 4, data, n);
	send1(b, 0x06);
	send(b, out, 4 + n);
}

static void program(struct bench *b, uint32_t addr, const void *data, size_t n)
{
	start_program(b, addr, data, n);
	wait_idle(b);
}

static void erase(struct bench *b, uint8_t op, uint32_t addr)
{
	send1(b, 0x06);
	send_at(b, op, addr);
	wait_idle(b);
}

static size_t count_not(const uint8_t *p, size_t n, uint8_t value)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		k += p[i] != value;
	return k;
}

static void the_id_commands_answer_maker_type_and_capacity(void **state)
{
	struct bench b;
	uint8_t id[3], pair[2], uid[8], op = 0x9F;
	const uint8_t ask90[4] = { 0x90 }, ask4b[5] = { 0x4B }, askab[4] = { 0xAB };

	(void)state;
	open_with(&b, NULL);
	nor_transfer(&b.nor, b.now, &op, 1, id, 3);
	assert_memory_equal(id, "\xEF\x40\x14", 3);
	nor_transfer(&b.nor, b.now, ask90, 4, pair, 2);
	assert_memory_equal(pair, "\xEF\x13", 2);
	nor_transfer(&b.nor, b.now, askab, 4, pair, 1);
	assert_int_equal(pair[0], 0x13);
	nor_transfer(&b.nor, b.now, ask4b, 5, uid, 8);
	assert_memory_equal(uid, "\1\2\3\4\5\6\7\10", 8);
	close_bench(&b);
}

static void a_program_clears_bits_and_only_an_erase_sets_them(void **state)
{
	struct bench b;

	(void)state;
	open_with(&b, NULL);
	program(&b, 0x1000, "\xF0\x3C", 2);
	program(&b, 0x1000, "\xCF\xFF", 2);
	assert_int_equal(b.mem[0x1000], 0xC0);
	assert_int_equal(b.mem[0x1001], 0x3C);
	erase(&b, 0x20, 0x1FFF);
	assert_int_equal(b.mem[0x1000], 0xFF);
	close_bench(&b);
}

static void a_program_that_needs_ones_is_counted_as_a_violation(void **state)
{
	struct bench b;

	(void)state;
	open_with(&b, NULL);
	program(&b, 0, "\x0F", 1);
	assert_int_equal(b.nor.array.overwrites, 0);
	program(&b, 0, "\x10", 1);
	assert_int_equal(b.nor.array.overwrites, 1);
	assert_int_equal(b.nor.array.page_programs[0], 2);
	close_bench(&b);
}

static void a_program_wraps_inside_its_page(void **state)
{
	struct bench b;

	(void)state;
	open_with(&b, NULL);
	program(&b, 0x2FE, "\1\2\3\4", 4);
	assert_memory_equal(b.mem + 0x2FE, "\1\2", 2);
	assert_memory_equal(b.mem + 0x200, "\3\4", 2);
	assert_int_equal(count_not(b.mem + 0x300, 256, 0xFF), 0);
	close_bench(&b);
}

static void of_more_than_a_page_the_last_256_bytes_count(void **state)
{
	struct bench b;
	uint8_t data[260];

	(void)state;
	open_with(&b, NULL);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i & 0x7F);
	program(&b, 0x100, data, sizeof data);
	assert_memory_equal(b.mem + 0x100, data + 256, 4);
	assert_memory_equal(b.mem + 0x104, data + 4, 252);
	close_bench(&b);
}

static void each_erase_size_erases_its_aligned_block_and_nothing_else(void **state)
{
	static const struct { uint8_t op; uint32_t len; } sizes[] = {
		{ 0x20, 0x1000 }, { 0x52, 0x8000 }, { 0xD8, 0x10000 } };
	struct bench b;

	(void)state;
	open_with(&b, NULL);
	for (size_t i = 0; i < 3; i++) {
		memset(b.mem, 0, SIZE);
		erase(&b, sizes[i].op, 0x2F123);
		assert_int_equal(count_not(b.mem, SIZE, 0), sizes[i].len);
		assert_int_equal(count_not(b.mem + (0x2F123 & ~(sizes[i].len - 1)),
					   sizes[i].len, 0xFF), 0);
	}
	erase(&b, 0xC7, 0);	/* has no address: refused as sent with one */
	assert_int_not_equal(count_not(b.mem, SIZE, 0xFF), 0);
	send1(&b, 0x06);
	send1(&b, 0xC7);
	wait_idle(&b);
	assert_int_equal(count_not(b.mem, SIZE, 0xFF), 0);
	assert_int_equal(b.nor.stats.chip_erases, 1);
	close_bench(&b);
}

static void busy_times_are_those_of_a_w25q(void **state)
{
	struct bench b;
	uint8_t page[256] = { 0 };
	static const struct { uint8_t op; uint64_t us; } times[] = {
		{ 0x20, 45000 }, { 0x52, 120000 }, { 0xD8, 150000 } };

	(void)state;
	open_with(&b, NULL);
	for (size_t i = 0; i < 3; i++) {
		send1(&b, 0x06);
		send_at(&b, times[i].op, 0);
		assert_int_equal(wait_idle(&b), times[i].us);
	}
	send1(&b, 0x06);
	send1(&b, 0x60);
	assert_int_equal(wait_idle(&b), 2500000);
	start_program(&b, 0, page, 256);
	assert_in_range(wait_idle(&b), 400, 700);
	start_program(&b, 0x100, page, 32);
	assert_in_range(wait_idle(&b), 60, 200);
	close_bench(&b);
}

static struct nor_config instant(struct nor_config c)
{
	c.scale = 0;
	return c;
}

static void with_scale_0_nothing_is_ever_busy(void **state)
{
	struct bench b;

	(void)state;
	open_with(&b, instant);
	send1(&b, 0x06);
	send_at(&b, 0xD8, 0);
	assert_int_equal(ask1(&b, 0x05), 0);
	assert_int_equal(nor_next(&b.nor), TICKS_NEVER);
	close_bench(&b);
}

static void a_busy_chip_ignores_all_but_status_reads(void **state)
{
	struct bench b;
	const uint8_t rd[4] = { 0x03, 0, 0x50, 0 };
	uint8_t in;

	(void)state;
	open_with(&b, NULL);
	memset(b.mem, 0, SIZE);
	send1(&b, 0x06);
	send_at(&b, 0x20, 0x4000);
	assert_int_equal(ask1(&b, 0x05), NOR_WIP | NOR_WEL);
	nor_transfer(&b.nor, b.now, rd, 4, &in, 1);
	assert_int_equal(in, 0xFF);
	send_at(&b, 0x20, 0x5000);
	assert_int_equal(b.nor.stats.busy_commands, 2);
	wait_idle(&b);
	assert_int_equal(count_not(b.mem, SIZE, 0), 0x1000);
	assert_int_equal(ask1(&b, 0x05), 0);
	close_bench(&b);
}

static void without_write_enable_nothing_changes(void **state)
{
	struct bench b;
	const uint8_t wrsr[2] = { 0x01, 0x1C }, pp[5] = { 0x02 };

	(void)state;
	open_with(&b, NULL);
	send_at(&b, 0x20, 0);
	send(&b, wrsr, 2);
	send(&b, pp, 5);
	send1(&b, 0x06);
	send1(&b, 0x04);
	send(&b, pp, 5);
	assert_int_equal(b.nor.stats.without_wel, 4);
	assert_int_equal(ask1(&b, 0x05), 0);
	assert_int_equal(b.mem[0], 0xFF);
	close_bench(&b);
}

static void write_status(struct bench *b, const uint8_t *out, size_t n)
{
	send1(b, 0x06);
	send(b, out, n);
	wait_idle(b);
}

static void a_short_status_write_clears_the_second_register(void **state)
{
	struct bench b;
	const uint8_t both[3] = { 0x01, 0x04, 0x02 }, one[2] = { 0x01, 0x08 };
	const uint8_t second[2] = { 0x31, 0x02 };

	(void)state;
	open_with(&b, NULL);
	write_status(&b, both, 3);
	assert_int_equal(ask1(&b, 0x05), 0x04);
	assert_int_equal(ask1(&b, 0x35), 0x02);
	assert_true(nor_quad_enabled(&b.nor));
	write_status(&b, one, 2);
	assert_int_equal(ask1(&b, 0x05), 0x08);
	assert_false(nor_quad_enabled(&b.nor));
	write_status(&b, second, 2);
	assert_int_equal(ask1(&b, 0x05), 0x08);
	assert_true(nor_quad_enabled(&b.nor));
	close_bench(&b);
}

static struct nor_config macronix(struct nor_config c)
{
	c.jedec_id = 0x1420C2;
	return c;
}

static void macronix_has_quad_enable_in_the_first_register_only(void **state)
{
	struct bench b;
	const uint8_t qe[2] = { 0x01, 0x40 }, winbond[3] = { 0x01, 0x00, 0x02 };

	(void)state;
	open_with(&b, macronix);
	write_status(&b, qe, 2);
	assert_true(nor_quad_enabled(&b.nor));
	assert_int_equal(ask1(&b, 0x35), 0xFF);
	write_status(&b, winbond, 3);
	assert_false(nor_quad_enabled(&b.nor));
	close_bench(&b);
}

static void volatile_status_writes_are_gone_after_power_off(void **state)
{
	struct bench b;
	const uint8_t lock[2] = { 0x01, 0x1C };

	(void)state;
	open_with(&b, NULL);
	send1(&b, 0x50);
	send(&b, lock, 2);
	assert_int_equal(ask1(&b, 0x05), 0x1C);
	nor_power_off(&b.nor, b.now);
	nor_power_on(&b.nor);
	assert_int_equal(ask1(&b, 0x05), 0);
	write_status(&b, lock, 2);
	nor_power_off(&b.nor, b.now);
	nor_power_on(&b.nor);
	assert_int_equal(ask1(&b, 0x05), 0x1C);
	close_bench(&b);
}

static void otp_lock_bits_stay_once_set(void **state)
{
	struct bench b;
	const uint8_t set[2] = { 0x31, 0x08 }, clear[2] = { 0x31, 0x00 };

	(void)state;
	open_with(&b, NULL);
	write_status(&b, set, 2);
	write_status(&b, clear, 2);
	assert_int_equal(ask1(&b, 0x35), 0x08);
	close_bench(&b);
}

static void block_protection_covers_what_the_table_says(void **state)
{
	struct bench b;

	(void)state;
	open_with(&b, NULL);
	b.nor.sr1 = 1 << 2;	/* the upper 64 KiB */
	assert_true(nor_is_protected(&b.nor, 0xF0000, 1));
	assert_false(nor_is_protected(&b.nor, 0xE0000, 0x10000));
	b.nor.sr1 = 1 << 2 | NOR_TB;
	assert_true(nor_is_protected(&b.nor, 0xF000, 0x1000));
	assert_false(nor_is_protected(&b.nor, 0x10000, 1));
	b.nor.sr1 = 2 << 2 | NOR_SEC;	/* the upper 8 KiB */
	assert_true(nor_is_protected(&b.nor, 0xFE000, 1));
	assert_false(nor_is_protected(&b.nor, 0xFD000, 0x1000));
	b.nor.sr1 = 1 << 2;
	b.nor.sr2 = NOR_SR2_CMP;	/* all but the upper 64 KiB */
	assert_true(nor_is_protected(&b.nor, 0, 1));
	assert_false(nor_is_protected(&b.nor, 0xF0000, 0x10000));
	b.nor.sr1 = 0;		/* CMP and no BP: everything */
	assert_true(nor_is_protected(&b.nor, 0x80000, 1));
	close_bench(&b);
}

static struct nor_config locked(struct nor_config c)
{
	c.locked = true;
	return c;
}

static void a_locked_chip_ignores_erase_program_and_unlock(void **state)
{
	struct bench b;
	const uint8_t unlock[3] = { 0x01, 0, 0 };

	(void)state;
	open_with(&b, locked);
	memset(b.mem, 0x55, SIZE);
	write_status(&b, unlock, 3);
	erase(&b, 0x20, 0);
	program(&b, 0, "\0", 1);
	assert_int_equal(count_not(b.mem, SIZE, 0x55), 0);
	assert_int_equal(b.nor.stats.on_protected, 2);
	assert_int_equal(ask1(&b, 0x05) & NOR_BP, NOR_BP);
	close_bench(&b);
}

static void a_sleeping_chip_answers_nothing_until_released(void **state)
{
	struct bench b;

	(void)state;
	open_with(&b, NULL);
	send1(&b, 0xB9);
	assert_int_equal(ask1(&b, 0x9F), 0xFF);
	assert_int_equal(ask1(&b, 0x05), 0xFF);
	send1(&b, 0xAB);
	assert_int_equal(ask1(&b, 0x9F), 0xEF);
	close_bench(&b);
}

static void a_reset_needs_both_its_commands_in_a_row(void **state)
{
	struct bench b;

	(void)state;
	open_with(&b, NULL);
	send1(&b, 0x06);
	send1(&b, 0x66);
	ask1(&b, 0x05);
	send1(&b, 0x99);
	assert_int_equal(ask1(&b, 0x05), NOR_WEL);
	send1(&b, 0x66);
	send1(&b, 0x99);
	assert_int_equal(ask1(&b, 0x05), 0);
	close_bench(&b);
}

static void upper_address_bits_are_ignored(void **state)
{
	struct bench b;
	const uint8_t rd[4] = { 0x03, 0x30, 0x00, 0x01 };
	uint8_t in[2];

	(void)state;
	open_with(&b, NULL);
	program(&b, 0x500001, "A", 1);
	assert_int_equal(b.mem[1], 'A');
	nor_transfer(&b.nor, b.now, rd, 4, in, 2);
	assert_memory_equal(in, "A\xFF", 2);
	close_bench(&b);
}

static void reads_start_behind_the_dummies_of_their_command(void **state)
{
	struct bench b;
	static const struct { uint8_t op; size_t head; } reads[] = {
		{ 0x03, 4 }, { 0x0B, 5 }, { 0x3B, 5 }, { 0xBB, 5 }, { 0x6B, 5 }, { 0xEB, 7 } };
	uint8_t out[7] = { 0 }, in[2];

	(void)state;
	open_with(&b, NULL);
	memcpy(b.mem, "xy", 2);
	b.nor.sr2 = NOR_SR2_QE;
	for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
		out[0] = reads[i].op;
		nor_transfer(&b.nor, b.now, out, reads[i].head, in, 2);
		assert_memory_equal(in, "xy", 2);
	}
	out[0] = 0x0B;		/* a dummy short: what comes first is not data */
	nor_transfer(&b.nor, b.now, out, 4, in, 2);
	assert_memory_equal(in, "\xFFx", 2);
	close_bench(&b);
}

static void quad_reads_without_quad_enable_get_rubbish(void **state)
{
	struct bench b;
	const uint8_t rd[5] = { 0x6B };
	uint8_t in;

	(void)state;
	open_with(&b, NULL);
	b.mem[0] = 0x12;
	nor_transfer(&b.nor, b.now, rd, 5, &in, 1);
	assert_int_equal(in, 0x12 | 0xCC);
	close_bench(&b);
}

static void sfdp_tells_the_size(void **state)
{
	struct bench b;
	uint8_t rd[5] = { 0x5A }, in[8];

	(void)state;
	open_with(&b, NULL);
	nor_transfer(&b.nor, b.now, rd, 5, in, 8);
	assert_memory_equal(in, "SFDP", 4);
	rd[3] = 0x0C;		/* pointer of the first header */
	nor_transfer(&b.nor, b.now, rd, 5, in, 3);
	rd[3] = (uint8_t)(in[0] + 4);
	nor_transfer(&b.nor, b.now, rd, 5, in, 4);
	assert_int_equal(get_le32(in) + 1, SIZE * 8);
	close_bench(&b);
}

static struct nor_config cut_third(struct nor_config c)
{
	c.cut_op = 3;
	return c;
}

static struct nor_config cut_third_before(struct nor_config c)
{
	c.cut_when = -1;
	return cut_third(c);
}

static struct nor_config cut_third_after(struct nor_config c)
{
	c.cut_when = 1;
	return cut_third(c);
}

/* Two programs that survive, then an erase of the sector that they are in. */
static size_t ones_after_cut(struct bench *b)
{
	size_t ones = 0;

	memset(b->mem, 0, 0x1000);
	program(b, 0x1000, "a", 1);
	program(b, 0x1001, "b", 1);
	assert_false(b->nor.power_lost);
	erase(b, 0x20, 0);
	assert_true(b->nor.power_lost);
	assert_int_equal(ask1(b, 0x9F), 0xFF);
	assert_memory_equal(b->mem + 0x1000, "ab", 2);
	for (size_t i = 0; i < 0x1000; i++)
		ones += (size_t)__builtin_popcount(b->mem[i]);
	return ones;
}

static void a_power_cut_leaves_an_erase_undone_torn_or_done(void **state)
{
	struct bench b;

	(void)state;
	open_with(&b, cut_third_before);
	assert_int_equal(ones_after_cut(&b), 0);
	close_bench(&b);
	open_with(&b, cut_third);
	assert_in_range(ones_after_cut(&b), 1, 0x8000 - 1);
	close_bench(&b);
	open_with(&b, cut_third_after);
	assert_int_equal(ones_after_cut(&b), 0x8000);
	nor_power_on(&b.nor);
	assert_int_equal(ask1(&b, 0x9F), 0xEF);
	close_bench(&b);
}

static struct nor_config cut_first(struct nor_config c)
{
	c.cut_op = 1;
	c.seed = getenv("SEED") ? (uint32_t)atoi(getenv("SEED")) : 7;
	print_message("# SEED=%u\n", c.seed);
	return c;
}

static void a_power_cut_in_a_program_leaves_whole_bytes_one_torn_and_the_rest(void **state)
{
	struct bench b;
	uint8_t page[256] = { 0 };
	size_t whole = 0;

	(void)state;
	open_with(&b, cut_first);
	program(&b, 0, page, 256);
	while (whole < 256 && b.mem[whole] == 0)
		whole++;
	assert_in_range(whole, 0, 255);
	assert_int_equal(count_not(b.mem + whole + 1, 255 - whole, 0xFF), 0);
	close_bench(&b);
}

static void switching_off_in_an_erase_leaves_it_half_done(void **state)
{
	struct bench b;
	size_t ones = 0;

	(void)state;
	open_with(&b, NULL);
	memset(b.mem, 0, SIZE);
	send1(&b, 0x06);
	send_at(&b, 0x20, 0);
	b.now += 22500 * TICKS_PER_US;
	nor_power_off(&b.nor, b.now);
	for (size_t i = 0; i < 0x1000; i++)
		ones += (size_t)__builtin_popcount(b.mem[i]);
	assert_in_range(ones, 0x3800, 0x4800);
	close_bench(&b);
}

static struct nor_config stuck(struct nor_config c)
{
	c.stuck_sector = 2;
	return c;
}

static void a_stuck_sector_never_changes(void **state)
{
	struct bench b;

	(void)state;
	open_with(&b, stuck);
	memset(b.mem, 0x5A, SIZE);
	erase(&b, 0xD8, 0);
	program(&b, 0x2000, "\0", 1);
	assert_int_equal(count_not(b.mem + 0x2000, 0x1000, 0x5A), 0);
	assert_int_equal(count_not(b.mem, 0x2000, 0xFF), 0);
	close_bench(&b);
}

static struct nor_config liar(struct nor_config c)
{
	c.lie = 1.0;
	return c;
}

static void a_lying_chip_is_busy_and_does_nothing(void **state)
{
	struct bench b;

	(void)state;
	open_with(&b, liar);
	start_program(&b, 0, "\0", 1);
	assert_true(ask1(&b, 0x05) & NOR_WIP);
	wait_idle(&b);
	assert_int_equal(b.mem[0], 0xFF);
	assert_int_equal(b.nor.stats.lies, 1);
	close_bench(&b);
}

static struct nor_config puya(struct nor_config c)
{
	c.jedec_id = 0x146085;
	return c;
}

static void puya_brings_bits_back_and_erases_fast(void **state)
{
	struct bench b;

	(void)state;
	open_with(&b, puya);
	program(&b, 0, "\xFE", 1);
	program(&b, 0, "\xFD", 1);
	assert_int_equal(b.mem[0], 0xFD);
	send1(&b, 0x06);
	send1(&b, 0xC7);
	assert_in_range(wait_idle(&b), 1, 10000);
	close_bench(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_id_commands_answer_maker_type_and_capacity),
		cmocka_unit_test(a_program_clears_bits_and_only_an_erase_sets_them),
		cmocka_unit_test(a_program_that_needs_ones_is_counted_as_a_violation),
		cmocka_unit_test(a_program_wraps_inside_its_page),
		cmocka_unit_test(of_more_than_a_page_the_last_256_bytes_count),
		cmocka_unit_test(each_erase_size_erases_its_aligned_block_and_nothing_else),
		cmocka_unit_test(busy_times_are_those_of_a_w25q),
		cmocka_unit_test(with_scale_0_nothing_is_ever_busy),
		cmocka_unit_test(a_busy_chip_ignores_all_but_status_reads),
		cmocka_unit_test(without_write_enable_nothing_changes),
		cmocka_unit_test(a_short_status_write_clears_the_second_register),
		cmocka_unit_test(macronix_has_quad_enable_in_the_first_register_only),
		cmocka_unit_test(volatile_status_writes_are_gone_after_power_off),
		cmocka_unit_test(otp_lock_bits_stay_once_set),
		cmocka_unit_test(block_protection_covers_what_the_table_says),
		cmocka_unit_test(a_locked_chip_ignores_erase_program_and_unlock),
		cmocka_unit_test(a_sleeping_chip_answers_nothing_until_released),
		cmocka_unit_test(a_reset_needs_both_its_commands_in_a_row),
		cmocka_unit_test(upper_address_bits_are_ignored),
		cmocka_unit_test(reads_start_behind_the_dummies_of_their_command),
		cmocka_unit_test(quad_reads_without_quad_enable_get_rubbish),
		cmocka_unit_test(sfdp_tells_the_size),
		cmocka_unit_test(a_power_cut_leaves_an_erase_undone_torn_or_done),
		cmocka_unit_test(a_power_cut_in_a_program_leaves_whole_bytes_one_torn_and_the_rest),
		cmocka_unit_test(switching_off_in_an_erase_leaves_it_half_done),
		cmocka_unit_test(a_stuck_sector_never_changes),
		cmocka_unit_test(a_lying_chip_is_busy_and_does_nothing),
		cmocka_unit_test(puya_brings_bits_back_and_erases_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
