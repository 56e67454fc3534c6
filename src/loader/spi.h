/* spi.h - flash chip commands through the SPI controller's registers.
 *
 * Layer: loader. Works with the bare ROM, by READ_REG and WRITE_REG. Knows the
 * controller and the commands that all SPI NOR chips share; knows nothing of
 * makers. The SPI pins are attached first when that was not done. Not to be
 * mixed into a running FLASH_DATA sequence before it is attached.
 */
#ifndef SPI_H
#define SPI_H

#include "rom.h"

enum {
	SPI_DATA_MAX = 64,	/* of one transaction: the controller's buffer */
	SPI_SECTOR = 4096,
	SPI_BLOCK = 65536,
};

enum spi_opcode {
	SPI_WRITE_STATUS1 = 0x01, SPI_READ = 0x03, SPI_READ_STATUS1 = 0x05,
	SPI_WRITE_ENABLE = 0x06, SPI_WRITE_STATUS3 = 0x11, SPI_READ_STATUS3 = 0x15,
	SPI_ERASE_SECTOR = 0x20, SPI_WRITE_STATUS2 = 0x31, SPI_READ_STATUS2 = 0x35,
	SPI_RESET_ENABLE = 0x66, SPI_RESET = 0x99, SPI_READ_ID = 0x9F, SPI_WAKE_UP = 0xAB,
	SPI_ERASE_BLOCK = 0xD8,
};

enum spi_status_bit { SPI_BUSY = 0x01, SPI_WRITE_ENABLED = 0x02 };

struct spi_transaction {
	uint8_t opcode;
	unsigned addr_bits;	/* 0 or 8, 16, 24, 32 */
	uint32_t addr;
	unsigned dummy_bits;	/* 0..256 */
	const uint8_t *out;
	size_t out_len;		/* at most SPI_DATA_MAX, and */
	uint8_t *in;
	size_t in_len;		/* only one of out and in */
	/* Read all back and compare before the start: the loader's register
	 * commands carry no checksum, and this one must not go wrong. */
	bool checked;
};

/* Attaches the pins to the flash chip (clears protection bits as the ROM does) and
 * leaves the ROM with a flash of 0 bytes (see rom_flash_limit()). */
int spi_attach(struct rom *rom) __attribute__((warn_unused_result));

/* One transaction; the controller's USER registers are as before afterwards.
 * ESP_E_ARGUMENT, ESP_E_FLASH (controller never ready), ESP_E_PROTO (what was to
 * be started arrived damaged; nothing was), and as rom_command(). */
int spi_command(struct rom *rom, const struct spi_transaction *t)
	__attribute__((warn_unused_result));

/* maker | type << 8 | capacity << 16. Wakes a sleeping chip up. ESP_E_FLASH when
 * only 00 or FF comes back. */
int spi_read_id(struct rom *rom, uint32_t *id) __attribute__((warn_unused_result));

/* Status register n = 1..3. Writing one, or two with one command, waits until the
 * chip is done, and wears non-volatile bits; as safe as erasing. */
int spi_read_status(struct rom *rom, int n, uint8_t *value) __attribute__((warn_unused_result));
int spi_write_status(struct rom *rom, int n, const uint8_t *values, size_t len)
	__attribute__((warn_unused_result));

/* ESP_E_FLASH when still busy after timeout_ms. */
int spi_wait_idle(struct rom *rom, uint32_t timeout_ms) __attribute__((warn_unused_result));

/* Any address and length. Nothing on the way is checksummed: read twice or
 * compare where it matters. */
int spi_read_flash(struct rom *rom, uint32_t addr, void *buf, size_t len)
	__attribute__((warn_unused_result));

/* Erases the 4 KiB sector, or the 64 KiB block, at addr, a multiple of its size, and
 * waits. Line noise cannot make it another one: what is to be done is read back
 * while the chip still refuses all changes, and the write enable and the start that
 * then follow are single bits. */
int spi_erase_sector(struct rom *rom, uint32_t addr) __attribute__((warn_unused_result));
int spi_erase_block(struct rom *rom, uint32_t addr) __attribute__((warn_unused_result));

#endif
