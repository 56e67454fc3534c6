/* Our stub for Lua: esp.stub(rom), the line to it and the chip's memory. What it
 * does to flash is in esp_stub_flash.c. */
#include "esp_lua.h"

#include "../loader/stub.h"

#define STORE_TYPE "esp.unit_store"
#define STORE_BYTES (32 << 20)

static struct stub *check_stub(lua_State *L)
{
	return luaL_checkudata(L, 1, ESP_STUB_TYPE);
}

/* esp.share_units([bytes = 32 MiB]) -> true | nil, message, code: stubs of this
 * process and of those forked from here share what they compress. */
static int l_share_units(lua_State *L)
{
	lua_Integer bytes = luaL_optinteger(L, 1, STORE_BYTES);
	struct esp_error err;
	struct stub_store *st;

	luaL_argcheck(L, bytes > 0 && bytes <= 1 << 30, 1, "size out of range");
	st = lua_newuserdatauv(L, sizeof *st, 0);
	*st = (struct stub_store){ NULL, 0 };
	luaL_setmetatable(L, STORE_TYPE);
	if (stub_store_open(st, (size_t)bytes) < 0) {
		esp_fail(&err, ESP_E_NOMEM, "no memory to share");
		return esp_push_fail(L, &err);
	}
	lua_setfield(L, LUA_REGISTRYINDEX, STORE_TYPE "s");
	return esp_push_ok(L, 0, NULL);
}

static int l_store_gc(lua_State *L)
{
	stub_store_close(luaL_checkudata(L, 1, STORE_TYPE));
	return 0;
}

/* esp.stub(rom [, baud]) -> stub | nil, message, code: loads it into the chip, at
 * that rate if it works (port:baud() tells), and waits for its hello. The rom's
 * port is in its hands from then on. */
static int l_stub(lua_State *L)
{
	struct rom *rom = luaL_checkudata(L, 1, ESP_ROM_TYPE);
	uint32_t baud = lua_isnoneornil(L, 2) ? rom->port->baud : esp_check_u32(L, 2);
	struct stub *s = lua_newuserdatauv(L, sizeof *s, 1);

	luaL_argcheck(L, baud > 0 && baud <= PORT_MAX_BAUD, 2, "baud out of range");
	stub_init(s, rom->port);
	lua_getfield(L, LUA_REGISTRYINDEX, STORE_TYPE "s");
	s->store = lua_touserdata(L, -1);	/* NULL: none is shared */
	lua_pop(L, 1);
	luaL_setmetatable(L, ESP_STUB_TYPE);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);	/* keeps rom and port alive */
	if (stub_start_at(s, rom, baud) < 0)
		return esp_push_fail(L, &s->err);
	return 1;
}

/* ---- the line ---- */

/* stub:hello() -> { version=, window=, features=, unit_max= } */
static int l_hello(lua_State *L)
{
	struct stub *s = check_stub(L);

	lua_createtable(L, 0, 4);
	lua_pushinteger(L, s->hello.version);
	lua_setfield(L, -2, "version");
	lua_pushinteger(L, s->hello.window);
	lua_setfield(L, -2, "window");
	lua_pushinteger(L, s->hello.features);
	lua_setfield(L, -2, "features");
	lua_pushinteger(L, s->hello.unit_max);
	lua_setfield(L, -2, "unit_max");
	return 1;
}

static unsigned clock_flags(lua_State *L, int i)
{
	static const char *const words[] = { "as they are", "pll", "double", "fast", NULL };
	static const unsigned flags[] = { 0, WIRE_CLOCK_PLL, WIRE_CLOCK_PLL | WIRE_CLOCK_DOUBLE,
		WIRE_CLOCK_PLL | WIRE_CLOCK_DOUBLE | WIRE_CLOCK_FLASH };

	return flags[luaL_checkoption(L, i, "as they are", words)];
}

/* stub:set_baud(baud [, clocks]) -> true | nil, message, code; clocks: "pll"
 * gives the UART a clock of 80 MHz, "double" the CPU 160 MHz too, "fast" the flash 40 MHz as well. On failure
 * the rate is as before (port:baud() tells). */
static int l_set_baud(lua_State *L)
{
	struct stub *s = check_stub(L);

	return esp_push_ok(L, stub_set_baud(s, esp_check_u32(L, 2), clock_flags(L, 3)), &s->err);
}

/* stub:allow_slower{ baud, ... }: rates, falling, to which work may go down by
 * itself when most frames get lost; counters().slowed tells how often it did */
static int l_allow_slower(lua_State *L)
{
	struct stub *s = check_stub(L);
	uint32_t rate[STUB_RATES_MAX];
	size_t n;

	luaL_checktype(L, 2, LUA_TTABLE);
	for (n = 0; lua_rawgeti(L, 2, (lua_Integer)n + 1) != LUA_TNIL; n++) {
		luaL_argcheck(L, n < STUB_RATES_MAX, 2, "too many rates");
		rate[n] = esp_check_u32(L, -1);
		lua_pop(L, 1);
	}
	stub_allow_slower(s, rate, n);
	return 0;
}

/* stub:ping(bytes) -> true | nil, message, code: there and back */
static int l_ping(lua_State *L)
{
	struct stub *s = check_stub(L);
	size_t len;
	const char *data = luaL_checklstring(L, 2, &len);

	luaL_argcheck(L, len <= WIRE_BODY_MAX, 2, "too long");
	return esp_push_ok(L, stub_ping(s, data, len), &s->err);
}

/* stub:run("flash" | "reset" | addr) -> true | nil, message, code: leaves it */
static int l_run(lua_State *L)
{
	static const char *const how[] = { "flash", "reset", NULL };
	struct stub *s = check_stub(L);
	int rc;

	if (lua_isinteger(L, 2))
		rc = stub_run(s, WIRE_RUN_ADDR, esp_check_u32(L, 2));
	else
		rc = stub_run(s, luaL_checkoption(L, 2, "flash", how) ? WIRE_RUN_RESET
			      : WIRE_RUN_FLASH, 0);
	return esp_push_ok(L, rc, &s->err);
}

static void set_count(lua_State *L, const char *key, uint64_t n)
{
	lua_pushinteger(L, (lua_Integer)n);
	lua_setfield(L, -2, key);
}

/* stub:counters() -> { sent=, resent=, sent_bytes=, received_bytes=, queries=,
 * repeated=, bad=, slowed=, plain=, packed=, shared= } since it was started */
static int l_counters(lua_State *L)
{
	const struct stub_counters *c = &check_stub(L)->counters;

	lua_createtable(L, 0, 9);
	set_count(L, "sent", c->sent);
	set_count(L, "resent", c->resent);
	set_count(L, "sent_bytes", c->sent_bytes);
	set_count(L, "received_bytes", c->received_bytes);
	set_count(L, "queries", c->queries);
	set_count(L, "repeated", c->repeated);
	set_count(L, "bad", c->bad);
	set_count(L, "slowed", c->slowed);
	set_count(L, "plain", c->plain);
	set_count(L, "packed", c->packed);
	set_count(L, "shared", c->shared);
	return 1;
}

/* stub:state() -> { where=, erased=, written=, error=text or nil, error_addr= } */
static int l_state(lua_State *L)
{
	struct stub *s = check_stub(L);

	lua_createtable(L, 0, 5);
	set_count(L, "where", s->state.where);
	set_count(L, "erased", s->state.erased);
	set_count(L, "written", s->state.written);
	if (s->state.error) {
		lua_pushstring(L, stub_status_text(s->state.error));
		lua_setfield(L, -2, "error");
		set_count(L, "error_addr", s->state.error_addr);
	}
	return 1;
}

/* stub:reset() -> true | nil, message, code: empties its queue */
static int l_reset(lua_State *L)
{
	struct stub *s = check_stub(L);

	return esp_push_ok(L, stub_reset(s), &s->err);
}

/* ---- memory ---- */

/* stub:mem_read(addr, len) -> bytes | nil, message, code; multiples of 4 */
static int l_mem_read(lua_State *L)
{
	struct stub *s = check_stub(L);
	uint32_t addr = esp_check_u32(L, 2);
	lua_Integer len = luaL_checkinteger(L, 3);
	luaL_Buffer b;

	luaL_argcheck(L, addr % 4 == 0, 2, "not the address of a word");
	luaL_argcheck(L, len > 0 && len <= 0x20000 && len % 4 == 0, 3, "length out of range");
	if (stub_mem_read(s, addr, luaL_buffinitsize(L, &b, (size_t)len), (size_t)len) < 0)
		return esp_push_fail(L, &s->err);
	luaL_pushresultsize(&b, (size_t)len);
	return 1;
}

/* stub:mem_write(addr, bytes) -> true | nil, message, code; multiples of 4 */
static int l_mem_write(lua_State *L)
{
	struct stub *s = check_stub(L);
	uint32_t addr = esp_check_u32(L, 2);
	size_t len;
	const char *bytes = luaL_checklstring(L, 3, &len);

	luaL_argcheck(L, addr % 4 == 0, 2, "not the address of a word");
	luaL_argcheck(L, len % 4 == 0, 3, "length is no multiple of 4");
	return esp_push_ok(L, stub_mem_write(s, addr, bytes, len), &s->err);
}

static int l_close(lua_State *L)
{
	stub_close(check_stub(L));
	return 0;
}

static const luaL_Reg methods[] = {
	{ "hello", l_hello }, { "set_baud", l_set_baud },
	{ "allow_slower", l_allow_slower }, { "ping", l_ping }, { "run", l_run },
	{ "counters", l_counters }, { "state", l_state }, { "reset", l_reset },
	{ "mem_read", l_mem_read }, { "mem_write", l_mem_write },
	{ "__gc", l_close }, { "__close", l_close }, { NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "stub", l_stub }, { "share_units", l_share_units }, { NULL, NULL },
};

void esp_open_stub(lua_State *L)
{
	luaL_newmetatable(L, STORE_TYPE);
	lua_pushcfunction(L, l_store_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	luaL_newmetatable(L, ESP_STUB_TYPE);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
