/* Flash through our stub for Lua: what stub:read(), stub:write_unit() and the like
 * do. */
#include "esp_lua.h"

#include "../loader/stub.h"

#define READ_MAX (16 << 20)

static struct stub *check_stub(lua_State *L)
{
	return luaL_checkudata(L, 1, ESP_STUB_TYPE);
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

static const luaL_Reg methods[] = {
	{ "info", l_info }, { "hashes", l_hashes }, { "mode_works", l_mode_works },
	{ "digest", l_digest }, { "read", l_read }, { "spi", l_spi },
	{ "write_status", l_write_status }, { "flash_reset", l_flash_reset },
	{ "write_begin", l_write_begin }, { "write_unit", l_write_unit },
	{ "write_end", l_write_end }, { "erase", l_erase }, { "erase_chip", l_erase_chip },
	{ NULL, NULL },
};

void esp_open_stub_flash(lua_State *L)
{
	luaL_getmetatable(L, ESP_STUB_TYPE);
	luaL_setfuncs(L, methods, 0);
	lua_pop(L, 1);
}
