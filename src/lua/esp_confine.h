/* esp_confine.h - what the files of a recipe's confinement share.
 *
 * Layer: lua. Three walls, each sound without the others: a Lua state that has
 * only harmless functions; a process of its own that has no files, no ports and,
 * by seccomp, no system calls to get any; and folders below which names are
 * looked up so that neither ".." nor a link leads out of them. Which recipe may
 * do what is decided in lualib/moonflash/permissions.lua.
 */
#ifndef ESP_CONFINE_H
#define ESP_CONFINE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* ---- a Lua state that may not grow without end (esp_memory.c) ---- */

struct esp_memory {
	size_t used, limit;	/* bytes; limit 0 = none */
};

/* A lua_Alloc; ud is a struct esp_memory. Beyond the limit it has no memory. */
void *esp_memory_alloc(void *ud, void *ptr, size_t old, size_t new);

/* Makes L count into *m from now on. */
void esp_memory_watch(lua_State *L, struct esp_memory *m);

/* ---- the inside of the process (esp_confine_jail.c) ---- */

/* Leaves this process nothing but one descriptor, which becomes `*fd`, memory
 * and time: milliseconds of processor time, 0 = no limit. Returns whether the system
 * also refuses system calls (seccomp). */
bool esp_jail_enter(int *fd, unsigned cpu_ms);

/* ---- the world of a recipe (esp_confine_child.c) ---- */

struct esp_child {
	const char *name, *text;	/* chunks, each loaded; the last one is run */
	size_t len;
};

/* Runs the chunks in a state of their own; the last one gets `link` and the
 * functions of the others. Never returns. */
void esp_child_run(int fd, const struct esp_child *chunks, size_t n, size_t memory_bytes)
	__attribute__((noreturn));

/* How the process ends when Lua has no way to say it. */
enum { ESP_CHILD_DONE = 0, ESP_CHILD_ERROR = 1, ESP_CHILD_NOMEM = 2 };

#define ESP_LINK_MAX (32u << 20)	/* bytes of one message */

/* In place of a message's length, with a descriptor beside it: go on twice, the
 * second one with that descriptor for its link. Answered with its process id. */
#define ESP_LINK_TWIN 0xffffffffu

#endif
