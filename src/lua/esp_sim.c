/* The simulated chip for Lua: esp.sim{...}, looking inside it, and serving it
 * to other programs. */
#include "esp_lua.h"

#include "../port/port_sim.h"
#include "../serve/serve.h"
#include "../sim/chip.h"
#include "../sim/cpu.h"
#include "../sim/nor.h"

#include <stdlib.h>
#include <string.h>

#define SERVERS_MAX 64

/* A view of the chip behind a simulated port; the port is its user value. */
struct sim_view {
	struct port *port;
};

static struct chip *check_chip(lua_State *L, int i)
{
	struct sim_view *v = luaL_checkudata(L, i, ESP_SIM_TYPE);
	struct chip *c = port_is_open(v->port) ? port_sim_chip(v->port) : NULL;

	if (!c)
		luaL_error(L, "the simulated chip's port is closed");
	return c;
}

static void push_view(lua_State *L, int port_index)
{
	struct sim_view *v;

	port_index = lua_absindex(L, port_index);
	v = lua_newuserdatauv(L, sizeof *v, 1);
	v->port = lua_touserdata(L, port_index);
	lua_pushvalue(L, port_index);
	lua_setiuservalue(L, -2, 1);
	luaL_setmetatable(L, ESP_SIM_TYPE);
}

/* The value at i as an option of a URL. */
static void push_escaped(lua_State *L, int i)
{
	const char *s = lua_isboolean(L, i) ? lua_toboolean(L, i) ? "1" : "0"
					    : luaL_tolstring(L, i, NULL);
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	for (; *s; s++) {
		if (strchr("%&=?#", *s)) {
			char hex[4] = { '%', "0123456789ABCDEF"[(uint8_t)*s >> 4],
				"0123456789ABCDEF"[*s & 15], 0 };

			luaL_addstring(&b, hex);
		} else {
			luaL_addchar(&b, *s);
		}
	}
	luaL_pushresult(&b);
}

/* "sim:FILE?key=value&..." of a table; `flash` is the file, `baud` is not ours. */
static void push_url(lua_State *L, int i)
{
	int url = lua_gettop(L) + 1;
	const char *key;
	int joint = '?';

	lua_getfield(L, i, "flash");
	lua_pushfstring(L, "sim:%s", luaL_optstring(L, url, ""));
	lua_replace(L, url);
	for (lua_pushnil(L); lua_next(L, i); lua_settop(L, url + 1)) {
		luaL_argcheck(L, lua_type(L, url + 1) == LUA_TSTRING, i, "options have names");
		key = lua_tostring(L, url + 1);
		if (strcmp(key, "flash") == 0 || strcmp(key, "baud") == 0)
			continue;
		push_escaped(L, url + 2);
		lua_pushfstring(L, "%s%c%s=%s", lua_tostring(L, url), joint, key,
				lua_tostring(L, -1));
		lua_replace(L, url);
		joint = '&';
	}
}

/* esp.sim{ flash = file, size = "4M", ... } -> sim | nil, message, code
 * The options are those of a "sim:" URL; esp.sim_options() lists them. */
static int l_sim(lua_State *L)
{
	struct port *p;
	lua_Integer baud;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_getfield(L, 1, "baud");
	baud = luaL_optinteger(L, 2, 115200);
	luaL_argcheck(L, baud > 0 && baud <= PORT_MAX_BAUD, 1, "baud out of range");
	lua_settop(L, 1);
	push_url(L, 1);
	p = lua_newuserdatauv(L, sizeof *p, 1);
	port_init(p);
	luaL_setmetatable(L, ESP_PORT_TYPE);
	if (port_open(p, lua_tostring(L, -2), (uint32_t)baud) < 0)
		return esp_push_fail(L, &p->err);
	push_view(L, -1);
	return 1;
}

/* esp.sim_of(port) -> sim, or nil when the port is no simulated one */
static int l_sim_of(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);

	if (!port_is_open(p) || !port_sim_chip(p))
		return 0;
	push_view(L, 1);
	return 1;
}

/* esp.sim_options() -> { { name=, form=, help= }, ... } */
static int l_sim_options(lua_State *L)
{
	const char *name, *form, *help;
	size_t i;

	lua_newtable(L);
	for (i = 0; (name = chip_config_option(i, &form, &help)); i++) {
		lua_createtable(L, 0, 3);
		lua_pushstring(L, name);
		lua_setfield(L, -2, "name");
		lua_pushstring(L, form);
		lua_setfield(L, -2, "form");
		lua_pushstring(L, help);
		lua_setfield(L, -2, "help");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* sim:port() -> the port that is wired to the chip */
static int l_port(lua_State *L)
{
	luaL_checkudata(L, 1, ESP_SIM_TYPE);
	lua_getiuservalue(L, 1, 1);
	return 1;
}

/* sim:now() -> microseconds since power-on, on the chip's clock */
static int l_now(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)chip_now_us(check_chip(L, 1)));
	return 1;
}

/* sim:run(ms): lets the chip live on for so long */
static int l_run(lua_State *L)
{
	struct chip *c = check_chip(L, 1);
	lua_Integer ms = luaL_checkinteger(L, 2);

	luaL_argcheck(L, ms >= 0 && ms <= 86400000, 2, "milliseconds out of range");
	chip_run(c, chip_now_us(c) + (uint64_t)ms * 1000, false);
	return 0;
}

/* sim:power(on): switches the supply; off and on is a power cycle */
static int l_power(lua_State *L)
{
	chip_power(check_chip(L, 1), lua_toboolean(L, 2));
	return 0;
}

/* sim:is_on() -> boolean; a power cut by a fault leaves it off */
static int l_is_on(lua_State *L)
{
	lua_pushboolean(L, chip_is_on(check_chip(L, 1)));
	return 1;
}

/* sim:peek(addr [, n = 1]) -> word, ...: memory or registers, without side effects */
static int l_peek(lua_State *L)
{
	struct chip *c = check_chip(L, 1);
	uint32_t addr = esp_check_u32(L, 2);
	lua_Integer i, n = luaL_optinteger(L, 3, 1);

	luaL_argcheck(L, n >= 1 && n <= 200, 3, "count out of range");
	for (i = 0; i < n; i++)
		lua_pushinteger(L, chip_peek(c, addr + (uint32_t)i * 4));
	return (int)n;
}

/* sim:poke(addr, word) -> boolean: RAM only */
static int l_poke(lua_State *L)
{
	struct chip *c = check_chip(L, 1);
	uint32_t addr = esp_check_u32(L, 2);

	lua_pushboolean(L, chip_poke(c, addr, esp_check_u32(L, 3)));
	return 1;
}

static uint8_t *check_range(lua_State *L, size_t len, uint32_t *addr)
{
	uint32_t bytes;
	uint8_t *flash = chip_flash(check_chip(L, 1), &bytes);

	*addr = esp_check_u32(L, 2);
	luaL_argcheck(L, *addr <= bytes && len <= bytes - *addr, 2, "outside the flash");
	return flash;
}

/* sim:flash(addr, len) -> bytes: the cells themselves, not through the chip */
static int l_flash(lua_State *L)
{
	lua_Integer len = luaL_checkinteger(L, 3);
	uint32_t addr;
	const uint8_t *flash;

	luaL_argcheck(L, len >= 0, 3, "length out of range");
	flash = check_range(L, (size_t)len, &addr);
	lua_pushlstring(L, (const char *)flash + addr, (size_t)len);
	return 1;
}

/* sim:set_flash(addr, bytes): puts cells as they are wanted, as a programmer
 * clipped to the flash chip would */
static int l_set_flash(lua_State *L)
{
	size_t len;
	const char *bytes = luaL_checklstring(L, 3, &len);
	uint32_t addr;
	uint8_t *flash = check_range(L, len, &addr);

	memcpy(flash + addr, bytes, len);
	return 0;
}

/* sim:flash_size() -> bytes */
static int l_flash_size(lua_State *L)
{
	uint32_t bytes;

	chip_flash(check_chip(L, 1), &bytes);
	lua_pushinteger(L, bytes);
	return 1;
}

static void set_count(lua_State *L, const char *key, uint64_t n)
{
	lua_pushinteger(L, (lua_Integer)n);
	lua_setfield(L, -2, key);
}

/* sim:stats() -> counters: bytes on the wire, lost bytes, resets, flash
 * operations, and what the running software did against the flash's rules */
static int l_stats(lua_State *L)
{
	struct chip *c = check_chip(L, 1);
	const struct nor *nor = chip_nor(c);
	const struct cpu *cpu = chip_cpu(c);
	struct chip_stats s;

	chip_get_stats(c, &s);
	lua_createtable(L, 0, 18);
	set_count(L, "host_sent", s.host_sent);
	set_count(L, "host_received", s.host_received);
	set_count(L, "uart_lost", s.uart_lost);
	set_count(L, "resets", s.resets);
	set_count(L, "stray", s.stray);
	set_count(L, "faults", s.faults);
	set_count(L, "erases", nor->stats.erases);
	set_count(L, "programs", nor->stats.programs);
	set_count(L, "chip_erases", nor->stats.chip_erases);
	set_count(L, "read_bytes", nor->stats.read_bytes);
	set_count(L, "status_writes", nor->stats.status_writes);
	set_count(L, "busy_commands", nor->stats.busy_commands);
	set_count(L, "without_wel", nor->stats.without_wel);
	set_count(L, "on_protected", nor->stats.on_protected);
	set_count(L, "unknown_commands", nor->stats.unknown);
	set_count(L, "overwrites", nor->array.overwrites);
	set_count(L, "programmed_bytes", nor->array.programmed_bytes);
	set_count(L, "instructions", cpu->instructions);
	set_count(L, "exceptions", cpu->exceptions);
	set_count(L, "cycles", cpu->cycles);
	return 1;
}

static void push_counts(lua_State *L, const uint32_t *counts, uint32_t n)
{
	uint32_t i;

	lua_createtable(L, (int)n, 0);
	for (i = 0; i < n; i++) {
		lua_pushinteger(L, counts[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

/* sim:sector_erases() -> { erases of each 4096-byte sector since it was opened } */
static int l_sector_erases(lua_State *L)
{
	const struct nor *nor = chip_nor(check_chip(L, 1));

	push_counts(L, nor->array.sector_erases, nor->array.bytes / 4096);
	return 1;
}

/* sim:page_programs() -> { programs of each 256-byte page since it was opened } */
static int l_page_programs(lua_State *L)
{
	const struct nor *nor = chip_nor(check_chip(L, 1));

	push_counts(L, nor->array.page_programs, nor->array.bytes / 256);
	return 1;
}

/* sim:cpu() -> { pc=, ps=, sar=, exccause=, excvaddr=, epc1=, a={a0..a15},
 * waiting= } */
static int l_cpu(lua_State *L)
{
	const struct cpu *c = chip_cpu(check_chip(L, 1));

	lua_createtable(L, 0, 8);
	set_count(L, "pc", c->pc);
	set_count(L, "ps", c->ps);
	set_count(L, "sar", c->sar);
	set_count(L, "exccause", c->exccause);
	set_count(L, "excvaddr", c->excvaddr);
	set_count(L, "epc1", c->epc[1]);
	push_counts(L, c->a, 16);
	lua_setfield(L, -2, "a");
	lua_pushboolean(L, c->waiting);
	lua_setfield(L, -2, "waiting");
	return 1;
}

/* ---- serving ---- */

struct servers {
	struct serve serve[SERVERS_MAX];
	struct serve *list[SERVERS_MAX];
	size_t n;
};

static void close_servers(struct servers *s)
{
	while (s->n)
		serve_close(&s->serve[--s->n]);
}

/* One { sim or port, where } of the list at stack index 1, which keeps both. */
static int open_server(lua_State *L, struct servers *s, lua_Integer i)
{
	struct serve *v = &s->serve[s->n];
	struct port *port;
	struct chip *c;
	const char *where;

	lua_rawgeti(L, 1, i);
	lua_rawgeti(L, -1, 1);
	lua_rawgeti(L, -2, 2);
	port = luaL_testudata(L, -2, ESP_PORT_TYPE);
	c = port ? NULL : check_chip(L, -2);
	where = luaL_checkstring(L, -1);
	serve_init(v);
	s->list[s->n++] = v;
	lua_pop(L, 3);
	return port ? serve_open_port(v, port, where) : serve_open(v, c, where);
}

static int call_ready(lua_State *L, struct servers *s)
{
	size_t i;

	lua_pushvalue(L, 3);
	lua_createtable(L, (int)s->n, 0);
	for (i = 0; i < s->n; i++) {
		lua_pushstring(L, s->serve[i].where);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return lua_pcall(L, 1, 0, 0);
}

/* esp.serve({ { sim or port, where }, ... } [, for_ms [, ready]]) -> true | nil, message, code
 * where: "rfc2217:HOST:PORT" or "pty[:LINK]". Serves until the time is over or
 * a signal comes. ready gets the addresses once all are open. */
static int l_serve(lua_State *L)
{
	struct servers *s;
	lua_Integer i, n, ms = luaL_optinteger(L, 2, 0);
	struct esp_error err;
	int rc = 0;

	luaL_checktype(L, 1, LUA_TTABLE);
	n = luaL_len(L, 1);
	luaL_argcheck(L, n >= 1 && n <= SERVERS_MAX, 1, "between 1 and 64 servers");
	luaL_argcheck(L, ms >= 0 && ms <= 0x7fffffff, 2, "milliseconds out of range");
	lua_settop(L, 3);
	s = lua_newuserdatauv(L, sizeof *s, 0);
	s->n = 0;
	luaL_setmetatable(L, ESP_SERVERS_TYPE);
	for (i = 1; i <= n && rc >= 0; i++)
		rc = open_server(L, s, i);
	if (rc < 0) {
		err = s->serve[s->n - 1].err;
		close_servers(s);
		return esp_push_fail(L, &err);
	}
	if (!lua_isnil(L, 3) && call_ready(L, s) != LUA_OK) {
		close_servers(s);
		return lua_error(L);
	}
	rc = serve_run(s->list, s->n, (uint32_t)ms);
	err = s->serve[0].err;
	close_servers(s);
	return esp_push_ok(L, rc, &err);
}

static int l_close_servers(lua_State *L)
{
	close_servers(luaL_checkudata(L, 1, ESP_SERVERS_TYPE));
	return 0;
}

static const luaL_Reg methods[] = {
	{ "port", l_port }, { "now", l_now }, { "run", l_run }, { "power", l_power },
	{ "is_on", l_is_on }, { "peek", l_peek }, { "poke", l_poke }, { "flash", l_flash },
	{ "set_flash", l_set_flash }, { "flash_size", l_flash_size }, { "stats", l_stats },
	{ "sector_erases", l_sector_erases }, { "page_programs", l_page_programs },
	{ "cpu", l_cpu }, { NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "sim", l_sim }, { "sim_of", l_sim_of }, { "sim_options", l_sim_options },
	{ "serve", l_serve }, { NULL, NULL },
};

void esp_open_sim(lua_State *L)
{
	luaL_newmetatable(L, ESP_SIM_TYPE);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	luaL_newmetatable(L, ESP_SERVERS_TYPE);
	lua_pushcfunction(L, l_close_servers);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 2);
	luaL_setfuncs(L, functions, 0);
}
