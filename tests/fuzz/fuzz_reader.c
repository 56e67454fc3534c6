/* Readers written in Lua, against files and logs that anyone may have made.
 *
 * One program for all of them: FUZZ_READER names a file of tests/fuzz/readers.
 * What it is given ends, within limits on instructions and memory, in an answer
 * or in an error table with a code; tests/fuzz/reader.lua judges that. libFuzzer
 * sees nothing of Lua code by itself: a line hook counts which line followed which.
 * fuzz-sources: src/lua/esp_bytes.c src/embed.c -Wl,-Bstatic -l:liblua5.4-filesystem.a -llua5.4 -ldeflate -lmd -Wl,-Bdynamic -lm -ldl
 */
#include "../../src/embed.h"
#include "../../src/lua/esp_lua.h"

#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int luaopen_lfs(lua_State *L);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

/* libFuzzer's own; replay.c has one, too. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

#define EDGES 65536
#define HOOK_EVERY 1000
/* A second of the interpreter's time on a slow machine, whatever runs beside it. */
#define INSTRUCTIONS_MAX 50000000
#define CPU_SECONDS_MAX 3.0
#define MEMORY_MAX ((size_t)64 << 20)
#define MEMORY_FACTOR 8

__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t edges[EDGES];

static struct {
	lua_State *L;
	size_t used, limit;		/* bytes of the Lua state */
	size_t refused;			/* the last allocation that was */
	int exhausted;			/* refused even after a collection */
	long instructions;
	uint32_t line;			/* the one before, hashed */
} fz;

static void *allocate(void *ud, void *ptr, size_t osize, size_t nsize)
{
	size_t old = ptr ? osize : 0;
	void *p;

	(void)ud;
	if (nsize == 0) {
		fz.used -= old;
		free(ptr);
		return NULL;
	}
	if (nsize > old && fz.limit && fz.used - old + nsize > fz.limit) {
		fz.exhausted |= fz.refused == nsize;	/* Lua collects and tries again */
		fz.refused = nsize;
		return NULL;
	}
	p = realloc(ptr, nsize);
	if (p)
		fz.used += nsize - old;
	fz.refused = 0;
	return p;
}

static void die(lua_State *L, const char *why)
{
	luaL_traceback(L, L, why, 0);
	fprintf(stderr, "%s\n", lua_tostring(L, -1));
	abort();
}

static void on_hook(lua_State *L, lua_Debug *ar)
{
	uint32_t line;

	if (ar->event == LUA_HOOKCOUNT) {
		fz.instructions += HOOK_EVERY;
		if (fz.instructions > INSTRUCTIONS_MAX)
			die(L, "too many instructions");
		return;
	}
	lua_getinfo(L, "S", ar);
	line = (uint32_t)ar->currentline * 2654435761u ^ (uint32_t)((uintptr_t)ar->source >> 4);
	line = (line ^ line >> 15) % EDGES;
	edges[(line ^ fz.line) % EDGES]++;
	fz.line = line >> 1;
}

static int search_embedded(lua_State *L)
{
	static const char *const where[] = { "lualib/%s.lua", "lualib/%s/init.lua",
		"third/%s.lua" };
	const char *module = luaL_gsub(L, luaL_checkstring(L, 1), ".", "/");
	size_t i;

	for (i = 0; i < sizeof where / sizeof where[0]; i++) {
		const char *name = lua_pushfstring(L, where[i], module);
		const struct embed_file *f = embed_find(name);

		if (f && luaL_loadbuffer(L, f->start, (size_t)(f->end - f->start),
					 lua_pushfstring(L, "=%s", name)) == LUA_OK)
			return 1;
		if (f)
			return lua_error(L);
	}
	lua_pushfstring(L, "no embedded module '%s'", module);
	return 1;
}

static int open_esp(lua_State *L)
{
	lua_newtable(L);
	esp_open_bytes(L);
	return 1;
}

/* Leaves the target of tests/fuzz/reader.lua on the stack: { run, repair, words } */
static int load_target(lua_State *L)
{
	luaL_openlibs(L);
	luaL_requiref(L, "esp", open_esp, 0);
	luaL_requiref(L, "lfs", luaopen_lfs, 0);
	lua_getglobal(L, "table");
	lua_getfield(L, -1, "insert");
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "searchers");
	lua_remove(L, -2);
	lua_pushinteger(L, 2);
	lua_pushcfunction(L, search_embedded);
	lua_call(L, 3, 0);
	if (luaL_loadfile(L, "tests/fuzz/reader.lua") != LUA_OK)
		return lua_error(L);
	lua_pushstring(L, getenv("FUZZ_READER"));
	lua_call(L, 1, 1);
	return 1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fz.L = lua_newstate(allocate, NULL);
	lua_pushcfunction(fz.L, load_target);
	if (lua_pcall(fz.L, 0, 1, 0) != LUA_OK) {
		fprintf(stderr, "fuzz_reader: %s\n", lua_tostring(fz.L, -1));
		exit(1);
	}
	lua_gc(fz.L, LUA_GCCOLLECT);
	return 0;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Calls target.NAME(bytes) with the limits on; leaves its answer. */
static void call(const char *name, const uint8_t *data, size_t size, int mask)
{
	size_t room = size * MEMORY_FACTOR > MEMORY_MAX ? size * MEMORY_FACTOR : MEMORY_MAX;
	double start = cpu_seconds();

	lua_settop(fz.L, 1);
	lua_getfield(fz.L, 1, name);
	lua_pushlstring(fz.L, (const char *)data, size);
	fz.limit = fz.used + room;
	fz.exhausted = 0;
	fz.instructions = 0;
	fz.line = 0;
	lua_sethook(fz.L, on_hook, mask, HOOK_EVERY);
	if (lua_pcall(fz.L, 1, 1, 0) != LUA_OK) {
		fprintf(stderr, "%s\n", luaL_tolstring(fz.L, -1, NULL));
		abort();
	}
	lua_sethook(fz.L, NULL, 0, 0);
	fz.limit = 0;
	if (fz.exhausted)
		die(fz.L, "too much memory");
	if (cpu_seconds() - start > CPU_SECONDS_MAX)
		die(fz.L, "too much time");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	call("run", data, size, LUA_MASKLINE | LUA_MASKCOUNT);
	return 0;
}

/* One of the target's words somewhere into the data. */
static size_t put_word(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	size_t len, at = size ? seed / 64 % size : 0;
	const char *word;

	lua_settop(fz.L, 1);
	if (lua_getfield(fz.L, 1, "words") != LUA_TTABLE || luaL_len(fz.L, -1) == 0)
		return size;
	lua_rawgeti(fz.L, -1, (lua_Integer)(seed / 7 % (unsigned)luaL_len(fz.L, -1)) + 1);
	word = lua_tolstring(fz.L, -1, &len);
	if (len > max - at)
		return size;
	if (seed & 32 && size + len <= max) {
		memmove(data + at + len, data + at, size - at);
		size += len;
	}
	memcpy(data + at, word, len);
	return size > at + len ? size : at + len;
}

/* Mutates, and mostly mends check sums and the like afterwards, which chance
 * would never hit. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	const char *mended;
	size_t len;

	if (seed % 8 == 0)
		size = put_word(data, size, max, seed);
	else
		size = LLVMFuzzerMutate(data, size, max);
	lua_settop(fz.L, 1);
	if (seed / 8 % 4 == 0 || lua_getfield(fz.L, 1, "repair") != LUA_TFUNCTION)
		return size;
	call("repair", data, size, 0);
	mended = lua_tolstring(fz.L, -1, &len);
	if (!mended || len > max)
		return size;
	memcpy(data, mended, len);
	return len;
}
