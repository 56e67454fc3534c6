/* Host and stub against each other over a line that loses, flips and doubles
 * bytes; the flash's cells are the judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/loader/stub_impl.h"
#include "stub_chip.h"

#include <libdeflate.h>

enum { FLASH = 1 << 20, BAUD = 921600, IMAGE = 150000 };

static struct stub stub;
static uint8_t image[IMAGE];
static unsigned seed = 1;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

/* Half compressible, half not, with a blank stretch. */
static void make_image(void)
{
	size_t i;

	for (i = 0; i < IMAGE; i++)
		image[i] = (uint8_t)(i / 512 % 2 ? rnd(256) : (uint8_t)"the quick brown fox"[rnd(19)]);
	memset(image + 40000, 0xff, 9000);
}

static int setup(void **state)
{
	(void)state;
	sc.seed = seed * 2654435761u | 1;
	make_image();
	chip_start(FLASH, BAUD, NULL);
	stub_init(&stub, &sc.port);
	assert_int_equal(stub_attach(&stub), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(sc.overruns, 0);
	assert_int_equal(sc.nor.stats.busy_commands, 0);
	stub_close(&stub);
	chip_stop();
	return 0;
}

static void noise(double flip, double lose, double dup)
{
	sc.flip = flip;
	sc.lose = lose;
	sc.dup = dup;
}

static void test_hello(void **state)
{
	(void)state;
	assert_int_equal(stub.hello.version, WIRE_VERSION);
	assert_int_equal(stub.hello.window, WIRE_WINDOW);
	assert_true(stub.hello.features & WIRE_HAS_DEFLATE);
}

static void test_info(void **state)
{
	struct stub_info info;

	(void)state;
	assert_int_equal(stub_info(&stub, &info), 0);
	assert_int_equal(info.jedec_id, 0x1640ef);
	assert_memory_equal(info.sfdp, "SFDP", 4);
}

static void test_write_clean(void **state)
{
	(void)state;
	assert_int_equal(stub_write(&stub, 0x3000, image, IMAGE, NULL), 0);
	assert_memory_equal(sc.mem + 0x3000, image, IMAGE);
	assert_int_equal(sc.mem[0x2fff], 0xff);
	assert_int_equal(stub.counters.resent, 0);
	assert_int_equal(sc.nor.stats.erases, 0);	/* it was blank */
}

static void test_write_over_old(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < FLASH; i++)
		sc.mem[i] = (uint8_t)i;
	assert_int_equal(stub_write(&stub, 0x3000, image, IMAGE, NULL), 0);
	assert_memory_equal(sc.mem + 0x3000, image, IMAGE);
	assert_int_equal(sc.mem[0x2fff], 0xff & 0x2fff);
	assert_int_equal(sc.mem[0x28000], 0);
	/* 3..f: 5 sectors and 32 KiB; 10..1f: 64 KiB; 20..27: 32 KiB */
	assert_int_equal(sc.nor.stats.erases, 5 + 1 + 1 + 1);
}

static void test_blank_pages_cost_nothing(void **state)
{
	static uint8_t blank[65536];

	(void)state;
	memset(blank, 0xff, sizeof blank);
	assert_int_equal(stub_write(&stub, 0, blank, sizeof blank, NULL), 0);
	assert_int_equal(sc.nor.stats.programs, 0);
	assert_int_equal(sc.nor.stats.erases, 0);
}

static void test_noise_campaign(void **state)
{
	static const double rates[] = { 0.00001, 0.00005, 0.0001, 0.0005, 0.001 };
	size_t i;

	(void)state;
	for (i = 0; i < 25; i++) {
		double p = rates[i % 5];
		int rc;

		memset(sc.mem, (int)i, FLASH);
		noise(i % 3 == 0 ? p : p / 2, i % 3 == 1 ? p : p / 2, i % 3 == 2 ? p : p / 2);
		rc = stub_write(&stub, 0, image, 60000, NULL);
		if (rc != 0)
			print_message("# run %zu p %g: %s\n", i, p, stub.err.text);
		assert_int_equal(rc, 0);
		assert_memory_equal(sc.mem, image, 60000);
	}
	assert_true(sc.faults > 100);
	noise(0, 0, 0);
}

/* At 1 % nothing works, but nothing may be called good that is not. */
static void test_hopeless_noise(void **state)
{
	int rc;

	(void)state;
	noise(0.02, 0.01, 0.01);
	rc = stub_write(&stub, 0, image, 30000, NULL);
	noise(0, 0, 0);
	if (rc == 0)
		assert_memory_equal(sc.mem, image, 30000);
	else
		assert_int_equal(rc, ESP_E_TIMEOUT);
	assert_int_equal(stub_reset(&stub), 0);
	assert_int_equal(stub_write(&stub, 0, image, 30000, NULL), 0);
	assert_memory_equal(sc.mem, image, 30000);
}

static void test_read_with_noise(void **state)
{
	static uint8_t back[200000];

	(void)state;
	memcpy(sc.mem + 1000, image, IMAGE);
	assert_int_equal(stub_read(&stub, 777, back, sizeof back, NULL), 0);
	assert_memory_equal(back, sc.mem + 777, sizeof back);
	noise(0.0001, 0.0001, 0.0001);
	memset(back, 0, sizeof back);
	assert_int_equal(stub_read(&stub, 777, back, sizeof back, NULL), 0);
	assert_memory_equal(back, sc.mem + 777, sizeof back);
	noise(0, 0, 0);
}

static void test_blank_reads_fast(void **state)
{
	static uint8_t back[FLASH];
	uint64_t before = stub.counters.received_bytes;

	(void)state;
	assert_int_equal(stub_read(&stub, 0, back, FLASH, NULL), 0);
	assert_memory_equal(back, sc.mem, FLASH);
	assert_true(stub.counters.received_bytes - before < 1000);
}

static void test_hashes_with_noise(void **state)
{
	uint32_t crc[FLASH / 4096], i;
	struct stub_digest d;

	(void)state;
	memcpy(sc.mem + 1000, image, IMAGE);
	noise(0.001, 0.001, 0.001);
	assert_int_equal(stub_hashes(&stub, 0, FLASH - 100, crc), 0);
	for (i = 0; i < FLASH / 4096; i++)
		assert_int_equal(crc[i], libdeflate_crc32(0, sc.mem + i * 4096,
				i == FLASH / 4096 - 1 ? 3996 : 4096));
	assert_int_equal(stub_digest(&stub, 5, IMAGE, &d), 0);
	noise(0, 0, 0);
	assert_int_equal(d.crc, libdeflate_crc32(0, sc.mem + 5, IMAGE));
}

static void test_mode_probe(void **state)
{
	uint8_t qe[2] = { 0, 2 };

	(void)state;
	memcpy(sc.mem, image, 4096);
	assert_int_equal(stub_mode_works(&stub, 0, 4096, WIRE_MODE_DIO), 1);
	assert_int_equal(stub_mode_works(&stub, 0, 4096, WIRE_MODE_QIO), 0);
	assert_int_equal(stub_write_status(&stub, 0x01, qe, 2), 0);
	assert_int_equal(stub_mode_works(&stub, 0, 4096, WIRE_MODE_QIO), 1);
}

static void test_baud(void **state)
{
	(void)state;
	assert_int_equal(stub_set_baud(&stub, 2000000, WIRE_CLOCK_PLL), 0);
	assert_int_equal(sc.chip_baud, 2000000);
	assert_int_equal(sc.port.baud, 2000000);
	assert_int_equal(stub_write(&stub, 0, image, IMAGE, NULL), 0);
	assert_memory_equal(sc.mem, image, IMAGE);
}

static int deaf_set_baud(struct port *p, uint32_t baud)
{
	(void)p;
	(void)baud;
	chip_live(sc.host_us);
	noise(baud == BAUD ? 0 : 0.3, 0, 0);
	return 0;
}

static void test_baud_that_fails(void **state)
{
	struct port_ops ops = chip_ops;

	(void)state;
	ops.set_baud = deaf_set_baud;
	sc.port.ops = &ops;
	assert_int_equal(stub_set_baud(&stub, 3000000, 0), ESP_E_UNSUPPORTED);
	assert_int_equal(sc.port.baud, BAUD);
	assert_int_equal(sc.chip_baud, BAUD);
	assert_int_equal(stub_ping(&stub, "still there", 11), 0);
	sc.port.ops = &chip_ops;
}

static void test_memory(void **state)
{
	uint8_t back[2000];

	(void)state;
	noise(0.0005, 0, 0);
	assert_int_equal(stub_mem_write(&stub, 0x3ffe8000, image, sizeof back), 0);
	assert_int_equal(stub_mem_read(&stub, 0x3ffe8000, back, sizeof back), 0);
	noise(0, 0, 0);
	assert_memory_equal(back, image, sizeof back);
	assert_int_equal(stub_mem_read(&stub, 0x3ffe8001, back, 4), ESP_E_REFUSED);
	assert_int_equal(stub.refusal, WIRE_E_RANGE);
}

static void test_stuck_sector(void **state)
{
	const struct nor_config cfg = { .stuck_sector = 5, .scale = 1 };

	stub_close(&stub);
	chip_stop();
	chip_start(FLASH, BAUD, &cfg);
	memset(sc.mem, 0, FLASH);
	stub_init(&stub, &sc.port);
	assert_int_equal(stub_attach(&stub), 0);
	assert_int_equal(stub_write(&stub, 0, image, IMAGE, NULL), ESP_E_FLASH);
	assert_int_equal(stub.refusal_addr / 4096, 5);
	(void)state;
}

static void test_protected(void **state)
{
	const struct nor_config cfg = { .stuck_sector = -1, .scale = 1, .locked = true };

	(void)state;
	stub_close(&stub);
	chip_stop();
	chip_start(FLASH, BAUD, &cfg);
	memset(sc.mem, 0, FLASH);
	stub_init(&stub, &sc.port);
	assert_int_equal(stub_attach(&stub), 0);
	assert_int_equal(stub_erase(&stub, 0, 65536, NULL), ESP_E_FLASH);
	assert_int_equal(stub.refusal, WIRE_E_PROTECTED);
	assert_int_equal(sc.mem[0], 0);
}

static void test_lying_flash(void **state)
{
	int i, lied = 0;

	(void)state;
	for (i = 0; i < 20; i++) {
		const struct nor_config cfg = { .stuck_sector = -1, .scale = 0.1,
			.lie = 0.002 * (i + 1), .seed = (uint32_t)(seed + (unsigned)i) };
		int rc;

		stub_close(&stub);
		chip_stop();
		chip_start(FLASH, BAUD, &cfg);
		memset(sc.mem, i, FLASH);
		stub_init(&stub, &sc.port);
		assert_int_equal(stub_attach(&stub), 0);
		rc = stub_write(&stub, 0, image, 40000, NULL);
		lied += sc.nor.stats.lies > 0;
		if (rc == 0)
			assert_memory_equal(sc.mem, image, 40000);
		else
			assert_int_equal(rc, ESP_E_FLASH);
	}
	assert_true(lied > 5);
}

/* The sender's mistakes do not become flash contents. */
static void test_order_is_enforced(void **state)
{
	(void)state;
	assert_int_equal(stub_write_begin(&stub, 0, 65536, STUB_ERASE_ALL), 0);
	assert_int_equal(stub_write_unit(&stub, 4096, image, 4096), 0);
	assert_int_equal(stub_write_unit(&stub, 4096, image, 4096), 0);
	assert_int_equal(stub_write_end(&stub), ESP_E_REFUSED);
	assert_int_equal(stub.refusal, WIRE_E_ORDER);
	assert_int_equal(stub_reset(&stub), 0);
	assert_int_equal(stub_write_begin(&stub, 0, 8192, STUB_ERASE_ALL), 0);
	assert_int_equal(stub_write_unit(&stub, 8192, image, 4), 0);
	assert_int_equal(stub_write_end(&stub), ESP_E_REFUSED);
	assert_int_equal(sc.mem[8192], 0xff);
	assert_int_equal(stub_reset(&stub), 0);
	assert_int_equal(stub_write_begin(&stub, 0, 4097, 0), ESP_E_ARGUMENT);
	assert_int_equal(stub_write_unit(&stub, 2, image, 4), ESP_E_ARGUMENT);
}

static void count_differences(uint32_t *differing)
{
	uint32_t crc[FLASH / 4096], i, n;

	assert_int_equal(stub_hashes(&stub, 0, IMAGE, crc), 0);
	for (*differing = i = 0; i * 4096 < IMAGE; i++) {
		n = IMAGE - i * 4096 < 4096 ? IMAGE - i * 4096 : 4096;
		*differing += crc[i] != libdeflate_crc32(0, image + i * 4096, n);
	}
}

/* Power fails in the n-th flash operation; the hashes say what is left to do
 * and a second run completes it. */
static void test_power_cut(void **state)
{
	uint64_t cut;
	uint32_t left;

	(void)state;
	for (cut = 1; cut < 2400; cut += 1 + cut / 3) {
		struct nor_config cfg = { .stuck_sector = -1, .scale = 0.2, .cut_op = cut };

		stub_close(&stub);
		chip_stop();
		chip_start(FLASH, BAUD, &cfg);
		memset(sc.mem, 0x42, FLASH);
		stub_init(&stub, &sc.port);
		assert_int_equal(stub_attach(&stub), 0);
		if (stub_write(&stub, 0, image, IMAGE, NULL) == 0)
			break;
		assert_int_equal(stub.err.code, ESP_E_TIMEOUT);
		stub_close(&stub);
		chip_stop();
		cfg.cut_op = 0;
		cfg.mem = sc.mem;
		chip_start(FLASH, BAUD, &cfg);
		stub_init(&stub, &sc.port);
		assert_int_equal(stub_attach(&stub), 0);
		count_differences(&left);
		assert_true(left > 0);
		assert_int_equal(stub_write(&stub, 0, image, IMAGE, NULL), 0);
		assert_memory_equal(sc.mem, image, IMAGE);
		count_differences(&left);
		assert_int_equal(left, 0);
	}
}

static void test_chip_erase(void **state)
{
	(void)state;
	memset(sc.mem, 0, FLASH);
	assert_int_equal(stub_erase_chip(&stub, NULL), 0);
	assert_int_equal(sc.mem[0], 0xff);
	assert_int_equal(sc.mem[FLASH - 1], 0xff);
	assert_int_equal(sc.nor.stats.chip_erases, 1);
}

static int stop_now(void *ctx, uint32_t done, uint32_t total)
{
	int *n = ctx;

	assert_true(done <= total);
	return ++*n > 3 ? -1 : 0;
}

static void test_interrupted(void **state)
{
	int n = 0;
	struct stub_progress p = { stop_now, &n };

	(void)state;
	assert_int_equal(stub_write(&stub, 0, image, IMAGE, &p), ESP_E_INTERRUPTED);
	assert_int_equal(stub_reset(&stub), 0);
	assert_int_equal(stub_write(&stub, 0, image, IMAGE, NULL), 0);
	assert_memory_equal(sc.mem, image, IMAGE);
}

static void test_leave(void **state)
{
	(void)state;
	assert_int_equal(stub_run(&stub, WIRE_RUN_FLASH, 0), 0);
	chip_sleep(&sc.port, 20);
	assert_true(sc.left);
	assert_int_equal(sc.left_how, WIRE_RUN_FLASH);
}

static void test_silence_ends(void **state)
{
	uint64_t start = sc.host_us;

	(void)state;
	sc.left = true;
	assert_int_equal(stub_write(&stub, 0, image, IMAGE, NULL), ESP_E_TIMEOUT);
	assert_true(sc.host_us - start < 6000000);
	start = sc.host_us;
	assert_int_equal(stub_reset(&stub), ESP_E_TIMEOUT);
	assert_true(sc.host_us - start < 10000000);
}

/* Each answer of a write in turn is lost, or comes twice. */
static void test_each_answer_lost(void **state)
{
	uint32_t n, total = 2;

	(void)state;
	for (n = 1; n <= 2 * total; n++) {
		memset(sc.mem, (int)n, 65536);
		sc.frames = 0;
		sc.last_len = 0;
		sc.drop_frame = n <= total ? n : UINT32_MAX;
		sc.dup_frame = n > total ? n - total : 0;
		assert_int_equal(stub_write(&stub, 0, image, 50000, NULL), 0);
		assert_memory_equal(sc.mem, image, 50000);
		if (n == 1)
			total = sc.frames;
	}
	assert_true(total > 10);
}

/* What a mad chip may send; each query or write ends soon and says so. */
static const char *mad_text;
static size_t mad_len, mad_pos;

static int mad_read(struct port *p, void *buf, size_t cap, uint32_t timeout_ms)
{
	uint8_t *to = buf;
	size_t i, n = cap < 92 ? cap : 92;

	(void)p;
	if (!timeout_ms || !mad_len) {
		sc.host_us += timeout_ms * 1000;
		return 0;
	}
	for (i = 0; i < n; i++)
		to[i] = (uint8_t)mad_text[mad_pos++ % mad_len];
	sc.host_us += 1000;
	return (int)n;
}

static void test_mad_chip(void **state)
{
	static const struct { const char *text; size_t len; } mad[] = {
		{ "", 0 }, { "U", 1 }, { "\xc0", 1 }, { "\xdb", 1 }, { "\x1b[2J\xc0", 5 },
		{ "\xc0" "aaaaaaaaaaaaaaaaaaaaaaaa", 25 }, { "\xc0\xdb\x55", 3 },
	};
	struct port_ops ops = chip_ops;
	struct stub_info info;
	uint64_t start;
	size_t i;

	(void)state;
	ops.read = mad_read;
	sc.port.ops = &ops;
	for (i = 0; i < sizeof mad / sizeof *mad; i++) {
		mad_text = mad[i].text;
		mad_len = mad[i].len;
		mad_pos = 0;
		start = sc.host_us;
		assert_int_equal(stub_info(&stub, &info), ESP_E_TIMEOUT);
		assert_true(sc.host_us - start < 5000000);
		start = sc.host_us;
		stub_window_init(&stub, 1);
		assert_int_equal(stub_write(&stub, 0, image, IMAGE, NULL), ESP_E_TIMEOUT);
		assert_true(sc.host_us - start < 5000000);
	}
	sc.port.ops = &chip_ops;
	chip_flush_port(&sc.port);
}

#define T(name, f) { name, f, setup, teardown, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		T("the stub says what it can", test_hello),
		T("flash info has JEDEC id and SFDP", test_info),
		T("a write over blank flash erases nothing", test_write_clean),
		T("a write over old data erases by the biggest blocks that fit",
			test_write_over_old),
		T("blank pages are not programmed", test_blank_pages_cost_nothing),
		T("noise up to one byte in 1000 costs time and nothing else",
			test_noise_campaign),
		T("hopeless noise never ends in a false success", test_hopeless_noise),
		T("reads come through noise", test_read_with_noise),
		T("a blank chip is read with few bytes", test_blank_reads_fast),
		T("hashes and digests come through noise", test_hashes_with_noise),
		T("quad modes fail the mode test until quad is enabled", test_mode_probe),
		T("the rate changes on both sides", test_baud),
		T("a rate that fails is taken back on both sides", test_baud_that_fails),
		T("memory is read and written by words", test_memory),
		T("a sector that will not change is named", test_stuck_sector),
		T("write protection is noticed before anything is sent", test_protected),
		T("flash that lies is never called good", test_lying_flash),
		T("a unit sent twice or out of range is refused", test_order_is_enforced),
		T("a write cut by power failure is completed by the next", test_power_cut),
		T("a chip erase is waited for", test_chip_erase),
		T("a write that is stopped can be repeated", test_interrupted),
		T("every answer of a write may be lost or come twice", test_each_answer_lost),
		T("a mad chip is given up within five seconds", test_mad_chip),
		T("leaving runs the firmware", test_leave),
		T("a silent chip is given up within seconds", test_silence_ends),
	};
	int rc;

	if (getenv("SEED"))
		seed = (unsigned)strtoul(getenv("SEED"), NULL, 0);
	printf("# SEED=%u\n", seed);
	rc = cmocka_run_group_tests_name("stub", tests, NULL, NULL);
	chip_free();
	return rc;
}
