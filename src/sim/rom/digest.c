/* digest.c - MD5 (RFC 1321), SHA-1 (FIPS 180-1) and HMAC-MD5 (RFC 2104), for
 * firmware that finds them in the ROM.
 *
 * Layer: inside the simulated chip. Pure.
 */
#include "rom.h"

static uint32_t rol(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

/* floor(2^32 x |sin(i + 1)|) */
static const uint32_t md5_sine[64] = {
	0xD76AA478, 0xE8C7B756, 0x242070DB, 0xC1BDCEEE, 0xF57C0FAF, 0x4787C62A,
	0xA8304613, 0xFD469501, 0x698098D8, 0x8B44F7AF, 0xFFFF5BB1, 0x895CD7BE,
	0x6B901122, 0xFD987193, 0xA679438E, 0x49B40821, 0xF61E2562, 0xC040B340,
	0x265E5A51, 0xE9B6C7AA, 0xD62F105D, 0x02441453, 0xD8A1E681, 0xE7D3FBC8,
	0x21E1CDE6, 0xC33707D6, 0xF4D50D87, 0x455A14ED, 0xA9E3E905, 0xFCEFA3F8,
	0x676F02D9, 0x8D2A4C8A, 0xFFFA3942, 0x8771F681, 0x6D9D6122, 0xFDE5380C,
	0xA4BEEA44, 0x4BDECFA9, 0xF6BB4B60, 0xBEBFBC70, 0x289B7EC6, 0xEAA127FA,
	0xD4EF3085, 0x04881D05, 0xD9D4D039, 0xE6DB99E5, 0x1FA27CF8, 0xC4AC5665,
	0xF4292244, 0x432AFF97, 0xAB9423A7, 0xFC93A039, 0x655B59C3, 0x8F0CCC92,
	0xFFEFF47D, 0x85845DD1, 0x6FA87E4F, 0xFE2CE6E0, 0xA3014314, 0x4E0811A1,
	0xF7537E82, 0xBD3AF235, 0x2AD7D2BB, 0xEB86D391,
};

static const uint8_t md5_turn[4][4] = {
	{ 7, 12, 17, 22 }, { 5, 9, 14, 20 }, { 4, 11, 16, 23 }, { 6, 10, 15, 21 },
};

static uint32_t md5_mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
	switch (round) {
	case 0: return (b & c) | (~b & d);
	case 1: return (d & b) | (~d & c);
	case 2: return b ^ c ^ d;
	default: return c ^ (b | ~d);
	}
}

static unsigned md5_word(unsigned round, unsigned i)
{
	static const uint8_t step[4][2] = { { 1, 0 }, { 5, 1 }, { 3, 5 }, { 7, 0 } };

	return (step[round][0] * i + step[round][1]) & 15;
}

static void md5_block(uint32_t state[4], const uint8_t *in)
{
	uint32_t x[16], a = state[0], b = state[1], c = state[2], d = state[3];

	memcpy(x, in, 64);
	for (unsigned i = 0; i < 64; i++) {
		unsigned round = i / 16;
		uint32_t sum = a + md5_mix(round, b, c, d) + x[md5_word(round, i)] + md5_sine[i];

		a = d;
		d = c;
		c = b;
		b += rol(sum, md5_turn[round][i & 3]);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
}

void MD5Init(struct md5 *m)
{
	m->state[0] = 0x67452301;
	m->state[1] = 0xEFCDAB89;
	m->state[2] = 0x98BADCFE;
	m->state[3] = 0x10325476;
	m->bits[0] = m->bits[1] = 0;
}

void MD5Update(struct md5 *m, const void *p, unsigned n)
{
	const uint8_t *b = p;
	uint32_t used = m->bits[0] >> 3 & 63, low = m->bits[0];

	m->bits[0] += n << 3;
	m->bits[1] += (n >> 29) + (m->bits[0] < low);
	while (n--) {
		m->in[used++] = *b++;
		if (used == 64) {
			md5_block(m->state, m->in);
			used = 0;
		}
	}
}

void MD5Final(uint8_t digest[16], struct md5 *m)
{
	static const uint8_t first = 0x80, zero;
	uint32_t bits[2] = { m->bits[0], m->bits[1] };

	MD5Update(m, &first, 1);
	while ((m->bits[0] >> 3 & 63) != 56)
		MD5Update(m, &zero, 1);
	MD5Update(m, bits, 8);
	memcpy(digest, m->state, 16);
	memset(m, 0, sizeof *m);
}

static uint32_t big_endian(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_big_endian(uint8_t *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static uint32_t sha1_mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
	switch (round) {
	case 0: return ((b & c) | (~b & d)) + 0x5A827999;
	case 1: return (b ^ c ^ d) + 0x6ED9EBA1;
	case 2: return ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
	default: return (b ^ c ^ d) + 0xCA62C1D6;
	}
}

static void sha1_block(uint32_t state[5], const uint8_t *in)
{
	uint32_t w[80], v[5];

	for (unsigned i = 0; i < 16; i++)
		w[i] = big_endian(in + 4 * i);
	for (unsigned i = 16; i < 80; i++)
		w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	memcpy(v, state, sizeof v);
	for (unsigned i = 0; i < 80; i++) {
		uint32_t sum = rol(v[0], 5) + sha1_mix(i / 20, v[1], v[2], v[3]) + v[4] + w[i];

		v[4] = v[3];
		v[3] = v[2];
		v[2] = rol(v[1], 30);
		v[1] = v[0];
		v[0] = sum;
	}
	for (unsigned i = 0; i < 5; i++)
		state[i] += v[i];
}

void SHA1Init(struct sha1 *s)
{
	static const uint32_t start[5] = {
		0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0,
	};

	memcpy(s->state, start, sizeof start);
	s->count[0] = s->count[1] = 0;
}

void SHA1Update(struct sha1 *s, const void *p, unsigned n)
{
	const uint8_t *b = p;
	uint32_t used = s->count[0] >> 3 & 63, low = s->count[0];

	s->count[0] += n << 3;
	s->count[1] += (n >> 29) + (s->count[0] < low);
	while (n--) {
		s->buffer[used++] = *b++;
		if (used == 64) {
			sha1_block(s->state, s->buffer);
			used = 0;
		}
	}
}

void SHA1Final(uint8_t digest[20], struct sha1 *s)
{
	static const uint8_t first = 0x80, zero;
	uint8_t bits[8];

	put_big_endian(bits, s->count[1]);
	put_big_endian(bits + 4, s->count[0]);
	SHA1Update(s, &first, 1);
	while ((s->count[0] >> 3 & 63) != 56)
		SHA1Update(s, &zero, 1);
	SHA1Update(s, bits, 8);
	for (unsigned i = 0; i < 5; i++)
		put_big_endian(digest + 4 * i, s->state[i]);
	memset(s, 0, sizeof *s);
}

static void hmac_pass(const uint8_t key[64], uint8_t pad, const uint8_t *data, size_t n,
		      uint8_t digest[16])
{
	struct md5 m;
	uint8_t block[64];

	for (unsigned i = 0; i < sizeof block; i++)
		block[i] = key[i] ^ pad;
	MD5Init(&m);
	MD5Update(&m, block, sizeof block);
	MD5Update(&m, data, n);
	MD5Final(digest, &m);
}

/* mac: 16 bytes. */
void hmac_md5(const uint8_t *key, size_t key_len, const uint8_t *data, size_t data_len,
	      uint8_t *mac)
{
	uint8_t block[64], inner[16];
	struct md5 m;

	memset(block, 0, sizeof block);
	if (key_len > sizeof block) {
		MD5Init(&m);
		MD5Update(&m, key, key_len);
		MD5Final(block, &m);
	} else {
		memcpy(block, key, key_len);
	}
	hmac_pass(block, 0x36, data, data_len, inner);
	hmac_pass(block, 0x5C, inner, sizeof inner, mac);
}
