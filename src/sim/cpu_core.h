/* cpu_core.h - what the files of the LX106 interpreter share.
 *
 * Layer: sim, inside cpu*.c only. Each byte of executable memory has an entry
 * that holds the instruction starting there, decoded on first execution. The
 * entries of a region are one anonymous mapping, so those never executed cost
 * no memory and a flush is one system call. Data accesses go through small
 * tables of recently used 4 KiB pages whose tags check page, right and
 * alignment in one comparison.
 */
#ifndef SIM_CPU_CORE_H
#define SIM_CPU_CORE_H

#include "cpu.h"

#include <stddef.h>

struct cpu_insn {
	uint8_t op;		/* enum cpu_op; 0 = not decoded yet */
	uint8_t r, s, t;	/* the fields of that name, or a small operand */
	int32_t imm;		/* offset, branch distance from pc, absolute literal */
};

/* Decoded code of one region that allows fetch. */
struct cpu_code {
	uint32_t base, size;
	struct cpu_insn *insn;	/* size + CPU_CODE_TAIL entries, the tail undecoded */
};
#define CPU_CODE_TAIL 3		/* the longest step past the last byte */

enum {
	CPU_PAGE_BITS = 12,
	CPU_PAGE_MASK = ~((1u << CPU_PAGE_BITS) - 1),
	CPU_TLB_SIZE = 64,
	CPU_TLB_NONE = 1u << (CPU_PAGE_BITS - 1),	/* equals no masked address */
};

struct cpu_tlb {
	uint32_t tag32, tag_narrow;	/* page address, or CPU_TLB_NONE */
	uintptr_t host;			/* + address = host address */
};

/* Poll detector: state at an anchor, and the words changed since. */
enum { CPU_POLL_WORDS = 48, CPU_POLL_ANCHORS = 6 };
struct cpu_poll {
	bool active;		/* stores are noted, transfers are checked */
	bool impure;		/* time was read or an exception taken since the anchor */
	unsigned anchors;	/* taken in this probe; 0 = none yet */
	unsigned words;
	uint64_t side_effects;
	uint64_t since;		/* cycles at the anchor */
	struct { uint8_t *at; uint8_t was[4]; } word[CPU_POLL_WORDS];
	uint8_t state[offsetof(struct cpu, cycles)];
};

struct cpu_core {
	struct cpu_tlb load[CPU_TLB_SIZE], store[CPU_TLB_SIZE];
	struct cpu_tlb none[CPU_TLB_SIZE];	/* never filled: every store goes the slow way */
	struct cpu_code code[BUS_REGIONS_MAX];
	size_t codes;
	bool attention;		/* leave the fast loop after this instruction */
	bool polled;		/* the last run ended in CPU_STOP_POLL */
	bool probing;		/* this slice is one in which idle loops are looked for */
	uint64_t slice_left;	/* instructions */
	struct cpu_poll poll;
};

/* Width and kind of a data access. */
enum cpu_access { CPU_ACC_8, CPU_ACC_16, CPU_ACC_16S, CPU_ACC_32 };

/* cpu_decode.c: the instruction that starts at pc with the bytes in w (little
 * endian, 24 bit). Never fails: what is no instruction becomes CPU_OP_ILL. */
struct cpu_insn cpu_decode(uint32_t w, uint32_t pc);

/* cpu_mem.c. Both answer 0 or an EXCCAUSE. */
int cpu_load(struct cpu *c, uint32_t addr, enum cpu_access kind, uint32_t *value);
int cpu_store(struct cpu *c, uint32_t addr, enum cpu_access kind, uint32_t value);
/* Decodes the instruction at pc, which lies in `code`, into its entry. False
 * when it runs on into memory that cannot be fetched, *fault says where. */
bool cpu_fill(struct cpu *c, const struct cpu_code *code, uint32_t pc, uint32_t *fault);
const struct cpu_code *cpu_code_at(const struct cpu_core *core, uint32_t pc);
int cpu_mem_open(struct cpu *c);
void cpu_mem_close(struct cpu *c);

/* cpu_sr.c: special registers. `may` is checked when an instruction is decoded. */
enum { CPU_SR_READ = 1, CPU_SR_WRITE = 2 };
unsigned cpu_sr_may(unsigned number);
uint32_t cpu_sr_read(struct cpu *c, unsigned number);
void cpu_sr_write(struct cpu *c, unsigned number, uint32_t value);

enum cpu_debug_cause { CPU_DEBUG_BREAK = 8, CPU_DEBUG_BREAK_N = 16 };

static inline void cpu_set_level(struct cpu *c, uint32_t level)
{
	c->ps = (c->ps & ~(uint32_t)CPU_PS_INTLEVEL) | level;
}

/* cpu.c: entering exceptions and interrupts; all set pc. */
void cpu_exception(struct cpu *c, unsigned cause);
void cpu_fault(struct cpu *c, unsigned cause, uint32_t vaddr);
/* False, and nothing done, while INTLEVEL masks debug exceptions. */
bool cpu_break(struct cpu *c, enum cpu_debug_cause cause);
bool cpu_irq_due(const struct cpu *c);
void cpu_irq_take(struct cpu *c);
uint64_t cpu_cycles_to_match(const struct cpu *c);
void cpu_advance(struct cpu *c, uint64_t cycles);

/* cpu_poll.c */
void cpu_poll_start(struct cpu *c);
/* At a control transfer to c->pc, at cycle `now`: +1 an idle loop is proven, 0 not yet, -1 this
 * is no idle loop, stop probing. */
int cpu_poll_check(struct cpu *c, uint64_t now);
/* Before the 32-bit word at `word` is stored to. */
void cpu_poll_note(struct cpu_core *core, uint8_t *word);

/* cpu_exec.c: executes at most `budget` instructions; c->cycles, c->pc and
 * c->instructions are exact afterwards. Returns true when it ended because an
 * idle loop was proven. */
bool cpu_exec(struct cpu *c, uint64_t budget);

#endif
