/* cpu_ops.h - the interpreter's operations, one per line.
 *
 * Layer: sim, inside cpu*.c only. Narrow (16 bit) forms that differ from the
 * wide ones in nothing but length end in _N. Operands are fields of struct
 * cpu_insn; rel = branch distance from the instruction itself.
 */
#ifndef SIM_CPU_OPS_H
#define SIM_CPU_OPS_H

/* X(name) meaning, operands */
#define CPU_OPS(X) \
	X(UNDECODED)	/* entry not filled yet; must be 0 */ \
	X(ILL)		/* whatever is no instruction of this core */ \
	X(NOP)		/* nop, memw, extw, excw, isync, rsync, esync, dsync */ \
	X(NOP_N) \
	X(AND)		/* r = s & t */ \
	X(OR)		/* r = s | t */ \
	X(XOR)		/* r = s ^ t */ \
	X(ADD)		/* r = s + t */ \
	X(ADD_N) \
	X(ADDX2)	/* r = (s << 1) + t */ \
	X(ADDX4)	/* r = (s << 2) + t */ \
	X(ADDX8)	/* r = (s << 3) + t */ \
	X(SUB)		/* r = s - t */ \
	X(SUBX2)	/* r = (s << 1) - t */ \
	X(SUBX4)	/* r = (s << 2) - t */ \
	X(SUBX8)	/* r = (s << 3) - t */ \
	X(NEG)		/* r = -t */ \
	X(ABS)		/* r = |t| */ \
	X(MOV_N)	/* t = s */ \
	X(MOVI)		/* t = imm */ \
	X(MOVI_N)	/* t = imm (the field is s) */ \
	X(ADDI)		/* t = s + imm; also addmi */ \
	X(ADDI_N)	/* r = s + imm */ \
	X(SSR)		/* SAR = s & 31 */ \
	X(SSL)		/* SAR = 32 - (s & 31) */ \
	X(SSA8L)	/* SAR = (s & 3) * 8 */ \
	X(SSA8B)	/* SAR = 32 - (s & 3) * 8 */ \
	X(SSAI)		/* SAR = imm */ \
	X(NSA)		/* t = sign bits of s less one */ \
	X(NSAU)		/* t = leading zeros of s */ \
	X(SLLI)		/* r = s << imm */ \
	X(SRAI)		/* r = (signed)t >> imm */ \
	X(SRLI)		/* r = t >> imm */ \
	X(SRC)		/* r = low word of s:t >> SAR */ \
	X(SRL)		/* r = t >> SAR */ \
	X(SLL)		/* r = s << (32 - SAR) */ \
	X(SRA)		/* r = (signed)t >> SAR */ \
	X(EXTUI)	/* r = (t >> s) & imm; s is a number here */ \
	X(MUL16U)	/* r = low halves of s and t, unsigned product */ \
	X(MUL16S)	/* signed product */ \
	X(MULL)		/* r = s * t */ \
	X(MOVEQZ)	/* if t == 0: r = s */ \
	X(MOVNEZ)	/* if t != 0 */ \
	X(MOVLTZ)	/* if t < 0 */ \
	X(MOVGEZ)	/* if t >= 0 */ \
	X(L8UI)		/* t = byte at s + imm */ \
	X(L16UI)	/* t = half word at s + imm */ \
	X(L16SI)	/* sign extended */ \
	X(L32I)		/* t = word at s + imm */ \
	X(L32I_N) \
	X(L32R)		/* t = word at address imm, unless LITBASE is enabled */ \
	X(S8I)		/* byte at s + imm = t */ \
	X(S16I) \
	X(S32I) \
	X(S32I_N) \
	X(J)		/* to rel */ \
	X(JX)		/* to s */ \
	X(RET)		/* to a0 */ \
	X(RET_N) \
	X(CALL0)	/* a0 = next, to rel */ \
	X(CALLX0)	/* a0 = next, to s */ \
	X(BEQZ)		/* s == 0: to rel */ \
	X(BNEZ)		/* s != 0 */ \
	X(BLTZ)		/* s < 0 */ \
	X(BGEZ)		/* s >= 0 */ \
	X(BEQZ_N) \
	X(BNEZ_N) \
	X(BEQI)		/* s == B4CONST[r] */ \
	X(BNEI)		/* s != B4CONST[r] */ \
	X(BLTI)		/* signed s < B4CONST[r] */ \
	X(BGEI)		/* signed s >= B4CONST[r] */ \
	X(BLTUI)	/* s < B4CONSTU[r] */ \
	X(BGEUI)	/* s >= B4CONSTU[r] */ \
	X(BNONE)	/* (s & t) == 0 */ \
	X(BEQ)		/* s == t */ \
	X(BLT)		/* signed s < t */ \
	X(BLTU)		/* s < t */ \
	X(BALL)		/* (~s & t) == 0 */ \
	X(BBC)		/* bit t & 31 of s clear */ \
	X(BBCI)		/* bit t (a number) of s clear */ \
	X(BANY)		/* (s & t) != 0 */ \
	X(BNE)		/* s != t */ \
	X(BGE)		/* signed s >= t */ \
	X(BGEU)		/* s >= t */ \
	X(BNALL)	/* (~s & t) != 0 */ \
	X(BBS)		/* bit t & 31 of s set */ \
	X(BBSI)		/* bit t (a number) of s set */ \
	X(RSR)		/* t = special register imm */ \
	X(WSR)		/* special register imm = t */ \
	X(XSR)		/* exchange */ \
	X(RSIL)		/* t = PS, INTLEVEL = imm */ \
	X(WAITI)	/* INTLEVEL = imm, sleep */ \
	X(RFE)		/* return from exception */ \
	X(RFDE)		/* return from double exception */ \
	X(RFI)		/* return from level imm */ \
	X(SYSCALL) \
	X(SIMCALL) \
	X(BREAK) \
	X(BREAK_N) \
	X(WITLB)	/* attribute of the region of s = t */ \
	X(WDTLB) \
	X(RITLB0)	/* t = region of s; also the data side */ \
	X(RITLB1)	/* t = region of s with its attribute */ \
	X(RDTLB1) \
	X(PTLB)		/* t = entry that maps s, both sides */

enum cpu_op {
#define CPU_OP_ENUM(name) CPU_OP_##name,
	CPU_OPS(CPU_OP_ENUM)
#undef CPU_OP_ENUM
	CPU_OP_COUNT
};

#endif
