/* timer.h - the two FRC timers of the ESP8266.
 *
 * Layer: sim. Knows no CPU: it says whether its interrupt line is up.
 * Source: reference, registers 5.
 */
#ifndef SIM_TIMER_H
#define SIM_TIMER_H

#include <stdbool.h>
#include <stdint.h>

enum timer_reg { TIMER_LOAD = 0x00, TIMER_COUNT = 0x04, TIMER_CTRL = 0x08, TIMER_INT = 0x0C,
	TIMER_ALARM = 0x10 };

struct timer {
	bool down;		/* FRC1: 23 bits downwards; FRC2: 32 bits upwards */
	uint32_t load, ctrl, alarm;
	uint32_t base;		/* the count at base_at */
	uint64_t base_at, hit_at;	/* hit_at: next interrupt, TICKS_NEVER when stopped */
	bool pending;
	uint32_t clock_ticks;
};

void timer_reset(struct timer *t, bool down, uint64_t now, uint32_t clock_ticks);
void timer_set_clock(struct timer *t, uint64_t now, uint32_t clock_ticks);
uint32_t timer_read(struct timer *t, uint64_t now, uint32_t off);
void timer_write(struct timer *t, uint64_t now, uint32_t off, uint32_t value);
/* Raises `pending` when the time has come; true when it did so in this call. */
bool timer_run(struct timer *t, uint64_t now);

#endif
