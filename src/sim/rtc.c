#include "rtc.h"

#include "ticks.h"

#include <string.h>

enum {
	RTC_CTL = 0x00, RTC_CAUSE = 0x14, RTC_WAKE = 0x18, RTC_COUNT = 0x1C,
	RTC_STORE0 = 0x30, RTC_STORE_END = 0x40,
	SLOW_CLOCK_HZ = 150000,		/* the RC oscillator, roughly */
};

void rtc_init(struct rtc *r)
{
	memset(r, 0, sizeof *r);
	r->reg[RTC_CAUSE / 4] = RTC_CAUSE_POWER;
}

void rtc_reset(struct rtc *r, enum rtc_cause cause)
{
	uint32_t last = r->reg[RTC_CAUSE / 4], store[4];

	memcpy(store, &r->reg[RTC_STORE0 / 4], sizeof store);
	memset(r->reg, 0, sizeof r->reg);
	memcpy(&r->reg[RTC_STORE0 / 4], store, sizeof store);
	r->reg[RTC_CAUSE / 4] = cause == RTC_CAUSE_SOFTWARE ? last : cause;
	r->reset_wanted = false;
}

uint32_t rtc_read(const struct rtc *r, uint64_t now, uint32_t off)
{
	if (off == RTC_COUNT)
		return (uint32_t)(now / (TICKS_PER_S / SLOW_CLOCK_HZ));
	return r->reg[off / 4];
}

void rtc_write(struct rtc *r, uint32_t off, uint32_t value)
{
	if (off == RTC_CAUSE || off == RTC_WAKE || off == RTC_COUNT)
		return;
	r->reg[off / 4] = value;
	if (off == RTC_CTL && value >> 31) {
		r->reg[RTC_CTL / 4] = value & 0x7FFFFFFF;
		r->reset_wanted = true;
	}
}
