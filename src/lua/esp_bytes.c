/* Digests, checksums and compression for Lua: strings in, strings out. */
#include "esp_lua.h"

#include <libdeflate.h>
#include <md5.h>
#include <sha2.h>
#include <stdbool.h>
#include <stdlib.h>

/* esp.md5(bytes) -> 32 hex digits */
static int l_md5(lua_State *L)
{
	size_t len;
	const char *s = luaL_checklstring(L, 1, &len);
	char hex[MD5_DIGEST_STRING_LENGTH];

	MD5Data((const uint8_t *)s, len, hex);
	lua_pushstring(L, hex);
	return 1;
}

/* esp.sha256(bytes) -> 64 hex digits */
static int l_sha256(lua_State *L)
{
	size_t len;
	const char *s = luaL_checklstring(L, 1, &len);
	char hex[SHA256_DIGEST_STRING_LENGTH];

	SHA256Data((const uint8_t *)s, len, hex);
	lua_pushstring(L, hex);
	return 1;
}

/* ---- SHA-256 of what comes in pieces ---- */

#define SHA256_TYPE "esp.sha256_sum"

/* esp.sha256_begin() -> sum */
static int l_sha256_begin(lua_State *L)
{
	SHA2_CTX *c = lua_newuserdatauv(L, sizeof *c, 0);

	SHA256Init(c);
	luaL_setmetatable(L, SHA256_TYPE);
	return 1;
}

/* sum:add(bytes) -> sum */
static int l_sum_add(lua_State *L)
{
	SHA2_CTX *c = luaL_checkudata(L, 1, SHA256_TYPE);
	size_t len;
	const char *s = luaL_checklstring(L, 2, &len);

	SHA256Update(c, (const uint8_t *)s, len);
	lua_settop(L, 1);
	return 1;
}

/* sum:hex() -> 64 hex digits of all pieces so far; more may follow */
static int l_sum_hex(lua_State *L)
{
	SHA2_CTX copy = *(SHA2_CTX *)luaL_checkudata(L, 1, SHA256_TYPE);
	char hex[SHA256_DIGEST_STRING_LENGTH];

	SHA256End(&copy, hex);
	lua_pushstring(L, hex);
	return 1;
}

static const luaL_Reg sum_methods[] = {
	{ "add", l_sum_add }, { "hex", l_sum_hex }, { NULL, NULL },
};

/* esp.crc32(bytes [, crc]) -> CRC-32 (IEEE), of both when an earlier one is given */
static int l_crc32(lua_State *L)
{
	size_t len;
	const char *s = luaL_checklstring(L, 1, &len);
	lua_Integer crc = luaL_optinteger(L, 2, 0);

	lua_pushinteger(L, libdeflate_crc32((uint32_t)crc, s, len));
	return 1;
}

/* esp.sector_crcs(bytes [, sector_bytes = 4096]) -> { crc, ... }, the last
 * sector may be short */
static int l_sector_crcs(lua_State *L)
{
	size_t len, at, n;
	const char *s = luaL_checklstring(L, 1, &len);
	lua_Integer size = luaL_optinteger(L, 2, 4096);

	luaL_argcheck(L, size > 0, 2, "sector size out of range");
	lua_createtable(L, (int)((len + (size_t)size - 1) / (size_t)size), 0);
	for (at = 0, n = 1; at < len; at += (size_t)size, n++) {
		size_t part = len - at < (size_t)size ? len - at : (size_t)size;

		lua_pushinteger(L, libdeflate_crc32(0, s + at, part));
		lua_rawseti(L, -2, (lua_Integer)n);
	}
	return 1;
}

/* esp.deflate(bytes [, level = 12 [, format = "deflate"|"zlib"]]) -> bytes */
static int l_deflate(lua_State *L)
{
	static const char *const formats[] = { "deflate", "zlib", NULL };
	size_t len, cap, got;
	const char *s = luaL_checklstring(L, 1, &len);
	lua_Integer level = luaL_optinteger(L, 2, 12);
	bool zlib = luaL_checkoption(L, 3, "deflate", formats) == 1;
	struct libdeflate_compressor *c;
	char *out;
	luaL_Buffer b;

	luaL_argcheck(L, level >= 0 && level <= 12, 2, "level out of range");
	/* Lua's memory first: when it runs out nothing of the library's is held. */
	cap = zlib ? libdeflate_zlib_compress_bound(NULL, len)
		   : libdeflate_deflate_compress_bound(NULL, len);
	out = luaL_buffinitsize(L, &b, cap);
	c = libdeflate_alloc_compressor((int)level);
	if (!c)
		return luaL_error(L, "not enough memory");
	got = zlib ? libdeflate_zlib_compress(c, s, len, out, cap)
		   : libdeflate_deflate_compress(c, s, len, out, cap);
	libdeflate_free_compressor(c);
	luaL_pushresultsize(&b, got);
	return 1;
}

static int push_inflated(lua_State *L, enum libdeflate_result r, const char *out, size_t n,
			 size_t used)
{
	static const char *const why[] = { "", "is damaged", "is longer than expected",
		"is longer than allowed" };

	if (r == LIBDEFLATE_SUCCESS) {
		lua_pushlstring(L, out, n);
		lua_pushinteger(L, (lua_Integer)used);
		return 2;
	}
	luaL_pushfail(L);
	lua_pushfstring(L, "the compressed data %s", why[r]);
	lua_pushstring(L, r == LIBDEFLATE_INSUFFICIENT_SPACE ? "toobig" : "protocol");
	return 3;
}

/* esp.inflate(bytes, max_bytes [, format = "deflate"|"zlib"|"gzip"])
 * -> bytes, how many of the given ones they were made of | nil, message, code */
static int l_inflate(lua_State *L)
{
	static const char *const formats[] = { "deflate", "zlib", "gzip", NULL };
	size_t len, got = 0, used = 0;
	const char *s = luaL_checklstring(L, 1, &len);
	lua_Integer max = luaL_checkinteger(L, 2);
	int format = luaL_checkoption(L, 3, "deflate", formats);
	struct libdeflate_decompressor *d;
	enum libdeflate_result r;
	char *out;

	luaL_argcheck(L, max > 0 && max <= 64 << 20, 2, "size out of range");
	out = lua_newuserdatauv(L, (size_t)max, 0);
	d = libdeflate_alloc_decompressor();
	if (!d)
		return luaL_error(L, "not enough memory");
	if (format == 0)
		r = libdeflate_deflate_decompress_ex(d, s, len, out, (size_t)max, &used, &got);
	else if (format == 1)
		r = libdeflate_zlib_decompress_ex(d, s, len, out, (size_t)max, &used, &got);
	else
		r = libdeflate_gzip_decompress_ex(d, s, len, out, (size_t)max, &used, &got);
	libdeflate_free_decompressor(d);
	return push_inflated(L, r, out, got, used);
}

static const luaL_Reg functions[] = {
	{ "md5", l_md5 }, { "sha256", l_sha256 },
	{ "sha256_begin", l_sha256_begin }, { "crc32", l_crc32 },
	{ "sector_crcs", l_sector_crcs }, { "deflate", l_deflate }, { "inflate", l_inflate },
	{ NULL, NULL },
};

void esp_open_bytes(lua_State *L)
{
	luaL_newmetatable(L, SHA256_TYPE);
	luaL_setfuncs(L, sum_methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
