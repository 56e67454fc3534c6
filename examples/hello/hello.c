/* hello.c - the smallest firmware that shows it is alive.
 *
 * No SDK: it calls functions of the chip's mask ROM (hello.ld has their
 * addresses), sleeps between ticks of the CPU's timer and never returns.
 */
#include <stdint.h>

#define UART0_CLKDIV (*(volatile uint32_t *)0x60000014)
#define UART0_STATUS (*(volatile uint32_t *)0x6000001C)
#define BAUD 115200u
/* As the boot ROM leaves them, CPU and UART run at twice the crystal. */
#define CLOCK_HZ (CRYSTAL_MHZ * 2000000u)
#define TICK_CYCLES (CLOCK_HZ / 2)	/* half a second */
#define TIMER_IRQ 6

int ets_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *ets_isr_attach(int n, void (*fn)(void *), void *arg);
void ets_isr_unmask(uint32_t bits);
void xthal_set_ccompare(int n, uint32_t v);
uint32_t xthal_get_ccount(void);
void hello_main(void);

struct clock {
	uint32_t next;			/* CCOUNT of the next tick */
	volatile uint32_t ticks;
};

/* Lets the ROM's last bytes out before the rate changes, and whoever listens
 * follow the change: 50 ms are more than any USB bridge keeps bytes back. */
static void set_baud(uint32_t baud)
{
	while (UART0_STATUS >> 16 & 0xFF)
		;
	for (uint32_t start = xthal_get_ccount(); xthal_get_ccount() - start < CLOCK_HZ / 20;)
		;
	UART0_CLKDIV = (CLOCK_HZ + baud / 2) / baud;
}

static void tick(void *arg)
{
	struct clock *c = arg;

	c->ticks++;
	c->next += TICK_CYCLES;
	xthal_set_ccompare(0, c->next);	/* also takes the interrupt back */
}

/* Sleeps until the timer has ticked. Level 1 keeps the interrupt out between
 * the look and the sleep; waiti lets it in again. */
static void wait_for_tick(struct clock *c, uint32_t seen)
{
	uint32_t old;

	for (;;) {
		__asm__ volatile("rsil %0, 1" : "=a"(old) : : "memory");
		if (c->ticks != seen)
			break;
		__asm__ volatile("waiti 0" : : : "memory");
	}
	__asm__ volatile("rsil %0, 0" : "=a"(old) : : "memory");
}

void hello_main(void)
{
	static struct clock clock;

	set_baud(BAUD);
	ets_printf("\nhello from moonflash: ESP8266 firmware " VERSION "\n");
	clock.next = xthal_get_ccount() + TICK_CYCLES;
	xthal_set_ccompare(0, clock.next);
	ets_isr_attach(TIMER_IRQ, tick, &clock);
	ets_isr_unmask(1u << TIMER_IRQ);
	for (uint32_t n = 1;; n++) {
		wait_for_tick(&clock, n - 1);
		ets_printf("count %u\n", (unsigned)n);
	}
}
