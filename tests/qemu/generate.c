/* generate.c - see generate.h.
 *
 * Registers: a13 = data + 1..3 (unaligned accesses), a14 = data, a15 = loop
 * counter; all others are anybody's. An instruction is a template with the
 * fields that may be random.
 */
#include "generate.h"

#include "sim/cpu_core.h"
#include "sim/cpu_ops.h"
#include "bytes.h"

#include <string.h>

enum { LITERALS = 64, CODE_AT = LITERALS * 4, BODY = 180, FREE_REGS = 13 };

struct gen {
	uint64_t random;
	uint8_t *out;
	uint32_t at;		/* in the program */
	uint32_t base;		/* address of the program */
	uint32_t literals;	/* used */
};

static uint32_t next(struct gen *g)
{
	g->random ^= g->random >> 12;
	g->random ^= g->random << 25;
	g->random ^= g->random >> 27;
	return (uint32_t)(g->random * 2685821657736338717ull >> 32);
}

static uint32_t below(struct gen *g, uint32_t n)
{
	return next(g) % n;
}

static uint32_t any_reg(struct gen *g)
{
	return below(g, 16);
}

static uint32_t free_reg(struct gen *g)
{
	return below(g, FREE_REGS);
}

/* Numbers that find mistakes: small, powers of two and neighbours, extremes. */
static uint32_t number(struct gen *g)
{
	switch (below(g, 6)) {
	case 0: return below(g, 64) - 32;
	case 1: return 1u << below(g, 32);
	case 2: return (1u << below(g, 32)) - 1;
	case 3: return ~(1u << below(g, 32));
	case 4: return 0x7fff8000u + below(g, 0x10000);
	default: return next(g);
	}
}

static void emit(struct gen *g, uint32_t w)
{
	unsigned length = w & 8 ? 2 : 3;

	for (unsigned i = 0; i < length; i++)
		g->out[g->at++] = (uint8_t)(w >> 8 * i);
}

enum { T_AT = 4, S_AT = 8, R_AT = 12, IMM8_AT = 16 };

/* Which fields of a template are random: D = a register written to. */
enum {
	RD = 1, RS = 2, RT = 4,		/* r written, s, t read */
	TD = 8, SD = 16,		/* t, s written */
	NS = 32, NT = 64, NR = 128,	/* any number there */
	N8 = 256,			/* any imm8 */
	OP2LOW = 512, OP1LOW = 1024,	/* lowest bit of op2, op1 */
	NOP2 = 2048,
	NT_NOT0 = 4096,
};

struct template {
	uint32_t word;
	unsigned fields;
};

#define RRR (RD | RS | RT)
static const struct template alu[] = {
	{ 0x100000, RRR }, { 0x200000, RRR }, { 0x300000, RRR },	/* and or xor */
	{ 0x600000, RD | RT }, { 0x600100, RD | RT },			/* neg abs */
	{ 0x800000, RRR }, { 0x900000, RRR }, { 0xa00000, RRR }, { 0xb00000, RRR },
	{ 0xc00000, RRR }, { 0xd00000, RRR }, { 0xe00000, RRR }, { 0xf00000, RRR },
	{ 0x400000, RS }, { 0x401000, RS }, { 0x402000, RS }, { 0x403000, RS },
	{ 0x404000, NS }, { 0x404010, NS },				/* ssai */
	{ 0x40e000, TD | RS }, { 0x40f000, TD | RS },			/* nsa nsau */
	{ 0x010000, RD | RS | NT_NOT0 | OP2LOW },			/* slli */
	{ 0x210000, RD | RT | NS | OP2LOW },				/* srai */
	{ 0x410000, RD | RT | NS },					/* srli */
	{ 0x810000, RRR }, { 0x910000, RD | RT }, { 0xa10000, RD | RS }, { 0xb10000, RD | RT },
	{ 0xc10000, RRR }, { 0xd10000, RRR }, { 0x820000, RRR },	/* multiply */
	{ 0x830000, RRR }, { 0x930000, RRR }, { 0xa30000, RRR }, { 0xb30000, RRR },
	{ 0x040000, RD | RT | NS | NOP2 | OP1LOW },			/* extui */
	{ 0x00a002, TD | NS | N8 }, { 0x00c002, TD | RS | N8 }, { 0x00d002, TD | RS | N8 },
	{ 0x00000a, RRR }, { 0x00000b, RD | RS | NT },			/* add.n addi.n */
	{ 0x00000d, TD | RS },						/* mov.n */
	{ 0x00f03d, 0 }, { 0x0020f0, 0 }, { 0x0020c0, 0 }, { 0x002000, 0 }, { 0x002010, 0 },
	{ 0x002020, 0 }, { 0x002030, 0 },
	{ 0x006000, TD | NS },						/* rsil */
	{ 0x503000, TD | RS }, { 0x50b000, TD | RS },			/* ritlb0 rdtlb0 */
	{ 0x505000, TD | RS }, { 0x50d000, TD | RS },			/* pitlb pdtlb */
	{ 0x507000, TD | RS }, { 0x50f000, TD | RS },			/* ritlb1 rdtlb1 */
};

static uint32_t fill(struct gen *g, const struct template *t)
{
	uint32_t w = t->word;

	if (t->fields & RD) w |= free_reg(g) << R_AT;
	if (t->fields & RS) w |= any_reg(g) << S_AT;
	if (t->fields & RT) w |= any_reg(g) << T_AT;
	if (t->fields & TD) w |= free_reg(g) << T_AT;
	if (t->fields & SD) w |= free_reg(g) << S_AT;
	if (t->fields & NS) w |= below(g, 16) << S_AT;
	if (t->fields & NT) w |= below(g, 16) << T_AT;
	if (t->fields & NT_NOT0) w |= (1 + below(g, 15)) << T_AT;
	if (t->fields & NR) w |= below(g, 16) << R_AT;
	if (t->fields & N8) w |= below(g, 256) << IMM8_AT;
	if (t->fields & NOP2) w |= below(g, 16) << 20;
	if (t->fields & OP2LOW) w |= below(g, 2) << 20;
	if (t->fields & OP1LOW) w |= below(g, 2) << 16;
	return w;
}

static void gen_alu(struct gen *g)
{
	emit(g, fill(g, &alu[below(g, sizeof alu / sizeof *alu)]));
}

static void movi_n(struct gen *g, uint32_t reg, uint32_t imm7)
{
	emit(g, 0xc | (imm7 >> 4 & 7) << T_AT | reg << S_AT | (imm7 & 15) << R_AT);
}

static void gen_movi_n(struct gen *g)
{
	movi_n(g, free_reg(g), below(g, 128));
}

/* The bits of an l32r at the current place, for a literal that is there. */
static void l32r_slot(struct gen *g, uint32_t reg, uint32_t slot)
{
	uint32_t pc = g->base + g->at;
	uint32_t words = (g->base + slot * 4 - ((pc + 3) & ~3u)) >> 2;

	emit(g, 1 | reg << T_AT | (words & 0xffff) << 8);
}

/* A new literal; when they are used up, one of the old. */
static void l32r(struct gen *g, uint32_t reg, uint32_t value)
{
	uint32_t slot = g->literals < LITERALS ? g->literals++ : below(g, LITERALS);

	if (g->literals <= LITERALS && slot == g->literals - 1)
		put_le32(g->out + slot * 4, value);
	l32r_slot(g, reg, slot);
}

static void gen_l32r(struct gen *g)
{
	/* Leaves literals for addresses, which must not be replaced. */
	if (g->literals < LITERALS / 2)
		l32r(g, free_reg(g), number(g));
	else
		l32r_slot(g, free_reg(g), below(g, LITERALS));
}

/* Aligned and, through a13, unaligned accesses to the data words. */
static void gen_memory(struct gen *g)
{
	static const struct { uint32_t word, width; } op[] = {
		{ 0x000002, 1 }, { 0x001002, 2 }, { 0x002002, 4 }, { 0x009002, 2 },
		{ 0x004002, 1 }, { 0x005002, 2 }, { 0x006002, 4 },
	};
	uint32_t i = below(g, 9), base = below(g, 8) ? 14 : 13;

	if (i >= 7) {	/* l32i.n, s32i.n */
		emit(g, (i == 7 ? 8 : 9) | free_reg(g) << T_AT | base << S_AT |
		     below(g, 16) << R_AT);
		return;
	}
	emit(g, op[i].word | free_reg(g) << T_AT | base << S_AT |
	     below(g, DATA_WORDS * 4 / op[i].width) << IMM8_AT);
}

/* Addresses where nothing is: the first and the last kilobytes, anything. */
static void gen_wild(struct gen *g)
{
	uint32_t reg = free_reg(g);

	if (below(g, 2)) {
		emit(g, 0x00a002 | reg << T_AT | below(g, 16) << S_AT | below(g, 256) << IMM8_AT);
		emit(g, 0x006002 | free_reg(g) << T_AT | reg << S_AT);
	} else {
		emit(g, 0x000002 | below(g, 3) << R_AT | free_reg(g) << T_AT | reg << S_AT |
		     below(g, 256) << IMM8_AT);
	}
}

/* rer and wer are left out: nothing is known of them for this core, and QEMU
 * has them without operands. ret is tested elsewhere. */
static bool is_harmless(uint32_t w, struct cpu_insn i)
{
	if ((w & 0xffe00f) == 0x406000)
		return false;
	if (i.op == CPU_OP_ILL)
		return true;
	if (i.r >= FREE_REGS || i.s >= FREE_REGS || i.t >= FREE_REGS)
		return false;
	return i.op == CPU_OP_NOP ||
	       (i.op >= CPU_OP_AND && i.op <= CPU_OP_L16SI);
}

/* Any three bytes that this decoder takes for illegal or for harmless. */
static void gen_noise(struct gen *g)
{
	for (;;) {
		uint32_t w = next(g) & 0xffffff;
		struct cpu_insn i;

		if (below(g, 2))
			w &= 0xfffff0;	/* most opcodes are there */
		i = cpu_decode(w, IMAGE_BASE);
		if (is_harmless(w, i)) {
			emit(g, w);
			return;
		}
	}
}

static void gen_exception(struct gen *g)
{
	static const uint32_t op[] = { 0x005000, 0x000000, 0x00f06d, 0x004000, 0x00f02d };
	uint32_t w = op[below(g, 5)];

	if ((w & 0xfff00f) == 0x004000)
		w |= below(g, 256) << 4;
	else if (w == 0x00f02d)
		w |= below(g, 16) << S_AT;
	emit(g, w);
}

static void gen_special(struct gen *g)
{
	static const uint8_t readable[] = {
		3, 5, 104, 128, 144, 160, 176, 177, 178, 179, 192, 194, 195, 208, 209, 210,
		211, 228, 230, 231, 232, 235, 236, 237, 238,
	};
	static const uint8_t writable[] = {
		3, 104, 128, 177, 178, 179, 192, 194, 195, 209, 210, 211, 232, 238,
	};
	static const uint32_t form[] = { 0x130000, 0x610000 };
	uint32_t reg = free_reg(g);

	switch (below(g, 4)) {
	case 0:
		emit(g, 0x030000 | reg << T_AT | (uint32_t)readable[below(g, sizeof readable)] << 8);
		return;
	case 1:		/* PS: level and mode bits */
		emit(g, 0x00a002 | reg << T_AT | below(g, 64) << IMM8_AT);
		emit(g, form[below(g, 2)] | reg << T_AT | 230 << 8);
		return;
	case 2:		/* the software interrupt */
		emit(g, 0x00a002 | reg << T_AT | 0x80 << IMM8_AT);
		emit(g, 0x130000 | reg << T_AT | (below(g, 2) ? 226u : 228u) << 8);
		return;
	default: {
		uint32_t number_of = writable[below(g, sizeof writable)];

		emit(g, form[below(g, 2)] | reg << T_AT | number_of << 8);
		return;
	}
	}
}

/* A few instructions that a branch may or may not jump over. */
static void filler(struct gen *g)
{
	for (uint32_t n = below(g, 4); n > 0; n--)
		gen_alu(g);
}

static void gen_branch(struct gen *g)
{
	uint32_t at = g->at, w, distance;

	switch (below(g, 5)) {
	case 0: w = 0x000016 | below(g, 4) << 6 | any_reg(g) << S_AT; break;
	case 1: w = 0x000026 | below(g, 4) << 6 | any_reg(g) << S_AT | below(g, 16) << R_AT; break;
	case 2: w = 0x0000b6 | below(g, 2) << 6 | any_reg(g) << S_AT | below(g, 16) << R_AT; break;
	case 3: w = 0x00008c | below(g, 2) << 6 | any_reg(g) << S_AT; break;
	default: w = 0x000007 | any_reg(g) << T_AT | any_reg(g) << S_AT | below(g, 16) << R_AT; break;
	}
	emit(g, w);
	do
		filler(g);
	while (g->at < at + 4);		/* no shorter distance is encodable */
	distance = g->at - at - 4;
	if ((w & 15) == 12)
		w |= (distance & 15) << R_AT | (distance >> 4 & 3) << T_AT;
	else
		w |= distance << ((w & 0x3f) == 0x16 ? 12 : 16);
	for (unsigned i = 0; i < (w & 8 ? 2 : 3); i++)
		g->out[at + i] = (uint8_t)(w >> 8 * i);
}

static void align(struct gen *g)
{
	while (g->at & 3)
		g->out[g->at++] = 0;	/* jumped over */
}

/* j and call0 over some bytes that are no program. */
static void gen_jump(struct gen *g)
{
	uint32_t at = g->at, target;
	bool call = below(g, 2);

	g->at += 3 + below(g, 40);
	align(g);
	target = g->at;
	g->at = at;
	if (call)
		emit(g, 5 | (((target - (at & ~3u) - 4) >> 2) & 0x3ffff) << 6);
	else
		emit(g, 6 | ((target - at - 4) & 0x3ffff) << 6);
	g->at = target;
}

static void gen_jump_register(struct gen *g)
{
	static const uint32_t op[] = { 0x0000a0, 0x0000c0, 0x000080, 0x00f00d };
	uint32_t form = below(g, 4), reg = form >= 2 ? 0 : free_reg(g);
	uint32_t at = g->at, target;

	if (g->literals == LITERALS)
		return;
	target = at + 6 + below(g, 8);
	l32r(g, reg, g->base + target);
	emit(g, op[form] | reg << S_AT);
	g->at = target;
}

static void gen_loop(struct gen *g)
{
	uint32_t back;

	movi_n(g, 15, 1 + below(g, 4));
	back = g->at;
	filler(g);
	emit(g, 0xb | 15 << S_AT | 15 << R_AT);	/* addi.n a15, a15, -1 */
	emit(g, 0x000056 | 15 << S_AT | ((back - g->at - 4) & 0xfff) << 12);	/* bnez */
}

/* Writes another instruction over one that was just executed, and repeats it:
 * two words of code, an addi each that the store changes. */
static void gen_self_modify(struct gen *g)
{
	uint32_t reg = free_reg(g), value_reg = (reg + 1) % FREE_REGS;
	uint32_t addr_reg = (reg + 2) % FREE_REGS, patch, target;

	if (g->literals + 2 > LITERALS)
		return;
	movi_n(g, 15, 2);
	while ((g->at & 3) != 2)
		emit(g, g->at & 1 ? 0x0020f0 : 0x00f03d);
	target = g->at + 6;		/* after two l32r: 0 modulo 4 */
	patch = 0x00c002 | reg << T_AT | reg << S_AT | below(g, 256) << IMM8_AT;
	l32r(g, addr_reg, g->base + target);
	l32r(g, value_reg, patch | 0x0du << 24);	/* + first byte of mov.n a0, a0 */
	emit(g, 0x00c002 | reg << T_AT | reg << S_AT | below(g, 256) << IMM8_AT);
	emit(g, 0x00000d);
	emit(g, 0x006002 | value_reg << T_AT | addr_reg << S_AT);	/* s32i */
	emit(g, 0xb | 15 << S_AT | 15 << R_AT);
	emit(g, 0x000056 | 15 << S_AT | ((target - g->at - 4) & 0xfff) << 12);
}

static void gen_any(struct gen *g)
{
	uint32_t kind = below(g, 100);

	if (kind < 46) gen_alu(g);
	else if (kind < 52) gen_movi_n(g);
	else if (kind < 58) gen_l32r(g);
	else if (kind < 76) gen_memory(g);
	else if (kind < 84) gen_branch(g);
	else if (kind < 87) gen_special(g);
	else if (kind < 89) gen_jump(g);
	else if (kind < 91) gen_jump_register(g);
	else if (kind < 93) gen_loop(g);
	else if (kind < 96) gen_noise(g);
	else if (kind < 97) gen_wild(g);
	else if (kind < 99) gen_exception(g);
	else gen_self_modify(g);
}

static void prologue(struct gen *g)
{
	for (uint32_t reg = 0; reg < FREE_REGS; reg++)
		l32r(g, reg, number(g));
	l32r(g, 14, DATA_BASE);
	l32r(g, 13, DATA_BASE + 1 + below(g, 3));
}

/* Brings memory into the registers, where it is compared. */
static void epilogue(struct gen *g, bool last)
{
	for (uint32_t i = 0; i < DATA_WORDS; i++)
		emit(g, 0x002002 | i % FREE_REGS << T_AT | 14 << S_AT | i << IMM8_AT);
	if (last) {
		movi_n(g, 2, 1);	/* exit(0), as the emulator's host understands it */
		movi_n(g, 3, 0);
		emit(g, 0x005100);
	}
	emit(g, 6 | ((PROGRAM_BYTES + CODE_AT - g->at - 4) & 0x3ffff) << 6);
}

void generate(uint8_t *out, size_t index, size_t count, uint32_t seed)
{
	struct gen g = {
		.random = ((uint64_t)seed << 32 | (uint32_t)index) * 0x9e3779b97f4a7c15ull | 1,
		.out = out, .at = CODE_AT,
		.base = IMAGE_BASE + PROGRAMS_AT + (uint32_t)index * PROGRAM_BYTES,
	};

	memset(out, 0, PROGRAM_BYTES);
	for (int i = 0; i < 8; i++)
		next(&g);
	prologue(&g);
	for (uint32_t i = 0; i < BODY; i++)
		gen_any(&g);
	epilogue(&g, index + 1 == count);
}
