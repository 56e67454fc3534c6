/* A limit on the memory of a Lua state. */
#include "esp_confine.h"
#include "esp_lua.h"

#include <stdlib.h>

void *esp_memory_alloc(void *ud, void *ptr, size_t old, size_t new)
{
	struct esp_memory *m = ud;
	void *got;

	if (!ptr)
		old = 0;		/* Lua puts a type there */
	if (new == 0) {
		free(ptr);
		m->used -= old;
		return NULL;
	}
	if (m->limit && new > old && (m->used > m->limit || new - old > m->limit - m->used))
		return NULL;
	got = realloc(ptr, new);
	if (got)
		m->used += new - old;
	return got;
}

void esp_memory_watch(lua_State *L, struct esp_memory *m)
{
	m->used = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
	lua_setallocf(L, esp_memory_alloc, m);
}

/* esp.limit_memory(bytes) -> whether this state can be limited; 0 = no limit */
static int l_limit_memory(lua_State *L)
{
	lua_Integer bytes = luaL_checkinteger(L, 1);
	void *ud;
	bool watched = lua_getallocf(L, &ud) == esp_memory_alloc;

	luaL_argcheck(L, bytes >= 0, 1, "size out of range");
	if (watched)
		((struct esp_memory *)ud)->limit = (size_t)bytes;
	lua_pushboolean(L, watched);
	return 1;
}

void esp_open_memory(lua_State *L)
{
	lua_pushcfunction(L, l_limit_memory);
	lua_setfield(L, -2, "limit_memory");
}
