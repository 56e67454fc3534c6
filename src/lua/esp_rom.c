/* The ROM loader for Lua: esp.rom(port), esp.reset, esp.trace. */
#include "esp_lua.h"

#include "../loader/flash_rom.h"
#include "../loader/rom.h"
#include "../loader/trace.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define READ_MAX 65536
#define REGS_MAX 256

struct rom_handle {
	struct rom rom;
	struct flash_rom_writer writer;
	bool writing;
};

static struct rom_handle *check_handle(lua_State *L)
{
	return luaL_checkudata(L, 1, ESP_ROM_TYPE);
}

static struct rom *check_rom(lua_State *L)
{
	return &check_handle(L)->rom;
}

/* esp.rom(port) -> rom; no I/O, the port stays the caller's */
static int l_rom(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);
	struct rom_handle *h = lua_newuserdatauv(L, sizeof *h, 1);

	rom_init(&h->rom, p);
	h->writing = false;
	luaL_setmetatable(L, ESP_ROM_TYPE);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);	/* keeps the port alive */
	return 1;
}

/* ---- reset sequences ---- */

static bool int_field(lua_State *L, int i, const char *key, int *out)
{
	int type = lua_getfield(L, i, key);

	if (type == LUA_TBOOLEAN)
		*out = lua_toboolean(L, -1);
	else if (type != LUA_TNIL) {
		lua_Integer n = luaL_checkinteger(L, -1);

		if (n < INT_MIN || n > INT_MAX)
			luaL_error(L, "%s is out of range", key);
		*out = (int)n;
	}
	lua_pop(L, 1);
	return type != LUA_TNIL;
}

/* One step of a user's sequence: { dtr = bool, rts = bool }, { wait_ms = n },
 * { break_ms = n }. */
static void read_step(lua_State *L, int i, struct reset_step *s)
{
	bool dtr, rts;

	luaL_checktype(L, i, LUA_TTABLE);
	s->a = s->b = 0;
	if (int_field(L, i, "wait_ms", &s->a)) {
		s->op = RESET_WAIT_MS;
	} else if (int_field(L, i, "break_ms", &s->a)) {
		s->op = RESET_BREAK;
	} else {
		dtr = int_field(L, i, "dtr", &s->a);
		rts = int_field(L, i, "rts", dtr ? &s->b : &s->a);
		if (!dtr && !rts)
			luaL_error(L, "a reset step sets dtr, rts, wait_ms or break_ms");
		s->op = dtr && rts ? RESET_BOTH : dtr ? RESET_DTR : RESET_RTS;
	}
}

static size_t read_steps(lua_State *L, int i, struct reset_step *steps)
{
	lua_Integer k, n = luaL_len(L, i);

	luaL_argcheck(L, n <= RESET_STEPS_MAX, i, "too many reset steps");
	for (k = 1; k <= n; k++) {
		lua_rawgeti(L, i, k);
		read_step(L, lua_gettop(L), &steps[k - 1]);
		lua_pop(L, 1);
	}
	return (size_t)n;
}

/* The sequence at stack index i: a name, or a table of steps (kept in *own). */
static int read_sequence(lua_State *L, int i, enum reset_purpose purpose,
			 struct reset_step *own, struct reset_sequence *out,
			 struct esp_error *err)
{
	const struct reset_sequence *named;

	if (lua_istable(L, i)) {
		*out = (struct reset_sequence){ "own", purpose, "", own, read_steps(L, i, own) };
		return 0;
	}
	named = reset_find(luaL_checkstring(L, i), purpose);
	if (!named)
		return esp_fail(err, ESP_E_ARGUMENT, "there is no reset sequence '%s'",
				lua_tostring(L, i));
	*out = *named;
	return 0;
}

/* esp.reset(port, name or steps [, "run" | "loader" [, inverted]]) -> true | nil,
 * message, code; inverted: for a board that inverts both lines (rom:inverted()) */
static int l_reset(lua_State *L)
{
	static const char *const purposes[] = { "loader", "run", NULL };
	struct port *p = esp_check_port(L, 1);
	enum reset_purpose purpose = luaL_checkoption(L, 3, "run", purposes) ? RESET_TO_APP
									     : RESET_TO_LOADER;
	struct reset_step own[RESET_STEPS_MAX];
	struct reset_sequence seq;

	if (read_sequence(L, 2, purpose, own, &seq, &p->err) < 0)
		return esp_push_fail(L, &p->err);
	return esp_push_ok(L, reset_run(p, seq.steps, seq.n,
					lua_toboolean(L, 4) ? RESET_INVERTED : 0), &p->err);
}

/* esp.resets() -> { { name=, purpose="loader"|"run", about= }, ... } */
static int l_resets(lua_State *L)
{
	size_t i, n;
	const struct reset_sequence *s = reset_list(&n);

	lua_createtable(L, (int)n, 0);
	for (i = 0; i < n; i++) {
		lua_createtable(L, 0, 3);
		lua_pushstring(L, s[i].name);
		lua_setfield(L, -2, "name");
		lua_pushstring(L, s[i].purpose == RESET_TO_APP ? "run" : "loader");
		lua_setfield(L, -2, "purpose");
		lua_pushstring(L, s[i].about);
		lua_setfield(L, -2, "about");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* ---- connecting ---- */

/* rom:connect{ reset = name or steps, attempts = n } -> true | nil, message, code */
static int l_connect(lua_State *L)
{
	struct rom *r = check_rom(L);
	struct reset_step own[RESET_STEPS_MAX];
	struct reset_sequence seq = { "none", RESET_TO_LOADER, "", NULL, 0 };
	struct rom_connect how = { &seq, 1, 0, true };
	int attempts = 0;

	luaL_checktype(L, 2, LUA_TTABLE);
	if (lua_getfield(L, 2, "reset") != LUA_TNIL &&
	    read_sequence(L, lua_gettop(L), RESET_TO_LOADER, own, &seq, &r->err) < 0)
		return esp_push_fail(L, &r->err);
	lua_pop(L, 1);
	int_field(L, 2, "attempts", &attempts);
	luaL_argcheck(L, attempts >= 0, 2, "attempts out of range");
	how.attempts = (unsigned)attempts;
	how.n_sequences = seq.n ? 1 : 0;
	return esp_push_ok(L, rom_connect(r, &how), &r->err);
}

/* rom:sync() -> true | nil, message, code */
static int l_sync(lua_State *L)
{
	struct rom *r = check_rom(L);

	return esp_push_ok(L, rom_sync(r), &r->err);
}

/* rom:heard() -> { bytes=, total=, echo=, baud= }: what was on the line while
 * connecting */
static int l_heard(lua_State *L)
{
	struct rom *r = check_rom(L);

	lua_createtable(L, 0, 4);
	lua_pushlstring(L, (const char *)r->heard, r->heard_len);
	lua_setfield(L, -2, "bytes");
	lua_pushinteger(L, (lua_Integer)r->heard_total);
	lua_setfield(L, -2, "total");
	lua_pushboolean(L, r->heard_echo);
	lua_setfield(L, -2, "echo");
	lua_pushinteger(L, r->port->baud);
	lua_setfield(L, -2, "baud");
	return 1;
}

/* rom:is_stub() -> true when a stub answered the SYNC, not the ROM */
static int l_is_stub(lua_State *L)
{
	lua_pushboolean(L, check_rom(L)->is_stub);
	return 1;
}

/* rom:inverted() -> true when the chip was reached with both lines inverted */
static int l_inverted(lua_State *L)
{
	lua_pushboolean(L, check_rom(L)->used_flags & RESET_INVERTED);
	return 1;
}

/* rom:change_baud(baud) -> true | nil, message, code */
static int l_change_baud(lua_State *L)
{
	struct rom *r = check_rom(L);

	return esp_push_ok(L, rom_change_baud(r, esp_check_u32(L, 2)), &r->err);
}

/* ---- registers and RAM ---- */

static uint32_t check_addr(lua_State *L, int i)
{
	uint32_t addr = esp_check_u32(L, i);

	luaL_argcheck(L, addr % 4 == 0 && addr != 0, i, "not the address of a word");
	return addr;
}

/* rom:read_reg(addr) -> value | nil, message, code */
static int l_read_reg(lua_State *L)
{
	struct rom *r = check_rom(L);
	uint32_t value;

	if (rom_read_reg(r, check_addr(L, 2), &value) < 0)
		return esp_push_fail(L, &r->err);
	lua_pushinteger(L, value);
	return 1;
}

/* rom:read_regs{ addr, ... } -> { value, ... } | nil, message, code */
static int l_read_regs(lua_State *L)
{
	struct rom *r = check_rom(L);
	uint32_t addrs[REGS_MAX], values[REGS_MAX];
	lua_Integer i, n;

	luaL_checktype(L, 2, LUA_TTABLE);
	n = luaL_len(L, 2);
	luaL_argcheck(L, n <= REGS_MAX, 2, "too many addresses");
	for (i = 0; i < n; i++) {
		lua_rawgeti(L, 2, i + 1);
		addrs[i] = check_addr(L, lua_gettop(L));
		lua_pop(L, 1);
	}
	if (rom_read_regs(r, addrs, values, (size_t)n) < 0)
		return esp_push_fail(L, &r->err);
	lua_createtable(L, (int)n, 0);
	for (i = 0; i < n; i++) {
		lua_pushinteger(L, values[i]);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

/* rom:write_reg(addr, value [, mask [, delay_us]]) -> true | nil, message, code */
static int l_write_reg(lua_State *L)
{
	struct rom *r = check_rom(L);
	struct rom_record rec = { check_addr(L, 2), esp_check_u32(L, 3), 0xffffffff, 0 };

	if (!lua_isnoneornil(L, 4))
		rec.mask = esp_check_u32(L, 4);
	if (!lua_isnoneornil(L, 5))
		rec.delay_us = esp_check_u32(L, 5);
	return esp_push_ok(L, rom_write_reg(r, &rec), &r->err);
}

/* rom:load_ram(addr, bytes) -> true | nil, message, code */
static int l_load_ram(lua_State *L)
{
	struct rom *r = check_rom(L);
	uint32_t addr = esp_check_u32(L, 2);
	size_t len;
	const char *s = luaL_checklstring(L, 3, &len);

	return esp_push_ok(L, rom_load_ram(r, addr, s, len), &r->err);
}

/* rom:run(entry) -> true | nil, message, code: leaves the loader */
static int l_run(lua_State *L)
{
	struct rom *r = check_rom(L);

	return esp_push_ok(L, rom_run(r, esp_check_u32(L, 2)), &r->err);
}

/* rom:boot() -> true | nil, message, code: leaves the loader into the flashed
 * firmware without a reset and without locking the flash */
static int l_boot(lua_State *L)
{
	struct rom *r = check_rom(L);

	return esp_push_ok(L, rom_boot_flash(r), &r->err);
}

/* ---- flash ---- */

/* rom:flash_id() -> maker | type << 8 | capacity << 16 | nil, message, code */
static int l_flash_id(lua_State *L)
{
	struct rom *r = check_rom(L);
	uint32_t id;

	if (spi_read_id(r, &id) < 0)
		return esp_push_fail(L, &r->err);
	lua_pushinteger(L, id);
	return 1;
}

static int check_status_number(lua_State *L)
{
	lua_Integer n = luaL_checkinteger(L, 2);

	luaL_argcheck(L, n >= 1 && n <= 3, 2, "status registers are numbered 1 to 3");
	return (int)n;
}

/* rom:flash_status(n) -> status register n (1..3) | nil, message, code */
static int l_flash_status(lua_State *L)
{
	struct rom *r = check_rom(L);
	uint8_t value;

	if (spi_read_status(r, check_status_number(L), &value) < 0)
		return esp_push_fail(L, &r->err);
	lua_pushinteger(L, value);
	return 1;
}

/* rom:flash_write_status(n, value [, value of n + 1]) -> true | nil, message, code:
 * both in one command, as older chips want it */
static int l_flash_write_status(lua_State *L)
{
	struct rom *r = check_rom(L);
	int n = check_status_number(L);
	size_t len = lua_isnoneornil(L, 4) ? 1 : 2;
	uint8_t values[2] = { 0 };

	for (size_t i = 0; i < len; i++) {
		uint32_t v = esp_check_u32(L, 3 + (int)i);

		luaL_argcheck(L, v <= 0xff, 3 + (int)i, "not a byte");
		values[i] = (uint8_t)v;
	}
	return esp_push_ok(L, spi_write_status(r, n, values, len), &r->err);
}

/* rom:spi{ op =, addr =, addr_bits =, dummy_bits =, out = bytes, read = n,
 * checked = true to read all of it back from the controller before it starts }
 * -> bytes read | nil, message, code: one command to the flash chip */
static int l_spi(lua_State *L)
{
	struct rom *r = check_rom(L);
	uint8_t in[SPI_DATA_MAX];
	int op = -1, addr = 0, addr_bits = 0, dummy = 0, n = 0;
	struct spi_transaction t = { 0 };

	luaL_checktype(L, 2, LUA_TTABLE);
	luaL_argcheck(L, int_field(L, 2, "op", &op) && op >= 0 && op <= 0xff, 2,
		      "op is no command byte");
	if (int_field(L, 2, "addr", &addr))
		addr_bits = 24;
	int_field(L, 2, "addr_bits", &addr_bits);
	int_field(L, 2, "dummy_bits", &dummy);
	int_field(L, 2, "read", &n);
	luaL_argcheck(L, n >= 0 && n <= SPI_DATA_MAX && dummy >= 0 && addr_bits >= 0, 2,
		      "read is 0 to 64 bytes");
	if (lua_getfield(L, 2, "out") != LUA_TNIL)
		t.out = (const uint8_t *)luaL_checklstring(L, -1, &t.out_len);
	lua_getfield(L, 2, "checked");
	t.checked = lua_toboolean(L, -1);
	t.opcode = (uint8_t)op;
	t.addr = (uint32_t)addr;
	t.addr_bits = (unsigned)addr_bits;
	t.dummy_bits = (unsigned)dummy;
	t.in = in;
	t.in_len = (size_t)n;
	if (spi_command(r, &t) < 0)
		return esp_push_fail(L, &r->err);
	lua_pushlstring(L, (const char *)in, (size_t)n);
	return 1;
}

/* rom:flash_params(size_bytes) -> true | nil, message, code: the real size,
 * which the ROM does not find out by itself */
static int l_flash_params(lua_State *L)
{
	struct rom *r = check_rom(L);

	return esp_push_ok(L, flash_rom_prepare(r, esp_check_u32(L, 2)), &r->err);
}

/* rom:flash_erase(addr, size) -> true | nil, message, code: whole sectors,
 * exactly those */
static int l_flash_erase(lua_State *L)
{
	struct rom *r = check_rom(L);
	uint32_t addr = esp_check_u32(L, 2);

	return esp_push_ok(L, flash_rom_erase(r, addr, esp_check_u32(L, 3)), &r->err);
}

/* rom:flash_write_begin(addr, size [, block_size = 1024]) -> true | nil, message, code */
static int l_flash_write_begin(lua_State *L)
{
	struct rom_handle *h = check_handle(L);
	uint32_t addr = esp_check_u32(L, 2), size = esp_check_u32(L, 3);
	uint32_t block = lua_isnoneornil(L, 4) ? 1024 : esp_check_u32(L, 4);
	int rc = flash_rom_write_begin(&h->writer, &h->rom, addr, size, block);

	h->writing = rc >= 0;
	return esp_push_ok(L, rc, &h->rom.err);
}

/* rom:flash_write_block(bytes) -> true | nil, message, code: the next block */
static int l_flash_write_block(lua_State *L)
{
	struct rom_handle *h = check_handle(L);
	size_t len;
	const char *s = luaL_checklstring(L, 2, &len);

	if (!h->writing)
		return luaL_error(L, "flash_write_block without flash_write_begin");
	return esp_push_ok(L, flash_rom_write_block(&h->writer, s, len), &h->rom.err);
}

/* rom:flash_read(addr, n) -> bytes | nil, message, code */
static int l_flash_read(lua_State *L)
{
	struct rom *r = check_rom(L);
	uint32_t addr = esp_check_u32(L, 2);
	lua_Integer n = luaL_checkinteger(L, 3);
	luaL_Buffer b;

	luaL_argcheck(L, n > 0 && n <= READ_MAX, 3, "size out of range");
	if (spi_read_flash(r, addr, luaL_buffinitsize(L, &b, (size_t)n), (size_t)n) < 0)
		return esp_push_fail(L, &r->err);
	luaL_pushresultsize(&b, (size_t)n);
	return 1;
}

/* ---- trace ---- */

static void emit_line(void *ctx, const char *line)
{
	fprintf(ctx, "%s\n", line);
}

/* esp.trace(port): every byte and frame as text on standard error from now on */
static int l_trace(lua_State *L)
{
	struct port *p = esp_check_port(L, 1);
	struct trace *t = lua_newuserdatauv(L, sizeof *t, 0);

	trace_init(t, emit_line, stderr);
	lua_setiuservalue(L, 1, 1);	/* lives as long as the port */
	p->trace = trace_event;
	p->trace_ctx = t;
	return 0;
}

static const luaL_Reg methods[] = {
	{ "connect", l_connect }, { "sync", l_sync }, { "heard", l_heard },
	{ "is_stub", l_is_stub }, { "inverted", l_inverted }, { "change_baud", l_change_baud },
	{ "read_reg", l_read_reg }, { "read_regs", l_read_regs }, { "write_reg", l_write_reg },
	{ "load_ram", l_load_ram }, { "run", l_run }, { "boot", l_boot },
	{ "flash_id", l_flash_id }, { "flash_status", l_flash_status },
	{ "flash_write_status", l_flash_write_status }, { "spi", l_spi },
	{ "flash_params", l_flash_params }, { "flash_erase", l_flash_erase },
	{ "flash_write_begin", l_flash_write_begin },
	{ "flash_write_block", l_flash_write_block }, { "flash_read", l_flash_read },
	{ NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "rom", l_rom }, { "reset", l_reset }, { "resets", l_resets }, { "trace", l_trace },
	{ NULL, NULL },
};

void esp_open_rom(lua_State *L)
{
	luaL_newmetatable(L, ESP_ROM_TYPE);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
