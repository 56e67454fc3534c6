/* cpu_bench.c - how fast the simulated CPU is, in millions of instructions per
 * second, on a program that packs, unpacks, copies and checks data.
 *
 * usage: cpu_bench [seconds of the chip's time at 80 MHz, default 10]
 * Exits 1 when the program's result is wrong.
 */
#include "sim/cpu.h"

#include "bytes.h"
#include "cpu_bench_chip.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { IRAM = 0x40100000, DRAM = 0x3ffe8000, DRAM_BYTES = 0x18000 };

static int no_read(void *io, uint32_t addr, uint32_t *value)
{
	(void)io;
	(void)addr;
	*value = 0;
	return CPU_CAUSE_LOAD_PROHIBITED;
}

static int no_write(void *io, uint32_t addr, uint32_t value)
{
	(void)io;
	(void)addr;
	(void)value;
	return CPU_CAUSE_STORE_PROHIBITED;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	static uint8_t iram[0x10000], dram[DRAM_BYTES];
	struct bus bus = {
		.region = {
			{ DRAM, DRAM_BYTES, dram, BUS_LOAD_NARROW | BUS_STORE | BUS_STORE_NARROW },
			{ IRAM, sizeof iram, iram, BUS_STORE | BUS_FETCH },
		},
		.regions = 2, .io_read = no_read, .io_write = no_write,
	};
	uint64_t cycles = 80000000ull * (uint64_t)(argc > 1 ? atoi(argv[1]) : 10);
	struct cpu cpu;
	double begin, seconds;
	enum cpu_stop stop;

	if (cpu_open(&cpu, &bus) < 0)
		return 2;
	memcpy(iram, cpu_bench_chip, sizeof cpu_bench_chip);
	cpu.pc = CPU_BENCH_ENTRY;
	cpu.a[1] = DRAM + DRAM_BYTES - 0x4000;
	begin = now();
	stop = cpu_run(&cpu, cycles);
	seconds = now() - begin;
	printf("cpu: %.0f million instructions/s (%" PRIu64 " in %.2f s, %" PRIu32
	       " rounds, %.1f x real time)\n", (double)cpu.instructions / seconds / 1e6,
	       cpu.instructions, seconds, get_le32(dram + 4),
	       (double)cycles / 80e6 / seconds);
	cpu_close(&cpu);
	return stop != CPU_STOP_BUDGET || cpu.exceptions != 0 || get_le32(dram + 4) == 0 ||
	       get_le32(dram + 8) != 0;
}
