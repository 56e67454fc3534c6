/* test_cpu.c - the simulated LX106. What each instruction computes is compared
 * with QEMU by tests/qemu; here are known answers for every class, and all
 * that QEMU's machine does not have.
 */
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

static void arithmetic_gives_the_known_answers(void **state)
{
	/* r = a4, s = a2, t = a3; SAR as given */
	static const struct { uint32_t word, s, t, sar, want; } row[] = {
		{ 0x104230, 0xf0f0, 0xff00, 0, 0xf000 },			/* and */
		{ 0x204230, 0xf0f0, 0xff00, 0, 0xfff0 },			/* or */
		{ 0x304230, 0xf0f0, 0xff00, 0, 0x0ff0 },			/* xor */
		{ 0x604030, 0, 5, 0, 0xfffffffb },				/* neg */
		{ 0x604130, 0, 0xfffffffb, 0, 5 },				/* abs */
		{ 0x604130, 0, 0x80000000, 0, 0x80000000 },
		{ 0x804230, 0xffffffff, 2, 0, 1 },				/* add */
		{ 0x904230, 3, 100, 0, 106 }, { 0xa04230, 3, 100, 0, 112 },	/* addx2 addx4 */
		{ 0xb04230, 3, 100, 0, 124 }, { 0xc04230, 3, 5, 0, 0xfffffffe }, /* addx8 sub */
		{ 0xd04230, 3, 5, 0, 1 }, { 0xe04230, 3, 5, 0, 7 }, { 0xf04230, 3, 5, 0, 19 },
		{ 0x014240, 0x80000001, 0, 0, 0x10000000 },			/* slli 28 */
		{ 0x1142f0, 0x80000001, 0, 0, 2 }, { 0x0142f0, 1, 0, 0, 1 << 17 },
		{ 0x214430, 0, 0x80000000, 0, 0xf8000000 },			/* srai 4 */
		{ 0x314430, 0, 0x80000000, 0, 0xfffff800 },			/* srai 20 */
		{ 0x414430, 0, 0x80000000, 0, 0x08000000 },			/* srli 4 */
		{ 0x814230, 0x12345678, 0x9abcdef0, 8, 0x789abcde },		/* src */
		{ 0x814230, 0x12345678, 0x9abcdef0, 32, 0x12345678 },
		{ 0x914030, 0, 0x80000000, 31, 1 },				/* srl */
		{ 0xa14200, 0x00000003, 0, 31, 6 },				/* sll by 1 */
		{ 0xa14200, 0x00000003, 0, 32, 3 },
		{ 0xb14030, 0, 0x80000000, 31, 0xffffffff },			/* sra */
		{ 0xc14230, 0xffff8000, 0xffff0002, 0, 0x10000 },		/* mul16u */
		{ 0xd14230, 0x0000ffff, 0x00000007, 0, 0xfffffff9 },		/* mul16s */
		{ 0x824230, 0x12345678, 0x9abcdef0, 0, 0x242d2080 },		/* mull */
		{ 0x834230, 7, 0, 0, 7 }, { 0x834230, 7, 1, 0, 99 },		/* moveqz */
		{ 0x934230, 7, 1, 0, 7 }, { 0x934230, 7, 0, 0, 99 },		/* movnez */
		{ 0xa34230, 7, 0x80000000, 0, 7 }, { 0xa34230, 7, 0, 0, 99 },	/* movltz */
		{ 0xb34230, 7, 0, 0, 7 }, { 0xb34230, 7, 0x80000000, 0, 99 },	/* movgez */
		{ 0x744830, 0, 0x12345678, 0, 0x56 },				/* extui 8, 8 */
		{ 0xf54030, 0, 0x12345678, 0, 0x1234 },				/* extui 16, 16 */
		{ 0x40e240, 0xffffff00, 0, 0, 23 }, { 0x40e240, 0, 0, 0, 31 },	/* nsa */
		{ 0x40f240, 0x00000100, 0, 0, 23 }, { 0x40f240, 0, 0, 0, 32 },	/* nsau */
		{ 0x80a842, 0, 0, 0, 0xfffff880 },				/* movi -1920 */
		{ 0x80c242, 1, 0, 0, 0xffffff81 },				/* addi -128 */
		{ 0x80d242, 1, 0, 0, 0xffff8001 },				/* addmi -32768 */
		{ 0x00423a, 5, 6, 0, 11 }, { 0x00420b, 5, 0, 0, 4 },		/* add.n addi.n -1 */
		{ 0x00024d, 5, 0, 0, 5 },					/* mov.n */
		{ 0x00f45c, 0, 0, 0, 95 }, { 0x00046c, 0, 0, 0, 0xffffffe0 },	/* movi.n */
	};
	struct machine *m = *state;

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		m->cpu.a[2] = row[i].s;
		m->cpu.a[3] = row[i].t;
		m->cpu.a[4] = 99;
		m->cpu.sar = row[i].sar;
		code(m, row[i].word);
		steps(m, 1);
		if (m->cpu.a[4] != row[i].want)
			print_error("row %zu, word %06x\n", i, row[i].word);
		assert_int_equal(m->cpu.a[4], row[i].want);
		assert_int_equal(m->cpu.pc, m->at);
	}
	assert_int_equal(m->cpu.exceptions, 0);
}

static void the_shift_amount_is_set_in_every_way(void **state)
{
	static const struct { uint32_t word, s, want; } row[] = {
		{ 0x400200, 0xffffffff, 31 }, { 0x401200, 0xffffffe1, 31 },	/* ssr ssl */
		{ 0x401200, 0, 32 },
		{ 0x402200, 7, 24 }, { 0x403200, 7, 8 },			/* ssa8l ssa8b */
		{ 0x404310, 0, 19 },						/* ssai */
		{ 0x130320, 0xff, 63 },						/* wsr.sar a2 */
	};
	struct machine *m = *state;

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		m->cpu.a[2] = row[i].s;
		code(m, row[i].word);
		steps(m, 1);
		assert_int_equal(m->cpu.sar, row[i].want);
	}
}

static void branches_go_where_they_should(void **state)
{
	/* s = a2, t = a3; the distance is 20 */
	static const struct { uint32_t word, s, t; bool taken; } row[] = {
		{ 0x010216, 0, 0, true }, { 0x010216, 1, 0, false },		/* beqz */
		{ 0x010256, 1, 0, true }, { 0x010256, 0, 0, false },		/* bnez */
		{ 0x010296, 0x80000000, 0, true }, { 0x010296, 0, 0, false },	/* bltz */
		{ 0x0102d6, 0, 0, true }, { 0x0102d6, 0x80000000, 0, false },	/* bgez */
		{ 0x100226, 0xffffffff, 0, true }, { 0x100226, 1, 0, false },	/* beqi -1 */
		{ 0x100266, 1, 0, true }, { 0x100266, 0xffffffff, 0, false },	/* bnei -1 */
		{ 0x10f2a6, 255, 0, true }, { 0x10f2a6, 256, 0, false },	/* blti 256 */
		{ 0x1002e6, 0, 0, true }, { 0x1002e6, 0x80000000, 0, false },	/* bgei -1 */
		{ 0x10b2b6, 15, 0, true }, { 0x10b2b6, 0xffffffff, 0, false },	/* bltui 16 */
		{ 0x1002f6, 32768, 0, true }, { 0x1012f6, 32768, 0, false },	/* bgeui */
		{ 0x100237, 2, 5, true }, { 0x100237, 2, 3, false },		/* bnone */
		{ 0x101237, 2, 2, true }, { 0x101237, 2, 3, false },		/* beq */
		{ 0x102237, 0x80000000, 0, true }, { 0x102237, 0, 0, false },	/* blt */
		{ 0x103237, 0, 0x80000000, true }, { 0x103237, 0x80000000, 0, false }, /* bltu */
		{ 0x104237, 7, 5, true }, { 0x104237, 3, 5, false },		/* ball */
		{ 0x105237, 0, 33, true }, { 0x105237, 2, 33, false },		/* bbc */
		{ 0x107217, 0, 0, true }, { 0x107217, 1 << 17, 0, false },	/* bbci 17 */
		{ 0x108237, 2, 3, true }, { 0x108237, 2, 5, false },		/* bany */
		{ 0x109237, 2, 3, true }, { 0x109237, 2, 2, false },		/* bne */
		{ 0x10a237, 0, 0, true }, { 0x10a237, 0x80000000, 0, false },	/* bge */
		{ 0x10b237, 0x80000000, 0, true }, { 0x10b237, 0, 0x80000000, false }, /* bgeu */
		{ 0x10c237, 3, 5, true }, { 0x10c237, 7, 5, false },		/* bnall */
		{ 0x10d237, 2, 33, true }, { 0x10d237, 0, 33, false },		/* bbs */
		{ 0x10f2f7, 0x80000000, 0, true }, { 0x10f2f7, 1, 0, false },	/* bbsi 31 */
		{ 0x00029c, 0, 0, true }, { 0x00029c, 1, 0, false },		/* beqz.n */
		{ 0x0002dc, 1, 0, true }, { 0x0002dc, 0, 0, false },		/* bnez.n */
	};
	struct machine *m = *state;

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		uint32_t from = m->at;

		m->cpu.a[2] = row[i].s;
		m->cpu.a[3] = row[i].t;
		m->cpu.pc = from;
		code(m, row[i].word);
		steps(m, 1);
		if (m->cpu.pc != (row[i].taken ? from + 20 : m->at))
			print_error("row %zu, word %06x\n", i, row[i].word);
		assert_int_equal(m->cpu.pc, row[i].taken ? from + 20 : m->at);
	}
}

static void jumps_and_calls_set_pc_and_the_return_address(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	code(m, NOP_N);			/* so that the call is not aligned */
	code(m, 0x000105);		/* call0: the word's address + 4 + 16 */
	steps(m, 2);
	assert_int_equal(c->pc, CODE + 20);
	assert_int_equal(c->a[0], CODE + 5);

	m->at = c->pc;
	c->a[0] = IRAM + 0x400;
	code(m, 0x0000c0);		/* callx0 a0 reads a0 before it writes it */
	steps(m, 1);
	assert_int_equal(c->pc, IRAM + 0x400);
	assert_int_equal(c->a[0], CODE + 23);

	m->at = c->pc;
	code(m, RET_N);
	steps(m, 1);
	assert_int_equal(c->pc, CODE + 23);

	m->at = c->pc;
	c->a[5] = ROM + 0x103;		/* another region, odd address */
	m->rom[0x103] = 0x80;		/* ret */
	code(m, 0x0005a0);		/* jx a5 */
	steps(m, 2);
	assert_int_equal(c->pc, CODE + 23);

	m->at = c->pc = IRAM + 0x480;
	jump(m, IRAM + 0x10);
	steps(m, 1);
	assert_int_equal(c->pc, IRAM + 0x10);
	assert_int_equal(c->exceptions, 0);
}

static void loads_and_stores_move_the_right_bytes(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;
	uint8_t *data = m->dram + 0x100;

	put_le32(data + 4, 0x8586fffe);
	c->a[2] = DATA;
	code(m, L32I(4, 2, 1));
	code(m, L16UI(5, 2, 3));
	code(m, 0x039262);		/* l16si a6, a2, 6 */
	code(m, L8UI(7, 2, 7));
	code(m, 0x001288);		/* l32i.n a8, a2, 4 */
	code(m, S32I(4, 2, 2));
	code(m, S16I(4, 2, 6));
	code(m, S8I(4, 2, 15));
	code(m, 0x004249);		/* s32i.n a4, a2, 16 */
	steps(m, 9);
	assert_int_equal(c->exceptions, 0);
	assert_int_equal(c->a[4], 0x8586fffe);
	assert_int_equal(c->a[5], 0x8586);
	assert_int_equal(c->a[6], 0xffff8586);
	assert_int_equal(c->a[7], 0x85);
	assert_int_equal(c->a[8], 0x8586fffe);
	assert_memory_equal(data + 8, "\xfe\xff\x86\x85\xfe\xff\x00\xfe\xfe\xff\x86\x85", 12);
}

static void l32r_finds_literals_before_the_code_or_before_litbase(void **state)
{
	struct machine *m = *state;

	put_le32(m->iram + 0xfc, 0x11111111);
	put_le32(m->dram + 0xffc, 0x22222222);
	code(m, 0xffff41);		/* l32r a4: the word before */
	code(m, 0xfffe51);		/* l32r a5: the same, from 3 bytes on */
	steps(m, 2);
	assert_int_equal(m->cpu.a[4], 0x11111111);
	assert_int_equal(m->cpu.a[5], 0x11111111);
	m->cpu.a[2] = DRAM + 0x1000 + 1;
	code(m, WSR(2, 5));
	code(m, 0xffff41);
	steps(m, 2);
	assert_int_equal(m->cpu.a[4], 0x22222222);
}

static void special_registers_are_read_written_and_exchanged(void **state)
{
	static const uint8_t plain[] = {
		104, 128, 144, 177, 178, 179, 192, 194, 195, 209, 210, 211, 236, 237, 238, 240,
	};
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	for (size_t i = 0; i < sizeof plain; i++) {
		c->a[2] = 0x12340000 + (uint32_t)i;
		c->a[3] = 0x56780000;
		code(m, WSR(2, plain[i]));
		code(m, XSR(3, plain[i]));
		code(m, RSR(4, plain[i]));
		steps(m, 3);
		assert_int_equal(c->a[3], 0x12340000 + i);
		assert_int_equal(c->a[4], 0x56780000);
	}
	code(m, RSR(5, 176));
	code(m, RSR(6, 208));
	code(m, RSR(7, 235));
	code(m, 0x006380);	/* rsil a8, 3 */
	steps(m, 4);
	assert_int_equal(c->a[5], 0xc28cdafa);
	assert_int_equal(c->a[6], 0x1082b6f6);
	assert_int_equal(c->a[7], 0);
	assert_int_equal(c->a[8], PS_RUN);
	assert_int_equal(c->ps, PS_RUN | 3);
	assert_int_equal(c->exceptions, 0);
}

static void ccount_counts_instructions_and_can_be_set(void **state)
{
	struct machine *m = *state;

	code(m, RSR(2, SR_CCOUNT));
	code(m, NOP_N);
	code(m, RSR(3, SR_CCOUNT));
	code(m, MOVI_N(4, 7));
	code(m, WSR(4, SR_CCOUNT));
	code(m, RSR(5, SR_CCOUNT));
	steps(m, 6);
	assert_int_equal(m->cpu.a[3], m->cpu.a[2] + 2);
	assert_int_equal(m->cpu.a[5], 8);
}

static void what_is_no_instruction_raises_illegal(void **state)
{
	static const uint32_t word[] = {
		0x000000, 0x000090, 0x000003, 0x000004, 0x00000e, 0x00000f, 0x00f06d, 0x00f01d,
		0x001000 /* movsp */, 0x000015 /* call4 */, 0x000036 /* entry */,
		0x000076 /* bt, loop */, 0x020200 /* min */ | 0x400000, 0xc20000 /* quou */,
		0x003002 /* absent load */, 0x007002, 0x00b002 /* l32ai */, 0x00e002, 0x00f002,
		0x030000 /* lbeg */, 0x03e300 /* rsr.intclear */, 0x13eb00 /* wsr.prid */,
		0x61e900 /* xsr.debugcause */, 0x700200, SIMCALL,
	};
	struct machine *m = *state;

	for (size_t i = 0; i < sizeof word / sizeof *word; i++) {
		uint32_t at = m->at;

		m->cpu.exccause = 99;
		m->cpu.pc = at;
		m->cpu.ps = PS_RUN;
		code(m, word[i]);
		steps(m, 1);
		if (m->cpu.epc[1] != at || m->cpu.exccause != CPU_CAUSE_ILLEGAL)
			print_error("word %06x\n", word[i]);
		assert_int_equal(m->cpu.epc[1], at);
		assert_int_equal(m->cpu.exccause, CPU_CAUSE_ILLEGAL);
		assert_int_equal(m->cpu.pc, ROM + 0x50);
	}
}

static void exceptions_enter_the_vector_of_their_mode_and_return(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->vecbase = IRAM;
	code(m, SYSCALL);
	steps(m, 1);
	assert_int_equal(c->pc, IRAM + 0x50);
	assert_int_equal(c->ps, PS_RUN | CPU_PS_EXCM);
	assert_int_equal(c->exccause, CPU_CAUSE_SYSCALL);
	assert_int_equal(c->epc[1], CODE);

	m->at = c->pc;
	code(m, ILL);			/* while EXCM is set: double exception */
	steps(m, 1);
	assert_int_equal(c->pc, IRAM + 0x70);
	assert_int_equal(c->depc, IRAM + 0x50);
	assert_int_equal(c->epc[1], CODE);

	m->at = c->pc;
	code(m, RFDE);
	steps(m, 1);
	assert_int_equal(c->pc, IRAM + 0x50);
	assert_true(c->ps & CPU_PS_EXCM);

	m->at = c->pc;
	code(m, RFE);
	cpu_flush_range(c, IRAM + 0x50, 3);
	steps(m, 1);
	assert_int_equal(c->pc, CODE);
	assert_int_equal(c->ps, PS_RUN);

	c->ps = 0;
	steps(m, 1);
	assert_int_equal(c->pc, IRAM + 0x30);
}

static void break_is_a_level_2_exception_unless_masked(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	code(m, 0x0041f0);
	steps(m, 1);
	assert_int_equal(c->pc, ROM + 0x10);
	assert_int_equal(c->epc[2], CODE);
	assert_int_equal(c->eps[2], PS_RUN);
	assert_int_equal(c->ps, PS_RUN | CPU_PS_EXCM | 2);

	c->pc = m->at;
	code(m, 0x00f32d);		/* break.n, level 2 now: nothing */
	code(m, 0x003210);		/* rfi 2 */
	steps(m, 2);
	assert_int_equal(c->pc, CODE);
	assert_int_equal(c->ps, PS_RUN);
	assert_int_equal(c->exceptions, 1);
}

static void fetching_where_no_code_is_raises_20(void **state)
{
	static const uint32_t nowhere[] = { 0, DRAM, DEVICE, 0xfffffffe, IRAM + IRAM_SIZE };
	struct machine *m = *state;

	for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
		m->cpu.pc = nowhere[i];
		m->cpu.ps = PS_RUN;
		steps(m, 1);
		assert_int_equal(m->cpu.exccause, CPU_CAUSE_FETCH_PROHIBITED);
		assert_int_equal(m->cpu.excvaddr, nowhere[i]);
		assert_int_equal(m->cpu.epc[1], nowhere[i]);
	}
}

static void code_runs_from_one_region_into_the_next_but_not_into_nothing(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	m->at = c->pc = IRAM + IRAM_SIZE / 2 - 4;
	code(m, 0x01a042);		/* movi a4, 1 */
	code(m, 0x02a052);		/* movi a5, 2: two bytes of it in the next */
	code(m, MOVI_N(6, 3));
	steps(m, 3);
	assert_int_equal(c->a[4] + c->a[5] + c->a[6], 6);
	assert_int_equal(c->pc, IRAM + IRAM_SIZE / 2 + 4);

	/* changed in its second part only */
	m->iram[IRAM_SIZE / 2 + 1] = 9;
	cpu_flush_range(c, IRAM + IRAM_SIZE / 2 + 1, 1);
	c->pc = IRAM + IRAM_SIZE / 2 - 1;
	steps(m, 1);
	assert_int_equal(c->a[5], 9);

	m->at = c->pc = IRAM + IRAM_SIZE - 1;
	m->iram[IRAM_SIZE - 1] = 0x42;
	steps(m, 1);
	assert_int_equal(c->exccause, CPU_CAUSE_FETCH_PROHIBITED);
	assert_int_equal(c->excvaddr, IRAM + IRAM_SIZE);
	assert_int_equal(c->epc[1], IRAM + IRAM_SIZE - 1);
}

static void accesses_that_memory_refuses_raise_their_cause(void **state)
{
	static const struct { uint32_t word, addr, cause; } row[] = {
		{ L8UI(4, 2, 0), IRAM, CPU_CAUSE_LOAD_STORE },
		{ L16UI(4, 2, 0), IRAM, CPU_CAUSE_LOAD_STORE },
		{ S8I(4, 2, 0), IRAM, CPU_CAUSE_LOAD_STORE },
		{ S16I(4, 2, 0), IRAM, CPU_CAUSE_LOAD_STORE },
		{ S32I(4, 2, 0), ROM, CPU_CAUSE_LOAD_STORE },
		{ S8I(4, 2, 0), ROM, CPU_CAUSE_LOAD_STORE },
		{ L32I(4, 2, 0), DATA + 2, CPU_CAUSE_ALIGNMENT },
		{ L32I(4, 2, 0), IRAM + 1, CPU_CAUSE_ALIGNMENT },
		{ L16UI(4, 2, 0), DATA + 1, CPU_CAUSE_ALIGNMENT },
		{ S32I(4, 2, 0), DATA + 3, CPU_CAUSE_ALIGNMENT },
		{ S16I(4, 2, 0), DATA + 1, CPU_CAUSE_ALIGNMENT },
		{ L32I(4, 2, 0), DEVICE + 2, CPU_CAUSE_ALIGNMENT },
		{ L32I(4, 2, 0), 0, CPU_CAUSE_LOAD_PROHIBITED },
		{ L8UI(4, 2, 0), 3, CPU_CAUSE_LOAD_PROHIBITED },
		{ S32I(4, 2, 0), 4, CPU_CAUSE_STORE_PROHIBITED },
		{ S8I(4, 2, 0), 5, CPU_CAUSE_STORE_PROHIBITED },
		{ S8I(4, 2, 0), DEVICE, CPU_CAUSE_LOAD_STORE },
	};
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	memset(m->iram, 0, 4);
	for (size_t i = 0; i < 2 * sizeof row / sizeof *row; i++) {
		uint32_t addr = row[i / 2].addr;

		/* every second time the page was used rightfully just before */
		c->a[2] = i % 2 ? addr & ~3u : DATA;
		c->a[4] = 0x99;
		c->pc = m->at = CODE;
		c->ps = PS_RUN;
		code(m, L32I(5, 2, 0));
		code(m, row[i / 2].word);
		cpu_flush_range(c, CODE, 6);
		steps(m, 1);
		c->pc = CODE + 3;
		c->ps = PS_RUN;
		c->a[2] = addr;
		steps(m, 1);
		if (c->exccause != row[i / 2].cause)
			print_error("row %zu\n", i / 2);
		assert_int_equal(c->exccause, row[i / 2].cause);
		assert_int_equal(c->excvaddr, addr);
		assert_int_equal(c->epc[1], CODE + 3);
		assert_int_equal(c->a[4], 0x99);
	}
	assert_int_equal(m->writes, 0);
}

static void a_device_sees_words_at_the_exact_cycle(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	m->reg = 0x44332211;
	c->a[2] = DEVICE;
	code(m, NOP_N);
	code(m, L32I(4, 2, 0));
	code(m, L8UI(5, 2, 2));		/* a register is read whole */
	steps(m, 2);
	assert_int_equal(m->seen_at, 1);
	steps(m, 1);
	assert_int_equal(m->seen_at, 2);
	assert_int_equal(c->a[4], 0x44332211);
	assert_int_equal(c->a[5], 0x33);
	code(m, S32I(2, 2, 0));
	steps(m, 1);
	assert_int_equal(m->reg, DEVICE);
	assert_int_equal(m->seen_at, 3);
	assert_int_equal(c->cycles, 4);
}

static void the_budget_is_kept_to_the_cycle(void **state)
{
	struct machine *m = *state;

	code(m, ADDI_N(2, 2, 1));
	jump(m, CODE);
	for (uint64_t n = 1; n < 100; n++) {
		uint64_t limit = m->cpu.cycles + n;

		assert_int_equal(cpu_run(&m->cpu, limit), CPU_STOP_BUDGET);
		assert_int_equal(m->cpu.cycles, limit);
		assert_int_equal(m->cpu.a[2], (limit + 1) / 2);
		assert_int_equal(m->cpu.instructions, limit);
	}
	assert_int_equal(cpu_run(&m->cpu, 5), CPU_STOP_BUDGET);	/* long past */
}

static void a_level_interrupt_is_taken_when_enabled_and_pends_while_high(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	code(m, NOP_N);
	code(m, NOP_N);
	cpu_irq(c, 5, true);
	steps(m, 1);
	assert_int_equal(c->pc, CODE + 2);	/* not enabled */
	c->intenable = 1 << 5;
	c->ps = PS_RUN | 1;
	steps(m, 1);
	assert_int_equal(c->pc, CODE + 4);	/* masked by INTLEVEL */
	c->ps = PS_RUN;
	put_le32(m->rom + 0x50, NOP_N);
	steps(m, 1);
	assert_int_equal(c->epc[1], CODE + 4);
	assert_int_equal(c->exccause, CPU_CAUSE_INTERRUPT);
	assert_int_equal(c->pc, ROM + 0x52);
	assert_int_equal(c->exceptions, 0);
	c->a[2] = 1 << 5;
	m->at = c->pc = IRAM + 0x500;
	code(m, WSR(2, SR_INTCLEAR));		/* does not clear a line that is high */
	steps(m, 1);
	assert_int_equal(c->interrupt, 1 << 5);
	cpu_irq(c, 5, false);
	assert_int_equal(c->interrupt, 0);
}

static void an_edge_interrupt_pends_until_it_is_cleared(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	cpu_irq(c, 9, true);
	cpu_irq(c, 9, false);
	assert_int_equal(c->interrupt, 1 << 9);
	c->a[2] = 1 << 9;
	code(m, WSR(2, SR_INTCLEAR));
	cpu_irq(c, 9, true);
	steps(m, 1);
	assert_int_equal(c->interrupt, 0);
	cpu_irq(c, 9, true);			/* still high: no new edge */
	assert_int_equal(c->interrupt, 0);
	cpu_irq(c, 31, true);
	cpu_irq(c, 99, true);
	cpu_irq(c, CPU_IRQ_TIMER, true);	/* not a line */
	assert_int_equal(c->interrupt, 0);
}

static void the_software_interrupt_is_set_and_cleared_by_the_program(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = UINT32_MAX;
	c->a[3] = 1 << CPU_IRQ_SOFTWARE;
	put_le32(m->rom + 0x50, NOP_N);
	code(m, WSR(2, SR_INTSET));
	code(m, RSR(4, SR_INTSET));
	code(m, WSR(3, SR_INTENABLE));
	steps(m, 4);
	assert_int_equal(c->a[4], 1 << CPU_IRQ_SOFTWARE);
	assert_int_equal(c->epc[1], CODE + 9);	/* at once after it was enabled */
	assert_int_equal(c->pc, ROM + 0x52);
}

static void lowering_the_level_lets_a_pending_interrupt_in(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	put_le32(m->rom + 0x50, RFE);
	c->intenable = 1 << 4;
	cpu_irq(c, 4, true);
	c->ps = PS_RUN | 15;
	code(m, NOP_N);
	code(m, 0x006020);		/* rsil a2, 0 */
	code(m, NOP_N);
	steps(m, 3);
	assert_int_equal(c->a[2], PS_RUN | 15);
	assert_int_equal(c->epc[1], CODE + 5);
	assert_int_equal(c->pc, CODE + 5);	/* rfe, and the line is still high: */
	steps(m, 1);
	assert_int_equal(c->pc, CODE + 5);	/* no progress before it is served */
	cpu_irq(c, 4, false);
	steps(m, 1);
	assert_int_equal(c->pc, CODE + 7);
}

static void the_nmi_cannot_be_masked_and_comes_once_per_edge(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	put_le32(m->rom + 0x20, 0x003310);	/* rfi 3 */
	code(m, NOP_N);
	c->ps = 0x1f;
	cpu_irq(c, CPU_IRQ_NMI, true);
	steps(m, 1);
	assert_int_equal(c->epc[3], CODE);
	assert_int_equal(c->eps[3], 0x1f);
	assert_int_equal(c->pc, CODE);
	steps(m, 1);
	assert_int_equal(c->pc, CODE + 2);
}

static void the_timer_matches_at_its_cycle_and_is_cleared_by_writing_it(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = 50;
	code(m, WSR(2, SR_CCOMPARE));
	for (int i = 0; i < 100; i++)
		code(m, NOP_N);
	steps(m, 49);
	assert_int_equal(c->interrupt, 0);
	assert_int_equal(cpu_next_timer(c), UINT64_MAX);	/* not enabled */
	c->intenable = 1 << CPU_IRQ_TIMER;
	assert_int_equal(cpu_next_timer(c), 50);
	c->ps |= 1;
	steps(m, 1);
	assert_int_equal(c->interrupt, 1 << CPU_IRQ_TIMER);
	assert_int_equal(cpu_next_timer(c), 50 + (1ull << 32));
	c->ps = PS_RUN;
	put_le32(m->rom + 0x50, WSR(2, SR_CCOMPARE));
	steps(m, 1);
	assert_int_equal(c->epc[1], CODE + 3 + 49 * 2);
	assert_int_equal(c->interrupt, 0);
}

static void a_timer_interrupt_is_taken_in_the_middle_of_a_run(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	put_le32(m->rom + 0x50, 0xffff06);	/* j to itself */
	code(m, ADDI_N(2, 2, 1));
	jump(m, CODE);
	c->intenable = 1 << CPU_IRQ_TIMER;
	c->ccompare = 100001;
	cpu_run(c, 300000);
	assert_int_equal(c->a[2], 50001);
	assert_int_equal(c->epc[1], CODE + 2);
	assert_int_equal(c->pc, ROM + 0x50);
}

static void skipping_time_passes_the_timer(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->ccompare = 1000;
	cpu_skip(c, 999);
	assert_int_equal(c->interrupt, 0);
	cpu_skip(c, 1);
	assert_int_equal(c->interrupt, 1 << CPU_IRQ_TIMER);
	c->interrupt = 0;
	cpu_skip(c, (1ull << 32) - 1);
	assert_int_equal(c->interrupt, 0);
	cpu_skip(c, 5);
	assert_int_equal(c->interrupt, 1 << CPU_IRQ_TIMER);
}

static void waiti_sleeps_until_an_interrupt(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	put_le32(m->rom + 0x50, NOP_N);
	c->ps = PS_RUN | 7;
	c->intenable = 1 << 5;
	code(m, WAITI(0));
	assert_int_equal(cpu_run(c, 1000), CPU_STOP_WAIT);
	assert_int_equal(c->cycles, 1);
	assert_int_equal(c->ps, PS_RUN);
	cpu_irq(c, 4, true);			/* not enabled */
	assert_int_equal(cpu_run(c, 1000), CPU_STOP_WAIT);
	cpu_irq(c, 5, true);
	steps(m, 1);
	assert_int_equal(c->epc[1], CODE + 3);
	assert_int_equal(c->pc, ROM + 0x52);
	assert_int_equal(c->cycles, 2);
}

static void reset_forgets_all_but_time_and_lines(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	code(m, NOP_N);
	cpu_irq(c, 5, true);
	cpu_irq(c, 9, true);
	c->a[3] = 1;
	c->ps = PS_RUN;
	c->waiting = true;
	cpu_skip(c, 100);
	cpu_reset(c);
	assert_int_equal(c->pc, 0x40000080);
	assert_int_equal(c->ps, 0x1f);
	assert_int_equal(c->vecbase, 0x40000000);
	assert_int_equal(c->a[3], 0);
	assert_int_equal(c->interrupt, 1 << 5);
	assert_int_equal(c->cycles, 100);
	assert_int_equal(c->ccount_base, 100);
	assert_false(c->waiting);
}

static void a_program_can_change_its_own_next_instruction(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = IRAM + 0x104;
	code(m, 0x000259);		/* s32i.n a5, a2, 0 at 0x100 */
	code(m, NOP_N);			/* 0x102 */
	code(m, MOVI_N(4, 1));		/* 0x104, becomes movi.n a4, 2 */
	code(m, NOP_N);			/* 0x106 */
	c->a[5] = MOVI_N(4, 2) | NOP_N << 16;
	c->pc = CODE + 4;
	steps(m, 1);
	assert_int_equal(c->a[4], 1);	/* executed, so decoded */
	c->pc = CODE;
	steps(m, 3);
	assert_int_equal(c->a[4], 2);
}

static void code_changed_behind_the_cpu_is_seen_after_a_flush(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;
	static uint8_t other[IRAM_SIZE / 2];

	code(m, MOVI_N(4, 1));
	steps(m, 1);
	put_le16(m->iram + 0x100, MOVI_N(4, 2));
	cpu_flush_range(c, CODE, 2);
	c->pc = CODE;
	steps(m, 1);
	assert_int_equal(c->a[4], 2);
	put_le16(m->iram + 0x100, MOVI_N(4, 3));
	cpu_flush(c);
	c->pc = CODE;
	steps(m, 1);
	assert_int_equal(c->a[4], 3);

	put_le16(other + 0x100, MOVI_N(4, 4));	/* another window at the same place */
	m->bus.region[2].mem = other;
	cpu_flush(c);
	c->pc = CODE;
	steps(m, 1);
	assert_int_equal(c->a[4], 4);

	m->bus.region[2] = m->bus.region[--m->bus.regions];	/* taken away */
	cpu_flush(c);
	c->pc = CODE;
	steps(m, 1);
	assert_int_equal(c->exccause, CPU_CAUSE_FETCH_PROHIBITED);
}

static void yield_now(struct machine *m) { cpu_yield(&m->cpu); }
static void reset_now(struct machine *m) { cpu_reset(&m->cpu); }
static void flush_now(struct machine *m) { cpu_flush(&m->cpu); }
static void skip_now(struct machine *m) { cpu_skip(&m->cpu, 1000); }
static void raise_now(struct machine *m) { cpu_irq(&m->cpu, 5, true); }

static void a_callback_may_stop_flush_reset_skip_and_interrupt(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = DEVICE;
	m->reg = 0x55;
	code(m, L32I(4, 2, 0));
	for (int i = 0; i < 2000; i++)
		code(m, NOP_N);

	m->on_access = yield_now;
	assert_int_equal(cpu_run(c, 100), CPU_STOP_YIELD);
	assert_int_equal(c->a[4], 0x55);
	assert_int_equal(c->cycles, 1);
	assert_int_equal(c->pc, CODE + 3);

	m->on_access = flush_now;
	c->a[4] = 0;
	c->pc = CODE;
	steps(m, 10);
	assert_int_equal(c->a[4], 0x55);
	assert_int_equal(c->pc, CODE + 3 + 9 * 2);

	m->on_access = skip_now;
	c->pc = CODE;
	assert_int_equal(cpu_run(c, c->cycles + 1010), CPU_STOP_BUDGET);
	assert_int_equal(c->cycles, 11 + 1010);
	assert_int_equal(c->pc, CODE + 3 + 9 * 2);
	assert_int_equal(c->instructions, 21);

	m->on_access = raise_now;
	c->intenable = 1 << 5;
	c->pc = CODE;
	put_le32(m->rom + 0x50, NOP_N);
	steps(m, 2);
	assert_int_equal(c->epc[1], CODE + 3);
	assert_int_equal(c->pc, ROM + 0x52);

	m->on_access = reset_now;
	c->ps = PS_RUN | 1;
	c->pc = CODE;
	c->a[2] = DEVICE;
	steps(m, 1);
	assert_int_equal(c->pc, 0x40000080);
	assert_int_equal(c->a[4], 0);
}

static void native(void *arg, struct cpu *c)
{
	struct machine *m = arg;

	m->writes++;
	c->a[2] = c->a[3] + 1;
	cpu_skip(c, 500);
	c->pc = c->a[0];
}

static void simcall_runs_native_code(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->simcall = native;
	c->simcall_arg = m;
	c->a[0] = IRAM + 0x300;
	c->a[3] = 41;
	code(m, SIMCALL);
	m->at = IRAM + 0x300;
	code(m, NOP_N);
	assert_int_equal(cpu_run(c, 502), CPU_STOP_BUDGET);
	assert_int_equal(m->writes, 1);
	assert_int_equal(c->a[2], 42);
	assert_int_equal(c->pc, IRAM + 0x302);
	assert_int_equal(c->cycles, 502);
}

enum { LONG = 200000 };		/* a run in which an idle loop must be found */

static void polling_a_register_is_found_to_be_idle_and_goes_on_afterwards(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;
	uint64_t reads;

	c->a[2] = DEVICE;
	code(m, L32I(4, 2, 0));
	code(m, 0x000416 | ((CODE - (CODE + 3) - 4) & 0xfff) << 12);	/* beqz a4, back */
	code(m, MOVI_N(5, 7));
	m->at = c->pc;
	assert_int_equal(cpu_run(c, LONG), CPU_STOP_POLL);
	assert_true(c->cycles < 20000);
	reads = m->reads;
	cpu_skip(c, LONG);
	assert_int_equal(cpu_run(c, 3 * LONG), CPU_STOP_POLL);	/* nothing came: idle again, */
	assert_true(m->reads - reads < 10);			/* and at once */
	m->reg = 1;
	steps(m, 3);
	assert_int_equal(c->a[5], 7);
}

static void polling_by_a_function_with_a_stack_frame_is_idle(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;
	uint32_t f1 = IRAM + 0x200, f2 = IRAM + 0x220;

	/* the loop calls two functions which save different a0 at one place */
	c->a[1] = DRAM + 0x800;
	c->a[2] = DEVICE;
	c->a[12] = f1;
	c->a[13] = f2;
	code(m, 0x000cc0);		/* callx0 a12 */
	code(m, 0x000dc0);
	code(m, 0x000416 | ((CODE - (CODE + 6) - 4) & 0xfff) << 12);
	for (int i = 0; i < 2; i++) {
		m->at = i ? f2 : f1;
		code(m, 0xf0c112);	/* addi a1, a1, -16 */
		code(m, S32I(0, 1, 0));
		code(m, L32I(4, 2, 0));
		code(m, L32I(0, 1, 0));
		code(m, 0x10c112);
		code(m, RET_N);
	}
	assert_int_equal(cpu_run(c, LONG), CPU_STOP_POLL);
}

static void work_is_not_idle(void **state)
{
	/* loops of up to three instructions that all make progress */
	static const struct { const char *what; uint32_t word[3]; } loop[] = {
		{ "counts in a register", { ADDI_N(4, 4, 1) } },
		{ "counts in memory", { L32I(4, 3, 0), ADDI_N(4, 4, 1), S32I(4, 3, 0) } },
		{ "reads time", { RSR(4, SR_CCOUNT), MOVI_N(4, 0) } },
		{ "counts in a special register",
		  { RSR(4, SR_EXCSAVE1), ADDI_N(4, 4, 1), WSR(4, SR_EXCSAVE1) } },
		{ "takes exceptions", { SYSCALL } },
	};
	struct machine *m = *state;

	put_le32(m->rom + 0x50, RSR(5, SR_EPC1));	/* steps over what faulted */
	put_le32(m->rom + 0x53, 0x03c552);		/* addi a5, a5, 3 */
	put_le32(m->rom + 0x56, WSR(5, SR_EPC1));
	put_le32(m->rom + 0x59, MOVI_N(5, 0));
	put_le32(m->rom + 0x5b, RFE);
	for (size_t i = 0; i < sizeof loop / sizeof *loop; i++) {
		m->at = CODE;
		for (int k = 0; k < 3; k++)
			if (loop[i].word[k])
				code(m, loop[i].word[k]);
		jump(m, CODE);
		cpu_flush(&m->cpu);
		m->cpu.pc = CODE;
		m->cpu.a[3] = DATA;
		if (cpu_run(&m->cpu, m->cpu.cycles + LONG) != CPU_STOP_BUDGET)
			fail_msg("a loop that %s was taken for idle", loop[i].what);
	}
}

static void effect_now(struct machine *m) { cpu_effect(&m->cpu); }

static void a_loop_with_effect_on_a_device_is_not_idle(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = DEVICE;
	code(m, S32I(3, 2, 0));
	jump(m, CODE);
	m->on_access = effect_now;
	assert_int_equal(cpu_run(c, LONG), CPU_STOP_BUDGET);
	m->on_access = NULL;		/* the same command, and it has no effect */
	assert_int_equal(cpu_run(c, 2 * LONG), CPU_STOP_POLL);
}

static void a_loop_that_undoes_its_own_stores_is_idle_and_one_that_does_not_is_not(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = DATA;
	c->a[3] = 3;
	code(m, S32I(3, 2, 0));
	code(m, S32I(2, 2, 0));
	code(m, L32I(4, 2, 1));		/* toggles a bit of the next word */
	code(m, 0x304430);		/* xor a4, a4, a3 */
	code(m, S32I(4, 2, 1));
	code(m, MOVI_N(4, 0));
	jump(m, CODE);
	/* two rounds make no change: idle, as nothing else will ever happen */
	assert_int_equal(cpu_run(c, LONG), CPU_STOP_POLL);
	m->at = CODE + 9;
	code(m, 0x804430);		/* add instead of xor */
	c->pc = CODE;
	cpu_flush(c);
	assert_int_equal(cpu_run(c, c->cycles + LONG), CPU_STOP_BUDGET);
}

static void an_interrupt_ends_a_polling_loop(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	put_le32(m->rom + 0x50, S32I(5, 2, 0));	/* sets the flag that is polled */
	put_le32(m->rom + 0x53, WSR(5, SR_CCOMPARE));
	put_le32(m->rom + 0x56, RFE);
	c->a[2] = DATA;
	c->a[5] = 1;
	c->intenable = 1 << CPU_IRQ_TIMER;
	c->ccompare = 5 * LONG;
	code(m, L32I(4, 2, 0));
	code(m, 0x000416 | ((CODE - (CODE + 3) - 4) & 0xfff) << 12);
	code(m, WAITI(15));
	assert_int_equal(cpu_run(c, cpu_next_timer(c)), CPU_STOP_POLL);
	cpu_skip(c, cpu_next_timer(c) - c->cycles);
	assert_int_equal(cpu_run(c, 10 * LONG), CPU_STOP_WAIT);
	assert_int_equal(get_le32(m->dram + 0x100), 1);
}

static void a_zeroed_cpu_can_be_closed(void **state)
{
	struct cpu c;

	(void)state;
	memset(&c, 0, sizeof c);
	cpu_close(&c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_machine, close_machine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(arithmetic_gives_the_known_answers),
		T(the_shift_amount_is_set_in_every_way),
		T(branches_go_where_they_should),
		T(jumps_and_calls_set_pc_and_the_return_address),
		T(loads_and_stores_move_the_right_bytes),
		T(l32r_finds_literals_before_the_code_or_before_litbase),
		T(special_registers_are_read_written_and_exchanged),
		T(ccount_counts_instructions_and_can_be_set),
		T(what_is_no_instruction_raises_illegal),
		T(exceptions_enter_the_vector_of_their_mode_and_return),
		T(break_is_a_level_2_exception_unless_masked),
		T(fetching_where_no_code_is_raises_20),
		T(code_runs_from_one_region_into_the_next_but_not_into_nothing),
		T(accesses_that_memory_refuses_raise_their_cause),
		T(a_device_sees_words_at_the_exact_cycle),
		T(the_budget_is_kept_to_the_cycle),
		T(a_level_interrupt_is_taken_when_enabled_and_pends_while_high),
		T(an_edge_interrupt_pends_until_it_is_cleared),
		T(the_software_interrupt_is_set_and_cleared_by_the_program),
		T(lowering_the_level_lets_a_pending_interrupt_in),
		T(the_nmi_cannot_be_masked_and_comes_once_per_edge),
		T(the_timer_matches_at_its_cycle_and_is_cleared_by_writing_it),
		T(a_timer_interrupt_is_taken_in_the_middle_of_a_run),
		T(skipping_time_passes_the_timer),
		T(waiti_sleeps_until_an_interrupt),
		T(reset_forgets_all_but_time_and_lines),
		T(a_program_can_change_its_own_next_instruction),
		T(code_changed_behind_the_cpu_is_seen_after_a_flush),
		T(a_callback_may_stop_flush_reset_skip_and_interrupt),
		T(simcall_runs_native_code),
		T(polling_a_register_is_found_to_be_idle_and_goes_on_afterwards),
		T(polling_by_a_function_with_a_stack_frame_is_idle),
		T(work_is_not_idle),
		T(a_loop_with_effect_on_a_device_is_not_idle),
		T(a_loop_that_undoes_its_own_stores_is_idle_and_one_that_does_not_is_not),
		T(an_interrupt_ends_a_polling_loop),
		cmocka_unit_test(a_zeroed_cpu_can_be_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
