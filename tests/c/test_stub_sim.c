/* The stub's binary on the simulated chip: the same protocol, now with real
 * interrupts, clocks and a ROM underneath. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/loader/stub.h"
#include "../../src/port/port_sim.h"
#include "../../src/sim/chip_impl.h"
#include "../../src/sim/nor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGE = 100000 };

static struct port port;
static struct rom rom;
static struct stub stub;
static uint8_t image[IMAGE];

static void make_image(void)
{
	uint32_t x = 1, i;

	for (i = 0; i < IMAGE; i++) {
		x = x * 1664525 + 1013904223;
		image[i] = (uint8_t)(i / 700 % 2 ? x >> 24 : (uint8_t)"firmware"[i % 8]);
	}
	memset(image + 30000, 0xff, 6000);
}

static void open_chip(const char *options, uint32_t baud)
{
	char url[PORT_NAME_MAX];

	snprintf(url, sizeof url, "sim:?%s", options);
	port_init(&port);
	assert_int_equal(port_open(&port, url, baud), 0);
}

static int connect_stub(uint32_t stub_baud)
{
	const struct rom_connect how = { reset_find("nodemcu", RESET_TO_LOADER), 1, 0, false };

	rom_init(&rom, &port);
	assert_int_equal(rom_connect(&rom, &how), 0);
	stub_init(&stub, &port);
	return stub_start_at(&stub, &rom, stub_baud);
}

/* The ROM's checksum lets one pair of flipped bits in eight through, so that with
 * bad luck the first stage is damaged: then all over again. */
static void start(const char *options, uint32_t baud, uint32_t stub_baud)
{
	int tries = 3, rc;

	open_chip(options, baud);
	while ((rc = connect_stub(stub_baud)) == ESP_E_TIMEOUT && --tries) {
		stub_close(&stub);
		assert_int_equal(port_set_baud(&port, baud), 0);
	}
	assert_int_equal(rc, 0);
}

static int finish(void **state)
{
	struct chip_stats stats;

	(void)state;
	chip_get_stats(port_sim_chip(&port), &stats);
	assert_true(stats.uart_lost == 0 || stats.resets > 2);
	assert_int_equal(chip_nor(port_sim_chip(&port))->stats.busy_commands, 0);
	stub_close(&stub);
	port_close(&port);
	return 0;
}

static uint8_t *cells(void)
{
	uint32_t bytes;

	return chip_flash(port_sim_chip(&port), &bytes);
}

static void write_and_check(uint32_t addr)
{
	int rc = stub_write(&stub, addr, image, IMAGE, NULL);

	if (rc < 0)
		print_error("%s\n", stub.err.text);
	assert_int_equal(rc, 0);
	assert_memory_equal(cells() + addr, image, IMAGE);
}

static void test_rates(void **state)
{
	static const struct { uint32_t rom, stub, baud; const char *options; } rate[] = {
		{ 115200, 115200, 115200, "slow=0" }, { 115200, 921600, 921600, "slow=0" },
		{ 460800, 921600, 2000000, "slow=0" }, { 230400, 460800, 1500000, "crystal=40" },
		{ 115200, 921600, 4000000, "slow=0" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rate / sizeof *rate; i++) {
		start(rate[i].options, rate[i].rom, rate[i].stub);
		assert_int_equal(stub_set_baud(&stub, rate[i].baud,
					       WIRE_CLOCK_PLL | WIRE_CLOCK_DOUBLE), 0);
		assert_int_equal(port.baud, rate[i].baud);
		write_and_check(0x1000);
		assert_int_equal(stub.counters.resent, 0);
		finish(state);
	}
	open_chip("", 115200);		/* for the teardown */
}

/* A line that damages one byte in 50 at the rate asked for, and is good at the
 * ROM's: the upload goes on there. */
static void test_a_rate_that_fails_is_left_while_the_stub_loads(void **state)
{
	static const uint32_t rate[] = { 460800, 921600, 2000000, 4000000 };
	char text[80];
	size_t i;

	for (i = 0; i < sizeof rate / sizeof *rate; i++) {
		snprintf(text, sizeof text, "slow=0&maxbaud=115200&seed=%zu", i + 1);
		start(text, 115200, rate[i]);
		assert_int_equal(port.baud, 115200);
		write_and_check(0x2000);
		finish(state);
	}
	open_chip("", 115200);
}

/* Bytes until the stub runs, first stage included; once only, on a good line. */
static void test_the_upload_is_short_and_sent_once(void **state)
{
	static const uint32_t rate[] = { 115200, 230400, 460800, 921600 };
	size_t i;

	for (i = 0; i < sizeof rate / sizeof *rate; i++) {
		open_chip("", rate[i]);
		rom_init(&rom, &port);
		const struct rom_connect how = { reset_find("nodemcu", RESET_TO_LOADER), 1, 0,
			false };
		uint64_t before;

		assert_int_equal(rom_connect(&rom, &how), 0);
		stub_init(&stub, &port);
		before = port_now_us(&port);
		assert_int_equal(stub_start(&stub, &rom), 0);
		assert_true((port_now_us(&port) - before) * rate[i] / 10000000 < 11000 + rate[i] / 20);
		finish(state);
	}
	open_chip("", 115200);
}

static void test_over_old_data(void **state)
{
	(void)state;
	start("latency=16", 460800, 921600);
	memset(cells(), 0, 0x40000);
	write_and_check(0x3000);
	assert_int_equal(cells()[0x2fff], 0);
	assert_int_equal(cells()[0x1c000], 0);
}

static void test_noise(void **state)
{
	static const char *const options[] = { "flip=0.00005", "lose=0.00005", "dup=0.0002",
		"flip=0.0003&lose=0.0001&dup=0.0001" };
	char text[80];
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		snprintf(text, sizeof text, "slow=0.1&seed=%zu&%s", i + 1, options[i]);
		start(text, 115200, 921600);
		write_and_check(0);
		finish(state);
	}
	open_chip("", 115200);
}

static void test_read_and_digest(void **state)
{
	static uint8_t back[300000];
	static const uint8_t abc[16] = { 0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0, 0xd6,
		0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72 };
	struct stub_digest d;

	(void)state;
	start("", 460800, 921600);
	memcpy(cells() + 5000, image, IMAGE);
	memcpy(cells() + 3, "abc", 3);
	assert_int_equal(stub_read(&stub, 1, back, sizeof back, NULL), 0);
	assert_memory_equal(back, cells() + 1, sizeof back);
	assert_int_equal(stub_digest(&stub, 3, 3, &d), 0);
	assert_memory_equal(d.md5, abc, 16);
}

static void test_modes(void **state)
{
	uint8_t qe[2] = { 0, 2 };
	int mode;

	(void)state;
	start("", 460800, 921600);
	memcpy(cells(), image, IMAGE);
	for (mode = WIRE_MODE_DIO; mode < WIRE_MODES; mode++)
		assert_int_equal(stub_mode_works(&stub, 0, 8192, (enum wire_mode)mode), 1);
	assert_int_equal(stub_mode_works(&stub, 0, 8192, WIRE_MODE_QIO), 0);
	assert_int_equal(stub_write_status(&stub, 0x01, qe, 2), 0);
	assert_int_equal(stub_mode_works(&stub, 0, 8192, WIRE_MODE_QIO), 1);
	assert_int_equal(stub_mode_works(&stub, 0, 8192, WIRE_MODE_QOUT), 1);
}

static void test_bad_rate(void **state)
{
	(void)state;
	start("maxbaud=1000000", 460800, 921600);
	assert_int_equal(stub_set_baud(&stub, 3000000, WIRE_CLOCK_PLL), ESP_E_UNSUPPORTED);
	assert_int_equal(port.baud, 921600);
	write_and_check(0);
}

/* The line is good when the session begins and garbles one byte in 50 above some
 * rate from then on. Nothing but the rate changes: the same stub, the same flash. */
static void test_a_line_that_turns_bad_is_followed_down(void **state)
{
	static const uint32_t rates[] = { 1500000, 921600, 460800, 230400, 115200 };
	static const struct { uint32_t from, limit, to; } row[] = {
		{ 2000000, 1000000, 921600 }, { 921600, 500000, 460800 },
		{ 921600, 300000, 230400 }, { 460800, 115200, 115200 },
	};
	static uint8_t back[IMAGE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof row / sizeof *row; i++) {
		struct chip *c;

		start("slow=0.3", 115200, 460800);
		assert_int_equal(stub_set_baud(&stub, row[i].from, WIRE_CLOCK_PLL |
					       WIRE_CLOCK_DOUBLE), 0);
		stub_allow_slower(&stub, rates, sizeof rates / sizeof *rates);
		c = port_sim_chip(&port);
		memset(cells(), 0, 0x20000);
		c->host.max_clean_baud = row[i].limit;
		write_and_check(0);
		assert_int_equal(port.baud, row[i].to);
		assert_true(stub.counters.slowed > 0);
		/* and reading goes down by itself, too */
		c->host.max_clean_baud = 0;
		assert_int_equal(stub_set_baud(&stub, row[i].from, WIRE_CLOCK_PLL |
					       WIRE_CLOCK_DOUBLE), 0);
		c->host.max_clean_baud = row[i].limit;
		assert_int_equal(stub_read(&stub, 0, back, IMAGE, NULL), 0);
		assert_memory_equal(back, image, IMAGE);
		assert_int_equal(port.baud, row[i].to);
		finish(state);
	}
	open_chip("", 115200);
}

/* One byte in 20 000 is no reason: shorter frames are enough. */
static void test_common_noise_does_not_slow_down(void **state)
{
	static const uint32_t rates[] = { 460800, 115200 };

	(void)state;
	start("slow=0.1&flip=0.00005&lose=0.00005&seed=3", 115200, 921600);
	stub_allow_slower(&stub, rates, 2);
	write_and_check(0);
	assert_true(stub.counters.resent > 0);
	assert_int_equal(stub.counters.slowed, 0);
	assert_int_equal(port.baud, 921600);
}

static void test_power_cut(void **state)
{
	uint32_t bytes;
	int cut;

	(void)state;
	for (cut = 3; cut < 1000; cut = cut * 3 + 1) {
		char text[64];
		uint8_t *left;

		snprintf(text, sizeof text, "slow=0.1&cut=%d", cut);
		start(text, 460800, 921600);
		memset(cells(), 0, 0x20000);
		assert_int_equal(stub_write(&stub, 0, image, IMAGE, NULL), ESP_E_TIMEOUT);
		left = malloc(0x20000);
		memcpy(left, chip_flash(port_sim_chip(&port), &bytes), 0x20000);
		stub_close(&stub);
		port_close(&port);
		start("slow=0.1", 460800, 921600);
		memcpy(cells(), left, 0x20000);
		free(left);
		write_and_check(0);
		finish(state);
	}
	open_chip("", 115200);
}

/* Leaving puts the clocks back: the firmware's first words come at 74880. */
static void test_leave(void **state)
{
	static char heard[2000];
	size_t n = 0;
	FILE *f = fopen("examples/hello/hello.bin", "rb");
	static uint8_t hello[65536];
	size_t size = f ? fread(hello, 1, sizeof hello, f) : 0;
	int i, rc;

	(void)state;
	assert_true(size > 0);
	fclose(f);
	start("", 115200, 921600);
	assert_int_equal(stub_set_baud(&stub, 1500000, WIRE_CLOCK_PLL | WIRE_CLOCK_DOUBLE), 0);
	assert_int_equal(stub_write(&stub, 0, hello, (uint32_t)size, NULL), 0);
	assert_int_equal(stub_run(&stub, WIRE_RUN_FLASH, 0), 0);
	assert_int_equal(port_set_baud(&port, 74880), 0);
	for (i = 0; i < 1000 && !strstr(heard, "csum 0x"); i++) {
		rc = port_read(&port, heard + n, sizeof heard - 1 - n, 10);
		assert_true(rc >= 0);
		n += (size_t)rc;
	}
	assert_non_null(strstr(heard, "csum 0x"));
}

static void test_reset(void **state)
{
	(void)state;
	start("", 115200, 921600);
	assert_int_equal(stub_run(&stub, WIRE_RUN_RESET, 0), 0);
	stub_close(&stub);
	assert_int_equal(port_set_baud(&port, 115200), 0);
	assert_int_equal(connect_stub(921600), 0);
}

#define T(name, f) { name, f, NULL, finish, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("the stub writes at every rate that its clocks can make", test_rates),
		T("a rate that fails is left while the stub loads",
			test_a_rate_that_fails_is_left_while_the_stub_loads),
		T("the upload is short and sent once", test_the_upload_is_short_and_sent_once),
		T("old data are replaced and their neighbours kept", test_over_old_data),
		T("noise costs time and nothing else", test_noise),
		T("flash is read back and digested", test_read_and_digest),
		T("the mode test tells which modes work", test_modes),
		T("a rate beyond the line is taken back", test_bad_rate),
		T("a line that turns bad is followed down, within the session",
			test_a_line_that_turns_bad_is_followed_down),
		T("common noise does not slow down", test_common_noise_does_not_slow_down),
		T("a write cut by power failure is completed by the next", test_power_cut),
		T("leaving boots the firmware with the clocks put back", test_leave),
		T("a reset leads back to the ROM's loader", test_reset),
	};

	make_image();
	return cmocka_run_group_tests_name("stub on the simulated chip", tests, NULL, NULL);
}
