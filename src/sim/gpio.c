#include "gpio.h"

#include <string.h>

enum { PINS = 16, PIN_FIRST = 0x28, PIN_LAST = 0x64, PIN_OPEN_DRAIN = 1 << 2 };
enum { INT_RISING = 1, INT_FALLING, INT_BOTH, INT_LOW, INT_HIGH };

void gpio_init(struct gpio *g)
{
	memset(g, 0, sizeof *g);
	g->external = GPIO_IDLE_LEVELS;
}

void gpio_set_straps(struct gpio *g, unsigned boot)
{
	g->straps = (boot & 7) << 16 | (uint32_t)GPIO_SD_STRAP << 29;
}

void gpio_reset(struct gpio *g, bool latch)
{
	uint32_t external = g->external, straps = g->straps;

	memset(g, 0, sizeof *g);
	g->external = external;
	g->straps = straps;
	if (latch)
		gpio_set_straps(g, (external >> 2 & 1) | (external & 1) << 1 |
				(external >> 15 & 1) << 2);
}

uint32_t gpio_levels(const struct gpio *g)
{
	uint32_t levels = g->external;

	for (unsigned i = 0; i < PINS; i++) {
		uint32_t bit = 1u << i;

		if (!(g->enable & bit))
			continue;
		if (!(g->out & bit))
			levels &= ~bit;
		else if (!(g->pin[i] & PIN_OPEN_DRAIN))
			levels |= bit;
	}
	return levels & 0xFFFF;
}

/* Sets interrupt status from the levels before and now. */
static void detect(struct gpio *g, uint32_t before)
{
	uint32_t now = gpio_levels(g);

	for (unsigned i = 0; i < PINS; i++) {
		bool was = before >> i & 1, is = now >> i & 1;
		unsigned type = g->pin[i] >> 7 & 7;
		bool hit = (type == INT_RISING && !was && is) || (type == INT_FALLING && was && !is) ||
			   (type == INT_BOTH && was != is) || (type == INT_LOW && !is) ||
			   (type == INT_HIGH && is);

		g->status |= (uint32_t)hit << i;
	}
}

void gpio_drive(struct gpio *g, uint32_t mask, bool level)
{
	uint32_t before = gpio_levels(g);

	g->external = level ? g->external | mask : g->external & ~mask;
	detect(g, before);
}

uint32_t gpio_read(const struct gpio *g, uint32_t off)
{
	switch (off) {
	case 0x00: return g->out;
	case 0x0C: return g->enable;
	case 0x18: return gpio_levels(g) | g->straps;
	case 0x1C: return g->status;
	case 0x68: return g->sigma_delta;
	case 0x6C: return g->rtc_calib;
	default: break;
	}
	return off >= PIN_FIRST && off <= PIN_LAST ? g->pin[(off - PIN_FIRST) / 4] : 0;
}

void gpio_write(struct gpio *g, uint32_t off, uint32_t value)
{
	uint32_t before = gpio_levels(g);

	switch (off) {
	case 0x00: g->out = value & 0xFFFF; break;
	case 0x04: g->out |= value & 0xFFFF; break;
	case 0x08: g->out &= ~value; break;
	case 0x0C: g->enable = value & 0xFFFF; break;
	case 0x10: g->enable |= value & 0xFFFF; break;
	case 0x14: g->enable &= ~value; break;
	case 0x1C: g->status = value & 0xFFFF; break;
	case 0x20: g->status |= value & 0xFFFF; break;
	case 0x24: g->status &= ~value; break;
	case 0x68: g->sigma_delta = value; break;
	case 0x6C: g->rtc_calib = value; break;
	default:
		if (off >= PIN_FIRST && off <= PIN_LAST)
			g->pin[(off - PIN_FIRST) / 4] = value;
	}
	detect(g, before);
}

bool gpio_irq(const struct gpio *g)
{
	return g->status;
}
