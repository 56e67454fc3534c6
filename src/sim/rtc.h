/* rtc.h - the always-on part: reset cause, software reset, RTC memory.
 *
 * Layer: sim. Knows no CPU. Source: reference, registers 1 and 6.
 */
#ifndef SIM_RTC_H
#define SIM_RTC_H

#include <stdbool.h>
#include <stdint.h>

enum { RTC_MEM_BYTES = 0x400 };

enum rtc_cause { RTC_CAUSE_POWER = 1, RTC_CAUSE_PIN = 2, RTC_CAUSE_SOFTWARE = 3,
	RTC_CAUSE_WATCHDOG = 4 };

struct rtc {
	uint32_t reg[0x100 / 4];
	uint32_t mem[RTC_MEM_BYTES / 4];	/* 0x60001000: keeps its contents over resets */
	bool reset_wanted;			/* software reset was written */
};

/* Power on: memory is junk (zero here), cause 1. */
void rtc_init(struct rtc *r);
/* A reset of the chip. A software reset passes the cause of the last hardware
 * reset again, as the chip does. */
void rtc_reset(struct rtc *r, enum rtc_cause cause);
uint32_t rtc_read(const struct rtc *r, uint64_t now, uint32_t off);
void rtc_write(struct rtc *r, uint32_t off, uint32_t value);

#endif
