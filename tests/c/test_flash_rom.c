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
	assert_int_equal(r->table_bytes, 0);	/* so that no FLASH_BEGIN erases */
	r->damage_params = 1;
	assert_int_equal(rom_flash_limit(&rom, 4 << 20), 0);
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

/* All but the sectors [from, to) of flash that was full of zeros is as it was. */
static void assert_untouched(struct fake_rom *r, uint32_t from, uint32_t to)
{
	static const uint8_t zeros[4096];

	for (uint32_t s = 0; s < r->flash_bytes / 4096; s++) {
		if (s >= from / 4096 && s < to / 4096)
			continue;
		assert_int_equal(r->erased[s], 0);
		assert_memory_equal(r->flash + 4096 * s, zeros, sizeof zeros);
	}
}

static void a_damaged_begin_erases_nothing_and_writes_nowhere_else(void **state)
{
	(void)state;
	fake_seed();
	fill_image();
	for (int round = 0; round < 300; round++) {
		struct fake_rom *r = chip(1 << 20);

		memset(r->flash + 0x40000, 0xFF, 0x3000);
		r->damage_begin = 1;
		assert_int_equal(write_image(&writer, 0x40000, 9999, 0x400), 0);
		assert_int_equal(r->damage_begin, 0);
		assert_memory_equal(r->flash + 0x40000, image, 9999);
		assert_erased(r, 0, 0);
		assert_untouched(r, 0x40000, 0x43000);
		from_free(r);
	}
}

/* One flipped bit in whatever is sent, but for the data of blocks, which have their
 * sum. A wrong length of a block may get through: that is what reading back is for. */
static void a_damaged_command_changes_nothing_that_was_not_asked_for(void **state)
{
	int good = 0;

	(void)state;
	fake_seed();
	fill_image();
	for (int round = 0; round < 2000; round++) {
		struct fake_rom *r = from_new(1 << 20);
		int rc;

		rom_init(&rom, &r->fp->port);
		r->sector_us = 1000;
		r->damaged_registers = true;
		r->damage_any = 1 + (unsigned)rand() % 160;
		rc = flash_rom_prepare(&rom, r->flash_bytes);
		if (rc >= 0)
			rc = flash_rom_erase(&rom, 0x42000, 0x3000);
		if (rc >= 0)
			rc = write_image(&writer, 0x42000, 9999, 0x400);
		good += rc >= 0 && memcmp(r->flash + 0x42000, image, 9999) == 0;
		assert_untouched(r, 0x42000, 0x45000);
		from_free(r);
	}
	assert_true(good > 1500);
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
		cmocka_unit_test(erasing_hits_the_sectors_asked_for_and_no_other),
		cmocka_unit_test(erasing_survives_lost_frames),
		cmocka_unit_test(nothing_outside_the_chip_is_touched),
		cmocka_unit_test(the_size_must_be_known_first),
		cmocka_unit_test(a_damaged_size_is_noticed_and_told_again),
		cmocka_unit_test(blocks_of_any_size_land_where_they_belong),
		cmocka_unit_test(each_frame_in_turn_may_be_lost_or_damaged),
		cmocka_unit_test(a_damaged_begin_erases_nothing_and_writes_nowhere_else),
		cmocka_unit_test(a_damaged_command_changes_nothing_that_was_not_asked_for),
		cmocka_unit_test(a_very_bad_line_writes_right_or_says_so),
		cmocka_unit_test(flash_that_does_not_take_the_data_is_named),
		cmocka_unit_test(more_than_was_announced_is_refused),
		cmocka_unit_test(an_unplugged_port_ends_a_write_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
