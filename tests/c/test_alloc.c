/* Memory that runs out, at every place in turn: each binding ends in an error or
 * in its answer, leaves nothing behind, no memory and no descriptor, and works
 * the next time. ALLOC_BUDGET=n tries about n places instead of some. */
#include "alloc_fail.h"
#include "embed.h"
#include "lua/esp_lua.h"
#include "port_pty.h"

#include <dirent.h>
#include <lualib.h>


struct job {
	const char *text;
	const char *name;	/* of the global `path`: a pty or a file */
	long total;		/* allocations of the last run */
};

static size_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* In protected mode: libraries and the text, ready to be called. */
static int load(lua_State *L)
{
	const struct job *j = lua_touserdata(L, 1);

	luaL_openlibs(L);
	luaL_requiref(L, "esp", luaopen_esp, 1);
	lua_pushstring(L, j->name);
	lua_setglobal(L, "path");
	if (luaL_loadstring(L, j->text) != LUA_OK)
		return lua_error(L);
	return 1;
}

/* Runs it with the k-th allocation failing. Answers whether it went well. */
static bool attempt(struct job *j, long k, bool for_good, char *message, size_t size)
{
	size_t fds = open_fds();
	lua_State *L;
	bool ok;

	af_start();
	L = luaL_newstate();
	lua_pushcfunction(L, load);
	lua_pushlightuserdata(L, j);
	ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
	if (ok) {
		af_plan(k, for_good);
		ok = lua_pcall(L, 0, 0, 0) == LUA_OK;
		j->total = af.count;
		af_plan(0, false);
	}
	snprintf(message, size, "%s", ok ? "" : lua_tostring(L, -1));
	lua_close(L);
	af_stop();
	if (af.live)
		fail_msg("%s\nallocation %ld%s: %zu blocks left behind (%s)", j->text, k,
			 for_good ? " and all after it" : "", af.live, message);
	if (open_fds() != fds)
		fail_msg("%s\nallocation %ld: a descriptor left open (%s)", j->text, k, message);
	return ok;
}

/* A failure says so, and nothing else went wrong because of it. */
static void check_message(const struct job *j, long k, const char *message)
{
	if (!strstr(message, "memory"))
		fail_msg("%s\nallocation %ld: unexpected: %s", j->text, k, message);
}

/* About `budget` allocations are tried, unless all are. */
static void run_some(const char *text, const char *name, long budget)
{
	struct job j = { text, name, 0 };
	char message[512];
	long k, total;
	int for_good;

	if (!attempt(&j, 0, false, message, sizeof message))
		fail_msg("%s\nfails with all the memory: %s", text, message);
	total = j.total;
	for (for_good = 0; for_good < 2; for_good++)
		for (k = 1; k <= total; k = af_next(k, total, budget))
			if (!attempt(&j, k, for_good, message, sizeof message))
				check_message(&j, k, message);
	if (!attempt(&j, 0, false, message, sizeof message))
		fail_msg("%s\nfails afterwards: %s", text, message);
}

static void run(const char *text, const char *name)
{
	run_some(text, name, 100);
}

static void digests_and_compression(void **state)
{
	(void)state;
	run("local data = ('moonflash'):rep(3000)\n"
	    "assert(#esp.md5(data) == 32 and #esp.sha256(data) == 64)\n"
	    "local sum = esp.sha256_begin()\n"
	    "assert(sum:add(data):hex() == esp.sha256(data))\n"
	    "assert(#esp.sector_crcs(data) == 7 and esp.crc32(data))\n"
	    "for _, form in ipairs { 'deflate', 'zlib' } do\n"
	    "  local packed = esp.deflate(data, 9, form)\n"
	    "  assert(esp.inflate(packed, #data, form) == data)\n"
	    "  assert(not esp.inflate(packed, 10, form))\n"
	    "end\n", "");
}

static void the_list_of_ports(void **state)
{
	(void)state;
	run("assert(type(assert(esp.ports())) == 'table')", "");
}

static void a_terminal_as_port(void **state)
{
	struct pty pty;

	(void)state;
	pty_open(&pty);
	run("local p <close> = assert(esp.open(path, 115200))\n"
	    "assert(p:write('hello') and p:flush() and p:lines { dtr = true })\n"
	    "assert(p:baud(9600) and p:info().kind == 'tty' and tostring(p))\n"
	    "assert(p:read(100, 1) == '')\n", pty.path);
	pty_close(&pty);
}

static void a_port_that_is_not_there(void **state)
{
	(void)state;
	run("local p, why, code = esp.open('/dev/no-such-port')\n"
	    "assert(not p and code == 'missing' or code == 'nomem', why)\n"
	    "p, why, code = esp.open('rfc2217://[')\n"
	    "assert(not p and code == 'argument' or code == 'nomem', why)\n", "");
}

static void a_simulated_chip_and_a_look_inside(void **state)
{
	(void)state;
	run("local sim = assert(esp.sim { size = '512K', wiring = 'none', strap = 1 })\n"
	    "assert(sim:port():info().virtual and sim:flash_size() == 0x80000)\n"
	    "sim:set_flash(0, 'x')\n"
	    "assert(sim:flash(0, 4096) and sim:stats().resets and sim:cpu().a[1])\n"
	    "assert(#sim:sector_erases() == 128 and #sim:page_programs() == 2048)\n"
	    "assert(#esp.sim_options() > 10 and esp.sim_of(sim:port()))\n"
	    "sim:port():close()\n", "");
}

static void the_roms_loader(void **state)
{
	(void)state;
	run("local sim = assert(esp.sim { size = '512K' })\n"
	    "local port <close> = sim:port()\n"
	    "local rom = esp.rom(port)\n"
	    "assert(rom:connect { reset = 'nodemcu' })\n"
	    "assert(rom:read_reg(0x3ff00050) and rom:flash_id())\n"
	    "assert(rom:command { op = 0x0a, words = { 0x3ff00050 } })\n"
	    "assert(rom:load_ram(0x3ffe8000, ('x'):rep(64)))\n", "");
}

static void our_stub(void **state)
{
	(void)state;
	run_some("local sim = assert(esp.sim { size = '512K' })\n"
	    "local port <close> = sim:port()\n"
	    "local rom = esp.rom(port)\n"
	    "assert(rom:connect { reset = 'nodemcu' })\n"
	    "local stub <close> = assert(esp.stub(rom))\n"
	    "assert(stub:info() and stub:ping('x') and stub:hello().version)\n"
	    "assert(stub:write_begin(0, 4096) and stub:write_unit(0, ('moon'):rep(1024)))\n"
	    "assert(stub:write_end() and stub:read(0, 4096) == ('moon'):rep(1024))\n"
	    "assert(#stub:hashes(0, 0x10000) == 16 and stub:digest(0, 4096))\n"
	    "assert(stub:mem_read(0x3ffe8000, 16) and stub:counters() and stub:state())\n", "", 25);
}

static void a_file_is_written_whole_or_not_at_all(void **state)
{
	char path[] = "/tmp/test_alloc_XXXXXX";
	FILE *f;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	run("local ok, why = esp.write_file(path, ('x'):rep(5000))\n"
	    "assert(ok, why)\n", path);
	f = fopen(path, "r");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	assert_int_equal(ftell(f), 5000);
	fclose(f);
	unlink(path);
}

static void a_program_is_run(void **state)
{
	(void)state;
	run("local p <close> = assert(esp.process.spawn { 'echo', 'hello', env = { A = 'b' } })\n"
	    "repeat\n"
	    "  local got = p:read('output')\n"
	    "until not got\n"
	    "p:wait()\n", "");
}

static void a_chip_is_served(void **state)
{
	(void)state;
	run("local sim = assert(esp.sim { size = '512K', wiring = 'none', strap = 1 })\n"
	    "local where\n"
	    "assert(esp.serve({ { sim, 'pty' } }, 1, function(list) where = list[1] end))\n"
	    "assert(where)\n"
	    "sim:port():close()\n", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_and_compression),
		cmocka_unit_test(the_list_of_ports),
		cmocka_unit_test(a_terminal_as_port),
		cmocka_unit_test(a_port_that_is_not_there),
		cmocka_unit_test(a_simulated_chip_and_a_look_inside),
		cmocka_unit_test(the_roms_loader),
		cmocka_unit_test(our_stub),
		cmocka_unit_test(a_file_is_written_whole_or_not_at_all),
		cmocka_unit_test(a_program_is_run),
		cmocka_unit_test(a_chip_is_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
