/* No byte is changed, lost or doubled between host and chip while their rates
 * differ by less than 1.5 %: at many divisors and clocks, in both directions at
 * once, in bursts and with gaps, by a program that polls and by one that is
 * interrupted, and in whatever steps time passes. */
#include "chip_program.h"

#include <time.h>

enum { UART0 = 0x60000000, ANALOG = 0x60000D10, CPU_X2 = 0x3FF00014, IRQ_UART = 1 << 5,
	BYTES = 350 };

enum clocks { APB_52, APB_80, CPU_160 };

struct line {
	enum clocks clocks;
	uint32_t divisor, baud;
};

static const struct line lines[] = {
	{ APB_52, 5416, 9600 }, { APB_52, 1354, 38400 }, { APB_52, 902, 57600 },
	{ APB_52, 694, 74880 }, { APB_52, 451, 115200 }, { APB_52, 445, 115200 },
	{ APB_52, 457, 115200 }, { APB_52, 226, 230400 }, { APB_52, 113, 460800 },
	{ APB_52, 104, 500000 }, { APB_52, 57, 921600 }, { APB_52, 56, 921600 },
	{ APB_52, 56, 930000 }, { APB_52, 52, 1000000 }, { APB_52, 35, 1500000 },
	{ APB_52, 26, 2000000 }, { APB_52, 17, 3050000 },
	{ APB_80, 694, 115200 }, { APB_80, 174, 460800 }, { APB_80, 100, 800000 },
	{ APB_80, 92, 870000 }, { APB_80, 91, 880000 }, { APB_80, 90, 890000 },
	{ APB_80, 89, 900000 }, { APB_80, 88, 910000 }, { APB_80, 87, 920000 },
	{ APB_80, 87, 921600 }, { APB_80, 87, 919540 }, { APB_80, 87, 932000 },
	{ APB_80, 87, 907000 }, { APB_80, 86, 930000 }, { APB_80, 85, 941176 },
	{ APB_80, 83, 960000 }, { APB_80, 80, 1000000 }, { APB_80, 53, 1500000 },
	{ APB_80, 40, 2000000 }, { APB_80, 27, 3000000 },
	{ CPU_160, 87, 920000 }, { CPU_160, 86, 930000 }, { CPU_160, 80, 1000000 },
	{ CPU_160, 40, 2000000 }, { CPU_160, 20, 4000000 },
};
enum { LINES = sizeof lines / sizeof lines[0] };

/* One run: who echoes, how the host sends, how time passes. */
struct way {
	enum program_loop loop;
	bool gaps;
	uint64_t stride_us;	/* 0 = until the chip has sent something */
};

struct answer {
	uint8_t bytes[2 * BYTES];
	size_t n;
	uint32_t sum;		/* of the cycles at which the program saw bytes */
};

static unsigned seed;

static struct chip *open_echo(const struct line *l, enum program_loop loop)
{
	const uint32_t pll = 103u << 24 | 4 << 16, at = l->clocks == APB_52 ? 0 : ANALOG;
	const uint32_t setup[][2] = {
		{ UART0 + 0x14, l->divisor },
		{ UART0 + 0x24, 1u << 31 | 2u << 24 | 20 },
		{ UART0 + 0x0C, loop == LOOP_SLEEP ? 0x101 : 0 },
		{ CPU_X2, l->clocks == CPU_160 },
		{ at, pll | 1 << 8 | 0x88 }, { at, pll | 2 << 8 | 0x91 },
		{ 0, 0 },
	};
	struct program p = { loop, UART0, 0, IRQ_UART, setup };
	struct chip *c = open_program(&p, "");

	chip_set_host_baud(c, l->baud);
	return c;
}

static void pass(struct chip *c, struct answer *a, uint64_t us, uint64_t stride_us)
{
	uint64_t end = chip_now_us(c) + us, next;

	while (chip_now_us(c) < end) {
		next = stride_us ? chip_now_us(c) + stride_us : end;
		chip_run(c, next < end ? next : end, stride_us == 0);
		a->n += chip_sent(c, a->bytes + a->n, sizeof a->bytes - a->n);
	}
}

static void converse(const struct line *l, const struct way *w, const uint8_t *data,
		     struct answer *a)
{
	uint64_t char_us = 10000000 / l->baud + 1;
	struct chip *c = open_echo(l, w->loop);
	struct chip_stats s;

	a->n = 0;
	srand(seed);
	for (size_t at = 0, n; at < BYTES; at += n) {
		n = w->gaps ? 1 + (size_t)rand() % 40 : BYTES;
		n = n < BYTES - at ? n : BYTES - at;
		assert_int_equal(chip_receive(c, data + at, n), n);
		pass(c, a, w->gaps ? n * char_us * ((unsigned)rand() % 150) / 100 : 1, w->stride_us);
	}
	pass(c, a, BYTES * char_us * 5 / 4 + 200 * char_us, w->stride_us);
	chip_get_stats(c, &s);
	assert_int_equal(s.host_sent, BYTES);
	assert_int_equal(s.uart_lost, 0);
	a->sum = chip_peek(c, PROGRAM_SUM);
	chip_close(c);
}

static void check(const struct line *l, const struct way *w, const uint8_t *data,
		  const struct answer *a)
{
	if (a->n != BYTES || memcmp(a->bytes, data, BYTES) != 0)
		fail_msg("SEED=%u divisor %u at %u baud, clocks %d, %s%s, stride %u: %u of %u bytes%s",
			 seed, l->divisor, l->baud, l->clocks,
			 w->loop == LOOP_ECHO ? "polled" : "interrupted", w->gaps ? ", gaps" : "",
			 (unsigned)w->stride_us, (unsigned)a->n, BYTES,
			 a->n == BYTES ? ", changed" : "");
}

/* Half of the bytes are those with the longest levels. */
static void fill(uint8_t *data)
{
	static const uint8_t hard[] = { 0x00, 0xFF, 0x55, 0xC0, 0x7F, 0x80, 0x01, 0xFE };

	srand(seed);
	for (size_t i = 0; i < BYTES; i++)
		data[i] = rand() & 0x100 ? hard[rand() & 7] : (uint8_t)rand();
}

static void every_rate_carries_every_byte(void **state)
{
	static const struct way ways[] = {
		{ LOOP_ECHO, false, 50000 }, { LOOP_ECHO, true, 1000 },
		{ LOOP_SLEEP, false, 50000 }, { LOOP_SLEEP, true, 0 },
	};
	uint8_t data[BYTES];
	struct answer a;

	(void)state;
	fill(data);
	for (size_t i = 0; i < LINES; i++)
		for (size_t k = 0; k < sizeof ways / sizeof ways[0]; k++) {
			converse(&lines[i], &ways[k], data, &a);
			check(&lines[i], &ways[k], data, &a);
		}
}

/* Not the bytes alone: the chip sees each at the same cycle. */
static void the_steps_in_which_time_passes_change_nothing(void **state)
{
	static const uint64_t strides[] = { 1, 7, 1000, 50000 };
	uint8_t data[BYTES];
	struct answer a, first = { .n = 0 };

	(void)state;
	fill(data);
	for (size_t i = 4; i < LINES; i += 3)
		for (unsigned kind = 0; kind < 4; kind++)
			for (size_t k = 0; k < sizeof strides / sizeof strides[0]; k++) {
				struct way w = { kind & 1 ? LOOP_ECHO : LOOP_SLEEP, kind & 2,
						 strides[k] };

				converse(&lines[i], &w, data, &a);
				check(&lines[i], &w, data, &a);
				if (k == 0)
					first = a;
				assert_int_equal(a.sum, first.sum);
			}
}

/* The oracle sees what it should: 6 % apart the bytes are not the same. */
static void rates_6_percent_apart_do_not_pass(void **state)
{
	const struct line l = { APB_80, 87, 975000 };
	const struct way w = { LOOP_ECHO, false, 50000 };
	uint8_t data[BYTES];
	struct answer a;

	(void)state;
	fill(data);
	converse(&l, &w, data, &a);
	assert_true(a.n != BYTES || memcmp(a.bytes, data, BYTES) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rate_carries_every_byte),
		cmocka_unit_test(the_steps_in_which_time_passes_change_nothing),
		cmocka_unit_test(rates_6_percent_apart_do_not_pass),
	};
	const char *env = getenv("SEED");

	seed = env ? (unsigned)strtoul(env, NULL, 10) : (unsigned)time(NULL);
	print_message("# SEED=%u\n", seed);
	return cmocka_run_group_tests(tests, write_program_rom, remove_program_rom);
}
