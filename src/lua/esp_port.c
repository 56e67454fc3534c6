/* Ports for Lua: esp.open, esp.ports and the methods of a port. */
#include "esp_lua.h"

#include <string.h>

#define READ_MAX 65536
#define WRITE_TIMEOUT_MS 10000
#define PORTS_MAX 128

struct port *esp_check_port(lua_State *L, int i)
{
	return luaL_checkudata(L, i, ESP_PORT_TYPE);
}

static uint32_t opt_ms(lua_State *L, int i, lua_Integer def)
{
	lua_Integer ms = luaL_optinteger(L, i, def);

	luaL_argcheck(L, ms >= 0 && ms <= 3600000, i, "milliseconds out of range");
	return (uint32_t)ms;
}

/* esp.open(url [, baud]) -> port | nil, message, code */
static int l_open(lua_State *L)
{
	const char *url = luaL_checkstring(L, 1);
	lua_Integer baud = luaL_optinteger(L, 2, 115200);
	struct port *p;

	luaL_argcheck(L, baud > 0 && baud <= PORT_MAX_BAUD, 2, "baud out of range");
	p = lua_newuserdatauv(L, sizeof *p, 1);
	port_init(p);			/* closed until proven open: __gc is safe */
	luaL_setmetatable(L, ESP_PORT_TYPE);
	if (port_open(p, url, (uint32_t)baud) < 0)
		return esp_push_fail(L, &p->err);
	return 1;
}

static void set_text(lua_State *L, const char *key, const char *text)
{
	if (!text[0])
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, key);
}

static void set_id(lua_State *L, const char *key, int id)
{
	if (id < 0)
		return;
	lua_pushinteger(L, id);
	lua_setfield(L, -2, key);
}

static void push_info(lua_State *L, const struct port_info *i)
{
	lua_createtable(L, 0, 8);
	set_text(L, "name", i->name);
	set_text(L, "description", i->description);
	set_text(L, "transport", i->transport);
	set_text(L, "manufacturer", i->manufacturer);
	set_text(L, "product", i->product);
	set_text(L, "serial", i->serial);
	set_id(L, "vid", i->vid);
	set_id(L, "pid", i->pid);
}

/* esp.ports() -> { {name=, description=, transport=, vid=, pid=, serial=,
 * product=, manufacturer=}, ... } | nil, message, code */
static int l_ports(lua_State *L)
{
	struct esp_error err;
	struct port_info *list = lua_newuserdatauv(L, PORTS_MAX * sizeof *list, 0);
	int i, n = port_list(list, PORTS_MAX, &err);

	if (n < 0)
		return esp_push_fail(L, &err);
	n = n > PORTS_MAX ? PORTS_MAX : n;
	lua_createtable(L, n, 0);
	for (i = 0; i < n; i++) {
		push_info(L, &list[i]);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

/* port:read(n [, timeout_ms]) -> bytes ("" when none came) | nil, message, code */
static int l_read(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);
	lua_Integer n = luaL_checkinteger(L, 2);
	uint32_t ms = opt_ms(L, 3, 0);
	luaL_Buffer b;
	int got;

	luaL_argcheck(L, n > 0 && n <= READ_MAX, 2, "size out of range");
	got = port_read(p, luaL_buffinitsize(L, &b, (size_t)n), (size_t)n, ms);
	if (got < 0)
		return esp_push_fail(L, &p->err);
	luaL_pushresultsize(&b, (size_t)got);
	return 1;
}

/* port:write(bytes [, timeout_ms]) -> true | nil, message, code */
static int l_write(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);
	size_t len;
	const char *s = luaL_checklstring(L, 2, &len);

	return esp_push_ok(L, port_write(p, s, len, opt_ms(L, 3, WRITE_TIMEOUT_MS)), &p->err);
}

/* port:drain([timeout_ms]) -> true | nil, message, code */
static int l_drain(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);

	return esp_push_ok(L, port_drain(p, opt_ms(L, 2, WRITE_TIMEOUT_MS)), &p->err);
}

/* port:flush() -> true | nil, message, code: drops what was not yet read */
static int l_flush(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);

	return esp_push_ok(L, port_flush(p), &p->err);
}

/* port:baud([rate]) -> the rate now | nil, message, code */
static int l_baud(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);

	if (!lua_isnoneornil(L, 2) && port_set_baud(p, esp_check_u32(L, 2)) < 0)
		return esp_push_fail(L, &p->err);
	lua_pushinteger(L, p->baud);
	return 1;
}

static int line_field(lua_State *L, const char *key)
{
	int v = PORT_LINE_KEEP;

	if (lua_getfield(L, 2, key) != LUA_TNIL)
		v = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return v;
}

/* port:lines{ dtr = bool, rts = bool } -> true | nil, message, code; a line
 * that is not named stays as it is; true asserts (wire low) */
static int l_lines(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);

	luaL_checktype(L, 2, LUA_TTABLE);
	return esp_push_ok(L, port_set_lines(p, line_field(L, "dtr"), line_field(L, "rts")),
			   &p->err);
}

/* port:set_break(on) -> true | nil, message, code */
static int l_break(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);

	return esp_push_ok(L, port_set_break(p, lua_toboolean(L, 2)), &p->err);
}

/* port:sleep(ms) -> true | nil, message, code, in the port's own time */
static int l_sleep(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);

	return esp_push_ok(L, port_sleep(p, opt_ms(L, 2, 0)), &p->err);
}

/* port:now() -> microseconds on the port's clock */
static int l_now(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)port_now_us(esp_check_port(L, 1)));
	return 1;
}

/* port:info() -> { name=, kind=, baud=, open=, lines=, virtual=, sent_bytes=,
 * received_bytes= }; the counts are since it was opened */
static int l_info(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);

	lua_createtable(L, 0, 8);
	set_text(L, "name", p->name);
	set_text(L, "kind", p->ops ? p->ops->kind : "closed");
	lua_pushinteger(L, p->baud);
	lua_setfield(L, -2, "baud");
	lua_pushboolean(L, port_is_open(p));
	lua_setfield(L, -2, "open");
	lua_pushboolean(L, port_has(p, PORT_HAS_LINES));
	lua_setfield(L, -2, "lines");
	lua_pushboolean(L, port_has(p, PORT_IS_VIRTUAL));
	lua_setfield(L, -2, "virtual");
	lua_pushinteger(L, (lua_Integer)p->sent_bytes);
	lua_setfield(L, -2, "sent_bytes");
	lua_pushinteger(L, (lua_Integer)p->received_bytes);
	lua_setfield(L, -2, "received_bytes");
	return 1;
}

/* port:close(); closing twice is fine */
static int l_close(lua_State *L)
{
	port_close(esp_check_port(L, 1));
	return 0;
}

static int l_tostring(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);

	lua_pushfstring(L, "esp.port (%s%s)", p->name, p->ops ? "" : ", closed");
	return 1;
}

static const luaL_Reg methods[] = {
	{ "read", l_read }, { "write", l_write }, { "drain", l_drain }, { "flush", l_flush },
	{ "baud", l_baud }, { "lines", l_lines }, { "set_break", l_break },
	{ "sleep", l_sleep }, { "now", l_now }, { "info", l_info }, { "close", l_close },
	{ "__gc", l_close }, { "__close", l_close }, { "__tostring", l_tostring },
	{ NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "open", l_open }, { "ports", l_ports }, { NULL, NULL },
};

void esp_open_port(lua_State *L)
{
	luaL_newmetatable(L, ESP_PORT_TYPE);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
