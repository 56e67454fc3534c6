#include "fake_rom.h"

#include "../../src/loader/flash_rom.h"

static struct rom rom;

static struct fake_rom *chip(uint32_t flash_bytes)
{
	struct fake_rom *r = from_new(flash_bytes);

	rom_init(&rom, &r->fp->port);
	r->sector_us = 1000;
	assert_int_equal(flash_rom_prepare(&rom, flash_bytes), 0);
	return r;
}

/* ---- the plan ---- */

/* What FLASH_BEGIN erases, counted by a loop written from the observation, not
 * from the formula. */
static uint32_t counted(uint32_t sector, uint32_t n)
{
	uint32_t head = 16 - sector % 16, erased = 0, i;

	for (i = 0; i < head && i < n; i++)
		erased++;
	for (i = n; i > 16; i -= 16)
		erased += 16;
	return erased + i;
}

static void the_model_of_the_rom_agrees_with_the_observed_cases(void **state)
{
	static const uint32_t cases[][3] = {	/* offset, size, sectors erased */
		{ 0, 0x1000, 2 }, { 0, 0x10000, 32 }, { 0, 0x20000, 48 }, { 0, 0x21000, 49 },
		{ 0x3000, 0x5000, 10 }, { 0xF000, 0x1000, 2 }, { 0x1000, 0xF000, 30 },
		{ 0, 0x100000, 272 }, { 0, 0x40000, 80 }, { 0x3000, 0x1000, 2 },
		{ 0xC000, 0x8000, 12 }, { 0xF000, 0x10000, 17 },
	};
	struct fake_rom *r = from_new(4 << 20);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		unsigned n = 0;

		assert_int_equal(counted(cases[i][0] / 4096, cases[i][1] / 4096), cases[i][2]);
		assert_int_equal(rom_erased_sectors(cases[i][0], cases[i][1]), cases[i][2]);
		assert_int_equal(from_erase_area(r, cases[i][0], cases[i][1], &n), 0);
		assert_int_equal(n, cases[i][2]);
	}
	from_free(r);
}

/* The table of known good sizes: where it erases one sector too many we ask for
 * one sector less and erase the last one singly. */
static void the_plan_agrees_with_the_table_of_known_sizes(void **state)
{
	static const struct { uint32_t addr, sectors, size, erased; } table[] = {
		{ 0, 1, 0x1000, 2 }, { 0, 2, 0x1000, 2 }, { 0, 3, 0x2000, 4 },
		{ 0, 16, 0x8000, 16 }, { 0, 17, 0x9000, 18 }, { 0, 32, 0x10000, 32 },
		{ 0, 33, 0x11000, 33 }, { 0, 256, 0xF0000, 256 }, { 0x1000, 16, 0x8000, 16 },
		{ 0xF000, 1, 0x1000, 2 }, { 0xF000, 2, 0x1000, 2 }, { 0xF000, 3, 0x2000, 3 },
		{ 0x10000, 107, 0x5B000, 107 }, { 0x3C000, 4, 0x2000, 4 },
		{ 0x3FC000, 1, 0x1000, 2 }, { 0x7000, 19, 0xA000, 19 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct flash_rom_step s[FLASH_ROM_STEPS_MAX];
		int n = flash_rom_plan(table[i].addr, table[i].sectors, s);

		assert_true(n > 0);
		if (table[i].erased == table[i].sectors) {
			assert_int_equal(n, 1);
			assert_int_equal(s[0].op, FLASH_ROM_AREA);
			assert_int_equal(s[0].ask, table[i].size);
		} else {
			assert_int_equal(s[n - 1].op, FLASH_ROM_ONE);
			assert_int_equal(s[n - 1].addr,
					 table[i].addr + (table[i].sectors - 1) * 4096);
			if (n == 2)
				assert_int_equal(s[0].ask, table[i].size - 0x1000);
		}
	}
}

static void any_plan_erases_each_sector_once_and_no_other(void **state)
{
	(void)state;
	for (uint32_t start = 0; start < 40; start++) {
		for (uint32_t sectors = 0; sectors <= 300; sectors++) {
			struct flash_rom_step s[FLASH_ROM_STEPS_MAX];
			int n = flash_rom_plan(start * 4096, sectors, s);
			uint32_t at = start;

			assert_in_range(n, 0, FLASH_ROM_STEPS_MAX);
			for (int i = 0; i < n; i++) {
				uint32_t really = s[i].op == FLASH_ROM_ONE
					? 1 : counted(at, s[i].ask / 4096);

				assert_int_equal(s[i].addr, at * 4096);
				assert_int_equal(s[i].sectors, really);
				at += really;
			}
			assert_int_equal(at, start + sectors);
		}
	}
}

static void a_plan_needs_a_sector_address(void **state)
{
	struct flash_rom_step s[FLASH_ROM_STEPS_MAX];

	(void)state;
	assert_int_equal(flash_rom_plan(0x800, 1, s), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_plan(0x1000, 0, s), 0);
}

/* ---- erasing ---- */

static void assert_erased(struct fake_rom *r, uint32_t addr, uint32_t size)
{
	for (uint32_t s = 0; s < r->flash_bytes / 4096; s++) {
		bool in = s >= addr / 4096 && s < (addr + size) / 4096;

		assert_true((r->erased[s] > 0) == in);
	}
}

static void erasing_hits_the_sectors_asked_for_and_no_other(void **state)
{
	static const uint32_t areas[][2] = {
		{ 0, 0x1000 }, { 0x3000, 0x5000 }, { 0xFF000, 0x1000 }, { 0xFE000, 0x2000 },
		{ 0xF1000, 0xF000 }, { 0, 0x100000 }, { 0x80000, 0x80000 }, { 0xC000, 0x8000 },
		{ 0x7000, 0 }, { 0xFD000, 0x3000 }, { 0x100000, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof areas / sizeof areas[0]; i++) {
		struct fake_rom *r = chip(1 << 20);

		assert_int_equal(flash_rom_erase(&rom, areas[i][0], areas[i][1]), 0);
		assert_erased(r, areas[i][0], areas[i][1]);
		for (uint32_t s = 0; s < 256; s++)
			assert_true(r->erased[s] <= 1);
		from_free(r);
	}
}

static void erasing_survives_lost_frames(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 30; n++) {
		struct fake_rom *r = chip(1 << 20);
		unsigned *fault[] = { &r->lose_reply, &r->lose_request };

		*fault[n % 2] = n;
		assert_int_equal(flash_rom_erase(&rom, 0x21000, 0x5000), 0);
		assert_erased(r, 0x21000, 0x5000);
		from_free(r);
	}
}

static void nothing_outside_the_chip_is_touched(void **state)
{
	struct fake_rom *r = chip(1 << 20);
	static struct flash_rom_writer w;

	(void)state;
	assert_int_equal(flash_rom_erase(&rom, 0xFF000, 0x2000), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_erase(&rom, 0x101000, 0x1000), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_erase(&rom, 0xFFFFF000, 0x2000), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_erase(&rom, 0x800, 0x1000), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_erase(&rom, 0x1000, 0x800), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_write_begin(&w, &rom, 0xFF000, 0x1001, 0x400), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_write_begin(&w, &rom, 0x400, 0x400, 0x400), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_write_begin(&w, &rom, 0, 0x400, 0x402), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_write_begin(&w, &rom, 0, 0x400, 0), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_write_begin(&w, &rom, 0, 0x400, 0x1804), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_prepare(&rom, 0), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_prepare(&rom, 1000), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_prepare(&rom, 32 << 20), ESP_E_ARGUMENT);
	assert_erased(r, 0, 0);
	from_free(r);
}

static void the_size_must_be_known_first(void **state)
{
	struct fake_rom *r = from_new(1 << 20);

	(void)state;
	rom_init(&rom, &r->fp->port);
	assert_int_equal(flash_rom_erase(&rom, 0, 0x1000), ESP_E_ARGUMENT);
	assert_int_equal(r->fp->tx_len, 0);
	from_free(r);
}

static void a_damaged_size_is_noticed_and_told_again(void **state)
{
	struct fake_rom *r = from_new(4 << 20);

	(void)state;
	rom_init(&rom, &r->fp->port);
	r->damage_params = 1;
	assert_int_equal(flash_rom_prepare(&rom, 4 << 20), 0);
	assert_int_equal(r->table_bytes, 4 << 20);
	from_free(r);
}

/* ---- writing ---- */

static uint8_t image[40000];

static void fill_image(void)
{
	for (size_t i = 0; i < sizeof image; i++)
		image[i] = (uint8_t)(i * 13 ^ i >> 6);
}

static int write_image(struct flash_rom_writer *w, uint32_t addr, size_t len, uint32_t block)
{
	int rc = flash_rom_write_begin(w, &rom, addr, (uint32_t)len, block);

	for (size_t done = 0; rc >= 0 && done < len; done += block)
		rc = flash_rom_write_block(w, image + done,
					   len - done < block ? len - done : block);
	return rc;
}

static struct flash_rom_writer writer;

static void blocks_of_any_size_land_where_they_belong(void **state)
{
	static const uint32_t blocks[] = { 4, 0x400, 0x404, 0x1000, 0xC00, 0x1800 };
	static const size_t lengths[] = { 1, 4, 1023, 1024, 9999, 40000 };

	(void)state;
	fill_image();
	for (size_t i = 0; i < 36; i++) {
		struct fake_rom *r = chip(1 << 20);
		size_t len = lengths[i % 6];
		uint32_t block = blocks[i / 6];

		if (block == 4 && len > 2000)
			len = 2000;
		memset(r->flash, 0xFF, r->flash_bytes);
		assert_int_equal(write_image(&writer, 0x3000, len, block), 0);
		assert_memory_equal(r->flash + 0x3000, image, len);
		for (size_t j = 0; j < 16; j++) {
			assert_int_equal(r->flash[0x2FFF - j], 0xFF);
			assert_int_equal(r->flash[0x3000 + len + j], 0xFF);
		}
		assert_int_equal(writer.repeats, 0);
		assert_null(strstr(r->log, ";04"));	/* never FLASH_END */
		from_free(r);
	}
}

static void each_frame_in_turn_may_be_lost_or_damaged(void **state)
{
	static const uint32_t blocks[] = { 0x400, 0xC00, 0x1800 };
	unsigned repeats = 0;

	(void)state;
	fill_image();
	for (unsigned n = 1; n <= 45; n++) {
		for (int kind = 0; kind < 4; kind++) {
			struct fake_rom *r = chip(1 << 20);
			unsigned *fault[] = { &r->lose_request, &r->lose_reply, &r->damage_data,
					      &r->damage_reply };

			memset(r->flash, 0xFF, r->flash_bytes);
			*fault[kind] = n;
			assert_int_equal(write_image(&writer, 0x3000, 30001, blocks[n % 3]), 0);
			assert_memory_equal(r->flash + 0x3000, image, 30001);
			assert_int_equal(r->flash[0x3000 + 30001], 0xFF);
			repeats += writer.repeats;
			from_free(r);
		}
	}
	assert_true(repeats > 50);
}

static void a_very_bad_line_writes_right_or_says_so(void **state)
{
	int good = 0;

	(void)state;
	fake_seed();
	fill_image();
	for (int round = 0; round < 60; round++) {
		struct fake_rom *r = chip(1 << 20);
		int rc;

		memset(r->flash, 0xFF, r->flash_bytes);
		r->p_fault = 20;
		rc = write_image(&writer, 0x3000, 20000, 0x400);
		if (rc == 0) {
			good++;
			assert_memory_equal(r->flash + 0x3000, image, 20000);
		} else {
			assert_true(rom.err.text[0] != '\0');
		}
		assert_int_equal(r->flash[0x2FFF], 0xFF);
		assert_int_equal(r->flash[0x3000 + 20000], 0xFF);
		from_free(r);
	}
	assert_true(good > 20);
}

static void flash_that_does_not_take_the_data_is_named(void **state)
{
	struct fake_rom *r = chip(1 << 20);

	(void)state;
	fill_image();
	memset(r->flash, 0xFF, r->flash_bytes);
	r->stuck = 0x3500;
	assert_int_equal(write_image(&writer, 0x3000, 4096, 0x400), ESP_E_FLASH);
	assert_non_null(strstr(rom.err.text, "003400"));
	assert_int_equal(writer.repeats, 1);	/* worth one more try, not more */
	from_free(r);
}

static void more_than_was_announced_is_refused(void **state)
{
	struct fake_rom *r = chip(1 << 20);

	(void)state;
	memset(r->flash, 0xFF, r->flash_bytes);
	assert_int_equal(flash_rom_write_begin(&writer, &rom, 0, 0x500, 0x400), 0);
	assert_int_equal(flash_rom_write_block(&writer, image, 0x401), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_write_block(&writer, image, 0x3FF), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_write_block(&writer, image, 0x400), 0);
	assert_int_equal(flash_rom_write_block(&writer, image, 0x104), ESP_E_ARGUMENT);
	assert_int_equal(flash_rom_write_block(&writer, image, 0x100), 0);
	assert_int_equal(flash_rom_write_block(&writer, image, 1), ESP_E_ARGUMENT);
	from_free(r);
}

static void an_unplugged_port_ends_a_write_at_once(void **state)
{
	struct fake_rom *r = chip(1 << 20);

	(void)state;
	memset(r->flash, 0xFF, r->flash_bytes);
	r->fp->fail_read = 5;
	assert_int_equal(write_image(&writer, 0, 20000, 0x400), ESP_E_GONE);
	from_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_model_of_the_rom_agrees_with_the_observed_cases),
		cmocka_unit_test(the_plan_agrees_with_the_table_of_known_sizes),
		cmocka_unit_test(any_plan_erases_each_sector_once_and_no_other),
		cmocka_unit_test(a_plan_needs_a_sector_address),
		cmocka_unit_test(erasing_hits_the_sectors_asked_for_and_no_other),
		cmocka_unit_test(erasing_survives_lost_frames),
		cmocka_unit_test(nothing_outside_the_chip_is_touched),
		cmocka_unit_test(the_size_must_be_known_first),
		cmocka_unit_test(a_damaged_size_is_noticed_and_told_again),
		cmocka_unit_test(blocks_of_any_size_land_where_they_belong),
		cmocka_unit_test(each_frame_in_turn_may_be_lost_or_damaged),
		cmocka_unit_test(a_very_bad_line_writes_right_or_says_so),
		cmocka_unit_test(flash_that_does_not_take_the_data_is_named),
		cmocka_unit_test(more_than_was_announced_is_refused),
		cmocka_unit_test(an_unplugged_port_ends_a_write_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
