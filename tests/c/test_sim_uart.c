#include "sim/uart.h"

#include "sim/host.h"
#include "sim/ticks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { APB_52 = 40, APB_80 = 26, DIV_115200 = 451 };

/* A UART, the host at its other end and their clock. */
struct bench {
	struct uart u;
	struct host host;
	uint64_t now;
};

static void open_bench(struct bench *b, uint32_t baud, uint32_t div)
{
	struct chip_config cfg;

	memset(&cfg, 0, sizeof cfg);
	b->now = TICKS_PER_MS;
	uart_init(&b->u);
	uart_reset(&b->u, b->now, APB_52);
	host_init(&b->host, &cfg, b->now);
	host_set_baud(&b->host, baud);
	uart_write(&b->u, b->now, UART_CLKDIV, div);
}

/* Lets time pass, event by event. */
static void run(struct bench *b, uint64_t us)
{
	uint64_t end = b->now + us * TICKS_PER_US;

	while (b->now < end) {
		uint64_t t = ticks_min(uart_next(&b->u),
				       host_next(&b->host, &b->u.in, &b->u.out));

		b->now = ticks_min(end, t > b->now ? t : b->now + 1);
		uart_run(&b->u, b->now);
		host_run(&b->host, b->now, &b->u.in, &b->u.out);
	}
}

static void host_send(struct bench *b, const void *data, size_t n)
{
	assert_int_equal(host_queue(&b->host, b->now, data, n), n);
}

static uint32_t reg(struct bench *b, uint32_t off)
{
	return uart_read(&b->u, b->now, off, false);
}

static void set(struct bench *b, uint32_t off, uint32_t value)
{
	uart_write(&b->u, b->now, off, value);
}

static unsigned rx_count(struct bench *b)
{
	return reg(b, UART_STATUS) & 0xFF;
}

static void bytes_arrive_when_both_ends_agree(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 115200, DIV_115200);
	host_send(&b, "\x00\xFF\xC0U", 4);
	run(&b, 1000);
	assert_int_equal(rx_count(&b), 4);
	assert_int_equal(reg(&b, UART_FIFO_REG), 0x00);
	assert_int_equal(reg(&b, UART_FIFO_REG), 0xFF);
	assert_int_equal(reg(&b, UART_FIFO_REG), 0xC0);
	assert_int_equal(reg(&b, UART_FIFO_REG), 'U');
	assert_int_equal(rx_count(&b), 0);
}

static void a_byte_takes_ten_bit_times(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 115200, DIV_115200);
	for (int i = 0; i < 100; i++)
		set(&b, UART_FIFO_REG, 'x');
	run(&b, 99 * 868 / 10);
	assert_in_range(b.host.rx_count, 98, 99);
	run(&b, 100);
	assert_int_equal(b.host.rx_count, 100);
}

static void every_byte_gets_through_while_rates_differ_less_than_4_percent(void **state)
{
	uint8_t all[128], got[128];
	struct bench b;

	(void)state;
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)(i * 2 + 1);
	for (int permille = -40; permille <= 40; permille += 10) {
		open_bench(&b, (uint32_t)(115200 * (1000 + permille) / 1000), DIV_115200);
		host_send(&b, all, sizeof all);
		for (size_t i = 0; i < sizeof all; i++)
			uart_write(&b.u, b.now, UART_FIFO_REG, all[i]);
		run(&b, 20000);
		assert_int_equal(rx_count(&b), 128);
		for (size_t i = 0; i < sizeof all; i++)
			assert_int_equal(reg(&b, UART_FIFO_REG), all[i]);
		assert_int_equal(host_take(&b.host, got, sizeof got), 128);
		assert_memory_equal(got, all, sizeof all);
	}
}

static void rates_7_percent_apart_garble(void **state)
{
	struct bench b;
	unsigned wrong = 0;

	(void)state;
	open_bench(&b, 115200 * 107 / 100, DIV_115200);
	for (int i = 0; i < 100; i++)
		host_send(&b, "\x0F", 1);
	run(&b, 20000);
	for (unsigned n = rx_count(&b); n; n--)
		wrong += reg(&b, UART_FIFO_REG) != 0x0F;
	assert_true(wrong > 0 || rx_count(&b) != 100);
}

static void a_host_at_115200_sees_rubbish_of_74880(void **state)
{
	struct bench b;
	uint8_t got[64];
	size_t n;

	(void)state;
	open_bench(&b, 115200, 694);
	for (const char *p = "rst cause:2, boot mode:(3,6)"; *p; p++)
		set(&b, UART_FIFO_REG, (uint8_t)*p);
	run(&b, 10000);
	n = host_take(&b.host, got, sizeof got);
	assert_in_range(n, 10, 64);
	assert_true(n < 9 || memcmp(got, "rst cause", 9) != 0);
}

static void bytes_beyond_128_are_lost_and_flagged(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 115200, DIV_115200);
	for (int i = 0; i < 130; i++)
		host_send(&b, "x", 1);
	run(&b, 20000);
	assert_int_equal(rx_count(&b), 128);
	assert_int_equal(b.u.lost, 2);
	assert_true(reg(&b, UART_INT_RAW) & UART_INT_RX_OVF);
}

static void the_full_flag_comes_back_until_the_fifo_is_drained(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 115200, DIV_115200);
	set(&b, UART_CONF1, 2);
	set(&b, UART_INT_ENA, UART_INT_RX_FULL);
	host_send(&b, "a", 1);
	run(&b, 200);
	assert_false(uart_irq(&b.u));
	host_send(&b, "b", 1);
	run(&b, 200);
	assert_true(uart_irq(&b.u));
	set(&b, UART_INT_CLR, 0xFFFF);
	assert_true(uart_irq(&b.u));
	reg(&b, UART_FIFO_REG);
	set(&b, UART_INT_CLR, 0xFFFF);
	assert_false(uart_irq(&b.u));
}

static void a_pause_raises_the_timeout_flag(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 115200, DIV_115200);
	set(&b, UART_CONF1, 1u << 31 | 2u << 24 | 100);	/* 16 bit times */
	set(&b, UART_INT_ENA, UART_INT_RX_TOUT);
	host_send(&b, "ab", 2);
	run(&b, 175 + 120);
	assert_false(uart_irq(&b.u));
	run(&b, 40);
	assert_true(uart_irq(&b.u));
	reg(&b, UART_FIFO_REG);
	reg(&b, UART_FIFO_REG);
	set(&b, UART_INT_CLR, UART_INT_RX_TOUT);
	run(&b, 1000);
	assert_false(uart_irq(&b.u));
}

static void resets_empty_the_fifos(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 115200, DIV_115200);
	host_send(&b, "abc", 3);
	run(&b, 500);
	for (int i = 0; i < 5; i++)
		set(&b, UART_FIFO_REG, 'x');
	assert_int_equal(reg(&b, UART_STATUS) >> 16 & 0xFF, 4);	/* one is being shifted */
	set(&b, UART_CONF0, 3 << 17 | 0x1C);
	set(&b, UART_CONF0, 0x1C);
	assert_int_equal(rx_count(&b), 0);
	assert_int_equal(reg(&b, UART_STATUS) >> 16 & 0xFF, 0);
}

/* What the ROM computes from the unit's counters. */
static uint32_t measured(struct bench *b)
{
	return (reg(b, UART_LOWPULSE) + reg(b, UART_HIGHPULSE)) / 2 + 12;
}

static void auto_baud_measures_what_the_sync_packet_has(void **state)
{
	static const struct { uint32_t baud, div; } rates[] = {
		{ 9600, 5416 }, { 57600, 902 }, { 115200, 451 }, { 921600, 56 } };
	uint8_t sync[45] = { 0xC0, 0, 8, 36, 0, 0, 0, 0, 0, 7, 7, 0x12, 0x20 };
	struct bench b;

	(void)state;
	memset(sync + 13, 0x55, 32);
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		open_bench(&b, rates[i].baud, 694);
		set(&b, UART_AUTOBAUD, 0x801);
		host_send(&b, sync, sizeof sync);
		run(&b, 600ull * 1000000 / rates[i].baud);
		assert_int_equal(measured(&b), rates[i].div);
		assert_true(reg(&b, UART_PULSE_NUM) > 100);
	}
}

static void auto_baud_counts_30_edges_within_the_second_07_of_sync(void **state)
{
	const uint8_t start[] = { 0xC0, 0, 8, 36, 0, 0, 0, 0, 0, 7, 7 };
	struct bench b;

	(void)state;
	open_bench(&b, 115200, 694);
	set(&b, UART_AUTOBAUD, 0x801);
	host_send(&b, start, 10);
	run(&b, 2000);
	assert_in_range(reg(&b, UART_PULSE_NUM), 20, 29);
	host_send(&b, start + 10, 1);
	run(&b, 2000);
	assert_in_range(reg(&b, UART_PULSE_NUM), 30, 40);
}

static void zero_bytes_mislead_auto_baud(void **state)
{
	uint8_t zeros[20] = { 0 };
	struct bench b;

	(void)state;
	open_bench(&b, 115200, 694);
	set(&b, UART_AUTOBAUD, 0x801);
	host_send(&b, zeros, sizeof zeros);
	run(&b, 3000);
	assert_true(reg(&b, UART_PULSE_NUM) >= 30);
	assert_true(measured(&b) > 2 * 451);
}

static void the_status_does_not_show_the_level_of_txd(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 115200, DIV_115200);
	assert_int_equal(reg(&b, UART_STATUS) >> 31, 0);	/* idle, so the line is high */
	set(&b, UART_FIFO_REG, 0x00);
	run(&b, 20);
	assert_int_equal(reg(&b, UART_STATUS) >> 31, 0);
}

static void a_break_is_a_zero_with_its_flags(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 115200, DIV_115200);
	wire_begin_break(&b.u.in, b.now);
	run(&b, 5000);
	assert_int_equal(reg(&b, UART_STATUS) >> 15 & 1, 0);
	wire_end_break(&b.u.in, b.now);
	run(&b, 1000);
	assert_int_equal(rx_count(&b), 1);
	assert_int_equal(reg(&b, UART_FIFO_REG), 0);
	assert_int_equal(reg(&b, UART_INT_RAW) & (UART_INT_FRAMING | UART_INT_BREAK),
			 UART_INT_FRAMING | UART_INT_BREAK);
	host_send(&b, "k", 1);
	run(&b, 200);
	assert_int_equal(reg(&b, UART_FIFO_REG), 'k');
}

static void a_faster_apb_clock_shortens_the_bits(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 177231, DIV_115200);	/* 80 / 52 of 115200 */
	uart_set_clock(&b.u, b.now, APB_80);
	host_send(&b, "Z", 1);
	set(&b, UART_FIFO_REG, 'Y');
	run(&b, 200);
	assert_int_equal(reg(&b, UART_FIFO_REG), 'Z');
	assert_int_equal(b.host.rx[0], 'Y');
}

static void parity_is_sent_and_checked(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 115200, DIV_115200);
	set(&b, UART_CONF0, 1 << 14 | 0x1C | 2);	/* 8E1, looped back */
	set(&b, UART_FIFO_REG, 0x31);
	run(&b, 200);
	assert_int_equal(reg(&b, UART_FIFO_REG), 0x31);
	assert_int_equal(reg(&b, UART_INT_RAW) & UART_INT_PARITY, 0);
	set(&b, UART_CONF0, 0x1C | 2);	/* the host sends no parity bit: its stop bit is taken */
	host_send(&b, "\x30", 1);
	run(&b, 200);
	assert_true(reg(&b, UART_INT_RAW) & UART_INT_PARITY);
}

static void peeking_takes_nothing(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b, 115200, DIV_115200);
	host_send(&b, "q", 1);
	run(&b, 200);
	assert_int_equal(uart_read(&b.u, b.now, UART_FIFO_REG, true), 'q');
	assert_int_equal(rx_count(&b), 1);
}

static void a_receiver_much_slower_than_the_sender_still_ends(void **state)
{
	uint8_t data[2000];
	struct bench b;

	(void)state;
	memset(data, 0x5A, sizeof data);
	open_bench(&b, 4000000, 5416);
	host_send(&b, data, sizeof data);
	run(&b, 20000);
	assert_in_range(rx_count(&b), 1, 8);
	assert_int_equal(b.host.tx_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_arrive_when_both_ends_agree),
		cmocka_unit_test(a_byte_takes_ten_bit_times),
		cmocka_unit_test(every_byte_gets_through_while_rates_differ_less_than_4_percent),
		cmocka_unit_test(rates_7_percent_apart_garble),
		cmocka_unit_test(a_host_at_115200_sees_rubbish_of_74880),
		cmocka_unit_test(bytes_beyond_128_are_lost_and_flagged),
		cmocka_unit_test(the_full_flag_comes_back_until_the_fifo_is_drained),
		cmocka_unit_test(a_pause_raises_the_timeout_flag),
		cmocka_unit_test(resets_empty_the_fifos),
		cmocka_unit_test(auto_baud_measures_what_the_sync_packet_has),
		cmocka_unit_test(auto_baud_counts_30_edges_within_the_second_07_of_sync),
		cmocka_unit_test(zero_bytes_mislead_auto_baud),
		cmocka_unit_test(the_status_does_not_show_the_level_of_txd),
		cmocka_unit_test(a_break_is_a_zero_with_its_flags),
		cmocka_unit_test(a_faster_apb_clock_shortens_the_bits),
		cmocka_unit_test(parity_is_sent_and_checked),
		cmocka_unit_test(peeking_takes_nothing),
		cmocka_unit_test(a_receiver_much_slower_than_the_sender_still_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
