/* Children of this program for Lua: esp.process.fork. */
#include "esp_process.h"
#include "esp_io.h"
#include "esp_lua.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIPE_TYPE "esp.pipe"
#define EXIT_SCRIPT 1

static int exit_code_of(lua_State *L, int rc)
{
	if (rc == LUA_OK)
		return lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) & 0xff : 0;
	fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
	return EXIT_SCRIPT;
}

/* The child's life: the function at stack index 1, and nothing after it. Neither
 * exit handlers nor the Lua state's closing run, they are the parent's. */
static void __attribute__((noreturn)) live(lua_State *L, pid_t parent, int events, int output)
{
	struct esp_process_fd *w;
	sigset_t set;
	int code, null = esp_process_open_null();

	port_interrupted = 0;		/* before esp_process_begin(), which may raise anew */
	esp_process_begin(parent, null, output);
	esp_process_close_fd(&null);
	close(output);
	esp_process_caught(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	lua_pushvalue(L, 1);
	w = lua_newuserdatauv(L, sizeof *w, 0);
	w->fd = events;
	luaL_setmetatable(L, PIPE_TYPE);
	code = exit_code_of(L, lua_pcall(L, 1, 1, 0));
	fflush(NULL);
	_exit(code);
}

/* esp.process.fork(fn) -> process | nil, message, code
 * The child runs fn(events) and ends with the integer that it returns; what it
 * writes to events comes out of process:read("events"), what it prints out of
 * process:read("output"). Signals act in it as at the start of the program. */
static int l_fork(lua_State *L)
{
	pid_t parent = getpid();
	int events = -1, output = -1, why;
	struct esp_process *p;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	p = esp_process_new(L);
	fflush(NULL);		/* or both would write what is buffered */
	if (esp_process_pipe(&p->events, &events) < 0 || esp_process_pipe(&p->output, &output) < 0 ||
	    (p->pid = fork()) < 0) {
		why = errno;
		esp_process_close_fd(&events);
		esp_process_close_fd(&output);
		return esp_process_fail(L, "cannot start a process", why);
	}
	if (p->pid == 0) {
		esp_process_close_fd(&p->events);
		esp_process_close_fd(&p->output);
		live(L, parent, events, output);
	}
	p->ended = false;
	setpgid(p->pid, p->pid);	/* whichever of the two is first */
	close(events);
	close(output);
	return 1;
}

/* events:write(bytes) -> true | nil, message, code; waits for room */
static int l_pipe_write(lua_State *L)
{
	struct esp_process_fd *w = luaL_checkudata(L, 1, PIPE_TYPE);
	size_t len;
	const char *s = luaL_checklstring(L, 2, &len);

	if (esp_io_write(w->fd, s, len) < 0)
		return esp_process_fail(L, "write", errno);
	return esp_push_ok(L, 0, NULL);
}

static const luaL_Reg pipe_methods[] = { { "write", l_pipe_write }, { NULL, NULL } };

static const luaL_Reg functions[] = { { "fork", l_fork }, { NULL, NULL } };

void esp_process_open_fork(lua_State *L)
{
	esp_process_type(L, PIPE_TYPE, pipe_methods);
	luaL_setfuncs(L, functions, 0);
}
