/* wdt.h - the hardware watchdog.
 *
 * Layer: sim. Knows no CPU: it says when to interrupt and when to bite.
 * Source: reference, registers 7.
 */
#ifndef SIM_WDT_H
#define SIM_WDT_H

#include <stdbool.h>
#include <stdint.h>

struct wdt {
	uint32_t ctl, op, op_nd;
	uint32_t stage;		/* 1 after the first time has passed unfed */
	uint64_t fed_at, due;	/* due: end of the stage, TICKS_NEVER when off */
	bool acknowledged;	/* the stage 1 interrupt */
	bool bites;		/* the chip must be reset */
};

/* Off, as after power-on, the RST pin and its own bite. */
void wdt_reset(struct wdt *w);
uint32_t wdt_read(const struct wdt *w, uint64_t now, uint32_t off);
void wdt_write(struct wdt *w, uint64_t now, uint32_t off, uint32_t value);
void wdt_run(struct wdt *w, uint64_t now);
bool wdt_irq(const struct wdt *w);

#endif
