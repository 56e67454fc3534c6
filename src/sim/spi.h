/* spi.h - an SPI controller of the ESP8266 in front of a NOR flash.
 *
 * Layer: sim. Knows registers and the flash's bytes; no CPU, no cache window.
 * Source: reference, registers 3.
 */
#ifndef SIM_SPI_H
#define SIM_SPI_H

#include "nor.h"

enum spi_reg {
	SPI_CMD = 0x00, SPI_ADDR = 0x04, SPI_CTRL = 0x08, SPI_RD_STATUS = 0x10,
	SPI_CLOCK = 0x18, SPI_USER = 0x1C, SPI_USER1 = 0x20, SPI_USER2 = 0x24,
	SPI_SLAVE = 0x30, SPI_W0 = 0x40, SPI_EXT2 = 0xF8, SPI_BYTES = 0x100,
};

enum spi_cmd {
	SPI_READ = 1u << 31, SPI_WREN = 1 << 30, SPI_WRDI = 1 << 29, SPI_RDID = 1 << 28,
	SPI_RDSR = 1 << 27, SPI_WRSR = 1 << 26, SPI_PP = 1 << 25, SPI_SE = 1 << 24,
	SPI_BE = 1 << 23, SPI_CE = 1 << 22, SPI_DP = 1 << 21, SPI_RES = 1 << 20,
	SPI_HPM = 1 << 19, SPI_USR = 1 << 18,
};

enum spi_ctrl {
	SPI_RD_LSB_FIRST = 1 << 25, SPI_WR_LSB_FIRST = 1 << 26, SPI_QIO = 1 << 24,
	SPI_DIO = 1 << 23, SPI_TWO_BYTE_STATUS = 1 << 22, SPI_QOUT = 1 << 20,
	SPI_DOUT = 1 << 14, SPI_FASTRD = 1 << 13, SPI_CLOCK_APB = 1 << 12,
};

struct spi {
	struct nor *nor;		/* NULL: nothing on the pins, MISO reads 1 */
	uint32_t reg[SPI_BYTES / 4];
	uint64_t busy_until;		/* the command register reads non-zero until then */
	uint32_t clock_ticks;		/* ticks per APB clock */
};

void spi_reset(struct spi *s, uint32_t clock_ticks);
uint32_t spi_read(const struct spi *s, uint64_t now, uint32_t off);
void spi_write(struct spi *s, uint64_t now, uint32_t off, uint32_t value);
bool spi_is_busy(const struct spi *s, uint64_t now);
/* When the transaction under way ends; TICKS_NEVER when idle at `now`. */
uint64_t spi_next(const struct spi *s, uint64_t now);
bool spi_irq(const struct spi *s, uint64_t now);

/* Whether the read mode in CTRL gets the flash's bytes: the quad modes need
 * its quad enable bit. What the cache reads depends on it. */
bool spi_mode_works(const struct spi *s);

#endif
