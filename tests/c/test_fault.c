#include "sim/fault.h"

#include "port/port_sim.h"
#include "sim/chip.h"
#include "sim/nor.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/fault_XXXXXX";
static struct esp_error err;

static void put(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *text(void)
{
	static char buf[1024];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	buf[fread(buf, 1, sizeof buf - 1, f)] = '\0';
	fclose(f);
	return buf;
}

static void a_fault_comes_once_and_the_file_remembers_it(void **state)
{
	struct faults f;

	(void)state;
	put("# a remark\n- reset 10\n- reset 20\n");
	assert_int_equal(faults_open(&f, path, &err), 0);
	assert_null(faults_due(&f, FAULT_RESET, 9));
	assert_int_equal(faults_due(&f, FAULT_RESET, 12)->n, 10);
	assert_null(faults_due(&f, FAULT_RESET, 13));
	faults_close(&f);
	assert_string_equal(text(), "# a remark\nx reset 10\n- reset 20\n");
	assert_int_equal(faults_open(&f, path, &err), 0);
	assert_int_equal(faults_due(&f, FAULT_RESET, 30)->n, 20);
	assert_null(faults_due(&f, FAULT_RESET, 31));
	faults_close(&f);
}

static void a_fault_that_lasts_covers_its_bytes_and_no_other(void **state)
{
	struct faults f;

	(void)state;
	put("- lose-in 5 3\n");
	assert_int_equal(faults_open(&f, path, &err), 0);
	for (uint64_t n = 1; n < 12; n++)
		assert_int_equal(faults_at(&f, FAULT_LOSE_IN, n) != NULL, n >= 5 && n < 8);
	assert_null(faults_at(&f, FAULT_LOSE_OUT, 5));
	faults_close(&f);
}

static void a_port_is_gone_for_so_many_openings(void **state)
{
	struct faults f;

	(void)state;
	put("- unplug 1 2\n");
	assert_int_equal(faults_open(&f, path, &err), 0);
	assert_false(f.gone);
	assert_non_null(faults_due(&f, FAULT_UNPLUG, 1));
	faults_close(&f);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(faults_open(&f, path, &err), 0);
		assert_int_equal(f.gone, i < 2);
		faults_close(&f);
	}
	put("n cut 7\n");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(faults_open(&f, path, &err), 0);
		assert_true(f.off);
		faults_close(&f);
	}
}

static void what_is_no_fault_is_named(void **state)
{
	static const char *const bad[] = { "- fire 1\n", "- cut\n", "- cut 1 12\n", "- reset 1 n\n",
		"- lose-in 1 x\n", "hello\n" };
	struct faults f;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		put(bad[i]);
		assert_int_equal(faults_open(&f, path, &err), ESP_E_ARGUMENT);
		faults_close(&f);
	}
	assert_int_equal(faults_open(&f, "/nonexistent/faults", &err), ESP_E_MISSING);
	faults_close(&f);
}

/* ---- in a flash chip ---- */

static uint8_t mem[256 << 10];

static void open_nor(struct nor *n, struct faults *f, uint8_t bad_modes)
{
	struct nor_config cfg = { .mem = mem, .bytes = sizeof mem, .jedec_id = 0x1240EF,
		.stuck_sector = -1, .faults = f, .bad_modes = bad_modes, .seed = 1 };

	memset(mem, 0, sizeof mem);
	assert_int_equal(nor_open(n, &cfg), 0);
}

static void erase(struct nor *n, uint32_t sector)
{
	const uint8_t wren = 0x06, cmd[] = { 0x20, (uint8_t)(sector >> 4), (uint8_t)(sector << 4), 0 };

	nor_transfer(n, 0, &wren, 1, NULL, 0);
	nor_transfer(n, 0, cmd, sizeof cmd, NULL, 0);
}

static void operations_lie_and_lose_power_at_their_number(void **state)
{
	struct faults f;
	struct nor n;

	(void)state;
	put("- lie 2 1\n- cut-before 4\n");
	assert_int_equal(faults_open(&f, path, &err), 0);
	open_nor(&n, &f, 0);
	for (uint32_t i = 0; i < 5; i++)
		erase(&n, i);
	assert_int_equal(mem[0], 0xFF);
	assert_int_equal(mem[0x1000], 0);	/* said yes and did nothing */
	assert_int_equal(mem[0x2000], 0xFF);
	assert_int_equal(mem[0x3000], 0);	/* no power */
	assert_int_equal(mem[0x4000], 0);
	assert_true(n.power_lost);
	nor_close(&n);
	faults_close(&f);
}

static void stuck_bits_stay(void **state)
{
	const uint8_t wren = 0x06, program[] = { 0x02, 0, 0, 0, 0x00, 0x00 };
	struct faults f;
	struct nor n;

	(void)state;
	put("- stuck0 0 0x10\n- stuck1 1 0x02\n");
	assert_int_equal(faults_open(&f, path, &err), 0);
	open_nor(&n, &f, 0);
	erase(&n, 0);
	assert_int_equal(mem[0], 0xEF);
	assert_int_equal(mem[1], 0xFF);
	nor_transfer(&n, 0, &wren, 1, NULL, 0);
	nor_transfer(&n, 0, program, sizeof program, NULL, 0);
	assert_int_equal(mem[0], 0x00);
	assert_int_equal(mem[1], 0x02);
	nor_close(&n);
	faults_close(&f);
}

static void the_id_changes_at_a_question(void **state)
{
	const uint8_t rdid = 0x9F;
	uint8_t id[3];
	struct faults f;
	struct nor n;

	(void)state;
	put("- id 2 0x010203\n");
	assert_int_equal(faults_open(&f, path, &err), 0);
	open_nor(&n, &f, 0);
	for (int i = 0; i < 3; i++) {
		nor_transfer(&n, 0, &rdid, 1, id, 3);
		assert_int_equal(id[0], i == 0 ? 0xEF : 0x03);
	}
	nor_power_off(&n, 0);
	nor_power_on(&n);
	nor_transfer(&n, 0, &rdid, 1, id, 3);
	assert_int_equal(id[0], 0xEF);
	nor_close(&n);
	faults_close(&f);
}

static void a_bad_mode_reads_wrong_and_the_plain_one_does_not(void **state)
{
	const uint8_t fast[] = { 0x0B, 0, 0, 0, 0 }, plain[] = { 0x03, 0, 0, 0 };
	uint8_t byte;
	struct nor n;

	(void)state;
	open_nor(&n, NULL, NOR_FAST);
	nor_transfer(&n, 0, plain, sizeof plain, &byte, 1);
	assert_int_equal(byte, 0);
	nor_transfer(&n, 0, fast, sizeof fast, &byte, 1);
	assert_int_not_equal(byte, 0);
	assert_false(nor_mode_works(&n, NOR_FAST));
	assert_true(nor_mode_works(&n, NOR_DIO));
	nor_close(&n);
}

/* ---- through a port ---- */

static void open_port(struct port *p)
{
	char url[64];

	port_init(p);
	snprintf(url, sizeof url, "sim:?faults=%s", path);
	assert_int_equal(port_open(p, url, 115200), 0);
}

static void a_port_goes_and_comes_back(void **state)
{
	uint8_t buf[32] = { 0 };
	struct port p;
	char url[64];

	(void)state;
	put("- unplug 20 1\n");
	open_port(&p);
	assert_int_equal(port_write(&p, buf, sizeof buf, 100), 0);
	assert_int_equal(port_write(&p, buf, 1, 100), ESP_E_GONE);
	assert_int_equal(port_set_lines(&p, 0, 0), ESP_E_GONE);
	port_close(&p);
	snprintf(url, sizeof url, "sim:?faults=%s", path);
	assert_int_equal(port_open(&p, url, 115200), ESP_E_MISSING);
	open_port(&p);
	assert_int_equal(port_write(&p, buf, sizeof buf, 100), 0);
	assert_int_equal(port_drain(&p, 100), 0);
	port_close(&p);
}

static void note_signal(int sig)
{
	port_interrupted = sig;
}

static void a_signal_ends_what_waits_and_what_starts(void **state)
{
	uint8_t buf[64] = { 0 };
	struct port p;

	(void)state;
	put("- signal 10 15\n");
	signal(SIGTERM, note_signal);
	open_port(&p);
	assert_int_equal(port_write(&p, buf, sizeof buf, 100), 0);
	assert_int_equal(port_drain(&p, 1000), ESP_E_INTERRUPTED);
	assert_int_equal(port_read(&p, buf, sizeof buf, 100), ESP_E_INTERRUPTED);
	assert_int_equal(port_interrupted, SIGTERM);
	assert_int_equal(port_sleep(&p, 1), ESP_E_INTERRUPTED);
	assert_int_equal(port_write(&p, buf, 1, 1), ESP_E_INTERRUPTED);
	assert_int_equal(port_set_lines(&p, 0, 0), 0);	/* the chip can be left in order */
	port_interrupted = 0;
	port_close(&p);
	signal(SIGTERM, SIG_DFL);
}

static void what_the_chip_counted_is_in_the_file(void **state)
{
	uint8_t buf[30] = { 0 };
	struct port p;

	(void)state;
	put("# none\n");
	open_port(&p);
	assert_int_equal(port_write(&p, buf, sizeof buf, 100), 0);
	assert_int_equal(port_drain(&p, 1000), 0);
	port_close(&p);
	assert_non_null(strstr(text(), "# sent 30 received "));
	assert_non_null(strstr(text(), " ops 0 erases 0 programs 0 resets 1 status 000000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_comes_once_and_the_file_remembers_it),
		cmocka_unit_test(a_fault_that_lasts_covers_its_bytes_and_no_other),
		cmocka_unit_test(a_port_is_gone_for_so_many_openings),
		cmocka_unit_test(what_is_no_fault_is_named),
		cmocka_unit_test(operations_lie_and_lose_power_at_their_number),
		cmocka_unit_test(stuck_bits_stay),
		cmocka_unit_test(the_id_changes_at_a_question),
		cmocka_unit_test(a_bad_mode_reads_wrong_and_the_plain_one_does_not),
		cmocka_unit_test(a_port_goes_and_comes_back),
		cmocka_unit_test(a_signal_ends_what_waits_and_what_starts),
		cmocka_unit_test(what_the_chip_counted_is_in_the_file),
	};
	int fd = mkstemp(path), rc;

	if (fd < 0)
		return 1;
	close(fd);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return rc;
}
