/* Our stub for Lua: esp.stub(rom) and its methods. */
#include "esp_lua.h"

#include "../loader/stub.h"

#include <stdlib.h>
#include <string.h>

#define READ_MAX (16 << 20)
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

/* ---- progress: a Lua function called from inside C, protected ---- */

struct lua_progress {
	lua_State *L;
	int fn;			/* its stack index; 0 = none */
	bool raised;		/* its error is on the top of the stack */
};

static int call_progress(void *ctx, uint32_t done, uint32_t total)
{
	struct lua_progress *p = ctx;

	if (port_interrupted)
		return -1;
	if (!p->fn)
		return 0;
	lua_pushvalue(p->L, p->fn);
	lua_pushinteger(p->L, done);
	lua_pushinteger(p->L, total);
	p->raised = lua_pcall(p->L, 2, 0, 0) != LUA_OK;
	return p->raised ? -1 : 0;
}

static struct lua_progress progress_at(lua_State *L, int i)
{
	bool given = !lua_isnoneornil(L, i);

	if (given)
		luaL_checktype(L, i, LUA_TFUNCTION);
	return (struct lua_progress){ L, given ? i : 0, false };
}

static int fail_or_raise(lua_State *L, struct stub *s, const struct lua_progress *p)
{
	return p->raised ? lua_error(L) : esp_push_fail(L, &s->err);
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

/* ---- looking at flash ---- */

/* stub:info() -> { id=, status={ SR1, SR2, SR3 }, uid=bytes, sfdp=bytes } */
static int l_info(lua_State *L)
{
	struct stub *s = check_stub(L);
	struct stub_info info;
	int i;

	if (stub_info(s, &info) < 0)
		return esp_push_fail(L, &s->err);
	lua_createtable(L, 0, 4);
	lua_pushinteger(L, info.jedec_id);
	lua_setfield(L, -2, "id");
	lua_createtable(L, 3, 0);
	for (i = 0; i < 3; i++) {
		lua_pushinteger(L, info.sr[i]);
		lua_rawseti(L, -2, i + 1);
	}
	lua_setfield(L, -2, "status");
	lua_pushlstring(L, (const char *)info.uid, sizeof info.uid);
	lua_setfield(L, -2, "uid");
	lua_pushlstring(L, (const char *)info.sfdp, sizeof info.sfdp);
	lua_setfield(L, -2, "sfdp");
	return 1;
}

static int check_mode(lua_State *L, int i)
{
	static const char *const modes[] = { "qio", "qout", "dio", "dout", "fast", "slow", NULL };

	return luaL_checkoption(L, i, "slow", modes);	/* in the order of enum wire_mode */
}

/* stub:hashes(addr, len [, mode]) -> { crc32 per 4096 bytes, ... } | nil, ... */
static int l_hashes(lua_State *L)
{
	struct stub *s = check_stub(L);
	uint32_t addr = esp_check_u32(L, 2), len = esp_check_u32(L, 3), *crc;
	int mode = check_mode(L, 4);
	size_t i, n = ((size_t)len + WIRE_SECTOR - 1) / WIRE_SECTOR;

	luaL_argcheck(L, len > 0 && len <= WIRE_FLASH_MAX, 3, "length out of range");
	crc = lua_newuserdatauv(L, n * sizeof *crc, 0);
	if (stub_hashes_mode(s, addr, len, crc, (enum wire_mode)mode) < 0)
		return esp_push_fail(L, &s->err);
	lua_createtable(L, (int)n, 0);
	for (i = 0; i < n; i++) {
		lua_pushinteger(L, crc[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* stub:mode_works(addr, len, mode) -> boolean | nil, message, code */
static int l_mode_works(lua_State *L)
{
	struct stub *s = check_stub(L);
	uint32_t addr = esp_check_u32(L, 2), len = esp_check_u32(L, 3);
	int rc = stub_mode_works(s, addr, len, (enum wire_mode)check_mode(L, 4));

	if (rc < 0)
		return esp_push_fail(L, &s->err);
	lua_pushboolean(L, rc);
	return 1;
}

/* stub:digest(addr, len) -> md5 hex, crc32 | nil, message, code */
static int l_digest(lua_State *L)
{
	struct stub *s = check_stub(L);
	uint32_t addr = esp_check_u32(L, 2);
	struct stub_digest d;
	luaL_Buffer b;
	int i;

	if (stub_digest(s, addr, esp_check_u32(L, 3), &d) < 0)
		return esp_push_fail(L, &s->err);
	luaL_buffinit(L, &b);
	for (i = 0; i < 16; i++) {
		lua_pushfstring(L, "%c%c", "0123456789abcdef"[d.md5[i] >> 4],
				"0123456789abcdef"[d.md5[i] & 15]);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	lua_pushinteger(L, d.crc);
	return 2;
}

/* stub:read(addr, len [, progress]) -> bytes | nil, message, code */
static int l_read(lua_State *L)
{
	struct stub *s = check_stub(L);
	uint32_t addr = esp_check_u32(L, 2), len = esp_check_u32(L, 3);
	struct lua_progress p = progress_at(L, 4);
	struct stub_progress step = { call_progress, &p };
	char *buf;

	luaL_argcheck(L, len > 0 && len <= READ_MAX, 3, "length out of range");
	buf = lua_newuserdatauv(L, len, 0);
	if (stub_read(s, addr, buf, len, &step) < 0)
		return fail_or_raise(L, s, &p);
	lua_pushlstring(L, buf, len);
	return 1;
}

/* stub:spi{ op =, addr =, addr_bytes =, dummy_bits =, before =, ready_ms =,
 * out = bytes, read = n } -> bytes | nil, message, code */
static int l_spi(lua_State *L)
{
	static const char *const keys[] = { "op", "addr", "addr_bytes", "dummy_bits", "before",
		"ready_ms", "read" };
	struct stub *s = check_stub(L);
	lua_Integer v[7] = { 0 };
	char in[WIRE_SPI_DATA_MAX];
	struct stub_spi t = { 0 };
	size_t i;

	luaL_checktype(L, 2, LUA_TTABLE);
	for (i = 0; i < 7; i++) {
		if (lua_getfield(L, 2, keys[i]) != LUA_TNIL)
			v[i] = luaL_checkinteger(L, -1);
		luaL_argcheck(L, v[i] >= 0 && v[i] <= 0xffffffffLL, 2, keys[i]);
		lua_pop(L, 1);
	}
	luaL_argcheck(L, v[0] <= 0xff && v[4] <= 0xff, 2, "op and before are command bytes");
	luaL_argcheck(L, v[2] <= 4 && v[3] <= 255 && v[6] <= WIRE_SPI_DATA_MAX, 2,
		      "a length is out of range");
	if (lua_getfield(L, 2, "out") != LUA_TNIL)
		t.out = luaL_checklstring(L, -1, &t.out_len);
	t.opcode = (uint8_t)v[0];
	t.addr = (uint32_t)v[1];
	t.addr_bytes = (uint8_t)v[2];
	t.dummy_bits = (uint8_t)v[3];
	t.before = (uint8_t)v[4];
	t.ready_ms = (uint32_t)v[5];
	t.in = in;
	t.in_len = (size_t)v[6];
	if (stub_spi(s, &t) < 0)
		return esp_push_fail(L, &s->err);
	lua_pushlstring(L, in, t.in_len);
	return 1;
}

/* stub:write_status(opcode, bytes) -> true | nil, message, code */
static int l_write_status(lua_State *L)
{
	struct stub *s = check_stub(L);
	lua_Integer op = luaL_checkinteger(L, 2);
	size_t n;
	const char *bytes = luaL_checklstring(L, 3, &n);

	luaL_argcheck(L, op == 0x01 || op == 0x31 || op == 0x11, 2, "not a command that writes status");
	luaL_argcheck(L, n == 1 || n == 2, 3, "one or two bytes");
	return esp_push_ok(L, stub_write_status(s, (uint8_t)op, (const uint8_t *)bytes, n), &s->err);
}

/* stub:flash_reset() -> true | nil, message, code: wakes and resets the flash */
static int l_flash_reset(lua_State *L)
{
	struct stub *s = check_stub(L);

	return esp_push_ok(L, stub_flash_reset(s), &s->err);
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

/* ---- changing flash ---- */

/* stub:write_begin(addr, size [, blank]) -> true | nil, message, code: erases
 * ahead, unless all of it is known to be blank */
static int l_write_begin(lua_State *L)
{
	struct stub *s = check_stub(L);
	uint32_t addr = esp_check_u32(L, 2);

	unsigned sizes = STUB_ERASE_ALL | (lua_toboolean(L, 4) ? WIRE_ERASED : 0);

	return esp_push_ok(L, stub_write_begin(s, addr, esp_check_u32(L, 3), sizes), &s->err);
}

/* stub:write_unit(addr, bytes) -> true | nil, message, code: queued, at most 16 KiB */
static int l_write_unit(lua_State *L)
{
	struct stub *s = check_stub(L);
	uint32_t addr = esp_check_u32(L, 2);
	size_t len;
	const char *bytes = luaL_checklstring(L, 3, &len);

	luaL_argcheck(L, len > 0 && len <= WIRE_UNIT_MAX && len % 4 == 0, 3, "length out of range");
	return esp_push_ok(L, stub_write_unit(s, addr, bytes, len), &s->err);
}

/* stub:write_end() -> true | nil, message, code, addr: all is in flash, compared */
static int l_write_end(lua_State *L)
{
	struct stub *s = check_stub(L);

	if (stub_write_end(s) >= 0)
		return esp_push_ok(L, 0, NULL);
	esp_push_fail(L, &s->err);
	lua_pushinteger(L, s->refusal_addr);
	return 4;
}

/* stub:erase(addr, size [, progress]) -> true | nil, message, code */
static int l_erase(lua_State *L)
{
	struct stub *s = check_stub(L);
	uint32_t addr = esp_check_u32(L, 2), size = esp_check_u32(L, 3);
	struct lua_progress p = progress_at(L, 4);
	struct stub_progress step = { call_progress, &p };

	if (stub_erase(s, addr, size, &step) < 0)
		return fail_or_raise(L, s, &p);
	return esp_push_ok(L, 0, NULL);
}

/* stub:erase_chip([progress]) -> true | nil, message, code; progress gets ms */
static int l_erase_chip(lua_State *L)
{
	struct stub *s = check_stub(L);
	struct lua_progress p = progress_at(L, 2);
	struct stub_progress step = { call_progress, &p };

	if (stub_erase_chip(s, &step) < 0)
		return fail_or_raise(L, s, &p);
	return esp_push_ok(L, 0, NULL);
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

static int l_close(lua_State *L)
{
	stub_close(check_stub(L));
	return 0;
}

static const luaL_Reg methods[] = {
	{ "hello", l_hello }, { "set_baud", l_set_baud },
	{ "allow_slower", l_allow_slower }, { "ping", l_ping }, { "run", l_run },
	{ "counters", l_counters }, { "info", l_info }, { "hashes", l_hashes },
	{ "mode_works", l_mode_works }, { "digest", l_digest }, { "read", l_read },
	{ "spi", l_spi }, { "write_status", l_write_status }, { "flash_reset", l_flash_reset },
	{ "mem_read", l_mem_read }, { "mem_write", l_mem_write },
	{ "write_begin", l_write_begin }, { "write_unit", l_write_unit },
	{ "write_end", l_write_end }, { "erase", l_erase }, { "erase_chip", l_erase_chip },
	{ "state", l_state }, { "reset", l_reset }, { "__gc", l_close }, { "__close", l_close },
	{ NULL, NULL },
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
