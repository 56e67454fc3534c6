/* Compressed units in shared memory. */
#include "loader/stub_store.h"

#include <libdeflate.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static uint32_t crc_of(const void *p, size_t n)
{
	return libdeflate_crc32(0, p, n);
}

static bool get(struct stub_store *st, const void *data, size_t len, void *out, size_t cap, size_t *n)
{
	return stub_store_get(st, crc_of(data, len), data, len, out, cap, n);
}

static void put(struct stub_store *st, const void *data, size_t len, const void *out, size_t n)
{
	stub_store_put(st, crc_of(data, len), data, len, out, n);
}

static void what_is_put_is_found_and_nothing_else(void **state)
{
	struct stub_store st;
	char out[16];
	size_t n = 99;

	(void)state;
	assert_int_equal(stub_store_open(&st, 4096), 0);
	assert_false(get(&st, "plain", 5, out, sizeof out, &n));
	put(&st, "plain", 5, "pk", 2);
	assert_true(get(&st, "plain", 5, out, sizeof out, &n));
	assert_int_equal(n, 2);
	assert_memory_equal(out, "pk", 2);
	assert_false(get(&st, "plais", 5, out, sizeof out, &n));
	assert_false(get(&st, "plain", 4, out, sizeof out, &n));
	assert_false(get(&st, "plain", 5, out, 1, &n));
	stub_store_close(&st);
	stub_store_close(&st);
}

static void equal_checksums_do_not_make_units_equal(void **state)
{
	struct stub_store st;
	char out[16];
	size_t n;

	(void)state;
	assert_int_equal(stub_store_open(&st, 4096), 0);
	stub_store_put(&st, 7, "aaaa", 4, "A", 1);
	stub_store_put(&st, 7, "bbbb", 4, "B", 1);
	assert_true(stub_store_get(&st, 7, "bbbb", 4, out, sizeof out, &n));
	assert_int_equal(out[0], 'B');
	assert_true(stub_store_get(&st, 7, "aaaa", 4, out, sizeof out, &n));
	assert_int_equal(out[0], 'A');
	assert_false(stub_store_get(&st, 7, "cccc", 4, out, sizeof out, &n));
	stub_store_close(&st);
}

static void a_unit_that_does_not_shrink_is_known_as_such(void **state)
{
	struct stub_store st;
	char out[1];
	size_t n = 99;

	(void)state;
	assert_int_equal(stub_store_open(&st, 4096), 0);
	put(&st, "noise", 5, "", 0);
	assert_true(get(&st, "noise", 5, out, 0, &n));
	assert_int_equal(n, 0);
	stub_store_close(&st);
}

static void a_full_store_takes_no_more_and_keeps_what_it_has(void **state)
{
	struct stub_store st;
	uint32_t i, found = 0;
	char out[64];
	size_t n;

	(void)state;
	assert_int_equal(stub_store_open(&st, 40 * 12), 0);
	for (i = 0; i < 4000; i++) {
		char plain[8] = { 0 };

		memcpy(plain, &i, sizeof i);
		put(&st, plain, sizeof plain, &i, sizeof i);
	}
	for (i = 0; i < 4000; i++) {
		char plain[8] = { 0 };

		memcpy(plain, &i, sizeof i);
		if (get(&st, plain, sizeof plain, out, sizeof out, &n)) {
			assert_memory_equal(out, &i, sizeof i);
			found++;
		}
	}
	assert_int_equal(found, 40);
	stub_store_close(&st);
}

static void without_a_store_nothing_is_found(void **state)
{
	struct stub_store st = { 0 };
	size_t n;

	(void)state;
	put(NULL, "plain", 5, "pk", 2);
	assert_false(get(NULL, "plain", 5, NULL, 0, &n));
	put(&st, "plain", 5, "pk", 2);
	assert_false(get(&st, "plain", 5, NULL, 0, &n));
	stub_store_close(&st);
}

static void a_store_that_cannot_be_made_says_so(void **state)
{
	struct stub_store st;

	(void)state;
	assert_true(stub_store_open(&st, SIZE_MAX / 2 - 65536) < 0);
	stub_store_close(&st);
}

static uint32_t seeded(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	return *x ^= *x << 5;
}

/* One of many processes: puts and gets units of a small set, at random. Wrong
 * bytes end it with 1. */
static void work(struct stub_store *st, uint32_t seed)
{
	int i;

	for (i = 0; i < 20000; i++) {
		uint32_t k = seeded(&seed) % 500, plain[64], out[64];
		size_t j, n;

		for (j = 0; j < 64; j++)
			plain[j] = k * 1000 + (uint32_t)j;
		if (!get(st, plain, sizeof plain, out, sizeof out, &n)) {
			put(st, plain, sizeof plain, plain, 4 * (k % 64));
			continue;
		}
		if (n != 4 * (k % 64) || memcmp(out, plain, n) != 0)
			_exit(1);
	}
	_exit(0);
}

static void many_processes_at_once_find_only_whole_units(void **state)
{
	struct stub_store st;
	int i, status;

	(void)state;
	assert_int_equal(stub_store_open(&st, 1 << 20), 0);
	for (i = 0; i < 8; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			work(&st, 0x9e3779b9u * (uint32_t)(i + 1));
		if (i % 4 == 3) {
			usleep(2000);
			kill(pid, SIGKILL);	/* in the middle of whatever it does */
		}
	}
	for (i = 0; i < 8; i++) {
		assert_true(wait(&status) > 0);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	}
	stub_store_close(&st);
}

/* A process that went wild writes over the shared memory. */
static void damage_anywhere_is_never_given_out(void **state)
{
	uint32_t seed = getenv("SEED") ? (uint32_t)strtoul(getenv("SEED"), NULL, 0) : 1;
	int round, wrong = 0;

	(void)state;
	print_message("# SEED=%u\n", seed);
	for (round = 0; round < 2000; round++) {
		struct stub_store st;
		uint8_t plain[256], out[64];
		size_t n, i;

		assert_int_equal(stub_store_open(&st, 4096), 0);
		for (i = 0; i < sizeof plain; i++)
			plain[i] = (uint8_t)seeded(&seed);
		put(&st, plain, sizeof plain, "packed bytes", 12);
		for (i = 0; i < 40; i++) {
			/* the slot is where the CRC says */
			size_t slot = crc_of(plain, sizeof plain) % STUB_STORE_SLOTS;
			uint8_t *at = (uint8_t *)st.map + slot * 32 + seeded(&seed) % 32;

			*at = (uint8_t)seeded(&seed);
			if (get(&st, plain, sizeof plain, out, sizeof out, &n))
				wrong += n != 12 || memcmp(out, "packed bytes", 12) != 0;
		}
		stub_store_close(&st);
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_found_and_nothing_else),
		cmocka_unit_test(equal_checksums_do_not_make_units_equal),
		cmocka_unit_test(a_unit_that_does_not_shrink_is_known_as_such),
		cmocka_unit_test(a_full_store_takes_no_more_and_keeps_what_it_has),
		cmocka_unit_test(without_a_store_nothing_is_found),
		cmocka_unit_test(a_store_that_cannot_be_made_says_so),
		cmocka_unit_test(many_processes_at_once_find_only_whole_units),
		cmocka_unit_test(damage_anywhere_is_never_given_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
