/* lib.c - the C library functions that firmware finds in the ROM.
 *
 * Layer: inside the simulated chip. Pure. All go by words where both sides
 * allow it, because instruction RAM and the flash window take nothing else;
 * what is left over goes by bytes and faults there, as in the original.
 */
#include "rom.h"

static uint32_t rand_state;

static int aligned(const void *a, const void *b)
{
	return (((uintptr_t)a | (uintptr_t)b) & 3) == 0;
}

static int has_zero(uint32_t w)
{
	return ((w - 0x01010101u) & ~w & 0x80808080u) != 0;
}

/* Whole words to an aligned dst, pieced together from aligned loads. */
static void copy_shifted(uint8_t *d, const uint8_t *s, size_t words)
{
	unsigned shift = 8 * ((uintptr_t)s & 3);
	const uint32_t *from = (const uint32_t *)((uintptr_t)s & ~(uintptr_t)3);
	uint32_t low = *from++;

	for (; words; words--, d += 4) {
		uint32_t high = *from++;

		*(uint32_t *)d = low >> shift | high << (32 - shift);
		low = high;
	}
}

void *memcpy(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if (aligned(d, s)) {
		for (; n >= 4; n -= 4, d += 4, s += 4)
			*(uint32_t *)d = *(const uint32_t *)s;
	} else if (aligned(d, d) && n >= 4) {
		copy_shifted(d, s, n / 4);
		d += n & ~(size_t)3;
		s += n & ~(size_t)3;
		n &= 3;
	}
	while (n--)
		*d++ = *s++;
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if (d <= s || d >= s + n)
		return memcpy(dst, src, n);
	d += n;
	s += n;
	if (aligned(d, s)) {
		for (; n >= 4; n -= 4)
			*(uint32_t *)(d -= 4) = *(const uint32_t *)(s -= 4);
	}
	while (n--)
		*--d = *--s;
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	uint8_t *d = dst;
	uint32_t word = (uint8_t)c * 0x01010101u;

	if (aligned(d, d)) {
		for (; n >= 4; n -= 4, d += 4)
			*(uint32_t *)d = word;
	}
	while (n--)
		*d++ = (uint8_t)c;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	if (aligned(p, q)) {
		while (n >= 4 && *(const uint32_t *)p == *(const uint32_t *)q) {
			p += 4;
			q += 4;
			n -= 4;
		}
	}
	for (; n--; p++, q++) {
		if (*p != *q)
			return *p - *q;
	}
	return 0;
}

void bzero(void *dst, size_t n)
{
	memset(dst, 0, n);
}

/* The first zero byte from p, which is even, on. */
static const char *find_zero(const char *p)
{
	uint32_t w = *(const uint32_t *)((uintptr_t)p & ~(uintptr_t)3);
	unsigned left = 4;

	if ((uintptr_t)p & 2) {
		w >>= 16;
		left = 2;
	}
	for (;;) {
		for (; left; left--, p++, w >>= 8) {
			if (!(w & 0xFF))
				return p;
		}
		w = *(const uint32_t *)p;
		left = 4;
	}
}

/* Firmware asks for the length of strings in flash. */
size_t strlen(const char *s)
{
	const char *p = s;

	if ((uintptr_t)p & 1) {
		if (!*p)
			return 0;
		p++;
	}
	return (size_t)(find_zero(p) - s);
}

int strncmp(const char *a, const char *b, size_t n)
{
	if (aligned(a, b)) {
		for (; n >= 4; n -= 4, a += 4, b += 4) {
			uint32_t w = *(const uint32_t *)a;

			if (w != *(const uint32_t *)b)
				break;
			if (has_zero(w))
				return 0;
		}
	}
	for (; n; n--, a++, b++) {
		if (*a != *b || !*a)
			return (uint8_t)*a - (uint8_t)*b;
	}
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

/* Fills up with zeros, and ends without one when there is no room. */
char *strncpy(char *dst, const char *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = *src ? *src++ : '\0';
	return dst;
}

/* By words up to the one that ends before its last byte. */
static void copy_words(char *d, const uint32_t *src)
{
	uint32_t w = *src++;

	for (; !has_zero(w | 0xFF000000); w = *src++, d += 4) {
		*(uint32_t *)d = w;
		if (w >> 24 == 0)
			return;
	}
	do {
		*d++ = (char)w;
		w >>= 8;
	} while (d[-1]);
}

char *strcpy(char *dst, const char *src)
{
	char *d = dst;

	if (aligned(d, src)) {
		copy_words(d, (const uint32_t *)src);
		return dst;
	}
	while ((*d++ = *src++))
		;
	return dst;
}

char *strstr(const char *text, const char *what)
{
	size_t n = strlen(what);

	for (; strncmp(text, what, n) != 0; text++) {
		if (!*text)
			return NULL;
	}
	return (char *)(uintptr_t)text;
}

int rand(void)
{
	rand_state = rand_state * 1103515245u + 12345u;
	return (int)(rand_state >> 1);
}

void srand(unsigned seed)
{
	rand_state = seed;
}
