/* main.c - a Lua state with the embedded files, and one command run in it.
 *
 * Which command, and what it does, is policy: lualib/moonflash/cli.lua. Here
 * are only the start, the signals and the last words: an error that reaches
 * the top is printed with its hint and its exit code.
 */
#include "embed.h"
#include "lua/esp_confine.h"
#include "lua/esp_lua.h"
#include "port/port.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lualib.h>

int luaopen_lfs(lua_State *L);

#define HOOK_EVERY 10000	/* instructions between looks at the signal flag */
#define INTERRUPT_KEY "moonflash.interrupt"
#define STUCK_S 10		/* a command that has not ended by then hangs in C code */
#define EXIT_SCRIPT 1
#define EXIT_CHANGED 8
#define EXIT_SYSTEM 9
#define EXIT_INTERRUPTED 130
#define LAST_WORDS "\nmoonflash: interrupted at once; flash may have been changed in part\n" \
	"hint: run the same command again\n"

/* The first signal lets the command finish its frame and say what it did; the
 * second one is final, and so is an alarm: matching a bad pattern may take for ever,
 * and nobody looks at the flag there. */
static void on_signal(int sig)
{
	ssize_t said = 0;

	(void)sig;
	if (port_interrupted) {
		esp_terminal_restore();
		said = write(STDERR_FILENO, LAST_WORDS, sizeof LAST_WORDS - 1);
		(void)said;		/* nobody may listen; the end is the same */
		_exit(EXIT_INTERRUPTED);
	}
	port_interrupted = 1;
	alarm(STUCK_S);
}

static void catch_signals(void)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM };
	struct sigaction sa = { .sa_handler = on_signal };
	size_t i;

	for (i = 0; i < sizeof caught / sizeof caught[0]; i++)
		sigaction(caught[i], &sa, NULL);	/* no SA_RESTART: poll must wake */
	signal(SIGPIPE, SIG_IGN);	/* a closed pipe must not stop a half-done write */
	signal(SIGXFSZ, SIG_IGN);	/* nor a limit of file sizes: write(2) says EFBIG */
}

static int is_users(lua_State *L, lua_Debug *ar)
{
	return lua_getinfo(L, "S", ar) && ar->source[0] == '@';
}

/* Lua code between two port calls sees the flag here. Coroutines inherit the
 * hook because it is set before the first of them. From then on every line of a
 * file of the user's raises again, so that no pcall keeps it going; our own code
 * goes on to say what has happened. */
static void on_count(lua_State *L, lua_Debug *ar)
{
	if (!port_interrupted)
		return;
	lua_sethook(L, on_count, LUA_MASKCOUNT | LUA_MASKLINE, HOOK_EVERY);
	if ((ar->event == LUA_HOOKLINE || port_interrupted == PORT_INTERRUPT_TOLD) &&
	    !is_users(L, ar))
		return;
	port_interrupted = PORT_INTERRUPT_TOLD;
	lua_getfield(L, LUA_REGISTRYINDEX, INTERRUPT_KEY);	/* what cli.lua wants raised */
	lua_error(L);
}

static int load_embedded(lua_State *L, const char *name, const char *shown)
{
	const struct embed_file *f = embed_find(name);

	if (!f)
		return 0;
	lua_pushfstring(L, "=%s", shown);
	if (luaL_loadbufferx(L, f->start, (size_t)(f->end - f->start), lua_tostring(L, -1),
			     "t") != LUA_OK)
		lua_error(L);
	lua_remove(L, -2);
	return 1;
}

/* The package searcher for what is inside: lualib/NAME.lua, lualib/NAME/init.lua,
 * third/NAME.lua. */
static int search_embedded(lua_State *L)
{
	static const char *const where[] = { "lualib/%s.lua", "lualib/%s/init.lua",
		"third/%s.lua" };
	const char *module = luaL_gsub(L, luaL_checkstring(L, 1), ".", "/");
	size_t i;

	for (i = 0; i < sizeof where / sizeof where[0]; i++) {
		const char *name = lua_pushfstring(L, where[i], module);

		if (load_embedded(L, name, name)) {
			lua_pushstring(L, name);
			return 2;
		}
	}
	lua_pushfstring(L, "no embedded module '%s'", module);
	return 1;
}

/* embedded(name) -> text of an embedded file, or nil; embedded() -> all names */
static int l_embedded(lua_State *L)
{
	const struct embed_file *f;

	if (!lua_isnoneornil(L, 1)) {
		f = embed_find(luaL_checkstring(L, 1));
		if (!f)
			return 0;
		lua_pushlstring(L, f->start, (size_t)(f->end - f->start));
		return 1;
	}
	lua_newtable(L);
	for (f = embed_files; f->name; f++) {
		lua_pushstring(L, f->name);
		lua_rawseti(L, -2, luaL_len(L, -2) + 1);
	}
	return 1;
}

/* on_interrupt(e): what a signal raises in running Lua code */
static int l_on_interrupt(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_settop(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, INTERRUPT_KEY);
	return 0;
}

/* Its address is the key of "flash may have been changed" in the registry. */
static const char changed_key = 0;

/* note_change(): from now on the end of memory is the end of a half-done change.
 * It needs no memory itself. */
static int l_note_change(lua_State *L)
{
	lua_pushboolean(L, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &changed_key);
	return 0;
}

/* Inserts the searcher behind package.preload and before the system's path, so
 * that a module of ours is never taken from the machine by accident. What -L
 * and MOONFLASH_PATH name goes before it (cli.lua). */
static void add_searcher(lua_State *L)
{
	lua_getglobal(L, "table");
	lua_getfield(L, -1, "insert");
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "searchers");
	lua_remove(L, -2);
	lua_pushinteger(L, 2);
	lua_pushcfunction(L, search_embedded);
	lua_call(L, 3, 0);
	lua_pop(L, 1);
}

static void open_libraries(lua_State *L)
{
	luaL_openlibs(L);
	luaL_requiref(L, "esp", luaopen_esp, 0);
	lua_pushcfunction(L, l_embedded);
	lua_setfield(L, -2, "embedded");
	lua_pushcfunction(L, l_on_interrupt);
	lua_setfield(L, -2, "on_interrupt");
	lua_pushcfunction(L, l_note_change);
	lua_setfield(L, -2, "note_change");
	lua_pushboolean(L, 0);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &changed_key);
	luaL_requiref(L, "lfs", luaopen_lfs, 0);
	lua_pop(L, 2);
	add_searcher(L);
}

static void push_args(lua_State *L, int argc, char **argv)
{
	int i;

	lua_createtable(L, argc, 1);
	for (i = 0; i < argc; i++) {
		lua_pushstring(L, argv[i]);
		lua_rawseti(L, -2, i);
	}
	lua_pushvalue(L, -1);
	lua_setglobal(L, "arg");
}

/* Runs require("moonflash.cli").main(arg) -> exit code. */
static int run(lua_State *L)
{
	struct { int argc; char **argv; } *a = lua_touserdata(L, 1);

	open_libraries(L);
	lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_EVERY);
	lua_getglobal(L, "require");
	lua_pushstring(L, "moonflash.cli");
	lua_call(L, 1, 1);
	lua_getfield(L, -1, "main");
	push_args(L, a->argc, a->argv);
	lua_call(L, 1, 1);
	return 1;
}

/* Nothing here asks for memory. */
static int report_no_memory(lua_State *L)
{
	int changed;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &changed_key);
	changed = lua_toboolean(L, -1);
	fprintf(stderr, "moonflash: not enough memory\n");
	if (changed)
		fprintf(stderr, "hint: the chip may have been changed in part; run the same command"
			" again to repair it\n");
	return changed ? EXIT_CHANGED : EXIT_SYSTEM;
}

/* cli.main catches what commands raise and prints it; what comes here is an
 * error in cli.lua itself, or no memory. */
static int report(lua_State *L, int rc)
{
	const char *text;

	if (rc == LUA_OK)
		return (int)lua_tointeger(L, -1);
	if (rc == LUA_ERRMEM)
		return report_no_memory(L);
	text = luaL_tolstring(L, -1, NULL);
	fprintf(stderr, "moonflash: %s\n", text);
	return port_interrupted ? EXIT_INTERRUPTED : EXIT_SCRIPT;
}

int main(int argc, char **argv)
{
	struct { int argc; char **argv; } args = { argc, argv };
	struct esp_memory memory = { 0, 0 };
	lua_State *L = luaL_newstate();
	int code;

	if (!L) {
		fprintf(stderr, "moonflash: not enough memory\n");
		return EXIT_SYSTEM;
	}
	catch_signals();
	esp_memory_watch(L, &memory);
	lua_pushcfunction(L, run);
	lua_pushlightuserdata(L, &args);
	code = report(L, lua_pcall(L, 1, 1, 0));
	lua_close(L);
	if (fflush(stdout) != 0 && code == 0)
		code = EXIT_SYSTEM;	/* what was asked for did not reach its reader */
	return code;
}
