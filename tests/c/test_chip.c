#include "sim/chip.h"

#include "bytes.h"
#include "sim/cpu.h"
#include "sim/nor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A ROM of our own for these tests: it does what a mailbox in RAM says (1 =
 * store word 2 at the address in word 1, 2 = load it from there) and counts
 * on. An exception leaves its cause in word 3 and skips the instruction.
 *
 *	50: rsr.exccause a6; s32i a6,a2,12; rsr.epc1 a7; addi a7,a7,3; wsr.epc1 a7; rfe
 *	80: j start; 84: .word 0x3ffe8000
 *	88: l32r a2,84; movi a3,0x20; wsr.ps a3; movi a3,0; s32i a3,a2,0
 *	97: l32i a3,a2,0; beqz a3,97; l32i a4,a2,4; l32i a5,a2,8; bbci a3,0,ac
 *	a6: s32i a5,a4,0; j b2; ac: l32i a5,a4,0; s32i a5,a2,8
 *	b2: movi a3,0; s32i a3,a2,0; j 97 */
static const uint8_t probe[] = {
	0x60, 0xe8, 0x03, 0x62, 0x62, 0x03, 0x70, 0xb1, 0x03, 0x72, 0xc7, 0x03, 0x70, 0xb1,
	0x13, 0x00, 0x30, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0x06, 0x01, 0x00, 0x00, 0x00, 0x80, 0xfe, 0x3f, 0x21, 0xff,
	0xff, 0x32, 0xa0, 0x20, 0x30, 0xe6, 0x13, 0x32, 0xa0, 0x00, 0x32, 0x62, 0x00, 0x32,
	0x22, 0x00, 0x16, 0x93, 0xff, 0x42, 0x22, 0x01, 0x52, 0x22, 0x02, 0x07, 0x63, 0x05,
	0x52, 0x64, 0x00, 0x46, 0x01, 0x00, 0x52, 0x24, 0x00, 0x52, 0x62, 0x02, 0x32, 0xa0,
	0x00, 0x32, 0x62, 0x00, 0xc6, 0xf6, 0xff
};
enum { MAILBOX = 0x3FFE8000, UART0 = 0x60000000, RTC = 0x60000700, WDT = 0x60000900,
	GPIO_IN = 0x60000318, CAUSE = 0x60000714 };

static char rom_file[] = "/tmp/test_chip_rom.XXXXXX";

static int write_rom(void **state)
{
	uint8_t rom[0x10000] = { 0 };
	int fd = mkstemp(rom_file);
	bool ok;

	(void)state;
	memcpy(rom + 0x50, probe, sizeof probe);
	ok = fd >= 0 && write(fd, rom, sizeof rom) == sizeof rom;
	close(fd);
	return ok ? 0 : -1;
}

static int remove_rom(void **state)
{
	(void)state;
	return unlink(rom_file);
}

static struct chip *open_chip(const char *options)
{
	struct chip_config cfg;
	struct esp_error err = { 0 };
	struct chip *c;

	chip_config_init(&cfg);
	if (chip_config_parse_query(&cfg, options, &err) < 0)
		fail_msg("%s", err.text);
	c = chip_open(&cfg, &err);
	if (!c)
		fail_msg("%s", err.text);
	return c;
}

/* A chip that runs the probe ROM. */
static struct chip *open_probe(const char *options)
{
	char all[256];
	struct chip *c;

	snprintf(all, sizeof all, "rom=%s%s%s", rom_file, *options ? "&" : "", options);
	c = open_chip(all);
	chip_run(c, 100, false);
	return c;
}

static void pass(struct chip *c, uint64_t us)
{
	chip_run(c, chip_now_us(c) + us, false);
}

static uint32_t mailbox(struct chip *c, uint32_t what, uint32_t addr, uint32_t value)
{
	chip_poke(c, MAILBOX + 4, addr);
	chip_poke(c, MAILBOX + 8, value);
	chip_poke(c, MAILBOX + 12, 0);
	chip_poke(c, MAILBOX, what);
	for (int i = 0; i < 100 && chip_peek(c, MAILBOX); i++)
		pass(c, 2);
	return chip_peek(c, MAILBOX + 8);
}

static void store(struct chip *c, uint32_t addr, uint32_t value)
{
	mailbox(c, 1, addr, value);
}

static uint32_t load(struct chip *c, uint32_t addr)
{
	return mailbox(c, 2, addr, 0);
}

static void registers_are_reached_by_the_cpu(void **state)
{
	struct chip *c = open_probe("");

	(void)state;
	store(c, UART0 + 0x14, 451);
	assert_int_equal(load(c, UART0 + 0x14), 451);
	assert_int_equal(chip_peek(c, UART0 + 0x14), 451);
	store(c, 0x60000804, 0x30);
	assert_int_equal(load(c, 0x60000804), 0x30);
	assert_int_not_equal(load(c, 0x3FF20E44), load(c, 0x3FF20E44));
	chip_close(c);
}

static void addresses_of_region_0_raise_28_and_29(void **state)
{
	struct chip *c = open_probe("");

	(void)state;
	load(c, 0x1000);
	assert_int_equal(chip_peek(c, MAILBOX + 12), 28);
	store(c, 0x1000, 0);
	assert_int_equal(chip_peek(c, MAILBOX + 12), 29);
	load(c, 0x50000000);	/* nothing there, and no fault */
	assert_int_equal(chip_peek(c, MAILBOX + 12), 0);
	chip_close(c);
}

static void efuse_holds_mac_and_kind(void **state)
{
	struct chip *c = open_chip("mac=60:01:94:A5:B6:9C");

	(void)state;
	assert_int_equal(chip_peek(c, 0x3FF00050) & 0xFF00FFFF, 0x9C000000);
	assert_int_equal(chip_peek(c, 0x3FF00054), 0x0200A5B6);
	assert_int_equal(chip_peek(c, 0x3FF00058) & 0xF0FFFF, 0xB000);
	assert_int_equal(chip_peek(c, 0x3FF0005C), 0x00600194);
	chip_close(c);
	c = open_chip("chip=esp8285&size=1M");
	assert_int_equal(chip_peek(c, 0x3FF00050) & 0x10, 0x10);
	assert_int_equal(chip_peek(c, 0x3FF0005C) >> 25 & 7, 0);
	assert_int_equal(chip_nor(c)->cfg.jedec_id, 0x146085);
	chip_close(c);
	c = open_chip("chip=esp8285&size=2M");
	assert_int_equal(chip_peek(c, 0x3FF00050) & 0x10, 0x10);
	assert_int_equal(chip_peek(c, 0x3FF0005C) >> 25 & 7, 2);
	chip_close(c);
}

static void the_identification_word_tells_the_kind_of_chip(void **state)
{
	struct chip *c = open_chip("");

	(void)state;
	assert_int_equal(chip_peek(c, 0x40001000), 0xFFF0C101);
	chip_close(c);
	c = open_chip("chip=esp32");
	assert_int_equal(chip_peek(c, 0x40001000), 0x00F01D83);
	chip_close(c);
}

static unsigned boot_mode(struct chip *c)
{
	return chip_peek(c, GPIO_IN) >> 16 & 7;
}

static void separate_calls_of_the_classic_sequence_reach_the_loader(void **state)
{
	struct chip *c = open_chip("");

	(void)state;
	assert_int_equal(boot_mode(c), 3);
	assert_int_equal(chip_peek(c, CAUSE), 1);
	chip_set_lines(c, false, true);
	pass(c, 100000);
	chip_set_lines(c, true, true);
	pass(c, 100);
	chip_set_lines(c, true, false);
	pass(c, 50000);
	chip_set_lines(c, false, false);
	assert_int_equal(boot_mode(c), 1);
	assert_int_equal(chip_peek(c, CAUSE), 2);
	chip_set_lines(c, false, true);		/* hard reset: run the application */
	pass(c, 100000);
	chip_set_lines(c, false, false);
	pass(c, 10000);
	assert_int_equal(boot_mode(c), 3);
	chip_close(c);
}

static void both_lines_together_do_nothing(void **state)
{
	struct chip *c = open_chip("");
	struct chip_stats s;

	(void)state;
	chip_set_lines(c, true, true);
	pass(c, 50000);
	chip_set_lines(c, false, false);
	pass(c, 50000);
	chip_get_stats(c, &s);
	assert_int_equal(s.resets, 1);
	chip_close(c);
}

static void a_chip_in_reset_is_silent(void **state)
{
	struct chip *c = open_chip("");
	uint8_t buf[16];

	(void)state;
	chip_set_lines(c, false, true);
	pass(c, 2000);
	chip_sent(c, buf, sizeof buf);
	pass(c, 500000);
	assert_int_equal(chip_sent(c, buf, sizeof buf), 0);
	chip_close(c);
}

static void other_boards_have_other_wirings(void **state)
{
	struct chip *c = open_chip("wiring=direct");

	(void)state;
	chip_set_lines(c, true, true);
	pass(c, 5000);
	chip_set_lines(c, true, false);
	pass(c, 5000);
	assert_int_equal(boot_mode(c), 1);
	chip_close(c);

	c = open_chip("wiring=wifio");
	chip_set_lines(c, true, false);
	pass(c, 5000);
	chip_set_lines(c, false, false);
	chip_set_break(c, true);
	pass(c, 250000);
	chip_set_break(c, false);
	assert_int_equal(boot_mode(c), 1);
	chip_close(c);

	c = open_chip("wiring=none&strap=1");
	assert_int_equal(boot_mode(c), 1);
	chip_set_lines(c, false, true);
	pass(c, 5000);
	chip_set_lines(c, false, false);
	assert_int_equal(boot_mode(c), 1);
	assert_int_equal(chip_peek(c, CAUSE), 1);
	chip_close(c);
}

static void a_software_reset_keeps_cause_straps_and_rtc_memory(void **state)
{
	struct chip *c = open_probe("wiring=none&strap=1");
	struct chip_stats s;

	(void)state;
	store(c, 0x60001200, 0xB007B007);
	store(c, UART0 + 0x14, 99);
	chip_poke(c, MAILBOX + 4, RTC);
	chip_poke(c, MAILBOX + 8, 0x80000000);
	chip_poke(c, MAILBOX, 1);
	pass(c, 100);
	chip_get_stats(c, &s);
	assert_int_equal(s.resets, 2);
	assert_int_equal(chip_peek(c, CAUSE), 1);
	assert_int_equal(boot_mode(c), 1);
	assert_int_equal(chip_peek(c, 0x60001200), 0xB007B007);
	assert_int_equal(chip_peek(c, UART0 + 0x14), 0x2B6);
	chip_close(c);
}

static void an_unfed_watchdog_bites_with_cause_4(void **state)
{
	struct chip *c = open_probe("");

	(void)state;
	store(c, WDT + 4, 8);
	store(c, WDT + 8, 8);
	store(c, WDT, 0x39);
	for (int i = 0; i < 10; i++) {	/* fed, it does not */
		pass(c, 150000);
		store(c, WDT + 0x14, 0x73);
	}
	assert_int_equal(chip_peek(c, CAUSE), 1);
	pass(c, 300000);
	assert_int_equal(load(c, WDT + 0x10), 1);
	pass(c, 200000);
	assert_int_equal(chip_peek(c, CAUSE), 4);
	assert_int_equal(chip_peek(c, WDT), 0);
	chip_close(c);
}

static void cpu_and_apb_clocks_follow_pll_and_x2(void **state)
{
	struct chip *c = open_probe("");
	uint64_t cycles = chip_cpu(c)->cycles;

	(void)state;
	pass(c, 1000);
	assert_in_range(chip_cpu(c)->cycles - cycles, 51900, 52100);
	store(c, 0x60000D10, 103u << 24 | 4 << 16 | 1 << 8 | 0x88);
	store(c, 0x60000D10, 103u << 24 | 4 << 16 | 2 << 8 | 0x91);
	store(c, 0x60000D14, 103u << 24 | 4 << 16 | 1 << 8);
	assert_int_equal(load(c, 0x60000D14), 0x88);
	cycles = chip_cpu(c)->cycles;
	pass(c, 1000);
	assert_in_range(chip_cpu(c)->cycles - cycles, 79900, 80100);
	store(c, 0x3FF00014, 1);
	cycles = chip_cpu(c)->cycles;
	pass(c, 1000);
	assert_in_range(chip_cpu(c)->cycles - cycles, 159800, 160200);
	chip_close(c);
	c = open_probe("crystal=40");
	cycles = chip_cpu(c)->cycles;
	pass(c, 1000);
	assert_in_range(chip_cpu(c)->cycles - cycles, 79900, 80100);
	chip_close(c);
}

static void timers_count_and_interrupt(void **state)
{
	struct chip *c = open_probe("");

	(void)state;
	store(c, 0x60000620, 0);
	store(c, 0x60000628, 1 << 7 | 1 << 2);	/* FRC2, APB / 16 */
	pass(c, 1000);
	assert_in_range(chip_peek(c, 0x60000624), 3250, 3350);
	store(c, 0x60000600, 52000);
	store(c, 0x60000608, 1 << 7 | 1 << 6);	/* FRC1, a millisecond, again and again */
	pass(c, 900);
	assert_int_equal(chip_peek(c, 0x60000608) >> 8 & 1, 0);
	pass(c, 200);
	assert_int_equal(chip_peek(c, 0x60000608) >> 8 & 1, 1);
	assert_true(chip_cpu(c)->interrupt >> 9 & 1);
	store(c, 0x6000060C, 1);
	assert_int_equal(chip_peek(c, 0x60000608) >> 8 & 1, 0);
	pass(c, 1000);
	assert_int_equal(chip_peek(c, 0x60000608) >> 8 & 1, 1);
	chip_close(c);
}

static void the_cache_window_shows_the_megabyte_chosen(void **state)
{
	struct chip *c = open_probe("size=4M");
	uint32_t bytes;
	uint8_t *flash = chip_flash(c, &bytes);

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		put_le32(flash + (i << 20), 0xF1A50000 + i);
	assert_int_equal(load(c, 0x40200000), 0);	/* cache off */
	store(c, 0x3FF0000C, 0x00000100);
	assert_int_equal(load(c, 0x40200000), 0xF1A50000);
	store(c, 0x3FF0000C, 0x02000100);
	assert_int_equal(load(c, 0x40200000), 0xF1A50001);
	store(c, 0x3FF0000C, 0x02010100);
	assert_int_equal(load(c, 0x40200000), 0xF1A50003);
	store(c, 0x3FF0000C, 1);	/* a flush is done at once */
	assert_int_equal(load(c, 0x3FF0000C) & 2, 2);
	chip_close(c);
}

static void a_small_flash_repeats_in_the_window(void **state)
{
	struct chip *c = open_probe("size=512K");
	uint32_t bytes;
	uint8_t *flash = chip_flash(c, &bytes);

	(void)state;
	assert_int_equal(bytes, 512 << 10);
	put_le32(flash, 0x12345678);
	store(c, 0x3FF0000C, 0x00000100);
	assert_int_equal(load(c, 0x40280000), 0x12345678);
	chip_close(c);
}

static void iram_banks_become_cache_and_come_back(void **state)
{
	struct chip *c = open_probe("");

	(void)state;
	store(c, 0x40108000, 0xAAAA5555);
	store(c, 0x4010C000, 0x5555AAAA);
	store(c, 0x3FF00024, 0x08);
	assert_int_equal(load(c, 0x40108000), 0);
	assert_int_equal(load(c, 0x4010C000), 0x5555AAAA);
	store(c, 0x3FF00024, 0x18);
	assert_int_equal(load(c, 0x4010C000), 0);
	store(c, 0x3FF00024, 0);
	assert_int_equal(load(c, 0x40108000), 0xAAAA5555);
	chip_close(c);
}

static void flash_in_a_file_survives_and_is_locked_meanwhile(void **state)
{
	char path[] = "/tmp/test_chip_flash.XXXXXX", options[300];
	struct chip_config cfg;
	struct esp_error err;
	struct chip *c;
	uint32_t bytes;

	(void)state;
	close(mkstemp(path));
	chip_config_init(&cfg);
	snprintf(cfg.flash_path, sizeof cfg.flash_path, "%s", path);
	snprintf(options, sizeof options, "size=1M");
	assert_int_equal(chip_config_parse_query(&cfg, options, &err), 0);
	c = chip_open(&cfg, &err);
	assert_non_null(c);
	assert_int_equal(chip_flash(c, &bytes)[0xFFFFF], 0xFF);
	chip_flash(c, &bytes)[5] = 0x42;
	assert_null(chip_open(&cfg, &err));
	assert_int_equal(err.code, ESP_E_BUSY);
	chip_close(c);
	cfg.flash_bytes = 0;		/* now the file says it */
	c = chip_open(&cfg, &err);
	assert_non_null(c);
	assert_int_equal(chip_flash(c, &bytes)[5], 0x42);
	assert_int_equal(bytes, 1 << 20);
	chip_close(c);
	cfg.flash_bytes = 512 << 10;
	assert_null(chip_open(&cfg, &err));
	assert_int_equal(err.code, ESP_E_ARGUMENT);
	assert_int_equal(truncate(path, 300000), 0);
	cfg.flash_bytes = 0;
	assert_null(chip_open(&cfg, &err));
	assert_int_equal(err.code, ESP_E_ARGUMENT);
	unlink(path);
}

static void a_chip_that_dies_stays_silent_until_power_returns(void **state)
{
	struct chip *c = open_chip("die=10");
	uint8_t buf[256];

	(void)state;
	chip_set_host_baud(c, 74880);
	pass(c, 500000);
	assert_in_range(chip_sent(c, buf, sizeof buf), 10, 11);
	chip_set_lines(c, false, true);
	pass(c, 5000);
	chip_set_lines(c, false, false);
	pass(c, 500000);
	assert_int_equal(chip_sent(c, buf, sizeof buf), 0);
	chip_close(c);
}

/* Whatever a program writes to whatever register, the chip lives on: time
 * passes, nothing is stored outside, and a reset makes all well. */
static void no_register_value_stops_time(void **state)
{
	static const uint32_t blocks[] = { 0x60000000, 0x60000100, 0x60000200, 0x60000300,
		0x60000600, 0x60000700, 0x60000800, 0x60000900, 0x60000D00, 0x60000F00,
		0x60001000, 0x3FF00000, 0x3FF20000 };
	struct chip *c = open_probe("size=256K");
	const char *env = getenv("SEED");
	unsigned seed = env ? (unsigned)atoi(env) : (unsigned)time(NULL);

	(void)state;
	print_message("# SEED=%u\n", seed);
	srand(seed);
	for (int i = 0; i < 4000; i++) {
		uint32_t addr = blocks[(unsigned)rand() % 13] + ((unsigned)rand() & 0xFC);
		uint32_t value = (uint32_t)rand() << ((unsigned)rand() & 31) ^ (uint32_t)rand();
		uint64_t from = chip_now_us(c);

		chip_receive(c, (const uint8_t *)&value, 4);
		store(c, addr, value);
		load(c, addr);
		pass(c, 20);
		assert_in_range(chip_now_us(c), from + 20, from + 1000);
	}
	chip_set_lines(c, false, true);
	pass(c, 100);
	chip_set_lines(c, false, false);
	pass(c, 5000);
	store(c, 0x60001200, 77);
	assert_int_equal(load(c, 0x60001200), 77);
	chip_close(c);
}

static double host_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static double seconds_for(const char *options, uint64_t us)
{
	struct chip *c = open_chip(options);
	double from;

	pass(c, 1000000);
	from = host_seconds();
	pass(c, us);
	from = host_seconds() - from;
	chip_close(c);
	return from;
}

static void an_idle_chip_costs_the_host_nothing(void **state)
{
	(void)state;
	/* Nothing to boot: the ROM waits for ever. */
	assert_true(seconds_for("", 1000ull * 1000000) < 0.1);
	/* The loader looks for edges every millisecond. */
	assert_true(seconds_for("wiring=none&strap=1", 100ull * 1000000) < 0.5);
}

/* A ROM that asks the flash for its status, waits in a loop of n + 2
 * instructions until the controller is done, counts, and starts over:
 *
 *	80: j 90; 84: .word 0x3ffe8000, 0x60000200, 0x08000000
 *	90: l32r a2,84; l32r a3,88; l32r a4,8c; movi a6,0; 9c: s32i a4,a3,0
 *	9f: l32i a5,a3,0; n times nop; bnez a5,9f
 *	addi a6,a6,1; s32i a6,a2,0; j 9c */
static void write_busy_loop(const char *path, unsigned n)
{
	static const uint8_t head[] = {
		0x06, 0x03, 0x00, 0x00, 0x00, 0x80, 0xfe, 0x3f, 0x00, 0x02, 0x00, 0x60,
		0x00, 0x00, 0x00, 0x08, 0x21, 0xfd, 0xff, 0x31, 0xfd, 0xff, 0x41, 0xfd,
		0xff, 0x62, 0xa0, 0x00, 0x42, 0x63, 0x00, 0x52, 0x23, 0x00,
	};
	const uint32_t tail[4] = {
		0x556 | (0u - (3 * n + 7)) << 12, 0x01C662, 0x006262, 0x06 | (0u - (3 * n + 19)) << 6,
	};
	static uint8_t rom[0x10000];
	uint8_t *p = rom + 0x80 + sizeof head;
	FILE *f = fopen(path, "wb");

	memcpy(rom + 0x80, head, sizeof head);
	for (unsigned i = 0; i < n; i++, p += 3)
		put_le32(p, 0x0020F0);
	for (unsigned i = 0; i < 4; i++, p += 3)
		put_le32(p, tail[i]);
	assert_non_null(f);
	assert_int_equal(fwrite(rom, 1, sizeof rom, f), sizeof rom);
	fclose(f);
}

/* Leaping over a loop that only polls must neither miss the end of what it
 * waits for nor change when the loop sees it, whatever its length. */
static void waiting_for_a_controller_ends_when_it_is_done(void **state)
{
	enum { BUSY = 80, MS = 20, CYCLES_PER_MS = 52000 };
	char path[] = "/tmp/test_chip_loop.XXXXXX", options[64];

	(void)state;
	close(mkstemp(path));
	snprintf(options, sizeof options, "rom=%s", path);
	for (unsigned n = 0; n < 24; n++) {
		/* The load that sees it done is the k-th after the first. */
		uint32_t k = (BUSY - 1 + n + 1) / (n + 2), round = k * (n + 2) + n + 6;
		struct chip *c;

		write_busy_loop(path, n);
		c = open_chip(options);
		pass(c, MS * 1000);
		assert_in_range(chip_peek(c, MAILBOX), MS * CYCLES_PER_MS / round - 1,
				MS * CYCLES_PER_MS / round + 1);
		chip_close(c);
	}
	unlink(path);
}

static void two_chips_with_one_seed_live_the_same_life(void **state)
{
	uint8_t a[8], b[8];
	struct chip *c[2] = { open_chip("seed=5&flip=0.2"), open_chip("seed=5&flip=0.2") };

	(void)state;
	for (int i = 0; i < 2; i++) {
		chip_set_host_baud(c[i], 74880);
		pass(c[i], 50000);
	}
	assert_int_equal(chip_sent(c[0], a, sizeof a), 8);
	assert_int_equal(chip_sent(c[1], b, sizeof b), 8);
	assert_memory_equal(a, b, sizeof a);
	assert_int_equal(chip_peek(c[0], 0x3FFE9000), chip_peek(c[1], 0x3FFE9000));
	chip_close(c[0]);
	chip_close(c[1]);
}

static void options_are_checked_and_listed(void **state)
{
	static const char *const bad[] = { "size=3M", "size=", "size=4Mx", "id=EF40", "id=EF40166",
		"mac=1:2", "crystal=24", "chip=esp", "flip=2", "flip=x", "strap=2", "pace=slow",
		"cutwhen=now", "protect=yes", "seed=-1", "nonsense", "latency=-1", "rom=" };
	struct chip_config cfg;
	struct esp_error err;
	const char *form, *help;

	(void)state;
	chip_config_init(&cfg);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (chip_config_parse_query(&cfg, bad[i], &err) != ESP_E_ARGUMENT)
			fail_msg("\"%s\" was taken", bad[i]);
	assert_int_equal(chip_config_parse(&cfg, "colour", "red", &err), ESP_E_ARGUMENT);
	for (size_t i = 0; chip_config_option(i, &form, &help); i++)
		assert_non_null(strstr(err.text, chip_config_option(i, &form, &help)));
	assert_int_equal(chip_config_parse_query(&cfg, "size=0x100000&id=ef4015&rom=a%20b&latency=1.5",
						 &err), 0);
	assert_int_equal(cfg.flash_bytes, 1 << 20);
	assert_int_equal(cfg.jedec_id, 0x1540EF);
	assert_string_equal(cfg.rom_path, "a b");
	assert_int_equal(cfg.latency_us, 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_are_reached_by_the_cpu),
		cmocka_unit_test(addresses_of_region_0_raise_28_and_29),
		cmocka_unit_test(efuse_holds_mac_and_kind),
		cmocka_unit_test(the_identification_word_tells_the_kind_of_chip),
		cmocka_unit_test(separate_calls_of_the_classic_sequence_reach_the_loader),
		cmocka_unit_test(both_lines_together_do_nothing),
		cmocka_unit_test(a_chip_in_reset_is_silent),
		cmocka_unit_test(other_boards_have_other_wirings),
		cmocka_unit_test(a_software_reset_keeps_cause_straps_and_rtc_memory),
		cmocka_unit_test(an_unfed_watchdog_bites_with_cause_4),
		cmocka_unit_test(cpu_and_apb_clocks_follow_pll_and_x2),
		cmocka_unit_test(timers_count_and_interrupt),
		cmocka_unit_test(the_cache_window_shows_the_megabyte_chosen),
		cmocka_unit_test(a_small_flash_repeats_in_the_window),
		cmocka_unit_test(iram_banks_become_cache_and_come_back),
		cmocka_unit_test(flash_in_a_file_survives_and_is_locked_meanwhile),
		cmocka_unit_test(a_chip_that_dies_stays_silent_until_power_returns),
		cmocka_unit_test(no_register_value_stops_time),
		cmocka_unit_test(an_idle_chip_costs_the_host_nothing),
		cmocka_unit_test(waiting_for_a_controller_ends_when_it_is_done),
		cmocka_unit_test(two_chips_with_one_seed_live_the_same_life),
		cmocka_unit_test(options_are_checked_and_listed),
	};

	return cmocka_run_group_tests(tests, write_rom, remove_rom);
}
