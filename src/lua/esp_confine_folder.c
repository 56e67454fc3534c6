/* Folders that nothing leads out of: names are looked up below them, by the
 * system where it can (openat2, RESOLVE_BENEATH), else step by step without
 * following links. No check of a name comes before its use, so there is nothing
 * to race with. */
#include "esp_confine.h"
#include "esp_io.h"
#include "esp_lua.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef SYS_openat2
#include <linux/openat2.h>
#endif

#define FOLDER_TYPE "esp.folder"
#define NAME_MAX_BYTES 4096
#define RACES 16		/* EAGAIN: something was renamed meanwhile */

struct folder {
	int fd;
	bool walk;		/* do not ask the system, step by step */
};

/* ---- looking names up ---- */

/* Takes "." and ".." out of a path, by its letters: right only where no link is
 * followed. -1 with EXDEV when it leads out, ENAMETOOLONG. */
static int normalise(const char *path, char *out)
{
	size_t n = 0, len;

	if (path[0] == '/' || strlen(path) >= NAME_MAX_BYTES) {
		errno = path[0] == '/' ? EXDEV : ENAMETOOLONG;
		return -1;
	}
	out[0] = '\0';
	for (; *path; path += len) {
		len = strspn(path, "/");
		path += len;
		len = strcspn(path, "/");
		if (len == 0 || (len == 1 && path[0] == '.'))
			continue;
		if (len == 2 && path[0] == '.' && path[1] == '.') {
			char *slash = strrchr(out, '/');

			if (!n) {
				errno = EXDEV;
				return -1;
			}
			n = slash ? (size_t)(slash - out) : 0;
		} else {
			if (n)
				out[n++] = '/';
			memcpy(out + n, path, len);
			n += len;
		}
		out[n] = '\0';
	}
	return 0;
}

/* One step of a walk: closes the folder it comes from. */
static int step(int dir, const char *name, int flags, mode_t mode)
{
	int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC, mode), why = errno;

	close(dir);
	errno = why == ENOTDIR || why == EMLINK ? ELOOP : why;
	return fd;
}

/* Opens a name below dir without following any link. */
static int open_walking(int dir, const char *path, int flags, mode_t mode)
{
	char name[NAME_MAX_BYTES], *at = name, *slash;
	int fd;

	if (normalise(path, name) < 0)
		return -1;
	fd = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	while (fd >= 0 && (slash = strchr(at, '/'))) {
		*slash = '\0';
		fd = step(fd, at, O_PATH | O_DIRECTORY, 0);
		at = slash + 1;
	}
	return fd < 0 ? fd : step(fd, *at ? at : ".", flags, mode);
}

static int open_beneath(int dir, const char *path, int flags, mode_t mode)
{
#ifdef SYS_openat2
	struct open_how how = { .flags = (unsigned)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	int fd, races = RACES;

	do
		fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
	while (fd < 0 && errno == EAGAIN && --races);
	return fd;
#else
	(void)dir, (void)path, (void)flags, (void)mode;
	errno = ENOSYS;
	return -1;
#endif
}

/* A kernel before 5.6 has no openat2, an old container's filter refuses it. */
static int open_below(const struct folder *f, const char *path, int flags, mode_t mode)
{
	int fd = -1;

	if (!f->walk)
		fd = open_beneath(f->fd, path, flags, mode);
	if (f->walk || (fd < 0 && (errno == ENOSYS || errno == EPERM)))
		fd = open_walking(f->fd, path, flags, mode);
	return fd;
}

/* ---- answers ---- */

/* nil, message, word: "outside" (leads out, or by a link that may not be
 * followed), "absent", "kind" (no regular file, no folder), "io". */
static int fail(lua_State *L, int why)
{
	const char *word = why == EXDEV || why == ELOOP ? "outside"
		: why == ENOENT || why == ENOTDIR ? "absent"
		: why == EISDIR || why == ENXIO || why == ENODEV ? "kind" : "io";

	luaL_pushfail(L);
	lua_pushstring(L, why == EXDEV ? "leads out of the folder" : strerror(why));
	lua_pushstring(L, word);
	return 3;
}

/* A handle that is closed when it is collected: what is open survives no error. */
static struct folder *push_closed(lua_State *L, bool walk)
{
	struct folder *f = lua_newuserdatauv(L, sizeof *f, 0);

	f->fd = -1;
	f->walk = walk;
	luaL_setmetatable(L, FOLDER_TYPE);
	return f;
}

static void shut(struct folder *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

static int fail_closing(lua_State *L, struct folder *f, int why)
{
	shut(f);
	return fail(L, why);
}

static struct folder *check_folder(lua_State *L)
{
	struct folder *f = luaL_checkudata(L, 1, FOLDER_TYPE);

	luaL_argcheck(L, f->fd >= 0, 1, "the folder is closed");
	return f;
}

/* A name is what the system sees of it: no NUL inside. */
static const char *check_name(lua_State *L, int i)
{
	size_t len;
	const char *s = luaL_checklstring(L, i, &len);

	luaL_argcheck(L, strlen(s) == len, i, "a name with a NUL byte");
	return *s ? s : ".";
}

/* esp.folder(path [, "walk"]) -> folder | nil, message, word; "walk" does without
 * openat2 */
static int l_folder(lua_State *L)
{
	static const char *const how[] = { "system", "walk", NULL };
	const char *path = check_name(L, 1);
	bool walk = luaL_checkoption(L, 2, "system", how) == 1;
	struct folder *f = push_closed(L, walk);

	f->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return f->fd < 0 ? fail(L, errno) : 1;
}

static int l_close(lua_State *L)
{
	shut(luaL_checkudata(L, 1, FOLDER_TYPE));
	return 0;
}

/* ---- reading ---- */

/* Reads at most max + 1 bytes: one too many says that there are more. */
static int read_some(int fd, luaL_Buffer *b, size_t max)
{
	size_t got = 0;

	while (got <= max) {
		size_t want = max + 1 - got < 65536 ? max + 1 - got : 65536;
		ssize_t n = read(fd, luaL_prepbuffsize(b, want), want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		luaL_addsize(b, (size_t)n);
		got += (size_t)n;
	}
	return 0;
}

/* Opens a regular file below f; 0, or what is wrong. */
static int open_file(const struct folder *f, struct folder *file, const char *path, int flags)
{
	struct stat st;

	file->fd = open_below(f, path, flags | O_NONBLOCK | O_NOCTTY, 0666);
	if (file->fd < 0 || fstat(file->fd, &st) < 0)
		return errno;
	return S_ISREG(st.st_mode) ? 0 : S_ISDIR(st.st_mode) ? EISDIR : ENODEV;
}

/* folder:read(path, max) -> bytes, at most max + 1 | nil, message, word */
static int l_read(lua_State *L)
{
	struct folder *f = check_folder(L);
	const char *path = check_name(L, 2);
	lua_Integer max = luaL_checkinteger(L, 3);
	struct folder *file = push_closed(L, false);
	luaL_Buffer b;
	int why;

	luaL_argcheck(L, max >= 0 && max <= 1 << 30, 3, "size out of range");
	why = open_file(f, file, path, O_RDONLY);
	if (why)
		return fail_closing(L, file, why);
	luaL_buffinit(L, &b);
	if (read_some(file->fd, &b, (size_t)max) < 0)
		return fail_closing(L, file, errno);
	luaL_pushresult(&b);
	shut(file);
	return 1;
}

static const char *kind_of(const struct stat *st)
{
	return S_ISREG(st->st_mode) ? "file" : S_ISDIR(st->st_mode) ? "directory" : "other";
}

/* folder:kind(path) -> "file", "directory" or "other", bytes | nil, message, word */
static int l_kind(lua_State *L)
{
	struct folder *f = check_folder(L);
	const char *path = check_name(L, 2);
	int fd = open_below(f, path, O_PATH, 0), why;
	struct stat st;

	if (fd < 0)
		return fail(L, errno);
	why = fstat(fd, &st) < 0 ? errno : S_ISLNK(st.st_mode) ? ELOOP : 0;
	close(fd);
	if (why)
		return fail(L, why);
	lua_pushstring(L, kind_of(&st));
	lua_pushinteger(L, st.st_size);
	return 2;
}

static int l_close_dir(lua_State *L)
{
	DIR **d = lua_touserdata(L, 1);

	if (*d)
		closedir(*d);
	*d = NULL;
	return 0;
}

static DIR **push_dir(lua_State *L)
{
	DIR **d = lua_newuserdatauv(L, sizeof *d, 0);

	*d = NULL;
	if (luaL_newmetatable(L, FOLDER_TYPE ".dir")) {
		lua_pushcfunction(L, l_close_dir);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return d;
}

/* folder:names(path) -> { name, ... } without "." and "..", in no order
 * | nil, message, word */
static int l_names(lua_State *L)
{
	struct folder *f = check_folder(L);
	const char *path = check_name(L, 2);
	DIR **d = push_dir(L);
	struct dirent *e;
	lua_Integer n = 0;
	int fd = open_below(f, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fail(L, errno);
	*d = fdopendir(fd);
	if (!*d) {
		close(fd);
		return fail(L, ENOMEM);
	}
	lua_newtable(L);
	while ((e = readdir(*d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		lua_pushstring(L, e->d_name);
		lua_rawseti(L, -2, ++n);
	}
	closedir(*d);
	*d = NULL;
	return 1;
}

/* ---- writing ---- */

/* 0 when the bytes are in the file for good, else errno. */
static int store(int fd, const char *s, size_t len)
{
	return esp_io_write(fd, s, len) < 0 || fsync(fd) < 0 ? errno : 0;
}

/* Makes the folders that a clean path names before its last slash. */
static int make_folders(const struct folder *f, const char *path)
{
	char at[NAME_MAX_BYTES];
	const char *slash, *name = path;

	for (slash = path; (slash = strchr(slash, '/')); name = ++slash) {
		int parent, why = 0;

		memcpy(at, path, (size_t)(name - path));
		at[name - path] = '\0';
		parent = open_below(f, *at ? at : ".", O_PATH | O_DIRECTORY, 0);
		if (parent < 0)
			return errno;
		memcpy(at, name, (size_t)(slash - name));
		at[slash - name] = '\0';
		if (mkdirat(parent, at, 0777) < 0 && errno != EEXIST)
			why = errno;
		close(parent);
		if (why)
			return why;
	}
	return 0;
}

/* Writes beside the target in an open folder, then renames. The name beside it is
 * this process's own: others may write the same file. */
static int replace(int dir, const char *name, const char *s, size_t len)
{
	char part[NAME_MAX + 32];
	int fd, why;

	if (snprintf(part, sizeof part, "%s.%ld.part", name, (long)getpid()) > NAME_MAX)
		return ENAMETOOLONG;
	unlinkat(dir, part, 0);
	fd = openat(dir, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return errno;
	why = store(fd, s, len);
	if (close(fd) < 0 && !why)
		why = errno;
	if (!why && renameat(dir, part, dir, name) < 0)
		why = errno;
	if (why)
		unlinkat(dir, part, 0);
	else
		fsync(dir);	/* the new name is on disk only when the folder is */
	return why;
}

/* folder:write(path, bytes) -> true | nil, message, word. Folders on the way are
 * made; a good file is never replaced by a part of a new one. */
static int l_write(lua_State *L)
{
	struct folder *f = check_folder(L);
	size_t len;
	const char *path = check_name(L, 2), *s = luaL_checklstring(L, 3, &len);
	char clean[NAME_MAX_BYTES], *slash;
	int dir, why;

	if (normalise(path, clean) < 0)
		return fail(L, errno);
	if (!*clean)
		return fail(L, EISDIR);
	why = make_folders(f, clean);
	if (why)
		return fail(L, why);
	slash = strrchr(clean, '/');
	if (slash)
		*slash = '\0';
	dir = open_below(f, slash ? clean : ".", O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return fail(L, errno);
	why = replace(dir, slash ? slash + 1 : clean, s, len);
	close(dir);
	if (why)
		return fail(L, why);
	lua_pushboolean(L, 1);
	return 1;
}

/* folder:append(path, bytes) -> true | nil, message, word */
static int l_append(lua_State *L)
{
	struct folder *f = check_folder(L);
	size_t len;
	const char *path = check_name(L, 2), *s = luaL_checklstring(L, 3, &len);
	struct folder *file = push_closed(L, false);
	char clean[NAME_MAX_BYTES];
	int why;

	if (normalise(path, clean) < 0)
		return fail(L, errno);
	why = make_folders(f, clean);
	if (!why)
		why = open_file(f, file, clean, O_WRONLY | O_APPEND | O_CREAT);
	if (!why)
		why = store(file->fd, s, len);
	shut(file);
	if (why)
		return fail(L, why);
	lua_pushboolean(L, 1);
	return 1;
}

/* esp.real_path(path) -> path without links, "." and ".." | nil, message, word */
static int l_real_path(lua_State *L)
{
	char *real = realpath(check_name(L, 1), NULL);

	if (!real)
		return fail(L, errno);
	lua_pushstring(L, real);
	free(real);
	return 1;
}

static const luaL_Reg methods[] = {
	{ "read", l_read }, { "kind", l_kind }, { "names", l_names }, { "write", l_write },
	{ "append", l_append }, { "close", l_close }, { "__gc", l_close },
	{ "__close", l_close }, { NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "folder", l_folder }, { "real_path", l_real_path }, { NULL, NULL },
};

void esp_open_folder(lua_State *L)
{
	luaL_newmetatable(L, FOLDER_TYPE);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
