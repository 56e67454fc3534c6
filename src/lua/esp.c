#include "esp_lua.h"

static const luaL_Reg nothing[] = { { NULL, NULL } };

int esp_push_fail(lua_State *L, const struct esp_error *e)
{
	if (e->code == ESP_E_INTERRUPTED && port_interrupted)
		port_interrupted = PORT_INTERRUPT_TOLD;
	luaL_pushfail(L);
	lua_pushstring(L, e->text);
	lua_pushstring(L, esp_err_name(e->code));
	return 3;
}

int esp_push_ok(lua_State *L, int rc, const struct esp_error *e)
{
	if (rc < 0)
		return esp_push_fail(L, e);
	lua_pushboolean(L, 1);
	return 1;
}

uint32_t esp_check_u32(lua_State *L, int i)
{
	lua_Integer v = luaL_checkinteger(L, i);

	luaL_argcheck(L, v >= 0 && v <= 0xffffffffLL, i, "not an unsigned 32-bit number");
	return (uint32_t)v;
}

int luaopen_esp(lua_State *L)
{
	luaL_newlib(L, nothing);
	esp_open_port(L);
	esp_open_rom(L);
	esp_open_rom_raw(L);
	esp_open_stub(L);
	esp_open_stub_flash(L);
	esp_open_sim(L);
	esp_open_bytes(L);
	esp_open_system(L);
	esp_open_terminal(L);
	esp_open_confine(L);
	esp_open_process(L);
	lua_pushstring(L, MOONFLASH_VERSION);
	lua_setfield(L, -2, "version");
	return 1;
}
