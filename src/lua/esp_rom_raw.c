/* Single commands and frames of the ROM's protocol for Lua: rom:command(),
 * rom:frame(), rom:send_frame(). For loaders whose rules are written in Lua. */
#include "esp_lua.h"

#include "../loader/rom.h"

static struct rom *check_rom(lua_State *L)
{
	return luaL_checkudata(L, 1, ESP_ROM_TYPE);	/* its first member */
}

static uint32_t field_u32(lua_State *L, const char *key, uint32_t otherwise)
{
	uint32_t v = otherwise;

	if (lua_getfield(L, 2, key) != LUA_TNIL)
		v = esp_check_u32(L, lua_gettop(L));
	lua_pop(L, 1);
	return v;
}

static void read_words(lua_State *L, struct rom_request *req)
{
	if (lua_getfield(L, 2, "words") != LUA_TNIL) {
		luaL_checktype(L, -1, LUA_TTABLE);
		req->n_words = lua_rawlen(L, -1);
		luaL_argcheck(L, req->n_words <= ROM_WORDS_MAX, 2, "too many words");
		for (size_t i = 0; i < req->n_words; i++) {
			lua_rawgeti(L, -1, (lua_Integer)i + 1);
			req->words[i] = esp_check_u32(L, lua_gettop(L));
			lua_pop(L, 1);
		}
	}
	lua_pop(L, 1);
}

/* rom:command{ op =, words = { ... }, data = bytes, timeout_ms = } -> value, data
 * | nil, message, code. data are in the packet's checksum; timeout_ms is without
 * the transfer. */
static int l_command(lua_State *L)
{
	struct rom *r = check_rom(L);
	struct rom_request req = { 0 };
	struct rom_reply reply;
	uint32_t op;

	luaL_checktype(L, 2, LUA_TTABLE);
	op = field_u32(L, "op", 0);
	luaL_argcheck(L, op > 0 && op <= 0xff, 2, "op is no command byte");
	req.op = (uint8_t)op;
	req.timeout_ms = field_u32(L, "timeout_ms", 0);
	read_words(L, &req);
	if (lua_getfield(L, 2, "data") != LUA_TNIL) {
		req.data = luaL_checklstring(L, -1, &req.len);
		req.checksum = true;
	}
	if (rom_command(r, &req, &reply) < 0)
		return esp_push_fail(L, &r->err);
	lua_pushinteger(L, reply.value);
	lua_pushlstring(L, (const char *)reply.data, reply.len);
	return 2;
}

/* rom:send_frame(bytes) -> true | nil, message, code */
static int l_send_frame(lua_State *L)
{
	struct rom *r = check_rom(L);
	size_t len;
	const char *s = luaL_checklstring(L, 2, &len);

	return esp_push_ok(L, rom_send_frame(r, s, len), &r->err);
}

/* rom:frame(timeout_ms) -> bytes | nil, message, code: the next frame, whatever
 * it is */
static int l_frame(lua_State *L)
{
	struct rom *r = check_rom(L);
	const uint8_t *frame;
	int n = rom_frame(r, esp_check_u32(L, 2), &frame);

	if (n < 0)
		return esp_push_fail(L, &r->err);
	lua_pushlstring(L, (const char *)frame, (size_t)n);
	return 1;
}

static const luaL_Reg methods[] = {
	{ "command", l_command }, { "send_frame", l_send_frame }, { "frame", l_frame },
	{ NULL, NULL },
};

void esp_open_rom_raw(lua_State *L)
{
	luaL_getmetatable(L, ESP_ROM_TYPE);
	luaL_setfuncs(L, methods, 0);
	lua_pop(L, 1);
}
