/* cpu_machine.h - a small machine around the simulated CPU for its tests: ROM,
 * two blocks of IRAM that touch, data RAM, one device register; and encodings.
 */
#ifndef TEST_CPU_MACHINE_H
#define TEST_CPU_MACHINE_H

#include "sim/cpu.h"

#include "bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
	ROM = 0x40000000, ROM_SIZE = 0x1000,
	IRAM = 0x40100000, IRAM_SIZE = 0x2000,	/* two regions that touch */
	DRAM = 0x3ffe8000, DRAM_SIZE = 0x4000,
	DEVICE = 0x60000000,
	CODE = IRAM + 0x100, DATA = DRAM + 0x100,
	PS_RUN = CPU_PS_UM,			/* level 0, user vector */
};

struct machine {
	struct cpu cpu;
	struct bus bus;
	uint8_t rom[ROM_SIZE], iram[IRAM_SIZE], dram[DRAM_SIZE];
	uint32_t at;			/* where code() goes on */
	/* the device: a word that can be read and written */
	uint32_t reg;
	unsigned reads, writes;
	uint64_t seen_at;		/* cycle of the last access */
	void (*on_access)(struct machine *m);
};

static int io_read(void *io, uint32_t addr, uint32_t *value)
{
	struct machine *m = io;

	if (addr < DEVICE)
		return CPU_CAUSE_LOAD_PROHIBITED;
	m->reads++;
	m->seen_at = m->cpu.cycles;
	*value = m->reg;
	if (m->on_access)
		m->on_access(m);
	return 0;
}

static int io_write(void *io, uint32_t addr, uint32_t value)
{
	struct machine *m = io;

	if (addr < DEVICE)
		return CPU_CAUSE_STORE_PROHIBITED;
	m->writes++;
	m->seen_at = m->cpu.cycles;
	m->reg = value;
	if (m->on_access)
		m->on_access(m);
	return 0;
}

static int open_machine(void **state)
{
	static struct machine m;

	memset(&m, 0, sizeof m);
	m.bus = (struct bus){
		.region = {
			{ DRAM, DRAM_SIZE, m.dram, BUS_LOAD_NARROW | BUS_STORE | BUS_STORE_NARROW },
			{ ROM, ROM_SIZE, m.rom, BUS_LOAD_NARROW | BUS_FETCH },
			{ IRAM, IRAM_SIZE / 2, m.iram, BUS_STORE | BUS_FETCH },
			{ IRAM + IRAM_SIZE / 2, IRAM_SIZE / 2, m.iram + IRAM_SIZE / 2,
			  BUS_STORE | BUS_FETCH },
		},
		.regions = 4, .io_read = io_read, .io_write = io_write, .io = &m,
	};
	m.at = CODE;
	if (cpu_open(&m.cpu, &m.bus) < 0)
		return -1;
	m.cpu.pc = CODE;
	m.cpu.ps = PS_RUN;
	*state = &m;
	return 0;
}

static int close_machine(void **state)
{
	struct machine *m = *state;

	cpu_close(&m->cpu);
	cpu_close(&m->cpu);	/* idempotent */
	return 0;
}

/* Appends an instruction; its length follows from its first byte. */
static void code(struct machine *m, uint32_t w)
{
	for (unsigned i = 0; i < (w & 8 ? 2u : 3u); i++)
		m->iram[m->at++ - IRAM] = (uint8_t)(w >> 8 * i);
}

/* A jump from the current place back or forth to `target`. */
static void jump(struct machine *m, uint32_t target)
{
	code(m, 6 | ((target - m->at - 4) & 0x3ffff) << 6);
}

static void steps(struct machine *m, uint64_t n)
{
	assert_int_equal(cpu_run(&m->cpu, m->cpu.cycles + n), CPU_STOP_BUDGET);
}

/* Encodings used throughout; registers are numbers. */
#define MOVI_N(s, imm) (0x0cu | ((imm) >> 4 & 7) << 4 | (s) << 8 | ((imm) & 15) << 12)
#define ADDI_N(r, s, t) (0x0bu | (t) << 4 | (s) << 8 | (r) << 12)
#define NOP_N 0x00f03du
#define RET_N 0xf00du
#define L32I(t, s, i) (0x2002u | (t) << 4 | (s) << 8 | (i) << 16)
#define L16UI(t, s, i) (0x1002u | (t) << 4 | (s) << 8 | (i) << 16)
#define L8UI(t, s, i) (0x0002u | (t) << 4 | (s) << 8 | (i) << 16)
#define S32I(t, s, i) (0x6002u | (t) << 4 | (s) << 8 | (i) << 16)
#define S16I(t, s, i) (0x5002u | (t) << 4 | (s) << 8 | (i) << 16)
#define S8I(t, s, i) (0x4002u | (t) << 4 | (s) << 8 | (i) << 16)
#define RSR(t, sr) (0x030000u | (t) << 4 | (sr) << 8)
#define WSR(t, sr) (0x130000u | (t) << 4 | (sr) << 8)
#define XSR(t, sr) (0x610000u | (t) << 4 | (sr) << 8)
#define WAITI(level) (0x7000u | (level) << 8)
#define ILL 0u
#define SYSCALL 0x5000u
#define SIMCALL 0x5100u
#define RFE 0x3000u
#define RFDE 0x3200u
enum { SR_EPC1 = 177, SR_INTCLEAR = 227, SR_INTSET = 226, SR_INTENABLE = 228, SR_PS = 230,
       SR_CCOUNT = 234, SR_CCOMPARE = 240, SR_EXCSAVE1 = 209 };

#define T(f) cmocka_unit_test_setup_teardown(f, open_machine, close_machine)

#endif
