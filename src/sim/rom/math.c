/* math.c - division and 64-bit multiplication, which this CPU does not have and
 * its compiler expects in the ROM.
 *
 * Layer: inside the simulated chip. Pure. Division by zero raises the
 * illegal-instruction exception.
 */
#include "rom.h"

typedef uint64_t u64;

uint32_t __udivsi3(uint32_t a, uint32_t b);
uint32_t __umodsi3(uint32_t a, uint32_t b);
int32_t __divsi3(int32_t a, int32_t b);
u64 __udivdi3(u64 a, u64 b);
u64 __umoddi3(u64 a, u64 b);
u64 __muldi3(u64 a, u64 b);

static unsigned leading_zeros(uint32_t v)
{
	unsigned n;

	__asm__("nsau %0, %1" : "=a"(n) : "a"(v));
	return n;
}

static unsigned leading_zeros64(u64 v)
{
	uint32_t high = (uint32_t)(v >> 32);

	return high ? leading_zeros(high) : 32 + leading_zeros((uint32_t)v);
}

/* Long division; returns the quotient, *rest is the remainder. */
static uint32_t divide(uint32_t a, uint32_t b, uint32_t *rest)
{
	uint32_t q = 0;
	int shift;

	if (!b)
		__asm__ volatile("ill");
	shift = (int)leading_zeros(b) - (int)leading_zeros(a);
	for (; shift >= 0; shift--) {
		q <<= 1;
		if (a >= b << shift) {
			a -= b << shift;
			q |= 1;
		}
	}
	*rest = a;
	return q;
}

static u64 divide64(u64 a, u64 b, u64 *rest)
{
	u64 q = 0, d;
	int shift;

	if (!b)
		__asm__ volatile("ill");
	shift = (int)leading_zeros64(b) - (int)leading_zeros64(a);
	if (shift >= 0) {
		for (d = b << shift; shift >= 0; shift--, d >>= 1) {
			q <<= 1;
			if (a >= d) {
				a -= d;
				q |= 1;
			}
		}
	}
	*rest = a;
	return q;
}

uint32_t __udivsi3(uint32_t a, uint32_t b)
{
	uint32_t rest;

	return divide(a, b, &rest);
}

uint32_t __umodsi3(uint32_t a, uint32_t b)
{
	uint32_t rest;

	divide(a, b, &rest);
	return rest;
}

int32_t __divsi3(int32_t a, int32_t b)
{
	uint32_t rest;
	uint32_t q = divide(a < 0 ? -(uint32_t)a : (uint32_t)a,
			    b < 0 ? -(uint32_t)b : (uint32_t)b, &rest);

	return (int32_t)((a ^ b) < 0 ? -q : q);
}

u64 __udivdi3(u64 a, u64 b)
{
	u64 rest;

	return divide64(a, b, &rest);
}

u64 __umoddi3(u64 a, u64 b)
{
	u64 rest;

	divide64(a, b, &rest);
	return rest;
}

/* 32 x 32 -> 64 from 16-bit halves; the CPU keeps only the low word. */
static u64 wide(uint32_t a, uint32_t b)
{
	uint32_t al = a & 0xFFFF, ah = a >> 16, bl = b & 0xFFFF, bh = b >> 16;
	uint32_t low = al * bl, mid = ah * bl + (low >> 16), mid2 = al * bh + (mid & 0xFFFF);
	uint32_t high = ah * bh + (mid >> 16) + (mid2 >> 16);

	return (u64)high << 32 | (mid2 << 16 | (low & 0xFFFF));
}

u64 __muldi3(u64 a, u64 b)
{
	uint32_t high = (uint32_t)(a >> 32) * (uint32_t)b + (uint32_t)a * (uint32_t)(b >> 32);

	return wide((uint32_t)a, (uint32_t)b) + ((u64)high << 32);
}
