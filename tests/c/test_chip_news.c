/* Whatever a program waits for, and however it waits, it sees it at the cycle at
 * which it happens: leaping over idle time changes nothing but the host's work.
 * The same life is lived in steps from a microsecond to a whole test; in the
 * shortest there is hardly anything to leap over. */
#include "chip_program.h"

enum { UART0 = 0x60000000, SPI0 = 0x60000200, RXD = 1 << 15, RDID = 1 << 28, IRQ_SPI = 1 << 2,
	TOTAL_US = 60000 };

/* What the program saw. */
struct life {
	uint32_t count, sum;
};

static void live(struct chip *c, uint64_t until_us, uint64_t stride_us)
{
	while (chip_now_us(c) < until_us) {
		uint64_t next = chip_now_us(c) + stride_us;

		chip_run(c, next < until_us ? next : until_us, false);
	}
}

/* The host says `n` bytes at 5 ms and again, one by one, from 20 ms on. */
static struct life life_of(const struct program *p, const char *said, size_t n, uint64_t stride_us)
{
	struct chip *c = open_program(p, "");
	struct life l;

	live(c, 5000, stride_us);
	chip_receive(c, (const uint8_t *)said, n);
	for (size_t i = 0; i < n; i++) {
		live(c, 20000 + i * 1777, stride_us);
		chip_receive(c, (const uint8_t *)said + i, 1);
	}
	live(c, TOTAL_US, stride_us);
	l = (struct life){ chip_peek(c, PROGRAM_COUNT), chip_peek(c, PROGRAM_SUM) };
	chip_close(c);
	return l;
}

/* Checks that all strides make the same life; returns how much was seen. */
static uint32_t seen(const struct program *p, const char *said, size_t n)
{
	static const uint64_t strides[] = { 1, 7, 1000, 50000 };
	struct life whole = life_of(p, said, n, TOTAL_US);

	for (size_t i = 0; i < sizeof strides / sizeof strides[0]; i++) {
		struct life l = life_of(p, said, n, strides[i]);

		assert_int_equal(l.count, whole.count);
		assert_int_equal(l.sum, whole.sum);
	}
	return whole.count;
}

static const uint32_t at_115200[][2] = { { UART0 + 0x14, 451 }, { 0, 0 } };

static void every_byte_that_arrives_is_seen(void **state)
{
	struct program p = { LOOP_WATCH, UART0 + 0x1C, 0xFF, 0, at_115200 };

	(void)state;
	assert_int_equal(seen(&p, "0123456789", 10), 20);
}

static void every_edge_on_rxd_is_seen(void **state)
{
	struct program p = { LOOP_WATCH, UART0 + 0x1C, RXD, 0, at_115200 };

	(void)state;	/* ten edges in each, and the level at the start */
	assert_int_equal(seen(&p, "UUUUUUUUUU", 10), 201);
}

static void every_edge_counts_for_auto_baud_when_it_comes(void **state)
{
	/* The receiver is so fast that it has no event at the last edges. */
	static const uint32_t setup[][2] = { { UART0 + 0x14, 26 }, { UART0 + 0x18, 1 }, { 0, 0 } };
	struct program p = { LOOP_WATCH, UART0 + 0x30, 0x3FF, 0, setup };

	(void)state;
	assert_int_equal(seen(&p, "UUUUUUUUUU", 10), 200);
}

static void the_transmit_fifo_is_seen_to_empty(void **state)
{
	uint32_t setup[42][2] = { { UART0 + 0x14, 451 } };
	struct program p = { LOOP_WATCH, UART0 + 0x1C, 0xFF << 16, 0,
			     (const uint32_t (*)[2])setup };

	(void)state;
	for (int i = 1; i <= 40; i++)
		setup[i][0] = UART0, setup[i][1] = 'x';
	assert_int_equal(seen(&p, "", 0), 40);	/* 39 waiting, then one less each time */
}

static void a_receive_timeout_is_seen(void **state)
{
	static const uint32_t setup[][2] = { { UART0 + 0x14, 451 },
		{ UART0 + 0x24, 1u << 31 | 2 << 24 | 100 }, { 0, 0 } };
	struct program p = { LOOP_WATCH, UART0 + 0x04, 1 << 8, 0, setup };

	(void)state;
	assert_int_equal(seen(&p, "abc", 3), 1);
}

/* Nothing else happens on this chip that could wake a program that overslept. */
static void the_end_of_a_flash_command_is_seen(void **state)
{
	for (uint32_t delay = 1; delay < 40; delay += 5) {
		struct program p = { LOOP_BUSY, SPI0, RDID, delay, NULL };
		uint32_t least = TOTAL_US * 52 / (144 + 2 * delay + 30);

		(void)state;
		assert_in_range(seen(&p, "", 0), least, least + least / 5);
	}
}

static void the_end_of_a_flash_command_wakes_a_sleeper(void **state)
{
	static const uint32_t setup[][2] = { { SPI0 + 0x30, 0x200 }, { SPI0, RDID }, { 0, 0 } };
	struct program p = { LOOP_SLEEP, SPI0, RDID, IRQ_SPI, setup };
	uint32_t least = TOTAL_US * 52 / (144 + 30);

	(void)state;
	assert_in_range(seen(&p, "", 0), least, least + least / 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_that_arrives_is_seen),
		cmocka_unit_test(every_edge_on_rxd_is_seen),
		cmocka_unit_test(every_edge_counts_for_auto_baud_when_it_comes),
		cmocka_unit_test(the_transmit_fifo_is_seen_to_empty),
		cmocka_unit_test(a_receive_timeout_is_seen),
		cmocka_unit_test(the_end_of_a_flash_command_is_seen),
		cmocka_unit_test(the_end_of_a_flash_command_wakes_a_sleeper),
	};

	return cmocka_run_group_tests(tests, write_program_rom, remove_program_rom);
}
