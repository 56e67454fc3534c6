/* ticks.h - the simulator's unit of time.
 *
 * Layer: sim. A tick is 1/2080 microsecond: the smallest clock of which 52,
 * 80, 104 and 160 MHz are whole divisions, so that CPU cycles, UART bits and
 * host time share one integer and nothing drifts. 64 bits last 280 years.
 */
#ifndef SIM_TICKS_H
#define SIM_TICKS_H

#include <stdint.h>

#define TICKS_PER_US 2080u
#define TICKS_PER_MS (1000u * TICKS_PER_US)
#define TICKS_PER_S (1000000ull * TICKS_PER_US)
#define TICKS_NEVER UINT64_MAX

static inline uint64_t ticks_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
