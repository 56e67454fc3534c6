#include "sim/spi.h"

#include "sim/ticks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 1 << 20, USER_CMD = 1u << 31, USER_ADDR = 1 << 30, USER_DUMMY = 1 << 29,
	USER_MISO = 1 << 28, USER_MOSI = 1 << 27 };

struct bench {
	struct spi s;
	struct nor nor;
	uint8_t *mem;
	uint64_t now;
};

static int open_bench(void **state)
{
	static struct bench b;
	struct nor_config cfg = { .bytes = SIZE, .jedec_id = 0x1440EF, .scale = 1.0,
		.stuck_sector = -1, .uid = "unique!" };

	b.mem = cfg.mem = malloc(SIZE);
	if (!cfg.mem || nor_open(&b.nor, &cfg) < 0)
		return -1;
	memset(b.mem, 0xFF, SIZE);
	b.now = 1;
	b.s.nor = &b.nor;
	spi_reset(&b.s, 40);
	*state = &b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	nor_close(&b->nor);
	free(b->mem);
	return 0;
}

static void set(struct bench *b, uint32_t off, uint32_t v)
{
	spi_write(&b->s, b->now, off, v);
}

static uint32_t get(struct bench *b, uint32_t off)
{
	return spi_read(&b->s, b->now, off);
}

/* Starts a command and waits for the controller, as software does. */
static void command(struct bench *b, uint32_t cmd)
{
	set(b, SPI_CMD, cmd);
	assert_int_equal(get(b, SPI_CMD), cmd);
	b->now = spi_next(&b->s, b->now);
	assert_int_equal(get(b, SPI_CMD), 0);
}

static void wait_flash(struct bench *b)
{
	do
		command(b, SPI_RDSR);
	while (get(b, SPI_RD_STATUS) & NOR_WIP);
}

static void the_command_bits_program_read_and_erase(void **state)
{
	struct bench *b = *state;

	command(b, SPI_WREN);
	command(b, SPI_RDSR);
	assert_int_equal(get(b, SPI_RD_STATUS) & 0xFF, NOR_WEL);
	set(b, SPI_W0, 0x44332211);
	set(b, SPI_W0 + 4, 0x88776655);
	set(b, SPI_ADDR, 8u << 24 | 0x1234);
	command(b, SPI_PP);
	wait_flash(b);
	assert_memory_equal(b->mem + 0x1234, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
	set(b, SPI_ADDR, 5u << 24 | 0x1235);
	command(b, SPI_READ);
	assert_int_equal(get(b, SPI_W0), 0x55443322);
	assert_int_equal(get(b, SPI_W0 + 4), 0x88776666);	/* the last three bytes are old */
	command(b, SPI_WREN);
	set(b, SPI_ADDR, 0x1000);
	command(b, SPI_SE);
	wait_flash(b);
	assert_int_equal(b->mem[0x1234], 0xFF);
	assert_int_equal(b->nor.array.sector_erases[1], 1);
}

static void rdid_and_a_user_command_give_the_same_id(void **state)
{
	struct bench *b = *state;

	command(b, SPI_RDID);
	assert_int_equal(get(b, SPI_W0), 0x1440EF);
	set(b, SPI_W0, 0);
	set(b, SPI_USER, USER_CMD | USER_MISO);
	set(b, SPI_USER1, 23 << 8);
	set(b, SPI_USER2, 7u << 28 | 0x9F);
	command(b, SPI_USR);
	assert_int_equal(get(b, SPI_W0), 0x1440EF);
}

static void a_user_command_sends_a_left_aligned_address_and_64_bytes(void **state)
{
	struct bench *b = *state;

	command(b, SPI_WREN);
	for (uint32_t i = 0; i < 16; i++)
		set(b, SPI_W0 + 4 * i, i * 0x01010101);
	set(b, SPI_ADDR, 0x012340 << 8);
	set(b, SPI_USER, USER_CMD | USER_ADDR | USER_MOSI);
	set(b, SPI_USER1, 23u << 26 | 511 << 17);
	set(b, SPI_USER2, 7u << 28 | 0x02);
	command(b, SPI_USR);
	wait_flash(b);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(b->mem[0x12340 + i], i / 4);
}

static void dummy_cycles_come_before_the_data(void **state)
{
	struct bench *b = *state;

	set(b, SPI_ADDR, 0);
	set(b, SPI_USER, USER_CMD | USER_ADDR | USER_DUMMY | USER_MISO);
	set(b, SPI_USER1, 23u << 26 | 31 << 8 | 7);
	set(b, SPI_USER2, 7u << 28 | 0x5A);
	command(b, SPI_USR);
	assert_int_equal(get(b, SPI_W0), 0x50444653);
}

static void the_high_part_of_the_buffer_can_be_used(void **state)
{
	struct bench *b = *state;

	set(b, SPI_USER, USER_CMD | USER_MISO | 1 << 24);
	set(b, SPI_USER1, 23 << 8);
	set(b, SPI_USER2, 7u << 28 | 0x9F);
	command(b, SPI_USR);
	assert_int_equal(get(b, SPI_W0), 0);
	assert_int_equal(get(b, SPI_W0 + 32), 0x1440EF);
}

static void status_writes_have_one_byte_or_two(void **state)
{
	struct bench *b = *state;

	set(b, SPI_CTRL, get(b, SPI_CTRL) | SPI_TWO_BYTE_STATUS);
	command(b, SPI_WREN);
	set(b, SPI_RD_STATUS, 0x0204);
	command(b, SPI_WRSR);
	wait_flash(b);
	assert_int_equal(get(b, SPI_RD_STATUS) & 0xFFFF, 0x0204);
	set(b, SPI_CTRL, get(b, SPI_CTRL) & ~(uint32_t)SPI_TWO_BYTE_STATUS);
	command(b, SPI_WREN);
	set(b, SPI_RD_STATUS, 0x0208);
	command(b, SPI_WRSR);
	wait_flash(b);
	assert_int_equal(b->nor.sr1, 0x08);
	assert_int_equal(b->nor.sr2, 0);
}

static void quad_modes_work_only_with_quad_enable(void **state)
{
	struct bench *b = *state;

	memcpy(b->mem, "\x12\x34\x56\x78", 4);
	set(b, SPI_CTRL, get(b, SPI_CTRL) | SPI_QIO | SPI_FASTRD);
	assert_false(spi_mode_works(&b->s));
	set(b, SPI_ADDR, 4u << 24);
	command(b, SPI_READ);
	assert_int_not_equal(get(b, SPI_W0), 0x78563412);
	b->nor.sr2 = NOR_SR2_QE;
	assert_true(spi_mode_works(&b->s));
	command(b, SPI_READ);
	assert_int_equal(get(b, SPI_W0), 0x78563412);
}

static void dual_modes_read_the_same_bytes(void **state)
{
	static const uint32_t modes[] = { 0, SPI_FASTRD, SPI_FASTRD | SPI_DOUT,
		SPI_FASTRD | SPI_DIO };
	struct bench *b = *state;

	memcpy(b->mem + 0x200, "\x12\x34\x56\x78", 4);
	for (size_t i = 0; i < 4; i++) {
		set(b, SPI_CTRL, 0x00288202 | modes[i]);
		set(b, SPI_W0, 0);
		set(b, SPI_ADDR, 4u << 24 | 0x200);
		command(b, SPI_READ);
		assert_int_equal(get(b, SPI_W0), 0x78563412);
	}
}

static void a_transaction_lasts_as_long_as_its_clocks(void **state)
{
	struct bench *b = *state;
	uint64_t from = b->now, ticks;

	set(b, SPI_CTRL, 0x00288101);	/* half of 52 MHz */
	set(b, SPI_ADDR, 32u << 24);
	command(b, SPI_READ);
	ticks = b->now - from;
	assert_in_range(ticks, 36 * 8 * 80, 37 * 8 * 80);
}

static void without_a_flash_everything_reads_as_ones(void **state)
{
	struct bench *b = *state;

	b->s.nor = NULL;
	command(b, SPI_RDID);
	assert_int_equal(get(b, SPI_W0), 0xFFFFFF);
	command(b, SPI_RDSR);
	assert_int_equal(get(b, SPI_RD_STATUS) & 0xFF, 0xFF);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_command_bits_program_read_and_erase),
		TEST(rdid_and_a_user_command_give_the_same_id),
		TEST(a_user_command_sends_a_left_aligned_address_and_64_bytes),
		TEST(dummy_cycles_come_before_the_data),
		TEST(the_high_part_of_the_buffer_can_be_used),
		TEST(status_writes_have_one_byte_or_two),
		TEST(quad_modes_work_only_with_quad_enable),
		TEST(dual_modes_read_the_same_bytes),
		TEST(a_transaction_lasts_as_long_as_its_clocks),
		TEST(without_a_flash_everything_reads_as_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
