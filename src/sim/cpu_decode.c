/* cpu_decode.c - bits to operations.
 *
 * One function per table of the instruction set: each takes the 24 bits and
 * answers the operation. What the tables leave out is CPU_OP_ILL.
 */
#include "cpu_core.h"
#include "cpu_ops.h"

/* Fields of a 24-bit instruction; t, s, r of a 16-bit one are the same bits. */
static uint32_t bits(uint32_t w, unsigned at, unsigned count)
{
	return w >> at & ((1u << count) - 1);
}

static int32_t sext(uint32_t v, unsigned width)
{
	return (int32_t)(v << (32 - width)) >> (32 - width);
}

#define F_T bits(w, 4, 4)
#define F_S bits(w, 8, 4)
#define F_R bits(w, 12, 4)
#define F_OP1 bits(w, 16, 4)
#define F_OP2 bits(w, 20, 4)
#define F_IMM8 bits(w, 16, 8)

static struct cpu_insn plain(uint32_t w, enum cpu_op op, int32_t imm)
{
	return (struct cpu_insn){
		.op = (uint8_t)op, .r = (uint8_t)F_R, .s = (uint8_t)F_S, .t = (uint8_t)F_T,
		.imm = imm,
	};
}

/* r = 0, op1 = op2 = 0: jumps through registers. */
static enum cpu_op decode_snm0(uint32_t w)
{
	switch (F_T) {
	case 0x8: return CPU_OP_RET;	/* whatever s is */
	case 0xa: return CPU_OP_JX;
	case 0xc: return CPU_OP_CALLX0;
	default: return CPU_OP_ILL;
	}
}

/* Barriers: an interpreter that executes in order has nothing to wait for. */
static enum cpu_op decode_sync(uint32_t w)
{
	static const uint16_t known = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 |
				      1 << 8 | 1 << 12 | 1 << 13 | 1 << 15;

	return F_S == 0 && known >> F_T & 1 ? CPU_OP_NOP : CPU_OP_ILL;
}

static struct cpu_insn decode_rfei(uint32_t w)
{
	if (F_T == 0 && F_S == 0)
		return plain(w, CPU_OP_RFE, 0);
	if (F_T == 0 && F_S == 2)
		return plain(w, CPU_OP_RFDE, 0);
	if (F_T == 1 && F_S >= 1 && F_S <= 3)
		return plain(w, CPU_OP_RFI, (int32_t)F_S);
	return plain(w, CPU_OP_ILL, 0);
}

static enum cpu_op decode_syscall(uint32_t w)
{
	if (F_T != 0 || F_S > 1)
		return CPU_OP_ILL;
	return F_S == 0 ? CPU_OP_SYSCALL : CPU_OP_SIMCALL;
}

static struct cpu_insn decode_st0(uint32_t w)
{
	switch (F_R) {
	case 0: return plain(w, decode_snm0(w), 0);
	case 2: return plain(w, decode_sync(w), 0);
	case 3: return decode_rfei(w);
	case 4: return plain(w, CPU_OP_BREAK, 0);
	case 5: return plain(w, decode_syscall(w), 0);
	case 6: return plain(w, CPU_OP_RSIL, (int32_t)F_S);
	case 7: return plain(w, F_T == 0 ? CPU_OP_WAITI : CPU_OP_ILL, (int32_t)F_S);
	default: return plain(w, CPU_OP_ILL, 0);
	}
}

static struct cpu_insn decode_st1(uint32_t w)
{
	static const uint8_t set_sar[4] = {
		CPU_OP_SSR, CPU_OP_SSL, CPU_OP_SSA8L, CPU_OP_SSA8B,
	};

	switch (F_R) {
	case 0: case 1: case 2: case 3:
		return plain(w, F_T == 0 ? set_sar[F_R] : CPU_OP_ILL, 0);
	case 4:
		return plain(w, F_T < 2 ? CPU_OP_SSAI : CPU_OP_ILL,
			     (int32_t)(F_S | F_T << 4));
	case 0xe: return plain(w, CPU_OP_NSA, 0);
	case 0xf: return plain(w, CPU_OP_NSAU, 0);
	default: return plain(w, CPU_OP_ILL, 0);
	}
}

static enum cpu_op decode_tlb(uint32_t w)
{
	switch (F_R) {
	case 0x3: case 0xb: return CPU_OP_RITLB0;
	case 0x4: case 0xc: return F_T == 0 ? CPU_OP_NOP : CPU_OP_ILL;	/* iitlb, idtlb */
	case 0x5: case 0xd: return CPU_OP_PTLB;
	case 0x6: return CPU_OP_WITLB;
	case 0x7: return CPU_OP_RITLB1;
	case 0xe: return CPU_OP_WDTLB;
	case 0xf: return CPU_OP_RDTLB1;
	default: return CPU_OP_ILL;
	}
}

static struct cpu_insn decode_rst0(uint32_t w)
{
	static const uint8_t op[16] = {
		[1] = CPU_OP_AND, [2] = CPU_OP_OR, [3] = CPU_OP_XOR,
		[8] = CPU_OP_ADD, CPU_OP_ADDX2, CPU_OP_ADDX4, CPU_OP_ADDX8,
		CPU_OP_SUB, CPU_OP_SUBX2, CPU_OP_SUBX4, CPU_OP_SUBX8,
	};

	switch (F_OP2) {
	case 0: return decode_st0(w);
	case 4: return decode_st1(w);
	case 5: return plain(w, decode_tlb(w), 0);
	case 6:
		if (F_S > 1)
			return plain(w, CPU_OP_ILL, 0);
		return plain(w, F_S ? CPU_OP_ABS : CPU_OP_NEG, 0);
	case 7: return plain(w, CPU_OP_ILL, 0);
	default: return plain(w, op[F_OP2], 0);
	}
}

/* A special register instruction, illegal where the register is not so usable. */
static struct cpu_insn decode_sr(uint32_t w, enum cpu_op op, unsigned need)
{
	unsigned number = bits(w, 8, 8);

	if ((cpu_sr_may(number) & need) != need)
		op = CPU_OP_ILL;
	return plain(w, op, (int32_t)number);
}

static struct cpu_insn decode_rst1(uint32_t w)
{
	switch (F_OP2) {
	case 0: case 1:		/* the field holds 32 - n; 0 shifts by nothing */
		return plain(w, CPU_OP_SLLI,
			     (int32_t)((32 - (bits(w, 20, 1) << 4 | F_T)) & 31));
	case 2: case 3: return plain(w, CPU_OP_SRAI, (int32_t)(bits(w, 20, 1) << 4 | F_S));
	case 4: return plain(w, CPU_OP_SRLI, (int32_t)F_S);
	case 6: return decode_sr(w, CPU_OP_XSR, CPU_SR_READ | CPU_SR_WRITE);
	case 8: return plain(w, CPU_OP_SRC, 0);
	case 9: return plain(w, F_S == 0 ? CPU_OP_SRL : CPU_OP_ILL, 0);
	case 0xa: return plain(w, F_T == 0 ? CPU_OP_SLL : CPU_OP_ILL, 0);
	case 0xb: return plain(w, F_S == 0 ? CPU_OP_SRA : CPU_OP_ILL, 0);
	case 0xc: return plain(w, CPU_OP_MUL16U, 0);
	case 0xd: return plain(w, CPU_OP_MUL16S, 0);
	default: return plain(w, CPU_OP_ILL, 0);
	}
}

static struct cpu_insn decode_rst3(uint32_t w)
{
	switch (F_OP2) {
	case 0: return decode_sr(w, CPU_OP_RSR, CPU_SR_READ);
	case 1: return decode_sr(w, CPU_OP_WSR, CPU_SR_WRITE);
	case 8: return plain(w, CPU_OP_MOVEQZ, 0);
	case 9: return plain(w, CPU_OP_MOVNEZ, 0);
	case 0xa: return plain(w, CPU_OP_MOVLTZ, 0);
	case 0xb: return plain(w, CPU_OP_MOVGEZ, 0);
	default: return plain(w, CPU_OP_ILL, 0);
	}
}

static struct cpu_insn decode_extui(uint32_t w)
{
	struct cpu_insn i = plain(w, CPU_OP_EXTUI, (int32_t)((2u << F_OP2) - 1));

	i.s = (uint8_t)(F_S | bits(w, 16, 1) << 4);
	return i;
}

/* op0 = 0 */
static struct cpu_insn decode_qrst(uint32_t w)
{
	switch (F_OP1) {
	case 0: return decode_rst0(w);
	case 1: return decode_rst1(w);
	case 2: return plain(w, F_OP2 == 8 ? CPU_OP_MULL : CPU_OP_ILL, 0);
	case 3: return decode_rst3(w);
	case 4: case 5: return decode_extui(w);
	default: return plain(w, CPU_OP_ILL, 0);
	}
}

/* op0 = 2: loads, stores and immediates, all on t, s and imm8. */
static struct cpu_insn decode_lsai(uint32_t w)
{
	int32_t imm8 = (int32_t)F_IMM8;

	switch (F_R) {
	case 0x0: return plain(w, CPU_OP_L8UI, imm8);
	case 0x1: return plain(w, CPU_OP_L16UI, imm8 * 2);
	case 0x2: return plain(w, CPU_OP_L32I, imm8 * 4);
	case 0x4: return plain(w, CPU_OP_S8I, imm8);
	case 0x5: return plain(w, CPU_OP_S16I, imm8 * 2);
	case 0x6: return plain(w, CPU_OP_S32I, imm8 * 4);
	case 0x9: return plain(w, CPU_OP_L16SI, imm8 * 2);
	case 0xa: return plain(w, CPU_OP_MOVI, sext(F_S << 8 | F_IMM8, 12));
	case 0xc: return plain(w, CPU_OP_ADDI, sext(F_IMM8, 8));
	case 0xd: return plain(w, CPU_OP_ADDI, sext(F_IMM8, 8) * 256);
	default: return plain(w, CPU_OP_ILL, 0);
	}
}

/* op0 = 5: the distance counts words from the word of the instruction. */
static struct cpu_insn decode_call(uint32_t w, uint32_t pc)
{
	int32_t distance = 4 + sext(bits(w, 6, 18), 18) * 4 - (int32_t)(pc & 3);

	return plain(w, bits(w, 4, 2) ? CPU_OP_ILL : CPU_OP_CALL0, distance);
}

/* op0 = 6: jump and branches on one register. */
static struct cpu_insn decode_si(uint32_t w)
{
	static const uint8_t zero[4] = { CPU_OP_BEQZ, CPU_OP_BNEZ, CPU_OP_BLTZ, CPU_OP_BGEZ };
	static const uint8_t imm[4] = { CPU_OP_BEQI, CPU_OP_BNEI, CPU_OP_BLTI, CPU_OP_BGEI };
	unsigned m = bits(w, 6, 2);

	switch (bits(w, 4, 2)) {
	case 0: return plain(w, CPU_OP_J, 4 + sext(bits(w, 6, 18), 18));
	case 1: return plain(w, zero[m], 4 + sext(bits(w, 12, 12), 12));
	case 2: return plain(w, imm[m], 4 + sext(F_IMM8, 8));
	default:
		if (m < 2)
			return plain(w, CPU_OP_ILL, 0);
		return plain(w, m == 2 ? CPU_OP_BLTUI : CPU_OP_BGEUI, 4 + sext(F_IMM8, 8));
	}
}

/* op0 = 7: branches on two registers or a bit number. */
static struct cpu_insn decode_b(uint32_t w)
{
	static const uint8_t op[16] = {
		CPU_OP_BNONE, CPU_OP_BEQ, CPU_OP_BLT, CPU_OP_BLTU,
		CPU_OP_BALL, CPU_OP_BBC, CPU_OP_BBCI, CPU_OP_BBCI,
		CPU_OP_BANY, CPU_OP_BNE, CPU_OP_BGE, CPU_OP_BGEU,
		CPU_OP_BNALL, CPU_OP_BBS, CPU_OP_BBSI, CPU_OP_BBSI,
	};
	struct cpu_insn i = plain(w, op[F_R], 4 + sext(F_IMM8, 8));

	if (i.op == CPU_OP_BBCI || i.op == CPU_OP_BBSI)
		i.t |= (uint8_t)(bits(w, 12, 1) << 4);
	return i;
}

/* op0 = 12: movi.n, beqz.n, bnez.n. */
static struct cpu_insn decode_st2n(uint32_t w)
{
	int32_t imm = (int32_t)(bits(w, 4, 3) << 4 | F_R);
	int32_t distance = 4 + (int32_t)(bits(w, 4, 2) << 4 | F_R);

	if (F_T & 8)
		return plain(w, F_T & 4 ? CPU_OP_BNEZ_N : CPU_OP_BEQZ_N, distance);
	return plain(w, CPU_OP_MOVI_N, imm >= 96 ? imm - 128 : imm);
}

/* op0 = 13: moves and the 16-bit system instructions. */
static enum cpu_op decode_st3n(uint32_t w)
{
	if (F_R == 0)
		return CPU_OP_MOV_N;
	if (F_R != 15)
		return CPU_OP_ILL;
	switch (F_T) {
	case 0: return CPU_OP_RET_N;		/* whatever s is */
	case 2: return CPU_OP_BREAK_N;
	case 3: return F_S == 0 ? CPU_OP_NOP_N : CPU_OP_ILL;
	default: return CPU_OP_ILL;
	}
}

/* op0 = 1: literal before the code; the distance is always negative. */
static struct cpu_insn decode_l32r(uint32_t w, uint32_t pc)
{
	uint32_t addr = ((pc + 3) & ~3u) + ((0xffff0000u | bits(w, 8, 16)) << 2);

	return plain(w, CPU_OP_L32R, (int32_t)addr);
}

struct cpu_insn cpu_decode(uint32_t w, uint32_t pc)
{
	switch (bits(w, 0, 4)) {
	case 0x0: return decode_qrst(w);
	case 0x1: return decode_l32r(w, pc);
	case 0x2: return decode_lsai(w);
	case 0x5: return decode_call(w, pc);
	case 0x6: return decode_si(w);
	case 0x7: return decode_b(w);
	case 0x8: return plain(w, CPU_OP_L32I_N, (int32_t)(F_R * 4));
	case 0x9: return plain(w, CPU_OP_S32I_N, (int32_t)(F_R * 4));
	case 0xa: return plain(w, CPU_OP_ADD_N, 0);
	case 0xb: return plain(w, CPU_OP_ADDI_N, F_T ? (int32_t)F_T : -1);
	case 0xc: return decode_st2n(w);
	case 0xd: return plain(w, decode_st3n(w), 0);
	default: return plain(w, CPU_OP_ILL, 0);	/* 3, 4: no floats, no MAC16 */
	}
}
