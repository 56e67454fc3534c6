/* cpu.c - life, time, exceptions and interrupts of the LX106; cpu_exec.c
 * executes instructions.
 */
#include "cpu.h"
#include "cpu_core.h"

#include "../esp_err.h"

#include <stdlib.h>
#include <string.h>

/* Vectors, relative to VECBASE except the first. */
enum {
	VECTOR_RESET = 0x40000080,
	VECTOR_DEBUG = 0x10, VECTOR_NMI = 0x20,
	VECTOR_KERNEL = 0x30, VECTOR_USER = 0x50, VECTOR_DOUBLE = 0x70,
};

enum {
	LEVEL_DEBUG = 2, LEVEL_NMI = 3,
	RESET_PS = 0x1f, RESET_VECBASE = 0x40000000,
	RESET_ATTRIBUTE = 2,		/* bypass, before the ROM sets others */
	IRQ_LEVEL1 = 0x3fff,		/* all but the NMI */
	IRQ_LINES_LEVEL = 0x003f,	/* level-sensitive external lines */
	IRQ_LINES_EDGE = 0x7f00,	/* edge-triggered ones, and the NMI */
};

/* After FAST instructions at full speed, PROBE are executed under the eyes of
 * the poll detector, at about half of it. Idle is noticed after some 30 us. */
enum { SLICE_FAST = 8192, SLICE_PROBE = 1024 };

int cpu_open(struct cpu *c, struct bus *bus)
{
	memset(c, 0, sizeof *c);
	c->bus = bus;
	c->priv = calloc(1, sizeof *c->priv);
	if (!c->priv || cpu_mem_open(c) < 0) {
		cpu_close(c);
		return ESP_E_NOMEM;
	}
	cpu_reset(c);
	return 0;
}

void cpu_close(struct cpu *c)
{
	if (!c->priv)
		return;
	cpu_mem_close(c);
	free(c->priv);
	c->priv = NULL;
}

void cpu_reset(struct cpu *c)
{
	memset(c, 0, offsetof(struct cpu, cycles));
	c->pc = VECTOR_RESET;
	c->ps = RESET_PS;
	c->vecbase = RESET_VECBASE;
	for (size_t i = 0; i < 8; i++)
		c->itlb[i] = c->dtlb[i] = RESET_ATTRIBUTE;
	c->ccount_base = c->cycles;
	c->interrupt = c->lines & IRQ_LINES_LEVEL;
	c->waiting = false;
	c->priv->polled = false;
	c->priv->attention = true;
	c->priv->poll.impure = true;
}

/* PS.EXCM hides level-1 interrupts as if INTLEVEL were 1. */
static unsigned interrupt_level(const struct cpu *c)
{
	unsigned level = c->ps & CPU_PS_INTLEVEL;

	return level == 0 && c->ps & CPU_PS_EXCM ? 1 : level;
}

static void enter_vector(struct cpu *c, unsigned vector)
{
	c->pc = c->vecbase + vector;
	c->ps |= CPU_PS_EXCM;
	c->waiting = false;
	c->priv->poll.impure = true;
}

static void enter_general(struct cpu *c, unsigned cause)
{
	unsigned vector = c->ps & CPU_PS_UM ? VECTOR_USER : VECTOR_KERNEL;

	c->exccause = cause;
	if (c->ps & CPU_PS_EXCM) {
		c->depc = c->pc;
		vector = VECTOR_DOUBLE;
	} else {
		c->epc[1] = c->pc;
	}
	enter_vector(c, vector);
}

static void enter_level(struct cpu *c, unsigned level, unsigned vector)
{
	c->epc[level] = c->pc;
	c->eps[level] = c->ps;
	c->ps = (c->ps & ~(uint32_t)CPU_PS_INTLEVEL) | level;
	enter_vector(c, vector);
}

void cpu_exception(struct cpu *c, unsigned cause)
{
	c->exceptions++;
	enter_general(c, cause);
}

void cpu_fault(struct cpu *c, unsigned cause, uint32_t vaddr)
{
	c->excvaddr = vaddr;
	cpu_exception(c, cause);
}

bool cpu_break(struct cpu *c, enum cpu_debug_cause cause)
{
	if (interrupt_level(c) >= LEVEL_DEBUG)
		return false;
	c->exceptions++;
	c->debugcause = cause;
	enter_level(c, LEVEL_DEBUG, VECTOR_DEBUG);
	return true;
}

bool cpu_irq_due(const struct cpu *c)
{
	if (c->interrupt & 1u << CPU_IRQ_NMI)
		return true;
	return c->interrupt & c->intenable & IRQ_LEVEL1 && interrupt_level(c) == 0;
}

void cpu_irq_take(struct cpu *c)
{
	if (c->interrupt & 1u << CPU_IRQ_NMI) {
		c->interrupt &= ~(1u << CPU_IRQ_NMI);
		enter_level(c, LEVEL_NMI, VECTOR_NMI);
	} else {
		enter_general(c, CPU_CAUSE_INTERRUPT);
	}
}

void cpu_irq(struct cpu *c, unsigned number, bool level)
{
	uint32_t bit = number < 32 ? 1u << number : 0;
	uint32_t before = c->lines;

	c->lines = level ? before | bit : before & ~bit;
	if (bit & IRQ_LINES_LEVEL)
		c->interrupt = level ? c->interrupt | bit : c->interrupt & ~bit;
	else if (level)
		c->interrupt |= bit & IRQ_LINES_EDGE & ~before;
	if (cpu_irq_due(c))
		c->priv->attention = true;
}

/* Cycles until CCOUNT next becomes equal to CCOMPARE0: 1 .. 2^32. */
uint64_t cpu_cycles_to_match(const struct cpu *c)
{
	uint32_t ccount = (uint32_t)(c->cycles - c->ccount_base);
	uint32_t distance = c->ccompare - ccount;

	return distance ? distance : 1ull << 32;
}

void cpu_advance(struct cpu *c, uint64_t cycles)
{
	if (cycles >= cpu_cycles_to_match(c))
		c->interrupt |= 1u << CPU_IRQ_TIMER;
	c->cycles += cycles;
}

void cpu_skip(struct cpu *c, uint64_t cycles)
{
	cpu_advance(c, cycles);
	c->priv->attention = true;
	c->priv->poll.impure = true;
}

uint64_t cpu_next_timer(const struct cpu *c)
{
	if (!(c->intenable & 1u << CPU_IRQ_TIMER))
		return UINT64_MAX;
	return c->cycles + cpu_cycles_to_match(c);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void slice_start(struct cpu *c, bool probing)
{
	c->priv->probing = probing;
	c->priv->slice_left = probing ? SLICE_PROBE : SLICE_FAST;
	c->priv->poll.active = false;
	if (probing)
		cpu_poll_start(c);
}

/* How many instructions may go by before somebody has to look up. */
static uint64_t budget(const struct cpu *c, uint64_t limit)
{
	uint64_t until = smaller(limit - c->cycles, cpu_cycles_to_match(c));

	return smaller(until, c->priv->slice_left);
}

static void run_slice(struct cpu *c, uint64_t limit)
{
	struct cpu_core *core = c->priv;
	uint64_t before = c->instructions;

	if (core->slice_left == 0)
		slice_start(c, !core->probing);
	core->attention = false;
	core->polled = cpu_exec(c, budget(c, limit));
	core->slice_left -= c->instructions - before;
}

enum cpu_stop cpu_run(struct cpu *c, uint64_t limit)
{
	struct cpu_core *core = c->priv;

	/* What was seen before a device may have changed proves nothing. */
	if (core->polled)
		slice_start(c, true);
	else if (core->poll.active)
		cpu_poll_start(c);
	core->polled = false;
	while (c->cycles < limit && !c->yield) {
		if (cpu_irq_due(c))
			cpu_irq_take(c);
		if (c->waiting)
			return CPU_STOP_WAIT;
		run_slice(c, limit);
		if (core->polled && !c->yield)
			return CPU_STOP_POLL;
	}
	if (!c->yield)
		return CPU_STOP_BUDGET;
	c->yield = false;
	return CPU_STOP_YIELD;
}
