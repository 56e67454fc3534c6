/* Processes for Lua: esp.process, its handles and waiting for many of them at
 * once. How they start is in esp_process_fork.c and esp_process_spawn.c. */
#include "esp_process.h"
#include "esp_lua.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_MAX 65536
#define POLL_MAX 1024

int esp_process_fail(lua_State *L, const char *doing, int error)
{
	struct esp_error e;
	int code = error == ENOENT ? ESP_E_MISSING : error == EACCES ? ESP_E_ACCESS :
		error == ENOMEM ? ESP_E_NOMEM : error == EPIPE ? ESP_E_GONE : ESP_E_IO;

	esp_fail(&e, code, "%s: %s", doing, strerror(error));
	return esp_push_fail(L, &e);
}

void esp_process_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

struct esp_process *esp_process_new(lua_State *L)
{
	struct esp_process *p = lua_newuserdatauv(L, sizeof *p, 0);

	*p = (struct esp_process){ .owner = getpid(), .events = -1, .output = -1, .ended = true };
	luaL_setmetatable(L, ESP_PROCESS_TYPE);
	return p;
}

int esp_process_pipe(int *keep, int *give)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	*keep = fd[0];
	*give = fd[1];
	return fcntl(fd[0], F_SETFL, O_NONBLOCK);
}

void esp_process_reap(struct esp_process *p, int flags)
{
	pid_t got;

	if (p->ended || p->owner != getpid())
		return;
	do
		got = waitpid(p->pid, &p->status, flags);
	while (got < 0 && errno == EINTR);
	p->ended = got != 0;
}

void esp_process_type(lua_State *L, const char *name, const luaL_Reg *methods)
{
	luaL_newmetatable(L, name);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

/* ---- methods ---- */

static struct esp_process *check_process(lua_State *L)
{
	return luaL_checkudata(L, 1, ESP_PROCESS_TYPE);
}

/* process:read("events" | "output") -> bytes, "" when nothing came, nil when
 * the child has closed it and all was read */
static int l_read(lua_State *L)
{
	static const char *const streams[] = { "events", "output", NULL };
	struct esp_process *p = check_process(L);
	int *fd = luaL_checkoption(L, 2, NULL, streams) ? &p->output : &p->events;
	luaL_Buffer b;
	ssize_t n;

	if (*fd < 0)
		return 0;
	n = read(*fd, luaL_buffinitsize(L, &b, READ_MAX), READ_MAX);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		esp_process_close_fd(fd);
		return 0;
	}
	luaL_pushresultsize(&b, n > 0 ? (size_t)n : 0);
	return 1;
}

/* process:wait() -> nothing while it runs; "exit", code or "signal", number */
static int l_wait(lua_State *L)
{
	struct esp_process *p = check_process(L);

	esp_process_reap(p, WNOHANG);
	if (!p->ended)
		return 0;
	lua_pushstring(L, WIFSIGNALED(p->status) ? "signal" : "exit");
	lua_pushinteger(L, WIFSIGNALED(p->status) ? WTERMSIG(p->status) : WEXITSTATUS(p->status));
	return 2;
}

/* process:kill("term" | "kill") -> whether there was something to kill: the
 * child and what it has started */
static int l_kill(lua_State *L)
{
	static const char *const names[] = { "term", "kill", NULL };
	struct esp_process *p = check_process(L);
	int sig = luaL_checkoption(L, 2, "term", names) ? SIGKILL : SIGTERM;

	esp_process_reap(p, WNOHANG);
	lua_pushboolean(L, !p->ended && p->owner == getpid() &&
			(kill(-p->pid, sig) == 0 || kill(p->pid, sig) == 0));
	return 1;
}

/* process:pid() -> integer */
static int l_pid(lua_State *L)
{
	lua_pushinteger(L, check_process(L)->pid);
	return 1;
}

/* process:close(): a child that still runs is killed and reaped. In another
 * child, which has inherited the handle, only the descriptors are closed. */
static int l_close(lua_State *L)
{
	struct esp_process *p = check_process(L);

	esp_process_reap(p, WNOHANG);
	if (!p->ended && p->owner == getpid()) {
		kill(-p->pid, SIGKILL);
		kill(p->pid, SIGKILL);
		esp_process_reap(p, 0);
	}
	esp_process_close_fd(&p->events);
	esp_process_close_fd(&p->output);
	return 0;
}

/* ---- waiting for many ---- */

/* The descriptors of the value on the top of the stack. */
static nfds_t add_fds(lua_State *L, struct pollfd *at)
{
	struct esp_process *p = luaL_testudata(L, -1, ESP_PROCESS_TYPE);
	struct esp_process_fd *s;

	if (p) {
		at[0] = (struct pollfd){ p->events, POLLIN, 0 };	/* -1 is passed over */
		at[1] = (struct pollfd){ p->output, POLLIN, 0 };
		return 2;
	}
	s = luaL_checkudata(L, -1, ESP_SIGNALS_TYPE);
	at[0] = (struct pollfd){ s->fd, POLLIN, 0 };
	return 1;
}

/* esp.process.poll({ process or signals, ... }, timeout_ms) -> number of
 * descriptors with something to read, or at their end */
static int l_poll(lua_State *L)
{
	lua_Integer i, n, ms = luaL_checkinteger(L, 2);
	struct pollfd *fds;
	nfds_t count = 0;
	int got;

	luaL_checktype(L, 1, LUA_TTABLE);
	n = luaL_len(L, 1);
	luaL_argcheck(L, n <= POLL_MAX, 1, "too many to wait for");
	luaL_argcheck(L, ms >= 0 && ms <= 3600000, 2, "milliseconds out of range");
	fds = lua_newuserdatauv(L, (2 * (size_t)n + 1) * sizeof *fds, 0);
	for (i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, i);
		count += add_fds(L, fds + count);
		lua_pop(L, 1);
	}
	got = poll(fds, count, (int)ms);
	lua_pushinteger(L, got > 0 ? got : 0);
	return 1;
}

static const luaL_Reg process_methods[] = {
	{ "read", l_read }, { "wait", l_wait }, { "kill", l_kill }, { "pid", l_pid },
	{ "close", l_close }, { "__gc", l_close }, { "__close", l_close }, { NULL, NULL },
};

static const luaL_Reg functions[] = { { "poll", l_poll }, { NULL, NULL } };

void esp_open_process(lua_State *L)
{
	esp_process_type(L, ESP_PROCESS_TYPE, process_methods);
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	esp_process_open_fork(L);
	esp_process_open_spawn(L);
	esp_process_open_signals(L);
	lua_setfield(L, -2, "process");
}
