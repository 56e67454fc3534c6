/* cpu.h - the Tensilica LX106 core as the ESP8266 has it.
 *
 * Layer: sim. Executes instructions on a struct bus; knows no device.
 * Source of every fact: Xtensa ISA as configured for the LX106 (call0 ABI,
 * density option, MUL32 low word, NSA, no windows, no loops, XEA2); decoding
 * and results are compared with qemu-system-xtensa by tests/qemu.
 *
 * The debug registers IBREAK*, DBREAK* and ICOUNT* can be written and read but
 * never trigger; `break` does. TLB attributes are kept but not enforced: what
 * faults is what the bus has no region for.
 */
#ifndef SIM_CPU_H
#define SIM_CPU_H

#include "bus.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cpu_stop {
	CPU_STOP_BUDGET,	/* `cycles` reached the limit given */
	CPU_STOP_WAIT,		/* waiti, and no interrupt is pending */
	CPU_STOP_POLL,		/* a loop that only polls: nothing changes until a device does */
	CPU_STOP_YIELD,		/* cpu_yield() was called by a device callback */
};

/* Interrupt numbers with a meaning of their own. 0..5 are level-sensitive
 * lines, 8..13 are edge-triggered (latched until INTCLEAR). */
enum cpu_irq_number {
	CPU_IRQ_TIMER = 6,	/* CCOMPARE0 */
	CPU_IRQ_SOFTWARE = 7,	/* by INTSET */
	CPU_IRQ_NMI = 14,	/* level 3, not maskable, on the rising edge */
};

/* EXCCAUSE values that the core or a bus callback raises. */
enum cpu_cause {
	CPU_CAUSE_ILLEGAL = 0,
	CPU_CAUSE_SYSCALL = 1,
	CPU_CAUSE_LOAD_STORE = 3,	/* narrow access to 32-bit memory, store to ROM */
	CPU_CAUSE_INTERRUPT = 4,
	CPU_CAUSE_ALIGNMENT = 9,
	CPU_CAUSE_FETCH_PROHIBITED = 20,
	CPU_CAUSE_LOAD_PROHIBITED = 28,
	CPU_CAUSE_STORE_PROHIBITED = 29,
};

enum cpu_ps_bits {
	CPU_PS_INTLEVEL = 0xf,
	CPU_PS_EXCM = 0x10,
	CPU_PS_UM = 0x20,
};

struct cpu {
	/* Architectural state, up to `cycles`: what the poll detector compares. */
	uint32_t a[16];
	uint32_t pc;
	uint32_t sar, litbase, ps, vecbase, exccause, excvaddr, depc;
	uint32_t epc[4], eps[4], excsave[4];	/* index = level, 0 unused */
	uint32_t interrupt, intenable;		/* pending and enabled, a bit per number */
	uint32_t ccompare, ddr, ibreakenable, ibreaka, dbreaka, dbreakc, icount, icountlevel;
	uint32_t debugcause, mmid;
	uint32_t itlb[8], dtlb[8];		/* attribute of each 512 MiB region */

	uint64_t cycles;	/* since power-on, never set back by reset */
	uint64_t ccount_base;	/* CCOUNT = (uint32_t)(cycles - ccount_base) */
	uint64_t instructions;	/* executed, for benches */
	uint64_t exceptions;	/* raised, for inspection; interrupts not counted */
	uint64_t side_effects;	/* see cpu_effect() */
	uint64_t poll_period;	/* after CPU_STOP_POLL: cycles that the idle loop takes */
	uint32_t lines;		/* external interrupt lines as cpu_irq() left them */
	bool waiting;		/* in waiti */
	bool yield;
	struct bus *bus;
	/* The simcall instruction: native code behind an address. pc is already
	 * that of the next instruction; the callback may change any register,
	 * pc included, and call cpu_skip(). NULL: simcall is illegal. Counts as
	 * an effect (cpu_effect()) unless the callback takes that back. */
	void (*simcall)(void *arg, struct cpu *c);
	void *simcall_arg;
	struct cpu_core *priv;	/* the interpreter's own: decoded code, fast paths */
};

/* cpu_open: ready, at reset. The bus outlives the cpu and its regions are
 * already there (or cpu_flush() follows). Returns 0 or ESP_E_NOMEM. cpu_close
 * is idempotent and safe on a zeroed struct. */
int cpu_open(struct cpu *c, struct bus *bus) __attribute__((warn_unused_result));
void cpu_close(struct cpu *c);

/* What the RST pin does: pc = 0x40000080, PS = 0x1f, VECBASE = 0x40000000.
 * External interrupt lines stay as the devices have them. */
void cpu_reset(struct cpu *c);

/* Runs until `cycles` >= limit or something else stops it. Interrupts are
 * taken between instructions. One instruction is one cycle.
 *
 * CPU_STOP_POLL is sound when no device changes by itself before `limit`: the
 * caller passes the time of the next such event, and after POLL (or WAIT) skips
 * to it, or to cpu_next_timer() if that is earlier; by whole rounds of
 * poll_period, if what comes after must happen on the very cycle on which it
 * would have. A loop that reads CCOUNT is never idle. */
enum cpu_stop cpu_run(struct cpu *c, uint64_t limit);

/* From a device callback: stop after the current instruction. */
static inline void cpu_yield(struct cpu *c) { c->yield = true; }

/* From a device callback, whenever the access changed the device (a byte went
 * into or out of a FIFO, a status bit was cleared, a command gave a new answer)
 * or read what changes with time by itself (a counter, a random number): the
 * loop that did this is not idle polling. A device that forgets this may see
 * its program stopped with CPU_STOP_POLL although it makes progress. */
static inline void cpu_effect(struct cpu *c) { c->side_effects++; }

/* Interrupt lines: a device raises and lowers its own. 0..5 are pending while
 * high; 8..13 become pending on the rising edge and stay so until the program
 * writes INTCLEAR; 14 is the NMI, on the rising edge. Others are ignored. */
void cpu_irq(struct cpu *c, unsigned number, bool level);

/* Advances the clock without executing (after WAIT or POLL, or for a native
 * delay in a callback), so that CCOUNT and CCOMPARE stay right. */
void cpu_skip(struct cpu *c, uint64_t cycles);

/* Cycle at which CCOMPARE0 will match next; UINT64_MAX when interrupt 6 is off. */
uint64_t cpu_next_timer(const struct cpu *c);

/* The regions of the bus, or code behind the CPU's back (a loader writing
 * memory directly, a new flash window), have changed. May be called from a
 * callback. Should memory run out, the regions affected fault on fetch. */
void cpu_flush(struct cpu *c);

/* The same for `size` bytes at addr when the regions have not changed: cheap. */
void cpu_flush_range(struct cpu *c, uint32_t addr, uint32_t size);

#endif
