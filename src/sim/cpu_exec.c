/* cpu_exec.c - the fast loop: one line per operation.
 *
 * `ip` points at the decoded entry of the current instruction and stands for
 * the pc; `left` counts the instructions that may still be executed and stands
 * for the clock. Both are written back to struct cpu where somebody may look:
 * before a callback, an exception, and at the end.
 */
#include "cpu_core.h"
#include "cpu_ops.h"

#include "../bytes.h"

static const int32_t b4const[16] = {
	-1, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256,
};
static const uint32_t b4constu[16] = {
	32768, 65536, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 128, 256,
};

/* Redundant sign bits: how far v can be shifted left and keep its value. */
static uint32_t sign_bits(uint32_t v)
{
	uint32_t differ = v ^ (uint32_t)((int32_t)v >> 31);

	return differ ? (uint32_t)__builtin_clz(differ) - 1 : 31;
}

static uint32_t leading_zeros(uint32_t v)
{
	return v ? (uint32_t)__builtin_clz(v) : 32;
}

/* SAR holds 0 .. 63. Shifts are 64-bit ones of which 32 bits are taken; beyond 32
 * the ISA defines nothing, and the results are those of QEMU. */
static uint32_t funnel(uint32_t high, uint32_t low, uint32_t sar)
{
	return (uint32_t)(((uint64_t)high << 32 | low) >> (sar & 63));
}

static uint32_t shift_left(uint32_t v, uint32_t sar)
{
	return (uint32_t)((uint64_t)v << ((32 - sar) & 63));
}

static uint32_t shift_arithmetic(uint32_t v, uint32_t sar)
{
	return (uint32_t)((int64_t)(int32_t)v >> (sar & 63));
}

/* With LITBASE enabled, literals lie before that address, not before the code. */
static uint32_t literal_addr(const struct cpu *c, uint32_t addr, uint32_t pc)
{
	if (!(c->litbase & 1))
		return addr;
	return (c->litbase & 0xfffff000u) + (addr - ((pc + 3) & ~3u));
}

/* The entry of a 512 MiB region: its number, and what the instruction adds. */
static uint32_t tlb_entry(uint32_t addr, uint32_t low)
{
	return (addr & 0xe0000000u) | low;
}

static const uint8_t *at(uintptr_t host, uint32_t addr)
{
	return (const uint8_t *)(host + addr);
}

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Operands of the current instruction. */
#define R a[ip->r]
#define S a[ip->s]
#define T a[ip->t]
#define IMM ((uint32_t)ip->imm)
#define SI(x) ((int32_t)(x))

#define PC ((uint32_t)(ip - code) + code_base)
#define NOW (end - (uint64_t)left - 1)	/* while an instruction is executed */

#define DISPATCH() do { \
		if (unlikely(--left < 0)) \
			goto spent; \
		goto *label[ip->op]; \
	} while (0)
#define NEXT(length) do { ip += (length); DISPATCH(); } while (0)

/* To another entry of this region; anything else is looked up. While probing
 * code_size is 0, so that every transfer is. */
#define BRANCH() do { \
		ip += ip->imm; \
		if (unlikely((size_t)(ip - code) >= code_size)) \
			goto left_region; \
		DISPATCH(); \
	} while (0)
#define JUMP(target) do { \
		uint32_t to_ = (target); \
		if (unlikely(to_ - code_base >= code_size)) { \
			c->pc = to_; \
			goto transfer; \
		} \
		ip = code + (to_ - code_base); \
		DISPATCH(); \
	} while (0)
#define IF(condition, length) do { \
		if (condition) \
			BRANCH(); \
		NEXT(length); \
	} while (0)

/* Writes the clock and the pc back. */
#define SYNC() do { c->pc = PC; c->cycles = NOW; } while (0)
#define RAISE(cause) do { SYNC(); cpu_exception(c, cause); goto enter; } while (0)

/* tag: what an entry must hold for this width; mask: page and alignment. */
#define ENTRY(table, addr) (&(table)[(addr) >> CPU_PAGE_BITS & (CPU_TLB_SIZE - 1)])
#define LOAD(address, tag, width, get, access, length) do { \
		uint32_t addr_ = (address); \
		const struct cpu_tlb *e_ = ENTRY(loads, addr_); \
		if (likely(e_->tag == (addr_ & (CPU_PAGE_MASK | (width - 1))))) { \
			T = get(at(e_->host, addr_)); \
			NEXT(length); \
		} \
		mem_addr = addr_, mem_kind = (access), step = (length); \
		goto slow_load; \
	} while (0)
#define STORE(address, tag, width, put, access, length) do { \
		uint32_t addr_ = (address); \
		const struct cpu_tlb *e_ = ENTRY(stores, addr_); \
		if (likely(e_->tag == (addr_ & (CPU_PAGE_MASK | (width - 1))))) { \
			put((uint8_t *)(e_->host + addr_), T); \
			NEXT(length); \
		} \
		mem_addr = addr_, mem_kind = (access), step = (length); \
		goto slow_store; \
	} while (0)

#define GET8(p) (*(p))
#define GET16S(p) ((uint32_t)(int16_t)get_le16(p))
#define PUT8(p, v) (*(p) = (uint8_t)(v))
#define PUT16(p, v) put_le16(p, (uint16_t)(v))

/* Labels as values are a GNU extension both compilers have. */
#pragma GCC diagnostic ignored "-Wpedantic"

bool cpu_exec(struct cpu *c, uint64_t budget)
{
#define CPU_LABEL(name) &&op_##name,
	static const void *const label[CPU_OP_COUNT] = { CPU_OPS(CPU_LABEL) };
#undef CPU_LABEL
	struct cpu_core *core = c->priv;
	uint32_t *const a = c->a;
	const struct cpu_tlb *const loads = core->load;
	const struct cpu_tlb *stores = core->poll.active ? core->none : core->store;
	const struct cpu_insn *ip, *code;
	uint32_t code_base, code_size;
	const struct cpu_code *region;
	int64_t left = (int64_t)budget;
	uint64_t end = c->cycles + budget;
	uint32_t mem_addr = 0, value = 0, step = 0;
	enum cpu_access mem_kind = CPU_ACC_32;
	bool idle = false;
	uint32_t pc = 0, reg = 0;
	int cause;

	goto enter;

	op_ILL: RAISE(CPU_CAUSE_ILLEGAL);
	op_NOP: NEXT(3);
	op_NOP_N: NEXT(2);

	op_AND: R = S & T; NEXT(3);
	op_OR: R = S | T; NEXT(3);
	op_XOR: R = S ^ T; NEXT(3);
	op_ADD: R = S + T; NEXT(3);
	op_ADD_N: R = S + T; NEXT(2);
	op_ADDX2: R = (S << 1) + T; NEXT(3);
	op_ADDX4: R = (S << 2) + T; NEXT(3);
	op_ADDX8: R = (S << 3) + T; NEXT(3);
	op_SUB: R = S - T; NEXT(3);
	op_SUBX2: R = (S << 1) - T; NEXT(3);
	op_SUBX4: R = (S << 2) - T; NEXT(3);
	op_SUBX8: R = (S << 3) - T; NEXT(3);
	op_NEG: R = 0 - T; NEXT(3);
	op_ABS: R = SI(T) < 0 ? 0 - T : T; NEXT(3);
	op_MOV_N: T = S; NEXT(2);
	op_MOVI: T = IMM; NEXT(3);
	op_MOVI_N: S = IMM; NEXT(2);
	op_ADDI: T = S + IMM; NEXT(3);
	op_ADDI_N: R = S + IMM; NEXT(2);

	op_SSR: c->sar = S & 31; NEXT(3);
	op_SSL: c->sar = 32 - (S & 31); NEXT(3);
	op_SSA8L: c->sar = (S & 3) * 8; NEXT(3);
	op_SSA8B: c->sar = 32 - (S & 3) * 8; NEXT(3);
	op_SSAI: c->sar = IMM; NEXT(3);
	op_NSA: T = sign_bits(S); NEXT(3);
	op_NSAU: T = leading_zeros(S); NEXT(3);
	op_SLLI: R = S << IMM; NEXT(3);
	op_SRAI: R = (uint32_t)(SI(T) >> IMM); NEXT(3);
	op_SRLI: R = T >> IMM; NEXT(3);
	op_SRC: R = funnel(S, T, c->sar); NEXT(3);
	op_SRL: R = funnel(0, T, c->sar); NEXT(3);
	op_SLL: R = shift_left(S, c->sar); NEXT(3);
	op_SRA: R = shift_arithmetic(T, c->sar); NEXT(3);
	op_EXTUI: R = T >> ip->s & IMM; NEXT(3);
	op_MUL16U: R = (S & 0xffff) * (T & 0xffff); NEXT(3);
	op_MUL16S: R = (uint32_t)((int16_t)S * (int16_t)T); NEXT(3);
	op_MULL: R = S * T; NEXT(3);

	op_MOVEQZ: if (T == 0) R = S; NEXT(3);
	op_MOVNEZ: if (T != 0) R = S; NEXT(3);
	op_MOVLTZ: if (SI(T) < 0) R = S; NEXT(3);
	op_MOVGEZ: if (SI(T) >= 0) R = S; NEXT(3);

	op_L8UI: LOAD(S + IMM, tag_narrow, 1u, GET8, CPU_ACC_8, 3);
	op_L16UI: LOAD(S + IMM, tag_narrow, 2u, get_le16, CPU_ACC_16, 3);
	op_L16SI: LOAD(S + IMM, tag_narrow, 2u, GET16S, CPU_ACC_16S, 3);
	op_L32I: LOAD(S + IMM, tag32, 4u, get_le32, CPU_ACC_32, 3);
	op_L32I_N: LOAD(S + IMM, tag32, 4u, get_le32, CPU_ACC_32, 2);
	op_L32R: LOAD(literal_addr(c, IMM, PC), tag32, 4u, get_le32, CPU_ACC_32, 3);
	op_S8I: STORE(S + IMM, tag_narrow, 1u, PUT8, CPU_ACC_8, 3);
	op_S16I: STORE(S + IMM, tag_narrow, 2u, PUT16, CPU_ACC_16, 3);
	op_S32I: STORE(S + IMM, tag32, 4u, put_le32, CPU_ACC_32, 3);
	op_S32I_N: STORE(S + IMM, tag32, 4u, put_le32, CPU_ACC_32, 2);

	op_J: BRANCH();
	op_JX: JUMP(S);
	op_RET: JUMP(a[0]);
	op_RET_N: JUMP(a[0]);
	op_CALL0: a[0] = PC + 3; BRANCH();
	op_CALLX0: value = S; a[0] = PC + 3; JUMP(value);

	op_BEQZ: IF(S == 0, 3);
	op_BNEZ: IF(S != 0, 3);
	op_BLTZ: IF(SI(S) < 0, 3);
	op_BGEZ: IF(SI(S) >= 0, 3);
	op_BEQZ_N: IF(S == 0, 2);
	op_BNEZ_N: IF(S != 0, 2);
	op_BEQI: IF(SI(S) == b4const[ip->r], 3);
	op_BNEI: IF(SI(S) != b4const[ip->r], 3);
	op_BLTI: IF(SI(S) < b4const[ip->r], 3);
	op_BGEI: IF(SI(S) >= b4const[ip->r], 3);
	op_BLTUI: IF(S < b4constu[ip->r], 3);
	op_BGEUI: IF(S >= b4constu[ip->r], 3);
	op_BNONE: IF((S & T) == 0, 3);
	op_BANY: IF((S & T) != 0, 3);
	op_BALL: IF((~S & T) == 0, 3);
	op_BNALL: IF((~S & T) != 0, 3);
	op_BEQ: IF(S == T, 3);
	op_BNE: IF(S != T, 3);
	op_BLT: IF(SI(S) < SI(T), 3);
	op_BGE: IF(SI(S) >= SI(T), 3);
	op_BLTU: IF(S < T, 3);
	op_BGEU: IF(S >= T, 3);
	op_BBC: IF(!(S >> (T & 31) & 1), 3);
	op_BBS: IF(S >> (T & 31) & 1, 3);
	op_BBCI: IF(!(S >> ip->t & 1), 3);
	op_BBSI: IF(S >> ip->t & 1, 3);

	op_RSR: SYNC(); T = cpu_sr_read(c, IMM); NEXT(3);
	op_WSR: SYNC(); cpu_sr_write(c, IMM, T); goto system_done;
	op_XSR: SYNC(); value = cpu_sr_read(c, IMM); cpu_sr_write(c, IMM, T); T = value;
		goto system_done;
	op_RSIL: SYNC(); value = c->ps; cpu_set_level(c, IMM); T = value; goto system_done;
	op_WAITI: SYNC(); cpu_set_level(c, IMM); c->waiting = core->attention = true;
		goto system_done;
	op_RFE: SYNC(); c->ps &= ~(uint32_t)CPU_PS_EXCM; c->pc = c->epc[1]; goto returned;
	op_RFDE: SYNC(); c->pc = c->depc; goto returned;
	op_RFI: SYNC(); c->ps = c->eps[IMM]; c->pc = c->epc[IMM]; goto returned;
	op_SYSCALL: RAISE(CPU_CAUSE_SYSCALL);
	op_BREAK: SYNC(); if (cpu_break(c, CPU_DEBUG_BREAK)) goto enter; NEXT(3);
	op_BREAK_N: SYNC(); if (cpu_break(c, CPU_DEBUG_BREAK_N)) goto enter; NEXT(2);
	op_WITLB: c->itlb[S >> 29] = T & 15; NEXT(3);
	op_WDTLB: c->dtlb[S >> 29] = T & 15; NEXT(3);
	op_RITLB0: T = tlb_entry(S, 0); NEXT(3);
	op_RITLB1: T = tlb_entry(S, c->itlb[S >> 29]); NEXT(3);
	op_RDTLB1: T = tlb_entry(S, c->dtlb[S >> 29]); NEXT(3);
	op_PTLB: T = tlb_entry(S, 1); NEXT(3);

op_SIMCALL:
	if (!c->simcall)
		RAISE(CPU_CAUSE_ILLEGAL);
	SYNC();
	c->pc += 3;
	cpu_effect(c);
	c->simcall(c->simcall_arg, c);
	end += c->cycles - NOW;		/* it may have used cpu_skip() */
	goto returned;

op_UNDECODED:
	SYNC();
	region = cpu_code_at(core, c->pc);
	if (!region || region->insn != code) {
		left++;		/* ran past the region: nothing executed yet */
		goto enter;
	}
	if (!cpu_fill(c, region, c->pc, &value)) {
		cpu_fault(c, CPU_CAUSE_FETCH_PROHIBITED, value);
		goto enter;
	}
	goto *label[ip->op];

slow_load:
	SYNC();
	reg = ip->t;		/* the callback may flush the entry */
	pc = c->pc;
	cause = cpu_load(c, mem_addr, mem_kind, &value);
	if (cause == 0 && c->pc == pc)
		a[reg] = value;
	goto accessed;
slow_store:
	SYNC();
	pc = c->pc;
	cause = cpu_store(c, mem_addr, mem_kind, T);
accessed:
	end += c->cycles - NOW;
	if (c->pc != pc)	/* the callback reset the chip */
		goto leave;
	if (cause != 0) {
		cpu_fault(c, (unsigned)cause, mem_addr);
		goto returned;
	}
	if (likely(!core->attention && !c->yield))
		NEXT(step);
	c->pc = pc + step;
	goto leave;

system_done:
	if (!core->attention && !cpu_irq_due(c))
		NEXT(3);
	c->pc += 3;
	goto leave;

returned:
	if (core->attention || c->yield || cpu_irq_due(c))
		goto leave;
	goto transfer;

left_region:
	c->pc = PC;
transfer:
	if (core->poll.active) {
		int proof = cpu_poll_check(c, NOW);

		idle = proof > 0;
		if (idle)
			goto leave;
		if (proof < 0) {
			core->poll.active = false;
			stores = core->store;
		}
	}
enter:
	region = cpu_code_at(core, c->pc);
	if (unlikely(!region)) {
		if (--left < 0)
			goto leave;
		c->cycles = NOW;
		cpu_fault(c, CPU_CAUSE_FETCH_PROHIBITED, c->pc);
		goto enter;
	}
	code = region->insn;
	code_base = region->base;
	code_size = core->poll.active ? 0 : region->size;
	ip = code + (c->pc - code_base);
	DISPATCH();

spent:
	c->pc = PC;
leave:
	left = left < 0 ? 0 : left;
	c->instructions += budget - (uint64_t)left;
	cpu_advance(c, end - (uint64_t)left - c->cycles);
	return idle;
}
