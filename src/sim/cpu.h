/* cpu.h - the Tensilica LX106 core as the ESP8266 has it.
 *
 * Layer: sim. Executes instructions on a struct bus; knows no device.
 * Source of every fact: Xtensa ISA as configured for the LX106 (call0 ABI,
 * density option, MUL32 low word, NSA, no windows, no loops, XEA2).
 */
#ifndef SIM_CPU_H
#define SIM_CPU_H

#include "bus.h"

#include <stdbool.h>
#include <stdint.h>

enum cpu_stop {
	CPU_STOP_BUDGET,	/* `cycles` reached the limit given */
	CPU_STOP_WAIT,		/* waiti, and no interrupt is pending */
	CPU_STOP_POLL,		/* a loop that only polls: nothing changes until a device does */
	CPU_STOP_YIELD,		/* cpu_yield() was called by a device callback */
};

struct cpu {
	uint32_t a[16];
	uint32_t pc;
	uint32_t sar, litbase, ps, vecbase, exccause, excvaddr, depc;
	uint32_t epc[4], eps[4], excsave[4];	/* index = level, 0 unused */
	uint32_t interrupt, intenable;		/* pending and enabled, a bit per number */
	uint32_t ccompare, ddr, ibreakenable, ibreaka, dbreaka, dbreakc, icount, icountlevel;
	uint64_t cycles;	/* since power-on, never set back by reset */
	uint64_t ccount_base;	/* CCOUNT = (uint32_t)(cycles - ccount_base) */
	uint64_t instructions;	/* executed, for benches */
	uint64_t exceptions;	/* raised, for inspection */
	bool waiting;		/* in waiti */
	bool yield;
	struct bus *bus;
	void *priv;		/* the interpreter's own (decode cache, ...) */
};

/* cpu_open: ready, at reset. The bus outlives the cpu. Returns 0 or
 * ESP_E_NOMEM. cpu_close is idempotent and safe on a zeroed struct. */
int cpu_open(struct cpu *c, struct bus *bus) __attribute__((warn_unused_result));
void cpu_close(struct cpu *c);

/* What the RST pin does: pc = 0x40000080, PS = 0x1f, VECBASE = 0x40000000. */
void cpu_reset(struct cpu *c);

/* Runs until `cycles` >= limit or something else stops it. Interrupts are
 * taken between instructions. One instruction is one cycle. */
enum cpu_stop cpu_run(struct cpu *c, uint64_t limit);

/* From a device callback: stop after the current instruction. */
static inline void cpu_yield(struct cpu *c) { c->yield = true; }

/* Level-sensitive interrupt lines: a device raises and lowers its own. */
void cpu_irq(struct cpu *c, unsigned number, bool level);

/* Advances the clock without executing (after WAIT or POLL), so that CCOUNT
 * and CCOMPARE stay right. */
void cpu_skip(struct cpu *c, uint64_t cycles);

/* Cycle at which CCOMPARE0 will match next; UINT64_MAX when interrupt 6 is off. */
uint64_t cpu_next_timer(const struct cpu *c);

/* The regions of the bus, or code behind the CPU's back (a loader writing
 * memory directly, a new flash window), have changed. */
void cpu_flush(struct cpu *c);

#endif
