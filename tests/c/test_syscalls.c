/* System calls that are interrupted, do only a part, or fail, each in turn, once
 * or from then on: a terminal as port loses no byte and ends in time, and a file
 * is written whole or not at all. */
#include "sys_fail.h"
#include "lua/esp_lua.h"
#include "port_pty.h"

#include <dirent.h>
#include <lualib.h>

enum { BYTES = 900, WAIT_MS = 150 };

static const char *const names[] = { "read", "write", "poll", "ioctl", "fsync", "rename", "close" };

static size_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void fill(uint8_t *buf, size_t len, uint8_t seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(seed + i * 7 + i / 251);
}

/* Without faults: the other side is the test's own. */
static void master_write(struct pty *t, const uint8_t *buf, size_t len)
{
	assert_int_equal(__real_write(t->master, buf, len), len);
}

static size_t master_read(struct pty *t, uint8_t *buf, size_t cap)
{
	size_t n = 0;
	ssize_t got;

	while (n < cap && (got = __real_read(t->master, buf + n, cap - n)) > 0)
		n += (size_t)got;
	return n;
}

static int read_all(struct port *p, uint8_t *buf, size_t len)
{
	uint64_t until = ms_now() + 4 * WAIT_MS;
	size_t n = 0;
	int rc = 0;

	while (n < len && ms_now() < until) {
		rc = port_read(p, buf + n, len - n, WAIT_MS);
		if (rc < 0)
			return rc;
		n += (size_t)rc;
	}
	return n == len ? 0 : ESP_E_TIMEOUT;
}

/* Everything that is done with a port: 0 or the error. What arrives is right or
 * it does not arrive. */
static int use(struct pty *t)
{
	uint8_t out[BYTES], in[BYTES], got[BYTES];
	struct port p;
	int rc;

	fill(out, sizeof out, 1);
	fill(in, sizeof in, 2);
	port_init(&p);
	rc = port_open(&p, t->path, 115200);
	if (rc == 0)
		rc = port_write(&p, out, sizeof out, WAIT_MS);
	if (rc == 0) {
		assert_int_equal(master_read(t, got, sizeof got), sizeof out);
		assert_memory_equal(got, out, sizeof out);
		master_write(t, in, sizeof in);
		rc = read_all(&p, got, sizeof got);
	}
	if (rc == 0) {
		assert_memory_equal(got, in, sizeof in);
		rc = port_drain(&p, WAIT_MS);
	}
	if (rc == 0)
		rc = port_set_baud(&p, 921600);
	if (rc == 0)
		rc = port_flush(&p);
	if (rc < 0 && rc != ESP_E_TIMEOUT)
		assert_true(p.err.code == rc && p.err.text[0]);
	sys_relent();
	port_close(&p);
	return rc;
}

static const char *describe(enum sys_call call, int error, long k, bool for_good)
{
	static char text[128];

	snprintf(text, sizeof text, "%s %ld%s: %s", names[call], k, for_good ? " and on" : "",
		 error == SYS_SHORT ? "one byte" : strerror(error));
	return text;
}

/* One call after the other, until none is left. With `good` all must go well. */
static void each(enum sys_call call, int error, bool for_good, bool good)
{
	long k = 0, hits;

	do {
		size_t fds = open_fds();
		uint64_t start = ms_now();
		struct pty t;
		int rc;

		pty_open(&t);
		sys_plan(call, error, ++k, for_good);
		rc = use(&t);
		hits = sys.hits;
		pty_close(&t);
		if (open_fds() != fds)
			fail_msg("%s: a descriptor is left open", describe(call, error, k, for_good));
		if (good && rc < 0)
			fail_msg("%s: error %d", describe(call, error, k, for_good), rc);
		if (rc < 0 && rc != ESP_E_GONE && rc != ESP_E_IO && rc != ESP_E_TIMEOUT)
			fail_msg("%s: error %d", describe(call, error, k, for_good), rc);
		if (ms_now() - start > 5000)
			fail_msg("%s: took too long", describe(call, error, k, for_good));
	} while (hits > 0 && k < 200);
	assert_true(k > 1);
}

static void interrupted_calls_are_made_again(void **state)
{
	static const enum sys_call calls[] = { SYS_READ, SYS_WRITE, SYS_POLL };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		each(calls[i], EINTR, false, true);
		each(calls[i], EAGAIN, false, true);
	}
}

static void calls_that_do_a_part_lose_nothing(void **state)
{
	(void)state;
	each(SYS_READ, SYS_SHORT, false, true);
	each(SYS_WRITE, SYS_SHORT, false, true);
	each(SYS_READ, SYS_SHORT, true, true);
	each(SYS_WRITE, SYS_SHORT, true, true);
}

static void what_never_gets_anywhere_ends_in_time(void **state)
{
	(void)state;
	each(SYS_READ, EINTR, true, false);
	each(SYS_READ, EAGAIN, true, false);
	each(SYS_WRITE, EAGAIN, true, false);
	each(SYS_POLL, EINTR, true, false);
}

static void a_device_that_fails_is_an_error_and_is_closed(void **state)
{
	static const int errors[] = { EIO, ENODEV, ENOMEM, EBADF };

	(void)state;
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		for (int call = SYS_READ; call <= SYS_IOCTL; call++) {
			each((enum sys_call)call, errors[i], false, false);
			each((enum sys_call)call, errors[i], true, false);
		}
}

static void a_device_that_left_is_gone(void **state)
{
	struct pty t;
	int i;
	static const struct {
		enum sys_call call;
		int error;
	} left[] = { { SYS_READ, EIO }, { SYS_READ, ENODEV }, { SYS_WRITE, EIO }, { SYS_WRITE, ENXIO },
		{ SYS_POLL, ENODEV }, { SYS_IOCTL, EIO } };

	(void)state;
	for (i = 0; i < (int)(sizeof left / sizeof left[0]); i++) {
		pty_open(&t);
		sys_plan(left[i].call, left[i].error, left[i].call == SYS_IOCTL ? 3 : 1, true);
		assert_int_equal(use(&t), ESP_E_GONE);
		pty_close(&t);
	}
}

/* ---- files ---- */

static const char old_text[] = "what was there before";

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static bool holds(const char *path, const char *text, size_t len)
{
	char buf[8192];
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(buf, 1, sizeof buf, f) : 0;

	if (f)
		fclose(f);
	return f && n == len && memcmp(buf, text, len) == 0;
}

/* esp.write_file(path, 5000 times "x") over an old file: whether it went well. */
static bool write_file(const char *path, char *why, size_t size)
{
	lua_State *L = luaL_newstate();
	bool ok;

	luaL_openlibs(L);
	luaL_requiref(L, "esp", luaopen_esp, 1);
	lua_pushstring(L, path);
	lua_setglobal(L, "path");
	assert_int_equal(luaL_dostring(L, "ok, why, code = esp.write_file(path, ('x'):rep(5000))"),
			 LUA_OK);
	sys_relent();
	lua_getglobal(L, "ok");
	ok = lua_toboolean(L, -1);
	lua_getglobal(L, "why");
	snprintf(why, size, "%s", ok ? "" : lua_tostring(L, -1));
	lua_getglobal(L, "code");
	if (!ok)
		assert_string_equal(lua_tostring(L, -1), "io");
	lua_close(L);
	return ok;
}

static void each_file(enum sys_call call, int error, bool for_good, bool good)
{
	char path[] = "/tmp/test_syscalls_XXXXXX", part[64], why[512], want[5000];
	int fd = mkstemp(path);
	long k = 0, hits;

	close(fd);
	snprintf(part, sizeof part, "%s.part", path);
	memset(want, 'x', sizeof want);
	do {
		size_t fds = open_fds();
		bool ok;

		put_file(path, old_text);
		sys_plan(call, error, ++k, for_good);
		ok = write_file(path, why, sizeof why);
		hits = sys.hits;
		if (open_fds() != fds)
			fail_msg("%s: a descriptor is left open", describe(call, error, k, for_good));
		if (good && !ok)
			fail_msg("%s: %s", describe(call, error, k, for_good), why);
		if (!ok && !strstr(why, path))
			fail_msg("%s: %s", describe(call, error, k, for_good), why);
		if (ok ? !holds(path, want, sizeof want) :
			 !holds(path, old_text, sizeof old_text - 1))
			fail_msg("%s: the file is neither the old nor the new one",
				 describe(call, error, k, for_good));
		if (access(part, F_OK) == 0)
			fail_msg("%s: a part is left", describe(call, error, k, for_good));
	} while (hits > 0 && k < 100);
	unlink(path);
}

static void a_file_is_whole_in_spite_of_interruptions(void **state)
{
	(void)state;
	each_file(SYS_WRITE, EINTR, false, true);
	each_file(SYS_WRITE, SYS_SHORT, false, true);
	each_file(SYS_WRITE, SYS_SHORT, true, true);
}

static void a_file_that_cannot_be_written_leaves_the_old_one(void **state)
{
	static const int errors[] = { ENOSPC, EIO, EDQUOT, EFBIG };
	static const enum sys_call calls[] = { SYS_WRITE, SYS_FSYNC, SYS_RENAME, SYS_CLOSE };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 4; j++) {
			each_file(calls[i], errors[j], false, false);
			each_file(calls[i], errors[j], true, false);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interrupted_calls_are_made_again),
		cmocka_unit_test(calls_that_do_a_part_lose_nothing),
		cmocka_unit_test(what_never_gets_anywhere_ends_in_time),
		cmocka_unit_test(a_device_that_fails_is_an_error_and_is_closed),
		cmocka_unit_test(a_device_that_left_is_gone),
		cmocka_unit_test(a_file_is_whole_in_spite_of_interruptions),
		cmocka_unit_test(a_file_that_cannot_be_written_leaves_the_old_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
