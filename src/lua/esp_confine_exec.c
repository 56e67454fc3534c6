/* Starting a program, without a shell, for a recipe that may. */
#include "esp_confine.h"
#include "esp_lua.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOB_TYPE "esp.job"
#define WORDS_MAX 256
#define OUTPUT_MAX (16 << 20)
#define LOOK_MS 200

extern char **environ;

struct job {
	pid_t pid;
	int fd;		/* what it prints */
};

static int l_end_job(lua_State *L)
{
	struct job *j = luaL_checkudata(L, 1, JOB_TYPE);

	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
	if (j->pid > 0) {
		kill(j->pid, SIGKILL);
		waitpid(j->pid, NULL, 0);
	}
	j->pid = 0;
	return 0;
}

static int fail(lua_State *L, const char *what, int why)
{
	luaL_pushfail(L);
	lua_pushfstring(L, "%s: %s", what, strerror(why));
	lua_pushstring(L, why == EINTR ? "interrupted" : "io");
	return 3;
}

static void read_words(lua_State *L, const char **argv)
{
	lua_Integer i, n = luaL_len(L, 1);

	luaL_argcheck(L, n >= 1 && n < WORDS_MAX, 1, "a program and its arguments");
	for (i = 0; i < n; i++) {
		luaL_argcheck(L, lua_geti(L, 1, i + 1) == LUA_TSTRING, 1, "words are strings");
		argv[i] = lua_tostring(L, -1);	/* the table keeps it */
		lua_pop(L, 1);
	}
	argv[n] = NULL;
}

/* Starts it in a folder, its output on a pipe, its input empty. */
static int start(struct job *j, const char **argv, const char *folder)
{
	posix_spawn_file_actions_t a;
	int ends[2], why;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return errno;
	posix_spawn_file_actions_init(&a);
	posix_spawn_file_actions_addopen(&a, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&a, ends[1], 1);
	posix_spawn_file_actions_adddup2(&a, ends[1], 2);
	posix_spawn_file_actions_addchdir_np(&a, folder);
	why = posix_spawnp(&j->pid, argv[0], &a, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&a);
	close(ends[1]);
	j->fd = ends[0];
	if (why)
		j->pid = 0;
	return why;
}

/* All that it prints, until it closes its output or a signal comes. */
static int collect(struct job *j, luaL_Buffer *b)
{
	struct pollfd p = { j->fd, POLLIN, 0 };
	size_t total = 0;

	while (!port_interrupted) {
		ssize_t n;

		if (poll(&p, 1, LOOK_MS) <= 0)
			continue;
		n = read(j->fd, luaL_prepbuffer(b), LUAL_BUFFERSIZE);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return errno;
		if (n > 0)
			luaL_addsize(b, (size_t)n);
		total += n > 0 ? (size_t)n : 0;
		if (total > OUTPUT_MAX)
			return EFBIG;
	}
	return EINTR;
}

static int wait_for(struct job *j)
{
	int status = 0;

	while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
		if (port_interrupted)
			return -1;
	j->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* esp.exec({ program, argument, ... } [, folder = "."]) -> exit code, output
 * | nil, message, word. No shell looks at the words. */
static int l_exec(lua_State *L)
{
	const char *argv[WORDS_MAX], *folder = luaL_optstring(L, 2, ".");
	struct job *j;
	luaL_Buffer b;
	int why, code;

	luaL_checktype(L, 1, LUA_TTABLE);
	read_words(L, argv);
	j = lua_newuserdatauv(L, sizeof *j, 0);
	*j = (struct job){ 0, -1 };
	luaL_setmetatable(L, JOB_TYPE);
	lua_toclose(L, -1);
	why = start(j, argv, *folder ? folder : ".");
	if (why)
		return fail(L, argv[0], why);
	luaL_buffinit(L, &b);
	why = collect(j, &b);
	if (why)
		return fail(L, argv[0], why);
	luaL_pushresult(&b);
	code = wait_for(j);
	if (code < 0)
		return fail(L, argv[0], EINTR);
	lua_pushinteger(L, code);
	lua_insert(L, -2);
	return 2;
}

void esp_open_exec(lua_State *L)
{
	luaL_newmetatable(L, JOB_TYPE);
	lua_pushcfunction(L, l_end_job);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "__gc");
	lua_setfield(L, -2, "__close");
	lua_pop(L, 1);
	lua_pushcfunction(L, l_exec);
	lua_setfield(L, -2, "exec");
}
