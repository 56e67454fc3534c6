/* The Lua state in which a recipe runs, and its end of the link. */
#include "esp_confine.h"
#include "esp_io.h"
#include "esp_lua.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <lualib.h>

struct child {
	int fd;
	struct esp_memory memory;
	const struct esp_child *chunks;
	size_t n;
};

/* ---- the link: length, then that many bytes ---- */

static int read_all(int fd, void *data, size_t len)
{
	char *s = data;

	while (len) {
		ssize_t n = read(fd, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		s += n;
		len -= (size_t)n;
	}
	return 0;
}

/* With the other end gone there is nobody to work for. */
static void must(int rc)
{
	if (rc < 0)
		_exit(ESP_CHILD_DONE);
}

static struct child *self(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

/* link.send(bytes) */
static int l_send(lua_State *L)
{
	size_t len;
	const char *s = luaL_checklstring(L, 1, &len);
	uint32_t size = (uint32_t)len;

	luaL_argcheck(L, len <= ESP_LINK_MAX, 1, "too much at once");
	must(esp_io_write(self(L)->fd, &size, sizeof size));
	must(esp_io_write(self(L)->fd, s, len));
	return 0;
}

/* A message's length, and the descriptor that may come with it. */
static int read_size(int fd, uint32_t *size, int *passed)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec v = { size, sizeof *size };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof control };
	struct cmsghdr *c;
	ssize_t n;

	*passed = -1;
	do
		n = recvmsg(fd, &m, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -1;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(passed, CMSG_DATA(c), sizeof *passed);
	return read_all(fd, (char *)size + n, sizeof *size - (size_t)n);
}

/* This process twice: both have all that the recipe has made so far. The C
 * library's fork() would take more calls than there are left. */
static void make_twin(struct child *c, int fd)
{
	uint32_t pid;

	while (syscall(SYS_wait4, -1, NULL, WNOHANG, NULL) > 0)
		;		/* twins that have ended */
	pid = (uint32_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(c->fd);
		c->fd = fd;
		return;
	}
	close(fd);
	must(esp_io_write(c->fd, &pid, sizeof pid));
}

struct message {
	char *bytes;
	size_t len;
};

static int push_message(lua_State *L)
{
	const struct message *m = lua_touserdata(L, 1);

	lua_pushlstring(L, m->bytes, m->len);
	return 1;
}

/* link.receive() -> bytes. Without memory for them the two ends would lose step:
 * the process ends. */
static int l_receive(lua_State *L)
{
	struct message m;
	uint32_t size;
	int passed;

	for (;;) {
		must(read_size(self(L)->fd, &size, &passed));
		if (size != ESP_LINK_TWIN)
			break;
		make_twin(self(L), passed);
	}
	m.len = size;
	m.bytes = malloc(m.len ? m.len : 1);
	if (!m.bytes)
		_exit(ESP_CHILD_NOMEM);
	must(read_all(self(L)->fd, m.bytes, m.len));
	lua_pushcfunction(L, push_message);
	lua_pushlightuserdata(L, &m);
	if (lua_pcall(L, 1, 1, 0) != LUA_OK)
		_exit(ESP_CHILD_NOMEM);
	free(m.bytes);
	return 1;
}

/* ---- what a recipe's position and errors are told by ---- */

/* link.where() -> "flash.lua:12", the innermost line of a file of the recipe's,
 * or nil */
static int l_where(lua_State *L)
{
	lua_Debug ar;
	int level;

	for (level = 1; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.source[0] == '@' && ar.currentline > 0) {
			lua_pushfstring(L, "%s:%d", ar.source + 1, ar.currentline);
			return 1;
		}
	}
	return 0;
}

/* link.traceback(message) -> text */
static int l_traceback(lua_State *L)
{
	luaL_traceback(L, L, luaL_optstring(L, 1, NULL), 1);
	return 1;
}

/* link.cpu() -> seconds of processor time */
static int l_cpu(lua_State *L)
{
	struct timespec t = { 0, 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec / 1e9);
	return 1;
}

/* ---- the state ---- */

static const luaL_Reg link_functions[] = {
	{ "send", l_send }, { "receive", l_receive }, { "where", l_where },
	{ "traceback", l_traceback }, { "cpu", l_cpu }, { NULL, NULL },
};

/* Only what works on values. What of it is still too much (load, string.dump,
 * ...) the prelude takes away before anybody else's code runs. */
static void open_libraries(lua_State *L)
{
	static const luaL_Reg libraries[] = {
		{ "_G", luaopen_base }, { "table", luaopen_table }, { "string", luaopen_string },
		{ "math", luaopen_math }, { "utf8", luaopen_utf8 },
		{ "coroutine", luaopen_coroutine },
	};
	size_t i;

	for (i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
		luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
		lua_pop(L, 1);
	}
}

/* The functions of esp that touch nothing but their arguments and the clock. */
static void push_esp(lua_State *L)
{
	static const char *const not_here[] = { "write_file", "terminal", "folder", NULL };
	const char *const *name;

	lua_newtable(L);
	esp_open_bytes(L);
	esp_open_system(L);
	for (name = not_here; *name; name++) {
		lua_pushnil(L);
		lua_setfield(L, -2, *name);
	}
	lua_pushstring(L, MOONFLASH_VERSION);
	lua_setfield(L, -2, "version");
}

static void load_chunk(lua_State *L, const struct esp_child *chunk)
{
	if (luaL_loadbufferx(L, chunk->text, chunk->len, chunk->name, "t") != LUA_OK)
		lua_error(L);
}

static int run(lua_State *L)
{
	struct child *c = lua_touserdata(L, 1);
	size_t i;

	open_libraries(L);
	load_chunk(L, &c->chunks[c->n - 1]);
	lua_newtable(L);
	lua_pushlightuserdata(L, c);
	luaL_setfuncs(L, link_functions, 1);
	push_esp(L);
	lua_setfield(L, -2, "esp");
	for (i = 0; i + 1 < c->n; i++)
		load_chunk(L, &c->chunks[i]);
	lua_call(L, (int)c->n, 0);
	return 0;
}

void esp_child_run(int fd, const struct esp_child *chunks, size_t n, size_t memory_bytes)
{
	struct child c = { fd, { 0, 0 }, chunks, n };
	lua_State *L = luaL_newstate();
	int rc;

	if (!L)
		_exit(ESP_CHILD_NOMEM);
	esp_memory_watch(L, &c.memory);
	c.memory.limit = memory_bytes;
	lua_pushcfunction(L, run);
	lua_pushlightuserdata(L, &c);
	rc = lua_pcall(L, 1, 0, 0);
	_exit(rc == LUA_OK ? ESP_CHILD_DONE : rc == LUA_ERRMEM ? ESP_CHILD_NOMEM
	      : ESP_CHILD_ERROR);
}
