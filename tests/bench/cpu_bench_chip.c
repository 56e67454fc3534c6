/* cpu_bench_chip.c - what the simulated CPU runs for the speed measurement:
 * the kind of work that a flasher's stub does, in a loop without end.
 *
 * cpu_bench_chip.h holds it compiled, by `sh tests/bench/cpu_bench_chip.sh`, so
 * that the measurement needs no cross compiler. The stack is the host's to set.
 */
typedef unsigned char u8;
typedef unsigned int u32;

#define SIZE 4096
#define TABLE ((u32 *)0x3ffe9000)
#define INPUT ((u8 *)0x3ffea000)
#define PACKED ((u8 *)0x3ffec000)
#define OUTPUT ((u8 *)0x3fff0000)
#define RESULT ((volatile u32 *)0x3ffe8000)	/* crc, rounds, errors */

static u32 crc(u32 c, const u8 *p, u32 n)
{
	for (c = ~c; n > 0; n--)
		c = TABLE[(c ^ *p++) & 0xff] ^ c >> 8;
	return ~c;
}

static void make_table(void)
{
	for (u32 i = 0; i < 256; i++) {
		u32 c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
		TABLE[i] = c;
	}
}

static u32 make_input(u32 seed)
{
	for (u32 i = 0; i < SIZE; i++) {
		seed = seed * 1103515245 + 12345;
		INPUT[i] = seed >> 28 ? (u8)(i >> 5) : (u8)(seed >> 16);
	}
	return seed;
}

/* Runs and literals: count < 128 literals follow, else one byte count - 126 times. */
static u32 pack(void)
{
	u32 in = 0, out = 0;

	while (in < SIZE) {
		u32 run = 1;

		while (in + run < SIZE && run < 128 && INPUT[in + run] == INPUT[in])
			run++;
		if (run >= 2) {
			PACKED[out++] = (u8)(run + 126);
			PACKED[out++] = INPUT[in];
		} else {
			PACKED[out++] = 0;
			PACKED[out++] = INPUT[in];
		}
		in += run;
	}
	return out;
}

static u32 unpack(u32 n)
{
	u32 out = 0;

	for (u32 in = 0; in < n; in += 2) {
		u32 count = PACKED[in] < 128 ? 1 : PACKED[in] - 126u;

		while (count-- > 0)
			OUTPUT[out++] = PACKED[in + 1];
	}
	return out;
}

static void copy_words(u32 *to, const u32 *from, u32 n)
{
	while (n-- > 0)
		*to++ = *from++;
}

__attribute__((used, noreturn)) void entry(void)
{
	u32 seed = 1, sum = 0;

	make_table();
	for (u32 round = 1;; round++) {
		seed = make_input(seed);
		if (unpack(pack()) != SIZE || crc(0, INPUT, SIZE) != crc(0, OUTPUT, SIZE))
			RESULT[2]++;
		copy_words((u32 *)OUTPUT, (const u32 *)INPUT, SIZE / 4);
		sum = crc(sum, OUTPUT, SIZE);
		RESULT[0] = sum;
		RESULT[1] = round;
	}
}
