/* cpu_sr.c - the special registers of rsr, wsr and xsr. */
#include "cpu_core.h"

/* Numbers as in the instruction. */
enum {
	SR_LITBASE = 5, SR_INTERRUPT = 226, SR_INTCLEAR = 227, SR_INTENABLE = 228,
	SR_PS = 230, SR_VECBASE = 231, SR_CCOUNT = 234, SR_PRID = 235, SR_CCOMPARE0 = 240,
	SR_SAR = 3, SR_CONFIGID0 = 176, SR_CONFIGID1 = 208,
};

/* What the bits of a register that exist are. */
enum {
	SAR_MASK = 0x3f,
	LITBASE_MASK = (int)0xfffff001,
	PS_MASK = 0x3f,			/* no windows, and one ring */
	IRQ_ALL = 0x7fff,
	IRQ_CLEARABLE = 0x3f00 | 1 << CPU_IRQ_SOFTWARE,
	CONFIGID0 = (int)0xc28cdafa, CONFIGID1 = 0x1082b6f6,	/* of the ESP8266's core */
};

enum { RO = CPU_SR_READ, WO = CPU_SR_WRITE, RW = CPU_SR_READ | CPU_SR_WRITE };

#define FIELD(f) offsetof(struct cpu, f)

/* `at` is where the value lives when reading or writing has no other effect. */
static const struct sr {
	uint8_t number, may;
	uint16_t at;
} sr_table[] = {
	{ SR_SAR, RW, FIELD(sar) },
	{ SR_LITBASE, RW, FIELD(litbase) },
	{ 89, WO, FIELD(mmid) },
	{ 96, RW, FIELD(ibreakenable) },
	{ 104, RW, FIELD(ddr) },
	{ 128, RW, FIELD(ibreaka) },
	{ 144, RW, FIELD(dbreaka) },
	{ 160, RW, FIELD(dbreakc) },
	{ SR_CONFIGID0, RW, 0 },	/* writes are ignored */
	{ 177, RW, FIELD(epc[1]) },
	{ 178, RW, FIELD(epc[2]) },
	{ 179, RW, FIELD(epc[3]) },
	{ 192, RW, FIELD(depc) },
	{ 194, RW, FIELD(eps[2]) },
	{ 195, RW, FIELD(eps[3]) },
	{ SR_CONFIGID1, RW, 0 },
	{ 209, RW, FIELD(excsave[1]) },
	{ 210, RW, FIELD(excsave[2]) },
	{ 211, RW, FIELD(excsave[3]) },
	{ SR_INTERRUPT, RW, FIELD(interrupt) },	/* written: INTSET */
	{ SR_INTCLEAR, WO, 0 },
	{ SR_INTENABLE, RW, FIELD(intenable) },
	{ SR_PS, RW, FIELD(ps) },
	{ SR_VECBASE, RW, FIELD(vecbase) },
	{ 232, RW, FIELD(exccause) },
	{ 233, RO, FIELD(debugcause) },
	{ SR_CCOUNT, RW, 0 },
	{ SR_PRID, RO, 0 },		/* one core: 0 */
	{ 236, RW, FIELD(icount) },
	{ 237, RW, FIELD(icountlevel) },
	{ 238, RW, FIELD(excvaddr) },
	{ SR_CCOMPARE0, RW, FIELD(ccompare) },
};

static const struct sr *sr_find(unsigned number)
{
	for (size_t i = 0; i < sizeof sr_table / sizeof *sr_table; i++)
		if (sr_table[i].number == number)
			return &sr_table[i];
	return NULL;
}

unsigned cpu_sr_may(unsigned number)
{
	const struct sr *sr = sr_find(number);

	return sr ? sr->may : 0;
}

static uint32_t *sr_place(struct cpu *c, unsigned number)
{
	return (uint32_t *)((uint8_t *)c + sr_find(number)->at);
}

uint32_t cpu_sr_read(struct cpu *c, unsigned number)
{
	switch (number) {
	case SR_CONFIGID0: return (uint32_t)CONFIGID0;
	case SR_CONFIGID1: return CONFIGID1;
	case SR_PRID: return 0;
	case SR_CCOUNT:
		c->priv->poll.impure = true;
		return (uint32_t)(c->cycles - c->ccount_base);
	default: return *sr_place(c, number);
	}
}

void cpu_sr_write(struct cpu *c, unsigned number, uint32_t value)
{
	switch (number) {
	case SR_SAR: c->sar = value & SAR_MASK; return;
	case SR_LITBASE: c->litbase = value & (uint32_t)LITBASE_MASK; return;
	case SR_PS: c->ps = value & PS_MASK; return;
	case SR_INTENABLE: c->intenable = value & IRQ_ALL; return;
	case SR_INTERRUPT: c->interrupt |= value & 1u << CPU_IRQ_SOFTWARE; return;
	case SR_INTCLEAR: c->interrupt &= ~(value & IRQ_CLEARABLE); return;
	case SR_VECBASE: c->vecbase = value & ~0xffu; return;
	case SR_CCOUNT:
		c->ccount_base = c->cycles - value;
		c->priv->poll.impure = true;
		break;
	case SR_CCOMPARE0:
		c->ccompare = value;
		c->interrupt &= ~(1u << CPU_IRQ_TIMER);
		break;
	case SR_CONFIGID0: case SR_CONFIGID1: return;
	default: *sr_place(c, number) = value; return;
	}
	/* The next match has moved. */
	c->priv->attention = true;
}
