/* test_cpu_events.c - the simulated LX106: interrupts, time, changing code,
 * callbacks, and loops that only wait.
 */
#include "cpu_machine.h"

static void a_level_interrupt_is_taken_when_enabled_and_pends_while_high(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	code(m, NOP_N);
	code(m, NOP_N);
	cpu_irq(c, 5, true);
	steps(m, 1);
	assert_int_equal(c->pc, CODE + 2);	/* not enabled */
	c->intenable = 1 << 5;
	c->ps = PS_RUN | 1;
	steps(m, 1);
	assert_int_equal(c->pc, CODE + 4);	/* masked by INTLEVEL */
	c->ps = PS_RUN;
	put_le32(m->rom + 0x50, NOP_N);
	steps(m, 1);
	assert_int_equal(c->epc[1], CODE + 4);
	assert_int_equal(c->exccause, CPU_CAUSE_INTERRUPT);
	assert_int_equal(c->pc, ROM + 0x52);
	assert_int_equal(c->exceptions, 0);
	c->a[2] = 1 << 5;
	m->at = c->pc = IRAM + 0x500;
	code(m, WSR(2, SR_INTCLEAR));		/* does not clear a line that is high */
	steps(m, 1);
	assert_int_equal(c->interrupt, 1 << 5);
	cpu_irq(c, 5, false);
	assert_int_equal(c->interrupt, 0);
}

static void an_edge_interrupt_pends_until_it_is_cleared(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	cpu_irq(c, 9, true);
	cpu_irq(c, 9, false);
	assert_int_equal(c->interrupt, 1 << 9);
	c->a[2] = 1 << 9;
	code(m, WSR(2, SR_INTCLEAR));
	cpu_irq(c, 9, true);
	steps(m, 1);
	assert_int_equal(c->interrupt, 0);
	cpu_irq(c, 9, true);			/* still high: no new edge */
	assert_int_equal(c->interrupt, 0);
	cpu_irq(c, 31, true);
	cpu_irq(c, 99, true);
	cpu_irq(c, CPU_IRQ_TIMER, true);	/* not a line */
	assert_int_equal(c->interrupt, 0);
}

static void the_software_interrupt_is_set_and_cleared_by_the_program(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = UINT32_MAX;
	c->a[3] = 1 << CPU_IRQ_SOFTWARE;
	put_le32(m->rom + 0x50, NOP_N);
	code(m, WSR(2, SR_INTSET));
	code(m, RSR(4, SR_INTSET));
	code(m, WSR(3, SR_INTENABLE));
	steps(m, 4);
	assert_int_equal(c->a[4], 1 << CPU_IRQ_SOFTWARE);
	assert_int_equal(c->epc[1], CODE + 9);	/* at once after it was enabled */
	assert_int_equal(c->pc, ROM + 0x52);
}

static void lowering_the_level_lets_a_pending_interrupt_in(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	put_le32(m->rom + 0x50, RFE);
	c->intenable = 1 << 4;
	cpu_irq(c, 4, true);
	c->ps = PS_RUN | 15;
	code(m, NOP_N);
	code(m, 0x006020);		/* rsil a2, 0 */
	code(m, NOP_N);
	steps(m, 3);
	assert_int_equal(c->a[2], PS_RUN | 15);
	assert_int_equal(c->epc[1], CODE + 5);
	assert_int_equal(c->pc, CODE + 5);	/* rfe, and the line is still high: */
	steps(m, 1);
	assert_int_equal(c->pc, CODE + 5);	/* no progress before it is served */
	cpu_irq(c, 4, false);
	steps(m, 1);
	assert_int_equal(c->pc, CODE + 7);
}

static void the_nmi_cannot_be_masked_and_comes_once_per_edge(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	put_le32(m->rom + 0x20, 0x003310);	/* rfi 3 */
	code(m, NOP_N);
	c->ps = 0x1f;
	cpu_irq(c, CPU_IRQ_NMI, true);
	steps(m, 1);
	assert_int_equal(c->epc[3], CODE);
	assert_int_equal(c->eps[3], 0x1f);
	assert_int_equal(c->pc, CODE);
	steps(m, 1);
	assert_int_equal(c->pc, CODE + 2);
}

static void the_timer_matches_at_its_cycle_and_is_cleared_by_writing_it(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = 50;
	code(m, WSR(2, SR_CCOMPARE));
	for (int i = 0; i < 100; i++)
		code(m, NOP_N);
	steps(m, 49);
	assert_int_equal(c->interrupt, 0);
	assert_int_equal(cpu_next_timer(c), UINT64_MAX);	/* not enabled */
	c->intenable = 1 << CPU_IRQ_TIMER;
	assert_int_equal(cpu_next_timer(c), 50);
	c->ps |= 1;
	steps(m, 1);
	assert_int_equal(c->interrupt, 1 << CPU_IRQ_TIMER);
	assert_int_equal(cpu_next_timer(c), 50 + (1ull << 32));
	c->ps = PS_RUN;
	put_le32(m->rom + 0x50, WSR(2, SR_CCOMPARE));
	steps(m, 1);
	assert_int_equal(c->epc[1], CODE + 3 + 49 * 2);
	assert_int_equal(c->interrupt, 0);
}

static void a_timer_interrupt_is_taken_in_the_middle_of_a_run(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	put_le32(m->rom + 0x50, 0xffff06);	/* j to itself */
	code(m, ADDI_N(2, 2, 1));
	jump(m, CODE);
	c->intenable = 1 << CPU_IRQ_TIMER;
	c->ccompare = 100001;
	cpu_run(c, 300000);
	assert_int_equal(c->a[2], 50001);
	assert_int_equal(c->epc[1], CODE + 2);
	assert_int_equal(c->pc, ROM + 0x50);
}

static void skipping_time_passes_the_timer(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->ccompare = 1000;
	cpu_skip(c, 999);
	assert_int_equal(c->interrupt, 0);
	cpu_skip(c, 1);
	assert_int_equal(c->interrupt, 1 << CPU_IRQ_TIMER);
	c->interrupt = 0;
	cpu_skip(c, (1ull << 32) - 1);
	assert_int_equal(c->interrupt, 0);
	cpu_skip(c, 5);
	assert_int_equal(c->interrupt, 1 << CPU_IRQ_TIMER);
}

static void waiti_sleeps_until_an_interrupt(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	put_le32(m->rom + 0x50, NOP_N);
	c->ps = PS_RUN | 7;
	c->intenable = 1 << 5;
	code(m, WAITI(0));
	assert_int_equal(cpu_run(c, 1000), CPU_STOP_WAIT);
	assert_int_equal(c->cycles, 1);
	assert_int_equal(c->ps, PS_RUN);
	cpu_irq(c, 4, true);			/* not enabled */
	assert_int_equal(cpu_run(c, 1000), CPU_STOP_WAIT);
	cpu_irq(c, 5, true);
	steps(m, 1);
	assert_int_equal(c->epc[1], CODE + 3);
	assert_int_equal(c->pc, ROM + 0x52);
	assert_int_equal(c->cycles, 2);
}

static void reset_forgets_all_but_time_and_lines(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	code(m, NOP_N);
	cpu_irq(c, 5, true);
	cpu_irq(c, 9, true);
	c->a[3] = 1;
	c->ps = PS_RUN;
	c->waiting = true;
	cpu_skip(c, 100);
	cpu_reset(c);
	assert_int_equal(c->pc, 0x40000080);
	assert_int_equal(c->ps, 0x1f);
	assert_int_equal(c->vecbase, 0x40000000);
	assert_int_equal(c->a[3], 0);
	assert_int_equal(c->interrupt, 1 << 5);
	assert_int_equal(c->cycles, 100);
	assert_int_equal(c->ccount_base, 100);
	assert_false(c->waiting);
}

static void a_program_can_change_its_own_next_instruction(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = IRAM + 0x104;
	code(m, 0x000259);		/* s32i.n a5, a2, 0 at 0x100 */
	code(m, NOP_N);			/* 0x102 */
	code(m, MOVI_N(4, 1));		/* 0x104, becomes movi.n a4, 2 */
	code(m, NOP_N);			/* 0x106 */
	c->a[5] = MOVI_N(4, 2) | NOP_N << 16;
	c->pc = CODE + 4;
	steps(m, 1);
	assert_int_equal(c->a[4], 1);	/* executed, so decoded */
	c->pc = CODE;
	steps(m, 3);
	assert_int_equal(c->a[4], 2);
}

static void code_changed_behind_the_cpu_is_seen_after_a_flush(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;
	static uint8_t other[IRAM_SIZE / 2];

	code(m, MOVI_N(4, 1));
	steps(m, 1);
	put_le16(m->iram + 0x100, MOVI_N(4, 2));
	cpu_flush_range(c, CODE, 2);
	c->pc = CODE;
	steps(m, 1);
	assert_int_equal(c->a[4], 2);
	put_le16(m->iram + 0x100, MOVI_N(4, 3));
	cpu_flush(c);
	c->pc = CODE;
	steps(m, 1);
	assert_int_equal(c->a[4], 3);

	put_le16(other + 0x100, MOVI_N(4, 4));	/* another window at the same place */
	m->bus.region[2].mem = other;
	cpu_flush(c);
	c->pc = CODE;
	steps(m, 1);
	assert_int_equal(c->a[4], 4);

	m->bus.region[2] = m->bus.region[--m->bus.regions];	/* taken away */
	cpu_flush(c);
	c->pc = CODE;
	steps(m, 1);
	assert_int_equal(c->exccause, CPU_CAUSE_FETCH_PROHIBITED);
}

static void yield_now(struct machine *m) { cpu_yield(&m->cpu); }
static void reset_now(struct machine *m) { cpu_reset(&m->cpu); }
static void flush_now(struct machine *m) { cpu_flush(&m->cpu); }
static void skip_now(struct machine *m) { cpu_skip(&m->cpu, 1000); }
static void raise_now(struct machine *m) { cpu_irq(&m->cpu, 5, true); }

static void a_callback_may_stop_flush_reset_skip_and_interrupt(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = DEVICE;
	m->reg = 0x55;
	code(m, L32I(4, 2, 0));
	for (int i = 0; i < 2000; i++)
		code(m, NOP_N);

	m->on_access = yield_now;
	assert_int_equal(cpu_run(c, 100), CPU_STOP_YIELD);
	assert_int_equal(c->a[4], 0x55);
	assert_int_equal(c->cycles, 1);
	assert_int_equal(c->pc, CODE + 3);

	m->on_access = flush_now;
	c->a[4] = 0;
	c->pc = CODE;
	steps(m, 10);
	assert_int_equal(c->a[4], 0x55);
	assert_int_equal(c->pc, CODE + 3 + 9 * 2);

	m->on_access = skip_now;
	c->pc = CODE;
	assert_int_equal(cpu_run(c, c->cycles + 1010), CPU_STOP_BUDGET);
	assert_int_equal(c->cycles, 11 + 1010);
	assert_int_equal(c->pc, CODE + 3 + 9 * 2);
	assert_int_equal(c->instructions, 21);

	m->on_access = raise_now;
	c->intenable = 1 << 5;
	c->pc = CODE;
	put_le32(m->rom + 0x50, NOP_N);
	steps(m, 2);
	assert_int_equal(c->epc[1], CODE + 3);
	assert_int_equal(c->pc, ROM + 0x52);

	m->on_access = reset_now;
	c->ps = PS_RUN | 1;
	c->pc = CODE;
	c->a[2] = DEVICE;
	steps(m, 1);
	assert_int_equal(c->pc, 0x40000080);
	assert_int_equal(c->a[4], 0);
}

static void native(void *arg, struct cpu *c)
{
	struct machine *m = arg;

	m->writes++;
	c->a[2] = c->a[3] + 1;
	cpu_skip(c, 500);
	c->pc = c->a[0];
}

static void simcall_runs_native_code(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->simcall = native;
	c->simcall_arg = m;
	c->a[0] = IRAM + 0x300;
	c->a[3] = 41;
	code(m, SIMCALL);
	m->at = IRAM + 0x300;
	code(m, NOP_N);
	assert_int_equal(cpu_run(c, 502), CPU_STOP_BUDGET);
	assert_int_equal(m->writes, 1);
	assert_int_equal(c->a[2], 42);
	assert_int_equal(c->pc, IRAM + 0x302);
	assert_int_equal(c->cycles, 502);
}

enum { LONG = 200000 };		/* a run in which an idle loop must be found */

static void polling_a_register_is_found_to_be_idle_and_goes_on_afterwards(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;
	uint64_t reads;

	c->a[2] = DEVICE;
	code(m, L32I(4, 2, 0));
	code(m, 0x000416 | ((CODE - (CODE + 3) - 4) & 0xfff) << 12);	/* beqz a4, back */
	code(m, MOVI_N(5, 7));
	m->at = c->pc;
	assert_int_equal(cpu_run(c, LONG), CPU_STOP_POLL);
	assert_true(c->cycles < 20000);
	reads = m->reads;
	cpu_skip(c, LONG);
	assert_int_equal(cpu_run(c, 3 * LONG), CPU_STOP_POLL);	/* nothing came: idle again, */
	assert_true(m->reads - reads < 10);			/* and at once */
	m->reg = 1;
	steps(m, 3);
	assert_int_equal(c->a[5], 7);
}

static void polling_by_a_function_with_a_stack_frame_is_idle(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;
	uint32_t f1 = IRAM + 0x200, f2 = IRAM + 0x220;

	/* the loop calls two functions which save different a0 at one place */
	c->a[1] = DRAM + 0x800;
	c->a[2] = DEVICE;
	c->a[12] = f1;
	c->a[13] = f2;
	code(m, 0x000cc0);		/* callx0 a12 */
	code(m, 0x000dc0);
	code(m, 0x000416 | ((CODE - (CODE + 6) - 4) & 0xfff) << 12);
	for (int i = 0; i < 2; i++) {
		m->at = i ? f2 : f1;
		code(m, 0xf0c112);	/* addi a1, a1, -16 */
		code(m, S32I(0, 1, 0));
		code(m, L32I(4, 2, 0));
		code(m, L32I(0, 1, 0));
		code(m, 0x10c112);
		code(m, RET_N);
	}
	assert_int_equal(cpu_run(c, LONG), CPU_STOP_POLL);
}

static void a_change_between_two_runs_is_not_missed(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = DEVICE;
	code(m, L32I(4, 2, 0));
	code(m, 0x000416 | ((CODE - (CODE + 3) - 4) & 0xfff) << 12);
	code(m, MOVI_N(5, 7));
	assert_int_equal(cpu_run(c, LONG), CPU_STOP_POLL);
	assert_int_equal(c->pc, CODE);
	steps(m, 3);			/* the old value was read, an anchor is set */
	m->reg = 1;
	steps(m, 4);
	assert_int_equal(c->a[5], 7);
}

static void work_is_not_idle(void **state)
{
	/* loops of up to three instructions that all make progress */
	static const struct { const char *what; uint32_t word[3]; } loop[] = {
		{ "counts in a register", { ADDI_N(4, 4, 1) } },
		{ "counts in memory", { L32I(4, 3, 0), ADDI_N(4, 4, 1), S32I(4, 3, 0) } },
		{ "reads time", { RSR(4, SR_CCOUNT), MOVI_N(4, 0) } },
		{ "counts in a special register",
		  { RSR(4, SR_EXCSAVE1), ADDI_N(4, 4, 1), WSR(4, SR_EXCSAVE1) } },
		{ "takes exceptions", { SYSCALL } },
	};
	struct machine *m = *state;

	put_le32(m->rom + 0x50, RSR(5, SR_EPC1));	/* steps over what faulted */
	put_le32(m->rom + 0x53, 0x03c552);		/* addi a5, a5, 3 */
	put_le32(m->rom + 0x56, WSR(5, SR_EPC1));
	put_le32(m->rom + 0x59, MOVI_N(5, 0));
	put_le32(m->rom + 0x5b, RFE);
	for (size_t i = 0; i < sizeof loop / sizeof *loop; i++) {
		m->at = CODE;
		for (int k = 0; k < 3; k++)
			if (loop[i].word[k])
				code(m, loop[i].word[k]);
		jump(m, CODE);
		cpu_flush(&m->cpu);
		m->cpu.pc = CODE;
		m->cpu.a[3] = DATA;
		if (cpu_run(&m->cpu, m->cpu.cycles + LONG) != CPU_STOP_BUDGET)
			fail_msg("a loop that %s was taken for idle", loop[i].what);
	}
}

static void effect_now(struct machine *m) { cpu_effect(&m->cpu); }

static void a_loop_with_effect_on_a_device_is_not_idle(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = DEVICE;
	code(m, S32I(3, 2, 0));
	jump(m, CODE);
	m->on_access = effect_now;
	assert_int_equal(cpu_run(c, LONG), CPU_STOP_BUDGET);
	m->on_access = NULL;		/* the same command, and it has no effect */
	assert_int_equal(cpu_run(c, 2 * LONG), CPU_STOP_POLL);
}

static void a_loop_that_undoes_its_own_stores_is_idle_and_one_that_does_not_is_not(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	c->a[2] = DATA;
	c->a[3] = 3;
	code(m, S32I(3, 2, 0));
	code(m, S32I(2, 2, 0));
	code(m, L32I(4, 2, 1));		/* toggles a bit of the next word */
	code(m, 0x304430);		/* xor a4, a4, a3 */
	code(m, S32I(4, 2, 1));
	code(m, MOVI_N(4, 0));
	jump(m, CODE);
	/* two rounds make no change: idle, as nothing else will ever happen */
	assert_int_equal(cpu_run(c, LONG), CPU_STOP_POLL);
	m->at = CODE + 9;
	code(m, 0x804430);		/* add instead of xor */
	c->pc = CODE;
	cpu_flush(c);
	assert_int_equal(cpu_run(c, c->cycles + LONG), CPU_STOP_BUDGET);
}

static void an_interrupt_ends_a_polling_loop(void **state)
{
	struct machine *m = *state;
	struct cpu *c = &m->cpu;

	put_le32(m->rom + 0x50, S32I(5, 2, 0));	/* sets the flag that is polled */
	put_le32(m->rom + 0x53, WSR(5, SR_CCOMPARE));
	put_le32(m->rom + 0x56, RFE);
	c->a[2] = DATA;
	c->a[5] = 1;
	c->intenable = 1 << CPU_IRQ_TIMER;
	c->ccompare = 5 * LONG;
	code(m, L32I(4, 2, 0));
	code(m, 0x000416 | ((CODE - (CODE + 3) - 4) & 0xfff) << 12);
	code(m, WAITI(15));
	assert_int_equal(cpu_run(c, cpu_next_timer(c)), CPU_STOP_POLL);
	cpu_skip(c, cpu_next_timer(c) - c->cycles);
	assert_int_equal(cpu_run(c, 10 * LONG), CPU_STOP_WAIT);
	assert_int_equal(get_le32(m->dram + 0x100), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_level_interrupt_is_taken_when_enabled_and_pends_while_high),
		T(an_edge_interrupt_pends_until_it_is_cleared),
		T(the_software_interrupt_is_set_and_cleared_by_the_program),
		T(lowering_the_level_lets_a_pending_interrupt_in),
		T(the_nmi_cannot_be_masked_and_comes_once_per_edge),
		T(the_timer_matches_at_its_cycle_and_is_cleared_by_writing_it),
		T(a_timer_interrupt_is_taken_in_the_middle_of_a_run),
		T(skipping_time_passes_the_timer),
		T(waiti_sleeps_until_an_interrupt),
		T(reset_forgets_all_but_time_and_lines),
		T(a_program_can_change_its_own_next_instruction),
		T(code_changed_behind_the_cpu_is_seen_after_a_flush),
		T(a_callback_may_stop_flush_reset_skip_and_interrupt),
		T(simcall_runs_native_code),
		T(polling_a_register_is_found_to_be_idle_and_goes_on_afterwards),
		T(polling_by_a_function_with_a_stack_frame_is_idle),
		T(a_change_between_two_runs_is_not_missed),
		T(work_is_not_idle),
		T(a_loop_with_effect_on_a_device_is_not_idle),
		T(a_loop_that_undoes_its_own_stores_is_idle_and_one_that_does_not_is_not),
		T(an_interrupt_ends_a_polling_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
