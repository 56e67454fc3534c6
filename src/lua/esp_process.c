/* Processes for Lua: esp.process. Children of this program (fork), other
 * programs (spawn, never through a shell), and waiting for many of them at once.
 *
 * A child leads a process group of its own, so that Ctrl-C at the terminal
 * reaches only the parent, and gets SIGTERM when the parent dies. Every pipe is
 * close-on-exec, and a handle that is closed leaves no zombie.
 */
#include "esp_lua.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESS_TYPE "esp.process"
#define PIPE_TYPE "esp.pipe"
#define SIGNALS_TYPE "esp.signals"
#define READ_MAX 65536
#define ARGS_MAX 1024
#define POLL_MAX 1024
#define EXIT_SCRIPT 1
#define EXIT_NO_PROGRAM 127	/* as a shell says it */

/* What the parent holds of a child. `owner` is who may signal and reap it: the
 * copy that a sibling inherits may only be closed. */
struct process {
	pid_t pid, owner;
	int events, output;	/* what to read; -1 = closed */
	bool ended;
	int status;		/* of waitpid(), when ended */
};

struct fd_handle {		/* of PIPE_TYPE and SIGNALS_TYPE */
	int fd;
};

static int fail_errno(lua_State *L, const char *doing, int error)
{
	struct esp_error e;
	int code = error == ENOENT ? ESP_E_MISSING : error == EACCES ? ESP_E_ACCESS :
		error == ENOMEM ? ESP_E_NOMEM : error == EPIPE ? ESP_E_GONE : ESP_E_IO;

	esp_fail(&e, code, "%s: %s", doing, strerror(error));
	return esp_push_fail(L, &e);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- handles ---- */

static struct process *new_process(lua_State *L)
{
	struct process *p = lua_newuserdatauv(L, sizeof *p, 0);

	*p = (struct process){ .owner = getpid(), .events = -1, .output = -1, .ended = true };
	luaL_setmetatable(L, PROCESS_TYPE);
	return p;
}

static struct process *check_process(lua_State *L)
{
	return luaL_checkudata(L, 1, PROCESS_TYPE);
}

/* A pipe whose read end does not block and goes into *keep. */
static int make_pipe(int *keep, int *give)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	*keep = fd[0];
	*give = fd[1];
	return fcntl(fd[0], F_SETFL, O_NONBLOCK);
}

static void reap(struct process *p, int flags)
{
	pid_t got;

	if (p->ended || p->owner != getpid())
		return;
	do
		got = waitpid(p->pid, &p->status, flags);
	while (got < 0 && errno == EINTR);
	p->ended = got != 0;
}

/* ---- what a child does first ---- */

static void caught_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

static void begin_child(pid_t parent, int input, int output)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		raise(SIGTERM);		/* it died before it could be asked about */
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
}

static int open_null(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* ---- fork ---- */

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
	struct fd_handle *w;
	sigset_t set;
	int code, null = open_null();

	port_interrupted = 0;		/* before begin_child(), which may raise anew */
	begin_child(parent, null, output);
	close_fd(&null);
	close(output);
	caught_signals(&set);
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
	struct process *p;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	p = new_process(L);
	fflush(NULL);		/* or both would write what is buffered */
	if (make_pipe(&p->events, &events) < 0 || make_pipe(&p->output, &output) < 0 ||
	    (p->pid = fork()) < 0) {
		why = errno;
		close_fd(&events);
		close_fd(&output);
		return fail_errno(L, "cannot start a process", why);
	}
	if (p->pid == 0) {
		close_fd(&p->events);
		close_fd(&p->output);
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
	struct fd_handle *w = luaL_checkudata(L, 1, PIPE_TYPE);
	size_t len;
	const char *s = luaL_checklstring(L, 2, &len);

	while (len) {
		ssize_t n = write(w->fd, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(L, "write", errno);
		s += n;
		len -= (size_t)n;
	}
	return esp_push_ok(L, 0, NULL);
}

/* ---- spawn ---- */

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
	while (len) {
		ssize_t n = write(fd, s, len);

		if (n <= 0) {
			close_fd(&fd);
			return -1;
		}
		s += n;
		len -= (size_t)n;
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

	begin_child(parent, g->input, g->output);
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

static int start(struct process *p, struct program *g)
{
	pid_t parent = getpid();
	int fd[2], error;

	if (make_pipe(&p->output, &g->output) < 0 || pipe2(fd, O_CLOEXEC) < 0)
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
			reap(p, 0);
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
	struct process *p;
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
	p = new_process(L);
	g.input = input ? open_input(input, len) : open_null();
	error = g.input < 0 ? errno : start(p, &g);
	close_fd(&g.input);
	close_fd(&g.output);
	if (!error)
		return 1;
	close_fd(&p->output);
	return fail_errno(L, g.argv[0], error);
}

/* ---- methods ---- */

/* process:read("events" | "output") -> bytes, "" when nothing came, nil when
 * the child has closed it and all was read */
static int l_read(lua_State *L)
{
	static const char *const streams[] = { "events", "output", NULL };
	struct process *p = check_process(L);
	int *fd = luaL_checkoption(L, 2, NULL, streams) ? &p->output : &p->events;
	luaL_Buffer b;
	ssize_t n;

	if (*fd < 0)
		return 0;
	n = read(*fd, luaL_buffinitsize(L, &b, READ_MAX), READ_MAX);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close_fd(fd);
		return 0;
	}
	luaL_pushresultsize(&b, n > 0 ? (size_t)n : 0);
	return 1;
}

/* process:wait() -> nothing while it runs; "exit", code or "signal", number */
static int l_wait(lua_State *L)
{
	struct process *p = check_process(L);

	reap(p, WNOHANG);
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
	struct process *p = check_process(L);
	int sig = luaL_checkoption(L, 2, "term", names) ? SIGKILL : SIGTERM;

	reap(p, WNOHANG);
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
	struct process *p = check_process(L);

	reap(p, WNOHANG);
	if (!p->ended && p->owner == getpid()) {
		kill(-p->pid, SIGKILL);
		kill(p->pid, SIGKILL);
		reap(p, 0);
	}
	close_fd(&p->events);
	close_fd(&p->output);
	return 0;
}

/* ---- signals that are asked for, not thrown in ---- */

/* esp.process.signals() -> signals | nil, message, code: from now on SIGINT,
 * SIGTERM and SIGHUP wait to be taken; closing gives them back. */
static int l_signals(lua_State *L)
{
	struct fd_handle *s = lua_newuserdatauv(L, sizeof *s, 0);
	sigset_t set;

	s->fd = -1;
	luaL_setmetatable(L, SIGNALS_TYPE);
	caught_signals(&set);
	s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->fd < 0)
		return fail_errno(L, "signalfd", errno);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return 1;
}

/* signals:take() -> number of the next one, or nothing */
static int l_take(lua_State *L)
{
	struct fd_handle *s = luaL_checkudata(L, 1, SIGNALS_TYPE);
	struct signalfd_siginfo info;

	if (s->fd < 0 || read(s->fd, &info, sizeof info) != (ssize_t)sizeof info)
		return 0;
	lua_pushinteger(L, info.ssi_signo);
	return 1;
}

static int l_signals_close(lua_State *L)
{
	struct fd_handle *s = luaL_checkudata(L, 1, SIGNALS_TYPE);
	sigset_t set;

	if (s->fd < 0)
		return 0;
	close_fd(&s->fd);
	caught_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 0;
}

/* ---- waiting for many ---- */

/* The descriptors of the value on the top of the stack. */
static nfds_t add_fds(lua_State *L, struct pollfd *at)
{
	struct process *p = luaL_testudata(L, -1, PROCESS_TYPE);
	struct fd_handle *s;

	if (p) {
		at[0] = (struct pollfd){ p->events, POLLIN, 0 };	/* -1 is passed over */
		at[1] = (struct pollfd){ p->output, POLLIN, 0 };
		return 2;
	}
	s = luaL_checkudata(L, -1, SIGNALS_TYPE);
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

static const luaL_Reg pipe_methods[] = { { "write", l_pipe_write }, { NULL, NULL } };

static const luaL_Reg signals_methods[] = {
	{ "take", l_take }, { "close", l_signals_close }, { "__gc", l_signals_close },
	{ "__close", l_signals_close }, { NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "fork", l_fork }, { "spawn", l_spawn }, { "poll", l_poll }, { "signals", l_signals },
	{ NULL, NULL },
};

static void new_type(lua_State *L, const char *name, const luaL_Reg *methods)
{
	luaL_newmetatable(L, name);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

void esp_open_process(lua_State *L)
{
	new_type(L, PROCESS_TYPE, process_methods);
	new_type(L, PIPE_TYPE, pipe_methods);
	new_type(L, SIGNALS_TYPE, signals_methods);
	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	lua_setfield(L, -2, "process");
}
