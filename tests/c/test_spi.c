#include "fake_rom.h"

#include "../../src/loader/spi.h"

static struct rom rom;

static struct fake_rom *chip(void)
{
	struct fake_rom *r = from_new(1 << 20);

	rom_init(&rom, &r->fp->port);
	*from_reg(r, 0x6000021C) = 0x80000054;
	*from_reg(r, 0x60000220) = 0x5C000000;
	*from_reg(r, 0x60000224) = 0x70000000;
	for (uint32_t i = 0; i < r->flash_bytes; i++)
		r->flash[i] = (uint8_t)(i * 31 ^ i >> 7);
	return r;
}

static void assert_registers_are_back(struct fake_rom *r)
{
	assert_int_equal(*from_reg(r, 0x6000021C), 0x80000054);
	assert_int_equal(*from_reg(r, 0x60000220), 0x5C000000);
	assert_int_equal(*from_reg(r, 0x60000224), 0x70000000);
}

static void the_id_is_read_after_attaching(void **state)
{
	struct fake_rom *r = chip();
	uint32_t id = 0;

	(void)state;
	assert_int_equal(spi_read_id(&rom, &id), 0);
	assert_int_equal(id, 0x1640EF);
	/* by a FLASH_BEGIN that can erase nothing: the ROM knows of a chip of 0 bytes */
	assert_int_equal(strncmp(r->log, "0b 0 0 10000 1000;", 18), 0);
	assert_non_null(strstr(r->log, ";02 0 0 400 0;"));
	assert_null(strstr(strstr(r->log, ";02 ") + 1, ";02 "));
	assert_registers_are_back(r);
	from_free(r);
}

static void after_a_reset_the_pins_are_attached_anew(void **state)
{
	struct fake_rom *r = chip();
	struct rom_connect how = { reset_find("nodemcu", RESET_TO_LOADER), 1, 0, false };
	uint32_t id = 0;

	(void)state;
	assert_int_equal(spi_read_id(&rom, &id), 0);
	assert_int_equal(rom_connect(&rom, &how), 0);
	assert_false(r->attached);
	assert_int_equal(spi_read_id(&rom, &id), 0);
	assert_true(r->attached);
	from_free(r);
}

static void a_sleeping_chip_is_woken(void **state)
{
	struct fake_rom *r = chip();
	uint32_t id = 0;

	(void)state;
	r->asleep = true;
	assert_int_equal(spi_read_id(&rom, &id), 0);
	assert_int_equal(id, 0x1640EF);
	assert_int_equal(r->wake_ups, 1);
	from_free(r);
}

static void no_chip_is_said_to_be_none(void **state)
{
	static const uint32_t nothing[] = { 0, 0xFFFFFF };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fake_rom *r = chip();
		uint32_t id;

		r->jedec = nothing[i];
		assert_int_equal(spi_read_id(&rom, &id), ESP_E_FLASH);
		assert_non_null(strstr(rom.err.text, "no flash chip answers"));
		from_free(r);
	}
}

static void a_transaction_takes_few_packets(void **state)
{
	struct fake_rom *r = chip();
	uint8_t in[64];
	struct spi_transaction t = { .opcode = 0x03, .addr_bits = 24, .addr = 0x1234,
				     .in = in, .in_len = sizeof in };
	int packets = 0;

	(void)state;
	assert_int_equal(spi_attach(&rom), 0);
	r->log[0] = '\0';
	assert_int_equal(spi_command(&rom, &t), 0);
	assert_memory_equal(in, r->flash + 0x1234, sizeof in);
	/* 3 saved, 1 written, CMD and 16 words read, 1 written back */
	for (const char *p = r->log; *p; p++)
		packets += *p == ';';
	assert_int_equal(packets, 3 + 1 + 17 + 1);
	assert_false(r->ring_overrun);
	assert_registers_are_back(r);
	from_free(r);
}

static void every_length_comes_in_whole_and_no_byte_more(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	for (size_t n = 0; n <= 64; n++) {
		uint8_t in[66];
		struct spi_transaction t = { .opcode = 0x03, .addr_bits = 24, .addr = 77,
					     .in = in, .in_len = n };

		memset(in, 0xA5, sizeof in);
		assert_int_equal(spi_command(&rom, &t), 0);
		assert_memory_equal(in, r->flash + 77, n);
		assert_int_equal(in[n], 0xA5);
	}
	from_free(r);
}

static void dummy_bits_are_sent(void **state)
{
	struct fake_rom *r = chip();
	uint8_t in[4];
	struct spi_transaction t = { .opcode = 0x5A, .addr_bits = 24, .dummy_bits = 8,
				     .in = in, .in_len = 4 };

	(void)state;
	assert_int_equal(spi_command(&rom, &t), 0);
	assert_memory_equal(in, "SFDP", 4);
	from_free(r);
}

static void a_transaction_that_cannot_be_is_refused(void **state)
{
	uint8_t buf[65];
	const struct spi_transaction bad[] = {
		{ .opcode = 1, .in = buf, .in_len = 65 },
		{ .opcode = 1, .out = buf, .out_len = 65 },
		{ .opcode = 1, .in = buf, .in_len = 1, .out = buf, .out_len = 1 },
		{ .opcode = 1, .addr_bits = 12 }, { .opcode = 1, .addr_bits = 40 },
		{ .opcode = 1, .dummy_bits = 257 },
	};
	struct fake_rom *r = chip();

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(spi_command(&rom, &bad[i]), ESP_E_ARGUMENT);
	assert_int_equal(r->fp->tx_len, 0);
	from_free(r);
}

static void a_controller_that_never_ends_is_reported(void **state)
{
	struct fake_rom *r = chip();
	struct spi_transaction t = { .opcode = 0x9F };

	(void)state;
	r->spi_hangs = true;
	assert_int_equal(spi_command(&rom, &t), ESP_E_FLASH);
	assert_registers_are_back(r);
	from_free(r);
}

static void status_registers_are_read_and_written(void **state)
{
	struct fake_rom *r = chip();
	uint8_t v;

	(void)state;
	assert_int_equal(spi_attach(&rom), 0);
	for (int n = 1; n <= 3; n++) {
		assert_int_equal(spi_write_status(&rom, n, &(uint8_t){ (uint8_t)(0x40 + 4 * n) }, 1), 0);
		assert_int_equal(r->sr[n - 1], 0x40 + 4 * n);
		assert_int_equal(spi_read_status(&rom, n, &v), 0);
		assert_int_equal(v, 0x40 + 4 * n);
	}
	assert_int_equal(spi_read_status(&rom, 0, &v), ESP_E_ARGUMENT);
	assert_int_equal(spi_write_status(&rom, 4, &(uint8_t){ 0 }, 1), ESP_E_ARGUMENT);
	from_free(r);
}

static void two_status_registers_are_written_with_one_command(void **state)
{
	struct fake_rom *r = chip();
	const uint8_t values[3] = { 0x40, 0x12, 0x99 };
	uint8_t v = 0;

	(void)state;
	assert_int_equal(spi_write_status(&rom, 1, values, 2), 0);
	assert_int_equal(spi_read_status(&rom, 1, &v), 0);
	assert_int_equal(v, 0x40);
	assert_int_equal(spi_read_status(&rom, 2, &v), 0);
	assert_int_equal(v, 0x12);
	assert_int_equal(r->status_writes, 1);
	assert_int_equal(spi_write_status(&rom, 1, values, 3), ESP_E_ARGUMENT);
	assert_int_equal(spi_write_status(&rom, 1, values, 0), ESP_E_ARGUMENT);
	assert_registers_are_back(r);
	from_free(r);
}

/* A program of four bytes: what is started is what was asked for, or nothing is. */
static void a_checked_transaction_that_arrived_damaged_is_not_started(void **state)
{
	static const uint8_t data[4] = { 0x12, 0x34, 0x56, 0x78 };
	struct spi_transaction t = { .opcode = 0x02, .addr_bits = 24, .addr = 0x5000,
				     .out = data, .out_len = 4, .checked = true };
	struct fake_rom *r = chip();
	int refused = 0;
	size_t regs;

	(void)state;
	fake_seed();
	assert_int_equal(spi_command(&rom, &t), 0);
	regs = r->regs;
	for (int round = 0; round < 500; round++) {
		int rc;

		r->regs = regs;
		r->programmed_len = 0;
		r->damage_write = 1;
		rc = spi_command(&rom, &t);
		if (rc == ESP_E_PROTO) {
			refused++;
			assert_int_equal(r->programmed_len, 0);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_int_equal(r->programmed_len, 4);
		assert_int_equal(r->programmed_addr, 0x5000);
		assert_memory_equal(r->programmed, data, 4);
	}
	assert_in_range(refused, 100, 400);
	from_free(r);
}

static void waiting_ends_when_the_chip_is_idle_or_time_is_up(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	assert_int_equal(spi_attach(&rom), 0);
	r->flash_busy_until = r->fp->now_us + 300000;
	assert_int_equal(spi_wait_idle(&rom, 1000), 0);
	assert_true(r->fp->now_us >= r->flash_busy_until);
	assert_true(r->fp->now_us < r->flash_busy_until + 60000);
	r->flash_busy_until = UINT64_MAX;
	assert_int_equal(spi_wait_idle(&rom, 200), ESP_E_FLASH);
	from_free(r);
}

static void one_sector_is_erased_and_no_other(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	assert_int_equal(spi_erase_sector(&rom, 0x5000), 0);
	for (uint32_t s = 0; s < 256; s++)
		assert_int_equal(r->erased[s], s == 5);
	assert_true(r->fp->now_us >= r->flash_busy_until);
	assert_int_equal(spi_erase_sector(&rom, 0x5001), ESP_E_ARGUMENT);
	assert_int_equal(spi_erase_sector(&rom, 1 << 24), ESP_E_ARGUMENT);
	from_free(r);
}

static void a_damaged_register_write_never_erases_another_sector(void **state)
{
	struct fake_rom *r = chip();
	size_t regs;
	int erased = 0;

	(void)state;
	fake_seed();
	assert_int_equal(spi_erase_sector(&rom, 0x7000), 0);
	regs = r->regs;
	for (int round = 0; round < 3000; round++) {
		r->regs = regs;		/* forget those that only damage wrote to */
		memset(r->flash + 0x7000, 0, 4096);
		r->log[0] = '\0';
		assert_int_equal(spi_attach(&rom), 0);
		r->damage_write = 1 + (unsigned)rand() % 20;
		if (spi_erase_sector(&rom, 0x7000) == 0) {
			assert_int_equal(r->flash[0x7000] & r->flash[0x7FFF], 0xFF);
			erased++;
		}
		for (uint32_t s = 0; s < 256; s++)
			assert_true(s == 7 || r->erased[s] == 0);
	}
	assert_true(erased > 2000);
	from_free(r);
}

static void a_block_of_64_kib_is_erased_at_once(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	assert_int_equal(spi_erase_block(&rom, 0x20000), 0);
	for (uint32_t s = 0; s < 256; s++)
		assert_int_equal(r->erased[s], s >= 0x20 && s < 0x30);
	assert_int_equal(spi_erase_block(&rom, 0x21000), ESP_E_ARGUMENT);
	assert_registers_are_back(r);
	from_free(r);
}

static void a_chip_that_refuses_to_erase_is_reported(void **state)
{
	struct fake_rom *r = chip();

	(void)state;
	r->protect = true;
	assert_int_equal(spi_erase_sector(&rom, 0x7000), ESP_E_FLASH);
	assert_non_null(strstr(rom.err.text, "does not take command 20"));
	from_free(r);
}

static void flash_is_read_at_any_address_and_length(void **state)
{
	struct fake_rom *r = chip();
	static uint8_t buf[5000];

	(void)state;
	fake_seed();
	for (int i = 0; i < 60; i++) {
		size_t n = (size_t)rand() % (i < 30 ? 200 : 4500);
		uint32_t addr = (uint32_t)rand() % (1 << 19);

		memset(buf, 0xA5, sizeof buf);
		assert_int_equal(spi_read_flash(&rom, addr, buf, n), 0);
		assert_memory_equal(buf, r->flash + addr, n);
		assert_int_equal(buf[n], 0xA5);
	}
	assert_false(r->ring_overrun);
	assert_registers_are_back(r);
	assert_int_equal(spi_read_flash(&rom, (1 << 24) - 1, buf, 2), ESP_E_ARGUMENT);
	from_free(r);
}

static void reading_keeps_the_line_busy(void **state)
{
	struct fake_rom *r = chip();
	static uint8_t buf[4096];
	uint64_t start;

	(void)state;
	assert_int_equal(spi_attach(&rom), 0);
	start = r->fp->now_us;
	assert_int_equal(spi_read_flash(&rom, 0, buf, sizeof buf), 0);
	/* 64 transactions of 280 bytes and a few escapes at 86.8 us */
	assert_true(r->fp->now_us - start < 64 * 290 * 87);
	from_free(r);
}

static void reading_goes_on_where_an_answer_was_lost(void **state)
{
	static uint8_t buf[1024];

	(void)state;
	for (unsigned n = 1; n < 300; n += 7) {
		struct fake_rom *r = chip();
		unsigned *fault[] = { &r->lose_reply, &r->lose_request, &r->damage_reply };

		assert_int_equal(spi_attach(&rom), 0);
		*fault[n % 3] = n;
		memset(buf, 0, sizeof buf);
		assert_int_equal(spi_read_flash(&rom, 0x400, buf, sizeof buf), 0);
		assert_memory_equal(buf, r->flash + 0x400, sizeof buf);
		assert_registers_are_back(r);
		assert_false(r->ring_overrun);
		from_free(r);
	}
}

static void words_of_a_transfer_that_was_not_over_are_not_believed(void **state)
{
	static uint8_t buf[1024];

	(void)state;
	for (unsigned n = 1; n <= 16; n++) {
		struct fake_rom *r = chip();

		r->slow_spi = n;
		assert_int_equal(spi_read_flash(&rom, 0x400, buf, sizeof buf), 0);
		assert_memory_equal(buf, r->flash + 0x400, sizeof buf);
		from_free(r);
	}
}

static void erasing_survives_lost_frames(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 40; n++) {
		struct fake_rom *r = chip();
		unsigned *fault[] = { &r->lose_reply, &r->lose_request };

		*fault[n % 2] = n;
		assert_int_equal(spi_erase_sector(&rom, 0x7000), 0);
		assert_int_equal(r->flash[0x7000], 0xFF);
		for (uint32_t s = 0; s < 256; s++)
			assert_true((r->erased[s] > 0) == (s == 7));
		from_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_id_is_read_after_attaching),
		cmocka_unit_test(after_a_reset_the_pins_are_attached_anew),
		cmocka_unit_test(a_sleeping_chip_is_woken),
		cmocka_unit_test(no_chip_is_said_to_be_none),
		cmocka_unit_test(a_transaction_takes_few_packets),
		cmocka_unit_test(every_length_comes_in_whole_and_no_byte_more),
		cmocka_unit_test(dummy_bits_are_sent),
		cmocka_unit_test(a_transaction_that_cannot_be_is_refused),
		cmocka_unit_test(a_controller_that_never_ends_is_reported),
		cmocka_unit_test(status_registers_are_read_and_written),
		cmocka_unit_test(two_status_registers_are_written_with_one_command),
		cmocka_unit_test(a_checked_transaction_that_arrived_damaged_is_not_started),
		cmocka_unit_test(waiting_ends_when_the_chip_is_idle_or_time_is_up),
		cmocka_unit_test(one_sector_is_erased_and_no_other),
		cmocka_unit_test(a_damaged_register_write_never_erases_another_sector),
		cmocka_unit_test(a_block_of_64_kib_is_erased_at_once),
		cmocka_unit_test(a_chip_that_refuses_to_erase_is_reported),
		cmocka_unit_test(flash_is_read_at_any_address_and_length),
		cmocka_unit_test(reading_keeps_the_line_busy),
		cmocka_unit_test(reading_goes_on_where_an_answer_was_lost),
		cmocka_unit_test(words_of_a_transfer_that_was_not_over_are_not_believed),
		cmocka_unit_test(erasing_survives_lost_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
