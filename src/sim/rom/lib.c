/* lib.c - the C library functions that firmware finds in the ROM.
 *
 * Layer: inside the simulated chip. Pure. Copies and fills go by words where
 * both sides allow it, because instruction RAM takes nothing else; what is
 * left over goes by bytes and faults there, as in the original.
 */
#include "rom.h"

static uint32_t rand_state;

static int aligned(const void *a, const void *b)
{
	return (((uintptr_t)a | (uintptr_t)b) & 3) == 0;
}

void *memcpy(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if (aligned(d, s)) {
		for (; n >= 4; n -= 4, d += 4, s += 4)
			*(uint32_t *)d = *(const uint32_t *)s;
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

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p)
		p++;
	return (size_t)(p - s);
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
