/* test_rom_facts_boot.c - from reset to the first answer, or to the firmware:
 * banner, auto-baud, boot log.
 */
#include "test_rom_facts.h"

#include "../../src/sim/cpu.h"
#include "../../src/sim/nor.h"

#define CLKDIV 0x60000014u
#define AUTOBAUD 0x60000018u
#define BOOT_BAUD 74880
#define READ_MAGIC "c0 00 0a 04 00 00000000 00100040 c0"
#define MAGIC_ANSWER "c0 01 0a 02 00 01c1f0ff 00 00 c0"

static void open_strap(struct rig *r, int strap)
{
	struct chip_config cfg = rig_config(strap);

	rig_open(r, &cfg);
}

/* "\r\n ets ...:C, boot mode:(S,X)\r\n\r\n" with X 6 or 7. */
static void expect_banner(struct rig *r, char cause, char strap)
{
	char want[] = "\r\n ets Jan  8 2013,rst cause:C, boot mode:(S,X)\r\n\r\n";
	size_t x = (size_t)(strchr(want, 'X') - want);

	*strchr(want, 'C') = cause;
	*strchr(want, 'S') = strap;
	rig_wait(r, sizeof want - 1, RIG_S);
	assert_true(r->n > x && (r->rx[x] == '6' || r->rx[x] == '7'));
	want[x] = (char)r->rx[x];
	rig_expect_text(r, want, RIG_S);
}

static void flash_image(struct rig *r, const void *image, size_t n)
{
	uint32_t bytes;

	memcpy(chip_flash(r->chip, &bytes), image, n);
}

/* -- banner ---------------------------------------------------------------- */

static void the_banner_of_download_mode_is_exact(void **state)
{
	struct rig r;

	(void)state;
	open_strap(&r, STRAP_UART);
	chip_set_host_baud(r.chip, BOOT_BAUD);
	expect_banner(&r, '1', '1');
	rig_expect_silence(&r, 100 * RIG_MS);
	rig_close(&r);
}

static void the_banner_of_flash_mode_is_exact(void **state)
{
	struct rig r;

	(void)state;
	open_strap(&r, STRAP_FLASH);
	chip_set_host_baud(r.chip, BOOT_BAUD);
	expect_banner(&r, '1', '3');
	rig_close(&r);
}

static void the_reset_pin_is_cause_2(void **state)
{
	struct chip_config cfg = rig_config(STRAP_UART);
	struct rig r;

	(void)state;
	cfg.lines_wired = true;
	rig_open(&r, &cfg);
	chip_set_host_baud(r.chip, BOOT_BAUD);
	rig_run(&r, 100 * RIG_MS);
	chip_set_lines(r.chip, false, true);
	rig_run(&r, 10 * RIG_MS);
	rig_drop(&r);
	chip_set_lines(r.chip, true, false);
	expect_banner(&r, '2', '1');
	rig_close(&r);
}

static void with_a_26_mhz_crystal_the_banner_comes_at_694_clocks_of_52_mhz(void **state)
{
	struct rig r;

	(void)state;
	open_strap(&r, STRAP_FLASH);
	assert_int_equal(rig_wait(&r, 1, RIG_S) >= 1, 1);
	assert_int_equal(chip_peek(r.chip, CLKDIV), 694);
	rig_close(&r);
}

static void with_a_40_mhz_crystal_the_banner_comes_at_115200(void **state)
{
	struct chip_config cfg = rig_config(STRAP_UART);
	struct rig r;

	(void)state;
	cfg.crystal_hz = 40000000;
	rig_open(&r, &cfg);
	expect_banner(&r, '1', '1');
	assert_int_equal(chip_peek(r.chip, CLKDIV), 694);
	rig_close(&r);
}

static void a_software_reset_keeps_the_latched_straps(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	rig_request(&r, OP_WRITE_REG, (const uint32_t[]){ 0x60000700, 1u << 31, 1u << 31, 0 }, 4);
	while (!chip_wire_idle(r.chip))
		rig_run(&r, 1);
	chip_set_host_baud(r.chip, BOOT_BAUD);
	rig_run(&r, 20 * RIG_MS);
	assert_true(r.n > 30);
	r.rx[r.n] = 0;
	assert_non_null(strstr((char *)memchr(r.rx, ' ', r.n), "boot mode:(1,"));
	rig_close(&r);
}

static void the_uart_registers_are_those_seen_after_start(void **state)
{
	struct rig r;

	(void)state;
	open_strap(&r, STRAP_UART);
	rig_run(&r, 10 * RIG_MS);
	assert_int_equal(chip_peek(r.chip, 0x60000020), 0x0C);	/* CONF0 */
	assert_int_equal(chip_peek(r.chip, 0x60000024), 0x01);	/* CONF1 */
	assert_int_equal(chip_peek(r.chip, 0x6000000C), 0x01);	/* INT_ENA */
	assert_int_equal(chip_peek(r.chip, 0x60000818) & 0x130, 0);	/* U0TXD, U0RXD: UART */
	assert_int_equal(chip_peek(r.chip, 0x60000814) & 0x130, 0);
	assert_int_equal(chip_peek(r.chip, 0x60000838), 0x100);	/* GPIO2 repeats TXD */
	rig_close(&r);
}

static void a_watchdog_reset_is_cause_4_and_says_so(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	rig_write_reg(&r, 0x60000904, 6);	/* 2^6 x 0.8 ms */
	rig_write_reg(&r, 0x60000900, 0x3D);
	rig_run(&r, 10 * RIG_MS);
	chip_set_host_baud(r.chip, BOOT_BAUD);
	rig_drop(&r);
	expect_banner(&r, '4', '1');
	rig_expect_text(&r, "wdt reset\r\n", RIG_S);
	rig_connect_at(&r, 115200);		/* and the loader is back */
	rig_close(&r);
}

/* -- auto-baud ------------------------------------------------------------- */

static void auto_baud_is_armed_about_7_ms_after_reset(void **state)
{
	struct rig r;
	uint64_t us = 0;

	(void)state;
	open_strap(&r, STRAP_UART);
	for (; us < 20000 && !(chip_peek(r.chip, AUTOBAUD) & 1); us += 50)
		rig_run(&r, 50);
	assert_in_range(us, 6200, 7600);
	assert_int_equal(chip_peek(r.chip, AUTOBAUD), 0x801);
	rig_close(&r);
}

static void bytes_before_it_is_armed_are_not_measured(void **state)
{
	struct rig r;

	(void)state;
	open_strap(&r, STRAP_UART);
	rig_send_hex(&r, "5555555555555555555555555555555555555555");
	rig_run(&r, 50 * RIG_MS);
	assert_int_equal(chip_peek(r.chip, AUTOBAUD) & 1, 1);
	assert_int_equal(chip_peek(r.chip, CLKDIV), 694);
	rig_close(&r);
}

static void the_measurement_clears_what_waited_in_the_fifo(void **state)
{
	struct rig r;

	(void)state;
	open_strap(&r, STRAP_UART);
	chip_set_host_baud(r.chip, BOOT_BAUD);	/* what the divisor of the banner receives */
	rig_run(&r, RIG_MS);
	rig_send_hex(&r, READ_MAGIC);
	rig_run(&r, 10 * RIG_MS);
	assert_int_equal(chip_peek(r.chip, 0x6000001C) & 0xFF, 14);
	rig_drop(&r);
	rig_send_hex(&r, SYNC_FRAME);
	rig_expect_silence(&r, 30 * RIG_MS);
	rig_send_hex(&r, SYNC_FRAME);
	rig_expect_sync(&r);
	rig_expect_silence(&r, 30 * RIG_MS);
	rig_close(&r);
}

/* 55 has 10 edges, 57 has 8. */
static void more_than_29_edges_make_a_measurement(void **state)
{
	struct rig r;

	(void)state;
	open_strap(&r, STRAP_UART);
	rig_run(&r, 20 * RIG_MS);
	rig_send_hex(&r, "55 55 57");
	rig_run(&r, 20 * RIG_MS);
	assert_int_equal(chip_peek(r.chip, CLKDIV), 694);
	rig_close(&r);
	open_strap(&r, STRAP_UART);
	rig_run(&r, 20 * RIG_MS);
	rig_send_hex(&r, "55 55 55");
	rig_run(&r, 20 * RIG_MS);
	assert_in_range(chip_peek(r.chip, CLKDIV), 450, 452);
	rig_close(&r);
}

/* Time from the last byte until the divisor changes, when it is sent at `at`. */
static uint64_t measured_after(uint64_t at)
{
	struct rig r;
	uint64_t start;

	open_strap(&r, STRAP_UART);
	rig_run(&r, at);
	rig_send_hex(&r, "55 55 55");
	while (!chip_wire_idle(r.chip))
		rig_run(&r, 10);
	start = chip_now_us(r.chip);
	while (chip_peek(r.chip, CLKDIV) == 694 && chip_now_us(r.chip) < at + RIG_S)
		rig_run(&r, 10);
	start = chip_now_us(r.chip) - start;
	rig_close(&r);
	return start;
}

static void it_looks_for_edges_every_1_5_ms(void **state)
{
	uint64_t least = RIG_S, most = 0;

	(void)state;
	for (uint64_t at = 20000; at < 21600; at += 100) {
		uint64_t us = measured_after(at);

		least = us < least ? us : least;
		most = us > most ? us : most;
	}
	assert_in_range(least, 0, 150);
	assert_in_range(most, 1350, 1600);
}

static void auto_baud_is_off_once_it_has_measured(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	assert_int_equal(chip_peek(r.chip, AUTOBAUD) & 1, 0);
	rig_close(&r);
}

static uint32_t divisor_at(uint32_t baud)
{
	struct rig r;
	uint32_t div;

	open_strap(&r, STRAP_UART);
	rig_connect_at(&r, baud);
	div = rig_read_reg(&r, CLKDIV);
	rig_close(&r);
	return div;
}

static void divisors_measured_are_those_seen(void **state)
{
	(void)state;
	assert_in_range(divisor_at(9600), 5414, 5418);
	assert_in_range(divisor_at(57600), 901, 903);
	assert_in_range(divisor_at(115200), 450, 452);
}

static void it_synchronises_from_1200_to_4000000(void **state)
{
	static const uint32_t rates[] = {
		1200, 2400, 4800, 9600, 14400, 19200, 28800, 38400, 57600, 74880, 76800, 115200,
		128000, 230400, 250000, 460800, 500000, 921600, 1500000, 2000000, 4000000,
	};

	(void)state;
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		struct rig r;

		open_strap(&r, STRAP_UART);
		rig_connect_at(&r, rates[i]);
		for (int n = 0; n < (rates[i] < 4800 ? 0 : 50); n++)
			assert_int_equal(rig_read_reg(&r, 0x40001000), 0xFFF0C101);
		rig_close(&r);
	}
}

static void the_first_sync_is_consumed_and_the_second_answered(void **state)
{
	struct rig r;

	(void)state;
	open_strap(&r, STRAP_UART);
	rig_run(&r, 20 * RIG_MS);
	rig_drop(&r);
	rig_send_hex(&r, SYNC_FRAME);
	rig_expect_silence(&r, 100 * RIG_MS);
	rig_send_hex(&r, SYNC_FRAME);
	rig_expect_sync(&r);
	rig_close(&r);
}

static void of_two_syncs_back_to_back_the_second_is_answered(void **state)
{
	struct rig r;

	(void)state;
	open_strap(&r, STRAP_UART);
	rig_run(&r, 20 * RIG_MS);
	rig_drop(&r);
	rig_send_hex(&r, SYNC_FRAME SYNC_FRAME);
	rig_expect_sync(&r);
	rig_expect_silence(&r, 50 * RIG_MS);
	rig_close(&r);
}

/* Sends `first` at its rate, then syncs at 115200; says how often it is answered. */
static bool syncs_after(const char *first, uint32_t baud, int tries)
{
	struct rig r;
	bool answered;

	open_strap(&r, STRAP_UART);
	rig_run(&r, 20 * RIG_MS);
	rig_drop(&r);
	chip_set_host_baud(r.chip, baud);
	rig_send_hex(&r, first);
	rig_run(&r, 50 * RIG_MS);
	chip_set_host_baud(r.chip, 115200);
	rig_drop(&r);
	for (int i = 0; i < tries; i++)
		rig_send_hex(&r, SYNC_FRAME), rig_run(&r, 30 * RIG_MS);
	answered = r.n >= 12 && memcmp(r.rx, "\xc0\x01\x08\x02\x00\x07\x07\x12\x20", 9) == 0;
	rig_close(&r);
	return answered;
}

static void eight_times_55_is_a_good_measure(void **state)
{
	(void)state;
	assert_true(syncs_after("55 55 55 55 55 55 55 55", 115200, 1));
}

static void hello_world_is_a_good_measure(void **state)
{
	(void)state;
	assert_true(syncs_after("68656c6c6f20776f726c640d0a", 115200, 1));
}

static void a_sync_at_another_rate_first_spoils_it_until_reset(void **state)
{
	(void)state;
	assert_false(syncs_after(SYNC_FRAME, 57600, 6));
	assert_false(syncs_after("55 55 55 55 55", 9600, 6));
}

#define TIMES20(x) x x x x x x x x x x x x x x x x x x x x

static void bytes_without_one_bit_pulses_spoil_it_until_reset(void **state)
{
	(void)state;
	assert_false(syncs_after(TIMES20("00"), 115200, 6));
	assert_false(syncs_after(TIMES20("ff"), 115200, 6));
	assert_false(syncs_after(TIMES20("c0"), 115200, 6));
}

static void a_single_slow_00_is_harmless(void **state)
{
	(void)state;
	assert_true(syncs_after("00", 9600, 2));
}

static void the_rate_is_measured_once_per_reset(void **state)
{
	struct rig r;

	(void)state;
	rig_download(&r);
	chip_set_host_baud(r.chip, 57600);
	for (int i = 0; i < 4; i++) {
		rig_send_hex(&r, SYNC_FRAME);
		rig_run(&r, 50 * RIG_MS);
	}
	assert_in_range(chip_peek(r.chip, CLKDIV), 450, 452);
	rig_close(&r);
}

/* -- flash boot ------------------------------------------------------------ */

static void blank_flash_gets_an_unfinished_message_and_a_hang(void **state)
{
	struct rig r;

	(void)state;
	open_strap(&r, STRAP_FLASH);
	chip_set_host_baud(r.chip, BOOT_BAUD);
	expect_banner(&r, '1', '3');
	rig_expect_text(&r, "ets_main.c ", RIG_S);
	rig_expect_silence(&r, RIG_S);
	/* The line number 181, taken for the address of a string; then a waiti. */
	assert_int_equal(chip_cpu(r.chip)->excvaddr, 0xb5);
	assert_int_equal(chip_cpu(r.chip)->exccause, 28);
	assert_true(chip_cpu(r.chip)->waiting);
	rig_close(&r);
}

/* Three segments: code that returns, and data whose lengths make the log show
 * each of its numbers. */
struct image {
	uint8_t byte[512];
	size_t n;
	uint8_t sum;
};

static void image_bytes(struct image *im, const void *p, size_t n)
{
	memcpy(im->byte + im->n, p, n);
	im->n += n;
}

static void image_open(struct image *im, uint8_t segments, uint8_t mode)
{
	const uint8_t head[8] = { 0xE9, segments, mode, 0x40, 0, 0, 0x10, 0x40 };

	memset(im, 0, sizeof *im);
	im->sum = 0xEF;
	image_bytes(im, head, 8);
}

static void image_segment(struct image *im, uint32_t addr, const uint8_t *data, uint32_t n)
{
	const uint8_t head[8] = { (uint8_t)addr, (uint8_t)(addr >> 8), (uint8_t)(addr >> 16),
		(uint8_t)(addr >> 24), (uint8_t)n, (uint8_t)(n >> 8), 0, 0 };

	image_bytes(im, head, 8);
	image_bytes(im, data, n);
	for (uint32_t i = 0; i < n; i++)
		im->sum ^= data[i];
}

static void image_close(struct image *im)
{
	im->n |= 15;
	im->byte[im->n++] = im->sum;
}

static void boot(struct rig *r, const struct image *im)
{
	open_strap(r, STRAP_FLASH);
	flash_image(r, im->byte, im->n);
	chip_set_host_baud(r->chip, BOOT_BAUD);
	expect_banner(r, '1', '3');
}

/* code: one `ret`, filled up. */
static const uint8_t code[44] = { 0x0D, 0xF0, 1, 2, 3, 4 };
static const uint8_t data[64] = { 9, 8, 7, 6 };

static void the_boot_log_tells_each_segment(void **state)
{
	struct image im;
	struct rig r;
	char want[400];
	uint8_t sum1 = 0xEF ^ 0x0D ^ 0xF0 ^ 1 ^ 2 ^ 3 ^ 4, sum2 = sum1 ^ 9 ^ 8 ^ 7 ^ 6;

	(void)state;
	image_open(&im, 3, 2);
	image_segment(&im, 0x40100000, code, 20);	/* ends at 36 */
	image_segment(&im, 0x3FFE8000, data, 36);	/* from 44, ends at 80 */
	image_segment(&im, 0x3FFE8100, data, 40);	/* from 88, ends at 128 */
	image_close(&im);
	boot(&r, &im);
	snprintf(want, sizeof want,
		 "load 0x40100000, len 20, room 16 \r\ntail 4\r\nchksum 0x%02x\r\n"
		 "load 0x3ffe8000, len 36, room 4 \r\ntail 0\r\nchksum 0x%02x\r\n"
		 "load 0x3ffe8100, len 40, room 8 \r\ntail 0\r\nchksum 0x%02x\r\n"
		 "csum 0x%02x\r\nuser code done\r\n", sum1, sum2, sum1, sum1);
	rig_expect_text(&r, want, RIG_S);
	assert_int_equal(chip_peek(r.chip, 0x3FFE8000), 0x06070809);
	rig_expect_silence(&r, RIG_S);
	rig_close(&r);
}

static void a_segment_header_across_16_byte_pieces_is_announced(void **state)
{
	struct image im;
	struct rig r;

	(void)state;
	image_open(&im, 2, 2);
	image_segment(&im, 0x40100000, code, 44);	/* ends at 60: 4 bytes of the piece left */
	image_segment(&im, 0x3FFE8000, data, 16);
	image_close(&im);
	boot(&r, &im);
	rig_expect_text(&r, "load 0x40100000, len 44, room 16 \r\ntail 12\r\nchksum 0x16\r\n"
			    "ho 0 tail 12 room 4\r\n"
			    "load 0x3ffe8000, len 16, room 12 \r\ntail 4\r\nchksum 0x16\r\n"
			    "csum 0x16\r\nuser code done\r\n", RIG_S);
	rig_close(&r);
}

static void the_mode_byte_sets_read_mode_and_quad_enable(void **state)
{
	static const uint32_t ctrl[4] = { 0x01402000, 0x00502000, 0x00C02000, 0x00406000 };

	(void)state;
	for (uint8_t mode = 0; mode < 4; mode++) {
		struct image im;
		struct rig r;

		image_open(&im, 1, mode);
		image_segment(&im, 0x40100000, code, 20);
		image_close(&im);
		boot(&r, &im);
		rig_run(&r, 200 * RIG_MS);
		assert_int_equal(chip_peek(r.chip, 0x60000208) & 0x01D06000, ctrl[mode]);
		assert_int_equal(chip_nor(r.chip)->sr2 & 2, mode < 2 ? 2 : 0);
		rig_close(&r);
	}
}

static void a_bad_image_checksum_is_not_run(void **state)
{
	struct image im;
	struct rig r;

	(void)state;
	image_open(&im, 1, 2);
	image_segment(&im, 0x40100000, code, 20);
	image_close(&im);
	im.byte[im.n - 1] ^= 1;
	boot(&r, &im);
	rig_run(&r, RIG_S);
	r.rx[r.n] = 0;
	assert_non_null(strstr((char *)r.rx, "csum err\r\nets_main.c "));
	assert_null(strstr((char *)r.rx, "user code done"));
	rig_close(&r);
}

static void a_fatal_exception_of_the_firmware_is_reported(void **state)
{
	/* l32i a2, a2, 0 with a2 = 0 */
	static const uint8_t bad[20] = { 0x0C, 0x02, 0x22, 0x22, 0x00 };
	struct image im;
	struct rig r;

	(void)state;
	image_open(&im, 1, 2);
	image_segment(&im, 0x40100000, bad, sizeof bad);
	image_close(&im);
	boot(&r, &im);
	rig_run(&r, RIG_S);
	r.rx[r.n] = 0;
	assert_non_null(strstr((char *)r.rx, "Fatal exception (28):"));
	assert_non_null(strstr((char *)r.rx, "epc1=0x40100002"));
	rig_close(&r);
}

/* -- the example firmware --------------------------------------------------- */

static size_t read_hello(uint8_t *buf, size_t cap)
{
	FILE *f = fopen("examples/hello/hello.bin", "rb");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, cap, f);
	fclose(f);
	return n;
}

static void hello_boots_greets_at_115200_and_counts(void **state)
{
	static uint8_t hello[65536];
	size_t n = read_hello(hello, sizeof hello);
	uint64_t start;
	char *text;
	struct rig r;

	(void)state;
	open_strap(&r, STRAP_FLASH);
	flash_image(&r, hello, n);
	chip_set_host_baud(r.chip, BOOT_BAUD);
	expect_banner(&r, '1', '3');
	rig_expect_text(&r, "load 0x40100000, len ", RIG_S);
	chip_set_host_baud(r.chip, 115200);
	rig_run(&r, 300 * RIG_MS);
	start = chip_now_us(r.chip);
	rig_run(&r, 2500 * RIG_MS - start);
	r.rx[r.n] = 0;
	text = memchr(r.rx, 'h', r.n);
	while (text && strncmp(text, "hello from", 10) != 0)
		text = memchr(text + 1, 'h', r.n - (size_t)((uint8_t *)text + 1 - r.rx));
	assert_non_null(text);
	assert_int_equal(strncmp(text, "hello from moonflash: ESP8266 firmware ", 39), 0);
	assert_non_null(strstr(text, "\r\ncount 1\r\ncount 2\r\ncount 3\r\ncount 4\r\n"));
	assert_null(strstr(text, "count 5"));
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_banner_of_download_mode_is_exact),
		cmocka_unit_test(the_banner_of_flash_mode_is_exact),
		cmocka_unit_test(the_reset_pin_is_cause_2),
		cmocka_unit_test(with_a_26_mhz_crystal_the_banner_comes_at_694_clocks_of_52_mhz),
		cmocka_unit_test(with_a_40_mhz_crystal_the_banner_comes_at_115200),
		cmocka_unit_test(a_software_reset_keeps_the_latched_straps),
		cmocka_unit_test(the_uart_registers_are_those_seen_after_start),
		cmocka_unit_test(a_watchdog_reset_is_cause_4_and_says_so),
		cmocka_unit_test(auto_baud_is_armed_about_7_ms_after_reset),
		cmocka_unit_test(bytes_before_it_is_armed_are_not_measured),
		cmocka_unit_test(the_measurement_clears_what_waited_in_the_fifo),
		cmocka_unit_test(more_than_29_edges_make_a_measurement),
		cmocka_unit_test(it_looks_for_edges_every_1_5_ms),
		cmocka_unit_test(auto_baud_is_off_once_it_has_measured),
		cmocka_unit_test(divisors_measured_are_those_seen),
		cmocka_unit_test(it_synchronises_from_1200_to_4000000),
		cmocka_unit_test(the_first_sync_is_consumed_and_the_second_answered),
		cmocka_unit_test(of_two_syncs_back_to_back_the_second_is_answered),
		cmocka_unit_test(eight_times_55_is_a_good_measure),
		cmocka_unit_test(hello_world_is_a_good_measure),
		cmocka_unit_test(a_sync_at_another_rate_first_spoils_it_until_reset),
		cmocka_unit_test(bytes_without_one_bit_pulses_spoil_it_until_reset),
		cmocka_unit_test(a_single_slow_00_is_harmless),
		cmocka_unit_test(the_rate_is_measured_once_per_reset),
		cmocka_unit_test(blank_flash_gets_an_unfinished_message_and_a_hang),
		cmocka_unit_test(the_boot_log_tells_each_segment),
		cmocka_unit_test(a_segment_header_across_16_byte_pieces_is_announced),
		cmocka_unit_test(the_mode_byte_sets_read_mode_and_quad_enable),
		cmocka_unit_test(a_bad_image_checksum_is_not_run),
		cmocka_unit_test(a_fatal_exception_of_the_firmware_is_reported),
		cmocka_unit_test(hello_boots_greets_at_115200_and_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
