/* The stub's pure parts, compiled for this machine: CRC, inflate, pack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/loader/stub_impl.h"

#include "../../src/stub/crc.c"
#include "../../src/stub/inflate.c"
#include "../../src/stub/pack.c"

#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX WIRE_UNIT_MAX

static unsigned seed = 1;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

/* Bytes of all kinds: runs, repeats, text, noise. */
static size_t make_data(uint8_t *p, size_t max)
{
	size_t n = 1 + rnd((uint32_t)max), at = 0, len, i, back;

	while (at < n) {
		len = 1 + rnd(600);
		if (len > n - at)
			len = n - at;
		switch (rnd(4)) {
		case 0:
			memset(p + at, (int)rnd(256), len);
			break;
		case 1:
			for (i = 0; i < len; i++)
				p[at + i] = (uint8_t)rnd(256);
			break;
		case 2:
			for (i = 0; i < len; i++)
				p[at + i] = (uint8_t)("etaoin shrdlu"[rnd(13)]);
			break;
		default:
			back = 1 + rnd((uint32_t)at + 1);
			for (i = 0; i < len; i++)
				p[at + i] = at + i >= back ? p[at + i - back] : 0;
		}
		at += len;
	}
	return n;
}

struct feed {
	struct inflate z;
	const uint8_t *next, *end;
	size_t piece;
	unsigned calls;
};

static bool feed_more(struct inflate *z)
{
	struct feed *f = (struct feed *)z;
	size_t n = (size_t)(f->end - f->next);

	f->calls++;
	if (z->in < z->in_end)
		return true;
	if (n == 0)
		return false;
	if (n > f->piece)
		n = f->piece;
	z->in = f->next;
	f->next += n;
	z->in_end = f->next;
	return true;
}

/* The input is an exact allocation so that reading past it is seen. */
static int32_t inflate_bytes(const uint8_t *in, size_t n, uint8_t *out, uint32_t room,
			     size_t piece)
{
	static struct inflate_code literal, distance;
	static struct feed f;
	uint8_t *copy = malloc(n ? n : 1);
	int32_t got;

	memcpy(copy, in, n);
	f.z.literal = &literal;
	f.z.distance = &distance;
	f.z.more = feed_more;
	f.z.in = f.z.in_end = NULL;
	f.next = copy;
	f.end = copy + n;
	f.piece = piece;
	got = inflate_run(&f.z, out, room);
	free(copy);
	return got;
}

static void test_crc(void **state)
{
	uint8_t data[1000];
	size_t n = make_data(data, sizeof data);

	(void)state;
	assert_int_equal(~crc_run(~0u, "123456789", 9), 0xcbf43926);
	assert_int_equal(~crc_run(~0u, data, (uint32_t)n), libdeflate_crc32(0, data, n));
}

static void test_inflate_all_levels(void **state)
{
	static uint8_t plain[MAX], packed[MAX * 2], out[MAX];
	int i;

	(void)state;
	for (i = 0; i < 400; i++) {
		size_t n = make_data(plain, MAX), size;
		struct libdeflate_compressor *c = libdeflate_alloc_compressor(i % 13);

		size = libdeflate_deflate_compress(c, plain, n, packed, sizeof packed);
		assert_int_not_equal(size, 0);
		memset(out, 0xaa, sizeof out);
		assert_int_equal(inflate_bytes(packed, size, out, (uint32_t)n, 1 + rnd(1024)), n);
		assert_memory_equal(out, plain, n);
		/* no room for the last byte */
		assert_int_equal(inflate_bytes(packed, size, out, (uint32_t)n - 1, 100), -1);
		/* cut short */
		assert_int_equal(inflate_bytes(packed, size - 1, out, (uint32_t)n, 100), -1);
		libdeflate_free_compressor(c);
	}
}

/* A damaged stream may inflate to something else, but when two decoders take
 * it they get the same. (Each refuses some that the other takes: symbols 286
 * and 287, codes that leave room.) */
static void test_inflate_damaged(void **state)
{
	static uint8_t plain[2048], packed[4096], out[2048], theirs[2048];
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(9);
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	int i, k, same = 0;

	(void)state;
	for (i = 0; i < 3000; i++) {
		size_t n = make_data(plain, sizeof plain), size, got, used;
		enum libdeflate_result r;
		int32_t mine;

		size = libdeflate_deflate_compress(c, plain, n, packed, sizeof packed);
		for (k = 0; k <= (int)rnd(3); k++)
			packed[rnd((uint32_t)size)] ^= (uint8_t)(1 << rnd(8));
		mine = inflate_bytes(packed, size, out, sizeof out, 64);
		r = libdeflate_deflate_decompress_ex(d, packed, size, theirs, sizeof theirs, &used,
						     &got);
		if (r == LIBDEFLATE_SUCCESS && mine >= 0) {
			assert_int_equal(mine, got);
			assert_memory_equal(out, theirs, got);
			same++;
		}
	}
	assert_true(same > 10);
	libdeflate_free_compressor(c);
	libdeflate_free_decompressor(d);
}

static void test_inflate_noise(void **state)
{
	static uint8_t noise[300], out[5000];
	int i, k;

	(void)state;
	for (i = 0; i < 20000; i++) {
		for (k = 0; k < (int)sizeof noise; k++)
			noise[k] = (uint8_t)rnd(256);
		noise[0] = (uint8_t)((noise[0] & ~7) | (i & 7));
		assert_true(inflate_bytes(noise, 1 + rnd(sizeof noise), out, sizeof out, 50) <=
			    (int32_t)sizeof out);
	}
}

static void test_pack_round_trip(void **state)
{
	static uint8_t plain[4096], back[4096];
	uint16_t heads[PACK_HEADS];
	int i;

	(void)state;
	for (i = 0; i < 2000; i++) {
		size_t n = make_data(plain, sizeof plain);
		uint8_t *out = malloc(n);
		uint32_t size = pack_run(plain, (uint32_t)n, out, (uint32_t)n, heads);

		if (size) {
			assert_true(size <= n);
			assert_int_equal(stub_unpack(out, size, back, n), 0);
			assert_memory_equal(back, plain, n);
			assert_int_equal(stub_unpack(out, size, back, n - 1), -1);
		}
		free(out);
	}
}

static void test_pack_blank_is_small(void **state)
{
	static uint8_t plain[4096], out[4096];
	uint16_t heads[PACK_HEADS];

	(void)state;
	assert_in_range(pack_run(plain, sizeof plain, out, sizeof out, heads), 1, 32);
}

static void test_unpack_hostile(void **state)
{
	static uint8_t back[4096];
	int i, k;

	(void)state;
	for (i = 0; i < 50000; i++) {
		size_t n = rnd(80), room = rnd(sizeof back);
		uint8_t *in = malloc(n ? n : 1), *out = malloc(room ? room : 1);

		for (k = 0; k < (int)n; k++)
			in[k] = (uint8_t)(rnd(3) ? rnd(256) : 255);
		(void)stub_unpack(in, n, out, room);
		free(in);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "CRC-32 is the one of zlib", test_crc, NULL, NULL, NULL },
		{ "inflate undoes deflate of every level in pieces of any size",
			test_inflate_all_levels, NULL, NULL, NULL },
		{ "inflate of damaged streams agrees with libdeflate", test_inflate_damaged,
			NULL, NULL, NULL },
		{ "inflate of noise stays inside its buffers", test_inflate_noise, NULL, NULL,
			NULL },
		{ "what the stub packs the host unpacks", test_pack_round_trip, NULL, NULL, NULL },
		{ "zeros pack to almost nothing", test_pack_blank_is_small, NULL, NULL, NULL },
		{ "hostile packed chunks stay inside their buffers", test_unpack_hostile, NULL,
			NULL, NULL },
	};

	if (getenv("SEED"))
		seed = (unsigned)strtoul(getenv("SEED"), NULL, 0);
	printf("# SEED=%u\n", seed);
	crc_open();
	return cmocka_run_group_tests_name("stub units", tests, NULL, NULL);
}
