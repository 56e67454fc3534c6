/* What scripts need of the system and neither Lua nor lfs offers. */
#include "esp_io.h"
#include "esp_lua.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* esp.clock() -> seconds on a clock that never goes back */
static int l_clock(lua_State *L)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec / 1e9);
	return 1;
}

/* esp.sleep(ms): waits; a signal ends it early */
static int l_sleep(lua_State *L)
{
	lua_Integer ms = luaL_checkinteger(L, 1);
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	luaL_argcheck(L, ms >= 0 && ms <= 86400000, 1, "milliseconds out of range");
	nanosleep(&t, NULL);
	return 0;
}

/* esp.terminal(fd = 2) -> width, height in characters, or false when fd is no
 * terminal */
static int l_terminal(lua_State *L)
{
	int fd = (int)luaL_optinteger(L, 1, 2);
	struct winsize w = { 0 };

	if (!isatty(fd)) {
		lua_pushboolean(L, 0);
		return 1;
	}
	if (ioctl(fd, TIOCGWINSZ, &w) < 0)
		w.ws_col = w.ws_row = 0;
	lua_pushinteger(L, w.ws_col ? w.ws_col : 80);
	lua_pushinteger(L, w.ws_row ? w.ws_row : 24);
	return 2;
}

static int fail_io(lua_State *L, const char *what, const char *path)
{
	luaL_pushfail(L);
	lua_pushfstring(L, "%s: cannot %s: %s", path, what, strerror(errno));
	lua_pushstring(L, "io");
	return 3;
}

/* The new name is on disk only when the folder is; a file system that cannot
 * sync a folder has nothing more to give. */
static void sync_folder(const char *path)
{
	char dir[4096];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) + 1 : 0;
	int fd;

	if (n >= sizeof dir)
		return;
	memcpy(dir, n ? path : ".", n ? n : 2);
	dir[n ? n : 1] = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* A device or a pipe takes bytes as they are; putting a file in its place would
 * take it away from everybody. */
static bool is_stream(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static int write_stream(lua_State *L, const char *path, const char *s, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), bad, why;

	if (fd < 0)
		return fail_io(L, "open", path);
	bad = esp_io_write(fd, s, len);
	why = errno;
	if (close(fd) < 0 && bad == 0) {
		bad = -1;
		why = errno;
	}
	errno = why;
	return bad < 0 ? fail_io(L, "write", path) : esp_push_ok(L, 0, NULL);
}

/* Where a name leads: what a symbolic link points at is written, not the link. */
static const char *push_target(lua_State *L, const char *path)
{
	char *real = realpath(path, NULL);

	lua_pushstring(L, real ? real : path);
	free(real);
	return lua_tostring(L, -1);
}

/* Opens the file beside the target that is ours alone: path.part, which a
 * killed process may have left, or path.part.PID while another one writes there.
 * Pushes its name. */
static int open_part(lua_State *L, const char *path)
{
	const char *part = lua_pushfstring(L, "%s.part", path);
	int fd = open(part, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	struct stat held, named;

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &held) == 0 &&
	    stat(part, &named) == 0 && held.st_ino == named.st_ino &&
	    held.st_dev == named.st_dev && ftruncate(fd, 0) == 0)
		return fd;
	close(fd);
	lua_pop(L, 1);
	part = lua_pushfstring(L, "%s.part.%d", path, (int)getpid());
	return open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

/* A copy of the descriptor keeps the lock over the close, which may fail, until
 * the name is the target's: nobody takes it over in between. */
static int fill_and_rename(int fd, const char *part, const char *path, const char *s, size_t len)
{
	int held = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int bad = held < 0 || esp_io_write(fd, s, len) < 0 || fsync(fd) < 0;
	int why = errno;

	if (close(fd) < 0 && !bad) {
		bad = 1;
		why = errno;
	}
	if (!bad && rename(part, path) < 0) {
		bad = 1;
		why = errno;
	}
	if (bad)
		unlink(part);
	if (held >= 0)
		close(held);
	errno = why;
	return bad ? -1 : 0;
}

/* esp.write_file(path, bytes) -> true | nil, message, "io"
 * Beside its target (path.part), synced, then renamed: a good file is never
 * replaced by a part of a new one. A device or a pipe gets the bytes itself. */
static int l_write_file(lua_State *L)
{
	const char *path = push_target(L, luaL_checkstring(L, 1));
	size_t len;
	const char *s = luaL_checklstring(L, 2, &len);
	int fd;

	if (is_stream(path))
		return write_stream(L, path, s, len);
	fd = open_part(L, path);
	if (fd < 0)
		return fail_io(L, "create", lua_tostring(L, -1));
	if (fill_and_rename(fd, lua_tostring(L, -1), path, s, len) < 0)
		return fail_io(L, "write", path);
	sync_folder(path);
	return esp_push_ok(L, 0, NULL);
}

static const luaL_Reg functions[] = {
	{ "clock", l_clock }, { "sleep", l_sleep }, { "terminal", l_terminal }, { "write_file", l_write_file },
	{ NULL, NULL },
};

void esp_open_system(lua_State *L)
{
	luaL_setfuncs(L, functions, 0);
}
