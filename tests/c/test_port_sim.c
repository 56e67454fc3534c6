#include "port/port_sim.h"

#include "sim/chip.h"
#include "sim/cpu.h"
#include "sim/nor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const uint8_t read_magic[] = { 0xC0, 0, 0x0A, 4, 0, 0, 0, 0, 0, 0, 0x10, 0, 0x40, 0xC0 };
static const uint8_t magic[] = { 0xC0, 1, 0x0A, 2, 0, 1, 0xC1, 0xF0, 0xFF, 0, 0, 0xC0 };

static struct port *opened(const char *url, uint32_t baud)
{
	static struct port p;

	port_init(&p);
	if (port_open(&p, url, baud) < 0)
		fail_msg("%s", p.err.text);
	return &p;
}

/* Into the loader, synchronised, nothing unread. */
static void enter_loader(struct port *p)
{
	uint8_t sync[46] = { 0xC0, 0, 8, 36, 0, 0, 0, 0, 0, 7, 7, 0x12, 0x20 }, buf[256];

	memset(sync + 13, 0x55, 32);
	sync[45] = 0xC0;
	assert_int_equal(port_set_lines(p, 0, 1), 0);
	assert_int_equal(port_sleep(p, 100), 0);
	assert_int_equal(port_set_lines(p, 1, 0), 0);
	assert_int_equal(port_sleep(p, 50), 0);
	assert_int_equal(port_set_lines(p, 0, PORT_LINE_KEEP), 0);
	assert_int_equal(port_flush(p), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(port_write(p, sync, sizeof sync, 100), 0);
		port_sleep(p, 40);
	}
	assert_true(port_read(p, buf, sizeof buf, 100) > 0);
	port_flush(p);
}

/* Reads n bytes, at most timeout_ms for each piece. */
static size_t read_all(struct port *p, uint8_t *buf, size_t n, uint32_t timeout_ms)
{
	size_t done = 0;
	int got;

	while (done < n && (got = port_read(p, buf + done, n - done, timeout_ms)) > 0)
		done += (size_t)got;
	return done;
}

static void assert_answers(struct port *p)
{
	uint8_t buf[sizeof magic];

	assert_int_equal(port_write(p, read_magic, sizeof read_magic, 100), 0);
	assert_int_equal(read_all(p, buf, sizeof buf, 100), sizeof magic);
	assert_memory_equal(buf, magic, sizeof magic);
}

static uint64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void the_rom_loader_answers_through_the_port(void **state)
{
	struct port *p = opened("sim:", 115200);

	(void)state;
	assert_true(port_has(p, PORT_IS_VIRTUAL));
	enter_loader(p);
	assert_answers(p);
	port_close(p);
}

static void a_time_out_takes_virtual_time_only(void **state)
{
	struct port *p = opened("sim:", 115200);
	uint64_t wall = wall_us(), from;
	uint8_t b;

	(void)state;
	port_sleep(p, 1000);
	port_flush(p);
	from = port_now_us(p);
	assert_int_equal(port_read(p, &b, 1, 30000), 0);
	assert_in_range(port_now_us(p) - from, 30000000, 30000100);
	assert_true(wall_us() - wall < 1000000);
	port_close(p);
}

static void polling_without_waiting_moves_time(void **state)
{
	struct port *p = opened("sim:", 74880);
	uint8_t buf[256];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 5000 && n < 10; i++) {
		int got = port_read(p, buf, sizeof buf, 0);

		assert_true(got >= 0);
		n += (size_t)got;
	}
	assert_int_equal(n, 10);
	port_close(p);
}

static void above_maxbaud_the_line_is_noisy(void **state)
{
	static const uint32_t bauds[] = { 460800, 921600 };
	struct chip_stats s[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct port *p = opened("sim:?maxbaud=460800", bauds[i]);
		uint8_t data[1000] = { 0 };

		assert_int_equal(port_write(p, data, sizeof data, 1000), 0);
		assert_int_equal(port_drain(p, 1000), 0);
		chip_get_stats(port_sim_chip(p), &s[i]);
		port_close(p);
	}
	assert_int_equal(s[0].faults, 0);
	assert_in_range(s[1].faults, 5, 60);
}

static void a_read_returns_when_the_first_byte_is_there(void **state)
{
	struct port *p = opened("sim:", 115200);
	uint64_t from;
	uint8_t buf[sizeof magic];

	(void)state;
	enter_loader(p);
	from = port_now_us(p);
	assert_int_equal(port_write(p, read_magic, sizeof read_magic, 100), 0);
	assert_int_equal(port_read(p, buf, sizeof buf, 1000), 1);
	assert_in_range(port_now_us(p) - from, 15 * 86, 20 * 86);
	port_close(p);
}

static void the_latency_timer_delays_and_gathers(void **state)
{
	struct port *p = opened("sim:?latency=16", 115200);
	uint64_t from;
	uint8_t buf[64];

	(void)state;
	enter_loader(p);
	from = port_now_us(p);
	assert_int_equal(port_write(p, read_magic, sizeof read_magic, 100), 0);
	assert_int_equal(port_read(p, buf, sizeof buf, 1000), sizeof magic);
	assert_in_range(port_now_us(p) - from, 15 * 86 + 16000, 20 * 86 + 16000);
	assert_int_equal(port_write(p, read_magic, sizeof read_magic, 100), 0);
	assert_int_equal(port_read(p, buf, sizeof buf, 5), 0);	/* still in the bridge */
	assert_int_equal(port_read(p, buf, sizeof buf, 20), sizeof magic);
	for (int i = 0; i < 6; i++)	/* 72 bytes of answers: 62 do not wait */
		assert_int_equal(port_write(p, read_magic, sizeof read_magic, 100), 0);
	from = port_now_us(p);
	assert_int_equal(port_read(p, buf, sizeof buf, 1000), 62);
	assert_true(port_now_us(p) - from < 16000);
	port_close(p);
}

static void a_write_blocks_when_the_bridge_is_full(void **state)
{
	struct port *p = opened("sim:", 115200);
	uint8_t junk[5000] = { 0 };
	uint64_t from = port_now_us(p);

	(void)state;
	assert_int_equal(port_write(p, junk, sizeof junk, 1000), 0);
	assert_in_range(port_now_us(p) - from, 70000, 90000);
	assert_int_equal(port_drain(p, 10000), 0);
	assert_in_range(port_now_us(p) - from, 433000, 436000);
	assert_int_equal(port_write(p, junk, sizeof junk, 10), ESP_E_TIMEOUT);
	port_close(p);
}

static void paced_time_is_the_wall_clocks(void **state)
{
	struct port *p = opened("sim:?pace=real", 115200);
	uint64_t wall = wall_us();
	uint8_t b[64];

	(void)state;
	assert_false(port_has(p, PORT_IS_VIRTUAL));
	enter_loader(p);
	assert_in_range(wall_us() - wall, 230000, 330000);
	assert_answers(p);
	wall = wall_us();
	assert_int_equal(port_read(p, b, sizeof b, 100), 0);
	assert_in_range(wall_us() - wall, 99000, 130000);
	port_close(p);
}

static void unplugging_is_gone_for_good(void **state)
{
	struct port *p = opened("sim:?unplug=20", 115200);
	uint8_t buf[64];

	(void)state;
	assert_int_equal(port_write(p, buf, 20, 100), 0);
	assert_int_equal(port_read(p, buf, sizeof buf, 100), ESP_E_GONE);
	assert_int_equal(port_write(p, buf, 1, 100), ESP_E_GONE);
	assert_int_equal(port_set_lines(p, 0, 0), ESP_E_GONE);
	assert_non_null(strstr(p->err.text, "unplugged"));
	port_close(p);
}

static void lost_flipped_and_doubled_bytes_follow_the_seed(void **state)
{
	static const char *const urls[] = { "sim:?lose=0.5&seed=3", "sim:?flip=0.5&seed=3",
		"sim:?dup=0.5&seed=3" };
	struct chip_stats s;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct port *p = opened(urls[i], 74880);
		uint8_t buf[256];
		size_t n;

		port_sleep(p, 100);
		n = read_all(p, buf, sizeof buf, 10);
		chip_get_stats(port_sim_chip(p), &s);
		assert_in_range(s.faults, s.host_received / 4, s.host_received * 3 / 4);
		if (i != 1)
			assert_int_equal(n, s.host_received + (i == 0 ? -s.faults : s.faults));
		port_close(p);
	}
}

static void a_power_cut_darkens_the_chip_and_leaves_the_flash(void **state)
{
	static const uint8_t begin[] = { 0xC0, 0, 2, 16, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 4, 0, 0, 0,
		0, 4, 0, 0, 0, 0, 1, 0, 0xC0 };
	struct port *p = opened("sim:?cut=1&cutwhen=after", 115200);
	uint8_t buf[64];

	(void)state;
	enter_loader(p);
	assert_int_equal(port_write(p, begin, sizeof begin, 100), 0);
	assert_int_equal(port_read(p, buf, sizeof buf, 3000), 0);
	assert_false(chip_is_on(port_sim_chip(p)));
	assert_int_equal(chip_nor(port_sim_chip(p))->array.sector_erases[16], 1);
	chip_power(port_sim_chip(p), true);
	enter_loader(p);
	assert_answers(p);
	port_close(p);
}

static void waiting_for_the_flash_is_leapt_over(void **state)
{
	static const uint8_t begin[] = { 0xC0, 0, 2, 16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 4, 0, 0, 0,
		0, 4, 0, 0, 0, 0, 1, 0, 0xC0 };	/* 64 KiB: the ROM erases 32 sectors */
	struct port *p = opened("sim:", 115200);
	uint64_t instructions, from;
	uint8_t buf[64];

	(void)state;
	enter_loader(p);
	instructions = chip_cpu(port_sim_chip(p))->instructions;
	from = port_now_us(p);
	assert_int_equal(port_write(p, begin, sizeof begin, 100), 0);
	assert_int_equal(read_all(p, buf, 12, 3000), 12);
	assert_in_range(port_now_us(p) - from, 1440000, 1520000);
	assert_int_equal(chip_nor(port_sim_chip(p))->stats.erases, 32);
	/* At 52 MHz it would be 75 million. */
	assert_in_range(chip_cpu(port_sim_chip(p))->instructions - instructions, 1000, 1000000);
	port_close(p);
}

static void bad_urls_are_refused_with_a_reason(void **state)
{
	static const struct { const char *url; int code; } bad[] = {
		{ "sim:?size=3M", ESP_E_ARGUMENT }, { "sim:?what=1", ESP_E_ARGUMENT },
		{ "sim:/nonexistent/dir/flash", ESP_E_MISSING }, { "sim:/dev/null", ESP_E_ARGUMENT },
		{ "sim:?rom=/nonexistent", ESP_E_MISSING } };
	struct port p;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		port_init(&p);
		assert_int_equal(port_open(&p, bad[i].url, 115200), bad[i].code);
		assert_true(p.err.text[0]);
		assert_false(port_is_open(&p));
		port_close(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rom_loader_answers_through_the_port),
		cmocka_unit_test(a_time_out_takes_virtual_time_only),
		cmocka_unit_test(polling_without_waiting_moves_time),
		cmocka_unit_test(above_maxbaud_the_line_is_noisy),
		cmocka_unit_test(a_read_returns_when_the_first_byte_is_there),
		cmocka_unit_test(the_latency_timer_delays_and_gathers),
		cmocka_unit_test(a_write_blocks_when_the_bridge_is_full),
		cmocka_unit_test(paced_time_is_the_wall_clocks),
		cmocka_unit_test(unplugging_is_gone_for_good),
		cmocka_unit_test(lost_flipped_and_doubled_bytes_follow_the_seed),
		cmocka_unit_test(a_power_cut_darkens_the_chip_and_leaves_the_flash),
		cmocka_unit_test(waiting_for_the_flash_is_leapt_over),
		cmocka_unit_test(bad_urls_are_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
