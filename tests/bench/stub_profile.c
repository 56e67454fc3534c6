/* stub_profile BAUD RING - where the chip's time goes while units arrive, and how
 * full its receive ring gets: program counter and ring, looked at each microsecond
 * of the simulated chip. RING is the address of the ring's head and tail, in hex.
 * Prints `address samples`; stub_profile.sh gives the addresses names. */
#include "../../src/loader/stub.h"
#include "../../src/port/port_sim.h"
#include "../../src/sim/chip.h"
#include "../../src/sim/cpu.h"

#include <stdio.h>
#include <stdlib.h>

enum { UNITS = 8, IRAM = 0x40100000, IRAM_SIZE = 0x8000, ROM = 0x40000000, ROM_SIZE = 0x10000 };

static struct port port;
static struct rom rom;
static struct stub stub;
static uint8_t image[UNITS * WIRE_UNIT_MAX];
static uint32_t iram[IRAM_SIZE], in_rom, ring_addr, ring_most;

static void must(int rc, const struct esp_error *e)
{
	if (rc < 0) {
		fprintf(stderr, "%s\n", e->text);
		exit(1);
	}
}

static void sample(struct chip *c, uint32_t us)
{
	uint64_t now = chip_now_us(c);
	uint32_t i, pc, waiting;

	for (i = 1; i <= us; i++) {
		chip_run(c, now + i, false);
		pc = chip_cpu(c)->pc;
		waiting = chip_peek(c, ring_addr) - chip_peek(c, ring_addr + 4);
		if (waiting > ring_most)
			ring_most = waiting;
		if (pc - IRAM < IRAM_SIZE)
			iram[pc - IRAM]++;
		else if (pc - ROM < ROM_SIZE)
			in_rom++;
	}
}

int main(int argc, char **argv)
{
	const struct rom_connect how = { reset_find("nodemcu", RESET_TO_LOADER), 1, 0, false };
	uint32_t baud = argc > 1 ? (uint32_t)atoi(argv[1]) : 921600, i;
	struct chip_stats stats;
	uint64_t packed = 0;
	FILE *f = fopen("/proc/self/exe", "rb");

	ring_addr = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 16) : 0;
	if (!f || fread(image, 1, sizeof image, f) != sizeof image)
		return 1;
	fclose(f);
	port_init(&port);
	must(port_open(&port, "sim:", 460800), &port.err);
	rom_init(&rom, &port);
	must(rom_connect(&rom, &how), &rom.err);
	stub_init(&stub, &port);
	must(stub_start_at(&stub, &rom, 921600), &stub.err);
	must(stub_set_baud(&stub, baud, WIRE_CLOCK_PLL), &stub.err);
	must(stub_write_begin(&stub, 0, sizeof image, STUB_ERASE_ALL), &stub.err);
	for (i = 0; i < UNITS; i++) {
		must(stub_write_unit(&stub, i * WIRE_UNIT_MAX, image + i * WIRE_UNIT_MAX,
				     WIRE_UNIT_MAX), &stub.err);
		sample(port_sim_chip(&port), (uint32_t)((stub.counters.packed - packed) *
							10000000 / baud + 1000));
		packed = stub.counters.packed;
	}
	must(stub_write_end(&stub), &stub.err);
	chip_get_stats(port_sim_chip(&port), &stats);
	fprintf(stderr, "%7u baud: %llu bytes, %llu packed; at most %u of 4096 bytes waited in the"
		" ring, %llu lost in the UART\n", baud, (unsigned long long)stub.counters.plain,
		(unsigned long long)stub.counters.packed, ring_most,
		(unsigned long long)stats.uart_lost);
	for (i = 0; i < IRAM_SIZE; i++)
		if (iram[i])
			printf("%08x %u\n", IRAM + i, iram[i]);
	printf("%08x %u\n", ROM, in_rom);
	stub_close(&stub);
	port_close(&port);
	return 0;
}
