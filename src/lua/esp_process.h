/* esp_process.h - what the files of esp.process share: the handle of a child,
 * and what every child does first.
 *
 * Layer: lua. A child leads a process group of its own, so that Ctrl-C at the
 * terminal reaches only the parent, and gets SIGTERM when the parent dies. Every
 * pipe is close-on-exec, and a handle that is closed leaves no zombie.
 */
#ifndef ESP_PROCESS_H
#define ESP_PROCESS_H

#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#define ESP_PROCESS_TYPE "esp.process"
#define ESP_SIGNALS_TYPE "esp.signals"

/* What the parent holds of a child. `owner` is who may signal and reap it: the
 * copy that a sibling inherits may only be closed. */
struct esp_process {
	pid_t pid, owner;
	int events, output;	/* what to read; -1 = closed */
	bool ended;
	int status;		/* of waitpid(), when ended */
};

/* A pipe's end for writing, or of ESP_SIGNALS_TYPE. */
struct esp_process_fd {
	int fd;
};

/* ---- handles (esp_process.c) ---- */

/* Pushes a handle of no child yet: nothing to read, ended. */
struct esp_process *esp_process_new(lua_State *L);

/* Takes the child's status once it has ended; flags as for waitpid(). */
void esp_process_reap(struct esp_process *p, int flags);

/* A pipe whose read end does not block and goes into *keep. 0, or -1 and errno. */
int esp_process_pipe(int *keep, int *give) __attribute__((warn_unused_result));

/* Closes what is open; *fd is -1 afterwards. */
void esp_process_close_fd(int *fd);

/* Makes the type `name`, whose values have these methods. */
void esp_process_type(lua_State *L, const char *name, const luaL_Reg *methods);

/* Pushes nil, "doing: what errno says", word; returns 3. */
int esp_process_fail(lua_State *L, const char *doing, int error);

/* ---- what a child does first (esp_process_child.c) ---- */

/* The signals that end a run: SIGINT, SIGTERM, SIGHUP. */
void esp_process_caught(sigset_t *set);

/* A group of its own, an end with its parent's, and these descriptors for its
 * standard input, output and error. */
void esp_process_begin(pid_t parent, int input, int output);

/* A descriptor of /dev/null, or -1 and errno. */
int esp_process_open_null(void);

/* ---- ways to start and to listen, each adding to the table on the top of the
 * stack (esp_process_fork.c, esp_process_spawn.c, esp_process_signals.c) ---- */

void esp_process_open_fork(lua_State *L);
void esp_process_open_spawn(lua_State *L);
void esp_process_open_signals(lua_State *L);

#endif
