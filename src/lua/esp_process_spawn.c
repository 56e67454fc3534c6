/* Other programs for Lua, never through a shell: esp.process.spawn. */
#include "esp_process.h"
#include "esp_io.h"
#include "esp_lua.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARGS_MAX 1024
#define EXIT_NO_PROGRAM 127	/* as a shell says it */

/* The strings of the list at stack index 1, NULL behind them. They live as long
 * as the list does. */
static char **push_argv(lua_State *L)
{
	lua_Integer i, n = luaL_len(L, 1);
	char **argv;

	luaL_argcheck(L, n >= 1 && n <= ARGS_MAX, 1, "between 1 and 1024 words");
	argv = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *argv, 0);
	for (i = 0; i < n; i++) {
		luaL_argcheck(L, lua_rawgeti(L, 1, i + 1) == LUA_TSTRING, 1, "words are strings");
		argv[i] = (char *)lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	argv[n] = NULL;
	return argv;
}

/* Is NAME=... given anew in the table at stack index env? */
static bool is_replaced(lua_State *L, int env, const char *entry)
{
	bool found;

	lua_pushlstring(L, entry, strcspn(entry, "="));
	found = lua_rawget(L, env) != LUA_TNIL;
	lua_pop(L, 1);
	return found;
}

/* The environment with the fields of the table at stack index env, which holds
 * the new strings afterwards, in a table that is left below the answer. */
static char **push_env(lua_State *L, int env)
{
	size_t n = 0, room = 1;
	char **envp, **e;

	for (e = environ; e && *e; e++)
		room++;
	lua_newtable(L);		/* anchors the new strings */
	for (lua_pushnil(L); lua_next(L, env); room++) {
		luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_isstring(L, -1), 1,
			      "env holds strings by name");
		lua_pushfstring(L, "%s=%s", lua_tostring(L, -2), lua_tostring(L, -1));
		lua_rawseti(L, -4, luaL_len(L, -4) + 1);
		lua_pop(L, 1);
	}
	envp = lua_newuserdatauv(L, room * sizeof *envp, 0);
	for (e = environ; e && *e; e++)
		if (!is_replaced(L, env, *e))
			envp[n++] = *e;
	for (lua_Integer i = 1; lua_rawgeti(L, -2, i) == LUA_TSTRING; i++) {
		envp[n++] = (char *)lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	envp[n] = NULL;
	return envp;
}

/* A file in memory: the program may read it at its leisure or not at all. */
static int open_input(const char *s, size_t len)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	if (esp_io_write(fd, s, len) < 0) {
		esp_process_close_fd(&fd);
		return -1;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

struct program {
	char **argv, **envp;
	int input, output, report;	/* report: says why exec failed */
};

static void __attribute__((noreturn)) become(const struct program *g, pid_t parent)
{
	sigset_t none;
	int sig;

	esp_process_begin(parent, g->input, g->output);
	for (sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* whoever opened a descriptor without the flag: the program gets none */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	execvpe(g->argv[0], g->argv, g->envp);
	sig = errno;
	if (write(g->report, &sig, sizeof sig) < 0)
		_exit(EXIT_NO_PROGRAM);
	_exit(EXIT_NO_PROGRAM);
}

/* 0 once the program runs, else the errno of exec. */
static int why_not(int report)
{
	int error;
	ssize_t n;

	do
		n = read(report, &error, sizeof error);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof error ? error : 0;
}

static int start(struct esp_process *p, struct program *g)
{
	pid_t parent = getpid();
	int fd[2], error;

	if (esp_process_pipe(&p->output, &g->output) < 0 || pipe2(fd, O_CLOEXEC) < 0)
		return errno;
	g->report = fd[1];
	fflush(NULL);
	p->pid = fork();
	if (p->pid == 0)
		become(g, parent);
	error = p->pid < 0 ? errno : 0;
	p->ended = p->pid < 0;
	close(fd[1]);
	if (!error) {
		setpgid(p->pid, p->pid);
		error = why_not(fd[0]);
		if (error)
			esp_process_reap(p, 0);
	}
	close(fd[0]);
	return error;
}

/* esp.process.spawn{ word, word, ... [, env = { NAME = text }] [, input = bytes] }
 * -> process | nil, message, code. The first word is looked up in PATH; its
 * standard output and error come out of process:read("output"). */
static int l_spawn(lua_State *L)
{
	struct program g = { .output = -1 };
	struct esp_process *p;
	const char *input;
	size_t len = 0;
	int error;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	if (lua_getfield(L, 1, "env") == LUA_TNIL)
		lua_newtable(L);
	luaL_argcheck(L, lua_istable(L, -1), 1, "env is no table");
	g.envp = push_env(L, lua_gettop(L));
	g.argv = push_argv(L);
	lua_getfield(L, 1, "input");
	input = lua_tolstring(L, -1, &len);
	p = esp_process_new(L);
	g.input = input ? open_input(input, len) : esp_process_open_null();
	error = g.input < 0 ? errno : start(p, &g);
	esp_process_close_fd(&g.input);
	esp_process_close_fd(&g.output);
	if (!error)
		return 1;
	esp_process_close_fd(&p->output);
	return esp_process_fail(L, g.argv[0], error);
}

static const luaL_Reg functions[] = { { "spawn", l_spawn }, { NULL, NULL } };

void esp_process_open_spawn(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
}
