/* test_cpu.c - the simulated LX106: instructions, exceptions, memory. What each
 * instruction computes is compared with QEMU by tests/qemu; here are known
 * answers for every class, and what QEMU's machine does not have.
 */
#include "cpu_machine.h"

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
	m->rom[0x103] = 0x80;		/* ret; its field s is of no meaning */
	m->rom[0x104] = 0x05;
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

static void a_zeroed_cpu_can_be_closed(void **state)
{
	struct cpu c;

	(void)state;
	memset(&c, 0, sizeof c);
	cpu_close(&c);
}

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
		cmocka_unit_test(a_zeroed_cpu_can_be_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
