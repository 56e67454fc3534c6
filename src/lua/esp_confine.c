/* The process of a recipe, seen from the program that works for it. */
#include "esp_confine.h"
#include "esp_lua.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUEST_TYPE "esp.guest"
#define CHUNKS_MAX 8
#define LOOK_MS 200		/* between looks at the signal flag */

struct guest {
	pid_t pid;		/* 0 when there is none */
	int fd;
	int status;		/* of waitpid, once it has ended */
	bool twin;		/* not our child but its */
};

static struct guest *check_guest(lua_State *L)
{
	return luaL_checkudata(L, 1, GUEST_TYPE);
}

/* ---- its end ---- */

/* Killed before the link closes: until then it is there, and its number is its own. */
static void end(struct guest *g)
{
	if (g->pid) {
		kill(g->pid, SIGKILL);
		while (!g->twin && waitpid(g->pid, &g->status, 0) < 0 && errno == EINTR)
			;
	}
	g->pid = 0;
	if (g->fd >= 0)
		close(g->fd);
	g->fd = -1;
}

/* A link closes because the process behind it ends, whose own status says why; it
 * gets a second for that. */
static void let_end(struct guest *g)
{
	int ms;

	for (ms = 0; g->pid && !g->twin && ms < 1000; ms += 10) {
		if (waitpid(g->pid, &g->status, WNOHANG) == g->pid)
			g->pid = 0;
		else
			poll(NULL, 0, 10);
	}
	end(g);
}

/* nil, message, word for a link that broke: "nomem", "time" or "gone". */
static int fail_ended(lua_State *L, struct guest *g)
{
	int s;

	let_end(g);
	s = g->status;
	luaL_pushfail(L);
	if (WIFEXITED(s) && WEXITSTATUS(s) == ESP_CHILD_NOMEM) {
		lua_pushliteral(L, "it used up its memory");
		lua_pushliteral(L, "nomem");
	} else if (WIFSIGNALED(s) && (WTERMSIG(s) == SIGXCPU || WTERMSIG(s) == SIGPROF)) {
		lua_pushliteral(L, "it used up its processor time");
		lua_pushliteral(L, "time");
	} else if (g->twin) {
		lua_pushliteral(L, "its process ended: it used up its memory or processor time");
		lua_pushliteral(L, "gone");
	} else {
		lua_pushfstring(L, "its process ended by itself (status %d)", s);
		lua_pushliteral(L, "gone");
	}
	return 3;
}

/* ---- messages ---- */

static int fail_word(lua_State *L, const char *text, const char *word)
{
	luaL_pushfail(L);
	lua_pushstring(L, text);
	lua_pushstring(L, word);
	return 3;
}

enum { MOVED, INTERRUPTED, BROKEN };

/* Waits until the link can be read or written, or a signal comes. */
static int wait_for(const struct guest *g, short events)
{
	struct pollfd p = { g->fd, events, 0 };

	for (;;) {
		int n;

		if (port_interrupted)
			return INTERRUPTED;
		n = poll(&p, 1, LOOK_MS);
		if (n > 0)
			return MOVED;
		if (n < 0 && errno != EINTR)
			return BROKEN;
	}
}

/* Moves all of a buffer: read when events is POLLIN, else written. */
static int move(const struct guest *g, short events, void *data, size_t len)
{
	char *at = data;

	while (len) {
		ssize_t n = events == POLLIN ? recv(g->fd, at, len, MSG_DONTWAIT)
			: send(g->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		int rc;

		if (n > 0) {
			at += n;
			len -= (size_t)n;
			continue;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return BROKEN;
		rc = wait_for(g, events);
		if (rc != MOVED)
			return rc;
	}
	return MOVED;
}

static int fail_moved(lua_State *L, struct guest *g, int rc)
{
	if (rc == BROKEN)
		return fail_ended(L, g);
	end(g);			/* in the middle of a message: of no use any more */
	return fail_word(L, "interrupted", "interrupted");
}

/* guest:send(bytes) -> true | nil, message, word */
static int l_send(lua_State *L)
{
	struct guest *g = check_guest(L);
	size_t len;
	const char *s = luaL_checklstring(L, 2, &len);
	uint32_t size = (uint32_t)len;
	int rc;

	luaL_argcheck(L, len <= ESP_LINK_MAX, 2, "too much at once");
	if (g->fd < 0)
		return fail_word(L, "the recipe's process has ended", "gone");
	rc = move(g, POLLOUT, &size, sizeof size);
	if (rc == MOVED)
		rc = move(g, POLLOUT, (void *)(uintptr_t)s, len);
	if (rc != MOVED)
		return fail_moved(L, g, rc);
	lua_pushboolean(L, 1);
	return 1;
}

/* guest:receive() -> bytes | nil, message, word */
static int l_receive(lua_State *L)
{
	struct guest *g = check_guest(L);
	uint32_t size;
	luaL_Buffer b;
	char *at;
	int rc;

	if (g->fd < 0)
		return fail_word(L, "the recipe's process has ended", "gone");
	rc = move(g, POLLIN, &size, sizeof size);
	if (rc != MOVED)
		return fail_moved(L, g, rc);
	if (size > ESP_LINK_MAX) {
		end(g);
		return fail_word(L, "it sent too much at once", "gone");
	}
	at = luaL_buffinitsize(L, &b, size);
	rc = move(g, POLLIN, at, size);
	if (rc != MOVED)
		return fail_moved(L, g, rc);
	luaL_pushresultsize(&b, size);
	return 1;
}

static int l_close(lua_State *L)
{
	end(check_guest(L));
	return 0;
}

/* guest:forget(): leaves it to the other process that has it too */
static int l_forget(lua_State *L)
{
	struct guest *g = check_guest(L);

	g->pid = 0;
	end(g);
	return 0;
}

static struct guest *push_guest(lua_State *L)
{
	struct guest *g = lua_newuserdatauv(L, sizeof *g, 0);

	*g = (struct guest){ 0, -1, 0, false };
	luaL_setmetatable(L, GUEST_TYPE);
	return g;
}

/* ---- twins ---- */

static int send_descriptor(int link, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	uint32_t size = ESP_LINK_TWIN;
	struct iovec v = { &size, sizeof size };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(link, &m, MSG_NOSIGNAL) == sizeof size ? MOVED : BROKEN;
}

/* guest:twin() -> guest | nil, message, word: a second process with all that this
 * one has made so far, for a second process of ours */
static int l_twin(lua_State *L)
{
	struct guest *g = check_guest(L), *t;
	uint32_t pid = 0;
	int ends[2], rc;

	if (g->fd < 0)
		return fail_word(L, "the recipe's process has ended", "gone");
	t = push_guest(L);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fail_word(L, strerror(errno), "io");
	t->fd = ends[0];
	rc = send_descriptor(g->fd, ends[1]);
	close(ends[1]);
	if (rc == MOVED)
		rc = move(g, POLLIN, &pid, sizeof pid);
	if (rc != MOVED)
		return fail_moved(L, g, rc);
	if ((pid_t)pid <= 0)
		return fail_word(L, "no more processes", "io");
	t->pid = (pid_t)pid;
	t->twin = true;
	return 1;
}

/* ---- its start ---- */

/* { {name, text}, ... } at index 1; the strings stay in the table. */
static size_t read_chunks(lua_State *L, struct esp_child *out)
{
	lua_Integer i, n = luaL_len(L, 1);

	luaL_argcheck(L, n >= 1 && n <= CHUNKS_MAX, 1, "between 1 and 8 chunks");
	for (i = 0; i < n; i++) {
		lua_geti(L, 1, i + 1);
		luaL_checktype(L, -1, LUA_TTABLE);
		lua_geti(L, -1, 1);
		lua_geti(L, -2, 2);
		out[i].name = luaL_checkstring(L, -2);
		out[i].text = luaL_checklstring(L, -1, &out[i].len);
		lua_pop(L, 3);
	}
	return (size_t)n;
}

/* esp.guest({ {name, text}, ... }, memory_bytes, cpu_ms)
 * -> guest | nil, message, word: a process in which the last of the chunks runs,
 * confined; it gets its end of the link and the other chunks as functions */
static int l_guest(lua_State *L)
{
	struct esp_child chunks[CHUNKS_MAX];
	size_t n;
	lua_Integer memory = luaL_checkinteger(L, 2), ms = luaL_checkinteger(L, 3);
	struct guest *g;
	int ends[2];

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argcheck(L, memory > 0, 2, "size out of range");
	luaL_argcheck(L, ms >= 0 && ms <= 1000000000, 3, "milliseconds out of range");
	n = read_chunks(L, chunks);
	g = push_guest(L);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fail_word(L, strerror(errno), "io");
	g->pid = fork();
	if (g->pid == 0) {
		esp_jail_enter(&ends[1], (unsigned)ms);
		esp_child_run(ends[1], chunks, n, (size_t)memory);
	}
	close(ends[1]);
	g->fd = ends[0];
	if (g->pid < 0) {
		g->pid = 0;
		end(g);
		return fail_word(L, strerror(errno), "io");
	}
	return 1;
}

static const luaL_Reg methods[] = {
	{ "send", l_send }, { "receive", l_receive }, { "close", l_close },
	{ "forget", l_forget }, { "twin", l_twin }, { "__gc", l_close }, { "__close", l_close }, { NULL, NULL },
};

void esp_open_confine(lua_State *L)
{
	luaL_newmetatable(L, GUEST_TYPE);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	lua_pushcfunction(L, l_guest);
	lua_setfield(L, -2, "guest");
	esp_open_folder(L);
	esp_open_memory(L);
	esp_open_exec(L);
}
