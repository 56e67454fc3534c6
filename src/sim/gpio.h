/* gpio.h - GPIO0..15: levels, straps, interrupts.
 *
 * Layer: sim. Knows no pads and no board: what the outside drives comes in as
 * levels. Source: reference, registers 4.
 */
#ifndef SIM_GPIO_H
#define SIM_GPIO_H

#include <stdbool.h>
#include <stdint.h>

/* GPIO15 is pulled down on every board, all else is up (a flasher looks at
 * GPIO0 only); SDIO straps 6 are those of common boards. */
enum { GPIO_IDLE_LEVELS = 0x7FFF, GPIO_SD_STRAP = 6, GPIO_0 = 1 };

struct gpio {
	uint32_t out, enable, status;
	uint32_t pin[16];
	uint32_t external;	/* what the outside drives, bits 15..0 */
	uint32_t straps;	/* IN bits 31..16 as latched at reset */
	uint32_t sigma_delta, rtc_calib;
};

void gpio_init(struct gpio *g);
/* A reset of the chip; latches the straps when `latch`. */
void gpio_reset(struct gpio *g, bool latch);
/* boot is what IN bits 18..16 latch: GPIO2, GPIO0, GPIO15 from bit 0 up. */
void gpio_set_straps(struct gpio *g, unsigned boot);
void gpio_drive(struct gpio *g, uint32_t mask, bool level);
uint32_t gpio_levels(const struct gpio *g);
uint32_t gpio_read(const struct gpio *g, uint32_t off);
void gpio_write(struct gpio *g, uint32_t off, uint32_t value);
bool gpio_irq(const struct gpio *g);

#endif
